//! How models are loaded and run.

use std::thread::available_parallelism;

use super::{Draw, Precision};
use crate::analysis::session::{ChannelAxis, ChosenWeights, GivenInput, refuse_tensors};
use crate::error::Result;
use crate::report::{DefaultsInput, Inputs};
use crate::torchscript::device::DeviceChoice;
use crate::torchscript::{Execution, device, draws, native};

/// How the models of a run are loaded and run.
#[derive(Debug, Clone)]
pub struct Running {
    /// Where they run.
    pub device: DeviceChoice,
    /// Threads to compute with; as many as the process may use at once (affinity, quota of its control group) where
    /// nothing is said.
    pub threads: Option<usize>,
    /// Whether modules are frozen and their batch norms folded.
    pub optimize: bool,
    /// Seed of all that is drawn at random. Where nothing is said, a limit takes the first samples of each class
    /// and everything else begins from 0.
    pub seed: Option<u64>,
    /// Seed of the random numbers that a model draws in evaluation, where it does not follow from `seed`.
    pub draw_seed: Option<u64>,
    /// Whether a model that changes its own buffers begins each run with what the one before it left.
    pub keep_state: bool,
    /// Whether archives are loaded whose code reads or writes files or reaches other processes.
    pub trust: bool,
    /// What holds the process beside that judgement; the report says it.
    pub held_by: Vec<String>,
    /// The file that parts of the request were taken from, if any; the report says it.
    pub defaults: Option<DefaultsInput>,
    /// Weights over each model in their order; empty where all keep their own.
    pub weights: Vec<Option<ChosenWeights>>,
    /// Numbers and flags for arguments of `forward` beside its tensors.
    pub inputs: Vec<GivenInput>,
    /// The type that floats are computed in, where it is not that of the file.
    pub dtype: Option<FloatType>,
    /// How exactly they compute.
    pub precision: Precision,
    /// Which part of what a model returns is its output: none, one for all, or one for each.
    pub output_keys: Vec<Option<String>>,
    /// Where the channels of layers are, where that is detected wrongly or not at all.
    pub channel_axes: Vec<ChannelAxis>,
}

impl Default for Running {
    /// On the GPU where there is one, with all cores, optimised.
    fn default() -> Self {
        Self {
            device: DeviceChoice::Auto,
            threads: None,
            optimize: true,
            seed: None,
            draw_seed: None,
            keep_state: false,
            trust: false,
            held_by: vec![],
            defaults: None,
            weights: vec![],
            inputs: vec![],
            dtype: None,
            precision: Precision::default(),
            output_keys: vec![],
            channel_axes: vec![],
        }
    }
}

impl Running {
    /// Sets the threads and finds the device.
    ///
    /// # Errors
    /// The device is not there, or does not compute as exactly as is asked for.
    pub fn execution(&self) -> Result<Execution> {
        refuse_tensors(&self.inputs)?;
        native::set_threads(self.threads());
        draws::set_seed(self.seed_of(Draw::Model, self.draw_seed));
        let device = self.device.resolve()?;
        self.precision.check(self.dtype, device)?;
        device::set_products(device, self.precision == Precision::Tf32);
        Ok(Execution { optimize: self.optimize, device })
    }

    /// What a report of the run says of its inputs before there are any.
    pub fn inputs(&self) -> Inputs {
        Inputs { defaults: self.defaults.clone(), ..Inputs::default() }
    }

    /// The seed of a use: its own where one was given, else what follows from that of the run, else 0.
    pub fn seed_of(&self, draw: Draw, own: Option<u64>) -> u64 {
        own.or_else(|| self.seed.map(|seed| draw.seed(seed))).unwrap_or(0)
    }

    /// What holds the models, as reports name it.
    pub fn holds(&self) -> Vec<String> {
        let judged = (!self.trust).then(|| JUDGED.to_owned());
        judged.into_iter().chain(self.held_by.iter().cloned()).collect()
    }

    /// Threads to compute with.
    pub fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| available_parallelism().map_or(1, usize::from))
    }
}

/// What a report calls that the code of a model was judged before it ran.
pub const JUDGED: &str = "operators";

/// A type of floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatType {
    /// 32 bits.
    F32,
    /// 16 bits, 11 of them for digits.
    F16,
    /// 16 bits, 8 of them for digits.
    Bf16,
    /// 64 bits.
    F64,
}

impl FloatType {
    /// The same for libtorch.
    pub fn kind(self) -> tch::Kind {
        match self {
            Self::F32 => tch::Kind::Float,
            Self::F16 => tch::Kind::Half,
            Self::Bf16 => tch::Kind::BFloat16,
            Self::F64 => tch::Kind::Double,
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Leaves this thread the first processor of those that it may run on.
    #[expect(unsafe_code, reason = "the standard library sets no affinity")]
    fn keep_one_processor() -> std::io::Result<()> {
        let size = size_of::<libc::cpu_set_t>();
        // SAFETY: both sets are whole, and so large as is said.
        unsafe {
            let (mut all, mut one): (libc::cpu_set_t, libc::cpu_set_t) = std::mem::zeroed();
            let got = libc::sched_getaffinity(0, size, &mut all);
            let first = (0..libc::CPU_SETSIZE as usize).find(|&cpu| libc::CPU_ISSET(cpu, &all));
            libc::CPU_SET(first.unwrap_or(0), &mut one);
            match got == 0 && libc::sched_setaffinity(0, size, &one) == 0 {
                true => Ok(()),
                false => Err(std::io::Error::last_os_error()),
            }
        }
    }

    #[test]
    fn threads_are_as_many_as_may_run_at_once() {
        let counted = std::thread::spawn(|| {
            keep_one_processor()?;
            let given = Running { threads: Some(3), ..Running::default() };
            Ok::<_, std::io::Error>((Running::default().threads(), given.threads()))
        });
        assert!(matches!(counted.join(), Ok(Ok((1, 3)))));
    }
}
