//! Progress bars, where somebody looks at standard error.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::terminal::screen;
use crate::analysis::Steps;
use crate::capture::{LayersSeen, Progress};
use crate::view::Letters;

/// A batch that takes longer than this is followed layer by layer.
const SLOW: Duration = Duration::from_secs(3);

/// Parts of an image that a bar moves by.
const PARTS: u64 = 1000;

/// Whether bars are seen: standard error is a terminal that can move its cursor.
pub fn are_seen() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stderr().is_terminal() && !is_dumb
}

/// A bar of so many parts, with a line made by a template.
fn bar(length: u64, template: &str) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(8);
    let bar = ProgressBar::with_draw_target(Some(length), target);
    let width = terminal_size::terminal_size_of(std::io::stderr()).map_or(80, |(width, _)| width.0);
    let long = match width {
        0..70 => "{bar:6}",
        70..90 => "{bar:12}",
        _ => "{bar:32}",
    };
    let template = template.replace("{bar}", long);
    if let Ok(style) = ProgressStyle::with_template(&template) {
        let style = match screen().letters {
            Letters::Unicode => style,
            Letters::Ascii(_) => style.progress_chars("#>-"),
        };
        let style = style.with_key("images", images).with_key("speed", images_a_second);
        bar.set_style(style.with_key("left", time_left));
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// A progress bar over so many steps of one kind, gone when it is dropped.
pub struct StepsBar(ProgressBar);

impl StepsBar {
    /// Of `count` steps.
    pub fn new(what: &str, count: usize) -> Self {
        Self(bar(count as u64, &format!("{{bar}} {{pos}}/{{len}} {what}  {{left}}")))
    }
}

impl Steps for StepsBar {
    fn advance(&self) {
        self.0.inc(1);
    }
}

impl Drop for StepsBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A progress bar over the images of a pass, and over the layers of a batch that takes long.
pub struct PassBar {
    bar: Option<ProgressBar>,
    shown: bool,
    about: String,
    done: usize,
    batch_began: Instant,
}

impl PassBar {
    /// One that is `shown`, or of which nothing is seen.
    pub fn new(shown: bool) -> Self {
        Self { bar: None, shown, about: String::new(), done: 0, batch_began: Instant::now() }
    }

    fn begin_batch(&mut self) {
        self.batch_began = Instant::now();
        if let Some(bar) = &self.bar {
            bar.set_position(self.done as u64 * PARTS);
            bar.set_message("");
        }
    }
}

impl Progress for PassBar {
    fn begin(&mut self, pass: usize, passes: usize, images: usize) {
        self.end();
        if !self.shown {
            return;
        }
        let bar = bar(images as u64 * PARTS, "{prefix}{bar} {images}  {speed}  {left}  {wide_msg}");
        let pass = (passes > 1).then(|| format!("pass {pass} of {passes}"));
        let about = Some(&self.about).filter(|about| !about.is_empty()).cloned();
        let told: Vec<String> = about.into_iter().chain(pass).collect();
        if !told.is_empty() {
            bar.set_prefix(format!("{} ", told.join(", ")));
        }
        self.bar = Some(bar);
        self.done = 0;
        self.begin_batch();
    }

    fn advance(&mut self, images: usize) {
        self.done += images;
        self.begin_batch();
    }

    fn layer(&mut self, at: LayersSeen<'_>) {
        let Some(bar) = self.bar.as_ref().filter(|_| self.batch_began.elapsed() > SLOW) else {
            return;
        };
        let part = at.samples as f64 * at.seen as f64 / at.of.max(1) as f64;
        bar.set_position(((self.done as f64 + part) * PARTS as f64) as u64);
        let name = Path::new(at.model).file_name().unwrap_or_default().to_string_lossy();
        bar.set_message(format!("layer {} of {}: {name}", at.seen, at.of));
    }

    fn about(&mut self, what: &str) {
        what.clone_into(&mut self.about);
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn images(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    let all = state.len().unwrap_or(0) / PARTS;
    let _ = write!(out, "{}/{all} images", state.pos() / PARTS);
}

/// Nothing before the first layers have run: the speed is not known then.
fn images_a_second(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    if state.pos() > 0 {
        let _ = write!(out, "{:.1} images/s", state.per_sec() / PARTS as f64);
    }
}

fn time_left(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    if state.pos() > 0 {
        let _ = write!(out, "{:#} left", HumanDuration(state.eta()));
    }
}
