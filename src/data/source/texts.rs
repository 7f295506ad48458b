//! A file of texts, a line each, as token ids.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokenizers::Encoding;

use super::tokenizer::Loaded;
use super::{Form, InputArray, Sample, Source, SourceKind};
use crate::data::dtype::Dtype;
use crate::error::{Error, Result};
use crate::files::{self, MOST_TEXT};

/// The names under which Hugging Face's networks take tokens, in the order in which they are packed.
const NAMES: [&str; 3] = ["input_ids", "attention_mask", "token_type_ids"];

/// The most bytes of a tokenizer: those of the largest vocabularies have some thirty million.
const MOST_TOKENIZER: u64 = 1 << 27;

/// The longest line, in bytes: a tokenizer takes many times as much memory.
const LONGEST_LINE: usize = 1 << 20;

/// How texts become tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokenizing {
    /// A `tokenizer.json` of Hugging Face's tokenizers.
    pub tokenizer: PathBuf,
    /// Tokens a sample: more are cut off, fewer padded. `None` for as many as the longest text has.
    pub max_length: Option<usize>,
}

/// What became of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokenized {
    /// The tokenizer's file.
    pub tokenizer: PathBuf,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Tokens a sample.
    pub length: usize,
    /// Texts of which tokens were cut off.
    pub cut: usize,
    /// Texts that were padded.
    pub padded: usize,
    /// The rows that an embedding needs for all its tokens: the largest id and one.
    pub ids: usize,
}

/// Texts and their tokens: a sample is the ids, the mask and the types of its tokens, one after the other.
#[derive(Debug)]
pub(super) struct Texts {
    lines: Vec<String>,
    encodings: Vec<Encoding>,
    padding: u32,
    pads_in_front: bool,
    made: Tokenized,
    /// Floats of a sample, as a shape.
    size: [usize; 1],
}

/// Opens a file of texts.
///
/// # Errors
/// As [`Texts::open`].
pub(in crate::data) fn open(path: &Path, how: &Tokenizing) -> Result<Arc<dyn Source>> {
    Texts::open(path, how)
}

impl Texts {
    /// Reads the texts and makes tokens of all of them.
    ///
    /// # Errors
    /// The file is not text or has no line, the tokenizer cannot be read, or a text has no token.
    fn open(path: &Path, how: &Tokenizing) -> Result<Arc<dyn Source>> {
        let text = files::read_text(path, MOST_TEXT)?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.is_empty() {
            return Err(Error::file("read", path, "it has no line", "give a text a line"));
        }
        if let Some(line) = lines.iter().position(|line| line.len() > LONGEST_LINE) {
            let problem = format!(
                "line {} has {} bytes, and {LONGEST_LINE} are taken at most",
                line + 1,
                lines[line].len()
            );
            return Err(Error::file("read", path, problem, "give a text a line"));
        }
        let bytes = files::read(&how.tokenizer, MOST_TOKENIZER)?;
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let longest = lines.iter().map(String::len).max().unwrap_or_default();
        let tokenizer = Loaded::of(&bytes, longest, how)?;
        let ids = tokenizer.ids();
        let encodings = tokenizer.encode(&lines, how)?;
        let Loaded { padding, pads_in_front, .. } = tokenizer;
        if let Some(line) = encodings.iter().position(|one| one.get_ids().is_empty()) {
            let problem = format!("line {} has no token", line + 1);
            return Err(Error::file("read", path, problem, "leave empty lines out"));
        }
        let longest = encodings.iter().map(Encoding::len).max().unwrap_or(1);
        let length = how.max_length.unwrap_or(longest);
        let cut = encodings.iter().filter(|one| !one.get_overflowing().is_empty()).count();
        let padded = encodings.iter().filter(|one| one.len() < length).count();
        let (tokenizer, sha256) = (how.tokenizer.clone(), sha256);
        let made = Tokenized { tokenizer, sha256, length, cut, padded, ids };
        let size = [NAMES.len() * length];
        Ok(Arc::new(Self { lines, encodings, padding, pads_in_front, made, size }))
    }

    /// A field of a sample's tokens at its length, with `pad` where there is none.
    fn field(&self, values: &[u32], pad: u32) -> Vec<u32> {
        let missing = vec![pad; self.made.length - values.len()];
        match self.pads_in_front {
            true => [&missing, values].concat(),
            false => [values, &missing].concat(),
        }
    }
}

impl Source for Texts {
    fn kind(&self) -> SourceKind {
        SourceKind::Texts
    }

    fn form(&self) -> Form {
        Form::Rows
    }

    fn len(&self) -> usize {
        self.lines.len()
    }

    fn arrays(&self) -> Vec<InputArray> {
        let array = |name: &&str| InputArray {
            name: (*name).to_owned(),
            shape: vec![self.made.length],
            dtype: "int64".to_owned(),
            is_float: false,
            size: 8,
        };
        NAMES.iter().map(array).collect()
    }

    fn tokenized(&self) -> Option<&Tokenized> {
        Some(&self.made)
    }

    fn read(&self, index: usize, bytes: &mut Vec<u8>) -> Result<()> {
        bytes.clear();
        bytes.extend(self.lines[index].bytes());
        Ok(())
    }

    fn decode<'a>(
        &'a self,
        index: usize,
        _: &'a [u8],
        spare: &'a mut Vec<u8>,
    ) -> Result<Sample<'a>> {
        let one = &self.encodings[index];
        let ids = self.field(one.get_ids(), self.padding);
        let mask = self.field(one.get_attention_mask(), 0);
        let types = self.field(one.get_type_ids(), 0);
        spare.clear();
        for id in ids.iter().chain(&mask).chain(&types) {
            spare.extend((*id as f32).to_le_bytes());
        }
        Ok(Sample::Row { bytes: spare, dtype: Dtype::F32, shape: &self.size })
    }
}
