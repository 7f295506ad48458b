//! A folder of images.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::kinds::{Looks, looks};
use super::{Form, Sample, Source, SourceKind, decode};
use crate::error::{Error, Result};
use crate::files;

/// What to do about an image that cannot be used.
const REMEDY: &str = "replace the file, or go on without it by --skip-unreadable";

/// The most bytes of a file.
const LARGEST: u64 = 1 << 30;

/// What is wrong with a link whose target is not there.
const DANGLING: &str = "it is a link to something that is not there";

/// The images under a folder, at any depth, sorted by the bytes of their relative names.
///
/// Links to files and to folders are followed, as torchvision's `ImageFolder` does; a link to a
/// folder that it lies in is not, for all that lies there is listed already. Hidden files and
/// folders, `__MACOSX` and files of other kinds are passed over. The sub-folders directly below
/// are the classes; where an image lies beside them, outside of any class, all images are used but
/// none is labelled.
pub(super) struct Folder {
    root: PathBuf,
    files: Vec<Image>,
    /// Names of the files that look like pictures of kinds that are not read.
    unread: Vec<String>,
    labels: Option<Vec<usize>>,
    classes: Vec<String>,
}

struct Image {
    name: String,
    path: PathBuf,
}

impl Folder {
    /// Lists a folder, which may hold no image.
    ///
    /// # Errors
    ///
    /// A folder that cannot be read; a link that leads nowhere and is not named as a file.
    pub fn open(root: &Path) -> Result<Self> {
        let (mut read, mut unread) = (vec![], vec![]);
        let walk = WalkDir::new(root).follow_links(true).sort_by_file_name();
        for entry in walk.into_iter().filter_entry(|e| e.depth() == 0 || !is_passed_over(e)) {
            refuse_wide(root, &entry)?;
            let Some(path) = file(root, entry)? else { continue };
            match looks(&path.file_name().unwrap_or_default().to_string_lossy()) {
                Looks::Picture => read.push(path),
                Looks::Unread => unread.push(path),
                Looks::Other => {}
            }
        }
        read.sort_by(|a, b| bytes_of(a).cmp(bytes_of(b)));
        unread.sort_by(|a, b| bytes_of(a).cmp(bytes_of(b)));
        let (labels, classes) = label(root, &read);
        let unread = unread.iter().map(|path| name_of(below(root, path))).collect();
        let image = |path: PathBuf| Image { name: name_of(below(root, &path)), path };
        let files = read.into_iter().map(image).collect();
        Ok(Self { root: root.to_owned(), files, unread, labels, classes })
    }
}

/// Refuses a link that leads to far more than data. Where that may not even be opened, nobody says which link it
/// was, and all are looked at without following them.
fn refuse_wide(root: &Path, entry: &walkdir::Result<DirEntry>) -> Result<()> {
    match entry {
        Ok(entry) if entry.depth() > 0 && entry.path_is_symlink() => refuse_link(root, entry),
        Err(error) if error.path().is_none() && error.loop_ancestor().is_none() => {
            let links = WalkDir::new(root).min_depth(1).into_iter().flatten();
            let mut links = links.filter(DirEntry::path_is_symlink);
            links.try_for_each(|link| refuse_link(root, &link))
        }
        _ => Ok(()),
    }
}

fn refuse_link(root: &Path, link: &DirEntry) -> Result<()> {
    let Ok((folder, target)) =
        root.canonicalize().and_then(|f| Ok((f, link.path().canonicalize()?)))
    else {
        return Ok(());
    };
    match target.is_dir() && files::is_too_wide(&folder, &target) {
        false => Ok(()),
        true => {
            let problem =
                format!("it is a link to {}, which holds more than data", target.display());
            Err(Error::file("read", link.path(), problem, "remove the link"))
        }
    }
}

/// The file that the walk came to; `None` for a folder, and for a link back to one above it.
fn file(root: &Path, entry: walkdir::Result<DirEntry>) -> Result<Option<PathBuf>> {
    let error = match entry {
        Ok(entry) => return Ok(entry.file_type().is_file().then(|| entry.into_path())),
        Err(error) if error.loop_ancestor().is_some() => return Ok(None),
        Err(error) => error,
    };
    let path = error.path().unwrap_or(root).to_owned();
    let name = path.file_name().unwrap_or_default();
    if !path.is_symlink() || is_hidden(name) {
        return if is_hidden(name) { Ok(None) } else { Err(Error::io("read", path, error.into())) };
    }
    // At the top it may have been a class, whatever its name.
    let is_class = path.parent() == Some(root) && looks(&name.to_string_lossy()) == Looks::Other;
    match path.extension().filter(|_| !is_class) {
        Some(_) => Ok(Some(path)),
        None => Err(Error::file("open", path, DANGLING, "mend the link, or remove it")),
    }
}

fn is_passed_over(entry: &DirEntry) -> bool {
    is_hidden(entry.file_name()) || entry.file_name() == "__MACOSX"
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn below<'a>(root: &Path, path: &'a Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}

fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// A relative path as text, its parts joined by `/`.
fn name_of(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(printed).collect();
    parts.join("/")
}

/// A part of a path as text that no other has: bytes that are not UTF-8 are written `\xff`, and
/// backslashes doubled.
fn printed(part: &OsStr) -> String {
    let mut text = String::new();
    for chunk in part.as_encoded_bytes().utf8_chunks() {
        text += &chunk.valid().replace('\\', "\\\\");
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// The class of each image and the classes' names, where every image is in a sub-folder.
fn label(root: &Path, files: &[PathBuf]) -> (Option<Vec<usize>>, Vec<String>) {
    let folder_of = |path: &PathBuf| -> Option<OsString> {
        let mut parts = below(root, path).iter();
        let first = parts.next()?;
        parts.next().map(|_| first.to_owned())
    };
    let folders: Option<Vec<OsString>> = files.iter().map(folder_of).collect();
    let Some(folders) = folders else { return (None, vec![]) };
    let mut classes = folders.clone();
    classes.sort_unstable();
    classes.dedup();
    let labels = folders.iter().map(|folder| classes.partition_point(|c| c < folder)).collect();
    (Some(labels), classes.iter().map(|class| printed(class)).collect())
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

    fn unread(&self) -> &[String] {
        &self.unread
    }

    fn read(&self, index: usize, bytes: &mut Vec<u8>) -> Result<()> {
        let path = &self.files[index].path;
        bytes.clear();
        let read = files::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(bytes));
        match read {
            Ok(count) if count as u64 > LARGEST => {
                let problem = format!("it has more than {} MiB", LARGEST >> 20);
                Err(Error::file("read", path, problem, REMEDY))
            }
            Ok(_) => Ok(()),
            Err(e) => Err(match e.kind() {
                ErrorKind::NotFound if path.is_symlink() => {
                    Error::file("read", path, DANGLING, REMEDY)
                }
                ErrorKind::InvalidInput => Error::file("read", path, e, REMEDY),
                kind => Error::file("read", path, kind, REMEDY),
            }),
        }
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
