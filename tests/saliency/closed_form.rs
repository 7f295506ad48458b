//! Networks whose maps are known exactly.

use ndarray::{ArrayD, IxDyn};
use repsim::saliency::finite::{Patch, series};
use repsim::saliency::{Column, Explainer, Method, Target};
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::support::{
    array, assert_near, assert_rows, explain, explainer, listing, numbers, scales,
};
use crate::tolerances::{CLOSED, SCORE};

const CLASSES: usize = 3;

/// The images of all three networks, 2×1×4×4.
fn images(json: &Value) -> Tensor {
    let values = Tensor::from_slice(&numbers(&json["input"]));
    values.to_kind(Kind::Float).reshape([2, 1, 4, 4])
}

/// The map of both images for a class, 2×4×4.
fn known(json: &Value, class: usize) -> ArrayD<f64> {
    let both = json.as_array().unwrap().iter().flat_map(|image| numbers(&image[class]));
    ArrayD::from_shape_vec(IxDyn(&[2, 4, 4]), both.collect()).unwrap()
}

#[track_caller]
fn assert_known(found: &Tensor, expected: &ArrayD<f64>, what: &str) {
    let largest = scales(expected).into_iter().fold(1.0, f64::max);
    assert_rows(found, expected, &[largest * CLOSED; 2], what);
}

const METHODS: [Method; 4] =
    [Method::Gradient, Method::GradientTimesInput, Method::IntegratedGradients, Method::Occlusion];

fn check(network: &str, steps: usize, optimize: bool) {
    let json = listing("closed_form.json");
    let (x, json) = (images(&json), &json[network]);
    let mut explainer = explainer((network, optimize), &x, &METHODS, &[]);
    explainer.options.signed = true;
    (explainer.options.window, explainer.options.stride) = (2, 2);
    explainer.options.steps = steps;
    for class in 0..CLASSES {
        explainer.options.baseline = vec![json["baseline"].as_f64().unwrap() as f32];
        let path = explain(&mut explainer, &x, Target::Class(class));
        explainer.options.baseline = vec![0.0];
        let filled = explain(&mut explainer, &x, Target::Class(class));
        let what = |method: Method| format!("{method} of {network}, class {class}, {steps} steps");
        for (method, found) in METHODS.into_iter().zip(path.maps.iter().zip(&filled.maps)) {
            let map = if method == Method::Occlusion { found.1 } else { found.0 };
            let wanted = known(&json[method.to_string().as_str()], class);
            assert_known(map, &wanted, &what(method));
        }
        for error in path.completeness.unwrap() {
            assert_near(error, 0.0, 1e-5, &what(Method::IntegratedGradients));
        }
    }
    let logits = explain(&mut explainer, &x, Target::Class(0)).logits;
    assert_eq!(array(&logits).into_iter().collect::<Vec<f64>>(), numbers(&json["logits"]));
}

#[test]
fn linear_networks_have_their_weights_for_a_gradient() {
    for steps in [1, 2, 17] {
        check("linear", steps, false);
        check("linear", steps, true);
    }
}

/// The middle rule meets a gradient that is linear along the path with any number of steps.
#[test]
fn quadratic_networks_have_a_linear_gradient() {
    for steps in [1, 2, 17] {
        check("quadratic", steps, false);
        check("quadratic", steps, true);
    }
}

/// A contrast of two classes is the difference of their maps.
#[test]
fn contrasts_are_differences() {
    let json = listing("closed_form.json");
    for network in ["linear", "quadratic"] {
        let x = images(&json);
        let mut explainer = explainer((network, true), &x, &[Method::Gradient], &[]);
        explainer.options.signed = true;
        let found = explain(&mut explainer, &x, Target::Contrast(2, 0)).maps;
        let gradient = &json[network]["gradient"];
        assert_known(&found[0], &(known(gradient, 2) - known(gradient, 0)), network);
    }
}

/// Of a quadratic function the quotient is the derivative and a·h.
#[test]
fn quotients_are_off_by_the_step() {
    let json = listing("closed_form.json");
    let x = images(&json);
    for network in ["linear", "quadratic"] {
        let json = &json[network];
        let listed = &json["finite_difference"]["pixel"];
        let [row, column] = [0, 1].map(|i| listed[i].as_u64().unwrap() as usize);
        for optimize in [false, true] {
            let mut explainer = explainer((network, optimize), &x, &[Method::Gradient], &[]);
            for class in 0..CLASSES {
                let curvature = match network {
                    "linear" => 0.0,
                    _ => numbers(&json["a"][class])[row * 4 + column],
                };
                let slopes = known(&json["gradient"], class);
                for image in 0..2 {
                    let wanted = slopes[[image, row, column]];
                    check_series(
                        &mut explainer,
                        &x,
                        (image, class),
                        (row, column),
                        wanted,
                        curvature,
                    );
                }
            }
        }
    }
}

fn check_series(
    explainer: &mut Explainer,
    x: &Tensor,
    (image, class): (usize, usize),
    (row, column): (usize, usize),
    slope: f64,
    curvature: f64,
) {
    let one = x.narrow(0, image as i64, 1);
    let classes = explain(explainer, &one, Target::Class(class)).classes;
    let gradients = explainer.model.gradients(&one, |logits| classes.total(logits)).unwrap();
    let patch = Patch { row, column, side: 1 };
    let found = series(&mut explainer.model, &one, &gradients.input, (&classes, patch), 3).unwrap();
    assert_near(found.autograd, slope, CLOSED * slope.abs().max(1.0), "autograd");
    for step in &found.steps {
        let wanted = slope + curvature * step.h;
        let tolerance = CLOSED + SCORE / step.h;
        assert_near(step.quotient, wanted, tolerance, &format!("class {class}, h = {}", step.h));
    }
    assert!(found.steps.windows(2).all(|pair| pair[1].h < pair[0].h));
}

#[test]
fn activation_maps_are_known() {
    let json = listing("closed_form.json");
    let (x, json) = (images(&json), &json["cam"]);
    let methods = [Method::Gradient, Method::GradCam, Method::HiResCam, Method::LayerCam];
    for optimize in [false, true] {
        let layer = json["layer"].as_str().unwrap();
        let mut explainer = explainer(("cam", optimize), &x, &methods, &[layer]);
        explainer.options.signed = true;
        let columns: Vec<Column> = explainer.columns();
        for class in 0..CLASSES {
            let found = explain(&mut explainer, &x, Target::Class(class));
            assert_known(&found.maps[0], &known(&json["gradient"], class), "gradient");
            for (column, map) in columns.iter().zip(&found.maps).skip(1) {
                let method = column.method.to_string();
                let wanted = known(&json[method.as_str()], class).mapv(|v| v.max(0.0));
                assert_known(map, &wanted, &format!("{method}, class {class}"));
                if column.method != Method::LayerCam {
                    for (image, scale) in scales(&array(map)).into_iter().enumerate() {
                        let degenerate = json["degenerate"][image][class].as_bool().unwrap();
                        assert_eq!(scale == 0.0, degenerate, "{method}, class {class}");
                    }
                }
            }
        }
    }
}
