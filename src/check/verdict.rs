//! What came of a check.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Beyond what was allowed.
    Drifted,
    /// It could not be checked: a value is missing or `null`, or the reports are not comparable.
    Unchecked,
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
}

/// What came of holding a report against a baseline and a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    findings: Vec<Finding>,
    /// Values of the report that the baseline does not have.
    beyond: usize,
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
}

impl Verdict {
    /// Of all findings, in the order in which they were made.
    pub(super) fn new(findings: Vec<Finding>) -> Self {
        Self { findings, beyond: 0 }
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

    /// Tells besides how many values of the report the baseline does not have.
    pub(super) fn beyond(self, beyond: usize) -> Self {
        Self { beyond, ..self }
    }

    /// All findings.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The gravest outcome; an improvement is a pass.
    pub fn outcome(&self) -> Outcome {
        let gravest = self.findings.iter().map(|finding| finding.outcome).max();
        gravest.filter(|outcome| *outcome != Outcome::Improved).unwrap_or(Outcome::Passed)
    }

    /// What did not pass: first what could not be checked, then the largest differences first.
    pub fn failures(&self) -> Vec<&Finding> {
        let failed = self.findings.iter().filter(|finding| finding.outcome > Outcome::Improved);
        let mut failed: Vec<&Finding> = failed.collect();
        let size = |finding: &Finding| finding.tolerances.get().unwrap_or(f64::INFINITY);
        failed.sort_by(|a, b| b.outcome.cmp(&a.outcome).then_with(|| size(b).total_cmp(&size(a))));
        failed
    }

    /// How many values fared how.
    pub fn counts(&self) -> Counts {
        let count = |wanted| self.findings.iter().filter(|f| f.outcome == wanted).count();
        Counts {
            checked: self.findings.len() - count(Outcome::Unchecked),
            improved: count(Outcome::Improved),
            drifted: count(Outcome::Drifted),
            unchecked: count(Outcome::Unchecked),
        }
    }

    /// `412 values checked, 3 drifted, 1 could not be checked`.
    pub fn summary(&self) -> String {
        let Counts { checked, improved, drifted, unchecked } = self.counts();
        let values = if checked == 1 { "value" } else { "values" };
        let mut text = format!("{checked} {values} checked");
        for (count, what) in
            [(improved, "improved"), (drifted, "drifted"), (unchecked, "could not be checked")]
        {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        if let Some(words) = super::groups::in_words(self) {
            text.push_str(&format!(" ({words})"));
        }
        if self.beyond > 0 {
            text.push_str(&format!(" ({} of the report are not in the baseline)", self.beyond));
        }
        text
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
        }
    }
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
