//! What is done to the samples.

use crate::analysis::session::beside;
use crate::data::{
    Channels, Crop, Dataset, FloatRange, Interpolation, Preprocess, Preset, Range, Resize,
};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Steps done to the samples: a preset, and what replaces steps of it.
#[derive(Debug, Clone, Default)]
pub struct Preprocessing {
    /// Steps to begin from; those that lie beside the model, or the default of the data, where nothing is
    /// said.
    pub preset: Option<Preset>,
    /// Resizing.
    pub resize: Option<Resize>,
    /// Filter of the resizing.
    pub interpolation: Option<Interpolation>,
    /// Crop of the centre.
    pub crop: Option<Crop>,
    /// Channels.
    pub channels: Option<Channels>,
    /// What bytes become.
    pub range: Option<Range>,
    /// What arrays of float images hold.
    pub float_range: Option<FloatRange>,
    /// Subtracted: one number, or one a channel.
    pub mean: Option<Vec<f64>>,
    /// Divided by: one number, or one a channel.
    pub std: Option<Vec<f64>>,
}

impl Preprocessing {
    /// Whether anything was said.
    pub fn any(&self) -> bool {
        let sizes = self.resize.is_some() || self.crop.is_some() || self.interpolation.is_some();
        let ranges = self.range.is_some() || self.float_range.is_some();
        let values = ranges || self.mean.is_some() || self.std.is_some();
        self.preset.is_some() || sizes || values || self.channels.is_some()
    }

    /// The preset with the steps given on top.
    ///
    /// # Errors
    /// A step that means nothing.
    pub fn steps(&self, dataset: &Dataset) -> Result<Preprocess> {
        let preset = self.preset.unwrap_or(dataset.default_preset());
        self.on_top(Preprocess::preset(preset), "")
    }

    /// Steps with those given on top; options are called with a suffix in messages.
    fn on_top(&self, mut steps: Preprocess, suffix: &str) -> Result<Preprocess> {
        set(&mut steps.resize, self.resize);
        set(&mut steps.interpolation, self.interpolation);
        settle_fid_resize(&mut steps, (self.interpolation, suffix), self.resize)?;
        set(&mut steps.crop, self.crop);
        set(&mut steps.channels, self.channels);
        set(&mut steps.range, self.range);
        set(&mut steps.float_range, self.float_range);
        set(&mut steps.mean, self.mean.clone());
        set(&mut steps.std, self.std.clone());
        steps.validate()?;
        Ok(steps)
    }

    /// The steps for a model: of the preset given, else those that lie beside the model where the data are
    /// images, else of the default of the data; with the steps given on top.
    ///
    /// # Errors
    /// A step that means nothing, or `own` was asked for and nothing lies beside the model.
    pub fn for_model(&self, dataset: &Dataset, model: &Path) -> Result<Preprocess> {
        let own = match self.preset {
            None if dataset.has_images() => beside::steps(model)?,
            Some(Preset::Own) => Some(beside::needed(model)?),
            _ => None,
        };
        match own {
            Some(own) => self.on_top(own, ""),
            None => self.steps(dataset),
        }
    }

    /// The same for several models that see the same samples.
    ///
    /// # Errors
    /// As [`Preprocessing::for_model`], or the files beside the models state different steps.
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

    /// The steps of A, and those of B where they are others.
    ///
    /// # Errors
    /// As [`Preprocessing::for_model`].
    pub fn for_two(
        &self,
        b: &Self,
        dataset: &Dataset,
        (model_a, model_b): (&Path, Option<&Path>),
    ) -> Result<Vec<Preprocess>> {
        let steps_a = self.for_model(dataset, model_a)?;
        let steps_b = b.beside_a((self, &steps_a), dataset, model_b)?;
        let same = model_b.is_none() || steps_a.same_steps(&steps_b);
        Ok(if same { vec![steps_a] } else { vec![steps_a, steps_b] })
    }

    /// The steps for B: its own preset, else those for A where a preset was given for A, else those that
    /// lie beside B or the default of the data; with what was given on top.
    fn beside_a(
        &self,
        (args, a): (&Self, &Preprocess),
        dataset: &Dataset,
        model: Option<&Path>,
    ) -> Result<Preprocess> {
        let by_itself = args.preset.is_none_or(|preset| preset == Preset::Own);
        let steps = match (model, self.preset) {
            (Some(model), None) if by_itself => args.for_model(dataset, model)?,
            (Some(model), Some(Preset::Own)) => {
                Preprocess { float_range: a.float_range, ..beside::needed(model)? }
            }
            (_, Some(preset)) => {
                Preprocess { float_range: a.float_range, ..Preprocess::preset(preset) }
            }
            (_, None) => a.clone(),
        };
        self.on_top(steps, "-b")
    }
}

/// A resizing of FID tools brings its own interpolation, and nothing is cropped after it unless that
/// is asked for.
fn settle_fid_resize(
    steps: &mut Preprocess,
    (interpolation, suffix): (Option<Interpolation>, &str),
    given: Option<Resize>,
) -> Result<()> {
    if steps.resize.is_fid() && interpolation.is_some() {
        let problem =
            format!("--interpolation{suffix} does not go with --resize{suffix} {}", steps.resize);
        return Err(Error::usage(problem, "leave it out: that resizing brings its own"));
    }
    if given.is_some_and(Resize::is_fid) {
        steps.crop = Crop::None;
    }
    match steps.resize {
        Resize::Clean { .. } => steps.interpolation = Interpolation::Bicubic,
        Resize::LegacyPytorch { .. } => steps.interpolation = Interpolation::Bilinear,
        _ => {}
    }
    Ok(())
}

fn set<T>(target: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *target = value;
    }
}
