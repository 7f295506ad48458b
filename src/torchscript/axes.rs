//! Which axis of a layer's output holds the samples and which the channels.

use tch::Tensor;

/// How it was detected which axis holds the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By the operators that made the output.
    Operator,
    /// By `--channel-axis`.
    Given,
    /// Only by the number of axes: the last of three, the first behind the samples of more.
    Guessed,
}

impl By {
    /// What a word in reports stands for; a guess where it is none of them.
    pub fn named(name: Option<&str>) -> Self {
        let known = [Self::Operator, Self::Given];
        known.into_iter().find(|by| Some(by.name()) == name).unwrap_or(Self::Guessed)
    }

    /// The word for it in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Given => "given",
            Self::Guessed => "guessed",
        }
    }
}

/// What the axes of a layer's output stand for.
///
/// Convolutions, batch, group and instance norms, pooling: N×C×positions. Linear and recurrent layers,
/// layer norms, embeddings, attention: channels last. What works element by element takes its axes over
/// from what it is given, and what moves, splits and merges axes takes them along. The axis of the samples
/// is the one whose size follows the size of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axes {
    /// The axis with one entry a sample.
    pub samples: usize,
    /// The axis of the channels, as the layer gives its output; `None` where there is only the
    /// samples.
    pub channels: Option<usize>,
    /// How the channels were detected.
    pub told: By,
    /// How many tokens in front of the others come from a parameter and not from the input: class and
    /// register tokens. `None` where the output is not N×T×D (in any order) or it is not known.
    pub class_tokens: Option<usize>,
}

/// What one run of a model showed of an output: its shape for so many samples.
pub(super) struct Shown<'a> {
    pub samples: usize,
    pub shape: &'a [i64],
}

impl Axes {
    /// Samples first, channels by the number of axes: what is taken of stored arrays.
    pub fn guessed(rank: usize) -> Self {
        Self { samples: 0, channels: guess(rank, 0), told: By::Guessed, class_tokens: None }
    }

    /// From the shapes of one or two runs with different numbers of samples, and what the operators of
    /// the first detected: the axis of the samples, of the channels, the class tokens.
    pub(super) fn found(
        first: &Shown<'_>,
        second: Option<&Shown<'_>>,
        told: [Option<usize>; 3],
    ) -> Self {
        let [samples_told, channels_told, class_tokens] = told;
        let samples = samples_axis(first, second, samples_told);
        let rank = first.shape.len();
        let channels = channels_told.filter(|&axis| axis < rank && axis != samples);
        let same = samples_told == Some(samples);
        // A vector a sample has one axis that could be it.
        let by = if channels.is_some() || rank < 3 { By::Operator } else { By::Guessed };
        Self {
            samples,
            channels: channels.or_else(|| guess(rank, samples)),
            told: by,
            class_tokens: class_tokens.filter(|_| same && channels.is_some()),
        }
    }

    /// With the channels at an axis that was given.
    pub fn with_channels(self, axis: usize) -> Self {
        let moved = self.channels != Some(axis);
        let class_tokens = self.class_tokens.filter(|_| !moved);
        Self { channels: Some(axis), told: By::Given, class_tokens, ..self }
    }

    /// The axes in the order samples, channels, positions.
    fn order(&self, rank: usize) -> Vec<usize> {
        let front = [Some(self.samples), self.channels];
        let mut order: Vec<usize> = front.into_iter().flatten().filter(|&a| a < rank).collect();
        order.extend((0..rank).filter(|axis| !front.contains(&Some(*axis))));
        order
    }

    /// The output as N×C×positions, a view; N×D for a vector a sample.
    pub fn canonical(&self, output: &Tensor) -> Tensor {
        permuted(output, &self.order(output.dim()))
    }

    /// The inverse of [`Axes::canonical`]: what stands in place of the layer's output, a view.
    pub fn restore(&self, canonical: &Tensor) -> Tensor {
        let order = self.order(canonical.dim());
        let mut inverse = order.clone();
        order.iter().enumerate().for_each(|(place, &axis)| inverse[axis] = place);
        permuted(canonical, &inverse)
    }

    /// The shape of [`Axes::canonical`].
    pub fn canonical_shape(&self, shape: &[i64]) -> Vec<i64> {
        self.order(shape.len()).into_iter().map(|axis| shape[axis]).collect()
    }

    /// A canonical tensor with its samples first and the other axes as the layer orders them, a view.
    pub fn samples_first(&self, canonical: &Tensor) -> Tensor {
        self.restore(canonical).movedim_int(self.samples as i64, 0)
    }
}

fn permuted(tensor: &Tensor, order: &[usize]) -> Tensor {
    match order.iter().enumerate().all(|(place, &axis)| place == axis) {
        true => tensor.shallow_clone(),
        false => tensor.permute(order.iter().map(|&axis| axis as i64).collect::<Vec<_>>()),
    }
}

/// The last axis of three, the first behind the samples of more or fewer.
fn guess(rank: usize, samples: usize) -> Option<usize> {
    let mut others = (0..rank).filter(|&axis| axis != samples);
    if rank == 3 { others.next_back() } else { others.next() }
}

/// The axis that follows the number of samples; of several the one that the operators show, or the
/// first.
fn samples_axis(first: &Shown<'_>, second: Option<&Shown<'_>>, told: Option<usize>) -> usize {
    let is =
        |shown: &Shown<'_>, axis: usize| shown.shape.get(axis) == Some(&(shown.samples as i64));
    let second = second.filter(|shown| shown.shape.len() == first.shape.len());
    let follows = |axis: &usize| is(first, *axis) && second.is_none_or(|shown| is(shown, *axis));
    let told = told.filter(follows);
    // One run alone cannot distinguish the samples from another axis of the same size.
    let seen = second.and_then(|_| (0..first.shape.len()).find(follows));
    told.or(seen).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(samples: usize, channels: Option<usize>) -> Axes {
        Axes { samples, channels, told: By::Operator, class_tokens: None }
    }

    #[test]
    fn canonical_is_undone_by_restore() {
        let tensor = Tensor::rand([2, 3, 4, 5], tch::kind::FLOAT_CPU);
        for samples in 0..4 {
            for channels in (0..4).filter(|&axis| axis != samples) {
                let axes = axes(samples, Some(channels));
                let canonical = axes.canonical(&tensor);
                assert_eq!(canonical.data_ptr(), tensor.data_ptr());
                assert_eq!(canonical.size(), axes.canonical_shape(&tensor.size()));
                let sizes = [tensor.size()[samples], tensor.size()[channels]];
                assert_eq!(canonical.size()[..2], sizes);
                assert_eq!(axes.restore(&canonical), tensor);
            }
        }
        assert_eq!(axes(0, None).canonical(&Tensor::rand([3], tch::kind::FLOAT_CPU)).size(), [3]);
    }

    #[test]
    fn samples_are_where_the_size_follows_the_batch() {
        let found = |two: &[i64], three: Option<&[i64]>, told| {
            let first = Shown { samples: 2, shape: two };
            let second = three.map(|shape| Shown { samples: 3, shape });
            Axes::found(&first, second.as_ref(), told)
        };
        let none = [None; 3];
        assert_eq!(found(&[2, 2, 8], Some(&[2, 3, 8]), none).samples, 1);
        assert_eq!(found(&[5, 2, 8], None, [Some(1), Some(2), Some(0)]).samples, 1);
        // What one run shows of a second axis is not proof; windows follow the batch, but not one by one.
        assert_eq!(found(&[5, 2, 8], None, none).samples, 0);
        assert_eq!(found(&[8, 4, 6], Some(&[12, 4, 6]), none).samples, 0);
        assert_eq!(found(&[2, 2], Some(&[3, 3]), [Some(1), None, None]).samples, 1);
    }

    #[test]
    fn untold_channels_are_guessed_by_rank() {
        let found = |shape: &[i64], told| Axes::found(&Shown { samples: 2, shape }, None, told);
        let of = |axes: Axes| (axes.channels, axes.told);
        assert_eq!(of(found(&[2, 3, 4], [None; 3])), (Some(2), By::Guessed));
        assert_eq!(of(found(&[2, 3, 4, 5], [None; 3])), (Some(1), By::Guessed));
        assert_eq!(of(found(&[2, 3], [None; 3])), (Some(1), By::Operator));
        assert_eq!(of(found(&[2], [None; 3])), (None, By::Operator));
        assert_eq!(of(found(&[2, 3, 4, 5], [None, Some(3), None])), (Some(3), By::Operator));
    }
}
