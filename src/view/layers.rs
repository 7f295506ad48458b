//! The section of a list of layers.

use super::names::{counted, listed};
use super::{Content, Place, View, subjects};
use crate::render::html::{Column, Entry, Table, html};
use crate::report::LayerInfo;
use crate::report::layers::LayersReport;
use crate::torchscript::shape_text;

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
