//! A whole comparison by CKA against plain forward passes of the same models, in one process.
//!
//! ```text
//! cargo bench --bench against_forward -- a.pt b.pt FOLDER [SAMPLES] [ROUNDS]
//! ```
//!
//! The images are decoded beforehand for the plain passes, and the plain modules run under the same
//! allocator setting: what is left is the network itself.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use repsim::analysis::{Cka, Silent};
use repsim::data::{Dataset, LoadOptions, Preprocess, Preset};
use repsim::torchscript::{native, tensors};
use tch::{CModule, Tensor};

const BATCH: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    native::keep_memory();
    let words: Vec<String> = std::env::args().skip(1).filter(|w| w != "--bench").collect();
    let [a, b, data, rest @ ..] = words.as_slice() else {
        println!("skipped: give two models and a folder of images after --");
        return Ok(());
    };
    let number = |i: usize, default: usize| rest.get(i).map_or(Ok(default), |w| w.parse());
    let (samples, rounds) = (number(0, 256)?, number(1, 3)?);
    let mut ratios = Vec::new();
    for round in 1..=rounds {
        let plain = plain_forwards(&[a, b], data, samples)?;
        let whole = comparison(a, b, data, samples)?;
        println!("round {round}: plain {plain:.2} s, cka {whole:.2} s, ratio {:.3}", whole / plain);
        ratios.push(whole / plain);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.3} over {rounds} rounds of {samples} images", ratios[rounds / 2]);
    Ok(())
}

/// Seconds that the modules as exported need for the images, each loaded and decoded beforehand.
fn plain_forwards(models: &[&String], data: &str, samples: usize) -> Result<f64, Box<dyn Error>> {
    let batches = decode(data, samples)?;
    let mut seconds = 0.0;
    for path in models {
        let mut model = CModule::load(path)?;
        model.set_eval();
        drop(tch::no_grad(|| model.forward_ts(&[&batches[0]]))?);
        let started = Instant::now();
        for batch in &batches {
            drop(tch::no_grad(|| model.forward_ts(&[batch]))?);
        }
        seconds += started.elapsed().as_secs_f64();
    }
    Ok(seconds)
}

fn decode(data: &str, samples: usize) -> Result<Vec<Tensor>, Box<dyn Error>> {
    let dataset = Dataset::open(Path::new(data))?.subset(Some(samples), None)?;
    let load = LoadOptions { batch_size: BATCH, fingerprint: false, ..LoadOptions::default() };
    let mut tensors = Vec::new();
    for batch in dataset.batches(&[Preprocess::preset(Preset::Imagenet)], &load)? {
        let input = &batch?.inputs[0];
        tensors.push(tensors::from_nhwc(&input.data, &input.shape)?.contiguous());
    }
    Ok(tensors)
}

/// Seconds of the whole comparison, the models loaded and the images decoded on the way.
fn comparison(a: &str, b: &str, data: &str, samples: usize) -> Result<f64, Box<dyn Error>> {
    let started = Instant::now();
    let mut cka = Cka::new(a, b).data(data).limit(samples);
    cka.sides.data.load.batch_size = BATCH;
    cka.sides.preprocessing.preset = Some(Preset::Imagenet);
    cka.run(&Silent)?;
    Ok(started.elapsed().as_secs_f64())
}
