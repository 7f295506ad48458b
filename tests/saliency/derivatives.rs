//! The derivative from its definition against Python's, in float64.

use repsim::saliency::finite::{Patch, STEPS, Series, series};
use repsim::saliency::{Method, Target};
use serde_json::Value;

use crate::support::{WAYS, assert_near, explain, explainer, input, listing, numbers};
use crate::tolerances::{FLOAT64_NETWORK, FLOAT64_SCORE};

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
            let found = found(way, &place).autograd;
            assert_near(found, wanted, FLOAT64_NETWORK * wanted.abs(), model);
        }
    }
}

#[test]
fn quotients_are_those_of_python() {
    let json = listing("probes.json");
    for way @ (model, _) in WAYS {
        for place in patches(&json, model) {
            let series = found(way, &place);
            assert_eq!(series.steps.iter().map(|s| s.h).collect::<Vec<f64>>(), STEPS);
            for (step, wanted) in series.steps.iter().zip(numbers(&place["quotients"])) {
                let tolerance = FLOAT64_SCORE / step.h;
                assert_near(step.quotient, wanted, tolerance, &format!("{way:?}, h = {}", step.h));
            }
        }
    }
}

/// Small enough for the ReLUs to stay as they are, a step gives the derivative.
#[test]
fn quotients_come_near_autograd() {
    let json = listing("probes.json");
    for way @ (model, _) in WAYS {
        for place in patches(&json, model) {
            let series = found(way, &place);
            let off = |s: &repsim::saliency::finite::Step| (s.quotient - series.autograd).abs();
            let best = series.steps.iter().find(|s| s.h == series.best).unwrap();
            assert!(off(best) <= FLOAT64_SCORE / best.h, "{way:?}: {:e} at {}", off(best), best.h);
            assert!(series.steps.iter().all(|s| off(s) >= off(best)), "{way:?}");
        }
    }
}
