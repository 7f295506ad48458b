//! What is said of sets that do not fit into the memory allowed.

use crate::error::Error;

/// The error for n samples of D features: whether samples are kept, the bytes of D×D matrices, and the
/// bytes needed and left.
pub(super) fn too_large(
    (count, width): (u64, u64),
    (samples, square): (bool, u64),
    (needed, left): (u64, u64),
) -> Error {
    let what = match (samples, square > 0) {
        (true, true) => format!("keeping {count} samples of {width} features and their covariance"),
        (true, false) => format!("keeping {count} samples of {width} features"),
        (false, _) => format!("a covariance of {width} features"),
    };
    let remedy = match square * 2 > needed {
        true => "raise --memory, or take --reduce gap or a layer with fewer features",
        false => "raise --memory, use fewer samples with --limit, or take --metrics fid alone",
    };
    let (needed, left) = (size(needed), size(left));
    Error::usage(format!("{what} takes {needed}, and --memory has {left} left"), remedy)
}

/// Bytes as people write them.
fn size(bytes: u64) -> String {
    let gib = bytes as f64 / (1u64 << 30) as f64;
    let mib = gib * 1024.0;
    if gib >= 1.0 {
        format!("{gib:.1} GiB")
    } else if mib >= 1.0 {
        format!("{mib:.0} MiB")
    } else {
        format!("{:.0} KiB", mib * 1024.0)
    }
}
