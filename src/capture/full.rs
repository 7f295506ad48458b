//! Gram matrices over all samples, exact whatever the batch size.

use tch::Tensor;

use super::averaged::Averaged;
use super::feed::{Absence, Consumer, Place};
use super::plan::Part;
use super::reduce::Reduce;
use super::rows::{RowStore, first_not_finite};
use crate::error::Result;
use crate::linalg::PackedSymmetric;
use crate::similarity::Products;
use crate::torchscript::Answer;

/// The linear Gram matrix of one layer as it grows.
#[derive(Default)]
pub struct LayerGram {
    /// The matrix.
    pub gram: PackedSymmetric,
    /// Squared norm of the centre that was subtracted from the features.
    pub centre_norm: f64,
    /// Of each row its product with that centre and its sum; empty unless asked for.
    pub beside: [Vec<f64>; 2],
    /// Scatter relative to the squared norm of the mean below which the rows count as constant.
    pub constant: f64,
    /// What its rows are means of, where they are.
    pub averaged: Averaged,
    /// Why there is none.
    pub absence: Option<Absence>,
}

impl LayerGram {
    /// The products of the rows with all that measures need to know of the centre.
    pub fn products(self) -> Products {
        let [along, sums] = self.beside;
        Products { gram: self.gram, along, centre_norm: self.centre_norm, sums }
    }

    /// Adds to what is known of the rows from `first` on.
    fn add_beside(&mut self, first: usize, found: [Vec<f64>; 2]) {
        for (kept, new) in self.beside.iter_mut().zip(found) {
            kept.resize(kept.len().max(first + new.len()), 0.0);
            kept[first..].iter_mut().zip(new).for_each(|(sum, value)| *sum += value);
        }
    }
}

/// One pass: the parts of layers kept in it, added to the Gram matrices.
pub struct FullPass<'a> {
    reduce: Reduce,
    grams: &'a mut [Vec<LayerGram>],
    /// The parts and their rows; of rows kept without their zeros nothing before the first batch.
    parts: Vec<(Part, Option<RowStore>)>,
    kept: usize,
    /// The memory for rows that are kept without their zeros, where they are.
    room: Option<u64>,
    left: Left,
    with_means: bool,
    /// Subjects whose outputs are known.
    judged: Vec<bool>,
    done: usize,
}

/// The layers that a pass began with and left to another.
#[derive(Default)]
pub struct Left {
    /// The parts.
    pub parts: Vec<Part>,
    /// Whether there are rows among them that cannot be kept without their zeros.
    pub plain: bool,
}

impl<'a> FullPass<'a> {
    /// A pass over the given parts, which keeps up to `kept` rows of each.
    pub fn new(
        reduce: Reduce,
        parts: &[Part],
        kept: usize,
        grams: &'a mut [Vec<LayerGram>],
    ) -> Self {
        let store = |p: &Part| RowStore::new(p.features.start, p.features.len(), kept);
        let parts = parts.iter().map(|p| (p.clone(), Some(store(p)))).collect();
        let (room, left) = (None, Left::default());
        Self { reduce, grams, parts, kept, room, left, with_means: false, judged: vec![], done: 0 }
    }

    /// The same pass over whole layers, whose rows are kept without their zeros in so many bytes: the last of
    /// the layers are left to another pass where those of the first batches let expect that they do not fit.
    pub fn sparse(mut self, room: u64) -> Self {
        self.parts.iter_mut().for_each(|(_, store)| *store = None);
        Self { room: Some(room), ..self }
    }

    /// The same pass, which also finds what [`LayerGram::products`] needs.
    pub fn with_means(self) -> Self {
        Self { with_means: true, ..self }
    }

    /// The same pass, in which the runs of some subjects may end behind the last layer that is kept: their
    /// own outputs were seen before.
    pub fn after(self, judged: Vec<bool>) -> Self {
        Self { judged, ..self }
    }

    /// Adds what was subtracted in this pass to the layers' centres; what it left to another.
    pub fn finish(self) -> Left {
        for (part, store) in &self.parts {
            let norm = store.as_ref().map_or(0.0, RowStore::centre_norm);
            self.grams[part.subject][part.layer].centre_norm += norm;
        }
        self.left
    }

    /// Leaves layers to another pass until the rows of the others fit.
    fn leave_what_does_not_fit(&mut self, room: u64) {
        let begun = std::mem::take(&mut self.parts);
        let mut taken = 0;
        for (part, store) in begun {
            let bytes = store.as_ref().map_or(u64::MAX, RowStore::expected_bytes);
            taken = bytes.saturating_add(taken);
            // One layer at least, so that the passes come to an end.
            if store.is_some() && (taken <= room || self.parts.is_empty()) {
                self.parts.push((part, store));
            } else {
                self.grams[part.subject][part.layer] = LayerGram::default();
                self.left.parts.push(part);
            }
        }
    }

    /// Whether nothing more is wanted of this run, neither its output nor another layer.
    fn can_stop(&self, place: &Place<'_>) -> bool {
        let of_subject = self.parts.iter().filter(|(p, _)| p.subject == place.subject);
        let last = of_subject.map(|(p, _)| p.layer).max();
        let more = place.layer + 1 < self.grams[place.subject].len();
        self.judged.get(place.subject) == Some(&true) && last == Some(place.layer) && more
    }
}

impl Consumer for FullPass<'_> {
    fn wants(&self, subject: usize) -> bool {
        let of_subject = |part: &Part| part.subject == subject;
        self.parts.iter().any(|(p, _)| of_subject(p)) || self.left.parts.iter().any(of_subject)
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        let target = &mut self.grams[at.subject][at.layer];
        target.constant = at.constant(output);
        let here = |p: &Part| p.subject == at.subject && p.layer == at.layer;
        for (part, store) in self.parts.iter_mut().filter(|(p, _)| here(p)) {
            if target.absence.is_some() {
                continue;
            }
            let rows = self.reduce.rows(output, at.tokens)?;
            *store = store.take().or_else(|| RowStore::sparse(&rows, self.kept));
            let Some(store) = store else {
                self.left.plain = true;
                continue;
            };
            let block = store.extend(&rows)?;
            if let Some(row) = block.first_not_finite() {
                target.absence = Some(why_not_finite(&at, &rows, row));
                continue;
            }
            if self.with_means {
                target.add_beside(self.done, store.along_centre(&rows)?);
            }
            if part.features.start == 0 {
                target.averaged.add(self.reduce, output, at.tokens)?;
                target.gram.push_rows(block.products.view());
            } else {
                target.gram.add_rows(self.done, block.products.view());
            }
        }
        Ok(if self.can_stop(&at) { Answer::Stop } else { Answer::Keep })
    }

    fn batch_done(&mut self, samples: usize) -> Result<()> {
        self.done += samples;
        if let Some(room) = self.room {
            self.leave_what_does_not_fit(room);
        }
        Ok(())
    }
}

/// The row with the largest number.
fn largest(rows: &Tensor) -> Option<usize> {
    let largest = rows.abs().amax([1i64].as_slice(), false).argmax(0, false);
    usize::try_from(largest.int64_value(&[])).ok()
}

/// A row whose square is not finite: NaN, an infinity, or finite numbers too large to square.
pub fn why_not_finite(at: &Place<'_>, rows: &Tensor, row: usize) -> Absence {
    let positions = (rows.size()[0] as usize / at.samples.max(1)).max(1);
    match first_not_finite(rows) {
        Some(found) => Absence::NotFinite((at.name)(found / positions)),
        None => Absence::Overflow((at.name)(largest(rows).unwrap_or(row) / positions)),
    }
}
