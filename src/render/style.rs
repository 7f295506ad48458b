//! What pictures share: colours, sizes, the header, hatches, and round numbers.

use super::colormap::Rgb;
use super::svg::{self, Element, Rect};
use super::text;

/// Titles and names.
pub const TEXT: Rgb = Rgb::new(0x20_21_24);
/// The settings line, the legend, tick labels.
pub const MUTED: Rgb = Rgb::new(0x5f_63_68);
/// Axes, frames and tick marks.
pub const FRAME: Rgb = Rgb::new(0x5f_63_68);
/// Grid lines.
pub const GRID: Rgb = Rgb::new(0xe6_e8_ea);
/// Paper, the rims of markers, and the lines between cells.
pub const WHITE: Rgb = Rgb::new(0xff_ff_ff);
/// Paper and lines of what has no value.
pub const MISSING: (Rgb, Rgb) = (Rgb::new(0xec_ec_ec), Rgb::new(0xa3_a3_a3));

/// Pixels a unit of a PNG.
pub const SCALE: f32 = 2.0;
/// White around the picture, and between its parts.
pub const MARGIN: f64 = 18.0;
/// Between parts that belong together.
pub const GAP: f64 = 10.0;
/// Font size of the title, and the height of a line of it.
pub const TITLE: (f64, f64) = (15.0, 20.0);
/// Font size of the settings line, and the height of a line of it.
pub const SUBTITLE: (f64, f64) = (10.5, 15.0);
/// Font size of the axes' titles, and the height of a line of it.
pub const AXIS: (f64, f64) = (12.0, 16.0);
/// Font size of ticks and of the legend, and the height of a line of it.
pub const SMALL: (f64, f64) = (10.0, 17.0);
/// From an axis to a label: a tick mark and a little air.
pub const TICK: f64 = 7.0;
/// The longest name in characters.
pub const NAME: usize = 40;

/// From one line of a hatch to the next.
const HATCH: f64 = 5.0;

/// The title and the settings line, at the top left of a picture.
pub struct Header {
    title: Vec<String>,
    subtitle: Vec<String>,
}

impl Header {
    /// Breaks both into lines no wider than `limit`.
    pub fn new(title: &str, subtitle: &str, limit: f64) -> Self {
        let title = text::wrap(title, TITLE.0, limit);
        Self { title, subtitle: text::wrap(subtitle, SUBTITLE.0, limit) }
    }

    /// The height of all lines and of the gap below them, 0 where there are none.
    pub fn height(&self) -> f64 {
        let lines = self.title.len() as f64 * TITLE.1 + self.subtitle.len() as f64 * SUBTITLE.1;
        if lines > 0.0 { lines + GAP } else { 0.0 }
    }

    /// Where the longest line ends.
    pub fn right(&self) -> f64 {
        let titles = self.title.iter().map(|line| text::width(line, TITLE.0));
        let subtitles = self.subtitle.iter().map(|line| text::width(line, SUBTITLE.0));
        MARGIN + titles.chain(subtitles).fold(0.0, f64::max)
    }

    /// Draws the lines.
    pub fn draw(&self) -> Element {
        let below = MARGIN + self.title.len() as f64 * TITLE.1;
        svg::group()
            .children(lines(&self.title, (MARGIN, MARGIN), TITLE).map(|line| line.fill(TEXT)))
            .children(lines(&self.subtitle, (MARGIN, below), SUBTITLE).map(|line| line.fill(MUTED)))
    }
}

/// Lines of text one below the other: from the point (x, top), with a font size and a line height.
pub fn lines(
    lines: &[String],
    (x, top): (f64, f64),
    (size, step): (f64, f64),
) -> impl Iterator<Item = Element> {
    let middles = (0..).map(move |line| top + (f64::from(line) + 0.5) * step);
    lines.iter().zip(middles).map(move |(line, y)| svg::label(x, y, size, line))
}

/// Lines from the lower left to the upper right of a rectangle.
pub fn hatch(at: Rect) -> impl Iterator<Item = [(f64, f64); 2]> {
    let reach = at.width + at.height;
    let count = (reach / HATCH).ceil().max(2.0);
    (1..count as usize).map(move |line| {
        let reach = line as f64 * reach / count;
        let (left, low) = ((reach - at.height).max(0.0), reach.min(at.height));
        let (right, high) = (reach.min(at.width), (reach - at.width).max(0.0));
        [(at.x + left, at.y + low), (at.x + right, at.y + high)]
    })
}

/// The least of 1, 2, 5, 10 times a power of ten that is at least `step`, rounding aside.
pub fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// About `steps` round values within a finite range that is not empty, with their texts.
pub fn round_ticks(range: (f64, f64), steps: f64) -> Vec<(f64, String)> {
    let step = round_step((range.1 - range.0) / steps);
    let decimals = (-step.log10()).ceil().clamp(0.0, 12.0) as usize;
    let first = (range.0 / step - 1e-6).ceil();
    (0..12)
        .map(|index| (first + f64::from(index)) * step)
        .take_while(|tick| *tick <= range.1 + 1e-6 * step)
        .map(|tick| (tick, text::decimal(tick, decimals)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hatch_stays_inside() {
        for (width, height) in [(96.0, 40.0), (40.0, 96.0), (13.0, 13.0), (0.5, 0.5)] {
            let at = Rect { x: 3.0, y: 7.0, width, height };
            for (x, y) in hatch(at).flatten() {
                assert!((3.0..=at.right()).contains(&x) && (7.0..=at.bottom()).contains(&y));
            }
        }
    }

    #[test]
    fn an_empty_header_takes_no_room() {
        let header = Header::new("", "", 100.0);
        assert_eq!((header.height(), header.right()), (0.0, MARGIN));
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([0.9, 1.0, 1.1, 3.0, 7.0].map(round_step), [1.0, 1.0, 2.0, 5.0, 10.0]);
    }
}
