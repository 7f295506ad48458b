//! What `repsim fid` measures, what it says where there is no value, and its report.

use std::fs;

use serde_json::{Value, json};

use crate::fid_support::{
    TINY, assert_close, features, golden, number, row, rows, stats, three_sets, warnings, write,
};
use crate::reports::assert_valid;
use crate::support::{done, pictures, report, repsim, words};
use crate::tolerances::{COUNTED, DISTANCE};

#[test]
fn precision_and_the_like_for_any_neighbour() {
    let (_folder, [real, fake, _]) = three_sets();
    for entry in golden("values")["prdc"].as_array().unwrap() {
        let line = format!("fid {real} {fake} --metrics prdc --k {}", entry["nearest_k"]);
        let found = row(&line);
        for name in ["precision", "recall", "density", "coverage"] {
            assert_close(number(&found, name), number(entry, name), COUNTED);
        }
        assert!(found.get("fid").is_none() && found.get("kid").is_none(), "{found}");
    }
    let by_default = row(&format!("fid {real} {fake} --metrics prdc"));
    assert_eq!(by_default, row(&format!("fid {real} {fake} --metrics prdc --k 5")));
}

#[test]
fn kid_of_all_rows() {
    let golden = golden("values")["kid"].clone();
    let n = golden["rows"].as_u64().unwrap() as usize;
    let folder = tempfile::tempdir().unwrap();
    let [real, fake] = ["real", "fake"].map(|name| {
        let rows = features(name).slice(ndarray::s![..n, ..]).to_owned();
        write(&folder, &format!("{name}.npy"), &rows)
    });
    let line = format!("fid {real} {fake} --metrics kid --kid-subsets 3");
    for options in ["--kid-subset-size 256", ""] {
        let found = report(&format!("{line} {options}"));
        let wanted = number(&golden["all_rows"]["float64"], "mean");
        assert_close(number(&rows(&found)[0], "kid"), wanted, DISTANCE * wanted);
        assert_eq!(rows(&found)[0]["kid_std"], Value::Null);
        let why = "every subset is the whole of both sets (--kid-subset-size)";
        assert_eq!(rows(&found)[0]["kid_std_null"], why);
        assert_eq!(rows(&found)[0]["kid_subset_size"], n);
        let told: &[&str] = if options.is_empty() { &["small-subsets"] } else { &[] };
        assert_eq!(warnings(&found), told, "{options}");
    }
}

#[test]
fn metrics_stand_beside_each_other() {
    let (_folder, [real, fake, _]) = three_sets();
    let line = |metrics: &str| {
        row(&format!("fid {real} {fake} --kid-subset-size 100 --metrics {metrics}"))
    };
    let all = line("fid,kid,prdc,fid-inf");
    for metric in ["fid", "kid", "prdc", "fid-inf"] {
        for (name, value) in line(metric).as_object().unwrap() {
            assert_eq!(&all[name], value, "{name} of {metric}");
        }
    }
    assert_eq!(line("fid,fid,kid,fid"), line("fid,kid"));
    assert!(number(&all, "fid_inf") != number(&all, "fid"));
    assert!((0.0..=1.0).contains(&number(&all, "fid_inf_r_squared")));
}

/// 260 samples of 16 features are enough for FID∞, 50 of 16 are not.
#[test]
fn few_samples_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let side = |name: &str| write(&folder, &format!("{name}.npy"), &features(name));
    let (real, few) = (side("duplicate.real"), side("few.fake"));
    let line = format!("fid {real} {few} --metrics fid,fid-inf");
    let found = report(&line);
    assert_eq!(warnings(&found), ["few-samples", "short-extrapolation"]);
    let text = found["warnings"][0]["text"].as_str().unwrap();
    for part in ["few.fake.npy: 10 samples of 16 features", "rank 9", "too high"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(done(&line).stderr.contains("warning: "));
    let reference = report(&format!("fid {few} {real}"));
    assert_eq!(warnings(&reference), ["few-samples"]);
}

/// KID and the others are `null` for statistics, with a reason; the distance is there.
#[test]
fn statistics_alone_have_no_samples() {
    let (_folder, [real, fake, _]) = three_sets();
    for (line, side) in [
        (format!("fid {real} {{fid/pytorch-fid-fake.npz}}"), "the candidate"),
        (format!("fid {{fid/pytorch-fid-real.npz}} {fake}"), "the reference"),
        ("fid {fid/pytorch-fid-real.npz} {fid/pytorch-fid-fake.npz}".to_owned(), "the candidate"),
    ] {
        let run = done(&format!("{line} --metrics fid,kid,prdc,fid-inf"));
        let found: Value = serde_json::from_str(&run.stdout).unwrap();
        let row = &rows(&found)[0];
        assert!(number(row, "fid") > 1.8);
        let names = ["kid", "kid_std", "precision", "recall", "density", "coverage", "fid_inf"];
        let extrapolated = side == "the reference";
        for name in names.into_iter().filter(|name| !(extrapolated && *name == "fid_inf")) {
            assert_eq!(row.get(name), Some(&Value::Null), "{name} of {row}");
        }
        assert_eq!(row["fid_inf"].is_number(), extrapolated);
        let nulls = row["nulls"].as_array().unwrap();
        let metrics: Vec<&Value> = nulls.iter().map(|n| &n["metric"]).collect();
        assert_eq!(metrics[..2], [&json!("kid"), &json!("prdc")]);
        assert_eq!(metrics.len(), if extrapolated { 2 } else { 3 });
        for null in nulls {
            let reason = null["reason"].as_str().unwrap();
            assert_eq!(
                reason,
                format!("{side} is given by statistics alone, and it needs samples")
            );
        }
        assert!(warnings(&found).iter().filter(|w| **w == "null-metric").count() == nulls.len());
        let told = run.stderr.matches("given by statistics alone").count();
        assert_eq!(told, nulls.len(), "{}", run.stderr);
        assert_valid(&found, "fid");
    }
}

#[test]
fn too_few_samples_for_a_metric_are_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let rows_of = |n: usize| features("single.real").slice(ndarray::s![..n, ..]).to_owned();
    let [many, few] =
        [("many.npy", 30), ("few.npy", 3)].map(|(name, n)| write(&folder, name, &rows_of(n)));
    let found = row(&format!("fid {many} {few} --metrics fid,prdc,fid-inf"));
    assert!(found["fid"].is_number());
    let nulls = found["nulls"].as_array().unwrap();
    assert_eq!(nulls.len(), 2);
    let reasons = [0, 1].map(|i| nulls[i]["reason"].as_str().unwrap());
    assert!(reasons[0].contains("the candidate: 3 samples"), "{}", reasons[0]);
    assert!(reasons[1].contains("3 samples are too few"), "{}", reasons[1]);
}

#[test]
fn reports_validate() {
    let (folder, [real, fake, half]) = three_sets();
    let (data, other) = (pictures(12), pictures(9));
    let (data, other) = (data.path().display(), other.path().display());
    let file = folder.path().join("tiny.npz");
    stats(&data.to_string(), TINY, &file);
    let all = "--metrics fid,kid,prdc,fid-inf";
    for line in [
        format!("fid {real} {fake} {half}"),
        format!("fid {real} {fake} {all} --kid-subset-size 50 --fail-above 10"),
        format!("fid {data} {other} {} {TINY} --k 2", file.display()),
        format!("fid {data} {other} {TINY} {all} --limit 8 --seed 3"),
        "fid {fid/pytorch-fid-real.npz} {fid/clean-fid-fake.npz} --metrics fid,kid".to_owned(),
        "fid {fid/images} {fid/images} --model {fid/extractor.pt}".to_owned(),
    ] {
        assert_valid(&report(&line), "fid");
    }
    let run = repsim(words(&format!("fid {real} nowhere {fake} {all}")));
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert_valid(&serde_json::from_str(&run.stdout).unwrap(), "fid");
}

#[test]
fn reports_say_what_they_were_made_from() {
    let (data, other) = (pictures(12), pictures(9));
    let (data, other) = (data.path().display().to_string(), other.path().display().to_string());
    let line = format!(
        "fid {data} {other} {TINY} --metrics fid,kid --limit 10 --seed 4 --mean 0.3 --k 3 \
         --kid-subsets 7 --kid-subset-size 5 --subset-seed 11 --fail-above 1e6 --batch-size 4"
    );
    let found = report(&line);
    let model = &found["inputs"]["models"][0];
    let archive = crate::support::path("tiny_resnet_scripted.pt");
    assert_eq!(model["sha256"], repsim::report::sha256_of_file(&archive).unwrap());
    assert_eq!(model["layers"][0]["name"], "fc:input");
    let sets = found["inputs"]["sets"].as_array().unwrap();
    assert_eq!(sets.len(), 2);
    for (set, (path, count)) in sets.iter().zip([(data, 10), (other, 9)]) {
        assert_eq!(
            (&set["images"]["path"], &set["images"]["count"]),
            (&json!(path), &json!(count))
        );
        assert_eq!(set["images"]["fingerprint"].as_str().unwrap().len(), 64);
    }
    let settings = &found["settings"];
    for (name, value) in [
        ("metrics", json!(["fid", "kid"])),
        ("reduce", json!("gap")),
        ("k", json!(3)),
        ("kid_subsets", json!(7)),
        ("kid_subset_size", json!(5)),
        ("subset_seed", json!(11)),
        ("fail_above", json!(1e6)),
        ("batch_size", json!(4)),
        ("limit", json!(10)),
        ("seed", json!(4)),
        ("optimize", json!(true)),
    ] {
        assert_eq!(settings[name], value, "{name}");
    }
    assert_eq!(settings["preprocess"]["resize"], "none");
    assert_eq!(settings["preprocess"]["mean"], json!([0.3]));
    for name in ["total", "load", "decode", "wait", "forward", "measure", "distance"] {
        assert!(found["timing"][name].as_f64().unwrap() >= 0.0, "{name}");
    }
}

/// What a report names is found again in a statistics file's origin.
#[test]
fn statistics_tell_their_origin_in_the_report() {
    let (data, folder) = (pictures(12), tempfile::tempdir().unwrap());
    let file = folder.path().join("tiny.npz");
    let line = data.path().display().to_string();
    stats(&line, TINY, &file);
    let found = report(&format!("fid {} {line} {TINY}", file.display()));
    let sets = found["inputs"]["sets"].as_array().unwrap();
    let origin = &sets[0]["statistics"]["origin"];
    assert_eq!(sets[0]["statistics"]["n"], 12);
    assert_eq!(origin["fingerprint"], sets[1]["images"]["fingerprint"]);
    assert_eq!(origin["model_sha256"], found["inputs"]["models"][0]["sha256"]);
    assert_eq!((&origin["layer"], &origin["reduce"]), (&json!("fc:input"), &json!("gap")));
    assert_eq!(origin["preprocess"], found["settings"]["preprocess"]);
    assert!(fs::metadata(&file).unwrap().len() > 800);
}
