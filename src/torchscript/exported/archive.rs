//! The zip archive of `torch.export.save`: the program, and its weights.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use tch::{Kind, Tensor};
use zip::ZipArchive;

use super::schema::{Payload, Payloads, TensorMeta};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::files;
use crate::torchscript::ffi::bytes_of;

/// The program in the layout from before PyTorch 2.8.
pub const OLDER: &str = "serialized_exported_program.json";

/// No program is larger.
const MOST_JSON: u64 = 1 << 28;

/// A tensor may hold a value more than once (a stride of 0), but not more than so many values.
const MOST_REPEATED: i128 = 1 << 24;

const DAMAGED: &str = "export and save it again (torch.export.save)";

/// An open archive.
pub struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    /// The folder that everything lies in.
    root: String,
    storages: HashMap<String, Tensor>,
}

impl Archive {
    /// Opens an archive of one model.
    ///
    /// # Errors
    /// It cannot be read, is written for big-endian machines, or is compiled code.
    pub fn open(path: &Path) -> Result<Self> {
        let file = files::open(path).map_err(|e| Error::io("read", path, e))?;
        let zip = ZipArchive::new(BufReader::new(file))
            .map_err(|e| Error::file("load", path, format!("damaged archive ({e})"), DAMAGED))?;
        let root = match zip.index_for_name(OLDER) {
            Some(_) => None,
            None => zip.file_names().find_map(|name| Some(name.split_once('/')?.0.to_owned())),
        };
        let (path, root) = (path.to_owned(), root.unwrap_or_default());
        let mut archive = Self { path, zip, root, storages: HashMap::new() };
        archive.refuse_big_endian()?;
        Ok(archive)
    }

    fn refuse_big_endian(&mut self) -> Result<()> {
        let is_there = self.zip.index_for_name(&self.member("byteorder")).is_some();
        if is_there && self.bytes("byteorder", 16)? == b"big" {
            let remedy = "export it on a little-endian one, as nearly all are";
            return Err(self.error("its weights are those of a big-endian machine", remedy));
        }
        Ok(())
    }

    fn member(&self, name: &str) -> String {
        if self.root.is_empty() { name.to_owned() } else { format!("{}/{name}", self.root) }
    }

    /// Whether it has the layout from before PyTorch 2.8.
    pub fn is_older(&self) -> bool {
        self.zip.index_for_name(OLDER).is_some()
    }

    /// What `torch.save` wrote into a member; `None` where there is none.
    ///
    /// # Errors
    /// It is damaged, or compressed.
    pub fn saved(&mut self, name: &str) -> Result<Option<Checkpoint>> {
        let Some(place) = self.zip.index_for_name(name) else { return Ok(None) };
        let member = self.zip.by_index_raw(place);
        let member = member.map_err(|e| Error::file("load", &self.path, e.to_string(), DAMAGED))?;
        if member.compression() != zip::CompressionMethod::Stored {
            let problem = format!("{name} is compressed");
            return Err(Error::file("load", &self.path, problem, DAMAGED));
        }
        let start = member.data_start();
        let range = start..start.saturating_add(member.compressed_size());
        drop(member);
        Checkpoint::within(&self.path, range).map(Some)
    }

    /// An error about this file.
    pub fn error(&self, problem: impl ToString, remedy: impl ToString) -> Error {
        Error::file("load", &self.path, problem, remedy)
    }

    fn damaged(&self, problem: impl ToString) -> Error {
        self.error(problem, DAMAGED)
    }

    /// The name of the model in it.
    ///
    /// # Errors
    /// There is none, or several.
    pub fn model_name(&self) -> Result<String> {
        let models = self.member("models/");
        let name = |file: &str| Some(file.strip_prefix(&models)?.strip_suffix(".json")?.to_owned());
        let mut names: Vec<String> = self.zip.file_names().filter_map(name).collect();
        names.sort();
        let compiled = self.member("data/aotinductor/");
        match names.as_slice() {
            [name] => Ok(name.clone()),
            [] if self.zip.file_names().any(|file| file.starts_with(&compiled)) => Err(self.error(
                "it is a package of AOTInductor: compiled code without a graph",
                "save the exported program itself: torch.export.save(program, FILE)",
            )),
            [] => Err(self.damaged("it holds no program (models/model.json)")),
            _ => Err(self.error(
                format!("it holds {} models: {}", names.len(), names.join(", ")),
                "save one model a file (torch.export.save)",
            )),
        }
    }

    fn bytes(&mut self, name: &str, most: u64) -> Result<Vec<u8>> {
        let member = self.member(name);
        read_member(&mut self.zip, &member, most)
            .map_err(|problem| self.damaged(format!("{name} {problem}")))
    }

    /// A member that holds JSON.
    ///
    /// # Errors
    /// It is missing, damaged or too large.
    pub fn text(&mut self, name: &str) -> Result<Vec<u8>> {
        self.bytes(name, MOST_JSON)
    }

    /// What the JSON of a member says.
    ///
    /// # Errors
    /// It is of a form that is not known.
    pub fn parsed<T: DeserializeOwned>(&self, name: &str, text: &[u8]) -> Result<T> {
        serde_json::from_slice(text).map_err(|e| {
            self.error(format!("{name} cannot be read: {e}"), "export it with PyTorch 2.5 to 2.13")
        })
    }

    /// What the archive says of weights or constants.
    ///
    /// # Errors
    /// As [`Archive::text`] and [`Archive::parsed`].
    pub fn payloads(&mut self, model: &str, kind: &str) -> Result<BTreeMap<String, Payload>> {
        let name = format!("data/{kind}/{model}_{kind}_config.json");
        match self.zip.index_for_name(&self.member(&name)) {
            Some(_) => {
                let text = self.text(&name)?;
                Ok(self.parsed::<Payloads>(&name, &text)?.config)
            }
            None => Ok(BTreeMap::new()),
        }
    }

    /// A weight; those that lie in one file share their memory.
    ///
    /// # Errors
    /// The file is missing or too short, or its numbers are of a kind that is not known.
    pub fn tensor(&mut self, kind: &str, name: &str, payload: &Payload) -> Result<Tensor> {
        let Some(meta) = payload.tensor_meta.as_ref().filter(|_| !payload.use_pickle) else {
            let remedy = "export the model without tensor subclasses";
            return Err(self.error(format!("{name} is pickled, not a plain tensor"), remedy));
        };
        let element = self.kind_of(name, meta)?;
        let view = View::of(meta).ok_or_else(|| {
            self.damaged(format!("sizes, strides and offset of {name} make no tensor"))
        })?;
        let file = format!("data/{kind}/{}", payload.path_name);
        if !self.storages.contains_key(&file) {
            let member = self.member(&file);
            let storage = read_storage(&mut self.zip, &member)
                .map_err(|problem| self.damaged(format!("{file} {problem}")))?;
            self.storages.insert(file.clone(), storage);
        }
        let storage = &self.storages[&file];
        let held = storage.numel() as i128;
        let needed = view.extent * element.elt_size_in_bytes() as i128;
        if needed > held || i128::from(view.elements) > held.max(MOST_REPEATED) {
            let size = view.elements;
            return Err(self.damaged(format!(
                "{name} ({size} values, up to byte {needed}) is more than {file} holds ({held} bytes)"
            )));
        }
        view.tensor(storage, element).map_err(|e| self.damaged(format!("{name}: {e}")))
    }

    fn kind_of(&self, name: &str, meta: &TensorMeta) -> Result<Kind> {
        kind(meta.dtype).ok_or_else(|| {
            let problem = format!("{name} is of a type without arithmetic ({})", meta.dtype);
            self.error(problem, "export the model in float32, float16 or bfloat16")
        })
    }
}

/// A member of a zip archive, or what is wrong with it.
fn read_member(
    zip: &mut ZipArchive<BufReader<File>>,
    member: &str,
    most: u64,
) -> Result<Vec<u8>, String> {
    let mut file = zip.by_name(member).map_err(|_| "is missing")?;
    let size = file.size();
    if size > most {
        return Err(format!("claims to have {size} bytes"));
    }
    files::check_packed(file.compressed_size(), size)?;
    let mut bytes = files::reserved(size as usize)?;
    // One more than there are: the checksum is looked at where the member ends.
    match (&mut file).take(size + 1).read_to_end(&mut bytes) {
        Ok(read) if read as u64 == size => Ok(bytes),
        Ok(_) => Err(OTHER_SIZE.to_owned()),
        Err(error) => Err(format!("is damaged: {error}")),
    }
}

const OTHER_SIZE: &str = "has another size than its header says";

/// The bytes of a member as a tensor, read into its memory.
fn read_storage(zip: &mut ZipArchive<BufReader<File>>, member: &str) -> Result<Tensor, String> {
    let mut file = zip.by_name(member).map_err(|_| "is missing")?;
    let size = file.size();
    files::check_packed(file.compressed_size(), size)?;
    files::check_room(size)?;
    let storage = Tensor::f_zeros([size as i64], (Kind::Uint8, tch::Device::Cpu));
    let mut storage = storage.map_err(|said| said.to_string())?;
    let damaged = |error: std::io::Error| format!("is damaged: {error}");
    match file.read_exact(bytes_of(&mut storage)) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(OTHER_SIZE.to_owned()),
        Err(error) => Err(damaged(error)),
        // The checksum is looked at where the member ends.
        Ok(()) => match file.read(&mut [0]).map_err(damaged)? {
            0 => Ok(storage),
            _ => Err(OTHER_SIZE.to_owned()),
        },
    }
}

/// Where a tensor lies in its storage, in elements.
struct View {
    sizes: Vec<i64>,
    strides: Vec<i64>,
    offset: i64,
    elements: i64,
    /// Elements from the beginning of the storage to behind the last one.
    extent: i128,
}

impl View {
    fn of(meta: &TensorMeta) -> Option<Self> {
        let known = |sizes: &[super::schema::Size]| {
            sizes.iter().map(|size| size.known().filter(|&n| n >= 0)).collect::<Option<Vec<i64>>>()
        };
        let (sizes, strides) = (known(&meta.sizes)?, known(&meta.strides)?);
        let offset = meta.storage_offset.known().filter(|&n| n >= 0)?;
        let mut extent = i128::from(offset) + 1;
        for (&size, &stride) in sizes.iter().zip(&strides) {
            extent = extent.checked_add((i128::from(size) - 1).checked_mul(stride.into())?)?;
        }
        let elements = sizes.iter().try_fold(1_i64, |all, &size| all.checked_mul(size))?;
        let extent = if elements == 0 { 0 } else { extent };
        (sizes.len() == strides.len()).then_some(Self { sizes, strides, offset, elements, extent })
    }

    fn tensor(&self, storage: &Tensor, kind: Kind) -> Result<Tensor, tch::TchError> {
        let size = kind.elt_size_in_bytes() as i64;
        let whole = storage.narrow(0, 0, storage.numel() as i64 / size * size);
        match self.extent {
            0 => Tensor::f_empty(&self.sizes, (kind, tch::Device::Cpu)),
            _ => whole.f_view_dtype(kind)?.f_as_strided(&self.sizes, &self.strides, self.offset),
        }
    }
}

/// The element type of a number in the schema (not those of TorchScript).
pub fn kind(number: i64) -> Option<Kind> {
    Some(match number {
        1 => Kind::Uint8,
        2 => Kind::Int8,
        3 => Kind::Int16,
        4 => Kind::Int,
        5 => Kind::Int64,
        6 => Kind::Half,
        7 => Kind::Float,
        8 => Kind::Double,
        9 => Kind::ComplexHalf,
        10 => Kind::ComplexFloat,
        11 => Kind::ComplexDouble,
        12 => Kind::Bool,
        13 => Kind::BFloat16,
        _ => return None,
    })
}

/// The same as PyTorch writes it.
pub fn dtype(number: i64) -> &'static str {
    match number {
        1 => "uint8",
        2 => "int8",
        3 => "int16",
        4 => "int32",
        5 => "int64",
        6 => "float16",
        7 => "float32",
        8 => "float64",
        9 => "complex32",
        10 => "complex64",
        11 => "complex128",
        12 => "bool",
        13 => "bfloat16",
        _ => "unknown",
    }
}
