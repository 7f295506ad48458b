//! What the model says of the samples, held against their labels.

use crate::analysis::sets::Collected;
use crate::classifier::{Matched, OutputForm, numbered, numbered_in_two};
use crate::novelty::predictions;
use crate::report::Warning;
use crate::report::distance::DistanceResults;

/// What the model says of the samples.
pub(super) struct Judged {
    /// Whether the names of the data's classes were found among the reference's.
    pub(super) by_name: bool,
    pub(super) label: Vec<usize>,
    pub(super) predicted: Vec<usize>,
    pub(super) correct: Vec<bool>,
    pub(super) confidence: Vec<f64>,
    pub(super) names: Vec<String>,
}

impl Judged {
    /// What the model says of each sample, held against its label.
    ///
    /// # Errors
    /// Why that is not known.
    pub(super) fn of(
        reference: &Collected,
        data: &Collected,
        form: OutputForm,
    ) -> Result<Self, String> {
        let labels = data.labels.as_ref().ok_or("the data have no labels")?;
        let logits = data.logits.as_ref().ok_or("the model gives no matrix of logits")?;
        let (label, names, by_name) = in_order(labels, data, reference, logits.ncols())?;
        let said = predictions(logits.view(), form).into_iter().collect::<Option<Vec<_>>>();
        let said = said.ok_or("the logits of a sample are NaN or infinite")?;
        let predicted: Vec<usize> = said.iter().map(|p| p.class).collect();
        let correct = predicted.iter().zip(&label).map(|(p, l)| p == l).collect();
        let confidence = said.iter().map(|p| p.confidence).collect();
        Ok(Self { by_name, label, predicted, correct, confidence, names })
    }
}

/// Labels by the numbers of the logits: by the place of a class among those of the reference where
/// the names say so, for the data may hold only some of them; else as they are. A single logit tells two
/// classes apart. Also the names of the logits, and whether those are the reference's.
fn in_order(
    labels: &[usize],
    data: &Collected,
    reference: &Collected,
    logits: usize,
) -> Result<(Vec<usize>, Vec<String>, bool), String> {
    let outputs = logits.max(2);
    let holds = |name: &String| reference.classes.contains(name);
    let known = reference.classes.len() == outputs && data.classes.iter().all(holds);
    let found = match logits == 1 && (!known || data.classes.is_empty()) {
        true => numbered_in_two(Some(labels), &data.classes)?,
        false => numbered(Some(labels), &data.classes, &reference.classes, outputs)?,
    };
    let by_name = found.matched == Matched::Names && known;
    let names = if by_name { &reference.classes } else { &data.classes };
    Ok((found.labels, names.clone(), by_name))
}

pub(super) fn of_predictions(
    results: &DistanceResults,
    judged: &Result<Judged, String>,
    reference: &Collected,
    data: &Collected,
) -> Vec<Warning> {
    let mut warnings = vec![];
    if let Err(reason) = judged {
        let text = format!("nothing is said of predictions: {reason}");
        warnings.push(Warning::new("no-predictions", "prediction", text));
    }
    let named = !reference.classes.is_empty() && !data.classes.is_empty();
    if named && judged.as_ref().is_ok_and(|judged| !judged.by_name) {
        let text = "the classes of the data are not among those of the reference by name: the logits \
                    are taken to stand in the sorted order of the data's own";
        warnings.push(Warning::new("other-classes", "data", text));
    }
    if let Some(found) = &results.prediction {
        let outputs = found.classes.len();
        if outputs > 1 && found.accuracy < 1.0 / outputs as f64 {
            let text = format!(
                "accuracy is {:.1} %, below chance: the logits probably stand in another order than \
                 the sorted names of the classes",
                100.0 * found.accuracy
            );
            warnings.push(Warning::new("below-chance", "prediction", text));
        }
    }
    let wrong = results.prediction.as_ref().map(|p| p.wrong);
    if let Some(few) = wrong.filter(|w| *w < 10) {
        let text = format!("only {few} predictions are wrong: the AUROC says little");
        warnings.push(Warning::new("few-wrong", "prediction", text));
    }
    warnings
}
