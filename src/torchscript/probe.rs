//! Finding the layers of a model by running it.

use std::collections::HashMap;

use tch::Tensor;

use super::axes::{Axes, Shown};
use super::dependence::{Dependence, differ, excerpt};
use super::ffi::Answer;
use super::layers::{Kind, Layer, element};
use super::model::Model;
use super::{defaults, draws, tensors};
use crate::error::{Error, Result};

/// A layer's output as it came.
struct Heard {
    tap: usize,
    call: usize,
    shape: Vec<i64>,
    complex: bool,
    dtype: tch::Kind,
    excerpt: Option<Tensor>,
}

/// What libtorch says of a view that the memory layout does not allow.
const NO_VIEW: &str = "view size is not compatible with input tensor's size and stride";

impl Model {
    /// Runs the model as it was loaded and returns all layers that ran, in the order in which they
    /// finished. A second run with one sample more, where the model allows it, tells the axis of the
    /// samples; another on the first sample in other company and with other random numbers shows which
    /// layers depend on these. Whether it takes batches of one size only is found out, too. To be called
    /// before [`Model::prepare`].
    ///
    /// # Errors
    /// The model does not run on this input.
    pub fn probe(&mut self, input: &Tensor) -> Result<Vec<Layer>> {
        self.free_batch(input);
        let samples = input.size().first().copied().unwrap_or(1);
        let mut found = self.probe_fitted(&self.fitted(input));
        let may_be = found.as_ref().err().filter(|error| may_be_of_the_batch(error));
        let size = may_be.map(|error| size_of_state(error).unwrap_or(1));
        if let Some(size) = size.filter(|&size| self.fixed.is_none() && samples != size) {
            self.fixed = Some(size);
            match self.probe_fitted(&self.fitted(input)) {
                Ok(layers) => found = Ok(layers),
                Err(_) => self.fixed = None,
            }
        }
        let mut layers = found?;
        self.for_samples(&mut layers, samples);
        Ok(layers)
    }

    /// Takes a model for one of any batch size, although it was exported for one size, where it gives
    /// one sample more in every layer, and of the first one the same.
    fn free_batch(&mut self, input: &Tensor) {
        let Some(size) = self.fixed else { return };
        let fitted = self.fitted(input);
        let Ok(more) = one_more(&fitted) else { return };
        let (Ok(before), Ok(after)) = (self.hear(&fitted, 0), self.hear(&more, 0)) else { return };
        let grows = |(one, other): (&Heard, &Heard)| {
            let sizes = one.shape.iter().zip(&other.shape).filter(|(one, other)| one != other);
            let grown: Vec<bool> =
                sizes.map(|(one, other)| one * (size + 1) == other * size).collect();
            let whole = one.shape.len() == other.shape.len() && grown.len() < 2;
            let rows = if grown.is_empty() { !one.shape.contains(&size) } else { grown[0] };
            whole && rows && !one.differs(other)
        };
        if before.len() == after.len() && before.iter().zip(&after).all(grows) {
            self.fixed = None;
        }
    }

    fn probe_fitted(&mut self, input: &Tensor) -> Result<Vec<Layer>> {
        let (input, heard) = self.first(input)?;
        let input = &input;
        self.trial = Some(input.shallow_clone());
        let same = self.handle.same_tensors(heard.len());
        self.causes = self.handle.causes();
        self.output_dependence = self.handle.output_dependence();
        let axes = self.axes(input, &heard)?;
        let along: Vec<usize> = axes.iter().map(|axes| axes.samples).collect();
        let seen = self.vary(input, &heard, &along);
        let mut layers = self.layers_of(heard, axes);
        for (layer, seen) in layers.iter_mut().zip(seen) {
            layer.dependence = self.handle.layer_dependence(layer.tap).or(seen);
        }
        let last = layers.last().map(|last| last.dependence).unwrap_or_default();
        self.output_dependence = self.output_dependence.or(last);
        self.draws = self.output_dependence.draw || layers.iter().any(|l| l.dependence.draw);
        name_aliases(&mut layers, &same);
        defaults::mark(&mut layers, &self.raw);
        Ok(layers)
    }

    /// The first run. `x.view(x.size(0), -1)` behind a convolution has no answer for a batch laid out
    /// channels-last, as images are here: such a model gets the plain layout from then on.
    fn first(&mut self, input: &Tensor) -> Result<(Tensor, Vec<Heard>)> {
        let error = match self.hear_followed(input) {
            Ok(heard) => return Ok((input.shallow_clone(), heard)),
            Err(error) => error,
        };
        let no_view = matches!(&error, Error::Model { detail, .. } if detail.contains(NO_VIEW));
        let plain = tensors::in_plain_layout(input);
        // A view of a fixed batch goes through, but makes one row of all samples.
        let is_row = |heard: &Heard| heard.shape.first() == plain.size().first();
        match if no_view { self.hear_followed(&plain) } else { Ok(vec![]) } {
            Ok(heard) if heard.last().is_some_and(is_row) => {
                self.plain = true;
                Ok((plain, heard))
            }
            _ => Err(error),
        }
    }

    fn hear(&mut self, input: &Tensor, run: u64) -> Result<Vec<Heard>> {
        self.hear_along(input, run, &[])
    }

    /// The same, with the values followed through the operators.
    fn hear_followed(&mut self, input: &Tensor) -> Result<Vec<Heard>> {
        self.hear_by(input, (0, true), &[])
    }

    /// The same, with the axis of the samples of each output that is known, the first of the others.
    fn hear_along(&mut self, input: &Tensor, run: u64, along: &[usize]) -> Result<Vec<Heard>> {
        self.hear_by(input, (run, false), along)
    }

    fn hear_by(
        &mut self,
        input: &Tensor,
        (run, follow): (u64, bool),
        along: &[usize],
    ) -> Result<Vec<Heard>> {
        let samples = input.size().first().copied().unwrap_or(1);
        let mut calls: HashMap<usize, usize> = HashMap::new();
        let mut heard = Vec::new();
        let given = self.unpacked(input)?;
        draws::begin_probe(run);
        self.handle
            .probe(&given, follow, &mut |tap, output| {
                let call = calls.entry(tap).or_insert(0);
                *call += 1;
                let (shape, complex) = (output.size(), output.is_complex());
                let axis = along.get(heard.len()).copied().unwrap_or(0);
                let excerpt = excerpt(output, samples, axis);
                let dtype = output.kind();
                heard.push(Heard { tap, call: *call, shape, complex, dtype, excerpt });
                Ok(Answer::Keep)
            })
            .map_err(|failure| self.run_error(failure, input))?;
        Ok(heard)
    }

    /// What the outputs of the first sample were seen to depend on; `along` holds the axes of the samples.
    fn vary(&mut self, input: &Tensor, before: &[Heard], along: &[usize]) -> Vec<Dependence> {
        let mut found = vec![Dependence::default(); before.len()];
        let mut anew = None;
        if along.iter().any(|&axis| axis > 0) {
            let Ok(heard) = self.hear_along(input, 0, along) else { return found };
            anew = Some(heard);
        }
        let before = anew.as_deref().unwrap_or(before);
        let apart = |one: &[Heard], other: &[Heard]| -> Option<Vec<bool>> {
            let same =
                one.iter().map(|h| (h.tap, h.call)).eq(other.iter().map(|h| (h.tap, h.call)));
            same.then(|| one.iter().zip(other).map(|(a, b)| a.differs(b)).collect())
        };
        let Ok(alone) = self.hear_along(&of_the_first(input), 1, along) else { return found };
        match apart(before, &alone) {
            Some(any) if any.iter().any(|&differs| differs) => {}
            _ => return found,
        }
        let Ok(again) = self.hear_along(input, 1, along) else { return found };
        let by_draw = apart(before, &again).unwrap_or_default();
        let by_batch = apart(&again, &alone).unwrap_or_default();
        let rows = input.size().first().copied();
        for (i, found) in found.iter_mut().enumerate() {
            let is_row = before.get(i).is_some_and(|b| b.shape.get(along[i]).copied() == rows);
            found.draw = by_draw.get(i) == Some(&true);
            found.batch = is_row && by_batch.get(i) == Some(&true);
        }
        found
    }

    /// What the axes of each output stand for.
    fn axes(&mut self, input: &Tensor, heard: &[Heard]) -> Result<Vec<Axes>> {
        let told: Vec<_> = (0..heard.len()).map(|place| self.handle.probed_axes(place)).collect();
        let samples = input.size().first().map_or(0, |&n| n as usize);
        let more = if samples > 0 { self.hear(&one_more(input)?, 0).ok() } else { None };
        if samples > 0 && more.is_none() {
            self.fixed.get_or_insert(samples as i64);
        }
        let places = |heard: &[Heard]| heard.iter().map(|h| (h.tap, h.call)).collect::<Vec<_>>();
        let more = more.filter(|more| places(more) == places(heard));
        let of = |(i, heard): (usize, &Heard)| {
            let first = Shown { samples, shape: &heard.shape };
            let second =
                more.as_ref().map(|more| Shown { samples: samples + 1, shape: &more[i].shape });
            Axes::found(&first, second.as_ref(), told[i])
        };
        Ok(heard.iter().enumerate().map(of).collect())
    }

    fn layers_of(&self, heard: Vec<Heard>, axes: Vec<Axes>) -> Vec<Layer> {
        let mut calls: HashMap<usize, usize> = HashMap::new();
        for heard in &heard {
            *calls.entry(heard.tap).or_default() += 1;
        }
        heard.into_iter().zip(axes).map(|(heard, axes)| self.layer(heard, axes, &calls)).collect()
    }

    fn layer(&self, heard: Heard, axes: Axes, calls: &HashMap<usize, usize>) -> Layer {
        let Heard { tap, call, shape, complex, dtype, .. } = heard;
        let module = self.module(tap);
        let name = if call == 1 { module.name } else { format!("{}:{call}", module.name) };
        Layer { name, shape, axes, call, calls: calls[&tap], complex, dtype, ..module }
    }

    /// A module as the graph has it, before it ran.
    pub(super) fn module(&self, tap: usize) -> Layer {
        let raw = &self.raw[tap];
        let prefix = format!("{}.", element(&raw.path).0);
        let has_children = self.raw.iter().any(|l| l.path.starts_with(&prefix));
        Layer {
            name: raw.path.clone(),
            type_name: raw.type_name.clone(),
            kind: Kind::of(&raw.type_name, self.is_flat(), has_children),
            shape: vec![],
            axes: Axes::guessed(0),
            parameters: raw.parameters,
            call: 1,
            calls: 0,
            aliases: vec![],
            by_default: true,
            complex: false,
            dtype: tch::Kind::Float,
            dependence: Dependence::default(),
            is_placed: raw.is_placed,
            tap,
        }
    }
}

impl Heard {
    fn differs(&self, other: &Self) -> bool {
        match (&self.excerpt, &other.excerpt) {
            (Some(one), Some(other)) => differ(one, other),
            _ => false,
        }
    }
}

/// Whether an error may come from the number of samples: not where ids are beyond the rows of an
/// embedding.
fn may_be_of_the_batch(error: &Error) -> bool {
    matches!(error, Error::Model { detail, .. } if !detail.contains("index out of range"))
}

/// How many samples the state is of that a recurrent layer begins with, where an error says so.
fn size_of_state(error: &Error) -> Option<i64> {
    let Error::Model { detail, .. } = error else { return None };
    let size = match detail.split_once("begins with a state of ") {
        Some((_, rest)) => rest.split(' ').next(),
        // A script looks itself: "Expected hidden[0] size (1, 2, 5), got [1, 4, 5]".
        None => {
            let (_, rest) = detail.split_once("Expected hidden")?;
            rest.split_once("got [")?.1.split(", ").nth(1)
        }
    };
    size?.parse().ok().filter(|&size| size > 0)
}

/// The samples with the first of them once more behind them.
fn one_more(samples: &Tensor) -> Result<Tensor> {
    Tensor::f_cat(&[samples, &samples.narrow(0, 0, 1)], 0)
        .map_err(|error| tensors::torch_error("repeat a sample", &error))
}

/// As many samples as before, each the first, in the same memory layout: random numbers are drawn in
/// the order of the memory.
fn of_the_first(input: &Tensor) -> Tensor {
    match input.size().first() {
        Some(&samples) if samples > 1 => {
            let mut same = input.empty_like();
            same.copy_(&input.narrow(0, 0, 1).expand_as(input));
            same
        }
        _ => input.shallow_clone(),
    }
}

/// Gives each layer the names of the others that give its tensor; `same` holds for each the place of
/// the first that gave it.
fn name_aliases(layers: &mut [Layer], same: &[Option<usize>]) {
    let mut groups: HashMap<usize, Vec<usize>> = HashMap::new();
    for place in 0..layers.len() {
        let first = same.get(place).copied().flatten().unwrap_or(place);
        groups.entry(first).or_default().push(place);
    }
    for group in groups.values() {
        for &place in group {
            let others = group.iter().filter(|&&other| other != place);
            layers[place].aliases = others.map(|&other| layers[other].name.clone()).collect();
        }
    }
}
