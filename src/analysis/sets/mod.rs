//! Sets of samples in any form: images, stored features, or their mean and covariance.

mod beside;
mod cache;
mod collect;
mod contents;
mod fitting;
mod kept;
mod memory;
mod origin;
mod parts;
mod scale;
mod sums;
mod watch;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ndarray::{Array2, ArrayView2, s};

use self::cache::{Cache, Kept};
use self::kept::KeptModels;
use self::memory::too_large;
use self::scale::Scale;
use self::watch::Watch;
use crate::analysis::Observer;
use crate::analysis::session::extraction::{Extraction, Features};
use crate::analysis::session::kept_sides::refuse_running_without;
use crate::analysis::session::{ChannelAxes, duplicates, notices, stored};
use crate::capture::Averaged;
use crate::capture::extract::reduced;
use crate::capture::part::Piece;
use crate::data::features::{StoredFeature, StoredSet};
use crate::data::statistics::{Origin, Statistics};
use crate::data::{Dataset, Enlarged, Summary};
use crate::error::{Error, Result};
use crate::frechet::{Beside, FeatureSet, Gaussian};
use crate::report::{
    ArrayInfo, DataInput, FeatureInput, SetInput, StatisticsInput, Tool, Warning, sha256_of_file,
};
use crate::similarity::cka::{CONSTANT, CONSTANT_DOUBLE};
use crate::stats::Moments;
use crate::torchscript::{Axes, By, libtorch_version, native, tensors};

use self::contents::Contents;

pub use self::beside::Wanted;
pub use self::collect::Collected;
pub use self::origin::check_same;
pub use self::parts::Divided;
pub use self::sums::SetSums;

/// A set that was measured.
pub struct Measured {
    /// Its features.
    pub set: FeatureSet,
    /// Its mean and covariance, where they were computed.
    pub moments: Option<Moments>,
    /// Samples, where that is known.
    pub count: Option<usize>,
    /// How its features were made, where that is known.
    pub origin: Option<Origin>,
    /// What the report says of it.
    pub input: SetInput,
}

/// What is wanted of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The features of every sample beside mean and covariance.
    Samples,
    /// The features of every sample alone.
    Rows,
    /// Samples where they are fewer than features: they are the better covariance then.
    Few,
    /// Mean and covariance alone.
    Moments,
    /// The features of every sample, and a covariance within classes.
    Classes,
    /// Nothing of the features: all that is measured is of another layer.
    Nothing,
}

impl Keep {
    /// Whether metrics get the features of every sample.
    fn keeps_rows(self) -> bool {
        matches!(self, Self::Samples | Self::Rows)
    }
}

/// What is kept of one set.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// The features of every sample.
    samples: bool,
    /// Their covariance.
    covariance: bool,
}

/// Measures sets with one model.
pub struct Sets<'a> {
    /// The model.
    pub features: Features<'a>,
    args: &'a Extraction,
    keep: Keep,
    wanted: Wanted,
    cache: Option<Cache>,
    /// Where the channels of stored features were given to be.
    axes: ChannelAxes,
    /// Bytes of features that stay for the whole run.
    held: u64,
    /// Seconds in factors of covariances.
    pub factoring: f64,
    /// Whether enlarged images were reported: once is enough for sets that are resized alike.
    told_enlarged: bool,
    /// What shards gathered of the sets of images, in their order, in place of runs over them.
    given: VecDeque<Piece<SetSums>>,
    scale: Scale,
    warnings: Vec<Warning>,
    kept: KeptModels,
}

/// Matrices of D×D numbers that are there at the same time: the scatter, the covariance, the
/// correlations, the factors of both sets and their product.
const MATRICES: u64 = 6;

/// Rows of stored features that are added at once.
const ROWS: usize = 256;

impl<'a> Sets<'a> {
    /// Measures with the model of these options.
    pub fn new(args: &'a Extraction, observer: &'a dyn Observer, keep: Keep) -> Self {
        let features = Features::new(args, observer);
        let (cache, held, factoring) = (None, 0, 0.0);
        let told_enlarged = false;
        let axes = ChannelAxes::new(&args.running.channel_axes, 0);
        let (scale, warnings, kept) = (Scale::default(), vec![], KeptModels::default());
        Self {
            features,
            args,
            keep,
            wanted: Wanted::default(),
            cache,
            axes,
            held,
            factoring,
            told_enlarged,
            given: VecDeque::new(),
            scale,
            warnings,
            kept,
        }
    }

    /// Keeps mean and covariance of images in a folder, and takes them from there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn cached(mut self, folder: Option<&Path>) -> Result<Self> {
        self.cache = folder.map(Cache::open).transpose()?;
        Ok(self)
    }

    /// Measures the set at a path, whatever it holds.
    ///
    /// # Errors
    /// It cannot be read, holds no samples or only one, or its features are not finite.
    pub fn measure(&mut self, path: &Path) -> Result<Measured> {
        if Statistics::is_statistics(path) {
            self.refuse_channels(path)?;
            return self.statistics(path);
        }
        let contents = self.contents(path)?;
        if !matches!(contents, Contents::Images(_)) {
            self.refuse_channels(path)?;
        }
        match contents {
            Contents::Features(set) => self.stored_features(path, &set),
            Contents::Kept(folder) => self.measure_kept(*folder),
            Contents::Images(dataset) => self.images(&dataset),
        }
    }

    /// What was noticed since this was last asked, of the model too.
    pub fn noticed(&mut self) -> Vec<Warning> {
        let mut warnings = self.features.noticed();
        warnings.append(&mut self.warnings);
        warnings
    }

    /// Refuses a `--channel-axis` that is for none of the arrays of these sets. Of a model it is checked
    /// when that is loaded.
    ///
    /// # Errors
    /// Names it; or a set cannot be opened, or has no such axis.
    pub fn check_axes(&mut self, paths: &[&PathBuf]) -> Result<()> {
        if self.args.running.channel_axes.is_empty() || self.args.model.is_some() {
            return Ok(());
        }
        for path in paths.iter().filter(|path| !Statistics::is_statistics(path)) {
            let Contents::Features(set) = self.contents(path)? else { return Ok(()) };
            self.axes_of(path, &set.feature)?;
        }
        self.axes.check_arrays()
    }

    /// Warns of a model that was named but not needed, for all sets are statistics.
    pub fn unused_model(&self) -> Option<Warning> {
        let path = self.args.model.as_ref().filter(|_| self.features.ready().is_none())?;
        let text =
            format!("{} was not used: all sets are statistics or stored features", path.display());
        Some(Warning::new("unused-model", path.display(), text))
    }

    /// From now on the features of this set stay in memory.
    pub fn hold(&mut self, measured: &Measured) {
        let rows = measured.set.rows.as_ref();
        self.held += rows.map_or(0, |rows| 8 * rows.len() as u64);
    }

    fn statistics(&mut self, path: &Path) -> Result<Measured> {
        if self.args.model.is_none() {
            refuse_running_without(path, &self.args.running, self.args.output_index)?;
        }
        let statistics = Statistics::load(path)?;
        let input = SetInput::Statistics(StatisticsInput {
            path: path.display().to_string(),
            sha256: sha256_of_file(path)?,
            n: statistics.samples,
            origin: statistics.origin.clone(),
        });
        self.fitted(path, statistics, input)
    }

    fn fitted(&mut self, path: &Path, statistics: Statistics, input: SetInput) -> Result<Measured> {
        let Statistics { mean, covariance, samples, origin } = statistics;
        let gaussian = self.timed(|| Gaussian::of_covariance(mean.view(), covariance.view()));
        let gaussian = gaussian.map_err(|e| of_file(path, e))?;
        let gaussian = Some(gaussian);
        let set = FeatureSet { mean, gaussian, rows: None, beside: Beside::default() };
        Ok(Measured { set, moments: None, count: samples, origin, input })
    }

    fn stored_features(&mut self, path: &Path, found: &StoredSet) -> Result<Measured> {
        let feature = &found.feature;
        let (axes, width) = self.axes_of(path, feature)?;
        let count = feature.count();
        let plan = self.plan(count, width)?;
        let mut moments = plan.covariance.then(|| Moments::new(width));
        let mut rows = plan.samples.then(|| Array2::zeros((count, width)));
        native::with_blas_threads(self.args.running.threads(), || {
            self.each_block(path, feature, &mut |first, block| {
                if let Some(moments) = &mut moments {
                    moments.push_rows(block);
                }
                if let Some(rows) = &mut rows {
                    rows.slice_mut(s![first..first + block.nrows(), ..]).assign(&block);
                }
            })
        })?;
        if rows.as_ref().is_some_and(|rows| rows.is_square() && rows == rows.t()) {
            let problem =
                format!("array {} is square and symmetric, as a covariance is", feature.name());
            let remedy = "save statistics as mu and sigma; features have a row a sample";
            return Err(Error::file("take features from", path, problem, remedy));
        }
        let input = feature_input(path, feature, axes)?;
        let labels = found.labels.as_ref().ok().and_then(|labels| labels.as_deref());
        let logits = if self.wanted.outputs { stored::logits_of(path)? } else { None };
        let beside = beside::of_features(count, labels, logits);
        let set = FeatureSet { beside, ..self.fit((path, width), rows, moments.as_ref())? };
        Ok(Measured { set, moments, count: Some(count), origin: None, input })
    }

    /// The axes of stored features, and D once they are reduced.
    fn axes_of(&self, path: &Path, feature: &StoredFeature) -> Result<(Axes, usize)> {
        let axes = self.axes.of_array(&feature.name(), feature.shape(), path)?;
        let shape: Vec<i64> = feature.shape().iter().map(|&s| s as i64).collect();
        let shape = axes.canonical_shape(&shape);
        self.args.reduce.check(&shape).map_err(|problem| {
            let problem = format!("array {} holds {problem}", feature.name());
            Error::file("take features from", path, problem, "use --reduce gap or flatten")
        })?;
        Ok((axes, self.args.reduce.width(&shape)))
    }

    /// Hands over stored features block by block, with the number of the first row.
    fn each_block(
        &mut self,
        path: &Path,
        feature: &StoredFeature,
        take: &mut dyn FnMut(usize, ArrayView2<'_, f64>),
    ) -> Result<()> {
        let (axes, _) = self.axes_of(path, feature)?;
        let (reduce, mut watch) = (self.args.reduce, Watch::default());
        let constant = if feature.is_single() { CONSTANT } else { CONSTANT_DOUBLE };
        for first in (0..feature.count()).step_by(ROWS) {
            let values = feature.rows(first, ROWS.min(feature.count() - first))?;
            let values = axes.canonical(&tensors::from_array(&values)?);
            let class = axes.class_tokens.unwrap_or(0);
            let rows = reduced(&values, reduce, (axes, class.into()))?;
            check_finite(path, (&feature.name(), first), &rows)?;
            let mut averaged = Averaged::default();
            averaged.add(reduce, &values, 0)?;
            watch.add(rows.view(), &averaged, constant);
            watch.add_stored(rows.view());
            take(first, rows.view());
        }
        self.warnings.extend(watch.means(&format!("array {}", feature.name()), path)?);
        self.warnings.extend(watch.duplicates(&feature.name(), path));
        Ok(())
    }

    fn images(&mut self, dataset: &Dataset) -> Result<Measured> {
        let width = self.features.prepare(dataset)?.width;
        let key = match &self.cache {
            Some(_) if !self.keep.keeps_rows() && self.keep != Keep::Nothing => {
                Some(self.fingerprinted(dataset)?)
            }
            _ => None,
        };
        let (key, copies) = key.unzip();
        if let Some(origin) = &key
            && let Some(found) = self.kept(origin)?
        {
            let summary = Summary {
                samples: found.samples.unwrap_or(dataset.len()),
                fingerprint: Some(origin.fingerprint.clone()),
                copies: copies.flatten(),
                digests: vec![],
                skipped: vec![],
                enlarged: self.first_enlarged(dataset)?,
                beyond: None,
                padded: dataset.padded()?,
                decode_seconds: 0.0,
            };
            let input = self.images_input(dataset, summary);
            return self.fitted(dataset.path(), found, input);
        }
        let plan = self.plan(dataset.len(), width)?;
        let (sums, summary) = self.gathered(dataset, (width, plan), self.wanted.outputs)?;
        self.tell(&sums.watch, dataset, &summary)?;
        let beside = self.beside_images(dataset, &sums);
        let (rows, moments) = sums.whole(width);
        let origin = self.origin(dataset, summary.fingerprint.clone().unwrap_or_default());
        let (clean, count) = (summary.skipped.is_empty(), summary.samples);
        let input = self.images_input(dataset, summary);
        if let (Some(cache), Some(_), Some(moments), true) = (&self.cache, &key, &moments, clean) {
            let stored = statistics_of(dataset.path(), moments, origin.clone());
            if let Err(error) = stored.and_then(|statistics| cache.store(&statistics)) {
                let text = format!("its statistics were not kept: {error}");
                self.warnings.push(Warning::new("not-cached", dataset.path().display(), text));
            }
        }
        let set =
            FeatureSet { beside, ..self.fit((dataset.path(), width), rows, moments.as_ref())? };
        Ok(Measured { set, moments, count: Some(count), origin, input })
    }

    /// Statistics that were kept; a file of them that cannot be used is reported, and computed again.
    fn kept(&mut self, origin: &Origin) -> Result<Option<Statistics>> {
        Ok(match self.cache.as_ref().map_or(Ok(Kept::Absent), |cache| cache.find(origin))? {
            Kept::Found(found) => Some(*found),
            Kept::Absent => None,
            Kept::Damaged(path, why) => {
                let text = format!("{} is computed again: {why}", path.display());
                self.warnings.push(Warning::new("cache-damaged", path.display(), text));
                None
            }
        })
    }

    /// Warns of images on another scale, and of channel means that are rounding.
    fn tell(&mut self, watch: &Watch, dataset: &Dataset, summary: &Summary) -> Result<()> {
        self.warnings.extend(self.scale.add(dataset.path(), summary.beyond));
        let layer = self.features.ready().map_or("the output", |ready| &ready.layer).to_owned();
        self.warnings.extend(watch.means(&layer, dataset.path())?);
        Ok(())
    }

    /// What is kept of a set of so many samples.
    ///
    /// # Errors
    /// It does not fit into the memory allowed.
    fn plan(&self, count: usize, width: usize) -> Result<Plan> {
        let (n, d) = (count as u64, width as u64);
        let samples = match self.keep {
            Keep::Samples | Keep::Rows | Keep::Classes => true,
            Keep::Few => n <= d && self.held + 8 * n * d <= self.args.memory,
            Keep::Moments | Keep::Nothing => false,
        };
        // Samples that are no more than features serve in place of a covariance.
        let enough = n <= d || self.keep == Keep::Rows;
        let covariance = !samples || !enough || self.keep == Keep::Classes;
        let covariance = covariance && self.keep != Keep::Nothing;
        let square = if covariance { 8 * MATRICES * d * d } else { 0 };
        let rows = if samples { 8 * n * d } else { 0 };
        let (needed, left) = (square + rows, self.args.memory.saturating_sub(self.held));
        match needed > left {
            true => Err(too_large((n, d), (samples, square), (needed, left))),
            false => Ok(Plan { samples, covariance }),
        }
    }

    /// How the features of a data set come about, and its copies, found without decoding it.
    fn fingerprinted(&self, dataset: &Dataset) -> Result<(Origin, Option<Vec<usize>>)> {
        let load = self.args.load.options(self.args.running.threads());
        let workers = load.workers.max(self.args.running.threads());
        let (fingerprint, copies) = dataset.fingerprint_and_copies(workers)?;
        let origin = self.origin(dataset, fingerprint);
        let origin = origin.ok_or_else(|| Error::usage("no model was given", "name one"))?;
        Ok((origin, copies))
    }

    fn origin(&self, dataset: &Dataset, fingerprint: String) -> Option<Origin> {
        let ready = self.features.ready()?;
        let tool = Tool::current(libtorch_version());
        Some(Origin {
            tool: format!("{} {}", tool.name, tool.version),
            model_sha256: ready.record.sha256.clone(),
            weights: ready.record.weights.as_ref().map(|weights| weights.identity()),
            layer: ready.layer.clone(),
            reduce: self.args.reduce.to_string(),
            preprocess: Some(ready.preprocess.clone()),
            fingerprint,
            optimize: self.args.running.optimize,
            run: self.args.run_options(&ready.record, dataset.tokenized()),
            channel_axis: ready.channel_axis(),
            pixels: Some(dataset.pixels()),
        })
    }

    /// What the report says of images; warns of what was noticed of them.
    fn images_input(&mut self, dataset: &Dataset, summary: Summary) -> SetInput {
        let preprocess: Vec<_> =
            self.features.ready().map(|r| r.preprocess.clone()).into_iter().collect();
        self.warnings.extend(duplicates::of_set(
            summary.copies.as_deref(),
            &format!("of {}", dataset.path().display()),
        ));
        let data = DataInput::new(dataset, Some(summary), &preprocess);
        let mut warnings = notices::of_data(&data);
        warnings.extend(notices::of_padding(&data, self.args.reduce));
        warnings.extend(notices::of_labels(dataset));
        self.warnings.extend(
            warnings.into_iter().filter(|w| w.code != notices::ENLARGED || !self.told_enlarged),
        );
        self.told_enlarged |= data.enlarged.is_some();
        SetInput::Images(data)
    }

    /// How far images would be enlarged, judged by the first: the others were not decoded.
    fn first_enlarged(&self, dataset: &Dataset) -> Result<Option<Enlarged>> {
        let ready = self.features.ready();
        ready.map_or(Ok(None), |ready| dataset.first_enlarged(&ready.preprocess))
    }

    /// Runs linear algebra on all threads: no network runs meanwhile.
    fn timed<T>(&mut self, body: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let found = native::with_blas_threads(self.args.running.threads(), body);
        self.factoring += started.elapsed().as_secs_f64();
        found
    }
}

fn feature_input(path: &Path, feature: &StoredFeature, axes: Axes) -> Result<SetInput> {
    let channel_axis = axes.channels.filter(|_| axes.told == By::Given);
    Ok(SetInput::Features(FeatureInput {
        path: path.display().to_string(),
        sha256: sha256_of_file(path)?,
        arrays: vec![ArrayInfo {
            name: feature.name(),
            shape: feature.shape().to_vec(),
            channel_axis,
        }],
    }))
}

/// What a statistics file of these moments holds.
///
/// # Errors
/// Fewer than two samples.
pub fn statistics_of(path: &Path, moments: &Moments, origin: Option<Origin>) -> Result<Statistics> {
    let covariance = moments.covariance(1).ok_or_else(|| too_few(path, moments.count()))?;
    if covariance.iter().any(|v| !v.is_finite()) {
        let problem = "its values leave the range of float64 when squared";
        return Err(Error::file(
            "take the covariance of",
            path,
            problem,
            "scale the features down",
        ));
    }
    let samples = Some(moments.count());
    Ok(Statistics { mean: moments.mean(), covariance, samples, origin })
}

/// Names the first row with a NaN or an infinity, of a block that begins at row `first`.
fn check_finite(path: &Path, (name, first): (&str, usize), rows: &Array2<f64>) -> Result<()> {
    let bad = rows.rows().into_iter().position(|row| row.iter().any(|v| !v.is_finite()));
    bad.map_or(Ok(()), |row| {
        let problem = format!("row {} of array {name} is NaN or infinite", first + row);
        Err(Error::file("take features from", path, problem, "leave that sample out"))
    })
}

/// Puts the file's name before what was wrong with its numbers.
fn of_file(path: &Path, error: Error) -> Error {
    match error {
        Error::Usage { problem, remedy } => {
            Error::file("take the covariance of", path, problem, remedy)
        }
        other => other,
    }
}

fn too_few(path: &Path, count: usize) -> Error {
    let problem = format!("{count} sample has no covariance");
    Error::file("take the covariance of", path, problem, "give at least 2 samples")
}
