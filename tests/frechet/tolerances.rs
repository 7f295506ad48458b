//! How near values have to be. Fréchet distances are small differences of traces, so they are
//! measured in shares of tr Σ₁ + tr Σ₂ + ‖μ₁−μ₂‖².

/// From samples against NumPy's nuclear norm in float64.
pub const SAMPLES: f64 = 1e-13;

/// From stored covariances, whose rounding a square root amplifies where they are singular.
pub const COVARIANCE: f64 = 1e-12;

/// scipy's root of a matrix of full rank.
pub const SQRTM: f64 = 1e-12;

/// scipy's root of a singular matrix, which is off by √ε or so for each direction that is not
/// filled.
pub const SINGULAR_SQRTM: f64 = 2e-8;

/// Means that a package takes in float32, relative to the largest mean.
pub const FLOAT32_MEAN: f64 = 2e-7;

/// The same in another order, or in other coordinates.
pub const TRANSFORMED: f64 = 1e-12;

/// A set against itself, by the issue.
pub const ITSELF: f64 = 1e-9;

/// Samples against their covariance at D = 2048, relative to the distance, by the issue.
pub const LARGE: f64 = 1e-8;

/// Sums of products in float64 in another order, relative.
pub const REORDERED: f64 = 1e-12;

/// The same through an inverse of a covariance.
pub const INVERSE: f64 = 1e-10;

/// Shares that are counts over a number of samples.
pub const COUNTED: f64 = 1e-14;

/// Counts that a package divides in float32.
pub const COUNTED_FLOAT32: f64 = 1e-6;

/// Standard errors by which two estimates from random subsets may differ.
pub const STANDARD_ERRORS: f64 = 5.0;

/// Logarithms, exponentials and eigenvalues in float64, in another order, relative.
pub const SCORES: f64 = 1e-11;
