//! A policy drafted from repeated runs.

use std::borrow::Cow;
use std::path::PathBuf;

use super::comparable::differences;
use super::document::Document;
use super::measures::{self, Facts};
use super::selector::Selector;
use super::values::Entry;
use crate::error::{Error, Result, visible};

/// Standard deviations that a tolerance spans.
const SIGMAS: f64 = 3.0;

/// How the values of one place are spread over the runs.
struct Spread<'a> {
    entry: &'a Entry,
    facts: &'static Facts,
    /// What is proposed as `atol`.
    atol: f64,
}

/// A policy drafted from repeated runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The policy as TOML.
    pub text: String,
    /// The values that have no tolerance, as the first run has `null` there.
    pub left_out: Vec<String>,
}

/// A policy whose tolerances fit the spread over repeated runs: 3 σ (the sample standard
/// deviation), but neither below the default of the measure nor below the largest difference seen, so
/// that each of the runs passes against each other.
///
/// Every measure has a tolerance for its layers of one name, or its places, each, and one for all
/// the rest. Values that are `null` in the first run have none; a comment names them.
///
/// # Errors
/// Fewer than two runs, runs that are not comparable, or a value that one of them lacks.
pub fn draft(runs: &[(PathBuf, Document)]) -> Result<Draft> {
    let [(_, first), rest @ ..] = runs else { return Err(too_few()) };
    if rest.is_empty() {
        return Err(too_few());
    }
    for (path, run) in rest {
        if let Some(difference) = differences(run, first, false).first() {
            let problem = difference.against("in the first run");
            return Err(Error::file("compare", path, problem, "give repeated runs of one command"));
        }
    }
    let spreads = spreads(first, rest)?;
    let left_out = left_out(first);
    let mut text = header(runs, &left_out);
    for facts in measures::all() {
        let of_measure: Vec<&Spread<'_>> =
            spreads.iter().filter(|spread| spread.facts.name == facts.name).collect();
        text.push_str(&section(facts, &of_measure)?);
    }
    Ok(Draft { text, left_out })
}

/// What would have a tolerance if it had a value.
fn left_out(run: &Document) -> Vec<String> {
    let entries = run.entries().iter().filter(|entry| measures::of(&entry.measure).is_some());
    entries.filter(|entry| entry.value.is_none()).map(ToString::to_string).collect()
}

fn too_few() -> Error {
    Error::usage("a spread needs at least two runs", "give reports of the same command, run again")
}

fn spreads<'a>(first: &'a Document, rest: &[(PathBuf, Document)]) -> Result<Vec<Spread<'a>>> {
    let mut spreads = vec![];
    for entry in first.entries() {
        let (Some(value), Some(facts)) = (entry.value, measures::of(&entry.measure)) else {
            continue;
        };
        let mut values = vec![value];
        for (path, run) in rest {
            let found = run.like(entry).and_then(|entry| entry.value).ok_or_else(|| {
                let problem = format!("it has no value {entry}, which the first run has");
                Error::file("compare", path, problem, "give repeated runs of one command")
            })?;
            values.push(found);
        }
        spreads.push(Spread { entry, facts, atol: tolerance(facts, &values) });
    }
    Ok(spreads)
}

/// 3 σ, the default, or the largest difference, whichever is most, rounded up to two digits.
fn tolerance(facts: &Facts, values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let sigma = (squares / (n - 1.0)).sqrt();
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let default = facts.tolerance(most.abs().max(least.abs()));
    rounded_up((SIGMAS * sigma).max(default).max(most - least))
}

fn rounded_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let digits = 1 - value.log10().floor() as i32;
    // Less what rounding leaves, so that 0.03 does not become 0.031.
    let scaled = (value * 10f64.powi(digits) * (1.0 - 1e-12)).ceil();
    format!("{scaled}e{}", -digits).parse().unwrap_or(value)
}

fn header(runs: &[(PathBuf, Document)], left_out: &[String]) -> String {
    let names: Vec<String> = runs
        .iter()
        .map(|(path, _)| format!("#   {}", visible(&path.display().to_string())))
        .collect();
    format!(
        "# Drafted by `repsim check --write-policy` from the spread over {} runs:\n{}\n\
         # Each atol is 3 standard deviations over these runs, but neither below the default of the\n\
         # measure nor below the largest difference between two of them.\n\
         # The first tolerance that matches a value counts.\n\
         {}version = 1\n",
        runs.len(),
        names.join("\n"),
        without_value(left_out)
    )
}

/// The comment on values that are left out, each of them on a line.
fn without_value(left_out: &[String]) -> String {
    if left_out.is_empty() {
        return String::new();
    }
    let names: String = left_out.iter().map(|name| format!("#   {}\n", visible(name))).collect();
    format!("# Left out, as the first run has null there:\n{names}")
}

/// The tolerances of one measure.
fn section(facts: &Facts, spreads: &[&Spread<'_>]) -> Result<String> {
    let Some(most) = spreads.iter().map(|spread| spread.atol).max_by(f64::total_cmp) else {
        return Ok(String::new());
    };
    let default = match facts.rtol {
        0.0 => format!("{}", facts.atol),
        rtol => format!("{} + {rtol} · |value|", facts.atol),
    };
    let mut text = format!("\n# {}: by default {default} ({})\n", facts.name, facts.why);
    let single = spreads.iter().filter(|spread| spread.entry.is_diagonal());
    for spread in single.filter(|spread| !spread.entry.place.is_empty()) {
        let of = Selector::exactly(spread.entry)
            .map_err(|problem| Error::usage(problem, "please report this"))?;
        text.push_str(&entry(&of.to_string(), spread.atol));
    }
    text.push_str(&entry(facts.name, most));
    Ok(text)
}

fn entry(of: &str, atol: f64) -> String {
    let of = match visible(of) {
        Cow::Borrowed(of) => toml::Value::String(of.to_owned()).to_string(),
        Cow::Owned(_) => escaped(of),
    };
    format!("[[tolerance]]\nof = {of}\natol = {atol:?}\n")
}

/// A text with hidden characters as a string of TOML.
fn escaped(text: &str) -> String {
    let letter = |letter: char| match letter {
        '"' | '\\' => format!("\\{letter}"),
        _ if visible(letter.encode_utf8(&mut [0; 4])).starts_with('\\') => {
            format!("\\U{:08X}", u32::from(letter))
        }
        _ => letter.to_string(),
    };
    format!("\"{}\"", text.chars().map(letter).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_read_back() {
        let name = "a\n\u{1b}[\u{9b}\u{202e}\"\\\u{e0041}é";
        let text = entry(name, 0.5);
        assert_eq!(text.lines().count(), 3, "{text}");
        let table: Option<toml::Table> = toml::from_str(&text).ok();
        let read = table.and_then(|t| Some(t["tolerance"][0]["of"].as_str()?.to_owned()));
        assert_eq!(read.as_deref(), Some(name));
    }

    #[test]
    fn tolerances_are_rounded_up() {
        let rounded = [0.0, 0.001, 0.001_01, 0.0299, 1.0, 123.4, 9.96].map(rounded_up);
        assert_eq!(rounded, [0.0, 0.001, 0.0011, 0.03, 1.0, 130.0, 10.0]);
    }

    #[test]
    fn three_deviations_or_the_default() -> Result<(), &'static str> {
        let cka = measures::of("cka").ok_or("no cka")?;
        assert_eq!(tolerance(cka, &[0.9, 0.9]), 0.001);
        assert_eq!(tolerance(cka, &[0.90, 0.92, 0.91]), 0.03);
        let outlier = [[0.9; 20].as_slice(), &[0.5]].concat();
        assert!(tolerance(cka, &outlier) >= 0.4);
        Ok(())
    }
}
