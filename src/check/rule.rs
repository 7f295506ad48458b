//! Rules: `cka["layer4*"] >= 0.95`, `drop <= 0.02 against baseline`.

mod parse;

use std::fmt;
use std::str::FromStr;

use serde_json_path::JsonPath;

use super::selector::Selector;

/// What a report has to meet.
///
/// ```text
/// SUBJECT (>= | <= | > | < | == | !=) NUMBER
/// (drop | rise | change)[(SUBJECT)] (>= | …) NUMBER against baseline
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What is held: the value itself where `movement` is `None`.
    pub subject: Subject,
    /// The difference from the baseline that is held instead.
    pub movement: Option<Movement>,
    /// How.
    pub operator: Operator,
    /// Against which number.
    pub number: f64,
}

/// Which values a rule is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// Those a report is about: for layers the pairs of one name.
    Main,
    /// The pairs of layers of one name.
    Diagonal,
    /// Those of a measure.
    Selector(Selector),
    /// Numbers anywhere in the report, by a JSON path (RFC 9535).
    Path(Path),
}

/// A JSON path as it was written.
///
/// The text is kept, for what the library shows of `$..n` cannot be read again.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    pub(super) text: String,
    pub(super) query: JsonPath,
}

/// How a value differs from its baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// How much worse it is, in the direction of its measure.
    Drop,
    /// How much better it is.
    Rise,
    /// |value − baseline|.
    Change,
}

/// How a number is held against another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `<`
    Below,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
}

/// Why a text is not a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The rule as it was written.
    pub rule: String,
    /// Where in it, in characters from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
}

impl Operator {
    /// All, those of two characters first.
    const ALL: [(&'static str, Self); 6] = [
        (">=", Self::AtLeast),
        ("<=", Self::AtMost),
        ("==", Self::Equal),
        ("!=", Self::Unequal),
        (">", Self::Above),
        ("<", Self::Below),
    ];

    /// Whether `left` stands in this relation to `right`.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::AtLeast => left >= right,
            Self::AtMost => left <= right,
            Self::Above => left > right,
            Self::Below => left < right,
            Self::Equal => left == right,
            Self::Unequal => left != right,
        }
    }
}

impl Movement {
    const ALL: [(&'static str, Self); 3] =
        [("drop", Self::Drop), ("rise", Self::Rise), ("change", Self::Change)];
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        parse::rule(text)
    }
}

impl FromStr for Selector {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        parse::selector(text)
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = match self.rule.chars().count() > SHOWN {
            true => self.column.saturating_sub(SHOWN / 2),
            false => 0,
        };
        let (rule, problem) =
            (excerpt(&self.rule, first, SHOWN), excerpt(&self.problem, 0, 2 * SHOWN));
        write!(f, "'{rule}', column {}: {problem}", self.column)
    }
}

/// Letters of a rule that a message shows, those around the mistake.
const SHOWN: usize = 160;

/// So many letters from one on.
fn excerpt(text: &str, first: usize, room: usize) -> String {
    let shown: String = text.chars().skip(first).take(room).collect();
    let more = text.chars().nth(first + room).is_some();
    let (before, behind) = (if first > 0 { "…" } else { "" }, if more { "…" } else { "" });
    format!("{before}{shown}{behind}")
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(_, operator)| operator == self);
        f.write_str(found.map_or("", |(text, _)| text))
    }
}

impl fmt::Display for Movement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(_, movement)| movement == self);
        f.write_str(found.map_or("", |(text, _)| text))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main => Ok(()),
            Self::Diagonal => f.write_str("diagonal"),
            Self::Selector(selector) => write!(f, "{selector}"),
            Self::Path(path) => f.write_str(&path.text),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, movement, operator, number } = self;
        match (movement, subject) {
            (None, _) => write!(f, "{subject} {operator} {number}"),
            (Some(movement), Subject::Main) => {
                write!(f, "{movement} {operator} {number} against baseline")
            }
            (Some(movement), _) => {
                write!(f, "{movement}({subject}) {operator} {number} against baseline")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rules_are_read() -> Result<(), RuleError> {
        for text in [
            "cka[\"layer4*\"] >= 0.95",
            "fid[\"*\"] <= 12",
            "diagonal >= 0.9",
            "drop <= 0.02 against baseline",
            "drop(cka[\"layer4*\"]) <= 0.02 against baseline",
            "change(cka[\"layer1\",\"layer4.**\"]) < 0.000001 against baseline",
            "rise(diagonal) >= -0.5 against baseline",
            "auroc != 0.5",
            "accuracy == 1",
        ] {
            assert_eq!(text.parse::<Rule>()?.to_string(), text);
        }
        let path = "$.results.layers[?@.name == 'a >= b'].parameters > 1e3".parse::<Rule>()?;
        assert!(matches!(path.subject, Subject::Path(_)), "{path}");
        assert_eq!((path.operator, path.number), (Operator::Above, 1000.0));
        Ok(())
    }

    #[test]
    fn blanks_do_not_matter() -> Result<(), RuleError> {
        let tight: Rule = "drop(cka[\"a\",\"b\"])<=2e-2 against baseline".parse()?;
        let wide: Rule =
            "  drop ( cka [ \"a\" , \"b\" ] )\t<= +0.02   against  baseline ".parse()?;
        assert_eq!(tight, wide);
        Ok(())
    }

    #[test]
    fn mistakes_have_a_column() {
        let said = |text: &str| {
            let error = text.parse::<Rule>().err();
            error.map_or((0, String::new()), |e| (e.column, e.problem))
        };
        for (text, column, part) in [
            ("", 1, "expected a measure"),
            ("cka >> 3", 6, "expected a number"),
            ("cka 0.9", 5, "expected >=, <="),
            ("ckka >= 0.9", 1, "the nearest is cka"),
            ("cka[layer4] >= 0.9", 5, "quotation mark"),
            ("cka[\"layer4] >= 0.9", 5, "is not closed"),
            ("cka[\"[\"] >= 0.9", 4, "is not a pattern"),
            ("cka[\"a\" >= 0.9", 9, "expected ] or ,"),
            ("cka >= 0.9 or so", 12, "nothing more"),
            ("cka >= nan", 8, "expected a number"),
            ("drop <= 0.02", 13, "against baseline"),
            ("drop(cka <= 0.02 against baseline", 10, "expected )"),
            ("rise(fid) <= 1 against you", 24, "baseline"),
            ("$.results[ >= 3", 10, "JSON path"),
            ("$.results", 10, "expected >=, <="),
        ] {
            let (at, problem) = said(text);
            assert_eq!((at, problem.contains(part)), (column, true), "{text}: {at} {problem}");
        }
    }

    fn subjects() -> impl Strategy<Value = String> {
        let name = "[a-z*?.:/\\\\\" é]{0,8}";
        let one = name.prop_map(|n: String| format!("cka[{}]", super::super::selector::quoted(&n)));
        let two = (name, name).prop_map(|(a, b)| {
            let quoted = super::super::selector::quoted;
            format!("fid[{},{}]", quoted(&a), quoted(&b))
        });
        let fixed = prop::sample::select(vec!["kid", "diagonal", "$.results.n", "$..cka[0][*]"]);
        prop_oneof![one, two, fixed.prop_map(str::to_owned)]
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_as_the_same(
            subject in subjects(),
            operator in prop::sample::select(vec![">=", "<=", ">", "<", "==", "!="]),
            movement in prop::option::of(prop::sample::select(vec!["drop", "rise", "change"])),
            number in prop::num::f64::NORMAL | prop::num::f64::ZERO,
        ) {
            let text = match movement {
                Some(m) => format!("{m}({subject}) {operator} {number:e} against baseline"),
                None => format!("{subject} {operator} {number}"),
            };
            let rule: Rule = text.parse().map_err(|e: RuleError| {
                TestCaseError::fail(e.to_string())
            })?;
            let again = rule.to_string().parse::<Rule>();
            prop_assert_eq!(again, Ok(rule));
        }

        #[test]
        fn no_text_is_too_strange(text in ".{0,60}") {
            if let Err(error) = text.parse::<Rule>() {
                prop_assert!((1..=text.chars().count() + 1).contains(&error.column));
            }
        }

        #[test]
        fn nearly_rules_are_not_too_strange(text in "(drop|cka|\\$|fid)[\\[\\](\"\\\\$.<>=!0-9a é,)]{0,30}") {
            if let Err(error) = text.parse::<Rule>() {
                prop_assert!((1..=text.chars().count() + 1).contains(&error.column));
            }
        }
    }
}
