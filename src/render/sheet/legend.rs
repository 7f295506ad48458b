//! Colour scales.

use super::words;
use crate::render::colormap::{self, ColorMap};
use crate::render::style::{self, FRAME, GAP, MUTED, TEXT};
use crate::render::svg::{self, Element, Rect};
use crate::render::text;

/// Font size of the label, and the height of its line.
const LABEL: (f64, f64) = (10.0, 15.0);
/// Font size of the ticks, and the height of their line.
const TICK: (f64, f64) = (9.0, 13.0);
/// The least and the greatest width of a bar, and its height.
const BAR: (f64, f64, f64) = (150.0, 420.0, 9.0);
/// Length of a tick mark.
const MARK: f64 = 3.0;
/// White between ticks.
const APART: f64 = 8.0;
/// Steps of colour from one end to the other.
const STEPS: usize = 128;

/// A colour scale: what colours mean, and which values lie where on them.
///
/// ```
/// # use repsim::render::{ColorMap, sheet::Legend};
/// let legend = Legend::over("attribution", ColorMap::Diverging, (-0.5, 0.5));
/// assert_eq!(legend.ticks[0].1, "−0.4");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Legend {
    /// What the colours show.
    pub label: String,
    /// The colours, from the left to the right.
    pub colours: ColorMap,
    /// Places on the bar, 0 to 1 and rising, and what is written there.
    pub ticks: Vec<(f64, String)>,
}

impl Legend {
    /// A scale over a range of values, with round ticks. A range that is empty, reversed or not
    /// finite gives none.
    pub fn over(label: &str, colours: ColorMap, range: (f64, f64)) -> Self {
        let is_sound = range.0.is_finite() && range.1.is_finite() && range.0 < range.1;
        let ticks = if is_sound { style::round_ticks(range, 5.0) } else { Vec::new() };
        let place = |(value, text)| (colormap::fraction(value, range), text);
        Self { label: label.into(), colours, ticks: ticks.into_iter().map(place).collect() }
    }

    /// A scale whose ends have names, as `0` and `largest of each map`.
    ///
    /// ```
    /// # use repsim::render::{ColorMap, sheet::Legend};
    /// let legend = Legend::ends("activation", ColorMap::Grey, "smallest", "largest");
    /// assert_eq!(legend.ticks[1], (1.0, "largest".to_owned()));
    /// ```
    pub fn ends(label: &str, colours: ColorMap, low: &str, high: &str) -> Self {
        Self { label: label.into(), colours, ticks: vec![(0.0, low.into()), (1.0, high.into())] }
    }

    /// The ticks with their left edges on a bar of a width, within its ends; the second part says
    /// whether none had to be left out.
    fn placed(&self, width: f64) -> (Vec<(f64, f64, &str)>, bool) {
        let mut placed: Vec<(f64, f64, &str)> = Vec::new();
        let (mut end, mut is_complete) = (f64::NEG_INFINITY, true);
        for (place, text) in &self.ticks {
            let room = text::width(text, TICK.0);
            let at = colormap::fraction(*place, (0.0, 1.0)) * width;
            let left = (at - room / 2.0).min(width - room).max(0.0);
            if left < end + APART || room > width {
                is_complete = false;
            } else {
                placed.push((at, left, text));
                end = left + room;
            }
        }
        (placed, is_complete)
    }

    /// The width of the bar: the least one that has room for all ticks.
    fn bar(&self) -> f64 {
        let widths = (0..).map(|step| BAR.0 + 10.0 * f64::from(step));
        let mut widths = widths.take_while(|width| *width <= BAR.1);
        widths.find(|width| self.placed(*width).1).unwrap_or(BAR.1)
    }

    /// The label in lines, none wider than a bar can be.
    fn label(&self) -> Vec<String> {
        words::wrap(&self.label, LABEL.0, BAR.1)
    }

    /// The width of bar and label.
    pub(super) fn width(&self) -> f64 {
        let lines = self.label();
        let widths = lines.iter().map(|line| text::width(line, LABEL.0));
        widths.fold(self.bar(), f64::max)
    }

    /// The height of the label.
    fn top(&self) -> f64 {
        self.label().len().max(1) as f64 * LABEL.1
    }

    /// The height of label, bar and ticks.
    fn height(&self) -> f64 {
        self.top() + BAR.2 + MARK + TICK.1
    }

    /// Draws it with its upper left corner at a point.
    pub(super) fn draw(&self, (x, y): (f64, f64)) -> Element {
        let bar = Rect { x, y: y + self.top(), width: self.bar(), height: BAR.2 };
        let ticks = self.placed(bar.width).0;
        let marks = ticks.iter().map(|(at, ..)| {
            let at = bar.x + at.clamp(0.4, bar.width - 0.4);
            [(at, bar.bottom()), (at, bar.bottom() + MARK)]
        });
        let middle = bar.bottom() + MARK + TICK.1 / 2.0;
        let texts = ticks.iter().map(|(_, left, text)| svg::label(x + left, middle, TICK.0, text));
        svg::group()
            .children(style::lines(&self.label(), (x, y - 1.0), LABEL).map(|line| line.fill(TEXT)))
            .child(steps(self.colours, bar))
            .child(svg::rect(bar).attr("fill", "none").stroke(FRAME, 0.8))
            .child(svg::lines(marks).stroke(FRAME, 0.8))
            .child(svg::group().fill(MUTED).children(texts))
    }
}

/// The colours. Each step reaches to the right end and is covered by the next one, so that no seam
/// shows.
fn steps(colours: ColorMap, bar: Rect) -> Element {
    let steps = (0..STEPS).map(|step| {
        let share = step as f64 / STEPS as f64;
        let (x, width) = (bar.x + bar.width * share, bar.width * (1.0 - share));
        svg::rect(Rect { x, width, ..bar }).fill(colours.colour(share + 0.5 / STEPS as f64))
    });
    svg::group().children(steps)
}

/// Where scales lie in an area of a width, from its upper left corner on, and the height they take.
pub(super) fn place(legends: &[Legend], width: f64) -> (Vec<(f64, f64)>, f64) {
    let (mut x, mut y, mut bottom) = (0.0, 0.0, 0.0_f64);
    let mut places = Vec::new();
    for legend in legends {
        if x > 0.0 && x + legend.width() > width {
            (x, y) = (0.0, bottom + GAP);
        }
        places.push((x, y));
        bottom = bottom.max(y + legend.height());
        x += legend.width() + 3.0 * GAP;
    }
    (places, bottom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stay_on_the_bar_and_apart() {
        let legend = Legend::ends("", ColorMap::Grey, "the smallest value", "the largest of all");
        let width = legend.bar();
        let (placed, is_complete) = legend.placed(width);
        assert!(is_complete && placed[0].1 == 0.0 && width > BAR.0);
        let right = placed[1].1 + text::width(placed[1].2, TICK.0);
        assert!((right - width).abs() < 1e-9);
    }

    #[test]
    fn ticks_without_room_are_left_out() {
        let ticks = (0..100).map(|tick| (f64::from(tick) / 99.0, "a tick".to_owned())).collect();
        let legend = Legend { label: String::new(), colours: ColorMap::Grey, ticks };
        let (placed, is_complete) = legend.placed(legend.bar());
        assert!(!is_complete && placed.len() > 5 && legend.bar() == BAR.1);
    }

    #[test]
    fn odd_ranges_have_no_ticks() {
        for range in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            assert!(Legend::over("", ColorMap::Jet, range).ticks.is_empty());
        }
        let ticks = Legend::over("", ColorMap::Jet, (0.0, 1.0)).ticks;
        assert_eq!((ticks.len(), ticks[5].1.as_str()), (6, "1.0"));
    }
}
