//! The layers that are found: names, classes, shapes, order and numbers of calls.

use std::collections::HashMap;

use repsim::torchscript::{Kind, Layer};
use serde_json::Value;

use crate::golden::{Golden, probed, texts};

/// How often the module of a layer ran, counted in the listing.
fn calls(listed: &[&Value]) -> HashMap<String, usize> {
    let mut calls = HashMap::new();
    for layer in listed {
        *calls.entry(base(layer).to_owned()).or_insert(0) += 1;
    }
    calls
}

/// A layer's name without the number of the call.
fn base(layer: &Value) -> &str {
    let (name, call) = (layer["name"].as_str().unwrap(), layer["call"].as_u64().unwrap());
    name.strip_suffix(&format!(":{call}")).filter(|_| call > 1).unwrap_or(name)
}

#[track_caller]
fn assert_listed(found: &[Layer], listed: &[&Value], what: &str) {
    let names = |layers: &[Layer]| layers.iter().map(|l| l.name.clone()).collect::<Vec<_>>();
    let wanted: Vec<&str> = listed.iter().map(|l| l["name"].as_str().unwrap()).collect();
    assert_eq!(names(found), wanted, "{what}");
    let calls = calls(listed);
    for (layer, wanted) in found.iter().zip(listed) {
        let what = format!("{} of {what}", layer.name);
        assert_eq!(layer.type_name, wanted["module"].as_str().unwrap(), "class of {what}");
        assert_eq!(serde_json::json!(layer.shape), wanted["shape"], "shape of {what}");
        assert_eq!(serde_json::json!(layer.call), wanted["call"], "call of {what}");
        assert_eq!(layer.calls, calls[base(wanted)], "calls of {what}");
        assert_eq!(serde_json::json!(layer.parameters), wanted["parameters"], "of {what}");
    }
}

fn check(case: &str) {
    let golden = Golden::load(case);
    let listed: Vec<&Value> = golden.listed("layers").iter().collect();
    for archive in golden.archives() {
        let (model, layers) = probed(archive, &golden.input());
        assert!(!model.is_flat(), "{archive}");
        assert_listed(&layers, &listed, archive);
    }
}

#[test]
fn of_a_resnet_scripted_and_traced() {
    check("tiny_resnet");
}

#[test]
fn of_a_network_with_branches_and_loops() {
    check("control_flow");
}

#[test]
fn of_a_network_that_is_not_for_images() {
    check("mlp");
}

#[test]
fn of_small_networks() {
    check("nan_layer");
    check("constant_layer");
    check("varying");
}

/// Tracing leaves an `nn.Identity` without a tensor: there it is not a layer.
#[test]
fn of_an_identity() {
    let golden = Golden::load("identity");
    let silent = texts(&golden.json["no_tensor_when_traced"]);
    for archive in golden.archives() {
        let traced = archive.contains("traced");
        let is_layer = |l: &&Value| !traced || !silent.contains(&l["name"].as_str().unwrap());
        let listed: Vec<&Value> = golden.listed("layers").iter().filter(is_layer).collect();
        let (model, layers) = probed(archive, &golden.input());
        assert_listed(&layers, &listed, archive);
        let without: Vec<&str> = model.without_tensor().iter().map(|(name, _)| *name).collect();
        assert_eq!(without, if traced { silent.clone() } else { vec![] }, "{archive}");
    }
}

#[test]
fn of_a_frozen_archive_are_its_operators() {
    let golden = Golden::load("frozen");
    let (model, layers) = probed("frozen.pt", &golden.input());
    assert!(model.is_flat());
    let listed = golden.listed("operators");
    let names: Vec<&str> = layers.iter().map(|l| l.name.as_str()).collect();
    let wanted: Vec<&str> = listed.iter().map(|l| l["name"].as_str().unwrap()).collect();
    assert_eq!(names, wanted);
    for (layer, wanted) in layers.iter().zip(listed) {
        assert_eq!(layer.type_name, wanted["operator"].as_str().unwrap(), "{}", layer.name);
        assert_eq!(serde_json::json!(layer.shape), wanted["shape"], "{}", layer.name);
        assert_eq!((layer.call, layer.calls), (1, 1), "{}", layer.name);
    }
}

#[test]
fn have_kinds() {
    let golden = Golden::load("tiny_resnet");
    let expected = [
        ("conv1", Kind::Convolution),
        ("layer1.0.bn1", Kind::Normalization),
        ("layer1.0.relu:2", Kind::Activation),
        ("maxpool", Kind::Pooling),
        ("avgpool", Kind::Pooling),
        ("layer2.0.downsample", Kind::Block),
        ("layer4", Kind::Block),
        ("fc", Kind::Linear),
    ];
    for archive in golden.archives() {
        let (_, layers) = probed(archive, &golden.input());
        for (name, kind) in expected {
            let layer = layers.iter().find(|l| l.name == name).unwrap();
            assert_eq!(layer.kind, kind, "{name} of {archive}");
        }
    }
    let frozen = Golden::load("frozen");
    let (_, layers) = probed("frozen.pt", &frozen.input());
    let kind = |name: &str| layers.iter().find(|l| l.name == name).unwrap().kind;
    assert_eq!(kind("conv2d.1"), Kind::Convolution);
    assert_eq!(kind("add.1"), Kind::Operator);
}
