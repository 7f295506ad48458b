//! The samples and the passes over them.

use super::split::Split;
use crate::analysis::session::{duplicates, notices};
use crate::capture::{Progress, Source, Timing, each_batch};
use crate::data::{Dataset, Enlarged, LoadOptions, Preprocess, Skipped, Summary};
use crate::error::Result;
use crate::report::{DataInput, Warning};

/// The samples, and how they are read.
pub struct Samples {
    /// The data set.
    pub dataset: Dataset,
    /// What is done to them, for A and, where it is another, for B.
    pub preprocess: Vec<Preprocess>,
    /// How they are read.
    pub load: LoadOptions,
}

impl Samples {
    /// Those at some positions, in their order.
    pub fn part(&self, positions: &[usize]) -> Self {
        let (preprocess, load) = (self.preprocess.clone(), self.load.clone());
        Self { dataset: self.dataset.only(positions), preprocess, load }
    }

    /// All of them, for networks.
    pub fn source(&self) -> Source<'_> {
        let (dataset, preprocess) = (&self.dataset, self.preprocess.as_slice());
        Source { dataset, preprocess, load: self.load.clone() }
    }
}

/// The passes over the data.
pub struct Work {
    /// The samples.
    pub samples: Samples,
    /// Which are fitted on, and which measured on.
    pub split: Split,
    /// Where the time went.
    pub timing: Timing,
    /// Passes begun.
    pub pass: usize,
    /// Passes in all.
    pub passes: usize,
    /// Samples that were left out.
    skipped: Vec<Skipped>,
    /// The sample that was enlarged most.
    enlarged: Option<Enlarged>,
}

impl Work {
    /// Nothing done yet; with so many passes to train in, and one for the structure.
    pub fn new(samples: Samples, split: Split, (epochs, structure): (usize, bool)) -> Self {
        let fitting = 1 + usize::from(!split.aside.is_empty()) + epochs;
        Self {
            samples,
            split,
            timing: Timing::default(),
            pass: 0,
            passes: fitting + 1 + usize::from(structure),
            skipped: vec![],
            enlarged: None,
        }
    }

    /// Gives the samples at some positions batch by batch, with the positions of each batch.
    ///
    /// # Errors
    /// They cannot be read, or as `take`.
    pub fn pass(
        &mut self,
        positions: &[usize],
        bar: &mut dyn Progress,
        mut take: impl FnMut(&[usize], &[tch::Tensor]) -> Result<()>,
    ) -> Result<()> {
        self.pass += 1;
        bar.begin(self.pass, self.passes, positions.len());
        let part = self.samples.part(positions);
        let summary = each_batch(&part.source(), &mut self.timing, |batch, inputs| {
            let own: Vec<usize> = batch.indices.iter().map(|&i| positions[i]).collect();
            take(&own, inputs)?;
            bar.advance(own.len());
            Ok(())
        });
        bar.end();
        let summary = summary?;
        let factor = |enlarged: &Option<Enlarged>| enlarged.as_ref().map_or(0.0, |e| e.factor);
        if factor(&summary.enlarged) > factor(&self.enlarged) {
            self.enlarged = summary.enlarged;
        }
        for sample in summary.skipped {
            if !self.skipped.contains(&sample) {
                self.skipped.push(sample);
            }
        }
        Ok(())
    }

    /// Those of some positions that were not left out.
    pub fn read(&self, positions: &[usize]) -> Vec<usize> {
        positions.iter().copied().filter(|&i| !self.is_skipped(i)).collect()
    }

    fn is_skipped(&self, position: usize) -> bool {
        let name = self.samples.dataset.name(position);
        self.skipped.iter().any(|sample| sample.name == name)
    }

    /// What is said of the data, with a warning of what was left out.
    ///
    /// # Errors
    /// They cannot be read again.
    pub fn data(&self, warnings: &mut Vec<Warning>) -> Result<DataInput> {
        let dataset = &self.samples.dataset;
        let used: Vec<usize> = (0..dataset.len()).filter(|&i| !self.is_skipped(i)).collect();
        let (fingerprint, copies) =
            dataset.only(&used).fingerprint_and_copies(self.samples.load.workers)?;
        let read = Summary {
            samples: used.len(),
            fingerprint: Some(fingerprint),
            digests: vec![],
            copies,
            skipped: self.skipped.clone(),
            enlarged: self.enlarged.clone(),
            beyond: None,
            padded: dataset.only(&used).padded()?,
            decode_seconds: 0.0,
        };
        let path = dataset.path().display().to_string();
        warnings.extend(duplicates::of_fit(read.copies.as_deref(), &path));
        let data = DataInput::new(dataset, Some(read), &self.samples.preprocess);
        warnings.extend(notices::of_data(&data));
        Ok(data)
    }
}
