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
#[test]
fn links_to_files_are_read_and_links_to_folders_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    write_png(&other.path().join("there.png"), 4, 4, 0);
    std::os::unix::fs::symlink(other.path().join("there.png"), folder.path().join("a.png"))
        .unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
    assert_eq!(names(&Dataset::open(folder.path()).unwrap()), ["a.png"]);
}

#[test]
fn subsets_keep_order_names_and_labels() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..20 {
        write_png(&folder.path().join(format!("{}/{i:02}.png", i % 2)), 4, 4, i);
    }
    let data = Dataset::open(folder.path()).unwrap();
    let first = data.subset(Some(3), None).unwrap();
    assert_eq!(names(&first), ["0/00.png", "0/02.png", "0/04.png"]);
    let random = data.subset(Some(7), Some(5)).unwrap();
    assert_eq!(names(&random), names(&data.subset(Some(7), Some(5)).unwrap()));
    assert!(names(&random).is_sorted() && random.len() == 7);
    let named: Vec<_> = names(&random).iter().map(|n| usize::from(n.starts_with('1'))).collect();
    assert_eq!(random.labels(), Some(named.as_slice()));
    assert_eq!(data.subset(Some(99), Some(1)).unwrap().len(), 20);
    assert_eq!(data.subset(None, Some(1)).unwrap().len(), 20);
    assert!(data.subset(Some(0), None).unwrap_err().to_string().contains("--limit 0"));
}
