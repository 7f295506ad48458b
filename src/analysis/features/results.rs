//! From what was written to the index.

use std::path::Path;

use serde_json::{Value, json};
use tch::Tensor;

use super::run::Done;
use crate::analysis::session::kept::{Folder, INDEX};
use crate::capture::distortion;
use crate::capture::keep::{Finished, Keeping};
use crate::classifier::prediction;
use crate::data::Dataset;
use crate::error::Result;
use crate::report::features::{
    AveragedFile, FeaturesReport, FeaturesResults, FeaturesSettings, KeptLayer, Projected,
};
use crate::report::{
    DataInput, Inputs, ModelInput, Report, SchemaId, Timing, Tool, Warning, write_atomically,
};
use crate::torchscript::{libtorch_version, tensors};
use crate::view::names::listed;
use crate::view::to_json;

/// What is known of a run beside what it wrote.
pub struct Made<'a> {
    pub settings: FeaturesSettings,
    pub record: ModelInput,
    pub data: DataInput,
    pub copies: Option<Vec<usize>>,
    pub warnings: Vec<Warning>,
    pub loading: f64,
    pub dataset: &'a Dataset,
    pub inputs: Inputs,
    pub command: Option<String>,
}

/// The index of a folder.
pub fn report(made: Made<'_>, done: Done, how: Keeping) -> FeaturesReport {
    let n = done.reading.samples();
    let indices: Vec<usize> = done.reading.positions().collect();
    let timing = done.reading.timing();
    let mut warnings = made.warnings;
    warnings.extend(not_finite(&done.layers));
    let layers = |finished: &Finished| layer(finished, (n, done.batches), how);
    let mut kept: Vec<KeptLayer> = done.layers.iter().map(layers).collect();
    name_same(&mut kept, &made.record, &done.differing);
    let labels = made.dataset.labels();
    let several =
        done.outputs.as_ref().is_some_and(|outputs| !matches!(outputs.laid.row[..], [] | [1]));
    let results = FeaturesResults {
        n,
        layers: kept,
        outputs: done.outputs.as_ref().map(layers),
        predictions: done.predictions.filter(|_| several),
        names: indices.iter().map(|&i| made.dataset.name(i)).collect(),
        labels: labels.map(|all| indices.iter().map(|&i| all[i]).collect()),
        classes: made.dataset.classes().to_vec(),
        copies: made.copies,
    };
    Report {
        schema: SchemaId::current("features"),
        tool: Tool::current(libtorch_version()),
        inputs: Inputs { models: vec![made.record], data: Some(made.data), ..made.inputs },
        settings: made.settings,
        results,
        warnings,
        timing: Timing {
            load: made.loading,
            decode: timing.decode,
            wait: timing.wait,
            forward: timing.forward,
            measure: timing.measure,
            passes: 1,
            ..Timing::default()
        },
        pictures: vec![],
        command: made.command,
    }
}

fn layer(finished: &Finished, (samples, batches): (usize, usize), how: Keeping) -> KeptLayer {
    let laid = &finished.laid;
    let averaged = laid.averaged.clone().zip(finished.averaged_sha256.clone());
    let projected = laid.projected_from.zip(how.project).map(|(from, (to, seed))| Projected {
        from,
        to,
        seed,
        deviation: (2.0 / to as f64).sqrt(),
        distortion: distortion(to, samples).into(),
    });
    KeptLayer {
        name: laid.name.clone(),
        file: laid.file.clone(),
        sha256: finished.sha256.clone(),
        dtype: laid.format,
        shape: [&[samples], laid.row.as_slice()].concat(),
        order: laid.order.clone(),
        around: laid.around,
        averaged: averaged.map(|(file, sha256)| AveragedFile {
            file,
            sha256,
            shape: [batches, laid.channels],
        }),
        projected,
        same_as: None,
        not_finite: finished.not_finite.clone(),
    }
}

/// Notes of each layer which other one gave the same tensor in the whole run: the first of them.
fn name_same(kept: &mut [KeptLayer], record: &ModelInput, differing: &[usize]) {
    for i in 0..kept.len() {
        let info = record.layers.iter().find(|info| info.name == kept[i].name);
        let Some(info) = info.filter(|_| !differing.contains(&i)) else { continue };
        let first = kept[..i].iter().find(|other| info.aliases.contains(&other.name));
        kept[i].same_as = first.map(|other| other.name.clone());
    }
}

/// Warns of layers that are NaN or infinite somewhere.
fn not_finite(layers: &[Finished]) -> Option<Warning> {
    let broken: Vec<(&str, &str)> = layers
        .iter()
        .filter_map(|layer| Some((layer.laid.name.as_str(), layer.not_finite.as_deref()?)))
        .collect();
    let (_, sample) = broken.first()?;
    let names: Vec<&str> = broken.iter().map(|(name, _)| *name).collect();
    let text = format!(
        "{} NaN or infinite, the first for sample {sample}: commands say of these layers that they have no values",
        match names.as_slice() {
            [one] => format!("layer {one} is"),
            more => format!("{} layers ({}) are", more.len(), listed(more)),
        }
    );
    Some(Warning::new("not-finite", names.join(", "), text))
}

/// The places of the largest of N×K outputs, of equals the first.
///
/// # Errors
/// They cannot be read.
pub fn predictions(outputs: &Tensor) -> Result<Vec<Option<usize>>> {
    let outputs = tensors::to_matrix(&outputs.reshape([outputs.size()[0], -1]))?;
    Ok(outputs.rows().into_iter().map(prediction).collect())
}

/// Writes the index into its folder, which is whole then.
///
/// # Errors
/// It cannot be written.
pub fn put(folder: &Path, report: &FeaturesReport) -> Result<()> {
    write_atomically(&folder.join(INDEX), to_json(report)?.as_bytes())
}

/// What the run of a folder was, to be held against another on some device, on which it is where it was one of those
/// of its shards.
pub fn identity(folder: &Folder, device: &str) -> Value {
    let index = &folder.index;
    let mut settings = index.settings.clone();
    if settings.device.split(", ").any(|own| own == device) {
        device.clone_into(&mut settings.device);
    }
    let samples = index.results.n + folder.data.skipped.len();
    let layers: Vec<&String> = folder.model().layers.iter().map(|layer| &layer.name).collect();
    json!({
        "tool": index.tool.version,
        "model": folder.model().identity(),
        "layers": layers,
        "settings": settings,
        "preprocess": folder.data.preprocess,
        "samples": samples,
    })
}
