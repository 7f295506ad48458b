//! Folders of features among the models.

use super::{Found, Platonic, check_components, listen_to, unique};
use crate::analysis::Observer;
use crate::analysis::session::kept::Folder;
use crate::analysis::session::kept_sides::{Asked, Givers, refuse_running};
use crate::analysis::session::{axes, beside};
use crate::capture::represent::represent;
use crate::capture::{Naming, Source};
use crate::error::{Error, Result};
use crate::report::{Inputs, ModelInput};

/// What the models gave that ran, and those whose features were written before.
pub(super) fn found(asked: &Platonic, observer: &dyn Observer) -> Result<Found> {
    refuse(asked)?;
    refuse_running(&asked.models, &asked.running, asked.output_index)?;
    let measures = std::slice::from_ref(&asked.measure);
    let of_models = Asked {
        models: &asked.models,
        data: &asked.data,
        running: &asked.running,
        reduce: asked.reduce,
        measures,
        naming: Naming::default(),
        parts: false,
        outputs: false,
    };
    let layer = |i: usize| asked.layers.get(i).or(asked.layers.first()).map(String::as_str);
    let choose = |i: usize, folder: &Folder| Ok((vec![folder.one_layer(layer(i))?], None));
    let mut givers = of_models.open(&choose, &|paths, places, running, dataset| {
        let steps = vec![asked.preprocessing.for_models(dataset, paths)?];
        let load = asked.data.load.options(running.threads());
        let source = Source { dataset, preprocess: &steps, load };
        let execution = running.execution()?;
        let mut found = listen_to((asked, places), (paths, running), &source, &execution)?;
        found.2.extend(axes::check(&found.0, asked.reduce)?);
        beside::tell(&asked.preprocessing, &steps, observer);
        Ok((found, steps))
    })?;
    let name = |layers: &Vec<(String, _)>| layers.first().map_or(String::new(), |l| l.0.clone());
    let layers = givers.layers().iter().map(name).collect();
    check_components(asked.components, givers.samples())?;
    let (outcome, data) = givers.measure(&of_models, (false, observer), |feed| {
        represent(feed, &asked.wanted(), &mut *observer.passes())
    })?;
    let labels = givers.labels().map(|all| outcome.indices.iter().map(|&i| all[i]).collect());
    let Givers { records, warnings, loading, device, .. } = givers;
    let paths = |m: &ModelInput| match &m.features {
        Some(folder) => folder.path.clone(),
        None => m.telling_path().to_owned(),
    };
    Ok(Found {
        names: unique(records.iter().map(paths).collect()),
        layers,
        accuracy: records.iter().map(share).collect(),
        inputs: Inputs { models: records, data: Some(data), ..asked.running.inputs() },
        outcome,
        labels,
        warnings,
        loading,
        device,
    })
}

/// Refuses options that folders do not have.
fn refuse(asked: &Platonic) -> Result<()> {
    let all = asked.models.iter().all(|path| path.is_dir());
    match () {
        () if asked.labels.is_some() => Err(Error::usage(
            "--labels names the outputs of models that run, and folders of features are among these",
            "leave it out: the folders hold how often their models are right",
        )),
        () if all && asked.preprocessing.any() => Err(Error::usage(
            "preprocessing was given, and no model runs beside the folders of features",
            "give --preprocess and the like to repsim features",
        )),
        () => Ok(()),
    }
}

/// The share of samples that a model is right on, or why that is not known.
pub(in crate::analysis) fn share(record: &ModelInput) -> Result<f64, String> {
    record.output.ok_or("the model gives no matrix of logits")?;
    let found = record.accuracy.last().ok_or("the data have no labels")?;
    match &found.reason {
        None => Ok(found.correct as f64 / found.count as f64),
        Some(reason) => Err(reason.clone()),
    }
}
