//! `repsim sensitivity`: which channels predictions rest on, and how they hold under perturbation.

use std::path::PathBuf;
use std::str::FromStr;

use super::args::{DataArgs, ModelArgs, PreprocessArgs};
use super::command;
use super::gate::GateArgs;
use super::limits;
use super::output::{self, Messages};
use super::picture;
use super::results::ResultArgs;
use super::status::Status;
use super::target::TargetArgs;
use crate::analysis::{Perturbing, Sensitivity};
use crate::error::{Error, Result};
use crate::functional::{Ablation, Perturbation};

/// Options of `repsim sensitivity`.
#[derive(clap::Args)]
pub struct Args {
    /// A classifier: .pt2 of torch.export, or TorchScript
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    results: ResultArgs,
    /// Draw importance against sensitivity, one point per channel: FILE.png or FILE.svg
    #[arg(long, short, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Layers whose channels are probed, by name or glob; fc:input is what goes into a linear layer;
    /// may be repeated [default: the last with a spatial map that the output depends on]
    #[arg(long, short, value_name = "NAME", alias = "layer", help_heading = "Channels")]
    layers: Vec<String>,
    /// What channels are replaced by, a comma-separated list: zero, mean; or none. Importance
    /// is ranked by the first
    #[arg(
        long,
        value_name = "LIST",
        default_value = "zero,mean",
        value_delimiter = ',',
        help_heading = "Channels"
    )]
    ablate: Vec<OrNone<Ablation>>,
    #[command(flatten)]
    perturbation: PerturbationArgs,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    preprocess: PreprocessArgs,
    #[command(flatten)]
    run: ModelArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// How pixels are perturbed.
#[derive(clap::Args)]
struct PerturbationArgs {
    /// How pixels are perturbed, a comma-separated list: noise, fgsm, pgd; or none [default:
    /// all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Perturbation")]
    perturb: Option<Vec<OrNone<Perturbation>>>,
    /// Largest changes of a pixel by fgsm and pgd, for pixels in 0..1: a comma-separated list such as
    /// 8/255,0.03
    #[arg(
        long,
        value_name = "LIST",
        default_value = "1/255,2/255,4/255,8/255,16/255",
        value_delimiter = ',',
        allow_hyphen_values = true,
        value_parser = limits::strength,
        help_heading = "Perturbation"
    )]
    epsilon: Vec<f64>,
    /// Standard deviations of the noise, for pixels in 0..1
    #[arg(
        long,
        value_name = "LIST",
        default_value = "4/255,8/255,16/255,32/255,64/255",
        value_delimiter = ',',
        allow_hyphen_values = true,
        value_parser = limits::strength,
        help_heading = "Perturbation"
    )]
    noise: Vec<f64>,
    /// Steps of pgd
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = limits::STEPS,
          help_heading = "Perturbation")]
    pgd_steps: usize,
    /// Seed of the noise and of the resampling [default: follows from --seed]
    #[arg(long, value_name = "SEED", value_parser = limits::SEED, help_heading = "Random numbers",
          hide_short_help = true)]
    random_seed: Option<u64>,
}

/// An element of a list, or the word for an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OrNone<T> {
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

/// Probes the channels of a model and perturbs its images.
///
/// # Errors
/// Anything that keeps the report from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let request = args.request()?;
    let gate = args.gate.prepare("sensitivity", args.results.place()?)?;
    let mut report = request.run(messages).map(command::signed)?;
    if let Some(path) = &args.plot {
        picture::plot(&report, path)?;
        let shows = "Importance against sensitivity";
        report.pictures = vec![picture::written(shows, path, args.results.output.as_deref())?];
    }
    output::show(&report, &args.results, messages)?;
    gate.finish(&report, Status::Done, messages)
}

impl Args {
    /// What is probed.
    ///
    /// # Errors
    /// A picture that cannot be written, or options that do not go together.
    fn request(&self) -> Result<Sensitivity> {
        self.plot.as_deref().map_or(Ok(()), picture::check)?;
        let ablations = wanted("--ablate", &self.ablate)?;
        if self.plot.is_some() && ablations.is_empty() {
            let problem = "--plot draws importance, and --ablate none leaves it out";
            return Err(Error::usage(problem, "leave one of them out"));
        }
        Ok(Sensitivity {
            model: self.model.clone(),
            layers: self.layers.clone(),
            ablations,
            perturbing: self.perturbation.request()?,
            aiming: self.target.request(),
            data: self.data.request(),
            preprocessing: self.preprocess.request(),
            running: self.run.request(1)?,
        })
    }
}

impl PerturbationArgs {
    fn request(&self) -> Result<Perturbing> {
        let kinds = self.perturb.as_deref().map(|list| wanted("--perturb", list)).transpose()?;
        Ok(Perturbing {
            kinds,
            noise: self.noise.clone(),
            epsilon: self.epsilon.clone(),
            steps: self.pgd_steps,
            seed: self.random_seed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
