//! Layers that give tokens or have their channels last, against pytorch-grad-cam and PyTorch.

use ndarray::{Array4, ArrayD, Axis, IxDyn};
use ndarray_npy::read_npy;
use repsim::functional::stitching::{
    Form, LeastSquares, NormalEquations, Ridge, Stitch, logits_behind,
};
use repsim::functional::{Ablator, Change, Sensitivity};
use repsim::saliency::{Method, Target, forward};
use repsim::torchscript::{Answer, Execution, Layer, Model};
use tch::{Device, Kind, Tensor};

use crate::support::{
    archive, array, arrays, assert_rows, explain, explainer, layer_name, listing, numbers, path,
    scales,
};
use crate::tolerances::{FLOAT32_NETWORK, FLOAT32_SMOOTH};

const METHODS: [Method; 4] =
    [Method::GradCam, Method::HiResCam, Method::LayerCam, Method::GradCamPlusPlus];

/// Images that are explained in the goldens.
const SHOWN: i64 = 4;

/// Images that stitches are fitted on in the goldens.
const FITTED: i64 = 14;

const VIT: [&str; 2] = ["encoder.layers.encoder_layer_1.ln_1", "encoder.layers.encoder_layer_0"];
const SWIN: [&str; 3] = ["features.3.1.norm2", "features.3", "features.1.0.norm1"];
const ROWS: [&str; 2] = ["blocks.1.norm", "norm"];

/// The networks, and their layers in the goldens.
const NETWORKS: [(&str, &[&str]); 5] = [
    ("vit_scripted", &VIT),
    ("vit_traced", &VIT),
    ("swin_scripted", &SWIN),
    ("swin_traced", &SWIN),
    ("rows_scripted", &ROWS),
];

/// The goldens' images as a network takes them.
pub fn images(network: &str) -> Tensor {
    let bytes: Array4<u8> = read_npy(path("token_images.npy")).unwrap();
    let flat = Tensor::from_slice(bytes.as_slice().unwrap());
    let laid = match network.starts_with("rows") {
        true => flat.narrow(0, 0, 13 * 16 * 24 * 3).reshape([13, 16, 24, 3]),
        false => flat.reshape([20, 16, 16, 3]),
    };
    (laid.permute([0, 3, 1, 2]).to_kind(Kind::Float) / 255.0).contiguous()
}

/// A model prepared for some layers.
fn model(name: &str, optimize: bool, layers: &[&str]) -> Model {
    let mut model = Model::load(archive(name), false).unwrap();
    let all = model.probe(&images(name).narrow(0, 0, 2)).unwrap();
    let layers: Vec<Layer> =
        all.into_iter().filter(|layer| layers.contains(&layer.name.as_str())).collect();
    model.prepare(&layers, &Execution { optimize, device: Device::Cpu }).unwrap();
    model
}

/// What a layer gives, seen with its channels first.
fn canonical(model: &mut Model, layer: usize, x: &Tensor) -> Tensor {
    let axes = model.layers()[layer].axes;
    let mut kept = None;
    model
        .run(x, &mut |place, output| {
            if place == layer {
                kept = Some(axes.canonical(output).copy());
            }
            Ok(Answer::Keep)
        })
        .unwrap();
    kept.unwrap()
}

/// HiResCAM of a layer that goes into layer norms alone is 0 up to rounding, and not compared.
fn is_rounding(method: Method, layer: &str) -> bool {
    method == Method::HiResCam && ["features.3", "encoder.layers.encoder_layer_0"].contains(&layer)
}

/// The networks have no kinks: float32 is near float64 whatever the processor.
#[test]
fn the_goldens_hang_on_no_rounding() {
    let far = listing("tokens.json")["deviation"].as_object().unwrap().clone();
    for (name, far) in far {
        let most = numbers(&far).into_iter().fold(0.0, f64::max);
        assert!(most <= FLOAT32_SMOOTH / 10.0, "{name}: {most:e}");
    }
}

#[test]
fn maps_are_those_of_pytorch_grad_cam_and_its_reshape_transform() {
    let golden = arrays("tokens.npz");
    let mut checked = 0;
    for (name, layers) in NETWORKS {
        let x = images(name).narrow(0, 0, SHOWN);
        for optimize in [false, true] {
            let mut explainer = explainer((name, optimize), &x, &METHODS, layers);
            let columns = explainer.columns();
            assert_eq!(columns.len(), METHODS.len() * layers.len());
            let found = explain(&mut explainer, &x, Target::Predicted).maps;
            for (map, column) in found.iter().zip(&columns) {
                let layer = layer_name(&explainer, column);
                if is_rounding(column.method, layer) {
                    continue;
                }
                let key = format!("{name}.{layer}.cams");
                let place = METHODS.iter().position(|m| *m == column.method).unwrap();
                let raw = golden[&key].index_axis(Axis(0), place).to_owned();
                let near: Vec<f64> = scales(&raw).iter().map(|s| s * FLOAT32_SMOOTH).collect();
                let cut = raw.mapv(|v| v.max(0.0));
                assert_rows(map, &cut, &near, &format!("{} of {key}, {optimize}", column.method));
                checked += usize::from(cut.iter().any(|v| *v > 0.0));
            }
        }
    }
    assert!(checked > 60, "{checked} maps with positive values");
}

/// Rows of a golden array, each as near as float32 allows.
#[track_caller]
fn assert_probes(found: &[Vec<f64>], key: &str, what: &str) {
    let golden = arrays("tokens.npz");
    let expected = &golden[key];
    assert_eq!(found.len(), expected.len_of(Axis(0)), "{what}");
    for (place, (found, expected)) in found.iter().zip(expected.outer_iter()).enumerate() {
        let largest = expected.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        let near = largest * FLOAT32_SMOOTH;
        for (channel, (found, expected)) in found.iter().zip(expected).enumerate() {
            let off = (found - expected).abs();
            assert!(off <= near, "{what}: row {place}, channel {channel}: {found}, not {expected}");
        }
    }
}

/// The mean fall of the score with each channel at a value of its own.
fn falls(ablator: &mut Ablator, model: &mut Model, x: &Tensor, values: &[f64]) -> Vec<f64> {
    let change = |(channel, &value): (usize, &f64)| Change { channel, value };
    let changes: Vec<Change> = values.iter().enumerate().map(change).collect();
    let intact = forward(model, x).unwrap();
    let classes = Target::Predicted.resolve(&intact, None).unwrap();
    let score = |logits: &Tensor| classes.scores(logits).unwrap().to_kind(Kind::Double);
    let found = ablator.logits(model, x, &changes, &mut |_| ()).unwrap();
    let fall = |logits: &Tensor| (score(&intact) - score(logits)).mean(Kind::Double);
    found.iter().map(|logits| fall(logits).double_value(&[])).collect()
}

fn sensitivity(model: &mut Model, layer: usize, channels: usize, x: &Tensor) -> Sensitivity {
    let mut sensitivity = Sensitivity::new(channels);
    let found = model.tail_gradients(x, |logits| {
        let classes = Target::Predicted.resolve(logits, None)?;
        classes.total(logits)
    });
    sensitivity.add(&found.unwrap().layers[layer], None).unwrap();
    sensitivity
}

#[test]
fn channels_are_probed_where_they_are() {
    let cases = [
        ("vit_scripted", "encoder.layers.encoder_layer_0", 16),
        ("vit_traced", "encoder.layers.encoder_layer_0", 16),
        ("swin_scripted", "features.1", 8),
        ("swin_traced", "features.1", 8),
    ];
    for (name, layer, channels) in cases {
        for optimize in [false, true] {
            let (mut model, x) = (model(name, optimize, &[layer]), images(name));
            let found = sensitivity(&mut model, 0, channels, &x);
            let mut ablator = Ablator::new(&model, 0, 100);
            assert!(ablator.is_cut(), "{name}");
            let means = found.moments().mean().to_vec();
            let rows = [
                found.gradient().to_vec(),
                means.clone(),
                found.moments().std().to_vec(),
                falls(&mut ablator, &mut model, &x, &vec![0.0; channels]),
                falls(&mut ablator, &mut model, &x, &means),
            ];
            let what = format!("{name}, optimised {optimize}");
            assert_probes(&rows, &format!("{name}.{layer}.probes"), &what);
        }
    }
}

fn form(model: &Model) -> Form {
    Form::of(&model.layers()[0].canonical_shape()[1..]).unwrap()
}

#[test]
fn stitches_give_the_logits_of_numpy_and_pytorch() {
    let golden = arrays("tokens.npz");
    let block = "encoder.layers.encoder_layer_0";
    let cases = [
        ("vit", block, block),
        ("swin", "features.1", "features.1"),
        ("swin", "features.1", "features.3"),
    ];
    for (net, of_a, of_b) in cases {
        let x = images(net);
        for optimize in [false, true] {
            let mut a = model(&format!("{net}_scripted"), optimize, &[of_a]);
            let mut b = model(&format!("{net}_traced"), optimize, &[of_b]);
            let (from, to) = (form(&a), form(&b));
            let sides = [canonical(&mut a, 0, &x), canonical(&mut b, 0, &x)];
            let mut sums = NormalEquations::new(&[from], &[to], &|_, _| true);
            let [source, target] = sides.map(|side| side.split(FITTED, 0));
            sums.add(&source[..1], &target[..1]).unwrap();
            let sums = sums.pair(0, 0).unwrap().unwrap();
            let fitted = LeastSquares::new(Ridge::Fixed(0.0)).fit(&sums, None).unwrap();
            let stitch = Stitch::affine(&fitted.map, from, to, Device::Cpu).unwrap();
            let mut tail = b.cut(0).unwrap();
            let found = logits_behind(&mut tail, &stitch.apply(&source[1]).unwrap()).unwrap();
            let key = format!("{net}.{of_a}-{of_b}.stitched");
            let scales = scales(&golden[&key]);
            let near: Vec<f64> = scales.iter().map(|scale| scale * FLOAT32_SMOOTH).collect();
            assert_rows(&found, &golden[&key], &near, &format!("{key}, {optimize}"));
        }
    }
}

/// The layers of `Layouts` that hold the same values: N×C×H×W, N×H×W×C, N×T×C and T×N×C.
const LAYOUTS: [&str; 4] = ["first", "last", "tokens", "sequence"];

/// N×C×positions as rows of channels.
fn flat(values: &Tensor) -> ArrayD<f64> {
    array(&values.flatten(2, -1).to_kind(Kind::Double))
}

#[test]
fn a_layer_is_the_same_in_every_layout() {
    let x = images("layouts");
    for optimize in [false, true] {
        let mut model = model("layouts_scripted", optimize, &LAYOUTS);
        let all: Vec<ArrayD<f64>> =
            (0..4).map(|layer| flat(&canonical(&mut model, layer, &x))).collect();
        assert!(all.iter().all(|layer| *layer == all[0]), "canonical values");
        let probes: Vec<Vec<f64>> = (0..4)
            .map(|layer| {
                let found = sensitivity(&mut model, layer, 6, &x);
                let mut ablator = Ablator::new(&model, layer, 60);
                assert!(ablator.is_cut());
                let means = found.moments().mean().to_vec();
                let falls = falls(&mut ablator, &mut model, &x, &means);
                [found.values().to_vec(), falls].concat()
            })
            .collect();
        let largest = probes[0].iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        for (layer, found) in LAYOUTS.iter().zip(&probes) {
            let off = found.iter().zip(&probes[0]).map(|(a, b)| (a - b).abs());
            let off = off.fold(0.0, f64::max);
            assert!(
                off <= FLOAT32_NETWORK * largest,
                "{layer}: {off:e} of {largest:e}, {optimize}"
            );
        }
    }
}

#[test]
fn a_map_is_the_same_in_every_layout() {
    let x = images("layouts").narrow(0, 0, SHOWN);
    for optimize in [false, true] {
        let mut explainer = explainer(("layouts_scripted", optimize), &x, &METHODS, &LAYOUTS);
        let columns = explainer.columns();
        let maps = explain(&mut explainer, &x, Target::Class(1)).maps;
        for (place, column) in columns.iter().enumerate() {
            let own = &maps[place - place % LAYOUTS.len()];
            let expected = array(own);
            assert_eq!(expected.raw_dim(), IxDyn(&[SHOWN as usize, 8, 8]));
            let near: Vec<f64> =
                scales(&expected).iter().map(|scale| scale * FLOAT32_NETWORK).collect();
            let what = format!("{} at {}", column.method, layer_name(&explainer, column));
            assert_rows(&maps[place], &expected, &near, &what);
        }
        assert!(scales(&array(&maps[0])).iter().all(|most| *most > 0.0));
    }
}

/// What one layout gives takes the place of another.
#[test]
fn one_layout_is_stitched_to_another() {
    let x = images("layouts");
    for optimize in [false, true] {
        for (from, to) in [("first", "last"), ("last", "first"), ("sequence", "tokens")] {
            let mut a = model("layouts_scripted", optimize, &[from]);
            let mut b = model("layouts_scripted", optimize, &[to]);
            assert_eq!(form(&a), form(&b));
            let given = canonical(&mut a, 0, &x);
            let stitched = Stitch::identity(form(&a)).apply(&given).unwrap();
            let found = logits_behind(&mut b.cut(0).unwrap(), &stitched).unwrap();
            let expected = array(&forward(&mut b, &x).unwrap());
            let near: Vec<f64> =
                scales(&expected).iter().map(|scale| scale * FLOAT32_NETWORK).collect();
            assert_rows(&found, &expected, &near, &format!("{from} to {to}, {optimize}"));
        }
    }
}
