//! What gives the outputs of layers, and what looks at them.

use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use tch::{Device, Kind, Tensor};

use super::distinct::Sources;
use super::judge::{Judge, Judged, Naming};
use super::part::Reading;
use super::placed::{Placed, Placing};
use super::shared::{self, Shared};
use super::watched::{LayersSeen, Watched};
use super::{Progress, Reduce, Timing, Tokens};
use crate::data::{Dataset, LoadOptions, Preprocess, Summary};
use crate::error::{Error, Result};
use crate::similarity::{
    self,
    cka::{CONSTANT, CONSTANT_BFLOAT16, CONSTANT_DOUBLE, CONSTANT_HALF},
};
use crate::torchscript::device::{Streams, exactly};
use crate::torchscript::{Answer, Axes, Layer, Model, draws, real_parts, shape_text, tensors};

/// A prepared model, the layers wanted of it, and which of the inputs of a batch it takes.
pub struct Subject {
    /// The model, prepared for `layers`.
    pub model: Model,
    /// The layers, in the order in which they finish.
    pub layers: Vec<Layer>,
    /// Index of its preprocessing among those the batches are made for.
    pub input: usize,
}

/// The data of a run.
#[derive(Clone)]
pub struct Source<'a> {
    /// The samples.
    pub dataset: &'a Dataset,
    /// One preprocessing a model, or one for both.
    pub preprocess: &'a [Preprocess],
    /// Batch size, threads, what to do with unreadable files.
    pub load: LoadOptions,
}

/// Why a layer has no value, a sample by its name.
pub type Absence = similarity::Absence<String>;

/// Why layers have no value: a list of layers a model.
pub type Absences = Vec<Vec<Option<Absence>>>;

/// What HSIC of a layer with itself is held against, a list of layers a model: the mean squared
/// distance of its rows from their centre, squared.
pub type Spreads = Vec<Vec<f64>>;

impl Subject {
    /// Checks that every layer gives one row a sample.
    ///
    /// # Errors
    /// Names the layer that does not, with its shape.
    pub fn check_rows(&self, samples: usize) -> Result<()> {
        let usable = |l: &&Layer| l.has_samples(samples) && !l.shape.contains(&0);
        match self.layers.iter().find(|l| !usable(l)) {
            None => Ok(()),
            Some(layer) => Err(self.layer_error(
                layer,
                format!("gave shape {:?} for {samples} samples: no row a sample", layer.shape),
                "",
            )),
        }
    }

    /// Checks that there are tokens in every layer where those are reduced.
    ///
    /// # Errors
    /// Names the first layer with maps in their place.
    pub fn check_reduce(&self, reduce: Reduce) -> Result<()> {
        for layer in &self.layers {
            reduce.check(&layer.canonical_shape()).map_err(|problem| {
                self.layer_error(layer, format!("gives {problem}"), ", or use --reduce gap")
            })?;
        }
        Ok(())
    }

    /// What is wrong with a layer that can be left out, or what else can be done.
    fn layer_error(&self, layer: &Layer, problem: String, or: &str) -> Error {
        Error::Layer {
            layer: layer.name.clone(),
            path: self.model.path().to_owned(),
            problem,
            remedy: format!("leave it out with --layers '!{}'{or}", layer.name),
        }
    }
}

/// What looks at the layers of the subjects, batch by batch.
pub trait Consumer {
    /// Whether this subject has to run at all.
    fn wants(&self, subject: usize) -> bool;

    /// A layer's output as N×C×positions; it may be overwritten after the call.
    ///
    /// # Errors
    /// The output cannot be worked with.
    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer>;

    /// What the model itself gave for a batch, after its layers; `None` where it is not a tensor or
    /// a layer stopped the run.
    ///
    /// # Errors
    /// The output cannot be worked with.
    fn output(&mut self, _at: Place<'_>, _output: Option<&Tensor>) -> Result<()> {
        Ok(())
    }

    /// What the subjects are given of a batch, before they run: the first of the preprocessings.
    ///
    /// # Errors
    /// The input cannot be worked with.
    fn input(&mut self, _at: Place<'_>, _input: &Tensor) -> Result<()> {
        Ok(())
    }

    /// All subjects have run on a batch of so many samples.
    ///
    /// # Errors
    /// The sums cannot be made.
    fn batch_done(&mut self, samples: usize) -> Result<()>;
}

/// Which layer of which subject gave an output, for which samples.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Index of the model.
    pub subject: usize,
    /// Index of the layer among those of the model.
    pub layer: usize,
    /// Samples in the batch.
    pub samples: usize,
    /// Which tokens of the output are those of the samples.
    pub tokens: Tokens<'a>,
    /// Name of the sample in a row of the batch.
    pub name: &'a dyn Fn(usize) -> String,
    /// Position in the data set of the sample in each row; empty for stored representations.
    pub indices: &'a [usize],
    /// Whether the numbers have fewer digits than the type of the tensor holds.
    pub single: bool,
    /// The layer before it whose tensor this is in this run, of those in [`Feed::sources`].
    pub same: Option<usize>,
}

impl Place<'_> {
    /// The scatter relative to the squared norm of the mean below which an output counts as constant.
    pub fn constant(&self, output: &Tensor) -> f64 {
        match output.kind() {
            Kind::Double if !self.single => CONSTANT_DOUBLE,
            Kind::Half => CONSTANT_HALF,
            Kind::BFloat16 => CONSTANT_BFLOAT16,
            _ => CONSTANT,
        }
    }
}

/// Something that gives the outputs of layers, batch by batch.
pub trait Feed {
    /// Shape of the output of every layer of every subject: samples, channels, positions.
    fn shapes(&self) -> Vec<Vec<Vec<i64>>>;

    /// Of each layer of every subject the one before it whose tensor it gave when the layers were found;
    /// empty where that is of none.
    fn sources(&self) -> Sources {
        vec![]
    }

    /// Samples, at most.
    fn samples(&self) -> usize;

    /// Samples in a batch.
    fn batch_size(&self) -> usize;

    /// Whether the batches are random subsets of the samples.
    fn is_mixed(&self) -> bool {
        false
    }

    /// Whether the outputs lie in the memory of the CPU. Elsewhere they are computed while the program goes on, and
    /// whoever reads a number waits for all before it.
    fn is_on_cpu(&self) -> bool {
        true
    }

    /// Whether the outputs are known to be float32 numbers, or are not known.
    fn may_be_single(&self) -> bool {
        true
    }

    /// Of each sample that was given the first one that is the same to a layer of a subject; `None`
    /// where no two are. Known after the first pass.
    fn copies(&self, subject: usize, layer: usize) -> Option<&[usize]>;

    /// From now on only the batches of these numbers, from 0, are given, each as in a pass over all.
    fn restrict(&mut self, _batches: Range<usize>) {}

    /// What the last pass over a part read; `None` of stored representations.
    fn reading(&self) -> Option<Reading> {
        None
    }

    /// Takes what was read elsewhere in place of a pass.
    fn replay(&mut self, _reading: &Reading) {}

    /// The samples that models run over; `None` of stored representations.
    fn dataset(&self) -> Option<&Dataset> {
        None
    }

    /// Gives everything once; returns how many samples there were.
    ///
    /// # Errors
    /// The data cannot be read, a model does not run on it, or the consumer failed.
    fn pass(
        &mut self,
        consumer: &mut dyn Consumer,
        progress: &mut dyn Progress,
        timing: &mut Timing,
    ) -> Result<usize>;
}

/// Models that run over a data set.
pub struct ModelFeed<'a> {
    /// The models.
    pub subjects: &'a mut [Subject],
    /// The data.
    pub source: Source<'a>,
    /// What the first pass read.
    pub summary: Option<Summary>,
    /// What the models' own outputs say, one a model.
    judges: Vec<Judge>,
    mixed: bool,
    /// Samples, and batches, that an earlier run did.
    start: (usize, usize),
    apart: bool,
    /// Outputs that are not read yet: of which model, for which samples.
    unread: Vec<(usize, Vec<usize>, Tensor)>,
}

/// Batches whose outputs are read together where they are on a device.
const UNREAD: usize = 16;

impl<'a> ModelFeed<'a> {
    /// Of models that were prepared.
    pub fn new(subjects: &'a mut [Subject], source: Source<'a>) -> Self {
        let naming = Naming::default();
        let judges = subjects.iter().map(|s| Judge::new(&naming, &s.model)).collect();
        let apart = device_of(subjects) != Device::Cpu;
        let (summary, mixed, start, unread) = (None, false, (0, 0), vec![]);
        Self { subjects, source, summary, judges, mixed, start, apart, unread }
    }

    /// The same, of samples that are in random order, or not.
    pub fn mixed(self, mixed: bool) -> Self {
        Self { mixed, ..self }
    }

    /// The same, begun behind so many samples, and so many batches, that an earlier run did.
    pub fn after(self, samples: usize, batches: usize) -> Self {
        Self { start: (samples, batches), ..self }
    }

    /// Takes in what the first model gave for samples at these positions in an earlier run.
    ///
    /// # Errors
    /// The outputs cannot be read.
    pub fn recall(&mut self, indices: &[usize], outputs: &Tensor) -> Result<()> {
        self.judges[0].take(self.source.dataset, indices, Some(outputs))
    }

    /// The same, worked on as if the models were on a device beside the CPU: for tests of what is done there.
    #[doc(hidden)]
    pub fn as_if_apart(self) -> Self {
        Self { apart: true, ..self }
    }

    /// The same, with the names of the outputs.
    pub fn naming(mut self, naming: &Naming) -> Self {
        let judge = |subject: &Subject| Judge::new(naming, &subject.model);
        self.judges = self.subjects.iter().map(judge).collect();
        self
    }

    /// What the outputs of the models said over the data, each sample counted once; nothing of a model
    /// that gave no N×K outputs, or whose runs ended at a layer.
    pub fn judged(&self) -> Vec<Judged> {
        self.judges.iter().map(Judge::judged).collect()
    }
}

impl Feed for ModelFeed<'_> {
    fn shapes(&self) -> Vec<Vec<Vec<i64>>> {
        let of = |s: &Subject| s.layers.iter().map(|l| l.canonical_shape()).collect();
        self.subjects.iter().map(of).collect()
    }

    fn sources(&self) -> Sources {
        self.subjects.iter().map(|subject| shared::sources(&subject.layers)).collect()
    }

    fn samples(&self) -> usize {
        self.source.dataset.len()
    }

    fn batch_size(&self) -> usize {
        self.source.load.batch_size.min(self.samples())
    }

    fn is_mixed(&self) -> bool {
        self.mixed
    }

    fn is_on_cpu(&self) -> bool {
        !self.apart
    }

    fn copies(&self, _: usize, _: usize) -> Option<&[usize]> {
        self.summary.as_ref()?.copies.as_deref()
    }

    fn restrict(&mut self, batches: Range<usize>) {
        let place = |batch: usize| self.samples().min(batch * self.batch_size());
        self.source.load.range = Some(place(batches.start)..place(batches.end));
        self.summary = None;
    }

    fn reading(&self) -> Option<Reading> {
        let tallies = self.judged().into_iter().map(|judged| judged.tally).collect();
        self.summary.as_ref().map(|summary| Reading::new(summary, tallies))
    }

    fn dataset(&self) -> Option<&Dataset> {
        Some(self.source.dataset)
    }

    fn replay(&mut self, reading: &Reading) {
        let dataset = self.source.dataset;
        self.summary = Some(reading.summary(dataset));
        let judges = self.judges.iter_mut().zip(reading.tallies());
        judges.for_each(|(judge, tally)| judge.restore(dataset, tally));
    }

    fn pass(
        &mut self,
        consumer: &mut dyn Consumer,
        progress: &mut dyn Progress,
        timing: &mut Timing,
    ) -> Result<usize> {
        let (start, mut place) = self.start;
        let device = device_of(self.subjects);
        let rest = self.source.dataset.from(start);
        let batches = rest.batches(self.source.preprocess, &self.source.load)?;
        let mut batches = Placing::new(self.source.dataset, batches, device);
        let streams = Streams::new(device, self.subjects.len())?;
        let again = self.summary.is_some();
        if start == 0 {
            self.judges.iter_mut().for_each(|judge| judge.begin_pass(again));
        }
        self.unread.clear();
        let first = self.source.load.range.as_ref().map_or(0, |range| range.start);
        place += first / self.source.load.batch_size.max(1);
        while let Some(placed) = batches.take(&streams, timing) {
            let mut placed = placed?;
            placed.batch.indices.iter_mut().for_each(|place| *place += start);
            let batch = &placed.batch;
            draws::begin_batch(place);
            place += 1;
            streams.fork()?;
            self.run(&placed, &streams, (&mut *consumer, &mut *progress), timing)?;
            if self.apart {
                batches.fetch(&streams, timing);
            }
            streams.join()?;
            self.read(UNREAD * self.subjects.len())?;
            let measuring = Instant::now();
            let _exact = exactly();
            consumer.batch_done(batch.len())?;
            timing.measure += measuring.elapsed().as_secs_f64();
            progress.advance(batch.len());
        }
        self.read(0)?;
        let summary = batches.summary();
        timing.decode += summary.decode_seconds;
        Ok(self.summary.get_or_insert(summary).samples)
    }
}

impl ModelFeed<'_> {
    fn run(
        &mut self,
        placed: &Placed,
        streams: &Streams,
        (consumer, progress): (&mut dyn Consumer, &mut dyn Progress),
        timing: &mut Timing,
    ) -> Result<()> {
        let Placed { batch, inputs, masks } = placed;
        let dataset = self.source.dataset;
        let name =
            |row: usize| batch.indices.get(row).map_or_else(String::new, |&i| dataset.name(i));
        if let Some(input) = inputs.first() {
            let (tokens, indices) = (Tokens::default(), &batch.indices);
            let (samples, name, single, same) = (batch.len(), &name, false, None);
            let at = Place { subject: 0, layer: 0, samples, tokens, name, indices, single, same };
            consumer.input(at, input)?;
        }
        let running = self.subjects.iter().enumerate().filter(|(i, _)| consumer.wants(*i));
        let (mut seen, of) = (0, running.map(|(_, subject)| subject.layers.len()).sum());
        for (i, subject) in self.subjects.iter_mut().enumerate() {
            if consumer.wants(i) {
                let indices = &batch.indices;
                let _current = streams.of_model(i)?;
                let mask = masks[subject.input].as_ref();
                let tokens = Tokens { mask, ..Tokens::default() };
                let (samples, single, same) = (batch.len(), false, None);
                let name = &name;
                let at =
                    Place { subject: i, layer: 0, samples, tokens, name, indices, single, same };
                let model = subject.model.path().display().to_string();
                let told = LayersSeen { model: &model, samples: batch.len(), seen, of };
                let watched = &mut Watched { consumer, progress, at: told };
                let output = subject.run(&inputs[subject.input], at, watched, timing)?;
                seen += subject.layers.len();
                match &output {
                    Some(output) if self.apart && self.judges[i].wants(output, batch.len()) => {
                        self.unread.push((i, indices.clone(), output.detach().copy()));
                    }
                    Some(_) if self.apart => {}
                    _ => self.judges[i].take(dataset, indices, output.as_ref())?,
                }
            }
        }
        Ok(())
    }

    /// Reads the outputs that were left, where those are so many.
    fn read(&mut self, least: usize) -> Result<()> {
        if self.unread.len() >= least {
            for (model, indices, output) in std::mem::take(&mut self.unread) {
                self.judges[model].take(self.source.dataset, &indices, Some(&output))?;
            }
        }
        Ok(())
    }
}

impl Subject {
    pub(super) fn run(
        &mut self,
        input: &Tensor,
        at: Place<'_>,
        consumer: &mut dyn Consumer,
        timing: &mut Timing,
    ) -> Result<Option<Tensor>> {
        let running = Instant::now();
        let mut in_taps = 0.0;
        let Self { model, layers, .. } = self;
        let path = model.path().to_owned();
        let mut shared = Shared::new(layers);
        let output = model.run(input, &mut |layer, output| {
            let tapped = Instant::now();
            let _exact = exactly();
            let same = shared.find(layer, output);
            let axes = &layers[layer].axes;
            let output = real(output, axes)?;
            check_shape(&layers[layer], &output, at.samples, &path)?;
            let tokens = Tokens { class: axes.class_tokens.unwrap_or(0), ..at.tokens };
            let answer =
                consumer.layer(Place { layer, tokens, same, ..at }, &axes.canonical(&output));
            in_taps += tapped.elapsed().as_secs_f64();
            Ok(match answer? {
                Answer::Replace(tensor) => Answer::Replace(axes.restore(&tensor)),
                answer => answer,
            })
        })?;
        timing.measure += in_taps;
        timing.forward += running.elapsed().as_secs_f64() - in_taps;
        let in_real_numbers = |output: &Tensor| real(output, &Axes::guessed(output.dim()));
        let output = output.as_ref().map(in_real_numbers).transpose()?;
        consumer.output(at, output.as_ref())?;
        // Features that are the output itself are not logits.
        Ok(output.filter(|_| !layers.is_empty()))
    }
}

/// Where the models of a run are.
fn device_of(subjects: &[Subject]) -> Device {
    subjects.first().map_or(Device::Cpu, |subject| subject.model.device())
}

fn real(output: &Tensor, axes: &Axes) -> Result<Tensor> {
    real_parts(output, axes).map_err(|e| tensors::torch_error("split complex numbers", &e))
}

/// Every batch must give what the layer gave when it was found: a row a sample, of that shape.
fn check_shape(layer: &Layer, output: &Tensor, samples: usize, path: &Path) -> Result<()> {
    let shape = output.size();
    let has_rows = shape.get(layer.axes.samples) == Some(&(samples as i64));
    match has_rows && layer.without_samples(&shape) == layer.sample_shape() {
        true => Ok(()),
        false => Err(Error::Layer {
            layer: layer.name.clone(),
            path: path.to_owned(),
            problem: format!(
                "gave {} for {samples} samples, where its samples were {} before",
                shape_text(&shape),
                shape_text(&layer.sample_shape())
            ),
            remedy: format!(
                "leave it out with --layers '!{}'; a layer's shape must not depend on the data",
                layer.name
            ),
        }),
    }
}
