//! The document around the sections.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::legend;
use super::script::SCRIPT;

const STYLE: &str = include_str!("style.css");

/// A page.
pub struct Page<'a> {
    /// What kind of page it is, in a word or two; may be empty.
    pub kicker: &'a str,
    /// Its title.
    pub title: &'a str,
    /// What it shows, in a sentence.
    pub lead: &'a str,
    /// What a reader has to know before all else.
    pub notices: &'a [Notice],
    /// Its parts; with two or more they are listed first.
    pub sections: &'a [Section],
    /// The last lines.
    pub footer: &'a str,
}

/// A word of warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it means and what to do.
    pub text: String,
    /// Which layer, file or setting it is about.
    pub place: String,
    /// The section it belongs to, from 0.
    pub section: usize,
}

/// A part of a page.
pub struct Section {
    /// Its name in links, unlike that of any other: `cka-seeds`.
    pub id: String,
    /// The file it is made from, in a word.
    pub source: String,
    /// What it is found by beside its title, kind and source: names of models and data.
    pub words: String,
    /// What kind of thing it shows, in a word or two.
    pub kind: String,
    /// Its title.
    pub title: String,
    /// What it found, in a few sentences.
    pub lead: String,
    /// All the rest.
    pub body: Markup,
}

impl Page<'_> {
    /// The page as HTML.
    pub fn to_html(&self) -> String {
        let style = format!("{STYLE}{}", legend::classes());
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy(&style, SCRIPT));
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    link rel="icon" href="data:,";
                    style { (PreEscaped(&style)) }
                }
                body {
                    a.skip href="#main" { "Skip to the results" }
                    (self.header())
                    main #main { @for (i, section) in self.sections.iter().enumerate() {
                        (section.draw(self.sections.len() > 1, &self.link(i)))
                    } }
                    footer { p.small { (self.footer) } }
                    p.hidden #said role="status" {}
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }

    fn header(&self) -> Markup {
        html! {
            header {
                @if !self.kicker.is_empty() { p.kicker { (self.kicker) } }
                h1 { (self.title) }
                p.lead { (self.lead) }
                (self.warnings())
                @if self.sections.len() > 1 {
                    nav.index aria-label="Reports" { ol { @for (i, section) in self.sections.iter().enumerate() {
                        li data-words=(section.words) {
                            a href={ "#" (section.id) } { (self.link(i)) }
                            span.small {
                                @if !self.repeats(i) { " · " (section.kind) }
                                @if !section.source.is_empty() { " · " (section.source) }
                            }
                        }
                    } } }
                }
            }
        }
    }

    fn warnings(&self) -> Markup {
        let many = self.sections.len() > 1;
        html! {
            @if self.notices.is_empty() {
                p.small.none-known { "No warnings." }
            } @else {
                section.warnings aria-labelledby="warnings" {
                    h2 #warnings { (count(self.notices.len())) }
                    ul { @for notice in self.notices {
                        li {
                            (notice.text)
                            @if many {
                                " " a href={ "#" (self.id(notice.section)) } { (self.link(notice.section)) }
                            } @else if !notice.place.is_empty() && !notice.text.contains(&notice.place) {
                                " " span.place { "(" (notice.place) ")" }
                            }
                        }
                    } }
                }
            }
        }
    }

    fn id(&self, index: usize) -> &str {
        self.sections.get(index).map_or("", |section| &section.id)
    }

    /// Whether another section has the same title.
    fn repeats(&self, index: usize) -> bool {
        let title = self.sections.get(index).map(|section| &section.title);
        self.sections.iter().filter(|section| Some(&section.title) == title).count() > 1
    }

    /// What a link to a section reads, unlike those to all others: its title, where that repeats with
    /// its kind, and where that does too with how many such there are up to it.
    fn link(&self, index: usize) -> String {
        let Some(section) = self.sections.get(index) else { return String::new() };
        if !self.repeats(index) {
            return section.title.clone();
        }
        let same = |other: &&Section| other.title == section.title && other.kind == section.kind;
        let text = format!("{} · {}", section.title, section.kind);
        match self.sections.iter().filter(same).count() {
            1 => text,
            _ => format!("{text} ({})", self.sections[..=index].iter().filter(same).count()),
        }
    }
}

impl Section {
    /// One among others says itself what it is; of a single one the page has said it.
    fn draw(&self, among_others: bool, link: &str) -> Markup {
        let id = &self.id;
        html! {
            section.report #(id) aria-label=(if among_others { link } else { "Results" }) {
                @if among_others {
                    p.kicker { (self.kind) }
                    h2 #{ (id) "-title" } {
                        (self.title) " "
                        a.anchor href={ "#" (id) } aria-label={ "Link to " (link) } { "#" }
                    }
                    p.lead { (self.lead) }
                } @else {
                    h2.hidden #{ (id) "-title" } { "Results" }
                }
                (self.body)
            }
        }
    }
}

fn count(notices: usize) -> String {
    match notices {
        1 => "A warning before you read on".to_owned(),
        many => format!("{many} warnings before you read on"),
    }
}

/// What the page may do: use this style and this script, and show pictures that are in it.
fn policy(style: &str, script: &str) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; \
         base-uri 'none'; form-action 'none'",
        hash(style),
        hash(script)
    )
}
