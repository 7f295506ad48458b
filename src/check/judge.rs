//! A report held against a baseline and a policy.

mod rules;

use self::rules::of_rule;
use super::comparable::differences;
use super::diff::Change;
use super::document::Document;
use super::measures::{Direction, Facts};
use super::policy::Policy;
use super::rule::Rule;
use super::values::Entry;
use super::verdict::{Finding, Outcome, Verdict, shown};

/// What rounding leaves of the difference of two decimal numbers, relative to them: 0.95 − 0.93 is
/// not above 0.02.
const ROUNDING: f64 = 1e-12;

/// Holds a report against a baseline and a policy.
///
/// Without rules every value of the baseline has to be met, within the policy's tolerances or those
/// of its measure. With rules they count, and besides them the values that a tolerance of the policy
/// names. Reports that are not comparable are told of, and then nothing else is held.
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
    if let Some(baseline) = baseline.filter(|_| policy.compares()) {
        findings.extend(of_baseline(report, baseline, policy));
    }
    if findings.is_empty() {
        let problem = "the baseline has no value that could be checked";
        findings.push(unchecked("baseline", None, problem));
    }
    let beyond = baseline.map_or(0, |baseline| report.beyond(baseline).count());
    Verdict::new(findings).beyond(beyond)
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

fn of_baseline(report: &Document, baseline: &Document, policy: &Policy) -> Vec<Finding> {
    let mut findings = vec![];
    for tolerance in &policy.tolerances {
        if !baseline.entries().iter().any(|entry| tolerance.of.matches(entry)) {
            let problem =
                format!("the tolerance of {} matches no value of the baseline", tolerance.of);
            findings.push(unchecked(&tolerance.of.to_string(), None, &problem));
        }
    }
    let met = baseline.entries().iter().filter_map(|wanted| meet(wanted, report, policy));
    findings.extend(met);
    findings
}

/// A value of the baseline that has to be met; `None` where it need not be.
fn meet(wanted: &Entry, report: &Document, policy: &Policy) -> Option<Finding> {
    let given = policy.tolerances.iter().find(|t| t.of.matches(wanted));
    if given.is_none() && !policy.rules.is_empty() {
        return None;
    }
    let Some(facts) = &wanted.facts() else {
        let name = wanted.to_string();
        return Some(unchecked(&name, None, &not_known(wanted)));
    };
    let Some(base) = wanted.value else {
        let name = wanted.to_string();
        return Some(unchecked(&name, None, &null_in_baseline(&name, wanted.reason.as_deref())));
    };
    let tolerance = match given {
        Some(tolerance) => tolerance.atol + tolerance.rtol * base.abs(),
        None => facts.tolerance(base),
    };
    let found = report.like(wanted);
    let Some((found, value)) = found.and_then(|entry| Some((entry, entry.value?))) else {
        let mut finding = unchecked(&wanted.to_string(), None, &absent(wanted, found));
        finding.baseline = base.into();
        finding.expected = expectation(facts, base, tolerance);
        return Some(finding);
    };
    let mut finding = compared(facts, wanted, (base, value), tolerance);
    finding.message.push_str(&renamed(wanted, found));
    Some(finding)
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

/// That a value stands in the report under another name of its layer.
fn renamed(wanted: &Entry, found: &Entry) -> String {
    match wanted.place == found.place {
        true => String::new(),
        false => format!(" (in the report it is {found}: the same tensor)"),
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

fn compared(facts: &Facts, at: &Entry, (base, value): (f64, f64), tolerance: f64) -> Finding {
    let slack = ROUNDING * base.abs().max(value.abs());
    let worse = facts.worse_by(value, base).unwrap_or((value - base).abs());
    let outcome = match worse {
        worse if worse > tolerance + slack => Outcome::Drifted,
        worse if -worse > tolerance + slack => Outcome::Improved,
        _ => Outcome::Passed,
    };
    let change = Change::between(Some(facts), at.to_string(), (Some(base), Some(value)), tolerance);
    let expected = expectation(facts, base, tolerance);
    let (size, base_text, allowed) = (shown(worse.abs()), shown(base), shown(tolerance));
    let how = match facts.direction {
        Direction::Neither => format!("it differs by {size} from the baseline's {base_text}"),
        _ if worse < 0.0 => format!("{size} better than the baseline's {base_text}"),
        _ => format!("{size} worse than the baseline's {base_text}"),
    };
    let message =
        format!("{at} is {}, expected {expected}: {how}, where {allowed} is allowed", shown(value));
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
