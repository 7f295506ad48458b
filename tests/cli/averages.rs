//! Channel means that are nothing but rounding: behind a normalisation over the positions.

use serde_json::Value;

use crate::accuracy::{run, warns};
use crate::support::{path, repsim, words};

const NETWORK: &str = "{averages/network.pt}";
const LAYERS: &str = "--layers conv --layers instance --layers group --layers positions --layers mixed \
                      --layers relu";
const IMAGES: &str = "{averages/images.npy}";

/// The layers whose means are rounding, by PyTorch in float64.
fn rounding(network: &str) -> (Vec<String>, Vec<String>) {
    let text = std::fs::read_to_string(path("averages/means.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let layers = all[network].as_object().unwrap().iter();
    let (rounding, others): (Vec<_>, Vec<_>) =
        layers.partition(|(_, spread)| spread.as_f64().unwrap() < 1e-12);
    let names =
        |all: Vec<(&String, &Value)>| all.into_iter().map(|(name, _)| name.clone()).collect();
    (names(rounding), names(others))
}

/// Whether a matrix of a report has a value on its diagonal for each layer named.
fn diagonal(rows: &Value, values: &Value) -> Vec<(String, bool)> {
    let names = rows.as_array().unwrap().iter();
    let at =
        |(i, name): (usize, &Value)| (name.as_str().unwrap().to_owned(), values[i][i].is_number());
    names.enumerate().map(at).collect()
}

#[track_caller]
fn only_others_have_values(found: &[(String, bool)], network: &str, what: &str) {
    let (rounding, others) = rounding(network);
    assert_eq!(found.len(), rounding.len() + others.len(), "{what}: {found:?}");
    for (name, has_value) in found {
        assert_eq!(*has_value, others.contains(name), "{what}: {name}");
        assert!(*has_value || rounding.contains(name));
    }
}

#[test]
fn cka_of_means_that_are_rounding_is_null_with_a_reason() {
    for how in ["", "--estimator minibatch --batch-size 10", "--kernel rbf:0.5", "--no-optimize"] {
        let line = format!("cka {NETWORK} --data {IMAGES} {LAYERS} --reduce gap {how}");
        let (_, report) = run(&line);
        let results = &report["results"];
        let found = diagonal(&results["layers_a"], &results["cka"]);
        only_others_have_values(&found, "network", how);
        let text = report["results"].to_string();
        assert!(text.contains("constant"), "{how}: {text}");
    }
    let line = format!("cka {NETWORK} --data {IMAGES} {LAYERS}");
    let (_, report) = run(&line);
    let found = diagonal(&report["results"]["layers_a"], &report["results"]["cka"]);
    assert!(found.iter().all(|(_, has_value)| *has_value), "{found:?}");
}

#[test]
fn means_over_tokens_too() {
    for reduce in ["tokens-mean", "gap"] {
        let line = format!(
            "cka {{averages/tokens.pt}} --data {IMAGES} --layers linear --layers norm --reduce {reduce}"
        );
        let (_, report) = run(&line);
        let found = diagonal(&report["results"]["layers_a"], &report["results"]["cka"]);
        only_others_have_values(&found, "tokens", reduce);
    }
}

#[test]
fn no_measure_has_a_value_of_rounding() {
    let line = format!(
        "compare {NETWORK} {NETWORK} --data {IMAGES} {LAYERS} \
         --reduce gap --measures all --neighbours 5"
    );
    let (_, report) = run(&line);
    let results = &report["results"];
    for measure in results["measures"].as_array().unwrap() {
        for (layer, value) in diagonal(&results["layers_a"], &measure["values"]) {
            let (rounding, _) = rounding("network");
            assert!(!rounding.contains(&layer) || !value, "{layer}: {}", measure["name"]);
        }
    }
    // Three channels of rounding beside three that vary: no unit and no direction of theirs counts.
    let svcca = |measure: &Value| measure["name"] == "cka";
    let cka = results["measures"].as_array().unwrap().iter().find(|m| svcca(m)).unwrap();
    assert!(cka["values"][4][4].is_number());
}

/// What a network returns has no layer that tells its axes.
#[test]
fn the_channels_of_an_output_are_guessed_with_a_warning() {
    let sets =
        format!("{IMAGES} {{averages/others.npy}} --model {{averages/extractor.pt}} --resize none");
    let (_, report) = run(&format!("fid {sets} --reduce gap"));
    assert_eq!(report["results"]["width"], 6);
    let said = warns(&report, "channel-axis-unknown");
    assert!(said.len() == 1 && said[0].contains("axis 1 is taken"), "{said:?}");
    let (_, report) = run(&format!("fid {sets} --reduce flatten"));
    assert!(warns(&report, "channel-axis-unknown").is_empty());
}

fn refused(line: &str) -> String {
    let found = repsim(words(line));
    assert_eq!(found.code, 2, "{line}: {}", found.stderr);
    found.stderr
}

#[test]
fn sets_of_means_that_are_rounding_are_refused() {
    let sets = format!("{IMAGES} {{averages/others.npy}} --model {NETWORK} --reduce gap");
    for command in ["fid", "distance"] {
        let text = refused(&format!("{command} {sets} --layer group"));
        assert!(text.contains("means of all 6 channels of group are rounding"), "{text}");
        let (_, report) = run(&format!("{command} {sets} --layer mixed"));
        assert_eq!(warns(&report, "means-are-rounding").len(), 2, "{command}");
        let (_, report) = run(&format!("{command} {sets} --layer conv"));
        assert!(warns(&report, "means-are-rounding").is_empty(), "{command}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.npz").display().to_string();
    let text = refused(&format!(
        "stats {IMAGES} --model {NETWORK} --reduce gap --layer instance -o {file}"
    ));
    assert!(text.contains("of instance are rounding") && !std::path::Path::new(&file).exists());
}
