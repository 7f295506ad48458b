//! Reports read back from their files, whichever kind they are of.

use std::borrow::Cow;
use std::path::Path;

use serde_json::Value;

use super::kinds::AnyReport;
use super::{SchemaId, schema};
use crate::error::{Error, Result, visible};
use crate::files::{self, MOST_TEXT};

impl AnyReport {
    /// Reads a report from a file.
    ///
    /// # Errors
    /// There is no such file, it is not JSON (cut short, perhaps), of another tool, of an unknown kind or
    /// version, or something in it is missing.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&text_of(path)?).map_err(|problem| wrong(path, problem))
    }

    /// Reads a report to be looked at: names in it are shown as [`visible`] shows them.
    ///
    /// # Errors
    /// As [`AnyReport::read`].
    pub fn read_visible(path: &Path) -> Result<Self> {
        let text = text_of(path)?;
        let mut value: Value = serde_json::from_str(&text).map_err(|e| wrong(path, broken(&e)))?;
        show(&mut value);
        Self::of_value(value).map_err(|problem| wrong(path, problem))
    }

    /// Reads a report from its text; the error says what is wrong with it.
    ///
    /// # Errors
    /// As [`AnyReport::read`].
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::of_value(serde_json::from_str(text).map_err(|e| broken(&e))?)
    }

    fn of_value(value: Value) -> Result<Self, String> {
        let id = value.get("schema").cloned().unwrap_or_default();
        let id: SchemaId = serde_json::from_value(id)
            .map_err(|_| "it is JSON, but not a report of repsim: it has no schema".to_owned())?;
        if schema(&id.name).is_err() {
            return Err(format!("it is a report of an unknown kind, '{}'", id.name));
        }
        let current = SchemaId::current(&id.name).version;
        if id.version != current {
            return Err(format!(
                "it is a report in version {} of {}, and this is version {current}",
                id.version, id.name
            ));
        }
        let report = Self::of(&id.name, value)
            .ok_or_else(|| format!("{} is not a report of a measurement", id.name))?;
        report.map_err(|e| format!("something in it is missing or wrong: {e}"))
    }
}

fn wrong(path: &Path, problem: String) -> Error {
    let remedy = "give a report that this version of repsim wrote with -o FILE";
    Error::file("read", path, problem, remedy)
}

/// Shows the hidden characters of all texts; of keys those that differ, which are names too.
fn show(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(shown) = visible(text) {
                *text = shown;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(show),
        Value::Object(fields) => {
            fields.values_mut().for_each(show);
            if fields.keys().any(|key| matches!(visible(key), Cow::Owned(_))) {
                let held = std::mem::take(fields).into_iter();
                *fields = held.map(|(key, value)| (visible(&key).into_owned(), value)).collect();
            }
        }
        _ => {}
    }
}

/// The text of a file that is to be a report.
///
/// # Errors
/// It cannot be read, or is not text: what it is instead.
pub fn text_of(path: &Path) -> Result<String> {
    let bytes = files::read(path, MOST_TEXT)?;
    let wrong = |what: &str| {
        let problem = format!("it is {what}, not a report");
        Error::file("read", path, problem, "give the .json that repsim wrote with -o FILE")
    };
    if let Some(what) = what_it_is(path, &bytes) {
        return Err(wrong(&what));
    }
    // No text of JSON holds a zero.
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(wrong("a file of bytes")),
    }
}

/// What a file that is not text is, by how it begins.
const STARTS: [(&[u8], &str); 14] = [
    (b"\x80", "a pickle (weights of an older PyTorch)"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"\x89HDF", "an HDF5 file (weights of Keras)"),
    (b"GGUF", "a GGUF file (weights)"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8", "a picture"),
    (b"GIF8", "a picture"),
    (b"BM", "a picture"),
    (b"II*\0", "a picture"),
    (b"RIFF", "a picture"),
    (b"<svg", "a picture"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"<!", "a page of HTML"),
];

/// What a file is that is not text; `None` where it may be one.
fn what_it_is(path: &Path, bytes: &[u8]) -> Option<String> {
    let at = |from: usize, what: &[u8]| bytes.get(from..from + what.len()) == Some(what);
    let ends = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"));
    let named = match STARTS.iter().find(|(start, _)| bytes.starts_with(start)) {
        Some((_, what)) => what,
        None if bytes.starts_with(b"PK") => what_archive(bytes),
        None if at(8, b"{\"") => "a .safetensors file (weights)",
        None if at(4, b"TFL3") => "a TensorFlow Lite model",
        None if at(4, b"ET1") => "an ExecuTorch program",
        None if ends || bytes.starts_with(b"\x08") => "an ONNX model",
        None => return None,
    };
    Some(named.to_owned())
}

/// What a zip archive is, by the names of its members.
fn what_archive(bytes: &[u8]) -> &'static str {
    let archive = zip::ZipArchive::new(std::io::Cursor::new(bytes));
    let names: Vec<String> =
        archive.map(|a| a.file_names().map(str::to_owned).collect()).unwrap_or_default();
    let any = |part: &str| names.iter().any(|name| name.contains(part));
    match () {
        () if any(".npy") => "an .npz archive of NumPy",
        () if any("/code/") || any("/constants.pkl") => "a TorchScript model",
        () if any("exported_program") || any("/models/model.json") => "a torch.export archive",
        () if any("/data.pkl") => "a file of weights of PyTorch (.pth)",
        () if any("model.weights.h5") => "a Keras model",
        () => "a zip archive",
    }
}

fn broken(error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    match error.is_eof() {
        true => format!("it ends in the middle, at {place}: was it cut short?"),
        false => format!("it is not JSON: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &str) -> String {
        AnyReport::parse(text).err().unwrap_or_default()
    }

    #[test]
    fn what_is_no_report_is_told() {
        assert!(says("{\"schema\": {\"name\": \"cka\"").contains("cut short"));
        assert!(says("").contains("cut short"));
        assert!(says("hello").contains("not JSON"));
        assert!(says("{\"fid\": 3.0}").contains("not a report of repsim"));
        assert!(says("[1]").contains("not a report of repsim"));
        let of = |name: &str, version: u32| {
            says(&format!("{{\"schema\": {{\"name\": \"{name}\", \"version\": {version}}}}}"))
        };
        assert!(of("cosine", 1).contains("'cosine'"));
        assert!(of("cka", 7).contains("version 7"));
        assert!(of("cka", 1).contains("missing field"));
    }
}
