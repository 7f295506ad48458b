//! Many names in a line.

/// Names that are listed before the others are only counted.
const LISTED: usize = 3;

/// One name, or how many and the first of them.
pub fn few(what: &str, names: &[&str]) -> String {
    match names {
        [one] => format!("{what} {one}"),
        _ => format!("{} {what}s ({})", names.len(), listed(names)),
    }
}

/// The first names, and how many more there are.
pub fn listed(names: &[&str]) -> String {
    match names.len().saturating_sub(LISTED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..LISTED].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_up_to_three() {
        assert_eq!(few("layer", &["a"]), "layer a");
        assert_eq!(few("layer", &["a", "b", "c"]), "3 layers (a, b, c)");
        assert_eq!(few("layer", &["a", "b", "c", "d", "e"]), "5 layers (a, b, c and 2 more)");
    }
}
