//! HSIC averaged over batches of all data.

use super::{Chosen, Outcome, Settings, groups, one_pass};
use crate::capture::minibatch::{Cut, HsicBlock, Minibatch};
use crate::capture::resident::Resident;
use crate::capture::{Feed, Progress};
use crate::error::Result;
use crate::similarity::Kernel;

/// HSIC averaged over batches: where the outputs are, or on the CPU.
pub(super) fn minibatch(
    feed: &mut dyn Feed,
    settings: &Settings,
    chosen: &Chosen,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let counts: Vec<usize> = feed.shapes().iter().map(Vec::len).collect();
    let (reduce, centring) = (settings.reduce, settings.bias.centring());
    if !feed.is_on_cpu() && settings.kernel == Kernel::Linear {
        let of_batches = (groups(feed, chosen.gathered), feed.batch_size());
        let mut consumer = Resident::new(reduce, centring, &counts, of_batches);
        let (samples, timing) = one_pass(feed, &mut consumer, progress)?;
        let (table, absences, spreads, dropped) = consumer.finish()?;
        let outcome = Outcome { dropped, ..Outcome::of(table, absences, samples, timing) };
        return Ok(outcome.with_enough_samples(settings.bias).judged(&spreads));
    }
    let (what, cut) = ((reduce, settings.kernel), Cut::new(groups(feed, chosen.gathered)));
    let mut consumer = Minibatch::new(what, centring, &counts, (cut, feed.batch_size(), 0));
    let (samples, timing) = one_pass(feed, &mut consumer, progress)?;
    let whole = consumer.finish().total();
    let whole = whole.unwrap_or_else(|| HsicBlock::new(centring, &counts));
    Ok(Outcome::of_minibatches(&whole, settings, samples, timing))
}
