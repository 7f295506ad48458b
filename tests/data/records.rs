//! CIFAR-10's and MNIST's own files.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use repsim::data::{Dataset, Preset, SourceKind};

use crate::support::{message, open_and_load, options, raw, values, write};

/// A record whose planes are filled with `red`, 0 and 255.
fn record(label: u8, red: u8) -> Vec<u8> {
    let mut record = vec![label];
    for value in [red, 0, 255] {
        record.extend([value; 1024]);
    }
    record
}

#[test]
fn cifar_batches_are_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "data_batch_1.bin", &[record(3, 255), record(9, 0)].concat());
    write(folder.path(), "data_batch_2.bin", &record(1, 51));
    write(folder.path(), "batches.meta.txt", b"plane\ncar\n\n");
    let (data, batches) = open_and_load(folder.path());
    assert_eq!((data.kind(), data.default_preset()), (SourceKind::Cifar10, Preset::Cifar10));
    assert_eq!(data.labels(), Some([3, 9, 1].as_slice()));
    assert_eq!(data.classes(), ["plane", "car"]);
    assert_eq!(batches[0].inputs[0].shape, [2, 32, 32, 3]);
    let all = values(&batches);
    let last = &all[2 * 3072..];
    assert!(last.chunks(3).all(|pixel| pixel == [0.2, 0.0, 1.0]));
    let one = Dataset::open(&folder.path().join("data_batch_2.bin")).unwrap();
    assert_eq!(one.labels(), Some([1].as_slice()));
}

#[test]
fn training_and_test_batches_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "data_batch_1.bin", &record(3, 255));
    let test = write(folder.path(), "test_batch.bin", &record(4, 255));
    let error = message(folder.path(), &raw(), &options(1, 1));
    assert!(error.contains("training and test") && error.contains("test_batch.bin"), "{error}");
    assert_eq!(Dataset::open(&test).unwrap().labels(), Some([4].as_slice()));
}

#[test]
fn files_that_are_no_records_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "weights.bin", &[0; 3072]);
    let error = message(&path, &raw(), &options(1, 1));
    assert!(error.contains("its 3072 bytes are no CIFAR-10 records of 3073"), "{error}");
    let path = write(folder.path(), "test_batch.bin", &record(17, 0));
    assert!(message(&path, &raw(), &options(1, 1)).contains("record 0 has label 17"));
}

fn idx(lengths: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, lengths.len() as u8];
    file.extend(lengths.iter().flat_map(|n| n.to_be_bytes()));
    file.extend(bytes);
    file
}

fn write_gz(folder: &Path, name: &str, bytes: &[u8]) {
    let mut packed = GzEncoder::new(vec![], Compression::fast());
    packed.write_all(bytes).unwrap();
    write(folder, name, &packed.finish().unwrap());
}

const IMAGES: &str = "t10k-images-idx3-ubyte";
const LABELS: &str = "t10k-labels-idx1-ubyte";

#[test]
fn idx_files_find_their_labels_packed_or_not() {
    for (images, labels) in [(false, false), (true, true), (true, false), (false, true)] {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, packed, bytes: Vec<u8>| match packed {
            true => write_gz(folder.path(), &format!("{name}.gz"), &bytes),
            false => drop(write(folder.path(), name, &bytes)),
        };
        put(IMAGES, images, idx(&[3, 1, 2], &[0, 255, 51, 0, 0, 0]));
        put(LABELS, labels, idx(&[3], &[7, 0, 4]));
        let (data, batches) = open_and_load(folder.path());
        assert_eq!((data.kind(), data.default_preset()), (SourceKind::Idx, Preset::Raw));
        assert_eq!(data.labels(), Some([7, 0, 4].as_slice()));
        assert_eq!(batches[0].inputs[0].shape, [2, 1, 2, 1]);
        assert_eq!(values(&batches), [0.0, 1.0, 0.2, 0.0, 0.0, 0.0]);
    }
}

#[test]
fn idx_mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = |path: &Path| message(path, &raw(), &options(1, 1));
    let images = write(folder.path(), IMAGES, &idx(&[2, 1, 1], &[0, 1]));
    assert_eq!(Dataset::open(&images).unwrap().labels(), None);
    let labels = write(folder.path(), LABELS, &idx(&[3], &[7, 0, 4]));
    assert!(told(&labels).contains("it holds labels, not images"));
    assert!(told(&images).contains("[2]") && told(&images).contains("[3]"));
    write(folder.path(), "train-images-idx3-ubyte", &idx(&[2, 1, 1], &[0, 1]));
    let several = told(folder.path());
    assert!(
        several.contains("t10k") && several.contains("train") && several.contains("name the one")
    );
    write(folder.path(), IMAGES, &idx(&[2, 1, 1], &[0]));
    assert!(told(&images).contains("its length does not fit its shape [2, 1, 1]"));
    write(folder.path(), IMAGES, b"PK");
    assert!(told(&images).contains("cut short"));
    let packed = write(folder.path(), "x-images-idx3-ubyte.gz", b"\x1f\x8b rubbish");
    assert!(told(&packed).contains("it is damaged"));
}
