//! Widths of texts, texts made shorter, and numbers as text.

/// The family of the embedded font.
pub const FAMILY: &str = "DejaVu Sans";

/// How far below the middle of its capitals a text's baseline lies, in font sizes.
pub const MIDDLE: f64 = 0.365;

/// Units of the embedded font to one font size.
const UNITS: f64 = 2048.0;

/// Advances of U+0020 to U+007E in the embedded font.
const ADVANCES: [u16; 95] = [
    651, 821, 942, 1716, 1303, 1946, 1597, 563, 799, 799, 1024, 1716, 651, 739, 651, 690, 1303,
    1303, 1303, 1303, 1303, 1303, 1303, 1303, 1303, 1303, 690, 690, 1716, 1716, 1716, 1087, 2048,
    1401, 1405, 1430, 1577, 1294, 1178, 1587, 1540, 604, 604, 1343, 1141, 1767, 1532, 1612, 1235,
    1612, 1423, 1300, 1251, 1499, 1401, 2025, 1403, 1251, 1403, 799, 690, 799, 1716, 1024, 1024,
    1255, 1300, 1126, 1300, 1260, 721, 1300, 1298, 569, 569, 1186, 569, 1995, 1298, 1253, 1300,
    1300, 842, 1067, 803, 1298, 1212, 1675, 1212, 1212, 1075, 1303, 690, 1303, 1716,
];

/// The advance of a character that is in no table: none of the embedded font's is wider.
const WIDEST: u16 = 2200;

/// The width of `text` at a font size: exact for ASCII and a few signs, else an upper bound.
pub fn width(text: &str, size: f64) -> f64 {
    text.chars().map(|character| f64::from(advance(character))).sum::<f64>() / UNITS * size
}

/// The advance of a character in the embedded font's units.
fn advance(character: char) -> u16 {
    match character {
        ' '..='~' => ADVANCES[character as usize - ' ' as usize],
        '·' => 651,
        '×' | '−' | '→' => 1716,
        '…' | '—' => 2048,
        _ => WIDEST,
    }
}

/// `text` if it has at most `limit` characters, else its two ends with `…` between.
pub fn shorten(text: &str, limit: usize) -> String {
    let count = text.chars().count();
    if count <= limit {
        return text.to_owned();
    }
    let tail = limit.saturating_sub(1) / 2;
    let head = limit.saturating_sub(1) - tail;
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    format!("{start}…{end}")
}

/// `text` in lines no wider than `limit`, broken between words; a wider word gets its own line.
pub fn wrap(text: &str, size: f64, limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(" ", size) + width(word, size) <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `value` with so many decimals, a true minus sign, and no negative zero; large values with an
/// exponent.
pub fn decimal(value: f64, decimals: usize) -> String {
    let text = if value.abs() < 1e7 {
        format!("{value:.decimals$}")
    } else {
        format!("{value:.decimals$e}")
    };
    match text.strip_prefix('-') {
        Some(zero) if zero.chars().all(|digit| matches!(digit, '0' | '.')) => zero.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{png, svg};

    /// The width the embedded font really gives to `text`, ink only.
    fn inked(text: &str) -> f64 {
        let drawing = svg::document(9.0, 9.0, "").child(svg::label(0.0, 0.0, 100.0, text));
        let tree = png::parse(&drawing.to_string()).expect("parses");
        let bounds = tree.root().children().last().map(|node| node.abs_bounding_box());
        f64::from(bounds.expect("a text").width())
    }

    #[test]
    fn widths_are_those_of_the_embedded_font() {
        for text in ["layer4.1.bn2", "AVATAR Toll", "CKA · n = 500 — 3 × 4 … −1 →"] {
            let (ours, real) = (width(text, 100.0), inked(text));
            assert!(real <= ours && ours < real + 15.0, "{text}: {ours} against {real}");
        }
    }

    #[test]
    fn unknown_characters_are_never_underestimated() {
        for text in ["Ŵœ", "αβμΩ", "日本語", "≤≥±"] {
            assert!(inked(text) <= width(text, 100.0), "{text}");
        }
    }

    #[test]
    fn long_names_are_shortened_in_the_middle() {
        assert_eq!(shorten("layer4.1.bn2", 12), "layer4.1.bn2");
        assert_eq!(shorten("layer4.1.bn2", 7), "lay…bn2");
        assert_eq!(shorten("αβγδεζ", 4), "αβ…ζ");
        assert_eq!(shorten("abc", 1), "…");
    }

    #[test]
    fn lines_break_between_words() {
        let lines = wrap("estimator full, n = 500, kernel linear", 10.0, 100.0);
        assert_eq!(lines.concat().replace(' ', ""), "estimatorfull,n=500,kernellinear");
        assert!(lines.len() > 1 && lines.iter().all(|line| width(line, 10.0) <= 100.0));
        assert_eq!(wrap("unbreakable", 10.0, 1.0), ["unbreakable"]);
        assert!(wrap("", 10.0, 100.0).is_empty());
    }

    #[test]
    fn numbers_have_a_minus_sign_and_no_negative_zero() {
        assert_eq!(decimal(0.125, 2), "0.12");
        assert_eq!(decimal(-0.001, 2), "0.00");
        assert_eq!(decimal(-1.5, 1), "−1.5");
        assert_eq!(decimal(1.25e12, 2), "1.25e12");
    }
}
