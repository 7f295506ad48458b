//! Every pair of more than two models.

use std::time::Instant;

use super::Cka;
use super::control::OnlyPasses;
use crate::analysis::Observer;
use crate::analysis::platonic::unique;
use crate::analysis::session::kept_sides::{Asked, refuse_running};
use crate::analysis::session::models::listen;
use crate::analysis::session::{accuracy, axes, beside, duplicates, notices, told, weights_of};
use crate::capture::pairs::{Every, compare_every, pairs, suits};
use crate::capture::{ModelFeed, Source};
use crate::error::{Error, Result};
use crate::report::cka::{CkaReport, Side, SideLayer};
use crate::report::pairs::{PairsReport, PairsResults};
use crate::report::{Clock, DataInput, Inputs, Report, SchemaId, Timing, Warning};
use crate::torchscript::{Layer, Selection, device, libtorch_version};

impl Cka {
    /// Compares every pair of more than two models. Each runs once where the full estimator takes Gram matrices
    /// and the memory allowed holds those of all; else pair by pair.
    ///
    /// # Errors
    /// As [`Cka::run`], and options for one of two models.
    pub fn run_pairs(&self, observer: &dyn Observer) -> Result<PairsReport> {
        let clock = Clock::start();
        self.settings().check(self.sides.data.load.batch_size)?;
        self.check_pairs()?;
        refuse_running(&self.sides.models, &self.sides.running, self.sides.output_index)?;
        let together = match Asked::any(&self.sides.models) {
            true => None,
            false => self.together(observer)?,
        };
        let mut report = together.map_or_else(|| self.one_by_one(observer), Ok)?;
        clock.stop(&mut report.timing);
        report.warnings.iter().for_each(|warning| observer.warning(warning));
        Ok(report)
    }

    fn check_pairs(&self) -> Result<()> {
        let sides = &self.sides;
        let for_b = !sides.layers_b.is_empty() || sides.preprocessing_b.any();
        let (problem, remedy) = match () {
            () if !self.controls.is_empty() => {
                ("--control is for one or two models", "name the control among the models")
            }
            () if for_b => ("the -b options are for two models", "leave them out"),
            () => return Ok(()),
        };
        let count = sides.models.len();
        Err(Error::usage(format!("{problem}, and {count} are given"), remedy))
    }

    /// All models side by side, where that suits.
    fn together(&self, observer: &dyn Observer) -> Result<Option<PairsReport>> {
        let loading = Instant::now();
        let (sides, reduce) = (&self.sides, self.reduce);
        let running = &sides.running;
        let dataset = sides.data.open_inputs(running.seed)?;
        let execution = running.execution()?;
        let preprocess = [sides.preprocessing.for_models(&dataset, &sides.models)?];
        let load = sides.data.load.options(running.threads());
        let source = Source { dataset: &dataset, preprocess: &preprocess, load };
        let selection = || Selection::new(&sides.layers);
        let selections = sides.models.iter().map(|_| selection()).collect::<Result<Vec<_>>>()?;
        let (mut subjects, mut records, mut warnings) = listen(
            &sides.models,
            (running, sides.output_index),
            &source,
            (&selections, reduce),
            &execution,
        )?;
        warnings.extend(axes::check(&subjects, reduce)?);
        let layers: Vec<Side> = subjects
            .iter()
            .map(|subject| {
                let of = |l: &Layer| SideLayer::new(&l.name, reduce, &l.canonical_shape());
                subject.layers.iter().map(of).collect()
            })
            .collect();
        let mut feed = ModelFeed::new(&mut subjects, source);
        if !suits(&feed, &self.settings()) {
            observer.note(
                "pair by pair: the models run once for each pair (the full estimator of fewer samples, or more \
                 --memory, would let each run once)",
            );
            return Ok(None);
        }
        beside::tell_preset(&sides.preprocessing, &preprocess[0], observer);
        told::tell_default(&records, &selections, observer);
        let loaded = loading.elapsed().as_secs_f64();
        let found = compare_every(&mut feed, &self.settings(), &mut *observer.passes())?;
        warnings.extend(duplicates::of_data(feed.summary.as_ref(), dataset.path()));
        let data = DataInput::new(&dataset, feed.summary.take(), &preprocess);
        warnings.extend(notices::of_data(&data));
        warnings.extend(notices::of_padding(&data, reduce));
        warnings.extend(accuracy::judge(&mut records, &data.path, &feed.judged(), observer));
        let device = device::name(execution.device);
        let inputs = Inputs { models: records, data: Some(data), ..running.inputs() };
        let mut report = self.of_every(found, &layers, inputs, &device)?;
        report.timing.load = loaded;
        report.warnings.splice(0..0, warnings);
        Ok(Some(report))
    }

    fn of_every(
        &self,
        every: Every,
        layers: &[Side],
        inputs: Inputs,
        device: &str,
    ) -> Result<PairsReport> {
        let samples = inputs.data.as_ref().map_or(0, |data| data.count + data.skipped.len());
        let places = pairs(layers.len());
        let mut made = vec![];
        for ((i, j), outcome) in places.into_iter().zip(&every.found) {
            let sides = [layers[i].clone(), layers[j].clone()];
            let settings = self.recorded(samples, device);
            let inputs = Inputs::default();
            let warnings = super::null_layers(&sides, outcome);
            made.push(CkaReport::assemble(
                libtorch_version(),
                inputs,
                settings,
                &sides,
                outcome,
                warnings,
            ));
        }
        let mut report = self.whole(made, inputs)?;
        report.timing.passes = every.passes;
        (report.timing.decode, report.timing.wait) = (every.timing.decode, every.timing.wait);
        (report.timing.forward, report.timing.measure) =
            (every.timing.forward, every.timing.measure);
        Ok(report)
    }

    /// Each pair for itself.
    fn one_by_one(&self, observer: &dyn Observer) -> Result<PairsReport> {
        let models = &self.sides.models;
        let weights = weights_of(&self.sides.running, models.len())?;
        let mut made: Vec<CkaReport> = vec![];
        let mut records = vec![None; models.len()];
        let all = pairs(models.len()).len();
        for (place, (i, j)) in pairs(models.len()).into_iter().enumerate() {
            let about = format!("pair {} of {all}", place + 1);
            let mut sides = self.sides.clone();
            sides.models = vec![models[i].clone(), models[j].clone()];
            if !sides.running.weights.is_empty() {
                sides.running.weights = vec![weights[i].clone(), weights[j].clone()];
            }
            let mut report = self.of_pair(sides).compared(&OnlyPasses { observer, about })?;
            for (place, record) in [i, j].into_iter().zip(report.inputs.models.drain(..)) {
                records[place].get_or_insert(record);
            }
            made.push(report);
        }
        let data = made.first_mut().and_then(|report| report.inputs.data.take());
        let models = records.into_iter().flatten().collect();
        let timings: Vec<_> = made.iter().map(|report| report.timing).collect();
        let inputs = Inputs { models, data, ..self.sides.running.inputs() };
        let mut report = self.whole(made, inputs)?;
        for of in timings {
            let all = &mut report.timing;
            all.load += of.load;
            all.decode += of.decode;
            all.wait += of.wait;
            all.forward += of.forward;
            all.measure += of.measure;
            all.passes += of.passes;
        }
        Ok(report)
    }

    /// One report of those of the pairs.
    fn whole(&self, made: Vec<CkaReport>, inputs: Inputs) -> Result<PairsReport> {
        let names =
            unique(inputs.models.iter().map(|model| model.telling_path().to_owned()).collect());
        if made.iter().all(|report| report.results.check_values().is_err()) {
            made.first().map_or(Ok(()), |report| report.results.check_values())?;
        }
        let mut warnings: Vec<Warning> = vec![];
        let places = pairs(names.len());
        let (mut results, mut first) = (vec![], None);
        for ((i, j), report) in places.into_iter().zip(made) {
            for warning in report.warnings {
                let warning =
                    Warning { text: named(&warning.text, [&names[i], &names[j]]), ..warning };
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
            first.get_or_insert((report.tool, report.settings));
            results.push(report.results);
        }
        let Some((tool, settings)) = first else {
            return Err(Error::usage("there is no pair of models", "give two or more"));
        };
        Ok(Report {
            schema: SchemaId::current("pairs"),
            tool,
            inputs,
            settings,
            results: PairsResults::of(names, results),
            warnings,
            timing: Timing::default(),
            pictures: vec![],
            command: None,
        })
    }
}

/// A warning that names A and B, with the names of these.
fn named(text: &str, [a, b]: [&String; 2]) -> String {
    text.replace(" of A ", &format!(" of {a} ")).replace(" of B ", &format!(" of {b} "))
}
