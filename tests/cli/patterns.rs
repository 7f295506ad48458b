//! `repsim patterns`: top samples, selectivity and what two networks share against numpy and SciPy, the sheet, and
//! mistakes.

use std::fs;

use ndarray::{Array1, Array4, s};
use ndarray_npy::{NpzWriter, read_npy, write_npy};
use serde_json::Value;
use tempfile::TempDir;

use crate::reports::assert_valid;
use crate::support::{path, report, repsim, words};
use crate::tolerances;

const STEPS: &str = "--preprocess raw";
const NETS: &str = "{patterns/a.pt} {patterns/b.pt}";
const LAYERS: &str = "--layer conv1 --layer layer1 --layer layer2 --layer fc";

fn golden() -> Value {
    serde_json::from_str(&fs::read_to_string(path("patterns/patterns.json")).unwrap()).unwrap()
}

/// The images of the goldens, a folder a class; the first `count`, in `classes` folders.
fn images(count: usize, classes: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let all: Array4<u8> = read_npy(path("patterns/images.npy")).unwrap();
    for (i, pixels) in all.outer_iter().take(count).enumerate() {
        let class = folder.path().join(format!("c{}", i * classes / count));
        fs::create_dir_all(&class).unwrap();
        let bytes: Vec<u8> = pixels.iter().copied().collect();
        let image = image::RgbImage::from_raw(24, 24, bytes).unwrap();
        image.save(class.join(format!("{i:02}.png"))).unwrap();
    }
    folder
}

/// A list, which a report leaves out where it is empty.
fn list(value: &Value) -> &Vec<Value> {
    const NONE: &Vec<Value> = &vec![];
    value.as_array().unwrap_or_else(|| {
        assert!(value.is_null(), "no list: {value}");
        NONE
    })
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

#[track_caller]
fn near(found: &Value, wanted: &Value, what: &str) {
    let (found, wanted) = (number(found), number(wanted));
    let is_near = (found - wanted).abs() <= tolerances::GOLDEN * wanted.abs().max(1.0);
    assert!(is_near || found.is_nan() && wanted.is_nan(), "{what}: {found}, not {wanted}");
}

/// The number of an image: `c1/05.png` is 5.
fn sample(patch: &Value) -> u64 {
    let name = patch["sample"].as_str().unwrap();
    name.rsplit('/').next().unwrap().trim_end_matches(".png").parse().unwrap()
}

/// Patches against image, value and position.
fn check_patches(found: &Value, wanted: &Value, columns: u64, what: &str) {
    assert_eq!(list(found).len(), list(wanted).len(), "{what}");
    for (patch, wanted) in list(found).iter().zip(list(wanted)) {
        assert_eq!(sample(patch), wanted[0], "{what}");
        near(&patch["value"], &wanted[1], what);
        let position = &patch["position"];
        let place = position[0].as_u64().unwrap() * columns + position[1].as_u64().unwrap();
        assert_eq!(place, wanted[2], "{what}");
        assert_eq!(patch["label"], format!("c{}", sample(patch) / 8), "{what}");
    }
}

fn check_channel(channel: &Value, golden: &Value, columns: u64, what: &str) {
    let c = channel["channel"].as_u64().unwrap() as usize;
    check_patches(&channel["top"], &golden["top"][c], columns, what);
    check_patches(&channel["bottom"], &golden["bottom"][c], columns, what);
    for (class, patches) in list(&channel["by_class"]).iter().enumerate() {
        let samples: Vec<Value> = list(patches).iter().map(|p| sample(p).into()).collect();
        assert_eq!(&samples, list(&golden["by_class"][class][c]), "{what}, class {class}");
    }
    let classes = &channel["classes"];
    near(&classes["entropy"], &golden["entropy"][c], what);
    near(&classes["selectivity"], &golden["selectivity"][c], what);
    assert_eq!(classes["selectivity"].is_null(), classes["reason"].is_string(), "{what}");
    for (mean, wanted) in list(&classes["means"]).iter().zip(list(&golden["means"][c])) {
        near(mean, wanted, what);
    }
    near(&channel["active"], &golden["active"][c], what);
    near(&channel["active_images"], &golden["active_images"][c], what);
}

fn check_pairs(comparison: &Value, golden: &Value) {
    let layer = comparison["layer_a"].as_str().unwrap();
    assert_eq!(list(&comparison["matched"]).len(), list(golden).len(), "{layer}");
    for (found, wanted) in list(&comparison["matched"]).iter().zip(list(golden)) {
        let what = format!("{layer}, channel {}", found["a"]);
        for name in ["a", "b", "shared", "same_place"] {
            assert_eq!(found[name], wanted[name], "{what}: {name}");
        }
        for name in ["correlation", "overlap", "p", "p_adjusted"] {
            near(&found[name], &wanted[name], &format!("{what}: {name}"));
        }
        near(&found["p_place_adjusted"], &wanted["p_place_adjusted"], &what);
        assert_eq!(found["same"], number(&wanted["p_place_adjusted"]) <= 0.05, "{what}");
    }
}

#[test]
fn patches_and_what_is_shared_are_those_of_numpy() {
    let data = images(32, 4);
    let data = data.path().display();
    let found = report(&format!(
        "patterns {NETS} --data {data} {STEPS} {LAYERS} --top 5 --bottom 3 --class-patches 2 --batch-size 7"
    ));
    assert_valid(&found, "patterns");
    let (results, golden) = (&found["results"], golden());
    assert_eq!(results["n"], 32);
    for layer in list(&results["layers"]) {
        let name = layer["layer"].as_str().unwrap();
        let columns = layer["size"][1].as_u64().unwrap();
        assert_eq!(layer["field"]["source"], "exact", "{name}");
        for channel in list(&layer["channels"]) {
            let what = format!("{name}, channel {}", channel["channel"]);
            check_channel(channel, &golden["layers"][name], columns, &what);
        }
    }
    for comparison in list(&results["comparisons"]) {
        let name = comparison["layer_a"].as_str().unwrap();
        check_pairs(comparison, &golden["pairs"][name]);
    }
    let first = &results["comparisons"][0];
    let same: Vec<bool> = list(&first["matched"]).iter().map(|pair| pair["same"] == true).collect();
    assert_eq!((same[1], same[3]), (true, true), "two filters of conv1 are those of A");
    assert_eq!(list(&results["counterparts"]).len(), 8);
    let conv1 = &results["counterparts"][0];
    assert_eq!((&conv1["layer"], &conv1["nearest"]), (&"conv1".into(), &"conv1".into()));
}

#[test]
fn a_layer_without_positions_shows_whole_images_and_picks_are_kept() {
    let data = images(12, 4);
    let folder = tempfile::tempdir().unwrap();
    let sheet = folder.path().join("sheet.svg");
    let found = report(&format!(
        "patterns {{patterns/a.pt}} --data {} {STEPS} --layer fc --pick 2,0 --top 3 --sheet {}",
        data.path().display(),
        sheet.display()
    ));
    let layer = &found["results"]["layers"][0];
    assert!(layer["grid"].is_null() && found["results"]["comparisons"].is_null());
    let numbers: Vec<&Value> = list(&layer["channels"]).iter().map(|c| &c["channel"]).collect();
    assert_eq!(numbers, [2, 0]);
    for patch in list(&layer["channels"][0]["top"]) {
        assert_eq!(patch["window"], serde_json::json!([0, 0, 23, 23]));
    }
    let drawn = fs::read_to_string(&sheet).unwrap();
    assert_eq!(drawn.matches("<image").count(), 6);
    assert!(
        drawn.contains("fc · 2") && drawn.contains("24×24 pixels, which is all of it"),
        "{drawn}"
    );
    let names: Vec<&Value> = list(&found["pictures"]).iter().map(|p| &p["shows"]).collect();
    assert_eq!(names, ["Patches that drive each channel most"]);
}

#[test]
fn layers_that_see_parts_of_other_sizes_share_no_places_and_that_is_said() {
    let data = images(12, 1);
    let found = report(&format!(
        "patterns {NETS} --data {} {STEPS} --layer conv1 --layers-b layer2 --top 3",
        data.path().display()
    ));
    let warning = list(&found["warnings"]).iter().find(|one| one["code"] == "fields-unlike");
    let text = warning.expect("it is said")["text"].as_str().unwrap();
    assert!(text.contains("conv1 in A sees 4 %") && text.contains("layer2 in B 100 %"), "{text}");
    assert_eq!(found["results"]["comparisons"][0]["mean_same_place"], 0.0);
    let whole = report(&format!(
        "patterns {NETS} --data {} {STEPS} --layer layer2 --top 3",
        data.path().display()
    ));
    let codes: Vec<&Value> = list(&whole["warnings"]).iter().map(|one| &one["code"]).collect();
    assert!(codes.contains(&&"fields-whole".into()), "{codes:?}");
}

#[test]
fn labels_beside_arrays_are_classes_of_any_number() {
    let (data, folder) = (images(12, 2), tempfile::tempdir().unwrap());
    let file = folder.path().join("labelled.npz");
    let all: Array4<u8> = read_npy(path("patterns/images.npy")).unwrap();
    let mut archive = NpzWriter::new(fs::File::create(&file).unwrap());
    archive.add_array("images", &all.slice(s![..12, .., .., ..])).unwrap();
    let label = |i: usize| if i < 6 { 3_i64 } else { 1_000_000_000_000 };
    archive.add_array("labels", &Array1::from_shape_fn(12, label)).unwrap();
    archive.finish().unwrap();
    let classes = |data: &std::path::Path| {
        let line = format!(
            "patterns {{patterns/a.pt}} --data {} {STEPS} --layer layer1 --top 3 --class-patches 1",
            data.display()
        );
        let found = report(&line)["results"].clone();
        let counts: Vec<Value> =
            list(&found["classes"]).iter().map(|c| c["count"].clone()).collect();
        let channels = list(&found["layers"][0]["channels"]).clone();
        let parts = ["histogram", "means", "selectivity"];
        let figures = channels.iter().map(|c| parts.map(|part| c["classes"][part].clone()));
        let by_class = channels.iter().map(|c| list(&c["by_class"]).len()).collect::<Vec<_>>();
        (counts, figures.collect::<Vec<_>>(), by_class, found["classes"][1]["name"].clone())
    };
    let (named, numbered) = (classes(data.path()), classes(&file));
    assert_eq!((&named.0, &named.1, &named.2), (&numbered.0, &numbered.1, &numbered.2));
    assert_eq!((named.3, numbered.3), ("c1".into(), "1000000000000".into()));
}

#[test]
fn a_sample_without_numbers_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nan.npy");
    let mut values = Array4::from_shape_fn((6, 3, 24, 24), |(n, c, row, column)| {
        ((n * 31 + c * 17 + row * 7 + column * 3) as f32 * 0.61).sin()
    });
    values[(4, 1, 5, 5)] = f32::NAN;
    write_npy(&file, &values).unwrap();
    let data = format!("--data {} --float-range keep", file.display());
    let found = report(&format!("patterns {NETS} {data} {STEPS} --layer conv1 --top 6"));
    let codes: Vec<&Value> = list(&found["warnings"]).iter().map(|one| &one["code"]).collect();
    assert_eq!(codes.iter().filter(|code| **code == "not-finite").count(), 2, "{codes:?}");
    let texts = found["warnings"].to_string();
    assert!(
        texts.contains("channels of conv1 of A are NaN") && texts.contains("of conv1 of B"),
        "{texts}"
    );
    let comparison = &found["results"]["comparisons"][0];
    for side in ["unmatched_a", "unmatched_b"] {
        let why: Vec<&Value> = list(&comparison[side]).iter().map(|one| &one["why"]).collect();
        assert_eq!(why, ["not finite"; 4], "{side}");
    }
    assert_eq!(list(&found["results"]["layers"][0]["channels"][0]["top"]).len(), 5);
}

#[test]
fn without_classes_nothing_is_said_of_them() {
    let data =
        format!("patterns {{patterns/a.pt}} --data {{patterns/images.npy}} {STEPS} --layer conv1");
    let found = report(&format!("{data} --top 2"));
    assert_valid(&found, "patterns");
    assert_eq!(found["results"]["no_classes"], "the data have no labels");
    let channel = &found["results"]["layers"][0]["channels"][0];
    assert!(channel["classes"].is_null() && channel["top"][0]["label"].is_null());
    let one = images(4, 1);
    let line = format!(
        "patterns {{patterns/a.pt}} --data {} {STEPS} --layer layer1 --top 2",
        one.path().display()
    );
    let channel = &report(&line)["results"]["layers"][0]["channels"][0];
    assert_eq!(channel["classes"]["reason"], "the samples are of one class");
}

/// Nine images a channel are usual; of fewer samples all are kept, and that is said. Tables hold the channels of both.
#[test]
fn of_few_samples_all_are_kept() {
    let data = images(4, 2);
    let folder = data.path().display();
    let line = format!("patterns {NETS} --data {folder} {STEPS} --layer conv1 --layer layer1");
    let run = repsim(words(&line));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("--top 4: there are 4 samples"), "{}", run.stderr);
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(found["settings"]["top"], 4);
    let table = repsim(words(&format!("{line} --format csv"))).stdout;
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    assert_eq!(
        rows.headers().unwrap().iter().take(3).collect::<Vec<_>>(),
        ["model", "layer", "channel"]
    );
    let count = |side: &str| -> usize {
        let layers = list(&found["results"][side]).iter();
        layers.map(|layer| list(&layer["channels"]).len()).sum()
    };
    let models: Vec<String> = rows.records().map(|row| row.unwrap()[0].to_owned()).collect();
    let of = |model: &str| models.iter().filter(|own| *own == model).count();
    assert_eq!((of("A"), of("B")), (count("layers"), count("layers_b")));
    assert!(of("B") > 0);
}

#[test]
fn mistakes_are_told_in_a_line() {
    let data = images(4, 2);
    let folder = data.path().display().to_string();
    let alone = format!("patterns {{patterns/a.pt}} --data {folder} {STEPS}");
    let cases = [
        (format!("{alone} --top 5"), "--top 5 is more than the 4 samples"),
        (format!("{alone} --top 2 --bottom 9"), "--bottom 9 is more than the 4 samples"),
        (format!("{alone} --top 2 --layer conv1 --pick 4"), "there is no channel 4: conv1 has 4"),
        (format!("{alone} --top 2 --pick 1,1"), "channel 1 is picked twice"),
        (format!("{alone} --top 2 --layers-b conv1"), "OTHER"),
        (format!("{alone} --top 2 --preprocess-b raw"), "there is no B"),
        (
            format!(
                "patterns {{patterns/a.pt}} --data {{patterns/images.npy}} {STEPS} --class-patches 2"
            ),
            "--class-patches needs the class of each image",
        ),
        (
            "patterns {axes/sequence1d_scripted.pt} --data {axes/sequences.npy} --top 1".to_owned(),
            "no layer gives a spatial map",
        ),
    ];
    for (line, said) in cases {
        let run = repsim(words(&line));
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{line}: {}", run.stderr);
        assert!(run.stderr.contains(said), "{line}: {}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{line}: {}", run.stderr);
    }
}
