//! The ways in which tools resize for the Fréchet Inception distance, against clean-fid,
//! pytorch-fid and PyTorch.

use std::path::{Path, PathBuf};

use repsim::data::features::{Feature, load_features};
use repsim::data::{
    ArrayLayout, Channels, Crop, Dataset, FloatRange, Interpolation, Preprocess, Range, Resize,
};

use crate::support::{floats, load, message, npy, options, raw, values, write};

fn fid(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fid").join(name)
}

/// RGB in 0…255, resized.
fn steps(resize: &str) -> Preprocess {
    let resize = resize.parse().unwrap();
    Preprocess { channels: Channels::Rgb, resize, range: Range::Bytes, ..raw() }
}

/// One picture of the goldens under `steps`, in a folder of its own.
fn picture(name: &str, steps: &Preprocess) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fid(&format!("images/{name}.png")), folder.path().join("a.png")).unwrap();
    values(&load(&Dataset::open(folder.path()).unwrap(), steps, &options(1, 1)).0)
}

/// An array in a file, loaded under `steps`.
fn array(file: &[u8], steps: &Preprocess) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "x.npy", file);
    values(&load(&Dataset::open(&path).unwrap(), steps, &options(2, 1)).0)
}

/// The rows and columns of 299 that the goldens hold.
fn sampled() -> Vec<usize> {
    (0..299).step_by(23).chain([298]).collect()
}

/// The largest difference between the goldens `WAY.SIDE/…` and what `resize` makes, over all
/// pictures of that side.
fn worst(way: &str, resize: impl Fn(usize) -> String) -> f64 {
    let all = load_features(&fid("resized.npz")).unwrap();
    let mut worst = 0.0_f64;
    let mut compared = 0;
    for golden in &all {
        let Some((side, name)) = golden.name.strip_prefix(way).and_then(|n| n.split_once('/'))
        else {
            continue;
        };
        let side = side.parse().unwrap();
        let found = picture(name, &steps(&resize(side)));
        worst = worst.max(difference(golden, &found, side));
        compared += 1;
    }
    assert!(compared >= 6, "{way}: {compared} goldens");
    worst
}

fn difference(golden: &Feature, found: &[f32], side: usize) -> f64 {
    assert_eq!(found.len(), side * side * 3);
    let at = if side == 299 { sampled() } else { (0..side).collect() };
    let apart = golden.values.indexed_iter().map(|(i, value)| {
        let place = (at[i[0]] * side + at[i[1]]) * 3 + i[2];
        (f64::from(found[place]) - value).abs()
    });
    apart.fold(0.0, f64::max)
}

#[test]
fn clean_is_clean_fids_to_the_bit() {
    assert_eq!(worst("clean.", |side| format!("clean:{side}")), 0.0);
}

#[test]
fn legacy_pytorch_is_pytorch_fids() {
    let resize = |side| format!("legacy-pytorch:{side}");
    assert!(worst("pytorch.", resize) < 1e-4);
    assert!(worst("legacy.", resize) < 1e-4);
}

#[test]
fn range_mean_and_std_apply_to_the_floats() {
    for resize in ["clean:64", "legacy-pytorch:64x40"] {
        let bytes = picture("45x30-rgb", &steps(resize));
        let unit = picture("45x30-rgb", &Preprocess { range: Range::Unit, ..steps(resize) });
        assert!(bytes.iter().zip(&unit).all(|(b, u)| b / 255.0 == *u), "{resize}");
        let (mean, std) = (vec![0.5, 0.25, 0.125], vec![0.5]);
        let signed = Preprocess { range: Range::Signed, mean, std, ..steps(resize) };
        let signed = picture("45x30-rgb", &signed);
        for (i, (byte, found)) in bytes.iter().zip(signed).enumerate() {
            let mean = [0.5, 0.25, 0.125][i % 3];
            assert_eq!(found, (2.0 * (byte / 255.0) - 1.0 - mean) / 0.5, "{resize} at {i}");
        }
        assert!(bytes.iter().any(|b| b.fract() != 0.0), "{resize} does not round");
    }
}

#[test]
fn a_crop_is_a_part_of_the_whole_and_padded_with_zeros() {
    for resize in ["clean:64x40", "legacy-pytorch:64x40"] {
        let whole = picture("45x30-rgb", &steps(resize));
        let crop = Crop::Centre { height: 20, width: 44 };
        let part = picture("45x30-rgb", &Preprocess { crop, mean: vec![1.0], ..steps(resize) });
        for (y, line) in part.chunks_exact(44 * 3).enumerate() {
            let row = &whole[(y + 22) * 40 * 3..][..40 * 3];
            let expected: Vec<f32> = row.iter().map(|v| v - 1.0).collect();
            assert_eq!(line[6..126], expected, "{resize} row {y}");
            assert!(line[..6].iter().chain(&line[126..]).all(|&v| v == -1.0));
        }
    }
}

#[test]
fn grey_is_made_before_resizing_and_repeated_after() {
    for resize in ["clean:50", "legacy-pytorch:50"] {
        let one = picture("28x28-l", &Preprocess { channels: Channels::Keep, ..steps(resize) });
        let three = picture("28x28-l", &steps(resize));
        assert_eq!(three, one.iter().flat_map(|&v| [v; 3]).collect::<Vec<_>>());
        let grey = Preprocess { channels: Channels::Grey, ..steps(resize) };
        let first = Preprocess { resize: Resize::None, ..grey.clone() };
        let bytes: Vec<u8> = picture("64x48-rgb", &first).iter().map(|&v| v as u8).collect();
        let again = array(&npy("|u1", false, &[1, 48, 64], &bytes), &grey);
        assert_eq!(picture("64x48-rgb", &grey), again, "{resize}");
    }
}

#[test]
fn a_picture_of_the_size_is_left_as_it_is() {
    for resize in ["clean:48x64", "legacy-pytorch:48x64"] {
        let plain = Preprocess { resize: Resize::None, ..steps(resize) };
        assert_eq!(picture("64x48-rgb", &steps(resize)), picture("64x48-rgb", &plain));
    }
}

#[test]
fn floats_are_neither_clipped_nor_brought_into_range() {
    let plane = [-300.0, -300.0, 900.0, 900.0];
    let file = npy("<f4", false, &[1, 1, 1, 4], &floats(&plane));
    let keep = |resize| Preprocess {
        channels: Channels::Keep,
        range: Range::Unit,
        float_range: FloatRange::Keep,
        ..steps(resize)
    };
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "x.npy", &file);
    let row = Dataset::open_as(&path, Some(ArrayLayout::Nchw)).unwrap();
    let array_of = |steps| values(&load(&row, &steps, &options(2, 1)).0);
    let clean = array_of(keep("clean:1x8"));
    assert!(clean.iter().any(|&v| v < -300.0) && clean.iter().any(|&v| v > 900.0), "{clean:?}");
    let legacy = array_of(keep("legacy-pytorch:1x8"));
    assert_eq!(legacy, [-300.0, -300.0, -300.0, 0.0, 600.0, 900.0, 900.0, 900.0]);
    let bytes = array(&npy("|u1", false, &[1, 1, 4], &[0, 0, 255, 255]), &keep("clean:1x8"));
    assert!(bytes.iter().all(|v| (0.0..=1.0).contains(v)), "{bytes:?}");
}

#[test]
fn interpolation_makes_no_difference() {
    for resize in ["clean:50x20", "legacy-pytorch:50x20"] {
        let plain = steps(resize);
        let nearest = Preprocess { interpolation: Interpolation::Nearest, ..plain.clone() };
        assert_eq!(picture("45x30-rgb", &plain), picture("45x30-rgb", &nearest));
        assert!(plain.same_steps(&nearest) && nearest.same_steps(&plain));
        let bytes = Preprocess { resize: "50x20".parse().unwrap(), ..plain };
        assert!(!bytes.same_steps(&Preprocess { resize: bytes.resize, ..nearest }));
    }
    assert!(!steps("clean").same_steps(&steps("legacy-pytorch")));
}

#[test]
fn options_are_read_and_written() {
    let clean = |height, width| Resize::Clean { height, width };
    let legacy = |height, width| Resize::LegacyPytorch { height, width };
    let known = [
        ("clean", "clean", clean(299, 299)),
        ("clean:299", "clean", clean(299, 299)),
        ("clean:64", "clean:64x64", clean(64, 64)),
        ("clean:64x48", "clean:64x48", clean(64, 48)),
        ("legacy-pytorch", "legacy-pytorch", legacy(299, 299)),
        ("legacy-pytorch:299x64", "legacy-pytorch:299x64", legacy(299, 64)),
    ];
    for (text, shown, resize) in known {
        assert_eq!(text.parse::<Resize>().unwrap(), resize);
        assert_eq!(resize.to_string(), shown);
        assert_eq!(shown.parse::<Resize>().unwrap(), resize);
        assert!(resize.is_fid());
    }
    assert!(!["none", "64", "64x64"].iter().any(|text| text.parse::<Resize>().unwrap().is_fid()));
    for text in ["clean:", "clean:x", "clean:1x", "legacy_pytorch", "legacy-pytorch:-1", "clear:64"]
    {
        let told = text.parse::<Resize>().unwrap_err().to_string();
        assert!(told.contains("for FID clean or legacy-pytorch (299x299;"), "{told}");
    }
    let json = serde_json::to_string(&[clean(64, 48), legacy(299, 299)]).unwrap();
    let expected =
        r#"[{"clean":{"height":64,"width":48}},{"legacy_pytorch":{"height":299,"width":299}}]"#;
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<[Resize; 2]>(&json).unwrap()[0], clean(64, 48));
}

#[test]
fn sizes_beyond_the_limits_are_refused() {
    for resize in ["clean:0", "legacy-pytorch:0x3", "clean:5x40000"] {
        let told = message(&fid("images"), &steps(resize), &options(1, 1));
        assert!(told.contains("--resize asks for a side of"), "{told}");
    }
}
