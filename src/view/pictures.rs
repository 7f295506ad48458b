//! Pictures that runs wrote beside their reports.

use std::path::{Path, PathBuf};

use super::file_name;
use crate::error::{Error, Result};
use crate::files::{self, MOST_TEXT};
use crate::render::html::{Markup, Picture, Section, html};
use crate::report::{PictureFile, Report, sha256_of_file};

/// The pictures that a report names: each is shown, or said to be missing.
pub fn of<S, R>(report: &Report<S, R>, path: &Path) -> Markup {
    html! {
        @for picture in &report.pictures {
            h3 { (picture.shows) }
            (drawn(picture, path))
        }
    }
}

fn drawn(picture: &PictureFile, report: &Path) -> Markup {
    let caption = format!("{}, as written to {}", picture.shows, picture.path);
    match found(picture, report) {
        Ok(path) => match embedded(&path, &caption) {
            Ok(picture) => picture,
            Err(error) => html! { p.small { "The picture is not shown: " (error) "." } },
        },
        Err(problem) => html! { p.small { "The picture is not shown: " (problem) "." } },
    }
}

/// Where the picture is now: beside the report, or where the run was asked to write it.
fn found(picture: &PictureFile, report: &Path) -> Result<PathBuf, String> {
    let named = Path::new(&picture.path);
    let beside = report.parent().unwrap_or(Path::new("")).join(named);
    let Some(path) = [beside, named.to_owned()].into_iter().find(|p| p.is_file()) else {
        return Err(format!("there is no {} any more", picture.path));
    };
    match sha256_of_file(&path) {
        Ok(hash) if hash == picture.sha256 => Ok(path),
        Ok(_) => Err(format!("{} is no longer the file that the run wrote", picture.path)),
        Err(error) => Err(error.to_string()),
    }
}

/// A section of pictures that were given by hand.
///
/// # Errors
/// One cannot be read, or unsupported file extension.
pub fn section(paths: &[PathBuf]) -> Result<Section> {
    let pictures: Result<Vec<Markup>> =
        paths.iter().map(|path| embedded(path, &file_name(&path.display().to_string()))).collect();
    let pictures = pictures?;
    Ok(Section {
        id: "pictures".to_owned(),
        source: String::new(),
        words: String::new(),
        kind: "Pictures".to_owned(),
        title: "Pictures beside the reports".to_owned(),
        lead: "These were added when the page was made; no report says what they show.".to_owned(),
        body: html! { @for picture in &pictures { (picture) } },
    })
}

fn embedded(path: &Path, caption: &str) -> Result<Markup> {
    let bytes = files::read(path, MOST_TEXT)?;
    let mime = mime(&bytes).ok_or_else(|| {
        let remedy = "give a .png, .jpg, .webp or .svg";
        Error::file("show", path, "it is not a picture that a page can hold", remedy)
    })?;
    Ok(Picture { caption, mime, bytes: &bytes }.draw())
}

/// The kind of a picture by its first bytes.
fn mime(bytes: &[u8]) -> Option<&'static str> {
    let text = || String::from_utf8_lossy(&bytes[..bytes.len().min(512)]).into_owned();
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ if text().contains("<svg") => Some("image/svg+xml"),
        _ => None,
    }
}
