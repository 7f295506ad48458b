//! Which output of a classifier stands for which class of the data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// By what the classes of the data were matched with the outputs of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Matched {
    /// By names: as many as the outputs, in their order (sub-folders in the order of their names, or a
    /// file of labels).
    Names,
    /// By the numbers of the labels.
    Numbers,
}

/// The classes of samples by the numbers of a model's outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbering {
    /// One a sample.
    pub labels: Vec<usize>,
    /// By what they were found.
    pub matched: Matched,
}

/// The class of each sample by the number of its output, of K: the place of its name among `names` where
/// they are K and hold all of the data's, else the data's own numbers. `classes` are the data's own
/// names, empty where they have none.
///
/// # Errors
/// Why that is not known: no labels, or another number of classes.
pub fn numbered(
    labels: Option<&[usize]>,
    classes: &[String],
    names: &[String],
    outputs: usize,
) -> Result<Numbering, String> {
    let labels = labels.ok_or("the data have no labels")?;
    let once = |name: &String| names.iter().filter(|other| *other == name).count() == 1;
    let place = |name: &String| names.iter().position(|other| other == name).filter(|_| once(name));
    let places: Option<Vec<usize>> = classes.iter().map(place).collect();
    if let Some(places) = places.filter(|p| !p.is_empty() && names.len() == outputs) {
        let labels = labels.iter().map(|&label| places[label]).collect();
        return Ok(Numbering { labels, matched: Matched::Names });
    }
    let most = labels.iter().max().copied().unwrap_or(0);
    match classes.is_empty() {
        true if most.checked_add(1) == Some(outputs) => {
            Ok(Numbering { labels: labels.to_vec(), matched: Matched::Numbers })
        }
        true => Err(format!(
            "the model gives {outputs} logits and the labels go up to {most}, not {}: which is which \
             is not known",
            outputs.saturating_sub(1)
        )),
        false if classes.len() == outputs => {
            Ok(Numbering { labels: labels.to_vec(), matched: Matched::Names })
        }
        false => Err(unlike(outputs, classes.len())),
    }
}

/// The class of each sample, 0 or 1, for a network with a single output, which is the score of the
/// second of two classes: of names in their order, of numbers 1.
///
/// # Errors
/// Why that is not known: no labels, or other than two classes.
pub fn numbered_in_two(labels: Option<&[usize]>, classes: &[String]) -> Result<Numbering, String> {
    let labels = labels.ok_or("the data have no labels")?;
    let most = labels.iter().max().map_or(0, |most| most + 1);
    let (count, matched) = match classes.is_empty() {
        true => (most.max(2), Matched::Numbers),
        false => (classes.len(), Matched::Names),
    };
    match count == 2 && most <= 2 {
        true => Ok(Numbering { labels: labels.to_vec(), matched }),
        false => Err(format!(
            "the model gives one output, which distinguishes two classes, and the data have {count}"
        )),
    }
}

/// Why the classes of the data are not those of the outputs.
pub fn unlike(outputs: usize, classes: usize) -> String {
    format!(
        "the model gives {outputs} logits and the data have {classes} classes: which is which is not \
         known"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_go_before_numbers() {
        let (own, known) = (names(&["b", "c"]), names(&["a", "b", "c"]));
        let found = numbered(Some(&[0, 1, 1]), &own, &known, 3);
        assert_eq!(found, Ok(Numbering { labels: vec![1, 2, 2], matched: Matched::Names }));
        let found = numbered(Some(&[0, 2]), &[], &[], 3);
        assert_eq!(found, Ok(Numbering { labels: vec![0, 2], matched: Matched::Numbers }));
        let found = numbered(Some(&[0, 1]), &own, &names(&["x", "y"]), 2);
        assert_eq!(found, Ok(Numbering { labels: vec![0, 1], matched: Matched::Names }));
    }

    #[test]
    fn one_output_tells_two_classes_apart() {
        let own = names(&["cat", "dog"]);
        let found = numbered_in_two(Some(&[1, 1]), &own);
        assert_eq!(found, Ok(Numbering { labels: vec![1, 1], matched: Matched::Names }));
        let found = numbered_in_two(Some(&[0, 0]), &[]);
        assert_eq!(found, Ok(Numbering { labels: vec![0, 0], matched: Matched::Numbers }));
        for (labels, own) in [(Some([0, 2]), vec![]), (Some([0, 1]), names(&["a", "b", "c"]))] {
            let why = numbered_in_two(labels.as_ref().map(|l| l.as_slice()), &own);
            assert!(why.is_err_and(|why| why.ends_with("the data have 3")));
        }
        assert!(numbered_in_two(None, &[]).is_err());
    }

    #[test]
    fn what_cannot_be_matched_says_why() {
        let says = |found: Result<Numbering, String>| found.err().unwrap_or_default();
        assert!(says(numbered(None, &[], &[], 3)).contains("no labels"));
        let own = names(&["b", "c"]);
        assert!(
            says(numbered(Some(&[0]), &own, &own, 1000))
                .contains("1000 logits and the data have 2")
        );
        assert!(says(numbered(Some(&[7]), &[], &[], 3)).contains("go up to 7, not 2"));
        // The features of an encoder are not logits.
        assert!(says(numbered(Some(&[9]), &[], &[], 64)).contains("64 logits"));
    }
}
