//! Sensitivity and importance of channels against their definition in PyTorch, and in closed form.

use ndarray::{Array1, ArrayD};
use repsim::functional::ranking::correlation;
use repsim::functional::{Ablator, Change, Importance, Sensitivity, predicted};
use repsim::saliency::{Classes, Target, forward};
use repsim::torchscript::{Answer, Execution, Layer, Model, tensors};
use tch::{Device, Kind, Tensor};

use crate::support::{
    EACH, archive, array, arrays, assert_near, input, listing, numbers, rewritten,
};
use crate::tolerances::{CLOSED, FLOAT64, FLOAT64_NETWORK, FLOAT64_SCORE, MAP};

/// How near the two largest logits may come where a prediction is counted.
const GAP: f64 = 1e-9;

/// A model prepared for some layers.
fn model(path: &std::path::Path, optimize: bool, layers: &[&str], x: &Tensor) -> Model {
    let mut model = Model::load(path, false).unwrap();
    let all = model.probe(x).unwrap();
    let layers: Vec<Layer> =
        all.into_iter().filter(|layer| layers.contains(&layer.name.as_str())).collect();
    model.prepare(&layers, &Execution { optimize, device: Device::Cpu }).unwrap();
    model
}

/// What a run over all images finds of one layer.
struct Found {
    sensitivity: Sensitivity,
    zero: Importance,
    mean: Importance,
    stacks: bool,
}

/// The classes and scores of the images, and the sensitivity of the layer, in batches.
fn derivatives(
    model: &mut Model,
    (x, batch): (&Tensor, i64),
    (layer, channels): (usize, usize),
    target: Target,
) -> (Sensitivity, Classes, Vec<f64>) {
    let mut sensitivity = Sensitivity::new(channels);
    let (mut all, mut scores) = (vec![], vec![]);
    for part in x.split(batch, 0) {
        let mut classes = None;
        let found = model.tail_gradients(&part, |logits| {
            let own = target.resolve(logits, None)?;
            let total = own.total(logits);
            classes = Some(own);
            total
        });
        let found = found.unwrap();
        sensitivity.add(&found.layers[layer], None).unwrap();
        let classes = classes.unwrap();
        scores.extend(numbers_of(&classes.scores(&found.output).unwrap()));
        all.extend(classes.classes);
    }
    (sensitivity, Classes { classes: all, against: None }, scores)
}

fn numbers_of(tensor: &Tensor) -> Vec<f64> {
    array(&tensor.to_kind(Kind::Double)).into_iter().collect()
}

fn probe(
    model: &mut Model,
    (x, batch): (&Tensor, i64),
    (layer, channels, most): (usize, usize, usize),
    target: Target,
    labels: &[usize],
) -> Found {
    let (sensitivity, classes, scores) = derivatives(model, (x, batch), (layer, channels), target);
    let mut ablator = Ablator::new(model, layer, most);
    let mut ablate = |values: &Array1<f64>| {
        let mut importance = Importance::new(channels);
        let changes: Vec<Change> =
            values.iter().enumerate().map(|(channel, &value)| Change { channel, value }).collect();
        let mut start = 0;
        for part in x.split(batch, 0) {
            let rows = start..start + part.size()[0] as usize;
            start = rows.end;
            let mut told = 0;
            let logits = ablator.logits(model, &part, &changes, &mut |n| told += n).unwrap();
            assert_eq!(told, channels * rows.len());
            let own = classes.of_rows(rows.clone());
            let scores = &scores[rows.clone()];
            importance.add(&logits, (&own, scores), Some(&labels[rows])).unwrap();
        }
        importance
    };
    let zero = ablate(&Array1::zeros(channels));
    let mean = ablate(sensitivity.moments().mean());
    Found { sensitivity, zero, mean, stacks: ablator.is_cut() }
}

/// The values of one name, each as near as its tolerance says.
#[track_caller]
fn assert_list(found: &Array1<f64>, expected: &ArrayD<f64>, tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (channel, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_near(*found, *expected, tolerance, &format!("{what} of channel {channel}"));
    }
}

const LAYERS: [(&str, usize); 2] = [("layer3", 64), ("layer4", 128)];

fn labels() -> Vec<usize> {
    let listed = listing("probes.json");
    numbers(&listed["labels"]).into_iter().map(|label| label as usize).collect()
}

#[test]
fn channels_are_what_the_definition_gives() {
    let (golden, json, x, labels) =
        (arrays("probes.npz"), listing("probes.json"), input(), labels());
    for (name, optimize) in EACH {
        assert!(json[name]["gap"].as_f64().unwrap() >= GAP, "two logits of {name} tie");
        let mut model = model(&archive(name), optimize, &["layer3", "layer4"], &x);
        for (layer, (layer_name, channels)) in LAYERS.into_iter().enumerate() {
            let at = (layer, channels, 400);
            let found = probe(&mut model, (&x, 12), at, Target::Predicted, &labels);
            assert!(found.stacks);
            let check = |key: &str, values: &Array1<f64>| {
                let full = format!("{name}.{layer_name}.{key}");
                let expected = &golden[&full];
                let largest = expected.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
                let tolerance = largest * MAP;
                assert_list(values, expected, tolerance, &format!("{full} ({optimize})"));
            };
            check("gradient", &found.sensitivity.gradient());
            check("mean", found.sensitivity.moments().mean());
            check("std", &found.sensitivity.moments().std());
            check("sensitivity", &found.sensitivity.values());
            check("drop_zero", &found.zero.drops());
            check("drop_mean", &found.mean.drops());
            check("accuracy_zero", &found.zero.accuracies());
            check("accuracy_mean", &found.mean.accuracies());
        }
    }
}

#[test]
fn ranks_correlate_as_scipy_says() {
    let (golden, json) = (arrays("probes.npz"), listing("probes.json"));
    for name in ["seed0", "seed1"] {
        for (layer, _) in LAYERS {
            let of = |key: &str| -> Vec<f64> {
                golden[&format!("{name}.{layer}.{key}")].iter().copied().collect()
            };
            for how in ["drop_zero", "drop_mean"] {
                let expected = json[name]["channels"][layer][how].as_f64().unwrap();
                let found = correlation(&of("sensitivity"), &of(how), 0);
                assert_near(found.spearman.unwrap(), expected, FLOAT64, how);
                let (low, high) = found.interval.unwrap();
                assert!(low < expected && expected < high, "{low} {high}");
            }
        }
    }
}

/// Batches of 1, 3 or all images, with as many images behind the layer or a hundred times as many.
#[test]
fn neither_batches_nor_stacks_change_a_number() {
    let (x, labels) = (input().narrow(0, 0, 4), labels());
    let mut model = model(&archive("seed0"), true, &["layer4"], &x);
    let target = Target::Predicted;
    let whole = probe(&mut model, (&x, 4), (0, 128, 4), target, &labels);
    for (batch, most) in [(3, 3), (1, 1), (3, 300), (4, 512)] {
        let found = probe(&mut model, (&x, batch), (0, 128, most), target, &labels);
        let sensitivity = whole.sensitivity.values();
        let largest = sensitivity.iter().copied().fold(0.0, f64::max);
        // A fall is the difference of two scores, and rounds as they do.
        let pairs = [
            (found.sensitivity.values(), sensitivity, FLOAT64_NETWORK * largest),
            (found.zero.drops(), whole.zero.drops(), FLOAT64_SCORE),
            (found.mean.drops(), whole.mean.drops(), FLOAT64_SCORE),
        ];
        for (found, expected, tolerance) in pairs {
            let what = format!("batches of {batch}, {most} images behind");
            assert_list(&found, &expected.into_dyn(), tolerance, &what);
        }
        assert_eq!(found.zero.accuracies(), whole.zero.accuracies());
    }
}

/// Inside a residual block the rest of the network takes more than the layer's output.
#[test]
fn a_layer_that_is_passed_by_has_a_run_for_every_channel() {
    let x = input().narrow(0, 0, 3);
    let mut model = model(&archive("seed0"), true, &["layer4.0.conv1"], &x);
    let mut ablator = Ablator::new(&model, 0, 400);
    let changes = [0, 7, 127].map(|channel| Change { channel, value: 0.5 });
    let found = ablator.logits(&mut model, &x, &changes, &mut |_| ()).unwrap();
    assert_eq!((ablator.is_cut(), found.len()), (false, 3));
    for (change, found) in changes.iter().zip(&found) {
        let expected = model.run(&x, &mut |_, output| {
            let copy = output.copy();
            let _ = copy.select(1, change.channel as i64).fill_(0.5);
            Ok(Answer::Replace(copy))
        });
        assert!(*found == expected.unwrap().unwrap(), "channel {}", change.channel);
    }
    let intact = forward(&mut model, &x).unwrap();
    assert!(found.iter().all(|logits| *logits != intact));
}

/// `relu` ─► mean over positions ─► w: S_k = Σ_c w_kc · mean A_c, so that the gradient is w_kc/16
/// everywhere, the fall at 0 is w_kc · mean A_c and the mean fall at the mean is 0.
#[test]
fn a_linear_head_is_known_exactly() {
    let json = listing("closed_form.json");
    let x = Tensor::from_slice(&numbers(&json["input"]));
    let x = x.to_kind(Kind::Float).reshape([2, 1, 4, 4]);
    let maps = Tensor::cat(&[x.relu(), (-&x).relu()], 1).to_kind(Kind::Double);
    let rows = maps.transpose(0, 1).flatten(1, -1);
    let (means, deviations) = (
        rows.mean_dim([1i64].as_slice(), false, Kind::Double),
        rows.std_dim([1i64].as_slice(), false, false),
    );
    let (means, deviations) = (numbers_of(&means), numbers_of(&deviations));
    let weights = numbers(&json["cam"]["fc"]);
    for optimize in [false, true] {
        let mut model = model(&archive("cam"), optimize, &["relu"], &x);
        let logits = forward(&mut model, &x).unwrap();
        let best: Vec<usize> = predicted(&logits).unwrap().into_iter().flatten().collect();
        for class in 0..3 {
            let target = Target::Class(class);
            let found = probe(&mut model, (&x, 2), (0, 2, 100), target, &best);
            for (c, w) in weights[2 * class..2 * class + 2].iter().enumerate() {
                let near = |found: f64, expected: f64, what: &str| {
                    assert_near(found, expected, CLOSED, &format!("{what} of {class}, {c}"));
                };
                near(found.sensitivity.gradient()[c], w.abs() / 16.0, "gradient");
                near(found.sensitivity.values()[c], w.abs() / 16.0 * deviations[c], "sensitivity");
                near(found.zero.drops()[c], w * means[c], "fall at 0");
                near(found.mean.drops()[c], 0.0, "fall at the mean");
            }
        }
        let intact = tensors::to_matrix(&logits).unwrap();
        assert_eq!(intact.nrows(), 2);
    }
}

/// A flat layer has channels without positions: the input of the head, and its output.
#[test]
fn flat_layers_have_channels() {
    let x = input();
    let mut model = model(&archive("seed0"), true, &["avgpool", "fc"], &x);
    let found = probe(&mut model, (&x, 12), (0, 128, 400), Target::Predicted, &labels());
    let golden = arrays("probes.npz");
    // Behind layer4 there is but the mean over positions: a channel at 0 is a channel of zeros.
    let expected = &golden["seed0.layer4.drop_zero"];
    let largest = expected.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    assert_list(&found.zero.drops(), expected, MAP * largest, "fall at 0");
    let head = probe(&mut model, (&x, 12), (1, 10, 400), Target::Class(3), &labels());
    let slopes: Vec<f64> = (0..10).map(|class| f64::from(u8::from(class == 3))).collect();
    assert_eq!(head.sensitivity.gradient().to_vec(), slopes);
    assert!(head.sensitivity.values()[3] > 0.0 && head.zero.drops()[2] == 0.0);
}

#[test]
fn a_layer_without_a_gradient_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let x = Tensor::arange(32, tch::kind::FLOAT_CPU).reshape([2, 1, 4, 4]) / 32.0;
    let cut = [(
        "(relu).forward((conv).forward(x, ), )",
        "torch.detach((relu).forward((conv).forward(x, ), ))",
    )];
    let path = rewritten("cam", folder.path(), &cut);
    let mut model = model(&path, false, &["relu", "fc"], &x);
    let said =
        model.tail_gradients(&x, |logits| Target::Predicted.resolve(logits, None)?.total(logits));
    let said = said.err().unwrap().to_string();
    assert!(said.starts_with("layer relu of "), "{said}");
    assert!(said.contains("has no gradient: the output does not depend on it"), "{said}");
}
