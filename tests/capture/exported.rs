//! Archives of `torch.export`: layers and values are those of forward hooks, and of the same network's
//! TorchScript.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use repsim::torchscript::{Layer, Model};
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::golden::{Seen, execution};

/// Shares of a layer's values that sums in another order may make, in the type it is computed in: a
/// few units of float64's last place, and of the 8 or 11 bits of the short types.
pub const EXACT: f64 = 1e-11;
const HALF: f64 = 4.0 / 2048.0;
const BFLOAT16: f64 = 4.0 / 256.0;

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/export").join(name)
}

pub fn cases() -> Value {
    serde_json::from_str(&std::fs::read_to_string(path("cases.json")).unwrap()).unwrap()
}

pub fn input(case: &Value) -> Tensor {
    let given = &case["input"];
    let values: Vec<f64> =
        given["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let shape: Vec<i64> =
        given["shape"].as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect();
    let kind = match given["dtype"].as_str().unwrap() {
        "int64" => Kind::Int64,
        "bfloat16" => Kind::BFloat16,
        "float16" => Kind::Half,
        _ => Kind::Double,
    };
    Tensor::from_slice(&values).view(shape.as_slice()).to_kind(kind)
}

pub fn names(layers: &[Layer]) -> Vec<&str> {
    layers.iter().map(|layer| layer.name.as_str()).collect()
}

/// What a run shows of each layer.
pub fn run(name: &str, input: &Tensor, optimize: bool) -> (Vec<Layer>, Vec<(String, Seen)>) {
    let mut model = Model::load(path(name), false).unwrap();
    let layers = model.probe(input).unwrap();
    model.prepare(&layers, &execution(optimize)).unwrap();
    if optimize {
        assert!(model.optimization_note().is_none(), "{name}: {:?}", model.optimization_note());
    }
    let mut all = vec![];
    let run = model.run(input, &mut |place, output| {
        all.push((layers[place].name.clone(), Seen::of(output)));
        Ok(repsim::torchscript::Answer::Keep)
    });
    run.unwrap();
    (layers, all)
}

/// A golden layer: its name here, its class and parameters, its values.
struct Golden<'a> {
    name: String,
    module: &'a Value,
    values: &'a Value,
}

/// The golden layers that a program has: all but those of modules that run nothing. Of an LSTM whose
/// states no other module takes the program has the sequence only; of other tuples not the order, which
/// is here that in which they are computed.
fn expected(case: &Value) -> Vec<Golden<'_>> {
    let silent: BTreeSet<&str> =
        case["silent"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    let mut expected = vec![];
    for module in case["layers"].as_array().unwrap() {
        let name = module["name"].as_str().unwrap();
        let (path, _) = name.split_once(':').unwrap_or((name, ""));
        let elements = module.get("elements").map(|elements| elements.as_array().unwrap());
        match elements {
            _ if silent.contains(path) => {}
            None => expected.push(Golden { name: name.to_owned(), module, values: module }),
            Some(elements) if module["class"] == "LSTM" => {
                expected.push(Golden { name: name.to_owned(), module, values: &elements[0] });
            }
            Some(elements) => {
                expected.extend(elements.iter().enumerate().map(|(place, values)| Golden {
                    name: format!("{name}:made{place}"),
                    module,
                    values,
                }))
            }
        }
    }
    expected
}

#[track_caller]
pub fn assert_is(seen: &Seen, golden: &Value, share: f64, what: &str) {
    let shape: Vec<usize> =
        golden["shape"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect();
    assert_eq!(seen.shape, shape, "shape of {what}");
    let sum: f64 = seen.values.iter().map(|v| v.abs()).sum();
    let wanted = golden["sum"].as_f64().unwrap();
    assert!((sum - wanted).abs() <= share * wanted, "{what}: |x| sums to {sum}, not {wanted}");
    let largest = seen.values.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    for sample in golden["samples"].as_array().unwrap() {
        let place = sample[0].as_u64().unwrap() as usize;
        let (value, wanted) = (seen.values[place], sample[1].as_f64().unwrap());
        let off = (value - wanted).abs();
        assert!(off <= share * largest, "{what}[{place}] is {value}, not {wanted}");
    }
}

/// All layers of a case against the hooks, as loaded and optimised.
fn agrees(name: &str, share: f64) {
    let cases = cases();
    let case = &cases[name];
    let input = input(case);
    let expected = expected(case);
    for optimize in [false, true] {
        let (layers, all) = run(&format!("{name}.pt2"), &input, optimize);
        let wanted: Vec<&str> = expected.iter().map(|golden| golden.name.as_str()).collect();
        assert_eq!(names(&layers), wanted, "layers of {name}");
        for ((golden, layer), (_, seen)) in expected.iter().zip(&layers).zip(&all) {
            assert_eq!(layer.type_name, golden.module["class"].as_str().unwrap(), "{}", layer.name);
            assert_eq!(
                layer.parameters,
                golden.module["parameters"].as_u64().unwrap(),
                "{}",
                layer.name
            );
            // Folded batch norms round differently in the short types.
            if share == EXACT || !optimize {
                assert_is(seen, golden.values, share, &format!("{} of {name}", layer.name));
            }
        }
    }
}

macro_rules! agree {
    ($($name:ident $share:ident),* $(,)?) => {
        $(#[test] fn $name() { agrees(stringify!($name), $share); })*
    };
}

agree! {
    resnet EXACT, resnet_strict EXACT, resnet_static EXACT, resnet_decomposed EXACT,
    resnet_bfloat16 BFLOAT16, resnet_half HALF, mobilenet EXACT, vit EXACT, swin EXACT,
    densenet EXACT, inception EXACT, lstm EXACT, lstm_preserved EXACT, bert EXACT, gpt2 EXACT,
    llama EXACT,
}

#[test]
fn another_batch_size_works_where_it_was_exported_dynamic() {
    let cases = cases();
    for name in ["resnet", "vit", "swin", "gpt2", "lstm"] {
        let three = input(&cases[name]);
        let five = Tensor::cat(&[&three, &three.narrow(0, 0, 2)], 0);
        let (_, three) = run(&format!("{name}.pt2"), &three, true);
        let (_, five) = run(&format!("{name}.pt2"), &five, true);
        for ((layer, three), (_, five)) in three.iter().zip(&five) {
            // Sizes of a batch axis differ; what stands for no sample is equal in both.
            if three.shape.first() == Some(&3) {
                let part = Seen {
                    shape: three.shape.clone(),
                    values: five.values[..three.values.len()].to_vec(),
                };
                part.assert_near(three, EXACT, &format!("{layer} of {name}"));
            }
        }
    }
}

#[test]
fn it_has_the_layers_of_the_same_networks_torchscript() {
    let cases = cases();
    for name in ["resnet", "vit"] {
        let input = input(&cases[name]);
        let (exported, values) = run(&format!("{name}.pt2"), &input, true);
        let (traced, same) = run(&format!("{name}.pt"), &input, true);
        let silent = cases[name]["silent"].as_array().unwrap();
        let traced: Vec<&Layer> =
            traced.iter().filter(|l| !silent.contains(&Value::from(l.name.as_str()))).collect();
        let shown =
            |l: &Layer| (l.name.clone(), l.type_name.clone(), l.parameters, l.axes, l.calls);
        let of_trace: Vec<_> = traced.iter().map(|l| shown(l)).collect();
        let of_export: Vec<_> = exported.iter().map(shown).collect();
        assert_eq!(of_export, of_trace, "{name}");
        for (layer, values) in &values {
            let (_, same) = same.iter().find(|(other, _)| other == layer).unwrap();
            values.assert_near(same, EXACT, &format!("{layer} of {name}"));
        }
    }
}

#[test]
fn modules_under_several_names_count_alike_in_all_archives() {
    let archives = ["shared.pt", "shared_script.pt", "shared.pt2", "shared_strict.pt2"];
    assert_are_those_of_hooks("shared", &archives);
}

#[test]
fn modules_that_share_their_tensors_are_several() {
    assert_are_those_of_hooks("tied", &["tied_script.pt", "tied.pt2"]);
    assert_are_those_of_hooks("tied_strict", &["tied_strict.pt", "tied_strict.pt2"]);
}

#[test]
fn modules_that_may_be_several_are_told() {
    let pairs = [("again", "lin"), ("chain.0", "one"), ("dec.1", "enc.0"), ("two", "one")];
    for (archive, wanted) in [
        ("shared_script.pt", &pairs[..]),
        ("shared.pt2", &pairs),
        ("shared.pt", &[]),
        ("shared_strict.pt2", &[]),
        ("tied_script.pt", &[("b2.lin", "b1.lin")]),
        ("tied.pt2", &[("b2.lin", "b1.lin")]),
    ] {
        let merged = Model::load(path(archive), false).unwrap().merged();
        let merged: Vec<_> = merged.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(merged, wanted, "{archive}");
    }
}

/// Asserts that archives of a network have the layers that its hooks saw.
fn assert_are_those_of_hooks(name: &str, archives: &[&str]) {
    let cases = cases();
    let case = &cases[name];
    let golden = case["layers"].as_array().unwrap();
    let wanted: Vec<&str> = golden.iter().map(|layer| layer["name"].as_str().unwrap()).collect();
    for archive in archives {
        let (layers, all) = run(archive, &input(case), false);
        assert_eq!(names(&layers), wanted, "layers of {archive}");
        for ((layer, golden), (_, seen)) in layers.iter().zip(golden).zip(&all) {
            let what = format!("{} of {archive}", layer.name);
            assert_eq!(layer.type_name, golden["class"].as_str().unwrap(), "{what}");
            assert_eq!(layer.parameters, golden["parameters"].as_u64().unwrap(), "{what}");
            assert_is(seen, golden, EXACT, &what);
        }
    }
}

#[test]
fn gradients_are_those_of_the_same_networks_torchscript() {
    let input = input(&cases()["resnet"]);
    let gradient = |archive: &str| {
        let mut model = Model::load(path(archive), false).unwrap();
        let layers = model.probe(&input).unwrap();
        let of: Vec<Layer> = layers.into_iter().filter(|l| l.name == "layer1.0").collect();
        model.prepare(&of, &execution(true)).unwrap();
        let found =
            model.gradients(&input, |logits: &Tensor| Ok(logits.select(1, 2).sum(logits.kind())));
        Seen::of(&found.unwrap().input)
    };
    gradient("resnet.pt2").assert_near(&gradient("resnet.pt"), EXACT, "gradient of the input");
}

#[test]
fn what_it_takes_and_gives_is_known() {
    let model = Model::load(path("lstm.pt2"), false).unwrap();
    let interface = model.interface();
    assert_eq!(interface.outputs, ["logits", "state.0", "state.1"]);
    assert_eq!(interface.inputs.len(), 1);
    assert_eq!(interface.inputs[0].name, "x");
    assert_eq!(interface.inputs[0].dtype, "float64");
    assert_eq!(interface.inputs[0].shape, [None, Some(6), Some(4)]);
    let model = Model::load(path("resnet_static.pt2"), false).unwrap();
    assert_eq!(model.interface().inputs[0].shape, [Some(3), Some(3), Some(16), Some(16)]);
}

/// The values of a run by layer.
fn by_name(name: &str, input: &Tensor) -> std::collections::BTreeMap<String, Seen> {
    run(name, input, true).1.into_iter().collect()
}

#[test]
fn a_batch_size_fixed_at_export_is_filled_up_and_cut() {
    let cases = cases();
    for (fixed, free, size) in
        [("vit_static", "vit", 3), ("swin_one", "swin", 1), ("lstm_static", "lstm", 3)]
    {
        let some = input(&cases[free]);
        let input = Tensor::cat(&[&some, &(&some * 0.5), &some.narrow(0, 0, 1)], 0);
        let mut model = Model::load(path(&format!("{fixed}.pt2")), false).unwrap();
        let layers = model.probe(&some.narrow(0, 0, 2)).unwrap();
        assert_eq!(model.fixed_batch(), Some(size), "{fixed}");
        assert!(layers.iter().all(|l| l.shape.get(l.axes.samples) != Some(&3)), "{fixed}");
        let free = by_name(&format!("{free}.pt2"), &input);
        let fixed_values = by_name(&format!("{fixed}.pt2"), &input);
        assert_eq!(free.len(), fixed_values.len());
        for (layer, values) in &fixed_values {
            values.assert_near(&free[layer], EXACT, &format!("{layer} of {fixed}"));
        }
    }
}

#[test]
fn a_network_exported_for_one_size_that_takes_any_is_run_on_any() {
    let input = input(&cases()["resnet"]);
    let mut model = Model::load(path("resnet_static.pt2"), false).unwrap();
    model.probe(&input.narrow(0, 0, 2)).unwrap();
    assert_eq!(model.fixed_batch(), None);
}

#[test]
fn gradients_pass_batches_of_a_fixed_size() {
    let some = input(&cases()["vit"]);
    let input = Tensor::cat(&[&some, &(&some * 0.5), &some.narrow(0, 1, 1)], 0);
    let gradients = |archive: &str| {
        let mut model = Model::load(path(archive), false).unwrap();
        let layers = model.probe(&some.narrow(0, 0, 2)).unwrap();
        let wanted = layers.into_iter().filter(|l| l.name.ends_with("layer_1.ln_1"));
        let wanted: Vec<Layer> = wanted.collect();
        model.prepare(&wanted, &execution(true)).unwrap();
        let weights = Tensor::arange(35, (Kind::Double, tch::Device::Cpu)).view([7, 5]);
        let found = model
            .gradients(&input, |logits: &Tensor| Ok((logits * weights).sum(Kind::Double)))
            .unwrap();
        [&found.output, &found.input, &found.layers[0].activation, &found.layers[0].gradient]
            .map(Seen::of)
    };
    for (fixed, free) in gradients("vit_static.pt2").iter().zip(&gradients("vit.pt2")) {
        fixed.assert_near(free, EXACT, "gradients of vit_static");
    }
}

#[test]
fn a_model_that_changes_itself_begins_each_run_with_what_was_saved() {
    let cases = cases();
    let input = input(&cases["policy"]);
    let golden = |name: &str| -> Vec<f64> {
        cases["policy"][name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    };
    for (keep, name) in [(false, "fresh"), (true, "kept")] {
        for optimize in [false, true] {
            let mut model = Model::load(path("policy.pt"), false).unwrap();
            if keep {
                model.keep_state();
            }
            let layers = model.probe(&input.narrow(0, 0, 2)).unwrap();
            assert_eq!(model.fixed_batch(), Some(1));
            assert_eq!(model.written(), ["hidden", "cell", "steps"]);
            model.prepare(&layers, &execution(optimize)).unwrap();
            let mut run = || {
                let output = model.run(&input, &mut |_, _| Ok(repsim::torchscript::Answer::Keep));
                Seen::of(&output.unwrap().unwrap())
            };
            let found = run();
            let wanted = Seen { shape: found.shape.clone(), values: golden(name) };
            found.assert_near(&wanted, EXACT, name);
            assert_eq!(run() == found, !keep, "a second pass");
        }
    }
}

/// The output of a model, cast where a type is given.
fn output(archive: &str, cast: Option<Kind>, input: &Tensor) -> Tensor {
    let mut model = Model::load(path(archive), false).unwrap();
    if let Some(kind) = cast {
        model.cast(kind, "--dtype").unwrap();
    }
    let layers = model.probe(input).unwrap();
    model.prepare(&layers, &execution(true)).unwrap();
    let output = model.run(input, &mut |_, _| Ok(repsim::torchscript::Answer::Keep));
    output.unwrap().unwrap()
}

#[test]
fn models_of_other_types_take_float32_and_are_cast() {
    let exact = input(&cases()["resnet"]);
    let float = exact.to_kind(Kind::Float);
    for (archive, cast, share) in [
        ("resnet.pt2", None, 1e-6),
        ("resnet.pt", None, 1e-6),
        ("resnet.pt2", Some(Kind::Float), 1e-5),
        ("resnet.pt", Some(Kind::Float), 1e-5),
        ("resnet.pt", Some(Kind::Half), HALF),
        ("resnet_half.pt2", Some(Kind::Float), HALF),
        ("resnet_bfloat16.pt2", Some(Kind::Double), BFLOAT16),
    ] {
        let wanted = Seen::of(&output(archive, None, &exact).to_kind(Kind::Double));
        let found = output(archive, cast, &float);
        assert_eq!(found.kind(), cast.unwrap_or(Kind::Double), "{archive} cast to {cast:?}");
        let found = Seen::of(&found.to_kind(Kind::Double));
        found.assert_near(&wanted, share, &format!("{archive} cast to {cast:?}"));
    }
}

#[test]
fn programs_write_their_buffers_and_stop_gradients_where_the_module_does() {
    let cases = cases();
    let case = &cases["counter"];
    let input = input(case);
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    };
    for archive in ["counter.pt2", "counter_decomposed.pt2"] {
        for keep in [false, true] {
            let mut model = Model::load(path(archive), false).unwrap();
            if keep {
                model.keep_state();
            }
            let layers = model.probe(&input.narrow(0, 0, 2)).unwrap();
            assert_eq!(model.written(), ["total"], "{archive}");
            model.prepare(&layers, &execution(true)).unwrap();
            for run in 0..3 {
                let output = model.run(&input, &mut |_, _| Ok(repsim::torchscript::Answer::Keep));
                let found = Seen::of(&output.unwrap().unwrap());
                let values = numbers(&case["kept"][if keep { run } else { 0 }]);
                let wanted = Seen { shape: found.shape.clone(), values };
                found.assert_near(&wanted, EXACT, &format!("run {run} of {archive}"));
            }
        }
    }
    // Decomposing a program puts its regions without gradients in line.
    let mut model = Model::load(path("counter.pt2"), false).unwrap();
    model.probe(&input).unwrap();
    model.prepare(&[], &execution(true)).unwrap();
    let score = |logits: &Tensor| Ok(logits.select(1, 1).sum(logits.kind()));
    let found = Seen::of(&model.gradients(&input, score).unwrap().input);
    let wanted = Seen { shape: found.shape.clone(), values: numbers(&case["gradient"]) };
    found.assert_near(&wanted, EXACT, "gradient of counter.pt2");
}
