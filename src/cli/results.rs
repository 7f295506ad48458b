//! Where the results of a command go, and in which form.

use std::path::{Path, PathBuf};

use super::outputs::check_report_name;
use super::picture::is;
use crate::error::{Error, Result};
use crate::view::Form;

/// Where results go.
#[derive(clap::Args)]
pub struct ResultArgs {
    /// Write the report to FILE.json, or its main table to FILE.csv, .tsv or .md; - for standard output
    /// [default: standard output, or a table on a terminal]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What standard output gets: json (the report), table, or the main table as csv or tsv, all tables as md
    /// [default: a table on a terminal, else json, nothing with --output]
    #[arg(long, short, value_name = "FORMAT", value_enum)]
    pub format: Option<Format>,
}

/// A form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The report.
    Json,
    /// The main table, values separated by commas.
    Csv,
    /// The main table, values separated by tabs.
    Tsv,
    /// All tables, as Markdown.
    Md,
    /// All tables, for people.
    Table,
}

impl From<Format> for Form {
    fn from(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Csv => Self::Csv,
            Format::Tsv => Self::Tsv,
            Format::Md => Self::Md,
            Format::Table => Self::Table,
        }
    }
}

impl ResultArgs {
    /// The form that standard output gets, where one was asked for.
    pub fn form(&self) -> Option<Form> {
        self.format.map(Form::from)
    }

    /// The file that results are written to, if any.
    ///
    /// # Errors
    /// Its name asks for a form that there is not, or both options want standard output.
    pub fn place(&self) -> Result<Option<&Path>> {
        let Some(path) = self.output.as_deref() else { return Ok(None) };
        check_report_name(path)?;
        if is(path, "jsonl") {
            let problem = "-o writes no .jsonl here";
            return Err(Error::file(
                "write",
                path,
                problem,
                "end its name in .json, .csv, .tsv or .md",
            ));
        }
        check_apart(path, self.format.is_none_or(|format| format == Format::Json))?;
        Ok(Some(path))
    }
}

/// Refuses standard output for two forms at once.
///
/// # Errors
/// The file is standard output, and `one` says that another form goes there too.
pub fn check_apart(path: &Path, one: bool) -> Result<()> {
    match path == Path::new("-") && !one {
        true => Err(Error::usage(
            "--output - and --format both want standard output",
            "give --output a file",
        )),
        false => Ok(()),
    }
}
