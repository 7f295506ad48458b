use std::collections::BTreeSet;

use resvg::tiny_skia::Pixmap;
use resvg::usvg::{Group, Node, Rect, Tree};

use super::axis::Axis;
use super::*;
use crate::render::Rgb;

/// A chart of accuracies over deciles.
fn chart<'a>(series: &'a [Series<'a>], lines: &'a [Rule<'a>]) -> Chart<'a> {
    Chart {
        title: "Accuracy by novelty",
        subtitle: "Mahalanobis distance · n = 10,000 images of fashion-mnist-test · ten deciles",
        x_label: "decile of novelty",
        y_label: "accuracy",
        x_ticks: &[],
        y_range: None,
        percent: false,
        series,
        lines,
    }
}

fn series<'a>(points: &'a [(f64, f64)]) -> Series<'a> {
    Series { name: "a.pt", points, ..Series::default() }
}

fn wave(count: usize, shift: f64) -> Vec<(f64, f64)> {
    (0..count).map(|x| (x as f64, shift + (x as f64 / 7.0).sin())).collect()
}

fn names(count: usize, name: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(name).collect()
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

/// Asserts that every text lies within the picture, no two overlap, and none but the one that
/// says that there are no values lies in the plot.
fn assert_tidy(chart: &Chart<'_>) {
    let (layout, tree) = (Layout::new(chart, PLOT, vec![]), parse(&chart.to_svg()));
    let (width, height) = (tree.size().width(), tree.size().height());
    let plot = layout.plot;
    let (left, top) = (plot.x as f32, plot.y as f32);
    let plot = Rect::from_ltrb(left, top, plot.right() as f32, plot.bottom() as f32);
    let mut boxes = Vec::new();
    texts(tree.root(), &mut boxes);
    for (index, (name, at)) in boxes.iter().enumerate() {
        let inside = at.left() > 8.0 && at.top() > 8.0;
        assert!(inside && at.right() < width - 8.0 && at.bottom() < height - 8.0, "{name}: {at:?}");
        let is_outside = plot.is_some_and(|plot| at.intersect(&plot).is_none());
        assert!(is_outside || name == "no values", "{name} lies in the plot");
        for (other, other_at) in &boxes[..index] {
            assert!(at.intersect(other_at).is_none(), "{name} overlaps {other}");
        }
    }
}

/// The texts of an axis' ticks.
fn ticks(axis: &Axis) -> Vec<&str> {
    axis.ticks.iter().map(|tick| tick.text.as_str()).collect()
}

/// The y axis for values.
fn y(values: &[f64], y_range: Option<(f64, f64)>, percent: bool) -> Axis {
    let points: Vec<_> = values.iter().map(|&value| (0.0, value)).collect();
    Axis::y(&Chart { y_range, percent, ..chart(&[series(&points)], &[]) })
}

#[test]
fn texts_are_inside_and_apart_whatever_the_data() {
    let long = "a rather long label of an axis, with its unit and how it was normalised and why";
    for count in [0, 1, 2, 10, 200] {
        for series_count in [0, 1, 3, 8] {
            let waves: Vec<_> = (0..series_count).map(|s| wave(count, f64::from(s))).collect();
            let all: Vec<_> = waves.iter().map(|points| series(points)).collect();
            let rule = |value| Rule { label: "overall accuracy of the network", value };
            let lines = [rule(0.1), rule(0.11), rule(-40.0), rule(f64::NAN)];
            let chart = chart(&all, &lines);
            assert_tidy(&chart);
            assert_tidy(&Chart { title: "", subtitle: "", x_label: "", y_label: "", ..chart });
            assert_tidy(&Chart { x_label: long, y_label: long, percent: true, ..chart });
        }
    }
}

#[test]
fn names_of_x_fit_whatever_their_length_and_number() {
    for count in [1, 2, 3, 10, 21, 45, 200] {
        let points = wave(count, 0.0);
        let all = [series(&points)];
        let chart = chart(&all, &[]);
        let long = |i| format!("encoder.layers.encoder_layer_{i}.self_attention.out_proj");
        for x_ticks in [names(count, long), names(count, |i| i.to_string()), names(2, long)] {
            assert_tidy(&Chart { x_ticks: &x_ticks, ..chart.clone() });
            assert_tidy(&Chart { x_ticks: &x_ticks, y_label: "", ..chart.clone() });
        }
        let uneven = names(count, |i| if i % 9 == 0 { long(i) } else { "x".into() });
        assert_tidy(&Chart { x_ticks: &uneven, ..chart });
    }
}

#[test]
fn long_and_odd_names_fit() {
    let points = wave(10, 0.0);
    let odd =
        ["<a> & \"b\"", "encoder.layers.encoder_layer_11.self_attention.out_proj", "層", "\u{1}"];
    let all = odd.map(|name| Series { name, ..series(&points) });
    let lines = odd.map(|label| Rule { label, value: 0.5 });
    let chart = chart(&all, &lines);
    assert_tidy(&chart);
    let svg = chart.to_svg();
    assert!(svg.contains("&lt;a&gt; &amp; &quot;b&quot;</text>"));
    assert_eq!(svg.matches("encoder.layers.encod…_attention.out_proj</text>").count(), 2);
}

#[test]
fn many_rules_keep_their_names_apart() {
    let points = wave(10, 0.0);
    let all = [series(&points)];
    let rule = |index: i32| Rule { label: "chance", value: f64::from(index) / 1000.0 };
    let lines: Vec<_> = (0..40).map(rule).collect();
    let chart = chart(&all, &lines);
    assert_tidy(&chart);
    assert_eq!(chart.to_svg().matches(">chance</text>").count(), 40);
}

#[test]
fn ticks_of_y_are_round() {
    let asked = Some((0.5, 1.0));
    let shares = ["50 %", "60 %", "70 %", "80 %", "90 %", "100 %"];
    assert_eq!(ticks(&y(&[0.62, 0.97], asked, true)), shares);
    assert_eq!(
        ticks(&y(&[-0.61, 0.35], None, false)),
        ["−0.8", "−0.6", "−0.4", "−0.2", "0.0", "0.2", "0.4"]
    );
    assert_eq!(ticks(&y(&[3e8, 5e8], None, false)), ["3.0e8", "3.5e8", "4.0e8", "4.5e8", "5.0e8"]);
    assert_eq!(ticks(&y(&[0.0, 5e-9], None, false)), ["0", "1e−9", "2e−9", "3e−9", "4e−9", "5e−9"]);
    assert_eq!(ticks(&y(&[], None, true)), ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]);
}

#[test]
fn a_range_grows_so_that_no_value_is_cut_off() {
    assert_eq!(y(&[0.62, 0.97], Some((0.5, 1.0)), false).range, (0.5, 1.0));
    assert_eq!(y(&[0.25, 0.97], Some((0.5, 1.0)), false).range, (0.2, 1.0));
    assert_eq!(y(&[0.0, 1.0], Some((1.0, 0.0)), false).range, (0.0, 1.0));
    assert_eq!(y(&[0.0, 1.0], Some((f64::NAN, 7.0)), false).range, (0.0, 1.0));
    assert_eq!(y(&[1.0], None, true).range, (0.9, 1.0));
    let axis = Axis::y(&chart(&[series(&[(0.0, 0.1)])], &[Rule { label: "", value: 3.0 }]));
    assert!(axis.range.1 >= 3.0);
}

#[test]
fn extreme_values_are_drawn_all_the_same() {
    let tiny = [1.0, 1.0 + 1e-15];
    for values in [&[-1e308, 1e308][..], &[1e-308, 2e-308], &tiny, &[f64::MAX], &[1e9, 1e9 + 2.0]] {
        let points: Vec<_> = values.iter().map(|&value| (value, value)).collect();
        let all = [series(&points)];
        let chart = chart(&all, &[]);
        assert_tidy(&chart);
        for axis in [Axis::y(&chart), Axis::x(&chart, 580.0)] {
            let (mut texts, range) = (ticks(&axis), axis.range);
            assert!((1..20).contains(&texts.len()) && range.0 < range.1, "{values:?}: {range:?}");
            let count = texts.len();
            texts.dedup();
            assert_eq!(texts.len(), count, "{values:?}: {texts:?}");
        }
    }
}

#[test]
fn ticks_of_x_are_names_or_round_numbers() {
    let points: Vec<_> = wave(4, 0.0).into_iter().map(|(x, y)| (x + 1.0, y)).collect();
    let all = [series(&points)];
    let numeric = chart(&all, &[]);
    assert_eq!(ticks(&Axis::x(&numeric, 580.0)), ["1", "2", "3", "4"]);
    let x_ticks = names(60, |index| index.to_string());
    let named = Axis::x(&Chart { x_ticks: &x_ticks, ..numeric.clone() }, 580.0);
    assert!(!named.turned && ticks(&named).starts_with(&["0", "5", "10"]));
    let x_ticks = names(60, |index| format!("layer{index}.conv1"));
    let named = Axis::x(&Chart { x_ticks: &x_ticks, ..numeric.clone() }, 580.0);
    assert!(named.turned && ticks(&named).starts_with(&["layer0.conv1", "layer2.conv1"]));
    assert_eq!(ticks(&Axis::x(&chart(&[series(&[(3.0, 1.0)])], &[]), 580.0)), ["3"]);
}

#[test]
fn what_is_not_finite_breaks_the_line() {
    let nan = f64::NAN;
    let points =
        [(0.0, 1.0), (1.0, 2.0), (2.0, nan), (3.0, 1.0), (nan, 1.0), (5.0, 2.0), (6.0, 1.0)];
    let svg = chart(&[series(&points)], &[]).to_svg();
    let path = svg.lines().find(|line| line.contains("stroke-linejoin=\"round\""));
    let path = path.expect("a line");
    assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 2));
    assert_eq!(svg.matches("<title>a.pt · ").count(), 5);
    assert_eq!(svg.matches("<circle").count(), 5 + 5 + 1, "markers, tooltips, legend");
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

#[test]
fn a_lonely_point_keeps_its_marker_where_markers_are_thinned() {
    let mut points = wave(200, 0.0);
    let markers = |points: &[(f64, f64)]| {
        let svg = chart(&[series(points)], &[]).to_svg();
        svg.matches("<circle").count() - svg.matches("<title>a.pt").count() - 1
    };
    let thinned = markers(&points);
    assert!((10..25).contains(&thinned), "{thinned}");
    (points[100].1, points[102].1) = (f64::NAN, f64::NAN);
    assert_eq!(markers(&points), thinned + 1);
}

#[test]
fn tooltips_name_series_place_and_value() {
    let x_ticks = names(3, |index| format!("decile {index}"));
    let all = [
        series(&[(0.0, 0.981), (2.5, 0.5), (7.0, 1.0)]),
        Series { name: "", ..series(&[(1.0, 0.75)]) },
    ];
    let lines = [Rule { label: "overall", value: 0.923 }];
    let svg = Chart { x_ticks: &x_ticks, percent: true, ..chart(&all, &lines) }.to_svg();
    for text in [
        "a.pt · decile 0: 98.10 %",
        "a.pt · 2.50: 50.00 %",
        "a.pt · 7: 100.00 %",
        "decile 1: 75.00 %",
        "overall: 92.30 %",
    ] {
        assert!(svg.contains(&format!("<title>{text}</title>")), "{text}");
    }
    assert_eq!(svg.matches("a.pt</text>").count(), 1);
}

#[test]
fn an_empty_chart_says_so() {
    assert!(chart(&[], &[]).to_svg().contains(">no values</text>"));
    let svg = chart(&[series(&[(f64::NAN, 0.0)])], &[]).to_svg();
    assert!(svg.contains(">no values</text>") && svg.contains(">a.pt (no values)</text>"));
    assert!(!chart(&[series(&[(0.0, 0.0)])], &[]).to_svg().contains("no values"));
}

#[test]
fn dashes_are_for_baselines() {
    let dashes = |dashed| {
        let all = [Series { dashed, ..series(&[(0.0, 0.0), (1.0, 1.0)]) }];
        chart(&all, &[]).to_svg().matches("stroke-dasharray=\"6 3.5\"").count()
    };
    assert_eq!((dashes(true), dashes(false)), (2, 0));
}

#[test]
fn series_differ_in_grey() {
    let lightness = |series| marker::colour(series).luminance() + 0.05;
    for (a, b) in [(0, 1), (0, 2), (1, 2), (3, 4), (4, 5), (5, 6), (6, 7)] {
        let (a, b): (f64, f64) = (lightness(a), lightness(b));
        assert!(a.max(b) / a.min(b) > 1.3, "{a} {b}");
    }
    let sign = |series| {
        let hex = marker::colour(series).hex();
        marker::draw(series, (0.0, 0.0)).to_string().replace(&hex, "its colour")
    };
    assert_eq!((0..8).map(sign).collect::<BTreeSet<_>>().len(), 8, "shapes differ");
}

#[test]
fn a_point_has_the_colour_of_its_series() {
    let points = [(0.0, 0.0), (1.0, 1.0), (2.0, 0.5)];
    let all = [series(&[]), series(&points)];
    let chart = chart(&all, &[]);
    let pixmap = Pixmap::decode_png(&chart.to_png().expect("drawn")).expect("decodes");
    for point in points {
        let (x, y) = Layout::new(&chart, PLOT, vec![]).at(point);
        let pixel = pixmap.pixel((2.0 * x) as u32, (2.0 * y) as u32).expect("inside");
        let colour = Rgb { red: pixel.red(), green: pixel.green(), blue: pixel.blue() };
        assert_eq!(colour, marker::COLOURS[1]);
    }
}

#[test]
fn equal_charts_give_equal_bytes() {
    let points = wave(12, 0.0);
    let all = [series(&points)];
    let chart = chart(&all, &[Rule { label: "chance", value: 0.1 }]);
    assert_eq!(chart.to_svg(), chart.to_svg());
    assert_eq!(chart.to_png().expect("drawn"), chart.to_png().expect("drawn"));
}

#[test]
fn intervals_lie_beside_each_other_within_the_plot() {
    let points = [(0.0, 0.5), (1.0, f64::NAN), (2.0, 0.7)];
    let intervals = [(0.2, 0.9), (0.1, 0.3), (0.6, 1.4)];
    let all = ["a", "b"].map(|name| Series { name, intervals: &intervals, ..series(&points) });
    let chart = chart(&all, &[]);
    assert_tidy(&chart);
    let layout = Layout::new(&chart, PLOT, vec![]);
    assert!(layout.y.range.0 <= 0.2 && layout.y.range.1 >= 1.4, "{:?}", layout.y.range);
    // A bar and its two ends for each point that is there, in the colour of its series.
    let svg = chart.to_svg();
    let bars: Vec<&str> =
        svg.split("<path").filter(|path| path.contains("opacity=\"0.6\"")).collect();
    assert_eq!(bars.len(), 2, "{svg}");
    assert!(bars.iter().all(|bar| bar.matches('M').count() == 6) && bars[0] != bars[1], "{bars:?}");
}

#[test]
fn curves_below_a_picture_are_as_wide() {
    let (points, x_ticks) = (wave(74, 1.0), names(74, |i| format!("layer{i}.conv")));
    let all = [series(&points)];
    let chart = Chart { x_ticks: &x_ticks, ..chart(&all, &[]) };
    let alone = chart.drawing().1;
    for width in [900.0, 2498.0] {
        let (_, (wide, _)) = chart.drawing_across(width);
        assert!((width - 60.0..=width + 1.0).contains(&wide), "{wide} of {width}");
    }
    assert_eq!(chart.drawing_across(10.0).1, alone);
}
