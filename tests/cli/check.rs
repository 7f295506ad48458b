//! `repsim check` against a baseline: what passes, what drifts, and what cannot be compared.

use serde_json::{Value, json};

use crate::check_support::{Files, TINY, changed, check, ended, rule, set, tiny, under, written};
use crate::fid_support::three_sets;
use crate::support::{report, repsim, words};

#[test]
fn a_report_meets_itself() {
    let count = tiny()["results"]["layers_a"].as_array().unwrap().len();
    let run = check(&tiny(), &tiny(), &[]);
    let others = count.pow(2) - count;
    let said = format!(
        "passed: {count} values checked (0 of {others} pairs of layers of different names moved, which is not \
         checked)\n"
    );
    ended(&run, 0, &[&said]);
    assert_eq!(check(&tiny(), &tiny(), &["--quiet"]).stdout, "");
}

#[test]
fn drift_is_told_largest_first() {
    let report = changed(&tiny(), |r| {
        set(r, "layer1", 0.98);
        set(r, "layer2", 0.9);
        set(r, "conv1", 0.9995);
    });
    let run = check(&report, &tiny(), &[]);
    ended(&run, 1, &["drifted: ", "2 drifted", "0.98000", "≥ 0.999", "-0.10000", "100.0"]);
    let row = |layer: &str| run.stdout.find(&format!("cka[\"{layer}\"]"));
    assert!(row("layer2") < row("layer1") && row("conv1").is_none(), "{}", run.stdout);
    let quiet = check(&report, &tiny(), &["--quiet"]);
    assert_eq!((quiet.code, quiet.stdout.lines().count()), (1, 1), "{}", quiet.stdout);
}

#[test]
fn what_is_better_passes_and_is_counted() {
    let baseline = changed(&tiny(), |r| set(r, "layer2", 0.9));
    ended(&check(&tiny(), &baseline, &[]), 0, &["passed: ", "1 improved"]);
}

/// Puts a value between two layers of different names.
fn set_pair(report: &mut Value, (a, b): (usize, usize), value: f64) {
    report["results"]["cka"][a][b] = json!(value);
}

#[test]
fn pairs_of_different_names_are_counted_and_only_a_policy_holds_them() {
    let moved = changed(&tiny(), |r| {
        set_pair(r, (0, 2), 0.123);
        set_pair(r, (3, 1), 0.321);
        set_pair(r, (1, 2), tiny()["results"]["cka"][1][2].as_f64().unwrap() + 5e-4);
    });
    let run = check(&moved, &tiny(), &["--github"]);
    ended(&run, 0, &["passed: ", " (2 of ", "The most: cka[", "::notice title=repsim::2 of "]);
    assert!(!run.stdout.contains("::error"), "{}", run.stdout);
    let verdict: Value = serde_json::from_str(&check(&moved, &tiny(), &["--json"]).stdout).unwrap();
    assert_eq!((&verdict["outcome"], &verdict["counts"]["moved"]), (&json!("passed"), &json!(2)));
    assert_eq!((&verdict["failures"], verdict["moved"].as_array().unwrap().len()), (&json!([]), 2));
    let all = "version = 1\n[[tolerance]]\nof = 'cka'\natol = 0.001\n";
    ended(&under(all, &moved, &tiny()), 1, &["2 drifted"]);
}

/// Compared with itself a model has 1 on the diagonal whatever becomes of it, and layers of other names alone
/// would be held to nothing.
#[test]
fn all_pairs_are_held_where_the_diagonal_says_nothing() {
    let move_one = |r: &Value| changed(r, |r| set_pair(r, (0, 1), 0.05));
    let alone = report(&TINY.replace(" {tiny_resnet_traced.pt}", ""));
    assert_eq!(alone["inputs"]["models"].as_array().unwrap().len(), 1);
    ended(&check(&alone, &alone, &[]), 0, &["passed: "]);
    ended(&check(&move_one(&alone), &alone, &[]), 1, &["1 drifted"]);
    let renamed = changed(&tiny(), |r| {
        for name in r["results"]["layers_b"].as_array_mut().unwrap() {
            *name = json!(format!("b.{}", name.as_str().unwrap()));
        }
    });
    ended(&check(&renamed, &renamed, &[]), 0, &["passed: "]);
    ended(&check(&move_one(&renamed), &renamed, &[]), 1, &["1 drifted"]);
}

#[test]
fn other_data_are_told_by_their_settings_and_then_by_their_hash() {
    let with = |limit: Value, seed: u32, fingerprint: &str| {
        changed(&tiny(), |r| {
            r["settings"]["limit"] = limit;
            r["settings"]["seed"] = json!(seed);
            r["inputs"]["data"]["fingerprint"] = json!(fingerprint);
        })
    };
    let (one, two) = (with(json!(4), 1, "aa"), with(Value::Null, 2, "bb"));
    let said = "--limit is none, in the baseline 4; --seed is 2, in the baseline 1; the fingerprint of the \
                data is bb, in the baseline aa (--allow-different-data";
    ended(&check(&two, &one, &[]), 2, &[said, "1 could not be checked"]);
    let other_path = changed(&one, |r| {
        r["inputs"]["data"]["path"] = json!("elsewhere.npy");
        r["inputs"]["data"]["count"] = json!(3);
        r["results"]["n"] = json!(3);
        r["inputs"]["data"]["fingerprint"] = json!("cc");
    });
    let said = [
        "the path is elsewhere.npy",
        "the number of samples is 3, in the baseline 5; the fingerprint",
    ];
    ended(&check(&other_path, &one, &[]), 2, &[&said[..], &["1 could not be checked"]].concat());
    let same = with(json!(4), 1, "dd");
    ended(
        &check(&same, &one, &[]),
        2,
        &["the settings of the data are the same, the samples are not"],
    );
}

/// Candidates of a night have names of their own.
#[test]
fn new_candidates_are_held_to_the_worst_of_the_baseline() {
    let (_folder, [real, fake, half]) = three_sets();
    let of = |names: &str| report(&format!("fid {real} {names} --metrics fid,prdc"));
    let (both, one) = (of(&format!("{fake} {half}")), of(&fake));
    let rename = |name: &str, factor: f64| {
        changed(&one, |r| {
            let row = &mut r["results"]["candidates"][0];
            row["path"] = json!(name);
            row["fid"] = json!(row["fid"].as_f64().unwrap() * factor);
        })
    };
    let gone = "2 candidates in the baseline and not in the report: fake.npy, half.npy";
    let new = "1 candidate not in the baseline: night.npy";
    ended(&check(&rename("night.npy", 1.0), &both, &[]), 0, &["passed: 5 values", gone, new]);
    ended(&check(&rename("night.npy", 1e-3), &both, &[]), 0, &["1 improved", gone]);
    let worse = check(&rename("night.npy", 9.0), &both, &[]);
    ended(&worse, 1, &["fid[\"night.npy\"]", "1 drifted", gone]);
    let ignored = ["--new-candidates", "ignore"];
    ended(
        &check(&rename("night.npy", 9.0), &both, &ignored),
        2,
        &["no value that could be checked"],
    );
    ended(
        &check(&both, &one, &ignored),
        0,
        &["passed: 5 values", "1 candidate not in the baseline"],
    );
    let failing = ["--new-candidates", "fail"];
    let said = ["candidate half.npy is not in the baseline"];
    ended(&check(&both, &one, &failing), 2, &said);
    ended(&check(&one, &both, &failing), 2, &["is in the baseline and not in the report"]);
    let in_policy = "version = 1\nnew-candidates = \"fail\"\n";
    ended(&under(in_policy, &both, &one), 2, &said);
    // A second set of that name makes paths of all names; the first is the same set all the same.
    let twins = changed(&both, |r| r["results"]["candidates"][1]["path"] = json!("b/fake.npy"));
    let worse = changed(&twins, |r| r["results"]["candidates"][0]["fid"] = json!(1e3));
    let one_fails = check(
        &worse,
        &changed(&one, |r| {
            r["results"]["candidates"][0]["path"] =
                twins["results"]["candidates"][0]["path"].clone();
        }),
        &[],
    );
    ended(&one_fails, 1, &["fid[\"fake.npy\"]   1000", "1 candidate not in"]);
    let of_cka = check(&tiny(), &tiny(), &ignored);
    assert!(of_cka.code == 2 && of_cka.stderr.contains("--new-candidates is for reports of fid"));
}

#[test]
fn a_tolerance_is_kept_to_the_last_digit() {
    for (value, code) in [(0.949, 0), (0.948_99, 1), (0.951, 0)] {
        let of = |value: f64| changed(&tiny(), |r| set(r, "layer1", value));
        ended(&check(&of(value), &of(0.95), &[]), code, &[]);
    }
}

#[test]
fn values_that_are_missing_or_null_fail() {
    let null = changed(&tiny(), |r| {
        set(r, "layer1", Value::Null);
        r["results"]["nulls"] = json!([
            {"layer_a": "layer1", "layer_b": null, "reason": "the layer is constant"}
        ]);
    });
    let parts = ["cka[\"layer1\"] is null in the report: the layer is constant", "1 could not be"];
    ended(&check(&null, &tiny(), &[]), 2, &parts);
    let parts = ["cka[\"layer1\"] is null in the baseline: the layer is constant"];
    ended(&check(&tiny(), &null, &[]), 2, &parts);
    ended(&check(&null, &null, &[]), 2, &parts);
    let gone = changed(&tiny(), |r| {
        r["results"]["layers_a"][0] = json!("renamed");
    });
    ended(&check(&gone, &tiny(), &[]), 2, &["is in the baseline and not in the report"]);
}

#[test]
fn what_cannot_be_checked_outweighs_drift() {
    let report = changed(&tiny(), |r| {
        set(r, "layer1", Value::Null);
        set(r, "layer2", 0.5);
    });
    ended(&check(&report, &tiny(), &[]), 2, &["1 drifted, 1 could not be checked"]);
}

/// A change of a report, and what is said of it.
type Case = (fn(&mut Value), &'static str);

#[test]
fn other_conditions_fail() {
    let cases: [Case; 6] = [
        (|r| r["inputs"]["data"]["fingerprint"] = json!("ff"), "the fingerprint of the data is ff"),
        (
            |r| r["inputs"]["data"]["preprocess"][0]["mean"] = json!([0.5]),
            "the preprocessing, mean is [0.5], in the baseline []",
        ),
        (
            |r| r["settings"]["bias"] = json!("biased"),
            "the setting bias is \"biased\", in the baseline",
        ),
        (
            |r| r["settings"]["estimator"] = json!("minibatch"),
            "the setting estimator is \"minibatch\"",
        ),
        (|r| r["settings"]["reduce"] = json!("gap"), "the setting reduce is \"gap\""),
        (
            |r| {
                r["inputs"]["models"].as_array_mut().unwrap().pop();
            },
            "the number of models is 1, in the baseline 2",
        ),
    ];
    for (change, said) in cases {
        let run = check(&changed(&tiny(), change), &tiny(), &[]);
        ended(&run, 2, &["could not be checked: ", said]);
        assert!(!run.stdout.contains("cka["), "{}", run.stdout);
    }
}

#[test]
fn conditions_that_change_no_number_may_differ() {
    let other = changed(&tiny(), |r| {
        r["settings"]["device"] = json!("cuda:0");
        r["settings"]["batch_size"] = json!(2);
        r["settings"]["layers"] = json!(["**"]);
        r["inputs"]["data"]["preprocess"][0]["preset"] = json!("imagenet");
        r["inputs"]["models"][0]["sha256"] = json!("00");
        r["timing"]["total"] = json!(99.5);
    });
    ended(&check(&other, &tiny(), &[]), 0, &[]);
    let minibatch = |size: u32| {
        changed(&tiny(), |r| {
            r["settings"]["estimator"] = json!("minibatch");
            r["settings"]["batch_size"] = json!(size);
        })
    };
    ended(&check(&minibatch(4), &minibatch(8), &[]), 2, &["the setting batch_size is 4"]);
}

#[test]
fn only_other_data_is_forgiven() {
    let data = changed(&tiny(), |r| r["inputs"]["data"]["fingerprint"] = json!("ff"));
    ended(&check(&data, &tiny(), &["--allow-different-data"]), 0, &["passed"]);
    let both = changed(&data, |r| r["settings"]["bias"] = json!("biased"));
    let run = check(&both, &tiny(), &["--allow-different-data"]);
    ended(&run, 2, &["the setting bias is", "1 could not be checked"]);
}

#[test]
fn image_sets_are_scored_against_the_same_reference() {
    let (_folder, [real, fake, half]) = three_sets();
    let line = format!("fid {real} {fake} {half} --metrics fid,kid,prdc");
    let baseline = report(&line);
    ended(&check(&baseline, &baseline, &[]), 0, &["12 values checked"]);
    let worse = changed(&baseline, |r| {
        let fid = r["results"]["candidates"][0]["fid"].as_f64().unwrap();
        r["results"]["candidates"][0]["fid"] = json!(fid * 1.01);
        let recall = r["results"]["candidates"][1]["recall"].as_f64().unwrap();
        r["results"]["candidates"][1]["recall"] = json!(recall - 0.1);
    });
    let parts = ["fid[\"fake.npy\"]", "recall[\"half.npy\"]", "2 drifted"];
    ended(&check(&worse, &baseline, &[]), 1, &parts);
    ended(&check(&baseline, &worse, &[]), 0, &["2 improved"]);
    let other = report(&format!("fid {half} {fake} {real} --metrics fid,kid,prdc"));
    let said = ["the fingerprint of the reference is"];
    ended(&check(&other, &baseline, &[]), 2, &said);
    let k = report(&format!("{line} --k 3"));
    ended(&check(&k, &baseline, &[]), 2, &["the setting k is 3, in the baseline 5"]);
    let failed = report_with_a_failure(&real, &fake);
    ended(&check(&failed, &baseline, &[]), 2, &["fid[\"half.npy\"] is null", "no such file"]);
}

/// As the line above, but the second candidate is gone.
fn report_with_a_failure(real: &str, fake: &str) -> Value {
    let line = format!("fid {real} {fake} /nowhere/half.npy --metrics fid,kid,prdc");
    let run = repsim(words(&line));
    assert_eq!(run.code, 2);
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn every_kind_of_report_meets_itself() {
    let (_folder, [real, fake, _]) = three_sets();
    let images = "--data {images} --limit 4 --preprocess raw --channels 3";
    for (line, of) in [
        (format!("distance {real} {fake} --k 3"), "median-distance[\"mahalanobis\"]"),
        (
            "layers {tiny_resnet_scripted.pt} --input-size 3x16x16 --json".into(),
            "parameters[\"fc\"]",
        ),
        (format!("maps {{models/fashion-seed0-scripted.pt}} {images}"), "active[\"layer4"),
        (
            format!(
                "maps {{models/fashion-seed0-scripted.pt}} --match {{models/fashion-seed1-traced.pt}} \
                 {images} --layer layer4"
            ),
            "best-correlation[\"layer4\"]",
        ),
        (
            format!(
                "saliency {{models/fashion-seed0-scripted.pt}} {{models/fashion-seed1-traced.pt}} \
                 {images}"
            ),
            "pearson[\"fashion-seed0-scripted/gradcam\",\"fashion-seed1-traced/gradcam\"]",
        ),
    ] {
        let report = report(&line);
        let files = Files::new();
        let junit = files.path("out.xml");
        let run = check(&report, &report, &["--junit", &junit]);
        ended(&run, 0, &["passed: "]);
        let shown = files.read("out.xml").replace("&quot;", "\"");
        assert!(shown.contains(of), "{of} is not in {shown}");
    }
}

#[test]
fn a_measure_that_is_not_known_is_not_checked_rather_than_left_out() {
    let report =
        report("compare --features {measures/pair.npz} --measures cka,mutual-knn --neighbours 3");
    let other =
        changed(&report, |r| r["results"]["measures"][1]["name"] = json!("cosine-likeness"));
    let run = check(&other, &other, &[]);
    ended(&run, 2, &["cosine-likeness[", "a measure that this version does not know"]);
    let moved = changed(&other, |r| r["results"]["measures"][1]["values"][0][0] = json!(0.123));
    let files = Files::new();
    let [old, new] = [("old.json", &other), ("new.json", &moved)].map(|(n, r)| files.json(n, r));
    ended(&repsim(["diff", &old, &new]), 0, &["cosine-likeness[", "0.123"]);
    let of_cka = rule("diagonal >= 0.5");
    ended(&under(&of_cka, &other, &other), 0, &[]);
    for spelling in ["mutual-knn >= 0", "mutual_knn >= 0"] {
        ended(&under(&rule(spelling), &report, &report), 0, &["passed: "]);
    }
}

#[test]
fn maps_at_another_layer_are_others() {
    let line = "saliency {models/fashion-seed0-scripted.pt} --data {images} --limit 4 \
                --preprocess raw --channels 3";
    let (last, other) = (report(line), report(&format!("{line} --layer layer3")));
    let said = ["the layer of gradcam is layer3, in the baseline layer4"];
    ended(&check(&other, &last, &[]), 2, &said);
}

#[test]
fn parameters_are_exact() {
    let layers = report("layers {tiny_resnet_scripted.pt} --input-size 3x16x16 --json");
    let other = changed(&layers, |r| {
        let count = r["results"]["layers"][0]["parameters"].as_u64().unwrap();
        r["results"]["layers"][0]["parameters"] = json!(count + 1);
    });
    ended(&check(&other, &layers, &[]), 1, &["parameters[\"conv1\"]", "1 drifted"]);
}

#[test]
fn a_run_against_its_own_file_passes() {
    let files = Files::new();
    let path = written(&files, "report.json", TINY);
    ended(&repsim(["check", &path, "-b", &path]), 0, &["passed"]);
}
