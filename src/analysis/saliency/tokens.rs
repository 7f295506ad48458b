//! Which positions of maps of tokens are not padding.

use ndarray::{Array3, ArrayView2, Axis, CowArray, Ix2};
use tch::{Device, Tensor};

use crate::capture::token_mask;
use crate::data::Dataset;
use crate::saliency::Focus;

/// The columns of each sample's map that are tokens of its own; all where nothing is padded.
#[derive(Debug, Clone, Default)]
pub struct Tokens(Vec<Vec<usize>>);

impl Tokens {
    /// Of a batch of rows, by their `attention_mask`, where an entry a token of the input that is looked at.
    pub fn of_batch(dataset: &Dataset, focus: Option<&Focus>, rows: &Tensor) -> Self {
        let tokens = focus.filter(|focus| focus.shape[..2] == [1, 1]).map(|focus| focus.shape[2]);
        let mask = token_mask(dataset, rows).filter(|mask| mask.size().get(1).copied() == tokens);
        let Some(mask) = mask.map(|mask| mask.to_device(Device::Cpu)) else {
            return Self::default();
        };
        let own = |row: i64| -> Vec<usize> {
            let kept: Vec<bool> = Vec::try_from(mask.get(row)).unwrap_or_default();
            (0..kept.len()).filter(|&token| kept[token]).collect()
        };
        Self((0..mask.size()[0]).map(own).collect())
    }

    /// The map of a sample without its padding.
    pub fn of<'m>(&self, sample: usize, map: ArrayView2<'m, f32>) -> CowArray<'m, f32, Ix2> {
        match self.0.get(sample) {
            Some(own) => map.select(Axis(1), own).into(),
            None => map.into(),
        }
    }

    /// Makes padding 0.
    pub fn clear(&self, maps: &mut Array3<f32>) {
        for (mut map, own) in maps.outer_iter_mut().zip(&self.0) {
            for (token, mut column) in map.axis_iter_mut(Axis(1)).enumerate() {
                if own.binary_search(&token).is_err() {
                    column.fill(0.0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_left_out_and_cleared() {
        let tokens = Tokens(vec![vec![0, 2], vec![0, 1, 2]]);
        let mut maps = Array3::from_shape_fn((2, 1, 3), |(i, _, t)| (10 * i + t + 1) as f32);
        assert_eq!(tokens.of(0, maps.index_axis(Axis(0), 0)).as_slice(), Some(&[1.0, 3.0][..]));
        assert_eq!(Tokens::default().of(0, maps.index_axis(Axis(0), 0)).len(), 3);
        tokens.clear(&mut maps);
        assert_eq!(maps.into_raw_vec_and_offset().0, [1.0, 0.0, 3.0, 11.0, 12.0, 13.0]);
    }
}
