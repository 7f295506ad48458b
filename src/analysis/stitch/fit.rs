//! From activations to stitches.

use tch::{Device, Tensor};

use super::networks::{Networks, Outputs, form_of};
use super::work::Work;
use super::{Fit, Training};
use crate::analysis::Draw;
use crate::capture::{Progress, token_mask};
use crate::error::Result;
use crate::functional::stitching::{
    Fitted, Form, LeastSquares, NormalEquations, Ridge, Stitch, Trained, Trainer, constant,
};
use crate::stats::Draws;
use crate::torchscript::native;

/// The stitches of one pair.
pub struct Stitches {
    /// From A.
    pub real: Stitch,
    /// From A with other weights.
    pub random: Stitch,
    /// What least squares gave for A; `None` for the identity.
    pub fitted: Option<Fitted>,
    /// Mean loss of each epoch, where the stitch was trained.
    pub losses: Option<Vec<f64>>,
    /// Whether training ended worse than guessing.
    pub diverged: bool,
}

/// The stitches of all pairs that have any, and the mean of each layer of B.
pub struct Fits {
    /// One a pair.
    pub pairs: Vec<Option<Stitches>>,
    /// One a layer of B: the mean of its channels at every position.
    pub means: Vec<Option<Tensor>>,
}

/// Fits all pairs: one run of each network a batch, and least squares.
///
/// # Errors
/// The data cannot be read, or a model does not run on it.
pub fn fit(
    asked: &super::Stitch,
    networks: &mut Networks,
    work: &mut Work,
    bar: &mut dyn Progress,
) -> Result<Fits> {
    let (main, aside) = (work.split.main.clone(), work.split.aside.clone());
    let sums = sums(networks, work, &main, bar)?;
    let kept = if aside.is_empty() { None } else { Some(self::sums(networks, work, &aside, bar)?) };
    let device = networks.execution.device;
    let mut found = native::with_blas_threads(asked.running.threads(), || {
        solve(asked.fit, networks, &sums, kept.as_ref(), device)
    })?;
    networks.tell_refused()?;
    if let Some(training) = asked.fit.training() {
        train((training, asked.seed_of(Draw::Training)), networks, &mut found, work, bar)?;
    }
    Ok(found)
}

/// The normal equations over some samples. Layers of the random network follow those of A.
fn sums(
    networks: &mut Networks,
    work: &mut Work,
    positions: &[usize],
    bar: &mut dyn Progress,
) -> Result<NormalEquations> {
    let (used_a, used_b) = (networks.used_a(), used_b(networks));
    let count = used_a.len();
    // Layers that are not used have a form too, but no pair wants them.
    let nothing = Form::Vector { channels: 1 };
    let forms = |i: usize| -> Vec<Form> {
        networks.subjects[i].layers.iter().map(|l| form_of(l).unwrap_or(nothing)).collect()
    };
    let sources: Vec<Form> = [forms(0), forms(0)].concat();
    let pairs: Vec<(usize, usize)> =
        networks.pairs.iter().filter(|p| p.forms.is_ok()).map(|p| (p.a, p.b)).collect();
    let wanted = |i: usize, j: usize| pairs.contains(&(i % count, j));
    let mut sums = NormalEquations::new(&sources, &forms(1), &wanted);
    let data = work.samples.dataset.clone();
    work.pass(positions, bar, |_, inputs| {
        let b_input = &inputs[networks.subjects[1].input];
        let mut a = Outputs::of(&mut networks.subjects[0], &inputs[0], &used_a, false)?;
        let random = Outputs::of(&mut networks.random, &inputs[0], &used_a, false)?;
        let b = Outputs::of(&mut networks.subjects[1], b_input, &used_b, false)?;
        a.layers.extend(random.layers);
        sums.add_tokens(&a.layers, &b.layers, token_mask(&data, &inputs[0]).as_ref())
    })?;
    Ok(sums)
}

fn used_b(networks: &Networks) -> Vec<bool> {
    networks.tails.iter().map(Option::is_some).collect()
}

fn solve(
    fit: Fit,
    networks: &mut Networks,
    sums: &NormalEquations,
    kept: Option<&NormalEquations>,
    device: Device,
) -> Result<Fits> {
    let count = networks.subjects[0].layers.len();
    let mut found = Fits { pairs: vec![], means: networks.tails.iter().map(|_| None).collect() };
    // Of A and of A with other weights, each with its own sources.
    let mut least_squares = [0, 1].map(|_| LeastSquares::new(fit.ridge().unwrap_or(Ridge::Chosen)));
    for pair in &mut networks.pairs {
        let Ok((from, to)) = pair.forms else {
            found.pairs.push(None);
            continue;
        };
        let mut one = |source: usize| -> Result<Option<(Fitted, ndarray::Array1<f64>)>> {
            let Some(main) = sums.pair(source, pair.b)? else { return Ok(None) };
            let aside = kept.map(|kept| kept.pair(source, pair.b)).transpose()?.flatten();
            let mean = main.with_mean_of(aside.as_ref());
            let of = usize::from(source >= count);
            Ok(Some((least_squares[of].fit(&main, aside.as_ref())?, mean)))
        };
        let names =
            (&networks.subjects[0].layers[pair.a].name, &networks.subjects[1].layers[pair.b].name);
        let rows = sums.rows_of(pair.b);
        let stitches = match (one(pair.a), one(pair.a + count)) {
            _ if !fit.is_identity() && rows <= from.channels() as f64 => Err(format!(
                "{} has {} channels, and {rows} rows to fit them on: any map would fit",
                names.0,
                from.channels()
            )),
            (Ok(Some((real, mean))), Ok(Some((random, _)))) => {
                found.means[pair.b] = Some(constant(&mean, to, device)?);
                Ok(stitches(fit, real, &random, (from, to), device)?)
            }
            (Err(_), _) => {
                Err(format!("{} of A or {} of B gives NaN or infinite values", names.0, names.1))
            }
            (_, Err(_)) => {
                Err(format!("{} of A with random weights gives NaN or infinite values", names.0))
            }
            _ => Err("the layers have no common rows".to_owned()),
        };
        match stitches {
            Ok(stitches) => found.pairs.push(Some(stitches)),
            Err(reason) => {
                pair.forms = Err(reason);
                found.pairs.push(None);
            }
        }
    }
    Ok(found)
}

fn stitches(
    fit: Fit,
    real: Fitted,
    random: &Fitted,
    (from, to): (Form, Form),
    device: Device,
) -> Result<Stitches> {
    if fit.is_identity() {
        let identity = || Stitch::identity(from);
        return Ok(Stitches {
            real: identity(),
            random: identity(),
            fitted: None,
            losses: None,
            diverged: false,
        });
    }
    Ok(Stitches {
        random: Stitch::affine(&random.map, from, to, device)?,
        real: Stitch::affine(&real.map, from, to, device)?,
        fitted: Some(real),
        losses: None,
        diverged: false,
    })
}

/// Goes on with all stitches on the task, one step a batch each.
fn train(
    (training, seed): (Training, u64),
    networks: &mut Networks,
    fits: &mut Fits,
    work: &mut Work,
    bar: &mut dyn Progress,
) -> Result<()> {
    let (rate, form) = (training.learning_rate, networks.forms[1]);
    let mut trainers = vec![];
    for stitches in &fits.pairs {
        let both = |s: &Stitches| -> Result<_> {
            let new = |stitch| Trainer::new(stitch, rate, form);
            Ok((new(&s.real)?, new(&s.random)?))
        };
        trainers.push(stitches.as_ref().map(both).transpose()?);
    }
    let used = networks.used_a();
    let all: Vec<usize> = [work.split.main.as_slice(), &work.split.aside].concat();
    let mut draws = Draws::new(seed);
    for _ in 0..training.epochs {
        let order: Vec<usize> = draws.order(all.len()).into_iter().map(|i| all[i]).collect();
        work.pass(&order, bar, |positions, inputs| {
            let labels = networks.labels_of(positions).unwrap_or_default();
            let a = Outputs::of(&mut networks.subjects[0], &inputs[0], &used, false)?;
            let random = Outputs::of(&mut networks.random, &inputs[0], &used, false)?;
            for (pair, trainers) in networks.pairs.iter().zip(&mut trainers) {
                let (Some((real, control)), Some(tail)) = (trainers, &mut networks.tails[pair.b])
                else {
                    continue;
                };
                real.step(tail, &a.layers[pair.a], &labels)?;
                control.step(tail, &random.layers[pair.a], &labels)?;
            }
            Ok(())
        })?;
        for (real, control) in trainers.iter_mut().flatten() {
            real.end_epoch();
            control.end_epoch();
        }
    }
    for (stitches, trainers) in fits.pairs.iter_mut().zip(trainers) {
        let (Some(stitches), Some((real, control))) = (stitches, trainers) else { continue };
        let Trained { stitch, losses, diverged } = real.finish();
        stitches.real = stitch;
        stitches.random = control.finish().stitch;
        stitches.losses = Some(losses);
        stitches.diverged = diverged;
    }
    Ok(())
}
