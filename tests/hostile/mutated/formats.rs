//! A file of each format, and how it is read.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use repsim::check::{Document, Policy};
use repsim::checkpoint::Checkpoint;
use repsim::data::features::load_features;
use repsim::data::statistics::Statistics;
use repsim::data::{
    Dataset, LoadOptions, Preprocess, Preset, Resize, Tokenizing, npy_of_bytes, npz_of_floats,
};
use repsim::error::Result;
use repsim::report::{AnyReport, text_of};
use repsim::torchscript::Model;
use zip::ZipArchive;

use super::change::Changes;
use crate::check_support::tiny;
use crate::support::picture;

/// How a copy is changed.
type Change = fn(&mut Changes, &[u8]) -> Vec<u8>;

/// A format.
pub struct Format {
    /// The name of the file that is read, in the folder of the test.
    pub name: &'static str,
    /// Files that copies are made of.
    pub whole: Vec<Vec<u8>>,
    /// How many copies.
    pub count: usize,
    change: Change,
    read: fn(&Path) -> Result<()>,
}

impl Format {
    /// A changed copy of one of the files.
    pub fn copy(&self, changes: &mut Changes, number: usize) -> Vec<u8> {
        (self.change)(changes, &self.whole[number % self.whole.len()])
    }

    /// Reads the file all through.
    pub fn read(&self, path: &Path) -> Result<()> {
        (self.read)(path)
    }
}

fn of(changes: &mut Changes, bytes: &[u8]) -> Vec<u8> {
    changes.of(bytes)
}

fn of_zip(changes: &mut Changes, bytes: &[u8]) -> Vec<u8> {
    changes.of_member(bytes)
}

fn of_gz(changes: &mut Changes, bytes: &[u8]) -> Vec<u8> {
    changes.of_packed(bytes)
}

fn of_png(changes: &mut Changes, bytes: &[u8]) -> Vec<u8> {
    changes.of_png(bytes)
}

fn golden(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    fs::read(root.join(name)).unwrap()
}

/// All samples of a data set, as a network would be given them.
fn samples(data: &Dataset) -> Result<()> {
    let mut steps = Preprocess::preset(Preset::Raw);
    if data.arrays().is_empty() {
        steps.resize = Resize::Exact { height: 8, width: 8 };
    }
    let options = LoadOptions { batch_size: 8, workers: 1, ..LoadOptions::default() };
    data.batches(&[steps], &options)?.try_for_each(|batch| batch.map(drop))
}

fn data(path: &Path) -> Result<()> {
    samples(&Dataset::open(path)?)
}

/// The folder that the picture lies in.
fn pictures(path: &Path) -> Result<()> {
    data(path.parent().unwrap())
}

fn features(path: &Path) -> Result<()> {
    load_features(path).map(drop)
}

fn statistics(path: &Path) -> Result<()> {
    Statistics::load(path).map(drop)
}

fn checkpoint(path: &Path) -> Result<()> {
    let mut found = Checkpoint::open(path)?;
    for dict in found.dicts().to_vec() {
        dict.tensors.iter().try_for_each(|(_, tensor)| found.read(tensor).map(drop))?;
    }
    Ok(())
}

fn report(path: &Path) -> Result<()> {
    let text = text_of(path)?;
    AnyReport::read(path)?;
    AnyReport::read_visible(path)?;
    Document::parse(&text, path).map(drop)
}

fn policy(path: &Path) -> Result<()> {
    let text = repsim::files::read_text(path, 1 << 20)?;
    Policy::parse(&text, path).map(drop)
}

fn texts(path: &Path) -> Result<()> {
    let how = Tokenizing { tokenizer: path.to_owned(), max_length: Some(8) };
    samples(&Dataset::open_texts(&PathBuf::from(texts_beside(path)), &how)?)
}

fn texts_beside(path: &Path) -> String {
    let texts = path.with_file_name("texts.txt");
    fs::write(&texts, "the cat sat\non the mat\n").unwrap();
    texts.display().to_string()
}

fn model(path: &Path) -> Result<()> {
    Model::load(path, false).map(drop)
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i * i % 251) as u8).collect()
}

fn npz() -> Vec<u8> {
    let values: Vec<f32> = (0..72).map(|i| (i * i % 17) as f32 / 17.0).collect();
    npz_of_floats(&[("images", &[6, 12], values.clone()), ("x", &[6, 3, 2, 2], values)]).unwrap()
}

fn idx() -> Vec<u8> {
    let mut file = vec![0, 0, 8, 3];
    [6_u32, 4, 4].iter().for_each(|n| file.extend(n.to_be_bytes()));
    file.extend(bytes(96));
    file
}

fn idx_packed() -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    writer.write_all(&idx()).unwrap();
    writer.finish().unwrap()
}

fn cifar() -> Vec<u8> {
    let mut file = bytes(3 * 3073);
    (0..3).for_each(|record| file[record * 3073] = record as u8);
    file
}

fn safetensors() -> Vec<u8> {
    let header = r#"{"images":{"dtype":"F32","shape":[6,3,2,2],"data_offsets":[0,288]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    file.extend(bytes(288));
    file
}

fn pngs() -> Vec<Vec<u8>> {
    let names = ["grey.png", "grey-alpha.png", "rgba.png", "palette.png", "bits.png"];
    names.iter().map(|name| golden(&format!("data/{name}"))).collect()
}

/// The pictures of an ending among those of all kinds.
fn pictures_of(ending: &[&str]) -> Vec<Vec<u8>> {
    let mut archive = ZipArchive::new(std::io::Cursor::new(golden("data/formats.zip"))).unwrap();
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    let mut found = vec![];
    for name in names.iter().filter(|name| ending.iter().any(|end| name.ends_with(end))) {
        let mut bytes = vec![];
        archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        found.push(bytes);
    }
    assert!(found.len() > 2, "{ending:?}");
    found
}

fn others() -> Vec<Vec<u8>> {
    let names = ["rgb.bmp", "palette.bmp", "lossless.webp", "lossless-alpha.webp"];
    names.iter().map(|name| golden(&format!("data/{name}"))).collect()
}

const POLICY: &str = "version = 1\nrules = ['cka[\"layer4*\"] >= 0.95', 'drop <= 0.02 against baseline', \
                      '$.results.layers[?@.name == \"a\"].n > 1e3']\nallow-different-data = true\n\
                      [[tolerance]]\nof = 'cka[\"layer1\"]'\natol = 0.003\n";

/// All formats; their counts are 2,000 together.
pub fn all() -> Vec<Format> {
    let format = |name, whole, count, change, read| Format { name, whole, count, change, read };
    let weights = |names: &[&str]| -> Vec<Vec<u8>> {
        names.iter().map(|name| golden(&format!("weights/{name}"))).collect()
    };
    let zips = weights(&["e9.pth", "nested.ckpt", "tied_both.pth", "views.pth"]);
    let chains = weights(&["legacy.pth", "nested_legacy.ckpt"]);
    let pt2 = || vec![golden("weights/arch.pt2"), golden("export/counter.pt2")];
    vec![
        format(
            "a.npy",
            vec![npy_of_bytes(&[6, 4, 4, 3], &bytes(288))],
            150,
            of as Change,
            data as _,
        ),
        format("b.npz", vec![npz()], 75, of, features),
        format("b.npz", vec![npz()], 75, of_zip, features),
        format("images-idx3-ubyte", vec![idx()], 75, of, data),
        format("images-idx3-ubyte.gz", vec![idx_packed()], 50, of_gz, data),
        format("images-idx3-ubyte.gz", vec![idx_packed()], 25, of, data),
        format("test_batch.bin", vec![cifar()], 50, of, data),
        format("c.safetensors", vec![safetensors()], 75, of, data),
        format("p/d.png", pngs(), 100, of_png, pictures),
        format("p/d.jpg", pictures_of(&[".jpg"]), 100, of, pictures),
        format("p/d.tif", pictures_of(&[".tif"]), 200, of, pictures),
        format("p/d.gif", pictures_of(&[".gif"]), 100, of, pictures),
        format("p/d.ppm", pictures_of(&[".ppm", ".pgm", ".pbm"]), 100, of, pictures),
        format("p/d.bmp", others(), 75, of, pictures),
        format("e.npz", vec![golden("data/statistics.npz")], 50, of_zip, statistics),
        format("e.npz", vec![golden("fid/pytorch-fid-real.npz")], 25, of, statistics),
        format("f.pth", zips.clone(), 100, of_zip, checkpoint),
        format("f.pth", zips, 50, of, checkpoint),
        format("f.ckpt", chains, 100, of, checkpoint),
        format("f.safetensors", weights(&["e9.safetensors"]), 50, of, checkpoint),
        format("g.json", vec![tiny().to_string().into_bytes()], 100, of, report),
        format("g.toml", vec![POLICY.as_bytes().to_vec()], 150, of, policy),
        format("h.json", vec![golden("inputs/tokenizer.json")], 25, of, texts),
        format("i.pt2", pt2(), 75, of_zip, model),
        format("i.pt2", pt2(), 25, of, model),
    ]
}

/// A picture that is whole, beside the one that is not.
pub fn whole_beside(folder: &Path) {
    fs::create_dir_all(folder.join("p")).unwrap();
    picture(1).save(folder.join("p/whole.png")).unwrap();
}
