//! `repsim platonic`: many models, their order, and what is refused.

use serde_json::{Value, json};

use crate::reports::assert_valid;
use crate::support::{done, files_in, report, repsim, words};
use crate::tolerances::TWIN;

const IMAGES: &str = "--data {images} --limit 40 --seed 1 --preprocess raw --channels 3 \
                      --mean 0.2860 --std 0.3530";
const FOUR: &str = "platonic {models/fashion-seed0-scripted.pt} {models/fashion-untrained-scripted.pt} \
                    {models/fashion-seed1-traced.pt} {models/fashion-cutmix-scripted.pt}";

#[track_caller]
fn fails(line: &str, parts: &[&str]) {
    let run = repsim(words(line));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{line}\n{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is not in {:?}", run.stderr);
    }
}

fn value(report: &Value, i: usize, j: usize) -> f64 {
    report["results"]["measure"]["values"][i][j].as_f64().unwrap()
}

#[test]
fn trained_models_stand_together_and_the_untrained_one_apart() {
    let report = report(&format!("{FOUR} {IMAGES} --permutations 19"));
    assert_valid(&report, "platonic");
    let results = &report["results"];
    for i in 0..4 {
        assert_eq!(value(&report, i, i), 1.0);
        for j in 0..4 {
            assert_eq!(value(&report, i, j), value(&report, j, i));
        }
    }
    assert!(value(&report, 0, 2) > value(&report, 0, 1) + 0.1, "{results}");
    let models = results["models"].as_array().unwrap();
    let accuracy: Vec<f64> = models.iter().map(|m| m["accuracy"].as_f64().unwrap()).collect();
    assert!(accuracy[1] < 0.4 && accuracy[0] > 0.8 && accuracy[2] > 0.8, "{accuracy:?}");
    assert!(results["rank_correlation"].as_f64().unwrap() > 0.0);
    // Of 4 models no order is rarer than 2 of 24.
    assert!(results["rank_correlation_p"].as_f64().unwrap() >= 2.0 / 24.0 - 1e-12);
    assert_eq!(models[0]["layer"]["name"], "fc:input");
    let order: Vec<&str> =
        results["order"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    let place = order.iter().position(|n| n.contains("untrained")).unwrap();
    assert!(place == 0 || place == 3, "{order:?}");
    assert_eq!(results["merges"].as_array().unwrap().len(), 3);
    assert_eq!(results["measure"]["p_values"][0][2], json!(0.05));
}

#[test]
fn measures_agree_with_those_of_compare() {
    let models = "{tiny_resnet_scripted.pt} {tiny_resnet_traced.pt}";
    let data = "--data {tiny_resnet.npy}";
    let line = format!("platonic {models} {data} --measure procrustes --layer layer4");
    let report = report(&line);
    let options = "--measures procrustes --layers layer4 --reduce gap";
    let compared = crate::support::report(&format!("compare {models} {data} {options}"));
    let wanted = compared["results"]["measures"][0]["values"][0][0].as_f64().unwrap();
    assert!((value(&report, 0, 1) - wanted).abs() < TWIN);
    assert!(report["results"]["rank_correlation"].is_null());
    let reason = report["results"]["nulls"].to_string();
    assert!(reason.contains("fewer than 3 models"), "{reason}");
}

#[test]
fn of_stored_layers_the_arrays_are_models() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("order.svg").display().to_string();
    let line = "platonic --features {similarity/layers.npz} --reduce flatten";
    let found = report(&format!("{line} --heatmap {picture}"));
    assert_valid(&found, "platonic");
    assert_eq!(files_in(folder.path()), ["order.svg"]);
    let golden: Value = serde_json::from_str(
        &std::fs::read_to_string(crate::support::path("similarity/similarity.json")).unwrap(),
    )
    .unwrap();
    let first = &golden["pairs"][0];
    assert_eq!((&first["a"], &first["b"]), (&json!("narrow"), &json!("shifted")));
    let wanted = first["values"]["mutual-knn"].as_f64().unwrap();
    assert!((value(&found, 0, 1) - wanted).abs() < 1e-12);
    assert_eq!(found["results"]["models"][0]["name"], "layers.npz:narrow");
    let file = folder.path().join("p.json").display().to_string();
    done(&format!("{line} --measure cka -o {file}"));
    let page = done(&format!("report {file} -o -")).stdout;
    assert!(page.contains("Alignment of models") && page.contains("layers.npz:noise"));
    assert_eq!(done(&format!("check {file} --baseline {file}")).code, 0);
}

/// The bytes of a float32 `.npy` of N×D.
fn npy(rows: usize, columns: usize, value: impl Fn(usize) -> f32) -> Vec<u8> {
    let shape =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    let header = format!("{shape:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend((0..rows * columns).flat_map(|i| value(i).to_le_bytes()));
    bytes
}

#[test]
fn models_without_a_value_stand_last_and_in_no_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let mixed = |i: usize, seed: usize| ((i * 7919 + seed * 104_729) % 1013) as f32;
    let write = |name: &str, bytes: Vec<u8>| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let files = [
        write("broken.npy", npy(30, 4, |i| if i == 5 { f32::NAN } else { mixed(i, 0) })),
        write("a.npy", npy(30, 4, |i| mixed(i, 1))),
        write("b.npy", npy(30, 4, |i| mixed(i, 1) + mixed(i, 2) / 9.0)),
        write("c.npy", npy(30, 4, |i| mixed(i * i, 3))),
    ];
    let found = report(&format!("platonic --measure cka --features {}", files.join(" ")));
    let results = &found["results"];
    let order = results["order"].as_array().unwrap();
    assert!(order[3].as_str().unwrap().contains("broken"), "{order:?}");
    let merges = results["merges"].as_array().unwrap();
    assert_eq!(merges.len(), 2, "{merges:?}");
    assert!(!results["merges"].to_string().contains("broken"), "{merges:?}");
    assert!(merges[0]["distance"].as_f64().unwrap() > 0.0, "{merges:?}");
}

#[test]
fn the_order_of_the_classes_can_be_told() {
    let folder = tempfile::tempdir().unwrap();
    let classes = std::fs::read_dir(crate::support::path("images")).unwrap();
    for class in classes.map(|class| class.unwrap().path()) {
        let name = class.file_name().unwrap().to_string_lossy().into_owned();
        let to = folder.path().join("images").join(name.split_once('-').unwrap().1);
        std::fs::create_dir_all(&to).unwrap();
        for image in std::fs::read_dir(class).unwrap().take(4) {
            let image = image.unwrap();
            std::fs::copy(image.path(), to.join(image.file_name())).unwrap();
        }
    }
    let names =
        "t-shirt\ntrouser\npullover\ndress\ncoat\nsandal\nshirt\nsneaker\nbag\nankle-boot\n";
    let labels = folder.path().join("labels.txt");
    std::fs::write(&labels, names).unwrap();
    let found = report(&format!(
        "platonic {{models/fashion-seed0-scripted.pt}} {{models/fashion-seed1-traced.pt}} --data {} \
         --preprocess raw --channels 3 --mean 0.2860 --std 0.3530 --labels {}",
        folder.path().join("images").display(),
        labels.display()
    ));
    for model in found["results"]["models"].as_array().unwrap() {
        assert!(model["accuracy"].as_f64().unwrap() > 0.8, "{model}");
    }
}

/// CKNNA and linear regression differ with the direction.
#[test]
fn a_measure_that_is_not_symmetric_is_the_mean_of_both_directions() {
    let files = "--features {similarity/layers.npz}";
    for measure in ["cknna", "linear-regression"] {
        let both = report(&format!("platonic {files} --measure {measure} --bootstrap 20"));
        let found = &both["results"]["measure"];
        assert_eq!(found["facts"]["symmetric"], json!(true));
        assert!(found["facts"]["caveats"].to_string().contains("mean of both directions"));
        let ways = report(&format!("compare {files} --measures {measure}"));
        let ways = &ways["results"]["measures"][0]["values"];
        let at = |values: &Value, i: usize, j: usize| values[i][j].as_f64();
        let (Some(there), Some(back)) = (at(ways, 0, 1), at(ways, 1, 0)) else {
            panic!("{measure}: {ways}")
        };
        let mean = (there + back) / 2.0;
        assert_ne!(there, back, "{measure}");
        for (i, j) in [(0, 1), (1, 0)] {
            assert!((at(&found["values"], i, j).unwrap() - mean).abs() < 1e-12, "{measure}");
            let ends = |end: usize| found["intervals"][i][j][end].as_f64().unwrap();
            assert!(ends(0) <= mean && mean <= ends(1), "{measure}");
        }
    }
}

#[test]
fn what_cannot_be_aligned_is_told() {
    let two = "platonic {tiny_resnet_scripted.pt} {tiny_resnet_traced.pt} --data {tiny_resnet.npy}";
    fails("platonic {mlp.pt} --data {mlp.npy}", &["one model aligns with no other"]);
    let outputs = ["tiny_resnet_scripted.pt", "--output-index 1 is not a tensor of it"];
    fails(&format!("{two} --output-index 1"), &outputs);
    fails(&format!("{two} --labels {{mlp.pt}}"), &["mlp.pt", "it is not text"]);
    fails(&format!("{two} --measure mutual_knn"), &["did you mean mutual-knn?"]);
    fails(&format!("{two} --layer a --layer b --layer c"), &["given 3 times for 2 models"]);
    fails(&format!("{two} --layer nowhere"), &["nowhere"]);
    fails(&format!("{two} --pca 5"), &["--pca 5", "5 samples have 4 components"]);
    fails("platonic --features {measures/pair.npz} --layer x", &["one model aligns with no other"]);
    fails(
        "platonic --features {measures/pair.npz} {similarity/layers.npz}",
        &["match rows by index"],
    );
}
