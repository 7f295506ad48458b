//! `repsim saliency`: reports, files beside them, comparison, and mistakes.

use std::fs;
use std::path::Path;

use ndarray::{Array2, Array3};
use ndarray_npy::NpzReader;
use serde_json::Value;

use crate::check_support::{check, ended};
use crate::reports::assert_valid;
use crate::support::{done, path, report, repsim, words};
use crate::tolerances::SMALL_NETWORK;

const DATA: &str = "--data {images} --limit 6 --seed 1 --preprocess raw --channels 3 \
                    --mean 0.2860 --std 0.3530";
const MODEL: &str = "{models/fashion-seed0-scripted.pt}";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// Files in a folder and those below it.
fn overlays(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.map(|path| if path.is_dir() { overlays(&path) } else { 1 }).sum()
}

#[test]
fn maps_that_a_negative_score_turns_around_are_told() {
    let line = format!(
        "saliency {MODEL} --data {{images}} --limit 1 --preprocess raw --channels 3 --mean 0.286 --std 0.353 \
         --layers layer4 --method gradcam,ablationcam --class"
    );
    let warned = |class: &str| {
        let found = report(&format!("{line} {class}"));
        let warnings = found["warnings"].as_array().unwrap().clone();
        warnings.iter().any(|warning| warning["code"] == "negative-score")
    };
    assert!(warned("9-ankle-boot") && !warned("0-t-shirt"));
}

#[test]
fn every_method_gives_a_map_and_a_valid_report() {
    let folder = tempfile::tempdir().unwrap();
    let (maps, sheet) = (folder.path().join("m.npz"), folder.path().join("s.png"));
    let methods = "gradient,gradient-x-input,smoothgrad,integrated-gradients,gradcam,hirescam,\
                   layercam,gradcam++,occlusion,gradient-shap,lime,kernel-shap";
    let line = format!(
        "saliency {MODEL} {DATA} --method {methods} --samples 4 --steps 8 --window 8 --perturbations 20 \
         --lime-alpha 0.001 --shap-noise 0.1 --maps {} --sheet {} --images {}",
        maps.display(),
        sheet.display(),
        folder.path().join("overlays").display()
    );
    let found = report(&line);
    assert_valid(&found, "saliency");
    let columns = found["results"]["columns"].as_array().unwrap();
    let names: Vec<&str> = columns.iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, methods.split(',').collect::<Vec<_>>());
    let mut file = NpzReader::new(fs::File::open(&maps).unwrap()).unwrap();
    for (c, name) in names.iter().enumerate() {
        let stored: Array3<f32> = file.by_name(name).unwrap();
        assert_eq!(stored.dim(), (6, 32, 32), "{name}");
        for (image, map) in
            found["results"]["images"].as_array().unwrap().iter().zip(stored.outer_iter())
        {
            let most = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(number(&image["maps"][c]["max"]), f64::from(most), "{name}");
        }
    }
    assert!(fs::read(&sheet).unwrap().starts_with(b"\x89PNG"));
    assert_eq!(overlays(&folder.path().join("overlays")), 6 * 12);
    assert_eq!(found["results"]["comparison"].as_array().unwrap().len(), 66);
    let settings = &found["settings"];
    assert_eq!((&settings["perturbations"], &settings["lime_alpha"]), (&20.into(), &0.001.into()));
    assert_eq!(report(&line)["results"], found["results"], "the same command, other results");
}

/// On images that keep a random network far from its kinks, where the rounding of float32 decides
/// nothing.
#[test]
fn maps_are_those_of_captum_and_pytorch_grad_cam() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.npz");
    let at_input = ["gradient", "gradient-x-input", "integrated-gradients", "occlusion"];
    let at_layer = ["gradcam", "hirescam", "layercam", "gradcam++"];
    done(&format!(
        "saliency {{saliency/random.pt}} --data {{saliency/random.npy}} --preprocess raw --layer act \
         --steps 8 --window 4 --stride 2 --method {},{} --maps {}",
        at_input.join(","),
        at_layer.join(","),
        file.display()
    ));
    let open = |path: &Path| NpzReader::new(fs::File::open(path).unwrap()).unwrap();
    let (mut maps, mut golden) = (open(&file), open(&path("saliency/random.npz")));
    let enlarged = at_layer.map(|method| format!("{method}.enlarged"));
    let names = at_input.iter().chain(&at_layer).copied();
    let goldens = at_input.iter().copied().chain(enlarged.iter().map(String::as_str));
    let logits: Array2<f64> = golden.by_name("logits").unwrap();
    for (name, golden_name) in names.zip(goldens) {
        let found: Array3<f32> = maps.by_name(name).unwrap();
        let wanted: Array3<f64> = golden.by_name(golden_name).unwrap();
        let both = found.outer_iter().zip(wanted.outer_iter());
        for ((found, wanted), logits) in both.zip(logits.outer_iter()) {
            // Occlusion is a difference of logits, and rounds as they do.
            let logit = logits.fold(0.0, |most: f64, v| most.max(v.abs()));
            let start = if name == "occlusion" { logit } else { 0.0 };
            let largest = wanted.fold(start, |most: f64, v| most.max(v.abs()));
            for (found, wanted) in found.iter().zip(&wanted) {
                let off = (f64::from(*found) - wanted).abs();
                assert!(off <= SMALL_NETWORK * largest, "{name}: {off:e} of {largest}");
            }
        }
    }
}

#[test]
fn maps_do_not_depend_on_the_batch() {
    let line = format!("saliency {MODEL} {DATA} --method gradcam,smoothgrad --samples 3");
    let (whole, parts) = (report(&line), report(&format!("{line} --batch-size 4")));
    let images = |r: &Value| r["results"]["images"].as_array().unwrap().clone();
    for (a, b) in images(&whole).iter().zip(images(&parts)) {
        for (a, b) in a["maps"].as_array().unwrap().iter().zip(b["maps"].as_array().unwrap()) {
            let (a, b) = (number(&a["max"]), number(&b["max"]));
            assert!((a - b).abs() <= 1e-4 * a.abs(), "{a} {b}");
        }
    }
}

#[test]
fn models_are_compared() {
    let line = format!(
        "saliency {MODEL} {{models/fashion-seed1-traced.pt}} {{models/fashion-mixup-scripted.pt}} \
         {DATA} --true-class"
    );
    let found = report(&line);
    assert_eq!(found["settings"]["target"], "label");
    let pairs = found["results"]["comparison"].as_array().unwrap();
    assert_eq!(pairs.len(), 3);
    for pair in pairs {
        for measure in ["pearson", "spearman", "ssim", "overlap"] {
            let mean = number(&pair[measure]["mean"]);
            assert!((-1.0..=1.0).contains(&mean), "{measure}: {mean}");
            let ends = pair[measure]["interval"].as_array().unwrap();
            assert!(number(&ends[0]) <= mean && mean <= number(&ends[1]));
        }
    }
    let matrices = &found["results"]["matrices"];
    let names = matrices["names"].as_array().unwrap();
    for measure in ["pearson", "spearman", "ssim", "overlap"] {
        for (i, j) in (0..3).flat_map(|i| (0..3).map(move |j| (i, j))) {
            let is = |p: &&Value| p["a"] == names[i.min(j)] && p["b"] == names[i.max(j)];
            let expected = pairs.iter().find(is).map_or(1.0, |p| number(&p[measure]["mean"]));
            assert_eq!(number(&matrices[measure][i][j]), expected, "{measure}");
        }
    }
    assert_eq!(matrices["nulls"], Value::Null, "no value is missing");
    let itself = report(&format!("saliency {MODEL} {MODEL} {DATA}"));
    let pair = &itself["results"]["comparison"][0];
    assert!(number(&pair["pearson"]["mean"]) > 0.999_999, "{pair}");
    assert_eq!(pair["overlap"]["mean"], 1.0);
}

#[test]
fn the_difference_quotient_meets_autograd() {
    let line =
        format!("saliency {MODEL} {DATA} --method finite-difference --patch 12,15 --patch 8,8,4");
    let found = report(&line);
    assert_valid(&found, "saliency");
    for image in found["results"]["images"].as_array().unwrap() {
        let series = image["finite_differences"].as_array().unwrap();
        assert_eq!(series.len(), 2);
        for one in series {
            let steps = one["steps"].as_array().unwrap();
            let autograd = number(&one["autograd"]);
            let off = |s: &Value| (number(&s["quotient"]) - autograd).abs();
            let best = steps.iter().map(off).fold(f64::INFINITY, f64::min);
            assert!(best <= 0.05 * autograd.abs() + 0.01, "{one}");
            assert!(off(&steps[5]) >= best, "rounding has no say at the smallest h: {one}");
        }
    }
}

#[test]
fn maps_are_tested() {
    let line = format!("saliency {MODEL} {DATA} --method gradcam --faithfulness --sanity");
    let found = report(&line);
    assert_valid(&found, "saliency");
    let results = &found["results"];
    let faithfulness = results["faithfulness"].as_array().unwrap();
    assert_eq!(faithfulness.len(), 2);
    for one in faithfulness {
        let area = |name: &str| number(&one[name]["mean"]);
        for name in ["deletion", "insertion", "random_deletion", "random_insertion"] {
            assert!((0.0..=1.0).contains(&area(name)), "{name}: {one}");
        }
        assert!(area("insertion") > area("random_insertion"), "{one}");
    }
    let sanity = results["sanity"].as_array().unwrap();
    let stages: Vec<&str> = sanity.iter().map(|s| s["redrawn_down_to"].as_str().unwrap()).collect();
    assert_eq!(stages, ["fc", "layer4", "layer3", "layer2", "layer1", "bn1", "conv1"]);
    let last = number(&sanity[6]["spearman"]["mean"]);
    assert!(last < 0.7, "a map that does not depend on the weights: {last}");
}

#[test]
fn a_blank_map_is_flagged() {
    let folder = tempfile::tempdir().unwrap();
    let image = image::GrayImage::from_fn(4, 4, |x, y| image::Luma([(40 + 9 * x + 30 * y) as u8]));
    for name in ["a.png", "b.png"] {
        image.save(folder.path().join(name)).unwrap();
    }
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/saliency/cam.pt");
    let line = format!(
        "saliency {} --data {} --preprocess raw --class 2",
        model.display(),
        folder.path().display()
    );
    let run = done(&line);
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(found["results"]["degenerate"], 2);
    assert_eq!(found["results"]["images"][0]["maps"][0]["degenerate"], true);
    assert_eq!(found["results"]["images"][0]["maps"][0]["entropy"], Value::Null);
    assert!(run.stderr.contains("degenerate"), "{}", run.stderr);
    let found = report(&format!("{line} --method gradcam,gradient"));
    assert_valid(&found, "saliency");
    let pearson = &found["results"]["comparison"][0]["pearson"];
    assert_eq!((&pearson["mean"], &pearson["per_image"][0]), (&Value::Null, &Value::Null));
    let nulls = found["results"]["matrices"]["nulls"].as_array().unwrap();
    assert_eq!(nulls.len(), 4);
    let reason = nulls[0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("2 of 2 images have no value"), "{reason}");
    assert!(reason.contains("the map of gradcam is constant or not finite"), "{reason}");
    assert_eq!(pearson["reason"], reason);
    let told = format!("pearson[\"gradcam\",\"gradient\"] is null in the baseline: {reason}");
    ended(&check(&found, &found, &[]), 2, &[&told]);
    let file = folder.path().join("report.json");
    fs::write(&file, found.to_string()).unwrap();
    let page = done(&format!("report {} -o -", file.display())).stdout;
    let items = page.matches(&format!(">gradcam × gradient: {reason}</li>")).count();
    assert_eq!(
        (items, page.matches("data-n=\"0\"").count()),
        (4, 8),
        "a reason a matrix, and two cells"
    );
    assert!(
        page.contains(&format!("<span class=\"note\">{reason}</span>")),
        "no reason in the table"
    );
}

/// The class folders of the examples that are named, with an image each.
fn folders(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let from = path("images").join(name);
        let first = fs::read_dir(from).unwrap().map(|e| e.unwrap().path()).min().unwrap();
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::copy(&first, folder.path().join(name).join("one.png")).unwrap();
    }
    folder
}

const RAW: &str = "--preprocess raw --channels 3 --mean 0.2860 --std 0.3530";

#[test]
fn fewer_folders_than_logits_name_none() {
    let few = folders(&["3-dress", "7-sneaker", "9-ankle-boot"]);
    for command in ["saliency", "sensitivity"] {
        let line = format!("{command} {MODEL} --data {} {RAW}", few.path().display());
        let named = repsim(words(&format!("{line} --class 7-sneaker")));
        assert_eq!(named.code, 2, "{}", named.stderr);
        assert!(named.stderr.contains("give its number, or names with --labels FILE"));
    }
    let line = format!("saliency {MODEL} --data {} {RAW}", few.path().display());
    let run = done(&line);
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    for image in found["results"]["images"].as_array().unwrap() {
        for top in image["predictions"][0]["top"].as_array().unwrap() {
            assert!(top["class"].as_str().unwrap().parse::<usize>().is_ok(), "{top}");
        }
    }
    assert_eq!(found["warnings"][0]["code"], "unnamed-classes", "{}", found["warnings"]);
}

#[test]
fn labels_are_a_line_for_each_logit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labels");
    let option = format!("--labels {}", file.display());
    fs::write(&file, "a\nb\n").unwrap();
    fails(&option, "it names 2 classes, and the model gives 10 logits");
    fs::write(&file, "a\nb\n\nd\ne\nf\ng\nh\ni\nj\nk\n").unwrap();
    fails(&option, "line 3 is blank");
    fs::write(&file, "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n").unwrap();
    let found = report(&format!("saliency {MODEL} {DATA} {option} --class d"));
    assert_eq!(found["settings"]["target"], "class 3");
}

#[test]
fn overlays_of_alike_names_stay_apart() {
    let folder = folders(&["3-dress"]);
    let data = folder.path().join("3-dress");
    fs::create_dir(data.join("a")).unwrap();
    fs::copy(data.join("one.png"), data.join("a").join("b.png")).unwrap();
    fs::rename(data.join("one.png"), data.join("a-b.png")).unwrap();
    let out = folder.path().join("out");
    done(&format!("saliency {MODEL} --data {} {RAW} --images {}", data.display(), out.display()));
    assert_eq!(overlays(&out), 2);
}

#[test]
fn outputs_are_checked_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (file, sheet) = (folder.path().join("file"), folder.path().join("s.png"));
    fs::write(&file, "x").unwrap();
    fails(&format!("--images {}", file.display()), "is a file");
    fails(&format!("--sheet {0} -o {0}", sheet.display()), "it is named for two outputs");
    for line in [
        format!("sensitivity {MODEL} {DATA} --plot {0} -o {0}", sheet.display()),
        format!("cka {MODEL} {DATA} --heatmap {0} -o {0}", sheet.display()),
        format!("maps {MODEL} {DATA} --layer layer4 --sheet {0} -o {0}", sheet.display()),
    ] {
        let run = repsim(words(&line));
        let told = ["two outputs", "no form .png"].iter().any(|told| run.stderr.contains(told));
        assert!(run.code == 2 && told, "{}", run.stderr);
    }
}

#[test]
fn captions_of_a_contrast_name_both_classes() {
    let folder = tempfile::tempdir().unwrap();
    let sheet = folder.path().join("s.svg");
    let contrast = "--contrast 9-ankle-boot,7-sneaker";
    let found = report(&format!("saliency {MODEL} {DATA} {contrast} --sheet {}", sheet.display()));
    let drawn = fs::read_to_string(&sheet).unwrap();
    for text in
        ["explains 9-ankle-boot against 7-sneaker", "Under each map: the classes held against each"]
    {
        assert!(drawn.contains(text), "no '{text}'");
    }
    let images = found["results"]["images"].as_array().unwrap();
    assert!(images.iter().any(|image| number(&image["predictions"][0]["score"]) < -0.01));
    for image in images {
        let said = &image["predictions"][0];
        assert_eq!(
            (&said["target"], &said["against"]),
            (&"9-ankle-boot".into(), &"7-sneaker".into())
        );
        let value = format!("{:.2}", number(&said["score"])).replace('-', "−");
        let score = format!("− 7-sneaker {value}");
        let title =
            format!("{} · gradcam: 9-ankle-boot {score}", image["sample"].as_str().unwrap());
        assert!(drawn.contains(&title), "no '{title}' for a pointer");
        assert!(drawn.contains(&format!(">{score}</text>")), "no '{score}' under a map");
    }
}

#[test]
fn a_sheet_without_room_is_refused_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let sheet = folder.path().join("s.png");
    let all = format!("saliency {MODEL} --data {{images}} {RAW} --sheet {}", sheet.display());
    let run = repsim(words(&format!("{all} --sheet-rows 1000 --method occlusion")));
    assert_eq!(run.code, 2, "{}", run.stderr);
    let said = run.stderr.lines().find(|l| l.starts_with("error: ")).unwrap_or_default();
    assert!(said.contains("pixels is too large: a side has at most 20,000"), "{said}");
    assert!(said.ends_with("show fewer images (--rows) or maps, or draw an .svg"), "{said}");
    assert!(run.stdout.is_empty() && !sheet.exists());
}

#[test]
fn nothing_is_written_where_one_file_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let (out, taken) = (folder.path().join("r.json"), folder.path().join("o"));
    let column = taken.join(format!("{}-gradcam.png", listed_first()));
    fs::create_dir_all(column.join("x")).unwrap();
    fs::write(&out, "old").unwrap();
    let run = repsim(words(&format!(
        "saliency {MODEL} {DATA} --images {} -o {}",
        taken.display(),
        out.display()
    )));
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("it is a folder"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(&out).unwrap(), "old");
    assert_eq!(fs::read_dir(&taken).unwrap().count(), 1, "overlays were left half-written");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// The first image of the data.
fn listed_first() -> String {
    let found = report(&format!("saliency {MODEL} {DATA}"));
    found["results"]["images"][0]["sample"].as_str().unwrap().to_owned()
}

#[track_caller]
fn fails(options: &str, says: &str) {
    let line = format!("saliency {MODEL} {DATA} {options}");
    let run = repsim(words(&line));
    assert_eq!(run.code, 2, "{line}\n{}", run.stderr);
    let first = run.stderr.lines().find(|l| l.starts_with("error: ")).unwrap_or_default();
    assert!(first.contains(says), "{}", run.stderr);
    assert!(run.stdout.is_empty());
}

#[test]
fn mistakes_are_told() {
    fails("--class 99", "name a class from 0 to 9");
    fails("--class boot", "the closest of 10 is");
    fails("--contrast 3", "not a pair of classes");
    fails("--contrast 3,3", "a class against itself");
    fails("--contrast 3,4 --faithfulness", "leave one of them out");
    fails("--method finite-difference --sanity", "finite-difference gives none");
    fails("--layer fc", "no spatial map");
    fails("--layer layer9", "the closest are layer");
    fails("--method gradkam", "did you mean gradcam");
    fails("--labels /nope", "/nope");
    fails("--maps x.txt", "end its name in .npz");
    fails("--opacity 3", "from 0 to 1");
    fails("--method gradient --layer layer4", "--layers is for class activation maps");
    fails("--method occlusion --window 64", "does not fit an image of 32×32");
    fails("--method occlusion --window 4 --stride 5", "--stride of at most --window");
    fails("--method lime --window 64", "a patch of 64 pixels does not fit an image of 32×32");
    fails("--method kernel-shap --perturbations 9", "9 perturbations are too few for 64 patches");
    fails("--perturbations 9", "--perturbations is for the method kernel-shap or lime");
    fails("--method kernel-shap --lime-alpha 1", "--lime-alpha is for the method lime");
    fails("--method smoothgrad --shap-noise 1", "--shap-noise is for the method gradient-shap");
    fails("--patch 1,1", "--patch is for the method finite-difference");
    fails("--method finite-difference --patch 40,1", "outside the image");
    fails("--output-index 1", "--output-index");
    let rows = path("measures/features_a.npz");
    let run = repsim(words(&format!("saliency {MODEL} --data {}", rows.display())));
    assert_eq!(run.code, 2, "{}", run.stderr);
}
