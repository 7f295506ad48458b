//! When layers settle, and whether they do so from the input to the output.

use crate::functional::ranking::p_value;
use crate::saliency::rank::spearman;

/// The fewest layers of which an order says anything.
const RANKED: usize = 3;

/// What rounding may take a value beyond the tolerance.
const ROUNDING: f64 = 1e-12;

/// The first checkpoint from which all values lie within `tolerance` of the last one, that of the last
/// checkpoint with itself. One without a value does not.
///
/// # Errors
/// The last has none.
pub fn settled(values: &[Option<f64>], tolerance: f64) -> Result<usize, &'static str> {
    let own = values.last().copied().flatten().ok_or("the last checkpoint has no value")?;
    let near = |v: &Option<f64>| v.is_some_and(|v| (v - own).abs() <= tolerance + ROUNDING);
    Ok(values.iter().rposition(|value| !near(value)).map_or(0, |beyond| beyond + 1))
}

/// Spearman's rank correlation of depth, the order of the layers, with the place at which they settle, and its
/// two-sided p-value by permutation.
///
/// # Errors
/// Fewer than three layers settle, or all at the same checkpoint.
pub fn bottom_up(places: &[Option<usize>]) -> Result<(f64, f64), &'static str> {
    let known = places.iter().enumerate().filter_map(|(depth, place)| Some((depth, (*place)?)));
    let (depths, places): (Vec<f64>, Vec<f64>) =
        known.map(|(depth, place)| (depth as f64, place as f64)).unzip();
    if depths.len() < RANKED {
        return Err("fewer than 3 layers have a checkpoint at which they settle");
    }
    let found = spearman(&depths, &places).zip(p_value(&depths, &places));
    found.ok_or("all layers settle at the same checkpoint")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_settles_where_it_leaves_the_tolerance_no_more() {
        let at = |values: &[f64]| {
            let values: Vec<_> =
                values.iter().map(|v| Some(*v).filter(|v| v.is_finite())).collect();
            settled(&values, 0.05)
        };
        assert_eq!(at(&[1.0, 1.0, 1.0]), Ok(0));
        assert_eq!(at(&[0.2, 0.96, 0.95, 1.0]), Ok(1));
        assert_eq!(at(&[0.97, 0.2, 0.96, 1.0]), Ok(2));
        assert_eq!(at(&[0.97, f64::NAN, 0.96, 1.0]), Ok(2));
        assert_eq!(at(&[0.1, 0.2, 1.0]), Ok(2));
        assert!(at(&[0.1, f64::NAN]).is_err());
        // Of distances: the last has 0 with itself.
        assert_eq!(at(&[0.9, 0.04, 0.0]), Ok(1));
    }

    #[test]
    fn the_order_of_settling_is_a_number() {
        let of = |places: &[usize]| bottom_up(&places.iter().map(|p| Some(*p)).collect::<Vec<_>>());
        let near = |r: f64, wanted: f64| (r - wanted).abs() < 1e-12;
        assert!(of(&[0, 1, 2, 5]).is_ok_and(|(r, p)| near(r, 1.0) && p == 2.0 / 24.0));
        assert!(of(&[5, 2, 1]).is_ok_and(|(r, _)| near(r, -1.0)));
        assert!(of(&[2, 2, 2]).is_err_and(|why| why.contains("same checkpoint")));
        assert!(of(&[1, 2]).is_err_and(|why| why.contains("fewer than 3")));
        assert!(bottom_up(&[Some(0), None, Some(1), None]).is_err());
    }
}
