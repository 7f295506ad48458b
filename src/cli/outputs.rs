//! Whether the files that a run will write can be written.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::report::check_writable;

/// Refuses outputs that are an input or named twice, or that cannot be written.
///
/// # Errors
/// The first such output.
pub fn check_outputs<'a>(
    outputs: impl IntoIterator<Item = &'a Path>,
    inputs: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<()> {
    let mut taken: Vec<PathBuf> =
        inputs.into_iter().filter_map(|p| p.canonicalize().ok()).filter(|p| p.is_file()).collect();
    for path in outputs {
        let whole = whole(path);
        // A device takes several outputs.
        let keeps = std::fs::metadata(path).map_or(true, |m| m.is_file());
        if taken.contains(&whole) && keeps {
            let problem = "it is an input, or named for another output too";
            return Err(Error::file("write", path, problem, "give it another name"));
        }
        check_writable(path)?;
        taken.push(whole);
    }
    Ok(())
}

/// Endings of files that are no JSON, and what writes such files where something does.
const NO_REPORTS: [(&str, &str); 13] = [
    ("csv", "fid has --format tsv, distance --per-sample FILE.csv"),
    ("tsv", "fid has --format tsv"),
    ("jsonl", "fid has --format jsonl, distance --per-sample FILE.jsonl"),
    ("html", "repsim report FILE.json -o FILE.html makes a page of it"),
    ("htm", "repsim report FILE.json -o FILE.html makes a page of it"),
    ("png", "pictures have options of their own, such as --heatmap or --plot"),
    ("jpg", "pictures have options of their own, such as --heatmap or --plot"),
    ("svg", "pictures have options of their own, such as --heatmap or --plot"),
    ("pdf", "pictures have options of their own, such as --heatmap or --plot"),
    ("npz", "repsim stats writes statistics, saliency --maps FILE.npz maps"),
    ("npy", "repsim stats writes statistics, saliency --maps FILE.npz maps"),
    ("pt", "a model is no report"),
    ("xml", "--junit FILE.xml writes how a check went"),
];

/// Refuses a report whose name ends as a file of another format: a report is JSON.
///
/// # Errors
/// It does.
pub fn check_report_name(path: &Path) -> Result<()> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    match NO_REPORTS.iter().find(|(other, _)| *other == ending) {
        None => Ok(()),
        Some((_, instead)) => {
            let problem = format!("-o writes the report, which is JSON and no .{ending}");
            let remedy = format!("end its name in .json; {instead}");
            Err(Error::file("write", path, problem, remedy))
        }
    }
}

/// A path without links; of a file that is not there yet, that of its folder.
fn whole(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    let there = folder.zip(path.file_name()).map(|(folder, name)| folder.join(name));
    path.canonicalize().ok().or(there).unwrap_or(path)
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
    fn reports_are_json() {
        for name in ["a.json", "a", "-", "a.txt", "/dev/stdout", "b.csv/a.json"] {
            assert!(check_report_name(name.as_ref()).is_ok(), "{name}");
        }
        for name in ["a.csv", "a.HTML", "x/a.png"] {
            assert!(check_report_name(name.as_ref()).is_err(), "{name}");
        }
    }
}
