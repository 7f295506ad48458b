//! One page from many reports.

use std::path::PathBuf;

use super::{Place, file_name, pictures, section};
use crate::error::Result;
use crate::render::html::{Page, Section};
use crate::report::AnyReport;

/// A self-contained HTML page of reports in their order, with pictures below them. Where there is no title, a
/// single report has its own, and of many it says how many they are.
///
/// # Errors
/// A file cannot be read, or is not a report or picture.
pub fn of_reports(reports: &[PathBuf], images: &[PathBuf], title: Option<&str>) -> Result<String> {
    let mut sections = vec![];
    let mut notices = vec![];
    for (index, path) in reports.iter().enumerate() {
        let report = AnyReport::read_visible(path)?;
        let (section, said) = section(&report, Place { path, index });
        sections.push(section);
        notices.extend(said);
    }
    if !images.is_empty() {
        sections.push(pictures::section(images)?);
    }
    let [kicker, own, lead] = head(reports.len(), &sections);
    let page = Page {
        kicker: &kicker,
        title: title.unwrap_or(&own),
        lead: &lead,
        notices: &notices,
        sections: &sections,
        footer: &footer(reports),
    };
    Ok(page.to_html())
}

/// What stands at the top: of a single report what it says of itself, of many what they are.
fn head(reports: usize, sections: &[Section]) -> [String; 3] {
    match sections {
        [only] => [&only.kind, &only.title, &only.lead].map(Clone::clone),
        many => {
            let title = format!("{reports} reports of what networks represent");
            [String::new(), title, kinds(many)]
        }
    }
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

fn footer(reports: &[PathBuf]) -> String {
    let names: Vec<String> = reports.iter().map(|p| file_name(&p.display().to_string())).collect();
    format!("Made by repsim {} from {}.", env!("CARGO_PKG_VERSION"), names.join(", "))
}
