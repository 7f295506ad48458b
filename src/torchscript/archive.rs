//! What kind of file a model path names, told before anything of it runs.

use std::io::Read;
use std::path::Path;

use fs_err as fs;

use super::ffi;
use crate::error::{Error, Result};

const EXPORT: &str = "export the model first: torch.jit.script(model.eval()).save(FILE), or \
                      torch.jit.trace(model.eval(), example).save(FILE)";

/// Says why a file is no TorchScript archive, if it is none.
///
/// # Errors
/// The path is not there or not a file; the file is a pickle (a state dict), a `torch.export`
/// archive, a zip archive cut short, or something else.
pub fn check(path: &Path) -> Result<()> {
    let magic = first_bytes(path)?;
    let problem = |problem: &str, remedy: &str| Err(Error::file("load", path, problem, remedy));
    if magic.starts_with(b"\x80") {
        return problem("it is a Python pickle, not a TorchScript archive", EXPORT);
    }
    if !magic.starts_with(b"PK") {
        return problem("it is not a TorchScript archive", EXPORT);
    }
    match ffi::kind_of_archive(&path.to_string_lossy()).0 {
        "torchscript" => Ok(()),
        "pickle" => problem(
            "it holds a pickled object, probably a state dict, and no TorchScript code",
            EXPORT,
        ),
        "export" => problem("it is a torch.export archive, not a TorchScript one", EXPORT),
        _ => problem(
            "the archive is damaged or cut short",
            "copy or download it again, and compare its size with the original's",
        ),
    }
}

fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let meta = std::fs::metadata(path).map_err(|e| {
        Error::file("load", path, reason(&e), "give the path of a TorchScript archive (.pt)")
    })?;
    if meta.is_dir() {
        let remedy = "give the path of a TorchScript archive (.pt); images go after --data";
        return Err(Error::file("load", path, "it is a folder", remedy));
    }
    let mut magic = Vec::new();
    fs::File::open(path)
        .and_then(|f| f.take(8).read_to_end(&mut magic))
        .map_err(|e| Error::io("read", path, e))?;
    Ok(magic)
}

fn reason(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file",
        std::io::ErrorKind::PermissionDenied => "permission denied",
        _ => "it cannot be read",
    }
}
