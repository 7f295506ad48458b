//! Saliency and feature maps of networks of several inputs, against Captum and autograd.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3};
use ndarray_npy::NpzReader;
use repsim::analysis::{ColumnMaps, Maps, Saliency, SaliencySink, Silent};
use repsim::error::Result;
use repsim::report::saliency::SaliencyReport;
use repsim::saliency::Method;
use repsim::view::saliency::pictures::Planned;
use serde_json::Value;

use crate::support::{path, repsim, words};

/// Maps are float32, of networks in float64.
const SINGLE: f64 = 1e-6;

fn golden() -> Value {
    serde_json::from_str(&std::fs::read_to_string(path("inputs/saliency.json")).unwrap()).unwrap()
}

/// Maps by the name of their column.
#[derive(Default)]
struct Kept {
    names: Vec<String>,
    maps: BTreeMap<String, Array3<f32>>,
}

impl SaliencySink for Kept {
    fn begin(&mut self, planned: &Planned<'_>) -> Result<()> {
        self.names = planned.columns.iter().map(|column| column.name.clone()).collect();
        Ok(())
    }

    fn maps(&mut self, column: usize, maps: &ColumnMaps<'_>) -> Result<()> {
        let name = self.names[column].clone();
        let maps = maps.whole.clone();
        let whole = match self.maps.remove(&name) {
            Some(before) => {
                ndarray::concatenate(ndarray::Axis(0), &[before.view(), maps.view()]).unwrap()
            }
            None => maps,
        };
        self.maps.insert(name, whole);
        Ok(())
    }
}

fn asked(net: &str, methods: &[Method]) -> Saliency {
    let mut saliency = Saliency::new([path(&format!("inputs/{net}.pt2"))])
        .data(path(&format!("inputs/{net}.npz")));
    saliency.methods = methods.to_vec();
    saliency.steps = 16;
    saliency.data.load.batch_size = 3;
    saliency
}

/// Runs it, and holds its maps against those of a golden; `kept` says where these count.
#[track_caller]
fn check(saliency: &Saliency, prefix: &str, kept: impl Fn(usize, usize) -> bool) -> SaliencyReport {
    let (golden, mut found) = (golden(), Kept::default());
    let report = saliency.run(&Silent, &mut found).unwrap();
    assert_eq!(found.maps.len(), saliency.methods.len());
    for (name, maps) in &found.maps {
        let expected: Vec<Vec<Vec<f64>>> =
            serde_json::from_value(golden[&format!("{prefix}/{name}")].clone()).unwrap();
        assert_eq!(maps.dim(), (expected.len(), expected[0].len(), expected[0][0].len()));
        for ((i, row, column), &value) in maps.indexed_iter() {
            let wanted = if kept(i, column) { expected[i][row][column] } else { 0.0 };
            let apart = (f64::from(value) - wanted).abs();
            assert!(apart < SINGLE, "{prefix}/{name}[{i}, {row}, {column}]: {value}, not {wanted}");
        }
    }
    report
}

#[test]
fn one_input_of_several_is_explained() {
    let methods = [
        Method::Gradient,
        Method::GradientTimesInput,
        Method::IntegratedGradients,
        Method::HiResCam,
    ];
    let mut saliency = asked("picture", &methods);
    saliency.layers = vec!["conv".to_owned()];
    let report = check(&saliency, "picture", |_, _| true);
    assert_eq!(report.settings.of.as_deref(), Some("image"));
    let mut saliency = asked("picture", &methods[..3]);
    saliency.of = Some("numbers".to_owned());
    check(&saliency, "numbers", |_, _| true);
}

fn mask() -> Array2<i64> {
    let file = std::fs::File::open(path("inputs/sentence.npz")).unwrap();
    NpzReader::new(file).unwrap().by_name("attention_mask").unwrap()
}

#[test]
fn tokens_are_explained_by_the_gradient_of_their_embedding() {
    let methods = [Method::Gradient, Method::GradientTimesInput, Method::HiResCam];
    let mut saliency = asked("sentence", &methods);
    saliency.layers = vec!["mix".to_owned()];
    let mask = mask();
    let report = check(&saliency, "sentence", |i, token| mask[[i, token]] != 0);
    assert_eq!(report.settings.of.as_deref(), Some("input_ids"));
    assert_eq!(report.results.columns.len(), 3);
    let grid = report.results.columns[2].grid.as_ref().unwrap();
    assert_eq!((grid.rows, grid.columns, grid.left_out), (1, 6, 0));
}

/// One embedding looks up two inputs: the gradient is that of its call for the input that is explained.
#[test]
fn tokens_are_explained_by_their_own_call_of_an_embedding() {
    for name in ["first", "second"] {
        let mut saliency = asked("pair", &[Method::Gradient, Method::GradientTimesInput]);
        saliency.of = Some(name.to_owned());
        let report = check(&saliency, name, |_, _| true);
        assert_eq!(report.settings.of.as_deref(), Some(name));
    }
}

/// Two maps of a text are compared over its tokens: with one that is padded elsewhere nothing changes.
#[test]
fn padding_is_out_of_comparisons() {
    let mut found = Kept::default();
    let saliency = asked("sentence", &[Method::Gradient, Method::HiResCam]);
    let report = saliency.run(&Silent, &mut found).unwrap();
    let (gradient, cam) = (&found.maps["gradient"], &found.maps["hirescam"]);
    let mask = mask();
    let pearson = |i: usize| {
        let own = |maps: &Array3<f32>| -> Vec<f64> {
            let tokens = (0..6).filter(|&t| mask[[i, t]] != 0);
            tokens.map(|t| f64::from(maps[[i, 0, t]])).collect()
        };
        let (a, b) = (own(gradient), own(cam));
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (ma, mb) = (mean(&a), mean(&b));
        let product = |x: &[f64], mx: f64, y: &[f64], my: f64| -> f64 {
            x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum()
        };
        product(&a, ma, &b, mb) / (product(&a, ma, &a, ma) * product(&b, mb, &b, mb)).sqrt()
    };
    let all: Vec<f64> = (0..7).map(pearson).filter(|r| r.is_finite()).collect();
    let expected = all.iter().sum::<f64>() / all.len() as f64;
    let value = report.results.comparison[0].pearson.mean.get().unwrap();
    assert!((value - expected).abs() < 1e-5, "{value}, not {expected}");
}

#[test]
fn the_rest_of_the_methods_runs_on_an_image_among_other_inputs() {
    let mut saliency = asked("picture", &[Method::SmoothGrad, Method::Occlusion, Method::GradCam]);
    (saliency.faithfulness, saliency.sanity) = (true, true);
    saliency.differences = Some(vec![]);
    let report = saliency.run(&Silent, &mut ()).unwrap();
    let series = &report.results.images[0].finite_differences[0];
    let apart = |step: &repsim::report::saliency::FiniteStep| step.relative_error.get().unwrap();
    assert!(series.steps.iter().map(apart).fold(1.0, f64::min) < 1e-4, "{:?}", series.steps);
    assert_eq!((report.results.faithfulness.len(), report.results.columns.len()), (6, 3));
    assert!(!report.results.sanity.is_empty());
}

#[test]
fn channels_of_tokens_are_matched_without_padding() {
    let net = path("inputs/sentence.pt2");
    let mut maps = Maps::new(&net).beside(&net).data(path("inputs/sentence.npz")).layers(["embed"]);
    maps.layers_b = vec!["mix".to_owned()];
    let report = maps.run(&Silent, &mut ()).unwrap();
    let channels: Vec<Vec<f64>> = serde_json::from_value(golden()["channels"].clone()).unwrap();
    let layer = &report.results.layers[0];
    for shown in &layer.shown {
        let best = channels[shown.channel].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let found = shown.partner.as_ref().unwrap().correlation.get().unwrap();
        assert!((found - best).abs() < 1e-5, "{found}, not {best}");
    }
}

#[track_caller]
fn fails(line: &str, part: &str) {
    let run = repsim(words(line));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{line}\n{}", run.stderr);
    assert!(run.stderr.contains(part), "no '{part}' in {}", run.stderr);
}

#[test]
fn what_cannot_be_explained_is_told() {
    let tokens = "saliency {inputs/sentence.pt2} --data {inputs/sentence.npz}";
    fails(&format!("{tokens} --method smoothgrad"), "input_ids holds token ids");
    fails(&format!("{tokens} --faithfulness"), "--faithfulness is for images");
    fails(&format!("{tokens} --plot a.png"), "a picture (--plot, --images)");
    let pair = "saliency {inputs/pair.pt2} --data {inputs/pair.npz} --method gradient";
    fails(&format!("{pair} --of third"), "third are looked up in 2 embeddings (one, other)");
    let picture = "saliency {inputs/picture.pt2} --data {inputs/picture.npz} --method gradient";
    fails(&format!("{picture} --of colour"), "name 3 inputs (kind, image, numbers)");
    fails(&format!("{picture} --of kind"), "input kind has one number a sample");
}
