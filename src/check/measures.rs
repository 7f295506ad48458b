//! What is known of each measure that a report can be held to, as data.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::closest;
use crate::similarity;

/// Which way a measure is better, or more alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// A larger value is better: it may rise.
    Larger,
    /// A smaller value is better: it may fall.
    Smaller,
    /// Neither is better: it must stay.
    Neither,
}

/// What the places of a measure's values are named by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// Layers, one or two: `*` stays within a part of the dotted name, `**` crosses dots.
    Layers,
    /// A layer, as above, and a name of another kind.
    LayerAndName,
    /// Names of any kind, in which dots mean nothing.
    Names,
    /// Two such names, in either order.
    Pairs,
}

/// What is known of a measure.
///
/// A value meets a baseline within `atol + rtol · |baseline|`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Facts {
    /// Its name in rules.
    pub name: &'static str,
    /// Which way it is better.
    pub direction: Direction,
    /// Absolute tolerance where no policy gives one, in the measure's unit.
    pub atol: f64,
    /// Tolerance relative to the baseline where no policy gives one.
    pub rtol: f64,
    /// What its places are.
    pub places: Places,
    /// Why these tolerances.
    pub why: &'static str,
}

const fn facts(name: &'static str, direction: Direction, places: Places) -> Facts {
    Facts { name, direction, atol: 0.0, rtol: 0.0, places, why: "" }
}

/// A measure of two layers.
fn between(measure: &similarity::Facts) -> Facts {
    let similarity::Tolerance { absolute, relative, why } = measure.tolerance;
    let direction = if measure.larger_is_more_alike { Larger } else { Smaller };
    facts(measure.name, direction, Layers).within(absolute, relative, why)
}

impl Facts {
    const fn within(self, atol: f64, rtol: f64, why: &'static str) -> Self {
        Self { atol, rtol, why, ..self }
    }

    /// The default tolerance about a baseline.
    pub fn tolerance(&self, baseline: f64) -> f64 {
        self.atol + self.rtol * baseline.abs()
    }

    /// How much worse `value` is than `baseline`; `None` where neither direction is better.
    pub fn worse_by(&self, value: f64, baseline: f64) -> Option<f64> {
        match self.direction {
            Direction::Larger => Some(baseline - value),
            Direction::Smaller => Some(value - baseline),
            Direction::Neither => None,
        }
    }
}

use Direction::{Larger, Neither, Smaller};
use Places::{LayerAndName, Layers, Names, Pairs};

const FRECHET: &str =
    "relative, for FID has no unit; float32 features of another device move it by some 1e-5";
const SHARES: &str = "a share of samples: at 1,000 of them, five that changed sides";
const AGREEMENT: &str = "means over images move by less than this between devices";
const NEIGHBOURS: &str = "neighbours that are nearly equally near change places";
const TOP: &str = "of few samples a channel, of which nearly equal ones change places";
const TRACKED: &str = "CKA of float32 features moves by some 1e-4 between devices";
const EXACT: &str = "a count: it is the same or it is not";

/// What is measured of other things than two layers.
const OTHERS: &[Facts] = &[
    facts("alignment", Neither, Pairs).within(5e-3, 5e-3, NEIGHBOURS),
    facts("fid", Smaller, Names).within(1e-3, 1e-3, FRECHET),
    facts("fid-inf", Smaller, Names).within(
        1e-3,
        1e-2,
        "an extrapolation, which multiplies what moves FID",
    ),
    facts("kid", Smaller, Names).within(
        1e-4,
        1e-2,
        "small values, of the same subsets by their seed",
    ),
    facts("sfid", Smaller, Names).within(1e-3, 1e-3, FRECHET),
    facts("class-fid", Smaller, Names).within(1e-3, 1e-2, "means over classes of few samples"),
    facts("cmmd", Smaller, Names).within(1e-3, 1e-2, "a small difference of means"),
    facts("isc", Larger, Names).within(0.0, 5e-3, AGREEMENT),
    facts("vendi", Larger, Names).within(0.0, 5e-3, "an effective number of samples"),
    facts("authpct", Larger, Names).within(0.5, 0.0, "percent of samples: at 1,000 of them, five"),
    facts("ct", Neither, Names).within(0.1, 0.0, "in standard deviations"),
    facts("precision", Larger, Names).within(5e-3, 0.0, SHARES),
    facts("recall", Larger, Names).within(5e-3, 0.0, SHARES),
    facts("coverage", Larger, Names).within(5e-3, 0.0, SHARES),
    facts("density", Larger, Names).within(5e-3, 5e-3, SHARES),
    facts("accuracy", Larger, Names).within(5e-3, 0.0, SHARES),
    facts("auroc", Larger, Names).within(5e-3, 0.0, SHARES),
    facts("beyond-reference", Neither, Names).within(5e-3, 0.0, SHARES),
    facts("median-distance", Neither, Names).within(
        0.0,
        1e-2,
        "distances have the unit of the features",
    ),
    facts("pearson", Larger, Pairs).within(1e-2, 0.0, AGREEMENT),
    facts("spearman", Larger, Pairs).within(1e-2, 0.0, AGREEMENT),
    facts("ssim", Larger, Pairs).within(1e-2, 0.0, AGREEMENT),
    facts("overlap", Larger, Pairs).within(2e-2, 0.0, "of few pixels, which change sides together"),
    facts("deletion", Smaller, Names).within(1e-2, 0.0, AGREEMENT),
    facts("insertion", Larger, Names).within(1e-2, 0.0, AGREEMENT),
    facts("sanity-spearman", Neither, Names).within(2e-2, 0.0, AGREEMENT),
    facts("sanity-ssim", Neither, Names).within(2e-2, 0.0, AGREEMENT),
    facts("mass-in-top", Neither, Names).within(1e-2, 0.0, AGREEMENT),
    facts("entropy", Neither, Names).within(1e-2, 0.0, AGREEMENT),
    facts("degenerate", Smaller, Names).within(0.0, 0.0, EXACT),
    facts("active", Neither, Layers).within(5e-3, 0.0, "a share of positions, over channels"),
    facts("best-correlation", Larger, Layers).within(5e-3, 0.0, AGREEMENT),
    facts("greedy-correlation", Larger, Layers).within(5e-3, 0.0, AGREEMENT),
    facts("one-to-one-correlation", Larger, Layers).within(5e-3, 0.0, AGREEMENT),
    facts("class-selectivity", Neither, Layers).within(5e-3, 0.0, "a mean over channels"),
    facts("class-entropy", Neither, Layers).within(5e-2, 0.0, TOP),
    facts("same-patterns", Larger, Layers).within(2e-2, 0.0, TOP),
    facts("shared-top", Larger, Layers).within(1e-2, 0.0, TOP),
    facts("same-place-top", Larger, Layers).within(1e-2, 0.0, TOP),
    facts("rank-correlation", Neither, Names).within(
        2e-2,
        0.0,
        "of ranks, of which close ones swap",
    ),
    facts("flip-rate", Smaller, Names).within(1e-2, 0.0, SHARES),
    facts("logit-change", Neither, Names).within(1e-2, 1e-2, AGREEMENT),
    facts("mean-logit", Neither, Names).within(1e-3, 1e-3, AGREEMENT),
    facts("stitched-accuracy", Larger, Layers).within(1e-2, 0.0, SHARES),
    facts("stitched-agreement", Larger, Layers).within(1e-2, 0.0, SHARES),
    facts("probe-accuracy", Larger, LayerAndName).within(5e-3, 0.0, SHARES),
    facts("probe-selectivity", Larger, LayerAndName).within(1e-2, 0.0, SHARES),
    facts("probe-r2", Larger, LayerAndName).within(5e-3, 0.0, "a share of the variance"),
    facts("penalty", Smaller, Layers).within(1e-2, 0.0, SHARES),
    facts("kl", Smaller, Layers).within(1e-2, 2e-2, AGREEMENT),
    facts("disagreement", Smaller, Names).within(5e-3, 0.0, SHARES),
    facts("min-max-disagreement", Smaller, Names).within(1e-2, 0.0, SHARES),
    facts("jensen-shannon", Smaller, Names).within(1e-3, 1e-2, AGREEMENT),
    facts("accuracy-difference", Smaller, Names).within(5e-3, 0.0, SHARES),
    facts("mean-diagonal", Neither, Pairs).within(1e-3, 0.0, TRACKED),
    facts("with-last", Neither, LayerAndName).within(1e-3, 0.0, TRACKED),
    facts("with-previous", Neither, LayerAndName).within(1e-3, 0.0, TRACKED),
    facts("with-reference", Neither, LayerAndName).within(1e-3, 0.0, TRACKED),
    facts("checkpoint-drop", Smaller, Names).within(1e-3, 0.0, TRACKED),
    facts("accuracy-drop", Smaller, Names).within(5e-3, 0.0, SHARES),
    facts("settles", Neither, LayerAndName).within(
        1.0,
        0.0,
        "a value near the tolerance crosses it one checkpoint sooner or later",
    ),
    facts("bottom-up", Neither, Names).within(0.1, 0.0, "of ranks with many ties"),
    facts("parameters", Neither, Layers).within(0.0, 0.0, EXACT),
    facts("elements", Neither, Layers).within(0.0, 0.0, EXACT),
];

/// All measures: those of [`similarity`], and what is measured of other things than two layers.
pub fn all() -> &'static [Facts] {
    static ALL: LazyLock<Vec<Facts>> = LazyLock::new(|| {
        let pairs = similarity::MEASURES.iter().map(|measure| between(measure.facts()));
        pairs.chain(OTHERS.iter().copied()).collect()
    });
    &ALL
}

/// What is known of a measure, if there is one of this name; `_` may stand for `-`.
pub fn of(name: &str) -> Option<&'static Facts> {
    let name = name.replace('_', "-");
    all().iter().find(|facts| facts.name == name)
}

/// The name of the measure whose name is most like this, if one is.
pub fn nearest(name: &str) -> Option<&'static str> {
    closest(name, all().iter().map(|facts| facts.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_has_a_name_of_its_own_and_a_reason() {
        for (i, facts) in all().iter().enumerate() {
            assert!(all()[..i].iter().all(|other| other.name != facts.name), "{}", facts.name);
            assert!(!facts.why.is_empty() && facts.atol >= 0.0 && facts.rtol >= 0.0);
            let exact = facts.atol == 0.0 && facts.rtol == 0.0;
            assert_eq!(exact, facts.why == EXACT, "{}", facts.name);
        }
    }

    #[test]
    fn a_name_that_is_nearly_one_finds_it() {
        assert_eq!(of("distance_correlation").map(|f| f.name), Some("distance-correlation"));
        assert_eq!(of("distance-correlation").map(|f| f.atol), Some(1e-3));
        assert_eq!(nearest("ckka"), Some("cka"));
        assert_eq!(nearest("precison"), Some("precision"));
        assert_eq!(nearest("CKA"), Some("cka"));
    }
}
