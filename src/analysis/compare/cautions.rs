//! What has to be said of measures before they are taken, and of their values.

use crate::analysis::Observer;
use crate::report::Warning;
use crate::similarity::{MOST_UNITS, Measure, Representation};
use crate::view::names::counted;

/// Samples for each direction of a layer below which estimates are visibly biased.
const ENOUGH: usize = 10;

/// Pairs of layers of [`MOST_UNITS`] units that are matched in about a minute.
const QUICK: f64 = 2.0;

/// Says, before anything runs, of measures that match units one by one, which layers they leave out, and where they take
/// long; each pair is matched in so many `rounds`.
pub fn tell_units(
    measures: &[Measure],
    widths: &[Vec<usize>],
    (components, rounds): (Option<usize>, usize),
    observer: &dyn Observer,
) {
    let matching: Vec<String> =
        measures.iter().filter(|m| m.matches_units()).map(Measure::to_string).collect();
    if matching.is_empty() {
        return;
    }
    let reduced = |width: &usize| components.map_or(*width, |most| most.min(*width));
    let widths: Vec<Vec<usize>> =
        widths.iter().map(|side| side.iter().map(reduced).collect()).collect();
    let all: Vec<usize> = widths.concat();
    let wide = all.iter().filter(|width| **width > MOST_UNITS).count();
    let names = matching.join(", ");
    if let Some(most) = all.iter().max().filter(|_| wide > 0) {
        observer.note(&format!(
            "{names}: no value for {wide} of {}, which have more than {MOST_UNITS} units (up to {most}) to be matched \
             one by one; --reduce gap takes the channels as units, --pca K the principal components",
            counted(all.len(), "layer")
        ));
    }
    if work(&widths) * (matching.len() * rounds) as f64 > QUICK {
        observer.note(&format!(
            "{names}: many units are matched one by one, and again for each permutation and each half of the samples, which \
             takes minutes; --reduce gap or fewer --layers are faster"
        ));
    }
}

/// The time of all pairs in that of one with [`MOST_UNITS`] units on both sides.
fn work(widths: &[Vec<usize>]) -> f64 {
    let (Some(first), Some(last)) = (widths.first(), widths.last()) else { return 0.0 };
    let share = |width: usize| width as f64 / MOST_UNITS as f64;
    let of = |(a, b): (usize, usize)| match a.max(b) > MOST_UNITS {
        true => 0.0,
        false => share(a.min(b)).powi(2) * share(a.max(b)),
    };
    let pairs = first.iter().flat_map(|a| last.iter().map(move |b| (*a, *b)));
    let both = pairs.map(of).sum::<f64>();
    if widths.len() < 2 { both / 2.0 } else { both }
}

/// Measures whose estimates are biased where samples are few for the directions of the layers, one warning for all that
/// this holds for in the same layers: those by canonical correlations and regression, and of rotations where intervals are
/// asked for, which do not show it.
pub fn biased(
    measures: &[Measure],
    layers: &[&Representation],
    has_intervals: bool,
) -> Vec<Warning> {
    let mut groups: Vec<((usize, usize), Vec<String>)> = vec![];
    for measure in measures.iter().filter(|m| is_biased(**m, has_intervals)) {
        let Some(found) = short(*measure, layers) else { continue };
        match groups.iter_mut().find(|(key, _)| *key == found) {
            Some((_, names)) => names.push(measure.to_string()),
            None => groups.push((found, vec![measure.to_string()])),
        }
    }
    let samples = layers.first().map_or(0, |layer| layer.samples());
    let said = |((count, most), names): ((usize, usize), Vec<String>)| {
        let names = names.join(", ");
        let verb = if names.contains(',') { "find" } else { "finds" };
        let intervals = match has_intervals {
            true => "; an interval says how much the value varies, not how far it is off",
            false => "",
        };
        let text = format!(
            "{names} {verb} layers more alike than more samples would: {samples} samples are fewer than {ENOUGH} for each \
             direction of {count} of {} (up to {most}){intervals}; give more samples or --pca K, or compare values of one n alone",
            counted(layers.len(), "layer")
        );
        Warning::new("biased-estimate", &names, text)
    };
    groups.into_iter().map(said).collect()
}

fn is_biased(measure: Measure, has_intervals: bool) -> bool {
    use Measure::{
        AlignedCosine, CcaR2, LinearRegression, Procrustes, ProcrustesAngle, Pwcca, ShapeMetric,
        SizeAndShape, Svcca,
    };
    match measure {
        CcaR2 | LinearRegression | Pwcca | Svcca => true,
        AlignedCosine | Procrustes | ProcrustesAngle | ShapeMetric | SizeAndShape => has_intervals,
        _ => false,
    }
}

/// How many layers have more directions than the samples suffice for, and the most of them. Layers that fill all
/// directions of the samples are not among them: there these measures have no value, or say why.
fn short(measure: Measure, layers: &[&Representation]) -> Option<(usize, usize)> {
    let directions = |layer: &&Representation| {
        let found = measure.directions(layer).ok()?;
        let samples = layer.samples();
        (found + 1 < samples && ENOUGH * found > samples).then_some(found)
    };
    let found: Vec<usize> = layers.iter().filter_map(directions).collect();
    Some((found.len(), *found.iter().max()?))
}
