//! Whether outputs are finite, found where they are and read at the end.

use tch::{Kind, Tensor};

use super::feed::{Absence, Place};
use crate::error::Result;
use crate::torchscript::tensors;

/// The names of the samples that were given so far, in their order.
#[derive(Default)]
pub struct Names {
    names: Vec<String>,
    /// Samples of batches that are done.
    done: usize,
}

/// Of every sample that a layer gave rows for what tells whether they are finite.
#[derive(Default)]
pub struct Seen {
    /// Of each batch the place of its first sample; of each sample the largest number, and its row's product with
    /// itself.
    batches: Vec<(usize, Tensor)>,
}

impl Names {
    /// Takes in the samples of a batch, once, and gives the place of the first.
    pub fn note(&mut self, at: &Place<'_>) -> usize {
        if self.names.len() == self.done {
            self.names.extend((0..at.samples).map(|row| (at.name)(row)));
        }
        self.done
    }

    /// A batch of so many samples is done.
    pub fn batch_done(&mut self, samples: usize) {
        self.done += samples;
    }
}

impl Seen {
    /// Takes in the rows of a batch, a row a sample, and their products with themselves.
    pub fn add(&mut self, place: usize, rows: &Tensor, own: &Tensor) {
        let (least, most) = rows.aminmax(1, false);
        let largest = least.abs().maximum(&most.abs()).to_kind(Kind::Double);
        self.batches.push((place, Tensor::stack(&[largest, own.to_kind(Kind::Double)], 0)));
    }

    /// Why there is no value, as far as numbers that are not finite are the reason: of the first batch with any.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn why_not_finite(&self, names: &Names) -> Result<Option<Absence>> {
        if self.batches.is_empty() {
            return Ok(None);
        }
        let all: Vec<&Tensor> = self.batches.iter().map(|(_, found)| found).collect();
        let all = tensors::to_matrix(&Tensor::cat(&all, 1))?;
        let (largest, own) = (all.row(0), all.row(1));
        let mut first = 0;
        for (place, found) in &self.batches {
            let next = first + found.size()[1] as usize;
            let name = |i: usize| names.names[place + i - first].clone();
            if (first..next).any(|i| !own[i].is_finite()) {
                let not_finite = (first..next).find(|&i| !largest[i].is_finite());
                let most = (first..next).max_by(|&i, &j| largest[i].total_cmp(&largest[j]));
                let overflow = most.map(|i| Absence::Overflow(name(i)));
                return Ok(not_finite.map(|i| Absence::NotFinite(name(i))).or(overflow));
            }
            first = next;
        }
        Ok(None)
    }
}
