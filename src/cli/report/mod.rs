//! `repsim report`: a page to read, from reports of any kind.
//!
//! A kind of report has a file of its own here, which turns it into a [`Content`]; what all kinds have in common, from the warnings to where the numbers come from, is
//! put around it.

mod cka;
mod compare;
mod distance;
mod fid;
mod layers;
mod maps;
mod pictures;
mod platonic;
mod provenance;
mod saliency;
mod sensitivity;
mod stitch;
mod words;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::output::{self, Messages};
use super::{outputs, picture};
use crate::error::{Error, Result, visible_lines};
use crate::render::html::{self, Markup, Notice, Page, Section, html};
use crate::report::{AnyReport, Report, with_report};

/// Options of `repsim report`.
#[derive(clap::Args)]
pub struct Args {
    /// Reports that repsim wrote with -o
    #[arg(required = true, value_name = "REPORT.json")]
    reports: Vec<PathBuf>,
    /// Write the page to a file; - is standard output
    #[arg(long, short, value_name = "FILE.html")]
    output: PathBuf,
    /// The title of the page
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Put a picture into the page, below the reports: a .png, .jpg, .webp or .svg
    #[arg(long, value_name = "FILE")]
    picture: Vec<PathBuf>,
}

/// What is particular to one kind of report.
struct Content {
    /// What kind of thing was measured.
    kind: &'static str,
    /// What was measured, in a line.
    title: String,
    /// What was found, in a few sentences.
    lead: String,
    /// Tables, matrices and plots, and words on how to read them.
    body: Markup,
}

/// Where a report stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// Its file.
    path: &'a Path,
    /// Its place among the reports, from 0.
    index: usize,
}

impl Place<'_> {
    /// A name on the page that no other report takes.
    fn id(&self, name: &str) -> String {
        format!("r{}{name}", self.index + 1)
    }
}

/// Writes one page from all reports.
///
/// # Errors
/// One of them cannot be read or is no report, or the page cannot be written; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<()> {
    let to_file = args.output != Path::new("-");
    if to_file {
        let ends = ["html", "htm"].iter().any(|ending| picture::is(&args.output, ending));
        if !ends {
            let problem = "its name does not end in .html";
            return Err(Error::file("write", &args.output, problem, "end its name in .html"));
        }
    }
    let page = page(args)?;
    match to_file {
        true => outputs::write(&args.output, visible_lines(&page).as_bytes())?,
        false => return output::print(&page),
    }
    messages.note(&format!("wrote {} ({} kB)", args.output.display(), page.len().div_ceil(1000)));
    Ok(())
}

fn page(args: &Args) -> Result<String> {
    let mut sections = vec![];
    let mut notices = vec![];
    for (index, path) in args.reports.iter().enumerate() {
        let report = AnyReport::read_visible(path)?;
        let (section, said) = part(&report, Place { path, index });
        sections.push(section);
        notices.extend(said);
    }
    if !args.picture.is_empty() {
        sections.push(pictures::section(&args.picture)?);
    }
    let [kicker, title, lead] = head(args, &sections);
    let page = Page {
        kicker: &kicker,
        title: &title,
        lead: &lead,
        notices: &notices,
        sections: &sections,
        footer: &footer(args),
    };
    Ok(page.to_html())
}

/// How a kind of report looks on a page.
trait View {
    /// What is particular to it.
    fn content(&self, place: Place<'_>) -> Content;
}

/// The section of a report, and its warnings.
fn part(report: &AnyReport, place: Place<'_>) -> (Section, Vec<Notice>) {
    with_report!(report, report => whole(report, place, report.content(place)))
}

/// A section with what all kinds have in common.
fn whole<S: Serialize, R>(
    report: &Report<S, R>,
    place: Place<'_>,
    content: Content,
) -> (Section, Vec<Notice>) {
    let notice = |warning: &crate::report::Warning| Notice {
        text: warning.text.clone(),
        place: warning.place.clone(),
        section: place.index,
    };
    let body = html! {
        (content.body)
        (pictures::of(report, place.path))
        h3 { "How it was made" }
        (html::folded("Settings", &provenance::settings(&report.settings)))
        (html::folded("Inputs and versions", &provenance::inputs(report, place.path)))
    };
    let Content { kind, title, lead, .. } = content;
    let kind = kind.to_owned();
    (Section { kind, title, lead, body }, report.warnings.iter().map(notice).collect())
}

/// What stands at the top: of a single report what it says of itself, of many what they are.
fn head(args: &Args, sections: &[Section]) -> [String; 3] {
    let [kicker, title, lead] = match sections {
        [only] => [&only.kind, &only.title, &only.lead].map(Clone::clone),
        many => {
            let title = format!("{} reports of what networks represent", args.reports.len());
            [String::new(), title, kinds(many)]
        }
    };
    [kicker, args.title.clone().unwrap_or(title), lead]
}

/// The kinds of sections, each once.
fn kinds(sections: &[Section]) -> String {
    let mut kinds: Vec<&str> = vec![];
    for section in sections {
        if !kinds.contains(&section.kind.as_str()) {
            kinds.push(&section.kind);
        }
    }
    kinds.join(" · ")
}

fn footer(args: &Args) -> String {
    let names: Vec<String> =
        args.reports.iter().map(|p| file_name(&p.display().to_string())).collect();
    format!("Made by repsim {} from {}.", env!("CARGO_PKG_VERSION"), names.join(", "))
}

/// The last part of a path as it was given.
fn file_name(path: &str) -> String {
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
