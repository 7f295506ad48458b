//! Pictures of stitching.

use ndarray::Array2;

use super::{name, value};
use crate::render::text::decimal;
use crate::render::{Heatmap, RenderError, Scatter};
use crate::report::Number;
use crate::report::stitch::StitchReport;
use crate::view::{PictureFormat, Plot};

/// Points named in a scatter.
const NAMED: usize = 6;

impl Plot for StitchReport {
    const SMALLER: &'static str = "try .svg, or fewer layers with --layers";

    /// Accuracy of all pairs; agreement without labels.
    fn plot(&self, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
        let names = self.inputs.names();
        let axis = |i: usize| names.get(i).map_or("", String::as_str);
        format.heatmap(&Heatmap {
            title: "A up to a layer, stitched to B behind a layer",
            subtitle: &subtitle(self),
            row_axis: axis(0),
            column_axis: axis(names.len().saturating_sub(1)),
            rows: &self.results.layers_a,
            columns: &self.results.layers_b,
            values: values(self).view(),
            range: (0.0, 1.0),
            reversed: false,
            scale_label: name(self),
            marks: &[],
            mark_label: "",
        })
    }
}

impl StitchReport {
    /// Stitching against CKA: a point a pair.
    ///
    /// # Errors
    /// It is too large for a picture.
    pub fn scatter(&self, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
        let (mut points, mut labels) = (vec![], vec![]);
        for pair in &self.results.pairs {
            let cka = pair.cka.and_then(Number::get);
            if let Some(place) = cka.zip(value(self, pair).get()) {
                points.push(place);
                labels.push(label(&pair.layer_a, &pair.layer_b));
            }
        }
        let scatter = Scatter {
            title: "Function against structure",
            subtitle: &subtitle_of_scatter(self),
            x_label: "CKA of the two layers",
            y_label: &format!("{} of the stitched network", name(self)),
            points: &points,
            labels: &labels,
            highlighted: &named(self, &labels),
            groups: &vec![0; points.len()],
            group_names: &[],
        };
        format.draw(|| scatter.to_svg(), || scatter.to_png())
    }
}

/// What is drawn of each pair of layers, NaN where there is nothing.
fn values(report: &StitchReport) -> Array2<f64> {
    let results = &report.results;
    let (rows, columns) = (&results.layers_a, &results.layers_b);
    let mut values = Array2::from_elem((rows.len(), columns.len()), f64::NAN);
    for pair in &results.pairs {
        let row = rows.iter().position(|name| *name == pair.layer_a);
        let column = columns.iter().position(|name| *name == pair.layer_b);
        if let Some(place) = row.zip(column) {
            values[place] = value(report, pair).get().unwrap_or(f64::NAN);
        }
    }
    values
}

/// The points where stitching and CKA disagree most.
fn named(report: &StitchReport, labels: &[String]) -> Vec<(usize, String)> {
    let against = report.results.against.as_ref();
    let most = against.map_or(&[][..], |found| &found.disagreements).iter().take(NAMED);
    most.map(|one| label(&one.layer_a, &one.layer_b))
        .filter_map(|name| Some((labels.iter().position(|label| *label == name)?, name)))
        .collect()
}

fn subtitle_of_scatter(report: &StitchReport) -> String {
    let rank = report.results.against.as_ref().and_then(|found| found.spearman.get());
    let interval = report.results.against.as_ref().and_then(|found| found.interval);
    let within = interval.map_or(String::new(), |(low, high)| {
        format!(" (95 % interval {} to {})", decimal(low, 2), decimal(high, 2))
    });
    let rank = rank.map_or("undefined".to_owned(), |value| decimal(value, 2) + &within);
    format!("{} · rank correlation {rank} · ringed: where the two disagree most", subtitle(report))
}

fn subtitle(report: &StitchReport) -> String {
    let results = &report.results;
    let share = |n: Number| n.get().map(|a| format!("{:.1} %", 100.0 * a));
    let own = share(results.accuracy_a).zip(share(results.accuracy_b));
    let own = own.map_or(String::new(), |(a, b)| format!(" · alone A {a}, B {b}"));
    format!(
        "{} fit on {} samples · measured on {} others{}{own} · compatible, not the same",
        report.settings.fit,
        results.n_fit,
        results.n,
        uncertainty(report)
    )
}

/// Half the width of the widest interval of an accuracy.
fn uncertainty(report: &StitchReport) -> String {
    let intervals = report.results.pairs.iter().filter_map(|pair| pair.interval);
    let half = intervals.map(|(low, high)| (high - low) / 2.0).reduce(f64::max);
    half.map_or(String::new(), |half| {
        format!(" (95 % intervals of at most ±{:.0} points)", 100.0 * half)
    })
}

fn label(a: &str, b: &str) -> String {
    if a == b { a.to_owned() } else { format!("{a} → {b}") }
}
