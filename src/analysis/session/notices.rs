//! Warnings of what was noticed of a data set.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::capture::Reduce;
use crate::data::{Dataset, Enlarged, Skipped};
use crate::report::{DataInput, Warning};
use crate::view::names::{counted, few, listed};

/// The code of the warning of images that are enlarged much.
pub const ENLARGED: &str = "enlarged";

/// The code of the warning of padding that counts as a part of samples.
pub const PADDING: &str = "padding-counts";

/// Warns of files that were left out, and of images that were enlarged much.
pub fn of_data(data: &DataInput) -> Vec<Warning> {
    let warnings = [
        skipped(&data.path, &data.skipped),
        unread(&data.path, &data.unread),
        data.enlarged.as_ref().map(|enlarged| much(&data.path, enlarged)),
    ];
    warnings.into_iter().flatten().collect()
}

/// A layer that has no values.
pub struct Absent<'a> {
    /// `A` or `B`; empty where the name of the layer is that of its model.
    pub model: &'a str,
    /// Its name.
    pub layer: &'a str,
    /// What is wrong with it.
    pub why: String,
}

/// Warns of layers without values, once a model and reason.
pub fn of_absent_layers<'a>(absent: impl Iterator<Item = Absent<'a>>) -> Vec<Warning> {
    let mut groups: Vec<((&str, String), Vec<&str>)> = vec![];
    for Absent { model, layer, why } in absent {
        let key = (model, why);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, layers)) => layers.push(layer),
            None => groups.push((key, vec![layer])),
        }
    }
    let warning = |((model, why), layers): ((&str, String), Vec<&str>)| {
        let has = if layers.len() == 1 { "has" } else { "have" };
        let whose = match model {
            "" => few("model", &layers),
            model => format!("{} of {model}", few("layer", &layers)),
        };
        Warning::new("null-layer", listed(&layers), format!("{whose} {has} no values: {why}"))
    };
    groups.into_iter().map(warning).collect()
}

/// Warns of padding that counts as a part of samples.
pub fn of_padding(data: &DataInput, reduce: Reduce) -> Option<Warning> {
    let counts = matches!(reduce, Reduce::Flatten | Reduce::Gap) && data.padded > 0;
    let text = format!(
        "{} of {} are padded, and --reduce {reduce} takes padding for a part of them (tokens-mean, cls and \
         last leave it out)",
        counted(data.padded, if data.tokens.is_some() { "text" } else { "sample" }),
        data.path
    );
    counts.then(|| Warning::new(PADDING, &data.path, text))
}

/// Warns of labels that were left out.
pub fn of_labels(data: &Dataset) -> Option<Warning> {
    let text = format!("labels are left out: {}", data.labels_left_out()?);
    Some(Warning::new("labels-left-out", data.path().display(), text))
}

/// Warns of batches that hold other shares of the classes than the data has, as those of data in the order of
/// their classes do.
pub fn of_order(data: &Dataset, batch: usize) -> Option<Warning> {
    of_labels_in_order((data.labels()?, &data.path().display()), batch)
}

/// The same of labels of samples at a place.
pub fn of_labels_in_order(
    (labels, place): (&[usize], &dyn Display),
    batch: usize,
) -> Option<Warning> {
    if !follows_classes(labels, batch) {
        return None;
    }
    let text = format!(
        "the samples are in an order that goes by their classes: batches of {batch} hold some classes more often \
         than others, and HSIC averaged over them lies far from that of all samples; --estimator auto mixes the \
         samples where it takes batches, full needs none"
    );
    Some(Warning::new("classes-in-order", place, text))
}

/// Whether which class a sample has depends on its batch: by Pearson's χ² of batches and classes, where that is
/// five standard deviations above its mean and at least a hundredth of the samples.
fn follows_classes(labels: &[usize], batch: usize) -> bool {
    let shares = counts(labels);
    let batches: Vec<_> = labels.chunks(batch.max(1)).collect();
    let freedom = (batches.len().saturating_sub(1) * shares.len().saturating_sub(1)) as f64;
    if freedom == 0.0 {
        return false;
    }
    let all = labels.len() as f64;
    let of_batch = |batch: &&[usize]| {
        let found = counts(batch);
        let of_class = |(class, &count): (&usize, &f64)| {
            let expected = batch.len() as f64 * count / all;
            (found.get(class).unwrap_or(&0.0) - expected).powi(2) / expected
        };
        shares.iter().map(of_class).sum::<f64>()
    };
    let squared: f64 = batches.iter().map(of_batch).sum();
    squared > freedom + 5.0 * (2.0 * freedom).sqrt() && squared > all / 100.0
}

/// How often each class occurs.
fn counts(labels: &[usize]) -> BTreeMap<usize, f64> {
    let mut counts = BTreeMap::new();
    for &label in labels {
        *counts.entry(label).or_default() += 1.0;
    }
    counts
}

fn skipped(path: &str, files: &[Skipped]) -> Option<Warning> {
    let first = files.first()?;
    let text = format!(
        "{} unreadable files of {path} were left out, the first {} ({})",
        files.len(),
        first.name,
        first.reason
    );
    Some(Warning::new("skipped-files", &first.name, text))
}

fn unread(path: &str, files: &[String]) -> Option<Warning> {
    let first = files.first()?;
    let text = format!(
        "{} files of {path} look like pictures of kinds that are not read ({}), the first {first}: \
         they are left out; save them as PNG to use them",
        files.len(),
        endings(files)
    );
    Some(Warning::new("unread-pictures", first, text))
}

/// Each ending and how many files have it, the most frequent first.
fn endings(files: &[String]) -> String {
    let ending = |name: &String| name.rsplit('.').next().unwrap_or_default().to_lowercase();
    let mut counts = BTreeMap::<String, usize>::new();
    for name in files {
        *counts.entry(ending(name)).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let shown: Vec<_> = counts.iter().map(|(ending, count)| format!(".{ending} {count}")).collect();
    shown.join(", ")
}

fn much(path: &str, enlarged: &Enlarged) -> Warning {
    let Enlarged { name, factor, from, to } = enlarged;
    let text = format!(
        "images of {path} are enlarged {factor:.1} times ({name}: {}x{} to {}x{} pixels): if the \
         network was trained on small ones, choose its size with --resize and --crop, or \
         --preprocess raw",
        from[0], from[1], to[0], to[1]
    );
    Warning::new(ENLARGED, name, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_counted_the_most_frequent_first() {
        let files = ["a.svg", "b.AVIF", "c/d.avif", "e.heic"].map(str::to_owned);
        assert_eq!(endings(&files), ".avif 2, .heic 1, .svg 1");
    }

    #[test]
    fn an_order_by_class_is_seen_and_none_is_not() {
        let sorted = |n: usize, classes: usize| (0..n).map(|i| i * classes / n).collect::<Vec<_>>();
        for (n, classes, batch) in [(500, 10, 250), (500, 10, 64), (16, 2, 4)] {
            let labels = sorted(n, classes);
            assert!(follows_classes(&labels, batch), "{n} {classes} {batch}");
            let alternating: Vec<usize> = (0..n).map(|i| i % classes).collect();
            assert!(!follows_classes(&alternating, batch), "{n} {classes} {batch}");
            assert!(!follows_classes(&labels, n), "one batch");
        }
        let mut seed = 1_u64;
        let mut draw = || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize
        };
        for classes in [2, 10, 100] {
            let drawn: Vec<usize> = (0..600).map(|_| draw() % classes).collect();
            for batch in [8, 64, 256] {
                assert!(!follows_classes(&drawn, batch), "{classes} {batch}");
            }
        }
        assert!(!follows_classes(&[3; 40], 8), "one class");
        assert!(!follows_classes(&sorted(100, 100), 10), "each class once");
    }
}
