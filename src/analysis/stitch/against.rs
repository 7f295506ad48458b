//! The structure of the same pairs on the same samples.

use super::networks::{Networks, Pair};
use super::work::Work;
use crate::capture::cka::{Estimator, Settings, compare};
use crate::capture::{ModelFeed, Progress, Reduce};
use crate::error::Result;
use crate::functional::ranking::{correlation, falling_ranks};
use crate::report::Number;
use crate::report::stitch::{AgainstResult, Disagreement, PairResult};
use crate::similarity::{Bias, Kernel, cka};

/// Memory for Gram matrices and kept features.
const MEMORY: u64 = 4 << 30;

/// CKA of each pair of layers, NaN where there is none: unbiased, linear, of whole feature maps.
///
/// # Errors
/// The data cannot be read, or a model does not run on it.
pub fn structure(
    networks: &mut Networks,
    work: &mut Work,
    bar: &mut dyn Progress,
) -> Result<Vec<f64>> {
    let settings = Settings {
        estimator: Estimator::Full,
        bias: Bias::Unbiased,
        kernel: Kernel::Linear,
        reduce: Reduce::Flatten,
        memory: MEMORY,
    };
    work.pass += 1;
    let part = work.samples.part(&work.split.held_out);
    let subjects = &mut networks.subjects;
    let mut feed = ModelFeed::new(subjects, part.source());
    let found = compare(&mut feed, &settings, bar)?;
    work.timing.forward += found.timing.forward;
    work.timing.measure += found.timing.measure;
    let usable =
        |side: usize| -> Vec<bool> { found.absences[side].iter().map(Option::is_none).collect() };
    let values = cka::matrix(&found.table, &usable(0), &usable(1));
    let of = |pair: &Pair| values[(pair.a, pair.b)].unwrap_or(f64::NAN);
    Ok(networks.pairs.iter().map(of).collect())
}

/// Pairs listed where the two disagree.
const LISTED: usize = 10;

/// Stitching beside CKA.
pub fn compared(pairs: &[PairResult], labelled: bool) -> AgainstResult {
    let stitching = |pair: &PairResult| if labelled { pair.accuracy } else { pair.agreement };
    let both = |pair: &PairResult| stitching(pair).get().zip(pair.cka.and_then(Number::get));
    let known: Vec<(&PairResult, (f64, f64))> =
        pairs.iter().filter_map(|pair| Some((pair, both(pair)?))).collect();
    let (own, cka): (Vec<f64>, Vec<f64>) = known.iter().map(|(_, values)| *values).unzip();
    let found = correlation(&own, &cka, 0);
    let ranks = (falling_ranks(&own), falling_ranks(&cka));
    let of = |(i, (pair, (own, cka))): (usize, &(&PairResult, (f64, f64)))| Disagreement {
        layer_a: pair.layer_a.clone(),
        layer_b: pair.layer_b.clone(),
        stitching: (*own).into(),
        rank_stitching: ranks.0[i],
        cka: (*cka).into(),
        rank_cka: ranks.1[i],
    };
    let mut all: Vec<Disagreement> = known.iter().enumerate().map(of).collect();
    let distance = |d: &Disagreement| (d.rank_stitching - d.rank_cka).abs();
    all.sort_by(|a, b| distance(b).total_cmp(&distance(a)));
    all.retain(|one| distance(one) > 0.0);
    all.truncate(LISTED);
    AgainstResult {
        measure: "cka".to_owned(),
        value: if labelled { "accuracy" } else { "agreement" }.to_owned(),
        pairs: known.len(),
        spearman: found.spearman.into(),
        interval: found.interval,
        disagreements: all,
    }
}
