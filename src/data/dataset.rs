//! An opened data source and the samples chosen from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::batches::{Batches, Enlarged, LoadOptions};
use super::fingerprint::{Digest, copies_of, digest, fingerprint, of_names};
use super::preprocess::{Preprocess, Preset};
use super::source::{
    self, ArrayLayout, Form, InputArray, Opening, Sample, Source, SourceKind, Tokenized, Tokenizing,
};
use crate::error::{Error, Result};

/// The array that is 0 where a sample is padding.
const MASK: &str = "attention_mask";

/// Samples that are looked at for what float32 does not hold.
const LOOKED_AT: usize = 16;

/// Raised when a decoder comes to give other pixels; 2: JPEG by libjpeg-turbo.
const DECODERS: u32 = 2;

/// An opened data source: names, labels and the number of samples are known, nothing is decoded.
///
/// A clone is cheap and shares the source. Positions of samples are those within this data set,
/// after [`Dataset::subset`].
#[derive(Clone)]
pub struct Dataset {
    path: PathBuf,
    source: Arc<dyn Source>,
    /// Index in the source of each sample, ascending.
    chosen: Arc<[usize]>,
    labels: Option<Arc<[usize]>>,
}

impl Dataset {
    /// Opens a path: a folder of images, a `.npy`, `.npz` or `.safetensors` array, CIFAR-10's
    /// binary files, or MNIST's idx files.
    ///
    /// # Errors
    ///
    /// A path that is not there or holds nothing of these; a file that is damaged; labels of
    /// another length than the samples.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_as(path, None)
    }

    /// As [`Dataset::open`], with the order of the axes of an array of pictures, which otherwise its
    /// shape has to tell: bytes by which axis has 1, 3 or 4 entries; floats are `N×C×H×W` unless
    /// only the last axis can be that of channels.
    ///
    /// # Errors
    ///
    /// As [`Dataset::open`]; an array that does not go with the layout, or one of bytes whose shape
    /// tells none.
    pub fn open_as(path: &Path, layout: Option<ArrayLayout>) -> Result<Self> {
        Self::opened(path, Opening { layout, ..Opening::default() })
    }

    /// As [`Dataset::open_inputs`] where labels are of no great use: those that are not classes are left
    /// out ([`Dataset::labels_left_out`]).
    ///
    /// # Errors
    ///
    /// As [`Dataset::open_inputs`], except for labels.
    pub fn open_for_samples(path: &Path, layout: Option<ArrayLayout>) -> Result<Self> {
        Self::opened(path, Opening { layout, without_wrong_labels: true, several: true })
    }

    /// As [`Dataset::open_as`], for networks of several inputs too: where a file has several arrays and
    /// none is called `images`, a sample is the rows of all but `labels`, in the order of
    /// [`Dataset::arrays`], as one row of floats.
    ///
    /// # Errors
    ///
    /// As [`Dataset::open_as`]; arrays with different numbers of rows.
    pub fn open_inputs(path: &Path, layout: Option<ArrayLayout>) -> Result<Self> {
        Self::opened(path, Opening { layout, several: true, ..Opening::default() })
    }

    fn opened(path: &Path, how: Opening) -> Result<Self> {
        Ok(Self::of(path, source::open(path, how)?))
    }

    /// Opens a file of texts, a line a sample. A sample is the ids, the mask (1 for its tokens, 0 for
    /// padding) and the types of its tokens.
    ///
    /// # Errors
    ///
    /// The file holds no line, the tokenizer cannot be read, or a text has no token.
    pub fn open_texts(path: &Path, how: &Tokenizing) -> Result<Self> {
        Ok(Self::of(path, source::open_texts(path, how)?))
    }

    fn of(path: &Path, source: Arc<dyn Source>) -> Self {
        let chosen = (0..source.len()).collect();
        let labels = source.labels().map(Arc::from);
        Self { path: path.to_owned(), source, chosen, labels }
    }

    /// What became of texts; `None` for other data.
    pub fn tokenized(&self) -> Option<&Tokenized> {
        self.source.tokenized()
    }

    /// Where in the row of a sample its `attention_mask` is, if it has one beside other arrays: the first
    /// of its columns and their number, one a token.
    pub fn mask_columns(&self) -> Option<(usize, usize)> {
        let arrays = self.arrays();
        let place = arrays.iter().position(|array| array.name == MASK)?;
        let before: usize = arrays[..place].iter().map(|a| a.shape.iter().product::<usize>()).sum();
        match arrays[place].shape.as_slice() {
            &[tokens] if arrays.len() > 1 => Some((before, tokens)),
            _ => None,
        }
    }

    /// How many samples have tokens that their `attention_mask` leaves out as padding.
    ///
    /// # Errors
    ///
    /// They cannot be read, or a mask leaves out all tokens of a sample.
    pub fn padded(&self) -> Result<usize> {
        if self.mask_columns().is_none() {
            return Ok(0);
        }
        let load =
            LoadOptions { fingerprint: false, skip_unreadable: true, ..LoadOptions::default() };
        let mut batches = self.batches(&[Preprocess::preset(Preset::Raw)], &load)?;
        batches.by_ref().try_for_each(|batch| batch.map(drop))?;
        Ok(batches.summary().padded)
    }

    /// The names of arrays of float64 whose first rows float32, as which they are read, does not hold.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn rounded(&self) -> Result<Vec<String>> {
        let (mut bytes, mut rounded) = (vec![], BTreeSet::new());
        let arrays = if self.tokenized().is_some() { vec![] } else { self.arrays() };
        let all =
            if arrays.iter().any(InputArray::is_double) { self.len().min(LOOKED_AT) } else { 0 };
        for i in 0..all {
            self.read(i, &mut bytes)?;
            let mut rest = bytes.as_slice();
            for array in &arrays {
                let (row, others) = rest.split_at(array.bytes().min(rest.len()));
                rest = others;
                if array.is_double() && beyond_float32(row) {
                    rounded.insert(array.name.clone());
                }
            }
        }
        Ok(rounded.into_iter().collect())
    }

    /// The arrays whose rows make a sample, one after the other; none for pictures.
    pub fn arrays(&self) -> Vec<InputArray> {
        self.source.arrays()
    }

    /// The path it was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the path turned out to hold.
    pub fn kind(&self) -> SourceKind {
        self.source.kind()
    }

    /// The order of the axes of an array of pictures, as given or as found; `None` where there is no
    /// axis of channels, and for all that is not an array.
    pub fn layout(&self) -> Option<ArrayLayout> {
        self.source.layout()
    }

    /// How stored samples become pixels, as far as the samples themselves do not tell: the version of the
    /// decoders, and the layout of an array.
    pub fn pixels(&self) -> String {
        match self.layout() {
            Some(layout) => format!("decoders {DECODERS}, {layout}"),
            None => format!("decoders {DECODERS}"),
        }
    }

    /// Whether the samples are pictures (of bytes or floats), to which all preprocessing applies.
    pub fn has_images(&self) -> bool {
        self.source.form() != Form::Rows
    }

    /// Whether the samples are pictures of bytes.
    pub fn holds_bytes(&self) -> bool {
        self.source.form() == Form::Pixels
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Whether there is no sample; an opened data set always has one.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Name of sample `i`: its path relative to the folder with `/`, or its index in the array.
    ///
    /// # Panics
    ///
    /// Where `i` is not below [`Dataset::len`].
    pub fn name(&self, i: usize) -> String {
        self.source.name(self.chosen[i])
    }

    /// The class of each sample, where the source knows it.
    pub fn labels(&self) -> Option<&[usize]> {
        self.labels.as_deref()
    }

    /// Why labels that are there were left out.
    pub fn labels_left_out(&self) -> Option<&str> {
        self.source.labels_left_out()
    }

    /// Names of the classes; empty where the source has none.
    pub fn classes(&self) -> &[String] {
        self.source.classes()
    }

    /// Names of files beside the samples that look like pictures of kinds that are not read.
    pub fn unread(&self) -> &[String] {
        self.source.unread()
    }

    /// The name of a class: that of its folder or of the format, or else its number.
    pub fn class_name(&self, class: usize) -> String {
        self.classes().get(class).cloned().unwrap_or_else(|| class.to_string())
    }

    /// `limit` samples, of all classes evenly, or with a seed a random choice of `limit`.
    ///
    /// Without a seed the classes take turns, in their order, each with its first sample, then each
    /// with its second, and so on until there are `limit`; a class that has no more is passed
    /// over. Where there are no classes, the first samples are taken. They stay in the order of
    /// the data set, and a larger limit keeps what a smaller one kept.
    ///
    /// For the random choice each sample draws a 64-bit number from ChaCha8 seeded with `seed`, and
    /// those with the smallest numbers stay, in the order of the data set. A larger limit with the
    /// same seed keeps what a smaller one kept. A limit beyond the number of samples keeps all.
    ///
    /// # Errors
    ///
    /// A limit of zero, or a seed without a limit.
    pub fn subset(&self, limit: Option<usize>, seed: Option<u64>) -> Result<Self> {
        let kept: Vec<usize> = match (limit, seed) {
            (Some(0), _) => {
                return Err(Error::usage("--limit 0 leaves no samples", "give 1 or more"));
            }
            (Some(limit), Some(seed)) => draw(self.len(), limit, seed),
            (Some(limit), None) => match self.labels() {
                Some(labels) => even(labels, limit),
                None => (0..self.len().min(limit)).collect(),
            },
            (None, Some(seed)) => {
                let problem = format!(
                    "--seed {seed} chooses a random subset, and nothing says of how many samples"
                );
                return Err(Error::usage(problem, "give --limit N too, or leave --seed out"));
            }
            (None, None) => return Ok(self.clone()),
        };
        Ok(self.only(&kept))
    }

    /// Positions of `count` samples spread evenly over all: those at k·n/count, rounded down, the
    /// first among them; all where there are no more.
    pub fn spread(&self, count: usize) -> Vec<usize> {
        let count = count.min(self.len());
        (0..count).map(|k| k * self.len() / count).collect()
    }

    /// The samples at these positions, in their order, and no others.
    ///
    /// # Panics
    ///
    /// Where a position is not below [`Dataset::len`].
    pub fn only(&self, kept: &[usize]) -> Self {
        let chosen = kept.iter().map(|&i| self.chosen[i]).collect();
        let labels = self.labels.as_ref().map(|all| kept.iter().map(|&i| all[i]).collect());
        Self { chosen, labels, ..self.clone() }
    }

    /// The samples from a position on.
    pub fn from(&self, start: usize) -> Self {
        match start {
            0 => self.clone(),
            _ => self.only(&(start..self.len()).collect::<Vec<_>>()),
        }
    }

    /// The same samples in a random order, that of [`mixed_order`]: batches of it are random subsets, whatever order
    /// the data has.
    pub fn mixed(&self, seed: u64) -> Self {
        self.only(&mixed_order(self.len(), seed))
    }

    /// The preset that fits the kind of source: `imagenet` for folders, `cifar10` for CIFAR-10,
    /// `raw` for others.
    pub fn default_preset(&self) -> Preset {
        match self.kind() {
            SourceKind::ImageFolder => Preset::Imagenet,
            SourceKind::Cifar10 => Preset::Cifar10,
            _ => Preset::Raw,
        }
    }

    /// Starts to read, decode and preprocess all samples, once for each preprocessing.
    ///
    /// The first sample is decoded before this returns, so that most mistakes show at once.
    ///
    /// # Errors
    ///
    /// Steps that do not fit the data, a batch size of zero, a first sample that cannot be decoded
    /// (with [`LoadOptions::skip_unreadable`]: no sample that can).
    pub fn batches(&self, preprocess: &[Preprocess], options: &LoadOptions) -> Result<Batches> {
        Batches::start(self.clone(), preprocess, options)
    }

    /// How the first sample that can be read would be resized, where it would be enlarged much.
    ///
    /// # Errors
    ///
    /// As [`Dataset::batches`].
    pub fn first_enlarged(&self, preprocess: &Preprocess) -> Result<Option<Enlarged>> {
        let skip_unreadable = true;
        let (batch_size, workers, fingerprint) = (1, 1, false);
        let (ahead, range) = (1, None);
        let load = LoadOptions { batch_size, workers, skip_unreadable, fingerprint, ahead, range };
        let mut batches = self.batches(std::slice::from_ref(preprocess), &load)?;
        batches.next().transpose()?;
        Ok(batches.summary().enlarged)
    }

    /// Hashes every sample without decoding it, on that many threads (at least one).
    ///
    /// The text is that of [`Summary::fingerprint`](super::Summary::fingerprint) after a pass over
    /// all samples of which none was left out.
    ///
    /// # Errors
    ///
    /// A sample that cannot be read: the first of them.
    pub fn fingerprint(&self, workers: usize) -> Result<String> {
        Ok(self.fingerprint_and_copies(workers)?.0)
    }

    /// The same, and of each sample the first one of the same bytes, where any two have the same.
    ///
    /// # Errors
    ///
    /// As [`Dataset::fingerprint`].
    pub fn fingerprint_and_copies(&self, workers: usize) -> Result<(String, Option<Vec<usize>>)> {
        let samples = self.digests(workers)?;
        let (count, digest) = (samples.len(), |i: usize| samples[i].1);
        let fingerprint = fingerprint(count, |i| samples[i].0.clone(), digest);
        Ok((fingerprint, copies_of(count, digest)))
    }

    /// The text of [`Dataset::fingerprint`] of samples at these positions whose digests are known, in the order in
    /// which they were read, and which of them are copies.
    pub fn fingerprint_of(
        &self,
        positions: &[usize],
        digests: &[Digest],
    ) -> (String, Option<Vec<usize>>) {
        let (count, digest) = (positions.len().min(digests.len()), |i: usize| digests[i]);
        let fingerprint = fingerprint(count, |i| self.name(positions[i]), digest);
        (fingerprint, copies_of(count, digest))
    }

    /// What tells this choice of samples from others without reading them: SHA-256 over their names in their order.
    pub fn listing(&self) -> String {
        of_names((0..self.len()).map(|i| self.name(i)))
    }

    /// The same of the labels of the samples; `None` without labels.
    pub fn listing_of_labels(&self) -> Option<String> {
        self.labels().map(|labels| of_names(labels.iter().map(ToString::to_string)))
    }

    /// The hash of a sample's bytes as stored.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn digest_of(&self, i: usize) -> Result<Digest> {
        let mut bytes = vec![];
        self.read(i, &mut bytes)?;
        Ok(digest(&bytes))
    }

    /// The hash of every sample's bytes as stored, in their order, taken on that many threads (at least one).
    ///
    /// # Errors
    /// A sample that cannot be read: the first of them.
    pub fn all_digests(&self, workers: usize) -> Result<Vec<Digest>> {
        Ok(self.digests(workers)?.into_iter().map(|(_, digest)| digest).collect())
    }

    /// Name and digest of every sample, in their order.
    fn digests(&self, workers: usize) -> Result<Vec<(String, Digest)>> {
        let (next, found) = (AtomicUsize::new(0), Mutex::new(vec![]));
        let work = || {
            let (mut bytes, mut own) = (vec![], vec![]);
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= self.len() {
                    break;
                }
                let hashed = self.read(i, &mut bytes).map(|()| (self.name(i), digest(&bytes)));
                if hashed.is_err() {
                    next.store(self.len(), Ordering::Relaxed);
                }
                own.push((i, hashed));
            }
            found.lock().unwrap_or_else(PoisonError::into_inner).append(&mut own);
        };
        thread::scope(|scope| {
            for _ in 1..workers.min(self.len()) {
                let name = thread::Builder::new().name("repsim-hash".to_owned());
                let _ = name.spawn_scoped(scope, work);
            }
            work();
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_unstable_by_key(|(i, _)| *i);
        found.into_iter().map(|(_, hashed)| hashed).collect()
    }

    /// What the samples are.
    pub(super) fn form(&self) -> Form {
        self.source.form()
    }

    /// Reads the stored bytes of sample `i`.
    pub(super) fn read(&self, i: usize, bytes: &mut Vec<u8>) -> Result<()> {
        self.source.read(self.chosen[i], bytes)
    }

    /// Decodes the stored bytes of sample `i`.
    pub(super) fn decode<'a>(
        &'a self,
        i: usize,
        bytes: &'a [u8],
        spare: &'a mut Vec<u8>,
    ) -> Result<Sample<'a>> {
        self.source.decode(self.chosen[i], bytes, spare)
    }
}

/// A random order of so many samples, the same one for as many and this seed.
pub fn mixed_order(samples: usize, seed: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut keyed: Vec<_> = (0..samples).map(|i| (random.next_u64(), i)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, i)| i).collect()
}

/// Whether float32 rounds any of these float64.
fn beyond_float32(row: &[u8]) -> bool {
    let values = row.as_chunks::<8>().0.iter().map(|&bytes| f64::from_le_bytes(bytes));
    values.into_iter().any(|value| value.is_finite() && f64::from(value as f32) != value)
}

/// Positions of `count` samples, the classes in turn, ascending.
fn even(labels: &[usize], count: usize) -> Vec<usize> {
    let mut seen = BTreeMap::<usize, usize>::new();
    let turns = labels.iter().enumerate().map(|(i, &class)| {
        let turn = seen.entry(class).or_default();
        *turn += 1;
        (*turn, class, i)
    });
    let mut turns: Vec<_> = turns.collect();
    turns.sort_unstable();
    turns.truncate(count);
    let mut kept: Vec<_> = turns.into_iter().map(|(.., i)| i).collect();
    kept.sort_unstable();
    kept
}

/// A random choice of `count` of `0..len`, ascending.
fn draw(len: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut keyed: Vec<_> = (0..len).map(|i| (random.next_u64(), i)).collect();
    keyed.sort_unstable();
    keyed.truncate(count);
    let mut kept: Vec<_> = keyed.into_iter().map(|(_, i)| i).collect();
    kept.sort_unstable();
    kept
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Dataset");
        shown
            .field("path", &self.path)
            .field("kind", &self.kind())
            .field("len", &self.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_sorted_nested_and_seeded() {
        let (small, large) = (draw(100, 10, 7), draw(100, 40, 7));
        assert!(small.is_sorted() && small.len() == 10);
        assert!(small.iter().all(|i| large.contains(i)));
        assert_ne!(small, draw(100, 10, 8));
        assert_eq!(draw(3, 10, 1), [0, 1, 2]);
    }

    #[test]
    fn classes_take_turns() {
        let labels = [5, 5, 5, 5, 2, 2, 9];
        assert_eq!(even(&labels, 2), [0, 4]);
        assert_eq!(even(&labels, 5), [0, 1, 4, 5, 6]);
        assert_eq!(even(&labels, 6), [0, 1, 2, 4, 5, 6]);
        assert_eq!(even(&labels, 70), [0, 1, 2, 3, 4, 5, 6]);
        for count in 1..7 {
            let (small, large) = (even(&labels, count), even(&labels, count + 1));
            assert!(small.is_sorted() && small.iter().all(|i| large.contains(i)));
        }
    }
}
