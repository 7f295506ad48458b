//! What the names of files say of their kind.

/// Endings of picture files that are read.
const READ: [&str; 15] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "bmp", "webp", "gif", "tif", "tiff", "ppm", "pgm",
    "pbm", "pnm",
];

/// `READ` as messages name them, without those that few files have.
pub(super) const READ_NAMED: &str =
    ".png, .jpg, .jpeg, .bmp, .webp, .gif, .tif, .tiff, .ppm, .pgm, .pbm or .pnm";

/// Endings of pictures and films that are not read.
const NOT_READ: [&str; 60] = [
    "3fr", "arw", "avi", "avif", "bpg", "cr2", "cr3", "crw", "cur", "dcm", "dcr", "dds", "dib",
    "djvu", "dng", "emf", "eps", "erf", "exr", "flif", "fits", "gifv", "hdr", "heic", "heics",
    "heif", "heifs", "hif", "icns", "ico", "j2c", "j2k", "jp2", "jpf", "jpx", "jxl", "jxr", "kra",
    "m4v", "mkv", "mov", "mp4", "mpg", "nef", "nrw", "orf", "pcx", "pfm", "psb", "psd", "qoi",
    "raf", "raw", "rw2", "svg", "svgz", "tga", "webm", "wmf", "xcf",
];

/// What a file's name says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    /// A picture that is read.
    Picture,
    /// A picture or a film of a kind that is not read.
    Unread,
    /// Something else.
    Other,
}

/// What a file's name says of it.
pub(super) fn looks(name: &str) -> Looks {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some(ending) if READ.contains(&ending) => Looks::Picture,
        Some(ending) if NOT_READ.contains(&ending) => Looks::Unread,
        _ => Looks::Other,
    }
}

/// Whether a file would be taken for an image where it lies in a folder of images.
pub fn is_picture(path: &std::path::Path) -> bool {
    looks(&path.file_name().unwrap_or_default().to_string_lossy()) != Looks::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_told_whatever_their_case() {
        let found = ["a.PNG", "b.x.jpeg", "c.Avif", "d.txt", "png", "Thumbs.db"].map(looks);
        let (picture, unread, other) = (Looks::Picture, Looks::Unread, Looks::Other);
        assert_eq!(found, [picture, picture, unread, other, other, other]);
    }
}
