//! The section of a comparison by CKA.

mod diagonal;
mod figures;

use ndarray::Array2;

use super::table::Cell;
use super::{Content, PictureFormat, Place, Plot, Screen, Tables, View, subjects, table, words};
use crate::render::html::{self, Column, Entry, Markup, Matrix, Table, html};
use crate::render::{ColorMap, Heatmap, RenderError};
use crate::report::cka::{CkaReport, ControlResult, Null};

/// A report with what the section shows of it.
struct Shown<'a> {
    report: &'a CkaReport,
    values: Array2<f64>,
    names: Vec<String>,
    /// Whether a model was compared with itself.
    alone: bool,
    /// For each layer of A, the place of its best match: with itself, of the best other layer.
    best: Vec<Option<usize>>,
}

impl View for CkaReport {
    /// Heat map, the diagonal as a line, and a table of the layers.
    fn content(&self, place: Place<'_>) -> Content {
        let shown = Shown::new(self);
        let body = html! {
            (shown.matrix(&place.id("cka")))
            (shown.diagonal())
            (html::words(words::CKA))
            h3 { "Layer by layer" }
            (shown.table())
        };
        let title = match shown.alone {
            true => format!("{} with itself", subjects(self)),
            false => subjects(self),
        };
        Content { kind: "Centred kernel alignment", title, lead: shown.lead(), body }
    }

    fn main_picture(&self, format: PictureFormat) -> Option<Result<Vec<u8>, RenderError>> {
        Some(self.plot(format))
    }
}

impl Tables for CkaReport {
    /// Each layer of A, its best match in B, and the value.
    fn tables(&self) -> Vec<table::Table> {
        let results = &self.results;
        let names = ["layer of A", "best match in B", "CKA", "same layer of B"].map(str::to_owned);
        let controls = results.controls.iter().map(|control| format!("control {}", control.name));
        let names: Vec<String> = names.into_iter().chain(controls).collect();
        let mut table = table::new(&names);
        for (i, (layer, best)) in results.layers_a.iter().zip(&results.best_matches).enumerate() {
            let own = results.layers_b.iter().position(|name| name == layer);
            let own = own.and_then(|j| results.cka[i][j].get());
            let mut row = vec![
                Cell::from(layer.clone()),
                best.as_ref().map_or("-".into(), |b| b.layer_b.clone().into()),
                Cell::number(best.as_ref().map(|b| b.cka), 4),
                Cell::number(own, 4),
            ];
            let of = |control: &ControlResult| Cell::number(control.layers[i].cka.get(), 4);
            row.extend(results.controls.iter().map(of));
            table.add_row(row);
        }
        table.align_right(&(2..names.len()).collect::<Vec<_>>());
        table.keep_first(&[0, 2, 1]);
        vec![table]
    }

    fn text(&self, screen: &Screen) -> String {
        format!("{}\n{}", screen.table(&self.tables()[0]), figures::lines(self))
    }
}

impl Plot for CkaReport {
    const SMALLER: &'static str = "try .svg, or fewer layers with --layers";

    /// The matrix, with the best match of each row.
    fn plot(&self, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
        let (results, names) = (&self.results, self.inputs.names());
        let (subtitle, values) = (self.settings.summary(results.n), values(self));
        let (marks, mark_label) = (results.best_columns(), "best match of each row");
        let map = Heatmap {
            title: "Centred kernel alignment between layers",
            subtitle: &subtitle,
            row_axis: &names[0],
            column_axis: &names[names.len() - 1],
            rows: &results.layers_a,
            columns: &results.layers_b,
            values: values.view(),
            range: (0.0, 1.0),
            reversed: false,
            scale_label: "CKA",
            marks: &marks,
            mark_label,
        };
        match results.controls.is_empty() {
            true => format.heatmap(&map),
            false => diagonal::below(self, &map, format),
        }
    }
}

impl<'a> Shown<'a> {
    fn new(report: &'a CkaReport) -> Self {
        let names = report.inputs.names();
        let alone = names.len() < 2;
        let values = values(report);
        let best = match alone {
            true => (0..values.nrows()).map(|i| other(&values, i)).collect(),
            false => {
                let mut best = vec![None; values.nrows()];
                report.results.best_columns().into_iter().for_each(|(i, j)| best[i] = Some(j));
                best
            }
        };
        Self { report, values, names, alone, best }
    }

    fn axes(&self) -> [String; 2] {
        let name = |i: usize| self.names.get(i).or(self.names.first()).cloned().unwrap_or_default();
        match self.alone {
            true => [name(0), name(0)],
            false => [format!("A: {}", name(0)), format!("B: {}", name(1))],
        }
    }

    fn mark_label(&self) -> &'static str {
        if self.alone { "most alike other layer" } else { "best match of the row" }
    }

    fn matrix(&self, id: &str) -> Markup {
        let results = &self.report.results;
        let [row_axis, column_axis] = self.axes();
        let marks: Vec<(usize, usize)> =
            self.best.iter().enumerate().filter_map(|(i, j)| Some((i, (*j)?))).collect();
        let reasons: Vec<String> = results.nulls.iter().map(said).collect();
        let matrix = Matrix {
            id,
            caption: &format!("CKA of every layer with every layer. {}", self.settings()),
            row_axis: &row_axis,
            column_axis: &column_axis,
            rows: &results.layers_a,
            columns: &results.layers_b,
            values: self.values.view(),
            range: (0.0, 1.0),
            colours: ColorMap::Viridis,
            reversed: false,
            label: "CKA",
            marks: &marks,
            mark_label: self.mark_label(),
            reasons: &reasons,
            reason: &|i, j| self.reason(i, j),
        };
        matrix.draw()
    }

    /// The diagonal with its controls, where there is one.
    fn diagonal(&self) -> Markup {
        let lines = diagonal::lines(self.report);
        html! {
            @if !lines.is_empty() {
                h3 { "Corresponding layers" }
                (diagonal::plot(self.report, &self.names[0], &lines))
            }
        }
    }

    fn settings(&self) -> String {
        let settings = &self.report.settings;
        let choice = settings.choice().map_or_else(String::new, |choice| format!(" · {choice}"));
        format!("{}{choice}", settings.summary(self.report.results.n))
    }

    /// Which of the nulls is that of a pair.
    fn reason(&self, i: usize, j: usize) -> Option<usize> {
        let results = &self.report.results;
        let (a, b) = (&results.layers_a[i], &results.layers_b[j]);
        let is = |named: &Option<String>, layer: &String| named.as_ref().is_none_or(|n| n == layer);
        let of = |null: &Null| match self.alone {
            true if null.layer_b.is_none() => is(&null.layer_a, a) || is(&null.layer_a, b),
            _ => is(&null.layer_a, a) && is(&null.layer_b, b),
        };
        results.nulls.iter().position(of)
    }

    fn table(&self) -> Markup {
        let best = if self.alone { "most alike other" } else { "best match in B" };
        let mut columns = vec![
            Column::text("layer"),
            Column::number("depth"),
            Column::number("features D"),
            Column::text(best),
            Column::number("its CKA"),
        ];
        if !self.alone {
            columns.push(Column::number("CKA with the same name"));
        }
        let mut order: Vec<usize> = (0..self.best.len()).collect();
        if !self.alone {
            order.sort_by(|&i, &j| self.held(i).total_cmp(&self.held(j)));
        }
        let rows = order.into_iter().map(|i| self.row(i)).collect();
        let caption = match self.alone {
            true => "Layers in the order in which they finish",
            false => {
                "Layers of A, those that differ most from that of the same name first; depth: the order in which they finish"
            }
        };
        Table { caption, columns, rows }.draw()
    }

    fn row(&self, i: usize) -> Vec<Entry> {
        let results = &self.report.results;
        let found = self.best[i].map(|j| (&results.layers_b[j], self.values[(i, j)]));
        let mut row = vec![
            Entry::code(&results.layers_a[i]),
            Entry::count(i + 1),
            Entry::count(results.width_a[i]),
            found.map_or_else(|| Entry::gone(&self.why(i)), |(name, _)| Entry::code(name)),
            bar(found.map(|(_, value)| value)),
        ];
        if !self.alone {
            row.push(match self.same_name(i) {
                Some(value) => bar(Some(value)),
                None => Entry::gone("no such layer in B"),
            });
        }
        row
    }

    /// Why a layer of A has no match.
    fn why(&self, i: usize) -> String {
        let nulls = &self.report.results.nulls;
        (0..self.values.ncols())
            .find_map(|j| self.reason(i, j))
            .map_or_else(String::new, |n| nulls[n].reason.clone())
    }

    /// What a layer of A is ordered by: its value with that of the same name, else its best one; those without last.
    fn held(&self, i: usize) -> f64 {
        let best = || Some(self.values[(i, self.best[i]?)]);
        let value = self.same_name(i).or_else(best);
        value.filter(|value| value.is_finite()).unwrap_or(f64::INFINITY)
    }

    fn same_name(&self, i: usize) -> Option<f64> {
        let results = &self.report.results;
        let j = results.layers_b.iter().position(|name| *name == results.layers_a[i])?;
        Some(self.values[(i, j)])
    }

    fn lead(&self) -> String {
        let results = &self.report.results;
        let n = results.n;
        match self.alone {
            true => {
                format!("{} layers over {n} samples. {}", results.layers_a.len(), self.closest())
            }
            false => format!(
                "{} layers of A against {} of B over {n} samples. {}",
                results.layers_a.len(),
                results.layers_b.len(),
                self.closest()
            ),
        }
    }

    /// The layers that have the least and the greatest of their best values.
    fn closest(&self) -> String {
        let found = || {
            let value = |(i, j): (usize, &Option<usize>)| Some((i, self.values[(i, (*j)?)]));
            self.best.iter().enumerate().filter_map(value)
        };
        let low = found().min_by(|x, y| x.1.total_cmp(&y.1));
        let (Some(low), count) = (low, found().count()) else {
            return "No layer has a value.".to_owned();
        };
        let mean = found().map(|(_, value)| value).sum::<f64>() / count as f64;
        let what = if self.alone { "most alike other layer" } else { "best match" };
        format!(
            "With its {what} a layer has a CKA of {mean:.2} on average, least {} with {:.2}.",
            self.report.results.layers_a[low.0], low.1
        )
    }
}

fn bar(value: Option<f64>) -> Entry {
    Entry::number(value, 4).bar(value)
}

/// The column with the largest value besides that of the row itself.
fn other(values: &Array2<f64>, i: usize) -> Option<usize> {
    let row = values.row(i);
    let known = row.iter().enumerate().filter(|(j, v)| *j != i && v.is_finite());
    known.max_by(|x, y| x.1.total_cmp(y.1)).map(|(j, _)| j)
}

pub(super) fn said(null: &Null) -> String {
    match (&null.layer_a, &null.layer_b) {
        (Some(a), Some(b)) => format!("{a} × {b}: {}", null.reason),
        (Some(a), None) => format!("{a} of A: {}", null.reason),
        (None, Some(b)) => format!("{b} of B: {}", null.reason),
        (None, None) => null.reason.clone(),
    }
}

/// Values as an array, NaN for `null`.
fn values(report: &CkaReport) -> Array2<f64> {
    let (rows, columns) = (report.results.layers_a.len(), report.results.layers_b.len());
    Array2::from_shape_fn((rows, columns), |(i, j)| {
        report.results.cka[i][j].get().unwrap_or(f64::NAN)
    })
}
