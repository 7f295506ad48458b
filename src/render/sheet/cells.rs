//! The cells: pictures, captions, and what is wrong with a picture.

use super::layout::{Layout, units};
use super::{Cell, Sheet, grid, words};
use crate::render::colormap::Rgb;
use crate::render::pixels::{self, Image};
use crate::render::png::RenderError;
use crate::render::style::{self, MISSING, MUTED, TEXT, WHITE};
use crate::render::svg::{self, Anchor, Element, Rect};
use crate::render::text;

/// Font size of captions, and the height of a line.
pub(super) const CAPTION: (f64, f64) = (9.0, 11.0);
/// How many lines a caption may have.
pub(super) const LINES: usize = 2;
/// From a picture to its caption.
pub(super) const LEAD: f64 = 2.0;
/// White between captions side by side.
pub(super) const APART: f64 = 5.0;

/// The line around a picture, which may be as white as the paper.
const OUTLINE: Rgb = Rgb::new(0xb8_bc_c0);
/// How much of a picture that something is wrong with is covered.
const FADED: &str = "0.75";
/// Font size of what is wrong, its height, and white at either side.
const FLAG: (f64, f64, f64) = (9.0, 15.0, 4.0);

/// Draws all cells.
pub(super) fn draw(sheet: &Sheet<'_>, layout: &Layout) -> Result<Element, RenderError> {
    let mut drawing = svg::group();
    for (row, band) in sheet.rows.iter().zip(&layout.rows) {
        for (column, cell) in row.cells.iter().enumerate() {
            let at = layout.cell(band, column);
            let caption = caption(&band.captions[column], at);
            let heading = |all: &'_ [String]| all.get(column).cloned().unwrap_or_default();
            let place = [row.heading, &heading(sheet.groups), &heading(sheet.columns)];
            let picture = picture(cell, place, at, layout.side)?;
            drawing = drawing.children(picture).children(caption);
        }
    }
    Ok(drawing)
}

/// A cell's picture and what is wrong with it.
fn picture(
    cell: &Cell,
    place_in_sheet: [&str; 3],
    cell_at: Rect,
    side: usize,
) -> Result<Option<Element>, RenderError> {
    let Cell::Picture { image, caption, flag } = cell else { return Ok(None) };
    if image.is_empty() {
        return Ok(None);
    }
    let at = place(grid::size(image, side), cell_at);
    let outline = svg::rect(at.inset(-0.25)).attr("fill", "none").stroke(OUTLINE, 0.5);
    let drawing = svg::group()
        .tooltip(&tooltip(&place_in_sheet, &[caption, flag.as_deref().unwrap_or_default()]))
        .child(embedded(image, grid::size(image, side), at)?)
        .children(flag.iter().map(|_| faded(at)))
        .child(outline)
        .children(flag.iter().map(|flag| word(flag, cell_at)));
    Ok(Some(drawing))
}

/// Where a picture of a size in pixels lies: in the middle of its cell, on whole pixels.
fn place((width, height): (usize, usize), cell: Rect) -> Rect {
    let (width, height) = (units(width), units(height));
    let half = |room: f64| (room.max(0.0)).round() / 2.0;
    let (x, y) = (cell.x + half(cell.width - width), cell.y + half(cell.height - height));
    Rect { x, y, width, height }
}

/// The picture as PNG in the SVG.
fn embedded(image: &Image, size: (usize, usize), at: Rect) -> Result<Element, RenderError> {
    let fitted = grid::fitted(image, size);
    let png = pixels::encode_png(fitted.as_ref().unwrap_or(image))?;
    let element = Element::new("image").num("x", at.x).num("y", at.y);
    Ok(element
        .num("width", at.width)
        .num("height", at.height)
        .attr("preserveAspectRatio", "none")
        .attr("style", "image-rendering:pixelated")
        .attr("href", &format!("data:image/png;base64,{}", base64(&png))))
}

/// What lies over a picture that something is wrong with.
fn faded(at: Rect) -> Element {
    let paper = svg::rect(at).fill(MISSING.0).attr("fill-opacity", FADED);
    let lines = svg::lines(style::hatch(at)).stroke(MISSING.1, 0.8);
    svg::group().child(paper).child(lines)
}

/// What is wrong, in the middle of a cell.
fn word(flag: &str, cell: Rect) -> Element {
    let flag = words::shorten(flag, FLAG.0, cell.width - 2.0 * FLAG.2);
    let (x, y) = cell.centre();
    let width = text::width(&flag, FLAG.0) + 2.0 * FLAG.2;
    let paper = Rect { x: x - width / 2.0, y: y - FLAG.1 / 2.0, width, height: FLAG.1 };
    svg::group()
        .child(svg::rect(paper).attr("rx", "2").fill(WHITE).stroke(MISSING.1, 0.5))
        .child(svg::label(x, y, FLAG.0, &flag).anchor(Anchor::Middle).fill(TEXT))
}

/// What stands under a picture.
fn caption(lines: &[String], cell: Rect) -> Option<Element> {
    let at = (cell.centre().0, cell.bottom() + LEAD);
    let lines_drawn = style::lines(lines, at, CAPTION);
    let caption = svg::group().fill(MUTED).anchor(Anchor::Middle).children(lines_drawn);
    (!lines.is_empty()).then_some(caption)
}

/// What a browser shows at a picture: where it is, and what it is.
fn tooltip(place: &[&str], content: &[&str]) -> String {
    let join = |parts: &[&str]| {
        parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
    };
    let parts = [join(place), join(content)];
    parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(": ")
}

/// Bytes as text, RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| chunk.get(index).map_or(0, |byte| u32::from(*byte));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = (word >> (18 - 6 * digit)) as usize % 64;
            text.push(if digit > chunk.len() { '=' } else { DIGITS[value] as char });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64("foobar".as_bytes()), "Zm9vYmFy");
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    #[test]
    fn tooltips_name_what_there_is() {
        assert_eq!(tooltip(&["a", "b"], &["c", "d"]), "a · b: c · d");
        assert_eq!(tooltip(&["", "b"], &["", ""]), "b");
        assert_eq!(tooltip(&["", ""], &["c", ""]), "c");
    }
}
