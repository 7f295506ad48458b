//! Weights of checkpoints over the architectures of models.

use std::collections::HashMap;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use tch::Tensor;

use crate::checkpoint::{Checkpoint, Fit, Rename, Slot, Stored, Wanted, listed};
use crate::error::{Error, Result};
use crate::report::{Warning, WeightsInput, sha256_of_file};
use crate::torchscript::{Model, Weight, tensors};
use crate::view::names::counted;

/// Weights for one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenWeights {
    /// The file, its index, or the folder of it.
    pub path: PathBuf,
    /// Where in it the weights are; where they fit if nothing is said.
    pub key: Option<String>,
    /// Whether weights that it does not have are left as they are.
    pub partial: bool,
}

/// An open checkpoint, with the hash of its files.
pub struct OpenWeights {
    chosen: ChosenWeights,
    checkpoint: Checkpoint,
    sha256: String,
}

impl ChosenWeights {
    /// Opens the checkpoint and hashes its files.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn open(&self) -> Result<OpenWeights> {
        let checkpoint = Checkpoint::open(&self.path)?;
        let sha256 = match checkpoint.files() {
            [file] => sha256_of_file(file)?,
            files => sha256_of_files(files)?,
        };
        Ok(OpenWeights { chosen: self.clone(), checkpoint, sha256 })
    }
}

/// SHA-256 over what `sha256sum` prints of the files, in their order and without folders.
fn sha256_of_files(files: &[PathBuf]) -> Result<String> {
    let mut hasher = Sha256::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        hasher.update(format!("{}  {name}\n", sha256_of_file(file)?));
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What was noticed of the values.
#[derive(Default)]
struct Noticed {
    rounded: Vec<String>,
    not_finite: Vec<String>,
}

impl OpenWeights {
    /// Puts the weights into a model, all of them or none.
    ///
    /// # Errors
    /// The model was frozen, the checkpoint does not fit it, gives one tensor of the model two values, or
    /// cannot be read.
    pub fn put(mut self, model: &mut Model) -> Result<(WeightsInput, Vec<Warning>)> {
        let weights = model.weights()?;
        if weights.is_empty() {
            return Err(without_weights(model));
        }
        let slots: Vec<Slot> = weights.iter().map(slot).collect();
        let name = model.path().display().to_string();
        let key = self.chosen.key.as_deref();
        let wanted = Wanted { key, partial: self.chosen.partial, model: &name };
        let (place, fit) = self.checkpoint.fit(&slots, wanted)?;
        let noticed = self.set(model, &weights, (place, &fit))?;
        let mut warnings = self.left(&name, &fit);
        warnings.extend(self.of_values(&name, &noticed));
        Ok((self.record(place, &fit), warnings))
    }

    fn set(
        &mut self,
        model: &mut Model,
        weights: &[Weight],
        (place, fit): (usize, &Fit),
    ) -> Result<Noticed> {
        let mut noticed = Noticed::default();
        let mut shared: HashMap<usize, (&str, Tensor)> = HashMap::new();
        let mut names: HashMap<usize, usize> = HashMap::new();
        weights.iter().for_each(|weight| *names.entry(weight.tensor).or_default() += 1);
        for &(w, t) in &fit.pairs {
            let (name, stored) = self.checkpoint.dicts()[place].tensors[t].clone();
            let (weight, values) = (&weights[w], self.values(&stored)?);
            if names[&weight.tensor] > 1 {
                if let Some((first, other)) = shared.get(&weight.tensor)
                    && !same(other, &values)
                {
                    return Err(self.torn(model, [first, &weight.name]));
                }
                shared.insert(weight.tensor, (&weight.name, values.shallow_clone()));
            }
            let taken = model.set_weight(weight, &values)?;
            noticed.rounded.extend(taken.rounded.then(|| name.clone()));
            noticed.not_finite.extend(taken.not_finite.then_some(name));
        }
        Ok(noticed)
    }

    /// A tensor of the checkpoint.
    fn values(&mut self, stored: &Stored) -> Result<Tensor> {
        let bytes = self.checkpoint.read(stored)?;
        tensors::of_elements(&bytes, stored)
    }

    fn torn(&self, model: &Model, [first, second]: [&str; 2]) -> Error {
        let problem = format!(
            "{first} and {second} are one tensor in {}, and two different ones here",
            model.path().display()
        );
        let remedy = "export the model without tying them, or give weights that were tied";
        Error::file("take weights from", &self.chosen.path, problem, remedy)
    }

    fn record(&self, place: usize, fit: &Fit) -> WeightsInput {
        WeightsInput {
            path: self.chosen.path.display().to_string(),
            sha256: self.sha256.clone(),
            files: self.checkpoint.files().len(),
            format: self.checkpoint.format().name().to_owned(),
            key: self.checkpoint.dicts()[place].shown_key().to_owned(),
            renamed: (fit.rename != Rename::Same).then(|| fit.rename.to_string()),
            tensors: fit.pairs.len(),
            missing: fit.missing.len() + fit.misshapen.len(),
            unused: fit.unexpected.len() + fit.misshapen.len(),
        }
    }

    /// Warns of what the model keeps, and of what has no place in it.
    fn left(&self, model: &str, fit: &Fit) -> Vec<Warning> {
        let file = self.chosen.path.display();
        let mut warnings = vec![];
        if !fit.is_whole() {
            let (set, own) = (fit.pairs.len(), fit.mismatch());
            let text = format!("{set} tensors of {model} are those of {file}, not all: {own}");
            warnings.push(Warning::new("partial-weights", model, text));
        }
        if !fit.kept.is_empty() {
            let text = format!(
                "{file} does not hold {} of {model}, kept as exported (not all buffers are saved): {}",
                counted(fit.kept.len(), "buffer"),
                listed(&fit.kept)
            );
            warnings.push(Warning::new("kept-buffers", model, text));
        }
        warnings
    }

    fn of_values(&self, model: &str, noticed: &Noticed) -> Vec<Warning> {
        let file = self.chosen.path.display();
        let mut warnings = vec![];
        if !noticed.rounded.is_empty() {
            let count = counted(noticed.rounded.len(), "tensor");
            let text = format!(
                "{count} of {file} were rounded to the type of {model}: {}",
                listed(&noticed.rounded)
            );
            warnings.push(Warning::new("rounded-weights", model, text));
        }
        if !noticed.not_finite.is_empty() {
            let count = counted(noticed.not_finite.len(), "tensor");
            let text = format!(
                "{count} of {file} with NaN or infinite values in {model}: {}",
                listed(&noticed.not_finite)
            );
            warnings.push(Warning::new("weights-not-finite", model, text));
        }
        warnings
    }
}

/// Whether two tensors have the same values, NaN being the same as NaN.
fn same(a: &Tensor, b: &Tensor) -> bool {
    a.kind() == b.kind() && a.allclose(b, 0.0, 0.0, true)
}

fn slot(weight: &Weight) -> Slot {
    Slot {
        name: weight.name.clone(),
        shape: weight.shape.clone(),
        is_buffer: weight.is_buffer,
        tensor: weight.tensor,
    }
}

fn without_weights(model: &Model) -> Error {
    let (problem, remedy) = match model.is_flat() {
        true => (
            "it was frozen (torch.jit.freeze): its weights are constants of its code",
            "export it without freezing; repsim freezes it itself when it runs it",
        ),
        false => ("it has no parameters and no buffers", "leave the weights out"),
    };
    Error::file("put weights into", model.path(), problem, remedy)
}
