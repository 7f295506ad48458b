//! A stitch that learns on the task.

use std::f64::consts::LN_2;

use tch::nn::{self, OptimizerConfig};
use tch::{Kind, Reduction, Tensor};

use super::in_place_of;
use super::stitch::Stitch;
use crate::classifier::OutputForm;
use crate::error::{Error, Result};
use crate::functional::checked_logits;
use crate::saliency::cross_entropy;
use crate::torchscript::{Answer, Tail, tensors};

/// A stitch whose W and b go on from where they are by Adam (Kingma & Ba 2015) on the cross entropy of
/// the stitched network's logits with the labels. Neither network learns.
pub struct Trainer {
    stitch: Stitch,
    optimizer: nn::Optimizer,
    _variables: nn::VarStore,
    losses: Vec<f64>,
    epoch: (f64, usize),
    classes: i64,
    form: OutputForm,
    start: Option<f64>,
}

/// What training gave.
pub struct Trained {
    /// The stitch.
    pub stitch: Stitch,
    /// Mean loss of each epoch, each batch before the step made on it.
    pub losses: Vec<f64>,
    /// Whether the loss of the last epoch is above ln K, that of guessing among K classes, and half as
    /// large again as that of the first batch, or is not finite.
    pub diverged: bool,
}

impl Trainer {
    /// Goes on from a stitch; `form` says what the outputs of the network behind it are.
    ///
    /// # Errors
    /// The stitch is the identity and has nothing to learn, or what libtorch said.
    pub fn new(start: &Stitch, rate: f64, form: OutputForm) -> Result<Self> {
        let Some((weight, bias)) = start.parameters() else {
            return Err(Error::usage("the identity has nothing to learn", "take --fit direct"));
        };
        let variables = nn::VarStore::new(weight.device());
        let root = variables.root();
        let (weight, bias) = (root.var_copy("weight", weight), root.var_copy("bias", bias));
        let (from, to) = start.forms();
        let optimizer = nn::Adam::default().build(&variables, rate);
        let optimizer = optimizer.map_err(|e| tensors::torch_error("train a stitch", &e))?;
        let stitch = Stitch::learnt(weight, bias, from, to);
        Ok(Self {
            stitch,
            optimizer,
            _variables: variables,
            losses: vec![],
            epoch: (0.0, 0),
            classes: 1,
            form,
            start: None,
        })
    }

    /// One step on a batch: the source layer's output N×C×positions, and the classes of the images.
    ///
    /// # Errors
    /// The tail does not run, or gives no N×K logits.
    pub fn step(&mut self, tail: &mut Tail, output: &Tensor, labels: &[usize]) -> Result<()> {
        let stitched = in_place_of(tail.layer(), &self.stitch.apply(output)?);
        let logits = tail.run_with_gradients(&stitched, &mut |_, _| Ok(Answer::Keep))?;
        let logits = checked_logits(logits, labels.len())?;
        self.classes = logits.size()[1];
        let classes: Vec<i64> = labels.iter().map(|&label| label as i64).collect();
        let classes = Tensor::from_slice(&classes).to_device(logits.device());
        let loss = cross_entropy(&logits, &classes, self.form, Reduction::Mean)?;
        let value = tensors::to_vector(&loss.detach().to_kind(Kind::Double).reshape([1]))?[0];
        self.start.get_or_insert(value);
        self.epoch.0 += value * labels.len() as f64;
        self.epoch.1 += labels.len();
        self.optimizer.backward_step(&loss);
        Ok(())
    }

    /// Ends an epoch.
    pub fn end_epoch(&mut self) {
        let (sum, count) = std::mem::take(&mut self.epoch);
        self.losses.push(sum / count as f64);
    }

    /// The stitch and how its loss went.
    pub fn finish(self) -> Trained {
        let guessing = match self.form {
            OutputForm::IndependentProbabilities => self.classes as f64 * LN_2,
            _ => (self.classes as f64).ln(),
        };
        let bound = guessing.max(1.5 * self.start.unwrap_or(0.0));
        let diverged = self.losses.last().is_some_and(|loss| loss.is_nan() || *loss > bound);
        Trained { stitch: self.stitch, losses: self.losses, diverged }
    }
}
