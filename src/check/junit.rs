//! A verdict as JUnit XML, which CI systems show.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::groups::{Told, told};
use super::verdict::{Finding, Outcome, Verdict};
use crate::error::{Error, Result, visible};

/// A test case a value: what drifted is a failure, what could not be checked an error; pairs of layers that
/// are reported as one ([`told`]) are one case, and each of the notes is a skipped one. `name` is that
/// of the suite.
///
/// # Errors
/// The writer of XML refuses it.
pub fn junit(verdict: &Verdict, name: &str) -> Result<String> {
    let mut suite = TestSuite::new(name);
    let told = told(verdict);
    let groups: Vec<&Told<'_>> = told.iter().filter(|line| line.is_group()).collect();
    let grouped = |finding: &Finding| {
        groups.iter().any(|group| group.findings.iter().any(|one| std::ptr::eq(*one, finding)))
    };
    let held = verdict.findings().iter().filter(|finding| finding.outcome != Outcome::Moved);
    let alone = held.filter(|finding| !grouped(finding));
    suite.add_test_cases(alone.map(|finding| case(finding, name)));
    suite.add_test_cases(groups.iter().map(|group| case_of_group(group, name)));
    suite.add_test_cases(verdict.notes().iter().map(|note| skipped(note, name)));
    let mut report = Report::new("repsim check");
    report.add_test_suite(suite);
    report
        .to_string()
        .map_err(|e| Error::usage(format!("failed to write JUnit XML: {e}"), "please report this"))
}

/// One test case for all pairs of a group.
fn case_of_group(group: &Told<'_>, suite: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(Outcome::Drifted.word()).set_message(visible(&group.message));
    let mut case = TestCase::new(visible(&group.of), status);
    case.set_classname(suite);
    case
}

/// What passes and should be known.
fn skipped(note: &str, suite: &str) -> TestCase {
    let mut status = TestCaseStatus::skipped();
    status.set_message(visible(note));
    let mut case = TestCase::new("not held to the baseline", status);
    case.set_classname(suite);
    case
}

fn case(finding: &Finding, suite: &str) -> TestCase {
    let kind = match finding.outcome {
        Outcome::Passed | Outcome::Improved | Outcome::Moved => None,
        Outcome::Drifted => Some(NonSuccessKind::Failure),
        Outcome::Unchecked => Some(NonSuccessKind::Error),
    };
    let status = kind.map_or_else(TestCaseStatus::success, |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_type(finding.outcome.word()).set_message(visible(&finding.message));
        if let Some(rule) = &finding.rule {
            status.set_description(visible(rule));
        }
        status
    });
    let title = match &finding.rule {
        Some(rule) => format!("{}: {rule}", finding.of),
        None => finding.of.clone(),
    };
    let mut case = TestCase::new(visible(&title), status);
    case.set_classname(suite);
    case
}
