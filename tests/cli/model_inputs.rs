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
        assert_eq!(warned(&found), ["padding-counts"]);
        assert_eq!(found["inputs"]["data"]["padded"], 6);
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
fn networks_of_tokens_have_maps_and_need_logits_for_saliency() {
    let line = "saliency {inputs/bert.pt2} --data {inputs/bert.npz}";
    fails(line, &["2×7×16: no N×K logits", "--output-key"]);
    let found = report("maps {inputs/bert.pt2} --data {inputs/bert.npz} --layers embeddings");
    assert_eq!(
        found["results"]["layers"][0]["grid"],
        json!({"rows": 1, "columns": 7, "left_out": 0})
    );
}

#[test]
fn channels_behind_ids_and_masks_are_probed() {
    let found = report(
        "sensitivity {inputs/classes.pt2} --data {inputs/bert.npz} --layer act --perturb none",
    );
    let golden = &cases()["classes"];
    let near = |found: &Value, wanted: &Value| {
        let (found, wanted) = (found.as_f64().unwrap(), wanted.as_f64().unwrap());
        assert!((found - wanted).abs() <= TWIN, "{found}, not {wanted}");
    };
    near(&found["results"]["mean_logit"], &golden["mean_logit"]);
    let channels = found["results"]["layers"][0]["channels"].as_array().unwrap();
    assert_eq!(channels.len(), 6);
    for name in ["drop_zero", "sensitivity"] {
        for (channel, wanted) in channels.iter().zip(golden[name].as_array().unwrap()) {
            near(&channel[name], wanted);
        }
    }
}

#[test]
fn samples_of_padding_alone_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty.npz");
    let mut mask = Array2::<i64>::ones((8, 7));
    mask.row_mut(3).fill(0);
    Npz::new(&file).with("input_ids", &ids()).with("attention_mask", &mask).finish();
    for reduce in ["last", "flatten"] {
        let line = format!("cka {{inputs/bert.pt2}} --data {} --reduce {reduce}", file.display());
        fails(&line, &["empty.npz", "3 has no token", "attention_mask is 0"]);
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

/// Means over tokens, last tokens and tokens as rows: what the mask calls padding is left out.
#[track_caller]
fn assert_reduced(line: &str, case: &str) {
    for (reduce, wanted) in cases()[case]["reduced"].as_object().unwrap() {
        for batch in ["3", "64"] {
            let line = format!(
                "{line} --reduce {reduce} --layers embeddings --layers encoder.layer.1 --batch-size {batch}"
            );
            let value = matrix(&report(&line), "cka")[0][1];
            let off = (value - wanted.as_f64().unwrap()).abs();
            assert!(off < 1e-10, "{line}: {value}, not {wanted}");
        }
    }
}

#[test]
fn padding_is_left_out_where_tokens_are_reduced() {
    assert_reduced("cka {inputs/bert.pt2} --data {inputs/bert.npz}", "bert");
    assert_reduced("cka {inputs/bert.pt2} {inputs/bert.pt2} --data {inputs/bert.npz}", "bert");
}

/// A network that takes no mask gives something for padding, too, which is left out all the same.
#[test]
fn padding_is_left_out_of_networks_without_a_mask() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.npz");
    let mut stored = NpzReader::new(File::open(path("inputs/bert.npz")).unwrap()).unwrap();
    let mask: Array2<i64> = stored.by_name("attention_mask").unwrap();
    let mut other = ids();
    other.zip_mut_with(&mask, |id, kept| *id = if *kept == 0 { 39 - *id } else { *id });
    let of = |ids: &Array2<i64>, reduce: &str| {
        Npz::new(&file).with("input_ids", ids).with("attention_mask", &mask).finish();
        let line = "cka {inputs/gpt2.pt2} --layers transformer.wte --layers transformer.h.0";
        report(&format!("{line} --reduce {reduce} --data {}", file.display()))["results"]["cka"]
            .clone()
    };
    // What is to the right of a token is nothing to it in a GPT-2.
    for reduce in ["tokens-mean", "last", "spatial"] {
        assert_eq!(of(&ids(), reduce), of(&other, reduce), "{reduce}");
    }
    assert_ne!(of(&ids(), "flatten"), of(&other, "flatten"));
}

const TEXTS: &str = "--data {inputs/texts.txt} --tokenizer {inputs/tokenizer.json}";

#[test]
fn texts_become_tokens() {
    let line = format!("cka {{inputs/bert.pt2}} {TEXTS} --max-length 12");
    let found = assert_cka(&line, "texts");
    let data = &found["inputs"]["data"];
    assert_eq!((&data["kind"], &data["count"]), (&json!("texts"), &json!(8)));
    let tokens = &data["tokens"];
    assert_eq!(
        (&tokens["length"], &tokens["cut"], &tokens["padded"]),
        (&json!(12), &json!(1), &json!(7))
    );
    assert_eq!(tokens["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(found["inputs"]["models"][0]["inputs"][1]["name"], "attention_mask");
    let warnings = found["warnings"].as_array().unwrap();
    assert_eq!((warnings.len(), &warnings[0]["code"]), (1, &json!("padding-counts")));
    assert_reduced(&line, "texts");
}

/// Without a length all texts have that of the longest; what is not padding is the same for a network that
/// takes the mask.
#[test]
fn the_number_of_padding_tokens_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("short.txt");
    let text = std::fs::read_to_string(path("inputs/texts.txt")).unwrap();
    let short: Vec<&str> = text.lines().filter(|line| line.len() < 40).collect();
    std::fs::write(&file, short.join("\n")).unwrap();
    let line = format!(
        "cka {{inputs/bert.pt2}} --data {} --tokenizer {{inputs/tokenizer.json}} --reduce tokens-mean",
        file.display()
    );
    let (longest, more) = (report(&line), report(&format!("{line} --max-length 20")));
    assert_eq!(longest["inputs"]["data"]["tokens"]["length"], 9);
    assert_near(&matrix(&longest, "cka"), &matrix(&more, "cka"), 1e-9);
}

/// Texts of two lengths, and the same texts as ids and masks in the place of one.
#[test]
fn sets_of_texts_are_measured_by_a_layer() {
    let cases = cases();
    let golden = &cases["sets"];
    let folder = tempfile::tempdir().unwrap();
    let others = folder.path().join("others.txt");
    let lines: Vec<&str> =
        golden["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    std::fs::write(&others, lines.join("\n")).unwrap();
    let options = "--model {inputs/bert.pt2} --layer encoder.layer.1 --reduce tokens-mean \
                   --tokenizer {inputs/tokenizer.json}";
    let line = format!("fid {{inputs/texts.txt}} {} {options} --batch-size 3", others.display());
    let found = report(&line);
    let fid = found["results"]["candidates"][0]["fid"].as_f64().unwrap();
    let wanted = golden["fid"].as_f64().unwrap();
    assert!((fid - wanted).abs() <= TWIN * wanted, "{fid}, not {wanted}");
    let stats = folder.path().join("texts.npz");
    done(&format!("stats {{inputs/texts.txt}} {options} -o {}", stats.display()));
    let mut file = ndarray_npy::NpzReader::new(std::fs::File::open(&stats).unwrap()).unwrap();
    let mean: ndarray::Array1<f64> = file.by_name("mu").unwrap();
    for (found, wanted) in mean.iter().zip(golden["mean"].as_array().unwrap()) {
        assert!((found - wanted.as_f64().unwrap()).abs() <= TWIN, "{mean}");
    }
    let found =
        report(&format!("distance {{inputs/texts.txt}} {} {options} --k 2", others.display()));
    assert_eq!(found["results"]["n"], lines.len());
    let flat = options.replace("tokens-mean", "flatten");
    fails(&format!("distance {{inputs/texts.txt}} {} {flat}", others.display()), &["--max-length"]);
    let cut = format!("fid {} {{inputs/texts.txt}} {options} --max-length 6", stats.display());
    let run = repsim(words(&cut));
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("made with tokens by"), "{}", run.stderr);
    assert!(run.stderr.contains(", 6 of them"), "{}", run.stderr);
    let line = format!("fid {} {{inputs/bert.npz}} {options}", stats.display());
    assert_eq!(warned(&report(&line)), ["few-samples"]);
}

fn warned(report: &Value) -> Vec<&str> {
    let warnings = report["warnings"].as_array().unwrap().iter();
    warnings.map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[test]
fn float64_that_float32_does_not_hold_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.npy");
    let told = |values: &Array2<f64>, model: &str| {
        write_npy(&file, values).unwrap();
        let found = report(&format!("cka {{inputs/{model}.pt}} --data {}", file.display()));
        let warnings = found["warnings"].as_array().unwrap().clone();
        warnings.into_iter().filter(|w| w["code"] == "inputs-rounded").count()
    };
    let exact = Array2::from_shape_fn((8, 7), |(i, j)| (i * 7 + j * j) as f64 / 8.0);
    let other = exact.mapv(|value| value / 3.0);
    for model in ["double", "adder"] {
        assert_eq!((told(&exact, model), told(&other, model)), (0, 1), "{model}");
    }
}

#[test]
fn texts_for_a_network_without_a_mask() {
    let found = report(&format!("cka {{inputs/gpt2.pt2}} {TEXTS} --max-length 12 --reduce last"));
    let warnings = found["warnings"].as_array().unwrap();
    let warning = warnings.iter().find(|w| w["code"] == "padding-unmasked").unwrap();
    assert!(warning["text"].as_str().unwrap().contains("7 texts are padded to 12 tokens"));
    assert_eq!(found["inputs"]["models"][0]["inputs"].as_array().unwrap().len(), 1);
    let found = report(&format!("cka {{inputs/embedding.pt}} {TEXTS}"));
    assert_eq!(found["inputs"]["models"][0]["inputs"][0]["name"], "ids");
}

#[test]
fn texts_and_tokenizers_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    let bert = "cka {inputs/bert.pt2}";
    let with =
        |file: &Path| format!("{bert} --data {{inputs/texts.txt}} --tokenizer {}", file.display());
    fails(&format!("{bert} --data {{inputs/texts.txt}}"), &["holds texts", "--tokenizer"]);
    fails(&with(&folder.path().join("none.json")), &["none.json"]);
    std::fs::write(&file, "{\"version\": \"1.0\"}").unwrap();
    fails(&with(&file), &["x.json", "not a tokenizer that can be used", "tokenizer.json"]);
    let far = std::fs::read_to_string(path("inputs/tokenizer.json")).unwrap();
    std::fs::write(&file, far.replace("\"dog\":7", "\"dog\":66")).unwrap();
    fails(
        &with(&file),
        &["largest id of input input_ids is 66", "has 40 rows", "tokenizer it was trained with"],
    );
    fails(
        &format!("{bert} {TEXTS} --max-length 2"),
        &["--max-length 2", "the 2 that", "give 3 or more"],
    );
    fails(
        &format!("{bert} {TEXTS} --max-length 30"),
        &["input_ids (int64 2×30)", "--max-length 24"],
    );
    std::fs::write(&file, far.replace("\"sky\":20", "\"sky\":66")).unwrap();
    let fish = folder.path().join("fish.txt");
    std::fs::write(&fish, "A fish swam\nthe cat\n a bird ran\nthe dog\n").unwrap();
    let found = report(&format!("{bert} --data {} --tokenizer {}", fish.display(), file.display()));
    let larger =
        found["warnings"].as_array().unwrap().iter().find(|w| w["code"] == "tokenizer-larger");
    assert!(larger.unwrap()["text"].as_str().unwrap().contains("has 67 tokens"), "{larger:?}");
    fails(&format!("saliency {{inputs/bert.pt2}} {TEXTS}"), &["no N×K logits"]);
    let empty = folder.path().join("x.txt");
    std::fs::write(&empty, "").unwrap();
    let line = format!("{bert} --data {} --tokenizer {{inputs/tokenizer.json}}", empty.display());
    fails(&line, &["x.txt", "has no line"]);
}

/// A scripted network does not say that it takes float64.
#[test]
fn floats_of_the_data_are_tried_where_float32_does_not_run() {
    let found = assert_cka("cka {inputs/double.pt} --data {inputs/doubles.npy}", "double");
    assert_eq!(found["inputs"]["models"][0]["inputs"][0]["dtype"], "float64");
    let found = report("cka {inputs/adder.pt} --data {inputs/doubles.npy}");
    assert_eq!(found["inputs"]["models"][0]["inputs"][0]["dtype"], "float32");
}

#[test]
fn images_are_no_ids() {
    fails(
        "cka {inputs/gpt2.pt2} --data {images}",
        &["takes input_ids (int64 ?×?)", "holds images"],
    );
}
