//! What a run collects, batch by batch, and the report made of it.

use std::path::Path;

use ndarray::{Array3, ArrayView2, Axis};
use tch::{Kind, Tensor};

use super::comparison::{self, Comparison};
use super::tokens::Tokens;
use super::trust::{Faithfulness, Kept, sanity};
use super::warned::{blank, not_finite, turned};
use super::{ColumnMaps, Saliency, SaliencySink, Subject, enlarged, to_array};
use crate::analysis::Observer;
use crate::analysis::session::target::name_of as class;
use crate::analysis::session::{accuracy, duplicates, notices, shown, spatial};
use crate::capture::Timing as Spent;
use crate::classifier::OutputForm;
use crate::data::{Batch, Dataset, Preprocess, Summary as Read};
use crate::error::Result;
use crate::render::Image;
use crate::report::saliency::{
    ClassScore, ColumnInfo, FiniteDifference, FiniteStep, ImageResult, MapSummary, PredictionInfo,
    SaliencyReport, SaliencyResults, SaliencySettings, SanityResult,
};
use crate::report::{DataInput, Inputs, SchemaId, Timing, Tool, Warning};
use crate::saliency::summary::{Summary, summarise};
use crate::saliency::{
    Classes, Explained, Images, Method, Network, Options, Target, finite, finite_rows,
};
use crate::torchscript::{Execution, libtorch_version, tensors};
use crate::view::saliency::pictures::{Mapped, Planned};

/// Classes listed of each image.
const TOP: usize = 5;

/// Pixels at which the derivative is taken from its definition where none are named.
const PATCHES: usize = 3;

/// How parameters are re-initialised.
const REDRAWN: &str = "normal with each tensor's mean and deviation; with deviation 1/sqrt(fan-in) where \
                       all values are equal; equal vectors and buffers (batch-norm statistics) stay";

/// What a run has found so far.
pub struct Collected<'a> {
    asked: &'a Saliency,
    sink: &'a mut dyn SaliencySink,
    dataset: &'a Dataset,
    /// What is explained.
    pub target: Target,
    columns: Vec<ColumnInfo>,
    images: Vec<ImageResult>,
    comparison: Comparison,
    faithfulness: Faithfulness,
    /// The first batch of each model, for the test of random weights.
    kept: Vec<Kept>,
    sanity: Vec<SanityResult>,
    /// The maps of the batch at hand, at the size of the input, one a column.
    batch: Vec<Array3<f32>>,
    /// The images of the batch at hand, where they are shown.
    pictures: Vec<Image>,
    /// Which tokens of the batch at hand are not padding.
    tokens: Tokens,
    /// Images of the batch at hand.
    in_batch: usize,
    /// Images with logits that are not finite, an entry a model.
    broken: Vec<usize>,
    /// Where the time went.
    pub timing: Spent,
}

impl<'a> Collected<'a> {
    /// Nothing yet of these models and the first samples as they take them.
    ///
    /// # Errors
    /// The sink cannot take what will be found.
    pub fn new(
        (asked, sink): (&'a Saliency, &'a mut dyn SaliencySink),
        subjects: &[Subject],
        (dataset, target): (&'a Dataset, Target),
        sample: &Tensor,
    ) -> Result<Self> {
        let columns = columns(subjects);
        let images = subjects.first().map(|subject| subject.explainer.images(sample));
        let images = images.unwrap_or_else(|| sample.shallow_clone());
        let side = |axis: usize| images.size().get(axis).map_or(0, |&side| side as usize);
        sink.begin(&Planned {
            columns: &columns,
            count: dataset.len(),
            name: &|index| dataset.name(index),
            size: (side(2), side(3)),
            contrast: matches!(target, Target::Contrast(..)),
        })?;
        Ok(Self {
            asked,
            sink,
            dataset,
            target,
            images: vec![],
            comparison: Comparison::new(columns.len()),
            faithfulness: Faithfulness::default(),
            kept: vec![],
            sanity: vec![],
            batch: vec![],
            pictures: vec![],
            tokens: Tokens::default(),
            in_batch: 0,
            broken: vec![],
            timing: Spent::default(),
            columns,
        })
    }

    /// A batch begins.
    pub fn begin(&mut self, batch: &Batch) {
        self.batch.clear();
        self.in_batch = batch.len();
        self.pictures = batch.inputs.get(1).map_or(vec![], |input| shown::images(input));
        let labels = |i: usize| batch.labels.as_ref().map(|l| class(self.dataset.classes(), l[i]));
        let new = (0..batch.len()).map(|i| ImageResult {
            sample: self.dataset.name(batch.indices[i]),
            label: labels(i),
            predictions: vec![],
            maps: vec![],
            finite_differences: vec![],
        });
        self.images.extend(new.collect::<Vec<_>>());
    }

    /// Finds in what the first model takes what there is to see, where the samples are not images.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn see(&mut self, subject: &Subject, rows: &Tensor) -> Result<()> {
        let focus = subject.explainer.options.focus.as_ref();
        self.tokens = Tokens::of_batch(self.dataset, focus, rows);
        if focus.is_some() && self.sink.wants_images() {
            self.pictures = shown::of_values(&subject.explainer.images(rows))?;
        }
        Ok(())
    }

    /// Keeps the first batch of each model where its weights will be re-initialised.
    pub fn keep(&mut self, subject: &Subject, images: &Images<'_>, explained: &Explained) {
        let models = self.columns.last().map_or(0, |c| c.model + 1);
        if self.asked.sanity && self.kept.len() < models {
            self.kept.push(Kept {
                sha256: subject.record.sha256.clone(),
                output_key: subject.record.output_key.clone(),
                layers: cam_names(subject),
                input: images.input.copy(),
                tokens: self.tokens.clone(),
                indices: images.indices.to_vec(),
                classes: explained.classes.clone(),
                maps: explained.maps.iter().map(tch::Tensor::copy).collect(),
            });
        }
    }

    /// Takes the derivative from its definition, where that was asked for.
    ///
    /// # Errors
    /// A patch lies outside an image, or the model cannot be differentiated.
    pub fn differentiate(
        &mut self,
        model: usize,
        subject: &mut Subject,
        images: &Images<'_>,
        classes: &Classes,
    ) -> Result<()> {
        let Some(patches) = &self.asked.differences else { return Ok(()) };
        let start = self.images.len() - self.in_batch;
        let seen = subject.explainer.images(images.input);
        let batch = subject.explainer.options.batch;
        for i in 0..self.in_batch {
            let one = |batch: &Tensor| batch.narrow(0, i as i64, 1);
            let (row, input) = (one(images.input), one(&seen));
            let own = classes.of_rows(i..i + 1);
            let network = &mut subject.explainer.network(&row);
            let gradient = network.gradient(&input, &own)?;
            let patches = match patches.is_empty() {
                true => finite::largest(&gradient, PATCHES),
                false => patches.clone(),
            };
            for patch in patches {
                let found = finite::series(network, &input, &gradient, (&own, patch), batch)?;
                self.images[start + i].finite_differences.push(in_report(model, &found));
            }
        }
        Ok(())
    }

    /// Tests the maps of one model by deletion and insertion, where that was asked for.
    ///
    /// # Errors
    /// The model does not run on the changed images.
    pub fn trust(
        &mut self,
        model: usize,
        subject: &mut Subject,
        images: &Images<'_>,
        explained: &Explained,
    ) -> Result<()> {
        if !self.asked.faithfulness {
            return Ok(());
        }
        let first = self.columns.iter().position(|c| c.model == model).unwrap_or(0);
        let found = (&explained.classes, explained.maps.as_slice());
        self.faithfulness.take((model, first), subject, images, found)
    }

    /// Re-initialises weights and explains the first batch again, where that was asked for.
    ///
    /// # Errors
    /// A model cannot be loaded again.
    pub fn test(&mut self, how: (&Preprocess, &Execution), observer: &dyn Observer) -> Result<()> {
        self.sanity =
            sanity(self.asked, &self.kept, &self.columns, (self.dataset, how.0, how.1), observer)?;
        Ok(())
    }

    /// Takes in what one model gave for the batch.
    ///
    /// # Errors
    /// The logits are not matrix, or maps cannot be read.
    pub fn take(
        &mut self,
        subject: &mut Subject,
        explained: &Explained,
        images: &Images<'_>,
    ) -> Result<()> {
        subject.judge.take(self.dataset, images.indices, Some(&explained.logits))?;
        let (names, seen) = (subject.names.as_slice(), subject.explainer.images(images.input));
        let logits = tensors::to_matrix(&explained.logits)?;
        let scores = explained.classes.scores(&explained.logits)?.to_kind(Kind::Double);
        let scores = tensors::to_vector(&scores)?;
        let finite = finite_rows(&explained.logits)?;
        let start = self.images.len() - logits.nrows();
        for (i, row) in logits.rows().into_iter().enumerate() {
            let classes = &explained.classes;
            let error = explained.completeness.as_ref().map(|errors| errors[i].into());
            let known = finite[i] || self.target != Target::Predicted;
            let logits = if finite[i] { row.as_slice().unwrap_or(&[]) } else { &[] };
            self.broken.extend((!finite[i]).then_some(start + i));
            self.images[start + i].predictions.push(PredictionInfo {
                target: known.then(|| class(names, classes.classes[i] as usize)),
                against: classes.against.map(|c| class(names, c as usize)),
                score: scores[i].into(),
                top: top(logits, names, subject.form),
                completeness_error: error,
            });
        }
        for maps in &explained.maps {
            self.take_maps(maps, &seen, start)?;
        }
        Ok(())
    }

    fn take_maps(&mut self, maps: &Tensor, input: &Tensor, start: usize) -> Result<()> {
        let column = self.batch.len();
        let mut shown = to_array(&enlarged(maps, input))?;
        for (i, map) in shown.axis_iter(Axis(0)).enumerate() {
            let own = self.tokens.of(i, map);
            self.images[start + i].maps.push(in_numbers(&summarise(own.view())));
        }
        self.tokens.clear(&mut shown);
        self.sink.maps(column, &ColumnMaps { whole: &shown, raw: maps })?;
        self.batch.push(shown);
        Ok(())
    }

    /// All models have seen the batch: its maps are compared, and handed on.
    ///
    /// # Errors
    /// Maps of two columns have different sizes, or the sink cannot take them.
    pub fn end(&mut self) -> Result<()> {
        let count = self.in_batch;
        let start = self.images.len() - count;
        for i in 0..count {
            let maps: Vec<ArrayView2<'_, f32>> =
                self.batch.iter().map(|maps| maps.index_axis(Axis(0), i)).collect();
            let own: Vec<_> = maps.iter().map(|&map| self.tokens.of(i, map)).collect();
            self.comparison.take(&own.iter().map(|map| map.view()).collect::<Vec<_>>())?;
            let Some(image) = self.pictures.get(i) else { continue };
            self.sink.image(&Mapped {
                index: start + i,
                count: self.dataset.len(),
                image,
                result: &self.images[start + i],
                maps: &maps,
                columns: &self.columns,
            })?;
        }
        Ok(())
    }

    /// The report.
    pub fn finish(
        self,
        preprocess: &Preprocess,
        read: Read,
        (loading, device): (f64, String),
        subjects: Vec<Subject>,
        (mut warnings, observer): (Vec<Warning>, &dyn Observer),
    ) -> SaliencyReport {
        let seed = self.asked.seed();
        let degenerate = self.images.iter().flat_map(|i| &i.maps).filter(|m| m.degenerate).count();
        warnings.extend(not_finite(&self.images, &self.broken));
        warnings.extend(blank(&self.images, &self.columns, degenerate));
        warnings.extend(turned(&self.images, &self.columns));
        let timing = Timing {
            load: loading,
            decode: read.decode_seconds,
            wait: self.timing.wait,
            forward: self.timing.forward,
            measure: self.timing.measure,
            passes: 1,
            ..Timing::default()
        };
        let path = self.dataset.path().display().to_string();
        warnings.extend(duplicates::of_images(read.copies.as_deref(), &path));
        let data = DataInput::new(self.dataset, Some(read), std::slice::from_ref(preprocess));
        warnings.extend(notices::of_data(&data));
        let options = subjects.first().map(|s| s.explainer.options.clone());
        let settings = self.settings(options, preprocess, device);
        let comparison = self.comparison.results(&self.columns, seed);
        let results = SaliencyResults {
            matrices: comparison::matrices(&self.columns, &comparison),
            comparison,
            degenerate,
            faithfulness: self.faithfulness.results(&self.columns, seed),
            columns: self.columns,
            images: self.images,
            sanity: self.sanity,
        };
        let (mut models, judged): (Vec<_>, Vec<_>) =
            subjects.into_iter().map(|s| (s.record, s.judge.judged())).unzip();
        warnings.extend(accuracy::judge(&mut models, &data.path, &judged, observer));
        warnings.extend(models.iter().filter_map(accuracy::of_probabilities));
        SaliencyReport {
            schema: SchemaId::current("saliency"),
            tool: Tool::current(libtorch_version()),
            inputs: Inputs { models, data: Some(data), ..self.asked.running.inputs() },
            settings,
            results,
            warnings,
            timing,
            pictures: vec![],
            command: None,
        }
    }

    fn settings(
        &self,
        options: Option<Options>,
        preprocess: &Preprocess,
        device: String,
    ) -> SaliencySettings {
        let asked = self.asked;
        let options = options.unwrap_or_else(|| asked.options(preprocess));
        SaliencySettings {
            methods: asked.methods.clone(),
            target: self.target.to_string(),
            layers: asked.layers.clone(),
            grid: asked.grid.map(|grid| grid.to_string()),
            of: options.focus.map(|focus| focus.name),
            signed: options.signed,
            samples: options.samples,
            noise: options.noise,
            shap_noise: asked.asks(&[Method::GradientShap]).then_some(options.shap_noise),
            perturbations: asked
                .asks(&[Method::Lime, Method::KernelShap])
                .then_some(options.perturbations),
            lime_alpha: asked.asks(&[Method::Lime]).then_some(options.lime_alpha),
            random_seed: asked.seed(),
            redrawn: asked.sanity.then(|| REDRAWN.to_owned()),
            steps: options.steps,
            baseline: options.baseline,
            window: options.window,
            stride: options.stride,
            output_index: asked.target.output_index,
            preprocess: preprocess.clone(),
            read: asked.data.load.recorded(asked.running.seed),
            optimize: asked.running.optimize,
            precision: asked.running.precision.recorded(),
            device,
        }
    }
}

/// Names of the maps: the method, with layer and model where there are several.
fn columns(subjects: &[Subject]) -> Vec<ColumnInfo> {
    let mut columns = vec![];
    let paths: Vec<&Path> = subjects.iter().map(|s| Path::new(s.record.telling_path())).collect();
    let names = model_names(&paths);
    for (i, (subject, model)) in subjects.iter().zip(&names).enumerate() {
        let explainer = &subject.explainer;
        for column in explainer.columns() {
            let layer = column.layer.map(|l| explainer.layers[l].name.clone());
            let mut name = vec![];
            if subjects.len() > 1 {
                name.push(model.clone());
            }
            name.push(column.method.to_string());
            if explainer.cams().len() > 1 {
                name.extend(layer.clone());
            }
            columns.push(ColumnInfo {
                name: name.join("/"),
                model: i,
                method: column.method,
                layer,
                grid: column.layer.map(|l| spatial::in_report(subject.views[l])),
            });
        }
    }
    columns
}

/// The layers of its class activation maps.
fn cam_names(subject: &Subject) -> Vec<String> {
    let explainer = &subject.explainer;
    explainer.cams().iter().map(|&layer| explainer.layers[layer].name.clone()).collect()
}

/// A name for each model, unlike any other: its file's, after its number where another has it too.
fn model_names(paths: &[&Path]) -> Vec<String> {
    let stem = |path: &&Path| path.file_stem().map(|s| s.to_string_lossy().into_owned());
    let stems: Vec<String> = paths.iter().map(|path| stem(path).unwrap_or_default()).collect();
    let mut names: Vec<String> = vec![];
    for (i, stem) in stems.iter().enumerate() {
        let twice = stems.iter().filter(|other| *other == stem).count() > 1;
        let mut name = if twice { format!("{}-{stem}", i + 1) } else { stem.clone() };
        while names.contains(&name) {
            name = format!("{}-{name}", i + 1);
        }
        names.push(name);
    }
    names
}

/// The classes with the highest outputs.
fn top(logits: &[f64], names: &[String], form: OutputForm) -> Vec<ClassScore> {
    let are_probabilities = form.is_probability();
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|l| (l - most).exp()).sum();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    let score = |i: usize| ClassScore {
        class: class(names, i),
        logit: (!are_probabilities).then_some(logits[i]).into(),
        probability: match are_probabilities {
            true => logits[i].into(),
            false if logits.len() == 1 => (1.0 / (1.0 + (-logits[i]).exp())).into(),
            false => ((logits[i] - most).exp() / sum).into(),
        },
    };
    order.into_iter().take(TOP).map(score).collect()
}

fn in_report(model: usize, found: &finite::Series) -> FiniteDifference {
    let step = |s: &finite::Step| FiniteStep {
        h: s.h,
        quotient: s.quotient.into(),
        relative_error: s.relative_error.into(),
    };
    FiniteDifference {
        model,
        row: found.patch.row,
        column: found.patch.column,
        side: found.patch.side,
        autograd: found.autograd.into(),
        best_h: found.best,
        steps: found.steps.iter().map(step).collect(),
    }
}

fn in_numbers(summary: &Summary) -> MapSummary {
    MapSummary {
        mass_in_top: summary.mass_in_top.into(),
        centre: summary.centre,
        entropy: summary.entropy.into(),
        min: summary.min.into(),
        max: summary.max.into(),
        degenerate: summary.degenerate,
    }
}

#[cfg(test)]
mod tests {
    use super::model_names;

    #[test]
    fn models_have_names_of_their_own() {
        let names = |paths: &[&str]| {
            model_names(&paths.iter().map(|path| std::path::Path::new(*path)).collect::<Vec<_>>())
        };
        assert_eq!(names(&["a.pt", "x/b.pt"]), ["a", "b"]);
        assert_eq!(names(&["x/a.pt", "y/a.pt"]), ["1-a", "2-a"]);
        assert_eq!(names(&["x/a.pt", "y/a.pt", "x/1-a.pt"]), ["1-a", "2-a", "3-1-a"]);
        assert_eq!(names(&["1-a.pt", "x/a.pt", "y/a.pt"]), ["1-a", "2-a", "3-a"]);
        assert_eq!(names(&["2-a.pt", "x/a.pt", "y/a.pt"]), ["2-a", "2-2-a", "3-a"]);
    }
}
