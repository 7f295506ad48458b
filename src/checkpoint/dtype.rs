//! Types of the elements of stored tensors.

/// A type of elements; all are stored with the least significant byte first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// A truth value, one byte.
    Bool,
    /// Unsigned, 8 bits.
    U8,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// Half precision.
    F16,
    /// Brain float.
    Bf16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
    /// Two single-precision numbers.
    C64,
    /// Two double-precision numbers.
    C128,
    /// 8 bits, 4 of them the exponent.
    F8E4M3,
    /// 8 bits, 5 of them the exponent.
    F8E5M2,
}

impl Dtype {
    /// Bytes of an element.
    pub fn size(self) -> u64 {
        match self {
            Self::Bool | Self::U8 | Self::I8 | Self::F8E4M3 | Self::F8E5M2 => 1,
            Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 | Self::C64 => 8,
            Self::C128 => 16,
        }
    }

    /// PyTorch's name: `float32`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::C64 => "complex64",
            Self::C128 => "complex128",
            Self::F8E4M3 => "float8_e4m3fn",
            Self::F8E5M2 => "float8_e5m2",
        }
    }

    const ALL: [Self; 14] = [
        Self::Bool,
        Self::U8,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::F16,
        Self::Bf16,
        Self::F32,
        Self::F64,
        Self::C64,
        Self::C128,
        Self::F8E4M3,
        Self::F8E5M2,
    ];

    /// The type of a class name such as `torch.float32`.
    pub(super) fn of_class(class: &str) -> Option<Self> {
        let name = class.strip_prefix("torch.")?;
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    /// The type of a storage's class, such as `torch.FloatStorage`; bytes where it has none, and what
    /// quantised elements are stored as.
    pub(super) fn of_storage(class: &str) -> Option<Self> {
        let (module, name) = class.rsplit_once('.')?;
        if !matches!(module, "torch" | "torch.cuda" | "torch.storage") {
            return None;
        }
        Some(match name.strip_suffix("Storage")? {
            "Bool" => Self::Bool,
            "Byte" | "Untyped" | "QUInt8" | "QUInt4x2" | "QUInt2x4" => Self::U8,
            "Char" | "QInt8" => Self::I8,
            "Short" => Self::I16,
            "Int" | "QInt32" => Self::I32,
            "Long" => Self::I64,
            "Half" => Self::F16,
            "BFloat16" => Self::Bf16,
            "Float" => Self::F32,
            "Double" => Self::F64,
            "ComplexFloat" => Self::C64,
            "ComplexDouble" => Self::C128,
            _ => return None,
        })
    }
}
