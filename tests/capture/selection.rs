//! Choosing layers of a real model by glob patterns.

use repsim::torchscript::Selection;

use crate::golden::{Golden, path, probed};

fn chosen(patterns: &[&str]) -> Result<Vec<String>, String> {
    let golden = Golden::load("tiny_resnet");
    let (_, layers) = probed("tiny_resnet_scripted.pt", &golden.input());
    let selection = Selection::new(patterns).map_err(|e| e.to_string())?;
    let model = path("tiny_resnet_scripted.pt");
    let picked = selection.choose(&layers, &model).map_err(|e| e.to_string())?;
    Ok(picked.into_iter().map(|l| l.name).collect())
}

fn names(patterns: &[&str]) -> Vec<String> {
    chosen(patterns).unwrap()
}

#[test]
fn the_default_is_every_tensor_down_to_depth_two() {
    let expected = [
        "conv1", "bn1", "relu", "maxpool", "layer1.0", "layer2.0", "layer3.0", "layer4.0",
        "avgpool", "fc",
    ];
    assert_eq!(names(&[]), expected);
}

#[test]
fn patterns_choose_by_dotted_names() {
    assert_eq!(names(&["layer?"]), ["layer1", "layer2", "layer3", "layer4"]);
    assert_eq!(names(&["layer4.*.bn*"]), ["layer4.0.bn1", "layer4.0.bn2"]);
    assert_eq!(names(&["layer2.**.1"]), ["layer2.0.downsample.1"]);
    assert_eq!(names(&["**"]).len(), 47);
    assert_eq!(names(&["**", "!layer*.**"]).len(), 10);
    assert_eq!(names(&["fc", "conv1"]), ["conv1", "fc"]);
}

#[test]
fn later_calls_can_be_named() {
    assert_eq!(names(&["layer1.0.relu:2"]), ["layer1.0.relu:2"]);
    assert_eq!(names(&["layer1.0.relu*"]), ["layer1.0.relu", "layer1.0.relu:2"]);
}

#[test]
fn what_matches_nothing_names_the_closest() {
    let text = chosen(&["layer2.0.downsampel"]).unwrap_err();
    assert!(text.contains("'layer2.0.downsampel' matches no layer"), "{text}");
    assert!(text.contains("the closest are layer2.0.downsample,"), "{text}");
    let text = chosen(&["**", "!nothing*"]).unwrap_err();
    assert!(text.contains("nothing*"), "{text}");
}

#[test]
fn nothing_left_and_broken_patterns_are_errors() {
    let text = chosen(&["fc", "!fc"]).unwrap_err();
    assert!(text.contains("no layer of"), "{text}");
    assert!(chosen(&["layer[1"]).unwrap_err().contains("layer[1"));
}
