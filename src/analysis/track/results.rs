//! From what was measured to the report.

use super::Track;
use super::kept::{Told, path_of};
use super::settling::{bottom_up, settled};
use super::values::{Checkpoint, Followed, Row, Value};
use crate::analysis::Observer;
use crate::analysis::platonic::unique;
use crate::analysis::session::accuracy;
use crate::analysis::session::notices::{Absent, of_absent_layers};
use crate::error::{Error, Result};
use crate::report::compare::MeasureFacts;
use crate::report::track::{
    CheckpointResult, Drop, LayerTrack, Pairwise, ReferenceResult, TrackNull, TrackReport,
    TrackResults,
};
use crate::report::{Inputs, ModelInput, Number, Report, SchemaId, Tool, Warning};
use crate::torchscript::libtorch_version;
use crate::view::names::listed;

/// Puts the report together.
///
/// # Errors
/// The checkpoints have no layer in common, or nothing has a value.
pub fn report(
    asked: &Track,
    found: Followed,
    mut told: Told,
    observer: &dyn Observer,
) -> Result<TrackReport> {
    let paths = found.checkpoints.iter().map(|one| path_of(&one.record).to_owned());
    let made = Made { asked, names: unique(paths.collect()), found: &found };
    made.check()?;
    let pairwise = made.found.pairwise(asked, &told.samples, observer);
    let results = made.results(pairwise, told.samples.len());
    let mut records: Vec<ModelInput> =
        found.checkpoints.iter().map(|one| one.record.clone()).collect();
    told.add(made.warnings(&records));
    let data = told.data.as_ref().map_or("", |data| data.path.as_str());
    let judged = judged(&mut records, &found, data, observer);
    told.add(judged);
    records.extend(found.reference.as_ref().map(|one| one.record.clone()));
    Ok(Report {
        schema: SchemaId::current("track"),
        tool: Tool::current(libtorch_version()),
        inputs: Inputs { models: records, data: told.data, ..asked.running.inputs() },
        settings: asked.recorded(&told.device),
        results,
        warnings: told.warnings,
        timing: told.timing,
        pictures: vec![],
        command: None,
    })
}

/// Notes how often each is right that ran. That the first checkpoints are so by chance is what training is for: only
/// the last one is warned of.
fn judged(
    records: &mut [ModelInput],
    found: &Followed,
    data: &str,
    observer: &dyn Observer,
) -> Vec<Warning> {
    let mut warnings = vec![];
    for (record, one) in records.iter_mut().zip(&found.checkpoints) {
        let judged = one.judged.as_slice();
        warnings = accuracy::judge(std::slice::from_mut(record), data, judged, observer);
    }
    warnings
}

/// What was measured, and what the checkpoints are called.
struct Made<'a> {
    asked: &'a Track,
    names: Vec<String>,
    found: &'a Followed,
}

impl Made<'_> {
    /// The layers that all have: their places among those of the last one.
    fn common(&self) -> Vec<usize> {
        (0..self.found.common.len()).filter(|&l| self.found.common[l]).collect()
    }

    fn layer(&self, place: usize) -> &str {
        &self.found.last.layers[place].name
    }

    fn check(&self) -> Result<()> {
        let common = self.common();
        if common.is_empty() {
            let last = self.names.last().map_or("", String::as_str);
            let problem = format!("no layer of {last} is in all checkpoints");
            let remedy =
                "give checkpoints of one architecture, or name layers that all have with --layers";
            return Err(Error::usage(problem, remedy));
        }
        let rows =
            || self.found.checkpoints.iter().flat_map(|one| common.iter().map(|&l| &one.rows[l]));
        if rows().any(|row| row.with_last.is_ok() || row.with_previous.is_ok()) {
            return Ok(());
        }
        let why = rows().find_map(|row| row.with_last.as_ref().err()).cloned().unwrap_or_default();
        let problem =
            format!("no layer of any checkpoint has a value: {}, {why}", self.layer(common[0]));
        Err(Error::usage(problem, "choose other layers, or give more or other samples"))
    }

    fn results(&self, pairwise: Vec<Vec<Value>>, n: usize) -> TrackResults {
        let (asked, common) = (self.asked, self.common());
        let mut nulls = self.nulls_of("with_last", |row| Some(&row.with_last));
        nulls.extend(self.nulls_of("with_previous", |row| Some(&row.with_previous)));
        nulls.extend(self.nulls_of("with_reference", |row| row.with_reference.as_ref()));
        let layers: Vec<LayerTrack> =
            common.iter().map(|&l| self.layer_track(l, &mut nulls)).collect();
        let checkpoints = self.checkpoints(&mut nulls);
        let order = bottom_up(&layers.iter().map(|layer| layer.settled).collect::<Vec<_>>());
        nulls.extend(order.err().map(|why| null("bottom_up", None, None, why)));
        nulls.extend(self.nulls_of_pairs(&pairwise));
        TrackResults {
            largest_drop: largest(&checkpoints),
            reference: self.reference(),
            n,
            measure: asked.measure.to_string(),
            facts: MeasureFacts::of(asked.measure, &asked.options),
            not_common: self.not_common(),
            bottom_up: Number::from(order.ok().map(|(r, _)| r)),
            bottom_up_p: Number::from(order.ok().map(|(_, p)| p)),
            pairwise: Pairwise {
                layer: self.found.at.clone(),
                values: pairwise.iter().map(|row| row.iter().map(number).collect()).collect(),
            },
            checkpoints,
            layers,
            nulls,
        }
    }

    fn layer_track(&self, place: usize, nulls: &mut Vec<TrackNull>) -> LayerTrack {
        let layer = &self.found.last.layers[place];
        let rows = || self.found.checkpoints.iter().map(|one| &one.rows[place]);
        let values: Vec<Option<f64>> =
            rows().map(|row| row.with_last.as_ref().ok().copied()).collect();
        let settled = settled(&values, self.asked.tolerance);
        nulls.extend(settled.err().map(|why| null("settled", Some(&layer.name), None, why)));
        LayerTrack {
            name: layer.name.clone(),
            width: layer.width,
            with_last: values.into_iter().map(Number::from).collect(),
            with_previous: rows().map(|row| number(&row.with_previous)).collect(),
            with_reference: rows().map(|row| row.with_reference.as_ref().map(number)).collect(),
            settled: settled.ok(),
            settled_at: settled.ok().map(|place| self.names[place].clone()),
        }
    }

    fn checkpoints(&self, nulls: &mut Vec<TrackNull>) -> Vec<CheckpointResult> {
        let all = &self.found.checkpoints;
        let accuracies: Vec<Result<f64, String>> =
            all.iter().map(|one| one.accuracy.clone()).collect();
        nulls.extend(self.nulls_of_accuracy(&accuracies));
        let one = |(i, at): (usize, &Checkpoint)| {
            let accuracy = |i: usize| accuracies[i].as_ref().ok().copied();
            let before = i.checked_sub(1).and_then(accuracy);
            let fell = self.fall(at);
            nulls.extend(
                fell.as_ref().err().map(|why| null("drop", None, Some(&self.names[i]), why)),
            );
            let fell = fell.ok();
            CheckpointResult {
                name: self.names[i].clone(),
                accuracy: Number::from(accuracy(i)),
                accuracy_drop: Number::from(
                    before.zip(accuracy(i)).map(|(before, now)| before - now),
                ),
                drop: Number::from(fell.map(|(_, value)| value)),
                drop_layer: fell.map(|(place, _)| self.layer(place).to_owned()),
            }
        };
        all.iter().enumerate().map(one).collect()
    }

    /// The layer of a checkpoint that is least like that of the one before, and how much less than equal layers.
    ///
    /// # Errors
    /// A layer has no value, though it has some elsewhere: how far it fell is not known.
    fn fall(&self, at: &Checkpoint) -> Result<(usize, f64), String> {
        let facts = self.asked.measure.facts();
        if !facts.best.is_finite() {
            return Err("the measure has no value that equal layers have".to_owned());
        }
        let sign = if facts.larger_is_more_alike { 1.0 } else { -1.0 };
        let mut most: Result<(usize, f64), String> = Err("no layer has a value".to_owned());
        for place in self.common().into_iter().filter(|&place| self.has_values(place)) {
            let value = at.rows[place].with_previous.as_ref();
            let value = value.map_err(|why| format!("{}: {why}", self.layer(place)))?;
            let fall = sign * (facts.best - value);
            if most.as_ref().is_ok_and(|most| fall <= most.1) {
                continue;
            }
            most = Ok((place, fall));
        }
        most
    }

    /// Whether a layer has a value in any checkpoint.
    fn has_values(&self, place: usize) -> bool {
        let mut rows = self.found.checkpoints.iter().map(|one| &one.rows[place]);
        rows.any(|row| row.with_last.is_ok() || row.with_previous.is_ok())
    }

    fn reference(&self) -> Option<ReferenceResult> {
        let reference = self.found.reference.as_ref()?;
        let name = match &reference.record.features {
            Some(folder) => unique(vec![folder.path.clone()]).swap_remove(0),
            None => reference.record.name(),
        };
        Some(ReferenceResult { name, accuracy: Number::from(reference.accuracy.clone().ok()) })
    }

    fn not_common(&self) -> Vec<String> {
        let own = (0..self.found.common.len()).filter(|&l| !self.found.common[l]);
        own.map(|l| self.layer(l).to_owned()).chain(self.found.others.iter().cloned()).collect()
    }

    /// Why values of a field are missing: once a checkpoint where that is the same for all layers.
    fn nulls_of(&self, field: &str, of: impl Fn(&Row) -> Option<&Value>) -> Vec<TrackNull> {
        let common = self.common();
        let mut nulls = vec![];
        for (name, one) in self.names.iter().zip(&self.found.checkpoints) {
            let reasons: Vec<Option<&String>> =
                common.iter().map(|&l| of(&one.rows[l])?.as_ref().err()).collect();
            match reasons[0] {
                Some(why) if reasons.iter().all(|other| *other == Some(why)) => {
                    nulls.push(null(field, None, Some(name), why));
                }
                _ => nulls.extend(common.iter().zip(&reasons).filter_map(|(&l, why)| {
                    Some(null(field, Some(self.layer(l)), Some(name), (*why)?))
                })),
            }
        }
        nulls
    }

    fn nulls_of_accuracy(&self, accuracies: &[Result<f64, String>]) -> Vec<TrackNull> {
        let reasons: Vec<Option<&String>> =
            accuracies.iter().map(|one| one.as_ref().err()).collect();
        if let Some(why) = reasons[0].filter(|why| reasons.iter().all(|one| one == &Some(*why))) {
            return vec![null("accuracy", None, None, why)];
        }
        let named = self.names.iter().zip(reasons);
        named.filter_map(|(name, why)| Some(null("accuracy", None, Some(name), why?))).collect()
    }

    fn nulls_of_pairs(&self, pairwise: &[Vec<Value>]) -> Vec<TrackNull> {
        let own = self.names.iter().zip(pairwise).enumerate();
        let of = |(i, (name, row)): (usize, (&String, &Vec<Value>))| {
            Some(null("pairwise", Some(&self.found.at), Some(name), row[i].as_ref().err()?))
        };
        own.filter_map(of).collect()
    }

    fn warnings(&self, records: &[ModelInput]) -> Vec<Warning> {
        let named = self.names.iter().zip(&self.found.checkpoints);
        let all: Vec<(&String, &(String, String))> = named
            .flat_map(|(name, one)| one.absent.iter().map(move |absent| (name, absent)))
            .collect();
        let absent = all.iter().map(|(name, (layer, why))| Absent {
            model: name.as_str(),
            layer: layer.as_str(),
            why: why.clone(),
        });
        let mut warnings = of_absent_layers(absent);
        warnings.extend(self.different());
        warnings.extend(self.equal(records));
        warnings
    }

    /// Checkpoints of different architectures: which of their layers are compared.
    fn different(&self) -> Option<Warning> {
        let (common, left) = (self.common(), self.not_common());
        let names: Vec<&str> = common.iter().map(|&l| self.layer(l)).collect();
        let left: Vec<&str> = left.iter().map(String::as_str).collect();
        let text = format!(
            "the checkpoints do not have the same layers: compared {} that all have ({}), left out: {}",
            match names.len() {
                1 => "is the one".to_owned(),
                count => format!("are the {count}"),
            },
            listed(&names),
            listed(&left)
        );
        (!left.is_empty()).then(|| Warning::new("layers-not-common", listed(&left), text))
    }

    /// Checkpoints with the same contents.
    fn equal(&self, records: &[ModelInput]) -> Vec<Warning> {
        let mut warnings = vec![];
        for (i, record) in records.iter().enumerate() {
            let same = |other: &ModelInput| other.identity() == record.identity();
            if let Some(j) = records[..i].iter().position(same) {
                let (one, other) = (&self.names[j], &self.names[i]);
                let text = format!("{one} and {other} hold the same network");
                warnings.push(Warning::new("same-checkpoint", other, text));
            }
        }
        warnings
    }
}

fn null(field: &str, layer: Option<&str>, checkpoint: Option<&str>, why: &str) -> TrackNull {
    let [layer, checkpoint] = [layer, checkpoint].map(|name| name.map(str::to_owned));
    TrackNull { field: field.to_owned(), layer, checkpoint, reason: why.to_owned() }
}

fn number(value: &Value) -> Number {
    Number::from(value.as_ref().ok().copied())
}

fn largest(checkpoints: &[CheckpointResult]) -> Option<Drop> {
    let of = |one: &CheckpointResult| {
        let (checkpoint, layer) = (one.name.clone(), one.drop_layer.clone()?);
        Some(Drop { checkpoint, layer, value: one.drop.get()? })
    };
    let all = checkpoints.iter().filter_map(of);
    all.reduce(|most, next| if next.value > most.value { next } else { most })
}
