//! One hash that stands for the samples that were used.

use std::collections::HashMap;
use std::fmt::Write;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of a sample's bytes as stored.
pub type Digest = [u8; 32];

/// Hashes a sample's bytes: the whole image file, or the row of the array or the record.
pub fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// Of each sample the place of the first one of the same content; `None` where no two have the same.
pub fn copies(samples: impl IntoIterator<Item = Digest>) -> Option<Vec<usize>> {
    let mut first = HashMap::new();
    let places = samples.into_iter().enumerate().map(|(i, one)| *first.entry(one).or_insert(i));
    let places: Vec<usize> = places.collect();
    (first.len() < places.len()).then_some(places)
}

/// The fingerprint of samples: SHA-256 in hexadecimal over, for each sample in the order of the
/// bytes of its name,
///
/// ```text
/// name in UTF-8 ‖ one zero byte ‖ SHA-256 of the sample's bytes (32 bytes)
/// ```
///
/// It does not depend on the order in which samples were read, on batches or on preprocessing.
/// Names are relative to the folder; an array's samples are named by their index in decimal.
pub(super) fn fingerprint(mut samples: Vec<(String, Digest)>) -> String {
    samples.sort();
    let mut hash = Sha256::new();
    for (name, digest) in samples {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(digest);
    }
    in_hexadecimal(&hash.finalize().into())
}

/// SHA-256 in hexadecimal over names, each with one zero byte behind it.
pub(super) fn of_names(names: impl Iterator<Item = String>) -> String {
    let mut hash = Sha256::new();
    for name in names {
        hash.update(name.as_bytes());
        hash.update([0]);
    }
    in_hexadecimal(&hash.finalize().into())
}

/// A digest in letters.
fn in_hexadecimal(digest: &Digest) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_found() {
        let of = |all: &[&[u8]]| copies(all.iter().map(|bytes| digest(bytes)));
        assert_eq!(of(&[b"a", b"b", b"a", b"c", b"b"]), Some(vec![0, 1, 0, 3, 1]));
        assert_eq!(of(&[b"a", b"b"]), None);
    }

    #[test]
    fn order_does_not_matter_but_names_and_bytes_do() {
        let sample = |name: &str, bytes: &[u8]| (name.to_owned(), digest(bytes));
        let one = fingerprint(vec![sample("a", b"1"), sample("b", b"2")]);
        assert_eq!(one, fingerprint(vec![sample("b", b"2"), sample("a", b"1")]));
        assert_ne!(one, fingerprint(vec![sample("a", b"2"), sample("b", b"1")]));
        assert_ne!(one, fingerprint(vec![sample("a", b"1"), sample("c", b"2")]));
        assert_eq!(one.len(), 64);
    }
}
