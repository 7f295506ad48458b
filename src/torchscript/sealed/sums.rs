//! Checksums of the records of an archive, computed on several threads.

use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crc32fast::Hasher;
use zip::ZipArchive;

use super::Record;

/// Bytes that one thread takes at a time.
const PART: u64 = 1 << 22;

/// The most threads: reading from memory is soon faster than computing.
const MOST_THREADS: usize = 4;

/// Bytes of a record that lie behind each other in the file.
struct Part {
    record: usize,
    start: u64,
    length: u64,
}

/// Holds every record against its checksum: `torch.jit.save` writes one for each, also where checksums are
/// switched off (`torch.serialization.set_crc32_options`).
///
/// # Errors
/// The bytes of a record are not those that were written, or cannot be read.
pub(super) fn check(
    file: &File,
    zip: &mut ZipArchive<BufReader<File>>,
    records: &[Record],
) -> Result<(), String> {
    for record in records.iter().filter(|record| !record.stored) {
        let unpacked = zip.by_index(record.index).map_err(|e| e.to_string()).and_then(|entry| {
            let mut entry = std::io::Read::take(entry, record.size + 1);
            std::io::copy(&mut entry, &mut std::io::sink()).map_err(|e| e.to_string())
        });
        match unpacked {
            Ok(size) if size == record.size => {}
            _ => return Err(damaged(record)),
        }
    }
    let parts: Vec<Part> =
        records.iter().enumerate().filter(|(_, r)| r.stored).flat_map(parts).collect();
    let hashers = hashed(file, &parts)?;
    let mut sums: Vec<Option<Hasher>> = vec![None; records.len()];
    for (part, hasher) in parts.iter().zip(hashers) {
        match &mut sums[part.record] {
            Some(sum) => sum.combine(&hasher),
            empty => *empty = Some(hasher),
        }
    }
    for (record, sum) in records.iter().zip(sums) {
        if record.stored && sum.map_or(0, Hasher::finalize) != record.crc {
            return Err(damaged(record));
        }
    }
    Ok(())
}

fn damaged(record: &Record) -> String {
    let name = &record.name;
    format!(
        "it is damaged: the bytes of its record {name} do not have the checksum that they were written with"
    )
}

fn parts((place, record): (usize, &Record)) -> impl Iterator<Item = Part> {
    let (data, end) = (record.data, record.end());
    (data..end).step_by(PART as usize).map(move |start| Part {
        record: place,
        start,
        length: PART.min(end - start),
    })
}

/// The sums of the parts, in their order.
fn hashed(file: &File, parts: &[Part]) -> Result<Vec<Hasher>, String> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut buffer = vec![0; PART as usize];
        let mut done = vec![];
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = parts.get(place) else { return Ok::<_, String>(done) };
            let bytes = &mut buffer[..part.length as usize];
            file.read_exact_at(bytes, part.start).map_err(|e| e.to_string())?;
            let mut hasher = Hasher::new();
            hasher.update(bytes);
            done.push((place, hasher));
        }
    };
    let count = parts
        .len()
        .clamp(1, thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS));
    let done = thread::scope(|scope| {
        let threads: Vec<_> = (1..count).map(|_| scope.spawn(work)).collect();
        let mut done = work()?;
        for thread in threads {
            done.extend(thread.join().map_err(|_| "a thread crashed")??);
        }
        Ok::<_, String>(done)
    });
    let mut done = done?;
    done.sort_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, hasher)| hasher).collect())
}
