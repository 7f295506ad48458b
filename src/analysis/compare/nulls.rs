//! Why values, and what is held beside them, are missing.

use ndarray::Array2;

use super::results::Compared;
use crate::error::Error;
use crate::report::Warning;
use crate::report::compare::{MeasureResult, PairNull};
use crate::similarity::{Cell, Null};
use crate::view::names::counted;

/// Reasons that a warning gives.
const REASONS: usize = 2;

type Reasons = Array2<Option<String>>;

/// The reasons of one measure: those of the values, then those of what is null beside a value.
pub fn of(compared: &Compared<'_>, cells: &Array2<Option<Cell>>) -> Vec<PairNull> {
    let beside = |why: &dyn Fn(&Cell) -> Option<String>| -> Reasons {
        let sound = |cell: &Option<Cell>| cell.as_ref().filter(|c| c.value.is_ok()).and_then(why);
        cells.map(sound)
    };
    let values = Array2::from_shape_fn(cells.dim(), |(i, j)| missing_value(compared, cells, i, j));
    let chance = beside(&|c| Some(c.null?.err()?.to_string()));
    let calibrated = beside(&|c| not_calibrated(&c.null?.ok()?));
    let intervals = beside(&|c| Some(format!("of half of the samples: {}", c.interval?.err()?)));
    let all = [
        ("values", values),
        ("p_values", chance),
        ("calibrated", calibrated),
        ("intervals", intervals),
    ];
    let names = (compared.names[0].as_slice(), compared.names_b());
    all.into_iter().flat_map(|(field, reasons)| grouped(field, reasons, names)).collect()
}

/// Why a pair has no value.
fn missing_value(
    compared: &Compared<'_>,
    cells: &Array2<Option<Cell>>,
    i: usize,
    j: usize,
) -> Option<String> {
    let sides = compared.sides;
    let of_layer = |side: usize, layer: usize| {
        sides[side.min(sides.len() - 1)].made[layer].as_ref().err().cloned()
    };
    match &cells[(i, j)] {
        None => of_layer(0, i).or_else(|| of_layer(1, j)),
        Some(cell) => cell.value.as_ref().err().map(|why| why.of_samples(compared.samples)),
    }
}

fn not_calibrated(null: &Null) -> Option<String> {
    let why = "the measure has no best value, or chance reaches it";
    null.calibrated.is_none().then(|| why.to_owned())
}

/// The reason of all pairs, else those of whole rows, then of what is left of whole columns, then of
/// single pairs.
fn grouped(
    field: &str,
    mut left: Reasons,
    (names_a, names_b): (&[String], &[String]),
) -> Vec<PairNull> {
    let null = |i: Option<usize>, j: Option<usize>, reason: String| PairNull {
        field: field.to_owned(),
        layer_a: i.map(|i| names_a[i].clone()),
        layer_b: j.map(|j| names_b[j].clone()),
        reason,
    };
    if let Some(reason) = common(left.iter()) {
        return vec![null(None, None, reason)];
    }
    let mut nulls = vec![];
    let (rows, columns) = left.dim();
    let mut whole = vec![];
    for i in 0..rows {
        if let Some(reason) = common(left.row(i).iter()) {
            left.row_mut(i).fill(None);
            whole.push(i);
            nulls.push(null(Some(i), None, reason));
        }
    }
    for j in 0..columns {
        let rest = left.column(j).into_iter().enumerate().filter(|(i, _)| !whole.contains(i));
        if let Some(reason) = common(rest.map(|(_, why)| why)) {
            left.column_mut(j).fill(None);
            nulls.push(null(None, Some(j), reason));
        }
    }
    let single = left.indexed_iter().filter_map(|((i, j), why)| Some((i, j, why.clone()?)));
    nulls.extend(single.map(|(i, j, reason)| null(Some(i), Some(j), reason)));
    nulls
}

/// The reason that all have, if they have one.
fn common<'a>(mut reasons: impl Iterator<Item = &'a Option<String>>) -> Option<String> {
    let first = reasons.next()?.as_ref()?;
    reasons.all(|why| why.as_ref() == Some(first)).then(|| first.clone())
}

/// Pairs without a value: one warning for all measures that lack as many for the same reasons.
pub fn no_values(measures: &[MeasureResult]) -> Vec<Warning> {
    let often = |found: &MeasureResult| {
        let count = found.values.iter().flatten().filter(|v| v.get().is_none()).count();
        let all = found.values.iter().map(Vec::len).sum::<usize>();
        format!("for {count} of {} of layers", counted(all, "pair"))
    };
    told("no-value", "value", "values", measures, often)
}

/// Values that lack what was to be held beside them, likewise.
pub fn no_chance(measures: &[MeasureResult]) -> Vec<Warning> {
    let often = |has: fn(&MeasureResult, usize, usize) -> bool| {
        move |found: &MeasureResult| {
            let (mut missing, mut all) = (0, 0);
            for (i, row) in found.values.iter().enumerate() {
                for j in (0..row.len()).filter(|&j| row[j].get().is_some()) {
                    all += 1;
                    missing += usize::from(!has(found, i, j));
                }
            }
            format!("for {missing} of {} of layers", counted(all, "pair"))
        }
    };
    let p_value = often(|found, i, j| found.p_value(i, j).is_some());
    let mut warnings = told("no-chance", "p-value", "p_values", measures, p_value);
    let interval = often(|found, i, j| found.interval(i, j).is_some());
    warnings.extend(told("no-interval", "interval", "intervals", measures, interval));
    warnings
}

/// One warning for all measures of which the same field is `null`: how often, and why.
fn told(
    kind: &str,
    what: &str,
    field: &str,
    measures: &[MeasureResult],
    often: impl Fn(&MeasureResult) -> String,
) -> Vec<Warning> {
    let mut groups: Vec<((String, String), Vec<&str>)> = vec![];
    for found in measures {
        let Some(why) = reasons(found, field) else { continue };
        let key = (often(found), why);
        match groups.iter_mut().find(|(k, _)| *k == key) {
            Some((_, names)) => names.push(&found.name),
            None => groups.push((key, vec![&found.name])),
        }
    }
    let said = |((often, why), names): ((String, String), Vec<&str>)| {
        let has = if names.len() > 1 { "have" } else { "has" };
        let names = names.join(", ");
        Warning::new(kind, &names, format!("{names} {has} no {what} {often}: {why}"))
    };
    groups.into_iter().map(said).collect()
}

/// Why a field is `null`: up to two reasons, with a layer each.
fn reasons(found: &MeasureResult, field: &str) -> Option<String> {
    let mut all: Vec<(&str, Option<&String>)> = vec![];
    for null in found.nulls.iter().filter(|null| null.field == field) {
        if all.iter().all(|(reason, _)| *reason != null.reason) {
            all.push((&null.reason, null.layer_a.as_ref().or(null.layer_b.as_ref())));
        }
    }
    let one = |(reason, layer): &(&str, Option<&String>)| match layer {
        Some(layer) => format!("{layer}: {reason}"),
        None => (*reason).to_owned(),
    };
    let listed: Vec<String> = all.iter().take(REASONS).map(one).collect();
    let more = if all.len() > REASONS { "; and for other reasons" } else { "" };
    (!all.is_empty()).then(|| format!("{}{more}", listed.join("; ")))
}

/// No measure has a value anywhere.
pub fn nothing(measures: &[MeasureResult]) -> Error {
    let first = measures.iter().find_map(|m| Some((m, m.nulls.first()?)));
    let reason = first.map_or(String::new(), |(m, null)| format!("; {}: {}", m.name, null.reason));
    let problem = format!("no pair of layers has a value{reason}");
    Error::usage(problem, "choose other layers, measures or samples")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_given_once() {
        let why = |text: &str| Some(text.to_owned());
        let names: Vec<String> = ["x", "y"].map(str::to_owned).to_vec();
        let of = |cells: [Option<String>; 4]| {
            let cells = Array2::from_shape_vec((2, 2), cells.to_vec()).expect("four cells");
            let found = grouped("values", cells, (&names, &names));
            found.into_iter().map(|n| (n.layer_a, n.layer_b, n.reason)).collect::<Vec<_>>()
        };
        let (x, y, a) = (why("x"), why("y"), "a".to_owned());
        assert_eq!(of([None, None, None, None]), vec![]);
        let all = of([why("a"), why("a"), why("a"), why("a")]);
        assert_eq!(all, [(None, None, a.clone())]);
        let row = of([why("a"), why("a"), None, None]);
        assert_eq!(row, [(x.clone(), None, a.clone())]);
        let column = of([None, why("a"), None, why("a")]);
        assert_eq!(column, [(None, y.clone(), a.clone())]);
        let single = of([None, None, why("a"), None]);
        assert_eq!(single, [(y, x, a)]);
    }
}
