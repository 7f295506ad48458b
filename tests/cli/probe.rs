//! `repsim probe`: what can be read out of layers.

use std::fs;
use std::path::Path;

use ndarray::{Array1, Array2, Array3};
use ndarray_npy::NpzWriter;
use repsim::analysis::{
    Data, Features, Loading, Preprocessing, Probe, ProbeControl, Share, Silent,
};
use repsim::data::Preset;
use repsim::probe::Kind;
use repsim::report::probe::{ProbeReport, ProbeScore};
use serde_json::Value;

use crate::check_support::{check, ended, refused};
use crate::reports::assert_valid;
use crate::support::{done, path, pictures, repsim, words};

const TINY: &str = "tiny_resnet_scripted.pt";

fn raw() -> Preprocessing {
    Preprocessing { preset: Some(Preset::Raw), ..Preprocessing::default() }
}

fn samples(images: &Path) -> Data {
    Data { load: Loading { batch_size: 7, ..Loading::default() }, ..Data::at(images) }
}

fn request(models: &[&str], images: &Path) -> Probe {
    Probe {
        data: samples(images),
        preprocessing: raw(),
        layers: vec!["layer?".into(), "fc".into()],
        share: Share::Folds(3),
        ..Probe::new(models.iter().map(|name| path(name)))
    }
}

fn value(results: &ProbeReport) -> Value {
    serde_json::to_value(results).unwrap()
}

/// What has to hold of the score of a classifier over so many samples.
#[track_caller]
fn check_score(probe: &ProbeScore, count: usize) {
    let all: usize = probe.confusion.iter().flatten().sum();
    assert_eq!(all, count);
    let right: usize = (0..probe.confusion.len()).map(|i| probe.confusion[i][i]).sum();
    let score = probe.score.get().unwrap();
    assert!((score - right as f64 / count as f64).abs() < 1e-12);
    let (low, high) = probe.interval.unwrap();
    assert!(low < score && score < high || score == 1.0 || score == 0.0);
    let lost = score - probe.shuffled.get().unwrap();
    assert!((probe.selectivity.get().unwrap() - lost).abs() < 1e-12);
    for (class, row) in probe.confusion.iter().enumerate() {
        let share = row[class] as f64 / row.iter().sum::<usize>() as f64;
        assert!((probe.per_class[class].get().unwrap() - share).abs() < 1e-12);
    }
}

#[test]
fn layers_controls_and_pixels_are_probed_together() {
    let images = pictures(24);
    let folder = tempfile::tempdir().unwrap();
    let [report, plot] = ["probe.json", "probe.png"].map(|name| folder.path().join(name));
    done(&format!(
        "probe {{{TINY}}} {{tiny_resnet_traced.pt}} --data {} --preprocess raw --folds 3 --layers layer? \
         --probe ridge,logistic,knn,nearest-mean --alpha 1,100 --cost 0.01,1 --neighbours 3 --plot {} -o {}",
        images.path().display(),
        plot.display(),
        report.display()
    ));
    let found: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    assert_valid(&found, "probe");
    let found: ProbeReport = serde_json::from_value(found).unwrap();
    let results = &found.results;
    assert_eq!((results.n, results.n_fit, results.n_measured, results.chance), (24, 16, 24, 0.5));
    assert_eq!(results.models.len(), 2);
    for model in &results.models {
        assert_eq!(model.control.as_deref(), Some("redrawn"));
        for layer in &model.layers {
            assert_eq!(layer.probes.len(), 4);
            layer.probes.iter().for_each(|probe| check_score(probe, 24));
            assert!(layer.probes.iter().all(|probe| probe.control.get().is_some()));
            assert!(layer.probes.iter().all(|probe| probe.shuffled_sd.get().is_none()));
            assert_eq!([0, 1, 2, 3].map(|i| layer.probes[i].chosen.len()), [3, 3, 0, 0]);
        }
    }
    // Scripted and traced are one network.
    let [a, b] = [0, 1].map(|i| &results.models[i].layers);
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.probes, b.probes);
        assert!(a.cka.is_none() && (b.cka.unwrap().get().unwrap() - 1.0).abs() < 1e-4);
    }
    let pixels = results.pixels.as_ref().unwrap();
    assert_eq!((pixels.name.as_str(), pixels.width), ("pixels", 3 * 16 * 16));
    check_score(&pixels.probes[0], 24);
    assert!(fs::read(&plot).unwrap().starts_with(b"\x89PNG"));
    let line = format!("report {} -o {}/page.html", report.display(), folder.path().display());
    done(&line);
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert!(page.contains("selectivity") && page.contains("taken for") && !page.contains("NaN"));
    let policy = folder.path().join("policy.toml");
    let rule = "probe-accuracy[\"layer1\",\"ridge of tiny_resnet_scripted.pt\"] >= 0";
    fs::write(&policy, format!("version = 1\nrules = ['{rule}']\n")).unwrap();
    let run =
        repsim(["check", &report.display().to_string(), "--policy", &policy.display().to_string()]);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn folders_of_features_give_what_the_models_give() {
    let images = pictures(18);
    let folders = tempfile::tempdir().unwrap();
    let folder = folders.path().join("kept");
    let features = Features {
        data: samples(images.path()),
        preprocessing: raw(),
        ..Features::new(path(TINY), &folder)
    };
    features.run(&Silent).unwrap();
    let direct = request(&[TINY], images.path());
    let stored = Probe {
        models: vec![folder.clone()],
        data: Data::default(),
        preprocessing: Preprocessing::default(),
        control: ProbeControl::Model(folder.clone()),
        ..direct.clone()
    };
    let [direct, stored] = [direct, stored].map(|request| request.run(&Silent).unwrap().results);
    let [a, b] = [&direct, &stored].map(|results| &results.models[0]);
    assert_eq!(a.accuracy, b.accuracy);
    for (a, b) in a.layers.iter().zip(&b.layers) {
        assert_eq!((&a.name, a.width), (&b.name, b.width));
        for (a, b) in a.probes.iter().zip(&b.probes) {
            assert_eq!((a.score, a.shuffled, &a.chosen), (b.score, b.shuffled, &b.chosen));
            assert_eq!(b.control, b.score);
        }
    }
    assert_eq!(direct.classes, stored.classes);
    assert!(stored.pixels.is_none() && stored.without_pixels.is_some());
}

#[test]
fn arrays_are_probed_and_the_same_command_gives_the_same_results() {
    let folder = tempfile::tempdir().unwrap();
    let classes = folder.path().join("classes.txt");
    let lines: Vec<&str> = (0..75).map(|i| ["10", "9", "x"][i % 3]).collect();
    fs::write(&classes, lines.join("\n")).unwrap();
    let mut request = Probe::new(Vec::<String>::new());
    request.features = vec![path("probe/probe.npz")];
    request.layers = vec!["tall.rows".into()];
    request.classes = Some(classes);
    request.share = Share::Fraction(0.6);
    let [a, b] = [0, 1].map(|_| request.run(&Silent).unwrap());
    assert_eq!(value(&a)["results"], value(&b)["results"]);
    let names: Vec<&str> = a.results.classes.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(names, ["9", "10", "x"]);
    assert_eq!((a.results.n_fit, a.results.n_measured), (45, 30));
    let model = &a.results.models[0];
    assert!(model.control.is_none() && model.without_control.is_some());
    request.split_seed = Some(7);
    assert_ne!(value(&a)["results"], value(&request.run(&Silent).unwrap())["results"]);
    let other = folder.path().join("other.txt");
    fs::write(&other, lines.iter().rev().copied().collect::<Vec<_>>().join("\n")).unwrap();
    (request.split_seed, request.classes) = (None, Some(other));
    let run = check(&value(&request.run(&Silent).unwrap()), &value(&a), &[]);
    ended(&run, 2, &["SHA-256 of the classes"]);
}

/// Labels are numbers of any size, of which not all occur.
const LARGE: i64 = 1_000_000_000_000;

/// A file of float32 arrays whose samples differ by rounding alone, by their class, and of those classes.
fn rounded(file: &Path, classes: &[u8]) {
    let n = classes.len();
    let apart = |i: usize| if classes[i] == 1 { f32::EPSILON } else { 0.0 };
    let means = Array3::from_shape_fn((n, 2, 2), |(i, _, p)| match p {
        0 => 1.0 + apart(i),
        _ => -1.0,
    });
    let columns = Array2::from_shape_fn((n, 3), |(i, _)| 5.0 * (1.0 + apart(i)));
    let told = Array2::from_shape_fn((n, 2), |(i, d)| {
        (i * (d + 2)) as f32 + 9.0 * apart(i) / f32::EPSILON
    });
    let mut writer = NpzWriter::new(fs::File::create(file).unwrap());
    writer.add_array("means", &means).unwrap();
    writer.add_array("columns", &columns).unwrap();
    writer.add_array("told", &told).unwrap();
    writer
        .add_array("labels", &Array1::from_iter(classes.iter().map(|&c| LARGE * i64::from(c))))
        .unwrap();
    writer.finish().unwrap();
}

#[test]
fn rounding_is_not_read_out_and_labels_beside_features_are_classes() {
    let folder = tempfile::tempdir().unwrap();
    let [file, other] = ["a.npz", "b.npz"].map(|name| folder.path().join(name));
    let classes: Vec<u8> = (0..40).map(|i| u8::from(i % 4 == 0)).collect();
    rounded(&file, &classes);
    let mut request = Probe::new(Vec::<String>::new());
    request.features = vec![file];
    for standardize in [true, false] {
        request.standardize = standardize;
        request.layers = if standardize {
            vec![]
        } else {
            ["means", "columns", "told"].map(Into::into).to_vec()
        };
        let found = request.run(&Silent).unwrap();
        assert_eq!(found.results.classes.iter().map(|c| c.count).collect::<Vec<_>>(), [30, 10]);
        let layers = &found.results.models[0].layers;
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names, ["means", "columns", "told"]);
        for probe in layers[..2].iter().flat_map(|layer| &layer.probes) {
            assert_eq!(probe.score.get(), Some(0.75), "{probe:?}");
        }
        let copies = found.warnings.iter().find(|warning| warning.code == "duplicate-samples");
        assert!(copies.unwrap().text.contains("were fitted on too"));
    }
    rounded(&other, &classes.iter().rev().copied().collect::<Vec<_>>());
    request.features.push(other);
    let text = request.run(&Silent).unwrap_err().to_string();
    assert!(text.contains("b.npz") && text.contains("labels are not those of"), "{text}");
}

#[test]
fn numbers_are_read_out_by_the_names_of_samples() {
    let images = pictures(20);
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("targets.csv");
    let mut lines = vec!["sample,size,none".to_owned(), "elsewhere.png,1,1".to_owned()];
    for i in (0..20).rev() {
        let class = if i % 2 == 0 { "even" } else { "odd" };
        lines.push(format!("{class}/{i:03}.png,{i},4"));
    }
    fs::write(&table, lines.join("\n")).unwrap();
    let mut request = request(&[TINY], images.path());
    request.kinds = vec![Kind::Ridge];
    request.targets = Some(table.clone());
    let found = request.run(&Silent).unwrap();
    let told = found.warnings.iter().find(|warning| warning.code == "constant-target");
    assert!(told.unwrap().text.starts_with("target none of "));
    let found = found.results;
    assert_eq!(found.targets.as_ref().unwrap().names, ["size", "none"]);
    let probe = &found.models[0].layers[0].probes[0];
    assert!(probe.r2[0].get().is_some() && probe.r2[1].get().is_none());
    assert_eq!((probe.score, probe.chosen.len()), (probe.r2[0], 6));
    assert!(probe.reason.as_ref().unwrap().contains("1 of 2 targets are constant"));
    let line = |text: &str| {
        fs::write(&table, text).unwrap();
        repsim(words(&format!(
            "probe {{{TINY}}} --data {} --preprocess raw --layers layer1 --targets {}",
            images.path().display(),
            table.display()
        )))
    };
    refused(&line("a\nb\n"), &["targets.csv", "names no numbers"]);
    refused(&line("a,b\nx.png,1\n"), &["targets.csv", "none of its 1 names", "even/000.png"]);
    refused(&line("a,b\neven/000.png,1\n"), &["no row for 19 samples", "even/002.png"]);
    refused(&line("a,b\neven/000.png,one\n"), &["line 2", "b is 'one', not a number"]);
    refused(&line("a,b\nx,1\nx,2\n"), &["line 3", "sample x is there twice"]);
    refused(&line("a,b\nx,1,2\n"), &["targets.csv"]);
}

/// The mean over several times, whose first is the one of a single time, with its deviation.
#[test]
fn labels_are_shuffled_several_times() {
    let images = pictures(20);
    let of = |shuffles: Option<usize>| {
        let mut request = request(&[TINY], images.path());
        request.kinds = vec![Kind::Ridge, Kind::NearestMean];
        request.shuffles = shuffles;
        let found = request.run(&Silent).unwrap();
        (found.settings.shuffles, found.results.models[0].layers[0].probes.clone())
    };
    let ((one, first), (two, both), (usual, _)) = (of(Some(1)), of(Some(2)), of(None));
    assert_eq!([one, two, usual], [1, 2, 5]);
    for (first, both) in first.iter().zip(&both) {
        assert_eq!((first.score, first.shuffled_sd.get()), (both.score, None));
        let (own, mean) = (first.shuffled.get().unwrap(), both.shuffled.get().unwrap());
        let apart = 2.0 * (own - mean).abs();
        assert!((both.shuffled_sd.get().unwrap() - apart / 2f64.sqrt()).abs() < 1e-12);
        let lost = both.score.get().unwrap() - mean;
        assert!((both.selectivity.get().unwrap() - lost).abs() < 1e-12);
    }
}

/// What is said of how models run beside --features, and strengths at the end of what there is to choose from.
#[test]
fn options_and_strengths_that_mean_nothing_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let classes = folder.path().join("classes.txt");
    fs::write(&classes, (0..80).map(|i| format!("{}\n", i % 2)).collect::<String>()).unwrap();
    let line = |more: &str| {
        repsim(words(&format!(
            "probe --features {{outputs/a.npz}} --classes {} --probe ridge {more}",
            classes.display()
        )))
    };
    for option in ["--device cpu", "--no-optimize", "--precision tf32", "--draw-seed 3"] {
        let name = option.split(' ').next().unwrap();
        refused(&line(option), &[name, "no model runs beside --features"]);
    }
    let told = line("--alpha 1e-9,1e-8");
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(told.stderr.contains("ridge chose the largest of its strengths"), "{}", told.stderr);
    let table = line("--format csv").stdout;
    assert!(table.lines().next().unwrap().contains("shuffled,sd,selectivity"), "{table}");
    refused(&line("--shuffles 0"), &["--shuffles"]);
}

#[test]
fn what_cannot_be_probed_is_refused_in_one_line() {
    let images = pictures(12);
    let data = images.path().display().to_string();
    let line = |more: &str| {
        repsim(words(&format!(
            "probe {{{TINY}}} --data {data} --preprocess raw --layers layer? {more}"
        )))
    };
    refused(&line("--folds 7"), &["--folds 7", "class even", "has 6 samples"]);
    refused(&line("--alpha 0,1"), &["--alpha 0", "features", "any labels would fit"]);
    refused(&line("--cost 1"), &["--cost is for logistic"]);
    refused(&line("--inner-folds 4"), &["--inner-folds is for logistic"]);
    refused(&line("--probe ridge --neighbours 3"), &["--neighbours is for knn"]);
    refused(&line("--neighbours 99"), &["--neighbours 99", "9 samples to fit on"]);
    refused(&line("--classes t.txt"), &["--classes is for --features"]);
    refused(&line("--probe svm"), &["ridge, logistic, knn or nearest-mean"]);
    refused(&line("--control nowhere.pt"), &["nowhere.pt", "no such file"]);
    refused(&line("--probe knn --targets t.csv"), &["--probe knn", "--targets holds numbers"]);
    refused(&line("--memory 1KiB"), &["--memory is 1", "fewer --layers"]);
    for i in [1, 3, 5, 7, 9] {
        fs::remove_file(images.path().join(format!("odd/{i:03}.png"))).unwrap();
    }
    refused(&line("--fit-fraction 0.5"), &["class odd", "has 1 sample,"]);
    fs::remove_dir_all(images.path().join("odd")).unwrap();
    refused(&line(""), &["are of one class, even"]);
    let flat = images.path().join("even").display().to_string();
    let plain = repsim(words(&format!("probe {{{TINY}}} --data {flat} --preprocess raw")));
    refused(&plain, &["has no labels", "--targets"]);
}
