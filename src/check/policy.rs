//! Policies: what a report has to meet, as a TOML file.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::Rule;
use super::selector::Selector;
use crate::error::{Error, Result, did_you_mean};

/// The version of policies that is read.
const VERSION: u32 = 1;

/// A policy as it is written.
///
/// ```toml
/// version = 1
/// rules = ['cka["layer4*"] >= 0.95', 'drop <= 0.02 against baseline']
///
/// [[tolerance]]
/// of = 'cka["layer1"]'
/// atol = 0.003
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicyFile {
    /// 1.
    pub version: u32,
    /// What has to hold.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Whether reports of other samples may be compared.
    #[serde(default)]
    pub allow_different_data: bool,
    /// What becomes of candidates of `fid` that only one of the reports has.
    #[serde(default)]
    pub new_candidates: NewCandidates,
    /// How closely values of the baseline have to be met; the first that matches a value counts.
    #[serde(default)]
    pub tolerance: Vec<ToleranceEntry>,
}

/// What becomes of candidates of `fid` that the baseline does not have, and of those that only it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NewCandidates {
    /// New ones must not be worse than the worst of the baseline; those that are gone are named.
    #[default]
    Hold,
    /// New ones and those that are gone are named.
    Ignore,
    /// Neither may be.
    Fail,
}

/// How closely values of the baseline have to be met, as it is written: within
/// atol + rtol · |baseline|.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToleranceEntry {
    /// Which values: `cka["layer1"]`.
    pub of: String,
    /// Absolute.
    #[serde(default)]
    pub atol: f64,
    /// Relative to the baseline.
    #[serde(default)]
    pub rtol: f64,
}

/// What a report has to meet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// What has to hold.
    pub rules: Vec<Rule>,
    /// How closely values of the baseline have to be met; the first that matches a value counts.
    pub tolerances: Vec<Tolerance>,
    /// Whether reports of other samples may be compared.
    pub allow_different_data: bool,
    /// What becomes of candidates of `fid` that only one of the reports has.
    pub new_candidates: NewCandidates,
}

/// How closely values of the baseline have to be met: within atol + rtol · |baseline|.
#[derive(Debug, Clone, PartialEq)]
pub struct Tolerance {
    /// Which values.
    pub of: Selector,
    /// Absolute.
    pub atol: f64,
    /// Relative to the baseline.
    pub rtol: f64,
}

impl Policy {
    /// Reads a policy from its text; `path` is for the message.
    ///
    /// # Errors
    /// Invalid TOML, a key that is not known (the message names the nearest), another version, a rule or
    /// an invalid tolerance.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let wrong = |(problem, remedy): (String, &str)| Error::file("read", path, problem, remedy);
        let table: toml::Table = toml::from_str(text).map_err(|e| wrong(broken(text, &e)))?;
        known_keys(&table).map_err(wrong)?;
        let file: PolicyFile = toml::from_str(text).map_err(|e| wrong(broken(text, &e)))?;
        if file.version != VERSION {
            let problem = format!("it is a policy of version {}", file.version);
            return Err(wrong((problem, "this repsim reads version 1")));
        }
        file.meaning().map_err(|problem| wrong((problem, "see `repsim check --help`")))
    }

    /// Whether values are held against those of the baseline, besides rules.
    pub(super) fn compares(&self) -> bool {
        self.rules.is_empty() || !self.tolerances.is_empty()
    }

    /// Whether it mentions no value, so that the defaults count.
    pub(super) fn is_default(&self) -> bool {
        self.rules.is_empty() && self.tolerances.is_empty()
    }

    /// Whether it can be held against a report without a baseline.
    pub fn needs_baseline(&self) -> bool {
        self.compares() || self.rules.iter().any(|rule| rule.movement.is_some())
    }
}

impl PolicyFile {
    fn meaning(&self) -> Result<Policy, String> {
        let rules = self
            .rules
            .iter()
            .map(|rule| rule.parse::<Rule>().map_err(|e| format!("a rule cannot be read: {e}")));
        let tolerances = self.tolerance.iter().map(ToleranceEntry::meaning);
        Ok(Policy {
            rules: rules.collect::<Result<_, String>>()?,
            tolerances: tolerances.collect::<Result<_, String>>()?,
            allow_different_data: self.allow_different_data,
            new_candidates: self.new_candidates,
        })
    }
}

impl ToleranceEntry {
    fn meaning(&self) -> Result<Tolerance, String> {
        let of: Selector =
            self.of.parse().map_err(|e| format!("the place of a tolerance cannot be read: {e}"))?;
        for (name, value) in [("atol", self.atol), ("rtol", self.rtol)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(format!(
                    "{name} = {value} of {of} is not a tolerance: it must be 0 or more"
                ));
            }
        }
        Ok(Tolerance { of, atol: self.atol, rtol: self.rtol })
    }
}

const KEYS: &[&str] = &["version", "rules", "allow-different-data", "new-candidates", "tolerance"];
const TOLERANCE_KEYS: &[&str] = &["of", "atol", "rtol"];

/// Refuses keys that would be ignored.
fn known_keys(table: &toml::Table) -> Result<(), (String, &'static str)> {
    check(table, KEYS, "")?;
    let tolerances = table.get("tolerance").and_then(toml::Value::as_array);
    for tolerance in tolerances.into_iter().flatten().filter_map(toml::Value::as_table) {
        check(tolerance, TOLERANCE_KEYS, " of a tolerance")?;
    }
    Ok(())
}

fn check(table: &toml::Table, known: &[&str], whose: &str) -> Result<(), (String, &'static str)> {
    let strange = table.keys().find(|key| !known.contains(&key.as_str()));
    let Some(key) = strange else { return Ok(()) };
    let near = did_you_mean(key, known);
    let problem = format!("there is no key '{key}'{whose}; {near}");
    Err((problem, "see `repsim schema policy`"))
}

/// What is wrong with the TOML, and where.
fn broken(text: &str, error: &toml::de::Error) -> (String, &'static str) {
    let place = error.span().map_or_else(String::new, |span| {
        let before = text.get(..span.start).unwrap_or(text);
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("line {}, column {column}: ", before.matches('\n').count() + 1)
    });
    (format!("{place}{}", error.message()), "a policy is TOML, as `repsim schema policy` says")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let error = Policy::parse(text, Path::new("p.toml")).err();
        error.map_or_else(String::new, |e| e.to_string())
    }

    #[test]
    fn a_policy_is_read() -> Result<()> {
        let text = "version = 1\nrules = ['diagonal >= 0.9']\nallow-different-data = true\n\
                    [[tolerance]]\nof = 'cka[\"layer1\"]'\natol = 0.003\n";
        let policy = Policy::parse(text, Path::new("p.toml"))?;
        assert_eq!(policy.rules.len(), 1);
        assert_eq!((policy.tolerances[0].atol, policy.tolerances[0].rtol), (0.003, 0.0));
        assert!(policy.allow_different_data && policy.needs_baseline());
        let rules = Policy::parse("version = 1\nrules = ['fid <= 3']", Path::new("p"))?;
        assert!(!rules.needs_baseline());
        Ok(())
    }

    #[test]
    fn mistakes_are_told() {
        for (text, parts) in [
            ("version = 1\nrulez = []", ["'rulez'", "did you mean rules?"]),
            (
                "version = 1\nallow_different_data = true",
                ["no key", "did you mean allow-different-data?"],
            ),
            (
                "version = 1\n[[tolerance]]\nof = 'cka'\natoll = 1",
                ["'atoll'", "did you mean atol?"],
            ),
            ("version = 1\n[[tolerance]]\natol = 1", ["line 2", "missing field `of`"]),
            ("rules = []", ["line 1", "missing field `version`"]),
            ("version = 2", ["version 2", "version 1"]),
            ("version = 1\nrules = 'x'", ["line 2, column 9", "invalid type"]),
            ("version = 1\nrules = [", ["line 2", "unclosed array"]),
            ("version = 1\nrules = ['cka >> 1']", ["'cka >> 1', column 6", "a number"]),
            ("version = 1\nrules = ['ckka > 1']", ["no measure 'ckka'", "nearest is cka"]),
            ("version = 1\n[[tolerance]]\nof = 'cka'\natol = -1", ["atol = -1", "0 or more"]),
            ("version = 1\n[[tolerance]]\nof = 'cka['", ["'cka[', column 5", "quotation"]),
        ] {
            let text = said(text);
            assert!(parts.iter().all(|part| text.contains(part)), "{text}: {parts:?}");
        }
    }
}
