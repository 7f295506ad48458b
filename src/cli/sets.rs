//! Sets of samples in any form: images, stored features, or their mean and covariance.

use std::path::Path;
use std::time::Instant;

use ndarray::{Array2, Axis, s};

use super::cache::Cache;
use super::extract::{ExtractArgs, Features};
use super::output::Messages;
use crate::capture::extract::reduced;
use crate::data::features::{Feature, load_features};
use crate::data::statistics::{Origin, Statistics};
use crate::data::{Dataset, Preprocess, Skipped, Summary};
use crate::error::{Error, Result};
use crate::frechet::{FeatureSet, Gaussian};
use crate::report::{
    ArrayInfo, DataInput, FeatureInput, SetInput, StatisticsInput, Tool, Warning, sha256_of_file,
};
use crate::stats::Moments;
use crate::torchscript::{libtorch_version, native, tensors};

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

/// All samples of a set.
pub struct Collected {
    /// A row a sample.
    pub rows: Array2<f64>,
    /// The samples' names.
    pub names: Vec<String>,
    /// The class of each, where that is known.
    pub labels: Option<Vec<usize>>,
    /// Names of the classes, where they have any.
    pub classes: Vec<String>,
    /// What the model said of each, a row a sample, where it gives a matrix.
    pub logits: Option<Array2<f64>>,
    /// What the report says of the set.
    pub input: SetInput,
}

/// What is wanted of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The features of every sample beside mean and covariance.
    Samples,
    /// Samples where they are fewer than features: they are the better covariance then.
    Few,
    /// Mean and covariance alone.
    Moments,
}

/// Measures sets with one model.
pub struct Sets<'a> {
    /// The model.
    pub features: Features<'a>,
    args: &'a ExtractArgs,
    keep: Keep,
    cache: Option<Cache>,
    /// Bytes of features that stay for the whole run.
    held: u64,
    /// Seconds in factors of covariances.
    pub factoring: f64,
    warnings: Vec<Warning>,
}

/// Matrices of D×D numbers that are there at the same time: the scatter, the covariance, the
/// correlations, the factors of both sets and their product.
const MATRICES: u64 = 6;

/// Rows of stored features that are added at once.
const ROWS: usize = 256;

impl<'a> Sets<'a> {
    /// Measures with the model of these options.
    pub fn new(args: &'a ExtractArgs, messages: &'a Messages, keep: Keep) -> Self {
        let features = Features::new(args, messages);
        let (cache, held, factoring) = (None, 0, 0.0);
        Self { features, args, keep, cache, held, factoring, warnings: vec![] }
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
            return self.statistics(path);
        }
        match self.stored(path)? {
            Some(feature) => self.stored_features(path, &feature),
            None => {
                let dataset = self.features.open(path)?;
                self.images(&dataset)
            }
        }
    }

    /// What was noticed since this was last asked, of the model too.
    pub fn noticed(&mut self) -> Vec<Warning> {
        let mut warnings = self.features.noticed();
        warnings.append(&mut self.warnings);
        warnings
    }

    /// From now on the features of this set stay in memory.
    pub fn hold(&mut self, measured: &Measured) {
        let rows = measured.set.rows.as_ref();
        self.held += rows.map_or(0, |rows| 8 * rows.len() as u64);
    }

    /// All features of the set at a path, with labels and names; with `logits` what the model says
    /// of each sample.
    ///
    /// # Errors
    /// It cannot be read, holds statistics, or its features are not finite or need more memory than
    /// is allowed.
    pub fn collect(&mut self, path: &Path, logits: bool) -> Result<Collected> {
        if Statistics::is_statistics(path) {
            let problem = "it holds statistics, and this takes samples";
            return Err(Error::file("read", path, problem, "give images or features"));
        }
        let collected = match self.stored(path)? {
            Some(feature) => self.collect_stored(path, &feature)?,
            None => {
                let dataset = self.features.open(path)?;
                self.collect_images(&dataset, logits)?
            }
        };
        self.held += 8 * collected.rows.len() as u64;
        Ok(collected)
    }

    fn collect_stored(&mut self, path: &Path, feature: &Feature) -> Result<Collected> {
        native::set_threads(self.args.run.threads());
        let rows = reduced(&tensors::from_array(&feature.values)?, self.args.reduce)?;
        check_finite(path, feature, &rows)?;
        let known = Dataset::open(path).ok().filter(|data| data.len() == rows.nrows());
        let labels = known.as_ref().and_then(|data| data.labels().map(<[usize]>::to_vec));
        Ok(Collected {
            names: (0..rows.nrows()).map(|i| i.to_string()).collect(),
            classes: vec![],
            labels,
            rows,
            logits: None,
            input: feature_input(path, feature)?,
        })
    }

    fn collect_images(&mut self, dataset: &Dataset, logits: bool) -> Result<Collected> {
        let width = self.features.prepare(dataset)?.width;
        self.keeps(dataset.len(), width)?;
        let mut rows = Array2::zeros((dataset.len(), width));
        let (mut indices, mut said): (Vec<usize>, Vec<Array2<f64>>) = (vec![], vec![]);
        let summary = self.features.run(dataset, logits, &mut |piece| {
            let places = indices.len()..indices.len() + piece.features.nrows();
            rows.slice_mut(s![places, ..]).assign(&piece.features);
            indices.extend(piece.indices);
            said.extend(piece.logits.map(|l| l.to_owned()));
            Ok(())
        })?;
        rows.slice_collapse(s![..indices.len(), ..]);
        self.warnings.extend(skipped(dataset.path(), &summary.skipped));
        let views: Vec<_> = said.iter().map(|part| part.view()).collect();
        let logits = ndarray::concatenate(Axis(0), &views).ok();
        let labels = dataset.labels().map(|all| indices.iter().map(|&i| all[i]).collect());
        Ok(Collected {
            names: indices.iter().map(|&i| dataset.name(i)).collect(),
            classes: dataset.classes().to_vec(),
            labels,
            logits: logits.filter(|l| l.nrows() == rows.nrows()),
            rows,
            input: SetInput::Images(self.data_input(dataset, summary)),
        })
    }

    fn statistics(&mut self, path: &Path) -> Result<Measured> {
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
        let set = FeatureSet { gaussian, rows: None };
        Ok(Measured { set, moments: None, count: samples, origin, input })
    }

    /// The array of features that a file holds; `None` where it holds images.
    fn stored(&self, path: &Path) -> Result<Option<Feature>> {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        if !matches!(ending.as_deref(), Some("npy" | "npz" | "safetensors")) || path.is_dir() {
            return Ok(None);
        }
        let runs = self.args.model.is_some();
        let is_images = |data: Dataset| data.has_images() && (runs || data.holds_bytes());
        if Dataset::open(path).is_ok_and(is_images) {
            return Ok(None);
        }
        if self.args.load.any() {
            let problem = format!("{} holds features, not images", path.display());
            let remedy = "leave out --limit, --seed and --skip-unreadable, or save fewer rows";
            return Err(Error::usage(problem, remedy));
        }
        one_array(path, load_features(path)?, self.args.layer.as_deref()).map(Some)
    }

    fn stored_features(&mut self, path: &Path, feature: &Feature) -> Result<Measured> {
        native::set_threads(self.args.run.threads());
        let rows = reduced(&tensors::from_array(&feature.values)?, self.args.reduce)?;
        check_finite(path, feature, &rows)?;
        let (count, width) = rows.dim();
        let keep = self.keeps(count, width)?;
        let moments = (self.keep != Keep::Few || count > width).then(|| {
            let mut moments = Moments::new(width);
            rows.axis_chunks_iter(Axis(0), ROWS).for_each(|part| moments.push_rows(part));
            moments
        });
        let input = feature_input(path, feature)?;
        let set = self.fit(path, keep.then_some(rows), moments.as_ref())?;
        Ok(Measured { set, moments, count: Some(count), origin: None, input })
    }

    fn images(&mut self, dataset: &Dataset) -> Result<Measured> {
        let width = self.features.prepare(dataset)?.width;
        let key = match &self.cache {
            Some(_) if self.keep != Keep::Samples => Some(self.fingerprinted(dataset)?),
            _ => None,
        };
        if let Some((cache, origin)) = self.cache.as_ref().zip(key.as_ref())
            && let Some(found) = cache.find(origin)?
        {
            let summary = Summary {
                samples: found.samples.unwrap_or(dataset.len()),
                fingerprint: Some(origin.fingerprint.clone()),
                skipped: vec![],
                decode_seconds: 0.0,
            };
            let input = SetInput::Images(self.data_input(dataset, summary));
            return self.fitted(dataset.path(), found, input);
        }
        let keep = self.keeps(dataset.len(), width)? && key.is_none();
        let (rows, moments, summary) = self.run(dataset, width, keep)?;
        self.warnings.extend(skipped(dataset.path(), &summary.skipped));
        let origin = self.origin(summary.fingerprint.clone().unwrap_or_default());
        let clean = summary.skipped.is_empty();
        let input = SetInput::Images(self.data_input(dataset, summary));
        if let (Some(cache), Some(_), true) = (&self.cache, &key, clean) {
            cache.store(&statistics_of(dataset.path(), &moments, origin.clone())?)?;
        }
        let count = moments.count();
        let set = self.fit(dataset.path(), rows, Some(&moments))?;
        Ok(Measured { set, moments: Some(moments), count: Some(count), origin, input })
    }

    /// Runs the model: all features where they are kept, and their mean and covariance.
    fn run(
        &mut self,
        dataset: &Dataset,
        width: usize,
        keep: bool,
    ) -> Result<(Option<Array2<f64>>, Moments, Summary)> {
        let mut moments = Moments::new(width);
        let mut rows = keep.then(|| Array2::zeros((dataset.len(), width)));
        let mut done = 0;
        let summary = self.features.run(dataset, false, &mut |piece| {
            let count = piece.features.nrows();
            moments.push_rows(piece.features);
            if let Some(rows) = &mut rows {
                rows.slice_mut(s![done..done + count, ..]).assign(&piece.features);
            }
            done += count;
            Ok(())
        })?;
        if let Some(rows) = &mut rows {
            rows.slice_collapse(s![..done, ..]);
        }
        Ok((rows, moments, summary))
    }

    /// The Gaussian of a set: from its samples where those are no more than features, else from
    /// their covariance.
    fn fit(
        &mut self,
        path: &Path,
        rows: Option<Array2<f64>>,
        moments: Option<&Moments>,
    ) -> Result<FeatureSet> {
        let gaussian = self.timed(|| match (&rows, moments) {
            (Some(rows), _) if rows.nrows() <= rows.ncols() => Gaussian::of_samples(rows.view()),
            (_, Some(moments)) => Gaussian::of_moments(moments),
            (Some(rows), None) => Gaussian::of_samples(rows.view()),
            (None, None) => Err(Error::usage("no samples", "give at least 2")),
        });
        let gaussian = gaussian.map_err(|e| of_file(path, e))?;
        let rows = rows.filter(|_| self.keep == Keep::Samples);
        Ok(FeatureSet { gaussian, rows })
    }

    /// Whether the features of so many samples are kept.
    ///
    /// # Errors
    /// Neither they nor their covariance fit into the memory allowed.
    fn keeps(&self, count: usize, width: usize) -> Result<bool> {
        let (n, d) = (count as u64, width as u64);
        let left = self.args.memory.saturating_sub(self.held);
        let (samples, covariance) = (8 * n * d, 8 * MATRICES * d * d);
        let fits = samples <= left;
        match self.keep {
            Keep::Samples if !fits => Err(Error::usage(
                format!(
                    "the metrics keep {count} samples of {width} features, {}, and --memory has {} \
                     left",
                    size(samples),
                    size(left)
                ),
                "raise --memory, use fewer samples with --limit, or take --metrics fid alone",
            )),
            Keep::Samples => Ok(true),
            Keep::Few if n <= d && fits => Ok(true),
            _ if covariance > self.args.memory => Err(Error::usage(
                format!(
                    "a distance between {width} features takes about {}, more than --memory allows",
                    size(covariance)
                ),
                "take --reduce gap or a layer with fewer features, or raise --memory",
            )),
            _ => Ok(false),
        }
    }

    /// How the features of a data set come about, told without decoding it.
    fn fingerprinted(&self, dataset: &Dataset) -> Result<Origin> {
        let load = self.args.load.options(self.args.run.threads());
        let fingerprint = dataset.fingerprint(load.workers.max(self.args.run.threads()))?;
        self.origin(fingerprint).ok_or_else(|| Error::usage("no model was given", "name one"))
    }

    fn origin(&self, fingerprint: String) -> Option<Origin> {
        let ready = self.features.ready()?;
        let tool = Tool::current(libtorch_version());
        Some(Origin {
            tool: format!("{} {}", tool.name, tool.version),
            model_sha256: ready.record.sha256.clone(),
            layer: ready.layer.clone(),
            reduce: self.args.reduce.to_string(),
            preprocess: Some(ready.preprocess.clone()),
            fingerprint,
            optimize: !self.args.run.no_optimize,
        })
    }

    fn data_input(&self, dataset: &Dataset, summary: Summary) -> DataInput {
        let preprocess: Vec<_> =
            self.features.ready().map(|r| r.preprocess.clone()).into_iter().collect();
        DataInput::new(dataset, Some(summary), &preprocess)
    }

    /// Runs linear algebra on all threads: no network runs meanwhile.
    fn timed<T>(&mut self, body: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let found = native::with_blas_threads(self.args.run.threads(), body);
        self.factoring += started.elapsed().as_secs_f64();
        found
    }
}

fn feature_input(path: &Path, feature: &Feature) -> Result<SetInput> {
    Ok(SetInput::Features(FeatureInput {
        path: path.display().to_string(),
        sha256: sha256_of_file(path)?,
        arrays: vec![ArrayInfo {
            name: feature.name.clone(),
            shape: feature.values.shape().to_vec(),
        }],
    }))
}

/// What a statistics file of these moments holds.
///
/// # Errors
/// Fewer than two samples.
pub fn statistics_of(path: &Path, moments: &Moments, origin: Option<Origin>) -> Result<Statistics> {
    let covariance = moments.covariance(1).ok_or_else(|| too_few(path, moments.count()))?;
    let samples = Some(moments.count());
    Ok(Statistics { mean: moments.mean(), covariance, samples, origin })
}

/// Two sets must have been made in the same way, where that is known of both.
///
/// # Errors
/// Says in what they differ.
pub fn check_same(reference: &Origin, candidate: &Origin) -> Result<()> {
    let model = |o: &Origin| format!("model {}…", o.model_sha256.get(..12).unwrap_or_default());
    let layer = |o: &Origin| format!("layer {} ({})", o.layer, o.reduce);
    let steps = |o: &Origin| o.preprocess.as_ref().map_or("none".to_owned(), steps);
    let same_steps = match (&reference.preprocess, &candidate.preprocess) {
        (Some(a), Some(b)) => a.same_steps(b),
        (a, b) => a == b,
    };
    let (a, b) = if reference.model_sha256 != candidate.model_sha256 {
        (model(reference), model(candidate))
    } else if layer(reference) != layer(candidate) {
        (layer(reference), layer(candidate))
    } else if !same_steps {
        (format!("preprocessing {}", steps(reference)), steps(candidate))
    } else {
        return Ok(());
    };
    Err(Error::usage(
        format!("it cannot be compared: the reference was made with {a}, it with {b}"),
        "make both with the same --model, --layer, --reduce and preprocessing",
    ))
}

/// Steps in the words of their options.
fn steps(p: &Preprocess) -> String {
    format!(
        "--resize {} --interpolation {} --crop {} --channels {} --range {} --mean {:?} --std {:?}",
        p.resize, p.interpolation, p.crop, p.channels, p.range, p.mean, p.std
    )
}

/// The one array of a file, or the one named.
fn one_array(path: &Path, arrays: Vec<Feature>, wanted: Option<&str>) -> Result<Feature> {
    let names: Vec<String> = arrays.iter().map(|f| f.name.clone()).collect();
    let mut arrays: Vec<_> = arrays.into_iter().filter(|f| f.name != "labels").collect();
    if arrays.len() > 1 {
        arrays.retain(|f| Some(f.name.as_str()) == wanted);
    }
    arrays.pop().ok_or_else(|| {
        let problem = match wanted {
            Some(name) => format!("it has no array {name}, only {}", names.join(", ")),
            None => format!("it holds several arrays: {}", names.join(", ")),
        };
        Error::file("take features from", path, problem, "name one of them with --layer NAME")
    })
}

/// Names the first row with a NaN or an infinity.
fn check_finite(path: &Path, feature: &Feature, rows: &Array2<f64>) -> Result<()> {
    let bad = rows.rows().into_iter().position(|row| row.iter().any(|v| !v.is_finite()));
    bad.map_or(Ok(()), |row| {
        let problem = format!("row {row} of array {} is NaN or infinite", feature.name);
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

fn skipped(path: &Path, files: &[Skipped]) -> Option<Warning> {
    let first = files.first()?;
    let text = format!(
        "{} unreadable files of {} were left out, the first {} ({})",
        files.len(),
        path.display(),
        first.name,
        first.reason
    );
    Some(Warning::new("skipped-files", &first.name, text))
}

/// Bytes as people write them.
fn size(bytes: u64) -> String {
    let gib = bytes as f64 / (1u64 << 30) as f64;
    let mib = gib * 1024.0;
    if gib >= 1.0 {
        format!("{gib:.1} GiB")
    } else if mib >= 1.0 {
        format!("{mib:.0} MiB")
    } else {
        format!("{:.0} KiB", mib * 1024.0)
    }
}
