//! How alike many models are, one layer each, and whether the better ones agree.

pub(in crate::analysis) mod kept;
mod results;

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::compare::{Chance, check_components};
use crate::analysis::request::over_data;
use crate::analysis::session::axes::{self, ChannelAxes};
use crate::analysis::session::kept_sides::{Asked, refuse_running_beside_arrays};
use crate::analysis::session::models::Listening;
use crate::analysis::session::target::{BY_LINE, names_in_order};
use crate::analysis::session::{accuracy, beside, duplicates, load_all, notices, stored};
use crate::analysis::{Data, Observer, Preprocessing, Running};
use crate::capture::represent::{Outcome, Wanted, represent};
use crate::capture::stored::StoredFeed;
use crate::capture::{Feed, Judged, ModelFeed, Naming, Reduce, Source, Subject, first_samples};
use crate::error::{Error, Result};
use crate::functional::checked_logits;
use crate::report::compare::MeasureOptions;
use crate::report::platonic::{PlatonicReport, PlatonicSettings};
use crate::report::{Clock, DataInput, Inputs, ModelInput, Warning};
use crate::saliency::forward;
use crate::similarity::{Measure, Options};
use crate::torchscript::{Execution, Selection, device, native};

/// One layer each of many models, aligned with each other on the same samples.
///
/// ```
/// use repsim::analysis::{Platonic, Silent};
///
/// # fn main() -> repsim::error::Result<()> {
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let model = |name: &str| format!("{folder}/models/fashion-{name}-scripted.pt");
/// let platonic = Platonic::new(["seed0", "mixup", "untrained"].map(model));
/// let report = platonic.data(format!("{folder}/images")).limit(40).run(&Silent)?;
/// assert_eq!(report.results.models.len(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Platonic {
    /// Two or more models.
    pub models: Vec<PathBuf>,
    /// Files of arrays instead, an array a model, rows matched by index.
    pub features: Vec<PathBuf>,
    /// The layer of all models, or of each in turn; empty for the input of the last linear layer.
    pub layers: Vec<String>,
    /// How two models are compared.
    pub measure: Measure,
    /// Options of the measure; a measure that is not symmetric is taken in both directions.
    pub options: Options,
    /// Principal components that each layer is reduced to first.
    pub components: Option<usize>,
    /// From feature maps to rows; not [`Reduce::Spatial`].
    pub reduce: Reduce,
    /// Bytes for features, Gram matrices and what the measure keeps of them.
    pub memory: u64,
    /// How values are held against chance.
    pub chance: Chance,
    /// A file with the names of the classes, a line for each logit.
    pub labels: Option<PathBuf>,
    /// Which element of a tuple that a model returns are its logits.
    pub output_index: Option<usize>,
    /// The samples.
    pub data: Data,
    /// What is done to them.
    pub preprocessing: Preprocessing,
    /// How the models are loaded and run.
    pub running: Running,
}

over_data!(Platonic, data);

impl Platonic {
    /// Mutual kNN of channel means at the input of the last linear layer, within 4 GiB.
    pub fn new<P: Into<PathBuf>>(models: impl IntoIterator<Item = P>) -> Self {
        Self {
            models: models.into_iter().map(Into::into).collect(),
            features: vec![],
            layers: vec![],
            measure: Measure::MutualKnn,
            options: Options { both_ways: true, ..Options::default() },
            components: None,
            reduce: Reduce::Gap,
            memory: 4 << 30,
            chance: Chance::default(),
            labels: None,
            output_index: None,
            data: Data::default(),
            preprocessing: Preprocessing::default(),
            running: Running::default(),
        }
    }

    /// Aligns the models with each other.
    ///
    /// # Errors
    /// Fewer than two models, settings that do not go together, files that cannot be read, a model that does
    /// not run on the data, or no pair with a value.
    pub fn run(&self, observer: &dyn Observer) -> Result<PlatonicReport> {
        let clock = Clock::start();
        self.check()?;
        if !self.features.is_empty() {
            refuse_running_beside_arrays(&self.running, &self.data, false)?;
        }
        let measures = std::slice::from_ref(&self.measure);
        let plan = self.chance.plan((measures, self.options), &self.running)?;
        let found = match self.features.is_empty() {
            true if Asked::any(&self.models) => kept::found(self, observer)?,
            true => models(self, observer)?,
            false => stored(self, observer)?,
        };
        // The threads are those of the pairs.
        let compared = || results::report(found, self, &plan, observer);
        let mut report = native::with_blas_threads(1, compared)?;
        clock.stop(&mut report.timing);
        report.warnings.iter().for_each(|warning| observer.warning(warning));
        Ok(report)
    }

    fn check(&self) -> Result<()> {
        let files = self.models.len().max(self.features.len());
        if self.features.is_empty() {
            check_count(self.models.len())?;
        }
        if self.layers.len() > 1 && self.layers.len() != files {
            let problem =
                format!("--layers is given {} times for {files} models", self.layers.len());
            return Err(Error::usage(problem, "give it once for all, or once for each in turn"));
        }
        Ok(())
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            reduce: self.reduce,
            options: self.options,
            measures: vec![self.measure],
            components: self.components,
            memory: self.memory,
            threads: self.running.threads(),
            halves: self.chance.at_a_time(self.running.threads()),
            grams: false,
            outputs: false,
        }
    }

    fn recorded(&self, device: &str) -> PlatonicSettings {
        PlatonicSettings {
            measure: self.measure.to_string(),
            options: MeasureOptions::of(&self.options),
            reduce: self.reduce,
            pca: self.components,
            chance: self.chance.recorded(&self.running),
            layers: self.layers.clone(),
            output_index: self.output_index,
            read: self.data.load.recorded(self.running.seed),
            optimize: self.running.optimize,
            precision: self.running.precision.recorded(),
            device: device.to_owned(),
        }
    }
}

/// Refuses fewer than two models.
fn check_count(count: usize) -> Result<()> {
    match count < 2 {
        true => Err(Error::usage(
            "one model aligns with no other",
            "give two models or more, or compare its layers with repsim compare",
        )),
        false => Ok(()),
    }
}

/// What was captured, and where from.
struct Found {
    inputs: Inputs,
    /// Names of the models, each once.
    names: Vec<String>,
    /// The layer of each.
    layers: Vec<String>,
    outcome: Outcome,
    /// The accuracy of each, or why it is not known.
    accuracy: Vec<Result<f64, String>>,
    labels: Option<Vec<usize>>,
    warnings: Vec<Warning>,
    loading: f64,
    device: String,
}

fn models(asked: &Platonic, observer: &dyn Observer) -> Result<Found> {
    let loading = Instant::now();
    let dataset = asked.data.open_inputs(asked.running.seed)?;
    check_components(asked.components, dataset.len())?;
    let named = asked.labels.as_deref().map(|path| names_in_order(path, BY_LINE)).transpose()?;
    let execution = asked.running.execution()?;
    let preprocess = [asked.preprocessing.for_models(&dataset, &asked.models)?];
    let load = asked.data.load.options(asked.running.threads());
    let source = Source { dataset: &dataset, preprocess: &preprocess, load };
    let (mut subjects, mut records, mut warnings) = listen(asked, &source, &execution)?;
    warnings.extend(axes::check(&subjects, asked.reduce)?);
    beside::tell_preset(&asked.preprocessing, &preprocess[0], observer);
    let loading = loading.elapsed().as_secs_f64();
    let mut feed = ModelFeed::new(&mut subjects, source);
    if let Some(names) = &named {
        feed = feed.naming(&Naming::Every(names.clone()));
    }
    let outcome = represent(&mut feed, &asked.wanted(), &mut *observer.passes())?;
    warnings.extend(duplicates::of_data(feed.summary.as_ref(), dataset.path()));
    let data = DataInput::new(&dataset, feed.summary.take(), &preprocess);
    warnings.extend(notices::of_data(&data));
    warnings.extend(notices::of_padding(&data, asked.reduce));
    let of = |labels: &[usize]| outcome.indices.iter().map(|&i| labels[i]).collect();
    let labels = dataset.labels().map(of);
    let judged = feed.judged();
    warnings.extend(accuracy::judge(&mut records, &data.path, &judged, observer));
    let accuracy = judged.iter().map(share).collect();
    let layer = |m: &ModelInput| m.layers.first().map_or(String::new(), |l| l.name.clone());
    let layers = records.iter().map(layer).collect();
    let names = unique(records.iter().map(|record| record.telling_path().to_owned()).collect());
    let inputs = Inputs { models: records, data: Some(data), ..asked.running.inputs() };
    let device = device::name(execution.device);
    Ok(Found { inputs, names, layers, outcome, accuracy, labels, warnings, loading, device })
}

/// The share of samples that a model is right on, or why that is not known.
pub(in crate::analysis) fn share(judged: &Judged) -> Result<f64, String> {
    judged.form.ok_or("the model gives no matrix of logits")?;
    let found = judged.accuracy.clone().ok_or("the data have no labels")?;
    Ok(found?.0.share())
}

/// One layer of each model: the one named, else the input of its last linear layer.
fn listen(asked: &Platonic, source: &Source<'_>, execution: &Execution) -> Result<Listening> {
    let all: Vec<usize> = (0..asked.models.len()).collect();
    listen_to((asked, &all), (&asked.models, &asked.running), source, execution)
}

/// The same of the models that stand at some places.
fn listen_to(
    (asked, places): (&Platonic, &[usize]),
    (models, running): (&[PathBuf], &Running),
    source: &Source<'_>,
    execution: &Execution,
) -> Result<Listening> {
    let loaded = load_all(models, running)?;
    let samples = first_samples(source, 2)?.swap_remove(0);
    let (mut subjects, mut records, mut warnings) = (vec![], vec![], vec![]);
    for (&i, mut model) in places.iter().zip(loaded) {
        model.feed(source.dataset)?;
        let layer = asked.layers.get(i).or(asked.layers.first()).map(String::as_str);
        if let Some(index) = asked.output_index {
            model.model.choose_output(index);
        }
        let (mut subject, record, said) = model.into_extractor(&samples, layer, execution)?;
        check_layer(&subject)?;
        if asked.output_index.is_some() {
            let logits = forward(&mut subject.model, &samples)?;
            drop(checked_logits(Some(logits), samples.size()[0] as usize)?);
        }
        subjects.push(subject);
        records.push(record);
        warnings.extend(said);
    }
    Ok((subjects, records, warnings))
}

fn check_layer(subject: &Subject) -> Result<()> {
    match subject.layers.is_empty() {
        false => Ok(()),
        true => Err(Error::file(
            "listen to",
            subject.model.path(),
            "it returns features and has no layer that is their input",
            "name a layer with --layers; `repsim layers` lists them",
        )),
    }
}

fn stored(asked: &Platonic, observer: &dyn Observer) -> Result<Found> {
    native::set_threads(asked.running.threads());
    let selections: Vec<Selection> = (0..asked.features.len())
        .map(|i| {
            let layer = asked.layers.get(i).or(asked.layers.first());
            Selection::new(layer.map_or(&[], std::slice::from_ref))
        })
        .collect::<Result<_>>()?;
    let channel_axes = ChannelAxes::new(&asked.running.channel_axes, asked.features.len());
    let files = stored::load(&asked.features, &selections)?;
    let labels = stored::labels_beside(&files)?;
    let files = stored::with_axes(files, &channel_axes, asked.reduce)?;
    let records = files.iter().map(stored::record).collect::<Result<_>>()?;
    let (mut names, mut layers, mut arrays, mut accuracy) = (vec![], vec![], vec![], vec![]);
    for file in files {
        let several = file.arrays.len() > 1;
        let path = file.path.display().to_string();
        let right = stored::accuracy(&file.path, labels.as_deref())?;
        for (name, layer) in file.arrays {
            names.push(if several { format!("{path}:{name}") } else { path.clone() });
            layers.push(name);
            accuracy.push(right.clone());
            arrays.push(vec![layer]);
        }
    }
    check_count(names.len())?;
    check_components(asked.components, arrays[0][0].values.shape()[0])?;
    let mut feed = StoredFeed::with_axes(&arrays, usize::MAX)?;
    let warnings = duplicates::of_layers(&names, &|i| feed.copies(i, 0));
    drop(arrays);
    let outcome = represent(&mut feed, &asked.wanted(), &mut *observer.passes())?;
    let inputs = Inputs { features: records, ..asked.running.inputs() };
    Ok(Found {
        inputs,
        names: unique(names),
        layers,
        outcome,
        accuracy,
        labels,
        warnings: warnings.into_iter().collect(),
        loading: 0.0,
        device: "cpu".to_owned(),
    })
}

/// The last parts of paths where they differ, else the paths, numbered where one recurs.
pub(in crate::analysis) fn unique(paths: Vec<String>) -> Vec<String> {
    let last = |path: &String| {
        let name = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| path.clone())
    };
    let short: Vec<String> = paths.iter().map(last).collect();
    let recurs = |names: &[String], i: usize| names.iter().filter(|n| **n == names[i]).count() > 1;
    let choose = |i: usize| match (recurs(&short, i), recurs(&paths, i)) {
        (false, _) => short[i].clone(),
        (true, false) => paths[i].clone(),
        (true, true) => {
            format!("{} ({})", paths[i], 1 + paths[..i].iter().filter(|p| **p == paths[i]).count())
        }
    };
    (0..paths.len()).map(choose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_each_is_there_once() {
        let paths = ["a/x.pt", "b/x.pt", "b/y.pt", "z.pt", "z.pt"].map(str::to_owned).to_vec();
        assert_eq!(unique(paths), ["a/x.pt", "b/x.pt", "y.pt", "z.pt (1)", "z.pt (2)"]);
    }
}
