//! `.npy`, `.npz` and `.safetensors` as data.

use repsim::data::{Layout, Preset, SourceKind};
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::support::{floats, integers, npy, open_and_load, values, write, write_npz};

#[test]
fn bytes_are_pictures_channels_last() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..5 * 2 * 2 * 3).collect();
    let path = write(folder.path(), "x.npy", &npy("|u1", false, &[5, 2, 2, 3], &bytes));
    let (data, batches) = open_and_load(&path);
    assert_eq!((data.kind(), data.len(), data.default_preset()), (SourceKind::Npy, 5, Preset::Raw));
    assert_eq!((data.name(4), data.labels()), ("4".to_owned(), None));
    assert_eq!(batches[0].inputs[0].shape, [2, 2, 2, 3]);
    assert_eq!(batches[2].inputs[0].shape, [1, 2, 2, 3]);
    let scaled: Vec<f32> = bytes.iter().map(|&v| f32::from(v) / 255.0).collect();
    assert_eq!(values(&batches), scaled);
}

#[test]
fn bytes_without_channels_are_grey_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "x.npy", &npy("|u1", false, &[2, 1, 2], &[0, 255, 51, 0]));
    let (_, batches) = open_and_load(&path);
    assert_eq!(batches[0].inputs[0].shape, [2, 1, 2, 1]);
    assert_eq!(values(&batches), [0.0, 1.0, 0.2, 0.0]);
}

#[test]
fn floats_of_four_axes_are_pictures_channels_first() {
    let folder = tempfile::tempdir().unwrap();
    let stored: Vec<f32> = (0..8).map(|v| v as f32 - 3.5).collect();
    let path = write(folder.path(), "x.npy", &npy("<f4", false, &[1, 2, 2, 2], &floats(&stored)));
    let (data, batches) = open_and_load(&path);
    assert!(data.has_images());
    assert_eq!(batches[0].inputs[0].layout, Layout::Nhwc);
    assert_eq!(values(&batches), [-3.5, 0.5, -2.5, 1.5, -1.5, 2.5, -0.5, 3.5]);
}

#[test]
fn other_numbers_are_rows_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let doubles: Vec<u8> =
        [0.1_f64, -2.0, 3.0, 1e300].iter().flat_map(|v| v.to_le_bytes()).collect();
    let cases = [
        ("<f8", vec![2, 2], doubles, vec![0.1, -2.0, 3.0, f32::INFINITY]),
        ("<i8", vec![2, 1, 2], integers(&[1, -2, 3, 4]), vec![1.0, -2.0, 3.0, 4.0]),
        ("|u1", vec![2, 2], vec![1, 2, 3, 255], vec![1.0, 2.0, 3.0, 255.0]),
        ("<f2", vec![2, 1], vec![0, 0x3c, 0, 0xc0], vec![1.0, -2.0]),
    ];
    for (descr, shape, bytes, expected) in cases {
        let path = write(folder.path(), "x.npy", &npy(descr, false, &shape, &bytes));
        let (data, batches) = open_and_load(&path);
        assert!(!data.has_images());
        assert_eq!(batches[0].inputs[0].layout, Layout::Rows);
        assert_eq!(batches[0].inputs[0].shape, shape);
        assert_eq!(values(&batches), expected, "{descr}");
    }
}

#[test]
fn archives_give_images_and_labels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let images = npy("|u1", false, &[3, 1, 1], &[0, 255, 0]);
    let labels = npy("<i8", false, &[3], &integers(&[2, 0, 7]));
    let other = npy("<c8", false, &[1], &[0; 8]);
    for compressed in [false, true] {
        let arrays =
            [("other", other.clone()), ("labels", labels.clone()), ("images", images.clone())];
        write_npz(&path, &arrays, compressed);
        let (data, batches) = open_and_load(&path);
        assert_eq!(data.kind(), SourceKind::Npz);
        assert_eq!(data.labels(), Some([2, 0, 7].as_slice()));
        assert_eq!(values(&batches), [0.0, 1.0, 0.0]);
        assert_eq!(batches[1].labels, Some(vec![7]));
    }
}

#[test]
fn the_only_array_needs_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    write_npz(&path, &[("anything", npy("<f4", false, &[1, 2], &floats(&[1.5, 2.5])))], true);
    assert_eq!(values(&open_and_load(&path).1), [1.5, 2.5]);
}

#[test]
fn safetensors_give_images_and_labels() {
    let folder = tempfile::tempdir().unwrap();
    let (pixels, classes) = ([9, 8, 7, 6, 5, 4], integers(&[1, 0]));
    let tensors = [
        ("labels", TensorView::new(Dtype::I64, vec![2], &classes).unwrap()),
        ("images", TensorView::new(Dtype::U8, vec![2, 1, 1, 3], &pixels).unwrap()),
    ];
    let path = write(folder.path(), "x.safetensors", &serialize(tensors, None).unwrap());
    let (data, batches) = open_and_load(&path);
    assert_eq!(data.kind(), SourceKind::Safetensors);
    assert_eq!(data.labels(), Some([1, 0].as_slice()));
    let expected: Vec<f32> = pixels.iter().map(|&v| f32::from(v) / 255.0).collect();
    assert_eq!(values(&batches), expected);
}
