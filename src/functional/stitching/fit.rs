//! The affine map of one layer's channels onto another's.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::sums::PairSums;
use crate::error::{Error, Result};
use crate::linalg::RidgeSolver;

/// Ridges that are tried, relative to the mean variance of the source's directions.
pub const RIDGES: [f64; 8] = [0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];

/// A larger ridge is taken where its error on the samples kept aside is no more than this share above
/// the smallest.
const NEAR: f64 = 1e-6;

/// y ≈ Wᵀx + b over channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    /// W, source channels × target channels.
    pub weight: Array2<f64>,
    /// b.
    pub bias: Array1<f64>,
}

/// What was fitted, and how well.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The map.
    pub map: Affine,
    /// Directions in which the source's channels differ.
    pub rank: usize,
    /// ρ of the ridge ρ·tr(S)/C.
    pub ridge: f64,
    /// Share of the target's variance that the map explains over the samples it was fitted on.
    pub explained: f64,
}

/// How large the ridge is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ridge {
    /// The one of [`RIDGES`] whose map, fitted on the rest, has the smallest squared error on samples
    /// kept aside.
    Chosen,
    /// This one.
    Fixed(f64),
}

impl std::str::FromStr for Ridge {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse::<f64>()) {
            ("auto", _) => Ok(Self::Chosen),
            (_, Ok(value)) if value.is_finite() && value >= 0.0 => Ok(Self::Fixed(value)),
            _ => Err("expected auto, or a number from 0".to_owned()),
        }
    }
}

/// Fits W and b by least squares with a ridge on W:
///
/// ```text
/// min Σ‖Wᵀx + b − y‖² + ρ·(tr S/C)·‖W‖²,   S = Σ(x − x̄)(x − x̄)ᵀ
/// ```
///
/// Without `aside` the ridge is `ridge`, or 0 where it was to be chosen. The map returned is fitted
/// on all samples, those kept aside among them ("direct matching": Csiszárik, Kőrösi-Szabó, Matszangosz,
/// Papp & Varga 2021).
///
/// # Errors
/// Values that are not finite.
pub fn fit(main: &PairSums, aside: Option<&PairSums>, ridge: Ridge) -> Result<Fitted> {
    let ridge = match (ridge, aside) {
        (Ridge::Fixed(value), _) => value,
        (Ridge::Chosen, None) => 0.0,
        (Ridge::Chosen, Some(aside)) => chosen(main, aside)?,
    };
    let all = aside.map_or_else(|| main.clone(), |aside| main.with(aside));
    let solver = solver(&all)?;
    let cross = all.cross();
    let map = all.affine(solver.solve(solver.project(cross.view()).view(), ridge));
    let total = all.target_scatter();
    let left = all.error(&map);
    let explained = if total > 0.0 { 1.0 - left / total } else { f64::NAN };
    Ok(Fitted { map, rank: solver.rank(), ridge, explained })
}

fn chosen(main: &PairSums, aside: &PairSums) -> Result<f64> {
    let solver = solver(main)?;
    let projected = solver.project(main.cross().view());
    let error = |ridge: f64| aside.error(&main.affine(solver.solve(projected.view(), ridge)));
    let errors: Vec<f64> = RIDGES.iter().map(|ridge| error(*ridge)).collect();
    let least = errors.iter().copied().fold(f64::INFINITY, f64::min);
    let near = |error: &f64| *error <= least + NEAR * aside.target_scatter();
    Ok(errors.iter().rposition(near).map_or(0.0, |place| RIDGES[place]))
}

fn solver(sums: &PairSums) -> Result<RidgeSolver> {
    let finite = sums.xx.iter().chain(&sums.xy).chain(&sums.yy).all(|v| v.is_finite());
    let solver = if finite {
        RidgeSolver::new(sums.scatter().view(), sums.x.dot(&sums.x) / sums.rows).ok()
    } else {
        None
    };
    solver.ok_or_else(|| {
        Error::usage("a layer gives values that are not finite", "leave it out with --layers")
    })
}

impl PairSums {
    /// Of the samples of both.
    fn with(&self, other: &Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            x: &self.x + &other.x,
            y: &self.y + &other.y,
            xx: &self.xx + &other.xx,
            xy: &self.xy + &other.xy,
            yy: &self.yy + &other.yy,
        }
    }

    fn scatter(&self) -> Array2<f64> {
        &self.xx - &outer(&self.x, &(&self.x / self.rows))
    }

    fn cross(&self) -> Array2<f64> {
        &self.xy - &outer(&self.x, &(&self.y / self.rows))
    }

    /// Σ‖y − ȳ‖².
    pub fn target_scatter(&self) -> f64 {
        (&self.yy - &(&self.y * &self.y / self.rows)).sum().max(0.0)
    }

    /// The mean of the target's channels, over these samples and others.
    pub fn with_mean_of(&self, other: Option<&Self>) -> Array1<f64> {
        match other {
            None => &self.y / self.rows,
            Some(other) => (&self.y + &other.y) / (self.rows + other.rows),
        }
    }

    /// The affine map through the means.
    fn affine(&self, weight: Array2<f64>) -> Affine {
        let bias = (&self.y - &weight.t().dot(&self.x)) / self.rows;
        Affine { weight, bias }
    }

    /// Σ‖Wᵀx + b − y‖² by the sums alone.
    fn error(&self, map: &Affine) -> f64 {
        let Affine { weight, bias } = map;
        let quadratic = trace_of_product(weight.view(), self.xx.dot(weight).view());
        let linear = trace_of_product(weight.view(), self.xy.view());
        let cross = weight.t().dot(&self.x).dot(bias);
        let of_bias = self.rows * bias.dot(bias) - 2.0 * bias.dot(&self.y);
        (self.yy.sum() + quadratic - 2.0 * linear + 2.0 * cross + of_bias).max(0.0)
    }
}

fn outer(a: &Array1<f64>, b: &Array1<f64>) -> Array2<f64> {
    a.view().insert_axis(Axis(1)).dot(&b.view().insert_axis(Axis(0)))
}

/// tr(AᵀB).
fn trace_of_product(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> f64 {
    a.iter().zip(b.iter()).map(|(a, b)| a * b).sum()
}
