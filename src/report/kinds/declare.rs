/// What is known of a kind of report without having one.
#[derive(Debug, Clone, Copy)]
pub struct KindInfo {
    /// The name of its schema: that of the command that makes such reports or, where it makes another kind too,
    /// of what that holds.
    pub name: &'static str,
    /// The version of its schema, which changes when a field changes its meaning or goes.
    pub version: u32,
    /// Its JSON Schema as checked in.
    pub schema: &'static str,
    /// Its JSON Schema as its type gives it.
    pub of_type: fn() -> schemars::Schema,
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
                schema: include_str!(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/src/report/schemas/",
                    $name,
                    ".schema.json"
                )),
                of_type: || schemars::schema_for!($report),
            },)*
        ];

        impl AnyReport {
            /// A report of a kind, from its JSON; `None` where there is no such kind.
            pub(super) fn of(kind: &str, value: serde_json::Value) -> Option<Result<Self, serde_json::Error>> {
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
