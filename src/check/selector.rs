//! Which values of a report are meant: `cka["layer4*"]`.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

use super::measures::{self, Facts, Places};
use super::values::Entry;
use crate::error::check_glob;

/// A measure, and globs over the names of its places.
///
/// ```text
/// cka                    every value of the measure
/// cka["layer4*"]         pairs of layers of one name that matches; the value of such a layer
/// cka["layer3","layer4"] the value of a layer of A that matches with one of B
/// ```
///
/// For layers `?` and `*` stay within one part of a dotted name and `**` crosses the dots, as in
/// `--layers`; in other names dots mean nothing. Where the places are other than two layers, one glob is
/// for the first of two, and for either of a pair of equals.
#[derive(Debug, Clone)]
pub struct Selector {
    facts: &'static Facts,
    globs: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    /// Whether it is for names of layers.
    layers: bool,
    matcher: GlobMatcher,
}

/// Globs and measure are what it is made of.
impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        let texts = |selector: &Self| selector.globs.iter().map(|g| g.text.clone()).collect();
        let (ours, theirs): (Vec<String>, Vec<String>) = (texts(self), texts(other));
        self.facts.name == other.facts.name && ours == theirs
    }
}

impl Selector {
    /// The values of a measure whose places match; without globs all.
    ///
    /// # Errors
    /// There is no such measure (the message names the nearest), an invalid glob, or there are
    /// more than two.
    pub fn new(measure: &str, globs: &[String]) -> Result<Self, String> {
        let facts = measures::of(measure).ok_or_else(|| {
            let near = measures::nearest(measure).map(|name| format!("; the nearest is {name}"));
            format!("there is no measure '{measure}'{}", near.unwrap_or_default())
        })?;
        if globs.len() > 2 {
            return Err("a value has two places at most".to_owned());
        }
        let layers = |i: usize| match facts.places {
            Places::Layers => true,
            Places::LayerAndName => i == 0,
            Places::Names | Places::Pairs => false,
        };
        let globs = globs.iter().enumerate().map(|(i, glob)| Pattern::new(glob, layers(i)));
        Ok(Self { facts, globs: globs.collect::<Result<_, String>>()? })
    }

    /// The one value at an entry's place.
    pub(super) fn exactly(entry: &Entry) -> Result<Self, String> {
        let globs: Vec<String> = entry.place.iter().map(|name| globset::escape(name)).collect();
        match entry.is_diagonal() {
            true => Self::new(&entry.measure, &globs[..globs.len().min(1)]),
            false => Self::new(&entry.measure, &globs),
        }
    }

    /// Its globs as they were given.
    pub(super) fn names(&self) -> Vec<String> {
        self.globs.iter().map(|glob| glob.text.clone()).collect()
    }

    /// What is known of its measure.
    pub fn facts(&self) -> &'static Facts {
        self.facts
    }

    /// Whether a value is meant.
    pub fn matches(&self, entry: &Entry) -> bool {
        entry.measure == self.facts.name && self.matches_place(entry)
    }

    fn matches_place(&self, entry: &Entry) -> bool {
        let is = |i: usize, name: &String| self.globs[i].matches(name);
        match (self.globs.len(), entry.place.as_slice(), self.facts.places) {
            (0, _, _) => true,
            (1, [a, b], Places::Pairs) => is(0, a) || is(0, b),
            (1, [a, b], Places::Layers) => a == b && is(0, a),
            (1, [a, ..], _) => is(0, a),
            (2, [a, b], Places::Pairs) => (is(0, a) && is(1, b)) || (is(0, b) && is(1, a)),
            (2, [a, b], _) => is(0, a) && is(1, b),
            _ => false,
        }
    }
}

impl Pattern {
    fn new(text: &str, layers: bool) -> Result<Self, String> {
        check_glob(text)?;
        let glob = if layers { text.replace('.', "/") } else { text.to_owned() };
        let built =
            GlobBuilder::new(&glob).literal_separator(layers).backslash_escape(false).build();
        let glob = built.map_err(|e| format!("'{text}' is not a pattern: {}", e.kind()))?;
        Ok(Self { text: text.to_owned(), layers, matcher: glob.compile_matcher() })
    }

    fn matches(&self, name: &str) -> bool {
        match self.layers {
            true => self.matcher.is_match(name.replace('.', "/")),
            false => self.matcher.is_match(name),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts.name)?;
        if self.globs.is_empty() {
            return Ok(());
        }
        let globs: Vec<String> = self.globs.iter().map(|glob| quoted(&glob.text)).collect();
        write!(f, "[{}]", globs.join(","))
    }
}

/// A text between quotation marks, as rules write it.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(measure: &'static str, globs: &[&str]) -> Result<Vec<String>, String> {
        let globs: Vec<String> = globs.iter().map(|g| (*g).to_owned()).collect();
        let selector = Selector::new(measure, &globs)?;
        let names = ["layer1", "layer1.0", "layer4", "a.npz"];
        let place = |a: &str, b: &str| Entry {
            measure: measure.into(),
            place: vec![a.to_owned(), b.to_owned()],
            value: None,
            reason: None,
        };
        let all = names.iter().flat_map(|a| names.iter().map(move |b| place(a, b)));
        Ok(all.filter(|e| selector.matches(e)).map(|e| e.place.join(" ")).collect())
    }

    #[test]
    fn one_glob_is_the_diagonal_of_layers() -> Result<(), String> {
        assert_eq!(chosen("cka", &["layer*"])?, ["layer1 layer1", "layer4 layer4"]);
        assert_eq!(chosen("cka", &["layer1**"])?.len(), 1);
        assert_eq!(chosen("cka", &["layer1.*"])?, ["layer1.0 layer1.0"]);
        assert_eq!(chosen("cka", &["**"])?.len(), 4);
        assert_eq!(chosen("cka", &["layer1", "layer?"])?, ["layer1 layer1", "layer1 layer4"]);
        assert_eq!(chosen("cka", &[])?.len(), 16);
        Ok(())
    }

    #[test]
    fn dots_mean_nothing_in_other_names() -> Result<(), String> {
        assert_eq!(chosen("fid", &["*"])?.len(), 16);
        assert_eq!(chosen("fid", &["a.*"])?.len(), 4);
        assert_eq!(chosen("pearson", &["a.npz"])?.len(), 7);
        assert_eq!(chosen("pearson", &["a.npz", "layer4"])?, ["layer4 a.npz", "a.npz layer4"]);
        Ok(())
    }

    #[test]
    fn what_is_no_selector_is_told() {
        let said = |measure, globs: &[&str]| chosen(measure, globs).err().unwrap_or_default();
        assert!(said("ckka", &[]).contains("the nearest is cka"));
        assert!(said("cka", &["["]).contains("'[' is not a pattern"));
        assert!(said("cka", &["a", "b", "c"]).contains("two places"));
    }
}
