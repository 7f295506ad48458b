//! Sums over blocks of the data, the same to the last bit however the blocks were divided among runs.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// What later data can be added to.
pub trait Sum {
    /// Adds what was gathered of data behind its own.
    fn merge(&mut self, later: Self);
}

/// Sums of consecutive blocks of the data, numbered from 0.
///
/// Floating-point addition is not associative, so blocks are added in one order: two neighbours of which the first
/// has an even number, then pairs of such pairs, and so on.
///
/// ```text
/// ((b₀ + b₁) + (b₂ + b₃)) + (b₄ + b₅)
/// ```
///
/// Whoever has blocks of any range can add what lies below one knot of this tree, and keeps at most two sums for
/// each of its levels; [`Blocks::append`] goes on from there. No more sums than levels are held where the range
/// begins at 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Blocks<T> {
    knots: Vec<Knot<T>>,
}

/// The sum of 2^`level` blocks from `first` on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Knot<T> {
    first: usize,
    level: u32,
    sum: T,
}

impl<T> Knot<T> {
    /// Whether another one is the second half of the same knot above.
    fn is_beside(&self, right: &Self) -> bool {
        let size = 1 << self.level;
        self.level == right.level
            && self.first + size == right.first
            && self.first.is_multiple_of(2 * size)
    }
}

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self { knots: vec![] }
    }
}

impl<T: Sum> Blocks<T> {
    /// No block yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the block of a number that is above those before it.
    pub fn push(&mut self, number: usize, sum: T) {
        self.add(Knot { first: number, level: 0, sum });
    }

    /// Adds blocks that lie behind these.
    pub fn append(&mut self, later: Self) {
        later.knots.into_iter().for_each(|knot| self.add(knot));
    }

    fn add(&mut self, mut knot: Knot<T>) {
        while let Some(mut left) = self.knots.pop_if(|left| left.is_beside(&knot)) {
            left.sum.merge(knot.sum);
            knot = Knot { first: left.first, level: left.level + 1, sum: left.sum };
        }
        self.knots.push(knot);
    }

    /// The sum of all blocks; `None` without any.
    pub fn total(self) -> Option<T> {
        let sums = self.knots.into_iter().map(|knot| knot.sum);
        sums.rev().reduce(|later, mut sum| {
            sum.merge(later);
            sum
        })
    }

    /// Whether all sums are as this wants them.
    pub fn all(&self, is: impl Fn(&T) -> bool) -> bool {
        self.knots.iter().all(|knot| is(&knot.sum))
    }

    /// Whether the sums are those of blocks of a range, each where it can be in the tree, one behind the other.
    pub fn are_within(&self, blocks: &Range<usize>) -> bool {
        let mut end = blocks.start;
        self.knots.iter().all(|knot| {
            let size = 1_usize.checked_shl(knot.level).unwrap_or(0);
            let (first, behind) = (knot.first, knot.first.checked_add(size));
            let fits = size > 0 && first.is_multiple_of(size) && first >= end;
            end = behind.unwrap_or(usize::MAX);
            fits && behind.is_some_and(|behind| behind <= blocks.end)
        })
    }

    /// The same blocks with other sums.
    pub fn map<U>(self, mut of: impl FnMut(T) -> U) -> Blocks<U> {
        let mut knot =
            |knot: Knot<T>| Knot { first: knot.first, level: knot.level, sum: of(knot.sum) };
        Blocks { knots: self.knots.into_iter().map(&mut knot).collect() }
    }
}

/// So many units of the data, divided into blocks of as many each: as few units as leave at most `most` blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Division {
    units: usize,
    size: usize,
}

impl Division {
    /// Of so many units into at most so many blocks.
    pub fn new(units: usize, most: usize) -> Self {
        Self { units, size: units.div_ceil(most.max(1)).max(1) }
    }

    /// The number of blocks.
    pub fn blocks(self) -> usize {
        self.units.div_ceil(self.size)
    }

    /// The block of a unit.
    pub fn block_of(self, unit: usize) -> usize {
        unit / self.size
    }

    /// The first unit of a block; of the one behind the last, the number of units.
    pub fn first_of(self, block: usize) -> usize {
        self.units.min(block * self.size)
    }

    /// Whether a unit is the last of its block.
    pub fn ends_with(self, unit: usize) -> bool {
        (unit + 1).is_multiple_of(self.size) || unit + 1 == self.units
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Sum for f64 {
        fn merge(&mut self, later: Self) {
            *self += later;
        }
    }

    fn value(number: usize) -> f64 {
        1.0 / (number as f64 + 0.3) + (number % 7) as f64 * 1e9
    }

    fn of(numbers: std::ops::Range<usize>) -> Blocks<f64> {
        let mut blocks = Blocks::new();
        numbers.for_each(|number| blocks.push(number, value(number)));
        blocks
    }

    #[test]
    fn any_parts_give_the_same_bits() {
        for count in [0, 1, 2, 5, 8, 37, 64] {
            let whole = of(0..count).total();
            for parts in [1, 2, 3, 7, 40] {
                let mut sum = Blocks::new();
                for part in 0..parts {
                    sum.append(of(part * count / parts..(part + 1) * count / parts));
                }
                assert_eq!(sum, of(0..count));
                assert_eq!(sum.total().map(f64::to_bits), whole.map(f64::to_bits));
            }
        }
        let plain: f64 = (0..37).map(value).sum();
        assert!(
            of(0..37).total().is_some_and(|sum| sum != plain && (sum / plain - 1.0).abs() < 1e-15)
        );
    }

    #[test]
    fn few_sums_are_held() {
        assert!(of(0..1023).knots.len() <= 10);
        assert!(of(511..1023).knots.len() <= 20);
    }

    #[test]
    fn sums_lie_in_the_blocks_they_are_said_to_be_of() {
        assert!(of(3..9).are_within(&(3..9)) && of(3..9).are_within(&(2..10)));
        assert!(!of(3..9).are_within(&(4..9)) && !of(3..9).are_within(&(3..8)));
        let knot = |first, level| Blocks { knots: vec![Knot { first, level, sum: 0.0 }] };
        assert!(knot(4, 2).are_within(&(4..8)) && !knot(5, 2).are_within(&(0..99)));
        assert!(!knot(0, 64).are_within(&(0..usize::MAX)));
        assert!(!knot(usize::MAX, 0).are_within(&(0..usize::MAX)));
        let twice = Blocks { knots: [knot(4, 1).knots, knot(4, 1).knots].concat() };
        assert!(!twice.are_within(&(0..99)));
    }

    #[test]
    fn a_division_covers_all_units() {
        for (units, most, blocks) in
            [(10, 128, 10), (128, 128, 128), (130, 128, 65), (1, 4, 1), (0, 4, 0)]
        {
            let division = Division::new(units, most);
            assert_eq!(division.blocks(), blocks);
            let ends: Vec<usize> = (0..units).filter(|&unit| division.ends_with(unit)).collect();
            assert_eq!(ends.len(), blocks);
            for (block, end) in ends.into_iter().enumerate() {
                assert_eq!(
                    (division.block_of(end), division.first_of(block + 1)),
                    (block, end + 1)
                );
            }
        }
    }
}
