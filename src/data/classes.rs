//! Classes by numbers without gaps.

use super::Dataset;

/// The classes of labelled samples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Classes {
    /// The class of each sample, as a place among the names.
    pub labels: Vec<usize>,
    /// The names of the classes.
    pub names: Vec<String>,
}

impl Classes {
    /// Of labels and the names that the data have for them. Where a label has none (labels beside arrays are numbers of any
    /// size), the classes are those that occur, in the order of their numbers.
    fn of(labels: &[usize], names: &[String]) -> Self {
        if labels.iter().all(|label| *label < names.len()) {
            return Self { labels: labels.to_vec(), names: names.to_vec() };
        }
        let (labels, known) = without_gaps(labels);
        let name = |label: usize| names.get(label).cloned().unwrap_or_else(|| label.to_string());
        Self { labels, names: known.into_iter().map(name).collect() }
    }

    /// The name of the class of a sample.
    pub fn of_sample(&self, sample: usize) -> &str {
        &self.names[self.labels[sample]]
    }
}

impl Dataset {
    /// The classes of the samples: all that the data name, or where they name none, those that occur. `None` for data
    /// without labels.
    pub fn numbered_classes(&self) -> Option<Classes> {
        Some(Classes::of(self.labels()?, self.classes()))
    }
}

/// Each label as its place among those that occur, and these in ascending order.
pub fn without_gaps(labels: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut known = labels.to_vec();
    known.sort_unstable();
    known.dedup();
    let place = |label: &usize| known.binary_search(label).unwrap_or_default();
    (labels.iter().map(place).collect(), known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_without_names_are_those_that_occur() {
        let of = |labels: &[usize], names: &[&str]| {
            let found =
                Classes::of(labels, &names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
            (found.labels, found.names.join(","))
        };
        assert_eq!(of(&[2, 0, 2], &["a", "b", "c"]), (vec![2, 0, 2], "a,b,c".to_owned()));
        assert_eq!(of(&[7, 3, 7], &[]), (vec![1, 0, 1], "3,7".to_owned()));
        assert_eq!(of(&[usize::MAX, 0], &["a"]), (vec![1, 0], format!("a,{}", usize::MAX)));
        assert_eq!(of(&[], &[]), (vec![], String::new()));
    }
}
