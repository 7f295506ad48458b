//! How near values have to be.
//!
//! The networks of the goldens run in float64 on both sides, and none of their ReLUs is near its kink:
//! how near they come is stored beside the maps, and held to [`MARGIN`]. So processors whose kernels
//! round otherwise give the same maps, and what is left is the rounding of what is stored.

/// What the goldens round to float32, as a share of the largest absolute value of an image's map:
/// twice (2⁻²³), as captum's occlusion is in float32 already.
pub const MAP: f64 = 2e-7;

/// How near zero an input of a ReLU may lie, as a share of the largest of its call: a thousand times
/// what float64 rounds in 20 layers.
pub const MARGIN: f64 = 1e-11;

/// What a network in float64 rounds, as a share of the largest value.
pub const FLOAT64_NETWORK: f64 = 1e-11;

/// Rounding of a float64 score (below 16), which a difference quotient divides by h.
pub const FLOAT64_SCORE: f64 = 1e-12;

/// How near zero an input of a ReLU may lie where the network runs in float32.
pub const FLOAT32_MARGIN: f64 = 1e-4;

/// What a network of three layers in float32 rounds, as a share of the largest value of an image's map.
pub const FLOAT32_NETWORK: f64 = 1e-5;

/// What a transformer of two or three blocks without kinks (GELU, softmax) rounds in float32, as a share
/// of the largest value: ten times as far as the goldens say that float32 is from float64.
pub const FLOAT32_SMOOTH: f64 = 1e-4;

/// What both sides compute in float64 from the same numbers.
pub const FLOAT64: f64 = 1e-10;

/// A closed form in numbers that float32 holds, as a share of the largest.
pub const CLOSED: f64 = 1e-6;

/// Rounding of a float32 score (a few units in the last place of a number below 8), which a
/// difference quotient divides by h.
pub const SCORE: f64 = 4e-6;
