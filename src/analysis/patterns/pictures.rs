//! The patches of a sheet, cut from their images.

use std::collections::{BTreeMap, BTreeSet};

use super::results::{Run, driven, lowest};
use super::steps_of;
use crate::analysis::session::shown;
use crate::capture::patterns::Outcome;
use crate::capture::to_tensor;
use crate::data::{Dataset, InputBatch, LoadOptions, Preprocess};
use crate::error::Result;
use crate::patterns::{Peak, Window};
use crate::render::{Cell, Image};
use crate::report::patterns::{PatternsChannel, PatternsReport};
use crate::saliency::{Focus, images_of};
use crate::view::patterns::sheet::{self, Shown, ShownRow};

/// Where images are read from again.
pub struct Gallery<'a> {
    /// The data.
    pub dataset: &'a Dataset,
    /// What is done to them: one entry a model, or one for both.
    pub preprocess: &'a [Preprocess],
    /// How they are read.
    pub load: &'a LoadOptions,
}

/// A patch that a cell of the sheet waits for.
struct Waiting {
    row: usize,
    column: usize,
    peak: Peak,
    window: Window,
    /// Rows and columns of the largest patch of its layer.
    frame: (usize, usize),
}

/// A layer's unit by model, layer and channel.
type Unit = (usize, usize, usize);

/// The rows of a sheet, and the patches that they wait for, a list a model.
struct Sketch<'a> {
    run: &'a Run<'a>,
    rows: Vec<ShownRow>,
    waiting: BTreeMap<usize, Vec<Waiting>>,
}

impl Gallery<'_> {
    /// The sheet's rows: each channel shown, beside it its partner, and under it its patches of each class.
    ///
    /// # Errors
    /// The images cannot be read again.
    pub fn shown(
        &self,
        run: &Run<'_>,
        (report, outcome): (&PatternsReport, &Outcome),
    ) -> Result<Shown> {
        let columns = run.asked.columns();
        let width = columns.iter().map(|(_, count)| count).sum();
        let mut sketch = Sketch { run, rows: vec![], waiting: BTreeMap::new() };
        for (place, &layer) in run.opened.sides[0].order.iter().enumerate() {
            let of_layer = &report.results.layers[place];
            let is_shown = |channel: &&PatternsChannel| !channel.top.is_empty();
            let most = if run.asked.pick.is_empty() { run.asked.rows } else { usize::MAX };
            for channel in of_layer.channels.iter().filter(is_shown).take(most) {
                let heading = sheet::heading(&of_layer.layer, channel);
                sketch.rows.push(ShownRow { heading, cells: vec![Cell::Empty; width] });
                let unit = (0, layer, channel.channel);
                let found = &outcome.layers[0][layer][channel.channel];
                sketch.add(unit, &driven(found), 0);
                if let Some(matched) = report.results.comparisons.get(place) {
                    let pair = matched.matched.iter().find(|pair| pair.a == channel.channel);
                    if let Some(pair) = pair {
                        let there = run.opened.sides[1].order[place];
                        let other = &outcome.layers[1][there][pair.b];
                        sketch.note(&sheet::partner(pair));
                        sketch.add((1, there, pair.b), &driven(other), columns[0].1);
                    }
                }
                sketch.add(unit, &lowest(found), width - run.asked.bottom);
                for (class, peaks) in channel.by_class.iter().enumerate() {
                    let name = &report.results.classes[class].name;
                    let heading = sheet::class_heading(channel.channel, name);
                    sketch.rows.push(ShownRow { heading, cells: vec![Cell::Empty; width] });
                    sketch.add(unit, &found.of_class[class][..peaks.len()], 0);
                }
            }
        }
        let Sketch { mut rows, waiting, .. } = sketch;
        for (model, waiting) in waiting {
            self.cut(run, model, &waiting, &mut rows)?;
        }
        Ok(Shown { columns, rows })
    }

    /// Reads the images of a model's patches once, and puts the patches into their cells.
    fn cut(
        &self,
        run: &Run<'_>,
        model: usize,
        waiting: &[Waiting],
        rows: &mut [ShownRow],
    ) -> Result<()> {
        let samples: BTreeSet<usize> = waiting.iter().map(|one| one.peak.sample).collect();
        let samples: Vec<usize> = samples.into_iter().collect();
        let subject = &run.opened.subjects[model];
        let focus = run.opened.sides[model].focus.as_ref();
        let of_images = self.dataset.has_images();
        let steps = steps_of(self.preprocess, subject);
        let steps = if of_images { shown::steps(steps) } else { steps.clone() };
        let load = LoadOptions { fingerprint: false, range: None, ..self.load.clone() };
        let mut batches = self.dataset.only(&samples).batches(&[steps], &load)?;
        while let Some(batch) = batches.next().transpose()? {
            let images = images(&batch.inputs[0], of_images, focus)?;
            for (image, &index) in images.iter().zip(&batch.indices) {
                for one in waiting.iter().filter(|one| one.peak.sample == samples[index]) {
                    let caption = sheet::caption(one.peak.value, run.label(one.peak.sample));
                    let patch = sheet::patch(image, one.window, one.frame);
                    rows[one.row].cells[one.column] = Cell::new(patch, caption);
                }
            }
        }
        Ok(())
    }
}

impl Sketch<'_> {
    /// Lets the last row wait for the patches of a unit, from a column on.
    fn add(&mut self, (model, layer, channel): Unit, peaks: &[Peak], first: usize) {
        let fields = &self.run.told[model][layer].fields;
        let row = self.rows.len() - 1;
        for (place, peak) in peaks.iter().enumerate() {
            let Some(window) = fields.of(channel, peak.position) else { continue };
            let (column, frame) = (first + place, fields.largest());
            let waiting = Waiting { row, column, peak: *peak, window, frame };
            self.waiting.entry(model).or_default().push(waiting);
        }
    }

    /// Adds a line to the heading of the last row.
    fn note(&mut self, line: &str) {
        if let Some(row) = self.rows.last_mut() {
            row.heading = format!("{}\n{line}", row.heading);
        }
    }
}

/// The images of a batch, to look at.
fn images(input: &InputBatch, of_images: bool, focus: Option<&Focus>) -> Result<Vec<Image>> {
    match of_images {
        true => Ok(shown::images(input)),
        false => shown::of_values(&images_of(focus, &to_tensor(input)?)),
    }
}
