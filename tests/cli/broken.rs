//! Networks that are broken or odd: no number that means nothing stands as one.

use std::path::Path;

use ndarray::Array3;
use ndarray_npy::NpzReader;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::reports::assert_valid;
use crate::support::{done, repsim, words};

const DATA: &str = "--data {images} --limit 4 --seed 1 --preprocess raw --channels 3";

fn line(command: &str, model: &str, options: &str) -> String {
    format!("{command} {{saliency/{model}.pt}} {DATA} {options}")
}

fn found(line: &str, kind: &str) -> (Value, String) {
    let run = done(line);
    let report = serde_json::from_str(&run.stdout).unwrap();
    assert_valid(&report, kind);
    (report, run.stderr)
}

#[test]
fn logits_that_are_nan_are_no_predictions() {
    let options = "--layer conv --perturb noise,fgsm,pgd --epsilon 0.1 --noise 0.1 --pgd-steps 2";
    let (report, said) = found(&line("sensitivity", "nan-fc", options), "sensitivity");
    let results = &report["results"];
    for row in results["robustness"].as_array().unwrap() {
        assert!(row["flip_rate"].is_null() && row["flip_interval"].is_null(), "{row}");
    }
    let image = &results["images"][0];
    assert!(image["prediction"].is_null() && image["target"].is_null(), "{image}");
    assert!(results["accuracy"].is_null());
    assert!(results["nulls"].to_string().contains("4 of 4 images, the first "));
    assert!(said.contains("not finite") && !said.contains("certain"), "{said}");
}

#[test]
fn maps_of_nan_logits_explain_no_class() {
    let (report, said) = found(&line("saliency", "nan-fc", "--method gradcam"), "saliency");
    let prediction = &report["results"]["images"][0]["predictions"][0];
    assert!(prediction["target"].is_null(), "{prediction}");
    assert_eq!(prediction["top"], json!([]));
    assert!(said.contains("logits are not finite (NaN or infinite) in 4 of 4 images"), "{said}");
    let (report, _) = found(&line("saliency", "nan-fc", "--class 1"), "saliency");
    assert!(report["results"]["images"][0]["predictions"][0]["target"].is_string());
}

#[test]
fn maps_that_are_nan_are_told_of() {
    let (_, said) = found(&line("maps", "nan-conv", "--layer conv"), "maps");
    let text = "1 of 8 channels of conv are not finite (NaN or infinite), in 4 of 4 images shown, the first ";
    assert!(said.contains(text), "{said}");
}

#[test]
fn one_logit_cannot_flip() {
    let options = "--layer conv --perturb noise";
    let run = repsim(words(&line("sensitivity", "one-logit", options)));
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(
        run.stderr.contains("one logit") && run.stderr.contains("--perturb none"),
        "{}",
        run.stderr
    );
    let options = "--layer conv --perturb none";
    let (report, _) = found(&line("sensitivity", "one-logit", options), "sensitivity");
    assert!(report["results"]["nulls"].to_string().contains("gives one logit"));
}

#[test]
fn rounding_is_no_certainty() {
    let options = "--layer conv --perturb fgsm --epsilon 0.01";
    let (_, said) = found(&line("sensitivity", "rounded", options), "sensitivity");
    assert!(said.contains("passes none on to the pixels"), "{said}");
    assert!(!said.contains("certain"), "{said}");
}

#[test]
fn weights_within_a_wrapper_are_drawn_anew_part_by_part() {
    let (report, _) = found(&line("saliency", "wrapped", "--method gradient --sanity"), "saliency");
    let sanity = report["results"]["sanity"].as_array().unwrap();
    let stages: Vec<&str> = sanity.iter().map(|s| s["redrawn_down_to"].as_str().unwrap()).collect();
    assert_eq!(stages, ["module.fc", "module.conv", "module: own parameters"]);
    let agreement = |i: usize| sanity[i]["spearman"]["mean"].as_f64().unwrap();
    assert!((agreement(1) - agreement(2)).abs() > 1e-6, "the constant weight stayed");
    assert!(report["settings"]["redrawn"].as_str().unwrap().starts_with("normal"));
}

#[test]
fn channels_are_shown_once() {
    let run = repsim(words(&line("maps", "rounded", "--layer conv --pick 2,2")));
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("channel 2 is picked twice"), "{}", run.stderr);
    let (report, said) = found(&line("maps", "rounded", "--layer conv --first 9999"), "maps");
    assert_eq!(report["results"]["layers"][0]["shown"].as_array().unwrap().len(), 8);
    assert!(said.contains("conv has 8 channels, fewer than the 9999 asked for"), "{said}");
}

#[test]
fn batches_do_not_change_what_is_tested() {
    let of = |size: usize| {
        let options = format!("--method gradcam --faithfulness --batch-size {size}");
        let (report, _) = found(&line("saliency", "rounded", &options), "saliency");
        let faithfulness = report["results"]["faithfulness"].as_array().unwrap().clone();
        faithfulness.iter().map(|f| f["deletion"]["mean"].as_f64().unwrap()).collect::<Vec<f64>>()
    };
    for (a, b) in of(2).into_iter().zip(of(64)) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn falls_that_are_rounding_are_not_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("plot.svg");
    // Behind the mean over positions the head is linear: a channel at its mean leaves the mean score.
    let options = format!(
        "--layer module.conv --layer module.fc:input --class 1 --ablate mean --perturb none --plot {}",
        plot.display()
    );
    done(&line("sensitivity", "wrapped", &options));
    let svg = read(&plot);
    assert!(svg.contains("Importance against sensitivity"), "{svg}");
    assert!(svg.contains("drawn, for the falls are rounding") && svg.contains("ringed"), "{svg}");
    assert!(!svg.contains("<title>module.fc:input"), "{svg}");
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn dropout_that_stays_on_drops_the_same_in_every_run() {
    let folder = tempfile::tempdir().unwrap();
    let maps = |name: &str| -> (Value, Array3<f32>) {
        let file = folder.path().join(name);
        let options =
            format!("--method gradient --class 1 --draw-seed 0 --maps {}", file.display());
        let (report, _) = found(&line("saliency", "dropping", &options), "saliency");
        let mut file = NpzReader::new(std::fs::File::open(file).unwrap()).unwrap();
        (report["results"].clone(), file.by_name("gradient").unwrap())
    };
    let (first, second) = (maps("1.npz"), maps("2.npz"));
    assert_eq!(first, second);
    // The network is linear: where a pixel was dropped, and only there, the gradient is zero.
    tch::manual_seed(0);
    let kept = Tensor::ones([4, 1024], (Kind::Float, Device::Cpu)).dropout(0.5, true);
    let kept = Vec::<f32>::try_from(kept.flatten(0, -1)).unwrap();
    let share = kept.iter().filter(|&&k| k != 0.0).count() as f64 / kept.len() as f64;
    assert!((0.4..0.6).contains(&share), "{share} of the pixels are kept");
    let differ = first.1.iter().zip(&kept).filter(|(map, kept)| (**map != 0.0) != (**kept != 0.0));
    assert_eq!(differ.count(), 0, "other pixels are dropped than by seed 0");
}
