//! Values under the other names of their layers and candidates: a layer that gives the very tensor of another
//! is measured once, and stands in the report as an alias of that one.

use serde_json::Value;

use super::measures::Places;
use super::values::{Content, Entry};

/// Other names of the layers of one model: the name in the report, and an alias.
type Names = Vec<(String, String)>;

/// Copies of the values of layers under all other names of these, each with the place of its original
/// among `entries`.
pub(super) fn renamed(json: &Value, entries: &[Entry]) -> Vec<(Entry, usize)> {
    let models: Vec<Names> = models(json);
    let (Some(a), Some(b)) = (models.first(), models.last()) else { return vec![] };
    if a.is_empty() && b.is_empty() {
        return vec![];
    }
    let none = Names::new();
    let copies = |(i, entry): (usize, &Entry)| {
        let names = match entry.facts().map(|facts| facts.places) {
            Some(Places::Layers) => [a, b],
            Some(Places::LayerAndName) => [a, &none],
            _ => return vec![],
        };
        let copy = move |place| (Entry { place, ..entry.clone() }, i);
        other_places(&entry.place, names).into_iter().map(copy).collect::<Vec<_>>()
    };
    entries.iter().enumerate().flat_map(copies).collect()
}

/// Copies of the values of candidates under the other names of these, each with the place of its
/// original.
pub(super) fn of_candidates(content: &Content) -> Vec<(Entry, usize)> {
    let other = |name: &String| {
        let found = content.candidates.iter().find(|candidate| candidate.name == *name);
        found.and_then(|candidate| candidate.other.clone())
    };
    let copy = |(i, entry): (usize, &Entry)| {
        let place = vec![other(entry.place.first()?)?];
        Some((Entry { place, ..entry.clone() }, i))
    };
    content.entries.iter().enumerate().filter_map(copy).collect()
}

fn models(json: &Value) -> Vec<Names> {
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let pairs = |layer: &Value| -> Names {
        let name = layer["name"].as_str().unwrap_or_default();
        let aliases = array(&layer["aliases"]);
        aliases.iter().filter_map(|a| Some((name.to_owned(), a.as_str()?.to_owned()))).collect()
    };
    let names = |model: &Value| array(&model["layers"]).iter().flat_map(pairs).collect();
    array(&json["inputs"]["models"]).iter().map(names).collect()
}

/// All ways to name a place other than its own: of one layer, or of a layer of A and one of B.
fn other_places(place: &[String], [a, b]: [&Names; 2]) -> Vec<Vec<String>> {
    let called = |name: &String, names: &Names| {
        let others = names.iter().filter(|(own, _)| own == name).map(|(_, alias)| alias.clone());
        std::iter::once(name.clone()).chain(others).collect::<Vec<_>>()
    };
    let all: Vec<Vec<String>> = match place {
        [one] => called(one, a).into_iter().map(|name| vec![name]).collect(),
        [one, two] => {
            let twos = called(two, b);
            let with = |one: String| twos.iter().map(move |two| vec![one.clone(), two.clone()]);
            called(one, a).into_iter().flat_map(with).collect()
        }
        _ => vec![],
    };
    all.into_iter().skip(1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_has_names_of_its_own() {
        let names = |pairs: &[(&str, &str)]| -> Names {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        let (a, b) = (names(&[("layer1.1", "layer1")]), names(&[("fc", "head"), ("fc", "out")]));
        let place = ["layer1.1", "fc"].map(str::to_owned);
        let found = other_places(&place, [&a, &b]);
        assert_eq!(found.len(), 5);
        assert!(found.contains(&vec!["layer1".to_owned(), "out".to_owned()]), "{found:?}");
        assert!(other_places(&["fc".to_owned(), "layer1.1".to_owned()], [&a, &b]).is_empty());
    }
}
