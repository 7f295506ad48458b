//! Rows of samples, as files of their own.

use super::distance::SampleRow;
use crate::error::{Error, Result, visible, visible_json};

/// JSON objects, a line each.
///
/// # Errors
/// A row cannot be written.
pub fn jsonl(rows: &[SampleRow]) -> Result<Vec<u8>> {
    lines(rows).map_err(|e| failed(&e.to_string()))
}

/// Comma-separated values under a header.
///
/// # Errors
/// A row cannot be written.
pub fn csv(rows: &[SampleRow]) -> Result<Vec<u8>> {
    separated(rows).map_err(|e| failed(&e.to_string()))
}

fn failed(why: &str) -> Error {
    Error::usage(format!("failed to write rows of samples: {why}"), "please report this")
}

fn lines(rows: &[SampleRow]) -> serde_json::Result<Vec<u8>> {
    let mut bytes = vec![];
    for row in rows {
        bytes.extend(visible_json(&serde_json::to_string(row)?).bytes());
        bytes.push(b'\n');
    }
    Ok(bytes)
}

fn separated(rows: &[SampleRow]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
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
