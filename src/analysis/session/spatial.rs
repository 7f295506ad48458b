//! Which layers of a model are looked into as maps, or channel by channel.

use tch::Tensor;

use super::models::{choose, layer_error};
use crate::analysis::Observer;
use crate::error::{Error, Result};
use crate::report::maps::MapGrid;
use crate::torchscript::{
    By, Folding, Grid, Kind, Layer, MapView, Model, NoMap, Selection, gives_tokens, shape_text,
};

/// How each of some layers is seen as maps.
///
/// # Errors
/// One of them has none.
pub fn views(model: &Model, layers: &[Layer], folding: &Folding) -> Result<Vec<MapView>> {
    let view = |layer| MapView::of(layer, folding).map_err(|why| no_map(model, layer, why));
    layers.iter().map(view).collect()
}

/// How a layer was seen, for a report.
pub fn in_report(view: MapView) -> MapGrid {
    let MapView { grid: Grid { rows, columns }, left_out } = view;
    MapGrid { rows, columns, left_out }
}

pub(super) fn no_map(model: &Model, layer: &Layer, why: NoMap) -> Error {
    Error::Layer {
        layer: layer.name.clone(),
        path: model.path().to_owned(),
        problem: why.problem,
        remedy: why.remedy,
    }
}

/// What layers are wanted for.
pub struct Asked<'a> {
    /// Names or patterns; none for the default.
    pub names: &'a [String],
    /// The grid that tokens fold to.
    pub grid: Option<Grid>,
    /// Whether the output has to depend on them.
    pub differentiated: bool,
}

/// A model as it was probed.
pub struct Found<'a> {
    /// The model, not prepared yet.
    pub model: &'a mut Model,
    /// All its layers.
    pub all: &'a [Layer],
    /// What it was probed with.
    pub samples: &'a Tensor,
    /// The images that these are, N×C×H×W, whose proportions tokens fold to.
    pub images: &'a Tensor,
}

impl Found<'_> {
    /// The layers named that give maps, in the order of the network; without any the default, which
    /// is said.
    ///
    /// # Errors
    /// There is no such layer, one named has no spatial map, or the output does not depend on it.
    pub fn map_layers(&mut self, asked: &Asked<'_>, observer: &dyn Observer) -> Result<Vec<Layer>> {
        if asked.names.is_empty() {
            return Ok(vec![self.default_layer(asked, observer)?]);
        }
        let folding = Folding::of(self.images, asked.grid);
        let chosen = choose(self.model, self.all, &Selection::new(asked.names)?)?;
        let mut layers = vec![];
        let mut refused: Option<(Layer, NoMap)> = None;
        for layer in chosen {
            match MapView::of(&layer, &folding) {
                Ok(_) => layers.push(layer),
                // What a pattern takes along is left out; what was named is reported.
                Err(why) => {
                    let is_named = asked.names.contains(&layer.name);
                    if refused.is_none() || is_named {
                        refused = Some((layer, why));
                    }
                }
            }
        }
        match refused {
            Some((layer, why)) if layers.is_empty() || asked.names.contains(&layer.name) => {
                Err(no_map(self.model, &layer, why))
            }
            _ if asked.differentiated => self.reached(layers, asked),
            _ => Ok(layers),
        }
    }

    /// The layers named, whose channels are probed one by one; without any the default, which is said.
    ///
    /// # Errors
    /// There is no such layer, one has no channels, or the output does not depend on one.
    pub fn channel_layers(
        &mut self,
        names: &[String],
        observer: &dyn Observer,
    ) -> Result<Vec<Layer>> {
        let asked = Asked { names, grid: None, differentiated: true };
        if names.is_empty() {
            return Ok(vec![self.default_layer(&asked, observer)?]);
        }
        let layers = choose(self.model, self.all, &Selection::new(names)?)?;
        if let Some(layer) = layers.iter().find(|layer| !has_channels(layer, self.samples)) {
            let problem = format!("gives shape {}: no channels", shape_text(&layer.shape));
            return Err(layer_error(self.model.path(), &layer.name, problem));
        }
        self.reached(layers, &asked)
    }

    /// The layers, where the output depends on all that were named; others are left out.
    fn reached(&mut self, layers: Vec<Layer>, asked: &Asked<'_>) -> Result<Vec<Layer>> {
        let found = self.model.influences(self.samples, self.all);
        let Some(found) = found.filter(|found| found.stopped.is_none()) else {
            return Ok(layers);
        };
        let misses = |layer: &&Layer| {
            let place = self.all.iter().position(|other| other.name == layer.name);
            place.is_some_and(|place| found.floats[place] && found.gradients[place].is_none())
        };
        let missed: Vec<Layer> = layers.iter().filter(misses).cloned().collect();
        let is_named = |layer: &&Layer| asked.names.contains(&layer.name);
        let told = missed.iter().find(is_named);
        match told.or(missed.first().filter(|_| missed.len() == layers.len())) {
            Some(layer) => Err(self.unreached(&layer.name.clone(), asked.grid)),
            None => Ok(layers.into_iter().filter(|layer| !missed.contains(layer)).collect()),
        }
    }

    fn unreached(&mut self, name: &str, grid: Option<Grid>) -> Error {
        let output = match self.model.chosen_output() {
            Some(index) => format!("output {index} does not depend on layer {name}"),
            None => format!("the output does not depend on layer {name}"),
        };
        let remedy = match self.last_reached(&Folding::of(self.images, grid)) {
            Ok(last) => format!("the last with a spatial map that it depends on is {}", last.name),
            Err(_) => "choose another layer; `repsim layers` lists them".to_owned(),
        };
        Error::file("look into", self.model.path(), output, remedy)
    }

    /// The last layer with a spatial map that the output depends on, which is said. Where it need not
    /// depend on it and there is none, the last with a spatial map.
    fn default_layer(&mut self, asked: &Asked<'_>, observer: &dyn Observer) -> Result<Layer> {
        let folding = Folding::of(self.images, asked.grid);
        let layer = match self.last_reached(&folding) {
            Ok(layer) => layer,
            Err(error) if asked.differentiated => return Err(error),
            Err(error) => last_of(&self.with_maps(&folding)).ok_or(error)?,
        };
        let path = self.model.path().display();
        let size = MapView::of(&layer, &folding).map(|view| format!(" ({})", view.grid));
        let size = size.unwrap_or_default();
        observer.note(&format!("layer of {path}: {}{size} (choose with --layers)", layer.name));
        Ok(layer)
    }

    /// The last layer with a spatial map that the output depends on, of tokens on others than class
    /// tokens. Where the output cannot be differentiated, the last with a spatial map.
    fn last_reached(&mut self, folding: &Folding) -> Result<Layer> {
        let mut all = self.with_maps(folding);
        let layers: Vec<Layer> = all.iter().map(|(layer, _)| layer.clone()).collect();
        let mut stopped = None;
        if let Some(found) = self.model.influences(self.samples, &layers) {
            stopped = found.stopped;
            let mut gradients = found.gradients.iter();
            all.retain(|(layer, view)| {
                let gradient = gradients.next().and_then(Option::as_ref);
                let is_felt = |g: &Tensor| is_felt(&view.maps(&layer.axes.canonical(g)), view);
                gradient.is_some_and(|g| !gives_tokens(layer) || is_felt(g))
            });
        }
        last_of(&all).ok_or_else(|| stopped.unwrap_or_else(|| self.without_map(folding)))
    }

    /// The layers with a spatial map: those whose channels are known from what made them, else all.
    fn with_maps(&self, folding: &Folding) -> Vec<(Layer, MapView)> {
        let outer = self.all.iter().filter(|layer| !self.model.is_in_attention(layer));
        let view = |layer: &Layer| Some((layer.clone(), MapView::of(layer, folding).ok()?));
        let all: Vec<(Layer, MapView)> = outer.filter_map(view).collect();
        let told = |(layer, _): &&(Layer, MapView)| layer.axes.told != By::Guessed;
        let told: Vec<(Layer, MapView)> = all.iter().filter(told).cloned().collect();
        if told.is_empty() { all } else { told }
    }

    /// Why no layer can be the default.
    fn without_map(&self, folding: &Folding) -> Error {
        let tokens = self.all.iter().rev().find(|layer| gives_tokens(layer));
        let why = tokens.and_then(|layer| Some((layer, MapView::of(layer, folding).err()?)));
        let remedy =
            "name a layer with --layers, or give a convolutional network or a vision transformer";
        let no_default = |problem| Error::file("look into", self.model.path(), problem, remedy);
        match why {
            _ if !self.with_maps(folding).is_empty() => {
                no_default("the output depends on no layer with a spatial map")
            }
            Some((layer, why)) => no_map(self.model, layer, why),
            None => no_default("no layer gives a spatial map"),
        }
    }
}

/// The last layer; of layers that give tokens the last normalisation, whose tokens are of one size.
fn last_of(layers: &[(Layer, MapView)]) -> Option<Layer> {
    let (last, _) = layers.last()?;
    let is_norm = |(layer, _): &&(Layer, MapView)| layer.kind == Kind::Normalization;
    let norm = layers.iter().rev().find(is_norm).map(|(layer, _)| layer);
    let norm = norm.filter(|norm| gives_tokens(last) && gives_tokens(norm));
    Some(norm.unwrap_or(last).clone())
}

/// Whether a gradient N×C×H×W is not zero everywhere; of positions in one row not at one alone, as behind the
/// last block, where one token is read for all.
fn is_felt(gradient: &Tensor, view: &MapView) -> bool {
    let felt = gradient.ne(0.0).f_any_dims([0i64, 1].as_slice(), false);
    let count = felt.map_or(0, |felt| felt.sum(tch::Kind::Int64).int64_value(&[]));
    count >= if view.grid.rows == 1 && view.grid.columns > 1 { 2 } else { 1 }
}

/// Whether a layer gives channels, alone or at positions, for each sample.
fn has_channels(layer: &Layer, samples: &Tensor) -> bool {
    let shape = layer.canonical_shape();
    let axes = matches!(shape.len(), 2..=5);
    axes && shape.first() == samples.size().first() && shape.iter().all(|side| *side > 0)
}
