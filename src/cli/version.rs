//! What `repsim --version` says: beside the program's own version the libtorch that it runs on, where that was
//! found, and whether there is CUDA.

use std::ffi::OsString;

use clap::Error as Wrong;
use clap::error::ErrorKind;

use crate::torchscript::device::{cuda_told, libtorch_folder};
use crate::torchscript::libtorch_version;

/// Whether the long form is asked for; `-V` asks for the version alone.
pub fn is_asked(wrong: &Wrong, arguments: &[OsString]) -> bool {
    wrong.kind() == ErrorKind::DisplayVersion && arguments.iter().any(|word| word == "--version")
}

/// The lines.
pub fn told() -> String {
    let folder =
        libtorch_folder().map_or_else(String::new, |path| format!(" in {}", path.display()));
    format!(
        "repsim {}\nlibtorch {}{folder}\nCUDA {}\n",
        env!("CARGO_PKG_VERSION"),
        libtorch_version(),
        cuda_told()
    )
}
