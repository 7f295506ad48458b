//! Many things in a line.

/// Names that are listed before the others are only counted.
const LISTED: usize = 3;

/// How many of what, in the plural where they are not one.
pub fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// One name, or how many and the first of them.
pub fn few(what: &str, names: &[&str]) -> String {
    match names {
        [one] => format!("{what} {one}"),
        _ => format!("{} ({})", counted(names.len(), what), listed(names)),
    }
}

/// Whether a prediction is right, where there is a label to tell.
pub fn right(label: Option<&str>, predicted: Option<&str>) -> &'static str {
    match (label, predicted) {
        (Some(label), Some(predicted)) if label == predicted => "right",
        (Some(_), Some(_)) => "wrong",
        _ => "",
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
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "pair")), ["0 pairs", "1 pair", "2 pairs"]);
    }

    #[test]
    fn names_are_listed_up_to_three() {
        assert_eq!(few("layer", &["a"]), "layer a");
        assert_eq!(few("layer", &["a", "b", "c"]), "3 layers (a, b, c)");
        assert_eq!(few("layer", &["a", "b", "c", "d", "e"]), "5 layers (a, b, c and 2 more)");
    }
}
