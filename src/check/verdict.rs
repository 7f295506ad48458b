//! The outcome of a check.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measures::Facts;
use crate::report::{Number, SchemaId};

/// How one value, or the whole, fared; the later the graver.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Within what was allowed.
    Passed,
    /// Better than the baseline by more than the tolerance: passes too.
    Improved,
    /// Beyond the tolerance, in a pair of layers of different names, which only a policy holds: passes too.
    Moved,
    /// Beyond what was allowed.
    Drifted,
    /// It could not be checked: a value is missing or `null`, or the reports are not comparable.
    Unchecked,
}

impl Outcome {
    /// Its word in tables, test cases and annotations.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Improved => "improved",
            Self::Moved => "moved",
            Self::Drifted => "drifted",
            Self::Unchecked => "could not be checked",
        }
    }
}

/// One value held against a rule or its baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// How it fared.
    pub outcome: Outcome,
    /// What was held: `cka["layer4"]`, `$.results.n`, `comparability`.
    pub of: String,
    /// The rule of the policy, where it was one.
    pub rule: Option<String>,
    /// The value in the report.
    pub value: Number,
    /// The value in the baseline, where there is one.
    pub baseline: Number,
    /// What was expected: `≥ 0.949`.
    pub expected: String,
    /// Value less baseline; for a rule without baseline, less the rule's number.
    pub difference: Number,
    /// The difference in tolerances; `null` where none is allowed, or for a rule.
    pub tolerances: Number,
    /// All of it in words.
    pub message: String,
}

/// How many values fared how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Those that were held against something.
    pub checked: usize,
    /// Better than the baseline by more than the tolerance; they pass.
    pub improved: usize,
    /// Beyond what was allowed.
    pub drifted: usize,
    /// Those that could not be checked.
    pub unchecked: usize,
    /// Pairs of layers of different names, which without a policy are not held to the baseline.
    #[serde(default)]
    pub others: usize,
    /// Those of them that moved by more than the tolerance; they pass.
    #[serde(default)]
    pub moved: usize,
}

/// The outcome of checking a report against a baseline and a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    findings: Vec<Finding>,
    beside: Beside,
}

/// What else is reported of a check besides its findings.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Beside {
    /// Values of the report that the baseline does not have, and that were held to nothing.
    pub beyond: usize,
    /// Pairs of layers of different names that were not held to the baseline.
    pub others: usize,
    /// Candidates that the baseline does not have.
    pub new: Vec<String>,
    /// Candidates of the baseline that the report does not have.
    pub gone: Vec<String>,
}

/// A verdict as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckReport {
    /// Name and version of this schema: `check`.
    pub schema: SchemaId,
    /// Path of the report.
    pub report: String,
    /// Path of the baseline, where there was one.
    pub baseline: Option<String>,
    /// Path of the policy, where there was one.
    pub policy: Option<String>,
    /// The gravest outcome: `passed`, `drifted` or `unchecked`.
    pub outcome: Outcome,
    /// How many values fared how.
    pub counts: Counts,
    /// What did not pass: first what could not be checked, then the largest differences first.
    pub failures: Vec<Finding>,
    /// Pairs of layers of different names that moved by more than the tolerance, the largest differences
    /// first: without a policy they do not fail.
    #[serde(default)]
    pub moved: Vec<Finding>,
    /// Candidates of `fid` that the baseline does not have.
    #[serde(default)]
    pub new_candidates: Vec<String>,
    /// Candidates of the baseline that the report does not have.
    #[serde(default)]
    pub gone_candidates: Vec<String>,
}

/// Names that are listed of candidates that are new or gone.
const NAMED: usize = 5;

impl Verdict {
    /// Of all findings, in the order in which they were made.
    pub(super) fn new(findings: Vec<Finding>) -> Self {
        Self { findings, beside: Beside::default() }
    }

    /// Of a check that could not be made at all, and why.
    pub fn not_made(why: &str) -> Self {
        Self::new(vec![Finding {
            outcome: Outcome::Unchecked,
            of: "check".to_owned(),
            rule: None,
            value: None.into(),
            baseline: None.into(),
            expected: String::new(),
            difference: None.into(),
            tolerances: None.into(),
            message: why.to_owned(),
        }])
    }

    /// With what else is reported of it.
    pub(super) fn with(self, beside: Beside) -> Self {
        Self { beside, ..self }
    }

    /// All findings.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The gravest outcome; an improvement is a pass, and so is what moved without being held.
    pub fn outcome(&self) -> Outcome {
        let gravest = self.findings.iter().map(|finding| finding.outcome).max();
        gravest.filter(|outcome| *outcome > Outcome::Moved).unwrap_or(Outcome::Passed)
    }

    /// What did not pass: first what could not be checked, then the largest differences first.
    pub fn failures(&self) -> Vec<&Finding> {
        self.largest_first(|outcome| outcome > Outcome::Moved)
    }

    /// The pairs of layers of different names that moved, the largest differences first.
    pub fn moved(&self) -> Vec<&Finding> {
        self.largest_first(|outcome| outcome == Outcome::Moved)
    }

    fn largest_first(&self, wanted: fn(Outcome) -> bool) -> Vec<&Finding> {
        let chosen = self.findings.iter().filter(|finding| wanted(finding.outcome));
        let mut failed: Vec<&Finding> = chosen.collect();
        let size = |finding: &Finding| finding.tolerances.get().unwrap_or(f64::INFINITY);
        failed.sort_by(|a, b| b.outcome.cmp(&a.outcome).then_with(|| size(b).total_cmp(&size(a))));
        failed
    }

    /// How many values fared how.
    pub fn counts(&self) -> Counts {
        let count = |wanted| self.findings.iter().filter(|f| f.outcome == wanted).count();
        Counts {
            checked: self.findings.len() - count(Outcome::Unchecked) - count(Outcome::Moved),
            improved: count(Outcome::Improved),
            drifted: count(Outcome::Drifted),
            unchecked: count(Outcome::Unchecked),
            others: self.beside.others,
            moved: count(Outcome::Moved),
        }
    }

    /// `412 values checked, 3 drifted, 1 could not be checked`.
    pub fn summary(&self) -> String {
        let Counts { checked, improved, drifted, unchecked, .. } = self.counts();
        let values = if checked == 1 { "value" } else { "values" };
        let mut text = format!("{checked} {values} checked");
        for (count, outcome) in [
            (improved, Outcome::Improved),
            (drifted, Outcome::Drifted),
            (unchecked, Outcome::Unchecked),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {}", outcome.word()));
            }
        }
        if let Some(words) = super::groups::in_words(self) {
            text.push_str(&format!(" ({words})"));
        }
        if self.beside.others > 0 {
            let (moved, others) = (self.moved().len(), self.beside.others);
            let pairs = if others == 1 { "pair" } else { "pairs" };
            text.push_str(&format!(
                " ({moved} of {others} {pairs} of layers of different names moved, which is not checked)"
            ));
        }
        if self.beside.beyond > 0 {
            let beyond = self.beside.beyond;
            text.push_str(&format!(" ({beyond} of the report are not in the baseline)"));
        }
        text
    }

    /// What passes and should be known, each in one line: pairs of layers of different names that moved,
    /// candidates that are new or gone.
    pub fn notes(&self) -> Vec<String> {
        let others = self.moved().first().map(|most| self.of_others(most));
        let Beside { new, gone, .. } = &self.beside;
        let candidates =
            [(new, "not in the baseline"), (gone, "in the baseline and not in the report")];
        let named = candidates.into_iter().filter(|(names, _)| !names.is_empty());
        others.into_iter().chain(named.map(|(names, what)| of_candidates(names, what))).collect()
    }

    /// How many pairs of layers of different names moved, and which the most.
    fn of_others(&self, most: &Finding) -> String {
        format!(
            "{} of {} pairs of layers of different names moved by more than the tolerance; without a policy they \
             are not checked. The most: {}",
            self.moved().len(),
            self.beside.others,
            most.message
        )
    }

    /// The verdict as a report of its own.
    pub fn report(
        &self,
        report: &Path,
        baseline: Option<&Path>,
        policy: Option<&Path>,
    ) -> CheckReport {
        let shown = |path: &Path| path.display().to_string();
        CheckReport {
            schema: SchemaId::current("check"),
            report: shown(report),
            baseline: baseline.map(shown),
            policy: policy.map(shown),
            outcome: self.outcome(),
            counts: self.counts(),
            failures: self.failures().into_iter().cloned().collect(),
            moved: self.moved().into_iter().cloned().collect(),
            new_candidates: self.beside.new.clone(),
            gone_candidates: self.beside.gone.clone(),
        }
    }
}

/// Candidates by name, the first few of many.
fn of_candidates(names: &[String], what: &str) -> String {
    let named: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let candidates = if names.len() == 1 { "candidate" } else { "candidates" };
    format!("{} {candidates} {what}: {}{more}", names.len(), named.join(", "))
}

/// How a value moved, in words: `down by 0.02 from the baseline's 1 (worse)`.
pub(super) fn in_words(facts: &Facts, (base, value): (f64, f64)) -> String {
    let way = match value - base {
        change if change > 0.0 => format!("up by {}", shown(change)),
        change if change < 0.0 => format!("down by {}", shown(-change)),
        _ => return "as in the baseline".to_owned(),
    };
    let judged = match facts.worse_by(value, base) {
        Some(worse) if worse > 0.0 => " (worse)",
        Some(_) => " (better)",
        None => "",
    };
    format!("{way} from the baseline's {}{judged}", shown(base))
}

/// A number with six significant digits, without zeros at its end.
pub(super) fn shown(value: f64) -> String {
    let magnitude = value.abs();
    if value != 0.0 && !(1e-4..1e9).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let before = if value == 0.0 { 0 } else { magnitude.log10().floor() as i32 };
    let text = format!("{value:.*}", usize::try_from(5 - before).unwrap_or(0));
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.95, 0.949_999_9, 12.0, 1_234_567.0, -0.000_123_456_78, 2e-7, 1e12];
        let wanted = ["0", "0.95", "0.95", "12", "1234567", "-0.000123457", "2.000e-7", "1.000e12"];
        assert_eq!(texts.map(shown), wanted);
    }
}
