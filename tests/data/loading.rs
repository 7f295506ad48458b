//! Threads, batches, skipping and fingerprints.

use std::fs;
use std::time::{Duration, Instant};

use repsim::data::{Dataset, LoadOptions, Skipped};

use crate::support::{folder, load, message, options, raw, values, write, write_png};

#[test]
fn order_and_bytes_depend_on_neither_workers_nor_batch_size() {
    let folder = folder(23);
    let data = Dataset::open(folder.path()).unwrap();
    let (one, summary) = load(&data, &raw(), &options(23, 1));
    assert_eq!(one.len(), 1);
    for (batch_size, workers) in [(1, 3), (4, 2), (7, 5), (64, 4), (23, 40)] {
        let (batches, again) = load(&data, &raw(), &options(batch_size, workers));
        assert_eq!(values(&batches), values(&one), "{batch_size} with {workers} workers");
        assert_eq!(again.fingerprint, summary.fingerprint);
        assert_eq!(again.samples, 23);
        let full = batches.iter().rev().skip(1).all(|batch| batch.len() == batch_size);
        assert!(full, "only the last batch may be shorter");
        let indices: Vec<_> = batches.iter().flat_map(|batch| batch.indices.clone()).collect();
        assert!(indices.into_iter().eq(0..23));
    }
    assert!(summary.decode_seconds > 0.0);
}

#[test]
fn labels_come_with_their_samples() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..6 {
        write_png(&folder.path().join(format!("{}/{i}.png", i / 2)), 4, 4, i);
    }
    let data = Dataset::open(folder.path()).unwrap().subset(Some(5), None).unwrap();
    let (batches, _) = load(&data, &raw(), &options(3, 2));
    let labels: Vec<_> = batches.iter().map(|batch| batch.labels.clone().unwrap()).collect();
    assert_eq!(labels, [vec![0, 0, 1], vec![1, 2]]);
}

#[test]
fn unreadable_files_are_left_out_and_batches_filled() {
    let folder = folder(12);
    for bad in [0, 5, 6, 11] {
        write(folder.path(), &format!("{bad:03}.png"), b"no picture");
    }
    let data = Dataset::open(folder.path()).unwrap();
    for workers in [1, 3] {
        let skip = LoadOptions { skip_unreadable: true, ..options(3, workers) };
        let (batches, summary) = load(&data, &raw(), &skip);
        let indices: Vec<_> = batches.iter().map(|batch| batch.indices.clone()).collect();
        assert_eq!(indices, [vec![1, 2, 3], vec![4, 7, 8], vec![9, 10]]);
        let names: Vec<_> = summary.skipped.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["000.png", "005.png", "006.png", "011.png"]);
        let reason = "it is not a PNG, JPEG, BMP, WebP, GIF, TIFF or PNM file".to_owned();
        assert_eq!(summary.skipped[0], Skipped { name: "000.png".to_owned(), reason });
        assert_eq!(summary.samples, 8);
        for bad in [0, 5, 6, 11] {
            fs::remove_file(folder.path().join(format!("{bad:03}.png"))).unwrap();
        }
        let rest = Dataset::open(folder.path()).unwrap();
        let (good, clean) = load(&rest, &raw(), &options(8, workers));
        assert_eq!(values(&batches), values(&good));
        assert_eq!(summary.fingerprint, clean.fingerprint);
        for bad in [0, 5, 6, 11] {
            write(folder.path(), &format!("{bad:03}.png"), b"no picture");
        }
    }
}

#[test]
fn the_first_unreadable_file_in_order_is_named() {
    let folder = folder(30);
    for bad in [13, 14, 20] {
        write(folder.path(), &format!("{bad:03}.png"), b"no picture");
    }
    let data = Dataset::open(folder.path()).unwrap();
    for workers in [1, 2, 8] {
        let mut batches = data.batches(&[raw()], &options(5, workers)).unwrap();
        assert!(batches.next().unwrap().is_ok() && batches.next().unwrap().is_ok());
        let error = batches.next().unwrap().unwrap_err().to_string();
        assert!(error.contains("013.png") && error.contains("--skip-unreadable"), "{error}");
        assert!(batches.next().is_none());
    }
}

#[test]
fn a_folder_of_nothing_readable_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.png", b"");
    write(folder.path(), "b.png", b"no picture");
    let skip = LoadOptions { skip_unreadable: true, ..options(5, 2) };
    let error = message(folder.path(), &raw(), &skip);
    let expected = "none of its 2 samples can be read (the first: the file is empty)";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn fingerprints_change_with_a_byte_or_a_name() {
    let folder = folder(4);
    let print = || {
        let data = Dataset::open(folder.path()).unwrap();
        load(&data, &raw(), &options(2, 2)).1.fingerprint.unwrap()
    };
    let before = print();
    assert_eq!(before, print());
    fs::rename(folder.path().join("003.png"), folder.path().join("x.png")).unwrap();
    let renamed = print();
    assert_ne!(before, renamed);
    write_png(&folder.path().join("x.png"), 12, 9, 77);
    assert_ne!(renamed, print());
    let data = Dataset::open(folder.path()).unwrap();
    let without = LoadOptions { fingerprint: false, ..options(2, 2) };
    assert_eq!(load(&data, &raw(), &without).1.fingerprint, None);
}

#[test]
fn dropping_early_stops_the_threads() {
    let folder = folder(60);
    let data = Dataset::open(folder.path()).unwrap();
    let start = Instant::now();
    for taken in 0..4 {
        for ahead in [0, 1, 3] {
            let options = LoadOptions { ahead, ..options(3, 3) };
            let mut batches = data.batches(&[raw()], &options).unwrap();
            assert!(batches.by_ref().take(taken).all(|batch| batch.is_ok()));
            drop(batches);
        }
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}
