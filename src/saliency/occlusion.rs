//! Occlusion: what covering a part of the image does to the score.

use tch::{Kind, Tensor};

use super::explain::{Options, baseline};
use super::focus::Network;
use super::target::Classes;
use crate::error::{Error, Result};
use crate::torchscript::tensors;

/// The map of each image, N×H×W: the fall of its score where a window that holds the pixel is
/// filled with the baseline, averaged over those windows (Zeiler & Fergus 2014).
///
/// Windows begin at every multiple of the stride until one reaches the border; the last is cut off
/// there. Copies of the images with different windows filled in go through the network together, up to
/// [`Options::batch`] of them.
///
/// # Errors
/// The window is larger than the image, the stride leaves pixels out, or the model does not run.
pub fn occlusion(
    model: &mut dyn Network,
    input: &Tensor,
    classes: &Classes,
    options: &Options,
) -> Result<Tensor> {
    let (_, _, height, width) = input.size4().map_err(|_| no_image(input))?;
    check(options, height, width)?;
    let fill = baseline(input, &options.baseline)?;
    let whole = classes.scores(&model.logits(input)?)?;
    let images = input.size()[0];
    let kind = tensors::summing_kind(input);
    let falls = Tensor::zeros([images, height, width], (kind, input.device()));
    let covers = Tensor::zeros([height, width], (Kind::Float, input.device()));
    let places: Vec<Place> = windows(height, options)
        .into_iter()
        .flat_map(|rows| windows(width, options).into_iter().map(move |columns| (rows, columns)))
        .collect();
    for group in places.chunks((options.batch / images.max(1) as usize).max(1)) {
        let covered: Vec<Tensor> = group.iter().map(|&at| covered(input, &fill, at)).collect();
        let scores =
            classes.times(group.len()).scores(&model.logits(&Tensor::cat(&covered, 0))?)?;
        for (&at, scores) in group.iter().zip(scores.split(images, 0)) {
            let mut place = part(&falls, at);
            place += (&whole - scores).reshape([-1, 1, 1]);
            let mut count = part(&covers, at);
            count += 1.0;
        }
    }
    Ok(falls / covers)
}

/// Start and length of a window along rows and along columns.
type Place = ((i64, i64), (i64, i64));

/// The pixels of a window.
fn part(images: &Tensor, ((row, rows), (column, columns)): Place) -> Tensor {
    images.narrow(-2, row, rows).narrow(-1, column, columns)
}

/// Copies of images with a window filled in.
fn covered(input: &Tensor, fill: &Tensor, at: Place) -> Tensor {
    let copy = input.copy();
    part(&copy, at).copy_(&part(fill, at));
    copy
}

/// Start and length of every window along an axis.
fn windows(length: i64, options: &Options) -> Vec<(i64, i64)> {
    let (window, stride) = (options.window as i64, options.stride as i64);
    let count = (length - window + stride - 1) / stride + 1;
    (0..count).map(|i| (i * stride, window.min(length - i * stride))).collect()
}

fn check(options: &Options, height: i64, width: i64) -> Result<()> {
    let Options { window, stride, .. } = *options;
    if window as i64 > height.min(width) {
        let problem =
            format!("a window of {window} pixels does not fit an image of {height}×{width}");
        return Err(Error::usage(problem, "give a smaller --window"));
    }
    if stride > window {
        let problem = format!("a stride of {stride} leaves pixels between windows of {window} out");
        return Err(Error::usage(problem, "give a --stride of at most --window"));
    }
    Ok(())
}

fn no_image(input: &Tensor) -> Error {
    let problem = format!("occlusion takes images, and the input has {} axes", input.dim());
    Error::usage(problem, "use another --method, or give images")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_every_pixel() {
        let options = |window, stride| Options {
            signed: false,
            samples: 1,
            noise: 0.0,
            seed: 0,
            steps: 1,
            baseline: vec![0.0],
            shap_noise: 0.0,
            perturbations: 1,
            lime_alpha: 0.01,
            window,
            stride,
            grid: None,
            batch: 1,
            focus: None,
        };
        assert_eq!(windows(8, &options(4, 4)), [(0, 4), (4, 4)]);
        assert_eq!(windows(9, &options(4, 4)), [(0, 4), (4, 4), (8, 1)]);
        assert_eq!(windows(8, &options(8, 3)), [(0, 8)]);
        assert!(check(&options(9, 1), 8, 20).is_err() && check(&options(2, 3), 8, 8).is_err());
    }
}
