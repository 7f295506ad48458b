//! Square patches of an image that are there or filled in, and what a network makes of images with some of them.

use tch::{Device, Kind, Tensor};

use super::focus::Network;
use super::target::Classes;
use crate::error::{Error, Result};

/// Keeps the cosine of an image of zeros from 0/0, as PyTorch has it.
const EPSILON: f64 = 1e-8;

/// The square patches that an image is cut into, numbered row by row; the last of a row or column ends at the border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patches {
    side: i64,
    height: i64,
    width: i64,
}

/// What a network makes of images of which patches are filled in, for each of P masks of N images: P×N in float64.
pub struct Coalitions {
    /// The scores.
    pub scores: Tensor,
    /// The cosine between the values of the image and those of the image with patches filled in.
    pub cosines: Tensor,
}

impl Patches {
    /// Those of N×C×H×W images.
    ///
    /// # Errors
    /// They are not images, or a patch is larger than an image.
    pub fn of(images: &Tensor, side: usize) -> Result<Self> {
        let (_, _, height, width) = images.size4().map_err(|_| {
            let problem = format!("patches are of images, and the input has {} axes", images.dim());
            Error::usage(problem, "use another --method, or give images")
        })?;
        let side = side as i64;
        match (1..=height.min(width)).contains(&side) {
            true => Ok(Self { side, height, width }),
            false => {
                let problem =
                    format!("a patch of {side} pixels does not fit an image of {height}×{width}");
                Err(Error::usage(problem, "give a smaller --window"))
            }
        }
    }

    /// K, how many there are.
    pub fn count(&self) -> usize {
        let along = |length: i64| (length + self.side - 1) / self.side;
        (along(self.height) * along(self.width)) as usize
    }

    /// The number of the patch of each pixel, a vector of H·W.
    fn pixels(&self, device: Device) -> Tensor {
        let along = (self.width + self.side - 1) / self.side;
        let index = |i: i64| (i / self.width / self.side) * along + i % self.width / self.side;
        let all: Vec<i64> = (0..self.height * self.width).map(index).collect();
        Tensor::from_slice(&all).to_device(device)
    }

    /// A number a patch as a number a pixel: N×K to N×H×W.
    pub fn map(&self, values: &Tensor) -> Tensor {
        let pixels = values.index_select(1, &self.pixels(values.device()));
        pixels.reshape([-1, self.height, self.width])
    }
}

/// Runs a network over images of which the patches that a mask leaves out are filled in. `masks` is P×N×K, 1 where a
/// patch is there and 0 where it is filled in. Up to `batch` copies go through the network together.
///
/// # Errors
/// The network does not run.
pub fn coalitions(
    model: &mut dyn Network,
    (images, fill): (&Tensor, &Tensor),
    (patches, masks): (Patches, &Tensor),
    classes: &Classes,
    batch: usize,
) -> Result<Coalitions> {
    let (count, device) = (images.size()[0], images.device());
    let pixels = patches.pixels(device);
    let together = (batch as i64 / count.max(1)).max(1);
    let (mut scores, mut cosines) = (vec![], vec![]);
    for group in masks.split(together, 0) {
        let copies = group.size()[0];
        let there = group.to_device(device).index_select(2, &pixels);
        let there = there.reshape([copies, count, 1, patches.height, patches.width]).gt(0.5);
        let partial = images.unsqueeze(0).where_self(&there, &fill.unsqueeze(0));
        cosines.push(cosine(&partial, images));
        let logits = model.logits(&partial.flatten(0, 1))?;
        let found = classes.times(copies as usize).scores(&logits)?;
        scores.push(found.to_kind(Kind::Double).reshape([copies, count]));
    }
    let whole = |parts: &[Tensor]| Tensor::cat(parts, 0).to_device(Device::Cpu);
    Ok(Coalitions { scores: whole(&scores), cosines: whole(&cosines) })
}

/// The cosine of each of P×N×C×H×W images with that of N×C×H×W.
fn cosine(partial: &Tensor, images: &Tensor) -> Tensor {
    let (a, b) = (partial.flatten(2, -1), images.flatten(1, -1).unsqueeze(0));
    let sum = |tensor: Tensor| tensor.sum_dim_intlist([-1i64].as_slice(), false, Kind::Double);
    let norm = |tensor: &Tensor| sum(tensor.square()).sqrt();
    sum(&a * &b) / (norm(&a) * norm(&b)).clamp_min(EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_at_the_border_are_cut_off() -> Result<()> {
        let image = Tensor::zeros([2, 3, 3, 5], tch::kind::FLOAT_CPU);
        let patches = Patches::of(&image, 2)?;
        assert_eq!(patches.count(), 6);
        let values = Tensor::arange(12, tch::kind::DOUBLE_CPU).reshape([2, 6]);
        let rows: Vec<f64> =
            Vec::try_from(patches.map(&values).get(0).flatten(0, -1)).unwrap_or_default();
        assert_eq!(rows, [0., 0., 1., 1., 2., 0., 0., 1., 1., 2., 3., 3., 4., 4., 5.]);
        for side in [0, 4] {
            let told = Patches::of(&image, side).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(told.contains("does not fit an image of 3×5"), "{told}");
        }
        assert!(Patches::of(&Tensor::zeros([2, 3], tch::kind::FLOAT_CPU), 1).is_err());
        Ok(())
    }
}
