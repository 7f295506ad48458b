//! The features of one layer over a data set, batch by batch.

use ndarray::{Array2, ArrayView2};
use tch::Tensor;

use super::averaged::Averaged;
use super::feed::{Consumer, Feed, ModelFeed, Place, Source, Subject};
use super::judge::{Judge, Judged, Naming};
use super::reduce::{Reduce, Tokens};
use super::rows::first_not_finite;
use super::{Progress, Timing};
use crate::classifier::Tally;
use crate::data::{Dataset, LoadOptions, Preprocess, Summary};
use crate::error::{Error, Result};
use crate::torchscript::{Answer, Axes, Model, real_parts, shape_text, tensors};

/// A model of which one layer, or the output, gives features.
pub struct Extractor {
    subject: Subject,
    reduce: Reduce,
    axes: Axes,
    rank: usize,
    width: usize,
    first_channels: Option<usize>,
}

/// The features of a batch.
pub struct Piece<'a> {
    /// A row a sample.
    pub features: ArrayView2<'a, f64>,
    /// What the rows are means of.
    pub averaged: &'a Averaged,
    /// The scatter relative to the squared norm of the mean below which they count as constant.
    pub constant: f64,
    /// Position of each sample in the data set.
    pub indices: &'a [usize],
    /// What the model gave, a row a sample, where that was asked for and is a matrix.
    pub logits: Option<ArrayView2<'a, f64>>,
}

/// Takes the features of a batch.
pub type Sink<'a> = dyn FnMut(Piece<'_>) -> Result<()> + 'a;

/// A run over a data set.
pub struct Pass<'a> {
    /// The samples.
    pub dataset: &'a Dataset,
    /// What is done to them.
    pub preprocess: &'a Preprocess,
    /// Batch size, threads, what to do with unreadable files.
    pub load: LoadOptions,
    /// Whether the model's output is wanted beside the features.
    pub logits: bool,
    /// Names of the model's outputs.
    pub naming: &'a Naming,
}

impl Extractor {
    /// Takes the one layer of a prepared subject, or its output where it has none, reduced to a row
    /// a sample. `sample` is an input to find the width of an output with.
    ///
    /// # Errors
    /// The reduction gives more than a row a sample or takes tokens where there are none, or the output
    /// is not a tensor with a row a sample.
    pub fn new(mut subject: Subject, reduce: Reduce, sample: &Tensor) -> Result<Self> {
        if reduce == Reduce::Spatial {
            let problem = "--reduce spatial gives many rows a sample, and a distance takes one";
            return Err(Error::usage(problem, "use --reduce gap or flatten"));
        }
        subject.check_reduce(reduce)?;
        let (axes, shape) = match subject.layers.first() {
            Some(layer) => (layer.axes, layer.canonical_shape()),
            None => {
                let shape = output_shape(&mut subject, sample)?;
                let axes = Axes::guessed(shape.len());
                (axes, axes.canonical_shape(&shape))
            }
        };
        reduce.check(&shape).map_err(|problem| of_output(&subject, problem))?;
        let width = reduce.width(&shape);
        let rank = shape.len();
        Ok(Self { subject, reduce, axes, rank, width, first_channels: None })
    }

    /// With the first channels of the layer alone, at all of its positions.
    ///
    /// # Errors
    /// The layer has no positions, or fewer channels.
    pub fn with_first_channels(mut self, count: usize) -> Result<Self> {
        let layer = self.subject.layers.first();
        let shape = layer.map(|layer| layer.canonical_shape()).unwrap_or_default();
        let name = layer.map_or("the output", |layer| &layer.name);
        if shape.len() < 3 || (shape[1] as usize) < count {
            let shape = shape_text(&shape);
            let problem =
                format!("{name} has shape '{shape}', and no {count} channels with positions");
            return Err(Error::usage(
                problem,
                "name a spatial layer, or take fewer of its channels",
            ));
        }
        self.first_channels = Some(count);
        self.width = self.width_of(shape);
        Ok(self)
    }

    fn width_of(&self, mut shape: Vec<i64>) -> usize {
        if let (Some(count), Some(channels)) = (self.first_channels, shape.get_mut(1)) {
            *channels = count as i64;
        }
        self.reduce.width(&shape)
    }

    /// The model and the layer.
    pub fn model(&mut self) -> &mut Model {
        &mut self.subject.model
    }

    /// Makes ready for samples of another size, such as texts of another length, in place of those that
    /// the layer was found with.
    ///
    /// # Errors
    /// The model does not run on them, or they give features of another width.
    pub fn resize(&mut self, sample: &Tensor) -> Result<()> {
        let mut seen = None;
        let axes = self.axes;
        self.subject.model.run(sample, &mut |_, output| {
            let real = real_parts(output, &axes);
            seen =
                Some(real.map_err(|e| tensors::torch_error("split complex numbers", &e))?.size());
            Ok(Answer::Keep)
        })?;
        let (Some(shape), Some(layer)) = (seen, self.subject.layers.first_mut()) else {
            return Ok(());
        };
        layer.shape = shape;
        let shape = layer.canonical_shape();
        let width = self.width_of(shape);
        if width == self.width {
            return Ok(());
        }
        let problem = format!(
            "its samples give {width} features with --reduce {}, those before them {}",
            self.reduce, self.width
        );
        let remedy =
            "use --reduce tokens-mean, cls or last, or give texts one length (--max-length)";
        Err(Error::usage(problem, remedy))
    }

    /// D.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The number of axes of what they are taken from, that of the samples among them.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The axis of the channels, where the features depend on it and the number of axes would tell
    /// another one.
    pub fn channel_axis(&self) -> Option<usize> {
        let layer = self.subject.layers.first()?;
        let by_rank = Axes::guessed(layer.shape.len());
        let differs = self.axes.channels != by_rank.channels || self.axes.samples > 0;
        self.axes.channels.filter(|_| differs && self.reduce != Reduce::Flatten)
    }

    /// The axis that is taken for the channels of a model's output by its number of axes, where the
    /// features depend on it.
    pub fn guessed_axis(&self) -> Option<usize> {
        let depends = self.reduce != Reduce::Flatten && self.takes_output() && self.rank > 2;
        self.axes.channels.filter(|_| depends)
    }

    /// Whether the features are the model's output and not a layer's.
    pub fn takes_output(&self) -> bool {
        self.subject.layers.is_empty()
    }

    /// What outputs say that were counted elsewhere, of the samples of a data set.
    pub fn judged(&self, dataset: &Dataset, naming: &Naming, tally: &Tally) -> Judged {
        let mut judge = Judge::new(naming, &self.subject.model);
        judge.restore(dataset, tally);
        judge.judged()
    }

    /// Runs the model over a data set and hands over the features of every batch.
    ///
    /// What lies behind the layer runs only where the output is wanted, or where it is but the last
    /// linear layer and the data have labels: then the second value says how often the model is right.
    ///
    /// # Errors
    /// The data cannot be read, the model does not run on it, features are not finite (which
    /// sample), or the sink failed.
    pub fn run(
        &mut self,
        pass: &Pass<'_>,
        sink: &mut Sink<'_>,
        progress: &mut dyn Progress,
        timing: &mut Timing,
    ) -> Result<(Summary, Judged)> {
        let layer = self.subject.layers.first().map(|l| l.name.clone());
        let is_nearly_last = layer.as_ref().is_some_and(|name| name.ends_with(":input"));
        let judges = is_nearly_last && pass.dataset.labels().is_some();
        let mut consumer = Collector {
            reduce: self.reduce,
            axes: self.axes,
            layer,
            first_channels: self.first_channels,
            wants_logits: pass.logits || judges,
            model: self.subject.model.path().display().to_string(),
            batch: Batch::default(),
            sink,
        };
        let source = Source {
            dataset: pass.dataset,
            preprocess: std::slice::from_ref(pass.preprocess),
            load: pass.load.clone(),
        };
        let subjects = std::slice::from_mut(&mut self.subject);
        let mut feed = ModelFeed::new(subjects, source).naming(pass.naming);
        let range = pass.load.range.as_ref().map(std::ops::Range::len);
        progress.begin(1, 1, range.unwrap_or(feed.samples()));
        let done = feed.pass(&mut consumer, progress, timing);
        progress.end();
        done?;
        let judged = feed.judged().swap_remove(0);
        let summary = feed.summary.ok_or_else(|| {
            let path = pass.dataset.path();
            Error::file("read", path, "it gave no samples", "give a folder with images")
        })?;
        Ok((summary, judged))
    }
}

/// Rows of features as numbers: an output N×C×positions of any rank. Whole feature maps are flattened
/// in the order of the layer's own axes: C×H×W, or T×D for tokens.
///
/// # Errors
/// The array has no rows or libtorch cannot hold it.
pub fn reduced(
    output: &Tensor,
    reduce: Reduce,
    (axes, tokens): (Axes, Tokens<'_>),
) -> Result<Array2<f64>> {
    let rows = match reduce {
        Reduce::Flatten => reduce.rows(&axes.samples_first(output).contiguous(), 0)?,
        _ => reduce.rows(output, tokens)?,
    };
    tensors::to_matrix(&rows)
}

fn output_shape(subject: &mut Subject, sample: &Tensor) -> Result<Vec<i64>> {
    let given = subject.model.run(sample, &mut |_, _| Ok(Answer::Keep))?;
    let real = given.map(|o| real_parts(&o, &Axes::guessed(o.dim()))).transpose();
    let real = real.map_err(|e| tensors::torch_error("split complex numbers", &e))?;
    let shape = real.map(|output| output.size()).unwrap_or_default();
    match shape.first() == sample.size().first() && shape.len() >= 2 {
        true => Ok(shape),
        false => {
            Err(of_output(subject, format!("shape '{}': no row a sample", shape_text(&shape))))
        }
    }
}

fn of_output(subject: &Subject, problem: String) -> Error {
    let remedy = "name a layer with --layers; `repsim layers` lists them";
    Error::file("take the output of", subject.model.path(), format!("it has {problem}"), remedy)
}

/// What a batch gave so far.
#[derive(Default)]
struct Batch {
    features: Option<Array2<f64>>,
    averaged: Averaged,
    constant: f64,
    logits: Option<Array2<f64>>,
    indices: Vec<usize>,
}

/// Collects what a batch gives and hands it over when it is complete.
struct Collector<'a, 'b> {
    reduce: Reduce,
    axes: Axes,
    layer: Option<String>,
    first_channels: Option<usize>,
    wants_logits: bool,
    model: String,
    batch: Batch,
    sink: &'a mut Sink<'b>,
}

impl Collector<'_, '_> {
    fn take(&mut self, at: Place<'_>, output: &Tensor) -> Result<()> {
        let tokens = Tokens { class: self.axes.class_tokens.unwrap_or(0), ..at.tokens };
        let part = self.first_channels.map(|count| output.narrow(1, 0, count as i64));
        let output = part.as_ref().unwrap_or(output);
        let features = reduced(output, self.reduce, (self.axes, tokens))?;
        if !features.sum().is_finite() {
            self.check_finite(at, output)?;
        }
        self.batch.features = Some(features);
        self.batch.constant = at.constant(output);
        self.batch.averaged.add(self.reduce, output, tokens)
    }

    fn check_finite(&self, at: Place<'_>, output: &Tensor) -> Result<()> {
        let Some(row) = first_not_finite(&self.reduce.rows(output, at.tokens)?) else {
            return Ok(());
        };
        let what = match &self.layer {
            Some(layer) => format!("layer {layer}"),
            None => "the output".to_owned(),
        };
        Err(Error::usage(
            format!("{what} of {} is NaN or infinite for sample {}", self.model, (at.name)(row)),
            "look at that sample and at its preprocessing, or leave it out",
        ))
    }
}

impl Consumer for Collector<'_, '_> {
    fn wants(&self, _: usize) -> bool {
        true
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        self.take(at, output)?;
        Ok(if self.wants_logits { Answer::Keep } else { Answer::Stop })
    }

    fn output(&mut self, at: Place<'_>, output: Option<&Tensor>) -> Result<()> {
        self.batch.indices = at.indices.to_vec();
        match output {
            Some(output) if self.layer.is_none() => self.take(at, &self.axes.canonical(output)),
            Some(output) if output.dim() == 2 => {
                self.batch.logits = Some(tensors::to_matrix(output)?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn batch_done(&mut self, _: usize) -> Result<()> {
        let Batch { features, averaged, constant, logits, indices } =
            std::mem::take(&mut self.batch);
        let features = features.unwrap_or_default();
        let logits = logits.as_ref().map(|l| l.view());
        let (features, averaged) = (features.view(), &averaged);
        (self.sink)(Piece { features, averaged, constant, indices: &indices, logits })
    }
}
