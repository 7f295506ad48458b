//! How near values have to be, as a share of the largest absolute value of the layer.
//!
//! Both sides are float32 (2⁻²⁴ ≈ 6·10⁻⁸ a rounding); the golden networks are up to 12
//! convolutions deep.

/// The modules as exported: the same operators as in Python, other summation orders at most.
pub const PLAIN: f64 = 1e-5;

/// Frozen, batch norms folded into convolutions, channels-last: other operators.
pub const OPTIMIZED: f64 = 1e-4;

/// The model's output with taps and optimisation against the module as loaded.
pub const OUTPUT: f64 = 3e-6;

/// The tolerance of a way to run.
pub fn of(optimize: bool) -> f64 {
    if optimize { OPTIMIZED } else { PLAIN }
}
