//! What a prediction looks at: maps of an image that say which of its pixels a score depends on.
//!
//! * [`Target`]: which score is explained.
//! * [`Method`], [`Explainer`]: gradients, class activation maps, occlusion.
//! * [`finite`]: the derivative from its definition, beside autograd's.
//! * [`summary`], [`compare`], [`bootstrap`]: maps in a few numbers, and how alike two are.
//! * [`rank`], [`auc`]: ranks, and areas under curves.

mod ablation_cam;
pub mod auc;
pub mod bootstrap;
pub mod cam;
pub mod compare;
mod explain;
pub mod faithfulness;
pub mod finite;
mod focus;
mod gradient_shap;
mod lime;
mod method;
mod occlusion;
mod output;
mod patches;
pub mod rank;
mod score_cam;
mod shapley;
mod ssim;
pub mod summary;
mod target;

pub use explain::{Column, Explained, Explainer, Images, Options, baseline, forward, noise};
pub use focus::{Embedded, Focus, Focused, Network, images_of};
pub use gradient_shap::{Draw, gradient_shap};
pub use lime::lime;
pub use method::Method;
pub use output::{cross_entropy, divergences, log_probabilities, probabilities};
pub use patches::{Coalitions, Patches, coalitions};
pub use shapley::{Subsets, shapley};
pub use target::{Classes, Target, finite_rows};
