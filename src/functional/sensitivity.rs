//! How the score changes with each channel of a layer, to first order.

use ndarray::Array1;
use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::stats::{ChannelMoments, ChannelSums};
use crate::torchscript::{LayerGradient, shape_text, tensors};

/// Values that are widened to float64 at a time.
const PART: usize = 1 << 22;

/// The sensitivity of a score S to each of the C channels of a layer, over images and positions:
///
/// ```text
/// sensitivity_c = mean |∂S/∂A_c| · std A_c
/// ```
///
/// with A the layer's output seen as N×C×positions (all tokens of a layer that gives tokens, without padding); the mean
/// and the deviation (over n) are taken over all images and positions. To first order it is how far the score moves
/// when every value of the channel moves, by itself, by what is usual for the channel. The sums merge, so that batches
/// of any size give the same up to rounding in float64.
#[derive(Debug, Clone)]
pub struct Sensitivity {
    slopes: Array1<f64>,
    moments: ChannelMoments,
}

impl Sensitivity {
    /// Nothing yet, of a layer of so many channels.
    pub fn new(channels: usize) -> Self {
        Self { slopes: Array1::zeros(channels), moments: ChannelMoments::new(channels) }
    }

    /// Adds a batch. `mask`, N×T, is false for padding, which does not count where a layer has T positions.
    ///
    /// # Errors
    /// The layer has another number of channels than before.
    pub fn add(&mut self, found: &LayerGradient, mask: Option<&Tensor>) -> Result<()> {
        let shape = found.activation.size();
        let channels = self.moments.channels();
        if shape.get(1) != Some(&(channels as i64)) {
            let problem = format!("a layer of {channels} channels gave {}", shape_text(&shape));
            return Err(Error::usage(
                problem,
                "choose a layer whose shape does not depend on data",
            ));
        }
        let images = found.activation.size()[0];
        let fits = |mask: &&Tensor| {
            let positions: i64 = shape.iter().skip(2).product();
            shape.len() > 2 && mask.size() == [images, positions]
        };
        let mask = mask.filter(fits).map(|mask| mask.to_device(found.activation.device()));
        let values = found.activation.numel() / images.max(1) as usize;
        let step = (PART / values.max(1)).max(1) as i64;
        for start in (0..images).step_by(step as usize) {
            let of = |t: &Tensor| t.narrow(0, start, step.min(images - start));
            let kept = mask.as_ref().map(|mask| of(mask).reshape([-1]).nonzero().reshape([-1]));
            let part = |t: &Tensor| match &kept {
                Some(kept) => by_channel(&of(t)).index_select(1, kept),
                None => by_channel(&of(t)),
            };
            self.moments.add(&sums(&part(&found.activation))?);
            let slopes = part(&found.gradient).abs();
            let slopes = slopes.sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
            self.slopes += &tensors::to_vector(&slopes)?;
        }
        Ok(())
    }

    /// Mean, deviation and range of the channels.
    pub fn moments(&self) -> &ChannelMoments {
        &self.moments
    }

    /// mean |∂S/∂A_c| of each channel.
    pub fn gradient(&self) -> Array1<f64> {
        &self.slopes / self.moments.count() as f64
    }

    /// The sensitivity of each channel.
    pub fn values(&self) -> Array1<f64> {
        self.gradient() * self.moments.std()
    }
}

/// N×C×… as C rows, in float64.
fn by_channel(tensor: &Tensor) -> Tensor {
    tensor.transpose(0, 1).to_kind(Kind::Double).flatten(1, -1)
}

fn sums(rows: &Tensor) -> Result<ChannelSums> {
    let axis = [1i64];
    let mean = rows.mean_dim(axis.as_slice(), true, Kind::Double);
    let scatter = (rows - &mean).square().sum_dim_intlist(axis.as_slice(), false, Kind::Double);
    Ok(ChannelSums {
        count: rows.size()[1] as usize,
        mean: tensors::to_vector(&mean)?,
        scatter: tensors::to_vector(&scatter)?,
        low: tensors::to_vector(&rows.amin(axis.as_slice(), false))?,
        high: tensors::to_vector(&rows.amax(axis.as_slice(), false))?,
        positive: tensors::to_vector(&rows.gt(0.0).sum_dim_intlist(
            axis.as_slice(),
            false,
            Kind::Double,
        ))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_gradient_times_deviation() -> Result<()> {
        let activation = Tensor::from_slice(&[1.0f32, 3.0, 5.0, 5.0, 3.0, 1.0, 5.0, 5.0]);
        let gradient = Tensor::from_slice(&[-2.0f32, 0.0, 1.0, 1.0, 2.0, -4.0, 1.0, 1.0]);
        let batch = |t: &Tensor| t.reshape([2, 2, 1, 2]);
        let mut whole = Sensitivity::new(2);
        whole.add(
            &LayerGradient { activation: batch(&activation), gradient: batch(&gradient) },
            None,
        )?;
        assert_eq!(whole.gradient().to_vec(), [2.0, 1.0]);
        assert_eq!(whole.moments().mean().to_vec(), [2.0, 5.0]);
        assert_eq!(whole.values().to_vec(), [2.0, 0.0]);
        let mut flat = Sensitivity::new(2);
        let rows = |t: &Tensor| batch(t).select(3, 0).squeeze_dim(2);
        let found = LayerGradient { activation: rows(&activation), gradient: rows(&gradient) };
        flat.add(&found, None)?;
        assert_eq!(flat.gradient().to_vec(), [2.0, 1.0]);
        assert_eq!(flat.values().to_vec(), [2.0, 0.0]);
        let mut without_padding = Sensitivity::new(2);
        let found = LayerGradient { activation: batch(&activation), gradient: batch(&gradient) };
        let mask = Tensor::from_slice(&[true, true, true, false]).reshape([2, 2]);
        without_padding.add(&found, Some(&mask))?;
        assert_eq!(without_padding.gradient().to_vec(), [4.0 / 3.0, 1.0]);
        assert_eq!(without_padding.moments().mean().to_vec(), [7.0 / 3.0, 5.0]);
        Ok(())
    }
}
