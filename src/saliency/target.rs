//! What a saliency map explains: which logit, or which difference of logits.

use std::fmt;

use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::torchscript::{shape_text, tensors};

/// What is explained of each image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The logit of the class with the highest one.
    Predicted,
    /// The logit of one class.
    Class(usize),
    /// The logit of the image's true class.
    Label,
    /// The logit of one class less that of another: the evidence for the one against the other.
    Contrast(usize, usize),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Predicted => f.write_str("predicted"),
            Self::Class(class) => write!(f, "class {class}"),
            Self::Label => f.write_str("label"),
            Self::Contrast(class, other) => write!(f, "class {class} against {other}"),
        }
    }
}

/// The class explained of each image of a batch, and the class it is held against, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    /// One an image.
    pub classes: Vec<i64>,
    /// The other class of a contrast.
    pub against: Option<i64>,
}

impl Target {
    /// The classes that are explained, given N×K logits and the images' true classes.
    ///
    /// # Errors
    /// The logits are not matrix, a class is out of range, or labels are needed and not there.
    pub fn resolve(self, logits: &Tensor, labels: Option<&[usize]>) -> Result<Classes> {
        let shape = logits.size();
        let [count, width] = shape.as_slice() else { return Err(no_logits(&shape)) };
        let number = |class: usize| i64::try_from(class).unwrap_or(i64::MAX);
        let all = |class: usize| vec![number(class); *count as usize];
        let (classes, against) = match self {
            Self::Predicted => (best(logits)?, None),
            Self::Class(class) => (all(class), None),
            Self::Contrast(class, other) => (all(class), Some(number(other))),
            Self::Label => {
                let labels = labels.ok_or_else(no_labels)?;
                (labels.iter().map(|&label| number(label)).collect(), None)
            }
        };
        match classes.iter().chain(&against).find(|c| *c >= width) {
            Some(class) => Err(Error::usage(
                format!("class {class} is out of range: the model gives {width} logits"),
                format!("name a class from 0 to {}", width - 1),
            )),
            None => Ok(Classes { classes, against }),
        }
    }
}

impl Classes {
    /// The classes of some images of the batch.
    pub fn of_rows(&self, rows: std::ops::Range<usize>) -> Self {
        Self { classes: self.classes[rows].to_vec(), against: self.against }
    }

    /// The classes of so many copies of the images, one set below the other.
    pub fn times(&self, copies: usize) -> Self {
        Self { classes: self.classes.repeat(copies), against: self.against }
    }

    /// The score of each image: its logit, or the difference of two; a vector of N.
    ///
    /// # Errors
    /// The logits are not matrix.
    pub fn scores(&self, logits: &Tensor) -> Result<Tensor> {
        let shape = logits.size();
        if shape.len() != 2 {
            return Err(no_logits(&shape));
        }
        let index = Tensor::from_slice(&self.classes).to_device(logits.device()).unsqueeze(1);
        let own = logits.gather(1, &index, false).squeeze_dim(1);
        Ok(match self.against {
            Some(other) => own - logits.select(1, other),
            None => own,
        })
    }

    /// The sum of the scores, whose gradient holds every image's own: no image's score depends on
    /// another image.
    ///
    /// # Errors
    /// The logits are not matrix.
    pub fn total(&self, logits: &Tensor) -> Result<Tensor> {
        Ok(self.scores(logits)?.sum(logits.kind()))
    }
}

/// Of each image, whether all its logits are finite, of N×K logits.
///
/// # Errors
/// The logits cannot be read.
pub fn finite_rows(logits: &Tensor) -> Result<Vec<bool>> {
    let finite = logits.detach().isfinite().all_dim(1, false).to_kind(Kind::Double);
    Ok(tensors::to_vector(&finite)?.iter().map(|&finite| finite > 0.0).collect())
}

/// The class with the highest logit of each image.
fn best(logits: &Tensor) -> Result<Vec<i64>> {
    let classes = logits.detach().argmax(1, false).to_device(tch::Device::Cpu).to_kind(Kind::Int64);
    Vec::try_from(classes).map_err(|e| tensors::torch_error("read classes", &e))
}

fn no_logits(shape: &[i64]) -> Error {
    Error::usage(
        format!("the model's output has shape {}: no N×K logits", shape_text(shape)),
        "give a classifier; of several outputs, --output-key (or --output-index) chooses the logits",
    )
}

fn no_labels() -> Error {
    Error::usage(
        "the images have no labels",
        "give a folder with a sub-folder a class, or explain the predicted class",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_nan_are_found() -> Result<()> {
        let logits = Tensor::from_slice(&[1.0, f64::NAN, 2.0, 7.0, 3.0, f64::INFINITY]);
        assert_eq!(finite_rows(&logits.reshape([3, 2]))?, [false, true, false]);
        Ok(())
    }

    #[test]
    fn scores_are_logits_or_differences() -> Result<()> {
        let logits = Tensor::from_slice(&[1.0f32, 5.0, 2.0, 7.0, 3.0, 4.0]).reshape([2, 3]);
        let scores = |target: Target, labels: Option<&[usize]>| -> Result<Vec<f32>> {
            let classes = target.resolve(&logits, labels)?;
            Ok(Vec::try_from(classes.scores(&logits)?).unwrap_or_default())
        };
        assert_eq!(scores(Target::Predicted, None)?, [5.0, 7.0]);
        assert_eq!(scores(Target::Class(2), None)?, [2.0, 4.0]);
        assert_eq!(scores(Target::Label, Some(&[0, 1]))?, [1.0, 3.0]);
        assert_eq!(scores(Target::Contrast(1, 0), None)?, [4.0, -4.0]);
        assert!(scores(Target::Class(3), None).is_err_and(|e| e.to_string().contains("0 to 2")));
        assert!(scores(Target::Label, None).is_err());
        let vector = Tensor::zeros([4], tch::kind::FLOAT_CPU);
        assert!(Target::Predicted.resolve(&vector, None).is_err());
        Ok(())
    }
}
