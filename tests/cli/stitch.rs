//! `repsim stitch`: networks stitched to themselves, to another order of their channels and to each
//! other, beside controls; and mistakes.

use std::fs;

use serde_json::{Value, json};

use crate::reports::assert_valid;
use crate::support::{done, path, pictures, report, repsim, words};

const DATA: &str = "--data {images} --preprocess raw --channels 3 --mean 0.2860 --std 0.3530";
const A: &str = "{models/fashion-seed0-scripted.pt}";
const B: &str = "{models/fashion-seed1-traced.pt}";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn pairs(report: &Value) -> Vec<Value> {
    report["results"]["pairs"].as_array().unwrap().clone()
}

fn pair(report: &Value, a: &str, b: &str) -> Value {
    pairs(report).into_iter().find(|p| p["layer_a"] == a && p["layer_b"] == b).unwrap()
}

#[track_caller]
fn fails(line: &str, parts: &[&str]) {
    let run = repsim(words(line));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{line}\n{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "no '{part}' in {}", run.stderr);
    }
}

#[test]
fn pairs_are_those_of_hooks_and_least_squares_in_python() {
    let golden = fs::read_to_string(path("stitching/networks.json")).unwrap();
    let golden: Value = serde_json::from_str(&golden).unwrap();
    let layers = "--layers layer2 --layers layer3 --layers layer4 --layers avgpool --layers fc";
    let found = report(&format!("stitch {A} {B} {DATA} {layers} --ridge 0"));
    assert_valid(&found, "stitch");
    let results = &found["results"];
    assert_eq!(results["held_out"], golden["held_out"]);
    assert_eq!((&results["n"], &results["n_fit"]), (&json!(100), &json!(400)));
    for (name, close) in [("accuracy_a", "close_a"), ("accuracy_b", "close_b")] {
        assert_share(&results[name], &golden[name], &golden[close], name);
    }
    for expected in golden["pairs"].as_array().unwrap() {
        let names = [&expected["layer_a"], &expected["layer_b"]].map(|n| n.as_str().unwrap());
        let own = pair(&found, names[0], names[1]);
        for name in ["accuracy", "agreement"] {
            assert_share(&own[name], &expected[name], &expected["close"], name);
        }
        let (kl, wanted) = (number(&own["kl"]), number(&expected["kl"]));
        assert!((kl - wanted).abs() < 1e-3 * wanted.max(0.01), "{names:?}: {kl} {wanted}");
    }
}

/// A share of samples, but for those whose two largest logits are so close that rounding decides.
#[track_caller]
fn assert_share(found: &Value, wanted: &Value, close: &Value, name: &str) {
    let apart = (number(found) - number(wanted)).abs();
    assert!(apart <= number(close) + 1e-12, "{name}: {found}, not {wanted}, {close} close");
}

#[test]
fn a_network_stitched_to_itself_is_as_good_as_alone() {
    let found = report(&format!("stitch {A} {DATA} --limit 300 --seed 2"));
    let own = number(&found["results"]["accuracy_b"]);
    assert!(pairs(&found).len() > 10);
    for pair in pairs(&found) {
        assert_eq!(pair["layer_a"], pair["layer_b"]);
        assert!((number(&pair["accuracy"]) - own).abs() <= 0.005, "{pair}");
        assert!(number(&pair["kl"]) < 1e-4, "{pair}");
        let interval = &pair["interval"];
        assert!(number(&interval[0]) < own && own <= number(&interval[1]), "{pair}");
        assert_eq!(pair["accuracy_b"], found["results"]["accuracy_b"]);
    }
    let late = pair(&found, "layer3.1", "layer3.1");
    let control = &late["controls"]["random_weights"]["accuracy"];
    assert!(number(control) < own - 0.2, "{control}");
    let mean = &late["controls"]["mean"];
    assert!(number(&mean["agreement"]) < 0.4, "{mean}");
}

#[test]
fn another_order_of_channels_stitches_perfectly_and_has_cka_1() {
    let line = "stitch {stitching/plain.pt} {stitching/shuffled.pt} --layers first --layers relu \
                --layers second --data {images} --preprocess raw --channels 3 --against cka \
                --limit 200 --seed 1";
    let found = report(line);
    for name in ["first", "relu", "second"] {
        let pair = pair(&found, name, name);
        assert_eq!(number(&pair["agreement"]), 1.0, "{pair}");
        assert!(number(&pair["kl"]) < 1e-6, "{pair}");
        assert!((number(&pair["cka"]) - 1.0).abs() < 1e-6, "{pair}");
    }
    let channels = &pair(&found, "first", "second")["stitch"];
    assert_eq!((&channels["channels_a"], &channels["channels_b"]), (&json!(12), &json!(8)));
    assert_eq!(channels["resized"], json!([[32, 32], [16, 16]]));
}

#[test]
fn two_seeds_stitch_with_little_loss_where_the_stitch_learns() {
    for layer in ["layer2", "layer3"] {
        let line = format!(
            "stitch {A} {B} {DATA} --layer-a {layer} --layer-b {layer} --fit trained --epochs 6"
        );
        let found = report(&line);
        let own = pair(&found, layer, layer);
        assert!(number(&own["penalty"]) <= 0.05, "{own}");
        let control = &own["controls"]["random_weights"]["accuracy"];
        assert!(number(control) < number(&own["accuracy"]) - 0.3, "{own}");
        let losses: Vec<f64> = serde_json::from_value(own["stitch"]["losses"].clone()).unwrap();
        assert!(losses.len() == 6 && losses[5] < losses[0], "{losses:?}");
        if layer == "layer3" {
            let again = report(&line);
            assert_eq!(again["results"], found["results"], "the same command, other results");
        }
    }
}

#[test]
fn cka_beside_stitching_is_that_of_the_same_samples() {
    let folder = tempfile::tempdir().unwrap();
    let [heatmap, scatter] = ["h.png", "s.svg"].map(|name| folder.path().join(name));
    let line = format!(
        "stitch {A} {B} {DATA} --limit 200 --seed 3 --layers layer3 --layers layer4 --layers fc \
         --against cka --heatmap {} --scatter {}",
        heatmap.display(),
        scatter.display()
    );
    let found = report(&line);
    assert!(fs::read(heatmap).unwrap().starts_with(b"\x89PNG"));
    assert!(fs::read_to_string(scatter).unwrap().contains("Function against structure"));
    let all = pairs(&found);
    assert_eq!(all.len(), 9);
    let against = &found["results"]["against"];
    let usable = all.iter().filter(|p| p["accuracy"].is_number() && p["cka"].is_number()).count();
    assert_eq!(against["pairs"], json!(usable));
    assert!((-1.0..=1.0).contains(&number(&against["spearman"])));
    let first = &against["disagreements"][0];
    let apart = |d: &Value| (number(&d["rank_stitching"]) - number(&d["rank_cka"])).abs();
    for other in against["disagreements"].as_array().unwrap() {
        assert!(apart(other) <= apart(first) && apart(other) > 0.0, "{other}");
    }
    // Maps and a vector have no map over channels between them.
    let refused = pair(&found, "layer3", "fc");
    assert!(refused["accuracy"].is_null() && refused["stitch"].is_null(), "{refused}");
    assert!(refused["reason"].as_str().unwrap().contains("10"), "{refused}");
}

#[test]
fn without_labels_there_is_agreement() {
    let folder = pictures(24);
    let flat = tempfile::tempdir().unwrap();
    for class in ["even", "odd"] {
        for file in fs::read_dir(folder.path().join(class)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), flat.path().join(file.file_name())).unwrap();
        }
    }
    let line = format!(
        "stitch {{tiny_resnet_scripted.pt}} {{tiny_resnet_traced.pt}} --layers layer1 --data {} \
         --preprocess raw",
        flat.path().display()
    );
    let found = report(&line);
    let results = &found["results"];
    let own = pair(&found, "layer1", "layer1");
    assert!(
        results["accuracy_b"].is_null() && own["accuracy"].is_null() && own["penalty"].is_null()
    );
    assert!(results["without_accuracy"].as_str().unwrap().contains("label"), "{results}");
    assert_eq!(number(&own["agreement"]), 1.0, "{own}");
    let trained = format!("{line} --fit trained");
    fails(&trained, &["--fit trained needs the class of each image"]);
}

#[test]
fn the_identity_needs_layers_of_one_shape() {
    let line = format!("stitch {A} {DATA} --limit 50 --fit identity");
    let found = report(&format!("{line} --layers layer2"));
    let own = pair(&found, "layer2", "layer2");
    assert_eq!((number(&own["agreement"]), number(&own["kl"])), (1.0, 0.0), "{own}");
    assert!(own["stitch"]["rank"].is_null() && found["settings"]["ridge"].is_null());
    let other = format!("{line} --layer-a layer2 --layer-b layer3");
    fails(
        &other,
        &["layer2 gives 32×16×16 and layer3 gives 64×8×8", "the identity needs one shape"],
    );
}

/// A vector of features and maps of one position hold the same.
#[test]
fn maps_of_one_position_are_stitched_to_vectors() {
    let found = report(&format!("stitch {A} {DATA} --layer-a avgpool --layer-b fc:input"));
    let own = pair(&found, "avgpool", "fc:input");
    assert!(number(&own["kl"]) < 1e-4 && number(&own["penalty"]).abs() <= 0.005, "{own}");
}

#[test]
fn training_that_diverges_is_told() {
    let line = format!("stitch {A} {B} {DATA} --layer-a layer3 --layer-b layer3 --fit trained");
    let run = done(&format!("{line} --learning-rate 10 --epochs 1 --limit 200 --seed 1"));
    assert!(run.stderr.contains("pair layer3 → layer3: training diverged"), "{}", run.stderr);
    let run = done(&format!("{line} --epochs 1 --limit 200 --seed 1"));
    assert!(!run.stderr.contains("diverged"), "{}", run.stderr);
}

#[test]
fn mistakes_are_told() {
    let to = |rest: &str| format!("stitch {A} {B} {DATA} --limit 60 {rest}");
    fails(
        &to("--layer-a layer3 --layer-b fc"),
        &["layer3 gives 64×8×8 and fc gives 10", "no map over channels"],
    );
    fails(
        &to("--layer-a layer3 --layer-b layer3.0.conv1"),
        &["layer3.0.conv1", "choose a layer that all paths to the output go through"],
    );
    fails(
        &to("--layer-a avgpool --layer-b avgpool"),
        &["128 channels, and 39 rows", "give more samples"],
    );
    fails(&to("--layer-a layer9 --layer-b layer3"), &["'layer9' matches no layer"]);
    fails(&to("--epochs 2"), &["--epochs needs --fit trained"]);
    fails(&to("--fit identity --ridge 1"), &["--ridge needs least squares"]);
    fails(&to("--output-index 3"), &["seed0", "returns Tensor", "leave --output-index out"]);
    fails(&to("--heatmap h.png"), &["--plot draws all pairs", "--layers"]);
    let run = repsim(words(&to("--fit-fraction 1")));
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("a number above 0 and below 1"), "{}", run.stderr);
    fails(
        &format!("stitch {A} {B} {DATA} --limit 1"),
        &["1 samples cannot be split: 1 to fit on and 0 to measure on"],
    );
}

#[test]
fn a_constant_layer_is_stitched_as_the_mean() {
    let line = "stitch {constant_layer.pt} --data {constant_layer.npy} --ridge 0 --layer-a constant \
                --layer-b stem";
    let found = report(line);
    let own = pair(&found, "constant", "stem");
    assert_eq!(own["stitch"]["rank"], 0, "{own}");
    let mean = &own["controls"]["mean"];
    assert!((number(&own["kl"]) - number(&mean["kl"])).abs() < 1e-6, "{own}");
    assert_eq!(own["agreement"], mean["agreement"], "{own}");
}

#[test]
fn values_that_are_not_finite_are_told() {
    let line = |model: &str, rest: &str| {
        format!(
            "stitch {{saliency/{model}.pt}} --data {{images}} --limit 60 --preprocess raw \
                 --channels 3 {rest}"
        )
    };
    fails(&line("nan-conv", "-q"), &["conv of A or conv of B gives NaN or infinite values"]);
    let found = report(&line("nan-fc", ""));
    let own = pair(&found, "conv", "conv");
    assert!(own["agreement"].is_null() && own["kl"].is_null(), "{own}");
    assert!(own["reason"].as_str().unwrap().contains("NaN or infinite"), "{own}");
    let codes: Vec<&str> = found["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|warning| warning["code"].as_str())
        .collect();
    assert!(codes.contains(&"not-finite") && codes.contains(&"cannot-be-stitched"), "{codes:?}");
}

#[test]
fn pairs_without_a_value_have_their_reason_once_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let [json, page] =
        ["s.json", "s.html"].map(|name| folder.path().join(name).display().to_string());
    let line = |layers: &str| format!("stitch {A} {B} {DATA} --limit 100 -q {layers} -o {json}");
    for (layers, reasons) in
        [("--layers layer3 --layers layer4", 0), ("--layers layer4 --layers fc", 2)]
    {
        assert_eq!(repsim(words(&line(layers))).code, 0);
        assert_eq!(repsim(["report", &json, "-o", &page]).code, 0);
        let text = fs::read_to_string(&page).unwrap();
        assert_eq!(text.matches("<li id=\"r1stitch-n").count(), reasons, "{layers}");
        assert_eq!(text.contains("Where there is no value"), reasons > 0, "{layers}");
    }
}

#[test]
fn a_gate_holds_stitches() {
    let folder = tempfile::tempdir().unwrap();
    let baseline = folder.path().join("baseline.json");
    let line = |limit: usize, rest: &str| {
        format!("stitch {A} {DATA} --limit {limit} --seed 1 --layers layer3 {rest}")
    };
    let written = line(100, &format!("--update-baseline {}", baseline.display()));
    assert_eq!(repsim(words(&written)).code, 0);
    let held = repsim(words(&line(100, &format!("-q --check {}", baseline.display()))));
    assert_eq!(held.code, 0, "{}", held.stderr);
    let rule = folder.path().join("policy.toml");
    fs::write(&rule, "version = 1\nrules = ['stitched_accuracy[\"layer3\"] >= 1.01']\n").unwrap();
    let strict = format!("-q --check {} --policy {}", baseline.display(), rule.display());
    let run = repsim(words(&line(100, &strict)));
    assert_eq!(run.code, 1, "{}", run.stderr);
}

#[test]
fn networks_of_different_types_are_stitched() {
    let layers = "--layer-a layer1 --layer-b layer1 --fit-fraction 0.5";
    let data = "--data {tiny_resnet.npy} --float-range keep";
    let [double, half, bfloat] =
        ["", "_half", "_bfloat16"].map(|t| format!("{{export/resnet{t}.pt2}}"));
    for (a, b) in [(&half, &double), (&double, &half), (&bfloat, &half), (&bfloat, &bfloat)] {
        for fit in ["direct", "identity"] {
            let found = report(&format!("stitch {a} {b} {data} {layers} --fit {fit}"));
            let pair = pair(&found, "layer1", "layer1");
            assert_eq!(pair["agreement"], 1.0, "{a} {b} {fit}");
            let kl = number(&pair["kl"]);
            assert!(kl < 1e-3, "{a} {b} {fit}: {kl}");
        }
    }
}
