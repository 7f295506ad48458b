//! How near values have to be.
//!
//! Maps are float32 on both sides, and are measured in shares of the largest absolute value of the
//! image's map. Where an activation lies so near zero that rounding decides whether its ReLU passes
//! the gradient on, the goldens say how far float32 and float64 are apart, and no two
//! implementations need agree better than that.

/// Maps, by the issue.
pub const MAP: f64 = 1e-4;

/// How many times the distance of float32 from float64 two float32 implementations may differ.
pub const KINK: f64 = 4.0;

/// Points of a path at which rounding may flip a ReLU.
pub const KINKS: usize = 3;

/// The same image alone and in a batch.
pub const BATCH: f64 = 1e-5;

/// Logits, as a share of the largest.
pub const LOGIT: f64 = 1e-5;

/// Areas under curves of probabilities.
pub const AREA: f64 = 1e-5;

/// What both sides compute in float64 from the same numbers.
pub const FLOAT64: f64 = 1e-10;

/// A closed form in numbers that float32 holds, as a share of the largest.
pub const CLOSED: f64 = 1e-6;

/// Rounding of a float32 score (a few units in the last place of a number below 8), which a
/// difference quotient divides by h.
pub const SCORE: f64 = 4e-6;

/// A difference quotient of a network at its best step, as a share of autograd's derivative: where
/// the step is small enough for the ReLUs to stay as they are, a score's last digit is some 5 % of
/// the quotient.
pub const QUOTIENT: f64 = 1e-1;

/// The loss that PGD reaches, as a share, where batch norms are folded: rounding sends the sign of a
/// gradient near zero another way, and the path with it, in the same ball and to about the same loss.
pub const LOSS: f64 = 5e-2;

/// The tolerance of a map by how far float32 and float64 are apart.
pub fn of(deviation: f64) -> f64 {
    MAP.max(KINK * deviation)
}
