//! The `repsim` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    repsim::torchscript::native::keep_memory();
    repsim::cli::main(std::env::args_os())
}
