//! The README says of the measures what the library knows of them.

use std::path::Path;

use repsim::view::measures;

#[test]
fn the_readme_has_the_table_of_measures() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let table = measures::table();
    assert!(readme.contains(&table), "the table of measures in README.md is to be:\n{table}");
}
