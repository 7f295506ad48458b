//! A report held against the rules of a policy.

use serde_json::Value;

use super::{ROUNDING, null_in_baseline, unchecked};
use crate::check::document::Document;
use crate::check::measures::Facts;
use crate::check::rule::{Movement, Operator, Rule, Subject};
use crate::check::selector::Selector;
use crate::check::values::Entry;
use crate::check::verdict::{Finding, Outcome, shown};
use crate::report::Number;

/// The outcome of one rule: one finding for each value that it is about.
pub(super) fn of_rule(rule: &Rule, report: &Document, baseline: Option<&Document>) -> Vec<Finding> {
    let told = |problem: String| vec![unchecked(&subject_of(rule), Some(rule), &problem)];
    let held = match (rule.movement, baseline) {
        (None, _) => values(&rule.subject, report).map(|values| {
            values.into_iter().map(|value| of_value(rule, value)).collect::<Vec<_>>()
        }),
        (Some(_), None) => Err("there is no baseline for it; give one with --baseline".to_owned()),
        (Some(movement), Some(baseline)) => values(&rule.subject, baseline).and_then(|wanted| {
            let found = values(&rule.subject, report)?;
            let pair = |w: Place| {
                let aliased = w.entry.as_ref().and_then(|entry| report.like(entry)).map(Place::of);
                let found = found.iter().find(|f| f.name == w.name).or(aliased.as_ref());
                of_movement((rule, movement), &w, found)
            };
            wanted.into_iter().map(pair).collect()
        }),
    };
    match held {
        Err(problem) => told(problem),
        Ok(findings) if findings.is_empty() => {
            let whose = if rule.movement.is_some() { "baseline" } else { "report" };
            told(format!("it matches no value of this {whose} of {}", report.kind()))
        }
        Ok(findings) => findings,
    }
}

fn subject_of(rule: &Rule) -> String {
    match &rule.subject {
        Subject::Main => rule.movement.map_or_else(String::new, |m| m.to_string()),
        subject => subject.to_string(),
    }
}

/// A value that a rule is about.
#[derive(Default)]
struct Place {
    name: String,
    facts: Option<Facts>,
    value: Option<f64>,
    reason: Option<String>,
    /// What it was made of.
    entry: Option<Entry>,
}

/// The values that a rule is about.
fn values(subject: &Subject, document: &Document) -> Result<Vec<Place>, String> {
    let main = document.main();
    let chosen = |wanted: &dyn Fn(&Entry) -> bool| {
        Ok(document.entries().iter().filter(|e| wanted(e)).map(Place::of).collect())
    };
    match subject {
        Subject::Path(path) => by_path(&path.query, document.json()),
        Subject::Selector(selector) => {
            let found: Vec<Place> = chosen(&|entry| Selector::matches(selector, entry))?;
            let aliased = document.aliased().filter(|entry| selector.matches(entry));
            Ok(if found.is_empty() { aliased.map(Place::of).collect() } else { found })
        }
        Subject::Main if !main.diagonal => chosen(&|entry| entry.measure == main.measure),
        Subject::Main | Subject::Diagonal => {
            chosen(&|e| e.measure == main.measure && e.place.len() == 2 && e.is_diagonal())
        }
    }
}

fn by_path(path: &serde_json_path::JsonPath, json: &Value) -> Result<Vec<Place>, String> {
    let place = |node: serde_json_path::LocatedNode<'_>| {
        let name = node.location().to_string();
        match node.node() {
            Value::Null => Ok(Place { name, ..Place::default() }),
            Value::Number(n) => Ok(Place { name, value: n.as_f64(), ..Place::default() }),
            _ => Err(format!("what the JSON path finds at {name} is not a number")),
        }
    };
    path.query_located(json).into_iter().map(place).collect()
}

impl Place {
    fn of(entry: &Entry) -> Self {
        Self {
            name: entry.to_string(),
            facts: entry.facts(),
            value: entry.value,
            reason: entry.reason.clone(),
            entry: Some(entry.clone()),
        }
    }

    fn null(&self) -> String {
        let reason = self.reason.as_deref().map(|reason| format!(": {reason}"));
        format!("{} is null{}", self.name, reason.unwrap_or_default())
    }
}

fn of_value(rule: &Rule, place: Place) -> Finding {
    let Some(value) = place.value else {
        return unchecked(&place.name, Some(rule), &place.null());
    };
    let kept = rule.operator.holds(value, rule.number);
    let expected = format!("{} {}", rule.operator, shown(rule.number));
    let message = format!("{} is {}, expected {expected}", place.name, shown(value));
    Finding {
        outcome: if kept { Outcome::Passed } else { Outcome::Drifted },
        of: place.name,
        rule: Some(rule.to_string()),
        value: value.into(),
        baseline: None.into(),
        expected,
        difference: (value - rule.number).into(),
        tolerances: None.into(),
        message,
    }
}

fn of_movement(
    (rule, movement): (&Rule, Movement),
    wanted: &Place,
    found: Option<&Place>,
) -> Result<Finding, String> {
    let Some(base) = wanted.value else {
        let problem = null_in_baseline(&wanted.name, wanted.reason.as_deref());
        return Ok(unchecked(&wanted.name, Some(rule), &problem));
    };
    let Some(found) = found else {
        let problem = format!("{} is in the baseline and not in the report", wanted.name);
        return Ok(unchecked(&wanted.name, Some(rule), &problem));
    };
    let Some(value) = found.value else {
        return Ok(unchecked(&wanted.name, Some(rule), &found.null()));
    };
    let moved = moved(movement, wanted, (base, value))?;
    let slack = ROUNDING * base.abs().max(value.abs());
    let kept = rule.operator.holds(moved, rule.number)
        || ((moved - rule.number).abs() <= slack && rule.operator.takes_equals());
    let expected = format!("{movement} {} {}", rule.operator, shown(rule.number));
    let message = format!(
        "{} is {} and was {} in the baseline: {movement} {}, expected {} {}",
        wanted.name,
        shown(value),
        shown(base),
        shown(moved),
        rule.operator,
        shown(rule.number)
    );
    Ok(Finding {
        outcome: if kept { Outcome::Passed } else { Outcome::Drifted },
        of: wanted.name.clone(),
        rule: Some(rule.to_string()),
        value: value.into(),
        baseline: Number::from(base),
        expected,
        difference: (value - base).into(),
        tolerances: None.into(),
        message,
    })
}

fn moved(movement: Movement, at: &Place, (base, value): (f64, f64)) -> Result<f64, String> {
    if movement == Movement::Change {
        return Ok((value - base).abs());
    }
    let worse = at.facts.and_then(|facts| facts.worse_by(value, base)).ok_or_else(|| {
        format!("for {} neither direction is better: use change instead of {movement}", at.name)
    })?;
    Ok(if movement == Movement::Drop { worse } else { -worse })
}

impl Operator {
    fn takes_equals(self) -> bool {
        matches!(self, Self::AtLeast | Self::AtMost | Self::Equal)
    }
}
