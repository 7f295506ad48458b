//! `repsim distance`: how far samples lie from a reference, and whether that tells right
//! predictions from wrong ones.

use std::path::{Path, PathBuf};
use std::time::Instant;

use ndarray::Axis;

use super::Status;
use super::extract::ExtractArgs;
use super::gate::GateArgs;
use super::limits;
use super::output::{self, Messages};
use super::sets::{Collected, Keep, Sets};
use super::{picture, samples};
use crate::capture::Naming;
use crate::classifier::{Matched, OutputForm, numbered, numbered_in_two};
use crate::data::ArrayLayout;
use crate::error::{Error, Result};
use crate::novelty::{Classes, Mahalanobis, Nearest, Neighbours, auroc, deciles, predictions};
use crate::report::distance::{
    Aurocs, Decile, Deciles, DistanceReport, DistanceResults, DistanceSettings, MahalanobisResult,
    NeighbourResult, NullValue, PredictionResult, SampleRow, Spread,
};
use crate::report::{Inputs, Report, SchemaId, Timing, Tool, Warning};
use crate::torchscript::{libtorch_version, native};

/// Options of `repsim distance`.
#[derive(clap::Args)]
pub struct Args {
    /// What the model knows: a folder of images (sub-folders are classes), or an array of images or
    /// of features (.npy, .npz, .safetensors; `labels` beside it are classes)
    #[arg(value_name = "REFERENCE")]
    reference: PathBuf,
    /// The samples to measure, in any of these forms
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Write the report as JSON to a file, - for standard output [default: standard output, or a
    /// table on a terminal]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write a row a sample: FILE.jsonl or FILE.csv
    #[arg(long, value_name = "FILE")]
    per_sample: Option<PathBuf>,
    /// Draw accuracy against distance: FILE.png or FILE.svg
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Which nearest neighbour's distance is taken
    #[arg(long, value_name = "K", default_value_t = 10, help_heading = "Measure",
          value_parser = limits::COUNT)]
    k: usize,
    /// As --layout, for the reference alone
    #[arg(long, value_name = "ORDER", help_heading = "Data")]
    reference_layout: Option<ArrayLayout>,
    #[command(flatten)]
    extract: ExtractArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// Measures every sample of the data against the reference.
///
/// # Errors
/// Anything that keeps the measurement from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let started = Instant::now();
    args.check()?;
    let gate = args.gate.prepare("distance", args.output.as_deref())?;
    let mut found = measure(args, messages)?;
    for warning in &found.report.warnings {
        messages.warning(warning);
    }
    if let Some(path) = &args.per_sample {
        samples::write(path, &found.rows)?;
    }
    found.report.timing.total = started.elapsed().as_secs_f64();
    show(args, &found.report, messages)?;
    args.plot.as_deref().map_or(Ok(()), |path| draw(path, &found.report))?;
    gate.finish(&found.report, Status::Done, messages)
}

/// A report, and what stands in files of their own.
struct Found {
    report: DistanceReport,
    rows: Vec<SampleRow>,
}

/// Distances of the samples, and of the reference's own.
struct Distances {
    nearest: Vec<Nearest>,
    own: Vec<f64>,
    neighbour: Vec<f64>,
    /// Within the class where it is smallest, where the reference has labels.
    neighbour_in_class: Option<Vec<f64>>,
    shrinkage: f64,
    /// The class of the reference that each mean belongs to.
    classes: Vec<usize>,
}

/// What the model says of the samples.
struct Judged {
    /// Whether the names of the data's classes were found among the reference's.
    by_name: bool,
    label: Vec<usize>,
    predicted: Vec<usize>,
    correct: Vec<bool>,
    confidence: Vec<f64>,
    names: Vec<String>,
}

/// A plot of accuracy needs labels.
fn check_labels(args: &Args, sets: &Sets<'_>) -> Result<()> {
    if args.plot.is_some() && !sets.has_labels(&args.data)? {
        let problem = "accuracy cannot be drawn: the data have no labels";
        let remedy = "leave --plot out, or give a folder with a sub-folder a class";
        return Err(Error::file("draw", &args.data, problem, remedy));
    }
    Ok(())
}

fn measure(args: &Args, messages: &Messages) -> Result<Found> {
    native::set_threads(args.extract.run.threads());
    let mut sets = Sets::new(&args.extract, messages, Keep::Classes);
    sets.check_axes(&[&args.reference, &args.data])?;
    check_labels(args, &sets)?;
    let reference = sets.with_layout(&args.reference, args.reference_layout, |sets| {
        sets.collect(&args.reference, false)
    })?;
    sets.features.naming = Naming::Known(reference.classes.clone());
    let data = sets.collect(&args.data, true)?;
    check_widths(args, &reference, &data)?;
    let measuring = Instant::now();
    let threads = args.extract.run.threads();
    let distances =
        native::with_blas_threads(threads, || Distances::of(&reference, &data, args.k))?;
    let measuring = measuring.elapsed().as_secs_f64();
    let form = sets.features.ready().and_then(|ready| ready.record.output).unwrap_or_default();
    let judged = Judged::of(&reference, &data, form);
    let rows = rows(&reference, &data, &distances, judged.as_ref().ok());
    let results = results(args, &sets, (&reference, &data), &distances, &judged);
    let mut warnings = sets.noticed();
    warnings.extend(sets.unused_model());
    let ready = sets.features.ready();
    warnings.extend(of_results(&results, &judged, &reference, &data));
    let spent = &sets.features.timing;
    let report = Report {
        schema: SchemaId::current("distance"),
        tool: Tool::current(libtorch_version()),
        inputs: Inputs {
            models: ready.iter().map(|r| r.record.clone()).collect(),
            sets: vec![reference.input, data.input],
            ..Inputs::default()
        },
        settings: args.recorded(&sets),
        results,
        warnings,
        pictures: vec![],
        timing: Timing {
            load: sets.features.loading,
            decode: spent.decode,
            wait: spent.wait,
            forward: spent.forward,
            measure: spent.measure,
            distance: Some(measuring),
            passes: 1,
            ..Timing::default()
        },
    };
    Ok(Found { report, rows })
}

impl Distances {
    fn of(reference: &Collected, data: &Collected, k: usize) -> Result<Self> {
        let Classes { means, labels, covariance } =
            Classes::of(reference.rows.view(), reference.labels.as_deref());
        let fitted = Mahalanobis::fit(means, covariance.view(), reference.rows.nrows())?;
        let own = fitted.nearest(reference.rows.view());
        Ok(Self {
            nearest: fitted.nearest(data.rows.view()),
            own: own.iter().map(|nearest| nearest.distance).collect(),
            neighbour: Neighbours::fit(reference.rows.clone(), k)?.kth(data.rows.view()),
            neighbour_in_class: in_class(reference, data, k)?,
            shrinkage: fitted.shrinkage(),
            classes: labels,
        })
    }

    fn mahalanobis(&self) -> Vec<f64> {
        self.nearest.iter().map(|nearest| nearest.distance).collect()
    }
}

/// The smallest over the classes of the reference of the distance from the k-th nearest sample of the
/// class, or from its last where it has fewer.
fn in_class(reference: &Collected, data: &Collected, k: usize) -> Result<Option<Vec<f64>>> {
    let Some(labels) = &reference.labels else { return Ok(None) };
    let mut classes = labels.clone();
    classes.sort_unstable();
    classes.dedup();
    let mut least = vec![f64::INFINITY; data.rows.nrows()];
    for class in classes {
        let members: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
        let rows = reference.rows.select(Axis(0), &members);
        let found = Neighbours::fit(rows, k.min(members.len()))?.kth(data.rows.view());
        least.iter_mut().zip(found).for_each(|(least, d)| *least = least.min(d));
    }
    Ok(Some(least))
}

impl Judged {
    /// What the model says of each sample, held against its label.
    ///
    /// # Errors
    /// Why that cannot be told.
    fn of(reference: &Collected, data: &Collected, form: OutputForm) -> Result<Self, String> {
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

fn check_widths(args: &Args, reference: &Collected, data: &Collected) -> Result<()> {
    let (a, b) = (reference.rows.shape(), data.rows.shape());
    if a[1] == b[1] {
        return Ok(());
    }
    Err(Error::shape(
        "take distances",
        (args.reference.display(), a),
        (args.data.display(), b),
        "use the same layer of the same model for both",
    ))
}

fn results(
    args: &Args,
    sets: &Sets<'_>,
    (reference, data): (&Collected, &Collected),
    distances: &Distances,
    judged: &Result<Judged, String>,
) -> DistanceResults {
    let mahalanobis = distances.mahalanobis();
    let own = Spread::of(&distances.own);
    let beyond = mahalanobis.iter().filter(|d| **d > own.q95).count();
    let null =
        |reason: &String| NullValue { field: "prediction".to_owned(), reason: reason.clone() };
    DistanceResults {
        layer: sets.features.ready().map(|r| r.layer.clone()),
        width: data.rows.ncols(),
        n_reference: reference.rows.nrows(),
        n: data.rows.nrows(),
        classes: match &reference.labels {
            Some(_) => distances.classes.iter().map(|&c| class(&reference.classes, c)).collect(),
            None => vec![],
        },
        mahalanobis: MahalanobisResult {
            covariance: match &reference.labels {
                Some(_) => "within-classes".to_owned(),
                None => "whole".to_owned(),
            },
            estimator: "oas".to_owned(),
            shrinkage: distances.shrinkage,
            samples: Spread::of(&mahalanobis),
            reference: own,
            beyond_reference: beyond as f64 / mahalanobis.len() as f64,
        },
        neighbour: NeighbourResult {
            k: args.k,
            normalized: true,
            samples: Spread::of(&distances.neighbour),
            in_class: distances.neighbour_in_class.as_deref().map(Spread::of),
        },
        prediction: judged.as_ref().ok().map(|judged| prediction(judged, distances)),
        nulls: judged.as_ref().err().map(null).into_iter().collect(),
    }
}

fn prediction(judged: &Judged, distances: &Distances) -> PredictionResult {
    let wrong: Vec<bool> = judged.correct.iter().map(|right| !right).collect();
    let count = wrong.iter().filter(|wrong| **wrong).count();
    let doubt: Vec<f64> = judged.confidence.iter().map(|p| 1.0 - p).collect();
    let mahalanobis = distances.mahalanobis();
    let groups = |scores: &[f64]| -> Vec<Decile> {
        deciles(scores, &judged.correct).iter().map(Decile::from).collect()
    };
    PredictionResult {
        classes: judged.names.clone(),
        accuracy: (wrong.len() - count) as f64 / wrong.len() as f64,
        wrong: count,
        auroc: Aurocs {
            mahalanobis: auroc(&mahalanobis, &wrong).into(),
            neighbour: auroc(&distances.neighbour, &wrong).into(),
            neighbour_in_class: auroc_of(&distances.neighbour_in_class, &wrong).into(),
            confidence: auroc(&doubt, &wrong).into(),
        },
        deciles: Deciles {
            mahalanobis: groups(&mahalanobis),
            neighbour: groups(&distances.neighbour),
            confidence: groups(&doubt),
        },
    }
}

fn auroc_of(scores: &Option<Vec<f64>>, wrong: &[bool]) -> Option<f64> {
    auroc(scores.as_ref()?, wrong)
}

/// The name of a class, or its number.
fn class(names: &[String], class: usize) -> String {
    names.get(class).cloned().unwrap_or_else(|| class.to_string())
}

fn rows(
    reference: &Collected,
    data: &Collected,
    distances: &Distances,
    judged: Option<&Judged>,
) -> Vec<SampleRow> {
    let row = |i: usize| {
        let nearest = distances.nearest[i];
        let known = |of: fn(&Judged) -> &Vec<usize>| judged.map(|j| class(&j.names, of(j)[i]));
        let own = data.labels.as_ref().map(|labels| class(&data.classes, labels[i]));
        SampleRow {
            sample: data.names[i].clone(),
            mahalanobis: nearest.distance,
            nearest_class: reference
                .labels
                .as_ref()
                .map(|_| class(&reference.classes, distances.classes[nearest.class])),
            neighbour: distances.neighbour[i],
            neighbour_in_class: distances.neighbour_in_class.as_ref().map(|found| found[i]),
            label: known(|j| &j.label).or(own),
            predicted: known(|j| &j.predicted),
            correct: judged.map(|j| j.correct[i]),
            confidence: judged.map(|j| j.confidence[i]),
        }
    };
    (0..data.names.len()).map(row).collect()
}

fn of_results(
    results: &DistanceResults,
    judged: &Result<Judged, String>,
    reference: &Collected,
    data: &Collected,
) -> Vec<Warning> {
    let mut warnings = of_predictions(results, judged, reference, data);
    let free = results.n_reference.saturating_sub(results.classes.len().max(1));
    if free <= results.width {
        let text = format!(
            "the covariance of {} features comes from {} samples: most of it is shrinkage ({:.2} of \
             the identity); use more reference samples, or a layer with fewer features",
            results.width, results.n_reference, results.mahalanobis.shrinkage
        );
        warnings.push(Warning::new("few-samples", "mahalanobis", text));
    }
    if reference.input.fingerprint() == data.input.fingerprint() {
        let text = "the data are the reference itself: every sample is its own nearest neighbour, \
                    and the distances are too small";
        warnings.push(Warning::new("same-data", "data", text));
    }
    warnings
}

fn of_predictions(
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

impl Args {
    fn check(&self) -> Result<()> {
        self.extract.check()?;
        self.per_sample.as_deref().map_or(Ok(()), samples::check)?;
        self.plot.as_deref().map_or(Ok(()), picture::check)
    }

    fn recorded(&self, sets: &Sets<'_>) -> DistanceSettings {
        let ready = sets.features.ready();
        DistanceSettings {
            layer: self.extract.layer.clone(),
            reduce: self.extract.reduce,
            preprocess: ready.map(|r| r.preprocess.clone()),
            k: self.k,
            batch_size: self.extract.load.batch_size,
            limit: self.extract.load.limit,
            layout: self.extract.load.layout,
            reference_layout: self.reference_layout,
            seed: self.extract.load.seed,
            output_index: self.extract.outputs.output_index,
            optimize: !self.extract.run.no_optimize,
            device: ready.map(|r| r.device.clone()),
        }
    }
}

/// Draws accuracy by decile of each score.
fn draw(path: &Path, report: &DistanceReport) -> Result<()> {
    let Some(found) = &report.results.prediction else {
        let reason = report.results.nulls.first().map_or("", |null| null.reason.as_str());
        let problem = format!("there is no accuracy: {reason}");
        return Err(Error::file("draw", path, problem, "leave --plot out"));
    };
    picture::accuracy(report, found, path)
}

fn show(args: &Args, report: &DistanceReport, messages: &Messages) -> Result<()> {
    output::show(report, args.output.as_deref(), messages, || table(report))
}

/// The distances, and how well each tells right predictions from wrong ones.
pub fn table(report: &DistanceReport) -> String {
    let results = &report.results;
    let auroc = results.prediction.as_ref().map(|p| &p.auroc);
    let (m, n) = (&results.mahalanobis, &results.neighbour);
    let mut table = output::table(&["score", "median", "95 %", "largest", "AUROC of wrong"]);
    let spread = |s: &Spread| [s.median, s.q95, s.max].map(|v| format!("{v:.3}"));
    let score = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
    let mut add = |name: String, cells: [String; 3], value: Option<f64>| {
        table.add_row([vec![name], cells.to_vec(), vec![score(value)]].concat());
    };
    add("Mahalanobis".to_owned(), spread(&m.samples), auroc.and_then(|a| a.mahalanobis.get()));
    add("  of the reference".to_owned(), spread(&m.reference), None);
    let name = format!("neighbour {}", n.k);
    add(name, spread(&n.samples), auroc.and_then(|a| a.neighbour.get()));
    if let Some(found) = &n.in_class {
        let value = auroc.and_then(|a| a.neighbour_in_class.get());
        add("  within a class".to_owned(), spread(found), value);
    }
    let nothing = ["-", "-", "-"].map(str::to_owned);
    let baseline = "1 − softmax (baseline)".to_owned();
    add(baseline, nothing, auroc.and_then(|a| a.confidence.get()));
    output::align_right(&mut table, &[1, 2, 3, 4]);
    let accuracy = results.prediction.as_ref();
    let accuracy = accuracy.map_or_else(String::new, |p| {
        format!("\naccuracy {:.2} %, {} of {} wrong", 100.0 * p.accuracy, p.wrong, results.n)
    });
    format!(
        "{table}\n{:.1} % of the samples lie beyond 95 % of the reference's own{accuracy}",
        100.0 * m.beyond_reference
    )
}
