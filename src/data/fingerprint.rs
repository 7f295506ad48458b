//! One hash that stands for the samples that were used.

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
    let all: Vec<Digest> = samples.into_iter().collect();
    copies_of(all.len(), |i| all[i])
}

/// The same of so many samples, with 16 bytes for each where no two have the same.
pub(super) fn copies_of(count: usize, digest: impl Fn(usize) -> Digest) -> Option<Vec<usize>> {
    let mut order: Vec<(u64, usize)> = (0..count).map(|i| (begin(&digest(i)), i)).collect();
    order.sort_unstable();
    let mut places: Option<Vec<usize>> = None;
    for alike in order.chunk_by(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1) {
        for (k, &(_, i)) in alike.iter().enumerate() {
            let own = digest(i);
            if let Some(&(_, first)) = alike[..k].iter().find(|(_, j)| digest(*j) == own) {
                places.get_or_insert_with(|| (0..count).collect())[i] = first;
            }
        }
    }
    places
}

/// The first eight bytes as a number, which sorts as they do.
fn begin(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = bytes.len().min(8);
    first[..length].copy_from_slice(&bytes[..length]);
    u64::from_be_bytes(first)
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
///
/// Takes 16 bytes a sample, and none where the names come in their order.
pub(super) fn fingerprint(
    count: usize,
    name: impl Fn(usize) -> String,
    digest: impl Fn(usize) -> Digest,
) -> String {
    let mut hash = Sha256::new();
    let mut add = |place: usize| {
        hash.update(name(place).as_bytes());
        hash.update([0]);
        hash.update(digest(place));
    };
    match are_in_order((0..count).map(&name)) {
        true => (0..count).for_each(&mut add),
        false => {
            let start = |i: usize| (begin(name(i).as_bytes()), i);
            let mut order: Vec<(u64, usize)> = (0..count).map(start).collect();
            let whole = |i: usize| (name(i), digest(i));
            order.sort_unstable_by(|(a, i), (b, j)| {
                a.cmp(b).then_with(|| whole(*i).cmp(&whole(*j)))
            });
            order.into_iter().for_each(|(_, place)| add(place));
        }
    }
    in_hexadecimal(&hash.finalize().into())
}

/// Whether each name sorts behind the one before it.
fn are_in_order(mut names: impl Iterator<Item = String>) -> bool {
    let Some(mut before) = names.next() else { return true };
    names.all(|name| {
        let is_behind = before < name;
        before = name;
        is_behind
    })
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
        let of = |samples: &[(&str, &[u8])]| {
            let digest = |i: usize| digest(samples[i].1);
            fingerprint(samples.len(), |i| samples[i].0.to_owned(), digest)
        };
        let one = of(&[("a", b"1"), ("b", b"2")]);
        assert_eq!(one, of(&[("b", b"2"), ("a", b"1")]));
        assert_ne!(one, of(&[("a", b"2"), ("b", b"1")]));
        assert_ne!(one, of(&[("a", b"1"), ("c", b"2")]));
        assert_eq!(one.len(), 64);
        let long = [("class/a/10", &b"1"[..]), ("class/a/1", b"2"), ("1", b"3"), ("class/a", b"4")];
        let mut sorted = long;
        sorted.sort();
        assert_eq!(of(&long), of(&sorted));
    }
}
