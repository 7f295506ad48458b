//! Numbers to colours.

use std::fmt::{self, Display};
use std::str::FromStr;

/// A colour of eight bits a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgb {
    /// Red.
    pub red: u8,
    /// Green.
    pub green: u8,
    /// Blue.
    pub blue: u8,
}

impl Rgb {
    /// The colour written `0xRRGGBB`.
    pub const fn new(hex: u32) -> Self {
        let [_, red, green, blue] = hex.to_be_bytes();
        Self { red, green, blue }
    }

    /// The colour as SVG and CSS write it: `#rrggbb`.
    pub fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }

    /// The colour of a share, 0 to 1, of each channel.
    fn from_fractions(channels: [f64; 3]) -> Self {
        let [red, green, blue] = channels.map(|share| (255.0 * share).round() as u8);
        Self { red, green, blue }
    }

    /// This colour and `share`, 0 to 1, of another one: each channel is
    /// round((1 − share) · this + share · other).
    ///
    /// ```
    /// # use repsim::render::Rgb;
    /// let grey = Rgb::new(0x00_00_00).mixed(Rgb::new(0xff_ff_ff), 0.5);
    /// assert_eq!(grey, Rgb::new(0x80_80_80));
    /// ```
    pub fn mixed(self, other: Self, share: f64) -> Self {
        let mix = |from: u8, to: u8| {
            ((1.0 - share) * f64::from(from) + share * f64::from(to)).round() as u8
        };
        Self {
            red: mix(self.red, other.red),
            green: mix(self.green, other.green),
            blue: mix(self.blue, other.blue),
        }
    }

    /// Relative luminance, 0 for black to 1 for white (WCAG 2, of linearised sRGB).
    pub fn luminance(self) -> f64 {
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }

    /// Black or white: whichever stands out more when written on this colour.
    ///
    /// Contrast is (lighter + 0.05) / (darker + 0.05); the two are equal at luminance 0.179.
    pub fn ink(self) -> Self {
        if self.luminance() > 0.179 { Self::new(0x00_00_00) } else { Self::new(0xff_ff_ff) }
    }
}

/// An sRGB channel without its gamma.
fn linear(channel: u8) -> f64 {
    let value = f64::from(channel) / 255.0;
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// Where `value` lies between the ends of `range`, 0 to 1; clamped to the ends.
///
/// A range that is empty, reversed or not finite puts every value at 0.
pub fn fraction(value: f64, range: (f64, f64)) -> f64 {
    let position = (value - range.0) / (range.1 - range.0);
    if range.1 > range.0 && position.is_finite() { position.clamp(0.0, 1.0) } else { 0.0 }
}

/// The colour of `fraction` in the map viridis, dark blue at 0 to yellow at 1.
///
/// Viridis is perceptually uniform: equal steps look equal, also in grey and to colour-blind eyes.
/// Values outside 0 to 1 take the end colours; NaN takes the one of 0.
pub fn viridis(fraction: f64) -> Rgb {
    let index = (fraction * 256.0).clamp(0.0, 255.0) as usize;
    Rgb::new(VIRIDIS[index])
}

/// A way from the numbers 0 to 1 to colours.
///
/// ```
/// # use repsim::render::{ColorMap, Rgb};
/// assert_eq!("jet".parse(), Ok(ColorMap::Jet));
/// assert_eq!(ColorMap::Grey.colour(1.0), Rgb::new(0xff_ff_ff));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorMap {
    /// [`viridis`]: dark blue, green, yellow; perceptually uniform.
    Viridis,
    /// Black, purple, orange, nearly white; perceptually uniform.
    Magma,
    /// Dark blue, cyan, yellow, dark red: for those used to it. It is not uniform: it shows edges
    /// where values have none.
    Jet,
    /// Black to white.
    Grey,
    /// Blue, nearly white at 0.5, red: for signed values over a range around 0.
    Diverging,
}

impl ColorMap {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Viridis, Self::Magma, Self::Jet, Self::Grey, Self::Diverging];

    /// The name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viridis => "viridis",
            Self::Magma => "magma",
            Self::Jet => "jet",
            Self::Grey => "grey",
            Self::Diverging => "diverging",
        }
    }

    /// The colour of `fraction`; what lies outside 0 to 1 takes the end colours, NaN that of 0.
    pub fn colour(self, fraction: f64) -> Rgb {
        let fraction = self::fraction(fraction, (0.0, 1.0));
        match self {
            Self::Viridis => viridis(fraction),
            Self::Magma => Rgb::new(MAGMA[(fraction * 256.0).min(255.0) as usize]),
            Self::Jet => Rgb::from_fractions(JET.map(|anchors| between(&anchors, fraction))),
            Self::Grey => Rgb::from_fractions([fraction; 3]),
            Self::Diverging => diverging(fraction),
        }
    }
}

impl Display for ColorMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ColorMap {
    type Err = UnknownColorMap;

    fn from_str(name: &str) -> Result<Self, UnknownColorMap> {
        let map = Self::ALL.into_iter().find(|map| map.name() == name);
        map.ok_or_else(|| UnknownColorMap(name.to_owned()))
    }
}

/// A name no [`ColorMap`] has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown colour map `{0}`; choose viridis, magma, jet, grey or diverging")]
pub struct UnknownColorMap(String);

/// The value at `x` of the line through `anchors`, which are sorted and reach from 0 to 1.
fn between<const N: usize>(anchors: &[(f64, f64); N], x: f64) -> f64 {
    let right = anchors.iter().position(|anchor| anchor.0 >= x).unwrap_or(N - 1).max(1);
    let (from, to) = (anchors[right - 1], anchors[right]);
    from.1 + (to.1 - from.1) * fraction(x, (from.0, to.0))
}

/// Blue over nearly white to red.
fn diverging(fraction: f64) -> Rgb {
    let place = fraction * (RED_BLUE.len() - 1) as f64;
    let left = (place as usize).min(RED_BLUE.len() - 2);
    let (from, to) = (Rgb::new(RED_BLUE[left]), Rgb::new(RED_BLUE[left + 1]));
    from.mixed(to, place - left as f64)
}

/// ColorBrewer's RdBu by Cynthia Brewer (Apache 2.0), blue first; colours between are mixed.
const RED_BLUE: [u32; 11] = [
    0x053061, 0x2166ac, 0x4393c3, 0x92c5de, 0xd1e5f0, 0xf7f7f7, 0xfddbc7, 0xf4a582, 0xd6604d,
    0xb2182b, 0x67001f,
];

/// Jet's red, green and blue as lines through (fraction, share), as matplotlib draws them.
const JET: [[(f64, f64); 6]; 3] = [
    [(0.0, 0.0), (0.35, 0.0), (0.66, 1.0), (0.89, 1.0), (1.0, 0.5), (1.0, 0.5)],
    [(0.0, 0.0), (0.125, 0.0), (0.375, 1.0), (0.64, 1.0), (0.91, 0.0), (1.0, 0.0)],
    [(0.0, 0.5), (0.11, 1.0), (0.34, 1.0), (0.65, 0.0), (1.0, 0.0), (1.0, 0.0)],
];

/// Viridis by Nathaniel J. Smith, Stéfan van der Walt and Eric Firing (matplotlib, CC0), as
/// matplotlib 3.11 holds it, rounded to eight bits.
const VIRIDIS: [u32; 256] = [
    0x440154, 0x440256, 0x450457, 0x450559, 0x46075a, 0x46085c, 0x460a5d, 0x460b5e, 0x470d60,
    0x470e61, 0x471063, 0x471164, 0x471365, 0x481467, 0x481668, 0x481769, 0x48186a, 0x481a6c,
    0x481b6d, 0x481c6e, 0x481d6f, 0x481f70, 0x482071, 0x482173, 0x482374, 0x482475, 0x482576,
    0x482677, 0x482878, 0x482979, 0x472a7a, 0x472c7a, 0x472d7b, 0x472e7c, 0x472f7d, 0x46307e,
    0x46327e, 0x46337f, 0x463480, 0x453581, 0x453781, 0x453882, 0x443983, 0x443a83, 0x443b84,
    0x433d84, 0x433e85, 0x423f85, 0x424086, 0x424186, 0x414287, 0x414487, 0x404588, 0x404688,
    0x3f4788, 0x3f4889, 0x3e4989, 0x3e4a89, 0x3e4c8a, 0x3d4d8a, 0x3d4e8a, 0x3c4f8a, 0x3c508b,
    0x3b518b, 0x3b528b, 0x3a538b, 0x3a548c, 0x39558c, 0x39568c, 0x38588c, 0x38598c, 0x375a8c,
    0x375b8d, 0x365c8d, 0x365d8d, 0x355e8d, 0x355f8d, 0x34608d, 0x34618d, 0x33628d, 0x33638d,
    0x32648e, 0x32658e, 0x31668e, 0x31678e, 0x31688e, 0x30698e, 0x306a8e, 0x2f6b8e, 0x2f6c8e,
    0x2e6d8e, 0x2e6e8e, 0x2e6f8e, 0x2d708e, 0x2d718e, 0x2c718e, 0x2c728e, 0x2c738e, 0x2b748e,
    0x2b758e, 0x2a768e, 0x2a778e, 0x2a788e, 0x29798e, 0x297a8e, 0x297b8e, 0x287c8e, 0x287d8e,
    0x277e8e, 0x277f8e, 0x27808e, 0x26818e, 0x26828e, 0x26828e, 0x25838e, 0x25848e, 0x25858e,
    0x24868e, 0x24878e, 0x23888e, 0x23898e, 0x238a8d, 0x228b8d, 0x228c8d, 0x228d8d, 0x218e8d,
    0x218f8d, 0x21908d, 0x21918c, 0x20928c, 0x20928c, 0x20938c, 0x1f948c, 0x1f958b, 0x1f968b,
    0x1f978b, 0x1f988b, 0x1f998a, 0x1f9a8a, 0x1e9b8a, 0x1e9c89, 0x1e9d89, 0x1f9e89, 0x1f9f88,
    0x1fa088, 0x1fa188, 0x1fa187, 0x1fa287, 0x20a386, 0x20a486, 0x21a585, 0x21a685, 0x22a785,
    0x22a884, 0x23a983, 0x24aa83, 0x25ab82, 0x25ac82, 0x26ad81, 0x27ad81, 0x28ae80, 0x29af7f,
    0x2ab07f, 0x2cb17e, 0x2db27d, 0x2eb37c, 0x2fb47c, 0x31b57b, 0x32b67a, 0x34b679, 0x35b779,
    0x37b878, 0x38b977, 0x3aba76, 0x3bbb75, 0x3dbc74, 0x3fbc73, 0x40bd72, 0x42be71, 0x44bf70,
    0x46c06f, 0x48c16e, 0x4ac16d, 0x4cc26c, 0x4ec36b, 0x50c46a, 0x52c569, 0x54c568, 0x56c667,
    0x58c765, 0x5ac864, 0x5cc863, 0x5ec962, 0x60ca60, 0x63cb5f, 0x65cb5e, 0x67cc5c, 0x69cd5b,
    0x6ccd5a, 0x6ece58, 0x70cf57, 0x73d056, 0x75d054, 0x77d153, 0x7ad151, 0x7cd250, 0x7fd34e,
    0x81d34d, 0x84d44b, 0x86d549, 0x89d548, 0x8bd646, 0x8ed645, 0x90d743, 0x93d741, 0x95d840,
    0x98d83e, 0x9bd93c, 0x9dd93b, 0xa0da39, 0xa2da37, 0xa5db36, 0xa8db34, 0xaadc32, 0xaddc30,
    0xb0dd2f, 0xb2dd2d, 0xb5de2b, 0xb8de29, 0xbade28, 0xbddf26, 0xc0df25, 0xc2df23, 0xc5e021,
    0xc8e020, 0xcae11f, 0xcde11d, 0xd0e11c, 0xd2e21b, 0xd5e21a, 0xd8e219, 0xdae319, 0xdde318,
    0xdfe318, 0xe2e418, 0xe5e419, 0xe7e419, 0xeae51a, 0xece51b, 0xefe51c, 0xf1e51d, 0xf4e61e,
    0xf6e620, 0xf8e621, 0xfbe723, 0xfde725,
];

/// Magma by the same authors (matplotlib, CC0).
const MAGMA: [u32; 256] = [
    0x000004, 0x010005, 0x010106, 0x010108, 0x020109, 0x02020b, 0x02020d, 0x03030f, 0x030312,
    0x040414, 0x050416, 0x060518, 0x06051a, 0x07061c, 0x08071e, 0x090720, 0x0a0822, 0x0b0924,
    0x0c0926, 0x0d0a29, 0x0e0b2b, 0x100b2d, 0x110c2f, 0x120d31, 0x130d34, 0x140e36, 0x150e38,
    0x160f3b, 0x180f3d, 0x19103f, 0x1a1042, 0x1c1044, 0x1d1147, 0x1e1149, 0x20114b, 0x21114e,
    0x221150, 0x241253, 0x251255, 0x271258, 0x29115a, 0x2a115c, 0x2c115f, 0x2d1161, 0x2f1163,
    0x311165, 0x331067, 0x341069, 0x36106b, 0x38106c, 0x390f6e, 0x3b0f70, 0x3d0f71, 0x3f0f72,
    0x400f74, 0x420f75, 0x440f76, 0x451077, 0x471078, 0x491078, 0x4a1079, 0x4c117a, 0x4e117b,
    0x4f127b, 0x51127c, 0x52137c, 0x54137d, 0x56147d, 0x57157e, 0x59157e, 0x5a167e, 0x5c167f,
    0x5d177f, 0x5f187f, 0x601880, 0x621980, 0x641a80, 0x651a80, 0x671b80, 0x681c81, 0x6a1c81,
    0x6b1d81, 0x6d1d81, 0x6e1e81, 0x701f81, 0x721f81, 0x732081, 0x752181, 0x762181, 0x782281,
    0x792282, 0x7b2382, 0x7c2382, 0x7e2482, 0x802582, 0x812581, 0x832681, 0x842681, 0x862781,
    0x882781, 0x892881, 0x8b2981, 0x8c2981, 0x8e2a81, 0x902a81, 0x912b81, 0x932b80, 0x942c80,
    0x962c80, 0x982d80, 0x992d80, 0x9b2e7f, 0x9c2e7f, 0x9e2f7f, 0xa02f7f, 0xa1307e, 0xa3307e,
    0xa5317e, 0xa6317d, 0xa8327d, 0xaa337d, 0xab337c, 0xad347c, 0xae347b, 0xb0357b, 0xb2357b,
    0xb3367a, 0xb5367a, 0xb73779, 0xb83779, 0xba3878, 0xbc3978, 0xbd3977, 0xbf3a77, 0xc03a76,
    0xc23b75, 0xc43c75, 0xc53c74, 0xc73d73, 0xc83e73, 0xca3e72, 0xcc3f71, 0xcd4071, 0xcf4070,
    0xd0416f, 0xd2426f, 0xd3436e, 0xd5446d, 0xd6456c, 0xd8456c, 0xd9466b, 0xdb476a, 0xdc4869,
    0xde4968, 0xdf4a68, 0xe04c67, 0xe24d66, 0xe34e65, 0xe44f64, 0xe55064, 0xe75263, 0xe85362,
    0xe95462, 0xea5661, 0xeb5760, 0xec5860, 0xed5a5f, 0xee5b5e, 0xef5d5e, 0xf05f5e, 0xf1605d,
    0xf2625d, 0xf2645c, 0xf3655c, 0xf4675c, 0xf4695c, 0xf56b5c, 0xf66c5c, 0xf66e5c, 0xf7705c,
    0xf7725c, 0xf8745c, 0xf8765c, 0xf9785d, 0xf9795d, 0xf97b5d, 0xfa7d5e, 0xfa7f5e, 0xfa815f,
    0xfb835f, 0xfb8560, 0xfb8761, 0xfc8961, 0xfc8a62, 0xfc8c63, 0xfc8e64, 0xfc9065, 0xfd9266,
    0xfd9467, 0xfd9668, 0xfd9869, 0xfd9a6a, 0xfd9b6b, 0xfe9d6c, 0xfe9f6d, 0xfea16e, 0xfea36f,
    0xfea571, 0xfea772, 0xfea973, 0xfeaa74, 0xfeac76, 0xfeae77, 0xfeb078, 0xfeb27a, 0xfeb47b,
    0xfeb67c, 0xfeb77e, 0xfeb97f, 0xfebb81, 0xfebd82, 0xfebf84, 0xfec185, 0xfec287, 0xfec488,
    0xfec68a, 0xfec88c, 0xfeca8d, 0xfecc8f, 0xfecd90, 0xfecf92, 0xfed194, 0xfed395, 0xfed597,
    0xfed799, 0xfed89a, 0xfdda9c, 0xfddc9e, 0xfddea0, 0xfde0a1, 0xfde2a3, 0xfde3a5, 0xfde5a7,
    0xfde7a9, 0xfde9aa, 0xfdebac, 0xfcecae, 0xfceeb0, 0xfcf0b2, 0xfcf2b4, 0xfcf4b6, 0xfcf6b8,
    0xfcf7b9, 0xfcf9bb, 0xfcfbbd, 0xfcfdbf,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viridis_has_its_known_ends_and_middle() {
        assert_eq!(viridis(0.0).hex(), "#440154");
        assert_eq!(viridis(0.5).hex(), "#21918c");
        assert_eq!(viridis(1.0).hex(), "#fde725");
    }

    #[test]
    fn what_lies_outside_takes_the_end_colours() {
        assert_eq!(viridis(-3.0), viridis(0.0));
        assert_eq!(viridis(3.0), viridis(1.0));
        assert_eq!(viridis(f64::NAN), viridis(0.0));
    }

    #[test]
    fn viridis_grows_lighter_all_along() {
        let luminance = |step: u32| viridis(f64::from(step) / 64.0).luminance();
        assert!((0..64).all(|step| luminance(step) < luminance(step + 1)));
    }

    #[test]
    fn ink_is_readable_on_every_colour() {
        for step in 0..=64 {
            let paper = viridis(f64::from(step) / 64.0);
            let (ink, paper) = (paper.ink().luminance(), paper.luminance());
            let contrast = (ink.max(paper) + 0.05) / (ink.min(paper) + 0.05);
            assert!(contrast > 4.5, "{step}: {contrast}");
        }
    }

    #[test]
    fn a_fraction_is_clamped_and_never_nan() {
        assert_eq!(fraction(0.25, (0.0, 1.0)), 0.25);
        assert_eq!(fraction(-1.0, (0.0, 1.0)), 0.0);
        assert_eq!(fraction(7.0, (0.0, 1.0)), 1.0);
        assert_eq!(fraction(0.5, (1.0, 1.0)), 0.0);
        assert_eq!(fraction(f64::NAN, (0.0, 1.0)), 0.0);
    }

    /// The colours of a map at some fractions.
    fn hex<const N: usize>(map: ColorMap, fractions: [f64; N]) -> [String; N] {
        fractions.map(|fraction| map.colour(fraction).hex())
    }

    #[test]
    fn maps_have_their_known_colours() {
        assert_eq!(hex(ColorMap::Viridis, [0.0, 0.5, 1.0]), ["#440154", "#21918c", "#fde725"]);
        assert_eq!(hex(ColorMap::Magma, [0.0, 0.5, 1.0]), ["#000004", "#b73779", "#fcfdbf"]);
        assert_eq!(hex(ColorMap::Grey, [0.0, 0.5, 1.0]), ["#000000", "#808080", "#ffffff"]);
        assert_eq!(hex(ColorMap::Diverging, [0.0, 0.5, 1.0]), ["#053061", "#f7f7f7", "#67001f"]);
    }

    #[test]
    fn jet_is_matplotlibs() {
        let at = [0.0, 32.0, 96.0, 128.0, 170.0, 200.0, 255.0].map(|index| index / 255.0);
        let known = ["#000080", "#0000ff", "#16ffe1", "#7dff7a", "#ffe600", "#ff7700", "#800000"];
        assert_eq!(hex(ColorMap::Jet, at), known);
    }

    #[test]
    fn magma_grows_lighter_all_along() {
        let luminance = |step: u32| ColorMap::Magma.colour(f64::from(step) / 64.0).luminance();
        assert!((0..64).all(|step| luminance(step) < luminance(step + 1)));
    }

    #[test]
    fn every_map_clamps_and_reads_its_name() {
        for map in ColorMap::ALL {
            assert_eq!(map.to_string().parse(), Ok(map));
            assert_eq!(map.colour(-1.0), map.colour(0.0));
            assert_eq!(map.colour(2.0), map.colour(1.0));
            assert_eq!(map.colour(f64::NAN), map.colour(0.0));
        }
        let error = "rainbow".parse::<ColorMap>().expect_err("no such map");
        assert!(error.to_string().starts_with("unknown colour map `rainbow`"));
    }
}
