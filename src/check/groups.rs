//! Values that drifted, for people: pairs of layers of different names are reported once a layer.

use super::measures::Places;
use super::selector::Selector;
use super::verdict::{Finding, Outcome, Verdict, shown};

/// Pairs that are reported as one.
const LEAST: usize = 3;

/// Failures that are reported in one line.
#[derive(Debug, Clone, PartialEq)]
pub struct Told<'a> {
    /// What failed: `cka["layer4"]`, or `cka of layer3 of A with 15 others`.
    pub of: String,
    /// All of it in words.
    pub message: String,
    /// The failures, the largest difference first.
    pub findings: Vec<&'a Finding>,
}

/// Two layers of different names whose value drifted.
struct Pair<'a> {
    finding: &'a Finding,
    measure: &'static str,
    layers: [String; 2],
}

impl Told<'_> {
    /// The failure with the largest difference.
    pub fn largest(&self) -> Option<&Finding> {
        self.findings.first().copied()
    }

    /// Whether it is several in one.
    pub fn is_group(&self) -> bool {
        self.findings.len() > 1
    }
}

/// The failures of a verdict in the order of [`Verdict::failures`], those of three pairs or more of layers
/// of different names that share a layer as one: noise in one layer changes all of its pairs.
pub fn told(verdict: &Verdict) -> Vec<Told<'_>> {
    let failures = verdict.failures();
    let mut pairs: Vec<Pair<'_>> =
        failures.iter().filter_map(|finding| Pair::of(finding)).collect();
    let mut lines: Vec<Told<'_>> = vec![];
    while let Some((side, measure, layer)) = most_shared(&pairs) {
        let (group, rest) = pairs
            .into_iter()
            .partition(|pair: &Pair<'_>| pair.measure == measure && pair.layers[side] == layer);
        pairs = rest;
        lines.push(together(measure, side, &layer, group));
    }
    let grouped = |finding: &Finding| {
        lines.iter().any(|line| line.findings.iter().any(|one| std::ptr::eq(*one, finding)))
    };
    let alone: Vec<Told<'_>> =
        failures.iter().filter(|finding| !grouped(finding)).map(|finding| one(finding)).collect();
    let mut all: Vec<Told<'_>> = alone.into_iter().chain(lines).collect();
    let place = |line: &Told<'_>| {
        let first = line.largest();
        failures.iter().position(|finding| first.is_some_and(|one| std::ptr::eq(one, *finding)))
    };
    all.sort_by_key(|line| place(line));
    all
}

/// How many values are reported in groups, in words; `None` where there are no groups.
pub fn in_words(verdict: &Verdict) -> Option<String> {
    let lines = told(verdict);
    let groups: Vec<&Told<'_>> = lines.iter().filter(|line| line.is_group()).collect();
    let count: usize = groups.iter().map(|group| group.findings.len()).sum();
    let lines = if groups.len() == 1 { "line" } else { "lines" };
    (count > 0).then(|| {
        format!(
            "{count} of them are pairs of layers of different names, in {} {lines}",
            groups.len()
        )
    })
}

fn one(finding: &Finding) -> Told<'_> {
    Told { of: finding.of.clone(), message: finding.message.clone(), findings: vec![finding] }
}

/// The layer, as one of A (0) or of B (1), that most pairs of a measure share, if those are enough.
fn most_shared(pairs: &[Pair<'_>]) -> Option<(usize, &'static str, String)> {
    let mut most: Option<(usize, (usize, &'static str, String))> = None;
    for pair in pairs {
        for side in [0, 1] {
            let same = |other: &&Pair<'_>| {
                other.measure == pair.measure && other.layers[side] == pair.layers[side]
            };
            let count = pairs.iter().filter(same).count();
            if count >= LEAST && most.as_ref().is_none_or(|(known, _)| count > *known) {
                most = Some((count, (side, pair.measure, pair.layers[side].clone())));
            }
        }
    }
    most.map(|(_, found)| found)
}

fn together<'a>(measure: &'static str, side: usize, layer: &str, group: Vec<Pair<'a>>) -> Told<'a> {
    let findings: Vec<&Finding> = group.into_iter().map(|pair| pair.finding).collect();
    let (own, other) = if side == 0 { ("A", "B") } else { ("B", "A") };
    let count = findings.len();
    let message = format!(
        "{measure} of {layer} of {own} with {count} layers of {other} of different names moved, the most by {}: \
         {}",
        findings[0].difference.get().map_or_else(String::new, shown),
        findings[0].message
    );
    Told { of: format!("{measure} of {layer} of {own} with {count} others"), message, findings }
}

impl<'a> Pair<'a> {
    fn of(finding: &'a Finding) -> Option<Self> {
        if finding.outcome != Outcome::Drifted || finding.rule.is_some() {
            return None;
        }
        let found: Selector = finding.of.parse().ok()?;
        let facts = found.facts();
        let [a, b] = <[String; 2]>::try_from(found.names()).ok()?;
        let pair = Self { finding, measure: facts.name, layers: [a, b] };
        (facts.places == Places::Layers && pair.layers[0] != pair.layers[1]).then_some(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drifted(of: &str, difference: f64) -> Finding {
        Finding {
            outcome: Outcome::Drifted,
            of: of.to_owned(),
            rule: None,
            value: 0.5.into(),
            baseline: 0.4.into(),
            expected: "0.4 ± 0.001".to_owned(),
            difference: difference.into(),
            tolerances: (difference / 0.001).into(),
            message: format!("{of} moved"),
        }
    }

    #[test]
    fn pairs_that_share_a_layer_are_one_line() {
        let names = ["conv1", "bn1", "layer1", "fc"];
        let mut findings = vec![drifted("cka[\"layer3\"]", 0.2)];
        for (i, name) in names.iter().enumerate() {
            findings.push(drifted(&format!("cka[\"layer3\",\"{name}\"]"), 0.01 * (i + 1) as f64));
            findings.push(drifted(&format!("cka[\"{name}\",\"layer3\"]"), 0.3));
        }
        findings.push(drifted("cka[\"conv1\",\"fc\"]", 0.05));
        let verdict = Verdict::new(findings);
        let lines = told(&verdict);
        let of: Vec<&str> = lines.iter().map(|line| line.of.as_str()).collect();
        let expected = [
            "cka of layer3 of B with 4 others",
            "cka[\"layer3\"]",
            "cka[\"conv1\",\"fc\"]",
            "cka of layer3 of A with 4 others",
        ];
        assert_eq!(of, expected);
        assert_eq!(lines.iter().map(|line| line.findings.len()).sum::<usize>(), 10);
        assert!(lines[3].message.contains("the most by 0.04"), "{}", lines[3].message);
        let words = in_words(&verdict).unwrap_or_default();
        assert_eq!(words, "8 of them are pairs of layers of different names, in 2 lines");
    }

    #[test]
    fn two_pairs_stay_apart() {
        let findings = ["cka[\"a\",\"b\"]", "cka[\"a\",\"c\"]"].map(|of| drifted(of, 0.1)).to_vec();
        let verdict = Verdict::new(findings);
        assert_eq!(told(&verdict).len(), 2);
        assert_eq!(in_words(&verdict), None);
    }
}
