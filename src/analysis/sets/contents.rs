//! What the paths of sets hold.

use std::path::Path;

use super::{Keep, Sets};
use crate::analysis::session::extraction::is_array;
use crate::analysis::session::kept::Folder;
use crate::analysis::session::kept_names::refuse_index;
use crate::analysis::session::kept_sides::{refuse_running, refuse_running_without};
use crate::data::features::{StoredSet, open_set};
use crate::data::statistics::Statistics;
use crate::data::{ArrayLayout, Dataset};
use crate::error::{Error, Result};

/// What a path holds.
pub(super) enum Contents {
    /// Images, arrays or texts, for a model.
    Images(Dataset),
    /// Features, and classes beside them.
    Features(StoredSet),
    /// Features that a run of `repsim features` wrote.
    Kept(Box<Folder>),
}

impl Sets<'_> {
    /// Makes ready for a reference whose arrays of pictures have their axes in another order than those
    /// of the other sets, and takes that back.
    ///
    /// # Errors
    /// What `body` failed with; the reference has no axis of channels.
    pub fn with_layout<T>(
        &mut self,
        path: &Path,
        layout: Option<ArrayLayout>,
        body: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let Some(told) = layout else { return body(self) };
        let others = self.features.layout.replace(told);
        if self.has_no_layout(path)? {
            let problem =
                format!("--reference-layout {told} is for arrays of pictures, and this is none");
            return Err(Error::file("open", path, problem, "leave --reference-layout out"));
        }
        let found = body(self);
        self.features.layout = others;
        found
    }

    fn has_no_layout(&self, path: &Path) -> Result<bool> {
        if Statistics::is_statistics(path) {
            return Ok(true);
        }
        Ok(match self.contents(path)? {
            Contents::Features(_) | Contents::Kept(_) => true,
            Contents::Images(dataset) => dataset.layout().is_none(),
        })
    }

    /// Images with their labels, where those are wanted.
    fn open(&self, path: &Path) -> Result<Dataset> {
        self.features.open(path, self.keep == Keep::Classes || self.wanted.classes)
    }

    /// What a path holds. With a model every set is taken as what goes into it.
    pub(super) fn contents(&self, path: &Path) -> Result<Contents> {
        refuse_index(path)?;
        if Folder::is_at(path) {
            self.refuse_options(path)?;
            self.refuse_running(path)?;
            return Folder::open(path).map(|folder| Contents::Kept(Box::new(folder)));
        }
        if !is_array(path) || path.is_dir() {
            return self.open(path).map(Contents::Images);
        }
        if self.args.model.is_some() {
            return self.open(path).map(Contents::Images);
        }
        let set = open_set(path, self.args.layer.as_deref())?;
        if set.is_pictures {
            return self.open(path).map(Contents::Images);
        }
        self.refuse_options(path)?;
        self.refuse_steps(path, "take them when the features are written")?;
        refuse_running_without(path, &self.args.running, self.args.output_index)?;
        Ok(Contents::Features(set))
    }

    /// Refuses options of a model where none runs because the features come from a folder.
    fn refuse_running(&self, path: &Path) -> Result<()> {
        if self.args.model.is_some() {
            return Ok(());
        }
        self.refuse_steps(path, "give --preprocess and the like to repsim features")?;
        refuse_running([&path.to_owned()], &self.args.running, self.args.output_index)
    }

    /// Refuses steps for images where features are stored.
    fn refuse_steps(&self, path: &Path, remedy: &str) -> Result<()> {
        if self.args.preprocessing.any() {
            let problem = format!("{} holds features, not images", path.display());
            return Err(Error::usage(problem, remedy));
        }
        Ok(())
    }

    /// Refuses options that features do not have.
    fn refuse_options(&self, path: &Path) -> Result<()> {
        if self.args.load.any() {
            let problem = format!("{} holds features, not images", path.display());
            let remedy = "leave out --limit, --layout and --skip-unreadable, or save fewer rows";
            return Err(Error::usage(problem, remedy));
        }
        Ok(())
    }
}
