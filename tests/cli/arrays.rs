//! Arrays of images, of features and of classes, as people have them.

use std::fs::{self, File};
use std::path::Path;

use ndarray::{Array1, Array2, Array4, Axis, s};
use ndarray_npy::{NpzWriter, write_npy};
use serde_json::Value;

use crate::fid_support::{TINY, features, golden, number, row, rows, warnings};
use crate::support::{files_in, report, repsim, words};
use crate::tolerances::{NETWORK, STORED};

/// N×3×16×16 by the formula of `tests/golden/fid/make_arrays.py`.
fn pictures(count: usize, first: usize) -> Array4<u8> {
    Array4::from_shape_fn((count, 3, 16, 16), |(n, c, y, x)| {
        let mixed = ((x + 16 * y + 257 * (first + n)) as u32).wrapping_mul(2_654_435_761);
        (mixed >> (24 - 8 * c)) as u8
    })
}

/// The pictures of the goldens: a reference, and others that are darker.
fn sets() -> [Array4<u8>; 2] {
    let dark = |v: u8| (u16::from(v) * 3 / 4) as u8;
    [pictures(60, 0), pictures(50, 1000).mapv(dark)]
}

/// Writes both sets and gives a line that measures them.
fn line<T: ndarray_npy::WritableElement>(folder: &Path, sets: [Array4<T>; 2]) -> String {
    let names = ["real", "fake"].map(|name| folder.join(format!("{name}.npy")));
    for (name, set) in names.iter().zip(sets) {
        write_npy(name, &set).unwrap();
    }
    format!("fid {} {} {TINY}", names[0].display(), names[1].display())
}

#[track_caller]
fn fails(line: &str, parts: &[&str]) {
    let run = repsim(words(line));
    assert_eq!(run.code, 2, "{line}\n{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is not in {}", run.stderr);
    }
}

#[track_caller]
fn near(found: f64, wanted: f64) {
    assert!((found - wanted).abs() <= NETWORK * wanted, "{found}, not {wanted}");
}

/// In any order of the axes, and in any range of floats, they are the pictures of torchmetrics.
#[test]
fn arrays_of_images_have_the_distance_of_torchmetrics() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let wanted = golden("arrays")["fid"].as_f64().unwrap();
    let found = report(&line(folder, sets()));
    near(number(&rows(&found)[0], "fid"), wanted);
    assert_eq!(found["inputs"]["sets"][0]["images"]["layout"], "nchw");
    let last = sets().map(|set| set.permuted_axes([0, 2, 3, 1]).as_standard_layout().into_owned());
    near(number(&row(&line(folder, last)), "fid"), wanted);
    // Fortran order.
    let turned = sets().map(|set| set.permuted_axes([0, 2, 3, 1]));
    near(number(&row(&line(folder, turned)), "fid"), wanted);
    let floats = |scale: fn(f32) -> f32| sets().map(|set| set.mapv(|v| scale(f32::from(v))));
    near(number(&row(&line(folder, floats(|v| v / 255.0))), "fid"), wanted);
    let bytes = line(folder, floats(|v| v));
    fails(&bytes, &["from 0 to 255", "--float-range 0..255"]);
    near(number(&row(&format!("{bytes} --float-range 0..255")), "fid"), wanted);
    let signed = line(folder, floats(|v| v / 127.5 - 1.0));
    fails(&signed, &["from -1 to 1", "--float-range -1..1"]);
    let found = report(&format!("{signed} --float-range -1..1"));
    near(number(&rows(&found)[0], "fid"), wanted);
    assert_eq!(found["settings"]["preprocess"]["float_range"], "-1..1");
}

/// An extractor takes bytes, whatever floats hold.
#[test]
fn floats_are_what_bytes_are_to_an_extractor() {
    let folder = tempfile::tempdir().unwrap();
    let of = |line: String| line.replace(TINY, "--model {fid/extractor.pt} --resize none");
    let wanted = number(&row(&of(line(folder.path(), sets()))), "fid");
    let floats = sets().map(|set| set.mapv(|v| f32::from(v) / 255.0));
    near(number(&row(&of(line(folder.path(), floats))), "fid"), wanted);
}

/// Floats that were normalised beside bytes, which become 0…1: said once, whichever comes first.
#[test]
fn sets_on_different_scales_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let [bytes, floats, unit] = ["bytes.npy", "normalised.npy", "unit.npy"].map(file);
    let [real, fake] = sets();
    write_npy(&bytes, &real).unwrap();
    write_npy(&floats, &fake.mapv(|v| (f32::from(v) / 255.0 - 0.45) / 0.225)).unwrap();
    write_npy(&unit, &fake.mapv(|v| f32::from(v) / 255.0)).unwrap();
    let told = |line: &str| {
        let found = report(line);
        let all = found["warnings"].as_array().unwrap().iter();
        let own = all.filter(|w| w["code"] == "other-scale");
        own.map(|w| w["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let of = |sets: &str| told(&format!("fid {sets} {TINY}"));
    for sets in [format!("{bytes} {floats}"), format!("{floats} {bytes} {unit}")] {
        let said = of(&sets);
        assert_eq!(said.len(), 1, "{said:?}");
        let parts =
            [format!("{floats} holds floats from -2 to"), format!("and {bytes} is in 0..1")];
        assert!(parts.iter().all(|part| said[0].contains(part)), "{}", said[0]);
    }
    assert_eq!(told(&format!("distance {bytes} {floats} {TINY}")).len(), 1);
    assert!(
        of(&format!("{bytes} {unit}")).is_empty() && of(&format!("{floats} {floats}")).is_empty()
    );
    let kept = format!("fid {bytes} {floats} {TINY} --float-range keep");
    assert_eq!(told(&kept).len(), 1);
    assert!(told(&format!("{kept} --mean 0.45 --std 0.225")).is_empty());
}

#[test]
fn a_model_runs_on_images_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = |name: &str, set: &Array2<f64>| {
        let path = folder.join(name);
        write_npy(&path, set).unwrap();
        path.display().to_string()
    };
    let (real, fake) = (write("r.npy", &features("real")), write("f.npy", &features("fake")));
    fails(&format!("fid {real} {fake} {TINY}"), &["no images", "leave --model out"]);
    let wide = sets().map(|set| set.mapv(u16::from));
    fails(&line(folder, wide), &["uint16", "numpy.uint8"]);
    let stats = folder.join("s.npz");
    let wide = folder.join("real.npy");
    fails(&format!("stats {} {TINY} -o {}", wide.display(), stats.display()), &["uint16"]);
    assert!(!stats.exists());
    // Bytes are images: without a model they are nothing.
    let line = line(folder, sets());
    fails(line.strip_suffix(TINY).unwrap(), &["holds images, and no model was given"]);
    let both = sets().map(|set| set.slice(s![.., .., .., ..3]).to_owned());
    let line = self::line(folder, both);
    fails(&line, &["N×C×H×W and as N×H×W×C", "--layout nchw"]);
    let told = report(&format!("{line} --layout nchw"));
    assert_eq!(told["settings"]["layout"], "nchw");
    fails(&format!("{line} --layout hwc"), &["--layout", "nchw or nhwc"]);
    // One set in each order.
    let [_, fake] = sets().map(|set| set.slice(s![.., .., .., ..3]).to_owned());
    let turned = fake.permuted_axes([0, 2, 3, 1]).as_standard_layout().into_owned();
    write_npy(folder.join("fake.npy"), &turned).unwrap();
    let other = report(&format!("{line} --layout nhwc --reference-layout nchw"));
    assert_eq!(other["settings"]["reference_layout"], "nchw");
    near(number(&rows(&other)[0], "fid"), number(&rows(&told)[0], "fid"));
    let folder = "{images} {images} --model {models/fashion-seed0-scripted.pt}";
    let parts = ["--reference-layout nchw", "arrays of pictures"];
    fails(&format!("distance {folder} --reference-layout nchw"), &parts);
}

/// Classes that are none are told, whatever the set is.
#[test]
fn classes_of_a_set_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let line = format!("distance {0} {0} --k 3", path.display());
    let write = |labels: &Array2<f64>| {
        let mut file = NpzWriter::new(File::create(&path).unwrap());
        file.add_array("features", &features("real")).unwrap();
        file.add_array("labels", labels).unwrap();
        file.finish().unwrap();
    };
    let hot = Array2::from_shape_fn((300, 3), |(i, j)| f64::from(u8::from(i % 3 == j)));
    write(&hot);
    let one_hot = report(&line);
    let mut file = NpzWriter::new(File::create(&path).unwrap());
    file.add_array("features", &features("real")).unwrap();
    file.add_array("labels", &Array1::from_iter((0..300).map(|i| i % 3_i64))).unwrap();
    file.finish().unwrap();
    assert_eq!(one_hot["results"], report(&line)["results"]);
    write(&(&hot * 0.5));
    fails(&line, &["not one-hot: the row of sample 0"]);
    write(&hot.sum_axis(Axis(1)).insert_axis(Axis(1)).mapv(|_| f64::NAN));
    fails(&line, &["has NaN", "sample 0"]);
}

/// What guided-diffusion's sampling writes.
#[test]
fn sample_files_are_images_and_classes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let plain = line(folder, sets());
    let file = folder.join("samples.npz");
    let mut samples = NpzWriter::new(File::create(&file).unwrap());
    let [_, fake] = sets();
    let fake = fake.permuted_axes([0, 2, 3, 1]).as_standard_layout().into_owned();
    samples.add_array("arr_0", &fake).unwrap();
    samples.add_array("arr_1", &Array1::from_iter((0..50).map(|i| i % 5_i64))).unwrap();
    samples.finish().unwrap();
    let [real, fake] = ["real.npy", "fake.npy"].map(|name| folder.join(name).display().to_string());
    let sampled = plain.replace(&fake, &file.display().to_string());
    near(number(&row(&sampled), "fid"), number(&row(&plain), "fid"));
    let cka =
        |path: &str| report(&format!("cka {{tiny_resnet_scripted.pt}} --data {path} --limit 20"));
    assert_eq!(cka(&file.display().to_string())["results"], cka(&fake)["results"]);
    assert_ne!(cka(&real)["results"], cka(&fake)["results"]);
}

/// Labels in other forms, and such as are none, which only those who use them refuse.
#[test]
fn labels_of_sample_files_may_be_one_hot_or_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let plain = line(folder, sets());
    let file = folder.join("samples.npz");
    let [_, fake] = sets();
    let write = |labels: &Array2<f32>| {
        let mut samples = NpzWriter::new(File::create(&file).unwrap());
        samples.add_array("arr_0", &fake).unwrap();
        samples.add_array("arr_1", labels).unwrap();
        samples.add_array("nothing", &Array1::<f32>::zeros(0)).unwrap();
        samples.finish().unwrap();
    };
    let sampled =
        plain.replace(&folder.join("fake.npy").display().to_string(), &file.display().to_string());
    let wanted = number(&row(&plain), "fid");
    write(&Array2::from_shape_fn((50, 5), |(i, j)| f32::from(u8::from(i % 5 == j))));
    let found = report(&sampled);
    near(number(&rows(&found)[0], "fid"), wanted);
    assert_eq!(found["inputs"]["sets"][1]["images"]["classes"].as_array().unwrap().len(), 5);
    write(&Array2::from_elem((50, 5), 0.5));
    let found = report(&sampled);
    near(number(&rows(&found)[0], "fid"), wanted);
    assert!(warnings(&found).contains(&"labels-left-out"), "{:?}", warnings(&found));
    let real = folder.join("real.npy");
    let distance = format!("distance {} {} {TINY}", real.display(), file.display());
    fails(&distance, &["not one-hot: the row of sample 0"]);
}

/// Bytes of three axes that may be one picture, and pictures of truth values.
#[test]
fn pictures_without_an_axis_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.npy");
    let line = format!("cka {{tiny_resnet_scripted.pt}} --data {}", file.display());
    let write = |shape: (usize, usize, usize)| {
        write_npy(&file, &ndarray::Array3::<u8>::zeros(shape)).unwrap();
    };
    write((3, 32, 32));
    fails(&line, &["3 grey pictures and as one C×H×W picture", "save x[None]"]);
    write((32, 30, 3));
    fails(&line, &["32 grey pictures and as one H×W×C picture", "x[:, :, :, None]"]);
    write_npy(&file, &Array4::from_elem((4, 3, 16, 16), true)).unwrap();
    fails(&line, &["type bool", "x.astype(numpy.uint8) * 255"]);
}

/// A statistics file that is damaged is computed again.
#[test]
fn a_damaged_cache_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let line = format!("{} --stats-cache {}", line(folder.path(), sets()), cache.display());
    let first = row(&line);
    for name in files_in(&cache) {
        let path = cache.join(name);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        // In the covariance, where a flipped bit is still a number.
        let sigma = bad.windows(9).position(|w| w == b"sigma.npy").unwrap();
        bad[sigma + 200] ^= 0x10;
        fs::write(&path, &bad).unwrap();
        let again = report(&line);
        assert_eq!(again["results"]["candidates"][0], first);
        let warnings = again["warnings"].as_array().unwrap().iter();
        let damaged: Vec<_> = warnings.filter(|w| w["code"] == "cache-damaged").collect();
        assert_eq!(damaged.len(), 1, "{}", again["warnings"]);
        let text = damaged[0]["text"].as_str().unwrap();
        assert!(text.contains("is computed again") && text.contains("is damaged"), "{text}");
        assert!(fs::read(&path).unwrap() == good, "the entry is not written anew");
    }
}

#[test]
fn damaged_statistics_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [real, stats] = ["r.npy", "s.npz"].map(|name| folder.path().join(name));
    write_npy(&real, &features("real")).unwrap();
    let made = repsim(words(&format!("stats {} -o {}", real.display(), stats.display())));
    assert_eq!(made.code, 0, "{}", made.stderr);
    let mut bytes = fs::read(&stats).unwrap();
    let sigma = bytes.windows(9).position(|w| w == b"sigma.npy").unwrap();
    bytes[sigma + 200] ^= 0x10;
    fs::write(&stats, bytes).unwrap();
    fails(&format!("fid {} {}", real.display(), stats.display()), &["array \"sigma\" is damaged"]);
}

/// Writes an `.npz` with one layer.
fn layer(path: &Path, values: &Array2<f64>) -> String {
    let mut file = NpzWriter::new(File::create(path).unwrap());
    file.add_array("l1", values).unwrap();
    file.add_array("epoch", &ndarray::arr0(3_i64)).unwrap();
    file.finish().unwrap();
    path.display().to_string()
}

#[test]
fn features_far_from_zero_have_values() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (real, fake) = (features("real"), features("few.real"));
    let n = fake.nrows();
    let real = real.slice(s![..n, ..]).to_owned();
    let near = layer(&file("a.npz"), &real);
    let far = layer(&file("b.npz"), &(&real + 1e7));
    let other = layer(&file("c.npz"), &fake);
    let value = |path: &str| {
        report(&format!("cka --features {path} {other}"))["results"]["cka"][0][0].as_f64().unwrap()
    };
    assert!((value(&far) - value(&near)).abs() < STORED, "{} {}", value(&far), value(&near));
    let value = |path: &str| {
        let line = format!("compare --features {path} {other} --measures procrustes");
        report(&line)["results"]["measures"][0]["values"][0][0].as_f64().unwrap()
    };
    assert!((value(&far) - value(&near)).abs() < STORED);
}

#[test]
fn copies_of_samples_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let places: Vec<usize> = (0..64).map(|i| i % 8).collect();
    let of = |name: &str, from: usize| {
        let rows = features("real").slice(s![from..from + 8, ..]).to_owned();
        layer(&folder.path().join(name), &rows.select(Axis(0), &places))
    };
    let (a, b) = (of("a.npz", 0), of("b.npz", 100));
    let compared = report(&format!("compare --features {a} {b} --measures all"));
    let codes: Vec<Value> = warnings(&compared).into_iter().map(Value::from).collect();
    assert_eq!(codes.iter().filter(|code| *code == "duplicate-samples").count(), 2, "{codes:?}");
    let text = compared["warnings"][0]["text"].as_str().unwrap();
    assert!(text.contains("only 8 of 64 samples in array l1 of"), "{text}");
    let measures = compared["results"]["measures"].as_array().unwrap();
    for name in ["svcca", "pwcca", "cca-r2", "linear-regression", "mutual-knn"] {
        let found = measures.iter().find(|m| m["name"] == name).unwrap();
        assert!(found["values"][0][0].is_null(), "{found}");
        assert!(found["nulls"][0]["reason"].as_str().unwrap().contains('8'), "{found}");
    }
    let cka = report(&format!("cka --features {a} {b}"));
    assert_eq!(cka["warnings"][0]["code"], "duplicate-samples");
    // Images, by their bytes.
    let images = folder.path().join("images.npy");
    write_npy(&images, &pictures(8, 0).select(Axis(0), &places)).unwrap();
    let cka = report(&format!("cka {{tiny_resnet_scripted.pt}} --data {}", images.display()));
    let text = cka["warnings"][0]["text"].as_str().unwrap();
    assert!(text.contains("only 8 of 64 samples of"), "{text}");
}

#[test]
fn copies_are_told_of_sets_and_of_what_is_fitted_or_averaged() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let places: Vec<usize> = (0..48).map(|i| i % 8).collect();
    let says = |line: &str, count: usize, harm: &str| {
        let found = report(line);
        let all = found["warnings"].as_array().unwrap().iter();
        let own: Vec<_> = all.filter(|w| w["code"] == "duplicate-samples").collect();
        assert_eq!(own.len(), count, "{line}: {}", found["warnings"]);
        for warning in own {
            let text = warning["text"].as_str().unwrap();
            assert!(text.contains("only 8 of 48 samples") && text.contains(harm), "{text}");
        }
    };
    let rows = |name: &str, from: usize| {
        let rows = features("real").slice(s![from..from + 8, ..]).to_owned();
        layer(&folder.path().join(name), &rows.select(Axis(0), &places))
    };
    let (a, b) = (rows("a.npz", 0), rows("b.npz", 100));
    says(&format!("fid {a} {b} --metrics fid,prdc --k 3"), 2, "neighbours are copies");
    says(&format!("distance {a} {b}"), 2, "neighbours are copies");
    let images = file("images.npy");
    write_npy(&images, &pictures(8, 0).select(Axis(0), &places)).unwrap();
    let whole = file("whole.npy");
    write_npy(&whole, &pictures(12, 50)).unwrap();
    let model = "{tiny_resnet_scripted.pt}";
    let cached = format!("--stats-cache {}", file("cache"));
    for _ in 0..2 {
        let sets = format!("{images} {whole} --model {model} --layer layer1 --reduce gap");
        says(&format!("fid {sets} --metrics fid {cached}"), 1, "kernel distances");
    }
    says(&format!("stitch {model} {model} --data {images} --layers layer1"), 1, "fitted on too");
    let averaged = "averages count them";
    says(&format!("saliency {model} --data {images} --method gradient"), 1, averaged);
    says(&format!("sensitivity {model} --data {images} --perturb none"), 1, averaged);
}

#[test]
fn files_in_a_wrong_place_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("a.txt");
    let line = format!("cka {{mlp.pt}} --data {{mlp.npy}} -o {}", text.display());
    fails(&line, &["no form .txt", "end its name in .json"]);
    assert!(!text.exists());
    let page = folder.path().join("a.html");
    fails(
        &line.replace(&text.display().to_string(), &page.display().to_string()),
        &["repsim report"],
    );
    let line = format!("report {{state_dict.pth}} -o {}", page.display());
    fails(&line, &["weights of PyTorch", "the .json that repsim wrote"]);
    fails("check {state_dict.pth} --baseline {state_dict.pth}", &["weights of PyTorch"]);
}
