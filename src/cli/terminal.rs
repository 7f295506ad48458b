//! What text is shown on: the terminal and the locale.

use std::ffi::OsString;
use std::sync::OnceLock;

use crate::view::{Letters, Screen};

/// What standard output is shown on; before [`look`] of any width and with all letters.
pub fn screen() -> &'static Screen {
    static ANY: Screen = Screen::ANY;
    SCREEN.get().unwrap_or(&ANY)
}

static SCREEN: OnceLock<Screen> = OnceLock::new();

/// Looks at the terminal and the locale: how wide lines may be, by `COLUMNS` or else by the terminal, and with which
/// letters. Words of the command line are names that keep theirs.
pub fn look(arguments: &[OsString]) {
    let variable = |name: &str| std::env::var(name).ok();
    let names = arguments.iter().map(|word| word.to_string_lossy().into_owned());
    let letters = Letters::of_locale(["LC_ALL", "LC_CTYPE", "LANG"].map(variable), names);
    let given = variable("COLUMNS").and_then(|text| text.trim().parse().ok());
    let width = given.filter(|&width| width > 0).or_else(terminal_width);
    SCREEN.set(Screen::new(width.unwrap_or(0), letters)).ok();
}

/// Columns of the terminal that standard output is, if it is one.
fn terminal_width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(usize::from(width.0))
}
