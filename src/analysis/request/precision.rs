//! How exactly models compute.

use std::fmt;
use std::str::FromStr;

use tch::{Device, Kind};

use super::FloatType;
use crate::error::{Error, Result};
use crate::report::Warning;
use crate::torchscript::device;

/// How exactly models compute. Sums over what they give are in float32 and float64 whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Every model in its own type, and products of float32 in float32.
    #[default]
    F32,
    /// Products of float32 from factors of 11 significant bits, as CUDA devices compute them faster.
    Tf32,
    /// Weights and activations of 16 bits, 11 of them significant.
    F16,
    /// Weights and activations of 16 bits, 8 of them significant.
    Bf16,
}

impl Precision {
    const ALL: [Self; 4] = [Self::F32, Self::Tf32, Self::F16, Self::Bf16];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// What reports say of it: nothing of the exact one.
    pub fn recorded(self) -> Option<String> {
        (self != Self::F32).then(|| self.name().to_owned())
    }

    /// The type that models are cast to.
    pub fn kind(self) -> Option<Kind> {
        match self {
            Self::F32 | Self::Tf32 => None,
            Self::F16 => Some(Kind::Half),
            Self::Bf16 => Some(Kind::BFloat16),
        }
    }

    /// Checks that a device computes so, and that no other type is asked for.
    ///
    /// # Errors
    /// It does not, or one is.
    pub fn check(self, dtype: Option<FloatType>, device: Device) -> Result<()> {
        let fits = match (self, dtype) {
            (Self::F32, _) | (_, None) => true,
            (Self::Tf32, Some(dtype)) => dtype == FloatType::F32,
            (_, Some(dtype)) => self.kind() == Some(dtype.kind()),
        };
        if !fits {
            let problem = format!("--precision {self} and --dtype are of different types");
            return Err(Error::usage(problem, "give one of them"));
        }
        let lacks = match self {
            Self::F32 | Self::F16 => false,
            Self::Tf32 => !device::has_short_floats(device),
            Self::Bf16 => device != Device::Cpu && !device::has_short_floats(device),
        };
        let on = device::name(device);
        let remedy = match device {
            Device::Cpu => "use --precision f32 or bf16; tf32 is of CUDA devices (Ampere or newer)",
            _ => "use --precision f32 or f16; others are of Ampere or newer",
        };
        let problem = || format!("--precision {self}: the models run on {on}, which has no {self}");
        if lacks { Err(Error::usage(problem(), remedy)) } else { Ok(()) }
    }

    /// What it means for the numbers; nothing of the exact one.
    pub fn warning(self) -> Option<Warning> {
        let (how, bits) = match self {
            Self::F32 => return None,
            Self::Tf32 => ("multiply in TF32", 11),
            Self::F16 => ("compute in float16", 11),
            Self::Bf16 => ("compute in bfloat16", 8),
        };
        let text = format!(
            "the models {how} ({bits} significant bits): values are near those of float32 and not the same, and \
             `check` holds them only against others of this precision"
        );
        Some(Warning::new("reduced-precision", format!("--precision {self}"), text))
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.name() == text);
        found.ok_or_else(|| "expected f32, tf32, f16 or bf16".to_owned())
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
