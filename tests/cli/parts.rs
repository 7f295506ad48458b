//! Folders of features that shards wrote in parts, and what they make together: the folder of one run.

use std::fs;
use std::path::{Path, PathBuf};

use repsim::analysis::{
    Cka, Data, Distance, Extraction, Features, Fid, Job, Loading, Preprocessing, Shard, Silent,
    State, Stats,
};
use repsim::capture::Reduce;
use repsim::capture::cka::Estimator;
use repsim::data::{FloatFormat, Preset};
use repsim::frechet::Metric;
use tempfile::TempDir;

use crate::shards::{states, timeless};
use crate::support::{Run, done, files_in, path, pictures, repsim, started, words};

fn request(images: &Path, folder: PathBuf) -> Features {
    Features {
        data: Data { load: Loading { batch_size: 5, ..Loading::default() }, ..Data::at(images) },
        preprocessing: Preprocessing { preset: Some(Preset::Raw), ..Preprocessing::default() },
        ..Features::new(path("tiny_resnet_scripted.pt"), folder)
    }
}

/// All that a folder holds, by name; of the index what is before the times.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let bytes = fs::read(folder.join(&name)).unwrap();
        let timing = bytes.windows(8).position(|part| part == b"\"timing\"");
        let end = timing.filter(|_| name == "features.json").unwrap_or(bytes.len());
        (name, bytes[..end].to_vec())
    };
    files_in(folder).into_iter().map(read).collect()
}

#[track_caller]
fn assert_same(folder: &Path, whole: &Path) {
    let (found, expected) = (contents(folder), contents(whole));
    let names = |all: &[(String, Vec<u8>)]| all.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for ((name, bytes), (_, others)) in found.iter().zip(&expected) {
        assert!(bytes == others, "{name} is not that of one run");
    }
}

/// Writes the state of a shard, and reads it again.
fn part(request: &Features, index: usize, count: usize) -> State {
    let file = request.folder.join(State::PART);
    let save = Box::new(|state: &State| {
        fs::write(&file, state.to_bytes().unwrap()).unwrap();
        Ok(())
    });
    request.shard(Job { save, ..Job::new(Shard { index, count }) }, &Silent).unwrap();
    State::read(&request.folder).unwrap()
}

/// A name, what is asked for, and numbers of shards.
type Case<'a> = (&'a str, &'a dyn Fn(&mut Features), &'a [usize]);

/// The last batch is shorter, two samples are copies, and of seven shards two have no batch.
#[test]
fn parts_make_the_folder_of_one_run() {
    let (images, root) = (pictures(23), tempfile::tempdir().unwrap());
    fs::copy(images.path().join("even/000.png"), images.path().join("odd/021.png")).unwrap();
    let whole = |_: &mut Features| {};
    let means = |request: &mut Features| request.reduce = Reduce::Gap;
    let projected = |request: &mut Features| {
        (request.project, request.dtype) = (Some(64), Some(FloatFormat::Bf16));
        request.layers = vec!["conv1".to_owned(), "layer?".to_owned()];
    };
    let cases: [Case<'_>; 3] =
        [("whole", &whole, &[7]), ("means", &means, &[1, 3]), ("projected", &projected, &[2])];
    for (name, change, counts) in cases {
        let made = |folder: String| {
            let mut request = request(images.path(), root.path().join(folder));
            change(&mut request);
            request
        };
        let expected = made(name.to_owned());
        expected.run(&Silent).unwrap();
        for &count in counts {
            let shard = |index| part(&made(format!("{name}-{index}-of-{count}")), index, count);
            let states = (0..count).rev().map(shard).collect();
            let merged = made(format!("{name}-{count}"));
            merged.merged(states, &Silent).unwrap();
            assert_same(&merged.folder, &expected.folder);
        }
    }
}

/// Shards of a command line in a folder of their own.
struct Parts {
    root: TempDir,
    images: TempDir,
}

impl Parts {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), images: pictures(23) }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn line(&self, name: &str, options: &str) -> Vec<String> {
        words(&format!(
            "features {{tiny_resnet_scripted.pt}} --data {} --preprocess raw --layers layer1 --layers fc \
             --batch-size 5 -o {} {options}",
            self.images.path().display(),
            self.at(name).display()
        ))
    }

    fn merge(&self, names: &[&str], to: &str) -> Run {
        let files = names.iter().map(|name| self.at(name).display().to_string());
        let to = ["-o".to_owned(), self.at(to).display().to_string()];
        repsim(["merge".to_owned()].into_iter().chain(files).chain(to))
    }
}

#[track_caller]
fn assert_told(run: &Run, parts: &[&str]) {
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
    let errors: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("error")).collect();
    assert_eq!(errors.len(), 1, "{}", run.stderr);
    for part in parts {
        assert!(errors[0].contains(part), "{part} in {}", run.stderr);
    }
}

#[test]
fn a_command_line_is_divided_and_what_does_not_belong_together_is_told() {
    let parts = Parts::new();
    let run = |name: &str, options: &str| repsim(parts.line(name, options));
    for (name, options) in [("{shard}.state", "--shard 1/2 --resume"), ("0.state", "--shard 0/2")] {
        let run = run(name, options);
        assert!(run.code == 0 && run.stderr.contains("(shard "), "{}", run.stderr);
    }
    let again = run("1.state", "--shard 1/2");
    assert!(again.code == 0 && again.stderr.contains("1/2 is done already"), "{}", again.stderr);
    assert_told(&run("1.state", "--shard 1/3"), &["1.state", "of shard 1/2, and this is 1/3"]);
    assert_told(&run("1.state", "--shard 0/2"), &["1.state", "of shard 1/2, and this is 0/2"]);
    assert_told(&run("1.state", "--reduce gap --shard 1/2"), &["reduce: \"flatten\" here"]);
    assert_told(&run("1.state", ""), &["1.state", "holds other things"]);
    let cka = repsim(["cka".to_owned(), parts.at("0.state").display().to_string()]);
    assert_told(&cka, &["what one shard", "repsim merge"]);

    assert_eq!(run("other", "--shard 1/2 --reduce gap").code, 0);
    assert_told(&parts.merge(&["0.state"], "m"), &["of 2 shards", "missing: 1"]);
    assert_told(&parts.merge(&["0.state", "other"], "m"), &["other", "reduce: \"gap\" here"]);
    assert_told(&parts.merge(&["0.state", "1.state", "1.state"], "m"), &["same shard, 1/2"]);
    assert_told(&parts.merge(&["0.state", "1.state"], "0.state"), &["holds other things"]);
    let nothing = parts.root.path().join("nothing");
    fs::create_dir(&nothing).unwrap();
    assert_told(&parts.merge(&["nothing", "1.state"], "m"), &["nothing", "none of a shard"]);
    for (file, problem) in
        [("fc.npy", "not those that its shard wrote"), ("shard.state", "checksum")]
    {
        let file = parts.at("1.state").join(file);
        let bytes = fs::read(&file).unwrap();
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(&file, changed).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        assert_told(&parts.merge(&["0.state", "1.state"], "m"), &[name, problem]);
        assert!(!parts.at("m").exists());
        fs::write(&file, bytes).unwrap();
    }

    let merged = parts.merge(&["1.state/shard.state", "0.state"], "merged");
    assert_eq!(merged.code, 0, "{}", merged.stderr);
    assert!(
        parts.merge(&["1.state", "0.state"], "merged").stderr.contains("nothing is left to do")
    );
    assert_eq!(run("whole", "").code, 0);
    assert_same(&parts.at("merged"), &parts.at("whole"));
    assert!(run("merged", "").stderr.contains("nothing is left to do"));
    assert_told(&run("merged", "--shard 0/2"), &["features of a whole run"]);
    assert_told(&parts.merge(&["whole", "1.state"], "m"), &["whole", "none of a shard"]);
    assert!(Cka::new(parts.at("merged"), parts.at("whole")).run(&Silent).is_ok());
}

/// What several processes wrote on the way is in the folder itself, and gone when it is whole.
#[test]
fn several_devices_write_one_folder() {
    let parts = Parts::new();
    let run = |name: &str, options: &str| {
        started(parts.line(name, options).into_iter().map(Into::into).collect())
    };
    assert_told(&run("two", "--device cpu,gpu"), &["the process on gpu failed"]);
    let begun = parts.at("begun");
    fs::create_dir(&begun).unwrap();
    fs::write(begun.join("unfinished.jsonl"), "").unwrap();
    assert_told(&run("begun", "--device cpu,cpu"), &["begun", "a run on one device"]);
    assert_eq!(files_in(&begun), ["unfinished.jsonl"]);
    let left = parts.at("one").join(".repsim-shards");
    fs::create_dir_all(left.join("0-of-2.state")).unwrap();
    let two = run("two", "--device cpu,cpu");
    assert_eq!(two.code, 0, "{}", two.stderr);
    done(&parts.line("one", "").join(" "));
    assert_same(&parts.at("two"), &parts.at("one"));
    assert!(!left.exists());
}

/// Nothing more fits into a file than the system allows: what was written stays, and is gone on with.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_what_can_be_gone_on_with() {
    let parts = Parts::new();
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$@\"";
    let mut run = std::process::Command::new("bash");
    run.args(["-c", script, "-", env!("CARGO_BIN_EXE_repsim")]);
    let run = run.args(parts.line("part", "--shard 0/1")).output().unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "{said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error")).collect();
    assert!(errors.len() == 1 && errors[0].contains("layer1.npy"), "{said}");
    let left = files_in(&parts.at("part"));
    assert!(left.contains(&"unfinished.jsonl".to_owned()), "{left:?}");
    assert!(!left.contains(&State::PART.to_owned()), "{left:?}");
    assert_told(&parts.merge(&["part"], "m"), &["stopped before its end"]);
    let again = repsim(parts.line("part", "--shard 0/1"));
    assert!(again.code == 0 && again.stderr.contains("goes on behind"), "{}", again.stderr);
    assert_eq!(parts.merge(&["part"], "merged").code, 0);
    assert_eq!(repsim(parts.line("whole", "")).code, 0);
    assert_same(&parts.at("merged"), &parts.at("whole"));
}

/// Two networks over the same pictures, and the first over others.
struct Folders {
    root: TempDir,
}

impl Folders {
    fn new() -> Self {
        let (root, images, others) = (tempfile::tempdir().unwrap(), pictures(41), pictures(9));
        let scripted = path("tiny_resnet_scripted.pt");
        for (name, model, images) in [
            ("a", scripted.clone(), &images),
            ("b", path("tiny_resnet_traced.pt"), &images),
            ("few", scripted, &others),
        ] {
            let mut request = Features { model, ..request(images.path(), root.path().join(name)) };
            request.layers = vec!["layer?".to_owned(), "fc:input".to_owned()];
            request.run(&Silent).unwrap();
        }
        Self { root }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

/// Rows are shared out by their places; no image is read, and no network runs.
#[test]
fn folders_of_features_are_divided_too() {
    let folders = Folders::new();
    let [a, b, few] = ["a", "b", "few"].map(|name| folders.at(name));
    let mut cka = Cka::new(&a, &b);
    cka.estimator = Estimator::Minibatch;
    cka.sides.data.load.batch_size = 5;
    let whole = timeless(&cka.run(&Silent).unwrap());
    let mut extraction = Extraction::default();
    extraction.load.batch_size = 4;
    let mut fid = Fid::new(&a, [&few, &a]);
    (fid.metrics, fid.extraction) = (vec![Metric::Fid], extraction.clone());
    let scores = timeless(&fid.run(&Silent, &mut |_| Ok(())).unwrap());
    for count in [2, 7] {
        let found = states(count, |job| cka.shard(job, &Silent));
        assert_eq!(timeless(&cka.merged(found, &Silent).unwrap()), whole, "{count} shards");
        let found = states(count, |job| fid.shard(job, &Silent));
        let merged = fid.merged(found, &Silent, &mut |_| Ok(())).unwrap();
        assert_eq!(timeless(&merged), scores, "{count} shards");
    }
    let stats = Stats { extraction: extraction.clone(), ..Stats::new(&a) };
    let found = states(3, |job| stats.shard(job, &Silent));
    assert_eq!(stats.merged(found, &Silent).unwrap(), stats.run(&Silent).unwrap());
    let distance = Distance { extraction, k: 3, ..Distance::new(&a, &few) };
    let found = states(3, |job| distance.shard(job, &Silent));
    let ((merged, rows), (report, own)) =
        (distance.merged(found, &Silent).unwrap(), distance.run(&Silent).unwrap());
    assert_eq!((timeless(&merged), rows), (timeless(&report), own));

    let mut mixed = cka.clone();
    mixed.sides.models[1] = path("tiny_resnet_traced.pt");
    let one = Job::new(Shard { index: 0, count: 1 });
    let said = mixed.shard(one, &Silent).unwrap_err().to_string();
    assert!(said.contains("a model runs beside a folder"), "{said}");
    let mut found = states(2, |job| cka.shard(job, &Silent));
    mixed.sides.models[1] = folders.at("gone");
    let one = Job::new(Shard { index: 0, count: 1 });
    let said = [mixed.shard(one, &Silent).err(), mixed.merged(found.clone(), &Silent).err()];
    for said in said.map(|error| error.unwrap().to_string()) {
        assert!(said.contains("gone: there is no such file or folder"), "{said}");
    }
    let index = fs::read_to_string(b.join("features.json")).unwrap();
    fs::write(b.join("features.json"), format!("{index}\n")).unwrap();
    let said = cka.merged(std::mem::take(&mut found), &Silent).unwrap_err().to_string();
    assert!(said.contains("index of "), "{said}");
}

/// What is a default for models is no mistake where there are none; what is given is.
#[test]
fn options_for_models_beside_folders_alone() {
    let folders = Folders::new();
    let [a, b] = ["a", "b"].map(|name| folders.at(name).display().to_string());
    let config = folders.at("repsim.toml");
    fs::write(
        &config,
        "[defaults]\ndevice = \"cuda:all\"\nprecision = \"bf16\"\nno-optimize = true\n",
    )
    .unwrap();
    let with = format!("--config {}", config.display());
    let found = crate::support::report(&format!("cka {a} {b} --layers layer1 {with}"));
    assert!(found["settings"].get("precision").is_none());
    done(&format!("stats {a} -o {} {with}", folders.at("s.npz").display()));
    let told = |line: &str, parts: &[&str]| assert_told(&repsim(words(line)), parts);
    told(&format!("cka {a} {b} --device cpu"), &["--device is given", "no model runs"]);
    told(
        &format!("cka {a}/features.json {b}"),
        &["it is the index of a folder", "give the folder"],
    );
    told(&format!("fid {a}/features.json {b}"), &["it is the index of a folder"]);
    told(&format!("layers {a}/features.json"), &["it is the index of a folder"]);
    let check = repsim(words(&format!("check {a}/features.json --baseline {b}/features.json")));
    let said = format!("{}{}", check.stdout, check.stderr);
    assert!(check.code != 0 && said.contains("the model is"), "{said}");
}
