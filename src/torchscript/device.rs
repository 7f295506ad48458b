//! Where models run: the CPU, or a CUDA device whose library is loaded only when it is asked for.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tch::Device;

use super::ffi::{
    self,
    device::{StreamsHandle, Which},
};
use super::native::open_library;
use super::tensors::torch_words;
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
        let remedy = "use --device cpu, or install CUDA's libraries (with PyTorch: pip install torch; in a checkout: \
                      ./setup.sh --cuda)";
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

/// Whether a CUDA device computes in TF32 and bfloat16; no other device does so by itself.
pub fn has_short_floats(device: Device) -> bool {
    matches!(device, Device::Cuda(_)) && ffi::device::has_short_floats()
}

/// Whether models may multiply in TF32.
static TF32: AtomicBool = AtomicBool::new(false);

/// Says how models multiply float32 on a device from now on: in TF32, or exactly, which is not what libtorch
/// begins with.
pub fn set_products(device: Device, tf32: bool) {
    if device != Device::Cpu {
        TF32.store(tf32, Ordering::SeqCst);
        ffi::device::set_tf32(tf32);
    }
}

/// Multiplies exactly for as long as it lives, whatever models do.
pub struct Exactly(bool);

/// Multiplies float32 in float32 as long as what is returned lives.
pub fn exactly() -> Exactly {
    let tf32 = TF32.swap(false, Ordering::SeqCst);
    if tf32 {
        ffi::device::set_tf32(false);
    }
    Exactly(tf32)
}

impl Drop for Exactly {
    fn drop(&mut self) {
        if self.0 {
            TF32.store(true, Ordering::SeqCst);
            ffi::device::set_tf32(true);
        }
    }
}

/// A stream for each model of a run, and one for copies; none on a device that computes nothing while the program
/// goes on.
pub struct Streams(Option<StreamsHandle>);

/// Makes a stream current for as long as it lives.
pub struct Current<'a>(Option<&'a StreamsHandle>);

impl Streams {
    /// For so many models.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn new(device: Device, models: usize) -> Result<Self> {
        Ok(Self(match device {
            Device::Cuda(i) => Some(said(StreamsHandle::new(i, models))?),
            _ => None,
        }))
    }

    /// Lets models begin with what was computed and copied before.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn fork(&self) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |streams| said(streams.fork()))
    }

    /// Lets what comes wait for the models.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn join(&self) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |streams| said(streams.join()))
    }

    /// Computes for a model as long as what is returned lives.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn of_model(&self, place: usize) -> Result<Current<'_>> {
        self.current(Which::Own(place))
    }

    /// Copies beside all models as long as what is returned lives.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn of_copies(&self) -> Result<Current<'_>> {
        self.current(Which::Copies)
    }

    fn current(&self, which: Which) -> Result<Current<'_>> {
        let current = Current(self.0.as_ref());
        self.0.as_ref().map_or(Ok(()), |streams| said(streams.make_current(which)))?;
        Ok(current)
    }
}

impl Drop for Current<'_> {
    fn drop(&mut self) {
        if let Some(streams) = self.0 {
            let _ = streams.make_current(Which::Main);
        }
    }
}

fn said<T>(found: Result<T, String>) -> Result<T> {
    found.map_err(|words| torch_words("use the streams of a device", &words))
}

/// Loads libtorch's CUDA backend, which registers itself; once in a process.
fn load_cuda() -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(open_cuda_library).clone()
}

fn open_cuda_library() -> Result<(), String> {
    let beside = libtorch_folder().map(|folder| folder.join(CUDA_LIBRARY));
    let beside = beside.filter(|library| library.exists());
    open_library(
        &beside.map_or(CUDA_LIBRARY.into(), |library| library.to_string_lossy().into_owned()),
    )
}

const CUDA_LIBRARY: &str = "libtorch_cuda.so";

/// The folder of the libtorch that runs.
pub fn libtorch_folder() -> Option<PathBuf> {
    let file = ffi::libtorch_file()?;
    let file = file.canonicalize().unwrap_or(file);
    file.parent().map(PathBuf::from)
}

/// Whether models can run on CUDA devices here, in a line; libtorch's CUDA library is opened only where there is a
/// driver for it.
pub fn cuda_told() -> String {
    let found = open_library("libcuda.so.1").map_err(|_| "there is no NVIDIA driver".to_owned());
    match found.and_then(|()| load_cuda()) {
        Err(reason) => format!("not found: {reason}"),
        Ok(()) => match tch::Cuda::device_count().max(0) {
            0 => "found, but no device".to_owned(),
            1 => "found, 1 device".to_owned(),
            many => format!("found, {many} devices"),
        },
    }
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
