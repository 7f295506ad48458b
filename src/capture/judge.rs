//! What a model's own output says of the samples that run through it.

use tch::Tensor;

use crate::classifier::{
    Accuracy, Ending, Matched, Numbering, OutputForm, Tally, numbered, numbered_in_two,
};
use crate::data::Dataset;
use crate::error::Result;
use crate::torchscript::{Model, tensors};

/// Outputs a sample beyond which they are not taken for those of a classifier.
const MOST_OUTPUTS: i64 = 100_000;

/// Names of a model's outputs, in their order.
#[derive(Debug, Clone, Default)]
pub enum Naming {
    /// Those of the data's classes.
    #[default]
    Data,
    /// These where they are as many as the outputs, else those of the data's classes.
    Known(Vec<String>),
    /// These, and no others.
    Every(Vec<String>),
}

/// Counts how often a model is right, batch by batch.
#[derive(Debug, Default)]
pub struct Judge {
    naming: Naming,
    /// The classes by the numbers of the outputs, or why they are not known.
    classes: Option<Result<Numbering, String>>,
    tally: Tally,
    /// The tally before anything was counted.
    empty: Tally,
    /// Whether the data have labels.
    labelled: bool,
    /// Whether an earlier pass saw all samples.
    done: bool,
}

/// What the outputs of a model said.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What they are; `None` where no N×K outputs were seen.
    pub form: Option<OutputForm>,
    /// What was counted of them.
    pub tally: Tally,
    /// How often they were right, or why that is not known; `None` where the data have no labels.
    pub accuracy: Option<Result<(Accuracy, Matched), String>>,
}

impl Judge {
    /// Of a model that was probed, with the names of its outputs.
    pub fn new(naming: &Naming, model: &Model) -> Self {
        let tally = Tally::behind(Ending::seen(model.ends_in_sigmoid()));
        let empty = tally.clone();
        Self { naming: naming.clone(), tally, empty, ..Self::default() }
    }

    /// A pass over the data begins: what an earlier one saw is not counted again, or forgotten where that
    /// did not come to its end.
    pub fn begin_pass(&mut self, again: bool) {
        if !again {
            self.tally = self.empty.clone();
        }
        self.done = self.tally.rows() > 0;
    }

    /// Whether it takes in such an output of so many samples.
    pub fn wants(&self, output: &Tensor, samples: usize) -> bool {
        !self.done && is_of_classes(output, samples)
    }

    /// Takes in what the model gave for the samples at some positions of the data, where that is N×K
    /// or a vector of N, a single output a sample.
    ///
    /// # Errors
    /// The output cannot be read.
    pub fn take(
        &mut self,
        dataset: &Dataset,
        indices: &[usize],
        output: Option<&Tensor>,
    ) -> Result<()> {
        let Some(output) = output.filter(|o| self.wants(o, indices.len())) else {
            return Ok(());
        };
        let outputs = tensors::to_matrix(&output.detach().reshape([indices.len() as i64, -1]))?;
        let classes =
            self.classes.get_or_insert_with(|| self.naming.classes(dataset, outputs.ncols()));
        let own = |found: &Numbering| indices.iter().map(|&i| found.labels[i]).collect();
        let labels: Option<Vec<usize>> = classes.as_ref().ok().map(own);
        self.tally.add(outputs.view(), labels.as_deref());
        self.labelled = dataset.labels().is_some();
        Ok(())
    }

    /// Takes what was counted elsewhere in place of a pass over the data.
    pub fn restore(&mut self, dataset: &Dataset, tally: &Tally) {
        self.tally = tally.clone();
        if tally.rows() > 0 {
            self.classes = Some(self.naming.classes(dataset, tally.outputs()));
            self.labelled = dataset.labels().is_some();
        }
    }

    /// What was said so far.
    pub fn judged(&self) -> Judged {
        let accuracy = self.classes.as_ref().filter(|_| self.labelled).map(|classes| {
            let matched = classes.as_ref().map_err(Clone::clone)?.matched;
            Ok((self.tally.accuracy()?, matched))
        });
        Judged { form: self.tally.form(), tally: self.tally.clone(), accuracy }
    }
}

impl Naming {
    /// The classes of the samples by the numbers of K outputs, or why they are not known.
    fn classes(&self, dataset: &Dataset, outputs: usize) -> Result<Numbering, String> {
        let own = dataset.classes();
        if outputs == 1 {
            return numbered_in_two(dataset.labels(), own);
        }
        let names = match self {
            Self::Known(names) if names.len() == outputs => names,
            Self::Every(names) if names.len() != outputs => {
                let count = names.len();
                return Err(format!(
                    "--labels names {count} classes, and the model gives {outputs} logits"
                ));
            }
            Self::Every(names) => names,
            Self::Data | Self::Known(_) => own,
        };
        numbered(dataset.labels(), own, names, outputs)
    }
}

/// Whether an output is N×K, or a vector of N, of floats.
pub(super) fn is_of_classes(output: &Tensor, samples: usize) -> bool {
    let shape = output.size();
    let floats = matches!(
        output.kind(),
        tch::Kind::Float | tch::Kind::Double | tch::Kind::Half | tch::Kind::BFloat16
    );
    let (rows, outputs) = match shape[..] {
        [n] => (n, 1),
        [n, k] => (n, k),
        _ => return false,
    };
    rows == samples as i64 && (1..=MOST_OUTPUTS).contains(&outputs) && floats
}
