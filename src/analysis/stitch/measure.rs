//! How stitched networks predict on samples that no stitch has seen.

use tch::{Device, Tensor};

use super::fit::{Fits, Stitches};
use super::networks::{Networks, Outputs};
use super::work::Work;
use crate::capture::Progress;
use crate::error::Result;
use crate::functional::stitching::{Reference, Scores, logits_behind};

/// What was measured.
pub struct Measured {
    /// A by its own classes.
    pub a: Scores,
    /// B.
    pub b: Scores,
    /// One a pair; `None` where nothing was stitched.
    pub pairs: Vec<Option<PairScores>>,
    /// The stitches.
    pub fits: Fits,
}

/// One pair and its controls.
#[derive(Default)]
pub struct PairScores {
    /// With A's features.
    pub real: Scores,
    /// With those of A with other weights.
    pub random: Scores,
    /// With the mean of B's layer.
    pub mean: Scores,
}

/// Runs the parts of B behind the stitches.
///
/// # Errors
/// The data cannot be read, or a model does not run on it.
pub fn measure(
    networks: &mut Networks,
    fits: Fits,
    work: &mut Work,
    bar: &mut dyn Progress,
) -> Result<Measured> {
    let pairs = fits.pairs.iter().map(|s| s.as_ref().map(|_| PairScores::default())).collect();
    let mut found = Measured { a: Scores::default(), b: Scores::default(), pairs, fits };
    let constants = constants(networks, &found.fits)?;
    let used = networks.used_a();
    let none = vec![false; networks.tails.len()];
    let held_out = work.split.held_out.clone();
    let whole = work.samples.dataset.clone();
    work.pass(&held_out, bar, |positions, inputs| {
        let (labels, labels_a) = (networks.labels_of(positions), networks.labels_a_of(positions));
        let b_input = &inputs[networks.subjects[1].input];
        let a = Outputs::of(&mut networks.subjects[0], &inputs[0], &used, true)?;
        let random = Outputs::of(&mut networks.random, &inputs[0], &used, false)?;
        let b = Outputs::of(&mut networks.subjects[1], b_input, &none, true)?;
        let (Some(logits_a), Some(logits_b)) = (&a.logits, &b.logits) else { return Ok(()) };
        let data = &whole;
        networks.judges[0].take(data, positions, Some(logits_a))?;
        networks.judges[1].take(data, positions, Some(logits_b))?;
        let [form_a, form] = [0, 1].map(|side| networks.forms[side]);
        let own = Reference { logits: logits_a, labels: labels_a.as_deref(), form: form_a };
        found.a.add(logits_a, &own)?;
        let reference = Reference { logits: logits_b, labels: labels.as_deref(), form };
        found.b.add(logits_b, &reference)?;
        for ((pair, scores), stitches) in
            networks.pairs.iter().zip(&mut found.pairs).zip(&found.fits.pairs)
        {
            let (Some(scores), Some(stitches)) = (scores, stitches) else { continue };
            let Some(tail) = &mut networks.tails[pair.b] else { continue };
            let layers = (&a.layers[pair.a], &random.layers[pair.a]);
            let [real, control] = both(stitches, layers)?;
            scores.real.add(&logits_behind(tail, &real)?, &reference)?;
            scores.random.add(&logits_behind(tail, &control)?, &reference)?;
            if let Some(constant) = &constants[pair.b] {
                scores.mean.add(constant, &reference)?;
            }
        }
        Ok(())
    })?;
    Ok(found)
}

fn both(stitches: &Stitches, (real, random): (&Tensor, &Tensor)) -> Result<[Tensor; 2]> {
    tch::no_grad(|| Ok([stitches.real.apply(real)?, stitches.random.apply(random)?]))
}

/// What B predicts for the mean of each of its layers, 1×K.
fn constants(networks: &mut Networks, fits: &Fits) -> Result<Vec<Option<Tensor>>> {
    let each = networks.tails.iter_mut().zip(&fits.means);
    each.map(|(tail, mean)| match (tail, mean) {
        (Some(tail), Some(mean)) => {
            logits_behind(tail, mean).map(|logits| Some(logits.to_device(Device::Cpu)))
        }
        _ => Ok(None),
    })
    .collect()
}
