//! What is said where an explanation cannot be made.

use std::cell::RefCell;

use repsim::saliency::finite::{Patch, series};
use repsim::saliency::{Classes, Explainer, Images, Method, Target};
use repsim::torchscript::{Execution, Model};
use tch::{Device, Tensor};
use tempfile::TempDir;

use crate::support::{explain, explainer, input, options, rewritten};

fn images() -> Tensor {
    input().narrow(0, 0, 2)
}

/// What is said of two images of a model, by a method, after its choices are changed.
fn said(
    method: Method,
    layers: &[&str],
    labels: Option<&[usize]>,
    target: Target,
    change: impl Fn(&mut Explainer),
) -> String {
    let x = images();
    let mut explainer = explainer(("seed0", true), &x, &[method], layers);
    change(&mut explainer);
    let images = Images { input: &x, indices: &[0, 1], labels };
    explainer.explain(&images, target).err().expect("it is explained").to_string()
}

#[test]
fn classes_are_those_of_the_model() {
    let contrasts = [Target::Class(10), Target::Contrast(10, 0), Target::Contrast(0, 10)];
    for target in contrasts {
        for method in [Method::Gradient, Method::Occlusion] {
            assert_eq!(
                said(method, &[], None, target, |_| ()),
                "class 10 is out of range: the model gives 10 logits; name a class from 0 to 9"
            );
        }
    }
    let wrong = said(Method::Gradient, &[], Some(&[1, 12]), Target::Label, |_| ());
    assert!(wrong.contains("class 12 is out of range"), "{wrong}");
}

#[test]
fn labels_have_to_be_there() {
    assert_eq!(
        said(Method::Gradient, &[], None, Target::Label, |_| ()),
        "the images have no labels; give a folder with a sub-folder a class, or explain the \
         predicted class"
    );
}

/// Labels are explained as the classes they are.
#[test]
fn labels_are_classes() {
    let x = images();
    let mut explainer = explainer(("seed0", true), &x, &[Method::Gradient], &[]);
    let labelled = Images { input: &x, indices: &[0, 1], labels: Some(&[4, 4]) };
    let found = explainer.explain(&labelled, Target::Label).unwrap();
    let class = explain(&mut explainer, &x, Target::Class(4));
    assert_eq!(found.classes, class.classes);
    assert!(found.maps[0] == class.maps[0]);
}

#[test]
fn activation_maps_are_of_layers_with_positions() {
    let found = said(Method::GradCam, &["fc"], None, Target::Predicted, |_| ());
    assert!(found.starts_with("layer fc of "), "{found}");
    assert!(found.contains(" gives 10 a sample: no spatial map; choose another layer"), "{found}");
}

#[test]
fn baselines_have_a_value_a_channel() {
    for method in [Method::IntegratedGradients, Method::Occlusion] {
        let two = said(method, &[], None, Target::Predicted, |e| {
            e.options.baseline = vec![0.0, 1.0];
        });
        assert_eq!(two, "a baseline of 2 values for 3 channels; give one value, or one a channel");
    }
}

#[test]
fn windows_fit_the_image() {
    let of = |window, stride| {
        said(Method::Occlusion, &[], None, Target::Predicted, |e| {
            (e.options.window, e.options.stride) = (window, stride);
        })
    };
    assert_eq!(
        of(33, 4),
        "a window of 33 pixels does not fit an image of 32×32; give a smaller --window"
    );
    assert_eq!(
        of(4, 5),
        "a stride of 5 leaves pixels between windows of 4 out; give a --stride of at most --window"
    );
}

#[test]
fn patches_lie_inside() {
    let x = images().narrow(0, 0, 1);
    let mut explainer = explainer(("seed0", true), &x, &[Method::Gradient], &[]);
    let classes = Classes { classes: vec![0], against: None };
    let mut said = |row, column, side| {
        let patch = Patch { row, column, side };
        series(&mut explainer.model, &x, &x, (&classes, patch), 3).map_err(|e| e.to_string())
    };
    assert_eq!(
        said(30, 2, 4).unwrap_err(),
        "the patch 30,2 of side 4 lies outside the image; give rows below 32 and columns below 32"
    );
    assert!(said(0, 32, 1).is_err() && said(0, 0, 0).is_err());
    assert!(said(28, 28, 4).is_ok() && said(31, 31, 1).is_ok());
}

thread_local! {
    /// Folders of archives, which are read again for a message, until the test is over.
    static FOLDERS: RefCell<Vec<TempDir>> = const { RefCell::new(vec![]) };
}

/// The linear network, changed so, by a method; with the output chosen, if any.
fn changed(replaced: &[(&str, &str)], method: Method, output: Option<usize>) -> Explainer {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Model::load(rewritten("linear", folder.path(), replaced), false).unwrap();
    FOLDERS.with_borrow_mut(|all| all.push(folder));
    output.into_iter().for_each(|index| model.choose_output(index));
    model.prepare(&[], &Execution { optimize: false, device: Device::Cpu }).unwrap();
    Explainer { model, layers: vec![], methods: vec![method], options: options() }
}

fn small() -> Tensor {
    Tensor::arange(32, tch::kind::FLOAT_CPU).reshape([2, 1, 4, 4]) / 32.0
}

fn said_of(explainer: &mut Explainer) -> String {
    (explainer.options.window, explainer.options.stride) = (2, 2);
    let images = Images { input: &small(), indices: &[0, 1], labels: None };
    explainer.explain(&images, Target::Predicted).err().expect("it is explained").to_string()
}

const TUPLE: [(&str, &str); 2] = [
    ("x: Tensor) -> Tensor", "x: Tensor) -> Tuple[Tensor, Tensor]"),
    ("return _0", "return (x, _0)"),
];

#[test]
fn tuples_are_named() {
    let (whole, seventh) = ("this takes a tensor", "--output-index 7 is not a tensor of it");
    for (method, begin, chosen, problem) in [
        (Method::Gradient, "failed to differentiate ", None, whole),
        (Method::Occlusion, "failed to read the output of ", None, whole),
        (Method::Occlusion, "failed to read the output of ", Some(7), seventh),
    ] {
        let text = said_of(&mut changed(&TUPLE, method, chosen));
        let elements = "it returns Tuple[Tensor, Tensor], which has 2 elements (0 of shape 2×1×4×4, 1 \
                        of shape 2×3), and ";
        let end = format!(
            "linear.pt: {elements}{problem}; choose one with --output-key or --output-index (--output is the file of \
             the report)"
        );
        assert!(text.starts_with(begin) && text.ends_with(&end), "{text}");
    }
}

#[test]
fn an_element_of_a_tuple_can_be_explained() {
    let x = small();
    let mut whole = explainer(("linear", false), &x, &[Method::Gradient], &[]);
    let mut second = changed(&TUPLE, Method::Gradient, Some(1));
    let [expected, found] = [&mut whole, &mut second].map(|e| explain(e, &x, Target::Predicted));
    assert!(found.logits == expected.logits && found.maps[0] == expected.maps[0]);
}

#[test]
fn an_element_that_holds_no_logits_is_named_by_its_shape() {
    for method in [Method::Gradient, Method::Occlusion] {
        assert_eq!(
            said_of(&mut changed(&TUPLE, method, Some(0))),
            "the model's output has shape 2×1×4×4: no N×K logits; give a classifier; of several \
             outputs, --output-key (or --output-index) chooses the logits"
        );
    }
}

#[test]
fn a_gradient_has_to_reach_the_input() {
    let cut = [("torch.flatten(x, 1)", "torch.flatten(torch.detach(x), 1)")];
    for method in [Method::Gradient, Method::IntegratedGradients, Method::SmoothGrad] {
        let text = said_of(&mut changed(&cut, method, None));
        assert!(text.starts_with("failed to differentiate "), "{text}");
        assert!(text.contains("no gradient reaches the input"), "{text}");
        assert!(text.ends_with("--method occlusion`, which needs no gradient"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
