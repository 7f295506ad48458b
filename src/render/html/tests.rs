use std::collections::BTreeMap;

use ndarray::Array2;

use super::*;
use crate::render::{ColorMap, Rgb};

/// A name that would break a page that does not escape it.
const NASTY: &str = "<script>alert('x')</script>&\"";

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("layer{}.{}.downsample.{}", i / 9, i % 9 / 3, i % 3)).collect()
}

fn matrix(names: &[String], values: &Array2<f64>) -> Markup {
    let matrix = Matrix {
        id: "m1",
        caption: "CKA",
        row_axis: NASTY,
        column_axis: "B",
        rows: names,
        columns: names,
        values: values.view(),
        range: (0.0, 1.0),
        colours: ColorMap::Viridis,
        reversed: false,
        label: "CKA",
        marks: &[(0, 1)],
        mark_label: "best",
        reasons: &["it is constant".to_owned()],
        reason: &|i, _| (i == 2).then_some(0),
    };
    matrix.draw()
}

fn plot(names: &[String]) -> Markup {
    let point = |i: usize| Point { x: i as f64, y: (i * i % 7) as f64, label: NASTY.to_owned() };
    let series = |name| Points {
        name,
        points: (0..5).map(point).collect(),
        joined: true,
        intervals: vec![],
    };
    Plot {
        caption: NASTY,
        x_label: NASTY,
        y_label: "y",
        x_names: names,
        y_names: &[],
        series: &[series(NASTY), series("second")],
        rules: &[Rule::Level(2.0, NASTY)],
    }
    .draw()
}

fn table() -> Markup {
    let row = |value: Option<f64>| {
        vec![Entry::code(NASTY), Entry::number(value, 2).bar(Some(0.5)).note(NASTY)]
    };
    Table {
        caption: NASTY,
        columns: vec![Column::text(NASTY), Column::number("value")],
        rows: vec![row(Some(1.0)), row(None), row(Some(f64::NAN))],
    }
    .draw()
}

/// A page of everything, with `count` layers.
fn page(count: usize) -> String {
    let names = names(count);
    let mut values =
        Array2::from_shape_fn((count, count), |(i, j)| ((i * 31 + j * 17) % 101) as f64 / 100.0);
    values.row_mut(2).fill(f64::NAN);
    let body = html! {
        (matrix(&names, &values)) (plot(&names)) (table())
        (Picture { caption: NASTY, mime: "image/png", bytes: b"pixels" }.draw())
        (folded(NASTY, &facts(&[(NASTY.to_owned(), NASTY.to_owned())])))
    };
    let section = |id: &str, body: Markup| Section {
        id: id.to_owned(),
        source: NASTY.to_owned(),
        words: NASTY.to_owned(),
        kind: NASTY.to_owned(),
        title: NASTY.to_owned(),
        lead: NASTY.to_owned(),
        body,
    };
    let notice = Notice { text: NASTY.to_owned(), place: NASTY.to_owned(), section: 0 };
    Page {
        kicker: NASTY,
        title: NASTY,
        lead: NASTY,
        notices: &[notice],
        sections: &[section("one", body), section("two", html! {})],
        footer: NASTY,
    }
    .to_html()
}

#[test]
fn texts_are_escaped_everywhere() {
    let page = page(4);
    assert!(!page.contains("<script>alert"));
    assert!(!page.contains("&\""), "an ampersand or a quote of a name is left as it was");
    assert!(page.contains("&lt;script&gt;alert('x')&lt;/script&gt;&amp;&quot;"));
    assert_eq!(page.matches("<script>").count(), 1);
}

#[test]
fn nothing_is_loaded_and_nothing_stands_inline() {
    let page = page(4);
    for word in [
        "http:",
        "https:",
        "//cdn",
        "@import",
        "url(",
        "<link rel=\"stylesheet",
        " style=\"",
        " onclick",
    ] {
        assert!(!page.contains(word), "the page has {word}");
    }
    assert!(page.contains("default-src 'none'"));
    let sources: Vec<&str> = page.split(" src=\"").skip(1).collect();
    assert!(!sources.is_empty() && sources.iter().all(|s| s.starts_with("data:image/png;base64,")));
}

#[test]
fn a_large_matrix_fits() {
    let page = page(70);
    assert_eq!(page.matches("<td class=\"q").count(), 69 * 70);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
}

#[test]
fn equal_input_gives_equal_bytes() {
    assert_eq!(page(9), page(9));
}

#[test]
fn a_missing_value_names_its_reason() {
    let page = page(4);
    assert_eq!(page.matches("<td class=\"none\" data-n=\"0\">").count(), 4);
    assert!(page.contains("<li id=\"m1-n0\">it is constant</li>"));
    assert!(page.contains("class=\"gone") || page.contains("n gone"));
}

#[test]
fn ids_are_there_once() {
    let page = page(5);
    let ids: Vec<&str> =
        page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let once: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(ids.len(), once.len(), "{ids:?}");
}

#[test]
fn no_two_links_read_the_same() {
    let section = |id: usize, kind: &str, title: &str| Section {
        id: format!("s{id}"),
        source: String::new(),
        words: String::new(),
        kind: kind.to_owned(),
        title: title.to_owned(),
        lead: String::new(),
        body: html! {},
    };
    let sections = [(1, "CKA", "a"), (2, "maps", "a"), (3, "maps", "a"), (4, "maps", "b")];
    let sections = sections.map(|(i, k, t)| section(i, k, t));
    let page = Page {
        kicker: "",
        title: "",
        lead: "",
        notices: &[Notice { text: "few".to_owned(), place: String::new(), section: 2 }],
        sections: &sections,
        footer: "",
    };
    let page = page.to_html();
    let links = page.split("<a href=\"#s").skip(1).filter_map(|rest| rest.split('<').next());
    let links: Vec<&str> = links.filter_map(|link| link.split('>').nth(1)).collect();
    assert_eq!(links, ["a · maps (2)", "a · CKA", "a · maps (1)", "a · maps (2)", "b"]);
}

#[test]
fn headings_follow_one_another() {
    let page = page(3);
    let levels: Vec<u8> = page
        .match_indices("<h")
        .filter_map(|(i, _)| page.as_bytes().get(i + 2).copied())
        .filter(u8::is_ascii_digit)
        .map(|digit| digit - b'0')
        .collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
}

/// The variables of the `index`-th `:root` of the style that are colours.
fn colours(index: usize) -> BTreeMap<String, Rgb> {
    let style = include_str!("style.css");
    let block = style.split(":root {").nth(index + 1).and_then(|rest| rest.split('}').next());
    let variable = |line: &str| {
        let (name, value) = line.trim().strip_prefix("--")?.split_once(": #")?;
        let hex = u32::from_str_radix(value.trim_end_matches(';'), 16).ok()?;
        Some((name.to_owned(), Rgb::new(hex)))
    };
    block.unwrap_or_default().lines().filter_map(variable).collect()
}

/// Contrast of two colours by WCAG 2.
fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (a.luminance() + 0.05, b.luminance() + 0.05);
    (a / b).max(b / a)
}

#[test]
fn text_stands_out_in_light_and_dark() {
    let pairs = [
        ("ink", "paper"),
        ("muted", "paper"),
        ("accent", "paper"),
        ("second", "paper"),
        ("third", "paper"),
        ("ink", "warn-paper"),
        ("warn", "warn-paper"),
        ("accent", "warn-paper"),
    ];
    for (index, theme) in ["light", "dark"].into_iter().enumerate() {
        let colours = colours(index);
        for (ink, paper) in pairs {
            let found = contrast(colours[ink], colours[paper]);
            assert!(found >= 4.5, "{theme}: {ink} on {paper} is {found:.2}");
        }
    }
}

/// Black or white on any cell.
#[test]
fn numbers_stand_out_in_cells() {
    for map in [ColorMap::Viridis, ColorMap::Diverging] {
        for step in 0..=100 {
            let paper = map.colour(f64::from(step) / 100.0);
            assert!(contrast(paper, paper.ink()) >= 4.5, "{} at {step}", map.name());
        }
    }
}

#[test]
fn bars_are_told_in_the_values_of_their_column() {
    let row = |name: &str, value: f64, most: f64| {
        let value = Entry::number(Some(value), 1).bar(Some(value / most));
        vec![Entry::text(name), value.plus_minus(0.123_456_789, 2)]
    };
    let table = |most: f64| Table {
        caption: "accuracy",
        columns: vec![Column::text("tenth"), Column::number("in %").whole(most)],
        rows: vec![row("1", 75.0, most), row("2", 100.0, most)],
    };
    for most in [100.0, 123.4] {
        let drawn = table(most).draw().into_string();
        assert!(drawn.contains("bars from 70 to 100<"), "{drawn}");
        assert!(drawn.contains("data-s=\"0.123456789\">± 0.12<"), "{drawn}");
        assert!(drawn.contains("rect width=\"100.0\""), "{drawn}");
    }
}

#[test]
fn names_of_levels_keep_off_intervals_and_files_have_their_ends() {
    let point = |i: usize| Point { x: i as f64, y: 3.0, label: String::new() };
    let drawn = |low: f64| {
        let series = [Points {
            name: "a",
            points: (0..9).map(point).collect(),
            joined: false,
            intervals: (0..9).map(|i| (if i == 0 { 0.0 } else { low }, 3.0)).collect(),
        }];
        let (x_names, rules) = (names(9), [Rule::Level(1.0, "all: 93.0 %")]);
        let plot = Plot {
            caption: "",
            x_label: "",
            y_label: "",
            x_names: &x_names,
            y_names: &[],
            series: &series,
            rules: &rules,
        };
        plot.draw().into_string()
    };
    let height = |page: &str, element: &str, key: &str| -> f64 {
        let after = page.split(element).nth(1).and_then(|rest| rest.split(key).nth(1));
        after.and_then(|rest| rest.split('"').next()?.parse().ok()).unwrap_or(f64::NAN)
    };
    // There is room below the level only: all intervals but the first begin just above it.
    let page = drawn(1.02);
    let (level, name) = (height(&page, "\"rule\"", "y1=\""), height(&page, "\"level\"", "y=\""));
    assert!(name > level, "{page}");
    assert!(page.contains("data-low=\"1.02\" data-high=\"3\""), "{page}");
}
