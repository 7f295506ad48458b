//! SVG to PNG with an embedded font.

use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Pixmap, PremultipliedColorU8, Transform};
use resvg::usvg::{self, fontdb};

use super::pixels::{Image, encode_png};

/// The only font pictures are drawn with; `fonts/README.md` says how it was made.
const FONT: &[u8] = include_bytes!("fonts/DejaVuSans-subset.ttf");

/// The longest side of a PNG in pixels: 20,000 × 20,000 take 1.6 GB.
const MAX_SIDE: f32 = 20_000.0;

/// Why a picture could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The SVG does not parse.
    #[error("failed to read the drawing as SVG: {0}")]
    Svg(#[from] usvg::Error),
    /// The picture is larger than a PNG can sensibly be.
    #[error("a PNG of {width} x {height} pixels is too large: a side has at most 20,000")]
    TooLarge {
        /// Width in pixels.
        width: f32,
        /// Height in pixels.
        height: f32,
    },
    /// There is nothing to show.
    #[error("there is nothing to draw")]
    Nothing,
    /// The pixels could not be encoded.
    #[error("failed to encode the picture as PNG: {0}")]
    Encode(String),
}

/// Draws `svg` at `scale` pixels a unit and encodes it as PNG: of three channels where the drawing
/// covers all of it, else of four.
///
/// # Errors
///
/// [`RenderError::Svg`] when `svg` does not parse, [`RenderError::TooLarge`] when a side would
/// exceed 20,000 pixels.
pub fn from_svg(svg: &str, scale: f32) -> Result<Vec<u8>, RenderError> {
    let tree = parse(svg)?;
    let size = tree.size();
    let mut pixmap = blank((size.width() * scale).ceil(), (size.height() * scale).ceil())?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    match opaque(&pixmap) {
        Some(image) => encode_png(&image),
        None => pixmap.encode_png().map_err(|error| RenderError::Encode(error.to_string())),
    }
}

/// A picture nothing shows through, without its fourth channel.
fn opaque(pixmap: &Pixmap) -> Option<Image> {
    let (width, height) = (pixmap.width() as usize, pixmap.height() as usize);
    let colour = |pixel: &PremultipliedColorU8| {
        (pixel.alpha() == u8::MAX).then(|| [pixel.red(), pixel.green(), pixel.blue()])
    };
    let pixels: Option<Vec<[u8; 3]>> = pixmap.pixels().iter().map(colour).collect();
    Some(Image { width, height, pixels: pixels? })
}

/// Parses an SVG; its texts are laid out in the embedded font.
pub(crate) fn parse(svg: &str) -> Result<usvg::Tree, usvg::Error> {
    let options = usvg::Options {
        fontdb: fonts(),
        font_family: super::text::FAMILY.into(),
        ..Default::default()
    };
    usvg::Tree::from_str(svg, &options)
}

/// An empty picture, or an error where it would be too large.
fn blank(width: f32, height: f32) -> Result<Pixmap, RenderError> {
    check_size(width, height)?;
    let too_large = || RenderError::TooLarge { width, height };
    Pixmap::new(width as u32, height as u32).ok_or_else(too_large)
}

/// Refuses a picture that would be too large, in pixels.
pub(super) fn check_size(width: f32, height: f32) -> Result<(), RenderError> {
    match width.max(height) > MAX_SIDE {
        true => Err(RenderError::TooLarge { width, height }),
        false => Ok(()),
    }
}

/// The embedded font, loaded once.
fn fonts() -> Arc<fontdb::Database> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    FONTS.get_or_init(|| Arc::new(load_fonts())).clone()
}

/// A database of the embedded font alone, which stands for every generic family too.
fn load_fonts() -> fontdb::Database {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(FONT.to_vec());
    fonts.set_sans_serif_family(super::text::FAMILY);
    fonts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(side: u32) -> String {
        format!(r#"<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}"/>"#)
    }

    #[test]
    fn a_png_has_the_scaled_size() {
        let png = from_svg(&square(7), 2.0).expect("drawn");
        let pixmap = Pixmap::decode_png(&png).expect("decodes");
        assert_eq!((pixmap.width(), pixmap.height()), (14, 14));
    }

    #[test]
    fn a_fourth_channel_is_written_where_something_shows_through() {
        let covered =
            square(3).replace("/>", r##"><path d="M0 0h3v3h-3z" fill="#123456"/></svg>"##);
        // The type of colour stands in byte 25 of a PNG: 2 is RGB, 6 is RGBA.
        let kind = |svg: &str| from_svg(svg, 2.0).expect("drawn")[25];
        assert_eq!((kind(&covered), kind(&square(3))), (2, 6));
        let png = from_svg(&covered, 2.0).expect("drawn");
        let pixel = Pixmap::decode_png(&png).expect("decodes").pixel(4, 1).expect("inside");
        assert_eq!([pixel.red(), pixel.green(), pixel.blue()], [0x12, 0x34, 0x56]);
    }

    #[test]
    fn the_embedded_font_has_its_name() {
        let fonts = fonts();
        let names: Vec<_> = fonts.faces().flat_map(|face| &face.families).collect();
        assert_eq!(names.len(), 1);
        assert_eq!(names[0].0, crate::render::text::FAMILY);
    }

    #[test]
    fn what_is_no_svg_is_an_error() {
        assert!(matches!(from_svg("<svg", 1.0), Err(RenderError::Svg(_))));
    }

    #[test]
    fn a_giant_is_refused() {
        let error = from_svg(&square(10_001), 2.0).expect_err("too large");
        assert!(error.to_string().contains("20002 x 20002"), "{error}");
    }
}
