//! A small SVG writer: elements that are always well-formed and whose bytes depend on nothing else
//! than what was put in.

use std::fmt::{self, Display, Write};

use super::colormap::Rgb;
use super::text;
use crate::error::visible;

/// A rectangle; `y` grows downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Rect {
    /// A square around a centre.
    pub fn square(x: f64, y: f64, side: f64) -> Self {
        Self { x: x - side / 2.0, y: y - side / 2.0, width: side, height: side }
    }

    /// The right edge.
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// The lower edge.
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// The middle.
    pub fn centre(&self) -> (f64, f64) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// The rectangle with every edge moved inwards by `by`.
    pub fn inset(&self, by: f64) -> Self {
        let (width, height) = (self.width - 2.0 * by, self.height - 2.0 * by);
        Self { x: self.x + by, y: self.y + by, width: width.max(0.0), height: height.max(0.0) }
    }
}

/// Which point of a text lies at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

impl Anchor {
    /// The value of the attribute `text-anchor`.
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// An SVG element with its attributes and what it holds.
#[derive(Debug, Clone)]
pub struct Element {
    name: &'static str,
    attributes: String,
    content: String,
}

impl Element {
    /// An element without attributes and content.
    pub fn new(name: &'static str) -> Self {
        Self { name, attributes: String::new(), content: String::new() }
    }

    /// Adds an attribute; its value is escaped.
    pub fn attr(mut self, name: &str, value: &str) -> Self {
        // Writing to a String cannot fail.
        let _ = write!(self.attributes, " {name}=\"{}\"", escape(value));
        self
    }

    /// Adds an attribute that is a number, with two decimals at most.
    pub fn num(self, name: &str, value: f64) -> Self {
        self.attr(name, &number(value))
    }

    /// Fills it with a colour.
    pub fn fill(self, colour: Rgb) -> Self {
        self.attr("fill", &colour.hex())
    }

    /// Draws its outline in a colour, `width` units wide.
    pub fn stroke(self, colour: Rgb, width: f64) -> Self {
        self.attr("stroke", &colour.hex()).num("stroke-width", width)
    }

    /// Says which point of a text lies at its position.
    pub fn anchor(self, anchor: Anchor) -> Self {
        self.attr("text-anchor", anchor.name())
    }

    /// Adds text; it is escaped.
    pub fn text(mut self, text: &str) -> Self {
        self.content.push_str(&escape(text));
        self
    }

    /// Adds an element.
    pub fn child(mut self, child: Element) -> Self {
        let _ = write!(self.content, "\n{child}");
        self
    }

    /// Adds elements.
    pub fn children(self, children: impl IntoIterator<Item = Element>) -> Self {
        children.into_iter().fold(self, Self::child)
    }

    /// Adds what a browser shows while the pointer is over the element.
    pub fn tooltip(mut self, text: &str) -> Self {
        let _ = write!(self.content, "{}", Self::new("title").text(text));
        self
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, attributes, content } = self;
        if content.is_empty() {
            write!(f, "<{name}{attributes}/>")
        } else {
            write!(f, "<{name}{attributes}>{content}</{name}>")
        }
    }
}

/// A whole drawing on white paper: the outermost element. An empty title is left out.
pub fn document(width: f64, height: f64, title: &str) -> Element {
    let root = Element::new("svg")
        .attr("xmlns", "http://www.w3.org/2000/svg")
        .num("width", width)
        .num("height", height)
        .attr("viewBox", &format!("0 0 {} {}", number(width), number(height)))
        .attr("font-family", &format!("'{}', Verdana, Arial, sans-serif", text::FAMILY));
    let root = if title.is_empty() { root } else { root.tooltip(title) };
    root.child(rect(Rect { x: 0.0, y: 0.0, width, height }).fill(Rgb::new(0xff_ff_ff)))
}

/// A group: its attributes hold for everything in it.
pub fn group() -> Element {
    Element::new("g")
}

/// A rectangle.
pub fn rect(at: Rect) -> Element {
    Element::new("rect")
        .num("x", at.x)
        .num("y", at.y)
        .num("width", at.width)
        .num("height", at.height)
}

/// A circle.
pub fn circle(x: f64, y: f64, radius: f64) -> Element {
    Element::new("circle").num("cx", x).num("cy", y).num("r", radius)
}

/// A polygon through `points`, or nothing but its outline when it has no fill.
pub fn polygon(points: &[(f64, f64)]) -> Element {
    let points: Vec<_> =
        points.iter().map(|&(x, y)| format!("{},{}", number(x), number(y))).collect();
    Element::new("polygon").attr("points", &points.join(" "))
}

/// Separate straight lines, each from one point to another, as one element without fill.
pub fn lines(lines: impl IntoIterator<Item = [(f64, f64); 2]>) -> Element {
    let mut data = String::new();
    for [from, to] in lines {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(number);
        let _ = write!(data, "M{x1} {y1}L{x2} {y2}");
    }
    Element::new("path").attr("d", &data).attr("fill", "none")
}

/// A text whose middle is at height `y`.
pub fn label(x: f64, y: f64, size: f64, text: &str) -> Element {
    let baseline = y + text::MIDDLE * size;
    Element::new("text").num("x", x).num("y", baseline).num("font-size", size).text(text)
}

/// A text that runs upwards and whose middle is at `x`.
pub fn vertical_label(x: f64, y: f64, size: f64, text: &str) -> Element {
    let baseline = x + text::MIDDLE * size;
    let turn = format!("rotate(-90 {} {})", number(baseline), number(y));
    label(baseline, y - text::MIDDLE * size, size, text).attr("transform", &turn)
}

/// A coordinate: two decimals at most, no exponent, no negative zero; 0 if it is not finite.
pub fn number(value: f64) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    let text = format!("{value:.2}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".into(),
        trimmed => trimmed.into(),
    }
}

/// Text that may stand inside an element or a quoted attribute.
///
/// White space becomes a blank, hidden characters are shown by their escapes, and others that XML does
/// not allow become U+FFFD.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let text = text.replace(['\t', '\n', '\r'], " ");
    for character in visible(&text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_escaped() {
        assert_eq!(escape(r#"<a & "b">"#), "&lt;a &amp; &quot;b&quot;&gt;");
        assert_eq!(escape("a\nb\u{0}\u{1b}c\u{ffff}"), "a b\\u{0}\\u{1b}c\u{fffd}");
    }

    #[test]
    fn numbers_are_short_and_plain() {
        assert_eq!(number(1.0), "1");
        assert_eq!(number(10.0), "10");
        assert_eq!(number(0.126), "0.13");
        assert_eq!(number(-0.001), "0");
        assert_eq!(number(f64::NAN), "0");
    }

    #[test]
    fn elements_nest() {
        let drawing = group().attr("id", "a\"b").child(circle(1.0, 2.0, 3.5).tooltip("x < y"));
        assert_eq!(
            drawing.to_string(),
            "<g id=\"a&quot;b\">\n<circle cx=\"1\" cy=\"2\" r=\"3.5\">\
             <title>x &lt; y</title></circle></g>"
        );
    }

    #[test]
    fn every_shape_is_valid_svg() {
        let drawing = document(50.0, 40.0, "a & b")
            .child(lines([[(0.0, 0.0), (9.0, 9.0)]]).stroke(Rgb::new(0), 1.0))
            .child(polygon(&[(0.0, 0.0), (5.0, 0.0), (0.0, 5.0)]).fill(Rgb::new(0)))
            .child(rect(Rect::square(5.0, 5.0, 4.0)))
            .child(label(5.0, 5.0, 9.0, "\u{1}<").anchor(Anchor::End))
            .child(vertical_label(5.0, 5.0, 9.0, "&"));
        let tree = crate::render::png::parse(&drawing.to_string()).expect("parses");
        assert_eq!((tree.size().width(), tree.size().height()), (50.0, 40.0));
    }
}
