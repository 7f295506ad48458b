//! `repsim compare`: the measures' golden values through the whole path, and what is refused.

use std::fs;

use serde_json::{Value, json};

use crate::reports::assert_valid;
use crate::support::{assert_near, done, files_in, path, report, repsim, words};
use crate::tolerances::{SAME, STORED};

const FEATURES: &str = "compare --features {similarity/layers.npz}";
const TINY: &str =
    "compare {tiny_resnet_scripted.pt} {tiny_resnet_traced.pt} --data {tiny_resnet.npy}";

fn golden() -> Value {
    let text = fs::read_to_string(path("similarity/similarity.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

fn measures(report: &Value) -> &[Value] {
    report["results"]["measures"].as_array().unwrap()
}

fn rows(matrix: &Value) -> Vec<Vec<f64>> {
    let number = |v: &Value| v.as_f64().unwrap_or(f64::NAN);
    let row = |r: &Value| r.as_array().unwrap().iter().map(number).collect();
    matrix.as_array().unwrap().iter().map(row).collect()
}

/// A line that has to fail with one error, which holds these parts.
#[track_caller]
fn fails(line: &str, parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = words(line);
    arguments.extend(["-o".into(), folder.path().join("out.json").display().to_string()]);
    let run = repsim(arguments);
    assert_eq!(run.code, 2, "{line}\n{}", run.stderr);
    assert_eq!(run.stdout, "", "{line}");
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is not in {:?}", run.stderr);
    }
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    assert_eq!(files_in(folder.path()), Vec::<String>::new(), "{line}");
}

#[test]
fn of_stored_layers_the_golden_values() {
    let (report, golden) = (report(&format!("{FEATURES} --measures all")), golden());
    assert_valid(&report, "compare");
    let layers = names(&report["results"]["layers_a"]);
    assert_eq!(report["results"]["layers_a"], report["results"]["layers_b"]);
    let place = |name: &Value| layers.iter().position(|l| *l == name.as_str().unwrap()).unwrap();
    assert_eq!(measures(&report).len(), 20);
    for found in measures(&report) {
        let name = found["name"].as_str().unwrap();
        for pair in golden["pairs"].as_array().unwrap() {
            let value = &found["values"][place(&pair["a"])][place(&pair["b"])];
            match (value.as_f64(), pair["values"][name].as_f64()) {
                (Some(value), Some(wanted)) => {
                    let off = (value - wanted).abs() / wanted.abs().max(1.0);
                    assert!(off <= STORED, "{name} of {pair}: {value}");
                }
                (None, None) => assert!(!found["nulls"].as_array().unwrap().is_empty(), "{name}"),
                _ => panic!("{name} of {pair} is {value}"),
            }
        }
    }
    for layer in report["results"]["layers"].as_array().unwrap() {
        let wanted = &golden["layers"][layer["name"].as_str().unwrap()];
        let fields =
            ["effective_rank", "participation_ratio", "intrinsic_dimension", "zeros", "sparseness"];
        for field in fields {
            let wanted = wanted[field.replace('_', "-")].as_f64().unwrap();
            let value = layer[field].as_f64().unwrap();
            assert!((value - wanted).abs() <= STORED * wanted.abs().max(1.0), "{field} {value}");
        }
    }
}

/// A layer wider than there are samples is kept as its Gram matrix, unless a measure asks for its
/// units and the memory suffices; the values are the same.
#[test]
fn of_gram_matrices_the_same_values() {
    let gram = report(&format!("{FEATURES} --measures cka,rsa,procrustes,mutual-knn,svcca,cknna"));
    let whole = report(&format!("{FEATURES} --measures all"));
    for found in measures(&gram) {
        let same = measures(&whole).iter().find(|other| other["name"] == found["name"]).unwrap();
        assert_near(&rows(&found["values"]), &rows(&same["values"]), STORED);
    }
    let units = format!("{FEATURES} --measures soft-matching");
    assert_eq!(measures(&report(&units))[0]["nulls"], json!([]));
    let narrow = report(&format!("{units} --memory 321760"));
    let nulls = measures(&narrow)[0]["nulls"].to_string();
    assert!(nulls.contains("only their Gram matrix was kept") && nulls.contains("wide"), "{nulls}");
    fails(&format!("{units} --memory 1000"), &["--memory is 1000 B", "--limit"]);
}

/// Where the features do not fit, the network runs again for the rest of them.
#[test]
fn little_memory_takes_more_passes_to_the_same_values() {
    let line = "compare {models/fashion-seed0-scripted.pt} --data {images} --limit 40 --seed 1 \
                --preprocess raw --channels 3 --mean 0.2860 --std 0.3530 --layers layer? \
                --batch-size 8 --measures cka,rsa,mutual-knn";
    let (whole, parts) = (report(line), report(&format!("{line} --memory 1MiB")));
    assert_eq!(whole["timing"]["passes"], 1);
    assert!(parts["timing"]["passes"].as_u64().unwrap() > 3);
    for (one, two) in measures(&whole).iter().zip(measures(&parts)) {
        assert_near(&rows(&two["values"]), &rows(&one["values"]), SAME);
    }
}

#[test]
fn a_network_with_itself_is_alike() {
    let report = report(
        "compare {tiny_resnet_scripted.pt} --data {tiny_resnet.npy} --neighbours 2 \
         --measures cka,procrustes,rsa,mutual-knn,soft-matching",
    );
    assert_valid(&report, "compare");
    for found in measures(&report) {
        let facts = &found["facts"];
        let best = match facts["larger_is_more_alike"].as_bool().unwrap() {
            true => facts["range"][1].as_f64().unwrap(),
            false => facts["range"][0].as_f64().unwrap(),
        };
        let values = rows(&found["values"]);
        for (i, row) in values.iter().enumerate() {
            // Distances near 0 are roots of rounding.
            assert!((row[i] - best).abs() < 1e-7, "{} {}", found["name"], row[i]);
            for (j, value) in row.iter().enumerate() {
                assert_eq!(*value, values[j][i], "{}", found["name"]);
            }
        }
        for best in found["best_matches"].as_array().unwrap() {
            assert_ne!(best["layer_a"], best["layer_b"]);
        }
    }
}

#[test]
fn a_network_and_its_copy_are_alike_and_runs_repeat() {
    let line = format!("{TINY} --measures cka,procrustes,distance-correlation --permutations 9");
    let (one, two) = (report(&line), report(&line));
    assert_eq!(one["results"], two["results"]);
    let three = report(&format!("{line} --threads 1"));
    for (one, three) in measures(&one).iter().zip(measures(&three)) {
        assert_near(&rows(&one["values"]), &rows(&three["values"]), SAME);
    }
    for found in measures(&one) {
        for best in found["best_matches"].as_array().unwrap() {
            assert_eq!(best["layer_a"], best["layer_b"], "{}", found["name"]);
        }
    }
}

#[test]
fn chance_has_a_place_beside_the_value() {
    let line = format!("{FEATURES} --measures cka,procrustes,mutual-knn --permutations 19");
    let report = report(&format!("{line} --bootstrap 20 --random-seed 3"));
    assert_valid(&report, "compare");
    let layers = names(&report["results"]["layers_a"]);
    let place = |name: &str| layers.iter().position(|l| *l == name).unwrap();
    let (narrow, rectified, noise) = (place("narrow"), place("rectified"), place("noise"));
    for found in measures(&report) {
        let at = |key: &str, j: usize| found[key][narrow][j].as_f64().unwrap();
        assert_eq!(at("p_values", rectified), 0.05, "{}", found["name"]);
        assert!(at("p_values", noise) > 0.05, "{}", found["name"]);
        assert!(at("calibrated", rectified) > 0.1, "{}", found["name"]);
        assert!(at("calibrated", noise).abs() < 0.1, "{}", found["name"]);
        let ends = |end: usize| found["intervals"][narrow][rectified][end].as_f64().unwrap();
        assert!(ends(0) < ends(1), "{}", found["name"]);
        let (value, mean) = (at("values", rectified), at("null_means", rectified));
        assert_eq!(found["facts"]["larger_is_more_alike"], json!(value > mean));
    }
}

#[test]
fn intervals_hold_their_value() {
    let report = report(&format!("{FEATURES} --measures procrustes,mutual-knn,cka --bootstrap 20"));
    for found in measures(&report) {
        let rows = |key: &str| found[key].as_array().unwrap().clone();
        for (values, intervals) in rows("values").iter().zip(rows("intervals")) {
            for (i, value) in values.as_array().unwrap().iter().enumerate() {
                let end = |end: usize| intervals[i][end].as_f64().unwrap();
                let value = value.as_f64().unwrap();
                assert!(end(0) <= value && value <= end(1), "{}: {value}", found["name"]);
            }
        }
        assert_eq!(found["nulls"], json!([]));
    }
}

/// 60 samples are more than 35 components; their halves are not.
#[test]
fn an_interval_that_is_missing_has_its_reason() {
    let line = format!("{FEATURES} --measures cca-r2,cka,hsic --layers wide --pca 35");
    let run = done(&format!("{line} --bootstrap 20 --permutations 5"));
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let [cca, cka, hsic] = [0, 1, 2].map(|i| measures(&report)[i].clone());
    let fields = |found: &Value| {
        found["nulls"].as_array().unwrap().iter().map(|n| n["field"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(fields(&cca), [json!("intervals")]);
    assert!(cca["nulls"][0]["reason"].as_str().unwrap().starts_with("of half of the samples: "));
    assert!(
        run.stderr.contains("cca-r2 has no interval for 1 of 1 pair of layers: of half"),
        "{}",
        run.stderr
    );
    assert_eq!(fields(&cka), Vec::<Value>::new());
    assert_eq!(hsic["nulls"][0]["field"], json!("calibrated"));
}

/// 99 % of the variance takes 54 and 22 components, together more than the 59 directions of 60 samples.
#[test]
fn correlations_that_are_one_by_force_are_told_of() {
    let run = done(&format!("{FEATURES} --measures svcca,cca-r2 --layers wide --layers rectified"));
    assert!(!run.stderr.contains("cca-r2: in "), "{}", run.stderr);
    assert!(run.stderr.contains("svcca: in 2 pairs"), "{}", run.stderr);
}

#[test]
fn what_is_trivially_one_is_refused_and_components_help() {
    let wide = "compare --features {measures/features_a.npz} --measures linear-regression,cka";
    let run = done(&format!("{FEATURES} --measures cca-r2,linear-regression"));
    let warnings: Vec<&str> = run.stderr.lines().filter(|l| l.contains("trivially 1")).collect();
    assert_eq!(warnings.len(), 2, "{}", run.stderr);
    assert!(warnings.iter().all(|line| line.contains("--pca K")), "{}", run.stderr);
    let reduced = report(&format!("{FEATURES} --measures cca-r2 --pca 8"));
    let found = &measures(&reduced)[0];
    assert_eq!(found["nulls"], json!([]));
    let layer = &reduced["results"]["layers"][3];
    assert_eq!((&layer["name"], &layer["components"]), (&json!("wide"), &json!(8)));
    let kept = layer["variance_kept"].as_f64().unwrap();
    assert!(kept > 0.2 && kept < 0.9, "{kept}");
    fails(&format!("{FEATURES} --pca 60"), &["--pca 60", "60 samples have 59 components"]);
    let refused = ["no pair of layers has a value", "trivially 1", "--pca K"];
    fails(
        "compare {tiny_resnet_scripted.pt} --data {tiny_resnet.npy} --layers layer1 --measures cca-r2",
        &refused,
    );
    assert_eq!(done(wide).code, 0);
}

#[test]
fn labels_separate_classes() {
    let report = report(
        "compare {models/fashion-seed0-scripted.pt} --data {images} --limit 40 --seed 1 \
         --preprocess raw --channels 3 --mean 0.2860 --std 0.3530 --layers layer1 --layers avgpool",
    );
    let layers = report["results"]["layers"].as_array().unwrap();
    let separation = |i: usize| layers[i]["class_separation"].as_f64().unwrap();
    assert!(separation(1) > separation(0) + 0.2, "{} {}", separation(0), separation(1));
    assert!(layers[0]["zeros"].as_f64().unwrap() > 0.1);
}

#[test]
fn pictures_are_one_a_measure() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    done(&format!("{FEATURES} --measures cka,procrustes --heatmap {}", file("map.svg")));
    assert_eq!(
        {
            let mut files = files_in(folder.path());
            files.sort();
            files
        },
        ["map-cka.svg", "map-procrustes.svg"]
    );
    let text = fs::read_to_string(file("map-procrustes.svg")).unwrap();
    assert!(text.contains("smaller is more alike"), "no direction");
    done(&format!("{FEATURES} --measures cka --heatmap {}", file("one.png")));
    assert!(folder.path().join("one.png").exists());
    fails(&format!("{FEATURES} --heatmap {}", file("map.jpg")), &["end its name in .png or .svg"]);
}

#[test]
fn what_cannot_be_compared_is_told() {
    fails(
        &format!("{FEATURES} --measures cka,svca"),
        &["no measure 'svca'", "did you mean svcca?"],
    );
    fails(&format!("{FEATURES} --layers-b narrow"), &["there is no B", "name a second one"]);
    fails(&format!("{FEATURES} --limit 3"), &["--features has none"]);
    fails(
        &format!("{FEATURES} --reduce spatial"),
        &["expected flatten, gap, tokens-mean, cls or last"],
    );
    fails(&format!("{FEATURES} --measures shape-metric --alpha 2"), &["--alpha", "from 0 to 1"]);
    let none = [
        "--neighbours is for mutual-knn, cknna, jaccard and second-order-cosine, and none of them is asked for",
    ];
    fails(&format!("{FEATURES} --measures cka,svcca --neighbours 5"), &none);
    fails(&format!("{FEATURES} a.npz b.npz"), &["one or two files, not 3", "platonic --features"]);
    fails(&format!("{FEATURES} --measures cka,"), &["a measure without a name", "cka, hsic"]);
    fails(&format!("{FEATURES} --alpha 1"), &["--alpha is for shape-metric, and it is not asked"]);
    fails(&format!("{FEATURES} --bias biased --measures rsa"), &["--bias is for cka and hsic"]);
    fails(&format!("{FEATURES} --bootstrap 5"), &["--subsamples 5 is too few", "20 or more"]);
    fails(&format!("{FEATURES} --permutations 999999999999"), &["0 to 1,000,000"]);
    fails(&format!("{FEATURES} --bootstrap 18446744073709551615"), &["0 to 1,000,000"]);
    fails(&format!("{FEATURES} --level 0.9"), &["--level needs --subsamples", "add --subsamples"]);
    fails(&format!("{FEATURES} --random-seed 3"), &["nothing is random", "--permutations"]);
    fails(&format!("{FEATURES} --bootstrap 9 --level 1"), &["--level", "above 0 and below 1"]);
    fails(
        "compare --features {similarity/layers.npz} {measures/pair.npz}",
        &["match rows by index", "save the same samples"],
    );
    fails(
        "compare --features {similarity/layers.npz} --neighbours 60 --measures mutual-knn",
        &["60 samples, and the measure needs at least 61"],
    );
}

/// HSIC has no best value to calibrate by, which is not a reason for a value to be missing.
#[test]
fn a_matrix_lists_why_its_own_values_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("compare.json").display().to_string();
    let line = format!("{FEATURES} --measures hsic,cca-r2 --layers narrow --layers wide");
    done(&format!("{line} --permutations 5 -o {file}"));
    let page = done(&format!("report {file} -o -")).stdout;
    assert!(page.contains("trivially 1"));
    assert!(!page.contains("no best value"));
}

#[test]
fn a_page_shows_each_measure() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("compare.json").display().to_string();
    done(&format!("{FEATURES} --measures cka,linear-regression -o {file}"));
    let page = done(&format!("report {file} -o -")).stdout;
    for text in ["Measures of similarity", "linear-regression", "not symmetric", "TwoNN dimension"]
    {
        assert!(page.contains(text), "{text:?} is missing");
    }
}
