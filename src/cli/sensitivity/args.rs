//! Options of `repsim sensitivity`.

use std::path::PathBuf;
use std::str::FromStr;

use crate::classifier::OutputForm;
use crate::cli::args::{DataArgs, ModelArgs, PreprocessArgs};
use crate::cli::gate::GateArgs;
use crate::cli::limits;
use crate::cli::picture;
use crate::cli::target::TargetArgs;
use crate::data::{Dataset, Preprocess};
use crate::error::{Error, Result};
use crate::functional::{Ablation, Perturbation, Pixels, Robustness};
use crate::report::Warning;

/// Options of `repsim sensitivity`.
#[derive(clap::Args)]
pub struct Args {
    /// A classifier: .pt2 of torch.export, or TorchScript
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Write the report as JSON to a file, - for standard output [default: standard output, or a
    /// table on a terminal]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Draw importance against sensitivity, a point a channel: FILE.png or FILE.svg
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// Layers whose channels are probed, by name or glob; fc:input is what goes into a linear layer;
    /// may be repeated [default: the last with a spatial map that the output depends on]
    #[arg(long, value_name = "NAME", help_heading = "Channels")]
    pub layer: Vec<String>,
    /// What channels are replaced by, a comma-separated list: zero, mean; or none. Importance
    /// is ranked by the first
    #[arg(
        long,
        value_name = "LIST",
        default_value = "zero,mean",
        value_delimiter = ',',
        help_heading = "Channels"
    )]
    pub ablate: Vec<OrNone<Ablation>>,
    #[command(flatten)]
    pub perturbation: PerturbationArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub preprocess: PreprocessArgs,
    #[command(flatten)]
    pub run: ModelArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// How pixels are perturbed.
#[derive(clap::Args)]
pub struct PerturbationArgs {
    /// How pixels are perturbed, a comma-separated list: noise, fgsm, pgd; or none [default:
    /// all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Perturbation")]
    pub perturb: Option<Vec<OrNone<Perturbation>>>,
    /// Largest change of a pixel by fgsm and pgd, of pixels in 0..1: a comma-separated list of 8/255 or 0.03
    #[arg(
        long,
        value_name = "LIST",
        default_value = "1/255,2/255,4/255,8/255,16/255",
        value_delimiter = ',',
        allow_hyphen_values = true,
        value_parser = limits::strength,
        help_heading = "Perturbation"
    )]
    pub epsilon: Vec<f64>,
    /// Standard deviations of the noise, of pixels in 0..1
    #[arg(
        long,
        value_name = "LIST",
        default_value = "4/255,8/255,16/255,32/255,64/255",
        value_delimiter = ',',
        allow_hyphen_values = true,
        value_parser = limits::strength,
        help_heading = "Perturbation"
    )]
    pub noise: Vec<f64>,
    /// Steps of pgd
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = limits::STEPS,
          help_heading = "Perturbation")]
    pub pgd_steps: usize,
    /// Seed of the noise and of the bootstrap
    #[arg(long, value_name = "SEED", default_value_t = 0, value_parser = limits::SEED, help_heading = "Perturbation")]
    pub random_seed: u64,
}

/// An element of a list, or the word for an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrNone<T> {
    /// Nothing is wanted.
    None,
    /// This is.
    One(T),
}

impl<T: FromStr<Err = String>> FromStr for OrNone<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            _ => text.parse().map(Self::One).map_err(|e| format!("{e}, none")),
        }
    }
}

/// What is wanted of a list, each once.
fn wanted<T: Copy + PartialEq>(option: &str, list: &[OrNone<T>]) -> Result<Vec<T>> {
    let mut all = vec![];
    for item in list {
        match item {
            OrNone::One(one) if !all.contains(one) => all.push(*one),
            OrNone::None if list.len() > 1 => {
                let problem = format!("{option} has none beside others");
                return Err(Error::usage(problem, "give none alone, or leave it out"));
            }
            _ => {}
        }
    }
    Ok(all)
}

/// Growing, each once.
fn growing(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

impl Args {
    /// Refuses outputs that cannot be written and options that mean nothing.
    pub fn check(&self) -> Result<()> {
        self.plot.as_deref().map_or(Ok(()), picture::check)?;
        if self.plot.is_some() && self.ablations()?.is_empty() {
            let problem = "--plot draws importance, and --ablate none leaves it out";
            return Err(Error::usage(problem, "leave one of them out"));
        }
        Ok(())
    }

    /// What channels are replaced by.
    ///
    /// # Errors
    /// None beside others.
    pub fn ablations(&self) -> Result<Vec<Ablation>> {
        wanted("--ablate", &self.ablate)
    }

    /// The perturbations of the pixels, and a warning where there are none because the data have no
    /// pixels of a known range.
    ///
    /// # Errors
    /// They were asked for of such data.
    pub fn robustness(
        &self,
        dataset: &Dataset,
        preprocess: &Preprocess,
    ) -> Result<(Robustness, Option<Warning>)> {
        let asked = self.perturbation.perturb.as_deref();
        let mut kinds = match asked {
            Some(list) => wanted("--perturb", list)?,
            None => vec![Perturbation::Noise, Perturbation::Fgsm, Perturbation::Pgd],
        };
        let mut warning = None;
        if let Some((problem, remedy)) = self.without_pixels(dataset).filter(|_| !kinds.is_empty())
        {
            if asked.is_some() {
                return Err(Error::file("perturb", dataset.path(), problem, remedy));
            }
            kinds.clear();
            let text = format!("nothing is perturbed: {problem}; {remedy}");
            warning = Some(Warning::new("not-perturbed", dataset.path().display(), text));
        }
        let plan = Robustness {
            kinds,
            noise: growing(&self.perturbation.noise),
            epsilon: growing(&self.perturbation.epsilon),
            steps: self.perturbation.pgd_steps,
            seed: self.perturbation.random_seed,
            pixels: Pixels::of(preprocess),
            form: OutputForm::default(),
        };
        Ok((plan, warning))
    }

    /// Why the data have no pixels between a known black and white, and what to do.
    fn without_pixels(&self, dataset: &Dataset) -> Option<(&'static str, &'static str)> {
        if !dataset.has_images() {
            return Some(("the data are rows of numbers and no images", "take --perturb none"));
        }
        let known = dataset.holds_bytes() || self.preprocess.range.is_some();
        (!known).then_some((
            "the images are floats, and which of them are black and white is not known",
            "say it with --range (0..1, -1..1 or 0..255), or take --perturb none",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths_grow() {
        assert_eq!(growing(&[0.2, 0.1, 0.2]), [0.1, 0.2]);
    }

    #[test]
    fn none_stands_alone() -> Result<()> {
        let list = |text: &str| -> Vec<OrNone<Ablation>> {
            text.split(',').filter_map(|word| word.parse().ok()).collect()
        };
        assert_eq!(wanted("--ablate", &list("mean,zero,mean"))?, [Ablation::Mean, Ablation::Zero]);
        assert_eq!(wanted("--ablate", &list("none"))?, []);
        assert!(wanted("--ablate", &list("zero,none")).is_err());
        Ok(())
    }
}
