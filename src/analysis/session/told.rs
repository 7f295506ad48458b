//! What is said of the layers of a model, and what the report holds of them.

use std::path::Path;

use super::dependence;
use crate::analysis::Observer;
use crate::capture::{Reduce, Subject};
use crate::report::{LayerInfo, ModelInput, Warning};
use crate::torchscript::{Layer, Model, ORDERED, Selection, shape_text};
use crate::view::layers::fast_path;
use crate::view::names::{counted, few, listed};

/// Says which layers were taken where none were named.
pub fn tell_default(records: &[ModelInput], selections: &[Selection], observer: &dyn Observer) {
    for (record, _) in records.iter().zip(selections).filter(|(_, wanted)| wanted.is_default()) {
        let name = Path::new(&record.path).file_name().unwrap_or_default().to_string_lossy();
        let names: Vec<&str> = record.layers.iter().map(|layer| layer.name.as_str()).collect();
        let (Some(first), Some(last)) = (names.first(), names.last()) else { continue };
        let span = if names.len() == 1 { String::new() } else { format!(" … {last}") };
        observer.note(&format!(
            "{} of {name}: {first}{span}; `repsim layers` lists all, --layers chooses others",
            counted(names.len(), "layer")
        ));
    }
}

/// What the report says of a layer.
pub fn info(layer: &Layer) -> LayerInfo {
    LayerInfo {
        name: layer.name.clone(),
        type_name: layer.type_name.clone(),
        kind: layer.kind.name().to_owned(),
        shape: layer.sample_shape(),
        parameters: layer.parameters,
        calls: layer.calls,
        sample_axis: layer.axes.samples,
        channel_axis: layer.axes.channels,
        channel_axis_by: Some(layer.axes.told.name().to_owned()),
        class_tokens: layer.axes.class_tokens,
        aliases: layer.aliases.clone(),
        complex: layer.complex,
        depends_on: layer.dependence.names().into_iter().map(str::to_owned).collect(),
    }
}

/// Warns of modules that are wanted but gave nothing to look at: once a reason.
pub fn unheard(model: &Model, all: &[Layer], selection: &Selection) -> Vec<Warning> {
    let path = model.path().display();
    let mut idle = model.not_run(all);
    idle.retain(|name| selection.wants(name));
    let fused = dependence::fused(model, &idle);
    let operators: Vec<&str> = fused.iter().map(|(operator, _)| operator.as_str()).collect();
    let is_fused = |name: &str| fused.iter().any(|(_, below)| below.iter().any(|n| n == name));
    let idle = idle.into_iter().map(|name| match is_fused(name) {
        true => (name, fast_path(&operators)),
        false => (name, "did not run".to_owned()),
    });
    let silent = model.without_tensor().into_iter().filter(|(name, _)| selection.wants(name));
    let silent = silent.map(|(name, result)| (name, format!("gives {result}, no tensor")));
    let unordered = if selection.is_default() { modules_without_order(all) } else { vec![] };
    let unordered = unordered.into_iter().map(|name| (name, UNORDERED.to_owned()));
    let mut reasons: Vec<(String, Vec<&str>)> = vec![];
    for (name, why) in idle.chain(silent).chain(unordered) {
        match reasons.iter_mut().find(|(other, _)| *other == why) {
            Some((_, names)) => names.push(name),
            None => reasons.push((why, vec![name])),
        }
    }
    let warning = |(why, names): (String, Vec<&str>)| {
        let text = format!("{} of {path} left out: {why}", few("layer", &names));
        Warning::new("layer-left-out", names.join(", "), text)
    };
    reasons.into_iter().map(warning).collect()
}

/// Why a module is not a layer by default although it ran.
const UNORDERED: &str = "gives several tensors, and which comes first is not known: name them with --layers \
                         (NAME:*), or export with preserve_module_call_signature=(NAME,)";

/// The modules that several of these layers are outputs of, without their places in the tuple.
fn modules_without_order(layers: &[Layer]) -> Vec<&str> {
    distinct(layers.iter().filter_map(Layer::without_order).collect())
}

fn distinct(mut modules: Vec<&str>) -> Vec<&str> {
    modules.sort_unstable();
    modules.dedup();
    modules
}

/// Warns of layers whose numbers are not known to be those in the tuple that their module gives.
pub fn unordered(model: &Model, layers: &[Layer]) -> Option<Warning> {
    let (modules, how) = match model.is_trace() {
        true => {
            let unplaced = layers.iter().filter(|layer| !layer.is_placed);
            let several = unplaced.filter_map(Layer::one_of_several);
            let several = several.chain(modules_without_order(layers)).collect();
            let how = "numbered in the order in which the trace uses them, which need not be that of the \
                       tuple: script the model, or export it, to compare them";
            (distinct(several), how)
        }
        false => {
            let how = "numbered (made0, made1) in the order in which they are computed, not in that of the \
                       tuple, which the archive does not hold";
            (modules_without_order(layers), how)
        }
    };
    let text =
        format!("outputs of {} of {} are {how}", few("layer", &modules), model.path().display());
    (!modules.is_empty()).then(|| Warning::new("outputs-without-order", modules.join(", "), text))
}

/// Warns of modules that count as calls of another although they may be modules of their own.
pub fn merged(model: &Model) -> Option<Warning> {
    let merged = model.merged();
    let names: Vec<&str> = merged.iter().map(|(name, _)| name.as_str()).collect();
    let pairs: Vec<String> =
        merged.iter().map(|(name, other)| format!("{name} as {other}")).collect();
    let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
    let text = format!(
        "modules of {} with the class and the tensors of another count as calls of it: {} (a trace, or \
         torch.export with strict=True, tells whether they are modules of their own)",
        model.path().display(),
        listed(&pairs)
    );
    (!names.is_empty()).then(|| Warning::new("modules-merged", names.join(", "), text))
}

/// Warns of modules of which one model gives a single tensor, and the other says that there are several: which
/// of them it is need not be the first.
pub fn one_of_several(subjects: &[Subject]) -> Option<Warning> {
    let [a, b] = subjects else { return None };
    let single = |one: &Subject, other: &Subject| -> Vec<String> {
        let several: Vec<&str> = other.layers.iter().filter_map(Layer::one_of_several).collect();
        let unknown = |layer: &&Layer| {
            several.contains(&layer.name.as_str()) && !ORDERED.contains(&layer.type_name.as_str())
        };
        let path = one.model.path().display();
        let layers = one.layers.iter().filter(unknown);
        layers.map(|layer| format!("{} of {path}", layer.name)).collect()
    };
    let names = [single(a, b), single(b, a)].concat();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let text = format!(
        "{}: the one tensor that is used of what the module gives, and the other model has several of them; which \
         it is, the archive does not say",
        listed(&names)
    );
    (!names.is_empty()).then(|| Warning::new("outputs-without-order", names.join(", "), text))
}

/// Takes layers without a row a sample away where no layer is named, such as position embeddings that are
/// the same for all samples, and says so.
pub fn rowless(
    layers: &mut Vec<Layer>,
    samples: usize,
    selection: &Selection,
    model: &Model,
) -> Option<Warning> {
    let (rows, rowless): (Vec<Layer>, Vec<Layer>) =
        layers.iter().cloned().partition(|layer| layer.has_samples(samples));
    let named = rowless.iter().any(|layer| selection.names(&layer.name));
    if named || rowless.is_empty() || rows.is_empty() {
        return None;
    }
    *layers = rows;
    let names: Vec<&str> = rowless.iter().map(|layer| layer.name.as_str()).collect();
    let text = format!(
        "{} of {} gives no row a sample (shape {} for {samples} samples): left out",
        few("layer", &names),
        model.path().display(),
        shape_text(&rowless[0].shape)
    );
    Some(Warning::new("layer-left-out", names.join(", "), text))
}

/// Leaves out layers that a reduction of tokens does not take, where others are left; says which.
pub fn leave_out(layers: &mut Vec<Layer>, reduce: Reduce) -> Option<String> {
    let takes = |layer: &Layer| reduce.check(&layer.canonical_shape()).is_ok();
    let (taken, without): (Vec<Layer>, Vec<Layer>) = layers.iter().cloned().partition(takes);
    if taken.is_empty() || without.is_empty() {
        return None;
    }
    *layers = taken;
    let names: Vec<&str> = without.iter().map(|layer| layer.name.as_str()).collect();
    Some(format!(
        "{} without tokens left out: --reduce {reduce} takes tokens",
        few("layer", &names)
    ))
}

/// Warnings about a model that was prepared.
pub fn of_model(model: &Model, layers: &[Layer]) -> Vec<Warning> {
    let path = model.path().display().to_string();
    let mut warnings = dependence::warnings(model, layers);
    warnings.extend(unordered(model, layers));
    warnings.extend(merged(model));
    if let Some(why) = model.optimization_note() {
        let first = why.lines().next().unwrap_or_default();
        let text =
            format!("{path} runs as exported, more slowly: it could not be frozen ({first})");
        warnings.push(Warning::new("not-optimized", &path, text));
    }
    if !model.untrusted_operators().is_empty() {
        let operators = model.untrusted_operators().join(", ");
        let text = format!("{path} was trusted although its code uses {operators}");
        warnings.push(Warning::new("trusted-model", &path, text));
    }
    warnings
}
