//! The distances themselves.

use ndarray::Axis;

use crate::analysis::sets::Collected;
use crate::error::Result;
use crate::novelty::{Classes, Mahalanobis, Nearest, Neighbours};

/// Distances of the samples, and of the reference's own.
pub(super) struct Distances {
    pub(super) nearest: Vec<Nearest>,
    pub(super) own: Vec<f64>,
    pub(super) neighbour: Vec<f64>,
    /// Within the class where it is smallest, where the reference has labels.
    pub(super) neighbour_in_class: Option<Vec<f64>>,
    pub(super) shrinkage: f64,
    /// The class of the reference that each mean belongs to.
    pub(super) classes: Vec<usize>,
}

impl Distances {
    pub(super) fn of(reference: &Collected, data: &Collected, k: usize) -> Result<Self> {
        let Classes { means, labels, covariance } =
            Classes::of(reference.rows.view(), reference.labels.as_deref());
        let fitted = Mahalanobis::fit(means, covariance.view(), reference.rows.nrows())?;
        let own = fitted.nearest(reference.rows.view());
        Ok(Self {
            nearest: fitted.nearest(data.rows.view()),
            own: own.iter().map(|nearest| nearest.distance).collect(),
            neighbour: Neighbours::fit(reference.rows.clone(), k)?.kth(data.rows.view()),
            neighbour_in_class: in_class(reference, data, k)?,
            shrinkage: fitted.shrinkage(),
            classes: labels,
        })
    }

    pub(super) fn mahalanobis(&self) -> Vec<f64> {
        self.nearest.iter().map(|nearest| nearest.distance).collect()
    }
}

/// The smallest over the classes of the reference of the distance from the k-th nearest sample of the
/// class, or from its last where it has fewer.
fn in_class(reference: &Collected, data: &Collected, k: usize) -> Result<Option<Vec<f64>>> {
    let Some(labels) = &reference.labels else { return Ok(None) };
    let mut classes = labels.clone();
    classes.sort_unstable();
    classes.dedup();
    let mut least = vec![f64::INFINITY; data.rows.nrows()];
    for class in classes {
        let members: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
        let rows = reference.rows.select(Axis(0), &members);
        let found = Neighbours::fit(rows, k.min(members.len()))?.kth(data.rows.view());
        least.iter_mut().zip(found).for_each(|(least, d)| *least = least.min(d));
    }
    Ok(Some(least))
}
