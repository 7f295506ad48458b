//! LIME: a sparse linear model of the score of images of which patches are filled in.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tch::{Kind, Tensor};

use super::patches::Coalitions;
use crate::error::Result;
use crate::torchscript::tensors;

/// Rounds of coordinate descent at most.
const ROUNDS: usize = 100_000;

/// The change of a coefficient, as a share of the largest, below which they are found.
const CHANGE: f64 = 1e-13;

/// So many masks of K patches, P×K, of which each patch is there with a probability of 1/2.
pub fn masks(seed: u64, count: usize, patches: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut bits = 0;
    let mut bit = |i: usize| {
        if i.is_multiple_of(64) {
            bits = random.next_u64();
        }
        (bits >> (i % 64) & 1) as f32
    };
    (0..count * patches).map(&mut bit).collect()
}

/// The coefficient of each patch, N×K (Ribeiro, Singh & Guestrin 2016), as captum's `Lime` has them. Of each image,
/// with its P masks z, the scores S(z), and c(z) the cosine between the values of the image and those that z leaves:
///
/// ```text
/// w(z)  exp(−(1 − c(z))²/2), scaled to a mean of 1
/// β     least 1/(2P) · Σ w(z)·(S(z) − β₀ − Σₖ βₖzₖ)² + α·Σₖ|βₖ|
/// ```
///
/// `masks` is P×N×K.
///
/// # Errors
/// The numbers cannot be read.
pub fn lime(masks: &Tensor, found: &Coalitions, alpha: f64) -> Result<Tensor> {
    let far: Tensor = 1.0 - &found.cosines;
    let weights = (far.square() / -2.0).exp();
    let of = |i: i64| -> Result<Tensor> {
        let (z, w) = (masks.select(1, i).to_kind(Kind::Double), weights.select(1, i));
        lasso(&z, &found.scores.select(1, i), &w, alpha)
    };
    let all = (0..masks.size()[1]).map(of).collect::<Result<Vec<_>>>()?;
    Ok(Tensor::stack(&all, 0))
}

/// The coefficients of a Lasso with an intercept, of P×K numbers: what scikit-learn's `Lasso(alpha)` fits with these
/// sample weights, by coordinate descent over the products of the columns.
fn lasso(x: &Tensor, y: &Tensor, weights: &Tensor, alpha: f64) -> Result<Tensor> {
    let count = x.size()[0] as f64;
    let w = (weights * count / weights.sum(Kind::Double)).unsqueeze(1);
    let mean = |v: &Tensor| (v * &w).sum_dim_intlist([0i64].as_slice(), true, Kind::Double) / count;
    let y = y.unsqueeze(1);
    let (x, y) = (x - mean(x), &y - mean(&y));
    let products = tensors::to_matrix(&(&x * &w).transpose(0, 1).matmul(&x))?;
    let with = tensors::to_vector(&(&x * &w).transpose(0, 1).matmul(&y).squeeze_dim(1))?;
    let mut beta = vec![0.0; with.len()];
    // What is left of `with` beside what the coefficients explain.
    let mut left = with.to_vec();
    for _ in 0..ROUNDS {
        let mut change: f64 = 0.0;
        for k in 0..beta.len() {
            let own = products[(k, k)];
            if own <= 0.0 {
                continue;
            }
            let target = left[k] + own * beta[k];
            let new = target.signum() * (target.abs() - count * alpha).max(0.0) / own;
            let step = new - beta[k];
            if step != 0.0 {
                left.iter_mut().zip(products.row(k)).for_each(|(l, p)| *l -= step * p);
                beta[k] = new;
            }
            change = change.max(step.abs());
        }
        let largest = beta.iter().fold(0.0, |most: f64, b| most.max(b.abs()));
        if change <= CHANGE * largest {
            break;
        }
    }
    Ok(Tensor::from_slice(&beta))
}
