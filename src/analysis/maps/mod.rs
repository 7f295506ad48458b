//! The feature maps of layers, beside those of another model where one is given.

mod channels;
mod results;

use std::path::{Path, PathBuf};
use std::time::Instant;

use tch::Tensor;

pub use self::channels::MapChannels;
use self::results::Run;
use super::{Data, Observer, Preprocessing, Running, patterns_b};
use crate::analysis::request::over_data;
use crate::analysis::session::models::MapsOf;
use crate::analysis::session::spatial::views as views_of;
use crate::analysis::session::{accuracy, beside, duplicates, load_all, models, notices, shown};
use crate::capture::maps::{Wanted, collect};
use crate::capture::{Judged, ModelFeed, Source, Subject, first_samples, to_tensor};
use crate::data::{Dataset, LoadOptions, Preprocess, Summary};
use crate::error::{Error, Result};
use crate::render::Image;
use crate::report::maps::MapsReport;
use crate::report::{Clock, DataInput, Inputs, ModelInput, Warning};
use crate::saliency::{Focus, images_of};
use crate::torchscript::{Execution, Folding, Grid, MapView, device};
use crate::view::maps::sheet::{Planned, Scale, Shown};

/// Channels of a layer that are shown where nothing else was asked for.
const SHOWN: usize = 8;

/// Channels of layers, what they are like over all images, and those of another model most like them.
///
/// ```
/// use repsim::analysis::{MapChannels, Maps, Silent};
///
/// # fn main() -> repsim::error::Result<()> {
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let model = |name: &str| format!("{folder}/models/fashion-{name}.pt");
/// let mut maps = Maps::new(model("seed0-scripted"))
///     .beside(model("seed1-traced"))
///     .data(format!("{folder}/images"))
///     .layers(["layer3"])
///     .limit(40);
/// maps.channels = Some(MapChannels::First(4));
/// let report = maps.run(&Silent, &mut ())?;
/// let layer = &report.results.layers[0];
/// assert_eq!(layer.shown.len(), 4);
/// assert!(layer.matching.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Maps {
    /// The model.
    pub model: PathBuf,
    /// Another, whose channels are matched with those of the first over all images.
    pub partner: Option<PathBuf>,
    /// Names or globs of the layers; empty for the last with a spatial map that the output depends on.
    pub layers: Vec<String>,
    /// Those of the other model, one for each of the first; empty for those of the same name.
    pub layers_b: Vec<String>,
    /// Rows and columns that tokens fold to; where nothing is said, those of the proportions of the image.
    pub grid: Option<Grid>,
    /// Which channels are shown; the eight most active where nothing is said.
    pub channels: Option<MapChannels>,
    /// Images shown, spread evenly over the data.
    pub rows: usize,
    /// What the colours of pictures of the maps are relative to.
    pub scale: Scale,
    /// Which element of a tuple that a model returns are its logits, for the accuracy.
    pub output_index: Option<usize>,
    /// The images.
    pub data: Data,
    /// What is done to them.
    pub preprocessing: Preprocessing,
    /// What is done to them for the other model, where that is something else.
    pub preprocessing_b: Preprocessing,
    /// How the models are loaded and run.
    pub running: Running,
}

/// Takes the maps of a run.
pub trait MapsSink {
    /// What will be shown, before anything is computed.
    ///
    /// # Errors
    /// It cannot be taken; nothing is computed then.
    fn begin(&mut self, _planned: &Planned) -> Result<()> {
        Ok(())
    }

    /// What is shown.
    ///
    /// # Errors
    /// It cannot be taken.
    fn take(&mut self, _shown: Shown) -> Result<()> {
        Ok(())
    }
}

/// The report alone.
impl MapsSink for () {}

/// The models, ready to run.
#[derive(Default)]
struct Opened {
    subjects: Vec<Subject>,
    /// For each model the places of its layers in the order in which they were named.
    orders: Vec<Vec<usize>>,
    records: Vec<ModelInput>,
    warnings: Vec<Warning>,
    views: Vec<Vec<MapView>>,
    /// The input of the first model that is shown, where it is a part of what that takes.
    focus: Option<Focus>,
}

over_data!(Maps, data);

impl Maps {
    /// The eight most active channels of the default layer, of six images.
    pub fn new(model: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            partner: None,
            layers: vec![],
            layers_b: vec![],
            grid: None,
            channels: None,
            rows: 6,
            scale: Scale::default(),
            output_index: None,
            data: Data::default(),
            preprocessing: Preprocessing::default(),
            preprocessing_b: Preprocessing::default(),
            running: Running::default(),
        }
    }

    /// Another model, whose channels are matched with those of the first.
    #[must_use]
    pub fn beside(mut self, partner: impl Into<PathBuf>) -> Self {
        self.partner = Some(partner.into());
        self
    }

    /// Names or globs of the layers.
    #[must_use]
    pub fn layers<S: Into<String>>(mut self, patterns: impl IntoIterator<Item = S>) -> Self {
        self.layers = patterns.into_iter().map(Into::into).collect();
        self
    }

    /// Runs the models over the images. The maps go to `sink`; `()` takes none.
    ///
    /// # Errors
    /// The models do not run on the data, have no such layers or channels, or what the sink says.
    pub fn run(&self, observer: &dyn Observer, sink: &mut dyn MapsSink) -> Result<MapsReport> {
        let clock = Clock::start();
        self.shown().check()?;
        let mut report = self.look(observer, sink)?;
        clock.stop(&mut report.timing);
        report.warnings.iter().for_each(|warning| observer.warning(warning));
        Ok(report)
    }

    fn look(&self, observer: &dyn Observer, sink: &mut dyn MapsSink) -> Result<MapsReport> {
        let loading = Instant::now();
        let dataset = self.open()?;
        let execution = self.running.execution()?;
        let both = (self.model.as_path(), self.partner.as_deref());
        let preprocess = self.preprocessing.for_two(&self.preprocessing_b, &dataset, both)?;
        let load = self.data.load.options(self.running.threads());
        let source = Source { dataset: &dataset, preprocess: &preprocess, load: load.clone() };
        let samples = first_samples(&source, 2)?;
        let mut opened = self.listen((&dataset, &samples), (&execution, observer))?;
        beside::tell(&self.preprocessing, &preprocess, observer);
        let views = std::mem::take(&mut opened.views);
        let pairs = opened.pairs()?;
        let wanted = Wanted { samples: dataset.spread(self.rows), pairs, views };
        sink.begin(&self.planned((&dataset, &wanted), &opened, &samples[0]))?;
        let loading = loading.elapsed().as_secs_f64();
        let mut feed = ModelFeed::new(&mut opened.subjects, source);
        let outcome = collect(&mut feed, &wanted, &mut *observer.passes())?;
        let (read, judged) = (feed.summary.take(), feed.judged());
        let of_shown = dataset.only(&outcome.samples);
        let images = pictures(&of_shown, &preprocess[0], &load, opened.focus.as_ref())?;
        let inputs =
            opened.inputs(&self.running, (&dataset, &preprocess), (read, &judged), observer);
        let order = opened.orders.swap_remove(0);
        let run = Run { asked: self, dataset: &dataset, subjects: &opened.subjects, order: &order };
        let of_run = (inputs, opened.warnings, device::name(execution.device), loading);
        let (report, columns) = run.report(&wanted, &outcome, of_run)?;
        sink.take(Shown { images, columns })?;
        Ok(report)
    }

    /// Which channels are shown.
    fn shown(&self) -> MapChannels {
        self.channels.clone().unwrap_or(MapChannels::MostActive(SHOWN))
    }

    /// The data: without another model no more than the images shown.
    fn open(&self) -> Result<Dataset> {
        let dataset = self.data.open_inputs(self.running.seed)?;
        match self.partner {
            Some(_) => Ok(dataset),
            None => Ok(dataset.only(&dataset.spread(self.rows))),
        }
    }

    /// Loads the models and finds their layers on the first samples, of each preprocessing one.
    fn listen(
        &self,
        (dataset, samples): (&Dataset, &[Tensor]),
        (execution, observer): (&Execution, &dyn Observer),
    ) -> Result<Opened> {
        let paths: Vec<PathBuf> =
            std::iter::once(&self.model).chain(&self.partner).cloned().collect();
        let patterns = [self.layers.as_slice(), patterns_b(&self.layers, &self.layers_b)];
        let mut opened = Opened::default();
        for (i, mut model) in load_all(&paths, &self.running)?.into_iter().enumerate() {
            let input = i.min(samples.len() - 1);
            model.choose_output(self.output_index);
            let wanted = (patterns[i], self.grid, dataset);
            let found = model.into_maps(&samples[input], wanted, (execution, observer), input)?;
            let MapsOf { mut subject, order, record, warnings, focus } = found;
            models::check_output(&mut subject.model, &samples[input])?;
            let images = images_of(focus.as_ref(), &samples[input]);
            let folding = Folding::of(&images, self.grid);
            opened.focus = opened.focus.or(focus);
            opened.views.push(views_of(&subject.model, &subject.layers, &folding)?);
            opened.subjects.push(subject);
            opened.orders.push(order);
            opened.records.push(record);
            opened.warnings.extend(warnings);
        }
        Ok(opened)
    }

    /// Names and sizes of what will be shown.
    fn planned(
        &self,
        (dataset, wanted): (&Dataset, &Wanted),
        opened: &Opened,
        sample: &Tensor,
    ) -> Planned {
        let size = |grid: Grid| (grid.rows as usize, grid.columns as usize);
        let mut columns = vec![];
        for (place, &a) in opened.orders[0].iter().enumerate() {
            let own = &opened.subjects[0].layers[a];
            let other = wanted.pairs.get(place).map(|&(_, b)| (1, b));
            let channels = own.canonical_shape().get(1).map_or(0, |&k| k as usize);
            for _ in 0..self.shown().count(channels) {
                for (model, layer) in std::iter::once((0, a)).chain(other) {
                    let name = opened.subjects[model].layers[layer].name.clone();
                    columns.push((name, size(wanted.views[model][layer].grid)));
                }
            }
        }
        let images = wanted.samples.iter().map(|&i| dataset.name(i)).collect();
        Planned {
            images,
            image: size(Folding::of(&images_of(opened.focus.as_ref(), sample), None).image),
            columns,
        }
    }
}

impl Opened {
    /// Layers that are held against each other, in the order in which they were named.
    fn pairs(&self) -> Result<Vec<(usize, usize)>> {
        let [a, b] = self.orders.as_slice() else { return Ok(vec![]) };
        if a.len() != b.len() {
            let path = |model: usize| -> &Path { self.subjects[model].model.path() };
            let problem = format!(
                "{} layers of {} are to be matched with {} of {}",
                a.len(),
                path(0).display(),
                b.len(),
                path(1).display()
            );
            return Err(Error::usage(problem, "name one --layers-b for each --layers"));
        }
        Ok(a.iter().copied().zip(b.iter().copied()).collect())
    }

    /// The models and the data, with what was noticed of them.
    fn inputs(
        &mut self,
        running: &Running,
        (dataset, preprocess): (&Dataset, &[Preprocess]),
        (read, judged): (Option<Summary>, &[Judged]),
        observer: &dyn Observer,
    ) -> Inputs {
        let copies = read.as_ref().and_then(|read| read.copies.as_deref());
        let path = dataset.path().display().to_string();
        self.warnings.extend(duplicates::of_images(copies, &path));
        let data = DataInput::new(dataset, read, preprocess);
        self.warnings.extend(notices::of_data(&data));
        let mut models = std::mem::take(&mut self.records);
        self.warnings.extend(accuracy::judge(&mut models, &data.path, judged, observer));
        Inputs { models, data: Some(data), ..running.inputs() }
    }
}

/// Images as the network sees them, to look at.
fn pictures(
    dataset: &Dataset,
    steps: &Preprocess,
    load: &LoadOptions,
    focus: Option<&Focus>,
) -> Result<Vec<Image>> {
    let load = LoadOptions { batch_size: dataset.len(), fingerprint: false, ..load.clone() };
    let of_images = dataset.has_images();
    let steps = if of_images { shown::steps(steps) } else { steps.clone() };
    let Some(batch) = dataset.batches(&[steps], &load)?.next().transpose()? else {
        return Ok(vec![]);
    };
    match of_images {
        true => Ok(shown::images(&batch.inputs[0])),
        false => shown::of_values(&images_of(focus, &to_tensor(&batch.inputs[0])?)),
    }
}
