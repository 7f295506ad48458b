//! Weights of checkpoints over the architectures of models.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use sha2::{Digest, Sha256};
use tch::{Kind, Tensor};

use crate::checkpoint::{Checkpoint, Dtype, Fit, Rename, Slot, Stored, Wanted, listed};
use crate::error::{Error, Result};
use crate::report::{Warning, WeightsInput, sha256_of_file};
use crate::torchscript::{Model, Weight, tensors};
use crate::view::names::counted;

/// Which weights go over the models.
#[derive(Args, Default)]
pub struct WeightsArgs {
    /// Weights to put into the model: .safetensors (or its index, or the folder of it), or what torch.save
    /// wrote of a state dict; with several models once for each in their order, 'none' for one that keeps
    /// its own
    #[arg(long, value_name = "FILE", help_heading = "Models")]
    pub weights: Vec<PathBuf>,
    /// Weights to put into model A, where there are two
    #[arg(long, value_name = "FILE", conflicts_with = "weights", help_heading = "Models")]
    pub weights_a: Option<PathBuf>,
    /// Weights to put into model B
    #[arg(long, value_name = "FILE", conflicts_with = "weights", help_heading = "Models")]
    pub weights_b: Option<PathBuf>,
    /// Where in a checkpoint the weights are: a dotted path such as state_dict, '.' for the top, or
    /// state_dict.module.encoder_q for the names that begin so; once for all files, or once for each
    /// [default: where they fit]
    #[arg(long, value_name = "KEY", help_heading = "Models")]
    pub weights_key: Vec<String>,
    /// Set the weights that fit, and let the model keep its own where a checkpoint has none
    #[arg(long, help_heading = "Models")]
    pub partial_weights: bool,
}

/// Weights for one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenWeights {
    path: PathBuf,
    key: Option<String>,
    partial: bool,
}

/// What stands in the place of a file where a model keeps its weights.
const NONE: &str = "none";

impl WeightsArgs {
    /// The files given.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let ab = self.weights_a.iter().chain(&self.weights_b);
        self.weights.iter().filter(|path| *path != Path::new(NONE)).chain(ab)
    }

    /// Refuses these options where stored features or statistics are taken and no model is.
    ///
    /// # Errors
    /// One was given although.
    pub fn refuse(&self, stored: bool, instead: &str) -> Result<()> {
        let given = self.paths().next().is_some() || !self.weights_key.is_empty();
        match stored && (given || self.partial_weights) {
            false => Ok(()),
            true => Err(Error::usage(
                format!("weights were given, but {instead} takes no model to put them into"),
                "leave out --weights and the like",
            )),
        }
    }

    /// The weights of each of so many models.
    ///
    /// # Errors
    /// The options do not go with that number, or with each other.
    pub fn of(&self, models: usize) -> Result<Vec<Option<ChosenWeights>>> {
        let files = self.files(models)?;
        let count = files.iter().flatten().count();
        if count == 0 && (!self.weights_key.is_empty() || self.partial_weights) {
            let problem =
                "--weights-key and --partial-weights are for weights, and none were given";
            return Err(Error::usage(problem, "give the file with --weights, or leave them out"));
        }
        if self.weights_key.len() > 1 && self.weights_key.len() != count {
            let (keys, files) = (self.weights_key.len(), counted(count, "file"));
            let problem = format!("--weights-key is given {keys} times for {files} of weights");
            return Err(Error::usage(problem, "give it once for all, or once for each in turn"));
        }
        let mut keys = self.weights_key.iter();
        let mut key = || match self.weights_key.as_slice() {
            [one] => Some(one.clone()),
            _ => keys.next().cloned(),
        };
        let chosen =
            |path: PathBuf| ChosenWeights { path, key: key(), partial: self.partial_weights };
        let mut chosen = chosen;
        Ok(files.into_iter().map(|file| file.map(&mut chosen)).collect())
    }

    fn files(&self, models: usize) -> Result<Vec<Option<PathBuf>>> {
        let (a, b) = (&self.weights_a, &self.weights_b);
        if self.weights.is_empty() {
            return match (models, a, b) {
                (1, _, Some(_)) => Err(Error::usage(
                    "--weights-b is for the second of two models, and one was given",
                    "name the architecture twice to compare two checkpoints of it",
                )),
                (0..=2, ..) => Ok([a.clone(), b.clone()].into_iter().take(models).collect()),
                (_, None, None) => Ok(vec![None; models]),
                _ => Err(self.miscounted(models, "--weights-a and --weights-b are for two")),
            };
        }
        if self.weights.len() != models {
            let given = format!("--weights was given {} times", self.weights.len());
            return Err(self.miscounted(models, &given));
        }
        let file = |path: &PathBuf| (path != Path::new(NONE)).then(|| path.clone());
        Ok(self.weights.iter().map(file).collect())
    }

    fn miscounted(&self, models: usize, given: &str) -> Error {
        let remedy = match models {
            1 => "give it once",
            2 => "give --weights-a or --weights-b, or both",
            _ => "give --weights once for each in their order, 'none' for one that keeps its own",
        };
        Error::usage(format!("{} were given, and {given}", counted(models, "model")), remedy)
    }
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
        let failed = |e: tch::TchError| tensors::torch_error("take weights", &e);
        let count = stored.extent as i64;
        let flat =
            Tensor::f_from_data_size(&bytes, &[count], kind(stored.dtype)).map_err(failed)?;
        if count == 0 {
            return flat.f_reshape(&stored.shape).map_err(failed);
        }
        flat.f_as_strided(&stored.shape, &stored.strides, 0).map_err(failed)
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

fn kind(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::Bool => Kind::Bool,
        Dtype::U8 => Kind::Uint8,
        Dtype::I8 => Kind::Int8,
        Dtype::I16 => Kind::Int16,
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        Dtype::F16 => Kind::Half,
        Dtype::Bf16 => Kind::BFloat16,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::C64 => Kind::ComplexFloat,
        Dtype::C128 => Kind::ComplexDouble,
        Dtype::F8E4M3 => Kind::Float8e4m3fn,
        Dtype::F8E5M2 => Kind::Float8e5m2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(weights: &[&str], a: Option<&str>, b: Option<&str>, keys: &[&str]) -> WeightsArgs {
        WeightsArgs {
            weights: weights.iter().map(PathBuf::from).collect(),
            weights_a: a.map(PathBuf::from),
            weights_b: b.map(PathBuf::from),
            weights_key: keys.iter().map(|&key| key.to_owned()).collect(),
            partial_weights: false,
        }
    }

    fn shown(args: &WeightsArgs, models: usize) -> Vec<(String, Option<String>)> {
        let chosen = args.of(models).unwrap_or_default().into_iter();
        let text = |c: ChosenWeights| (c.path.display().to_string(), c.key);
        chosen.map(|c| c.map_or_else(|| (NONE.to_owned(), None), text)).collect()
    }

    #[test]
    fn each_model_gets_its_own() {
        let named = |name: &str, key: Option<&str>| (name.to_owned(), key.map(str::to_owned));
        let none = || named(NONE, None);
        assert_eq!(shown(&args(&["x"], None, None, &[]), 1), [named("x", None)]);
        assert_eq!(shown(&args(&[], Some("x"), None, &[]), 1), [named("x", None)]);
        assert_eq!(shown(&args(&[], None, Some("x"), &["k"]), 2), [none(), named("x", Some("k"))]);
        let both = args(&[], Some("x"), Some("x"), &["a", "b"]);
        assert_eq!(shown(&both, 2), [named("x", Some("a")), named("x", Some("b"))]);
        let three = args(&["x", NONE, "y"], None, None, &["a", "b"]);
        assert_eq!(shown(&three, 3), [named("x", Some("a")), none(), named("y", Some("b"))]);
        assert_eq!(shown(&args(&[], None, None, &[]), 3), [none(), none(), none()]);
    }

    #[test]
    fn numbers_that_do_not_go_together_are_refused() {
        let refused = [
            (args(&["x"], None, None, &[]), 2),
            (args(&["x", "y"], None, None, &[]), 1),
            (args(&[], None, Some("x"), &[]), 1),
            (args(&[], Some("x"), None, &[]), 3),
            (args(&[], Some("x"), Some("y"), &["a", "b", "c"]), 2),
            (args(&[], None, None, &["a"]), 2),
        ];
        for (args, models) in refused {
            assert!(args.of(models).is_err(), "{models}");
        }
    }
}
