//! Golden checkpoints with bytes flipped and cut off: read, or refused in a line, but never a panic, and
//! never memory beyond what the file has.

use std::fs;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use repsim::checkpoint::Checkpoint;

use crate::support::{elements, path};

const FILES: [&str; 6] = [
    "tied_both.pth",
    "tied_once.safetensors",
    "legacy.pth",
    "nested_legacy.ckpt",
    "protocol4.bin",
    "sharded/model.safetensors.index.json",
];

/// Reads all that a file gives; whether it was opened.
fn read(path: &Path, length: usize) -> bool {
    let mut opened = match Checkpoint::open(path) {
        Ok(opened) => opened,
        Err(error) => {
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
            return false;
        }
    };
    for dict in opened.dicts().to_vec() {
        for (_, tensor) in dict.tensors {
            let bytes = tensor.extent * tensor.dtype.size();
            assert!(bytes <= 64 * length as u64, "{bytes} of a file of {length}");
            // Shapes over few elements may be large; a model has one of the same shape then.
            if tensor
                .shape
                .iter()
                .try_fold(1_i64, |n, d| n.checked_mul(*d))
                .is_some_and(|n| n < 1 << 16)
            {
                drop(elements(&mut opened, &tensor));
            }
        }
    }
    true
}

fn copies(name: &str, count: usize, mut change: impl FnMut(&mut Vec<u8>)) -> usize {
    let whole = fs::read(path(name)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(Path::new(name).file_name().unwrap());
    for part in fs::read_dir(path("sharded")).unwrap() {
        let part = part.unwrap();
        fs::copy(part.path(), folder.path().join(part.file_name())).unwrap();
    }
    let opened = |_| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        fs::write(&file, &bytes).unwrap();
        read(&file, whole.len())
    };
    (0..count).map(opened).filter(|opened| *opened).count()
}

#[test]
fn bytes_that_are_flipped() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for name in FILES {
        let opened = copies(name, 300, |bytes| {
            for _ in 0..=random.next_u32() % 4 {
                let at = random.next_u32() as usize % bytes.len();
                bytes[at] ^= 1 << (random.next_u32() % 8);
            }
        });
        assert!(
            opened > 0,
            "no damaged {name} could be opened: the damage is too much to test with"
        );
    }
}

/// The pickle alone, where damage hurts most: other opcodes and other numbers.
#[test]
fn opcodes_that_are_others() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for name in ["legacy.pth", "nested_legacy.ckpt"] {
        copies(name, 600, |bytes| {
            let at = 40 + random.next_u32() as usize % 3000;
            bytes[at] = random.next_u32() as u8;
            bytes[at + 1] = if random.next_u32() % 2 == 0 { 0xff } else { bytes[at + 1] };
        });
    }
}

#[test]
fn files_that_are_cut_short() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for name in FILES {
        let opened = copies(name, 100, |bytes| {
            let length = random.next_u32() as usize % bytes.len();
            bytes.truncate(length);
        });
        assert_eq!(opened, 0, "a part of {name} was taken for the whole");
    }
}
