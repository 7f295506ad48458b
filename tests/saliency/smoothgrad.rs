//! SmoothGrad, whose noise is another generator's than Python's: what holds of any noise.

use repsim::saliency::{Images, Method};
use tch::Tensor;

use crate::support::{WAYS, array, assert_maps, explainer, input, only_map, target};
use crate::tolerances::FLOAT64_NETWORK;

#[track_caller]
fn assert_same(found: &Tensor, expected: &Tensor, what: &str) {
    assert_maps(found, &array(expected), FLOAT64_NETWORK, what);
}

#[test]
fn without_noise_it_is_the_gradient() {
    let x = input().narrow(0, 0, 4);
    for way in WAYS {
        for signed in [false, true] {
            let mut plain = explainer(way, &x, &[Method::Gradient], &[]);
            let mut smooth = explainer(way, &x, &[Method::SmoothGrad], &[]);
            (plain.options.signed, smooth.options.signed) = (signed, signed);
            smooth.options.noise = 0.0;
            let (expected, found) = (
                only_map(&mut plain, &x, target("predicted")),
                only_map(&mut smooth, &x, target("predicted")),
            );
            assert_same(&found, &expected, &format!("{way:?}"));
        }
    }
}

/// While other tests draw numbers too.
#[test]
fn it_is_the_same_each_time_and_another_by_seed() {
    let x = input().narrow(0, 0, 4);
    let mut explainer = explainer(("seed0", true), &x, &[Method::SmoothGrad], &[]);
    let first = array(&only_map(&mut explainer, &x, target("predicted")));
    let noise = std::thread::spawn(|| {
        for _ in 0..20_000 {
            let _ = Tensor::randn([16], tch::kind::FLOAT_CPU);
        }
    });
    for _ in 0..10 {
        assert!(array(&only_map(&mut explainer, &x, target("predicted"))) == first);
    }
    noise.join().unwrap();
    explainer.options.seed += 1;
    assert!(array(&only_map(&mut explainer, &x, target("predicted"))) != first);
}

#[test]
fn an_image_has_its_noise_in_any_batch() {
    let x = input().narrow(0, 0, 6);
    for way in WAYS {
        let mut explainer = explainer(way, &x, &[Method::SmoothGrad], &[]);
        let whole = only_map(&mut explainer, &x, target("predicted"));
        for row in 0..6usize {
            let one = x.narrow(0, row as i64, 1);
            let images = Images { input: &one, indices: &[row], labels: None };
            let found = explainer.explain(&images, target("predicted")).unwrap();
            let expected = whole.narrow(0, row as i64, 1);
            assert_same(&found.maps[0], &expected, &format!("image {row} of {way:?}"));
        }
    }
}

/// Many samples come near the gradient of a network smoothed so; few have noise of their own.
#[test]
fn images_at_other_places_have_other_noise() {
    let x = input().narrow(0, 0, 1);
    let mut explainer = explainer(("seed1", true), &x, &[Method::SmoothGrad], &[]);
    let mut at = |index: usize| {
        let images = Images { input: &x, indices: &[index], labels: None };
        array(&explainer.explain(&images, target("predicted")).unwrap().maps[0])
    };
    assert!(at(0) != at(1) && at(3) == at(3));
}
