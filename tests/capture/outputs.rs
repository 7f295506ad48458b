//! What modules and networks return beside one tensor: tuples, named tuples and dictionaries.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use repsim::torchscript::{Answer, Model, Selection};
use serde_json::Value;
use tch::Tensor;

use crate::exported::{EXACT, assert_is, cases, input, names, path, run};
use crate::golden::{Seen, execution};

/// The golden tensors with the names that the layers of a tuple's elements have.
fn golden_elements(case: &Value) -> Vec<(String, &Value)> {
    let mut found = vec![];
    for module in case["layers"].as_array().unwrap() {
        let name = module["name"].as_str().unwrap();
        let (path, call) =
            name.split_once(':').map_or((name, ""), |_| name.split_at(name.len() - 2));
        match module.get("elements") {
            None => found.push((name.to_owned(), module)),
            Some(elements) => {
                let elements = elements.as_array().unwrap().iter().enumerate();
                found.extend(elements.map(|(place, v)| (format!("{path}:{place}{call}"), v)));
            }
        }
    }
    found
}

#[test]
fn each_tensor_of_a_tuple_is_a_layer() {
    let cases = cases();
    let case = &cases["tuples"];
    let expected = golden_elements(case);
    for optimize in [false, true] {
        let (layers, all) = run("tuples.pt", &input(case), optimize);
        let wanted: Vec<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names(&layers), wanted);
        assert!(wanted.contains(&"rnn:2") && wanted.contains(&"halves:1:2"), "{wanted:?}");
        for ((name, golden), (_, seen)) in expected.iter().zip(&all) {
            assert_is(seen, golden, EXACT, name);
        }
        let chosen = |pattern: &str| {
            let selection = Selection::new(&[pattern]).unwrap();
            selection.choose(&layers, Path::new("tuples.pt")).unwrap()
        };
        assert_eq!(names(&chosen("rnn")), ["rnn:0"]);
        assert_eq!(
            names(&chosen("halves:*")),
            ["halves:0", "halves:1", "halves:0:2", "halves:1:2"]
        );
        let default: Vec<&str> =
            layers.iter().filter(|l| l.by_default).map(|l| l.name.as_str()).collect();
        assert_eq!(default, ["rnn:0", "halves.fc", "halves.fc:2"]);
    }
}

#[test]
fn outputs_have_the_numbers_that_they_have_in_the_tuple() {
    let cases = cases();
    let case = &cases["orders"];
    let golden: BTreeMap<String, &Value> = golden_elements(case).into_iter().collect();
    let of_torch = [
        "long:2",
        "gated:0",
        "gated:1",
        "cell:0",
        "cell:1",
        "cell:0:2",
        "cell:1:2",
        "both:0",
        "both:1",
        "weights:1",
    ];
    for (archive, wanted, unknown) in [
        (
            "orders.pt2",
            vec![],
            vec![("late:made0", "late:1"), ("late:made1", "late:0"), ("second", "second:1")],
        ),
        ("orders_preserved.pt2", vec!["late:0", "late:1", "second:1"], vec![]),
        (
            "orders.pt",
            vec![],
            vec![("late:0", "late:0"), ("late:1", "late:1"), ("second", "second:1")],
        ),
    ] {
        let (layers, all) = run(archive, &input(case), false);
        let inner = |name: &&str| !name.contains('.');
        let found: BTreeSet<&str> = names(&layers).into_iter().filter(inner).collect();
        let named = unknown.iter().map(|(name, _)| *name);
        // What no one uses of the second call of the cell, the trace does not compute.
        let computed = |name: &&str| archive != "orders.pt" || *name != "cell:0:2";
        let of_torch = of_torch.into_iter().filter(computed);
        assert_eq!(found, of_torch.chain(wanted).chain(named).collect(), "{archive}");
        for (name, seen) in &all {
            let known = unknown.iter().find(|(other, _)| other == name);
            let golden = golden[known.map_or(name.as_str(), |(_, element)| element)];
            assert_is(seen, golden, EXACT, &format!("{name} of {archive}"));
        }
        let choose = |patterns: &[&str]| {
            let selection = Selection::new(patterns).unwrap();
            selection.choose(&layers, Path::new(archive)).map_err(|error| error.to_string())
        };
        assert_eq!(names(&choose(&["gated"]).unwrap()), ["gated:0"]);
        assert!(choose(&["long"]).unwrap_err().contains("long:2"), "{archive}");
        let default = choose(&[]).unwrap();
        let default = names(&default);
        assert_eq!(default.contains(&"late:0"), archive != "orders.pt2", "{default:?}");
        assert!(default.iter().all(|name| !name.contains("made")), "{default:?}");
        if archive == "orders.pt2" {
            let said = choose(&["late"]).unwrap_err();
            assert!(said.contains("preserve_module_call_signature=('late',)"), "{said}");
        }
    }
}

/// What a model gives where a part of its output was chosen.
fn part(archive: &str, key: &str, input: &Tensor) -> Seen {
    let mut model = Model::load(path(archive), false).unwrap();
    model.choose_part(key).unwrap();
    let layers = model.probe(input).unwrap();
    model.prepare(&layers, &execution(true)).unwrap();
    let output = model.run(input, &mut |_, _| Ok(Answer::Keep)).unwrap();
    Seen::of(&output.unwrap_or_else(|| panic!("{key} of {archive} is not a tensor")))
}

#[test]
fn parts_of_outputs_are_chosen_by_name() {
    let cases = cases();
    for (archive, case, keys) in [
        ("named.pt", "named", ["logits", "features"]),
        ("named.pt", "named", ["0", "1"]),
        ("mapped.pt", "mapped", ["logits", "aux.features"]),
    ] {
        for (place, key) in keys.into_iter().enumerate() {
            let values = cases[case]["returned"][place].as_array().unwrap();
            let values = values.iter().map(|v| v.as_f64().unwrap()).collect();
            let found = part(archive, key, &input(&cases[case]));
            let wanted = Seen { shape: found.shape.clone(), values };
            found.assert_near(&wanted, EXACT, &format!("{key} of {archive}"));
        }
    }
    let states = |module: &str, key: &str| part(module, key, &input(&cases["lstm"]));
    assert_eq!(states("lstm.pt2", "logits").shape, [3, 3]);
    assert_eq!(states("lstm.pt2", "state.1").shape, [1, 3, 5]);
    assert_eq!(part("tuples.pt", "1.0", &input(&cases["tuples"])).shape, [1, 3, 6]);
}

#[test]
fn a_part_that_is_not_there_is_told_with_those_that_are() {
    for (archive, parts) in [
        ("named.pt", "(logits, features)"),
        ("mapped.pt", "(logits, aux.features)"),
        ("lstm.pt2", "(logits, state.0, state.1)"),
        ("resnet.pt", "(no parts)"),
    ] {
        let mut model = Model::load(path(archive), false).unwrap();
        let said = model.choose_part("loss").unwrap_err().to_string();
        assert!(said.contains("has no 'loss'") && said.contains(parts), "{said}");
        assert!(said.contains("--output-key"), "{said}");
    }
}
