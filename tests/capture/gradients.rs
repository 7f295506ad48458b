//! Gradients of a logit with respect to the input and to inner activations, against autograd's.

use repsim::torchscript::{Gradients, Layer, Model};
use tch::{Kind, Tensor};

use crate::golden::{Golden, Seen, execution, probed, texts};
use crate::tolerances;

/// A model prepared for the layers whose gradients are golden.
fn prepared(golden: &Golden, archive: &str, optimize: bool) -> (Model, Vec<Layer>) {
    let wanted = texts(&golden.json["gradients"]);
    let (mut model, layers) = probed(archive, &golden.input());
    let layers: Vec<Layer> =
        layers.into_iter().filter(|l| wanted.contains(&l.name.as_str())).collect();
    assert_eq!(layers.len(), wanted.len() - 1);
    model.prepare(&layers, &execution(optimize)).unwrap();
    (model, layers)
}

/// The logit of one class, summed over the batch.
fn gradients(model: &mut Model, golden: &Golden) -> Gradients {
    let class = golden.json["gradient_class"].as_i64().unwrap();
    let score = |output: &Tensor| Ok(output.select(1, class).sum(Kind::Float));
    model.gradients(&golden.input(), score).unwrap()
}

/// How near zero an input of a ReLU may lie, as a share of the largest of its call: ten times what
/// float32 rounds, so that no processor puts it on the other side.
const MARGIN: f64 = 1e-5;

fn check(optimize: bool) {
    let golden = Golden::load("tiny_resnet");
    assert!(golden.json["margin"].as_f64().unwrap() >= MARGIN);
    let share = tolerances::of(optimize);
    for archive in golden.archives() {
        let (mut model, layers) = prepared(&golden, archive, optimize);
        let found = gradients(&mut model, &golden);
        let near = |tensor: &Tensor, name: &str| {
            let expected = Seen::of_array(golden.array(name));
            Seen::of(tensor).assert_near(&expected, share, &format!("{name} of {archive}"));
        };
        near(&found.input, "gradient/input");
        near(&found.output, "output");
        assert_eq!(found.layers.len(), layers.len());
        for (layer, of_layer) in layers.iter().zip(&found.layers) {
            near(&of_layer.gradient, &format!("gradient/{}", layer.name));
            near(&of_layer.activation, &format!("layer/{}", layer.name));
        }
    }
}

#[test]
fn of_plain_modules_are_those_of_autograd() {
    check(false);
}

#[test]
fn of_optimised_modules_are_those_of_autograd() {
    check(true);
}

#[test]
fn are_the_same_in_every_run() {
    let golden = Golden::load("tiny_resnet");
    for archive in golden.archives() {
        for optimize in [false, true] {
            let (mut model, _) = prepared(&golden, archive, optimize);
            let first = all(&gradients(&mut model, &golden));
            for _ in 0..4 {
                let again = all(&gradients(&mut model, &golden));
                assert!(again == first, "{archive}, optimised: {optimize}");
            }
        }
    }
}

fn all(gradients: &Gradients) -> Vec<Seen> {
    let layers = gradients.layers.iter().map(|l| Seen::of(&l.gradient));
    layers.chain([Seen::of(&gradients.input)]).collect()
}

/// A run with gradients leaves nothing behind in one without.
#[test]
fn do_not_change_later_runs() {
    let golden = Golden::load("tiny_resnet");
    for optimize in [false, true] {
        let (mut model, layers) = prepared(&golden, "tiny_resnet_scripted.pt", optimize);
        let before = crate::golden::seen(&mut model, &layers, &golden.input());
        gradients(&mut model, &golden);
        let after = crate::golden::seen(&mut model, &layers, &golden.input());
        assert!(before.0 == after.0);
        assert_eq!(Seen::of(&before.1), Seen::of(&after.1));
        assert!(!after.1.requires_grad());
    }
}

#[test]
fn need_a_score_that_depends_on_the_input() {
    let golden = Golden::load("tiny_resnet");
    let (mut model, _) = prepared(&golden, "tiny_resnet_scripted.pt", false);
    let constant = |_: &Tensor| Ok(Tensor::from(1.0_f32).set_requires_grad(true));
    let found = model.gradients(&golden.input(), constant);
    let error = found.err().expect("there are gradients of a constant").to_string();
    assert!(error.contains("failed to differentiate"), "{error}");
}
