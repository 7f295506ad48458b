//! Maps at the input's resolution against autograd and captum.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis};
use repsim::saliency::{Explained, Method};
use serde_json::Value;
use tch::Tensor;

use crate::support::{
    BLACK, WAYS, array, arrays, assert_maps, assert_near, assert_rows, deviation, explain,
    explainer, input, kinks, listing, numbers, only_map, path_gradients, scales, target,
};
use crate::tolerances::{KINK, KINKS, LOGIT, MAP, of};

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
        let tolerances: Vec<f64> = scales(&expected).iter().map(|s| s * LOGIT).collect();
        assert_rows(&found.logits, &expected, &tolerances, model);
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
            let scores = array(&found.classes.scores(&found.logits).unwrap());
            for (row, (score, wanted)) in scores.iter().zip(&expected).enumerate() {
                assert_near(*score, *wanted, 10.0 * LOGIT, &format!("{model} {name} {row}"));
            }
        }
    }
}

/// The largest |gradient| of the channels, and their signed sum.
#[test]
fn gradients_are_those_of_autograd() {
    let json = listing("maps.json");
    for way @ (model, _) in WAYS {
        let mut explainer = explainer(way, &input(), &[Method::Gradient], &[]);
        for (name, raw) in of_method(model, "gradient") {
            let deviation = deviation(&json, &format!("{model}.gradient.{name}"));
            let largest = raw.mapv(f64::abs).fold_axis(Axis(1), 0.0, |a: &f64, b| a.max(*b));
            for (signed, expected) in [(false, largest), (true, raw.sum_axis(Axis(1)))] {
                explainer.options.signed = signed;
                let found = only_map(&mut explainer, &images_of(&raw), target(&name));
                let what = format!("gradient of {way:?}, {name}, signed {signed}");
                assert_maps(&found, &expected, &deviation, &what);
            }
        }
    }
}

#[test]
fn reductions_over_channels_are_those_of_python() {
    let json = listing("maps.json");
    for way @ (model, _) in WAYS {
        let mut explainer = explainer(way, &input(), &[Method::Gradient], &[]);
        for (signed, method) in [(false, "gradient-max"), (true, "gradient-sum")] {
            explainer.options.signed = signed;
            for (name, expected) in of_method(model, method) {
                let found = only_map(&mut explainer, &images_of(&expected), target(&name));
                let deviation = deviation(&json, &format!("{model}.{method}.{name}"));
                assert_maps(&found, &expected, &deviation, &format!("{method} of {way:?}, {name}"));
            }
        }
    }
}

#[test]
fn gradients_times_inputs_are_captums() {
    let json = listing("maps.json");
    for way @ (model, _) in WAYS {
        let mut explainer = explainer(way, &input(), &[Method::GradientTimesInput], &[]);
        for (name, expected) in of_method(model, "gradient-x-input") {
            let found = only_map(&mut explainer, &images_of(&expected), target(&name));
            let deviation = deviation(&json, &format!("{model}.gradient-x-input.{name}"));
            assert_maps(&found, &expected, &deviation, &format!("{way:?}, {name}"));
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

/// The optimised module's rounding is another, and flips a ReLU at a point of the path now and
/// then: those points are found and counted by comparing it with the plain module.
#[test]
fn integrated_gradients_and_their_completeness_are_captums() {
    let json = listing("maps.json");
    for model in crate::support::MODELS {
        let methods = [Method::IntegratedGradients];
        let mut plain = explainer((model, false), &input(), &methods, &[]);
        let mut optimised = explainer((model, true), &input(), &methods, &[]);
        for (rest, expected) in of_method(model, "integrated-gradients.middle") {
            let [steps, baseline, name] = parts(&rest);
            let x = images_of(&expected);
            for explainer in [&mut plain, &mut optimised] {
                explainer.options.steps = steps.parse().unwrap();
                explainer.options.baseline = vec![colour(baseline)];
            }
            let key = format!("integrated-gradients.middle.{rest}");
            let mut near: Vec<f64> = deviation(&json, &format!("{model}.{key}"));
            near.iter_mut().zip(scales(&expected)).for_each(|(d, scale)| *d = scale * of(*d));
            let found = explain(&mut plain, &x, target(name));
            assert_rows(&found.maps[0], &expected, &near, &format!("{rest} of {model}"));
            let errors = found.completeness.unwrap();
            check_completeness(&json[model], &key, &errors, name, &format!("{rest} of {model}"));

            let found = explain(&mut optimised, &x, target(name));
            let off = scales(&(array(&found.maps[0]) - &expected));
            if off.iter().zip(&near).any(|(off, near)| off > near) {
                let [a, b] =
                    [&mut plain, &mut optimised].map(|e| path_gradients(e, &x, &found.classes));
                let way = array(&(&x - f64::from(colour(baseline))));
                let kinks = kinks(&a, &b, &way, KINKS);
                near.iter_mut().zip(kinks).for_each(|(near, kink)| *near += kink);
            }
            let what = format!("{rest} of optimised {model}");
            assert_rows(&found.maps[0], &expected, &near, &what);
            check_sum(&found, &json[model], &key, &what);
        }
    }
}

/// Σ of the map less the change of the score, by the scores of the goldens.
fn check_sum(found: &Explained, json: &Value, key: &str, what: &str) {
    let begin = numbers(&json["integrated"][format!("{key}.baseline_score").as_str()]);
    let scores = array(&found.classes.scores(&found.logits).unwrap());
    for (row, map) in array(&found.maps[0]).axis_iter(Axis(0)).enumerate() {
        let wanted = map.sum() - (scores[row] - begin[row]);
        let error = found.completeness.as_ref().unwrap()[row];
        assert_near(error, wanted, MAP, &format!("completeness {row} of {what}"));
    }
}

/// Σ of the map less the change of the score: as captum's delta.
fn check_completeness(json: &Value, key: &str, errors: &[f64], target: &str, what: &str) {
    let of = |kind: &str, name: &str| numbers(&json[kind][format!("{key}.{name}").as_str()]);
    let (delta, exact) =
        (of("integrated", "convergence_delta"), of("integrated_float64", "convergence_delta"));
    let (begin, end) = (of("integrated", "baseline_score"), numbers(&json["scores"][target]));
    assert_eq!(errors.len(), delta.len(), "{what}");
    for (row, error) in errors.iter().enumerate() {
        let scale = [delta[row], begin[row], end[row]].iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let tolerance = (MAP * scale).max(KINK * (delta[row] - exact[row]).abs());
        assert_near(*error, delta[row], tolerance, &format!("delta {row} of {what}"));
    }
}

#[test]
fn more_steps_miss_completeness_by_less() {
    let x = input().narrow(0, 0, 4);
    let mut explainer = explainer(("seed0", true), &x, &[Method::IntegratedGradients], &[]);
    explainer.options.baseline = vec![BLACK];
    let mut total = |steps| {
        explainer.options.steps = steps;
        let errors = explain(&mut explainer, &x, target("predicted")).completeness.unwrap();
        errors.iter().map(|e| e.abs()).sum::<f64>()
    };
    let [few, many] = [32, 512].map(&mut total);
    assert!(many < few / 20.0, "{few} and {many}");
}

fn parts<const N: usize>(text: &str) -> [&str; N] {
    text.split('.').collect::<Vec<&str>>().try_into().unwrap()
}

/// Each image by itself where its own mean colour is the fill.
#[test]
fn occlusion_is_captums() {
    let json = listing("maps.json");
    for way @ (model, _) in WAYS {
        let mut explainer = explainer(way, &input(), &[Method::Occlusion], &[]);
        for (rest, expected) in of_method(model, "occlusion") {
            let [windows, fill, name] = parts(&rest);
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
                        let mean = image.mean_dim([0i64, 2, 3].as_slice(), false, tch::Kind::Float);
                        explainer.options.baseline = Vec::try_from(mean).unwrap();
                        only_map(&mut explainer, &image, target(name))
                    });
                    Tensor::cat(&alone.collect::<Vec<Tensor>>(), 0)
                }
                other => panic!("what is {other}?"),
            };
            let deviation = deviation(&json, &format!("{model}.occlusion.{rest}"));
            assert_maps(&found, &expected, &deviation, &format!("{rest} of {way:?}"));
        }
    }
}

/// The goldens hold what these tests are said to check.
#[test]
fn no_golden_map_is_left_out() {
    let methods =
        ["logits", "gradient", "gradient-max", "gradient-sum", "gradient-x-input", "occlusion"];
    for model in crate::support::MODELS {
        let left: Vec<String> = arrays(&format!("maps-{model}.npz")).into_keys().collect();
        let known = |name: &str| {
            let method = name.split('.').next().unwrap();
            methods.contains(&method) || name.starts_with("integrated-gradients.middle.")
        };
        // Another random generator, another rule.
        let other = ["smoothgrad.", "integrated-gradients.gausslegendre."];
        let left: Vec<&String> = left
            .iter()
            .filter(|name| !known(name) && !other.iter().any(|begin| name.starts_with(begin)))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
