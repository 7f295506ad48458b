//! Gradients through a tail.

use repsim::torchscript::Answer;
use tch::{Kind, Tensor};

use crate::support::{RESNETS, ROUNDING, assert_near, place, prepared_for, random};

const LAYERS: [&str; 4] = ["relu", "layer2", "layer4", "avgpool"];

/// With the layer tapped alone, so that the tail is that of an optimised model.
#[test]
fn are_those_of_the_whole_model() {
    for archive in RESNETS {
        for (name, optimize) in LAYERS.iter().flat_map(|name| [(*name, false), (*name, true)]) {
            let input = random(&[3, 3, 32, 32], 1);
            let (mut model, _) = prepared_for(archive, &input, optimize, |n| n == name);
            let score = |output: &Tensor| output.select(1, 3).sum(Kind::Float);
            let wanted = model.tail_gradients(&input, |output| Ok(score(output))).unwrap();
            let mut tail = model.cut(0).unwrap();
            let leaf = wanted.layers[0].activation.detach().copy().set_requires_grad(true);
            let output = tail.run_with_gradients(&leaf, &mut |_, _| Ok(Answer::Keep));
            let output = output.unwrap().unwrap();
            assert_near(&output.detach(), &wanted.output, ROUNDING, name);
            score(&output).backward();
            assert_near(&leaf.grad(), &wanted.layers[0].gradient, ROUNDING, name);
        }
    }
}

/// What a stitch is trained with: ∂s/∂w where the activation is w·x.
#[test]
fn reach_what_the_activation_was_computed_from() {
    for optimize in [false, true] {
        let input = random(&[3, 3, 32, 32], 2);
        let (mut model, layers) =
            prepared_for(RESNETS[0], &input, optimize, |n| n == "layer3" || n == "fc");
        let wanted =
            model.tail_gradients(&input, |output| Ok(output.square().sum(Kind::Float))).unwrap();
        let layer = place(&layers, "layer3");
        let mut tail = model.cut(layer).unwrap();
        let weight = Tensor::from(1.0_f32).set_requires_grad(true);
        let activation = &wanted.layers[layer].activation;
        let output = tail.run_with_gradients(&(activation * &weight), &mut |_, _| Ok(Answer::Keep));
        output.unwrap().unwrap().square().sum(Kind::Float).backward();
        let by_hand = (activation * &wanted.layers[layer].gradient).sum(Kind::Float);
        assert_near(
            &weight.grad().reshape([1]),
            &by_hand.reshape([1]),
            1e-5,
            "the stitch's weight",
        );
    }
}

#[test]
fn are_recorded_only_where_asked_for() {
    let input = random(&[2, 3, 32, 32], 3);
    for optimize in [false, true] {
        let (mut model, layers) = prepared_for(RESNETS[0], &input, optimize, |n| n == "layer4");
        let mut tail = model.cut(0).unwrap();
        let (given, _) = crate::support::whole(&mut model, &layers, &input);
        let keep = &mut |_: usize, _: &Tensor| Ok(Answer::Keep);
        let leaf = given[0].copy().set_requires_grad(true);
        assert!(!tail.run(&leaf, keep).unwrap().unwrap().requires_grad());
        assert!(tail.run_with_gradients(&leaf, keep).unwrap().unwrap().requires_grad());
        let plain = tail.run_with_gradients(&given[0], keep).unwrap().unwrap();
        assert!(!plain.requires_grad(), "a parameter requires gradients");
    }
}
