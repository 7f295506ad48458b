//! A folder of images.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::{Form, Sample, Source, SourceKind, decode};
use crate::error::{Error, Result};

/// What to do about an image that cannot be used.
const REMEDY: &str = "replace the file, or go on without it by --skip-unreadable";

/// The images under a folder, at any depth, sorted by the bytes of their relative names.
///
/// Hidden files and folders, other extensions, and links to folders are passed over. The
/// sub-folders directly below are the classes; where an image lies beside them, outside of any
/// class, all images are used but none is labelled.
pub(super) struct Folder {
    root: PathBuf,
    files: Vec<Image>,
    labels: Option<Vec<usize>>,
    classes: Vec<String>,
}

struct Image {
    name: String,
    path: PathBuf,
}

impl Folder {
    /// Lists a folder; `None` where it holds no image.
    pub fn open(root: &Path) -> Result<Option<Self>> {
        let mut files = vec![];
        let walk = WalkDir::new(root).into_iter().filter_entry(|e| e.depth() == 0 || !hidden(e));
        for entry in walk {
            let entry = entry.map_err(|e| unlisted(root, e))?;
            if is_image(&entry.file_name().to_string_lossy()) && is_file(&entry) {
                files.push(Image { name: relative(root, entry.path()), path: entry.into_path() });
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let (labels, classes) = label(&files);
        let root = root.to_owned();
        Ok((!files.is_empty()).then_some(Self { root, files, labels, classes }))
    }
}

/// Whether a file's name ends as an image's.
pub(super) fn is_image(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg" | "bmp" | "webp"))
}

fn hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

fn is_file(entry: &DirEntry) -> bool {
    let kind = entry.file_type();
    kind.is_file() || (kind.is_symlink() && entry.path().is_file())
}

fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

fn unlisted(root: &Path, error: walkdir::Error) -> Error {
    let path = error.path().unwrap_or(root).to_owned();
    Error::io("read", path, error.into())
}

/// The class of each image and the classes' names, where every image is in a sub-folder.
fn label(files: &[Image]) -> (Option<Vec<usize>>, Vec<String>) {
    let Some(folders) = files.iter().map(|f| Some(f.name.split_once('/')?.0)).collect() else {
        return (None, vec![]);
    };
    let folders: Vec<&str> = folders;
    let mut classes = folders.clone();
    classes.sort_unstable();
    classes.dedup();
    let labels = folders.iter().map(|f| classes.partition_point(|c| c < f)).collect();
    (Some(labels), classes.into_iter().map(str::to_owned).collect())
}

impl Source for Folder {
    fn kind(&self) -> SourceKind {
        SourceKind::ImageFolder
    }

    fn form(&self) -> Form {
        Form::Pixels
    }

    fn len(&self) -> usize {
        self.files.len()
    }

    fn name(&self, index: usize) -> String {
        self.files[index].name.clone()
    }

    fn labels(&self) -> Option<&[usize]> {
        self.labels.as_deref()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn read(&self, index: usize, bytes: &mut Vec<u8>) -> Result<()> {
        let path = &self.files[index].path;
        bytes.clear();
        let read = File::open(path).and_then(|mut file| file.read_to_end(bytes));
        read.map(drop).map_err(|e| Error::file("read", path, e.kind(), REMEDY))
    }

    fn decode<'a>(
        &'a self,
        index: usize,
        bytes: &'a [u8],
        spare: &'a mut Vec<u8>,
    ) -> Result<Sample<'a>> {
        let path = &self.files[index].path;
        match decode::decode(bytes, spare) {
            Ok(picture) => Ok(Sample::Pixels(picture)),
            Err(problem) => Err(Error::file("decode", path, problem, REMEDY)),
        }
    }
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Folder").field("root", &self.root).field("len", &self.files.len()).finish()
    }
}
