//! Which samples a probe is fitted on, and which it is measured on.

use crate::stats::Draws;

/// Positions of samples, each list ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// To fit on.
    pub fit: Vec<usize>,
    /// To measure on.
    pub held_out: Vec<usize>,
}

/// So many random folds, each of which is held out once, with as many samples of each class in each, except for one:
/// the samples of a class are dealt out in random order, going on where the class before it ended.
pub fn folds(labels: &[usize], count: usize, draws: &mut Draws) -> Vec<Part> {
    let mut fold_of = vec![0; labels.len()];
    let mut next = 0;
    for members in shuffled_by_class(labels, draws) {
        for i in members {
            fold_of[i] = next % count.max(1);
            next += 1;
        }
    }
    let part = |fold: usize| {
        let (held_out, fit) = (0..labels.len()).partition(|&i| fold_of[i] == fold);
        Part { fit, held_out }
    };
    (0..count).map(part).collect()
}

/// A random split with this share of each class to fit on, at least one sample of a class on either side.
pub fn split(labels: &[usize], fraction: f64, draws: &mut Draws) -> Part {
    let mut part = Part { fit: vec![], held_out: vec![] };
    for members in shuffled_by_class(labels, draws) {
        let fit = (fraction * members.len() as f64).round() as usize;
        let fit = fit.clamp(1, members.len().saturating_sub(1).max(1));
        part.fit.extend(&members[..fit]);
        part.held_out.extend(&members[fit..]);
    }
    part.fit.sort_unstable();
    part.held_out.sort_unstable();
    part
}

/// The members of each class in random order, the lowest class first.
fn shuffled_by_class(labels: &[usize], draws: &mut Draws) -> Vec<Vec<usize>> {
    let classes = labels.iter().max().map_or(0, |most| most + 1);
    let mut members = vec![vec![]; classes];
    for i in draws.order(labels.len()) {
        members[labels[i]].push(i);
    }
    members.retain(|members| !members.is_empty());
    members
}

/// Of each sample the one whose label it has where labels are shuffled within what each part holds out, and within
/// what is in none: every part keeps the number of samples of each class.
pub fn permuted_within(parts: &[Part], samples: usize, draws: &mut Draws) -> Vec<usize> {
    let mut from: Vec<usize> = (0..samples).collect();
    let held_out: Vec<&Vec<usize>> = parts.iter().map(|part| &part.held_out).collect();
    let rest: Vec<usize> = (0..samples)
        .filter(|i| held_out.iter().all(|part| part.binary_search(i).is_err()))
        .collect();
    for group in held_out.into_iter().chain([&rest]) {
        for (&i, place) in group.iter().zip(draws.order(group.len())) {
            from[i] = group[place];
        }
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<usize> {
        (0..53).map(|i| [0, 0, 0, 2, 2, 5][i % 6]).collect()
    }

    fn counts(labels: &[usize], places: &[usize], class: usize) -> usize {
        places.iter().filter(|&&i| labels[i] == class).count()
    }

    #[test]
    fn folds_hold_each_sample_once_and_each_class_evenly() {
        let labels = labels();
        let parts = folds(&labels, 4, &mut Draws::new(1));
        let mut all: Vec<usize> = parts.iter().flat_map(|part| part.held_out.clone()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..53).collect::<Vec<_>>());
        for class in [0, 2, 5] {
            let each: Vec<usize> =
                parts.iter().map(|p| counts(&labels, &p.held_out, class)).collect();
            assert!(
                each.iter().max().unwrap_or(&9) - each.iter().min().unwrap_or(&0) <= 1,
                "{each:?}"
            );
        }
        let sizes: Vec<usize> = parts.iter().map(|part| part.held_out.len()).collect();
        assert_eq!((sizes.iter().min(), sizes.iter().max()), (Some(&13), Some(&14)));
        assert!(parts.iter().all(|p| p.fit.len() + p.held_out.len() == 53 && p.fit.is_sorted()));
        assert_ne!(parts, folds(&labels, 4, &mut Draws::new(2)));
    }

    #[test]
    fn a_split_takes_its_share_of_each_class() {
        let labels = labels();
        let part = split(&labels, 0.75, &mut Draws::new(1));
        let share =
            |class| (counts(&labels, &part.fit, class), counts(&labels, &part.held_out, class));
        assert_eq!([share(0), share(2), share(5)], [(20, 7), (14, 4), (6, 2)]);
        let few = split(&[0, 0, 1, 1], 0.99, &mut Draws::new(1));
        assert_eq!((few.fit.len(), few.held_out.len()), (2, 2));
    }

    #[test]
    fn shuffled_labels_keep_the_classes_of_each_part() {
        let labels = labels();
        let parts =
            [folds(&labels, 4, &mut Draws::new(1)), vec![split(&labels, 0.5, &mut Draws::new(1))]];
        for parts in parts {
            let from = permuted_within(&parts, labels.len(), &mut Draws::new(3));
            let shuffled: Vec<usize> = from.iter().map(|&i| labels[i]).collect();
            assert_ne!(shuffled, labels);
            for part in &parts {
                let same = |places: &[usize], class| {
                    counts(&labels, places, class) == counts(&shuffled, places, class)
                };
                assert!([0, 2, 5].iter().all(|&c| same(&part.fit, c) && same(&part.held_out, c)));
            }
        }
    }
}
