//! Sets whose features a run of `repsim features` wrote.

use ndarray::{Array2, Axis, s};

use super::beside::{named, of_form};
use super::sums::Gathering;
use super::watch::Watch;
use super::{Collected, Measured, Sets};
use crate::analysis::session::kept::Folder;
use crate::analysis::session::notices;
use crate::capture::kept::KeptSubject;
use crate::data::Preprocess;
use crate::error::Result;
use crate::frechet::{Beside, FeatureSet};
use crate::report::{ModelInput, SetInput};

/// What is known of the model whose features were read.
#[derive(Debug, Default)]
pub(super) struct KeptModels {
    /// What the report says of it, an entry a folder.
    records: Vec<ModelInput>,
    layer: Option<String>,
    preprocess: Option<Preprocess>,
    device: Option<String>,
}

/// One layer of a folder.
struct OneLayer {
    subject: KeptSubject,
    width: usize,
}

impl Sets<'_> {
    /// What the report says of the model that ran, and of those whose features were read.
    pub fn models(&self) -> Vec<ModelInput> {
        let ready = self.features.ready().map(|ready| ready.record.clone());
        ready.into_iter().chain(self.kept.records.iter().cloned()).collect()
    }

    /// The layer that features are of.
    pub fn layer(&self) -> Option<String> {
        let ready = self.features.ready().map(|ready| ready.layer.clone());
        ready.or_else(|| self.kept.layer.clone())
    }

    /// What was done to the samples.
    pub fn preprocess(&self) -> Option<Preprocess> {
        let ready = self.features.ready().map(|ready| ready.preprocess.clone());
        ready.or_else(|| self.kept.preprocess.clone())
    }

    /// Where a model ran.
    pub fn device(&self) -> Option<String> {
        let ready = self.features.ready().map(|ready| ready.device.clone());
        ready.or_else(|| self.kept.device.clone())
    }

    /// Opens the layer that was asked for, and takes note of where it is from.
    fn one_layer(&mut self, folder: &Folder) -> Result<OneLayer> {
        let chosen = [folder.one_layer(self.args.layer.as_deref())?];
        let subject = folder.subject(&chosen, self.args.reduce)?;
        let shape = subject.layers.first().map_or(vec![], |layer| layer.shape(subject.samples));
        self.kept.records.push(folder.record(&chosen));
        self.kept.layer = subject.layers.first().map(|layer| layer.name.clone());
        self.kept.preprocess = folder.data.preprocess.first().cloned();
        self.kept.device = Some(folder.index.settings.device.clone());
        self.warnings.extend(notices::of_padding(&folder.data, self.args.reduce));
        self.warnings.extend(folder.warnings(&chosen, (self.args.reduce, &[]))?);
        Ok(OneLayer { subject, width: self.args.reduce.width(&shape) })
    }

    /// Measures the features of a folder.
    pub(super) fn measure_kept(&mut self, folder: &Folder) -> Result<Measured> {
        let OneLayer { subject, width } = self.one_layer(folder)?;
        let plan = self.plan(subject.samples, width)?;
        let cut = self.cut(subject.samples, width);
        let mut gathering = Gathering::new(plan, cut, (subject.samples, width))?;
        let (reduce, batch) = (self.args.reduce, self.args.load.batch_size);
        let results = &folder.index.results;
        let names = (results.names.as_slice(), folder.shown());
        let outputs = if self.wanted.outputs { folder.outputs()? } else { None };
        let outputs = outputs.filter(|layer| layer.head.row.len() == 1);
        subject.extract(reduce, (names.0, &names.1), batch, outputs.as_ref(), &mut |piece| {
            gathering.add(&piece)
        })?;
        let mut sums = gathering.finish();
        let layer = &subject.layers[0];
        self.warnings.extend(sums.watch.means(&layer.name, &folder.path)?);
        let origin = Some(folder.origin(layer, reduce));
        let form = self.kept.records.last().and_then(|record| record.output);
        let outputs = of_form(sums.logits.take().map(|rows| rows.0), form);
        let beside =
            Beside { outputs, classes: named(results.labels.as_deref(), &results.classes) };
        let (rows, moments) = sums.whole(width);
        let set = FeatureSet { beside, ..self.fit(&folder.path, rows, moments.as_ref())? };
        let (count, input) = (Some(subject.samples), SetInput::Images(folder.data.clone()));
        Ok(Measured { set, moments, count, origin, input })
    }

    /// All features of a folder, with `logits` what the model said.
    pub(super) fn collect_kept(&mut self, folder: &Folder, logits: bool) -> Result<Collected> {
        let OneLayer { subject, width } = self.one_layer(folder)?;
        self.plan(subject.samples, width)?;
        let outputs = if logits { folder.outputs()? } else { None };
        let outputs = outputs.filter(|layer| layer.head.row.len() == 1);
        let mut rows = Array2::zeros((subject.samples, width));
        let (mut done, mut said, mut watch) = (0, vec![], Watch::default());
        let (reduce, batch) = (self.args.reduce, self.args.load.batch_size);
        let results = &folder.index.results;
        let names = (results.names.as_slice(), folder.shown());
        subject.extract(reduce, (names.0, &names.1), batch, outputs.as_ref(), &mut |piece| {
            let count = piece.features.nrows();
            rows.slice_mut(s![done..done + count, ..]).assign(&piece.features);
            watch.add(piece.features, piece.averaged, piece.constant);
            said.extend(piece.logits.map(|l| l.to_owned()));
            done += count;
            Ok(())
        })?;
        self.warnings.extend(watch.means(&subject.layers[0].name, &folder.path)?);
        let views: Vec<_> = said.iter().map(|part| part.view()).collect();
        Ok(Collected {
            rows,
            names: results.names.clone(),
            labels: results.labels.clone(),
            classes: results.classes.clone(),
            logits: ndarray::concatenate(Axis(0), &views).ok(),
            input: SetInput::Images(folder.data.clone()),
            origin: Some(folder.origin(&subject.layers[0], reduce)),
        })
    }
}
