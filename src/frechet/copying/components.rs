//! Principal components.

use ndarray::{Array1, Array2, ArrayView2, s};

use crate::linalg::eigenvectors;

use super::mean;

/// The directions of largest variance.
#[derive(Debug, Clone)]
pub(super) struct Components {
    mean: Array1<f64>,
    /// D×k, an orthonormal column a direction.
    directions: Array2<f64>,
}

impl Components {
    /// The first k of n×D rows, by the smaller of the products XᵀX and XXᵀ of the centred rows.
    ///
    /// # Errors
    /// Fewer rows than components, or fewer directions with any variance.
    pub(super) fn new(rows: ArrayView2<'_, f64>, k: usize) -> Result<Self, String> {
        let (n, width) = rows.dim();
        if n <= k {
            return Err(format!(
                "{n} training samples have no {k} principal components; it needs {} or more",
                k + 1
            ));
        }
        let mean = mean(rows);
        let centred = &rows - &mean;
        let by_columns = n >= width;
        let product =
            if by_columns { centred.t().dot(&centred) } else { centred.dot(&centred.t()) };
        let (values, vectors) = eigenvectors(product.view()).map_err(|e| e.to_string())?;
        let last = values.len() - k;
        let (values, vectors) =
            (values.slice(s![last..]).to_owned(), vectors.slice(s![.., last..]));
        if values[0] <= values[k - 1] * 1e-12 {
            return Err(format!("the training samples vary in fewer than {k} directions"));
        }
        let directions = match by_columns {
            true => vectors.to_owned(),
            false => centred.t().dot(&vectors) / &values.mapv(f64::sqrt),
        };
        Ok(Self { mean, directions })
    }

    /// The components of other rows.
    pub(super) fn of(&self, rows: ArrayView2<'_, f64>) -> Array2<f64> {
        (&rows - &self.mean).dot(&self.directions)
    }
}
