//! What is read out: classes or numbers, which samples are fitted on, and shuffled ones.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ndarray::{Array2, Axis};

use super::seen::Seen;
use super::{Probe, Share};
use crate::analysis::Draw;
use crate::analysis::session::target::names_in_order;
use crate::data::without_gaps;
use crate::error::{Error, Result};
use crate::files::{self, MOST_TEXT};
use crate::probe::{Kind, Part, folds, permuted_within, split};
use crate::report::probe::{ClassesFile, ProbeClass, Targets};
use crate::report::sha256_of_file;
use crate::stats::Draws;
use crate::view::names::counted;

/// What is read out.
pub enum Task {
    /// Classes: the number of each sample among those that occur; shuffled ones of each time.
    Classes { labels: Vec<usize>, shuffled: Vec<Vec<usize>>, classes: Vec<ProbeClass> },
    /// Numbers: a column a target.
    Numbers { values: Array2<f64>, shuffled: Vec<Array2<f64>>, told: Targets },
}

/// What is read out, and of which samples.
pub struct Truth {
    pub parts: Vec<Part>,
    pub task: Task,
    /// The file of the classes, where it is one of its own.
    pub file: Option<ClassesFile>,
}

impl Share {
    /// How many of so many samples are fitted on, about.
    pub fn fitted(self, samples: usize) -> usize {
        match self {
            Self::Folds(count) => samples - samples.div_ceil(count.max(1)),
            Self::Fraction(share) => (share * samples as f64).round() as usize,
        }
    }

    fn parts(self, labels: &[usize], seed: u64) -> Vec<Part> {
        let mut draws = Draws::new(seed);
        match self {
            Self::Folds(count) => folds(labels, count, &mut draws),
            Self::Fraction(share) => vec![split(labels, share, &mut draws)],
        }
    }
}

impl Probe {
    /// Refuses more neighbours than there are samples to find them among.
    fn check_neighbours(&self, parts: &[Part]) -> Result<()> {
        let fit = parts.iter().map(|part| part.fit.len()).min().unwrap_or(0);
        if !self.kinds.contains(&Kind::Neighbours) || self.neighbours <= fit {
            return Ok(());
        }
        let problem = format!(
            "--neighbours {}: knn has {} to fit on",
            self.neighbours,
            counted(fit, "sample")
        );
        let remedy =
            format!("give --neighbours {fit} at most or more samples, or leave knn out of --probe");
        Err(Error::usage(problem, remedy))
    }
}

impl Truth {
    /// The classes or numbers of the samples that were seen.
    ///
    /// # Errors
    /// They are not known, or cannot be divided.
    pub fn of(asked: &Probe, seen: &Seen) -> Result<Self> {
        let seed = asked.seed(Draw::Split);
        let samples = seen.samples.len();
        let mut draws = Draws::new(asked.seed(Draw::Resampling));
        if let Some(path) = &asked.targets {
            let (values, told) = table(path, &seen.samples)?;
            check_samples(asked.share, samples)?;
            let parts = asked.share.parts(&vec![0; samples], seed);
            let shuffle = |_| values.select(Axis(0), &permuted_within(&parts, samples, &mut draws));
            let shuffled = (0..asked.shuffles()).map(shuffle).collect();
            return Ok(Self { parts, task: Task::Numbers { values, shuffled, told }, file: None });
        }
        let given = asked.classes.as_deref().map(|path| listed(path, samples)).transpose()?;
        let (labels, names) = match &given {
            Some((labels, names)) => (Some(labels.as_slice()), names),
            None => (seen.labels.as_deref(), &seen.classes),
        };
        let place = asked.classes.as_ref().or(asked.data.path.as_ref()).or(asked.models.first());
        let place =
            place.or(asked.features.first()).map_or(String::new(), |p| p.display().to_string());
        let name = |class: usize| names.get(&class).cloned().unwrap_or_else(|| class.to_string());
        check_labels(labels, &name, (asked.share, &place))?;
        let (labels, classes) = dense(labels.unwrap_or_default(), &name);
        let parts = asked.share.parts(&labels, seed);
        asked.check_neighbours(&parts)?;
        let shuffle = |_| {
            let from = permuted_within(&parts, samples, &mut draws);
            from.into_iter().map(|i| labels[i]).collect()
        };
        let shuffled = (0..asked.shuffles()).map(shuffle).collect();
        let file = asked.classes.as_deref().map(classes_file).transpose()?;
        Ok(Self { parts, task: Task::Classes { labels, shuffled, classes }, file })
    }

    /// Samples that are held out by some part.
    pub fn measured(&self) -> Vec<usize> {
        let mut all: Vec<usize> =
            self.parts.iter().flat_map(|part| part.held_out.clone()).collect();
        all.sort_unstable();
        all
    }
}

/// Numbers of classes without gaps, and the classes that occur.
fn dense(labels: &[usize], name: &dyn Fn(usize) -> String) -> (Vec<usize>, Vec<ProbeClass>) {
    let (places, known) = without_gaps(labels);
    let mut counts = vec![0; known.len()];
    places.iter().for_each(|&place| counts[place] += 1);
    let class = |(class, count)| ProbeClass { name: name(class), count };
    (places, known.into_iter().zip(counts).map(class).collect())
}

/// Refuses labels that no probe can be fitted to and measured on.
///
/// # Errors
/// There are none, they are of one class, or a class has fewer samples than are divided.
pub fn check_labels(
    labels: Option<&[usize]>,
    name: &dyn Fn(usize) -> String,
    (share, place): (Share, &str),
) -> Result<()> {
    let wrong = |problem: String, remedy: &str| Err(Error::usage(problem, remedy));
    let Some(labels) = labels else {
        return wrong(
            format!("{place} has no labels, and probes read out classes"),
            "put the images of each class into a sub-folder of its own, save labels beside arrays (--classes for \
             --features), or give numbers with --targets FILE.csv",
        );
    };
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    labels.iter().for_each(|&label| *counts.entry(label).or_default() += 1);
    let known: Vec<(usize, usize)> = counts.into_iter().collect();
    let smallest = known.iter().min_by_key(|(_, count)| *count);
    let Some(&(class, count)) = smallest.filter(|_| known.len() > 1) else {
        let one = known.first().map_or("none".to_owned(), |(class, _)| name(*class));
        let problem = format!("all {} samples of {place} are of one class, {one}", labels.len());
        return wrong(problem, "give samples of two or more classes");
    };
    let few = || format!("class {} of {place} has {}", name(class), counted(count, "sample"));
    match share {
        Share::Folds(folds) if count < folds => {
            let problem = format!("--folds {folds}: {}, fewer than folds", few());
            wrong(problem, "use fewer --folds, or give more samples of it, or leave it out")
        }
        Share::Fraction(_) if count < 2 => {
            let problem = format!("{}, and one is needed to fit on and one to measure on", few());
            wrong(problem, "give more samples of it, or leave it out")
        }
        _ => Ok(()),
    }
}

fn check_samples(share: Share, samples: usize) -> Result<()> {
    let fit = share.fitted(samples);
    match share {
        Share::Folds(folds) if samples < 2 * folds => {
            let problem = format!("--folds {folds}: {samples} samples are fewer than two a fold");
            Err(Error::usage(problem, "use fewer --folds, or give more samples"))
        }
        _ if fit < 2 || samples - fit < 2 => {
            let problem = format!(
                "{samples} samples cannot be split: {fit} to fit on and {} to measure on",
                samples - fit
            );
            Err(Error::usage(problem, "give more samples, or another --fit-fraction"))
        }
        _ => Ok(()),
    }
}

fn classes_file(path: &Path) -> Result<ClassesFile> {
    Ok(ClassesFile { path: path.display().to_string(), sha256: sha256_of_file(path)? })
}

/// What to do about a file of classes.
const ONE_A_LINE: &str = "give the class of each sample, a line each";

/// The class of each sample by a file with a line each, and the names of the classes: in their order, by number where
/// all are numbers.
fn listed(path: &Path, samples: usize) -> Result<(Vec<usize>, BTreeMap<usize, String>)> {
    let lines = names_in_order(path, ONE_A_LINE)?;
    if lines.len() != samples {
        let problem =
            format!("it has {}, and there are {samples} samples", counted(lines.len(), "line"));
        return Err(Error::file("read", path, problem, ONE_A_LINE));
    }
    let mut names = lines.clone();
    names.sort_by_key(|name| (name.parse::<i64>().ok().map_or((1, 0), |n| (0, n)), name.clone()));
    names.dedup();
    let place = |line: &String| names.iter().position(|name| name == line).unwrap_or_default();
    Ok((lines.iter().map(place).collect(), names.into_iter().enumerate().collect()))
}

/// What to do about a table of targets.
const TABLE: &str = "give a header, and a row a sample: its name, then its numbers";

/// The numbers of each sample from a table, a column a target.
fn table(path: &Path, samples: &[String]) -> Result<(Array2<f64>, Targets)> {
    let bytes = files::read(path, MOST_TEXT)?;
    let wrong = |problem: String, remedy: &str| Error::file("read", path, problem, remedy);
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header = reader.headers().map_err(|e| wrong(told(&e), TABLE))?.clone();
    let names: Vec<String> = header.iter().skip(1).map(|name| name.trim().to_owned()).collect();
    if names.is_empty() {
        return Err(wrong(
            "its header names no numbers beside the names of samples".to_owned(),
            TABLE,
        ));
    }
    let mut rows: HashMap<String, Vec<f64>> = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(|e| wrong(told(&e), TABLE))?;
        let line = record.position().map_or(0, csv::Position::line);
        let name = record.get(0).unwrap_or_default().to_owned();
        let number = |(text, column): (&str, &String)| {
            let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
            number.ok_or_else(|| {
                wrong(format!("line {line}: {column} is '{text}', not a number"), TABLE)
            })
        };
        let values = record.iter().skip(1).zip(&names).map(number).collect::<Result<Vec<f64>>>()?;
        if rows.insert(name.clone(), values).is_some() {
            return Err(wrong(
                format!("line {line}: sample {name} is there twice"),
                "give each sample once",
            ));
        }
    }
    let mut values = Array2::zeros((samples.len(), names.len()));
    for (sample, mut row) in samples.iter().zip(values.rows_mut()) {
        let found = rows.get(sample).ok_or_else(|| missing(path, sample, (samples, &rows)))?;
        row.iter_mut().zip(found).for_each(|(to, from)| *to = *from);
    }
    let told = Targets { path: path.display().to_string(), sha256: sha256_of_file(path)?, names };
    Ok((values, told))
}

fn told(error: &csv::Error) -> String {
    error.to_string().to_lowercase()
}

fn missing(
    path: &Path,
    sample: &str,
    (samples, rows): (&[String], &HashMap<String, Vec<f64>>),
) -> Error {
    let count = samples.iter().filter(|name| !rows.contains_key(*name)).count();
    let problem = match count == samples.len() {
        true if rows.is_empty() => "it has a header and no rows".to_owned(),
        true => format!("none of its {} names is that of a sample, such as {sample}", rows.len()),
        false => format!("it has no row for {}, such as {sample}", counted(count, "sample")),
    };
    Error::file(
        "read",
        path,
        problem,
        "name samples as the data do: the path below the folder, or the index in an array",
    )
}
