//! Class activation maps that need more than one gradient, or none, against pytorch-grad-cam.

use ndarray::Axis;
use repsim::saliency::Method;

use crate::support::{
    EACH, arrays, assert_rows, explain, explainer, input, layer_name, scales, target,
};
use crate::tolerances::MAP;

/// Images that are looked at: Score-CAM and Ablation-CAM run the network once a channel for each.
const IMAGES: usize = 2;

#[test]
fn maps_are_those_of_pytorch_grad_cam() {
    let golden = arrays("more_cams.npz");
    let cheap = [Method::XGradCam, Method::EigenCam];
    let dear = [Method::ScoreCam, Method::AblationCam];
    let asked: [(&[Method], &[&str]); 2] = [(&cheap, &["layer4", "layer3"]), (&dear, &["layer3"])];
    let mut checked = 0;
    for (way, (methods, layers)) in EACH.into_iter().flat_map(|way| asked.map(|of| (way, of))) {
        let x = input().narrow(0, 0, IMAGES as i64);
        let mut explainer = explainer(way, &x, methods, layers);
        let columns = explainer.columns();
        let found = explain(&mut explainer, &x, target("predicted")).maps;
        for (column, found) in columns.iter().zip(&found) {
            let key = format!("{}.{}.{}", way.0, column.method, layer_name(&explainer, column));
            let raw = golden[&key].slice_axis(Axis(0), (..IMAGES).into()).to_owned();
            let tolerances: Vec<f64> = scales(&raw).iter().map(|scale| scale * MAP).collect();
            assert_rows(found, &raw.mapv(|v| v.max(0.0)), &tolerances, &format!("{key}, {way:?}"));
            checked += 1;
        }
    }
    assert_eq!(checked, 2 * 6);
}

/// How many copies of an image go through the network together changes nothing.
#[test]
fn masked_copies_do_not_depend_on_the_batch() {
    let x = input().narrow(0, 0, 1);
    let of = |batch| {
        let mut explainer = explainer(EACH[0], &x, &[Method::ScoreCam], &["layer3"]);
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
