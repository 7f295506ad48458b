//! Shards put together give what one run gives, to the last bit, whatever their number; and what is said of shards
//! that do not belong together.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ndarray::Array4;
use repsim::analysis::{
    Body, ChannelAxis, Cka, Data, Distance, Fid, Job, Preprocessing, Shard, Silent, State, Stats,
};
use repsim::capture::HsicBlock;
use repsim::capture::cka::Estimator;
use repsim::data::Preset;
use repsim::error::Result;
use repsim::frechet::Metric;
use repsim::linalg::Centring;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Run, done, path, pictures, repsim, words};

/// Numbers of shards: the last are more than there are blocks, so that some are empty.
const COUNTS: [usize; 4] = [1, 2, 3, 7];

/// The states of all shards, the last first.
pub fn states(count: usize, mut run: impl FnMut(Job<'_>) -> Result<State>) -> Vec<State> {
    let shards = (0..count).rev().map(|index| Shard { index, count });
    shards.map(|shard| through_a_file(&run(Job::new(shard)).unwrap())).collect()
}

fn through_a_file(state: &State) -> State {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), state.to_bytes().unwrap()).unwrap();
    State::read(file.path()).unwrap()
}

/// A report without its times.
pub fn timeless(report: &impl serde::Serialize) -> Value {
    let mut value = serde_json::to_value(report).unwrap();
    value.as_object_mut().unwrap().remove("timing");
    value
}

fn raw() -> Preprocessing {
    Preprocessing { preset: Some(Preset::Raw), ..Preprocessing::default() }
}

fn cka(data: &Path, batch: usize) -> Cka {
    let mut cka = Cka::new(path("tiny_resnet_scripted.pt"), path("tiny_resnet_traced.pt"));
    cka.estimator = Estimator::Minibatch;
    cka.sides.data = Data::at(data);
    cka.sides.data.load.batch_size = batch;
    cka.sides.preprocessing = raw();
    cka
}

/// The last batch is too small for the estimator.
#[test]
fn minibatch_cka_is_the_same_to_the_bit() {
    let folder = pictures(23);
    let cka = cka(folder.path(), 5);
    let whole = timeless(&cka.run(&Silent).unwrap());
    for count in COUNTS {
        let states = states(count, |job| cka.shard(job, &Silent));
        assert_eq!(timeless(&cka.merged(states, &Silent).unwrap()), whole, "{count} shards");
    }
    assert!(whole["warnings"].to_string().contains("dropped-samples"));
    assert_eq!(whole["results"]["n"], 20);
}

/// The samples are mixed, and several batches of the model are one of HSIC.
#[test]
fn gathered_batches_in_random_order_are_shared_too() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("images.npy");
    let pixel = |(n, y, x, c): (usize, usize, usize, usize)| {
        ((n * n * 31 + y * 57 + x * 91 * (n % 5 + 1) + c * 13 + n * x * y) % 251) as u8
    };
    ndarray_npy::write_npy(&data, &Array4::from_shape_fn((700, 16, 16, 3), pixel)).unwrap();
    let mut cka = cka(&data, 32);
    cka.estimator = Estimator::Auto;
    cka.memory = 4 << 20;
    cka.sides.models.truncate(1);
    let whole = cka.run(&Silent).unwrap();
    let batch = whole.settings.hsic_batch.unwrap();
    assert!(whole.settings.estimator == Estimator::Minibatch && batch > 32, "{batch}");
    let states = states(3, |job| cka.shard(job, &Silent));
    assert_eq!(timeless(&cka.merged(states, &Silent).unwrap()), timeless(&whole));
}

#[test]
fn what_has_no_batches_is_not_divided() {
    let folder = pictures(6);
    let mut cka = cka(folder.path(), 5);
    let one = || Job::new(Shard { index: 0, count: 1 });
    let said = |cka: &Cka| cka.shard(one(), &Silent).unwrap_err().to_string();
    cka.estimator = Estimator::Full;
    assert!(said(&cka).contains("--estimator minibatch"));
    cka.estimator = Estimator::Minibatch;
    cka.sides.running.keep_state = true;
    assert!(said(&cka).contains("keeps its state"));
    cka.sides.running.keep_state = false;
    cka.controls.push(path("tiny_resnet_traced.pt"));
    assert!(said(&cka).contains("no controls"));
    cka.controls.clear();
    fs::write(folder.path().join("odd/broken.png"), "no picture").unwrap();
    cka.sides.data.load.skip_unreadable = true;
    cka.sides.data.load.batch_size = 8;
    assert!(said(&cka).contains("broken.png") || said(&cka).contains("cannot be read"));
}

/// Names and sizes are as before; what a state has seen is told from what is there by a few samples, and by the labels.
#[test]
fn other_data_under_the_same_names_are_told() {
    let folder = pictures(23);
    let cka = cka(folder.path(), 5);
    let mut found = states(2, |job| cka.shard(job, &Silent));
    let last = folder.path().join("odd/021.png");
    fs::write(&last, fs::read(folder.path().join("even/004.png")).unwrap()).unwrap();
    let said = cka.merged(found.clone(), &Silent).unwrap_err().to_string();
    assert!(said.contains("odd/021.png") && said.contains("another one"), "{said}");
    let state = found.remove(0);
    let job = Job { before: Some(state.clone()), ..Job::new(state.head.shard) };
    let said = cka.shard(job, &Silent).unwrap_err().to_string();
    assert!(said.contains("odd/021.png"), "{said}");

    let sets = Sets::new();
    let mut fid = Fid::new(sets.few.path(), [sets.many.path()]);
    fid.extraction = sets.extraction();
    let found = states(3, |job| fid.shard(job, &Silent));
    fs::copy(sets.many.path().join("even/000.png"), sets.many.path().join("even/040.png")).unwrap();
    let said = fid.merged(found, &Silent, &mut |_| Ok(())).unwrap_err().to_string();
    assert!(said.contains("even/040.png") || said.contains("odd/039.png"), "{said}");
}

#[test]
fn other_axes_of_channels_are_told() {
    let data = pictures(12);
    let plain = cka(data.path(), 4);
    let mut turned = plain.clone();
    turned.sides.running.channel_axes = vec![ChannelAxis::new("conv1", 2).unwrap()];
    let mut both = [&turned, &plain].into_iter();
    let mixed = states(2, |job| both.next().unwrap().shard(job, &Silent));
    let said = plain.merged(mixed, &Silent).unwrap_err().to_string();
    assert!(said.contains("axis of the channels of conv1 of "), "{said}");
}

#[test]
fn other_labels_under_the_same_names_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("images.npz");
    let write = |first: i64| {
        let pixel = |(n, y, x, c): (usize, usize, usize, usize)| {
            ((n * n * 31 + y * 57 + x * 91 * (n % 5 + 1) + c * 13 + n * x * y) % 251) as u8
        };
        let mut file = ndarray_npy::NpzWriter::new(fs::File::create(&data).unwrap());
        file.add_array("images", &Array4::from_shape_fn((12, 16, 16, 3), pixel)).unwrap();
        let labels =
            ndarray::Array1::from_shape_fn(12, |n| if n == 0 { first } else { n as i64 % 2 });
        file.add_array("labels", &labels).unwrap();
        file.finish().unwrap();
    };
    write(0);
    let cka = cka(&data, 5);
    let states = states(2, |job| cka.shard(job, &Silent));
    write(1);
    let said = cka.merged(states, &Silent).unwrap_err().to_string();
    assert!(said.contains("labels of "), "{said}");
}

/// A checksum tells what was damaged, not what was written so.
#[test]
fn states_whose_parts_do_not_fit_together_are_told() {
    let folder = pictures(23);
    let cka = cka(folder.path(), 5);
    let found = states(2, |job| cka.shard(job, &Silent));
    let piece = |place: usize| match &found[place].body {
        Body::Hsic(Some(piece)) => piece.clone(),
        _ => panic!("no sums"),
    };
    let (late, early) = (piece(0), piece(1));
    let mut changed = vec![];
    let mut few = early.clone();
    few.sums = few.sums.map(|_| HsicBlock::new(Centring::Unbiased, &[1, 1]));
    changed.push(few);
    let mut elsewhere = early.clone();
    elsewhere.sums = late.sums;
    changed.push(elsewhere);
    let mut unread = early;
    unread.reading = Default::default();
    changed.push(unread);
    for piece in changed {
        let mut states = found.clone();
        states[1].body = Body::Hsic(Some(piece));
        let states = states.iter().map(through_a_file).collect();
        let said = cka.merged(states, &Silent).unwrap_err().to_string();
        assert!(said.contains("does not fit together"), "{said}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut state = found[0].clone();
    for (index, count) in [(1, 1 << 34), (2, 2), (0, 0)] {
        state.head.shard = Shard { index, count };
        fs::write(file.path(), state.to_bytes().unwrap()).unwrap();
        let said = State::read(file.path()).unwrap_err().to_string();
        assert!(said.contains("there is no shard"), "{said}");
    }
}

/// A network over two folders of pictures, one of which has more of them than it has features.
struct Sets {
    few: TempDir,
    many: TempDir,
}

impl Sets {
    fn new() -> Self {
        Self { few: pictures(9), many: pictures(41) }
    }

    fn extraction(&self) -> repsim::analysis::Extraction {
        let model = Some(path("tiny_resnet_scripted.pt"));
        let preprocessing = raw();
        let mut extraction =
            repsim::analysis::Extraction { model, preprocessing, ..Default::default() };
        extraction.load.batch_size = 4;
        extraction
    }
}

#[test]
fn frechet_distances_are_the_same_to_the_bit() {
    let sets = Sets::new();
    let folders = [sets.few.path(), sets.many.path()];
    for (metrics, counts) in [(vec![Metric::Fid], &COUNTS[..]), (vec![Metric::Kid], &[3])] {
        let mut fid = Fid::new(sets.many.path(), folders);
        (fid.metrics, fid.extraction) = (metrics, sets.extraction());
        let whole = timeless(&fid.run(&Silent, &mut |_| Ok(())).unwrap());
        for &count in counts {
            let states = states(count, |job| fid.shard(job, &Silent));
            let merged = fid.merged(states, &Silent, &mut |_| Ok(())).unwrap();
            assert_eq!(timeless(&merged), whole, "{count} shards");
        }
    }
}

#[test]
fn statistics_are_the_same_to_the_bit() {
    let sets = Sets::new();
    let stats = Stats { extraction: sets.extraction(), ..Stats::new(sets.many.path()) };
    let whole = stats.run(&Silent).unwrap();
    for count in COUNTS {
        let states = states(count, |job| stats.shard(job, &Silent));
        assert_eq!(stats.merged(states, &Silent).unwrap(), whole, "{count} shards");
    }
}

#[test]
fn distances_of_samples_are_the_same_to_the_bit() {
    let sets = Sets::new();
    let mut distance = Distance::new(sets.many.path(), sets.few.path());
    distance.extraction = sets.extraction();
    let (report, rows) = distance.run(&Silent).unwrap();
    let states = states(3, |job| distance.shard(job, &Silent));
    let (merged, merged_rows) = distance.merged(states, &Silent).unwrap();
    assert_eq!(timeless(&merged), timeless(&report));
    assert_eq!(merged_rows, rows);
}

/// A shard that was stopped anywhere goes on from what was kept last.
#[test]
fn a_shard_goes_on_where_it_was_stopped() {
    let sets = Sets::new();
    let mut fid = Fid::new(sets.few.path(), [sets.many.path()]);
    fid.extraction = sets.extraction();
    let kept = RefCell::new(vec![]);
    let shard = Shard { index: 1, count: 2 };
    let job = |before: Option<State>| {
        let save = |state: &State| {
            kept.borrow_mut().push(through_a_file(state));
            Ok(())
        };
        Job { shard, before, every: Duration::ZERO, save: Box::new(save) }
    };
    let whole = fid.shard(job(None), &Silent).unwrap();
    let stopped = kept.take();
    assert!(stopped.len() >= 4 && stopped.iter().all(|state| !state.head.done));
    let first = fid.shard(Job::new(Shard { index: 0, count: 2 }), &Silent).unwrap();
    let report = timeless(&fid.run(&Silent, &mut |_| Ok(())).unwrap());
    for state in [stopped.first(), stopped.last()].into_iter().flatten().cloned() {
        let said = fid.merged(vec![state.clone()], &Silent, &mut |_| Ok(())).unwrap_err();
        assert!(said.to_string().contains("--resume"), "{said}");
        let resumed = fid.shard(job(Some(state)), &Silent).unwrap();
        let merged = fid.merged(vec![resumed, first.clone()], &Silent, &mut |_| Ok(())).unwrap();
        assert_eq!(timeless(&merged), report);
    }
    let known = kept.take().len();
    fid.shard(job(Some(whole)), &Silent).unwrap();
    assert!(known > 0 && kept.take().is_empty(), "a shard that is done is not run again");
}

/// Shards of a command line in a folder of their own.
struct Shards {
    folder: TempDir,
    pictures: TempDir,
}

impl Shards {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), pictures: pictures(23) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn line(&self, options: &str) -> String {
        let data = self.pictures.path().display();
        format!(
            "cka {{tiny_resnet_scripted.pt}} {{tiny_resnet_traced.pt}} --data {data} --preprocess raw \
             --layers layer1 --layers fc --estimator minibatch --batch-size 5 {options}"
        )
    }

    fn shard(&self, shard: &str, options: &str, name: &str) -> Run {
        let line =
            self.line(&format!("--shard {shard} {options} -o {}", self.file(name).display()));
        repsim(words(&line))
    }

    fn merge(&self, names: &[&str]) -> Run {
        let files = names.iter().map(|name| self.file(name).display().to_string());
        repsim(["merge".to_owned()].into_iter().chain(files))
    }

    /// Merges states that cannot be, and gives the one line that says why.
    #[track_caller]
    fn refused(&self, names: &[&str], parts: &[&str]) {
        let run = self.merge(names);
        assert_told(&run, parts);
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
fn a_command_line_is_divided_and_merged() {
    let shards = Shards::new();
    for (shard, name) in [("1/3", "b"), ("0/3", "a-{shard}-of-{shards}"), ("2/3", "c")] {
        let run = shards.shard(shard, "", name);
        assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);
        assert!(run.stderr.contains(&format!("shard {shard}: ")), "{}", run.stderr);
    }
    let again = shards.shard("1/3", "", "b");
    assert!(again.code == 0 && again.stderr.contains("done already"), "{}", again.stderr);
    let (report, plot) = (shards.file("report.json"), shards.file("cka.png"));
    let states = ["c", "a-0-of-3", "b"].map(|name| shards.file(name).display().to_string());
    let line = format!("merge {} -o {} -p {}", states.join(" "), report.display(), plot.display());
    done(&line);
    let merged: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    let whole: Value = serde_json::from_str(&done(&shards.line("")).stdout).unwrap();
    for part in ["results", "inputs", "settings", "warnings"] {
        assert_eq!(merged[part], whole[part], "{part}");
    }
    assert!(fs::read(plot).unwrap().starts_with(b"\x89PNG"));
    let table = repsim(words(&format!("merge {} -f csv", states.join(" "))));
    assert_eq!(table.stdout, done(&shards.line("-f csv")).stdout);
    let left: Vec<String> = crate::support::files_in(shards.folder.path());
    assert!(
        left.iter().all(|name| !name.contains("lock") && !name.contains("partial")),
        "{left:?}"
    );
}

#[test]
fn states_that_do_not_belong_together_are_told() {
    let shards = Shards::new();
    for (shard, options, name) in [
        ("0/2", "", "a"),
        ("1/2", "", "b"),
        ("1/2", "--bias biased", "biased"),
        ("1/3", "", "third"),
    ] {
        assert_eq!(shards.shard(shard, options, name).code, 0);
    }
    fs::copy(shards.file("b"), shards.file("copy")).unwrap();
    shards.refused(&["a"], &["of 2 shards", "missing: 1"]);
    shards.refused(&["a", "b", "copy"], &["copy", "same shard, 1/2"]);
    shards.refused(&["a", "biased"], &["biased", "bias: ", "unbiased"]);
    shards.refused(&["a", "third"], &["third", "3 shards here, 2 there"]);
    let whole = fs::read(shards.file("b")).unwrap();
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 1;
    for (name, bytes, parts) in [
        ("changed", &bytes[..], ["damaged", "checksum"]),
        ("cut", &whole[..whole.len() / 2], ["damaged", "checksum"]),
        ("empty", b"", ["empty", "not a state"]),
        ("other", b"{\"schema\": 1}\n", ["other", "not a state"]),
        ("newer", b"repsim-state 2\n{}\n", ["version 2", "merge with the repsim that wrote it"]),
    ] {
        fs::write(shards.file(name), bytes).unwrap();
        shards.refused(&["a", name], &parts);
    }
    // What a state says of its command may be of anybody: merging writes nothing but what it was told to.
    let mut state = State::read(&shards.file("a")).unwrap();
    let elsewhere = shards.file("elsewhere.json");
    for (place, word) in [(1, format!("--output={}", elsewhere.display())), (0, "demo".to_owned())]
    {
        state.head.command.insert(place, word);
        fs::write(shards.file("hostile"), state.to_bytes().unwrap()).unwrap();
        shards.refused(&["hostile", "b"], &["hostile", "command line has"]);
    }
    assert!(!elsewhere.exists());
    // A shard does not write over what is of another run, or of another number of shards.
    assert_told(&shards.shard("1/2", "--bias biased", "b"), &["bias: ", "another file with -o"]);
    assert_told(&shards.shard("1/3", "", "b"), &["shard 1/2", "1/3"]);
    assert_eq!(fs::read(shards.file("b")).unwrap(), whole);
}

#[test]
fn mistakes_with_shards_are_told() {
    let shards = Shards::new();
    assert_told(&shards.shard("2/2", "", "a"), &["at most 1 of 2"]);
    assert_told(&shards.shard("x", "", "a"), &["I/N", "auto"]);
    assert_told(&shards.shard("0/2", "", "a.json"), &["a.json", "-o FILE.state"]);
    assert_told(&shards.shard("0/2", "-f csv", "a"), &["--format", "repsim merge"]);
    assert_told(&repsim(words(&shards.line("--shard 0/2"))), &["-o names no file"]);
    assert_told(&repsim(words(&shards.line("--resume"))), &["--shard"]);
    assert_told(&shards.shard("0/2", "--estimator full", "a"), &["cannot be used multiple times"]);
    // Another process holds the shard.
    let lock = fs::File::create(shards.file("a.lock")).unwrap();
    lock.lock().unwrap();
    assert_told(&shards.shard("0/2", "", "a"), &["another process"]);
    drop(lock);
    assert_eq!(shards.shard("0/2", "", "a").code, 0);
    // Nothing more fits on the disk.
    #[cfg(target_os = "linux")]
    assert_told(&shards.shard("0/2", "", "/dev/full"), &["/dev/full"]);
}

#[test]
fn a_partial_state_is_gone_on_from() {
    let shards = Shards::new();
    let run = shards.shard("0/1", "--save-every 0", "a");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let data = Data::at(shards.pictures.path());
    let mut cka = cka(shards.pictures.path(), 5);
    cka.sides.layers = vec!["layer1".into(), "fc".into()];
    cka.sides.data = Data { load: cka.sides.data.load.clone(), ..data };
    let partial = shards.file("b.partial");
    let save = Box::new(|state: &State| {
        if !partial.exists() {
            fs::write(&partial, state.to_bytes().unwrap()).unwrap();
        }
        Ok(())
    });
    let shard = Shard { index: 0, count: 1 };
    cka.shard(Job { shard, before: None, every: Duration::ZERO, save }, &Silent).unwrap();
    let run = shards.shard("0/1", "--resume", "b");
    assert!(run.code == 0 && run.stderr.contains("is continued: 5 samples"), "{}", run.stderr);
    assert!(!partial.exists());
    let results = |name| -> Value {
        let report: Value = serde_json::from_str(&shards.merge(&[name]).stdout).unwrap();
        report["results"].clone()
    };
    assert_eq!(results("b"), results("a"));
}

/// One process a device, as for several GPUs: here the CPU twice.
#[test]
fn several_devices_are_shards() {
    let shards = Shards::new();
    let line = |device: &str| {
        let words = words(&shards.line(&format!("--device {device}")));
        crate::support::started(words.into_iter().map(Into::into).collect())
    };
    let found = line("cpu,cpu");
    assert_eq!(found.code, 0, "{}", found.stderr);
    let found: Value = serde_json::from_str(&found.stdout).unwrap();
    let whole: Value = serde_json::from_str(&done(&shards.line("")).stdout).unwrap();
    for part in ["results", "inputs", "settings", "warnings"] {
        assert_eq!(found[part], whole[part], "{part}");
    }
    assert_told(&line("cpu,gpu"), &["the process on gpu failed", "gpu"]);
    // Before any process is started.
    let nowhere = line("cpu,gpu -o nowhere/report.json");
    assert_told(&nowhere, &["nowhere/report.json", "its folder does not exist"]);
    let layers = repsim(words("layers {tiny_resnet_scripted.pt} --device cpu,cpu"));
    assert_told(&layers, &["repsim layers runs on one device"]);
}

fn until(seconds: u64, is_so: impl Fn() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(seconds);
    while !is_so() {
        assert!(std::time::Instant::now() < end, "it is not so after {seconds} s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Command lines of processes that name a file, but for this one.
fn processes_with(file: &Path) -> Vec<String> {
    let file = file.display().to_string();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(&file)).map(|line| line.replace('\0', " ")).collect()
}

/// Whoever stops the run stops the processes on its devices too, and their states are not left behind.
#[test]
fn processes_on_devices_end_with_the_run() {
    let shards = Shards::new();
    let data = shards.file("images.npy");
    let images = Array4::from_shape_fn((30_000, 16, 16, 3), |(n, y, x, c)| {
        ((n * 31 + y * 57 + x * 91 * (n % 5 + 1) + c * 13) % 251) as u8
    });
    ndarray_npy::write_npy(&data, &images).unwrap();
    let line = format!(
        "cka {{tiny_resnet_scripted.pt}} --data {} --preprocess raw --estimator minibatch --batch-size 4 \
         --device cpu,cpu",
        data.display()
    );
    for signal in ["TERM", "KILL"] {
        let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_repsim"));
        let mut run = run.args(words(&line)).env("TMPDIR", shards.folder.path()).spawn().unwrap();
        let on_devices = || {
            let found = processes_with(&data).into_iter();
            found.filter(|line| line.contains("--shard=")).count()
        };
        until(30, || on_devices() == 2);
        let number = run.id().to_string();
        std::process::Command::new("kill").args(["-s", signal, &number]).status().unwrap();
        run.wait().unwrap();
        // Much sooner than they are done.
        until(5, || processes_with(&data).is_empty());
        if signal == "TERM" {
            let left = crate::support::files_in(shards.folder.path());
            assert_eq!(left, ["images.npy"]);
        }
    }
}
