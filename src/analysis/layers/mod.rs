//! What a model is made of.

mod trial;

use std::path::PathBuf;

use self::trial::{Trial, Tried};
use crate::analysis::Running;
use crate::analysis::session::models::choose;
use crate::analysis::session::{LoadedModel, dependence, load_all, told};
use crate::error::{Error, Result};
use crate::report::layers::{
    Fused, LayersReport, LayersResults, LayersSettings, NoTensor, WantedInput,
};
use crate::report::{Clock, Inputs, Report, SchemaId, Timing, Tool, Warning};
use crate::torchscript::packing::Argument;
use crate::torchscript::{Model, Selection, libtorch_version, native};

/// The layers of a model, found by running it on made-up samples.
///
/// ```
/// use repsim::analysis::Layers;
///
/// # fn main() -> repsim::error::Result<()> {
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let mut layers = Layers::new(format!("{folder}/models/fashion-seed0-scripted.pt"));
/// layers.input_size = Some(vec![3, 32, 32]);
/// let report = layers.run()?;
/// let last = report.results.layers.last().expect("a network has layers");
/// assert_eq!((last.name.as_str(), last.shape.as_slice()), ("fc", [10].as_slice()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Layers {
    /// An archive of TorchScript or torch.export.
    pub model: PathBuf,
    /// Shape of one sample of the first input; what the archive says, else that of an image, where nothing
    /// is said.
    pub input_size: Option<Vec<i64>>,
    /// Names or globs of the layers; empty for all.
    pub layers: Vec<String>,
    /// How the model is loaded, and what its other inputs are given.
    pub running: Running,
}

impl Layers {
    /// All layers.
    pub fn new(model: impl Into<PathBuf>) -> Self {
        let (layers, running) = (vec![], Running::default());
        Self { model: model.into(), input_size: None, layers, running }
    }

    /// Lists the layers. A model that does not run yet is listed without shapes, and a warning says why.
    ///
    /// # Errors
    /// The model cannot be loaded, or does not run on the input that was given for it.
    pub fn run(&self) -> Result<LayersReport> {
        let clock = Clock::start();
        native::set_threads(self.running.threads());
        let patterns = match self.layers.as_slice() {
            [] => vec!["**".to_owned()],
            patterns => patterns.to_vec(),
        };
        let selection = Selection::new(&patterns)?;
        let mut loaded = load_all(std::slice::from_ref(&self.model), &self.running)?;
        let mut loaded =
            loaded.pop().ok_or_else(|| Error::usage("no model was given", "name one"))?;
        let load = clock.elapsed();
        let noticed = loaded.take_noticed();
        let trial = Trial { size: self.input_size.as_deref(), given: &self.running.inputs };
        let tried = trial.run(&mut loaded)?;
        let mut report = report(self, &loaded, tried, &selection)?;
        report.warnings.splice(0..0, noticed);
        report.timing.load = load;
        clock.stop(&mut report.timing);
        report.timing.forward = report.timing.total - load;
        Ok(report)
    }
}

/// What the listing says of a model that cannot be run yet.
fn not_yet(model: &Model, why: &str) -> Warning {
    let path = model.path().display().to_string();
    let text = format!("the shapes of {path} are not known: {why}");
    Warning::new("not-run", path, text)
}

fn wanted(argument: Argument) -> WantedInput {
    WantedInput {
        name: argument.name,
        type_name: argument.type_name,
        optional: argument.has_default,
        dtype: argument.dtype.map(str::to_owned),
        shape: argument.shape,
    }
}

fn report(
    asked: &Layers,
    loaded: &LoadedModel,
    tried: Tried,
    selection: &Selection,
) -> Result<LayersReport> {
    let model = &loaded.model;
    let (all, input_size, why) = match tried {
        Tried::Ran(layers, size) => (layers, size, None),
        Tried::NotYet(why) => (model.modules(), vec![], Some(why)),
    };
    let layers = match why {
        None => choose(model, &all, selection)?,
        Some(_) => selection.choose(&all, model.path())?,
    };
    let record = loaded.record(&layers);
    let not_run = if why.is_none() { model.not_run(&all) } else { vec![] };
    let mut warnings = dependence::warnings(model, &layers);
    warnings.extend(told::unordered(model, &layers));
    warnings.extend(told::merged(model));
    warnings.extend(why.as_ref().map(|why| not_yet(model, why)));
    let fused = |(operator, modules)| Fused { operator, modules };
    let no_tensor = |(name, returns): &(&str, &str)| NoTensor {
        name: (*name).to_owned(),
        returns: (*returns).to_owned(),
    };
    Ok(Report {
        schema: SchemaId::current("layers"),
        tool: Tool::current(libtorch_version()),
        settings: LayersSettings {
            input_size,
            inputs: asked.running.inputs.iter().map(|input| input.text.clone()).collect(),
            layers: asked.layers.clone(),
        },
        results: LayersResults {
            ran: why.is_none(),
            inputs: model.arguments()?.into_iter().map(wanted).collect(),
            layers: record.layers.clone(),
            without_tensor: model.without_tensor().iter().map(no_tensor).collect(),
            not_run: not_run.iter().map(|name| (*name).to_owned()).collect(),
            fused: dependence::fused(model, &not_run).into_iter().map(fused).collect(),
        },
        inputs: Inputs { models: vec![record], ..asked.running.inputs() },
        warnings,
        timing: Timing { passes: 1, ..Timing::default() },
        pictures: vec![],
        command: None,
    })
}
