//! The series: lines, markers and tooltips.

use super::layout::Layout;
use super::{Chart, Series, is_drawn, marker};
use crate::render::svg::{self, Element};

/// The least distance of points that all have a marker.
const DENSE: f64 = 13.0;
/// About the distance of markers where points are closer.
const SPARSE: f64 = 36.0;
/// From the bar of one series to that of the next at the same place.
const BESIDE: f64 = 3.0;
/// Half the width of the ends of a bar.
const END: f64 = 2.5;
/// How far around a point its tooltip shows.
const NEAR: f64 = 6.0;

/// Draws all series, the first one lowest.
pub(super) fn draw(chart: &Chart<'_>, layout: &Layout) -> Element {
    let lines = chart.series.iter().enumerate().map(|(index, series)| {
        svg::group().children(line(series, index, layout)).children(markers(
            chart,
            (index, series),
            layout,
        ))
    });
    // Under all lines, so that no bar lies on a marker.
    let bars = chart.series.iter().enumerate().map(|series| bars(chart, series, layout));
    // Tooltips lie over everything, so that no other series keeps the pointer from them.
    let tooltips = svg::group()
        .attr("fill", "none")
        .attr("pointer-events", "all")
        .children(chart.series.iter().flat_map(|series| tooltips(chart, series, layout)));
    let lines = svg::group().attr("pointer-events", "none").children(bars).children(lines);
    svg::group().child(lines).child(tooltips)
}

/// The line of a series, broken where points are not finite; none where it has no length.
fn line(series: &Series<'_>, index: usize, layout: &Layout) -> Option<Element> {
    let runs = runs(series).filter(|run| run.len() > 1);
    let data: String = runs.flat_map(|run| run.iter().enumerate()).map(command(layout)).collect();
    let line = Element::new("path").attr("d", &data).attr("fill", "none");
    (!data.is_empty()).then(|| marker::stroke(line, index, series.dashed))
}

/// The intervals of a series as bars with ends; those of several series lie side by side.
fn bars(chart: &Chart<'_>, (index, series): (usize, &Series<'_>), layout: &Layout) -> Element {
    let has_bars = |series: &&Series<'_>| series.bars().next().is_some();
    let count = chart.series.iter().filter(has_bars).count();
    let before = chart.series[..index].iter().filter(has_bars).count();
    let shift = BESIDE * (before as f64 - (count.max(1) - 1) as f64 / 2.0);
    let bars = series.bars().flat_map(|(x, (low, high))| {
        let ((x, low), (_, high)) = (layout.at((x, low)), layout.at((x, high)));
        let x = x + shift;
        let end = |y: f64| [(x - END, y), (x + END, y)];
        [[(x, low), (x, high)], end(low), end(high)]
    });
    svg::lines(bars).stroke(marker::colour(index), 1.2).num("opacity", 0.6)
}

/// The path command that leads to a point of a run.
fn command(layout: &Layout) -> impl Fn((usize, &(f64, f64))) -> String {
    |(index, point)| {
        let (x, y) = layout.at(*point);
        let letter = if index == 0 { 'M' } else { 'L' };
        format!("{letter}{} {}", svg::number(x), svg::number(y))
    }
}

/// The longest parts of a series without a point that is not finite.
fn runs<'a>(series: &Series<'a>) -> impl Iterator<Item = &'a [(f64, f64)]> {
    series.points.split(|point| !is_drawn(point))
}

/// The markers of a series: of all points, or of some where they are dense.
fn markers(
    chart: &Chart<'_>,
    (index, series): (usize, &Series<'_>),
    layout: &Layout,
) -> Vec<Element> {
    let every = every(series, layout.plot.width);
    // Where markers are thinned, those of different series lie at different places.
    let first = index * every / chart.series.len();
    let is_marked = |place: usize| place % every == first;
    let finite = |place: usize| series.points.get(place).is_some_and(is_drawn);
    let is_alone = |place: usize| !finite(place.wrapping_sub(1)) && !finite(place + 1);
    let marked = (0..series.points.len())
        .filter(|&place| finite(place) && (is_marked(place) || is_alone(place)));
    marked.map(|place| marker::draw(index, layout.at(series.points[place]))).collect()
}

/// Every how many points have a marker.
fn every(series: &Series<'_>, width: f64) -> usize {
    let distance = width / series.points.len().max(1) as f64;
    if distance >= DENSE { 1 } else { (SPARSE / distance).ceil() as usize }
}

/// What a browser shows at the points of a series.
fn tooltips<'a>(
    chart: &'a Chart<'_>,
    series: &'a Series<'_>,
    layout: &'a Layout,
) -> impl Iterator<Item = Element> + 'a {
    let distance = layout.plot.width / series.points.len().max(1) as f64;
    let radius = (distance / 2.0).clamp(2.0, NEAR);
    series.points.iter().copied().filter(is_drawn).map(move |point| {
        let (x, y) = layout.at(point);
        svg::circle(x, y, radius).tooltip(&tooltip(chart, series, layout, point))
    })
}

/// What a browser shows at a point.
fn tooltip(chart: &Chart<'_>, series: &Series<'_>, layout: &Layout, point: (f64, f64)) -> String {
    let (x, y) = (place(chart, layout, point.0), layout.y.long(point.1));
    if series.name.is_empty() {
        format!("{x}: {y}")
    } else {
        format!("{} · {x}: {y}", series.name)
    }
}

/// The name of a place on the x axis, or its number where it has none.
fn place(chart: &Chart<'_>, layout: &Layout, x: f64) -> String {
    let is_index = x >= 0.0 && x.fract() == 0.0;
    let name = is_index.then(|| chart.x_ticks.get(x as usize)).flatten();
    name.cloned().unwrap_or_else(|| layout.x.plain(x))
}
