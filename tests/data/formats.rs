//! Picture files of many kinds against Pillow: the same pixels, or none.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;

use repsim::data::{Channels, Dataset, Preprocess, Range};
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::support::{golden, load, message, options, raw, values, write};

/// A file of `tests/golden/data/formats.zip`.
struct Picture {
    name: String,
    bytes: Vec<u8>,
    /// Height, width and the hash of the pixels; `None` where it must not be read.
    expected: Option<(usize, usize, String)>,
}

fn pictures() -> Vec<Picture> {
    let mut archive = ZipArchive::new(File::open(golden("formats.zip")).unwrap()).unwrap();
    let mut file = |name: &str| {
        let mut bytes = vec![];
        archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    let table = String::from_utf8(file("expected.tsv")).unwrap();
    let picture = |line: &str| {
        let parts: Vec<&str> = line.split('\t').collect();
        let expected = match parts[1..] {
            [height, width, hash] => {
                Some((height.parse().unwrap(), width.parse().unwrap(), hash.to_owned()))
            }
            _ => None,
        };
        Picture { name: parts[0].to_owned(), bytes: file(parts[0]), expected }
    };
    table.lines().map(picture).collect()
}

fn bytes_as_rgb() -> Preprocess {
    Preprocess { channels: Channels::Rgb, range: Range::Bytes, ..raw() }
}

/// The pixels of the one picture in a folder as RGB: their shape and hash.
fn pixels_of(folder: &tempfile::TempDir) -> (usize, usize, String) {
    let data = Dataset::open(folder.path()).unwrap();
    let (batches, _) = load(&data, &bytes_as_rgb(), &options(1, 1));
    let pixels: Vec<u8> = values(&batches).into_iter().map(|v| v as u8).collect();
    let hash = Sha256::digest(&pixels).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let [1, height, width, 3] = batches[0].inputs[0].shape[..] else { panic!("no picture") };
    (height, width, hash)
}

#[test]
fn files_of_every_kind_have_pillows_pixels_or_are_refused_by_name() {
    let all = pictures();
    let (mut same, mut refused) = (0, 0);
    for Picture { name, bytes, expected } in &all {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), name, bytes);
        match expected {
            Some(expected) => {
                assert_eq!(&pixels_of(&folder), expected, "{name}");
                same += 1;
            }
            None => {
                let said = message(folder.path(), &bytes_as_rgb(), &options(1, 1));
                assert!(said.contains(name) && said.contains("--skip-unreadable"), "{said}");
                refused += 1;
            }
        }
    }
    assert!(same > 150 && refused > 35, "{same} read, {refused} refused");
}

#[test]
fn a_jpeg_is_refused_wherever_it_is_cut() {
    for Picture { name, bytes, .. } in pictures() {
        if !["baseline.jpg", "progressive.jpg"].contains(&name.as_str()) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        for length in 1..bytes.len() {
            write(folder.path(), &name, &bytes[..length]);
            let said = message(folder.path(), &bytes_as_rgb(), &options(1, 1));
            assert!(said.contains(&name), "{length} bytes of {name}: {said}");
            let cut = said.contains("the file is cut short");
            assert!(cut || length < 3, "{length} bytes of {name}: {said}");
        }
    }
}

#[test]
fn the_content_tells_the_kind_not_the_name() {
    for Picture { name, bytes, expected } in pictures() {
        let Some(expected) = expected.filter(|_| name.contains("large-0") || name.contains("-big"))
        else {
            continue;
        };
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "picture.png", &bytes);
        assert_eq!(pixels_of(&folder), expected, "{name}");
    }
}

#[test]
fn damaged_files_of_any_kind_are_errors_and_nothing_worse() {
    let wanted = ["420-large-1.jpg", "RGB-tiff_lzw.tif", "tiles-big.tif", "7-1.gif", "7-plain.ppm"];
    let all = pictures();
    for picture in all.iter().filter(|picture| wanted.contains(&picture.name.as_str())) {
        let folder = tempfile::tempdir().unwrap();
        let mut spoiled = picture.bytes.clone();
        for round in 0..400_usize {
            let place = round * 7919 % spoiled.len();
            let before = std::mem::replace(&mut spoiled[place], (round * 151) as u8);
            write(folder.path(), &picture.name, &spoiled);
            let data = Dataset::open(folder.path()).unwrap();
            let found = data.batches(&[bytes_as_rgb()], &options(1, 1));
            if let Err(error) = found {
                let said = error.to_string();
                assert!(said.contains(&picture.name) && !said.contains("gave up"), "{said}");
            }
            spoiled[place] = before;
        }
    }
}

#[test]
fn a_frame_without_area_is_an_error() {
    for [width, height, interlaced] in [[0, 4, 0], [4, 0, 0], [0, 0, 0], [0, 0, 0x40]] {
        // A canvas of 4×4 with a palette of two colours, and a frame of codes for no pixel.
        let mut bytes = b"GIF89a\x04\0\x04\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
        bytes.extend([b',', 0, 0, 0, 0, width, 0, height, 0, interlaced]);
        bytes.extend([2, 4, 0x0c, 0x2c, 0, 0, 0, b';']);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "flat.gif", &bytes);
        let said = message(folder.path(), &bytes_as_rgb(), &options(1, 1));
        assert!(said.contains("flat.gif") && said.contains("damaged"), "{said}");
        assert!(!said.contains("gave up"), "{said}");
    }
}

#[test]
fn a_header_that_promises_much_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let all = pictures();
    let jpeg = all.iter().find(|picture| picture.name == "baseline.jpg").unwrap();
    let mut huge = jpeg.bytes.clone();
    let frame = huge.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    huge[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    let pgm = b"P5 4000000 4000000 255\n".to_vec();
    for (name, bytes) in [("huge.jpg", huge), ("huge.pgm", pgm)] {
        write(folder.path(), name, &bytes);
        let said = message(folder.path(), &bytes_as_rgb(), &options(1, 1));
        assert!(said.contains("more than can be decoded"), "{said}");
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
}

#[test]
fn scans_without_end_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let all = pictures();
    let jpeg = &all.iter().find(|picture| picture.name == "progressive.jpg").unwrap().bytes;
    let scan = jpeg.windows(2).position(|two| two == [0xff, 0xda]).unwrap();
    let is_marker = |two: &[u8]| two[0] == 0xff && !matches!(two[1], 0 | 0xff);
    let length = 2 + jpeg[scan + 2..].windows(2).position(is_marker).unwrap();
    let (before, rest) = jpeg.split_at(scan);
    let (scan, after) = rest.split_at(length);
    for (count, refused) in [(20, false), (600, true)] {
        let many = [before, &scan.repeat(count), after].concat();
        write(folder.path(), "many.jpg", &many);
        if refused {
            let said = message(folder.path(), &bytes_as_rgb(), &options(1, 1));
            assert!(said.contains("more than 500 scans"), "{said}");
        } else {
            assert_eq!(pixels_of(&folder).0, 9);
        }
    }
}
