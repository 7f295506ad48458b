//! What all runs begin with: models opened side by side, their layers found and chosen, bound to their
//! data, and what is said of all that.

pub mod accuracy;
pub mod axes;
pub mod beside;
mod binding;
pub mod dependence;
pub mod duplicates;
pub mod extraction;
pub mod focus;
mod given;
pub mod kept;
pub mod kept_names;
pub mod kept_sides;
mod loading;
pub mod models;
pub mod notices;
pub mod patches;
pub mod run_options;
pub mod shown;
pub mod sides;
pub mod spatial;
pub mod stored;
pub mod target;
pub mod told;
mod weights;

pub use axes::{ChannelAxes, ChannelAxis};
pub use given::{GivenInput, GivenValue, refuse_tensors};
pub use loading::load_all;
pub(in crate::analysis) use loading::weights_of;
pub use models::LoadedModel;
pub use weights::ChosenWeights;
