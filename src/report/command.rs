//! Command lines as a shell reads them.

/// Words as one line that a POSIX shell splits into them again.
///
/// ```
/// # use repsim::report::command_line;
/// assert_eq!(command_line(["cka", "a b.pt", "*"]), "cka 'a b.pt' '*'");
/// ```
pub fn command_line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./,:=+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_shell_would_read_are_quoted() {
        let words = ["cka", "a/b-c.pt", "*", "a b", "it's", ""];
        let expected = ["cka", "a/b-c.pt", "'*'", "'a b'", "'it'\\''s'", "''"];
        assert_eq!(words.map(quoted), expected);
    }
}
