//! HSIC between the layers of every pair of several models, each of which runs once.

use super::cka::{Grams, Outcome, Settings, Usable, grams, plan, wants_mixed, widths};
use super::distinct::Distinct;
use super::estimator::{Chosen, Estimator, Scale, choose};
use super::feed::Feed;
use super::{Progress, Reduce, Timing};
use crate::error::Result;
use crate::stats::HsicSums;

/// What a comparison of every pair found.
pub struct Every {
    /// The pairs in the order of [`pairs`].
    pub found: Vec<Outcome>,
    /// Passes over the data.
    pub passes: usize,
    /// Where the time went.
    pub timing: Timing,
}

/// All pairs of so many models, those of the first in front.
pub fn pairs(models: usize) -> Vec<(usize, usize)> {
    (0..models).flat_map(|i| (i + 1..models).map(move |j| (i, j))).collect()
}

/// Whether each pair alone would be compared by Gram matrices of all samples, and those of all models fit into
/// the memory allowed together.
pub fn suits(feed: &dyn Feed, settings: &Settings) -> bool {
    let distinct = widths(feed, settings.reduce);
    let by_grams = |&(i, j): &(usize, usize)| {
        let chosen = choice(feed, settings, [&distinct[i], &distinct[j]]);
        chosen.estimator == Estimator::Full && !chosen.from_features
    };
    settings.reduce != Reduce::Spatial
        && pairs(distinct.len()).iter().all(by_grams)
        && plan(&distinct, feed, settings.memory).passes().is_ok()
}

/// What two models alone would be compared by.
fn choice(feed: &dyn Feed, settings: &Settings, widths: [&Vec<usize>; 2]) -> Chosen {
    let widths = widths.map(Clone::clone);
    let (samples, batch) = (feed.samples(), feed.batch_size());
    let mixed = wants_mixed(settings, samples);
    choose(&Scale { samples, batch, widths: &widths, mixed }, settings)
}

/// Compares every pair of the models of a feed that [`suits`].
///
/// # Errors
/// As [`compare`](super::cka::compare).
pub fn compare_every(
    feed: &mut dyn Feed,
    settings: &Settings,
    progress: &mut dyn Progress,
) -> Result<Every> {
    let mut distinct = Distinct::new(feed);
    let made = match grams(&mut distinct, settings, progress) {
        Err(_) if distinct.is_refuted() => grams(&mut distinct, settings, progress),
        made => made,
    };
    let Grams { grams, samples, passes, mut timing } = made?;
    let measuring = std::time::Instant::now();
    let usable = Usable::of(grams, samples, settings);
    let distinct_widths = widths(&distinct, settings.reduce);
    let mut found = vec![];
    for (i, j) in pairs(usable.matrices.len()) {
        let (a, b) = (&usable.matrices[i], &usable.matrices[j]);
        let mut sums = HsicSums::new(settings.bias.centring(), a.len(), b.len());
        sums.add(a, Some(b));
        let absences = [i, j].map(|k| usable.absences[k].clone()).to_vec();
        let outcome = Outcome::of(sums.mean(), absences, samples, Timing::default());
        let outcome = outcome.judged(&[i, j].map(|k| usable.spreads[k].clone()));
        let reason = choice(&distinct, settings, [&distinct_widths[i], &distinct_widths[j]]).reason;
        found.push(Outcome { reason, passes, ..distinct.expanded_pair((i, j), outcome) });
    }
    timing.measure += measuring.elapsed().as_secs_f64();
    Ok(Every { found, passes, timing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_there_once() {
        assert_eq!(pairs(3), [(0, 1), (0, 2), (1, 2)]);
        assert_eq!(pairs(5).len(), 10);
    }
}
