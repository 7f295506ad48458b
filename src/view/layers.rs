//! The section of a list of layers.

use super::dots::{Charts, Dots};
use super::names::{counted, listed};
use super::table::Cell;
use super::{Content, PictureFormat, Place, Screen, Tables, View, subjects, table};
use crate::error::visible;
use crate::render::RenderError;
use crate::render::html::{Column, Entry, Table, html};
use crate::report::LayerInfo;
use crate::report::layers::{LayersReport, NoTensor, WantedInput};
use crate::torchscript::shape_text;

/// How many modules one remark names.
const NAMED: usize = 3;

impl View for LayersReport {
    /// A table of the layers.
    fn content(&self, _: Place<'_>) -> Content {
        let layers = &self.results.layers;
        let columns = vec![
            Column::text("layer"),
            Column::text("type"),
            Column::text("kind"),
            Column::text("output"),
            Column::number("parameters"),
            Column::number("runs"),
            Column::text("depends on"),
        ];
        let rows = layers.iter().map(row).collect();
        let table = Table { caption: "Layers in the order in which they finish", columns, rows };
        let lead = format!(
            "{} layers for an input of {}.",
            layers.len(),
            shape_text(&self.settings.input_size)
        );
        let body = html! {
            (table.draw())
            @for module in &self.results.without_tensor {
                p.small { span.code { (module.name) } " gives " (module.returns) ": not listed." }
            }
            @for fused in &self.results.fused {
                p.small { (counted(fused.modules.len(), "module")) " " (fast_path(&[&fused.operator])) ": " (fused.modules.join(", ")) "." }
            }
            @if !self.results.not_run.is_empty() {
                p.small { "Did not run for this input: " (self.results.not_run.join(", ")) "." }
            }
        };
        Content { kind: "Layers of a network", title: subjects(self), lead, body }
    }

    /// Parameters and values of each layer.
    fn main_picture(&self, format: PictureFormat) -> Option<Result<Vec<u8>, RenderError>> {
        let layers = &self.results.layers;
        let names: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
        let dots = |label, of: fn(&LayerInfo) -> f64| {
            let values = layers.iter().map(|layer| (of(layer), (f64::NAN, f64::NAN))).collect();
            Dots { label, values, level: Some(("", 0.0)) }
        };
        let parameters = dots("parameters", |layer| layer.parameters as f64);
        let values = dots("values of one sample's output", |layer| match layer.shape.as_slice() {
            [] => f64::NAN,
            sides => sides.iter().map(|&side| side as f64).product(),
        });
        let charts = Charts {
            title: &format!("Sizes of the layers of {}", subjects(self)),
            subtitle: &format!("input {}", shape_text(&self.settings.input_size)),
            x_label: "layer",
            names: &names,
            dots: vec![parameters, values],
        };
        Some(charts.draw(format))
    }
}

impl Tables for LayersReport {
    /// A row a layer, and what the model wants as inputs where that is more than a tensor.
    fn tables(&self) -> Vec<table::Table> {
        vec![table_of(&self.results.layers)]
    }

    fn text(&self, screen: &Screen) -> String {
        let table = screen.table(&table_of(&self.results.layers));
        match takes(&self.results.inputs) {
            Some(takes) => format!("{table}\nforward takes {takes}"),
            None => table,
        }
    }
}

fn row(layer: &LayerInfo) -> Vec<Entry> {
    vec![
        Entry::code(&layer.name),
        Entry::text(&layer.type_name),
        Entry::text(&layer.kind),
        Entry::text(shape_text(&layer.shape)),
        Entry::count(layer.parameters as usize),
        Entry::count(layer.calls),
        Entry::text(layer.depends_on.join(", ")),
    ]
}

/// Why modules that operators stand for did not run, and how they can be had: what follows their names.
pub fn fast_path(operators: &[&str]) -> String {
    let compute = match operators {
        [one] => format!("{one} computes"),
        _ => format!("{} compute", listed(operators)),
    };
    format!(
        "did not run: {compute} all of it at once (PyTorch's fast path of transformers); export with \
         torch.backends.mha.set_fastpath_enabled(False) and torch.jit.trace to have it"
    )
}

/// The inputs a model wants, where they are more than a tensor of any shape.
fn takes(inputs: &[WantedInput]) -> Option<String> {
    let plain =
        matches!(inputs, [WantedInput { dtype: None, type_name, .. }] if type_name == "Tensor");
    let one = |input: &WantedInput| {
        let optional = if input.optional { ", optional" } else { "" };
        format!("{} ({}{optional})", visible(&input.name), input.type_text())
    };
    (!plain && !inputs.is_empty()).then(|| inputs.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn table_of(layers: &[LayerInfo]) -> table::Table {
    let depends = layers.iter().any(|layer| !layer.depends_on.is_empty());
    let mut columns = vec!["layer", "type", "kind", "output", "channel axis", "parameters", "runs"];
    columns.extend(depends.then_some("depends on"));
    let mut table = table::new(&columns);
    for layer in layers {
        let complex = if layer.complex { " (complex)" } else { "" };
        let mut row = vec![
            Cell::from(layer.name.clone()),
            layer.type_name.clone().into(),
            layer.kind.clone().into(),
            format!("{}{complex}", shape_text(&layer.shape)).into(),
            if layer.calls > 0 { channels(layer).into() } else { "".into() },
            Cell::of(Some(layer.parameters as f64), |_| table::thousands(layer.parameters)),
            if layer.calls > 0 { layer.calls.into() } else { "".into() },
        ];
        row.extend(depends.then(|| layer.depends_on.join(", ").into()));
        table.add_row(row);
    }
    table.align_right(&[4, 5, 6]);
    table.keep_first(&[0, 3, 5, 1, 2]);
    table
}

/// The axis that holds the channels, with a question mark where it was guessed.
fn channels(layer: &LayerInfo) -> String {
    let guessed = layer.channel_axis_by.as_deref() == Some("guessed");
    let axis = layer.channel_axis.map_or("-".to_owned(), |axis| axis.to_string());
    if guessed { format!("{axis}?") } else { axis }
}

/// What there is to say of a listing beside its table.
pub fn remarks(report: &LayersReport) -> Vec<String> {
    let results = &report.results;
    let mut remarks = vec![];
    if report.inputs.models.iter().any(|m| m.frozen) {
        remarks.push(
            "No modules are left in this archive (it was frozen, or never had any): its layers are \
             its operators, named by kind and order."
                .to_owned(),
        );
    }
    remarks.extend(not_listed(&results.without_tensor));
    if !results.fused.is_empty() {
        let modules = results.fused.iter().map(|fused| fused.modules.len()).sum();
        let operators: Vec<&str> = results.fused.iter().map(|f| f.operator.as_str()).collect();
        let why = fast_path(&operators);
        remarks.push(format!("{} {why}", counted(modules, "module")));
    }
    let unexplained = |name: &&String| !results.fused.iter().any(|f| f.modules.contains(name));
    let idle: Vec<&str> = results.not_run.iter().filter(unexplained).map(String::as_str).collect();
    if !idle.is_empty() {
        remarks.push(format!("did not run for this input: {}", idle.join(", ")));
    }
    remarks
}

/// Which modules give no tensor: one line for all that give the same.
fn not_listed(modules: &[NoTensor]) -> Vec<String> {
    let mut kinds: Vec<(&str, Vec<&str>)> = vec![];
    for NoTensor { name, returns } in modules {
        match kinds.iter_mut().find(|(other, _)| other == returns) {
            Some((_, names)) => names.push(name),
            None => kinds.push((returns, vec![name])),
        }
    }
    let line = |(returns, names): &(&str, Vec<&str>)| match names.as_slice() {
        [name] => format!("{name} gives {returns}: not listed"),
        names if names.len() <= NAMED => format!("{} give {returns}: not listed", names.join(", ")),
        names => format!(
            "{} modules give {returns}: not listed ({}, …; --json lists them all)",
            names.len(),
            names[..NAMED].join(", ")
        ),
    };
    kinds.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_without_a_tensor_share_a_line() {
        let module =
            |name: &str, returns: &str| NoTensor { name: name.into(), returns: returns.into() };
        let modules = ["a", "b", "c", "d"].map(|name| module(name, "NoneType"));
        let one = &modules[..1];
        assert_eq!(not_listed(one), ["a gives NoneType: not listed"]);
        assert_eq!(not_listed(&modules[..2]), ["a, b give NoneType: not listed"]);
        let mut all = modules.to_vec();
        all.insert(2, module("x", "Dict"));
        let said = not_listed(&all);
        assert!(said[0].starts_with("4 modules give NoneType: not listed (a, b, c, …"), "{said:?}");
        assert_eq!(said[1], "x gives Dict: not listed");
    }
}
