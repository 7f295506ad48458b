//! How predictions hold when the pixels are perturbed.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor};

use super::by_name;
use crate::classifier::OutputForm;
use crate::data::Preprocess;
use crate::error::{Error, Result};
use crate::saliency::{Images, cross_entropy, finite_rows, forward, noise, probabilities};
use crate::torchscript::{Gradients, Model, tensors};

/// The size of PGD's steps times their number, in ε (Madry et al. 2018).
const REACH: f64 = 2.5;

/// The 97.5 % quantile of the standard normal distribution.
const NORMAL_95: f64 = 1.959_963_984_540_054;

/// How far beyond 0…1 rounding may carry a pixel.
const SLACK: f64 = 1e-3;

/// A way to perturb pixels p in 0…1; the result is held to 0…1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Perturbation {
    /// p + σ·z with z standard normal: one draw an image, scaled by each σ.
    Noise,
    /// The fast gradient sign method (Goodfellow, Shlens & Szegedy 2015): p + ε·sign(∂L/∂p).
    Fgsm,
    /// Projected gradient descent (Madry et al. 2018) in the ball ‖p′ − p‖∞ ≤ ε, from p itself: steps
    /// of 2.5·ε over their number along sign(∂L/∂p′).
    Pgd,
}

/// All perturbations, with their names.
const NAMES: [(&str, Perturbation); 3] =
    [("noise", Perturbation::Noise), ("fgsm", Perturbation::Fgsm), ("pgd", Perturbation::Pgd)];

impl FromStr for Perturbation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_name(text, &NAMES)
    }
}

impl fmt::Display for Perturbation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = NAMES.iter().find(|(_, kind)| kind == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

/// What the preprocessing makes of a pixel p in 0…1: x = scale·p + offset, a value for all channels
/// or one each.
#[derive(Debug, Clone, PartialEq)]
pub struct Pixels {
    scale: Vec<f32>,
    offset: Vec<f32>,
}

impl Pixels {
    /// The map of a preprocessing: from what black and white become.
    pub fn of(preprocess: &Preprocess) -> Self {
        let (offset, white) = (preprocess.of_black(), preprocess.of_white());
        let scale = white.iter().zip(&offset).map(|(white, black)| white - black).collect();
        Self { scale, offset }
    }

    /// The pixels of what the network takes, N×C×H×W.
    ///
    /// # Errors
    /// They are not in 0…1, or the channels are others.
    pub fn of_input(&self, input: &Tensor) -> Result<Tensor> {
        let pixels = (input - along(&self.offset, input)?) / along(&self.scale, input)?;
        let (low, high) = (pixels.min().double_value(&[]), pixels.max().double_value(&[]));
        if low < -SLACK || high > 1.0 + SLACK {
            let problem =
                format!("pixels lie from {low:.3} to {high:.3} where black is 0 and white is 1");
            return Err(Error::usage(
                problem,
                "say with --range what black and white are, or take --perturb none",
            ));
        }
        Ok(pixels.clamp(0.0, 1.0))
    }

    /// What the network takes, of pixels.
    ///
    /// # Errors
    /// The channels are others.
    pub fn to_input(&self, pixels: &Tensor) -> Result<Tensor> {
        Ok(pixels * along(&self.scale, pixels)? + along(&self.offset, pixels)?)
    }
}

/// Values along the channels of N×C×H×W.
fn along(values: &[f32], images: &Tensor) -> Result<Tensor> {
    let shape = images.size();
    if shape.len() != 4 || (values.len() != 1 && values.len() as i64 != shape[1]) {
        let problem = format!("pixels of {} channels in a batch {shape:?}", values.len());
        return Err(Error::usage(problem, "give images"));
    }
    Ok(Tensor::from_slice(values).to_device(images.device()).reshape([1, -1, 1, 1]))
}

/// The perturbations of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Robustness {
    /// Which ones.
    pub kinds: Vec<Perturbation>,
    /// Standard deviations of the noise, of pixels in 0…1.
    pub noise: Vec<f64>,
    /// ε of FGSM and PGD, of pixels in 0…1.
    pub epsilon: Vec<f64>,
    /// Steps of PGD.
    pub steps: usize,
    /// Seed of the noise.
    pub seed: u64,
    /// What the network is given of a pixel.
    pub pixels: Pixels,
    /// What the network's outputs are.
    pub form: OutputForm,
}

/// A batch under all perturbations.
pub struct Perturbed {
    /// N×K logits, a list of strengths a kind.
    pub logits: Vec<Vec<Tensor>>,
    /// Of each image, why the attacks have no direction, where they have none. Empty without attacks.
    pub flat: Vec<Option<Flat>>,
}

/// Why the attacks have no direction at an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flat {
    /// The logits or the gradient of the loss are not finite.
    NotFinite,
    /// The probability of the class is 1 in float32: the loss does not change with the logits.
    Saturated,
    /// The gradient is 0 although the loss changes with the logits: the network passes none on, as
    /// where it rounds.
    Zero,
}

impl Robustness {
    /// The strengths of a kind.
    pub fn strengths(&self, kind: Perturbation) -> &[f64] {
        match kind {
            Perturbation::Noise => &self.noise,
            Perturbation::Fgsm | Perturbation::Pgd => &self.epsilon,
        }
    }

    /// The size of a step of PGD, as a share of ε.
    pub fn step(&self) -> f64 {
        REACH / self.steps as f64
    }

    /// Runs through the network that each image takes.
    pub fn runs(&self) -> usize {
        let of = |kind: &Perturbation| match kind {
            Perturbation::Pgd => self.epsilon.len() * self.steps,
            kind => self.strengths(*kind).len(),
        };
        usize::from(self.attacks()) + self.kinds.iter().map(of).sum::<usize>()
    }

    fn attacks(&self) -> bool {
        self.kinds.iter().any(|kind| *kind != Perturbation::Noise)
    }

    /// Perturbs a batch in every way. The loss L of the attacks is the cross entropy of `classes`, one
    /// an image. `told` is called with the images run.
    ///
    /// # Errors
    /// The model does not run on the images, cannot be differentiated, or pixels are not in 0…1.
    pub fn perturb(
        &self,
        model: &mut Model,
        images: &Images<'_>,
        classes: &[i64],
        told: &mut dyn FnMut(usize),
    ) -> Result<Perturbed> {
        let mut attack = Attack::new(self, model, images, classes, told)?;
        let mut logits = vec![];
        for &kind in &self.kinds {
            let of = |&strength: &f64| attack.logits(kind, strength, images);
            logits.push(self.strengths(kind).iter().map(of).collect::<Result<Vec<_>>>()?);
        }
        Ok(Perturbed { logits, flat: attack.flat })
    }
}

/// Wilson's score interval of a share, k of n, at 95 % (Wilson 1927):
///
/// ```text
/// (k + z²/2 ± z·√(k(n−k)/n + z²/4)) / (n + z²)        z = 1.96
/// ```
///
/// Unlike a bootstrap it has a width where k is 0 or n. `None` where n is 0.
pub fn wilson(hits: usize, count: usize) -> Option<(f64, f64)> {
    if count == 0 {
        return None;
    }
    let (k, n) = (hits as f64, count as f64);
    let square = NORMAL_95 * NORMAL_95;
    let half = NORMAL_95 * (k * (n - k) / n + square / 4.0).sqrt();
    let end = |half: f64| ((k + square / 2.0 + half) / (n + square)).clamp(0.0, 1.0);
    Some((end(-half), end(half)))
}

/// A batch that is being perturbed.
struct Attack<'a> {
    plan: &'a Robustness,
    model: &'a mut Model,
    clean: Tensor,
    classes: Tensor,
    told: &'a mut dyn FnMut(usize),
    /// The signs of the gradient at the clean pixels, with which every attack begins.
    first: Option<Tensor>,
    flat: Vec<Option<Flat>>,
}

impl<'a> Attack<'a> {
    fn new(
        plan: &'a Robustness,
        model: &'a mut Model,
        images: &Images<'_>,
        classes: &[i64],
        told: &'a mut dyn FnMut(usize),
    ) -> Result<Self> {
        let clean = plan.pixels.of_input(&images.input.to_device(model.device()))?;
        let classes = Tensor::from_slice(classes).to_device(model.device());
        let mut attack = Self { plan, model, clean, classes, told, first: None, flat: vec![] };
        if plan.attacks() {
            let found = attack.gradients(&attack.clean.shallow_clone())?;
            attack.flat = flat(&found, &attack.classes, plan.form)?;
            attack.first = Some(found.input.sign());
        }
        Ok(attack)
    }

    fn logits(&mut self, kind: Perturbation, strength: f64, images: &Images<'_>) -> Result<Tensor> {
        let pixels = match (kind, &self.first) {
            (Perturbation::Fgsm, Some(signs)) => self.moved(&self.clean, signs, strength, strength),
            (Perturbation::Pgd, Some(signs)) => {
                let first = signs.shallow_clone();
                self.descend(&first, strength)?
            }
            _ => {
                let noise = noise(images, self.plan.seed, 0)?.to_device(self.model.device());
                (&self.clean + noise * strength).clamp(0.0, 1.0)
            }
        };
        (self.told)(self.clean.size()[0] as usize);
        forward(self.model, &self.plan.pixels.to_input(&pixels)?)
    }

    fn descend(&mut self, first: &Tensor, epsilon: f64) -> Result<Tensor> {
        let step = epsilon * self.plan.step();
        let mut pixels = self.moved(&self.clean, first, step, epsilon);
        for _ in 1..self.plan.steps {
            let signs = self.signs(&pixels)?;
            pixels = self.moved(&pixels, &signs, step, epsilon);
        }
        Ok(pixels)
    }

    /// One step along the signs, held to the ball around the clean pixels and to 0…1.
    fn moved(&self, from: &Tensor, signs: &Tensor, step: f64, epsilon: f64) -> Tensor {
        let moved = from + signs * step;
        let (low, high) = (&self.clean - epsilon, &self.clean + epsilon);
        moved.maximum(&low).minimum(&high).clamp(0.0, 1.0)
    }

    /// sign(∂L/∂p); each image's loss depends on its own pixels only, so that the sum serves all, and
    /// a pixel and what the network is given of it grow together.
    fn signs(&mut self, pixels: &Tensor) -> Result<Tensor> {
        Ok(self.gradients(pixels)?.input.sign())
    }

    fn gradients(&mut self, pixels: &Tensor) -> Result<Gradients> {
        let input = self.plan.pixels.to_input(pixels)?;
        let (classes, form) = (&self.classes, self.plan.form);
        let found = self
            .model
            .gradients(&input, |logits| cross_entropy(logits, classes, form, Reduction::Sum))?;
        (self.told)(pixels.size()[0] as usize);
        Ok(found)
    }
}

/// Why the gradient of each image is not a direction, where it is none.
fn flat(found: &Gradients, classes: &Tensor, form: OutputForm) -> Result<Vec<Option<Flat>>> {
    let size =
        found.input.abs().flatten(1, -1).sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
    let sizes = tensors::to_vector(&size)?;
    let certain = probabilities(&found.output.detach(), form, Kind::Float);
    let certain = certain.gather(1, &classes.unsqueeze(1), false);
    let certain = tensors::to_vector(&certain.squeeze_dim(1).to_kind(Kind::Double))?;
    let of = |((&size, certain), finite): ((&f64, &f64), bool)| match (size, *certain) {
        (size, _) if !finite || !size.is_finite() => Some(Flat::NotFinite),
        (size, _) if size > 0.0 => None,
        (_, certain) if certain >= 1.0 => Some(Flat::Saturated),
        _ => Some(Flat::Zero),
    };
    Ok(sizes.iter().zip(&certain).zip(finite_rows(&found.output)?).map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Preset, Range};

    #[test]
    fn names_are_those_of_reports() -> Result<(), serde_json::Error> {
        for (name, kind) in NAMES {
            let read: Perturbation = serde_json::from_value(name.into())?;
            assert_eq!((read, read.to_string().as_str(), name.parse()), (kind, name, Ok(read)));
        }
        let wrong = "fgms".parse::<Perturbation>();
        assert!(wrong.is_err_and(|e| e == "did you mean fgsm? there are noise, fgsm, pgd"));
        Ok(())
    }

    #[test]
    fn pixels_are_those_before_any_preprocessing() -> Result<()> {
        let pixels = Tensor::linspace(0.0, 1.0, 12, tch::kind::FLOAT_CPU).reshape([1, 3, 2, 2]);
        for range in [Range::Unit, Range::Signed, Range::Bytes] {
            let preset = Preprocess::preset(Preset::Imagenet);
            let steps = Preprocess { range, ..preset };
            let map = Pixels::of(&steps);
            let input = map.to_input(&pixels)?;
            let back = map.of_input(&input)?;
            assert!(back.allclose(&pixels, 0.0, 1e-6, false), "{range}");
            let first = input.double_value(&[0, 0, 0, 0]);
            assert!((first - f64::from(steps.of_black()[0])).abs() < 1e-6, "{range}");
        }
        let raw = Pixels::of(&Preprocess::preset(Preset::Raw));
        assert!(raw.of_input(&(&pixels * 255.0)).is_err_and(|e| e.to_string().contains("--range")));
        assert!(raw.of_input(&pixels.select(0, 0)).is_err());
        Ok(())
    }

    // scipy.stats.binomtest(k, n).proportion_ci(method="wilson")     (scipy 1.17.1)
    #[test]
    fn shares_have_the_interval_of_scipy() {
        let cases = [
            ((0, 10), (0.0, 0.277_532_799_862_888_63)),
            ((3, 12), (0.088_941_668_394_054_71, 0.532_305_334_933_565_7)),
            ((10, 10), (0.722_467_200_137_111_4, 1.0)),
        ];
        for ((hits, count), (low, high)) in cases {
            let found = wilson(hits, count).expect("defined");
            assert!((found.0 - low).abs() < 1e-9 && (found.1 - high).abs() < 1e-9, "{found:?}");
        }
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn runs_are_counted() {
        let mut plan = Robustness {
            kinds: vec![Perturbation::Noise],
            noise: vec![0.1, 0.2],
            epsilon: vec![0.1, 0.2, 0.3],
            steps: 10,
            seed: 0,
            form: OutputForm::Logits,
            pixels: Pixels::of(&Preprocess::preset(Preset::Raw)),
        };
        assert_eq!(plan.runs(), 2);
        plan.kinds.extend([Perturbation::Fgsm, Perturbation::Pgd]);
        assert_eq!(plan.runs(), 2 + 1 + 3 + 30);
    }
}
