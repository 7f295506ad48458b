//! Names from files as a person may see them.
//!
//! A name may hold line ends, escapes that a terminal obeys, and marks that turn the direction of the
//! text around it. Where text leaves the program such characters are shown by their escapes; in JSON,
//! where text has escapes of its own, the name stays what it is.

use std::borrow::Cow;

/// Whether a character moves others, or is not seen: controls, line separators, marks of direction,
/// spaces of no width, tags.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// A name with its hidden characters as escapes: `a\nb`, `\u{1b}[31m`, `\u{202e}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    shown(text, is_hidden)
}

/// A text of several lines, which stay lines, with its other hidden characters as escapes.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    shown(text, |letter| is_hidden(letter) && !matches!(letter, '\n' | '\t'))
}

/// JSON with the hidden characters of its texts as escapes of JSON: it reads as the same.
pub fn visible_json(text: &str) -> Cow<'_, str> {
    let hidden = |letter: char| is_hidden(letter) && !letter.is_ascii_whitespace();
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match hidden(letter) {
            true => {
                let units = letter.encode_utf16(&mut [0; 2]).to_vec();
                escaped.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
            }
            false => escaped.push(letter),
        }
    }
    Cow::Owned(escaped)
}

fn shown(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match hidden(letter) {
            true => escaped.extend(letter.escape_default()),
            false => escaped.push(letter),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_shown() {
        let text = "a\n::error::b\u{1b}[31m\u{9b}2J\u{202e}c\u{2066}\u{200f}\u{200b}\u{feff}\r\té";
        let wanted = "a\\n::error::b\\u{1b}[31m\\u{9b}2J\\u{202e}c\\u{2066}\\u{200f}\\u{200b}\
                      \\u{feff}\\r\\té";
        assert_eq!(visible(text), wanted);
        assert_eq!(visible_lines("a\n\tb\u{7f}\u{2028}"), "a\n\tb\\u{7f}\\u{2028}");
        assert!(matches!(visible("layer1.0 σ 日本 👍"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_stays_what_it_says() -> Result<(), serde_json::Error> {
        let name = "a\n\u{1b}\u{9b}\u{202e}\u{e0041}\u{7f}";
        let json = serde_json::to_string_pretty(&[name])?;
        let shown = visible_json(&json);
        assert!(shown.chars().all(|c| c == '\n' || (' '..='~').contains(&c)), "{shown}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&shown)?, [name]);
        Ok(())
    }
}
