//! One seed for all that is random.

use ndarray::Array2;
use repsim::analysis::Draw;
use repsim::data::Dataset;
use serde_json::{Value, json};

use crate::check_support::Files;
use crate::reports::assert_valid;
use crate::support::{done, report};

const CHANCE: &str = "compare --features {similarity/layers.npz} --measures cka --permutations 9";

fn random_seed(options: &str) -> Value {
    report(&format!("{CHANCE} {options}"))["settings"]["random_seed"].clone()
}

#[test]
fn one_seed_sets_what_has_none_of_its_own() {
    assert_eq!(random_seed(""), 0);
    assert_eq!(random_seed("--seed 4"), Draw::Resampling.seed(4));
    assert_eq!(random_seed("--seed 4 --random-seed 3"), 3);
    let (a, b) = (report(&format!("{CHANCE} --seed 4")), report(&format!("{CHANCE} --seed 5")));
    let values = |found: &Value, key: &str| found["results"]["measures"][0][key].clone();
    assert_eq!(values(&a, "values"), values(&b, "values"));
    assert_ne!(values(&a, "null_means"), values(&b, "null_means"));
    // It can be given again, as whoever reads JSON sees it.
    let seed = Draw::Resampling.seed(4);
    let again = report(&format!("{CHANCE} --random-seed {seed}"));
    assert_eq!((seed as f64) as u64, seed);
    assert_eq!(again["results"], a["results"]);
}

#[test]
fn subsets_of_scores_follow_from_it() {
    let line = "fid {fid/features.npz} {fid/features.npz} --layers real --metrics kid --seed 5";
    let found: Value = serde_json::from_str(&done(line).stdout).unwrap();
    assert_eq!(found["settings"]["subset_seed"], Draw::Subsets.seed(5));
    assert_eq!(found["settings"]["seed"], json!(null));
    assert_valid(&found, "fid");
}

#[test]
fn samples_are_chosen_by_the_seed_itself_where_they_are_limited() {
    let line = |options: &str| report(&format!("cka {{mlp.pt}} --data {{mlp.npy}} {options}"));
    let (all, whole) = (line(""), line("--seed 3"));
    assert_eq!(all["results"], whole["results"]);
    assert_eq!(whole["settings"]["seed"], json!(null));
    assert_eq!(line("--seed 3 --limit 6")["settings"]["seed"], 3);
}

#[test]
fn the_order_of_batches_follows_from_it() {
    let files = Files::new();
    let path = files.folder().join("rows.npy");
    let rows = Array2::from_shape_fn((600, 16), |(i, j)| (0.37 * (i * 16 + j) as f32).sin());
    ndarray_npy::write_npy(&path, &rows).unwrap();
    // Where the estimator takes batches by itself, and nowhere else.
    for (options, told) in [("", json!(3)), ("--estimator full", json!(null))] {
        let line = format!("cka {{mlp.pt}} --data {} --seed 3 {options}", path.display());
        assert_eq!(report(&line)["settings"]["seed"], told, "{options}");
    }
    let data = Dataset::open_inputs(&path, None).unwrap();
    let order = |seed| {
        let mixed = data.mixed(seed);
        (0..600).map(|i| mixed.name(i)).collect::<Vec<_>>()
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(0));
}
