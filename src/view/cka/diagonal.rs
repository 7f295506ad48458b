//! The diagonal of a matrix of CKA as a line, with controls beside it.

use crate::render::html::{self, Markup, Point, Points};
use crate::render::{Chart, Heatmap, RenderError, Series, Tile, Tiles};
use crate::report::cka::CkaReport;
use crate::view::PictureFormat;

/// Lines that a plot of the page tells apart.
const LINES: usize = 8;

/// CKA of each layer of A with the corresponding one of another model.
pub(super) struct Line {
    name: String,
    values: Vec<Option<f64>>,
    /// Whether it is a control.
    control: bool,
}

/// The diagonal with B, where there is a B with layers that correspond, and a line for each control.
pub(super) fn lines(report: &CkaReport) -> Vec<Line> {
    let (results, names) = (&report.results, report.inputs.names());
    let mut lines = vec![];
    if let Some(name) = names.get(1) {
        lines.push(Line { name: name.clone(), values: results.diagonal(), control: false });
    }
    lines.extend(results.controls.iter().map(|control| Line {
        name: format!("control {}", control.name),
        values: control.layers.iter().map(|layer| layer.cka.get()).collect(),
        control: true,
    }));
    lines.retain(|line| line.values.iter().any(Option::is_some));
    lines
}

/// The lines on the page.
pub(super) fn plot(report: &CkaReport, a: &str, lines: &[Line]) -> Markup {
    let layers = &report.results.layers_a;
    let series = |line: &'_ Line| -> Vec<Point> {
        let point = |(i, value): (usize, &Option<f64>)| {
            let y = value.unwrap_or(f64::NAN);
            Point { x: i as f64, y, label: format!("{} with {}: CKA {y:.4}", layers[i], line.name) }
        };
        line.values.iter().enumerate().map(point).collect()
    };
    let drawn: Vec<Points<'_>> = lines
        .iter()
        .take(LINES)
        .map(|line| Points {
            name: &line.name,
            points: series(line),
            joined: true,
            intervals: vec![],
        })
        .collect();
    let alone = match lines {
        [one] => format!(" with {}", one.name),
        _ => String::new(),
    };
    let control = match lines.iter().any(|line| line.control) {
        true => "A line means something as far as it lies above those of the controls.",
        false => {
            "Hold it against a control, such as an untrained network (--control untrained.pt): early \
                  layers look alike whatever was learned."
        }
    };
    let caption = format!("CKA of each layer of {a} with the corresponding one{alone}. {control}");
    let plot = html::Plot {
        caption: &caption,
        x_label: a,
        y_label: "CKA",
        x_names: layers,
        y_names: &[],
        series: &drawn,
        rules: &[],
    };
    plot.draw()
}

/// The map with the lines below it, as a picture.
///
/// # Errors
/// It is too large.
pub(super) fn below(
    report: &CkaReport,
    map: &Heatmap<'_>,
    format: PictureFormat,
) -> Result<Vec<u8>, RenderError> {
    let lines = lines(report);
    let points: Vec<Vec<(f64, f64)>> = lines
        .iter()
        .map(|line| {
            let all = line.values.iter().enumerate();
            all.map(|(i, value)| (i as f64, value.unwrap_or(f64::NAN))).collect()
        })
        .collect();
    let series: Vec<Series<'_>> = lines
        .iter()
        .zip(&points)
        .map(|(line, points)| Series {
            name: &line.name,
            points,
            dashed: line.control,
            ..Series::default()
        })
        .collect();
    let chart = Chart {
        title: "Corresponding layers",
        subtitle: "controls are dashed",
        x_label: map.row_axis,
        y_label: "CKA",
        x_ticks: &report.results.layers_a,
        y_range: Some((0.0, 1.0)),
        percent: false,
        series: &series,
        lines: &[],
    };
    let map_tile = format.coloured(map, Tile::map);
    let curves = map_tile.curves_below(&chart);
    let rows = vec![vec![map_tile], vec![curves]];
    let picture = Tiles { title: map.title, rows };
    format.draw(|| picture.to_svg(), || picture.to_png())
}
