//! The Vendi Score: how many different samples a set holds, in effect.

use ndarray::{Array2, ArrayView2};

use crate::linalg::{eigenvalues, gram};

/// The Vendi Score of order 1 with the cosine kernel (Friedman & Dieng 2023): with x̂ a row scaled to length 1,
/// Kᵢⱼ = x̂ᵢ·x̂ⱼ, and λ the eigenvalues of K/n, which sum to 1,
///
/// ```text
/// VS = exp( −Σ λ ln λ )
/// ```
///
/// From 1 (all samples point the same way) to min(n, D). The eigenvalues other than 0 are those of X̂ᵀX̂/n, too:
/// the smaller of the two matrices is taken.
///
/// # Errors
/// A row of zeros, which has no direction, or values that are not finite.
pub fn vendi(rows: ArrayView2<'_, f64>) -> Result<f64, String> {
    let mut unit = rows.to_owned();
    for mut row in unit.rows_mut() {
        let length = row.dot(&row).sqrt();
        if length == 0.0 {
            return Err(
                "the features of a sample are all 0, and their cosine to others is undefined"
                    .into(),
            );
        }
        row /= length;
    }
    let values = eigenvalues(similarity(&unit)).map_err(|e| e.to_string())?;
    let entropy: f64 = values.iter().filter(|v| **v > 0.0).map(|v| -v * v.ln()).sum();
    Ok(entropy.exp())
}

/// X̂X̂ᵀ/n or X̂ᵀX̂/n.
fn similarity(unit: &Array2<f64>) -> Array2<f64> {
    let smaller = if unit.nrows() > unit.ncols() { unit.t() } else { unit.view() };
    gram(smaller).to_square() / unit.nrows() as f64
}
