//! Nearest neighbours that two representations share.

use std::collections::BTreeSet;

use ndarray::ArrayView1;

use super::absence::Absence;
use super::inner::place;
use crate::linalg::PackedSymmetric;

/// The k nearest neighbours of every sample, itself left out.
#[derive(Debug, Clone)]
pub(super) struct Neighbours {
    /// Of each sample its neighbours and how similar they are, the nearest first.
    lists: Vec<Vec<(usize, f64)>>,
    k: usize,
}

/// A sample i, one of its neighbours in both representations, and the similarity in each.
struct Shared {
    from: usize,
    to: usize,
    values: [f64; 2],
}

impl Neighbours {
    /// None yet: k of each of so many samples are to be added.
    ///
    /// # Errors
    /// There are not more than k samples.
    pub(super) fn within(samples: usize, k: usize) -> Result<Self, Absence> {
        match k == 0 || samples <= k {
            true => Err(Absence::TooFew { samples, needs: k + 1 }),
            false => Ok(Self { lists: Vec::with_capacity(samples), k }),
        }
    }

    /// Adds the next sample, by its similarities with all. Of equally near samples the first are taken.
    pub(super) fn add(&mut self, similarities: ArrayView1<'_, f64>) {
        let own = self.lists.len();
        let others = similarities.iter().copied().enumerate().filter(|(j, _)| *j != own);
        let mut list: Vec<(usize, f64)> = others.collect();
        let nearer = |x: &(usize, f64), y: &(usize, f64)| y.1.total_cmp(&x.1).then(x.0.cmp(&y.0));
        if self.k < list.len() {
            list.select_nth_unstable_by(self.k, nearer);
            list.truncate(self.k);
        }
        list.sort_unstable_by(nearer);
        list.shrink_to_fit();
        self.lists.push(list);
    }

    /// The neighbours that sample i shares with sample π(i) of the other.
    fn shared<'a>(
        &'a self,
        other: &'a Self,
        order: Option<&'a [usize]>,
        i: usize,
    ) -> impl Iterator<Item = Shared> + 'a {
        let theirs = &other.lists[place(order, i)];
        self.lists[i].iter().filter_map(move |&(j, x)| {
            let found = theirs.iter().find(|(to, _)| *to == place(order, j))?;
            Some(Shared { from: i, to: j, values: [x, found.1] })
        })
    }

    /// The mean over samples of what `of` makes of the share of common neighbours.
    fn mean(&self, other: &Self, order: Option<&[usize]>, of: impl Fn(f64) -> f64) -> f64 {
        let count = self.lists.len();
        let each = |i: usize| of(self.shared(other, order, i).count() as f64);
        (0..count).map(each).sum::<f64>() / count as f64
    }

    /// The mean over samples i of the cosine of (1 − cos(xᵢ, xⱼ))ⱼ and (1 − cos(yᵢ, yⱼ))ⱼ over all j in N_A ∪ N_B, with
    /// the order of the second layer's samples and its inverse, and the cosines of both.
    ///
    /// # Errors
    /// All of a sample's neighbours point its own way, so that it has no distances.
    pub(super) fn second_order(
        &self,
        other: &Self,
        (order, inverse): (Option<&[usize]>, Option<Vec<usize>>),
        [own, theirs]: [&PackedSymmetric; 2],
    ) -> Result<f64, Absence> {
        let mut total = 0.0;
        for i in 0..self.lists.len() {
            let there = place(order, i);
            let mine = self.lists[i].iter().map(|&(j, _)| j);
            let of_other = other.lists[there].iter().map(|&(j, _)| place(inverse.as_deref(), j));
            let union: BTreeSet<usize> = mine.chain(of_other).collect();
            let (mut product, mut squares) = (0.0, [0.0; 2]);
            for j in union {
                let x = (1.0 - own.get(i, j)).max(0.0);
                let y = (1.0 - theirs.get(there, place(order, j))).max(0.0);
                product += x * y;
                squares = [squares[0] + x * x, squares[1] + y * y];
            }
            if squares.iter().any(|sum| *sum <= 0.0) {
                return Err(Absence::Singles);
            }
            total += product / (squares[0] * squares[1]).sqrt();
        }
        Ok(total / self.lists.len() as f64)
    }

    /// Mean over samples of |N_A ∩ N_B|/k (Huh et al. 2024).
    pub(super) fn mutual(&self, other: &Self, order: Option<&[usize]>) -> f64 {
        let k = self.k.max(other.k) as f64;
        self.mean(other, order, |common| common / k)
    }

    /// Mean over samples of |N_A ∩ N_B|/|N_A ∪ N_B|.
    pub(super) fn jaccard(&self, other: &Self, order: Option<&[usize]>) -> f64 {
        let both = (self.k + other.k) as f64;
        self.mean(other, order, |common| common / (both - common))
    }

    /// CKNNA (Huh et al. 2024): unbiased CKA of the matrices of cosines in which only neighbours in
    /// both are left.
    ///
    /// # Errors
    /// Fewer than four samples, or a matrix without HSIC with itself.
    pub(super) fn cknna(&self, other: &Self, order: Option<&[usize]>) -> Result<f64, Absence> {
        if self.lists.len() < 4 {
            return Err(Absence::TooFew { samples: self.lists.len(), needs: 4 });
        }
        let own = self.hsic(self, None);
        let theirs = other.hsic(other, None);
        match own > 0.0 && theirs > 0.0 {
            true => Ok(self.hsic(other, order) / (own.sqrt() * theirs.sqrt())),
            false => Err(Absence::Singles),
        }
    }

    /// HSIC₁ of the matrices of common neighbours: K and L, not symmetric, are zero elsewhere,
    ///
    /// ```text
    /// [Σ KᵢⱼLⱼᵢ + ΣK·ΣL/((n−1)(n−2)) − 2/(n−2)·Σ (KL)ᵢⱼ] / (n(n−3))
    /// ```
    fn hsic(&self, other: &Self, order: Option<&[usize]>) -> f64 {
        let count = self.lists.len();
        let all: Vec<Vec<Shared>> =
            (0..count).map(|i| self.shared(other, order, i).collect()).collect();
        let (mut columns, mut rows) = (vec![0.0; count], vec![0.0; count]);
        let mut there_and_back = 0.0;
        for pair in all.iter().flatten() {
            columns[pair.to] += pair.values[0];
            rows[pair.from] += pair.values[1];
            let back = all[pair.to].iter().find(|p| p.to == pair.from);
            there_and_back += back.map_or(0.0, |back| pair.values[0] * back.values[1]);
        }
        let total = |sums: &[f64]| sums.iter().sum::<f64>();
        let through: f64 = columns.iter().zip(&rows).map(|(x, y)| x * y).sum();
        let n = count as f64;
        let apart = total(&columns) * total(&rows) / ((n - 1.0) * (n - 2.0));
        (there_and_back + apart - 2.0 * through / (n - 2.0)) / (n * (n - 3.0))
    }
}
