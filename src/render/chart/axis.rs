//! Axes: their ranges, their ticks, and how their values are written.

use super::{Chart, Series};
use crate::render::style::{NAME, SMALL, round_step};
use crate::render::{colormap, text};

/// White between the ends of a numeric x axis and the first and last point.
const INSET: f64 = 18.0;
/// White between texts side by side.
const APART: f64 = 5.0;
/// The least distance of names that run upwards.
const TURNED: f64 = 12.0;
/// About how many steps y has; and how many x has at most.
const STEPS: (f64, u32) = (6.0, 8);
/// Values farther from 0 are drawn as if they were here, so that no difference overflows.
const FARTHEST: f64 = 1e300;
/// Differences smaller than this part of the values are rounding.
const ROUNDING: f64 = 1e-9;

/// A place on an axis and its text.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::render) struct Tick {
    pub at: f64,
    pub text: String,
}

impl Tick {
    /// The width of the text.
    pub fn width(&self) -> f64 {
        text::width(&self.text, SMALL.0)
    }
}

/// A range and its ticks.
pub(in crate::render) struct Axis {
    /// The values at the ends; finite, the second one larger.
    pub range: (f64, f64),
    pub ticks: Vec<Tick>,
    /// Whether the texts of the ticks run upwards.
    pub turned: bool,
    style: Style,
}

impl Axis {
    /// The x axis of a chart whose plot is `width` units wide.
    pub fn x(chart: &Chart<'_>, width: f64) -> Self {
        let extent = extent(chart.points().map(|(x, _)| x));
        match (chart.x_ticks, extent) {
            ([], None) => Self::numeric((0.0, 1.0), 0.0, width),
            ([], Some((low, high))) if is_one(low, high) => Self::single(low),
            ([], Some(extent)) => {
                let whole = chart.points().all(|(x, _)| x.fract() == 0.0);
                Self::numeric(extent, if whole { 1.0 } else { 0.0 }, width)
            }
            (names, extent) => Self::named(names, extent, width),
        }
    }

    /// The y axis of a chart.
    pub fn y(chart: &Chart<'_>) -> Self {
        let values = chart.points().map(|(_, y)| y);
        let bars = chart.series.iter().flat_map(Series::bars);
        let ends = bars.flat_map(|(_, (low, high))| [low, high]);
        let extent = extent(values.chain(ends).chain(chart.rules().map(|rule| rule.value)));
        let (range, step) = y_range(chart, extent);
        let style = Style::new(range, step, chart.percent);
        Self { range, ticks: ticks(range, step, &style), turned: false, style }
    }

    /// Where a value lies, 0 to 1.
    pub fn fraction(&self, value: f64) -> f64 {
        colormap::fraction(value, self.range)
    }

    /// A value with two decimals more than the ticks.
    pub fn long(&self, value: f64) -> String {
        self.style.text(value, 2)
    }

    /// A value as exactly as whole numbers need it.
    pub fn plain(&self, value: f64) -> String {
        self.style.text(value, if value.fract() == 0.0 { 0 } else { 2 })
    }

    /// Round numbers as many as have room, no closer than `least`.
    fn numeric((low, high): (f64, f64), least: f64, width: f64) -> Self {
        let pad = (high - low) * INSET / (width - 2.0 * INSET);
        let range = (low - pad, high + pad);
        let axis = |steps: u32| {
            let step = round_step((high - low) / f64::from(steps)).max(least);
            let style = Style::new(range, step, false);
            let axis = Self { range, ticks: ticks(range, step, &style), turned: false, style };
            (axis.fits(width), axis)
        };
        let fitting = (1..=STEPS.1).rev().map(axis).find(|(fits, _)| *fits);
        fitting.unwrap_or_else(|| axis(1)).1
    }

    /// An axis with a single value on it.
    fn single(value: f64) -> Self {
        let half = value.abs().max(1.0);
        let range = (value - half, value + half);
        let style = Style::new(range, if value.fract() == 0.0 { 1.0 } else { 1e-3 * half }, false);
        let ticks = vec![Tick { at: value, text: style.text(value, 0) }];
        Self { range, ticks, turned: false, style }
    }

    /// Names at 0, 1, 2, …, each in the middle of its share of the width.
    fn named(names: &[String], extent: Option<(f64, f64)>, width: f64) -> Self {
        let last = names.len() as f64 - 1.0;
        let (low, high) = extent.map_or((0.0, last), |(low, high)| (low.min(0.0), high.max(last)));
        let range = (low - 0.5, high + 0.5);
        let style = Style::new(range, 1.0, false);
        let texts = names.iter().map(|name| text::shorten(name, NAME));
        let ticks = (0..).zip(texts).map(|(at, text)| Tick { at: f64::from(at), text }).collect();
        let mut axis = Self { range, ticks, turned: false, style };
        axis.separate(names.iter().all(|name| name.parse::<f64>().is_ok()), width);
        axis
    }

    /// Turns names that would touch, and thins those that would do so even then. Numbers are
    /// thinned at once: the ones left out are easily guessed.
    fn separate(&mut self, numbers: bool, width: f64) {
        if self.fits(width) {
            return;
        }
        self.turned = !numbers;
        let widest = self.ticks.iter().map(Tick::width).fold(0.0, f64::max);
        let (unit, widest) = (width / self.span(), widest + 2.0 * APART);
        let step = if numbers { round_step(widest / unit) } else { (TURNED / unit).ceil() };
        let step = step.max(1.0) as usize;
        let mut index = 0..;
        self.ticks.retain(|_| index.next().is_some_and(|index: usize| index.is_multiple_of(step)));
    }

    /// Whether the texts of the ticks lie side by side without touching.
    fn fits(&self, width: f64) -> bool {
        let unit = width / self.span();
        self.ticks.windows(2).all(|pair| {
            let room = (pair[1].at - pair[0].at) * unit;
            (pair[0].width() + pair[1].width()) / 2.0 + APART <= room
        })
    }

    fn span(&self) -> f64 {
        self.range.1 - self.range.0
    }
}

/// How the values of an axis are written.
struct Style {
    percent: bool,
    /// Decimals of the ticks.
    decimals: usize,
    /// Whether values are written with an exponent.
    exponent: bool,
}

impl Style {
    /// The style in which ticks `step` apart within `range` differ.
    fn new(range: (f64, f64), step: f64, percent: bool) -> Self {
        let factor = if percent { 100.0 } else { 1.0 };
        let (most, step) = (range.0.abs().max(range.1.abs()) * factor, step * factor);
        let exponent = !(1e-4..1e7).contains(&most);
        let unit = if exponent { most.log10().floor() } else { 0.0 };
        let decimals = (unit - step.log10() - 1e-9).ceil().clamp(0.0, 12.0) as usize;
        Self { percent, decimals, exponent }
    }

    /// A value with `more` decimals than the ticks have.
    fn text(&self, value: f64, more: usize) -> String {
        let value = if self.percent { 100.0 * value } else { value };
        let decimals = self.decimals + more;
        let number = match self.exponent {
            true if value == 0.0 => "0".into(),
            true => format!("{value:.decimals$e}").replace('-', "−"),
            false => text::decimal(value, decimals),
        };
        if self.percent { number + " %" } else { number }
    }
}

/// The smallest and the largest value, if there is any.
fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let values = values.map(|value| value.clamp(-FARTHEST, FARTHEST));
    values.fold(None, |extent, value| match extent {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

/// Whether two values are the same except for rounding.
fn is_one(low: f64, high: f64) -> bool {
    high - low <= ROUNDING * low.abs().max(high.abs())
}

/// The range of y and the distance of its ticks. Ends that were not asked for are ticks.
fn y_range(chart: &Chart<'_>, extent: Option<(f64, f64)>) -> ((f64, f64), f64) {
    let asked = chart.y_range.filter(|(low, high)| {
        low.abs().max(high.abs()) <= FARTHEST && low < high && !is_one(*low, *high)
    });
    let extent = extent.or(asked).unwrap_or((0.0, 1.0));
    let (low, high) = match asked {
        Some(asked) => (asked.0.min(extent.0), asked.1.max(extent.1)),
        None => widened(extent, chart.percent),
    };
    let step = round_step((high - low) / STEPS.0);
    let is_asked = |end: f64| asked.is_some_and(|asked| end == asked.0 || end == asked.1);
    let bottom = if is_asked(low) { low } else { (low / step + 1e-6).floor() * step };
    let top = if is_asked(high) { high } else { (high / step - 1e-6).ceil() * step };
    ((bottom, top), step)
}

/// An extent that is a single value widened to both sides, shares within 0 to 1.
fn widened((low, high): (f64, f64), percent: bool) -> (f64, f64) {
    if !is_one(low, high) {
        return (low, high);
    }
    let half = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
    let wide = (low - half, high + half);
    let is_share = percent && (0.0..=1.0).contains(&low) && high <= 1.0;
    if is_share { (wide.0.max(0.0), wide.1.min(1.0)) } else { wide }
}

/// All multiples of `step` within `range`, rounding aside.
fn ticks(range: (f64, f64), step: f64, style: &Style) -> Vec<Tick> {
    let first = (range.0 / step - 1e-6).ceil();
    (0..20)
        .map(|index| (first + f64::from(index)) * step)
        .take_while(|at| *at <= range.1 + 1e-6 * step)
        .map(|at| Tick { at, text: style.text(at, 0) })
        .collect()
}
