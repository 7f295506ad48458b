//! Linear algebra on arrays: packed Gram matrices, centring, products.

// Links the BLAS and LAPACK that ndarray's products call.
use ndarray_linalg as _;

mod centring;
pub mod distances;
mod lapack;
mod packed;
mod products;
mod psd;
mod ridge;
mod root;
mod root_trace;
mod spectrum;
mod threads;

pub use centring::{CentredRows, Centring, centre_columns};
pub use lapack::{eigenvalues, eigenvectors};
pub use packed::PackedSymmetric;
pub use products::gram;
pub use psd::{Factor, Indefinite, RootTrace, Route, nuclear_norm};
pub use ridge::RidgeSolver;
pub use root::root_of_centred;
pub use spectrum::{Singular, Spectrum, left_singular, singular_values};
pub use threads::{serial, set_blas_threads, with_blas_threads};
