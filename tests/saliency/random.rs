//! A random network on images that keep all its ReLUs far from their kinks, so that maps are captum's
//! and pytorch-grad-cam's in float64 and in float32, whatever kernels the processor chooses.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ndarray::ArrayD;
use ndarray_npy::read_npy;
use repsim::saliency::{Explainer, Method, Target};
use repsim::torchscript::{Execution, Model};
use tch::{Device, Kind, Tensor};

use crate::support::{
    arrays, assert_maps, assert_rows, explain, listing, options, path, scales, widened,
};
use crate::tolerances::{FLOAT32_MARGIN, FLOAT32_NETWORK, FLOAT64_NETWORK, MAP};

const METHODS: [Method; 8] = [
    Method::Gradient,
    Method::GradientTimesInput,
    Method::IntegratedGradients,
    Method::Occlusion,
    Method::GradCam,
    Method::HiResCam,
    Method::LayerCam,
    Method::GradCamPlusPlus,
];

/// The images as the network takes them, N×3×H×W in float32.
pub fn images() -> Tensor {
    let bytes: ndarray::Array4<u8> = read_npy(path("random.npy")).unwrap();
    let shape: Vec<i64> = bytes.shape().iter().map(|&side| side as i64).collect();
    let bytes = Tensor::from_slice(bytes.as_slice().unwrap()).reshape(&shape);
    (bytes.permute([0, 3, 1, 2]).to_kind(Kind::Float) / 255.0).contiguous()
}

pub fn explainer(archive: &PathBuf, x: &Tensor, optimize: bool) -> Explainer {
    let mut model = Model::load(archive, false).unwrap();
    let mut layers = model.probe(x).unwrap();
    layers.retain(|layer| layer.name == "act");
    model.prepare(&layers, &Execution { optimize, device: Device::Cpu }).unwrap();
    let steps = listing("random.json")["steps"].as_u64().unwrap() as usize;
    let options = repsim::saliency::Options { steps, window: 4, stride: 2, ..options() };
    Explainer { model, layers, methods: METHODS.to_vec(), options }
}

fn check(archive: &PathBuf, x: &Tensor, share: f64) {
    let golden = arrays("random.npz");
    for optimize in [false, true] {
        let mut explainer = explainer(archive, x, optimize);
        let found = explain(&mut explainer, x, Target::Predicted);
        assert_maps(&found.logits, &golden["logits"], share, "logits");
        for (column, map) in explainer.columns().iter().zip(&found.maps) {
            let name = column.method.to_string();
            let what = format!("{name}, optimised: {optimize}");
            match column.method {
                Method::Occlusion => check_occlusion(map, &golden, share, &what),
                _ => assert_maps(map, &golden[&name], share, &what),
            }
        }
    }
}

/// A difference of logits, which rounds as they do; captum divides its sum in float32.
fn check_occlusion(map: &Tensor, golden: &BTreeMap<String, ArrayD<f64>>, share: f64, what: &str) {
    let (expected, logits) = (&golden["occlusion"], scales(&golden["logits"]));
    let both = scales(expected).into_iter().zip(logits);
    let tolerances: Vec<f64> =
        both.map(|(largest, logit)| share * largest.max(logit) + MAP * largest).collect();
    assert_rows(map, expected, &tolerances, what);
}

#[test]
fn maps_in_float64_are_those_of_the_references() {
    let x = images().to_kind(Kind::Double);
    check(&widened(&path("random.pt")), &x, FLOAT64_NETWORK);
}

#[test]
fn maps_in_float32_are_those_of_float64_far_from_kinks() {
    let margin = listing("random.json")["margin"].as_f64().unwrap();
    assert!(margin >= FLOAT32_MARGIN, "an input of a ReLU is {margin:e} of the largest");
    check(&path("random.pt"), &images(), FLOAT32_NETWORK);
}
