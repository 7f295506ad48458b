//! The command line: what may be given, what is run, and all that is printed.

mod args;
mod bars;
mod check;
mod cka;
mod command;
mod compare;
mod defaults;
mod demo;
mod diff;
mod distance;
mod extract;
mod features;
mod fid;
mod files;
mod gate;
mod given;
mod globs;
mod judging;
mod layers;
mod limits;
mod manual;
mod maps;
mod merge;
mod output;
mod outputs;
mod patterns;
mod picture;
mod platonic;
mod probe;
mod report;
mod requests;
mod results;
mod saliency;
mod sandbox;
mod schema;
mod sensitivity;
mod shard;
mod sides;
mod signals;
mod stats;
mod status;
mod stitch;
mod target;
mod terminal;
mod track;
mod usage;
mod version;
mod weights;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::report::remove_hidden;
use crate::torchscript::{native, waiting};
use files::Files;
use output::Messages;
use sandbox::Hold;
pub use status::{DONE, DRIFT, FAILED, Status};

/// Compare what neural networks represent.
#[derive(Parser)]
#[command(name = "repsim", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 a check found drift, 2 the run could not be done; 129, 130 or \
                        143 ended by a signal."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    talk: args::TalkArgs,
}

#[derive(Subcommand)]
enum Command {
    /// List the layers of a model
    Layers(Box<layers::Args>),
    /// Compare all layers of two models, or of one with itself, by CKA
    Cka(Box<cka::Args>),
    /// Compare layers by several measures, CKA among them, and describe each layer by itself
    Compare(Box<compare::Args>),
    /// Align many models with each other on the same data, one layer each
    Platonic(Box<platonic::Args>),
    /// Probe what can be read out of each layer, against controls
    Probe(Box<probe::Args>),
    /// Follow the layers of a network over the checkpoints of its training
    Track(Box<track::Args>),
    /// Measure how far image sets lie from a reference: FID, KID, precision and recall
    Fid(Box<fid::Args>),
    /// Measure how far each sample lies from a reference, and whether that predicts errors
    Distance(Box<distance::Args>),
    /// Map which pixels a prediction rests on, and compare the maps of models and methods
    Saliency(Box<saliency::Args>),
    /// Look at the feature maps of layers, and match the channels of two models
    Maps(Box<maps::Args>),
    /// See which patches of the data drive each channel most, and whether two models share them
    Patterns(Box<patterns::Args>),
    /// Find which channels a prediction rests on, and how predictions hold under perturbation
    Sensitivity(Box<sensitivity::Args>),
    /// Test whether one network can use another's features, against controls
    Stitch(Box<stitch::Args>),
    /// Check a report against a baseline and a policy, for CI; or draft a policy
    Check(Box<check::Args>),
    /// List what changed between two reports, the largest first
    Diff(diff::Args),
    /// Write the outputs of layers to a folder, which other commands take instead of the model
    Features(Box<features::Args>),
    /// Write mean and covariance of features to a file that FID tools read
    Stats(Box<stats::Args>),
    /// Make the report of a run from the states of its shards
    Merge(Box<merge::Args>),
    /// Turn reports into one HTML page, or a single report into tables or a picture
    Report(report::Args),
    /// Try it: compare small networks that come with repsim, on 500 images
    Demo(demo::Args),
    /// Print the JSON Schema of a report
    Schema(schema::Args),
    /// Print completions for a shell
    Completions(manual::CompletionsArgs),
    /// Print the manual page of repsim or of a command
    Man(manual::ManArgs),
}

/// The command line as it is declared: all commands with their options, in short for `-h` and in full for
/// `--help`.
pub fn declared() -> clap::Command {
    usage::with_short_help(Cli::command())
}

/// Bytes of the stack: libtorch follows the operators of a model by calling itself.
const STACK: usize = 512 << 20;

/// What the program does from its first line to its last: runs the command line given, the program's own name
/// first, in a process that is there for nothing else, and gives its exit code.
pub fn program(arguments: impl Iterator<Item = OsString>) -> u8 {
    native::keep_memory();
    native::guard_exit::<{ FAILED as i32 }>();
    native::guard_crash::<{ FAILED as i32 }>(remove_hidden);
    let arguments: Vec<OsString> = arguments.collect();
    let code = on_a_large_stack(&arguments);
    shard::forget();
    native::ended();
    code
}

/// Runs the command line on a thread of its own, or here where none can be had.
fn on_a_large_stack(arguments: &[OsString]) -> u8 {
    let run = || main(arguments.iter().cloned());
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || {
            native::catch_full_stacks();
            run()
        });
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(code)) => code,
            Ok(Err(_)) => FAILED,
            Err(_) => run(),
        }
    })
}

/// Runs the command line given and says how it went, as an exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let given: Vec<OsString> = arguments.into_iter().collect();
    output::choose_colours(&given);
    command::remember(&given);
    terminal::look(&given);
    let added = shard::several(given).and_then(|(given, mut devices)| {
        let added = defaults::added(given, &declared(), !devices.is_empty())?;
        if let Some(list) = added.devices {
            devices = shard::several(vec![format!("--device={list}").into()])?.1;
        }
        Ok((shard::expanded(added.words, &declared(), &devices)?, added.told))
    });
    let (arguments, defaults) = match added {
        Ok(whole) => whole,
        Err(error) => {
            Messages::new(false, false).error(&error);
            return FAILED;
        }
    };
    let commands = usage::in_letters(declared(), &terminal::screen().letters);
    let parsed = commands.try_get_matches_from(&arguments);
    let parsed = parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return not_understood(&error, &arguments),
    };
    let given = matches.subcommand().map(|(_, given)| given);
    let files = given.map(Files::named_in).unwrap_or_default();
    let hold = given.and_then(Hold::of);
    let messages = Messages::new(cli.talk.quiet, cli.talk.verbose);
    defaults.iter().for_each(|told| messages.detail(told));
    if cli.command.computes() {
        messages.detail(&waiting::told());
    }
    signals::watch(shard::forget);
    match guarded(|| whole(&cli.command, (&files, hold), &messages)) {
        Ok(status) => status.into(),
        Err(error) if output::is_broken_pipe(&error) => DONE,
        Err(error) => {
            outputs::discard();
            messages.error(&error);
            if let Some((name, judging)) = cli.command.judging() {
                judging.tell_failure(name, &error, &messages);
            }
            FAILED
        }
    }
}

impl Command {
    /// Whether numbers are computed, by models or from features.
    fn computes(&self) -> bool {
        use Command::{Check, Completions, Diff, Man, Merge, Report, Schema};
        !matches!(
            self,
            Merge(_) | Check(_) | Diff(_) | Report(_) | Schema(_) | Completions(_) | Man(_)
        )
    }

    /// The name of a command that is to check its report, and how the verdict is printed.
    fn judging(&self) -> Option<(&'static str, &judging::JudgingArgs)> {
        let (name, judging) = match self {
            Self::Check(args) => ("check", args.judging()),
            Self::Layers(args) => ("layers", args.gate.judging()),
            Self::Cka(args) => ("cka", args.gate.judging()),
            Self::Compare(args) => ("compare", args.gate.judging()),
            Self::Platonic(args) => ("platonic", args.gate.judging()),
            Self::Probe(args) => ("probe", args.gate.judging()),
            Self::Distance(args) => ("distance", args.gate.judging()),
            Self::Fid(args) => ("fid", args.gate.judging()),
            Self::Maps(args) => ("maps", args.gate.judging()),
            Self::Patterns(args) => ("patterns", args.gate.judging()),
            Self::Saliency(args) => ("saliency", args.gate.judging()),
            Self::Sensitivity(args) => ("sensitivity", args.gate.judging()),
            Self::Stitch(args) => ("stitch", args.gate.judging()),
            Self::Track(args) => ("track", args.gate.judging()),
            _ => return None,
        };
        Some((name, judging?))
    }
}

/// Runs a command and puts its files in their places.
fn whole(
    command: &Command,
    (files, hold): (&Files, Option<Hold>),
    messages: &Messages,
) -> Result<Status> {
    outputs::begin(files)?;
    hold.map_or(Ok(()), |hold| hold.confine(files, messages))?;
    let status = run(command, messages)?;
    outputs::check_unchanged()?;
    outputs::commit()?.iter().for_each(|placed| messages.note(&placed.to_string()));
    Ok(status)
}

fn run(command: &Command, messages: &Messages) -> Result<Status> {
    match command {
        Command::Layers(args) => layers::run(args, messages),
        Command::Cka(args) => cka::run(args, messages),
        Command::Compare(args) => compare::run(args, messages),
        Command::Platonic(args) => platonic::run(args, messages),
        Command::Probe(args) => probe::run(args, messages),
        Command::Distance(args) => distance::run(args, messages),
        Command::Fid(args) => fid::run(args, messages),
        Command::Maps(args) => maps::run(args, messages),
        Command::Patterns(args) => patterns::run(args, messages),
        Command::Saliency(args) => saliency::run(args, messages),
        Command::Sensitivity(args) => sensitivity::run(args, messages),
        Command::Stitch(args) => stitch::run(args, messages),
        Command::Track(args) => track::run(args, messages),
        Command::Check(args) => check::run(args, messages),
        Command::Diff(args) => diff::run(args, messages).map(done),
        Command::Features(args) => features::run(args, messages).map(done),
        Command::Stats(args) => stats::run(args, messages).map(done),
        Command::Merge(args) => merge::run(args),
        Command::Report(args) => report::run(args).map(done),
        Command::Demo(args) => demo::run(args, messages).map(done),
        Command::Schema(args) => schema::run(args).map(done),
        Command::Completions(args) => manual::completions(args, declared()).map(done),
        Command::Man(args) => manual::man(args, declared()).map(done),
    }
}

fn done((): ()) -> Status {
    Status::Done
}

/// Runs a command; a panic in it (libtorch out of memory in an operation of ours) becomes an error
/// of one line.
fn guarded(command: impl FnOnce() -> Result<Status>) -> Result<Status> {
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(command));
    let _ = std::panic::take_hook();
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason");
        let said = text.split_once("Torch(\"").map_or(text, |(_, said)| said);
        let first = said.split("\\n").next().unwrap_or(said);
        let says = |words: &[&str]| words.iter().any(|word| first.contains(word));
        let remedy = match () {
            () if says(&["spawn thread"]) => {
                "give fewer --threads and --workers, or raise the limit (ulimit)"
            }
            () if says(&["alloc", "memory"]) => "try a smaller --batch-size or --memory",
            () => "this should not happen; please report it with the command you ran",
        };
        Err(Error::usage(format!("failed in the middle of the run: {first}"), remedy))
    })
}

/// Help and version go to standard output; a wrong option is a run that could not be done.
fn not_understood(error: &clap::Error, arguments: &[OsString]) -> u8 {
    if version::is_asked(error, arguments) {
        return printed(output::print(&version::told()));
    }
    if usage::is_help(error) {
        return help(error);
    }
    let error = usage::in_one_line(error, arguments, &declared());
    Messages::new(false, false).error(&error);
    FAILED
}

/// Prints help, on standard error where it was not asked for.
fn help(error: &clap::Error) -> u8 {
    if error.use_stderr() {
        output::say_help(&error.render());
        return FAILED;
    }
    printed(output::print_help(&error.render()))
}

/// The exit code of what did nothing but print.
fn printed(done: Result<()>) -> u8 {
    match done {
        Err(error) if !output::is_broken_pipe(&error) => {
            Messages::new(false, false).error(&error);
            FAILED
        }
        _ => DONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_command_has_two_options_of_one_name() {
        for command in Cli::command().get_subcommands() {
            let mut names = BTreeSet::new();
            for option in command.get_arguments() {
                let aliases = option.get_all_aliases().unwrap_or_default();
                for name in option.get_long().into_iter().chain(aliases) {
                    assert!(names.insert(name), "two options --{name} in {}", command.get_name());
                }
            }
        }
    }
}
