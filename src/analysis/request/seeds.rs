//! One seed for all that a run draws at random.

/// What is drawn at random, each from numbers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// What a model draws in evaluation: active dropout, noise.
    Model,
    /// Noise, orders and halves of samples, resamples, parameters re-initialised for comparison.
    Resampling,
    /// Subsets of KID and FID∞.
    Subsets,
    /// The samples to fit on, and those to measure on.
    Split,
    /// The weights of a network for comparison.
    Control,
    /// The order of samples in training.
    Training,
    /// The order of samples that batches of an estimator are taken from.
    Order,
    /// Projections of wide layers.
    Projection,
}

impl Draw {
    fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Resampling => "resampling",
            Self::Subsets => "subsets",
            Self::Split => "split",
            Self::Control => "control",
            Self::Training => "training",
            Self::Order => "order",
            Self::Projection => "projection",
        }
    }

    /// The seed of this use that follows from the seed of the run:
    ///
    /// ```text
    /// mix(seed + FNV-1a(name of the use)) / 2¹¹
    /// ```
    ///
    /// with the output function of SplitMix64 (Steele et al. 2014) and 64-bit FNV-1a, so that the uses are
    /// independent of each other. It is below 2⁵³: every reader of JSON takes it exactly.
    pub fn seed(self, run: u64) -> u64 {
        let mut z = run.wrapping_add(fnv(self.name()));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) >> 11
    }
}

/// FNV-1a of a name, 64 bits.
fn fnv(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_use_of_each_seed_has_its_own() {
        let all = [
            Draw::Model,
            Draw::Resampling,
            Draw::Subsets,
            Draw::Split,
            Draw::Control,
            Draw::Training,
            Draw::Order,
            Draw::Projection,
        ];
        let seeds: BTreeSet<u64> =
            (0..100).flat_map(|run| all.map(|draw| draw.seed(run))).collect();
        assert_eq!(seeds.len(), 800);
        assert!(seeds.iter().all(|seed| *seed < 1 << 53));
    }

    #[test]
    fn names_are_hashed_as_published() {
        assert_eq!((fnv(""), fnv("a")), (0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c));
    }
}
