//! `repsim completions` and `repsim man`: what shells and manuals know of the commands.

use std::path::PathBuf;

use clap_complete::Shell;
use clap_mangen::Man;

use super::{output, outputs};
use crate::error::{Error, Result};

/// The date of the pages: that of the version, so that the same program writes the same pages.
const DATE: &str = "2026-11-29";

/// What ends every page.
const EXIT_STATUS: &str = r#".SH "EXIT STATUS"
0 done, or a check passed; 1 a check found drift; 2 the run could not be done; 129, 130 or 143 ended by a signal.
.SH "ENVIRONMENT"
\fBCOLUMNS\fR: the width of tables, where it is not that of the terminal.
\fBLC_ALL\fR, \fBLC_CTYPE\fR, \fBLANG\fR: tables and messages are plain ASCII in a locale without UTF\-8.
.SH "FILES"
\fIMODEL\fR\fB.repsim.toml\fR beside a model states its preprocessing.
"#;

/// Options of `repsim completions`.
#[derive(clap::Args)]
pub struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Options of `repsim man`.
#[derive(clap::Args)]
pub struct ManArgs {
    /// The command; without one, the page of repsim as a whole
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
    /// Write the pages of all commands to this folder: repsim.1, repsim-cka.1, …
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    folder: Option<PathBuf>,
}

/// Prints the completions of a shell.
///
/// # Errors
/// Standard output is closed.
pub fn completions(args: &CompletionsArgs, mut command: clap::Command) -> Result<()> {
    let mut text = vec![];
    clap_complete::generate(args.shell, &mut command, "repsim", &mut text);
    output::print(&String::from_utf8_lossy(&text))
}

/// Prints a page of the manual, or writes all.
///
/// # Errors
/// There is no such command, or a page cannot be written.
pub fn man(args: &ManArgs, command: clap::Command) -> Result<()> {
    let pages = pages(command)?;
    if let Some(folder) = &args.folder {
        return pages.iter().try_for_each(|(name, page)| {
            outputs::write_below(folder, format!("{name}.1").as_ref(), page.as_bytes())
        });
    }
    let wanted = args.command.as_ref().map_or("repsim".to_owned(), |c| format!("repsim-{c}"));
    let found = pages.iter().find(|(name, _)| *name == wanted);
    let (_, page) = found.ok_or_else(|| {
        let names = pages.iter().filter_map(|(name, _)| name.strip_prefix("repsim-"));
        let problem = format!("there is no command '{}'", wanted.trim_start_matches("repsim-"));
        Error::usage(problem, format!("the commands are {}", names.collect::<Vec<_>>().join(", ")))
    })?;
    output::print(page)
}

/// Name and text of all pages.
fn pages(mut command: clap::Command) -> Result<Vec<(String, String)>> {
    command.build();
    let subs = command.get_subcommands().filter(|sub| sub.get_name() != "help");
    [&command].into_iter().chain(subs).map(page).collect()
}

fn page(command: &clap::Command) -> Result<(String, String)> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut text = vec![];
    let man = Man::new(command.clone()).title(name.to_uppercase()).date(DATE);
    let man = man.source(concat!("repsim ", env!("CARGO_PKG_VERSION"))).manual("repsim manual");
    man.render(&mut text).map_err(|e| Error::io("write", "the manual", e))?;
    Ok((name, String::from_utf8_lossy(&text).into_owned() + EXIT_STATUS))
}
