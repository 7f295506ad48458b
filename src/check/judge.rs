//! A report held against a baseline and a policy.

mod candidates;
mod rules;

use self::candidates::Candidates;
use self::rules::of_rule;
use super::comparable::differences;
use super::diff::Change;
use super::document::Document;
use super::measures::{Direction, Facts, Places};
use super::policy::Policy;
use super::rule::Rule;
use super::values::Entry;
use super::verdict::{Beside, Finding, Outcome, Verdict, in_words, shown};

/// What rounding leaves of the difference of two decimal numbers, relative to them: 0.95 − 0.93 is
/// not above 0.02.
const ROUNDING: f64 = 1e-12;

/// Holds a report against a baseline and a policy.
///
/// Without rules and tolerances every value of the baseline has to be met within the tolerance of its
/// measure, of pairs of layers those of one name; how many of the others moved is counted
/// ([`Document::holds`]). With tolerances alone every value has to be met. With rules they count, and
/// besides them the values that a tolerance of the policy names. Candidates of `fid` that are new are
/// held to the best and the worst of the baseline, as [`Policy::new_candidates`] says. Of reports that
/// are not comparable the differences are reported, and nothing else is held.
pub fn judge(report: &Document, baseline: Option<&Document>, policy: &Policy) -> Verdict {
    let other = baseline.map(|b| differences(report, b, policy.allow_different_data));
    let other = other.unwrap_or_default();
    if !other.is_empty() {
        let told = other.iter().map(|d| unchecked("comparability", None, &d.message()));
        return Verdict::new(told.collect());
    }
    let mut findings = vec![];
    for rule in &policy.rules {
        findings.extend(of_rule(rule, report, baseline));
    }
    let mut beside = Beside::default();
    if let Some(baseline) = baseline {
        beside = Against { report, baseline, policy }.add_to(&mut findings);
    }
    if findings.iter().all(|finding| finding.outcome == Outcome::Moved) {
        let problem = "the baseline has no value that could be checked";
        findings.push(unchecked("baseline", None, problem));
    }
    Verdict::new(findings).with(beside)
}

/// A report against its baseline.
struct Against<'a> {
    report: &'a Document,
    baseline: &'a Document,
    policy: &'a Policy,
}

/// Something that could not be checked.
fn unchecked(of: &str, rule: Option<&Rule>, problem: &str) -> Finding {
    Finding {
        outcome: Outcome::Unchecked,
        of: of.to_owned(),
        rule: rule.map(Rule::to_string),
        value: None.into(),
        baseline: None.into(),
        expected: String::new(),
        difference: None.into(),
        tolerances: None.into(),
        message: problem.to_owned(),
    }
}

impl Against<'_> {
    /// Holds the values of the baseline, and the candidates that it does not have.
    fn add_to(&self, findings: &mut Vec<Finding>) -> Beside {
        let candidates = Candidates::of(self);
        let beyond = self.report.beyond(self.baseline).filter(|entry| !candidates.holds(entry));
        let mut beside = Beside { beyond: beyond.count(), ..Beside::default() };
        if self.policy.compares() {
            findings.extend(self.pointless_tolerances());
            let wanted = self.baseline.entries().iter().filter(|entry| !candidates.gone(entry));
            for wanted in wanted {
                match self.policy.is_default() && !self.baseline.holds(wanted, self.report) {
                    true => {
                        beside.others += 1;
                        findings.extend(self.other(wanted));
                    }
                    false => findings.extend(self.meet(wanted)),
                }
            }
        }
        findings.extend(candidates.findings(self));
        let (new, gone) = candidates.names();
        Beside { new, gone, ..beside }
    }

    /// Tolerances of a policy that match nothing.
    fn pointless_tolerances(&self) -> Vec<Finding> {
        let entries = self.baseline.entries();
        let pointless = self.policy.tolerances.iter();
        let pointless = pointless.filter(|t| !entries.iter().any(|entry| t.of.matches(entry)));
        let told = |of: String| {
            unchecked(&of, None, &format!("the tolerance of {of} matches no value of the baseline"))
        };
        pointless.map(|tolerance| told(tolerance.of.to_string())).collect()
    }

    /// A value of the baseline that need not be met, where it moved by more than the tolerance.
    fn other(&self, wanted: &Entry) -> Option<Finding> {
        let found = self.report.counterpart(wanted, self.baseline).and_then(|entry| entry.value);
        if wanted.value.is_none() && found.is_none() {
            return None;
        }
        let finding = self.meet(wanted).filter(|finding| finding.outcome > Outcome::Passed)?;
        Some(Finding { outcome: Outcome::Moved, ..finding })
    }

    /// The tolerance of a value about `base`; `None` where nothing holds it.
    fn tolerance(&self, of: &Entry, facts: &Facts, base: f64) -> Option<f64> {
        match self.policy.tolerances.iter().find(|t| t.of.matches(of)) {
            Some(given) => Some(given.atol + given.rtol * base.abs()),
            None => self.policy.rules.is_empty().then(|| facts.tolerance(base)),
        }
    }

    /// A value of the baseline that has to be met; `None` where it need not be.
    fn meet(&self, wanted: &Entry) -> Option<Finding> {
        let given = self.policy.tolerances.iter().any(|t| t.of.matches(wanted));
        if !given && !self.policy.rules.is_empty() {
            return None;
        }
        let name = wanted.to_string();
        let Some(facts) = &wanted.facts() else {
            return Some(unchecked(&name, None, &not_known(wanted)));
        };
        let Some(base) = wanted.value else {
            return Some(unchecked(
                &name,
                None,
                &null_in_baseline(&name, wanted.reason.as_deref()),
            ));
        };
        let tolerance = self.tolerance(wanted, facts, base)?;
        let found = self.report.counterpart(wanted, self.baseline);
        let Some((found, value)) = found.and_then(|entry| Some((entry, entry.value?))) else {
            let mut finding = unchecked(&name, None, &absent(wanted, found));
            finding.baseline = base.into();
            finding.expected = expectation(facts, base, tolerance);
            return Some(finding);
        };
        let mut finding = compared(facts, wanted, (base, value), tolerance);
        finding.message.push_str(&renamed(wanted, found));
        Some(finding)
    }
}

/// That a measure has no tolerance, as this version does not know it.
fn not_known(wanted: &Entry) -> String {
    let Entry { measure, .. } = wanted;
    format!(
        "{wanted} is of a measure that this version does not know, {measure}; give a rule a JSON path to it"
    )
}

/// That nothing can be held against a value that the baseline does not have.
fn null_in_baseline(name: &str, reason: Option<&str>) -> String {
    let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
    format!("{name} is null in the baseline{reason}; leave it out of both, or renew the baseline")
}

/// That a value stands in the report under another name of its layer or candidate.
fn renamed(wanted: &Entry, found: &Entry) -> String {
    match wanted.place == found.place {
        true => String::new(),
        false if wanted.facts().is_some_and(|facts| facts.places == Places::Layers) => {
            format!(" (in the report it is {found}: the same tensor)")
        }
        false => format!(" (in the report it is {found})"),
    }
}

/// Why a value is not there.
fn absent(wanted: &Entry, found: Option<&Entry>) -> String {
    match found {
        None => format!("{wanted} is in the baseline and not in the report"),
        Some(entry) => {
            let reason = entry.reason.as_deref().map(|reason| format!(": {reason}"));
            format!("{wanted} is null in the report{}", reason.unwrap_or_default())
        }
    }
}

/// The bound of a value by its direction.
fn expectation(facts: &Facts, base: f64, tolerance: f64) -> String {
    match facts.direction {
        Direction::Larger => format!("≥ {}", shown(base - tolerance)),
        Direction::Smaller => format!("≤ {}", shown(base + tolerance)),
        Direction::Neither if tolerance == 0.0 => shown(base),
        Direction::Neither => format!("{} ± {}", shown(base), shown(tolerance)),
    }
}

/// How a value fares against its baseline, within a tolerance.
pub(super) fn outcome(facts: &Facts, (base, value): (f64, f64), tolerance: f64) -> Outcome {
    let slack = ROUNDING * base.abs().max(value.abs());
    let worse = facts.worse_by(value, base).unwrap_or((value - base).abs());
    match worse {
        worse if worse > tolerance + slack => Outcome::Drifted,
        worse if -worse > tolerance + slack => Outcome::Improved,
        _ => Outcome::Passed,
    }
}

fn compared(facts: &Facts, at: &Entry, (base, value): (f64, f64), tolerance: f64) -> Finding {
    let outcome = outcome(facts, (base, value), tolerance);
    let change = Change::between(Some(facts), at.to_string(), (Some(base), Some(value)), tolerance);
    let expected = expectation(facts, base, tolerance);
    let message = format!(
        "{at} is {}, expected {expected}: {}, tolerance {}",
        shown(value),
        in_words(facts, (base, value)),
        shown(tolerance)
    );
    Finding {
        outcome,
        of: change.of,
        rule: None,
        value: value.into(),
        baseline: base.into(),
        expected,
        difference: change.change,
        tolerances: change.tolerances,
        message,
    }
}
