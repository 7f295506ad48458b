//! From options to settings of the engine.

use std::path::Path;
use std::thread::available_parallelism;

use super::args::{DataArgs, LoadArgs, ModelArgs, PreprocessArgs, PreprocessBArgs, TextArgs};
use super::given::refuse_tensors;
use super::output::Messages;
use super::own_steps;
use crate::data::{Crop, Dataset, Interpolation, LoadOptions, Preprocess, Resize, Tokenizing};
use crate::error::{Error, Result};
use crate::torchscript::{Execution, draws, native};
use crate::view::names::few;

/// Batches that are decoded ahead of the network.
const AHEAD: usize = 2;

impl DataArgs {
    /// Opens the data set and takes the subset asked for.
    ///
    /// # Errors
    /// No data was given, or it cannot be opened.
    pub fn open(&self) -> Result<Dataset> {
        match &self.texts.tokenizer {
            None => {
                let dataset = Dataset::open_inputs(self.path()?, self.load.layout)?;
                refuse_several(&dataset)?;
                self.chosen(dataset)
            }
            Some(_) => Err(Error::usage(
                "--tokenizer makes token ids of texts, and this command takes images",
                "leave it out, and give images as --data",
            )),
        }
    }

    /// The same for models of several inputs too: a file may hold an array for each, or texts.
    ///
    /// # Errors
    /// As [`DataArgs::open`].
    pub fn open_inputs(&self) -> Result<Dataset> {
        let path = self.path()?;
        let other = || Dataset::open_inputs(path, self.load.layout);
        self.chosen(self.texts.open(path, other)?)
    }

    fn path(&self) -> Result<&Path> {
        self.data.as_deref().ok_or_else(|| {
            Error::usage("no data was given", "name a folder of images with --data FOLDER")
        })
    }

    fn chosen(&self, dataset: Dataset) -> Result<Dataset> {
        match (self.load.layout, dataset.layout()) {
            (Some(layout), None) => {
                let problem =
                    format!("--layout {layout} is for arrays of pictures, and this is none");
                Err(Error::file("open", dataset.path(), problem, "leave --layout out"))
            }
            _ => dataset.subset(self.load.limit, self.load.seed),
        }
    }
}

impl TextArgs {
    /// Opens texts where a tokenizer was given, and what `other` does where none was.
    ///
    /// # Errors
    /// It cannot be opened, or holds texts without a tokenizer.
    pub fn open(&self, path: &Path, other: impl FnOnce() -> Result<Dataset>) -> Result<Dataset> {
        match &self.tokenizer {
            Some(tokenizer) => {
                let tokenizer = tokenizer.clone();
                let how = Tokenizing { tokenizer, max_length: self.max_length };
                Dataset::open_texts(path, &how)
            }
            None if path.extension().is_some_and(|end| end == "txt") => Err(Error::file(
                "open",
                path,
                "it holds texts, and nothing says how they become token ids",
                "give the network's tokenizer.json with --tokenizer",
            )),
            None => other(),
        }
    }
}

impl LoadArgs {
    /// Whether an option was given that only images have; the batch size is not one.
    pub fn any(&self) -> bool {
        let chosen = self.limit.is_some() || self.seed.is_some() || self.layout.is_some();
        chosen || self.skip_unreadable
    }

    /// How samples are read.
    pub fn options(&self, threads: usize) -> LoadOptions {
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
        let ranges = self.range.is_some() || self.float_range.is_some();
        let values = ranges || self.mean.is_some() || self.std.is_some();
        self.preprocess.is_some() || sizes || values || self.channels.is_some()
    }

    /// The preset with the steps given on top.
    ///
    /// # Errors
    /// A step that means nothing.
    pub fn steps(&self, dataset: &Dataset) -> Result<Preprocess> {
        let preset = self.preprocess.unwrap_or(dataset.default_preset());
        self.on_top(Preprocess::preset(preset))
    }

    /// Steps with those given on top.
    ///
    /// # Errors
    /// A step that means nothing.
    pub fn on_top(&self, mut steps: Preprocess) -> Result<Preprocess> {
        set(&mut steps.resize, self.resize);
        set(&mut steps.interpolation, self.interpolation);
        settle_fid_resize(&mut steps, (self.interpolation, ""), self.resize)?;
        set(&mut steps.crop, self.crop);
        set(&mut steps.channels, self.channels);
        set(&mut steps.range, self.range);
        set(&mut steps.float_range, self.float_range);
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
        self.on_top(match self.preprocess_b {
            Some(preset) => Preprocess { float_range: a.float_range, ..Preprocess::preset(preset) },
            None => a.clone(),
        })
    }

    /// Steps with those given for B on top.
    ///
    /// # Errors
    /// A step that means nothing.
    pub fn on_top(&self, mut steps: Preprocess) -> Result<Preprocess> {
        set(&mut steps.resize, self.resize_b);
        set(&mut steps.interpolation, self.interpolation_b);
        settle_fid_resize(&mut steps, (self.interpolation_b, "-b"), self.resize_b)?;
        set(&mut steps.crop, self.crop_b);
        set(&mut steps.channels, self.channels_b);
        set(&mut steps.range, self.range_b);
        set(&mut steps.mean, self.mean_b.clone());
        set(&mut steps.std, self.std_b.clone());
        steps.validate()?;
        Ok(steps)
    }
}

/// Refuses arrays for several inputs.
fn refuse_several(dataset: &Dataset) -> Result<()> {
    let arrays = dataset.arrays();
    let names: Vec<&str> = arrays.iter().map(|array| array.name.as_str()).collect();
    if names.len() < 2 {
        return Ok(());
    }
    let problem = format!(
        "it holds {} for several inputs, and this command takes one: images",
        few("array", &names)
    );
    let remedy = "name the array of images \"images\", or give a network of one input";
    Err(Error::file("open", dataset.path(), problem, remedy))
}

/// A resizing of FID tools brings its own interpolation, and nothing is cropped after it unless that
/// is asked for.
fn settle_fid_resize(
    steps: &mut Preprocess,
    (interpolation, suffix): (Option<Interpolation>, &str),
    given: Option<Resize>,
) -> Result<()> {
    if steps.resize.is_fid() && interpolation.is_some() {
        let problem =
            format!("--interpolation{suffix} does not go with --resize{suffix} {}", steps.resize);
        return Err(Error::usage(problem, "leave it out: that resizing brings its own"));
    }
    if given.is_some_and(Resize::is_fid) {
        steps.crop = Crop::None;
    }
    match steps.resize {
        Resize::Clean { .. } => steps.interpolation = Interpolation::Bicubic,
        Resize::LegacyPytorch { .. } => steps.interpolation = Interpolation::Bilinear,
        _ => {}
    }
    Ok(())
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
        refuse_tensors(&self.input)?;
        native::set_threads(self.threads());
        draws::set_seed(self.draw_seed);
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
        let told = own_steps::told(steps);
        messages.note(&format!("preprocessing: {told} (choose with --preprocess)"));
    }
}
