//! The report made of what was measured.

use super::fit::Stitches;
use super::measure::{Measured, PairScores};
use super::networks::{Networks, Pair};
use super::work::Work;
use super::{Fit, Stitch, against};
use crate::analysis::Observer;
use crate::analysis::session::accuracy;
use crate::capture::Judge;
use crate::error::Result;
use crate::functional::stitching::{Form, Scores};
use crate::functional::wilson;
use crate::report::stitch::{
    ControlResult, Controls, PairResult, StitchReport, StitchResult, StitchResults,
};
use crate::report::{Inputs, Number, Report, SchemaId, Timing, Tool, Warning};
use crate::torchscript::libtorch_version;
use crate::view::names::{counted, few};

/// Fewer samples than these to measure on say little.
const FEW: usize = 50;

/// The report.
///
/// # Errors
/// The data cannot be read again.
pub fn report(
    asked: &Stitch,
    mut networks: Networks,
    found: Measured,
    cka: Option<Vec<f64>>,
    work: Work,
    (load, device): (f64, String),
    observer: &dyn Observer,
) -> Result<StitchReport> {
    let results = results(&networks, &found, cka.as_deref(), &work);
    let diverged = diverged(&networks, &found);
    let mut warnings = std::mem::take(&mut networks.warnings);
    warnings.extend(of_results(&results));
    warnings.extend(unchosen_ridge(asked.fit, &results));
    warnings.extend(diverged);
    let timing = Timing {
        load,
        decode: work.timing.decode,
        wait: work.timing.wait,
        forward: work.timing.forward,
        measure: work.timing.measure,
        passes: work.passes,
        ..Timing::default()
    };
    let settings = asked.recorded(&work.samples, device);
    let data = work.data(&mut warnings)?;
    let judged: Vec<_> = networks.judges.iter().map(Judge::judged).collect();
    warnings.extend(accuracy::judge(&mut networks.records, &data.path, &judged, observer));
    Ok(Report {
        pictures: vec![],
        command: None,
        schema: SchemaId::current("stitch"),
        tool: Tool::current(libtorch_version()),
        inputs: Inputs { models: networks.records, data: Some(data), ..asked.running.inputs() },
        settings,
        results,
        warnings,
        timing,
    })
}

fn results(
    networks: &Networks,
    found: &Measured,
    cka: Option<&[f64]>,
    work: &Work,
) -> StitchResults {
    let labelled = networks.labels.is_some();
    let names = |i: usize, used: &dyn Fn(usize) -> bool| -> Vec<String> {
        let layers = networks.subjects[i].layers.iter().enumerate();
        layers.filter(|(place, _)| used(*place)).map(|(_, layer)| layer.name.clone()).collect()
    };
    let accuracy_a = accuracy(&found.a, networks.labels_a.is_some());
    let accuracy_b = accuracy(&found.b, labelled);
    let pair = |i: usize| {
        let mut made = of_pair(networks, found, i, labelled);
        (made.accuracy_a, made.accuracy_b) = (accuracy_a, accuracy_b);
        made.penalty = accuracy_b.get().zip(made.accuracy.get()).map(|(b, own)| b - own).into();
        made.cka = cka.map(|values| values[i].into());
        made
    };
    let pairs: Vec<PairResult> = (0..networks.pairs.len()).map(pair).collect();
    StitchResults {
        n_fit: work.read(&work.split.main).len() + work.read(&work.split.aside).len(),
        n_ridge: work.read(&work.split.aside).len(),
        n: found.b.images(),
        held_out: work.read(&work.split.held_out),
        accuracy_a,
        accuracy_b,
        without_accuracy: networks
            .unlabelled
            .clone()
            .or_else(|| unsound(&found.b, "B"))
            .or_else(|| unsound(&found.a, "A")),
        layers_a: names(0, &|i| networks.pairs.iter().any(|pair| pair.a == i)),
        layers_b: names(1, &|j| networks.pairs.iter().any(|pair| pair.b == j)),
        against: cka.map(|_| against::compared(&pairs, labelled)),
        pairs,
    }
}

fn accuracy(scores: &Scores, labelled: bool) -> Number {
    labelled.then(|| scores.accuracy()).into()
}

fn of_pair(networks: &Networks, found: &Measured, i: usize, labelled: bool) -> PairResult {
    let pair = &networks.pairs[i];
    let name = |side: usize, place: usize| networks.subjects[side].layers[place].name.clone();
    let mut made = PairResult {
        layer_a: name(0, pair.a),
        layer_b: name(1, pair.b),
        accuracy: None.into(),
        interval: None,
        accuracy_a: None.into(),
        accuracy_b: None.into(),
        agreement: None.into(),
        kl: None.into(),
        penalty: None.into(),
        controls: Controls::default(),
        stitch: None,
        cka: None,
        reason: pair.forms.as_ref().err().cloned(),
    };
    let (Some(scores), Some(stitches)) = (&found.pairs[i], &found.fits.pairs[i]) else {
        return made;
    };
    let PairScores { real, random, mean } = scores;
    made.accuracy = accuracy(real, labelled);
    made.interval = labelled.then(|| wilson(real.right(), real.images())).flatten();
    made.agreement = real.agreement().into();
    made.kl = real.divergence().into();
    made.controls.random_weights = control(random, labelled);
    made.controls.mean = control(mean, labelled);
    made.stitch = stitch(pair, stitches);
    made.reason = unsound(real, "the stitched network or B");
    made
}

/// Why a network has no value.
fn unsound(scores: &Scores, whose: &str) -> Option<String> {
    let count = scores.unsound();
    let text = format!(
        "{count} of {} samples have logits of {whose} that are NaN or infinite",
        scores.images()
    );
    (count > 0).then_some(text)
}

fn control(scores: &Scores, labelled: bool) -> ControlResult {
    ControlResult {
        accuracy: accuracy(scores, labelled),
        agreement: scores.agreement().into(),
        kl: scores.divergence().into(),
    }
}

fn stitch(pair: &Pair, stitches: &Stitches) -> Option<StitchResult> {
    let (from, to) = *pair.forms.as_ref().ok()?;
    let sizes = |form: Form| form.size();
    let resized = sizes(from).zip(sizes(to)).filter(|(a, b)| a != b).map(|(a, b)| [a, b]);
    let fitted = stitches.fitted.as_ref();
    Some(StitchResult {
        channels_a: from.channels(),
        channels_b: to.channels(),
        resized,
        rank: fitted.map(|fitted| fitted.rank),
        ridge: fitted.map(|fitted| fitted.ridge),
        explained: fitted.map(|fitted| fitted.explained).into(),
        losses: stitches.losses.as_ref().map(|l| l.iter().map(|v| (*v).into()).collect()),
    })
}

/// What a reader has to know of the numbers.
fn of_results(results: &StitchResults) -> Vec<Warning> {
    let mut said = vec![];
    if results.n < FEW {
        let text = format!(
            "measured on {}: each is {:.1} points of accuracy; give more samples, or a smaller \
             --fit-fraction",
            counted(results.n, "sample"),
            100.0 / results.n as f64
        );
        said.push(Warning::new("few-samples", "results.n", text));
    }
    if let Some(reason) =
        results.pairs.iter().find_map(|pair| pair.stitch.as_ref().and(pair.reason.as_ref()))
    {
        said.push(Warning::new("not-finite", "results.pairs", reason));
    }
    let value = |pair: &PairResult| pair.accuracy.get().or(pair.agreement.get());
    let chance = |pair: &PairResult| {
        let control = pair.controls.random_weights;
        control.accuracy.get().or(control.agreement.get())
    };
    let no_better =
        |pair: &&PairResult| value(pair).zip(chance(pair)).is_some_and(|(own, other)| own <= other);
    let names: Vec<String> = results
        .pairs
        .iter()
        .filter(no_better)
        .map(|pair| format!("{} → {}", pair.layer_a, pair.layer_b))
        .collect();
    if let Some(first) = names.first() {
        let text = format!(
            "{} of {} stitch no better than A with random weights, such as {first}: that they are compatible \
             says nothing of what A has learnt",
            names.len(),
            counted(results.pairs.len(), "pair")
        );
        said.push(Warning::new("no-better-than-random", first, text));
    }
    said
}

/// A ridge that was to be chosen, and no samples to choose it on.
fn unchosen_ridge(fit: Fit, results: &StitchResults) -> Option<Warning> {
    let text = format!(
        "no ridge was chosen, as a fifth of {} samples to fit on is none: it is 0; give more samples, or \
         --ridge",
        results.n_fit
    );
    (fit.chooses_ridge() && results.n_ridge == 0)
        .then(|| Warning::new("no-ridge", "results.n_ridge", text))
}

/// Training that ended worse than guessing.
fn diverged(networks: &Networks, found: &Measured) -> Option<Warning> {
    let stitches = networks.pairs.iter().zip(&found.fits.pairs);
    let name = |side: usize, place: usize| networks.subjects[side].layers[place].name.as_str();
    let names: Vec<String> = stitches
        .filter(|(_, stitches)| stitches.as_ref().is_some_and(|s| s.diverged))
        .map(|(pair, _)| format!("{} → {}", name(0, pair.a), name(1, pair.b)))
        .collect();
    let listed: Vec<&str> = names.iter().map(String::as_str).collect();
    let text = format!(
        "{}: training diverged, its loss is above that of guessing; take a smaller --learning-rate, or \
         --fit direct",
        few("pair", &listed)
    );
    let about = "results.pairs";
    (!names.is_empty()).then(|| Warning::new("training-diverged", about, text))
}
