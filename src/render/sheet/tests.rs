use resvg::tiny_skia::Pixmap;
use resvg::usvg::{Group, Node, Rect, Tree};

use super::*;
use crate::render::colormap::ColorMap;

/// A sheet with nothing in it.
pub(super) const EMPTY: Sheet<'static> = Sheet {
    title: "",
    subtitle: "",
    groups: &[],
    columns: &[],
    rows: &[],
    legends: &[],
    note: "",
    cell: CELL,
};

fn ramp(width: usize, height: usize) -> Image {
    Image::from_fn(width, height, |row, column| [(9 * row) as u8, (9 * column) as u8, 128])
}

fn picture(caption: &str, flag: Option<&str>) -> Cell {
    Cell::Picture { image: ramp(8, 8), caption: caption.into(), flag: flag.map(str::to_owned) }
}

fn names(count: usize, name: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(name).collect()
}

fn parse(svg: &str) -> Tree {
    png::parse(svg).expect("the SVG parses")
}

fn svg(sheet: &Sheet<'_>) -> String {
    sheet.to_svg().expect("drawn")
}

/// All texts with the boxes of their ink, and the boxes of all pictures.
fn boxes(group: &Group, texts: &mut Vec<(String, Rect)>, images: &mut Vec<Rect>) {
    for node in group.children() {
        match node {
            Node::Group(group) => boxes(group, texts, images),
            Node::Text(text) => {
                let name = text.chunks().iter().map(|chunk| chunk.text()).collect();
                texts.push((name, text.flattened().abs_bounding_box()));
            }
            Node::Image(image) => images.push(image.abs_bounding_box()),
            _ => (),
        }
    }
}

/// Asserts that every text and every picture lies within the sheet and none overlaps another one;
/// only the word `flag` may lie on a picture.
fn assert_tidy(sheet: &Sheet<'_>) {
    let tree = parse(&svg(sheet));
    let (width, height) = (tree.size().width(), tree.size().height());
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    boxes(tree.root(), &mut texts, &mut images);
    assert_eq!(images.len(), sheet.images().count());
    let images = images.iter().map(|at| (String::new(), *at));
    let all: Vec<_> = texts.into_iter().filter(|(name, _)| name != "flag").chain(images).collect();
    for (index, (name, at)) in all.iter().enumerate() {
        let inside = at.left() > 8.0 && at.top() > 8.0;
        assert!(inside && at.right() < width - 8.0 && at.bottom() < height - 8.0, "{name}: {at:?}");
        for (other, other_at) in &all[..index] {
            assert!(at.intersect(other_at).is_none(), "`{name}` overlaps `{other}`");
        }
    }
}

#[test]
fn nothing_overlaps_whatever_the_shape_and_the_texts() {
    let long = "a rather long text, resnet18-seed0-fashion-mnist-cutmix.pt · layer4.1.bn2 · 9.42";
    for (rows, columns) in [(1, 1), (1, 40), (12, 2), (3, 7)] {
        for text in [long, "short", "Donaudampfschifffahrtsgesellschaftskapitän", ""] {
            let cells: Vec<_> = (0..columns).map(|_| picture(text, Some("flag"))).collect();
            let all: Vec<_> = (0..rows).map(|_| Row { heading: text, cells: &cells }).collect();
            let legend = Legend::ends(text, ColorMap::Magma, text, "largest");
            let sheet = Sheet {
                title: text,
                subtitle: text,
                groups: &names(columns, |column| format!("{}{text}", column / 4)),
                columns: &names(columns, |column| format!("{}{text}", column / 2)),
                rows: &all,
                legends: &[legend.clone(), legend],
                note: text,
                cell: CELL,
            };
            assert_tidy(&sheet);
            assert_tidy(&Sheet { cell: 40.0, ..sheet.clone() });
            assert_tidy(&Sheet { groups: &[], ..sheet.clone() });
            assert_tidy(&Sheet { columns: &[], ..sheet.clone() });
            let plain = Sheet { title: "", subtitle: "", groups: &[], ..sheet };
            assert_tidy(&Sheet { columns: &[], legends: &[], ..plain });
        }
    }
}

#[test]
fn odd_sheets_are_drawn_all_the_same() {
    assert_tidy(&EMPTY);
    let none = Cell::new(Image::from_fn(0, 3, |_, _| [0; 3]), "no pixels");
    let cells = [Cell::Empty, none, Cell::new(ramp(500, 1), "long"), Cell::new(ramp(1, 99), "")];
    let rows = [Row { heading: "<&>", cells: &cells }, Row { heading: "", cells: &[] }];
    for cell in [f64::NAN, -1.0, 16.0, 300.0] {
        assert_tidy(&Sheet { rows: &rows, cell, ..EMPTY });
    }
    let image = Image { width: 2, height: 2, pixels: vec![] };
    let cells = [Cell::new(image, "")];
    let sheet = Sheet { rows: &[Row { heading: "", cells: &cells }], ..EMPTY };
    assert!(matches!(sheet.to_svg(), Err(RenderError::Encode(_))));
}

#[test]
fn sixty_four_rows_of_forty_columns_have_room() {
    let cells: Vec<_> = (0..40).map(|index| picture(&format!("ch {index}"), None)).collect();
    let rows: Vec<_> = (0..64).map(|_| Row { heading: "00011.png", cells: &cells }).collect();
    let size = parse(&svg(&Sheet { rows: &rows, ..EMPTY })).size();
    assert!(size.width() < 10_000.0 && size.height() < 10_000.0, "{size:?}");
}

#[test]
fn too_many_columns_are_refused() {
    let cells: Vec<_> = (0..400).map(|_| picture("", None)).collect();
    let rows = [Row { heading: "", cells: &cells }];
    let sheet = Sheet { rows: &rows, ..EMPTY };
    let error = sheet.to_png().expect_err("too large");
    assert!(matches!(error, RenderError::TooLarge { .. }));
    assert_eq!(sheet.check_size().map_err(|e| e.to_string()), Err(error.to_string()));
}

#[test]
fn the_size_is_known_without_the_pixels() {
    let blank = Image { width: 8, height: 8, pixels: vec![] };
    let (drawn, blank) = ([picture("a", None)], [Cell::new(blank, "a")]);
    let fits = |cells: &[Cell], count: usize| {
        let rows: Vec<_> = (0..count).map(|_| Row { heading: "", cells }).collect();
        Sheet { rows: &rows, ..EMPTY }.check_size().is_ok()
    };
    let most = (0..200).filter(|&count| fits(&drawn, count)).count();
    assert!((60..199).contains(&most), "{most}");
    assert!(fits(&blank, most - 1) && !fits(&blank, most));
}

/// The PNG, and where the first picture lies in it.
fn drawn(sheet: &Sheet<'_>) -> (Pixmap, (u32, u32)) {
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    boxes(parse(&svg(sheet)).root(), &mut texts, &mut images);
    let corner = ((2.0 * images[0].left()) as u32, (2.0 * images[0].top()) as u32);
    (Pixmap::decode_png(&sheet.to_png().expect("drawn")).expect("decodes"), corner)
}

#[test]
fn every_pixel_is_enlarged_alike() {
    for side in [4, 7, 8, 28, 32, 96] {
        let cells = [Cell::new(ramp(side, side), "a caption")];
        let rows = [Row { heading: "a heading", cells: &cells }];
        let (pixmap, (left, top)) = drawn(&Sheet { title: "a title", rows: &rows, ..EMPTY });
        // Even sides alone are whole numbers of units.
        let factor = if side == 7 { 26 } else { 192 / side };
        let image = ramp(side, side).enlarged(factor);
        for row in 0..image.height {
            for column in 0..image.width {
                let pixel = pixmap.pixel(left + column as u32, top + row as u32).expect("inside");
                let pixel = [pixel.red(), pixel.green(), pixel.blue()];
                assert_eq!(pixel, image.pixel(row, column), "{side}: row {row}, column {column}");
            }
        }
    }
}

#[test]
fn larger_pictures_are_averaged() {
    let checked = Image::from_fn(384, 384, |row, column| [(200 * ((row + column) % 2)) as u8; 3]);
    let cells = [Cell::new(checked, "")];
    let rows = [Row { heading: "", cells: &cells }];
    let (pixmap, (left, top)) = drawn(&Sheet { rows: &rows, ..EMPTY });
    let pixel = pixmap.pixel(left + 77, top + 50).expect("inside");
    assert_eq!((pixel.red(), pixel.green(), pixel.blue()), (100, 100, 100));
}

#[test]
fn what_is_wrong_is_said_on_the_picture() {
    let cells = [picture("bag 3.10", Some("degenerate"))];
    let columns = ["Grad-CAM".to_owned()];
    let rows = [Row { heading: "00011.png", cells: &cells }];
    let svg = svg(&Sheet { columns: &columns, rows: &rows, ..EMPTY });
    assert!(svg.contains(">degenerate</text>"));
    assert!(svg.contains("<title>00011.png · Grad-CAM: bag 3.10 · degenerate</title>"));
}

#[test]
fn headings_turn_where_one_has_no_room() {
    let cells = [picture("", None), picture("", None)];
    let rows = [Row { heading: "", cells: &cells }];
    let turned = |heading: &str| {
        let columns = ["input".to_owned(), heading.to_owned()];
        svg(&Sheet { columns: &columns, rows: &rows, ..EMPTY }).contains("rotate(-90")
    };
    assert!(!turned("resnet18-cutmix.pt · layer4.1"));
    assert!(turned(&"Donaudampfschifffahrtsgesellschaft".repeat(2)));
}

#[test]
fn columns_called_the_same_share_a_heading() {
    let cells: Vec<_> = (0..5).map(|_| picture("", None)).collect();
    let rows = [Row { heading: "", cells: &cells }];
    let columns = ["layer2", "layer2", "layer3", "", ""].map(str::to_owned);
    let svg = svg(&Sheet { columns: &columns, rows: &rows, ..EMPTY });
    assert_eq!(svg.matches(">layer2</text>").count(), 1);
    assert_eq!(svg.matches("<path").count(), 1, "a line joins the two");
}

#[test]
fn groups_stand_above_the_columns_they_join() {
    let cells: Vec<_> = (0..5).map(|_| picture("", None)).collect();
    let rows = [Row { heading: "", cells: &cells }];
    let groups = ["", "one", "one", "two", "two"].map(str::to_owned);
    let columns = ["input", "a", "b", "a", "b"].map(str::to_owned);
    let sheet = Sheet { groups: &groups, columns: &columns, rows: &rows, ..EMPTY };
    let tree = parse(&svg(&sheet));
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    boxes(tree.root(), &mut texts, &mut images);
    let count = |name: &str| texts.iter().filter(|(text, _)| text == name).count();
    assert_eq!(["one", "two", "a", "b"].map(count), [1, 1, 2, 2]);
    let at = |name: &str| texts.iter().find(|(text, _)| text == name).expect("drawn").1;
    let (one, a) = (at("one"), at("a"));
    assert!(one.bottom() < a.top() && a.bottom() < images[1].top());
    let middle = (images[1].left() + images[2].right()) / 2.0;
    assert!(((one.left() + one.right()) / 2.0 - middle).abs() < 2.0, "{one:?} over {middle}");
    assert!(svg(&sheet).contains("<title>one · a"));
}

#[test]
fn rows_are_as_high_as_their_pictures() {
    let height = |image: Image| {
        let cells = [Cell::new(image, "")];
        let rows = [Row { heading: "", cells: &cells }; 3];
        parse(&svg(&Sheet { rows: &rows, ..EMPTY })).size().height()
    };
    assert_eq!(height(ramp(64, 64)) - height(ramp(64, 32)), 3.0 * 48.0);
}

#[test]
fn equal_sheets_give_equal_bytes() {
    let cells = [picture("a", None), Cell::Empty, picture("b", Some("degenerate"))];
    let legends = [Legend::over("activation", ColorMap::Grey, (0.0, 3.0))];
    let rows = [Row { heading: "00011.png", cells: &cells }];
    let sheet = Sheet { title: "a sheet", rows: &rows, legends: &legends, ..EMPTY };
    assert_eq!(svg(&sheet), svg(&sheet));
    assert_eq!(sheet.to_png().expect("drawn"), sheet.to_png().expect("drawn"));
}
