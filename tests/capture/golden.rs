//! The golden values, and models made ready to be compared with them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use repsim::data::features::load_features;
use repsim::torchscript::{Answer, Execution, Layer, Model, tensors};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

/// Where the golden archives and values lie.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/capture").join(name)
}

/// What Python saw in one network.
pub struct Golden {
    /// The listing: archives, layers, and what is special about the case.
    pub json: Value,
    tensors: HashMap<String, ArrayD<f64>>,
}

impl Golden {
    /// Reads a case.
    pub fn load(case: &str) -> Self {
        let text = std::fs::read_to_string(path(&format!("{case}.json"))).unwrap();
        let features = load_features(&path(&format!("{case}.safetensors"))).unwrap();
        let tensors = features.into_iter().map(|f| (f.name, f.values)).collect();
        Self { json: serde_json::from_str(&text).unwrap(), tensors }
    }

    /// The archives of the case.
    pub fn archives(&self) -> Vec<&str> {
        texts(&self.json["archives"])
    }

    /// An array by its name in the `.safetensors` file.
    pub fn array(&self, name: &str) -> &ArrayD<f64> {
        self.tensors.get(name).unwrap_or_else(|| panic!("there is no golden {name}"))
    }

    /// The input as the models take it.
    pub fn input(&self) -> Tensor {
        float(self.array("input"))
    }

    /// Entries of the listing's `layers` (or `operators`).
    pub fn listed(&self, key: &str) -> &[Value] {
        self.json[key].as_array().unwrap()
    }
}

/// A JSON list of texts.
pub fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

/// A float32 tensor of an array.
pub fn float(array: &ArrayD<f64>) -> Tensor {
    tensors::from_array(array).unwrap().to_kind(Kind::Float)
}

/// How models are run in these tests.
pub fn execution(optimize: bool) -> Execution {
    Execution { optimize, device: Device::Cpu }
}

/// A loaded model and all its layers.
pub fn probed(archive: &str, input: &Tensor) -> (Model, Vec<Layer>) {
    let mut model = Model::load(path(archive), false).unwrap();
    let layers = model.probe(input).unwrap();
    (model, layers)
}

/// A model with taps behind all its layers.
pub fn tapped(archive: &str, input: &Tensor, optimize: bool) -> (Model, Vec<Layer>) {
    let (mut model, layers) = probed(archive, input);
    model.prepare(&layers, &execution(optimize)).unwrap();
    let note = model.optimization_note();
    assert!(note.is_none(), "{archive} could not be optimised: {note:?}");
    (model, layers)
}

/// What every layer gave in one run, by name and in order, copied in the hook; and the output.
pub fn seen(model: &mut Model, layers: &[Layer], input: &Tensor) -> (Vec<(String, Seen)>, Tensor) {
    let mut all = vec![];
    let output = model.run(input, &mut |layer, output| {
        all.push((layers[layer].name.clone(), Seen::of(output)));
        Ok(Answer::Keep)
    });
    (all, output.unwrap().unwrap())
}

/// A copy of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, the last axis fastest.
    pub values: Vec<f64>,
}

impl Seen {
    /// Copies a tensor.
    pub fn of(tensor: &Tensor) -> Self {
        let shape = tensor.size().iter().map(|&s| s as usize).collect();
        Self { shape, values: tensors::to_vector(tensor).unwrap().to_vec() }
    }

    /// An array as a copy of a tensor.
    pub fn of_array(array: &ArrayD<f64>) -> Self {
        Self { shape: array.shape().to_vec(), values: array.iter().copied().collect() }
    }

    /// Asserts that the shapes are equal and no value is further off than `share` of the largest.
    #[track_caller]
    pub fn assert_near(&self, expected: &Self, share: f64, what: &str) {
        assert_eq!(self.shape, expected.shape, "shape of {what}");
        let largest = expected.values.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        for (i, (found, wanted)) in self.values.iter().zip(&expected.values).enumerate() {
            let near = (found - wanted).abs() <= share * largest;
            let equal = near || (found.is_nan() && wanted.is_nan());
            assert!(equal, "{what}: value {i} is {found}, not {wanted} (largest {largest})");
        }
    }
}
