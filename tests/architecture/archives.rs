//! The archives that are checked in hold no path of the machine that made them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use zip::ZipArchive;

/// Folders that an absolute path begins with.
const ROOTS: [&str; 8] =
    ["/home/", "/root/", "/work/", "/tmp/", "/usr/", "/opt/", "/Users/", "site-packages/"];

/// Every archive below a folder.
fn archives(folder: &Path) -> Vec<PathBuf> {
    let below = |path: PathBuf| match path.is_dir() {
        true => archives(&path),
        false => vec![path],
    };
    let all = fs::read_dir(folder).unwrap().flat_map(|entry| below(entry.unwrap().path()));
    all.filter(|path| path.extension().is_some_and(|e| e == "pt" || e == "pt2")).collect()
}

/// Names and bytes of the records of an archive; of one that is cut short, all it has.
fn records(path: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(mut archive) = ZipArchive::new(File::open(path).unwrap()) else {
        return vec![("cut short".to_owned(), fs::read(path).unwrap())];
    };
    let count = archive.len();
    let record = |index| {
        let mut entry = archive.by_index(index).unwrap();
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).unwrap();
        (entry.name().to_owned(), bytes)
    };
    (0..count).map(record).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn no_archive_holds_a_path_of_a_machine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all: Vec<PathBuf> = ["tests/golden", "examples"]
        .iter()
        .flat_map(|folder| archives(&root.join(folder)))
        .collect();
    assert!(all.len() > 30, "{} archives", all.len());
    for path in all {
        for (name, bytes) in records(&path) {
            let what = format!("{name} of {}", path.display());
            assert!(!name.ends_with(".debug_pkl"), "{what} repeats the paths of source files");
            // Weights are bytes of any kind.
            if !name.contains("/data/") && !name.contains("/constants/") {
                let found = ROOTS.iter().find(|folder| holds(&bytes, folder));
                assert!(found.is_none(), "{what} has a path below {found:?}");
            }
        }
    }
}
