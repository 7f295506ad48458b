//! What a hook can do: put another tensor in the place of a layer's output, stop the run, fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use repsim::error::Error;
use repsim::torchscript::{Answer, Layer, Model};
use tch::{CModule, Tensor};

use crate::golden::{Golden, Seen, path, seen, tapped};
use crate::tolerances::OUTPUT;

const ARCHIVES: [&str; 2] = ["tiny_resnet_scripted.pt", "tiny_resnet_traced.pt"];

/// For each archive, plain and optimised.
fn everywhere(mut check: impl FnMut(&Golden, &mut Model, &[Layer], &str)) {
    let golden = Golden::load("tiny_resnet");
    for archive in ARCHIVES {
        for optimize in [false, true] {
            let (mut model, layers) = tapped(archive, &golden.input(), optimize);
            check(&golden, &mut model, &layers, archive);
        }
    }
}

/// The model's output where `change` gives the output of one layer.
fn with_changed(
    model: &mut Model,
    layers: &[Layer],
    input: &Tensor,
    name: &str,
    change: impl Fn(&Tensor) -> Tensor,
) -> Tensor {
    let mut changed = 0;
    let output = model.run(input, &mut |layer, output| {
        if layers[layer].name != name {
            return Ok(Answer::Keep);
        }
        changed += 1;
        Ok(Answer::Replace(change(output)))
    });
    assert_eq!(changed, 1, "{name} did not run once");
    output.unwrap().unwrap()
}

fn parameter(archive: &str, name: &str) -> Tensor {
    let all = CModule::load(path(archive)).unwrap().named_parameters().unwrap();
    all.into_iter().find(|(found, _)| found == name).unwrap().1.detach()
}

#[test]
fn zeros_for_the_last_block_leave_the_bias() {
    everywhere(|golden, model, layers, archive| {
        let output = with_changed(model, layers, &golden.input(), "layer4", Tensor::zeros_like);
        let bias = parameter(archive, "fc.bias").expand([5, 6], false).contiguous();
        assert_eq!(Seen::of(&output), Seen::of(&bias), "{archive}");
    });
}

/// Twice the pooled features: W(2x) + b = 2(Wx + b) − b.
#[test]
fn a_scaled_layer_gives_the_output_computed_by_hand() {
    everywhere(|golden, model, layers, archive| {
        let input = golden.input();
        let output = with_changed(model, layers, &input, "avgpool", |x| x * 2.0);
        let plain = crate::golden::float(golden.array("output"));
        let expected = plain * 2.0 - parameter(archive, "fc.bias");
        Seen::of(&output).assert_near(&Seen::of(&expected), 1e-4, archive);
    });
}

/// The output of the whole model can be replaced by way of its last layer.
#[test]
fn the_last_layer_can_be_replaced() {
    everywhere(|golden, model, layers, _| {
        let output = with_changed(model, layers, &golden.input(), "fc", |x| x.full_like(7.0));
        assert!(Seen::of(&output).values.iter().all(|v| *v == 7.0));
    });
}

/// The second call of a module is replaced without its first.
#[test]
fn one_of_two_calls_can_be_replaced() {
    everywhere(|golden, model, layers, archive| {
        let input = golden.input();
        let (_, plain) = seen(model, layers, &input);
        let second = with_changed(model, layers, &input, "layer4.0.relu:2", Tensor::zeros_like);
        let first = with_changed(model, layers, &input, "layer4.0.relu", Tensor::zeros_like);
        let bias = parameter(archive, "fc.bias").expand([5, 6], false).contiguous();
        assert_eq!(Seen::of(&second), Seen::of(&bias), "{archive}");
        assert_ne!(Seen::of(&first), Seen::of(&bias), "{archive}");
        assert_ne!(Seen::of(&first), Seen::of(&plain), "{archive}");
    });
}

#[test]
fn a_copy_in_its_place_changes_nothing() {
    everywhere(|golden, model, layers, archive| {
        let (_, plain) = seen(model, layers, &golden.input());
        let output = with_changed(model, layers, &golden.input(), "bn1", Tensor::copy);
        Seen::of(&output).assert_near(&Seen::of(&plain), OUTPUT, archive);
    });
}

#[test]
fn a_stop_ends_the_run_without_an_output() {
    everywhere(|golden, model, layers, _| {
        let mut ran = vec![];
        let output = model.run(&golden.input(), &mut |layer, _| {
            ran.push(layers[layer].name.clone());
            let stop = layers[layer].name == "layer2";
            Ok(if stop { Answer::Stop } else { Answer::Keep })
        });
        assert!(output.unwrap().is_none());
        assert_eq!(ran.last().map(String::as_str), Some("layer2"));
        assert_works(golden, model, layers);
    });
}

#[test]
fn an_error_comes_back_as_it_was() {
    everywhere(|golden, model, layers, _| {
        let mut after = 0;
        let failed =
            model.run(&golden.input(), &mut |layer, _| match layers[layer].name.as_str() {
                "layer3" => Err(Error::usage("nothing to measure", "measure something")),
                _ => {
                    after += usize::from(layer > 33);
                    Ok(Answer::Keep)
                }
            });
        assert_eq!(failed.unwrap_err().to_string(), "nothing to measure; measure something");
        assert_eq!(after, 0, "layers ran after the failure");
        assert_works(golden, model, layers);
    });
}

#[test]
fn a_panic_comes_back_through_the_c_code() {
    everywhere(|golden, model, layers, _| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _ = model.run(&golden.input(), &mut |layer, _| match layers[layer].name.as_str() {
                "layer2" => panic!("the hook broke"),
                _ => Ok(Answer::Keep),
            });
        }));
        std::panic::set_hook(hook);
        let message = caught.unwrap_err();
        assert_eq!(message.downcast_ref::<&str>(), Some(&"the hook broke"));
        assert_works(golden, model, layers);
    });
}

/// The model runs as if nothing had happened.
#[track_caller]
fn assert_works(golden: &Golden, model: &mut Model, layers: &[Layer]) {
    let (all, output) = seen(model, layers, &golden.input());
    assert_eq!(all.len(), layers.len());
    let expected = Seen::of_array(golden.array("output"));
    Seen::of(&output).assert_near(&expected, 1e-4, "output after a failure");
}
