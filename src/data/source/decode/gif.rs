//! GIF: the first frame, with the bytes that Pillow gives.

use gif::{ColorOutput, DecodeOptions, DecodingError, Frame, MemoryLimit};

use super::{CUT_SHORT, LARGEST, Size, room};

/// Whether the bytes are those of a GIF file.
pub fn is_gif(bytes: &[u8]) -> bool {
    bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a")
}

/// Decodes the first frame of a GIF file, as it lies on its canvas.
///
/// What the frame leaves free has its transparent colour, or else the first of the palette. A
/// palette that is the ramp from black to white, or none, makes a grey picture.
pub fn decode(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<(Size, usize), String> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.set_memory_limit(MemoryLimit::Bytes(
        const { std::num::NonZeroU64::new(LARGEST).unwrap() },
    ));
    let mut decoder = options.read_info(bytes).map_err(problem)?;
    let canvas = (usize::from(decoder.height()), usize::from(decoder.width()));
    let frame = decoder.read_next_frame().map_err(problem)?.cloned();
    let frame = frame.ok_or("it has no picture")?;
    let palette = frame.palette.as_deref().or(decoder.global_palette());
    let palette = palette.filter(|palette| !is_ramp(palette));
    let area = Area::of(&frame);
    if frame.width == 0 || frame.height == 0 {
        return Err("the file is damaged (its first frame has no area)".to_owned());
    }
    let size = (canvas.0.max(area.bottom), canvas.1.max(area.right));
    let channels = if palette.is_some() { 3 } else { 1 };
    room(size, channels, pixels)?;
    let colours = Colours { palette, channels };
    let mut ground = [0; 3];
    colours.write(frame.transparent.unwrap_or(0), &mut ground[..channels])?;
    pixels.chunks_exact_mut(channels).for_each(|pixel| pixel.copy_from_slice(&ground[..channels]));
    for (y, line) in frame.buffer.chunks_exact(area.right - area.left).enumerate() {
        let row = ((area.top + y) * size.1 + area.left) * channels;
        let row = pixels[row..].chunks_exact_mut(channels);
        line.iter().zip(row).try_for_each(|(&index, pixel)| colours.write(index, pixel))?;
    }
    Ok((size, channels))
}

/// Where a frame lies on the canvas, in pixels.
struct Area {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

impl Area {
    fn of(frame: &Frame<'_>) -> Self {
        let (left, top) = (usize::from(frame.left), usize::from(frame.top));
        let (width, height) = (usize::from(frame.width), usize::from(frame.height));
        Self { left, top, right: left + width, bottom: top + height }
    }
}

/// What an index stands for: itself, or a colour of a palette.
struct Colours<'a> {
    palette: Option<&'a [u8]>,
    channels: usize,
}

impl Colours<'_> {
    fn write(&self, index: u8, pixel: &mut [u8]) -> Result<(), String> {
        let Some(palette) = self.palette else {
            pixel[0] = index;
            return Ok(());
        };
        let at = usize::from(index) * self.channels;
        let colour = palette.get(at..at + self.channels);
        let colour = colour.ok_or("the file is damaged (a colour beyond its palette)")?;
        pixel.copy_from_slice(colour);
        Ok(())
    }
}

/// Whether each colour of a palette is the grey of its index.
fn is_ramp(palette: &[u8]) -> bool {
    let colours = palette.as_chunks::<3>().0;
    colours.iter().enumerate().all(|(i, colour)| colour.iter().all(|&c| usize::from(c) == i))
}

fn problem(error: DecodingError) -> String {
    match error {
        DecodingError::UnexpectedEof => CUT_SHORT.to_owned(),
        other => format!("the file is damaged ({other})"),
    }
}
