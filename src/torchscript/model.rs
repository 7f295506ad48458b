//! A TorchScript model that can be listened to.

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};

use super::advice::{self, Advice, Given, gist};
use super::archive::{self, Archive};
use super::dependence::{Cause, Dependence};
use super::exported::{self, Interface};
use super::ffi::{Answer, Failure, Handle, RawLayer};
use super::layers::{Layer, element};
use super::packing::{Packing, kind_name};
use super::stages::{Stage, stages};
use super::taps::Taps;
use super::{device, draws, tensors};
use crate::error::{Error, Result};

/// How a model is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Execution {
    /// Freeze the module, fold batch norms into convolutions, run channels-last.
    pub optimize: bool,
    /// Where it runs.
    pub device: Device,
}

impl Default for Execution {
    fn default() -> Self {
        Self { optimize: true, device: Device::Cpu }
    }
}

/// A loaded TorchScript archive, in evaluation mode.
pub struct Model {
    path: PathBuf,
    pub(super) handle: Handle,
    pub(super) raw: Vec<RawLayer>,
    untrusted: Vec<String>,
    taps: Taps,
    pub(super) execution: Execution,
    note: Option<String>,
    /// Whether it runs in the plain memory layout only, which is not the fastest one.
    pub(super) plain: bool,
    output: Option<usize>,
    prepared: bool,
    pub(super) causes: Vec<Cause>,
    pub(super) output_dependence: Dependence,
    pub(super) draws: bool,
    /// What it was probed with, until it is prepared.
    pub(super) trial: Option<Tensor>,
    interface: Interface,
    traced: bool,
    part: Option<String>,
    dtype: Option<&'static str>,
    /// The option that it was cast by.
    cast_by: &'static str,
    /// The floats that it takes, where that is known.
    pub(super) floats: Option<Kind>,
    /// How many samples it takes at once, where that is fixed.
    pub(super) fixed: Option<i64>,
    pub(super) packing: Packing,
    /// Arguments of `forward` (from 1) that were given a value.
    pub(super) given: Vec<usize>,
}

impl Model {
    /// Loads an archive on the CPU.
    ///
    /// A TorchScript archive is a program. All of its code is compiled and judged before any of it runs; one
    /// with operators that are not known to compute only is loaded only with `trust`.
    ///
    /// # Errors
    /// The file is not a TorchScript archive (and what it is instead), holds operators that are
    /// not trusted, or libtorch failed to load it.
    pub fn load(path: impl AsRef<Path>, trust: bool) -> Result<Self> {
        let path = path.as_ref();
        let (kind, file) = archive::open(path)?;
        let Archive::TorchScript { traced } = kind else {
            let (handle, interface) = exported::load(path)?;
            let fixed = interface.fixed_batch();
            return Self { fixed, ..Self::new(path, handle, vec![]) }.with_interface(interface);
        };
        let (handle, untrusted) = archive::load(path, file, trust)?;
        let floats = handle.float_kind();
        Self { floats, traced, ..Self::new(path, handle, untrusted) }
            .with_interface(Interface::default())
    }

    fn new(path: &Path, handle: Handle, untrusted: Vec<String>) -> Self {
        let raw = handle.layers();
        let taps = Taps::default();
        let execution = Execution::default();
        let path = path.to_owned();
        let (note, output, prepared, plain) = (None, None, false, false);
        let (causes, output_dependence) = (vec![], Dependence::default());
        Self {
            path,
            handle,
            raw,
            untrusted,
            taps,
            execution,
            note,
            plain,
            output,
            prepared,
            causes,
            output_dependence,
            draws: true,
            trial: None,
            interface: Interface::default(),
            traced: false,
            part: None,
            dtype: None,
            cast_by: "",
            floats: None,
            fixed: None,
            packing: Packing::of_interface(&Interface::default()),
            given: vec![],
        }
    }

    fn with_interface(self, interface: Interface) -> Result<Self> {
        let packing = Packing::of_interface(&interface);
        let mut model = Self { interface, ..self };
        model.take(packing.into_parts())?;
        Ok(model)
    }

    /// Casts all its parameters, buffers and constants that hold floats; it is given floats of that type
    /// from now on. `option` is what asks for it. To be called before [`Model::probe`].
    ///
    /// # Errors
    /// What libtorch said.
    pub fn cast(&mut self, kind: Kind, option: &'static str) -> Result<()> {
        self.handle
            .cast(kind)
            .map_err(|said| self.torch_error("cast", said, format!("leave {option} out")))?;
        self.floats = Some(kind);
        self.cast_by = option;
        self.dtype = Some(kind_name(kind));
        let parts = std::mem::take(&mut self.packing).into_parts();
        self.take(parts)
    }

    /// The type that it was cast to.
    pub fn cast_to(&self) -> Option<&'static str> {
        self.dtype
    }

    /// The file the model came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the program takes and gives, where the archive says so: one of `torch.export`.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Where the prepared model runs.
    pub fn device(&self) -> Device {
        self.execution.device
    }

    /// Operators of the archive that reach beyond the model; empty unless it was trusted.
    pub fn untrusted_operators(&self) -> &[String] {
        &self.untrusted
    }

    /// Whether the archive was frozen: it has no modules, and its layers are operator nodes.
    pub fn is_flat(&self) -> bool {
        self.handle.is_flat()
    }

    /// Whether it is a trace of TorchScript: its modules give the tensors that are used, in that order.
    pub fn is_trace(&self) -> bool {
        self.traced
    }

    /// Modules that count as calls of another, of whose class they are and whose tensors they hold, although
    /// they may be modules of their own: their names and that other's.
    pub fn merged(&self) -> Vec<(String, String)> {
        [self.handle.merged(), self.interface.merged.clone()].concat()
    }

    /// Why the model runs without optimisation although it was asked for.
    pub fn optimization_note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Modules that return no tensor (a tuple, nothing), with the type they return.
    pub fn without_tensor(&self) -> Vec<(&str, &str)> {
        let silent = self.raw.iter().filter(|l| !l.gives_tensor);
        silent.map(|l| (l.path.as_str(), l.result.as_str())).collect()
    }

    /// The modules as the graph has them, in place of the layers of a model that cannot be run: without
    /// shapes, and how often they run is not known.
    pub fn modules(&self) -> Vec<Layer> {
        (0..self.raw.len()).map(|tap| self.module(tap)).collect()
    }

    /// Modules of the graph that did not run when the given layers were found.
    pub fn not_run(&self, layers: &[Layer]) -> Vec<&str> {
        let ran: std::collections::HashSet<usize> = layers.iter().map(|l| l.tap).collect();
        let idle = self.raw.iter().enumerate();
        idle.filter(|(i, l)| l.gives_tensor && !ran.contains(i))
            .map(|(_, l)| l.path.as_str())
            .collect()
    }

    /// The operators that make values depend on random numbers or on the batch, and those that compute
    /// a module in one piece, as they stand in the code; known once it was probed.
    pub fn causes(&self) -> &[Cause] {
        &self.causes
    }

    /// Dotted names of buffers and attributes that it changes as it runs; known once it was probed. Every
    /// run begins with what they were in the archive, unless [`Model::keep_state`] was called.
    pub fn written(&self) -> Vec<String> {
        self.handle.written()
    }

    /// Lets each run begin with what the one before it left in buffers and attributes. To be called
    /// before [`Model::prepare`].
    pub fn keep_state(&mut self) {
        self.handle.keep_state();
    }

    /// What the values it returns depend on beside the sample; known once it was probed.
    pub fn output_dependence(&self) -> Dependence {
        self.output_dependence
    }

    /// Whether its output comes from a sigmoid or a softmax, with at most operators behind it that move
    /// values or combine them element by element; known once it was probed.
    pub fn ends_in_sigmoid(&self) -> bool {
        self.handle.ends_in_sigmoid()
    }

    /// Whether some of its values depend on random numbers, as far as is known: it may before it was
    /// probed.
    pub fn draws(&self) -> bool {
        self.draws
    }

    /// Whether `forward` follows the calling convention of FID's Inception: a flag
    /// `return_features`, and images of bytes, 0 to 255.
    pub fn is_feature_extractor(&self) -> bool {
        self.handle.has_features_flag()
    }

    /// Sets `return_features` in every run from now on.
    pub fn ask_for_features(&mut self) {
        self.handle.set_features_flag();
    }

    /// The TorchScript type that `forward` returns: `Tensor`, `Tuple[Tensor, Tensor]`.
    pub fn output_type(&self) -> String {
        self.handle.output_type()
    }

    /// Takes an element of the tuple or list that `forward` returns for the output from now on.
    pub fn choose_output(&mut self, index: usize) {
        self.set_output(Some(index));
    }

    /// Takes a part of what `forward` returns for all of it: the value of a dictionary by its key, an
    /// element of a named tuple by its field, of a tuple or list by its place, and of what that is again
    /// behind a dot (`logits`, `state.0`). To be called before [`Model::probe`].
    ///
    /// # Errors
    /// There is no such part; the error names those that there are.
    pub fn choose_part(&mut self, key: &str) -> Result<()> {
        let outputs = &self.interface.outputs;
        let place = outputs.iter().position(|name| name == key && !name.is_empty());
        let part = place.filter(|_| outputs.len() > 1).map(|place| place.to_string());
        if outputs.len() == 1 && place.is_some() {
            self.part = Some(key.to_owned());
            return Ok(());
        }
        self.handle.return_part(part.as_deref().unwrap_or(key)).map_err(|parts| {
            let parts = if outputs.len() > 1 { outputs.join(", ") } else { parts };
            let problem = format!("what it returns has no '{key}' ({parts})");
            let remedy = "give --output-key one of these, or leave it out";
            Error::file("run", &self.path, problem, remedy)
        })?;
        self.part = Some(key.to_owned());
        Ok(())
    }

    /// The part of what `forward` returns that was chosen.
    pub fn chosen_part(&self) -> Option<&str> {
        self.part.as_deref()
    }

    /// The element that was chosen for the output; `None` for all that is returned.
    pub fn chosen_output(&self) -> Option<usize> {
        self.output
    }

    fn set_output(&mut self, index: Option<usize>) {
        self.output = index;
        self.handle.set_output(index);
    }

    /// The parts whose parameters can be re-initialised, in the order in which they run: the children of
    /// the deepest module that alone holds all parameters, and first the parameters it holds itself.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn stages(&self) -> Result<Vec<Stage>> {
        let parameters = self.handle.parameters().map_err(|said| self.redraw_error(said))?;
        let ran: Vec<&str> = self.raw.iter().map(|layer| element(&layer.path).0).collect();
        Ok(stages(&parameters, &ran))
    }

    /// Draws a parameter again by a seed: from a normal distribution with the mean and the deviation of
    /// its values. Where all are equal, the deviation is 1/√(fan-in), and a tensor of one dimension (a
    /// batch norm's as it begins) stays. Buffers are not parameters. To be called before
    /// [`Model::prepare`].
    ///
    /// # Errors
    /// What libtorch said.
    pub fn redraw(&mut self, parameter: &str, seed: u64) -> Result<()> {
        self.handle.redraw(parameter, seed).map_err(|said| self.redraw_error(said))
    }

    fn redraw_error(&self, said: String) -> Error {
        self.torch_error("redraw", said, "please report this".to_owned())
    }

    /// Makes the input of the last linear layer a layer of its own, named `fc:input` after the
    /// module; `None` where the graph has no linear layer. To be called before [`Model::probe`].
    ///
    /// # Errors
    /// What libtorch said.
    pub fn listen_to_last_linear(&mut self) -> Result<Option<String>> {
        let found = self.handle.tap_last_linear();
        let found = found.map_err(|said| {
            self.torch_error("read the graph of", said, "name a layer with --layers".to_owned())
        })?;
        let name = found.as_ref().map(|layer| layer.path.clone());
        self.raw.extend(found);
        Ok(name)
    }

    /// Makes the model ready to run with taps behind the given layers only. The other taps are gone
    /// then: for other layers, load the archive again. Weights laid out channels-last lay out what a
    /// convolution gives, too; where the code views that (`x.view(x.size(0), -1)`), it runs as loaded.
    ///
    /// # Errors
    /// The device cannot hold the model, or it has been prepared before.
    pub fn prepare(&mut self, layers: &[Layer], execution: &Execution) -> Result<()> {
        if self.prepared {
            let problem = format!("{} has been prepared before", self.path.display());
            return Err(Error::usage(problem, "load it again for other layers"));
        }
        let mut taps: Vec<i64> = layers.iter().map(|l| l.tap as i64).collect();
        taps.dedup();
        let name = device::name(execution.device);
        let optimize = execution.optimize && !self.plain;
        let trial = self.trial.take().filter(|_| optimize).map(|t| t.to_device(execution.device));
        let trial = trial.map_or(Ok(vec![]), |trial| self.unpacked(&trial))?;
        self.note = self.handle.prepare(&taps, optimize, &name, &trial).map_err(|said| {
            self.torch_error("prepare", said, format!("check that device {name} has memory left"))
        })?;
        if execution.optimize && self.plain {
            self.note = Some("its code views activations in the plain memory layout".to_owned());
        }
        self.execution = *execution;
        self.taps = Taps::new(layers);
        self.prepared = true;
        Ok(())
    }

    /// Runs the prepared model on a batch (on any device, in any memory layout) without recording
    /// gradients. A model that takes batches of one size only is given the batch in parts, and the hook
    /// cannot put other tensors in a layer's place then.
    ///
    /// The hook is called with the index of the layer among those prepared, and with its output: use it
    /// there, for later operators may overwrite it in place.
    ///
    /// Returns the model's output, or `None` where it is not a tensor or the hook stopped the run.
    ///
    /// # Errors
    /// It was not prepared, does not run on this input, a layer did not run as often as when it was
    /// probed, or the hook failed.
    pub fn run(
        &mut self,
        input: &Tensor,
        hook: &mut dyn FnMut(usize, &Tensor) -> Result<Answer>,
    ) -> Result<Option<Tensor>> {
        let input = self.place(input);
        match self.parts(&input).as_slice() {
            [part] if part.is_whole() => self.run_placed(&part.input, false, hook),
            parts => self.run_in_parts(parts, hook),
        }
    }

    /// Whether it runs frozen.
    pub(super) fn is_optimized(&self) -> bool {
        self.execution.optimize && self.note.is_none()
    }

    /// The input on the model's device and in the layout it runs fastest in.
    pub(super) fn place(&self, input: &Tensor) -> Tensor {
        let input = input.to_device(self.execution.device);
        match self.is_optimized() {
            true => input,
            false => tensors::in_plain_layout(&input),
        }
    }

    pub(super) fn run_placed(
        &mut self,
        input: &Tensor,
        gradients: bool,
        hook: &mut dyn FnMut(usize, &Tensor) -> Result<Answer>,
    ) -> Result<Option<Tensor>> {
        if !self.prepared {
            let problem = format!("{} has not been prepared", self.path.display());
            return Err(Error::usage(problem, "prepare it, then run it"));
        }
        let _kept = self.draws.then(draws::begin_run);
        let given = self.unpacked(input)?;
        let (taps, handle) = (&self.taps, &mut self.handle);
        let ran = taps.listen(&self.path, hook, |listen| handle.run(&given, gradients, listen));
        ran.map_err(|failure| self.run_error(failure, input))
    }

    /// The layers it was prepared for, in their order.
    pub fn layers(&self) -> &[Layer] {
        &self.taps.layers
    }

    pub(super) fn run_error(&self, failure: Failure<Error>, input: &Tensor) -> Error {
        match failure {
            Failure::Hook(error) => error,
            Failure::Torch(said) => {
                let (what, wants) = (self.described(input), self.wants());
                let (wants, embeddings) = (wants.as_deref(), self.embeddings());
                let given = Given { what: &what, wants, embeddings };
                let Advice { problem, mut remedy } = advice::of_run(&said, &given);
                let by = self.cast_by;
                match self.dtype {
                    Some(dtype) if said.contains(advice::LACKING) => {
                        let on = device::name(self.execution.device);
                        remedy = format!("leave {by} out: {on} lacks an operator in {dtype}");
                    }
                    Some(_) if said.contains("dtype") => {
                        remedy = format!("leave {by} out: its code names the type itself");
                    }
                    _ => {}
                }
                self.model_error("run", problem, remedy, said)
            }
        }
    }

    fn model_error(
        &self,
        action: &'static str,
        problem: String,
        remedy: String,
        detail: String,
    ) -> Error {
        Error::Model { action, path: self.path.clone(), problem, remedy, detail }
    }

    pub(super) fn torch_error(&self, action: &'static str, said: String, remedy: String) -> Error {
        torch_error(&self.path, action, said, remedy)
    }
}

/// An error of libtorch: its gist, and all it said in the detail.
pub(super) fn torch_error(
    path: &Path,
    action: &'static str,
    said: String,
    remedy: String,
) -> Error {
    let problem = gist(&said);
    Error::Model { action, path: path.to_owned(), problem, remedy, detail: said }
}

/// A shape as people write it: `64×3×224×224`.
pub fn shape_text(shape: &[i64]) -> String {
    let sizes: Vec<String> = shape.iter().map(i64::to_string).collect();
    sizes.join("×")
}
