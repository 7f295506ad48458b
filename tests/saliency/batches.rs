//! The map of an image does not depend on the images beside it.

use repsim::saliency::{Images, Method};

use crate::support::{TARGETS, WAYS, array, assert_maps, explain, explainer, input};
use crate::tolerances::FLOAT64_NETWORK;

const METHODS: [Method; 8] = [
    Method::Gradient,
    Method::GradientTimesInput,
    Method::IntegratedGradients,
    Method::GradCam,
    Method::HiResCam,
    Method::LayerCam,
    Method::GradCamPlusPlus,
    Method::Occlusion,
];

/// The path of 4 steps is one of the goldens', so that it is far from kinks. Every way and every target
/// once.
#[test]
fn images_alone_have_the_maps_they_have_in_a_batch() {
    let x = input().narrow(0, 0, 3);
    for (way, (name, target)) in WAYS.into_iter().zip(TARGETS.into_iter().cycle()) {
        let mut explainer = explainer(way, &x, &METHODS, &["layer4", "layer3"]);
        explainer.options.steps = 4;
        (explainer.options.window, explainer.options.stride) = (8, 8);
        let whole = explain(&mut explainer, &x, target);
        for row in 0..3usize {
            let one = x.narrow(0, row as i64, 1);
            let images = Images { input: &one, indices: &[row], labels: None };
            let found = explainer.explain(&images, target).unwrap();
            assert_eq!(found.classes.classes[0], whole.classes.classes[row]);
            for (column, (map, all)) in found.maps.iter().zip(&whole.maps).enumerate() {
                let expected = array(&all.narrow(0, row as i64, 1));
                let what = format!("column {column}, image {row}, {name} of {way:?}");
                assert_maps(map, &expected, FLOAT64_NETWORK, &what);
            }
        }
    }
}
