//! The command line: what may be given, what is run, and all that is printed.

mod args;
mod cka;
mod demo;
mod features;
mod inputs;
mod layers;
mod output;
mod picture;
mod schema;
mod settings;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;
use output::Messages;

/// Everything was done, or a check passed.
pub const DONE: u8 = 0;
/// The run could not be done.
pub const FAILED: u8 = 2;

/// Compare what neural networks represent.
#[derive(Parser)]
#[command(name = "repsim", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done, 1 a check found drift, 2 the run could not be done.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    talk: args::TalkArgs,
}

#[derive(Subcommand)]
enum Command {
    /// List the layers of a TorchScript model
    Layers(layers::Args),
    /// Compare all layers of two models, or of one with itself, by CKA
    Cka(cka::Args),
    /// Try it: compare three small networks that come with repsim, on 500 images
    Demo(demo::Args),
    /// Print the JSON Schema of a report
    Schema(schema::Args),
}

/// Runs the command line given and says how it went.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let messages = Messages::new(cli.talk.quiet, cli.talk.verbose);
    let result = match cli.command {
        Command::Layers(args) => layers::run(&args, &messages),
        Command::Cka(args) => cka::run(&args, &messages),
        Command::Demo(args) => demo::run(&args, &messages),
        Command::Schema(args) => schema::run(&args),
    };
    match result {
        Ok(()) => ExitCode::from(DONE),
        Err(error) if is_broken_pipe(&error) => ExitCode::from(DONE),
        Err(error) => {
            messages.error(&error);
            ExitCode::from(FAILED)
        }
    }
}

/// Help and version go to standard output; a wrong option is a run that could not be done.
fn usage(error: &clap::Error) -> ExitCode {
    // Nothing is left to do if even this cannot be printed.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { FAILED } else { DONE })
}

/// Who reads our output has seen enough.
fn is_broken_pipe(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
}
