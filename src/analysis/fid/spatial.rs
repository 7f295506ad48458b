//! sFID: the Fréchet distance of a layer that has positions.

use std::path::Path;

use super::{Fid, Run, shown};
use crate::analysis::Observer;
use crate::analysis::session::extraction::Extraction;
use crate::capture::{Progress, Reduce};
use crate::error::{Error, Result};
use crate::frechet::{Metric, Scores};
use crate::report::Warning;
use crate::report::fid::FidReport;

/// The layer of sFID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spatial {
    /// Its name.
    pub layer: String,
    /// How many of its channels are taken, the first ones.
    pub channels: usize,
}

/// Shows how far the run is, and nothing else of it.
struct Quiet<'a>(&'a dyn Observer);

impl Observer for Quiet<'_> {
    fn passes(&self) -> Box<dyn Progress> {
        self.0.passes()
    }
}

impl Fid {
    /// The distances of all candidates in the spatial layer, of a run of its own. Its features are all positions of the
    /// first channels (Nash et al. 2021; 7 of `mixed_6/conv` of FID's Inception in the guided-diffusion suite).
    ///
    /// # Errors
    /// The layer has no positions or fewer channels, or a set is not data for the model.
    pub(super) fn spatial_distances(&self, observer: &dyn Observer) -> Result<Option<FidReport>> {
        let Some(spatial) = &self.spatial else { return Ok(None) };
        if self.extraction.model.is_none() {
            let problem = "sfid takes a layer of a model, and none was given";
            return Err(Error::usage(problem, "name one with --model, or leave sfid out"));
        }
        let extraction = Extraction {
            layer: Some(spatial.layer.clone()),
            reduce: Reduce::Flatten,
            first_channels: Some(spatial.channels),
            ..self.extraction.clone()
        };
        let metrics = vec![Metric::Fid];
        let (cache, held_out, spatial, fail_above) = (None, None, None, None);
        let run =
            Self { metrics, cache, held_out, spatial, fail_above, extraction, ..self.clone() };
        run.run(&Quiet(observer), &mut |_| Ok(())).map(Some)
    }
}

/// What is to be said of the numbers of samples of a spatial layer.
fn warnings_of(report: &FidReport) -> impl Iterator<Item = Warning> + '_ {
    let few = report.warnings.iter().filter(|warning| warning.code == "few-samples");
    few.map(|warning| {
        Warning::new("few-samples", &warning.place, format!("sfid: {}", warning.text))
    })
}

impl Run<'_> {
    /// Takes the distances of the spatial layer.
    pub(super) fn take_spatial(&mut self, spatial: Option<FidReport>) {
        self.warn(spatial.iter().flat_map(warnings_of).collect::<Vec<_>>());
        self.spatial = spatial;
    }

    /// Puts in the distance in the spatial layer.
    pub(super) fn enter_spatial(&self, path: &Path, scores: &mut Scores) {
        let Some(report) = &self.spatial else { return };
        let own = report.results.candidates.iter().find(|row| row.path == shown(path));
        scores.sfid = own.and_then(|row| row.value("fid"));
        if scores.sfid.is_none() {
            let reason = own.and_then(|row| row.error.clone()).unwrap_or_default();
            scores.absent.push((Metric::Sfid, reason));
        }
    }
}
