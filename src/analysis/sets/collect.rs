//! All samples of a set, with their labels and what the model says of them.

use std::path::Path;

use ndarray::{Array2, s};

use super::{Contents, Plan, SetSums, Sets, feature_input};
use crate::data::Dataset;
use crate::data::features::StoredSet;
use crate::data::statistics::{Origin, Statistics};
use crate::error::{Error, Result};
use crate::report::SetInput;

/// All samples of a set.
pub struct Collected {
    /// A row a sample.
    pub rows: Array2<f64>,
    /// The samples' names.
    pub names: Vec<String>,
    /// The class of each, where that is known.
    pub labels: Option<Vec<usize>>,
    /// Names of the classes, where they have any.
    pub classes: Vec<String>,
    /// What the model said of each, a row a sample, where it gives a matrix.
    pub logits: Option<Array2<f64>>,
    /// What the report says of the set.
    pub input: SetInput,
    /// How its features were made, where that is known.
    pub origin: Option<Origin>,
}

impl Sets<'_> {
    /// All features of the set at a path, with labels and names; with `logits` what the model says
    /// of each sample.
    ///
    /// # Errors
    /// It cannot be read, holds statistics, or its features are not finite or need more memory than
    /// is allowed.
    pub fn collect(&mut self, path: &Path, logits: bool) -> Result<Collected> {
        if Statistics::is_statistics(path) {
            let problem = "it holds statistics, and this takes samples";
            return Err(Error::file("read", path, problem, "give images or features"));
        }
        let collected = match self.contents(path)? {
            Contents::Features(set) => self.collect_stored(path, set)?,
            Contents::Kept(folder) => self.collect_kept(*folder, logits)?,
            Contents::Images(dataset) => self.collect_images(&dataset, logits)?,
        };
        self.held += 8 * collected.rows.len() as u64;
        Ok(collected)
    }

    /// Whether the samples at a path have labels.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn has_labels(&self, path: &Path) -> Result<bool> {
        Ok(match self.contents(path)? {
            Contents::Features(set) => set.labels?.is_some(),
            Contents::Kept(folder) => folder.index.results.labels.is_some(),
            Contents::Images(dataset) => dataset.labels().is_some(),
        })
    }

    fn collect_stored(&mut self, path: &Path, set: StoredSet) -> Result<Collected> {
        let StoredSet { feature, labels, .. } = set;
        let labels = labels?;
        let (axes, width) = self.axes_of(path, &feature)?;
        let count = feature.count();
        self.plan(count, width)?;
        let mut rows = Array2::zeros((count, width));
        self.each_block(path, &feature, &mut |first, block| {
            rows.slice_mut(s![first..first + block.nrows(), ..]).assign(&block);
        })?;
        Ok(Collected {
            names: (0..count).map(|i| i.to_string()).collect(),
            classes: vec![],
            labels,
            rows,
            logits: None,
            input: feature_input(path, &feature, axes)?,
            origin: None,
        })
    }

    fn collect_images(&mut self, dataset: &Dataset, logits: bool) -> Result<Collected> {
        let width = self.features.prepare(dataset)?.width;
        let plan = self.plan(dataset.len(), width)?;
        let plan = Plan { covariance: false, ..plan };
        let (sums, summary) = self.gathered(dataset, (width, plan), logits)?;
        self.tell(&sums.watch, dataset, &summary)?;
        let SetSums { rows, indices, logits, .. } = sums;
        let rows = rows.map(|rows| rows.0).unwrap_or_default();
        let logits = logits.map(|logits| logits.0);
        let labels = dataset.labels().map(|all| indices.iter().map(|&i| all[i]).collect());
        Ok(Collected {
            names: indices.iter().map(|&i| dataset.name(i)).collect(),
            classes: dataset.classes().to_vec(),
            labels,
            logits: logits.filter(|l| l.nrows() == rows.nrows()),
            rows,
            origin: self.origin(dataset, summary.fingerprint.clone().unwrap_or_default()),
            input: self.images_input(dataset, summary),
        })
    }
}
