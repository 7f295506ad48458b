//! The Fréchet distance of each class.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{ArrayView2, Axis};

use super::Gaussian;

/// The Gaussians of the classes of a set.
#[derive(Debug, Clone)]
pub struct ClassGaussians(BTreeMap<String, Fit>);

/// The samples of a class, and their Gaussian or why there is none.
#[derive(Debug, Clone)]
struct Fit {
    count: usize,
    gaussian: Result<Gaussian, String>,
}

/// The distance of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassDistance {
    /// Its name.
    pub class: String,
    /// Samples of the reference, and of the candidate.
    pub counts: [usize; 2],
    /// The distance, or why there is none.
    pub value: Result<f64, String>,
}

impl ClassGaussians {
    /// Of n×D rows with a class each.
    pub fn new(rows: ArrayView2<'_, f64>, classes: &[String]) -> Self {
        let mut places: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
        classes.iter().enumerate().for_each(|(i, class)| places.entry(class).or_default().push(i));
        let of = |(class, own): (&String, Vec<usize>)| {
            let gaussian = Gaussian::of_samples(rows.select(Axis(0), &own).view());
            let fit = Fit { count: own.len(), gaussian: gaussian.map_err(|e| e.to_string()) };
            (class.clone(), fit)
        };
        Self(places.into_iter().map(of).collect())
    }

    /// The Fréchet distance of each class that either side has, in the order of their names.
    pub fn distances(&self, candidate: &Self) -> Vec<ClassDistance> {
        let all: BTreeSet<&String> = self.0.keys().chain(candidate.0.keys()).collect();
        all.into_iter().map(|class| self.distance(candidate, class)).collect()
    }

    fn distance(&self, candidate: &Self, class: &str) -> ClassDistance {
        let (own, other) = (self.0.get(class), candidate.0.get(class));
        let counts = [own, other].map(|fit| fit.map_or(0, |fit| fit.count));
        let value = fitted("reference", class, own).and_then(|own| {
            let found = own.distance(fitted("candidate", class, other)?);
            found.map(|found| found.value).map_err(|e| e.to_string())
        });
        ClassDistance { class: class.to_owned(), counts, value }
    }
}

/// The Gaussian of a class on one side.
fn fitted<'a>(side: &str, class: &str, fit: Option<&'a Fit>) -> Result<&'a Gaussian, String> {
    let fit = fit.ok_or_else(|| format!("the {side} has no sample of class {class}"))?;
    fit.gaussian.as_ref().map_err(|error| format!("class {class} of the {side}: {error}"))
}

/// The mean over classes.
///
/// # Errors
/// A class has no distance; which, and why.
pub fn mean_over_classes(distances: &[ClassDistance]) -> Result<f64, String> {
    let mut sum = 0.0;
    for distance in distances {
        sum += distance.value.clone()?;
    }
    match distances.len() {
        0 => Err("there are no classes".to_owned()),
        count => Ok(sum / count as f64),
    }
}
