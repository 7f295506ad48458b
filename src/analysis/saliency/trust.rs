//! Whether maps can be trusted: deletion and insertion, and the test of random weights.

use std::path::Path;

use ndarray::Array3;
use tch::Tensor;

use super::comparison::{FLAT, over_images};
use super::tokens::Tokens;
use super::{Saliency, Subject, enlarged, to_array};
use crate::analysis::Observer;
use crate::analysis::session::LoadedModel;
use crate::analysis::session::models::Wanted;
use crate::data::{Dataset, Preprocess};
use crate::error::{Error, Result};
use crate::report::saliency::{ColumnInfo, FaithfulnessResult, SanityResult};
use crate::saliency::auc::order;
use crate::saliency::compare::{Agreement, Compared};
use crate::saliency::faithfulness::{Curves, Fill, curves, random_order};
use crate::saliency::summary::summarise;
use crate::saliency::{Classes, Images, Target};
use crate::torchscript::{Execution, Stage};

/// What pixels are replaced by.
const FILLS: [Fill; 2] = [Fill::Mean, Fill::Blur];

/// Curves of every column and image.
#[derive(Default)]
pub struct Faithfulness {
    /// A list a column, an entry an image: the curves for each fill.
    maps: Vec<Vec<Option<[Curves; 2]>>>,
    /// A list a model: those of a random order.
    random: Vec<Vec<[Curves; 2]>>,
}

impl Faithfulness {
    /// Measures the maps of one model for a batch. `first` is the model's first column.
    ///
    /// # Errors
    /// The model does not run on the changed images.
    pub fn take(
        &mut self,
        (model, first): (usize, usize),
        subject: &mut Subject,
        images: &Images<'_>,
        (classes, maps): (&Classes, &[Tensor]),
    ) -> Result<()> {
        let seen = subject.explainer.images(images.input);
        let arrays = maps.iter().map(|m| to_array(&enlarged(m, &seen)));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        self.maps.resize_with(self.maps.len().max(first + maps.len()), Vec::new);
        self.random.resize_with(self.random.len().max(model + 1), Vec::new);
        let form = subject.form;
        let how = (subject.explainer.options.batch, form);
        let seed = subject.explainer.options.seed;
        for (i, &class) in classes.classes.iter().enumerate() {
            let one = |batch: &Tensor| batch.narrow(0, i as i64, 1);
            let (row, input) = (one(images.input), one(&seen));
            let mut network = subject.explainer.network(&row);
            let mut both = |order: &[usize]| -> Result<[Curves; 2]> {
                let mut of = |fill| curves(&mut network, &input, class, (order, fill), how);
                Ok([of(FILLS[0])?, of(FILLS[1])?])
            };
            for (c, maps) in arrays.iter().enumerate() {
                let map = maps.index_axis(ndarray::Axis(0), i);
                let found = match summarise(map).degenerate {
                    true => None,
                    false => Some(both(&order(map))?),
                };
                self.maps[first + c].push(found);
            }
            let pixels = (input.size()[2] * input.size()[3]) as usize;
            let seed = seed ^ images.indices[i] as u64;
            self.random[model].push(both(&random_order(pixels, seed))?);
        }
        Ok(())
    }

    /// Means over the images.
    pub fn results(&self, columns: &[ColumnInfo], seed: u64) -> Vec<FaithfulnessResult> {
        let mut results = vec![];
        for (column, curves) in columns.iter().zip(&self.maps) {
            let random = &self.random[column.model];
            for (f, fill) in FILLS.into_iter().enumerate() {
                let broken = || "the probability of the class is not finite".to_owned();
                let why = |i: usize| match curves[i] {
                    None => "the map is zero everywhere or not finite".to_owned(),
                    Some(_) => broken(),
                };
                let own = |of: fn(&Curves) -> f64| {
                    over_images(curves.iter().map(|c| c.as_ref().map(|c| of(&c[f]))), seed, why)
                };
                let chance = |of: fn(&Curves) -> f64| {
                    over_images(random.iter().map(|c| Some(of(&c[f]))), seed, |_| broken())
                };
                results.push(FaithfulnessResult {
                    column: column.name.clone(),
                    fill,
                    deletion: own(|c| c.deletion),
                    insertion: own(|c| c.insertion),
                    random_deletion: chance(|c| c.deletion),
                    random_insertion: chance(|c| c.insertion),
                });
            }
        }
        results
    }
}

/// The first batch of one model, over which the test of random weights runs again.
pub struct Kept {
    /// Hash of the model's file.
    pub sha256: String,
    /// The part of what the model returns that is its output.
    pub output_key: Option<String>,
    /// The layers of its class activation maps.
    pub layers: Vec<String>,
    /// What the network was given.
    pub input: Tensor,
    /// Which of its tokens are not padding.
    pub tokens: Tokens,
    /// Positions in the data set.
    pub indices: Vec<usize>,
    /// What was explained.
    pub classes: Classes,
    /// The maps, one a column of the model.
    pub maps: Vec<Tensor>,
}

/// The test of random weights (Adebayo et al. 2018): the parameters are re-initialised, module by module
/// from the top, and the maps of the first batch are held against those of the trained model. A map
/// that stays as it was does not depend on what the model learned.
///
/// # Errors
/// A model cannot be loaded again or has no modules.
pub fn sanity(
    asked: &Saliency,
    kept: &[Kept],
    columns: &[ColumnInfo],
    (dataset, preprocess, execution): (&Dataset, &Preprocess, &Execution),
    observer: &dyn Observer,
) -> Result<Vec<SanityResult>> {
    let mut results = vec![];
    for (m, first) in kept.iter().enumerate() {
        let stages = stages(asked, (m, first))?;
        let weights = asked.running.weights.get(m).and_then(Option::as_ref);
        let from = (asked.models[m].as_path(), weights);
        for done in 1..=stages.len() {
            let loaded = LoadedModel::again(from, first.file(), &asked.running)?;
            let redrawn = loaded.redrawn(&stages[..done], asked.seed())?;
            let wanted = Wanted { layers: &first.layers, ..asked.wanted(dataset, preprocess) };
            let how = (execution, observer);
            let (mut explainer, ..) = redrawn.into_explainer(&first.input, &wanted, how)?;
            let (target, labels) = same_target(&first.classes);
            let labels = Some(labels.as_slice());
            let images = Images { input: &first.input, indices: &first.indices, labels };
            let explained = explainer.explain(&images, target)?;
            let own = columns.iter().filter(|c| c.model == m);
            for (column, (before, after)) in own.zip(first.maps.iter().zip(&explained.maps)) {
                let images = explainer.images(&first.input);
                let sides = [before, after].map(|maps| enlarged(maps, &images));
                let stage = (stages[done - 1].name.as_str(), &first.tokens);
                results.push(stage_result(column, stage, &sides, asked.seed())?);
            }
        }
    }
    Ok(results)
}

impl Kept {
    /// Which file the model is, and which part of what it returns its output.
    fn file(&self) -> (&str, Option<&str>) {
        (&self.sha256, self.output_key.as_deref())
    }
}

/// The parts with parameters, the last first.
fn stages(asked: &Saliency, (model, kept): (usize, &Kept)) -> Result<Vec<Stage>> {
    let path = &asked.models[model];
    let mut stages =
        LoadedModel::again((path, None), kept.file(), &asked.running)?.model.stages()?;
    stages.reverse();
    Ok(stages)
}

/// What is said of a model without modules.
pub fn frozen(path: &Path) -> Error {
    let problem = "it was frozen: no module with parameters is left to re-initialise";
    Error::file("test", path, problem, "leave --sanity out, or export it unfrozen")
}

/// The same classes again, whatever the changed model predicts.
fn same_target(classes: &Classes) -> (Target, Vec<usize>) {
    let labels: Vec<usize> = classes.classes.iter().map(|&c| c as usize).collect();
    match (classes.against, labels.first()) {
        (Some(other), Some(&class)) => (Target::Contrast(class, other as usize), labels),
        _ => (Target::Label, labels),
    }
}

fn stage_result(
    column: &ColumnInfo,
    (stage, tokens): (&str, &Tokens),
    [before, after]: &[Tensor; 2],
    seed: u64,
) -> Result<SanityResult> {
    let (before, after) = (to_array(before)?, to_array(after)?);
    let of = |maps: &Array3<f32>| {
        let each = maps.outer_iter().enumerate();
        each.map(|(i, map)| Compared::of(tokens.of(i, map).view())).collect::<Vec<_>>()
    };
    let pairs: Vec<(Compared, Compared)> = of(&before).into_iter().zip(of(&after)).collect();
    let agreements = pairs.iter().map(|(a, b)| a.with(b)).collect::<Result<Vec<Agreement>>>()?;
    let why = |i: usize| match (pairs[i].0.is_flat(), pairs[i].1.is_flat()) {
        (false, false) => "the map is smaller than 11×11 pixels".to_owned(),
        (true, _) => format!("the map {FLAT} with the trained weights"),
        (false, true) => format!("the map {FLAT} with the weights re-initialised"),
    };
    Ok(SanityResult {
        column: column.name.clone(),
        redrawn_down_to: stage.to_owned(),
        spearman: over_images(agreements.iter().map(|a| a.spearman), seed, why),
        ssim: over_images(agreements.iter().map(|a| a.ssim), seed, why),
    })
}
