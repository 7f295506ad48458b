//! Folders of features in place of one model, of both, or of many.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::kept::{Chosen, Folder};
use super::kept_names::refuse_index;
use super::models::Listening;
use super::notices;
use super::{accuracy, duplicates};
use crate::analysis::{Data, Draw, Observer, Precision, Running};
use crate::capture::kept::{Giver, GiverFeed, KeptSubject, StoredSamples};
use crate::capture::{Feed, Judged, Naming, Reduce, Source, Subject};
use crate::data::{Dataset, LoadOptions, Preprocess, Summary, mixed_order};
use crate::error::{Error, Result};
use crate::report::{DataInput, ModelInput, Warning};
use crate::similarity::Measure;
use crate::torchscript::device::{self, DeviceChoice};
use crate::torchscript::native;

/// Which layers of a folder are wanted: places among its layers.
pub type Choosing<'a> = dyn Fn(usize, &Folder) -> Result<Chosen> + 'a;

/// Makes the models ready that run: paths, with the place of each among all.
pub type Loading<'a> =
    dyn Fn(&[PathBuf], &[usize], &Running, &Dataset) -> Result<(Listening, Vec<Preprocess>)> + 'a;

/// What is asked of models of which some are folders.
pub struct Asked<'a> {
    /// All of them.
    pub models: &'a [PathBuf],
    /// The samples; those of the folders where none are given and all are folders.
    pub data: &'a Data,
    /// How models are loaded and run.
    pub running: &'a Running,
    /// From feature maps to rows.
    pub reduce: Reduce,
    /// What will be measured, where that are measures by name.
    pub measures: &'a [Measure],
    /// Names of the outputs of models.
    pub naming: Naming,
    /// Whether files are read in part only.
    pub parts: bool,
    /// Whether what the models themselves gave is taken from folders too.
    pub outputs: bool,
}

/// Models and folders, ready to give what their layers give.
pub struct Givers {
    givers: Vec<Giver>,
    /// The folders, at the places of those of the models that are some.
    folders: Vec<Option<Folder>>,
    /// What the report says of each.
    pub records: Vec<ModelInput>,
    /// What was noticed.
    pub warnings: Vec<Warning>,
    data: Option<(Dataset, Vec<Preprocess>, LoadOptions)>,
    known: Known,
    /// Seconds until they were ready.
    pub loading: f64,
    /// Where models run, or the folders were written.
    pub device: String,
}

/// What the first folder says of its samples.
struct Known {
    names: Vec<String>,
    data: DataInput,
    labels: Option<Vec<usize>>,
    classes: Vec<String>,
}

impl Asked<'_> {
    /// Whether some of the models are folders.
    pub fn any(models: &[PathBuf]) -> bool {
        models.iter().any(|path| path.is_dir())
    }

    /// Opens the folders and makes the models ready that are none.
    ///
    /// # Errors
    /// A folder or a model cannot be used, there are no data for a model, the samples are not the same, or options
    /// were given that folders do not have.
    pub fn open(&self, choose: &Choosing<'_>, load: &Loading<'_>) -> Result<Givers> {
        let started = Instant::now();
        let mut folders = Folder::among(self.models)?;
        folders.iter_mut().flatten().for_each(|folder| folder.hashed = !self.parts);
        let known = known(&folders)?;
        let running: Vec<usize> = (0..folders.len()).filter(|&i| folders[i].is_none()).collect();
        self.refuse_options(&folders, running.len())?;
        native::set_threads(self.running.threads());
        let mut warnings = same_samples(&folders)?;
        let dataset = match running.is_empty() && self.data.path.is_none() {
            true => None,
            false => Some(self.data.open_inputs(self.running.seed)?),
        };
        let own = of_models(self.running, &running, self.models.len());
        let paths: Vec<PathBuf> = running.iter().map(|&i| self.models[i].clone()).collect();
        let mut loaded: Vec<(Subject, ModelInput)> = vec![];
        let mut data = None;
        let mut device = self.device(&folders);
        if let Some(dataset) = dataset {
            for folder in folders.iter().flatten() {
                folder.rows_of(&dataset)?;
            }
            if !running.is_empty() {
                device = device::name(self.running.execution()?.device);
                let ((subjects, records, said), steps) = load(&paths, &running, &own, &dataset)?;
                loaded = subjects.into_iter().zip(records).collect();
                warnings.extend(said);
                data = Some((dataset, steps, self.data.load.options(self.running.threads())));
            }
        }
        let (mut givers, mut records) = (vec![], vec![]);
        let mut loaded = loaded.into_iter();
        for (place, folder) in folders.iter().enumerate() {
            match folder {
                Some(folder) => {
                    let (chosen, left_out) = choose(place, folder)?;
                    givers.push(Giver::Kept(self.kept(folder, &chosen)?));
                    records.push(folder.record(&chosen));
                    let told = folder.warnings(&chosen, (self.reduce, self.measures))?;
                    for warning in left_out.into_iter().chain(told) {
                        if !warnings.contains(&warning) {
                            warnings.push(warning);
                        }
                    }
                }
                None => {
                    let Some((subject, record)) = loaded.next() else { continue };
                    givers.push(Giver::Model(Box::new(subject)));
                    records.push(record);
                }
            }
        }
        let loading = started.elapsed().as_secs_f64();
        Ok(Givers { givers, folders, records, warnings, data, known, loading, device })
    }

    /// What a folder holds of some layers, with what the model itself gave where that is wanted.
    fn kept(&self, folder: &Folder, chosen: &[usize]) -> Result<KeptSubject> {
        let outputs = if self.outputs { folder.outputs()?.map(Box::new) } else { None };
        Ok(KeptSubject { outputs, ..folder.subject(chosen, self.reduce)? })
    }

    fn device(&self, folders: &[Option<Folder>]) -> String {
        let first = folders.iter().flatten().next();
        first.map_or(String::new(), |folder| folder.index.settings.device.clone())
    }

    fn refuse_options(&self, folders: &[Option<Folder>], running: usize) -> Result<()> {
        let Some(first) = folders.iter().flatten().next() else { return Ok(()) };
        let refuse = |problem: &str, remedy: &str| {
            Err(Error::usage(
                format!("{problem}, and {} is a folder of features", first.shown()),
                remedy,
            ))
        };
        let given = self.running.weights.iter().zip(folders);
        if given.clone().any(|(weights, folder)| weights.is_some() && folder.is_some()) {
            return refuse("weights are given for it", "give them to repsim features");
        }
        if running == 0 && self.data.path.is_none() && self.data.load.any() {
            return refuse(
                "options for images were given",
                "give --limit, --layout and --skip-unreadable to repsim features",
            );
        }
        if running == 0 && !self.running.channel_axes.is_empty() {
            return refuse("--channel-axis is given", "give it to repsim features");
        }
        if running > 0 && self.data.path.is_none() {
            return Err(Error::usage(
                "no data was given for the model that runs beside a folder of features",
                "name the samples of the folder with --data",
            ));
        }
        Ok(())
    }
}

/// Refuses a path where nothing is beside folders of features, as it may be that of a folder.
///
/// # Errors
/// Names the path.
pub fn refuse_missing<'a>(models: impl IntoIterator<Item = &'a PathBuf> + Clone) -> Result<()> {
    let any = models.clone().into_iter().any(|path| path.is_dir());
    let Some(path) = models.into_iter().find(|path| any && !path.exists()) else { return Ok(()) };
    let remedy = "give the path of a model, or of a folder that repsim features wrote";
    Err(Error::file("load", path, "there is no such file or folder", remedy))
}

/// Refuses options about how models run where all are folders of features: they would have no effect, and the report
/// would say it. Of a path where nothing is: [`refuse_missing`].
///
/// # Errors
/// Names the option, or the path.
pub fn refuse_running<'a>(
    models: impl IntoIterator<Item = &'a PathBuf> + Clone,
    running: &Running,
    output_index: Option<usize>,
) -> Result<()> {
    models.clone().into_iter().try_for_each(|path| refuse_index(path))?;
    refuse_missing(models.clone())?;
    let mut models = models.into_iter().peekable();
    let Some(first) = models.peek().map(|path| path.display().to_string()) else { return Ok(()) };
    if models.any(|path| !path.is_dir()) {
        return Ok(());
    }
    let Some(option) = option_of_models(running, output_index) else { return Ok(()) };
    Err(Error::usage(
        format!(
            "{option} is given, and {first} is a folder of features beside which no model runs"
        ),
        "give it to repsim features",
    ))
}

/// Refuses what was said of how models run, and samples are read for them, where there are stored representations in their
/// place. Of these `batches` may be taken.
///
/// # Errors
/// Names the option.
pub fn refuse_running_beside_arrays(running: &Running, data: &Data, batches: bool) -> Result<()> {
    let sized = data.load.batch_size != Data::default().load.batch_size;
    let given = [
        ("--trust-model", running.trust),
        ("--draw-seed", running.draw_seed.is_some()),
        ("--tokenizer", data.texts.tokenizer.is_some()),
        ("--workers", data.load.workers.is_some()),
        ("--batch-size", sized && !batches),
    ];
    let given = given.iter().find(|(_, is_given)| *is_given).map(|(option, _)| *option);
    match option_of_models(running, None).or(given) {
        None => Ok(()),
        Some(option) => Err(Error::usage(
            format!("{option} is given, and no model runs beside --features"),
            "leave it out",
        )),
    }
}

/// Refuses what was said of how models run where a file holds features or statistics, and no model is given.
///
/// # Errors
/// Names the option.
pub fn refuse_running_without(
    path: &Path,
    running: &Running,
    output_index: Option<usize>,
) -> Result<()> {
    match option_of_models(running, output_index) {
        None => Ok(()),
        Some(option) => Err(Error::usage(
            format!("{option} is given, and no model runs: {} is no set of images", path.display()),
            "leave it out, or name a model with --model",
        )),
    }
}

/// An option that was given and says how models run.
fn option_of_models(running: &Running, output_index: Option<usize>) -> Option<&'static str> {
    let given = [
        ("--device", running.device != DeviceChoice::Auto),
        ("--dtype", running.dtype.is_some()),
        ("--precision", running.precision != Precision::default()),
        ("--keep-state", running.keep_state),
        ("--no-optimize", !running.optimize),
        ("--input", !running.inputs.is_empty()),
        ("--output-key", !running.output_keys.is_empty()),
        ("--output-index", output_index.is_some()),
    ];
    given.iter().find(|(_, is_given)| *is_given).map(|(option, _)| *option)
}

fn known(folders: &[Option<Folder>]) -> Result<Known> {
    let first = folders.iter().flatten().next();
    let first = first.ok_or_else(|| Error::usage("no folder of features was given", "give one"))?;
    let (results, data) = (&first.index.results, &first.data);
    let (names, labels) = (results.names.clone(), results.labels.clone());
    let classes = results.classes.clone();
    Ok(Known { names, labels, classes, data: data.clone() })
}

/// Holds the samples of folders against those of the first.
fn same_samples(folders: &[Option<Folder>]) -> Result<Vec<Warning>> {
    let mut all = folders.iter().flatten();
    let Some(first) = all.next() else { return Ok(vec![]) };
    let warnings = all.map(|other| first.check_same(other)).collect::<Result<Vec<_>>>()?;
    Ok(warnings.into_iter().flatten().collect())
}

/// What of how so many models are run is for those at some places.
fn of_models(running: &Running, places: &[usize], count: usize) -> Running {
    let mut own = running.clone();
    if own.weights.len() == count {
        own.weights = places.iter().map(|&i| running.weights[i].clone()).collect();
    }
    if own.output_keys.len() == count && count > 1 {
        own.output_keys = places.iter().map(|&i| running.output_keys[i].clone()).collect();
    }
    own
}

impl Givers {
    /// What the layers of each are called, and their shapes as N×C×positions.
    pub fn layers(&self) -> Vec<Vec<(String, Vec<i64>)>> {
        let of = |giver: &Giver| match giver {
            Giver::Model(subject) => {
                subject.layers.iter().map(|l| (l.name.clone(), l.canonical_shape())).collect()
            }
            Giver::Kept(kept) => {
                kept.layers.iter().map(|l| (l.name.clone(), l.shape(kept.samples))).collect()
            }
        };
        self.givers.iter().map(of).collect()
    }

    /// Samples, as many as there are at most.
    pub fn samples(&self) -> usize {
        self.data.as_ref().map_or(self.known.names.len(), |(dataset, ..)| dataset.len())
    }

    /// Measures what the layers give; with `mixes` of the samples in random order.
    ///
    /// # Errors
    /// What `measuring` says, or the samples that a model ran on are not those of a folder.
    pub fn measure<T>(
        &mut self,
        asked: &Asked<'_>,
        (mixes, observer): (bool, &dyn Observer),
        measuring: impl FnOnce(&mut dyn Feed) -> Result<T>,
    ) -> Result<(T, DataInput)> {
        let (n, seed) = (self.samples(), asked.running.seed_of(Draw::Order, None));
        let order = if mixes { mixed_order(n, seed) } else { (0..n).collect() };
        self.place_rows(&order)?;
        let batch_size = asked.data.load.batch_size;
        let stored = StoredSamples { order: &order, names: &self.known.names, batch_size };
        let mixed = self.data.as_ref().map(|(dataset, ..)| dataset.only(&order));
        let source = self.data.as_ref().zip(mixed.as_ref()).map(|((_, steps, load), dataset)| {
            Source { dataset, preprocess: steps, load: load.clone() }
        });
        let feed = GiverFeed::new(&mut self.givers, source, stored);
        let mut feed = feed.mixed(mixes).naming(&asked.naming);
        let found = measuring(&mut feed)?;
        let (summary, judged) = (feed.summary.take(), feed.judged());
        let data = self.read((summary, judged), observer)?;
        self.warnings.extend(notices::of_padding(&data, asked.reduce));
        Ok((found, data))
    }

    /// Says of each sample of the data, in this order, which row of each folder is its own.
    fn place_rows(&mut self, order: &[usize]) -> Result<()> {
        let Some((dataset, ..)) = &self.data else { return Ok(()) };
        for (giver, folder) in self.givers.iter_mut().zip(&self.folders) {
            if let (Giver::Kept(kept), Some(folder)) = (giver, folder) {
                let rows = folder.rows_of(dataset)?;
                kept.rows = order.iter().map(|&i| rows[i]).collect();
            }
        }
        Ok(())
    }

    /// What was read, and what the models that ran on it said of it.
    fn read(
        &mut self,
        (summary, judged): (Option<Summary>, Vec<Option<Judged>>),
        observer: &dyn Observer,
    ) -> Result<DataInput> {
        let Some((dataset, steps, _)) = &self.data else { return Ok(self.known.data.clone()) };
        let copies = duplicates::of_data(summary.as_ref(), dataset.path());
        let data = DataInput::new(dataset, summary, steps);
        for folder in self.folders.iter().flatten() {
            if folder.fingerprint() != data.fingerprint {
                let problem = format!(
                    "{} and {} hold samples of the same names and other bytes",
                    data.path,
                    folder.shown()
                );
                return Err(Error::usage(
                    problem,
                    "give the data that the folder was written from",
                ));
            }
        }
        self.warnings.extend(copies);
        self.warnings.extend(notices::of_data(&data));
        for (record, judged) in self.records.iter_mut().zip(&judged) {
            if let Some(judged) = judged {
                let (records, judged) =
                    (std::slice::from_mut(record), std::slice::from_ref(judged));
                self.warnings.extend(accuracy::judge(records, &data.path, judged, observer));
            }
        }
        Ok(data)
    }

    /// The class of each sample by its position in the data, where they are known.
    pub fn labels(&self) -> Option<Vec<usize>> {
        match &self.data {
            Some((dataset, ..)) => dataset.labels().map(<[_]>::to_vec),
            None => self.known.labels.clone(),
        }
    }

    /// The name of a class, or its number.
    pub fn class_name(&self, class: usize) -> String {
        match &self.data {
            Some((dataset, ..)) => dataset.class_name(class),
            None => self.known.classes.get(class).cloned().unwrap_or_else(|| class.to_string()),
        }
    }
}
