//! What of a command changes what a model gives, beside its layer and the data.

use super::extraction::Extraction;
use crate::analysis::{Precision, Running, Texts};
use crate::data::Tokenized;
use crate::report::ModelInput;

/// How what is recorded of a tokenizer begins.
pub const TOKENS: &str = "tokens by";

/// The options, in words.
pub fn run_options(
    running: &Running,
    (output_index, texts): (Option<usize>, &Texts),
    record: &ModelInput,
    tokenized: Option<&Tokenized>,
) -> Vec<String> {
    let mut options: Vec<String> =
        running.inputs.iter().map(|given| format!("input {}", given.text)).collect();
    options.extend(record.output_key.iter().map(|key| format!("output {key}")));
    options.extend(output_index.map(|index| format!("output {index}")));
    options.extend(record.draw_seed.map(|seed| format!("draws {seed}")));
    options.extend(record.dtype.iter().map(|dtype| format!("in {dtype}")));
    let tf32 = running.precision == Precision::Tf32;
    options.extend(tf32.then(|| "in tf32".to_owned()));
    options.extend(running.keep_state.then(|| "keeps state".to_owned()));
    options.extend(tokenized.map(|made| {
        let length = texts.max_length;
        let cut = length.map_or(String::new(), |length| format!(", {length} of them"));
        format!("{TOKENS} {}{cut}", made.sha256)
    }));
    options
}

impl Extraction {
    /// [`run_options`] of its model.
    pub fn run_options(&self, record: &ModelInput, tokenized: Option<&Tokenized>) -> Vec<String> {
        run_options(&self.running, (self.output_index, &self.texts), record, tokenized)
    }
}
