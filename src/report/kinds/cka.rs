//! The report of `repsim cka`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capture::Reduce;
use crate::capture::cka::{Estimator, Outcome};
use crate::error::{Error, Result};
use crate::report::{Inputs, Number, ReadSettings, Report, SchemaId, Timing, Tool, Warning};
use crate::similarity::{Bias, Kernel, Matrix, cka};

/// A comparison by CKA.
pub type CkaReport = Report<CkaSettings, CkaResults>;

/// All that changes a number of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CkaSettings {
    /// Over which samples HSIC is taken.
    pub estimator: Estimator,
    /// Why this estimator was taken, where the choice was left open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimator_reason: Option<String>,
    /// The most samples over which the minibatch estimator takes HSIC at a time, where that was not
    /// asked for but chosen: then they are in random order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hsic_batch: Option<usize>,
    /// Which estimator of HSIC.
    pub bias: Bias,
    /// Between samples.
    pub kernel: Kernel,
    /// From feature maps to rows.
    pub reduce: Reduce,
    /// Which samples were used, and how they were read.
    #[serde(flatten)]
    pub read: ReadSettings,
    /// Patterns of the layers of A; empty for the default: modules down to depth two, and blocks that
    /// repeat deeper down.
    pub layers: Vec<String>,
    /// Patterns of the layers of B.
    pub layers_b: Vec<String>,
    /// Which element of a tuple that the model returns was taken for its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_index: Option<usize>,
    /// Whether the models ran frozen, with batch norms folded.
    pub optimize: bool,
    /// How exactly they computed, where not in float32 or each in its own type: `tf32`, `f16` or `bf16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// Where they ran.
    pub device: String,
}

/// What was found: a row a layer of A, a column a layer of B.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CkaResults {
    /// Layers of A, in the order in which they finish.
    pub layers_a: Vec<String>,
    /// Layers of B; those of A where it was compared with itself.
    pub layers_b: Vec<String>,
    /// HSIC(a, b) / √(HSIC(a, a) · HSIC(b, b)).
    pub cka: Vec<Vec<Number>>,
    /// HSIC of each layer of A with each of B.
    pub hsic_ab: Vec<Vec<Number>>,
    /// HSIC of each layer of A with itself.
    pub hsic_aa: Vec<Number>,
    /// HSIC of each layer of B with itself.
    pub hsic_bb: Vec<Number>,
    /// Samples that count.
    pub n: usize,
    /// D, the number of features of each layer of A.
    pub width_a: Vec<usize>,
    /// D of each layer of B.
    pub width_b: Vec<usize>,
    /// The layer of B most like each layer of A.
    pub best_matches: Vec<Option<BestMatch>>,
    /// Why values are `null`.
    pub nulls: Vec<Null>,
    /// CKA of the layers of A with those of other models that the diagonal is read against, such as an
    /// untrained one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<ControlResult>,
}

/// A model that the diagonal is read against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ControlResult {
    /// The name of its file.
    pub name: String,
    /// Its path as given.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// One a layer of A, in the order of `layers_a`.
    pub layers: Vec<ControlLayer>,
}

/// A layer of A with that of a control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ControlLayer {
    /// Layer of A.
    pub layer_a: String,
    /// The corresponding layer of the control: that of the same name or, where no name is the same and both
    /// have as many layers, that in the same place.
    pub layer: Option<String>,
    /// Their CKA.
    pub cka: Number,
    /// Why that is `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The layer of B most like a layer of A.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BestMatch {
    /// Layer of A.
    pub layer_a: String,
    /// Layer of B; of equals the one of the same name, else the first.
    pub layer_b: String,
    /// Their CKA.
    pub cka: f64,
}

/// Why a layer, or a pair of layers, has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Null {
    /// Layer of A, if it is the reason or of the pair.
    pub layer_a: Option<String>,
    /// Layer of B, if it is the reason or of the pair.
    pub layer_b: Option<String>,
    /// What is wrong, with the sample where it is one.
    pub reason: String,
}

/// The layers of a model.
pub type Side = Vec<SideLayer>;

/// One layer as the report needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideLayer {
    name: String,
    width: usize,
    positions: usize,
}

impl SideLayer {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A layer whose output has this shape: samples, channels, positions.
    pub fn new(name: &str, reduce: Reduce, shape: &[i64]) -> Self {
        let (width, positions) = (reduce.width(shape), reduce.positions(shape));
        Self { name: name.to_owned(), width, positions }
    }
}

/// The share of noise in a biased value from which a warning is given.
const NOTABLE_BIAS: f64 = 0.1;

impl CkaReport {
    /// The report of a comparison. `sides` are the layers of A, and of B where there is one.
    pub fn assemble(
        libtorch: &str,
        inputs: Inputs,
        settings: CkaSettings,
        sides: &[Side],
        outcome: &Outcome,
        mut warnings: Vec<Warning>,
    ) -> Self {
        let settings = settings.with_estimator_of(outcome);
        let results = CkaResults::new(sides, outcome);
        warnings.extend(apart_warning(&results, outcome));
        warnings.extend(dropped_warning(outcome));
        let batch = results.n.min(settings.samples_at_a_time().unwrap_or(usize::MAX));
        warnings.extend(bias_warning(sides, settings.bias, batch));
        let timing = Timing {
            decode: outcome.timing.decode,
            wait: outcome.timing.wait,
            forward: outcome.timing.forward,
            measure: outcome.timing.measure,
            passes: outcome.passes,
            ..Timing::default()
        };
        let (schema, tool) = (SchemaId::current("cka"), Tool::current(libtorch));
        Self {
            schema,
            tool,
            inputs,
            settings,
            results,
            warnings,
            timing,
            pictures: vec![],
            command: None,
        }
    }
}

impl CkaSettings {
    /// The same with the estimator that was taken.
    fn with_estimator_of(self, outcome: &Outcome) -> Self {
        Self {
            estimator: outcome.estimator,
            estimator_reason: outcome.reason.clone(),
            hsic_batch: outcome.hsic_batch,
            ..self
        }
    }

    /// The most samples over which HSIC is taken at a time; `None` for all.
    fn samples_at_a_time(&self) -> Option<usize> {
        let batch = self.hsic_batch.unwrap_or(self.read.batch_size);
        (self.estimator == Estimator::Minibatch).then_some(batch)
    }

    /// Which estimator was taken, and why; `None` where it was asked for.
    pub fn choice(&self) -> Option<String> {
        let reason = self.estimator_reason.as_ref()?;
        let batch = self.samples_at_a_time().map_or_else(String::new, |n| format!(" of {n}"));
        Some(format!("estimator: {}{batch} ({reason})", self.estimator))
    }

    /// One line for a picture.
    pub fn summary(&self, n: usize) -> String {
        let batch = self.samples_at_a_time().map_or_else(String::new, |n| format!(" of {n}"));
        format!(
            "{} kernel · {} HSIC · {}{batch} · {} · n = {n}",
            self.kernel, self.bias, self.estimator, self.reduce
        )
    }
}

impl CkaResults {
    fn new(sides: &[Side], outcome: &Outcome) -> Self {
        let (a, b) = (&sides[0], &sides[sides.len() - 1]);
        let why_a = &outcome.absences[0];
        let why_b = &outcome.absences[outcome.absences.len() - 1];
        let usable = |why: &[Option<_>]| why.iter().map(Option::is_none).collect::<Vec<bool>>();
        let (usable_a, usable_b) = (usable(why_a), usable(why_b));
        let table = &outcome.table;
        let mut values = cka::matrix(table, &usable_a, &usable_b);
        for &pair in &outcome.apart {
            values[pair] = None;
        }
        let names = |side: &Side| side.iter().map(|l| l.name.clone()).collect::<Vec<_>>();
        let (layers_a, layers_b) = (names(a), names(b));
        let hsic = |i: usize, j: usize| values[(i, j)].map(|_| table.ab[(i, j)]);
        let own = |values: &ndarray::Array1<f64>, usable: &[bool]| {
            let pairs = values.iter().zip(usable);
            pairs.map(|(v, ok)| Number::from(ok.then_some(*v))).collect()
        };
        Self {
            best_matches: best_matches(&values, &layers_a, &layers_b),
            cka: rows(a.len(), b.len(), |i, j| values[(i, j)]),
            hsic_ab: rows(a.len(), b.len(), hsic),
            hsic_aa: own(&table.aa, &usable_a),
            hsic_bb: own(&table.bb, &usable_b),
            n: outcome.samples,
            width_a: a.iter().map(|l| l.width).collect(),
            width_b: b.iter().map(|l| l.width).collect(),
            nulls: nulls(sides, outcome),
            controls: vec![],
            layers_a,
            layers_b,
        }
    }

    /// For each layer of A the place of the corresponding one of B: that of the same name or, where no name is
    /// the same and both have as many layers, that in the same place.
    pub fn corresponding(&self) -> Vec<Option<usize>> {
        let (a, b) = (&self.layers_a, &self.layers_b);
        let named: Vec<Option<usize>> =
            a.iter().map(|layer| b.iter().position(|other| other == layer)).collect();
        match named.iter().all(Option::is_none) && a.len() == b.len() {
            true => (0..a.len()).map(Some).collect(),
            false => named,
        }
    }

    /// CKA of each layer of A with the corresponding one of B.
    pub fn diagonal(&self) -> Vec<Option<f64>> {
        let pairs = self.corresponding().into_iter().enumerate();
        pairs.map(|(i, j)| self.cka[i][j?].get()).collect()
    }

    /// What is kept of a comparison of A with a control.
    pub fn control(&self, name: String, path: String, sha256: String) -> ControlResult {
        let corresponding = self.corresponding();
        let layer = |(i, layer_a): (usize, &String)| {
            let j = corresponding[i];
            let layer = j.map(|j| self.layers_b[j].clone());
            let cka = Number::from(j.and_then(|j| self.cka[i][j].get()));
            let reason = match &layer {
                None => Some("it has no corresponding layer".to_owned()),
                Some(other) => self.reason(layer_a, other).map(str::to_owned),
            };
            let reason = reason.filter(|_| cka.get().is_none());
            ControlLayer { layer_a: layer_a.clone(), layer, cka, reason }
        };
        let layers = self.layers_a.iter().enumerate().map(layer).collect();
        ControlResult { name, path, sha256, layers }
    }

    /// Why a pair has no value: its own reason, or that of one of the layers.
    pub fn reason(&self, a: &str, b: &str) -> Option<&str> {
        let is = |named: &Option<String>, name: &str| named.as_deref().is_none_or(|n| n == name);
        let null = self.nulls.iter().find(|n| is(&n.layer_a, a) && is(&n.layer_b, b))?;
        Some(&null.reason)
    }

    /// Row and column of the best match of each row.
    pub fn best_columns(&self) -> Vec<(usize, usize)> {
        let place = |(i, best): (usize, &Option<BestMatch>)| {
            let name = &best.as_ref()?.layer_b;
            Some((i, self.layers_b.iter().position(|l| l == name)?))
        };
        self.best_matches.iter().enumerate().filter_map(place).collect()
    }

    /// That there is any value.
    ///
    /// # Errors
    /// No pair of layers has one: the reasons of the first layers.
    pub fn check_values(&self) -> Result<()> {
        if self.cka.iter().flatten().any(|value| value.get().is_some()) {
            return Ok(());
        }
        let why = self.nulls.first().map(|null| {
            let layers = match (&null.layer_a, &null.layer_b) {
                (Some(a), None) => format!("layer {a} of A"),
                (None, Some(b)) => format!("layer {b} of B"),
                (a, b) => [a, b].into_iter().flatten().cloned().collect::<Vec<_>>().join(" × "),
            };
            format!(": {layers}, {}", null.reason)
        });
        let problem = format!("no pair of layers has a value{}", why.unwrap_or_default());
        Err(Error::usage(problem, "choose other layers, or give more or other samples"))
    }
}

fn rows(
    count: usize,
    width: usize,
    value: impl Fn(usize, usize) -> Option<f64>,
) -> Vec<Vec<Number>> {
    let row = |i| (0..width).map(|j| Number::from(value(i, j))).collect();
    (0..count).map(row).collect()
}

fn best_matches(
    values: &ndarray::Array2<Option<f64>>,
    names_a: &[String],
    names_b: &[String],
) -> Vec<Option<BestMatch>> {
    let matrix = Matrix { values, names_a, names_b, larger_is_more_alike: true, apart: false };
    let named = |(i, best): (usize, Option<(usize, f64)>)| {
        let (j, cka) = best?;
        Some(BestMatch { layer_a: names_a[i].clone(), layer_b: names_b[j].clone(), cka })
    };
    matrix.best_matches().into_iter().enumerate().map(named).collect()
}

fn nulls(sides: &[Side], outcome: &Outcome) -> Vec<Null> {
    let mut nulls = Vec::new();
    for (s, (side, absences)) in sides.iter().zip(&outcome.absences).enumerate() {
        for (at, why) in side.iter().zip(absences) {
            let Some(why) = why else { continue };
            let layer = |wanted: usize| (s == wanted).then(|| at.name.clone());
            let (layer_a, layer_b) = (layer(0), layer(1));
            nulls.push(Null { layer_a, layer_b, reason: why.to_string() });
        }
    }
    let (a, b) = (&sides[0], &sides[sides.len() - 1]);
    nulls.extend(outcome.apart.iter().map(|&(i, j)| Null {
        layer_a: Some(a[i].name.clone()),
        layer_b: Some(b[j].name.clone()),
        reason: "their feature maps have different numbers of positions".to_owned(),
    }));
    nulls
}

fn apart_warning(results: &CkaResults, outcome: &Outcome) -> Option<Warning> {
    let count = outcome.apart.len();
    let all = results.layers_a.len() * results.layers_b.len();
    let text = format!(
        "{count} of {all} pairs of layers have no value: their feature maps have different numbers \
         of positions, so --reduce spatial has no common rows (flatten and gap have)"
    );
    (count > 0).then(|| Warning::new("different-positions", "reduce", text))
}

fn dropped_warning(outcome: &Outcome) -> Option<Warning> {
    let count = outcome.dropped;
    let text =
        format!("samples in a batch that is too small for the estimator do not count: {count}");
    (count > 0 && outcome.samples > 0).then(|| Warning::new("dropped-samples", "batch_size", text))
}

/// Biased CKA is far from zero even for noise where n is small against D.
fn bias_warning(sides: &[Side], bias: Bias, samples: usize) -> Option<Warning> {
    let rows = |l: &SideLayer| samples * l.positions;
    let share = |l: &SideLayer| cka::expected_of_noise(rows(l), (l.width, l.width), bias);
    let worst = |side: &Side| side.iter().max_by(|x, y| share(x).total_cmp(&share(y))).cloned();
    let (a, b) = (worst(&sides[0])?, worst(&sides[sides.len() - 1])?);
    let expected = (share(&a) * share(&b)).sqrt();
    let text = format!(
        "biased CKA of unrelated features is about D/(n+D), not 0: it is {expected:.2} for {} of A \
         (n = {}, D = {}) and {} of B (n = {}, D = {}); use --bias unbiased or more samples",
        a.name,
        rows(&a),
        a.width,
        b.name,
        rows(&b),
        b.width
    );
    let place = format!("{} × {}", a.name, b.name);
    (expected > NOTABLE_BIAS).then(|| Warning::new("biased", place, text))
}
