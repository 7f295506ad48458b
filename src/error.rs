//! The one error type of the library: every message says what was wrong, where, and what to do.
//!
//! Messages are one line, lower-case, and begin with what failed. What libtorch said beyond its
//! first line is kept apart ([`Error::detail`]) for those who ask for it.

mod visible;

use std::path::{Path, PathBuf};

pub use visible::{visible, visible_json, visible_lines};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in repsim.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read, created or written.
    #[error("failed to {action} {}: {}", path.display(), reason(source))]
    Io {
        /// What was tried: "read", "write", "create".
        action: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// An input file is not what it has to be.
    #[error("failed to {action} {}: {problem}; {remedy}", path.display())]
    File {
        /// What was tried: "decode", "load".
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        remedy: String,
    },

    /// Options or values that do not go together.
    #[error("{problem}; {remedy}")]
    Usage {
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: String,
    },

    /// Arrays whose shapes do not fit each other.
    #[error(
        "failed to {action}: {left_name} has shape {left:?} but {right_name} has {right:?}; {remedy}"
    )]
    Shape {
        /// What was tried.
        action: &'static str,
        /// The first array.
        left_name: String,
        /// Its shape.
        left: Box<[usize]>,
        /// The second array.
        right_name: String,
        /// Its shape.
        right: Box<[usize]>,
        /// What to do about it.
        remedy: String,
    },

    /// A model could not be loaded, or did not run on the input it was given.
    #[error("failed to {action} {}: {problem}; {remedy}", path.display())]
    Model {
        /// What was tried: "load", "run".
        action: &'static str,
        /// The archive.
        path: PathBuf,
        /// What is wrong: libtorch's first line, or our own words.
        problem: String,
        /// What to do about it.
        remedy: String,
        /// Everything libtorch said.
        detail: String,
    },

    /// A layer that cannot give what was asked of it.
    #[error("layer {layer} of {} {problem}; {remedy}", path.display())]
    Layer {
        /// The layer's dotted name.
        layer: String,
        /// The archive it belongs to.
        path: PathBuf,
        /// What is wrong with it: "did not run", "gave no tensor".
        problem: String,
        /// What to do about it.
        remedy: String,
    },
}

impl Error {
    /// An operating-system error with the path it belongs to.
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { action, path: path.as_ref().to_owned(), source }
    }

    /// An input file that is not what it has to be.
    pub fn file(
        action: &'static str,
        path: impl AsRef<Path>,
        problem: impl ToString,
        remedy: impl ToString,
    ) -> Self {
        Self::File {
            action,
            path: path.as_ref().to_owned(),
            problem: one_line(problem),
            remedy: one_line(remedy),
        }
    }

    /// Options or values that do not go together.
    pub fn usage(problem: impl ToString, remedy: impl ToString) -> Self {
        Self::Usage { problem: one_line(problem), remedy: one_line(remedy) }
    }

    /// Two arrays, each with its name and shape, that do not fit each other.
    pub fn shape(
        action: &'static str,
        (left_name, left): (impl ToString, &[usize]),
        (right_name, right): (impl ToString, &[usize]),
        remedy: impl ToString,
    ) -> Self {
        Self::Shape {
            action,
            left_name: one_line(left_name),
            left: left.into(),
            right_name: one_line(right_name),
            right: right.into(),
            remedy: one_line(remedy),
        }
    }

    /// What a library said at length, where the message shows its first line only.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Model { detail, .. } if !detail.is_empty() => Some(detail),
            _ => None,
        }
    }
}

/// The operating system's words without Rust's "(os error N)".
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => "unknown error".to_owned(),
    }
}

/// The name that is most like a text, by Jaro–Winkler without regard to capitals and `_` for `-`; one that
/// is a whole word of the text, or of which the text is one, goes before. `None` where no name is much like
/// it.
pub fn closest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.trim().to_lowercase().replace([' ', '_'], "-");
    let text = plain(text);
    let holds = |whole: &str, word: &str| word.len() > 2 && whole.split('-').any(|w| w == word);
    let likeness = |name: &str| {
        let name = plain(name);
        match holds(&text, &name) || holds(&name, &text) {
            true => 2.0,
            false => strsim::jaro_winkler(&text, &name),
        }
    };
    let scored = names.into_iter().map(|name| (likeness(name), name));
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.filter(|(score, _)| *score >= LIKE).map(|(_, name)| name)
}

/// Likeness below which a name is not a likely slip of another.
const LIKE: f64 = 0.6;

/// `did you mean cka? there are cka, hsic`, or what there is where nothing is alike.
pub fn did_you_mean(text: &str, names: &[&str]) -> String {
    let all = names.join(", ");
    match closest(text, names.iter().copied()) {
        Some(name) => format!("did you mean {name}? there are {all}"),
        None => format!("there are {all}"),
    }
}

/// Letters of a glob pattern, and how deep its braces may nest: they are compiled one within another.
const LONGEST_GLOB: usize = 1000;
const DEEPEST_GLOB: usize = 8;

/// Refuses a glob pattern that no name is worth.
///
/// # Errors
/// It is too long, or nests too deep.
pub fn check_glob(glob: &str) -> Result<(), String> {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for letter in glob.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    match () {
        () if glob.len() > LONGEST_GLOB => {
            Err(format!("it has {} bytes, and {LONGEST_GLOB} at most are read", glob.len()))
        }
        () if deepest > DEEPEST_GLOB => Err(format!("its braces nest deeper than {DEEPEST_GLOB}")),
        () => Ok(()),
    }
}

/// A message on one line, whatever the library behind it wrote.
fn one_line(text: impl ToString) -> String {
    text.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_line_and_say_what_to_do() {
        let e = Error::file("decode", "a/b.png", "unexpected\nend", "replace the file");
        assert_eq!(e.to_string(), "failed to decode a/b.png: unexpected end; replace the file");
    }

    #[test]
    fn slips_find_their_name() {
        let names = ["cka", "mutual-knn", "distance-correlation", "linear-regression"];
        let found = |text| closest(text, names);
        assert_eq!(
            ["CKA", "linear-cka", "knn"].map(found),
            [Some("cka"), Some("cka"), Some("mutual-knn")]
        );
        assert_eq!(found("mutual_knn"), Some("mutual-knn"));
        assert_eq!(
            (found("distance-corelation"), found("zzz")),
            (Some("distance-correlation"), None)
        );
        assert_eq!(did_you_mean("zzz", &["a", "b"]), "there are a, b");
    }

    #[test]
    fn io_errors_lose_their_number() {
        let source = std::io::Error::from_raw_os_error(2);
        let text = Error::io("read", "x", source).to_string();
        assert_eq!(text, "failed to read x: no such file or directory");
    }
}
