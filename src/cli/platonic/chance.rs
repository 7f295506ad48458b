//! How often chance gives a rank correlation.

use crate::saliency::rank::spearman;
use crate::stats::Draws;

/// The most models of which all orders are tried.
const ALL_ORDERS: usize = 8;
/// Random orders of more models.
const ORDERS: usize = 9999;
/// How near two correlations have to be to count as equal: rounding.
const EQUAL: f64 = 1e-12;

/// Two-sided p-value of Spearman's correlation: the share of the orders of `y` of which the
/// correlation is at least as far from 0. All n! orders of up to 8 values; of more the (1 + b)/(1 + P)
/// of P = 9999 random ones (Phipson & Smyth 2010).
///
/// `None` where the correlation is not defined.
pub fn p_value(x: &[f64], y: &[f64]) -> Option<f64> {
    let found = spearman(x, y)?.abs() - EQUAL;
    let as_far = |order: &[usize]| {
        let y: Vec<f64> = order.iter().map(|&i| y[i]).collect();
        spearman(x, &y).is_some_and(|r| r.abs() >= found)
    };
    let (mut far, mut all) = (0_usize, 0_usize);
    let mut count = |order: &[usize]| {
        all += 1;
        far += usize::from(as_far(order));
    };
    if y.len() <= ALL_ORDERS {
        every_order(&mut (0..y.len()).collect::<Vec<_>>(), 0, &mut count);
        return Some(far as f64 / all as f64);
    }
    let mut draws = Draws::new(0);
    (0..ORDERS).for_each(|_| count(&draws.order(y.len())));
    Some((1 + far) as f64 / (1 + all) as f64)
}

/// All orders that keep the first `fixed` where they are.
fn every_order(order: &mut [usize], fixed: usize, found: &mut impl FnMut(&[usize])) {
    if fixed + 1 >= order.len() {
        return found(order);
    }
    for next in fixed..order.len() {
        order.swap(fixed, next);
        every_order(order, fixed + 1, found);
        order.swap(fixed, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_put_in_all_orders() {
        // Of the 6 orders of 3 values two are as far from 0 as the sorted one, of the 24 of 4 too.
        assert_eq!(p_value(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), Some(2.0 / 6.0));
        assert_eq!(p_value(&[1.0, 2.0, 3.0, 4.0], &[4.0, 3.0, 2.0, 1.0]), Some(2.0 / 24.0));
        // Spearman's r of (1, 3, 2) is 0.5, that of any order at least as far from 0.
        assert_eq!(p_value(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0]), Some(1.0));
        assert_eq!(p_value(&[1.0, 1.0, 1.0], &[1.0, 3.0, 2.0]), None);
    }

    #[test]
    fn many_values_are_put_in_random_orders() {
        let x: Vec<f64> = (0..12).map(f64::from).collect();
        assert_eq!(p_value(&x, &x), Some(1.0 / 10_000.0));
        let wave: Vec<f64> = x.iter().map(|v| (v * 2.1).sin()).collect();
        assert!(p_value(&x, &wave).is_some_and(|p| p > 0.2));
    }
}
