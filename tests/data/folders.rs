//! Image folders: order, names, classes.

use repsim::data::{Dataset, SourceKind};

use crate::support::{write, write_png};

fn names(data: &Dataset) -> Vec<String> {
    (0..data.len()).map(|i| data.name(i)).collect()
}

#[test]
fn sub_folders_are_classes() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["dog/2.png", "cat/deep/1.PNG", "cat/0.png", "dog/1.png"] {
        write_png(&folder.path().join(name), 4, 4, 0);
    }
    write(folder.path(), "empty/readme.txt", b"no image");
    let data = Dataset::open(folder.path()).unwrap();
    assert_eq!(data.kind(), SourceKind::ImageFolder);
    assert_eq!(names(&data), ["cat/0.png", "cat/deep/1.PNG", "dog/1.png", "dog/2.png"]);
    assert_eq!(data.classes(), ["cat", "dog"]);
    assert_eq!(data.labels(), Some([0, 0, 1, 1].as_slice()));
}

#[test]
fn images_beside_classes_leave_all_without_labels() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["cat/0.png", "1.png"] {
        write_png(&folder.path().join(name), 4, 4, 0);
    }
    let data = Dataset::open(folder.path()).unwrap();
    assert_eq!(names(&data), ["1.png", "cat/0.png"]);
    assert_eq!((data.labels(), data.classes().len()), (None, 0));
}

#[test]
fn hidden_files_and_other_endings_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.png", ".hidden.png", ".cache/c.png"] {
        write_png(&folder.path().join(name), 4, 4, 0);
    }
    write(folder.path(), "notes.txt", b"text");
    write(folder.path(), "a.jpeg.part", b"half");
    assert_eq!(names(&Dataset::open(folder.path()).unwrap()), ["b.png"]);
}

#[test]
fn names_are_sorted_by_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b-1/x.png", "b/x.png", "B/x.png", "b/ä.png", "b/z.png"] {
        write_png(&folder.path().join(name), 4, 4, 0);
    }
    let data = Dataset::open(folder.path()).unwrap();
    assert_eq!(names(&data), ["B/x.png", "b-1/x.png", "b/x.png", "b/z.png", "b/ä.png"]);
    assert_eq!(data.classes(), ["B", "b", "b-1"]);
    assert_eq!(data.labels(), Some([0, 2, 1, 1, 1].as_slice()));
}

#[cfg(unix)]
mod links {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::support::{message, options, raw};

    #[test]
    fn links_to_files_and_folders_are_followed_but_not_round_and_round() {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        write_png(&other.path().join("there.png"), 4, 4, 0);
        write_png(&folder.path().join("cat/1.png"), 4, 4, 0);
        symlink(other.path().join("there.png"), folder.path().join("cat/a.png")).unwrap();
        symlink(other.path(), folder.path().join("dog")).unwrap();
        symlink(other.path(), folder.path().join("same")).unwrap();
        symlink(folder.path(), folder.path().join("cat/loop")).unwrap();
        symlink(folder.path().join("cat"), other.path().join("back")).unwrap();
        let data = Dataset::open(folder.path()).unwrap();
        let expected = [
            "cat/1.png",
            "cat/a.png",
            "dog/back/1.png",
            "dog/back/a.png",
            "dog/there.png",
            "same/back/1.png",
            "same/back/a.png",
            "same/there.png",
        ];
        assert_eq!(names(&data), expected);
        assert_eq!(data.classes(), ["cat", "dog", "same"]);
        assert_eq!(data.labels(), Some([0, 0, 1, 1, 1, 2, 2, 2].as_slice()));
    }

    #[test]
    fn links_that_lead_nowhere_are_told() {
        let folder = tempfile::tempdir().unwrap();
        write_png(&folder.path().join("cat/1.png"), 4, 4, 0);
        symlink("/gone/2.png", folder.path().join("cat/2.png")).unwrap();
        symlink("/gone/notes", folder.path().join("cat/notes.txt")).unwrap();
        symlink("/gone/hidden", folder.path().join(".lock")).unwrap();
        assert_eq!(names(&Dataset::open(folder.path()).unwrap()), ["cat/1.png", "cat/2.png"]);
        let said = message(folder.path(), &raw(), &options(2, 1));
        for part in ["cat/2.png", "a link to something that is not there", "--skip-unreadable"] {
            assert!(said.contains(part), "{said}");
        }
        for class in ["dog", "n02.v2"] {
            symlink("/gone/class", folder.path().join(class)).unwrap();
            let said = Dataset::open(folder.path()).unwrap_err().to_string();
            assert!(said.contains(class) && said.contains("mend the link, or remove it"), "{said}");
            fs::remove_file(folder.path().join(class)).unwrap();
        }
    }

    #[test]
    fn names_that_are_not_utf8_stay_apart_and_can_be_printed() {
        let folder = tempfile::tempdir().unwrap();
        for (class, seed) in [(b"bad\xff".as_slice(), 1), (b"bad\xfe", 2), (b"bad\\xff", 3)] {
            let path = folder.path().join(OsStr::from_bytes(class));
            fs::create_dir(&path).unwrap();
            write_png(&path.join("1.png"), 4, 4, seed);
        }
        let data = Dataset::open(folder.path()).unwrap();
        assert_eq!(data.classes(), ["bad\\\\xff", "bad\\xfe", "bad\\xff"]);
        assert_eq!(data.labels(), Some([0, 1, 2].as_slice()));
        assert_eq!(names(&data), ["bad\\\\xff/1.png", "bad\\xfe/1.png", "bad\\xff/1.png"]);
    }
}

#[test]
fn pictures_of_other_kinds_are_named() {
    let folder = tempfile::tempdir().unwrap();
    write_png(&folder.path().join("cat/1.png"), 4, 4, 0);
    for name in ["cat/b.avif", "cat/a.HEIC", "dog/x.svg", "film.webm", ".y.svg", "Thumbs.db"] {
        write(folder.path(), name, b"");
    }
    write(folder.path(), "__MACOSX/cat/z.avif", b"");
    let data = Dataset::open(folder.path()).unwrap();
    assert_eq!(names(&data), ["cat/1.png"]);
    assert_eq!(data.unread(), ["cat/a.HEIC", "cat/b.avif", "dog/x.svg", "film.webm"]);
    std::fs::remove_dir_all(folder.path().join("cat")).unwrap();
    let said = Dataset::open(folder.path()).unwrap_err().to_string();
    assert!(said.contains("2 of other kinds (dog/x.svg)") && said.contains("PNG"), "{said}");
}

#[test]
fn subsets_keep_order_names_and_labels() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..20 {
        write_png(&folder.path().join(format!("{}/{i:02}.png", i % 2)), 4, 4, i);
    }
    let data = Dataset::open(folder.path()).unwrap();
    let first = data.subset(Some(3), None).unwrap();
    assert_eq!(names(&first), ["0/00.png", "0/02.png", "1/01.png"]);
    assert_eq!(first.labels(), Some([0, 0, 1].as_slice()));
    let random = data.subset(Some(7), Some(5)).unwrap();
    assert_eq!(names(&random), names(&data.subset(Some(7), Some(5)).unwrap()));
    assert!(names(&random).is_sorted() && random.len() == 7);
    let named: Vec<_> = names(&random).iter().map(|n| usize::from(n.starts_with('1'))).collect();
    assert_eq!(random.labels(), Some(named.as_slice()));
    assert_eq!(data.subset(Some(99), Some(1)).unwrap().len(), 20);
    assert!(data.subset(None, Some(1)).unwrap_err().to_string().contains("--seed 1"));
    assert!(data.subset(Some(0), None).unwrap_err().to_string().contains("--limit 0"));
}
