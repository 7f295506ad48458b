//! Files written for a test, and short ways to load them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use repsim::data::features::{Feature, load_features};
use repsim::data::{Batch, Dataset, LoadOptions, Preprocess, Preset, Summary};
use zip::write::{SimpleFileOptions, ZipWriter};

/// Where the golden values lie.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/data").join(name)
}

/// The arrays of a golden file.
pub fn goldens(name: &str) -> Vec<Feature> {
    load_features(&golden(name)).unwrap()
}

/// The array of this name.
pub fn find<'a>(all: &'a [Feature], name: &str) -> &'a Feature {
    all.iter().find(|one| one.name == name).unwrap()
}

/// A small colour picture that depends on `seed`.
pub fn picture(width: u32, height: u32, seed: u32) -> image::RgbImage {
    image::RgbImage::from_fn(width, height, |x, y| {
        let value = (x * 7 + y * 13 + seed * 31) as u8;
        image::Rgb([value, value.wrapping_mul(3), value.wrapping_add(90)])
    })
}

/// Writes a picture as PNG, folders included.
pub fn write_png(path: &Path, width: u32, height: u32, seed: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture(width, height, seed).save(path).unwrap();
}

/// A folder of pictures of one size, named after their number.
pub fn folder(count: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..count {
        write_png(&folder.path().join(format!("{i:03}.png")), 12, 9, i);
    }
    folder
}

/// The bytes of a `.npy` file.
pub fn npy(descr: &str, fortran: bool, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let lengths: Vec<_> = shape.iter().map(|n| format!("{n},")).collect();
    let order = if fortran { "True" } else { "False" };
    let text = format!(
        "{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({}), }}\n",
        lengths.join(" ")
    );
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((text.len() as u16).to_le_bytes());
    file.extend(text.bytes());
    file.extend(bytes);
    file
}

/// Little-endian bytes of floats.
pub fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Little-endian bytes of 64-bit integers.
pub fn integers(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Writes a file into a folder and gives its path.
pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// Writes a `.npz` of `.npy` bytes, compressed or not.
pub fn write_npz(path: &Path, arrays: &[(&str, Vec<u8>)], compressed: bool) {
    let method = match compressed {
        true => zip::CompressionMethod::Deflated,
        false => zip::CompressionMethod::Stored,
    };
    let mut archive = ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in arrays {
        let options = SimpleFileOptions::default().compression_method(method);
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

/// Bytes to 0…1 and nothing else.
pub fn raw() -> Preprocess {
    Preprocess::preset(Preset::Raw)
}

/// Few samples a batch, so that there are several.
pub fn options(batch_size: usize, workers: usize) -> LoadOptions {
    LoadOptions { batch_size, workers, ..LoadOptions::default() }
}

/// All batches under one preprocessing, and the summary.
pub fn load(data: &Dataset, steps: &Preprocess, options: &LoadOptions) -> (Vec<Batch>, Summary) {
    let mut batches = data.batches(std::slice::from_ref(steps), options).unwrap();
    let all = batches.by_ref().map(Result::unwrap).collect();
    (all, batches.summary())
}

/// The floats of all batches, one after the other.
pub fn values(batches: &[Batch]) -> Vec<f32> {
    batches.iter().flat_map(|batch| batch.inputs[0].data.clone()).collect()
}

/// All samples of a path as floats, bytes as 0…1.
pub fn open_and_load(path: &Path) -> (Dataset, Vec<Batch>) {
    let data = Dataset::open(path).unwrap();
    let batches = load(&data, &raw(), &options(2, 2)).0;
    (data, batches)
}

/// The message of the first error on the way from a path to its last batch.
pub fn message(path: &Path, steps: &Preprocess, options: &LoadOptions) -> String {
    let opened = Dataset::open(path);
    let batches = opened.and_then(|data| data.batches(std::slice::from_ref(steps), options));
    match batches {
        Err(error) => error.to_string(),
        Ok(batches) => batches.filter_map(Result::err).next().unwrap().to_string(),
    }
}
