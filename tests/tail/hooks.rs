//! Hooks behind the cut: called for the same layers with the same tensors as in a whole run.

use repsim::error::Error;
use repsim::torchscript::{Answer, Layer};
use tch::Tensor;

use crate::support::{
    RESNETS, assert_same, golden, output, place, prepared, prepared_for, random, whole,
};

/// What the hook of a tail was called with.
fn heard(archive: &str, input: &Tensor, name: &str, optimize: bool) -> Vec<String> {
    let (mut model, layers) = prepared(archive, input, optimize);
    let (given, _) = whole(&mut model, &layers, input);
    let layer = place(&layers, name);
    let mut tail = model.cut(layer).unwrap();
    let mut found = vec![];
    let output = tail.run(&given[layer], &mut |i, output| {
        assert_same(output, &given[i], &format!("{} behind {name}", layers[i].name));
        found.push(i);
        Ok(Answer::Keep)
    });
    assert!(output.unwrap().is_some());
    let mut sorted = found.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, tail.heard());
    found.into_iter().map(|i| layers[i].name.clone()).collect()
}

/// The layers that end after this one.
fn behind(layers: &[Layer], name: &str) -> Vec<String> {
    layers[place(layers, name) + 1..].iter().map(|l| l.name.clone()).collect()
}

#[test]
fn are_called_for_all_layers_behind() {
    for archive in RESNETS {
        let input = random(&[2, 3, 32, 32], 1);
        let (_, layers) = prepared(archive, &input, false);
        for optimize in [false, true] {
            for name in ["conv1", "layer1", "layer3.0", "layer4", "fc"] {
                let found = heard(archive, &input, name, optimize);
                assert_eq!(found, behind(&layers, name), "{archive} {optimize}");
            }
        }
    }
}

/// The second of three calls of a module: the third is heard as the third.
#[test]
fn know_which_call_it_is() {
    for archive in ["flat_view_scripted.pt", "flat_view_traced.pt"] {
        let input = random(&[2, 3, 8, 8], 2);
        for optimize in [false, true] {
            let found = heard(&golden(archive), &input, "relu:2", optimize);
            assert_eq!(found, ["pool", "relu:3", "head:input", "head"]);
        }
    }
}

#[test]
fn are_called_in_branches_and_loops() {
    let input = random(&[3, 4], 3);
    for optimize in [false, true] {
        let found = heard(&golden("branches.pt"), &input, "stem", optimize);
        assert_eq!(found[..3], ["cell", "cell:2", "cell:3"]);
        assert_eq!(found.len(), 4);
    }
}

/// What leads to nothing, or to an output that was not chosen, is heard where it can be computed.
#[test]
fn are_not_called_for_a_path_around() {
    let input = random(&[3, 4], 4);
    for optimize in [false, true] {
        let (mut model, layers) = prepared(&golden("two_outputs.pt"), &input, optimize);
        model.choose_output(0);
        let tail = model.cut(place(&layers, "stem")).unwrap();
        let names: Vec<&str> = tail.heard().iter().map(|&i| layers[i].name.as_str()).collect();
        assert_eq!(names, ["relu", "head:input", "head"]);
    }
}

#[test]
fn can_replace_stop_and_fail() {
    for optimize in [false, true] {
        let input = random(&[2, 3, 32, 32], 5);
        let (mut model, layers) =
            prepared_for(RESNETS[0], &input, optimize, |n| n == "layer3" || n == "layer4");
        let (given, wanted) = whole(&mut model, &layers, &input);
        let mut tail = model.cut(0).unwrap();
        let replaced = |tensor: &Tensor| Ok(Answer::Replace(tensor.zeros_like()));
        let zeros = tail.run(&given[0], &mut |_, t| replaced(t)).unwrap().unwrap();
        let by_whole = model
            .run(&input, &mut |i, t| if i == 1 { replaced(t) } else { Ok(Answer::Keep) })
            .unwrap()
            .unwrap();
        assert_same(&zeros, &by_whole, "zeros for layer4");
        assert!(tail.run(&given[0], &mut |_, _| Ok(Answer::Stop)).unwrap().is_none());
        let failed = tail.run(&given[0], &mut |_, _| Err(Error::usage("no", "do better")));
        assert_eq!(failed.err().unwrap().to_string(), "no; do better");
        assert_same(&output(&mut tail, &given[0]), &wanted, "after a failure");
    }
}

/// A layer behind the cut that runs less often than when it was probed.
#[test]
fn miss_no_layer_silently() {
    for optimize in [false, true] {
        let (model, layers) = prepared(&golden("branches.pt"), &random(&[3, 4], 6), optimize);
        let mut tail = model.cut(place(&layers, "stem")).unwrap();
        let mut texts = vec![];
        for sign in [-10.0, 10.0] {
            let activation = random(&[3, 6], 7) + sign;
            if let Err(error) = tail.run(&activation, &mut |_, _| Ok(Answer::Keep)) {
                texts.push(error.to_string());
            }
        }
        assert_eq!(texts.len(), 1, "one of the two goes through the other branch");
        assert!(texts[0].contains("ran 0 times for this batch but 1 times before"), "{texts:?}");
    }
}
