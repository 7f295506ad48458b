//! Folders of pictures on the command line: JPEG, links, kinds that are not read, even subsets,
//! enlarging.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use repsim::data::{Dataset, LoadOptions, Preprocess, Preset, Range};
use serde_json::{Value, json};
use tempfile::TempDir;
use zip::ZipArchive;

use crate::fid_support::{TINY, number, row, rows};
use crate::support::{done, files_in, path, pictures, report, repsim, words};

const STEPS: &str = "--preprocess raw --channels 3 --mean 0.2860 --std 0.3530";
const A: &str = "{models/fashion-seed0-scripted.pt}";
const B: &str = "{models/fashion-seed1-traced.pt}";
const CKA: &str = "cka {tiny_resnet_scripted.pt} --preprocess raw --layers layer? --layers fc";

/// JPEG files of 53×37 pixels, of all samplings, plain and progressive.
fn jpegs() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/data/formats.zip");
    let mut archive = ZipArchive::new(File::open(archive).unwrap()).unwrap();
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).unwrap();
        if file.name().contains("-large-") {
            let mut bytes = vec![];
            file.read_to_end(&mut bytes).unwrap();
            fs::write(folder.path().join(file.name()), bytes).unwrap();
        }
    }
    assert_eq!(files_in(folder.path()).len(), 8);
    folder
}

/// The same pixels as PNG.
fn as_png(folder: &TempDir) -> TempDir {
    let (data, pngs) = (Dataset::open(folder.path()).unwrap(), tempfile::tempdir().unwrap());
    let steps = Preprocess { range: Range::Bytes, ..Preprocess::preset(Preset::Raw) };
    let load = LoadOptions { batch_size: 1, ..LoadOptions::default() };
    for batch in data.batches(&[steps], &load).unwrap() {
        let batch = batch.unwrap();
        let bytes = batch.inputs[0].data.iter().map(|&v| v as u8).collect();
        let picture = image::RgbImage::from_raw(53, 37, bytes).unwrap();
        let name = Path::new(&data.name(batch.indices[0])).with_extension("png");
        picture.save(pngs.path().join(name)).unwrap();
    }
    pngs
}

fn codes(report: &Value) -> Vec<&str> {
    let warnings = report["warnings"].as_array().unwrap();
    warnings.iter().filter_map(|warning| warning["code"].as_str()).collect()
}

/// Two classes of six example images, each with something beside it.
fn examples() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for class in ["0-t-shirt", "9-ankle-boot"] {
        let (from, to) = (path("images").join(class), folder.path().join(class));
        fs::create_dir(&to).unwrap();
        let mut names = files_in(&from);
        names.sort();
        for name in names.iter().take(6) {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
    fs::write(folder.path().join("0-t-shirt/new.avif"), b"").unwrap();
    fs::write(folder.path().join("9-ankle-boot/old.svg"), b"").unwrap();
    folder
}

#[test]
fn jpegs_give_the_numbers_of_their_pixels() {
    let jpegs = jpegs();
    let pngs = as_png(&jpegs);
    let (jpegs, pngs) = (jpegs.path().display(), pngs.path().display());
    assert!(number(&row(&format!("fid {jpegs} {pngs} {TINY}")), "fid") < 1e-12);
    let [of_jpegs, of_pngs] =
        [&jpegs, &pngs].map(|folder| report(&format!("{CKA} --data {folder} --resize 16x16")));
    assert_eq!(of_jpegs["results"], of_pngs["results"]);
}

#[test]
fn jpegs_that_are_cut_short_are_refused_or_left_out() {
    let folder = jpegs();
    for name in ["420-large-0.jpg", "444-large-1.jpg"] {
        let bytes = fs::read(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name), &bytes[..bytes.len() / 2]).unwrap();
    }
    let line = format!("{CKA} --resize 16x16 --data {}", folder.path().display());
    let run = repsim(words(&line));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("420-large-0.jpg: the file is cut short"), "{}", run.stderr);
    assert_eq!(run.stderr.lines().filter(|line| line.starts_with("error")).count(), 1);
    let found = report(&format!("{line} --skip-unreadable"));
    let names: Vec<_> = found["inputs"]["data"]["skipped"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(names[1]["name"], "444-large-1.jpg");
    assert_eq!(
        (&found["results"]["n"], codes(&found).contains(&"skipped-files")),
        (&json!(6), true)
    );
}

#[cfg(unix)]
#[test]
fn linked_classes_are_classes() {
    let (folder, store) = (pictures(12), pictures(12));
    for class in ["even", "odd"] {
        let link = folder.path().join(format!("linked-{class}"));
        std::os::unix::fs::symlink(store.path().join(class), link).unwrap();
    }
    std::os::unix::fs::symlink(folder.path(), folder.path().join("even/round")).unwrap();
    let found = report(&format!("{CKA} --data {}", folder.path().display()));
    let names = ["even", "linked-even", "linked-odd", "odd"];
    let classes: Vec<_> = names.iter().map(|name| json!({"name": name, "count": 6})).collect();
    assert_eq!(found["inputs"]["data"]["classes"], json!(classes));
    assert_eq!(found["results"]["n"], 24);
}

#[test]
fn every_command_names_pictures_that_are_not_read_and_small_ones_that_are_enlarged() {
    let folder = examples();
    let data = format!("--data {} {STEPS} --resize 100", folder.path().display());
    let lines = [
        format!("cka {A} {data} --layers fc"),
        format!("compare {A} {data} --layers fc --layers layer4"),
        format!("platonic {A} {B} {data} --neighbours 3"),
        format!("maps {A} {data} --layer layer4"),
        format!("saliency {A} {data} --method gradient"),
        format!("sensitivity {A} {data} --layer layer4 --perturb none"),
        format!("stitch {A} {data} --layers layer4"),
    ];
    for line in lines {
        let run = done(&line);
        let found: Value = serde_json::from_str(&run.stdout).unwrap();
        let told: Vec<_> = codes(&found)
            .into_iter()
            .filter(|c| ["unread-pictures", "enlarged"].contains(c))
            .collect();
        assert_eq!(told, ["unread-pictures", "enlarged"], "{line}\n{}", run.stderr);
        let input = &found["inputs"]["data"];
        assert_eq!(
            input["unread"],
            json!(["0-t-shirt/new.avif", "9-ankle-boot/old.svg"]),
            "{line}"
        );
        assert_eq!(input["enlarged"]["from"], json!([32, 32]), "{line}");
        assert_eq!(input["enlarged"]["to"], json!([100, 100]), "{line}");
        for part in [".avif 1, .svg 1", "enlarged 3.1 times", "32x32 to 100x100 pixels"] {
            assert!(run.stderr.contains(part), "{line}\n{}", run.stderr);
        }
    }
}

#[test]
fn sets_name_them_too() {
    let folder = examples();
    let cache = tempfile::tempdir().unwrap();
    let set = folder.path().display();
    let line = format!(
        "fid {set} {set} --model {A} {STEPS} --resize 100 --stats-cache {}",
        cache.path().display()
    );
    let [first, cached] = [report(&line), report(&line)];
    assert_eq!(codes(&first), codes(&cached));
    assert_eq!(first["inputs"]["sets"], cached["inputs"]["sets"]);
    for code in ["unread-pictures", "enlarged"] {
        assert!(codes(&first).contains(&code), "{:?}", codes(&first));
    }
    assert_eq!(rows(&first)[0]["n"], 12);
    let counts = &first["inputs"]["sets"][0]["images"]["classes"];
    assert_eq!(counts[1], json!({"name": "9-ankle-boot", "count": 6}));
}

#[test]
fn enlarging_by_three_times_is_no_matter() {
    let folder = pictures(6);
    let line = format!("{CKA} --data {} --resize", folder.path().display());
    let (thrice, more) = (report(&format!("{line} 48")), report(&format!("{line} 48x49")));
    assert!(
        !codes(&thrice).contains(&"enlarged") && thrice["inputs"]["data"]["enlarged"].is_null()
    );
    assert!(codes(&more).contains(&"enlarged"), "{:?}", codes(&more));
    assert_eq!(more["inputs"]["data"]["enlarged"]["name"], "even/000.png");
}

#[test]
fn a_limit_takes_the_classes_evenly_and_the_report_counts_them() {
    let line = format!("cka {A} --data {{images}} {STEPS} --layers fc");
    let counts = |options: &str| -> Vec<u64> {
        let found = report(&format!("{line} {options}"));
        let classes = found["inputs"]["data"]["classes"].as_array().unwrap();
        classes.iter().map(|class| class["count"].as_u64().unwrap()).collect()
    };
    assert_eq!(counts("--limit 60"), [6; 10]);
    assert_eq!(counts("--limit 13"), [2, 2, 2, 1, 1, 1, 1, 1, 1, 1]);
    let random = counts("--limit 60 --seed 1");
    assert!(random != [6; 10] && random.iter().sum::<u64>() == 60, "{random:?}");
    let rows = report("cka {mlp.pt} --data {mlp.npy}");
    assert!(rows["inputs"]["data"]["classes"].is_null());
}

/// What the old choice hid: the first sixty of the example images are of two classes.
#[test]
fn an_even_choice_is_close_to_all_images() {
    let line = format!("cka {A} {B} --data {{images}} {STEPS} --layers fc");
    let value =
        |options: &str| report(&format!("{line} {options}"))["results"]["cka"][0][0].as_f64();
    let (all, even) = (value("").unwrap(), value("--limit 60").unwrap());
    assert!((all - even).abs() < 0.05, "{even} of sixty, {all} of all");
}
