//! The options of `repsim compare`.

use std::path::PathBuf;

use super::measuring::{ChanceArgs, OptionArgs};
use crate::capture::Reduce;
use crate::capture::represent::Wanted;
use crate::cli::args::{
    self, DataArgs, LayerArgs, ModelArgs, OutputArgs, PreprocessArgs, PreprocessBArgs,
};
use crate::cli::gate::GateArgs;
use crate::cli::limits;
use crate::cli::outputs;
use crate::cli::picture;
use crate::cli::sides::{
    check_b, check_stored, check_two, check_two_files, patterns_b, selections,
};
use crate::error::{Error, Result};
use crate::report::compare::{CompareSettings, MeasureOptions};
use crate::similarity::{MEASURES, Measure, Options};
use crate::torchscript::Selection;

/// Options of `repsim compare`.
#[derive(clap::Args)]
pub struct Args {
    /// One or two models (.pt2 of torch.export, or TorchScript); one is compared with itself
    #[arg(value_name = "MODEL", num_args = 1.., required_unless_present = "features")]
    pub models: Vec<PathBuf>,
    /// Compare stored representations instead: one or two .npz, .npy or .safetensors files with an
    /// array a layer, rows matched by index
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["models", "data"])]
    pub features: Vec<PathBuf>,
    /// Write the report as JSON to a file, - for standard output [default: standard output, or
    /// tables on a terminal]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Draw the matrix: FILE.png or FILE.svg; of several measures one picture each,
    /// FILE-MEASURE.png
    #[arg(long, value_name = "FILE")]
    pub heatmap: Option<PathBuf>,
    /// Measures, a comma-separated list, or all: cka, hsic, rsa, rdm-cosine, procrustes, procrustes-angle,
    /// shape-metric, svcca, pwcca, cca-r2, linear-regression, mutual-knn, cknna, jaccard,
    /// soft-matching, distance-correlation
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = measures,
          default_value = "cka,procrustes,rsa,mutual-knn", help_heading = "Measure")]
    pub measures: Vec<Asked>,
    /// Reduce each layer to its first K principal components before it is measured: makes the
    /// measures by canonical correlations mean something where samples are few
    #[arg(long, value_name = "K", value_parser = limits::COUNT, help_heading = "Measure")]
    pub pca: Option<usize>,
    /// Rows of features: flatten (a sample's whole feature map), gap (its channel means), or of
    /// tokens tokens-mean (without class tokens), cls (the first), last
    #[arg(long, value_name = "HOW", default_value = "flatten", value_parser = args::one_row,
          help_heading = "Measure")]
    pub reduce: Reduce,
    #[command(flatten)]
    pub options: OptionArgs,
    #[command(flatten)]
    pub chance: ChanceArgs,
    #[command(flatten)]
    pub layers: LayerArgs,
    /// Layers of B, where they are others than those of A
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true, help_heading = "Layers")]
    pub layers_b: Vec<String>,
    #[command(flatten)]
    pub outputs: OutputArgs,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub preprocess: PreprocessArgs,
    #[command(flatten)]
    pub preprocess_b: PreprocessBArgs,
    #[command(flatten)]
    pub run: ModelArgs,
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

    /// What is wanted of the layers.
    ///
    /// # Errors
    /// An option of a measure is out of its range.
    pub fn wanted(&self) -> Result<Wanted> {
        let measures = self.measures();
        Ok(Wanted {
            reduce: self.reduce,
            options: self.options.options(&measures)?,
            measures,
            components: self.pca,
            memory: self.options.memory,
            halves: self.chance.halves(&self.run),
        })
    }

    /// Refuses options that would be ignored, and outputs that cannot be written.
    ///
    /// # Errors
    /// The first of them.
    pub fn check(&self) -> Result<()> {
        check_two("compare", &self.models)?;
        let for_b = self.preprocess_b.any() || !self.layers_b.is_empty();
        check_b(self.models.len() + self.features.len(), for_b)?;
        let of_data = self.outputs.output_index.is_some()
            || self.data.load.any()
            || self.preprocess.any()
            || self.preprocess_b.any();
        check_stored(!self.features.is_empty(), of_data)?;
        self.run.weights.refuse(!self.features.is_empty(), "--features")?;
        check_two_files(&self.features)?;
        let pictures: Vec<PathBuf> = self.pictures().into_iter().map(|(_, path)| path).collect();
        pictures.iter().try_for_each(|path| picture::check(path))?;
        pictures.iter().try_for_each(|path| outputs::check(path))
    }

    /// The picture of each measure, where pictures are asked for.
    pub fn pictures(&self) -> Vec<(usize, PathBuf)> {
        let Some(path) = &self.heatmap else { return vec![] };
        let measures = self.measures();
        if measures.len() < 2 {
            return vec![(0, path.clone())];
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        let named = |measure: &Measure| path.with_file_name(format!("{stem}-{measure}.{ending}"));
        measures.iter().map(named).enumerate().collect()
    }

    /// The layers wanted of each model.
    ///
    /// # Errors
    /// A pattern means nothing.
    pub fn selections(&self) -> Result<[Selection; 2]> {
        selections(&self.layers.layers, &self.layers_b)
    }

    fn patterns_b(&self) -> &[String] {
        patterns_b(&self.layers.layers, &self.layers_b)
    }

    /// What the report says of the options.
    pub fn recorded(&self, options: &Options, device: &str) -> CompareSettings {
        CompareSettings {
            measures: self.measures().iter().map(Measure::to_string).collect(),
            options: MeasureOptions::of(options),
            reduce: self.reduce,
            pca: self.pca,
            permutations: self.chance.permutations,
            bootstrap: self.chance.bootstrap,
            level: self.chance.level(),
            random_seed: self.chance.random_seed(),
            batch_size: self.data.load.batch_size,
            limit: self.data.load.limit,
            layout: self.data.load.layout,
            seed: self.data.load.seed,
            layers: self.layers.layers.clone(),
            layers_b: self.patterns_b().to_vec(),
            output_index: self.outputs.output_index,
            optimize: !self.run.no_optimize,
            device: device.to_owned(),
        }
    }
}
