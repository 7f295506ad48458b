//! What is known of a measure, as data: reports, checks and property tests read it.

/// A change of the representation that leaves a measure as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invariance {
    /// Multiplying all features by the same number.
    IsotropicScaling,
    /// An orthogonal map of the features, such as a permutation of neurons.
    Orthogonal,
    /// Adding the same vector to all samples.
    Translation,
    /// Putting the samples of both representations in another common order.
    SampleOrder,
}

/// What is known of a measure.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Its name in reports.
    pub name: &'static str,
    /// Whether swapping the representations changes nothing.
    pub symmetric: bool,
    /// The least and the greatest value.
    pub range: (f64, f64),
    /// Whether a larger value means more alike.
    pub larger_is_more_alike: bool,
    /// What leaves it as it is.
    pub invariances: &'static [Invariance],
    /// What a reader has to know.
    pub caveats: &'static [&'static str],
}

/// Linear centred kernel alignment.
pub const CKA: Facts = Facts {
    name: "cka",
    symmetric: true,
    range: (0.0, 1.0),
    larger_is_more_alike: true,
    invariances: &[
        Invariance::IsotropicScaling,
        Invariance::Orthogonal,
        Invariance::Translation,
        Invariance::SampleOrder,
    ],
    caveats: &[
        "CKA compares the geometry of representations, not how the network uses them.",
        "Biased, it is about D/(n+D) for independent features; unbiased, it can fall below 0.",
        "It is dominated by directions of large variance and moved by few outliers.",
    ],
};
