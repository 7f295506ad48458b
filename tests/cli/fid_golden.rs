//! `repsim fid` end to end: from image files through a network, resized in each way, to what
//! pytorch-fid, clean-fid, torch-fidelity and prdc give of them.

use serde_json::{Value, json};

use crate::fid_support::{
    EXAMPLE, assert_close, golden, images, number, resized, results, row, rows, warnings,
};
use crate::support::report;
use crate::tolerances::{COUNTED, NETWORK, SINGULAR_SQRTM};

/// Holds a row against the Fréchet distances that the goldens list.
#[track_caller]
fn check(row: &Value, golden: &Value) {
    let exact = &golden["exact"];
    let fid = number(exact, "fid");
    assert_close(number(row, "fid"), fid, NETWORK * fid);
    assert_close(number(row, "mean_term"), number(exact, "mean_term"), NETWORK * fid);
    assert_close(number(row, "trace_term"), number(exact, "covariance_term"), NETWORK * fid);
    assert_eq!(number(row, "fid"), number(row, "mean_term") + number(row, "trace_term"));
    for package in ["pytorch_fid", "clean_fid", "clean_fid_float64", "torch_fidelity"] {
        let wanted = number(golden, package);
        assert_close(number(row, "fid"), wanted, NETWORK * fid + SINGULAR_SQRTM);
    }
    assert_eq!(row["n"], golden["n_candidate"]);
    let (n, m, d) = ("n_reference", "n_candidate", "dims");
    let most = [number(golden, n) - 1.0, number(golden, m) - 1.0, number(golden, d)];
    assert_eq!(number(row, "rank"), most.into_iter().fold(f64::MAX, f64::min));
    assert!(number(row, "relative_error") < 1e-9, "{row}");
}

#[test]
fn images_as_they_are() {
    let (reference, candidate) = (images("reference"), images("candidate"));
    let golden = &golden("models")["resnet"]["none"];
    let line = format!(
        "fid {} {} {EXAMPLE} --resize none --metrics fid,kid,prdc --kid-subsets 1 \
         --kid-subset-size 250",
        reference.path().display(),
        candidate.path().display()
    );
    let found = report(&line);
    let row = &rows(&found)[0];
    check(row, &golden["frechet"]);
    let kid = number(&golden["kid"]["float64"], "mean");
    assert_close(number(row, "kid"), kid, NETWORK * kid.abs());
    let clean_fid = number(golden, "kid_clean_fid");
    assert_close(number(row, "kid"), clean_fid, NETWORK * kid.abs());
    assert_eq!((&row["kid_std"], &row["kid_subset_size"]), (&Value::Null, &json!(250)));
    assert_eq!(row["kid_std_null"], "there is one subset only (--kid-subsets)");
    for name in ["precision", "recall", "density", "coverage"] {
        assert_close(number(row, name), number(&golden["prdc"], name), COUNTED);
    }
    for name in ["precision", "recall"] {
        assert_close(number(row, name), number(&golden["prc"], name), 1e-6);
    }
    assert_eq!(found["results"]["width"], 128);
    assert_eq!(found["results"]["layer"], "fc:input");
    assert_eq!(warnings(&found), Vec::<&str>::new());
}

/// Fewer images, whose distances by the two resizings are 5 % apart.
#[test]
fn images_resized_as_by_each_tool() {
    let (reference, candidate) = (images("few_reference"), images("few_candidate"));
    for (option, name) in [("clean", "clean"), ("legacy-pytorch", "legacy_pytorch")] {
        let line = format!(
            "fid {} {} {EXAMPLE} --resize {option}",
            reference.path().display(),
            candidate.path().display()
        );
        let found = report(&line);
        check(&rows(&found)[0], &golden("models")["resnet"][name]["frechet"]);
        assert_eq!(found["settings"]["preprocess"]["resize"], resized(name, 299));
        let told = warnings(&found);
        // The size is the tool's own: nothing to warn of.
        let enlarged = told.contains(&"enlarged");
        assert!(told.ends_with(&["few-samples"]) && !enlarged, "{told:?}: 60 samples of 128");
    }
}

/// Bytes go in and features come out, resized as by clean-fid unless told otherwise.
#[test]
fn an_extractor_with_its_calling_convention() {
    let (reference, candidate) = (images("few_reference"), images("few_candidate"));
    let line = format!(
        "fid {} {} --model {{fid/extractor.pt}}",
        reference.path().display(),
        candidate.path().display()
    );
    let found = report(&line);
    check(&rows(&found)[0], &golden("models")["extractor"]["clean"]["frechet"]);
    assert_eq!(found["results"]["layer"], "output");
    assert_eq!(found["results"]["width"], 24);
    let steps = &found["settings"]["preprocess"];
    assert_eq!(steps["resize"], resized("clean", 299));
    assert_eq!(steps["range"], "0..255");
    let explicit = report(&format!("{line} --resize clean"));
    assert_eq!(results(&explicit), results(&found));
    let legacy = report(&format!("{line} --resize legacy-pytorch"));
    assert_eq!(legacy["settings"]["preprocess"]["resize"], resized("legacy_pytorch", 299));
    let [a, b] = [&found, &legacy].map(|r| number(&rows(r)[0], "fid"));
    assert!((a - b).abs() > 1e-3 * a, "{a} {b}");
}

/// The features that the default layer gives are those that the layer before it gives.
#[test]
fn the_default_layer_is_what_goes_into_the_last_linear_one() {
    let (reference, candidate) = (images("few_reference"), images("few_candidate"));
    let line =
        format!("fid {} {} {EXAMPLE}", reference.path().display(), candidate.path().display());
    let fid = |options: &str| number(&row(&format!("{line} {options}")), "fid");
    let default = fid("");
    assert_eq!(fid("--layer fc:input"), default);
    assert_close(fid("--layer layer4"), default, NETWORK * default);
    assert!((fid("--layer layer3") - default).abs() > 1e-2 * default);
}
