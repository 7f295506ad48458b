//! Images as `repsim fid` takes them: folders, arrays, sizes that differ, files that are damaged.

use std::fs;

use ndarray::{Array4, s};
use ndarray_npy::write_npy;
use serde_json::Value;
use tempfile::TempDir;

use crate::fid_support::{
    TINY, assert_close, features, number, resized, row, rows, warnings, write,
};
use crate::support::{pictures, report, repsim, words};
use crate::tolerances::DISTANCE;

/// The pictures of a folder as N×H×W×C bytes, by their number.
fn stacked(folder: &TempDir, count: usize) -> Array4<u8> {
    let mut all = Array4::zeros((count, 16, 16, 3));
    for i in 0..count {
        let class = if i % 2 == 0 { "even" } else { "odd" };
        let file = folder.path().join(format!("{class}/{i:03}.png"));
        for (x, y, pixel) in image::open(file).unwrap().to_rgb8().enumerate_pixels() {
            for (c, value) in pixel.0.into_iter().enumerate() {
                all[[i, y as usize, x as usize, c]] = value;
            }
        }
    }
    all
}

#[test]
fn an_array_of_images_is_the_folder_of_them() {
    let (data, other) = (pictures(30), pictures(25));
    let file = other.path().join("array.npy");
    write_npy(&file, &stacked(&data, 30)).unwrap();
    let (data, file) = (data.path().display(), file.display());
    let itself = row(&format!("fid {data} {file} {TINY}"));
    assert!(number(&itself, "fid") < 1e-12 && itself["n"] == 30, "{itself}");
    // A folder with an array in it is still a folder of images.
    let other = other.path().display();
    let [by_folder, by_array] =
        [format!("fid {data} {other} {TINY}"), format!("fid {file} {other} {TINY}")]
            .map(|l| row(&l));
    assert_close(number(&by_array, "fid"), number(&by_folder, "fid"), 1e-9);
    assert!(number(&by_folder, "fid") > 1e-6, "{by_folder}");
}

#[test]
fn images_of_any_size_where_they_are_resized() {
    let found = report("fid {fid/images} {fid/images} --model {fid/extractor.pt}");
    assert_eq!((&rows(&found)[0]["n"], number(&rows(&found)[0], "fid")), (&Value::from(6), 0.0));
    let small = "fid {fid/images} {fid/images} --model {fid/extractor.pt} --resize clean:32";
    assert_eq!(report(small)["settings"]["preprocess"]["resize"], resized("clean", 32));
}

#[test]
fn a_random_subset_of_every_set() {
    let (data, other) = (pictures(30), pictures(25));
    let line = format!("fid {} {} {TINY}", data.path().display(), other.path().display());
    let found = |options: &str| report(&format!("{line} --limit 12 {options}"));
    let first = found("");
    assert_eq!(
        (&first["results"]["reference"]["n"], &rows(&first)[0]["n"]),
        (&12.into(), &12.into())
    );
    // The first six of each class are the same pictures in both.
    assert!(number(&rows(&first)[0], "fid") < 1e-12);
    assert!(number(&rows(&found("--seed 1"))[0], "fid") > 1e-6);
}

#[test]
fn a_file_that_cannot_be_decoded() {
    let (data, other) = (pictures(30), pictures(25));
    let file = other.path().join("odd/003.png");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let line = format!("fid {} {} {TINY}", data.path().display(), other.path().display());
    let run = repsim(words(&line));
    assert_eq!(run.code, 2);
    let failed: Value = serde_json::from_str(&run.stdout).unwrap();
    let error = rows(&failed)[0]["error"].as_str().unwrap();
    assert!(error.contains("odd/003.png") && error.contains("--skip-unreadable"), "{error}");
    let skipping = report(&format!("{line} --skip-unreadable"));
    assert_eq!(warnings(&skipping), ["skipped-files"]);
    assert_eq!(rows(&skipping)[0]["n"], 24);
    let skipped = &skipping["inputs"]["sets"][1]["images"]["skipped"];
    assert_eq!(skipped[0]["name"], "odd/003.png", "{skipping}");
    fs::remove_file(&file).unwrap();
    assert_eq!(rows(&report(&line))[0], rows(&skipping)[0]);
}

/// Feature maps are stored features too, without a model: channel means, or all of them.
#[test]
fn feature_maps_are_reduced() {
    let folder = tempfile::tempdir().unwrap();
    let maps = |name: &str| {
        let rows = features(name);
        let n = rows.nrows();
        let maps = rows.into_shape_with_order((n, 4, 2, 2)).unwrap();
        let file = folder.path().join(format!("{name}-maps.npy"));
        write_npy(&file, &maps).unwrap();
        (file.display().to_string(), maps)
    };
    let ((real, real_maps), (fake, fake_maps)) = (maps("real"), maps("fake"));
    let mean = |maps: &Array4<f64>| {
        let sum = maps.slice(s![.., .., .., 0]).to_owned() + maps.slice(s![.., .., .., 1]);
        sum.mean_axis(ndarray::Axis(2)).unwrap() / 2.0
    };
    let real_means = write(&folder, "real-means.npy", &mean(&real_maps));
    let fake_means = write(&folder, "fake-means.npy", &mean(&fake_maps));
    let wanted = number(&row(&format!("fid {real_means} {fake_means}")), "fid");
    let found = report(&format!("fid {real} {fake}"));
    assert_eq!(found["results"]["width"], 4);
    assert_close(number(&rows(&found)[0], "fid"), wanted, DISTANCE * wanted);
    let flat = report(&format!("fid {real} {fake} --reduce flatten"));
    assert_eq!(flat["results"]["width"], 16);
    let (plain_real, plain_fake) = (
        write(&folder, "real.npy", &features("real")),
        write(&folder, "fake.npy", &features("fake")),
    );
    let plain = number(&row(&format!("fid {plain_real} {plain_fake}")), "fid");
    assert_close(number(&rows(&flat)[0], "fid"), plain, DISTANCE * plain);
}
