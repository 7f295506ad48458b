//! Archives of `torch.export` that are damaged, hostile or not to be run: one line each, never a crash.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use repsim::analysis::Layers;
use repsim::torchscript::{Answer, Model};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::golden::execution;

type Members = BTreeMap<String, Vec<u8>>;

const PROGRAM: &str = "resnet/models/model.json";
const CONFIG: &str = "resnet/data/weights/model_weights_config.json";

fn whole() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/export/resnet.pt2")
}

fn members() -> Members {
    let mut archive = ZipArchive::new(File::open(whole()).unwrap()).unwrap();
    let count = archive.len();
    let read = |place| {
        let mut member = archive.by_index(place).unwrap();
        let mut bytes = vec![];
        member.read_to_end(&mut bytes).unwrap();
        (member.name().to_owned(), bytes)
    };
    (0..count).map(read).collect()
}

fn write(members: &Members, path: &Path) {
    let mut archive = ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in members {
        archive.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

/// What is said of an archive after a change.
fn said(change: impl FnOnce(&mut Members)) -> String {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("changed.pt2");
    let mut members = members();
    change(&mut members);
    write(&members, &path);
    let error = Model::load(&path, false).err().expect("it was loaded");
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    assert!(text.contains("changed.pt2"), "{text}");
    text
}

fn edited(member: &str, edit: impl FnOnce(&mut Value)) -> String {
    said(|members| {
        let mut value: Value = serde_json::from_slice(&members[member]).unwrap();
        edit(&mut value);
        members.insert(member.to_owned(), serde_json::to_vec(&value).unwrap());
    })
}

/// Changes the first node of the program.
fn node(edit: impl FnOnce(&mut Value)) -> String {
    edited(PROGRAM, |program| edit(&mut program["graph_module"]["graph"]["nodes"][0]))
}

/// Changes what is said of one weight.
fn weight(edit: impl FnOnce(&mut Value)) -> String {
    edited(CONFIG, |config| edit(&mut config["config"]["fc.weight"]["tensor_meta"]))
}

#[track_caller]
fn assert_says(text: &str, part: &str) {
    assert!(text.contains(part), "{text:?} does not say {part:?}");
}

#[test]
fn an_unchanged_copy_is_loaded() {
    let folder = TempDir::new().unwrap();
    write(&members(), &folder.path().join("copy.pt2"));
    assert!(Model::load(folder.path().join("copy.pt2"), false).is_ok());
}

#[test]
fn a_flipped_bit_in_a_weight_is_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("flipped.pt2");
    let mut archive = ZipWriter::new(File::create(&path).unwrap());
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let members = members();
    for (name, bytes) in &members {
        archive.start_file(name.as_str(), stored).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
    let (_, weight) = members.iter().find(|(name, _)| name.contains("/weights/weight_")).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(weight.len()).position(|window| window == weight).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let text = Model::load(&path, false).err().expect("it was loaded").to_string();
    assert!(text.contains("weight_") && text.contains("damaged"), "{text}");
}

#[test]
fn sizes_that_do_not_fit_the_weights_are_told() {
    let huge = json!([{"as_int": 1_i64 << 40}, {"as_int": 8}]);
    assert_says(&weight(|meta| meta["sizes"] = huge), "fc.weight");
    assert_says(&weight(|meta| meta["sizes"][0]["as_int"] = json!(6)), "is more than");
    assert_says(&weight(|meta| meta["sizes"][0]["as_int"] = json!(-5)), "make no tensor");
    assert_says(&weight(|meta| meta["sizes"][0]["as_int"] = json!(i64::MAX)), "make no tensor");
    assert_says(&weight(|meta| meta["strides"][0]["as_int"] = json!(i64::MAX)), "is more than");
    assert_says(&weight(|meta| meta["strides"] = json!([])), "make no tensor");
    assert_says(&weight(|meta| meta["storage_offset"]["as_int"] = json!(1)), "is more than");
    assert_says(&weight(|meta| meta["storage_offset"]["as_int"] = json!(-1)), "make no tensor");
    assert_says(&weight(|meta| meta["dtype"] = json!(8000)), "without arithmetic");
}

#[test]
fn a_value_repeated_without_end_is_told() {
    let repeated = weight(|meta| {
        meta["sizes"][0]["as_int"] = json!(1_i64 << 40);
        meta["strides"][0]["as_int"] = json!(0);
    });
    assert_says(&repeated, "is more than");
}

/// As a buffer that `expand` made: of `fc.weight` all rows are the first, so that two samples are apart by the
/// same in every logit.
#[test]
fn a_value_that_is_held_more_than_once_is_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("expanded.pt2");
    let mut members = members();
    let mut config: Value = serde_json::from_slice(&members[CONFIG]).unwrap();
    for name in ["fc.weight", "bn1.running_mean"] {
        config["config"][name]["tensor_meta"]["strides"][0]["as_int"] = json!(0);
    }
    members.insert(CONFIG.to_owned(), serde_json::to_vec(&config).unwrap());
    write(&members, &path);
    let numbers = (Tensor::arange(2 * 3 * 32 * 32, (Kind::Float, Device::Cpu)) * 0.7).sin();
    let images = numbers.square().reshape([2, 3, 32, 32]);
    for optimize in [false, true] {
        let mut model = Model::load(&path, false).unwrap();
        let layers = model.probe(&images).unwrap();
        model.prepare(&layers, &execution(optimize)).unwrap();
        let logits = model.run(&images, &mut |_, _| Ok(Answer::Keep)).unwrap().unwrap();
        let apart = logits.get(0) - logits.get(1);
        let off = (&apart - apart.get(0)).abs().max();
        assert!(logits.size()[1] > 1 && off.double_value(&[]) < 1e-5, "{apart:?}");
    }
}

#[test]
fn missing_parts_are_named() {
    assert_says(&said(|members| drop(members.remove(PROGRAM))), "it holds no program");
    let none = |members: &mut Members| members.retain(|name, _| !name.contains("/weight_3"));
    assert_says(&said(none), "is missing");
    let forgotten = edited(CONFIG, |config| {
        config["config"].as_object_mut().unwrap().remove("fc.bias");
    });
    assert_says(&forgotten, "the weight fc.bias is missing");
    let pickled = edited(CONFIG, |config| config["config"]["fc.bias"]["use_pickle"] = json!(true));
    assert_says(&pickled, "fc.bias is pickled");
}

#[test]
fn names_must_be_made_once_and_before_they_are_used() {
    let unknown = node(|n| n["inputs"][0]["arg"] = json!({"as_tensor": {"name": "nobody"}}));
    assert_says(&unknown, "the value nobody is used before it is made");
    let cycle = node(|n| n["inputs"][0]["arg"] = n["outputs"][0].clone());
    assert_says(&cycle, "is used before it is made");
    let twice = node(|n| n["outputs"] = json!([{"as_tensor": {"name": "x"}}]));
    assert_says(&twice, "the name x is taken twice");
    let weights = edited(PROGRAM, |program| {
        let specs = &mut program["graph_module"]["signature"]["input_specs"];
        specs[1]["parameter"]["arg"]["name"] = specs[0]["parameter"]["arg"]["name"].clone();
    });
    assert_says(&weights, "is taken twice");
    let module = edited(PROGRAM, |program| {
        let specs = &mut program["graph_module"]["signature"]["input_specs"];
        specs[0]["parameter"]["parameter_name"] = json!("fc.weight.inner");
    });
    assert_says(&module, "fc.weight.inner is missing");
}

#[test]
fn operators_that_cannot_be_run_are_named() {
    let custom = node(|n| n["target"] = json!("torch.ops.mylib.blur.default"));
    assert_says(&custom, "mylib::blur");
    let unknown = node(|n| n["target"] = json!("torch.ops.aten.conv2d.nowhere"));
    assert_says(&unknown, "aten::conv2d, which this version of libtorch does not have");
    let decomposed = "torch.ops.quantized_decomposed.dequantize_per_channel.default";
    let pt2e = node(|n| n["target"] = json!(decomposed));
    assert_says(&pt2e, "quantised by PT2E, whose operators are Python: export the float model");
    let file = node(|n| n["target"] = json!("torch.ops.aten.from_file.default"));
    assert_says(&file, "aten::from_file, which reaches beyond the model");
    let branch = node(|n| n["target"] = json!("torch.ops.higher_order.cond"));
    assert_says(&branch, "the higher-order operator cond");
    let python = node(|n| n["target"] = json!("os.system"));
    assert_says(&python, "it calls os.system");
    let argument = node(|n| n["inputs"][0]["name"] = json!("image"));
    assert_says(&argument, "aten::conv2d");
    let kind = node(|n| n["inputs"][0]["arg"] = json!({"as_string": "image"}));
    assert_says(&kind, "does not take what it is given");
    let new = node(|n| n["inputs"][0]["arg"] = json!({"as_future": 1}));
    assert_says(&new, "as_future");
}

#[test]
fn other_versions_and_kinds_are_told() {
    let next = edited(PROGRAM, |program| program["schema_version"]["major"] = json!(9));
    assert_says(&next, "its schema has version 9");
    let big = said(|members| drop(members.insert("resnet/byteorder".into(), b"big".to_vec())));
    assert_says(&big, "big-endian");
    let compiled = said(|members| {
        members.remove(PROGRAM);
        members.insert("resnet/data/aotinductor/model/code.so".into(), vec![0; 8]);
    });
    assert_says(&compiled, "AOTInductor");
    let two = said(|members| {
        let program = members[PROGRAM].clone();
        members.insert("resnet/models/other.json".into(), program);
    });
    assert_says(&two, "it holds 2 models: model, other");
    let garbage = said(|members| drop(members.insert(PROGRAM.into(), b"{\"graph".to_vec())));
    assert_says(&garbage, "models/model.json cannot be read");
    let deep = said(|members| drop(members.insert(PROGRAM.into(), vec![b'['; 100_000])));
    assert_says(&deep, "models/model.json cannot be read");
}

#[test]
fn a_program_that_returns_nothing_is_told() {
    let nothing = edited(PROGRAM, |program| {
        program["graph_module"]["signature"]["output_specs"] = json!([]);
    });
    assert_says(&nothing, "it returns nothing");
}

/// Layers are listed without shapes, and nothing of that size is made.
#[test]
fn an_input_of_a_size_that_cannot_be_is_not_made() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("changed.pt2");
    for size in [1_i64 << 62, 1 << 40, -3] {
        let mut members = members();
        let mut program: Value = serde_json::from_slice(&members[PROGRAM]).unwrap();
        program["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][2] =
            json!({"as_int": size});
        members.insert(PROGRAM.into(), serde_json::to_vec(&program).unwrap());
        write(&members, &path);
        let report = Layers::new(&path).run().unwrap();
        let said: Vec<&str> = report.warnings.iter().map(|warning| warning.text.as_str()).collect();
        assert_says(&said.join("; "), &format!("its input x is 2×3×{size}×16"));
    }
}

/// Bytes flipped and cut anywhere: an error or a model, and nothing else.
#[test]
fn flipped_bytes_never_crash() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("flipped.pt2");
    let bytes = std::fs::read(whole()).unwrap();
    let members = members();
    for step in 0..120_usize {
        let place = step.wrapping_mul(7919) % bytes.len();
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (step % 8);
        std::fs::write(&path, &flipped[..if step % 3 == 0 { place } else { bytes.len() }]).unwrap();
        let _ = Model::load(&path, false);
        let mut program = members.clone();
        let text = program.get_mut(PROGRAM).unwrap();
        let place = step.wrapping_mul(104_729) % text.len();
        text[place] = b"0129-{}[]\",:tx"[step % 14];
        write(&program, &path);
        let _ = Model::load(&path, false);
    }
}
