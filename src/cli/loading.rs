//! Models opened side by side, with the weights that were given over them.

use std::path::{Path, PathBuf};
use std::thread;

use super::args::ModelArgs;
use super::axes::ChannelAxes;
use super::given;
use super::inputs::LoadedModel;
use super::weights::ChosenWeights;
use crate::error::{Error, Result};
use crate::report::sha256_of_file;
use crate::torchscript::Model;

/// Loads models, puts the weights into them that were given, and hashes their files, all at once.
///
/// # Errors
/// The first model that cannot be loaded, or does not take its weights.
pub fn load_all(paths: &[PathBuf], args: &ModelArgs) -> Result<Vec<LoadedModel>> {
    load_each(paths, &args.weights.of(paths.len())?, args)
}

/// The same, with weights for each.
///
/// # Errors
/// As [`load_all`].
pub fn load_each(
    paths: &[PathBuf],
    weights: &[Option<ChosenWeights>],
    args: &ModelArgs,
) -> Result<Vec<LoadedModel>> {
    let keys = output_keys(args, paths.len())?;
    thread::scope(|scope| {
        let loads: Vec<_> = paths
            .iter()
            .zip(weights)
            .zip(keys)
            .map(|((path, weights), key)| {
                let hash = scope.spawn(move || sha256_of_file(path));
                let model = scope.spawn(move || open(path, key, args));
                let weights = weights.as_ref().map(|chosen| scope.spawn(|| chosen.open()));
                (model, hash, weights)
            })
            .collect();
        let mut loaded = Vec::new();
        let channel_axes = ChannelAxes::new(&args.channel_axis, paths.len());
        for (model, hash, weights) in loads {
            let model = model.join().map_err(|_| crashed())??;
            let sha256 = hash.join().map_err(|_| crashed())??;
            let mut own = LoadedModel::new(model, sha256, channel_axes.clone());
            if let Some(weights) = weights {
                let opened = weights.join().map_err(|_| crashed())??;
                let (record, noticed) = opened.put(&mut own.model)?;
                (own.weights, own.noticed) = (Some(record), noticed);
            }
            loaded.push(own);
        }
        given::fix(loaded.iter_mut().map(|loaded| &mut loaded.model), &args.input)?;
        Ok(loaded)
    })
}

/// Which part of what each of so many models returns is its output.
fn output_keys(args: &ModelArgs, models: usize) -> Result<Vec<Option<OutputKey<'_>>>> {
    let ModelArgs { output_key, output_key_a, output_key_b, .. } = args;
    let of = |option, key| OutputKey { option, key };
    if output_key_a.is_none() && output_key_b.is_none() {
        let key = output_key.as_deref().map(|key| of(OUTPUT_KEY, key));
        return Ok(vec![key; models]);
    }
    if models != 2 {
        let problem = format!("--output-key-a and -b are for two models, and {models} are given");
        return Err(Error::usage(problem, "give --output-key, which is for all"));
    }
    let a = output_key_a.as_deref().map(|key| of("--output-key-a", key));
    let b = output_key_b.as_deref().map(|key| of("--output-key-b", key));
    Ok(vec![a, b])
}

/// The option that names a part of what each model returns.
const OUTPUT_KEY: &str = "--output-key";

/// Which part of what a model returns is its output, and the option that says so.
#[derive(Clone, Copy)]
struct OutputKey<'a> {
    option: &'static str,
    key: &'a str,
}

fn open(path: &Path, key: Option<OutputKey<'_>>, args: &ModelArgs) -> Result<Model> {
    let mut model = Model::load(path, args.trust_model || args.only_confined)?;
    if args.keep_state {
        model.keep_state();
    }
    if let Some(dtype) = args.dtype {
        model.cast(dtype.kind())?;
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
    fn new(model: Model, sha256: String, channel_axes: ChannelAxes) -> Self {
        Self { model, sha256, weights: None, fed: vec![], noticed: vec![], channel_axes }
    }

    /// A model whose file was hashed before; what the report says of its weights was said then.
    ///
    /// # Errors
    /// It cannot be loaded, or does not take its weights.
    pub fn again(
        (path, weights): (&Path, Option<&ChosenWeights>),
        (sha256, key): (&str, Option<&str>),
        args: &ModelArgs,
    ) -> Result<Self> {
        let key = key.map(|key| OutputKey { option: OUTPUT_KEY, key });
        let mut model = open(path, key, args)?;
        given::fix([&mut model], &args.input)?;
        if let Some(chosen) = weights {
            chosen.open()?.put(&mut model)?;
        }
        let channel_axes = ChannelAxes::new(&args.channel_axis, 0);
        Ok(Self::new(model, sha256.to_owned(), channel_axes))
    }
}
