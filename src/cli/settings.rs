//! From options to settings of the engine.

use std::thread::available_parallelism;

use super::args::{DataArgs, ModelArgs, PreprocessArgs, PreprocessBArgs};
use super::output::Messages;
use crate::data::{Dataset, LoadOptions, Preprocess};
use crate::error::{Error, Result};
use crate::torchscript::{Execution, native};

/// Batches that are decoded ahead of the network.
const AHEAD: usize = 2;

impl DataArgs {
    /// Whether an option was given that only images have; the batch size is not one.
    pub fn any(&self) -> bool {
        self.limit.is_some() || self.seed.is_some() || self.skip_unreadable
    }

    /// Opens the data set and takes the subset asked for.
    ///
    /// # Errors
    /// No data was given, or it cannot be opened.
    pub fn open(&self) -> Result<Dataset> {
        let path = self.data.as_deref().ok_or_else(|| {
            Error::usage("no data was given", "name a folder of images with --data FOLDER")
        })?;
        Dataset::open(path)?.subset(self.limit, self.seed)
    }

    /// How it is read.
    pub fn load_options(&self, threads: usize) -> LoadOptions {
        LoadOptions {
            batch_size: self.batch_size,
            workers: self.workers.unwrap_or((threads / 2).max(1)),
            ahead: AHEAD,
            skip_unreadable: self.skip_unreadable,
            fingerprint: true,
        }
    }
}

impl PreprocessArgs {
    /// Whether any of the options was given.
    pub fn any(&self) -> bool {
        let sizes = self.resize.is_some() || self.crop.is_some() || self.interpolation.is_some();
        let values = self.range.is_some() || self.mean.is_some() || self.std.is_some();
        self.preprocess.is_some() || sizes || values || self.channels.is_some()
    }

    /// The preset with the steps given on top.
    ///
    /// # Errors
    /// A step that means nothing.
    pub fn steps(&self, dataset: &Dataset) -> Result<Preprocess> {
        let preset = self.preprocess.unwrap_or(dataset.default_preset());
        let mut steps = Preprocess::preset(preset);
        set(&mut steps.resize, self.resize);
        set(&mut steps.interpolation, self.interpolation);
        set(&mut steps.crop, self.crop);
        set(&mut steps.channels, self.channels);
        set(&mut steps.range, self.range);
        set(&mut steps.mean, self.mean.clone());
        set(&mut steps.std, self.std.clone());
        steps.validate()?;
        Ok(steps)
    }
}

impl PreprocessBArgs {
    /// Whether any of the options was given.
    pub fn any(&self) -> bool {
        let sizes =
            self.resize_b.is_some() || self.crop_b.is_some() || self.interpolation_b.is_some();
        let values = self.range_b.is_some() || self.mean_b.is_some() || self.std_b.is_some();
        self.preprocess_b.is_some() || sizes || values || self.channels_b.is_some()
    }

    /// The steps for B: those for A, or its own preset, with its own on top.
    ///
    /// # Errors
    /// A step that means nothing.
    pub fn steps(&self, a: &Preprocess) -> Result<Preprocess> {
        let mut steps = match self.preprocess_b {
            Some(preset) => Preprocess::preset(preset),
            None => a.clone(),
        };
        set(&mut steps.resize, self.resize_b);
        set(&mut steps.interpolation, self.interpolation_b);
        set(&mut steps.crop, self.crop_b);
        set(&mut steps.channels, self.channels_b);
        set(&mut steps.range, self.range_b);
        set(&mut steps.mean, self.mean_b.clone());
        set(&mut steps.std, self.std_b.clone());
        steps.validate()?;
        Ok(steps)
    }
}

fn set<T>(target: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *target = value;
    }
}

impl ModelArgs {
    /// Sets the threads and finds the device.
    ///
    /// # Errors
    /// The device is not there.
    pub fn execution(&self) -> Result<Execution> {
        native::set_threads(self.threads());
        Ok(Execution { optimize: !self.no_optimize, device: self.device.resolve()? })
    }

    /// Threads to compute with.
    pub fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| available_parallelism().map_or(1, usize::from))
    }
}

/// Says which preset was taken where none was given.
pub fn tell_preset(args: &PreprocessArgs, steps: &Preprocess, messages: &Messages) {
    if args.preprocess.is_none() {
        let name = format!("{:?}", steps.preset).to_lowercase();
        messages.note(&format!("preprocessing: {name} (choose with --preprocess)"));
    }
}
