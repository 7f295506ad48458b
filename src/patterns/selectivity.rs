//! How far a channel answers to some classes more than to others.

/// Why a channel has no index: a class mean is below zero.
const BELOW_ZERO: &str = "the mean of a class is below zero, where the index is not defined: look at the layer \
                          behind its ReLU";

/// Shannon entropy of counts in bits: 0 where all are of one class.
///
/// ```text
/// −Σ p log₂ p      p the share of a class
/// ```
///
/// `None` where nothing was counted.
///
/// ```
/// # use repsim::patterns::entropy;
/// assert_eq!(entropy(&[2, 2, 0, 4]), Some(1.5));
/// ```
pub fn entropy(counts: &[usize]) -> Option<f64> {
    let all = counts.iter().sum::<usize>();
    let share = |&count: &usize| count as f64 / all as f64;
    let term = |p: f64| if p > 0.0 { p * -p.log2() } else { 0.0 };
    (all > 0).then(|| counts.iter().map(|count| term(share(count))).sum())
}

/// Class selectivity index (Morcos et al. 2018) of the means of a channel over the samples of each class.
///
/// ```text
/// (μ_max − μ_others) / (μ_max + μ_others)      μ_others: the mean of the means of all other classes
/// ```
///
/// 0 where all classes have the same mean, 1 where the channel is zero for all but one. The definition is for
/// means that are not below zero.
///
/// # Errors
/// There is none: in words, why.
pub fn class_selectivity(means: &[f64]) -> Result<f64, &'static str> {
    if means.len() < 2 {
        return Err("the samples are of one class");
    }
    if means.iter().any(|mean| !mean.is_finite()) {
        return Err("a class mean is not finite");
    }
    if means.iter().any(|&mean| mean < 0.0) {
        return Err(BELOW_ZERO);
    }
    let most = means.iter().copied().fold(0.0, f64::max);
    let others = (means.iter().sum::<f64>() - most) / (means.len() - 1) as f64;
    match most > 0.0 {
        true => Ok((most - others) / (most + others)),
        false => Err("the channel is zero for all classes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_that_of_shares() {
        assert_eq!((entropy(&[5, 0]), entropy(&[1, 1, 1, 1])), (Some(0.0), Some(2.0)));
        assert_eq!((entropy(&[0, 0]), entropy(&[])), (None, None));
    }

    #[test]
    fn selectivity_goes_from_0_to_1() {
        assert_eq!(class_selectivity(&[2.0, 2.0, 2.0]), Ok(0.0));
        assert_eq!(class_selectivity(&[0.0, 3.0, 0.0]), Ok(1.0));
        assert_eq!(class_selectivity(&[3.0, 1.0, 0.0]), Ok(2.5 / 3.5));
    }

    #[test]
    fn where_it_is_not_defined_is_said() {
        let why = |means: &[f64]| class_selectivity(means).expect_err("none");
        assert!(why(&[1.0]).contains("one class") && why(&[1.0, -0.1]).contains("below zero"));
        assert!(
            why(&[0.0, 0.0]).contains("zero for all") && why(&[1.0, f64::NAN]).contains("finite")
        );
    }
}
