//! `repsim probe`: what can be read out of each layer.

use std::path::PathBuf;

use super::args::{self, DataArgs, LayerArgs, ModelArgs, OutputArgs, PreprocessArgs};
use super::command;
use super::gate::GateArgs;
use super::limits;
use super::output::{self, Messages};
use super::picture;
use super::results::ResultArgs;
use super::sides::check_stored;
use super::status::Status;
use crate::analysis::{Probe, ProbeControl, Share};
use crate::capture::Reduce;
use crate::error::{Error, Result};
use crate::probe::{Grids, Kind};

/// Options of `repsim probe`.
#[derive(clap::Args)]
pub struct Args {
    /// Models (.pt2 of torch.export, or TorchScript), or folders of `repsim features`. The others are compared with
    /// the first
    #[arg(value_name = "MODEL", required_unless_present = "features")]
    models: Vec<PathBuf>,
    /// Probe stored representations instead: .npz, .npy or .safetensors files; rows of one index are
    /// the same sample
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["models", "data"])]
    features: Vec<PathBuf>,
    #[command(flatten)]
    results: ResultArgs,
    /// Draw the scores over depth: FILE.png or FILE.svg
    #[arg(long, short, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    probes: ProbeArgs,
    #[command(flatten)]
    control: ControlArgs,
    #[command(flatten)]
    layers: LayerArgs,
    #[command(flatten)]
    outputs: OutputArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    preprocess: PreprocessArgs,
    #[command(flatten)]
    run: ModelArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// Which probes, on what.
#[derive(clap::Args)]
struct ProbeArgs {
    /// The probes, comma-separated: ridge (as scikit-learn's RidgeClassifier), logistic (LogisticRegression by L-BFGS,
    /// slower), knn (KNeighborsClassifier; ties go to the lowest class), nearest-mean (NearestCentroid) [default:
    /// ridge,knn,nearest-mean; with --targets ridge]
    #[arg(long, value_name = "PROBES", value_delimiter = ',', help_heading = "Probes")]
    probe: Vec<Kind>,
    /// Predict numbers instead of classes, by ridge regression: a table with a header and one row per sample, the
    /// name of the sample first
    #[arg(long, value_name = "FILE.csv", help_heading = "Probes")]
    targets: Option<PathBuf>,
    /// The class of each row of --features, one per line [default: the array 'labels' beside them]
    #[arg(
        long,
        value_name = "FILE",
        requires = "features",
        conflicts_with = "targets",
        help_heading = "Probes"
    )]
    classes: Option<PathBuf>,
    /// Number of folds for cross-validation, stratified by class: each is measured by probes that are fitted on the
    /// others [default: 5]
    #[arg(long, value_name = "K", value_parser = limits::FOLDS, help_heading = "Probes")]
    folds: Option<usize>,
    /// Instead of folds, fit on this share of each class and measure on the rest
    #[arg(long, value_name = "SHARE", value_parser = limits::INNER_SHARE, conflicts_with = "folds",
          help_heading = "Probes")]
    fit_fraction: Option<f64>,
    /// Penalties of ridge regression, comma-separated: the one with the smallest leave-one-out error on the samples
    /// to fit on is taken (RidgeCV) [default: 0.01,0.1,1,10,100,1000,10000,100000]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = limits::RIDGE, help_heading = "Probes")]
    alpha: Vec<f64>,
    /// Inverse strengths C of logistic regression, comma-separated: the one with the best cross-validated
    /// accuracy on the samples to fit on is taken [default: 0.0001,0.001,0.01,0.1,1,10]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = limits::COST, help_heading = "Probes")]
    cost: Vec<f64>,
    /// Number of folds in which --cost is chosen [default: 3]
    #[arg(long, value_name = "K", value_parser = limits::FOLDS, help_heading = "Probes")]
    inner_folds: Option<usize>,
    /// How many times to shuffle the labels and fit the probes to them: selectivity is the score minus the mean of
    /// these, reported with their standard deviation [default: 5; with logistic 1]
    #[arg(long, value_name = "N", value_parser = limits::SHUFFLES, help_heading = "Probes")]
    shuffles: Option<usize>,
    /// Neighbours of knn [default: 5]
    #[arg(long, value_name = "K", value_parser = limits::COUNT, help_heading = "Probes")]
    neighbours: Option<usize>,
    /// Leave features as they are. By default they are scaled to mean 0 and variance 1 on the samples to fit on
    /// (StandardScaler)
    #[arg(long, help_heading = "Probes")]
    no_standardize: bool,
    /// Rows of features: gap (means over positions), flatten (a sample's whole feature map); for tokens also
    /// tokens-mean (without class tokens), cls (the first), last
    #[arg(long, value_name = "HOW", default_value = "gap", value_parser = args::one_row, help_heading = "Probes")]
    reduce: Reduce,
    /// Memory for the rows of all layers
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = limits::bytes, help_heading = "Probes")]
    memory: u64,
    /// Seed of the folds or the split [default: follows from --seed]
    #[arg(long, value_name = "SEED", value_parser = limits::SEED, help_heading = "Random numbers",
          hide_short_help = true)]
    split_seed: Option<u64>,
}

/// What probes are held against.
#[derive(clap::Args)]
struct ControlArgs {
    /// Also probe this model at the layers of the same names: an untrained one, or a folder of its features
    /// [default: each model with re-initialised weights]
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["features", "no_control"], help_heading = "Controls")]
    control: Option<PathBuf>,
    /// Probe no other model
    #[arg(long, help_heading = "Controls")]
    no_control: bool,
    /// Seed of the re-initialised weights [default: follows from --seed]
    #[arg(long, value_name = "SEED", value_parser = limits::SEED, help_heading = "Random numbers",
          conflicts_with_all = ["control", "no_control", "features"], hide_short_help = true)]
    control_seed: Option<u64>,
}

/// Probes the layers.
///
/// # Errors
/// Anything that keeps the report from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let gate = args.gate.prepare("probe", args.results.place()?)?;
    let request = args.request()?;
    args.plot.as_deref().map_or(Ok(()), picture::check)?;
    let mut report = request.run(messages).map(command::signed)?;
    if let Some(path) = &args.plot {
        picture::plot(&report, path)?;
        let shows = "What can be read out of layers, over depth";
        report.pictures = vec![picture::written(shows, path, args.results.output.as_deref())?];
    }
    output::show(&report, &args.results, messages)?;
    gate.finish(&report, Status::Done, messages)
}

impl Args {
    /// What is probed.
    ///
    /// # Errors
    /// Options that do not go together, or that are for nothing that is asked for.
    fn request(&self) -> Result<Probe> {
        let stored = !self.features.is_empty();
        if self.probes.classes.is_some() && !stored {
            let remedy =
                "put the images of each class into a sub-folder, or save labels beside arrays";
            return Err(Error::usage("--classes is for --features alone", remedy));
        }
        let of_data = self.data.load.any() || self.preprocess.any();
        check_stored(stored, of_data || self.outputs.output_index.is_some())?;
        self.run.weights.refuse(stored, "--features")?;
        let mut probe = Probe::new(self.models.clone());
        self.probes.fill(&mut probe)?;
        probe.features.clone_from(&self.features);
        probe.control = match (&self.control.control, self.control.no_control) {
            (Some(path), _) => ProbeControl::Model(path.clone()),
            (None, true) => ProbeControl::None,
            (None, false) => ProbeControl::Redrawn,
        };
        probe.control_seed = self.control.control_seed;
        probe.layers.clone_from(&self.layers.layers);
        probe.output_index = self.outputs.output_index;
        probe.data = self.data.request();
        probe.preprocessing = self.preprocess.request();
        probe.running = self.run.request(self.models.len())?;
        Ok(probe)
    }
}

impl ProbeArgs {
    fn fill(&self, probe: &mut Probe) -> Result<()> {
        probe.targets.clone_from(&self.targets);
        probe.classes.clone_from(&self.classes);
        if self.targets.is_some() {
            probe.kinds = vec![Kind::Ridge];
        }
        if !self.probe.is_empty() {
            probe.kinds = each_once(&self.probe);
        }
        self.check_kinds(&probe.kinds)?;
        probe.share = match (self.folds, self.fit_fraction) {
            (_, Some(share)) => Share::Fraction(share),
            (Some(folds), None) => Share::Folds(folds),
            (None, None) => probe.share,
        };
        let Grids { alphas, costs } = &mut probe.grids;
        for (grid, given) in [(alphas, &self.alpha), (costs, &self.cost)] {
            if !given.is_empty() {
                *grid = each_once(given);
                grid.sort_unstable_by(f64::total_cmp);
            }
        }
        probe.shuffles = self.shuffles;
        probe.inner_folds = self.inner_folds.unwrap_or(probe.inner_folds);
        probe.neighbours = self.neighbours.unwrap_or(probe.neighbours);
        probe.standardize = !self.no_standardize;
        probe.reduce = self.reduce;
        probe.memory = self.memory;
        probe.split_seed = self.split_seed;
        Ok(())
    }

    /// Refuses settings of probes that are not asked for.
    fn check_kinds(&self, kinds: &[Kind]) -> Result<()> {
        let given = [
            ("--alpha", !self.alpha.is_empty(), Kind::Ridge),
            ("--cost", !self.cost.is_empty(), Kind::Logistic),
            ("--inner-folds", self.inner_folds.is_some(), Kind::Logistic),
            ("--neighbours", self.neighbours.is_some(), Kind::Neighbours),
        ];
        match given.iter().find(|(_, given, kind)| *given && !kinds.contains(kind)) {
            None => Ok(()),
            Some((option, _, kind)) => Err(Error::usage(
                format!("{option} is for {kind}, which is not among the probes"),
                format!("add it: --probe {kind}, or leave {option} out"),
            )),
        }
    }
}

fn each_once<T: Clone + PartialEq>(given: &[T]) -> Vec<T> {
    let mut found: Vec<T> = vec![];
    for one in given {
        if !found.contains(one) {
            found.push(one.clone());
        }
    }
    found
}
