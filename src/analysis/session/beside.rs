//! Preprocessing that lies beside a model, in `NAME.repsim.toml`, as the scripts that export models write it.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;

use crate::analysis::{Observer, Preprocessing};
use crate::data::{Channels, Preprocess, Preset};
use crate::error::{Error, Result};
use crate::files;

/// Ending of the name in place of the model's.
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
pub fn steps(model: &Path) -> Result<Option<Preprocess>> {
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
            steps.channels = Channels::named(&channels)
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

/// The same where it was asked for by name.
///
/// # Errors
/// As [`steps`], or there is no file.
pub fn needed(model: &Path) -> Result<Preprocess> {
    steps(model)?.ok_or_else(|| nothing_beside(model))
}

fn nothing_beside(model: &Path) -> Error {
    let problem = "there is no such file, and --preprocess own takes the steps from it";
    let remedy = "give imagenet, cifar10 or raw, with the steps of the model on top";
    Error::file("read the preprocessing in", path_beside(model), problem, remedy)
}

/// Says where the steps come from that were not given.
pub fn tell(args: &Preprocessing, steps: &[Preprocess], observer: &dyn Observer) {
    if let Some(a) = steps.first() {
        tell_preset(args, a, observer);
    }
    if let Some(b) = steps.get(1).filter(|b| args.preset.is_none() && b.preset == Preset::Own) {
        observer.note(&format!("preprocessing of B: {}", told(b)));
    }
}

/// Where steps of a preset come from, in words.
pub fn told(steps: &Preprocess) -> String {
    match steps.preset {
        Preset::Own => format!("own, as the .{ENDING} beside the model states"),
        preset => preset.to_string(),
    }
}

/// Says which preset was taken where none was given.
pub fn tell_preset(args: &Preprocessing, steps: &Preprocess, observer: &dyn Observer) {
    if args.preset.is_none() {
        let told = told(steps);
        observer.note(&format!("preprocessing: {told} (choose with --preprocess)"));
    }
}
