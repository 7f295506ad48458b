//! The scores beside FID against the packages that publish them.

use approx::{assert_abs_diff_eq, assert_relative_eq};
use ndarray::{Array2, Axis, s};
use repsim::frechet::authenticity::Training;
use repsim::frechet::classes::{ClassGaussians, mean_over_classes};
use repsim::frechet::cmmd;
use repsim::frechet::copying::Split;
use repsim::frechet::inception::{Outputs, Settings, inception};
use repsim::frechet::vendi::vendi;
use serde_json::Value;

use crate::support::{array, listing, vector};
use crate::tolerances::{COUNTED_FLOAT32, SAMPLES, SCORES};

fn golden(name: &str) -> Value {
    listing("relatives.json")[name].clone()
}

fn stored(name: &str) -> Array2<f64> {
    array("relatives.npz", name)
}

fn unit(rows: &Array2<f64>) -> Array2<f64> {
    let lengths = rows.map_axis(Axis(1), |row| row.dot(&row).sqrt());
    rows / &lengths.insert_axis(Axis(1))
}

#[test]
fn the_inception_score_is_that_of_torch_fidelity() {
    let outputs = Outputs { rows: stored("logits"), are_probabilities: false };
    let exp = outputs.rows.mapv(f64::exp);
    let rows = &exp / &exp.sum_axis(Axis(1)).insert_axis(Axis(1));
    let probabilities = Outputs { rows, are_probabilities: true };
    let entries = golden("isc");
    assert_eq!(entries.as_array().unwrap().len(), 6);
    for entry in entries.as_array().unwrap() {
        let splits = entry["splits"].as_u64().unwrap() as usize;
        let settings = Settings { splits, shuffle: entry["shuffle"].as_bool().unwrap() };
        for outputs in [&outputs, &probabilities] {
            let found = inception(outputs, settings).unwrap();
            assert_relative_eq!(found.mean, entry["mean"].as_f64().unwrap(), max_relative = SCORES);
            let std = entry["std"].as_f64().unwrap();
            match splits {
                1 => assert_eq!(found.std, None),
                _ => assert_relative_eq!(found.std.unwrap(), std, max_relative = SCORES),
            }
        }
    }
}

#[test]
fn the_inception_score_of_certain_and_of_equal_predictions() {
    let certain = Array2::from_shape_fn((40, 4), |(i, j)| if i % 4 == j { 1.0 } else { 0.0 });
    let settings = Settings { splits: 2, shuffle: false };
    let of = |rows| inception(&Outputs { rows, are_probabilities: true }, settings);
    assert_relative_eq!(of(certain).unwrap().mean, 4.0, max_relative = SCORES);
    assert_relative_eq!(of(Array2::from_elem((9, 3), 1.0 / 3.0)).unwrap().mean, 1.0);
    assert!(of(Array2::zeros((9, 1))).unwrap_err().contains("2 classes"));
    assert!(of(Array2::zeros((1, 3))).unwrap_err().contains("1 samples cannot be split into 2"));
    assert!(of(Array2::zeros((3, 3))).unwrap_err().contains("3 samples cannot be split into 2"));
    assert!(of(Array2::from_elem((9, 3), f64::NAN)).unwrap_err().contains("NaN"));
}

#[test]
fn cmmd_is_that_of_the_published_code() {
    let [real, fake] = ["real", "fake"].map(|name| array("features.npz", name));
    let of = |x: &Array2<f64>, y: &Array2<f64>| cmmd::Reference::new(x.view()).against(y.view());
    for (found, name) in
        [(of(&real, &fake), "as_they_are"), (of(&unit(&real), &unit(&fake)), "unit")]
    {
        // A difference of means that are about 1, times 1000.
        let wanted = golden("cmmd")[name].as_f64().unwrap();
        assert_abs_diff_eq!(found.value, wanted, epsilon = cmmd::SCALE * SAMPLES);
        assert!(!found.saturated);
    }
    assert_abs_diff_eq!(of(&real, &real).value, 0.0, epsilon = cmmd::SCALE * SAMPLES);
    let far = of(&real, &(&fake + 1e3));
    assert!(far.saturated && far.value > 0.0, "{far:?}");
}

#[test]
fn the_vendi_score_is_that_of_its_package() {
    for name in ["real", "fake"] {
        let rows = array("features.npz", name);
        let found = vendi(rows.view()).unwrap();
        let few = vendi(rows.slice(s![..10, ..])).unwrap();
        for (package, value) in golden("vendi")[name].as_object().unwrap() {
            let wanted = value.as_f64().unwrap();
            assert!((found - wanted).abs() <= SCORES * wanted, "{package} of {name}: {found}");
        }
        assert!((1.0..10.0).contains(&few));
    }
    assert_relative_eq!(vendi(Array2::eye(6).view()).unwrap(), 6.0, max_relative = SCORES);
    assert_relative_eq!(vendi(Array2::ones((6, 4)).view()).unwrap(), 1.0, max_relative = SCORES);
    assert!(vendi(Array2::zeros((6, 4)).view()).unwrap_err().contains("all 0"));
}

#[test]
fn authenticity_is_that_of_dgm_eval() {
    let [real, fake] = ["real", "fake"].map(|name| array("features.npz", name));
    let of = |training: &Array2<f64>, generated: &Array2<f64>| {
        Training::new(training.view()).unwrap().authentic(generated.view())
    };
    let wanted = |name: &str| golden("authpct")[name].as_f64().unwrap();
    assert_abs_diff_eq!(of(&real, &fake), wanted("fake"), epsilon = 100.0 * COUNTED_FLOAT32);
    for name in ["generated", "copies"] {
        let found = of(&stored("training"), &stored(name));
        assert_abs_diff_eq!(found, wanted(name), epsilon = 100.0 * COUNTED_FLOAT32);
    }
    assert_eq!(of(&real, &real), 0.0);
    assert!(Training::new(real.slice(s![..1, ..])).is_err());
}

#[test]
fn the_test_of_data_copying_is_that_of_dgm_eval() {
    for prefix in ["", "wide_"] {
        let set = |name: &str| stored(&format!("{prefix}{name}"));
        let split = Split::new(set("training").view(), set("held_out").view(), 3).unwrap();
        for (name, left_out) in [("generated", 1), ("copies", 0)] {
            let found = split.against(set(name).view()).unwrap();
            let wanted = golden("ct")[format!("{prefix}{name}")].as_f64().unwrap();
            assert_relative_eq!(found.value, wanted, max_relative = SCORES);
            if name == "generated" {
                assert_eq!(found.left_out, left_out);
            }
        }
        let few = split.against(set("generated").slice(s![..20, ..])).unwrap_err();
        assert!(few.contains("more than 20 generated samples"), "{few}");
    }
}

#[test]
fn what_the_test_of_data_copying_refuses() {
    let (training, held_out) = (stored("training"), stored("held_out"));
    let of = |training: &Array2<f64>, held_out: &Array2<f64>| {
        Split::new(training.view(), held_out.view(), 0).unwrap_err()
    };
    let narrow = held_out.slice(s![.., ..4]).to_owned();
    assert!(of(&training, &narrow).contains("has 4 features, and the reference 5"));
    let one = held_out.slice(s![..2, ..]).to_owned();
    assert!(of(&training, &one).contains("holds no training or held-out sample"));
    assert!(of(&Array2::zeros((9, 5)), &held_out).contains("fewer than 3 different"));
    let wide = stored("wide_training").slice(s![..64, ..]).to_owned();
    assert!(of(&wide, &stored("wide_held_out")).contains("it needs 65 or more"));
}

#[test]
fn distances_of_classes_are_those_of_their_rows() {
    let sets = ["real", "fake"].map(|name| {
        let rows = array("features.npz", name);
        let classes: Vec<String> = (0..rows.nrows()).map(|i| format!("class {}", i % 3)).collect();
        (ClassGaussians::new(rows.view(), &classes), rows)
    });
    let found = sets[0].0.distances(&sets[1].0);
    let wanted = vector(&golden("class_fid"));
    assert_eq!(found.len(), 3);
    for (one, wanted) in found.iter().zip(&wanted) {
        assert_relative_eq!(*one.value.as_ref().unwrap(), *wanted, max_relative = SCORES);
    }
    assert_eq!((found[0].counts, found[2].counts), ([100, 87], [100, 86]));
    let mean = mean_over_classes(&found).unwrap();
    assert_relative_eq!(mean, wanted.mean().unwrap(), max_relative = SCORES);
    let rows = sets[1].1.slice(s![..5, ..]);
    let few =
        ClassGaussians::new(rows, &["class 0", "class 0", "class 1", "z", "z"].map(String::from));
    let found = sets[0].0.distances(&few);
    let whys: Vec<&str> =
        found.iter().filter_map(|one| one.value.as_ref().err()).map(String::as_str).collect();
    assert!(
        whys[0].starts_with("class class 1 of the candidate: ") && whys[0].contains("at least 2")
    );
    assert_eq!(whys[1], "the candidate has no sample of class class 2");
    assert_eq!(whys[2], "the reference has no sample of class z");
    assert!(mean_over_classes(&found).is_err());
}
