//! Folders of `repsim features` in the place of models: the direct runs are what they are held against.

use std::cell::RefCell;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use repsim::analysis::{
    ChannelAxis, Cka, Compare, Data, Distance, Extraction, Features, Fid, Loading, Observer,
    Platonic, Preprocessing, Silent, Stats,
};
use repsim::capture::cka::Estimator;
use repsim::capture::{Progress, Reduce};
use repsim::data::{Channels, FloatFormat, Preset};
use repsim::report::Warning;
use repsim::similarity::Measure;
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::check_support::refused;
use crate::support::{done, path, pictures, repsim};

const MODELS: [&str; 2] = ["tiny_resnet_scripted.pt", "tiny_resnet_traced.pt"];

fn raw() -> Preprocessing {
    Preprocessing { preset: Some(Preset::Raw), ..Preprocessing::default() }
}

/// Few samples in a batch, so that there are several.
fn samples(images: &Path) -> Data {
    Data { load: Loading { batch_size: 6, ..Loading::default() }, ..Data::at(images) }
}

/// What is written of a model over pictures.
fn features(model: &str, images: &Path, folder: PathBuf) -> Features {
    Features { data: samples(images), preprocessing: raw(), ..Features::new(path(model), folder) }
}

fn value(results: &impl Serialize) -> Value {
    serde_json::to_value(results).unwrap()
}

/// Pictures, and a folder for each of the models.
struct Kept {
    images: TempDir,
    folders: TempDir,
}

impl Kept {
    fn new(count: u32, change: impl Fn(&mut Features)) -> Self {
        let kept = Self { images: pictures(count), folders: tempfile::tempdir().unwrap() };
        for model in MODELS {
            let mut request = features(model, kept.images.path(), kept.folder(model));
            change(&mut request);
            request.run(&Silent).unwrap();
        }
        kept
    }

    fn folder(&self, model: &str) -> PathBuf {
        self.folders.path().join(model.strip_suffix(".pt").unwrap())
    }

    /// The same request of the models themselves, of their folders, and of the second alone in its folder.
    fn each<T>(&self, mut run: impl FnMut([PathBuf; 2], Option<&Path>) -> T) -> [T; 3] {
        let [a, b] = MODELS.map(path);
        let [kept_a, kept_b] = MODELS.map(|model| self.folder(model));
        let images = Some(self.images.path());
        [run([a.clone(), b], images), run([kept_a, kept_b.clone()], None), run([a, kept_b], images)]
    }
}

fn data(images: Option<&Path>) -> Data {
    images.map_or_else(|| Data { path: None, ..samples(Path::new("")) }, samples)
}

fn steps(images: Option<&Path>) -> Preprocessing {
    if images.is_some() { raw() } else { Preprocessing::default() }
}

#[test]
fn cka_and_other_measures_are_those_of_the_models_bit_for_bit() {
    let kept = Kept::new(21, |_| ());
    let cases = [
        (Reduce::Flatten, Estimator::Full),
        (Reduce::Gap, Estimator::Full),
        (Reduce::Spatial, Estimator::Full),
        (Reduce::Flatten, Estimator::Minibatch),
    ];
    for (reduce, estimator) in cases {
        let [direct, stored, mixed] = kept.each(|[a, b], images| {
            let mut cka = Cka { reduce, estimator, ..Cka::new(a, b) };
            (cka.sides.data, cka.sides.preprocessing) = (data(images), steps(images));
            cka.run(&Silent).unwrap()
        });
        assert_eq!(value(&stored.results), value(&direct.results), "{reduce} {estimator}");
        assert_eq!(value(&mixed.results), value(&direct.results), "{reduce} {estimator}");
        for (i, model) in MODELS.iter().enumerate() {
            let (own, from) = (&stored.inputs.models[i], &direct.inputs.models[i]);
            assert_eq!((&own.sha256, &own.accuracy), (&from.sha256, &from.accuracy));
            let folder = own.features.as_ref().unwrap();
            assert_eq!(Path::new(&folder.path), kept.folder(model));
            assert_eq!(
                Some(&folder.fingerprint),
                direct.inputs.data.as_ref().map(|d| &d.fingerprint)
            );
        }
        assert_eq!(stored.inputs.data, direct.inputs.data);
        assert!(mixed.inputs.models[0].features.is_none());
    }
    let [direct, stored, mixed] = kept.each(|[a, b], images| {
        let mut compare = Compare::new(a, b);
        compare.measures = vec![Measure::Procrustes, Measure::MutualKnn, Measure::Rsa];
        (compare.sides.data, compare.sides.preprocessing) = (data(images), steps(images));
        compare.run(&Silent).unwrap()
    });
    assert_eq!(value(&stored.results), value(&direct.results));
    assert_eq!(value(&mixed.results), value(&direct.results));
}

/// Pictures are for the model that runs: as one of three, as a control, or beside a folder that does not say which
/// axis is that of the channels.
#[test]
fn one_model_runs_beside_two_folders() {
    let kept = Kept::new(13, |_| {});
    let images = kept.images.path();
    let (model, [a, b]) = (path(MODELS[0]), MODELS.map(|model| kept.folder(model)));
    let cka = |models: &[PathBuf], controls: &[PathBuf]| {
        let mut cka = Cka::new(&models[0], &models[1]);
        cka.sides.models = models.to_vec();
        cka.controls = controls.to_vec();
        (cka.sides.data, cka.sides.preprocessing) = (data(Some(images)), steps(Some(images)));
        cka.sides.running.channel_axes = vec![ChannelAxis::new("conv1", 1).unwrap()];
        cka
    };
    let direct = MODELS.map(path);
    for models in [[a.clone(), b.clone(), model.clone()], [model.clone(), a.clone(), b.clone()]] {
        let own = |p: &PathBuf| if *p == b { direct[1].clone() } else { direct[0].clone() };
        let same = models.iter().map(own).collect::<Vec<_>>();
        let [stored, run] = [&models[..], &same].map(|models| {
            let found = cka(models, &[]).run_pairs(&Silent).unwrap().results;
            found.pairs.iter().map(|pair| value(&pair.results)).collect::<Vec<_>>()
        });
        assert_eq!(stored, run);
    }
    let [stored, run] = [[a.clone(), b.clone()], direct.clone()].map(|models| {
        let report = cka(&models, std::slice::from_ref(&model)).run(&Silent).unwrap();
        value(&report.results)
    });
    assert_eq!(stored, run);
    let alone = cka(&[a.clone(), b], &[a]).run(&Silent).unwrap_err().to_string();
    assert!(alone.contains("no model runs beside the folders"), "{alone}");
}

/// A stage gives the tensor of its last block, which alone is kept.
#[test]
fn layers_are_found_by_all_their_names() {
    let kept = Kept::new(12, |_| {});
    for patterns in [vec!["layer?"], vec!["layer2", "fc"], vec!["layer2.0", "layer2"]] {
        let [direct, stored, mixed] = kept.each(|[a, b], images| {
            let mut cka = Cka::new(a, b).layers(patterns.clone());
            cka.sides.layers_b = vec!["layer?".to_owned()];
            (cka.sides.data, cka.sides.preprocessing) = (data(images), steps(images));
            cka.run(&Silent).unwrap()
        });
        let of = |report: &repsim::report::cka::CkaReport| {
            let cka: Vec<Vec<f64>> = serde_json::from_value(value(&report.results.cka)).unwrap();
            (report.results.layers_a.clone(), report.results.layers_b.clone(), cka)
        };
        let (a, b, values) = of(&direct);
        for found in [&stored, &mixed] {
            let (own_a, own_b, own) = of(found);
            assert_eq!((&own_a, &own_b), (&a, &b), "{patterns:?}");
            let apart =
                |(x, y): (&Vec<f64>, &Vec<f64>)| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-6);
            assert!(own.iter().zip(&values).all(apart), "{patterns:?}: {own:?} {values:?}");
        }
        let layers = &stored.inputs.models[1].layers;
        assert_eq!(
            layers.iter().map(|l| &l.name).collect::<Vec<_>>(),
            b.iter().collect::<Vec<_>>()
        );
    }
}

/// Means of instance norms are rounding, which is told by what they were taken over; T×N×D lies in memory with the
/// samples in the middle; and of random draws each batch has its own.
#[test]
fn what_is_not_in_the_numbers_alone_is_kept_too() {
    let folders = tempfile::tempdir().unwrap();
    let cases = [
        ("averages/network.pt", "averages/images.npy", Reduce::Gap, Reduce::Gap),
        ("axes/time_first_scripted.pt", "axes/sequences.npy", Reduce::Flatten, Reduce::Gap),
        ("draws/noise.pt", "draws/input.npy", Reduce::Flatten, Reduce::Flatten),
    ];
    for (i, (model, data, written, reduce)) in cases.into_iter().enumerate() {
        let folder = folders.path().join(i.to_string());
        let mut request = features(model, &path(data), folder.clone());
        request.reduce = written;
        request.run(&Silent).unwrap();
        let found = |model: PathBuf, data: Data, preprocessing: Preprocessing| {
            let mut cka = Cka { reduce, ..Cka::new(&model, model.clone()) };
            (cka.sides.data, cka.sides.preprocessing) = (data, preprocessing);
            cka.sides.models.truncate(1);
            cka.run(&Silent).unwrap()
        };
        let direct = found(path(model), samples(&path(data)), raw());
        let stored = found(folder, self::data(None), Preprocessing::default());
        assert_eq!(value(&stored.results), value(&direct.results), "{model}");
        assert_eq!(direct.results.nulls.is_empty(), i > 0, "{model}");
        assert_eq!(stored.inputs.models[0].draw_seed, direct.inputs.models[0].draw_seed);
    }
}

#[test]
fn sets_and_many_models_are_measured_as_the_models_themselves() {
    let kept = Kept::new(24, |request| {
        request.layers = vec!["fc:input".to_owned()];
        request.reduce = Reduce::Gap;
    });
    let other = pictures(31);
    let second = kept.folders.path().join("second");
    let mut more = features(MODELS[0], other.path(), second.clone());
    (more.layers, more.reduce) = (vec!["fc:input".to_owned()], Reduce::Gap);
    more.run(&Silent).unwrap();
    let load = samples(other.path()).load;
    let direct = Extraction {
        model: Some(path(MODELS[0])),
        load: load.clone(),
        preprocessing: raw(),
        ..Extraction::default()
    };
    let stored = Extraction { load, ..Extraction::default() };
    let sets = |model: bool| match model {
        true => [kept.images.path().to_owned(), other.path().to_owned()],
        false => [kept.folder(MODELS[0]), second.clone()],
    };
    let fid = |extraction: &Extraction, model: bool| {
        let [reference, candidate] = sets(model);
        let mut fid = Fid { extraction: extraction.clone(), ..Fid::new(reference, [candidate]) };
        fid.metrics.push(repsim::frechet::Metric::Kid);
        value(&fid.run(&Silent, &mut |_| Ok(())).unwrap().results)
    };
    let numbers = |results: &Value| {
        let mut row = results["candidates"][0].clone();
        row.as_object_mut().unwrap().remove("path");
        (row, results["layer"].clone())
    };
    assert_eq!(numbers(&fid(&stored, false)), numbers(&fid(&direct, true)));
    let statistics = |extraction: &Extraction, data: &PathBuf| {
        let stats = Stats { extraction: extraction.clone(), ..Stats::new(data) };
        stats.run(&Silent).unwrap().to_npz().unwrap()
    };
    assert_eq!(statistics(&stored, &sets(false)[1]), statistics(&direct, &sets(true)[1]));
    let distance = |extraction: &Extraction, model: bool| {
        let [reference, data] = sets(model);
        let distance =
            Distance { extraction: extraction.clone(), k: 3, ..Distance::new(reference, data) };
        let (report, rows) = distance.run(&Silent).unwrap();
        (value(&report.results), value(&rows))
    };
    assert_eq!(distance(&stored, false), distance(&direct, true));
    let [direct, stored, mixed] = kept.each(|models, images| {
        let mut platonic = Platonic::new(models);
        platonic.options.neighbours = 3;
        (platonic.data, platonic.preprocessing) = (data(images), steps(images));
        platonic.run(&Silent).unwrap().results
    });
    // Folders are called by their own names.
    let numbers = |found: &repsim::report::platonic::PlatonicResults| {
        let layers = found.models.iter().map(|model| {
            let mut layer = value(&model.layer);
            layer.as_object_mut().unwrap().remove("model");
            layer
        });
        (value(&found.measure.values), layers.collect::<Vec<_>>())
    };
    for found in [&stored, &mixed] {
        assert_eq!(numbers(found), numbers(&direct));
        let accuracy = |i: usize| (found.models[i].accuracy, &found.models[i].nulls);
        assert!(
            (0..2).all(|i| accuracy(i) == (direct.models[i].accuracy, &direct.models[i].nulls))
        );
    }
}

/// Stops a run after so many samples, as a signal would.
struct Stopping {
    left: RefCell<usize>,
    notes: RefCell<Vec<String>>,
    warnings: RefCell<Vec<Warning>>,
}

struct Counting(usize);

impl Progress for Counting {
    fn begin(&mut self, _: usize, _: usize, _: usize) {}

    fn advance(&mut self, samples: usize) {
        self.0 = self.0.checked_sub(samples).expect("the run is stopped here");
    }

    fn end(&mut self) {}
}

impl Observer for Stopping {
    fn note(&self, text: &str) {
        self.notes.borrow_mut().push(text.to_owned());
    }

    fn warning(&self, warning: &Warning) {
        self.warnings.borrow_mut().push(warning.clone());
    }

    fn passes(&self) -> Box<dyn Progress> {
        Box::new(Counting(*self.left.borrow()))
    }
}

fn watching(samples: usize) -> Stopping {
    let (notes, warnings) = (RefCell::default(), RefCell::default());
    Stopping { left: RefCell::new(samples), notes, warnings }
}

/// All files of a folder by name, but for the index.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let other = all.iter().filter(|path| name(path) != "features.json");
    other.map(|path| (name(path), fs::read(path).unwrap())).collect()
}

#[test]
fn a_run_goes_on_where_it_was_stopped() {
    let root = tempfile::tempdir().unwrap();
    let [whole, folder] = ["whole", "stopped"].map(|name| root.path().join(name));
    let model = path("models/fashion-seed0-scripted.pt");
    let written = |folder: &Path| {
        let data = samples(&path("images"));
        let preprocessing = Preprocessing {
            channels: Some(Channels::Rgb),
            mean: Some(vec![0.286]),
            std: Some(vec![0.353]),
            ..raw()
        };
        let request = Features { data, preprocessing, ..Features::new(&model, folder) };
        let mut request = request.limit(20);
        (request.reduce, request.layers) = (Reduce::Gap, vec!["layer?".into(), "fc:input".into()]);
        request
    };
    written(&whole).run(&Silent).unwrap();
    let request = written(&folder);
    // Two batches are written, and the third is, too, when the run is stopped.
    let stopped = catch_unwind(AssertUnwindSafe(|| request.run(&watching(15)).map(drop)));
    assert!(stopped.is_err() && !folder.join("features.json").exists());
    let says = Cka::new(&folder, &whole).run(&Silent).unwrap_err().to_string();
    assert!(says.contains("did not come to its end"), "{says}");
    // Of one file the end is lost, so that two batches are left.
    let file = folder.join("layer1.npy");
    let length = fs::metadata(&file).unwrap().len();
    fs::File::options().write(true).open(&file).unwrap().set_len(length - 3).unwrap();
    let other = Features { reduce: Reduce::Flatten, ..request.clone() };
    let says = other.run(&Silent).unwrap_err().to_string();
    assert!(says.contains("reduce is gap, and here it is flatten"), "{says}");
    let again = watching(usize::MAX);
    let report = request.run(&again).unwrap();
    let notes = again.notes.borrow().join("\n");
    assert!(notes.contains("goes on behind 12 of 20 samples"), "{notes}");
    assert_eq!(files(&folder), files(&whole));
    let index = |folder: &Path| -> Value {
        serde_json::from_str(&fs::read_to_string(folder.join("features.json")).unwrap()).unwrap()
    };
    assert_eq!(index(&folder)["results"], index(&whole)["results"]);
    assert_eq!(index(&folder)["inputs"], index(&whole)["inputs"]);
    let right = &report.inputs.models[0].accuracy[0];
    assert!(right.count == 20 && right.correct > 10, "{right:?}");
    // What is whole is not run again.
    let third = watching(0);
    assert_eq!(value(&request.run(&third).unwrap().results), value(&report.results));
    assert!(third.notes.borrow().iter().any(|note| note.contains("is whole")));
    let kept = Kept::new(4, |_| ());
    fs::copy(kept.images.path().join("odd/001.png"), kept.images.path().join("even/000.png"))
        .unwrap();
    let request = features(MODELS[0], kept.images.path(), kept.folder(MODELS[0]));
    let says = request.run(&Silent).unwrap_err().to_string();
    assert!(says.contains("other bytes now"), "{says}");
}

#[test]
fn numbers_of_fewer_bits_and_projections_stay_near_and_say_so() {
    let images = pictures(16);
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, change: &dyn Fn(&mut Features)| {
        let place = folder.path().join(name);
        let mut request = features(MODELS[0], images.path(), place.clone());
        change(&mut request);
        (request.run(&Silent).unwrap(), place)
    };
    let (whole, exact) = run("exact", &|_| ());
    let cka = |a: &Path| Cka::new(a, a).run(&Silent).unwrap();
    let expected = cka(&exact).results.cka;
    let near = |found: &[Vec<repsim::report::Number>], most: f64| {
        let pairs = found.iter().flatten().zip(expected.iter().flatten());
        let apart = pairs.map(|(a, b)| (a.get().unwrap() - b.get().unwrap()).abs());
        assert!(apart.fold(0.0, f64::max) < most);
    };
    for (name, format, most) in [("f16", FloatFormat::F16, 1e-3), ("bf16", FloatFormat::Bf16, 1e-2)]
    {
        let (report, place) = run(name, &|request| request.dtype = Some(format));
        near(&cka(&place).results.cka, most);
        let layer = &report.results.layers[0];
        assert!(layer.file.ends_with(format.ending()) && layer.dtype == format);
        let mut arrays = Cka::of(repsim::analysis::Sides {
            features: vec![place.join(&layer.file)],
            ..Default::default()
        });
        arrays.reduce = Reduce::Flatten;
        assert_eq!(arrays.run(&Silent).unwrap().results.n, 16);
    }
    let (report, place) = run("projected", &|request| request.project = Some(256));
    let found = report.results.layers.iter().zip(&whole.results.layers);
    for (layer, before) in found {
        let width: usize = before.shape[1..].iter().product();
        assert_eq!(layer.projected.is_some(), width > 256);
        let made = layer.projected.as_ref().map(|made| (made.from, made.to));
        assert_eq!(made, (width > 256).then_some((width, 256)));
    }
    let projected = cka(&place);
    near(&projected.results.cka, 0.2);
    let warned = projected.warnings.iter().find(|w| w.code == "projected-features").unwrap();
    assert!(warned.text.contains("at most 8.8 %"), "{}", warned.text);
    let mut units = Compare::new(&place, &place);
    units.measures = vec![Measure::SoftMatching];
    let says = units.run(&Silent).unwrap_err().to_string();
    assert!(says.contains("random projections"), "{says}");
}

/// The error of a comparison of two folders.
fn says(a: &Path, b: &Path, change: impl Fn(&mut Cka)) -> String {
    let mut cka = Cka::new(a, b);
    change(&mut cka);
    cka.run(&Silent).unwrap_err().to_string()
}

#[test]
fn folders_that_do_not_go_together_or_are_damaged_are_refused() {
    let kept = Kept::new(8, |request| request.reduce = Reduce::Gap);
    let [a, b] = MODELS.map(|model| kept.folder(model));
    let same = |_: &mut Cka| ();
    let said = says(&a, &b, same);
    assert!(
        said.contains("was written with --reduce gap, and --reduce flatten is asked for"),
        "{said}"
    );
    let gap = |cka: &mut Cka| cka.reduce = Reduce::Gap;
    assert!(Cka { reduce: Reduce::Gap, ..Cka::new(&a, &b) }.run(&Silent).is_ok());
    let said = says(&a, &b, |cka| {
        gap(cka);
        cka.sides.layers = vec!["layer9".to_owned()];
    });
    assert!(said.contains("'layer9' matches no layer"), "{said}");
    let nothing = kept.folders.path().join("mistyped");
    let said = says(&nothing, &b, gap);
    assert!(said.contains("mistyped: there is no such file or folder"), "{said}");
    // Before anything runs: the layer that is not there would be told then.
    let said = says(&path(MODELS[0]), &path(MODELS[1]), |cka| {
        cka.sides.layers = vec!["layer9".to_owned()];
        cka.controls = vec![nothing.clone()];
    });
    assert!(said.contains("mistyped: there is no such file"), "{said}");
    let said = says(&a, &b, |cka| {
        gap(cka);
        cka.sides.running.optimize = false;
    });
    assert!(said.contains("--no-optimize is given"), "{said}");
    let said = says(&a, &b, |cka| {
        gap(cka);
        cka.sides.data.load.limit = Some(4);
    });
    assert!(said.contains("options for images were given"), "{said}");
    let fewer = kept.folders.path().join("fewer");
    let mut request = features(MODELS[1], kept.images.path(), fewer.clone()).limit(6);
    request.reduce = Reduce::Gap;
    request.run(&Silent).unwrap();
    let said = says(&a, &fewer, gap);
    assert!(
        said.contains("hold other samples: number 4 is even/006.png and odd/001.png"),
        "{said}"
    );
    let said = says(&path(MODELS[0]), &fewer, |cka| {
        gap(cka);
        (cka.sides.data, cka.sides.preprocessing) = (samples(kept.images.path()), raw());
    });
    assert!(said.contains("even/006.png and odd/001.png"), "{said}");
    let index = fs::read_to_string(b.join("features.json")).unwrap();
    let swapped = index.replace("even/000.png", "x").replace("even/002.png", "even/000.png");
    fs::write(b.join("features.json"), swapped.replace("\"x\"", "\"even/002.png\"")).unwrap();
    let said = says(&a, &b, gap);
    assert!(said.contains("in another order: number 1 is even/000.png and even/002.png"), "{said}");
    fs::write(b.join("features.json"), &index).unwrap();
    let file = b.join("conv1.npy");
    let bytes = fs::read(&file).unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    for broken in [&changed[..], &bytes[..bytes.len() - 9]] {
        fs::write(&file, broken).unwrap();
        let said = says(&a, &b, gap);
        assert!(said.contains("conv1.npy") && said.contains("features.json"), "{said}");
    }
    fs::remove_file(&file).unwrap();
    let said = says(&a, &b, gap);
    assert!(said.contains("conv1.npy"), "{said}");
    let said = says(&a, kept.images.path(), gap);
    assert!(said.contains("a folder without features.json"), "{said}");
    let said = features(MODELS[0], kept.images.path(), kept.images.path().to_owned())
        .run(&Silent)
        .unwrap_err()
        .to_string();
    assert!(said.contains("holds other things (even)"), "{said}");
}

#[test]
fn the_program_writes_a_folder_and_takes_it() {
    let kept = tempfile::tempdir().unwrap();
    let folder = kept.path().join("kept").display().to_string();
    let line = format!(
        "features {{tiny_resnet_scripted.pt}} --data {{tiny_resnet.npy}} -o {folder} --dtype f16"
    );
    let run = done(&line);
    assert!(run.stdout.is_empty() && run.stderr.contains("layers for"), "{}", run.stderr);
    assert!(done(&line).stderr.contains("nothing is left to do"));
    let found = crate::support::report(&format!("cka {folder} --format json"));
    assert_eq!(found["inputs"]["models"][0]["features"]["dtypes"][0], "f16");
    // A row of features is one whatever the reduction, projected or not.
    let (few, sums) = (format!("{folder}-few"), format!("{folder}.npz"));
    let projected = line.replace("-o", "--project 4 -o").replace(&folder, &few);
    done(&projected);
    assert!(done(&format!("stats {few} -o {sums}")).stderr.contains("random projections to 4"));
    let page = kept.path().join("page.html").display().to_string();
    done(&format!("report {folder}/features.json -o {page}"));
    let run =
        repsim(crate::support::words(&format!("saliency {folder} --data {{tiny_resnet.npy}}")));
    refused(&run, &["this needs the network itself"]);
    let other = format!("{line} --project 9");
    refused(&repsim(crate::support::words(&other)), &["project is not given, and here it is 9"]);
}
