//! Probes over features: fitted on one part of the samples, measured on the other.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::lbfgs::Stop;
use super::logistic::inner_parts;
use super::{Kind, Objective, Part, Ridge, Scaling, Span, choose_cost, indicators};
use super::{nearest, nearest_means, vote};

/// Where the solver stops while costs are chosen, and in the end.
const CHOOSING: Stop = Stop { gradient: 1e-4, steps: 1000 };
const FINAL: Stop = Stop { gradient: 1e-6, steps: 5000 };

/// Strengths that are chosen among, ascending.
#[derive(Debug, Clone, PartialEq)]
pub struct Grids {
    /// Penalties α of ridge regression.
    pub alphas: Vec<f64>,
    /// Inverse strengths C of logistic regression.
    pub costs: Vec<f64>,
}

/// How probes are fitted.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which probes.
    pub kinds: Vec<Kind>,
    /// Whether features are brought to mean 0 and variance 1 by the samples that are fitted on.
    pub standardize: bool,
    /// Strengths of regularisation.
    pub grids: Grids,
    /// k.
    pub neighbours: usize,
    /// Folds of the samples to fit on by which C is chosen.
    pub inner_folds: usize,
    /// Seed of these.
    pub seed: u64,
    /// What is fitted on, and what is measured on.
    pub parts: Vec<Part>,
}

/// What a probe says of the samples that were held out.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers<T> {
    /// By the position of the sample; `None` of those that were not held out.
    pub predicted: Vec<Option<T>>,
    /// The strength that was chosen in each part; of several targets that of each, one after the other.
    pub chosen: Vec<f64>,
    /// Fits that did not converge.
    pub unconverged: usize,
}

/// A probe on the labels and on shuffled ones, as often as they were shuffled.
#[derive(Debug, Clone, PartialEq)]
pub struct Classified {
    /// Which.
    pub kind: Kind,
    /// Of the labels.
    pub real: Answers<usize>,
    /// Of shuffled labels.
    pub shuffled: Vec<Answers<usize>>,
}

/// Ridge regression on targets and on shuffled ones: a column a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Regressed {
    /// Of each target.
    pub real: Vec<Answers<f64>>,
    /// Of shuffled targets, of each time a list.
    pub shuffled: Vec<Vec<Answers<f64>>>,
}

impl<T: Clone> Answers<T> {
    fn none(samples: usize) -> Self {
        Self { predicted: vec![None; samples], chosen: vec![], unconverged: 0 }
    }

    fn add(&mut self, part: &Part, predicted: impl IntoIterator<Item = T>) {
        for (&i, value) in part.held_out.iter().zip(predicted) {
            self.predicted[i] = Some(value);
        }
    }
}

/// The features of a part, ready for probes.
struct Ready {
    fitted: Array2<f64>,
    held_out: Array2<f64>,
    /// Both in the coordinates of the span of the first, where a probe is linear.
    span: Option<(Span, Array2<f64>)>,
}

impl Ready {
    fn of(rows: ArrayView2<'_, f64>, part: &Part, plan: &Plan) -> Result<Self, String> {
        let (mut fitted, mut held_out) =
            (rows.select(Axis(0), &part.fit), rows.select(Axis(0), &part.held_out));
        if plan.standardize {
            let scaling = Scaling::of(fitted.view());
            (fitted, held_out) = (scaling.apply(fitted.view()), scaling.apply(held_out.view()));
        }
        let span = match plan.kinds.iter().any(|kind| kind.is_linear()) {
            true => {
                let span = Span::of(fitted.view())?;
                let placed = span.place(held_out.view());
                Some((span, placed))
            }
            false => None,
        };
        Ok(Self { fitted, held_out, span })
    }
}

/// Reads classes out of n×D features: of each probe what it says of every sample that a part holds out, for the
/// labels and for shuffled ones.
///
/// # Errors
/// The features cannot be taken apart.
///
/// # Panics
/// If there is not a label a row.
pub fn classify(
    rows: ArrayView2<'_, f64>,
    (real, shuffled): (&[usize], &[Vec<usize>]),
    classes: usize,
    plan: &Plan,
) -> Result<Vec<Classified>, String> {
    let none = || Answers::none(rows.nrows());
    let new = |&kind: &Kind| {
        let shuffled = shuffled.iter().map(|_| none()).collect();
        Classified { kind, real: none(), shuffled }
    };
    let mut found: Vec<Classified> = plan.kinds.iter().map(new).collect();
    for part in &plan.parts {
        let ready = Ready::of(rows, part, plan)?;
        let near = plan
            .kinds
            .contains(&Kind::Neighbours)
            .then(|| nearest(ready.fitted.view(), ready.held_out.view(), plan.neighbours));
        for probe in &mut found {
            let by_chance = probe.shuffled.iter_mut().zip(shuffled.iter().map(Vec::as_slice));
            for (answers, labels) in [(&mut probe.real, real)].into_iter().chain(by_chance) {
                let labels: Vec<usize> = part.fit.iter().map(|&i| labels[i]).collect();
                let predicted = match (probe.kind, &ready.span, &near) {
                    (Kind::Ridge, Some(span), _) => ridge(span, (&labels, classes), plan, answers),
                    (Kind::Logistic, Some(span), _) => logistic(span, &labels, plan, answers),
                    (Kind::Neighbours, _, Some(near)) => vote(near, &labels, classes),
                    _ => nearest_means(
                        (ready.fitted.view(), &labels),
                        ready.held_out.view(),
                        classes,
                    ),
                };
                answers.add(part, predicted);
            }
        }
    }
    Ok(found)
}

fn ridge(
    (span, held_out): &(Span, Array2<f64>),
    (labels, classes): (&[usize], usize),
    plan: &Plan,
    answers: &mut Answers<usize>,
) -> Vec<usize> {
    let targets = indicators(labels, classes);
    let ridge = Ridge::new(span, targets.view());
    let alpha = ridge.choose(&plan.grids.alphas);
    answers.chosen.push(alpha);
    ridge.fit(&vec![alpha; targets.ncols()]).classes(held_out.view())
}

fn logistic(
    (span, held_out): &(Span, Array2<f64>),
    labels: &[usize],
    plan: &Plan,
    answers: &mut Answers<usize>,
) -> Vec<usize> {
    let rows = span.rows.view();
    let parts = inner_parts(labels, plan.inner_folds, plan.seed);
    let (cost, failed) = choose_cost(rows, labels, (&plan.grids.costs, CHOOSING), &parts);
    let found = Objective::new(rows, labels, cost).fit(FINAL, None);
    answers.chosen.push(cost);
    answers.unconverged += failed + usize::from(!found.converged);
    found.predict(held_out.view())
}

/// Reads numbers out of n×D features by ridge regression, each of the n×T targets with a penalty of its own.
///
/// # Errors
/// The features cannot be taken apart.
///
/// # Panics
/// If there is not a row of targets a row.
pub fn regress(
    rows: ArrayView2<'_, f64>,
    (real, shuffled): (ArrayView2<'_, f64>, &[Array2<f64>]),
    plan: &Plan,
) -> Result<Regressed, String> {
    let none = || vec![Answers::none(rows.nrows()); real.ncols()];
    let by_chance = shuffled.iter().map(|_| none()).collect();
    let mut found = Regressed { real: none(), shuffled: by_chance };
    for part in &plan.parts {
        let ready = Ready::of(rows, part, plan)?;
        let Some((span, held_out)) = &ready.span else { continue };
        let by_chance =
            found.shuffled.iter_mut().zip(shuffled.iter().map(|targets| targets.view()));
        for (answers, targets) in [(&mut found.real, real)].into_iter().chain(by_chance) {
            let targets = targets.select(Axis(0), &part.fit);
            let ridge = Ridge::new(span, targets.view());
            let alphas = ridge.choose_each(&plan.grids.alphas);
            let predicted = ridge.fit(&alphas).decide(held_out.view());
            for (t, answers) in answers.iter_mut().enumerate() {
                answers.chosen.push(alphas[t]);
                let column: Array1<f64> = predicted.column(t).to_owned();
                answers.add(part, column);
            }
        }
    }
    Ok(found)
}
