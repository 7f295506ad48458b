//! Folders of outputs of layers, as `repsim features` writes them.

use std::path::{Path, PathBuf};
use std::thread;

use tch::{Kind, Tensor};

use super::axes;
use super::kept_names::{self, check_names};
use super::notices::PADDING;
use crate::analysis::State;
use crate::capture::Reduce;
use crate::capture::keep::from_bytes;
use crate::capture::kept::{KeptLayer, KeptSubject};
use crate::data::statistics::Origin;
use crate::data::{Dataset, FloatFormat, LayerHead, LayerReader, SourceKind};
use crate::error::{Error, Result};
use crate::report::features::{FeaturesReport, KeptLayer as Entry};
use crate::report::{DataInput, FolderInput, LayerInfo, ModelInput, Warning, sha256_of_file};
use crate::similarity::Measure;
use crate::torchscript::{Axes, By, Selection};
use crate::view::names::few;

/// The file that says what is in a folder; where it is not, the folder is not finished.
pub const INDEX: &str = "features.json";

/// The file that says how far a folder is that is not finished.
pub const JOURNAL: &str = "unfinished.jsonl";

/// The folder of parts of a folder that several processes of one run write.
pub const SHARDS: &str = ".repsim-shards";

/// What to do about a folder that is damaged.
const AGAIN: &str = "write the folder again with repsim features";

/// Places of layers, and a warning of those left out.
pub type Chosen = (Vec<usize>, Option<Warning>);

/// A folder that is whole, as far as its index says.
pub struct Folder {
    /// Its path.
    pub path: PathBuf,
    /// Its index.
    pub index: FeaturesReport,
    /// What the index says of the samples.
    pub data: DataInput,
    /// Whether its files are held against their hashes: not where a run reads parts of them only.
    pub hashed: bool,
    /// Layers that gave the tensor of one that was kept, behind those of the index.
    pub(super) also: Vec<Entry>,
    sha256: String,
}

impl Folder {
    /// Whether a path is a folder that `repsim features` wrote or is writing.
    pub fn is_at(path: &Path) -> bool {
        let marks = [INDEX, JOURNAL, State::PART, SHARDS];
        path.is_dir() && marks.iter().any(|mark| path.join(mark).exists())
    }

    /// The folders among paths where models are given.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn among(paths: &[PathBuf]) -> Result<Vec<Option<Self>>> {
        let open = |path: &PathBuf| path.is_dir().then(|| Self::open(path)).transpose();
        paths.iter().map(open).collect()
    }

    /// Reads the index of a folder.
    ///
    /// # Errors
    /// There is none, or it is of something else or contradicts itself.
    pub fn open(path: &Path) -> Result<Self> {
        let index = path.join(INDEX);
        let wrong = |problem: &str, remedy: &str| Err(Error::file("read", path, problem, remedy));
        if !index.exists() {
            let has = |mark: &str| path.join(mark).exists();
            return match () {
                () if has(State::PART) => wrong(
                    "it is what one shard of repsim features wrote",
                    "put all of them together: repsim merge SHARD… -o FOLDER",
                ),
                () if has(JOURNAL) || has(SHARDS) => wrong(
                    "the run of repsim features that wrote it did not come to its end",
                    "run the same command again: it goes on where that stopped",
                ),
                () => wrong(
                    "it is a folder without features.json",
                    "give a model, or a folder that repsim features wrote",
                ),
            };
        }
        let report = FeaturesReport::read(&index)?;
        let results = &report.results;
        let rows = |layer: &Entry| layer.shape.first() == Some(&results.n);
        let lengths = [
            Some(results.names.len()),
            results.labels.as_ref().map(Vec::len),
            results.copies.as_ref().map(Vec::len),
        ];
        let files = results.layers.iter().chain(&results.outputs);
        let is_plain =
            |layer: &&Entry| Path::new(&layer.file).file_name() == Some(layer.file.as_ref());
        let whole = files.clone().all(rows)
            && files.clone().filter(is_plain).count() == files.count()
            && lengths.into_iter().flatten().all(|length| length == results.n)
            && report.inputs.models.len() == 1;
        let Some(data) = report.inputs.data.clone().filter(|_| whole) else {
            return wrong("its features.json contradicts itself", AGAIN);
        };
        let sha256 = sha256_of_file(&index)?;
        let also = kept_names::also(&report);
        Ok(Self { path: path.to_owned(), sha256, data, hashed: true, also, index: report })
    }

    /// The model whose outputs these are.
    pub fn model(&self) -> &ModelInput {
        &self.index.inputs.models[0]
    }

    /// Its path, in words of messages.
    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// What layers are called.
    pub fn names(&self) -> Vec<&str> {
        self.index.results.layers.iter().map(|layer| layer.name.as_str()).collect()
    }

    /// The layers wanted, to be given reduced so: where none is named all but inputs of linear layers, and of the
    /// others those that it takes; a warning names those that are left out.
    ///
    /// # Errors
    /// A pattern chooses none.
    pub fn choose(&self, selection: &Selection, reduce: Reduce) -> Result<Chosen> {
        let names = self.names();
        let is_input = |name: &str| name.ends_with(":input");
        let only = names.iter().all(|name| is_input(name));
        let default = |name: &str| only || !is_input(name);
        let chosen = self.named(selection, default)?;
        let takes = |i: &usize| reduce.check(&shape_of(self.entry(*i))).is_ok();
        let (taken, others): (Vec<usize>, Vec<usize>) = chosen.iter().partition(|i| takes(i));
        if !selection.is_default() || taken.is_empty() || others.is_empty() {
            return Ok((chosen, None));
        }
        let without: Vec<&str> = others.iter().map(|&i| names[i]).collect();
        let text = format!(
            "{} without tokens left out: --reduce {reduce} takes tokens",
            few("layer", &without)
        );
        Ok((taken, Some(Warning::new("layers-without-tokens", &self.model().path, text))))
    }

    /// The one layer that features are taken of: the one named, else the input of the last linear layer, or the
    /// only one.
    ///
    /// # Errors
    /// There is none, or several match.
    pub fn one_layer(&self, name: Option<&str>) -> Result<usize> {
        let names = self.names();
        let known = || few("layer", &names);
        let Some(name) = name else {
            let input = names.iter().rposition(|name| name.ends_with(":input"));
            return input.or((names.len() == 1).then_some(0)).ok_or_else(|| {
                let problem =
                    format!("it holds {} and not the input of the last linear layer", known());
                Error::file("take features from", &self.path, problem, "name one with --layers")
            });
        };
        let chosen = self.named(&Selection::new(&[name])?, |_| true)?;
        match chosen.as_slice() {
            [one] => Ok(*one),
            more => {
                let problem = format!("'{name}' matches {} layers of {}", more.len(), self.shown());
                Err(Error::usage(problem, "name one layer with --layers"))
            }
        }
    }

    /// Some layers, to be given reduced so.
    ///
    /// # Errors
    /// A file is not there, is damaged or not the one that was written; or it holds rows that were reduced in another
    /// way.
    pub fn subject(&self, chosen: &[usize], reduce: Reduce) -> Result<KeptSubject> {
        let results = &self.index.results;
        let entries: Vec<&Entry> = chosen.iter().map(|&i| self.entry(i)).collect();
        entries.iter().try_for_each(|entry| self.check_reduce(entry, reduce))?;
        self.check_files(&entries)?;
        let mut layers = vec![];
        for entry in &entries {
            let source = self.source(entry, &layers);
            let first = |name: &str| {
                self.entry_of(name)
                    .and_then(|layer| layer.same_as.clone())
                    .unwrap_or(name.to_owned())
            };
            let is_same = source.is_some_and(|s| first(&entry.name) == first(&layers[s].name));
            layers.push(KeptLayer { source, is_same, ..self.layer(entry)? });
        }
        let (samples, copies) = (results.n, results.copies.clone());
        let outputs = None;
        Ok(KeptSubject { layers, outputs, samples, copies, rows: (0..samples).map(Some).collect() })
    }

    /// What the model itself gave, as a layer.
    ///
    /// # Errors
    /// As [`Folder::subject`].
    pub fn outputs(&self) -> Result<Option<KeptLayer>> {
        let Some(entry) = &self.index.results.outputs else { return Ok(None) };
        self.check_files(&[entry])?;
        self.layer(entry).map(Some)
    }

    /// The first of the layers that gave the tensor of this one when they were found.
    fn source(&self, entry: &Entry, before: &[KeptLayer]) -> Option<usize> {
        let info = self.info(&entry.name)?;
        before.iter().position(|l| info.name == l.name || info.aliases.contains(&l.name))
    }

    pub(super) fn info(&self, name: &str) -> Option<&LayerInfo> {
        let name = self.kept_as(name);
        self.model().layers.iter().find(|layer| layer.name == name)
    }

    fn layer(&self, entry: &Entry) -> Result<KeptLayer> {
        let head = head(entry);
        let axes = self.axes(entry);
        Ok(KeptLayer {
            name: entry.name.clone(),
            reader: LayerReader::open(&self.path.join(&entry.file), &head, self.index.results.n)?,
            head,
            order: entry.order.clone(),
            around: entry.around,
            axes,
            averaged: self.averaged(entry)?,
            source: None,
            is_same: false,
        })
    }

    /// The axes of the layer's own output.
    fn axes(&self, entry: &Entry) -> Axes {
        self.info(&entry.name).map_or(Axes::guessed(entry.shape.len()), |info| Axes {
            samples: info.sample_axis,
            channels: info.channel_axis,
            told: By::named(info.channel_axis_by.as_deref()),
            class_tokens: info.class_tokens,
        })
    }

    /// √(Σ a² / n) of each channel over all samples.
    fn averaged(&self, entry: &Entry) -> Result<Option<Tensor>> {
        let Some(file) = &entry.averaged else { return Ok(None) };
        let head = averaged_head(file.shape[1]);
        let reader = LayerReader::open(&self.path.join(&file.file), &head, file.shape[0])?;
        let sums = from_bytes(&reader.range(0, file.shape[0])?, file.shape[0], &head)?;
        let total = sums.sum_dim_intlist([0i64].as_slice(), false, Kind::Double);
        // A projection spreads what it is given evenly.
        let total = match &entry.projected {
            None => total,
            Some(made) => {
                let each = total.sum(Kind::Double).double_value(&[]) / made.to as f64;
                Tensor::full([made.to as i64], each, (Kind::Double, tch::Device::Cpu))
            }
        };
        Ok(Some((total / self.index.results.n.max(1) as f64).sqrt()))
    }

    fn check_reduce(&self, entry: &Entry, reduce: Reduce) -> Result<()> {
        let settings = &self.index.settings;
        let shape: Vec<i64> = shape_of(entry);
        // Of a row a sample every reduction makes the same.
        let rows = self.info(&entry.name).is_none_or(|info| info.shape.len() < 2);
        let of_tokens = !matches!(reduce, Reduce::Flatten | Reduce::Gap);
        let padded = self.data.padded;
        let whole = entry.projected.is_none() && settings.reduce == Reduce::Flatten;
        let problem = match () {
            () if rows => return Ok(()),
            () if !whole && settings.reduce != reduce => format!(
                "layer {} was written with --reduce {}, and --reduce {reduce} is asked for",
                entry.name, settings.reduce
            ),
            () if !whole => return Ok(()),
            () if of_tokens && padded > 0 => format!(
                "layer {} is whole, with the padding of {padded} samples, and --reduce {reduce} leaves that out",
                entry.name
            ),
            () => match reduce.check(&shape) {
                Ok(()) => return Ok(()),
                Err(problem) => format!("layer {} gives {problem}", entry.name),
            },
        };
        let remedy = match whole {
            true => format!("write them with repsim features --reduce {reduce}"),
            false => format!(
                "give --reduce {}, or write whole outputs with repsim features --reduce flatten",
                settings.reduce
            ),
        };
        Err(Error::file("take features from", &self.path, problem, remedy))
    }

    /// Holds files against the hashes in the index.
    fn check_files(&self, entries: &[&Entry]) -> Result<()> {
        if !self.hashed {
            return Ok(());
        }
        let averaged = entries.iter().filter_map(|entry| entry.averaged.as_ref());
        let averaged = averaged.map(|file| (file.file.as_str(), file.sha256.as_str()));
        let files = entries.iter().map(|entry| (entry.file.as_str(), entry.sha256.as_str()));
        let files: Vec<(&str, &str)> = files.chain(averaged).collect();
        let check = |(file, sha256): &(&str, &str)| {
            let path = self.path.join(file);
            match sha256_of_file(&path)? == *sha256 {
                true => Ok(()),
                false => {
                    let problem = "its bytes are not those that features.json beside it tells of";
                    Err(Error::file("read", &path, problem, AGAIN))
                }
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = files.len().div_ceil(threads).max(1);
        thread::scope(|scope| {
            let parts =
                files.chunks(share).map(|part| scope.spawn(|| part.iter().try_for_each(check)));
            let parts: Vec<_> = parts.collect();
            parts.into_iter().try_for_each(|part| part.join().unwrap_or(Ok(())))
        })
    }

    /// Checks that all files are there and as they were written.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check_whole(&self) -> Result<()> {
        let results = &self.index.results;
        self.check_files(&results.layers.iter().chain(&results.outputs).collect::<Vec<_>>())
    }

    /// What a report says of the model, with the layers looked at.
    pub fn record(&self, chosen: &[usize]) -> ModelInput {
        let FeaturesReport { settings, tool, .. } = &self.index;
        let entries: Vec<&Entry> = chosen.iter().map(|&i| self.entry(i)).collect();
        let mut dtypes = vec![];
        for entry in &entries {
            if !dtypes.contains(&entry.dtype) {
                dtypes.push(entry.dtype);
            }
        }
        let folder = FolderInput {
            path: self.shown(),
            sha256: self.sha256.clone(),
            tool: format!("{} {}", tool.name, tool.version),
            reduce: settings.reduce,
            dtypes,
            project: settings.project,
            projection_seed: settings.projection_seed,
            batch_size: settings.read.batch_size,
            optimize: settings.optimize,
            device: settings.device.clone(),
            data: self.data.path.clone(),
            fingerprint: self.fingerprint().to_owned(),
        };
        let model = self.model();
        let layers = self.infos(&entries);
        ModelInput { layers, features: Some(Box::new(folder)), ..model.clone() }
    }

    /// The fingerprint of the samples.
    pub fn fingerprint(&self) -> &str {
        &self.data.fingerprint
    }

    /// What is to be known of the features that are looked at: what was noticed when they were written, and what
    /// projections do.
    pub fn warnings(
        &self,
        chosen: &[usize],
        (reduce, measures): (Reduce, &[Measure]),
    ) -> Result<Vec<Warning>> {
        // Whether padding counts depends on what is asked for now.
        let told = self.index.warnings.iter().filter(|warning| warning.code != PADDING);
        let mut warnings: Vec<Warning> = told.cloned().collect();
        warnings.extend(self.unknown_axes(chosen, reduce));
        warnings.extend(self.projected(chosen, measures)?);
        Ok(warnings)
    }

    /// Warns of whole outputs whose channels could only be guessed, where it depends on them.
    fn unknown_axes(&self, chosen: &[usize], reduce: Reduce) -> Option<Warning> {
        let entries = chosen.iter().map(|&i| self.entry(i));
        let whole = entries.filter(|entry| reduce != Reduce::Flatten && !entry.order.is_empty());
        let layers: Vec<_> =
            whole.map(|entry| (entry.name.as_str(), self.axes(entry), entry.shape.len())).collect();
        axes::unknown_of(&layers, Path::new(&self.model().path))
    }

    /// Warns of projections.
    fn projected(&self, chosen: &[usize], measures: &[Measure]) -> Result<Option<Warning>> {
        let results = &self.index.results;
        let made = chosen.iter().map(|&i| self.entry(i));
        let made: Vec<_> =
            made.filter_map(|entry| Some((entry, entry.projected.as_ref()?))).collect();
        let Some((_, first)) = made.first() else { return Ok(None) };
        let names: Vec<&str> = made.iter().map(|(entry, _)| entry.name.as_str()).collect();
        let layers = few("layer", &names);
        if let Some(measure) = measures.iter().find(|measure| measure.takes_units()) {
            let problem = format!(
                "{measure} looks at single features, and {layers} of {} are random projections of them",
                self.shown()
            );
            let remedy = "leave that measure out, or write the folder without --project";
            return Err(Error::usage(problem, remedy));
        }
        let bound = match first.distortion.get() {
            Some(e) => format!("all of them within {:.1} % for {} samples", 100.0 * e, results.n),
            None => format!(
                "and {} numbers are too few for a bound over {} samples",
                first.to, results.n
            ),
        };
        let text = format!(
            "{layers} of {}: random projections to {} numbers; squared distances keep their mean with a deviation of \
             at most {:.1} % each, {bound} (Johnson and Lindenstrauss). Measures such as CKA move with them, the more the fewer numbers there are, \
             and what is said of single features, sparsity and ranks is of the projections",
            self.shown(),
            first.to,
            100.0 * first.deviation
        );
        Ok(Some(Warning::new("projected-features", names.join(", "), text)))
    }

    /// How the features of a layer came about, as files of statistics hold it.
    pub fn origin(&self, layer: &KeptLayer, reduce: Reduce) -> Origin {
        let FeaturesReport { settings, tool, .. } = &self.index;
        let model = self.model();
        let mut run = settings.run.clone();
        if let Some(made) = self.entry_of(&layer.name).and_then(|entry| entry.projected.as_ref()) {
            run.push(format!(
                "projected from {} to {} with seed {}",
                made.from, made.to, made.seed
            ));
        }
        let rank = self.info(&layer.name).map_or(2, |info| info.shape.len() + 1);
        let by_rank = Axes::guessed(rank);
        let differs = layer.axes.channels != by_rank.channels || layer.axes.samples > 0;
        Origin {
            tool: format!("{} {}", tool.name, tool.version),
            model_sha256: model.sha256.clone(),
            weights: model.weights.as_ref().map(|weights| weights.identity()),
            layer: layer.name.clone(),
            reduce: reduce.to_string(),
            preprocess: self.data.preprocess.first().cloned(),
            fingerprint: self.fingerprint().to_owned(),
            optimize: settings.optimize,
            run,
            channel_axis: layer.axes.channels.filter(|_| differs && reduce != Reduce::Flatten),
            pixels: Some(settings.pixels.clone()),
        }
    }

    /// Refuses a folder whose samples are not those of another, in their order.
    ///
    /// # Errors
    /// Names the first sample that is another one.
    pub fn check_same(&self, other: &Self) -> Result<Option<Warning>> {
        let (a, b) = (&self.index.results.names, &other.index.results.names);
        check_names((&self.shown(), a), (&other.shown(), b))?;
        if self.fingerprint() == other.fingerprint() {
            return Ok(None);
        }
        let text = format!(
            "the samples of {} and {} have the same names and other bytes",
            self.shown(),
            other.shown()
        );
        // Each tokenizer makes other bytes of a text.
        let is_text = |folder: &Self| folder.data.kind == SourceKind::Texts;
        match is_text(self) && is_text(other) {
            true => Ok(Some(Warning::new("other-samples", other.shown(), text))),
            false => Err(Error::usage(text, "write both from the same data")),
        }
    }

    /// The row of each sample of a data set.
    ///
    /// # Errors
    /// Names the first sample that is another one, or has none.
    pub fn rows_of(&self, dataset: &Dataset) -> Result<Vec<Option<usize>>> {
        let skipped = self.data.skipped.iter();
        let skipped: std::collections::HashSet<&str> =
            skipped.map(|sample| sample.name.as_str()).collect();
        let all: Vec<String> = (0..dataset.len()).map(|i| dataset.name(i)).collect();
        let used = all.iter().filter(|name| !skipped.contains(name.as_str()));
        let used: Vec<String> = used.cloned().collect();
        let path = dataset.path().display().to_string();
        check_names((&path, &used), (&self.shown(), &self.index.results.names))?;
        let mut next = 0..;
        Ok(all
            .iter()
            .map(|name| if skipped.contains(name.as_str()) { None } else { next.next() })
            .collect())
    }
}

fn head(entry: &Entry) -> LayerHead {
    LayerHead { name: entry.name.clone(), format: entry.dtype, row: entry.shape[1..].to_vec() }
}

/// What stands before the rows of a file of what means were taken over.
pub fn averaged_head(channels: usize) -> LayerHead {
    LayerHead { name: String::new(), format: FloatFormat::F64, row: vec![channels] }
}

/// The shape of its output as N×C×positions.
fn shape_of(entry: &Entry) -> Vec<i64> {
    let mut shape: Vec<i64> = entry.shape.iter().map(|&size| size as i64).collect();
    for (place, &axis) in entry.order.iter().enumerate() {
        if let (Some(slot), Some(&size)) = (shape.get_mut(axis + 1), entry.shape.get(place + 1)) {
            *slot = size as i64;
        }
    }
    shape
}
