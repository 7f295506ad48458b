//! Parts of sets, which shards look at.

use std::ops::Range;
use std::path::Path;

use super::sums::{Cut, Gathering};
use super::{Contents, Keep, Plan, SetSums, Sets};
use crate::capture::part::Piece;
use crate::data::statistics::Statistics;
use crate::data::{Dataset, Summary};
use crate::error::Result;
use crate::report::DataInput;

/// Levels of the tree of blocks that a set is divided into, at most: 128 blocks.
const MOST_LEVELS: u64 = 7;

/// Matrices of D×D numbers beside those of the tree.
const BESIDE: u64 = 3;

impl Sets<'_> {
    /// Takes what shards gathered of the sets of images, in the order in which these are measured.
    #[must_use]
    pub fn given(mut self, pieces: Vec<Piece<SetSums>>) -> Self {
        self.given = pieces.into();
        self
    }

    /// The images at a path, with the model ready for them; `None` where it holds features or statistics, which are
    /// read when shards are merged.
    ///
    /// # Errors
    /// It cannot be opened, or the model does not run on it.
    pub fn images_at(&mut self, path: &Path) -> Result<Option<Dataset>> {
        if Statistics::is_statistics(path) {
            return Ok(None);
        }
        let Contents::Images(dataset) = self.contents(path)? else { return Ok(None) };
        self.features.prepare(&dataset)?;
        Ok(Some(dataset))
    }

    /// The number of features of the samples of a set of images.
    ///
    /// # Errors
    /// As [`Sets::images_at`].
    pub fn width(&mut self, dataset: &Dataset) -> Result<usize> {
        Ok(self.features.prepare(dataset)?.width)
    }

    /// The number of blocks that a set of images is divided into.
    ///
    /// # Errors
    /// As [`Sets::images_at`].
    pub fn blocks(&mut self, dataset: &Dataset) -> Result<usize> {
        let width = self.features.prepare(dataset)?.width;
        Ok(self.cut(dataset.len(), width).blocks())
    }

    /// What some blocks of a set of images give; with `logits` also what the model says of each sample.
    ///
    /// # Errors
    /// The data cannot be read, the model does not run on it, or there is too little memory.
    pub fn part(
        &mut self,
        dataset: &Dataset,
        blocks: Range<usize>,
        logits: bool,
    ) -> Result<Piece<SetSums>> {
        let width = self.features.prepare(dataset)?.width;
        let (plan, cut) = (self.plan(dataset.len(), width)?, self.cut(dataset.len(), width));
        // A covariance within classes is taken of all rows.
        let plan = Plan { covariance: plan.covariance && self.keep != Keep::Classes, ..plan };
        let range = cut.first_of(blocks.start)..cut.first_of(blocks.end);
        let mut gathering = Gathering::new(plan, cut, (range.len(), width))?;
        let what = (logits, range);
        let reading = self.features.run_part(dataset, what, &mut |batch| gathering.add(&batch))?;
        Ok(Piece { blocks, reading, sums: gathering.finish() })
    }

    /// Bytes of memory allowed.
    pub fn memory(&self) -> u64 {
        self.args.memory
    }

    /// What the report says of a set before it was read.
    pub fn described(&self, dataset: &Dataset) -> DataInput {
        let steps: Vec<_> =
            self.features.ready().map(|r| r.preprocess.clone()).into_iter().collect();
        DataInput::new(dataset, None, &steps)
    }

    /// What the samples of a set give: by running the model, or by shards that did.
    pub(super) fn gathered(
        &mut self,
        dataset: &Dataset,
        (width, plan): (usize, Plan),
        logits: bool,
    ) -> Result<(SetSums, Summary)> {
        if let Some(piece) = self.given.pop_front() {
            self.features.replay(dataset, &piece.reading)?;
            return Ok((piece.sums, piece.reading.summary(dataset)));
        }
        let mut gathering =
            Gathering::new(plan, self.cut(dataset.len(), width), (dataset.len(), width))?;
        let summary = self.features.run(dataset, logits, &mut |batch| gathering.add(&batch))?;
        Ok((gathering.finish(), summary))
    }

    /// How a set is divided into blocks: into fewer of them where half of the memory allowed does not hold a scatter
    /// for each level of their tree.
    pub(super) fn cut(&self, samples: usize, width: usize) -> Cut {
        let square = 8 * (width as u64).pow(2).max(1);
        let levels = (self.args.memory / 2 / square).saturating_sub(BESIDE).min(MOST_LEVELS);
        Cut::new(samples, self.args.load.batch_size, 1 << levels)
    }
}
