//! Class activation maps against pytorch-grad-cam.

use ndarray::{ArrayD, Axis};
use repsim::saliency::{Explainer, Method, cam};

use crate::support::{
    TARGETS, WAYS, array, arrays, assert_maps, assert_rows, explain, explainer, input, layer_name,
    listing, numbers, scales,
};
use crate::tolerances::{FLOAT64_NETWORK, MAP};

const LAYERS: [&str; 3] = ["layer4", "layer3", "layer4.1.conv2"];
const METHODS: [Method; 4] =
    [Method::GradCam, Method::HiResCam, Method::LayerCam, Method::GradCamPlusPlus];

/// The names of the columns as the goldens have them, METHOD.LAYER.
fn names(explainer: &Explainer) -> Vec<String> {
    let name = |column| format!("{}.{}", column_method(&column), layer_name(explainer, &column));
    explainer.columns().into_iter().map(name).collect()
}

fn column_method(column: &repsim::saliency::Column) -> Method {
    column.method
}

/// The sum over channels cut at 0; near as a share of the largest value before that.
#[test]
fn maps_are_those_of_pytorch_grad_cam() {
    let (json, golden) = (listing("cams.json"), arrays("cams.npz"));
    let mut checked = 0;
    for way @ (model, _) in WAYS {
        let mut explainer = explainer(way, &input(), &METHODS, &LAYERS);
        let names = names(&explainer);
        assert_eq!(names.len(), 12);
        for (target_name, target) in TARGETS {
            for (i, name) in names.iter().enumerate() {
                let key = format!("{model}.{name}.{target_name}.raw");
                let Some(raw) = golden.get(&key) else { continue };
                let x = input().narrow(0, 0, raw.len_of(Axis(0)) as i64);
                let found = &explain(&mut explainer, &x, target).maps[i];
                let tolerances: Vec<f64> = scales(raw).iter().map(|scale| scale * MAP).collect();
                let cut = raw.mapv(|v| v.max(0.0));
                assert_rows(found, &cut, &tolerances, &format!("{key}, {way:?}"));
                check_degenerate(&array(found), &json["degenerate"], &key);
                checked += 1;
            }
        }
    }
    let stored = golden.keys().filter(|name| name.ends_with(".raw")).count();
    assert_eq!(checked, 2 * stored);
}

/// The images whose map has nothing positive.
fn check_degenerate(found: &ArrayD<f64>, listed: &serde_json::Value, key: &str) {
    let name = key.strip_suffix(".raw").unwrap();
    let expected = listed.get(name).map(numbers).unwrap_or_default();
    let zero = scales(found).into_iter().enumerate().filter(|(_, scale)| *scale == 0.0);
    let zero: Vec<f64> = zero.map(|(row, _)| row as f64).collect();
    assert_eq!(zero, expected, "degenerate maps of {name}");
}

/// As a share of the largest value that is left.
#[test]
fn cut_maps_are_those_of_pytorch_grad_cam() {
    let golden = arrays("cams.npz");
    for way @ (model, _) in WAYS {
        let mut explainer = explainer(way, &input(), &METHODS, &LAYERS);
        for (target_name, target) in TARGETS {
            for (i, name) in names(&explainer).iter().enumerate() {
                let key = format!("{model}.{name}.{target_name}.relu");
                let Some(expected) = golden.get(&key) else { continue };
                let x = input().narrow(0, 0, expected.len_of(Axis(0)) as i64);
                let found = &explain(&mut explainer, &x, target).maps[i];
                assert_maps(found, expected, MAP, &format!("{key}, {way:?}"));
            }
        }
    }
}

/// With a method beside them that needs the gradient to the input, the pass is another one.
#[test]
fn maps_do_not_depend_on_the_methods_beside_them() {
    let x = input();
    for way in WAYS {
        let mut alone = explainer(way, &x, &METHODS, &LAYERS);
        let mut all = METHODS.to_vec();
        all.insert(0, Method::Gradient);
        let mut beside = explainer(way, &x, &all, &LAYERS);
        let (a, b) = (
            explain(&mut alone, &x, TARGETS[0].1).maps,
            explain(&mut beside, &x, TARGETS[0].1).maps,
        );
        assert_eq!((a.len(), b.len()), (12, 13));
        for (i, (one, other)) in a.iter().zip(&b[1..]).enumerate() {
            let expected = array(one);
            assert_maps(other, &expected, FLOAT64_NETWORK, &format!("column {i} of {way:?}"));
        }
    }
}

/// Bilinear, as torch's `interpolate` with `align_corners=False`.
#[test]
fn enlarged_maps_are_those_of_python() {
    let golden = arrays("comparison.npz");
    for way @ (model, _) in WAYS {
        let x = input();
        let mut explainer = explainer(way, &x, &[Method::GradCam], &["layer4"]);
        let found = crate::support::only_map(&mut explainer, &x, TARGETS[0].1);
        let key = format!("{model}.gradcam");
        let found = cam::resized(&found, 32, 32);
        assert_maps(&found, &golden[&key], MAP, &format!("{key}, {way:?}"));
    }
}
