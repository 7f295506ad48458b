//! Bad input: one clear line on what is wrong and what to do, exit code 2, nothing written.

use std::fs;

use repsim::torchscript::device::DeviceChoice;

use crate::support::{Run, files_in, pictures, repsim, words};

const MLP: &str = "cka {mlp.pt} --data {mlp.npy}";

/// Runs a line that has to fail, with outputs asked for, and checks all that holds of every failure.
#[track_caller]
fn fails(line: &str, parts: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = words(line);
    if line.starts_with("cka") && !line.contains("-o ") && !line.contains("--heatmap") {
        let file = |name: &str| folder.path().join(name).display().to_string();
        arguments.extend(["-o".into(), file("report.json")]);
        arguments.extend(["--heatmap".into(), file("map.png")]);
    }
    let run = repsim(arguments);
    assert_eq!(run.code, 2, "repsim {line}\n{}", run.stderr);
    assert_eq!(run.stdout, "", "repsim {line}");
    let errors: Vec<&str> = run.stderr.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "repsim {line}\n{}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is not in {:?}", run.stderr);
    }
    assert_eq!(files_in(folder.path()), Vec::<String>::new(), "repsim {line} left files behind");
    run
}

#[test]
fn a_model_that_is_not_there() {
    let parts = ["failed to load nowhere.pt", "there is no such file", "give the path"];
    fails("cka nowhere.pt --data {mlp.npy}", &parts);
    fails("cka {mlp.pt} nowhere.pt --data {mlp.npy}", &parts);
    fails("layers nowhere.pt", &parts);
}

#[test]
fn a_third_file_of_features() {
    let parts = ["--features takes one or two files, not 3", "platonic --features"];
    fails("cka --features a.npz b.npz c.npz", &parts);
}

#[test]
fn a_state_dict() {
    let parts = ["state_dict.pth", "state dict", "--weights", "torch.export.save("];
    fails("cka {state_dict.pth} --data {mlp.npy}", &parts);
    fails("layers {state_dict.pth}", &parts);
}

#[test]
fn an_archive_cut_short() {
    let parts = ["truncated.pt", "damaged or cut short"];
    fails("cka {truncated.pt} --data {mlp.npy}", &parts);
    fails("layers {truncated.pt}", &parts);
}

#[test]
fn something_else_for_a_model() {
    fails("cka {mlp.npy} --data {mlp.npy}", &["it is a NumPy array", "--data"]);
    fails("cka {images} --data {mlp.npy}", &["it is a folder", "features.json"]);
}

#[test]
fn an_archive_that_reaches_for_files() {
    fails("layers {file_writer.pt} --input-size 4", &["aten::save", "--trust-model"]);
    fails("cka {file_reader.pt} --data {nan_layer.npy}", &["aten::from_file", "--trust-model"]);
}

#[test]
fn an_input_of_the_wrong_shape() {
    let parts = ["failed to run", "control_flow.pt", "2×16", "--preprocess"];
    fails("cka {control_flow.pt} --data {mlp.npy}", &parts);
    fails(
        "layers {mlp.pt} --input-size 3x224x224",
        &["failed to run", "3×224×224", "--input-size"],
    );
    fails("cka {tiny_resnet_scripted.pt} --data {mlp.npy}", &["failed to run", "2×16"]);
}

#[test]
fn no_data() {
    fails("cka {mlp.pt}", &["no data was given", "--data"]);
    fails("cka {mlp.pt} --data nowhere", &["nowhere", "there is no such file or folder"]);
    let folder = tempfile::tempdir().unwrap();
    let line = format!("cka {{mlp.pt}} --data {}", folder.path().display());
    fails(&line, &["it holds no images", "give the folder"]);
    fails("cka --data {mlp.npy}", &["MODEL"]);
}

#[test]
fn a_corrupt_image() {
    let folder = pictures(5);
    fs::write(folder.path().join("odd/003.png"), b"\x89PNG\r\n\x1a\nbroken").unwrap();
    let line = format!(
        "cka {{tiny_resnet_scripted.pt}} --preprocess raw --data {}",
        folder.path().display()
    );
    fails(&line, &["failed to decode", "odd/003.png", "--skip-unreadable"]);
}

#[test]
fn no_readable_image_at_all() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..3 {
        fs::write(folder.path().join(format!("{i}.png")), b"no picture").unwrap();
    }
    let line = format!(
        "cka {{tiny_resnet_scripted.pt}} --preprocess raw --skip-unreadable --data {}",
        folder.path().display()
    );
    fails(&line, &[&folder.path().display().to_string()]);
}

#[test]
fn arrays_of_unequal_length() {
    let parts = ["failed to match rows by index", "[24, 7]", "[100, 10]"];
    fails("cka --features {measures/features_a.npz} {measures/pair.npz}", &parts);
    fails("cka --features nowhere.npz", &["nowhere.npz"]);
    fails("cka --features {mlp.pt}", &["mlp.pt"]);
    fails("cka {mlp.pt} --features {measures/pair.npz}", &["--features"]);
}

#[test]
fn a_layer_that_is_not_there() {
    let line = format!("{MLP} --layers 9");
    fails(&line, &["'9' matches no layer", "the closest are", "repsim layers"]);
    let resnet = "cka {tiny_resnet_scripted.pt} --data {tiny_resnet.npy}";
    fails(&format!("{resnet} --layers layer1.0.bn9"), &["the closest are layer1.0.bn"]);
    let two = resnet.replace("--data", "{tiny_resnet_traced.pt} --data");
    fails(&format!("{two} --layers-b layr4"), &["'layr4'", "layer4", "tiny_resnet_traced.pt"]);
    fails(&format!("{resnet} --layers **.nothing*"), &["'**.nothing*' matches no layer"]);
    fails(&format!("{resnet} --layers fc --layers !fc"), &["no layer of"]);
    fails(&format!("{resnet} --layers layer[1"), &["layer[1"]);
}

#[test]
fn a_layer_that_gives_nothing() {
    let flow = "cka {control_flow.pt} --data {control_flow.npy}";
    let traced = "cka {identity_traced.pt} --data {tiny_resnet.npy}";
    fails(&format!("{traced} --layers skip"), &["layer skip", "no tensor"]);
    fails(&format!("{flow} --layers dark"), &["layer dark", "did not run"]);
}

#[test]
fn a_layer_that_runs_a_varying_number_of_times() {
    let line = "cka {varying.pt} --data {varying.npy} --batch-size 4";
    fails(line, &["layer cell", "ran 3 times for this batch but 1 times before", "--layers '!"]);
}

#[test]
fn a_device_that_is_not_there() {
    if DeviceChoice::Cuda(0).resolve().is_ok() {
        return;
    }
    fails(&format!("{MLP} --device cuda"), &["cuda:0", "--device cpu"]);
    fails(&format!("{MLP} --device gpu"), &["expected auto, cpu, cuda or cuda:N"]);
}

/// Told before the run: before the model, which is not there either.
#[test]
fn an_output_that_cannot_be_written() {
    let parts = ["failed to write /no/such/folder/x", "its folder does not exist"];
    fails("cka nowhere.pt --data nowhere -o /no/such/folder/x.json", &parts);
    fails("cka nowhere.pt --data nowhere --heatmap /no/such/folder/x.png", &parts);
    fails("layers nowhere.pt -o /no/such/folder/x.json", &parts);
    fails("cka nowhere.pt --data nowhere -o /tmp", &["failed to write /tmp", "it is a folder"]);
}

#[test]
fn a_heat_map_of_an_unknown_kind() {
    for name in ["map.gif", "map", "png"] {
        let line = format!("cka nowhere.pt --data nowhere --heatmap {name}");
        fails(&line, &[name, ".png or .svg"]);
    }
}

#[test]
fn options_that_mean_nothing() {
    for kernel in ["poly", "rbf:0", "rbf:-1", "rbf:x", "rbf:nan"] {
        fails(&format!("{MLP} --kernel {kernel}"), &["--kernel"]);
    }
    for options in [
        "--limit 0",
        "--batch-size 0",
        "--workers 0",
        "--threads 0",
        "--memory 0",
        "--memory 4XB",
        "--estimator half",
        "--bias none",
        "--reduce max",
        "--seed x",
        "--preprocess clip",
        "--crop 0",
        "--std 0",
        "--no-such-option",
    ] {
        let option = options.split(' ').next().unwrap();
        fails(&format!("{MLP} {options}"), &[option]);
    }
    fails(&format!("{MLP} --limit -1"), &["'-1'"]);
}

#[test]
fn options_that_do_not_go_together() {
    fails(&format!("{MLP} --reduce spatial --kernel rbf"), &["--reduce spatial", "linear"]);
    fails(&format!("{MLP} --quiet --verbose"), &["--quiet", "--verbose"]);
    fails("compare {mlp.pt} {mlp.pt} {mlp.pt} --data {mlp.npy}", &["mlp.pt"]);
}

#[test]
fn too_little_memory_names_the_ways_out() {
    let line = format!("{MLP} --memory 1KiB");
    fails(&line, &["12 samples", "--estimator minibatch", "--limit", "--memory"]);
}

#[test]
fn input_sizes_that_mean_nothing() {
    for size in ["0", "3x", "axb", "3x-1x4"] {
        fails(&format!("layers {{mlp.pt}} --input-size {size}"), &["such as 3x224x224"]);
    }
}
