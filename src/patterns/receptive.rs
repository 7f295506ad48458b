//! Receptive fields: which part of the image a unit depends on.

use std::collections::BTreeSet;

use ndarray::{ArrayView2, ArrayView3, Axis};

/// A part of an image: rows and columns from 0, both ends inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The first row.
    pub top: usize,
    /// The first column.
    pub left: usize,
    /// The last row.
    pub bottom: usize,
    /// The last column.
    pub right: usize,
}

impl Window {
    /// All of an image of so many rows and columns.
    pub fn whole((rows, columns): (usize, usize)) -> Self {
        Self { top: 0, left: 0, bottom: rows.saturating_sub(1), right: columns.saturating_sub(1) }
    }

    /// The least one that holds all that is not zero in H×W values; `None` where all is.
    pub fn around(values: ArrayView2<'_, f64>) -> Option<Self> {
        let is_any = |row: ndarray::ArrayView1<'_, f64>| row.iter().any(|&value| value != 0.0);
        let ends = |axis: usize| {
            let mut hit = values.axis_iter(Axis(axis)).enumerate().filter(|(_, row)| is_any(*row));
            let first = hit.next()?.0;
            Some((first, hit.last().map_or(first, |(last, _)| last)))
        };
        let ((top, bottom), (left, right)) = (ends(0)?, ends(1)?);
        Some(Self { top, left, bottom, right })
    }

    /// Rows and columns.
    pub fn size(&self) -> (usize, usize) {
        (self.bottom - self.top + 1, self.right - self.left + 1)
    }

    /// Whether another lies in it.
    pub fn holds(&self, other: &Self) -> bool {
        let (rows, columns) = (self.top..=self.bottom, self.left..=self.right);
        rows.contains(&other.top)
            && rows.contains(&other.bottom)
            && columns.contains(&other.left)
            && columns.contains(&other.right)
    }

    /// Edges as shares of an image of so many rows and columns: top, left, bottom, right.
    fn shares(&self, (rows, columns): (usize, usize)) -> [f64; 4] {
        let (rows, columns) = (rows as f64, columns as f64);
        [
            self.top as f64 / rows,
            self.left as f64 / columns,
            (self.bottom + 1) as f64 / rows,
            (self.right + 1) as f64 / columns,
        ]
    }

    /// Intersection over union of two windows, each as a part of its own image: of size `own` and `others`.
    ///
    /// ```
    /// # use repsim::patterns::Window;
    /// let half = Window { top: 0, left: 0, bottom: 1, right: 3 };
    /// assert_eq!(half.overlap((4, 4), &Window::whole((8, 8)), (8, 8)), 0.5);
    /// ```
    pub fn overlap(&self, own: (usize, usize), other: &Self, others: (usize, usize)) -> f64 {
        let (a, b) = (self.shares(own), other.shares(others));
        let side = |low: usize| (a[low + 2].min(b[low + 2]) - a[low].max(b[low])).max(0.0);
        let area = |of: [f64; 4]| (of[2] - of[0]) * (of[3] - of[1]);
        let shared = side(0) * side(1);
        shared / (area(a) + area(b) - shared)
    }
}

/// The receptive fields of the units of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// Rows and columns of the input.
    input: (usize, usize),
    /// Positions of the layer.
    positions: usize,
    /// One a channel and position, row by row; one a position where all channels have the same. `None` where
    /// a unit depends on nothing of the input.
    windows: Vec<Option<Window>>,
}

impl Fields {
    /// All of the input for each of so many positions.
    pub fn whole(input: (usize, usize), positions: usize) -> Self {
        Self { input, positions, windows: vec![Some(Window::whole(input)); positions] }
    }

    /// One a position, the same for all channels.
    pub fn shared(input: (usize, usize), windows: Vec<Option<Window>>) -> Self {
        Self { input, positions: windows.len(), windows }
    }

    /// From bounds 4×C×P: minus the first row, the last row, minus the first column, the last column of what each
    /// unit depends on, −∞ where it is nothing. `None` where one is NaN.
    pub fn of_bounds(input: (usize, usize), bounds: ArrayView3<'_, f32>) -> Option<Self> {
        if bounds.len_of(Axis(0)) != 4 || bounds.iter().any(|bound| bound.is_nan()) {
            return None;
        }
        let window = |unit: ndarray::ArrayView1<'_, f32>| {
            let is_any = unit.iter().all(|bound| bound.is_finite());
            let [top, bottom, left, right] =
                [-unit[0], unit[1], -unit[2], unit[3]].map(|b| b as usize);
            is_any.then_some(Window { top, left, bottom, right })
        };
        let channels = bounds.axis_iter(Axis(1));
        let mut all = channels.map(|one| one.axis_iter(Axis(1)).map(window).collect::<Vec<_>>());
        let first = all.next()?;
        let positions = first.len();
        let others: Vec<Vec<Option<Window>>> = all.collect();
        let same = others.iter().all(|one| *one == first);
        let windows = match same {
            true => first,
            false => first.into_iter().chain(others.into_iter().flatten()).collect(),
        };
        Some(Self { input, positions, windows })
    }

    /// That of a unit.
    pub fn of(&self, channel: usize, position: usize) -> Option<Window> {
        let place = if self.by_channel() { channel * self.positions + position } else { position };
        self.windows.get(place).copied().flatten()
    }

    /// Whether channels have different ones.
    pub fn by_channel(&self) -> bool {
        self.windows.len() > self.positions
    }

    /// Rows and columns of the input.
    pub fn input(&self) -> (usize, usize) {
        self.input
    }

    /// The most rows and the most columns of one.
    pub fn largest(&self) -> (usize, usize) {
        let sizes = self.windows.iter().flatten().map(Window::size);
        sizes.fold((0, 0), |most, size| (most.0.max(size.0), most.1.max(size.1)))
    }

    /// Whether each unit that depends on the input depends on all of it.
    pub fn are_whole(&self) -> bool {
        let different: BTreeSet<Window> = self.windows.iter().flatten().copied().collect();
        different.iter().all(|window| *window == Window::whole(self.input))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, array};

    #[test]
    fn a_window_lies_around_what_is_not_zero() {
        let values = array![[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 2.0, 0.0]];
        let window = Window::around(values.view());
        assert_eq!(window, Some(Window { top: 1, left: 1, bottom: 2, right: 2 }));
        assert_eq!(window.map(|window| window.size()), Some((2, 2)));
        assert_eq!(Window::around(array![[0.0]].view()), None);
    }

    #[test]
    fn windows_overlap_as_shares_of_their_images() {
        let corner = Window { top: 0, left: 0, bottom: 1, right: 1 };
        let shifted = Window { top: 0, left: 1, bottom: 1, right: 2 };
        assert_eq!(corner.overlap((4, 4), &shifted, (4, 4)), 2.0 / 6.0);
        let far = Window { top: 2, left: 2, bottom: 3, right: 3 };
        assert_eq!(corner.overlap((4, 4), &far, (4, 4)), 0.0);
        let double = Window { top: 0, left: 0, bottom: 3, right: 3 };
        assert_eq!(corner.overlap((4, 4), &double, (8, 8)), 1.0);
        assert!(double.holds(&corner) && !corner.holds(&shifted));
    }

    #[test]
    fn bounds_are_read_per_channel_where_they_differ() {
        let mut bounds = Array3::<f32>::zeros((4, 2, 2));
        bounds.index_axis_mut(Axis(0), 1).fill(3.0);
        bounds.index_axis_mut(Axis(0), 3).fill(2.0);
        let same = Fields::of_bounds((4, 3), bounds.view()).expect("known");
        assert!(!same.by_channel() && same.are_whole());
        bounds[(0, 1, 0)] = -2.0;
        bounds[(0, 1, 1)] = f32::NEG_INFINITY;
        let fields = Fields::of_bounds((4, 3), bounds.view()).expect("known");
        assert!(fields.by_channel() && !fields.are_whole());
        assert_eq!(fields.of(0, 1), Some(Window::whole((4, 3))));
        assert_eq!(fields.of(1, 0), Some(Window { top: 2, left: 0, bottom: 3, right: 2 }));
        assert_eq!((fields.of(1, 1), fields.largest()), (None, (4, 3)));
        bounds[(2, 0, 0)] = f32::NAN;
        assert_eq!(Fields::of_bounds((4, 3), bounds.view()), None);
    }
}
