//! What can be done with the figures of a page: they are coloured, enlarged, saved and found; and what is left of it
//! without scripts.

use std::fs;
use std::path::Path;

use ndarray::Array2;
use ndarray_npy::NpzWriter;
use serde_json::json;
use tempfile::TempDir;

use crate::driver::Browser;
use crate::repsim;

const PREPROCESSING: [&str; 8] =
    ["--preprocess", "raw", "--channels", "3", "--mean", "0.2860", "--std", "0.3530"];

fn model(name: &str) -> String {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models");
    models.join(format!("fashion-{name}-scripted.pt")).display().to_string()
}

/// A page of a comparison of all layers, one of an image set, and one of samples with small pictures.
fn page() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().canonicalize().unwrap();
    let at = |name: &str| here.join(name).display().to_string();
    for (class, first) in [("4-coat", 0), ("8-bag", 3)] {
        fs::create_dir_all(here.join("images").join(class)).unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/images").join(class);
        let mut files: Vec<_> = fs::read_dir(from).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        for file in &files[first..first + 4] {
            fs::copy(file, here.join("images").join(class).join(file.file_name().unwrap()))
                .unwrap();
        }
    }
    let (seeds, distance) = (at("seeds.json"), at("far.json"));
    let (a, b, untrained, images) =
        (model("seed0"), model("mixup"), model("untrained"), at("images"));
    let mut words = vec![
        "cka",
        &a,
        &b,
        "--data",
        &images,
        "--layers",
        "layer?",
        "--layers",
        "layer?.?",
        "--control",
        &untrained,
    ];
    words.extend(PREPROCESSING);
    repsim(&[&words[..], &["-o", &seeds]].concat());
    let mut words = vec!["distance", &images, &images, "--model", &a, "--k", "3"];
    words.extend(PREPROCESSING);
    repsim(&[&words[..], &["-o", &distance]].concat());
    let page = at("page.html");
    repsim(&["report", &seeds, &distance, "-o", &page]);
    (folder, format!("file://{page}"))
}

/// The file that a page saved, as soon as it is whole.
fn saved(folder: &Path, name: &str) -> Vec<u8> {
    for _ in 0..200 {
        match fs::read(folder.join(name)) {
            Ok(bytes) if !bytes.is_empty() => return bytes,
            _ => std::thread::sleep(std::time::Duration::from_millis(50)),
        }
    }
    panic!("{name} was not saved");
}

fn button(figure: &str, text: &str) -> String {
    format!(
        "[...document.querySelector('{figure}').closest('figure').querySelectorAll('.tools button')]\
         .find(b => b.textContent.startsWith('{text}'))"
    )
}

#[test]
fn figures_are_coloured_enlarged_and_saved() {
    let (folder, url) = page();
    let Some(browser) = Browser::open(&url) else { return };
    let here = folder.path().join("saved");
    fs::create_dir(&here).unwrap();
    browser.save_to(&here);
    browser.narrow(1440);

    let first = "return [...document.querySelectorAll('#r1cka tbody td:not(.blank)')][1].className";
    let before = browser.text(first);
    browser.run(&format!("{}.click()", button("#r1cka", "Colours")));
    assert_ne!(browser.text(first), before);
    let ends = "return [...document.querySelectorAll('#r1cka')].map(t => \
                [...t.closest('figure').querySelectorAll('.end')].map(e => e.textContent).join())[0]";
    assert_ne!(browser.text(ends), "0,1");
    browser.run(&format!("{}.click()", button("#r1cka", "Colours")));
    assert_eq!((browser.text(first), browser.text(ends)), (before, "0,1".to_owned()));

    let width = || {
        let script = "return document.getElementById('r1cka').getBoundingClientRect().width";
        browser.run(script).as_f64().unwrap()
    };
    let fitting = width();
    assert!((900.0..1160.0).contains(&fitting), "the map is {fitting} wide");
    browser.run(&format!("{}.click()", button("#r1cka", "+")));
    assert!(width() > 1.3 * fitting);
    // Values that have no room are not cut: they are not there.
    let times = |count: usize, sign: &str| {
        (0..count).for_each(|_| drop(browser.run(&format!("{}.click()", button("#r1cka", sign)))));
    };
    let colour = "return getComputedStyle(document.querySelector('#r1cka td.best')).color";
    times(5, "−");
    assert_eq!(browser.text(colour), "rgba(0, 0, 0, 0)");
    times(5, "+");
    assert_ne!(browser.text(colour), "rgba(0, 0, 0, 0)");

    for kind in ["CSV", "SVG", "PNG"] {
        browser.run(&format!("{}.click()", button("#r1cka", kind)));
    }
    let csv = String::from_utf8(saved(&here, "cka-seeds-1.csv")).unwrap();
    assert!(csv.starts_with("A: ") && csv.lines().next().unwrap().contains(" / B: "), "{csv}");
    let cells = "return [...document.querySelectorAll('#r1cka tbody tr')].map(r => \
                 [r.querySelector('th[scope=row]').textContent, ...[...r.querySelectorAll('td:not(.blank)')]\
                 .map(c => c.dataset.s || c.dataset.v || c.textContent)].join()).join('|')";
    let rows: Vec<&str> = csv.trim_end().lines().skip(1).collect();
    assert_eq!(rows.join("|"), browser.text(cells));
    let svg = String::from_utf8(saved(&here, "cka-seeds-1.svg")).unwrap();
    assert!(
        svg.starts_with("<svg xmlns=")
            && svg.contains(">layer3</text>")
            && svg.contains("<title>A: ")
    );
    assert!(saved(&here, "cka-seeds-1.png").starts_with(b"\x89PNG"));

    for kind in ["CSV", "SVG", "PNG"] {
        browser.run(&format!("{}.click()", button("svg.plot", kind)));
    }
    let csv = String::from_utf8(saved(&here, "cka-seeds-2.csv")).unwrap();
    assert!(csv.starts_with("series,x,y,what it is\r\n") && csv.contains("control "), "{csv}");
    assert!(saved(&here, "cka-seeds-2.png").starts_with(b"\x89PNG"));
    assert!(saved(&here, "cka-seeds-2.svg").len() > 3000);
    browser.run(&format!("{}.click()", button("#cka-seeds table.list", "CSV")));
    let csv = String::from_utf8(saved(&here, "cka-seeds-3.csv")).unwrap();
    assert!(csv.starts_with("layer,depth,features D,best match in B,its CKA,"), "{csv}");
    assert_eq!(browser.console(), Vec::<String>::new());
}

/// A page of 140 layers with each other.
fn large_map() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().canonicalize().unwrap();
    let at = |name: &str| here.join(name).display().to_string();
    let mut archive = NpzWriter::new(fs::File::create(here.join("deep.npz")).unwrap());
    for layer in 0..140 {
        let value = |(i, j): (usize, usize)| ((i * 7 + j * 3 + layer * i) as f64 * 0.37).sin();
        let name = format!("encoder.block{layer}.attention");
        archive.add_array(name, &Array2::from_shape_fn((16, 3), value)).unwrap();
    }
    archive.finish().unwrap();
    repsim(&["cka", "--features", &at("deep.npz"), "-o", &at("deep.json")]);
    repsim(&["report", &at("deep.json"), "-o", &at("deep.html")]);
    (folder, format!("file://{}", at("deep.html")))
}

#[test]
fn large_maps_show_names_and_values_where_one_looks() {
    let (_folder, url) = large_map();
    let Some(browser) = Browser::open(&url) else { return };
    browser.narrow(1280);
    let map = "const t = document.querySelector('table.heat'), b = t.parentElement;";
    let run = |script: &str| browser.run(&format!("{map} {script}"));
    let number = |script: &str| run(script).as_f64().unwrap();
    run("b.scrollIntoView(); b.scrollTop = 400; b.scrollLeft = 100");
    let top = "return t.tHead.getBoundingClientRect().top - b.getBoundingClientRect().top";
    assert!(number(top).abs() < 1.5, "the names of columns are {} away", number(top));
    // Row and column of the cell in the middle of those that are seen.
    let middle = || {
        let place = run(
            "const f = t.querySelector('tbody td:not(.blank)'), r = b.getBoundingClientRect();\
             const x = r.left + (f.offsetLeft + b.clientWidth) / 2, y = r.top + (f.offsetTop + b.clientHeight) / 2;\
             const c = document.elementFromPoint(x, y).closest('td');\
             return [c.parentElement.sectionRowIndex, c.cellIndex]",
        );
        [0, 1].map(|i| place[i].as_f64().unwrap())
    };
    let before = middle();
    let look = "return [getComputedStyle(t.querySelector('tbody th[scope=row]')).fontSize,\
                getComputedStyle(t.querySelector('td:not(.none):not(.blank)')).color === 'rgba(0, 0, 0, 0)'].join()";
    assert!(browser.text(&format!("{map} {look}")).ends_with("true"));
    for _ in 0..6 {
        browser.run(&format!("{}.click()", button("table.heat", "+")));
    }
    let after = middle();
    let far = |i: usize| (after[i] - before[i]).abs();
    assert!(far(0) <= 1.0 && far(1) <= 1.0, "{before:?} became {after:?}");
    assert_eq!(browser.text(&format!("{map} {look}")), "13px,false");
    for _ in 0..2 {
        browser.run(&format!("{}.click()", button("table.heat", "Fit")));
    }
    let over = "return Math.max(t.offsetWidth - b.clientWidth, t.offsetHeight - 0.9 * innerHeight)";
    assert!(number(over) < 2.0, "{} px are not seen", number(over));
    // Whoever moves by keys sees the cell, and not a name over it.
    run("t.querySelector('td[tabindex]').focus()");
    browser.press(&['+', '+', '+', '+', '+', '+', '\u{E015}', '\u{E015}', '\u{E013}']);
    let under = "const c = document.activeElement.getBoundingClientRect();\
                 return document.elementFromPoint(c.left + c.width / 2, c.top + c.height / 2) === document.activeElement";
    assert_eq!(run(under), json!(true));
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn maps_begin_with_the_input_and_mark_their_stages() {
    let (_folder, url) = page();
    let Some(browser) = Browser::open(&url) else { return };
    let place = |script: &str| {
        browser.run(&format!("const t = document.getElementById('r1cka'); {script}"))
    };
    let first = place("return t.querySelector('tbody th[scope=row]').textContent");
    assert_eq!(first, "layer1.0");
    let stages = "return [[...t.querySelectorAll('th.stage')].map(s => s.textContent), \
                  [...t.querySelectorAll('tr.stages th')].map(s => s.textContent)]";
    let names = json!(["layer1", "layer2", "layer3", "layer4"]);
    assert_eq!(place(stages), json!([names, names]));
    let downwards = "const rows = [...t.querySelectorAll('th.stage')].map(s => s.getBoundingClientRect()); \
                     return rows.every((r, i) => !i || r.top >= rows[i - 1].bottom - 1)";
    assert_eq!(place(downwards), true);
}

#[test]
fn reports_are_found_and_linked() {
    let (_folder, url) = page();
    let Some(browser) = Browser::open(&format!("{url}#distance-far")) else { return };
    let top = "return document.getElementById('distance-far').getBoundingClientRect().top";
    assert!(browser.run(top).as_f64().unwrap().abs() < 100.0, "{}", browser.run(top));
    let shown = || {
        browser.run(
            "return [...document.querySelectorAll('nav.index li')].filter(i => !i.hidden).length",
        )
    };
    assert_eq!(shown(), 2);
    browser.type_into("#find", "MIXUP align");
    assert_eq!(shown(), 1);
    assert_eq!(
        browser.text("return document.getElementById('said').textContent"),
        "1 of 2 reports"
    );
    browser.type_into("#find", "nothing of it");
    assert_eq!(shown(), 0);
    let command = browser.text("return document.querySelector('pre.command').textContent");
    assert!(
        command.starts_with("$ repsim cka ") && command.contains("--layers 'layer?'"),
        "{command}"
    );
    browser.run("document.querySelector('pre.command + .tools button').click()");
    let copied = "return document.querySelector('pre.command + .tools button').textContent";
    let wanted = |text: String| text == "Copied" || text.starts_with("Selected");
    assert!((0..50).any(|_| wanted(browser.text(copied))), "{}", browser.text(copied));
}

#[test]
fn samples_are_seen_and_chosen() {
    let (_folder, url) = page();
    let Some(browser) = Browser::open(&url) else { return };
    let script = "return [...document.querySelectorAll('#distance-far img.thumb')]\
                  .map(i => i.naturalWidth + 'x' + i.naturalHeight)";
    assert_eq!(browser.run(script), json!(vec!["32x32"; 8]));
    let rows = "const t = document.querySelector('#distance-far img.thumb').closest('table'); \
                return [...t.tBodies[0].rows].filter(r => r.getClientRects().length).map(r => r.cells[0].textContent.split('/')[0])";
    let choose = "const box = document.querySelector('#distance-far img.thumb').closest('figure'); \
                  const select = [...box.querySelectorAll('select')].find(s => [...s.options].some(o => o.value === '8-bag')); \
                  select.value = '8-bag'; select.dispatchEvent(new Event('change'));";
    assert_eq!(browser.run(rows).as_array().unwrap().len(), 8);
    browser.run(choose);
    let left = browser.run(rows);
    assert!(!left.as_array().unwrap().is_empty() && left.as_array().unwrap().len() < 8, "{left}");
}

#[test]
fn everything_is_read_without_scripts_and_without_the_images() {
    let (folder, url) = page();
    let Some(browser) = Browser::open("about:blank") else { return };
    let here = folder.path().canonicalize().unwrap();
    fs::rename(here.join("images"), here.join("moved")).unwrap();
    let (report, page) = (here.join("far.json"), here.join("gone.html"));
    repsim(&["report", &report.display().to_string(), "-o", &page.display().to_string()]);
    let gone = fs::read_to_string(page).unwrap();
    assert!(!gone.contains("img class=\"thumb\"") && gone.contains("The farthest samples"));
    browser.scripts(false);
    browser.go(&url);
    for width in [390, 1440] {
        browser.narrow(width);
        let body = browser.run("return document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(body <= u64::from(width), "the page is {body} wide on {width}");
    }
    let text = browser.text("return document.body.innerText");
    for part in ["layer4.1", "The pitfall", "repsim cka", "The farthest samples"] {
        assert!(text.contains(part), "{part} is not there");
    }
    assert_eq!(browser.run("return document.querySelectorAll('button, input, select').length"), 0);
}
