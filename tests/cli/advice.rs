//! What is said of files and commands given in a hurry: one test a message.

use std::fs;
use std::io::Write;
use std::path::Path;

use tempfile::TempDir;
use zip::write::SimpleFileOptions;

use repsim::analysis::{Cka, Silent};

use crate::support::{done, path, repsim, words};

/// Runs a line that has to be refused with one line that holds all the parts and none of the others.
#[track_caller]
fn refused(line: &str, parts: &[&str], others: &[&str]) {
    let run = repsim(words(line));
    assert_eq!(run.code, 2, "repsim {line}\n{}{}", run.stdout, run.stderr);
    let error = run.stderr.lines().find(|l| l.starts_with("error: ")).expect(&run.stderr);
    assert!(error.chars().count() < 800, "{error}");
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    for other in others {
        assert!(!error.contains(other), "{other:?} is in {error:?}");
    }
}

const IMAGES: &str = "--data {careless/images.npz}";

#[test]
fn other_precisions_run_as_they_are() {
    for name in ["half", "bfloat16", "double"] {
        let run = repsim(words(&format!("cka {{careless/{name}.pt}} {IMAGES} -o -")));
        assert_eq!(run.code, 0, "{}", run.stderr);
    }
}

#[test]
fn token_models_take_whole_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, floats] = ["whole.npy", "floats.npy"].map(|name| folder.path().join(name));
    let ids = ndarray::Array2::from_shape_fn((6, 5), |(i, j)| ((i * 5 + j) % 19) as i64);
    ndarray_npy::write_npy(&whole, &ids).unwrap();
    ndarray_npy::write_npy(&floats, &ids.mapv(|id| id as f32)).unwrap();
    let line = |ids: &Path| format!("cka {{careless/tokens.pt}} --data {}", ids.display());
    refused(&line(&floats), &["token ids", "int64 N×L", "--data"], &["model.float()"]);
    done(&line(&whole));
}

#[test]
fn a_device_in_a_trace_is_the_one_it_runs_on() {
    let run = repsim(words(&format!("cka {{careless/cuda.pt}} {IMAGES} -o -")));
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn an_archive_of_optimize_for_inference() {
    let parts = ["torch.jit.optimize_for_inference", "save the module before"];
    refused(&format!("cka {{careless/optimized.pt}} {IMAGES}"), &parts, &["no newer than"]);
}

#[test]
fn a_dictionary_names_its_keys() {
    let line = format!("saliency {{careless/dictionary.pt}} {IMAGES} --method gradient");
    let parts =
        ["parts named", "'logits' of shape 2×4", "'hidden'", "--output-key", "such as 'logits'"];
    refused(&line, &parts, &["--output-index"]);
}

#[test]
fn a_type_that_the_code_does_not_follow() {
    let line = "cka {draws/complex.pt} --data {draws/input.npy} --dtype bf16";
    refused(line, &["leave --dtype out"], &["export it in float32"]);
}

#[test]
fn parts_that_are_no_tensors_are_not_offered() {
    let images = "--data {tiny_resnet.npy} --float-range keep --method gradient";
    let line = |key: &str| format!("saliency {{export/parts.pt2}} {images} {key}");
    let offered = ["parts named '1', '3.features'", "--output-key, such as '1'"];
    refused(&line(""), &offered, &["'0'", "3.empty"]);
    for part in ["0", "2", "3.empty"] {
        let said = format!("and '{part}' is none of them that is a tensor");
        let parts = [offered[0], offered[1], &said];
        refused(&line(&format!("--output-key {part}")), &parts, &["this takes"]);
    }
    let run = repsim(words(&line("--output-key 1")));
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn a_named_tuple_lists_its_elements() {
    let line = format!("saliency {{careless/named_tuple.pt}} {IMAGES} --method gradient");
    let parts = ["2 elements (0 of shape 2×4, 1 of shape 2×6×12×12)", "--output-index"];
    refused(&line, &parts, &[]);
    let run = repsim(words(&format!("{line} --output-index 0 -o -")));
    assert_eq!(run.code, 0, "{}", run.stderr);
}

/// Quantised outputs are looked at as the numbers they stand for.
#[test]
fn quantised_layers_are_compared() {
    let run = repsim(words(&format!(
        "cka {{careless/quantized.pt}} {IMAGES} --layers conv --layers relu"
    )));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let value = report["results"]["cka"][0][0].as_f64().unwrap();
    assert!((value - 1.0).abs() < 1e-9, "{value}");
    // libtorch's own warnings are not ours.
    assert!(!run.stderr.contains("[W") && !run.stderr.contains(".cpp"), "{}", run.stderr);
}

/// Files of other formats in a folder of their own.
struct Given(TempDir);

impl Given {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    #[track_caller]
    fn refused(&self, name: &str, bytes: &[u8], parts: &[&str]) {
        let file = self.0.path().join(name);
        fs::write(&file, bytes).unwrap();
        refused(&format!("layers {} --input-size 3x8x8", file.display()), parts, &[]);
    }

    #[track_caller]
    fn refused_zip(&self, name: &str, members: &[&str], parts: &[&str]) {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
        for member in members {
            zip.start_file(*member, SimpleFileOptions::default()).unwrap();
            zip.write_all(b"{}").unwrap();
        }
        self.refused(name, &zip.finish().unwrap().into_inner(), parts);
    }
}

#[test]
fn onnx_files() {
    let bytes = b"\x08\x07\x12\x07pytorch\x1a\x052.1.0:\x10graph";
    Given::new().refused("net.onnx", bytes, &["it is an ONNX file", "export the PyTorch model"]);
    Given::new().refused("net.pt", bytes, &["it is an ONNX file", "--features"]);
}

#[test]
fn files_of_keras_and_tensorflow() {
    let given = Given::new();
    let remedy = "runs models of PyTorch only";
    given.refused("net.h5", b"\x89HDF\r\n\x1a\n\0\0", &["HDF5", "Keras", remedy]);
    given.refused("net.tflite", b"\x1c\0\0\0TFL3\0\0", &["TensorFlow Lite", remedy]);
    given.refused("saved_model.pb", b"\x08\x01\x12\x02\x0a\x00", &["TensorFlow graph", remedy]);
    let members = ["metadata.json", "config.json", "model.weights.h5"];
    given.refused_zip("net.keras", &members, &["Keras model (.keras)", remedy]);
    let folder = given.0.path().join("model");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("saved_model.pb"), b"\x08\x01").unwrap();
    let line = format!("layers {} --input-size 3x8x8", folder.display());
    refused(&line, &["SavedModel", remedy], &[]);
}

#[test]
fn weights_without_a_program() {
    let given = Given::new();
    let header = b"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    let bytes = [(header.len() as u64).to_le_bytes().as_slice(), header, &[0; 4]].concat();
    given.refused("net.pt", &bytes, &["it is a safetensors file", "model.load_state_dict"]);
    let parts = ["probably a state dict", "model.load_state_dict", "torch.export.save("];
    refused("layers {careless/weights.pth} --input-size 3x8x8", &parts, &[]);
}

#[test]
fn a_pickled_module_names_its_class() {
    let parts = ["a pickled module (", "Network)", "where its class can be imported"];
    refused("layers {careless/module.pth} --input-size 3x8x8", &parts, &["state dict"]);
}

#[test]
fn archives_around_models_and_pointers() {
    let given = Given::new();
    let members = ["MAR-INF/MANIFEST.json", "model.pt"];
    given.refused_zip("net.mar", &members, &["TorchServe", "unpack it"]);
    given.refused_zip("arrays.npz", &["a.npy"], &["NumPy arrays", "--data"]);
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    given.refused("net.pt", pointer, &["Git LFS", "git lfs pull"]);
}

#[test]
fn objects_of_joblib_are_told_by_their_content() {
    let given = Given::new();
    let pickle = b"\x80\x04\x95\x20\0\0\0\0\0\0\0\x8c\x1dsklearn.linear_model._logistic\x94.";
    given.refused("model.pt", pickle, &["a pickle of joblib or scikit-learn", "--features"]);
    given.refused("packed.pt", b"\x78\x9c\x03\0\0\0\0\x01", &["zlib, as joblib stores"]);
    given.refused("packed.pt2", b"BZh91AY&SY", &["xz, lzma or bzip2", "unpack it"]);
}

/// A trace does not say which of the tensors of a module it uses: here the second, which it must not be taken
/// for the first in silence.
#[test]
fn one_tensor_of_a_module_that_gives_several_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows.npy");
    let values = ndarray::Array2::from_shape_fn((6, 4), |(i, j)| ((i * 7 + j * 5) % 11) as f32);
    ndarray_npy::write_npy(&rows, &values).unwrap();
    let nets = ["trace", "script"].map(|how| path(&format!("export/halves_{how}.pt")));
    let told = |a: &Path, b: &Path| {
        let asked = Cka::new(a, b).data(&rows).layers(["*"]);
        let report = asked.run(&Silent).unwrap();
        let own = report.warnings.into_iter().filter(|w| w.code == "outputs-without-order");
        own.map(|warning| warning.text).collect::<Vec<_>>()
    };
    let texts = [told(&nets[0], &nets[1]), told(&nets[1], &nets[0])];
    for text in &texts {
        assert!(text.len() == 1 && text[0].starts_with("halves of "), "{text:?}");
        assert!(text[0].contains("halves_trace.pt") && text[0].contains("has several of them"));
    }
    assert!(told(&nets[0], &nets[0]).is_empty() && told(&nets[1], &nets[1]).is_empty());
}

#[test]
fn three_models_go_to_platonic() {
    let three = "{mlp.pt} {mlp.pt} {mlp.pt}";
    let line = format!("compare {three} --data {{mlp.npy}}");
    refused(&line, &["one or two models", "3 were given", "repsim platonic"], &[]);
}

#[test]
fn measures_in_capitals_find_theirs() {
    let line = "compare {mlp.pt} --data {mlp.npy} --measures CKA";
    let run = repsim(words(line));
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("did you mean cka?"), "{}", run.stderr);
}

#[test]
fn a_function_in_a_policy() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, "version = 1\nrules = ['mean(diagonal) >= 0.9']\n").unwrap();
    let line =
        format!("cka {{mlp.pt}} --data {{mlp.npy}} --check {0} --policy {0}", policy.display());
    let report = folder.path().join("cka.json");
    let made = repsim(words(&format!("cka {{mlp.pt}} --data {{mlp.npy}} -o {}", report.display())));
    assert_eq!(made.code, 0, "{}", made.stderr);
    let line = line.replacen(&policy.display().to_string(), &report.display().to_string(), 1);
    let parts = ["there is no function 'mean'", "drop(…)", "diagonal >= 0.9"];
    refused(&line, &parts, &["mean_logit"]);
}

#[test]
fn wrong_options_are_told_in_a_line() {
    let told = |line: &str, parts: &[&str]| {
        let run = repsim(words(line));
        assert_eq!((run.code, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
        refused(line, parts, &["Usage", "For more information"]);
    };
    told("stitch a b c", &["unexpected value 'c'", "`repsim stitch --help`"]);
    told("cka a --layout nope", &["'nope'", "--layout", "nchw or nhwc", "`repsim cka --help`"]);
    told("compare a --measures CKA", &["'CKA'", "did you mean cka"]);
    told("fid a", &["not provided: <CANDIDATE>..."]);
    told("fid a b --format xml", &["'xml'", "[possible values: table, json, jsonl, csv, tsv, md]"]);
    told("cka a --dat b", &["'--dat'", "a similar argument exists: '--data'"]);
    told("ckka a", &["'ckka'", "a similar subcommand exists: 'cka'", "`repsim --help`"]);
}

#[test]
fn files_that_are_no_reports_are_told_by_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let told = |name: &str, bytes: &[u8], what: &str| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        let file = file.display();
        for line in [
            format!("report {file} -o x.html"),
            format!("diff {file} {file}"),
            format!("check {file} --baseline {file}"),
        ] {
            refused(&line, &[&format!("it is {what}, not a report"), "repsim wrote with -o"], &[]);
        }
    };
    let header = b"{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}";
    let tensors = [(header.len() as u64).to_le_bytes().as_slice(), header].concat();
    told("a.safetensors", &tensors, "a .safetensors file (weights)");
    told("a.gguf", b"GGUF\x03\0\0\0", "a GGUF file (weights)");
    told("a.tflite", b"\x1c\0\0\0TFL3\0\0", "a TensorFlow Lite model");
    told("a.onnx", b"\x08\x07\x12\x07pytorch", "an ONNX model");
    told("a.bin", b"ab\0\x01", "a file of bytes");
    let of = |name: &str| fs::read(crate::support::path(name)).unwrap();
    told("a.pth", &of("state_dict.pth"), "a file of weights of PyTorch (.pth)");
    told("a.pt", &of("mlp.pt"), "a TorchScript model");
    told("a.npz", &of("mlp.npz"), "an .npz archive of NumPy");
}
