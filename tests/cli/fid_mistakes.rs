//! Bad input of `repsim fid` and `repsim stats`: a clear line each, exit code 2, nothing written
//! that is not whole.

use ndarray::{Array2, s};
use repsim::report::sha256_of_file;
use tempfile::TempDir;

use crate::fid_output::ended;
use crate::fid_support::{
    TINY, fails, features, row_fails, stats, three_sets, write, write_statistics,
};
use crate::support::{path, pictures, repsim, words};

/// A covariance.
const FINE: [f64; 4] = [2.0, 0.5, 0.5, 1.0];

/// Features of which one value is not finite.
fn damaged(folder: &TempDir, name: &str, value: f64) -> String {
    let mut rows = features("real");
    rows[[7, 3]] = value;
    write(folder, name, &rows)
}

#[test]
fn features_that_are_not_finite() {
    let (folder, [real, ..]) = three_sets();
    for (name, value) in [("nan", f64::NAN), ("inf", f64::INFINITY), ("low", f64::NEG_INFINITY)] {
        let bad = damaged(&folder, &format!("{name}.npy"), value);
        let parts = [&bad, &format!("row 7 of array {name} is NaN or infinite")[..], "leave that"];
        fails(&format!("fid {bad} {real}"), &parts);
        row_fails(&format!("fid {real} {bad}"), &parts);
        row_fails(&format!("fid {real} {bad} --metrics kid"), &parts);
        fails(&format!("stats {bad}"), &parts);
    }
}

/// The first convolution overflows float32 for a picture that is not black.
#[test]
fn a_model_that_gives_what_is_not_finite() {
    let (fine, bad) = (pictures(8), pictures(8));
    let black = image::RgbImage::new(16, 16);
    for (folder, from) in [(&fine, 0), (&bad, 1)] {
        for i in from..8 {
            let class = if i % 2 == 0 { "even" } else { "odd" };
            black.save(folder.path().join(format!("{class}/{i:03}.png"))).unwrap();
        }
    }
    black.save(bad.path().join("even/000.png")).unwrap();
    image::RgbImage::from_pixel(16, 16, image::Rgb([9, 9, 9]))
        .save(bad.path().join("odd/005.png"))
        .unwrap();
    let (fine, bad) = (fine.path().display(), bad.path().display());
    let options = format!("{TINY} --std 1e-38 --layer conv1");
    let parts = ["layer conv1 of", "is NaN or infinite for sample odd/005.png", "preprocessing"];
    fails(&format!("fid {bad} {fine} {options}"), &parts);
    row_fails(&format!("fid {fine} {bad} {options}"), &parts);
    fails(&format!("stats {bad} {options}"), &parts);
}

#[test]
fn one_sample_only() {
    let (folder, [real, ..]) = three_sets();
    let one = write(&folder, "one.npy", &features("real").slice(s![..1, ..]).to_owned());
    let data = pictures(1);
    let images = data.path().display().to_string();
    let parts =
        |path: &str| [path.to_owned(), "1 sample has no covariance; give at least 2".into()];
    for (line, path) in [
        (format!("fid {one} {real}"), &one),
        (format!("fid {images} {real} {TINY}"), &images),
        (format!("stats {one}"), &one),
        (format!("stats {images} {TINY}"), &images),
    ] {
        fails(&line, &parts(path).each_ref().map(String::as_str));
    }
    for metric in ["fid", "fid-inf"] {
        let line = format!("fid {real} {one} --metrics {metric}");
        row_fails(&line, &parts(&one).each_ref().map(String::as_str));
    }
    for metric in ["kid", "prdc"] {
        let run = ended(&format!("fid {real} {one} --metrics {metric}"), 0);
        let told = format!("{metric} of {one} has no value");
        assert!(run.stderr.contains(&told), "{}", run.stderr);
    }
    let many = pictures(30);
    let line = format!("fid {} {images} {TINY}", many.path().display());
    row_fails(&line, &["1 sample has no covariance"]);
}

#[test]
fn sets_of_another_width() {
    let (folder, [real, ..]) = three_sets();
    let two = write_statistics(&folder, "two.npz", Some([0.0, 1.0]), Some(FINE));
    let narrow = write(&folder, "narrow.npy", &features("offset.real"));
    row_fails(&format!("fid {real} {two}"), &["the reference has shape [16]", "[2]", "same layer"]);
    row_fails(&format!("fid {two} {real}"), &["the reference has shape [2]", "[16]"]);
    row_fails(&format!("fid {real} {narrow}"), &["[16]", "[6]"]);
    row_fails(&format!("fid {real} {narrow} --metrics kid"), &["[16]", "[6]"]);
}

#[test]
fn covariances_that_are_none() {
    let (folder, _) = three_sets();
    let file = |name: &str, sigma| write_statistics(&folder, name, Some([0.0, 1.0]), Some(sigma));
    let fine = file("fine.npz", FINE);
    let cases: [(&str, [f64; 4], &[&str]); 5] = [
        ("asymmetric.npz", [2.0, 0.5, 0.3, 1.0], &["not symmetric: [0, 1] and [1, 0]", "1.0e-1"]),
        (
            "indefinite.npz",
            [1.0, 2.0, 2.0, 1.0],
            &["not positive semi-definite", "-1.000e0", "3.000e0"],
        ),
        (
            "hollow.npz",
            [0.0, 1.0, 1.0, 1.0],
            &["not positive semi-definite", "-6.180e-1", "1.618e0"],
        ),
        ("negative.npz", [1.0, 0.0, 0.0, -4.0], &["sigma[1, 1] is -4", "never negative"]),
        ("nan.npz", [1.0, f64::NAN, 0.0, 1.0], &["sigma[0, 1] is NaN", "again"]),
    ];
    for (name, sigma, parts) in cases {
        let bad = file(name, sigma);
        let parts: Vec<&str> = parts.iter().copied().chain([bad.as_str()]).collect();
        fails(&format!("fid {bad} {fine}"), &parts);
        row_fails(&format!("fid {fine} {bad}"), &parts);
    }
}

/// What float32 leaves of symmetry and of a zero eigenvalue is not a mistake.
#[test]
fn rounding_is_no_mistake() {
    let (folder, _) = three_sets();
    let file = |name: &str, sigma| write_statistics(&folder, name, Some([0.0, 1.0]), Some(sigma));
    let fine = file("fine.npz", FINE);
    let near = file("near.npz", [1.0, 1.0 + 3e-8, 1.0 + 5e-8, 1.0]);
    let run = repsim(words(&format!("fid {fine} {near}")));
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn archives_without_the_keys() {
    let (folder, [real, ..]) = three_sets();
    let mean = write_statistics(&folder, "mean.npz", Some([0.0, 1.0]), None);
    let spread = write_statistics(&folder, "spread.npz", None, Some(FINE));
    let remedy = "write mu (D) and sigma (D×D)";
    for (file, parts) in [(mean, r#""mu" but no "sigma""#), (spread, r#""sigma" but no "mu""#)] {
        fails(&format!("fid {file} {real}"), &[&file, parts, remedy]);
        row_fails(&format!("fid {real} {file}"), &[&file, parts, remedy]);
    }
}

/// Made by `repsim stats`, each with one thing other than the set it is held against.
#[test]
fn statistics_made_in_another_way() {
    let (data, folder) = (pictures(30), tempfile::tempdir().unwrap());
    let data = data.path().display().to_string();
    let file = |name: &str, options: &str| {
        let file = folder.path().join(name);
        stats(&data, options, &file);
        file.display().to_string()
    };
    let plain = file("plain.npz", TINY);
    let traced = TINY.replace("scripted", "traced");
    let hash = |name: &str| sha256_of_file(&path(name)).unwrap()[..12].to_owned();
    let (ours, theirs) = (hash("tiny_resnet_scripted.pt"), hash("tiny_resnet_traced.pt"));
    let cases: [(&str, String, [&str; 2]); 6] = [
        (
            "layer.npz",
            format!("{TINY} --layer layer4"),
            ["layer fc:input (gap)", "layer layer4 (gap)"],
        ),
        (
            "width.npz",
            format!("{TINY} --layer layer3"),
            ["layer fc:input (gap)", "layer layer3 (gap)"],
        ),
        (
            "reduce.npz",
            format!("{TINY} --reduce flatten"),
            ["fc:input (gap)", "fc:input (flatten)"],
        ),
        ("resize.npz", format!("{TINY} --resize clean:32"), ["--resize none", "--resize clean:32"]),
        ("mean.npz", format!("{TINY} --mean 0.25"), ["--mean none", "--mean 0.25"]),
        ("model.npz", traced, [&ours, &theirs]),
    ];
    for (name, options, differ) in cases {
        let other = file(name, &options);
        let all =
            [other.as_str(), "cannot be compared", "make both with the same", differ[0], differ[1]];
        row_fails(&format!("fid {plain} {other}"), &all);
        row_fails(&format!("fid {data} {other} {TINY}"), &all);
        row_fails(&format!("fid {other} {data} {TINY}"), &[&data, differ[0], differ[1]]);
    }
}

#[test]
fn sets_that_are_empty_or_not_there() {
    let (data, empty) = (pictures(4), tempfile::tempdir().unwrap());
    let (data, empty) = (data.path().display(), empty.path().display().to_string());
    let parts = [&empty, "it holds no images", "give the folder"];
    row_fails(&format!("fid {data} {empty} {TINY}"), &parts);
    fails(&format!("fid {empty} {data} {TINY}"), &parts);
    fails(&format!("stats {empty} {TINY}"), &parts);
    row_fails(&format!("fid {data} nowhere {TINY}"), &["nowhere", "there is no such file"]);
    fails(&format!("fid nowhere {data} {TINY}"), &["nowhere", "there is no such file"]);
    fails("fid {fid/pytorch-fid-real.npz}", &["required arguments were not provided"]);
}

/// Rows that are not there: an array of shape 0×16.
#[test]
fn an_array_without_rows() {
    let (folder, [real, ..]) = three_sets();
    let none = write(&folder, "none.npy", &Array2::zeros((0, 16)));
    row_fails(&format!("fid {real} {none}"), &[&none]);
}
