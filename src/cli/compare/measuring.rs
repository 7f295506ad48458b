//! The options of measures and of chance, which `compare` and `platonic` share.

use std::fmt::Display;

use crate::analysis::Chance;
use crate::cli::limits;
use crate::error::{Error, Result};
use crate::similarity::{Bias, Measure, Options};

/// Options of the measures.
#[derive(clap::Args)]
pub struct OptionArgs {
    /// k of mutual-knn, cknna, jaccard and second-order-cosine [default: 10]
    #[arg(long, value_name = "K", value_parser = limits::COUNT, help_heading = "Measure")]
    neighbours: Option<usize>,
    /// α of shape-metric: 1 rotates only, 0 allows any invertible linear map [default: 0.5]
    #[arg(long, value_name = "NUMBER", help_heading = "Measure", value_parser = limits::SHARE)]
    alpha: Option<f64>,
    /// Share of the variance that svcca keeps [default: 0.99]
    #[arg(long, value_name = "SHARE", help_heading = "Measure", value_parser = limits::STRENGTH)]
    variance: Option<f64>,
    /// HSIC of cka and hsic: unbiased (can be negative) or biased (too high where samples are few)
    /// [default: unbiased]
    #[arg(long, value_name = "WHICH", help_heading = "Measure")]
    bias: Option<Bias>,
    /// Memory for features, Gram matrices and what the measures keep of them
    #[arg(long, value_name = "SIZE", default_value = "4GiB", help_heading = "Measure",
          value_parser = limits::bytes)]
    pub memory: u64,
}

/// How values are held against chance.
#[derive(clap::Args)]
pub struct ChanceArgs {
    /// Compare each value with those of P random permutations of the samples: p-value and
    /// calibrated value
    #[arg(long, value_name = "P", default_value_t = 0, help_heading = "Chance",
          value_parser = limits::DRAWS)]
    permutations: usize,
    /// Give each value an interval over samples, from B random halves of them, drawn without replacement (copies of
    /// samples would make layers look more alike)
    #[arg(long, value_name = "B", alias = "bootstrap", default_value_t = 0, help_heading = "Chance",
          value_parser = limits::DRAWS)]
    subsamples: usize,
    /// Share of the halves within an interval [default: 0.95]
    #[arg(long, value_name = "SHARE", help_heading = "Chance", value_parser = limits::INNER_SHARE)]
    level: Option<f64>,
    /// Seed of the random orders and halves [default: follows from --seed]
    #[arg(long, value_name = "SEED", help_heading = "Random numbers", value_parser = limits::SEED,
          hide_short_help = true)]
    random_seed: Option<u64>,
}

impl OptionArgs {
    /// Options of the measures asked for.
    ///
    /// # Errors
    /// An option is out of its range, or is for none of the measures.
    pub fn options(&self, measures: &[Measure]) -> Result<Options> {
        let asked = |name, given, those: &[Measure]| is_for(name, given, those, measures);
        let knn =
            [Measure::MutualKnn, Measure::Cknna, Measure::Jaccard, Measure::SecondOrderCosine];
        asked("--neighbours", self.neighbours.is_some(), &knn)?;
        asked("--alpha", self.alpha.is_some(), &[Measure::ShapeMetric])?;
        asked("--variance", self.variance.is_some(), &[Measure::Svcca])?;
        asked("--bias", self.bias.is_some(), &[Measure::Cka, Measure::Hsic])?;
        let usual = Options::default();
        let options = Options {
            neighbours: self.neighbours.unwrap_or(usual.neighbours),
            alpha: self.alpha.unwrap_or(usual.alpha),
            variance: self.variance.unwrap_or(usual.variance),
            bias: self.bias.unwrap_or(usual.bias),
            both_ways: false,
        };
        options.check()?;
        Ok(options)
    }
}

/// Refuses an option of measures none of which is asked for.
fn is_for(option: &str, given: bool, those: &[Measure], asked: &[Measure]) -> Result<()> {
    if !given || those.iter().any(|m| asked.contains(m)) {
        return Ok(());
    }
    let what = if those.len() > 1 { "none of them" } else { "it" };
    let is = if those.len() > 1 { "is asked for" } else { "is not asked for" };
    let problem = format!("{option} is for {}, and {what} {is}", one_of(those));
    Err(Error::usage(problem, format!("leave it out, or ask for {}", those[0])))
}

fn one_of(names: &[impl Display]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    match names.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => names.concat(),
    }
}

impl ChanceArgs {
    /// How values are held against chance.
    ///
    /// # Errors
    /// An option of what is not asked for.
    pub fn request(&self) -> Result<Chance> {
        let (permutations, halves) = (self.permutations, self.subsamples);
        if self.level.is_some() && halves == 0 {
            let problem = "--level needs --subsamples";
            return Err(Error::usage(problem, "add --subsamples B, such as 200"));
        }
        if self.random_seed.is_some() && halves + permutations == 0 {
            let problem = "--random-seed was given, and nothing is random";
            return Err(Error::usage(problem, "add --permutations or --subsamples"));
        }
        let level = self.level.unwrap_or(Chance::default().level);
        Ok(Chance { permutations, halves, level, seed: self.random_seed })
    }
}
