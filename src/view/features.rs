//! The section of a folder of features.

use super::names::counted;
use super::table::Cell;
use super::{Content, Place, Screen, Tables, View, subjects, table};
use crate::render::html::{Column, Entry, Table, html};
use crate::report::features::{FeaturesReport, KeptLayer};
use crate::torchscript::shape_text;

impl View for FeaturesReport {
    /// A table of the files.
    fn content(&self, _: Place<'_>) -> Content {
        let columns = vec![
            Column::text("layer"),
            Column::text("file"),
            Column::text("type"),
            Column::text("shape"),
            Column::text("what"),
        ];
        let rows = self.kept().map(|layer| cells(layer).map(Entry::text).into()).collect();
        let table = Table { caption: "Files, with a row a sample", columns, rows };
        let body = html! { (table.draw()) };
        Content { kind: "Features in files", title: subjects(self), lead: self.lead(), body }
    }
}

impl Tables for FeaturesReport {
    fn tables(&self) -> Vec<table::Table> {
        let mut table = table::new(&["layer", "file", "type", "shape", "what"]);
        for layer in self.kept() {
            table.add_row(cells(layer).map(Cell::from));
        }
        vec![table]
    }

    fn text(&self, screen: &Screen) -> String {
        let tables = self.tables().iter().map(|table| screen.table(table)).collect::<String>();
        format!("{tables}\n{}", self.lead())
    }
}

impl FeaturesReport {
    fn kept(&self) -> impl Iterator<Item = &KeptLayer> {
        self.results.layers.iter().chain(&self.results.outputs)
    }

    /// What is in the folder, in a sentence.
    pub fn lead(&self) -> String {
        let results = &self.results;
        let (layers, n) = (counted(results.layers.len(), "layer"), counted(results.n, "sample"));
        let right = self.inputs.models.iter().flat_map(|model| &model.accuracy);
        let right: Vec<String> = right.filter_map(|found| found.in_words()).collect();
        match right.first() {
            Some(right) => format!("{layers} for {n}; {right}."),
            None => format!("{layers} for {n}."),
        }
    }
}

fn cells(layer: &KeptLayer) -> [String; 5] {
    let shape: Vec<i64> = layer.shape.iter().map(|&size| size as i64).collect();
    let dtype = super::name_of(&layer.dtype);
    [layer.name.clone(), layer.file.clone(), dtype, shape_text(&shape), what(layer)]
}

fn what(layer: &KeptLayer) -> String {
    match &layer.projected {
        Some(made) => format!("projected from {} features", made.from),
        None if layer.order.is_empty() => "rows".to_owned(),
        None => "whole outputs".to_owned(),
    }
}
