//! Runs that have to agree: the same command twice, other batches, passes and ways to run, and a
//! network with itself.

use serde_json::Value;

use crate::support::{assert_same_cka, done, matrix, report};
use crate::tolerances::{OPTIMIZED, SAME, TWIN};

const TRAINED: &str = "cka {models/fashion-seed0-scripted.pt} {models/fashion-seed1-traced.pt} \
                       --data {images} --preprocess raw --channels 3 --mean 0.286 --std 0.353 \
                       --seed 3 --limit 40";
const TINY: &str = "cka {tiny_resnet_scripted.pt} {tiny_resnet_traced.pt} --data {tiny_resnet.npy}";

fn trained(options: &str) -> Value {
    report(&format!("{TRAINED} {options}"))
}

/// The text of `results` as it was written.
fn results(line: &str) -> String {
    let text = done(line).stdout;
    let start = text.find("\"results\":").unwrap();
    let end = text.find("\n  \"warnings\":").unwrap();
    text[start..end].to_owned()
}

#[test]
fn two_runs_write_the_same_bytes() {
    let ways = ["", "--estimator minibatch --batch-size 3 --bias biased", "--reduce spatial"];
    for options in ways {
        let line = format!("{TINY} {options}");
        assert_eq!(results(&line), results(&line), "{options}");
    }
    assert_eq!(results(TRAINED), results(TRAINED));
}

#[test]
fn the_number_of_workers_changes_no_byte() {
    let line = |workers: u32| format!("{TRAINED} --workers {workers}");
    assert_eq!(results(&line(1)), results(&line(3)));
}

#[test]
fn batch_sizes_change_nothing_for_the_full_estimator() {
    let expected = trained("--batch-size 64");
    for size in [7, 40] {
        assert_same_cka(&trained(&format!("--batch-size {size}")), &expected, SAME);
    }
}

#[test]
fn little_memory_takes_more_passes_to_the_same_result() {
    let expected = trained("--batch-size 16");
    assert_eq!(expected["timing"]["passes"], 1);
    let found = trained("--batch-size 16 --memory 16MiB");
    assert!(found["timing"]["passes"].as_u64().unwrap() > 1, "{}", found["timing"]);
    assert_same_cka(&found, &expected, SAME);
    assert_eq!(found["inputs"]["data"], expected["inputs"]["data"]);
    let run = done(&format!("{TRAINED} --batch-size 16 --memory 16MiB"));
    assert!(run.stderr.contains("passes"), "{}", run.stderr);
}

#[test]
fn plain_modules_agree_with_optimised_ones() {
    for options in ["", "--bias biased", "--estimator minibatch --batch-size 16"] {
        let plain = trained(&format!("{options} --no-optimize"));
        assert_eq!(plain["settings"]["optimize"], false);
        assert_same_cka(&plain, &trained(options), OPTIMIZED);
    }
}

/// One model given is that model given twice.
#[test]
fn a_network_alone_is_compared_with_itself() {
    let (a, data) = ("{tiny_resnet_scripted.pt}", "--data {tiny_resnet.npy} --layers **");
    for options in ["", "--bias biased", "--reduce gap", "--reduce spatial", "--kernel rbf"] {
        let once = report(&format!("cka {a} {data} {options}"));
        let twice = report(&format!("cka {a} {a} {data} {options}"));
        assert_same_cka(&once, &twice, SAME);
        let values = matrix(&once, "cka");
        for (i, row) in values.iter().enumerate() {
            assert!((row[i] - 1.0).abs() < 1e-12, "{options}: {i} is {}", row[i]);
            for (j, &one) in row.iter().enumerate().take(i) {
                let other = values[j][i];
                assert!((one - other).abs() < 1e-12 || one.is_nan() && other.is_nan());
            }
        }
        assert_eq!(once["inputs"]["models"].as_array().unwrap().len(), 1);
    }
}

/// Scripted and traced, the same weights are the same network.
#[test]
fn the_same_weights_exported_in_two_ways_are_alike() {
    for options in ["", "--no-optimize", "--bias biased"] {
        let report = report(&format!("{TINY} --layers ** {options}"));
        assert_eq!(report["results"]["layers_a"], report["results"]["layers_b"]);
        for (i, row) in matrix(&report, "cka").iter().enumerate() {
            assert!((row[i] - 1.0).abs() <= TWIN, "{options}: {i} is {}", row[i]);
        }
    }
}

/// What a trained network has in common with its twin from another seed it does not have with one
/// that was never trained: a look at the meaning of the numbers.
#[test]
fn trained_networks_are_more_alike_than_an_untrained_one() {
    let untrained = TRAINED.replace("fashion-seed1-traced", "fashion-untrained-scripted");
    let (twin, control) = (trained(""), report(&untrained));
    let of = |report: &Value, name: &str| {
        let names = report["results"]["layers_a"].as_array().unwrap();
        let i = names.iter().position(|n| n == name).unwrap();
        matrix(report, "cka")[i][i]
    };
    for layer in ["layer3.1", "layer4.1", "fc"] {
        assert!(of(&twin, layer) > of(&control, layer) + 0.1, "{layer}");
    }
}
