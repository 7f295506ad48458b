//! Points in a plane, some of them named.
//!
//! The axes are those of [`chart`](super::chart). In a browser every point tells its name and its
//! values under the pointer. Highlighted points have a ring and a name; a name that finds no room
//! beside its point, nor a little away at the end of a thin line, is left out.

mod names;
#[cfg(test)]
mod tests;

use self::names::Name;
use super::chart::layout::Layout;
use super::chart::legend::Entry;
use super::chart::{Chart, Series, axes, is_drawn, marker};
use super::png::{self, RenderError};
use super::style::{FRAME, GRID, NAME, SCALE, TEXT};
use super::svg::{self, Element};
use super::text;

/// The width and the least height of the plot.
const PLOT: (f64, f64) = (460.0, 380.0);
/// So many points are many: they are drawn smaller.
const MANY: usize = 400;
/// How much smaller.
const SMALLER: f64 = 0.6;
/// The share of a point's colour: where points lie on each other it grows darker.
const OPACITY: &str = "0.7";
/// The radius of a ring around a highlighted point of usual size.
const RING: f64 = 5.4;
/// White between the outermost points and the upper and lower end of the plot.
const INSET: f64 = 14.0;

/// Points as a picture.
///
/// ```
/// # use repsim::render::Scatter;
/// let labels = ["ch 0", "ch 1"].map(str::to_owned);
/// let scatter = Scatter {
///     title: "Importance against sensitivity",
///     subtitle: "layer4 · n = 500",
///     x_label: "sensitivity",
///     y_label: "fall of the logit",
///     points: &[(0.1, 2.5), (0.9, 0.25)],
///     labels: &labels,
///     highlighted: &[(0, "ch 0".to_owned())],
///     groups: &[],
///     group_names: &[],
/// };
/// assert!(scatter.to_svg().contains("<title>ch 0: 0.100, 2.500</title>"));
/// ```
#[derive(Debug, Clone)]
pub struct Scatter<'a> {
    /// What the picture shows; may be empty.
    pub title: &'a str,
    /// The settings that led to it; may be empty.
    pub subtitle: &'a str,
    /// What is shown along x; may be empty.
    pub x_label: &'a str,
    /// What is shown along y; may be empty.
    pub y_label: &'a str,
    /// The points (x, y); those that are not finite are left out.
    pub points: &'a [(f64, f64)],
    /// What the points are called under the pointer; may be fewer.
    pub labels: &'a [String],
    /// The points to name and their names, the most important first: it is the last ones that are
    /// left out where there is no room. Names beyond 40 characters are shortened in the middle.
    pub highlighted: &'a [(usize, String)],
    /// The group of each point, which gives it its colour and shape; points without are in group 0.
    /// Beyond eight colours recur with other shapes, beyond 64 both.
    pub groups: &'a [usize],
    /// What the legend calls the groups; without names there is no legend.
    pub group_names: &'a [String],
}

impl Scatter<'_> {
    /// The picture as SVG, complete in itself. Equal plots give equal bytes.
    pub fn to_svg(&self) -> String {
        let series = [Series { name: "", points: self.points, ..Series::default() }];
        let chart = self.chart(&series);
        let layout = Layout::new(&chart, PLOT, self.entries());
        let drawing = svg::document(layout.width, layout.height, self.title)
            .child(layout.header.draw())
            .child(columns(&layout))
            .child(axes::draw(&chart, &layout))
            .child(self.draw_points(&layout))
            .child(names::draw(&self.names(&layout)))
            .child(layout.legend.draw());
        format!("{drawing}\n")
    }

    /// The same picture as PNG, two pixels a unit.
    ///
    /// # Errors
    ///
    /// [`RenderError::TooLarge`] when a side would exceed 20,000 pixels.
    pub fn to_png(&self) -> Result<Vec<u8>, RenderError> {
        png::from_svg(&self.to_svg(), SCALE)
    }

    /// A chart with the axes of this plot.
    fn chart<'a>(&'a self, series: &'a [Series<'a>]) -> Chart<'a> {
        Chart {
            title: self.title,
            subtitle: self.subtitle,
            x_label: self.x_label,
            y_label: self.y_label,
            x_ticks: &[],
            y_range: self.y_range(),
            percent: false,
            series,
            lines: &[],
        }
    }

    /// The range of y, a little wider than the points.
    fn y_range(&self) -> Option<(f64, f64)> {
        let values = || self.drawn().map(|(_, (_, y))| y);
        let (low, high) = values().reduce(f64::min).zip(values().reduce(f64::max))?;
        let pad = (high - low) * INSET / (PLOT.1 - 2.0 * INSET);
        (pad > 0.0).then_some((low - pad, high + pad))
    }

    /// The legend.
    fn entries(&self) -> Vec<Entry> {
        let names = self.group_names.iter().enumerate();
        let entry = |(series, name): (_, &String)| {
            let has_points = self.drawn().any(|(index, _)| self.group(index) == series);
            let name = text::shorten(name, NAME);
            let text = if has_points { name } else { format!("{name} (no points)") };
            Entry { series, line: None, text }
        };
        names.map(entry).collect()
    }

    /// The points that are drawn.
    fn drawn(&self) -> impl Iterator<Item = (usize, (f64, f64))> {
        let points = self.points.iter().copied().enumerate();
        points.filter(|(_, point)| is_drawn(point))
    }

    fn group(&self, index: usize) -> usize {
        self.groups.get(index).copied().unwrap_or(0)
    }

    /// The size of points, 1 where it is the usual one.
    fn scale(&self) -> f64 {
        if self.points.len() > MANY { SMALLER } else { 1.0 }
    }

    /// All points, those that are highlighted with a ring and over all others.
    fn draw_points(&self, layout: &Layout) -> Element {
        let is_highlighted = |index: usize| self.highlighted.iter().any(|(i, _)| *i == index);
        let (over, under): (Vec<_>, Vec<_>) =
            self.drawn().partition(|(index, _)| is_highlighted(*index));
        let points = under
            .into_iter()
            .map(|(index, point)| self.point(index, point, layout).attr("fill-opacity", OPACITY));
        let rings = over.into_iter().map(|(index, point)| {
            let (x, y) = layout.at(point);
            let ring = svg::circle(x, y, self.scale() * RING).attr("fill", "none");
            svg::group().child(self.point(index, point, layout)).child(ring.stroke(TEXT, 1.1))
        });
        svg::group().child(svg::group().children(points)).child(svg::group().children(rings))
    }

    /// A point and what a browser shows there.
    fn point(&self, index: usize, point: (f64, f64), layout: &Layout) -> Element {
        let (x, y) = layout.at(point);
        let values = format!("{}, {}", layout.x.long(point.0), layout.y.long(point.1));
        let tooltip = match self.labels.get(index) {
            Some(label) if !label.is_empty() => format!("{label}: {values}"),
            _ => values,
        };
        let place = format!("translate({} {})", svg::number(x), svg::number(y));
        let marker = marker::draw(self.group(index), (0.0, 0.0)).tooltip(&tooltip);
        marker.attr("transform", &format!("{place} scale({})", self.scale()))
    }

    /// The names of the highlighted points that found room.
    fn names(&self, layout: &Layout) -> Vec<Name> {
        let points: Vec<_> = self.drawn().map(|(_, point)| layout.at(point)).collect();
        let named = self.highlighted.iter().filter_map(|(index, name)| {
            let point = self.points.get(*index).filter(|point| is_drawn(point))?;
            Some((layout.at(*point), text::shorten(name, NAME)))
        });
        names::place(named.collect(), &points, self.scale() * RING, layout.plot)
    }
}

/// A light line at every tick of x, and a darker one at 0 where values have either sign.
fn columns(layout: &Layout) -> Element {
    let upright = |value: f64| {
        let x = layout.at((value, 0.0)).0;
        [(x, layout.plot.y), (x, layout.plot.bottom())]
    };
    let grid = svg::lines(layout.x.ticks.iter().map(|tick| upright(tick.at))).stroke(GRID, 1.0);
    let has_both = layout.x.range.0 < 0.0 && layout.x.range.1 > 0.0;
    let zero = has_both.then(|| svg::lines([upright(0.0)]).stroke(FRAME, 0.8));
    svg::group().attr("pointer-events", "none").child(grid).children(zero)
}
