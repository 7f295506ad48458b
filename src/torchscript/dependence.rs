//! What values depend on beside the sample and the parameters: random numbers, other samples.

use tch::{Kind, Tensor};

/// What the values of a layer depend on beside the sample and the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dependence {
    /// Random numbers that are drawn in the run.
    pub draw: bool,
    /// Which other samples are in the batch.
    pub batch: bool,
}

impl Dependence {
    pub(super) fn from_bits(bits: i32) -> Self {
        Self { draw: bits & 1 != 0, batch: bits & 2 != 0 }
    }

    /// What holds of one of them or of both.
    pub fn or(self, other: Self) -> Self {
        Self { draw: self.draw || other.draw, batch: self.batch || other.batch }
    }

    /// The words for it in tables and reports.
    pub fn names(self) -> Vec<&'static str> {
        let named = [(self.draw, "draw"), (self.batch, "batch")];
        named.into_iter().filter_map(|(holds, name)| holds.then_some(name)).collect()
    }
}

/// An operator that makes values depend on random numbers or on the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What it makes them depend on; nothing where it computes a module in one piece, so that the
    /// submodules do not run.
    pub dependence: Dependence,
    /// `aten::dropout`.
    pub operator: String,
    /// Dotted name of the module whose code holds it; empty for the model's own.
    pub module: String,
}

/// Numbers that are compared of a layer's output.
const COMPARED: i64 = 4096;

/// The part of a difference to the largest value up to which it may be rounding.
pub(super) const ROUNDING: f64 = 1e-5;

/// The same of a sample at another place of a batch of another size, whose sums are taken in another order.
pub(super) const MOVED: f64 = 1e-3;

/// The same where numbers have three digits.
pub(super) const COARSE: f64 = 0.1;

/// Some numbers of an output, spread over it: over those of the sample `row` where `axis` has one entry a
/// sample. `None` where it has none that could be compared.
pub(super) fn excerpt(output: &Tensor, (samples, row): (i64, i64), axis: usize) -> Option<Tensor> {
    let own = match output.size().get(axis) {
        Some(&rows) if rows == samples => output.f_select(axis as i64, row).ok()?,
        _ => output.shallow_clone(),
    };
    let real = if own.is_complex() { own.f_view_as_real().ok()? } else { own };
    let count = i64::try_from(real.numel()).ok()?;
    let places = (0..count).step_by((count / COMPARED).max(1) as usize).collect::<Vec<_>>();
    // Flattening would copy all of an output that is laid out channels-last.
    let part = real.f_take(&Tensor::from_slice(&places)).ok()?.f_to_kind(Kind::Double).ok()?;
    part.f_nan_to_num(None, None, None).ok()
}

/// Whether two excerpts differ by more than a share of the largest value.
pub(super) fn differ(one: &Tensor, other: &Tensor, share: f64) -> bool {
    if one.size() != other.size() || one.numel() == 0 {
        return one.size() != other.size();
    }
    let apart = (one - other).abs().max().double_value(&[]);
    apart > share * one.abs().max().double_value(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_hold() {
        assert!(Dependence::default().names().is_empty());
        assert_eq!(Dependence::from_bits(3).names(), ["draw", "batch"]);
        assert_eq!(Dependence::from_bits(1).or(Dependence::from_bits(2)).names().len(), 2);
    }

    fn of(output: &Tensor, samples: i64) -> Tensor {
        match excerpt(output, (samples, 0), 0) {
            Some(part) => part,
            None => panic!("nothing to compare in {output:?}"),
        }
    }

    #[test]
    fn excerpts_are_of_the_first_sample() {
        let output = Tensor::arange(40_000, (Kind::Float, tch::Device::Cpu)).reshape([2, 20_000]);
        assert!(of(&output, 3).max().double_value(&[]) > 30_000.0);
        let first = of(&output, 2);
        assert!(first.max().double_value(&[]) < 20_000.0);
        assert!(
            !differ(&first, &(&first * (1.0 + 1e-7)), ROUNDING)
                && differ(&first, &(&first * 1.01), ROUNDING)
        );
    }

    #[test]
    fn samples_may_stand_second() {
        let output = Tensor::arange(24, (Kind::Float, tch::Device::Cpu)).reshape([4, 2, 3]);
        let other = Tensor::cat(&[output.narrow(1, 0, 1), -output.narrow(1, 1, 1)], 1);
        let parts = [&output, &other].map(|o| excerpt(o, (2, 0), 1).map(|part| part.size()));
        assert_eq!(parts, [Some(vec![12]), Some(vec![12])]);
        let apart = |axis| match (excerpt(&output, (2, 0), axis), excerpt(&other, (2, 0), axis)) {
            (Some(one), Some(other)) => differ(&one, &other, ROUNDING),
            _ => true,
        };
        assert!(!apart(1) && apart(0));
    }

    #[test]
    fn what_is_not_finite_is_compared_too() {
        let one = Tensor::from_slice(&[f32::NAN, f32::INFINITY, 1.0]);
        let (a, b) = (of(&one, 9), of(&one.nan_to_num(0.5, None, None), 9));
        assert!(
            !differ(&a, &a.copy(), ROUNDING)
                && differ(&Tensor::from_slice(&[1f64, 2.0]), &a.narrow(0, 0, 2), ROUNDING)
        );
        assert_eq!(a.size(), b.size());
    }
}
