//! Features of data sets from one layer of one model: what `fid`, `stats` and `distance` share.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::binding::bind_again;
use super::loading::load_all;
use super::models::check_output;
use super::{accuracy, axes, beside};
use crate::analysis::{Loading, Observer, Preprocessing, Running, Texts};
use crate::capture::extract::{Extractor, Pass, Sink};
use crate::capture::part::Reading;
use crate::capture::{Judged, Naming, Reduce, Source, Timing, first_samples};
use crate::data::{
    self, ArrayLayout, Channels, Dataset, InputArray, LoadOptions, Preprocess, Preset, Resize,
    Summary,
};
use crate::error::{Error, Result};
use crate::report::{ModelInput, Warning};
use crate::torchscript::device;
use tch::Tensor;

/// Where features come from.
#[derive(Debug, Clone)]
pub struct Extraction {
    /// The model; none where all sets are features.
    pub model: Option<PathBuf>,
    /// The layer whose output they are, or of files with several arrays the array; the input of the last
    /// linear layer, or what an extractor for FID returns, where nothing is said.
    pub layer: Option<String>,
    /// From a feature map to a row.
    pub reduce: Reduce,
    /// Bytes for covariances and kept features.
    pub memory: u64,
    /// Which element of a tuple that the model returns are its logits.
    pub output_index: Option<usize>,
    /// How texts become token ids.
    pub texts: Texts,
    /// How many of the layer's channels are taken, the first ones; all without one.
    pub first_channels: Option<usize>,
    /// Which samples are taken of each set, and how they are read.
    pub load: Loading,
    /// What is done to them.
    pub preprocessing: Preprocessing,
    /// How the model is loaded and run.
    pub running: Running,
}

impl Default for Extraction {
    /// Channel means within 4 GiB.
    fn default() -> Self {
        Self {
            model: None,
            layer: None,
            reduce: Reduce::Gap,
            memory: 4 << 30,
            output_index: None,
            first_channels: None,
            texts: Texts::default(),
            load: Loading::default(),
            preprocessing: Preprocessing::default(),
            running: Running::default(),
        }
    }
}

impl Extraction {
    /// What reports say of how exactly the model computes; nothing where there is none.
    pub(in crate::analysis) fn recorded_precision(&self) -> Option<String> {
        self.model.as_ref().and_then(|_| self.running.precision.recorded())
    }
}

/// A model that is loaded when the first images come, and then serves all image sets alike.
pub struct Features<'a> {
    args: &'a Extraction,
    observer: &'a dyn Observer,
    ready: Option<Ready>,
    /// Where the time went.
    pub timing: Timing,
    /// Seconds until the model was ready.
    pub loading: f64,
    /// The order of the axes of arrays of pictures that are opened next.
    pub layout: Option<ArrayLayout>,
    /// Names of the model's outputs, where more is known than the classes of a set.
    pub naming: Naming,
    /// Which set the model runs over next, from 1, of how many; `None` of a single one.
    pub place: Option<(usize, usize)>,
}

/// A model ready to run.
pub struct Ready {
    extractor: Extractor,
    /// What the report says of it.
    pub record: ModelInput,
    /// What is done to every sample.
    pub preprocess: Preprocess,
    /// The layer, or `output`.
    pub layer: String,
    /// D.
    pub width: usize,
    /// Where it runs.
    pub device: String,
    /// Whether it is an extractor for FID, which takes bytes.
    pub takes_bytes: bool,
    /// The arrays of the set that it is ready for; none for images.
    arrays: Vec<InputArray>,
    warnings: Vec<Warning>,
}

impl Ready {
    /// The axis of the channels, where the features depend on it and the number of axes would tell
    /// another one.
    pub fn channel_axis(&self) -> Option<usize> {
        self.extractor.channel_axis()
    }

    /// Whether its features are the numbers that the model returns for each sample, and not means of more.
    pub fn gives_matrix(&self) -> bool {
        self.extractor.takes_output() && self.extractor.rank() == 2
    }
}

/// The name under which a model's output stands where a layer's would.
const OUTPUT: &str = "output";

impl Ready {
    /// Takes in what the outputs say of a set. A warning is given of the first set with labels alone: of
    /// the later ones, which may be made to be unlike it, the report says it.
    fn judge(&mut self, dataset: &Dataset, judged: Judged, observer: &dyn Observer) {
        let first = self.record.accuracy.is_empty();
        let data = dataset.path().display().to_string();
        let records = std::slice::from_mut(&mut self.record);
        let warnings = accuracy::judge(records, &data, &[judged], observer);
        self.warnings.extend(warnings.into_iter().filter(|_| first));
    }
}

impl<'a> Features<'a> {
    /// Nothing is loaded yet.
    pub fn new(args: &'a Extraction, observer: &'a dyn Observer) -> Self {
        let (timing, naming) = (Timing::default(), Naming::default());
        let (ready, place) = (None, None);
        Self {
            args,
            observer,
            ready,
            timing,
            loading: 0.0,
            layout: args.load.layout,
            naming,
            place,
        }
    }

    /// What the report says of the model, once it was needed.
    pub fn ready(&self) -> Option<&Ready> {
        self.ready.as_ref()
    }

    /// What was noticed of the model since this was last asked.
    pub fn noticed(&mut self) -> Vec<Warning> {
        self.ready.as_mut().map(|ready| std::mem::take(&mut ready.warnings)).unwrap_or_default()
    }

    /// Opens a data set and takes the subset asked for; labels that are not classes are an error only
    /// where `labels` are wanted.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(&self, path: &Path, labels: bool) -> Result<Dataset> {
        let layout = self.layout;
        let arrays = || match labels {
            true => Dataset::open_inputs(path, layout),
            false => Dataset::open_for_samples(path, layout),
        };
        let dataset = match is_array(path) || path.is_dir() {
            true => arrays(),
            false => self.args.texts.open(path, arrays),
        };
        let load = &self.args.load;
        dataset?.subset(load.limit, load.subset_seed(self.args.running.seed))
    }

    /// Loads the model, if it is not yet, and finds the layer by running it on the first samples.
    ///
    /// # Errors
    /// No model was given, or it does not fit the data.
    pub fn prepare(&mut self, dataset: &Dataset) -> Result<&Ready> {
        self.check_default(dataset)?;
        let ready = match self.ready.take() {
            Some(mut ready) => {
                self.fit(&mut ready, dataset)?;
                ready
            }
            None => {
                let loading = Instant::now();
                let ready = self.load(dataset)?;
                self.loading = loading.elapsed().as_secs_f64();
                ready
            }
        };
        Ok(self.ready.insert(ready))
    }

    /// Makes the model ready for the arrays of a set that are not those of the set before it.
    fn fit(&self, ready: &mut Ready, dataset: &Dataset) -> Result<()> {
        let arrays = dataset.arrays();
        if arrays == ready.arrays {
            return Ok(());
        }
        if arrays.is_empty() != ready.arrays.is_empty() {
            let (own, before) = match arrays.is_empty() {
                true => ("images", "arrays or texts"),
                false => ("rows of numbers and no images", "images"),
            };
            return Err(unfit(
                dataset,
                &format!("it holds {own}, and the sets before it {before}"),
            ));
        }
        ready.warnings.extend(bind_again(ready.extractor.model(), dataset)?.warnings);
        let sample = self.sample(dataset, &ready.preprocess)?;
        ready.extractor.resize(&sample).map_err(|error| match error {
            Error::Usage { problem, remedy } => {
                Error::file("measure", dataset.path(), problem, remedy)
            }
            other => other,
        })?;
        ready.arrays = arrays;
        Ok(())
    }

    /// The first two samples as the model takes them.
    fn sample(&self, dataset: &Dataset, preprocess: &Preprocess) -> Result<Tensor> {
        let source = Source {
            dataset,
            preprocess: std::slice::from_ref(preprocess),
            load: self.args.load.options(self.args.running.threads()),
        };
        Ok(first_samples(&source, 2)?.remove(0))
    }

    /// Where nothing was said of preprocessing, all sets must have the same default: which one is
    /// taken must not depend on their order.
    fn check_default(&self, dataset: &Dataset) -> Result<()> {
        let Some(ready) = &self.ready else { return Ok(()) };
        let by_default = self.args.preprocessing.preset.is_none() && !ready.takes_bytes;
        let (taken, own) = (ready.preprocess.preset, dataset.default_preset());
        if by_default && taken != own && taken != Preset::Own {
            return Err(Error::usage(
                format!(
                    "{} would be preprocessed as {own} by default, the sets before it as {taken}",
                    dataset.path().display()
                ),
                format!("say which: --preprocess {taken}, or --preprocess {own}"),
            ));
        }
        Ok(())
    }

    fn load(&self, dataset: &Dataset) -> Result<Ready> {
        let path = self.args.model.as_ref().ok_or_else(|| {
            let problem = format!(
                "{} holds {}, and no model was given",
                dataset.path().display(),
                what(dataset)
            );
            Error::usage(problem, "name the model that gives their features with --model FILE.pt")
        })?;
        let execution = self.args.running.execution()?;
        let mut loaded = load_all(std::slice::from_ref(path), &self.args.running)?;
        let mut loaded =
            loaded.pop().ok_or_else(|| Error::usage("no model was given", "name one"))?;
        loaded.choose_output(self.args.output_index);
        let takes_bytes = loaded.model.is_feature_extractor();
        let how = (&self.args.preprocessing, takes_bytes);
        let preprocess = steps(how, dataset, path, self.observer)?;
        let sample = self.sample(dataset, &preprocess)?;
        loaded.feed(dataset)?;
        let layer = self.args.layer.as_deref();
        let extractor = loaded.into_extractor(&sample, layer, &execution);
        let (mut subject, record, mut warnings) = extractor.map_err(|e| no_inputs(dataset, e))?;
        check_output(&mut subject.model, &sample)?;
        let of_layers = std::slice::from_ref(&subject);
        warnings.extend(axes::check(of_layers, self.args.reduce)?);
        let layer = subject.layers.first().map_or(OUTPUT.to_owned(), |l| l.name.clone());
        let mut extractor = Extractor::new(subject, self.args.reduce, &sample)?;
        if let Some(count) = self.args.first_channels {
            extractor = extractor.with_first_channels(count)?;
        }
        let width = extractor.width();
        let device = device::name(execution.device);
        let model = path.display();
        warnings.extend(extractor.guessed_axis().map(|axis| {
            let text = format!(
                "which axis holds the channels of what {model} returns is not known: by the number of axes, \
                 axis {axis} is taken; name the layer with --layers, or use --reduce flatten"
            );
            Warning::new("channel-axis-unknown", OUTPUT, text)
        }));
        self.observer.note(&format!("features: {layer} of {model}, D = {width}"));
        let arrays = dataset.arrays();
        Ok(Ready {
            extractor,
            record,
            preprocess,
            layer,
            width,
            device,
            takes_bytes,
            arrays,
            warnings,
        })
    }

    /// Runs the model over a data set and hands over the features of every batch; with `logits`
    /// what the model gives beside them.
    ///
    /// # Errors
    /// The data cannot be read, the model does not run on it, features are not finite, or the sink
    /// failed.
    pub fn run(&mut self, dataset: &Dataset, logits: bool, sink: &mut Sink<'_>) -> Result<Summary> {
        let (summary, judged) = self.pass(dataset, (logits, None), sink)?;
        if let Some(ready) = &mut self.ready {
            ready.judge(dataset, judged, self.observer);
        }
        Ok(summary)
    }

    /// The same over the samples at some positions, without messages.
    ///
    /// # Errors
    /// As [`Features::run`].
    pub fn run_part(
        &mut self,
        dataset: &Dataset,
        (logits, range): (bool, Range<usize>),
        sink: &mut Sink<'_>,
    ) -> Result<Reading> {
        let before = self.timing;
        let (summary, judged) = self.pass(dataset, (logits, Some(range)), sink)?;
        Ok(Reading::new(&summary, vec![judged.tally]).took(self.timing.since(&before)))
    }

    /// Takes what was read elsewhere in place of a run over a data set.
    ///
    /// # Errors
    /// No model was given, or it does not fit the data.
    pub fn replay(&mut self, dataset: &Dataset, reading: &Reading) -> Result<()> {
        self.prepare(dataset)?;
        self.timing.add(&reading.timing());
        if let (Some(ready), Some(tally)) = (&mut self.ready, reading.tallies().first()) {
            let judged = ready.extractor.judged(dataset, &self.naming, tally);
            ready.judge(dataset, judged, self.observer);
        }
        Ok(())
    }

    fn pass(
        &mut self,
        dataset: &Dataset,
        (logits, range): (bool, Option<Range<usize>>),
        sink: &mut Sink<'_>,
    ) -> Result<(Summary, Judged)> {
        self.prepare(dataset)?;
        let Some(ready) = self.ready.as_mut() else {
            return Err(Error::usage("no model was given", "name one with --model"));
        };
        let load = self.args.load.options(self.args.running.threads());
        let load = LoadOptions { range, ..load };
        let (preprocess, naming) = (&ready.preprocess, &self.naming);
        let pass = Pass { dataset, preprocess, load, logits, naming };
        let bar = &mut *self.observer.passes();
        if let Some((set, sets)) = self.place {
            bar.about(&format!("set {set} of {sets}"));
        }
        ready.extractor.run(&pass, sink, bar, &mut self.timing)
    }
}

/// What is done to the samples. An extractor for FID takes bytes, 0 to 255, and normalises them itself.
///
/// # Errors
/// A step that means nothing, or that an extractor does itself.
pub fn steps(
    (args, takes_bytes): (&Preprocessing, bool),
    dataset: &Dataset,
    model: &Path,
    observer: &dyn Observer,
) -> Result<Preprocess> {
    if !takes_bytes {
        let steps = args.for_model(dataset, model)?;
        beside::tell_preset(args, &steps, observer);
        return Ok(steps);
    }
    let normalises = args.range.is_some() || args.mean.is_some() || args.std.is_some();
    if normalises || args.preset.is_some() {
        let problem = "the model takes bytes and normalises them itself (return_features)";
        let remedy = "leave out --preprocess, --range, --mean and --std";
        return Err(Error::usage(problem, remedy));
    }
    let given = Preprocessing {
        preset: Some(Preset::Raw),
        resize: args.resize.or(Some(Resize::CLEAN)),
        channels: args.channels.or(Some(Channels::Rgb)),
        range: Some(data::Range::Bytes),
        mean: None,
        std: None,
        ..args.clone()
    };
    let steps = given.steps(dataset)?;
    if args.resize.is_none() {
        observer.note("preprocessing: --resize clean, as clean-fid (choose with --resize)");
    }
    Ok(steps)
}

/// Whether a file's name is one of arrays.
pub fn is_array(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    matches!(ending.as_deref(), Some("npy" | "npz" | "safetensors"))
}

/// The error for a set that is none of what the model takes.
fn unfit(dataset: &Dataset, problem: &str) -> Error {
    let remedy = "leave --model out where all sets are features, or give what the model takes";
    Error::file("measure", dataset.path(), problem, remedy)
}

/// Where a model does not run on rows of floats, these may be features.
fn no_inputs(dataset: &Dataset, error: Error) -> Error {
    match (dataset.arrays().as_slice(), &error) {
        ([one], Error::Model { path, problem, .. }) if one.is_float => {
            let model = path.display();
            let problem = format!(
                "it holds rows of numbers and no images, and {model} does not run on these: {problem}"
            );
            unfit(dataset, &problem)
        }
        _ => error,
    }
}

/// What a set without features holds.
fn what(dataset: &Dataset) -> &'static str {
    if dataset.tokenized().is_some() { "texts" } else { "images" }
}
