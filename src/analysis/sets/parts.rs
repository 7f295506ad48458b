//! Parts of sets, which shards look at.

use std::ops::Range;
use std::path::Path;

use super::kept::KeptSet;
use super::sums::{Cut, Gathering};
use super::{Contents, Keep, Plan, SetSums, Sets};
use crate::analysis::Facts;
use crate::capture::part::{Piece, Reading};
use crate::data::statistics::Statistics;
use crate::data::{Dataset, Summary};
use crate::error::Result;
use crate::report::DataInput;

/// Levels of the tree of blocks that a set is divided into, at most: 128 blocks.
const MOST_LEVELS: u64 = 7;

/// Matrices of D×D numbers beside those of the tree.
const BESIDE: u64 = 3;

/// A set that shards look at.
pub enum Divided {
    /// Images, arrays or texts, for a model.
    Images(Dataset),
    /// Features that a run of `repsim features` wrote.
    Kept(Box<KeptSet>),
}

impl Divided {
    /// What a model runs over; nothing where its features were written.
    pub fn dataset(&self) -> Option<&Dataset> {
        match self {
            Self::Images(dataset) => Some(dataset),
            Self::Kept(_) => None,
        }
    }

    /// Its path, in words of messages.
    pub fn shown(&self) -> String {
        match self {
            Self::Images(dataset) => dataset.path().display().to_string(),
            Self::Kept(kept) => kept.folder.shown(),
        }
    }

    fn samples(&self) -> usize {
        match self {
            Self::Images(dataset) => dataset.len(),
            Self::Kept(kept) => kept.samples(),
        }
    }
}

impl Sets<'_> {
    /// Takes what shards gathered of the sets of images, in the order in which these are measured.
    #[must_use]
    pub fn given(mut self, pieces: Vec<Piece<SetSums>>) -> Self {
        self.given = pieces.into();
        self
    }

    /// What shards look at of a path, ready for it: images with the model, or a folder of features; `None` where it
    /// holds arrays of features or statistics, which are read when shards are merged.
    ///
    /// # Errors
    /// It cannot be opened, or the model does not run on it.
    pub fn divided_at(&mut self, path: &Path) -> Result<Option<Divided>> {
        if Statistics::is_statistics(path) {
            return Ok(None);
        }
        match self.contents(path)? {
            Contents::Features(_) => Ok(None),
            Contents::Images(dataset) => {
                self.features.prepare(&dataset)?;
                Ok(Some(Divided::Images(dataset)))
            }
            Contents::Kept(mut folder) => {
                folder.hashed = false;
                Ok(Some(Divided::Kept(Box::new(self.kept_set(*folder)?))))
            }
        }
    }

    /// The number of features of the samples of a set.
    ///
    /// # Errors
    /// As [`Sets::divided_at`].
    pub fn width(&mut self, set: &Divided) -> Result<usize> {
        match set {
            Divided::Images(dataset) => Ok(self.features.prepare(dataset)?.width),
            Divided::Kept(kept) => Ok(kept.width),
        }
    }

    /// The number of blocks that a set is divided into.
    ///
    /// # Errors
    /// As [`Sets::divided_at`].
    pub fn blocks(&mut self, set: &Divided) -> Result<usize> {
        let width = self.width(set)?;
        Ok(self.cut(set.samples(), width).blocks())
    }

    /// What some blocks of a set give; with `logits` also what the model says of each sample.
    ///
    /// # Errors
    /// The data cannot be read, the model does not run on it, or there is too little memory.
    pub fn part(
        &mut self,
        set: &Divided,
        blocks: Range<usize>,
        logits: bool,
    ) -> Result<Piece<SetSums>> {
        let (samples, width) = (set.samples(), self.width(set)?);
        let (plan, cut) = (self.plan(samples, width)?, self.cut(samples, width));
        // A covariance within classes is taken of all rows.
        let plan = Plan { covariance: plan.covariance && self.keep != Keep::Classes, ..plan };
        let range = cut.first_of(blocks.start)..cut.first_of(blocks.end);
        let dataset = match set {
            Divided::Images(dataset) => dataset,
            Divided::Kept(kept) => {
                let sums = self.gather_kept(kept, (plan, range.clone()), logits)?;
                return Ok(Piece { blocks, reading: Reading::of_rows(range), sums });
            }
        };
        let mut gathering = Gathering::new(plan, cut, (range.len(), width))?;
        let what = (logits, range);
        let reading = self.features.run_part(dataset, what, &mut |batch| gathering.add(&batch))?;
        Ok(Piece { blocks, reading, sums: gathering.finish() })
    }

    /// Adds what all shards know of a set before it is read.
    ///
    /// # Errors
    /// The preprocessing cannot be written.
    pub fn describe(&self, set: &Divided, facts: &mut Facts) -> Result<()> {
        match set {
            Divided::Images(dataset) => {
                facts.add_data(dataset, &self.described(dataset).preprocess)
            }
            Divided::Kept(kept) => {
                facts.add_model(&kept.record);
                Ok(())
            }
        }
    }

    /// Bytes of memory allowed.
    pub fn memory(&self) -> u64 {
        self.args.memory
    }

    /// What the report says of a set before it was read.
    fn described(&self, dataset: &Dataset) -> DataInput {
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
