//! What is asked of saliency maps.

use std::path::PathBuf;

use crate::analysis::request::over_data;
use crate::analysis::session::models::Wanted;
use crate::analysis::session::target::{Aiming, Score};
use crate::analysis::{Data, Draw, Preprocessing, Running};
use crate::data::{Dataset, Preprocess};
use crate::error::{Error, Result};
use crate::saliency::finite::Patch;
use crate::saliency::{Method, Options};
use crate::torchscript::Grid;

/// Maps of every image by every model and method, and how alike they are.
///
/// ```
/// use repsim::analysis::{Saliency, Silent};
///
/// # fn main() -> repsim::error::Result<()> {
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let model = |name: &str| format!("{folder}/models/fashion-{name}.pt");
/// let mut saliency = Saliency::new([model("seed0-scripted"), model("mixup-scripted")])
///     .data(format!("{folder}/images"))
///     .limit(10);
/// saliency.layers = vec!["layer4".to_owned()];
/// let report = saliency.run(&Silent, &mut ())?;
/// assert_eq!(report.results.images.len(), 10);
/// assert!(report.results.comparison[0].pearson.mean.get().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Saliency {
    /// Classifiers; several are compared.
    pub models: Vec<PathBuf>,
    /// How maps are made, each once.
    pub methods: Vec<Method>,
    /// The pixels or squares at which the derivative is taken from its definition, where that is wanted; the
    /// three pixels with the largest gradient if there are none.
    pub differences: Option<Vec<Patch>>,
    /// Layers of class activation maps; empty for the last with a spatial map that the output depends on.
    pub layers: Vec<String>,
    /// Rows and columns that tokens fold to; where nothing is said, those of the proportions of the image.
    pub grid: Option<Grid>,
    /// Which score is explained.
    pub target: Aiming,
    /// Which input of a network of several is explained: the only one of floats where nothing is said, and
    /// without any the token ids, by the gradient of their embedding.
    pub of: Option<String>,
    /// Whether gradients are summed over channels with their sign; else their largest absolute value is taken.
    pub signed: bool,
    /// Noisy copies of an image, for SmoothGrad; random places on the way from the baseline, for Gradient SHAP.
    pub samples: usize,
    /// Standard deviation of the noise of SmoothGrad, as a share of the range of the image's values.
    pub noise: f64,
    /// The same of Gradient SHAP; 0 where nothing is said.
    pub shap_noise: Option<f64>,
    /// Copies of an image with patches filled in, for LIME and KernelSHAP; [`PERTURBATIONS`] where nothing is said.
    pub perturbations: Option<usize>,
    /// α of the Lasso of LIME; [`LIME_ALPHA`] where nothing is said.
    pub lime_alpha: Option<f64>,
    /// Seed of the noise, of the bootstrap and of re-initialised parameters, where it does not follow from that of
    /// the run.
    pub random_seed: Option<u64>,
    /// Steps of the path of integrated gradients.
    pub steps: usize,
    /// What that path begins from, and what occlusion, LIME and KernelSHAP fill in.
    pub baseline: Baseline,
    /// Side of the windows of occlusion and of the patches of LIME and KernelSHAP, in pixels; an eighth of the image
    /// where nothing is said.
    pub window: Option<usize>,
    /// From one window to the next, in pixels; half a window where nothing is said.
    pub stride: Option<usize>,
    /// Whether the maps are tested by deletion and insertion of pixels, against a random order.
    pub faithfulness: bool,
    /// Whether the maps of the first batch are held against those of re-initialised parameters, from the output
    /// layer down.
    pub sanity: bool,
    /// The images.
    pub data: Data,
    /// What is done to them.
    pub preprocessing: Preprocessing,
    /// How the models are loaded and run.
    pub running: Running,
}

/// Copies of an image with patches filled in.
pub const PERTURBATIONS: usize = 512;

/// α of the Lasso of LIME, as captum has it.
pub const LIME_ALPHA: f64 = 0.01;

/// The colour that stands for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Baseline {
    /// Bytes of 0, whatever the preprocessing makes of them.
    #[default]
    Black,
    /// Zeros of what the network takes: the mean colour where a mean is subtracted.
    Mean,
}

over_data!(Saliency, data);

impl Saliency {
    /// Grad-CAM of the predicted class at the default layer.
    pub fn new<P: Into<PathBuf>>(models: impl IntoIterator<Item = P>) -> Self {
        Self {
            models: models.into_iter().map(Into::into).collect(),
            methods: vec![Method::GradCam],
            differences: None,
            layers: vec![],
            grid: None,
            target: Aiming::default(),
            of: None,
            signed: false,
            samples: 25,
            noise: 0.15,
            shap_noise: None,
            perturbations: None,
            lime_alpha: None,
            random_seed: None,
            steps: 32,
            baseline: Baseline::Black,
            window: None,
            stride: None,
            faithfulness: false,
            sanity: false,
            data: Data::default(),
            preprocessing: Preprocessing::default(),
            running: Running::default(),
        }
    }

    /// Refuses settings that no method uses.
    pub(super) fn check(&self) -> Result<()> {
        if self.faithfulness && matches!(self.target.score, Score::Contrast(_)) {
            let problem = "--faithfulness follows the probability of one class, and --contrast \
                           explains the difference of two";
            return Err(Error::usage(problem, "leave one of them out"));
        }
        let of_maps = [("--faithfulness", self.faithfulness), ("--sanity", self.sanity)];
        if let (true, Some((option, _))) =
            (self.methods.is_empty(), of_maps.iter().find(|(_, asked)| *asked))
        {
            let problem = format!("{option} is for maps, and finite-difference gives none");
            return Err(Error::usage(problem, "leave it out, or add gradient to --method"));
        }
        self.check_choices()?;
        let of_cams = [("--grid", self.grid.is_some()), ("--layers", !self.layers.is_empty())];
        let cams = self.methods.iter().any(|method| method.is_cam());
        match of_cams.iter().find(|(_, asked)| *asked && !cams) {
            None => Ok(()),
            Some((option, _)) => Err(Error::usage(
                format!("{option} is for class activation maps, and no method is one"),
                "leave it out, or take --method gradcam",
            )),
        }
    }

    /// Whether one of these methods is asked for.
    pub(super) fn asks(&self, wanted: &[Method]) -> bool {
        self.methods.iter().any(|method| wanted.contains(method))
    }

    /// Refuses choices that are for none of the methods.
    fn check_choices(&self) -> Result<()> {
        let choices = [
            ("--shap-noise", self.shap_noise.is_some(), [Method::GradientShap].as_slice()),
            ("--lime-alpha", self.lime_alpha.is_some(), &[Method::Lime]),
            ("--perturbations", self.perturbations.is_some(), &[Method::KernelShap, Method::Lime]),
        ];
        match choices.iter().find(|(_, given, methods)| *given && !self.asks(methods)) {
            None => Ok(()),
            Some((option, _, methods)) => {
                let names: Vec<String> = methods.iter().map(Method::to_string).collect();
                let problem = format!("{option} is for the method {}", names.join(" or "));
                Err(Error::usage(problem, format!("leave it out, or take --method {}", names[0])))
            }
        }
    }

    /// The seed of the noise, of the bootstrap and of re-initialised parameters.
    pub(super) fn seed(&self) -> u64 {
        self.running.seed_of(Draw::Resampling, self.random_seed)
    }

    /// What is wanted of each model.
    pub(super) fn wanted<'a>(&'a self, data: &'a Dataset, preprocess: &Preprocess) -> Wanted<'a> {
        Wanted {
            methods: self.methods.clone(),
            layers: &self.layers,
            output: self.target.output_index,
            options: self.options(preprocess),
            data,
            of: self.of.as_deref(),
        }
    }

    pub(super) fn options(&self, preprocess: &Preprocess) -> Options {
        Options {
            signed: self.signed,
            samples: self.samples,
            noise: self.noise,
            shap_noise: self.shap_noise.unwrap_or(0.0),
            perturbations: self.perturbations.unwrap_or(PERTURBATIONS),
            lime_alpha: self.lime_alpha.unwrap_or(LIME_ALPHA),
            seed: self.seed(),
            steps: self.steps,
            baseline: match self.baseline {
                Baseline::Mean => vec![0.0],
                Baseline::Black => preprocess.of_black(),
            },
            window: self.window.unwrap_or(0),
            stride: self.stride.unwrap_or(0),
            grid: self.grid,
            batch: self.data.load.batch_size,
            focus: None,
        }
    }
}
