//! The layer most like another.

use ndarray::{Array2, ArrayView1};

/// Values this close are equal except for rounding.
const TIE: f64 = 1e-9;

/// Values of a measure between layers, a row a layer of A, a column a layer of B.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    /// The values: layers of A by layers of B; `None` where there is none.
    pub values: &'a Array2<Option<f64>>,
    /// Names of the layers of A.
    pub names_a: &'a [String],
    /// Names of the layers of B.
    pub names_b: &'a [String],
    /// Whether a larger value is more alike.
    pub larger_is_more_alike: bool,
    /// Whether a layer of A is never the match of the column of its own place: rows and columns are
    /// the same layers.
    pub apart: bool,
}

impl Matrix<'_> {
    /// The most alike in each row, its column and value: of equals (within 10⁻⁹) the layer of the same name,
    /// else the first. `None` for a row without values.
    pub fn best_matches(&self) -> Vec<Option<(usize, f64)>> {
        self.values.rows().into_iter().enumerate().map(|(i, row)| self.best(i, row)).collect()
    }

    fn best(&self, i: usize, row: ArrayView1<'_, Option<f64>>) -> Option<(usize, f64)> {
        let sign = if self.larger_is_more_alike { 1.0 } else { -1.0 };
        let counts = |j: &usize| !self.apart || *j != i;
        let known = (0..row.len()).filter(counts).filter_map(|j| Some((j, row[j]?)));
        let (first, most) =
            known.reduce(|best, next| if sign * next.1 > sign * best.1 { next } else { best })?;
        // `layer1` gives what `layer1.1` gave, and is the better name for it.
        let own = self.names_b.iter().position(|name| *name == self.names_a[i]).filter(counts);
        let own = own.filter(|&j| row[j].is_some_and(|value| sign * value >= sign * most - TIE));
        let j = own.unwrap_or(first);
        Some((j, row[j].unwrap_or(most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn best(
        values: &Array2<Option<f64>>,
        larger_is_more_alike: bool,
        apart: bool,
    ) -> Vec<Option<(usize, f64)>> {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let (names_a, names_b) = (names(&["a", "c"]), names(&["a", "b", "c"]));
        let (names_a, names_b) = (names_a.as_slice(), names_b.as_slice());
        Matrix { values, names_a, names_b, larger_is_more_alike, apart }.best_matches()
    }

    #[test]
    fn best_is_the_first_most_alike() {
        let values = array![[Some(0.2), Some(0.9), Some(0.9)], [None, None, None]];
        assert_eq!(best(&values, true, false), [Some((1, 0.9)), None]);
        assert_eq!(best(&values, false, false), [Some((0, 0.2)), None]);
        assert_eq!(best(&values, false, true), [Some((1, 0.9)), None]);
    }

    #[test]
    fn of_equals_the_one_of_the_same_name_is_taken() {
        let values = array![[None, None, None], [Some(0.9), Some(0.1), Some(0.9 - 1e-12)]];
        assert_eq!(best(&values, true, false)[1], Some((2, 0.9 - 1e-12)));
    }
}
