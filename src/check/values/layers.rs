//! Values of `repsim layers`.

use super::{Content, Entry, Main, Values};
use crate::report::layers::LayersReport;

const MAIN: Main = Main { measure: "parameters", diagonal: false };

impl Values for LayersReport {
    fn content(&self) -> Content {
        let entries = self.results.layers.iter().flat_map(|layer| {
            let elements: i64 = layer.shape.iter().product();
            [
                Entry::new("parameters", &[&layer.name], (layer.parameters as f64).into()),
                Entry::new("elements", &[&layer.name], (elements as f64).into()),
            ]
        });
        Content::new(MAIN, entries.collect())
    }
}
