//! Candidates of `fid` that only one of two reports has.

use std::collections::HashSet;

use super::{Against, absent, expectation, outcome, unchecked};
use crate::check::document::Document;
use crate::check::measures::Facts;
use crate::check::policy::NewCandidates;
use crate::check::values::{Entry, Names};
use crate::check::verdict::{Finding, shown};

/// Candidates that only the report or only the baseline has, and what is to become of them.
pub(super) struct Candidates {
    how: NewCandidates,
    new: Vec<String>,
    gone: Vec<String>,
    /// Measures that the baseline has values of.
    measures: HashSet<String>,
}

/// The best and the worst value of a measure in the baseline.
struct Range<'a> {
    best: f64,
    worst: f64,
    /// Whose the worst is.
    at: &'a Entry,
}

impl Candidates {
    /// None where the reports have no candidates.
    pub fn of(against: &Against<'_>) -> Self {
        let Against { report, baseline, policy } = against;
        let beyond = |one: &Document, other: &Document| -> Vec<String> {
            let known = |names: &&Names| other.candidates().iter().any(|c| c.fits(names));
            let unknown = one.candidates().iter().filter(|names| !known(names));
            unknown.map(|names| names.name.clone()).collect()
        };
        let measures = baseline.entries().iter().filter(|entry| entry.value.is_some());
        Self {
            how: policy.new_candidates,
            new: beyond(report, baseline),
            gone: beyond(baseline, report),
            measures: measures.map(|entry| entry.measure.to_string()).collect(),
        }
    }

    /// Whether a value is of a candidate that is new and is held to the range of the baseline.
    pub fn holds(&self, entry: &Entry) -> bool {
        let new = entry.place.first().is_some_and(|name| self.new.contains(name));
        self.how == NewCandidates::Hold && new && self.measures.contains(&*entry.measure)
    }

    /// Whether a value is of a candidate that is gone, and may be.
    pub fn gone(&self, entry: &Entry) -> bool {
        let gone = entry.place.first().is_some_and(|name| self.gone.contains(name));
        self.how != NewCandidates::Fail && gone
    }

    /// The names of the new ones and of those that are gone.
    pub fn names(self) -> (Vec<String>, Vec<String>) {
        (self.new, self.gone)
    }

    /// The outcome for the new ones.
    pub fn findings(&self, against: &Against<'_>) -> Vec<Finding> {
        let told = |name: &String| {
            let problem =
                format!("candidate {name} is not in the baseline (--new-candidates fail)");
            unchecked(name, None, &problem)
        };
        match self.how {
            NewCandidates::Fail => self.new.iter().map(told).collect(),
            NewCandidates::Ignore => vec![],
            NewCandidates::Hold if !against.policy.compares() => vec![],
            NewCandidates::Hold => {
                let held = against.report.entries().iter().filter(|entry| self.holds(entry));
                held.filter_map(|entry| held_to_range(entry, against)).collect()
            }
        }
    }
}

/// Holds a value to the worst of the baseline, within the tolerance about that; better than the best
/// is an improvement. `None` where a policy with rules does not name it.
fn held_to_range(entry: &Entry, against: &Against<'_>) -> Option<Finding> {
    let facts = entry.facts()?;
    let range = Range::of(&facts, entry, against.baseline)?;
    let tolerance = against.tolerance(entry, &facts, range.worst)?;
    let expected = expectation(&facts, range.worst, tolerance);
    let Some(value) = entry.value else {
        let mut finding = unchecked(&entry.to_string(), None, &absent(entry, Some(entry)));
        finding.expected = expected;
        return Some(finding);
    };
    Some(range.finding(&facts, (entry, value), tolerance))
}

impl<'a> Range<'a> {
    fn of(facts: &Facts, like: &Entry, baseline: &'a Document) -> Option<Self> {
        let same = baseline.entries().iter().filter(|entry| entry.measure == like.measure);
        let values: Vec<(f64, &Entry)> = same.filter_map(|e| Some((e.value?, e))).collect();
        let worse = |a: &(f64, &Entry), b: &(f64, &Entry)| {
            facts.worse_by(a.0, b.0).unwrap_or_default().total_cmp(&0.0)
        };
        let (worst, at) = values.iter().copied().max_by(worse)?;
        let (best, _) = values.iter().copied().min_by(worse)?;
        Some(Self { best, worst, at })
    }

    fn finding(&self, facts: &Facts, (entry, value): (&Entry, f64), tolerance: f64) -> Finding {
        let Self { best, worst, at } = self;
        let bound = match facts.worse_by(value, *best) {
            Some(worse) if worse < 0.0 => *best,
            _ if facts.worse_by(value, *worst).is_some_and(|worse| worse > 0.0) => *worst,
            _ => value,
        };
        let expected = expectation(facts, *worst, tolerance);
        let message = format!(
            "{entry} is {}, expected {expected}: a new candidate, held to the worst of the baseline, {at} with {}, \
             and the best, {}; tolerance {}",
            shown(value),
            shown(*worst),
            shown(*best),
            shown(tolerance)
        );
        Finding {
            outcome: outcome(facts, (bound, value), tolerance),
            of: entry.to_string(),
            rule: None,
            value: value.into(),
            baseline: (*worst).into(),
            expected,
            difference: (value - worst).into(),
            tolerances: ((value - worst).abs() / tolerance).into(),
            message,
        }
    }
}
