//! Class activation maps from a layer's output and its gradient.

use tch::{Kind, Tensor};

use super::method::Method;
use crate::error::{Error, Result};
use crate::torchscript::{LayerGradient, MapView, tensors};

/// Keeps a quotient from 0/0, as the authors' program has it.
const EPSILON: f64 = 1e-6;

/// The same of XGrad-CAM, as pytorch-grad-cam has it.
const AXIOMS_EPSILON: f64 = 1e-7;

/// The map of each image, N×h×w, at the resolution of the layer, cut at 0.
///
/// ```text
/// gradcam     ReLU(Σₖ wₖAₖ)            wₖ = mean over positions of Gₖ
/// hirescam    ReLU(Σₖ GₖAₖ)
/// layercam    ReLU(Σₖ ReLU(Gₖ)Aₖ)
/// gradcam++   ReLU(Σₖ wₖAₖ)            wₖ = Σ over positions of αₖ·ReLU(Gₖ)
///                                      αₖ = Gₖ² / (2Gₖ² + Gₖ³·ΣAₖ + ε), 0 where Gₖ = 0
/// xgradcam    ReLU(Σₖ wₖAₖ)            wₖ = Σ over positions of GₖAₖ / (ΣAₖ + ε′)
/// eigencam    ReLU(Σₖ vₖ(Aₖ − mean))   v the first right singular vector of the positions × channels, centred;
///                                      with the sign that makes the largest absolute value positive
/// ```
///
/// with A the layer's output and G the gradient of the score with respect to it, both seen as maps
/// N×K×h×w.
///
/// # Errors
/// The method is not a CAM.
pub fn map(method: Method, layer: &LayerGradient, view: MapView) -> Result<Tensor> {
    let (a, g) = (&view.maps(&layer.activation), &view.maps(&layer.gradient));
    let weighted = match method {
        Method::EigenCam => return first_component(a),
        Method::XGradCam => a * of_axioms(a, g),
        Method::GradCam => a * mean(g),
        Method::HiResCam => a * g,
        Method::LayerCam => a * g.relu(),
        Method::GradCamPlusPlus => a * plus_plus(a, g),
        other => {
            let problem = format!("{other} is not a class activation map");
            return Err(Error::usage(problem, "please report this"));
        }
    };
    let kind = tensors::summing_kind(&weighted);
    Ok(weighted.sum_dim_intlist([1i64].as_slice(), false, kind).relu())
}

fn mean(gradient: &Tensor) -> Tensor {
    gradient.mean_dim([2i64, 3].as_slice(), true, gradient.kind())
}

fn of_axioms(a: &Tensor, g: &Tensor) -> Tensor {
    let axes = [2i64, 3];
    let sum = |x: &Tensor| x.sum_dim_intlist(axes.as_slice(), true, x.kind());
    sum(&(g * a)) / (sum(a) + AXIOMS_EPSILON)
}

/// Each position's place along the direction in which positions differ most, cut at 0 (Muhammad & Yeasin 2020). A
/// principal component has no sign of its own: it is turned so that its largest absolute value is positive (Chung &
/// Ying 2025).
///
/// # Errors
/// libtorch's decomposition failed.
fn first_component(a: &Tensor) -> Result<Tensor> {
    let (rows, columns) = (a.size()[2], a.size()[3]);
    let positions = a.detach().flatten(2, 3).transpose(1, 2).to_kind(Kind::Double);
    let centred = &positions - positions.mean_dim([1i64].as_slice(), true, Kind::Double);
    let products = centred.matmul(&centred.transpose(1, 2));
    let (values, vectors) = products
        .f_linalg_eigh("L")
        .map_err(|e| tensors::torch_error("take principal components", &e))?;
    let last = values.size()[1] - 1;
    let lengths = values.narrow(1, last, 1).clamp_min(0.0).sqrt();
    let places = vectors.narrow(2, last, 1).squeeze_dim(2) * lengths;
    let most = places.amax([1i64].as_slice(), true);
    let turned = most.less_tensor(&(-places.amin([1i64].as_slice(), true)));
    let places = (-&places).where_self(&turned, &places);
    Ok(places.reshape([-1, rows, columns]).relu().to_kind(a.kind()))
}

fn plus_plus(a: &Tensor, g: &Tensor) -> Tensor {
    let sums = a.sum_dim_intlist([2i64, 3].as_slice(), true, a.kind());
    let square = g.square();
    let alpha = &square / (&square * 2.0 + sums * g * &square + EPSILON);
    let alpha = alpha.where_self(&g.not_equal(0.0), &g.zeros_like());
    (alpha * g.relu()).sum_dim_intlist([2i64, 3].as_slice(), true, a.kind())
}

/// Enlarges or shrinks maps N×h×w to a height and width: bilinear, half-pixel centres.
pub fn resized(maps: &Tensor, height: i64, width: i64) -> Tensor {
    let maps = maps.unsqueeze(1).upsample_bilinear2d([height, width].as_slice(), false, None, None);
    maps.squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torchscript::Grid;

    const VIEW: MapView = MapView { grid: Grid { rows: 1, columns: 2 }, left_out: 0 };

    fn layer(activation: &[f32], gradient: &[f32]) -> LayerGradient {
        let tensor = |values: &[f32]| Tensor::from_slice(values).reshape([1, 2, 1, 2]);
        LayerGradient { activation: tensor(activation), gradient: tensor(gradient) }
    }

    fn values(method: Method, layer: &LayerGradient) -> Result<Vec<f32>> {
        let flat = map(method, layer, VIEW)?.reshape([-1]);
        Ok(Vec::try_from(flat).unwrap_or_default())
    }

    #[test]
    fn maps_are_what_the_formulas_give() -> Result<()> {
        let layer = layer(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, -2.0, 0.0]);
        assert_eq!(values(Method::GradCam, &layer)?, [0.0, 0.0]);
        assert_eq!(values(Method::HiResCam, &layer)?, [0.0, 6.0]);
        assert_eq!(values(Method::LayerCam, &layer)?, [1.0, 6.0]);
        let w = 1.0 / (2.0 + 3.0) + 9.0 / (18.0 + 27.0 * 3.0) * 3.0;
        for (found, a) in values(Method::GradCamPlusPlus, &layer)?.iter().zip([1.0, 2.0]) {
            assert!((f64::from(*found) - w * a).abs() < 1e-5, "{found}");
        }
        Ok(())
    }

    #[test]
    fn class_tokens_have_no_place_in_a_map() -> Result<()> {
        let tokens = |values: [f32; 6]| Tensor::from_slice(&values).reshape([1, 2, 3]);
        let layer = LayerGradient {
            activation: tokens([9.0, 1.0, 2.0, 9.0, 3.0, 4.0]),
            gradient: tokens([7.0, 1.0, 3.0, 7.0, -2.0, 0.0]),
        };
        let view = MapView { left_out: 1, ..VIEW };
        let found = map(Method::HiResCam, &layer, view)?.reshape([-1]);
        assert_eq!(Vec::<f32>::try_from(found).unwrap_or_default(), [0.0, 6.0]);
        Ok(())
    }
}
