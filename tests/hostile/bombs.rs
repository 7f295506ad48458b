//! Small files that announce, or unpack to, more than there is.

use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use repsim::checkpoint::Checkpoint;
use repsim::data::features::load_features;
use repsim::data::{Dataset, LoadOptions, Preprocess, Preset, Tokenizing, npy_of_bytes};
use repsim::error::Result;
use repsim::report::AnyReport;
use repsim::torchscript::Model;
use serde_json::{Value, json};
use tempfile::TempDir;
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, ZipArchive};

use crate::bounds::bounded;
use crate::support::path;

/// More than is unpacked where hardly anything is packed.
const MUCH: usize = 300 << 20;

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A file that begins with these bytes and has so many, most of which take no room.
    fn sparse(&self, name: &str, bytes: &[u8], length: u64) -> PathBuf {
        let path = self.write(name, bytes);
        File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
        path
    }

    /// A packed archive of members, each with zeros behind it.
    fn zipped(&self, name: &str, members: &[(&str, &[u8], usize)]) -> PathBuf {
        let mut archive = ZipWriter::new(Cursor::new(vec![]));
        let packed = CompressionMethod::Deflated;
        let options = SimpleFileOptions::default().compression_method(packed);
        for (name, bytes, zeros) in members {
            archive.start_file(*name, options).unwrap();
            archive.write_all(bytes).unwrap();
            write_zeros(&mut archive, *zeros);
        }
        self.write(name, &archive.finish().unwrap().into_inner())
    }

    fn gzipped(&self, name: &str, bytes: &[u8], zeros: usize) -> PathBuf {
        let mut writer = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        writer.write_all(bytes).unwrap();
        write_zeros(&mut writer, zeros);
        self.write(name, &writer.finish().unwrap())
    }
}

fn write_zeros(to: &mut impl Write, count: usize) {
    let block = vec![0; 1 << 20];
    for start in (0..count).step_by(block.len()) {
        to.write_all(&block[..block.len().min(count - start)]).unwrap();
    }
}

/// Asserts that a file is refused in a short line, and by what is said.
#[track_caller]
fn says<T>(result: Result<T>, part: &str) {
    let text = result.err().map_or_else(|| "it was read".to_owned(), |error| error.to_string());
    assert!(text.contains(part), "{part:?} is not in {text:.300}");
    assert!(text.lines().count() == 1 && text.len() < 1000, "{} letters", text.len());
}

fn read(path: &Path) -> Result<()> {
    let options = LoadOptions { workers: 1, ..LoadOptions::default() };
    let data = Dataset::open(path)?;
    data.batches(&[Preprocess::preset(Preset::Raw)], &options)?.try_for_each(|b| b.map(drop))
}

fn npy(shape: &[usize]) -> Vec<u8> {
    npy_of_bytes(shape, &[])
}

#[test]
fn arrays_that_unpack_to_more_than_data_do() {
    let files = Files::new();
    let much = npy(&[MUCH / 768, 16, 16, 3]);
    let bomb = files.zipped("a.npz", &[("images.npy", &much, 1 << 20)]);
    says(read(&bomb), "announces 300 MiB");
    says(load_features(&bomb), "which no data are packed into");
    let small = npy(&[1, 16, 16, 3]);
    let tail = files.zipped("b.npz", &[("images.npy", &small, 768 + (4 << 20))]);
    says(read(&tail), "longer than its shape says");
    let lie = files.zipped("c.npz", &[("images.npy", &npy(&[1 << 40, 16, 16, 3]), 768)]);
    says(read(&lie), "announces");
    let mut writer = ZipWriter::new(Cursor::new(vec![]));
    for name in ["imagesa.npy", "imagesb.npy"] {
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(&npy_of_bytes(&[1, 1, 1, 3], &[0; 3])).unwrap();
    }
    let mut twice = writer.finish().unwrap().into_inner();
    while let Some(at) = twice.windows(11).position(|name| name == b"imagesb.npy") {
        twice[at + 6] = b'a';
    }
    says(read(&files.write("d.npz", &twice)), "stands in it twice");
    let sparse = files.sparse("e.npy", &npy(&[1, 1 << 20, 1 << 19, 3]), 1 << 41);
    says(read(&sparse), "GiB of memory");
}

#[test]
fn archives_of_very_many_arrays_are_told_in_a_line() {
    let files = Files::new();
    let one = npy_of_bytes(&[2], &[1, 2]);
    let names: Vec<String> = (0..100_000).map(|i| format!("array-{i}.npy")).collect();
    let members: Vec<(&str, &[u8], usize)> =
        names.iter().map(|name| (name.as_str(), &*one, 0)).collect();
    let many = files.zipped("many.npz", &members);
    says(read(&many), "and 99988 more");
}

#[test]
fn packed_idx_files() {
    let files = Files::new();
    let head = |count: u32| {
        [&[0, 0, 8, 3][..], &count.to_be_bytes(), &[0, 0, 0, 16, 0, 0, 0, 16]].concat()
    };
    let name = "images-idx3-ubyte.gz";
    says(read(&files.gzipped(name, &head(20), 20 * 256 + (4 << 20))), "does not fit its shape");
    says(read(&files.gzipped(name, &head((MUCH / 256) as u32), 1 << 20)), "announces 300 MiB");
    says(read(&files.gzipped(name, &head(u32::MAX), 256)), "announces 1024.0 GiB");
    let plain = files.write("plain/images-idx3-ubyte", &head(u32::MAX));
    says(read(&plain), "announces 1099511627520 bytes and has 16");
}

/// A TIFF file of one strip of grey bytes.
fn tiff(width: u32, height: u32) -> Vec<u8> {
    let entries = [
        (256, width),
        (257, height),
        (258, 8),
        (259, 8),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, height),
        (279, 8),
    ];
    let mut file = [b"II*\0".as_slice(), &16_u32.to_le_bytes(), &[0; 8]].concat();
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, value) in entries {
        file.extend([&(tag as u16).to_le_bytes()[..], &[4, 0, 1, 0, 0, 0]].concat());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file
}

/// A PNG file whose header has this size.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = [b"IHDR", &size[..], &[8, 2, 0, 0, 0]].concat();
    let data = [b"IDAT".as_slice(), &[0x78, 0x9c, 3, 0, 0, 0, 0, 1]].concat();
    for chunk in [header, data, b"IEND".to_vec()] {
        file.extend((chunk.len() as u32 - 4).to_be_bytes());
        file.extend(&chunk);
        file.extend(crc32fast::hash(&chunk).to_be_bytes());
    }
    file
}

/// A JPEG file with another size in its header.
fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/data/formats.zip");
    let mut archive = ZipArchive::new(File::open(root).unwrap()).unwrap();
    let mut file = vec![];
    archive.by_name("444-small-0.jpg").unwrap().read_to_end(&mut file).unwrap();
    let at = file.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap() + 5;
    file[at..at + 4].copy_from_slice(&[height.to_be_bytes(), width.to_be_bytes()].concat());
    file
}

#[test]
fn pictures_larger_than_their_files_could_ever_be() {
    let files = Files::new();
    let gif = b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x01\0;";
    for (name, bytes, part) in [
        ("a/a.png", png(30_000, 30_000), "30000x30000 pixels are more than can be decoded"),
        ("b/b.tif", tiff(30_000, 30_000), "30000x30000 pixels are too large"),
        ("c/c.jpg", jpeg(30_000, 30_000), "30000x30000 pixels are more than can be decoded"),
        ("d/d.gif", gif.to_vec(), "damaged"),
        ("e/e.ppm", b"P6 30000 30000 255 abc".to_vec(), "more than can be decoded"),
        ("f/f.png", png(u32::MAX >> 1, 1), "too large"),
    ] {
        says(read(files.write(name, &bytes).parent().unwrap()), part);
    }
    let long = files.sparse("g/g.png", &png(1, 1), (1 << 30) + 1);
    says(read(long.parent().unwrap()), "it has more than 1024 MiB");
}

#[test]
fn texts_and_tokenizers_that_are_none() {
    let files = Files::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/inputs/tokenizer.json");
    let open = |texts: &Path, tokenizer: &Path| {
        Dataset::open_texts(
            texts,
            &Tokenizing { tokenizer: tokenizer.to_owned(), max_length: None },
        )
    };
    let short = files.write("t.txt", b"a b\n");
    says(open(&files.sparse("l.txt", b"a", 2 << 30), &root), "more than 256 MiB");
    says(open(&files.write("m.txt", &vec![b'a'; 2 << 20]), &root), "line 1 has 2097152 bytes");
    says(open(&short, &files.sparse("t.json", b"{", 2 << 30)), "more than 128 MiB");
    says(
        open(&short, &files.write("n.json", &vec![b'['; 100_000])),
        "not a tokenizer that can be used",
    );
}

/// A tokenizer of three words with a part of its own.
fn tokenizer(part: &str, value: Value) -> Vec<u8> {
    let mut whole = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 1}, "unk_token": "[UNK]"},
    });
    whole[part] = value;
    whole.to_string().into_bytes()
}

#[test]
fn tokenizers_that_swell_or_do_not_fit_themselves() {
    let files = Files::new();
    let texts = files.write("t.txt", format!("{} b\na b\n", "a".repeat(60)).as_bytes());
    let open = |part: &str, value: Value| {
        let tokenizer = files.write("t.json", &tokenizer(part, value));
        Dataset::open_texts(&texts, &Tokenizing { tokenizer, max_length: None })
    };
    let replace = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "a".repeat(20)});
    let swelling = json!({"type": "Sequence", "normalizers": vec![replace.clone(); 8]});
    says(open("normalizer", swelling.clone()), "could make more than 64 MiB of a line of 62 bytes");
    let inner = json!({"type": "Sequence", "normalizers": [swelling]});
    says(open("normalizer", inner), "could make more than 64 MiB");
    let added = json!([{"id": 7, "content": "a".repeat(1 << 20), "single_word": false, "lstrip": false,
                        "rstrip": false, "normalized": true, "special": false}]);
    let mut both: Value = serde_json::from_slice(&tokenizer("added_tokens", added)).unwrap();
    both["normalizer"] =
        json!({"type": "Sequence", "normalizers": [replace.clone(), replace.clone()]});
    let both = files.write("both.json", both.to_string().as_bytes());
    let how = Tokenizing { tokenizer: both, max_length: None };
    says(
        Dataset::open_texts(&texts, &how),
        "could make more than 64 MiB of a line of 1048576 bytes",
    );
    for map in ["AAAA/wAA", "////////"] {
        let precompiled = json!({"type": "Precompiled", "precompiled_charsmap": map});
        says(open("normalizer", precompiled), "not a tokenizer that can be used");
    }
    let piece = json!({"SpecialToken": {"id": "X", "type_id": 0}});
    let template = |pieces: Vec<Value>| {
        json!({"type": "TemplateProcessing", "single": pieces, "pair": [{"Sequence": {"id": "A", "type_id": 0}},
               {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {}})
    };
    says(
        open("post_processor", template(vec![piece.clone(); 2])),
        "not a tokenizer that can be used",
    );
    says(open("post_processor", template(vec![piece; 10_000])), "more than 10000 values");
    let cut = |stride: u32| json!({"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": stride});
    assert!(open("truncation", cut(1)).is_ok());
    assert!(open("normalizer", json!({"type": "Sequence", "normalizers": [replace]})).is_ok());
}

#[test]
fn reports_headers_and_weights_that_are_too_large_or_too_deep() {
    let files = Files::new();
    says(AnyReport::read(&files.sparse("r.json", b"{", 2 << 30)), "more than 256 MiB");
    says(AnyReport::read(&files.write("d.json", &vec![b'['; 100_000])), "recursion limit");
    let deep = "{\"a\":".repeat(100_000);
    says(AnyReport::read(&files.write("e.json", deep.as_bytes())), "recursion limit");
    let long = (1_u64 << 40).to_le_bytes();
    says(load_features(&files.write("h.safetensors", &long)), "damaged");
    let whole = files.sparse("w.safetensors", &[&long[..], b"{"].concat(), 1 << 33);
    says(Checkpoint::open(&whole).map(drop), "not a checkpoint");
    let pickle = files.zipped("p.pth", &[("a/data.pkl", b"\x80\x02", 1 << 20)]);
    says(Checkpoint::open(&pickle).map(drop), "damaged");
    let tensor =
        b"(S'w'\nctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\nFloatStorage\nS'0'\n\
                   S'cpu'\nI78643200\ntQI0\n(I78643200\nt(I1\ntI00\nNtRd.";
    let records = [("a/data.pkl", &tensor[..], 0), ("a/data/0", b"", MUCH)];
    let mut bomb = Checkpoint::open(&files.zipped("q.pth", &records)).unwrap();
    let tensor = bomb.dicts()[0].tensors[0].1.clone();
    says(bomb.read(&tensor), "announces 300 MiB");
}

#[test]
fn programs_with_members_that_unpack_to_very_much() {
    let files = Files::new();
    let bomb = files.zipped("a.pt2", &[("a/models/model.json", b"{", MUCH)]);
    says(Model::load(&bomb, false).map(drop), "claims to have 314572801 bytes");
}

#[test]
fn threads_that_cannot_be_had_are_no_drift() {
    let temporary = tempfile::tempdir().unwrap();
    let (model, data) = (path("tiny_resnet_scripted.pt"), path("tiny_resnet.npy"));
    let words =
        ["cka", model.to_str().unwrap(), "--data", data.to_str().unwrap(), "--float-range", "keep"];
    let run =
        bounded(12288, temporary.path(), &[&words[..], &["--threads", "1024", "-o", "-"]].concat());
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert_eq!(
        run.stderr.lines().filter(|line| line.starts_with("error: ")).count(),
        1,
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("--threads"), "{}", run.stderr);
}
