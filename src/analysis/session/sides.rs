//! One model, two, or stored representations, over the same samples: what `cka` and `compare` share.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::axes::{self, ChannelAxes};
use super::kept::Folder;
use super::kept_sides::{Asked, Givers};
use super::models::listen;
use super::stored::{self, StoredFile};
use super::{accuracy, beside, duplicates, notices, told};
use crate::analysis::{Data, Draw, Observer, Preprocessing, Running, patterns_b, selections};
use crate::capture::stored::{StoredFeed, StoredLayer};
use crate::capture::{Feed, ModelFeed, Naming, Progress, Reduce, Source, Subject};
use crate::data::{Dataset, Preprocess};
use crate::error::{Error, Result};
use crate::report::cka::{Side, SideLayer};
use crate::report::{DataInput, Inputs, ModelInput, Warning};
use crate::similarity::Measure;
use crate::torchscript::{Layer, device, native};

/// The layers of two models, of one, or stored representations, and the samples they are looked at on.
#[derive(Debug, Clone, Default)]
pub struct Sides {
    /// One model, which is compared with itself, or two.
    pub models: Vec<PathBuf>,
    /// One or two files of arrays instead, rows matched by index.
    pub features: Vec<PathBuf>,
    /// Names or globs of the layers; empty for the default.
    pub layers: Vec<String>,
    /// Those of B; empty for those of A.
    pub layers_b: Vec<String>,
    /// Which element of a tuple that a model returns are its logits, for the accuracy.
    pub output_index: Option<usize>,
    /// The samples.
    pub data: Data,
    /// What is done to them.
    pub preprocessing: Preprocessing,
    /// What is done to them for B, where that is something else.
    pub preprocessing_b: Preprocessing,
    /// How the models are loaded and run.
    pub running: Running,
}

/// What was found on the sides, and where from.
pub struct Seen<T> {
    /// Models or files, and the data.
    pub inputs: Inputs,
    /// Names and widths of the layers of each side.
    pub sides: Vec<Side>,
    /// What was measured.
    pub found: T,
    /// The class of each sample of the data set, where they are known.
    pub labels: Option<Vec<usize>>,
    /// What was noticed.
    pub warnings: Vec<Warning>,
    /// Seconds until the models were ready.
    pub loading: f64,
    /// Where they ran.
    pub device: String,
}

/// What is known before the samples are read.
pub struct Known<'a> {
    /// The models and their layers.
    pub models: &'a [ModelInput],
    /// Samples, as many as there are at most.
    pub samples: usize,
    /// Those that models run over, in the order in which they are read.
    pub data: Option<&'a Dataset>,
    /// What is done to them.
    pub preprocess: &'a [Preprocess],
    /// Where the models run.
    pub device: &'a str,
}

/// What measures the layers of a feed.
pub trait Measuring {
    /// What is found.
    type Found;

    /// From feature maps to rows.
    fn reduce(&self) -> Reduce;

    /// Samples in a batch of stored rows: of so many samples, with the numbers of features of the arrays
    /// of each file.
    fn stored_batch(&self, samples: usize, widths: &[Vec<usize>]) -> usize;

    /// Whether so many samples are to be looked at in random order.
    fn mixes(&self, _samples: usize) -> bool {
        false
    }

    /// Samples that are taken together in the order of the data, where it matters which they are.
    fn in_order(&self) -> Option<usize> {
        None
    }

    /// Refuses a number of samples.
    ///
    /// # Errors
    /// There are too few for what is asked.
    fn check(&self, _samples: usize) -> Result<()> {
        Ok(())
    }

    /// What is measured, where that are measures by name.
    fn measures(&self) -> &[Measure] {
        &[]
    }

    /// Whether this is a part of a run, or puts parts together: files are not read whole for their hashes.
    fn in_parts(&self) -> bool {
        false
    }

    /// Whether what the models themselves give is looked at, too.
    fn takes_outputs(&self) -> bool {
        false
    }

    /// Takes in what is known before the samples are read.
    ///
    /// # Errors
    /// It is not what it was in another run of which this is a part.
    fn before(&self, _known: &Known<'_>) -> Result<()> {
        Ok(())
    }

    /// Runs the feed and measures.
    ///
    /// # Errors
    /// As the feed.
    fn measure(&self, feed: &mut dyn Feed, progress: &mut dyn Progress) -> Result<Self::Found>;

    /// What is said before a feed of models is run.
    ///
    /// # Errors
    /// As the feed.
    fn tell(&self, _feed: &dyn Feed, _observer: &dyn Observer) -> Result<()> {
        Ok(())
    }
}

impl Sides {
    /// What reports say of how exactly models compute; nothing where there are none.
    pub(in crate::analysis) fn recorded_precision(&self) -> Option<String> {
        self.models.first().and_then(|_| self.running.precision.recorded())
    }

    /// Two models.
    pub fn two(a: impl Into<PathBuf>, b: impl Into<PathBuf>) -> Self {
        Self { models: vec![a.into(), b.into()], ..Self::default() }
    }

    /// Patterns of the layers of B.
    pub fn patterns_b(&self) -> &[String] {
        patterns_b(&self.layers, &self.layers_b)
    }

    /// Looks at the layers of the models, or at the stored representations.
    ///
    /// # Errors
    /// A file cannot be read, a model does not run on the data, or what `measuring` says.
    pub fn see<M: Measuring>(
        &self,
        measuring: &M,
        observer: &dyn Observer,
    ) -> Result<Seen<M::Found>> {
        match self.features.is_empty() {
            true if Asked::any(&self.models) => self.see_kept(measuring, observer),
            true => self.see_models(measuring, observer),
            false => self.see_stored(measuring, observer),
        }
    }

    /// Looks at layers that a run of `repsim features` wrote, of both models or of one.
    fn see_kept<M: Measuring>(
        &self,
        measuring: &M,
        observer: &dyn Observer,
    ) -> Result<Seen<M::Found>> {
        let (data, running, reduce) = (&self.data, &self.running, measuring.reduce());
        let selections = selections(&self.layers, &self.layers_b)?;
        let (models, measures) = (self.models.as_slice(), measuring.measures());
        let naming = Naming::default();
        let (parts, outputs) = (measuring.in_parts(), measuring.takes_outputs());
        let asked = Asked { models, data, running, reduce, measures, naming, parts, outputs };
        self.refuse_preprocessing()?;
        let choose =
            |place: usize, folder: &Folder| folder.choose(&selections[place.min(1)], reduce);
        let mut givers = asked.open(&choose, &|paths, places, running, dataset| {
            let own = &places.iter().map(|&i| selections[i.min(1)].clone()).collect::<Vec<_>>();
            let steps = self.steps_of_one(dataset, &paths[0], places[0])?;
            let load = data.load.options(running.threads());
            let source = Source { dataset, preprocess: &steps, load };
            let running = (running, self.output_index);
            let execution = running.0.execution()?;
            let mut found = listen(paths, running, &source, (own, reduce), &execution)?;
            found.2.extend(axes::check(&found.0, reduce)?);
            beside::tell(&self.preprocessing, &steps, observer);
            told::tell_default(&found.1, own, observer);
            Ok((found, steps))
        })?;
        let samples = givers.samples();
        measuring.check(samples)?;
        let side = |layers: Vec<(String, Vec<i64>)>| -> Side {
            layers.iter().map(|(name, shape)| SideLayer::new(name, reduce, shape)).collect()
        };
        let sides = givers.layers().into_iter().map(side).collect();
        let known = Known {
            models: &givers.records,
            samples,
            data: None,
            preprocess: &[],
            device: &givers.device,
        };
        measuring.before(&known)?;
        let mixes = measuring.mixes(samples);
        let (found, data) = givers.measure(&asked, (mixes, observer), |feed| {
            measuring.tell(feed, observer)?;
            measuring.measure(feed, &mut *observer.passes())
        })?;
        let labels = givers.labels();
        let Givers { records, mut warnings, loading, device, .. } = givers;
        let in_order = measuring
            .in_order()
            .zip(labels.as_ref())
            .and_then(|(batch, labels)| notices::of_labels_in_order((labels, &data.path), batch));
        warnings.extend(in_order);
        let inputs = Inputs { models: records, data: Some(data), ..self.running.inputs() };
        Ok(Seen { inputs, sides, found, labels, warnings, loading, device })
    }

    /// Refuses steps for samples that nobody looks at.
    fn refuse_preprocessing(&self) -> Result<()> {
        let all = self.models.iter().all(|path| path.is_dir());
        match all && (self.preprocessing.any() || self.preprocessing_b.any()) {
            false => Ok(()),
            true => Err(Error::usage(
                "preprocessing was given, and no model runs beside the folders of features",
                "give --preprocess and the like to repsim features",
            )),
        }
    }

    /// What is done to the samples for the one model that runs, A or B.
    fn steps_of_one(
        &self,
        dataset: &Dataset,
        model: &Path,
        place: usize,
    ) -> Result<Vec<Preprocess>> {
        let both = (Path::new(""), Some(model));
        let steps = match place {
            0 => vec![self.preprocessing.for_model(dataset, model)?],
            _ => self.preprocessing.for_two(&self.preprocessing_b, dataset, both)?,
        };
        Ok(steps.into_iter().next_back().into_iter().collect())
    }

    fn see_models<M: Measuring>(
        &self,
        measuring: &M,
        observer: &dyn Observer,
    ) -> Result<Seen<M::Found>> {
        let started = Instant::now();
        let (running, reduce) = (&self.running, measuring.reduce());
        let selections = selections(&self.layers, &self.layers_b)?;
        let dataset = self.data.open_inputs(self.running.seed)?;
        measuring.check(dataset.len())?;
        let execution = running.execution()?;
        let [a, b] = [self.models.first(), self.models.get(1)].map(|m| m.map(PathBuf::as_path));
        let both = (a.unwrap_or(Path::new("")), b);
        let preprocess = self.preprocessing.for_two(&self.preprocessing_b, &dataset, both)?;
        let load = self.data.load.options(running.threads());
        let source = Source { dataset: &dataset, preprocess: &preprocess, load };
        let (mut subjects, mut records, mut warnings) = listen(
            &self.models,
            (running, self.output_index),
            &source,
            (&selections, reduce),
            &execution,
        )?;
        warnings.extend(axes::check(&subjects, reduce)?);
        let loading = started.elapsed().as_secs_f64();
        beside::tell(&self.preprocessing, &preprocess, observer);
        told::tell_default(&records, &selections, observer);
        for record in &records {
            observer.detail(&format!("{}: {} layers", record.path, record.layers.len()));
        }
        let device = device::name(execution.device);
        let threads = running.threads();
        observer.detail(&format!("ready after {loading:.2} s, on {device} with {threads} threads"));
        let sides = subjects.iter().map(|subject| side(subject, reduce)).collect();
        let order = running.seed_of(Draw::Order, None);
        let mixed = measuring.mixes(dataset.len()).then(|| dataset.mixed(order));
        let data = mixed.as_ref().unwrap_or(&dataset);
        let source = Source { dataset: data, ..source };
        let (models, steps) = (&records, &preprocess);
        let known = Known {
            models,
            samples: data.len(),
            data: Some(data),
            preprocess: steps,
            device: &device,
        };
        measuring.before(&known)?;
        let mut feed = ModelFeed::new(&mut subjects, source).mixed(mixed.is_some());
        measuring.tell(&feed, observer)?;
        let found = measuring.measure(&mut feed, &mut *observer.passes())?;
        warnings.extend(duplicates::of_data(feed.summary.as_ref(), dataset.path()));
        let data = DataInput::new(&dataset, feed.summary.take(), &preprocess);
        warnings.extend(notices::of_data(&data));
        warnings.extend(notices::of_padding(&data, reduce));
        warnings.extend(measuring.in_order().and_then(|batch| notices::of_order(&dataset, batch)));
        warnings.extend(accuracy::judge(&mut records, &data.path, &feed.judged(), observer));
        let labels = dataset.labels().map(<[_]>::to_vec);
        let inputs = Inputs { models: records, data: Some(data), ..self.running.inputs() };
        Ok(Seen { inputs, sides, found, labels, warnings, loading, device })
    }

    fn see_stored<M: Measuring>(
        &self,
        measuring: &M,
        observer: &dyn Observer,
    ) -> Result<Seen<M::Found>> {
        native::set_threads(self.running.threads());
        let reduce = measuring.reduce();
        let channel_axes = ChannelAxes::new(&self.running.channel_axes, self.features.len());
        let files = stored::load(&self.features, &selections(&self.layers, &self.layers_b)?)?;
        let labels = stored::labels_beside(&files)?;
        if labels.is_some() {
            observer
                .note("labels beside the features are the classes of the samples, and no layer");
        }
        let files = stored::with_axes(files, &channel_axes, reduce)?;
        let features = files.iter().map(stored::record).collect::<Result<_>>()?;
        let sides = files.iter().map(|file| stored_side(file, reduce)).collect();
        let named = stored::named(&files);
        let arrays: Vec<_> = files.into_iter().map(stored::layers).collect();
        let rows = arrays.iter().flatten().next().map_or(0, |layer| layer.values.shape()[0]);
        measuring.check(rows)?;
        let widths = stored::widths(&arrays, reduce);
        let mut feed = StoredFeed::with_axes(&arrays, measuring.stored_batch(rows, &widths))?;
        let warnings = duplicates::of_features(&named, &feed);
        drop(arrays);
        measuring.tell(&feed, observer)?;
        let found = measuring.measure(&mut feed, &mut *observer.passes())?;
        let inputs = Inputs { features, ..self.running.inputs() };
        let device = "cpu".to_owned();
        Ok(Seen { inputs, sides, found, labels, warnings, loading: 0.0, device })
    }
}

/// Names and widths of the layers of a model.
fn side(subject: &Subject, reduce: Reduce) -> Side {
    let layer = |l: &Layer| SideLayer::new(&l.name, reduce, &l.canonical_shape());
    subject.layers.iter().map(layer).collect()
}

fn stored_side(file: &StoredFile, reduce: Reduce) -> Side {
    let layer =
        |(name, layer): &(String, StoredLayer)| SideLayer::new(name, reduce, &layer.shape());
    file.arrays.iter().map(layer).collect()
}
