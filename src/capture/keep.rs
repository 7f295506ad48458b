//! What layers give, written to files a batch at a time.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use super::distinct::Sources;
use super::feed::{Consumer, Place};
pub use super::laid::{Keeping, Laid, Layout, from_bytes};
use super::laid::{LOGITS, to_bytes};
use super::projection::Projection;
use super::reduce::Reduce;
use super::rows::first_not_finite;
use crate::data::{FloatFormat, LayerMark, LayerWriter, in_hexadecimal};
use crate::error::{Error, Result};
use crate::torchscript::{Answer, Axes};

/// A batch that is written.
pub struct Written<'a> {
    /// How the files lie.
    pub layout: &'a Layout,
    /// Positions of its samples in the data.
    pub indices: &'a [usize],
    /// SHA-256 over those of all files, each as far as it is written.
    pub digest: [u8; 32],
    /// Layers that did not give the tensor of another in it, of those that did when they were found.
    pub differing: &'a [usize],
    /// What the model gave.
    pub outputs: Option<&'a Tensor>,
    /// Layers that were NaN or infinite for the first time, and for which sample.
    pub not_finite: &'a [(usize, String)],
}

/// Takes note of a batch that is written.
pub type Noting<'a> = dyn FnMut(Written<'_>) -> Result<()> + 'a;

/// A layer whose outputs are being written.
struct Target {
    laid: Laid,
    rows: LayerWriter,
    averaged: Option<LayerWriter>,
    projection: Option<Arc<Projection>>,
    /// The first sample for which it is NaN or infinite.
    not_finite: Option<String>,
}

/// What was written of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// How it lies.
    pub laid: Laid,
    /// SHA-256 of its file.
    pub sha256: String,
    /// SHA-256 of the file of what means were taken over.
    pub averaged_sha256: Option<String>,
    /// The first sample for which it is NaN or infinite.
    pub not_finite: Option<String>,
}

/// The files that the outputs of the layers of one model are written to, or of what the model itself gives where it
/// has none.
pub struct KeptFiles<'a> {
    how: Keeping,
    folder: &'a Path,
    /// Names of the layers.
    names: Vec<String>,
    /// Samples, and batches, that are expected.
    expected: (usize, usize),
    /// Whether the model has no layer, and what it gives is kept.
    output_is_layer: bool,
    targets: Vec<Option<Target>>,
    outputs: Option<Target>,
    /// Known once a batch is written.
    layout: Option<Layout>,
}

/// Writes what a model gives, a batch at a time.
pub struct Keeper<'a> {
    files: KeptFiles<'a>,
    sources: Sources,
    batch: Batch,
    note: &'a mut Noting<'a>,
}

/// What a batch gave so far.
#[derive(Default)]
struct Batch {
    indices: Vec<usize>,
    differing: Vec<usize>,
    outputs: Option<Tensor>,
    not_finite: Vec<(usize, String)>,
}

/// The name under which a model's output stands where a layer's would.
pub const OUTPUT: &str = "output";

impl<'a> KeptFiles<'a> {
    /// For layers of these names, in a folder; `expected` are samples and batches.
    pub fn new(how: Keeping, folder: &'a Path, names: &[String], expected: (usize, usize)) -> Self {
        let output_is_layer = names.is_empty();
        let names = if output_is_layer { vec![OUTPUT.to_owned()] } else { names.to_vec() };
        let targets = names.iter().map(|_| None).collect();
        let (outputs, layout) = (None, None);
        Self { how, folder, names, expected, output_is_layer, targets, outputs, layout }
    }

    /// Goes on with files that lie so: keeps of the batches, given by their samples and digests, those that are
    /// whole, and cuts off the rest. Gives how many.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn go_on(&mut self, layout: &Layout, batches: &[(usize, String)]) -> Result<usize> {
        let again = |laid: &Laid| Target::again(laid, self.folder, self.expected);
        let mut targets: Vec<Target> = layout.layers.iter().map(again).collect();
        targets.extend(layout.outputs.as_ref().map(again));
        let whole = |(rows, digest): &&(usize, String)| {
            let marks: Vec<_> = targets.iter().map(Target::mark).collect();
            let found = targets.iter_mut().all(|target| target.take_again(*rows));
            let found = found && in_hexadecimal(&digest_of(&targets)) == *digest;
            if !found {
                targets.iter_mut().zip(marks).for_each(|(target, mark)| target.restore(mark));
            }
            found
        };
        let kept = batches.iter().take_while(whole).count();
        if kept == 0 {
            return Ok(0);
        }
        targets.iter().try_for_each(Target::cut)?;
        self.outputs = if layout.outputs.is_some() { targets.pop() } else { None };
        for i in 0..targets.len() {
            targets[i].projection = self.projection(&targets[i].laid, &targets[..i]);
        }
        self.targets = targets.into_iter().map(Some).collect();
        self.layout = Some(layout.clone());
        Ok(kept)
    }

    /// Takes over which layers were NaN or infinite in the batches that were there already, and for which sample.
    pub fn recall<'b>(&mut self, not_finite: impl IntoIterator<Item = &'b (usize, String)>) {
        for (layer, sample) in not_finite {
            if let Some(Some(target)) = self.targets.get_mut(*layer) {
                target.not_finite.get_or_insert_with(|| sample.clone());
            }
        }
    }

    fn not_finite(&self, layer: usize) -> Option<&String> {
        self.targets.get(layer)?.as_ref()?.not_finite.as_ref()
    }

    /// The outputs of the model that are kept, of so many samples from a place on, as they were given.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn outputs_again(&self, first: usize, count: usize) -> Result<Option<Tensor>> {
        let Some(target) = &self.outputs else { return Ok(None) };
        let bytes = target.rows.read_again(first, count)?;
        from_bytes(&bytes, count, target.rows.head()).map(Some)
    }

    /// Says that all batches were given.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn finish(self) -> Result<(Vec<Finished>, Option<Finished>)> {
        let layers = self.targets.into_iter().flatten().map(Target::finish);
        Ok((layers.collect::<Result<_>>()?, self.outputs.map(Target::finish).transpose()?))
    }

    fn keep(&mut self, at: &Place<'_>, output: &Tensor) -> Result<()> {
        let (how, place) = (self.how, at.layer);
        if self.targets[place].is_none() {
            self.targets[place] = Some(self.begin(place, at, output)?);
        }
        self.targets[place].as_mut().map_or(Ok(()), |target| target.write(how, at, output))
    }

    fn begin(&self, place: usize, at: &Place<'_>, output: &Tensor) -> Result<Target> {
        let taken: Vec<String> =
            self.targets.iter().flatten().flat_map(|target| target.laid.files()).collect();
        let laid = self.how.laid(&self.names[place], at, output)?.named(&taken);
        let made: Vec<&Target> = self.targets.iter().flatten().collect();
        let projection = self.projection(&laid, made);
        Target::create(laid, self.folder, self.expected, projection)
    }

    /// The projection of a layer: that of another of the same width, or a new one.
    fn projection<'t>(
        &self,
        laid: &Laid,
        made: impl IntoIterator<Item = &'t Target>,
    ) -> Option<Arc<Projection>> {
        let (width, (to, seed)) = (laid.projected_from?, self.how.project?);
        let known = made.into_iter().filter_map(|target| target.projection.as_ref());
        let same = known.into_iter().find(|projection| projection.width() == width);
        Some(same.map_or_else(|| Arc::new(Projection::new(width, to, seed)), Arc::clone))
    }

    /// Writes what the model itself gave, where that is a matrix; gives it.
    fn keep_outputs(&mut self, at: &Place<'_>, output: Option<&Tensor>) -> Result<Option<Tensor>> {
        let how = Keeping { reduce: Reduce::Flatten, format: None, project: None };
        let logits = output.filter(|output| is_logits(output, at.samples)).map(Tensor::detach);
        if let (None, None, Some(logits)) = (&self.layout, &self.outputs, &logits) {
            let laid = how.laid(LOGITS, at, logits)?;
            let laid = Laid { file: format!("{LOGITS}.{}", laid.format.ending()), ..laid };
            self.outputs = Some(Target::create(laid, self.folder, self.expected, None)?);
        }
        let Some(target) = &mut self.outputs else { return Ok(None) };
        let logits = logits.ok_or_else(|| {
            let problem =
                "the model gave a matrix of outputs for the first samples, and none for later ones";
            Error::usage(problem, "export it so that what it returns does not depend on the data")
        })?;
        target.write(how, at, &logits)?;
        Ok(Some(logits))
    }

    fn digest(&self) -> [u8; 32] {
        digest_of(self.targets.iter().flatten().chain(&self.outputs))
    }

    fn layout(&mut self) -> &Layout {
        self.layout.get_or_insert_with(|| Layout {
            layers: self.targets.iter().flatten().map(|target| target.laid.clone()).collect(),
            outputs: self.outputs.as_ref().map(|target| target.laid.clone()),
        })
    }
}

impl<'a> Keeper<'a> {
    /// Into these files; `sources` says which layers gave the tensor of another when they were found.
    pub fn new(files: KeptFiles<'a>, sources: Sources, note: &'a mut Noting<'a>) -> Self {
        Self { files, sources, batch: Batch::default(), note }
    }

    /// The files that were written.
    pub fn files(self) -> KeptFiles<'a> {
        self.files
    }

    fn keep(&mut self, at: &Place<'_>, output: &Tensor) -> Result<()> {
        let was_finite = self.files.not_finite(at.layer).is_none();
        self.files.keep(at, output)?;
        let broken = self.files.not_finite(at.layer).filter(|_| was_finite);
        self.batch.not_finite.extend(broken.map(|sample| (at.layer, sample.clone())));
        Ok(())
    }
}

/// Whether an output is N×K floats, or a vector of N, a single output a sample.
fn is_logits(output: &Tensor, samples: usize) -> bool {
    let floats = [Kind::Float, Kind::Double, Kind::Half, Kind::BFloat16];
    let is_matrix = match output.size()[..] {
        [n] => n == samples as i64,
        [n, k] => n == samples as i64 && k > 0,
        _ => false,
    };
    is_matrix && floats.contains(&output.kind())
}

impl Consumer for Keeper<'_> {
    fn wants(&self, _: usize) -> bool {
        true
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        let source = self.sources.first().and_then(|sources| sources[at.layer]);
        if source.is_some() && at.same != source {
            self.batch.differing.push(at.layer);
        }
        self.keep(&at, output)?;
        Ok(Answer::Keep)
    }

    fn output(&mut self, at: Place<'_>, output: Option<&Tensor>) -> Result<()> {
        self.batch.indices = at.indices.to_vec();
        match output {
            Some(output) if self.files.output_is_layer => {
                let axes = Axes::guessed(output.dim());
                self.keep(&Place { layer: 0, ..at }, &axes.canonical(output))
            }
            _ if self.files.output_is_layer => Ok(()),
            output => {
                self.batch.outputs = self.files.keep_outputs(&at, output)?;
                Ok(())
            }
        }
    }

    fn batch_done(&mut self, _: usize) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        let digest = self.files.digest();
        let (indices, differing) = (&batch.indices, &batch.differing);
        let outputs = batch.outputs.as_ref();
        let (layout, not_finite) = (self.files.layout(), &batch.not_finite);
        (self.note)(Written { layout, indices, digest, differing, outputs, not_finite })
    }
}

fn digest_of<'t>(targets: impl IntoIterator<Item = &'t Target>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for target in targets {
        hasher.update(target.rows.digest());
        target.averaged.iter().for_each(|writer| hasher.update(writer.digest()));
    }
    hasher.finalize().into()
}

/// How far a target was written.
type Mark = (LayerMark, Option<LayerMark>);

impl Target {
    fn create(
        laid: Laid,
        folder: &Path,
        (samples, batches): (usize, usize),
        projection: Option<Arc<Projection>>,
    ) -> Result<Self> {
        let rows = LayerWriter::create(&folder.join(&laid.file), laid.head(), samples)?;
        let averaged = laid
            .averaged
            .as_ref()
            .map(|file| LayerWriter::create(&folder.join(file), laid.averaged_head(), batches));
        Ok(Self { rows, averaged: averaged.transpose()?, laid, projection, not_finite: None })
    }

    fn again(laid: &Laid, folder: &Path, (samples, batches): (usize, usize)) -> Self {
        let rows = LayerWriter::again(&folder.join(&laid.file), laid.head(), samples);
        let averaged = laid
            .averaged
            .as_ref()
            .map(|file| LayerWriter::again(&folder.join(file), laid.averaged_head(), batches));
        Self { rows, averaged, laid: laid.clone(), projection: None, not_finite: None }
    }

    /// Takes in a batch of so many rows that is there already.
    fn take_again(&mut self, rows: usize) -> bool {
        self.rows.take_again(rows) && self.averaged.as_mut().is_none_or(|file| file.take_again(1))
    }

    fn mark(&self) -> Mark {
        (self.rows.mark(), self.averaged.as_ref().map(LayerWriter::mark))
    }

    fn restore(&mut self, (rows, averaged): Mark) {
        self.rows.restore(rows);
        self.averaged.iter_mut().zip(averaged).for_each(|(file, mark)| file.restore(mark));
    }

    fn cut(&self) -> Result<()> {
        self.averaged.iter().chain([&self.rows]).try_for_each(LayerWriter::cut)
    }

    fn write(&mut self, how: Keeping, at: &Place<'_>, output: &Tensor) -> Result<()> {
        let mut values = how.values(&self.laid, at, output)?;
        if let Some(projection) = &self.projection {
            values = projection.rows(&values)?;
        }
        let row: Vec<i64> = self.laid.row.iter().map(|&size| size as i64).collect();
        if values.size()[1..] != row {
            let problem = format!("layer {} gave another shape than before", self.laid.name);
            return Err(Error::usage(problem, "leave it out with --layers '!NAME'"));
        }
        self.look_at(at, &values);
        self.rows.append(&to_bytes(&values, self.laid.format, || self.beyond(at, &values))?)?;
        let sizes = how.reduce.magnitudes(output, at.tokens);
        match (sizes, &mut self.averaged) {
            (Some(sizes), Some(file)) => {
                let sum = sizes.square().sum_dim_intlist([0i64].as_slice(), false, Kind::Double);
                file.append(&to_bytes(&sum, FloatFormat::F64, || None)?)
            }
            _ => Ok(()),
        }
    }

    /// Looks for the first sample that is NaN or infinite.
    fn look_at(&mut self, at: &Place<'_>, values: &Tensor) {
        if self.not_finite.is_none() && values.size()[0] > 0 {
            let row = first_not_finite(&values.reshape([values.size()[0], -1]));
            self.not_finite = row.map(|row| (at.name)(row));
        }
    }

    /// The error for numbers that float16 does not hold, where a finite one is that.
    fn beyond(&self, at: &Place<'_>, values: &Tensor) -> Option<Error> {
        let lost =
            values.isfinite().logical_and(&values.to_kind(Kind::Half).isfinite().logical_not());
        let rows = lost.reshape([values.size()[0], -1]).any_dim(1, false).to_device(Device::Cpu);
        let rows = Vec::<bool>::try_from(rows).ok()?;
        let row = rows.iter().position(|lost| *lost)?;
        let problem = format!(
            "layer {} has numbers beyond 65504 for sample {}, which float16 does not hold",
            self.laid.name,
            (at.name)(row)
        );
        Some(Error::usage(problem, "give --dtype bf16 or f32"))
    }

    fn finish(self) -> Result<Finished> {
        let Self { laid, rows, averaged, not_finite, .. } = self;
        let averaged_sha256 = averaged.map(LayerWriter::finish).transpose()?;
        Ok(Finished { laid, sha256: rows.finish()?, averaged_sha256, not_finite })
    }
}
