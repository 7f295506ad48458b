//! `repsim report`: a page to read, from reports of any kind; of one of them its tables or its picture.

use std::path::{Path, PathBuf};

use super::results::{Format, check_apart};
use super::{output, outputs, picture};
use crate::error::{Error, Result, visible_lines};
use crate::report::{AnyReport, with_report};
use crate::view::{Form, View, page};

/// What is tried where the picture is too large.
const SMALLER: &str = "try .svg";

/// Options of `repsim report`.
#[derive(clap::Args)]
pub struct Args {
    /// Reports that repsim wrote with -o
    #[arg(required = true, value_name = "REPORT.json")]
    reports: Vec<PathBuf>,
    /// Write the page to FILE.html; of a single report also the main table to FILE.csv or .tsv, or all tables to
    /// FILE.md. With - the page goes to standard output
    #[arg(long, short, value_name = "FILE", required_unless_present_any = ["format", "plot"])]
    output: Option<PathBuf>,
    /// Print one report as its run would have: json (the report), table, or the main table as csv or tsv, all tables as
    /// md
    #[arg(long, short, value_name = "FORMAT", value_enum)]
    format: Option<Format>,
    /// Draw the main picture of one report: FILE.png or FILE.svg
    #[arg(long, short, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// The title of the page
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Add a picture below the reports: a .png, .jpg, .webp or .svg
    #[arg(long, value_name = "FILE")]
    picture: Vec<PathBuf>,
}

/// Writes one page from all reports, or what is wanted of a single one.
///
/// # Errors
/// One of them cannot be read or is not a report, or something cannot be written; nothing is written then.
pub fn run(args: &Args) -> Result<()> {
    let printed = args.format.map(Form::from);
    let table = args.output.as_deref().filter(|path| Form::of_file(path) != Form::Json);
    let shown = args.output.as_deref().filter(|_| table.is_none());
    if let Some(path) = &args.plot {
        picture::check(path)?;
    }
    if let Some(path) = shown {
        check_page(path)?;
        check_apart(path, printed.is_none())?;
    }
    if printed.is_some() || table.is_some() || args.plot.is_some() {
        of_one(args, printed, table)?;
    }
    shown.map_or(Ok(()), |path| write_page(args, path))
}

/// What is wanted of a single report.
fn of_one(args: &Args, printed: Option<Form>, table: Option<&Path>) -> Result<()> {
    let [path] = args.reports.as_slice() else {
        let problem =
            format!("tables and pictures are those of one report, not of {}", args.reports.len());
        return Err(Error::usage(problem, "give one report, or -o FILE.html for a page of all"));
    };
    let report = AnyReport::read(path)?;
    if let Some(place) = &args.plot {
        plot(&report, place)?;
    }
    with_report!(&report, report => output::write_forms(&**report, table, printed))
}

/// Draws the picture of a report.
fn plot(report: &AnyReport, place: &Path) -> Result<()> {
    let format = picture::format_of(place);
    let Some(drawn) = with_report!(report, report => report.main_picture(format)) else {
        let (what, remedy) = match with_report!(report, report => report.has_sheets()) {
            true => {
                ("does not hold the images that its picture shows", "give --plot to the run itself")
            }
            false => ("has no picture", "its numbers are printed by -f table"),
        };
        let problem = format!("a report of {} {what}", report.kind());
        return Err(Error::file("draw", place, problem, remedy));
    };
    picture::draw(place, |_| drawn, SMALLER)
}

fn check_page(path: &Path) -> Result<()> {
    if path != Path::new("-") && !["html", "htm"].iter().any(|ending| picture::is(path, ending)) {
        let problem = "its name does not end in .html";
        let remedy = "end its name in .html, or for the table of one report in .csv, .tsv or .md";
        return Err(Error::file("write", path, problem, remedy));
    }
    Ok(())
}

fn write_page(args: &Args, path: &Path) -> Result<()> {
    let page = page::of_reports(&args.reports, &args.picture, args.title.as_deref())?;
    match path == Path::new("-") {
        true => output::print(&page),
        false => outputs::write(path, visible_lines(&page).as_bytes()),
    }
}
