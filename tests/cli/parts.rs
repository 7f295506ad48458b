//! Folders of features that shards wrote in parts, and what they make together: the folder of one run.

use std::fs;
use std::path::{Path, PathBuf};

use repsim::analysis::{Cka, Data, Features, Job, Loading, Preprocessing, Shard, Silent, State};
use repsim::capture::Reduce;
use repsim::data::{FloatFormat, Preset};
use tempfile::TempDir;

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
    let cases: [(&str, &dyn Fn(&mut Features), &[usize]); 3] =
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

    let merged = parts.merge(&["1.state", "0.state"], "merged");
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
    let two = run("two", "--device cpu,cpu");
    assert_eq!(two.code, 0, "{}", two.stderr);
    done(&parts.line("one", "").join(" "));
    assert_same(&parts.at("two"), &parts.at("one"));
}
