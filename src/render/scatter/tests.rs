use resvg::tiny_skia::Pixmap;
use resvg::usvg::{Group, Node, Rect, Tree};

use super::*;

const EMPTY: Scatter<'static> = Scatter {
    title: "Importance is not sensitivity",
    subtitle: "layer4 of resnet18.pt · n = 500 images of fashion-mnist-test",
    x_label: "sensitivity",
    y_label: "fall of the logit",
    points: &[],
    labels: &[],
    highlighted: &[],
    groups: &[],
    group_names: &[],
};

/// Points spread without a pattern.
fn cloud(count: usize) -> Vec<(f64, f64)> {
    let wave = |index: f64, speed: f64| (index * speed).sin() * (index * 0.37 * speed).cos();
    (0..count).map(|index| index as f64).map(|i| (wave(i, 12.9), wave(i, 78.2))).collect()
}

fn channels(count: usize) -> Vec<(usize, String)> {
    (0..count).map(|index| (index, format!("ch {index}"))).collect()
}

fn parse(svg: &str) -> Tree {
    png::parse(svg).expect("the SVG parses")
}

/// All texts with the boxes of their ink, rims included.
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
fn assert_tidy(scatter: &Scatter<'_>) {
    let tree = parse(&scatter.to_svg());
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
fn texts_are_inside_and_apart_whatever_the_points() {
    let groups = ["important, not sensitive", "sensitive, not important"].map(str::to_owned);
    for count in [0, 1, 2, 30, 600] {
        let (points, highlighted) = (cloud(count), channels(30));
        let scatter = Scatter { points: &points, highlighted: &highlighted, ..EMPTY };
        assert_tidy(&scatter);
        assert_tidy(&Scatter { group_names: &groups, groups: &[1, 1], ..scatter.clone() });
        assert_tidy(&Scatter { title: "", subtitle: "", x_label: "", y_label: "", ..scatter });
    }
}

#[test]
fn names_without_room_are_left_out() {
    let crowd = vec![(0.5, 0.5); 90];
    let highlighted = channels(90);
    let scatter = Scatter { points: &crowd, highlighted: &highlighted, ..EMPTY };
    assert_tidy(&scatter);
    let svg = scatter.to_svg();
    let named = svg.matches(">ch ").count();
    assert!(svg.contains(">ch 0</text>") && (3..60).contains(&named), "{named}");
}

#[test]
fn a_name_with_room_stands_beside_its_point() {
    let points = [(0.0, 0.0), (1.0, 1.0), (0.5, 0.5)];
    let highlighted = [(2, "the middle".to_owned()), (9, "none".to_owned())];
    let scatter = Scatter { points: &points, highlighted: &highlighted, ..EMPTY };
    let series = [Series { name: "", points: &points, ..Series::default() }];
    let layout = Layout::new(&scatter.chart(&series), PLOT, vec![]);
    let names = scatter.names(&layout);
    let (x, y) = layout.at(points[2]);
    assert!(names.len() == 1 && names[0].line.is_none());
    assert!(names[0].at.x > x && names[0].at.x < x + 12.0 && names[0].at.centre().1 == y);
}

#[test]
fn every_point_has_a_tooltip_and_its_groups_colour() {
    let labels = ["ch 0".to_owned()];
    let points = [(0.25, 1.0), (0.5, 2.0), (f64::NAN, 3.0)];
    let scatter = Scatter { points: &points, labels: &labels, groups: &[0, 6], ..EMPTY };
    let svg = scatter.to_svg();
    assert_eq!(svg.matches("<title>").count(), 1 + 2);
    assert!(svg.contains("<title>ch 0: 0.2500, 1.000</title>"), "{svg}");
    assert!(svg.contains("#d55e00"), "the colour of group 6");
}

#[test]
fn groups_without_points_are_said_to_be_empty() {
    let names = ["a", "b"].map(str::to_owned);
    let svg = Scatter { points: &[(0.0, 1.0)], group_names: &names, ..EMPTY }.to_svg();
    assert!(svg.contains(">a</text>") && svg.contains(">b (no points)</text>"));
}

#[test]
fn equal_plots_give_equal_bytes() {
    let (points, highlighted) = (cloud(50), channels(9));
    let scatter = Scatter { points: &points, highlighted: &highlighted, ..EMPTY };
    assert_eq!(scatter.to_svg(), scatter.to_svg());
    let png = scatter.to_png().expect("drawn");
    assert_eq!(png, scatter.to_png().expect("drawn"));
    let pixmap = Pixmap::decode_png(&png).expect("decodes");
    assert_eq!(pixmap.width(), 2 * parse(&scatter.to_svg()).size().width() as u32);
}
