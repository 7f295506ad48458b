//! The scores over depth.

use super::shown;
use crate::render::chart::Rule;
use crate::render::{Chart, RenderError, Series};
use crate::report::Number;
use crate::report::probe::{ProbeModel, ProbeReport, ProbeScore, Task};
use crate::view::{PictureFormat, Plot};

/// A line of the picture.
pub(super) struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    /// The interval of each point; not finite where it has none.
    pub intervals: Vec<(f64, f64)>,
    pub dashed: bool,
}

/// A score and its interval.
type Score = fn(&ProbeScore) -> (Number, Option<(f64, f64)>);

/// What runs to the right.
pub(super) struct Depth {
    pub label: &'static str,
    /// The layers, where they have one order for all models.
    pub names: Vec<String>,
}

impl Plot for ProbeReport {
    const SMALLER: &'static str = "try .svg, or fewer layers with --layers";

    /// Of one model every probe with its controls; of several the first probe of each.
    fn plot(&self, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
        let results = &self.results;
        let (depth, lines) = (depth(self), lines(self));
        let series: Vec<Series<'_>> = lines
            .iter()
            .map(|line| Series {
                name: &line.name,
                points: &line.points,
                dashed: line.dashed,
                intervals: &line.intervals,
            })
            .collect();
        let levels = levels(self);
        let rules: Vec<Rule<'_>> =
            levels.iter().map(|(label, value)| Rule { label, value: *value }).collect();
        let classes = results.task == Task::Classes;
        let chart = Chart {
            title: &title(self),
            subtitle: &subtitle(self),
            x_label: depth.label,
            y_label: results.score_name(),
            x_ticks: &depth.names,
            y_range: classes.then_some((0.0, 1.0)),
            percent: classes,
            series: &series,
            lines: &rules,
        };
        format.draw(|| chart.to_svg(), || chart.to_png())
    }
}

fn title(report: &ProbeReport) -> String {
    match report.results.models.as_slice() {
        [one] => format!("What can be read out of {}", one.name),
        many => format!("What {} reads out of {} models", report.settings.probes[0], many.len()),
    }
}

/// The settings in a line.
pub(super) fn subtitle(report: &ProbeReport) -> String {
    let (settings, results) = (&report.settings, &report.results);
    let share = match (settings.folds, settings.fit_fraction) {
        (Some(folds), _) => format!("{folds} folds"),
        (None, share) => format!("fitted on {} %", 100.0 * share.unwrap_or_default()),
    };
    let scaled = if settings.standardize { "standardised" } else { "not scaled" };
    let line = format!("{} · {scaled} · {share} · n = {}", settings.reduce, results.n_measured);
    widest(report).map_or(line.clone(), |half| {
        format!("{line} · 95 % intervals, of at most ±{:.1} points", 100.0 * half)
    })
}

/// Half the width of the widest interval of a score.
fn widest(report: &ProbeReport) -> Option<f64> {
    let layers = report.results.models.iter().flat_map(|model| &model.layers);
    let intervals = layers.flat_map(|layer| &layer.probes).filter_map(|probe| probe.interval);
    intervals.map(|(low, high)| (high - low) / 2.0).reduce(f64::max)
}

/// Layers by their names where all models have the same, else by their share of the way.
pub(super) fn depth(report: &ProbeReport) -> Depth {
    let of = |model: &ProbeModel| -> Vec<String> {
        model.layers.iter().map(|layer| layer.name.clone()).collect()
    };
    let models = &report.results.models;
    let first = models.first().map(of).unwrap_or_default();
    match models.iter().all(|model| of(model) == first) {
        true => Depth { label: "layer", names: first },
        false => Depth { label: "relative depth", names: vec![] },
    }
}

/// Levels that do not depend on the layer.
pub(super) fn levels(report: &ProbeReport) -> Vec<(String, f64)> {
    let results = &report.results;
    let chance = match results.task {
        Task::Classes => ("most frequent class".to_owned(), results.chance),
        Task::Numbers => ("mean".to_owned(), 0.0),
    };
    let first = results.pixels.as_ref().and_then(|pixels| pixels.probes.first());
    let pixels = first.and_then(|probe| {
        Some((
            format!("pixels, {}: {}", probe.probe, shown(results, probe.score)),
            probe.score.get()?,
        ))
    });
    [chance].into_iter().chain(pixels).collect()
}

/// No interval.
const NONE: (f64, f64) = (f64::NAN, f64::NAN);
const SCORE: Score = |found| (found.score, found.interval);
const CONTROL: Score = |found| (found.control, found.control_interval);

/// What is drawn, at most eight lines.
pub(super) fn lines(report: &ProbeReport) -> Vec<Line> {
    let models = &report.results.models;
    let named = !depth(report).names.is_empty();
    let line = |model: &ProbeModel, probe: usize, name: String, of: Score| {
        let last = (model.layers.len().max(2) - 1) as f64;
        let x = |l: usize| if named { l as f64 } else { l as f64 / last };
        let found = model.layers.iter().map(|layer| layer.probes.get(probe).map(of));
        let ends = found.clone().map(|one| one.and_then(|(_, ends)| ends).unwrap_or(NONE));
        let values = found.map(|one| one.and_then(|(value, _)| value.get()).unwrap_or(f64::NAN));
        let points = values.enumerate().map(|(l, y)| (x(l), y)).collect();
        Line { name, points, intervals: ends.collect(), dashed: false }
    };
    let dashed = |line: Line| Line { dashed: true, ..line };
    let mut lines = vec![];
    match models.as_slice() {
        [model] => {
            let probes = model.layers.first().map_or(&[][..], |layer| &layer.probes);
            for (i, probe) in probes.iter().enumerate() {
                lines.push(line(model, i, probe.probe.clone(), SCORE));
            }
            if let Some(first) = probes.first() {
                let name = |what: &str| format!("{}, {what}", first.probe);
                if let Some(control) = &model.control {
                    lines.push(dashed(line(model, 0, name(control), CONTROL)));
                }
                lines
                    .push(dashed(line(model, 0, name("shuffled"), |found| (found.shuffled, None))));
            }
        }
        many => {
            lines.extend(many.iter().map(|model| line(model, 0, model.name.clone(), SCORE)));
            let control = |model: &ProbeModel| {
                let name = format!("{}, {}", model.name, model.control.as_ref()?);
                Some(dashed(line(model, 0, name, CONTROL)))
            };
            if many.len() <= 4 {
                lines.extend(many.iter().filter_map(control));
            }
        }
    }
    lines.retain(|line| line.points.iter().any(|(_, y)| y.is_finite()));
    lines
}
