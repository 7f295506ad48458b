//! Resized pictures against Pillow's, byte for byte.

use repsim::data::Interpolation;
use repsim::data::resize::{AxisCache, Picture, Target, resize};

use crate::support::{find, goldens};

/// `"3.rgb.bicubic.7x11"` taken apart: source, filter, height and width.
fn case(name: &str) -> Option<(String, Interpolation, usize, usize)> {
    let [index, kind, filter, size] = name.split('.').collect::<Vec<_>>().try_into().ok()?;
    let (height, width) = size.split_once('x')?;
    let source = format!("{index}.{kind}");
    Some((source, filter.parse().ok()?, height.parse().ok()?, width.parse().ok()?))
}

#[test]
fn bytes_are_pillows() {
    let all = goldens("resize.npz");
    let mut cache = AxisCache::default();
    let (mut between, mut out, mut compared) = (vec![], Vec::<u8>::new(), 0);
    for golden in &all {
        let Some((source, filter, height, width)) = case(&golden.name) else { continue };
        if source.ends_with("float") {
            continue;
        }
        let source = &find(&all, &source).values;
        let data: Vec<u8> = source.iter().map(|&v| v as u8).collect();
        let channels = source.shape().get(2).copied().unwrap_or(1);
        let (rows, columns) = (source.shape()[0], source.shape()[1]);
        let picture = Picture { data: &data, height: rows, width: columns, channels };
        let target = Target::whole(height, width, filter);
        resize(picture, &target, &mut cache, &mut between, &mut out);
        let expected: Vec<u8> = golden.values.iter().map(|&v| v as u8).collect();
        assert_eq!(out, expected, "{}", golden.name);
        compared += 1;
    }
    assert_eq!(compared, 8 * 2 * 6);
}

#[test]
fn floats_are_pillows() {
    let all = goldens("resize.npz");
    let mut cache = AxisCache::default();
    let (mut between, mut out, mut compared) = (vec![], Vec::<f32>::new(), 0);
    for golden in &all {
        let Some((source, filter, height, width)) = case(&golden.name) else { continue };
        if !source.ends_with("float") {
            continue;
        }
        let source = &find(&all, &source).values;
        let plane: Vec<f32> = source.iter().map(|&v| v as f32).collect();
        let (rows, columns) = (source.shape()[0], source.shape()[1]);
        let plane = Picture { data: &plane, height: rows, width: columns, channels: 1 };
        let target = Target::whole(height, width, filter);
        resize(plane, &target, &mut cache, &mut between, &mut out);
        let expected: Vec<f32> = golden.values.iter().map(|&v| v as f32).collect();
        assert_eq!(out, expected, "{}", golden.name);
        compared += 1;
    }
    assert_eq!(compared, 5 * 6);
}

#[test]
fn a_window_is_a_part_of_the_whole() {
    let data: Vec<u8> = (0..40 * 30 * 3).map(|i| (i * 37 % 251) as u8).collect();
    let picture = Picture { data: &data, height: 40, width: 30, channels: 3 };
    let mut cache = AxisCache::default();
    let (mut between, mut whole, mut part) = (vec![], vec![], Vec::<u8>::new());
    for filter in Interpolation::ALL {
        for (height, width) in [(20, 15), (18, 28), (40, 15), (20, 30), (40, 30), (55, 44)] {
            let target = Target::whole(height, width, filter);
            resize(picture, &target, &mut cache, &mut between, &mut whole);
            let window = Target { rows: 3..17, columns: 5..14, ..target };
            resize(picture, &window, &mut cache, &mut between, &mut part);
            let rows = whole.chunks_exact(width * 3).skip(3).take(14);
            let expected: Vec<u8> = rows.flat_map(|row| row[15..42].to_vec()).collect();
            assert_eq!(part, expected, "{filter} to {height}x{width}");
        }
    }
}
