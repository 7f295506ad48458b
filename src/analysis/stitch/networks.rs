//! The networks, their layers, and which of them are stitched.

use tch::Tensor;

use super::split::Split;
use super::{Pairs, Stitch};
use crate::analysis::session::models::{LoadedModel, refuse_complex};
use crate::analysis::session::{axes, load_all, weights_of};
use crate::analysis::{Draw, Running};
use crate::capture::{Judge, Reduce, Subject};
use crate::classifier::OutputForm;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::functional::checked_logits;
use crate::functional::stitching::Form;
use crate::report::{ModelInput, Warning};
use crate::torchscript::{Answer, Execution, Layer, Selection, Tail};
use crate::view::names::few;

/// Code of the warning of pairs that cannot be stitched.
const REFUSED: &str = "cannot-be-stitched";

/// A, B, A with other weights, and what lies behind the layers of B.
pub struct Networks {
    /// A and B.
    pub subjects: Vec<Subject>,
    /// A with re-initialised weights.
    pub random: Subject,
    /// What lies behind each layer of B; `None` for layers that are not stitched to.
    pub tails: Vec<Option<Tail>>,
    /// Layers of A and of B, by their index.
    pub pairs: Vec<Pair>,
    /// The classes of the samples by the numbers of B's logits, where they are known.
    pub labels: Option<Vec<usize>>,
    /// The same by the numbers of A's.
    pub labels_a: Option<Vec<usize>>,
    /// What the outputs of A and of B are, by those of the first samples.
    pub forms: Vec<OutputForm>,
    /// What the outputs of A and of B say of the samples measured on.
    pub judges: Vec<Judge>,
    /// Why the classes are not known.
    pub unlabelled: Option<String>,
    /// What is said of the files.
    pub records: Vec<ModelInput>,
    /// What a reader has to know.
    pub warnings: Vec<Warning>,
    /// How they run.
    pub execution: Execution,
}

/// A layer of A and one of B.
pub struct Pair {
    /// Index of the layer of A.
    pub a: usize,
    /// Index of the layer of B.
    pub b: usize,
    /// What the layers give, where one can take the place of the other, or why not.
    pub forms: Result<(Form, Form), String>,
}

/// What a run of a network gave: the outputs of its layers, and its logits.
pub struct Outputs {
    /// One a layer, N×C×positions.
    pub layers: Vec<Tensor>,
    /// N×K.
    pub logits: Option<Tensor>,
}

impl Networks {
    /// Loads the models and finds the pairs.
    ///
    /// # Errors
    /// A model cannot be loaded, does not run or gives no N×K logits, has no such layer, or nothing is
    /// left to stitch.
    pub fn load(asked: &Stitch, first: &[Tensor], data: &Dataset, split: &Split) -> Result<Self> {
        let execution = asked.running.execution()?;
        let selections = asked.pairs.selections()?;
        let models = asked.models();
        let sides = [0, models.len() - 1];
        let paths = sides.map(|i| models[i].to_owned());
        let weights = weights_of(&asked.running, models.len())?;
        let weights = sides.map(|i| weights[i].clone()).to_vec();
        let running = Running { weights, ..asked.running.clone() };
        let loaded = load_all(&paths, &running)?;
        let (mut subjects, mut records, mut warnings) = (vec![], vec![], vec![]);
        let mut stages = vec![];
        for (i, mut loaded) in loaded.into_iter().enumerate() {
            loaded.feed(data)?;
            let input = i.min(first.len() - 1);
            stages.push(loaded.model.stages()?);
            let (subject, record, said) =
                tapped(loaded, asked, &first[input], &selections[i], &execution, input)?;
            warnings.extend(axes::unknown(&subject.layers, subject.model.path()));
            subjects.push(subject);
            records.push(record);
            warnings.extend(said);
        }
        let from = (paths[0].as_path(), running.weights[0].as_ref());
        let same = (records[0].sha256.as_str(), records[0].output_key.as_deref());
        let again = LoadedModel::again(from, same, &running)?;
        let mut again = again.redrawn(&stages[0], asked.seed_of(Draw::Control))?;
        again.feed(data)?;
        let (random, _, _) = tapped(again, asked, &first[0], &selections[0], &execution, 0)?;
        records.truncate(models.len());
        warnings.dedup();
        let mut made = Self {
            subjects,
            random,
            tails: vec![],
            pairs: vec![],
            labels: None,
            labels_a: None,
            forms: vec![],
            judges: vec![],
            unlabelled: None,
            records,
            warnings,
            execution,
        };
        made.cut(&asked.pairs, &selections[1])?;
        made.aim(asked, first, data)?;
        made.pair(asked, split)?;
        Ok(made)
    }

    /// Cuts B behind its layers. A layer that other values go around is an error where it was named, and
    /// left out where a pattern took it along.
    fn cut(&mut self, pairs: &Pairs, selection: &Selection) -> Result<()> {
        let b = &self.subjects[1];
        let mut around = vec![];
        for (i, layer) in b.layers.iter().enumerate() {
            match b.model.cut(i) {
                Ok(tail) => self.tails.push(Some(tail)),
                Err(error) if selection.patterns().contains(&layer.name.as_str()) => {
                    return Err(error);
                }
                Err(_) => {
                    around.push(layer.name.clone());
                    self.tails.push(None);
                }
            }
        }
        if !around.is_empty() && *pairs != Pairs::SameNames {
            let text = format!(
                "{} of B cannot be stitched to: a skip connection bypasses it (name one with \
                 --layers-b to see which)",
                few("layer", &around.iter().map(String::as_str).collect::<Vec<_>>())
            );
            self.warnings.push(Warning::new("cannot-be-cut", b.model.path().display(), text));
        }
        Ok(())
    }

    /// Finds what the logits stand for.
    fn aim(&mut self, asked: &Stitch, first: &[Tensor], data: &Dataset) -> Result<()> {
        let aiming = asked.aiming();
        let mut found = vec![];
        for subject in &mut self.subjects {
            let aim = aiming.aim(&mut subject.model, &first[subject.input], data)?;
            self.forms.push(aim.form);
            self.judges.push(Judge::new(&aim.naming(), &subject.model));
            // A stitch that is trained takes the loss of a logit for each class.
            let sides = aim.sides.filter(|_| asked.fit.training().is_none());
            found.push(sides.map_or(aim.labels, Ok));
        }
        self.unlabelled = found[1].as_ref().err().cloned();
        self.labels = found.pop().and_then(Result::ok);
        self.labels_a = found.pop().and_then(Result::ok);
        if let Some(reason) = &self.unlabelled {
            let text = format!("no accuracy: {reason}; agreement with B needs no labels");
            let path = self.subjects[1].model.path().display();
            self.warnings.push(Warning::new("no-labels", path, text));
        }
        Ok(())
    }

    /// Finds the pairs.
    fn pair(&mut self, asked: &Stitch, split: &Split) -> Result<()> {
        let (a, b) = (&self.subjects[0].layers, &self.subjects[1].layers);
        let mut pairs = vec![];
        for (i, from) in a.iter().enumerate() {
            for (j, to) in b.iter().enumerate() {
                let wanted = asked.pairs != Pairs::SameNames || from.name == to.name;
                if wanted && self.tails[j].is_some() {
                    pairs.push(Pair { a: i, b: j, forms: forms(asked, from, to, split) });
                }
            }
        }
        self.pairs = pairs;
        self.tell_refused()?;
        for j in 0..self.tails.len() {
            if !self.pairs.iter().any(|pair| pair.b == j && pair.forms.is_ok()) {
                self.tails[j] = None;
            }
        }
        Ok(())
    }

    /// Warns of pairs that cannot be stitched.
    ///
    /// # Errors
    /// No pair can be stitched.
    pub fn tell_refused(&mut self) -> Result<()> {
        let refused: Vec<&String> =
            self.pairs.iter().filter_map(|pair| pair.forms.as_ref().err()).collect();
        if refused.len() == self.pairs.len() {
            let problem = match refused.first() {
                Some(reason) => reason.as_str(),
                None => "the models have no layers of the same name that can be stitched",
            };
            let remedy = "choose other layers with --layer-a and --layer-b, or --layers, or give more samples";
            return Err(Error::usage(format!("nothing to stitch: {problem}"), remedy));
        }
        if let Some(reason) = refused.first() {
            let (count, all) = (refused.len(), self.pairs.len());
            let text = format!("{count} of {all} pairs cannot be stitched, such as: {reason}");
            self.warnings.retain(|warning| warning.code != REFUSED);
            self.warnings.push(Warning::new(REFUSED, "results.pairs", text));
        }
        Ok(())
    }

    /// Layers of A that are used.
    pub fn used_a(&self) -> Vec<bool> {
        let used = |i| self.pairs.iter().any(|pair| pair.a == i && pair.forms.is_ok());
        (0..self.subjects[0].layers.len()).map(used).collect()
    }

    /// The classes of samples by the numbers of B's logits.
    pub fn labels_of(&self, positions: &[usize]) -> Option<Vec<usize>> {
        self.labels.as_ref().map(|all| positions.iter().map(|&i| all[i]).collect())
    }

    /// The classes of samples by the numbers of A's logits.
    pub fn labels_a_of(&self, positions: &[usize]) -> Option<Vec<usize>> {
        self.labels_a.as_ref().map(|all| positions.iter().map(|&i| all[i]).collect())
    }
}

/// A model with taps behind the layers wanted.
fn tapped(
    mut loaded: LoadedModel,
    asked: &Stitch,
    first: &Tensor,
    selection: &Selection,
    execution: &Execution,
    input: usize,
) -> Result<(Subject, ModelInput, Vec<Warning>)> {
    if let Some(index) = asked.output_index {
        loaded.model.choose_output(index);
    }
    if selection.patterns().iter().any(|name| name.ends_with(":input")) {
        loaded.model.listen_to_last_linear()?;
    }
    let made = loaded.into_subject(first, (selection, Reduce::Flatten), execution, input)?;
    refuse_complex(&made.0.model, &made.0.layers)?;
    Ok(made)
}

/// What a layer gives for one sample; `None` where that is neither maps nor features.
pub fn form_of(layer: &Layer) -> Option<Form> {
    let shape = layer.canonical_shape();
    Form::of(shape.get(1..).unwrap_or(&[]))
}

/// What two layers give, or why the one cannot take the place of the other.
fn forms(asked: &Stitch, from: &Layer, to: &Layer, split: &Split) -> Result<(Form, Form), String> {
    let form = |layer: &Layer| {
        let said = crate::torchscript::shape_text(&layer.sample_shape());
        form_of(layer).ok_or_else(|| {
            format!("{} gives {said} a sample: neither maps nor features", layer.name)
        })
    };
    let (a, b) = (form(from)?, form(to)?);
    let shapes = format!("{} gives {a} and {} gives {b}", from.name, to.name);
    if !a.reaches(b) {
        return Err(format!("{shapes}: no map over channels takes one to the other"));
    }
    if asked.fit.is_identity() {
        return if a == b {
            Ok((a, b))
        } else {
            Err(format!("{shapes}: the identity needs one shape"))
        };
    }
    let positions = a.positions().min(b.positions());
    let (rows, channels) = (split.main.len() * positions, a.channels());
    match rows > channels {
        true => Ok((a, b)),
        false => Err(format!(
            "{} has {channels} channels, and {rows} rows to fit them on ({} samples): any map would fit",
            from.name,
            split.main.len()
        )),
    }
}

impl Outputs {
    /// Runs a network; layers that are not wanted stay empty. Where no logits are wanted, the run ends
    /// behind the last layer.
    ///
    /// # Errors
    /// It does not run on the input, or gives no N×K logits.
    pub fn of(
        subject: &mut Subject,
        input: &Tensor,
        wanted: &[bool],
        logits: bool,
    ) -> Result<Self> {
        let mut layers: Vec<Tensor> = wanted.iter().map(|_| Tensor::new()).collect();
        let last = wanted.iter().rposition(|wanted| *wanted);
        let axes: Vec<_> = subject.layers.iter().map(|layer| layer.axes).collect();
        let output = subject.model.run(input, &mut |layer, output| {
            if wanted[layer] {
                // Operators in place may overwrite the output after the tap.
                layers[layer] = axes[layer].canonical(&output.copy());
            }
            let over = !logits && last.is_none_or(|last| layer >= last);
            Ok(if over { Answer::Stop } else { Answer::Keep })
        })?;
        let logits =
            logits.then(|| checked_logits(output, input.size()[0] as usize)).transpose()?;
        Ok(Self { layers, logits })
    }
}
