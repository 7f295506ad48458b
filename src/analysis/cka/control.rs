//! Models that the diagonal is read against.

use std::path::{Path, PathBuf};

use super::Cka;
use crate::analysis::session::sides::Sides;
use crate::analysis::{Observer, Preprocessing};
use crate::capture::Progress;
use crate::error::Result;
use crate::report::cka::ControlResult;

impl Cka {
    /// A with a control in place of B: its own weights, and the layers that A's patterns choose of it.
    pub(super) fn control(&self, path: &Path, observer: &dyn Observer) -> Result<ControlResult> {
        let mut sides = self.sides.clone();
        let stored = !sides.features.is_empty();
        let files = if stored { &mut sides.features } else { &mut sides.models };
        files.truncate(1);
        files.push(path.to_owned());
        sides.layers_b = vec![];
        sides.preprocessing_b = Preprocessing::default();
        let running = &mut sides.running;
        running.weights.truncate(1);
        running.weights.extend((!running.weights.is_empty()).then_some(None));
        if running.output_keys.len() == 2 {
            running.output_keys[1] = None;
        }
        let about = format!("control {}", path.display());
        let found = self.of_pair(sides).compared(&OnlyPasses { observer, about })?;
        let (models, files) = (&found.inputs.models, &found.inputs.features);
        let of_model = models.get(1).map(|model| (model.path.clone(), model.sha256.clone()));
        let of_file = files.get(1).map(|file| (file.path.clone(), file.sha256.clone()));
        let (path, sha256) = of_model.or(of_file).unwrap_or_default();
        let name = found.inputs.names().pop().unwrap_or_default();
        Ok(found.results.control(name, path, sha256))
    }

    /// The same of two of the models: what is said of how they run is not said of two folders of features, beside
    /// which others run.
    pub(super) fn of_pair(&self, mut sides: Sides) -> Self {
        let runs = |models: &[PathBuf]| models.iter().any(|path| !path.is_dir());
        let others = runs(&self.sides.models) || runs(&self.controls);
        if sides.features.is_empty() && others && !runs(&sides.models) {
            sides.preprocessing = Preprocessing::default();
            sides.preprocessing_b = Preprocessing::default();
            sides.running.channel_axes = vec![];
        }
        Self { sides, ..self.clone() }
    }
}

/// Follows how far the passes are: what is said of A and of the data was said.
pub(super) struct OnlyPasses<'a> {
    pub observer: &'a dyn Observer,
    /// What the passes are over.
    pub about: String,
}

impl Observer for OnlyPasses<'_> {
    fn passes(&self) -> Box<dyn Progress> {
        let mut passes = self.observer.passes();
        passes.about(&self.about);
        passes
    }
}
