//! Finding the layers of a model by running it.

use std::collections::HashMap;

use tch::Tensor;

use super::axes::{Axes, Shown};
use super::dependence::{COARSE, Dependence, MOVED, ROUNDING, differ, excerpt};
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

/// How the outputs of a run are heard.
#[derive(Clone, Copy, Default)]
struct Listening<'a> {
    /// Which random numbers are drawn.
    run: u64,
    /// Whether the values are followed through the operators.
    follow: bool,
    /// The axis of the samples of each output that is known, the first of the others.
    along: &'a [usize],
    /// Which sample's numbers are kept.
    row: i64,
}

/// What libtorch says of a view that the memory layout does not allow.
const NO_VIEW: &str = "view size is not compatible with input tensor's size and stride";

impl Model {
    /// Runs the model as it was loaded and returns all layers that ran, in the order in which they finished. A
    /// second run with one more sample, where the model allows it, shows the axis of the samples; another on
    /// the first sample in other company and with other random numbers shows which layers depend on these.
    /// Where all operators are known to keep samples apart, one run on the first sample takes the place of
    /// both. Whether it takes batches of one size only is found out, too. To be called before
    /// [`Model::prepare`].
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
        let moved = Listening { row: 1, ..Listening::default() };
        let before = self.hear(&fitted, Listening::default());
        let (Ok(before), Ok(after)) = (before, self.hear(&more, moved)) else { return };
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
        let same = self.handle.same_tensors(heard.len());
        self.causes = self.handle.causes();
        self.output_dependence = self.handle.output_dependence();
        let (axes, seen) = match self.first_alone(input, &heard) {
            Some(alone) => (self.axes(&heard, (input, 1), Some(&alone)), self.told(&heard)),
            None => {
                self.trial = Some(input.shallow_clone());
                self.tried(input, &heard)?
            }
        };
        let mut layers = self.layers_of(heard, axes);
        for (layer, seen) in layers.iter_mut().zip(seen) {
            layer.dependence = seen;
        }
        let last = layers.last().map(|last| last.dependence).unwrap_or_default();
        self.output_dependence = self.output_dependence.or(last);
        self.draws = self.output_dependence.draw || layers.iter().any(|l| l.dependence.draw);
        name_aliases(&mut layers, &same);
        defaults::mark(&mut layers, &self.raw);
        Ok(layers)
    }

    /// What the first sample gives alone, where the operators show that nothing else needs to be tried: the
    /// model keeps samples apart and takes any number of them. `None` where they do not.
    fn first_alone(&mut self, input: &Tensor, heard: &[Heard]) -> Option<Vec<Heard>> {
        let several = input.size().first().is_some_and(|&samples| samples > 1);
        if !several || self.fixed.is_some() || !self.handle.keeps_samples_apart() {
            return None;
        }
        let alone = self.hear(&input.narrow(0, 0, 1), Listening::default()).ok()?;
        (places(&alone) == places(heard)).then_some(alone)
    }

    /// The axes of each output, and what it depends on, by further runs.
    fn tried(&mut self, input: &Tensor, heard: &[Heard]) -> Result<(Vec<Axes>, Vec<Dependence>)> {
        let samples = input.size().first().map_or(0, |&n| n as usize);
        let more = self.with_one_more(input, heard)?;
        let axes = self.axes(heard, (input, samples + 1), more.as_deref());
        let along: Vec<usize> = axes.iter().map(|axes| axes.samples).collect();
        let seen = self.vary(input, heard, (&along, more));
        Ok((axes, seen))
    }

    /// The first run. `x.view(x.size(0), -1)` behind a convolution has no answer for a batch laid out
    /// channels-last, as images are here: such a model gets the plain layout from then on.
    fn first(&mut self, input: &Tensor) -> Result<(Tensor, Vec<Heard>)> {
        let followed = Listening { follow: true, ..Listening::default() };
        let error = match self.hear(input, followed) {
            Ok(heard) => return Ok((input.shallow_clone(), heard)),
            Err(error) => error,
        };
        let no_view = matches!(&error, Error::Model { detail, .. } if detail.contains(NO_VIEW));
        let plain = tensors::in_plain_layout(input);
        // A view of a fixed batch goes through, but makes one row of all samples.
        let is_row = |heard: &Heard| heard.shape.first() == plain.size().first();
        match if no_view { self.hear(&plain, followed) } else { Ok(vec![]) } {
            Ok(heard) if heard.last().is_some_and(is_row) => {
                self.plain = true;
                Ok((plain, heard))
            }
            _ => Err(error),
        }
    }

    fn hear(&mut self, input: &Tensor, how: Listening<'_>) -> Result<Vec<Heard>> {
        let Listening { run, follow, along, row } = how;
        let samples = input.size().first().copied().unwrap_or(1);
        let mut calls: HashMap<usize, usize> = HashMap::new();
        let mut heard = Vec::new();
        let given = self.unpacked(input)?;
        let _kept = draws::begin_probe(run);
        self.handle
            .probe(&given, follow, &mut |tap, output| {
                let call = calls.entry(tap).or_insert(0);
                *call += 1;
                let (shape, complex) = (output.size(), output.is_complex());
                let axis = along.get(heard.len()).copied().unwrap_or(0);
                let excerpt = excerpt(output, (samples, row), axis);
                let dtype = output.kind();
                heard.push(Heard { tap, call: *call, shape, complex, dtype, excerpt });
                Ok(Answer::Keep)
            })
            .map_err(|failure| self.run_error(failure, input))?;
        Ok(heard)
    }

    /// What the operators of each output say that it depends on.
    fn told(&self, heard: &[Heard]) -> Vec<Dependence> {
        heard.iter().map(|heard| self.handle.layer_dependence(heard.tap)).collect()
    }

    /// What each output depends on: what its operators say, and what the first sample's was seen to
    /// depend on. `along` holds the axes of the samples, `more` what a batch with a sample more gave.
    fn vary(
        &mut self,
        input: &Tensor,
        before: &[Heard],
        (along, more): (&[usize], Option<Vec<Heard>>),
    ) -> Vec<Dependence> {
        let mut found = self.told(before);
        let how = Listening { along, ..Listening::default() };
        let mut anew = None;
        if along.iter().any(|&axis| axis > 0) {
            let Ok(heard) = self.hear(input, how) else { return found };
            anew = Some(heard);
        }
        let before = anew.as_deref().unwrap_or(before);
        self.in_other_company(input, (before, how), &mut found);
        self.at_another_place(input, (before, how), more, &mut found);
        found
    }

    /// The first sample among copies of itself, and with other random numbers.
    fn in_other_company(
        &mut self,
        input: &Tensor,
        (before, how): (&[Heard], Listening<'_>),
        found: &mut [Dependence],
    ) {
        let again = Listening { run: 1, ..how };
        let Ok(alone) = self.hear(&of_the_first(input), again) else { return };
        match apart(before, &alone, Heard::differs) {
            Some(any) if any.iter().any(|&differs| differs) => {}
            _ => return,
        }
        let Ok(again) = self.hear(input, again) else { return };
        let by_draw = apart(before, &again, Heard::differs).unwrap_or_default();
        let by_batch = apart(&again, &alone, Heard::differs).unwrap_or_default();
        for (i, found) in found.iter_mut().enumerate() {
            found.draw |= by_draw.get(i) == Some(&true);
            found.batch |=
                by_batch.get(i) == Some(&true) && before[i].has_rows(input, how.along[i]);
        }
    }

    /// The first sample second, in a batch of one more where the model takes that: its values are the same
    /// except for rounding, unless they depend on its place, on other samples or on their number. Those of
    /// random numbers differ there.
    fn at_another_place(
        &mut self,
        input: &Tensor,
        (before, how): (&[Heard], Listening<'_>),
        more: Option<Vec<Heard>>,
        found: &mut [Dependence],
    ) {
        if input.size().first().is_none_or(|&samples| samples < 2) {
            return;
        }
        let moved = Listening { row: 1, ..how };
        let after = match more {
            Some(more) if how.along.iter().all(|&axis| axis == 0) => Ok(more),
            Some(_) => one_more(input).and_then(|more| self.hear(&more, moved)),
            None => self.hear(&rolled(input), moved),
        };
        let Ok(after) = after else { return };
        let share = if before.iter().any(Heard::is_coarse) { COARSE } else { MOVED };
        let differs = |one: &Heard, other: &Heard| one.differs_by(other, share);
        let by_place = apart(before, &after, differs).unwrap_or_default();
        for (i, found) in found.iter_mut().enumerate() {
            let moved = by_place.get(i) == Some(&true) && before[i].has_rows(input, how.along[i]);
            found.batch |= moved && !found.draw;
        }
    }

    /// What a batch with one sample more gives, the first one second; `None` where the model does not take
    /// it, or other layers run.
    fn with_one_more(&mut self, input: &Tensor, heard: &[Heard]) -> Result<Option<Vec<Heard>>> {
        let samples = input.size().first().copied().unwrap_or(0);
        if samples == 0 {
            return Ok(None);
        }
        let moved = Listening { row: 1, ..Listening::default() };
        let more = self.hear(&one_more(input)?, moved).ok();
        if more.is_none() {
            self.fixed.get_or_insert(samples);
        }
        Ok(more.filter(|more| places(more) == places(heard)))
    }

    /// What the axes of each output stand for, by what another number of samples gave.
    fn axes(
        &self,
        heard: &[Heard],
        (input, number): (&Tensor, usize),
        other: Option<&[Heard]>,
    ) -> Vec<Axes> {
        let samples = input.size().first().map_or(0, |&n| n as usize);
        let of = |(i, heard): (usize, &Heard)| {
            let first = Shown { samples, shape: &heard.shape };
            let second = other.map(|other| Shown { samples: number, shape: &other[i].shape });
            Axes::found(&first, second.as_ref(), self.handle.probed_axes(i))
        };
        heard.iter().enumerate().map(of).collect()
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
        self.differs_by(other, ROUNDING)
    }

    fn differs_by(&self, other: &Self, share: f64) -> bool {
        match (&self.excerpt, &other.excerpt) {
            (Some(one), Some(other)) => differ(one, other, share),
            _ => false,
        }
    }

    fn has_rows(&self, input: &Tensor, axis: usize) -> bool {
        self.shape.get(axis).copied() == input.size().first().copied()
    }

    /// Whether its numbers have fewer digits than float32.
    fn is_coarse(&self) -> bool {
        matches!(self.dtype, tch::Kind::Half | tch::Kind::BFloat16)
    }
}

/// Which call of which module each output of a run is of.
fn places(heard: &[Heard]) -> Vec<(usize, usize)> {
    heard.iter().map(|heard| (heard.tap, heard.call)).collect()
}

/// Which outputs of a run are apart from those of another; `None` where other layers ran.
fn apart(
    one: &[Heard],
    other: &[Heard],
    differs: impl Fn(&Heard, &Heard) -> bool,
) -> Option<Vec<bool>> {
    let same = one.iter().map(|h| (h.tap, h.call)).eq(other.iter().map(|h| (h.tap, h.call)));
    same.then(|| one.iter().zip(other).map(|(a, b)| differs(a, b)).collect())
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

/// The samples, preceded by a copy of the last one.
fn one_more(samples: &Tensor) -> Result<Tensor> {
    let last = samples.size().first().map_or(0, |&count| count - 1);
    Tensor::f_cat(&[&samples.narrow(0, last, 1), samples], 0)
        .map_err(|error| tensors::torch_error("repeat a sample", &error))
}

/// The samples, the last of them first, in the same memory layout.
fn rolled(samples: &Tensor) -> Tensor {
    let mut rolled = samples.empty_like();
    rolled.copy_(&samples.roll([1], [0]));
    rolled
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::{Device, Kind as Dtype};

    use super::*;

    fn probed(name: &str, side: i64) -> (Model, Vec<Layer>, Tensor) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/capture/apart");
        let mut model = match Model::load(folder.join(name), false) {
            Ok(model) => model,
            Err(error) => panic!("{name}: {error}"),
        };
        let numbers = Tensor::arange(6 * side * side, (Dtype::Double, Device::Cpu)).sin();
        let input = numbers.to_kind(Dtype::Float).reshape([2, 3, side, side]);
        match model.probe(&input) {
            Ok(layers) => (model, layers, input),
            Err(error) => panic!("{name}: {error}"),
        }
    }

    fn facts(axes: &[Axes], seen: &[Dependence]) -> Vec<(Axes, Dependence)> {
        axes.iter().copied().zip(seen.iter().copied()).collect()
    }

    #[test]
    fn what_operators_show_is_what_further_runs_show() {
        for name in ["plain.pt", "traced.pt", "plain.pt2", "strided.pt"] {
            let (mut model, layers, input) = probed(name, 4);
            assert!(model.handle.keeps_samples_apart() && model.trial.is_none(), "{name}");
            let shown: Vec<_> = layers.iter().map(|l| (l.axes, l.dependence)).collect();
            let ran = model
                .first(&input)
                .and_then(|(input, heard)| model.tried(&input, &heard))
                .map(|(axes, seen)| facts(&axes, &seen));
            assert!(layers.len() > 4 && ran.is_ok_and(|ran| ran == shown), "{name}");
            assert_eq!((model.fixed, model.draws), (None, false), "{name}");
        }
    }

    #[test]
    fn samples_that_meet_are_seen_by_further_runs() {
        for name in ["vector", "places", "limits", "norm", "stacked", "unbatched", "dropout"] {
            let (model, layers, _) = probed(&format!("{name}.pt"), 2);
            assert!(!model.handle.keeps_samples_apart(), "{name}");
            let output = model.output_dependence;
            let told = output.batch || output.draw || model.fixed.is_some() || layers.is_empty();
            assert!(told || name == "stacked", "{name}: {output:?}");
        }
    }
}
