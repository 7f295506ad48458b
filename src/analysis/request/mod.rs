//! What a run is: the parts that requests share, as plain values that anybody can fill.

mod data;
mod precision;
mod preprocessing;
mod running;
mod seeds;

pub use data::{Data, Loading, Texts};
pub use precision::Precision;
pub use preprocessing::Preprocessing;
pub use running::{FloatType, JUDGED, Running};
pub use seeds::Draw;

use crate::error::Result;
use crate::torchscript::Selection;

/// How a request is given its samples, which lie at a place in it.
macro_rules! over_data {
    ($request:ty, $($place:ident).+) => {
        impl $request {
            /// The samples: a folder of images, a file of arrays.
            #[must_use]
            pub fn data(mut self, path: impl Into<std::path::PathBuf>) -> Self {
                self.$($place).+.path = Some(path.into());
                self
            }

            /// At most so many samples, of all classes evenly.
            #[must_use]
            pub fn limit(mut self, samples: usize) -> Self {
                self.$($place).+.load.limit = Some(samples);
                self
            }
        }
    };
}
pub(super) use over_data;

/// Patterns of the layers of B: those of A where it has none of its own.
pub fn patterns_b<'a>(a: &'a [String], b: &'a [String]) -> &'a [String] {
    if b.is_empty() { a } else { b }
}

/// The layers wanted of each side.
///
/// # Errors
/// A pattern means nothing.
pub fn selections(a: &[String], b: &[String]) -> Result<[Selection; 2]> {
    Ok([Selection::new(a)?, Selection::new(patterns_b(a, b))?])
}
