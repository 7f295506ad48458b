//! `repsim sensitivity`: reports, the picture beside them, and mistakes.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::reports::assert_valid;
use crate::support::{path, pictures, report, repsim, words};

const DATA: &str = "--data {images} --limit 24 --seed 1 --preprocess raw --channels 3 \
                    --mean 0.2860 --std 0.3530";
const MODEL: &str = "{models/fashion-seed0-scripted.pt}";
const TINY: &str = "{tiny_resnet_scripted.pt}";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().unwrap().clone()
}

/// The value of a field in each of a list.
fn column(rows: &Value, name: &str) -> Vec<f64> {
    list(rows).iter().map(|row| number(&row[name])).collect()
}

#[test]
fn a_report_holds_channels_and_robustness() {
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("p.png");
    let line = format!(
        "sensitivity {MODEL} {DATA} --layer layer4 --epsilon 8/255,0.01 --noise 0.1 --pgd-steps 3 \
         --plot {}",
        plot.display()
    );
    let found = report(&line);
    assert_valid(&found, "sensitivity");
    assert!(fs::read(&plot).unwrap().starts_with(b"\x89PNG"));
    let results = &found["results"];
    let layer = &results["layers"][0];
    assert_eq!(
        (&layer["name"], layer["channels"].as_array().unwrap().len()),
        (&json!("layer4"), 128)
    );
    for channel in list(&layer["channels"]) {
        let product = number(&channel["gradient"]) * number(&channel["std"]);
        assert!((number(&channel["sensitivity"]) - product).abs() <= 1e-12 * product, "{channel}");
        assert!((0.0..=1.0).contains(&number(&channel["accuracy_zero"])), "{channel}");
    }
    let (sensitivity, ranks) =
        (column(&layer["channels"], "sensitivity"), column(&layer["channels"], "rank_sensitivity"));
    let largest = sensitivity.iter().copied().fold(0.0, f64::max);
    let first = ranks.iter().position(|rank| *rank == 1.0).unwrap();
    assert_eq!(sensitivity[first], largest);
    for correlation in list(&layer["correlations"]) {
        let value = number(&correlation["spearman"]);
        let ends = &correlation["interval"];
        assert!(number(&ends[0]) < value && value < number(&ends[1]), "{correlation}");
    }
    let settings = &found["settings"];
    assert_eq!(settings["epsilon"], json!([0.01, 8.0 / 255.0]));
    assert_eq!(settings["loss"], "cross entropy of the label");
    assert_eq!(report(&line)["results"], *results, "the same command, other results");
    robustness_is_that_of_the_images(results);
}

fn robustness_is_that_of_the_images(results: &Value) {
    let images = list(&results["images"]);
    assert_eq!((images.len(), &results["n"]), (24, &json!(24)));
    let kinds: Vec<String> = list(&results["robustness"])
        .iter()
        .map(|r| format!("{} {}", r["perturbation"], r["strength"]))
        .collect();
    assert_eq!(kinds.len(), 1 + 2 + 2, "{kinds:?}");
    let fgsm = |i: usize| &results["robustness"][1 + i];
    let flips =
        images.iter().filter(|image| image["perturbed"][1]["flips_at"] == json!(0.01)).count();
    assert!((number(&fgsm(0)["flip_rate"]) - flips as f64 / 24.0).abs() < 1e-12);
    let ends = &fgsm(0)["flip_interval"];
    assert!(number(&ends[0]) <= number(&fgsm(0)["flip_rate"]));
    let change = |i: usize| {
        let of = |image: &Value| number(&image["perturbed"][1]["logit_changes"][i]);
        images.iter().map(of).sum::<f64>() / 24.0
    };
    for i in [0, 1] {
        assert!((change(i) - number(&fgsm(i)["logit_change"])).abs() < 1e-9);
    }
    let right = images.iter().filter(|image| image["label"] == image["prediction"]).count();
    assert!((number(&results["accuracy"]) - right as f64 / 24.0).abs() < 1e-12);
    assert!(images.iter().all(|image| number(&image["margin"]) > 0.0));
}

#[test]
fn numbers_do_not_depend_on_the_batch() {
    let line =
        format!("sensitivity {MODEL} {DATA} --layer layer4 --perturb noise,fgsm --epsilon 2/255");
    let (whole, parts) = (report(&line), report(&format!("{line} --batch-size 10")));
    let of = |report: &Value| {
        let channels = &report["results"]["layers"][0]["channels"];
        let names = ["sensitivity", "mean", "std", "drop_zero", "drop_mean"];
        let mut all = names.map(|name| column(channels, name)).to_vec();
        all.push(column(&report["results"]["robustness"], "logit_change"));
        all
    };
    for (a, b) in of(&whole).into_iter().zip(of(&parts)) {
        let largest = a.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() <= 1e-4 * largest, "{a} {b}");
        }
    }
}

#[test]
fn little_strength_flips_nothing() {
    let found = report(&format!(
        "sensitivity {MODEL} {DATA} --ablate none --epsilon 1e-9 --noise 1e-9 --pgd-steps 2"
    ));
    assert_valid(&found, "sensitivity");
    for row in list(&found["results"]["robustness"]) {
        assert_eq!(row["flip_rate"], 0.0, "{row}");
        assert!(number(&row["logit_change"]).abs() < 1e-4, "{row}");
    }
    for image in list(&found["results"]["images"]) {
        assert!(list(&image["perturbed"]).iter().all(|p| p["flips_at"].is_null()), "{image}");
    }
    let channel = &found["results"]["layers"][0]["channels"][0];
    assert!(channel["drop_zero"].is_null() && channel["rank_importance"].is_null());
    assert_eq!(list(&found["results"]["nulls"]).len(), 2);
    assert_eq!(found["timing"]["passes"], 1);
}

#[test]
fn targets_and_flat_layers_can_be_chosen() {
    let line = format!(
        "sensitivity {MODEL} {DATA} --contrast 0-t-shirt,6 --layer fc:input --layer avgpool \
         --ablate mean --perturb none"
    );
    let found = report(&line);
    assert_valid(&found, "sensitivity");
    assert_eq!(found["settings"]["target"], "class 0 against 6");
    let image = &found["results"]["images"][0];
    assert_eq!((&image["target"], &image["against"]), (&json!("0-t-shirt"), &json!("6-shirt")));
    let layers = list(&found["results"]["layers"]);
    assert_eq!(layers.len(), 2);
    // What goes into the head is what the pooling gave.
    let values = |i: usize| column(&layers[i]["channels"], "drop_mean");
    for (a, b) in values(0).iter().zip(values(1)) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    assert!(layers[0]["channels"][0]["drop_zero"].is_null());
    assert!(found["settings"]["loss"].is_null());
}

/// Behind `layer4` there is but a mean and a linear head: of one class the mean score stays as it is with
/// a channel at its mean, and an order of what rounding leaves would mean nothing.
#[test]
fn falls_that_are_but_rounding_have_no_order() {
    let line = "--class 3 --layer layer4 --ablate mean,zero --perturb none --limit 8";
    let found = report(&format!("sensitivity {MODEL} {} {line}", DATA.replace("--limit 24", "")));
    let layer = &found["results"]["layers"][0];
    let drops = column(&layer["channels"], "drop_mean");
    assert!(drops.iter().all(|drop| drop.abs() < 4e-6), "{drops:?}");
    assert!(layer["correlations"][0]["spearman"].is_null());
    assert!(layer["correlations"][1]["spearman"].is_number());
    assert!(layer["channels"][0]["rank_importance"].is_null());
    assert_eq!(layer["important_not_sensitive"], json!([]));
    let nulls = list(&found["results"]["nulls"]);
    assert!(nulls[0]["reason"].as_str().unwrap().contains("up to rounding"), "{nulls:?}");
}

/// Grey images of a range other than 0..1: the pixels are the same, and so is what is found.
#[test]
fn pixels_are_those_of_the_file_whatever_the_range() {
    let line = |steps: &str| {
        let line = format!(
            "sensitivity {MODEL} --data {{images}} --limit 12 --seed 1 --preprocess raw \
             --channels 3 {steps} --ablate none --epsilon 4/255 --noise 0.1 --pgd-steps 2"
        );
        report(&line)["results"]["robustness"].clone()
    };
    let unit = line("--mean 0.2860 --std 0.3530");
    let others =
        ["--range -1..1 --mean -0.428 --std 0.706", "--range 0..255 --mean 72.93 --std 90.015"];
    for steps in others {
        let found = line(steps);
        assert_eq!(column(&found, "flip_rate"), column(&unit, "flip_rate"), "{steps}");
        for (a, b) in column(&found, "logit_change").iter().zip(column(&unit, "logit_change")) {
            assert!((a - b).abs() <= 1e-3 * b.abs(), "{steps}: {a} {b}");
        }
    }
}

/// Floats say nothing of black and white, unless the range is given.
#[test]
fn images_of_floats_need_a_range() {
    let line =
        format!("sensitivity {TINY} --data {{tiny_resnet.npy}} --layer layer4 --ablate zero");
    let found = report(&line);
    assert_valid(&found, "sensitivity");
    let codes: Vec<Value> = list(&found["warnings"]).iter().map(|w| w["code"].clone()).collect();
    assert_eq!(codes[..3], ["not-perturbed", "no-labels", "few-images"]);
    assert_eq!(found["results"]["robustness"], json!([]));
    let asked = repsim(words(&format!("{line} --perturb noise")));
    assert_eq!(asked.code, 2);
    assert!(
        asked.stderr.contains("black and white is not known; say it with --range"),
        "{}",
        asked.stderr
    );
    let beyond = repsim(words(&format!("{line} --range 0..1")));
    assert_eq!(beyond.code, 2);
    assert!(beyond.stderr.contains("where black is 0 and white is 1"), "{}", beyond.stderr);
}

/// A folder of classes whose names the model does not know.
fn unknown_classes() -> TempDir {
    pictures(6)
}

#[test]
fn classes_that_cannot_be_told_leave_no_accuracy() {
    let folder = unknown_classes();
    let data = format!("--data {} --preprocess raw", folder.path().display());
    let found =
        report(&format!("sensitivity {TINY} {data} --layer layer4 --epsilon 0.1 --noise 0.1"));
    assert_valid(&found, "sensitivity");
    assert!(found["results"]["accuracy"].is_null());
    assert_eq!(found["settings"]["loss"], "cross entropy of the predicted class");
    let why = &found["results"]["nulls"][0]["reason"];
    assert_eq!(
        why,
        "the model gives 6 logits and the data have 2 classes: which is which is not known"
    );
    let image = &found["results"]["images"][0];
    assert_eq!(image["label"], "even");
    assert!(image["prediction"].as_str().unwrap().parse::<usize>().is_ok(), "{image}");
    let names = folder.path().join("names.txt");
    fs::write(&names, "a\neven\nb\nc\nodd\nd\n").unwrap();
    let named = report(&format!(
        "sensitivity {TINY} {data} --layer layer4 --perturb none --true-class --labels {}",
        names.display()
    ));
    assert_eq!(named["results"]["images"][0]["target"], "even");
    assert!(named["results"]["accuracy"].is_number());
}

#[test]
fn rows_of_numbers_have_channels() {
    let found = report("sensitivity {mlp.pt} --data {mlp.npy} --layer **");
    assert_valid(&found, "sensitivity");
    assert!(!list(&found["results"]["layers"]).is_empty());
    let constant = report("sensitivity {constant_layer.pt} --data {constant_layer.npy} --layer **");
    let codes: Vec<Value> = list(&constant["warnings"]).iter().map(|w| w["code"].clone()).collect();
    assert!(codes.contains(&json!("constant-channels")), "{codes:?}");
}

#[track_caller]
fn fails(line: &str, expected: &str) {
    let run = repsim(words(&format!("sensitivity {line}")));
    assert_eq!(run.code, 2, "{line}: {}", run.stderr);
    assert!(run.stderr.contains(expected), "{line}: {}", run.stderr);
    assert_eq!(run.stdout, "", "{line}");
}

#[test]
fn mistakes_are_told_in_a_line() {
    let fashion = |options: &str| format!("{MODEL} {DATA} {options}");
    let cases = [
        ("--layer layer9", "the closest are layer"),
        ("--class 10", "class 10 is out of range: the model gives 10 logits"),
        ("--class sock", "the closest of 10 is"),
        ("--contrast 3", "give two classes separated by a comma"),
        ("--epsilon 0", "above 0 and at most 1"),
        ("--epsilon -1/255", "above 0 and at most 1"),
        ("--noise 2", "above 0 and at most 1"),
        ("--epsilon 8:255", "such as 8/255 or 0.03"),
        ("--perturb fsgm", "did you mean fgsm? there are noise, fgsm, pgd, none"),
        ("--ablate maen", "did you mean mean? there are zero, mean, none"),
        ("--perturb none,pgd", "--perturb has none beside others"),
        ("--pgd-steps 0", "from 1 to 100,000"),
        ("--plot x.txt", "end its name in .png or .svg"),
        ("--plot x.png --ablate none", "--plot draws importance"),
        ("--plot /nope/x.png", "its folder does not exist"),
        ("--output-index 1", "--output-index"),
        ("--labels /nope", "/nope"),
    ];
    for (options, expected) in cases {
        fails(&fashion(options), expected);
    }
    fails(MODEL, "no data was given");
    fails(&format!("{TINY} --data {{tiny_resnet.npy}} --true-class"), "--true-class needs labels");
    fails("{mlp.pt} --data {mlp.npy} --layer ** --perturb fgsm", "rows of numbers and no images");
    fails("{mlp.pt} --data {mlp.npy}", "no layer gives a spatial map; name a layer with --layers");
    let folder = unknown_classes();
    let data = format!("--data {} --preprocess raw", folder.path().display());
    fails(&format!("{TINY} {data} --true-class"), "name the classes in the order of the logits");
}

/// What gives no N×K logits is not a classifier.
#[test]
fn an_output_that_is_no_matrix_is_told() {
    let model = path("identity_scripted.pt");
    let line = format!("{} --data {{tiny_resnet.npy}} --layer **", model.display());
    let run = repsim(words(&format!("sensitivity {line}")));
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("no N×K logits"), "{}", run.stderr);
}
