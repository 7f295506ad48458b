//! `repsim saliency`: reports, files beside them, comparison, and mistakes.

use std::fs;
use std::path::Path;

use ndarray::Array3;
use ndarray_npy::NpzReader;
use serde_json::Value;

use crate::reports::assert_valid;
use crate::support::{done, path, report, repsim, words};

const DATA: &str = "--data {images} --limit 6 --seed 1 --preprocess raw --channels 3 \
                    --mean 0.2860 --std 0.3530";
const MODEL: &str = "{models/fashion-seed0-scripted.pt}";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

#[test]
fn every_method_gives_a_map_and_a_valid_report() {
    let folder = tempfile::tempdir().unwrap();
    let (maps, sheet) = (folder.path().join("m.npz"), folder.path().join("s.png"));
    let methods = "gradient,gradient-x-input,smoothgrad,integrated-gradients,gradcam,hirescam,\
                   layercam,gradcam++,occlusion";
    let line = format!(
        "saliency {MODEL} {DATA} --method {methods} --samples 4 --steps 8 --maps {} --sheet {} \
         --images {}",
        maps.display(),
        sheet.display(),
        folder.path().join("overlays").display()
    );
    let found = report(&line);
    assert_valid(&found, "saliency");
    let columns = found["results"]["columns"].as_array().unwrap();
    let names: Vec<&str> = columns.iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, methods.split(',').collect::<Vec<_>>());
    let mut file = NpzReader::new(fs::File::open(&maps).unwrap()).unwrap();
    for (c, name) in names.iter().enumerate() {
        let stored: Array3<f32> = file.by_name(name).unwrap();
        assert_eq!(stored.dim(), (6, 32, 32), "{name}");
        for (image, map) in
            found["results"]["images"].as_array().unwrap().iter().zip(stored.outer_iter())
        {
            let most = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(number(&image["maps"][c]["max"]), f64::from(most), "{name}");
        }
    }
    assert!(fs::read(&sheet).unwrap().starts_with(b"\x89PNG"));
    assert_eq!(fs::read_dir(folder.path().join("overlays")).unwrap().count(), 6 * 9);
    assert_eq!(found["results"]["comparison"].as_array().unwrap().len(), 36);
    assert_eq!(report(&line)["results"], found["results"], "the same command, other results");
}

#[test]
fn maps_do_not_depend_on_the_batch() {
    let line = format!("saliency {MODEL} {DATA} --method gradcam,smoothgrad --samples 3");
    let (whole, parts) = (report(&line), report(&format!("{line} --batch-size 4")));
    let images = |r: &Value| r["results"]["images"].as_array().unwrap().clone();
    for (a, b) in images(&whole).iter().zip(images(&parts)) {
        for (a, b) in a["maps"].as_array().unwrap().iter().zip(b["maps"].as_array().unwrap()) {
            let (a, b) = (number(&a["max"]), number(&b["max"]));
            assert!((a - b).abs() <= 1e-4 * a.abs(), "{a} {b}");
        }
    }
}

#[test]
fn models_are_compared() {
    let line = format!(
        "saliency {MODEL} {{models/fashion-seed1-traced.pt}} {{models/fashion-mixup-scripted.pt}} \
         {DATA} --true-class"
    );
    let found = report(&line);
    assert_eq!(found["settings"]["target"], "label");
    let pairs = found["results"]["comparison"].as_array().unwrap();
    assert_eq!(pairs.len(), 3);
    for pair in pairs {
        for measure in ["pearson", "spearman", "ssim", "overlap"] {
            let mean = number(&pair[measure]["mean"]);
            assert!((-1.0..=1.0).contains(&mean), "{measure}: {mean}");
            let ends = pair[measure]["interval"].as_array().unwrap();
            assert!(number(&ends[0]) <= mean && mean <= number(&ends[1]));
        }
    }
    let itself = report(&format!("saliency {MODEL} {MODEL} {DATA}"));
    let pair = &itself["results"]["comparison"][0];
    assert!(number(&pair["pearson"]["mean"]) > 0.999_999, "{pair}");
    assert_eq!(pair["overlap"]["mean"], 1.0);
}

#[test]
fn the_difference_quotient_meets_autograd() {
    let line =
        format!("saliency {MODEL} {DATA} --method finite-difference --patch 12,15 --patch 8,8,4");
    let found = report(&line);
    assert_valid(&found, "saliency");
    for image in found["results"]["images"].as_array().unwrap() {
        let series = image["finite_differences"].as_array().unwrap();
        assert_eq!(series.len(), 2);
        for one in series {
            let steps = one["steps"].as_array().unwrap();
            let autograd = number(&one["autograd"]);
            let off = |s: &Value| (number(&s["quotient"]) - autograd).abs();
            let best = steps.iter().map(off).fold(f64::INFINITY, f64::min);
            assert!(best <= 0.05 * autograd.abs() + 0.01, "{one}");
            assert!(off(&steps[5]) >= best, "rounding has no say at the smallest h: {one}");
        }
    }
}

#[test]
fn maps_are_tested() {
    let line = format!("saliency {MODEL} {DATA} --method gradcam --faithfulness --sanity");
    let found = report(&line);
    assert_valid(&found, "saliency");
    let results = &found["results"];
    let faithfulness = results["faithfulness"].as_array().unwrap();
    assert_eq!(faithfulness.len(), 2);
    for one in faithfulness {
        let area = |name: &str| number(&one[name]["mean"]);
        for name in ["deletion", "insertion", "random_deletion", "random_insertion"] {
            assert!((0.0..=1.0).contains(&area(name)), "{name}: {one}");
        }
        assert!(area("insertion") > area("random_insertion"), "{one}");
    }
    let sanity = results["sanity"].as_array().unwrap();
    let stages: Vec<&str> = sanity.iter().map(|s| s["redrawn_down_to"].as_str().unwrap()).collect();
    assert_eq!(stages, ["fc", "layer4", "layer3", "layer2", "layer1", "bn1", "conv1"]);
    let last = number(&sanity[6]["spearman"]["mean"]);
    assert!(last < 0.7, "a map that does not depend on the weights: {last}");
}

#[test]
fn a_blank_map_is_flagged() {
    let folder = tempfile::tempdir().unwrap();
    let image = image::GrayImage::from_fn(4, 4, |x, y| image::Luma([(40 + 9 * x + 30 * y) as u8]));
    for name in ["a.png", "b.png"] {
        image.save(folder.path().join(name)).unwrap();
    }
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/saliency/cam.pt");
    let line = format!(
        "saliency {} --data {} --preprocess raw --class 2",
        model.display(),
        folder.path().display()
    );
    let run = done(&line);
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(found["results"]["degenerate"], 2);
    assert_eq!(found["results"]["images"][0]["maps"][0]["degenerate"], true);
    assert_eq!(found["results"]["images"][0]["maps"][0]["entropy"], Value::Null);
    assert!(run.stderr.contains("degenerate"), "{}", run.stderr);
}

#[track_caller]
fn fails(options: &str, says: &str) {
    let line = format!("saliency {MODEL} {DATA} {options}");
    let run = repsim(words(&line));
    assert_eq!(run.code, 2, "{line}\n{}", run.stderr);
    let first = run.stderr.lines().find(|l| l.starts_with("error: ")).unwrap_or_default();
    assert!(first.contains(says), "{}", run.stderr);
    assert!(run.stdout.is_empty());
}

#[test]
fn mistakes_are_told() {
    fails("--class 99", "name a class from 0 to 9");
    fails("--class boot", "the closest of 10 is");
    fails("--contrast 3", "no pair of classes");
    fails("--layer fc", "no spatial map");
    fails("--layer layer9", "the closest are layer");
    fails("--method gradkam", "did you mean gradcam");
    fails("--labels /nope", "/nope");
    fails("--maps x.txt", "end its name in .npz");
    fails("--opacity 3", "from 0 to 1");
    fails("--method gradient --layer layer4", "--layer is for class activation maps");
    fails("--method occlusion --window 64", "does not fit an image of 32×32");
    fails("--method occlusion --window 4 --stride 5", "--stride of at most --window");
    fails("--patch 1,1", "--patch is for the method finite-difference");
    fails("--method finite-difference --patch 40,1", "outside the image");
    fails("--output-index 1", "--output-index");
    let rows = path("measures/features_a.npz");
    let run = repsim(words(&format!("saliency {MODEL} --data {}", rows.display())));
    assert_eq!(run.code, 2, "{}", run.stderr);
}
