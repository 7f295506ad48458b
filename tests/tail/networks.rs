//! Residual networks: where they can be cut, and that a tail gives what the whole network gives.

use repsim::torchscript::Layer;
use tch::Tensor;

use crate::support::{
    RESNETS, ROUNDING, assert_near, assert_same, golden, output, place, prepared, prepared_for,
    random, whole,
};

/// All layers behind which a model can be cut, in order.
fn cuttable(archive: &str, input: &Tensor, optimize: bool) -> Vec<String> {
    let (model, layers) = prepared(archive, input, optimize);
    let names = layers.iter().enumerate().filter(|(i, _)| model.cut(*i).is_ok());
    names.map(|(_, layer)| layer.name.clone()).collect()
}

/// Before the first block, the end of every block, and what follows the last.
fn expected(layers: &[Layer]) -> Vec<String> {
    let whole = |name: &str| !name.starts_with("layer") || name.matches('.').count() < 2;
    let end = |name: &str| whole(name) || name.ends_with("relu:2");
    layers.iter().map(|l| l.name.clone()).filter(|name| end(name)).collect()
}

#[test]
fn can_be_cut_between_their_blocks_only() {
    for archive in RESNETS {
        let input = random(&[2, 3, 32, 32], 1);
        let wanted = expected(&prepared(archive, &input, false).1);
        assert!(wanted.iter().any(|name| name == "layer4"), "{wanted:?}");
        for optimize in [false, true] {
            assert_eq!(cuttable(archive, &input, optimize), wanted, "{archive} {optimize}");
        }
    }
}

/// Every layer behind which it can be cut, all taps in place: the very operators of the whole run
/// work on the very numbers.
#[test]
fn give_the_same_bits_from_every_layer() {
    for archive in RESNETS {
        for optimize in [false, true] {
            let input = random(&[3, 3, 32, 32], 2);
            let (mut model, layers) = prepared(archive, &input, optimize);
            let (given, wanted) = whole(&mut model, &layers, &input);
            for (i, layer) in layers.iter().enumerate() {
                let Ok(mut tail) = model.cut(i) else { continue };
                assert_eq!(tail.layer(), layer);
                let kept = given[i].copy();
                let what = format!("{} of {archive} {optimize}", layer.name);
                assert_same(&output(&mut tail, &given[i]), &wanted, &what);
                assert_same(&given[i], &kept, &format!("the tensor given for {what}"));
            }
        }
    }
}

/// With a tap behind the one layer only, batch norms are folded and names thinned out elsewhere.
#[test]
fn give_the_same_with_one_tap_and_for_other_batches() {
    for archive in RESNETS {
        for (name, optimize) in [
            ("relu", true),
            ("layer1", true),
            ("layer3", false),
            ("layer3.0", true),
            ("fc:input", true),
        ] {
            let probe = random(&[2, 3, 32, 32], 3);
            let (mut model, layers) = prepared_for(archive, &probe, optimize, |n| n == name);
            let mut tail = model.cut(0).unwrap();
            for samples in [1, 5] {
                let input = random(&[samples, 3, 32, 32], 4);
                let (given, wanted) = whole(&mut model, &layers, &input);
                let what = format!("{name} of {archive} for {samples}");
                assert_near(&output(&mut tail, &given[0]), &wanted, ROUNDING, &what);
            }
        }
    }
}

#[test]
fn take_an_activation_in_any_layout() {
    for optimize in [false, true] {
        let input = random(&[2, 3, 32, 32], 5);
        let (mut model, layers) = prepared(RESNETS[0], &input, optimize);
        let (given, wanted) = whole(&mut model, &layers, &input);
        let layer = place(&layers, "layer2");
        let mut tail = model.cut(layer).unwrap();
        let rows = given[layer].contiguous();
        let turned = given[layer].transpose(2, 3).contiguous().transpose(2, 3);
        for tensor in [rows, turned] {
            assert_near(&output(&mut tail, &tensor), &wanted, ROUNDING, "layer2");
        }
    }
}

#[test]
fn outlive_their_model() {
    let input = random(&[2, 3, 32, 32], 6);
    let (mut model, layers) = prepared(RESNETS[1], &input, true);
    let (given, wanted) = whole(&mut model, &layers, &input);
    let layer = place(&layers, "layer4");
    let mut tail = model.cut(layer).unwrap();
    drop(model);
    assert_same(&output(&mut tail, &given[layer]), &wanted, "layer4");
}

#[test]
fn are_flattened_by_the_size_of_the_activation() {
    for archive in ["flat_view_scripted.pt", "flat_view_traced.pt"] {
        for optimize in [false, true] {
            let probe = random(&[2, 3, 8, 8], 7);
            let (mut model, layers) = prepared(&golden(archive), &probe, optimize);
            let mut cut = 0;
            for (i, layer) in layers.iter().enumerate() {
                let input = random(&[5, 3, 8, 8], 8);
                let (given, wanted) = whole(&mut model, &layers, &input);
                let mut tail = model.cut(i).unwrap();
                assert_same(&output(&mut tail, &given[i]), &wanted, &layer.name);
                cut += 1;
            }
            assert!(cut >= 9, "{cut} layers of {archive}");
        }
    }
}

/// A frozen archive has operators for layers.
#[test]
fn frozen_archives_can_be_cut_too() {
    let input = random(&[3, 3, 16, 16], 9);
    for optimize in [false, true] {
        let (mut model, layers) = prepared("tests/golden/capture/frozen.pt", &input, optimize);
        assert!(model.is_flat());
        let (given, wanted) = whole(&mut model, &layers, &input);
        let mut cut = 0;
        for (i, layer) in layers.iter().enumerate() {
            let Ok(mut tail) = model.cut(i) else { continue };
            assert_same(&output(&mut tail, &given[i]), &wanted, &layer.name);
            cut += 1;
        }
        assert!(cut > 4 && cut < layers.len(), "{cut} of {}", layers.len());
    }
}
