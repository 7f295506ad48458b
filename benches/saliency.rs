//! Maps of a batch against plain passes of the same module, in one process.
//!
//! ```text
//! cargo bench --bench saliency -- MODEL.pt [LAYER] [IMAGES] [ROUNDS]
//! ```
//!
//! Grad-CAM at a layer against one forward pass of the module as exported, and the gradient with
//! respect to the input against one forward and backward pass of it, on random images of 224×224
//! under the same allocator setting. Before the rounds everything has run once.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::error::Error;
use std::time::Instant;

use repsim::saliency::{Explainer, Images, Method, Options, Target};
use repsim::torchscript::{Execution, Model, native};
use tch::{CModule, Kind, Tensor};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    native::keep_memory();
    let words: Vec<String> = std::env::args().skip(1).filter(|w| w != "--bench").collect();
    let [path, rest @ ..] = words.as_slice() else {
        println!("skipped: give a model after --");
        return Ok(());
    };
    let layer = rest.first().map_or("layer4", String::as_str);
    let number = |i: usize, default: usize| rest.get(i).map_or(Ok(default), |w| w.parse());
    let (count, rounds) = (number(1, 64)?, number(2, 5)?);
    tch::manual_seed(0);
    let input = Tensor::randn([count as i64, 3, 224, 224], tch::kind::FLOAT_CPU);
    let mut plain = CModule::load(path)?;
    plain.set_eval();
    let mut cam = explainer(path, layer, Method::GradCam, &input)?;
    let mut gradient = explainer(path, layer, Method::Gradient, &input)?;
    let mut times = vec![];
    for round in 0..=rounds {
        let found = [
            time(|| forward(&plain, &input))?,
            time(|| explain(&mut cam, &input))?,
            time(|| forward_backward(&plain, &input))?,
            time(|| explain(&mut gradient, &input))?,
        ];
        if round > 0 {
            println!(
                "round {round}: forward {:.2} s, gradcam {:.2} s, forward and backward {:.2} s, \
                      gradient {:.2} s",
                found[0], found[1], found[2], found[3]
            );
            times.push(found);
        }
    }
    println!("gradcam at {layer}: {:.3} forwards", median(times.iter().map(|t| t[1] / t[0])));
    println!("gradient: {:.3} forwards and backwards", median(times.iter().map(|t| t[3] / t[2])));
    Ok(())
}

fn explainer(path: &str, layer: &str, method: Method, input: &Tensor) -> Outcome<Explainer> {
    let mut model = Model::load(path, false)?;
    let all = model.probe(&input.narrow(0, 0, 1))?;
    let layers: Vec<_> = all.into_iter().filter(|l| method.is_cam() && l.name == layer).collect();
    model.prepare(&layers, &Execution::default())?;
    let options = Options {
        signed: false,
        samples: 1,
        noise: 0.0,
        seed: 0,
        steps: 1,
        baseline: vec![0.0],
        shap_noise: 0.0,
        perturbations: 1,
        lime_alpha: 0.01,
        window: 1,
        stride: 1,
        batch: 64,
        grid: None,
        focus: None,
    };
    Ok(Explainer { model, layers, methods: vec![method], options })
}

fn explain(explainer: &mut Explainer, input: &Tensor) -> Outcome<()> {
    let indices: Vec<usize> = (0..input.size()[0] as usize).collect();
    let images = Images { input, indices: &indices, labels: None };
    explainer.explain(&images, Target::Predicted)?;
    Ok(())
}

fn forward(model: &CModule, input: &Tensor) -> Outcome<()> {
    drop(tch::no_grad(|| model.forward_ts(&[input]))?);
    Ok(())
}

fn forward_backward(model: &CModule, input: &Tensor) -> Outcome<()> {
    let input = input.detach().set_requires_grad(true);
    let logits = model.forward_ts(&[&input])?;
    let (best, _) = logits.max_dim(1, false);
    Tensor::f_run_backward(&[best.sum(Kind::Float)], &[&input], false, false)?;
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
