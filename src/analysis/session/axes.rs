//! `--channel-axis`: channels at an axis that is given, and what is said where it is guessed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

use crate::capture::{Reduce, Subject};
use crate::error::{Error, Result};
use crate::report::Warning;
use crate::torchscript::{Axes, By, Layer, Selection, shape_text};
use crate::view::names::{few, listed};

/// The axis of the channels of the layers that a pattern chooses.
#[derive(Debug, Clone)]
pub struct ChannelAxis {
    text: String,
    layers: Selection,
    axis: usize,
}

impl ChannelAxis {
    /// The axis, counted from 0 with that of the samples, of the layers that a name or glob chooses.
    ///
    /// # Errors
    /// The pattern means nothing.
    pub fn new(pattern: &str, axis: usize) -> Result<Self> {
        let layers = Selection::new(&[pattern])?;
        Ok(Self { text: format!("{pattern}={axis}"), layers, axis })
    }
}

/// The axes given, for the layers of several models or arrays of several files.
#[derive(Clone)]
pub struct ChannelAxes(Arc<Given>);

struct Given {
    axes: Vec<ChannelAxis>,
    used: Vec<AtomicBool>,
    /// Models or files whose layers have not been seen yet.
    left: AtomicIsize,
}

impl ChannelAxes {
    /// For so many models or files. Once the last of them was seen, each pattern must have chosen a
    /// layer of one; for none, nothing is checked.
    pub fn new(axes: &[ChannelAxis], files: usize) -> Self {
        let used = axes.iter().map(|_| AtomicBool::new(false)).collect();
        let left = AtomicIsize::new(files as isize);
        Self(Arc::new(Given { axes: axes.to_vec(), used, left }))
    }

    /// Puts the channels of the layers of a model where they were given to be.
    ///
    /// # Errors
    /// A layer has no such axis, or a pattern chooses no layer of any model.
    pub fn apply(&self, layers: &mut [Layer], model: &Path) -> Result<()> {
        for layer in layers {
            layer.axes = self.of(&layer.name, layer.axes, &layer.shape, model)?;
        }
        self.seen(model)
    }

    /// The axes of the array of a name: samples first, channels as given or by the number of axes.
    ///
    /// # Errors
    /// The array has no such axis.
    pub fn of_array(&self, name: &str, shape: &[usize], file: &Path) -> Result<Axes> {
        let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        self.of(name, Axes::guessed(shape.len()), &shape, file)
    }

    /// All layers of a file have been seen.
    ///
    /// # Errors
    /// It was the last file, and a pattern chose nothing.
    pub fn seen(&self, file: &Path) -> Result<()> {
        let is_last = self.0.left.fetch_sub(1, Ordering::Relaxed) == 1;
        let mut pairs = self.0.axes.iter().zip(&self.0.used);
        match pairs.find(|(_, used)| is_last && !used.load(Ordering::Relaxed)) {
            None => Ok(()),
            Some((given, _)) => Err(Error::usage(
                format!("--channel-axis {} matches no layer of {}", given.text, file.display()),
                "`repsim layers` lists them",
            )),
        }
    }

    /// All arrays of all sets have been seen.
    ///
    /// # Errors
    /// A pattern chose none of them.
    pub fn check_arrays(&self) -> Result<()> {
        let mut pairs = self.0.axes.iter().zip(&self.0.used);
        match pairs.find(|(_, used)| !used.load(Ordering::Relaxed)) {
            None => Ok(()),
            Some((given, _)) => Err(Error::usage(
                format!("--channel-axis {} matches no array of the sets", given.text),
                "name an array as in its file (a .npy by the name of the file without the ending)",
            )),
        }
    }

    fn of(&self, name: &str, axes: Axes, shape: &[i64], file: &Path) -> Result<Axes> {
        let matching = |(_, given): &(usize, &ChannelAxis)| given.layers.wants(name);
        let Some((place, given)) = self.0.axes.iter().enumerate().rfind(matching) else {
            return Ok(axes);
        };
        self.0.used[place].store(true, Ordering::Relaxed);
        if given.axis < shape.len() && given.axis != axes.samples {
            return Ok(axes.with_channels(given.axis));
        }
        let why = match given.axis == axes.samples {
            true => "axis of the samples".to_owned(),
            false => format!("axis beyond its {}", shape.len()),
        };
        let others: Vec<String> =
            (0..shape.len()).filter(|&a| a != axes.samples).map(|a| a.to_string()).collect();
        Err(Error::usage(
            format!(
                "--channel-axis {}: {name} of {} gives {}, and {} is the {why}",
                given.text,
                file.display(),
                shape_text(shape),
                given.axis
            ),
            format!("name one of its axes {}", others.join(", ")),
        ))
    }
}

/// Checks that the layers have what the reduction takes, and warns of layers whose channels could only
/// be guessed where it depends on them.
///
/// # Errors
/// A layer has no tokens where those are reduced.
pub fn check(subjects: &[Subject], reduce: Reduce) -> Result<Vec<Warning>> {
    subjects.iter().try_for_each(|subject| subject.check_reduce(reduce))?;
    let depends = reduce != Reduce::Flatten;
    let warnings = subjects.iter().filter(|_| depends);
    Ok(warnings.filter_map(|s| unknown(&s.layers, s.model.path())).collect())
}

/// A warning of layers whose channels could only be guessed.
pub fn unknown(layers: &[Layer], model: &Path) -> Option<Warning> {
    let layers: Vec<_> = layers.iter().map(|l| (l.name.as_str(), l.axes, l.shape.len())).collect();
    unknown_of(&layers, model)
}

/// The same of layers by name, with the axes of their outputs and the number of these.
pub fn unknown_of(layers: &[(&str, Axes, usize)], model: &Path) -> Option<Warning> {
    let found = layers.iter().filter(|(_, axes, rank)| axes.told == By::Guessed && *rank > 2);
    let found: Vec<_> = found.collect();
    let (first, ..) = found.first()?;
    let names: Vec<&str> = found.iter().map(|(name, ..)| *name).collect();
    let axis = |axes: &Axes| axes.channels.map_or(String::new(), |a| a.to_string());
    let mut axes: Vec<String> = found.iter().map(|(_, axes, _)| axis(axes)).collect();
    axes.dedup();
    let text = format!(
        "which axis holds the channels is not known for {} of {}: by the number of axes, axis {} is \
         taken (--channel-axis {}=AXIS says which)",
        few("layer", &names),
        model.display(),
        listed(&axes.iter().map(String::as_str).collect::<Vec<_>>()),
        first
    );
    Some(Warning::new("channel-axis-unknown", names.join(", "), text))
}
