//! Small pictures of samples beside what is said of them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Place;
use crate::files;
use crate::render::html::{Column, Entry};
use crate::render::thumbnail;
use crate::report::DataInput;

/// The most bytes of an image file that is read for a small picture.
const MOST_OF_A_FILE: u64 = 1 << 25;

/// The most bytes that the small pictures of a page take, as they stand in it.
const MOST_OF_A_PAGE: usize = 3 << 20;

/// The most small pictures of a page.
const MOST_PICTURES: usize = 1500;

/// The small pictures of a page, each read once, up to a number and a size.
#[derive(Default)]
pub struct Sights {
    known: RefCell<HashMap<PathBuf, Option<String>>>,
    count: Cell<usize>,
    bytes: Cell<usize>,
}

impl Sights {
    /// The small picture of a file as an address of its data; none where it cannot be read or the page has enough.
    fn of(&self, file: PathBuf) -> Option<String> {
        let mut known = self.known.borrow_mut();
        let address = known.entry(file).or_insert_with_key(|file| read(file)).clone()?;
        let (count, bytes) = (self.count.get() + 1, self.bytes.get() + address.len());
        if count > MOST_PICTURES || bytes > MOST_OF_A_PAGE {
            return None;
        }
        self.count.set(count);
        self.bytes.set(bytes);
        Some(address)
    }
}

fn read(file: &Path) -> Option<String> {
    let bytes = files::read(file, MOST_OF_A_FILE).ok()?;
    let (mime, small) = thumbnail(&bytes)?;
    Some(format!("data:{mime};base64,{}", STANDARD.encode(small)))
}

/// Puts the pictures of the samples of a table's rows behind its first column, where there is one at all.
pub fn beside<'a>(
    columns: &mut Vec<Column>,
    rows: &mut [Vec<Entry>],
    samples: impl Iterator<Item = &'a str>,
    (place, data): (Place<'_>, Option<&DataInput>),
) {
    let Some(data) = data else { return };
    let pictures: Vec<Option<String>> =
        samples.map(|sample| picture(sample, place, data)).collect();
    if pictures.iter().all(Option::is_none) {
        return;
    }
    columns.insert(1, Column::sight("picture"));
    for (row, picture) in rows.iter_mut().zip(pictures) {
        row.insert(1, Entry::picture(picture));
    }
}

/// The small picture of a sample of a folder, which lies where the run found it or beside the report.
fn picture(sample: &str, place: Place<'_>, data: &DataInput) -> Option<String> {
    let name = Path::new(sample);
    let inside = name.components().all(|part| matches!(part, Component::Normal(_)));
    let folder = Path::new(&data.path);
    let beside = place.path.parent().unwrap_or(Path::new("")).join(folder);
    let files = [folder.join(name), beside.join(name)];
    let file = files.into_iter().find(|file| inside && file.is_file())?;
    place.sights.of(file)
}
