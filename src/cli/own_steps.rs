//! Preprocessing that lies beside a model, in `NAME.repsim.toml`, as the scripts that export models write it.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;

use super::args::{PreprocessArgs, PreprocessBArgs};
use super::output::Messages;
use super::settings;
use crate::data::{Dataset, Preprocess, Preset};
use crate::error::{Error, Result};
use crate::files;

/// Ending of the name in the place of the model's.
const ENDING: &str = "repsim.toml";

/// The most bytes of such a file.
const LONGEST: u64 = 1 << 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    preprocess: Steps,
    /// Where the model comes from, for readers.
    #[serde(default, rename = "model")]
    _model: toml::Table,
}

/// The steps by the names and values of their options; what is not there is not done.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Steps {
    channels: Option<String>,
    resize: Option<Text>,
    interpolation: Option<String>,
    crop: Option<Text>,
    range: Option<String>,
    #[serde(default)]
    mean: Vec<f64>,
    #[serde(default)]
    std: Vec<f64>,
}

/// A size, as a number too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Number(u32),
    Text(String),
}

/// The file beside a model.
pub fn path_beside(model: &Path) -> PathBuf {
    model.with_extension(ENDING)
}

/// The preprocessing that lies beside a model; `None` where there is no file.
///
/// # Errors
/// The file cannot be read, or a step in it means nothing.
fn beside(model: &Path) -> Result<Option<Preprocess>> {
    let path = path_beside(model);
    let Ok(meta) = fs::metadata(&path) else { return Ok(None) };
    let wrong = |problem: String| {
        let remedy = "mend it, remove it, or give --preprocess";
        Error::file("read the preprocessing in", &path, problem, remedy)
    };
    if meta.len() > LONGEST {
        return Err(wrong(format!("it has {} bytes", meta.len())));
    }
    let text = files::read_text(&path, LONGEST)?;
    let file: File = toml::from_str(&text).map_err(|e| wrong(e.message().to_owned()))?;
    file.preprocess.steps().map(Some).map_err(|e| wrong(e.to_string()))
}

impl Steps {
    fn steps(self) -> Result<Preprocess> {
        let mut steps = Preprocess::preset(Preset::Own);
        let text = |size: Text| match size {
            Text::Number(side) => side.to_string(),
            Text::Text(text) => text,
        };
        if let Some(channels) = self.channels {
            steps.channels = super::args::channels(&channels)
                .map_err(|e| Error::usage(format!("channels: {e}"), "mend it"))?;
        }
        set(&mut steps.resize, self.resize.map(text))?;
        set(&mut steps.interpolation, self.interpolation)?;
        set(&mut steps.crop, self.crop.map(text))?;
        set(&mut steps.range, self.range)?;
        (steps.mean, steps.std) = (self.mean, self.std);
        steps.validate()?;
        Ok(steps)
    }
}

fn set<T: std::str::FromStr<Err = Error>>(target: &mut T, given: Option<String>) -> Result<()> {
    if let Some(text) = given {
        *target = text.parse()?;
    }
    Ok(())
}

impl PreprocessArgs {
    /// The steps for a model: of the preset given, else those that lie beside the model where the data are
    /// images, else of the default of the data; with the steps given on top.
    ///
    /// # Errors
    /// A step that means nothing, or `own` was asked for and nothing lies beside the model.
    pub fn for_model(&self, dataset: &Dataset, model: &Path) -> Result<Preprocess> {
        let own = match self.preprocess {
            None if dataset.has_images() => beside(model)?,
            Some(Preset::Own) => Some(beside(model)?.ok_or_else(|| nothing_beside(model))?),
            _ => None,
        };
        match own {
            Some(own) => self.on_top(own),
            None => self.steps(dataset),
        }
    }

    /// The same for several models that see the same samples.
    ///
    /// # Errors
    /// As [`PreprocessArgs::for_model`], or the files beside the models state different steps.
    pub fn for_models(&self, dataset: &Dataset, models: &[PathBuf]) -> Result<Preprocess> {
        let mut all = models.iter().map(|model| Ok((model, self.for_model(dataset, model)?)));
        let (first, steps) = match all.next() {
            Some(first) => first?,
            None => return self.steps(dataset),
        };
        for other in all {
            let (model, others) = other?;
            if !steps.same_steps(&others) {
                let problem = format!(
                    "{} and {} are to see the same images, and the preprocessing beside them differs",
                    first.display(),
                    model.display()
                );
                return Err(Error::usage(problem, "say which it is with --preprocess"));
            }
        }
        Ok(steps)
    }
}

fn nothing_beside(model: &Path) -> Error {
    let problem = "there is no such file, and --preprocess own takes the steps from it";
    let remedy = "give imagenet, cifar10 or raw, with the steps of the model on top";
    Error::file("read the preprocessing in", path_beside(model), problem, remedy)
}

impl PreprocessBArgs {
    /// The steps for B: its own preset, else those for A where a preset was given for A, else those that
    /// lie beside B or the default of the data; with what was given on top.
    ///
    /// # Errors
    /// A step that means nothing.
    pub fn for_model(
        &self,
        (args, a): (&PreprocessArgs, &Preprocess),
        dataset: &Dataset,
        model: Option<&Path>,
    ) -> Result<Preprocess> {
        let by_itself = args.preprocess.is_none_or(|preset| preset == Preset::Own);
        match model {
            Some(model) if by_itself && self.preprocess_b.is_none() => {
                self.steps(&args.for_model(dataset, model)?)
            }
            Some(model) if self.preprocess_b == Some(Preset::Own) => {
                let own = beside(model)?.ok_or_else(|| nothing_beside(model))?;
                self.on_top(Preprocess { float_range: a.float_range, ..own })
            }
            _ => self.steps(a),
        }
    }
}

/// Says where the steps come from that were not given.
pub fn tell(args: &PreprocessArgs, steps: &[Preprocess], messages: &Messages) {
    if let Some(a) = steps.first() {
        settings::tell_preset(args, a, messages);
    }
    if let Some(b) = steps.get(1).filter(|b| args.preprocess.is_none() && b.preset == Preset::Own) {
        messages.note(&format!("preprocessing of B: {}", told(b)));
    }
}

/// Where steps of a preset come from, in words.
pub fn told(steps: &Preprocess) -> String {
    match steps.preset {
        Preset::Own => format!("own, as the .{ENDING} beside the model states"),
        preset => preset.to_string(),
    }
}
