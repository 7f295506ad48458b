//! How the strips and tiles of a TIFF file are packed.

use std::io::{ErrorKind, Read};

use flate2::read::ZlibDecoder;
use weezl::BitOrder;
use weezl::decode::Decoder;

use crate::data::source::decode::CUT_SHORT;

/// A way of packing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
}

impl Compression {
    /// What a number under the tag stands for.
    pub fn of(number: usize) -> Result<Self, String> {
        match number {
            1 => Ok(Self::None),
            5 => Ok(Self::Lzw),
            8 | 32946 => Ok(Self::Deflate),
            32773 => Ok(Self::PackBits),
            6 | 7 => Err("TIFF files with JPEG inside cannot be read".to_owned()),
            other => Err(format!("TIFF files of compression {other} cannot be read")),
        }
    }

    /// Whether a predictor may have been at work before it.
    pub fn predicts(self) -> bool {
        matches!(self, Self::Lzw | Self::Deflate)
    }

    /// Fills `out` from the packed bytes.
    pub fn unpack(self, packed: &[u8], out: &mut [u8]) -> Result<(), String> {
        match self {
            Self::None => {
                out.copy_from_slice(packed.get(..out.len()).ok_or(CUT_SHORT)?);
                Ok(())
            }
            Self::Lzw => unpack_lzw(packed, out),
            Self::Deflate => inflate(packed, out),
            Self::PackBits => unpack_bits(packed, out).ok_or(CUT_SHORT.to_owned()),
        }
    }
}

fn inflate(packed: &[u8], out: &mut [u8]) -> Result<(), String> {
    let mut decoder = ZlibDecoder::new(packed);
    // A byte more than wanted: at the end of the stream its checksum is looked at.
    let read = decoder.read_exact(out).and_then(|()| decoder.read(&mut [0]));
    read.map(drop).map_err(|e| match e.kind() {
        ErrorKind::UnexpectedEof => CUT_SHORT.to_owned(),
        _ => format!("the file is damaged ({e})"),
    })
}

fn unpack_lzw(packed: &[u8], out: &mut [u8]) -> Result<(), String> {
    if matches!(packed, [0, second, ..] if second & 1 == 1) {
        return Err("TIFF files with LZW of before 1992 cannot be read".to_owned());
    }
    let mut decoder = Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
    let (mut read, mut written) = (0, 0);
    while written < out.len() {
        let step = decoder.decode_bytes(&packed[read..], &mut out[written..]);
        (read, written) = (read + step.consumed_in, written + step.consumed_out);
        step.status.map_err(|e| format!("the file is damaged ({e})"))?;
        if step.consumed_in == 0 && step.consumed_out == 0 {
            return Err(CUT_SHORT.to_owned());
        }
    }
    Ok(())
}

/// Runs: `n` below 128 is followed by `n + 1` bytes as they are, `n` above it by one that is
/// repeated `257 − n` times.
fn unpack_bits(packed: &[u8], out: &mut [u8]) -> Option<()> {
    let (mut packed, mut out) = (packed, out);
    while !out.is_empty() {
        let (&n, rest) = packed.split_first()?;
        let count = match n {
            0..128 => usize::from(n) + 1,
            128 => 0,
            _ => 257 - usize::from(n),
        };
        let count = count.min(out.len());
        let (run, later) = std::mem::take(&mut out).split_at_mut(count);
        if n < 128 {
            run.copy_from_slice(rest.get(..count)?);
            packed = &rest[count..];
        } else if n > 128 {
            run.fill(*rest.first()?);
            packed = &rest[1..];
        } else {
            packed = rest;
        }
        out = later;
    }
    Some(())
}
