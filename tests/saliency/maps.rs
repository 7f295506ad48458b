//! Maps at the input's resolution against autograd and captum.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis};
use repsim::saliency::Method;
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::support::{
    BLACK, EACH, MODELS, WAYS, arrays, assert_maps, assert_margin, assert_near, explain, explainer,
    input, listing, numbers, only_map, target,
};
use crate::tolerances::{FLOAT64_NETWORK, MAP};

/// The arrays of a model whose names begin so, with the rest of the name.
fn of_method(model: &str, method: &str) -> Vec<(String, ArrayD<f64>)> {
    let all: BTreeMap<String, ArrayD<f64>> = arrays(&format!("maps-{model}.npz"));
    let begin = format!("{method}.");
    let of = |(name, values): (String, ArrayD<f64>)| {
        name.strip_prefix(&begin).map(|rest| (rest.to_owned(), values))
    };
    let found: Vec<_> = all.into_iter().filter_map(of).collect();
    assert!(!found.is_empty(), "no {method} of {model}");
    found
}

/// Rows that are looked at of what takes long.
const FEW: usize = 4;

/// The first rows of a golden array.
fn few(rows: &ArrayD<f64>) -> ArrayD<f64> {
    let count = rows.len_of(Axis(0)).min(FEW);
    rows.slice_axis(Axis(0), (..count).into()).to_owned()
}

/// The images that a golden array has rows for.
fn images_of(rows: &ArrayD<f64>) -> Tensor {
    input().narrow(0, 0, rows.len_of(Axis(0)) as i64)
}

#[test]
fn logits_and_classes_are_those_of_python() {
    let json = listing("maps.json");
    for way @ (model, _) in WAYS {
        let x = input();
        let expected = arrays(&format!("maps-{model}.npz")).remove("logits").unwrap();
        let found =
            explain(&mut explainer(way, &x, &[Method::Gradient], &[]), &x, target("predicted"));
        assert_maps(&found.logits, &expected, MAP, model);
        let classes: Vec<f64> = found.classes.classes.iter().map(|&c| c as f64).collect();
        assert_eq!(classes, numbers(&json[model]["predicted"]));
        assert_eq!(found.classes.against, None);
        assert!(found.completeness.is_none());
    }
}

#[test]
fn scores_are_those_of_each_target() {
    let json = listing("maps.json");
    for way @ (model, _) in WAYS {
        let x = input();
        let mut explainer = explainer(way, &x, &[Method::Gradient], &[]);
        for (name, target) in crate::support::TARGETS {
            let expected = numbers(&json[model]["scores"][name]);
            let found = explain(&mut explainer, &x, target);
            let scores = crate::support::array(&found.classes.scores(&found.logits).unwrap());
            for (row, (score, wanted)) in scores.iter().zip(&expected).enumerate() {
                assert_near(
                    *score,
                    *wanted,
                    MAP * wanted.abs().max(1.0),
                    &format!("{model} {name} {row}"),
                );
            }
        }
    }
}

/// The largest |gradient| of the channels, and their signed sum.
#[test]
fn gradients_are_those_of_autograd() {
    for way @ (model, _) in WAYS {
        let mut explainer = explainer(way, &input(), &[Method::Gradient], &[]);
        for (name, raw) in of_method(model, "gradient") {
            let largest = raw.mapv(f64::abs).fold_axis(Axis(1), 0.0, |a: &f64, b| a.max(*b));
            for (signed, expected) in [(false, largest), (true, raw.sum_axis(Axis(1)))] {
                explainer.options.signed = signed;
                let found = only_map(&mut explainer, &images_of(&raw), target(&name));
                let what = format!("gradient of {way:?}, {name}, signed {signed}");
                assert_maps(&found, &expected, MAP, &what);
            }
        }
    }
}

#[test]
fn reductions_over_channels_are_those_of_python() {
    for way @ (model, _) in WAYS {
        let mut explainer = explainer(way, &input(), &[Method::Gradient], &[]);
        for (signed, method) in [(false, "gradient-max"), (true, "gradient-sum")] {
            explainer.options.signed = signed;
            for (name, expected) in of_method(model, method) {
                let found = only_map(&mut explainer, &images_of(&expected), target(&name));
                assert_maps(&found, &expected, MAP, &format!("{method} of {way:?}, {name}"));
            }
        }
    }
}

#[test]
fn gradients_times_inputs_are_captums() {
    for way @ (model, _) in WAYS {
        let mut explainer = explainer(way, &input(), &[Method::GradientTimesInput], &[]);
        for (name, expected) in of_method(model, "gradient-x-input") {
            let found = only_map(&mut explainer, &images_of(&expected), target(&name));
            assert_maps(&found, &expected, MAP, &format!("{way:?}, {name}"));
        }
    }
}

/// The colour of a baseline of the goldens.
fn colour(name: &str) -> f32 {
    match name {
        "zeros" => 0.0,
        "black" => BLACK,
        other => panic!("what is {other}?"),
    }
}

#[test]
fn integrated_gradients_and_their_completeness_are_captums() {
    let json = listing("maps.json");
    for way @ (model, _) in EACH {
        let mut explainer = explainer(way, &input(), &[Method::IntegratedGradients], &[]);
        for (rest, expected) in of_method(model, "integrated-gradients") {
            let [steps, baseline, name] = parts(&rest);
            let expected = few(&expected);
            explainer.options.steps = steps.parse().unwrap();
            explainer.options.baseline = vec![colour(baseline)];
            let found = explain(&mut explainer, &images_of(&expected), target(name));
            let what = format!("{rest} of {way:?}");
            assert_maps(&found.maps[0], &expected, MAP, &what);
            let key = format!("integrated-gradients.{rest}");
            check_completeness(&json[model], &key, &found.completeness.unwrap(), name, &what);
        }
    }
}

/// Σ of the map less the change of the score: as captum's delta.
fn check_completeness(json: &Value, key: &str, errors: &[f64], target: &str, what: &str) {
    let of = |name: &str| numbers(&json["integrated"][format!("{key}.{name}").as_str()]);
    let (delta, begin, end) =
        (of("convergence_delta"), of("baseline_score"), numbers(&json["scores"][target]));
    assert_eq!(errors.len(), delta.len().min(FEW), "{what}");
    for (row, error) in errors.iter().enumerate() {
        let scale = [delta[row], begin[row], end[row]].iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        assert_near(*error, delta[row], FLOAT64_NETWORK * scale, &format!("delta {row} of {what}"));
    }
}

/// In any of the runs behind the goldens.
#[test]
fn no_relu_is_near_its_kink() {
    let maps = listing("maps.json");
    let probes = listing("probes.json");
    for model in MODELS {
        let others = ["cams.json", "comparison.json"].map(|name| listing(name)["margin"].clone());
        others.iter().for_each(|margins| assert_margin(&margins[model]));
        [&maps, &probes].iter().for_each(|json| assert_margin(&json[model]["margin"]));
    }
}

#[test]
fn more_steps_miss_completeness_by_less() {
    let x = input().narrow(0, 0, 2);
    let mut explainer = explainer(("seed0", true), &x, &[Method::IntegratedGradients], &[]);
    explainer.options.baseline = vec![BLACK];
    let mut total = |steps| {
        explainer.options.steps = steps;
        let errors = explain(&mut explainer, &x, target("predicted")).completeness.unwrap();
        errors.iter().map(|e| e.abs()).sum::<f64>()
    };
    let [few, many] = [16, 256].map(&mut total);
    assert!(many < few / 20.0, "{few} and {many}");
}

fn parts<const N: usize>(text: &str) -> [&str; N] {
    text.split('.').collect::<Vec<&str>>().try_into().unwrap()
}

/// Each image by itself where its own mean colour is the fill.
#[test]
fn occlusion_is_captums() {
    for way @ (model, _) in EACH {
        let mut explainer = explainer(way, &input(), &[Method::Occlusion], &[]);
        for (rest, expected) in of_method(model, "occlusion") {
            let [windows, fill, name] = parts(&rest);
            let expected = few(&expected);
            let (window, stride) = windows.split_once('-').unwrap();
            explainer.options.window = window.parse().unwrap();
            explainer.options.stride = stride.parse().unwrap();
            let x = images_of(&expected);
            let found = match fill {
                "zeros" => {
                    explainer.options.baseline = vec![0.0];
                    only_map(&mut explainer, &x, target(name))
                }
                "mean" => {
                    let alone = (0..x.size()[0]).map(|row| {
                        let image = x.narrow(0, row, 1);
                        let mean = image.mean_dim([0i64, 2, 3].as_slice(), false, Kind::Double);
                        explainer.options.baseline =
                            Vec::try_from(mean.to_kind(Kind::Float)).unwrap();
                        only_map(&mut explainer, &image, target(name))
                    });
                    Tensor::cat(&alone.collect::<Vec<Tensor>>(), 0)
                }
                other => panic!("what is {other}?"),
            };
            assert_maps(&found, &expected, MAP, &format!("{rest} of {way:?}"));
        }
    }
}

/// The goldens hold what these tests are said to check.
#[test]
fn no_golden_map_is_left_out() {
    let methods = [
        "logits",
        "gradient",
        "gradient-max",
        "gradient-sum",
        "gradient-x-input",
        "integrated-gradients",
        "occlusion",
    ];
    for model in MODELS {
        let names: Vec<String> = arrays(&format!("maps-{model}.npz")).into_keys().collect();
        let known = |name: &&String| methods.contains(&name.split('.').next().unwrap());
        assert!(names.iter().all(|name| known(&name)), "{names:?}");
    }
}
