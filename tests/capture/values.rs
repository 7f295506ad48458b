//! The values that taps see, plain and optimised, and that taps leave the model as it is.

use tch::CModule;

use crate::golden::{Golden, Seen, execution, path, probed, seen, tapped};
use crate::tolerances::{self, OUTPUT};

/// All layers of all archives of a case against the golden values, under this prefix.
fn check_case(case: &str, prefix: &str) {
    let golden = Golden::load(case);
    for archive in golden.archives() {
        for optimize in [false, true] {
            check(&golden, archive, prefix, optimize);
        }
    }
}

fn check(golden: &Golden, archive: &str, prefix: &str, optimize: bool) {
    let (mut model, layers) = tapped(archive, &golden.input(), optimize);
    let (all, output) = seen(&mut model, &layers, &golden.input());
    let names: Vec<&String> = all.iter().map(|(name, _)| name).collect();
    let probed: Vec<&String> = layers.iter().map(|l| &l.name).collect();
    assert_eq!(names, probed, "order in {archive}");
    let share = tolerances::of(optimize);
    for (name, found) in &all {
        let expected = Seen::of_array(golden.array(&format!("{prefix}/{name}")));
        found.assert_near(&expected, share, &format!("{name} of {archive}, {optimize}"));
    }
    let expected = Seen::of_array(golden.array("output"));
    Seen::of(&output).assert_near(&expected, share, &format!("output of {archive}"));
}

#[test]
fn of_a_resnet_are_those_of_forward_hooks() {
    check_case("tiny_resnet", "layer");
}

#[test]
fn of_a_network_with_branches_and_loops() {
    check_case("control_flow", "layer");
}

#[test]
fn of_a_network_that_is_not_for_images() {
    check_case("mlp", "layer");
}

#[test]
fn of_small_networks() {
    for case in ["identity", "nan_layer", "constant_layer", "varying"] {
        check_case(case, "layer");
    }
}

#[test]
fn of_a_frozen_archive_are_those_of_its_operators() {
    check_case("frozen", "operator");
}

/// The ReLU behind `bn1` works in place: a tap that only kept the tensor would see no value below
/// zero.
#[test]
fn before_an_operator_in_place_are_not_overwritten() {
    let golden = Golden::load("tiny_resnet");
    for archive in golden.archives() {
        for optimize in [false, true] {
            let (mut model, layers) = tapped(archive, &golden.input(), optimize);
            let (all, _) = seen(&mut model, &layers, &golden.input());
            for name in ["bn1", "layer1.0.bn1", "layer1.0.bn2"] {
                let (_, layer) = all.iter().find(|(found, _)| found == name).unwrap();
                let below = layer.values.iter().filter(|v| **v < 0.0).count();
                assert!(below > 0, "{name} of {archive} has no value below zero");
            }
        }
    }
}

/// What the module gives that nothing was done to.
fn untouched(archive: &str, golden: &Golden) -> Seen {
    let mut module = CModule::load(path(archive)).unwrap();
    module.f_set_eval().unwrap();
    Seen::of(&module.forward_ts(&[golden.input()]).unwrap())
}

#[test]
fn of_the_output_are_unchanged_by_taps() {
    for case in ["tiny_resnet", "control_flow", "mlp", "identity", "varying", "frozen"] {
        let golden = Golden::load(case);
        for archive in golden.archives() {
            let expected = untouched(archive, &golden);
            let output = |optimize: bool| {
                let (mut model, layers) = tapped(archive, &golden.input(), optimize);
                Seen::of(&seen(&mut model, &layers, &golden.input()).1)
            };
            assert_eq!(output(false), expected, "{archive}: not the same bits");
            output(true).assert_near(&expected, OUTPUT, &format!("output of {archive}"));
        }
    }
}

#[test]
fn are_the_same_in_every_run() {
    let golden = Golden::load("tiny_resnet");
    for archive in golden.archives() {
        for optimize in [false, true] {
            let (mut model, layers) = tapped(archive, &golden.input(), optimize);
            let first = seen(&mut model, &layers, &golden.input()).0;
            for _ in 0..3 {
                assert!(seen(&mut model, &layers, &golden.input()).0 == first, "{archive}");
            }
        }
    }
}

/// Only some layers tapped, in another batch size than that of the probe.
#[test]
fn of_some_layers_and_other_batches() {
    for names in [["bn1", "layer3"], ["layer1.0.relu:2", "fc"]] {
        for optimize in [true, false] {
            check_some(names, &[optimize]);
        }
    }
}

/// The taps of other layers are gone once a model is prepared: a second time is refused, and so is a
/// run before.
#[test]
fn of_a_model_prepared_anew() {
    let golden = Golden::load("tiny_resnet");
    let (mut model, all) = probed("tiny_resnet_scripted.pt", &golden.input().narrow(0, 0, 2));
    let run = model.run(&golden.input(), &mut |_, _| Ok(repsim::torchscript::Answer::Keep));
    let error = run.map(drop).unwrap_err().to_string();
    assert!(error.contains("has not been prepared"), "{error}");
    model.prepare(&all[..1], &execution(true)).unwrap();
    let error = model.prepare(&all[1..2], &execution(true)).unwrap_err().to_string();
    assert!(error.contains("has been prepared before"), "{error}");
}

/// Prepares each archive once for each way to run, for the layers named and, in between, for one
/// other.
fn check_some(names: [&str; 2], ways: &[bool]) {
    let golden = Golden::load("tiny_resnet");
    let input = golden.input();
    for archive in golden.archives() {
        let (mut model, all) = probed(archive, &input.narrow(0, 0, 2));
        let named = |names: &[&str]| {
            all.iter().filter(|l| names.contains(&l.name.as_str())).cloned().collect::<Vec<_>>()
        };
        for (i, &optimize) in ways.iter().enumerate() {
            if i > 0 {
                model.prepare(&named(&["conv1"]), &execution(optimize)).unwrap();
            }
            let chosen = named(&names);
            model.prepare(&chosen, &execution(optimize)).unwrap();
            let (found, _) = seen(&mut model, &chosen, &input);
            assert_eq!(found.len(), 2);
            for (name, values) in found {
                let expected = Seen::of_array(golden.array(&format!("layer/{name}")));
                values.assert_near(&expected, tolerances::of(optimize), &name);
            }
        }
    }
}
