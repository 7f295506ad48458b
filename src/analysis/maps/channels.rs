//! Which channels of a layer are shown.

use std::fmt;

use ndarray::{ArrayView4, Axis, s};

use crate::error::{Error, Result};

/// Which channels of a layer are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapChannels {
    /// These.
    These(Vec<usize>),
    /// So many from the first on.
    First(usize),
    /// So many with the largest mean in the first image, the largest first.
    MostActive(usize),
}

impl fmt::Display for MapChannels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::These(list) => {
                let numbers: Vec<String> = list.iter().map(usize::to_string).collect();
                f.write_str(&numbers.join(","))
            }
            Self::First(count) => write!(f, "first {count}"),
            Self::MostActive(count) => write!(f, "most active {count}"),
        }
    }
}

impl MapChannels {
    /// Refuses a channel that is named twice.
    ///
    /// # Errors
    /// One is.
    pub(in crate::analysis) fn check(&self) -> Result<()> {
        let Self::These(list) = self else { return Ok(()) };
        match list.iter().enumerate().find(|(i, channel)| list[..*i].contains(channel)) {
            None => Ok(()),
            Some((_, twice)) => Err(Error::usage(
                format!("channel {twice} is picked twice"),
                "name each channel once in --pick",
            )),
        }
    }

    /// How many of so many channels are shown.
    pub fn count(&self, channels: usize) -> usize {
        match self {
            Self::These(list) => list.len(),
            Self::First(shown) | Self::MostActive(shown) => channels.min(*shown),
        }
    }

    /// The channels of N×K×H×W maps.
    ///
    /// # Errors
    /// There is no channel of a number.
    pub fn of(&self, layer: &str, maps: ArrayView4<'_, f32>) -> Result<Vec<usize>> {
        let count = maps.len_of(Axis(1));
        match self {
            Self::These(list) => match list.iter().find(|channel| **channel >= count) {
                Some(channel) => Err(Error::usage(
                    format!("there is no channel {channel}: {layer} has {count}"),
                    format!("name channels from 0 to {}", count - 1),
                )),
                None => Ok(list.clone()),
            },
            Self::First(shown) => Ok((0..count.min(*shown)).collect()),
            Self::MostActive(shown) => Ok(most_active(maps, *shown)),
        }
    }
}

/// The channels with the largest mean in the first image, of equals the first.
fn most_active(maps: ArrayView4<'_, f32>, shown: usize) -> Vec<usize> {
    let mean = |channel: usize| {
        let map = maps.slice(s![0, channel, .., ..]);
        let mean = map.iter().map(|&v| f64::from(v)).sum::<f64>() / map.len().max(1) as f64;
        if mean.is_finite() { mean } else { f64::NEG_INFINITY }
    };
    let mut order: Vec<(usize, f64)> = (0..maps.len_of(Axis(1))).map(|c| (c, mean(c))).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order.into_iter().take(shown).map(|(channel, _)| channel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    #[test]
    fn channels_are_chosen() -> Result<()> {
        let mut maps = Array4::<f32>::zeros((2, 4, 2, 2));
        maps[(0, 2, 0, 1)] = 3.0;
        maps[(0, 1, 0, 0)] = -1.0;
        maps[(0, 3, 0, 0)] = f32::NAN;
        maps[(1, 0, 0, 0)] = 9.0;
        let of = |choice: MapChannels| choice.of("layer", maps.view());
        assert_eq!(of(MapChannels::MostActive(3))?, [2, 0, 1]);
        assert_eq!(of(MapChannels::MostActive(9))?.len(), 4);
        assert_eq!(of(MapChannels::First(2))?, [0, 1]);
        assert_eq!(of(MapChannels::These(vec![3, 0]))?, [3, 0]);
        let error = of(MapChannels::These(vec![4])).err().map(|e| e.to_string());
        assert!(error.is_some_and(|e| e.contains("channel 4") && e.contains("0 to 3")));
        Ok(())
    }
}
