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

/// Least squares with a ridge on W:
///
/// ```text
/// min Σ‖Wᵀx + b − y‖² + ρ·(tr S/C)·‖W‖²,   S = Σ(x − x̄)(x − x̄)ᵀ
/// ```
///
/// ("direct matching": Csiszárik, Kőrösi-Szabó, Matszangosz, Papp & Varga 2021). S is taken apart once
/// for pairs that follow each other and have the same source at the same size.
#[derive(Debug)]
pub struct LeastSquares {
    ridge: Ridge,
    last: Option<Design>,
}

/// S taken apart, of the samples that ridges are tried on and of all.
#[derive(Debug)]
struct Design {
    of: (usize, usize),
    main: Option<RidgeSolver>,
    all: RidgeSolver,
}

impl LeastSquares {
    /// With this ridge.
    pub fn new(ridge: Ridge) -> Self {
        Self { ridge, last: None }
    }

    /// Fits W and b. Without `aside` the ridge is the one given, or 0 where it was to be chosen. The
    /// map returned is fitted on all samples, those kept aside among them. All pairs that are given to
    /// one `LeastSquares` come from the same [`super::NormalEquations`].
    ///
    /// # Errors
    /// Values that are not finite.
    pub fn fit(&mut self, main: &PairSums, aside: Option<&PairSums>) -> Result<Fitted> {
        let finite = |sums: &PairSums| sums.xy.iter().chain(&sums.yy).all(|v| v.is_finite());
        if !finite(main) || !aside.is_none_or(finite) {
            return Err(not_finite());
        }
        let all = aside.map_or_else(|| main.clone(), |aside| main.with(aside));
        let design = match self.last.take().filter(|last| last.of == main.design) {
            Some(design) => design,
            None => Design::new(main, &all, aside.is_some() && self.ridge == Ridge::Chosen)?,
        };
        let ridge = match (self.ridge, aside, &design.main) {
            (Ridge::Fixed(value), _, _) => value,
            (Ridge::Chosen, Some(aside), Some(solver)) => chosen(solver, main, aside),
            (Ridge::Chosen, _, _) => 0.0,
        };
        let solver = &design.all;
        let projected = solver.project(all.cross().view());
        let map = all.affine(solver.solve(projected.view(), ridge));
        let total = all.target_scatter();
        let explained = if total > 0.0 { 1.0 - all.error(&map) / total } else { f64::NAN };
        let found = Fitted { map, rank: solver.rank(), ridge, explained };
        self.last = Some(design);
        Ok(found)
    }
}

impl Design {
    fn new(main: &PairSums, all: &PairSums, is_chosen: bool) -> Result<Self> {
        let of_main = is_chosen.then(|| solver(main)).transpose()?;
        Ok(Self { of: main.design, main: of_main, all: solver(all)? })
    }
}

fn chosen(solver: &RidgeSolver, main: &PairSums, aside: &PairSums) -> f64 {
    let projected = solver.project(main.cross().view());
    let error = |ridge: f64| aside.error(&main.affine(solver.solve(projected.view(), ridge)));
    let errors: Vec<f64> = RIDGES.iter().map(|ridge| error(*ridge)).collect();
    let least = errors.iter().copied().fold(f64::INFINITY, f64::min);
    let near = |error: &f64| *error <= least + NEAR * aside.target_scatter();
    errors.iter().rposition(near).map_or(0.0, |place| RIDGES[place])
}

fn solver(sums: &PairSums) -> Result<RidgeSolver> {
    if !sums.xx.iter().all(|v| v.is_finite()) {
        return Err(not_finite());
    }
    let of_mean = sums.x.dot(&sums.x) / sums.rows;
    RidgeSolver::new(sums.scatter().view(), of_mean).map_err(|_| not_finite())
}

fn not_finite() -> Error {
    Error::usage("a layer gives values that are not finite", "leave it out with --layers")
}

impl PairSums {
    /// Of the samples of both.
    fn with(&self, other: &Self) -> Self {
        Self {
            design: self.design,
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
