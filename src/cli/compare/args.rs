//! The options of `repsim compare`.

use std::path::PathBuf;

use super::measuring::{ChanceArgs, OptionArgs};
use crate::analysis::Compare;
use crate::capture::Reduce;
use crate::cli::args;
use crate::cli::gate::GateArgs;
use crate::cli::limits;
use crate::cli::picture::RangeArgs;
use crate::cli::results::ResultArgs;
use crate::cli::sides::{SideArgs, SubjectArgs};
use crate::error::{Error, Result};
use crate::similarity::{MEASURES, Measure};
use crate::view::measures::names;

/// Options of `repsim compare`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub subjects: SubjectArgs,
    #[command(flatten)]
    pub results: ResultArgs,
    /// Draw the matrix: FILE.png or FILE.svg; of several measures one picture each,
    /// FILE-MEASURE.png
    #[arg(long, short, value_name = "FILE", alias = "heatmap")]
    pub plot: Option<PathBuf>,
    #[command(flatten)]
    pub range: RangeArgs,
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = measures,
          default_value = "cka,procrustes,rsa,mutual-knn", help = help_of_measures(),
          help_heading = "Measure")]
    pub measures: Vec<Asked>,
    /// Reduce each layer to its first K principal components before measuring: with few samples,
    /// measures by canonical correlations mean nothing without it
    #[arg(long, value_name = "K", value_parser = limits::COUNT, help_heading = "Measure")]
    pub pca: Option<usize>,
    /// Rows of features: flatten (a sample's whole feature map), gap (its channel means); for
    /// tokens also tokens-mean (without class tokens), cls (the first), last
    #[arg(long, value_name = "HOW", default_value = "flatten", value_parser = args::one_row,
          help_heading = "Measure")]
    pub reduce: Reduce,
    #[command(flatten)]
    pub options: OptionArgs,
    #[command(flatten)]
    pub chance: ChanceArgs,
    #[command(flatten)]
    pub sides: SideArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// A measure asked for, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// All of them.
    All,
    /// One.
    One(Measure),
}

fn help_of_measures() -> String {
    format!("Measures, a comma-separated list, or all: {}", names())
}

fn measures(text: &str) -> Result<Asked, String> {
    match text.trim() {
        "all" => Ok(Asked::All),
        name => name.parse().map(Asked::One).map_err(|e: Error| e.to_string()),
    }
}

impl Args {
    /// Each measure once, in the order asked.
    pub fn measures(&self) -> Vec<Measure> {
        let mut found: Vec<Measure> = vec![];
        for asked in &self.measures {
            let these = match asked {
                Asked::All => MEASURES,
                Asked::One(measure) => std::slice::from_ref(measure),
            };
            let new: Vec<Measure> = these.iter().filter(|m| !found.contains(m)).copied().collect();
            found.extend(new);
        }
        found
    }

    /// What is measured.
    ///
    /// # Errors
    /// Options that do not go together, or that are for nothing that is asked for.
    pub fn request(&self) -> Result<Compare> {
        let measures = self.measures();
        Ok(Compare {
            options: self.options.options(&measures)?,
            measures,
            components: self.pca,
            reduce: self.reduce,
            memory: self.options.memory,
            chance: self.chance.request()?,
            ..Compare::of(self.sides.request("compare", &self.subjects)?)
        })
    }

    /// The picture of each measure, where pictures are asked for.
    pub fn pictures(&self) -> Vec<(usize, PathBuf)> {
        let Some(path) = &self.plot else { return vec![] };
        let measures = self.measures();
        if measures.len() < 2 {
            return vec![(0, path.clone())];
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        let named = |measure: &Measure| path.with_file_name(format!("{stem}-{measure}.{ending}"));
        measures.iter().map(named).enumerate().collect()
    }
}
