//! Failures as annotations of GitHub Actions.

use super::groups::told;
use super::verdict::{Outcome, Verdict};
use crate::error::visible;

/// GitHub shows ten annotations of a step.
const MOST: usize = 10;

/// A workflow command a line: `::error title=…::…`; ten at most, of which the last says how many
/// more there are; and a `::notice` for each of the notes.
pub fn annotations(verdict: &Verdict) -> String {
    let failures = told(verdict);
    let shown = if failures.len() > MOST { MOST - 1 } else { failures.len() };
    let line =
        |title: &str, text: &str| format!("::error title={}::{}\n", property(title), escaped(text));
    let mut text = String::new();
    for failure in &failures[..shown] {
        let outcome = failure.largest().map_or(Outcome::Drifted, |finding| finding.outcome);
        let title = format!("repsim: {}: {}", outcome.word(), failure.of);
        text.push_str(&line(&title, &failure.message));
    }
    if failures.len() > shown {
        let more = format!("{} more failures: {}", failures.len() - shown, verdict.summary());
        text.push_str(&line("repsim", &more));
    }
    for note in verdict.notes() {
        text.push_str(&format!("::notice title=repsim::{}\n", escaped(&note)));
    }
    text
}

/// The text of a command, which ends with its line.
fn escaped(text: &str) -> String {
    visible(&text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")).into_owned()
}

/// A property of a command, which ends at a colon or a comma.
fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::verdict::Finding;

    fn verdict(count: usize) -> Verdict {
        let finding = |i: usize| Finding {
            outcome: Outcome::Drifted,
            of: format!("cka[\"relu:{i}\",\"b{i}\"]"),
            rule: None,
            value: 0.5.into(),
            baseline: 0.9.into(),
            expected: String::new(),
            difference: (-0.4).into(),
            tolerances: None.into(),
            message: "50 %\r\noff: by, much".to_owned(),
        };
        Verdict::new((0..count).map(finding).collect())
    }

    #[test]
    fn what_commands_end_with_is_escaped() {
        let text = annotations(&verdict(1));
        let title = "::error title=repsim%3A drifted%3A cka[\"relu%3A0\"%2C\"b0\"]::";
        assert_eq!(text, format!("{title}50 %25%0D%0Aoff: by, much\n"));
    }

    #[test]
    fn there_are_ten_at_most() {
        assert_eq!(annotations(&verdict(10)).lines().count(), 10);
        let text = annotations(&verdict(25));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 10);
        assert!(lines[9].contains("16 more failures") && lines[9].contains("25 drifted"));
        assert_eq!(annotations(&verdict(0)), "");
    }
}
