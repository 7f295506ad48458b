//! How far a folder of features is while it is being written.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::analysis::session::kept::{INDEX, JOURNAL};
use crate::capture::keep::Layout;
use crate::error::{Error, Result};
use crate::files;

/// A line of a journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    /// What the run is: the first line.
    Run(Value),
    /// How its files lie: the second, once the first batch is written.
    Layout(Layout),
    /// A batch that is written.
    Batch(BatchLine),
}

/// A batch that is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchLine {
    /// Positions of its samples in the data.
    pub indices: Vec<usize>,
    /// Fingerprint of these samples.
    pub samples: String,
    /// Digest of all files, each as far as it was written.
    pub digest: String,
    /// Layers that did not give the tensor of another in it.
    pub differing: Vec<usize>,
    /// Layers that were NaN or infinite for the first time, and for which sample.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_finite: Vec<(usize, String)>,
}

/// The journal of a folder, which no other process has meanwhile.
pub struct Journal {
    path: PathBuf,
    file: File,
    /// How the files of an earlier run lie, where it wrote a batch.
    pub layout: Option<Layout>,
    /// The batches that it wrote.
    pub batches: Vec<BatchLine>,
    run: Value,
}

impl Journal {
    /// Begins a folder, which is made, or goes on with that of an earlier run that was the same.
    ///
    /// # Errors
    /// The folder holds something else, or a run that differs: in what; or another process is writing to it.
    pub fn open(folder: &Path, run: &Value) -> Result<Self> {
        let path = folder.join(JOURNAL);
        let io = |e| Error::io("write", &path, e);
        std::fs::create_dir_all(folder).map_err(|e| Error::io("make", folder, e))?;
        let is_begun = path.exists();
        if !is_begun {
            refuse_others(folder)?;
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(io)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let problem = "another process is writing to it";
            return Err(Error::file(
                "write to",
                folder,
                problem,
                "wait for its end, or give another",
            ));
        }
        let lines = if is_begun { lines(&path)? } else { vec![] };
        let mut journal = Self { path, file, layout: None, batches: vec![], run: run.clone() };
        for line in lines {
            match line {
                Line::Run(before) => refuse_other(folder, &before, run)?,
                Line::Layout(layout) => journal.layout = Some(layout),
                Line::Batch(batch) => journal.batches.push(batch),
            }
        }
        Ok(journal)
    }

    /// Keeps the first batches of the earlier run, and forgets what came behind them.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&mut self, batches: usize) -> Result<()> {
        self.batches.truncate(batches);
        self.layout = self.layout.take().filter(|_| batches > 0);
        let io = |e| Error::io("write", &self.path, e);
        self.file.set_len(0).map_err(io)?;
        self.file.seek(SeekFrom::Start(0)).map_err(io)?;
        let mut lines = vec![Line::Run(self.run.clone())];
        lines.extend(self.layout.clone().map(Line::Layout));
        lines.extend(self.batches.iter().cloned().map(Line::Batch));
        lines.iter().try_for_each(|line| self.add(line))
    }

    /// Notes a batch that is written; before the first one, how the files lie.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note(&mut self, layout: &Layout, batch: BatchLine) -> Result<()> {
        if self.layout.is_none() {
            self.add(&Line::Layout(layout.clone()))?;
            self.layout = Some(layout.clone());
        }
        self.add(&Line::Batch(batch.clone()))?;
        self.batches.push(batch);
        Ok(())
    }

    fn add(&self, line: &Line) -> Result<()> {
        let text = serde_json::to_string(line).unwrap_or_default();
        let written = (&self.file).write_all(format!("{text}\n").as_bytes());
        written.map_err(|e| Error::io("write", &self.path, e))
    }

    /// Removes the journal of a folder that is whole.
    pub fn forget(folder: &Path) {
        // One beside an index says nothing.
        let _ = std::fs::remove_file(folder.join(JOURNAL));
    }
}

/// The lines of a journal, as far as they are whole.
fn lines(path: &Path) -> Result<Vec<Line>> {
    let file = files::open(path).map_err(|e| Error::io("read", path, e))?;
    let whole = |line: std::io::Result<String>| serde_json::from_str(&line.ok()?).ok();
    Ok(BufReader::new(file).lines().map_while(whole).collect())
}

/// Refuses a folder that holds something and no journal.
fn refuse_others(folder: &Path) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io("read", folder, e))?;
    let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.flatten().map(name).collect();
    names.retain(|name| !name.starts_with(".repsim-") && name != INDEX);
    names.sort_unstable();
    match names.first() {
        None => Ok(()),
        Some(first) => {
            let problem = format!("it holds other things ({first})");
            Err(Error::file(
                "write features to",
                folder,
                problem,
                "give a folder that is new or empty",
            ))
        }
    }
}

/// Refuses a run that is not the one that a folder is of.
///
/// # Errors
/// Names the first thing that differs.
pub fn refuse_other(folder: &Path, before: &Value, run: &Value) -> Result<()> {
    let Some((name, old, new)) = difference("", before, run) else { return Ok(()) };
    let problem = format!("it holds a run of which {name} is {old}, and here it is {new}");
    let remedy = "give another folder, or the same options to go on";
    Err(Error::file("write features to", folder, problem, remedy))
}

/// The first thing in which two values differ: its name, and what it is in each.
fn difference(name: &str, a: &Value, b: &Value) -> Option<(String, String, String)> {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let names: std::collections::BTreeSet<&String> = x.keys().chain(y.keys()).collect();
            names.into_iter().find_map(|key| {
                let none = Value::Null;
                let (x, y) = (x.get(key).unwrap_or(&none), y.get(key).unwrap_or(&none));
                difference(if name.is_empty() { key } else { name_of(name, key) }, x, y)
            })
        }
        _ if a == b => None,
        _ => Some((name.to_owned(), shown(a), shown(b))),
    }
}

/// What is within a group has its own name; what has none keeps the group's.
fn name_of<'a>(group: &'a str, key: &'a str) -> &'a str {
    if key.is_empty() { group } else { key }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "not given".to_owned(),
        Value::Array(all) if all.is_empty() => "not given".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_named() {
        let a = json!({"settings": {"reduce": "gap", "limit": 5}, "samples": 7});
        let b = json!({"settings": {"reduce": "gap", "limit": null}, "samples": 7});
        assert_eq!(difference("", &a, &a), None);
        let found = difference("", &a, &b);
        assert_eq!(found, Some(("limit".to_owned(), "5".to_owned(), "not given".to_owned())));
    }

    #[test]
    fn a_line_that_was_cut_off_and_all_behind_it_is_forgotten() -> Result<()> {
        let folder = tempfile::tempdir().map_err(|e| Error::io("make", "a folder", e))?;
        let run = json!({"samples": 3});
        let batch = |i: usize| BatchLine {
            indices: vec![i],
            samples: String::new(),
            digest: String::new(),
            differing: vec![],
            not_finite: vec![],
        };
        let mut journal = Journal::open(folder.path(), &run)?;
        journal.keep(0)?;
        (0..3).try_for_each(|i| journal.note(&Layout::default(), batch(i)))?;
        let path = folder.path().join(JOURNAL);
        assert!(Journal::open(folder.path(), &run).is_err(), "it is locked");
        drop(journal);
        let text = files::read(&path, 1 << 20)?;
        std::fs::write(&path, &text[..text.len() - 5]).map_err(|e| Error::io("write", &path, e))?;
        let again = Journal::open(folder.path(), &run)?;
        assert_eq!(again.batches, [batch(0), batch(1)]);
        drop(again);
        assert!(Journal::open(folder.path(), &json!({"samples": 4})).is_err());
        Ok(())
    }
}
