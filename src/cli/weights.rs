//! `--weights` and its relatives: which checkpoint is loaded into which model.

use std::path::{Path, PathBuf};

use clap::Args;

use super::globs::Expanded;
use crate::analysis::ChosenWeights;
use crate::error::{Error, Result};
use crate::view::names::counted;

/// Which weights are loaded into the models.
#[derive(Args, Default)]
pub struct WeightsArgs {
    /// Weights to load into the model: .safetensors (or its index or folder), or a state dict written by torch.save;
    /// with several models, once per model in the same order, 'none' for one that keeps its own; a quoted glob stands
    /// for its files, e2 before e10
    #[arg(long, value_name = "FILE", value_parser = Expanded::parser(), help_heading = "Models")]
    pub weights: Vec<Expanded>,
    /// Weights to load into model A, where there are two models
    #[arg(long, value_name = "FILE", conflicts_with = "weights", help_heading = "Models")]
    pub weights_a: Option<PathBuf>,
    /// Weights to load into model B
    #[arg(long, value_name = "FILE", conflicts_with = "weights", help_heading = "Models")]
    pub weights_b: Option<PathBuf>,
    /// Where the weights are in a checkpoint: a dotted path such as state_dict, '.' for the top, or a prefix of their
    /// names such as state_dict.module.encoder_q; once for all files, or once for each [default: where they fit]
    #[arg(long, value_name = "KEY", help_heading = "Models")]
    pub weights_key: Vec<String>,
    /// Load the weights that fit, and let the model keep its own where a checkpoint has none
    #[arg(long, help_heading = "Models")]
    pub partial_weights: bool,
}

/// What stands in place of a file where a model keeps its weights.
const NONE: &str = "none";

impl WeightsArgs {
    /// The files given.
    pub fn paths(&self) -> Vec<PathBuf> {
        let ab = self.weights_a.iter().chain(&self.weights_b).cloned();
        self.each().into_iter().filter(|path| path != Path::new(NONE)).chain(ab).collect()
    }

    /// What --weights was given, globs expanded, 'none' included.
    pub fn each(&self) -> Vec<PathBuf> {
        Expanded::all(&self.weights)
    }

    /// Refuses these options where stored features or statistics are taken and no model is.
    ///
    /// # Errors
    /// One was given although.
    pub fn refuse(&self, stored: bool, instead: &str) -> Result<()> {
        let given = !self.paths().is_empty() || !self.weights_key.is_empty();
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
        let each = self.each();
        if each.len() != models {
            let given = format!("--weights was given {} times", each.len());
            return Err(self.miscounted(models, &given));
        }
        let file = |path: &PathBuf| (path != Path::new(NONE)).then(|| path.clone());
        Ok(each.iter().map(file).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn args(weights: &[&str], a: Option<&str>, b: Option<&str>, keys: &[&str]) -> WeightsArgs {
        WeightsArgs {
            weights: weights.iter().map(|&path| path.into()).collect(),
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
