//! The options of `repsim compare`.

use std::path::PathBuf;

use crate::capture::Reduce;
use crate::capture::represent::Wanted;
use crate::cli::args::{
    self, DataArgs, LayerArgs, ModelArgs, PreprocessArgs, PreprocessBArgs, positive,
};
use crate::cli::gate::GateArgs;
use crate::cli::outputs::check_outputs;
use crate::cli::picture;
use crate::error::{Error, Result};
use crate::report::compare::{CompareSettings, MeasureOptions};
use crate::similarity::{Bias, MEASURES, Measure, Options, Plan};
use crate::torchscript::Selection;

/// Options of `repsim compare`.
#[derive(clap::Args)]
pub struct Args {
    /// One or two TorchScript archives; one is compared with itself
    #[arg(value_name = "MODEL", num_args = 1..=2, required_unless_present = "features")]
    pub models: Vec<PathBuf>,
    /// Compare stored representations instead: one or two .npz, .npy or .safetensors files with an
    /// array a layer, rows matched by index
    #[arg(long, value_name = "FILE", num_args = 1..=2, conflicts_with_all = ["models", "data"])]
    pub features: Vec<PathBuf>,
    /// Write the report as JSON to a file, - for standard output [default: standard output, or
    /// tables on a terminal]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Draw the matrix: FILE.png or FILE.svg; of several measures one picture each,
    /// FILE-MEASURE.png
    #[arg(long, value_name = "FILE")]
    pub heatmap: Option<PathBuf>,
    /// Measures, apart by commas, or all: cka, hsic, rsa, rdm-cosine, procrustes, procrustes-angle,
    /// shape-metric, svcca, pwcca, cca-r2, linear-regression, mutual-knn, cknna, jaccard,
    /// soft-matching, distance-correlation
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = measures,
          default_value = "cka,procrustes,rsa,mutual-knn", help_heading = "Measure")]
    pub measures: Vec<Asked>,
    /// Reduce each layer to its first K principal components before it is measured: makes the
    /// measures by canonical correlations mean something where samples are few
    #[arg(long, value_name = "K", value_parser = positive, help_heading = "Measure")]
    pub pca: Option<usize>,
    /// Rows of features: flatten (a sample's whole feature map) or gap (its channel means)
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

/// What the measures are told.
#[derive(clap::Args)]
pub struct OptionArgs {
    /// k of mutual-knn, cknna and jaccard
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = positive,
          help_heading = "Measure")]
    neighbours: usize,
    /// α of shape-metric: 1 rotates only, 0 allows any invertible linear map
    #[arg(long, value_name = "NUMBER", default_value_t = 0.5, help_heading = "Measure")]
    alpha: f64,
    /// Share of the variance that svcca keeps
    #[arg(long, value_name = "SHARE", default_value_t = 0.99, help_heading = "Measure")]
    variance: f64,
    /// HSIC of cka and hsic: unbiased (can be negative) or biased (too high where samples are few)
    #[arg(long, value_name = "WHICH", default_value = "unbiased", help_heading = "Measure")]
    bias: Bias,
    /// Memory for features, Gram matrices and what the measures keep of them
    #[arg(long, value_name = "SIZE", default_value = "4GiB", help_heading = "Measure",
          value_parser = args::bytes)]
    pub memory: u64,
}

/// How values are held against chance.
#[derive(clap::Args)]
pub struct ChanceArgs {
    /// Hold each value against P random orders of the samples: p-value and calibrated value
    #[arg(long, value_name = "P", default_value_t = 0, help_heading = "Chance")]
    pub permutations: usize,
    /// Give each value an interval over samples, from B random halves of them: drawn without repetition,
    /// as copies of samples would make layers look more alike
    #[arg(long, value_name = "B", default_value_t = 0, help_heading = "Chance")]
    pub bootstrap: usize,
    /// Share of the halves within an interval
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, help_heading = "Chance")]
    pub level: f64,
    /// Seed of both
    #[arg(long, value_name = "SEED", default_value_t = 0, help_heading = "Chance")]
    pub random_seed: u64,
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

impl OptionArgs {
    /// What the measures are told.
    ///
    /// # Errors
    /// One is out of its range.
    pub fn options(&self) -> Result<Options> {
        let Self { neighbours, alpha, variance, bias, .. } = *self;
        let options = Options { neighbours, alpha, variance, bias };
        options.check()?;
        Ok(options)
    }
}

impl ChanceArgs {
    /// Halves of the samples that are measured at a time.
    pub fn halves(&self, run: &ModelArgs) -> usize {
        self.bootstrap.min(run.threads())
    }

    /// What is measured of each pair.
    ///
    /// # Errors
    /// A level outside 0…1.
    pub fn plan(&self, measures: Vec<Measure>, threads: usize) -> Result<Plan> {
        if !(self.level > 0.0 && self.level < 1.0) {
            let problem = format!("--level {} is no share of the halves", self.level);
            return Err(Error::usage(problem, "give one between 0 and 1, such as 0.95"));
        }
        let Self { permutations, bootstrap: halves, level, random_seed: seed } = *self;
        Ok(Plan { measures, permutations, halves, level, seed, threads })
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
        Ok(Wanted {
            reduce: self.reduce,
            options: self.options.options()?,
            measures: self.measures(),
            components: self.pca,
            memory: self.options.memory,
            halves: self.chance.halves(&self.run),
            logits: false,
        })
    }

    /// Refuses options that would be ignored, and outputs that cannot be written.
    ///
    /// # Errors
    /// The first of them.
    pub fn check(&self) -> Result<()> {
        let for_b = self.preprocess_b.any() || !self.layers_b.is_empty();
        if self.models.len() + self.features.len() == 1 && for_b {
            let problem = "options for B were given, but there is no B";
            return Err(Error::usage(problem, "name a second one, or leave the -b options out"));
        }
        let of_data = self.data.load.any() || self.preprocess.any() || self.preprocess_b.any();
        if !self.features.is_empty() && of_data {
            let problem = "options for images were given, but --features has none";
            return Err(Error::usage(problem, "leave out --limit, --preprocess and the like"));
        }
        let pictures: Vec<PathBuf> = self.pictures().into_iter().map(|(_, path)| path).collect();
        pictures.iter().try_for_each(|path| picture::check(path))?;
        let output = self.output.as_deref().filter(|path| *path != "-");
        let outputs = output.into_iter().chain(pictures.iter().map(PathBuf::as_path));
        check_outputs(outputs, self.models.iter().chain(&self.features))
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
        Ok([Selection::new(&self.layers.layers)?, Selection::new(self.patterns_b())?])
    }

    fn patterns_b(&self) -> &[String] {
        match self.layers_b.is_empty() {
            true => &self.layers.layers,
            false => &self.layers_b,
        }
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
            level: self.chance.level,
            random_seed: self.chance.random_seed,
            batch_size: self.data.load.batch_size,
            limit: self.data.load.limit,
            seed: self.data.load.seed,
            layers: self.layers.layers.clone(),
            layers_b: self.patterns_b().to_vec(),
            optimize: !self.run.no_optimize,
            device: device.to_owned(),
        }
    }
}
