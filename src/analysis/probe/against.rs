//! What can be read out beside how alike layers are to those of the first model.

use super::Probe;
use super::seen::{Layer, Seen};
use crate::analysis::Observer;
use crate::functional::ranking::{correlation, falling_ranks};
use crate::report::Number;
use crate::report::probe::{ProbeAgainst, ProbeDisagreement, ProbeModel};
use crate::similarity::{Measure, Options, Pair, Representation, each};

/// Layers that are listed.
const LISTED: usize = 10;

/// Layers from which a rank correlation is given: of two it is 1 or −1 whatever the data.
const FEWEST: usize = 4;

/// Unbiased linear CKA of the layers of each model but the first with those of the same names in the first.
pub struct Against {
    /// By model and layer; empty of one model.
    values: Vec<Vec<Option<f64>>>,
}

/// Measures it, from the rows that the probes have.
pub fn of(asked: &Probe, seen: &Seen, observer: &dyn Observer) -> Against {
    let (Some(first), true) = (seen.models.first(), seen.models.len() > 1) else {
        return Against { values: vec![] };
    };
    let mut values = vec![first.layers.iter().map(|_| None).collect()];
    for model in &seen.models[1..] {
        let steps = observer.steps("layers beside the first model's", model.layers.len());
        let one = |layer: &Layer| {
            let other = first.layers.iter().find(|other| other.name == layer.name)?;
            cka(layer, other)
        };
        values.push(each(&model.layers, asked.running.threads(), one, &mut || steps.advance()));
    }
    Against { values }
}

fn cka(one: &Layer, other: &Layer) -> Option<f64> {
    let made = |layer: &Layer| {
        let rows = layer.rows.rows.clone().ok()?;
        Representation::within(rows, Options::default(), layer.rows.constant).ok()
    };
    let (one, other) = (made(one)?, made(other)?);
    Measure::Cka.value(&Pair::new(&one, &other).ok()?).ok()
}

impl Against {
    /// CKA of a layer; nothing of those of the first model.
    pub fn cka(&self, model: usize, layer: usize) -> Option<Number> {
        let of_model = self.values.get(model).filter(|_| model > 0)?;
        Some(of_model.get(layer).copied().flatten().into())
    }

    /// What the two say together of the layers that have both.
    pub fn result(&self, models: &[ProbeModel], probe: &str) -> Option<ProbeAgainst> {
        if self.values.is_empty() {
            return None;
        }
        let (first, others) = models.split_first()?;
        let mut known = vec![];
        for model in others {
            for layer in &model.layers {
                let same = first.layers.iter().find(|other| other.name == layer.name);
                let cka = layer.cka.and_then(Number::get);
                let scores =
                    same.and_then(|same| Some((score(&layer.probes)?, score(&same.probes)?)));
                if let (Some(cka), Some((own, reference))) = (cka, scores) {
                    known.push((model.name.clone(), layer.name.clone(), cka, own - reference));
                }
            }
        }
        let ckas: Vec<f64> = known.iter().map(|one| one.2).collect();
        let near: Vec<f64> = known.iter().map(|one| -one.3.abs()).collect();
        let (by_cka, by_score) = (falling_ranks(&ckas), falling_ranks(&near));
        let of = |(i, (model, layer, cka, difference)): (usize, (String, String, f64, f64))| {
            ProbeDisagreement {
                model,
                layer,
                cka,
                difference,
                rank_cka: by_cka[i],
                rank_difference: by_score[i],
            }
        };
        let layers = known.len();
        let mut all: Vec<ProbeDisagreement> = known.into_iter().enumerate().map(of).collect();
        let apart = |one: &ProbeDisagreement| (one.rank_cka - one.rank_difference).abs();
        all.sort_by(|a, b| apart(b).total_cmp(&apart(a)));
        all.retain(|one| apart(one) > 0.0);
        all.truncate(LISTED);
        Some(ProbeAgainst {
            reference: first.name.clone(),
            probe: probe.to_owned(),
            layers,
            spearman: correlation(&ckas, &near, 0).spearman.filter(|_| layers >= FEWEST).into(),
            disagreements: all,
        })
    }
}

fn score(probes: &[crate::report::probe::ProbeScore]) -> Option<f64> {
    probes.first()?.score.get()
}
