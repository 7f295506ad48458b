//! Where models run: the CPU, or a CUDA device whose library is loaded only when it is asked for.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use tch::Device;

use super::native::open_library;
use crate::error::{Error, Result};

/// A device as asked for on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// CUDA where there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", number)) => {
                number.parse().map(Self::Cuda).map_err(|_| format!("'{number}' is not a number"))
            }
            _ => Err("expected auto, cpu, cuda or cuda:N".to_owned()),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(i) => write!(f, "cuda:{i}"),
        }
    }
}

impl DeviceChoice {
    /// Loads what the device needs and computes something on it, so that all of it is open from then on;
    /// whether it is CUDA. What is wrong with the device is said when it is resolved.
    pub fn warm(self) -> bool {
        let device = match self.resolve() {
            Ok(device @ Device::Cuda(_)) => device,
            _ => return false,
        };
        let _ = tch::Tensor::f_ones([1], (tch::Kind::Float, device));
        true
    }

    /// The device to run on.
    ///
    /// # Errors
    /// CUDA was asked for and its library is not installed, or there is no such device.
    pub fn resolve(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto => {
                let usable = load_cuda().is_ok() && tch::Cuda::device_count() > 0;
                Ok(if usable { Device::Cuda(0) } else { Device::Cpu })
            }
            Self::Cuda(i) => cuda(i),
        }
    }
}

fn cuda(i: usize) -> Result<Device> {
    if let Err(message) = load_cuda() {
        let problem = format!("failed to use device cuda:{i}: {message}");
        let remedy = "use --device cpu, or build with CUDA's libraries (./setup.sh --cuda)";
        return Err(Error::usage(problem, remedy));
    }
    let count = tch::Cuda::device_count().max(0) as usize;
    if i < count {
        return Ok(Device::Cuda(i));
    }
    let problem = format!("failed to use device cuda:{i}: libtorch sees {count} CUDA devices");
    Err(Error::usage(problem, "use --device cpu, or check the driver with nvidia-smi"))
}

/// The number of CUDA devices.
///
/// # Errors
/// There is none, or CUDA's library is not installed.
pub fn count() -> Result<usize> {
    cuda(0)?;
    Ok(tch::Cuda::device_count().max(0) as usize)
}

/// The name libtorch has for a device.
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(i) => format!("cuda:{i}"),
        _ => "cpu".to_owned(),
    }
}

/// Loads libtorch's CUDA backend, which registers itself; once in a process.
fn load_cuda() -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(open_cuda_library).clone()
}

fn open_cuda_library() -> Result<(), String> {
    let beside = concat!(env!("REPSIM_LIBTORCH_LIB"), "/libtorch_cuda.so");
    open_library("libtorch_cuda.so").or_else(|_| open_library(beside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for text in ["auto", "cpu", "cuda:0", "cuda:3"] {
            assert_eq!(text.parse::<DeviceChoice>().map(|d| d.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        assert!("gpu".parse::<DeviceChoice>().is_err());
        assert!("cuda:x".parse::<DeviceChoice>().is_err());
    }
}
