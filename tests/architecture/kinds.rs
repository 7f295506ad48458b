//! What a kind of report needs in files that it shares with others.

use std::collections::BTreeSet;

use repsim::report::KINDS;

use crate::sources::all;

/// Where a kind is declared, where its page, table and picture are, and where its values are for a check: a line
/// in each. What else belongs to it is in files of its own, and what is missing does not compile.
const SHARED: [&str; 3] = ["check/values/mod.rs", "report/kinds/mod.rs", "view/mod.rs"];

#[test]
fn a_kind_of_report_touches_three_shared_files() {
    for kind in KINDS.iter().map(|kind| kind.name) {
        let report = format!("{}{}Report", kind[..1].to_uppercase(), &kind[1..]);
        let module = format!("mod {kind};");
        let sources = all(&["rs"]);
        // The command line, the demo and the library have commands, which are not kinds.
        let others = sources.iter().filter(|s| !["cli", "demo", "analysis"].contains(&s.module()));
        let naming = others.filter(|source| {
            let code = source.code();
            let looks = ["report", "check", "view"].contains(&source.module());
            code.contains(&report) || (looks && code.contains(&module))
        });
        let own = |path: &str| path.split(['/', '.']).any(|part| part == kind);
        let shared: BTreeSet<String> =
            naming.map(|source| source.path.clone()).filter(|path| !own(path)).collect();
        assert_eq!(shared.iter().map(String::as_str).collect::<Vec<_>>(), SHARED, "{kind}");
    }
}

/// Whoever asks a part of a kind asks it of all: the documentation of their declaration shows that one that lacks
/// the part does not compile then.
#[test]
fn parts_are_asked_of_every_kind() {
    let sources = all(&["rs"]);
    let asks = |path: &str, call: &str| {
        let source = sources.iter().find(|source| source.path == path).unwrap();
        let place = source.code().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(place.contains(&format!("with_report!(report, report => {call}")), "{path}");
    };
    asks("view/mod.rs", "whole(report, place, report.content(place))");
    asks("check/values/mod.rs", "report.content()");
    asks("check/values/mod.rs", "report.unsound()");
}
