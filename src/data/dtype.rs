//! Element types of stored arrays and their conversion to floats.

use std::fmt;

/// An element type that can be read. All are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    Bf16,
    F32,
    F64,
}

impl Dtype {
    /// The types that can be read, as a message lists them.
    pub const KNOWN: &str = "bool, int8 to int64, uint8 to uint64, float16, float32 or float64";

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Whether it holds fractions.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }

    /// Appends the elements of `bytes` as float64; integers beyond 2⁵³ are rounded.
    pub fn widen(self, bytes: &[u8], out: &mut Vec<f64>) {
        match self {
            Self::Bool | Self::U8 => out.extend(bytes.iter().map(|&v| f64::from(v))),
            Self::I8 => each(bytes, out, |v| f64::from(i8::from_le_bytes(v))),
            Self::U16 => each(bytes, out, |v| f64::from(u16::from_le_bytes(v))),
            Self::I16 => each(bytes, out, |v| f64::from(i16::from_le_bytes(v))),
            Self::U32 => each(bytes, out, |v| f64::from(u32::from_le_bytes(v))),
            Self::I32 => each(bytes, out, |v| f64::from(i32::from_le_bytes(v))),
            Self::U64 => each(bytes, out, |v| u64::from_le_bytes(v) as f64),
            Self::I64 => each(bytes, out, |v| i64::from_le_bytes(v) as f64),
            Self::F16 => each(bytes, out, |v| f64::from(half(u16::from_le_bytes(v)))),
            Self::Bf16 => each(bytes, out, |v| f64::from(brain(u16::from_le_bytes(v)))),
            Self::F32 => each(bytes, out, |v| f64::from(f32::from_le_bytes(v))),
            Self::F64 => each(bytes, out, f64::from_le_bytes),
        }
    }

    /// Writes the elements of `bytes` as float32, rounded to nearest.
    pub fn narrow(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Self::Bool | Self::U8 => write(bytes, out, |[v]: [u8; 1]| f32::from(v)),
            Self::I8 => write(bytes, out, |v| f32::from(i8::from_le_bytes(v))),
            Self::U16 => write(bytes, out, |v| f32::from(u16::from_le_bytes(v))),
            Self::I16 => write(bytes, out, |v| f32::from(i16::from_le_bytes(v))),
            Self::U32 => write(bytes, out, |v| u32::from_le_bytes(v) as f32),
            Self::I32 => write(bytes, out, |v| i32::from_le_bytes(v) as f32),
            Self::U64 => write(bytes, out, |v| u64::from_le_bytes(v) as f32),
            Self::I64 => write(bytes, out, |v| i64::from_le_bytes(v) as f32),
            Self::F16 => write(bytes, out, |v| half(u16::from_le_bytes(v))),
            Self::Bf16 => write(bytes, out, |v| brain(u16::from_le_bytes(v))),
            Self::F32 => write(bytes, out, f32::from_le_bytes),
            Self::F64 => write(bytes, out, |v| f64::from_le_bytes(v) as f32),
        }
    }
}

impl fmt::Display for Dtype {
    /// NumPy's name for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::U64 => "uint64",
            Self::I64 => "int64",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
        })
    }
}

fn each<const N: usize>(bytes: &[u8], out: &mut Vec<f64>, convert: impl Fn([u8; N]) -> f64) {
    out.extend(bytes.as_chunks::<N>().0.iter().map(|&v| convert(v)));
}

fn write<const N: usize>(bytes: &[u8], out: &mut [f32], convert: impl Fn([u8; N]) -> f32) {
    for (value, &stored) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *value = convert(stored);
    }
}

/// IEEE 754 binary16, exactly.
fn half(bits: u16) -> f32 {
    let fraction = f32::from(bits & 0x3ff);
    let size = match (bits >> 10) & 0x1f {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1.0 + fraction / 1024.0) * 2_f32.powi(i32::from(exponent) - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// The upper half of a float32.
fn brain(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_floats_are_exact() {
        let known = [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 5.960_464_5e-8)];
        for (bits, value) in known {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
        assert_eq!(brain(0x3fc0), 1.5);
    }
}
