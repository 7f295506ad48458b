//! What is done with the bytes of each target: they are read all through, and an error is one line.

use std::cell::RefCell;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use repsim::check::{Document, Policy, Rule};
use repsim::checkpoint::Checkpoint;
use repsim::data::features::load_features;
use repsim::data::resize::{AxisCache, Picture, Target, resize as resized};
use repsim::data::statistics::Statistics;
use repsim::data::{Dataset, Interpolation, LoadOptions, Preprocess, Preset, Resize, npy_of_bytes};
use repsim::error::Result;
use repsim::report::AnyReport;
use repsim::torchscript::Model;
use zip::write::{SimpleFileOptions, ZipWriter};

thread_local! {
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// A file of these bytes, in memory where the system has such a folder.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let root = FOLDER.with_borrow_mut(|folder| {
        let new = || tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        folder.get_or_insert_with(|| new().expect("a folder")).path().to_owned()
    });
    let path = root.join(name);
    fs::write(&path, bytes).expect("a file");
    path
}

fn one_line<T>(result: Result<T>) -> Option<T> {
    if let Err(error) = &result {
        let text = error.to_string();
        assert!(text.lines().count() == 1 && text.len() < 4000, "{text}");
    }
    result.ok()
}

fn samples(path: &Path) {
    let read = |data: Dataset| -> Result<()> {
        let mut steps = Preprocess::preset(Preset::Raw);
        if data.arrays().is_empty() {
            steps.resize = Resize::Exact { height: 4, width: 4 };
        }
        let options = LoadOptions { batch_size: 8, workers: 1, ..LoadOptions::default() };
        data.batches(&[steps], &options)?.take(4).try_for_each(|batch| batch.map(drop))
    };
    one_line(Dataset::open(path).and_then(read));
}

fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes) in members {
        archive.start_file(*name, SimpleFileOptions::default()).expect("a member");
        archive.write_all(bytes).expect("a member");
    }
    archive.finish().expect("an archive").into_inner()
}

/// NumPy's header and elements.
pub fn npy(bytes: &[u8]) {
    let path = file("a.npy", bytes);
    one_line(load_features(&path));
    samples(&path);
}

/// The same as the member of an archive, and the archive itself.
pub fn npz(bytes: &[u8]) {
    one_line(load_features(&file("a.npz", &zipped(&[("a.npy", bytes)]))));
    one_line(load_features(&file("b.npz", bytes)));
}

/// MNIST's files.
pub fn idx(bytes: &[u8]) {
    samples(&file("images-idx3-ubyte", bytes));
}

/// CIFAR-10's records.
pub fn cifar(bytes: &[u8]) {
    let mut records = bytes.to_vec();
    records.resize(bytes.len().next_multiple_of(3073), 1);
    samples(&file("a.bin", &records));
}

/// Tensors behind a header of JSON, as samples and as weights.
pub fn safetensors(bytes: &[u8]) {
    let mut whole = (bytes.len() as u64).to_le_bytes().to_vec();
    whole.extend(bytes);
    whole.extend([1; 64]);
    let path = file("a.safetensors", &whole);
    samples(&path);
    weights(&path);
}

/// Statistics of features: the origin of an archive whose mean and covariance are whole.
pub fn statistics(bytes: &[u8]) {
    let float = 1.0_f64.to_le_bytes();
    let of = |shape: &[usize], bytes: &[u8]| {
        let text = String::from_utf8_lossy(&npy_of_bytes(shape, &[])).replace("|u1", "<f8");
        let mut file = b"\x93".to_vec();
        file.extend(text.chars().skip(1).map(|c| c as u8));
        file.extend(bytes);
        file
    };
    let (mean, covariance) = (of(&[1], &float), of(&[1, 1], &float));
    let members = [("mu.npy", &*mean), ("sigma.npy", &*covariance), ("repsim.npy", bytes)];
    one_line(Statistics::load(&file("s.npz", &zipped(&members))));
    one_line(Statistics::load(&file("t.npz", bytes)));
}

fn picture(name: &str, magic: &[&[u8]], bytes: &[u8]) {
    if magic.iter().any(|magic| bytes.starts_with(magic)) {
        let path = file(name, bytes);
        samples(path.parent().expect("a folder"));
    }
}

/// PBM, PGM and PPM.
pub fn pnm(bytes: &[u8]) {
    picture("a.ppm", &[b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"], bytes);
}

/// TIFF's directory, strips and tiles.
pub fn tiff(bytes: &[u8]) {
    picture("a.tif", &[b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"], bytes);
}

/// The first frame of a GIF.
pub fn gif(bytes: &[u8]) {
    picture("a.gif", &[b"GIF87a", b"GIF89a"], bytes);
}

/// Filters of all sizes: their coefficients add up to one.
pub fn resize(bytes: &[u8]) {
    let &[filter, height, width, rows, columns, ref data @ ..] = bytes else { return };
    let filters = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"];
    let Ok(filter) = filters[usize::from(filter) % 6].parse::<Interpolation>() else { return };
    let (height, width) = (usize::from(height), usize::from(width));
    if height * width == 0 || rows == 0 || columns == 0 {
        return;
    }
    let data: Vec<u8> = data.iter().copied().cycle().take(height * width).collect();
    let data = if data.is_empty() { vec![255; height * width] } else { data };
    let most = data.iter().copied().max().unwrap_or_default();
    let picture = Picture { data: &data, height, width, channels: 1 };
    let same = data.iter().all(|value| *value == most);
    let target = Target::whole(rows.into(), columns.into(), filter);
    let (mut between, mut made): (Vec<u8>, Vec<u8>) = (vec![], vec![]);
    resized(picture, &target, &mut AxisCache::default(), &mut between, &mut made);
    assert_eq!(made.len(), usize::from(rows) * usize::from(columns));
    assert!(!same || made.iter().all(|value| *value == most), "{made:?} of {most}");
}

fn weights(path: &Path) {
    let Some(mut found) = one_line(Checkpoint::open(path)) else { return };
    for dict in found.dicts().to_vec() {
        for (_, tensor) in dict.tensors.iter().take(64) {
            one_line(found.read(tensor));
        }
    }
}

/// The pickle of a state dict, in an archive with one storage.
pub fn pickle(bytes: &[u8]) {
    let members = [("a/data.pkl", bytes), ("a/data/0", &[0; 64])];
    weights(&file("a.pth", &zipped(&members)));
}

/// Pickles one behind the other.
pub fn chain(bytes: &[u8]) {
    weights(&file("a.ckpt", bytes));
}

/// A policy.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    one_line(Policy::parse(text, Path::new("p.toml")));
}

/// A rule of a policy: what was read is shown as what reads as the same.
pub fn rule(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(rule) = text.parse::<Rule>() else { return };
    let shown = rule.to_string();
    assert_eq!(shown.parse::<Rule>().as_ref(), Ok(&rule), "{shown}");
}

/// A report, to be looked at and to be checked.
pub fn report(bytes: &[u8]) {
    let path = file("r.json", bytes);
    one_line(AnyReport::read(&path));
    one_line(AnyReport::read_visible(&path));
    if let Ok(text) = std::str::from_utf8(bytes) {
        one_line(Document::parse(text, &path));
    }
}

/// The JSON of an exported program, with weights of 256 bytes.
pub fn exported(bytes: &[u8]) {
    let weights = br#"{"config":{"w":{"path_name":"weight_0","is_param":true,"use_pickle":false,
        "tensor_meta":{"dtype":7,"sizes":[{"as_int":8},{"as_int":8}],"requires_grad":true,
        "device":{"type":"cpu","index":null},"strides":[{"as_int":8},{"as_int":1}],
        "storage_offset":{"as_int":0},"layout":7}}}}"#;
    let members: [(&str, &[u8]); 6] = [
        ("a/models/model.json", bytes),
        ("a/data/weights/model_weights_config.json", weights),
        ("a/data/weights/weight_0", &[0; 256]),
        ("a/archive_format", b"pt2"),
        ("a/archive_version", b"0"),
        ("a/byteorder", b"little"),
    ];
    one_line(Model::load(file("a.pt2", &zipped(&members)), false));
}
