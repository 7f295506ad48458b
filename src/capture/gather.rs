//! The rows of all layers over a data set, kept as they are.

use ndarray::{Array1, Array2, Axis};
use tch::Tensor;

use super::averaged::Averaged;
use super::feed::{Consumer, Feed, Place};
use super::plan::bytes_text;
use super::reduce::Reduce;
use super::rows::first_not_finite;
use super::{Progress, Timing};
use crate::error::{Error, Result};
use crate::torchscript::{Answer, tensors};

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// From feature maps to rows: one a sample.
    pub reduce: Reduce,
    /// Whether the pixels are wanted too: images as the models take them, averaged to at most
    /// [`PIXELS`] rows and columns.
    pub pixels: bool,
    /// Bytes that the rows may take.
    pub memory: u64,
}

/// Rows and columns that images are averaged to, at most.
pub const PIXELS: i64 = 32;

/// Channels of images.
const COLOURS: u64 = 3;

/// The rows of a layer.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// D.
    pub width: usize,
    /// n×D, or why there are none. Columns that are constant except for the rounding of the type that they were
    /// computed in are constant: what reads them out would read how samples were rounded.
    pub rows: Result<Array2<f64>, String>,
    /// The scatter relative to the squared norm of the mean below which they count as constant.
    pub constant: f64,
}

/// The rows of all layers.
#[derive(Debug)]
pub struct Outcome {
    /// A list of layers a subject.
    pub layers: Vec<Vec<Gathered>>,
    /// The pixels, where they were wanted and the models take images.
    pub pixels: Option<Gathered>,
    /// Name of each sample.
    pub names: Vec<String>,
    /// Position of each sample in the data set; empty for stored representations.
    pub indices: Vec<usize>,
    /// Where the time went.
    pub timing: Timing,
}

/// Runs over the data once and keeps what the layers give.
///
/// # Errors
/// The data cannot be read, a model does not run on it, or the memory allowed is not enough.
pub fn gather(feed: &mut dyn Feed, wanted: Wanted, progress: &mut dyn Progress) -> Result<Outcome> {
    let of = |shapes: &Vec<Vec<i64>>| shapes.iter().map(|s| wanted.reduce.width(s)).collect();
    let widths: Vec<Vec<usize>> = feed.shapes().iter().map(of).collect();
    check_memory(&widths, feed.samples(), wanted)?;
    let state = |&width: &usize| State { width, ..State::default() };
    let states = |widths: &Vec<usize>| widths.iter().map(state).collect();
    let mut pass = Pass {
        wanted,
        layers: widths.iter().map(states).collect(),
        pixels: None,
        names: vec![],
        indices: vec![],
        done: 0,
    };
    let mut timing = Timing::default();
    progress.begin(1, 1, feed.samples());
    let passed = feed.pass(&mut pass, progress, &mut timing);
    progress.end();
    passed?;
    let whole = |states: Vec<State>| states.into_iter().map(State::whole).collect();
    Ok(Outcome {
        layers: pass.layers.into_iter().map(whole).collect(),
        pixels: pass.pixels.map(State::whole),
        names: pass.names,
        indices: pass.indices,
        timing,
    })
}

fn check_memory(widths: &[Vec<usize>], samples: usize, wanted: Wanted) -> Result<()> {
    let of_layers: u64 = widths.iter().flatten().map(|&width| width as u64).sum();
    let of_pixels = if wanted.pixels { COLOURS * (PIXELS * PIXELS) as u64 } else { 0 };
    let columns = of_layers + of_pixels;
    let needed = 8 * columns.saturating_mul(samples as u64);
    if needed <= wanted.memory {
        return Ok(());
    }
    let problem = format!(
        "the rows of {} layers over {samples} samples take {}, and --memory is {}",
        widths.iter().map(Vec::len).sum::<usize>(),
        bytes_text(needed),
        bytes_text(wanted.memory)
    );
    let remedy = "use --reduce gap, fewer --layers, fewer samples (--limit), or more --memory";
    Err(Error::usage(problem, remedy))
}

/// What a layer has given so far.
#[derive(Default)]
struct State {
    width: usize,
    values: Vec<f64>,
    absence: Option<String>,
    constant: f64,
    averaged: Averaged,
}

impl State {
    fn add(&mut self, rows: &Tensor, at: &Place<'_>) -> Result<()> {
        if let Some(row) = first_not_finite(rows) {
            let why = || format!("NaN or infinite for sample {}", (at.name)(row));
            self.absence.get_or_insert_with(why);
            self.values = vec![];
        }
        if self.absence.is_none() {
            self.values.extend(tensors::to_matrix(rows)?.iter());
        }
        Ok(())
    }

    fn whole(self) -> Gathered {
        let Self { width, values, absence, constant, averaged } = self;
        let count = values.len().checked_div(width).unwrap_or(0);
        let rows = match absence {
            Some(why) => Err(why),
            None => Array2::from_shape_vec((count, width), values)
                .map(|rows| settled(rows, &averaged, constant))
                .map_err(|e| e.to_string()),
        };
        Gathered { width, rows, constant }
    }
}

/// Rows with the mean over the samples in place of each column that is constant except for rounding: by what it is a
/// mean of (see [`Averaged`]), or by its own size.
fn settled(mut rows: Array2<f64>, averaged: &Averaged, constant: f64) -> Array2<f64> {
    averaged.settle(&mut rows, constant);
    let mean = rows.mean_axis(Axis(0)).unwrap_or_default();
    let (mut scatter, mut squares) = (Array1::zeros(mean.len()), Array1::zeros(mean.len()));
    for row in rows.rows() {
        let centred = &row - &mean;
        scatter += &(&centred * &centred);
        squares += &(&row * &row);
    }
    let columns = scatter.iter().zip(&squares).enumerate();
    for (column, _) in columns.filter(|(_, (scatter, squares))| **scatter <= constant * **squares) {
        rows.column_mut(column).fill(mean[column]);
    }
    rows
}

struct Pass {
    wanted: Wanted,
    layers: Vec<Vec<State>>,
    pixels: Option<State>,
    names: Vec<String>,
    indices: Vec<usize>,
    /// Samples of batches that are done.
    done: usize,
}

impl Consumer for Pass {
    fn wants(&self, _: usize) -> bool {
        true
    }

    fn input(&mut self, at: Place<'_>, input: &Tensor) -> Result<()> {
        if !self.wanted.pixels || input.dim() != 4 || !input.is_floating_point() {
            return Ok(());
        }
        let side = |axis: usize| input.size()[axis].min(PIXELS);
        let small = input.f_adaptive_avg_pool2d([side(2), side(3)]);
        let small = small.and_then(|small| small.f_flatten(1, -1));
        let rows = small.map_err(|e| tensors::torch_error("average the pixels", &e))?;
        let state = self.pixels.get_or_insert_default();
        state.width = rows.size()[1] as usize;
        state.constant = at.constant(&rows);
        state.add(&rows, &at)
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        if self.names.len() == self.done {
            self.names.extend((0..at.samples).map(|row| (at.name)(row)));
            self.indices.extend(at.indices);
        }
        let rows = self.wanted.reduce.rows(output, at.tokens)?;
        let state = &mut self.layers[at.subject][at.layer];
        state.constant = at.constant(output);
        state.averaged.add(self.wanted.reduce, output, at.tokens)?;
        state.add(&rows, &at)?;
        Ok(Answer::Keep)
    }

    fn batch_done(&mut self, samples: usize) -> Result<()> {
        self.done += samples;
        Ok(())
    }
}
