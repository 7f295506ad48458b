//! Probabilities and losses from what a classifier gives, whether that is logits or probabilities.

use tch::{Kind, Reduction, Tensor};

use crate::classifier::OutputForm;
use crate::error::Result;
use crate::torchscript::tensors;

/// The smallest probability that a logarithm is taken of.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

/// The probabilities of N×K outputs, over the last axis: their softmax, the sigmoid of a single one, or
/// themselves where they are probabilities already.
pub fn probabilities(outputs: &Tensor, form: OutputForm, kind: Kind) -> Tensor {
    match form {
        _ if form.is_probability() => outputs.to_kind(kind),
        OutputForm::Logits if is_single(outputs) => outputs.to_kind(kind).sigmoid(),
        _ => outputs.softmax(-1, kind),
    }
}

/// The logarithms of [`probabilities`]; of a probability of 0 that of the smallest normal float32.
pub fn log_probabilities(outputs: &Tensor, form: OutputForm, kind: Kind) -> Tensor {
    match form {
        _ if form.is_probability() => outputs.to_kind(kind).clamp_min(LEAST).log(),
        OutputForm::Logits if is_single(outputs) => outputs.to_kind(kind).log_sigmoid(),
        _ => outputs.log_softmax(-1, kind),
    }
}

/// ΣKL(p‖q) of each row of N×K outputs, in nats:
///
/// ```text
/// Σ_c p_c·ln(p_c/q_c)                                              of classes that exclude each other
/// Σ_c p_c·ln(p_c/q_c) + (1−p_c)·ln((1−p_c)/(1−q_c))               of independent probabilities
/// ```
pub fn divergences(p: &Tensor, q: &Tensor, form: OutputForm) -> Tensor {
    let part = |p: Tensor, q: Tensor| p.exp() * (p - q);
    let logs = |outputs| log_probabilities(outputs, form, Kind::Double);
    let mut each = part(logs(p), logs(q));
    if are_independent(p, form) {
        let rest = |outputs| log_complements(outputs, form, Kind::Double);
        each += part(rest(p), rest(q));
    }
    each.sum_dim_intlist([-1i64].as_slice(), false, Kind::Double)
}

/// The cross entropy −Σ ln p of the classes, of N×K outputs. Of independent probabilities it is the
/// binary one of all outputs, −Σ ln p_class − Σ_{c≠class} ln(1−p_c).
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
        OutputForm::IndependentProbabilities => {
            let (own, other) = (
                log_probabilities(outputs, form, outputs.kind()),
                log_complements(outputs, form, outputs.kind()),
            );
            let index = classes.unsqueeze(1);
            let class = (own - &other).f_gather(1, &index, false);
            class.map(|class| {
                let each =
                    class.squeeze_dim(1) + other.sum_dim_intlist([-1i64].as_slice(), false, None);
                reduced(&-each, reduction)
            })
        }
        OutputForm::Probabilities => log_probabilities(outputs, form, outputs.kind())
            .f_nll_loss::<Tensor>(classes, None, reduction, -100),
        OutputForm::Logits | OutputForm::LogProbabilities => {
            outputs.f_cross_entropy_loss::<Tensor>(classes, None, reduction, -100, 0.0)
        }
    };
    loss.map_err(|e| tensors::torch_error("take the cross entropy", &e))
}

/// The logarithms of 1 − p, of outputs that are [`are_independent`].
fn log_complements(outputs: &Tensor, form: OutputForm, kind: Kind) -> Tensor {
    match form {
        OutputForm::Logits => outputs.to_kind(kind).neg().log_sigmoid(),
        _ => (outputs.to_kind(kind).neg() + 1.0).clamp_min(LEAST).log(),
    }
}

/// Whether each output has a probability of its own.
fn are_independent(outputs: &Tensor, form: OutputForm) -> bool {
    form == OutputForm::IndependentProbabilities
        || (form == OutputForm::Logits && is_single(outputs))
}

fn is_single(outputs: &Tensor) -> bool {
    outputs.size().last() == Some(&1)
}

fn reduced(each: &Tensor, reduction: Reduction) -> Tensor {
    match reduction {
        Reduction::None | Reduction::Other(_) => each.shallow_clone(),
        Reduction::Mean => each.mean(None),
        Reduction::Sum => each.sum(None),
    }
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

    // torch.nn.functional.binary_cross_entropy(p, one_hot, reduction="sum") and
    // torch.distributions.kl_divergence(Bernoulli(p), Bernoulli(q)).sum(-1)     (torch 2.13)
    #[test]
    fn independent_probabilities_have_the_binary_losses_of_pytorch() -> Result<()> {
        let p = Tensor::from_slice(&[0.985, 0.2, 0.7, 0.1, 0.4, 0.9]).reshape([2, 3]);
        let q = Tensor::from_slice(&[0.9, 0.3, 0.5, 0.2, 0.4, 0.6]).reshape([2, 3]);
        let form = OutputForm::IndependentProbabilities;
        assert_eq!(probabilities(&p, form, Kind::Double), p);
        let classes = Tensor::from_slice(&[0i64, 2]);
        let loss = cross_entropy(&p, &classes, form, Reduction::Sum)?.double_value(&[]);
        assert!((loss - 2.163_776_648_531_837).abs() < 1e-12, "{loss}");
        let found = tensors::to_vector(&divergences(&p, &q, form))?;
        let expected = [0.168_451_345_889_810_2, 0.262_979_175_220_109_7];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found}");
        let (z, w) = (p.narrow(1, 0, 1).logit(None), q.narrow(1, 0, 1).logit(None));
        let single = tensors::to_vector(&divergences(&z, &w, OutputForm::Logits))?;
        let expected = [0.060_436_374_906_773_2, 0.036_690_014_034_750_55];
        assert!(single.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{single}");
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
