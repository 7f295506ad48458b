//! KID against torch-fidelity and clean-fid.

use approx::assert_relative_eq;
use ndarray::{Array2, s};
use repsim::frechet::kid::{Kid, Reference, Settings};

use crate::support::{array, listing};
use crate::tolerances::{REORDERED, STANDARD_ERRORS};

fn sides() -> [Array2<f64>; 2] {
    ["real", "fake"].map(|name| array("features.npz", name))
}

fn kid(real: &Array2<f64>, fake: &Array2<f64>, settings: Settings) -> Kid {
    Reference::new(real.view(), settings).unwrap().against(fake.view()).unwrap()
}

#[test]
fn of_all_rows_is_that_of_both_packages() {
    let values = &listing("values.json")["kid"];
    let rows = values["rows"].as_u64().unwrap() as usize;
    let [real, fake] = sides().map(|side| side.slice(s![..rows, ..]).to_owned());
    let found = kid(&real, &fake, Settings { subsets: 1, subset_size: rows, seed: 0 });
    let torch_fidelity = values["all_rows"]["float64"]["mean"].as_f64().unwrap();
    assert_relative_eq!(found.mean, torch_fidelity, max_relative = REORDERED);
    let clean_fid = values["clean_fid_all_rows"].as_f64().unwrap();
    assert_relative_eq!(found.mean, clean_fid, max_relative = REORDERED);
    assert_eq!((found.std, found.subsets, found.subset_size), (None, 1, rows));
}

/// Other random subsets than torch-fidelity's: mean and spread agree within their standard errors.
#[test]
fn of_random_subsets_agrees_within_its_scatter() {
    let golden = &listing("values.json")["kid"]["subsets"]["float64"];
    let number = |name: &str| golden[name].as_f64().unwrap();
    let (subsets, mean, std) = (number("subsets"), number("mean"), number("std"));
    let [real, fake] = sides();
    for seed in 0..5 {
        let settings = Settings { subsets: 100, subset_size: 100, seed };
        let found = kid(&real, &fake, settings);
        let of_mean = std * (2.0 / subsets).sqrt();
        assert!((found.mean - mean).abs() <= STANDARD_ERRORS * of_mean, "seed {seed}: {found:?}");
        let of_std = std * (1.0 / subsets).sqrt();
        assert!(
            (found.std.unwrap() - std).abs() <= STANDARD_ERRORS * of_std,
            "seed {seed}: {found:?}"
        );
        assert_eq!((found.subsets, found.subset_size), (100, 100));
    }
}

/// Over many subsets the mean is the value of all rows: choosing them at random has no bias.
#[test]
fn of_many_subsets_is_that_of_all_rows() {
    let [real, fake] = sides().map(|side| side.slice(s![..256, ..]).to_owned());
    let all = kid(&real, &fake, Settings { subsets: 1, subset_size: 256, seed: 0 }).mean;
    let settings = Settings { subsets: 2000, subset_size: 50, seed: 7 };
    let found = kid(&real, &fake, settings);
    let allowed = STANDARD_ERRORS * found.std.unwrap() / 2000_f64.sqrt();
    assert!((found.mean - all).abs() <= allowed, "{found:?}, not {all} ± {allowed}");
}
