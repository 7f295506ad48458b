//! From what a run gave to its report.

use super::comparison::{Sides, counterparts};
use super::{AllTold, Opened, Patterns};
use crate::analysis::session::spatial::in_report;
use crate::capture::patterns::{ChannelPeaks, Outcome, UnitView, Wanted};
use crate::data::{Classes, Dataset, Preprocess};
use crate::error::Result;
use crate::patterns::{Peak, Window, class_selectivity, entropy};
use crate::report::patterns::{
    ClassFigures, FieldSource, Patch, PatternsChannel, PatternsClass, PatternsLayer,
    PatternsReport, PatternsResults, PatternsSettings,
};
use crate::report::{Inputs, Number, SchemaId, Timing, Tool, Warning};
use crate::torchscript::libtorch_version;
use crate::view::names::listed;

/// What a report is made from, beside the numbers.
pub struct Run<'a> {
    /// What was asked for.
    pub asked: &'a Patterns,
    /// The data.
    pub dataset: &'a Dataset,
    /// The classes of its samples, where they are known.
    pub classes: Option<&'a Classes>,
    /// The models.
    pub opened: &'a Opened,
    /// What their units depend on.
    pub told: &'a AllTold,
}

impl Run<'_> {
    /// The report.
    ///
    /// # Errors
    /// The layers of the two models cannot be paired.
    pub fn report(
        &self,
        (wanted, outcome): (&Wanted, &Outcome),
        (inputs, mut warnings, device, load): (Inputs, Vec<Warning>, String, f64),
    ) -> Result<PatternsReport> {
        let layers = self.layers(outcome, 0);
        let layers_b = if self.opened.sides.len() > 1 { self.layers(outcome, 1) } else { vec![] };
        let several = self.opened.sides.len() > 1;
        for (layers, model) in [(&layers, "A"), (&layers_b, "B")] {
            for layer in layers {
                let of = if several {
                    format!("{} of {model}", layer.layer)
                } else {
                    layer.layer.clone()
                };
                warnings.extend(not_exact(layer, &of));
                warnings.extend(dead(layer, &of));
                warnings.extend(not_finite(layer, &of));
            }
        }
        let sides = Sides { run: self, outcome };
        warnings.extend(wanted.pairs.iter().filter_map(|pair| sides.unlike(*pair)));
        warnings.extend(wanted.pairs.iter().filter_map(|pair| sides.everywhere(*pair)));
        let pairs = wanted.pairs.iter().zip(&outcome.correlations);
        let comparisons = pairs.map(|(pair, r)| sides.compare(*pair, r.view())).collect();
        let counterparts = counterparts(&sides);
        let preprocess = inputs.data.as_ref().map_or(vec![], |data| data.preprocess.clone());
        let results = PatternsResults {
            n: outcome.samples,
            classes: self.classes(outcome),
            no_classes: self.classes.is_none().then(|| "the data have no labels".to_owned()),
            layers,
            layers_b,
            comparisons,
            counterparts,
        };
        let times = outcome.timing;
        let timing = Timing {
            load,
            decode: times.decode,
            wait: times.wait,
            forward: times.forward,
            measure: times.measure,
            passes: 1,
            ..Timing::default()
        };
        Ok(PatternsReport {
            schema: SchemaId::current("patterns"),
            tool: Tool::current(libtorch_version()),
            inputs,
            settings: self.settings(preprocess, device),
            results,
            warnings,
            timing,
            pictures: vec![],
            command: None,
        })
    }

    fn settings(&self, preprocess: Vec<Preprocess>, device: String) -> PatternsSettings {
        let asked = self.asked;
        let pick: Vec<String> = asked.pick.iter().map(usize::to_string).collect();
        PatternsSettings {
            layers: asked.layers.clone(),
            layers_b: asked.layers_b.clone(),
            grid: asked.grid.map(|grid| grid.to_string()),
            channels: if pick.is_empty() { "all".to_owned() } else { pick.join(",") },
            top: asked.tops(),
            bottom: asked.bottom,
            class_patches: asked.class_patches,
            correlated: asked.correlated,
            rows: asked.rows,
            preprocess,
            read: asked.data.load.recorded(asked.running.seed),
            output_index: asked.output_index,
            optimize: asked.running.optimize,
            precision: asked.running.precision.recorded(),
            device,
        }
    }

    fn classes(&self, outcome: &Outcome) -> Vec<PatternsClass> {
        let names = self.classes.iter().flat_map(|classes| &classes.names).cloned();
        let counts = outcome.class_counts.iter();
        names.zip(counts).map(|(name, &count)| PatternsClass { name, count }).collect()
    }

    /// The layers of a model in the order in which they were named.
    fn layers(&self, outcome: &Outcome, model: usize) -> Vec<PatternsLayer> {
        let side = &self.opened.sides[model];
        side.order.iter().map(|&layer| self.layer(outcome, model, layer)).collect()
    }

    fn layer(&self, outcome: &Outcome, model: usize, layer: usize) -> PatternsLayer {
        let channels = &outcome.layers[model][layer];
        let view = self.opened.sides[model].views[layer];
        let all: Vec<usize> = match (model, self.asked.pick.as_slice()) {
            (0, pick @ [_, ..]) => pick.to_vec(),
            _ => (0..channels.len()).collect(),
        };
        let channel = |&c: &usize| self.channel((model, layer, c), &channels[c], outcome);
        PatternsLayer {
            layer: self.opened.subjects[model].layers[layer].name.clone(),
            size: view.size(),
            grid: match view {
                UnitView::Maps(view) => Some(in_report(view)),
                UnitView::Vector => None,
            },
            field: self.told[model][layer].info.clone(),
            channels: all.iter().map(channel).collect(),
        }
    }

    fn channel(
        &self,
        at: (usize, usize, usize),
        found: &ChannelPeaks,
        outcome: &Outcome,
    ) -> PatternsChannel {
        let values = found.values;
        // Extremes pass over NaN: they would be those of the values that are left.
        let known =
            |value: f64| Number::from(if values.mean.is_finite() { value } else { f64::NAN });
        let patches = |peaks: &[Peak]| peaks.iter().map(|peak| self.patch(at, peak)).collect();
        let top = driven(found);
        let classes =
            (!outcome.class_counts.is_empty()).then(|| self.figures(found, &top, outcome));
        PatternsChannel {
            channel: at.2,
            mean: values.mean.into(),
            min: known(values.min),
            max: known(values.max),
            active: known(values.active),
            active_images: known(found.active_samples),
            below_zero: values.min < 0.0,
            classes,
            top: patches(&top),
            bottom: patches(&lowest(found)),
            by_class: found.of_class.iter().map(|peaks| patches(&above(found, peaks))).collect(),
        }
    }

    fn patch(&self, (model, layer, channel): (usize, usize, usize), peak: &Peak) -> Patch {
        let (_, columns) = self.opened.sides[model].views[layer].size();
        let window = self.told[model][layer].fields.of(channel, peak.position);
        let in_order = |w: Window| (w.top, w.left, w.bottom, w.right);
        Patch {
            sample: self.dataset.name(peak.sample),
            label: self.label(peak.sample),
            value: f64::from(peak.value).into(),
            position: (peak.position / columns, peak.position % columns),
            window: window.map(in_order),
        }
    }

    /// The class of a sample, where that is known.
    pub fn label(&self, sample: usize) -> Option<String> {
        self.classes.map(|classes| classes.of_sample(sample).to_owned())
    }

    fn figures(&self, found: &ChannelPeaks, top: &[Peak], outcome: &Outcome) -> ClassFigures {
        let counts = &outcome.class_counts;
        let mut histogram = vec![0; counts.len()];
        for label in top.iter().filter_map(|peak| Some(self.classes?.labels[peak.sample])) {
            histogram[label] += 1;
        }
        let seen = |class: &usize| counts[*class] > 0;
        let means: Vec<f64> =
            (0..counts.len()).filter(seen).map(|class| found.class_means[class]).collect();
        let index = class_selectivity(&means);
        let best = (0..counts.len())
            .filter(|class| found.class_means[*class].is_finite())
            .reduce(|a, b| if found.class_means[b] > found.class_means[a] { b } else { a });
        let differ = means.iter().any(|mean| *mean != means[0]);
        ClassFigures {
            entropy: entropy(&histogram).into(),
            histogram,
            means: found.class_means.iter().map(|&mean| mean.into()).collect(),
            selectivity: index.ok().into(),
            reason: index.err().map(str::to_owned),
            preferred: best
                .filter(|_| differ)
                .and_then(|class| Some(self.classes?.names[class].clone())),
        }
    }
}

/// The top samples of a channel, without those in which it is nowhere above its minimum.
pub fn driven(found: &ChannelPeaks) -> Vec<Peak> {
    above(found, &found.top)
}

fn above(found: &ChannelPeaks, peaks: &[Peak]) -> Vec<Peak> {
    let min = found.values.min;
    peaks.iter().copied().filter(|peak| f64::from(peak.value) > min).collect()
}

/// The lowest samples of a channel, without those in which it is nowhere below its maximum.
pub fn lowest(found: &ChannelPeaks) -> Vec<Peak> {
    let max = found.values.max;
    found.bottom.iter().copied().filter(|peak| f64::from(peak.value) < max).collect()
}

/// Warns of receptive fields that are not exact.
fn not_exact(layer: &PatternsLayer, of: &str) -> Option<Warning> {
    let reason = layer.field.reason.as_deref().unwrap_or_default();
    let (code, text) = match layer.field.source {
        FieldSource::Exact => return None,
        FieldSource::Measured => (
            "field-measured",
            format!(
                "the receptive field of {of} was measured by gradients: {reason}; a unit may depend on more"
            ),
        ),
        FieldSource::Whole => (
            "field-unknown",
            format!(
                "the receptive field of {of} is not known: {reason}; the whole image stands for it"
            ),
        ),
    };
    Some(Warning::new(code, of, text))
}

/// Warns of channels with values that are not numbers: the samples that have them are not among the patches.
fn not_finite(layer: &PatternsLayer, of: &str) -> Option<Warning> {
    let is_finite = |c: &&PatternsChannel| c.mean.get().is_some();
    let count = layer.channels.len() - layer.channels.iter().filter(is_finite).count();
    let text = format!(
        "{count} of {} channels of {of} are NaN or infinite somewhere: they have no means, correlate with none, and of \
         samples in which they are NaN there are no patches",
        layer.channels.len()
    );
    (count > 0).then(|| Warning::new("not-finite", of, text))
}

/// Warns of channels that never change: they have no patches.
fn dead(layer: &PatternsLayer, of: &str) -> Option<Warning> {
    let is_dead = |c: &&PatternsChannel| c.min.get().is_some() && c.min == c.max;
    let dead: Vec<String> =
        layer.channels.iter().filter(is_dead).map(|c| c.channel.to_string()).collect();
    let names: Vec<&str> = dead.iter().map(String::as_str).collect();
    let text = format!(
        "{} of {} channels of {of} have the same value everywhere and no patches: {}",
        dead.len(),
        layer.channels.len(),
        listed(&names)
    );
    (!dead.is_empty()).then(|| Warning::new("constant-channels", of, text))
}
