//! `repsim demo`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::reports::assert_valid;
use crate::support::repsim;

#[test]
fn every_part_prints_its_command_and_leaves_its_report() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("it's a demo");
    let run = repsim(["demo", "--folder", folder.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let commands = run.stdout.lines().filter_map(|line| line.strip_prefix("$ repsim "));
    let commands: Vec<&str> = commands.filter_map(|c| c.split(' ').next()).collect();
    assert_eq!(commands, ["layers", "cka", "cka", "fid", "saliency", "report"]);
    assert!(run.stdout.contains("--layers '*' --layers '*.*'"), "{}", run.stdout);
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
    };
    for (name, schema) in [("seeds", "cka"), ("untrained", "cka"), ("fid", "fid")] {
        assert_valid(&read(&format!("{name}.json")), schema);
    }
    for picture in ["seeds.png", "untrained.png", "saliency.png"] {
        let bytes = fs::read(folder.join(picture)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG"), "{picture}");
    }
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert_eq!(page.matches("<section class=\"report\"").count(), 4);
    assert!(
        page.contains("<img")
            && run.stdout.trim_end().ends_with("report.html is a page of all reports to read.")
    );
    let saliency = read("saliency.json");
    assert_valid(&saliency, "saliency");
    says_what_the_report_says(&run.stdout, &saliency);
    can_be_pasted(&run.stdout, &folder);
}

/// A shell takes each command that was shown, and it gives the results of the demo.
#[track_caller]
fn can_be_pasted(stdout: &str, folder: &Path) {
    let results = |name: &str| -> Value {
        let report = fs::read(folder.join(format!("{name}.json"))).unwrap();
        serde_json::from_slice::<Value>(&report).unwrap()["results"].take()
    };
    let reports = ["seeds", "untrained", "fid", "saliency"];
    let before = reports.map(results);
    for name in reports {
        fs::remove_file(folder.join(format!("{name}.json"))).unwrap();
    }
    let program = Path::new(env!("CARGO_BIN_EXE_repsim")).parent().unwrap().display().to_string();
    let paths = format!("{program}:{}", std::env::var("PATH").unwrap());
    for line in stdout.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let run = Command::new("sh").args(["-c", line]).env("PATH", &paths).output().unwrap();
        assert!(run.status.success(), "{line}: {}", String::from_utf8_lossy(&run.stderr));
    }
    assert_eq!(reports.map(results), before);
}

/// The sentence on the maps, from the report: the first seed against each other network.
#[track_caller]
fn says_what_the_report_says(stdout: &str, saliency: &Value) {
    let pairs = saliency["results"]["comparison"].as_array().unwrap();
    let own: Vec<&Value> = pairs.iter().filter(|p| p["a"] == "seed0/gradcam").collect();
    let others: Vec<&str> = own.iter().map(|p| p["b"].as_str().unwrap()).collect();
    let expected = ["seed1", "cutout", "mixup", "cutmix"].map(|name| format!("{name}/gradcam"));
    assert_eq!(others, expected);
    let text: String = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for pair in own {
        assert_eq!(pair["pearson"]["count"], 500, "a map is missing");
        let said = format!("by {:.2}", pair["pearson"]["mean"].as_f64().unwrap());
        assert!(text.contains(&said), "{said} is not in: {text}");
    }
    assert!(text.contains("CutMix the most."), "{text}");
}
