//! What is known of each measure that a report can be held to, as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::closest;
use crate::similarity::{CKA, Measure};

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
const fn between(name: &'static str, measure: Measure) -> Facts {
    facts(name, if measure.facts().larger_is_more_alike { Larger } else { Smaller }, Layers)
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
use Places::{Layers, Names, Pairs};

const SHARES: &str = "a share of samples: at 1,000 of them, five that changed sides";
const AGREEMENT: &str = "means over images move by less than this between devices";
const STRUCTURE: &str = "as CKA: float32 features of other devices and libraries move it by 1e-4";
const DIRECTIONS: &str =
    "directions of little variance count, and these move the most between devices";
const NEIGHBOURS: &str = "neighbours that are nearly equally near change places";
const SCALED: &str = "relative: it has the unit of the features, to the fourth power";
const EXACT: &str = "a count: it is the same or it is not";

/// All measures.
pub const MEASURES: &[Facts] = &[
    facts(CKA.name, if CKA.larger_is_more_alike { Larger } else { Smaller }, Layers).within(
        1e-3,
        0.0,
        "float32 features of other devices and libraries give CKA within 1e-4; ten times that",
    ),
    between("hsic", Measure::Hsic).within(0.0, 1e-2, SCALED),
    between("rsa", Measure::Rsa).within(1e-3, 0.0, STRUCTURE),
    between("rdm_cosine", Measure::RdmCosine).within(1e-3, 0.0, STRUCTURE),
    between("procrustes", Measure::Procrustes).within(1e-3, 0.0, STRUCTURE),
    between("procrustes_angle", Measure::ProcrustesAngle).within(5e-3, 0.0, DIRECTIONS),
    between("shape_metric", Measure::ShapeMetric).within(5e-3, 0.0, DIRECTIONS),
    between("svcca", Measure::Svcca).within(5e-3, 0.0, DIRECTIONS),
    between("pwcca", Measure::Pwcca).within(5e-3, 0.0, DIRECTIONS),
    between("cca_r2", Measure::CcaR2).within(5e-3, 0.0, DIRECTIONS),
    between("linear_regression", Measure::LinearRegression).within(5e-3, 0.0, DIRECTIONS),
    between("mutual_knn", Measure::MutualKnn).within(5e-3, 0.0, NEIGHBOURS),
    between("cknna", Measure::Cknna).within(5e-3, 0.0, NEIGHBOURS),
    between("jaccard", Measure::Jaccard).within(5e-3, 0.0, NEIGHBOURS),
    between("soft_matching", Measure::SoftMatching).within(1e-3, 0.0, STRUCTURE),
    between("distance_correlation", Measure::DistanceCorrelation).within(1e-3, 0.0, STRUCTURE),
    facts("alignment", Neither, Pairs).within(5e-3, 5e-3, NEIGHBOURS),
    facts("fid", Smaller, Names).within(
        1e-3,
        1e-3,
        "relative, for FID has no unit; float32 features of another device move it by some 1e-5",
    ),
    facts("fid_inf", Smaller, Names).within(
        1e-3,
        1e-2,
        "an extrapolation, which multiplies what moves FID",
    ),
    facts("kid", Smaller, Names).within(
        1e-4,
        1e-2,
        "small values, of the same subsets by their seed",
    ),
    facts("precision", Larger, Names).within(5e-3, 0.0, SHARES),
    facts("recall", Larger, Names).within(5e-3, 0.0, SHARES),
    facts("coverage", Larger, Names).within(5e-3, 0.0, SHARES),
    facts("density", Larger, Names).within(5e-3, 5e-3, SHARES),
    facts("accuracy", Larger, Names).within(5e-3, 0.0, SHARES),
    facts("auroc", Larger, Names).within(5e-3, 0.0, SHARES),
    facts("beyond_reference", Neither, Names).within(5e-3, 0.0, SHARES),
    facts("median_distance", Neither, Names).within(
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
    facts("sanity_spearman", Neither, Names).within(2e-2, 0.0, AGREEMENT),
    facts("sanity_ssim", Neither, Names).within(2e-2, 0.0, AGREEMENT),
    facts("mass_in_top", Neither, Names).within(1e-2, 0.0, AGREEMENT),
    facts("entropy", Neither, Names).within(1e-2, 0.0, AGREEMENT),
    facts("degenerate", Smaller, Names).within(0.0, 0.0, EXACT),
    facts("active", Neither, Layers).within(5e-3, 0.0, "a share of positions, over channels"),
    facts("best_correlation", Larger, Layers).within(5e-3, 0.0, AGREEMENT),
    facts("greedy_correlation", Larger, Layers).within(5e-3, 0.0, AGREEMENT),
    facts("one_to_one_correlation", Larger, Layers).within(5e-3, 0.0, AGREEMENT),
    facts("rank_correlation", Neither, Names).within(
        2e-2,
        0.0,
        "of ranks, of which close ones swap",
    ),
    facts("flip_rate", Smaller, Names).within(1e-2, 0.0, SHARES),
    facts("logit_change", Neither, Names).within(1e-2, 1e-2, AGREEMENT),
    facts("mean_logit", Neither, Names).within(1e-3, 1e-3, AGREEMENT),
    facts("stitched_accuracy", Larger, Layers).within(1e-2, 0.0, SHARES),
    facts("stitched_agreement", Larger, Layers).within(1e-2, 0.0, SHARES),
    facts("penalty", Smaller, Layers).within(1e-2, 0.0, SHARES),
    facts("kl", Smaller, Layers).within(1e-2, 2e-2, AGREEMENT),
    facts("parameters", Neither, Layers).within(0.0, 0.0, EXACT),
    facts("elements", Neither, Layers).within(0.0, 0.0, EXACT),
];

/// What is known of a measure, if there is one of this name.
pub fn of(name: &str) -> Option<&'static Facts> {
    MEASURES.iter().find(|facts| facts.name == name)
}

/// The name of the measure whose name is most like this, if one is.
pub fn nearest(name: &str) -> Option<&'static str> {
    closest(name, MEASURES.iter().map(|facts| facts.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_has_a_name_of_its_own_and_a_reason() {
        for (i, facts) in MEASURES.iter().enumerate() {
            assert!(MEASURES[..i].iter().all(|other| other.name != facts.name), "{}", facts.name);
            assert!(!facts.why.is_empty() && facts.atol >= 0.0 && facts.rtol >= 0.0);
            let exact = facts.atol == 0.0 && facts.rtol == 0.0;
            assert_eq!(exact, facts.why == EXACT, "{}", facts.name);
        }
    }

    #[test]
    fn a_name_that_is_nearly_one_finds_it() {
        assert_eq!(nearest("ckka"), Some("cka"));
        assert_eq!(nearest("precison"), Some("precision"));
        assert_eq!(nearest("CKA"), Some("cka"));
    }
}
