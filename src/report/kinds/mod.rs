//! The kinds of reports, each declared once.
//!
//! From a line here, with type, name and version, come the variant of [`AnyReport`], the checked-in JSON
//! Schema and how it is read. What else a kind needs is a trait that [`with_report!`] asks its type for: its values in
//! `check` and its section of the page. A kind without one of them does not compile.

pub mod cka;
pub mod compare;
pub mod distance;
pub mod fid;
pub mod layers;
pub mod maps;
pub mod platonic;
pub mod saliency;
pub mod sensitivity;
pub mod stitch;

use schemars::{Schema, schema_for};
use serde_json::Value;

/// What is known of a kind of report without having one.
#[derive(Debug, Clone, Copy)]
pub struct KindInfo {
    /// The name of its schema, which is that of the command that makes such reports.
    pub name: &'static str,
    /// The version of its schema, which changes when a field changes its meaning or goes.
    pub version: u32,
    /// Its JSON Schema as checked in.
    pub schema: &'static str,
    /// Its JSON Schema as its type gives it.
    pub of_type: fn() -> Schema,
}

macro_rules! kinds {
    ($($variant:ident $report:ty, $name:literal, $version:literal;)*) => {
        kinds! { @with ($) $($variant)* }

        /// A report of any kind.
        #[derive(Debug, Clone, PartialEq)]
        pub enum AnyReport {
            $(
                #[doc = concat!("Of `repsim ", $name, "`.")]
                $variant(Box<$report>),
            )*
        }

        /// All kinds of reports.
        pub const KINDS: &[KindInfo] = &[
            $(KindInfo {
                name: $name,
                version: $version,
                schema: include_str!(concat!("../schemas/", $name, ".schema.json")),
                of_type: || schema_for!($report),
            },)*
        ];

        impl AnyReport {
            /// A report of a kind, from its JSON; `None` where there is no such kind.
            pub(super) fn of(kind: &str, value: Value) -> Option<Result<Self, serde_json::Error>> {
                match kind {
                    $($name => Some(serde_json::from_value(value).map(Self::$variant)),)*
                    _ => None,
                }
            }

            /// The name of its schema.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }
        }
    };
    (@with ($d:tt) $($variant:ident)*) => {
        /// Evaluates an expression with the report that an [`AnyReport`] holds, whatever its type.
        macro_rules! with_report {
            ($d any:expr, $d report:ident => $d body:expr) => {
                match $d any {
                    $($crate::report::AnyReport::$variant($d report) => $d body,)*
                }
            };
        }
        pub(crate) use with_report;
    };
}

kinds! {
    Cka cka::CkaReport, "cka", 1;
    Compare compare::CompareReport, "compare", 1;
    Distance distance::DistanceReport, "distance", 1;
    Fid fid::FidReport, "fid", 1;
    Layers layers::LayersReport, "layers", 1;
    Maps maps::MapsReport, "maps", 1;
    Platonic platonic::PlatonicReport, "platonic", 1;
    Saliency saliency::SaliencyReport, "saliency", 1;
    Sensitivity sensitivity::SensitivityReport, "sensitivity", 1;
    Stitch stitch::StitchReport, "stitch", 1;
}
