//! KernelSHAP: the Shapley values of patches by a weighted regression.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::torchscript::tensors;

/// Masks of some of K patches, and how much each counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Subsets {
    /// P×K, row by row: 1 where a patch is there.
    pub masks: Vec<f32>,
    /// A weight a mask.
    pub weights: Vec<f64>,
}

impl Subsets {
    /// All subsets of K patches but none and all, with the weights of Shapley values (Lundberg & Lee 2017):
    ///
    /// ```text
    /// (K − 1) / (C(K, k)·k·(K − k))   for k patches
    /// ```
    ///
    /// where those are no more than `most`; without, as many as these drawn at random, each beside its complement,
    /// where k has the probability that the weights of all subsets of k patches sum to, and each subset counts as much.
    pub fn of(patches: usize, most: usize, seed: u64) -> Self {
        let all = u32::try_from(patches).ok().and_then(|k| 1usize.checked_shl(k));
        match all.map(|all| all.saturating_sub(2)).filter(|all| *all <= most) {
            Some(_) => Self::all(patches),
            None => Self::drawn(patches, most, seed),
        }
    }

    fn all(patches: usize) -> Self {
        let subsets = 1..(1usize << patches) - 1;
        let mask = |i: usize| (0..patches).map(move |k| (i >> k & 1) as f32);
        let weight = |i: usize| {
            weight(patches, i.count_ones() as usize) / choose(patches, i.count_ones() as usize)
        };
        Self {
            masks: subsets.clone().flat_map(mask).collect(),
            weights: subsets.map(weight).collect(),
        }
    }

    fn drawn(patches: usize, count: usize, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut below =
            |count: usize| ((u128::from(random.next_u64()) * count as u128) >> 64) as usize;
        let total: f64 = (1..patches).map(|k| weight(patches, k)).sum();
        let mut masks = Vec::with_capacity(count * patches);
        while masks.len() < count * patches {
            let mut share = below(1 << 53) as f64 / (1u64 << 53) as f64 * total;
            let larger = |k: &usize| {
                share -= weight(patches, *k);
                share >= 0.0
            };
            let size = (1..patches - 1).take_while(larger).count() + 1;
            let mut order: Vec<usize> = (0..patches).collect();
            let mut mask = vec![0.0; patches];
            for i in 0..size {
                order.swap(i, i + below(patches - i));
                mask[order[i]] = 1.0;
            }
            masks.extend(&mask);
            masks.extend(mask.iter().map(|there| 1.0 - there));
        }
        masks.truncate(count * patches);
        Self { masks, weights: vec![1.0; count] }
    }

    /// P.
    pub fn count(&self) -> usize {
        self.weights.len()
    }
}

/// The weights of all subsets of k of K patches together.
fn weight(patches: usize, k: usize) -> f64 {
    (patches - 1) as f64 / (k * (patches - k)) as f64
}

/// How many subsets of k of K there are.
fn choose(patches: usize, k: usize) -> f64 {
    (1..=k).map(|i| (patches - k + i) as f64 / i as f64).product()
}

/// The Shapley value of each of K patches for one image: with P masks z, their weights w, and v(z) the score less that
/// of the image of which all patches are filled in,
///
/// ```text
/// φ   least Σ w(z)·(v(z) − Σₖ φₖzₖ)²   where Σₖ φₖ is the v of the whole image
/// ```
///
/// exactly the Shapley values where all subsets are there (Lundberg & Lee 2017). captum's `KernelShap` gives none and
/// all of the patches a weight of 10⁶ in place of the constraint.
///
/// # Errors
/// There are fewer masks than patches, or the numbers cannot be worked with.
pub fn shapley(masks: &Tensor, values: &Tensor, weights: &Tensor, whole: f64) -> Result<Tensor> {
    let (count, patches) = masks.size2().map_err(|e| tensors::torch_error("read masks", &e))?;
    if patches == 1 {
        return Ok(Tensor::from_slice(&[whole]));
    }
    if count < patches {
        let are = if count == 1 { "perturbation is" } else { "perturbations are" };
        let problem = format!("{count} {are} too few for {patches} patches");
        return Err(Error::usage(problem, "give more --perturbations, or a larger --window"));
    }
    let masks = masks.to_kind(Kind::Double);
    let last = masks.narrow(1, patches - 1, 1);
    let root = weights.sqrt().unsqueeze(1);
    let x = (masks.narrow(1, 0, patches - 1) - &last) * &root;
    let y = (values.unsqueeze(1) - &last * whole) * &root;
    let solved = x.f_linalg_lstsq(&y, None, "gelsd");
    let (first, ..) = solved.map_err(|e| tensors::torch_error("fit Shapley values", &e))?;
    let first = first.squeeze_dim(1);
    let rest = whole - first.sum(Kind::Double);
    Ok(Tensor::cat(&[first, rest.reshape([1])], 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_subsets_where_they_are_few() {
        let found = Subsets::of(3, 6, 0);
        assert_eq!(found.count(), 6);
        let rows: Vec<&[f32]> = found.masks.chunks(3).collect();
        assert_eq!((rows[0], rows[5]), ([1., 0., 0.].as_slice(), [0., 1., 1.].as_slice()));
        assert!(found.weights.iter().all(|w| (w - 1.0 / 3.0).abs() < 1e-15));
    }

    /// Of 5 patches one or four are there with a probability of 3/10 each, two or three with 2/10.
    #[test]
    fn sizes_have_their_probabilities() {
        let found = Subsets::of(5, 20, 3);
        assert_eq!((found.count(), &found), (20, &Subsets::of(5, 20, 3)));
        let many = Subsets::drawn(5, 20_000, 3);
        let mut sizes = [0; 6];
        for mask in many.masks.chunks(5) {
            sizes[mask.iter().sum::<f32>() as usize] += 1;
        }
        for (size, expected) in sizes.into_iter().zip([0.0, 0.3, 0.2, 0.2, 0.3, 0.0]) {
            assert!((f64::from(size) / 20_000.0 - expected).abs() < 0.01, "{sizes:?}");
        }
        for pair in many.masks.chunks(10).take(50) {
            assert!((0..5).all(|k| pair[k] + pair[5 + k] == 1.0));
        }
    }

    #[test]
    fn fewer_masks_than_patches_are_refused() {
        let masks = Tensor::ones([2, 3], tch::kind::DOUBLE_CPU);
        let two = Tensor::ones([2], tch::kind::DOUBLE_CPU);
        let told = shapley(&masks, &two, &two, 1.0).err().map(|e| e.to_string());
        assert!(
            told.is_some_and(|told| told.contains("2 perturbations are too few for 3 patches"))
        );
    }
}
