//! How well stitched networks predict.

use tch::{Kind, Tensor};

use crate::classifier::OutputForm;
use crate::error::Result;
use crate::functional::predicted;
use crate::saliency::divergences;
use crate::torchscript::tensors;

/// What one network, or one stitch, has predicted so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    images: usize,
    right: usize,
    agreeing: usize,
    unsound: usize,
    divergence: f64,
}

/// What a batch is held against.
pub struct Reference<'a> {
    /// The logits of the intact network that the tail belongs to, N×K.
    pub logits: &'a Tensor,
    /// The classes of the images by the numbers of the logits, where they are known.
    pub labels: Option<&'a [usize]>,
    /// What both outputs are.
    pub form: OutputForm,
}

impl Scores {
    /// Adds a batch of N×K logits, or 1×K for the same prediction for all images.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn add(&mut self, logits: &Tensor, against: &Reference<'_>) -> Result<()> {
        let images = against.logits.size()[0];
        let logits = logits.f_expand([images, -1], false);
        let logits = logits.map_err(|e| tensors::torch_error("compare logits", &e))?;
        let said = decided(&logits, against.form)?;
        let intact = decided(against.logits, against.form)?;
        self.images += said.len();
        let sound = |(a, b): &(&Option<usize>, &Option<usize>)| a.is_some() && b.is_some();
        self.unsound += said.len() - said.iter().zip(&intact).filter(sound).count();
        let agree = |(a, b): &(&Option<usize>, &Option<usize>)| a.is_some() && a == b;
        self.agreeing += said.iter().zip(&intact).filter(agree).count();
        if let Some(labels) = against.labels {
            let right = |(said, label): &(&Option<usize>, &usize)| **said == Some(**label);
            self.right += said.iter().zip(labels).filter(right).count();
        }
        self.divergence += divergence(against.logits, &logits, against.form)?;
        Ok(())
    }

    /// Images.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Images predicted rightly.
    pub fn right(&self) -> usize {
        self.right
    }

    /// Images of which a logit, here or of the intact network, is not finite.
    pub fn unsound(&self) -> usize {
        self.unsound
    }

    /// The share of images predicted rightly, where labels were given; NaN where logits are not finite.
    pub fn accuracy(&self) -> f64 {
        self.share(self.right)
    }

    /// The share of images with the prediction of the intact network; NaN where logits are not finite.
    pub fn agreement(&self) -> f64 {
        self.share(self.agreeing)
    }

    fn share(&self, count: usize) -> f64 {
        if self.unsound > 0 { f64::NAN } else { count as f64 / self.images as f64 }
    }

    /// The mean over images of KL(p‖q) in nats ([`divergences`]), with p the intact network's
    /// probabilities and q the stitched one's.
    pub fn divergence(&self) -> f64 {
        self.divergence / self.images as f64
    }
}

/// What is said of each image: its class, or of a single output whether it is above the threshold.
fn decided(outputs: &Tensor, form: OutputForm) -> Result<Vec<Option<usize>>> {
    if outputs.size().last() != Some(&1) {
        return predicted(outputs);
    }
    let values = tensors::to_vector(&outputs.reshape([-1]).to_kind(Kind::Double))?;
    let side = |value: &f64| value.is_finite().then(|| usize::from(*value > form.threshold()));
    Ok(values.iter().map(side).collect())
}

/// ΣKL(p‖q) over the rows, with p and q the probabilities of both.
fn divergence(p: &Tensor, q: &Tensor, form: OutputForm) -> Result<f64> {
    // No divergence is below 0 but by rounding; NaN stays.
    let each = divergences(p, q, form).clamp_min(0.0);
    Ok(tensors::to_vector(&each.sum(Kind::Double).reshape([1]))?[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: OutputForm = OutputForm::Logits;

    #[test]
    fn predictions_are_counted() -> Result<()> {
        let intact = tensors::from_rows(&[2.0, 0.0, 0.0, 1.0, 3.0, 1.0], &[3, 2])?;
        let said = tensors::from_rows(&[1.0, 0.0, 1.0, 0.0, 0.0, 1.0], &[3, 2])?;
        let mut scores = Scores::default();
        scores.add(&said, &Reference { logits: &intact, labels: Some(&[0, 0, 0]), form: FORM })?;
        assert_eq!((scores.images(), scores.right()), (3, 2));
        assert!((scores.agreement() - 1.0 / 3.0).abs() < 1e-15);
        let mut same = Scores::default();
        same.add(&intact, &Reference { logits: &intact, labels: None, form: FORM })?;
        assert_eq!((same.agreement(), same.divergence()), (1.0, 0.0));
        Ok(())
    }

    #[test]
    fn logits_that_are_not_finite_are_no_predictions() -> Result<()> {
        let intact = tensors::from_rows(&[2.0, 0.0, 0.0, 1.0], &[2, 2])?;
        let said = tensors::from_rows(&[2.0, 0.0, f32::NAN, 1.0], &[2, 2])?;
        let mut scores = Scores::default();
        scores.add(&said, &Reference { logits: &intact, labels: Some(&[0, 1]), form: FORM })?;
        assert_eq!(scores.unsound(), 1);
        assert!(scores.accuracy().is_nan() && scores.agreement().is_nan());
        assert!(scores.divergence().is_nan());
        Ok(())
    }

    #[test]
    fn one_prediction_stands_for_all_images() -> Result<()> {
        let intact = tensors::from_rows(&[0.0, 0.0, 3.0_f32.ln(), 0.0], &[2, 2])?;
        let mut scores = Scores::default();
        let said = tensors::from_rows(&[0.0, 0.0], &[1, 2])?;
        scores.add(&said, &Reference { logits: &intact, labels: Some(&[1, 0]), form: FORM })?;
        let second = 0.75 * (0.75_f64 / 0.5).ln() + 0.25 * (0.25_f64 / 0.5).ln();
        assert!((scores.divergence() - second / 2.0).abs() < 1e-7);
        assert_eq!(scores.right(), 1);
        Ok(())
    }
}
