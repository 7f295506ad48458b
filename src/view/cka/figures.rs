//! What stands below the table of a comparison by CKA: figures of all of it.

use crate::report::ModelInput;
use crate::report::cka::CkaReport;
use crate::view::names::counted;

/// How many samples there were and the mean of the diagonal, how often each model is right, and which estimator was
/// chosen; a line each.
pub(super) fn lines(report: &CkaReport) -> String {
    let sides = ["A", "B"].into_iter().zip(&report.inputs.models);
    let right = sides.filter_map(|(side, model)| right(side, model));
    [samples(report)]
        .into_iter()
        .chain(right)
        .chain(report.settings.choice())
        .collect::<Vec<_>>()
        .join("\n")
}

/// `n = 500 samples; mean CKA of 21 corresponding layers (the diagonal): 0.8731, with control c.pt 0.4021`.
fn samples(report: &CkaReport) -> String {
    let n = format!("n = {}", counted(report.results.n, "sample"));
    let alone = report.inputs.names().len() < 2;
    let diagonal = mean(&report.results.diagonal()).filter(|_| !alone);
    let own = diagonal.map(|(mean, count)| {
        let layers = counted(count, "corresponding layer");
        format!("mean CKA of {layers} (the diagonal): {mean:.4}")
    });
    let controls = report.results.controls.iter().filter_map(|control| {
        let values: Vec<_> = control.layers.iter().map(|layer| layer.cka.get()).collect();
        let (mean, _) = mean(&values)?;
        Some(format!("with control {}: {mean:.4}", control.name))
    });
    let means: Vec<String> = own.into_iter().chain(controls).collect();
    if means.is_empty() { n } else { format!("{n}; {}", means.join(", ")) }
}

/// The mean of the values that are there, and how many these are.
fn mean(values: &[Option<f64>]) -> Option<(f64, usize)> {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    (!known.is_empty()).then(|| (known.iter().sum::<f64>() / known.len() as f64, known.len()))
}

/// `A, seed0.pt: right for 456 of 500 samples of photos/ (91.2 %, chance 10 %)`.
fn right(side: &str, model: &ModelInput) -> Option<String> {
    let words = model.accuracy.iter().find_map(crate::report::ModelAccuracy::in_words)?;
    Some(format!("{side}, {}: {words}", model.name()))
}
