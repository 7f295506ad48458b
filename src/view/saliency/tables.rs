//! Tables of what was measured of the maps beside their agreement.

use std::fmt::Write;

use super::text::MEASURES;
use crate::report::saliency::{
    ColumnInfo, FaithfulnessResult, ImageResult, Mean, PairResult, SaliencyReport, SanityResult,
};
use crate::view::{Screen, table};

/// Images whose numbers are listed one by one.
const IMAGES: usize = 1;

/// All tables that the report has something for, each after a line that says what it is.
pub fn all(report: &SaliencyReport, screen: &Screen) -> String {
    let results = &report.results;
    let names: Vec<&str> = results.columns.iter().map(|c| c.name.as_str()).collect();
    [
        pairs(&results.comparison, screen),
        completeness(&results.images, &results.columns, screen),
        finite(&results.images, screen),
        faithfulness(&results.faithfulness, screen),
        sanity(&results.sanity, &names, screen),
    ]
    .concat()
}

/// The means of every pair with their intervals, and why some are not there.
fn pairs(pairs: &[PairResult], screen: &Screen) -> String {
    let mut header = vec!["map", "against"];
    header.extend(MEASURES.map(|(name, _)| name));
    let row = |pair: &PairResult| {
        let mut row = vec![pair.a.clone(), pair.b.clone()];
        row.extend(MEASURES.map(|(_, value)| mean(value(pair))));
        row
    };
    let mut text = section(
        "Mean over samples, with a 95 % bootstrap interval:",
        &header,
        2,
        pairs.iter().map(row).collect(),
        screen,
    );
    for pair in pairs {
        let reasons = MEASURES.iter().filter_map(|(_, value)| value(pair).reason.as_deref());
        let mut told: Vec<&str> = vec![];
        for reason in reasons {
            if !told.contains(&reason) {
                told.push(reason);
                let _ = writeln!(text, "{} against {}: {reason}", pair.a, pair.b);
            }
        }
    }
    text
}

/// How far integrated gradients are from adding up to S(x) − S(baseline), for each model.
fn completeness(images: &[ImageResult], columns: &[ColumnInfo], screen: &Screen) -> String {
    let models = columns.last().map_or(0, |column| column.model + 1);
    let rows = (0..models).filter_map(|model| {
        let said = images.iter().filter_map(|image| image.predictions.get(model));
        let errors: Vec<f64> =
            said.filter_map(|p| p.completeness_error?.get()).map(f64::abs).collect();
        let most = errors.iter().copied().reduce(f64::max)?;
        let average = errors.iter().sum::<f64>() / errors.len() as f64;
        let count = errors.len().to_string();
        Some(vec![(model + 1).to_string(), digits(average), digits(most), count])
    });
    let title = "Completeness of integrated gradients, |sum of the map − (S(x) − S(baseline))|:";
    section(title, &["model", "mean", "largest", "samples"], 1, rows.collect(), screen)
}

/// The difference quotients of the first images, h after h.
fn finite(images: &[ImageResult], screen: &Screen) -> String {
    let listed = || images.iter().filter(|image| !image.finite_differences.is_empty());
    let series = listed().take(IMAGES).flat_map(|image| {
        image.finite_differences.iter().map(move |series| (&image.sample, series))
    });
    let rows = series.flat_map(|(sample, series)| {
        let place = format!("{},{} side {}", series.row, series.column, series.side);
        series.steps.iter().map(move |step| {
            let best = if step.h == series.best_h { " closest" } else { "" };
            let numbers = [step.quotient, series.autograd, step.relative_error].map(|v| v.get());
            let mut row = vec![sample.clone(), (series.model + 1).to_string(), place.clone()];
            row.push(format!("{:.0e}", step.h));
            row.extend(numbers.map(|v| v.map_or("-".to_owned(), digits)));
            row.push(best.trim().to_owned());
            row
        })
    });
    let header =
        ["image", "model", "patch", "h", "(S(x+h) − S(x))/h", "autograd", "relative error", ""];
    let title = "The derivative from its definition, beside that of autograd:";
    let mut text = section(title, &header, 3, rows.collect(), screen);
    let more = listed().count().saturating_sub(IMAGES);
    if more > 0 {
        let _ = writeln!(text, "({more} more)");
    }
    text
}

/// Deletion and insertion beside those of a random order.
fn faithfulness(found: &[FaithfulnessResult], screen: &Screen) -> String {
    let row = |one: &FaithfulnessResult| {
        let mut row = vec![one.column.clone(), format!("{:?}", one.fill).to_lowercase()];
        let means = [&one.deletion, &one.random_deletion, &one.insertion, &one.random_insertion];
        row.extend(means.map(mean));
        row
    };
    let header = ["map", "fill", "deletion", "in random order", "insertion", "in random order"];
    let title = "Area under the class's probability as pixels are taken away (smaller is better) and put \
                 in (larger is better), the highest of the map first:";
    let mut text = section(title, &header, 2, found.iter().map(row).collect(), screen);
    for one in found {
        if let Some(reason) = &one.deletion.reason {
            let fill = format!("{:?}", one.fill).to_lowercase();
            let _ = writeln!(text, "{} filled with {fill}: {reason}", one.column);
        }
    }
    text
}

/// How alike maps are before and after weights were re-initialised, stage after stage.
fn sanity(found: &[SanityResult], columns: &[&str], screen: &Screen) -> String {
    let of_columns = columns.iter().flat_map(|name| found.iter().filter(|s| s.column == *name));
    let row = |one: &SanityResult| {
        let means = [&one.spearman, &one.ssim].map(mean);
        let mut row = vec![one.column.clone(), one.redrawn_down_to.clone()];
        row.extend(means);
        row
    };
    let title = "The map before and after weights are re-initialised from the output layer down, near 0 where it depends on \
                 them:";
    let header = ["map", "re-initialised down to", "Spearman", "SSIM"];
    section(title, &header, 2, of_columns.map(row).collect(), screen)
}

/// A line and a table under it, whose first columns are names; nothing without rows.
fn section(
    title: &str,
    header: &[&str],
    names: usize,
    rows: Vec<Vec<String>>,
    screen: &Screen,
) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = table::new(header);
    rows.into_iter().for_each(|row| {
        table.add_row(row);
    });
    table.align_right(&(names..header.len()).collect::<Vec<_>>());
    format!("\n{title}\n{}\n", screen.table(&table))
}

/// A mean with its interval.
fn mean(mean: &Mean) -> String {
    let Some(value) = mean.mean.get() else { return "-".to_owned() };
    match mean.interval {
        Some((low, high)) => format!("{value:.3} [{low:.3}, {high:.3}]"),
        None => format!("{value:.3}"),
    }
}

/// A number of any size in four digits.
fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if (1e-3..1e4).contains(&size) => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::saliency::{FiniteDifference, FiniteStep};
    use crate::saliency::faithfulness::Fill;

    fn some(value: f64) -> Mean {
        let interval = Some((value - 0.1, value + 0.1));
        Mean { mean: value.into(), interval, count: 2, per_image: vec![], reason: None }
    }

    fn none(reason: &str) -> Mean {
        Mean {
            mean: None.into(),
            interval: None,
            count: 0,
            reason: Some(reason.into()),
            ..some(0.0)
        }
    }

    #[test]
    fn pairs_have_intervals_and_reasons() {
        let pair = PairResult {
            a: "a".to_owned(),
            b: "b".to_owned(),
            pearson: some(0.5),
            spearman: some(0.25),
            ssim: none("maps are small"),
            overlap: none("maps are small"),
        };
        let text = pairs(&[pair], &Screen::default());
        assert!(text.contains("0.500 [0.400, 0.600]") && text.contains("0.250 [0.150, 0.350]"));
        assert_eq!(text.matches("a against b: maps are small").count(), 1, "{text}");
        assert_eq!(pairs(&[], &Screen::default()), "");
    }

    #[test]
    fn every_h_has_a_row() {
        let step = |h: f64, quotient: f64| FiniteStep {
            h,
            quotient: quotient.into(),
            relative_error: (quotient / 2.0 - 1.0).abs().into(),
        };
        let series = FiniteDifference {
            model: 0,
            row: 3,
            column: 4,
            side: 1,
            autograd: 2.0.into(),
            best_h: 1e-3,
            steps: vec![step(1e-1, 2.5), step(1e-3, 2.001), step(1e-6, f64::NAN)],
        };
        let image = |sample: &str| ImageResult {
            sample: sample.to_owned(),
            label: None,
            predictions: vec![],
            maps: vec![],
            finite_differences: vec![series.clone()],
        };
        let text = finite(&["a", "b", "c", "d"].map(image), &Screen::default());
        let of_a: Vec<&str> = text.lines().filter(|line| line.trim().starts_with("a ")).collect();
        assert_eq!(of_a.len(), 3, "{text}");
        assert!(
            of_a[0].contains("1e-1") && of_a[0].contains("2.5000") && of_a[0].contains("0.2500")
        );
        assert!(of_a[1].contains("closest") && of_a[1].contains("5.00e-4"), "{}", of_a[1]);
        assert!(of_a[2].contains('-') && !of_a[2].contains("NaN"));
        assert!(text.ends_with("(3 more)\n"), "{text}");
    }

    #[test]
    fn tests_of_maps_are_listed() {
        let one = FaithfulnessResult {
            column: "gradcam".to_owned(),
            fill: Fill::Blur,
            deletion: some(0.2),
            insertion: some(0.8),
            random_deletion: some(0.4),
            random_insertion: none("the probability of the class is not finite"),
        };
        let text = faithfulness(&[one], &Screen::default());
        for part in ["gradcam", "blur", "0.200 [", "0.800 [", "0.400 ["] {
            assert!(text.contains(part), "{text}");
        }
        let stage = |column: &str, stage: &str| SanityResult {
            column: column.to_owned(),
            redrawn_down_to: stage.to_owned(),
            spearman: some(0.3),
            ssim: some(0.1),
        };
        let text = sanity(
            &[stage("a", "fc"), stage("b", "fc"), stage("a", "layer4")],
            &["a", "b"],
            &Screen::default(),
        );
        let stages: Vec<&str> =
            text.lines().skip(3).filter_map(|l| l.split_whitespace().nth(1)).collect();
        assert_eq!(stages, ["fc", "layer4", "fc"], "{text}");
    }
}
