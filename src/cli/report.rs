//! `repsim report`: a page to read, from reports of any kind.

use std::path::{Path, PathBuf};

use super::output::{self, Messages};
use super::{outputs, picture};
use crate::error::{Error, Result, visible_lines};
use crate::render::html::{Page, Section};
use crate::report::AnyReport;
use crate::view::{self, Place, file_name, pictures};

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

/// Writes one page from reports without any options.
///
/// # Errors
/// As [`run`].
pub fn write(reports: &[PathBuf], output: &Path) -> Result<()> {
    let (reports, output) = (reports.to_vec(), output.to_owned());
    let args = Args { reports, output, title: None, picture: vec![] };
    run(&args, &Messages::new(true, false))
}

fn page(args: &Args) -> Result<String> {
    let mut sections = vec![];
    let mut notices = vec![];
    for (index, path) in args.reports.iter().enumerate() {
        let report = AnyReport::read_visible(path)?;
        let (section, said) = view::section(&report, Place { path, index });
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
