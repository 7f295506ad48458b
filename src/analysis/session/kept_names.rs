//! Names of the layers of a folder: those that were kept, and those that gave the tensor of one of them.

use std::path::Path;

use super::kept::{Folder, INDEX};
use crate::error::{Error, Result};
use crate::report::LayerInfo;
use crate::report::features::{FeaturesReport, KeptLayer as Entry};
use crate::torchscript::Selection;

/// Refuses the index of a folder where the folder is meant.
///
/// # Errors
/// It is one: which folder to give.
pub fn refuse_index(path: &Path) -> Result<()> {
    if path.file_name() != Some(INDEX.as_ref()) || !path.is_file() {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).display();
    let problem = "it is the index of a folder of features";
    Err(Error::file("load", path, problem, format!("give the folder: {folder}")))
}

/// Holds the names of samples against each other.
pub(super) fn check_names(
    (a, of_a): (&str, &[String]),
    (b, of_b): (&str, &[String]),
) -> Result<()> {
    let apart = (0..of_a.len().max(of_b.len())).find(|&i| of_a.get(i) != of_b.get(i));
    let Some(i) = apart else { return Ok(()) };
    let problem = match (of_a.get(i), of_b.get(i)) {
        (Some(x), Some(y)) if of_a.contains(y) && of_b.contains(x) => {
            format!("{a} and {b} hold samples in another order: number {} is {x} and {y}", i + 1)
        }
        (Some(x), Some(y)) => {
            format!("{a} and {b} hold other samples: number {} is {x} and {y}", i + 1)
        }
        (Some(x), None) => format!("{b} holds {} samples, and {a} also {x}", of_b.len()),
        (None, Some(y)) => format!("{a} holds {} samples, and {b} also {y}", of_a.len()),
        (None, None) => return Ok(()),
    };
    let remedy =
        "give the same data, with the --limit and --seed that the features were written with";
    Err(Error::usage(problem, remedy))
}

/// A layer for each name under which a kept one gave its tensor too, and that was not kept itself.
pub(super) fn also(report: &FeaturesReport) -> Vec<Entry> {
    let kept = &report.results.layers;
    let mut also: Vec<Entry> = vec![];
    for info in report.inputs.models.iter().flat_map(|model| &model.layers) {
        let Some(entry) = kept.iter().find(|entry| entry.name == info.name) else { continue };
        for name in &info.aliases {
            if !kept.iter().chain(&also).any(|other| other.name == *name) {
                let same_as = entry.same_as.clone().or(Some(entry.name.clone()));
                also.push(Entry { name: name.clone(), same_as, ..entry.clone() });
            }
        }
    }
    also
}

impl Folder {
    /// The layer of a place: of the index, or behind those one that gave the tensor of one of them.
    pub(super) fn entry(&self, place: usize) -> &Entry {
        let kept = &self.index.results.layers;
        kept.get(place).unwrap_or_else(|| &self.also[place - kept.len()])
    }

    /// The layer of a name.
    pub(super) fn entry_of(&self, name: &str) -> Option<&Entry> {
        self.index.results.layers.iter().chain(&self.also).find(|entry| entry.name == name)
    }

    /// The name under which a layer was kept.
    pub(super) fn kept_as<'a>(&'a self, name: &'a str) -> &'a str {
        let Some(also) = self.also.iter().find(|entry| entry.name == name) else { return name };
        let kept = self.index.results.layers.iter().find(|entry| entry.file == also.file);
        kept.map_or(name, |entry| &entry.name)
    }

    /// Places of the layers wanted, each tensor once: under the name of the index where that is wanted, else under
    /// the first one that is; and under all that are named themselves.
    ///
    /// # Errors
    /// A pattern matches none.
    pub(super) fn named(
        &self,
        selection: &Selection,
        by_default: impl Fn(&str) -> bool,
    ) -> Result<Vec<usize>> {
        let mut names = self.names();
        let kept = names.len();
        names.extend(self.also.iter().map(|entry| entry.name.as_str()));
        let is_default = |name: &str| names[..kept].contains(&name) && by_default(name);
        let mut chosen = selection.choose_names_or(&names, &self.path, is_default)?;
        let mut files: Vec<&str> = vec![];
        chosen.retain(|&i| {
            let file = self.entry(i).file.as_str();
            let is_row = i < kept || selection.names(names[i]) || !files.contains(&file);
            files.push(file);
            is_row
        });
        let in_order = |&i: &usize| names[..kept].iter().position(|n| *n == self.kept_as(names[i]));
        chosen.sort_by_key(in_order);
        Ok(chosen)
    }

    /// What the index says of layers, under the names that they have here.
    pub(super) fn infos(&self, entries: &[&Entry]) -> Vec<LayerInfo> {
        let of = |entry: &&Entry| {
            let mut own = self.info(&entry.name)?.clone();
            if let Some(alias) = own.aliases.iter_mut().find(|alias| **alias == entry.name) {
                std::mem::swap(alias, &mut own.name);
            }
            Some(own)
        };
        entries.iter().filter_map(of).collect()
    }
}
