//! Data for networks of other inputs than images: ids, masks, several arrays.

use std::fs::File;
use std::path::Path;

use ndarray::{Array1, Array2, ArrayBase, Dimension, OwnedRepr};
use ndarray_npy::{NpzReader, NpzWriter, WritableElement, read_npy, write_npy};
use serde_json::{Value, json};

use crate::support::{assert_near, done, matrix, path, report, repsim, words};
use crate::tolerances::TWIN;

fn cases() -> Value {
    serde_json::from_str(&std::fs::read_to_string(path("inputs/cases.json")).unwrap()).unwrap()
}

fn ids() -> Array2<i64> {
    read_npy(path("inputs/ids.npy")).unwrap()
}

/// The error of a line, which says all the parts.
#[track_caller]
fn fails(line: &str, parts: &[&str]) {
    let run = repsim(words(line));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{line}\n{}", run.stderr);
    let said: Vec<&str> = run.stderr.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(said.len(), 1, "{}", run.stderr);
    for part in parts {
        assert!(said[0].contains(part), "no '{part}' in {}", run.stderr);
    }
}

struct Npz(NpzWriter<File>);

impl Npz {
    fn new(file: &Path) -> Self {
        Self(NpzWriter::new(File::create(file).unwrap()))
    }

    fn with<A: WritableElement, D: Dimension>(
        mut self,
        name: &str,
        array: &ArrayBase<OwnedRepr<A>, D>,
    ) -> Self {
        self.0.add_array(name, array).unwrap();
        self
    }

    fn finish(self) {
        self.0.finish().unwrap();
    }
}

#[track_caller]
fn assert_cka(line: &str, case: &str) -> Value {
    let cases = cases();
    let pair: Vec<&str> =
        cases[case]["pair"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    let found = report(&format!("{line} --layers {} --layers {}", pair[0], pair[1]));
    let value = matrix(&found, "cka")[0][1];
    let wanted = cases[case]["cka"].as_f64().unwrap();
    assert!((value - wanted).abs() < 1e-12, "{value}, not {wanted}");
    found
}

#[test]
fn ids_of_an_exported_gpt2() {
    for (end, array) in [("npz", "input_ids"), ("npy", ""), ("safetensors", "input_ids")] {
        let line =
            format!("cka {{inputs/gpt2.pt2}} {{inputs/gpt2.pt2}} --data {{inputs/ids.{end}}}");
        let found = assert_cka(&line, "gpt2");
        let input = json!([{"name": "input_ids", "array": array, "dtype": "int64", "shape": [7]}]);
        assert_eq!(found["inputs"]["models"][1]["inputs"], input);
    }
}

/// Position embeddings have no row a sample: they are left out where no layer is named.
#[test]
fn layers_without_rows_are_left_out_by_default() {
    let line = "cka {inputs/gpt2.pt2} --data {inputs/ids.npy}";
    let found = report(line);
    let names = found["results"]["layers_a"].as_array().unwrap();
    assert!(
        names.contains(&json!("transformer.drop")) && !names.contains(&json!("transformer.wpe"))
    );
    let warning = &found["warnings"][0];
    assert_eq!(
        (&warning["code"], &warning["where"]),
        (&json!("layer-left-out"), &json!("transformer.wpe"))
    );
    fails(&format!("{line} --layers transformer.wpe"), &["transformer.wpe", "no row a sample"]);
}

#[test]
fn arrays_go_to_the_inputs_of_their_names() {
    for end in ["npz", "safetensors"] {
        let line = format!("cka {{inputs/bert.pt2}} --data {{inputs/bert.{end}}}");
        let found = assert_cka(&line, "bert");
        let model = &found["inputs"]["models"][0];
        assert_eq!(model["inputs"][0]["name"], "input_ids");
        assert_eq!(model["inputs"][1]["array"], "attention_mask");
        let classes = found["inputs"]["data"]["classes"].as_array().unwrap();
        assert_eq!(classes.len(), 3);
        assert_eq!(found["warnings"], json!([]));
    }
}

#[test]
fn batches_do_not_change_the_values() {
    let line = "cka {inputs/bert.pt2} --data {inputs/bert.npz} --batch-size";
    let (three, eight) = (report(&format!("{line} 3")), report(&format!("{line} 8")));
    assert_near(&matrix(&three, "cka"), &matrix(&eight, "cka"), TWIN);
}

#[test]
fn arrays_of_other_names_are_taken_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("arrays.npz");
    let mut stored = NpzReader::new(File::open(path("inputs/bert.npz")).unwrap()).unwrap();
    let mask: Array2<i64> = stored.by_name("attention_mask").unwrap();
    Npz::new(&file).with("arr_0", &ids()).with("arr_1", &mask).finish();
    let line = format!("cka {{inputs/bert.pt2}} --data {}", file.display());
    let found = assert_cka(&line, "bert");
    assert_eq!(found["inputs"]["models"][0]["inputs"][1]["array"], "arr_1");
    assert_eq!(found["warnings"][0]["code"], "inputs-by-order");
    let text = found["warnings"][0]["text"].as_str().unwrap();
    assert!(text.contains("arr_0 into input_ids, arr_1 into attention_mask"), "{text}");
}

#[test]
fn arrays_that_are_no_inputs_are_left_out() {
    let line = "cka {inputs/gpt2.pt2} {inputs/bert.pt2} --data {inputs/bert.npz} -q";
    let found = report(line);
    let codes: Vec<_> =
        found["warnings"].as_array().unwrap().iter().map(|w| (&w["code"], &w["where"])).collect();
    assert!(codes.contains(&(&json!("array-left-out"), &json!("attention_mask"))), "{codes:?}");
    assert_eq!(found["inputs"]["models"][0]["inputs"].as_array().unwrap().len(), 1);
    assert_eq!(found["inputs"]["models"][1]["inputs"].as_array().unwrap().len(), 2);
}

/// No archive of TorchScript says whether it takes whole numbers.
#[test]
fn whole_numbers_are_ids_or_floats_as_the_network_takes_them() {
    let found = report("cka {inputs/embedding.pt} --data {inputs/ids.npy}");
    assert_eq!(found["inputs"]["models"][0]["inputs"][0]["dtype"], "int64");
    let found = report("cka {inputs/adder.pt} --data {inputs/ids.npy}");
    assert_eq!(found["inputs"]["models"][0]["inputs"][0]["dtype"], "float32");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("floats.npy");
    write_npy(&file, &ids().mapv(|id| id as f32)).unwrap();
    let floats = report(&format!("cka {{inputs/adder.pt}} --data {}", file.display()));
    assert_eq!(floats["results"]["cka"], found["results"]["cka"]);
    let narrow = folder.path().join("narrow.npy");
    write_npy(&narrow, &ids().mapv(|id| id as u16)).unwrap();
    let narrow = report(&format!("cka {{inputs/embedding.pt}} --data {}", narrow.display()));
    let found = report("cka {inputs/embedding.pt} --data {inputs/ids.npy}");
    assert_eq!(narrow["results"]["cka"], found["results"]["cka"]);
}

#[test]
fn inputs_that_are_not_those_of_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.npz");
    let line = format!("cka {{inputs/bert.pt2}} --data {}", file.display());
    fails(
        "cka {inputs/bert.pt2} --data {inputs/ids.npz}",
        &["also takes attention_mask (int64 ?×?)", "holds array input_ids"],
    );
    Npz::new(&file).with("a", &ids()).with("b", &ids()).with("c", &ids()).finish();
    fails(&line, &["takes input_ids (int64 ?×?), attention_mask", "holds 3 arrays (a, b, c)"]);
    let floats = ids().mapv(|id| id as f32);
    Npz::new(&file).with("input_ids", &floats).with("attention_mask", &ids()).finish();
    fails(
        &line,
        &["input input_ids is int64", "array input_ids", "has float32", "astype(numpy.int64)"],
    );
    let deep = ids().insert_axis(ndarray::Axis(2));
    Npz::new(&file).with("input_ids", &deep).with("attention_mask", &ids()).finish();
    fails(&line, &["takes input_ids (int64 ?×?)", "has 7×1 a sample"]);
    let fewer = ids().slice_move(ndarray::s![..5, ..]);
    Npz::new(&file).with("input_ids", &ids()).with("attention_mask", &fewer).finish();
    fails(&line, &["[8, 7]", "[5, 7]"]);
    let ones = Array1::<i64>::ones(8);
    Npz::new(&file).with("input_ids", &ones).with("attention_mask", &ids()).finish();
    fails(&line, &["has one number a sample"]);
}

#[test]
fn ids_that_are_not_of_the_vocabulary() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.npy");
    let line = format!("cka {{inputs/gpt2.pt2}} --data {}", file.display());
    let mut far = ids();
    far[[1, 2]] = 41;
    write_npy(&file, &far).unwrap();
    let parts = ["largest id of input input_ids is 41", "transformer.wte has 40 rows", "0 to 39"];
    fails(&line, &parts);
    far[[1, 2]] = (1 << 24) + 1;
    write_npy(&file, &far).unwrap();
    fails(&line, &["holds 16777217", "2^24"]);
    write_npy(&file, &Array2::<i64>::zeros((8, 17))).unwrap();
    fails(&line, &["no row for", "transformer.wpe has 16 rows", "shorter sequences"]);
}

#[test]
fn image_commands_take_one_array() {
    for command in ["saliency", "maps", "sensitivity"] {
        fails(
            &format!("{command} {{inputs/bert.pt2}} --data {{inputs/bert.npz}}"),
            &["none of its arrays", "images"],
        );
    }
}

#[test]
fn a_report_says_what_went_where() {
    let folder = tempfile::tempdir().unwrap();
    let (json, html) = (folder.path().join("r.json"), folder.path().join("r.html"));
    done(&format!("cka {{inputs/bert.pt2}} --data {{inputs/bert.npz}} -q -o {}", json.display()));
    done(&format!("report {} -o {}", json.display(), html.display()));
    let text = std::fs::read_to_string(html).unwrap();
    assert!(text.contains("2 inputs: input_ids (int64 N×7), attention_mask (int64 N×7)"));
}

#[test]
fn numbers_beside_the_tensors_are_given_by_name() {
    let line = "cka {inputs/mixed.pt} --data {inputs/mixed.npz}";
    fails(
        line,
        &[
            "failed to run",
            "forward takes image (Tensor), ids (Tensor), scale (float)",
            "--input scale=",
        ],
    );
    let of = |input: &str| report(&format!("{line} --input {input}"));
    let two = of("scale=2");
    let inputs = json!([
        {"name": "image", "array": "image", "dtype": "float32", "shape": [3, 8, 8]},
        {"name": "ids", "array": "ids", "dtype": "int32", "shape": [7]}
    ]);
    assert_eq!(two["inputs"]["models"][0]["inputs"], inputs);
    assert_eq!(of("scale=2.0")["results"], two["results"]);
    assert_ne!(of("scale=0.125 --input shift=-3")["results"], two["results"]);
    fails(
        &format!("{line} --input scal=2"),
        &["--input scal=2: forward takes no scal", "scale (float)"],
    );
    fails(
        &format!("{line} --input scale=true"),
        &["--input scale=true: forward takes scale (float)"],
    );
    fails(
        &format!("{line} --input scale=2 --input ids=2x3:i64"),
        &["--input ids=2x3:i64", "--data"],
    );
}
