//! From what was captured to the report.

use std::time::Instant;

use ndarray::{Array2, Axis};

use super::{Found, Platonic};
use crate::analysis::Observer;
use crate::analysis::compare::{Compared, Layers, measured, timing};
use crate::error::{Error, Result};
use crate::functional::ranking::p_value;
use crate::report::compare::{LayerResult, MeasureResult};
use crate::report::distance::NullValue;
use crate::report::platonic::{MergeResult, ModelResult, PlatonicReport, PlatonicResults};
use crate::report::{Number, Report, SchemaId, Timing, Tool, Warning};
use crate::saliency::rank::spearman;
use crate::similarity::{Merge, Plan, cluster};
use crate::torchscript::libtorch_version;

/// The fewest models of which a rank correlation says anything.
const RANKED: usize = 3;

/// Measures all pairs and orders the models.
///
/// # Errors
/// No pair has a value.
pub fn report(
    mut found: Found,
    asked: &Platonic,
    plan: &Plan,
    observer: &dyn Observer,
) -> Result<PlatonicReport> {
    let measuring = Instant::now();
    let plan = &plan.within(found.outcome.threads);
    let captured = std::mem::take(&mut found.outcome.layers).into_iter().flatten().collect();
    let side = Layers::of(captured, found.labels.as_deref(), asked.components, plan.threads);
    let made: Vec<_> = side.made.iter().map(|m| m.as_ref().ok()).collect();
    let cells = measured(&made, None, plan, observer);
    drop(made);
    let compared = Compared {
        sides: std::slice::from_ref(&side),
        names: std::slice::from_ref(&found.names),
        samples: &found.outcome.names,
        models: ["", ""],
        cells: &cells,
        plan,
    };
    let (measured, warnings) = compared.results()?;
    found.warnings.extend(warnings);
    let mut models = vec![];
    let measure = measured.measures.into_iter().next();
    let measure =
        measure.ok_or_else(|| Error::usage("there is no measure", "name one with --measure"))?;
    for (i, mut layer) in measured.layers.into_iter().enumerate() {
        layer.model = found.names[i].clone();
        layer.name = found.layers[i].clone();
        models.push(model(&found, &measure, i, layer));
    }
    found.warnings.extend(unknown(&models, asked.labels.is_some()));
    let results = of(models, measured.n, measure);
    Ok(PlatonicReport {
        timing: timing(&found.outcome, found.loading, measuring.elapsed().as_secs_f64()),
        ..whole(found, asked, results)
    })
}

fn whole(found: Found, asked: &Platonic, results: PlatonicResults) -> PlatonicReport {
    Report {
        schema: SchemaId::current("platonic"),
        tool: Tool::current(libtorch_version()),
        settings: asked.recorded(&found.device),
        inputs: found.inputs,
        results,
        warnings: found.warnings,
        timing: Timing::default(),
        pictures: vec![],
        command: None,
    }
}

fn model(found: &Found, measure: &MeasureResult, i: usize, layer: LayerResult) -> ModelResult {
    let row = measure.values[i].iter().enumerate();
    let others: Vec<f64> = row.filter(|(j, _)| *j != i).filter_map(|(_, v)| v.get()).collect();
    let mut nulls = vec![];
    let mut null = |field: &str, reason: &str| {
        nulls.push(NullValue { field: field.to_owned(), reason: reason.to_owned() });
    };
    if others.is_empty() {
        null("mean_alignment", "no pair of it has a value");
    }
    if let Err(why) = &found.accuracy[i] {
        null("accuracy", why);
    }
    ModelResult {
        name: found.names[i].clone(),
        layer,
        mean_alignment: Number::from(others.iter().sum::<f64>() / others.len() as f64),
        accuracy: Number::from(found.accuracy[i].as_ref().ok().copied()),
        nulls,
    }
}

fn of(models: Vec<ModelResult>, n: usize, measure: MeasureResult) -> PlatonicResults {
    let names: Vec<String> = models.iter().map(|m| m.name.clone()).collect();
    // Models without a value stand last, and in no cluster.
    let (known, unknown): (Vec<usize>, Vec<usize>) =
        (0..models.len()).partition(|&i| models[i].mean_alignment.get().is_some());
    let distances = distances(&measure).select(Axis(0), &known).select(Axis(1), &known);
    let (merges, order) = cluster(distances.view());
    let clustered: Vec<String> = known.iter().map(|&i| names[i].clone()).collect();
    let order = order.iter().map(|&i| &known[i]).chain(&unknown);
    let none = Number::from(None);
    let (rank_correlation, rank_correlation_p, why) = match correlation(&models, &measure) {
        Ok((value, p)) => (Number::from(value), Number::from(p), None),
        Err(why) => (none, none, Some(why)),
    };
    let fields = ["rank_correlation", "rank_correlation_p"];
    let null =
        |reason: &str| fields.map(|field| NullValue { field: field.into(), reason: reason.into() });
    PlatonicResults {
        order: order.map(|&i| names[i].clone()).collect(),
        merges: named(&merges, &clustered),
        nulls: why.map(null).into_iter().flatten().collect(),
        rank_correlation,
        rank_correlation_p,
        models,
        n,
        measure,
    }
}

/// How far apart models are: a distance itself, or what a similarity lacks of its best value.
fn distances(measure: &MeasureResult) -> Array2<f64> {
    let count = measure.values.len();
    let value = |i: usize, j: usize| measure.values[i][j].get().unwrap_or(f64::NAN);
    let values = Array2::from_shape_fn((count, count), |(i, j)| value(i, j));
    if !measure.facts.larger_is_more_alike {
        return values;
    }
    let most = values.iter().copied().filter(|v| v.is_finite()).fold(f64::NEG_INFINITY, f64::max);
    let best = measure.facts.range[1].get().unwrap_or(most);
    // NaN stays NaN, which `f64::max` would turn into 0.
    values.mapv(|v| if v > best { 0.0 } else { best - v })
}

fn named(merges: &[Merge], names: &[String]) -> Vec<MergeResult> {
    let mut members: Vec<Vec<String>> = names.iter().map(|name| vec![name.clone()]).collect();
    let mut found = vec![];
    for merge in merges {
        let (first, second) = merge.clusters;
        let (first, second) = (members[first].clone(), members[second].clone());
        members.push([first.clone(), second.clone()].concat());
        found.push(MergeResult { first, second, distance: merge.distance });
    }
    found
}

/// Spearman's correlation of alignment and accuracy with its p-value, or why there is none.
fn correlation(
    models: &[ModelResult],
    measure: &MeasureResult,
) -> Result<(f64, f64), &'static str> {
    let sign = if measure.facts.larger_is_more_alike { 1.0 } else { -1.0 };
    let pair = |m: &ModelResult| Some((sign * m.mean_alignment.get()?, m.accuracy.get()?));
    let (aligned, right): (Vec<f64>, Vec<f64>) = models.iter().filter_map(pair).unzip();
    if aligned.len() < RANKED {
        return Err("fewer than 3 models have an alignment and an accuracy");
    }
    let found = spearman(&aligned, &right).zip(p_value(&aligned, &right));
    found.ok_or("all models align, or predict, equally well")
}

/// Accuracies that are not known: said once, where some are or the classes were named.
fn unknown(models: &[ModelResult], labelled: bool) -> Option<Warning> {
    let why = |m: &ModelResult| m.nulls.iter().find(|n| n.field == "accuracy").cloned();
    let missing: Vec<&ModelResult> = models.iter().filter(|m| why(m).is_some()).collect();
    if missing.is_empty() || (missing.len() == models.len() && !labelled) {
        return None;
    }
    let (name, reason) = (&missing[0].name, why(missing[0]).map_or(String::new(), |n| n.reason));
    let text = format!(
        "the accuracy of {} is not known: {reason}",
        match missing.len() {
            1 => name.clone(),
            count => format!("{count} models, such as {name},"),
        }
    );
    Some(Warning::new("no-accuracy", name, text))
}
