//! `repsim maps`: channels and their partners against goldens, the sheet, and mistakes.

use std::fs;
use std::path::PathBuf;

use ndarray::{Array1, Array2, Array3, Array4};
use ndarray_npy::{NpzReader, write_npy};
use serde_json::Value;
use tempfile::TempDir;

use crate::reports::assert_valid;
use crate::support::{assert_near, path, report, repsim, words};
use crate::tolerances;

const STEPS: &str = "--preprocess raw --channels 3 --mean 0.2860 --std 0.3530";
const MODEL: &str = "{models/fashion-seed0-scripted.pt}";
const OTHER: &str = "{models/fashion-seed1-traced.pt}";

fn listing() -> Value {
    serde_json::from_str(&fs::read_to_string(path("saliency/channels.json")).unwrap()).unwrap()
}

fn arrays() -> NpzReader<fs::File> {
    NpzReader::new(fs::File::open(path("saliency/channels.npz")).unwrap()).unwrap()
}

/// The images of the goldens in their order, as an array of bytes.
fn images(folder: &TempDir) -> PathBuf {
    let names = listing()["images"].as_array().unwrap().clone();
    let mut all = Array3::<u8>::zeros((names.len(), 32, 32));
    for (name, mut pixels) in names.iter().zip(all.outer_iter_mut()) {
        let file = path("images").join(name.as_str().unwrap());
        let image = image::open(file).unwrap().to_luma8();
        pixels.assign(&Array2::from_shape_vec((32, 32), image.into_raw()).unwrap());
    }
    let file = folder.path().join("images.npy");
    write_npy(&file, &all).unwrap();
    file
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

/// One number of each entry of a list.
fn numbers(entries: &Value, name: &str) -> Vec<f64> {
    list(entries).iter().map(|entry| number(&entry[name])).collect()
}

#[test]
fn channels_and_their_partners_are_those_of_numpy() {
    let folder = tempfile::tempdir().unwrap();
    let data = images(&folder).display().to_string();
    let pairs = [("layer2", "layer2"), ("layer3", "layer3"), ("layer2-layer3", "layer3")];
    for (batch, (pair, of_b)) in [64, 5, 7].into_iter().zip(pairs) {
        let of_a = &pair[..6];
        let found = report(&format!(
            "maps {MODEL} --match {OTHER} --data {data} {STEPS} --layer {of_a} --layer-b {of_b} \
             --most-active 4 --batch-size {batch}"
        ));
        assert_valid(&found, "maps");
        let (layer, expected) = (&found["results"]["layers"][0], &listing()[pair]);
        let shown = list(&layer["shown"]);
        let channels: Vec<&Value> = shown.iter().map(|s| &s["channel"]).collect();
        assert_eq!(channels, list(&expected["most_active"]).iter().collect::<Vec<_>>());
        let correlations: Array2<f64> = arrays().by_name(pair).unwrap();
        let matching = &layer["matching"];
        let best = list(&matching["best"]["pairs"]);
        assert_eq!(best.len(), correlations.nrows());
        for (pair, wanted) in best.iter().zip(list(&expected["best"])) {
            let (a, b) = (pair[0].as_u64().unwrap() as usize, pair[1].as_u64().unwrap() as usize);
            let (own, most) =
                (correlations[(a, b)], correlations[(a, wanted.as_u64().unwrap() as usize)]);
            assert!(most - own <= tolerances::GOLDEN, "{a}: {b}, not {wanted}");
            assert!((number(&pair[2]) - own).abs() <= tolerances::GOLDEN);
        }
        for one in shown {
            let own = &best[one["channel"].as_u64().unwrap() as usize];
            assert_eq!(one["partner"]["channel"], own[1]);
            assert_eq!(one["partner"]["correlation"], own[2]);
        }
        let mean = number(&matching["best"]["mean_correlation"]);
        assert!((mean - number(&expected["best_mean"])).abs() <= tolerances::GOLDEN);
        let one_to_one = list(&matching["one_to_one"]["pairs"]);
        let sum: f64 = one_to_one.iter().map(|pair| number(&pair[2])).sum();
        let slack = tolerances::GOLDEN * one_to_one.len() as f64;
        assert!((sum - number(&expected["one_to_one"])).abs() <= slack, "{sum}");
        for name in ["mean", "std", "min", "max"] {
            let values = numbers(&layer["channels"], name);
            assert_near(&[values], &[golden(of_a, name)], tolerances::GOLDEN);
        }
        let active = numbers(&layer["channels"], "active");
        let (wanted, near) = (golden(of_a, "active"), golden(of_a, "near"));
        for (channel, ((found, wanted), near)) in active.iter().zip(wanted).zip(near).enumerate() {
            let off = (found - wanted).abs();
            assert!(off <= near + tolerances::STORED, "{channel}: {off} with {near} near zero");
        }
    }
}

/// A number of each channel of a layer of the first model. `near` is the share of positions within 10⁻⁴
/// of a ReLU's kink, where rounding to float32 may decide whether they are active.
fn golden(layer: &str, name: &str) -> Vec<f64> {
    let values: Array1<f64> = arrays().by_name(&format!("seed0.{layer}.{name}")).unwrap();
    values.to_vec()
}

#[test]
fn a_model_matches_itself() {
    let line = format!(
        "maps {MODEL} --match {MODEL} --data {{images}} --limit 20 {STEPS} --layer layer1 --first 3"
    );
    let found = report(&line);
    let layer = &found["results"]["layers"][0];
    for way in ["best", "greedy", "one_to_one"] {
        let pairs = list(&layer["matching"][way]["pairs"]);
        assert_eq!(pairs.len(), 16, "{way}");
        for pair in pairs {
            assert_eq!(pair[0], pair[1], "{way}");
            assert!((number(&pair[2]) - 1.0).abs() <= tolerances::TWIN, "{way}: {pair}");
        }
    }
    assert_eq!(found["results"], report(&line)["results"], "the same command, other results");
}

#[test]
fn the_sheet_and_the_maps_hold_what_the_report_says() {
    let folder = tempfile::tempdir().unwrap();
    let (maps, sheet) = (folder.path().join("m.npz"), folder.path().join("s.svg"));
    let found = report(&format!(
        "maps {MODEL} --data {{images}} {STEPS} --layer layer4 --layer layer1 --pick 9,2,4 --rows 3 \
         --maps {} --sheet {} --scale layer --colormap grey",
        maps.display(),
        sheet.display()
    ));
    assert_valid(&found, "maps");
    assert_eq!(found["results"]["n"], 3, "more images than are shown were read");
    let images: Vec<&Value> =
        list(&found["results"]["images"]).iter().map(|i| &i["label"]).collect();
    assert_eq!(images, ["0-t-shirt", "3-dress", "6-shirt"], "not spread over the data");
    let names: Vec<&Value> =
        list(&found["results"]["layers"]).iter().map(|l| &l["layer"]).collect();
    assert_eq!(names, ["layer4", "layer1"]);
    let mut file = NpzReader::new(fs::File::open(&maps).unwrap()).unwrap();
    for (layer, shape) in
        list(&found["results"]["layers"]).iter().zip([(3, 3, 4, 4), (3, 3, 32, 32)])
    {
        let stored: Array4<f32> = file.by_name(layer["layer"].as_str().unwrap()).unwrap();
        assert_eq!(stored.dim(), shape);
        for (k, shown) in list(&layer["shown"]).iter().enumerate() {
            for (i, info) in list(&shown["maps"]).iter().enumerate() {
                let map = stored.slice(ndarray::s![i, k, .., ..]);
                let most = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                assert_eq!(number(&info["max"]), f64::from(most));
            }
        }
    }
    let picture = fs::read_to_string(&sheet).unwrap();
    for text in ["ch 9 · 4×4", "ch 2 · 32×32", "layer1", "largest value"] {
        assert!(picture.contains(text), "no '{text}' on the sheet");
    }
    assert_eq!(picture.matches("<image ").count(), 3 * (1 + 6));
}

#[test]
fn dead_channels_are_told_of_and_have_no_partner() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("black.npy");
    write_npy(&data, &Array3::<u8>::zeros((5, 32, 32))).unwrap();
    let sheet = folder.path().join("s.svg");
    let line = format!(
        "maps {MODEL} --match {OTHER} --data {} {STEPS} --layer layer4 --sheet {} --first 128",
        data.display(),
        sheet.display()
    );
    let run = repsim(words(&line));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_valid(&found, "maps");
    let layer = &found["results"]["layers"][0];
    let zero = |c: &&Value| c["min"] == 0.0 && c["max"] == 0.0;
    let dead: Vec<&Value> = list(&layer["channels"]).iter().filter(zero).collect();
    assert!(!dead.is_empty(), "a black image leaves no channel at zero");
    assert!(run.stderr.contains("are zero everywhere in 5 images"), "{}", run.stderr);
    for channel in dead {
        let shown = &layer["shown"][channel["channel"].as_u64().unwrap() as usize];
        assert_eq!(shown["partner"], Value::Null);
    }
    let constant = layer["matching"]["constant"][0].as_u64().unwrap() as usize;
    let best = list(&layer["matching"]["best"]["pairs"]).len();
    assert_eq!(best + constant, 128);
    assert!(fs::read_to_string(&sheet).unwrap().contains(">zero<"));
}

#[track_caller]
fn fails(options: &str, says: &str) {
    let line = format!("maps {MODEL} --data {{images}} {STEPS} {options}");
    let run = repsim(words(&line));
    assert_eq!(run.code, 2, "{line}\n{}", run.stderr);
    let first = run.stderr.lines().find(|l| l.starts_with("error: ")).unwrap_or_default();
    assert!(first.contains(says), "{}", run.stderr);
    assert!(run.stdout.is_empty());
}

#[test]
fn mistakes_are_told() {
    fails("--layer layer9", "the closest are layer");
    fails("--layer fc", "no spatial map");
    fails("--pick 3,500", "there is no channel 500: layer4 has 128");
    fails("--first 0", "--first");
    fails("--sheet x.gif", "end its name in .png or .svg");
    fails("--maps x.txt", "end its name in .npz");
    fails(
        "--sheet /tmp/large.png --layer layer1 --layer layer4 --first 128",
        "show fewer images (--rows), layers or channels, or draw an .svg",
    );
    fails("--mean-b 0.5", "there is no B");
    let both = format!("--match {OTHER} --layer layer1 --layer layer2 --layer-b layer2");
    fails(&both, "name one --layers-b for each --layers");
    fails("--match /nope.pt", "/nope.pt");
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows.npy");
    write_npy(&rows, &Array2::<f32>::zeros((5, 7))).unwrap();
    let run = repsim(words(&format!("maps {MODEL} --data {}", rows.display())));
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("it was given an input of shape 2×7"), "{}", run.stderr);
}
