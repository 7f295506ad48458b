//! The directory of a TIFF file: where everything lies.

use crate::data::source::decode::CUT_SHORT;

/// The tags that are read.
pub mod tag {
    pub const WIDTH: u16 = 256;
    pub const HEIGHT: u16 = 257;
    pub const BITS: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const ORIENTATION: u16 = 274;
    pub const SAMPLES: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTES: u16 = 279;
    pub const PLANAR: u16 = 284;
    pub const PREDICTOR: u16 = 317;
    pub const COLOUR_MAP: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_HEIGHT: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTES: u16 = 325;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
}

/// A TIFF file (classic or BigTIFF) and the entries of its first directory.
pub struct Directory<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    entries: Vec<Entry>,
}

/// Numbers under a tag.
struct Entry {
    tag: u16,
    /// Bytes of one number.
    width: usize,
    count: usize,
    /// Where they begin in the file.
    place: usize,
}

/// How long the parts of a directory are, in bytes.
struct Form {
    /// The number of entries.
    count: usize,
    /// Offsets, and values within an entry.
    offset: usize,
}

const CLASSIC: Form = Form { count: 2, offset: 4 };
const BIG: Form = Form { count: 8, offset: 8 };

impl<'a> Directory<'a> {
    /// Reads the first directory.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut file = Self { bytes, big_endian: bytes.starts_with(b"MM"), entries: vec![] };
        let (form, first) = match file.number(2, 2)? {
            43 => (BIG, 8),
            _ => (CLASSIC, 4),
        };
        let start = file.place(first, form.offset)?;
        let count = file.place(start, form.count)?;
        let size = 4 + 2 * form.offset;
        let first = start + form.count;
        if count > file.bytes.len() / size {
            return Err(CUT_SHORT.to_owned());
        }
        for i in 0..count {
            let entry = file.entry(first + i * size, &form)?;
            file.entries.extend(entry);
        }
        Ok(file)
    }

    /// The entry at a place; `None` where it holds no unsigned whole numbers.
    fn entry(&self, at: usize, form: &Form) -> Result<Option<Entry>, String> {
        let tag = self.number(at, 2)? as u16;
        let width = match self.number(at + 2, 2)? {
            1 => 1,
            3 => 2,
            4 => 4,
            16 => 8,
            _ => return Ok(None),
        };
        let count = self.place(at + 4, form.offset)?;
        let value = at + 4 + form.offset;
        let within = count.checked_mul(width).is_some_and(|size| size <= form.offset);
        let place = if within { value } else { self.place(value, form.offset)? };
        Ok(Some(Entry { tag, width, count, place }))
    }

    /// The numbers under a tag; `None` where it is not there.
    pub fn all(&self, tag: u16) -> Result<Option<Vec<usize>>, String> {
        let Some(entry) = self.entries.iter().find(|entry| entry.tag == tag) else {
            return Ok(None);
        };
        if entry.count > self.bytes.len() / entry.width {
            return Err(CUT_SHORT.to_owned());
        }
        let number =
            |i: usize| self.place(entry.place.saturating_add(i * entry.width), entry.width);
        (0..entry.count).map(number).collect::<Result<_, _>>().map(Some)
    }

    /// The first number under a tag, or what it is without.
    pub fn one(&self, tag: u16, default: usize) -> Result<usize, String> {
        Ok(self.all(tag)?.and_then(|all| all.first().copied()).unwrap_or(default))
    }

    /// Whether numbers, the samples included, have their upper byte first.
    pub fn is_big_endian(&self) -> bool {
        self.big_endian
    }

    /// The bytes from a place on.
    pub fn bytes_from(&self, place: usize) -> Result<&'a [u8], String> {
        self.bytes.get(place..).ok_or(CUT_SHORT.to_owned())
    }

    fn place(&self, at: usize, width: usize) -> Result<usize, String> {
        usize::try_from(self.number(at, width)?).map_err(|_| CUT_SHORT.to_owned())
    }

    fn number(&self, at: usize, width: usize) -> Result<u64, String> {
        let bytes = at.checked_add(width).and_then(|end| self.bytes.get(at..end));
        let bytes = bytes.ok_or(CUT_SHORT)?;
        let join = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        Ok(match self.big_endian {
            true => bytes.iter().fold(0, join),
            false => bytes.iter().rev().fold(0, join),
        })
    }
}
