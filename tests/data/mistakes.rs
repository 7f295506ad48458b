//! What a user is told.

use std::fs;
use std::path::Path;

use repsim::data::{Channels, Crop, Preprocess, Preset, Resize};

use crate::support::{
    floats, folder, integers, message, npy, options, raw, write, write_npz, write_png,
};

fn told(path: &Path) -> String {
    message(path, &raw(), &options(2, 2))
}

fn told_of(path: &Path, steps: &Preprocess) -> String {
    message(path, steps, &options(2, 2))
}

/// Asserts that a message is one line and holds all of `parts`.
#[track_caller]
fn says(message: &str, parts: &[&str]) {
    assert!(!message.contains('\n'), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[test]
fn a_path_that_is_not_there() {
    let remedy = "give a folder of images, a .npy, .npz or .safetensors array";
    says(&told(Path::new("nowhere/at/all")), &["nowhere/at/all", "there is no such file", remedy]);
}

#[test]
fn a_single_image_or_something_else() {
    let folder = folder(1);
    says(&told(&folder.path().join("000.png")), &["a single image", "give the folder"]);
    let path = write(folder.path(), "model.pt", b"");
    says(&told(&path), &["model.pt", "it is a model", "the data with --data"]);
    let path = write(folder.path(), "README", b"");
    says(&told(&path), &["unknown kind of file;"]);
}

#[test]
fn an_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    says(&told(folder.path()), &["no images (.png, .jpg, .jpeg, .bmp, .webp, .gif, .tif"]);
    write(folder.path(), "x.npz", b"");
    says(&told(folder.path()), &["to use x.npz, give its path"]);
}

#[test]
fn damaged_images() {
    let folder = folder(1);
    let good = fs::read(folder.path().join("000.png")).unwrap();
    write(folder.path(), "000.png", &good[..good.len() / 2]);
    says(&told(folder.path()), &["failed to decode", "000.png", "--skip-unreadable"]);
    write(folder.path(), "000.png", b"GIF89a");
    says(&told(folder.path()), &["000.png", "the file is cut short"]);
    write(folder.path(), "000.png", b"<svg></svg>");
    says(&told(folder.path()), &["it is not a PNG, JPEG, BMP, WebP, GIF, TIFF or PNM file"]);
    write(folder.path(), "000.png", b"");
    says(&told(folder.path()), &["the file is empty"]);
    let mut bent = good.clone();
    bent[45] ^= 0x55;
    write(folder.path(), "000.png", &bent);
    says(&told(folder.path()), &["the file is damaged"]);
    write(folder.path(), "000.png", &[b"\xff\xd8\xff\xe0".as_slice(), &[7; 40]].concat());
    says(&told(folder.path()), &["failed to decode", "000.png"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_went_away() {
    let folder = folder(2);
    let data = repsim::data::Dataset::open(folder.path()).unwrap();
    fs::remove_file(folder.path().join("001.png")).unwrap();
    let batches = data.batches(&[raw()], &options(2, 1)).unwrap();
    let error = batches.filter_map(Result::err).next().unwrap().to_string();
    says(&error, &["failed to read", "001.png", "not found", "--skip-unreadable"]);
}

#[test]
fn images_of_different_sizes_or_channels() {
    let folder = folder(2);
    write_png(&folder.path().join("zoo/x.png"), 8, 9, 1);
    let parts =
        ["000.png", "[9, 12, 3]", "zoo/x.png", "[9, 8, 3]", "--resize", "--preprocess imagenet"];
    says(&told(folder.path()), &parts);
    image::GrayImage::new(12, 9).save(folder.path().join("zoo/x.png")).unwrap();
    says(&told(folder.path()), &["[9, 12, 1]", "--channels 3"]);
}

#[test]
fn arrays_of_a_shape_that_is_no_data() {
    let folder = tempfile::tempdir().unwrap();
    let of = |descr: &str, shape: &[usize], size: usize| {
        let bytes = vec![0; shape.iter().product::<usize>() * size];
        told(&write(folder.path(), "x.npy", &npy(descr, false, shape, &bytes)))
    };
    says(&of("<f4", &[2, 1, 1, 1, 1], 4), &["[2, 1, 1, 1, 1]", "rank 5", "N×C×H×W floats"]);
    says(&of("<f4", &[4], 4), &["rank 1"]);
    says(
        &of("|u1", &[2, 5, 8, 8], 1),
        &["[2, 5, 8, 8]", "not an array of pictures", "1, 3 or 4 channels"],
    );
    says(&of("<u2", &[2, 3, 8, 8], 2), &["elements of type uint16", "65535", "numpy.uint8"]);
    says(&of("<i8", &[2, 8, 8, 3], 8), &["elements of type int64", "astype(numpy.uint8)"]);
    let either = ["N×C×H×W and as N×H×W×C", "--layout nchw", "--layout nhwc"];
    says(&of("|u1", &[2, 3, 8, 3], 1), &either);
    says(&of("<f4", &[2, 3, 8, 4], 4), &either);
    says(&of("<f4", &[2, 64, 8, 1], 4), &either);
    says(&of("<f4", &[0, 4], 4), &["is empty"]);
}

#[test]
fn arrays_stored_in_ways_that_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let told = |file: &[u8]| told(&write(folder.path(), "x.npy", file));
    says(&told(&npy(">f4", false, &[1, 1], &[0; 4])), &["big-endian", "float32"]);
    says(&told(&npy("<U3", false, &[1, 1], &[0; 12])), &["elements of type <U3"]);
    says(&told(&npy("<f4", false, &[2, 3], &[0; 20])), &["[2, 3] is cut short"]);
    says(&told(b"\x93NUMPY"), &["not in NumPy's format"]);
    says(&told(b"{'shape': 1}"), &["not in NumPy's format", "numpy.save"]);
    let path = write(folder.path(), "x.npz", b"no archive");
    says(&crate::mistakes::told(&path), &["it is not an .npz archive, or damaged"]);
    let path = write(folder.path(), "x.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\xff{}");
    says(&crate::mistakes::told(&path), &["it is not a .safetensors file, or damaged"]);
    let path = write(folder.path(), "y.safetensors", b"{}");
    says(&crate::mistakes::told(&path), &["it is not a .safetensors file, or damaged"]);
}

#[test]
fn archives_without_clear_samples_or_labels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let told = |arrays: &[(&str, Vec<u8>)]| {
        write_npz(&path, arrays, true);
        told(&path)
    };
    let rows = || npy("<f4", false, &[2, 1], &floats(&[1.0, 2.0]));
    let labels = |values: &[i64]| npy("<i8", false, &[values.len()], &integers(values));
    says(
        &told(&[("train", rows()), ("test", rows())]),
        &["(train, test)", r#"name the samples "images""#],
    );
    says(&told(&[("labels", labels(&[1, 2]))]), &["it holds labels but no samples"]);
    let unequal = told(&[("images", rows()), ("labels", labels(&[1, 2, 3]))]);
    says(&unequal, &["failed to load labels", "[2, 1]", "[3]", "one label a sample"]);
    let labelled = |labels: Vec<u8>| told(&[("images", rows()), ("labels", labels)]);
    says(&labelled(labels(&[1, -2])), &["has -2 for sample 1", "one integer from 0 up"]);
    says(&labelled(rows()), &["has 1 (a float) for sample 0"]);
    let nan = npy("<f4", false, &[2], &floats(&[0.0, f32::NAN]));
    says(&labelled(nan), &["has NaN (a float) for sample 1"]);
    let soft = npy("<f4", false, &[2, 2], &floats(&[0.0, 1.0, 0.6, 0.4]));
    says(&labelled(soft), &["not one-hot: the row of sample 1"]);
    let two = npy("<i8", false, &[2, 2], &integers(&[1, 1, 0, 1]));
    says(&labelled(two), &["not one-hot: the row of sample 0"]);
    let deep = npy("<i8", false, &[2, 1, 1], &integers(&[1, 1]));
    says(&labelled(deep), &["not one number a sample"]);
}

#[test]
fn steps_that_do_not_fit_the_data() {
    let folder = folder(1);
    let rows = npy("<f4", false, &[2, 1], &floats(&[1.0, 2.0]));
    let rows = write(folder.path(), "x.npy", &rows);
    let imagenet = Preprocess::preset(Preset::Imagenet);
    says(
        &told_of(&rows, &imagenet),
        &["--preprocess imagenet is for images", "rows of numbers", "--preprocess raw"],
    );
    let mean = Preprocess { mean: vec![1.0], ..raw() };
    says(&told_of(&rows, &mean), &["--mean is for images"]);
    let two = Preprocess { mean: vec![0.1, 0.2], ..raw() };
    says(&told_of(folder.path(), &two), &["2 values for 3 channels", "one a channel"]);
    let unequal = Preprocess { std: vec![1.0, 1.0, 1.0], ..two };
    says(&told_of(folder.path(), &unequal), &["--mean has 2 values but --std has 3"]);
    let planes = npy("<f4", false, &[1, 5, 1, 1], &floats(&[1.0; 5]));
    let planes = write(folder.path(), "y.npy", &planes);
    let grey = Preprocess { channels: Channels::Grey, ..raw() };
    says(&told_of(&planes, &grey), &["5 channels of floats cannot become 1"]);
    let four = npy("|u1", false, &[1, 4, 8, 8], &[0; 256]);
    let four = write(folder.path(), "z.npy", &four);
    says(&told_of(&four, &grey), &["4 channels of bytes cannot become 1", "--channels keep"]);
}

#[test]
fn steps_that_mean_nothing() {
    let folder = folder(1);
    let told = |steps: Preprocess| told_of(folder.path(), &steps);
    let crop = Crop::Centre { height: 0, width: 5 };
    says(&told(Preprocess { crop, ..raw() }), &["--crop asks for a side of 0"]);
    let resize = Resize::ShorterSide(1_000_000);
    says(&told(Preprocess { resize, ..raw() }), &["--resize asks for a side of 1000000"]);
    says(&told(Preprocess { std: vec![0.0], ..raw() }), &["--std holds 0"]);
    says(&told(Preprocess { mean: vec![f64::NAN], ..raw() }), &["--mean holds NaN"]);
    says(&message(folder.path(), &raw(), &options(0, 1)), &["--batch-size 0"]);
}
