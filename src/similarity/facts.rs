//! What is known of a measure, as data: reports, checks and property tests read it.

/// A change of the representation that leaves a measure as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invariance {
    /// Multiplying all features by the same number above zero.
    IsotropicScaling,
    /// An orthogonal map of the features, such as a permutation of neurons.
    Orthogonal,
    /// Any invertible linear map of the features.
    Linear,
    /// Another order of the neurons.
    UnitOrder,
    /// Adding the same vector to all samples.
    Translation,
    /// Putting the samples of both representations in another common order.
    SampleOrder,
}

/// How far repeated runs may lie apart: a value meets another within `absolute + relative · |other|`.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance {
    /// In the unit of the measure.
    pub absolute: f64,
    /// As a share of the value.
    pub relative: f64,
    /// Why these.
    pub why: &'static str,
}

impl Tolerance {
    pub(super) const fn absolute(absolute: f64, why: &'static str) -> Self {
        Self { absolute, relative: 0.0, why }
    }
}

/// What is known of a measure.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Its name in reports.
    pub name: &'static str,
    /// What it compares, in a sentence.
    pub what: &'static str,
    /// Whether swapping the representations changes nothing.
    pub symmetric: bool,
    /// Whether it is a metric, up to what it is invariant to: the triangle inequality holds.
    pub metric: bool,
    /// The least and the greatest value.
    pub range: (f64, f64),
    /// The value of a layer with itself; infinite where that depends on the layer.
    pub best: f64,
    /// Whether a larger value means more alike.
    pub larger_is_more_alike: bool,
    /// What leaves it as it is, done to either representation or to both.
    pub invariances: &'static [Invariance],
    /// Whether it means nothing unless there are more samples than features.
    pub needs_more_samples: bool,
    /// What devices and libraries make of the same networks and data.
    pub tolerance: Tolerance,
    /// What a reader has to know.
    pub caveats: &'static [&'static str],
}

/// Linear centred kernel alignment.
pub const CKA: Facts = Facts {
    name: "cka",
    what: "Whether samples that are alike in one layer are alike in the other, by their inner products.",
    symmetric: true,
    metric: false,
    range: (0.0, 1.0),
    best: 1.0,
    larger_is_more_alike: true,
    invariances: &[
        Invariance::IsotropicScaling,
        Invariance::Orthogonal,
        Invariance::UnitOrder,
        Invariance::Translation,
        Invariance::SampleOrder,
    ],
    needs_more_samples: false,
    tolerance: Tolerance::absolute(
        1e-3,
        "float32 features of other devices and libraries give CKA within 1e-4; ten times that",
    ),
    caveats: &[
        "CKA compares the geometry of representations, not how the network uses them.",
        "Biased, it is about D/(n+D) for independent features; unbiased, it can fall below 0.",
        "It is dominated by directions of large variance and moved by few outliers.",
    ],
};
