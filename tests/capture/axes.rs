//! Which axis of a layer's output holds the samples and which the channels, against rules written down
//! for each network.

use repsim::torchscript::{By, Layer, Model};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

fn golden() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/axes/axes.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn probed(archive: &str, shape: &[i64], samples: i64) -> Vec<Layer> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/axes/");
    let mut model = Model::load(format!("{folder}{archive}"), false).unwrap();
    let shape = [&[samples], shape].concat();
    let count = shape.iter().product::<i64>();
    let numbers = (Tensor::arange(count, (Kind::Float, Device::Cpu)) * 0.7).sin();
    model.probe(&numbers.square().reshape(shape)).unwrap()
}

fn shape(case: &Value) -> Vec<i64> {
    serde_json::from_value(case["input"].clone()).unwrap()
}

/// The layers of a case that have a rule, in all its archives.
fn checked(case: &Value, samples: i64) -> usize {
    let mut count = 0;
    for archive in case["archives"].as_array().unwrap() {
        let archive = archive.as_str().unwrap();
        for layer in probed(archive, &shape(case), samples) {
            let name = layer.name.split(':').next().unwrap();
            let rule = &case["layers"][name];
            assert!(rule.is_object(), "no rule for {name} of {archive}");
            let what = format!("{} of {archive}: {:?}", layer.name, layer.shape);
            assert_eq!(layer.axes.samples as u64, rule["samples"], "samples of {what}");
            assert_eq!(layer.axes.channels.map(|a| a as u64), rule["channels"].as_u64(), "{what}");
            assert_eq!(layer.axes.told, By::Operator, "{what}");
            let tokens = layer.axes.class_tokens.map(|count| count as u64);
            // An axis of one sample may be lost where axes are merged.
            if samples > 1 {
                assert_eq!(tokens, rule["class_tokens"].as_u64(), "class tokens of {what}");
            }
            count += 1;
        }
    }
    count
}

#[track_caller]
fn check(case: &str, layers: usize) {
    let golden = golden();
    let case = &golden["cases"][case];
    // With as many samples as another axis is long, too.
    for samples in [1, 2, 8] {
        assert_eq!(checked(case, samples), layers);
    }
}

#[test]
fn windows_and_patches_of_a_swin_have_channels_last() {
    check("swin", 74);
}

#[test]
fn tokens_of_a_vit_have_channels_last_and_a_class_token() {
    check("vit", 29);
}

#[test]
fn a_convnext_has_channels_last_only_inside_its_blocks() {
    check("convnext", 30);
}

#[test]
fn convolutions_over_time_have_channels_behind_the_samples() {
    check("sequence1d", 8);
}

#[test]
fn sequences_with_time_first_have_their_samples_second() {
    check("time_first", 13);
    check("detr", 12);
}

#[test]
fn channels_stay_where_they_are_when_tokens_are_mixed() {
    check("mixer", 6);
}

#[test]
fn a_vector_that_is_made_into_maps_has_the_channels_that_a_convolution_takes() {
    check("generator", 6);
}

/// The operators of a frozen archive: those of the scripted one that are modules there.
#[test]
fn operators_of_a_frozen_archive_are_told_apart() {
    let layers = probed("swin_frozen.pt", &[3, 16, 16], 2);
    let of = |kind: &'static str| layers.iter().filter(move |l| l.name.starts_with(kind));
    let channels = |kind: &'static str| of(kind).map(|l| l.axes.channels).collect::<Vec<_>>();
    assert!(channels("conv2d.").iter().all(|axis| *axis == Some(1)));
    assert_eq!(channels("layer_norm.").len(), 7);
    assert!(of("layer_norm.").all(|l| l.axes.channels == Some(l.shape.len() - 1)));
    assert!(of("gelu.").all(|l| l.axes.channels == Some(3)));
    assert_eq!(channels("adaptive_avg_pool2d."), [Some(1)]);
}
