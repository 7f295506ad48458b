//! The kinds of reports, each declared once.
//!
//! From a line here, with type, name and version, come the variant of [`AnyReport`], the checked-in JSON
//! Schema and how it is read. What else a kind needs is a trait that [`with_report!`] asks its type for: its values in
//! `check` and its section of the page. A kind without one of them does not compile.

/// The program of a kind with the page that is given: what [`declare`] shows of one that lacks it.
macro_rules! toy {
    ($fence:literal, $page:literal) => {
        concat!(
            "```",
            $fence,
            r#"
mod report {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/kinds/declare.rs"));
    // The schema is another's: a toy has none checked in.
    kinds! { Toy super::ToyReport, "cka", 1; }
}

use repsim::view::table::Table;
use repsim::view::{Content, Place, Screen, Tables, View};
use report::{AnyReport, with_report};

#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
pub struct ToyReport;

impl Tables for ToyReport {
    fn tables(&self) -> Vec<Table> {
        vec![]
    }

    fn text(&self, _: &Screen) -> String {
        String::new()
    }
}
"#,
            $page,
            r#"
/// As `view::section` asks every kind, and `check` for its values.
pub fn page(report: &AnyReport, place: Place<'_>) -> Content {
    with_report!(report, report => report.content(place))
}

fn main() {}
```"#
        )
    };
}

/// How kinds are declared.
///
/// A kind with all its parts compiles:
#[doc = toy!(
    "",
    r#"
impl View for ToyReport {
    fn content(&self, _: Place<'_>) -> Content {
        todo!()
    }
}
"#
)]
/// The same kind without its page does not:
#[doc = toy!("compile_fail,E0599", "")]
#[macro_use]
mod declare;

pub mod cka;
pub mod compare;
pub mod distance;
pub mod features;
pub mod fid;
pub mod layers;
pub mod maps;
pub mod pairs;
pub mod patterns;
pub mod platonic;
pub mod probe;
pub mod saliency;
pub mod sensitivity;
pub mod stitch;
pub mod track;

pub use declare::KindInfo;

kinds! {
    Cka cka::CkaReport, "cka", 1;
    Compare compare::CompareReport, "compare", 1;
    Distance distance::DistanceReport, "distance", 1;
    Features features::FeaturesReport, "features", 1;
    Fid fid::FidReport, "fid", 1;
    Layers layers::LayersReport, "layers", 1;
    Maps maps::MapsReport, "maps", 1;
    Pairs pairs::PairsReport, "pairs", 1;
    Patterns patterns::PatternsReport, "patterns", 1;
    Platonic platonic::PlatonicReport, "platonic", 1;
    Probe probe::ProbeReport, "probe", 1;
    Saliency saliency::SaliencyReport, "saliency", 1;
    Sensitivity sensitivity::SensitivityReport, "sensitivity", 1;
    Stitch stitch::StitchReport, "stitch", 1;
    Track track::TrackReport, "track", 1;
}
