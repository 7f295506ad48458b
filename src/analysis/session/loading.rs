//! Models opened side by side, with the weights that were given over them.

use std::path::{Path, PathBuf};
use std::thread;

use super::axes::ChannelAxes;
use super::given;
use super::kept::Folder;
use super::kept_names::refuse_index;
use super::models::LoadedModel;
use super::weights::ChosenWeights;
use crate::analysis::Running;
use crate::error::{Error, Result};
use crate::report::sha256_of_file;
use crate::torchscript::Model;

/// Loads models, puts the weights into them that were given, and hashes their files, all at once.
///
/// # Errors
/// The first model that cannot be loaded, or does not take its weights.
pub fn load_all(paths: &[PathBuf], running: &Running) -> Result<Vec<LoadedModel>> {
    let keys = output_keys(running, paths.len())?;
    let weights = weights_of(running, paths.len())?;
    thread::scope(|scope| {
        let loads: Vec<_> = paths
            .iter()
            .zip(&weights)
            .zip(keys)
            .map(|((path, weights), key)| {
                let hash = scope.spawn(move || sha256_of_file(path));
                let model = scope.spawn(move || open(path, key, running));
                let weights = weights.as_ref().map(|chosen| scope.spawn(|| chosen.open()));
                (model, hash, weights)
            })
            .collect();
        let mut loaded = Vec::new();
        let channel_axes = ChannelAxes::new(&running.channel_axes, paths.len());
        for (model, hash, weights) in loads {
            let model = model.join().map_err(|_| crashed())??;
            let sha256 = hash.join().map_err(|_| crashed())??;
            let mut own = LoadedModel::new(model, sha256, channel_axes.clone(), running);
            if let Some(weights) = weights {
                let opened = weights.join().map_err(|_| crashed())??;
                let (record, noticed) = opened.put(&mut own.model)?;
                (own.weights, own.noticed) = (Some(record), noticed);
            }
            loaded.push(own);
        }
        let first = loaded.iter_mut().take(1);
        first.for_each(|own| own.noticed.extend(running.precision.warning()));
        given::fix(loaded.iter_mut().map(|loaded| &mut loaded.model), &running.inputs)?;
        Ok(loaded)
    })
}

/// Which part of what each of so many models returns is its output.
fn output_keys(running: &Running, models: usize) -> Result<Vec<Option<OutputKey<'_>>>> {
    match running.output_keys.as_slice() {
        [] => Ok(vec![None; models]),
        [all] => Ok(vec![of(OUTPUT_KEY, all); models]),
        each if each.len() == models => {
            let options = ["--output-key-a", "--output-key-b"].into_iter();
            let options = options.chain(std::iter::repeat(OUTPUT_KEY));
            Ok(options.zip(each).map(|(option, key)| of(option, key)).collect())
        }
        _ => {
            let problem =
                format!("--output-key-a and -b are for two models, and {models} are given");
            Err(Error::usage(problem, "give --output-key, which is for all"))
        }
    }
}

fn of<'a>(option: &'static str, key: &'a Option<String>) -> Option<OutputKey<'a>> {
    key.as_deref().map(|key| OutputKey { option, key })
}

/// The option that names a part of what each model returns.
const OUTPUT_KEY: &str = "--output-key";

/// Which part of what a model returns is its output, and the option that says so.
#[derive(Clone, Copy)]
struct OutputKey<'a> {
    option: &'static str,
    key: &'a str,
}

/// The weights over each of so many models.
///
/// # Errors
/// They are given for another number.
pub(in crate::analysis) fn weights_of(
    running: &Running,
    models: usize,
) -> Result<Vec<Option<ChosenWeights>>> {
    match running.weights.len() {
        0 => Ok(vec![None; models]),
        count if count == models => Ok(running.weights.clone()),
        count => {
            let problem = format!("weights are given for {count} models, and there are {models}");
            Err(Error::usage(problem, "give weights, or none, for each model in their order"))
        }
    }
}

fn open(path: &Path, key: Option<OutputKey<'_>>, running: &Running) -> Result<Model> {
    refuse_index(path)?;
    if Folder::is_at(path) {
        let problem = "it is a folder of features, and this needs the network itself";
        return Err(Error::file("load", path, problem, "give the model that it was written from"));
    }
    let mut model = Model::load(path, running.trust)?;
    if running.keep_state {
        model.keep_state();
    }
    if let Some(kind) = running.precision.kind() {
        model.cast(kind, "--precision")?;
    } else if let Some(dtype) = running.dtype {
        model.cast(dtype.kind(), "--dtype")?;
    }
    if let Some(OutputKey { option, key }) = key {
        model.choose_part(key).map_err(|error| match error {
            Error::File { action, path, problem, .. } => {
                let remedy = format!("give {option} one of these, or leave it out");
                Error::file(action, &path, problem, remedy)
            }
            other => other,
        })?;
    }
    Ok(model)
}

fn crashed() -> Error {
    Error::usage(
        "a thread that loaded a model crashed",
        "please report it with the command you ran",
    )
}

impl LoadedModel {
    fn new(model: Model, sha256: String, axes: ChannelAxes, running: &Running) -> Self {
        Self {
            model,
            sha256,
            weights: None,
            fed: vec![],
            noticed: vec![],
            channel_axes: axes,
            held_by: running.holds(),
            last: None,
        }
    }

    /// A model whose file was hashed before; what the report says of its weights was said then.
    ///
    /// # Errors
    /// It cannot be loaded, or does not take its weights.
    pub fn again(
        (path, weights): (&Path, Option<&ChosenWeights>),
        (sha256, key): (&str, Option<&str>),
        running: &Running,
    ) -> Result<Self> {
        let key = key.map(|key| OutputKey { option: OUTPUT_KEY, key });
        let mut model = open(path, key, running)?;
        given::fix([&mut model], &running.inputs)?;
        if let Some(chosen) = weights {
            chosen.open()?.put(&mut model)?;
        }
        let channel_axes = ChannelAxes::new(&running.channel_axes, 0);
        Ok(Self::new(model, sha256.to_owned(), channel_axes, running))
    }
}
