//! `repsim report`: a page from reports, and what is said of files that are none.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{done, files_in, pictures, repsim, words};

/// A folder with a report of a comparison.
fn compared() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    done(&format!(
        "cka --features {{measures/features_a.npz}} {{measures/features_b.npz}} -o {at}/cka.json"
    ));
    folder
}

fn change(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut report: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    change(&mut report);
    fs::write(path, report.to_string()).unwrap();
}

fn fails(line: &str) -> String {
    let run = repsim(words(line));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    run.stderr
}

#[test]
fn every_kind_has_a_section() {
    let (folder, data) = (compared(), pictures(12));
    let (at, data) = (folder.path().display(), data.path().display());
    let model = "{tiny_resnet_scripted.pt}";
    done(&format!("layers {model} --input-size 3x16x16 -o {at}/layers.json"));
    done(&format!("fid {data}/even {data}/odd --model {model} --preprocess raw -o {at}/fid.json"));
    done(&format!("distance {data} {data} --model {model} --preprocess raw -o {at}/distance.json"));
    done(&format!(
        "saliency {model} --data {data} --preprocess raw --method gradcam,gradient -o {at}/saliency.json"
    ));
    done(&format!(
        "maps {model} --match {{tiny_resnet_traced.pt}} --data {data} --preprocess raw --layer layer1 -o {at}/maps.json"
    ));
    done(&format!(
        "patterns {model} {{tiny_resnet_traced.pt}} --data {data} --preprocess raw --layer layer1 -o {at}/patterns.json"
    ));
    let names = ["cka", "layers", "fid", "distance", "saliency", "maps", "patterns"];
    let files: Vec<String> = names.iter().map(|name| format!("{at}/{name}.json")).collect();
    let page = done(&format!("report {} -o -", files.join(" "))).stdout;
    let kinds = [
        "Centred kernel alignment",
        "Layers of a network",
        "Distance of image sets",
        "Distance from a reference",
        "Saliency maps",
        "Feature maps",
        "Input patterns",
    ];
    for (i, kind) in kinds.iter().enumerate() {
        assert!(
            page.contains(&format!("<p class=\"kicker\">{kind}</p><h2 id=\"{}-title\">", names[i])),
            "{kind}"
        );
    }
    assert_eq!(page.matches("The pitfall").count(), 6, "one for each kind that measures");
    assert!(page.contains("sensitivity is not importance") && page.contains("n ≪ D"));
    assert_eq!(page.matches("<section class=\"report\"").count(), 7);
}

#[test]
fn the_values_of_the_report_are_those_of_the_page() {
    let folder = compared();
    let at = folder.path().display();
    let report: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("cka.json")).unwrap()).unwrap();
    let page = done(&format!("report {at}/cka.json -o -")).stdout;
    let cells: Vec<&str> =
        page.split("data-v=\"").skip(1).filter_map(|r| r.split('"').next()).collect();
    let values =
        report["results"]["cka"].as_array().unwrap().iter().flat_map(|r| r.as_array().unwrap());
    let values: Vec<String> = values
        .map(|v| {
            format!("{:.4}", v.as_f64().unwrap()).replace('-', "−").replace("−0.0000", "0.0000")
        })
        .collect();
    assert_eq!(cells, values);
}

#[test]
fn warnings_come_first_and_names_are_escaped() {
    let folder = compared();
    let path = folder.path().join("cka.json");
    change(&path, |report| {
        report["warnings"] = json!([{ "code": "x", "text": "<b>beware</b>", "where": "a\"b" }]);
        report["results"]["layers_a"][0] = json!("<script>alert(1)</script>");
    });
    let page = done(&format!("report {} -o -", path.display())).stdout;
    let (warning, result) = (page.find("&lt;b&gt;beware&lt;/b&gt;"), page.find("<main"));
    assert!(warning.unwrap() < result.unwrap());
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn the_sheet_of_a_run_stands_in_the_page() {
    let (folder, data) = (tempfile::tempdir().unwrap(), pictures(4));
    let (at, data) = (folder.path().display(), data.path().display());
    done(&format!(
        "saliency {{tiny_resnet_scripted.pt}} --data {data} --preprocess raw --method gradcam --sheet {at}/sheet.png -o {at}/s.json"
    ));
    let report: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("s.json")).unwrap()).unwrap();
    assert_eq!(report["pictures"][0]["path"], "sheet.png");
    let line = format!("report {at}/s.json -o -");
    assert!(done(&line).stdout.contains("src=\"data:image/png;base64,iVBOR"));
    fs::write(folder.path().join("sheet.png"), b"something else").unwrap();
    let page = done(&line).stdout;
    assert!(
        page.contains("no longer the file that the run wrote")
            && !page.contains("<img class=\"picture\"")
    );
    fs::remove_file(folder.path().join("sheet.png")).unwrap();
    assert!(done(&line).stdout.contains("there is no sheet.png any more"));
}

#[test]
fn pictures_may_be_added_by_hand() {
    let (folder, data) = (compared(), pictures(2));
    let (at, picture) = (folder.path().display(), data.path().join("even/000.png"));
    let line = format!("report {at}/cka.json --picture {} -o {at}/page.html", picture.display());
    done(&line);
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert!(page.contains("data:image/png;base64,iVBOR") && page.contains("000.png"));
    let said = fails(&format!("report {at}/cka.json --picture {at}/cka.json -o -"));
    assert!(said.contains("not a picture"), "{said}");
}

#[test]
fn a_single_report_gives_its_tables_and_its_picture() {
    let folder = compared();
    let at = folder.path().display();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let line = format!("report {at}/cka.json --format json -o {at}/a.csv --plot {at}/a.svg");
    assert_eq!(done(&line).stdout, read("cka.json"));
    assert!(read("a.csv").starts_with("layer of A,best match in B,CKA"), "{}", read("a.csv"));
    assert!(read("a.svg").contains("<svg"));
    assert_eq!(done(&format!("report {at}/cka.json -o {at}/a.md")).stdout, "");
    assert_eq!(done(&format!("report {at}/cka.json -f md")).stdout, read("a.md"));
    let cases = [
        ("cka.json {}/cka.json -f csv", "those of one report, not of 2"),
        ("cka.json -f csv -o -", "both want standard output"),
        ("cka.json --plot {}/a.pdf", "end its name in .png or .svg"),
        ("maps.json --plot {}/b.png", "maps does not hold the images that its picture shows"),
        ("cka.json", "--output"),
    ];
    done(&format!("layers {{tiny_resnet_scripted.pt}} -o {at}/layers.json"));
    done(&format!("report {at}/layers.json --plot {at}/sizes.svg"));
    assert!(read("sizes.svg").contains("parameters") && read("sizes.svg").contains("layer4"));
    done(&format!(
        "maps {{tiny_resnet_scripted.pt}} --data {{tiny_resnet.npy}} --preprocess raw --float-range keep \
         --layers layer1 -o {at}/maps.json"
    ));
    let before = files_in(folder.path());
    for (words, expected) in cases {
        let line = format!("report {at}/{}", words.replace("{}", &at.to_string()));
        let said = fails(&line);
        assert!(said.contains(expected), "{line}: {said}");
    }
    assert_eq!(files_in(folder.path()), before);
}

#[test]
fn what_is_no_report_is_told_and_nothing_is_written() {
    let folder = compared();
    let at = folder.path().display();
    let whole = fs::read_to_string(folder.path().join("cka.json")).unwrap();
    fs::write(folder.path().join("cut.json"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.path().join("other.json"), "{\"fid\": 3.5}").unwrap();
    fs::write(
        folder.path().join("new.json"),
        whole.replacen("\"version\": 1", "\"version\": 9", 1),
    )
    .unwrap();
    let cases = [
        ("cut.json", "was it cut short?"),
        ("cut.json", "line "),
        ("other.json", "not a report of repsim"),
        ("new.json", "version 9"),
        ("none.json", "no such file"),
    ];
    let before = files_in(folder.path()).len();
    for (name, expected) in cases {
        let said = fails(&format!("report {at}/cka.json {at}/{name} -o {at}/page.html"));
        assert!(said.contains(expected) && said.contains(name), "{said}");
    }
    assert_eq!(files_in(folder.path()).len(), before);
    let said = fails(&format!("report {at}/cka.json -o {at}/cka.json"));
    assert!(said.contains("it is an input too"), "{said}");
    let said = fails(&format!("report {at}/cka.json -o {at}/page.json"));
    assert!(said.contains("end its name in .html"), "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("cka.json")).unwrap(), whole);
    let said = fails(&format!("report {at}/cka.json -o {at}/none/page.html"));
    assert!(said.contains("its folder does not exist"), "{said}");
}

#[test]
fn the_command_is_kept_and_the_range_of_colours_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    let line = format!(
        "cka --features {{measures/features_a.npz}} {{measures/features_b.npz}} -o {at}/a.json --plot {at}/a.svg"
    );
    done(&format!("{line} --plot-range auto"));
    let report: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("a.json")).unwrap()).unwrap();
    let command = report["command"].as_str().unwrap();
    assert!(command.starts_with("repsim cka --features "), "{command}");
    assert!(command.ends_with("a.svg --plot-range auto"), "{command}");
    let page = done(&format!("report {at}/a.json -o -")).stdout;
    assert!(
        page.contains("<section class=\"report\" id=\"cka-a\"")
            && page.contains("$ repsim cka --features")
    );
    let picture = || fs::read_to_string(folder.path().join("a.svg")).unwrap();
    assert!(picture().contains("colours over the values,"), "{}", &picture()[..2000]);
    done(&format!("{line} --plot-range 0.25..0.75"));
    assert!(picture().contains("colours from 0.25"));
    for (range, said) in [
        ("1..0", "1 is not below 0"),
        ("low", "two numbers such as 0.5..1"),
        ("0..inf", "two numbers"),
    ] {
        let told = fails(&format!("{line} --plot-range {range}"));
        assert!(told.contains(said) && told.contains("--plot-range"), "{told}");
    }
}
