//! Maps by random draws against captum, which is given the same draws, and against Shapley values from their definition.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayD};
use repsim::saliency::{
    Classes, Draw, Explainer, Method, Patches, Target, coalitions, gradient_shap, lime, shapley,
};
use repsim::torchscript::tensors;
use tch::{Kind, Tensor};

use crate::random::{explainer, images};
use crate::support::{array, arrays, assert_maps, explain, path, widened};
use crate::tolerances::{FLOAT64_NETWORK, MAP};

/// The α of the Lasso of the goldens.
const ALPHA: f64 = 0.004;

/// How far the weight of 10⁶ that captum gives to none and all of the patches lies from the constraint it stands for.
const HELD_BY_WEIGHT: f64 = 1e-4;

type Golden = BTreeMap<String, ArrayD<f64>>;

fn tensor(values: &ArrayD<f64>) -> Tensor {
    let shape: Vec<i64> = values.shape().iter().map(|&size| size as i64).collect();
    let flat: Vec<f64> = values.iter().copied().collect();
    Tensor::from_slice(&flat).reshape(shape)
}

/// The network in float64 with one method, the images, the classes predicted, and the goldens.
fn opened(method: Method) -> (Explainer, Tensor, Classes, Golden) {
    let x = images().to_kind(Kind::Double);
    let mut explainer = explainer(&widened(&path("random.pt")), &x, false);
    explainer.methods = vec![method];
    let classes = explain(&mut explainer, &x, Target::Predicted).classes;
    (explainer, x, classes, arrays("shap.npz"))
}

#[test]
fn gradient_shap_is_captums() {
    let (mut explainer, x, classes, golden) = opened(Method::Gradient);
    let (shares, noise) = (tensor(&golden["shares"]), tensor(&golden["noise"]));
    let start = x.zeros_like();
    for (name, noisy) in [("gradient-shap", true), ("gradient-shap-plain", false)] {
        let draw = |i: usize| {
            let noise = noisy.then(|| noise.get(i as i64));
            Ok(Draw { share: shares.get(i as i64), noise })
        };
        let draws = (0..shares.size()[0] as usize).map(draw);
        let mut network = explainer.network(&x);
        let found = gradient_shap(&mut network, (&x, &start), &classes, draws).unwrap();
        assert_maps(&found, &golden[name], FLOAT64_NETWORK, name);
    }
}

#[test]
fn lime_and_kernel_shap_are_captums() {
    let (mut explainer, x, classes, golden) = opened(Method::Gradient);
    let patches = Patches::of(&x, 4).unwrap();
    let own = tensor(&golden["masks"]);
    let images = x.size()[0];
    let masks = own.unsqueeze(1).repeat([1, images, 1]);
    let ends = Tensor::stack(&[masks.get(0).zeros_like(), masks.get(0).ones_like()], 0);
    let start = x.zeros_like();
    for batch in [64, 7] {
        let all = Tensor::cat(&[&ends, &masks], 0);
        let mut network = explainer.network(&x);
        let found = coalitions(&mut network, (&x, &start), (patches, &all), &classes, batch);
        let mut found = found.unwrap();
        let values = &found.scores - found.scores.get(0);
        let weights = Tensor::ones([own.size()[0]], tch::kind::DOUBLE_CPU);
        let of = |i: i64| {
            let values = values.select(1, i);
            let whole = values.double_value(&[1]);
            shapley(&own, &values.narrow(0, 2, own.size()[0]), &weights, whole).unwrap()
        };
        let by_regression = Tensor::stack(&(0..images).map(of).collect::<Vec<_>>(), 0);
        assert_maps(&by_regression, &golden["kernel-shap"], HELD_BY_WEIGHT, "KernelSHAP");
        found.scores = found.scores.narrow(0, 2, own.size()[0]);
        found.cosines = found.cosines.narrow(0, 2, own.size()[0]);
        assert_maps(&lime(&masks, &found, ALPHA).unwrap(), &golden["lime"], MAP, "LIME");
    }
}

/// Where all subsets are taken, KernelSHAP gives the Shapley values.
#[test]
fn all_subsets_give_shapley_values() {
    let (mut explainer, x, _, golden) = opened(Method::KernelShap);
    explainer.options.window = 6;
    explainer.options.perturbations = 14;
    let maps = explain(&mut explainer, &x, Target::Predicted).maps.remove(0);
    let (maps, corners) = (array(&maps), [(0, 0), (0, 11), (11, 0), (11, 11)]);
    let value = |(i, k): (usize, usize)| maps[[i, corners[k].0, corners[k].1]];
    let found = Array2::from_shape_fn((maps.shape()[0], 4), value);
    let found = tensors::from_array(&found.into_dyn()).unwrap();
    for name in ["shapley", "shap"] {
        assert_maps(&found, &golden[name], 1e-9, name);
    }
}

/// Maps depend on the seed and on the image, not on the batch, and the Shapley values of an image add up.
#[test]
fn draws_are_of_the_image_and_the_seed() {
    for method in [Method::GradientShap, Method::Lime, Method::KernelShap] {
        let (mut explainer, x, _, _) = opened(method);
        explainer.options.shap_noise = 0.1;
        explainer.options.lime_alpha = 1e-4;
        let of = |explainer: &mut Explainer, x: &Tensor| {
            array(&explain(explainer, x, Target::Predicted).maps[0])
        };
        let whole = of(&mut explainer, &x);
        let two = of(&mut explainer, &x.narrow(0, 0, 2));
        let first = whole.slice_axis(ndarray::Axis(0), (..2).into()).to_owned();
        let largest = first.fold(0.0, |most: f64, v| most.max(v.abs()));
        assert!(largest > 0.0, "{method}");
        assert!((&two - &first).iter().all(|off| off.abs() <= 1e-9 * largest), "{method}");
        explainer.options.seed += 1;
        let other = of(&mut explainer, &x);
        assert!((&other - &whole).iter().any(|off| off.abs() > 1e-6 * largest), "{method}");
    }
    let (mut explainer, x, classes, _) = opened(Method::KernelShap);
    let explained = explain(&mut explainer, &x, Target::Predicted);
    let logits = repsim::saliency::forward(&mut explainer.model, &x.zeros_like()).unwrap();
    let change =
        array(&(classes.scores(&explained.logits).unwrap() - classes.scores(&logits).unwrap()));
    // Patches of 4 pixels: each stands for 16 numbers of the map.
    let sums = array(
        &(explained.maps[0].flatten(1, -1).sum_dim_intlist([1i64].as_slice(), false, Kind::Double)
            / 16.0),
    );
    for (sum, change) in sums.iter().zip(&change) {
        assert!((sum - change).abs() <= 1e-9 * change.abs().max(1.0), "{sum} for {change}");
    }
}
