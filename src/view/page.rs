//! One page from many reports.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Place, Sights, file_name, pictures, section};
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
    let mut links = BTreeSet::new();
    let sights = Sights::default();
    for (index, path) in reports.iter().enumerate() {
        let report = AnyReport::read_visible(path)?;
        let link = link(report.kind(), path, &mut links);
        let (section, said) = section(&report, Place { path, index, link: &link, sights: &sights });
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

/// The name of a report in links, unlike those before it: its kind and the name of its file, `cka-seeds`.
fn link(kind: &str, path: &Path, taken: &mut BTreeSet<String>) -> String {
    let stem = path.file_stem().map_or(String::new(), |stem| slug(&stem.to_string_lossy()));
    let name = match stem.is_empty() || stem == kind || stem.starts_with(&format!("{kind}-")) {
        true if stem.is_empty() => kind.to_owned(),
        true => stem,
        false => format!("{kind}-{stem}"),
    };
    let numbered = (2..).map(|count| format!("{name}-{count}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name));
    let free = free.unwrap_or(name);
    taken.insert(free.clone());
    free
}

/// Letters and digits in lower case, and a hyphen for all between them.
fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let parts = lower.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_kinds_with_names_and_each_another() {
        let mut taken = BTreeSet::new();
        let mut link = |kind, path: &str| link(kind, Path::new(path), &mut taken);
        assert_eq!(link("cka", "runs/Seeds 1.json"), "cka-seeds-1");
        assert_eq!(link("cka", "other/seeds_1.json"), "cka-seeds-1-2");
        assert_eq!(link("cka", "cka.json"), "cka");
        assert_eq!(link("fid", "fid-late.json"), "fid-late");
        assert_eq!(link("maps", "…"), "maps");
    }
}
