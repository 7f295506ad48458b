//! The page of `repsim report` in headless Chromium: what the pointer and the keyboard do in it, that
//! it is legible in light and dark and on a narrow screen, and that it asks for nothing.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

mod driver;
mod figures;
mod kinds;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use driver::Browser;
use tempfile::TempDir;

const RIGHT: char = '\u{e014}';
const DOWN: char = '\u{e015}';
const END: char = '\u{e010}';
const ENTER: char = '\u{e007}';
const TAB: char = '\u{e004}';

fn repsim(arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_repsim")).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "repsim {arguments:?}\n{said}");
}

fn golden(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    root.join(name).display().to_string()
}

/// A page with a comparison, one with nulls, and scores of sets.
fn page() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let [cka, nulls, page] = ["cka.json", "nulls.json", "page.html"].map(at);
    let (a, b) = (golden("measures/features_a.npz"), golden("measures/features_b.npz"));
    repsim(&["cka", "--features", &a, &b, "-o", &cka]);
    let (model, data) = (golden("capture/constant_layer.pt"), golden("capture/constant_layer.npy"));
    repsim(&["cka", &model, "--data", &data, "-o", &nulls]);
    repsim(&["report", &cka, &nulls, "-o", &page]);
    let url = format!("file://{}", PathBuf::from(page).canonicalize().unwrap().display());
    (folder, url)
}

const FIRST: &str = "document.querySelector('table.list tbody tr').cells";

#[test]
fn tables_are_sorted_by_pointer_and_by_key() {
    let (_folder, url) = page();
    let Some(browser) = Browser::open(&url) else { return };
    let state = |column: usize| {
        browser.text(&format!(
            "return document.querySelectorAll('table.list thead th')[{column}].getAttribute('aria-sort')"
        ))
    };
    let numbers = || {
        let script = "return [...document.querySelector('table.list tbody').rows]\
                      .map(r => Number(r.cells[4].dataset.s))";
        let found = browser.run(script);
        found.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<f64>>()
    };
    let before = browser.text(&format!("return {FIRST}[0].textContent"));
    browser.click("table.list thead th:nth-child(5) button");
    assert_eq!(state(4), "descending");
    assert!(numbers().is_sorted_by(|x, y| x >= y), "{:?}", numbers());
    assert_eq!(
        browser.text("return document.getElementById('said').textContent"),
        "sorted by its CKA, descending"
    );
    browser.press(&[ENTER]);
    assert_eq!(state(4), "ascending");
    assert!(numbers().is_sorted(), "{:?}", numbers());
    browser.press(&[ENTER]);
    assert_eq!(
        (state(4).as_str(), browser.text(&format!("return {FIRST}[0].textContent"))),
        ("none", before)
    );
}

#[test]
fn the_arrow_keys_read_the_matrix() {
    let (_folder, url) = page();
    let Some(browser) = Browser::open(&url) else { return };
    let read = || browser.text("return document.getElementById('r1cka-read').textContent");
    let cell = |i: usize, j: usize| {
        browser.text(&format!(
            "const t = document.getElementById('r1cka'); const c = t.tBodies[0].rows[{i}].cells[{}]; \
             return t.tBodies[0].rows[{i}].cells[0].textContent + ' × B: features_b.npz ' + \
             t.tHead.rows[0].cells[{}].textContent + ': CKA ' + (c.dataset.v || c.textContent)",
            j + 1,
            j + 1
        ))
    };
    assert_eq!(
        browser.text("return document.getElementById('r1cka').getAttribute('role')"),
        "grid"
    );
    assert_eq!(
        browser.text("return document.getElementById('r1cka-read').getAttribute('aria-live')"),
        "polite"
    );
    browser.run("document.querySelector('#r1cka td[tabindex]').focus()");
    assert!(read().contains(&cell(0, 0)), "{}", read());
    browser.press(&[RIGHT, DOWN, RIGHT]);
    assert!(read().contains(&cell(1, 2)), "{} is not {}", read(), cell(1, 2));
    browser.press(&[END, RIGHT]);
    let last =
        browser.run("return document.querySelectorAll('#r1cka thead th').length").as_u64().unwrap();
    assert!(read().contains(&cell(1, last as usize - 2)), "{}", read());
    assert_eq!(browser.run("return document.querySelectorAll('#r1cka td[tabindex]').length"), 1);
}

#[test]
fn the_pointer_reads_the_matrix_and_why_a_value_is_missing() {
    let (_folder, url) = page();
    let Some(browser) = Browser::open(&url) else { return };
    browser.click("#r2cka td.none");
    let read = browser.text("return document.getElementById('r2cka-read').textContent");
    assert!(read.contains("no value (constant of A: constant"), "{read}");
}

#[test]
fn the_first_key_leads_past_the_head() {
    let (_folder, url) = page();
    let Some(browser) = Browser::open(&url) else { return };
    browser.press(&[TAB]);
    assert_eq!(browser.text("return document.activeElement.className"), "skip");
    let left = browser.run("return document.activeElement.getBoundingClientRect().left");
    assert!(left.as_f64().unwrap() >= 0.0, "the link is not seen when it is reached");
}

#[test]
fn readers_get_light_or_dark() {
    let (_folder, url) = page();
    let Some(browser) = Browser::open(&url) else { return };
    let paper =
        || browser.text("return getComputedStyle(document.documentElement).backgroundColor");
    browser.prefer("light");
    assert_eq!(paper(), "rgb(253, 252, 250)");
    browser.prefer("dark");
    assert_eq!(paper(), "rgb(23, 24, 26)");
}

#[test]
fn a_narrow_screen_scrolls_only_within_boxes() {
    let (_folder, url) = page();
    let Some(browser) = Browser::open(&url) else { return };
    browser.narrow(400);
    let width = browser.run("return document.documentElement.scrollWidth").as_u64().unwrap();
    assert!(width <= 400, "the page is {width} wide");
}

#[test]
fn the_console_is_silent_and_nothing_is_asked_for() {
    let (_folder, url) = page();
    let Some(browser) = Browser::open(&url) else { return };
    browser.click("table.list thead th button");
    browser.click("summary");
    assert_eq!(browser.console(), Vec::<String>::new());
    let requests = browser.requests(&url);
    assert!(requests.contains(&url), "{requests:?}");
    let others = requests.iter().filter(|r| **r != url && !r.starts_with("data:"));
    assert_eq!(others.count(), 0, "{requests:?}");
}
