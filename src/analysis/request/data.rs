//! Which samples, and how they are read.

use std::path::{Path, PathBuf};

use crate::data::{ArrayLayout, Dataset, LoadOptions, Tokenizing};
use crate::error::{Error, Result};
use crate::report::ReadSettings;

/// Batches that are decoded ahead of the network.
const AHEAD: usize = 2;

/// Samples of one data set.
#[derive(Debug, Clone, Default)]
pub struct Data {
    /// A folder of images, a file of arrays or of texts.
    pub path: Option<PathBuf>,
    /// How texts become token ids.
    pub texts: Texts,
    /// Which samples are taken, and how they are read.
    pub load: Loading,
}

/// How texts become token ids.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// A `tokenizer.json`; the data are texts then, a line a sample.
    pub tokenizer: Option<PathBuf>,
    /// Tokens a text is cut and padded to; as many as the longest has where nothing is said.
    pub max_length: Option<usize>,
}

/// Which samples are taken, and how they are read.
#[derive(Debug, Clone)]
pub struct Loading {
    /// At most so many samples: of all classes evenly, or random ones where the run has a seed.
    pub limit: Option<usize>,
    /// Samples in a batch.
    pub batch_size: usize,
    /// Whether files that cannot be decoded are left out and listed.
    pub skip_unreadable: bool,
    /// Axes of arrays of pictures, where their shape does not tell.
    pub layout: Option<ArrayLayout>,
    /// Threads that decode and resize; half of those that compute where nothing is said.
    pub workers: Option<usize>,
}

impl Default for Loading {
    /// All samples, 64 in a batch.
    fn default() -> Self {
        Self { limit: None, batch_size: 64, skip_unreadable: false, layout: None, workers: None }
    }
}

impl Data {
    /// All samples at a path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// Opens the data set and takes the subset asked for, a random one where there is a seed: images, an array, an
    /// array for each of several inputs, or texts.
    ///
    /// # Errors
    /// No data was given, or it cannot be opened.
    pub fn open_inputs(&self, seed: Option<u64>) -> Result<Dataset> {
        let path = self.path()?;
        let other = || Dataset::open_inputs(path, self.load.layout);
        self.chosen(self.texts.open(path, other)?, seed)
    }

    fn path(&self) -> Result<&Path> {
        self.path.as_deref().ok_or_else(|| {
            Error::usage("no data was given", "name a folder of images with --data FOLDER")
        })
    }

    fn chosen(&self, dataset: Dataset, seed: Option<u64>) -> Result<Dataset> {
        match (self.load.layout, dataset.layout()) {
            (Some(layout), None) => {
                let problem =
                    format!("--layout {layout} is for arrays of pictures, and this is none");
                Err(Error::file("open", dataset.path(), problem, "leave --layout out"))
            }
            _ => dataset.subset(self.load.limit, self.load.subset_seed(seed)),
        }
    }
}

impl Texts {
    /// Opens texts where a tokenizer was given, and what `other` does where none was.
    ///
    /// # Errors
    /// It cannot be opened, or holds texts without a tokenizer.
    pub fn open(&self, path: &Path, other: impl FnOnce() -> Result<Dataset>) -> Result<Dataset> {
        match &self.tokenizer {
            Some(tokenizer) => {
                let tokenizer = tokenizer.clone();
                let how = Tokenizing { tokenizer, max_length: self.max_length };
                Dataset::open_texts(path, &how)
            }
            None if path.extension().is_some_and(|end| end == "txt") => Err(Error::file(
                "open",
                path,
                "it holds texts, and nothing says how they become token ids",
                "give the network's tokenizer.json with --tokenizer",
            )),
            None => other(),
        }
    }
}

impl Loading {
    /// Whether anything was said that only images have; the batch size is not that.
    pub fn any(&self) -> bool {
        let read = self.layout.is_some() || self.skip_unreadable || self.workers.is_some();
        self.limit.is_some() || read
    }

    /// The same for a report of a run with this seed.
    pub fn recorded(&self, run: Option<u64>) -> ReadSettings {
        ReadSettings {
            batch_size: self.batch_size,
            limit: self.limit,
            layout: self.layout,
            seed: self.subset_seed(run),
        }
    }

    /// The seed of the random subset that a limit takes: that of the run itself.
    pub fn subset_seed(&self, run: Option<u64>) -> Option<u64> {
        run.filter(|_| self.limit.is_some())
    }

    /// How samples are read by a run of so many threads.
    pub fn options(&self, threads: usize) -> LoadOptions {
        LoadOptions {
            batch_size: self.batch_size,
            workers: self.workers.unwrap_or((threads / 2).max(1)),
            ahead: AHEAD,
            skip_unreadable: self.skip_unreadable,
            fingerprint: true,
            range: None,
        }
    }
}
