//! `repsim demo`.

use std::fs;

use serde_json::Value;

use crate::reports::assert_valid;
use crate::support::repsim;

#[test]
fn every_part_prints_its_command_and_leaves_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let run = repsim(["demo", "--folder", folder.path().to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let commands = run.stdout.lines().filter_map(|line| line.strip_prefix("$ repsim "));
    let commands: Vec<&str> = commands.filter_map(|c| c.split(' ').next()).collect();
    assert_eq!(commands, ["layers", "cka", "cka", "fid", "saliency", "report"]);
    assert!(run.stdout.contains("--layers '*' --layers '*.*'"), "{}", run.stdout);
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(folder.path().join(name)).unwrap()).unwrap()
    };
    for (name, schema) in [("seeds", "cka"), ("untrained", "cka"), ("fid", "fid")] {
        assert_valid(&read(&format!("{name}.json")), schema);
    }
    for picture in ["seeds.png", "untrained.png", "saliency.png"] {
        let bytes = fs::read(folder.path().join(picture)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG"), "{picture}");
    }
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert_eq!(page.matches("<section class=\"report\"").count(), 4);
    assert!(
        page.contains("<img")
            && run.stdout.trim_end().ends_with("report.html is a page of all reports to read.")
    );
    let saliency = read("saliency.json");
    assert_valid(&saliency, "saliency");
    says_what_the_report_says(&run.stdout, &saliency);
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
