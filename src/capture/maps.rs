//! Feature maps to look at, and which channels of two layers see alike.

use ndarray::{Array2, Array4};
use tch::Tensor;

use super::feed::{Consumer, Feed, ModelFeed, Place};
use super::{Progress, Timing};
use crate::error::{Error, Result};
use crate::stats::{Channel, ChannelMoments, ChannelSums, Correlations};
use crate::torchscript::{Answer, MapView, tensors};

/// What is kept of the layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Positions in the data set, ascending, of the samples whose maps are kept.
    pub samples: Vec<usize>,
    /// A layer of the first model and one of the second whose channels are correlated.
    pub pairs: Vec<(usize, usize)>,
    /// How each layer is seen as maps, a list a model.
    pub views: Vec<Vec<MapView>>,
}

impl Wanted {
    fn keeps(&self, sample: usize) -> bool {
        self.samples.binary_search(&sample).is_ok()
    }
}

/// The feature maps of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerMaps {
    /// Those of the samples wanted, N×K×H×W.
    pub maps: Array4<f32>,
    /// What each of the K channels is like over all samples and positions.
    pub channels: Vec<Channel>,
}

/// What a run over the data gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// A list of layers a model.
    pub layers: Vec<Vec<LayerMaps>>,
    /// For each pair of layers the K_A×K_B correlations of their channels over all samples and
    /// positions, NaN where a channel is constant. Maps of different sizes are brought to the
    /// smaller one of each axis before, by bilinear interpolation with antialiasing.
    pub correlations: Vec<Array2<f64>>,
    /// Positions in the data set of the samples whose maps are kept.
    pub samples: Vec<usize>,
    /// Where the time went.
    pub timing: Timing,
}

/// Runs the models over the data once.
///
/// # Errors
/// The data cannot be read, a model does not run on it, or a layer gives no maps.
pub fn collect(
    feed: &mut ModelFeed<'_>,
    wanted: &Wanted,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let mut collector = Collector::new(&feed.shapes(), wanted);
    let mut timing = Timing::default();
    progress.begin(1, 1, feed.samples());
    let done = feed.pass(&mut collector, progress, &mut timing);
    progress.end();
    done?;
    collector.finish(timing)
}

/// What one layer has given so far.
struct State {
    /// Maps of the samples wanted, a tensor a batch.
    kept: Vec<Tensor>,
    moments: ChannelMoments,
    /// Maps of the batch at hand, where they are to be correlated, and which of their positions are no
    /// padding.
    batch: Option<(Tensor, Option<Tensor>)>,
}

struct Collector<'a> {
    wanted: &'a Wanted,
    layers: Vec<Vec<State>>,
    correlations: Vec<Correlations>,
    samples: Vec<usize>,
}

impl<'a> Collector<'a> {
    fn new(shapes: &[Vec<Vec<i64>>], wanted: &'a Wanted) -> Self {
        let channels = |shape: &Vec<i64>| shape.get(1).map_or(0, |&k| k as usize);
        let state = |shape: &Vec<i64>| State {
            kept: vec![],
            moments: ChannelMoments::new(channels(shape)),
            batch: None,
        };
        let second = shapes.len() - 1;
        let correlations = |&(a, b): &(usize, usize)| {
            Correlations::new(channels(&shapes[0][a]), channels(&shapes[second][b]))
        };
        Self {
            wanted,
            layers: shapes.iter().map(|layers| layers.iter().map(state).collect()).collect(),
            correlations: wanted.pairs.iter().map(correlations).collect(),
            samples: vec![],
        }
    }

    /// Whether a layer is in a pair.
    fn is_paired(&self, at: Place<'_>) -> bool {
        let side = |&(a, b): &(usize, usize)| if at.subject == 0 { a } else { b };
        self.wanted.pairs.iter().any(|pair| side(pair) == at.layer)
    }

    /// Rows of a batch that are kept.
    fn rows(&self, at: Place<'_>) -> Vec<i64> {
        let rows = at.indices.iter().enumerate().filter(|(_, i)| self.wanted.keeps(**i));
        rows.map(|(row, _)| row as i64).collect()
    }

    fn finish(self, timing: Timing) -> Result<Outcome> {
        let of_layers = |states: Vec<State>| states.into_iter().map(State::finish).collect();
        Ok(Outcome {
            layers: self.layers.into_iter().map(of_layers).collect::<Result<_>>()?,
            correlations: self.correlations.iter().map(Correlations::finish).collect(),
            samples: self.samples,
            timing,
        })
    }
}

impl State {
    fn finish(self) -> Result<LayerMaps> {
        let whole = Tensor::f_cat(&self.kept, 0);
        let maps = to_maps(&whole.map_err(|e| tensors::torch_error("join feature maps", &e))?)?;
        Ok(LayerMaps { maps, channels: self.moments.channels_in_numbers() })
    }
}

impl Consumer for Collector<'_> {
    fn wants(&self, _subject: usize) -> bool {
        true
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        let paired = self.is_paired(at);
        let is_last =
            at.subject + 1 == self.layers.len() && at.layer + 1 == self.layers[at.subject].len();
        let rows = self.rows(at);
        let maps = self.wanted.views[at.subject][at.layer].maps(output);
        let state = &mut self.layers[at.subject][at.layer];
        let mask = mask_of(&maps, at.tokens.mask);
        state.moments.add(&ChannelSums::of_rows(positions(&maps, mask.as_ref())?.view()));
        if !rows.is_empty() {
            let rows = Tensor::from_slice(&rows).to_device(output.device());
            state.kept.push(maps.index_select(0, &rows).to_device(tch::Device::Cpu));
        }
        // Operators in place may overwrite the output after the tap.
        state.batch = paired.then(|| (maps.copy(), mask));
        if is_last {
            self.samples.extend(at.indices.iter().filter(|i| self.wanted.keeps(**i)));
        }
        Ok(Answer::Keep)
    }

    fn batch_done(&mut self, _samples: usize) -> Result<()> {
        let second = self.layers.len() - 1;
        for (&(a, b), correlations) in self.wanted.pairs.iter().zip(&mut self.correlations) {
            let sides = (&self.layers[0][a].batch, &self.layers[second][b].batch);
            let (Some(left), Some(right)) = sides else { continue };
            let mask = left.1.as_ref().zip(right.1.as_ref()).map(|(mask, _)| mask);
            let (left, right) = of_one_size(&left.0, &right.0)?;
            let rows = (positions(&left, mask)?, positions(&right, mask)?);
            correlations.push_rows(rows.0.view(), rows.1.view());
        }
        Ok(())
    }
}

/// Both maps at the smaller height and the smaller width of the two.
pub(super) fn of_one_size(left: &Tensor, right: &Tensor) -> Result<(Tensor, Tensor)> {
    let (a, b) = (left.size(), right.size());
    let size = [a[2].min(b[2]), a[3].min(b[3])];
    Ok((tensors::resized(left, size)?, tensors::resized(right, size)?))
}

/// Which positions of N×K×1×T maps are not padding, where they have one a token.
fn mask_of(maps: &Tensor, mask: Option<&Tensor>) -> Option<Tensor> {
    let (mask, shape) = (mask?, maps.size());
    let fits = shape[2] == 1 && mask.size() == [shape[0], shape[3]];
    fits.then(|| mask.to_device(maps.device()))
}

/// N×K×H×W maps as a matrix with a row a position and a column a channel, without those of padding.
pub(super) fn positions(maps: &Tensor, mask: Option<&Tensor>) -> Result<Array2<f32>> {
    let channels = maps.size().get(1).copied().unwrap_or(0);
    let rows = maps.f_permute([0, 2, 3, 1]).and_then(|t| t.f_reshape([-1, channels]));
    let own = |rows: Tensor| match mask {
        Some(mask) => rows.f_index_select(0, &mask.reshape([-1]).nonzero().reshape([-1])),
        None => Ok(rows),
    };
    tensors::to_floats(
        &rows.and_then(own).map_err(|e| tensors::torch_error("read feature maps", &e))?,
    )
}

fn to_maps(maps: &Tensor) -> Result<Array4<f32>> {
    let (n, k, h, w) = maps.size4().map_err(|e| tensors::torch_error("read feature maps", &e))?;
    let flat = tensors::to_floats(&maps.reshape([n * k, h * w]))?;
    let shape = (n as usize, k as usize, h as usize, w as usize);
    flat.into_shape_with_order(shape).map_err(|e| {
        Error::usage(format!("failed to read feature maps: {e}"), "please report this")
    })
}
