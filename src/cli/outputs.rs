//! The files that a run writes: they appear together when it is done, or none does.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::files::{self, Files};
use crate::analysis::InputFiles;
use crate::confine::Written;
use crate::error::{Error, Result};
use crate::files::Stamp;
use crate::report::{
    Sink, Staging, anchor, behind_links, check_writable, descriptor, is_replaceable, parent,
};

/// What this process has written and not put in its place yet, and what it must not write to.
static RUN: Mutex<Run> = Mutex::new(Run {
    staging: Staging::new(),
    inputs: None,
    stamps: vec![],
    made: vec![],
    placed: vec![],
});

struct Run {
    staging: Staging,
    inputs: Option<InputFiles>,
    /// Input files as they were when the run began.
    stamps: Vec<(PathBuf, Option<Stamp>)>,
    /// Folders that were made, the uppermost first.
    made: Vec<PathBuf>,
    placed: Vec<Placed>,
}

/// A file that a run wrote, or a folder that it wrote files to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    path: PathBuf,
    /// Files in the folder.
    files: Option<usize>,
}

impl std::fmt::Display for Placed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.display();
        match self.files {
            Some(1) => write!(f, "wrote {path} (1 file)"),
            Some(count) => write!(f, "wrote {path} ({count} files)"),
            None => write!(f, "wrote {path} ({})", kind(&self.path)),
        }
    }
}

/// What files of an ending are.
const KINDS: [(&str, &str); 12] = [
    ("csv", "table"),
    ("tsv", "table"),
    ("md", "table"),
    ("jsonl", "table"),
    ("png", "picture"),
    ("svg", "picture"),
    ("npz", "arrays"),
    ("html", "page"),
    ("htm", "page"),
    ("xml", "JUnit"),
    ("toml", "policy"),
    ("json", "report"),
];

fn kind(path: &Path) -> &'static str {
    let ending = ending(path);
    KINDS.iter().find(|(known, _)| *known == ending).map_or("report", |(_, kind)| kind)
}

fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn run() -> MutexGuard<'static, Run> {
    RUN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins a run that reads and writes these files.
///
/// # Errors
/// An output is an input, is named twice, or cannot be written.
pub fn begin(files: &Files) -> Result<()> {
    let inputs = InputFiles::of(&files.inputs);
    files::check(files, &inputs)?;
    let mut run = run();
    run.stamps = files.inputs.iter().map(|path| (path.clone(), Stamp::of(path))).collect();
    run.inputs = Some(inputs);
    Ok(())
}

/// Refuses the results of a run whose input files were written to or replaced meanwhile: a file is opened more
/// than once, to be read and for its checksum.
///
/// # Errors
/// The first file that is not what it was.
pub fn check_unchanged() -> Result<()> {
    match run().stamps.iter().find(|(path, before)| Stamp::of(path) != *before) {
        None => Ok(()),
        Some((path, _)) => {
            let problem = "it was changed while the run read it";
            Err(Error::file("read", path, problem, "run it again when nothing writes to it"))
        }
    }
}

/// Makes all folders ready that these files are written to.
///
/// # Errors
/// One cannot be written to.
pub fn prepare(files: &Files) -> Result<Written> {
    let mut written = Written::default();
    for path in &files.outputs {
        let place = behind_links(path);
        match is_replaceable(&place) {
            true => written.folders.push(parent(&place).to_owned()),
            // Nothing has to be allowed of what is open already.
            false if descriptor(&place).is_some() || is_open_pipe(&place) => {}
            false => written.devices.push(place),
        }
    }
    for folder in &files.folders {
        written.folders.push(anchor(folder).map_err(|e| Error::io("write to", folder, e))?);
    }
    for folder in &files.caches {
        let above = anchor(folder).map_err(|e| Error::io("write to", folder, e))?;
        // What is wrong with it is said when it is opened.
        let _ = make_folder(folder);
        written.readable.push(folder.clone());
        written.around.extend(Some(above).filter(|_| !run().made.is_empty()));
    }
    for folder in &written.folders {
        written.readable.push(run().staging.prepare(folder)?);
    }
    Ok(written)
}

/// Whether a path leads to a pipe of another process, which has no name: `/proc/1/fd/1`.
fn is_open_pipe(place: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = std::fs::metadata(place).map(|found| found.file_type());
    place.starts_with("/proc") && kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
}

/// Makes a folder with those above it; what is empty of them is removed again where the run fails.
///
/// # Errors
/// It cannot be made.
pub fn make_folder(folder: &Path) -> std::io::Result<()> {
    let whole = std::path::absolute(folder)?;
    let missing: Vec<_> = whole.ancestors().take_while(|path| !path.is_dir()).collect();
    run().made.extend(missing.into_iter().rev().map(Path::to_owned));
    std::fs::create_dir_all(folder)
}

/// What this run reads: files, and folders with all that is in them.
pub fn read_paths() -> Vec<PathBuf> {
    let run = run();
    let Some(inputs) = &run.inputs else { return vec![] };
    inputs.files.iter().chain(&inputs.folders).chain(&inputs.linked).cloned().collect()
}

/// Refuses a file to be written that is an input or cannot be written.
///
/// # Errors
/// It is, or cannot.
pub fn check(path: &Path) -> Result<()> {
    refuse(path)?;
    check_writable(path)
}

fn refuse(path: &Path) -> Result<()> {
    run().inputs.as_ref().map_or(Ok(()), |inputs| inputs.refuse(path))
}

/// Writes a file.
///
/// # Errors
/// It is an input, or its folder is not there or cannot be written to.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fill(path, |file| file.write_all(bytes))
}

/// Writes a file bit by bit.
///
/// # Errors
/// As [`write`], or `fill` fails.
pub fn fill(path: &Path, fill: impl FnOnce(&mut dyn Sink) -> std::io::Result<()>) -> Result<()> {
    refuse(path)?;
    run().staging.file(path, fill)?;
    if is_replaceable(&behind_links(path)) {
        run().placed.push(Placed { path: path.to_owned(), files: None });
    }
    Ok(())
}

/// Writes a file that is one of many below a folder, which need not be there.
///
/// # Errors
/// It is an input, or the folder, or what it would be made in, cannot be written to.
pub fn write_below(folder: &Path, name: &Path, bytes: &[u8]) -> Result<()> {
    refuse(&folder.join(name))?;
    let mut run = run();
    run.staging.file_below(folder, name, bytes)?;
    match run.placed.iter_mut().find(|placed| placed.path == folder) {
        Some(placed) => placed.files = placed.files.map(|count| count + 1),
        None => run.placed.push(Placed { path: folder.to_owned(), files: Some(1) }),
    }
    Ok(())
}

/// Where a file of this run can be read until the run is over.
pub fn held(path: &Path) -> PathBuf {
    run().staging.held(path)
}

/// A folder for what is needed on the way to a file, on the same disk.
///
/// # Errors
/// The file's folder cannot be written to.
pub fn room_beside(path: &Path) -> Result<PathBuf> {
    let place = behind_links(path);
    match is_replaceable(&place) {
        true => run().staging.prepare(parent(&place)),
        false => Ok(std::env::temp_dir()),
    }
}

/// Puts all files of the run into their places, and says which they are.
///
/// # Errors
/// One cannot be; then none is.
pub fn commit() -> Result<Vec<Placed>> {
    let staging = std::mem::take(&mut run().staging);
    staging.commit()?;
    let mut run = run();
    run.made.clear();
    Ok(std::mem::take(&mut run.placed))
}

/// Forgets all files of the run, and the folders that it made for nothing.
pub fn discard() {
    let staging = std::mem::take(&mut run().staging);
    drop(staging);
    run().placed.clear();
    let made = std::mem::take(&mut run().made);
    for folder in made.iter().rev() {
        // One that is not empty stays.
        let _ = std::fs::remove_dir(folder);
    }
}

/// Forms of a report, by the endings of their files.
const FORMS: [&str; 6] = ["", "json", "csv", "tsv", "md", "jsonl"];

/// Endings of other files, and what writes such files.
const NO_REPORTS: [(&str, &str); 10] = [
    ("html", "repsim report FILE.json -o FILE.html makes a page of it"),
    ("htm", "repsim report FILE.json -o FILE.html makes a page of it"),
    ("png", "--plot FILE draws pictures"),
    ("jpg", "--plot FILE draws pictures"),
    ("svg", "--plot FILE draws pictures"),
    ("pdf", "--plot FILE draws pictures"),
    ("npz", "repsim stats writes statistics, saliency --maps FILE.npz maps"),
    ("npy", "repsim stats writes statistics, saliency --maps FILE.npz maps"),
    ("pt", "a model is not a report"),
    ("xml", "--junit FILE.xml writes how a check went"),
];

/// Refuses a file for a report whose name ends as none of its forms. What is not a file has no ending.
///
/// # Errors
/// It does.
pub fn check_report_name(path: &Path) -> Result<()> {
    let ending = ending(path);
    if FORMS.contains(&ending.as_str()) || !is_replaceable(&behind_links(path)) {
        return Ok(());
    }
    let instead = NO_REPORTS.iter().find(|(other, _)| *other == ending);
    let instead = instead.map_or(String::new(), |(_, instead)| format!("; {instead}"));
    let problem = format!("-o writes the report, which has no form .{ending}");
    let remedy =
        format!("end its name in .json, or for its table alone in .csv, .tsv or .md{instead}");
    Err(Error::file("write", path, problem, remedy))
}

/// Refuses a folder that files cannot be written to; one that is not there yet is made later.
///
/// # Errors
/// It, or what it would be made in, is a file or cannot be written to.
pub fn check_folder(path: &Path) -> Result<()> {
    let there = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = there.ancestors().find(|p| p.exists()).unwrap_or(path);
    if !there.is_dir() {
        let problem = format!("{} is a file", there.display());
        return Err(Error::file("write to", path, problem, "give the path of a folder"));
    }
    check_writable(&there.join("file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_the_form_of_a_report() {
        for name in ["a.json", "a", "-", "a.CSV", "a.md", "/dev/stdout", "b.txt/a.json"] {
            assert!(check_report_name(name.as_ref()).is_ok(), "{name}");
        }
        for name in ["a.txt", "a.HTML", "x/a.png"] {
            assert!(check_report_name(name.as_ref()).is_err(), "{name}");
        }
    }
}
