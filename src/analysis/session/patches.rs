//! Models whose units are looked at one by one: layers with positions or without, and the part of the image
//! that each unit depends on.

use tch::Tensor;

use super::focus;
use super::models::{LoadedModel, choose, layer_error};
use super::spatial::{Asked, Found, no_map};
use crate::analysis::Observer;
use crate::capture::Subject;
use crate::capture::patterns::UnitView;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::patterns::Fields;
use crate::report::{ModelInput, Warning};
use crate::saliency::{Focus, images_of};
use crate::torchscript::{
    Execution, Folding, FollowedField, Grid, Layer, MapView, Model, Selection, tensors,
};
use crate::view::names::listed;

/// What stands before the operators that keep a receptive field from being known.
const WITHOUT_RULE: &str = "it is not known what its operators pass on";

/// A model whose units are looked at.
pub struct PatchesOf {
    /// The model, prepared for its layers.
    pub subject: Subject,
    /// How each layer is seen.
    pub views: Vec<UnitView>,
    /// The receptive fields of each layer, or why they are not known.
    pub fields: Vec<Result<Fields, String>>,
    /// The places of the layers in the order in which they were named.
    pub order: Vec<usize>,
    /// What the report says of it.
    pub record: ModelInput,
    /// What was noticed.
    pub warnings: Vec<Warning>,
    /// The input that patches are of; `None` where that is all that the model takes.
    pub focus: Option<Focus>,
    /// Rows and columns of the image.
    pub image: (usize, usize),
}

impl LoadedModel {
    /// Makes a model ready to have its units looked at: the layers named, else the default, and what of the input
    /// each unit depends on.
    ///
    /// # Errors
    /// The model does not run on the input, takes no images, has no such layer, or a layer has neither positions
    /// nor is a vector.
    pub fn into_patches(
        mut self,
        samples: &Tensor,
        (names, grid, data): (&[String], Option<Grid>, &Dataset),
        (execution, observer): (&Execution, &dyn Observer),
        input: usize,
    ) -> Result<PatchesOf> {
        self.feed(data)?;
        let all = self.find_layers(samples)?;
        let focus = focus::likely(data, &self.fed, &self.model)?;
        let images = images_of(focus.as_ref(), samples);
        refuse_without_images(focus.as_ref(), &images, &self.model)?;
        let asked = Asked { names, grid, differentiated: false };
        let layers = self.found(&all, samples, &images).unit_layers(&asked, observer)?;
        let folding = Folding::of(&images, grid);
        let views = layers.iter().map(|layer| unit_view(&self.model, layer, &folding));
        let views: Vec<UnitView> = views.collect::<Result<_>>()?;
        let fields = fields(&mut self.model, (&images, samples), &layers, &views)?;
        self.model.prepare(&layers, execution)?;
        let record = self.record(&layers);
        let warnings = self.warnings_of(&layers);
        let named = |layer: &Layer| names.iter().position(|n| *n == layer.name);
        let mut order: Vec<usize> = (0..layers.len()).collect();
        order.sort_by_key(|&i| named(&layers[i]).unwrap_or(names.len()));
        let subject = Subject { model: self.model, layers, input };
        let image = (images.size()[2] as usize, images.size()[3] as usize);
        Ok(PatchesOf { subject, views, fields, order, record, warnings, focus, image })
    }
}

impl Found<'_> {
    /// The layers named whose units are looked at, in the order of the network: maps, tokens that fold to a
    /// grid, and vectors. Without any the default, which is said.
    ///
    /// # Errors
    /// There is no such layer, or one named is none of these.
    fn unit_layers(&mut self, asked: &Asked<'_>, observer: &dyn Observer) -> Result<Vec<Layer>> {
        if asked.names.is_empty() {
            return self.map_layers(asked, observer);
        }
        let folding = Folding::of(self.images, asked.grid);
        let chosen = choose(self.model, self.all, &Selection::new(asked.names)?)?;
        let (mut layers, mut refused) = (vec![], None);
        for layer in chosen {
            match unit_view(self.model, &layer, &folding) {
                Ok(_) => layers.push(layer),
                Err(error) if asked.names.contains(&layer.name) => return Err(error),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        match refused {
            Some(error) if layers.is_empty() => Err(error),
            _ => Ok(layers),
        }
    }
}

/// Refuses inputs that have no rows and columns.
fn refuse_without_images(focus: Option<&Focus>, images: &Tensor, model: &Model) -> Result<()> {
    let has_positions = matches!(images.size()[..], [_, _, rows, columns] if rows * columns > 1);
    if has_positions && focus.is_none_or(|focus| !focus.is_tokens) {
        return Ok(());
    }
    let name = focus.map_or(String::new(), |focus| format!(" {}", focus.name));
    let problem = format!("its input{name} has no rows and columns to cut patches from");
    let remedy = "give a network of images; `repsim saliency` looks into texts";
    Err(Error::file("look into", model.path(), problem, remedy))
}

/// How a layer is seen: maps, or a vector that belongs to the whole image.
fn unit_view(model: &Model, layer: &Layer, folding: &Folding) -> Result<UnitView> {
    if layer.complex {
        let problem = "gives complex numbers, of which none is the largest".to_owned();
        return Err(layer_error(model.path(), &layer.name, problem));
    }
    match layer.canonical_shape()[..] {
        [_, channels] | [_, channels, 1, 1] if channels > 0 => Ok(UnitView::Vector),
        _ => match MapView::of(layer, folding) {
            Ok(view) => Ok(UnitView::Maps(view)),
            Err(why) => Err(no_map(model, layer, why)),
        },
    }
}

/// The receptive fields of layers, or why they are not known: the input followed through the operators.
fn fields(
    model: &mut Model,
    (images, samples): (&Tensor, &Tensor),
    layers: &[Layer],
    views: &[UnitView],
) -> Result<Vec<Result<Fields, String>>> {
    if images.numel() != samples.numel() {
        let why = "the network takes other inputs beside the image".to_owned();
        return Ok(vec![Err(why); layers.len()]);
    }
    let followed = match model.follow_fields(images, &samples.size(), layers) {
        Ok(followed) => followed,
        Err(error) => return Ok(vec![Err(error.to_string()); layers.len()]),
    };
    let image = (images.size()[2] as usize, images.size()[3] as usize);
    followed.iter().zip(views).map(|(found, view)| of_bounds(found, *view, image)).collect()
}

fn of_bounds(
    found: &FollowedField,
    view: UnitView,
    image: (usize, usize),
) -> Result<Result<Fields, String>> {
    let flat = view.maps(&found.bounds).flatten(2, -1);
    let (_, channels, positions) = (flat.size()[0], flat.size()[1], flat.size()[2]);
    let rows = tensors::to_floats(&flat.reshape([4 * channels, positions]))?;
    let shape = (4, channels as usize, positions as usize);
    let bounds = rows.into_shape_with_order(shape).map_err(|e| {
        Error::usage(format!("failed to read receptive fields: {e}"), "please report this")
    })?;
    let unknown: Vec<&str> = found.unknown.iter().map(String::as_str).collect();
    let why = match unknown.as_slice() {
        [] => "its operators write into parts of tensors".to_owned(),
        unknown => format!("{WITHOUT_RULE} ({})", listed(unknown)),
    };
    Ok(Fields::of_bounds(image, bounds.view()).ok_or(why))
}
