//! A report prepared for a comparison with another.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::Value;

use super::aliases;
use super::comparable::{Condition, conditions};
use super::measures::Places;
use super::values::{self, Content, Entry, Main, Names};
use crate::error::{Error, Result};
use crate::report::AnyReport;

/// A report as a list of values, and under which conditions they were measured.
#[derive(Debug, Clone)]
pub struct Document {
    kind: &'static str,
    json: Value,
    content: Content,
    conditions: Vec<Condition>,
    /// Places of the entries by their names.
    index: HashMap<String, usize>,
    /// Values under other names of their layers.
    aliased: Vec<(Entry, usize)>,
    /// Places of the entries by those names.
    aliases: HashMap<String, usize>,
}

impl Document {
    /// Reads a report from its text; `path` is for the message.
    ///
    /// # Errors
    /// The text is cut short, not a report of repsim, or of another version.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let wrong = |problem: String| {
            let remedy = "give a report that this version of repsim wrote with -o FILE";
            Error::file("read", path, problem, remedy)
        };
        let report = AnyReport::parse(text).map_err(wrong)?;
        let json: Value = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
        values::unsound(&report).map_or(Ok(()), |problem| Err(wrong(problem)))?;
        let content = values::of(&report);
        let conditions = conditions(&json, &content);
        let mut index = HashMap::new();
        for (i, entry) in content.entries.iter().enumerate() {
            if index.insert(entry.to_string(), i).is_some() {
                return Err(wrong(format!("two of its values are called {entry}")));
            }
        }
        let mut aliased = aliases::renamed(&json, &content.entries);
        aliased.extend(aliases::of_candidates(&content));
        let aliases = aliased.iter().map(|(entry, place)| (entry.to_string(), *place)).collect();
        Ok(Self { kind: report.kind(), json, content, conditions, index, aliased, aliases })
    }

    /// The name of its schema: `cka`, `fid`, ….
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Its values, in the order of the report.
    pub fn entries(&self) -> &[Entry] {
        &self.content.entries
    }

    /// The value at the place of another, or where its layers stand under other names.
    pub fn like(&self, entry: &Entry) -> Option<&Entry> {
        let name = entry.to_string();
        let place = self.index.get(&name).or_else(|| self.aliases.get(&name));
        self.content.entries.get(*place?)
    }

    /// The value at the place of one of another report, under whichever name either has for its layers or
    /// its candidate.
    pub(super) fn counterpart(&self, entry: &Entry, of: &Self) -> Option<&Entry> {
        let name = entry.to_string();
        let meant = |own: &&Entry| of.like(own).is_some_and(|found| found.to_string() == name);
        let known = || self.entries().iter().find(meant);
        let scored = !self.candidates().is_empty();
        self.like(entry).or_else(|| if scored { known() } else { None })
    }

    /// Its values that another report does not have under any name of their layers.
    pub fn beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Entry> {
        let met: HashSet<String> =
            other.entries().iter().filter_map(|e| self.like(e)).map(Entry::to_string).collect();
        self.entries()
            .iter()
            .filter(move |e| other.like(e).is_none() && !met.contains(&e.to_string()))
    }

    /// The candidates that its values are of; none but in reports of `fid`.
    pub(super) fn candidates(&self) -> &[Names] {
        &self.content.candidates
    }

    /// Whether a value of this baseline has to be met where no policy says which.
    ///
    /// Of pairs of layers those of one name have to. All have to where a measure has no such pair, and
    /// where both reports are of one model with itself: its layers of one name are the same.
    pub fn holds(&self, entry: &Entry, report: &Self) -> bool {
        let between = entry.facts().is_some_and(|facts| facts.places == Places::Layers);
        let has_diagonal = || {
            let same = self.entries().iter().filter(|other| other.measure == entry.measure);
            same.into_iter().any(Entry::is_diagonal)
        };
        let alone = self.is_of_one_model() && report.is_of_one_model();
        !between || entry.is_diagonal() || alone || !has_diagonal()
    }

    /// Whether it compares a model, or a file of features, with itself.
    fn is_of_one_model(&self) -> bool {
        let inputs = &self.json["inputs"];
        let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let sides = [array(&inputs["models"]), array(&inputs["features"])].concat();
        let steps = array(&inputs["data"]["preprocess"]);
        let same = |side: &Value| {
            let key = |v: &Value| (v["sha256"].clone(), v["weights"]["sha256"].clone());
            key(side) == key(&sides[0]) && side["weights"]["key"] == sides[0]["weights"]["key"]
        };
        sides.iter().all(same) && steps.iter().all(|one| *one == steps[0])
    }

    /// Its values under other names of their layers.
    pub(super) fn aliased(&self) -> impl Iterator<Item = &Entry> {
        self.aliased.iter().map(|(entry, _)| entry)
    }

    /// The whole report.
    pub(super) fn json(&self) -> &Value {
        &self.json
    }

    /// The values that `drop` and `diagonal` are about.
    pub(super) fn main(&self) -> Main {
        self.content.main
    }

    /// What has to be the same in another report for its values to be comparable.
    pub(super) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}
