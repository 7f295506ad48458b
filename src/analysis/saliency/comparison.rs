//! How alike the maps of every two columns are, over the images.

use ndarray::ArrayView2;

use crate::error::Result;
use crate::report::Number;
use crate::report::saliency::{
    AgreementMatrices, ColumnInfo, Mean, Measure, NullAgreement, PairResult, matrix,
};
use crate::saliency::bootstrap::{interval, mean};
use crate::saliency::compare::{Agreement, Compared};

/// Resamples of the bootstrap.
const RESAMPLES: usize = 1000;

/// What is said of a map that nothing can be compared with.
pub const FLAT: &str = "is constant or not finite";

/// What is said of maps that have no window of structural similarity.
const SMALL: &str = "maps are smaller than the 11×11 pixels of a window";

/// Agreements as they come about.
pub struct Comparison {
    /// A list a pair of columns, an entry an image.
    pairs: Vec<Vec<Agreement>>,
    /// A list a column: whether an image's map is constant or degenerate.
    flat: Vec<Vec<bool>>,
}

impl Comparison {
    /// Nothing yet, of so many columns.
    pub fn new(columns: usize) -> Self {
        let pairs = columns * columns.saturating_sub(1) / 2;
        Self { pairs: vec![vec![]; pairs], flat: vec![vec![]; columns] }
    }

    /// Compares the maps of one image, one a column.
    ///
    /// # Errors
    /// They have different sizes.
    pub fn take(&mut self, maps: &[ArrayView2<'_, f32>]) -> Result<()> {
        if maps.len() < 2 {
            return Ok(());
        }
        let prepared: Vec<Compared> = maps.iter().map(|map| Compared::of(*map)).collect();
        let mut place = 0;
        for (a, first) in prepared.iter().enumerate() {
            self.flat[a].push(first.is_flat());
            for second in &prepared[a + 1..] {
                self.pairs[place].push(first.with(second)?);
                place += 1;
            }
        }
        Ok(())
    }

    /// The means of every pair.
    pub fn results(&self, columns: &[ColumnInfo], seed: u64) -> Vec<PairResult> {
        let count = columns.len();
        let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
        let result = |((a, b), agreements): ((usize, usize), &Vec<Agreement>)| {
            let (name_a, name_b) = (&columns[a].name, &columns[b].name);
            let why = |image: usize| match (self.flat[a][image], self.flat[b][image]) {
                (false, false) => SMALL.to_owned(),
                (true, true) => format!("the map of {name_a} {FLAT}, and so is that of {name_b}"),
                (true, false) => format!("the map of {name_a} {FLAT}"),
                (false, true) => format!("the map of {name_b} {FLAT}"),
            };
            let of = |value: fn(&Agreement) -> Option<f64>| {
                over_images(agreements.iter().map(value), seed, why)
            };
            PairResult {
                a: name_a.clone(),
                b: name_b.clone(),
                pearson: of(|x| x.pearson),
                spearman: of(|x| x.spearman),
                ssim: of(|x| x.ssim),
                overlap: of(|x| x.overlap),
            }
        };
        pairs.zip(&self.pairs).map(result).collect()
    }
}

/// The mean over images with its bootstrap interval; `why` says what is wrong with an image that has
/// no value.
pub fn over_images(
    values: impl Iterator<Item = Option<f64>>,
    seed: u64,
    why: impl Fn(usize) -> String,
) -> Mean {
    let values: Vec<Option<f64>> = values.collect();
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    let average = mean(values.iter().copied());
    let per_image: Vec<Number> = values.into_iter().map(Number::from).collect();
    let absent: Vec<usize> =
        (0..per_image.len()).filter(|&i| per_image[i].get().is_none()).collect();
    let reason = absent.first().map(|&first| {
        let (absent, all) = (absent.len(), per_image.len());
        format!("{absent} of {all} images have no value, in the first of them {}", why(first))
    });
    Mean {
        mean: average.as_ref().map(|m| m.value).into(),
        interval: interval(&known, seed, RESAMPLES, 0.95),
        count: known.len(),
        per_image,
        reason,
    }
}

/// The means of all pairs as matrices; `None` for one column.
pub fn matrices(columns: &[ColumnInfo], pairs: &[PairResult]) -> Option<AgreementMatrices> {
    let measures: [(&str, Measure); 4] = [
        ("pearson", |p| &p.pearson),
        ("spearman", |p| &p.spearman),
        ("ssim", |p| &p.ssim),
        ("overlap", |p| &p.overlap),
    ];
    let null = |(measure, value): &(&str, Measure)| {
        let null = |pair: &PairResult| {
            let reason = value(pair).reason.clone().filter(|_| value(pair).mean.get().is_none())?;
            let (measure, a, b) = ((*measure).to_owned(), pair.a.clone(), pair.b.clone());
            Some(NullAgreement { measure, a, b, reason })
        };
        pairs.iter().filter_map(null).collect::<Vec<_>>()
    };
    let in_rows = |(_, value): (&str, Measure)| {
        let values = matrix(columns, pairs, value);
        values.outer_iter().map(|row| row.iter().map(|&v| v.into()).collect()).collect()
    };
    let nulls = measures.iter().flat_map(null).collect();
    let [pearson, spearman, ssim, overlap] = measures.map(in_rows);
    let names = columns.iter().map(|column| column.name.clone()).collect();
    let found = AgreementMatrices { names, pearson, spearman, ssim, overlap, nulls };
    (columns.len() > 1).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saliency::Method;
    use approx::assert_relative_eq;
    use ndarray::array;

    fn columns() -> Vec<ColumnInfo> {
        let column = |name: &str| ColumnInfo {
            name: name.to_owned(),
            model: 0,
            method: Method::GradCam,
            layer: None,
            grid: None,
        };
        ["a", "b", "c"].map(column).to_vec()
    }

    #[test]
    fn what_has_no_value_has_a_reason() -> Result<()> {
        let (rising, falling) = (array![[1.0f32, 2.0, 3.0]], array![[3.0f32, 2.0, 1.0]]);
        let (flat, broken) = (array![[1.0f32, 1.0, 1.0]], array![[1.0f32, f32::NAN, 1.0]]);
        let mut comparison = Comparison::new(3);
        comparison.take(&[rising.view(), falling.view(), flat.view()])?;
        comparison.take(&[rising.view(), broken.view(), flat.view()])?;
        let found = comparison.results(&columns(), 0);
        let [ab, ac, bc] = found.as_slice() else { panic!("three pairs") };
        assert_relative_eq!(ab.pearson.mean.get().unwrap_or(f64::NAN), -1.0, epsilon = 1e-12);
        assert_eq!(ab.pearson.count, 1);
        let one = "1 of 2 images have no value, in the first of them the map of b is constant or not finite";
        assert_eq!(ab.pearson.reason.as_deref(), Some(one));
        let small = format!("2 of 2 images have no value, in the first of them {SMALL}");
        assert_eq!(ab.ssim.reason.as_deref(), Some(small.as_str()));
        assert!(ac.pearson.reason.as_ref().is_some_and(|r| r.contains("the map of c is")));
        assert!(bc.overlap.reason.as_ref().is_some_and(|r| r.contains("the map of c is")));
        let matrices = matrices(&columns(), &found).unwrap_or_else(|| panic!("several columns"));
        let row: Vec<Option<f64>> = matrices.pearson[0].iter().map(|v| v.get()).collect();
        assert_eq!(row, [Some(1.0), ab.pearson.mean.get(), None]);
        let of = |measure: &str| matrices.nulls.iter().filter(|n| n.measure == measure).count();
        assert_eq!(["pearson", "spearman", "ssim", "overlap"].map(of), [2, 2, 3, 2]);
        Ok(())
    }

    #[test]
    fn values_that_are_all_there_need_no_reason() {
        let found = over_images([Some(1.0), Some(2.0)].into_iter(), 0, |_| "never".to_owned());
        assert_eq!((found.count, found.reason), (2, None));
        assert!(matrices(&columns()[..1], &[]).is_none());
    }
}
