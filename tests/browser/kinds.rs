//! Pages of every kind of report, with pictures and wide tables, on wide and narrow screens and in print.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::driver::Browser;
use crate::repsim;

const PREPROCESSING: &str = "--preprocess raw --channels 3 --mean 0.2860 --std 0.3530";

/// A phone, a tablet and a desk.
const WIDTHS: [u32; 3] = [390, 820, 1440];

/// A4 within its margins, in pixels.
const PAPER: u32 = 673;

/// What is run to get a report: its name, the command with `{a}` and `{b}` for networks, `{here}` for the
/// folder, and how many pictures its page has.
const KINDS: [(&str, &str, usize); 10] = [
    ("layers", "layers {a} --input-size 3x32x32", 0),
    (
        "track",
        "track {a} {b} --data {here}/real {preprocess} --reference {b} --plot {here}/training.png",
        0,
    ),
    (
        "probe",
        "probe {a} {b} --data {here}/real {preprocess} --layers layer? --folds 3 --plot {here}/probes.png",
        0,
    ),
    ("pairs", "cka {a} {b} {a} --data {here}/real {preprocess} --layers layer?", 0),
    (
        "fid",
        "fid {here}/real {here}/samples-at-a-late-step-of-training {here}/real \
             --model {a} {preprocess} --metrics fid,kid,prdc,fid-inf",
        0,
    ),
    (
        "saliency",
        "saliency {a} {b} --data {here}/real --limit 4 {preprocess} --method gradcam,gradient \
                  --faithfulness --sheet {here}/saliency.png",
        1,
    ),
    (
        "maps",
        "maps {a} --match {b} --data {here}/real --limit 4 {preprocess} --layer layer3 \
              --sheet {here}/maps.png",
        1,
    ),
    (
        "patterns",
        "patterns {a} {b} --data {here}/real --limit 12 {preprocess} --layers layer3 --top 3 \
                  --plot {here}/patterns.png",
        1,
    ),
    (
        "sensitivity",
        "sensitivity {a} --data {here}/real --limit 12 {preprocess} --layer layer4 \
                     --plot {here}/sensitivity.png",
        0,
    ),
    (
        "distance",
        "distance {here}/real {here}/samples-at-a-late-step-of-training --model {a} {preprocess} \
                  --plot {here}/distance.png",
        0,
    ),
];

/// Three images of each class, from the given one on.
fn images(to: &Path, first: usize) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/images");
    for class in fs::read_dir(from).unwrap().map(|class| class.unwrap().path()) {
        let own = to.join(class.file_name().unwrap());
        fs::create_dir_all(&own).unwrap();
        let mut files: Vec<_> = fs::read_dir(class).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        for file in &files[first..first + 3] {
            fs::copy(file, own.join(file.file_name().unwrap())).unwrap();
        }
    }
}

/// A page of each kind, and one of all: name, address and number of pictures.
fn pages(folder: &TempDir) -> Vec<(String, String, usize)> {
    let here = folder.path().canonicalize().unwrap();
    images(&here.join("real"), 0);
    images(&here.join("samples-at-a-late-step-of-training"), 3);
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models");
    let model =
        |name: &str| models.join(format!("fashion-{name}-scripted.pt")).display().to_string();
    let here = here.display().to_string();
    let mut all = vec!["report".to_owned()];
    let mut made = vec![];
    let mut page = |name: &str, reports: &[String], pictures: usize| {
        let path = format!("{here}/{name}.html");
        let words: Vec<&str> = reports.iter().map(String::as_str).chain(["-o", &path]).collect();
        repsim(&words);
        made.push((name.to_owned(), format!("file://{path}"), pictures));
    };
    for (name, line, pictures) in KINDS {
        let line = line
            .replace("{a}", &model("seed0"))
            .replace("{b}", &model("mixup"))
            .replace("{preprocess}", PREPROCESSING)
            .replace("{here}", &here);
        let report = format!("{here}/{name}.json");
        let words: Vec<&str> = line.split_whitespace().chain(["-o", &report]).collect();
        repsim(&words);
        page(name, &["report".to_owned(), report.clone()], pictures);
        all.push(report);
    }
    page("all", &all, KINDS.iter().map(|kind| kind.2).sum());
    made
}

/// Widths of all tables of lists that reach beyond a width.
fn too_wide(browser: &Browser, width: u32) -> Vec<String> {
    let script = format!(
        "return [...document.querySelectorAll('table, img, svg.plot')].filter(t => \
         t.getBoundingClientRect().right > {width} + 1).map(t => t.tagName + ' ' + t.className + ' ' + \
         t.getBoundingClientRect().right)"
    );
    let found = browser.run(&script);
    found.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// What reaches beyond a screen and cannot be scrolled to; and boxes that scroll sideways and do not say so.
fn cut(browser: &Browser, width: u32) -> Vec<String> {
    let script = format!(
        "const seen = e => e.checkVisibility({{ visibilityProperty: true }}); \
         const name = e => e.tagName + '.' + e.getAttribute('class') + ': ' + e.textContent.slice(0, 40); \
         const all = [...document.querySelectorAll('main *, header *, footer *')].filter(e => !e.closest('.box, .hidden, .skip')); \
         const out = all.filter(e => seen(e) && e.getBoundingClientRect().right > {width} + 1); \
         const mute = [...document.querySelectorAll('.box')].filter(b => seen(b) && b.scrollWidth > b.clientWidth + 1 && \
         !(b.previousElementSibling?.matches('.hint') && seen(b.previousElementSibling))); \
         return [...out.map(name), ...mute.map(b => 'no hint at ' + name(b))]"
    );
    // Hints come when the browser has laid out the page.
    let texts = || -> Vec<String> {
        let found = browser.run(&script);
        found.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    (0..20).map(|_| texts()).find(Vec::is_empty).unwrap_or_else(texts)
}

/// Keeps a picture of the page where `REPSIM_SCREENSHOTS` names a folder.
fn keep(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("REPSIM_SCREENSHOTS") {
        let path = Path::new(&folder).join(format!("{name}.png"));
        fs::write(path, browser.screenshot()).unwrap();
    }
}

#[test]
fn pages_of_every_kind_fit_and_show_their_pictures() {
    let Some(browser) = Browser::open("about:blank") else { return };
    let folder = tempfile::tempdir().unwrap();
    let body = || browser.run("return document.documentElement.scrollWidth").as_u64().unwrap();
    for (name, url, pictures) in pages(&folder) {
        browser.medium("screen");
        browser.go(&url);
        for width in WIDTHS {
            browser.narrow(width);
            assert!(body() <= u64::from(width), "{name} is {} wide on {width}", body());
            assert_eq!(cut(&browser, width), Vec::<String>::new(), "{name} on {width}");
            keep(&browser, &format!("{name}-{width}"));
        }
        let unloaded = "return [...document.images].filter(i => !i.naturalWidth).length";
        let shown = "return document.querySelectorAll('img.picture').length";
        assert_eq!(
            (browser.run(shown), browser.run(unloaded)),
            (pictures.into(), 0.into()),
            "{name}"
        );
        assert_eq!(browser.barriers(), Vec::<String>::new(), "{name}");
        browser.narrow(PAPER);
        browser.medium("print");
        assert_eq!(too_wide(&browser, PAPER), Vec::<String>::new(), "{name} in print");
        keep(&browser, &format!("{name}-print"));
        assert_eq!(browser.console(), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn scores_of_image_sets_are_not_cut_off() {
    let Some(browser) = Browser::open("about:blank") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (_, url, _) = pages(&folder).into_iter().find(|page| page.0 == "fid").unwrap();
    browser.go(&url);
    browser.narrow(1200);
    assert_eq!(too_wide(&browser, 1200), Vec::<String>::new());
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        let ink =
            browser.text("return getComputedStyle(document.querySelector('table.list td')).color");
        let paper =
            browser.text("return getComputedStyle(document.documentElement).backgroundColor");
        assert_ne!(ink, paper, "{scheme}");
        keep(&browser, &format!("fid-{scheme}"));
    }
}
