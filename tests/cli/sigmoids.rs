//! Outputs that are probabilities each of its own, and single outputs: never softmaxed, and held against
//! their threshold.

use serde_json::Value;

use crate::accuracy::{accuracies, run, warns};
use crate::support::{path, repsim, words};

const DATA: &str = "--data {sigmoids/images.npz}";

/// What PyTorch says in float64.
fn expected(network: &str) -> Value {
    let text = std::fs::read_to_string(path("sigmoids/outputs.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    all[network].clone()
}

fn output(report: &Value) -> &str {
    report["inputs"]["models"][0]["output"].as_str().unwrap()
}

/// The highest class of each image: its number, logit and probability.
fn tops(report: &Value) -> Vec<(usize, Option<f64>, f64)> {
    let images = report["results"]["images"].as_array().unwrap().iter();
    let tops = images.map(|image| &image["predictions"][0]["top"][0]);
    tops.map(|top| {
        let class = top["class"].as_str().unwrap().parse().unwrap();
        (class, top["logit"].as_f64(), top["probability"].as_f64().unwrap())
    })
    .collect()
}

#[track_caller]
fn says_pytorchs(network: &str, form: &str) {
    let line = format!("saliency {{sigmoids/{network}.pt}} {DATA} --method gradient");
    let (_, report) = run(&line);
    assert_eq!(output(&report), form, "{network}");
    let warned = warns(&report, "outputs-are-probabilities");
    let is_probability = form != "logits";
    assert_eq!(warned.len(), usize::from(is_probability), "{network}");
    assert!(warned.iter().all(|text| text.contains("go through its last sigmoid (or softmax)")));
    let expected = expected(network);
    let tops = tops(&report);
    assert_eq!(tops.len(), 24);
    for (i, (class, logit, probability)) in tops.into_iter().enumerate() {
        let right = expected["probabilities"][i][class].as_f64().unwrap();
        assert!((probability - right).abs() < 1e-5, "{network} {i}: {probability} for {right}");
        assert_eq!(logit.is_none(), is_probability, "{network} {i}");
    }
}

#[test]
fn probabilities_of_sigmoids_are_those_of_pytorch() {
    for network in ["labels_scripted", "labels_traced", "heads", "single", "part"] {
        says_pytorchs(network, "independent-probabilities");
    }
    says_pytorchs("logit", "logits");
}

/// Linear outputs that lie in 0…1 by chance are logits: the graph tells.
#[test]
fn small_logits_are_no_probabilities() {
    let (_, report) = run(&format!("saliency {{sigmoids/small.pt}} {DATA} --method gradient"));
    assert_eq!(output(&report), "logits");
    let outputs = &expected("small")["outputs"];
    for (i, (class, logit, probability)) in tops(&report).into_iter().enumerate() {
        let row: Vec<f64> = (0..3).map(|k| outputs[i][k].as_f64().unwrap()).collect();
        let sum: f64 = row.iter().map(|v| v.exp()).sum();
        assert!((logit.unwrap() - row[class]).abs() < 1e-5);
        assert!((probability - row[class].exp() / sum).abs() < 1e-5);
    }
}

#[test]
fn single_outputs_are_right_by_their_threshold() {
    for network in ["single", "vector", "logit", "part"] {
        let (_, report) = run(&format!("cka {{sigmoids/{network}.pt}} {DATA} --layers relu"));
        let found = &accuracies(&report)[0];
        assert_eq!(found["correct"], expected(network)["correct"], "{network}: {found}");
        assert_eq!((&found["outputs"], &found["matched"]), (&1.into(), &"numbers".into()));
        assert_eq!((&found["chance"], &found["reason"]), (&(16.0 / 24.0).into(), &Value::Null));
    }
}

#[test]
fn accuracies_that_are_not_known_say_why() {
    let line = |network| format!("cka {{sigmoids/{network}.pt}} --data {{sigmoids/many.npz}}");
    let (_, report) = run(&format!("{} --layers relu", line("single")));
    let found = &accuracies(&report)[0];
    assert_eq!(found["accuracy"], Value::Null);
    let reason = found["reason"].as_str().unwrap();
    assert!(reason.contains("one output, which distinguishes two classes"), "{reason}");
    let (_, report) = run(&format!("cka {{sigmoids/heads.pt}} {DATA} --layers relu"));
    let reason = accuracies(&report)[0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("3 logits and the labels go up to 1"), "{reason}");
    // As many outputs as classes: right where the own one is the highest.
    let (_, report) = run(&format!("{} --layers relu", line("labels_scripted")));
    assert!(accuracies(&report)[0]["accuracy"].is_number());
}

/// The confidence in a single probability is that of the class it says.
#[test]
fn distances_hold_confidence_against_the_threshold() {
    let sets = "{sigmoids/images.npz} {sigmoids/images.npz}";
    let auroc = |network: &str| {
        let line =
            format!("distance {sets} --model {{sigmoids/{network}.pt}} --layer relu --reduce gap");
        let (_, report) = run(&line);
        let prediction = &report["results"]["prediction"];
        assert_eq!(prediction["accuracy"], 20.0 / 24.0, "{network}: {prediction}");
        prediction["auroc"]["confidence"].as_f64().unwrap()
    };
    // The order of the samples by confidence is the same: p and 1 − p of the logit's sigmoid.
    let said: Vec<(f64, bool)> = expected_confidences();
    let wrong = said.iter().filter(|(_, right)| !right).map(|(c, _)| *c);
    let mut above = 0.0;
    for wrong in wrong.clone() {
        for (right, _) in said.iter().filter(|(_, right)| *right) {
            above +=
                f64::from(u8::from(wrong < *right)) + 0.5 * f64::from(u8::from(wrong == *right));
        }
    }
    let expected = above / (4.0 * 20.0);
    for network in ["single", "logit", "part"] {
        assert!((auroc(network) - expected).abs() < 1e-9, "{network}");
    }
}

/// Of each image the confidence of what the network of one logit says, and whether that is right.
fn expected_confidences() -> Vec<(f64, bool)> {
    let outputs = &expected("logit")["probabilities"];
    let label = |i: usize, said: bool| if i.is_multiple_of(6) { !said } else { said };
    let of = |i: usize| {
        let p = outputs[i][0].as_f64().unwrap();
        (p.max(1.0 - p), label(i, p > 0.5) == (p > 0.5))
    };
    (0..24).map(of).collect()
}

#[test]
fn sensitivity_says_what_the_score_is() {
    let line = |network| {
        format!(
            "sensitivity {{sigmoids/{network}.pt}} {DATA} --layer relu --perturb fgsm --epsilon 8/255"
        )
    };
    let (_, report) = run(&line("labels_scripted"));
    assert_eq!(report["results"]["score_form"], "independent-probabilities");
    let rows = &expected("labels_scripted")["outputs"];
    let best = |i: usize| (0..3).map(|k| rows[i][k].as_f64().unwrap()).fold(0.0, f64::max);
    let mean = (0..24).map(best).sum::<f64>() / 24.0;
    assert!((report["results"]["mean_logit"].as_f64().unwrap() - mean).abs() < 1e-5);
    let (_, report) = run(&line("small"));
    assert_eq!(report["results"]["score_form"], "logits");
}

/// A network stitched to itself says the same; with a single output too, where no class is an arg-max.
#[test]
fn stitches_of_single_outputs_agree_by_the_threshold() {
    for network in ["labels_scripted", "single", "logit"] {
        let line = format!(
            "stitch {{sigmoids/{network}.pt}} {{sigmoids/{network}.pt}} {DATA} --layers relu \
             --fit-fraction 0.5"
        );
        let (_, report) = run(&line);
        let pair = &report["results"]["pairs"][0];
        assert_eq!(pair["agreement"], 1.0, "{network}: {pair}");
        assert!(pair["kl"].as_f64().unwrap() < 1e-6, "{network}: {pair}");
    }
}

#[test]
fn single_outputs_have_an_accuracy_in_stitches() {
    for network in ["single", "logit", "part"] {
        let file = format!("{{sigmoids/{network}.pt}}");
        let line = format!("stitch {file} {file} {DATA} --layers relu --fit-fraction 0.5");
        let (_, report) = run(&line);
        let results = &report["results"];
        let held_out: Vec<usize> = serde_json::from_value(results["held_out"].clone()).unwrap();
        // What the network says is wrong of every sixth image.
        let right = held_out.iter().filter(|i| !i.is_multiple_of(6)).count();
        let share = right as f64 / held_out.len() as f64;
        assert_eq!(results["accuracy_b"], share, "{network}");
        assert_eq!(results["without_accuracy"], Value::Null);
        assert!(warns(&report, "unnamed-classes").is_empty());
        let trained = words(&format!("{line} --fit trained"));
        let refused = repsim(trained);
        assert_eq!(refused.code, 2);
        assert!(refused.stderr.contains("one logit, and the classes have none each"));
    }
}

/// A class of the reference that the data have alone is the one of its name.
#[test]
fn classes_of_single_outputs_are_found_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let pixels: Vec<u8> = (0..8 * 8 * 3).map(|i| (i * 7 % 256) as u8).collect();
    for (set, class, count) in [("known", "cat", 6), ("known", "dog", 6), ("seen", "dog", 4)] {
        let directory = folder.path().join(set).join(class);
        std::fs::create_dir_all(&directory).unwrap();
        for i in 0..count {
            let mut own = pixels.clone();
            own[i] ^= 255;
            let path = directory.join(format!("{i}.png"));
            image::save_buffer(path, &own, 8, 8, image::ColorType::Rgb8).unwrap();
        }
    }
    let set = |name: &str| folder.path().join(name).display().to_string();
    let model = "--model {sigmoids/single.pt} --preprocess raw --layer relu --reduce gap";
    let (_, report) = run(&format!("distance {} {} {model}", set("known"), set("seen")));
    assert!(warns(&report, "other-classes").is_empty());
    let prediction = &report["results"]["prediction"];
    assert_eq!(prediction["classes"], serde_json::json!(["cat", "dog"]), "{prediction}");
    let (_, same) = run(&format!("distance {} {} {model}", set("known"), set("known")));
    assert!(warns(&same, "other-classes").is_empty());
    // Either all are dogs or none: the accuracy of the whole says which.
    let known = same["results"]["prediction"]["accuracy"].as_f64().unwrap();
    assert_eq!(known, 0.5);
    let dogs = prediction["accuracy"].as_f64().unwrap();
    assert!(dogs == 0.0 || dogs == 1.0);
}
