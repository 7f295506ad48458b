//! What is known of the samples of a set beside their features: what the model says of each, and their classes.

use std::path::Path;

use super::{SetSums, Sets};
use crate::classifier::OutputForm;
use crate::data::Dataset;
use crate::data::features::LOGITS;
use crate::error::{Error, Result};
use crate::frechet::Beside;
use crate::frechet::inception::Outputs;

/// What is wanted beside features.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// What the model says of each sample.
    pub outputs: bool,
    /// The class of each.
    pub classes: bool,
}

impl Sets<'_> {
    /// Takes note of more than features.
    #[must_use]
    pub fn wanting(mut self, wanted: Wanted) -> Self {
        self.wanted = wanted;
        self
    }

    /// A part of a layer's channels is taken of what a model gives alone.
    pub(super) fn refuse_channels(&self, path: &Path) -> Result<()> {
        if self.args.first_channels.is_none() {
            return Ok(());
        }
        let problem = "it holds features or statistics, and sfid takes what the model runs on";
        Err(Error::file("measure", path, problem, "give images, or leave sfid out of --metrics"))
    }

    /// Of images that were gathered.
    pub(super) fn beside_images(&self, dataset: &Dataset, sums: &SetSums) -> Beside {
        let mut beside = Beside::default();
        if self.wanted.outputs {
            beside.outputs = self.outputs(sums);
        }
        if self.wanted.classes {
            let labels = dataset.labels();
            let own = labels.map(|all| sums.indices.iter().map(|&i| all[i]).collect::<Vec<_>>());
            beside.classes = named(own.as_deref(), dataset.classes());
        }
        beside
    }

    fn outputs(&self, sums: &SetSums) -> Result<Outputs, String> {
        let ready = self.features.ready();
        if ready.is_some_and(|ready| ready.takes_bytes) {
            return Err("the model returns features and no logits (return_features)".to_owned());
        }
        let form = ready.and_then(|ready| ready.record.output);
        let own = sums.rows.as_ref().filter(|_| ready.is_some_and(|ready| ready.gives_matrix()));
        let all = sums.logits.as_ref().or(own).filter(|all| all.0.nrows() == sums.indices.len());
        of_form(all.map(|rows| rows.0.clone()), form)
    }
}

/// What a model gave for each sample, where that is one distribution over classes.
pub(super) fn of_form(
    rows: Option<ndarray::Array2<f64>>,
    form: Option<OutputForm>,
) -> Result<Outputs, String> {
    let rows = rows.ok_or("the model gives no matrix of logits")?;
    let form = form.unwrap_or_default();
    match form {
        OutputForm::IndependentProbabilities => {
            Err("the model ends in a sigmoid, and it needs one distribution over classes a sample"
                .into())
        }
        _ => Ok(Outputs { rows, are_probabilities: form.is_probability() }),
    }
}

/// The class of each sample by its name, or by its number where classes have no names.
pub(super) fn named(labels: Option<&[usize]>, classes: &[String]) -> Result<Vec<String>, String> {
    let labels =
        labels.ok_or("its samples have no classes (a sub-folder each, or labels in the file)")?;
    let name = |&label: &usize| classes.get(label).cloned().unwrap_or_else(|| label.to_string());
    Ok(labels.iter().map(name).collect())
}

/// Of stored features of so many samples, with the logits that lie beside them.
pub(super) fn of_features(
    samples: usize,
    labels: Option<&[usize]>,
    logits: Option<ndarray::Array2<f64>>,
) -> Beside {
    let outputs = match logits {
        Some(rows) if rows.nrows() == samples => Ok(Outputs { rows, are_probabilities: false }),
        Some(rows) => {
            Err(format!("the array {LOGITS} has {} rows for {samples} samples", rows.nrows()))
        }
        None => Err(format!(
            "it is given by features alone, and it needs the logits of a model (an array {LOGITS} beside them)"
        )),
    };
    Beside { outputs, classes: named(labels, &[]) }
}
