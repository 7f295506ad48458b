//! Deletion and insertion in the order of stored maps.

use ndarray::{ArrayViewD, Axis, Ix2};
use repsim::classifier::OutputForm;
use repsim::saliency::auc::order;
use repsim::saliency::faithfulness::{Fill, curves, random_order};
use repsim::torchscript::Model;
use serde_json::Value;
use tch::Tensor;

use crate::support::{EACH, arrays, assert_near, explainer, input, listing, numbers};
use crate::tolerances::FLOAT64_NETWORK;

fn order_of(map: ArrayViewD<'_, f64>) -> Vec<usize> {
    order(map.into_dimensionality::<Ix2>().unwrap())
}

fn check(
    model: &mut Model,
    image: &Tensor,
    order: &[usize],
    class: i64,
    listed: &Value,
    what: &str,
) {
    for (fill, name) in [(Fill::Mean, "mean"), (Fill::Blur, "blur")] {
        let found = curves(model, image, class, (order, fill), (5, OutputForm::Logits)).unwrap();
        for (kind, area) in [("deletion", found.deletion), ("insertion", found.insertion)] {
            let wanted = listed[format!("{kind}.{name}").as_str()]["auc"].as_f64().unwrap();
            assert_near(area, wanted, FLOAT64_NETWORK, &format!("{kind} with {name}, {what}"));
        }
    }
}

#[test]
fn areas_are_those_of_python() {
    let (json, golden) = (listing("comparison.json"), arrays("comparison.npz"));
    let classes = listing("maps.json");
    for way @ (model, _) in EACH {
        let x = input();
        let mut explainer = explainer(way, &x, &[], &[]);
        let predicted = numbers(&classes[model]["predicted"]);
        let maps = &golden[&format!("{model}.gradcam")];
        for (row, map) in maps.axis_iter(Axis(0)).enumerate() {
            let listed = &json["faithfulness"][model][row];
            let image = x.narrow(0, row as i64, 1);
            let (class, what) = (predicted[row] as i64, format!("image {row} of {way:?}"));
            check(&mut explainer.model, &image, &order_of(map), class, listed, &what);
        }
    }
}

/// Deletion in one order runs through what insertion in the opposite order runs through.
#[test]
fn opposite_orders_exchange_the_areas() {
    let x = input().narrow(0, 0, 1);
    let mut explainer = explainer(("seed0", true), &x, &[], &[]);
    let mut pixels = random_order(1024, 5);
    let there =
        curves(&mut explainer.model, &x, 0, (&pixels, Fill::Blur), (64, OutputForm::Logits))
            .unwrap();
    pixels.reverse();
    let back = curves(&mut explainer.model, &x, 0, (&pixels, Fill::Blur), (64, OutputForm::Logits))
        .unwrap();
    assert_near(there.deletion, back.insertion, FLOAT64_NETWORK, "deletion");
    assert_near(there.insertion, back.deletion, FLOAT64_NETWORK, "insertion");
}

#[test]
fn an_order_has_all_pixels() {
    let x = input().narrow(0, 0, 1);
    let mut explainer = explainer(("seed0", true), &x, &[], &[]);
    let found =
        curves(&mut explainer.model, &x, 0, (&[0, 1, 2], Fill::Mean), (64, OutputForm::Logits));
    assert!(found.unwrap_err().to_string().contains("3 pixels for 32×32"));
}
