//! What reports look like: a section of the page for each kind, and the words and figures that pages,
//! tables and pictures share.
//!
//! A kind of report has a file of its own here, which turns it into a [`Content`]; what all kinds have in
//! common, from the warnings to where the numbers come from, is put around it by [`section`].

mod check;
pub mod cka;
pub mod compare;
mod diff;
mod distance;
mod dots;
mod drawing;
mod features;
pub mod fid;
mod forms;
pub mod layers;
mod letters;
pub mod maps;
pub mod measures;
pub mod names;
pub mod page;
mod pairs;
pub mod patterns;
pub mod pictures;
pub mod platonic;
pub mod probe;
mod provenance;
pub mod saliency;
mod screen;
mod sensitivity;
mod sights;
mod stitch;
pub mod table;
pub mod track;
mod words;

use std::path::Path;

pub use check::{closing, reason};
pub use drawing::{ColourRange, PictureFormat};
pub use forms::{Form, to_json};
pub use letters::Letters;
pub use screen::Screen;
use serde::Serialize;
pub use sights::Sights;

use crate::render::RenderError;
use crate::render::html::{self, Markup, Notice, Section, html};
use crate::report::{AnyReport, Report, with_report};

/// What is particular to one kind of report.
pub struct Content {
    /// What kind of thing was measured.
    pub kind: &'static str,
    /// What was measured, in a line.
    pub title: String,
    /// What was found, in a few sentences.
    pub lead: String,
    /// Tables, matrices and plots, and words on how to read them.
    pub body: Markup,
}

/// Where a report stands.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Its file.
    pub path: &'a Path,
    /// Its place among the reports, from 0.
    pub index: usize,
    /// Its name in links: `cka-seeds`.
    pub link: &'a str,
    /// The small pictures of its page.
    pub sights: &'a Sights,
}

impl Place<'_> {
    /// A name on the page that no other report takes.
    fn id(&self, name: &str) -> String {
        format!("r{}{name}", self.index + 1)
    }
}

/// How a kind of report looks.
///
/// A kind that lacks it does not compile: [`section`] asks every kind for its [`View::content`].
pub trait View: Tables {
    /// What is particular to it, for a page.
    fn content(&self, place: Place<'_>) -> Content;

    /// The picture that shows most of it, from what the report holds; `None` of a kind whose pictures need more.
    fn main_picture(&self, _: PictureFormat) -> Option<Result<Vec<u8>, RenderError>> {
        None
    }

    /// Whether its pictures show what the page does not draw itself: images, and what was made of them.
    fn has_sheets(&self) -> bool {
        false
    }
}

/// What has tables: reports, and what is made of reports.
pub trait Tables {
    /// Its tables with all their rows; the first is the one that holds most of it.
    fn tables(&self) -> Vec<table::Table>;

    /// Its tables with words around them, for a terminal.
    fn text(&self, screen: &Screen) -> String;

    /// Its main table for programs, values separated by a comma or a tab.
    ///
    /// # Errors
    /// It cannot be written.
    fn separated(&self, separator: u8) -> crate::error::Result<String> {
        let main = self.tables().into_iter().next();
        Ok(main.map_or_else(String::new, |table| table.separated(separator)))
    }
}

/// A kind of report with a picture of its own.
pub trait Plot {
    /// What to do where a picture is too large.
    const SMALLER: &'static str;

    /// The picture that shows most of it.
    ///
    /// # Errors
    /// It is too large.
    fn plot(&self, format: PictureFormat) -> Result<Vec<u8>, RenderError>;
}

/// The section of a report, and its warnings.
pub fn section(report: &AnyReport, place: Place<'_>) -> (Section, Vec<Notice>) {
    with_report!(report, report => whole(report, place, report.content(place)))
}

/// A section with what all kinds have in common.
fn whole<S: Serialize, R>(
    report: &Report<S, R>,
    place: Place<'_>,
    content: Content,
) -> (Section, Vec<Notice>)
where
    Report<S, R>: View,
{
    let notice = |warning: &crate::report::Warning| Notice {
        text: warning.text.clone(),
        place: warning.place.clone(),
        section: place.index,
    };
    let body = html! {
        (content.body)
        @if report.has_sheets() { (pictures::of(report, place.path)) }
        h3 { "How it was made" }
        @if let Some(line) = &report.command { (html::command(line)) }
        (html::folded("Settings", &provenance::settings(&report.settings)))
        (html::folded("Inputs and versions", &provenance::inputs(report, place.path)))
    };
    let Content { kind, title, lead, .. } = content;
    let kind = kind.to_owned();
    let words = searched(report, place);
    let source = file_name(&place.path.display().to_string());
    (
        Section { id: place.link.to_owned(), source, words, kind, title, lead, body },
        report.warnings.iter().map(notice).collect(),
    )
}

/// What a section is found by: its file, and its models and data.
fn searched<S, R>(report: &Report<S, R>, place: Place<'_>) -> String {
    let mut words = vec![place.path.display().to_string(), report.schema.name.clone()];
    words.extend(report.inputs.names());
    words.extend(report.inputs.data.iter().map(|data| data.path.clone()));
    words.join(" ")
}

/// The last part of a path as it was given.
pub fn file_name(path: &str) -> String {
    let name = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| path.to_owned())
}

/// What a value is called in reports: `full`, `gradcam++`.
fn name_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// Names of the models, or of the files of features: `a.pt and b.pt`.
fn subjects<S, R>(report: &Report<S, R>) -> String {
    report.inputs.names().join(" and ")
}
