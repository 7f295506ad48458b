//! Decoding and preprocessing against Pillow and torchvision.

use approx::assert_abs_diff_eq;
use repsim::data::{
    Channels, Crop, Dataset, FloatRange, Layout, Preprocess, Preset, Range, Resize,
};

use crate::support::{
    find, floats, folder, golden, goldens, load, npy, options, raw, values, write, write_png,
};

/// The one picture at `tests/golden/data/NAME`, in a folder of its own.
fn only(name: &str) -> (tempfile::TempDir, Dataset) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(golden(name), folder.path().join(name)).unwrap();
    let data = Dataset::open(folder.path()).unwrap();
    (folder, data)
}

fn bytes() -> Preprocess {
    Preprocess { range: Range::Bytes, ..raw() }
}

#[test]
fn every_kind_of_picture_is_pillows() {
    for picture in goldens("pictures.npz") {
        let (file, mode) = picture.name.rsplit_once('.').unwrap();
        let channels = if mode == "L" { Channels::Grey } else { Channels::Rgb };
        let (_folder, data) = only(file);
        let steps = Preprocess { channels, ..bytes() };
        let found = values(&load(&data, &steps, &options(1, 1)).0);
        let expected: Vec<f32> = picture.values.iter().map(|&v| v as f32).collect();
        assert_eq!(found, expected, "{}", picture.name);
    }
}

#[test]
fn grey_pictures_stay_grey_unless_asked() {
    let (_folder, data) = only("grey-alpha.png");
    let channels = |steps: &Preprocess| load(&data, steps, &options(1, 1)).0[0].inputs[0].shape[3];
    assert_eq!(channels(&bytes()), 1);
    assert_eq!(channels(&Preprocess { channels: Channels::Rgb, ..bytes() }), 3);
}

#[test]
fn sixteen_bits_keep_the_upper_eight() {
    let folder = tempfile::tempdir().unwrap();
    let values16 = vec![0x0000_u16, 0x12ff, 0x8001, 0xffff];
    let picture: image::ImageBuffer<image::Luma<u16>, _> =
        image::ImageBuffer::from_raw(4, 1, values16).unwrap();
    picture.save(folder.path().join("deep.png")).unwrap();
    let data = Dataset::open(folder.path()).unwrap();
    let found = values(&load(&data, &bytes(), &options(1, 1)).0);
    assert_eq!(found, [0.0, 18.0, 128.0, 255.0]);
}

/// Compares a picture under `steps` with every `stride`th row and column of a tensor `C×H×W`.
fn compare(steps: &Preprocess, name: &str, stride: usize) {
    let all = goldens("imagenet.npz");
    let expected = &find(&all, name).values;
    let (_folder, data) = only("gradient.png");
    let (batches, _) = load(&data, steps, &options(1, 1));
    let input = &batches[0].inputs[0];
    let [1, height, width, 3] = input.shape[..] else { panic!("shape {:?}", input.shape) };
    let strided = [3, height.div_ceil(stride), width.div_ceil(stride)];
    assert_eq!(expected.shape(), strided, "{name}");
    for (at, &value) in expected.indexed_iter() {
        let found = input.data[((at[1] * stride) * width + at[2] * stride) * 3 + at[0]];
        assert_abs_diff_eq!(f64::from(found), value, epsilon = 1e-6);
    }
}

#[test]
fn the_imagenet_preset_is_torchvisions() {
    compare(&Preprocess::preset(Preset::Imagenet), "imagenet", 5);
}

#[test]
fn the_cifar10_preset_is_torchvisions() {
    compare(&Preprocess::preset(Preset::Cifar10), "cifar10", 3);
}

#[test]
fn odd_sizes_are_cropped_as_torchvision_does() {
    let small = Preprocess {
        resize: Resize::ShorterSide(33),
        crop: Crop::Centre { height: 28, width: 28 },
        ..Preprocess::preset(Preset::Imagenet)
    };
    compare(&small, "small", 1);
}

#[test]
fn small_pictures_are_padded_with_zeros_before_normalising() {
    let crop = Crop::Centre { height: 75, width: 40 };
    let padded = Preprocess { crop, mean: vec![0.5], std: vec![0.25], ..raw() };
    compare(&padded, "padded", 2);
}

#[test]
fn ranges_are_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "x.npy", &npy("|u1", false, &[1, 1, 3], &[0, 51, 255]));
    let data = Dataset::open(&path).unwrap();
    let in_range = |range| {
        let steps = Preprocess { range, ..raw() };
        values(&load(&data, &steps, &options(1, 1)).0)
    };
    assert_eq!(in_range(Range::Unit), [0.0, 0.2, 1.0]);
    assert_eq!(in_range(Range::Signed), [-1.0, -0.6, 1.0]);
    assert_eq!(in_range(Range::Bytes), [0.0, 51.0, 255.0]);
}

#[test]
fn float_pictures_are_resized_cropped_and_normalised_but_keep_their_range() {
    let folder = tempfile::tempdir().unwrap();
    let plane: Vec<f32> = (0..2 * 4 * 4).map(|v| v as f32).collect();
    let path = write(folder.path(), "x.npy", &npy("<f4", false, &[1, 2, 4, 4], &floats(&plane)));
    let data = Dataset::open(&path).unwrap();
    let steps = Preprocess {
        resize: Resize::Exact { height: 2, width: 2 },
        interpolation: repsim::data::Interpolation::Box,
        crop: Crop::Centre { height: 1, width: 4 },
        mean: vec![1.0, 2.0],
        std: vec![0.5],
        float_range: FloatRange::Keep,
        ..raw()
    };
    let (batches, _) = load(&data, &steps, &options(1, 1));
    let input = &batches[0].inputs[0];
    assert_eq!((input.shape.as_slice(), input.layout), ([1, 1, 4, 2].as_slice(), Layout::Nhwc));
    assert_eq!(input.data, [-2.0, -4.0, 3.0, 33.0, 7.0, 37.0, -2.0, -4.0]);
}

#[test]
fn equal_steps_are_done_once_and_shared() {
    let folder = folder(3);
    let data = Dataset::open(folder.path()).unwrap();
    let renamed = Preprocess { preset: Preset::Cifar10, ..raw() };
    let asked = [raw(), bytes(), renamed];
    let mut batches = data.batches(&asked, &options(3, 2)).unwrap();
    assert_eq!(batches.sample_shape(2), [9, 12, 3]);
    let batch = batches.next().unwrap().unwrap();
    assert!(std::sync::Arc::ptr_eq(&batch.inputs[0], &batch.inputs[2]));
    let scaled: Vec<f32> = batch.inputs[1].data.iter().map(|v| v / 255.0).collect();
    assert_eq!(batch.inputs[0].data, scaled);
}

#[test]
fn presets_are_written_and_read_in_full() {
    let steps = Preprocess::preset(Preset::Imagenet);
    let text = serde_json::to_string(&steps).unwrap();
    assert_eq!(
        text,
        r#"{"preset":"imagenet","channels":"rgb","resize":{"shorter_side":256},"#.to_owned()
            + r#""interpolation":"bilinear","crop":{"centre":{"height":224,"width":224}},"#
            + r#""range":"0..1","mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]}"#
    );
    assert_eq!(serde_json::from_str::<Preprocess>(&text).unwrap(), steps);
}

#[test]
fn steps_are_read_from_an_options_text() {
    assert_eq!("256".parse::<Resize>().unwrap(), Resize::ShorterSide(256));
    assert_eq!("20x30".parse::<Resize>().unwrap(), Resize::Exact { height: 20, width: 30 });
    assert_eq!("none".parse::<Crop>().unwrap(), Crop::None);
    assert_eq!("28".parse::<Crop>().unwrap().to_string(), "28x28");
    assert_eq!("-1..1".parse::<Range>().unwrap(), Range::Signed);
    assert_eq!("3".parse::<Channels>().unwrap(), Channels::Rgb);
    let message = "tall".parse::<Resize>().unwrap_err().to_string();
    assert_eq!(
        message,
        r#"unknown size "tall"; give the shorter side (256), HEIGHTxWIDTH, none, or for FID clean or "#
            .to_owned()
            + "legacy-pytorch (299x299; else clean:64, clean:HEIGHTxWIDTH)"
    );
    let message = "image".parse::<Preset>().unwrap_err().to_string();
    assert_eq!(message, r#"unknown preset "image"; give one of imagenet, cifar10, raw, own"#);
}

#[test]
fn a_folder_goes_to_the_networks_size() {
    let folder = tempfile::tempdir().unwrap();
    write_png(&folder.path().join("a.png"), 30, 20, 1);
    write_png(&folder.path().join("b.png"), 20, 50, 2);
    let data = Dataset::open(folder.path()).unwrap();
    assert_eq!(data.default_preset(), Preset::Imagenet);
    let steps = Preprocess::preset(data.default_preset());
    let (batches, _) = load(&data, &steps, &options(8, 2));
    assert_eq!(batches[0].inputs[0].shape, [2, 224, 224, 3]);
}
