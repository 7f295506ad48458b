//! What is warned of once all maps are there.

use crate::report::Warning;
use crate::report::saliency::{ColumnInfo, ImageResult, MapSummary};
use crate::saliency::Method;
use crate::view::names::counted;

/// Warns of logits that are not finite.
pub fn not_finite(images: &[ImageResult], broken: &[usize]) -> Option<Warning> {
    let first = &images.get(*broken.first()?)?.sample;
    let mut all = broken.to_vec();
    all.dedup();
    let text = format!(
        "logits are not finite (NaN or infinite) in {} of {} images, the first {first}: they have no \
         prediction",
        all.len(),
        images.len()
    );
    Some(Warning::new("logits-not-finite", first, text))
}

/// Warns of maps that say nothing.
pub fn blank(images: &[ImageResult], columns: &[ColumnInfo], count: usize) -> Option<Warning> {
    let first = images.iter().find_map(|image| {
        let place = image.maps.iter().position(|m| m.degenerate)?;
        Some((&image.sample, columns.get(place)?))
    })?;
    let (sample, column) = first;
    let is_broken = |m: &&MapSummary| m.degenerate && m.max.get().is_none();
    let broken =
        images.iter().filter(|image| image.sample == *sample).flat_map(|image| &image.maps);
    let first_broken = broken.filter(|m| m.degenerate).take(1).any(|m| is_broken(&m));
    let place = columns.iter().position(|other| other.name == column.name).unwrap_or_default();
    let all = images.iter().all(|i| i.maps.get(place).is_some_and(|m| m.degenerate));
    let of_class_token = all && column.grid.as_ref().is_some_and(|grid| grid.left_out > 0);
    let why = match column.method {
        _ if first_broken => "it is not finite",
        Method::Gradient | Method::SmoothGrad => "its gradient is zero",
        method if method.is_cam() && of_class_token => {
            "nothing in its tokens speaks for the class, or the score does not read them (behind the last block the \
             class token alone is read: name a layer within that block, such as its first norm)"
        }
        method if method.is_cam() => "nothing in it speaks for the class",
        _ => "it is zero everywhere",
    };
    let text = format!(
        "{count} {} degenerate, the first that of {sample} by {}: {why}; such maps are left \
         blank, and out of all comparisons",
        if count == 1 { "map is" } else { "maps are" },
        column.name
    );
    Some(Warning::new("degenerate-map", &column.name, text))
}

/// Warns of maps of Ablation-CAM for scores that are not above 0: its weights (S − Sₖ)/S are divided by the score, so
/// that below 0 the channels that speak against the class have the positive ones.
pub fn turned(images: &[ImageResult], columns: &[ColumnInfo]) -> Option<Warning> {
    let is_turned = |image: &&ImageResult, column: &ColumnInfo| {
        let score = image.predictions.get(column.model).and_then(|p| p.score.get());
        score.is_some_and(|score| score <= 0.0)
    };
    let of = |column: &ColumnInfo| images.iter().filter(|i| is_turned(i, column)).count();
    let all = columns.iter().filter(|column| column.method == Method::AblationCam);
    let (column, count) = all.map(|column| (column, of(column))).find(|(_, count)| *count > 0)?;
    let text = format!(
        "the score of {} of {} is not above 0, and {} divides by it: such maps show what speaks against the class \
         (as the published formula has it); take another method for them",
        counted(count, "image"),
        images.len(),
        column.name
    );
    Some(Warning::new("negative-score", &column.name, text))
}
