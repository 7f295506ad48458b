//! Golden files, the images they are of, and models made ready to be explained.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use ndarray::{ArrayD, Axis};
use repsim::data::features::load_features;
use repsim::saliency::{Column, Explained, Explainer, Images, Method, Options, Target};
use repsim::torchscript::{Execution, Layer, Model, tensors};
use serde_json::Value;
use tch::{CModule, Device, Kind, Tensor};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::tolerances;

/// What the examples are normalised by.
pub const MEAN: f64 = 0.2860;
pub const STD: f64 = 0.3530;

/// A black pixel as the networks take it.
pub const BLACK: f32 = ((0.0 - MEAN) / STD) as f32;

/// The example models of the goldens.
pub const MODELS: [&str; 2] = ["seed0", "seed1"];

/// Both models, as exported and optimised.
pub const WAYS: [(&str, bool); 4] =
    [("seed0", false), ("seed0", true), ("seed1", false), ("seed1", true)];

/// Each model one way, for what takes long.
pub const EACH: [(&str, bool); 2] = [WAYS[0], WAYS[3]];

/// The targets of the goldens.
pub const TARGETS: [(&str, Target); 3] = [
    ("predicted", Target::Predicted),
    ("class3", Target::Class(3)),
    ("contrast", Target::Contrast(0, 6)),
];

/// The target of a name.
pub fn target(name: &str) -> Target {
    TARGETS.iter().find(|(known, _)| *known == name).unwrap().1
}

/// A file of the golden values.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/saliency").join(name)
}

/// The archive of a model; of an example, in float64.
pub fn archive(model: &str) -> PathBuf {
    static WIDE: OnceLock<[PathBuf; 2]> = OnceLock::new();
    let files = ["fashion-seed0-scripted.pt", "fashion-seed1-traced.pt"];
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models");
    match MODELS.iter().position(|name| *name == model) {
        Some(which) => {
            WIDE.get_or_init(|| files.map(|file| widened(&examples.join(file))))[which].clone()
        }
        None => path(&format!("{model}.pt")),
    }
}

/// A copy of an archive with its numbers in float64.
pub fn widened(file: &Path) -> PathBuf {
    static WRITING: Mutex<()> = Mutex::new(());
    let _alone = WRITING.lock();
    let mut module = CModule::load(file).unwrap();
    module.to(Device::Cpu, Kind::Double, false);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let name = file.file_stem().unwrap().to_string_lossy();
    let part = folder.join(format!("{name}-float64-{}.part", std::process::id()));
    let wide = folder.join(format!("{name}-float64.pt"));
    module.save(&part).unwrap();
    std::fs::rename(part, &wide).unwrap();
    wide
}

/// A listing of golden values.
pub fn listing(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path(name)).unwrap()).unwrap()
}

/// The arrays of a file by name.
pub fn arrays(name: &str) -> BTreeMap<String, ArrayD<f64>> {
    let all = load_features(&path(name)).unwrap();
    all.into_iter().map(|feature| (feature.name, feature.values)).collect()
}

/// All numbers of a number, a list, or lists in lists.
pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

/// Asserts that no ReLU of the runs that gave a golden was near its kink.
#[track_caller]
pub fn assert_margin(margin: &Value) {
    let margin = margin.as_f64().unwrap();
    assert!(margin >= tolerances::MARGIN, "an input of a ReLU is {margin:e} of the largest");
}

/// The bytes of the goldens' images, N×H×W.
pub fn pixels() -> Tensor {
    let listed = listing("maps.json");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/images");
    let read = |name: &Value| {
        let image = image::open(folder.join(name.as_str().unwrap())).unwrap().to_luma8();
        let (width, height) = image.dimensions();
        Tensor::from_slice(image.as_raw()).reshape([i64::from(height), i64::from(width)])
    };
    let images: Vec<Tensor> = listed["images"].as_array().unwrap().iter().map(read).collect();
    Tensor::stack(&images, 0)
}

/// The images as the networks take them, N×3×H×W in float64.
pub fn input() -> Tensor {
    let grey = (pixels().to_kind(Kind::Double) / 255.0 - MEAN) / STD;
    grey.unsqueeze(1).repeat([1, 3, 1, 1])
}

/// The choices of methods that have none in a test.
pub fn options() -> Options {
    Options {
        signed: false,
        samples: 4,
        noise: 0.15,
        seed: 7,
        steps: 32,
        baseline: vec![0.0],
        shap_noise: 0.0,
        perturbations: 40,
        lime_alpha: 0.01,
        window: 8,
        stride: 4,
        grid: None,
        batch: 64,
        focus: None,
    }
}

/// A model ready to be explained by some methods at some layers.
pub fn explainer(
    (model, optimize): (&str, bool),
    input: &Tensor,
    methods: &[Method],
    layers: &[&str],
) -> Explainer {
    let mut loaded = Model::load(archive(model), false).unwrap();
    let all = loaded.probe(input).unwrap();
    let layers: Vec<Layer> =
        all.into_iter().filter(|layer| layers.contains(&layer.name.as_str())).collect();
    loaded.prepare(&layers, &Execution { optimize, device: Device::Cpu }).unwrap();
    let note = loaded.optimization_note();
    assert!(note.is_none(), "{model} could not be optimised: {note:?}");
    Explainer { model: loaded, layers, methods: methods.to_vec(), options: options() }
}

/// Explains a batch whose first image is the first of the data set.
pub fn explain(explainer: &mut Explainer, input: &Tensor, target: Target) -> Explained {
    let indices: Vec<usize> = (0..input.size()[0] as usize).collect();
    let images = Images { input, indices: &indices, labels: None };
    explainer.explain(&images, target).unwrap()
}

/// The only map of a batch.
pub fn only_map(explainer: &mut Explainer, input: &Tensor, target: Target) -> Tensor {
    let mut found = explain(explainer, input, target);
    assert_eq!(found.maps.len(), 1);
    found.maps.remove(0)
}

/// The name of the layer of a column.
pub fn layer_name<'a>(explainer: &'a Explainer, column: &Column) -> &'a str {
    &explainer.layers[column.layer.unwrap()].name
}

/// The values of a tensor as an array of its shape.
pub fn array(tensor: &Tensor) -> ArrayD<f64> {
    let shape: Vec<usize> = tensor.size().iter().map(|&size| size as usize).collect();
    ArrayD::from_shape_vec(shape, tensors::to_vector(tensor).unwrap().to_vec()).unwrap()
}

/// The largest absolute value of each row.
pub fn scales(rows: &ArrayD<f64>) -> Vec<f64> {
    let largest =
        |row: ndarray::ArrayViewD<'_, f64>| row.fold(0.0, |most: f64, v| most.max(v.abs()));
    rows.axis_iter(Axis(0)).map(largest).collect()
}

/// Asserts that each row is as near as its tolerance says.
#[track_caller]
pub fn assert_rows(found: &Tensor, expected: &ArrayD<f64>, tolerances: &[f64], what: &str) {
    let found = array(found);
    assert_eq!(found.shape(), expected.shape(), "shape of {what}");
    assert_eq!(tolerances.len(), expected.len_of(Axis(0)), "tolerances of {what}");
    assert!(found.iter().all(|v| v.is_finite()), "{what} is not finite");
    let off = scales(&(&found - expected));
    for (row, (off, tolerance)) in off.iter().zip(tolerances).enumerate() {
        assert!(off <= tolerance, "row {row} of {what} is off by {off:e} of {tolerance:e}");
    }
}

/// Asserts that each map is near another, as a share of the largest absolute value of that one.
#[track_caller]
pub fn assert_maps(found: &Tensor, expected: &ArrayD<f64>, share: f64, what: &str) {
    let tolerances: Vec<f64> = scales(expected).iter().map(|scale| scale * share).collect();
    assert_rows(found, expected, &tolerances, what);
}

#[track_caller]
pub fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    let off = (found - expected).abs();
    assert!(off <= tolerance, "{what}: {found}, not {expected}: off by {off:e} of {tolerance:e}");
}

/// A network with lines of its code replaced.
pub fn rewritten(network: &str, folder: &Path, replaced: &[(&str, &str)]) -> PathBuf {
    let mut from = ZipArchive::new(File::open(archive(network)).unwrap()).unwrap();
    let path = folder.join(format!("{network}.pt"));
    let mut to = ZipWriter::new(File::create(&path).unwrap());
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for i in 0..from.len() {
        let mut entry = from.by_index(i).unwrap();
        let (name, mut bytes) = (entry.name().to_owned(), vec![]);
        entry.read_to_end(&mut bytes).unwrap();
        if name.ends_with("code/__torch__.py") {
            let mut code = String::from_utf8(bytes).unwrap();
            for (old, new) in replaced {
                assert!(code.contains(old), "{code}");
                code = code.replace(old, new);
            }
            bytes = code.into_bytes();
        }
        to.start_file(name, stored).unwrap();
        to.write_all(&bytes).unwrap();
    }
    to.finish().unwrap();
    path
}
