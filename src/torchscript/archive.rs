//! What kind of archive a model path names, determined before anything in it runs; and loading one of
//! TorchScript.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use zip::ZipArchive;

use super::advice::{self, Advice};
use super::exported;
use super::ffi::Handle;
use super::ffi::loading::{self, Loaded};
use super::foreign::{self, Foreign};
use super::native;
use super::sealed::Sealed;
use crate::error::{Error, Result};
use crate::files;

/// Bytes that identify the type of a file.
const FIRST: usize = 64;

/// Stack for the deepest code that is let through, which libtorch's parser and compiler need.
const STACK: usize = 128 << 20;

/// The most time that a thread computes to load an archive, and so many more bytes of it in each further second.
const TIME: Duration = Duration::from_secs(10);
const BYTES_A_SECOND: u64 = 1 << 18;

/// How often that is looked at.
const INTERVAL: Duration = Duration::from_millis(50);

/// The archives that hold models which can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    /// Of TorchScript: `torch.jit.save`. Beside a trace the inputs are kept that it was made with.
    TorchScript {
        /// Whether it is a trace.
        traced: bool,
    },
    /// Of `torch.export`: `torch.export.save`.
    Exported,
}

/// Opens a file, and says what kind of archive it is.
///
/// # Errors
/// The path is not there or not a file; the file is of another format (which, and what to do), a zip
/// archive cut short, or something else.
pub fn open(path: &Path) -> Result<(Archive, File)> {
    let (first, file) = first_bytes(path)?;
    // libtorch takes a zip archive with this mark for one of another format.
    if !first.starts_with(b"PK") || first.get(4..8) == Some(b"PTMF") {
        return Err(error(path, foreign::of_bytes(path, &first)));
    }
    let found = match kind(&file) {
        Some(Inside::Program(archive)) => return Ok((archive, file)),
        Some(Inside::Pickle) => Some(foreign::of_pickled_archive(path)),
        None => foreign::of_zip(path),
    };
    let damaged = Foreign {
        problem: "the archive is damaged or cut short".to_owned(),
        remedy: "copy or download it again, and compare its size with the original's",
    };
    Err(error(path, found.unwrap_or(damaged)))
}

/// What a zip archive holds.
enum Inside {
    Program(Archive),
    Pickle,
}

fn kind(file: &File) -> Option<Inside> {
    let zip = ZipArchive::new(BufReader::new(file.try_clone().ok()?)).ok()?;
    let names: HashSet<&str> = zip.file_names().collect();
    if names.contains(exported::OLDER) {
        return Some(Inside::Program(Archive::Exported));
    }
    let root = zip.file_names().next()?.split_once('/')?.0;
    let has = |name: &str| names.contains(format!("{root}/{name}").as_str());
    match () {
        () if has("constants.pkl") => {
            let traced = has("traced_inputs.pkl");
            Some(Inside::Program(Archive::TorchScript { traced }))
        }
        () if has("archive_format") || has("models/model.json") => {
            Some(Inside::Program(Archive::Exported))
        }
        () if has("data.pkl") => Some(Inside::Pickle),
        () => None,
    }
}

/// Judges an archive of TorchScript and loads it on the CPU. The operators are those that are not known to
/// compute only; there are none unless it is trusted.
///
/// # Errors
/// It is damaged, holds such operators, or libtorch failed to load it.
pub fn load(path: &Path, file: File, trust: bool) -> Result<(Handle, Vec<String>)> {
    let size = file.metadata().map_or(0, |meta| meta.len());
    let limit = match trust {
        true => Duration::MAX,
        false => TIME + Duration::from_secs(size / BYTES_A_SECOND),
    };
    let place = path.to_owned();
    let loaded = in_time(limit, move || load_here(&place, file, trust));
    match loaded.map_err(|e| Error::io("load", path, e))? {
        Loading::Done(loaded) => loaded,
        Loading::Crashed => Err(error_of(path, "a thread that loaded it crashed".to_owned())),
        Loading::Stopped(problem, remedy) => Err(Error::file("load", path, problem, remedy)),
    }
}

/// The outcome of work on a thread of its own.
enum Loading<T> {
    Done(T),
    Crashed,
    /// It was left to itself: why, and what to do.
    Stopped(String, &'static str),
}

/// Does something on a thread with a large stack, and gives it up where it computes for longer than that, or where
/// the memory of the machine is used up.
fn in_time<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<Loading<T>> {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::Builder::new().stack_size(STACK);
    // Where the result cannot be sent nobody waits for it.
    let thread = thread.spawn(move || drop(sender.send(work())))?;
    loop {
        match receiver.recv_timeout(INTERVAL) {
            Ok(done) => return Ok(Loading::Done(done)),
            Err(RecvTimeoutError::Disconnected) => return Ok(Loading::Crashed),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let (problem, remedy) = match native::time_of(&thread) {
            Some(time) if time > limit => (
                format!("its code is not compiled after {} s", limit.as_secs()),
                "export it in a simpler form, or give --trust-model, which waits for it",
            ),
            _ if files::is_memory_used_up() => (
                "it takes all memory of this machine".to_owned(),
                "free some, or run it where there is more",
            ),
            _ => continue,
        };
        native::leave_behind();
        return Ok(Loading::Stopped(problem, remedy));
    }
}

fn load_here(path: &Path, file: File, trust: bool) -> Result<(Handle, Vec<String>)> {
    let sealed = Sealed::open(file).map_err(|problem| error_of(path, problem))?;
    let found = loading::records(&sealed).map_err(|said| load_error(path, said))?;
    if found != sealed.listing() {
        let problem = "it is damaged: libtorch finds other records in it than it lists";
        return Err(error_of(path, problem.to_owned()));
    }
    match Handle::load(&sealed, trust) {
        Ok(Loaded::Model(handle, untrusted)) => Ok((handle, untrusted)),
        Ok(Loaded::Refused(operators)) => Err(Error::file(
            "load",
            path,
            format!("its code uses {}, which may reach beyond the model", operators.join(", ")),
            "give --trust-model if you know where the file comes from",
        )),
        Err(said) => Err(load_error(path, said)),
    }
}

fn load_error(path: &Path, said: String) -> Error {
    let Advice { problem, remedy } = advice::of_load(&said);
    Error::Model { action: "load", path: path.to_owned(), problem, remedy, detail: said }
}

fn error_of(path: &Path, problem: String) -> Error {
    let remedy = match problem.starts_with("it is damaged") {
        true => "copy or download it again, and compare its size with the original's",
        false => "torch.jit.save writes no such archive: export the model again",
    };
    Error::file("load", path, problem, remedy)
}

fn error(path: &Path, found: Foreign) -> Error {
    Error::file("load", path, found.problem, found.remedy)
}

fn first_bytes(path: &Path) -> Result<(Vec<u8>, File)> {
    let unreadable =
        |e| Error::file("load", path, reason(&e), "give the path of a model (.pt2 or .pt)");
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if meta.is_dir() {
        return Err(error(path, foreign::of_folder(path)));
    }
    let file = files::open(path).map_err(|e| Error::io("read", path, e))?;
    let mut first = vec![0; FIRST];
    let count = file.read_at(&mut first, 0).map_err(|e| Error::io("read", path, e))?;
    first.truncate(count);
    Ok((first, file))
}

fn reason(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file",
        std::io::ErrorKind::PermissionDenied => "permission denied",
        _ => "it cannot be read",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn work_that_does_not_end_is_given_up() -> std::io::Result<()> {
        let short = Duration::from_millis(100);
        let work = || {
            loop {
                std::hint::spin_loop();
            }
        };
        assert!(
            matches!(in_time::<()>(short, work)?, Loading::Stopped(said, _) if said.contains("compiled"))
        );
        // Waiting is not computing.
        let wait = || thread::sleep(Duration::from_millis(300));
        assert!(matches!(in_time(short, wait)?, Loading::Done(())));
        Ok(())
    }
}
