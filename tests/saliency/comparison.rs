//! Maps in a few numbers, and how alike two are, against scipy and scikit-image.

use ndarray::{Array2, ArrayD, Axis, Ix2};
use repsim::saliency::compare::{Agreement, agreement};
use repsim::saliency::summary::summarise;
use serde_json::Value;

use crate::support::{array, arrays, assert_near, listing, numbers, pixels};
use crate::tolerances::FLOAT64;

const PIXELS: usize = 1024;

/// The goldens take the floor of a tenth of 1024 pixels; here it is rounded up.
const FLOOR: usize = 102;
const TENTH: usize = 103;

fn maps(all: &ArrayD<f64>) -> Vec<Array2<f64>> {
    let map = |map: ndarray::ArrayViewD<'_, f64>| map.to_owned().into_dimensionality::<Ix2>();
    all.axis_iter(Axis(0)).map(|row| map(row).unwrap()).collect()
}

/// The indices of the highest values, of equal ones the first.
fn highest(map: &Array2<f64>, count: usize) -> Vec<usize> {
    let values: Vec<f64> = map.iter().copied().collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order.truncate(count);
    order
}

fn overlap(a: &Array2<f64>, b: &Array2<f64>, count: usize) -> f64 {
    let (a, b) = (highest(a, count), highest(b, count));
    let both = a.iter().filter(|i| b.contains(i)).count();
    both as f64 / (2 * count - both) as f64
}

#[test]
fn agreements_are_those_of_scipy_and_scikit_image() {
    let (json, golden) = (listing("comparison.json"), arrays("comparison.npz"));
    let pairs = json["pairs"].as_object().unwrap();
    assert_eq!(pairs.len(), 3);
    for (pair, listed) in pairs {
        let (a, b) = pair.split_once('|').unwrap();
        let of = |name: &str| numbers(&listed[name]);
        let (pearson, spearman, ssim) = (of("pearson"), of("spearman"), of("ssim"));
        let both = maps(&golden[a]).into_iter().zip(maps(&golden[b]));
        for (row, (a, b)) in both.enumerate() {
            let found = agreement(a.view(), b.view()).unwrap();
            let near = |value: Option<f64>, wanted: f64, name: &str| {
                assert_near(value.unwrap(), wanted, FLOAT64, &format!("{name} {row} of {pair}"));
            };
            near(found.pearson, pearson[row], "pearson");
            near(found.spearman, spearman[row], "spearman");
            near(found.ssim, ssim[row], "ssim");
            near(found.overlap, overlap(&a, &b, TENTH), "overlap");
            near(Some(overlap(&a, &b, FLOOR)), of("overlap")[row], "golden overlap");
        }
    }
}

/// Images of full range, which scaling leaves as they are.
#[test]
fn similarity_of_images_is_that_of_scikit_image() {
    let golden = numbers(&listing("comparison.json")["ssim_of_images"]["ssim"]);
    let images = maps(&array(&pixels()));
    let range = |image: &Array2<f64>| {
        image.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)))
    };
    assert_eq!(range(&images[0]), (0.0, 255.0), "the first image has not the full range");
    let mut checked = 0;
    for (image, wanted) in images[1..].iter().zip(&golden) {
        if range(image) == (0.0, 255.0) {
            let found = agreement(images[0].view(), image.view()).unwrap().ssim.unwrap();
            assert_near(found, *wanted, FLOAT64, "ssim");
            checked += 1;
        }
    }
    assert!(checked > 2, "{checked} images of full range");
}

#[test]
fn summaries_are_those_of_numpy() {
    let (json, golden) = (listing("comparison.json"), arrays("comparison.npz"));
    for (name, all) in &golden {
        let listed = json["summaries"][name.as_str()].as_array().unwrap();
        for (row, (map, listed)) in maps(all).iter().zip(listed).enumerate() {
            check_summary(map, listed, &format!("{row} of {name}"));
        }
    }
}

fn check_summary(map: &Array2<f64>, listed: &Value, what: &str) {
    let number = |name: &str| listed[name].as_f64().unwrap();
    let found = summarise(map.view());
    assert!(!found.degenerate && !found.constant, "{what}");
    let entropy = number("entropy") / (PIXELS as f64).ln();
    assert_near(found.entropy.unwrap(), entropy, FLOAT64, &format!("entropy {what}"));
    let centre = numbers(&listed["centre"]);
    let (row, column) = found.centre.unwrap();
    assert_near(row, (centre[0] + 0.5) / 32.0, FLOAT64, &format!("row {what}"));
    assert_near(column, (centre[1] + 0.5) / 32.0, FLOAT64, &format!("column {what}"));
    let largest = found.max.unwrap().max(-found.min.unwrap());
    assert_near(largest, number("largest"), FLOAT64 * largest, &format!("largest {what}"));
    let size = map.mapv(f64::abs);
    let mass = |count| highest(&size, count).iter().map(|&i| size[[i / 32, i % 32]]).sum::<f64>();
    let sum = size.sum();
    assert_near(sum, number("sum"), FLOAT64 * sum, &format!("sum {what}"));
    assert_near(mass(FLOOR) / sum, number("top_mass"), FLOAT64, &format!("golden mass {what}"));
    assert_near(found.mass_in_top.unwrap(), mass(TENTH) / sum, FLOAT64, &format!("mass {what}"));
}

#[test]
fn a_map_agrees_with_itself_and_a_degenerate_one_with_none() {
    for map in maps(&arrays("comparison.npz")["seed1.gradient"]) {
        let found = agreement(map.view(), map.view()).unwrap();
        for value in [found.pearson, found.spearman, found.ssim, found.overlap] {
            assert_near(value.unwrap(), 1.0, FLOAT64, "itself");
        }
        let none = agreement(map.view(), Array2::<f32>::zeros((32, 32)).view()).unwrap();
        assert_eq!(none, Agreement::default());
    }
}
