//! Changes of files, drawn from a seed.

use std::io::{Cursor, Read, Write};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Numbers that sizes, offsets and counts go wrong at.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

/// Digits that a number in a text becomes.
const DIGITS: [&str; 8] =
    ["0", "-1", "4294967296", "9223372036854775807", "18446744073709551615", "1e308", "", "1.5"];

/// What a text may not hold, or must nest.
const TEXTS: [&str; 10] =
    ["\"", "\\u0000", "\0", "{", "[[[[[[[[", "null", "\u{1b}[2J", "\n", ",", "'"];

/// Draws changes.
pub struct Changes(ChaCha8Rng);

impl Changes {
    /// The same seed gives the same changes.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end.max(1) as u64) as usize
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A copy with one to three changes.
    pub fn of(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut copy = bytes.to_vec();
        for _ in 0..=self.below(3) {
            self.change(&mut copy);
        }
        copy
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        // Headers are in front more often than not.
        let end = if self.below(2) == 0 { length.min(128) } else { length };
        let at = self.below(end);
        match self.below(9) {
            0 => {
                for _ in 0..=self.below(4) {
                    let at = self.below(length);
                    bytes.iter_mut().skip(at).take(1).for_each(|b| *b ^= 1 << (at % 8));
                }
            }
            1 => bytes.truncate(at),
            2 => self.overwrite(bytes, at),
            3 => self.number(bytes, at),
            4 => {
                let text = self.one(&TEXTS).as_bytes();
                bytes.splice(at..at, text.iter().copied());
            }
            5 => {
                let end = length.min(at + 1 + self.below(64));
                bytes.drain(at..end);
            }
            6 => {
                let end = length.min(at + 1 + self.below(64));
                let part = bytes[at..end].repeat(1 + self.below(4));
                bytes.splice(at..at, part);
            }
            7 => {
                let noise: Vec<u8> = (0..=self.below(16)).map(|_| self.below(256) as u8).collect();
                bytes.splice(at..at, noise);
            }
            _ => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = b.wrapping_add(1)),
        }
    }

    /// Puts an edge of some width, in one order of bytes, over what is there.
    fn overwrite(&mut self, bytes: &mut [u8], at: usize) {
        let (edge, width) = (self.one(&EDGES), self.one(&[1, 2, 4, 8]));
        let little = self.below(2) == 0;
        for (i, byte) in bytes.iter_mut().skip(at).take(width).enumerate() {
            let place = if little { i } else { width - 1 - i };
            *byte = (edge >> (8 * place)) as u8;
        }
    }

    /// Makes another number of the next one in a text.
    fn number(&mut self, bytes: &mut Vec<u8>, at: usize) {
        let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|i| at + i) else {
            return;
        };
        let end = bytes[start..].iter().position(|b| !b.is_ascii_digit()).unwrap_or(1);
        let digits = self.one(&DIGITS).as_bytes();
        bytes.splice(start..start + end, digits.iter().copied());
    }

    /// A zip archive with one changed member, whose checksum is right.
    pub fn of_member(&mut self, archive: &[u8]) -> Vec<u8> {
        let Ok(mut read) = ZipArchive::new(Cursor::new(archive)) else { return self.of(archive) };
        let mut written = ZipWriter::new(Cursor::new(vec![]));
        let changed = self.below(read.len());
        for i in 0..read.len() {
            let mut member = read.by_index(i).unwrap();
            let (name, mut bytes) = (member.name().to_owned(), vec![]);
            member.read_to_end(&mut bytes).unwrap();
            let bytes = if i == changed { self.of(&bytes) } else { bytes };
            let method = match member.compression() {
                CompressionMethod::Stored => CompressionMethod::Stored,
                _ => CompressionMethod::Deflated,
            };
            let options = SimpleFileOptions::default().compression_method(method);
            written.start_file(name, options).unwrap();
            written.write_all(&bytes).unwrap();
        }
        written.finish().unwrap().into_inner()
    }

    /// A gzip file whose unpacked bytes are changed.
    pub fn of_packed(&mut self, packed: &[u8]) -> Vec<u8> {
        let mut bytes = vec![];
        flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        let bytes = self.of(&bytes);
        let mut writer = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        writer.write_all(&bytes).unwrap();
        writer.finish().unwrap()
    }

    /// A changed PNG whose chunks have the right checksums.
    pub fn of_png(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut png = self.of(bytes);
        let mut at = 8;
        while let Some(head) = png.get(at..at + 8) {
            let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let end = at + 8 + length;
            let Some(body) = png.get(at + 4..end) else { break };
            let crc = crc32fast::hash(body).to_be_bytes();
            let Some(place) = png.get_mut(end..end + 4) else { break };
            place.copy_from_slice(&crc);
            at = end + 4;
        }
        png
    }
}
