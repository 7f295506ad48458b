//! Networks that write into their input, that draw random numbers or look at the batch, or that have
//! complex layers, from the command line.

use std::fs;

use repsim::analysis::Draw;
use serde_json::{Value, json};

use crate::support::{assert_near, done, matrix, path, pictures, report, repsim, words};
use crate::tolerances::GOLDEN;

const DATA: &str = "--data {draws/input.npy}";

fn golden(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path(&format!("draws/{name}"))).unwrap()).unwrap()
}

#[track_caller]
fn fails(line: &str, parts: &[&str]) {
    let run = repsim(words(line));
    assert_eq!(run.code, 2, "{line}\n{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is not in {:?}", run.stderr);
    }
}

fn codes(report: &Value) -> Vec<&str> {
    let warnings = report["warnings"].as_array().unwrap();
    warnings
        .iter()
        .map(|w| w["code"].as_str().unwrap())
        .filter(|c| c.starts_with("depends"))
        .collect()
}

#[test]
fn each_model_is_fed_the_samples_and_not_what_the_first_left() {
    let wanted = golden("writers.json");
    for (name, value) in wanted.as_object().unwrap() {
        let value = value.as_f64().unwrap();
        for (a, b) in [(name.as_str(), "plain"), ("plain", name.as_str())] {
            let line = format!("cka {{draws/{a}.pt}} {{draws/{b}.pt}} {DATA} --layers fc");
            assert_near(&matrix(&report(&line), "cka"), &[vec![value]], GOLDEN);
            let line =
                line.replace("cka ", "compare ").replace("--layers", "--measures cka --layers");
            let found = &report(&line)["results"]["measures"][0]["values"][0][0];
            assert!((found.as_f64().unwrap() - value).abs() < GOLDEN, "{name}: {found}");
        }
    }
}

#[test]
fn a_network_that_flattens_by_a_view_runs_on_what_is_laid_out_channels_last() {
    let wanted = golden("flattens.json").as_f64().unwrap();
    let line = format!("cka {{draws/flattens.pt}} {DATA} --layers conv --layers-b fc");
    for options in ["", " --no-optimize"] {
        let found = report(&format!("{line} {{draws/flattens.pt}}{options}"));
        assert_near(&matrix(&found, "cka"), &[vec![wanted]], GOLDEN);
    }
}

/// Pictures reach a network channels-last, and random numbers are drawn in the order of the memory.
#[test]
fn what_draws_on_pictures_does_not_depend_on_the_batch() {
    let folder = pictures(6);
    let data = folder.path().display();
    let line = format!("cka {{draws/monte_carlo.pt}} --data {data} --preprocess raw --crop 5");
    let found = report(&line);
    assert_eq!(codes(&found), ["depends-on-draw"], "{}", found["warnings"]);
}

#[test]
fn maps_are_of_the_images_and_not_of_what_a_model_left() {
    let maps = |models: &str| {
        let methods = "--method integrated-gradients,smoothgrad,gradient-x-input";
        let line = format!(
            "saliency {models} {DATA} --float-range keep --samples 3 --steps 4 {methods} --class 1"
        );
        report(&line)["results"].clone()
    };
    let both = maps("{draws/normalises.pt} {draws/normalises.pt}");
    for image in both["images"].as_array().unwrap() {
        let (maps, said) = (image["maps"].as_array().unwrap(), &image["predictions"]);
        assert_eq!((maps.len(), &said[0]), (6, &said[1]));
        assert_eq!(maps[..3], maps[3..]);
    }
}

#[test]
fn two_copies_of_a_network_draw_the_same() {
    for name in ["monte_carlo", "drop_path", "training_trace"] {
        let line = format!("cka {{draws/{name}.pt}} {{draws/{name}.pt}} {DATA}");
        for options in ["", "--draw-seed 9", "--estimator minibatch --batch-size 6"] {
            let found = report(&format!("{line} {options}"));
            for (i, row) in matrix(&found, "cka").iter().enumerate() {
                assert!((row[i] - 1.0).abs() < GOLDEN, "{name} {options}: {row:?}");
            }
        }
        let fc = |seed: u32| {
            let line = format!("{line} --layers * --draw-seed {seed}");
            report(&line)["results"]["hsic_aa"].clone()
        };
        assert_eq!(fc(1), fc(1));
        assert_ne!(fc(1), fc(2), "{name}");
    }
}

#[test]
fn what_depends_on_the_draw_or_the_batch_is_said() {
    let line = |name: &str| format!("cka {{draws/{name}.pt}} {DATA}");
    let both = report(&line("training_trace"));
    assert_eq!(codes(&both), ["depends-on-draw", "depends-on-batch"]);
    assert_eq!(both["inputs"]["models"][0]["draw_seed"], 0);
    let seeded = report(&format!("{} --seed 7", line("training_trace")));
    assert_eq!(seeded["inputs"]["models"][0]["draw_seed"], Draw::Model.seed(7));
    let bn = &both["inputs"]["models"][0]["layers"][1];
    assert_eq!((&bn["name"], &bn["depends_on"]), (&json!("bn"), &json!(["batch"])));
    assert_eq!(codes(&report(&line("no_running"))), ["depends-on-batch"]);
    assert_eq!(codes(&report(&line("centres"))), ["depends-on-batch"]);
    let noise = report(&line("noise"));
    assert_eq!(codes(&noise), ["depends-on-draw"]);
    for quiet in ["training_script", "wrapped", "plain", "normalises"] {
        let found = report(&line(quiet));
        assert!(codes(&found).is_empty() && found["inputs"]["models"][0]["draw_seed"].is_null());
    }
    let said = done(&line("monte_carlo")).stderr;
    for part in ["aten::dropout in block", "2 layers (block, fc)", "--draw-seed", "model.eval()"] {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
    let said = done(&format!(
        "fid {{draws/input.npy}} {{draws/input.npy}} --model {} --reduce flatten",
        path("draws/training_trace.pt").display()
    ))
    .stderr;
    assert!(said.contains("statistics of the batch"), "{said}");
}

#[test]
fn an_output_that_a_trial_run_shows_to_depend_on_the_batch_is_said() {
    for name in ["centres", "times", "no_running"] {
        let line =
            format!("saliency {{draws/{name}.pt}} {DATA} --float-range keep --method gradient");
        assert!(codes(&report(&line)).contains(&"depends-on-batch"), "{name}");
    }
    let line = format!("saliency {{draws/plain.pt}} {DATA} --float-range keep --method gradient");
    assert!(!codes(&report(&line)).contains(&"depends-on-batch"));
}

#[test]
fn the_list_of_layers_marks_them() {
    let line = "layers {draws/training_trace.pt} --input-size 3x5x5";
    let run = done(line);
    let row = |name: &str| run.stdout.lines().find(|l| l.trim_start().starts_with(name)).unwrap();
    assert!(run.stdout.contains("depends on"), "{}", run.stdout);
    assert!(
        row("drop ").trim_end().ends_with("draw, batch")
            && row("bn ").trim_end().ends_with("batch")
    );
    assert!(!row("conv ").contains("batch"));
    assert!(run.stderr.contains("aten::batch_norm in bn"), "{}", run.stderr);
    let plain = done("layers {draws/plain.pt} --input-size 3x5x5");
    assert!(!plain.stdout.contains("depends on"), "{}", plain.stdout);
}

/// Two samples, T×N×D: the first is compared along the axis of the samples.
#[test]
fn steps_of_time_first_are_compared_along_their_samples() {
    let run = done("layers {draws/times.pt} --input-size 3x5x5");
    let row = |name: &str| run.stdout.lines().find(|l| l.trim_start().starts_with(name)).unwrap();
    assert!(row("norm ").trim_end().ends_with("batch"), "{}", run.stdout);
    assert!(!row("stem ").contains("batch"), "{}", run.stdout);
    let codes = |archive: &str| {
        let found = report(&format!("cka {{draws/{archive}.pt}} {DATA} --layers !fc"));
        found["warnings"].to_string()
    };
    let said = codes("times");
    assert!(said.contains("norm") && said.contains("batch"), "{said}");
}

#[test]
fn complex_layers_count_as_their_real_and_imaginary_parts() {
    let wanted = golden("complex.json");
    let found = report(&format!("cka {{draws/complex.pt}} {DATA}"));
    assert_eq!(found["results"]["layers_a"], wanted["layers"]);
    let values: Vec<Vec<f64>> = serde_json::from_value(wanted["cka"].clone()).unwrap();
    assert_near(&matrix(&found, "cka"), &values, GOLDEN);
    let line = format!("compare {{draws/complex.pt}} {DATA} --measures cka");
    let rows = report(&line)["results"]["measures"][0]["values"].clone();
    let rows: Vec<Vec<f64>> = serde_json::from_value(rows).unwrap();
    assert_near(&rows, &values, GOLDEN);
    for reduce in ["gap", "spatial"] {
        let found =
            report(&format!("cka {{draws/complex.pt}} {DATA} --layers fft --reduce {reduce}"));
        assert_eq!(found["inputs"]["models"][0]["layers"][0]["shape"], json!([8, 5, 3]));
        assert!((matrix(&found, "cka")[0][0] - 1.0).abs() < GOLDEN);
    }
    let gradcam = format!(
        "saliency {{draws/complex.pt}} {DATA} --float-range keep --method gradcam --layer fft --class 0"
    );
    fails(&gradcam, &["layer fft", "complex"]);
}

#[test]
fn the_default_is_said_in_a_line() {
    let line = format!("cka {{draws/wrapped.pt}} {DATA}");
    let said = done(&line).stderr;
    assert!(said.contains("5 layers of wrapped.pt: model.stem … head.1"), "{said}");
    assert!(!done(&format!("{line} --layers **")).stderr.contains("layers of wrapped.pt"));
    let found = report(&line);
    let head = &found["inputs"]["models"][0]["layers"][4];
    assert_eq!(head["aliases"], json!(["head"]));
    let named = report(&format!("{line} --layers head --layers head.1"));
    assert_near(&matrix(&named, "cka"), &[vec![1.0; 2], vec![1.0; 2]], GOLDEN);
}

/// A baseline of all layers is held against a report that has some under the names of others.
#[test]
fn a_baseline_meets_the_same_layers_under_other_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.json").display().to_string();
    let line = format!("cka {{draws/wrapped.pt}} {DATA}");
    done(&format!("{line} --layers * --layers *.* --layers **.layer.* -o {file}"));
    done(&format!("{line} --check {file}"));
    let old = fs::read_to_string(&file).unwrap();
    let mut old: Value = serde_json::from_str(&old).unwrap();
    let names = old["results"]["layers_a"].as_array().unwrap();
    let head = names.iter().position(|name| name == "head").unwrap();
    old["results"]["cka"][head][head] = json!(0.5);
    fs::write(&file, old.to_string()).unwrap();
    let run = repsim(words(&format!("{line} --layers !model.stem --check {file}")));
    assert_eq!(run.code, 2, "{}", run.stderr);
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(
        said.contains(r#"cka["model.stem"] is in the baseline and not in the report"#),
        "{said}"
    );
    let policy = folder.path().join("p.toml");
    fs::write(
        &policy,
        "version = 1\nrules = ['cka[\"head\"] <= 0.9', 'drop(cka[\"head\"]) <= 0 against baseline']\n",
    )
    .unwrap();
    let run = repsim(words(&format!("{line} --check {file} --policy {}", policy.display())));
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("drifted: 2 values checked, 1 drifted"), "{}", run.stderr);
    assert!(run.stderr.contains(r#"cka["head"]  1.00000    <= 0.9"#), "{}", run.stderr);
}

/// One warning for all modules of a reason.
#[test]
fn what_a_fast_path_computes_is_told_once() {
    let line = format!("cka {{draws/fast_path.pt}} {DATA} --layers **");
    let found = report(&line);
    let warnings = found["warnings"].as_array().unwrap();
    let left: Vec<&Value> = warnings.iter().filter(|w| w["code"] == "layer-left-out").collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let text = left[0]["text"].as_str().unwrap();
    for part in ["16 layers (blocks.0", "fast path", "set_fastpath_enabled(False)"] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    fails(
        &line.replace("**", "blocks.0.linear1"),
        &[
            "layer blocks.0.linear1 of",
            "fast_path.pt did not run: aten::_transformer_encoder_layer_fwd in blocks.0",
        ],
    );
}

/// What evaluation mode cannot change is not told to be cured by it.
#[test]
fn advice_is_for_the_cause() {
    let said = |name: &str| done(&format!("cka {{draws/{name}.pt}} {DATA}")).stderr;
    assert!(said("noise").contains("export a forward without them"));
    assert!(said("centres").contains("keeps them apart"));
    assert!(said("no_running").contains("running statistics"));
    for name in ["noise", "centres"] {
        assert!(!said(name).contains("model.eval() before exporting"), "{name}");
    }
}

#[test]
fn each_tensor_of_a_tuple_is_listed_and_a_module_stands_for_its_first() {
    for (name, states) in [("lstm", 2), ("gru", 1)] {
        let listed = report(&format!("layers {{draws/{name}.pt}} --input-size 7x4 --json"));
        let layers = listed["results"]["layers"].as_array().unwrap();
        let names: Vec<&str> = layers.iter().map(|l| l["name"].as_str().unwrap()).collect();
        for element in 0..=states {
            assert!(names.contains(&format!("rnn:{element}").as_str()), "{names:?}");
        }
        assert!(!names.contains(&format!("rnn:{}", states + 1).as_str()), "{names:?}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.npz").display().to_string();
        let values =
            ndarray::Array3::from_shape_fn((6, 7, 4), |(i, j, k)| ((i * j + k) as f32).sin());
        let mut npz = ndarray_npy::NpzWriter::new(fs::File::create(&file).unwrap());
        npz.add_array("x", &values).unwrap();
        npz.finish().unwrap();
        let found = report(&format!("cka {{draws/{name}.pt}} --data {file} --layers rnn"));
        assert_eq!(found["results"]["layers_a"], serde_json::json!(["rnn:0"]));
        assert_near(&matrix(&found, "cka"), &[vec![1.0]], GOLDEN);
        let found = report(&format!("cka {{draws/{name}.pt}} --data {file} --layers rnn:*"));
        assert_eq!(matrix(&found, "cka").len(), states + 1);
    }
}

/// Convolution weights laid out channels-last lay out what they give so, whatever they are given.
#[test]
fn networks_that_view_convolutions_of_plain_inputs_run() {
    for (name, data) in [("grey", "{draws/grey.npy}"), ("orders", "{draws/input.npy}")] {
        let line = format!(
            "cka {{draws/{name}.pt}} {{draws/{name}.pt}} --data {data} --layers conv --layers-b fc"
        );
        let wanted = golden(&format!("{name}.json")).as_f64().unwrap();
        for how in ["", "--no-optimize"] {
            let found = report(&format!("{line} {how}"));
            assert_near(&matrix(&found, "cka"), &[vec![wanted]], GOLDEN);
        }
        let tail =
            format!("sensitivity {{draws/{name}.pt}} --data {data} --layer conv --perturb none");
        let images = report(&tail)["results"]["n"].as_u64();
        assert_eq!(images, Some(12), "{name}");
    }
}

/// A trace of one image has no room for several behind the layer either.
#[test]
fn channels_of_a_network_for_one_image_are_ablated_one_by_one() {
    let line = format!("sensitivity {{draws/one_image.pt}} {DATA} --layer conv --perturb none");
    let found = report(&format!("{line} --batch-size 1"));
    let wanted = golden("one_image_falls.json");
    let channels = &found["results"]["layers"][0]["channels"];
    for channel in 0..4 {
        let fall = channels[channel]["drop_zero"].as_f64().unwrap();
        let right = wanted[channel].as_f64().unwrap();
        assert!((fall - right).abs() < GOLDEN, "{channel}: {fall}, not {right}");
    }
}

#[test]
fn a_network_for_one_image_is_run_on_one_after_the_other() {
    let line = format!("cka {{draws/one_image.pt}} {DATA} --layers conv --layers fc");
    let wanted = golden("one_image.json").as_f64().unwrap();
    for size in ["", " --batch-size 1", " --batch-size 7"] {
        let found = report(&format!("{line}{size}"));
        assert_near(&matrix(&found, "cka"), &[vec![1.0, wanted], vec![wanted, 1.0]], GOLDEN);
    }
    let said = done(&line).stderr;
    assert!(said.contains("takes one sample at a time"), "{said}");
}

/// Whatever the attribute that it changes is, and where freezing would fold it into the code.
#[test]
fn a_network_that_keeps_lists_begins_each_run_with_what_was_saved() {
    let line = format!("cka {{draws/keeps.pt}} {DATA} --layers net.conv --layers net.fc");
    let wanted = golden("keeps.json").as_f64().unwrap();
    for options in ["", " --batch-size 5", " --batch-size 4 --no-optimize"] {
        let found = report(&format!("{line}{options}"));
        assert_near(&matrix(&found, "cka"), &[vec![1.0, wanted], vec![wanted, 1.0]], GOLDEN);
    }
    let said = done(&line).stderr;
    assert!(said.contains("changes its 2 attributes (net.seen, net.sums) as it runs"), "{said}");
    let kept = report(&format!("{line} --batch-size 5 --keep-state"));
    assert!((matrix(&kept, "cka")[0][1] - wanted).abs() > 0.01);
}

/// What runs behind a layer alone would begin with what the whole left: such networks run as a whole.
#[test]
fn a_network_that_keeps_lists_is_not_cut() {
    let line = format!(
        "sensitivity {{draws/keeps.pt}} {DATA} --layer net.conv --perturb none --ablate zero"
    );
    let golden = golden("keeps_falls.json");
    for options in ["", " --batch-size 5", " --no-optimize"] {
        let found = report(&format!("{line}{options}"));
        let channels = found["results"]["layers"][0]["channels"].as_array().unwrap();
        for (channel, wanted) in channels.iter().zip(golden.as_array().unwrap()) {
            let (fall, wanted) = (channel["drop_zero"].as_f64(), wanted.as_f64().unwrap());
            assert!((fall.unwrap() - wanted).abs() < GOLDEN, "{channel}: {wanted}");
        }
    }
    let stitch = "stitch {draws/keeps.pt} {draws/keeps.pt}";
    fails(
        &format!("{stitch} {DATA} --layers net.conv --fit-fraction 0.5"),
        &["layer net.conv", "the model changes net.seen as it runs"],
    );
}

#[test]
fn recurrent_layers_keep_to_the_samples_of_their_states() {
    let goldens: Value =
        serde_json::from_str(&fs::read_to_string(path("states/states.json")).unwrap()).unwrap();
    for (archive, golden, layer) in [
        ("policy.pt2", "policy", "memory:0"),
        ("policy.pt", "policy", "memory:0"),
        ("four.pt", "four", "memory"),
    ] {
        let line =
            format!("cka {{states/{archive}}} {{states/{archive}}} --data {{states/input.npy}}");
        let line = format!("{line} --preprocess raw --layers {layer} --layers-b actor");
        let (found, wanted) = (matrix(&report(&line), "cka")[0][0], &goldens[golden]);
        assert!(
            (found - wanted.as_f64().unwrap()).abs() < 1e-6,
            "{archive}: {found}, not {wanted}"
        );
        // Nor in batches that the state is not of.
        let odd = matrix(&report(&format!("{line} --batch-size 3")), "cka")[0][0];
        assert!((found - odd).abs() < 1e-6, "{archive}: {found}, in threes {odd}");
    }
}
