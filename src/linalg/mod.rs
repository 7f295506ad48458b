//! Linear algebra on arrays: packed Gram matrices, centring, products.

// Links the BLAS and LAPACK that ndarray's products call.
use ndarray_linalg as _;

mod centring;
mod packed;
mod products;

pub use centring::{CentredRows, Centring, centre_columns};
pub use packed::PackedSymmetric;
pub use products::gram;
