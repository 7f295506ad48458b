//! The score of a classifier that commands look at, and the classes it tells apart.

use std::path::PathBuf;

use tch::Tensor;

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::saliency::{Target, forward};
use crate::torchscript::Model;

/// Which score of a classifier is looked at.
#[derive(clap::Args)]
pub struct TargetArgs {
    /// The class whose logit is looked at, by number or name [default: the predicted one]
    #[arg(long, value_name = "CLASS", help_heading = "Target")]
    pub class: Option<String>,
    /// Look at the logit of each image's own class
    #[arg(long, conflicts_with = "class", help_heading = "Target")]
    pub true_class: bool,
    /// Look at what speaks for one class against another: A,B
    #[arg(long, value_name = "A,B", conflicts_with_all = ["class", "true_class"],
          help_heading = "Target")]
    pub contrast: Option<String>,
    /// Names of the classes, a line each [default: the sub-folders of the data]
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    pub labels: Option<PathBuf>,
    /// Which element of a tuple that the model returns is its output, from 0
    #[arg(long, value_name = "INDEX", help_heading = "Target")]
    pub output_index: Option<usize>,
}

impl TargetArgs {
    /// Names of the classes: those of the file, else the sub-folders of the data.
    pub fn class_names(&self, dataset: &Dataset) -> Result<Vec<String>> {
        let Some(path) = &self.labels else { return Ok(dataset.classes().to_vec()) };
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        Ok(text.lines().map(|line| line.trim().to_owned()).filter(|l| !l.is_empty()).collect())
    }

    /// What is explained.
    pub fn target(&self, dataset: &Dataset) -> Result<Target> {
        let names = self.class_names(dataset)?;
        if let Some(class) = &self.class {
            return Ok(Target::Class(class_of(class, &names)?));
        }
        if let Some(pair) = &self.contrast {
            let (a, b) = pair.split_once(',').ok_or_else(|| {
                let problem = format!("--contrast {pair} is no pair of classes");
                Error::usage(problem, "give two classes apart by a comma: 3,5")
            })?;
            return Ok(Target::Contrast(class_of(a, &names)?, class_of(b, &names)?));
        }
        match self.true_class {
            true if dataset.labels().is_none() => Err(Error::usage(
                "--true-class needs labels, and the data have none",
                "give a folder with a sub-folder a class, or leave it out",
            )),
            true => Ok(Target::Label),
            false => Ok(Target::Predicted),
        }
    }
}

/// The class of each sample of the data by the number of its logit, of K: the place of its name among
/// `names` where they are K and hold all of the data's, else the data's own numbers.
///
/// # Errors
/// Why that cannot be told: no labels, or another number of classes.
fn numbered(dataset: &Dataset, names: &[String], logits: usize) -> Result<Vec<usize>, String> {
    let labels = dataset.labels().ok_or("the data have no labels")?;
    let known = dataset.classes();
    let place = |name: &String| names.iter().position(|other| other == name);
    let places: Option<Vec<usize>> = known.iter().map(place).collect();
    if let Some(places) = places.filter(|p| !p.is_empty() && names.len() == logits) {
        return Ok(labels.iter().map(|&label| places[label]).collect());
    }
    let most = labels.iter().max().map_or(0, |most| most + 1);
    let fits = if known.is_empty() { most <= logits } else { known.len() == logits };
    let classes = if known.is_empty() { most } else { known.len() };
    fits.then(|| labels.to_vec()).ok_or_else(|| {
        format!(
            "the model gives {logits} logits and the data have {classes} classes: which is which \
             cannot be told"
        )
    })
}

/// The classes of the samples by the numbers of the logits, or why they are not known. What is looked
/// at must be one of the logits.
///
/// # Errors
/// The model gives no N×K logits, there is no such class, or the classes of the images are wanted and not
/// known.
pub fn own_classes(
    model: &mut Model,
    samples: &Tensor,
    dataset: &Dataset,
    (names, target): (&[String], Target),
) -> Result<Result<Vec<usize>, String>> {
    let logits = forward(model, samples)?;
    let own = vec![0; samples.size()[0] as usize];
    target.resolve(&logits, Some(&own))?;
    let found = numbered(dataset, names, logits.size()[1] as usize);
    match (&found, target) {
        (Err(reason), Target::Label) => Err(Error::usage(
            format!("--true-class needs to know the class of each image: {reason}"),
            "name the classes in the order of the logits with --labels FILE",
        )),
        _ => Ok(found),
    }
}

/// The name of a class, or its number.
pub fn name_of(names: &[String], class: usize) -> String {
    names.get(class).cloned().unwrap_or_else(|| class.to_string())
}

/// A class by its number or its name.
fn class_of(text: &str, names: &[String]) -> Result<usize> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    if let Some(place) = names.iter().position(|name| name == text) {
        return Ok(place);
    }
    let nearest = names
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(text, a).total_cmp(&strsim::jaro_winkler(text, b)));
    let remedy = match nearest {
        Some(name) => format!("the closest of {} is {name}", names.len()),
        None => "give its number, or names with --labels FILE".to_owned(),
    };
    Err(Error::usage(format!("there is no class '{text}'"), remedy))
}
