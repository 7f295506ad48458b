//! Networks that do not run the same for every input.

use repsim::torchscript::{Answer, Layer, Model};
use tch::Tensor;

use crate::golden::{Golden, execution, probed, seen, tapped};

fn names(layers: &[Layer]) -> Vec<&str> {
    layers.iter().map(|l| l.name.as_str()).collect()
}

/// The first error of a run over `input` with taps behind `layers`.
fn failure(model: &mut Model, layers: &[Layer], input: &Tensor, optimize: bool) -> String {
    model.prepare(layers, &execution(optimize)).unwrap();
    let failed = model.run(input, &mut |_, _| Ok(Answer::Keep));
    match failed {
        Err(error) => error.to_string(),
        Ok(_) => panic!("the run went through"),
    }
}

#[test]
fn branches_not_taken_are_named() {
    let golden = Golden::load("control_flow");
    let (model, layers) = probed("control_flow.pt", &golden.input());
    let mut idle = model.not_run(&layers);
    idle.sort_unstable();
    assert_eq!(idle, ["dark", "noise"]);
    assert!(!names(&layers).contains(&"dark"));
}

#[test]
fn a_module_that_gives_a_tuple_is_a_layer_for_each_tensor() {
    let golden = Golden::load("control_flow");
    let (model, layers) = probed("control_flow.pt", &golden.input());
    assert!(model.without_tensor().is_empty());
    assert!(names(&layers).contains(&"halves:1"));
    assert!(names(&layers).contains(&"halves.low"));
}

#[test]
fn another_input_takes_the_other_branch() {
    let golden = Golden::load("control_flow");
    let dark = -golden.input();
    for optimize in [false, true] {
        let (mut model, layers) = tapped("control_flow.pt", &dark, optimize);
        assert_eq!(names(&layers).last(), Some(&"dark"));
        assert!(model.not_run(&layers).contains(&"bright"));
        let (all, _) = seen(&mut model, &layers, &dark);
        assert_eq!(all.last().unwrap().1.shape, [6, 3]);
    }
}

#[test]
fn a_layer_that_does_not_run_again_is_an_error() {
    let golden = Golden::load("control_flow");
    for optimize in [false, true] {
        let (mut model, layers) = probed("control_flow.pt", &golden.input());
        let text = failure(&mut model, &layers, &-golden.input(), optimize);
        assert!(text.contains("layer bright of"), "{text}");
        assert!(text.contains("ran 0 times for this batch but 1 times before"), "{text}");
        assert!(text.contains("--layers '!"), "{text}");
    }
}

#[test]
fn a_layer_that_runs_a_varying_number_of_times_is_an_error() {
    let golden = Golden::load("varying");
    for optimize in [false, true] {
        let (mut model, layers) = probed("varying.pt", &golden.input().narrow(0, 0, 4));
        assert_eq!(names(&layers), ["stem", "cell.linear", "cell"]);
        let text = failure(&mut model, &layers, &golden.input(), optimize);
        assert!(text.contains("layer cell"), "{text}");
        assert!(text.contains("ran 3 times for this batch but 1 times before"), "{text}");
        assert!(text.contains("varying.pt"), "{text}");
    }
}

#[test]
fn what_varies_can_be_left_out() {
    let golden = Golden::load("varying");
    let (mut model, layers) = probed("varying.pt", &golden.input().narrow(0, 0, 4));
    let stem = &layers[..1];
    model.prepare(stem, &execution(true)).unwrap();
    assert_eq!(seen(&mut model, stem, &golden.input()).0.len(), 1);
}

/// One call of a module that runs three times.
#[test]
fn one_call_of_a_loop_can_be_chosen() {
    let golden = Golden::load("control_flow");
    for optimize in [false, true] {
        let (mut model, layers) = probed("control_flow.pt", &golden.input());
        let chosen: Vec<Layer> = layers.into_iter().filter(|l| l.name == "cell:2").collect();
        model.prepare(&chosen, &execution(optimize)).unwrap();
        let (found, _) = seen(&mut model, &chosen, &golden.input());
        assert_eq!(found.len(), 1);
        let expected = crate::golden::Seen::of_array(golden.array("layer/cell:2"));
        found[0].1.assert_near(&expected, crate::tolerances::of(optimize), "cell:2");
    }
}

#[test]
fn a_wrong_input_is_told_with_its_shape() {
    let golden = Golden::load("mlp");
    let wrong = Tensor::zeros([3, 17], tch::kind::FLOAT_CPU);
    for optimize in [false, true] {
        let (mut model, layers) = tapped("mlp.pt", &golden.input(), optimize);
        let error = model.run(&wrong, &mut |_, _| Ok(Answer::Keep)).err().unwrap();
        let text = error.to_string();
        assert!(text.starts_with("failed to run "), "{text}");
        assert!(text.contains("mlp.pt") && text.contains("3×17"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert_eq!(seen(&mut model, &layers, &golden.input()).0.len(), layers.len());
    }
}
