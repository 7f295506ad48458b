//! The source files, and the lines of them that are code.

use std::fs;
use std::path::{Path, PathBuf};

/// A file under `src`.
pub struct Source {
    /// Its path below `src`, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The folder of the sources.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All files under `src` with one of these endings, in the order of their paths.
pub fn all(endings: &[&str]) -> Vec<Source> {
    let files = walkdir::WalkDir::new(folder()).sort_by_file_name();
    files
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|e| endings.iter().any(|&end| e == end)))
        .map(|path| Source { path: below(&path), text: fs::read_to_string(&path).unwrap() })
        .collect()
}

fn below(path: &Path) -> String {
    path.strip_prefix(folder()).unwrap().to_string_lossy().replace('\\', "/")
}

impl Source {
    /// The top-level module the file belongs to: `stats` for `stats/hsic.rs`, `main` for `main.rs`.
    pub fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The file without comments and without unit tests at its end, whitespace as it is.
    pub fn code(&self) -> String {
        let shipped = self.text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = shipped.lines().map(|line| match line.trim_start().starts_with("//") {
            true => "",
            false => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
