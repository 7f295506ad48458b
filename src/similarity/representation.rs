//! A layer made ready to be compared with many others.

mod angles;

use std::collections::HashSet;
use std::sync::OnceLock;

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use super::absence::Absence;
use super::cka::CONSTANT;
use super::inner::Centred;
use super::neighbours::Neighbours;
use super::options::Options;
use super::rdm::Rdm;
use crate::linalg::distances::squared_distances_within;
use crate::linalg::{Centring, PackedSymmetric, Spectrum, centre_columns, gram, root_of_centred};

/// What a layer gave.
#[derive(Debug, Clone)]
enum Source {
    /// n×D, a row a sample.
    Features(Array2<f64>),
    /// Products of the rows, and D.
    Gram { products: Products, width: usize },
}

/// Products of the rows of X, n×D, less a centre c.
#[derive(Debug, Clone)]
pub struct Products {
    /// (X − c)(X − c)ᵀ.
    pub gram: PackedSymmetric,
    /// Xc.
    pub along: Vec<f64>,
    /// ‖c‖².
    pub centre_norm: f64,
    /// The sum over each row of X.
    pub sums: Vec<f64>,
}

impl Products {
    /// (XXᵀ)ᵢⱼ.
    fn get(&self, i: usize, j: usize) -> f64 {
        self.gram.get(i, j) + self.along[i] + self.along[j] - self.centre_norm
    }

    /// Those of some of the rows.
    fn select(&self, rows: &[usize]) -> Self {
        let of = |values: &[f64]| rows.iter().map(|&i| values[i]).collect();
        Self {
            gram: self.gram.select(rows),
            along: of(&self.along),
            centre_norm: self.centre_norm,
            sums: of(&self.sums),
        }
    }
}

/// The features of a layer for n samples, and what measures need of them: each made when first
/// asked for, and kept. What concerns one layer alone (singular vectors, ranks of distances,
/// neighbours) is so computed once, however many others it is compared with.
///
/// Measures that work on n×n matrices keep n²/2 numbers each; those that work on directions keep
/// n·min(n, D).
#[derive(Debug)]
pub struct Representation {
    source: Source,
    options: Options,
    /// Scatter relative to the squared norm of the mean below which features count as constant.
    constant: f64,
    /// Whether the features lie so far from zero that angles between samples are rounding.
    far: bool,
    /// Of each sample the first that is the same, where any two are.
    copies: Option<Vec<usize>>,
    factor: OnceLock<Result<Array2<f64>, Absence>>,
    spectrum: OnceLock<Result<Spectrum, Absence>>,
    loadings: OnceLock<Result<Array2<f64>, Absence>>,
    units: OnceLock<Result<Array2<f64>, Absence>>,
    kernel: OnceLock<Result<Centred, Absence>>,
    distances: OnceLock<Result<Centred, Absence>>,
    rdm: OnceLock<Result<Rdm, Absence>>,
    ranks: OnceLock<Result<Rdm, Absence>>,
    neighbours: OnceLock<Result<Neighbours, Absence>>,
    angles: OnceLock<Result<PackedSymmetric, Absence>>,
    uncentred: OnceLock<Result<Array2<f64>, Absence>>,
}

/// A representation reduced to its principal components.
#[derive(Debug)]
pub struct Reduction {
    /// The scores of the components: n×K, centred.
    pub representation: Representation,
    /// K: as many as were asked for, or as there are.
    pub components: usize,
    /// Share of the variance that they hold.
    pub variance: f64,
}

impl Representation {
    /// Of n×D features, a row a sample.
    ///
    /// # Errors
    /// A number that is not finite, fewer than two samples, no feature, or features that are the
    /// same for all samples.
    pub fn new(features: Array2<f64>, options: Options) -> Result<Self, Absence> {
        Self::within(features, options, CONSTANT)
    }

    /// As [`Representation::new`], for features that count as constant where their scatter relative to
    /// the squared norm of their mean is below `constant`: as exact as they are.
    ///
    /// # Errors
    /// As [`Representation::new`].
    pub fn within(features: Array2<f64>, options: Options, constant: f64) -> Result<Self, Absence> {
        let sound = |row: ndarray::ArrayView1<'_, f64>| row.iter().all(|v| v.is_finite());
        match features.rows().into_iter().position(|row| !sound(row)) {
            Some(bad) => Err(Absence::NotFinite(bad)),
            None => Self::checked(Source::Features(features), options, constant),
        }
    }

    /// Of the Gram matrix XXᵀ of features that are not centred, the sum over each row of X, and D:
    /// for layers whose features are too many to be kept. Measures of single units have no value.
    ///
    /// # Errors
    /// As [`Representation::new`].
    pub fn from_gram(
        products: PackedSymmetric,
        sums: Vec<f64>,
        width: usize,
        options: Options,
    ) -> Result<Self, Absence> {
        let along = vec![0.0; products.order()];
        let products = Products { gram: products, along, centre_norm: 0.0, sums };
        Self::of_products(products, width, options, CONSTANT)
    }

    /// As [`Representation::from_gram`], of products of rows less a centre, which keep their digits
    /// where the features lie far from zero; `constant` as for [`Representation::within`].
    ///
    /// # Errors
    /// As [`Representation::new`].
    pub fn of_products(
        products: Products,
        width: usize,
        options: Options,
        constant: f64,
    ) -> Result<Self, Absence> {
        let finite = |i: usize| products.get(i, i).is_finite() && products.sums[i].is_finite();
        match (0..products.sums.len()).find(|&i| !finite(i)) {
            Some(bad) => Err(Absence::NotFinite(bad)),
            None => Self::checked(Source::Gram { products, width }, options, constant),
        }
    }

    fn checked(source: Source, options: Options, constant: f64) -> Result<Self, Absence> {
        let (samples, width) = (source.samples(), source.width());
        if samples < 2 {
            return Err(Absence::TooFew { samples, needs: 2 });
        }
        if width < 1 {
            return Err(Absence::TooNarrow { features: width, needs: 1 });
        }
        let (scatter, of_mean) = source.scatter();
        match scatter.is_finite() && of_mean.is_finite() {
            false => Err(Absence::OutOfRange),
            true if scatter <= constant * of_mean => Err(Absence::Constant),
            true => Ok(Self::unprepared(source, options, constant, scatter <= CONSTANT * of_mean)),
        }
    }

    fn unprepared(source: Source, options: Options, constant: f64, far: bool) -> Self {
        Self {
            source,
            options,
            constant,
            far,
            copies: None,
            factor: OnceLock::new(),
            spectrum: OnceLock::new(),
            loadings: OnceLock::new(),
            units: OnceLock::new(),
            kernel: OnceLock::new(),
            distances: OnceLock::new(),
            rdm: OnceLock::new(),
            ranks: OnceLock::new(),
            neighbours: OnceLock::new(),
            angles: OnceLock::new(),
            uncentred: OnceLock::new(),
        }
    }

    /// The same, given for each sample the first one that equals it; it must not be measured yet.
    pub fn with_copies(self, copies: &[usize]) -> Self {
        Self { copies: Some(copies.to_vec()), ..self }
    }

    /// n.
    pub fn samples(&self) -> usize {
        self.source.samples()
    }

    /// Of each sample the first that is the same, where any two are.
    pub(super) fn copies(&self) -> Option<&[usize]> {
        self.copies.as_deref()
    }

    /// Number of samples that are not the same as another.
    pub fn distinct(&self) -> usize {
        match &self.copies {
            Some(copies) => copies.iter().collect::<HashSet<_>>().len(),
            None => self.samples(),
        }
    }

    /// D.
    pub fn width(&self) -> usize {
        self.source.width()
    }

    /// Options of measures.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The features, where they are kept.
    ///
    /// # Errors
    /// There is but a Gram matrix.
    pub fn features(&self) -> Result<ArrayView2<'_, f64>, Absence> {
        match &self.source {
            Source::Features(features) => Ok(features.view()),
            Source::Gram { .. } => Err(Absence::NeedsFeatures),
        }
    }

    /// The samples at these positions, each of which must be there once at most.
    ///
    /// # Errors
    /// As [`Representation::new`]: a part of the samples can be constant.
    pub fn part(&self, rows: &[usize]) -> Result<Self, Absence> {
        let source = match &self.source {
            Source::Features(features) => Source::Features(features.select(Axis(0), rows)),
            Source::Gram { products, width } => {
                Source::Gram { products: products.select(rows), width: *width }
            }
        };
        let part = Self::checked(source, self.options, self.constant)?;
        let copies = self.copies.as_ref().map(|all| rows.iter().map(|&i| all[i]).collect());
        Ok(Self { copies, ..part })
    }

    /// The scores of the first `components` principal components, U·diag(s): as many as there are
    /// where that is fewer.
    ///
    /// # Errors
    /// As [`Representation::new`], and [`Absence::NotConverged`].
    pub fn reduced(&self, components: usize) -> Result<Reduction, Absence> {
        let spectrum = self.spectrum()?;
        let kept = components.min(spectrum.rank());
        let scale = Array1::from(spectrum.values[..kept].to_vec());
        let scores = &spectrum.basis.slice(s![.., ..kept]) * &scale;
        let total: f64 = spectrum.values.iter().map(|s| s * s).sum();
        let representation = Self::within(scores, self.options, self.constant)?;
        Ok(Reduction {
            representation: Self { copies: self.copies.clone(), ..representation },
            components: kept,
            variance: scale.dot(&scale) / total,
        })
    }

    /// The left singular vectors and singular values of the centred features: from the features
    /// where D < n, from the Gram matrix otherwise.
    ///
    /// # Errors
    /// [`Absence::NotConverged`].
    pub fn spectrum(&self) -> Result<&Spectrum, Absence> {
        let made = || match &self.source {
            Source::Features(x) if x.ncols() < x.nrows() => Spectrum::of_rows(centred(x).view()),
            source => Spectrum::of_gram(&source.centred_gram()),
        };
        kept(&self.spectrum, || match made() {
            Ok(spectrum) if spectrum.rank() > 0 => Ok(spectrum),
            _ => Err(Absence::NotConverged),
        })
    }

    /// F, n×r, whose rows have the products of the centred features: these where D < n, a root of their Gram
    /// matrix otherwise. Where rotations do not count it stands for the features, and costs a tenth of the spectrum.
    ///
    /// # Errors
    /// [`Absence::NotConverged`].
    pub(super) fn factor(&self) -> Result<&Array2<f64>, Absence> {
        kept(&self.factor, || match &self.source {
            Source::Features(x) if x.ncols() < x.nrows() => Ok(centred(x)),
            source => match root_of_centred(&source.centred_gram()) {
                Some(root) => Ok(root),
                None => self.spectrum().map(|s| &s.basis * &Array1::from(s.values.clone())),
            },
        })
    }

    /// UᵀX: each centred feature in the directions of the spectrum, r×D.
    ///
    /// # Errors
    /// [`Absence::NeedsFeatures`], and as [`Representation::spectrum`].
    pub(super) fn loadings(&self) -> Result<&Array2<f64>, Absence> {
        kept(&self.loadings, || Ok(self.spectrum()?.basis.t().dot(&centred(&self.features()?))))
    }

    /// Centred features of norm 1, n×D; a constant one stays zero.
    ///
    /// # Errors
    /// [`Absence::NeedsFeatures`].
    pub(super) fn units(&self) -> Result<&Array2<f64>, Absence> {
        kept(&self.units, || {
            let features = self.features()?;
            let mut units = centred(&features);
            for (mut unit, feature) in units.columns_mut().into_iter().zip(features.columns()) {
                let norm = unit.dot(&unit);
                let constant = norm <= self.constant * feature.dot(&feature);
                unit.mapv_inplace(|v| if constant { 0.0 } else { v / norm.sqrt() });
            }
            Ok(units)
        })
    }

    /// The centred Gram matrix for HSIC.
    ///
    /// # Errors
    /// Too few samples for the estimator, or none more alike than others.
    pub(super) fn kernel(&self) -> Result<&Centred, Absence> {
        let centring = self.options.bias.centring();
        kept(&self.kernel, || Centred::new(&self.source.centred_gram(), centring))
    }

    /// The U-centred matrix of Euclidean distances.
    ///
    /// # Errors
    /// As [`Representation::kernel`].
    pub(super) fn distances(&self) -> Result<&Centred, Absence> {
        kept(&self.distances, || {
            let squares = self.squared_distances();
            let root = |i, j| squares.get(i, j).sqrt();
            let roots = PackedSymmetric::from_fn(squares.order(), root);
            Centred::new(&roots, Centring::Unbiased)
        })
    }

    /// Distances 1 − r between samples.
    ///
    /// # Errors
    /// A sample whose features are all equal, or correlations that are rounding.
    pub(super) fn rdm(&self) -> Result<&Rdm, Absence> {
        kept(&self.rdm, || {
            Rdm::of_correlations(&self.source.correlations(self.far, self.constant)?)
        })
    }

    /// The ranks of these distances.
    ///
    /// # Errors
    /// As [`Representation::rdm`].
    pub(super) fn ranks(&self) -> Result<&Rdm, Absence> {
        kept(&self.ranks, || self.rdm()?.ranked())
    }

    /// Squared Euclidean distances between samples.
    pub(super) fn squared_distances(&self) -> PackedSymmetric {
        match &self.source {
            Source::Features(features) => squared_distances_within(centred(features).view()),
            Source::Gram { products: Products { gram: k, .. }, .. } => {
                let squared = |i, j| (k.get(i, i) + k.get(j, j) - 2.0 * k.get(i, j)).max(0.0);
                PackedSymmetric::from_fn(k.order(), squared)
            }
        }
    }
}

impl Source {
    fn samples(&self) -> usize {
        match self {
            Self::Features(features) => features.nrows(),
            Self::Gram { products, .. } => products.gram.order(),
        }
    }

    /// D.
    fn width(&self) -> usize {
        match self {
            Self::Features(features) => features.ncols(),
            Self::Gram { width, .. } => *width,
        }
    }

    /// Σ‖xᵢ − μ‖² and n‖μ‖².
    fn scatter(&self) -> (f64, f64) {
        match self {
            Self::Features(x) => scatter_of(x),
            Self::Gram { products, .. } => {
                let scatter = Centring::Double.of(&products.gram).scatter();
                let norms: f64 = (0..products.sums.len()).map(|i| products.get(i, i)).sum();
                (scatter, norms - scatter)
            }
        }
    }

    fn centred_gram(&self) -> PackedSymmetric {
        match self {
            Self::Features(x) => gram(centred(x).view()),
            Self::Gram { products, .. } => Centring::Double.of(&products.gram).to_packed(),
        }
    }

    /// Pearson's correlations of samples over features; `far` where these lie far from zero. The features
    /// of a sample count as equal where their scatter relative to their squared norm is below `constant`.
    fn correlations(&self, far: bool, constant: f64) -> Result<PackedSymmetric, Absence> {
        let (products, norms) = match self {
            Self::Features(x) => {
                let mut rows = x.t().to_owned();
                centre_columns(&mut rows);
                let rows = rows.reversed_axes();
                let (scatter, of_mean) = scatter_of(&rows);
                if far && scatter <= CONSTANT * of_mean {
                    return Err(Absence::FarOff);
                }
                (gram(rows.view()), squared_norms(x))
            }
            Self::Gram { .. } if far => return Err(Absence::FarOff),
            Self::Gram { products: k, width } => {
                let mean = |i: usize, j: usize| k.sums[i] * k.sums[j] / *width as f64;
                let products =
                    PackedSymmetric::from_fn(k.sums.len(), |i, j| k.get(i, j) - mean(i, j));
                (products, (0..k.sums.len()).map(|i| k.get(i, i)).collect())
            }
        };
        // Of products the mean is subtracted after the digits are gone, however exact the features were.
        let (least, otherwise) = match self {
            Self::Gram { .. } if constant < CONSTANT => (CONSTANT, Some(Absence::FarOff)),
            Self::Features(_) | Self::Gram { .. } => (constant, None),
        };
        match (0..norms.len()).find(|&i| products.get(i, i) <= least * norms[i]) {
            Some(sample) => Err(otherwise.unwrap_or(Absence::ConstantSample(sample))),
            None => Ok(over_diagonal(products)),
        }
    }

    /// XXᵀ of features that are not centred.
    fn products(&self) -> PackedSymmetric {
        match self {
            Self::Features(x) => gram(x.view()),
            Self::Gram { products: k, .. } => {
                PackedSymmetric::from_fn(k.sums.len(), |i, j| k.get(i, j))
            }
        }
    }
}

/// Σ‖xᵢ − μ‖² and n‖μ‖² of the rows of a matrix.
fn scatter_of(x: &Array2<f64>) -> (f64, f64) {
    let mean = x.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(x.ncols()));
    let scatter = centred(x).iter().map(|v| v * v).sum();
    (scatter, x.nrows() as f64 * mean.dot(&mean))
}

/// Kᵢⱼ/√(KᵢᵢKⱼⱼ).
fn over_diagonal(mut products: PackedSymmetric) -> PackedSymmetric {
    let norms: Vec<f64> = products.diagonal().map(f64::sqrt).collect();
    for (i, norm) in norms.iter().enumerate() {
        products.row_mut(i).iter_mut().zip(&norms).for_each(|(v, other)| *v = *v / norm / other);
    }
    products
}

fn squared_norms(rows: &Array2<f64>) -> Vec<f64> {
    rows.rows().into_iter().map(|row| row.dot(&row)).collect()
}

fn centred<S: ndarray::Data<Elem = f64>>(
    features: &ndarray::ArrayBase<S, ndarray::Ix2>,
) -> Array2<f64> {
    let mut rows = features.to_owned();
    centre_columns(&mut rows);
    rows
}

/// What was made before, or is made now.
fn kept<T>(
    cell: &OnceLock<Result<T, Absence>>,
    make: impl FnOnce() -> Result<T, Absence>,
) -> Result<&T, Absence> {
    cell.get_or_init(make).as_ref().map_err(|why| *why)
}
