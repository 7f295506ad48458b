//! Pages to read: one HTML file that holds all it shows and fetches nothing.
//!
//! A page is put together from sections, and a section from [`Table`]s, [`Matrix`]es, [`Plot`]s,
//! pictures and words. Everything can be read without a script; the script in the page adds that
//! tables are sorted at a click on a heading and their rows chosen by what they hold, that a matrix says the value
//! under the pointer or under the cell that the arrow keys have moved to and can be enlarged, that every figure can be
//! saved (CSV, SVG, PNG), and that an index of many reports is searched. A Content-Security-Policy in the page keeps it
//! from loading anything and from running any script but its own.
//!
//! Texts are escaped where they are put in (`maud`); there is no `style` attribute, which the policy
//! would not allow. Equal input gives equal bytes.

mod figure;
mod legend;
mod matrix;
mod page;
mod plot;
mod script;
mod table;
#[cfg(test)]
mod tests;

pub use figure::{Picture, Words, command, facts, folded, words};
pub use matrix::Matrix;
pub use maud::{Markup, html};
pub use page::{Notice, Page, Section};
pub use plot::{Plot, Point, Points, Rule};
pub use table::{Column, Entry, Table};
