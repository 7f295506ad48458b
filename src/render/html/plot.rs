//! Points and lines over two axes, in the colours of the page.

use maud::{Markup, html};

use crate::render::{style, text};

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 430.0;
const SMALL: f64 = 12.0;
/// Parts of a line between two points that a name is kept from.
const STEPS: u32 = 12;
/// From the interval of one series to that of another at the same place.
const BESIDE: f64 = 2.5;
/// Names at an axis, at most.
const NAMES: usize = 18;

/// A plot.
pub struct Plot<'a> {
    /// What it shows.
    pub caption: &'a str,
    /// What runs to the right.
    pub x_label: &'a str,
    /// What runs upwards.
    pub y_label: &'a str,
    /// Names of 0, 1, 2, … to the right; without any, round numbers.
    pub x_names: &'a [String],
    /// The same upwards.
    pub y_names: &'a [String],
    /// What is drawn, at most eight.
    pub series: &'a [Points<'a>],
    /// Lines to hold points against.
    pub rules: &'a [Rule<'a>],
}

/// Points that belong together.
pub struct Points<'a> {
    /// Their name; with two or more series it stands in the legend.
    pub name: &'a str,
    /// Their places; one that is not finite is left out, and breaks the line.
    pub points: Vec<Point>,
    /// Whether a line goes through them.
    pub joined: bool,
    /// The interval of each point, its lower and its upper end; fewer than points, or one that is not finite, where
    /// there is none.
    pub intervals: Vec<(f64, f64)>,
}

/// A point.
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
    /// What is said of it under the pointer.
    pub label: String,
}

/// A line to hold points against.
pub enum Rule<'a> {
    /// At a height.
    Level(f64, &'a str),
}

/// An axis: its range, its ticks, and from where to where it runs in the picture.
struct Axis {
    range: (f64, f64),
    ticks: Vec<(f64, String)>,
    ends: (f64, f64),
    /// Names of 0, 1, 2, …, where it has them.
    names: Vec<String>,
}

impl Axis {
    fn new(names: &[String], values: &[f64]) -> Self {
        let (range, ticks) = match names.len() {
            0 => rounded(values),
            count => ((-0.5, count as f64 - 0.5), named(names)),
        };
        Self { range, ticks, ends: (0.0, 0.0), names: names.to_vec() }
    }

    /// The value as it goes into a file: its name, where it has one.
    fn named(&self, value: f64) -> String {
        let place = (value >= 0.0 && value.fract() == 0.0).then_some(value as usize);
        place.and_then(|place| self.names.get(place)).cloned().unwrap_or_else(|| value.to_string())
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value - self.range.0) / (self.range.1 - self.range.0);
        ((self.ends.0 + share * (self.ends.1 - self.ends.0)) * 10.0).round() / 10.0
    }

    /// The room that its longest tick takes, up to a limit.
    fn widest(&self) -> f64 {
        self.ticks.iter().map(|(_, name)| text::width(name, SMALL)).fold(0.0, f64::max).min(130.0)
    }
}

/// A range a little wider than the values, and round numbers in it.
fn rounded(values: &[f64]) -> ((f64, f64), Vec<(f64, String)>) {
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let (low, high) =
        (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    let room = if high > low { 0.06 * (high - low) } else { 0.5 * high.abs().max(1e-3) };
    let range = (low - room, high + room);
    (range, style::round_ticks(range, 6.0))
}

/// Every name, or every second, third, … so that at most [`NAMES`] are there.
fn named(names: &[String]) -> Vec<(f64, String)> {
    let step = names.len().div_ceil(NAMES).max(1);
    let name = |(i, name): (usize, &String)| (i as f64, text::shorten(name, 18));
    names.iter().enumerate().step_by(step).map(name).collect()
}

impl Plot<'_> {
    /// The plot as SVG.
    pub fn draw(&self) -> Markup {
        let (x, y) = self.axes();
        html! {
            figure {
                div.box {
                    svg.plot viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.caption) {
                        (grid(&x, &y)) (self.titles(&x, &y))
                        @for rule in self.rules { (rule.draw(&x, &y)) }
                        @for (i, series) in self.series.iter().enumerate() { (series.draw(i, &x, &y)) }
                        @for rule in self.rules { (rule.name((&x, &y), &self.marks(&x, &y))) }
                    }
                }
                (self.legend())
                figcaption { (self.caption) }
            }
        }
    }

    fn axes(&self) -> (Axis, Axis) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let xs: Vec<f64> = points().map(|p| p.x).collect();
        let levels = self.rules.iter().map(|Rule::Level(height, _)| *height);
        let ends = self.series.iter().flat_map(|series| &series.intervals);
        let ends = ends.flat_map(|(low, high)| [*low, *high]);
        let ys: Vec<f64> = points().map(|p| p.y).chain(ends).chain(levels).collect();
        let (mut x, mut y) = (Axis::new(self.x_names, &xs), Axis::new(self.y_names, &ys));
        let below = if x.slanted() { 0.75 * x.widest() + 36.0 } else { 48.0 };
        x.ends = (y.widest() + 40.0, WIDTH - 14.0);
        y.ends = (HEIGHT - below, 14.0);
        (x, y)
    }

    /// Where points lie, and places along the lines that join them.
    fn marks(&self, x: &Axis, y: &Axis) -> Vec<(f64, f64)> {
        let place = |point: &Point| (x.at(point.x), y.at(point.y));
        let known = |(a, b): &(f64, f64)| a.is_finite() && b.is_finite();
        let mut marks = vec![];
        for series in self.series {
            let all: Vec<(f64, f64)> = series.points.iter().map(place).collect();
            marks.extend(all.iter().copied().filter(known));
            marks.extend(series.bars(x, y).into_iter().flat_map(|[at, low, high]| {
                let share = |step: u32| f64::from(step) / f64::from(STEPS);
                (0..=STEPS).map(move |step| (at, low + share(step) * (high - low)))
            }));
            let joined = all.windows(2).filter(|pair| series.joined && pair.iter().all(known));
            for pair in joined {
                let between = |share: f64| {
                    let along = |from: f64, to: f64| from + share * (to - from);
                    (along(pair[0].0, pair[1].0), along(pair[0].1, pair[1].1))
                };
                marks.extend((1..STEPS).map(|step| between(f64::from(step) / f64::from(STEPS))));
            }
        }
        marks
    }

    fn titles(&self, x: &Axis, y: &Axis) -> Markup {
        let middle = (f64::midpoint(x.ends.0, x.ends.1), f64::midpoint(y.ends.0, y.ends.1));
        html! {
            text.title x=(middle.0) y=(HEIGHT - 8.0) text-anchor="middle" { (self.x_label) }
            text.title transform={ "translate(14 " (middle.1) ") rotate(-90)" } text-anchor="middle" {
                (self.y_label)
            }
        }
    }

    fn legend(&self) -> Markup {
        html! {
            @if self.series.len() > 1 {
                div.legend { @for (i, series) in self.series.iter().enumerate() {
                    span {
                        svg.key width="34" height="12" viewBox="0 0 34 12" aria-hidden="true" {
                            g class={ "s" (i) } { path d="M0 6H34" {} circle cx="17" cy="6" r="4" {} }
                        }
                        (series.name)
                    }
                } }
            }
        }
    }
}

impl Axis {
    /// Whether its names have no room side by side.
    fn slanted(&self) -> bool {
        self.widest() * self.ticks.len() as f64 > WIDTH - 160.0
    }
}

fn grid(x: &Axis, y: &Axis) -> Markup {
    let slanted = x.slanted();
    html! {
        @for (value, name) in &y.ticks {
            line.grid x1=(x.ends.0) x2=(x.ends.1) y1=(y.at(*value)) y2=(y.at(*value)) {}
            text x=(x.ends.0 - 8.0) y=(y.at(*value) + 4.0) text-anchor="end" { (name) }
        }
        @for (value, name) in &x.ticks {
            line.grid y1=(y.ends.0) y2=(y.ends.1) x1=(x.at(*value)) x2=(x.at(*value)) {}
            @if slanted {
                text transform={ "translate(" (x.at(*value) + 4.0) " " (y.ends.0 + 14.0) ") rotate(-45)" }
                    text-anchor="end" { (name) }
            } @else {
                text x=(x.at(*value)) y=(y.ends.0 + 18.0) text-anchor="middle" { (name) }
            }
        }
        rect.frame x=(x.ends.0) y=(y.ends.1) width=(x.ends.1 - x.ends.0) height=(y.ends.0 - y.ends.1) {}
    }
}

impl Rule<'_> {
    fn draw(&self, x: &Axis, y: &Axis) -> Markup {
        let (left, right) = x.ends;
        let Self::Level(value, label) = self;
        let height = y.at(*value);
        html! {
            line.rule x1=(left) y1=(height) x2=(right) y2=(height) { title { (label) } }
        }
    }

    /// The name of a level above or below its line: where it lies on the fewest of these marks.
    fn name(&self, (x, y): (&Axis, &Axis), marks: &[(f64, f64)]) -> Markup {
        let Self::Level(value, label) = self;
        let (width, height) = (text::width(label, SMALL), y.at(*value));
        let (left, right) = (x.ends.0 + 6.0, x.ends.1 - 6.0 - width);
        let across = [1.0, 0.0, 0.5, 0.75, 0.25].map(|share| left + share * (right - left));
        let places = across.into_iter().flat_map(|at| [(at, height - 6.0), (at, height + 16.0)]);
        let covered = |(at, base): &(f64, f64)| {
            let lies = |(mark_x, mark_y): &&(f64, f64)| {
                (at - 6.0..at + width + 6.0).contains(mark_x)
                    && (base - 16.0..base + 7.0).contains(mark_y)
            };
            let outside = *base > y.ends.0 - 2.0 || *base - 12.0 < y.ends.1;
            marks.iter().filter(lies).count() + if outside { marks.len() } else { 0 }
        };
        let (at, base) = places.min_by_key(covered).unwrap_or((right, height - 6.0));
        html! { text.level x=(at) y=(base) { (label) } }
    }
}

impl Points<'_> {
    /// The interval of a point, where it has one.
    fn interval(&self, point: usize) -> Option<(f64, f64)> {
        let ends = self.intervals.get(point).copied();
        ends.filter(|(low, high)| low.is_finite() && high.is_finite())
    }

    /// The intervals: where each begins and ends.
    fn bars(&self, x: &Axis, y: &Axis) -> Vec<[f64; 3]> {
        let all = self.points.iter().zip(&self.intervals);
        let places = all.map(|(p, (low, high))| [x.at(p.x), y.at(*low), y.at(*high)]);
        places.filter(|bar| bar.iter().all(|end| end.is_finite())).collect()
    }

    fn draw(&self, index: usize, x: &Axis, y: &Axis) -> Markup {
        let is_known = |p: &Point| p.x.is_finite() && p.y.is_finite();
        let runs = self.points.split(|p| !is_known(p)).filter(|run| self.joined && run.len() > 1);
        let line = |run: &[Point]| {
            let places: Vec<String> =
                run.iter().map(|p| format!("{} {}", x.at(p.x), y.at(p.y))).collect();
            format!("M{}", places.join("L"))
        };
        let path: String = runs.map(line).collect();
        // Intervals of several series at one place lie side by side.
        let side = if index.is_multiple_of(2) { BESIDE } else { -BESIDE };
        let shift = side * index.div_ceil(2) as f64;
        html! {
            g class={ "s" (index) } data-series=(self.name) {
                @for [at, low, high] in self.bars(x, y) {
                    line.bar x1=(at + shift) y1=(low) x2=(at + shift) y2=(high) {}
                }
                @if !path.is_empty() { path d=(path) {} }
                @for (i, point) in self.points.iter().enumerate().filter(|(_, p)| is_known(p)) {
                    @let (low, high) = self.interval(i).unzip();
                    circle cx=(x.at(point.x)) cy=(y.at(point.y)) r="4.5" data-x=(x.named(point.x)) data-y=(y.named(point.y))
                        data-low=[low] data-high=[high] {
                        title { (point.label) }
                    }
                }
            }
        }
    }
}
