//! Command lines of shards, and of the run that merges them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::Choice;
use super::devices::Start;
use crate::analysis::{Features, State};
use crate::cli::defaults;
use crate::cli::output::is_stdout;
use crate::error::{Error, Result};
use crate::report::check_writable;

/// Options that are not of the run: of shards, of outputs, of messages, and of how much of a machine is used.
const OWN: [&str; 17] = [
    "shard",
    "with_parent",
    "resume",
    "save_every",
    "states",
    "output",
    "features_folder",
    "format",
    "plot",
    "per_sample",
    "quiet",
    "verbose",
    "color",
    "config",
    "no_config",
    "threads",
    "workers",
];

/// The arguments that a shard was asked for with.
static TAKEN: OnceLock<Vec<String>> = OnceLock::new();

/// The arguments of this process's shard, without those of [`OWN`].
pub fn taken() -> Vec<String> {
    TAKEN.get().cloned().unwrap_or_default()
}

/// The command line itself, but that of a shard with its number in it, and in place of `merge` that of the run
/// whose states are merged.
///
/// # Errors
/// The environment does not say which shard it is, or the first state cannot be read.
pub fn expanded(
    given: Vec<OsString>,
    commands: &Command,
    devices: &[String],
) -> Result<Vec<OsString>> {
    let Ok(matches) = commands.clone().try_get_matches_from(&given) else { return Ok(given) };
    let Some((name, own)) = matches.subcommand() else { return Ok(given) };
    let Some(command) = commands.find_subcommand(name) else { return Ok(given) };
    if name == "merge" {
        return merged(&given, own, commands);
    }
    if !devices.is_empty() {
        return on_devices(&given, devices, (command, own));
    }
    match own.try_get_one::<Choice>("shard").ok().flatten() {
        Some(choice) => of_shard(&given, *choice, (command, own)),
        None => Ok(given),
    }
}

/// The command line of a shard.
fn of_shard(
    given: &[OsString],
    choice: Choice,
    (command, own): (&Command, &ArgMatches),
) -> Result<Vec<OsString>> {
    let shard = choice.settled()?;
    let text = |word: OsString| {
        word.into_string().map_err(|word| {
            let problem = format!("'{}' is not in UTF-8, as a state has it", word.display());
            Error::usage(problem, "use other names for the files of shards")
        })
    };
    let run = words(command, own, &|option| !OWN.contains(&option));
    let run = run.into_iter().map(text).collect::<Result<Vec<_>>>()?;
    let named = [command.get_name().to_owned()].into_iter().chain(run);
    let _ = TAKEN.set(named.collect());
    let filled = |word: OsString| match word.to_str() {
        Some(name) if name.starts_with("--output=") => {
            let name = name.replace("{shard}", &shard.index.to_string());
            name.replace("{shards}", &shard.count.to_string()).into()
        }
        _ => word,
    };
    let words = words(command, own, &|option| option != "shard").into_iter().map(filled);
    let front = given.iter().take(1).cloned().chain([command.get_name().into()]);
    let front = front.chain([format!("--shard={shard}").into()]);
    Ok(front.chain(talk(own)).chain(words).collect())
}

/// The command line of a run on several devices, which has processes work on its shards first, and merges them then.
fn on_devices(
    given: &[OsString],
    devices: &[String],
    (command, own): (&Command, &ArgMatches),
) -> Result<Vec<OsString>> {
    let name = command.get_name();
    let remedy = "give one --device: cpu, cuda or cuda:N";
    if !command.get_arguments().any(|option| option.get_long() == Some("shard")) {
        let problem = format!("repsim {name} runs on one device, and {} are named", devices.len());
        return Err(Error::usage(problem, remedy));
    }
    if own.contains_id("shard") {
        return Err(Error::usage("--shard is one process, and --device names several", remedy));
    }
    let checks = |option: &Arg| option.get_help_heading() == Some("Check");
    let is_check = |id: &str| command.get_arguments().any(|o| o.get_id() == id && checks(o));
    let of_machine = ["threads", "workers"];
    let of_run = |id: &str| of_machine.contains(&id) || !(OWN.contains(&id) || is_check(id));
    let has_threads = own.value_source("threads") == Some(ValueSource::CommandLine);
    let mut line: Vec<OsString> = given.iter().take(1).cloned().collect();
    line.extend([name.into(), format!("--device={}", devices[0]).into()]);
    line.extend(talk(own));
    let folder = own.try_get_one::<PathBuf>("features_folder").ok().flatten();
    let is_whole = folder.is_some_and(|folder| Features::is_whole(folder));
    if devices.len() > 1 && !is_whole {
        let (program, run) = (&given[0], words(command, own, &of_run));
        // Asked before the run, as what it gathered is gone when the report cannot be written.
        for path in ["output", "plot", "per_sample"].iter().filter_map(|id| path_of(own, id)) {
            check_writable(path)?;
        }
        folder.map_or(Ok(()), |folder| Features::check_for_several(folder))?;
        let parts = folder.map(|folder| Features::shards_in(folder));
        let start = Start { program, name, words: &run, has_threads, parts };
        let states = start.on(devices)?;
        line.extend(states.iter().map(|path| joined("states", path.as_os_str())));
    }
    line.extend(words(command, own, &|_| true));
    Ok(line)
}

/// The file of an option, unless that is standard output.
fn path_of<'a>(own: &'a ArgMatches, option: &str) -> Option<&'a Path> {
    let path = own.try_get_one::<PathBuf>(option).ok().flatten()?;
    (!is_stdout(path)).then_some(path)
}

/// How much is said.
fn talk(own: &ArgMatches) -> impl Iterator<Item = OsString> {
    let given = ["quiet", "verbose"].into_iter().filter(|flag| own.get_flag(flag));
    given.map(|flag| format!("--{flag}").into())
}

/// The command line that merges states: that of their run, with what `merge` was given.
fn merged(given: &[OsString], own: &ArgMatches, commands: &Command) -> Result<Vec<OsString>> {
    let mut paths: Vec<PathBuf> =
        own.get_many::<PathBuf>("states").into_iter().flatten().cloned().collect();
    let Some(first) = paths.first() else { return Ok(given.to_vec()) };
    let head = State::read(first)?.head;
    if head.command.first().is_some_and(|command| command == "features") {
        paths.iter_mut().for_each(|path| *path = of_folder(path));
    }
    let first = &paths[0];
    let Some((command, run)) = head.command.split_first() else {
        let problem = "it was not made by a command";
        return Err(Error::file("merge", first, problem, "merge it with the program that made it"));
    };
    if let Some(word) = foreign(command, run, commands) {
        let problem = format!("its command line has '{word}', which that of a shard has not");
        return Err(Error::file("merge", first, problem, "run its shard again"));
    }
    let has = |flag: &str| run.iter().any(|word| word == flag);
    let trusts = has("--trust-model") || has("--only-confined");
    if trusts && !own.get_flag("trust_model") {
        let problem = "its run trusted the code of its models (--trust-model)";
        return Err(Error::file("merge", first, problem, "give --trust-model if you do, too"));
    }
    let device = own.get_one::<String>("device");
    let is_other = |word: &&String| device.is_none() || !word.starts_with("--device=");
    defaults::set_taken(head.defaults);
    let mut words: Vec<OsString> = given.iter().take(1).cloned().collect();
    words.push(command.into());
    words.push("--no-config".into());
    words.extend(device.map(|device| format!("--device={device}").into()));
    for option in ["output", "plot", "per_sample"] {
        let path = own.get_one::<PathBuf>(option);
        words.extend(path.map(|path| joined(&option.replace('_', "-"), path.as_os_str())));
    }
    let told = own.get_one::<String>("format");
    words.extend(told.map(|format| joined("format", OsStr::new(format))));
    words.extend(talk(own));
    words.extend(paths.iter().map(|path| joined("states", path.as_os_str())));
    words.extend(run.iter().filter(is_other).map(OsString::from));
    Ok(words)
}

/// Of the state in a part of a folder of features that part, whose files are read, too.
fn of_folder(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|_| path.ends_with(State::PART) && path.is_file());
    let here = |folder: &Path| {
        if folder.as_os_str().is_empty() { Path::new(".") } else { folder }.to_owned()
    };
    folder.map_or_else(|| path.to_owned(), here)
}

/// The first word of a command line that no shard was asked for with: a command that has none, or an option that names
/// a file to write. A state may come from anywhere, and merging it writes only what `merge` was given.
fn foreign<'a>(command: &'a String, run: &'a [String], commands: &Command) -> Option<&'a String> {
    let named = |command: &Command, name: &str| -> Option<Arg> {
        command.get_arguments().find(|option| option.get_long() == Some(name)).cloned()
    };
    let found = commands.find_subcommand(command);
    let Some(found) = found.filter(|found| named(found, "shard").is_some()) else {
        return Some(command);
    };
    let is_of_run = |word: &String| {
        let name = word.strip_prefix("--").map(|rest| rest.split('=').next().unwrap_or(rest));
        let option = name.and_then(|name| named(found, name));
        option.is_some_and(|option| {
            let id = option.get_id().as_str();
            !OWN.contains(&id) && id != "stats_cache" && option.get_help_heading() != Some("Check")
        })
    };
    run.iter().take_while(|word| *word != "--").find(|word| !is_of_run(word))
}

fn joined(option: &str, value: &OsStr) -> OsString {
    let mut word = OsString::from(format!("--{option}="));
    word.push(value);
    word
}

/// The options that were given, each in one word, and then what has no name.
fn words(command: &Command, own: &ArgMatches, wanted: &dyn Fn(&str) -> bool) -> Vec<OsString> {
    let is_given = |option: &&Arg| {
        let id = option.get_id().as_str();
        wanted(id) && own.value_source(id) == Some(ValueSource::CommandLine)
    };
    let (places, options): (Vec<&Arg>, Vec<&Arg>) =
        command.get_arguments().filter(is_given).partition(|option| option.is_positional());
    let mut words: Vec<OsString> = options.into_iter().flat_map(|o| of_option(o, own)).collect();
    words.push("--".into());
    let values = |place: &Arg| own.get_raw(place.get_id().as_str()).into_iter().flatten();
    words.extend(places.into_iter().flat_map(values).map(OsStr::to_owned));
    words
}

fn of_option(option: &Arg, own: &ArgMatches) -> Vec<OsString> {
    let name = option.get_long().unwrap_or_default();
    if !option.get_action().takes_values() {
        return vec![format!("--{name}").into()];
    }
    let values = own.get_raw(option.get_id().as_str()).into_iter().flatten();
    match option.get_value_delimiter() {
        Some(_) => {
            let values: Vec<&OsStr> = values.collect();
            vec![joined(name, &values.join(OsStr::new(",")))]
        }
        None => values.map(|value| joined(name, value)).collect(),
    }
}
