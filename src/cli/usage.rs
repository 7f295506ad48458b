//! What is said of a command line that cannot be understood, in one line.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error as Wrong};

use crate::error::Error;
use crate::view::Letters;

/// Whether it is not a mistake but a text that was asked for.
pub fn is_help(wrong: &Wrong) -> bool {
    use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    matches!(wrong.kind(), DisplayHelp | DisplayHelpOnMissingArgumentOrSubcommand | DisplayVersion)
}

/// What is wrong with the arguments, and which help says more.
pub fn in_one_line(wrong: &Wrong, arguments: &[OsString], commands: &Command) -> Error {
    let given = arguments.iter().filter_map(|argument| argument.to_str());
    let command = given.skip(1).find(|word| commands.find_subcommand(word).is_some());
    let help = match command {
        Some(name) => format!("`repsim {name} --help` lists what it takes"),
        None => "`repsim --help` lists the commands".to_owned(),
    };
    Error::usage(what(&wrong.to_string()), help)
}

/// The message without its headings: values that are missing or possible are lists in it.
pub fn what(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let told =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let mut said = String::new();
    for line in told {
        let tip = line.strip_prefix("tip: ");
        match tip {
            _ if said.is_empty() => said.push_str(line),
            // What begins with dashes is hardly ever meant as a value.
            Some(tip) if tip.starts_with("to pass") => {}
            Some(tip) => said.push_str(&format!("; {tip}")),
            None if line.starts_with('[') => said.push_str(&format!(" {line}")),
            None if said.ends_with(':') => said.push_str(&format!(" {line}")),
            None => said.push_str(&format!(", {line}")),
        }
    }
    said
}

/// What may end the first clause of a help text: what follows goes into details.
const ENDS: [&str; 6] = [" [", "; ", ". ", ": ", " (", ", "];

/// Letters that a first clause has at least, and that a line has room for.
const CLAUSE: usize = 12;
const LINE: usize = 90;

/// Letters of a list of values that is shown whole.
const VALUES: usize = 120;

/// Lets `-h` say the first clause of what `--help` says of each option, and leave out the options for B.
pub fn with_short_help(command: Command) -> Command {
    command.mut_subcommands(|command| command.mut_args(|option| shortened(negative(option))))
}

/// The same help in the letters of a screen, so that its lines are broken as they are shown.
pub fn in_letters(command: Command, letters: &Letters) -> Command {
    if *letters == Letters::Unicode {
        return command;
    }
    let of = |text: &StyledStr| StyledStr::from(letters.of(&text.ansi().to_string()).into_owned());
    let command = told_in(command, &of);
    command.mut_subcommands(|command| told_in(command, &of))
}

fn told_in(command: Command, of: &impl Fn(&StyledStr) -> StyledStr) -> Command {
    let after = command.get_after_help().map(of);
    let long = command.get_after_long_help().map(of);
    let (about, whole) = (command.get_about().map(of), command.get_long_about().map(of));
    let command = put(command, about, |command, text| command.about(text));
    let command = put(command, whole, |command, text| command.long_about(text));
    let command = put(command, after, |command, text| command.after_help(text));
    let command = put(command, long, |command, text| command.after_long_help(text));
    command.mut_args(|option| {
        let (short, long) = (option.get_help().map(of), option.get_long_help().map(of));
        let option = put(option, short, |option, text| option.help(text));
        put(option, long, |option, text| option.long_help(text))
    })
}

fn put<T>(what: T, text: Option<StyledStr>, set: impl Fn(T, StyledStr) -> T) -> T {
    match text {
        Some(text) => set(what, text),
        None => what,
    }
}

/// Takes -1 behind an option for its value, so that what is wrong is said of that.
fn negative(option: Arg) -> Arg {
    match option.is_positional() || !option.get_action().takes_values() {
        true => option,
        false => option.allow_negative_numbers(true),
    }
}

fn shortened(option: Arg) -> Arg {
    let Some(text) = option.get_help().map(ToString::to_string) else { return option };
    let for_b = option.get_help_heading() == Some("Preprocessing of B");
    let hidden = for_b || option.is_hide_short_help_set();
    let short = of_values(&text).unwrap_or_else(|| first_clause(&text).to_owned());
    option.help(short).long_help(text).hide_short_help(hidden)
}

/// A list of values and what they mean (`direct: least squares; trained: by Adam`), which has no clause that stands
/// for all: whole, or the values alone where that is more than a line.
fn of_values(text: &str) -> Option<String> {
    let list = text.split(" [").next().unwrap_or(text);
    let name = |part: &str| {
        let (name, _) = part.split_once(": ")?;
        (!name.contains(' ')).then(|| name.to_owned())
    };
    let names: Option<Vec<String>> = list.split("; ").map(name).collect();
    let names = names.filter(|names| names.len() > 1)?;
    let fits = list.chars().count() <= VALUES;
    Some(if fits { list.to_owned() } else { names.join(", ") })
}

/// The beginning of a text that can be read alone: up to the details, and no more than a line.
fn first_clause(text: &str) -> &str {
    let ends = |list: &[&str]| {
        let found = list.iter().flat_map(|end| text.match_indices(end).map(|(at, _)| at));
        found.filter(|&at| at >= CLAUSE).min().unwrap_or(text.len())
    };
    let clause = &text[..ends(&ENDS[..5])];
    match clause.chars().count() > LINE {
        true => &text[..ends(&ENDS)],
        false => clause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_left_out_of_short_help() {
        let text = "Images: a folder (sub-folders are classes), .npy, .npz";
        assert_eq!(first_clause(text), "Images: a folder");
        let text = "Threads to compute with [default: all cores]";
        assert_eq!(first_clause(text), "Threads to compute with");
        assert_eq!(first_clause("Samples in a batch"), "Samples in a batch");
        let text = "direct: least squares; trained: by Adam [default: direct]";
        assert_eq!(of_values(text).as_deref(), Some("direct: least squares; trained: by Adam"));
        let long = format!("full: {}; few: {}", "all ".repeat(20), "some ".repeat(20));
        assert_eq!(of_values(&long).as_deref(), Some("full, few"));
        assert_eq!(of_values("Images: a folder; an array"), None);
    }

    #[test]
    fn lists_and_tips_stand_in_the_line() {
        let text = "error: the following required arguments were not provided:\n  <A>\n  <B>...\n\n\
                    Usage: repsim fid <A>\n\nFor more information, try '--help'.\n";
        assert_eq!(what(text), "the following required arguments were not provided: <A>, <B>...");
        let text =
            "error: invalid value 'x' for '--format <F>'\n  [possible values: a, b]\n\nFor more";
        assert_eq!(what(text), "invalid value 'x' for '--format <F>' [possible values: a, b]");
        let text = "error: unexpected argument '--dat' found\n\n  tip: a similar argument exists: '--data'\n";
        let wanted = "unexpected argument '--dat' found; a similar argument exists: '--data'";
        assert_eq!(what(text), wanted);
        let text = "error: unexpected argument '-x' found\n\n  tip: to pass '-x' as a value, use '-- -x'\n";
        assert_eq!(what(text), "unexpected argument '-x' found");
    }
}
