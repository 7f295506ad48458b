//! Probabilities and losses from what a classifier gives, whether that is logits or probabilities.

use tch::{Kind, Reduction, Tensor};

use crate::classifier::OutputForm;
use crate::error::Result;
use crate::torchscript::tensors;

/// The smallest probability that a logarithm is taken of.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

/// The probabilities of N×K outputs, over the last axis: their softmax, or themselves where they are
/// probabilities already.
pub fn probabilities(outputs: &Tensor, form: OutputForm, kind: Kind) -> Tensor {
    match form {
        OutputForm::Probabilities => outputs.to_kind(kind),
        OutputForm::Logits | OutputForm::LogProbabilities => outputs.softmax(-1, kind),
    }
}

/// The logarithms of [`probabilities`]; of a probability of 0 that of the smallest normal float32.
pub fn log_probabilities(outputs: &Tensor, form: OutputForm, kind: Kind) -> Tensor {
    match form {
        OutputForm::Probabilities => outputs.to_kind(kind).clamp_min(LEAST).log(),
        OutputForm::Logits | OutputForm::LogProbabilities => outputs.log_softmax(-1, kind),
    }
}

/// The cross entropy −Σ ln p of the classes, of N×K outputs.
///
/// # Errors
/// What libtorch said.
pub fn cross_entropy(
    outputs: &Tensor,
    classes: &Tensor,
    form: OutputForm,
    reduction: Reduction,
) -> Result<Tensor> {
    let loss = match form {
        OutputForm::Probabilities => log_probabilities(outputs, form, outputs.kind())
            .f_nll_loss::<Tensor>(classes, None, reduction, -100),
        OutputForm::Logits | OutputForm::LogProbabilities => {
            outputs.f_cross_entropy_loss::<Tensor>(classes, None, reduction, -100, 0.0)
        }
    };
    loss.map_err(|e| tensors::torch_error("take the cross entropy", &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_one_output_gives_the_same() -> Result<()> {
        let logits = tensors::from_rows(&[2.0, -1.0, 0.5, 0.0, 3.0, 1.0], &[2, 3])?;
        let classes = Tensor::from_slice(&[0i64, 2]);
        let forms = [
            (logits.shallow_clone(), OutputForm::Logits),
            (logits.softmax(-1, Kind::Float), OutputForm::Probabilities),
            (logits.log_softmax(-1, Kind::Float), OutputForm::LogProbabilities),
        ];
        let expected = logits.softmax(-1, Kind::Double);
        let loss = cross_entropy(&logits, &classes, OutputForm::Logits, Reduction::Sum)?;
        for (outputs, form) in forms {
            let off = |found: &Tensor, to: &Tensor| (found - to).abs().max().double_value(&[]);
            assert!(off(&probabilities(&outputs, form, Kind::Double), &expected) < 1e-6, "{form}");
            let logs = log_probabilities(&outputs, form, Kind::Double);
            assert!(off(&logs, &expected.log()) < 1e-6, "{form}");
            let found = cross_entropy(&outputs, &classes, form, Reduction::Sum)?;
            assert!(off(&found, &loss) < 1e-5, "{form}");
        }
        Ok(())
    }

    #[test]
    fn a_probability_of_zero_has_a_finite_loss() -> Result<()> {
        let certain = tensors::from_rows(&[1.0, 0.0], &[1, 2])?;
        let wrong = Tensor::from_slice(&[1i64]);
        let loss = cross_entropy(&certain, &wrong, OutputForm::Probabilities, Reduction::Sum)?;
        assert!(loss.double_value(&[]).is_finite());
        Ok(())
    }
}
