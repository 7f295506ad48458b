//! Class activation maps that need more than one gradient, or none, against pytorch-grad-cam.

use repsim::saliency::Method;

use crate::support::{
    EACH, arrays, assert_rows, explain, explainer, input, layer_name, scales, target,
};
use crate::tolerances::MAP;

const METHODS: [Method; 3] = [Method::XGradCam, Method::EigenCam, Method::ScoreCam];

#[test]
fn maps_are_those_of_pytorch_grad_cam() {
    let golden = arrays("more_cams.npz");
    for way @ (model, _) in EACH {
        let x = input().narrow(0, 0, 3);
        let mut explainer = explainer(way, &x, &METHODS, &["layer4", "layer3"]);
        let columns = explainer.columns();
        let found = explain(&mut explainer, &x, target("predicted")).maps;
        assert_eq!(found.len(), 6);
        for (column, found) in columns.iter().zip(&found) {
            let key = format!("{model}.{}.{}", column.method, layer_name(&explainer, column));
            let raw = &golden[&key];
            let tolerances: Vec<f64> = scales(raw).iter().map(|scale| scale * MAP).collect();
            assert_rows(found, &raw.mapv(|v| v.max(0.0)), &tolerances, &format!("{key}, {way:?}"));
        }
    }
}

/// How many copies of an image go through the network together changes nothing.
#[test]
fn masked_copies_do_not_depend_on_the_batch() {
    let x = input().narrow(0, 0, 1);
    let of = |batch| {
        let mut explainer = explainer(EACH[0], &x, &[Method::ScoreCam], &["layer4"]);
        explainer.options.batch = batch;
        explain(&mut explainer, &x, target("class3")).maps.remove(0)
    };
    let few = crate::support::array(&of(7));
    crate::support::assert_maps(
        &of(64),
        &few,
        crate::tolerances::FLOAT64_NETWORK,
        "64 and 7 copies",
    );
}
