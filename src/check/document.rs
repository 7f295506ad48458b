//! A report made ready to be held against another.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::comparable::{Condition, conditions};
use super::values::{self, Content, Entry, Main};
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
}

impl Document {
    /// Reads a report from its text; `path` is for the message.
    ///
    /// # Errors
    /// The text is cut short, no report of repsim, or of another version.
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
        Ok(Self { kind: report.kind(), json, content, conditions, index })
    }

    /// The name of its schema: `cka`, `fid`, ….
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Its values, in the order of the report.
    pub fn entries(&self) -> &[Entry] {
        &self.content.entries
    }

    /// The value at the place of another.
    pub fn like(&self, entry: &Entry) -> Option<&Entry> {
        self.content.entries.get(*self.index.get(&entry.to_string())?)
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
