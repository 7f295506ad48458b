//! Networks of several inputs: what taps see, gradients and tails against PyTorch.

use std::path::{Path, PathBuf};

use repsim::capture::to_tensor;
use repsim::data::{Dataset, LoadOptions, Preprocess, Preset};
use repsim::torchscript::packing::{Part, Values};
use repsim::torchscript::{Fixed, Layer, Model};
use serde_json::Value;
use tch::{CModule, IValue, Kind, Tensor};

use crate::golden::{Seen, execution, seen};
use crate::tolerances::{self, OUTPUT};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/inputs").join(name)
}

fn cases() -> Value {
    serde_json::from_str(&std::fs::read_to_string(path("cases.json")).unwrap()).unwrap()
}

/// All samples of a file, a row of floats each.
fn batch(name: &str) -> Tensor {
    let data = Dataset::open_inputs(&path(name), None).unwrap();
    let load = LoadOptions { batch_size: 8, workers: 1, ..LoadOptions::default() };
    let mut batches = data.batches(&[Preprocess::preset(Preset::Raw)], &load).unwrap();
    to_tensor(&batches.next().unwrap().unwrap().inputs[0]).unwrap()
}

fn part(argument: usize, name: &str, kind: Option<Kind>, start: i64, shape: &[i64]) -> Part {
    let values = Values::Columns { start, shape: shape.to_vec() };
    Part { argument, name: name.to_owned(), kind, other: None, values }
}

/// The network of an image, ids and a number, with ids in front of the image in the data.
fn mixed() -> Model {
    let mut model = Model::load(path("mixed.pt"), false).unwrap();
    let image = part(1, "image", None, 7, &[3, 8, 8]);
    model.take(vec![image, part(2, "ids", Some(Kind::Int), 0, &[7])]).unwrap();
    model
}

fn bert() -> Model {
    let mut model = Model::load(path("bert.pt2"), false).unwrap();
    let ids = part(1, "input_ids", Some(Kind::Int64), 0, &[7]);
    model.take(vec![ids, part(2, "attention_mask", Some(Kind::Int64), 7, &[7])]).unwrap();
    model
}

/// Holds the layers that ran, and their values, against those of hooks.
#[track_caller]
fn assert_golden(mut model: Model, batch: &Tensor, case: &str, optimize: bool, share: f64) {
    let layers = model.probe(batch).unwrap();
    model.prepare(&layers, &execution(optimize)).unwrap();
    let mut heard = vec![];
    model
        .run(batch, &mut |place, output| {
            heard.push((layers[place].name.clone(), Seen::of(output)));
            Ok(repsim::torchscript::Answer::Keep)
        })
        .unwrap();
    let cases = cases();
    let mut held = 0;
    for golden in cases[case]["layers"].as_array().unwrap() {
        let name = golden["name"].as_str().unwrap();
        let Some((_, seen)) = heard.iter().find(|(own, _)| own == name) else { continue };
        held += 1;
        let sum: f64 = seen.values.iter().map(|v| v.abs()).sum();
        let wanted = golden["sum"].as_f64().unwrap();
        assert!((sum - wanted).abs() <= share * wanted, "{case} {name}: {sum}, not {wanted}");
        let most = seen.values.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        for sample in golden["samples"].as_array().unwrap() {
            let place = sample[0].as_u64().unwrap() as usize;
            let (found, wanted) = (seen.values[place], sample[1].as_f64().unwrap());
            assert!((found - wanted).abs() <= share * most, "{case} {name}: {found}, not {wanted}");
        }
    }
    assert!(held >= 2 && held == heard.len(), "{case}: {held} of {} layers", heard.len());
}

#[test]
fn ids_and_masks_of_an_exported_bert_are_those_of_pytorch() {
    for optimize in [false, true] {
        assert_golden(bert(), &batch("bert.npz"), "bert", optimize, 1e-11);
        let model = Model::load(path("gpt2.pt2"), false).unwrap();
        assert_golden(model, &batch("ids.npz"), "gpt2", optimize, 1e-11);
    }
}

#[test]
fn floats_ids_and_numbers_of_a_scripted_network_are_those_of_pytorch() {
    for optimize in [false, true] {
        let mut model = mixed();
        model.fix(3, Fixed::Float(2.0)).unwrap();
        assert_golden(model, &batch("mixed.npz"), "mixed", optimize, tolerances::of(optimize));
        let mut model = mixed();
        model.fix(3, Fixed::Float(3.0)).unwrap();
        model.fix(4, Fixed::Float(1.0)).unwrap();
        model.fix(5, Fixed::Bool(true)).unwrap();
        assert_golden(model, &batch("mixed.npz"), "mixed_flag", optimize, tolerances::of(optimize));
    }
}

#[test]
fn samples_and_channels_are_told_of_several_inputs() {
    let layers = bert().probe(&batch("bert.npz").narrow(0, 0, 2)).unwrap();
    let of = |name: &str| layers.iter().find(|layer| layer.name == name).unwrap();
    let layer = of("encoder.layer.0.output");
    assert_eq!((layer.axes.samples, layer.axes.channels), (0, Some(2)));
    assert!(layers.iter().all(|layer| !layer.dependence.batch), "{layers:?}");
    let mut model = mixed();
    model.fix(3, Fixed::Float(2.0)).unwrap();
    let layers = model.probe(&batch("mixed.npz").narrow(0, 0, 2)).unwrap();
    let conv: &Layer = layers.iter().find(|layer| layer.name == "conv").unwrap();
    assert_eq!((conv.axes.samples, conv.axes.channels), (0, Some(1)));
}

#[test]
fn gradients_reach_the_floats_and_not_the_ids() {
    let batch = batch("mixed.npz");
    let image = batch.narrow(1, 7, 192).contiguous().view([8, 3, 8, 8]).set_requires_grad(true);
    let ids = batch.narrow(1, 0, 7).to_kind(Kind::Int);
    let whole = CModule::load(path("mixed.pt")).unwrap();
    let given = [IValue::Tensor(image.shallow_clone()), IValue::Tensor(ids), IValue::Double(2.0)];
    let IValue::Tensor(output) = whole.forward_is(&given).unwrap() else { panic!("no tensor") };
    let sum = output.square().sum(Kind::Float);
    let expected = Tensor::run_backward(&[sum], &[image], false, false).swap_remove(0);
    for optimize in [false, true] {
        let mut model = mixed();
        model.fix(3, Fixed::Float(2.0)).unwrap();
        let layers = model.probe(&batch).unwrap();
        model.prepare(&layers, &execution(optimize)).unwrap();
        let found = model.gradients(&batch, |y| Ok(y.square().sum(Kind::Float))).unwrap();
        assert_eq!(found.input.size(), batch.size());
        let of_ids = found.input.narrow(1, 0, 7).abs().max().double_value(&[]);
        assert_eq!(of_ids, 0.0);
        let of_image = found.input.narrow(1, 7, 192).contiguous().view([8, 3, 8, 8]);
        let expected = Seen::of(&expected);
        Seen::of(&of_image).assert_near(&expected, tolerances::of(optimize), "the gradient");
    }
}

/// The tail takes the layer's output and the numbers that are the same in every run, and no other input.
#[test]
fn a_network_of_several_inputs_can_be_cut() {
    let batch = batch("mixed.npz");
    for optimize in [false, true] {
        let mut model = mixed();
        model.fix(3, Fixed::Float(3.0)).unwrap();
        model.fix(5, Fixed::Bool(true)).unwrap();
        let layers = model.probe(&batch).unwrap();
        model.prepare(&layers, &execution(optimize)).unwrap();
        let place = layers.iter().position(|layer| layer.name == "join").unwrap();
        let (all, output) = seen(&mut model, &layers, &batch);
        let joined = &all.iter().find(|(name, _)| name == "join").unwrap().1;
        let joined = Tensor::from_slice(&joined.values).to_kind(Kind::Float).view([8, 6]);
        let mut tail = model.cut(place).unwrap();
        let behind = tail.run(&joined, &mut |_, _| Ok(repsim::torchscript::Answer::Keep)).unwrap();
        Seen::of(&behind.unwrap()).assert_near(&Seen::of(&output), OUTPUT, "the tail");
        let conv = layers.iter().position(|layer| layer.name == "conv").unwrap();
        let refused = model.cut(conv).err().unwrap().to_string();
        assert!(refused.contains("does not come through it"), "{refused}");
    }
}

#[test]
fn arguments_are_known_before_anything_runs() {
    let told = |name: &str| {
        let model = Model::load(path(name), false).unwrap();
        let arguments = model.arguments().unwrap();
        arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(told("bert.pt2"), "input_ids (int64 ?×?), attention_mask (int64 ?×?)");
    let mixed = "image (Tensor), ids (Tensor), scale (float), shift (float), flag (bool)";
    assert_eq!(told("mixed.pt"), mixed);
    assert_eq!(told("recurrent.pt"), "x (Tensor), state (Tuple[Tensor, Tensor])");
}

/// Ids that the vocabulary does not have are found before anything runs.
#[test]
fn ids_beyond_the_rows_of_an_embedding() {
    for (name, embedding) in [("gpt2.pt2", "transformer.wte"), ("embedding.pt", "embed")] {
        let mut model = Model::load(path(name), false).unwrap();
        let input = model.arguments().unwrap()[0].name.clone();
        let kind = Some(Kind::Int64);
        let whole = Part { argument: 1, name: input, kind, other: None, values: Values::Batch };
        model.take(vec![whole]).unwrap();
        let ids = Tensor::from_slice(&[1f32, 39.0, 2.0, 40.0]).view([2, 2]);
        let said = model.probe(&ids).err().unwrap().to_string();
        let expected = format!("ids is 40, and the embedding {embedding} has 40 rows");
        assert!(said.contains(&expected.replacen("ids", "", 1)), "{said}");
        assert!(model.probe(&(&ids - 1.0)).is_ok());
        let said = model.probe(&(ids - 2.0)).err().unwrap().to_string();
        assert!(said.contains("the least id") && said.contains("is -1"), "{said}");
    }
}
