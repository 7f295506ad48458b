//! Pictures, lists of facts, and words about a measure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

/// A picture that stands in the page.
pub struct Picture<'a> {
    /// What it shows.
    pub caption: &'a str,
    /// Its MIME type: `image/png`, `image/svg+xml`.
    pub mime: &'a str,
    /// The file.
    pub bytes: &'a [u8],
}

/// What a measure says, in three sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words<'a> {
    /// What it says.
    pub says: &'a str,
    /// What it does not say.
    pub does_not: &'a str,
    /// Where readers go wrong.
    pub pitfall: &'a str,
}

impl Picture<'_> {
    /// The picture with its caption.
    pub fn draw(&self) -> Markup {
        let source = format!("data:{};base64,{}", self.mime, STANDARD.encode(self.bytes));
        html! {
            figure {
                div.box tabindex="0" role="region" aria-label=(self.caption) {
                    img.picture src=(source) alt=(self.caption);
                }
                figcaption { (self.caption) }
            }
        }
    }
}

/// The three sentences side by side.
pub fn words(words: Words<'_>) -> Markup {
    let parts = [
        ("What it says", words.says),
        ("What it does not say", words.does_not),
        ("The pitfall", words.pitfall),
    ];
    html! {
        dl.words { @for (title, text) in parts { div { dt { (title) } dd { (text) } } } }
    }
}

/// Names and what they are.
pub fn facts(facts: &[(String, String)]) -> Markup {
    html! {
        dl.facts { @for (name, value) in facts { dt { (name) } dd { (value) } } }
    }
}

/// A command line, to be copied.
pub fn command(line: &str) -> Markup {
    html! { pre.command tabindex="0" role="region" aria-label="Command" { "$ " (line) } }
}

/// Something that is shown at a click.
pub fn folded(title: &str, body: &Markup) -> Markup {
    html! { details { summary { (title) } (body) } }
}
