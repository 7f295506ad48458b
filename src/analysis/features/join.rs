//! Files of parts, put one behind the other.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;

use sha2::{Digest, Sha256};

use super::parts::Part;
use crate::capture::keep::{Finished, Laid};
use crate::data::{LayerHead, LayerReader, LayerWriter, in_hexadecimal};
use crate::error::{Error, Result};
use crate::files;
use crate::report::sha256_of_file;

/// Bytes that are copied at once, about.
const AT_ONCE: usize = 1 << 23;

/// What to do about a file of a part that is not as it was.
const AGAIN: &str = "remove the folder, and run its shard again";

/// What was put together.
pub(super) struct Joined {
    pub layers: Vec<Finished>,
    pub outputs: Option<Finished>,
}

/// A file of a part: its path, its rows, and its SHA-256.
struct Piece<'a> {
    path: PathBuf,
    rows: usize,
    sha256: &'a str,
}

/// Makes sure that the files of a layer of a part are as they were written.
///
/// # Errors
/// One is not.
pub(super) fn check(folder: &Path, layer: &Finished) -> Result<()> {
    let averaged = layer.laid.averaged.iter().zip(&layer.averaged_sha256);
    for (file, sha256) in averaged.chain([(&layer.laid.file, &layer.sha256)]) {
        let path = folder.join(file);
        if sha256_of_file(&path)? != *sha256 {
            return Err(changed(&path));
        }
    }
    Ok(())
}

fn changed(path: &Path) -> Error {
    Error::file("read", path, "its bytes are not those that its shard wrote", AGAIN)
}

/// Writes the files of all parts, with the folders that these are in, one behind the other into a folder. What was
/// written is removed again where one cannot be read or written.
///
/// # Errors
/// The first file that cannot be.
pub(super) fn join(folder: &Path, parts: &[(&Path, &Part)]) -> Result<Joined> {
    let parts: Vec<_> = parts.iter().copied().filter(|(_, part)| part.samples > 0).collect();
    let Some((_, first)) = parts.first() else {
        return Err(Error::usage("no shard has a sample that can be read", "give other data"));
    };
    let laid: Vec<&Laid> = first.files().map(|layer| &layer.laid).collect();
    let places: Vec<usize> = (0..laid.len()).collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let work = |places: &[usize]| -> Result<Vec<Finished>> {
        places.iter().map(|&place| joined_layer(folder, &parts, (place, laid[place]))).collect()
    };
    let found: Result<Vec<Vec<Finished>>> = thread::scope(|scope| {
        let share = places.len().div_ceil(threads).max(1);
        let running: Vec<_> = places.chunks(share).map(|some| scope.spawn(|| work(some))).collect();
        let ends = running.into_iter().map(|one| {
            one.join()
                .unwrap_or_else(|_| Err(Error::usage("a thread crashed", "please report this")))
        });
        ends.collect::<Vec<_>>().into_iter().collect()
    });
    if found.is_err() {
        for file in laid.iter().flat_map(|laid| laid.files()) {
            let _ = std::fs::remove_file(folder.join(file));
        }
    }
    let mut layers: Vec<Finished> = found?.into_iter().flatten().collect();
    let outputs = if first.outputs.is_some() { layers.pop() } else { None };
    Ok(Joined { layers, outputs })
}

/// Writes the files of the layer of one place.
fn joined_layer(
    folder: &Path,
    parts: &[(&Path, &Part)],
    (place, laid): (usize, &Laid),
) -> Result<Finished> {
    let own: Vec<(&Path, &Part, &Finished)> = parts
        .iter()
        .filter_map(|(at, part)| Some((*at, *part, part.files().nth(place)?)))
        .collect();
    let rows = own.iter().map(|(at, part, layer)| Piece {
        path: at.join(&layer.laid.file),
        rows: part.samples,
        sha256: &layer.sha256,
    });
    let sha256 = put_together(&folder.join(&laid.file), laid.head(), &rows.collect::<Vec<_>>())?;
    let averaged = laid.averaged.as_ref().map(|file| {
        let batches = own.iter().filter_map(|(at, part, layer)| {
            let (file, sha256) =
                layer.laid.averaged.as_ref().zip(layer.averaged_sha256.as_ref())?;
            Some(Piece { path: at.join(file), rows: part.batches, sha256 })
        });
        put_together(&folder.join(file), laid.averaged_head(), &batches.collect::<Vec<_>>())
    });
    let not_finite = own.iter().find_map(|(.., layer)| layer.not_finite.clone());
    let (laid, averaged_sha256) = (laid.clone(), averaged.transpose()?);
    Ok(Finished { laid, sha256, averaged_sha256, not_finite })
}

fn put_together(path: &Path, head: LayerHead, pieces: &[Piece<'_>]) -> Result<String> {
    let rows = pieces.iter().map(|piece| piece.rows).sum();
    let mut writer = LayerWriter::create(path, head.clone(), rows)?;
    for piece in pieces {
        // Its header says that it holds these rows.
        LayerReader::open(&piece.path, &head, piece.rows)?;
        add(&mut writer, &head, piece)?;
    }
    writer.finish()
}

/// Adds the rows of a file, and makes sure that they are those that were written.
fn add(writer: &mut LayerWriter, head: &LayerHead, piece: &Piece<'_>) -> Result<()> {
    let io = |e| Error::io("read", &piece.path, e);
    let mut file: File = files::open(&piece.path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len() as usize;
    let row = head.row_bytes().max(1);
    let mut header = vec![0; size.saturating_sub(piece.rows * row)];
    file.read_exact(&mut header).map_err(io)?;
    let mut hasher = Sha256::new_with_prefix(&header);
    let mut left = piece.rows;
    let at_once = (AT_ONCE / row).clamp(1, left.max(1));
    let mut bytes = vec![0; at_once * row];
    while left > 0 {
        let count = left.min(at_once);
        file.read_exact(&mut bytes[..count * row]).map_err(io)?;
        hasher.update(&bytes[..count * row]);
        writer.append(&bytes[..count * row])?;
        left -= count;
    }
    let digest: [u8; 32] = hasher.finalize().into();
    match in_hexadecimal(&digest) == *piece.sha256 {
        true => Ok(()),
        false => Err(changed(&piece.path)),
    }
}
