//! Colours of cells, and their scale.

use maud::{Markup, html};

use super::matrix::SHARED;
use crate::render::ColorMap;
use crate::render::text;

/// Steps of a colour map in a page: enough that neighbours cannot be distinguished.
const STEPS: usize = 100;

/// Colours a scale is drawn with.
const SHOWN: usize = 40;

/// The first letter of the class of a colour map's cells.
pub(super) fn letter(colours: ColorMap) -> char {
    match colours {
        ColorMap::Diverging => 'd',
        _ => 'q',
    }
}

/// The class of the cell at `fraction` of a range, 0 to 1.
pub fn class(colours: ColorMap, fraction: f64) -> String {
    let step = (fraction.clamp(0.0, 1.0) * STEPS as f64).round() as usize;
    format!("{}{step}", letter(colours))
}

/// The style of all classes: paper, and black or white ink, whichever stands out more; then the number of columns
/// that the width of a page is shared among.
pub fn classes() -> String {
    let maps = [ColorMap::Viridis, ColorMap::Diverging];
    let steps = maps.into_iter().flat_map(|map| (0..=STEPS).map(move |step| (map, step)));
    let rule = |(map, step): (ColorMap, usize)| {
        let colour = map.colour(step as f64 / STEPS as f64);
        let (letter, paper, ink) = (letter(map), colour.hex(), colour.ink().hex());
        format!(".{letter}{step}{{background:{paper};color:{ink}}}\n")
    };
    let shares = (1..=SHARED).map(|count| format!(".n{count}{{--n:{count}}}\n"));
    steps.map(rule).chain(shares).collect()
}

/// A bar of a colour map between the ends of its range.
pub fn scale(colours: ColorMap, range: (f64, f64), label: &str) -> Markup {
    let step = 160.0 / SHOWN as f64;
    let ends =
        [range.0, range.1].map(|end| text::decimal(end, if end.fract() == 0.0 { 0 } else { 2 }));
    html! {
        span {
            (label) " " b.end { (ends[0]) }
            svg width="160" height="12" viewBox="0 0 160 12" aria-hidden="true" {
                @for i in 0..SHOWN {
                    rect x=(i as f64 * step) y="0" width=(step + 0.5) height="12"
                        fill=(colours.colour((i as f64 + 0.5) / SHOWN as f64).hex()) {}
                }
            }
            b.end { (ends[1]) }
        }
    }
}
