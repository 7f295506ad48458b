//! Every path that begins with `crate::` is one the module may take.

use std::collections::BTreeSet;

use crate::rules::{IMPURE, RULES, Rule};
use crate::sources::{Source, all};

fn rule_of(source: &Source) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.module == source.module())
}

/// The first parts of all paths that begin with `crate::`, those of `use crate::{a, b}` included.
fn modules_named(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (place, _) in code.match_indices("crate::") {
        if code[..place].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[place + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => named.extend(heads_of_group(group)),
            None => named.extend(identifier(rest)),
        }
    }
    named
}

/// The first part of each item of a group, which begins after its `{`.
fn heads_of_group(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut heads = vec![];
    let mut item = String::new();
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.extend(identifier(item.trim()));
                item.clear();
            }
            _ if depth == 0 => item.push(letter),
            _ => {}
        }
    }
    heads.extend(identifier(item.trim()));
    heads
}

fn identifier(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    Some(word).filter(|word| !word.is_empty())
}

/// Number of parts of the module path of a file: 1 for `stats/mod.rs`, 2 for `stats/hsic.rs`.
fn depth(source: &Source) -> usize {
    let parts = source.path.split('/').count();
    parts - usize::from(source.path.ends_with("/mod.rs"))
}

#[test]
fn every_module_has_a_rule() {
    let free = ["main", "lib"];
    for source in all(&["rs"]) {
        let known = free.contains(&source.module()) || rule_of(&source).is_some();
        assert!(known, "tests/architecture/rules.rs has no rule for {}", source.path);
    }
}

#[test]
fn imports_go_downwards_only() {
    for source in all(&["rs"]) {
        let Some(rule) = rule_of(&source) else { continue };
        for name in modules_named(&source.code()) {
            let own = name == rule.module;
            assert!(
                own || rule.sees.contains(&name.as_str()),
                "src/{} names crate::{name}, which {} must not see",
                source.path,
                rule.module
            );
        }
    }
}

/// The rules are as strict as the code is.
#[test]
fn every_permission_is_used() {
    for rule in RULES {
        let own: Vec<Source> =
            all(&["rs"]).into_iter().filter(|source| source.module() == rule.module).collect();
        let named: BTreeSet<String> =
            own.iter().flat_map(|source| modules_named(&source.code())).collect();
        for module in rule.sees {
            assert!(named.contains(*module), "{} need not see {module}", rule.module);
        }
    }
}

/// A chain of `super::` must not leave the top-level module, where the rules could not see it.
#[test]
fn super_stays_within_a_module() {
    for source in all(&["rs"]).iter().filter(|source| rule_of(source).is_some()) {
        let chain = "super::".repeat(depth(source));
        let found = source.code().contains(&chain);
        assert!(!found, "src/{} climbs to the crate with {chain}", source.path);
    }
}

#[test]
fn numerics_are_free_of_torch_files_and_printing() {
    for source in all(&["rs"]) {
        let Some(rule) = rule_of(&source).filter(|rule| rule.pure) else { continue };
        for word in IMPURE {
            let found = names(&source.code(), word);
            assert!(!found, "src/{} of {} uses {word}", source.path, rule.module);
        }
    }
}

/// Whether a word stands in the code, and not as the end of a longer one: `tch::` is not in `stitch::`.
fn names(code: &str, word: &str) -> bool {
    let longer = |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    code.match_indices(word).any(|(at, _)| !longer(&code[..at]))
}

#[test]
fn a_word_is_not_the_end_of_another() {
    assert!(names("use tch::Tensor;", "tch::") && names("(tch::no_grad)", "tch::"));
    assert!(!names("stitch::content(report)", "tch::"));
}

#[test]
fn only_the_command_line_prints() {
    for source in all(&["rs"]).iter().filter(|source| source.module() != "cli") {
        if source.path == "torchscript/build.rs" {
            continue;
        }
        for word in ["println!", "print!", "eprintln!", "eprint!", "std::process::exit"] {
            assert!(!source.code().contains(word), "src/{} uses {word}", source.path);
        }
    }
}

#[test]
fn groups_of_imports_are_read() {
    let code =
        "use crate::{a, b::{c, d}, e::f};\nuse crate::g::h; fn x() -> crate::i { $crate::j }";
    let named: Vec<String> = modules_named(code).into_iter().collect();
    assert_eq!(named, ["a", "b", "e", "g", "i", "j"]);
}

/// What a module of the command line names of the others beside it, `Status` and the like of its root too.
fn neighbours(source: &Source, all: &BTreeSet<String>) -> BTreeSet<String> {
    let code = source.code().replace("crate::cli::", "super::");
    let mut named = BTreeSet::new();
    for (place, _) in code.match_indices("super::") {
        let rest = &code[place + "super::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => named.extend(heads_of_group(group)),
            None => named.extend(identifier(rest)),
        }
    }
    named.intersection(all).cloned().collect()
}

/// The name of the module directly below `cli` that a file belongs to.
fn part_of_cli(source: &Source) -> Option<String> {
    let rest = source.path.strip_prefix("cli/")?;
    let name = rest.split('/').next()?.trim_end_matches(".rs");
    (name != "mod").then(|| name.to_owned())
}

#[test]
fn the_command_line_has_no_circle() {
    let sources = all(&["rs"]);
    let parts: BTreeSet<String> = sources.iter().filter_map(part_of_cli).collect();
    assert!(parts.len() > 20, "{parts:?}");
    let mut left: Vec<(String, BTreeSet<String>)> = parts
        .iter()
        .map(|part| {
            let own = sources.iter().filter(|source| part_of_cli(source).as_ref() == Some(part));
            let mut named: BTreeSet<String> =
                own.flat_map(|source| neighbours(source, &parts)).collect();
            named.remove(part);
            (part.clone(), named)
        })
        .collect();
    // Whoever names nobody that is left is taken away, until nobody is left.
    while !left.is_empty() {
        let names: BTreeSet<String> = left.iter().map(|(name, _)| name.clone()).collect();
        let before = left.len();
        left.retain(|(_, named)| named.intersection(&names).next().is_some());
        assert!(left.len() < before, "these name each other in a circle: {left:?}");
    }
}
