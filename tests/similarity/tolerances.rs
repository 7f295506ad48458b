//! How near values have to be.

/// Stored float64 features against NumPy in float64, as a share of the natural scale
/// √(HSIC(a,a)·HSIC(b,b)) of an HSIC, and of 1 for CKA.
pub const GOLDEN: f64 = 1e-9;

/// The same sums in another order in float64.
pub const REORDERED: f64 = 1e-12;

/// After a change of the features that is exact only in real numbers (a rotation, a shift).
pub const TRANSFORMED: f64 = 1e-9;

/// Half a unit of the fifth decimal, to which the published values of CKA are known.
pub const PUBLISHED_CKA: f64 = 5e-6;

/// Half a unit of the sixth decimal, to which the published HSIC₁ is known.
pub const PUBLISHED_HSIC: f64 = 5e-7;

/// Float32 features, centred before they are multiplied, against float64 ones: products of 24-bit
/// numbers, as a share of the value.
pub const FLOAT32: f64 = 1e-5;

/// A measure against another program's, absolutely: both are in float64.
pub const REFERENCE: f64 = 1e-9;

/// An angle near 0, or its square root: rounding of the cosine is under a root.
pub const ANGLE: f64 = 1e-6;
