//! `repsim cka`: how alike two networks are, layer by layer.

use std::path::PathBuf;
use std::time::Instant;

use super::Status;
use super::args::{
    DataArgs, LayerArgs, ModelArgs, OutputArgs, PreprocessArgs, PreprocessBArgs, ReduceArgs,
};
use super::axes::{self, ChannelAxes};
use super::gate::GateArgs;
use super::limits;
use super::output::{self, Messages};
use super::sides::{check_b, check_stored, check_two, check_two_files, patterns_b, selections};
use super::{accuracy, duplicates, features, inputs, notices, own_steps, picture};
use crate::capture::cka::{self as engine, Estimator, Settings};
use crate::capture::{Feed, ModelFeed, Source, Subject};
use crate::data::{Dataset, Preprocess};
use crate::error::Result;
use crate::report::cka::{CkaReport, CkaSettings, Side, SideLayer};
use crate::report::{DataInput, Inputs};
use crate::similarity::{Bias, Kernel};
use crate::torchscript::{Layer, Selection, device, libtorch_version};

/// Options of `repsim cka`.
#[derive(clap::Args)]
pub struct Args {
    /// One or two models (.pt2 of torch.export, or TorchScript); one is compared with itself
    #[arg(value_name = "MODEL", num_args = 1.., required_unless_present = "features")]
    models: Vec<PathBuf>,
    /// Compare stored representations instead: one or two .npz, .npy or .safetensors files with an
    /// array a layer, rows matched by index
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["models", "data"])]
    features: Vec<PathBuf>,
    /// Write the report as JSON to a file, - for standard output [default: standard output, or a
    /// table on a terminal]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Draw the matrix: FILE.png or FILE.svg
    #[arg(long, value_name = "FILE")]
    heatmap: Option<PathBuf>,
    #[command(flatten)]
    measure: MeasureArgs,
    #[command(flatten)]
    reduce: ReduceArgs,
    #[command(flatten)]
    layers: LayerArgs,
    /// Layers of B, where they are others than those of A
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true, help_heading = "Layers")]
    layers_b: Vec<String>,
    #[command(flatten)]
    outputs: OutputArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    preprocess: PreprocessArgs,
    #[command(flatten)]
    preprocess_b: PreprocessBArgs,
    #[command(flatten)]
    run: ModelArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// What is measured.
#[derive(clap::Args)]
struct MeasureArgs {
    /// full: all samples in one Gram matrix, exact; minibatch: HSIC averaged over batches, memory
    /// independent of the number of samples
    #[arg(long, value_name = "HOW", default_value = "full", help_heading = "Measure")]
    estimator: Estimator,
    /// unbiased: HSIC₁ (Song et al. 2012), can be negative; biased: the plain definition, too high
    /// where samples are few
    #[arg(long, value_name = "WHICH", default_value = "unbiased", help_heading = "Measure")]
    bias: Bias,
    /// linear, rbf, or rbf:FRACTION of the median distance as bandwidth (rbf is rbf:0.5)
    #[arg(long, value_name = "KERNEL", default_value = "linear", help_heading = "Measure",
          value_parser = limits::kernel)]
    kernel: Kernel,
    /// Memory for Gram matrices and kept features of the full estimator; where it does not
    /// suffice, the models run several times
    #[arg(long, value_name = "SIZE", default_value = "4GiB", help_heading = "Measure",
          value_parser = limits::bytes)]
    memory: u64,
}

/// Compares the layers of two models, of one with itself, or of stored representations.
///
/// # Errors
/// Anything that keeps the comparison from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let gate = args.gate.prepare("cka", args.output.as_deref())?;
    let report = compare(args, messages)?;
    show(args, &report, messages)?;
    gate.finish(&report, Status::Done, messages)
}

/// Makes the comparison and draws the picture asked for.
///
/// # Errors
/// Anything that keeps the comparison from being made; nothing is written then.
pub fn compare(args: &Args, messages: &Messages) -> Result<CkaReport> {
    let started = Instant::now();
    let settings = args.settings();
    settings.check(args.data.load.batch_size)?;
    args.check_together()?;
    args.heatmap.as_deref().map_or(Ok(()), picture::check)?;
    let mut report = match args.features.is_empty() {
        true => models(args, &settings, messages)?,
        false => {
            let threads = args.run.threads();
            let selections = args.selections()?;
            let channel_axes = ChannelAxes::new(&args.run.channel_axis, args.features.len());
            let given = features::Given { paths: &args.features, selections, channel_axes };
            features::compare(&given, &settings, args.recorded("cpu"), threads, messages)?
        }
    };
    report.results.check_values()?;
    for warning in &report.warnings {
        messages.warning(warning);
    }
    if let Some(path) = &args.heatmap {
        picture::heatmap(&report, path)?;
    }
    report.timing.total = started.elapsed().as_secs_f64();
    Ok(report)
}

impl Args {
    fn settings(&self) -> Settings {
        Settings {
            estimator: self.measure.estimator,
            bias: self.measure.bias,
            kernel: self.measure.kernel,
            reduce: self.reduce.reduce,
            memory: self.measure.memory,
        }
    }

    /// Refuses options that would be ignored.
    fn check_together(&self) -> Result<()> {
        check_two("cka", &self.models)?;
        check_two_files(&self.features)?;
        let for_b = self.preprocess_b.any() || !self.layers_b.is_empty();
        check_b(self.models.len() + self.features.len(), for_b)?;
        let of_data = self.outputs.output_index.is_some()
            || self.data.load.any()
            || self.preprocess.any()
            || self.preprocess_b.any();
        check_stored(!self.features.is_empty(), of_data)?;
        self.run.weights.refuse(!self.features.is_empty(), "--features")
    }

    fn selections(&self) -> Result<[Selection; 2]> {
        selections(&self.layers.layers, &self.layers_b)
    }

    fn patterns_b(&self) -> &[String] {
        patterns_b(&self.layers.layers, &self.layers_b)
    }

    fn recorded(&self, device: &str) -> CkaSettings {
        CkaSettings {
            estimator: self.measure.estimator,
            bias: self.measure.bias,
            kernel: self.measure.kernel,
            reduce: self.reduce.reduce,
            batch_size: self.data.load.batch_size,
            limit: self.data.load.limit,
            layout: self.data.load.layout,
            seed: self.data.load.seed,
            layers: self.layers.layers.clone(),
            layers_b: self.patterns_b().to_vec(),
            output_index: self.outputs.output_index,
            optimize: !self.run.no_optimize,
            device: device.to_owned(),
        }
    }
}

fn models(args: &Args, settings: &Settings, messages: &Messages) -> Result<CkaReport> {
    let loading = Instant::now();
    let selections = args.selections()?;
    let dataset = args.data.open_inputs()?;
    let execution = args.run.execution()?;
    let preprocess = preprocess(args, &dataset)?;
    let load = args.data.load.options(args.run.threads());
    let source = Source { dataset: &dataset, preprocess: &preprocess, load };
    let (mut subjects, mut records, mut warnings) = inputs::listen(
        &args.models,
        (&args.run, &args.outputs),
        &source,
        (&selections, settings.reduce),
        &execution,
    )?;
    warnings.extend(axes::check(&subjects, settings.reduce)?);
    let loading = loading.elapsed().as_secs_f64();
    own_steps::tell(&args.preprocess, &preprocess, messages);
    inputs::tell_default(&records, &selections, messages);
    for record in &records {
        messages.detail(&format!("{}: {} layers", record.path, record.layers.len()));
    }
    messages.detail(&format!("ready after {loading:.2} s, on {}", device::name(execution.device)));
    let mut feed = ModelFeed::new(&mut subjects, source);
    tell_passes(engine::passes_needed(&feed, settings)?, &feed, messages);
    let outcome = engine::compare(&mut feed, settings, &mut messages.bar())?;
    warnings.extend(duplicates::of_data(feed.summary.as_ref(), dataset.path()));
    let data = DataInput::new(&dataset, feed.summary.take(), &preprocess);
    warnings.extend(notices::of_data(&data));
    warnings.extend(notices::of_padding(&data, settings.reduce));
    warnings.extend(accuracy::judge(&mut records, &data.path, &feed.judged(), messages));
    let inputs = Inputs { models: records, data: Some(data), ..Inputs::default() };
    let sides = sides(&subjects, settings);
    let recorded = args.recorded(&device::name(execution.device));
    let version = libtorch_version();
    let mut report = CkaReport::assemble(version, inputs, recorded, &sides, &outcome, warnings);
    report.timing.load = loading;
    Ok(report)
}

fn preprocess(args: &Args, dataset: &Dataset) -> Result<Vec<Preprocess>> {
    let a = args.preprocess.for_model(dataset, &args.models[0])?;
    let model_b = args.models.get(1).map(|model| model.as_path());
    let b = args.preprocess_b.for_model((&args.preprocess, &a), dataset, model_b)?;
    if args.models.len() == 1 || a.same_steps(&b) { Ok(vec![a]) } else { Ok(vec![a, b]) }
}

/// Names and widths of the layers of each model.
fn sides(models: &[Subject], settings: &Settings) -> Vec<Side> {
    let layer = |l: &Layer| SideLayer::new(&l.name, settings.reduce, &l.canonical_shape());
    models.iter().map(|m| m.layers.iter().map(layer).collect()).collect()
}

fn tell_passes(passes: usize, feed: &dyn Feed, messages: &Messages) {
    if passes > 1 {
        messages.note(&format!(
            "the features of {} samples do not fit into --memory at once: the models run in \
             {passes} passes (more --memory, --reduce gap or --estimator minibatch would save that)",
            feed.samples()
        ));
    }
}

/// Writes the report where it was asked for, and a table where somebody looks.
///
/// # Errors
/// It cannot be written.
pub fn show(args: &Args, report: &CkaReport, messages: &Messages) -> Result<()> {
    output::show(report, args.output.as_deref(), messages, || table(report))
}

/// Each layer of A, its best match in B, and the value.
pub fn table(report: &CkaReport) -> String {
    let mut table = output::table(&["layer of A", "best match in B", "CKA", "same layer of B"]);
    let results = &report.results;
    for (i, (layer, best)) in results.layers_a.iter().zip(&results.best_matches).enumerate() {
        let own = results.layers_b.iter().position(|name| name == layer);
        let own = own.and_then(|j| results.cka[i][j].get());
        table.add_row([
            layer.clone(),
            best.as_ref().map_or("-".to_owned(), |b| b.layer_b.clone()),
            best.as_ref().map_or("-".to_owned(), |b| format!("{:.4}", b.cka)),
            own.map_or("-".to_owned(), |v| format!("{v:.4}")),
        ]);
    }
    output::align_right(&mut table, &[2, 3]);
    table.to_string()
}
