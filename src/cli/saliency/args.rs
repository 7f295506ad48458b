//! Options of `repsim saliency`.

use std::path::PathBuf;

use crate::analysis::{Baseline, Saliency};
use crate::cli::args::{DataArgs, ModelArgs, PreprocessArgs};
use crate::cli::gate::GateArgs;
use crate::cli::limits;
use crate::cli::outputs::check_folder;
use crate::cli::picture;
use crate::cli::results::ResultArgs;
use crate::cli::target::TargetArgs;
use crate::error::{Error, Result};
use crate::render::ColorMap;
use crate::saliency::Method;
use crate::saliency::finite::Patch;
use crate::torchscript::Grid;

/// Options of `repsim saliency`.
#[derive(clap::Args)]
pub struct Args {
    /// Classifiers (.pt2 of torch.export, or TorchScript); several are compared
    #[arg(value_name = "MODEL", required = true)]
    pub models: Vec<PathBuf>,
    #[command(flatten)]
    pub results: ResultArgs,
    /// How maps are made, a comma-separated list: gradient, gradient-x-input, smoothgrad, integrated-gradients,
    /// gradcam, hirescam, layercam, gradcam++, xgradcam, eigencam, scorecam, ablationcam, occlusion,
    /// gradient-shap, lime, kernel-shap; finite-difference gives, instead of a map, the derivative by its
    /// definition at the pixels of --patch
    #[arg(
        long,
        value_name = "LIST",
        default_value = "gradcam",
        value_delimiter = ',',
        help_heading = "Method"
    )]
    pub method: Vec<Choice>,
    /// Pixels or squares for finite-difference: ROW,COLUMN or ROW,COLUMN,SIDE; may be repeated
    /// [default: the three pixels with the largest gradient]
    #[arg(long, value_name = "PLACE", value_parser = limits::patch, help_heading = "Method")]
    pub patch: Vec<Patch>,
    /// Layers of class activation maps; may be repeated [default: the last with a spatial map that
    /// the output depends on; of a vision transformer the last norm of all tokens]
    #[arg(long, short, value_name = "NAME", alias = "layer", help_heading = "Method")]
    pub layers: Vec<String>,
    /// Rows and columns into which a layer's tokens are folded, without the class token: 14x14
    /// [default: what fits the number of tokens and the proportions of the image]
    #[arg(long, value_name = "ROWSxCOLUMNS", value_parser = limits::grid, help_heading = "Method")]
    pub grid: Option<Grid>,
    /// For a network with several inputs, the one to explain [default: the only one of floats; if there
    /// is none the token ids, by the gradient of their embedding]
    #[arg(long, value_name = "NAME", help_heading = "Method")]
    pub of: Option<String>,
    #[command(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    pub choices: ChoiceArgs,
    /// Test the maps by deletion and insertion of pixels, against a random order
    #[arg(long, help_heading = "Method")]
    pub faithfulness: bool,
    /// Test whether the maps depend on what was learned: re-initialise parameters from the output layer down
    /// (cascading randomisation), from a normal
    /// distribution with each tensor's mean and deviation (first batch)
    #[arg(long, help_heading = "Method")]
    pub sanity: bool,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub preprocess: PreprocessArgs,
    #[command(flatten)]
    pub run: ModelArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// What may be asked for as a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// A map.
    Map(Method),
    /// The derivative from its definition.
    FiniteDifference,
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "finite-difference" => Ok(Self::FiniteDifference),
            _ => text.parse().map(Self::Map).map_err(|e: String| format!("{e}, finite-difference")),
        }
    }
}

/// What changes the maps.
#[derive(clap::Args)]
pub struct ChoiceArgs {
    /// Sum gradients over channels with their sign, instead of the largest absolute value
    #[arg(long, help_heading = "Method")]
    pub signed: bool,
    /// Noisy copies of an image, for smoothgrad; random places between baseline and image, for gradient-shap
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = limits::STEPS,
          help_heading = "Method")]
    pub samples: usize,
    /// Standard deviation of the noise of smoothgrad, as a share of the range of the image's values
    #[arg(long, value_name = "SHARE", default_value_t = 0.15, value_parser = limits::NOISE, help_heading = "Method")]
    pub noise: f64,
    /// The same for gradient-shap [default: 0]
    #[arg(long, value_name = "SHARE", value_parser = limits::NOISE, help_heading = "Method")]
    pub shap_noise: Option<f64>,
    /// Copies of an image with patches filled in, for lime and kernel-shap, whose patches are squares of --window
    /// pixels; kernel-shap takes all subsets of the patches if there are no more than this [default: 512]
    #[arg(long, value_name = "N", value_parser = limits::PERTURBATIONS, help_heading = "Method")]
    pub perturbations: Option<usize>,
    /// Sparsity of lime: the α of its Lasso, in the unit of the score [default: 0.01]
    #[arg(long, value_name = "NUMBER", value_parser = limits::LIME_ALPHA, help_heading = "Method")]
    pub lime_alpha: Option<f64>,
    /// Seed of the noise, the resampling and the re-initialised parameters [default: follows from --seed]
    #[arg(long, value_name = "SEED", value_parser = limits::SEED, help_heading = "Random numbers",
          hide_short_help = true)]
    pub random_seed: Option<u64>,
    /// Steps of the path, for integrated-gradients
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = limits::STEPS,
          help_heading = "Method")]
    pub steps: usize,
    /// What the paths of integrated-gradients and gradient-shap begin from, and what occlusion, lime and kernel-shap
    /// fill in: black, or mean (zeros of the network's input)
    #[arg(long, value_name = "COLOUR", default_value = "black", help_heading = "Method")]
    pub baseline: BaselineArg,
    /// Side of the windows of occlusion, and of the patches of lime and kernel-shap, in pixels [default: an eighth of
    /// the image]
    #[arg(long, value_name = "N", value_parser = limits::SIDE, help_heading = "Method")]
    pub window: Option<usize>,
    /// Pixels from one window of occlusion to the next [default: half a window]
    #[arg(long, value_name = "N", value_parser = limits::SIDE, help_heading = "Method")]
    pub stride: Option<usize>,
}

/// The colour that stands for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BaselineArg {
    /// Pixels of 0 before the preprocessing.
    Black,
    /// Zeros in the network's input: the mean colour where a mean is subtracted.
    Mean,
}

/// What is written beside the report.
#[derive(clap::Args)]
pub struct FileArgs {
    /// Write the maps to FILE.npz, one float32 array N×H×W per model and method
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub maps: Option<PathBuf>,
    /// Size of the maps in --maps: input, or layer (a class activation map unscaled)
    #[arg(long, value_name = "SIZE", default_value = "input", help_heading = "Files")]
    pub map_size: MapSize,
    /// Write every map over its image, as PNG, to this folder
    #[arg(long, value_name = "DIR", help_heading = "Files")]
    pub images: Option<PathBuf>,
    /// Draw one picture, with one row per image and one column per map: FILE.png or FILE.svg
    #[arg(long, short, value_name = "FILE", alias = "sheet", help_heading = "Files")]
    pub plot: Option<PathBuf>,
    /// Images in the picture, spread evenly over the data
    #[arg(long, value_name = "N", alias = "sheet-rows", default_value_t = 8,
          value_parser = limits::ROWS, help_heading = "Files")]
    pub rows: usize,
    /// Colours of the overlays: viridis, magma, grey or jet; signed maps have a diverging scale
    #[arg(long, value_name = "NAME", default_value = "viridis", help_heading = "Files")]
    pub colormap: ColorMap,
    /// Opacity of the map in an overlay, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = limits::SHARE, help_heading = "Files")]
    pub opacity: f64,
}

/// At which size maps are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum MapSize {
    /// That of the network's input.
    Input,
    /// That of the layer.
    Layer,
}

impl Args {
    /// What is explained.
    ///
    /// # Errors
    /// Files that cannot be written, or options that mean nothing.
    pub fn request(&self) -> Result<Saliency> {
        self.files.images.as_deref().map_or(Ok(()), check_folder)?;
        self.check_methods()?;
        if let Some(path) = self.files.maps.as_ref().filter(|p| !picture::is(p, "npz")) {
            let problem = "maps are an .npz archive";
            return Err(Error::file("write", path, problem, "end its name in .npz"));
        }
        self.files.plot.as_deref().map_or(Ok(()), picture::check)?;
        let choices = &self.choices;
        Ok(Saliency {
            models: self.models.clone(),
            methods: self.methods(),
            differences: self.differs().then(|| self.patch.clone()),
            layers: self.layers.clone(),
            grid: self.grid,
            target: self.target.request(),
            of: self.of.clone(),
            signed: choices.signed,
            samples: choices.samples,
            noise: choices.noise,
            shap_noise: choices.shap_noise,
            perturbations: choices.perturbations,
            lime_alpha: choices.lime_alpha,
            random_seed: choices.random_seed,
            steps: choices.steps,
            baseline: choices.baseline.request(),
            window: choices.window,
            stride: choices.stride,
            faithfulness: self.faithfulness,
            sanity: self.sanity,
            data: self.data.request(),
            preprocessing: self.preprocess.request(),
            running: self.run.request(self.models.len())?,
        })
    }

    /// Refuses options that no method heeds.
    fn check_methods(&self) -> Result<()> {
        let files = [
            ("--maps", self.files.maps.is_some()),
            ("--plot", self.files.plot.is_some()),
            ("--images", self.files.images.is_some()),
        ];
        let given = files.iter().find(|(_, given)| *given);
        if let (true, Some((option, _))) = (self.methods().is_empty(), given) {
            let problem = format!("{option} is for maps, and finite-difference gives none");
            return Err(Error::usage(problem, "leave it out, or add gradient to --method"));
        }
        if !self.patch.is_empty() && !self.differs() {
            let problem = "--patch is for the method finite-difference";
            let remedy = "leave it out, or add finite-difference to --method";
            return Err(Error::usage(problem, remedy));
        }
        Ok(())
    }

    /// The methods that give maps, each once.
    fn methods(&self) -> Vec<Method> {
        let mut methods = vec![];
        for choice in &self.method {
            if let Choice::Map(method) = choice
                && !methods.contains(method)
            {
                methods.push(*method);
            }
        }
        methods
    }

    /// Whether finite differences are wanted.
    fn differs(&self) -> bool {
        self.method.contains(&Choice::FiniteDifference)
    }
}

impl BaselineArg {
    fn request(self) -> Baseline {
        match self {
            Self::Black => Baseline::Black,
            Self::Mean => Baseline::Mean,
        }
    }
}
