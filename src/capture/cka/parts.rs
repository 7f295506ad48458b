//! HSIC over batches by parts of the data, put together later.

use std::ops::Range;

use super::{Estimator, Outcome, Settings, chosen, groups, one_pass};
use crate::capture::distinct::Distinct;
use crate::capture::minibatch::{Cut, HsicBlock, Minibatch};
use crate::capture::part::{Piece, reading};
use crate::capture::{Feed, Progress, Reduce};
use crate::error::{Error, Result};
use crate::stats::Blocks;

/// How a feed is cut into blocks whose sums can be taken apart and added later.
///
/// # Errors
/// The estimator is not the minibatch one, or takes each position for a sample.
pub fn cut(feed: &dyn Feed, settings: &Settings) -> Result<Cut> {
    let chosen = chosen(feed, settings);
    let what = match (settings.reduce, chosen.estimator) {
        (Reduce::Spatial, _) => "--reduce spatial sums over positions",
        (_, Estimator::Minibatch) => return Ok(Cut::new(groups(feed, chosen.gathered))),
        _ => "the full estimator takes products of all samples with each other",
    };
    let problem = format!("{what}, and a shard has a part of them");
    Err(Error::usage(problem, "give --estimator minibatch, with --reduce flatten or gap"))
}

/// What some blocks of a feed give.
///
/// # Errors
/// As [`compare`] and [`cut`]; a sample cannot be read: without it the batches behind it would be others.
pub fn part(
    feed: &mut dyn Feed,
    settings: &Settings,
    blocks: Range<usize>,
    progress: &mut dyn Progress,
) -> Result<Piece<Blocks<HsicBlock>>> {
    let mut distinct = Distinct::new(feed);
    let found = match part_of(&mut distinct, settings, blocks.clone(), progress) {
        Err(_) if distinct.is_refuted() => part_of(&mut distinct, settings, blocks, progress),
        found => found,
    };
    let Piece { blocks, reading, sums } = found?;
    let sums = sums.map(|block| block.rearranged(&|s, l| distinct.source(s, l)));
    Ok(Piece { blocks, reading, sums })
}

fn part_of(
    feed: &mut dyn Feed,
    settings: &Settings,
    blocks: Range<usize>,
    progress: &mut dyn Progress,
) -> Result<Piece<Blocks<HsicBlock>>> {
    let cut = cut(feed, settings)?;
    let counts: Vec<usize> = feed.shapes().iter().map(Vec::len).collect();
    let (what, centring) = ((settings.reduce, settings.kernel), settings.bias.centring());
    let place = (cut, feed.batch_size(), blocks.start);
    let mut consumer = Minibatch::new(what, centring, &counts, place);
    feed.restrict(cut.first_batch(blocks.start)..cut.first_batch(blocks.end));
    let (_, timing) = one_pass(feed, &mut consumer, progress)?;
    let reading = reading(feed, timing)?;
    reading.check_whole()?;
    Ok(Piece { blocks, reading, sums: consumer.finish() })
}

/// What all blocks of a feed give together.
///
/// # Errors
/// As [`cut`].
pub fn joined(
    feed: &mut dyn Feed,
    settings: &Settings,
    whole: Piece<Blocks<HsicBlock>>,
) -> Result<Outcome> {
    let chosen = chosen(feed, settings);
    let counts: Vec<usize> = feed.shapes().iter().map(Vec::len).collect();
    feed.replay(&whole.reading);
    let sums = whole.sums.total();
    let sums = sums.unwrap_or_else(|| HsicBlock::new(settings.bias.centring(), &counts));
    let (samples, timing) = (whole.reading.samples(), whole.reading.timing());
    let outcome = Outcome::of_minibatches(&sums, settings, samples, timing);
    Ok(outcome.by(chosen, feed))
}
