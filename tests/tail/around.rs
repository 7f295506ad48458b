//! What goes around a layer is named.

use crate::support::{
    RESNETS, assert_near, golden, output, place, prepared, prepared_for, random, refusal, whole,
};

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

/// With taps behind all layers and behind the one only, plain and optimised.
#[track_caller]
fn refused(archive: &str, shape: &[i64], layer: &str, parts: &[&str]) {
    let input = random(shape, 1);
    for optimize in [false, true] {
        for all in [false, true] {
            let (model, layers) = prepared_for(archive, &input, optimize, |n| all || n == layer);
            says(&refusal(&model, &layers, layer), parts);
        }
    }
}

#[test]
fn a_skip_connection_by_the_layer_it_comes_from() {
    for archive in RESNETS {
        let end = "choose a layer that all paths to the output go through";
        let shortcut = ["`aten::add", "also takes the output of layer3.0.downsample", end];
        refused(archive, &[2, 3, 32, 32], "layer3.0.conv1", &shortcut);
    }
    let block = ["on the way to layer3.1, `aten::add_` also takes the output of layer3.0,"];
    refused(RESNETS[0], &[2, 3, 32, 32], "layer3.1.bn2", &block);
    refused(RESNETS[1], &[2, 3, 32, 32], "layer3.1.bn2", &block);
}

#[test]
fn a_shortcut_by_the_path_it_is_a_shortcut_of() {
    let parts = ["`aten::add", "also takes the output of layer3.0.bn2"];
    refused(RESNETS[0], &[2, 3, 32, 32], "layer3.0.downsample", &parts);
}

/// The size of the batch is that of the layer's output: nothing goes around.
#[test]
fn a_size_taken_before_the_layer() {
    let input = random(&[3, 4], 1);
    for optimize in [false, true] {
        let (mut model, layers) = prepared(&golden("early_size.pt"), &input, optimize);
        let stem = place(&layers, "stem");
        let (given, wanted) = whole(&mut model, &layers, &input);
        let mut tail = model.cut(stem).unwrap();
        assert_near(&output(&mut tail, &given[stem]), &wanted, 1e-6, "all samples");
        let part = output(&mut tail, &given[stem].narrow(0, 1, 2));
        assert_near(&part, &wanted.narrow(0, 1, 2), 1e-6, "two samples");
    }
}

#[test]
fn a_second_output() {
    let parts = ["the model also returns the output of aside"];
    refused(&golden("two_outputs.pt"), &[2, 4], "stem", &parts);
}

#[test]
fn a_condition_on_the_input() {
    let parts = ["a branch also takes `aten::", "of the model's input"];
    refused("tests/golden/capture/control_flow.pt", &[2, 8], "stem", &parts);
}

#[test]
fn values_added_in_place_to_a_view() {
    let parts = ["`aten::add_` also takes the model's input"];
    refused(&golden("hidden_write.pt"), &[2, 4], "stem", &parts);
}

/// What a part would begin with is what another run left.
#[test]
fn a_buffer_written_before_the_layer() {
    let parts = ["the model changes seen as it runs"];
    refused(&golden("early_write.pt"), &[2, 4], "stem", &parts);
}

#[test]
fn a_layer_without_influence() {
    let parts = ["the model's output does not depend on it"];
    let input = random(&[2, 4], 2);
    for optimize in [false, true] {
        let (mut model, layers) =
            prepared_for(&golden("two_outputs.pt"), &input, optimize, |n| n == "aside");
        model.choose_output(0);
        says(&refusal(&model, &layers, "aside"), &parts);
    }
}

#[test]
fn a_layer_in_a_loop() {
    let input = random(&[2, 4], 3);
    for optimize in [false, true] {
        let (model, layers) = prepared(&golden("branches.pt"), &input, optimize);
        says(&refusal(&model, &layers, "cell:2"), &["it is called in a loop"]);
    }
}
