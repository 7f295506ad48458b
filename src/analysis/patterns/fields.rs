//! What of the image the units depend on: as the operators tell, else as gradients show.

use std::collections::BTreeSet;

use tch::{Kind, Tensor};

use super::{AllTold, Opened, Side};
use crate::capture::Subject;
use crate::capture::patterns::{ChannelPeaks, Outcome};
use crate::error::Result;
use crate::patterns::{Fields, Window};
use crate::report::patterns::{FieldInfo, FieldSource};
use crate::saliency::images_of;
use crate::torchscript::tensors;

/// The receptive fields of a layer, and how they were found.
pub struct Told {
    /// Them.
    pub fields: Fields,
    /// For the report.
    pub info: FieldInfo,
}

impl Told {
    fn new(fields: Fields, source: FieldSource, reason: Option<String>) -> Self {
        let info = FieldInfo {
            source,
            reason,
            size: fields.largest(),
            image: fields.input(),
            by_channel: fields.by_channel(),
        };
        Self { fields, info }
    }
}

/// The fields of all layers. Where the operators do not tell them they are measured at the positions that are
/// reported; where that cannot be done either, the whole image stands for them.
///
/// # Errors
/// Gradients cannot be read.
pub fn tell(opened: &mut Opened, outcome: &Outcome, samples: &[Tensor]) -> Result<AllTold> {
    let mut all = vec![];
    for (i, (subject, side)) in opened.subjects.iter_mut().zip(&opened.sides).enumerate() {
        let mut told = vec![];
        for (layer, found) in side.fields.iter().enumerate() {
            told.push(match found {
                Ok(fields) => Told::new(fields.clone(), FieldSource::Exact, None),
                Err(reason) => {
                    let positions = positions(&outcome.layers[i][layer]);
                    let rows = &samples[subject.input];
                    measured((subject, side), layer, (rows, &positions), reason)?
                }
            });
        }
        all.push(told);
    }
    Ok(all)
}

/// The positions of a layer that are reported.
fn positions(channels: &[ChannelPeaks]) -> BTreeSet<usize> {
    let lists = |one: &ChannelPeaks| {
        let of_class = one.of_class.iter().flatten();
        let all = one.top.iter().chain(&one.bottom).chain(of_class);
        all.map(|peak| peak.position).collect::<Vec<_>>()
    };
    channels.iter().flat_map(lists).collect()
}

fn measured(
    (subject, side): (&mut Subject, &Side),
    layer: usize,
    (rows, positions): (&Tensor, &BTreeSet<usize>),
    reason: &str,
) -> Result<Told> {
    let (height, width) = side.views[layer].size();
    let all = height * width;
    // A unit that is off for one of them may be on for the other.
    let inputs = Tensor::f_cat(&[rows, &rows.neg()], 0);
    let inputs = inputs.map_err(|e| tensors::torch_error("repeat samples", &e))?;
    let left_out = subject.layers[layer].canonical_shape().get(2).map_or(0, |&count| {
        if subject.layers[layer].canonical_shape().len() == 3 { count - all as i64 } else { 0 }
    });
    let asked: Vec<i64> = positions.iter().map(|&p| p as i64 + left_out).collect();
    let gradients = match subject.model.unit_gradients(&inputs, layer, &asked) {
        Ok(gradients) => gradients,
        Err(error) => {
            let reason = format!("{reason}, and it cannot be measured: {error}");
            return Ok(Told::new(Fields::whole(side.image, all), FieldSource::Whole, Some(reason)));
        }
    };
    let mut windows = vec![None; all];
    for (&position, gradient) in positions.iter().zip(&gradients) {
        let image = images_of(side.focus.as_ref(), gradient);
        let flat = image.sum_dim_intlist([0i64, 1].as_slice(), false, Kind::Double);
        let window = Window::around(tensors::to_matrix(&flat)?.view());
        // A unit that no input moved may depend on anything.
        windows[position] = Some(window.unwrap_or(Window::whole(side.image)));
    }
    let fields = Fields::shared(side.image, windows);
    Ok(Told::new(fields, FieldSource::Measured, Some(reason.to_owned())))
}
