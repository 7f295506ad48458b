//! Maps of a batch of images by several methods at once.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tch::{Kind, Tensor};

use super::ablation_cam::ablation_cam;
use super::cam;
use super::focus::{Embedded, Focus, Focused, Network, as_images, images_of};
use super::gradient_shap::{Draw, gradient_shap, uniform};
use super::lime;
use super::method::Method;
use super::occlusion::occlusion;
use super::patches::{Coalitions, Patches, coalitions};
use super::score_cam::score_cam;
use super::shapley::{Subsets, shapley};
use super::target::{Classes, Target};
use crate::error::{Error, Result};
use crate::torchscript::{
    Answer, Folding, Grid, Layer, LayerGradient, MapView, Model, no_tensor, tensors,
};

/// What sets the draws of methods of one seed apart.
const SHAP: u64 = 0x5ba9_0001;
const LIME: u64 = 0x5ba9_0002;
const SHAPLEY: u64 = 0x5ba9_0003;

/// What changes the maps of the methods that have choices.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Sum the gradient over channels with its sign; without, the largest absolute value is taken.
    pub signed: bool,
    /// Noisy copies of each image, for SmoothGrad.
    pub samples: usize,
    /// Standard deviation of their noise, as a share of the range of the image's values.
    pub noise: f64,
    /// Seed of that noise.
    pub seed: u64,
    /// Steps of the path, for integrated gradients.
    pub steps: usize,
    /// What the path begins from and what windows are filled with: a value a channel, in what the
    /// network takes.
    pub baseline: Vec<f32>,
    /// Share of the range of the image's values that is the standard deviation of the noise of Gradient SHAP.
    pub shap_noise: f64,
    /// Images with patches filled in, of each image, for LIME and KernelSHAP.
    pub perturbations: usize,
    /// α of the Lasso of LIME.
    pub lime_alpha: f64,
    /// Side of the windows of occlusion and of the patches of LIME and KernelSHAP, in pixels.
    pub window: usize,
    /// From one window to the next.
    pub stride: usize,
    /// Rows and columns that tokens fold to, where their number does not tell.
    pub grid: Option<Grid>,
    /// Images that go through the network together, where copies of them are made.
    pub batch: usize,
    /// The input that is looked at, where what the network takes is not a batch of images alone.
    pub focus: Option<Focus>,
}

/// One map of each image: a method, at a layer for a class activation map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The method.
    pub method: Method,
    /// Which of the explainer's layers.
    pub layer: Option<usize>,
}

/// A model with the methods wanted of it.
pub struct Explainer {
    /// The model, prepared for `layers`.
    pub model: Model,
    /// The layers of the class activation maps, and the embedding of token ids that are looked at.
    pub layers: Vec<Layer>,
    /// The methods.
    pub methods: Vec<Method>,
    /// Their choices.
    pub options: Options,
}

/// The images of a batch as the explainer takes them.
pub struct Images<'a> {
    /// N×C×H×W, what the network takes; with a [`Focus`] a row a sample, of which that is a part.
    pub input: &'a Tensor,
    /// Position in the data set of each: their noise depends on it, and not on the batch.
    pub indices: &'a [usize],
    /// Their true classes, where they are known.
    pub labels: Option<&'a [usize]>,
}

/// The maps of a batch.
pub struct Explained {
    /// N×K.
    pub logits: Tensor,
    /// What was explained.
    pub classes: Classes,
    /// One a column, N×h×w.
    pub maps: Vec<Tensor>,
    /// For integrated gradients: Σ of the map less S(x) − S(x₀), of each image.
    pub completeness: Option<Vec<f64>>,
}

/// What one pass over a batch gives to the methods that need no more.
struct Pass {
    logits: Tensor,
    classes: Classes,
    /// The gradient of the images, or of the embedded tokens.
    input: Option<Tensor>,
    /// The embedded tokens, N×E×1×T.
    embedded: Option<Tensor>,
    layers: Vec<LayerGradient>,
}

impl Explainer {
    /// The maps that each image gets, in order.
    pub fn columns(&self) -> Vec<Column> {
        let of = |&method: &Method| -> Vec<Column> {
            match method.is_cam() {
                true => {
                    let of = |&layer: &usize| Column { method, layer: Some(layer) };
                    self.cams().iter().map(of).collect()
                }
                false => vec![Column { method, layer: None }],
            }
        };
        self.methods.iter().flat_map(of).collect()
    }

    /// Which layers are those of the class activation maps.
    pub fn cams(&self) -> Vec<usize> {
        let alone = self.embedded().filter(|embedded| !embedded.is_cam).map(|e| e.layer);
        (0..self.layers.len()).filter(|&layer| Some(layer) != alone).collect()
    }

    fn embedded(&self) -> Option<Embedded> {
        self.options.focus.as_ref().and_then(|focus| focus.embedding)
    }

    /// The images that a batch is.
    pub fn images(&self, rows: &Tensor) -> Tensor {
        images_of(self.options.focus.as_ref(), rows)
    }

    /// The network as what takes the images of a batch.
    pub fn network<'a>(&'a mut self, rows: &'a Tensor) -> Focused<'a> {
        Focused { model: &mut self.model, focus: self.options.focus.as_ref(), rows }
    }

    /// Explains a batch.
    ///
    /// # Errors
    /// The model does not run on the images or cannot be differentiated, or the target is none of
    /// its outputs.
    pub fn explain(&mut self, images: &Images<'_>, target: Target) -> Result<Explained> {
        let placed = images.input.to_device(self.model.device());
        let images = &Images { input: &placed, ..*images };
        let seen = self.images(&placed);
        let pass = self.pass(images, target)?;
        let mut completeness = None;
        let mut maps = Vec::new();
        for Column { method, layer } in self.columns() {
            maps.push(match (method, layer) {
                (Method::AblationCam, Some(layer)) => {
                    let maps = self.view(layer, &seen)?.maps(&pass.layers[layer].activation);
                    let at = (layer, self.layers[layer].axes);
                    ablation_cam(&mut self.model, &placed, at, &maps, &pass.classes)?
                }
                (Method::ScoreCam, Some(layer)) => {
                    let maps = self.view(layer, &seen)?.maps(&pass.layers[layer].activation);
                    let batch = self.options.batch;
                    score_cam(&mut self.network(&placed), &seen, &maps, &pass.classes, batch)?
                }
                (_, Some(layer)) => {
                    cam::map(method, &pass.layers[layer], self.view(layer, &seen)?)?
                }
                (Method::Gradient, _) => self.over_channels(of_input(&pass)?),
                (Method::GradientTimesInput, _) => match &pass.embedded {
                    Some(values) => sum(&(of_input(&pass)? * values)),
                    None => sum(&(of_input(&pass)? * &seen)),
                },
                (Method::SmoothGrad, _) => self.smoothgrad(images, &seen, &pass.classes)?,
                (Method::IntegratedGradients, _) => {
                    let (map, error) = self.integrated(&placed, &seen, &pass)?;
                    completeness = Some(error);
                    map
                }
                (Method::GradientShap, _) => self.gradient_shap(images, &seen, &pass.classes)?,
                (Method::Lime, _) => self.lime(images, &seen, &pass.classes)?,
                (Method::KernelShap, _) => self.kernel_shap(images, &seen, &pass.classes)?,
                _ => {
                    let options = self.options.clone();
                    occlusion(&mut self.network(&placed), &seen, &pass.classes, &options)?
                }
            });
        }
        let Pass { logits, classes, .. } = pass;
        Ok(Explained { logits, classes, maps, completeness })
    }

    /// How a layer is seen as maps.
    ///
    /// # Errors
    /// It cannot be.
    pub fn view(&self, layer: usize, input: &Tensor) -> Result<MapView> {
        let layer = &self.layers[layer];
        let found = MapView::of(layer, &Folding::of(input, self.options.grid));
        found.map_err(|why| Error::Layer {
            layer: layer.name.clone(),
            path: self.model.path().to_owned(),
            problem: why.problem,
            remedy: why.remedy,
        })
    }

    /// One forward pass, and one backward pass as far down as a method needs it.
    fn pass(&mut self, images: &Images<'_>, target: Target) -> Result<Pass> {
        let mut found = None;
        let mut score = |logits: &Tensor| {
            let classes = target.resolve(logits, images.labels)?;
            let total = classes.total(logits);
            found = Some(classes);
            total
        };
        let to_input = [Method::Gradient, Method::GradientTimesInput];
        let of_input = self.methods.iter().any(|m| to_input.contains(m));
        let embedded = self.embedded().filter(|_| of_input);
        let (logits, mut input, layers) = if of_input && embedded.is_none() {
            let found = self.model.gradients(images.input, &mut score)?;
            (found.output, Some(self.images(&found.input)), found.layers)
        } else if embedded.is_some() || self.methods.iter().any(|m| m.is_cam()) {
            let found = self.model.tail_gradients(images.input, &mut score)?;
            (found.output, None, found.layers)
        } else {
            let logits = forward(&mut self.model, images.input)?;
            let _ = score(&logits)?;
            (logits, None, vec![])
        };
        let mut values = None;
        if let Some(Embedded { layer, .. }) = embedded {
            input = Some(as_images(&layers[layer].gradient)?);
            values = Some(as_images(&layers[layer].activation)?);
        }
        let classes = found.ok_or_else(|| Error::usage("no target", "please report this"))?;
        Ok(Pass { logits, classes, input, embedded: values, layers })
    }

    fn over_channels(&self, gradient: &Tensor) -> Tensor {
        match self.options.signed {
            true => sum(gradient),
            false => gradient.abs().amax([1i64].as_slice(), false),
        }
    }

    fn smoothgrad(
        &mut self,
        images: &Images<'_>,
        seen: &Tensor,
        classes: &Classes,
    ) -> Result<Tensor> {
        let mut total = seen.zeros_like();
        let axes = [1i64, 2, 3];
        let range = seen.amax(axes.as_slice(), true) - seen.amin(axes.as_slice(), true);
        let own = Images { input: seen, ..*images };
        for sample in 0..self.options.samples {
            let noise = noise(&own, self.options.seed, sample)? * &range * self.options.noise;
            total += self.network(images.input).gradient(&(seen + noise), classes)?;
        }
        Ok(self.over_channels(&(total / self.options.samples as f64)))
    }

    fn gradient_shap(
        &mut self,
        images: &Images<'_>,
        seen: &Tensor,
        classes: &Classes,
    ) -> Result<Tensor> {
        let start = baseline(seen, &self.options.baseline)?;
        let Options { samples, shap_noise, seed, .. } = self.options;
        let axes = [1i64, 2, 3];
        let range = seen.amax(axes.as_slice(), true) - seen.amin(axes.as_slice(), true);
        let own = Images { input: seen, ..*images };
        let draw = |sample: usize| {
            let share = |&index: &usize| uniform(own_seed(index, sample, seed ^ SHAP));
            let share: Vec<f64> = images.indices.iter().map(share).collect();
            let noise = (shap_noise > 0.0).then(|| noise(&own, seed ^ SHAP, sample)).transpose()?;
            let noise = noise.map(|noise| noise * &range * shap_noise);
            Ok(Draw { share: Tensor::from_slice(&share), noise })
        };
        let mut network = self.network(images.input);
        gradient_shap(&mut network, (seen, &start), classes, (0..samples).map(draw))
    }

    fn lime(&mut self, images: &Images<'_>, seen: &Tensor, classes: &Classes) -> Result<Tensor> {
        let patches = Patches::of(seen, self.options.window)?;
        let Options { perturbations, lime_alpha, seed, .. } = self.options;
        let drawn = |&index: &usize| {
            lime::masks(own_seed(index, 0, seed ^ LIME), perturbations, patches.count())
        };
        let masks = stacked(images.indices.iter().map(drawn), patches.count());
        let found = self.coalitions(images.input, seen, (patches, &masks), classes)?;
        Ok(patches.map(&lime::lime(&masks, &found, lime_alpha)?).to_device(seen.device()))
    }

    fn kernel_shap(
        &mut self,
        images: &Images<'_>,
        seen: &Tensor,
        classes: &Classes,
    ) -> Result<Tensor> {
        let patches = Patches::of(seen, self.options.window)?;
        let Options { perturbations, seed, .. } = self.options;
        let count = patches.count();
        let drawn =
            |&index: &usize| Subsets::of(count, perturbations, own_seed(index, 0, seed ^ SHAPLEY));
        let subsets: Vec<Subsets> = images.indices.iter().map(drawn).collect();
        let masks = stacked(subsets.iter().map(|s| s.masks.clone()), count);
        let none = Tensor::zeros([1, subsets.len() as i64, count as i64], tch::kind::FLOAT_CPU);
        let all = Tensor::cat(&[none.shallow_clone(), none + 1.0, masks], 0);
        let found = self.coalitions(images.input, seen, (patches, &all), classes)?.scores;
        let mut values = vec![];
        for (i, subsets) in subsets.iter().enumerate() {
            let own = found.select(1, i as i64);
            let own = &own - own.get(0);
            let chosen = subsets.count() as i64;
            let masks = all.select(1, i as i64).narrow(0, 2, chosen);
            let weights = Tensor::from_slice(&subsets.weights);
            values.push(shapley(
                &masks,
                &own.narrow(0, 2, chosen),
                &weights,
                own.double_value(&[1]),
            )?);
        }
        Ok(patches.map(&Tensor::stack(&values, 0)).to_device(seen.device()))
    }

    /// What the network makes of images with patches filled in.
    fn coalitions(
        &mut self,
        rows: &Tensor,
        seen: &Tensor,
        of: (Patches, &Tensor),
        classes: &Classes,
    ) -> Result<Coalitions> {
        let fill = baseline(seen, &self.options.baseline)?;
        let batch = self.options.batch;
        coalitions(&mut self.network(rows), (seen, &fill), of, classes, batch)
    }

    /// The midpoint rule along the straight path, and by how much the map misses completeness.
    fn integrated(
        &mut self,
        rows: &Tensor,
        seen: &Tensor,
        pass: &Pass,
    ) -> Result<(Tensor, Vec<f64>)> {
        let start = baseline(seen, &self.options.baseline)?;
        let way = seen - &start;
        let mut total = seen.zeros_like();
        let steps = self.options.steps;
        let mut network = self.network(rows);
        for step in 0..steps {
            let share = (step as f64 + 0.5) / steps as f64;
            total += network.gradient(&(&start + &way * share), &pass.classes)?;
        }
        let map = sum(&(way * total / steps as f64));
        let begin = pass.classes.scores(&network.logits(&start)?)?;
        let change = pass.classes.scores(&pass.logits)? - begin;
        let error = map.sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Double) - change;
        let error = tensors::to_vector(&error)?.to_vec();
        Ok((map, error))
    }
}

/// What the model gives for a batch.
///
/// # Errors
/// It does not run, or gives no tensor.
pub fn forward(model: &mut Model, input: &Tensor) -> Result<Tensor> {
    match model.run(input, &mut |_, _| Ok(Answer::Keep))? {
        Some(output) => Ok(output),
        None => Err(no_tensor(model, "read the output of", input)),
    }
}

/// An image of the baseline's colour in place of every image.
///
/// # Errors
/// It has neither one value nor one a channel.
pub fn baseline(input: &Tensor, values: &[f32]) -> Result<Tensor> {
    let channels = input.size()[1];
    if values.len() != 1 && values.len() as i64 != channels {
        let problem = format!("a baseline of {} values for {channels} channels", values.len());
        return Err(Error::usage(problem, "give one value, or one a channel"));
    }
    let colour = Tensor::from_slice(values).to_device(input.device()).reshape([1, -1, 1, 1]);
    Ok(input.zeros_like() + colour)
}

fn of_input(pass: &Pass) -> Result<&Tensor> {
    pass.input.as_ref().ok_or_else(|| Error::usage("no gradient", "please report this"))
}

/// The sum over channels.
fn sum(tensor: &Tensor) -> Tensor {
    tensor.sum_dim_intlist([1i64].as_slice(), false, tensors::summing_kind(tensor))
}

/// Normal noise of unit deviation and the shape of the input, the same for an image whatever its
/// batch, and whatever other threads draw; `sample` numbers the draws of one image.
///
/// # Errors
/// libtorch cannot hold it.
pub fn noise(images: &Images<'_>, seed: u64, sample: usize) -> Result<Tensor> {
    let shape: Vec<usize> = images.input.size()[1..].iter().map(|&size| size as usize).collect();
    let count = shape.iter().product();
    let of =
        |&index: &usize| tensors::from_rows(&normal(own_seed(index, sample, seed), count), &shape);
    let all = images.indices.iter().map(of).collect::<Result<Vec<Tensor>>>()?;
    Ok(Tensor::stack(&all, 0).to_device(images.input.device()))
}

/// The seed of one draw of the image at this place of the data.
fn own_seed(index: usize, sample: usize, seed: u64) -> u64 {
    (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (sample as u64) << 32 ^ seed
}

/// The masks of N images, each P×K, as P×N×K.
fn stacked(all: impl Iterator<Item = Vec<f32>>, patches: usize) -> Tensor {
    let of = |masks: Vec<f32>| Tensor::from_slice(&masks).reshape([-1, patches as i64]);
    Tensor::stack(&all.map(of).collect::<Vec<_>>(), 1)
}

/// Standard normal numbers in pairs, by Box and Muller.
fn normal(seed: u64, count: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || ((random.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let mut pair = || {
        let (radius, angle) = ((-2.0 * uniform().ln()).sqrt(), std::f64::consts::TAU * uniform());
        [(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]
    };
    let mut values: Vec<f32> = (0..count.div_ceil(2)).flat_map(|_| pair()).collect();
    values.truncate(count);
    values
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn noise_is_normal_and_of_its_seed() {
        let values: Vec<f64> = normal(3, 99_999).into_iter().map(f64::from).collect();
        let moment = |power| values.iter().map(|v| v.powi(power)).sum::<f64>() / 99_999.0;
        assert_eq!(values.len(), 99_999);
        for (power, expected) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)] {
            assert!((moment(power) - expected).abs() < 0.1, "moment {power}: {}", moment(power));
        }
        assert_eq!(normal(3, 7), normal(3, 8)[..7]);
        assert_ne!(normal(3, 7), normal(4, 7));
    }
}
