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
//! | [`stages`] | layers side by side that belong together |
//! | [`Tiles`] | several of these as one picture |
//! | [`scatter`] | points, some of them named |
//! | [`sheet`] | pictures in a grid |
//! | [`html`] | pages to read |
//! | [`thumbnail()`] | small pictures of image files |
//! | [`overlay()`], [`paint`] | maps over pictures, and alone |
//! | [`Image`], [`encode_png`], [`upscale`] | pixels |
//! | [`colormap`] | numbers to colours |
//! | [`svg`] | elements, attributes, escaping |
//! | [`text`] | widths, shortening, wrapping, numbers |
//! | [`png`] | SVG to PNG |

pub mod chart;
pub mod colormap;
pub mod heatmap;
pub mod html;
mod overlay;
mod pixels;
pub mod png;
pub mod scatter;
pub mod sheet;
pub mod stages;
mod style;
pub mod svg;
pub mod text;
mod thumbnail;
mod tiles;

pub use chart::{Chart, Rule, Series};
pub use colormap::{ColorMap, Rgb};
pub use heatmap::Heatmap;
pub use overlay::{overlay, paint};
pub use pixels::{Image, encode_png, upscale};
pub use png::RenderError;
pub use scatter::Scatter;
pub use sheet::{Cell, Sheet};
pub use thumbnail::thumbnail;
pub use tiles::{Tile, Tiles};
