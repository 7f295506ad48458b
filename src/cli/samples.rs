//! Files with a row a sample.

use std::path::Path;

use super::outputs;
use crate::error::{Error, Result, visible, visible_json};
use crate::report::distance::SampleRow;

/// Checks that the file's format can be told.
///
/// # Errors
/// Its name ends neither in `.jsonl` nor in `.csv`.
pub fn check(path: &Path) -> Result<()> {
    match is(path, "jsonl") || is(path, "csv") {
        true => Ok(()),
        false => {
            let remedy = "end its name in .jsonl or .csv";
            Err(Error::file("write", path, "unsupported file extension", remedy))
        }
    }
}

fn is(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
}

/// Writes the rows: JSON objects a line, or comma-separated values under a header.
///
/// # Errors
/// The file cannot be written; it is there whole or not at all.
pub fn write(path: &Path, rows: &[SampleRow]) -> Result<()> {
    let failed = |e: String| Error::file("write", path, e, "please report this");
    let bytes = match is(path, "csv") {
        true => csv(rows).map_err(|e| failed(e.to_string()))?,
        false => jsonl(rows).map_err(|e| failed(e.to_string()))?,
    };
    outputs::write(path, &bytes)
}

fn jsonl(rows: &[SampleRow]) -> serde_json::Result<Vec<u8>> {
    let mut bytes = vec![];
    for row in rows {
        bytes.extend(visible_json(&serde_json::to_string(row)?).bytes());
        bytes.push(b'\n');
    }
    Ok(bytes)
}

fn csv(rows: &[SampleRow]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut writer = csv::Writer::from_writer(vec![]);
    let name = |name: &String| visible(name).into_owned();
    for row in rows {
        writer.serialize(SampleRow {
            sample: name(&row.sample),
            nearest_class: row.nearest_class.as_ref().map(name),
            label: row.label.as_ref().map(name),
            predicted: row.predicted.as_ref().map(name),
            ..row.clone()
        })?;
    }
    writer.flush()?;
    Ok(writer.into_inner().map_err(|e| e.to_string())?)
}
