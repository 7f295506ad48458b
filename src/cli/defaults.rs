//! Options that the command line does not give: from variables of the environment, and from `repsim.toml`.
//!
//! Each becomes a word of the command line, so that it is read, checked and recorded as one that was given. What is
//! given goes before the environment, that before the section of the command, and that before `[defaults]`.

use std::any::TypeId;
use std::cell::OnceCell;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use toml::{Table, Value};

use super::usage::what;
use crate::analysis::Features;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::files::{self, MOST_BY_HAND};
use crate::report::DefaultsInput;
use crate::torchscript::native;

/// The file of defaults, in the working folder or one above it.
const FILE: &str = "repsim.toml";

/// The section that holds for all commands.
const ALL: &str = "defaults";

/// Variables of the environment, and the options that they give.
const VARIABLES: [(&str, &str); 2] = [("REPSIM_DEVICE", "device"), ("REPSIM_THREADS", "threads")];

/// Groups of options that have defaults: none that names a file to write, or a check.
const GROUPS: [&str; 13] = [
    "Data",
    "Preprocessing",
    "Preprocessing of B",
    "Models",
    "Layers",
    "Measure",
    "Chance",
    "Features",
    "Method",
    "Channels",
    "Perturbation",
    "Stitch",
    "Random numbers",
];

/// Groups that stored features have no use for.
const OF_IMAGES: [&str; 3] = ["Data", "Preprocessing", "Preprocessing of B"];

/// Options that mean something only beside one of others, or beside one of their values.
const NEEDS: [(&str, &[&str]); 16] = [
    ("level", &["subsamples"]),
    ("random-seed", &["permutations", "subsamples"]),
    ("weights-key", &["weights", "weights-a", "weights-b"]),
    ("partial-weights", &["weights", "weights-a", "weights-b"]),
    ("epochs", &["fit=trained"]),
    ("learning-rate", &["fit=trained"]),
    ("train-seed", &["fit=trained"]),
    ("patch", &["method=finite-difference"]),
    ("shap-noise", &["method=gradient-shap"]),
    ("perturbations", &["method=lime", "method=kernel-shap"]),
    ("lime-alpha", &["method=lime"]),
    ("alpha", &["measures=shape-metric", "measures=all", "measure=shape-metric"]),
    ("variance", &["measures=svcca", "measures=all", "measure=svcca"]),
    ("bias", &["measures=cka", "measures=hsic", "measures=all", "measure=cka", "measure=hsic"]),
    (
        "neighbours",
        &[
            "measures=mutual-knn",
            "measures=cknna",
            "measures=jaccard",
            "measures=second-order-cosine",
            "measures=all",
            "measure=mutual-knn",
            "measure=cknna",
            "measure=jaccard",
            "measure=second-order-cosine",
        ],
    ),
    ("max-length", &["tokenizer"]),
];

/// The file that options of this process were taken from, and which.
static TAKEN: OnceLock<DefaultsInput> = OnceLock::new();

/// What reports say of the file of defaults, where options were taken from one.
pub fn taken() -> Option<DefaultsInput> {
    TAKEN.get().cloned()
}

/// Says of this process that options were taken from a file by the one whose run it goes on with.
pub fn set_taken(found: Option<DefaultsInput>) {
    found.map_or(Ok(()), |found| TAKEN.set(found)).ok();
}

/// An option, its values and where they were found.
struct Found {
    option: String,
    values: Vec<String>,
    /// A flag has no value.
    flag: bool,
    place: Place,
}

/// Where a default stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// In the environment.
    Variable(&'static str),
    /// In a section of a file.
    Section(PathBuf, String),
}

/// The command line with the defaults of its command, and what to say of them.
///
/// # Errors
/// The file cannot be read, or a key or value is none that an option takes.
pub fn added(given: Vec<OsString>, commands: &Command, has_devices: bool) -> Result<Added> {
    let Ok(matches) = commands.clone().try_get_matches_from(&given) else {
        return Ok(Added { words: given, ..Added::default() });
    };
    let (name, own) = matches.subcommand().unwrap_or(("", &matches));
    let command = commands.find_subcommand(name).filter(|command| computes(command));
    let Some(command) = command else { return Ok(Added { words: given, ..Added::default() }) };
    let mut told = vec![];
    let mut all = variables(command);
    if let Some(path) = file(own)? {
        told.push(format!("defaults are read from {}", path.display()));
        all.extend(of_file(&path, command, commands)?);
    }
    // What else applies depends on whether there is a model.
    // and on what the samples are.
    let first = ["model", "data", "tokenizer"];
    let is_first = |option: &str| first.contains(&option);
    all.sort_by_key(|found| (needs(&found.option).is_some(), !is_first(&found.option)));
    let (taken, unset) = (vec![], if has_devices { vec![DEVICE.to_owned()] } else { vec![] });
    let added = Added { words: given, told, devices: None };
    let (record, rows) = (None, OnceCell::new());
    let mut line = Line { added, command, commands, own, taken, unset, record, rows };
    all.into_iter().try_for_each(|found| line.add(found))?;
    line.record.map_or(Ok(()), |record| TAKEN.set(record)).ok();
    Ok(line.added)
}

/// A command line with its defaults.
#[derive(Debug, Default)]
pub struct Added {
    /// Its words.
    pub words: Vec<OsString>,
    /// What to say of the defaults.
    pub told: Vec<String>,
    /// A list of devices in place of one, which is not among the words.
    pub devices: Option<String>,
}

/// The option that may name several devices.
const DEVICE: &str = "device";

/// Options that say how models run, where folders of features have no use for them.
const OF_MODELS: [&str; 9] = [
    DEVICE,
    "dtype",
    "precision",
    "keep-state",
    "no-optimize",
    "input",
    "output-key",
    "output-index",
    "draw-seed",
];

/// Whether a command runs models or reads features.
fn computes(command: &Command) -> bool {
    option_of(command, "threads").is_some()
}

/// What an option means something beside, where it is not for itself.
fn needs(option: &str) -> Option<&'static [&'static str]> {
    NEEDS.iter().find(|(of, _)| *of == option).map(|(_, beside)| *beside)
}

fn option_of<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let is = |option: &&Arg| {
        let aliases = option.get_all_aliases().unwrap_or_default();
        option.get_long() == Some(name) || aliases.contains(&name)
    };
    command.get_arguments().find(is)
}

fn variables(command: &Command) -> Vec<Found> {
    let one = |(variable, option): &(&'static str, &str)| {
        option_of(command, option)?;
        let value = std::env::var(variable).ok().filter(|value| !value.is_empty())?;
        let place = Place::Variable(variable);
        Some(Found { option: (*option).to_owned(), values: vec![value], flag: false, place })
    };
    VARIABLES.iter().filter_map(one).collect()
}

/// The file of defaults, where there is one and it is wanted.
fn file(own: &ArgMatches) -> Result<Option<PathBuf>> {
    if own.get_flag("no_config") {
        return Ok(None);
    }
    if let Some(path) = own.get_one::<PathBuf>("config") {
        return Ok(Some(path.clone()));
    }
    let folder = std::env::current_dir().map_err(|e| Error::io("find", "the working folder", e))?;
    let found = folder.ancestors().map(|folder| folder.join(FILE)).find(|path| path.is_file());
    found.as_deref().map_or(Ok(()), refuse_foreign)?;
    Ok(found)
}

/// Refuses a file that was found and not given where another user may have put it: it belongs neither to the user
/// nor to root, nor to the user whom root acts for through sudo.
fn refuse_foreign(path: &Path) -> Result<()> {
    let user = native::user();
    let sudo = std::env::var("SUDO_UID").ok().and_then(|id| id.parse().ok());
    let trusted = [Some(0), Some(user), sudo.filter(|_| user == 0)];
    let owners = [path.symlink_metadata(), path.metadata()].map(|found| Some(found.ok()?.uid()));
    match owners.iter().all(|owner| trusted.contains(owner) && owner.is_some()) {
        true => Ok(()),
        false => Err(Error::file(
            "take defaults from",
            path,
            "it was found above the working folder or in it, and belongs to another user",
            "give it with --config if you trust it, or give --no-config",
        )),
    }
}

/// The defaults of a command, those of its own section first.
fn of_file(path: &Path, command: &Command, commands: &Command) -> Result<Vec<Found>> {
    let wrong = |problem: String, remedy: &str| Error::file("read", path, problem, remedy);
    let text = files::read_text(path, MOST_BY_HAND)?;
    let sections: Table = text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        wrong(format!("line {line}: {}", e.message()), "correct it, or give --no-config")
    })?;
    let mut own = vec![];
    let mut common = vec![];
    for (section, keys) in &sections {
        let of = commands.find_subcommand(section).filter(|of| computes(of));
        let known: Vec<&Command> = match section == ALL {
            true => commands.get_subcommands().filter(|of| computes(of)).collect(),
            false => of.into_iter().collect(),
        };
        let keys = keys.as_table().filter(|_| !known.is_empty()).ok_or_else(|| {
            let problem = format!("there is no section [{section}] of defaults");
            wrong(problem, "sections are [defaults] and the names of commands that run models")
        })?;
        let into = if section == command.get_name() { &mut own } else { &mut common };
        for (key, value) in keys {
            let option = known.iter().find_map(|of| option_of(of, key)).filter(|o| may_stand(o));
            let option = option.ok_or_else(|| {
                let problem = format!("[{section}] has no key {key}");
                wrong(problem, "keys are long names of options of data, preprocessing, models, layers and measures")
            })?;
            let place = Place::Section(path.to_owned(), section.clone());
            let found = of_key(option, value, place)
                .map_err(|problem| wrong(format!("[{section}] {key}: {problem}"), "correct it"))?;
            if section == ALL || section == command.get_name() {
                into.push(found);
            }
        }
    }
    Ok(own.into_iter().chain(common).collect())
}

/// Whether an option may have a default.
fn may_stand(option: &Arg) -> bool {
    let grouped = option.get_help_heading().is_some_and(|group| GROUPS.contains(&group));
    grouped && !["trust-model", "only-confined"].iter().any(|&no| option.get_long() == Some(no))
}

/// The values of a key; paths are relative to the folder of the file.
fn of_key(option: &Arg, value: &Value, place: Place) -> Result<Found, String> {
    let flag = !option.get_action().takes_values();
    let name = option.get_long().unwrap_or_default().to_owned();
    let found = |values| Found { option: name.clone(), values, flag, place: place.clone() };
    let is_path = option.get_value_parser().type_id() == TypeId::of::<PathBuf>();
    let text = |value: &Value| match value {
        Value::String(text) if is_path && text != "none" => Ok(beside(&place, text)),
        Value::String(text) => Ok(text.clone()),
        Value::Integer(_) | Value::Float(_) => Ok(value.to_string()),
        _ => Err(format!("expected a text or a number, not {value}")),
    };
    match value {
        Value::Boolean(on) if flag => Ok(found(if *on { vec![String::new()] } else { vec![] })),
        _ if flag => Err("expected true or false".to_owned()),
        Value::Array(values) if values.is_empty() => Ok(found(vec![])),
        Value::Array(values) => {
            let values = values.iter().map(text).collect::<Result<Vec<_>, _>>()?;
            match option.get_value_delimiter() {
                Some(_) => Ok(found(vec![values.join(",")])),
                None => Ok(found(values)),
            }
        }
        one => Ok(found(vec![text(one)?])),
    }
}

fn beside(place: &Place, text: &str) -> String {
    match place {
        Place::Section(path, _) => {
            path.parent().unwrap_or(Path::new("")).join(text).display().to_string()
        }
        Place::Variable(_) => text.to_owned(),
    }
}

/// A command line that defaults are added to.
struct Line<'a> {
    added: Added,
    command: &'a Command,
    commands: &'a Command,
    /// What was given.
    own: &'a ArgMatches,
    /// Options that were added, and from where.
    taken: Vec<(String, Place)>,
    /// Options that a section leaves without a value, whatever a later one says.
    unset: Vec<String>,
    /// Those that came from a file.
    record: Option<DefaultsInput>,
    /// Whether samples are rows of numbers, once that was looked at.
    rows: OnceCell<bool>,
}

impl Line<'_> {
    /// Adds an option that is not there yet and goes with those that are.
    fn add(&mut self, found: Found) -> Result<()> {
        let Some(option) = option_of(self.command, &found.option) else { return Ok(()) };
        let there = self.is_there(&found.option) || self.unset.contains(&found.option);
        if found.values.is_empty() {
            self.unset.push(found.option);
            return Ok(());
        }
        if there {
            return Ok(());
        }
        let shown: Vec<String> = found.values.iter().map(|value| word(&found, value)).collect();
        let shown = shown.join(" ");
        let of_list = found.values.first().is_some_and(|value| is_list(value));
        if self.clashes(option, (&found.place, of_list)) {
            self.added.told.push(format!("{shown} of {} does not apply here", found.place));
            return Ok(());
        }
        if found.option == DEVICE && is_list(&found.values[0]) {
            self.added.told.push(format!("{shown} is from {}", found.place));
            self.added.devices = Some(found.values[0].clone());
            self.note(shown, &found.place);
            self.taken.push((found.option, found.place));
            return Ok(());
        }
        let name = self.command.get_name();
        let at = self.added.words.iter().position(|word| word == name).map_or(1, |at| at + 1);
        let mut words = self.added.words.clone();
        words.splice(at..at, found.values.iter().map(|value| word(&found, value).into()));
        match self.commands.clone().try_get_matches_from(&words) {
            Ok(_) => {
                self.added.told.push(format!("{shown} is from {}", found.place));
                self.note(shown, &found.place);
                self.taken.push((found.option, found.place));
                self.added.words = words;
                Ok(())
            }
            Err(wrong) if does_not_go_together(wrong.kind()) => {
                self.added.told.push(format!("{shown} of {} does not apply here", found.place));
                Ok(())
            }
            Err(wrong) => Err(found.place.error(&what(&wrong.to_string()))),
        }
    }

    fn note(&mut self, shown: String, place: &Place) {
        let Place::Section(path, _) = place else { return };
        let path = path.display().to_string();
        let record = self.record.get_or_insert(DefaultsInput { path, options: vec![] });
        record.options.push(shown);
    }

    fn is_given(&self, option: &Arg) -> bool {
        self.own.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine)
    }

    fn is_there(&self, name: &str) -> bool {
        let given = option_of(self.command, name).is_some_and(|option| self.is_given(option));
        given || self.taken.iter().any(|(option, _)| option == name)
    }

    /// Whether nothing is there of what an option means something beside, in commands that have it.
    fn lacks(&self, option: &Arg) -> bool {
        let beside = option.get_long().and_then(needs).unwrap_or_default();
        let known = |need: &&&str| {
            let name = need.split_once('=').map_or(**need, |(name, _)| name);
            option_of(self.command, name).is_some()
        };
        let mut known = beside.iter().filter(known).peekable();
        known.peek().is_some() && !known.any(|need| self.has(need))
    }

    /// Whether an option is there, or has a value, as one of several and by default too.
    fn has(&self, need: &str) -> bool {
        let Some((name, value)) = need.split_once('=') else { return self.is_there(need) };
        let Some(option) = option_of(self.command, name) else { return false };
        let id = option.get_id().as_str();
        let given = self.own.get_raw(id).filter(|_| self.is_given(option));
        let usual = self.own.get_raw(id).filter(|_| !self.is_given(option));
        let is = |text: &str| text.split(',').any(|one| one == value);
        let start = format!("--{name}=");
        let taken = self.added.words.iter();
        let mut taken = taken.filter_map(|word| word.to_str()?.strip_prefix(&start)).peekable();
        match given.or(usual.filter(|_| taken.peek().is_none())) {
            Some(mut values) => values.any(|given| given.to_str().is_some_and(is)),
            None => taken.any(is),
        }
    }

    /// Whether all that the command is given without names are folders of features.
    fn has_folders_only(&self) -> bool {
        let places = self.command.get_arguments().filter(|option| option.is_positional());
        let given = |place: &Arg| self.own.get_raw(place.get_id().as_str());
        let mut paths = places.filter_map(given).flatten().map(Path::new).peekable();
        paths.peek().is_some() && paths.all(Features::is_whole)
    }

    /// Whether what is for images means nothing: of stored features, of folders of features, and preprocessing also of
    /// samples that are rows of numbers. Which samples are taken means something of those, and beside folders where they
    /// are given.
    fn has_no_images(&self, stored: bool, option: &str) -> bool {
        let data = option_of(self.command, "data").is_some_and(|data| self.is_given(data));
        let of = |name: &str| option_of(self.command, name).and_then(Arg::get_help_heading);
        match of(option) {
            _ if stored => true,
            Some("Data") => option != "batch-size" && self.has_folders_only() && !data,
            _ => self.has_folders_only() || *self.rows.get_or_init(|| self.has_rows()),
        }
    }

    /// Whether the samples are texts, tokens or other rows of numbers. A file that cannot be read is left to the run.
    fn has_rows(&self) -> bool {
        let given = option_of(self.command, "data")
            .and_then(|data| self.own.get_raw(data.get_id().as_str()))
            .map(|paths| paths.map(PathBuf::from).collect::<Vec<_>>());
        let taken = || {
            let words = self.added.words.iter();
            words.filter_map(|word| Some(word.to_str()?.strip_prefix("--data=")?.into())).collect()
        };
        let paths: Vec<PathBuf> = given.unwrap_or_else(taken);
        let is_rows = |path: &PathBuf| {
            path.is_file() && Dataset::open_inputs(path, None).is_ok_and(|data| !data.has_images())
        };
        self.is_there("tokenizer") || paths.iter().any(is_rows)
    }

    /// Whether an option means nothing beside what is there: steps beside a preset from elsewhere, what is for
    /// images where features are stored, what is for B where there is none.
    fn clashes(&self, option: &Arg, (place, of_list): (&Place, bool)) -> bool {
        let group = option.get_help_heading().unwrap_or_default();
        let preset = self.taken.iter().find(|(option, _)| option == "preprocess");
        let preset = match preset {
            Some((_, from)) => from != place,
            None => self.is_there("preprocess"),
        };
        let stored = self.is_there("features")
            || (option_of(self.command, "model").is_some() && !self.is_there("model"));
        let models = self.own.try_get_many::<PathBuf>("models").ok().flatten();
        let single = models.is_some_and(|models| models.count() < 2);
        let name = option.get_long().unwrap_or_default();
        let several = name == DEVICE && of_list;
        let is_divided = option_of(self.command, "shard").is_some();
        let for_b = group == "Preprocessing of B" || name.ends_with("-b");
        self.lacks(option)
            || (several && (!is_divided || self.is_there("shard")))
            || (OF_MODELS.contains(&name) && (stored || self.has_folders_only()))
            || (group == "Preprocessing" && preset)
            || (OF_IMAGES.contains(&group) && self.has_no_images(stored, name))
            || (for_b && single)
    }
}

/// Whether a device is a list of several, which are shards of a run.
fn is_list(device: &str) -> bool {
    device == "cuda:all" || device.contains(',')
}

fn does_not_go_together(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ArgumentConflict | ErrorKind::MissingRequiredArgument)
}

fn word(found: &Found, value: &str) -> String {
    match found.flag {
        true => format!("--{}", found.option),
        false => format!("--{}={value}", found.option),
    }
}

impl Place {
    fn error(&self, problem: &str) -> Error {
        match self {
            Self::Variable(name) => {
                Error::usage(format!("{name}: {problem}"), format!("correct {name}, or unset it"))
            }
            Self::Section(path, section) => {
                let problem = format!("[{section}] {problem}");
                Error::file("read", path, problem, "correct it, or give --no-config")
            }
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::Section(path, section) => write!(f, "[{section}] in {}", path.display()),
        }
    }
}
