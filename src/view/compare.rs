//! The section of a comparison by several measures.

mod outputs;

use ndarray::Array2;

use super::table::Cell;
use super::{Content, PictureFormat, Place, Screen, Tables, View, subjects, table};
use crate::capture::Reduce;
use crate::render::html::{self, Column, Entry, Markup, Matrix, Table, Words, html};
use crate::render::text::decimal;
use crate::render::{ColorMap, Heatmap, RenderError};
use crate::report::Number;
use crate::report::compare::{CompareReport, LayerResult, MeasureFacts, MeasureResult, PairNull};

impl View for CompareReport {
    /// A matrix, the best matches and three sentences for each measure, then the layers alone.
    fn content(&self, place: Place<'_>) -> Content {
        let results = &self.results;
        let alone = self.inputs.names().len() < 2;
        let body = html! {
            h3 { "Best matches" }
            (matches(self, alone))
            @for (i, found) in results.measures.iter().enumerate() {
                h3 { (found.name) }
                (matrix(self, found, &place.id(&format!("cmp{i}")), alone))
                (words(&found.facts))
            }
            (outputs::section(self))
            h3 { "Layer by layer, alone" }
            (layers(&results.layers))
        };
        let title = match alone {
            true => format!("{} with itself", subjects(self)),
            false => subjects(self),
        };
        let count = |model: &str| results.layers.iter().filter(|l| l.model == model).count();
        let lead = match alone {
            true => format!("{} layers", count("A")),
            false => format!("{} layers of A against {} of B", count("A"), count("B")),
        };
        let lead =
            format!("{lead} over {} samples, by {} measures.", results.n, results.measures.len());
        Content { kind: "Measures of similarity", title, lead, body }
    }

    fn main_picture(&self, format: PictureFormat) -> Option<Result<Vec<u8>, RenderError>> {
        Some(self.plot(0, format))
    }
}

impl Tables for CompareReport {
    /// The best match of each layer by each measure, what the models themselves say, then each layer alone.
    fn tables(&self) -> Vec<table::Table> {
        let outputs = self.results.outputs.as_ref().map(outputs::table);
        let alone = layers_table(&self.results.layers);
        [matches_table(self)].into_iter().chain(outputs).chain([alone]).collect()
    }

    fn text(&self, screen: &Screen) -> String {
        let tables: Vec<String> = self.tables().iter().map(|table| screen.table(table)).collect();
        tables.join("\n\n")
    }
}

impl CompareReport {
    /// One measure of all pairs of layers, with the best match of each row.
    ///
    /// # Errors
    /// It is too large for a picture.
    pub fn plot(&self, measure: usize, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
        let (results, names) = (&self.results, self.inputs.names());
        let found = &results.measures[measure];
        let alone = names.len() < 2;
        format.heatmap(&Heatmap {
            title: &format!("{} between layers", found.name),
            subtitle: &summary(found, self.settings.reduce, self.settings.pca, results.n),
            row_axis: &names[0],
            column_axis: &names[names.len() - 1],
            rows: &results.layers_a,
            columns: &results.layers_b,
            values: values(found).view(),
            range: colour_range(found),
            reversed: !found.facts.larger_is_more_alike,
            scale_label: &found.name,
            marks: &found.best_columns(&results.layers_b),
            mark_label: if alone { "most alike other layer" } else { "best match of each row" },
        })
    }
}

fn matrix(report: &CompareReport, found: &MeasureResult, id: &str, alone: bool) -> Markup {
    let results = &report.results;
    let names = report.inputs.names();
    let values = values(found);
    let marks = found.best_columns(&results.layers_b);
    let reasons: Vec<String> = found.without_value().into_iter().map(said).collect();
    let line = summary(found, report.settings.reduce, report.settings.pca, results.n);
    let matrix = Matrix {
        id,
        caption: &format!("{} of every layer with every layer. {line}", found.name),
        row_axis: &names[0],
        column_axis: &names[names.len() - 1],
        rows: &results.layers_a,
        columns: &results.layers_b,
        values: values.view(),
        range: colour_range(found),
        colours: ColorMap::Viridis,
        reversed: !found.facts.larger_is_more_alike,
        label: &found.name,
        marks: &marks,
        mark_label: if alone { "most alike other layer" } else { "best match of the row" },
        reasons: &reasons,
        reason: &|i, j| found.place_without_value(&results.layers_a[i], &results.layers_b[j]),
    };
    matrix.draw()
}

/// Why there is no value.
pub fn said(null: &PairNull) -> String {
    match (&null.layer_a, &null.layer_b) {
        (Some(a), Some(b)) => format!("{a} × {b}: {}", null.reason),
        (Some(a), None) => format!("row {a}: {}", null.reason),
        (None, Some(b)) => format!("column {b}: {}", null.reason),
        (None, None) => null.reason.clone(),
    }
}

/// Three sentences from what is known of a measure.
pub fn words(facts: &MeasureFacts) -> Markup {
    let end = |end: Number| end.get().map_or("no bound".to_owned(), |v| format!("{v:.4}"));
    let end = |value: Number| {
        let text = end(value);
        text.strip_suffix(".0000").map_or(text.clone(), str::to_owned)
    };
    let [low, high] = facts.range.map(end);
    let alike = if facts.larger_is_more_alike { "larger" } else { "smaller" };
    let both = if facts.symmetric { "symmetric" } else { "not symmetric: rows explain columns" };
    let metric = if facts.metric { ", a metric" } else { "" };
    let says = format!(
        "{} From {low} to {high}; {alike} is more alike. It is {both}{metric}.",
        facts.what
    );
    let list: Vec<&str> = facts.invariances.iter().map(|name| in_words(name)).collect();
    let list = list.join(", ");
    let needs = match facts.needs_more_samples_than_features {
        true => " It means something only where there are more samples than features.",
        false => "",
    };
    let does_not = format!("It does not see {list}.{needs}");
    let pitfall = facts.caveats.join(" ");
    html::words(Words { says: &says, does_not: &does_not, pitfall: &pitfall })
}

/// What a measure is blind to.
fn in_words(invariance: &str) -> &str {
    match invariance {
        "isotropic-scaling" => "the scale",
        "orthogonal" => "rotations",
        "linear" => "any invertible linear map",
        "unit-order" => "the order of the units",
        "translation" => "a shift of all samples",
        "sample-order" => "the order of the samples",
        other => other,
    }
}

fn matches(report: &CompareReport, alone: bool) -> Markup {
    let results = &report.results;
    let mut columns = vec![Column::text("layer of A")];
    for found in &results.measures {
        let arrow = if found.facts.larger_is_more_alike { "" } else { " ↓" };
        columns.push(Column::number(format!("{}{arrow}", found.name)));
        columns.push(Column::text(if alone { "with" } else { "in B" }));
        if found.calibrated.is_some() {
            columns.extend([Column::number("calibrated"), Column::number("p")]);
        }
        if found.intervals.is_some() {
            columns.push(Column::text(share(report.settings.chance.level)));
        }
    }
    let row = |(i, name): (usize, &String)| {
        let mut row = vec![Entry::code(name)];
        for found in &results.measures {
            let best = found.best_matches.get(i).and_then(Option::as_ref);
            row.push(Entry::number(best.map(|best| best.value), 4));
            row.push(best.map_or_else(|| Entry::text(""), |best| Entry::code(&best.layer_b)));
            let j = found.best_place(i, &results.layers_b).map(|(_, j)| j);
            for of in [&found.calibrated, &found.p_values].into_iter().flatten() {
                row.push(Entry::number(j.and_then(|j| of.get(i)?.get(j)?.get()), 3));
            }
            if found.intervals.is_some() {
                let ends = j.and_then(|j| found.interval(i, j));
                row.push(Entry::text(
                    ends.map_or_else(String::new, |ends| within(ends, "\u{a0}to\u{a0}")),
                ));
            }
        }
        row
    };
    let caption = match alone {
        true => "The most alike other layer of each by each measure; ↓: smaller is more alike",
        false => {
            "The most alike layer of B for each of A by each measure; ↓: smaller is more alike"
        }
    };
    let rows = results.layers_a.iter().enumerate().map(row).collect();
    Table { caption, columns, rows }.draw()
}

/// What is known of each layer alone.
pub fn layers(layers: &[LayerResult]) -> Markup {
    let mut columns = vec![Column::text("layer"), Column::text("of")];
    let names = [
        "features D",
        "effective rank",
        "participation ratio",
        "TwoNN dimension",
        "zeros in %",
        "sparseness",
        "class separation",
    ];
    columns.extend(names.map(Column::number));
    columns.push(Column::text("note"));
    let row = |layer: &LayerResult| {
        let zeros = layer.zeros.get().map(|share| 100.0 * share);
        vec![
            Entry::code(&layer.name),
            Entry::text(&layer.model),
            Entry::count(layer.width),
            Entry::number(layer.effective_rank.get(), 1),
            Entry::number(layer.participation_ratio.get(), 1),
            Entry::number(layer.intrinsic_dimension.get(), 1),
            Entry::number(zeros, 1),
            Entry::number(layer.sparseness.get(), 3),
            Entry::number(layer.class_separation.get(), 3),
            Entry::text(if layer.compressed { "compressed" } else { "" }),
        ]
    };
    let caption =
        "Few directions, or samples that are nearly all alike, mislead every measure above";
    Table { caption, columns, rows: layers.iter().map(row).collect() }.draw()
}

/// The columns of what a value is held against.
pub fn beside(found: &MeasureResult, level: f64) -> Vec<String> {
    let p = found.p_values.as_ref().map(|_| "p".to_owned());
    let interval = found.intervals.as_ref().map(|_| share(level));
    p.into_iter().chain(interval).collect()
}

/// What the value of a pair is held against.
pub fn chance(found: &MeasureResult, at: Option<(usize, usize)>) -> Vec<Cell> {
    let p = Cell::number(at.and_then(|(i, j)| found.p_value(i, j)), 3);
    let ends = at.and_then(|(i, j)| found.interval(i, j));
    let interval = Cell::interval(ends, |ends| within(ends, "…"));
    let p = found.p_values.as_ref().map(|_| p);
    p.into_iter().chain(found.intervals.as_ref().map(|_| interval)).collect()
}

/// What an interval is called.
pub fn share(level: f64) -> String {
    format!("{} % interval", (1e6 * level).round() / 1e4)
}

/// The ends of an interval.
pub fn within((low, high): (f64, f64), between: &str) -> String {
    format!("{low:.4}{between}{high:.4}")
}

/// Values as an array, NaN for `null`.
pub fn values(found: &MeasureResult) -> Array2<f64> {
    let columns = found.values.first().map_or(0, Vec::len);
    Array2::from_shape_fn((found.values.len(), columns), |(i, j)| {
        found.values[i][j].get().unwrap_or(f64::NAN)
    })
}

/// The values at the ends of the colours: of the measure, where it has bounds, else of the data.
pub fn colour_range(found: &MeasureResult) -> (f64, f64) {
    range_of(&found.facts, &values(found))
}

/// The same for any values of a measure.
pub fn range_of(facts: &MeasureFacts, values: &Array2<f64>) -> (f64, f64) {
    let [low, high] = facts.range.map(Number::get);
    let most = values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    let low = low.filter(|low| *low > -1.0).unwrap_or(0.0);
    match (facts.larger_is_more_alike, high) {
        (true, Some(high)) => (low, high),
        (_, high) => (low, high.unwrap_or(most).min(most)),
    }
}

/// The settings in a line, for a picture of one measure.
pub fn summary(found: &MeasureResult, reduce: Reduce, pca: Option<usize>, n: usize) -> String {
    let alike = match found.facts.larger_is_more_alike {
        true => "larger is more alike",
        false => "smaller is more alike",
    };
    let pca = pca.map_or(String::new(), |k| format!(" · {k} components"));
    format!("{alike} · {reduce}{pca} · n = {n}{}", uncertainty(found))
}

/// Half the width of the widest interval over samples, where there are intervals.
fn uncertainty(found: &MeasureResult) -> String {
    let pairs = found.intervals.iter().flatten().flatten();
    let widths = pairs.filter_map(|[low, high]| Some((high.get()? - low.get()?) / 2.0));
    widths.reduce(f64::max).map_or(String::new(), |half| {
        format!(" · intervals over samples of at most ±{}", decimal(half, 2))
    })
}

fn matches_table(report: &CompareReport) -> table::Table {
    let results = &report.results;
    let alone = report.inputs.names().len() < 2;
    let what = if alone { "most alike other layer" } else { "best match in B" };
    let mut header = vec![format!("layer of A: {what}")];
    for found in &results.measures {
        let arrow = if found.facts.larger_is_more_alike { "" } else { " ↓" };
        header.extend([format!("{}{arrow}", found.name), String::new()]);
        header.extend(beside(found, report.settings.chance.level));
    }
    let mut table = table::new(&header);
    table.name_columns(names_of_matches(report));
    for (i, name) in results.layers_a.iter().enumerate() {
        let mut row = vec![Cell::from(name.clone())];
        for found in &results.measures {
            row.extend(match &found.best_matches[i] {
                Some(best) => [Cell::number(Some(best.value), 4), best.layer_b.clone().into()],
                None => [Cell::number(None, 4), "".into()],
            });
            row.extend(chance(found, found.best_place(i, &results.layers_b)));
        }
        table.add_row(row);
    }
    let each = 2 + beside(&results.measures[0], report.settings.chance.level).len();
    let texts = |column: &usize| (column - 1) % each != 1;
    let numbers: Vec<usize> = (1..=each * results.measures.len()).filter(texts).collect();
    table.align_right(&numbers);
    // Values and layers of all measures before what stands beside them.
    let of_each = |place: usize| (0..results.measures.len()).map(move |m| 1 + each * m + place);
    table.keep_first(&[0].into_iter().chain(of_each(0)).chain(of_each(1)).collect::<Vec<_>>());
    table
}

/// The same columns, each named after its measure.
fn names_of_matches(report: &CompareReport) -> Vec<String> {
    let mut names = vec!["layer of A".to_owned()];
    for found in &report.results.measures {
        names.extend([found.name.to_string(), format!("{} with", found.name)]);
        let beside = beside(found, report.settings.chance.level);
        names.extend(beside.iter().map(|what| format!("{} {what}", found.name)));
    }
    names
}

fn layers_table(layers: &[LayerResult]) -> table::Table {
    let header = [
        "layer",
        "",
        "D",
        "effective rank",
        "participation",
        "TwoNN",
        "zeros",
        "sparseness",
        "class separation",
    ];
    let mut table = table::new(&header);
    for layer in layers {
        let number = |value: Number, digits| Cell::number(value.get(), digits);
        table.add_row([
            layer.name.clone().into(),
            layer.model.clone().into(),
            layer.width.into(),
            number(layer.effective_rank, 1),
            number(layer.participation_ratio, 1),
            number(layer.intrinsic_dimension, 1),
            number(layer.zeros, 3),
            number(layer.sparseness, 3),
            number(layer.class_separation, 3),
        ]);
    }
    table.align_right(&[2, 3, 4, 5, 6, 7, 8]);
    table
}
