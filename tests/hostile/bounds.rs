//! Runs within bounds of memory and time.

use std::path::Path;
use std::process::Command;

use crate::support::Run;

/// Runs a command in so many MiB of address space and a minute, its temporary files in a folder of
/// their own.
pub fn bounded(mib: u64, temporary: &Path, words: &[&str]) -> Run {
    let line = format!("ulimit -v {}; exec timeout 60 \"$0\" \"$@\"", mib << 10);
    let mut command = Command::new("bash");
    command.args(["-c", &line, env!("CARGO_BIN_EXE_repsim")]).args(words);
    let output = command.env("TMPDIR", temporary).env("OMP_STACKSIZE", "8M").output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
