//! The accuracy beside chance that every command says of a model over labelled data, and outputs that
//! are probabilities already.

use serde_json::Value;

use crate::support::{Run, path, repsim, words};

/// The networks of `careless/` over their images: 40 of 48 right, 28 of one class.
const DATA: &str = "--data {careless/images.npz}";

/// The preprocessing that the example models were trained with.
const TRAINED: &str = "--preprocess raw --channels 3 --mean 0.2860 --std 0.3530";

pub fn run(line: &str) -> (Run, Value) {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let mut arguments = words(line);
    arguments.extend(["-o".to_owned(), report.display().to_string()]);
    let run = repsim(arguments);
    assert_eq!(run.code, 0, "repsim {line}\n{}", run.stderr);
    let text = std::fs::read_to_string(report).unwrap();
    (run, serde_json::from_str(&text).unwrap())
}

pub fn warns(report: &Value, code: &str) -> Vec<String> {
    let all = report["warnings"].as_array().unwrap().iter();
    let own = all.filter(|warning| warning["code"] == code);
    own.map(|warning| warning["text"].as_str().unwrap().to_owned()).collect()
}

/// The accuracies of all models of a report.
pub fn accuracies(report: &Value) -> Vec<Value> {
    let models = report["inputs"]["models"].as_array().unwrap().iter();
    models.flat_map(|m| m["accuracy"].as_array().cloned().unwrap_or_default()).collect()
}

#[track_caller]
fn is_known(line: &str, models: usize) {
    let (_, report) = run(line);
    let found = accuracies(&report);
    assert_eq!(found.len(), models, "{line}: {found:?}");
    for one in &found {
        assert_eq!((&one["correct"], &one["count"]), (&40.into(), &48.into()), "{line}: {one}");
        assert_eq!(one["chance"], 28.0 / 48.0, "{line}");
        assert_eq!(one["matched"], "numbers", "{line}");
        assert!(one["p_value"].as_f64().unwrap() < 0.01, "{line}: {one}");
    }
    assert!(warns(&report, "accuracy-at-chance").is_empty(), "{line}");
    assert_eq!(report["inputs"]["models"][0]["output"], "logits", "{line}");
}

/// The element of a tuple that holds the logits is told by its number.
#[test]
fn of_outputs_by_name_one_is_judged() {
    let line = format!("cka {{careless/named_tuple.pt}} {DATA}");
    let (_, report) = run(&format!("{line} --output-key logits"));
    let found = &accuracies(&report)[0];
    assert_eq!((&found["correct"], &found["count"]), (&40.into(), &48.into()));
    assert_eq!(report["inputs"]["models"][0]["output_key"], "logits");
    let run = repsim(words(&format!("{line} --output-key loss")));
    assert!(run.code == 2 && run.stderr.contains("has no 'loss' (logits, "), "{}", run.stderr);
}

#[test]
fn of_a_tuple_one_element_is_judged() {
    let tuple = "{careless/named_tuple.pt}";
    let images = "{careless/images.npz} {careless/images.npz}";
    for line in [
        format!("cka {tuple} {DATA}"),
        format!("compare {tuple} {DATA} --measures cka"),
        format!("maps {tuple} {DATA} --rows 48"),
        format!("fid {images} --model {tuple} --limit 48"),
        format!("distance {images} --model {tuple} --k 3"),
    ] {
        let (_, report) = run(&line);
        assert!(accuracies(&report).is_empty(), "{line}");
        let (_, report) = run(&format!("{line} --output-index 0"));
        let found = &accuracies(&report)[0];
        assert_eq!((&found["correct"], &found["count"]), (&40.into(), &48.into()), "{line}");
        assert_eq!(report["settings"]["output_index"], 0, "{line}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.npz");
    let stats = format!("stats {{careless/images.npz}} --model {tuple} -v -o {}", file.display());
    let right = |run: Run| run.stderr.contains("right for 40 of 48 samples");
    assert!(
        !right(repsim(words(&stats))) && right(repsim(words(&format!("{stats} --output-index 0"))))
    );
    let run = repsim(words(&format!("cka {tuple} {DATA} --output-index 7")));
    assert!(
        run.code == 2 && run.stderr.contains("--output-index 7 is not a tensor"),
        "{}",
        run.stderr
    );
}

#[test]
fn every_command_says_the_accuracy_beside_chance() {
    let two = format!("{{careless/logits.pt}} {{careless/logits.pt}} {DATA}");
    is_known(&format!("cka {two}"), 2);
    is_known(&format!("cka {two} --estimator minibatch --batch-size 24"), 2);
    is_known(&format!("compare {two} --measures cka,rsa"), 2);
    is_known(&format!("platonic {two}"), 2);
    is_known(&format!("saliency {{careless/logits.pt}} {DATA} --method gradient"), 1);
    is_known(&format!("maps {{careless/logits.pt}} --match {{careless/logits.pt}} {DATA}"), 2);
    is_known(
        &format!(
            "sensitivity {{careless/logits.pt}} {DATA} --layer conv --perturb noise --noise 0.1"
        ),
        1,
    );
    let sets = "{careless/images.npz} {careless/images.npz} --model {careless/logits.pt}";
    is_known(&format!("fid {sets}"), 2);
    is_known(&format!("distance {sets}"), 2);
}

#[test]
fn samples_are_counted_once_however_many_passes_there_are() {
    let line = format!("cka {{careless/logits.pt}} {DATA} --batch-size 8 --memory 150KiB");
    let (run, report) = run(&line);
    assert!(run.stderr.contains("passes"), "{}", run.stderr);
    assert!(report["timing"]["passes"].as_u64().unwrap() > 1);
    assert_eq!(accuracies(&report)[0]["correct"], 40);
    assert_eq!(accuracies(&report)[0]["count"], 48);
}

#[test]
fn stitching_says_it_of_the_samples_measured_on() {
    let line = format!(
        "stitch {{careless/logits.pt}} {{careless/logits.pt}} {DATA} --layers relu --fit-fraction 0.5"
    );
    let (_, report) = run(&line);
    let found = accuracies(&report);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["count"], report["results"]["n"]);
    assert_eq!(found[0]["accuracy"], report["results"]["accuracy_a"]);
}

/// Stops at the layer: nothing behind it runs, and nothing is said.
#[test]
fn runs_that_end_at_an_inner_layer_say_nothing() {
    let sets = "{careless/images.npz} {careless/images.npz} --model {careless/logits.pt}";
    let (_, report) = run(&format!("fid {sets} --layer relu"));
    assert!(accuracies(&report).is_empty());
    assert!(report["inputs"]["models"][0].get("output").is_none());
}

#[test]
fn a_wrong_preprocessing_is_noticed() {
    let model = "{models/fashion-seed0-scripted.pt}";
    let line = format!("saliency {model} --data {{images}} --limit 40 --seed 1 --method gradcam");
    let (wrong, report) = run(&line);
    let said = warns(&report, "accuracy-at-chance");
    assert_eq!(said.len(), 1, "{}", wrong.stderr);
    assert!(said[0].contains("of 40 samples of") && said[0].contains("is the preprocessing right"));
    assert!(wrong.stderr.contains(&said[0]));
    let (right, report) = run(&format!("{line} {TRAINED}"));
    assert!(warns(&report, "accuracy-at-chance").is_empty(), "{}", right.stderr);
    let found = &accuracies(&report)[0];
    assert_eq!((&found["count"], &found["matched"]), (&40.into(), &"names".into()));
    assert!(found["accuracy"].as_f64().unwrap() > 0.8, "{found}");
}

#[test]
fn classes_that_are_not_the_outputs_claim_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["0-t-shirt", "1-trouser"] {
        let own = folder.path().join(class);
        std::fs::create_dir(&own).unwrap();
        let files = std::fs::read_dir(path("images").join(class)).unwrap();
        for file in files.take(6).map(Result::unwrap) {
            std::fs::copy(file.path(), own.join(file.file_name())).unwrap();
        }
    }
    let data = folder.path().display();
    let (_, report) =
        run(&format!("cka {{models/fashion-seed0-scripted.pt}} --data {data} {TRAINED}"));
    let found = &accuracies(&report)[0];
    assert_eq!(found["accuracy"], Value::Null);
    assert!(found["reason"].as_str().unwrap().contains("10 logits and the data have 2 classes"));
    assert!(warns(&report, "accuracy-at-chance").is_empty());
}

#[test]
fn data_without_labels_have_no_accuracy() {
    let (_, report) = run("cka {mlp.pt} --data {mlp.npy}");
    assert!(accuracies(&report).is_empty());
}

#[test]
fn the_page_says_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (report, page) = (file("cka.json"), file("page.html"));
    let line = format!("cka {{careless/probabilities.pt}} {DATA} -o {report} --verbose");
    let run = repsim(words(&line));
    assert!(run.stderr.contains("right for 40 of 48 samples"), "{}", run.stderr);
    assert_eq!(repsim(["report", &report, "-o", &page]).code, 0);
    let text = std::fs::read_to_string(page).unwrap();
    assert!(text.contains("right for 40 of 48 samples") && text.contains("chance 58.3 %"));
    assert!(text.contains("probabilities"));
}

/// What PyTorch says in float64.
fn expected() -> Value {
    let text = std::fs::read_to_string(path("careless/outputs.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn probabilities_are_not_softmaxed_again() {
    let expected = expected();
    for form in ["logits", "probabilities", "log_probabilities"] {
        let line = format!("saliency {{careless/{form}.pt}} {DATA} --method gradient-x-input");
        let (_, report) = run(&line);
        let named = form.replace('_', "-");
        assert_eq!(report["inputs"]["models"][0]["output"], named);
        let warned = !warns(&report, "outputs-are-probabilities").is_empty();
        assert_eq!(warned, form == "probabilities");
        let images = report["results"]["images"].as_array().unwrap();
        for (i, image) in images.iter().enumerate() {
            let top = &image["predictions"][0]["top"][0];
            let class: usize = top["class"].as_str().unwrap().parse().unwrap();
            let off = top["probability"].as_f64().unwrap()
                - expected["probabilities"][i][class].as_f64().unwrap();
            assert!(off.abs() < 1e-5, "{form} {i}: {top}");
            assert_eq!(top["logit"].is_null(), form == "probabilities", "{top}");
        }
    }
}

/// All numbers of a part of a report, in their order.
fn numbers(value: &Value, into: &mut Vec<f64>) {
    match value {
        Value::Number(number) => into.extend(number.as_f64()),
        Value::Array(all) => all.iter().for_each(|one| numbers(one, into)),
        Value::Object(all) => all.values().for_each(|one| numbers(one, into)),
        _ => {}
    }
}

/// The same part of the reports of a network and of the same behind a softmax; in a line NET is the archive
/// and IN the module that holds the layers.
#[track_caller]
fn agree(line: &str, part: &str, tolerance: f64) {
    let of = |form: &str, inside: &str| {
        let line = line.replace("NET", &format!("{{careless/{form}.pt}}")).replace("IN.", inside);
        let (_, report) = run(&line);
        let mut found = vec![];
        numbers(report.pointer(part).unwrap_or(&Value::Null), &mut found);
        found
    };
    let (plain, softmaxed) = (of("logits", ""), of("probabilities", "network."));
    assert!(!plain.is_empty() && plain.len() == softmaxed.len(), "{line}: {plain:?} {softmaxed:?}");
    for (a, b) in plain.iter().zip(&softmaxed) {
        assert!((a - b).abs() <= tolerance * (1.0 + a.abs()), "{line}: {a} and {b}");
    }
}

#[test]
fn every_number_of_probabilities_is_that_of_their_logits() {
    let stitch = format!("stitch NET NET {DATA} --layers IN.relu --fit-fraction 0.5");
    agree(&stitch, "/results/pairs", 1e-3);
    let faithful = format!("saliency NET {DATA} --method occlusion --faithfulness");
    agree(&faithful, "/results/faithfulness/0/random_deletion", 1e-5);
    let distance = "distance {careless/images.npz} {careless/images.npz} --model NET";
    agree(distance, "/results/prediction/deciles/confidence", 1e-5);
    let attacks =
        format!("sensitivity NET {DATA} --layer IN.conv --perturb fgsm --epsilon 2/255,8/255");
    agree(&attacks, "/results/robustness/0/flip_rate", 1e-9);
    agree(&attacks, "/results/robustness/1/flip_rate", 1e-9);
}

/// A layer that gives the tensor of another is not measured again, but the network runs to its end.
#[test]
fn it_is_known_where_the_last_layers_are_one_tensor() {
    let model = "{models/fashion-seed0-scripted.pt}";
    let line = format!("cka {model} --data {{images}} {TRAINED} --limit 40 --layers layer4.1");
    let (one, two) = (run(&line).1, run(&format!("{line} --layers layer4")).1);
    assert_eq!(two["results"]["layers_a"], serde_json::json!(["layer4.1", "layer4"]));
    assert_eq!(accuracies(&two).len(), 1);
    assert_eq!(accuracies(&two), accuracies(&one));
}
