//! `--stats-cache`: statistics kept by what they were made from.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::fid_support::{TINY, number, results, row, rows, three_sets};
use crate::support::{files_in, pictures, report};

/// Two image sets and an empty folder for the cache.
struct Setting {
    reference: TempDir,
    candidate: TempDir,
    cache: TempDir,
}

impl Setting {
    fn new() -> Self {
        let candidate = pictures(50);
        // Other pictures than the reference's: the first of those are left out.
        for i in 0..20 {
            let class = if i % 2 == 0 { "even" } else { "odd" };
            fs::remove_file(candidate.path().join(format!("{class}/{i:03}.png"))).unwrap();
        }
        Self { reference: pictures(20), candidate, cache: tempfile::tempdir().unwrap() }
    }

    fn line(&self, options: &str) -> String {
        let (a, b) = (self.reference.path().display(), self.candidate.path().display());
        format!("fid {a} {b} {TINY} {options}")
    }

    /// A run that looks into the cache.
    fn run(&self, options: &str) -> Value {
        report(&self.line(&format!("--stats-cache {} {options}", self.cache.path().display())))
    }

    fn kept(&self) -> usize {
        files_in(self.cache.path()).len()
    }
}

fn forward(report: &Value) -> f64 {
    number(&report["timing"], "forward")
}

#[test]
fn a_second_run_gives_the_same_and_runs_no_network() {
    let setting = Setting::new();
    let first = setting.run("");
    assert_eq!(setting.kept(), 2);
    let second = setting.run("");
    assert_eq!(results(&second), results(&first));
    assert_eq!(second["inputs"]["sets"], first["inputs"]["sets"]);
    // What the outputs say is known only where the network runs.
    let (mut ran, cached) = (first["inputs"]["models"][0].clone(), &second["inputs"]["models"][0]);
    ["output", "accuracy"]
        .iter()
        .for_each(|field| drop(ran.as_object_mut().unwrap().remove(*field)));
    assert_eq!(*cached, ran);
    assert!(forward(&first) > 0.0);
    assert_eq!((forward(&second), number(&second["timing"], "decode")), (0.0, 0.0));
    assert_eq!(setting.kept(), 2);
    // 20 and 30 samples of 10 features: without the cache it is the covariance as well.
    assert_eq!(results(&report(&setting.line(""))), results(&first));
}

#[test]
fn a_changed_image_is_measured_again() {
    let setting = Setting::new();
    let first = setting.run("");
    let [one, other] = ["odd/049.png", "odd/047.png"].map(|n| setting.candidate.path().join(n));
    fs::copy(other, one).unwrap();
    let second = setting.run("");
    assert!(forward(&second) > 0.0);
    assert_ne!(results(&second), results(&first));
    assert_eq!(setting.kept(), 3);
    assert_eq!(results(&second), results(&report(&setting.line(""))));
    fs::remove_file(setting.candidate.path().join("odd/049.png")).unwrap();
    assert_eq!(rows(&setting.run(""))[0]["n"], 29);
    assert_eq!(setting.kept(), 4);
}

#[test]
fn another_layer_model_or_preprocessing_is_measured_again() {
    let setting = Setting::new();
    let first = setting.run("");
    let mut kept = 2;
    for options in [
        "--layer layer3",
        "--mean 0.3",
        "--resize clean:16",
        "--no-optimize",
        "--layer conv1 --reduce flatten --limit 20",
    ] {
        let other = setting.run(options);
        assert!(forward(&other) > 0.0, "{options}");
        kept += 2;
        assert_eq!(setting.kept(), kept, "{options}");
    }
    let same = setting.run("");
    assert_eq!((results(&same), forward(&same)), (results(&first), 0.0));
    let traced = setting.line("").replace("scripted", "traced");
    let cache = setting.cache.path().display();
    assert!(forward(&report(&format!("{traced} --stats-cache {cache}"))) > 0.0);
    assert_eq!(setting.kept(), kept + 2);
}

#[test]
fn an_array_read_in_another_layout_is_measured_again() {
    let folder = tempfile::tempdir().unwrap();
    let (data, cache) = (folder.path().join("x.npy"), folder.path().join("cache"));
    let pixels = ndarray::Array4::from_shape_fn((8, 3, 16, 3), |(n, a, b, c)| {
        (n * 31 + a * 77 + b * 13 + c * 5) as u8
    });
    ndarray_npy::write_npy(&data, &pixels).unwrap();
    let (data, cache) = (data.display(), cache.display());
    let run = |layout: &str| {
        let line = format!("{data} {data} {TINY} --layer conv1 --layout {layout}");
        report(&format!("fid {line} --stats-cache {cache}"))
    };
    assert!(forward(&run("nchw")) > 0.0 && forward(&run("nhwc")) > 0.0);
    assert!(forward(&run("nchw")) == 0.0 && forward(&run("nhwc")) == 0.0);
}

/// A folder of the same content elsewhere is the same.
#[test]
fn the_content_counts_and_not_the_path() {
    let setting = Setting::new();
    setting.run("");
    let copy = pictures(20);
    let line = format!(
        "fid {} {} {TINY} --stats-cache {}",
        copy.path().display(),
        setting.candidate.path().display(),
        setting.cache.path().display()
    );
    assert_eq!(forward(&report(&line)), 0.0);
}

#[test]
fn a_damaged_file_is_made_again() {
    let setting = Setting::new();
    let first = setting.run("");
    for name in files_in(setting.cache.path()) {
        let file = setting.cache.path().join(name);
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    }
    let second = setting.run("");
    assert_eq!(results(&second), results(&first));
    assert!(forward(&second) > 0.0);
    assert_eq!(forward(&setting.run("")), 0.0);
}

/// Metrics that need samples are not answered from statistics, and the folder is made.
#[test]
fn samples_are_measured_where_they_are_needed() {
    let setting = Setting::new();
    let inner = setting.cache.path().join("a/b");
    let line = setting.line(&format!("--stats-cache {}", inner.display()));
    let plain = row(&line);
    assert_eq!(files_in(&inner).len(), 2);
    let found = report(&format!("{line} --metrics fid,kid"));
    assert!(forward(&found) > 0.0);
    assert_eq!(rows(&found)[0]["fid"], plain["fid"]);
    assert!(rows(&found)[0]["kid"].is_number());
}

/// Stored features are read as fast as their statistics.
#[test]
fn features_are_not_kept() {
    let (_folder, [real, fake, _]) = three_sets();
    let cache = tempfile::tempdir().unwrap();
    report(&format!("fid {real} {fake} --stats-cache {}", cache.path().display()));
    assert_eq!(files_in(cache.path()), Vec::<String>::new());
}
