//! Channels at other axes than the second: reductions, distances, and the axis given by hand.

use serde_json::{Value, json};

use crate::support::{assert_near, done, matrix, path, report, repsim, words};
use crate::tolerances::{GOLDEN, NETWORK, SAME, STORED};

fn golden(list: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path("axes/axes.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    json[list].as_array().unwrap().clone()
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry[key].as_str().unwrap()
}

fn cka(entry: &Value, more: &str) -> Value {
    let layers = &entry["layers"];
    report(&format!(
        "cka {{axes/{}}} --data {{axes/{}}} --preprocess raw --layers {} --layers {} --reduce {} {more}",
        text(entry, "model"),
        text(entry, "data"),
        layers[0].as_str().unwrap(),
        layers[1].as_str().unwrap(),
        text(entry, "reduce")
    ))
}

/// `{…}` of the line is below `tests/golden`.
fn refused(line: &str) -> String {
    let run = repsim(words(line));
    assert_eq!(run.code, 2, "{line}: {}", run.stdout);
    assert_eq!(run.stderr.trim_end().lines().count(), 1, "{}", run.stderr);
    run.stderr
}

#[test]
fn reductions_are_those_of_numpy_on_what_hooks_saw() {
    let entries = golden("cka");
    assert_eq!(entries.len(), 19);
    for entry in &entries {
        for more in ["", "--batch-size 5 --no-optimize"] {
            let report = cka(entry, more);
            let found = matrix(&report, "cka");
            let wanted = entry["cka"].as_f64().unwrap();
            assert_near(&[vec![found[0][1]]], &[vec![wanted]], GOLDEN);
            assert_eq!(report["results"]["width_a"], entry["width"], "{entry}");
            assert_eq!(report["settings"]["reduce"], entry["reduce"]);
            assert_eq!(report["warnings"], json!([]), "{entry}");
        }
    }
}

#[test]
fn compare_takes_the_same_rows() {
    for entry in golden("cka").iter().filter(|e| e["reduce"] != "spatial") {
        let layers = &entry["layers"];
        let line = format!(
            "compare {{axes/{}}} --data {{axes/{}}} --preprocess raw --layers {} --layers {} \
             --reduce {} --measures cka",
            text(entry, "model"),
            text(entry, "data"),
            layers[0].as_str().unwrap(),
            layers[1].as_str().unwrap(),
            text(entry, "reduce")
        );
        let report = report(&line);
        let found = report["results"]["measures"][0]["values"][0][1].as_f64().unwrap();
        assert_near(&[vec![found]], &[vec![entry["cka"].as_f64().unwrap()]], GOLDEN);
    }
}

#[test]
fn distances_are_over_the_channels() {
    for entry in golden("frechet") {
        let report = report(&format!(
            "fid {{axes/images.npy}} {{axes/others.npy}} --model {{axes/{}}} --layer {} --reduce {} \
             --preprocess raw",
            text(&entry, "model"),
            text(&entry, "layer"),
            text(&entry, "reduce")
        ));
        assert_eq!(report["results"]["width"], entry["d"]);
        let found = report["results"]["candidates"][0]["fid"].as_f64().unwrap();
        let wanted = entry["fid"].as_f64().unwrap();
        assert!((found / wanted - 1.0).abs() < NETWORK, "{found}, not {wanted}");
    }
}

#[test]
fn the_report_says_which_axis_and_how_it_was_told() {
    let entries = golden("cka");
    let swin = cka(&entries[1], "");
    let layer = &swin["inputs"]["models"][0]["layers"][1];
    assert_eq!(layer["channel_axis"], 3);
    assert_eq!(layer["channel_axis_by"], "operator");
    assert_eq!(layer["shape"], json!([4, 4, 16]));
    let vit = cka(entries.iter().find(|e| e["reduce"] == "cls").unwrap(), "");
    assert_eq!(vit["inputs"]["models"][0]["layers"][0]["class_tokens"], 1);
    let first = entries.iter().find(|e| e["model"] == "time_first_traced.pt").unwrap();
    let first = &cka(first, "")["inputs"]["models"][0]["layers"][0];
    assert_eq!((&first["sample_axis"], &first["channel_axis"]), (&json!(1), &json!(2)));
    assert_eq!(first["shape"], json!([10, 8]));
}

#[test]
fn an_axis_that_is_given_counts() {
    let gap = &golden("cka")[1];
    let as_told = cka(gap, "--channel-axis features.*=3");
    assert_near(&matrix(&as_told, "cka"), &matrix(&cka(gap, ""), "cka"), SAME);
    let layer = &as_told["inputs"]["models"][0]["layers"][0];
    assert_eq!((&layer["channel_axis"], &layer["channel_axis_by"]), (&json!(3), &json!("given")));
    let other = cka(gap, "--channel-axis features.1=1 --channel-axis features.3=2");
    assert_eq!(other["results"]["width_a"], json!([8, 4]));
}

#[test]
fn an_axis_that_cannot_be_is_refused() {
    let line = "cka {axes/swin_scripted.pt} --data {axes/images.npy} --preprocess raw --layers features.3 \
                --channel-axis";
    for (given, said) in [
        ("features.3=4", "features.3=4: features.3 of"),
        ("features.3=0", "0 is the axis of the samples"),
        ("nowhere=1", "nowhere=1 matches no layer of"),
        ("features.3=x", "expected LAYER=AXIS"),
        ("!features.3=1", "expected LAYER=AXIS"),
    ] {
        let run = repsim(words(&format!("{line} {given}")));
        assert_eq!(run.code, 2, "{given}");
        assert!(run.stderr.contains(said), "{given}: {}", run.stderr);
    }
}

#[test]
fn maps_have_no_tokens() {
    let line = "cka {axes/swin_scripted.pt} --data {axes/images.npy} --preprocess raw --layers features.3 \
                --reduce cls";
    let said = refused(line);
    assert!(said.contains("features.3") && said.contains("16 channels at 4×4 positions"), "{said}");
    assert!(said.contains("--reduce cls takes tokens"), "{said}");
}

#[test]
fn a_guess_is_warned_of_where_it_counts() {
    let line =
        "cka {axes/swin_frozen.pt} --data {axes/images.npy} --preprocess raw --layers matmul.4";
    let codes = |reduce: &str| {
        let report = report(&format!("{line} --reduce {reduce}"));
        let warnings = report["warnings"].as_array().unwrap().clone();
        warnings.iter().map(|w| w["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let unknown = "channel-axis-unknown".to_owned();
    assert!(!codes("flatten").contains(&unknown));
    assert!(codes("gap").contains(&unknown));
}

/// Stored arrays have no operators: N×T×D by the number of axes, unless an axis is given.
#[test]
fn stored_arrays_take_an_axis_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.npz");
    let values = ndarray::Array3::from_shape_fn((8, 3, 5), |(i, c, l)| {
        ((i * 7 + c * 3 + l * l) % 11) as f64 + ((i * i + c) % 5) as f64
    });
    let mut npz = ndarray_npy::NpzWriter::new(std::fs::File::create(&file).unwrap());
    npz.add_array("last", &values).unwrap();
    npz.add_array("middle", &values.view().permuted_axes([0, 2, 1]).to_owned()).unwrap();
    npz.finish().unwrap();
    let run =
        |more: &str| report(&format!("cka --features {} --reduce gap {more}", file.display()));
    assert_eq!(run("")["results"]["width_a"], json!([5, 3]));
    let given = run("--channel-axis middle=1");
    assert_eq!(given["results"]["width_a"], json!([5, 5]));
    assert_near(&[vec![matrix(&given, "cka")[0][1]]], &[vec![1.0]], STORED);
    assert_eq!(given["inputs"]["features"][0]["arrays"][1]["channel_axis"], 1);
}

/// As of layers: an axis that is for nothing is a mistake.
#[test]
fn an_axis_for_no_array_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let values = ndarray::Array3::from_shape_fn((9, 3, 5), |(i, c, l)| {
        ((i * 7 + c * 3 + l * l) % 11) as f64 + ((i * i + c) % 5) as f64
    });
    ndarray_npy::write_npy(file("maps.npy"), &values).unwrap();
    ndarray_npy::write_npy(file("other.npy"), &(&values + 0.5)).unwrap();
    let [a, b, out] =
        ["maps.npy", "other.npy", "s.npz"].map(|name| file(name).display().to_string());
    for command in
        [format!("fid {a} {b}"), format!("distance {a} {b}"), format!("stats {a} -o {out}")]
    {
        let found = repsim(words(&format!("{command} --reduce gap --channel-axis map=1")));
        assert_eq!(found.code, 2, "{command}: {}", found.stderr);
        assert!(found.stderr.contains("--channel-axis map=1 matches no array of the sets"));
        assert!(!file("s.npz").exists());
        let right = repsim(words(&format!("{command} --reduce gap --channel-axis maps=1")));
        let is_narrow = command.starts_with("stats");
        // Channels at axis 1 of one set and at axis 2 of the other: other widths.
        assert_eq!(right.code, if is_narrow { 0 } else { 2 }, "{command}: {}", right.stderr);
        assert!(!right.stderr.contains("matches no array"), "{}", right.stderr);
    }
}

/// The default layers without tokens are left out where tokens are reduced; those named are refused.
#[test]
fn default_layers_without_tokens_are_left_out() {
    let line = "cka {saliency/vit_scripted.pt} --data {saliency/token_images.npy} --preprocess raw";
    for reduce in ["cls", "last", "tokens-mean"] {
        let found = report(&format!("{line} --reduce {reduce}"));
        let layers = found["results"]["layers_a"].to_string();
        assert!(layers.contains("encoder") && !layers.contains("conv_proj"), "{layers}");
        let warnings = found["warnings"].as_array().unwrap().iter();
        let said: Vec<_> = warnings.filter(|w| w["code"] == "layers-without-tokens").collect();
        assert!(said.len() == 1 && said[0]["text"].to_string().contains("conv_proj"), "{said:?}");
    }
    let named =
        repsim(words(&format!("{line} --layers conv_proj --layers encoder.* --reduce cls")));
    assert_eq!(named.code, 2);
    assert!(named.stderr.contains("conv_proj"), "{}", named.stderr);
}

#[test]
fn the_table_of_layers_shows_the_axis() {
    let run = done("layers {axes/swin_scripted.pt} --input-size 3x16x16");
    let line = run.stdout.lines().find(|l| l.trim_start().starts_with("features.3 ")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[..5], ["features.3", "Sequential", "block", "4×4×16", "3"]);
}
