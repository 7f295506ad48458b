//! TIFF: the first picture, with the bytes that Pillow gives, or none.

mod compression;
mod directory;
mod orientation;

use compression::Compression;
use directory::{Directory, tag};

use super::{LARGEST, Size, cmyk_to_rgb, room};

/// Whether the bytes are those of a TIFF file.
pub fn is_tiff(bytes: &[u8]) -> bool {
    let starts: [&[u8]; 4] = [b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0", b"MM\0\x2b"];
    starts.iter().any(|start| bytes.starts_with(start))
}

/// Decodes the first picture of a TIFF file: grey and bitmaps to one channel, others to three.
///
/// Read are grey, bitmaps and palettes of 1, 2, 4 and 8 bits, RGB and CMYK of 8 and 16 bits (of
/// which the upper eight are kept), also with alpha; grey of 16 and 32 bits and of floats, which
/// Pillow cuts off at 0 and 255 (fractions are dropped, NaN is 0); in strips or tiles, interleaved or (of 8 bits)
/// in planes, stored plainly, by LZW, deflate or PackBits. The orientation is applied, as Pillow does
/// for this format alone.
///
/// # Errors
///
/// What is wrong with the file; that it is of another kind, which Pillow may read otherwise.
pub fn decode(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<(Size, usize), String> {
    let file = Directory::read(bytes)?;
    let layout = Layout::of(&file)?;
    let colours = Colours::of(&file, &layout)?;
    room(layout.size, layout.samples.max(3), pixels)?;
    pixels.truncate(layout.size.0 * layout.size.1 * layout.samples);
    layout.read(&file, pixels)?;
    let channels = colours.apply(&layout, pixels);
    let orientation = file.one(tag::ORIENTATION, 1)?;
    let size = orientation::apply(orientation, layout.size, channels, pixels);
    Ok((size, channels))
}

/// How the samples are stored.
struct Layout {
    size: Size,
    /// Samples a pixel.
    samples: usize,
    /// Bits a sample.
    bits: usize,
    /// Each sample in chunks of its own.
    planes: bool,
    /// Rows and columns of a strip or tile.
    chunk: Size,
    tiled: bool,
    compression: Compression,
    /// Each sample is stored as its difference to the one before it in the row.
    differences: bool,
    /// What wide numbers of grey are, which are cut off at 0 and 255.
    wide: Option<Wide>,
}

/// Grey as a whole number or a float of more than eight bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wide {
    Unsigned16,
    Signed16,
    /// With or without a sign, Pillow takes it for signed.
    Signed32,
    Float32,
}

impl Wide {
    /// What the samples of a file are, where they are such.
    fn of(file: &Directory<'_>, samples: usize) -> Result<Option<Self>, String> {
        let kind = match (file.one(tag::BITS, 1)?, file.one(tag::SAMPLE_FORMAT, 1)?) {
            (16, 1) => Self::Unsigned16,
            (16, 2) => Self::Signed16,
            (32, 1 | 2) => Self::Signed32,
            (32, 3) => Self::Float32,
            _ => return Ok(None),
        };
        if samples != 1 || file.one(tag::PHOTOMETRIC, usize::MAX)? != 1 {
            return Ok(None);
        }
        let packed = file.one(tag::COMPRESSION, 1)? != 1;
        if kind != Self::Unsigned16 && packed && file.is_big_endian() {
            let kind = "packed wide grey with the upper byte first";
            return Err(format!("TIFF files of {kind} cannot be read; save it with 8 bits"));
        }
        Ok(Some(kind))
    }

    /// A sample by its bytes, the lowest first.
    fn grey(self, bytes: [u8; 4]) -> u8 {
        match self {
            Self::Unsigned16 => u16::from_le_bytes([bytes[0], bytes[1]]).min(255) as u8,
            Self::Signed16 => i16::from_le_bytes([bytes[0], bytes[1]]).clamp(0, 255) as u8,
            Self::Signed32 => i32::from_le_bytes(bytes).clamp(0, 255) as u8,
            Self::Float32 => f32::from_le_bytes(bytes) as u8,
        }
    }
}

impl Layout {
    fn of(file: &Directory<'_>) -> Result<Self, String> {
        let size = (file.one(tag::HEIGHT, 0)?, file.one(tag::WIDTH, 0)?);
        let samples = file.one(tag::SAMPLES, 1)?;
        let bits = file.all(tag::BITS)?.unwrap_or(vec![1]);
        let formats = file.all(tag::SAMPLE_FORMAT)?.unwrap_or_default();
        let wide = Wide::of(file, samples)?;
        if wide.is_none() && formats.iter().any(|&format| format != 1) {
            return Err("TIFF files of signed or floating-point samples cannot be read".to_owned());
        }
        if file.one(tag::FILL_ORDER, 1)? != 1 {
            return Err("TIFF files with reversed bits cannot be read".to_owned());
        }
        let uniform = bits.len() == 1 || bits.len() >= samples;
        let (&first, true) = (bits.first().unwrap_or(&0), uniform && samples <= 4) else {
            return Err(format!("TIFF files of {samples} samples a pixel cannot be read"));
        };
        if bits.iter().take(samples).any(|&bits| bits != first) {
            return Err("TIFF files of samples of different sizes cannot be read".to_owned());
        }
        let compression = Compression::of(file.one(tag::COMPRESSION, 1)?)?;
        let predictor = if compression.predicts() { file.one(tag::PREDICTOR, 1)? } else { 1 };
        if !matches!((predictor, first), (1, _) | (2, 8 | 16)) {
            return Err(format!("TIFF files of predictor {predictor} cannot be read"));
        }
        let planes = samples > 1 && file.one(tag::PLANAR, 1)? == 2;
        if planes && first != 8 {
            return Err(format!("TIFF files with planes of {first} bits cannot be read"));
        }
        let tiled = file.all(tag::TILE_OFFSETS)?.is_some();
        Ok(Self {
            size,
            samples,
            bits: first,
            planes,
            chunk: chunk_size(file, size, tiled)?,
            tiled,
            compression,
            differences: predictor == 2,
            wide,
        })
    }

    /// Samples that lie side by side.
    fn interleaved(&self) -> usize {
        if self.planes { 1 } else { self.samples }
    }

    /// Bytes of a row of a chunk.
    fn stride(&self) -> usize {
        (self.chunk.1 * self.interleaved() * self.bits).div_ceil(8)
    }

    /// Reads all strips or tiles: samples of eight bits or fewer as they are, of sixteen their
    /// upper eight.
    fn read(&self, file: &Directory<'_>, out: &mut [u8]) -> Result<(), String> {
        let tags = match self.tiled {
            true => (tag::TILE_OFFSETS, tag::TILE_BYTES),
            false => (tag::STRIP_OFFSETS, tag::STRIP_BYTES),
        };
        let offsets = file.all(tags.0)?.unwrap_or_default();
        let counts = file.all(tags.1)?.unwrap_or_default();
        let (height, width) = self.size;
        let (down, across) = (height.div_ceil(self.chunk.0), width.div_ceil(self.chunk.1));
        let planes = if self.planes { self.samples } else { 1 };
        if offsets.len() < planes * down * across {
            return Err("the file is damaged (it has too few strips)".to_owned());
        }
        let mut unpacked = vec![];
        for (i, &offset) in offsets.iter().enumerate().take(planes * down * across) {
            let (top, left) = (i / across % down * self.chunk.0, i % across * self.chunk.1);
            let rows = if self.tiled { self.chunk.0 } else { self.chunk.0.min(height - top) };
            unpacked.resize(rows * self.stride(), 0);
            let packed = self.packed(file.bytes_from(offset)?, counts.get(i))?;
            self.compression.unpack(packed, &mut unpacked)?;
            let place = (top, left, i / (down * across));
            self.place(&mut unpacked, place, file.is_big_endian(), out);
        }
        Ok(())
    }

    /// The bytes of a strip or tile, of those that begin with it.
    fn packed<'a>(&self, rest: &'a [u8], count: Option<&usize>) -> Result<&'a [u8], String> {
        match (self.compression, count) {
            (Compression::None, _) => Ok(rest),
            (_, Some(&count)) => rest.get(..count).ok_or(super::CUT_SHORT.to_owned()),
            (_, None) => Err("the file is damaged (the length of a strip is missing)".to_owned()),
        }
    }

    /// Puts the samples of one chunk, which are changed, where they belong.
    fn place(
        &self,
        unpacked: &mut [u8],
        (top, left, plane): (usize, usize, usize),
        big_endian: bool,
        out: &mut [u8],
    ) {
        let (height, width) = self.size;
        let (side_by_side, columns) = (self.interleaved(), self.chunk.1.min(width - left));
        let rows = unpacked.chunks_exact_mut(self.stride()).take(height - top);
        for (row, y) in rows.zip(top..) {
            if self.differences {
                add_up(row, self.bits, side_by_side, big_endian);
            }
            for i in 0..columns * side_by_side {
                let (x, sample) = (left + i / side_by_side, plane + i % side_by_side);
                out[(y * width + x) * self.samples + sample] = self.sample(row, i, big_endian);
            }
        }
    }

    fn sample(&self, row: &[u8], i: usize, big_endian: bool) -> u8 {
        if let Some(wide) = self.wide {
            let mut bytes = [0; 4];
            let stored = &row[i * self.bits / 8..][..self.bits / 8];
            bytes[..stored.len()].copy_from_slice(stored);
            if big_endian {
                bytes[..stored.len()].reverse();
            }
            return wide.grey(bytes);
        }
        match self.bits {
            8 => row[i],
            16 => row[2 * i + usize::from(!big_endian)],
            bits => {
                let per_byte = 8 / bits;
                row[i / per_byte] >> (8 - bits * (i % per_byte + 1)) & ((1 << bits) - 1)
            }
        }
    }
}

/// Rows and columns of a strip or tile.
fn chunk_size(file: &Directory<'_>, size: Size, tiled: bool) -> Result<Size, String> {
    let chunk = match tiled {
        true => (file.one(tag::TILE_HEIGHT, 0)?, file.one(tag::TILE_WIDTH, 0)?),
        false => (file.one(tag::ROWS_PER_STRIP, size.0)?.min(size.0), size.1),
    };
    match chunk.0.checked_mul(chunk.1) {
        Some(1..) if ((chunk.0 * chunk.1) as u64) < LARGEST / 8 => Ok(chunk),
        Some(0) => Err("it has no pixels".to_owned()),
        _ => Err(format!("its strips of {}x{} pixels are too large", chunk.1, chunk.0)),
    }
}

/// Undoes the predictor: adds to each sample the one a pixel before it.
fn add_up(row: &mut [u8], bits: usize, samples: usize, big_endian: bool) {
    if bits == 8 {
        for i in samples..row.len() {
            row[i] = row[i].wrapping_add(row[i - samples]);
        }
        return;
    }
    type Read = fn([u8; 2]) -> u16;
    type Write = fn(u16) -> [u8; 2];
    let (read, write): (Read, Write) = match big_endian {
        true => (u16::from_be_bytes, u16::to_be_bytes),
        false => (u16::from_le_bytes, u16::to_le_bytes),
    };
    let values = row.as_chunks_mut::<2>().0;
    for i in samples..values.len() {
        values[i] = write(read(values[i]).wrapping_add(read(values[i - samples])));
    }
}

/// What the samples of a pixel stand for.
enum Colours {
    Grey { inverted: bool },
    Rgb,
    Palette(Vec<[u8; 3]>),
    Cmyk,
}

impl Colours {
    fn of(file: &Directory<'_>, layout: &Layout) -> Result<Self, String> {
        let photometric = file.one(tag::PHOTOMETRIC, usize::MAX)?;
        let extra = file.all(tag::EXTRA_SAMPLES)?.unwrap_or_default();
        match (photometric, layout.samples, extra.as_slice(), layout.bits) {
            (0 | 1, 1, [], 1 | 2 | 4 | 8) | (1, 2, [2], 8) => {
                Ok(Self::Grey { inverted: photometric == 0 })
            }
            (1, 1, [], _) if layout.wide.is_some() => Ok(Self::Grey { inverted: false }),
            (2, 3, [], 8 | 16) | (2, 4, [] | [0 | 2], 8 | 16) => Ok(Self::Rgb),
            (3, 1, [], 1 | 2 | 4 | 8) => palette(file, layout.bits).map(Self::Palette),
            (5, 4, [], 8 | 16) => Ok(Self::Cmyk),
            (0 | 1, 1, [], bits) => {
                Err(format!("TIFF files with grey of {bits} bits cannot be read; save it with 8"))
            }
            (_, samples, _, bits) => Err(format!(
                "TIFF files of {samples} samples of {bits} bits (photometric interpretation \
                 {photometric}) cannot be read"
            )),
        }
    }

    /// From samples to pixels, in place; returns the number of channels.
    fn apply(&self, layout: &Layout, pixels: &mut Vec<u8>) -> usize {
        match self {
            Self::Grey { inverted } => {
                super::keep_first(1, layout.samples, pixels);
                let most = if layout.bits < 8 { (1u8 << layout.bits) - 1 } else { 255 };
                let flip = if *inverted { 255 } else { 0 };
                pixels.iter_mut().for_each(|grey| *grey = (*grey * (255 / most)) ^ flip);
                1
            }
            Self::Rgb => {
                super::keep_first(3, layout.samples, pixels);
                3
            }
            Self::Palette(palette) => {
                *pixels = pixels.iter().flat_map(|&index| palette[usize::from(index)]).collect();
                3
            }
            Self::Cmyk => {
                cmyk_to_rgb(pixels);
                3
            }
        }
    }
}

/// The colours of a palette, the upper eight of the sixteen bits of each.
fn palette(file: &Directory<'_>, bits: usize) -> Result<Vec<[u8; 3]>, String> {
    let count = 1 << bits;
    let stored = file.all(tag::COLOUR_MAP)?.unwrap_or_default();
    if stored.len() != 3 * count {
        return Err(format!("the file is damaged (its palette has {} numbers)", stored.len()));
    }
    Ok((0..count).map(|i| [0, 1, 2].map(|c| (stored[c * count + i] >> 8) as u8)).collect())
}
