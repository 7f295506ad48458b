//! Pictures of a training.

use super::{matrix, pairs, summary};
use crate::render::{Chart, Heatmap, RenderError, Series};
use crate::report::Number;
use crate::report::track::TrackReport;
use crate::view::PictureFormat;
use crate::view::compare::range_of;

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// A line a layer, with the accuracy.
    Lines,
    /// Layers × checkpoints.
    Map,
    /// All checkpoints against each other at one layer.
    Pairs,
}

impl Picture {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Lines, Self::Map, Self::Pairs];

    /// What its file is called beside that of the first.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Lines => "",
            Self::Map => "-map",
            Self::Pairs => "-pairs",
        }
    }

    /// What it shows, in words.
    pub fn shows(self) -> &'static str {
        match self {
            Self::Lines => "Each layer with the last checkpoint, as lines",
            Self::Map => "Each layer with the last checkpoint, as a map",
            Self::Pairs => "All checkpoints against each other at one layer",
        }
    }
}

impl TrackReport {
    /// A picture.
    ///
    /// # Errors
    /// It is too large.
    pub fn picture(&self, picture: Picture, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
        match picture {
            Picture::Lines => self.lines(format),
            Picture::Map => self.map(format),
            Picture::Pairs => self.pairs(format),
        }
    }

    fn lines(&self, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
        let results = &self.results;
        let points = |values: &[Number]| -> Vec<(f64, f64)> {
            let all = values.iter().enumerate();
            all.map(|(i, v)| (i as f64, v.get().unwrap_or(f64::NAN))).collect()
        };
        let layers: Vec<Vec<(f64, f64)>> =
            results.layers.iter().map(|layer| points(&layer.with_last)).collect();
        let accuracy: Vec<Number> = results.checkpoints.iter().map(|one| one.accuracy).collect();
        let accuracy = points(&accuracy);
        let mut series: Vec<Series<'_>> = results
            .layers
            .iter()
            .zip(&layers)
            .map(|(layer, points)| Series { name: &layer.name, points, ..Series::default() })
            .collect();
        // A share stands beside values from 0 to 1, and beside no others.
        let beside = bounded(self) && accuracy.iter().any(|(_, v)| v.is_finite());
        if beside {
            series.push(Series {
                name: "accuracy",
                points: &accuracy,
                dashed: true,
                ..Series::default()
            });
        }
        let chart = Chart {
            title: &format!("{} of each layer with the last checkpoint", results.measure),
            subtitle: &summary(self),
            x_label: "checkpoint",
            y_label: &format!(
                "{}{}",
                results.measure,
                if beside { ", accuracy (dashed)" } else { "" }
            ),
            x_ticks: &results.names(),
            y_range: bounded(self).then_some((0.0, 1.0)),
            percent: false,
            series: &series,
            lines: &[],
        };
        format.draw(|| chart.to_svg(), || chart.to_png())
    }

    fn map(&self, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
        let results = &self.results;
        let values = matrix(results, |layer| &layer.with_last);
        let rows: Vec<String> = results.layers.iter().map(|layer| layer.name.clone()).collect();
        let settled = results.layers.iter().enumerate();
        let marks: Vec<(usize, usize)> =
            settled.filter_map(|(l, layer)| Some((l, layer.settled?))).collect();
        format.heatmap(&Heatmap {
            title: &format!("{} of each layer with the last checkpoint", results.measure),
            subtitle: &summary(self),
            row_axis: "layer",
            column_axis: "checkpoint",
            rows: &rows,
            columns: &results.names(),
            values: values.view(),
            range: range_of(&results.facts, &values),
            reversed: !results.facts.larger_is_more_alike,
            scale_label: &results.measure,
            marks: &marks,
            mark_label: "settles here",
        })
    }

    fn pairs(&self, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
        let (results, names) = (&self.results, self.results.names());
        let values = pairs(results);
        format.heatmap(&Heatmap {
            title: &format!(
                "{} between checkpoints at {}",
                results.measure, results.pairwise.layer
            ),
            subtitle: &summary(self),
            row_axis: "checkpoint",
            column_axis: "checkpoint",
            rows: &names,
            columns: &names,
            values: values.view(),
            range: range_of(&results.facts, &values),
            reversed: !results.facts.larger_is_more_alike,
            scale_label: &results.measure,
            marks: &[],
            mark_label: "",
        })
    }
}

/// Whether the values of the measure are shares, from 0 to 1 by what is meant.
pub(super) fn bounded(report: &TrackReport) -> bool {
    let facts = &report.results.facts;
    facts.larger_is_more_alike && facts.range[1].get() == Some(1.0)
}
