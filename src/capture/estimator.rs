//! Over which samples HSIC is taken, and what is taken where that is left open.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cka::Settings;
use super::reduce::Reduce;
use crate::linalg::PackedSymmetric;
use crate::similarity::{Bias, Kernel};

/// Over which samples HSIC is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Estimator {
    /// `Full` where that is cheap, else `Minibatch`: see [`choose`]. A report holds what was taken.
    #[default]
    #[serde(skip)]
    Auto,
    /// All samples in one Gram matrix a layer: exact whatever the batch size.
    Full,
    /// HSIC averaged over batches (Nguyen, Raghu & Kornblith 2021): memory independent of n.
    Minibatch,
}

impl FromStr for Estimator {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "full" => Ok(Self::Full),
            "minibatch" => Ok(Self::Minibatch),
            _ => Err("expected auto, full or minibatch".to_owned()),
        }
    }
}

impl fmt::Display for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Full => "full",
            Self::Minibatch => "minibatch",
        })
    }
}

/// How much there is to compute.
#[derive(Debug, Clone, Copy)]
pub struct Scale<'a> {
    /// Samples.
    pub samples: usize,
    /// Samples in a batch of the models.
    pub batch: usize,
    /// Features of every layer: a list a model.
    pub widths: &'a [Vec<usize>],
    /// Whether batches are random subsets of the samples.
    pub mixed: bool,
}

/// The estimator taken, and how it is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// `Full` or `Minibatch`.
    pub estimator: Estimator,
    /// Why, where the choice was left open.
    pub reason: Option<String>,
    /// Sums of products of features in place of Gram matrices, which give the same.
    pub from_features: bool,
    /// Batches of the models whose rows are one batch of HSIC.
    pub gathered: usize,
}

/// Up to so many samples all are taken together.
const FEW: usize = 512;

/// Up to so many products for the Gram matrices, n²·ΣD, all samples are taken together: some seconds.
const PRODUCTS: u128 = 1 << 37;

/// Up to so many bytes of Gram matrices, or of sums of products of features, all samples are taken together.
const BYTES: u128 = 1 << 30;

/// Samples that are gathered for one batch of HSIC where the batches of the models are smaller.
const GATHERED: usize = 256;

/// What an estimator comes to. `Auto` is decided by the settings, the number of samples n and the numbers
/// of features D alone, so that the same command gives the same numbers on every machine: `Full` where
///
/// * n ≤ 512, or
/// * n²·ΣD ≤ 2³⁷ and the Gram matrices take at most 1 GiB and the memory allowed, or
/// * the sums of products of features take less work than Gram matrices and no more than that, or
/// * rows are positions, or HSIC is biased and depends on the number of samples in a batch, or
/// * the samples are not in random order: HSIC within batches of few classes is another one;
///
/// else `Minibatch`, over 256 samples at a time where the batches of the models are smaller and half of
/// the memory allowed holds their rows.
pub fn choose(scale: &Scale<'_>, settings: &Settings) -> Chosen {
    let (estimator, reason) = match settings.estimator {
        Estimator::Auto => {
            let (estimator, reason) = scale.decide(settings);
            (estimator, Some(reason))
        }
        asked => (asked, None),
    };
    let full = estimator == Estimator::Full;
    Chosen {
        estimator,
        from_features: full && scale.suits_features(settings, settings.memory.into()),
        gathered: if full || reason.is_none() { 1 } else { scale.gathered(settings) },
        reason,
    }
}

/// Whether the samples are to be put into random order beforehand, for an estimator over batches.
pub fn wants_mixed(settings: &Settings, samples: usize) -> bool {
    settings.estimator == Estimator::Auto && samples > FEW && settings.reduce != Reduce::Spatial
}

impl Scale<'_> {
    fn decide(&self, settings: &Settings) -> (Estimator, String) {
        let n = self.samples;
        let bytes = BYTES.min(settings.memory.into());
        let fits = self.gram_bytes() <= bytes;
        let why_full = if settings.reduce == Reduce::Spatial {
            "sums over positions need no Gram matrix".to_owned()
        } else if n <= FEW {
            format!("n = {n} is at most {FEW}")
        } else if self.suits_features(settings, bytes) {
            format!("n = {n}, and layers have few features: no Gram matrix is needed")
        } else if self.products() <= PRODUCTS && fits {
            format!("n = {n}, and layers have few features")
        } else if settings.bias == Bias::Biased {
            "biased HSIC depends on the number of samples in a batch".to_owned()
        } else if !self.mixed {
            "the samples are not in random order".to_owned()
        } else {
            let many =
                if fits { "layers have many features" } else { "there are many Gram matrices" };
            return (Estimator::Minibatch, format!("n = {n} is above {FEW}, and {many}"));
        };
        (Estimator::Full, why_full)
    }

    fn layers(&self) -> impl Iterator<Item = u128> {
        self.widths.iter().flatten().filter(|&&width| width > 0).map(|&width| width as u128)
    }

    /// n²·ΣD: twice the products for all Gram matrices.
    fn products(&self) -> u128 {
        let n = self.samples as u128;
        n * n * self.layers().sum::<u128>()
    }

    fn gram_bytes(&self) -> u128 {
        self.layers().count() as u128 * u128::from(PackedSymmetric::bytes(self.samples))
    }

    /// Whether linear HSIC comes cheaper from the sums of the products of features, within so many bytes.
    /// They are summed in float64, which costs twice. For few samples Gram matrices cost nothing.
    fn suits_features(&self, settings: &Settings, bytes: u128) -> bool {
        let one_row_a_sample = settings.reduce != Reduce::Spatial;
        if settings.kernel != Kernel::Linear || !one_row_a_sample || self.samples <= FEW {
            return false;
        }
        let n = self.samples as u128;
        let sum = |model: &Vec<usize>| model.iter().map(|&width| width as u128).sum::<u128>();
        let sides = [self.widths.first(), self.widths.last()].map(|w| w.map_or(0, sum));
        let own: u128 = self.layers().map(|width| width * width).sum();
        let entries = sides[0] * sides[1] + own;
        let pairs: u128 = self.widths.iter().map(|w| w.len() as u128).product();
        entries * 8 <= bytes && 4 * n * entries <= self.products() + n * n * pairs
    }

    /// Batches in a batch of HSIC: of all but the last of them the rows are kept.
    fn gathered(&self, settings: &Settings) -> usize {
        let row = size_of::<f32>() as u128 * self.layers().sum::<u128>();
        let batch = self.batch.max(1);
        let rows = u128::from(settings.memory / 2) / row.max(1);
        let kept = usize::try_from(rows / batch as u128).unwrap_or(usize::MAX);
        let least = settings.bias.least_samples().div_ceil(batch);
        (GATHERED / batch).min(kept.saturating_add(1)).max(least)
    }
}

/// Batches, put together evenly.
#[derive(Debug, Clone, Copy)]
pub struct Groups {
    batches: usize,
    groups: usize,
}

impl Groups {
    /// So many batches, at most `gathered` of them in a group.
    pub fn new(batches: usize, gathered: usize) -> Self {
        Self { batches: batches.max(1), groups: batches.max(1).div_ceil(gathered.max(1)) }
    }

    /// The most batches in a group.
    pub fn largest(self) -> usize {
        self.batches.div_ceil(self.groups)
    }

    /// The number of groups.
    pub fn count(self) -> usize {
        self.groups
    }

    /// The group of the batch of this number, from 0.
    pub fn group_of(self, batch: usize) -> usize {
        batch * self.groups / self.batches
    }

    /// The first batch of a group; of the one behind the last, the number of batches.
    pub fn first_of(self, group: usize) -> usize {
        (group * self.batches).div_ceil(self.groups)
    }

    /// Whether a group ends with the batch of this number, from 0.
    pub fn ends_with(self, batch: usize) -> bool {
        self.group_of(batch) != self.group_of(batch + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            estimator: Estimator::Auto,
            bias: Bias::Unbiased,
            kernel: Kernel::Linear,
            reduce: Reduce::Flatten,
            memory: 4 << 30,
        }
    }

    fn chosen(samples: usize, widths: &[Vec<usize>], settings: &Settings) -> Chosen {
        choose(&Scale { samples, batch: 64, widths, mixed: true }, settings)
    }

    #[test]
    fn what_is_cheap_is_exact() {
        let wide = [vec![200_000; 3], vec![100_000; 4]];
        let narrow = [vec![64; 3], vec![512; 4]];
        for (samples, widths, full, from_features) in [
            (512, &wide, true, false),
            (513, &wide, false, false),
            (512, &narrow, true, false),
            (2_000, &narrow, true, false),
            (3_000, &narrow, true, true),
            (50_000, &narrow, true, true),
        ] {
            let found = chosen(samples, widths, &settings());
            assert_eq!(found.estimator == Estimator::Full, full, "{samples} {widths:?}");
            assert_eq!(found.from_features, from_features, "{samples} {widths:?}");
            assert!(found.reason.is_some_and(|why| why.contains(&samples.to_string())));
        }
        let little = Settings { memory: 100 << 20, ..settings() };
        assert_eq!(chosen(2_000, &narrow, &little).estimator, Estimator::Minibatch);
        let sorted = Scale { samples: 5_000, batch: 64, widths: &wide, mixed: false };
        assert_eq!(choose(&sorted, &settings()).estimator, Estimator::Full);
        let biased = Settings { bias: Bias::Biased, ..settings() };
        assert_eq!(chosen(5_000, &wide, &biased).estimator, Estimator::Full);
    }

    #[test]
    fn what_is_asked_for_is_taken() {
        let widths = [vec![200_000; 3]];
        for estimator in [Estimator::Full, Estimator::Minibatch] {
            let found = chosen(5_000, &widths, &Settings { estimator, ..settings() });
            let expected = Chosen { estimator, reason: None, from_features: false, gathered: 1 };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn rows_are_gathered_as_far_as_memory_holds_them() {
        let widths = [vec![1 << 20]];
        for (memory, gathered) in [(4 << 30, 4), (1 << 30, 3), (1 << 29, 2), (1 << 20, 1)] {
            let found = chosen(1_000, &widths, &Settings { memory, ..settings() });
            assert_eq!(found.gathered, gathered, "{memory}");
        }
        let single = Scale { samples: 1_000, batch: 1, widths: &widths, mixed: true };
        assert_eq!(choose(&single, &Settings { memory: 1, ..settings() }).gathered, 4);
    }

    #[test]
    fn groups_are_even() {
        for (batches, gathered, expected) in
            [(16, 4, vec![3, 7, 11, 15]), (9, 4, vec![2, 5, 8]), (5, 1, vec![0, 1, 2, 3, 4])]
        {
            let groups = Groups::new(batches, gathered);
            let ends: Vec<usize> = (0..batches).filter(|&b| groups.ends_with(b)).collect();
            assert_eq!(ends, expected);
            assert!(groups.largest() <= gathered);
            for (group, end) in ends.into_iter().enumerate() {
                assert_eq!((groups.group_of(end), groups.first_of(group + 1)), (group, end + 1));
            }
        }
    }
}
