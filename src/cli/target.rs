//! The options of the score of a classifier that is looked at.

use std::path::PathBuf;

use super::limits;
use crate::analysis::{Aiming, Score};

/// Which score of a classifier is looked at.
#[derive(clap::Args)]
pub struct TargetArgs {
    /// The class whose logit is explained, by number or name [default: the predicted one]
    #[arg(long, value_name = "CLASS", help_heading = "Target")]
    class: Option<String>,
    /// Explain the logit of each image's true class
    #[arg(long, conflicts_with = "class", help_heading = "Target")]
    true_class: bool,
    /// Explain the difference between the logits of two classes: A,B
    #[arg(long, value_name = "A,B", conflicts_with_all = ["class", "true_class"],
          help_heading = "Target")]
    contrast: Option<String>,
    /// Names of the classes, one line per logit [default: the sub-folders of the data, if there are as
    /// many as logits]
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    labels: Option<PathBuf>,
    /// Index, from 0, of the output in the tuple that the model returns (-o, --output is the file of the report)
    #[arg(long, value_name = "INDEX", help_heading = "Target", value_parser = limits::INDEX)]
    output_index: Option<usize>,
}

impl TargetArgs {
    /// The score asked for.
    pub fn request(&self) -> Aiming {
        let score = match (&self.class, &self.contrast, self.true_class) {
            (Some(class), _, _) => Score::Class(class.clone()),
            (_, Some(pair), _) => Score::Contrast(pair.clone()),
            (_, _, true) => Score::TrueClass,
            _ => Score::Predicted,
        };
        Aiming { score, labels: self.labels.clone(), output_index: self.output_index }
    }
}
