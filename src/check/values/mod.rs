//! From reports of each kind to lists of values.

mod cka;
mod compare;
mod distance;
mod features;
mod fid;
mod layers;
mod maps;
mod pairs;
mod patterns;
mod platonic;
mod probe;
mod saliency;
mod sensitivity;
mod stitch;
mod track;

use std::borrow::Cow;
use std::fmt;

use super::comparable::Condition;
use super::measures::{self, Direction, Facts, Places};
use super::selector::quoted;
use crate::report::{AnyReport, Number, with_report};

/// One value of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Name of the measure: of those that [`measures`](super::measures) knows, or what a report calls one
    /// that is not known.
    pub measure: Cow<'static, str>,
    /// Where it was measured: a layer, two layers, a candidate, …; empty for the whole.
    pub place: Vec<String>,
    /// The value; `None` where the report has `null`.
    pub value: Option<f64>,
    /// Why there is no value, where the report says.
    pub reason: Option<String>,
}

/// What the values of a report are.
#[derive(Debug, Clone)]
pub(super) struct Content {
    /// What `drop` and `diagonal` are about.
    pub main: Main,
    /// In the order of the report.
    pub entries: Vec<Entry>,
    /// What has to be the same besides the settings.
    pub conditions: Vec<Condition>,
    /// Settings that may differ: they change no number of this report.
    pub indifferent: Vec<&'static str>,
    /// Candidates that are scored, of which there may be others another time.
    pub candidates: Vec<Names>,
}

/// What a candidate is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// The place of its values.
    pub name: String,
    /// What another report may call it: its path, or the last part of that where no other has it.
    pub other: Option<String>,
}

impl Names {
    /// Whether another report may mean this one.
    pub fn fits(&self, candidate: &Self) -> bool {
        let is = |one: &Self, two: &Self| one.other.as_ref() == Some(&two.name);
        self.name == candidate.name || is(self, candidate) || is(candidate, self)
    }
}

/// The measure that a kind of report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Main {
    pub measure: &'static str,
    /// Whether only layers of the same name are meant.
    pub diagonal: bool,
}

/// What of a kind of report is held against another.
pub(super) trait Values {
    /// The values of a report.
    fn content(&self) -> Content;

    /// What keeps the values of a report from being distinguished.
    fn unsound(&self) -> Option<String> {
        None
    }
}

/// The values of a report of any kind.
pub(super) fn of(report: &AnyReport) -> Content {
    with_report!(report, report => report.content())
}

/// What keeps the values of a report of any kind from being distinguished.
pub(super) fn unsound(report: &AnyReport) -> Option<String> {
    with_report!(report, report => report.unsound())
}

/// Settings that change no number of any report: where it ran, which samples were chosen (their
/// fingerprint is compared), which values were asked for (those that are missing are reported).
const INDIFFERENT: &[&str] =
    &["device", "optimize", "batch_size", "limit", "seed", "layer", "layers", "layers_b"];

impl Content {
    fn new(main: Main, entries: Vec<Entry>) -> Self {
        let indifferent = INDIFFERENT.to_vec();
        Self { main, entries, conditions: vec![], indifferent, candidates: vec![] }
    }
}

impl Entry {
    fn new<S: ToString>(measure: impl Into<Cow<'static, str>>, place: &[S], value: Number) -> Self {
        let place = place.iter().map(S::to_string).collect();
        Self { measure: measure.into(), place, value: value.get(), reason: None }
    }

    fn because(self, reason: Option<&str>) -> Self {
        Self { reason: reason.map(str::to_owned), ..self }
    }

    /// What is known of its measure. That layers of different names are more alike than they were is
    /// neither better nor worse.
    pub(super) fn facts(&self) -> Option<Facts> {
        let facts = *measures::of(&self.measure)?;
        let between = facts.places == Places::Layers && !self.is_diagonal();
        Some(if between { Facts { direction: Direction::Neither, ..facts } } else { facts })
    }

    /// Whether its two places have the same name, or it has one place only.
    pub(super) fn is_diagonal(&self) -> bool {
        self.place.windows(2).all(|pair| pair[0] == pair[1])
    }
}

/// As a selector would name it: `cka["layer4"]`, `cka["layer3","layer4"]`.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.measure)?;
        let place = match self.place.as_slice() {
            [a, b] if a == b => &self.place[..1],
            all => all,
        };
        match place {
            [] => Ok(()),
            names => {
                let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
                write!(f, "[{}]", names.join(","))
            }
        }
    }
}

/// The mean of the values that are there.
fn mean(values: impl Iterator<Item = Number>) -> Number {
    let values: Vec<f64> = values.filter_map(Number::get).collect();
    Number::from(values.iter().sum::<f64>() / values.len() as f64)
}
