//! The facts of each measure.

use std::f64::consts::FRAC_PI_2;

use super::facts::Invariance::{
    IsotropicScaling, Linear, Orthogonal, SampleOrder, Translation, UnitOrder,
};
use super::facts::{CKA, Facts, Invariance, Tolerance};

/// Rotations, shifts and a scale leave it as it is.
const GEOMETRY: &[Invariance] = CKA.invariances;

/// Rotations about the origin and a scale.
const ANGLES: &[Invariance] = &[IsotropicScaling, Orthogonal, UnitOrder, SampleOrder];

/// The units' order and a scale, as the mean over units counts.
const PROFILES: &[Invariance] = &[IsotropicScaling, UnitOrder, SampleOrder];

/// All that linear maps do, and shifts.
const AFFINE: &[Invariance] =
    &[IsotropicScaling, Orthogonal, UnitOrder, Linear, Translation, SampleOrder];

const STRUCTURE: Tolerance = Tolerance::absolute(
    1e-3,
    "as CKA: float32 features of other devices and libraries move it by 1e-4",
);

const DIRECTIONS: Tolerance = Tolerance::absolute(
    5e-3,
    "directions of little variance count, and these move the most between devices",
);

const NEIGHBOURS: Tolerance =
    Tolerance::absolute(5e-3, "neighbours that are nearly equally near change places");

/// A symmetric similarity from 0 to 1 with the invariances of CKA; the others differ from it.
const SIMILARITY: Facts = Facts { tolerance: STRUCTURE, caveats: &[], ..CKA };

/// A symmetric distance, 0 where the layers are alike.
const DISTANCE: Facts =
    Facts { larger_is_more_alike: false, range: (0.0, FRAC_PI_2), best: 0.0, ..SIMILARITY };

/// A measure by way of canonical correlations.
const CANONICAL: Facts =
    Facts { needs_more_samples: true, invariances: AFFINE, tolerance: DIRECTIONS, ..SIMILARITY };

pub(super) const HSIC: Facts = Facts {
    name: "hsic",
    what: "How far the inner products of the samples vary together: CKA with the scale left in.",
    range: (0.0, f64::INFINITY),
    best: f64::INFINITY,
    invariances: &[Orthogonal, UnitOrder, Translation, SampleOrder],
    tolerance: Tolerance {
        absolute: 0.0,
        relative: 1e-2,
        why: "relative: it has the unit of the features, to the fourth power",
    },
    caveats: &[
        "It grows with the scale of the features; compare it with nothing but itself.",
        "Unbiased, it can fall below 0 where layers are independent.",
    ],
    ..SIMILARITY
};

pub(super) const RSA: Facts = Facts {
    name: "rsa",
    what: "Whether pairs of samples have the same order of dissimilarity, 1 − Pearson's r over the units.",
    range: (-1.0, 1.0),
    invariances: PROFILES,
    caveats: &[
        "Ranks of 1 − r over the features: it depends on the mean over the units, so rotations and \
         shifts change it.",
    ],
    ..SIMILARITY
};

pub(super) const RDM_COSINE: Facts = Facts {
    name: "rdm-cosine",
    what: "How far the same dissimilarities are proportional.",
    invariances: PROFILES,
    caveats: &[
        "Distances are not centred: it is near 1 for unrelated layers whose distances vary little; \
         read it against its null.",
    ],
    ..SIMILARITY
};

pub(super) const PROCRUSTES: Facts = Facts {
    name: "procrustes",
    what: "What is left between the two clouds of samples, squared, after the best rotation.",
    range: (0.0, 2.0),
    caveats: &[
        "The square of a metric. Few samples against many features make any two layers close.",
    ],
    ..DISTANCE
};

pub(super) const PROCRUSTES_ANGLE: Facts = Facts {
    name: "procrustes-angle",
    what: "The angle left between the two clouds of samples after the best rotation.",
    metric: true,
    tolerance: DIRECTIONS,
    caveats: &["In radians. Few samples against many features make any two layers close."],
    ..DISTANCE
};

pub(super) const SIZE_AND_SHAPE: Facts = Facts {
    name: "size-and-shape",
    what: "The distance left between the two clouds of samples after the best rotation, their sizes kept.",
    metric: true,
    range: (0.0, f64::INFINITY),
    invariances: &[Orthogonal, UnitOrder, Translation, SampleOrder],
    tolerance: Tolerance {
        absolute: 0.0,
        relative: 1e-2,
        why: "relative: it has the unit of the features",
    },
    caveats: &[
        "It grows with the scale of the features and with the number of samples; compare it with nothing but itself.",
        "A layer with more features or larger activations is far from a small one whatever their shapes are.",
    ],
    ..DISTANCE
};

pub(super) const SHAPE_METRIC: Facts = Facts {
    name: "shape-metric",
    what: "The angle left after the best rotation of features that α whitens in part.",
    metric: true,
    invariances: &[Orthogonal, UnitOrder, Translation, SampleOrder],
    tolerance: DIRECTIONS,
    caveats: &[
        "In radians. For α between 0 and 1 it depends on the scale of the features; at α = 1 it is \
         the Procrustes angle, at α = 0 it needs more samples than features.",
    ],
    ..DISTANCE
};

pub(super) const SVCCA: Facts = Facts {
    name: "svcca",
    what: "How far the leading components of one layer are linear maps of those of the other, on average.",
    invariances: GEOMETRY,
    caveats: &[
        "The components that hold 99 % of the variance count alike, however little they hold.",
        "Of independent layers it is about √(k/n), the larger k of components; where both together \
         keep more than n − 1, some correlations are necessarily 1.",
    ],
    ..CANONICAL
};

pub(super) const PWCCA: Facts = Facts {
    name: "pwcca",
    what: "How far the directions of the first layer are linear maps of the second, weighted by what they hold.",
    symmetric: false,
    invariances: &[IsotropicScaling, UnitOrder, Translation, SampleOrder],
    caveats: &[
        "The weights are those of the first layer; any linear map of the second changes nothing.",
        "Where r_A + r_B > n − 1 some correlations are necessarily 1.",
    ],
    ..CANONICAL
};

pub(super) const CCA_R2: Facts = Facts {
    name: "cca-r2",
    what: "Which share of their directions the layers have in common, up to any linear map.",
    caveats: &[
        "Directions of little variance count like large ones: noise in many units lowers it.",
        "Of independent features it is about D/n, the larger D; where r_A + r_B > n − 1 some \
         correlations are necessarily 1.",
    ],
    ..CANONICAL
};

pub(super) const LINEAR_REGRESSION: Facts = Facts {
    name: "linear-regression",
    what: "Which share of the second layer's variance a linear map of the first explains.",
    symmetric: false,
    invariances: GEOMETRY,
    caveats: &[
        "The share of the second layer's variance that the first explains linearly, on the samples \
         that it was fitted to: about D_A/n of independent features.",
    ],
    ..CANONICAL
};

pub(super) const MUTUAL_KNN: Facts = Facts {
    name: "mutual-knn",
    what: "Which share of its nearest neighbours a sample keeps from one layer to the other.",
    invariances: ANGLES,
    tolerance: NEIGHBOURS,
    caveats: &["By chance it is k/(n−1). It sees who is near whom and no larger structure."],
    ..SIMILARITY
};

pub(super) const CKNNA: Facts = Facts {
    name: "cknna",
    what: "CKA of the cosines between samples that are neighbours in both layers.",
    symmetric: false,
    range: (f64::NEG_INFINITY, f64::INFINITY),
    invariances: ANGLES,
    tolerance: NEIGHBOURS,
    caveats: &[
        "Not quite symmetric, as being a neighbour is not.",
        "It has no bounds: where k is not far below n it can leave −1…1.",
        "CKA over common neighbours only. Without the constant that platonic-rep adds to the \
         denominator.",
    ],
    ..SIMILARITY
};

pub(super) const JACCARD: Facts = Facts {
    name: "jaccard",
    what: "How many neighbours of a sample are so in both layers, of those that are so in either.",
    invariances: ANGLES,
    tolerance: NEIGHBOURS,
    caveats: &["By chance it is about k/(2n−k). It orders layers nearly as mutual-knn does."],
    ..SIMILARITY
};

pub(super) const SECOND_ORDER_COSINE: Facts = Facts {
    name: "second-order-cosine",
    what: "Whether a sample has the same angles to those near it in either layer.",
    invariances: ANGLES,
    tolerance: NEIGHBOURS,
    caveats: &[
        "Distances are not centred: it is near 1 for unrelated layers whose angles vary little; read it against its \
         null.",
    ],
    ..SIMILARITY
};

pub(super) const ALIGNED_COSINE: Facts = Facts {
    name: "aligned-cosine",
    what: "What angle a sample has to itself, on average, after the best rotation about the origin.",
    range: (-1.0, 1.0),
    invariances: ANGLES,
    tolerance: DIRECTIONS,
    caveats: &[
        "Features are not centred: it is near 1 for unrelated layers with a large mean. Few samples against many \
         features make any two layers close.",
    ],
    ..SIMILARITY
};

pub(super) const HARD_CORRELATION: Facts = Facts {
    name: "hard-correlation",
    what: "How far each unit of the narrower layer correlates with one of its own in the other.",
    range: (-1.0, 1.0),
    invariances: &[IsotropicScaling, UnitOrder, Translation, SampleOrder],
    caveats: &[
        "A rotation changes it: it asks whether single units correspond. The best of many correlations is high by \
         chance where samples are few.",
        "A constant unit correlates by 0, also with itself.",
    ],
    ..SIMILARITY
};

pub(super) const SOFT_MATCHING: Facts = Facts {
    name: "soft-matching",
    what: "How far each unit of one layer has a matching unit in the other.",
    metric: true,
    range: (0.0, 2.0),
    invariances: &[IsotropicScaling, UnitOrder, Translation, SampleOrder],
    caveats: &[
        "A rotation changes it: it asks whether single units correspond.",
        "Units are centred and scaled to norm 1; a constant unit stays zero.",
    ],
    ..DISTANCE
};

pub(super) const DISTANCE_CORRELATION: Facts = Facts {
    name: "distance-correlation",
    what: "Whether distances between samples vary together, whatever the form of their relation.",
    range: (-1.0, 1.0),
    caveats: &["The unbiased square: about 0 for independent layers, so it can fall below 0."],
    ..SIMILARITY
};
