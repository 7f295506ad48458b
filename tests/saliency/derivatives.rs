//! The derivative from its definition against Python's, in float32.

use repsim::saliency::finite::{Patch, STEPS, Series, series};
use repsim::saliency::{Method, Target};
use serde_json::Value;

use crate::support::{WAYS, assert_near, explain, explainer, input, listing};
use crate::tolerances::{MAP, QUOTIENT};

fn found(way: (&str, bool), place: &Value) -> Series {
    let x = input().narrow(0, 0, 1);
    let mut explainer = explainer(way, &x, &[Method::Gradient], &[]);
    let classes = explain(&mut explainer, &x, Target::Predicted).classes;
    let gradients = explainer.model.gradients(&x, |logits| classes.total(logits)).unwrap();
    let size = |name: &str| place[name].as_u64().unwrap() as usize;
    let patch = Patch { row: size("row"), column: size("column"), side: size("height") };
    series(&mut explainer.model, &x, &gradients.input, (&classes, patch), 3).unwrap()
}

/// The patch of all channels; the other places are of one channel alone, which there is no way to
/// ask for here.
fn patches(json: &Value, model: &str) -> Vec<Value> {
    let places = json[model]["finite_difference"]["places"].as_array().unwrap();
    let patches: Vec<Value> = places.iter().filter(|p| p["channels"] == 3).cloned().collect();
    assert!(!patches.is_empty());
    patches
}

#[test]
fn autograd_is_that_of_python() {
    let json = listing("probes.json");
    for way @ (model, _) in WAYS {
        for place in patches(&json, model) {
            let wanted = place["autograd"].as_f64().unwrap();
            assert_near(found(way, &place).autograd, wanted, MAP * wanted.abs(), model);
        }
    }
}

/// Far from where rounding takes over the quotient is the one of float64.
#[test]
fn quotients_of_large_steps_are_those_of_float64() {
    let json = listing("probes.json");
    for way @ (model, _) in WAYS {
        for place in patches(&json, model) {
            let series = found(way, &place);
            for (i, step) in series.steps.iter().enumerate().take(2) {
                let wanted = place["float64"][i].as_f64().unwrap();
                let tolerance = crate::tolerances::SCORE / step.h + MAP * wanted.abs();
                assert_near(step.quotient, wanted, tolerance, &format!("{way:?}, h = {}", step.h));
            }
        }
    }
}

#[test]
fn quotients_come_near_autograd_before_rounding_takes_over() {
    let json = listing("probes.json");
    for way @ (model, _) in WAYS {
        for place in patches(&json, model) {
            let series = found(way, &place);
            assert_eq!(series.steps.iter().map(|s| s.h).collect::<Vec<f64>>(), STEPS);
            let best = series.steps.iter().find(|s| s.h == series.best).unwrap();
            let error = best.relative_error.unwrap();
            assert!(error <= QUOTIENT, "{way:?}: {error} at {}", best.h);
            let last = series.steps.last().unwrap().relative_error.unwrap();
            assert!(last > error, "{way:?}: rounding does not show at {}", STEPS[5]);
            let off = |s: &repsim::saliency::finite::Step| (s.quotient - series.autograd).abs();
            assert!(series.steps.iter().all(|s| off(s) >= off(best)), "{way:?}");
        }
    }
}
