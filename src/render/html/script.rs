//! The script of a page, from its parts: what all use, then tables, maps, what can be taken away and found, and the
//! screen or paper.

/// All parts, in the order in which they run.
pub(super) const SCRIPT: &str = concat!(
    include_str!("script/start.js"),
    include_str!("script/tables.js"),
    include_str!("script/maps.js"),
    include_str!("script/take.js"),
    include_str!("script/find.js"),
    include_str!("script/screen.js"),
);
