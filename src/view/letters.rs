//! The letters that a terminal can show.

use std::borrow::Cow;

/// Whether text may hold letters beyond ASCII.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Letters {
    /// All of Unicode.
    #[default]
    Unicode,
    /// ASCII, except in the names given: names of files stay as they are.
    Ascii(Vec<String>),
}

/// Words that are written in another way, where not letter by letter.
const WORDS: [(&str, &str); 2] = [("Fréchet", "Frechet"), ("Schölkopf", "Schoelkopf")];

impl Letters {
    /// The letters of a locale, by the values of `LC_ALL`, `LC_CTYPE` and `LANG`: the first that is not empty counts.
    /// ASCII where that names no UTF-8, and all of Unicode where none is set. `names` stay as they are.
    pub fn of_locale(values: [Option<String>; 3], names: impl Iterator<Item = String>) -> Self {
        let locale = values.into_iter().flatten().find(|value| !value.is_empty());
        let is_utf8 = |locale: String| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        };
        match locale.is_none_or(is_utf8) {
            true => Self::Unicode,
            false => Self::Ascii(names.filter(|name| !name.is_ascii()).collect()),
        }
    }

    /// Text in these letters: `3×32` as `3x32`, `…` as `...`.
    pub fn of<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self {
            Self::Ascii(names) if !text.is_ascii() => Cow::Owned(plain(text, names)),
            _ => Cow::Borrowed(text),
        }
    }

    /// What stands for the middle of a name that is cut.
    pub fn ellipsis(&self) -> &'static str {
        match self {
            Self::Unicode => "…",
            Self::Ascii(_) => "..",
        }
    }
}

/// A text in plain ASCII, except for the names in it.
fn plain(text: &str, names: &[String]) -> String {
    let found = names.iter().filter_map(|name| Some((text.find(name.as_str())?, name)));
    if let Some((start, name)) = found.min_by_key(|&(start, name)| (start, usize::MAX - name.len()))
    {
        let (before, rest) = text.split_at(start);
        return plain(before, &[]) + name + &plain(&rest[name.len()..], names);
    }
    let mut text = text.to_owned();
    for (word, ascii) in WORDS {
        text = text.replace(word, ascii);
    }
    let mut written = String::with_capacity(text.len());
    for letter in text.chars() {
        match ascii(letter) {
            Some(ascii) => written.push_str(ascii),
            None => written.push(letter),
        }
    }
    written
}

/// What stands for a letter that is drawn; `None` for letters of names.
fn ascii(letter: char) -> Option<&'static str> {
    Some(match letter {
        '…' => "...",
        '×' => "x",
        '−' | '–' | '—' | '─' | '·' | '‑' => "-",
        '│' | '┃' => "|",
        '█' | '▉' | '▊' | '▋' | '▌' | '▁'..='▇' => "#",
        '░' | '▒' => ".",
        '≥' => ">=",
        '≤' => "<=",
        '±' => "+-",
        '→' | '►' => "->",
        '↓' => "(down)",
        '≠' => "!=",
        '≈' => "~",
        '≫' => ">>",
        '≪' => "<<",
        '∞' => "inf",
        '√' => "sqrt ",
        '‖' => "||",
        '²' => "^2",
        '³' => "^3",
        '₀' => "0",
        '₁' => "1",
        '₂' => "2",
        'ᵀ' => "^T",
        '½' => "1/2",
        'Δ' => "Delta",
        'σ' => "sigma",
        'Σ' => "Sigma",
        'μ' => "mu",
        'λ' => "lambda",
        'ρ' => "rho",
        'α' => "alpha",
        'β' => "beta",
        'ε' => "epsilon",
        'π' => "pi",
        'τ' => "tau",
        '‘' | '’' | '′' => "'",
        '“' | '”' | '″' => "\"",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: [&str; 3], names: &[&str]) -> Letters {
        let value = |value: &str| (value != "unset").then(|| value.to_owned());
        Letters::of_locale(values.map(value), names.iter().map(|&name| name.to_owned()))
    }

    #[test]
    fn the_first_value_that_is_there_is_the_locale() {
        assert_eq!(of(["unset", "", "de_DE.UTF-8"], &[]), Letters::Unicode);
        assert_eq!(of(["unset"; 3], &[]), Letters::Unicode);
        assert_eq!(of(["C.utf8", "C", "C"], &[]), Letters::Unicode);
        let ascii = Letters::Ascii(vec![]);
        assert_eq!(of(["C", "unset", "de_DE.UTF-8"], &[]), ascii);
        assert_eq!(of(["xx", "unset", "unset"], &[]), ascii);
        assert_eq!(of(["unset", "unset", "de_DE.ISO-8859-1"], &[]), ascii);
    }

    #[test]
    fn names_stay_and_what_is_drawn_is_ascii() {
        let letters = of(["C", "", ""], &["a×b.pt", "plain.pt", "a×b.pt.json"]);
        let text = "a×b.pt.json: 3×32 ≥ 4 … − × of a×b.pt ± 1; Fréchet, naïve 日本";
        let wanted = "a×b.pt.json: 3x32 >= 4 ... - x of a×b.pt +- 1; Frechet, naïve 日本";
        assert_eq!(letters.of(text), wanted);
        assert_eq!(Letters::Unicode.of(text), text);
    }
}
