//! Tables of stitching for a terminal.

use crate::report::Number;
use crate::report::stitch::{AgainstResult, ControlResult, PairResult, StitchReport};
use crate::view::Screen;
use crate::view::names::counted;
use crate::view::table::{self, Cell, Table};

/// Pairs in the table, and those of them that disagree.
const ROWS: usize = 40;
const DISAGREEING: usize = 5;

/// The pairs beside their controls, and where structure disagrees.
pub fn tables(report: &StitchReport) -> Vec<Table> {
    let disagreeing = report.results.against.as_ref();
    let disagreeing = disagreeing.map(|found| disagreements(found, usize::MAX));
    [pairs(report, usize::MAX)].into_iter().chain(disagreeing).collect()
}

/// The pairs beside their controls, how the loss went, and where structure disagrees.
pub fn text(report: &StitchReport, screen: &Screen) -> String {
    let losses = losses(report).map(|line| format!("\n{line}"));
    let against = report.results.against.as_ref();
    let against = against.map(|found| format!("\n{}", disagreeing(found, screen)));
    let after = losses.into_iter().chain(against).collect::<String>();
    let rest = report.results.pairs.len().saturating_sub(ROWS);
    let rest = match rest {
        0 => String::new(),
        rest => format!("\nthe best of {}; the report has {rest} more", report.results.pairs.len()),
    };
    format!("{}\n{}{rest}{after}", head(report), screen.table(&pairs(report, ROWS)))
}

fn head(report: &StitchReport) -> String {
    let results = &report.results;
    let own = match (results.accuracy_a.get(), results.accuracy_b.get()) {
        (Some(a), Some(b)) => {
            format!(": alone A is right in {:.1} %, B in {:.1} %", 100.0 * a, 100.0 * b)
        }
        _ => String::new(),
    };
    format!(
        "{} that no stitch was fitted on{own}\nA good stitch says that B can use A's features \
         (they are compatible), not that they are the same",
        counted(results.n, "sample")
    )
}

/// The pairs; the best of them where they are more than `most`.
fn pairs(report: &StitchReport, most: usize) -> Table {
    let results = &report.results;
    let labelled = results.accuracy_b.get().is_some();
    let with_cka = results.against.is_some();
    let what = if labelled { "accuracy" } else { "agreement" };
    let mut header = vec!["A up to", "B behind", what];
    header.extend(if labelled { vec!["95 %", "penalty", "agreement"] } else { vec![] });
    header.extend(["KL", "random A", "mean only", "rank", "ridge"]);
    header.extend(with_cka.then_some("CKA"));
    let mut table = table::new(&header);
    let mut shown: Vec<&PairResult> = results.pairs.iter().collect();
    let value = |pair: &PairResult| pair.accuracy.get().or(pair.agreement.get());
    if shown.len() > most {
        let least = f64::NEG_INFINITY;
        shown.sort_by(|a, b| value(b).unwrap_or(least).total_cmp(&value(a).unwrap_or(least)));
        shown.truncate(most);
    }
    for pair in &shown {
        table.add_row(row(pair, labelled, with_cka));
    }
    table.align_right(&(2..header.len()).collect::<Vec<_>>());
    let control = header.iter().position(|title| *title == "random A");
    table.keep_first(&[0, 1, 2].into_iter().chain(control).collect::<Vec<_>>());
    table
}

fn row(pair: &PairResult, labelled: bool, with_cka: bool) -> Vec<Cell> {
    let controls = &pair.controls;
    let mut row = vec![Cell::from(pair.layer_a.clone()), pair.layer_b.clone().into()];
    if labelled {
        let shown = |(low, high)| format!("{:.1}…{:.1}", 100.0 * low, 100.0 * high);
        let ends = Cell::interval(pair.interval, shown);
        row.extend([share(pair.accuracy), ends, points(pair.penalty)]);
    }
    row.extend([share(pair.agreement), number(pair.kl, 3)]);
    let control =
        |control: ControlResult| share(if labelled { control.accuracy } else { control.agreement });
    row.extend([control(controls.random_weights), control(controls.mean)]);
    let stitch = pair.stitch.as_ref();
    let rank = stitch.and_then(|s| Some(format!("{}/{}", s.rank?, s.channels_a)));
    let ridge = Cell::of(stitch.and_then(|s| s.ridge), |ridge| format!("{ridge:e}"));
    row.extend([rank.unwrap_or("-".to_owned()).into(), ridge]);
    row.extend(with_cka.then(|| number(pair.cka.unwrap_or_else(|| None.into()), 3)));
    row
}

/// How the loss went, of a single pair that was trained.
fn losses(report: &StitchReport) -> Option<String> {
    let [pair] = report.results.pairs.as_slice() else { return None };
    let losses = pair.stitch.as_ref()?.losses.as_ref()?;
    let losses: Vec<String> = losses.iter().map(|loss| number(*loss, 4).to_string()).collect();
    Some(format!("loss by epoch: {}", losses.join(", ")))
}

fn disagreeing(found: &AgainstResult, screen: &Screen) -> String {
    let interval = found.interval.map(|(low, high)| format!(" ({low:.2} to {high:.2})"));
    let rank = found.spearman.get().map_or("not defined".to_owned(), |r| format!("{r:.2}"));
    let mut lines = format!(
        "rank correlation of {} with CKA over {} pairs: {rank}{}",
        found.value,
        found.pairs,
        interval.unwrap_or_default()
    );
    if found.disagreements.is_empty() {
        return lines + "\n";
    }
    lines.push_str("\nwhere they disagree most:\n");
    lines + &screen.table(&disagreements(found, DISAGREEING))
}

/// The pairs that stitching and CKA rank most differently.
fn disagreements(found: &AgainstResult, most: usize) -> Table {
    let title = format!("{} (rank)", found.value);
    let mut table = table::new(&["A up to", "B behind", &title, "CKA (rank)"]);
    for one in found.disagreements.iter().take(most) {
        table.add_row([
            one.layer_a.clone(),
            one.layer_b.clone(),
            format!("{} ({})", share(one.stitching), one.rank_stitching),
            format!("{} ({})", number(one.cka, 3), one.rank_cka),
        ]);
    }
    table.align_right(&[2, 3]);
    table
}

fn share(value: Number) -> Cell {
    Cell::share(value.get(), 1)
}

fn points(value: Number) -> Cell {
    Cell::of(value.get(), |v| format!("{:+.1}", 100.0 * v))
}

fn number(value: Number, digits: usize) -> Cell {
    Cell::number(value.get(), digits)
}
