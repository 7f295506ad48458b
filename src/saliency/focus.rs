//! What of a network's inputs is looked at, and the network as something that takes that alone.

use tch::Tensor;

use super::explain::forward;
use super::target::Classes;
use crate::error::Result;
use crate::torchscript::{Model, tensors};

/// The input that is explained, of a network that takes other things than images, or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Focus {
    /// Its name.
    pub name: String,
    /// Where in the row of a sample its values begin.
    pub start: i64,
    /// Channels, rows and columns that it is seen as: those of an image, or 1×1×T of T tokens or numbers.
    pub shape: [i64; 3],
    /// Whether its values are token ids, which have no gradient.
    pub is_tokens: bool,
    /// Of token ids the layer of the explainer that is their embedding.
    pub embedding: Option<Embedded>,
}

/// The layer that stands for token ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Embedded {
    /// Which of the explainer's layers.
    pub layer: usize,
    /// Whether it is there for class activation maps too.
    pub is_cam: bool,
}

impl Focus {
    /// The input as images N×C×H×W, of a batch of rows.
    pub fn images(&self, rows: &Tensor) -> Tensor {
        let samples = rows.size().first().copied().unwrap_or(0);
        let [channels, height, width] = self.shape;
        let flat = rows.reshape([samples, -1]).narrow(1, self.start, self.shape.iter().product());
        flat.reshape([samples, channels, height, width])
    }

    /// Rows with other images in their place. Where there are more images than rows, the rows are
    /// repeated, all of them each time.
    fn with(&self, rows: &Tensor, images: &Tensor) -> Tensor {
        let (count, mut shape) = (images.size()[0], rows.size());
        let flat = rows.reshape([shape[0], -1]).repeat([count / shape[0].max(1), 1]);
        shape[0] = count;
        let end = self.start + self.shape.iter().product::<i64>();
        let parts = [
            flat.narrow(1, 0, self.start),
            images.reshape([count, -1]).to_kind(flat.kind()),
            flat.narrow(1, end, flat.size()[1] - end),
        ];
        Tensor::cat(&parts, 1).reshape(shape)
    }
}

/// What makes scores of images.
pub trait Network {
    /// What it gives for images.
    ///
    /// # Errors
    /// It does not run, or gives no tensor.
    fn logits(&mut self, images: &Tensor) -> Result<Tensor>;

    /// The gradient of the sum of the scores of fixed classes, in the shape of the images.
    ///
    /// # Errors
    /// It does not run, or cannot be differentiated.
    fn gradient(&mut self, images: &Tensor, classes: &Classes) -> Result<Tensor>;
}

impl Network for Model {
    fn logits(&mut self, images: &Tensor) -> Result<Tensor> {
        forward(self, images)
    }

    fn gradient(&mut self, images: &Tensor, classes: &Classes) -> Result<Tensor> {
        Ok(self.gradients(images, |logits| classes.total(logits))?.input)
    }
}

/// A network of which one input is looked at, and the others stay as they are.
pub struct Focused<'a> {
    /// The network.
    pub model: &'a mut Model,
    /// The input; `None` where it is all that the network takes.
    pub focus: Option<&'a Focus>,
    /// What the network takes.
    pub rows: &'a Tensor,
}

impl Network for Focused<'_> {
    fn logits(&mut self, images: &Tensor) -> Result<Tensor> {
        match self.focus {
            None => self.model.logits(images),
            Some(focus) => self.model.logits(&focus.with(self.rows, images)),
        }
    }

    fn gradient(&mut self, images: &Tensor, classes: &Classes) -> Result<Tensor> {
        match self.focus {
            None => self.model.gradient(images, classes),
            Some(focus) => {
                let found = self.model.gradient(&focus.with(self.rows, images), classes)?;
                Ok(focus.images(&found))
            }
        }
    }
}

/// The images that a batch is to who looks at it: the batch itself where nothing else is said.
pub fn images_of(focus: Option<&Focus>, rows: &Tensor) -> Tensor {
    match focus {
        Some(focus) => focus.images(rows),
        None => rows.shallow_clone(),
    }
}

/// Gradients of tokens, N×E×T, as images N×E×1×T.
pub(super) fn as_images(tokens: &Tensor) -> Result<Tensor> {
    tokens.f_unsqueeze(2).map_err(|e| tensors::torch_error("read gradients of tokens", &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_taken_out_of_rows_and_put_back() {
        let rows = Tensor::arange(20, tch::kind::FLOAT_CPU).reshape([2, 10]);
        let (name, shape) = ("x".to_owned(), [1, 2, 2]);
        let focus = Focus { name, start: 3, shape, is_tokens: false, embedding: None };
        let images = focus.images(&rows);
        assert_eq!(images.size(), [2, 1, 2, 2]);
        assert_eq!(images.double_value(&[1, 0, 1, 0]), 15.0);
        assert_eq!(focus.with(&rows, &images), rows);
        let twice = focus.with(&rows, &Tensor::cat(&[&images, &(-&images)], 0));
        assert_eq!(twice.narrow(0, 0, 2), rows);
        assert_eq!(twice.double_value(&[3, 4]), -14.0);
        assert_eq!(twice.double_value(&[3, 7]), 17.0);
    }
}
