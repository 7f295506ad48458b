//! Models made ready to be cut, and what their layers give in a whole run.

use std::path::{Path, PathBuf};

use repsim::torchscript::{Answer, Execution, Layer, Model, Tail, tensors};
use tch::{Device, Kind, Tensor};

/// A ResNet-18 of torchvision's blocks: scripted, traced, and smaller ones.
pub const RESNETS: [&str; 4] = [
    "examples/models/fashion-seed0-scripted.pt",
    "examples/models/fashion-seed1-traced.pt",
    "tests/golden/capture/tiny_resnet_scripted.pt",
    "tests/golden/capture/tiny_resnet_traced.pt",
];

/// How near values have to be where the order of a summation may differ, as a share of the largest.
pub const ROUNDING: f64 = 1e-6;

/// A golden archive of these tests.
pub fn golden(name: &str) -> String {
    format!("tests/golden/tail/{name}")
}

/// A file of this repository.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Normal random numbers, the same in every run.
pub fn random(shape: &[i64], seed: u64) -> Tensor {
    let count: i64 = shape.iter().product();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let sum_of_12 = |_| (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
    let values: Vec<f64> = (0..count).map(sum_of_12).collect();
    Tensor::from_slice(&values).reshape(shape).to_kind(Kind::Float)
}

/// A model with taps behind all its layers and the input of the last linear layer.
pub fn prepared(archive: &str, input: &Tensor, optimize: bool) -> (Model, Vec<Layer>) {
    prepared_for(archive, input, optimize, |_| true)
}

/// The same with taps behind some layers only.
pub fn prepared_for(
    archive: &str,
    input: &Tensor,
    optimize: bool,
    wanted: impl Fn(&str) -> bool,
) -> (Model, Vec<Layer>) {
    let mut model = Model::load(path(archive), false).unwrap();
    model.listen_to_last_linear().unwrap();
    let mut layers = model.probe(input).unwrap();
    layers.retain(|layer| wanted(&layer.name));
    model.prepare(&layers, &Execution { optimize, device: Device::Cpu }).unwrap();
    assert!(model.optimization_note().is_none(), "{:?}", model.optimization_note());
    (model, layers)
}

/// The place of a layer.
#[track_caller]
pub fn place(layers: &[Layer], name: &str) -> usize {
    layers.iter().position(|l| l.name == name).unwrap_or_else(|| panic!("there is no {name}"))
}

/// Copies of what all layers give in a whole run, and the output.
pub fn whole(model: &mut Model, layers: &[Layer], input: &Tensor) -> (Vec<Tensor>, Tensor) {
    let mut given: Vec<Option<Tensor>> = layers.iter().map(|_| None).collect();
    let output = model.run(input, &mut |layer, output| {
        given[layer] = Some(output.copy());
        Ok(Answer::Keep)
    });
    let given = given.into_iter().map(|tensor| tensor.unwrap()).collect();
    (given, output.unwrap().unwrap())
}

/// The output of a tail.
pub fn output(tail: &mut Tail, activation: &Tensor) -> Tensor {
    tail.run(activation, &mut |_, _| Ok(Answer::Keep)).unwrap().unwrap()
}

/// Why a model cannot be cut behind a layer.
#[track_caller]
pub fn refusal(model: &Model, layers: &[Layer], name: &str) -> String {
    let text = match model.cut(place(layers, name)) {
        Ok(_) => panic!("{name} was cut behind"),
        Err(error) => error.to_string(),
    };
    assert!(text.starts_with(&format!("layer {name} of {}", model.path().display())), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

/// The values of a tensor, the last axis fastest.
pub fn values(tensor: &Tensor) -> Vec<f64> {
    tensors::to_vector(tensor).unwrap().to_vec()
}

/// Asserts equal shapes, and values no further apart than `share` of the largest.
#[track_caller]
pub fn assert_near(found: &Tensor, expected: &Tensor, share: f64, what: &str) {
    assert_eq!(found.size(), expected.size(), "shape of {what}");
    let (found, expected) = (values(found), values(expected));
    let largest = expected.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
        assert!((a - b).abs() <= share * largest, "{what}: value {i} is {a}, not {b} of {largest}");
    }
}

/// Asserts the same values, bit for bit.
#[track_caller]
pub fn assert_same(found: &Tensor, expected: &Tensor, what: &str) {
    assert_near(found, expected, 0.0, what);
}
