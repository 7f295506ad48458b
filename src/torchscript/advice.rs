//! What libtorch said when a model did not load or run, in words that help.

use super::ffi::inputs::Embedding;

/// Characters of libtorch's words that a message holds; the rest is in the detail.
const MOST: usize = 240;

/// What libtorch says where a device has an operator not in a type.
pub const LACKING: &str = "not implemented for '";

/// What was wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// libtorch's words, or ours where those do not say it.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Advice {
    fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// What a model was given in a run.
pub struct Given<'a> {
    /// The tensors, in words: `an input of shape 2×16`.
    pub what: &'a str,
    /// What `forward` takes, where that is known or more than one tensor.
    pub wants: Option<&'a str>,
    /// The embeddings of its graph.
    pub embeddings: &'a [Embedding],
}

/// Of a model that did not run on an input.
pub fn of_run(said: &str, given: &Given<'_>) -> Advice {
    let gist = gist(said);
    if said.contains("index out of range in self") {
        return beyond_rows(given);
    }
    if is_of_device(said) {
        return Advice::new(
            "a device is fixed in its trace (cuda:0, say), and it runs on another one here",
            "export it on the CPU (model.cpu() and an example on the CPU before torch.jit.trace), script it, or \
             run it with --device cuda",
        );
    }
    if takes_integers(&gist) {
        return Advice::new(
            gist,
            "it takes whole numbers, such as token ids: give an array of them (int64 N×L) as --data",
        );
    }
    if is_of_precision(&gist) {
        let remedy = "models are given float32: export it in float32 (model.float())";
        return Advice::new(gist, remedy);
    }
    if let Some(most) = longest(&gist, given.what) {
        return Advice::new(
            format!("it has positions for {most} tokens, and was given {}", given.what),
            format!(
                "give sequences of {most} tokens at most (--max-length {most} with --tokenizer)"
            ),
        );
    }
    if let Some(name) = missing(&gist) {
        let problem = format!("its forward takes {}", given.wants.unwrap_or(name));
        let remedy = format!(
            "give it {name}: an array of that name in --data for a tensor, --input {name}=VALUE for a number"
        );
        return Advice::new(problem, remedy);
    }
    let what = given.what;
    let check = "check what input the model expects (--preprocess, --resize, --channels, or --input-size \
                 for `repsim layers`)";
    let remedy = match given.wants {
        Some(wants) => format!("it was given {what}, and its forward takes {wants}; {check}"),
        None => format!("it was given {what}; {check}"),
    };
    Advice::new(gist, remedy)
}

/// The tokens that a table of positions ends at, where whole numbers were given as long as what it was to be
/// stretched to.
fn longest(gist: &str, given: &str) -> Option<u64> {
    let rest = gist.split_once("The expanded size of the tensor (")?.1;
    let (wanted, rest) = rest.split_once(") must match the existing size (")?;
    let (wanted, most): (u64, u64) = (wanted.parse().ok()?, rest.split(')').next()?.parse().ok()?);
    let is_given = given.contains("int") && given.contains(&format!("×{wanted}"));
    (is_given && wanted > most && most > 1).then_some(most)
}

/// The argument that has no value.
fn missing(gist: &str) -> Option<&str> {
    gist.split_once("is missing value for argument '")?.1.split('\'').next()
}

/// Of ids or positions that an embedding has no rows for.
fn beyond_rows(given: &Given<'_>) -> Advice {
    let rows = |e: &Embedding| format!("{} has {} rows", e.module, e.rows);
    let rows: Vec<String> = given.embeddings.iter().map(rows).collect();
    let problem = "it looks up a token id or position that an embedding has no row for";
    let problem = match rows.is_empty() {
        true => problem.to_owned(),
        false => format!("{problem} ({})", rows.join(", ")),
    };
    Advice::new(problem, format!("give shorter sequences or other ids than in {}", given.what))
}

/// Of a model that did not load.
pub fn of_load(said: &str) -> Advice {
    let gist = gist(said);
    // Weights that were rewritten for oneDNN are constants without a value in the archive.
    if said.contains("attribute 'value' is undefined") {
        return Advice::new(
            "it was saved after torch.jit.optimize_for_inference, and such archives cannot be loaded",
            "save the module before that call: torch.jit.script(model.eval()).save(FILE)",
        );
    }
    if is_of_memory(said) {
        let problem = format!("there is not enough memory for it ({gist})");
        return Advice::new(problem, "free some, or run it on a machine with more (ulimit -v)");
    }
    if let Some((_, name)) = said.split_once("Unknown type name '__torch__.torch.classes.") {
        let name = name.split('\'').next().unwrap_or_default();
        let problem = format!("it uses the custom class {name}, which is not part of libtorch");
        return Advice::new(problem, "export the model without it, with operators of PyTorch only");
    }
    let misfits = ["INTERNAL ASSERT FAILED", "Argument passed to at()", "Unknown type name"];
    if misfits.iter().any(|text| gist.contains(text)) {
        return Advice::new(
            "it is damaged: its values do not fit its code",
            "copy or download it again, and compare its size with the original's",
        );
    }
    if let Some(name) = unknown_operator(said) {
        let problem = format!("it uses the custom operator {name}, which is not part of libtorch");
        return Advice::new(problem, "export the model without it, with operators of PyTorch only");
    }
    Advice::new(gist, "export it again, with a version of torch no newer than 2.13")
}

/// The operator that libtorch does not have.
fn unknown_operator(said: &str) -> Option<&str> {
    let name = said.split_once("Unknown builtin op: ")?.1.split_whitespace().next()?;
    Some(name.trim_end_matches('.'))
}

fn is_of_memory(said: &str) -> bool {
    ["std::bad_alloc", "can't allocate memory", "not enough memory"]
        .iter()
        .any(|text| said.contains(text))
}

/// Whether a device was asked for that is not the one it runs on, or not there.
fn is_of_device(said: &str) -> bool {
    let absent = [
        "arguments from the 'CUDA' backend",
        "with arguments from the 'CUDA'",
        "PyTorch is not linked with support for cuda",
        "Torch not compiled with CUDA",
        "No CUDA GPUs are available",
        "Found no NVIDIA driver",
        "all tensors to be on the same device",
        "Cannot initialize CUDA without ATen_cuda",
    ];
    absent.iter().any(|text| said.contains(text))
}

/// Whether whole numbers are wanted in place of floats.
fn takes_integers(gist: &str) -> bool {
    let wanted =
        ["scalar types: Long, Int", "tensors used as indices must be long", "scalar type Long"];
    wanted.iter().any(|text| gist.contains(text))
        || gist.contains("'indices'") && gist.contains("Long")
}

/// Whether the weights have another precision than the input.
fn is_of_precision(gist: &str) -> bool {
    let precisions = ["Half", "BFloat16", "Double", "double", "torch.float16", "torch.float64"];
    let types = ["dtype", "scalar type", "type (", "data type", "same type", "should be the same"];
    precisions.iter().any(|name| gist.contains(name))
        && types.iter().any(|name| gist.contains(name))
}

/// The line of libtorch's message that says what happened: the last "…Error: …" of a traceback, or the
/// first line; no longer than a message may be.
pub fn gist(said: &str) -> String {
    let named = said.lines().rev().find_map(|line| {
        let (name, text) = line.split_once(": ")?;
        (name.ends_with("Error") && !name.contains(' ')).then_some(text)
    });
    let line = named.or_else(|| said.lines().find(|l| !l.trim().is_empty()));
    let line = line.unwrap_or("libtorch gave no reason").trim().trim_end_matches(['.', ';']);
    match line.char_indices().nth(MOST) {
        None => line.to_owned(),
        Some((end, _)) => {
            let end = line[..end].rfind(' ').unwrap_or(end);
            format!("{} …", line[..end].trim_end_matches(['.', ';', ',']))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_are_of_what_was_said() {
        let what = "input_ids (int64 2×9999), attention_mask (int64 2×9999)";
        let given = Given { what, wants: None, embeddings: &[] };
        let said = "The expanded size of the tensor (9999) must match the existing size (512) at non-singleton \
                    dimension 1.  Target sizes: [2, 9999].  Tensor sizes: [1, 512]";
        assert!(of_run(said, &given).remedy.contains("--max-length 512"));
        let floats = Given { what: "an input of shape 2×9999", wants: None, embeddings: &[] };
        assert!(!of_run(said, &floats).remedy.contains("--max-length"));
        assert!(of_load("std::bad_alloc").remedy.contains("with more"));
    }

    #[test]
    fn the_gist_is_the_error_under_the_traceback() {
        let said = "The following operation failed in the TorchScript interpreter.\n\
                    Traceback of TorchScript (most recent call last):\nRuntimeError: bad shape\n";
        assert_eq!(gist(said), "bad shape");
        assert_eq!(gist("PytorchStreamReader failed.\nmore"), "PytorchStreamReader failed");
        assert_eq!(gist(""), "libtorch gave no reason");
        let long = gist(&"word ".repeat(200));
        assert!(long.ends_with("word …") && long.chars().count() <= MOST + 2, "{long}");
    }
}
