//! What float images hold: the check of their values, and the way to the range that is wanted.

use super::preprocess::{FloatRange, Preprocess, Range};
use crate::error::{Error, Result};

/// How far values may leave their range, as a share of its width: half the step of a byte.
const SLACK: f32 = 0.5 / 255.0;

/// The largest value that images normalised before have: far beyond what a mean and a deviation make of
/// a picture, and far below bytes.
const NORMALISED: f32 = 20.0;

/// The largest value of pictures that are not taken for bytes: beyond 1 by overshoot only.
const OVERSHOT: f32 = 2.0;

/// Samples after which values say what range they are in.
const ENOUGH: usize = 64;

/// The least and the greatest of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub least: f32,
    pub most: f32,
}

impl Span {
    /// Of no values.
    pub const NONE: Self = Self { least: f32::INFINITY, most: f32::NEG_INFINITY };

    /// Of these; NaN is passed over.
    pub fn of(values: &[f32]) -> Self {
        values
            .iter()
            .fold(Self::NONE, |span, &v| Self { least: span.least.min(v), most: span.most.max(v) })
    }

    /// Of both.
    pub fn with(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    /// Whether all values are in a range; any are where they are kept as they are.
    fn is_in(self, range: FloatRange) -> bool {
        let (low, high) = ends(range);
        let slack = SLACK * (high - low);
        range == FloatRange::Keep || self.least >= low - slack && self.most <= high + slack
    }

    /// The ends, where values are outside 0…1.
    pub fn beyond_unit(self) -> Option<[f32; 2]> {
        let is_beyond = !self.is_empty() && !self.is_in(FloatRange::Unit);
        is_beyond.then_some([self.least, self.most])
    }

    /// Whether the values are too large for images that were normalised.
    fn is_wide(self) -> bool {
        self.most.max(-self.least) > NORMALISED
    }

    /// Whether there were no values.
    fn is_empty(self) -> bool {
        self.least > self.most
    }
}

/// The ends of a range.
fn ends(range: FloatRange) -> (f32, f32) {
    match range {
        FloatRange::Unit | FloatRange::Keep => (0.0, 1.0),
        FloatRange::Signed => (-1.0, 1.0),
        FloatRange::Bytes => (0.0, 255.0),
    }
}

/// A value of float images in the range that is wanted.
pub(super) fn in_range(steps: &Preprocess, value: f32) -> f32 {
    match (steps.float_range, steps.range) {
        (FloatRange::Keep, _)
        | (FloatRange::Unit, Range::Unit)
        | (FloatRange::Signed, Range::Signed)
        | (FloatRange::Bytes, Range::Bytes) => value,
        (held, wanted) => {
            let (low, high) = ends(held);
            let unit = (value - low) / (high - low);
            match wanted {
                Range::Unit => unit,
                Range::Signed => 2.0 * unit - 1.0,
                Range::Bytes => 255.0 * unit,
            }
        }
    }
}

/// Refuses the values of one sample that leave their range; where they would pass as they are only all
/// samples together can tell.
pub(super) fn check_sample(
    steps: &Preprocess,
    span: Span,
    name: impl FnOnce() -> String,
) -> Result<()> {
    match steps.keeps_floats() || span.is_empty() || span.is_in(steps.float_range) {
        true => Ok(()),
        false => Err(beyond(steps, span, &format!("float image {} holds", name()))),
    }
}

/// Refuses values of all samples so far that are in another range than they are said to be; `last` where
/// there are no more samples.
pub(super) fn check_all(
    steps: &Preprocess,
    span: Span,
    (samples, last): (usize, bool),
) -> Result<()> {
    if span.is_empty() || !(last || samples >= ENOUGH) {
        return Ok(());
    }
    let other = fitting(span);
    let wrong = match steps.float_range {
        FloatRange::Keep => false,
        FloatRange::Unit => !span.is_in(FloatRange::Unit) && (other.is_some() || span.is_wide()),
        held => last && span.is_in(FloatRange::Unit) && span.most > 0.0 && held != FloatRange::Unit,
    };
    match wrong {
        true => Err(beyond(steps, span, "float images hold")),
        false => Ok(()),
    }
}

/// The range of pictures that values are in.
fn fitting(span: Span) -> Option<FloatRange> {
    let all = [FloatRange::Unit, FloatRange::Signed, FloatRange::Bytes];
    let fits = |range| span.is_in(range) && (range != FloatRange::Bytes || span.most > OVERSHOT);
    all.into_iter().find(|&range| fits(range))
}

fn beyond(steps: &Preprocess, span: Span, what: &str) -> Error {
    let (Span { least, most }, held) = (span, steps.float_range);
    let problem =
        format!("{what} values from {least} to {most}, and {held} is what they are read as");
    let remedy = match fitting(span) {
        Some(FloatRange::Unit) => "leave --float-range out if they are in 0..1".to_owned(),
        Some(range) => format!("say what they hold with --float-range {range}"),
        None => "scale them to 0..1".to_owned(),
    };
    let kept = "or take them as they are (normalised already) with --float-range keep";
    Error::usage(problem, format!("{remedy}, {kept}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Preset;

    fn steps(float_range: FloatRange, preset: Preset) -> Preprocess {
        Preprocess { float_range, ..Preprocess::preset(preset) }
    }

    fn says(error: Result<()>) -> String {
        error.err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn values_of_no_picture_are_refused_even_where_nothing_is_normalised() {
        let raw = steps(FloatRange::Unit, Preset::Raw);
        let all = |least, most| check_all(&raw, Span { least, most }, (4, true));
        for (least, most) in [(0.0, 65535.0), (-128.0, 127.0), (0.0, 300.0)] {
            assert!(says(all(least, most)).contains("scale them"), "{least}..{most}");
        }
        assert!(all(-2.2, 2.7).is_ok());
        assert!(
            !says(check_sample(
                &steps(FloatRange::Unit, Preset::Imagenet),
                Span { least: 0.0, most: 1.04 },
                || "a".to_owned()
            ))
            .contains("0..255")
        );
    }

    #[test]
    fn ranges_are_brought_to_each_other() {
        let at = |float_range, range, value| {
            in_range(&Preprocess { range, ..steps(float_range, Preset::Raw) }, value)
        };
        assert_eq!(at(FloatRange::Unit, Range::Unit, 0.3), 0.3);
        assert_eq!(at(FloatRange::Bytes, Range::Unit, 51.0), 0.2);
        assert_eq!(at(FloatRange::Bytes, Range::Signed, 255.0), 1.0);
        assert_eq!(at(FloatRange::Signed, Range::Unit, -0.5), 0.25);
        assert_eq!(at(FloatRange::Unit, Range::Bytes, 1.0), 255.0);
        assert_eq!(at(FloatRange::Keep, Range::Bytes, -3.0), -3.0);
    }

    #[test]
    fn a_normalisation_takes_no_other_range() {
        let imagenet = steps(FloatRange::Unit, Preset::Imagenet);
        let span = |least, most| Span { least, most };
        assert!(check_sample(&imagenet, span(-0.001, 1.001), || "0".to_owned()).is_ok());
        let bytes = says(check_sample(&imagenet, span(0.0, 255.0), || "0".to_owned()));
        assert!(
            bytes.contains("from 0 to 255") && bytes.contains("--float-range 0..255"),
            "{bytes}"
        );
        let signed = says(check_sample(&imagenet, span(-0.9, 1.0), || "0".to_owned()));
        assert!(signed.contains("--float-range -1..1"), "{signed}");
        assert!(
            check_sample(&steps(FloatRange::Keep, Preset::Imagenet), span(-9.0, 9.0), || "0"
                .to_owned())
            .is_ok()
        );
    }

    #[test]
    fn all_samples_tell_pictures_from_normalised_ones() {
        let raw = steps(FloatRange::Unit, Preset::Raw);
        let all = |span, samples, last| says(check_all(&raw, span, (samples, last)));
        let span = |least, most| Span { least, most };
        assert_eq!(all(span(-2.1, 2.6), 500, true), "");
        assert_eq!(all(span(0.0, 1.0), 500, true), "");
        assert_eq!(all(span(0.0, 255.0), 4, false), "");
        assert!(all(span(0.0, 255.0), 64, false).contains("--float-range 0..255"));
        assert!(all(span(-1.0, 1.0), 4, true).contains("--float-range -1..1"));
        let dark = check_all(&steps(FloatRange::Bytes, Preset::Raw), span(0.0, 1.0), (4, true));
        assert!(says(dark).contains("leave --float-range out"));
    }
}
