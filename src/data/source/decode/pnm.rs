//! PBM, PGM and PPM, plain and binary, with the bytes that Pillow gives.

use super::{CUT_SHORT, Size, room};

/// The longest number a header or a plain file may hold, in digits.
const LONGEST: usize = 10;

/// Whether the bytes are those of a PBM, PGM or PPM file.
pub fn is_pnm(bytes: &[u8]) -> bool {
    matches!(bytes, [b'P', b'1'..=b'6', space, ..] if is_space(*space))
}

/// Decodes the first picture of a PNM file: PBM and PGM to one channel, PPM to three.
///
/// A value `v` of a file whose largest value is `m` becomes `v / m · 255`, rounded half to even; in
/// a bitmap 1 is black. Grey of more than eight bits is refused: Pillow clips it at 255.
pub fn decode(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<(Size, usize), String> {
    let kind = bytes[1];
    let mut text = Text { bytes, at: 2 };
    let (width, height) = (text.number()?, text.number()?);
    let size = (height, width);
    let channels = if matches!(kind, b'3' | b'6') { 3 } else { 1 };
    let most = if matches!(kind, b'1' | b'4') { 1 } else { text.number()? };
    if !(1..65536).contains(&most) {
        return Err(format!("the file is damaged (its largest value is {most})"));
    }
    if channels == 1 && most > 255 {
        return Err("grey of more than 8 bits cannot be read; save it with 8 bits".to_owned());
    }
    room(size, channels, pixels)?;
    match kind {
        b'1' => text.plain_bits(pixels)?,
        b'4' => bits(text.rest(), width, pixels)?,
        b'2' | b'3' => text.plain(most, pixels)?,
        _ if most < 256 => raw::<1>(text.rest(), most, pixels)?,
        _ => raw::<2>(text.rest(), most, pixels)?,
    }
    Ok((size, channels))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d)
}

/// `v / most · 255`, as Pillow rounds it.
fn scaled(value: usize, most: usize) -> u8 {
    let scaled = (value as f64 / most as f64 * 255.0).round_ties_even();
    scaled.min(255.0) as u8
}

/// Binary samples of `WIDTH` bytes, the upper first.
fn raw<const WIDTH: usize>(stored: &[u8], most: usize, pixels: &mut [u8]) -> Result<(), String> {
    let samples = stored.as_chunks::<WIDTH>().0;
    if samples.len() < pixels.len() {
        return Err(CUT_SHORT.to_owned());
    }
    for (pixel, sample) in pixels.iter_mut().zip(samples) {
        let value = sample.iter().fold(0, |value, &byte| value << 8 | usize::from(byte));
        *pixel = scaled(value, most);
    }
    Ok(())
}

/// Binary bits, the upper first, rows filled up to bytes; 1 is black.
fn bits(stored: &[u8], width: usize, pixels: &mut [u8]) -> Result<(), String> {
    let stride = width.div_ceil(8);
    if stored.len() < stride * (pixels.len() / width) {
        return Err(CUT_SHORT.to_owned());
    }
    for (row, line) in pixels.chunks_exact_mut(width).zip(stored.chunks_exact(stride)) {
        for (x, pixel) in row.iter_mut().enumerate() {
            *pixel = if line[x / 8] >> (7 - x % 8) & 1 == 1 { 0 } else { 255 };
        }
    }
    Ok(())
}

/// The text of a header, or of a plain file.
struct Text<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Text<'a> {
    /// The next byte outside of comments, which end with their line and part nothing; `None` at the
    /// end.
    fn next(&mut self) -> Option<u8> {
        while self.bytes.get(self.at) == Some(&b'#') {
            let rest = &self.bytes[self.at..];
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            self.at += end.map_or(rest.len(), |end| end + 1);
        }
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// The next number, and the one space behind it.
    fn number(&mut self) -> Result<usize, String> {
        let mut digits = String::new();
        while let Some(byte) = self.next() {
            match byte {
                b'0'..=b'9' if digits.len() < LONGEST => digits.push(char::from(byte)),
                _ if !is_space(byte) => return Err(DAMAGED.to_owned()),
                _ if digits.is_empty() => {}
                _ => break,
            }
        }
        match digits.is_empty() {
            true => Err(CUT_SHORT.to_owned()),
            false => digits.parse().map_err(|_| DAMAGED.to_owned()),
        }
    }

    /// What lies behind the header.
    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn plain(&mut self, most: usize, pixels: &mut [u8]) -> Result<(), String> {
        for pixel in pixels {
            match self.number()? {
                value if value <= most => *pixel = scaled(value, most),
                value => return Err(format!("the file is damaged ({value} is above {most})")),
            }
        }
        Ok(())
    }

    /// Digits that need no space between them; 1 is black.
    fn plain_bits(&mut self, pixels: &mut [u8]) -> Result<(), String> {
        for pixel in pixels {
            let digit = loop {
                match self.next() {
                    Some(byte) if is_space(byte) => {}
                    Some(byte) => break byte,
                    None => return Err(CUT_SHORT.to_owned()),
                }
            };
            *pixel = match digit {
                b'0' => 255,
                b'1' => 0,
                _ => return Err(DAMAGED.to_owned()),
            };
        }
        Ok(())
    }
}

const DAMAGED: &str = "the file is damaged (something else than a number)";
