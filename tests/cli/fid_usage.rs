//! Options of `repsim fid` and `repsim stats` that mean nothing, or do not go together.

use std::fs;

use tch::{CModule, Kind, Tensor};

use crate::fid_support::{EXAMPLE, TINY, fails, images, row_fails, three_sets};
use crate::support::{files_in, path, pictures, repsim, words};

/// A folder of pictures as both reference and candidate.
fn both(data: &tempfile::TempDir) -> String {
    format!("fid {0} {0}", data.path().display())
}

#[test]
fn images_without_a_model() {
    let (data, (_folder, [real, ..])) = (pictures(4), three_sets());
    let name = data.path().display().to_string();
    let parts = [&name, "holds images, and no model was given", "--model"];
    fails(&both(&data), &parts);
    fails(&format!("stats {name}"), &parts);
    row_fails(&format!("fid {real} {name}"), &parts);
    let line = both(&data);
    fails(&format!("{line} --model nowhere.pt"), &["failed to load nowhere.pt", "no such file"]);
    fails(&format!("{line} --model {{state_dict.pth}}"), &["state dict", "torch.export.save("]);
}

#[test]
fn several_arrays_and_none_named() {
    let (_folder, [real, ..]) = three_sets();
    let file = path("fid/features.npz").display().to_string();
    let parts = [&file, "one array, but real, fake, few.real", "--layers NAME"];
    fails(&format!("fid {file} {real}"), &parts);
    row_fails(&format!("fid {real} {file}"), &parts);
    fails(&format!("stats {file}"), &parts);
    fails(&format!("stats {file} --layer reel"), &[&file, "it has no array reel", "real, fake"]);
    fails(&format!("fid {real} {real} --limit 4"), &["real.npy holds features", "--limit"]);
}

#[test]
fn images_of_different_sizes_without_a_resize() {
    let line = "fid {fid/images} {fid/images} --model {fid/extractor.pt} --resize none";
    let parts =
        ["different sizes", "28x28-l.png has shape [28, 28, 3]", "299x20-rgb.png has", "--resize"];
    fails(line, &parts);
    fails("stats {fid/images} --model {fid/extractor.pt} --resize none", &parts);
}

#[test]
fn resizing_brings_its_own_filter() {
    let data = pictures(4);
    for resize in ["clean", "legacy-pytorch", "clean:32"] {
        let line = format!("{} {TINY} --resize {resize} --interpolation bicubic", both(&data));
        fails(&line, &["--interpolation", &format!("--resize {resize}"), "leave it out"]);
    }
}

#[test]
fn an_extractor_normalises_by_itself() {
    let data = pictures(4);
    for option in ["--mean 0.5", "--std 0.5", "--range 0..1", "--preprocess raw"] {
        let line = format!("{} --model {{fid/extractor.pt}} {option}", both(&data));
        fails(&line, &["takes bytes and normalises them itself", "leave out", "--mean"]);
    }
}

#[test]
fn a_layer_that_is_not_there() {
    let (data, few) = (pictures(4), images("few_reference"));
    let line = format!("{} {EXAMPLE}", both(&few));
    let parts = ["'layer9' matches no layer", "the closest are layer1", "repsim layers"];
    fails(&format!("{line} --layer layer9"), &parts);
    fails(&format!("stats {} {EXAMPLE} --layer layer9", few.path().display()), &parts);
    let line = format!("{} {TINY}", both(&data));
    fails(&format!("{line} --layer layer?"), &["'layer?' matches 4 layers", "name one"]);
    fails(&format!("{line} --layer conv1:input"), &["conv1:input"]);
    fails(
        &format!("{line} --reduce spatial"),
        &["--reduce", "expected flatten, gap, tokens-mean, cls or last"],
    );
    fails(&format!("{line} --layer layer1 --reduce spatial"), &["--reduce", "gap, tokens-mean"]);
}

/// A network that is a mean over positions, traced here.
#[test]
fn a_model_without_a_linear_layer() {
    let data = pictures(4);
    let input = Tensor::zeros([2, 3, 16, 16], (Kind::Float, tch::Device::Cpu));
    let mut mean =
        |inputs: &[Tensor]| vec![inputs[0].mean_dim([2, 3].as_slice(), false, Kind::Float)];
    let module = CModule::create_by_tracing("Means", "forward", &[input], &mut mean).unwrap();
    let file = data.path().join("means.pt");
    module.save(&file).unwrap();
    let line = format!("{} --preprocess raw --model {}", both(&data), file.display());
    fails(&line, &["means.pt", "no linear layer", "--layer", "repsim layers"]);
}

#[test]
fn too_little_memory() {
    let (few, data) = (images("few_reference"), images("reference"));
    let line = format!("{} {EXAMPLE}", both(&data));
    let parts = ["128 features", "768 KiB", "--memory", "--reduce gap"];
    fails(&format!("{line} --memory 100KiB"), &parts);
    fails(&format!("stats {} {EXAMPLE} --memory 100KiB", data.path().display()), &parts);
    let parts = ["keeping 250 samples of 128 features", "1018 KiB", "has 100 KiB left"];
    fails(&format!("{line} --memory 100KiB --metrics fid,kid"), &parts);
    // Enough for the reference, which stays, but not for a candidate beside it.
    row_fails(
        &format!("{line} --memory 1100KiB --metrics fid,kid"),
        &["1018 KiB", "has 850 KiB left"],
    );
    // 60 samples are a smaller factor of their covariance than it is.
    let run = repsim(words(&format!("{} {EXAMPLE} --memory 100KiB", both(&few))));
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn options_that_mean_nothing() {
    let (_folder, [real, fake, _]) = three_sets();
    for options in [
        "--metrics is",
        "--metrics fid,is",
        "--k 0",
        "--kid-subsets 0",
        "--kid-subset-size 0",
        "--subset-seed x",
        "--fail-above high",
        "--fail-above nan",
        "--fail-above inf",
        "--reduce mean",
        "--resize dirty",
        "--memory 0",
        "--no-such-option",
    ] {
        let option = options.split(' ').next().unwrap();
        fails(&format!("fid {real} {fake} {options}"), &[option]);
    }
    fails(&format!("fid {real} {fake} --metrics is"), &["authpct or ct"]);
    let line = format!("fid {real} {fake} --metrics kid --kid-subset-size 1");
    fails(&line, &["--kid-subset-size", "from 2 "]);
    let run = repsim(words(&format!("fid {real} {fake} --format xml")));
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("table, json, jsonl, csv, tsv, md"), "{}", run.stderr);
}

/// Told before anything is read: the sets are not there either.
#[test]
fn outputs_that_cannot_be_written() {
    let parts = ["failed to write /no/such/folder/x", "its folder does not exist"];
    fails("fid nowhere nowhere -o /no/such/folder/x.json", &parts);
    fails("stats nowhere -o /no/such/folder/x.npz", &parts);
    fails("stats nowhere -o x.json", &["x.json", "statistics are an .npz archive", ".npz"]);
    fails("fid nowhere nowhere -o /tmp", &["failed to write /tmp", "it is a folder"]);
    let run = repsim(words("fid nowhere nowhere -o - --format tsv"));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("--output - and --format both want standard output"));
}

/// What goes in is not written over.
#[test]
fn outputs_that_are_inputs() {
    let (folder, [real, fake, _]) = three_sets();
    let before = fs::read(&real).unwrap();
    for line in [
        format!("fid {real} {fake} -o {real}"),
        format!("fid {fake} {real} -o {real}"),
        format!("fid {fake} {} -o {real}", folder.path().join("./real.npy").display()),
    ] {
        fails(&line, &["real.npy", "it is an input too", "another name"]);
    }
    assert_eq!(fs::read(&real).unwrap(), before);
    let file = folder.path().join("x.npz");
    let statistics = path("fid/pytorch-fid-real.npz").display().to_string();
    let line = format!("stats {statistics} -o {}", file.display());
    fails(&line, &[&statistics, "holds statistics already", "images or features"]);
    assert_eq!(files_in(folder.path()).len(), 3);
}

#[test]
fn a_cache_that_is_a_file() {
    let (_folder, [real, fake, _]) = three_sets();
    fails(&format!("fid {real} {fake} --stats-cache {real}"), &["real.npy", "it is a file"]);
}
