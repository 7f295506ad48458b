//! TorchScript models: loading an archive, finding its layers, listening to them while it runs.
//!
//! A TorchScript module has no forward hooks. A small C++ shim inlines the calls of modules into
//! the graph of `forward` and puts an operator of its own, a *tap*, behind each; the tap hands the
//! layer's output to a hook of the current run, which may look at it or put another tensor in its
//! place.
//!
//! ```no_run
//! use repsim::torchscript::{Answer, Execution, Model};
//! # fn main() -> repsim::error::Result<()> {
//! let mut model = Model::load("resnet18.pt", false)?;
//! let image = tch::Tensor::zeros([2, 3, 224, 224], tch::kind::FLOAT_CPU);
//! let layers = model.probe(&image)?;
//! model.prepare(&layers, &Execution::default())?;
//! model.run(&image, &mut |layer, output| {
//!     println!("{} {:?}", layers[layer].name, output.size());
//!     Ok(Answer::Keep)
//! })?;
//! # Ok(())
//! # }
//! ```

mod advice;
mod archive;
mod axes;
mod batches;
mod complex;
mod defaults;
mod dependence;
pub mod device;
pub mod draws;
mod exported;
mod ffi;
mod fields;
mod foreign;
mod gradients;
mod grid;
mod influence;
mod layers;
mod model;
pub mod native;
pub mod packing;
mod probe;
mod returned;
mod sealed;
mod sparse;
mod stages;
mod tail;
mod taps;
pub mod tensors;
pub mod waiting;
mod weights;

pub use axes::{Axes, By};
pub use complex::real_parts;
pub use dependence::{Cause, Dependence};
pub use exported::{Input, Interface};
pub use ffi::inputs::Fixed;
pub use ffi::{Answer, libtorch_version};
pub use fields::FollowedField;
pub use gradients::{Gradients, LayerGradient, TailGradients};
pub use grid::{Folding, Grid, MapView, NoMap, gives_tokens};
pub use influence::Influences;
pub use layers::{Kind, Layer, ORDERED, Selection};
pub use model::{Execution, Model, shape_text};
pub use returned::{Returned, no_tensor};
pub use sparse::SparseRows;
pub use stages::Stage;
pub use tail::Tail;
pub use weights::{Taken, Weight};
