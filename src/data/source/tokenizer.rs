//! Tokenizers of a file that nobody has to trust: what one could make of a text is bounded before it is used.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use tokenizers::{Encoding, PaddingDirection, Tokenizer, TruncationParams};

use super::texts::Tokenizing;
use crate::error::{Error, Result};

/// Tokens that are known to stand for padding, where a tokenizer does not say which does.
const PADDING: [&str; 5] = ["[PAD]", "<pad>", "<|pad|>", "<|endoftext|>", "</s>"];

/// The most bytes that a line may have after normalisation: a tokenizer takes some forty times as much memory.
const MOST_NORMALISED: f64 = (1 << 26) as f64;

/// The most values of what adds tokens to a text.
const MOST_ADDED: usize = 10_000;

/// A tokenizer that cuts off what is beyond its length and pads nothing.
pub(super) struct Loaded {
    tokenizer: Tokenizer,
    /// The token for padding.
    pub padding: u32,
    /// Whether padding stands in front.
    pub pads_in_front: bool,
}

/// The parts of a `tokenizer.json` that can make a text longer.
#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Added {
    content: String,
}

impl Loaded {
    /// Reads a tokenizer for lines of at most `longest` bytes.
    ///
    /// # Errors
    /// It cannot be read, could make gigabytes of such a line, or its tokens leave none for the text.
    pub fn of(bytes: &[u8], longest: usize, how: &Tokenizing) -> Result<Self> {
        let path = &how.tokenizer;
        let parts = serde_json::from_slice(bytes).map_err(|e| unfit(path, &e.to_string()))?;
        refuse_growth(&parts, longest).map_err(|problem| unfit(path, &problem))?;
        let tokenizer = caught(path, || Tokenizer::from_bytes(bytes))?;
        let (padding, pads_in_front) = padding(&tokenizer);
        let mut loaded = Self { tokenizer, padding, pads_in_front };
        loaded.cut(how)?;
        Ok(loaded)
    }

    /// How many ids there are: the largest of the vocabulary and one.
    pub fn ids(&self) -> usize {
        let all = self.tokenizer.get_vocab(true).into_values();
        all.max().map_or(0, |id| id as usize + 1)
    }

    fn cut(&mut self, how: &Tokenizing) -> Result<()> {
        let path = &how.tokenizer;
        self.tokenizer.with_padding(None);
        let stated = self.tokenizer.get_truncation().cloned();
        let Some(max_length) = how.max_length.or(stated.as_ref().map(|own| own.max_length)) else {
            return Ok(());
        };
        let added = caught(path, || self.tokenizer.encode("", true)).map_or(0, |empty| empty.len());
        if how.max_length.is_some() && max_length <= added {
            let problem = format!(
                "--max-length {max_length} leaves no token of a text beside the {added} that {} adds",
                path.display()
            );
            return Err(Error::usage(problem, format!("give {} or more", added + 1)));
        }
        let kept = TruncationParams { max_length, stride: 0, ..stated.unwrap_or_default() };
        caught(path, || self.tokenizer.with_truncation(Some(kept)).map(drop))
    }

    /// The tokens of texts.
    ///
    /// # Errors
    /// The tokenizer does not fit itself.
    pub fn encode(&self, lines: &[String], how: &Tokenizing) -> Result<Vec<Encoding>> {
        let lines = lines.iter().map(String::as_str).collect();
        caught(&how.tokenizer, || self.tokenizer.encode_batch(lines, true))
    }
}

/// The token for padding, and whether it stands in front: what the tokenizer says, else one of the
/// common ones.
fn padding(tokenizer: &Tokenizer) -> (u32, bool) {
    let known = || PADDING.iter().find_map(|token| tokenizer.token_to_id(token)).unwrap_or(0);
    match tokenizer.get_padding() {
        Some(stated) => (stated.pad_id, matches!(stated.direction, PaddingDirection::Left)),
        None => (known(), false),
    }
}

/// What the crate says or panics with.
fn caught<T>(path: &Path, work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(text
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("it is damaged")
            .into())
    });
    done.map_err(|e| unfit(path, e.to_string().lines().next().unwrap_or_default()))
}

fn unfit(path: &Path, said: &str) -> Error {
    let problem = format!("it is not a tokenizer that can be used ({said})");
    let remedy = "give the tokenizer.json of the network (tokenizer.save_pretrained writes it)";
    Error::file("load", path, problem, remedy)
}

fn refuse_growth(parts: &Parts, longest: usize) -> Result<(), String> {
    let longest =
        parts.added_tokens.iter().map(|added| added.content.len()).fold(longest, usize::max);
    if normalised(&parts.normalizer, longest as f64) > MOST_NORMALISED {
        return Err(format!(
            "its normalizer could make more than {} MiB of a line of {longest} bytes",
            MOST_NORMALISED as u64 >> 20
        ));
    }
    match values(&parts.post_processor) > MOST_ADDED {
        true => Err(format!("its post_processor has more than {MOST_ADDED} values")),
        false => Ok(()),
    }
}

/// Values within a value of JSON, itself included.
fn values(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
        Value::Object(items) => 1 + items.values().map(values).sum::<usize>(),
        _ => 1,
    }
}

/// The most bytes that so many become by a normalizer's own texts; Unicode's forms, which make few of any
/// text, are left out.
fn normalised(normalizer: &Value, bytes: f64) -> f64 {
    let text = |name: &str| normalizer[name].as_str().map_or(0, str::len) as f64;
    match normalizer["type"].as_str().unwrap_or_default() {
        "Sequence" => {
            let inner = normalizer["normalizers"].as_array();
            inner.into_iter().flatten().fold(bytes, |bytes, one| normalised(one, bytes))
        }
        "Prepend" => bytes + text("prepend"),
        "Replace" => {
            let pattern = normalizer["pattern"]["String"].as_str().map_or(0, str::len);
            match pattern {
                // An expression may match everywhere.
                0 => bytes + (bytes + 1.0) * text("content"),
                pattern => bytes * (text("content") / pattern as f64).max(1.0),
            }
        }
        "Precompiled" => {
            bytes
                * longest_replacement(
                    normalizer["precompiled_charsmap"].as_str().unwrap_or_default(),
                )
        }
        _ => bytes,
    }
}

/// The longest text of a map of SentencePiece, in bytes: the size of a trie, the trie, and texts that each end
/// in a zero.
fn longest_replacement(map: &str) -> f64 {
    let bytes = STANDARD.decode(map).unwrap_or_default();
    let Some((size, rest)) = bytes.split_first_chunk::<4>() else { return 1.0 };
    let texts = rest.get(u32::from_le_bytes(*size) as usize..).unwrap_or(rest);
    texts.split(|byte| *byte == 0).map(<[u8]>::len).fold(1, usize::max) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_may_become_is_bounded() {
        let replace = |pattern: &str, content: &str| serde_json::json!({"type": "Replace", "pattern": {"String": pattern}, "content": content});
        let sequence =
            |all: Vec<Value>| serde_json::json!({"type": "Sequence", "normalizers": all});
        let prepend = serde_json::json!({"type": "Prepend", "prepend": "▁"});
        let usual = sequence(vec![prepend, replace(" ", "▁")]);
        assert_eq!(normalised(&usual, 100.0), 309.0);
        let doubled = sequence(vec![sequence(vec![replace("a", "aa"); 15]); 2]);
        assert_eq!(normalised(&doubled, 1.0), f64::from(1 << 30));
        assert_eq!(normalised(&replace("", "ab"), 10.0), 32.0);
        assert_eq!(normalised(&Value::Null, 10.0), 10.0);
        let map = STANDARD.encode(b"\x02\0\0\0xxab\0abcd\0");
        let map = serde_json::json!({"type": "Precompiled", "precompiled_charsmap": map});
        assert_eq!(normalised(&map, 10.0), 40.0);
    }
}
