//! `repsim report`: a page to read, from reports of any kind.

use std::path::{Path, PathBuf};

use super::output;
use super::{outputs, picture};
use crate::error::{Error, Result, visible_lines};
use crate::view::page;

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
/// One of them cannot be read or is not a report, or the page cannot be written; nothing is written then.
pub fn run(args: &Args) -> Result<()> {
    let to_file = args.output != Path::new("-");
    if to_file {
        let ends = ["html", "htm"].iter().any(|ending| picture::is(&args.output, ending));
        if !ends {
            let problem = "its name does not end in .html";
            return Err(Error::file("write", &args.output, problem, "end its name in .html"));
        }
    }
    let page = page::of_reports(&args.reports, &args.picture, args.title.as_deref())?;
    match to_file {
        true => outputs::write(&args.output, visible_lines(&page).as_bytes())?,
        false => return output::print(&page),
    }
    Ok(())
}
