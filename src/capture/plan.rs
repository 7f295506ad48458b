//! Which layers' rows are kept in which pass, so that they fit into the memory allowed.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::linalg::PackedSymmetric;

/// A range of a layer's features, kept in one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub subject: usize,
    pub layer: usize,
    pub features: Range<usize>,
}

/// What the plan is made from.
pub struct Needs<'a> {
    /// Width of every layer of every subject; one of 0 has neither rows nor a Gram matrix.
    pub widths: &'a [Vec<usize>],
    /// Samples.
    pub samples: usize,
    /// Samples in a batch.
    pub batch: usize,
    /// Bytes allowed for Gram matrices and rows together.
    pub memory: u64,
}

impl Needs<'_> {
    /// Rows that have to be kept: all but those of the last batch.
    pub fn kept_rows(&self) -> usize {
        self.samples.saturating_sub(1) / self.batch.max(1) * self.batch
    }

    /// Bytes of the Gram matrices.
    pub fn gram_bytes(&self) -> u64 {
        self.layers() as u64 * PackedSymmetric::bytes(self.samples)
    }

    fn layers(&self) -> usize {
        self.widths.iter().flatten().filter(|&&width| width > 0).count()
    }

    /// The passes: each keeps as much as fits, the deepest layers first, so that a repeated pass ends early:
    /// the first layers of a network have most of its features, and take the least of its time.
    ///
    /// # Errors
    /// The Gram matrices do not fit, or not even a feature's rows beside them.
    pub fn passes(&self) -> Result<Vec<Vec<Part>>> {
        Ok(self.fill(self.features_at_a_time()?))
    }

    /// The passes for some whole layers alone.
    ///
    /// # Errors
    /// As [`Needs::passes`].
    pub fn passes_of(&self, layers: &[Part]) -> Result<Vec<Vec<Part>>> {
        let is_one = |s, l| layers.iter().any(|p| (p.subject, p.layer) == (s, l));
        let width = |s, (l, &width): (usize, &usize)| if is_one(s, l) { width } else { 0 };
        let of = |(s, layers): (usize, &Vec<usize>)| {
            layers.iter().enumerate().map(|layer| width(s, layer)).collect()
        };
        let widths: Vec<Vec<usize>> = self.widths.iter().enumerate().map(of).collect();
        let room = self.features_at_a_time()?;
        Ok(Needs { widths: &widths, ..*self }.fill(room))
    }

    /// Features whose rows fit beside the Gram matrices.
    fn features_at_a_time(&self) -> Result<usize> {
        let feature_bytes = self.feature_bytes();
        let room = self.memory.checked_sub(self.gram_bytes()).ok_or_else(|| self.too_large())?;
        let features = match feature_bytes {
            0 => usize::MAX,
            bytes => (room / bytes) as usize,
        };
        // Fewer than this a pass would take hundreds of passes.
        match features >= 256 || features >= self.widths.iter().flatten().sum() {
            true => Ok(features),
            false => Err(self.too_large()),
        }
    }

    /// The memory for rows beside the Gram matrices.
    pub fn room(&self) -> u64 {
        self.memory.saturating_sub(self.gram_bytes())
    }

    /// All layers in one pass, in the order of [`Needs::passes`], where each of them and a batch of all would
    /// fit: whether all do is seen when it is known how many of their numbers are zero.
    pub fn whole(&self) -> Option<Vec<Part>> {
        let all: usize = self.widths.iter().flatten().sum();
        let widest = self.widths.iter().flatten().max().copied().unwrap_or(0);
        let rows = (widest * self.kept_rows()).max(all * self.batch);
        let bytes = (rows * size_of::<f32>()) as u64;
        let pass = || self.fill(usize::MAX).into_iter().next();
        (bytes <= self.room()).then(pass).flatten()
    }

    fn feature_bytes(&self) -> u64 {
        (self.kept_rows() * size_of::<f32>()) as u64
    }

    fn fill(&self, room: usize) -> Vec<Vec<Part>> {
        let mut passes = vec![Vec::new()];
        let mut left = room;
        for (subject, layer) in self.deepest_first() {
            let width = self.widths[subject][layer];
            let mut start = 0;
            while start < width {
                if left == 0 {
                    passes.push(Vec::new());
                    left = room;
                }
                let end = start + left.min(width - start);
                left -= end - start;
                if let Some(pass) = passes.last_mut() {
                    pass.push(Part { subject, layer, features: start..end });
                }
                start = end;
            }
        }
        passes
    }

    /// All layers, those first that have the least of their network behind them.
    fn deepest_first(&self) -> Vec<(usize, usize)> {
        let of = |(subject, widths): (usize, &Vec<usize>)| {
            let count = widths.len();
            (0..count).map(move |layer| ((layer + 1) as f64 / count as f64, subject, layer))
        };
        let mut all: Vec<(f64, usize, usize)> =
            self.widths.iter().enumerate().flat_map(of).collect();
        all.sort_by(|x, y| y.0.total_cmp(&x.0).then(y.1.cmp(&x.1)));
        all.into_iter().map(|(_, subject, layer)| (subject, layer)).collect()
    }

    fn too_large(&self) -> Error {
        let problem = format!(
            "the Gram matrices of {} layers over {} samples take {}, more than --memory {}",
            self.layers(),
            self.samples,
            bytes_text(self.gram_bytes()),
            bytes_text(self.memory),
        );
        Error::usage(
            problem,
            "use --estimator minibatch, fewer samples with --limit, or more --memory",
        )
    }
}

/// A number of bytes as people write it.
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = (0..UNITS.len() - 1).take_while(|p| bytes >> (10 * (p + 1)) > 0).count();
    let value = bytes as f64 / (1u64 << (10 * power)) as f64;
    let text = format!("{value:.1}");
    format!("{} {}", text.trim_end_matches(".0"), UNITS[power])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(widths: &[Vec<usize>], samples: usize, memory: u64) -> Needs<'_> {
        Needs { widths, samples, batch: 10, memory }
    }

    #[test]
    fn one_batch_keeps_nothing() -> Result<()> {
        let widths = [vec![1_000_000, 10]];
        let needs = needs(&widths, 10, 2 * PackedSymmetric::bytes(10));
        assert_eq!(needs.kept_rows(), 0);
        assert_eq!(needs.passes()?.len(), 1);
        Ok(())
    }

    #[test]
    fn every_feature_is_kept_once() -> Result<()> {
        let widths = [vec![700, 300], vec![500]];
        let room = 600 * 20 * 4;
        let passes = needs(&widths, 30, 3 * PackedSymmetric::bytes(30) + room).passes()?;
        assert_eq!(passes.len(), 3);
        for (subject, layer, width) in [(0, 0, 700), (0, 1, 300), (1, 0, 500)] {
            let mut end = 0;
            for part in passes.iter().flatten() {
                if (part.subject, part.layer) == (subject, layer) {
                    assert_eq!(part.features.start, end);
                    end = part.features.end;
                }
            }
            assert_eq!(end, width);
        }
        Ok(())
    }

    #[test]
    fn repeated_passes_end_early() -> Result<()> {
        let widths = [vec![700, 100, 100], vec![600, 200]];
        let room = 1_200 * 20 * 4;
        let passes = needs(&widths, 30, 5 * PackedSymmetric::bytes(30) + room).passes()?;
        let parts = |i: usize| passes[i].iter().map(|p| (p.subject, p.layer)).collect::<Vec<_>>();
        assert_eq!(parts(0), [(1, 1), (0, 2), (0, 1), (1, 0), (0, 0)]);
        assert_eq!(passes[1], [Part { subject: 0, layer: 0, features: 200..700 }]);
        Ok(())
    }

    #[test]
    fn layers_that_fit_one_by_one_may_fit_together() {
        let widths = [vec![700, 100, 0], vec![600, 200]];
        let at = |room: u64| {
            let needs = needs(&widths, 30, 4 * PackedSymmetric::bytes(30) + room);
            needs.whole().map(|parts| parts.iter().map(|p| p.features.len()).collect::<Vec<_>>())
        };
        assert_eq!(at(1_600 * 10 * 4), Some(vec![200, 100, 600, 700]));
        assert_eq!(at(1_600 * 10 * 4 - 1), None);
    }

    #[test]
    fn what_does_not_fit_names_the_way_out() {
        let widths = [vec![10; 20]];
        let text = needs(&widths, 100_000, 1 << 30).passes().map_err(|e| e.to_string());
        assert!(text.is_err_and(|t| t.contains("--estimator minibatch") && t.contains("--limit")));
    }

    #[test]
    fn bytes_are_readable() {
        assert_eq!(bytes_text(512), "512 B");
        assert_eq!(bytes_text(4 << 30), "4 GiB");
        assert_eq!(bytes_text(1_600_000), "1.5 MiB");
    }
}
