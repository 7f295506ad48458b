//! The section of every pair of several models by CKA.

use ndarray::Array2;

use super::table::{self, Cell};
use super::{Content, PictureFormat, Place, Plot, Screen, Tables, View, words};
use crate::render::html::{self, Markup, Matrix, html};
use crate::render::{ColorMap, Heatmap, RenderError, Tile, Tiles};
use crate::report::Number;
use crate::report::cka::CkaResults;
use crate::report::pairs::{PairResult, PairsReport};

impl View for PairsReport {
    /// The models against each other by the mean of the diagonal, and a map for each pair.
    fn content(&self, place: Place<'_>) -> Content {
        let results = &self.results;
        let body = html! {
            (overview(self, &place.id("all")))
            (html::words(words::CKA))
            h3 { "Pair by pair" }
            div.maps {
                @for (i, pair) in results.pairs.iter().enumerate() {
                    (map(pair, &place.id(&format!("pair{i}"))))
                }
            }
        };
        let title = format!("{} models", results.models.len());
        let lead = format!(
            "{} pairs of {} models over {} samples. {}",
            results.pairs.len(),
            results.models.len(),
            results.n,
            self.settings.summary(results.n)
        );
        Content { kind: "Centred kernel alignment of every pair", title, lead, body }
    }

    fn main_picture(&self, format: PictureFormat) -> Option<Result<Vec<u8>, RenderError>> {
        Some(self.plot(format))
    }
}

impl Tables for PairsReport {
    /// Each layer of each first model, with its best match and its corresponding layer in the second.
    fn tables(&self) -> Vec<table::Table> {
        let names = [
            "A",
            "B",
            "layer of A",
            "best match in B",
            "CKA",
            "corresponding layer of B",
            "its CKA",
        ];
        let mut table = table::new(&names);
        for pair in &self.results.pairs {
            let (found, corresponding) = (&pair.results, pair.results.corresponding());
            for (i, layer) in found.layers_a.iter().enumerate() {
                let best = found.best_matches[i].as_ref();
                let own = corresponding[i];
                table.add_row([
                    Cell::from(pair.a.clone()),
                    pair.b.clone().into(),
                    layer.clone().into(),
                    best.map_or("-".into(), |best| best.layer_b.clone().into()),
                    Cell::number(best.map(|best| best.cka), 4),
                    own.map_or("-".into(), |j| found.layers_b[j].clone().into()),
                    Cell::number(own.and_then(|j| found.cka[i][j].get()), 4),
                ]);
            }
        }
        table.align_right(&[4, 6]);
        vec![table, means(self)]
    }

    fn text(&self, screen: &Screen) -> String {
        let choice = self.settings.choice().map_or(String::new(), |choice| format!("\n{choice}"));
        format!("Mean CKA of corresponding layers\n{}{choice}", screen.table(&means(self)))
    }
}

impl Plot for PairsReport {
    const SMALLER: &'static str = "try .svg, fewer models, or fewer layers with --layers";

    /// A map for each pair, in the order of the report.
    fn plot(&self, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
        let results = &self.results;
        let summary = self.settings.summary(results.n);
        let values: Vec<Array2<f64>> =
            results.pairs.iter().map(|pair| matrix(&pair.results.cka)).collect();
        let marks: Vec<Vec<(usize, usize)>> =
            results.pairs.iter().map(|pair| pair.results.best_columns()).collect();
        let format = format.over(values.iter().flatten().copied());
        let maps: Vec<Heatmap<'_>> = results
            .pairs
            .iter()
            .enumerate()
            .map(|(i, pair)| Heatmap {
                title: "Centred kernel alignment between layers",
                subtitle: &summary,
                row_axis: &pair.a,
                column_axis: &pair.b,
                rows: &pair.results.layers_a,
                columns: &pair.results.layers_b,
                values: values[i].view(),
                range: (0.0, 1.0),
                reversed: false,
                scale_label: "CKA",
                marks: &marks[i],
                mark_label: "best match of each row",
            })
            .collect();
        let tiles: Vec<Tile> = maps.iter().map(|map| format.coloured(map, Tile::map)).collect();
        let rows = tiles.chunks(in_a_row(tiles.len())).map(<[Tile]>::to_vec).collect();
        let picture = Tiles { title: "Centred kernel alignment of every pair", rows };
        format.draw(|| picture.to_svg(), || picture.to_png())
    }
}

/// Maps side by side: two to four, so that the last row is as full as can be.
fn in_a_row(count: usize) -> usize {
    let lacking = |columns: &usize| (columns - count % columns) % columns;
    (2..=4).rev().min_by_key(lacking).unwrap_or(1)
}

/// A row and a column a model.
fn means(report: &PairsReport) -> table::Table {
    let results = &report.results;
    let header: Vec<String> =
        std::iter::once("model".to_owned()).chain(results.models.clone()).collect();
    let mut table = table::new(&header);
    for (name, row) in results.models.iter().zip(&results.mean_diagonal) {
        let numbers = row.iter().map(|value| Cell::number(value.get(), 4));
        table.add_row(std::iter::once(Cell::from(name.clone())).chain(numbers));
    }
    table.align_right(&(1..header.len()).collect::<Vec<_>>());
    table
}

fn matrix(rows: &[Vec<Number>]) -> Array2<f64> {
    let columns = rows.first().map_or(0, Vec::len);
    Array2::from_shape_fn((rows.len(), columns), |(i, j)| rows[i][j].get().unwrap_or(f64::NAN))
}

fn overview(report: &PairsReport, id: &str) -> Markup {
    let results = &report.results;
    let values = matrix(&results.mean_diagonal);
    let missing = values.iter().any(|value| !value.is_finite());
    let reasons = match missing {
        true => vec!["no layers of the two correspond, or none of them has a value".to_owned()],
        false => vec![],
    };
    let matrix = Matrix {
        id,
        caption: "Mean CKA of corresponding layers of each pair of models: of the same name, else in the same place.",
        row_axis: "model",
        column_axis: "model",
        rows: &results.models,
        columns: &results.models,
        values: values.view(),
        range: (0.0, 1.0),
        colours: ColorMap::Viridis,
        reversed: false,
        label: "mean CKA",
        marks: &[],
        mark_label: "",
        reasons: &reasons,
        reason: &|_, _| missing.then_some(0),
    };
    matrix.draw()
}

fn map(pair: &PairResult, id: &str) -> Markup {
    let CkaResults { layers_a, layers_b, cka, nulls, .. } = &pair.results;
    let values = matrix(cka);
    let marks = pair.results.best_columns();
    let reasons: Vec<String> = nulls.iter().map(super::cka::said).collect();
    let is = |named: &Option<String>, layer: &String| named.as_ref().is_none_or(|n| n == layer);
    let reason = |i: usize, j: usize| {
        nulls.iter().position(|n| is(&n.layer_a, &layers_a[i]) && is(&n.layer_b, &layers_b[j]))
    };
    let matrix = Matrix {
        id,
        caption: &format!("CKA of A: {} and B: {}", pair.a, pair.b),
        row_axis: &pair.a,
        column_axis: &pair.b,
        rows: layers_a,
        columns: layers_b,
        values: values.view(),
        range: (0.0, 1.0),
        colours: ColorMap::Viridis,
        reversed: false,
        label: "CKA",
        marks: &marks,
        mark_label: "best match of the row",
        reasons: &reasons,
        reason: &reason,
    };
    matrix.draw()
}
