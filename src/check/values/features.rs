//! Values of `repsim features`.

use super::{Content, Entry, Main, Values};
use crate::check::comparable::Condition;
use crate::report::features::FeaturesReport;

const MAIN: Main = Main { measure: "elements", diagonal: false };

impl Values for FeaturesReport {
    fn content(&self) -> Content {
        let entries = self.results.layers.iter().map(|layer| {
            let elements: usize = layer.shape.iter().skip(1).product();
            Entry::new("elements", &[&layer.name], (elements as f64).into())
        });
        let mut content = Content::new(MAIN, entries.collect());
        // Shapes alone do not show that they are another network's.
        let models = self.inputs.models.iter();
        content.conditions.extend(models.map(|model| Condition::new("model", model.identity())));
        content
    }
}
