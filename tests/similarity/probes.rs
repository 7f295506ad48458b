//! Probes: scikit-learn's values, and what has to hold of any features.

use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView2, Axis, Ix2, s};
use repsim::data::features::load_features;
use repsim::probe::{
    Classified, Grids, Kind, Linear, Objective, Part, Plan, Ridge, Scaling, Span, Stop,
    choose_cost, classify, folds, indicators, nearest, nearest_means, permuted_within, r2, regress,
    vote,
};
use repsim::stats::Draws;
use serde_json::Value;

const EXACT: Stop = Stop { gradient: 1e-11, steps: 100_000 };

/// What both solvers agree on in coefficients and decision values.
const SOLVED: f64 = 1e-6;

struct Case {
    name: &'static str,
    arrays: Vec<(String, Array2<f64>)>,
    told: Value,
    listing: Value,
    labels: Vec<usize>,
    classes: usize,
    cut: usize,
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/probe").join(name)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn counts(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|v| v as usize).collect()
}

fn cases() -> Vec<Case> {
    let listing: Value =
        serde_json::from_str(&std::fs::read_to_string(path("probe.json")).unwrap()).unwrap();
    let arrays: Vec<(String, Array2<f64>)> = load_features(&path("probe.npz"))
        .unwrap()
        .into_iter()
        .map(|f| (f.name, f.values.into_dimensionality::<Ix2>().unwrap()))
        .collect();
    let case = |name: &'static str| {
        let told = listing["cases"][name].clone();
        Case {
            name,
            arrays: arrays.clone(),
            labels: counts(&told["labels"]),
            classes: told["classes"].as_u64().unwrap() as usize,
            cut: told["fit"].as_u64().unwrap() as usize,
            listing: listing.clone(),
            told,
        }
    };
    ["tall", "wide", "two"].map(case).into()
}

impl Case {
    fn array(&self, name: &str) -> &Array2<f64> {
        let whole = format!("{}.{name}", self.name);
        &self.arrays.iter().find(|(name, _)| *name == whole).unwrap().1
    }

    /// Features to fit on and held out, standardised.
    fn parts(&self) -> [Array2<f64>; 2] {
        let rows = self.array("rows");
        let (fit, held_out) = rows.view().split_at(Axis(0), self.cut);
        let scaling = Scaling::of(fit);
        [scaling.apply(fit), scaling.apply(held_out)]
    }

    fn fitted(&self) -> &[usize] {
        &self.labels[..self.cut]
    }

    fn plan(&self, kinds: &[Kind]) -> Plan {
        let part = Part {
            fit: (0..self.cut).collect(),
            held_out: (self.cut..self.labels.len()).collect(),
        };
        plan(kinds, numbers(&self.listing["alphas"]), vec![part])
    }

    #[track_caller]
    fn hold(&self, found: ArrayView2<'_, f64>, name: &str) {
        let wanted = self.array(name);
        assert_eq!(found.dim(), wanted.dim(), "{name} of {}", self.name);
        let off = found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < SOLVED, "{name} of {}: {off:e}", self.name);
    }

    /// Coefficients of the features, intercepts and decision values.
    #[track_caller]
    fn hold_linear(&self, linear: &Linear, (span, held_out): (&Span, &Array2<f64>), name: &str) {
        let (weights, intercepts) = span.of_features(linear.weights.view(), &linear.intercepts);
        self.hold(weights.view(), name);
        for (a, b) in intercepts.iter().zip(numbers(&self.told[name]["intercepts"])) {
            assert!((a - b).abs() < SOLVED, "intercepts of {name}: {a}, not {b}");
        }
        let decisions = linear.decide(span.place(held_out.view()).view());
        self.hold(decisions.view(), &format!("{name}_decisions"));
    }
}

fn plan(kinds: &[Kind], alphas: Vec<f64>, parts: Vec<Part>) -> Plan {
    let grids = Grids { alphas, costs: vec![1e-2, 1e-1, 1.0] };
    let kinds = kinds.to_vec();
    Plan { kinds, standardize: true, grids, neighbours: 5, inner_folds: 3, seed: 1, parts }
}

#[test]
fn ridge_is_that_of_scikit_learn() {
    for case in cases() {
        let [fit, held_out] = case.parts();
        let span = Span::of(fit.view()).unwrap();
        let ridge = Ridge::new(&span, indicators(case.fitted(), case.classes).view());
        let told = &case.told["ridge"];
        let columns = if case.classes == 2 { 1 } else { case.classes };
        let linear = ridge.fit(&vec![told["alpha"].as_f64().unwrap(); columns]);
        case.hold_linear(&linear, (&span, &held_out), "ridge");
        assert_eq!(linear.classes(span.place(held_out.view()).view()), counts(&told["predicted"]));
        assert_eq!(
            ridge.choose(&numbers(&case.listing["alphas"])),
            told["chosen"].as_f64().unwrap()
        );
    }
}

#[test]
fn regression_is_that_of_scikit_learn() {
    for case in cases() {
        let targets = case.array("targets").view();
        let rows = case.array("rows").view();
        let found = regress(rows, (targets, &[]), &case.plan(&[Kind::Ridge])).unwrap();
        let told = &case.told["regression"];
        for (t, answers) in found.real.iter().enumerate() {
            assert_eq!(answers.chosen, [numbers(&told["chosen"])[t]], "{}", case.name);
            let truth = targets.column(t).to_vec();
            let score = r2(&truth, &answers.predicted).unwrap();
            assert!((score - numbers(&told["r2"])[t]).abs() < SOLVED);
            let predicted: Vec<f64> = answers.predicted.iter().flatten().copied().collect();
            let wanted = case.array("predicted").column(t);
            assert!(predicted.iter().zip(wanted).all(|(a, b)| (a - b).abs() < SOLVED));
        }
    }
}

#[test]
fn logistic_regression_is_that_of_scikit_learn() {
    for case in cases() {
        let [fit, held_out] = case.parts();
        let span = Span::of(fit.view()).unwrap();
        let told = &case.told["logistic"];
        let cost = told["cost"].as_f64().unwrap();
        let found = Objective::new(span.rows.view(), case.fitted(), cost).fit(EXACT, None);
        assert!(found.converged, "{}: {} steps", case.name, found.steps);
        case.hold_linear(&found.linear, (&span, &held_out), "logistic");
        assert_eq!(found.predict(span.place(held_out.view()).view()), counts(&told["predicted"]));
        let third = |k: usize| {
            let (held_out, fit) = (0..case.cut).partition(|i| i % 3 == k);
            Part { fit, held_out }
        };
        let grid = numbers(&case.listing["costs"]);
        let (chosen, failed) =
            choose_cost(span.rows.view(), case.fitted(), (&grid, EXACT), &[0, 1, 2].map(third));
        assert_eq!((chosen, failed), (told["chosen"].as_f64().unwrap(), 0), "{}", case.name);
    }
}

#[test]
fn probes_by_distance_are_those_of_scikit_learn() {
    for case in cases() {
        let [fit, held_out] = case.parts();
        let k = case.listing["neighbours"].as_u64().unwrap() as usize;
        let near = nearest(fit.view(), held_out.view(), k);
        assert_eq!(vote(&near, case.fitted(), case.classes), counts(&case.told["knn"]));
        let means = nearest_means((fit.view(), case.fitted()), held_out.view(), case.classes);
        assert_eq!(means, counts(&case.told["nearest_mean"]), "{}", case.name);
    }
}

/// n×D rows without an order, and labels that the first column alone tells.
fn informative(n: usize, width: usize, classes: usize) -> (Array2<f64>, Vec<usize>) {
    let noise = |i: usize, j: usize| {
        let x = ((i * 7919 + j * 104_729 + 1) as f64 * 0.618_034).sin() * 43_758.545;
        x - x.floor() - 0.5
    };
    let labels: Vec<usize> = (0..n).map(|i| i % classes).collect();
    let rows = Array2::from_shape_fn((n, width), |(i, j)| {
        noise(i, j) + if j == 0 { 4.0 * labels[i] as f64 } else { 0.0 }
    });
    (rows, labels)
}

fn shares(found: &Classified, labels: [&[usize]; 2]) -> [f64; 2] {
    [(&found.real, labels[0]), (&found.shuffled[0], labels[1])].map(|(answers, labels)| {
        let right = answers.predicted.iter().zip(labels).filter(|(p, l)| **p == Some(**l)).count();
        right as f64 / labels.len() as f64
    })
}

#[test]
fn what_one_dimension_tells_is_read_out_and_shuffled_labels_are_not() {
    let (rows, labels) = informative(160, 12, 2);
    let parts = folds(&labels, 4, &mut Draws::new(1));
    let from = permuted_within(&parts, labels.len(), &mut Draws::new(2));
    let shuffled: Vec<usize> = from.iter().map(|&i| labels[i]).collect();
    let plan = plan(&Kind::ALL, vec![0.1, 1.0, 10.0], parts);
    let found =
        classify(rows.view(), (&labels, &[shuffled.clone(), labels.clone()]), 2, &plan).unwrap();
    for probe in &found {
        let [real, control] = shares(probe, [&labels, &shuffled]);
        // 160 samples: a deviation of 0.04 at chance.
        assert!(real > 0.95 && (0.3..0.7).contains(&control), "{}: {real} {control}", probe.kind);
        assert_eq!(probe.real.chosen.len(), if probe.kind.is_linear() { 4 } else { 0 });
        assert_eq!(probe.real.unconverged, 0);
        // Another time is another fit, and on the labels themselves the same as theirs.
        assert_eq!(probe.shuffled[1], probe.real, "{}", probe.kind);
    }
}

#[test]
fn a_rotation_of_features_that_are_not_scaled_changes_no_answer() {
    let (rows, labels) = informative(60, 5, 3);
    let (turn, _) = ndarray_linalg::QR::qr(&informative(5, 5, 1).0).unwrap();
    let parts = folds(&labels, 3, &mut Draws::new(1));
    let plan = Plan { standardize: false, ..plan(&Kind::ALL, vec![0.1, 1.0, 10.0], parts) };
    let of = |rows: ArrayView2<'_, f64>| classify(rows, (&labels, &[]), 3, &plan).unwrap();
    assert_eq!(of(rows.view()), of(rows.dot(&turn).view()));
    // Columns that repeat others, beyond as many as there are samples, turn the same span into a wider space.
    let repeated = ndarray::concatenate(Axis(1), &[rows.view(); 13]).unwrap() / 13f64.sqrt();
    assert_eq!(of(rows.view()), of(repeated.view()));
}

#[test]
fn features_that_say_nothing_give_the_majority() {
    let rows = Array2::from_elem((30, 4), 0.3);
    let labels: Vec<usize> = (0..30).map(|i| usize::from(i % 3 == 0)).collect();
    let parts = folds(&labels, 3, &mut Draws::new(1));
    let plan = plan(&[Kind::Ridge, Kind::Logistic], vec![1.0], parts);
    for probe in classify(rows.view(), (&labels, &[]), 2, &plan).unwrap() {
        assert!(probe.real.predicted.iter().all(|p| *p == Some(0)), "{}", probe.kind);
    }
    let targets = rows.slice(s![.., ..1]).mapv(|v| v * 2.0);
    let found = regress(rows.view(), (targets.view(), &[]), &plan).unwrap();
    assert_eq!(r2(&targets.column(0).to_vec(), &found.real[0].predicted), None);
}
