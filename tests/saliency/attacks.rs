//! FGSM and PGD against their definition in PyTorch, and noise.

use repsim::classifier::OutputForm;
use repsim::data::{Preprocess, Preset};
use repsim::functional::{Perturbation, Perturbed, Pixels, Robustness, predicted};
use repsim::saliency::{Images, forward};
use repsim::torchscript::{Execution, Model};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::support::{MEAN, STD, WAYS, archive, array, assert_maps, input, listing, numbers};
use crate::tolerances::{FLOAT64_NETWORK, MARGIN};

/// By how much a strength of 10⁻⁹ may change logits, as a share of the largest.
const NOTHING: f64 = 1e-5;

fn plan(kinds: &[Perturbation], epsilon: &[f64]) -> Robustness {
    let raw = Preprocess::preset(Preset::Raw);
    let steps = Preprocess { mean: vec![MEAN], std: vec![STD], ..raw };
    Robustness {
        kinds: kinds.to_vec(),
        noise: epsilon.to_vec(),
        epsilon: epsilon.to_vec(),
        steps: 10,
        seed: 5,
        pixels: Pixels::of(&steps),
        form: OutputForm::Logits,
    }
}

fn model(name: &str, optimize: bool) -> Model {
    let mut model = Model::load(archive(name), false).unwrap();
    model.prepare(&[], &Execution { optimize, device: Device::Cpu }).unwrap();
    model
}

fn perturbed(
    plan: &Robustness,
    model: &mut Model,
    (x, indices): (&Tensor, &[usize]),
    classes: &[i64],
) -> Perturbed {
    let images = Images { input: x, indices, labels: None };
    let mut told = 0;
    let found = plan.perturb(model, &images, classes, &mut |n| told += n).unwrap();
    assert_eq!(told, plan.runs() * indices.len());
    found
}

fn list(json: &Value) -> Vec<i64> {
    numbers(json).into_iter().map(|number| number as i64).collect()
}

/// Each pixel goes the way of its gradient's sign, and no gradient is near zero.
#[test]
fn attacks_are_what_the_definition_gives() {
    let json = listing("probes.json");
    for (name, optimize) in WAYS {
        let golden = &json[name]["attacks"];
        assert!(numbers(&golden["least_gradient"])[0] >= MARGIN);
        let epsilon: Vec<f64> = golden["perturbed"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| numbers(&p["epsilon"])[0])
            .collect();
        let plan = plan(&[Perturbation::Fgsm, Perturbation::Pgd], &epsilon);
        let rows = list(&golden["rows"]);
        let labels = list(&golden["labels"]);
        let x = input().index_select(0, &Tensor::from_slice(&rows));
        let found = perturbed(&plan, &mut model(name, optimize), (&x, &[0, 1, 2, 3]), &labels);
        assert_eq!(found.flat, [None; 4]);
        for (kind, all) in ["fgsm", "pgd"].into_iter().zip(&found.logits) {
            for (golden, logits) in golden["perturbed"].as_array().unwrap().iter().zip(all) {
                let what = format!("{kind} of {name} at {}", golden["epsilon"]);
                let expected = Tensor::from_slice(&numbers(&golden[kind])).reshape([4, 10]);
                assert_maps(logits, &array(&expected), FLOAT64_NETWORK, &what);
            }
        }
    }
}

/// The cross entropy of each image.
fn losses(logits: &Tensor, classes: &[i64]) -> Vec<f64> {
    let index = Tensor::from_slice(classes).unsqueeze(1);
    let all = -logits.log_softmax(1, Kind::Double).gather(1, &index, false);
    array(&all).into_iter().collect()
}

/// The attacks stay in their ball and in 0…1, and raise the loss where noise of the same size hardly
/// does: the logit of the class falls the more, the larger ε, and by PGD further than by FGSM.
#[test]
fn attacks_lower_the_logit_of_the_class() {
    let (x, mut model) = (input(), model("seed0", true));
    let logits = forward(&mut model, &x).unwrap();
    let classes: Vec<i64> =
        predicted(&logits).unwrap().into_iter().map(|c| c.unwrap() as i64).collect();
    let kinds = [Perturbation::Noise, Perturbation::Fgsm, Perturbation::Pgd];
    let plan = plan(&kinds, &[0.005, 0.02]);
    let indices: Vec<usize> = (0..12).collect();
    let found = perturbed(&plan, &mut model, (&x, &indices), &classes);
    let loss = |logits: &Tensor| losses(logits, &classes).iter().sum::<f64>() / 12.0;
    let clean = loss(&logits);
    let of: Vec<Vec<f64>> = found.logits.iter().map(|all| all.iter().map(loss).collect()).collect();
    assert!(of[1][0] > clean && of[1][1] > of[1][0], "{clean} {of:?}");
    assert!(of[2][0] > of[1][0] && of[2][1] > of[1][1], "{of:?}");
    assert!(of[0][1] < of[1][0], "{of:?}");
}

/// Two things hold at once for ε → 0: no prediction flips, and the logits come back.
#[test]
fn nothing_changes_without_strength() {
    let (x, mut model) = (input(), model("seed1", true));
    let logits = forward(&mut model, &x).unwrap();
    let kinds = [Perturbation::Noise, Perturbation::Fgsm, Perturbation::Pgd];
    let indices: Vec<usize> = (0..12).collect();
    let found = perturbed(&plan(&kinds, &[1e-9]), &mut model, (&x, &indices), &[1; 12]);
    for perturbed in found.logits.iter().flatten() {
        assert_eq!(predicted(perturbed).unwrap(), predicted(&logits).unwrap());
        let largest = logits.abs().max().double_value(&[]);
        assert!(perturbed.allclose(&logits, 0.0, NOTHING * largest, false));
    }
}

/// The noise of an image is its own: it does not depend on the batch, and σ only scales it.
#[test]
fn noise_is_of_the_image() {
    let (x, mut model) = (input(), model("seed0", true));
    let plan = plan(&[Perturbation::Noise], &[0.05]);
    let indices: Vec<usize> = (0..12).collect();
    let whole = perturbed(&plan, &mut model, (&x, &indices), &[0; 12]);
    for start in [0, 5, 11] {
        let part = x.narrow(0, start, 1);
        let alone = perturbed(&plan, &mut model, (&part, &[start as usize]), &[0]);
        let expected = whole.logits[0][0].narrow(0, start, 1);
        assert_maps(&alone.logits[0][0], &array(&expected), FLOAT64_NETWORK, "noise");
    }
    let other = Robustness { seed: 6, ..plan };
    let drawn = perturbed(&other, &mut model, (&x, &indices), &[0; 12]);
    assert!(drawn.logits[0][0] != whole.logits[0][0]);
    assert!(whole.flat.is_empty());
}
