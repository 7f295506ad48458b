//! Networks with control flow, hidden effects and more than one output.

use repsim::torchscript::{Answer, Layer, Model};
use tch::Tensor;

use crate::support::{
    ROUNDING, assert_near, assert_same, golden, output, place, prepared, random, whole,
};

/// Cuts behind a layer and compares with the whole run.
#[track_caller]
fn agrees(model: &mut Model, layers: &[Layer], name: &str, input: &Tensor) {
    let (given, wanted) = whole(model, layers, input);
    let layer = place(layers, name);
    let mut tail = model.cut(layer).unwrap();
    let kept = given[layer].copy();
    assert_same(&output(&mut tail, &given[layer]), &wanted, name);
    assert_same(&given[layer], &kept, "the tensor given");
}

#[test]
fn branches_and_loops_behind_the_layer_run() {
    for optimize in [false, true] {
        let input = random(&[3, 4], 1);
        let (mut model, layers) = prepared(&golden("branches.pt"), &input, optimize);
        agrees(&mut model, &layers, "stem", &input);
    }
}

/// The tail takes the branch that its own values ask for, not the one the model was probed with.
#[test]
fn conditions_are_not_frozen_into_the_tail() {
    for optimize in [false, true] {
        let (mut model, layers) = prepared(&golden("branches.pt"), &random(&[3, 4], 1), optimize);
        let stem: Vec<Layer> = layers.into_iter().filter(|l| l.name == "stem").collect();
        let mut names = vec![];
        for sign in [-10.0, 10.0] {
            model = Model::load(model.path(), false).unwrap();
            let all = model.probe(&random(&[3, 4], 1)).unwrap();
            names.push(all.last().unwrap().name.clone());
            let execution = repsim::torchscript::Execution { optimize, device: tch::Device::Cpu };
            model.prepare(&stem, &execution).unwrap();
            let activation = random(&[3, 6], 2) + sign;
            let mut tail = model.cut(0).unwrap();
            let replaced = model
                .run(&random(&[3, 4], 3), &mut |_, _| Ok(Answer::Replace(activation.copy())))
                .unwrap()
                .unwrap();
            assert_same(&output(&mut tail, &activation), &replaced, "stem");
        }
    }
}

/// A layer in a branch: the tail goes on in that branch.
#[test]
fn a_layer_in_a_branch() {
    let input = random(&[3, 8], 4).abs();
    for optimize in [false, true] {
        let archive = "tests/golden/capture/control_flow.pt";
        let (mut model, layers) = prepared(archive, &input, optimize);
        agrees(&mut model, &layers, "bright", &input);
    }
}

#[test]
fn the_shape_is_checked_where_the_model_checks_it() {
    let input = random(&[3, 4], 5);
    for optimize in [false, true] {
        let (model, layers) = prepared(&golden("branches.pt"), &input, optimize);
        let mut tail = model.cut(place(&layers, "stem")).unwrap();
        let failed = tail.run(&random(&[2, 3, 6], 6), &mut |_, _| Ok(Answer::Keep));
        let text = failed.err().unwrap().to_string();
        assert!(text.starts_with("failed to run the tail of "), "{text}");
        assert!(text.contains("two axes are needed"), "{text}");
        assert!(text.contains("2×3×6 in the place of stem") && text.contains("3×6 for"), "{text}");
    }
}

#[test]
fn operators_in_place_whose_result_nobody_takes() {
    for optimize in [false, true] {
        let input = random(&[3, 4], 7);
        let (mut model, layers) = prepared(&golden("in_place.pt"), &input, optimize);
        for name in ["stem", "relu", "head:input", "head"] {
            agrees(&mut model, &layers, name, &input);
        }
    }
}

#[test]
fn one_output_of_two() {
    for optimize in [false, true] {
        let input = random(&[3, 4], 8);
        let (mut model, layers) = prepared(&golden("two_outputs.pt"), &input, optimize);
        model.choose_output(0);
        for name in ["stem", "relu", "head"] {
            agrees(&mut model, &layers, name, &input);
        }
        let layer = place(&layers, "aside");
        model.choose_output(1);
        let (given, wanted) = whole(&mut model, &layers, &input);
        assert_same(&output(&mut model.cut(layer).unwrap(), &given[layer]), &wanted, "aside");
    }
}

#[test]
fn an_index_without_a_layer_is_told() {
    let (model, layers) = prepared(&golden("in_place.pt"), &random(&[3, 4], 9), true);
    let error = model.cut(layers.len()).err().unwrap().to_string();
    assert!(error.contains("has no prepared layer"), "{error}");
}

#[test]
fn the_tail_of_an_empty_change_is_the_whole() {
    let input = random(&[4, 4], 10);
    for optimize in [false, true] {
        let (mut model, layers) = prepared(&golden("in_place.pt"), &input, optimize);
        let (given, _) = whole(&mut model, &layers, &input);
        let layer = place(&layers, "stem");
        let changed = given[layer].copy() * 3.0;
        let wanted = model
            .run(&input, &mut |found, _| {
                let replace = found == layer;
                Ok(if replace { Answer::Replace(changed.copy()) } else { Answer::Keep })
            })
            .unwrap()
            .unwrap();
        assert_near(&output(&mut model.cut(layer).unwrap(), &changed), &wanted, ROUNDING, "stem");
    }
}
