//! Pictures of results: an SVG, and the same SVG as PNG.
//!
//! A picture is built as a tree of [`svg::Element`]s whose layout follows from the widths of its
//! texts ([`text::width`]), so nothing is cut off or overlaps whatever the layers are called. The
//! PNG is made from that very SVG with a font that lies inside the program ([`png::from_svg`]):
//! no font of the system is used, and equal input gives equal bytes everywhere.
//!
//! | module | what it is for |
//! |---|---|
//! | [`heatmap`] | a matrix of layers against layers |
//! | [`chart`] | curves over a common axis |
//! | [`colormap`] | numbers to colours |
//! | [`svg`] | elements, attributes, escaping |
//! | [`text`] | widths, shortening, wrapping, numbers |
//! | [`png`] | SVG to PNG |

pub mod chart;
pub mod colormap;
pub mod heatmap;
pub mod png;
pub mod svg;
pub mod text;

pub use chart::{Chart, Rule, Series};
pub use colormap::Rgb;
pub use heatmap::Heatmap;
pub use png::RenderError;
