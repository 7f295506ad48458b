//! How far sets of samples lie from a reference: the Fréchet distance and its relatives.

mod spatial;

use std::path::{Path, PathBuf};
use std::time::Instant;

pub use self::spatial::Spatial;
use super::sets::{Keep, Measured, Sets, Wanted, check_same};
use super::shards::{Asked, Job, State, merged_sets, over_sets};
use crate::analysis::session::extraction::Extraction;
use crate::analysis::{Draw, Loading, Observer, Silent};
use crate::data::ArrayLayout;
use crate::error::{Error, Result};
use crate::frechet::{Alone, Metric, Scorer, Settings, inception, kid};
use crate::report::fid::{
    Candidate, FidReport, FidResults, FidSettings, Reference, few_samples, null_metrics,
    saturated_kernel, short_extrapolation, small_splits, small_subsets,
};
use crate::report::{Clock, Inputs, Report, SchemaId, SetInput, Timing, Tool, Warning};
use crate::torchscript::{libtorch_version, native};

/// Distances of sets of samples from a reference, in the features of one layer.
///
/// ```
/// use repsim::analysis::{Fid, Silent};
///
/// # fn main() -> repsim::error::Result<()> {
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let images = format!("{folder}/images");
/// let mut fid = Fid::new(&images, [&images]);
/// fid.extraction.model = Some(format!("{folder}/models/fashion-seed0-scripted.pt").into());
/// fid.extraction.load.limit = Some(40);
/// let report = fid.run(&Silent, &mut |_| Ok(()))?;
/// assert!(report.results.candidates[0].value("fid").is_some_and(|fid| fid.abs() < 1e-6));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Fid {
    /// What the candidates are held against: images, features, or statistics.
    pub reference: PathBuf,
    /// Sets in any of these forms.
    pub candidates: Vec<PathBuf>,
    /// What is measured, each once.
    pub metrics: Vec<Metric>,
    /// The neighbour whose distance is a sample's radius, for precision and recall.
    pub k: usize,
    /// Random subsets of KID.
    pub kid_subsets: usize,
    /// Samples in a subset of KID, fewer where a set has fewer.
    pub kid_subset_size: usize,
    /// Seed of the random subsets of KID and FID∞, where it does not follow from that of the run.
    pub subset_seed: Option<u64>,
    /// How samples are split for the Inception Score.
    pub isc: inception::Settings,
    /// Samples that the generator was not trained on, which the test of data copying needs.
    pub held_out: Option<PathBuf>,
    /// The layer of sFID, and how many of its channels are taken.
    pub spatial: Option<Spatial>,
    /// The score that the report says candidates must not exceed.
    pub fail_above: Option<f64>,
    /// A folder that mean and covariance of images are kept in, found by content.
    pub cache: Option<PathBuf>,
    /// Axes of the reference's array of pictures, where they are others than those of the candidates.
    pub reference_layout: Option<ArrayLayout>,
    /// Where features come from.
    pub extraction: Extraction,
}

impl Fid {
    /// FID in the features that the extraction says, of all samples.
    pub fn new<P: Into<PathBuf>>(
        reference: impl Into<PathBuf>,
        candidates: impl IntoIterator<Item = P>,
    ) -> Self {
        Self {
            reference: reference.into(),
            candidates: candidates.into_iter().map(Into::into).collect(),
            metrics: vec![Metric::Fid],
            k: 5,
            kid_subsets: 100,
            kid_subset_size: 1000,
            subset_seed: None,
            isc: inception::Settings::default(),
            held_out: None,
            spatial: None,
            fail_above: None,
            cache: None,
            reference_layout: None,
            extraction: Extraction::default(),
        }
    }

    /// Measures every candidate, and hands over each row as soon as it is there. A candidate that fails has
    /// its error in its row, and the others go on.
    ///
    /// # Errors
    /// The reference cannot be measured, or `tell` failed.
    pub fn run(
        &self,
        observer: &dyn Observer,
        tell: &mut dyn FnMut(&Candidate) -> Result<()>,
    ) -> Result<FidReport> {
        let sets = Sets::new(&self.extraction, observer, self.keep());
        self.scored(sets.wanting(self.wanted()), observer, tell)
    }

    /// Gathers what a shard has of the images of all sets.
    ///
    /// # Errors
    /// The run cannot be divided, or a set cannot be measured.
    pub fn shard(&self, job: Job<'_>, observer: &dyn Observer) -> Result<State> {
        native::set_threads(self.extraction.running.threads());
        if self.spatial.is_some() {
            let problem = "sfid takes a run of its own over the samples, which is not divided";
            return Err(Error::usage(problem, "leave sfid out of --metrics"));
        }
        if self.cache.is_some() {
            let problem =
                "--stats-cache keeps statistics of whole sets, and a shard has parts of them";
            return Err(Error::usage(problem, "leave --stats-cache out"));
        }
        let sets = Sets::new(&self.extraction, observer, self.keep());
        let (mut sets, asked) = (sets.wanting(self.wanted()), self.asked());
        let settings = |sets: &Sets<'_>| self.recorded(sets);
        over_sets(("fid", &self.extraction.running), &mut sets, &asked, &settings, job)
    }

    /// The run whose shards these states are of.
    ///
    /// # Errors
    /// As [`Fid::run`]; or the states are not those of all shards of this run.
    pub fn merged(
        &self,
        states: Vec<State>,
        observer: &dyn Observer,
        tell: &mut dyn FnMut(&Candidate) -> Result<()>,
    ) -> Result<FidReport> {
        let sets = Sets::new(&self.extraction, &Silent, self.keep());
        let (mut sets, asked) = (sets.wanting(self.wanted()), self.asked());
        let settings = |sets: &Sets<'_>| self.recorded(sets);
        let run = ("fid", &self.extraction.running);
        let (pieces, device) = merged_sets(run, &mut sets, &asked, &settings, states)?;
        let sets = Sets::new(&self.extraction, observer, self.keep()).given(pieces);
        let mut report = self.scored(sets.wanting(self.wanted()), observer, tell)?;
        report.timing.total += report.timing.over_data();
        report.settings.device = Some(device).filter(|device| !device.is_empty());
        Ok(report)
    }

    fn asked(&self) -> Vec<Asked<'_>> {
        let logits = self.wanted().outputs;
        let reference = Asked { path: &self.reference, layout: self.reference_layout, logits };
        let others = self.held_out.iter().chain(&self.candidates).map(PathBuf::as_path);
        let other = |path| Asked { path, layout: None, logits };
        std::iter::once(reference).chain(others.map(other)).collect()
    }

    fn wanted(&self) -> Wanted {
        let wants = |metric| self.metrics.contains(&metric);
        Wanted { outputs: wants(Metric::Isc), classes: wants(Metric::ClassFid) }
    }

    fn keep(&self) -> Keep {
        let settings = self.settings();
        match (&self.cache, settings.need_samples()) {
            (_, false) if !settings.need_covariance() => Keep::Nothing,
            (_, true) if !settings.need_covariance() => Keep::Rows,
            (_, true) => Keep::Samples,
            (Some(_), false) => Keep::Moments,
            (None, false) => Keep::Few,
        }
    }

    fn scored(
        &self,
        sets: Sets<'_>,
        observer: &dyn Observer,
        tell: &mut dyn FnMut(&Candidate) -> Result<()>,
    ) -> Result<FidReport> {
        let clock = Clock::start();
        let threads = self.extraction.running.threads();
        native::set_threads(threads);
        let settings = self.settings();
        let mut sets = sets.cached(self.cache.as_deref())?;
        let spatial = self.spatial_distances(observer)?;
        let others = self.held_out.iter().chain(&self.candidates);
        let all: Vec<&PathBuf> = std::iter::once(&self.reference).chain(others).collect();
        sets.check_axes(&all)?;
        let places = &mut (1..).map(|set| Some((set, all.len())));
        sets.features.place = places.next().flatten();
        let reference = sets.with_layout(&self.reference, self.reference_layout, |sets| {
            sets.measure(&self.reference).map_err(|e| naming(&self.reference, e))
        })?;
        sets.hold(&reference);
        let mut run = Run::new(self, &reference, observer);
        run.warn(sets.noticed());
        run.take_spatial(spatial);
        let held_out = self.held_out.as_ref().map(|path| {
            sets.features.place = places.next().flatten();
            run.held_out(path, &mut sets)
        });
        let held_out = held_out.transpose()?;
        let scoring = Instant::now();
        let held_out = held_out.as_ref().map(|measured| &measured.set);
        let scorer = || Scorer::new(&reference.set, held_out, &settings);
        let scorer = native::with_blas_threads(threads, scorer)?;
        run.alone = native::with_blas_threads(threads, || scorer.alone());
        run.comparing += scoring.elapsed().as_secs_f64();
        for path in &self.candidates {
            sets.features.place = places.next().flatten();
            let row = run.candidate(path, &scorer, &mut sets);
            tell(&row)?;
            run.rows.push(row);
        }
        run.warn_of_numbers();
        run.warn(sets.unused_model());
        run.warn(self.unused_options(&run.inputs));
        let mut report = run.report(&sets);
        clock.stop(&mut report.timing);
        Ok(report)
    }

    /// What was said of how images are read, where all sets are stored.
    fn unused_options(&self, sets: &[SetInput]) -> Option<Warning> {
        if sets.iter().any(|set| matches!(set, SetInput::Images(_))) {
            return None;
        }
        let usual = Loading::default();
        let given = [
            ("--batch-size", self.extraction.load.batch_size != usual.batch_size),
            ("preprocessing", self.extraction.preprocessing.any()),
        ];
        let (option, _) = given.iter().find(|(_, is_given)| *is_given)?;
        let text =
            format!("{option} was given and not used: all sets are statistics or stored features");
        Some(Warning::new("unused-option", option, text))
    }

    fn settings(&self) -> Settings {
        let (subsets, subset_size, seed) =
            (self.kid_subsets, self.kid_subset_size, self.subset_seed());
        let kid = kid::Settings { subsets, subset_size, seed };
        Settings { metrics: self.metrics.clone(), kid, k: self.k, isc: self.isc, seed }
    }

    fn subset_seed(&self) -> u64 {
        self.extraction.running.seed_of(Draw::Subsets, self.subset_seed)
    }

    fn recorded(&self, sets: &Sets<'_>) -> FidSettings {
        let Extraction { layer, reduce, load, output_index, running, .. } = &self.extraction;
        FidSettings {
            metrics: self.metrics.clone(),
            layer: layer.clone(),
            reduce: *reduce,
            preprocess: sets.preprocess(),
            k: self.k,
            kid_subsets: self.kid_subsets,
            kid_subset_size: self.kid_subset_size,
            subset_seed: self.subset_seed(),
            isc_splits: self.isc.splits,
            isc_shuffle: self.isc.shuffle,
            sfid_layer: self.spatial.as_ref().map(|spatial| spatial.layer.clone()),
            sfid_channels: self.spatial.as_ref().map(|spatial| spatial.channels),
            fail_above: self.fail_above,
            batch_size: load.batch_size,
            limit: load.limit,
            layout: load.layout,
            reference_layout: self.reference_layout,
            seed: load.subset_seed(running.seed),
            output_index: *output_index,
            optimize: running.optimize,
            precision: self.extraction.recorded_precision(),
            device: sets.device(),
        }
    }
}

/// A run over the candidates.
struct Run<'a> {
    args: &'a Fid,
    observer: &'a dyn Observer,
    reference: &'a Measured,
    rows: Vec<Candidate>,
    inputs: Vec<SetInput>,
    warnings: Vec<Warning>,
    /// What is said of the reference by itself.
    alone: Alone,
    /// The distances of a spatial layer, one a candidate.
    spatial: Option<FidReport>,
    /// Seconds in distances.
    comparing: f64,
}

impl<'a> Run<'a> {
    fn new(args: &'a Fid, reference: &'a Measured, observer: &'a dyn Observer) -> Self {
        let inputs = vec![reference.input.clone()];
        let (rows, warnings, comparing) = (vec![], vec![], 0.0);
        let (alone, spatial) = (Alone::default(), None);
        Self { args, observer, reference, rows, inputs, warnings, alone, spatial, comparing }
    }

    fn warn(&mut self, warnings: impl IntoIterator<Item = Warning>) {
        for warning in warnings {
            self.observer.warning(&warning);
            self.warnings.push(warning);
        }
    }

    /// The samples that the test of data copying holds generated ones against.
    fn held_out(&mut self, path: &Path, sets: &mut Sets<'_>) -> Result<Measured> {
        let measured = sets.measure(path).map_err(|e| naming(path, e))?;
        sets.hold(&measured);
        self.warn(sets.noticed());
        self.check_origin(path, &measured).map_err(|e| naming(path, e))?;
        self.inputs.push(measured.input.clone());
        Ok(measured)
    }

    fn check_origin(&mut self, path: &Path, measured: &Measured) -> Result<()> {
        match (&self.reference.origin, &measured.origin) {
            (Some(a), Some(b)) => check_same(a, b)?,
            (None, None) => {}
            _ => self.warn([unknown_origin(path)]),
        }
        Ok(())
    }

    fn warn_of_numbers(&mut self) {
        let mut sets = vec![(shown(&self.args.reference), self.reference.count)];
        sets.extend(self.rows.iter().map(|row| (row.path.clone(), row.n)));
        let width = self.reference.set.mean.len();
        let by_covariance = [Metric::Fid, Metric::FidInf];
        if self.args.metrics.iter().any(|m| by_covariance.contains(m)) {
            self.warn(few_samples(&sets, width));
        }
        self.warn(small_subsets(&self.rows, self.args.kid_subset_size));
        self.warn(small_splits(&self.rows, self.args.isc.splits));
        self.warn(short_extrapolation(&self.rows, width));
        self.warn(null_metrics(&self.rows));
    }

    /// The row of one candidate, which may be that it failed.
    fn candidate(&mut self, path: &Path, scorer: &Scorer<'_>, sets: &mut Sets<'_>) -> Candidate {
        match self.measured(path, scorer, sets) {
            Ok(row) => row,
            Err(error) => {
                let error = naming(path, error);
                self.observer.failed(&error);
                Candidate::failed(shown(path), &error)
            }
        }
    }

    fn measured(
        &mut self,
        path: &Path,
        scorer: &Scorer<'_>,
        sets: &mut Sets<'_>,
    ) -> Result<Candidate> {
        let measured = if self.is_reference(path) { None } else { Some(sets.measure(path)?) };
        let candidate = measured.as_ref().unwrap_or(self.reference);
        self.warn(sets.noticed());
        self.check_origin(path, candidate)?;
        let comparing = Instant::now();
        let threads = self.args.extraction.running.threads();
        let mut scores = native::with_blas_threads(threads, || scorer.score(&candidate.set))?;
        self.enter_spatial(path, &mut scores);
        self.comparing += comparing.elapsed().as_secs_f64();
        self.warn(saturated_kernel(&shown(path), &scores));
        let row = Candidate::measured(shown(path), candidate.count, &self.args.metrics, &scores);
        self.inputs.push(candidate.input.clone());
        Ok(row)
    }

    /// Whether a candidate is the file of the reference, read in the same way: of images a model may give
    /// something else each time.
    fn is_reference(&self, path: &Path) -> bool {
        let is_read = !matches!(self.reference.input, SetInput::Images(_));
        is_read && path == self.args.reference && self.args.reference_layout.is_none()
    }

    fn report(self, sets: &Sets<'_>) -> FidReport {
        let Self { args, reference, rows, inputs, warnings, alone, comparing, .. } = self;
        let spent = &sets.features.timing;
        Report {
            schema: SchemaId::current("fid"),
            tool: Tool::current(libtorch_version()),
            inputs: Inputs {
                models: sets.models(),
                sets: inputs,
                ..args.extraction.running.inputs()
            },
            settings: args.recorded(sets),
            results: FidResults {
                layer: sets.layer(),
                width: reference.set.mean.len(),
                reference: Reference::new(shown(&args.reference), reference.count, &alone),
                candidates: rows,
            },
            warnings,
            pictures: vec![],
            command: None,
            timing: Timing {
                load: sets.features.loading,
                decode: spent.decode,
                wait: spent.wait,
                forward: spent.forward,
                measure: spent.measure,
                distance: Some(comparing + sets.factoring),
                passes: 1,
                ..Timing::default()
            },
        }
    }
}

/// The error with the path of the set in it.
pub fn naming(path: &Path, error: Error) -> Error {
    match error {
        Error::Usage { problem, remedy } if !problem.contains(&shown(path)) => {
            Error::file("measure", path, problem, remedy)
        }
        Error::Shape { action, left_name, left, right_name, right, remedy }
            if right_name == "the candidate" =>
        {
            Error::Shape { action, left_name, left, right_name: shown(path), right, remedy }
        }
        other => other,
    }
}

fn unknown_origin(path: &Path) -> Warning {
    let text = format!(
        "of {} and the reference only one says how its features were made: whether model, layer and \
         resizing are the same cannot be checked, and if they are not the distance means nothing",
        path.display()
    );
    Warning::new("unknown-origin", path.display(), text)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
