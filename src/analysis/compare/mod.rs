//! How alike layers are by several measures, and what each layer is like alone.

mod cautions;
mod chance;
mod nulls;
mod outputs;
mod results;

use std::path::PathBuf;
use std::time::Instant;

pub use self::chance::Chance;
pub(in crate::analysis) use self::chance::check_components;
pub(in crate::analysis) use self::results::{Compared, Layers};
use crate::analysis::Observer;
use crate::analysis::request::over_data;
use crate::analysis::session::kept_sides::{refuse_running, refuse_running_beside_arrays};
use crate::analysis::session::sides::{Measuring, Seen, Sides};
use crate::capture::represent::{Outcome, Wanted, represent};
use crate::capture::{Feed, Progress, Reduce};
use crate::error::Result;
use crate::report::compare::{CompareReport, CompareResults, CompareSettings, MeasureOptions};
use crate::report::{Clock, Report, SchemaId, Timing, Tool};
use crate::similarity::{Measure, Options, Plan, Representation, Table, table};
use crate::torchscript::{libtorch_version, native};

/// Several measures of all pairs of layers of two models, of one with itself, or of stored
/// representations.
///
/// ```
/// use repsim::analysis::{Compare, Silent};
/// use repsim::similarity::Measure;
///
/// # fn main() -> repsim::error::Result<()> {
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let a = format!("{folder}/models/fashion-seed0-scripted.pt");
/// let b = format!("{folder}/models/fashion-seed1-traced.pt");
/// let mut compare = Compare::new(a, b).data(format!("{folder}/images")).limit(40);
/// compare.measures = vec![Measure::Procrustes, Measure::MutualKnn];
/// compare.sides.layers = vec!["layer4".into()];
/// let report = compare.run(&Silent)?;
/// assert_eq!(report.results.measures[1].name, "mutual-knn");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Compare {
    /// The models, their layers and the samples.
    pub sides: Sides,
    /// The measures, each once.
    pub measures: Vec<Measure>,
    /// Options of the measures.
    pub options: Options,
    /// Principal components that each layer is reduced to first.
    pub components: Option<usize>,
    /// From feature maps to rows; not [`Reduce::Spatial`].
    pub reduce: Reduce,
    /// Bytes for features, Gram matrices and what the measures keep of them.
    pub memory: u64,
    /// How values are held against chance.
    pub chance: Chance,
}

over_data!(Compare, sides.data);

impl Compare {
    /// CKA, Procrustes, RSA and mutual kNN of all layers down to depth two, within 4 GiB.
    pub fn new(a: impl Into<PathBuf>, b: impl Into<PathBuf>) -> Self {
        Self::of(Sides::two(a, b))
    }

    /// The same of sides that are filled in by hand.
    pub fn of(sides: Sides) -> Self {
        use Measure::{Cka, MutualKnn, Procrustes, Rsa};
        Self {
            sides,
            measures: vec![Cka, Procrustes, Rsa, MutualKnn],
            options: Options::default(),
            components: None,
            reduce: Reduce::Flatten,
            memory: 4 << 30,
            chance: Chance::default(),
        }
    }

    /// Makes the comparison.
    ///
    /// # Errors
    /// Settings that do not go together, files that cannot be read, a model that does not run on the data, or
    /// no pair of layers with a value.
    pub fn run(&self, observer: &dyn Observer) -> Result<CompareReport> {
        let clock = Clock::start();
        refuse_running(&self.sides.models, &self.sides.running, self.sides.output_index)?;
        if !self.sides.features.is_empty() {
            refuse_running_beside_arrays(&self.sides.running, &self.sides.data, false)?;
        }
        let plan = self.chance.plan((&self.measures, self.options), &self.sides.running)?;
        let seen = self.sides.see(self, observer)?;
        // The threads are those of the pairs.
        let compared = || self.compared(seen, &plan, observer);
        let mut report = native::with_blas_threads(1, compared)?;
        clock.stop(&mut report.timing);
        report.warnings.iter().for_each(|warning| observer.warning(warning));
        Ok(report)
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            reduce: self.reduce,
            options: self.options,
            measures: self.measures.clone(),
            components: self.components,
            memory: self.memory,
            threads: self.sides.running.threads(),
            halves: self.chance.at_a_time(self.sides.running.threads()),
            grams: false,
            outputs: self.takes_outputs(),
        }
    }

    fn compared(
        &self,
        mut seen: Seen<Outcome>,
        plan: &Plan,
        observer: &dyn Observer,
    ) -> Result<CompareReport> {
        let measuring = Instant::now();
        let outcome = &mut seen.found;
        let plan = &plan.within(outcome.threads);
        let of = |labels: Vec<usize>| match self.sides.features.is_empty() {
            true => outcome.indices.iter().map(|&i| labels[i]).collect(),
            false => labels,
        };
        let labels: Option<Vec<usize>> = seen.labels.map(of);
        let captured = std::mem::take(&mut outcome.layers);
        let sides: Vec<Layers> = captured
            .into_iter()
            .map(|layers| Layers::of(layers, labels.as_deref(), self.components, plan.threads))
            .collect();
        let made: Vec<Vec<Option<&Representation>>> =
            sides.iter().map(|s| s.made.iter().map(|m| m.as_ref().ok()).collect()).collect();
        let cells = measured(&made[0], made.get(1).map(Vec::as_slice), plan, observer);
        let names = |side: &Vec<_>| side.iter().map(named).collect::<Vec<_>>();
        let compared = Compared {
            sides: &sides,
            names: &seen.sides.iter().map(names).collect::<Vec<_>>(),
            samples: &outcome.names,
            models: ["A", "B"],
            cells: &cells,
            plan,
        };
        let (results, warnings) = compared.results()?;
        let beside = (&seen.inputs, labels.as_deref(), outcome.names.as_slice());
        let outputs = outputs::results(self, outcome.outputs.take(), beside, plan.seed)?;
        let results = CompareResults { outputs, ..results };
        let timing = timing(outcome, seen.loading, measuring.elapsed().as_secs_f64());
        Ok(Report {
            schema: SchemaId::current("compare"),
            tool: Tool::current(libtorch_version()),
            settings: self.recorded(&seen.device),
            inputs: seen.inputs,
            results,
            warnings: [seen.warnings, warnings].concat(),
            timing,
            pictures: vec![],
            command: None,
        })
    }

    fn recorded(&self, device: &str) -> CompareSettings {
        CompareSettings {
            measures: self.measures.iter().map(Measure::to_string).collect(),
            options: MeasureOptions::of(&self.options),
            reduce: self.reduce,
            pca: self.components,
            chance: self.chance.recorded(&self.sides.running),
            read: self.sides.data.load.recorded(self.sides.running.seed),
            layers: self.sides.layers.clone(),
            layers_b: self.sides.patterns_b().to_vec(),
            output_index: self.sides.output_index,
            optimize: self.sides.running.optimize,
            precision: self.sides.recorded_precision(),
            device: device.to_owned(),
        }
    }
}

fn named(layer: &crate::report::cka::SideLayer) -> String {
    layer.name().to_owned()
}

/// Where the time of a run went that keeps layers and then measures pairs of them.
pub(in crate::analysis) fn timing(outcome: &Outcome, loading: f64, measured: f64) -> Timing {
    let of = outcome.timing;
    Timing {
        load: loading,
        decode: of.decode,
        wait: of.wait,
        forward: of.forward,
        measure: of.measure + measured,
        passes: outcome.passes,
        ..Timing::default()
    }
}

/// [`table`], followed by an observer.
pub(in crate::analysis) fn measured(
    a: &[Option<&Representation>],
    b: Option<&[Option<&Representation>]>,
    plan: &Plan,
    observer: &dyn Observer,
) -> Table {
    let what = if plan.halves > 0 { "pairs and halves of the samples" } else { "pairs" };
    let steps = observer.steps(what, plan.steps(a.len(), b.map(<[_]>::len)));
    table(a, b, plan, &mut || steps.advance())
}

impl Measuring for Compare {
    type Found = Outcome;

    fn reduce(&self) -> Reduce {
        self.reduce
    }

    fn stored_batch(&self, _samples: usize, _widths: &[Vec<usize>]) -> usize {
        usize::MAX
    }

    fn measures(&self) -> &[Measure] {
        &self.measures
    }

    fn takes_outputs(&self) -> bool {
        self.sides.models.len() == 2
    }

    fn check(&self, samples: usize) -> Result<()> {
        check_components(self.components, samples)
    }

    fn tell(&self, feed: &dyn Feed, observer: &dyn Observer) -> Result<()> {
        let of = |layers: &Vec<Vec<i64>>| layers.iter().map(|s| self.reduce.width(s)).collect();
        let widths: Vec<Vec<usize>> = feed.shapes().iter().map(of).collect();
        let rounds = 1 + self.chance.permutations + self.chance.halves;
        cautions::tell_units(&self.measures, &widths, (self.components, rounds), observer);
        Ok(())
    }

    fn measure(&self, feed: &mut dyn Feed, progress: &mut dyn Progress) -> Result<Outcome> {
        represent(feed, &self.wanted(), progress)
    }
}
