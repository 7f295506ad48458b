//! Files stay short enough to read.

use crate::sources::all;

/// Lines a file under `src` may have.
const MOST: usize = 550;

/// Lines `main.rs` may have: it parses, runs, and turns the outcome into an exit code.
const MOST_OF_MAIN: usize = 60;

#[test]
fn files_are_short() {
    for source in all(&["rs", "c", "cpp", "h"]) {
        let lines = source.text.lines().count();
        let most = if source.path == "main.rs" { MOST_OF_MAIN } else { MOST };
        assert!(lines <= most, "src/{} has {lines} lines, more than {most}", source.path);
    }
}
