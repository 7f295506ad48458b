//! What tells series apart: colours and markers.

use crate::render::colormap::Rgb;
use crate::render::style::WHITE;
use crate::render::svg::{self, Element, Rect};

/// The palette of Okabe and Ito without its yellow, which is too light on paper, and with a grey;
/// in an order in which neighbours differ in lightness too.
pub(super) const COLOURS: [Rgb; 8] = [
    Rgb::new(0x00_72_b2),
    Rgb::new(0xe6_9f_00),
    Rgb::new(0x00_9e_73),
    Rgb::new(0xcc_79_a7),
    Rgb::new(0x00_00_00),
    Rgb::new(0x56_b4_e9),
    Rgb::new(0xd5_5e_00),
    Rgb::new(0x99_99_99),
];

/// The width of a series' line.
pub(super) const LINE: f64 = 2.0;
/// How far a marker reaches from its middle, about.
const REACH: f64 = 3.6;

/// The colour of a series.
pub(super) fn colour(series: usize) -> Rgb {
    COLOURS[series % COLOURS.len()]
}

/// Gives a series' colour and style to its line.
pub(super) fn stroke(line: Element, series: usize, dashed: bool) -> Element {
    let line = line.stroke(colour(series), LINE).attr("stroke-linejoin", "round");
    if dashed { line.attr("stroke-dasharray", "6 3.5") } else { line }
}

/// The marker of a series.
pub(in crate::render) fn draw(series: usize, (x, y): (f64, f64)) -> Element {
    // Beyond the palette the shapes move on by one: every pair of shape and colour comes once.
    let form = (series + series / COLOURS.len()) % COLOURS.len();
    let shape = match form {
        0 | 5 => svg::circle(x, y, REACH),
        1 | 6 => svg::rect(Rect::square(x, y, 1.8 * REACH)),
        2 => corners((x, y), &[(0.0, -1.3), (1.17, 0.8), (-1.17, 0.8)]),
        3 | 7 => corners((x, y), &[(0.0, -1.35), (1.35, 0.0), (0.0, 1.35), (-1.35, 0.0)]),
        _ => corners((x, y), &[(0.0, 1.3), (1.17, -0.8), (-1.17, -0.8)]),
    };
    if form < 5 {
        shape.fill(colour(series)).stroke(WHITE, 1.0)
    } else {
        shape.fill(WHITE).stroke(colour(series), 1.6)
    }
}

/// A polygon around a point.
fn corners((x, y): (f64, f64), corners: &[(f64, f64)]) -> Element {
    let corners: Vec<_> =
        corners.iter().map(|(right, down)| (x + right * REACH, y + down * REACH)).collect();
    svg::polygon(&corners)
}
