//! Which values of a map take which colours.

use ndarray::ArrayView2;

use crate::render::ColorMap;
use crate::render::sheet::Legend;
use crate::report::saliency::ColumnInfo;
use crate::saliency::Method;

/// Share of the pixels of a fine map that lie within its colours.
const SHARE: f64 = 0.99;

/// How the values of a map become colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// From −r to r in diverging colours; else from 0 to r.
    signed: bool,
    /// r is the 99th percentile of the absolute values; else the largest of them.
    fine: bool,
}

impl Scale {
    /// That of a map. Maps with a value of its own for every pixel are fine: few pixels have values
    /// far above all others, and next to them nothing else would be seen.
    pub fn of(method: Method, map: ArrayView2<'_, f32>) -> Self {
        Self {
            signed: method.is_signed() || map.iter().any(|v| *v < 0.0),
            fine: !method.is_cam() && method != Method::Occlusion && !method.fills_patches(),
        }
    }

    /// Of two maps of a column, the scale that has room for both.
    pub fn or(self, other: Self) -> Self {
        Self { signed: self.signed || other.signed, fine: self.fine }
    }

    /// The colours.
    pub fn colours(self, unsigned: ColorMap) -> ColorMap {
        if self.signed { ColorMap::Diverging } else { unsigned }
    }

    /// The values of the first and the last colour, or none for a map that is 0 everywhere. A map of
    /// which fewer than 1 in 100 pixels are not 0 reaches to its largest value.
    pub fn range(self, map: ArrayView2<'_, f32>) -> Option<(f64, f64)> {
        let mut sizes: Vec<f32> = map.iter().filter(|v| v.is_finite()).map(|v| v.abs()).collect();
        sizes.sort_by(f32::total_cmp);
        let most = f64::from(*sizes.last()?);
        let rank = (SHARE * sizes.len() as f64).ceil() as usize;
        let reach = match f64::from(sizes[rank.max(1) - 1]) {
            percentile if self.fine && percentile > 0.0 => percentile,
            _ => most,
        };
        (most > 0.0).then_some((if self.signed { -reach } else { 0.0 }, reach))
    }

    /// The colour bar.
    fn legend(self, methods: &str, unsigned: ColorMap) -> Legend {
        let end = if self.fine { "99th percentile" } else { "largest value" };
        let label = format!("{methods}: each map to its {end}");
        let colours = self.colours(unsigned);
        match self.signed {
            false => Legend::ends(&label, colours, "0", end),
            true => {
                let ticks = [(0.0, "speaks against"), (0.5, "0"), (1.0, "speaks for")];
                Legend { label, colours, ticks: ticks.map(|(at, t)| (at, t.to_owned())).to_vec() }
            }
        }
    }
}

/// Every colour bar that maps of these columns may need.
pub fn all_legends(columns: &[ColumnInfo], unsigned: ColorMap) -> Vec<Legend> {
    let plain = |column: &ColumnInfo| Scale::of(column.method, ArrayView2::from(&[[0.0]]));
    let signed = |column: &ColumnInfo| Some(Scale { signed: true, ..plain(column) });
    let unsigned_scales: Vec<_> = columns.iter().map(|column| Some(plain(column))).collect();
    let signed_scales: Vec<_> = columns.iter().map(signed).collect();
    let twice = [columns, columns].concat();
    legends(&twice, &[unsigned_scales, signed_scales].concat(), unsigned)
}

/// A colour bar for each scale that the maps of some column have.
pub fn legends(
    columns: &[ColumnInfo],
    scales: &[Option<Scale>],
    unsigned: ColorMap,
) -> Vec<Legend> {
    let mut bars: Vec<(Scale, Vec<String>)> = vec![];
    for (column, scale) in columns.iter().zip(scales) {
        let (Some(scale), method) = (*scale, column.method.to_string()) else { continue };
        match bars.iter_mut().find(|(other, _)| *other == scale) {
            Some((_, methods)) if methods.contains(&method) => {}
            Some((_, methods)) => methods.push(method),
            None => bars.push((scale, vec![method])),
        }
    }
    bars.iter().map(|(scale, methods)| scale.legend(&methods.join(", "), unsigned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    /// 1 to 200 in twenty rows.
    fn rising() -> Array2<f32> {
        Array2::from_shape_fn((20, 10), |(row, column)| (10 * row + column + 1) as f32)
    }

    fn range(method: Method, map: &Array2<f32>) -> Option<(f64, f64)> {
        Scale::of(method, map.view()).range(map.view())
    }

    #[test]
    fn fine_maps_reach_to_the_percentile_and_others_to_the_largest_value() {
        assert_eq!(range(Method::GradCam, &rising()), Some((0.0, 200.0)));
        assert_eq!(range(Method::Occlusion, &rising()), Some((-200.0, 200.0)));
        assert_eq!(range(Method::SmoothGrad, &rising()), Some((0.0, 198.0)));
        assert_eq!(range(Method::IntegratedGradients, &-rising()), Some((-198.0, 198.0)));
    }

    #[test]
    fn a_map_of_single_pixels_is_seen() {
        let mut map = Array2::zeros((20, 20));
        map[[3, 4]] = 7.0;
        assert_eq!(range(Method::Gradient, &map), Some((0.0, 7.0)));
    }

    #[test]
    fn what_is_not_finite_does_not_count() {
        assert_eq!(
            range(Method::GradCam, &array![[f32::NAN, 2.0, f32::INFINITY]]),
            Some((0.0, 2.0))
        );
        assert_eq!(range(Method::GradCam, &array![[f32::NAN]]), None);
        assert_eq!(range(Method::Gradient, &array![[0.0, 0.0]]), None);
    }

    #[test]
    fn every_scale_has_one_bar() {
        let column = |method| {
            let (name, layer, grid) = (String::new(), None, None);
            ColumnInfo { name, model: 0, method, layer, grid }
        };
        let methods = [Method::GradCam, Method::LayerCam, Method::GradCam, Method::SmoothGrad];
        let columns = methods.map(column);
        let scales = methods.map(|method| Some(Scale::of(method, array![[1.0]].view())));
        let bars = legends(&columns, &scales, ColorMap::Magma);
        let labels: Vec<&str> = bars.iter().map(|bar| bar.label.as_str()).collect();
        let expected = [
            "gradcam, layercam: each map to its largest value",
            "smoothgrad: each map to its 99th percentile",
        ];
        assert_eq!(labels, expected);
    }
}
