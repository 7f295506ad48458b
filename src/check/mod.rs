//! Reports held against a baseline and a policy, and what changed between two of them.
//!
//! ```text
//! report.json ──► Document ──┐
//! baseline.json ─► Document ─┼─► judge ──► Verdict ──► table, JSON, JUnit, annotations
//! policy.toml ───► Policy ───┘
//! ```
//!
//! A [`Document`] is a report as a list of named values ([`Entry`]); what is known of each measure
//! stands in [`measures`]. A kind of report is one file under `values` and one line there.

mod aliases;
mod comparable;
mod diff;
mod document;
mod draft;
mod github;
mod groups;
mod judge;
mod junit;
pub mod measures;
mod policy;
mod rule;
mod selector;
mod values;
mod verdict;

pub use comparable::{Difference, differences};
pub use diff::{Change, DiffReport, diff};
pub use document::Document;
pub use draft::{Draft, draft};
pub use github::annotations;
pub use groups::{Told, in_words, told};
pub use judge::judge;
pub use junit::junit;
pub use policy::{NewCandidates, Policy, PolicyFile, Tolerance};
pub use rule::{Movement, Operator, Path, Rule, RuleError, Subject};
pub use selector::Selector;
pub use values::Entry;
pub use verdict::{CheckReport, Counts, Finding, Outcome, Verdict};
