//! How far samples lie from a reference, and whether that tells right predictions from wrong ones.

mod measured;
mod predictions;
mod results;

use std::path::PathBuf;
use std::time::Instant;

use self::measured::Distances;
use self::predictions::Judged;
use self::results::{farthest, results, rows, warnings_of};
use super::fid::naming;
use super::sets::{Collected, Keep, Sets, check_same};
use super::shards::{Asked, Job, State, merged_sets, over_sets};
use crate::analysis::session::extraction::Extraction;
use crate::analysis::{Observer, Running, Silent};
use crate::capture::Naming;
use crate::data::ArrayLayout;
use crate::error::{Error, Result};
use crate::report::distance::{DistanceReport, DistanceSettings, SampleRow};
use crate::report::{Clock, Inputs, Report, SchemaId, Timing, Tool};
use crate::torchscript::{libtorch_version, native};

/// Distances of single samples from a reference, in the features of one layer.
///
/// ```
/// use repsim::analysis::{Distance, Silent};
///
/// # fn main() -> repsim::error::Result<()> {
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let images = format!("{folder}/images");
/// let mut distance = Distance::new(&images, &images);
/// distance.extraction.model = Some(format!("{folder}/models/fashion-seed0-scripted.pt").into());
/// distance.extraction.load.limit = Some(40);
/// let (report, samples) = distance.run(&Silent)?;
/// assert_eq!((report.results.n, samples.len()), (40, 40));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Distance {
    /// What the model knows: images or features, with classes where there are any.
    pub reference: PathBuf,
    /// The samples to measure, in any of these forms.
    pub data: PathBuf,
    /// Which nearest neighbour's distance is taken.
    pub k: usize,
    /// Whether samples without labels are an error.
    pub needs_labels: bool,
    /// Axes of the reference's array of pictures, where they are others than those of the samples.
    pub reference_layout: Option<ArrayLayout>,
    /// Where features come from.
    pub extraction: Extraction,
}

impl Distance {
    /// Of all samples, with the tenth neighbour.
    pub fn new(reference: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Self {
            reference: reference.into(),
            data: data.into(),
            k: 10,
            needs_labels: false,
            reference_layout: None,
            extraction: Extraction::default(),
        }
    }

    /// Measures every sample against the reference: the report, and a row a sample.
    ///
    /// # Errors
    /// A set cannot be read, has no labels where they are needed, or its features are of another width, or the
    /// model does not run on it.
    pub fn run(&self, observer: &dyn Observer) -> Result<(DistanceReport, Vec<SampleRow>)> {
        self.measured(Sets::new(&self.extraction, observer, Keep::Classes), observer)
    }

    /// Gathers what a shard has of the images of both sets: their features, a row a sample, and what the model says
    /// of them.
    ///
    /// # Errors
    /// The run cannot be divided, a set cannot be read, or the model does not run on it.
    pub fn shard(&self, job: Job<'_>, observer: &dyn Observer) -> Result<State> {
        native::set_threads(self.extraction.running.threads());
        let mut sets = Sets::new(&self.extraction, observer, Keep::Classes);
        let settings = |sets: &Sets<'_>| self.recorded(sets);
        over_sets(self.named(), &mut sets, &self.asked(), &settings, job)
    }

    /// The run whose shards these states are of.
    ///
    /// # Errors
    /// As [`Distance::run`]; or the states are not those of all shards of this run.
    pub fn merged(
        &self,
        states: Vec<State>,
        observer: &dyn Observer,
    ) -> Result<(DistanceReport, Vec<SampleRow>)> {
        let mut sets = Sets::new(&self.extraction, &Silent, Keep::Classes);
        let settings = |sets: &Sets<'_>| self.recorded(sets);
        let (pieces, device) =
            merged_sets(self.named(), &mut sets, &self.asked(), &settings, states)?;
        let sets = Sets::new(&self.extraction, observer, Keep::Classes).given(pieces);
        let (mut report, rows) = self.measured(sets, observer)?;
        report.timing.total += report.timing.over_data();
        report.settings.device = Some(device).filter(|device| !device.is_empty());
        Ok((report, rows))
    }

    fn named(&self) -> (&'static str, &Running) {
        ("distance", &self.extraction.running)
    }

    fn asked(&self) -> [Asked<'_>; 2] {
        let reference =
            Asked { path: &self.reference, layout: self.reference_layout, logits: false };
        [reference, Asked { path: &self.data, layout: None, logits: true }]
    }

    fn measured(
        &self,
        mut sets: Sets<'_>,
        observer: &dyn Observer,
    ) -> Result<(DistanceReport, Vec<SampleRow>)> {
        let clock = Clock::start();
        let threads = self.extraction.running.threads();
        native::set_threads(threads);
        sets.check_axes(&[&self.reference, &self.data])?;
        self.check_labels(&sets)?;
        sets.features.place = Some((1, 2));
        let reference = sets.with_layout(&self.reference, self.reference_layout, |sets| {
            sets.collect(&self.reference, false)
        })?;
        sets.features.naming = Naming::Known(reference.classes.clone());
        sets.features.place = Some((2, 2));
        let data = sets.collect(&self.data, true)?;
        self.check_origins(&reference, &data)?;
        self.check_widths(&reference, &data)?;
        let measuring = Instant::now();
        let distances =
            native::with_blas_threads(threads, || Distances::of(&reference, &data, self.k))?;
        let measuring = measuring.elapsed().as_secs_f64();
        let form = sets.models().iter().find_map(|model| model.output).unwrap_or_default();
        let judged = Judged::of(&reference, &data, form);
        let rows = rows(&reference, &data, &distances, judged.as_ref().ok());
        let mut results = results(self, &sets, (&reference, &data), &distances, &judged);
        results.farthest = farthest(&rows);
        let mut warnings = sets.noticed();
        warnings.extend(sets.unused_model());
        warnings.extend(warnings_of(&results, &judged, &reference, &data));
        let spent = &sets.features.timing;
        let mut report = Report {
            schema: SchemaId::current("distance"),
            tool: Tool::current(libtorch_version()),
            inputs: Inputs {
                models: sets.models(),
                sets: vec![reference.input, data.input],
                ..self.extraction.running.inputs()
            },
            settings: self.recorded(&sets),
            results,
            warnings,
            pictures: vec![],
            command: None,
            timing: Timing {
                load: sets.features.loading,
                decode: spent.decode,
                wait: spent.wait,
                forward: spent.forward,
                measure: spent.measure,
                distance: Some(measuring),
                passes: 1,
                ..Timing::default()
            },
        };
        clock.stop(&mut report.timing);
        report.warnings.iter().for_each(|warning| observer.warning(warning));
        Ok((report, rows))
    }

    /// A plot of accuracy needs labels.
    fn check_labels(&self, sets: &Sets<'_>) -> Result<()> {
        if self.needs_labels && !sets.has_labels(&self.data)? {
            let problem = "accuracy cannot be drawn: the data have no labels";
            let remedy = "leave --plot out, or give a folder with a sub-folder a class";
            return Err(Error::file("draw", &self.data, problem, remedy));
        }
        Ok(())
    }

    /// Folders of features may be of several models.
    fn check_origins(&self, reference: &Collected, data: &Collected) -> Result<()> {
        match (&reference.origin, &data.origin) {
            (Some(a), Some(b)) => check_same(a, b).map_err(|e| naming(&self.data, e)),
            _ => Ok(()),
        }
    }

    fn check_widths(&self, reference: &Collected, data: &Collected) -> Result<()> {
        let (a, b) = (reference.rows.shape(), data.rows.shape());
        if a[1] == b[1] {
            return Ok(());
        }
        Err(Error::shape(
            "take distances",
            (self.reference.display(), a),
            (self.data.display(), b),
            "use the same layer of the same model for both",
        ))
    }

    fn recorded(&self, sets: &Sets<'_>) -> DistanceSettings {
        let Extraction { layer, reduce, load, output_index, running, .. } = &self.extraction;
        DistanceSettings {
            layer: layer.clone(),
            reduce: *reduce,
            preprocess: sets.preprocess(),
            k: self.k,
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
