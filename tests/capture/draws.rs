//! Inputs stay as they are; what depends on the draw or the batch, and what is one tensor, is found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use repsim::torchscript::{Answer, Layer, Model};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::golden::{execution, texts};

const WRITERS: [&str; 8] =
    ["normalises", "assigns", "relufirst", "views", "branches", "calls", "sametype", "traced"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/draws").join(name)
}

fn golden() -> BTreeMap<String, Value> {
    serde_json::from_str(&std::fs::read_to_string(path("depends.json")).unwrap()).unwrap()
}

fn samples() -> Tensor {
    let numbers = Tensor::arange(375, (Kind::Double, Device::Cpu)) * 0.7;
    (numbers.square().sin() * 1.5).to_kind(Kind::Float).reshape([5, 3, 5, 5])
}

fn probed(archive: &str) -> (Model, Vec<Layer>) {
    let mut model = Model::load(path(archive), false).unwrap();
    let layers = model.probe(&samples()).unwrap();
    (model, layers)
}

fn outputs(model: &mut Model, input: &Tensor) -> Vec<Tensor> {
    let mut kept = vec![];
    let output = model.run(input, &mut |_, output| {
        kept.push(output.copy());
        Ok(Answer::Keep)
    });
    kept.extend(output.unwrap());
    kept
}

#[test]
fn a_network_that_writes_into_its_input_gets_a_copy() {
    for name in WRITERS {
        for optimize in [false, true] {
            let (mut model, layers) = probed(&format!("{name}.pt"));
            model.prepare(&layers, &execution(optimize)).unwrap();
            let input = samples();
            let first = outputs(&mut model, &input);
            assert!(input.equal(&samples()), "{name} changed its input");
            let again = outputs(&mut model, &input);
            assert!(first.len() > 1 && first.len() == again.len());
            assert!(first.iter().zip(&again).all(|(a, b)| a.equal(b)), "{name} runs differently");
        }
    }
}

#[test]
fn gradients_leave_the_input_as_it_is() {
    for name in WRITERS {
        let (mut model, _) = probed(&format!("{name}.pt"));
        model.prepare(&[], &execution(true)).unwrap();
        let input = samples();
        let total = |output: &Tensor| Ok(output.sum(output.kind()));
        let found = model.gradients(&input, total).unwrap().input;
        assert!(input.equal(&samples()), "{name} changed its input");
        assert!(found.abs().sum(Kind::Double).double_value(&[]) > 0.0, "{name}");
    }
}

/// The gradient of x ↦ f((x − 0.4)/0.2), with the steps in place, is that of f, divided by 0.2.
#[test]
fn gradients_go_through_the_copy() {
    let (mut model, _) = probed("normalises.pt");
    model.prepare(&[], &execution(true)).unwrap();
    let total = |output: &Tensor| Ok(output.sum(output.kind()));
    let (input, step) = (samples().to_kind(Kind::Float), 1e-2);
    let gradient = model.gradients(&input, total).unwrap().input;
    let mut moved = |sign: f64| {
        let at = &input + &gradient.sign() * (sign * step);
        let output = model.run(&at, &mut |_, _| Ok(Answer::Keep)).unwrap().unwrap();
        output.sum(Kind::Double).double_value(&[])
    };
    let slope = (moved(0.01) - moved(-0.01)) / (0.02 * step);
    let expected = gradient.abs().sum(Kind::Double).double_value(&[]);
    assert!((slope / expected - 1.0).abs() < 0.05, "{slope} {expected}");
}

#[test]
fn what_layers_depend_on_is_what_hooks_showed() {
    for (name, case) in golden() {
        let (model, layers) = probed(&format!("{name}.pt"));
        let found: Vec<Value> = layers
            .iter()
            .map(|l| json!({"name": l.name, "depends_on": l.dependence.names()}))
            .collect();
        let listed = case["layers"].as_array().unwrap().iter();
        let listed: Vec<Value> =
            listed.map(|l| json!({"name": l["name"], "depends_on": l["depends_on"]})).collect();
        assert_eq!(found, listed, "{name}");
        // A mean over the batch in the network's own code is not an operator that is known for it.
        if name != "centres" {
            assert_eq!(json!(model.output_dependence().names()), case["output"], "{name}");
        }
    }
}

#[test]
fn layers_that_are_one_tensor_are_told() {
    for (name, case) in golden() {
        let (_, layers) = probed(&format!("{name}.pt"));
        for (layer, listed) in layers.iter().zip(case["layers"].as_array().unwrap()) {
            assert_eq!(layer.aliases, texts(&listed["aliases"]), "{} of {name}", layer.name);
        }
    }
}

#[test]
fn causes_are_named_with_their_modules() {
    let causes = |archive: &str| {
        let (model, _) = probed(archive);
        let of = |c: &repsim::torchscript::Cause| format!("{} {}", c.operator, c.module);
        model.causes().iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(causes("training_trace.pt"), ["aten::batch_norm bn", "aten::dropout drop"]);
    assert_eq!(causes("no_running.pt"), ["aten::batch_norm bn"]);
    assert_eq!(causes("monte_carlo.pt"), ["aten::dropout block"]);
    assert_eq!(causes("noise.pt"), ["aten::randn_like "]);
    assert_eq!(causes("drop_path.pt"), ["aten::bernoulli_ "]);
    assert_eq!(causes("training_script.pt"), Vec::<String>::new());
    assert_eq!(causes("wrapped.pt"), Vec::<String>::new());
}

/// Blocks at depth four are looked at; of a container and its last child, and of dropouts that are off,
/// only what finishes first.
#[test]
fn the_default_goes_down_to_blocks_that_repeat() {
    let (_, layers) = probed("wrapped.pt");
    let names: Vec<&str> =
        layers.iter().filter(|l| l.by_default).map(|l| l.name.as_str()).collect();
    let blocks = [0, 1, 2].map(|i| format!("model.encoder.layer.{i}"));
    let [a, b, c] = blocks.each_ref().map(String::as_str);
    assert_eq!(names, ["model.stem", a, b, c, "head.1"]);
}

#[test]
fn the_real_and_the_imaginary_part_are_two_channels() {
    let (_, mut layers) = probed("complex.pt");
    layers.iter_mut().for_each(Layer::count_parts);
    let fft = layers.iter().find(|l| l.name == "fft").unwrap();
    assert!(fft.complex && layers.iter().filter(|l| l.complex).count() == 1);
    assert_eq!(fft.shape, [5, 8, 5, 3]);
}

/// Rows that go by their place, by another row or by the number of rows; a layer before that does not.
#[test]
fn rows_that_go_by_their_place_depend_on_the_batch() {
    let names = ["own", "counts", "first", "last", "before", "number"];
    for samples in [2, 5] {
        let found = names.map(|name| {
            let mut model = Model::load(path(&format!("place_{name}.pt")), false).unwrap();
            let layers = model.probe(&self::samples().narrow(0, 0, samples)).unwrap();
            assert_eq!(layers.len(), 2);
            assert_eq!(model.output_dependence().batch, layers[1].dependence.batch);
            (layers[0].dependence.batch, layers[1].dependence.batch)
        });
        assert_eq!(found[0], (false, false));
        assert_eq!(found[1..], [(false, true); 5]);
    }
}
