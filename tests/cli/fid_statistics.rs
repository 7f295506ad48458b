//! Statistics files of any tool and stored features in the place of images, and what
//! `repsim stats` writes.

use std::fs::File;

use ndarray::{Array0, Array1, Array2};
use ndarray_npy::{NpzReader, NpzWriter};
use serde_json::{Value, json};

use crate::fid_support::{
    EXAMPLE, TINY, assert_close, features, golden, images, number, results, row, rows, stats,
    three_sets, warnings, write,
};
use crate::support::{pictures, report, repsim, words};
use crate::tolerances::{BY_COVARIANCE, DISTANCE, FLOAT32_MEANS};

fn frechet() -> Value {
    golden("values")["frechet"]["full"].clone()
}

#[test]
fn statistics_of_pytorch_fid_are_read_on_both_sides() {
    let wanted = number(&frechet()["exact"], "fid");
    for sides in ["real fake", "fake real"] {
        let (a, b) = sides.split_once(' ').unwrap();
        let found = row(&format!("fid {{fid/pytorch-fid-{a}.npz}} {{fid/pytorch-fid-{b}.npz}}"));
        assert_close(number(&found, "fid"), wanted, DISTANCE * wanted);
        assert_eq!(found["n"], Value::Null);
    }
    let pytorch_fid = number(&frechet(), "pytorch_fid");
    assert_close(wanted, pytorch_fid, DISTANCE * wanted);
}

#[test]
fn statistics_of_clean_fid_are_read_on_both_sides() {
    let wanted = number(&frechet(), "clean_fid");
    let found = row("fid {fid/clean-fid-real.npz} {fid/clean-fid-fake.npz}");
    assert_close(number(&found, "fid"), wanted, FLOAT32_MEANS * wanted);
    let mixed = row("fid {fid/pytorch-fid-real.npz} {fid/clean-fid-fake.npz}");
    assert_close(number(&mixed, "fid"), wanted, FLOAT32_MEANS * wanted);
}

/// An array needs no model, in any of the files, on either side.
#[test]
fn features_are_read_from_every_kind_of_file() {
    let wanted = number(&frechet()["exact"], "fid");
    let (folder, [real, fake, _]) = three_sets();
    let single = folder.path().join("single.npz");
    let mut archive = NpzWriter::new(File::create(&single).unwrap());
    archive.add_array("x", &features("fake").mapv(|v| v as f32)).unwrap();
    archive.finish().unwrap();
    let single = single.display();
    for line in [
        format!("fid {real} {fake}"),
        format!("fid {real} {single}"),
        format!("fid {real} {{fid/pytorch-fid-fake.npz}}"),
        format!("fid {{fid/pytorch-fid-real.npz}} {fake}"),
        format!("fid {single} {real}"),
    ] {
        assert_close(number(&row(&line), "fid"), wanted, DISTANCE * wanted);
    }
    let of_file = row(&format!("fid {fake} {{fid/features.npz}} --layer real"));
    assert_close(number(&of_file, "fid"), wanted, DISTANCE * wanted);
    assert_eq!(of_file["n"], 300);
    // clean-fid's file for KID has one array of features.
    let kept = row(&format!("fid {{fid/clean-fid-real-kid.npz}} {fake}"));
    assert_close(number(&kept, "fid"), wanted, DISTANCE * wanted);
}

#[test]
fn features_of_all_cases_have_their_exact_distances() {
    let folder = tempfile::tempdir().unwrap();
    for case in ["few", "constant_both", "constant_fake", "duplicate", "offset", "single"] {
        let side = |side: &str| {
            write(&folder, &format!("{side}.npy"), &features(&format!("{case}.{side}")))
        };
        let exact = golden("values")["frechet"][case]["exact"].clone();
        let found = row(&format!("fid {} {}", side("real"), side("fake")));
        let wanted = number(&exact, "fid");
        assert_close(number(&found, "fid"), wanted, DISTANCE * wanted);
    }
}

#[test]
fn a_report_tells_where_statistics_come_from() {
    let (_folder, [real, fake, _]) = three_sets();
    let found = report(&format!("fid {real} {fake} {{fid/pytorch-fid-fake.npz}}"));
    let sets = found["inputs"]["sets"].as_array().unwrap();
    assert_eq!(sets.len(), 3);
    assert_eq!(sets[0]["features"]["arrays"][0], json!({"name": "real", "shape": [300, 16]}));
    assert_eq!(sets[2]["statistics"]["origin"], Value::Null);
    assert_eq!(found["results"]["reference"], json!({"path": real, "n": 300}));
    assert_eq!(
        (&found["results"]["layer"], &found["results"]["width"]),
        (&Value::Null, &json!(16))
    );
    assert_eq!(found["settings"]["preprocess"], Value::Null);
    assert_eq!(found["timing"]["forward"], 0.0);
}

/// More than the traces of these features' covariances: 0.6 and 0.5 with resized images, more without. The
/// distance is a difference of traces, and rounds as they do.
const TRACES: f64 = 10.0;

/// More samples than features: mean and covariance are what images are measured by, too, and the
/// file keeps every bit of them.
#[test]
fn a_file_of_many_images_gives_what_the_images_give_to_the_last_bit() {
    let (reference, candidate) = (images("reference"), images("candidate"));
    let (reference, candidate) = (reference.path().display(), candidate.path().display());
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a.npz", "b.npz"].map(|name| folder.path().join(name));
    stats(&reference.to_string(), EXAMPLE, &a);
    stats(&candidate.to_string(), EXAMPLE, &b);
    let (a, b) = (a.display(), b.display());
    let direct = row(&format!("fid {reference} {candidate} {EXAMPLE}"));
    for line in [
        format!("fid {a} {candidate} {EXAMPLE}"),
        format!("fid {reference} {b} {EXAMPLE}"),
        format!("fid {a} {b}"),
    ] {
        let found = report(&line);
        let mut row = rows(&found)[0].clone();
        row["path"] = direct["path"].clone();
        assert_eq!(row, direct, "{line}");
        assert_eq!(warnings(&found), Vec::<&str>::new(), "{line}");
    }
    let itself = number(&row(&format!("fid {a} {reference} {EXAMPLE}")), "fid");
    assert!(itself <= BY_COVARIANCE * TRACES, "{itself}");
}

/// Fewer samples than features: images are measured by the samples themselves, a file only has
/// their covariance. What that costs is rounding.
#[test]
fn a_file_of_few_images_gives_nearly_what_the_images_give() {
    let (reference, candidate) = (images("few_reference"), images("few_candidate"));
    let (reference, candidate) = (reference.path().display(), candidate.path().display());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("few.npz");
    stats(&reference.to_string(), EXAMPLE, &file);
    let file = file.display();
    let direct = row(&format!("fid {reference} {candidate} {EXAMPLE}"));
    let found = row(&format!("fid {file} {candidate} {EXAMPLE}"));
    assert_close(number(&found, "fid"), number(&direct, "fid"), BY_COVARIANCE * TRACES);
    assert_eq!(found["rank"], direct["rank"]);
    let itself = row(&format!("fid {file} {reference} {EXAMPLE}"));
    assert!(number(&itself, "fid") <= BY_COVARIANCE * TRACES, "{itself}");
}

#[test]
fn a_statistics_file_holds_what_others_read() {
    let (data, folder) = (pictures(50), tempfile::tempdir().unwrap());
    let file = folder.path().join("tiny.npz");
    stats(&data.path().display().to_string(), TINY, &file);
    let mut archive = NpzReader::new(File::open(&file).unwrap()).unwrap();
    assert_eq!(archive.names().unwrap(), ["mu", "sigma", "n", "repsim"]);
    let mu: Array1<f64> = archive.by_name("mu").unwrap();
    let sigma: Array2<f64> = archive.by_name("sigma").unwrap();
    let n: Array0<i64> = archive.by_name("n").unwrap();
    assert_eq!((mu.len(), sigma.dim(), n.into_scalar()), (10, (10, 10), 50));
    assert_eq!(sigma, sigma.t());
    // A channel of the network is never above zero for these.
    assert!(sigma.diag().iter().all(|v| *v >= 0.0) && sigma.diag().sum() > 0.0);
    let again = folder.path().join("again.npz");
    stats(&data.path().display().to_string(), TINY, &again);
    assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(&again).unwrap());
}

/// Mean and covariance are those of the features themselves, over n − 1.
#[test]
fn statistics_of_features_are_their_mean_and_covariance() {
    let (folder, [real, fake, _]) = three_sets();
    let file = folder.path().join("real.npz");
    stats(&real, "", &file);
    let mut archive = NpzReader::new(File::open(&file).unwrap()).unwrap();
    assert_eq!(archive.names().unwrap(), ["mu", "sigma", "n"]);
    let theirs = crate::support::path("fid/pytorch-fid-real.npz");
    let mut theirs = NpzReader::new(File::open(theirs).unwrap()).unwrap();
    let [ours, wanted]: [Array1<f64>; 2] =
        [&mut archive, &mut theirs].map(|a| a.by_name("mu").unwrap());
    approx::assert_relative_eq!(ours, wanted, max_relative = 1e-13);
    let [ours, wanted]: [Array2<f64>; 2] =
        [&mut archive, &mut theirs].map(|a| a.by_name("sigma").unwrap());
    approx::assert_relative_eq!(ours, wanted, max_relative = 1e-12, epsilon = 1e-13);
    let direct = row(&format!("fid {real} {fake}"));
    assert_eq!(row(&format!("fid {} {fake}", file.display())), direct);
}

/// Where only one side tells its origin nothing can be checked, and that is said.
#[test]
fn one_unknown_origin_is_a_warning() {
    let (data, folder) = (pictures(30), tempfile::tempdir().unwrap());
    let data = data.path().display();
    let known = folder.path().join("known.npz");
    stats(&data.to_string(), TINY, &known);
    let unknown =
        write(&folder, "unknown.npy", &features("real").slice(ndarray::s![.., ..10]).to_owned());
    let known = known.display();
    for line in [format!("fid {known} {unknown}"), format!("fid {unknown} {known}")] {
        assert_eq!(warnings(&report(&line)), ["unknown-origin"], "{line}");
    }
    // Beside images the model runs on all sets.
    let mixed = repsim(words(&format!("fid {data} {unknown} {TINY}")));
    assert!(mixed.code == 2 && mixed.stderr.contains("leave --model out"), "{}", mixed.stderr);
    let both = report(&format!("fid {data} {known} {TINY}"));
    assert_eq!(warnings(&both), Vec::<&str>::new());
    assert!(number(&rows(&both)[0], "fid") <= BY_COVARIANCE * TRACES, "{both}");
    assert!(results(&both).contains("fc:input"));
}
