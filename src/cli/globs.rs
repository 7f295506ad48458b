//! File names given as a glob in quotation marks, which the shell did not expand.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use globset::GlobBuilder;
use walkdir::{DirEntry, WalkDir};

use crate::error::check_glob;

/// What a path on the command line stands for: itself, or the files that a glob matches, in natural order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded(Vec<PathBuf>);

/// The most files of one glob.
const MOST: usize = 10_000;

impl Expanded {
    /// Reads paths and globs.
    pub fn parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().try_map(Self::parse)
    }

    /// A path or a glob. A file that is there is meant, whatever its name looks like.
    fn parse(given: OsString) -> Result<Self, String> {
        let path = PathBuf::from(&given);
        match given.to_str().filter(|text| text.contains(['*', '?', '[']) && !path.exists()) {
            Some(text) => matching(text).map(Self),
            None if given.is_empty() => Err("a path is not empty".to_owned()),
            None => Ok(Self(vec![path])),
        }
    }

    /// The files of several.
    pub fn all<'a>(given: impl IntoIterator<Item = &'a Self>) -> Vec<PathBuf> {
        given.into_iter().flat_map(|one| one.0.iter().cloned()).collect()
    }
}

impl From<&str> for Expanded {
    fn from(path: &str) -> Self {
        Self(vec![path.into()])
    }
}

/// The files, and folders of features, that a glob matches: `*` and `?` within a name, `**` over folders.
fn matching(text: &str) -> Result<Vec<PathBuf>, String> {
    check_glob(text)?;
    let built = GlobBuilder::new(text).literal_separator(true).backslash_escape(false).build();
    let matcher =
        built.map_err(|e| format!("it is not a pattern: {}", e.kind()))?.compile_matcher();
    let (root, depth) = place(Path::new(text));
    let walk = WalkDir::new(if root.as_os_str().is_empty() { Path::new(".") } else { &root });
    let files = walk.max_depth(depth).follow_links(true).into_iter().flatten();
    let named = files.filter(is_meant).map(|entry| {
        let path = entry.into_path();
        path.strip_prefix(".").map(Path::to_owned).unwrap_or(path)
    });
    let mut found: Vec<PathBuf> =
        named.filter(|path| matcher.is_match(path)).take(MOST + 1).collect();
    found.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
    match found.len() {
        0 => Err("no file matches this pattern".to_owned()),
        count if count > MOST => Err(format!("more than {MOST} files match this pattern")),
        _ => Ok(found),
    }
}

/// A file, or a folder of features.
fn is_meant(entry: &DirEntry) -> bool {
    entry.file_type().is_file() || entry.path().join("features.json").is_file()
}

/// The folder below which a glob can match, and how many levels deep.
fn place(pattern: &Path) -> (PathBuf, usize) {
    let parts: Vec<Component<'_>> =
        pattern.components().filter(|part| *part != Component::CurDir).collect();
    let is_plain =
        |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    let plain = parts.iter().take_while(|part| is_plain(part)).count();
    let deep = parts.iter().any(|part| part.as_os_str().to_string_lossy().contains("**"));
    let depth = if deep { usize::MAX } else { parts.len() - plain };
    (parts[..plain].iter().collect(), depth)
}

/// The order in which people count: `epoch2` before `epoch10`. Runs of digits are compared as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (x, y) = match (left.chars().next(), right.chars().next()) {
            (Some(x), Some(y)) => (x, y),
            (None, None) => return a.cmp(b),
            (one, other) => return one.cmp(&other),
        };
        let number = x.is_ascii_digit() && y.is_ascii_digit();
        let [m, n] = match number {
            true => [left, right].map(digits),
            false => [x.len_utf8(), y.len_utf8()],
        };
        let order = match number {
            true => as_numbers(&left[..m], &right[..n]),
            false => x.cmp(&y),
        };
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (&left[m..], &right[n..]);
    }
}

/// How many digits a text begins with.
fn digits(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
}

/// Digits of any number, as numbers.
fn as_numbers(a: &str, b: &str) -> Ordering {
    let [a, b] = [a, b].map(|digits| digits.trim_start_matches('0'));
    a.len().cmp(&b.len()).then(a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_counted() {
        let mut names = ["e10.pt", "e2.pt", "e1.pt", "e.pt", "f1", "e02.pt", "e2-3.pt", "e2-12.pt"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            ["e.pt", "e1.pt", "e2-3.pt", "e2-12.pt", "e02.pt", "e2.pt", "e10.pt", "f1"]
        );
        let long = [
            "step99999999999999999999998",
            "step99999999999999999999999",
            "step100000000000000000000000",
        ];
        let mut sorted = long;
        sorted.reverse();
        sorted.sort_by(|a, b| natural(a, b));
        assert_eq!(sorted, long);
    }

    #[test]
    fn a_glob_is_looked_for_where_it_can_match() {
        for (pattern, root, depth) in [
            ("runs/a/e*.pt", "runs/a", 1),
            ("*/e*.pt", "", 2),
            ("./e*.pt", "", 1),
            ("/x/**/e.pt", "/x", usize::MAX),
        ] {
            assert_eq!(place(Path::new(pattern)), (PathBuf::from(root), depth), "{pattern}");
        }
    }
}
