//! One pass over the data: the rows of the layers of all models, of the controls, and the pixels.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::tasks::check_labels;
use super::{Probe, ProbeControl};
use crate::analysis::platonic::kept::share as share_of_record;
use crate::analysis::platonic::{share, unique};
use crate::analysis::session::axes::ChannelAxes;
use crate::analysis::session::kept::Folder;
use crate::analysis::session::kept_sides::{Asked, Givers};
use crate::analysis::session::models::{LoadedModel, listen};
use crate::analysis::session::{
    accuracy, axes, beside, duplicates, notices, stored, told, weights_of,
};
use crate::analysis::{Draw, Observer, Running};
use crate::capture::gather::{self, Gathered, Outcome, Wanted};
use crate::capture::stored::StoredFeed;
use crate::capture::{Feed, ModelFeed, Naming, Source, Subject, first_samples};
use crate::data::Dataset;
use crate::data::features::CLASSES;
use crate::error::{Error, Result};
use crate::report::{DataInput, Inputs, ModelInput, Warning};
use crate::torchscript::{Execution, Selection, device, native};

/// A layer and its rows.
pub struct Layer {
    pub name: String,
    pub rows: Gathered,
}

/// What a model is held against.
pub enum Control {
    /// These layers of something of this name.
    Layers(String, Vec<Layer>),
    /// The layers of another model's control.
    SameAs(usize),
    /// Nothing, and why.
    Missing(String),
}

/// A model.
pub struct Model {
    pub name: String,
    /// The share of the samples that it is right on, or why that is not known.
    pub accuracy: Result<f64, String>,
    pub layers: Vec<Layer>,
    pub control: Control,
}

/// What one pass gave.
pub struct Seen {
    pub inputs: Inputs,
    pub models: Vec<Model>,
    /// The pixels, or why there are none.
    pub pixels: Result<Gathered, String>,
    /// The class of each sample, where it is known.
    pub labels: Option<Vec<usize>>,
    /// Names of the classes by their numbers.
    pub classes: BTreeMap<usize, String>,
    /// Names of the samples.
    pub samples: Vec<String>,
    pub warnings: Vec<Warning>,
    pub loading: f64,
    pub timing: crate::capture::Timing,
    pub device: String,
}

/// What controls are called that are models with re-initialised weights.
pub const REDRAWN: &str = "redrawn";

const NOT_ASKED: &str = "none was asked for";

impl Seen {
    /// Runs the models, or reads what they gave.
    ///
    /// # Errors
    /// As [`Probe::run`].
    pub fn of(asked: &Probe, observer: &dyn Observer) -> Result<Self> {
        let control = asked.control_path();
        let folders = Asked::any(&asked.models) || control.is_some_and(Path::is_dir);
        match asked.features.is_empty() {
            true if folders => kept(asked, observer),
            true => models(asked, observer),
            false => arrays(asked, observer),
        }
    }

    /// Whether a model was re-initialised.
    pub fn redrawn(&self) -> bool {
        let is =
            |model: &Model| matches!(&model.control, Control::Layers(name, _) if name == REDRAWN);
        self.models.iter().any(is)
    }
}

impl Probe {
    fn control_path(&self) -> Option<&Path> {
        match &self.control {
            ProbeControl::Model(path) => Some(path),
            _ => None,
        }
    }

    /// The models, and behind them the control where that is one.
    fn paths(&self) -> Vec<PathBuf> {
        self.models
            .iter()
            .map(PathBuf::as_path)
            .chain(self.control_path())
            .map(Path::to_owned)
            .collect()
    }

    /// How all of these are run: a control has its own weights.
    fn running(&self) -> Result<Running> {
        let mut running = self.running.clone();
        let weights = weights_of(&running, self.models.len())?;
        if self.control_path().is_some() {
            running.weights = weights.into_iter().chain([None]).collect();
            if running.output_keys.len() > 1 {
                running.output_keys.push(None);
            }
        }
        Ok(running)
    }

    fn wanted(&self, pixels: bool) -> Wanted {
        Wanted { reduce: self.reduce, pixels, memory: self.memory }
    }

    /// Refuses, before anything runs, classes that cannot be divided.
    fn check_labels(
        &self,
        labels: Option<&[usize]>,
        name: &dyn Fn(usize) -> String,
        place: &str,
    ) -> Result<()> {
        match self.targets {
            Some(_) => Ok(()),
            None => check_labels(labels, name, (self.share, place)),
        }
    }

    /// The classes of rows that files of arrays hold beside features, where no other ones are given; several files
    /// have to agree.
    fn stored_labels(&self, files: &[stored::Stored]) -> Result<Option<Vec<usize>>> {
        let rows = files.iter().flat_map(|(_, arrays)| arrays).map(|array| array.values.shape()[0]);
        let samples = rows.min().unwrap_or(0);
        match self.classes.is_some() || self.targets.is_some() {
            true => Ok(None),
            false => stored::labels(files.iter().map(|(path, _)| path.as_path()), samples),
        }
    }

    /// Refuses layers of at least as many features as samples to fit on, without a penalty.
    fn check_widths(&self, feed: &dyn Feed) -> Result<()> {
        if !self.kinds.iter().any(|kind| kind.is_linear()) || !self.grids.alphas.contains(&0.0) {
            return Ok(());
        }
        let fit = self.share.fitted(feed.samples());
        let shapes = feed.shapes();
        let widths = shapes.iter().flatten().map(|shape| self.reduce.width(shape));
        match widths.max().filter(|width| *width + 1 >= fit) {
            None => Ok(()),
            Some(width) => Err(Error::usage(
                format!(
                    "--alpha 0: a layer has {width} features, and {fit} samples to fit them on: any labels would fit"
                ),
                "leave 0 out of --alpha, or give more samples or narrower --layers",
            )),
        }
    }
}

fn layers(names: Vec<String>, rows: Vec<Gathered>) -> Vec<Layer> {
    names.into_iter().zip(rows).map(|(name, rows)| Layer { name, rows }).collect()
}

/// The models with their controls: layers of as many models, and behind them those of the control, or of the
/// re-initialised models, by what each of these belongs to.
fn together(
    (names, accuracy): (Vec<String>, Vec<Result<f64, String>>),
    mut all: Vec<Vec<Layer>>,
    controls: Vec<Result<String, String>>,
) -> Vec<Model> {
    let mut behind = all.split_off(names.len()).into_iter();
    let one_for_all = behind.len() == 1 && controls.iter().all(Result::is_ok) && controls.len() > 1;
    let mut made = vec![];
    for (((name, accuracy), layers), control) in
        names.into_iter().zip(accuracy).zip(all).zip(controls)
    {
        let control = match control {
            Ok(_) if one_for_all && !made.is_empty() => Control::SameAs(0),
            Ok(name) => Control::Layers(name, behind.next().unwrap_or_default()),
            Err(why) => Control::Missing(why),
        };
        made.push(Model { name, accuracy, layers, control });
    }
    made
}

fn models(asked: &Probe, observer: &dyn Observer) -> Result<Seen> {
    let loading = Instant::now();
    let dataset = asked.data.open_inputs(asked.running.seed)?;
    let place = dataset.path().display().to_string();
    asked.check_labels(dataset.labels(), &|class| dataset.class_name(class), &place)?;
    let (running, paths) = (asked.running()?, asked.paths());
    let execution = running.execution()?;
    let preprocess = [asked.preprocessing.for_models(&dataset, &paths)?];
    let load = asked.data.load.options(running.threads());
    let source = Source { dataset: &dataset, preprocess: &preprocess, load };
    let selection = Selection::new(&asked.layers)?;
    let selections = vec![selection.clone(); paths.len()];
    let (mut subjects, mut records, mut warnings) = listen(
        &paths,
        (&running, asked.output_index),
        &source,
        (&selections, asked.reduce),
        &execution,
    )?;
    warnings.extend(axes::check(&subjects, asked.reduce)?);
    let count = asked.models.len();
    beside::tell_preset(&asked.preprocessing, &preprocess[0], observer);
    told::tell_default(&records[..count], &selections[..count], observer);
    let controls = match &asked.control {
        ProbeControl::Redrawn => {
            let drawing =
                Redrawing { asked, source: &source, selection: &selection, execution: &execution };
            drawing.all(&records, &mut subjects, &mut warnings)?
        }
        ProbeControl::Model(path) => {
            vec![Ok(unique(vec![path.display().to_string()]).remove(0)); count]
        }
        ProbeControl::None => vec![Err(NOT_ASKED.to_owned()); count],
    };
    let loading = loading.elapsed().as_secs_f64();
    let of = |subject: &Subject| subject.layers.iter().map(|layer| layer.name.clone()).collect();
    let names: Vec<Vec<String>> = subjects.iter().map(of).collect();
    let mut feed = ModelFeed::new(&mut subjects, source);
    asked.check_widths(&feed)?;
    let wanted = asked.wanted(dataset.has_images());
    let outcome = gather::gather(&mut feed, wanted, &mut *observer.passes())?;
    let copies = feed.summary.as_ref().and_then(|summary| summary.copies.clone());
    warnings.extend(duplicates::of_fit(copies.as_deref(), &place));
    let data = DataInput::new(&dataset, feed.summary.take(), &preprocess);
    warnings.extend(notices::of_data(&data));
    warnings.extend(notices::of_padding(&data, asked.reduce));
    let judged = feed.judged();
    warnings.extend(accuracy::judge(&mut records[..count], &data.path, &judged[..count], observer));
    let accuracy = judged[..count].iter().map(share).collect();
    let own = records[..count].iter().map(|record| record.telling_path().to_owned()).collect();
    let all =
        names.into_iter().zip(outcome.layers).map(|(names, rows)| layers(names, rows)).collect();
    let labels = dataset.labels();
    let classes = classes_of(labels, |class| dataset.class_name(class));
    Ok(Seen {
        labels: labels.map(|all| outcome.indices.iter().map(|&i| all[i]).collect()),
        classes,
        models: together((unique(own), accuracy), all, controls),
        pixels: outcome.pixels.ok_or_else(|| "the models do not take images".to_owned()),
        samples: outcome.names,
        inputs: Inputs { models: records, data: Some(data), ..asked.running.inputs() },
        warnings,
        loading,
        timing: outcome.timing,
        device: device::name(execution.device),
    })
}

/// Names of the classes that occur, by their numbers.
fn classes_of(labels: Option<&[usize]>, name: impl Fn(usize) -> String) -> BTreeMap<usize, String> {
    labels.unwrap_or_default().iter().map(|&class| (class, name(class))).collect()
}

/// Models with re-initialised weights, listened to at the same layers.
struct Redrawing<'a> {
    asked: &'a Probe,
    source: &'a Source<'a>,
    selection: &'a Selection,
    execution: &'a Execution,
}

impl Redrawing<'_> {
    /// One behind each model that has weights to redraw; of the others why there is none.
    fn all(
        &self,
        records: &[ModelInput],
        subjects: &mut Vec<Subject>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<Result<String, String>>> {
        let samples = first_samples(self.source, 2)?.swap_remove(0);
        let weights = weights_of(&self.asked.running, self.asked.models.len())?;
        let mut found = vec![];
        for ((path, weights), record) in self.asked.models.iter().zip(&weights).zip(records) {
            let same = (record.sha256.as_str(), record.output_key.as_deref());
            let mut again =
                LoadedModel::again((path, weights.as_ref()), same, &self.asked.running)?;
            let stages = again.model.stages()?;
            if stages.iter().all(|stage| stage.parameters.is_empty()) {
                let why = "it has no parameters that could be re-initialised (it was frozen when it was exported)";
                let text = format!(
                    "{}: no control beside the probes: {why}; give an untrained network with --control",
                    path.display()
                );
                warnings.push(Warning::new("no-control", path.display(), text));
                found.push(Err(why.to_owned()));
                continue;
            }
            again = again.redrawn(&stages, self.asked.seed(Draw::Control))?;
            again.feed(self.source.dataset)?;
            again.choose_output(self.asked.output_index);
            let how = (self.selection, self.asked.reduce);
            let (subject, ..) = again.into_subject(&samples, how, self.execution, 0)?;
            subjects.push(subject);
            found.push(Ok(REDRAWN.to_owned()));
        }
        Ok(found)
    }
}

/// What folders of features hold, beside what models give that run.
fn kept(asked: &Probe, observer: &dyn Observer) -> Result<Seen> {
    let paths = asked.paths();
    refuse_preprocessing(asked, &paths)?;
    let running = asked.running()?;
    let of_models = Asked {
        models: &paths,
        data: &asked.data,
        running: &running,
        reduce: asked.reduce,
        measures: &[],
        naming: Naming::default(),
        parts: false,
        outputs: false,
    };
    let selection = Selection::new(&asked.layers)?;
    let choose = |_: usize, folder: &Folder| folder.choose(&selection, asked.reduce);
    let mut givers = of_models.open(&choose, &|paths, _, running, dataset: &Dataset| {
        let steps = vec![asked.preprocessing.for_models(dataset, paths)?];
        let load = asked.data.load.options(running.threads());
        let source = Source { dataset, preprocess: &steps, load };
        let selections = vec![selection.clone(); paths.len()];
        let execution = running.execution()?;
        let how = (&selections[..], asked.reduce);
        let mut found = listen(paths, (running, asked.output_index), &source, how, &execution)?;
        found.2.extend(axes::check(&found.0, asked.reduce)?);
        beside::tell_preset(&asked.preprocessing, &steps[0], observer);
        Ok((found, steps))
    })?;
    let first = paths.first().map_or(String::new(), |path| path.display().to_string());
    asked.check_labels(givers.labels().as_deref(), &|class| givers.class_name(class), &first)?;
    let names: Vec<Vec<String>> = givers
        .layers()
        .into_iter()
        .map(|all| all.into_iter().map(|(name, _)| name).collect())
        .collect();
    let (outcome, data) = givers.measure(&of_models, (false, observer), |feed| {
        asked.check_widths(feed)?;
        gather::gather(feed, asked.wanted(true), &mut *observer.passes())
    })?;
    Ok(of_givers(asked, givers, (outcome, data), names))
}

fn refuse_preprocessing(asked: &Probe, paths: &[PathBuf]) -> Result<()> {
    match paths.iter().all(|path| path.is_dir()) && asked.preprocessing.any() {
        false => Ok(()),
        true => Err(Error::usage(
            "preprocessing was given, and no model runs beside the folders of features",
            "give --preprocess and the like to repsim features",
        )),
    }
}

fn of_givers(
    asked: &Probe,
    givers: Givers,
    (outcome, data): (Outcome, DataInput),
    names: Vec<Vec<String>>,
) -> Seen {
    let count = asked.models.len();
    let labels = givers.labels();
    let classes = classes_of(labels.as_deref(), |class| givers.class_name(class));
    let Givers { records, mut warnings, loading, device, .. } = givers;
    let path = |record: &ModelInput| match &record.features {
        Some(folder) => folder.path.clone(),
        None => record.telling_path().to_owned(),
    };
    let own = unique(records[..count].iter().map(path).collect());
    let accuracy = records[..count].iter().map(share_of_record).collect();
    let beside = "beside folders of features no network is re-initialised";
    let controls = match &asked.control {
        ProbeControl::Redrawn => {
            let text = format!(
                "no control beside the probes: {beside}; give the features of an untrained network with --control"
            );
            warnings.push(Warning::new("no-control", "--control", text));
            vec![Err(beside.to_owned()); count]
        }
        ProbeControl::Model(path) => {
            vec![Ok(unique(vec![path.display().to_string()]).remove(0)); count]
        }
        ProbeControl::None => vec![Err(NOT_ASKED.to_owned()); count],
    };
    let all =
        names.into_iter().zip(outcome.layers).map(|(names, rows)| layers(names, rows)).collect();
    Seen {
        labels: labels.map(|all| outcome.indices.iter().map(|&i| all[i]).collect()),
        classes,
        models: together((own, accuracy), all, controls),
        pixels: outcome
            .pixels
            .ok_or_else(|| "no model runs on images beside the folders of features".to_owned()),
        samples: outcome.names,
        inputs: Inputs { models: records, data: Some(data), ..asked.running.inputs() },
        warnings,
        loading,
        timing: outcome.timing,
        device,
    }
}

/// Arrays in place of models, a file each.
fn arrays(asked: &Probe, observer: &dyn Observer) -> Result<Seen> {
    native::set_threads(asked.running.threads());
    let selection = Selection::new(&asked.layers)?;
    let channel_axes = ChannelAxes::new(&asked.running.channel_axes, asked.features.len());
    let files = stored::load(&asked.features, &vec![selection; asked.features.len()])?;
    let labels = asked.stored_labels(&files)?;
    let files = files.into_iter().map(without_labels).collect::<Result<Vec<_>>>()?;
    let files = stored::with_axes(files, &channel_axes, asked.reduce)?;
    let features = files.iter().map(stored::record).collect::<Result<_>>()?;
    let own = unique(files.iter().map(|file| file.path.display().to_string()).collect());
    let named = stored::named(&files);
    let arrays: Vec<_> = files.into_iter().map(stored::layers).collect();
    let mut feed = StoredFeed::with_axes(&arrays, asked.data.load.batch_size)?;
    asked.check_widths(&feed)?;
    let warnings = duplicates::of_fit_features(&named, &feed);
    drop(arrays);
    let outcome = gather::gather(&mut feed, asked.wanted(false), &mut *observer.passes())?;
    let right = |(path, _): &(PathBuf, Vec<String>)| stored::accuracy(path, labels.as_deref());
    let accuracy = named.iter().map(right).collect::<Result<_>>()?;
    let why = "stored features have no weights that could be re-initialised".to_owned();
    let controls = vec![Err(why); own.len()];
    let names = named.into_iter().map(|(_, names)| names);
    let all = names.zip(outcome.layers).map(|(names, rows)| layers(names, rows)).collect();
    Ok(Seen {
        labels,
        classes: BTreeMap::new(),
        models: together((own, accuracy), all, controls),
        pixels: Err("stored features have no pixels".to_owned()),
        samples: outcome.names,
        inputs: Inputs { features, ..asked.running.inputs() },
        warnings,
        loading: 0.0,
        timing: outcome.timing,
        device: "cpu".to_owned(),
    })
}

/// The arrays of a file that are features: its classes are none.
fn without_labels((path, mut arrays): stored::Stored) -> Result<stored::Stored> {
    arrays.retain(|array| array.name != CLASSES);
    match arrays.is_empty() {
        false => Ok((path, arrays)),
        true => {
            let problem = format!("what was chosen of it is {CLASSES}, which are read out");
            let remedy = "choose arrays of features with --layers";
            Err(Error::file("take features from", path, problem, remedy))
        }
    }
}
