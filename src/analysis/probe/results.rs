//! From rows of layers to the report.

use ndarray::{ArrayView1, Axis};

use super::Probe;
use super::seen::{Control, Layer, Model, Seen};
use super::tasks::{Task, Truth};
use super::{against, ends};
use crate::analysis::{Draw, Observer};
use crate::capture::gather::Gathered;
use crate::error::{Error, Result};
use crate::functional::wilson;
use crate::probe::{Answers, Classified, Kind, Plan, Regressed, classify, confusion, r2, regress};
use crate::report::probe::{ProbeLayer, ProbeModel, ProbeReport, ProbeResults, ProbeScore};
use crate::report::probe::{Targets, Task as TaskName};
use crate::report::{Number, Report, SchemaId, Timing, Tool, Warning};
use crate::similarity::each;
use crate::torchscript::libtorch_version;
use crate::view::names::{few, listed};

/// What each probe found in a layer, or why there is nothing.
type Scores = Result<Vec<ProbeScore>, String>;

/// Probes all layers and puts the report together.
///
/// # Errors
/// No layer has a value.
pub fn report(
    asked: &Probe,
    seen: &mut Seen,
    truth: &Truth,
    observer: &dyn Observer,
) -> Result<ProbeReport> {
    let probing = Probing { asked, truth, plan: asked.plan(truth) };
    let mut scores = probing.all(seen, observer);
    let against = against::of(asked, seen, observer);
    let pixels = seen.pixels.as_ref().ok().map(|pixels| {
        let found = scores.pop().unwrap_or_else(|| Err("no pixels".to_owned()));
        probing.layer(("pixels", pixels.width), found, None)
    });
    let models = probing.models(seen, &mut scores.into_iter(), &against);
    let mut warnings = std::mem::take(&mut seen.warnings);
    warnings.extend(of_null_layers(&models));
    warnings.extend(of_convergence(&models, pixels.as_ref()));
    warnings.extend(ends::of_strengths(&models, &asked.grids));
    warnings.extend(of_constant_targets(truth));
    warnings.extend(few_samples(truth, asked));
    let recorded = asked.recorded(seen);
    let results = probing.results(seen, models, pixels, against);
    check_values(&results)?;
    let of = seen.timing;
    Ok(Report {
        schema: SchemaId::current("probe"),
        tool: Tool::current(libtorch_version()),
        settings: recorded,
        inputs: std::mem::take(&mut seen.inputs),
        results,
        warnings,
        timing: Timing {
            load: seen.loading,
            decode: of.decode,
            wait: of.wait,
            forward: of.forward,
            measure: of.measure,
            passes: 1,
            ..Timing::default()
        },
        pictures: vec![],
        command: None,
    })
}

impl Probe {
    fn plan(&self, truth: &Truth) -> Plan {
        Plan {
            kinds: match truth.task {
                Task::Numbers { .. } => vec![Kind::Ridge],
                Task::Classes { .. } => self.kinds.clone(),
            },
            standardize: self.standardize,
            grids: self.grids.clone(),
            neighbours: self.neighbours,
            inner_folds: self.inner_folds,
            seed: self.seed(Draw::Split),
            parts: truth.parts.clone(),
        }
    }
}

/// What all layers are probed with.
struct Probing<'a> {
    asked: &'a Probe,
    truth: &'a Truth,
    plan: Plan,
}

impl Probing<'_> {
    /// Of the layers of each model, each followed by those of its control, and last of the pixels.
    fn all(&self, seen: &Seen, observer: &dyn Observer) -> Vec<Scores> {
        let mut rows: Vec<&Gathered> = vec![];
        for model in &seen.models {
            rows.extend(model.layers.iter().map(|layer| &layer.rows));
            if let Control::Layers(_, layers) = &model.control {
                rows.extend(layers.iter().map(|layer| &layer.rows));
            }
        }
        rows.extend(seen.pixels.as_ref().ok());
        let steps = observer.steps("layers", rows.len());
        let threads = self.asked.running.threads();
        each(&rows, threads, |rows| self.scores(rows), &mut || steps.advance())
    }

    fn scores(&self, layer: &Gathered) -> Scores {
        let rows = layer.rows.as_ref().map_err(Clone::clone)?.view();
        match &self.truth.task {
            Task::Classes { labels, shuffled, classes } => {
                let found = classify(rows, (labels, shuffled), classes.len(), &self.plan)?;
                let of = |one: &Classified| self.of_classes(one, (labels, shuffled), classes.len());
                Ok(found.iter().map(of).collect())
            }
            Task::Numbers { values, shuffled, .. } => {
                let found = regress(rows, (values.view(), shuffled), &self.plan)?;
                Ok(vec![of_numbers(&found, (values, shuffled))])
            }
        }
    }

    fn of_classes(
        &self,
        found: &Classified,
        (labels, shuffled): (&[usize], &[Vec<usize>]),
        classes: usize,
    ) -> ProbeScore {
        let count = self.truth.measured().len();
        let right = right(&found.real, labels);
        let share = |right: usize| right as f64 / count as f64;
        let times = found.shuffled.iter().zip(shuffled);
        let by_chance: Vec<f64> =
            times.map(|(found, labels)| share(self::right(found, labels))).collect();
        let confusion = confusion(labels, &found.real.predicted, classes);
        let of_class = |(class, row): (usize, &Vec<usize>)| {
            Number::from(row[class] as f64 / row.iter().sum::<usize>() as f64)
        };
        ProbeScore {
            probe: found.kind.to_string(),
            score: share(right).into(),
            interval: wilson(right, count),
            shuffled: mean_of(&by_chance).into(),
            shuffled_sd: deviation_of(&by_chance).into(),
            selectivity: mean_of(&by_chance).map(|mean| share(right) - mean).into(),
            chosen: found.real.chosen.clone(),
            unconverged: found.real.unconverged,
            per_class: confusion.iter().enumerate().map(of_class).collect(),
            confusion,
            ..ProbeScore::default()
        }
    }

    /// A layer with what its control found.
    fn layer(
        &self,
        (name, width): (&str, usize),
        found: Scores,
        cka: Option<Number>,
    ) -> ProbeLayer {
        let none = |why: String| {
            let none = |kind: &Kind| ProbeScore {
                probe: kind.to_string(),
                reason: Some(why.clone()),
                ..ProbeScore::default()
            };
            self.plan.kinds.iter().map(none).collect()
        };
        ProbeLayer { name: name.to_owned(), width, probes: found.unwrap_or_else(none), cka }
    }

    fn models(
        &self,
        seen: &Seen,
        scores: &mut dyn Iterator<Item = Scores>,
        against: &against::Against,
    ) -> Vec<ProbeModel> {
        let mut made: Vec<ProbeModel> = vec![];
        let mut controls: Vec<Option<Vec<ProbeLayer>>> = vec![];
        for (i, model) in seen.models.iter().enumerate() {
            let mut layers = self.layers(&model.layers, scores, |l| against.cka(i, l));
            let own = match &model.control {
                Control::Layers(_, all) => Some(self.layers(all, scores, |_| None)),
                Control::SameAs(_) | Control::Missing(_) => None,
            };
            controls.push(own);
            let control = match &model.control {
                Control::SameAs(other) => controls[*other].as_ref(),
                _ => controls[i].as_ref(),
            };
            layers.iter_mut().for_each(|layer| set_control(layer, control, model));
            made.push(told(model, layers, &seen.models));
        }
        made
    }

    fn layers(
        &self,
        layers: &[Layer],
        scores: &mut dyn Iterator<Item = Scores>,
        cka: impl Fn(usize) -> Option<Number>,
    ) -> Vec<ProbeLayer> {
        let all = layers.iter().enumerate().zip(scores);
        all.map(|((l, layer), found)| self.layer((&layer.name, layer.rows.width), found, cka(l)))
            .collect()
    }

    fn results(
        &self,
        seen: &Seen,
        models: Vec<ProbeModel>,
        pixels: Option<ProbeLayer>,
        against: against::Against,
    ) -> ProbeResults {
        let measured = self.truth.measured();
        let (task, classes, chance, targets) = match &self.truth.task {
            Task::Classes { labels, classes, .. } => {
                let of = |class: usize| measured.iter().filter(|&&i| labels[i] == class).count();
                let most = (0..classes.len()).map(of).max().unwrap_or(0);
                (TaskName::Classes, classes.clone(), most as f64 / measured.len() as f64, None)
            }
            Task::Numbers { told, .. } => {
                (TaskName::Numbers, vec![], 0.0, Some(Targets::clone(told)))
            }
        };
        let against = against.result(&models, &self.plan.kinds[0].to_string());
        ProbeResults {
            task,
            n: seen.samples.len(),
            n_fit: self.truth.parts.iter().map(|part| part.fit.len()).min().unwrap_or(0),
            n_measured: measured.len(),
            classes,
            chance,
            classes_file: self.truth.file.clone(),
            targets,
            models,
            pixels,
            without_pixels: seen.pixels.as_ref().err().cloned(),
            against,
        }
    }
}

fn right(answers: &Answers<usize>, labels: &[usize]) -> usize {
    answers.predicted.iter().zip(labels).filter(|(found, label)| **found == Some(**label)).count()
}

/// The mean, where there is anything.
fn mean_of(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The standard deviation of two values or more, with n − 1.
fn deviation_of(values: &[f64]) -> Option<f64> {
    let mean = mean_of(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

fn of_numbers(
    found: &Regressed,
    (values, shuffled): (&ndarray::Array2<f64>, &[ndarray::Array2<f64>]),
) -> ProbeScore {
    let each = |answers: &[Answers<f64>], values: &ndarray::Array2<f64>| -> Vec<Option<f64>> {
        let columns = answers.iter().zip(values.columns());
        columns.map(|(answers, truth)| r2(&truth.to_vec(), &answers.predicted)).collect()
    };
    let mean = |all: &[Option<f64>]| mean_of(&all.iter().copied().flatten().collect::<Vec<_>>());
    let real = each(&found.real, values);
    let times = found.shuffled.iter().zip(shuffled);
    let control: Vec<f64> =
        times.filter_map(|(answers, values)| mean(&each(answers, values))).collect();
    let constant = real.iter().filter(|value| value.is_none()).count();
    let parts = found.real.first().map_or(0, |answers| answers.chosen.len());
    let chosen =
        (0..parts).flat_map(|part| found.real.iter().map(move |answers| answers.chosen[part]));
    ProbeScore {
        probe: Kind::Ridge.to_string(),
        score: mean(&real).into(),
        shuffled: mean_of(&control).into(),
        shuffled_sd: deviation_of(&control).into(),
        selectivity: mean(&real).zip(mean_of(&control)).map(|(a, b)| a - b).into(),
        chosen: chosen.collect(),
        reason: (constant > 0)
            .then(|| format!("{constant} of {} targets are constant", real.len())),
        r2: real.into_iter().map(Number::from).collect(),
        ..ProbeScore::default()
    }
}

/// Puts what the control found beside what its layer did.
fn set_control(layer: &mut ProbeLayer, control: Option<&Vec<ProbeLayer>>, model: &Model) {
    let same = control.map(|all| all.iter().find(|other| other.name == layer.name));
    let why = match (&model.control, same) {
        (Control::Missing(why), _) => Some(why.clone()),
        (_, Some(None)) => Some("the control has no layer of this name".to_owned()),
        _ => None,
    };
    for (i, probe) in layer.probes.iter_mut().enumerate() {
        probe.control_reason.clone_from(&why);
        if let Some(other) = same.flatten().and_then(|other| other.probes.get(i)) {
            probe.control = other.score;
            probe.control_interval = other.interval;
            if other.score.get().is_none() {
                probe.control_reason.clone_from(&other.reason);
            }
        }
    }
}

fn told(model: &Model, layers: Vec<ProbeLayer>, all: &[Model]) -> ProbeModel {
    let name = |control: &Control| match control {
        Control::Layers(name, _) => Some(name.clone()),
        _ => None,
    };
    ProbeModel {
        name: model.name.clone(),
        accuracy: model.accuracy.as_ref().ok().copied().into(),
        control: match &model.control {
            Control::SameAs(other) => name(&all[*other].control),
            own => name(own),
        },
        without_control: match &model.control {
            Control::Missing(why) => Some(why.clone()),
            _ => None,
        },
        layers,
    }
}

fn of_null_layers(models: &[ProbeModel]) -> Vec<Warning> {
    let mut groups: Vec<(String, Vec<String>)> = vec![];
    for model in models {
        for layer in &model.layers {
            let first = layer.probes.first();
            let Some(why) =
                first.filter(|p| p.score.get().is_none()).and_then(|p| p.reason.clone())
            else {
                continue;
            };
            let place = format!("{} of {}", layer.name, model.name);
            match groups.iter_mut().find(|(known, _)| *known == why) {
                Some((_, places)) => places.push(place),
                None => groups.push((why, vec![place])),
            }
        }
    }
    let warning = |(why, places): (String, Vec<String>)| {
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        let has = if places.len() == 1 { "has" } else { "have" };
        let text = format!("{} {has} no values: {why}", few("layer", &places));
        Warning::new("null-layer", listed(&places), text)
    };
    groups.into_iter().map(warning).collect()
}

/// Warns of solvers that did not come to their end.
fn of_convergence(models: &[ProbeModel], pixels: Option<&ProbeLayer>) -> Option<Warning> {
    let of_models = models.iter().flat_map(|model| {
        model.layers.iter().map(move |layer| (format!("{} of {}", layer.name, model.name), layer))
    });
    let all = of_models.chain(pixels.map(|layer| (layer.name.clone(), layer)));
    let failed = all.filter(|(_, layer)| layer.probes.iter().any(|probe| probe.unconverged > 0));
    let places: Vec<String> = failed.map(|(place, _)| place).collect();
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let text = format!(
        "the solver of logistic regression did not reach its tolerance in {}: accuracies there may be those of a fit \
         that is not the best (smaller values of --cost converge sooner)",
        few("layer", &places)
    );
    (!places.is_empty()).then(|| Warning::new("not-converged", listed(&places), text))
}

/// Warns of targets that no score counts.
fn of_constant_targets(truth: &Truth) -> Option<Warning> {
    let Task::Numbers { values, told, .. } = &truth.task else { return None };
    let measured = values.select(Axis(0), &truth.measured());
    let same = |column: ArrayView1<'_, f64>| column.iter().all(|v| Some(v) == column.first());
    let columns = measured.columns().into_iter().zip(&told.names);
    let names: Vec<&str> =
        columns.filter(|(column, _)| same(*column)).map(|(_, name)| name.as_str()).collect();
    let text = format!(
        "{} of {} {} the same for all samples measured on, and without R²: means are over the others",
        few("target", &names),
        told.path,
        if names.len() == 1 { "is" } else { "are" }
    );
    (!names.is_empty()).then(|| Warning::new("constant-target", listed(&names), text))
}

/// Warns of so few samples that intervals say little.
fn few_samples(truth: &Truth, asked: &Probe) -> Option<Warning> {
    let count = truth.measured().len();
    let Task::Classes { .. } = truth.task else { return None };
    let (low, high) = wilson(count / 2, count)?;
    let text = format!(
        "{count} samples are measured on: an accuracy of 50 % has an interval from {:.0} to {:.0} %{}",
        100.0 * low,
        100.0 * high,
        match asked.share {
            super::Share::Folds(_) => "; give more samples",
            super::Share::Fraction(_) => "; give more samples, or --folds, which measures on all",
        }
    );
    (high - low > 0.2).then(|| Warning::new("few-samples", "results.n_measured", text))
}

fn check_values(results: &ProbeResults) -> Result<()> {
    let mut probes =
        results.models.iter().flat_map(|model| &model.layers).flat_map(|layer| &layer.probes);
    if probes.clone().any(|probe| probe.score.get().is_some()) {
        return Ok(());
    }
    let why = probes.find_map(|probe| probe.reason.clone()).unwrap_or_default();
    Err(Error::usage(
        format!("no layer has a value: {why}"),
        "choose other layers with --layers, or look at the data",
    ))
}
