//! A network read from an archive of `torch.export` against the same one as TorchScript, in one process.
//!
//! ```text
//! cargo bench --bench exported -- NET.pt NET.pt2 [SIZE] [IMAGES] [ROUNDS]
//! ```
//!
//! Each is loaded and probed, then run over a batch of random images of SIZE×SIZE with all its layers
//! listened to. Before the rounds each has run once.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::error::Error;
use std::time::Instant;

use repsim::torchscript::{Answer, Execution, Model, native};
use tch::Tensor;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    native::keep_memory();
    let words: Vec<String> = std::env::args().skip(1).filter(|w| w != "--bench").collect();
    let [script, exported, rest @ ..] = words.as_slice() else {
        println!("skipped: give a network as TorchScript and as torch.export after --");
        return Ok(());
    };
    let number = |i: usize, default: usize| rest.get(i).map_or(Ok(default), |w| w.parse());
    let (size, count, rounds) = (number(0, 224)?, number(1, 64)?, number(2, 5)?);
    tch::manual_seed(0);
    let shape = [count, 3, size, size].map(|length| length as i64);
    let input = Tensor::randn(shape, tch::kind::FLOAT_CPU);
    let mut models = [opened(script, &input)?, opened(exported, &input)?];
    let mut times = vec![];
    for round in 0..=rounds {
        let mut found = [[0.0; 2]; 2];
        for (i, path) in [script, exported].into_iter().enumerate() {
            found[i] = [
                time(|| opened(path, &input).map(drop))?,
                time(|| listen(&mut models[i], &input))?,
            ];
        }
        if round > 0 {
            println!(
                "round {round}: opened in {:.2} s and {:.2} s, run in {:.2} s and {:.2} s",
                found[0][0], found[1][0], found[0][1], found[1][1]
            );
            times.push(found);
        }
    }
    for (i, what) in ["opened", "run"].into_iter().enumerate() {
        let ratio = median(times.iter().map(|t| t[1][i] / t[0][i]));
        println!("{what}: {ratio:.3} of the time of TorchScript");
    }
    Ok(())
}

/// Ready to be run with all layers listened to.
fn opened(path: &str, input: &Tensor) -> Outcome<Model> {
    let mut model = Model::load(path, false)?;
    let layers = model.probe(&input.narrow(0, 0, 2))?;
    model.prepare(&layers, &Execution::default())?;
    Ok(model)
}

fn listen(model: &mut Model, input: &Tensor) -> Outcome<()> {
    model.run(input, &mut |_, _| Ok(Answer::Keep))?;
    Ok(())
}

fn time(body: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let started = Instant::now();
    body()?;
    Ok(started.elapsed().as_secs_f64())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
