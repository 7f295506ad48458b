//! Which input patterns the channels of layers answer to, and whether those of another model answer to the
//! same ones.

mod comparison;
mod fields;
mod pictures;
mod results;

use std::path::PathBuf;
use std::time::Instant;

use tch::Tensor;

use self::fields::Told;
use self::pictures::Gallery;
use self::results::Run;
use super::maps::MapChannels;
use super::{Data, Observer, Preprocessing, Running, patterns_b};
use crate::analysis::request::over_data;
use crate::analysis::session::patches::PatchesOf;
use crate::analysis::session::{accuracy, beside, duplicates, load_all, models, notices};
use crate::capture::patterns::{UnitView, Wanted, collect};
use crate::capture::{ModelFeed, Source, Subject, first_samples};
use crate::data::{Dataset, Preprocess};
use crate::error::{Error, Result};
use crate::patterns::Fields;
use crate::report::patterns::PatternsReport;
use crate::report::{Clock, DataInput, Inputs, ModelInput, Warning};
use crate::saliency::Focus;
use crate::torchscript::{Execution, Grid, device};
use crate::view::names::counted;
use crate::view::patterns::sheet::{Planned, Shown};

/// Rows of a sheet where nothing else was asked for.
const ROWS: usize = 12;

/// Images that are kept of each channel where nothing else was asked for.
const TOP: usize = 9;

/// The patches of the data that drive each channel of a layer most; with another model those that its channels
/// share.
///
/// ```
/// use repsim::analysis::{Patterns, Silent};
///
/// # fn main() -> repsim::error::Result<()> {
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let report = Patterns::new(format!("{folder}/models/fashion-seed0-scripted.pt"))
///     .data(format!("{folder}/images"))
///     .layers(["layer1"])
///     .limit(40)
///     .run(&Silent, &mut ())?;
/// assert_eq!(report.results.layers[0].channels.len(), 16);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Patterns {
    /// The model.
    pub model: PathBuf,
    /// Another, whose channels are matched with those of the first over all images.
    pub partner: Option<PathBuf>,
    /// Names or globs of the layers; empty for the last with a spatial map that the output depends on.
    pub layers: Vec<String>,
    /// Those of the other model, one for each of the first; empty for those of the same name.
    pub layers_b: Vec<String>,
    /// Rows and columns that tokens fold to.
    pub grid: Option<Grid>,
    /// Channels that are reported; all where there are none.
    pub pick: Vec<usize>,
    /// Images with the largest values that are kept of each channel; nine where nothing is said, or all where those are
    /// fewer.
    pub top: Option<usize>,
    /// Those with the smallest.
    pub bottom: usize,
    /// Those with the largest of each class.
    pub class_patches: usize,
    /// Correlation from which matched channels count as highly correlated.
    pub correlated: f64,
    /// Most channels of a layer on the sheet.
    pub rows: usize,
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

/// Takes the patches of a run.
pub trait PatternsSink {
    /// Whether patches are wanted: the images that hold them are read again.
    fn wants_patches(&self) -> bool {
        false
    }

    /// How large the sheet will be at most, before anything is computed.
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
impl PatternsSink for () {}

/// The models, ready to run.
#[derive(Default)]
struct Opened {
    subjects: Vec<Subject>,
    sides: Vec<Side>,
    records: Vec<ModelInput>,
    warnings: Vec<Warning>,
}

/// What is known of the layers of a model.
struct Side {
    views: Vec<UnitView>,
    fields: Vec<Result<Fields, String>>,
    order: Vec<usize>,
    focus: Option<Focus>,
    /// Rows and columns of the image as the network sees it.
    image: (usize, usize),
}

over_data!(Patterns, data);

impl Patterns {
    /// The nine images that drive each channel of the default layer most.
    pub fn new(model: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            partner: None,
            layers: vec![],
            layers_b: vec![],
            grid: None,
            pick: vec![],
            top: None,
            bottom: 0,
            class_patches: 0,
            correlated: 0.5,
            rows: ROWS,
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

    /// Runs the models over the images once. Patches go to `sink`; `()` takes none.
    ///
    /// # Errors
    /// The models do not run on the data, have no such layers or channels, more images are wanted than there are,
    /// or what the sink says.
    pub fn run(
        &self,
        observer: &dyn Observer,
        sink: &mut dyn PatternsSink,
    ) -> Result<PatternsReport> {
        let clock = Clock::start();
        if !self.pick.is_empty() {
            MapChannels::These(self.pick.clone()).check()?;
        }
        let mut report = self.look(observer, sink)?;
        clock.stop(&mut report.timing);
        report.warnings.iter().for_each(|warning| observer.warning(warning));
        Ok(report)
    }

    fn look(&self, observer: &dyn Observer, sink: &mut dyn PatternsSink) -> Result<PatternsReport> {
        let loading = Instant::now();
        let dataset = self.data.open_inputs(self.running.seed)?;
        self.check(&dataset)?;
        let asked = Self { top: Some(self.top_of(&dataset, observer)), ..self.clone() };
        asked.look_at(&dataset, loading, observer, sink)
    }

    fn look_at(
        &self,
        dataset: &Dataset,
        loading: Instant,
        observer: &dyn Observer,
        sink: &mut dyn PatternsSink,
    ) -> Result<PatternsReport> {
        let execution = self.running.execution()?;
        let both = (self.model.as_path(), self.partner.as_deref());
        let preprocess = self.preprocessing.for_two(&self.preprocessing_b, dataset, both)?;
        let load = self.data.load.options(self.running.threads());
        let source = Source { dataset, preprocess: &preprocess, load: load.clone() };
        let samples = first_samples(&source, 2)?;
        let mut opened = self.listen((dataset, &samples), (&execution, observer))?;
        beside::tell(&self.preprocessing, &preprocess, observer);
        self.check_channels(&opened)?;
        let wanted = self.wanted(dataset, &opened)?;
        if sink.wants_patches() {
            sink.begin(&self.planned(&opened, &wanted))?;
        }
        let loading = loading.elapsed().as_secs_f64();
        let mut feed = ModelFeed::new(&mut opened.subjects, source);
        let outcome = collect(&mut feed, &wanted, &mut *observer.passes())?;
        let (read, judged) = (feed.summary.take(), feed.judged());
        let told = fields::tell(&mut opened, &outcome, &samples)?;
        let copies = read.as_ref().and_then(|read| read.copies.as_deref());
        let path = dataset.path().display().to_string();
        let mut warnings = std::mem::take(&mut opened.warnings);
        warnings.extend(duplicates::of_images(copies, &path));
        let data = DataInput::new(dataset, read, &preprocess);
        warnings.extend(notices::of_data(&data));
        let mut records = std::mem::take(&mut opened.records);
        warnings.extend(accuracy::judge(&mut records, &data.path, &judged, observer));
        let inputs = Inputs { models: records, data: Some(data), ..self.running.inputs() };
        let classes = wanted.classes.as_ref();
        let run = Run { asked: self, dataset, classes, opened: &opened, told: &told };
        let of_run = (inputs, warnings, device::name(execution.device), loading);
        let report = run.report((&wanted, &outcome), of_run)?;
        if sink.wants_patches() {
            let gallery = Gallery { dataset, preprocess: &preprocess, load: &load };
            sink.take(gallery.shown(&run, (&report, &outcome))?)?;
        }
        Ok(report)
    }

    /// Refuses more images than there are, and classes where there are none.
    fn check(&self, dataset: &Dataset) -> Result<()> {
        let wanted = [("--top", self.top.unwrap_or(0)), ("--bottom", self.bottom)];
        if let Some((option, count)) = wanted.into_iter().find(|(_, count)| *count > dataset.len())
        {
            let problem = format!("{option} {count} is more than the {} samples", dataset.len());
            return Err(Error::usage(problem, format!("give at most {}", dataset.len())));
        }
        if self.class_patches > 0 && dataset.labels().is_none() {
            return Err(Error::usage(
                "--class-patches needs the class of each image, and the data have none",
                "give a folder with a sub-folder a class, or leave it out",
            ));
        }
        Ok(())
    }

    /// Images that are kept of each channel.
    fn tops(&self) -> usize {
        self.top.unwrap_or(TOP)
    }

    /// As many images of each channel as were asked for; of fewer samples than are usual all, and says so.
    fn top_of(&self, dataset: &Dataset, observer: &dyn Observer) -> usize {
        if self.top.is_none() && dataset.len() < TOP {
            let samples = counted(dataset.len(), "sample");
            observer.note(&format!("--top {}: there are {samples}", dataset.len()));
        }
        self.tops().min(dataset.len())
    }

    /// Refuses channels that a layer of the first model does not have.
    fn check_channels(&self, opened: &Opened) -> Result<()> {
        for layer in &opened.subjects[0].layers {
            let count = layer.canonical_shape().get(1).map_or(0, |&k| k as usize);
            if let Some(channel) = self.pick.iter().find(|channel| **channel >= count) {
                return Err(Error::usage(
                    format!("there is no channel {channel}: {} has {count}", layer.name),
                    format!("name channels from 0 to {}", count.saturating_sub(1)),
                ));
            }
        }
        Ok(())
    }

    /// Loads the models, and finds their layers and what of the image their units depend on.
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
            let found =
                model.into_patches(&samples[input], wanted, (execution, observer), input)?;
            let PatchesOf { mut subject, views, fields, order, record, warnings, focus, image } =
                found;
            models::check_output(&mut subject.model, &samples[input])?;
            opened.subjects.push(subject);
            opened.sides.push(Side { views, fields, order, focus, image });
            opened.records.push(record);
            opened.warnings.extend(warnings);
        }
        Ok(opened)
    }

    fn wanted(&self, dataset: &Dataset, opened: &Opened) -> Result<Wanted> {
        Ok(Wanted {
            views: opened.sides.iter().map(|side| side.views.clone()).collect(),
            pairs: opened.pairs()?,
            top: self.tops(),
            bottom: self.bottom,
            of_class: self.class_patches,
            classes: dataset.numbered_classes(),
        })
    }

    /// How large the sheet will be at most.
    fn planned(&self, opened: &Opened, wanted: &Wanted) -> Planned {
        let classes = if self.class_patches > 0 { wanted.class_count() } else { 0 };
        let layers = opened.subjects[0].layers.iter();
        let shown = |channels: usize| match self.pick.len() {
            0 => channels.min(self.rows),
            picked => picked,
        };
        let channels =
            layers.map(|layer| layer.canonical_shape().get(1).map_or(0, |&k| k as usize));
        Planned {
            rows: channels.map(shown).sum::<usize>() * (1 + classes),
            columns: self.columns(),
            image: opened.sides[0].image,
        }
    }

    /// Columns of the sheet: what they are of, and how many.
    fn columns(&self) -> Vec<(String, usize)> {
        let most = self.tops().max(self.class_patches);
        let top = match self.partner {
            Some(_) => vec![("A".to_owned(), most), ("B".to_owned(), self.tops())],
            None => vec![("largest".to_owned(), most)],
        };
        let bottom = (self.bottom > 0).then(|| ("smallest".to_owned(), self.bottom));
        top.into_iter().chain(bottom).collect()
    }
}

impl Opened {
    /// Layers that are held against each other, in the order in which they were named.
    fn pairs(&self) -> Result<Vec<(usize, usize)>> {
        let [a, b] = self.sides.as_slice() else { return Ok(vec![]) };
        if a.order.len() != b.order.len() {
            let path = |model: usize| self.subjects[model].model.path().display();
            let (own, others) = (a.order.len(), b.order.len());
            let problem = format!(
                "{own} layers of {} are to be matched with {others} of {}",
                path(0),
                path(1)
            );
            return Err(Error::usage(problem, "name one --layers-b for each --layers"));
        }
        Ok(a.order.iter().copied().zip(b.order.iter().copied()).collect())
    }
}

/// What the layers of all models depend on, as it was found.
type AllTold = Vec<Vec<Told>>;

/// What is done to the images of a model.
fn steps_of<'a>(preprocess: &'a [Preprocess], subject: &Subject) -> &'a Preprocess {
    &preprocess[subject.input.min(preprocess.len() - 1)]
}
