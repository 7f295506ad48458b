//! Messages, tables, and what they are shown on.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use clap::builder::StyledStr;

use super::bars::{self, PassBar, StepsBar};
use super::outputs;
use super::results::ResultArgs;
use super::terminal::screen;
use crate::analysis::{Observer, Silent, Steps};
use crate::capture::Progress;
use crate::error::{Error, Result, visible, visible_lines};
use crate::report::{Warning, behind_links, descriptor};
use crate::torchscript::native;
use crate::view::{Form, Tables, to_json};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// What messages call standard output.
pub const STDOUT: &str = "standard output";

/// Says things to a person, on standard error.
#[derive(Debug, Clone, Copy)]
pub struct Messages {
    quiet: bool,
    verbose: bool,
    /// Whether the results say themselves what stands beside them.
    told: bool,
}

impl Messages {
    /// Says less with `quiet`, more with `verbose`.
    pub fn new(quiet: bool, verbose: bool) -> Self {
        Self { quiet, verbose, told: false }
    }

    /// The same, without what stands beside results where their table says it itself.
    pub fn without_asides(self, told: bool) -> Self {
        Self { told, ..self }
    }

    /// Why the run could not be done; all that libtorch said only with `--verbose`.
    pub fn error(self, error: &Error) {
        let long = error.detail().filter(|detail| detail.lines().count() > 1);
        let error = shown(&error.to_string());
        match long {
            Some(detail) if self.verbose => {
                tell(&format!("{ERROR}error{ERROR:#}: {error}"));
                // A bar in front, for what a model says may look like a line of something else.
                detail.lines().for_each(|line| tell(&format!("| {}", visible(line))));
            }
            Some(_) => tell(&format!("{ERROR}error{ERROR:#}: {error} (--verbose shows all of it)")),
            None => tell(&format!("{ERROR}error{ERROR:#}: {error}")),
        }
    }

    /// What was decided on the way; only with `--verbose`.
    pub fn detail(self, text: &str) {
        if self.verbose {
            tell(&visible(text));
        }
    }

    /// What a person may want to know; not with `--quiet`.
    pub fn note(self, text: &str) {
        if !self.quiet {
            tell(&fitted(&visible(text)));
        }
    }

    /// Whether only warnings and errors are wanted.
    pub fn is_quiet(self) -> bool {
        self.quiet
    }

    /// What a person has to know; also with `--quiet`. Nothing where there is nothing to say.
    pub fn say(self, text: &str) {
        if !text.is_empty() {
            tell(&visible(text));
        }
    }

    /// Whether a table may be shown: somebody looks at standard output.
    pub fn shows_tables(self) -> bool {
        !self.quiet && std::io::stdout().is_terminal()
    }
}

impl Observer for Messages {
    fn note(&self, text: &str) {
        Self::note(*self, text);
    }

    fn detail(&self, text: &str) {
        Self::detail(*self, text);
    }

    fn aside(&self, text: &str) {
        if self.verbose || (self.shows_tables() && !self.told) {
            tell(&fitted(&visible(text)));
        }
    }

    fn warning(&self, warning: &Warning) {
        tell(&format!("{WARNING}warning{WARNING:#}: {}", visible(&warning.text)));
    }

    fn failed(&self, error: &Error) {
        self.error(error);
    }

    fn passes(&self) -> Box<dyn Progress> {
        Box::new(PassBar::new(!self.quiet && bars::are_seen()))
    }

    fn steps(&self, what: &str, count: usize) -> Box<dyn Steps> {
        match self.quiet || !bars::are_seen() {
            true => Box::new(Silent),
            false => Box::new(StepsBar::new(what, count)),
        }
    }
}

/// Colours messages and help as `--color` says, which help has to know before options are read; a value that is
/// none is refused later.
pub fn choose_colours(arguments: &[OsString]) {
    let after = arguments.iter().skip_while(|word| *word != "--color").nth(1);
    let joined = arguments.iter().find_map(|word| word.to_str()?.strip_prefix("--color="));
    match joined.or_else(|| after?.to_str()) {
        Some("always") => anstream::ColorChoice::Always.write_global(),
        Some("never") => anstream::ColorChoice::Never.write_global(),
        _ => {}
    }
}

/// A note in lines that a terminal has room for. What names a file that was written stays in one.
fn fitted(text: &str) -> String {
    match std::io::stderr().is_terminal() && !text.starts_with("wrote ") {
        true => screen().lines(text),
        false => text.to_owned(),
    }
}

/// Says a line on standard error. Where nobody can hear it the run goes on: its files and its exit code
/// still tell.
fn tell(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", screen().letters.of(text));
}

/// Prints text to standard output. A reader that closed its pipe does not end the run: the text is
/// dropped then.
///
/// # Errors
/// Standard output is closed, or takes no more.
pub fn print(text: &str) -> Result<()> {
    match print_row(text) {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        result => result,
    }
}

/// Prints help, with colours where standard output shows them.
///
/// # Errors
/// As [`print_row`].
pub fn print_help(help: &StyledStr) -> Result<()> {
    let printed = match native::stdout_was_closed() {
        true => Err(std::io::Error::other("it is closed")),
        false => write!(anstream::stdout(), "{}", screen().letters.of(&help.ansi().to_string())),
    };
    printed.map_err(|e| Error::io("write", STDOUT, e))
}

/// Shows help that was not asked for, on standard error.
pub fn say_help(help: &StyledStr) {
    // Nothing is left to do if even this cannot be printed.
    let _ = write!(anstream::stderr(), "{}", screen().letters.of(&help.ansi().to_string()));
}

/// The same for one result of many that goes only to standard output.
///
/// # Errors
/// As [`print`], or nobody reads any more.
pub fn print_row(text: &str) -> Result<()> {
    let written = match native::stdout_was_closed() {
        true => Err(std::io::Error::other("it is closed")),
        false => write_out(text),
    };
    written.map_err(|e| Error::io("write", STDOUT, e))
}

fn write_out(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(visible_lines(text).as_bytes())?;
    out.flush()
}

/// Who reads our output has seen enough.
pub fn is_broken_pipe(error: &Error) -> bool {
    let Error::Io { path, source, .. } = error else { return false };
    path == Path::new(STDOUT) && source.kind() == std::io::ErrorKind::BrokenPipe
}

/// Writes a report as JSON to a file, or to standard output for `-`.
///
/// # Errors
/// It cannot be written.
pub fn write_report<T: serde::Serialize>(report: &T, path: &Path) -> Result<()> {
    let json = format!("{}\n", to_json(report)?);
    match path == Path::new("-") {
        true => print(&json),
        false => outputs::write(path, json.as_bytes()),
    }
}

/// Whether a path names standard output: `-`, `/dev/stdout`.
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new("-") || descriptor(&behind_links(path)) == Some(1)
}

/// Writes a report where and in the form that was asked for, and a table where somebody looks. Without a place
/// for it the report goes to standard output, where nobody looks at that.
///
/// # Errors
/// It cannot be written.
pub fn show<T: serde::Serialize + Tables>(
    report: &T,
    asked: &ResultArgs,
    messages: &Messages,
) -> Result<()> {
    let taken = asked.output.as_deref().is_some_and(is_stdout);
    let printed = match asked.form() {
        Some(_) if taken => None,
        None if messages.shows_tables() => (!taken).then_some(Form::Table),
        None => asked.output.is_none().then_some(Form::Json),
        form => form,
    };
    if asked.output.is_none() && asked.format.is_none() && messages.shows_tables() {
        messages.note("(-o FILE writes the whole report)");
    }
    write_forms(report, asked.output.as_deref(), printed)
}

/// Writes a report to a file in the form of its name, `-` for standard output as JSON, and prints it in another.
///
/// # Errors
/// It cannot be written.
pub fn write_forms<T: serde::Serialize + Tables>(
    report: &T,
    place: Option<&Path>,
    printed: Option<Form>,
) -> Result<()> {
    match place {
        Some(path) if path == Path::new("-") => print(&Form::Json.write(report, screen())?)?,
        Some(path) => {
            outputs::write(path, Form::of_file(path).write(report, screen())?.as_bytes())?
        }
        None => {}
    }
    printed.map_or(Ok(()), |form| print(&form.write(report, screen())?))
}

/// The letters of an error that are shown, from its beginning and from its end.
const SHOWN: [usize; 2] = [1500, 300];

/// An error with its hidden characters shown, and without the middle of what is far too long.
fn shown(error: &str) -> String {
    let error = visible(error);
    let count = error.chars().count();
    if count <= SHOWN[0] + SHOWN[1] {
        return error.into_owned();
    }
    let first: String = error.chars().take(SHOWN[0]).collect();
    let last: String = error.chars().skip(count - SHOWN[1]).collect();
    format!("{first} … {last}")
}
