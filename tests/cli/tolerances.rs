//! How near numbers of two runs have to be, absolutely; CKA is between 0 and 1.

/// Networks in float32 here against networks in float32 in Python: convolutions sum in other
/// orders, and each of up to 20 layers adds its roundings.
pub const GOLDEN: f64 = 1e-4;

/// Maps of a network of three layers in float32 against float64, as a share of a map's largest value,
/// where no ReLU is near its kink.
pub const SMALL_NETWORK: f64 = 1e-5;

/// Frozen with batch norms folded against plain modules: as between two libraries.
pub const OPTIMIZED: f64 = 1e-4;

/// The same run in other batches or passes: the same operators on other numbers of samples.
pub const SAME: f64 = 1e-6;

/// A network and its copy, exported in another way: the same weights, and the same operators.
pub const TWIN: f64 = 1e-6;

/// Stored float64 features: no network rounds.
pub const STORED: f64 = 1e-9;

/// Fréchet distances and KID of networks in float32, here and in Python, relative.
pub const NETWORK: f64 = 1e-5;

/// Fréchet distances by scipy's root of a singular matrix, which is off by the root of ε or so.
pub const SINGULAR_SQRTM: f64 = 2e-7;

/// Fréchet distances of stored features in float64, relative.
pub const DISTANCE: f64 = 1e-10;

/// Fréchet distances by a package that takes means in float32, relative: ‖m₁−m₂‖² is most of them.
pub const FLOAT32_MEANS: f64 = 1e-6;

/// Few samples themselves against their covariance, as a share of the traces.
pub const BY_COVARIANCE: f64 = 1e-12;

/// Shares that are counts over a number of samples.
pub const COUNTED: f64 = 1e-14;
