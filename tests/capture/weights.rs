//! Other values for the parameters and buffers of a model.

use std::path::{Path, PathBuf};

use repsim::torchscript::{Answer, Model, Taken, Weight};
use tch::{Device, Kind, Tensor};

use crate::golden::{execution, path};

fn careless(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/careless").join(name)
}

fn model(path: PathBuf) -> (Model, Vec<Weight>) {
    let mut model = Model::load(path, false).unwrap();
    let weights = model.weights().unwrap();
    (model, weights)
}

fn full(weight: &Weight, value: f64, kind: Kind) -> Tensor {
    Tensor::full(&weight.shape, value, (kind, Device::Cpu))
}

#[test]
fn names_shapes_and_types_are_those_of_pytorch() {
    let (_, weights) = model(path("tiny_resnet_scripted.pt"));
    let of = |name: &str| weights.iter().find(|weight| weight.name == name).unwrap();
    assert_eq!((of("conv1.weight").kind, of("conv1.weight").is_buffer), (Kind::Float, false));
    assert_eq!(of("conv1.weight").shape.len(), 4);
    assert!(of("bn1.running_mean").is_buffer);
    assert_eq!(of("bn1.num_batches_tracked").kind, Kind::Int64);
    assert!(of("bn1.num_batches_tracked").shape.is_empty());
    let tensors: std::collections::HashSet<usize> = weights.iter().map(|w| w.tensor).collect();
    assert_eq!(tensors.len(), weights.len());
    assert!(model(path("frozen.pt")).1.is_empty());
}

#[test]
fn values_are_cast_and_what_they_lose_is_told() {
    let (mut half, weights) = model(careless("half.pt"));
    let weight = weights.iter().find(|weight| weight.kind == Kind::Half).unwrap();
    let mut set = |value, kind| half.set_weight(weight, &full(weight, value, kind)).unwrap();
    assert_eq!(set(0.5, Kind::Float), Taken::default());
    assert_eq!(set(2.0, Kind::Int64), Taken::default());
    assert_eq!(set(0.1, Kind::Float), Taken { rounded: true, not_finite: false });
    assert_eq!(set(1e6, Kind::Double), Taken { rounded: true, not_finite: true });
    assert_eq!(set(f64::NAN, Kind::Float), Taken { rounded: false, not_finite: true });
}

#[test]
fn values_of_another_kind_are_refused() {
    let (mut resnet, weights) = model(path("tiny_resnet_scripted.pt"));
    let of = |name: &str| weights.iter().find(|weight| weight.name == name).unwrap();
    let mut refused = |name: &str, values: Tensor| {
        let said = resnet.set_weight(of(name), &values).unwrap_err().to_string();
        assert!(said.contains(name) && said.lines().count() == 1, "{said}");
        said
    };
    let counter = of("bn1.num_batches_tracked");
    assert!(refused(&counter.name, full(counter, 1.5, Kind::Float)).contains("cannot become"));
    let conv = of("conv1.weight");
    let real = full(conv, 1.0, Kind::Float);
    let complex = Tensor::complex(&real, &real);
    assert!(refused(&conv.name, complex).contains("cannot become"));
    refused("conv1.weight", Tensor::zeros([1], (Kind::Float, Device::Cpu)));
}

/// What the network gives follows its weights, frozen and folded too.
#[test]
fn the_network_runs_on_what_was_set() {
    let (mut resnet, weights) = model(path("tiny_resnet_scripted.pt"));
    for name in ["fc.weight", "fc.bias"] {
        let weight = weights.iter().find(|weight| weight.name == name).unwrap();
        let value = if name == "fc.bias" { 3.0 } else { 0.0 };
        resnet.set_weight(weight, &full(weight, value, Kind::Double)).unwrap();
    }
    let numbers = (Tensor::arange(2 * 3 * 16 * 16, (Kind::Float, Device::Cpu)) * 0.7).sin();
    let images = numbers.square().reshape([2, 3, 16, 16]);
    let layers = resnet.probe(&images).unwrap();
    resnet.prepare(&layers, &execution(true)).unwrap();
    let output = resnet.run(&images, &mut |_, _| Ok(Answer::Keep)).unwrap().unwrap();
    assert_eq!(f64::try_from(output.min()).unwrap(), 3.0);
    assert_eq!(f64::try_from(output.max()).unwrap(), 3.0);
}
