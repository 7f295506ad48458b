//! What a classifier says, and how sure it is.

use ndarray::{ArrayView1, ArrayView2};

use crate::classifier::OutputForm;

/// A prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The class with the highest output; of equals the first.
    pub class: usize,
    /// Its probability (Hendrycks & Gimpel 2017: the baseline of all that tells right from
    /// wrong predictions).
    pub confidence: f64,
}

/// The prediction from each row of n×K outputs; `None` for a row that is not finite. Of logits z the
/// probability is their softmax:
///
/// ```text
/// p_c = exp(z_c − max z) / Σ exp(z_j − max z)
/// ```
///
/// Outputs that are probabilities already are taken as they are. A single output has the probability p of
/// the second of two classes, of a logit z p = 1 / (1 + exp(−z)).
pub fn predictions(outputs: ArrayView2<'_, f64>, form: OutputForm) -> Vec<Option<Prediction>> {
    outputs.rows().into_iter().map(|row| prediction(row, form)).collect()
}

fn prediction(logits: ArrayView1<'_, f64>, form: OutputForm) -> Option<Prediction> {
    if logits.iter().any(|v| !v.is_finite()) {
        return None;
    }
    if let Some(&only) = logits.first().filter(|_| logits.len() == 1) {
        let p = if form.is_probability() { only } else { 1.0 / (1.0 + (-only).exp()) };
        let class = usize::from(p > 0.5);
        return Some(Prediction { class, confidence: p.max(1.0 - p) });
    }
    let mut found: Option<(usize, f64)> = None;
    for (class, &logit) in logits.iter().enumerate() {
        if found.is_none_or(|(_, best)| logit > best) {
            found = Some((class, logit));
        }
    }
    let (class, best) = found?;
    if form.is_probability() {
        return Some(Prediction { class, confidence: best });
    }
    let sum: f64 = logits.iter().map(|logit| (logit - best).exp()).sum();
    Some(Prediction { class, confidence: 1.0 / sum })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_largest_logit_is_the_prediction() {
        let logits = array![[0.0, 3f64.ln()], [5.0, 5.0], [1000.0, 0.0], [f64::NAN, 0.0]];
        let found = predictions(logits.view(), OutputForm::Logits);
        let of = |i: usize| found[i].map(|p| (p.class, (p.confidence * 1e6).round() / 1e6));
        assert_eq!([of(0), of(1), of(2)], [Some((1, 0.75)), Some((0, 0.5)), Some((0, 1.0))]);
        assert_eq!(of(3), None);
        let single = predictions(array![[-(3f64.ln())], [3f64.ln()]].view(), OutputForm::Logits);
        let single: Vec<_> =
            single.into_iter().flatten().map(|p| (p.class, p.confidence)).collect();
        assert!((single[0].1 - 0.75).abs() < 1e-12 && (single[1].1 - 0.75).abs() < 1e-12);
        assert_eq!((single[0].0, single[1].0), (0, 1));
        let form = OutputForm::IndependentProbabilities;
        let found = predictions(array![[0.985], [0.25]].view(), form);
        assert_eq!(found[0], Some(Prediction { class: 1, confidence: 0.985 }));
        assert_eq!(found[1], Some(Prediction { class: 0, confidence: 0.75 }));
        let certain = predictions(array![[0.25, 0.75]].view(), OutputForm::Probabilities);
        assert_eq!(certain[0], Some(Prediction { class: 1, confidence: 0.75 }));
    }
}
