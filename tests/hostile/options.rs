//! Every option of every command that takes a number, with values that no number may have.

use std::any::TypeId;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, Command};

use crate::check_support::refused;
use crate::support::{repsim, words};

/// What each option is given.
const VALUES: [&str; 17] = [
    "-1",
    "0",
    "1",
    "nan",
    "inf",
    "-inf",
    "-0.0",
    "1e308",
    "1e-400",
    "abc",
    "4294967296",
    "1000000000000",
    "1e18",
    "18446744073709551615",
    "99999999999999999999999999",
    "0x10",
    "１２",
];

/// Those of the values that no option may take, whatever it counts.
const NEVER: [&str; 8] =
    ["nan", "inf", "-inf", "1e308", "abc", "99999999999999999999999999", "0x10", "１２"];

/// Those beside them that only a seed, or a size of memory, may be.
const HUGE: [&str; 3] = ["1000000000000", "1e18", "18446744073709551615"];

/// The options of a command that take neither texts nor files nor one of a few words.
fn numbers(command: &Command) -> Vec<Arg> {
    let other = [TypeId::of::<String>(), TypeId::of::<PathBuf>(), TypeId::of::<bool>()];
    let takes_number = |arg: &&Arg| {
        let is_other = other.iter().any(|id| arg.get_value_parser().type_id() == *id);
        let takes_value = arg.get_action().takes_values() && arg.get_long().is_some();
        let is_file = arg.get_value_names().is_some_and(|names| names.iter().any(|n| n == "FILE"));
        takes_value && !is_other && !is_file && arg.get_possible_values().is_empty()
    };
    command.get_arguments().filter(takes_number).cloned().collect()
}

/// What a value is said to be; nothing where it is taken.
fn said(all: &Command, command: &str, option: &str, value: &str) -> Option<String> {
    let option = format!("--{option}={value}");
    let parsed = all.clone().try_get_matches_from(["repsim", command, &option]);
    let wrong = parsed.err().filter(|wrong| wrong.kind() == ErrorKind::ValueValidation)?;
    Some(wrong.to_string().split("\n\n").next().unwrap().to_owned())
}

#[test]
fn every_number_has_limits() {
    let mut all = repsim::cli::declared();
    all.build();
    let mut walked = vec![];
    for command in all.get_subcommands() {
        for arg in numbers(command) {
            let (name, option) = (command.get_name(), arg.get_long().unwrap());
            walked.push(format!("{name} --{option}"));
            let unbounded =
                option.ends_with("seed") || option == "memory" || option == "fail-above";
            for value in VALUES {
                let told = said(&all, name, option, value);
                let must = NEVER.contains(&value) || (HUGE.contains(&value) && !unbounded);
                assert!(told.is_some() || !must, "{name} --{option} takes {value}");
                let Some(told) = told else { continue };
                for part in [format!("'{value}'"), format!("--{option}")] {
                    assert!(told.contains(&part), "{part} is not in {told}");
                }
                let allowed = told.split_once(">': ").map_or("", |(_, allowed)| allowed);
                assert!(allowed.len() > 10 && !allowed.contains('\n'), "{told}");
                assert!(!allowed.contains("invalid digit"), "{told}");
            }
        }
    }
    for known in ["fid --kid-subsets", "cka --threads", "saliency --noise", "maps --pick"] {
        assert!(walked.iter().any(|one| one == known), "{known} is not among {walked:?}");
    }
    assert!(walked.len() > 150, "{} options", walked.len());
}

#[test]
fn parts_of_values_have_limits() {
    let mut all = repsim::cli::declared();
    all.build();
    for huge in ["4294967296", "18446744073709551615", "18446744073709551616", "nan", "-1"] {
        for (command, option, value) in [
            ("cka", "resize", format!("8x{huge}")),
            ("cka", "crop", format!("{huge}x8")),
            ("fid", "resize", format!("clean:{huge}")),
            ("cka", "kernel", format!("rbf:{huge}")),
            ("cka", "device", format!("cuda:{huge}")),
            ("cka", "channel-axis", format!("conv1={huge}")),
            ("cka", "input", format!("x={huge}x3:f32")),
            ("cka", "std", format!("0.5,{huge}")),
            ("layers", "input-size", format!("3x{huge}")),
            ("layers", "input-size", "1048576x1048576".to_owned()),
            ("saliency", "patch", format!("1,{huge}")),
            ("saliency", "patch", format!("1,1,{huge}")),
            ("saliency", "grid", format!("{huge}x1")),
            ("maps", "pick", format!("0,{huge}")),
            ("sensitivity", "epsilon", format!("0.1,{huge}")),
            ("stitch", "ridge", format!("-{huge}")),
        ] {
            let told = said(&all, command, option, &value);
            let given = value.rsplit(',').next().unwrap();
            let told = told.unwrap_or_else(|| panic!("{command} --{option} takes {value}"));
            assert!(told.contains(given) && told.contains(&format!("--{option}")), "{told}");
        }
    }
}

#[test]
fn numbers_in_texts_have_limits() {
    let line =
        "saliency {tiny_resnet_scripted.pt} --data {tiny_resnet.npy} --float-range keep --limit 1";
    for (option, value) in [
        ("--class", "18446744073709551615"),
        ("--class", "4294967296000"),
        ("--contrast", "0,18446744073709551615"),
    ] {
        let run = repsim([words(line), vec![option.to_owned(), value.to_owned()]].concat());
        refused(&run, &["class", value.rsplit(',').next().unwrap(), "6 logits"]);
    }
}

#[test]
fn a_number_out_of_range_ends_a_run_with_a_line() {
    let fid =
        words("fid {tiny_resnet.npy} {tiny_resnet.npy} --metrics kid --kid-subsets 1000000000000");
    refused(&repsim(fid), &["'1000000000000'", "--kid-subsets", "from 1 to 1,000,000"]);
}
