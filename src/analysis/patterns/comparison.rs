//! Whether the channels of two models answer to the same patterns.

use std::collections::HashMap;

use ndarray::ArrayView2;

use super::results::{Run, driven};
use crate::capture::patterns::Outcome;
use crate::patterns::{Overlap, SAME_PLACE, Seen, Shared, holm};
use crate::render::text::decimal;
use crate::report::patterns::{
    Counterpart, FieldInfo, MatchedChannel, NearestChannel, PatternsComparison,
};
use crate::report::{Number, Warning};
use crate::similarity::matching::{self, Pair};

/// Probability below which a find does not count as chance, all of a layer together.
const LEVEL: f64 = 0.05;
/// The least share of a layer's channels that its counterpart answers to.
const COUNTERPART: f64 = 0.1;

/// Two models that were run over the same data.
pub struct Sides<'a> {
    /// What ran.
    pub run: &'a Run<'a>,
    /// What it gave.
    pub outcome: &'a Outcome,
}

/// The top samples of each channel of a layer, and the size of the image.
struct Lists {
    seen: Vec<Vec<Seen>>,
    image: (usize, usize),
}

/// A layer by its model and place.
type At = (usize, usize);

impl Lists {
    fn shared(&self, own: usize, other: &Self, others: usize) -> Shared {
        Shared::of(&self.seen[own], self.image, &other.seen[others], other.image)
    }
}

impl Sides<'_> {
    fn lists(&self, (model, layer): At) -> Lists {
        let fields = &self.run.told[model][layer].fields;
        let channels = self.outcome.layers[model][layer].iter().enumerate();
        let seen = channels.map(|(c, found)| {
            driven(found).iter().map(|peak| (peak.sample, fields.of(c, peak.position))).collect()
        });
        Lists { seen: seen.collect(), image: self.run.opened.sides[model].image }
    }

    fn name(&self, (model, layer): At) -> String {
        self.run.opened.subjects[model].layers[layer].name.clone()
    }

    /// Warns of layers whose units all see the whole image, where every shared image is shared at one place.
    pub fn everywhere(&self, (a, b): (usize, usize)) -> Option<Warning> {
        let told = &self.run.told;
        let are_whole = told[0][a].fields.are_whole() && told[1][b].fields.are_whole();
        let text = format!(
            "each unit of {} in A and of {} in B sees the whole image: \"the same place\" says no more than that an \
             image is shared; name earlier layers for places",
            self.name((0, a)),
            self.name((1, b)),
        );
        are_whole.then(|| Warning::new("fields-whole", self.name((0, a)), text))
    }

    /// Warns of layers whose units see parts of so different sizes that no two of them can lie at one place.
    pub fn unlike(&self, (a, b): (usize, usize)) -> Option<Warning> {
        let told = &self.run.told;
        let [own, other] = [&told[0][a], &told[1][b]].map(|told| share_of_image(&told.info));
        let text = format!(
            "a unit of {} in A sees {} % of its image and one of {} in B {} %: such windows do not overlap by half of \
             their union, so that no place counts as shared and no patterns as the same; go by the shared images, or \
             name layers that see as much (--layers-b)",
            self.name((0, a)),
            decimal(100.0 * own, 0),
            self.name((1, b)),
            decimal(100.0 * other, 0),
        );
        let is_unlike = own.min(other) < SAME_PLACE * own.max(other);
        is_unlike.then(|| Warning::new("fields-unlike", self.name((0, a)), text))
    }

    /// Lists are of places in the data, of which some may have been left out as unreadable.
    fn chance(&self) -> Overlap {
        Overlap::of(self.outcome.samples)
    }

    /// A layer of the first model held against one of the second.
    pub fn compare(
        &self,
        (a, b): (usize, usize),
        correlations: ArrayView2<'_, f64>,
    ) -> PatternsComparison {
        let (own, other) = (self.lists((0, a)), self.lists((1, b)));
        let best = matching::best(correlations);
        let asked =
            |pair: &Pair| self.run.asked.pick.is_empty() || self.run.asked.pick.contains(&pair.a);
        let pairs: Vec<Pair> = best.iter().copied().flatten().filter(asked).collect();
        let matched = self.matched(&pairs, &own, &other);
        let correlated = self.run.asked.correlated;
        let differs = |one: &&MatchedChannel| {
            !one.same && one.correlation.get().is_some_and(|r| r >= correlated)
        };
        let alone_a: Vec<usize> = (0..best.len()).filter(|&c| best[c].is_none()).collect();
        let is_best = |c: usize| best.iter().flatten().any(|pair| pair.b == c);
        let alone_b: Vec<usize> = (0..correlations.ncols()).filter(|&c| !is_best(c)).collect();
        let alone = |at: At, c: usize| self.without_correlation(at, c);
        let has_none = |c: usize| correlations.column(c).iter().all(|r| r.is_nan());
        let why = |c: usize| if has_none(c) { alone((1, b), c) } else { "best of none" };
        PatternsComparison {
            layer_a: self.name((0, a)),
            layer_b: self.name((1, b)),
            shared_by_chance: self.by_chance(&pairs, &own, &other),
            mean_shared: mean(matched.iter().map(|one| share(one.shared, &own.seen[one.a]))),
            mean_same_place: mean(
                matched.iter().map(|one| share(one.same_place, &own.seen[one.a])),
            ),
            same_share: mean(matched.iter().map(|one| f64::from(u8::from(one.same)))),
            correlated_but_different: matched.iter().filter(differs).map(|one| one.a).collect(),
            matched,
            unmatched_a: alone_a
                .iter()
                .map(|&c| nearest((c, &own), &other, alone((0, a), c)))
                .collect(),
            unmatched_b: alone_b.iter().map(|&c| nearest((c, &other), &own, why(c))).collect(),
        }
    }

    /// Why a channel correlates with none.
    fn without_correlation(&self, (model, layer): At, channel: usize) -> &'static str {
        let values = self.outcome.layers[model][layer][channel].values;
        match values {
            values if !values.mean.is_finite() => "not finite",
            values if values.min == values.max => "constant",
            _ => "all of the other are constant or not finite",
        }
    }

    fn matched(&self, pairs: &[Pair], own: &Lists, other: &Lists) -> Vec<MatchedChannel> {
        let chance = self.chance();
        let shared: Vec<Shared> =
            pairs.iter().map(|pair| own.shared(pair.a, other, pair.b)).collect();
        let tail = |pair: &Pair, count: usize| {
            chance.tail(own.seen[pair.a].len(), other.seen[pair.b].len(), count)
        };
        let both = pairs.iter().zip(&shared);
        let p: Vec<f64> = both.clone().map(|(pair, shared)| tail(pair, shared.images)).collect();
        let of_places: Vec<f64> = both.map(|(pair, shared)| tail(pair, shared.places)).collect();
        let (adjusted, place_adjusted) = (holm(&p), holm(&of_places));
        let one = |(i, pair): (usize, &Pair)| {
            let any = !own.seen[pair.a].is_empty() && !other.seen[pair.b].is_empty();
            let known = |value: f64| Number::from(Some(value).filter(|_| any));
            MatchedChannel {
                a: pair.a,
                b: pair.b,
                correlation: pair.correlation.into(),
                shared: shared[i].images,
                same_place: shared[i].places,
                overlap: shared[i].overlap.into(),
                p: known(p[i]),
                p_adjusted: known(adjusted[i]),
                p_place_adjusted: known(place_adjusted[i]),
                same: any && place_adjusted[i] <= LEVEL,
            }
        };
        pairs.iter().enumerate().map(one).collect()
    }

    /// Images that lists of the sizes of the matched ones share on average by chance.
    fn by_chance(&self, pairs: &[Pair], own: &Lists, other: &Lists) -> Number {
        let n = self.outcome.samples as f64;
        let expected =
            |pair: &Pair| own.seen[pair.a].len() as f64 * other.seen[pair.b].len() as f64 / n;
        mean(pairs.iter().map(expected))
    }
}

/// For each layer of both models the one of the other that answers to most of its channels, where there is more
/// than one of each.
pub fn counterparts(sides: &Sides<'_>) -> Vec<Counterpart> {
    let opened = sides.run.opened;
    if opened.sides.len() < 2 || opened.sides.iter().all(|side| side.order.len() < 2) {
        return vec![];
    }
    let lists: Vec<Vec<Lists>> = (0..2)
        .map(|model| {
            (0..opened.sides[model].order.len()).map(|l| sides.lists((model, l))).collect()
        })
        .collect();
    let chance = sides.chance();
    let mut found = vec![];
    for (model, other) in [(0, 1), (1, 0)] {
        for &layer in &opened.sides[model].order {
            let own = &lists[model][layer];
            let answered = |&there: &usize| answered(own, &lists[other][there], &chance);
            let all = opened.sides[other].order.iter().map(|there| (*there, answered(there)));
            let most = all.reduce(|most, next| if next.1 > most.1 { next } else { most });
            let Some((nearest, answered)) = most else { continue };
            found.push(Counterpart {
                model: ["a", "b"][model].to_owned(),
                layer: sides.name((model, layer)),
                nearest: (answered > 0.0).then(|| sides.name((other, nearest))),
                answered: answered.into(),
                is_counterpart: answered >= COUNTERPART,
            });
        }
    }
    found
}

/// The share of channels with top samples whose own one channel of another layer shares beyond chance, corrected
/// for all pairs of channels. NaN without any.
fn answered(own: &Lists, other: &Lists, chance: &Overlap) -> f64 {
    let of_sample = by_sample(other);
    let alive: Vec<&Vec<Seen>> = own.seen.iter().filter(|seen| !seen.is_empty()).collect();
    let others = other.seen.iter().filter(|seen| !seen.is_empty()).count();
    let level = LEVEL / (alive.len() * others).max(1) as f64;
    let is_answered = |seen: &&&Vec<Seen>| {
        counts(seen, &of_sample).iter().any(|(&channel, &shared)| {
            chance.tail(seen.len(), other.seen[channel].len(), shared) <= level
        })
    };
    alive.iter().filter(is_answered).count() as f64 / alive.len() as f64
}

/// The channels that have each sample among their top.
fn by_sample(lists: &Lists) -> HashMap<usize, Vec<usize>> {
    let mut found: HashMap<usize, Vec<usize>> = HashMap::new();
    for (channel, seen) in lists.seen.iter().enumerate() {
        seen.iter().for_each(|(sample, _)| found.entry(*sample).or_default().push(channel));
    }
    found
}

/// How many of some samples each channel has among its top.
fn counts(seen: &[Seen], of_sample: &HashMap<usize, Vec<usize>>) -> HashMap<usize, usize> {
    let mut counts = HashMap::new();
    for channel in seen.iter().filter_map(|(sample, _)| of_sample.get(sample)).flatten() {
        *counts.entry(*channel).or_insert(0) += 1;
    }
    counts
}

/// The channel of another layer that shares most images with one, of those the one that shares most places, of
/// those the first.
fn nearest((channel, own): (usize, &Lists), other: &Lists, why: &str) -> NearestChannel {
    let all = (0..other.seen.len()).map(|there| (there, own.shared(channel, other, there)));
    let most = all.reduce(|most, next| {
        let key = |shared: &Shared| (shared.images, shared.places);
        if key(&next.1) > key(&most.1) { next } else { most }
    });
    let found = most.filter(|(_, shared)| shared.images > 0);
    NearestChannel {
        channel,
        nearest: found.map(|(there, _)| there),
        shared: found.map_or(0, |(_, shared)| shared.images),
        same_place: found.map_or(0, |(_, shared)| shared.places),
        why: why.to_owned(),
    }
}

/// The part of an image that the largest receptive field takes.
fn share_of_image(field: &FieldInfo) -> f64 {
    let area = |(rows, columns): (usize, usize)| rows as f64 * columns as f64;
    area(field.size) / area(field.image)
}

fn share(count: usize, of: &[Seen]) -> f64 {
    count as f64 / of.len() as f64
}

/// The mean of the values that are there.
fn mean(values: impl Iterator<Item = f64>) -> Number {
    let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    Number::from(values.iter().sum::<f64>() / values.len() as f64)
}
