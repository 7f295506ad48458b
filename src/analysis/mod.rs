//! Analyses as values: what is asked, run, and reported. No options of a command line, nothing printed.

mod cka;
mod compare;
mod distance;
mod features;
mod fid;
mod input_files;
mod layers;
mod maps;
mod observer;
mod patterns;
mod platonic;
mod probe;
mod request;
mod saliency;
mod sensitivity;
mod session;
mod sets;
mod shards;
mod stats;
mod stitch;
mod track;

pub use cka::Cka;
pub use compare::{Chance, Compare};
pub use distance::Distance;
pub use features::Features;
pub use fid::{Fid, Spatial};
pub use input_files::{InputFiles, whole_path};
pub use layers::Layers;
pub use maps::{MapChannels, Maps, MapsSink};
pub use observer::{Observer, Silent, Steps};
pub use patterns::{Patterns, PatternsSink};
pub use platonic::Platonic;
pub use probe::{Probe, ProbeControl, Share};
pub use request::{
    Data, Draw, FloatType, JUDGED, Loading, Precision, Preprocessing, Running, Texts, patterns_b,
    selections,
};
pub use saliency::{Baseline, ColumnMaps, Saliency, SaliencySink};
pub use sensitivity::{Perturbing, Sensitivity};
pub use session::extraction::Extraction;
pub use session::sides::Sides;
pub use session::target::{Aiming, Score};
pub use session::{ChannelAxis, ChosenWeights, GivenInput, GivenValue};
pub use shards::{Body, Fact, Facts, Head, Job, Save, Shard, State};
pub use stats::Stats;
pub use stitch::{Fit, Pairs, Stitch, Training};
pub use track::Track;
