//! `.npy`, `.npz` and `.safetensors` as data.

use repsim::data::{
    ArrayLayout, Dataset, FloatRange, Layout, Preprocess, Preset, Range, SourceKind,
};
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::support::{
    floats, integers, load, message, npy, open_and_load, options, raw, values, write, write_npz,
};

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
    let (pixels, classes) = ([9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 7, 5], integers(&[1, 0]));
    let tensors = [
        ("labels", TensorView::new(Dtype::I64, vec![2], &classes).unwrap()),
        ("images", TensorView::new(Dtype::U8, vec![2, 2, 1, 3], &pixels).unwrap()),
    ];
    let path = write(folder.path(), "x.safetensors", &serialize(tensors, None).unwrap());
    let (data, batches) = open_and_load(&path);
    assert_eq!(data.kind(), SourceKind::Safetensors);
    assert_eq!(data.labels(), Some([1, 0].as_slice()));
    let expected: Vec<f32> = pixels.iter().map(|&v| f32::from(v) / 255.0).collect();
    assert_eq!(values(&batches), expected);
}

/// The elements of an array of this shape in the order of other axes.
fn with_axes(values: &[u8], shape: [usize; 4], axes: [usize; 4]) -> Vec<u8> {
    let array = ndarray::Array::from_shape_vec(shape, values.to_vec()).unwrap();
    array.permuted_axes(axes).iter().copied().collect()
}

/// 1, 3 and 4 channels, as torchmetrics and torch-fidelity take them: channels first.
#[test]
fn bytes_are_pictures_channels_first() {
    let folder = tempfile::tempdir().unwrap();
    for channels in [1, 3, 4] {
        let bytes: Vec<u8> = (0..3 * 5 * 6 * channels as u32).map(|v| (v * 37) as u8).collect();
        let last = write(folder.path(), "h.npy", &npy("|u1", false, &[3, 5, 6, channels], &bytes));
        let turned = with_axes(&bytes, [3, 5, 6, channels], [0, 3, 1, 2]);
        let first =
            write(folder.path(), "c.npy", &npy("|u1", false, &[3, channels, 5, 6], &turned));
        let ((last, expected), (first, found)) = (open_and_load(&last), open_and_load(&first));
        let layouts = (last.layout(), first.layout());
        assert_eq!(layouts, (Some(ArrayLayout::Nhwc), Some(ArrayLayout::Nchw)));
        assert_eq!(found[0].inputs[0].shape, [2, 5, 6, channels]);
        assert_eq!(values(&found), values(&expected));
        // Resized too, whatever the number of channels.
        let steps = Preprocess { resize: "4x3".parse().unwrap(), ..raw() };
        let resized = |data: &Dataset| values(&load(data, &steps, &options(2, 2)).0);
        assert_eq!(resized(&first), resized(&last));
    }
}

#[test]
fn floats_of_four_axes_can_be_channels_last() {
    let folder = tempfile::tempdir().unwrap();
    let stored: Vec<f32> = (0..2 * 5 * 5 * 3).map(|v| v as f32 / 150.0).collect();
    let path = write(folder.path(), "x.npy", &npy("<f4", false, &[2, 5, 5, 3], &floats(&stored)));
    let (data, batches) = open_and_load(&path);
    assert_eq!(data.layout(), Some(ArrayLayout::Nhwc));
    assert_eq!(
        (batches[0].inputs[0].shape.as_slice(), values(&batches)),
        (&[2, 5, 5, 3][..], stored)
    );
    // Maps of many channels are not.
    let maps = write(folder.path(), "y.npy", &npy("<f4", false, &[1, 16, 4, 4], &[0; 1024]));
    assert_eq!(Dataset::open(&maps).unwrap().layout(), Some(ArrayLayout::Nchw));
}

#[test]
fn a_layout_that_is_told_decides() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..3 * 2 * 4).collect();
    let path = write(folder.path(), "x.npy", &npy("|u1", false, &[1, 3, 2, 4], &bytes));
    let read = |layout| {
        let data = Dataset::open_as(&path, Some(layout)).unwrap();
        let batch = load(&data, &raw(), &options(2, 2)).0.remove(0);
        (batch.inputs[0].shape.clone(), (batch.inputs[0].data[1] * 255.0).round() as u8)
    };
    assert_eq!(read(ArrayLayout::Nchw), (vec![1, 2, 4, 3], 8));
    assert_eq!(read(ArrayLayout::Nhwc), (vec![1, 3, 2, 4], 1));
    let wrong = write(folder.path(), "y.npy", &npy("|u1", false, &[1, 3, 8, 8], &[0; 192]));
    let wrong = Dataset::open_as(&wrong, Some(ArrayLayout::Nhwc)).unwrap_err().to_string();
    assert!(wrong.contains("8 channels as --layout nhwc"), "{wrong}");
    let rows = write(folder.path(), "z.npy", &npy("<f4", false, &[2, 3], &[0; 24]));
    let rows = Dataset::open_as(&rows, Some(ArrayLayout::Nhwc)).unwrap_err().to_string();
    assert!(rows.contains("no axis of channels"), "{rows}");
}

#[test]
fn fortran_order_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..2 * 5 * 6 * 3).collect();
    let path = write(folder.path(), "x.npy", &npy("|u1", false, &[2, 5, 6, 3], &bytes));
    let expected = values(&open_and_load(&path).1);
    let turned = with_axes(&bytes, [2, 5, 6, 3], [3, 2, 1, 0]);
    let turned = npy("|u1", true, &[2, 5, 6, 3], &turned);
    let path = write(folder.path(), "y.npy", &turned);
    assert_eq!(values(&open_and_load(&path).1), expected);
    for compressed in [false, true] {
        let path = folder.path().join("z.npz");
        let one_hot =
            npy("<f8", true, &[2, 2], &[0.0_f64, 1.0, 1.0, 0.0].map(f64::to_le_bytes).concat());
        write_npz(&path, &[("images", turned.clone()), ("labels", one_hot)], compressed);
        let (data, batches) = open_and_load(&path);
        assert_eq!((values(&batches), data.labels()), (expected.clone(), Some([1, 0].as_slice())));
    }
}

#[test]
fn classes_can_be_columns_or_one_hot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let labels = |labels: Vec<u8>| {
        let images = npy("|u1", false, &[3, 1, 1], &[0, 255, 0]);
        write_npz(&path, &[("images", images), ("labels", labels)], true);
        Dataset::open(&path).unwrap().labels().unwrap().to_vec()
    };
    assert_eq!(labels(npy("<i8", false, &[3, 1], &integers(&[4, 0, 2]))), [4, 0, 2]);
    let hot = floats(&[0.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
    assert_eq!(labels(npy("<f4", false, &[3, 2], &hot)), [1, 0, 1]);
}

/// What guided-diffusion's sampling writes, and what `numpy.savez` keeps beside arrays.
#[test]
fn arrays_without_names_are_images_and_labels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let images = npy("|u1", false, &[2, 2, 2, 3], &[7; 24]);
    let labels = npy("<i8", false, &[2], &integers(&[3, 1]));
    let (epoch, name) =
        (npy("<i8", false, &[], &integers(&[3])), npy("<U1", false, &[], b"a\0\0\0"));
    let unnamed = [("arr_0", images.clone()), ("arr_1", labels)];
    write_npz(&path, &unnamed, false);
    assert_eq!(Dataset::open(&path).unwrap().labels(), Some([3, 1].as_slice()));
    write_npz(&path, &[("epoch", epoch), ("arr_0", images.clone()), ("name", name)], false);
    assert_eq!(open_and_load(&path).1[0].inputs[0].shape, [2, 2, 2, 3]);
    write_npz(&path, &[("arr_0", images.clone()), ("arr_1", images)], false);
    assert!(message(&path, &raw(), &options(2, 2)).contains(r#"name the samples "images""#));
}

#[test]
fn damaged_elements_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let images: Vec<u8> = (0..200).map(|v| (v * 13 % 256) as u8).collect();
    let labels = npy("<i8", false, &[2], &integers(&[1, 0]));
    for compressed in [false, true] {
        let images = npy("|u1", false, &[2, 10, 10], &images);
        write_npz(&path, &[("images", images), ("labels", labels.clone())], compressed);
        let good = std::fs::read(&path).unwrap();
        // The middle of the first member, behind its header.
        let mut bad = good.clone();
        bad[if compressed { 150 } else { 250 }] ^= 0x40;
        std::fs::write(&path, &bad).unwrap();
        let told = message(&path, &raw(), &options(2, 2));
        assert!(told.contains("x.npz") && told.contains(r#"array "images" is damaged"#), "{told}");
        let told = repsim::data::features::load_features(&path).unwrap_err().to_string();
        assert!(told.contains("damaged"), "{told}");
        std::fs::write(&path, &good).unwrap();
        open_and_load(&path);
    }
}

/// The same pictures as bytes, and as floats in each range.
#[test]
fn floats_become_what_bytes_become() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..5 * 3 * 6 * 6).map(|v: u32| (v * 53) as u8).collect();
    let shape = [5, 3, 6, 6];
    let write = |name: &str, scale: &dyn Fn(f32) -> f32| {
        let scaled: Vec<f32> = bytes.iter().map(|&v| scale(f32::from(v))).collect();
        write(folder.path(), name, &npy("<f4", false, &shape, &floats(&scaled)))
    };
    let as_bytes =
        crate::support::write(folder.path(), "b.npy", &npy("|u1", false, &shape, &bytes));
    let sets = [
        (FloatRange::Unit, write("unit.npy", &|v| v / 255.0)),
        (FloatRange::Signed, write("signed.npy", &|v| 2.0 * (v / 255.0) - 1.0)),
        (FloatRange::Bytes, write("bytes.npy", &|v| v)),
    ];
    let imagenet =
        Preprocess { resize: "none".parse().unwrap(), ..Preprocess::preset(Preset::Imagenet) };
    let signed = Preprocess { range: Range::Signed, ..raw() };
    let of_bytes = Preprocess { range: Range::Bytes, ..raw() };
    for steps in [raw(), signed, of_bytes, Preprocess { crop: "4".parse().unwrap(), ..imagenet }] {
        let read = |path: &std::path::Path, steps: &Preprocess| {
            values(&load(&Dataset::open(path).unwrap(), steps, &options(2, 2)).0)
        };
        let expected = read(&as_bytes, &steps);
        for (float_range, path) in &sets {
            let found = read(path, &Preprocess { float_range: *float_range, ..steps.clone() });
            let scale = expected.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
            let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 2e-6 * scale;
            assert!(found.iter().zip(&expected).all(near), "{float_range} {steps:?}");
        }
    }
}

#[test]
fn floats_beyond_their_range_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |values: &[f32]| {
        let shape = [values.len(), 1, 1, 2];
        let pairs: Vec<f32> = values.iter().flat_map(|&v| [0.0, v]).collect();
        write(folder.path(), "x.npy", &npy("<f4", false, &shape, &floats(&pairs)))
    };
    let told = |values: &[f32], steps: &Preprocess| message(&path(values), steps, &options(2, 2));
    let says = |text: String, parts: &[&str]| {
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} {text}");
    };
    let imagenet = Preprocess { mean: vec![0.5], std: vec![0.2], ..raw() };
    // Beyond the first batch, and only the last sample.
    let late = [0.1, 0.2, 0.3, 0.4, 0.5, 200.0];
    says(told(&late, &raw()), &["from 0 to 200", "--float-range 0..255"]);
    says(told(&late, &imagenet), &["float image 5", "from 0 to 200", "--float-range 0..255"]);
    says(told(&[0.5, -0.5], &raw()), &["from -0.5 to 0.5", "--float-range -1..1", "keep"]);
    says(told(&[0.5, -2.0], &imagenet), &["from -2 to 0", "--float-range keep"]);
    let bytes = Preprocess { float_range: FloatRange::Bytes, ..raw() };
    says(told(&[0.5, 0.25], &bytes), &["from 0 to 0.5", "leave --float-range out"]);
    // Normalised already: no picture has such values, and nothing is done to them.
    let normalised = [0.5, -2.0, 2.5];
    let read = |steps: &Preprocess| {
        values(&load(&Dataset::open(&path(&normalised)).unwrap(), steps, &options(2, 1)).0)
    };
    assert_eq!(read(&raw()), [0.0, 0.5, 0.0, -2.0, 0.0, 2.5]);
    let keep = Preprocess { float_range: FloatRange::Keep, mean: vec![0.5], ..raw() };
    assert_eq!(read(&keep), [-0.5, 0.0, -0.5, -2.5, -0.5, 2.0]);
}
