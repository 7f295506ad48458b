//! Networks with quantised, parametrised and forked layers: what a layer gives is what a hook sees.

use std::path::{Path, PathBuf};

use repsim::torchscript::{Answer, Model};
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::golden::{Seen, execution};

/// Of float32, summed in another order.
const SHARE: f64 = 1e-5;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/quantized").join(name)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn agrees(case: &str, archive: &str) {
    let text = std::fs::read_to_string(path("cases.json")).unwrap();
    let golden = serde_json::from_str::<Value>(&text).unwrap()[case].clone();
    let shape: Vec<i64> =
        numbers(&golden["input"]["shape"]).into_iter().map(|v| v as i64).collect();
    let values = numbers(&golden["input"]["values"]);
    let input = Tensor::from_slice(&values).view(shape.as_slice()).to_kind(Kind::Float);
    for optimize in [false, true] {
        let mut model = Model::load(path(archive), false).unwrap();
        let layers = model.probe(&input).unwrap();
        assert!(model.written().is_empty(), "{archive}: {:?}", model.written());
        model.prepare(&layers, &execution(optimize)).unwrap();
        let mut found = vec![];
        let run = model.run(&input, &mut |place, output| {
            found.push((layers[place].name.clone(), Seen::of(output)));
            Ok(Answer::Keep)
        });
        run.unwrap();
        let wanted = golden["layers"].as_array().unwrap().iter();
        let of_weights = |name: &str| name.contains("parametrizations") || name.contains("stub");
        let wanted: Vec<_> =
            wanted.filter(|layer| !of_weights(layer["name"].as_str().unwrap())).collect();
        found.retain(|(name, _)| !of_weights(name));
        assert_eq!(found.len(), wanted.len(), "{archive}");
        for ((name, seen), wanted) in found.iter().zip(wanted) {
            assert_eq!(name, wanted["name"].as_str().unwrap(), "{archive}");
            let sum: f64 = seen.values.iter().map(|v| v.abs()).sum();
            let wanted = wanted["sum"].as_f64().unwrap();
            assert!((sum - wanted).abs() <= SHARE * wanted, "{name} of {archive}: {sum}, {wanted}");
        }
    }
}

#[test]
fn quantised_layers_are_measured_dequantised() {
    agrees("static", "static.pt");
    agrees("dynamic", "dynamic.pt");
}

/// A script calls another method than `forward`, and a trace gives what is used.
#[test]
fn quantised_recurrent_layers_have_their_places() {
    let text = std::fs::read_to_string(path("cases.json")).unwrap();
    let golden = serde_json::from_str::<Value>(&text).unwrap()["last"].clone();
    let wanted = numbers(&golden["rnn"]);
    let input = Tensor::from_slice(&numbers(&golden["input"]["values"])).view([8, 6]);
    let input = input.to_kind(Kind::Float);
    for (archive, places) in [("last.pt", vec![0, 1, 2]), ("last_traced.pt", vec![1])] {
        let mut model = Model::load(path(archive), false).unwrap();
        let layers = model.probe(&input).unwrap();
        model.prepare(&layers, &execution(true)).unwrap();
        let mut found = vec![];
        let run = model.run(&input, &mut |place, output| {
            let sum: f64 = Seen::of(output).values.iter().map(|v| v.abs()).sum();
            found.push((layers[place].name.clone(), sum));
            Ok(Answer::Keep)
        });
        run.unwrap();
        found.retain(|(name, _)| name.starts_with("rnn"));
        let names: Vec<String> = places.iter().map(|place| format!("rnn:{place}")).collect();
        assert!(found.iter().map(|(name, _)| name).eq(&names), "{archive}: {found:?}");
        for ((name, sum), place) in found.iter().zip(places) {
            assert!((sum - wanted[place]).abs() <= SHARE * sum, "{name} of {archive}: {sum}");
        }
        let operators: Vec<&str> = model.causes().iter().map(|c| c.operator.as_str()).collect();
        assert!(operators.contains(&"quantized::linear_dynamic"), "{operators:?}");
    }
}

#[test]
fn layers_with_parametrised_weights_are_found() {
    agrees("normed", "normed.pt");
    agrees("normed", "normed.pt2");
}

#[test]
fn forked_layers_are_seen_through() {
    agrees("forked", "forked.pt");
}
