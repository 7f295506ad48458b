//! From what a run gave to its report.

use ndarray::{Array2, Array4, ArrayView2, Axis};

use super::{MapChannels, Maps};
use crate::analysis::session::spatial::in_report;
use crate::capture::Subject;
use crate::capture::maps::{Outcome, Wanted};
use crate::data::{Dataset, Preprocess};
use crate::error::Result;
use crate::report::maps::{
    ChannelInfo, MapInfo, MapsImage, MapsLayer, MapsReport, MapsResults, MapsSettings, Matching,
    Pairs, Partner, ShownChannel,
};
use crate::report::{Inputs, SchemaId, Timing, Tool, Warning};
use crate::similarity::matching::{self, Pair};
use crate::stats::Channel;
use crate::torchscript::libtorch_version;
use crate::view::maps::sheet::Columns;

/// What a report is made from, beside the numbers.
pub struct Run<'a> {
    /// What was asked for.
    pub asked: &'a Maps,
    /// The data.
    pub dataset: &'a Dataset,
    /// The models.
    pub subjects: &'a [Subject],
    /// Places of the first model's layers, in the order in which they are shown.
    pub order: &'a [usize],
}

impl Run<'_> {
    /// The report, and the maps shown.
    ///
    /// # Errors
    /// A layer has no such channel.
    pub fn report(
        &self,
        wanted: &Wanted,
        outcome: &Outcome,
        (inputs, mut warnings, device, load): (Inputs, Vec<Warning>, String, f64),
    ) -> Result<(MapsReport, Vec<Columns>)> {
        let data = inputs.data.as_ref();
        let n = data.map_or(0, |data| data.count);
        let decode = outcome.timing.decode;
        let (mut layers, mut columns) = (vec![], vec![]);
        for (place, &a) in self.order.iter().enumerate() {
            let b = wanted.pairs.get(place).map(|pair| pair.1);
            let correlations = outcome.correlations.get(place);
            let (mut layer, shown) = self.layer(outcome, a, b.zip(correlations))?;
            layer.grid = Some(in_report(wanted.views[0][a]));
            warnings.extend(dead(&layer, n));
            warnings.extend(self.not_finite(outcome, a, &layer));
            warnings.extend(self.fewer(&layer));
            layers.push(layer);
            columns.extend(shown);
        }
        let timing = Timing {
            load,
            decode,
            wait: outcome.timing.wait,
            forward: outcome.timing.forward,
            measure: outcome.timing.measure,
            passes: 1,
            ..Timing::default()
        };
        let settings = self.settings(data.map_or(vec![], |d| d.preprocess.clone()), device);
        let results = MapsResults { n, images: self.images(outcome), layers };
        let schema = SchemaId::current("maps");
        let tool = Tool::current(libtorch_version());
        let (pictures, command) = (vec![], None);
        let report = MapsReport {
            schema,
            tool,
            inputs,
            settings,
            results,
            warnings,
            timing,
            pictures,
            command,
        };
        Ok((report, columns))
    }

    fn settings(&self, preprocess: Vec<Preprocess>, device: String) -> MapsSettings {
        let Maps { layers, layers_b, data, .. } = self.asked;
        MapsSettings {
            layers: layers.clone(),
            grid: self.asked.grid.map(|grid| grid.to_string()),
            layers_b: layers_b.clone(),
            output_index: self.asked.output_index,
            channels: self.asked.shown().to_string(),
            rows: self.asked.rows,
            scale: self.asked.scale.to_string(),
            preprocess,
            read: data.load.recorded(self.asked.running.seed),
            optimize: self.asked.running.optimize,
            precision: self.asked.running.precision.recorded(),
            device,
        }
    }

    fn images(&self, outcome: &Outcome) -> Vec<MapsImage> {
        let (labels, classes) = (self.dataset.labels(), self.dataset.classes());
        let name = |class: usize| classes.get(class).cloned().unwrap_or_else(|| class.to_string());
        let image = |&i: &usize| MapsImage {
            sample: self.dataset.name(i),
            label: labels.map(|labels| name(labels[i])),
        };
        outcome.samples.iter().map(image).collect()
    }

    /// One layer of the first model, with the layer of the second and their correlations.
    fn layer(
        &self,
        outcome: &Outcome,
        a: usize,
        other: Option<(usize, &Array2<f64>)>,
    ) -> Result<(MapsLayer, Vec<Columns>)> {
        let own = &outcome.layers[0][a];
        let name = self.subjects[0].layers[a].name.clone();
        let channels = self.asked.shown().of(&name, own.maps.view())?;
        let maps = select(outcome, (0, a), &channels);
        let mut shown: Vec<ShownChannel> = channels
            .iter()
            .zip(maps.axis_iter(Axis(1)))
            .map(|(&channel, maps)| ShownChannel { channel, maps: infos(maps), partner: None })
            .collect();
        let mut columns = vec![Columns { name: name.clone(), of_b: false, channels: vec![], maps }];
        columns[0].channels = channels.iter().map(|&c| Some((c, None))).collect();
        let mut found = None;
        if let Some((b, correlations)) = other {
            let best = matching::best(correlations.view());
            let partners: Vec<Option<Pair>> = channels.iter().map(|&c| best[c]).collect();
            columns.push(self.partners(outcome, b, &partners, &mut shown));
            found = Some(self.matching(outcome, (a, b), (correlations.view(), &best)));
        }
        let (_, _, height, width) = own.maps.dim();
        let channels = own.channels.iter().enumerate().map(info).collect();
        let size = (height, width);
        let grid = None;
        Ok((MapsLayer { layer: name, size, grid, shown, channels, matching: found }, columns))
    }

    /// The columns of the second model beside those of the first.
    fn partners(
        &self,
        outcome: &Outcome,
        b: usize,
        partners: &[Option<Pair>],
        shown: &mut [ShownChannel],
    ) -> Columns {
        // A channel without a partner stands beside channel 0, which is not drawn.
        let channels: Vec<usize> = partners.iter().map(|p| p.map_or(0, |p| p.b)).collect();
        let maps: Array4<f32> = select(outcome, (1, b), &channels);
        for ((shown, pair), maps) in shown.iter_mut().zip(partners).zip(maps.axis_iter(Axis(1))) {
            shown.partner = pair.map(|pair| Partner {
                channel: pair.b,
                correlation: pair.correlation.into(),
                maps: infos(maps),
            });
        }
        let name = self.subjects[1].layers[b].name.clone();
        let channels = partners.iter().map(|p| p.map(|p| (p.b, Some(p.correlation)))).collect();
        Columns { name, of_b: true, channels, maps }
    }

    /// Warns of channels with a NaN or an infinity, and names the first image shown that has one.
    fn not_finite(&self, outcome: &Outcome, a: usize, layer: &MapsLayer) -> Option<Warning> {
        let broken = layer.channels.iter().filter(|c| c.max.get().is_none());
        let broken: Vec<String> = broken.map(|c| c.channel.to_string()).collect();
        if broken.is_empty() {
            return None;
        }
        let maps = outcome.layers[0][a].maps.outer_iter();
        let bad = maps.zip(&outcome.samples).filter(|(map, _)| !map.iter().all(|v| v.is_finite()));
        let bad: Vec<usize> = bad.map(|(_, &sample)| sample).collect();
        let first = bad.first().map(|&sample| format!(", the first {}", self.dataset.name(sample)));
        let text = format!(
            "{} of {} channels of {} are not finite (NaN or infinite), in {} of {} images shown{}: {}",
            broken.len(),
            layer.channels.len(),
            layer.layer,
            bad.len(),
            outcome.samples.len(),
            first.unwrap_or_default(),
            listed(&broken)
        );
        Some(Warning::new("not-finite", &layer.layer, text))
    }

    /// Notes that a layer has fewer channels than were asked for.
    fn fewer(&self, layer: &MapsLayer) -> Option<Warning> {
        let (MapChannels::First(wanted) | MapChannels::MostActive(wanted)) =
            *self.asked.channels.as_ref()?
        else {
            return None;
        };
        let count = layer.channels.len();
        let text = format!(
            "{} has {count} channels, fewer than the {wanted} asked for: all are shown",
            layer.layer
        );
        (wanted > count).then(|| Warning::new("fewer-channels", &layer.layer, text))
    }

    fn matching(
        &self,
        outcome: &Outcome,
        (a, b): (usize, usize),
        (correlations, best): (ArrayView2<'_, f64>, &[Option<Pair>]),
    ) -> Matching {
        let sizes = [(0, a), (1, b)].map(|(model, layer)| {
            let (_, _, height, width) = outcome.layers[model][layer].maps.dim();
            (height, width)
        });
        let best: Vec<Pair> = best.iter().copied().flatten().collect();
        let alone = |rows: ArrayView2<'_, f64>| {
            rows.rows().into_iter().filter(|row| row.iter().all(|r| r.is_nan())).count()
        };
        Matching {
            layer_b: self.subjects[1].layers[b].name.clone(),
            channels_b: correlations.ncols(),
            size_b: sizes[1],
            size: (sizes[0].0.min(sizes[1].0), sizes[0].1.min(sizes[1].1)),
            constant: (alone(correlations), alone(correlations.reversed_axes())),
            best: pairs(&best),
            greedy: pairs(&matching::greedy(correlations)),
            one_to_one: pairs(&matching::one_to_one(correlations)),
        }
    }
}

fn pairs(found: &[Pair]) -> Pairs {
    let sum: f64 = found.iter().map(|pair| pair.correlation).sum();
    Pairs {
        mean_correlation: (sum / found.len() as f64).into(),
        pairs: found.iter().map(|p| (p.a, p.b, p.correlation.into())).collect(),
    }
}

/// The maps of one channel in numbers, N×H×W.
fn infos(maps: ndarray::ArrayView3<'_, f32>) -> Vec<MapInfo> {
    let info = |map: ArrayView2<'_, f32>| {
        let values = || map.iter().map(|&v| f64::from(v));
        let broken = if values().all(f64::is_finite) { 0.0 } else { f64::NAN };
        MapInfo {
            mean: (values().sum::<f64>() / map.len() as f64).into(),
            min: (values().fold(f64::INFINITY, f64::min) + broken).into(),
            max: (values().fold(f64::NEG_INFINITY, f64::max) + broken).into(),
        }
    };
    maps.outer_iter().map(info).collect()
}

fn info((channel, found): (usize, &Channel)) -> ChannelInfo {
    // Extremes pass over NaN: they would be those of the values that are left.
    let known = |value: f64| if found.mean.is_finite() { value } else { f64::NAN };
    ChannelInfo {
        channel,
        mean: found.mean.into(),
        std: found.std.into(),
        min: known(found.min).into(),
        max: known(found.max).into(),
        active: known(found.active).into(),
    }
}

/// Warns of channels that are zero everywhere.
fn dead(layer: &MapsLayer, n: usize) -> Option<Warning> {
    let is_dead = |c: &&ChannelInfo| c.min.get() == Some(0.0) && c.max.get() == Some(0.0);
    let dead: Vec<String> =
        layer.channels.iter().filter(is_dead).map(|c| c.channel.to_string()).collect();
    if dead.is_empty() {
        return None;
    }
    let text = format!(
        "{} of {} channels of {} are zero everywhere in {n} images: {}",
        dead.len(),
        layer.channels.len(),
        layer.layer,
        listed(&dead)
    );
    Some(Warning::new("dead-channels", &layer.layer, text))
}

/// The first few of many.
fn listed(all: &[String]) -> String {
    const FEW: usize = 10;
    let dots = if all.len() > FEW { ", …" } else { "" };
    format!("{}{dots}", all[..all.len().min(FEW)].join(", "))
}

/// Some channels of N×K×H×W maps.
fn select(outcome: &Outcome, (model, layer): (usize, usize), channels: &[usize]) -> Array4<f32> {
    outcome.layers[model][layer].maps.select(Axis(1), channels)
}
