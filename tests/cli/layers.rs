//! `repsim layers`.

use serde_json::{Value, json};

use crate::support::{done, report, words};

fn names(report: &Value) -> Vec<&str> {
    let layers = report["results"]["layers"].as_array().unwrap();
    layers.iter().map(|l| l["name"].as_str().unwrap()).collect()
}

#[test]
fn lists_every_layer_of_scripted_and_traced_archives() {
    for archive in ["tiny_resnet_scripted.pt", "tiny_resnet_traced.pt"] {
        let report = report(&format!("layers {{{archive}}} --input-size 3x16x16 --json"));
        assert_eq!(names(&report).len(), 47);
        let expected = json!({
            "name": "layer2.0.relu:2", "type": "ReLU", "kind": "activation", "shape": [6, 4, 4],
            "parameters": 0, "calls": 2, "channel_axis": 1, "channel_axis_by": "operator",
            "aliases": ["layer2.0", "layer2"]
        });
        let layers = report["results"]["layers"].as_array().unwrap();
        assert!(layers.contains(&expected), "{layers:?}");
        assert_eq!(report["results"]["not_run"], json!([]));
        assert_eq!(report["settings"]["input_size"], json!([3, 16, 16]));
    }
}

#[test]
fn prints_a_table() {
    let run = done("layers {tiny_resnet_scripted.pt} --input-size 3x16x16");
    let header = run.stdout.lines().next().unwrap();
    for word in ["layer", "type", "kind", "output", "channel axis", "parameters", "runs"] {
        assert!(header.contains(word), "{header}");
    }
    let line = run.stdout.lines().find(|l| l.trim_start().starts_with("layer4 ")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words, ["layer4", "Sequential", "block", "10×2×2", "1", "1,760", "1"]);
    assert_eq!(run.stdout.lines().filter(|l| !l.trim().is_empty()).count(), 48);
}

#[test]
fn quiet_with_a_file_prints_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layers.json");
    let line =
        format!("layers {{tiny_resnet_scripted.pt}} --input-size 3x16x16 -o {}", path.display());
    let (loud, quiet) = (done(&line), done(&format!("{line} -q")));
    assert!(loud.stdout.contains("layer4"));
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let report: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(names(&report).len(), 47);
}

#[test]
fn takes_patterns() {
    let line = "layers {tiny_resnet_scripted.pt} --input-size 3x16x16 --json --layers layer?";
    assert_eq!(names(&report(line)), ["layer1", "layer2", "layer3", "layer4"]);
    let report = report(&format!("{line} --layers !layer[34]"));
    assert_eq!(names(&report), ["layer1", "layer2"]);
}

#[test]
fn takes_inputs_that_are_no_images() {
    let report = report("layers {mlp.pt} --input-size 16 --json");
    assert_eq!(names(&report), ["0", "1", "2", "3", "4"]);
    assert_eq!(report["results"]["layers"][2]["shape"], json!([8]));
}

#[test]
fn says_what_is_not_listed_and_why() {
    let line = "layers {control_flow.pt} --input-size 8";
    let report = report(&format!("{line} --json"));
    let results = &report["results"];
    let mut idle: Vec<&str> =
        results["not_run"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    idle.sort_unstable();
    assert_eq!(idle, ["dark", "noise"]);
    let said = done(line).stderr;
    assert!(said.contains("dark"), "{said}");
    let said = done("layers {identity_traced.pt} --input-size 16").stderr;
    assert!(said.contains("skip gives NoneType: not listed"), "{said}");
}

#[test]
fn says_that_a_frozen_archive_has_operators() {
    let line = "layers {frozen.pt} --input-size 3x16x16";
    let report = report(&format!("{line} --json"));
    assert_eq!(report["inputs"]["models"][0]["frozen"], true);
    assert_eq!(names(&report)[..3], ["conv2d.1", "relu.1", "max_pool2d.1"]);
    let said = done(line).stderr;
    assert!(said.contains("No modules are left"), "{said}");
}

#[test]
fn writes_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("layers.json");
    let line = format!("layers {{mlp.pt}} --input-size 16 -o {}", file.display());
    let run = done(&line);
    assert!(run.stdout.contains("Linear"));
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(names(&serde_json::from_str(&text).unwrap()).len(), 5);
}

#[test]
fn shows_what_a_trusted_archive_reaches_for() {
    let report = report("layers {file_reader.pt} --input-size 4 --trust-model --json");
    let operators = &report["inputs"]["models"][0]["untrusted_operators"];
    assert_eq!(operators, &json!(["aten::from_file"]));
}

#[test]
fn lists_the_example_models() {
    for model in ["fashion-seed0-scripted.pt", "fashion-seed1-traced.pt"] {
        let report = report(&format!("layers {{models/{model}}} --input-size 3x32x32 --json"));
        assert_eq!(names(&report).last(), Some(&"fc"));
        let layers = report["results"]["layers"].as_array().unwrap();
        let layer4 = layers.iter().find(|l| l["name"] == "layer4").unwrap();
        assert_eq!(layer4["shape"], json!([128, 4, 4]));
    }
}

/// Without --input-size an exported program is run on what it says it takes.
#[test]
fn an_exported_program_says_what_it_takes() {
    let report = report("layers {inputs/bert.pt2} --json");
    let results = &report["results"];
    assert_eq!(results["ran"], true);
    let ids = json!({"name": "input_ids", "type": "Tensor", "optional": false, "dtype": "int64",
                     "shape": [null, null]});
    assert_eq!(results["inputs"][0], ids);
    assert_eq!(results["inputs"][1]["name"], "attention_mask");
    let layers = results["layers"].as_array().unwrap();
    let layer = layers.iter().find(|l| l["name"] == "encoder.layer.1").unwrap();
    assert_eq!((&layer["shape"], &layer["channel_axis"]), (&json!([8, 16]), &json!(2)));
    let shown = done("layers {inputs/bert.pt2}").stdout;
    let line = "forward takes input_ids (int64 ?×?), attention_mask (int64 ?×?)";
    assert!(shown.contains(line), "{shown}");
}

#[test]
fn modules_are_listed_before_anybody_says_what_to_give() {
    let run = done("layers {inputs/mixed.pt}");
    assert!(
        run.stdout.contains("Embedding") && run.stdout.contains("scale (float)"),
        "{}",
        run.stdout
    );
    let parts =
        ["are not known", "nothing says what to give for ids (Tensor)", "--input scale=0.5"];
    assert!(parts.iter().all(|part| run.stderr.contains(part)), "{}", run.stderr);
    let report = report("layers {inputs/mixed.pt} --json");
    assert_eq!(report["results"]["ran"], false);
    assert_eq!(report["warnings"][0]["code"], "not-run");
    let layers = report["results"]["layers"].as_array().unwrap();
    let join = layers.iter().find(|l| l["name"] == "join").unwrap();
    assert_eq!(
        (&join["parameters"], &join["shape"], &join["calls"]),
        (&json!(54), &json!([]), &json!(0))
    );
    let run = done("layers {mlp.pt}");
    assert!(run.stdout.contains("Linear"), "{}", run.stdout);
    assert!(run.stderr.contains("--input-size"), "{}", run.stderr);
}

#[test]
fn tensors_and_numbers_are_given_by_name() {
    let line =
        "layers {inputs/mixed.pt} --input image=2x3x8x8:f32 --input ids=2x5:i64 --input scale=2";
    let all = report(&format!("{line} --json"));
    let layers = all["results"]["layers"].as_array().unwrap();
    let of = |name: &str| layers.iter().find(|l| l["name"] == name).unwrap();
    assert_eq!((&of("embed")["shape"], &of("conv")["shape"]), (&json!([5, 4]), &json!([4, 6, 6])));
    assert_eq!(all["results"]["inputs"][2]["optional"], true);
    assert_eq!(all["settings"]["inputs"][1], "ids=2x5:i64");
    let line = "layers {inputs/recurrent.pt} --input x=6x2x4:f32 --input state=1x2x5:f32,1x2x5:f32";
    let recurrent = report(&format!("{line} --json"));
    let layers = recurrent["results"]["layers"].as_array().unwrap();
    let fc = layers.iter().find(|l| l["name"] == "fc").unwrap();
    assert_eq!((&recurrent["results"]["ran"], &fc["channel_axis"]), (&json!(true), &json!(2)));
}

#[test]
fn waiting_threads_sleep_unless_the_environment_says_otherwise() {
    let said = |policy: Option<&str>| {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_repsim"));
        command.env_remove("OMP_WAIT_POLICY").envs(policy.map(|p| ("OMP_WAIT_POLICY", p)));
        let line = "layers {tiny_resnet_scripted.pt} --input-size 3x16x16 --layers fc --verbose";
        let output = command.args(words(line)).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap().lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(said(None), "threads wait as OMP_WAIT_POLICY=passive says");
    assert_eq!(said(Some("active")), "threads wait as OMP_WAIT_POLICY=active says");
}

#[test]
fn numbers_that_are_not_those_of_a_tuple_are_told() {
    for (archive, modules, says) in [
        ("orders.pt2", "late", "in the order in which they are computed"),
        ("orders.pt", "late", "in the order in which the trace uses them"),
    ] {
        let report =
            report(&format!("layers {{export/{archive}}} --input-size 6x4 --layers ** --json"));
        let warnings = report["warnings"].as_array().unwrap();
        let told = warnings.iter().find(|w| w["code"] == "outputs-without-order").unwrap();
        assert_eq!(told["where"], modules, "{archive}");
        assert!(told["text"].as_str().unwrap().contains(says), "{told}");
    }
}
