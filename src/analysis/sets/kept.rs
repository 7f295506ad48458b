//! Sets whose features a run of `repsim features` wrote.

use std::ops::Range;

use super::beside::{named, of_form};
use super::sums::Gathering;
use super::{Collected, Measured, Plan, SetSums, Sets};
use crate::analysis::session::kept::Folder;
use crate::analysis::session::notices;
use crate::capture::kept::{KeptLayer, KeptSubject};
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

/// One layer of a folder, and what the model said where that is kept.
pub struct KeptSet {
    pub(super) folder: Folder,
    subject: KeptSubject,
    outputs: Option<KeptLayer>,
    pub(super) width: usize,
    /// What a report says of the model.
    pub(super) record: ModelInput,
}

impl KeptSet {
    /// Its samples.
    pub fn samples(&self) -> usize {
        self.subject.samples
    }
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
    pub(super) fn kept_set(&mut self, mut folder: Folder) -> Result<KeptSet> {
        // Shards have read it by now.
        folder.hashed &= self.given.is_empty();
        let chosen = [folder.one_layer(self.args.layer.as_deref())?];
        let subject = folder.subject(&chosen, self.args.reduce)?;
        let shape = subject.layers.first().map_or(vec![], |layer| layer.shape(subject.samples));
        let record = folder.record(&chosen);
        self.kept.records.push(record.clone());
        self.kept.layer = subject.layers.first().map(|layer| layer.name.clone());
        self.kept.preprocess = folder.data.preprocess.first().cloned();
        self.kept.device = Some(folder.index.settings.device.clone());
        self.warnings.extend(notices::of_padding(&folder.data, self.args.reduce));
        self.warnings.extend(folder.warnings(&chosen, (self.args.reduce, &[]))?);
        let outputs = folder.outputs()?.filter(|layer| layer.head.row.len() == 1);
        let width = self.args.reduce.width(&shape);
        Ok(KeptSet { folder, subject, outputs, width, record })
    }

    /// What the samples at some places of a folder give, with `logits` also what the model said of each.
    pub(super) fn gather_kept(
        &self,
        set: &KeptSet,
        (plan, range): (Plan, Range<usize>),
        logits: bool,
    ) -> Result<SetSums> {
        let cut = self.cut(set.samples(), set.width);
        let mut gathering = Gathering::new(plan, cut, (range.len(), set.width))?;
        let (reduce, batch) = (self.args.reduce, self.args.load.batch_size);
        let names = (set.folder.index.results.names.as_slice(), set.folder.shown());
        let (names, outputs) =
            ((names.0, names.1.as_str()), set.outputs.as_ref().filter(|_| logits));
        set.subject
            .extract(reduce, names, (batch, range), outputs, &mut |piece| gathering.add(&piece))?;
        Ok(gathering.finish())
    }

    /// The same of all its samples, or what shards gathered of them.
    fn gathered_kept(&mut self, set: &KeptSet, plan: Plan, logits: bool) -> Result<SetSums> {
        match self.given.pop_front() {
            Some(piece) => Ok(piece.sums),
            None => self.gather_kept(set, (plan, 0..set.samples()), logits),
        }
    }

    /// Measures the features of a folder.
    pub(super) fn measure_kept(&mut self, folder: Folder) -> Result<Measured> {
        let set = self.kept_set(folder)?;
        let plan = self.plan(set.samples(), set.width)?;
        let mut sums = self.gathered_kept(&set, plan, self.wanted.outputs)?;
        let KeptSet { folder, subject, width, record, .. } = set;
        let (layer, results) = (&subject.layers[0], &folder.index.results);
        self.warnings.extend(sums.watch.means(&layer.name, &folder.path)?);
        let origin = Some(folder.origin(layer, self.args.reduce));
        let outputs = of_form(sums.logits.take().map(|rows| rows.0), record.output);
        let beside =
            Beside { outputs, classes: named(results.labels.as_deref(), &results.classes) };
        let (rows, moments) = sums.whole(width);
        let set = FeatureSet { beside, ..self.fit((&folder.path, width), rows, moments.as_ref())? };
        let (count, input) = (Some(subject.samples), SetInput::Images(folder.data.clone()));
        Ok(Measured { set, moments, count, origin, input })
    }

    /// All features of a folder, with `logits` what the model said.
    pub(super) fn collect_kept(&mut self, folder: Folder, logits: bool) -> Result<Collected> {
        let set = self.kept_set(folder)?;
        let plan = Plan { covariance: false, ..self.plan(set.samples(), set.width)? };
        let sums = self.gathered_kept(&set, plan, logits)?;
        let KeptSet { folder, subject, .. } = set;
        self.warnings.extend(sums.watch.means(&subject.layers[0].name, &folder.path)?);
        let SetSums { rows, logits, .. } = sums;
        let results = &folder.index.results;
        Ok(Collected {
            rows: rows.map(|rows| rows.0).unwrap_or_default(),
            names: results.names.clone(),
            labels: results.labels.clone(),
            classes: results.classes.clone(),
            logits: logits.map(|logits| logits.0),
            input: SetInput::Images(folder.data.clone()),
            origin: Some(folder.origin(&subject.layers[0], self.args.reduce)),
        })
    }
}
