//! Files of other formats that are given as models, recognised by what is in them, and what to do with
//! them.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::files;

/// What a file is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// What it is: "it is an ONNX file".
    pub problem: String,
    /// What to do.
    pub remedy: &'static str,
}

/// How a PyTorch module is exported.
pub const EXPORT: &str = "export the model first: torch.export.save(torch.export.export(model.eval(), (example,)), \
                          \"FILE.pt2\"), or torch.jit.trace(model.eval(), example).save(\"FILE.pt\")";

/// What is done with weights alone.
const WEIGHTS: &str = "give them over an exported architecture (MODEL.pt2 --weights FILE, or --weights-a and \
                       --weights-b), or load them into the module in Python (model.load_state_dict(...)) and export \
                       that: torch.export.save(torch.export.export(model.eval(), (example,)), \"FILE.pt2\")";

/// What is done with a pickled module.
const PICKLED: &str = "load it in Python where its class can be imported (torch.load(FILE, \
                       weights_only=False)) and export it: \
                       torch.export.save(torch.export.export(model.eval(), (example,)), \"FILE.pt2\")";

/// What is done with networks of other frameworks.
const OTHER: &str = "repsim runs models of PyTorch only: compute features with the tool that runs it and compare \
                     those (--features FILE.npz), or rebuild the network in PyTorch and export that";

/// What is done with compressed files.
const UNPACK: &str = "unpack it and give the archive in it, if that is a model of PyTorch (objects of joblib are not)";

/// What is done with an ONNX file.
const ONNX: &str = "repsim cannot run ONNX: export the PyTorch model that it was made from \
                    (torch.export.save(torch.export.export(model.eval(), (example,)), \"FILE.pt2\")), or compare \
                    stored features (--features FILE.npz)";

/// What is done with programs for devices.
const PT2: &str = "export the module itself: \
                   torch.export.save(torch.export.export(model.eval(), (example,)), \"FILE.pt2\")";

/// What is done with arrays.
const ARRAYS: &str = "data go after --data, and stored features after --features";

impl Foreign {
    fn new(problem: impl Into<String>, remedy: &'static str) -> Self {
        Self { problem: problem.into(), remedy }
    }
}

/// What a file is that is not a zip archive, by its first bytes.
pub fn of_bytes(path: &Path, first: &[u8]) -> Foreign {
    let at = |from: usize, what: &[u8]| first.get(from..from + what.len()) == Some(what);
    let ends = |ending: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
    match first {
        _ if at(0, b"\x80") => of_pickle(path),
        _ if at(0, b"\x89HDF") => Foreign::new("it is an HDF5 file, as Keras saves (.h5)", OTHER),
        _ if at(4, b"TFL3") => Foreign::new("it is a TensorFlow Lite model", OTHER),
        _ if at(4, b"PTMF") => {
            Foreign::new("it is a mobile model in flatbuffer format, without a program", PT2)
        }
        _ if at(4, b"ET1") => Foreign::new("it is an ExecuTorch program", PT2),
        _ if at(0, b"\x93NUMPY") => Foreign::new("it is a NumPy array, not a model", ARRAYS),
        _ if at(0, b"GGUF") => {
            Foreign::new("it is a GGUF file: weights without a program", WEIGHTS)
        }
        _ if at(0, b"version https://git-lfs") => Foreign::new(
            "it is a pointer of Git LFS, and not the file itself",
            "fetch the file: git lfs pull",
        ),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
            Foreign::new("it is compressed by zlib, as joblib stores Python objects", OTHER)
        }
        _ if at(0, b"\xfd7zXZ\0") || at(0, b"BZh") || at(0, b"]\0\0") => {
            Foreign::new("it is compressed by xz, lzma or bzip2", UNPACK)
        }
        _ if at(0, b"\x1f\x8b") => Foreign::new("it is compressed by gzip", UNPACK),
        _ if is_safetensors(first) => {
            Foreign::new("it is a safetensors file: weights without a program", WEIGHTS)
        }
        _ if ends("pb") => Foreign::new("it is a TensorFlow graph (SavedModel)", OTHER),
        _ if is_onnx(first) || ends("onnx") => Foreign::new("it is an ONNX file", ONNX),
        _ => Foreign::new("it is not an archive of torch.export or TorchScript", EXPORT),
    }
}

/// A header of JSON behind its length in 8 bytes.
fn is_safetensors(first: &[u8]) -> bool {
    let length = first.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    length.is_some_and(|n| n < 1 << 27) && first.get(8) == Some(&b'{')
}

/// A protobuf message that begins with its version (field 1, a small number) and goes on with a text
/// (fields 2 to 6) or the graph (7).
fn is_onnx(first: &[u8]) -> bool {
    matches!(first, [0x08, 1..=0x20, 0x12 | 0x1a | 0x22 | 0x32 | 0x3a, ..])
}

/// A pickle: a dictionary of weights from before PyTorch 1.6, or another object.
fn of_pickle(path: &Path) -> Foreign {
    let bytes = read_up_to(path, 1 << 20).unwrap_or_default();
    if holds(&bytes, b"sklearn.") || holds(&bytes, b"joblib.") {
        return Foreign::new(
            "it is a pickle of joblib or scikit-learn, and no network of PyTorch",
            OTHER,
        );
    }
    match class_in(&bytes) {
        Some(class) => {
            Foreign::new(format!("it is a Python pickle of a {class}, and no program"), PICKLED)
        }
        None => {
            Foreign::new("it is a Python pickle, probably a state dict, and no program", WEIGHTS)
        }
    }
}

fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|part| part == word)
}

/// A zip archive that holds a pickled object of PyTorch.
pub fn of_pickled_archive(path: &Path) -> Foreign {
    let found = member_ending(path, "/data.pkl").and_then(|bytes| class_in(&bytes));
    match found {
        Some(class) => {
            Foreign::new(format!("it holds a pickled module ({class}) and no program"), PICKLED)
        }
        None => Foreign::new("it holds weights, probably a state dict, and no program", WEIGHTS),
    }
}

/// A zip archive that is none of PyTorch's; `None` where it is damaged or not known.
pub fn of_zip(path: &Path) -> Option<Foreign> {
    let archive = zip::ZipArchive::new(files::open(path).ok()?).ok()?;
    let has = |test: &dyn Fn(&str) -> bool| archive.file_names().any(test);
    if has(&|name| name == "MAR-INF/MANIFEST.json") {
        let remedy =
            "unpack it (it is a zip archive) and give the .pt file in it, if that is a model";
        return Some(Foreign::new("it is a model archive of TorchServe (.mar)", remedy));
    }
    if has(&|name| name == "model.weights.h5") {
        return Some(Foreign::new("it is a Keras model (.keras)", OTHER));
    }
    if has(&|name| name.ends_with(".npy")) {
        return Some(Foreign::new("it holds NumPy arrays, not a model", ARRAYS));
    }
    let remedy = "unpack it and give the model in it (.pt2 or .pt)";
    has(&|_| true).then(|| Foreign::new("it is a zip archive without a program", remedy))
}

/// What a folder holds that is given instead of a file.
pub fn of_folder(path: &Path) -> Foreign {
    let has = |name: &str| path.join(name).is_file();
    if has("saved_model.pb") {
        return Foreign::new("it is a TensorFlow SavedModel", OTHER);
    }
    if has("model.safetensors") || has("pytorch_model.bin") {
        let remedy = "export its architecture and give the folder as its weights (examples/export/export.py \
                      transformers:FOLDER model.pt2); --weights FOLDER then puts other \
                      weights over it";
        return Foreign::new("it is a folder with the weights of a Hugging Face model", remedy);
    }
    let remedy = "give the path of a model (.pt2 or .pt); images go after --data";
    Foreign::new("it is a folder", remedy)
}

/// The first class in a pickle that is neither a container nor a part of a tensor: `GLOBAL` (`c`) with
/// module and name by line.
fn class_in(pickle: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(pickle);
    let mut rest = text.as_ref();
    while let Some(at) = rest.find('c') {
        rest = &rest[at + 1..];
        let mut lines = rest.splitn(3, '\n');
        let (Some(module), Some(name), Some(after)) = (lines.next(), lines.next(), lines.next())
        else {
            break;
        };
        if is_path(module) && is_path(name) {
            if !is_of_tensors(module) {
                return Some(format!("{module}.{name}"));
            }
            rest = after;
        }
    }
    None
}

fn is_path(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    !text.is_empty() && text.len() < 200 && text.chars().all(fine)
}

/// Modules of the classes that tensors in a dictionary are made of.
fn is_of_tensors(module: &str) -> bool {
    let root = module.split('.').next().unwrap_or_default();
    matches!(module, "torch" | "torch._utils" | "torch.nn.parameter" | "torch.serialization")
        || matches!(root, "collections" | "builtins" | "__builtin__" | "numpy" | "_codecs")
        || !module.contains('.') && !matches!(module, "__main__")
}

fn read_up_to(path: &Path, most: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    files::open(path).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The beginning of a member of a zip archive, by the end of its name.
fn member_ending(path: &Path, ending: &str) -> Option<Vec<u8>> {
    let mut file = files::open(path).ok()?;
    file.seek(SeekFrom::Start(0)).ok()?;
    let mut archive = zip::ZipArchive::new(file).ok()?;
    let name = archive.file_names().find(|name| name.ends_with(ending))?.to_owned();
    let mut bytes = vec![];
    archive.by_name(&name).ok()?.take(1 << 20).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
