//! The section of a network over the checkpoints of its training.

mod page;
mod pictures;

use ndarray::Array2;

pub use self::pictures::Picture;
use super::table::{self, Cell};
use super::{Content, PictureFormat, Place, Screen, Tables, View};
use crate::render::RenderError;
use crate::report::Number;
use crate::report::track::{LayerTrack, TrackReport, TrackResults};

/// Columns of checkpoints in a table for a terminal.
const COLUMNS: usize = 7;

impl View for TrackReport {
    /// The map of layers and checkpoints, the layers as lines, when they settle, and all checkpoints against
    /// each other at one layer.
    fn content(&self, place: Place<'_>) -> Content {
        let results = &self.results;
        let (first, last) = (results.checkpoints.first(), results.checkpoints.last());
        let name = |one: Option<&crate::report::track::CheckpointResult>| {
            one.map_or(String::new(), |one| one.name.clone())
        };
        let lead = format!(
            "{} layers of {} checkpoints over {} samples, by {}. {}",
            results.layers.len(),
            results.checkpoints.len(),
            results.n,
            results.measure,
            order(results)
        );
        Content {
            kind: "Training followed",
            title: format!("{} to {}", name(first), name(last)),
            lead,
            body: page::body(self, place),
        }
    }

    fn main_picture(&self, format: PictureFormat) -> Option<Result<Vec<u8>, RenderError>> {
        Some(self.picture(Picture::Lines, format))
    }
}

impl Tables for TrackReport {
    /// Each layer of each checkpoint; then the layers, and the checkpoints.
    fn tables(&self) -> Vec<table::Table> {
        vec![values(self), layers(self), checkpoints(self)]
    }

    fn text(&self, screen: &Screen) -> String {
        format!(
            "{}\n\n{}\n\n{}",
            screen.table(&layers(self)),
            screen.table(&checkpoints(self)),
            order(&self.results)
        )
    }
}

/// Every value: a row a layer and checkpoint.
fn values(report: &TrackReport) -> table::Table {
    let results = &report.results;
    let mut names = vec!["layer", "checkpoint", "with last", "with previous"];
    names.extend(results.reference.as_ref().map(|_| "with reference"));
    names.extend(["settled", "accuracy"]);
    let mut table = table::new(&names);
    for layer in &results.layers {
        for (i, checkpoint) in results.checkpoints.iter().enumerate() {
            let number = |values: &[Number]| Cell::number(values.get(i).and_then(|v| v.get()), 4);
            let mut row = vec![
                layer.name.clone().into(),
                checkpoint.name.clone().into(),
                number(&layer.with_last),
                number(&layer.with_previous),
            ];
            row.extend(layer.with_reference.as_deref().map(number));
            row.push(if layer.settled.is_some_and(|at| i >= at) { "yes" } else { "no" }.into());
            row.push(Cell::number(checkpoint.accuracy.get(), 4));
            table.add_row(row);
        }
    }
    let numbers: Vec<usize> = (2..names.len()).filter(|i| names[*i] != "settled").collect();
    table.align_right(&numbers);
    table
}

/// Each layer: with the last checkpoint at some of the others, and where it settles.
fn layers(report: &TrackReport) -> table::Table {
    let results = &report.results;
    let shown = evenly(results.checkpoints.len() - 1, COLUMNS);
    let names = results.names();
    let mut header = vec![format!("{} with the last: layer", results.measure), "D".to_owned()];
    header.extend(shown.iter().map(|&i| names[i].clone()));
    header.push("settles at".to_owned());
    let mut table = table::new(&header);
    for layer in &results.layers {
        let mut row = vec![Cell::from(layer.name.clone()), layer.width.into()];
        row.extend(shown.iter().map(|&i| Cell::number(layer.with_last[i].get(), 3)));
        row.push(layer.settled_at.clone().map_or("-".into(), Cell::from));
        table.add_row(row);
    }
    table.align_right(&(1..2 + shown.len()).collect::<Vec<_>>());
    table
}

/// Each checkpoint: how far it fell against the one before, and its accuracy where it is known of any.
fn checkpoints(report: &TrackReport) -> table::Table {
    let judged = is_judged(&report.results);
    let mut names = vec!["checkpoint", "largest drop", "at layer"];
    names.extend(["accuracy", "accuracy drop"].into_iter().filter(|_| judged));
    let mut table = table::new(&names);
    for one in &report.results.checkpoints {
        let number = |value: Number| Cell::number(value.get(), 4);
        let mut row = vec![
            one.name.clone().into(),
            number(one.drop),
            one.drop_layer.clone().map_or("-".into(), Cell::from),
        ];
        row.extend([one.accuracy, one.accuracy_drop].map(number).into_iter().filter(|_| judged));
        table.add_row(row);
    }
    table.align_right(&[1, 3, 4][..if judged { 3 } else { 1 }]);
    table
}

/// Whether the accuracy of any checkpoint is known.
fn is_judged(results: &TrackResults) -> bool {
    results.checkpoints.iter().any(|one| one.accuracy.get().is_some())
}

/// In which order layers settle, in a sentence.
fn order(results: &TrackResults) -> String {
    let Some(r) = results.bottom_up.get() else {
        let why = results.reason("bottom_up", "", "").unwrap_or("no value");
        return format!("Whether layers settle from the input up cannot be said: {why}.");
    };
    let p = results.bottom_up_p.get().map_or(String::new(), |p| match p < 0.01 {
        true => format!(", p = {p:.4}"),
        false => format!(", p = {p:.2}"),
    });
    let words = match r {
        r if r >= 0.5 => "layers near the input settle first",
        r if r <= -0.5 => "layers near the output settle first",
        _ => "depth says little about when a layer settles",
    };
    format!(
        "Rank correlation of depth with settling: {r:.2} ({} layers{p}): {words}.",
        results.layers.len()
    )
}

/// At most so many places of `count`, evenly spaced, the first and the last among them.
fn evenly(count: usize, most: usize) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    (0..most).map(|i| (i * (count - 1) + (most - 1) / 2) / (most - 1)).collect()
}

/// Layers × checkpoints, NaN for `null`.
fn matrix(results: &TrackResults, of: impl Fn(&LayerTrack) -> &[Number]) -> Array2<f64> {
    let size = (results.layers.len(), results.checkpoints.len());
    Array2::from_shape_fn(size, |(l, c)| {
        of(&results.layers[l]).get(c).and_then(|v| v.get()).unwrap_or(f64::NAN)
    })
}

/// All checkpoints against each other, NaN for `null`.
fn pairs(results: &TrackResults) -> Array2<f64> {
    let count = results.checkpoints.len();
    let value = |i: usize, j: usize| results.pairwise.values.get(i)?.get(j)?.get();
    Array2::from_shape_fn((count, count), |(i, j)| value(i, j).unwrap_or(f64::NAN))
}

/// The settings in a line.
fn summary(report: &TrackReport) -> String {
    let alike = if report.results.facts.larger_is_more_alike { "larger" } else { "smaller" };
    format!(
        "{alike} is more alike · {} · n = {} · settled within {}",
        report.settings.reduce, report.results.n, report.settings.tolerance
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_of_many_are_spread_evenly() {
        assert_eq!(evenly(3, 7), [0, 1, 2]);
        assert_eq!(evenly(10, 4), [0, 3, 6, 9]);
        assert_eq!(evenly(40, 8).first().zip(evenly(40, 8).last()), Some((&0, &39)));
    }
}
