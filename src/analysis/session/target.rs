//! The score of a classifier that commands look at, and the classes that it distinguishes.

use std::path::{Path, PathBuf};

use tch::Tensor;

use crate::capture::Naming;
use crate::classifier::{Ending, Forms, OutputForm, numbered, numbered_in_two, unlike};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::files::{self, MOST_BY_HAND};
use crate::report::Warning;
use crate::saliency::{Target, forward};
use crate::torchscript::{Model, tensors};

/// What a file of names has to be.
pub const BY_LINE: &str = "give a name a line for each logit, in their order";

/// Which score of a classifier is looked at.
#[derive(Debug, Clone, Default)]
pub struct Aiming {
    /// The score.
    pub score: Score,
    /// A file with the names of the classes, a line for each logit; the classes of the data where they are
    /// as many as the logits if there is none.
    pub labels: Option<PathBuf>,
    /// Which element of a tuple that the model returns is its output.
    pub output_index: Option<usize>,
}

/// A score of a classifier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Score {
    /// The logit of the class that is predicted.
    #[default]
    Predicted,
    /// The logit of a class, by its number or name.
    Class(String),
    /// The logit of each sample's true class.
    TrueClass,
    /// The logit of one class less that of another: `A,B`.
    Contrast(String),
}

/// What is looked at in one model, and what its classes are called.
pub struct Aim {
    /// Names of the K classes, in the order of the logits; empty where they are not known.
    pub names: Vec<String>,
    /// What is explained.
    pub target: Target,
    /// The classes of the samples by the numbers of the logits, or why they are not known.
    pub labels: Result<Vec<usize>, String>,
    /// Of a single output, which of two classes each sample is of: 1 where the output predicts it.
    pub sides: Option<Vec<usize>>,
    /// What its outputs are, by those of the first samples.
    pub form: OutputForm,
    /// What was left open.
    pub warning: Option<Warning>,
}

impl Aim {
    /// Names of the outputs, for counting how often the model is right.
    pub fn naming(&self) -> Naming {
        Naming::Known(self.names.clone())
    }
}

impl Aiming {
    /// Finds what is looked at in a model of K logits, by running it on a few samples. Names name logits
    /// only where there are K of them.
    ///
    /// # Errors
    /// The model gives no N×K logits, there is no such class or its name stands for no logit, the file of
    /// labels has other than K lines, or the classes of the images are wanted and not known.
    pub fn aim(&self, model: &mut Model, samples: &Tensor, dataset: &Dataset) -> Result<Aim> {
        let logits = forward(model, samples)?;
        let own = vec![0; samples.size()[0] as usize];
        Target::Predicted.resolve(&logits, None)?;
        let count = logits.size()[1] as usize;
        let classes = Classes { names: self.names(dataset, count)?, count, dataset };
        let target = self.target(&classes)?;
        target.resolve(&logits, Some(&own))?;
        let (labels, sides) = known(dataset, &classes);
        let ending = Ending::seen(model.ends_in_sigmoid());
        let form = Forms::of(tensors::to_matrix(&logits)?.view(), ending);
        if let (Err(reason), Target::Label) = (&labels, target) {
            return Err(Error::usage(
                format!("--true-class needs to know the class of each image: {reason}"),
                "name the classes in the order of the logits with --labels FILE",
            ));
        }
        let warning = classes.unnamed().map(|reason| {
            let text = format!("{reason}; classes are given by number: --labels FILE names them");
            Warning::new("unnamed-classes", model.path().display(), text)
        });
        Ok(Aim { names: classes.names, target, labels, sides, form, warning })
    }

    /// Names of the K logits: those of the file, else the sub-folders of the data where they are K.
    fn names(&self, dataset: &Dataset, count: usize) -> Result<Vec<String>> {
        if let Some(path) = &self.labels {
            return names_in(path, count);
        }
        let known = dataset.classes();
        Ok(if known.len() == count { known.to_vec() } else { vec![] })
    }

    fn target(&self, classes: &Classes<'_>) -> Result<Target> {
        match &self.score {
            Score::Predicted => Ok(Target::Predicted),
            Score::Class(class) => Ok(Target::Class(classes.number(class)?)),
            Score::Contrast(pair) => classes.contrast(pair),
            Score::TrueClass if classes.dataset.labels().is_none() => Err(Error::usage(
                "--true-class needs labels, and the data have none",
                "give a folder with a sub-folder a class, or leave it out",
            )),
            Score::TrueClass => Ok(Target::Label),
        }
    }
}

/// The classes of the samples by the numbers of the logits, or why they are not known; and of a single
/// logit the two sides that it distinguishes.
fn known(
    dataset: &Dataset,
    classes: &Classes<'_>,
) -> (Result<Vec<usize>, String>, Option<Vec<usize>>) {
    let own = dataset.classes();
    if classes.count == 1 {
        let sides = numbered_in_two(dataset.labels(), own).map(|found| found.labels);
        let none = "the model gives one logit, and the classes have none each".to_owned();
        return (Err(sides.as_ref().err().cloned().unwrap_or(none)), sides.ok());
    }
    let labels = numbered(dataset.labels(), own, &classes.names, classes.count);
    (labels.map(|found| found.labels), None)
}

/// The lines of a file, a name for each of K logits.
///
/// # Errors
/// As [`names_in_order`], or there are other than K lines.
pub fn names_in(path: &Path, count: usize) -> Result<Vec<String>> {
    let names = names_in_order(path, BY_LINE)?;
    check_names(path, &names, count)?;
    Ok(names)
}

/// Refuses names from a file that are other than K.
///
/// # Errors
/// They are.
pub fn check_names(path: &Path, names: &[String], count: usize) -> Result<()> {
    let problem = format!("it names {} classes, and the model gives {count} logits", names.len());
    match names.len() == count {
        true => Ok(()),
        false => Err(Error::file("read", path, problem, BY_LINE)),
    }
}

/// The lines of a file, a name each; `remedy` says what the file has to be.
///
/// # Errors
/// It cannot be read, is not text, or has a blank line.
pub fn names_in_order(path: &Path, remedy: &str) -> Result<Vec<String>> {
    let bytes = files::read(path, MOST_BY_HAND)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::file("read", path, "it is not text", remedy))?;
    let names: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
    if let Some(blank) = names.iter().position(String::is_empty) {
        let problem = format!("line {} is blank, and later names would shift", blank + 1);
        return Err(Error::file("read", path, problem, remedy));
    }
    Ok(names)
}

/// The classes that the logits of a model stand for.
struct Classes<'a> {
    /// One a logit, or none.
    names: Vec<String>,
    /// Logits.
    count: usize,
    dataset: &'a Dataset,
}

impl Classes<'_> {
    /// Why the classes of the data name no logits.
    fn unnamed(&self) -> Option<String> {
        let known = self.dataset.classes().len();
        (self.names.is_empty() && known > 0 && self.count > 1).then(|| unlike(self.count, known))
    }

    /// Two classes separated by a comma.
    fn contrast(&self, pair: &str) -> Result<Target> {
        let (a, b) = pair.split_once(',').ok_or_else(|| {
            let problem = format!("--contrast {pair} is not a pair of classes");
            Error::usage(problem, "give two classes separated by a comma: 3,5")
        })?;
        let (class, other) = (self.number(a)?, self.number(b)?);
        if class == other {
            let problem = format!("--contrast {pair} holds a class against itself");
            return Err(Error::usage(problem, "give two different classes"));
        }
        Ok(Target::Contrast(class, other))
    }

    /// A class by its number or its name.
    fn number(&self, text: &str) -> Result<usize> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(|number: u32| number as usize).map_err(|_| {
                let remedy = format!("the model gives {} logits, counted from 0", self.count);
                Error::usage(format!("there is no class {text}"), remedy)
            });
        }
        if let Some(reason) = self.unnamed() {
            let problem = format!("class '{text}' has no number: {reason}");
            return Err(Error::usage(problem, "give its number, or names with --labels FILE"));
        }
        let called = |name: &&String| name.as_str() == text;
        match self.names.iter().filter(called).count() {
            0 => Err(self.unknown(text)),
            1 => Ok(self.names.iter().position(|name| name == text).unwrap_or_default()),
            several => Err(Error::usage(
                format!("{several} classes are called '{text}'"),
                "give the number of one",
            )),
        }
    }

    fn unknown(&self, text: &str) -> Error {
        let alike = |name: &str| strsim::jaro_winkler(text, name);
        let nearest = self.names.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
        let remedy = match nearest {
            Some(name) => format!("the closest of {} is {name}", self.names.len()),
            None => "give its number, or names with --labels FILE".to_owned(),
        };
        Error::usage(format!("there is no class '{text}'"), remedy)
    }
}

/// The name of a class, or its number.
pub fn name_of(names: &[String], class: usize) -> String {
    names.get(class).cloned().unwrap_or_else(|| class.to_string())
}
