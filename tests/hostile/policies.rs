//! Policies and patterns that nest without end.

use repsim::check::Policy;
use repsim::torchscript::Selection;

use crate::check_support::{Files, refused};
use crate::support::repsim;

/// So many of a text before another.
fn nested(open: &str, count: usize, middle: &str, close: &str) -> String {
    format!("{}{middle}{}", open.repeat(count), close.repeat(count))
}

/// What is wrong with a rule.
fn said(rule: &str) -> String {
    let text = format!("version = 1\nrules = [{}]\n", serde_json::Value::from(rule));
    Policy::parse(&text, "p.toml".as_ref()).err().map_or_else(String::new, |e| e.to_string())
}

#[test]
fn rules_nest_so_deep_and_no_deeper() {
    for count in [33, 4_000, 100_000] {
        for (open, close) in [("(", ")"), ("!(", ")"), ("@[?", "]"), ("$[?@.a[?", "]]")] {
            let text = said(&format!("$.results[?{}] > 1", nested(open, count, "@.a", close)));
            assert!(text.contains("nest"), "{count} of {open}: {:.300}", text);
            assert!(text.len() < 700, "{count} of {open}: {} letters", text.len());
        }
    }
    assert_eq!(said(&format!("$.results[?{}] > 1", nested("(", 20, "@.a", ")"))), "");
}

#[test]
fn patterns_nest_so_deep_and_no_deeper() {
    let choose = |pattern: String| Selection::new(&[pattern]).err().map(|e| e.to_string());
    for count in [9, 400, 30_000] {
        let text = choose(nested("{", count, "a", "}")).unwrap_or_default();
        assert!(text.contains("nest deeper") || text.contains("bytes"), "{count}: {text}");
        assert!(text.len() < 700, "{} letters", text.len());
        let rule = said(&format!("cka[\"{}\"] > 1", nested("{", count, "a", "}")));
        assert!(rule.contains("nest deeper") || rule.contains("bytes"), "{count}: {rule}");
    }
    assert_eq!(choose("{a,{b,c}}.*".repeat(9)), None);
    assert!(choose("*".repeat(50_000)).is_some_and(|text| text.len() < 700));
}

#[test]
fn errors_are_never_longer_than_a_screen() {
    let name = "a.".repeat(40_000);
    let run = repsim(["cka", "x.pt", "--data", &name, "--workers", &name]);
    assert!(run.code == 2 && run.stderr.lines().count() == 1, "{:.200}", run.stderr);
    assert!(run.stderr.len() < 3000, "{} bytes", run.stderr.len());
}

#[test]
fn long_rules_are_told_in_a_short_line() {
    for rule in ["x".repeat(1 << 20), "cka[\"".to_owned() + &"a".repeat(1 << 20)] {
        let text = said(&rule);
        assert!(!text.is_empty() && text.len() < 700, "{} letters", text.len());
    }
}

#[test]
fn a_policy_of_parentheses_is_refused_in_a_line() {
    let files = Files::new();
    let rule = format!("$.results[?{}] > 1", nested("(", 4_000, "@.a", ")"));
    let policy = files.text("policy.toml", &format!("version = 1\nrules = [\"{rule}\"]\n"));
    let run = repsim(["check", "report.json", "--policy", &policy]);
    refused(&run, &["policy.toml", "nest"]);
}
