use ndarray::{Array2, array};
use resvg::tiny_skia::Pixmap;
use resvg::usvg::{Group, Node, Rect, Tree};

use super::*;
use crate::render::colormap::{Rgb, viridis};
use crate::render::style::WHITE;

fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|index| format!("layer{}.{}.bn{}", index / 9, index % 9 / 3, index % 3))
        .collect()
}

fn map<'a>(rows: &'a [String], columns: &'a [String], values: &'a Array2<f64>) -> Heatmap<'a> {
    Heatmap {
        title: "Similarity of two networks",
        subtitle: "full estimator, unbiased, linear kernel · n = 500 images of fashion-mnist-test",
        row_axis: "resnet18-seed0.pt",
        column_axis: "a folder/resnet18-seed1-traced-on-another-machine.pt",
        rows,
        columns,
        values: values.view(),
        range: (0.0, 1.0),
        reversed: false,
        scale_label: "CKA",
        marks: &[(0, 0)],
        mark_label: "best match of each row",
    }
}

/// Names and values of `rows × columns` cells that rise from 0 to 1.
fn ramp(rows: usize, columns: usize) -> (Vec<String>, Vec<String>, Array2<f64>) {
    let values = Array2::from_shape_fn((rows, columns), |(row, column)| {
        (row + column) as f64 / (rows + columns) as f64
    });
    (names(rows), names(columns), values)
}

fn parse(svg: &str) -> Tree {
    png::parse(svg).expect("the SVG parses")
}

/// All texts with the boxes of their ink.
fn texts(group: &Group, boxes: &mut Vec<(String, Rect)>) {
    for node in group.children() {
        match node {
            Node::Group(group) => texts(group, boxes),
            Node::Text(text) => {
                let name = text.chunks().iter().map(|chunk| chunk.text()).collect();
                boxes.push((name, text.flattened().abs_bounding_box()));
            }
            _ => (),
        }
    }
}

/// Asserts that every text lies within the picture and no two of them overlap.
fn assert_tidy(map: &Heatmap<'_>) {
    let tree = parse(&map.to_svg());
    let (width, height) = (tree.size().width(), tree.size().height());
    let mut boxes = Vec::new();
    texts(tree.root(), &mut boxes);
    for (index, (name, at)) in boxes.iter().enumerate() {
        let inside = at.left() > 8.0 && at.top() > 8.0;
        assert!(inside && at.right() < width - 8.0 && at.bottom() < height - 8.0, "{name}: {at:?}");
        for (other, other_at) in &boxes[..index] {
            assert!(at.intersect(other_at).is_none(), "{name} overlaps {other}");
        }
    }
}

#[test]
fn texts_are_inside_and_apart_whatever_the_shape() {
    for (rows, columns) in [(1, 1), (1, 70), (70, 1), (3, 25), (25, 25), (30, 70), (70, 70)] {
        let (a, b, values) = ramp(rows, columns);
        assert_tidy(&map(&a, &b, &values));
        assert_tidy(&Heatmap { title: "", subtitle: "", ..map(&a, &b, &values) });
        assert_tidy(&Heatmap { range: (0.3, 0.4), row_axis: "", ..map(&a, &b, &values) });
        let long = "a rather long label of the scale, with its unit and how it was normalised";
        assert_tidy(&Heatmap { scale_label: long, row_axis: long, ..map(&a, &b, &values) });
    }
}

#[test]
fn long_and_odd_names_fit() {
    let names: Vec<_> = [
        "<a> & \"b\"",
        "encoder.layers.encoder_layer_11.self_attention.out_proj",
        "schicht.größe",
        "層",
        "\u{1}",
        "",
    ]
    .map(str::to_owned)
    .into();
    let (_, _, values) = ramp(6, 6);
    let map = map(&names, &names, &values);
    assert_tidy(&Heatmap { title: "<&>", ..map.clone() });
    let svg = map.to_svg();
    assert!(svg.contains("&lt;a&gt; &amp; &quot;b&quot;</text>"));
    assert!(svg.contains("encoder.layers.encod…_attention.out_proj</text>"));
}

#[test]
fn every_cell_has_a_tooltip() {
    let (a, b, values) = ramp(3, 25);
    let svg = map(&a, &b, &values).to_svg();
    assert_eq!(svg.matches("<title>").count(), 1 + 3 * 25);
    assert!(svg.contains("<title>layer0.0.bn1 × layer2.1.bn2: CKA 0.8571</title>"));
}

#[test]
fn values_are_printed_where_they_fit() {
    let printed = |count| {
        let (a, b, values) = ramp(count, count);
        map(&a, &b, &values).to_svg().matches(">0.50</text>").count()
    };
    assert_eq!(printed(20), 20 - 1);
    assert_eq!(printed(70), 0);
}

#[test]
fn row_zero_is_at_the_top() {
    let (a, b, values) = ramp(3, 2);
    let map = map(&a, &b, &values);
    let layout = Layout::new(&map, &Scale::new(map.range, map.values));
    assert_eq!(layout.cell(0, 0).x, layout.plot.x);
    assert_eq!(layout.cell(0, 0).y, layout.plot.y);
    assert_eq!(layout.cell(2, 1).bottom(), layout.plot.bottom());
    assert_eq!(layout.cell(2, 1).right(), layout.plot.right());
}

/// The colour of the pixel at the middle of a cell.
fn pixel(map: &Heatmap<'_>, cell: (usize, usize)) -> Rgb {
    let layout = Layout::new(map, &Scale::new(map.range, map.values));
    let (x, y) = layout.cell(cell.0, cell.1).centre();
    let pixmap = Pixmap::decode_png(&map.to_png().expect("drawn")).expect("decodes");
    let pixel = pixmap.pixel((2.0 * x) as u32, (2.0 * y) as u32).expect("inside");
    Rgb { red: pixel.red(), green: pixel.green(), blue: pixel.blue() }
}

#[test]
fn cells_have_the_colours_of_the_map() {
    let (a, b, mut values) = ramp(40, 40);
    (values[[7, 9]], values[[8, 9]], values[[9, 9]]) = (0.25, 1.5, -0.5);
    let map = map(&a, &b, &values);
    assert_eq!(pixel(&map, (7, 9)), viridis(0.25));
    assert_eq!(pixel(&map, (8, 9)), viridis(1.0));
    assert_eq!(pixel(&map, (9, 9)), viridis(0.0));
    assert_eq!(pixel(&map, (0, 0)), WHITE, "the dot of the mark");
}

#[test]
fn values_outside_the_range_are_explained() {
    let (a, b) = (names(1), names(2));
    let legend = |values: Array2<f64>| map(&a, &b, &values).to_svg();
    assert!(!legend(array![[0.0, 1.0]]).contains("colour bar"));
    assert!(legend(array![[-0.25, 1.0]]).contains("below the colour bar: down to −0.2500"));
    assert!(legend(array![[0.0, 1.25]]).contains("above the colour bar: up to 1.2500"));
    assert!(legend(array![[-0.25, 1.25]]).contains("outside the colour bar: −0.2500 to 1.2500"));
}

#[test]
fn missing_values_are_hatched_and_explained() {
    let (a, b) = (names(2), names(2));
    let values = array![[f64::NAN, 0.5], [0.25, f64::INFINITY]];
    let svg = map(&a, &b, &values).to_svg();
    assert!(svg.contains("layer0.0.bn0 × layer0.0.bn0: no value"));
    assert!(svg.contains(">no value</text>"));
    assert_eq!(svg.matches("#ececec").count(), 2 + 1);
    let lower = svg.to_lowercase();
    assert!(!lower.contains("nan<") && !lower.contains("inf<"));
}

#[test]
fn equal_maps_give_equal_bytes() {
    let (a, b, values) = ramp(9, 12);
    let map = map(&a, &b, &values);
    assert_eq!(map.to_svg(), map.to_svg());
    assert_eq!(map.to_png().expect("drawn"), map.to_png().expect("drawn"));
}

#[test]
fn a_png_is_twice_as_large_as_the_svg() {
    let (a, b, values) = ramp(3, 3);
    let map = map(&a, &b, &values);
    let size = parse(&map.to_svg()).size();
    let bytes = map.to_png().expect("drawn");
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
    let pixmap = Pixmap::decode_png(&bytes).expect("decodes");
    assert_eq!(pixmap.width(), 2 * size.width() as u32);
    assert_eq!(pixmap.height(), 2 * size.height() as u32);
}

#[test]
fn stages_are_named_where_names_show_them() {
    let (a, _, values) = ramp(27, 27);
    let svg = map(&a, &a, &values).to_svg();
    for stage in ["layer0", "layer1", "layer2"] {
        assert_eq!(svg.matches(&format!(">{stage}</text>")).count(), 2, "{stage}");
    }
    let flat: Vec<String> = (0..27).map(|i| format!("conv{i}")).collect();
    let plain = map(&flat, &flat, &values);
    assert!(Layout::new(&plain, &Scale::new(plain.range, plain.values)).grid.stages[0].is_empty());
}

#[test]
fn what_does_not_fit_together_is_drawn_all_the_same() {
    let values = Array2::zeros((0, 0));
    assert_tidy(&map(&[], &[], &values));
    let values = Array2::from_elem((2, 3), f64::NAN);
    assert_tidy(&Heatmap { marks: &[(9, 9)], range: (1.0, 0.0), ..map(&names(1), &[], &values) });
}

#[test]
fn labels_of_very_many_layers_are_thinned() {
    let (a, b, values) = ramp(2, 400);
    let map = map(&a, &b, &values);
    assert_tidy(&map);
    assert!(parse(&map.to_svg()).size().width() < 2400.0);
}

#[test]
fn a_reversed_scale_swaps_the_colours_of_its_ends() {
    let (a, values) = (names(2), array![[0.0, 1.0], [1.0, 0.0]]);
    let plain = map(&a, &a, &values);
    let scale = |reversed| Scale::new(plain.range, values.view()).reversed(reversed);
    assert_eq!(scale(true).colour(0.0), scale(false).colour(1.0));
    assert_ne!(scale(true).colour(0.0), scale(false).colour(0.0));
    let turned = Heatmap { reversed: true, ..plain.clone() };
    assert_tidy(&turned);
    assert_ne!(turned.to_svg(), plain.to_svg());
}
