//! Texts that must not be wider than their place.

use crate::render::text;

/// `text` in lines no wider than `limit`: broken between words, within a word where it has no
/// line of its own. A `\n` begins a line; a `·` at an end of a line is left out.
pub(super) fn wrap(text: &str, size: f64, limit: f64) -> Vec<String> {
    let lines: Vec<_> = text.split('\n').flat_map(|line| wrap_line(line, size, limit)).collect();
    if lines.len() < 2 {
        return lines;
    }
    let trimmed = lines.iter().map(|line| line.trim_matches([' ', '·']).to_owned());
    trimmed.filter(|line| !line.is_empty()).collect()
}

/// `text` in at most `count` lines no wider than `limit`; the last one is shortened where there
/// would be more.
pub(super) fn fit(text: &str, size: f64, limit: f64, count: usize) -> Vec<String> {
    let mut lines = wrap(text, size, limit);
    if lines.len() > count {
        let rest = lines.split_off(count - 1).join(" ");
        lines.push(shorten(&rest, size, limit));
    }
    lines
}

/// `text` shortened in the middle until it is no wider than `limit`; one character at least.
pub(super) fn shorten(text: &str, size: f64, limit: f64) -> String {
    let fits = |text: &String| text::width(text, size) <= limit;
    let count = text.chars().count().min(200);
    let fitting = (1..=count).rev().map(|limit| text::shorten(text, limit)).find(fits);
    fitting.unwrap_or_else(|| text::shorten(text, 1))
}

fn wrap_line(text: &str, size: f64, limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let blank = text::width(" ", size) + text::width(word, size);
        match lines.last_mut() {
            Some(line) if text::width(line, size) + blank <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.extend(parts(word, size, limit)),
        }
    }
    lines
}

/// A word in parts no wider than `limit`, broken behind signs where possible.
fn parts(word: &str, size: f64, limit: f64) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = word;
    while text::width(rest, size) > limit {
        let cut = cut(rest, size, limit);
        if cut == rest.len() {
            break;
        }
        parts.push(rest[..cut].to_owned());
        rest = &rest[cut..];
    }
    parts.push(rest.to_owned());
    parts
}

/// Where to break a word that is too wide: behind the last `/` that fits, the last `-` or the
/// like, or the last `.`, unless little would be left before it; else behind the last character
/// that fits, and behind one at least.
fn cut(word: &str, size: f64, limit: f64) -> usize {
    let ends = word.char_indices().map(|(at, character)| (at + character.len_utf8(), character));
    let fitting = ends.take_while(|(end, _)| text::width(&word[..*end], size) <= limit);
    let fitting: Vec<_> = fitting.collect();
    let first = word.chars().next().map_or(0, char::len_utf8);
    let widest = fitting.last().map_or(first, |(end, _)| *end);
    let behind = |signs: &[char]| {
        let (end, _) = fitting.iter().rfind(|(_, character)| signs.contains(character))?;
        (3 * end >= widest).then_some(*end)
    };
    let ranks: [&[char]; 3] = [&['/'], &['-', '_', ',', ':'], &['.']];
    ranks.into_iter().find_map(behind).unwrap_or(widest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: f64 = 80.0;

    fn is_narrow(lines: &[String]) -> bool {
        lines.iter().all(|line| text::width(line, 10.0) <= LIMIT)
    }

    #[test]
    fn words_too_wide_are_broken_behind_signs() {
        let lines = wrap("resnet18-seed0-cutmix.pt", 10.0, LIMIT);
        assert_eq!(lines, ["resnet18-", "seed0-", "cutmix.pt"]);
        let lines = wrap("Donaudampfschifffahrtsgesellschaft", 10.0, LIMIT);
        assert!(lines.len() > 1 && is_narrow(&lines));
        assert_eq!(wrap("WWWW", 10.0, 1.0), ["W", "W", "W", "W"]);
    }

    #[test]
    fn dots_between_parts_do_not_hang_at_ends_of_lines() {
        assert_eq!(wrap("layer4.1 · ch 12 · 8×8", 10.0, LIMIT), ["layer4.1 · ch 12", "8×8"]);
        assert_eq!(wrap("ankle boot · 9.42", 10.0, 70.0), ["ankle boot", "9.42"]);
        assert_eq!(wrap("a\nb", 10.0, LIMIT), ["a", "b"]);
        assert!(wrap("", 10.0, LIMIT).is_empty());
    }

    #[test]
    fn what_has_no_room_is_shortened() {
        let lines = fit("a caption of many more words than two lines can hold", 10.0, LIMIT, 2);
        assert!(lines.len() == 2 && is_narrow(&lines) && lines[1].contains('…'), "{lines:?}");
        assert_eq!(shorten("layer4", 10.0, LIMIT), "layer4");
        assert_eq!(shorten("W", 10.0, 1.0), "W");
        assert_eq!(shorten("", 10.0, LIMIT), "");
    }

    #[test]
    fn paths_are_broken_behind_folders() {
        assert_eq!(wrap("9-ankle-boot/00011.png", 10.0, 110.0), ["9-ankle-boot/", "00011.png"]);
    }
}
