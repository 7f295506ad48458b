//! Reports: versioned results with all that is needed to trust and repeat them.

mod accuracy;
mod clock;
mod command;
mod hidden;
mod kinds;
mod number;
mod pictures;
mod places;
mod provenance;
mod read;
pub mod rows;
mod schema;
mod settings;
mod staging;
mod write;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use accuracy::ModelAccuracy;
pub use clock::Clock;
pub use command::command_line;
pub use hidden::{Provisional, end as remove_hidden};
pub(crate) use kinds::with_report;
pub use kinds::*;
pub use number::Number;
pub use pictures::PictureFile;
pub use places::{behind_links, descriptor, is_replaceable, parent};
pub use provenance::{
    ArrayInfo, ClassCount, DataInput, DefaultsInput, FeatureInput, FedInput, FolderInput, Inputs,
    LayerInfo, ModelInput, SetInput, StatisticsInput, WeightsInput, sha256_of_file,
};
pub use read::text_of;
pub use schema::{schema, schema_lines, schema_names};
pub use settings::{ChanceSettings, ReadSettings};
pub use staging::{Sink, Staging, anchor};
pub use write::{check_writable, write_atomically};

/// One run: what ran, on what, with which settings, and what it found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report<S, R> {
    /// Which kind of report this is.
    pub schema: SchemaId,
    /// What made it.
    pub tool: Tool,
    /// What it was made from.
    pub inputs: Inputs,
    /// All that changes a number.
    pub settings: S,
    /// What was found: the same command gives the same bytes.
    pub results: R,
    /// What a reader has to know.
    pub warnings: Vec<Warning>,
    /// When it ran, and where the time went, in seconds.
    pub timing: Timing,
    /// Pictures that the run wrote beside the report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<PictureFile>,
    /// The command line that made it, as a shell reads it; none where a program did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// Name and version of a schema. The version changes when a field changes its meaning or goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SchemaId {
    /// The command that makes such reports.
    pub name: String,
    /// From 1.
    pub version: u32,
}

/// What made a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// `repsim`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The version of libtorch that ran the models.
    pub libtorch: String,
}

/// A word of warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// A stable name for scripts.
    pub code: String,
    /// What it means and what to do.
    pub text: String,
    /// Which layer, file or setting it is about.
    #[serde(rename = "where")]
    pub place: String,
}

impl Warning {
    /// A warning with its code and place.
    pub fn new(code: &str, place: impl ToString, text: impl ToString) -> Self {
        Self { code: code.to_owned(), text: text.to_string(), place: place.to_string() }
    }
}

/// When a run began, and where its time went, in seconds. The parts overlap: decoding runs on other threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timing {
    /// When it began, in UTC (RFC 3339); of shards, when they were put together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// From start to report.
    pub total: f64,
    /// Loading the models and making them ready.
    pub load: f64,
    /// Reading, decoding and resizing, summed over the threads that do it.
    pub decode: f64,
    /// Waiting for decoded images.
    pub wait: f64,
    /// In the networks.
    pub forward: f64,
    /// In the measure.
    pub measure: f64,
    /// After the data, where that is measured apart from it: factors and distances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<f64>,
    /// Passes over the data.
    pub passes: usize,
}

impl Timing {
    /// What passes over the data took, that of shards one after the other.
    pub fn over_data(&self) -> f64 {
        self.wait + self.forward + self.measure
    }
}

impl Tool {
    /// This build, with the libtorch it runs on.
    pub fn current(libtorch: &str) -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            libtorch: libtorch.to_owned(),
        }
    }
}

impl SchemaId {
    /// The current version of a schema.
    pub fn current(name: &str) -> Self {
        let kind = KINDS.iter().find(|kind| kind.name == name);
        Self { name: name.to_owned(), version: kind.map_or(1, |kind| kind.version) }
    }
}
