//! From distances to the report.

use super::Distance;
use super::measured::Distances;
use super::predictions::{Judged, of_predictions};
use crate::analysis::sets::{Collected, Sets};
use crate::novelty::{auroc, deciles};
use crate::report::Warning;
use crate::report::distance::{
    Aurocs, Decile, Deciles, DistanceResults, MahalanobisResult, NeighbourResult, NullValue,
    PredictionResult, SampleRow, Spread,
};

pub(super) fn results(
    asked: &Distance,
    sets: &Sets<'_>,
    (reference, data): (&Collected, &Collected),
    distances: &Distances,
    judged: &Result<Judged, String>,
) -> DistanceResults {
    let mahalanobis = distances.mahalanobis();
    let own = Spread::of(&distances.own);
    let beyond = mahalanobis.iter().filter(|d| **d > own.q95).count();
    let null =
        |reason: &String| NullValue { field: "prediction".to_owned(), reason: reason.clone() };
    DistanceResults {
        layer: sets.layer(),
        width: data.rows.ncols(),
        n_reference: reference.rows.nrows(),
        n: data.rows.nrows(),
        classes: match &reference.labels {
            Some(_) => distances.classes.iter().map(|&c| class(&reference.classes, c)).collect(),
            None => vec![],
        },
        mahalanobis: MahalanobisResult {
            covariance: match &reference.labels {
                Some(_) => "within-classes".to_owned(),
                None => "whole".to_owned(),
            },
            estimator: "oas".to_owned(),
            shrinkage: distances.shrinkage,
            samples: Spread::of(&mahalanobis),
            reference: own,
            beyond_reference: beyond as f64 / mahalanobis.len() as f64,
        },
        neighbour: NeighbourResult {
            k: asked.k,
            normalized: true,
            samples: Spread::of(&distances.neighbour),
            in_class: distances.neighbour_in_class.as_deref().map(Spread::of),
        },
        prediction: judged.as_ref().ok().map(|judged| prediction(judged, distances)),
        farthest: vec![],
        nulls: judged.as_ref().err().map(null).into_iter().collect(),
    }
}

fn prediction(judged: &Judged, distances: &Distances) -> PredictionResult {
    let wrong: Vec<bool> = judged.correct.iter().map(|right| !right).collect();
    let count = wrong.iter().filter(|wrong| **wrong).count();
    let doubt: Vec<f64> = judged.confidence.iter().map(|p| 1.0 - p).collect();
    let mahalanobis = distances.mahalanobis();
    let groups = |scores: &[f64]| -> Vec<Decile> {
        deciles(scores, &judged.correct).iter().map(Decile::from).collect()
    };
    PredictionResult {
        classes: judged.names.clone(),
        accuracy: (wrong.len() - count) as f64 / wrong.len() as f64,
        wrong: count,
        auroc: Aurocs {
            mahalanobis: auroc(&mahalanobis, &wrong).into(),
            neighbour: auroc(&distances.neighbour, &wrong).into(),
            neighbour_in_class: auroc_of(&distances.neighbour_in_class, &wrong).into(),
            confidence: auroc(&doubt, &wrong).into(),
        },
        deciles: Deciles {
            mahalanobis: groups(&mahalanobis),
            neighbour: groups(&distances.neighbour),
            confidence: groups(&doubt),
        },
    }
}

fn auroc_of(scores: &Option<Vec<f64>>, wrong: &[bool]) -> Option<f64> {
    auroc(scores.as_ref()?, wrong)
}

/// The name of a class, or its number.
fn class(names: &[String], class: usize) -> String {
    names.get(class).cloned().unwrap_or_else(|| class.to_string())
}

pub(super) fn rows(
    reference: &Collected,
    data: &Collected,
    distances: &Distances,
    judged: Option<&Judged>,
) -> Vec<SampleRow> {
    let row = |i: usize| {
        let nearest = distances.nearest[i];
        let known = |of: fn(&Judged) -> &Vec<usize>| judged.map(|j| class(&j.names, of(j)[i]));
        let own = data.labels.as_ref().map(|labels| class(&data.classes, labels[i]));
        SampleRow {
            sample: data.names[i].clone(),
            mahalanobis: nearest.distance,
            nearest_class: reference
                .labels
                .as_ref()
                .map(|_| class(&reference.classes, distances.classes[nearest.class])),
            neighbour: distances.neighbour[i],
            neighbour_in_class: distances.neighbour_in_class.as_ref().map(|found| found[i]),
            label: known(|j| &j.label).or(own),
            predicted: known(|j| &j.predicted),
            correct: judged.map(|j| j.correct[i]),
            confidence: judged.map(|j| j.confidence[i]),
        }
    };
    (0..data.names.len()).map(row).collect()
}

/// Samples that a report names.
const FARTHEST: usize = 100;

/// The rows of the samples that lie farthest, the first of equally far ones first.
pub(super) fn farthest(rows: &[SampleRow]) -> Vec<SampleRow> {
    let mut order: Vec<&SampleRow> = rows.iter().collect();
    order.sort_by(|a, b| b.mahalanobis.total_cmp(&a.mahalanobis));
    order.into_iter().take(FARTHEST).cloned().collect()
}

pub(super) fn warnings_of(
    results: &DistanceResults,
    judged: &Result<Judged, String>,
    reference: &Collected,
    data: &Collected,
) -> Vec<Warning> {
    let mut warnings = of_predictions(results, judged, reference, data);
    let free = results.n_reference.saturating_sub(results.classes.len().max(1));
    if free <= results.width {
        let text = format!(
            "the covariance of {} features comes from {} samples: most of it is shrinkage ({:.2} of \
             the identity); use more reference samples, or a layer with fewer features",
            results.width, results.n_reference, results.mahalanobis.shrinkage
        );
        warnings.push(Warning::new("few-samples", "mahalanobis", text));
    }
    if reference.input.fingerprint() == data.input.fingerprint() {
        let text = "the data are the reference itself: every sample is its own nearest neighbour, \
                    and the distances are too small";
        warnings.push(Warning::new("same-data", "data", text));
    }
    warnings
}
