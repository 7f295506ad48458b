//! How pictures are drawn: their format, and the values at the ends of their colours.

use std::str::FromStr;

use crate::render::text::decimal;
use crate::render::{Heatmap, RenderError, Sheet};

/// How a picture is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PictureFormat {
    kind: Kind,
    range: ColourRange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Png,
    Svg,
}

/// Which values lie at the ends of the colours of a map.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum ColourRange {
    /// The bounds of the measure: 0 and 1 for CKA.
    #[default]
    Full,
    /// The smallest and the largest value of the picture.
    Auto,
    /// These, as they were asked for.
    Given(f64, f64),
    /// These, as they were found for several maps.
    Found(f64, f64),
}

impl FromStr for ColourRange {
    type Err = String;

    /// `full`, `auto`, or two numbers: `0.5..1`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        let ends = || {
            let (low, high) = text.split_once("..")?;
            Some((number(low)?, number(high)?))
        };
        match text {
            "full" => Ok(Self::Full),
            "auto" => Ok(Self::Auto),
            _ => match ends() {
                Some((low, high)) if low < high => Ok(Self::Given(low, high)),
                Some((low, high)) => Err(format!("{low} is not below {high}: give LOW..HIGH")),
                None => Err("give auto, full, or two numbers such as 0.5..1".to_owned()),
            },
        }
    }
}

impl ColourRange {
    /// The range of these values, where it is to follow the values.
    fn over(self, values: impl Iterator<Item = f64>) -> Self {
        let finite: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        let ends =
            finite.iter().copied().reduce(f64::min).zip(finite.iter().copied().reduce(f64::max));
        match (self, ends) {
            (Self::Auto, Some((low, high))) if low < high => Self::Found(low, high),
            (Self::Auto, _) => Self::Full,
            (other, _) => other,
        }
    }

    /// The ends, and what a picture says of them; none for the bounds of the measure.
    fn ends(self) -> Option<((f64, f64), String)> {
        let said = |low, high| {
            let decimals = (1.0 - f64::log10(high - low).floor()).clamp(0.0, 6.0) as usize;
            format!("{} to {}", decimal(low, decimals), decimal(high, decimals))
        };
        match self {
            Self::Full | Self::Auto => None,
            Self::Given(low, high) => {
                Some(((low, high), format!("colours from {}", said(low, high))))
            }
            Self::Found(low, high) => {
                Some(((low, high), format!("colours over the values, {}", said(low, high))))
            }
        }
    }
}

impl PictureFormat {
    /// Pixels.
    pub const PNG: Self = Self { kind: Kind::Png, range: ColourRange::Full };
    /// Shapes.
    pub const SVG: Self = Self { kind: Kind::Svg, range: ColourRange::Full };

    /// The same with other values at the ends of the colours.
    pub fn with_range(self, range: ColourRange) -> Self {
        Self { range, ..self }
    }

    /// The same with one range for all maps of these values, where it is to follow the values.
    pub(super) fn over(self, values: impl Iterator<Item = f64>) -> Self {
        self.with_range(self.range.over(values))
    }

    /// A drawing in this format.
    ///
    /// # Errors
    /// It is too large for one.
    pub(super) fn draw(
        self,
        svg: impl FnOnce() -> String,
        png: impl FnOnce() -> Result<Vec<u8>, RenderError>,
    ) -> Result<Vec<u8>, RenderError> {
        match self.kind {
            Kind::Png => png(),
            Kind::Svg => Ok(svg().into_bytes()),
        }
    }

    pub(super) fn heatmap(self, heatmap: &Heatmap<'_>) -> Result<Vec<u8>, RenderError> {
        self.coloured(heatmap, |map| self.draw(|| map.to_svg(), || map.to_png()))
    }

    /// What is made of a map whose colours have the range asked for, which its subtitle says.
    pub(super) fn coloured<T>(self, map: &Heatmap<'_>, made: impl FnOnce(&Heatmap<'_>) -> T) -> T {
        match self.range.over(map.values.iter().copied()).ends() {
            None => made(map),
            Some((range, said)) => {
                let parts = [map.subtitle, &said];
                let parts = parts.into_iter().filter(|part| !part.is_empty());
                let subtitle = parts.collect::<Vec<_>>().join(" · ");
                made(&Heatmap { range, subtitle: &subtitle, ..map.clone() })
            }
        }
    }

    pub(super) fn sheet(self, sheet: &Sheet<'_>) -> Result<Vec<u8>, RenderError> {
        match self.kind {
            Kind::Png => sheet.to_png(),
            Kind::Svg => sheet.to_svg().map(String::into_bytes),
        }
    }

    /// Refuses a sheet that a PNG has no room for: of its pictures, the sizes are enough.
    pub(super) fn check_sheet(self, sheet: &Sheet<'_>) -> Result<(), RenderError> {
        match self.kind {
            Kind::Png => sheet.check_size(),
            Kind::Svg => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_words_or_two_numbers() {
        assert_eq!("auto".parse(), Ok(ColourRange::Auto));
        assert_eq!("full".parse(), Ok(ColourRange::Full));
        assert_eq!("0.5..1".parse(), Ok(ColourRange::Given(0.5, 1.0)));
        assert_eq!("-1..1".parse(), Ok(ColourRange::Given(-1.0, 1.0)));
        for wrong in ["", "1", "1..0.5", "1..1", "a..b", "0..inf", "nan..1", "0.5"] {
            assert!(wrong.parse::<ColourRange>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn auto_follows_the_values_and_says_them() {
        let values = [0.25, f64::NAN, 0.75];
        let found = ColourRange::Auto.over(values.into_iter());
        assert_eq!(
            found.ends(),
            Some(((0.25, 0.75), "colours over the values, 0.25 to 0.75".to_owned()))
        );
        assert_eq!(ColourRange::Auto.over([0.5, 0.5].into_iter()).ends(), None);
        assert_eq!(ColourRange::Full.over(values.into_iter()).ends(), None);
        let given = ColourRange::Given(0.0, 2.0).over(values.into_iter());
        assert_eq!(given.ends(), Some(((0.0, 2.0), "colours from 0.0 to 2.0".to_owned())));
    }
}
