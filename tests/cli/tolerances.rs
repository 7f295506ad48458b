//! How near numbers of two runs have to be, absolutely; CKA is between 0 and 1.

/// Networks in float32 here against networks in float32 in Python: convolutions sum in other
/// orders, and each of up to 20 layers adds its roundings.
pub const GOLDEN: f64 = 1e-4;

/// Frozen with batch norms folded against plain modules: as between two libraries.
pub const OPTIMIZED: f64 = 1e-4;

/// The same run in other batches or passes: the same operators on other numbers of samples.
pub const SAME: f64 = 1e-6;

/// A network and its copy, exported in another way: the same weights, and the same operators.
pub const TWIN: f64 = 1e-6;

/// Stored float64 features: no network rounds.
pub const STORED: f64 = 1e-9;
