//! Models of a run: loaded side by side, their layers found and chosen.

use std::path::{Path, PathBuf};

use tch::Tensor;

use super::axes::{self, ChannelAxes};
use super::binding::bind;
use super::dependence;
use super::focus;
use super::loading::load_all;
use super::spatial::{Asked, Found};
use super::told::{info, leave_out, of_model, one_of_several, rowless, unheard};
use crate::analysis::{Observer, Running};
use crate::capture::{Reduce, Source, Subject, first_samples};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::report::{FedInput, ModelInput, Warning, WeightsInput};
use crate::saliency::{Embedded, Explainer, Focus, Method, Options, forward, images_of};
use crate::torchscript::{Execution, Grid, Layer, Model, Selection, Stage, draws};
use crate::view::layers::fast_path;

/// A model as loaded, with the hash of its file.
pub struct LoadedModel {
    /// The model, not prepared yet.
    pub model: Model,
    pub(super) sha256: String,
    pub(super) weights: Option<WeightsInput>,
    pub(super) fed: Vec<FedInput>,
    pub(super) noticed: Vec<Warning>,
    pub(super) channel_axes: ChannelAxes,
    pub(super) held_by: Vec<String>,
    /// The layer that is the input of the last linear one, where it is wanted beside the default ones.
    pub(super) last: Option<String>,
}

/// What is wanted of a model that explains its predictions.
pub struct Wanted<'a> {
    /// How maps are made.
    pub methods: Vec<Method>,
    /// Layers of class activation maps; none for the default.
    pub layers: &'a [String],
    /// Which element of a tuple is the output.
    pub output: Option<usize>,
    /// The methods' choices; windows of 0 pixels are to be settled by the size of the image.
    pub options: Options,
    /// The samples.
    pub data: &'a Dataset,
    /// Which input of several is explained; the only one that can be where nothing is said.
    pub of: Option<&'a str>,
}

/// A model whose channels are probed.
pub struct Probed {
    /// The model, prepared for `layers`.
    pub model: Model,
    /// The layers: N×C×positions, whichever way their axes are.
    pub layers: Vec<Layer>,
    /// How many times as many images as through the whole network go through what lies behind each
    /// layer in the same memory.
    pub room: Vec<usize>,
}

/// A model whose feature maps are looked at.
pub struct MapsOf {
    /// The model, prepared for its layers.
    pub subject: Subject,
    /// Their places in the order in which they were named.
    pub order: Vec<usize>,
    /// What the report says of it.
    pub record: ModelInput,
    /// What was noticed.
    pub warnings: Vec<Warning>,
    /// The input that is shown beside the maps; `None` where that is all that the model takes.
    pub focus: Option<Focus>,
}

/// Models with layers to listen to, and what the report says of them.
pub type Listening = (Vec<Subject>, Vec<ModelInput>, Vec<Warning>);

/// Loads models, finds their layers on the first samples, chooses those wanted of each, and makes the
/// models ready to run. The last preprocessing is for all models beyond.
///
/// # Errors
/// As [`load_all`] and [`LoadedModel::into_subject`], or the samples cannot be read.
pub fn listen(
    paths: &[PathBuf],
    (running, output): (&Running, Option<usize>),
    source: &Source<'_>,
    (selections, reduce): (&[Selection], Reduce),
    execution: &Execution,
) -> Result<Listening> {
    let loaded = load_all(paths, running)?;
    let samples = first_samples(source, 2)?;
    let (mut subjects, mut records, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for (i, mut model) in loaded.into_iter().enumerate() {
        let input = i.min(samples.len() - 1);
        model.feed(source.dataset)?;
        model.choose_output(output);
        let (mut subject, record, said) =
            model.into_subject(&samples[input], (&selections[i], reduce), execution, input)?;
        check_output(&mut subject.model, &samples[input])?;
        subjects.push(subject);
        records.push(record);
        for warning in said {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
    warnings.extend(one_of_several(&subjects));
    Ok((subjects, records, warnings))
}

/// Refuses an element chosen for the output that is not a tensor.
///
/// # Errors
/// It is none, or the model does not run.
pub fn check_output(model: &mut Model, samples: &Tensor) -> Result<()> {
    match model.chosen_output() {
        Some(_) => forward(model, samples).map(drop),
        None => Ok(()),
    }
}

impl LoadedModel {
    /// What was noticed of its weights and of the data it is given, once.
    pub fn take_noticed(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.noticed)
    }

    /// Takes the element of a tuple that was asked for as the output.
    pub fn choose_output(&mut self, index: Option<usize>) {
        if let Some(index) = index {
            self.model.choose_output(index);
        }
    }

    /// Makes the input of the last linear layer a layer, which is among those looked at where none are named. To be
    /// called before the layers are found.
    ///
    /// # Errors
    /// The graph cannot be read.
    pub fn add_last_linear(&mut self) -> Result<()> {
        self.last = self.model.listen_to_last_linear()?;
        Ok(())
    }

    /// Readies the model for the arrays of the data, each for its input. To be called before the layers
    /// are found.
    ///
    /// # Errors
    /// The arrays are not those of the inputs.
    pub fn feed(&mut self, data: &Dataset) -> Result<()> {
        let bound = bind(&mut self.model, data)?;
        self.fed = bound.inputs;
        self.noticed.extend(bound.warnings);
        Ok(())
    }

    /// All layers that run, with their channels where `--channel-axis` says. To be called once, before
    /// the model is prepared.
    ///
    /// # Errors
    /// The model does not run on the input, or an axis that was given does not exist.
    pub fn find_layers(&mut self, samples: &Tensor) -> Result<Vec<Layer>> {
        let mut layers = self.probe(samples)?;
        self.channel_axes.apply(&mut layers, self.model.path())?;
        layers.iter_mut().for_each(Layer::count_parts);
        Ok(layers)
    }

    /// Where no archive says so, numbers are taken in the type of the data if they are whole, else as
    /// float32; in the other of both where the model does not run on these.
    fn probe(&mut self, samples: &Tensor) -> Result<Vec<Layer>> {
        let mut found = self.model.probe(samples);
        if found.is_err() && self.model.swap_types() {
            let again = self.model.probe(samples);
            if again.is_err() {
                self.model.swap_types();
            }
            found = again.or(found);
        }
        for (input, dtype) in self.fed.iter_mut().zip(self.model.input_types()) {
            dtype.clone_into(&mut input.dtype);
        }
        found
    }

    /// Finds the layers by running the model on a few samples, chooses those wanted, and makes the
    /// model ready to run. Of the default layers those are left out that have nothing to reduce so.
    ///
    /// # Errors
    /// The model does not run on the input, a pattern matches nothing, or a layer gives no rows.
    pub fn into_subject(
        mut self,
        samples: &Tensor,
        (selection, reduce): (&Selection, Reduce),
        execution: &Execution,
        input: usize,
    ) -> Result<(Subject, ModelInput, Vec<Warning>)> {
        let all = self.find_layers(samples)?;
        let mut layers = choose(&self.model, &all, selection)?;
        if let Some(last) = self.last.as_ref().filter(|_| selection.is_default()) {
            let chosen = |layer: &&Layer| layers.iter().any(|other| other.name == layer.name);
            let wanted = |layer: &&Layer| layer.name == *last || chosen(layer);
            layers = all.iter().filter(wanted).cloned().collect();
        }
        let without = rowless(&mut layers, samples.size()[0] as usize, selection, &self.model);
        let left_out = selection.is_default().then(|| leave_out(&mut layers, reduce)).flatten();
        self.model.prepare(&layers, execution)?;
        let record = self.record(&layers);
        let mut warnings = self.take_noticed();
        warnings.extend(without);
        warnings.extend(unheard(&self.model, &all, selection));
        let path = self.model.path().display();
        let warning = |text| Warning::new("layers-without-tokens", &path, text);
        warnings.extend(left_out.map(warning));
        warnings.extend(of_model(&self.model, &layers));
        let subject = Subject { model: self.model, layers, input };
        subject.check_rows(samples.size()[0] as usize)?;
        Ok((subject, record, warnings))
    }

    /// Finds the one layer whose output are features: the layer named, else the input of the last
    /// linear layer, or for an extractor for FID nothing but what it returns.
    ///
    /// # Errors
    /// The model does not run on the input, has no such layer, or the layer gives no rows.
    pub fn into_extractor(
        mut self,
        samples: &Tensor,
        layer: Option<&str>,
        execution: &Execution,
    ) -> Result<(Subject, ModelInput, Vec<Warning>)> {
        let returns_features = self.model.is_feature_extractor();
        if returns_features {
            self.model.ask_for_features();
        }
        let name = match layer {
            None if returns_features => None,
            None => Some(self.last_linear()?),
            Some(name) => {
                if name.ends_with(":input") {
                    self.model.listen_to_last_linear()?;
                }
                Some(name.to_owned())
            }
        };
        let all = self.find_layers(samples)?;
        let layers = match name {
            Some(name) => vec![one_layer(&self.model, &all, name)?],
            None => vec![],
        };
        self.model.prepare(&layers, execution)?;
        let record = self.record(&layers);
        let mut warnings = self.take_noticed();
        warnings.extend(of_model(&self.model, &layers));
        let subject = Subject { model: self.model, layers, input: 0 };
        subject.check_rows(samples.size()[0] as usize)?;
        Ok((subject, record, warnings))
    }

    /// Re-initialises parameters, each by a seed of its own.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn redrawn(mut self, stages: &[Stage], seed: u64) -> Result<Self> {
        let parameters = stages.iter().flat_map(|stage| &stage.parameters);
        for (i, parameter) in parameters.enumerate() {
            self.model.redraw(parameter, seed.wrapping_add(i as u64))?;
        }
        Ok(self)
    }

    /// Makes a model ready to explain its predictions.
    ///
    /// # Errors
    /// The model does not run on the input, has no such layer, or the layer has no spatial map.
    pub fn into_explainer(
        mut self,
        samples: &Tensor,
        wanted: &Wanted<'_>,
        (execution, observer): (&Execution, &dyn Observer),
    ) -> Result<(Explainer, ModelInput, Vec<Warning>)> {
        self.feed(wanted.data)?;
        self.choose_output(wanted.output);
        let all = self.find_layers(samples)?;
        let mut focus = focus::find(wanted.data, &self.fed, &self.model, wanted.of)?;
        focus.as_ref().map_or(Ok(()), |focus| refuse_for_tokens(focus, &wanted.methods))?;
        let images = images_of(focus.as_ref(), samples);
        let asked = Asked { names: wanted.layers, grid: wanted.options.grid, differentiated: true };
        let mut layers = match wanted.methods.iter().any(|m| m.is_cam()) {
            true => self.found(&all, samples, &images).map_layers(&asked, observer)?,
            false => vec![],
        };
        let gradients = wanted.methods.iter().any(|method| !method.is_cam());
        if let Some(focus) = focus.as_mut().filter(|focus| focus.is_tokens && gradients) {
            focus.embedding = Some(self.embed(&all, &focus.name, &mut layers)?);
        }
        refuse_complex(&self.model, &layers)?;
        self.model.prepare(&layers, execution)?;
        let record = self.record(&layers);
        let warnings = self.warnings_of(&layers);
        let mut options = Options { focus, ..wanted.options.clone() };
        settle_windows(&mut options, &images);
        let methods = wanted.methods.clone();
        let explainer = Explainer { model: self.model, layers, methods, options };
        Ok((explainer, record, warnings))
    }

    /// Adds the embedding of token ids to the layers of class activation maps, in the order of the network.
    fn embed(&self, all: &[Layer], input: &str, cams: &mut Vec<Layer>) -> Result<Embedded> {
        let own = focus::embedding(&self.model, all, input)?;
        let is_cam = cams.iter().any(|layer| layer.name == own.name);
        let wanted = |layer: &&Layer| {
            layer.name == own.name || cams.iter().any(|other| other.name == layer.name)
        };
        let layers: Vec<Layer> = all.iter().filter(wanted).cloned().collect();
        let layer = layers.iter().position(|layer| layer.name == own.name).unwrap_or(0);
        *cams = layers;
        Ok(Embedded { layer, is_cam })
    }

    /// Makes a model ready to give the feature maps of layers: those named, else the default.
    ///
    /// # Errors
    /// The model does not run on the input, has no such layer, or a layer has no spatial map.
    pub fn into_maps(
        mut self,
        samples: &Tensor,
        (names, grid, data): (&[String], Option<Grid>, &Dataset),
        (execution, observer): (&Execution, &dyn Observer),
        input: usize,
    ) -> Result<MapsOf> {
        self.feed(data)?;
        let all = self.find_layers(samples)?;
        let focus = focus::likely(data, &self.fed, &self.model)?;
        let images = images_of(focus.as_ref(), samples);
        let asked = Asked { names, grid, differentiated: false };
        let layers = self.found(&all, samples, &images).map_layers(&asked, observer)?;
        self.model.prepare(&layers, execution)?;
        let record = self.record(&layers);
        let warnings = self.warnings_of(&layers);
        let named = |layer: &Layer| names.iter().position(|n| *n == layer.name);
        let mut order: Vec<usize> = (0..layers.len()).collect();
        order.sort_by_key(|&i| named(&layers[i]).unwrap_or(names.len()));
        let subject = Subject { model: self.model, layers, input };
        Ok(MapsOf { subject, order, record, warnings, focus })
    }

    /// Makes a model ready to have its channels probed at the layers named, without any at the default.
    ///
    /// # Errors
    /// The model does not run on the input, has no such layer, or the layer has no channels.
    pub fn into_probed(
        mut self,
        samples: &Tensor,
        (names, output): (&[String], Option<usize>),
        (execution, observer): (&Execution, &dyn Observer),
    ) -> Result<(Probed, ModelInput, Vec<Warning>)> {
        if let Some(index) = output {
            self.model.choose_output(index);
        }
        if names.iter().any(|name| name.ends_with(":input")) {
            self.model.listen_to_last_linear()?;
        }
        let all = self.find_layers(samples)?;
        let layers = self.found(&all, samples, samples).channel_layers(names, observer)?;
        refuse_complex(&self.model, &layers)?;
        self.model.prepare(&layers, execution)?;
        let record = self.record(&layers);
        let warnings = self.warnings_of(&layers);
        let room = layers.iter().map(|layer| room_behind(&all, layer, samples)).collect();
        Ok((Probed { model: self.model, layers, room }, record, warnings))
    }

    /// Warnings of the prepared model, and of layers whose channels could only be guessed.
    pub(super) fn warnings_of(&mut self, layers: &[Layer]) -> Vec<Warning> {
        let mut warnings = self.take_noticed();
        warnings.extend(of_model(&self.model, layers));
        warnings.extend(axes::unknown(layers, self.model.path()));
        warnings
    }

    pub(super) fn found<'a>(
        &'a mut self,
        all: &'a [Layer],
        samples: &'a Tensor,
        images: &'a Tensor,
    ) -> Found<'a> {
        Found { model: &mut self.model, all, samples, images }
    }

    fn last_linear(&mut self) -> Result<String> {
        self.model.listen_to_last_linear()?.ok_or_else(|| {
            let problem = "it has no linear layer whose input could be taken";
            let remedy = "name a layer with --layers; `repsim layers` lists them";
            Error::file("find features in", self.model.path(), problem, remedy)
        })
    }

    /// What the report says of the model.
    pub fn record(&self, layers: &[Layer]) -> ModelInput {
        ModelInput {
            path: self.model.path().display().to_string(),
            sha256: self.sha256.clone(),
            weights: self.weights.clone(),
            frozen: self.model.is_flat(),
            dtype: self.model.cast_to().map(str::to_owned),
            output_key: self.model.chosen_part().map(str::to_owned),
            untrusted_operators: self.model.untrusted_operators().to_vec(),
            draw_seed: self.model.draws().then(draws::seed),
            inputs: self.fed.clone(),
            layers: layers.iter().map(info).collect(),
            output: None,
            accuracy: vec![],
            features: None,
            held_by: self.held_by.clone(),
        }
    }
}

/// The layers wanted. A pattern that names a module without a tensor, or one that did not run, is
/// told so instead of "no such layer".
pub fn choose(model: &Model, all: &[Layer], selection: &Selection) -> Result<Vec<Layer>> {
    for pattern in selection.patterns() {
        if let Some((path, result)) = model.without_tensor().iter().find(|(p, _)| *p == pattern) {
            let problem = format!("gives {result}, no tensor");
            return Err(match result.contains("Tensor") {
                true => traced_instead(model.path(), path, problem),
                false => layer_error(model.path(), path, problem),
            });
        }
        if let Some(path) = model.not_run(all).iter().find(|p| **p == pattern) {
            let problem = match dependence::fused(model, &[path]).first() {
                Some((operator, _)) => fast_path(&[operator]),
                None => "did not run for this input".to_owned(),
            };
            return Err(layer_error(model.path(), path, problem));
        }
    }
    selection.choose(all, model.path())
}

/// Refuses complex layers where channels are changed or differentiated.
///
/// # Errors
/// Names the first complex one.
pub fn refuse_complex(model: &Model, layers: &[Layer]) -> Result<()> {
    match layers.iter().find(|layer| layer.complex) {
        None => Ok(()),
        Some(layer) => {
            let problem = "gives complex numbers, and this takes real ones".to_owned();
            Err(layer_error(model.path(), &layer.name, problem))
        }
    }
}

/// Refuses methods that change their input where that is token ids.
fn refuse_for_tokens(focus: &Focus, methods: &[Method]) -> Result<()> {
    match methods.iter().find(|method| focus.is_tokens && method.changes_values()) {
        None => Ok(()),
        Some(method) => Err(Error::usage(
            format!("{method} changes the input by degrees, and {} holds token ids", focus.name),
            "take gradient, gradient-x-input or a class activation map, or name an input of floats with --of",
        )),
    }
}

/// The largest output of the network over the largest from the layer on.
fn room_behind(all: &[Layer], layer: &Layer, samples: &Tensor) -> usize {
    let place = all.iter().position(|other| other.name == layer.name).unwrap_or(0);
    let largest = |layers: &[Layer]| {
        layers.iter().map(|l| l.shape.iter().product::<i64>()).max().unwrap_or(1).max(1) as usize
    };
    (largest(all).max(samples.numel()) / largest(&all[place..])).max(1)
}

/// Windows of an eighth of the image that overlap by half, where nothing else was asked for.
fn settle_windows(options: &mut Options, samples: &Tensor) {
    let side = samples.size().into_iter().skip(2).min().unwrap_or(8) as usize;
    if options.window == 0 {
        options.window = (side / 8).max(1);
    }
    if options.stride == 0 {
        options.stride = (options.window / 2).max(1);
    }
}

/// The layer of a name, or the only one of a pattern.
fn one_layer(model: &Model, all: &[Layer], name: String) -> Result<Layer> {
    let mut layers = choose(model, all, &Selection::new(std::slice::from_ref(&name))?)?;
    match (layers.pop(), layers.len()) {
        (Some(layer), 0) => Ok(layer),
        (_, more) => {
            let problem = format!("'{name}' matches {} layers", more + 1);
            Err(Error::usage(problem, "name one layer with --layers"))
        }
    }
}

/// An error of a module that gives tensors in something else, such as an LSTM.
fn traced_instead(model: &Path, layer: &str, problem: String) -> Error {
    let remedy = "trace the network instead of scripting it (torch.jit.trace(model.eval(), example)): there a \
                  module gives the one tensor of it that is used; or choose another layer";
    let (layer, remedy) = (layer.to_owned(), remedy.to_owned());
    Error::Layer { layer, path: model.to_owned(), problem, remedy }
}

/// An error of a layer that cannot give what is wanted.
pub fn layer_error(model: &Path, layer: &str, problem: String) -> Error {
    Error::Layer {
        layer: layer.to_owned(),
        path: model.to_owned(),
        problem,
        remedy: "choose another layer; `repsim layers` lists them".to_owned(),
    }
}
