//! The map of an image does not depend on the images beside it.

use ndarray::Axis;
use repsim::saliency::{Images, Method};

use crate::support::{
    TARGETS, WAYS, array, assert_rows, explain, explainer, input, kinks, path_gradients, scales,
};
use crate::tolerances::BATCH;

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

/// But for points of the path at which the rounding of another batch size flips a ReLU, no more than
/// one an image.
#[test]
fn images_alone_have_the_maps_they_have_in_a_batch() {
    let x = input().narrow(0, 0, 4);
    for way in WAYS {
        let mut explainer = explainer(way, &x, &METHODS, &["layer4", "layer3"]);
        explainer.options.steps = 4;
        for (name, target) in TARGETS {
            let whole = explain(&mut explainer, &x, target);
            let path = path_gradients(&mut explainer, &x, &whole.classes);
            for row in 0..4usize {
                let one = x.narrow(0, row as i64, 1);
                let images = Images { input: &one, indices: &[row], labels: None };
                let found = explainer.explain(&images, target).unwrap();
                let alone = path_gradients(&mut explainer, &one, &found.classes);
                let beside: Vec<_> = path
                    .iter()
                    .map(|step| step.slice_axis(Axis(0), (row..=row).into()).to_owned())
                    .collect();
                let kinks = kinks(&beside, &alone, &array(&one), 1);
                assert_eq!(found.classes.classes[0], whole.classes.classes[row]);
                for (column, (map, all)) in found.maps.iter().zip(&whole.maps).enumerate() {
                    let expected = array(&all.narrow(0, row as i64, 1));
                    let kink = if METHODS.get(column) == Some(&Method::IntegratedGradients) {
                        kinks[0]
                    } else {
                        0.0
                    };
                    let tolerance = scales(&expected)[0] * BATCH + kink;
                    let what = format!("column {column}, image {row}, {name} of {way:?}");
                    assert_rows(map, &expected, &[tolerance], &what);
                }
            }
        }
    }
}
