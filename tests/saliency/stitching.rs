//! Stitches against scikit-learn's least squares on feature maps that torch has resized.

use std::fs;
use std::path::PathBuf;

use ndarray::{Array2, ArrayD, Axis, concatenate};
use repsim::data::features::load_features;
use repsim::functional::stitching::{
    Fitted, Form, LeastSquares, NormalEquations, PairSums, Ridge, Stitch,
};
use repsim::torchscript::tensors;
use serde_json::Value;
use tch::{Device, Tensor};

use crate::tolerances::FLOAT64;

/// What float32 weights give of float32 activations, as a share of the largest.
const FLOAT32: f64 = 2e-6;

/// What a stitch in float32 gives, as a share of the largest.
const APPLIED: f64 = 1e-5;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stitching").join(name)
}

/// An array with its channels at axis 1.
fn layer(name: &str) -> ArrayD<f64> {
    let all = load_features(&golden("maps.npz")).unwrap();
    let mut values = all.into_iter().find(|feature| feature.name == name).unwrap().values;
    if name.ends_with("tokens") {
        values.swap_axes(1, 2);
    }
    values.as_standard_layout().into_owned()
}

fn tensor(array: &ArrayD<f64>) -> Tensor {
    tensors::from_array(array).unwrap().to_kind(tch::Kind::Float)
}

fn form(array: &ArrayD<f64>) -> Form {
    let shape: Vec<i64> = array.shape()[1..].iter().map(|&side| side as i64).collect();
    Form::of(&shape).unwrap()
}

fn cases() -> Vec<Value> {
    serde_json::from_str(&fs::read_to_string(golden("fits.json")).unwrap()).unwrap()
}

fn matrix(value: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j])
}

/// Sums over the samples in batches of a size.
fn sums(x: &ArrayD<f64>, y: &ArrayD<f64>, batch: usize) -> PairSums {
    let mut sums = NormalEquations::new(&[form(x)], &[form(y)], &|_, _| true);
    for (x, y) in x.axis_chunks_iter(Axis(0), batch).zip(y.axis_chunks_iter(Axis(0), batch)) {
        sums.add(&[tensor(&x.to_owned())], &[tensor(&y.to_owned())]).unwrap();
    }
    sums.pair(0, 0).unwrap().unwrap()
}

fn assert_close(found: &Array2<f64>, expected: &Array2<f64>, share: f64, what: &str) {
    assert_eq!(found.dim(), expected.dim(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    let apart = (found - expected).iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    assert!(apart <= share * largest, "{what}: {apart:e} of {largest}");
}

fn fitted(case: &Value, batch: usize) -> (ArrayD<f64>, ArrayD<f64>, Fitted) {
    let of = |side: &str| layer(&format!("{side}_{}", case[side].as_str().unwrap()));
    let (x, y) = (of("a"), of("b"));
    let ridge = Ridge::Fixed(case["ridge"].as_f64().unwrap());
    let found = LeastSquares::new(ridge).fit(&sums(&x, &y, batch), None).unwrap();
    (x, y, found)
}

#[test]
fn maps_over_channels_are_those_of_scikit_learn() {
    for case in cases() {
        let (_, _, found) = fitted(&case, 5);
        let what = format!("{} to {} by {}", case["a"], case["b"], case["ridge"]);
        assert_close(&found.map.weight, &matrix(&case["weight"]), FLOAT32, &what);
        let bias = found.map.bias.clone().insert_axis(Axis(0));
        let expected: Vec<f64> = serde_json::from_value(case["bias"].clone()).unwrap();
        let expected = Array2::from_shape_vec((1, expected.len()), expected).unwrap();
        assert_close(&bias, &expected, FLOAT32, &what);
        assert_eq!(found.rank as u64, case["rank"], "{what}");
        let explained = case["explained"].as_f64().unwrap();
        assert!((found.explained - explained).abs() < FLOAT32, "{what}: {}", found.explained);
    }
}

#[test]
fn a_stitch_gives_what_scikit_learn_predicts() {
    for case in cases() {
        let (x, y, found) = fitted(&case, 12);
        let stitch = Stitch::affine(&found.map, form(&x), form(&y), Device::Cpu).unwrap();
        let given = stitch.apply(&tensor(&x).narrow(0, 0, 1)).unwrap();
        let given = given.movedim_int(1, -1);
        let given = given.reshape([-1, found.map.bias.len() as i64]);
        let what = format!("{} to {}", case["a"], case["b"]);
        assert_close(&tensors::to_matrix(&given).unwrap(), &matrix(&case["first"]), APPLIED, &what);
    }
}

#[test]
fn batches_and_neighbours_change_nothing() {
    let (x, y) = (layer("a_small"), layer("b_maps"));
    let (alone, parts) = (sums(&x, &y, 12), sums(&x, &y, 5));
    assert_close(&parts.xx, &alone.xx, FLOAT64, "batches");
    assert_close(&parts.xy, &alone.xy, FLOAT64, "batches");
    let names = ["a_large", "a_small", "a_same", "a_vector", "a_tokens"];
    let targets = ["b_wide", "b_maps", "b_point", "b_vector", "b_tokens"];
    let (sources, ends) = (names.map(layer), targets.map(layer));
    let forms = |all: &[ArrayD<f64>]| all.iter().map(form).collect::<Vec<_>>();
    let mut all = NormalEquations::new(&forms(&sources), &forms(&ends), &|_, _| true);
    let every = |all: &[ArrayD<f64>]| all.iter().map(tensor).collect::<Vec<_>>();
    all.add(&every(&sources), &every(&ends)).unwrap();
    let among = all.pair(1, 1).unwrap().unwrap();
    assert_close(&among.xx, &alone.xx, FLOAT64, "among others");
    assert_close(&among.xy, &alone.xy, FLOAT64, "among others");
    assert!(all.pair(0, 3).unwrap().is_none(), "maps have no rows in common with a vector");
}

#[test]
fn layers_that_are_equal_for_some_batches_keep_their_own_sums() {
    let (x, y) = (layer("a_small"), layer("b_maps"));
    let (forms, ends) = ([form(&x); 2], [form(&y); 2]);
    let mut both = NormalEquations::new(&forms, &ends, &|_, _| true);
    let (x, y) = (tensor(&x), tensor(&y));
    both.add(&[x.shallow_clone(), x.copy()], &[y.shallow_clone(), y.copy()]).unwrap();
    both.add(&[x.shallow_clone(), &x * 2.0], &[y.shallow_clone(), &y * 3.0]).unwrap();
    let mut first = NormalEquations::new(&forms[..1], &ends[..1], &|_, _| true);
    let mut second = NormalEquations::new(&forms[..1], &ends[..1], &|_, _| true);
    for (a, b) in [(1.0, 1.0), (2.0, 3.0)] {
        first.add(&[x.shallow_clone()], &[y.shallow_clone()]).unwrap();
        second.add(&[&x * a], &[&y * b]).unwrap();
    }
    for (i, alone) in [(0, first), (1, second)] {
        let (found, alone) =
            (both.pair(i, i).unwrap().unwrap(), alone.pair(0, 0).unwrap().unwrap());
        assert_close(&found.xx, &alone.xx, FLOAT64, "products of the source");
        assert_close(&found.xy, &alone.xy, FLOAT64, "products with the target");
        assert!((&found.yy - &alone.yy).iter().all(|v| v.abs() < FLOAT64 * alone.yy.sum()));
    }
}

#[test]
fn what_no_pair_wants_is_not_looked_at() {
    let (x, y) = (layer("a_small"), layer("b_maps"));
    let mut sums = NormalEquations::new(&[form(&x); 2], &[form(&y); 2], &|i, j| (i, j) == (1, 0));
    let nothing = Tensor::new;
    sums.add(&[nothing(), tensor(&x)], &[tensor(&y), nothing()]).unwrap();
    assert!(sums.pair(0, 0).unwrap().is_none() && sums.pair(1, 1).unwrap().is_none());
    let alone = self::sums(&x, &y, 12);
    assert_close(&sums.pair(1, 0).unwrap().unwrap().xy, &alone.xy, FLOAT64, "one pair");
}

#[test]
fn samples_kept_aside_choose_a_ridge_against_noise() {
    // 20 features of which one counts, in 24 samples: least squares without a ridge fits the noise.
    tch::manual_seed(2);
    let draw = |rows: i64, columns: i64| {
        tensors::to_matrix(&Tensor::randn([rows, columns], tch::kind::FLOAT_CPU)).unwrap()
    };
    let (x, noise) = (draw(48, 20), draw(48, 1));
    let y = &x.column(0).insert_axis(Axis(1)) * 0.5 + noise;
    let part = |from: usize, to: usize| {
        let rows = |all: &Array2<f64>| all.slice(ndarray::s![from..to, ..]).to_owned().into_dyn();
        sums(&rows(&x), &rows(&y), 64)
    };
    let found = LeastSquares::new(Ridge::Chosen).fit(&part(0, 24), Some(&part(24, 48))).unwrap();
    assert!(found.ridge > 0.0, "{}", found.ridge);
    let clean = &x.column(0).insert_axis(Axis(1)) * 0.5;
    let clean = concatenate![Axis(1), clean, &clean * -2.0];
    let whole = |rows: std::ops::Range<usize>| {
        let of = |all: &Array2<f64>| all.slice(ndarray::s![rows.clone(), ..]).to_owned().into_dyn();
        sums(&of(&x), &of(&clean), 64)
    };
    let found = LeastSquares::new(Ridge::Chosen).fit(&whole(0..24), Some(&whole(24..48))).unwrap();
    assert!(found.ridge <= 1e-3 && found.explained > 0.999, "{found:?}");
}

/// Sums over tokens with padding are those over the tokens that are none; layers of other shapes have all of
/// their rows.
#[test]
fn padding_is_left_out_of_the_fit() {
    tch::manual_seed(4);
    let random = |shape: &[i64]| Tensor::randn(shape, tch::kind::DOUBLE_CPU);
    let (x, y, vector) = (random(&[3, 2, 4]), random(&[3, 5, 4]), random(&[3, 6]));
    let mask = Tensor::from_slice(&[1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0]).reshape([3, 4]).ne(0);
    let padded = x.masked_fill(&mask.logical_not().unsqueeze(1), f64::NAN);
    let form = |tensor: &Tensor| Form::of(&tensor.size()[1..]).unwrap();
    let mut sums =
        NormalEquations::new(&[form(&x), form(&vector)], &[form(&y), form(&vector)], &|_, _| true);
    let (sources, targets) = ([padded, vector.shallow_clone()], [y.shallow_clone(), vector]);
    sums.add_tokens(&sources, &targets, Some(&mask)).unwrap();
    let rows = |layer: &Tensor| {
        let channels = layer.size()[1];
        let all = layer.transpose(1, 2).reshape([1, -1, channels]);
        let kept = all.index_select(1, &mask.reshape([-1]).nonzero().reshape([-1]));
        kept.transpose(1, 2)
    };
    let (own_x, own_y) = (rows(&x), rows(&y));
    let mut own = NormalEquations::new(&[form(&own_x)], &[form(&own_y)], &|_, _| true);
    own.add(&[own_x], &[own_y]).unwrap();
    let (found, expected) = (sums.pair(0, 0).unwrap().unwrap(), own.pair(0, 0).unwrap().unwrap());
    assert_eq!((found.rows, expected.rows, sums.rows_of(0), sums.rows_of(1)), (7.0, 7.0, 7.0, 3.0));
    assert_close(&found.xx, &expected.xx, 1e-12, "xx");
    assert_close(&found.xy, &expected.xy, 1e-12, "xy");
    let yy = |sums: &PairSums| sums.yy.clone().insert_axis(Axis(0));
    assert_close(&yy(&found), &yy(&expected), 1e-12, "yy");
    assert_eq!(sums.pair(1, 1).unwrap().unwrap().rows, 3.0);
}
