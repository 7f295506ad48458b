//! The samples that drive the channels of layers most, what each channel is like over all samples and classes, and
//! which channels of two layers see alike.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use tch::{Device, Kind, Tensor};

use super::feed::{Consumer, Feed, ModelFeed, Place};
use super::maps::{of_one_size, positions};
use super::{Progress, Timing};
use crate::data::Classes;
use crate::error::Result;
use crate::patterns::{End, Extremes, Peak};
use crate::stats::{Channel, ChannelMoments, ChannelSums, Correlations};
use crate::torchscript::{Answer, MapView, tensors};

/// How the output of a layer, N×C×positions, is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitView {
    /// As maps: a unit a position and channel.
    Maps(MapView),
    /// As a vector a sample, which belongs to the whole image.
    Vector,
}

impl UnitView {
    /// The units as N×C×H×W.
    pub fn maps(&self, output: &Tensor) -> Tensor {
        match self {
            Self::Maps(view) => view.maps(output),
            Self::Vector => {
                let (samples, channels) = (output.size()[0], output.size()[1]);
                output.reshape([samples, channels, 1, 1])
            }
        }
    }

    /// Rows and columns of positions.
    pub fn size(&self) -> (usize, usize) {
        match self {
            Self::Maps(view) => (view.grid.rows as usize, view.grid.columns as usize),
            Self::Vector => (1, 1),
        }
    }
}

/// What is kept of the layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// How each layer is seen, a list a model.
    pub views: Vec<Vec<UnitView>>,
    /// A layer of the first model and one of the second whose channels are correlated.
    pub pairs: Vec<(usize, usize)>,
    /// Samples with the largest values that are kept of each channel.
    pub top: usize,
    /// Those with the smallest.
    pub bottom: usize,
    /// Those with the largest within each class.
    pub of_class: usize,
    /// The classes of the samples, where they are known.
    pub classes: Option<Classes>,
}

impl Wanted {
    /// How many classes there are; 0 where they are not known.
    pub fn class_count(&self) -> usize {
        self.classes.as_ref().map_or(0, |classes| classes.names.len())
    }
}

/// One channel of a layer.
#[derive(Debug, Clone)]
pub struct ChannelPeaks {
    /// Over all samples and positions.
    pub values: Channel,
    /// Share of the samples in which it is above zero somewhere.
    pub active_samples: f64,
    /// The samples with the largest values.
    pub top: Vec<Peak>,
    /// With the smallest.
    pub bottom: Vec<Peak>,
    /// With the largest of each class.
    pub of_class: Vec<Vec<Peak>>,
    /// Its mean over the samples and positions of each class, NaN of a class without samples.
    pub class_means: Vec<f64>,
}

/// What a run over the data gave.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// For each model the channels of each of its layers.
    pub layers: Vec<Vec<Vec<ChannelPeaks>>>,
    /// For each pair of layers the K_A×K_B correlations of their channels, as of
    /// [`maps`](super::maps::Outcome::correlations).
    pub correlations: Vec<Array2<f64>>,
    /// Samples seen of each class.
    pub class_counts: Vec<usize>,
    /// Samples seen.
    pub samples: usize,
    /// Where the time went.
    pub timing: Timing,
}

/// Runs the models over the data once.
///
/// # Errors
/// The data cannot be read, or a model does not run on it.
pub fn collect(
    feed: &mut ModelFeed<'_>,
    wanted: &Wanted,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let mut timing = Timing::default();
    progress.begin(1, 1, feed.samples());
    let mut collector = Collector::new(&feed.shapes(), wanted);
    let samples = feed.pass(&mut collector, progress, &mut timing)?;
    progress.end();
    Ok(collector.finish(samples, timing))
}

/// The channels of a layer so far.
struct State {
    moments: ChannelMoments,
    top: Vec<Extremes>,
    bottom: Vec<Extremes>,
    /// A list of channels a class.
    of_class: Vec<Vec<Extremes>>,
    /// Sums of the means of samples, a row a class.
    class_sums: Array2<f64>,
    active: Vec<usize>,
    /// The maps of the batch at hand, where they are to be correlated.
    batch: Option<Tensor>,
}

struct Collector<'a> {
    wanted: &'a Wanted,
    layers: Vec<Vec<State>>,
    correlations: Vec<Correlations>,
    class_counts: Vec<usize>,
}

/// The ends of the channels of a batch: values and positions, N×C.
struct Ends {
    values: Array2<f32>,
    positions: Array2<f32>,
}

impl Ends {
    /// Of maps N×C×P, of equal values the first.
    fn of(flat: &Tensor, end: End) -> Result<Self> {
        let (values, positions) = match end {
            End::Largest => flat.max_dim(2, false),
            End::Smallest => flat.min_dim(2, false),
        };
        Ok(Self { values: tensors::to_floats(&values)?, positions: places(&positions)? })
    }

    fn peak(&self, row: usize, channel: usize, sample: usize) -> Peak {
        let at = (row, channel);
        Peak { value: self.values[at], sample, position: self.positions[at] as usize }
    }
}

/// Whole numbers below 2²⁴ as floats, which hold them exactly.
fn places(numbers: &Tensor) -> Result<Array2<f32>> {
    tensors::to_floats(&numbers.to_kind(Kind::Float))
}

impl State {
    fn new(channels: usize, wanted: &Wanted) -> Self {
        let some = |end, keep| vec![Extremes::new(end, keep); channels];
        let classes = wanted.class_count();
        Self {
            moments: ChannelMoments::new(channels),
            top: some(End::Largest, wanted.top),
            bottom: some(End::Smallest, wanted.bottom),
            of_class: vec![
                some(End::Largest, wanted.of_class);
                if wanted.of_class > 0 { classes } else { 0 }
            ],
            class_sums: Array2::zeros((classes, channels)),
            active: vec![0; channels],
            batch: None,
        }
    }

    /// Adds maps N×C×H×W of samples.
    fn add(&mut self, maps: &Tensor, indices: &[usize], wanted: &Wanted) -> Result<()> {
        let flat = maps.flatten(2, -1).to_device(Device::Cpu).to_kind(Kind::Float);
        let largest = Ends::of(&flat, End::Largest)?;
        let labels = wanted.classes.as_ref().map(|classes| classes.labels.as_slice());
        for (row, &sample) in indices.iter().enumerate() {
            for channel in 0..self.top.len() {
                let peak = largest.peak(row, channel, sample);
                self.top[channel].push(peak);
                self.active[channel] += usize::from(peak.value > 0.0);
                let class = labels.and_then(|labels| self.of_class.get_mut(labels[sample]));
                if let Some(class) = class {
                    class[channel].push(peak);
                }
            }
        }
        if wanted.bottom > 0 {
            let smallest = Ends::of(&flat, End::Smallest)?;
            for (row, &sample) in indices.iter().enumerate() {
                for channel in 0..self.bottom.len() {
                    self.bottom[channel].push(smallest.peak(row, channel, sample));
                }
            }
        }
        self.add_means(&flat, (indices, labels))
    }

    /// Adds the means of samples to the sums of their classes.
    fn add_means(
        &mut self,
        flat: &Tensor,
        (indices, labels): (&[usize], Option<&[usize]>),
    ) -> Result<()> {
        let Some(labels) = labels else { return Ok(()) };
        let means = flat.mean_dim([2i64].as_slice(), false, Kind::Double);
        let means = tensors::to_matrix(&means)?;
        for (mean, &sample) in means.rows().into_iter().zip(indices) {
            let mut sum = self.class_sums.row_mut(labels[sample]);
            sum += &mean;
        }
        Ok(())
    }

    fn finish(&self, samples: usize, class_counts: &[usize]) -> Vec<ChannelPeaks> {
        let counts: Array1<f64> = class_counts.iter().map(|&count| count as f64).collect();
        let means = &self.class_sums / &counts.insert_axis(Axis(1));
        let channel = |(c, values): (usize, Channel)| ChannelPeaks {
            values,
            active_samples: self.active[c] as f64 / samples as f64,
            top: self.top[c].sorted(),
            bottom: self.bottom[c].sorted(),
            of_class: self.of_class.iter().map(|class| class[c].sorted()).collect(),
            class_means: means.column(c).to_vec(),
        };
        self.moments.channels_in_numbers().into_iter().enumerate().map(channel).collect()
    }
}

impl<'a> Collector<'a> {
    fn new(shapes: &[Vec<Vec<i64>>], wanted: &'a Wanted) -> Self {
        let channels = |shape: &Vec<i64>| shape.get(1).map_or(0, |&k| k as usize);
        let state = |shape: &Vec<i64>| State::new(channels(shape), wanted);
        let second = shapes.len() - 1;
        let correlations = |&(a, b): &(usize, usize)| {
            Correlations::new(channels(&shapes[0][a]), channels(&shapes[second][b]))
        };
        Self {
            wanted,
            layers: shapes.iter().map(|layers| layers.iter().map(state).collect()).collect(),
            correlations: wanted.pairs.iter().map(correlations).collect(),
            class_counts: vec![0; wanted.class_count()],
        }
    }

    fn is_paired(&self, at: Place<'_>) -> bool {
        let side = |&(a, b): &(usize, usize)| if at.subject == 0 { a } else { b };
        self.wanted.pairs.iter().any(|pair| side(pair) == at.layer)
    }

    fn finish(self, samples: usize, timing: Timing) -> Outcome {
        let counts = &self.class_counts;
        let of_layers = |states: &Vec<State>| {
            states.iter().map(|state| state.finish(samples, counts)).collect()
        };
        Outcome {
            layers: self.layers.iter().map(of_layers).collect(),
            correlations: self.correlations.iter().map(Correlations::finish).collect(),
            class_counts: self.class_counts.clone(),
            samples,
            timing,
        }
    }
}

impl Consumer for Collector<'_> {
    fn wants(&self, _subject: usize) -> bool {
        true
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        let paired = self.is_paired(at);
        let maps = self.wanted.views[at.subject][at.layer].maps(output);
        let first = at.subject == 0 && at.layer == 0;
        if let Some(classes) = self.wanted.classes.as_ref().filter(|_| first) {
            at.indices.iter().for_each(|&sample| self.class_counts[classes.labels[sample]] += 1);
        }
        let state = &mut self.layers[at.subject][at.layer];
        let rows: Array2<f32> = positions(&maps, None)?;
        let rows: ArrayView2<'_, f32> = rows.view();
        state.moments.add(&ChannelSums::of_rows(rows));
        state.add(&maps, at.indices, self.wanted)?;
        // Operators in place may overwrite the output after the tap.
        state.batch = paired.then(|| maps.copy());
        Ok(Answer::Keep)
    }

    fn batch_done(&mut self, _samples: usize) -> Result<()> {
        let second = self.layers.len() - 1;
        for (&(a, b), correlations) in self.wanted.pairs.iter().zip(&mut self.correlations) {
            let sides = (&self.layers[0][a].batch, &self.layers[second][b].batch);
            let (Some(left), Some(right)) = sides else { continue };
            let (left, right) = of_one_size(left, right)?;
            let rows = (positions(&left, None)?, positions(&right, None)?);
            correlations.push_rows(rows.0.view(), rows.1.view());
        }
        self.layers.iter_mut().flatten().for_each(|state| state.batch = None);
        Ok(())
    }
}
