//! Stitching of all pairs of layers against plain passes of the same modules, in one process.
//!
//! ```text
//! cargo bench --bench stitching -- [A.pt B.pt] [IMAGES] [SIDE] [ROUNDS]
//! ```
//!
//! Random images, the same for both. `fit` runs both networks with their taps, sums the normal equations
//! of every pair of layers down to depth two whose shapes fit, and solves them; `plain` is one forward
//! pass of both modules as exported, under the same allocator setting. `behind` is what it takes to run
//! the part of B behind one stitch, over the layers of B, in forward passes of B.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use repsim::functional::stitching::{
    Form, LeastSquares, NormalEquations, Ridge, Stitch, logits_behind,
};
use repsim::torchscript::{Answer, Execution, Model, Selection, Tail, native};
use tch::{CModule, Device, Tensor};

type Outcome<T> = Result<T, Box<dyn Error>>;

const BATCH: i64 = 64;
const MODELS: [&str; 2] =
    ["examples/models/fashion-seed0-scripted.pt", "examples/models/fashion-seed1-traced.pt"];

fn main() -> Outcome<()> {
    native::keep_memory();
    let words: Vec<String> = std::env::args().skip(1).filter(|w| w != "--bench").collect();
    let (paths, rest) = match words.as_slice() {
        [a, b, rest @ ..] if a.ends_with(".pt") => ([a.as_str(), b.as_str()], rest),
        rest => (MODELS, rest),
    };
    let number = |i: usize, default: i64| rest.get(i).map_or(Ok(default), |w| w.parse());
    let (images, side, rounds) = (number(0, 2000)?, number(1, 32)?, number(2, 3)?);
    tch::manual_seed(0);
    let input = Tensor::randn([images, 3, side, side], tch::kind::FLOAT_CPU);
    let batches = input.split(BATCH, 0);
    let mut networks =
        [Network::load(paths[0], &batches[0])?, Network::load(paths[1], &batches[0])?];
    let modules = [plain(paths[0])?, plain(paths[1])?];
    let mut ratios = vec![];
    for round in 0..=rounds {
        let (own, ()) = time(|| forward(&modules, &batches))?;
        let (fitted, stitches) = time(|| fit_all(&mut networks, &batches))?;
        if round > 0 {
            let pairs = stitches.len();
            println!("round {round}: plain {own:.2} s, fit of {pairs} pairs {fitted:.2} s");
            ratios.push(fitted / own);
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!("fit: {:.2} forward passes of both", ratios[ratios.len() / 2]);
    behind(&mut networks, &modules[1], &batches[0])
}

/// A network with taps behind its layers.
struct Network {
    model: Model,
    forms: Vec<Form>,
}

impl Network {
    fn load(path: &str, input: &Tensor) -> Outcome<Self> {
        let mut model = Model::load(Path::new(path), false)?;
        let layers = model.probe(input)?;
        let layers = Selection::new::<&str>(&[])?.choose(&layers, Path::new(path))?;
        model.prepare(&layers, &Execution { optimize: true, device: Device::Cpu })?;
        let forms = layers.iter().map(|layer| Form::of(&layer.sample_shape()));
        let forms =
            forms.collect::<Option<_>>().ok_or("a layer gives neither maps nor features")?;
        Ok(Self { model, forms })
    }

    fn outputs(&mut self, input: &Tensor) -> Outcome<Vec<Tensor>> {
        let mut found = vec![];
        self.model.run(input, &mut |_, output| {
            found.push(output.copy());
            Ok(Answer::Keep)
        })?;
        Ok(found)
    }
}

fn plain(path: &str) -> Outcome<CModule> {
    let mut module = CModule::load(path)?;
    module.set_eval();
    Ok(module)
}

fn forward(modules: &[CModule], batches: &[Tensor]) -> Outcome<()> {
    for batch in batches {
        for module in modules {
            drop(tch::no_grad(|| module.forward_ts(&[batch]))?);
        }
    }
    Ok(())
}

/// The stitches of all pairs whose shapes fit, by the place of the layer of B.
fn fit_all(networks: &mut [Network; 2], batches: &[Tensor]) -> Outcome<Vec<(usize, Stitch)>> {
    let [a, b] = networks;
    let mut sums = NormalEquations::new(&a.forms, &b.forms, &|_, _| true);
    let (mut running, mut summing) = (0.0, 0.0);
    for batch in batches {
        let (taken, outputs) = time(|| Ok((a.outputs(batch)?, b.outputs(batch)?)))?;
        summing += time(|| Ok(sums.add(&outputs.0, &outputs.1)?))?.0;
        running += taken;
    }
    let solving = Instant::now();
    let mut stitches = vec![];
    let mut least_squares = LeastSquares::new(Ridge::Fixed(1e-4));
    for (i, from) in a.forms.iter().enumerate() {
        for (j, to) in b.forms.iter().enumerate() {
            if let Some(pair) = sums.pair(i, j)? {
                let found = least_squares.fit(&pair, None)?;
                stitches.push((j, Stitch::affine(&found.map, *from, *to, Device::Cpu)?));
            }
        }
    }
    let solving = solving.elapsed().as_secs_f64();
    println!(
        "  networks with taps {running:.2} s, sums {summing:.2} s, stitches from sums {solving:.2} s"
    );
    Ok(stitches)
}

/// Seconds behind each layer of B that can be cut behind, in forward passes of B.
fn behind(networks: &mut [Network; 2], module: &CModule, batch: &Tensor) -> Outcome<()> {
    let outputs = networks[1].outputs(batch)?;
    let (own, ()) = time(|| forward(std::slice::from_ref(module), std::slice::from_ref(batch)))?;
    let mut shares = vec![];
    for (i, output) in outputs.iter().enumerate() {
        let Ok(mut tail) = networks[1].model.cut(i) else { continue };
        run(&mut tail, output)?;
        shares.push(time(|| run(&mut tail, output))?.0 / own);
    }
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    println!("behind: {mean:.2} forward passes of B for a pair, over {} layers", shares.len());
    Ok(())
}

fn run(tail: &mut Tail, output: &Tensor) -> Outcome<()> {
    drop(logits_behind(tail, output)?);
    Ok(())
}

fn time<T>(body: impl FnOnce() -> Outcome<T>) -> Outcome<(f64, T)> {
    let started = Instant::now();
    let found = body()?;
    Ok((started.elapsed().as_secs_f64(), found))
}
