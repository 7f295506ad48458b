//! The colour scale: its range, its ticks, and what lies outside.

use ndarray::ArrayView2;

use crate::render::colormap::{self, Rgb};
use crate::render::{style, text};

/// A range of values and how values of it are coloured and written.
pub(super) struct Scale {
    /// The values at the ends of the bar; finite, the second one larger.
    pub range: (f64, f64),
    /// The smallest and largest value, if there is any.
    pub extremes: Option<(f64, f64)>,
    /// Whether a value has no colour.
    pub has_missing: bool,
    /// Whether low values take the bright colours.
    pub reversed: bool,
}

impl Scale {
    /// A scale over `range` for `values`.
    ///
    /// A range without width is widened to 1 upwards, one that is not finite becomes 0 to 1.
    pub fn new(range: (f64, f64), values: ArrayView2<'_, f64>) -> Self {
        let range = match range {
            (low, high) if !(low.is_finite() && high.is_finite()) => (0.0, 1.0),
            (low, high) if low < high => (low, high),
            (low, _) => (low, low + low.abs().max(1.0)),
        };
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let extremes = finite().reduce(f64::min).zip(finite().reduce(f64::max));
        let has_missing = values.iter().any(|value| !value.is_finite());
        Self { range, extremes, has_missing, reversed: false }
    }

    /// The same scale with its colours the other way round, where that is wanted.
    pub fn reversed(self, reversed: bool) -> Self {
        Self { reversed, ..self }
    }

    /// The colour at a share of the way through the range.
    pub fn colour_at(&self, fraction: f64) -> Rgb {
        colormap::viridis(if self.reversed { 1.0 - fraction } else { fraction })
    }

    /// The colour of a value, none where it is not finite.
    pub fn colour(&self, value: f64) -> Option<Rgb> {
        value.is_finite().then(|| self.colour_at(colormap::fraction(value, self.range)))
    }

    /// Whether values lie below the range, beyond rounding.
    pub fn is_below(&self) -> bool {
        self.extremes.is_some_and(|(low, _)| low < self.range.0 - 1e-6 * self.span())
    }

    /// Whether values lie above the range, beyond rounding.
    pub fn is_above(&self) -> bool {
        self.extremes.is_some_and(|(_, high)| high > self.range.1 + 1e-6 * self.span())
    }

    /// A value as a cell prints it: two decimals for a range about as wide as 1.
    pub fn short(&self, value: f64) -> String {
        text::decimal(value, self.decimals())
    }

    /// A value as a tooltip prints it: two decimals more.
    pub fn long(&self, value: f64) -> String {
        text::decimal(value, self.decimals() + 2)
    }

    /// About five round values within the range, with their texts.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        style::round_ticks(self.range, 5.0)
    }

    fn span(&self) -> f64 {
        self.range.1 - self.range.0
    }

    fn decimals(&self) -> usize {
        (2.0 - (self.span().log10() + 0.31).floor()).clamp(0.0, 12.0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn ticks(low: f64, high: f64) -> Vec<String> {
        let scale = Scale::new((low, high), array![[0.0]].view());
        scale.ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(ticks(-1.0, 1.0), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(ticks(3.0, 47.0), ["10", "20", "30", "40"]);
        assert_eq!(ticks(0.0, 0.03), ["0.00", "0.01", "0.02", "0.03"]);
    }

    #[test]
    fn odd_ranges_are_put_right() {
        let range = |low, high| Scale::new((low, high), array![[0.0]].view()).range;
        assert_eq!(range(f64::NAN, 1.0), (0.0, 1.0));
        assert_eq!(range(2.0, 2.0), (2.0, 4.0));
        assert!((0..13).contains(&ticks(1e300, -1e300).len()));
        assert!((0..13).contains(&ticks(-1e308, 1e308).len()));
    }

    #[test]
    fn rounding_is_not_outside() {
        let scale = Scale::new((0.0, 1.0), array![[1.0 + 1e-12, -1e-12]].view());
        assert!(!scale.is_above() && !scale.is_below());
        let scale = Scale::new((0.0, 1.0), array![[1.01, f64::NAN]].view());
        assert!(scale.is_above() && !scale.is_below() && scale.has_missing);
    }

    #[test]
    fn decimals_follow_the_range() {
        let short = |high, value| Scale::new((0.0, high), array![[0.0]].view()).short(value);
        assert_eq!(short(1.0, 0.987), "0.99");
        assert_eq!(short(0.01, 0.00987), "0.0099");
        assert_eq!(short(1000.0, 98.7), "99");
    }
}
