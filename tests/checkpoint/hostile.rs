//! Files made to mislead, each refused in a line.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use repsim::checkpoint::Checkpoint;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::support::{path, refused, tensors};

/// Copies a zip archive with other bytes in its records.
pub fn rewritten(
    from: &Path,
    to: &Path,
    method: CompressionMethod,
    change: impl Fn(&str, Vec<u8>) -> Vec<u8>,
) {
    let mut archive = ZipArchive::new(File::open(from).unwrap()).unwrap();
    let mut writer = ZipWriter::new(File::create(to).unwrap());
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).unwrap();
        let name = entry.name().to_owned();
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).unwrap();
        let options = SimpleFileOptions::default().compression_method(method);
        writer.start_file(&name, options).unwrap();
        writer.write_all(&change(&name, bytes)).unwrap();
    }
    writer.finish().unwrap();
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn bytes(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A golden archive with one record changed.
    fn changed(&self, name: &str, record: &str, bytes: &[u8]) -> PathBuf {
        let to = self.0.path().join("changed.pth");
        rewritten(&path(name), &to, CompressionMethod::Stored, |own, old| {
            if own.ends_with(record) { bytes.to_vec() } else { old }
        });
        to
    }
}

#[track_caller]
fn says(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in {text:?}");
}

/// The pickle of a state dict of one tensor, with 16 floats in its storage at most.
fn one_tensor(sizes: &str) -> Vec<u8> {
    let storage = "(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI16\ntQ";
    let tensor = format!("ctorch._utils\n_rebuild_tensor_v2\n({storage}{sizes}I00\nNtR");
    format!("(S'w'\n{tensor}d.").into_bytes()
}

#[test]
fn views_beyond_their_storage() {
    let files = Files::new();
    for sizes in [
        "I0\n(I17\nt(I1\nt",
        "I9223372036854775807\n(I1\nt(I1\nt",
        "I0\n(I4294967296\nI4294967296\nt(I4294967296\nI1\nt",
        "I0\n(I2\nt(I9223372036854775807\nt",
    ] {
        let text = refused(&files.changed("e9.pth", "data.pkl", &one_tensor(sizes)));
        assert!(text.contains("beyond its storage") || text.contains("shape"), "{text}");
    }
}

#[test]
fn a_huge_shape_over_few_elements_takes_no_memory() {
    let files = Files::new();
    let pickle = one_tensor("I0\n(I1000000000000\nt(I0\nt");
    let path = files.changed("e9.pth", "data.pkl", &pickle);
    let mut opened = Checkpoint::open(&path).unwrap();
    let tensor = opened.dicts()[0].tensors[0].1.clone();
    assert_eq!((tensor.extent, opened.read(&tensor).unwrap().len()), (1, 4));
}

#[test]
fn a_record_that_is_shorter_than_its_storage() {
    let files = Files::new();
    let opened = Checkpoint::open(&files.changed("e9.pth", "data/0", &[0; 8])).unwrap();
    let others = &opened.dicts()[0].others;
    assert_eq!(others[0].0, "conv1.weight");
    says(&others[0].1, "cut short");
}

#[test]
fn bytes_without_their_checksum() {
    let files = Files::new();
    let mut bytes = fs::read(path("e9.pth")).unwrap();
    let archive = &mut ZipArchive::new(File::open(path("e9.pth")).unwrap()).unwrap();
    let start = archive.by_name("e9/data/0").unwrap().data_start() as usize;
    bytes[start + 5] ^= 1;
    let mut opened = Checkpoint::open(&files.bytes("x.pth", &bytes)).unwrap();
    let tensor = opened.dicts()[0].tensors[0].1.clone();
    says(&opened.read(&tensor).unwrap_err().to_string(), "checksum");
}

/// `torch.serialization.set_crc32_options(False)` leaves 0 where the checksums belong.
#[test]
fn archives_written_without_checksums_are_read() {
    let files = Files::new();
    let mut bytes = fs::read(path("e9.pth")).unwrap();
    let expected = tensors(&mut Checkpoint::open(&path("e9.pth")).unwrap(), ".");
    for at in 0..bytes.len() - 20 {
        match bytes[at..at + 4] {
            [b'P', b'K', 1, 2] => bytes[at + 16..at + 20].fill(0),
            [b'P', b'K', 3, 4] => bytes[at + 14..at + 18].fill(0),
            _ => {}
        }
    }
    let file = files.bytes("x.pth", &bytes);
    let mut archive = ZipArchive::new(File::open(&file).unwrap()).unwrap();
    assert_eq!(archive.by_index(0).unwrap().crc32(), 0);
    match Checkpoint::open(&file) {
        Ok(mut opened) => assert_eq!(tensors(&mut opened, "."), expected),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn big_endian_numbers() {
    let files = Files::new();
    says(&refused(&files.changed("e9.pth", "byteorder", b"big")), "most significant byte first");
    let mut bytes = fs::read(path("legacy.pth")).unwrap();
    let at = bytes.windows(13).position(|w| w == b"little_endian").unwrap();
    let value = at + bytes[at..].iter().position(|b| *b == 0x88).unwrap();
    bytes[value] = 0x89;
    says(&refused(&files.bytes("x.pth", &bytes)), "most significant byte first");
}

#[test]
fn one_record_twice() {
    let files = Files::new();
    let mut bytes = fs::read(path("e9.pth")).unwrap();
    // The name of one record becomes that of another, in the directory and before the bytes.
    let (old, new) = (b"e9/data/11", b"e9/data/10");
    for at in 0..bytes.len() - old.len() {
        if bytes[at..].starts_with(old) {
            bytes[at..at + new.len()].copy_from_slice(new);
        }
    }
    says(&refused(&files.bytes("x.pth", &bytes)), "twice");
}

#[test]
fn storages_that_do_not_end_within_the_file() {
    let files = Files::new();
    let whole = fs::read(path("legacy.pth")).unwrap();
    says(&refused(&files.bytes("x.pth", &whole[..whole.len() - 3])), "cut short");
    let keys = whole.windows(8).rposition(|w| w == [6, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    for count in [u64::MAX, 1 << 62, 1 << 40] {
        let mut bytes = whole.clone();
        bytes[keys..keys + 8].copy_from_slice(&count.to_le_bytes());
        says(&refused(&files.bytes("x.pth", &bytes)), "within the file");
    }
}

#[test]
fn calls_are_named_and_not_run() {
    let files = Files::new();
    let marker = files.0.path().join("ran");
    let pickle = format!("cos\nsystem\n(S'touch {}'\ntR.", marker.display());
    says(&refused(&files.changed("e9.pth", "data.pkl", pickle.as_bytes())), "pickled os.system");
    assert!(!marker.exists());
}

#[test]
fn a_whole_module_is_named() {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/careless/module.pth");
    let text = refused(&module);
    says(&text, "pickled ");
    says(&text, "torch.save(torch.load(FILE, weights_only=False).state_dict(), NEW)");
}

#[test]
fn what_is_something_else() {
    let files = Files::new();
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    let cases: [(&[u8], &str); 8] = [
        (b"", "it is empty"),
        (&tar, "tar archive"),
        (b"\x80\x02}q\x00.", "torch.save did not write"),
        (b"hello, this is text", "not a checkpoint"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"PK\x03\x04 and nothing more", "damaged"),
        (b"\x10\0\0\0\0\0\0\0{\"a\": nonsense}  ", "header is damaged"),
    ];
    for (bytes, part) in cases {
        says(&refused(&files.bytes("x.pth", bytes)), part);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    says(&refused(&root.join("weights/arch.pt")), "TorchScript archive");
    says(&refused(&root.join("data/pictures.npz")), "zip archive");
    says(&refused(&root.join("cka")), "folder without");
}

#[test]
fn headers_that_tell_of_more_than_there_is() {
    let files = Files::new();
    let header = |text: &str, data: usize| {
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes.extend(vec![0; data]);
        files.bytes("x.safetensors", &bytes)
    };
    let tensor = |shape: &str, end: u64| {
        format!("{{\"w\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[0,{end}]}}}}")
    };
    says(&refused(&header(&tensor("[2]", 8), 4)), "cut short");
    says(&refused(&header(&tensor("[3]", 8), 8)), "header is damaged");
    says(&refused(&header(&tensor("[4611686018427387904,4]", 8), 8)), "header is damaged");
    let mut longest = (1_u64 << 26).to_le_bytes().to_vec();
    longest.extend(b"{}");
    says(&refused(&files.bytes("y", &longest)), "cut short");
}

#[test]
fn indices_that_name_other_files() {
    let files = Files::new();
    let index = |file: &str| {
        let text = format!("{{\"weight_map\": {{\"w\": \"{file}\"}}}}");
        files.bytes("model.safetensors.index.json", text.as_bytes())
    };
    for file in ["../secret", "/etc/passwd", "a/b", "..", ""] {
        says(&refused(&index(file)), "not a file beside it");
    }
    says(&refused(&index("gone.safetensors")), "no such file");
    fs::copy(path("e9.safetensors"), files.0.path().join("part")).unwrap();
    says(&refused(&index("part")), "does not hold 'w'");
    says(&refused(&files.bytes("model.safetensors.index.json", b"{\"a\": 1}")), "not an index");
    says(&refused(files.0.path()), "not an index");
}
