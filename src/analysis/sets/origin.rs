//! Whether two sets were made in the same way.

use crate::analysis::session::run_options::TOKENS;
use crate::data::Preprocess;
use crate::data::statistics::Origin;
use crate::error::{Error, Result};

/// Two sets must have been made in the same way, where that is known of both.
///
/// # Errors
/// Says in what they differ.
pub fn check_same(reference: &Origin, candidate: &Origin) -> Result<()> {
    let short = |hash: &str| hash.get(..12).unwrap_or_default().to_owned();
    let model = |o: &Origin| match &o.weights {
        None => format!("model {}…", short(&o.model_sha256)),
        Some(weights) => {
            format!("model {}… with weights {}…", short(&o.model_sha256), short(weights))
        }
    };
    let axis = |o: &Origin| match o.channel_axis {
        Some(axis) => format!(", channels at axis {axis}"),
        None => String::new(),
    };
    let layer = |o: &Origin| format!("layer {} ({}{})", o.layer, o.reduce, axis(o));
    let apart = match (&reference.preprocess, &candidate.preprocess) {
        (Some(a), Some(b)) if !a.same_result(b) => Some(steps_apart(a, b)),
        _ => None,
    };
    // Arrays of ids do not say which tokenizer made them.
    let tokens = |o: &Origin| o.run.iter().any(|option| option.starts_with(TOKENS));
    let both = tokens(reference) && tokens(candidate);
    let run = |o: &Origin| {
        let told = o.run.iter().filter(|option| both || !option.starts_with(TOKENS));
        let options: Vec<&str> = told.map(String::as_str).collect();
        if options.is_empty() { "no such options".to_owned() } else { options.join(", ") }
    };
    let network = |o: &Origin| (o.model_sha256.clone(), o.weights.clone());
    let (a, b) = if network(reference) != network(candidate) {
        (model(reference), model(candidate))
    } else if layer(reference) != layer(candidate) {
        (layer(reference), layer(candidate))
    } else if let Some(apart) = apart {
        apart
    } else if run(reference) != run(candidate) {
        (run(reference), run(candidate))
    } else {
        return Ok(());
    };
    Err(Error::usage(
        format!("it cannot be compared: the reference was made with {a}, it with {b}"),
        "make both with the same --model, --weights, --layers, --reduce, preprocessing and other options",
    ))
}

/// What differs between two preprocessings, in the words of their options.
fn steps_apart(a: &Preprocess, b: &Preprocess) -> (String, String) {
    let list = |v: &[f64]| match v {
        [] => "none".to_owned(),
        _ => v.iter().map(f64::to_string).collect::<Vec<_>>().join(","),
    };
    let words = |p: &Preprocess| {
        let interpolation = match p.resize.is_fid() {
            true => String::new(),
            false => format!("--interpolation {}", p.interpolation),
        };
        [
            format!("--resize {}", p.resize),
            interpolation,
            format!("--crop {}", p.crop),
            format!("--channels {}", p.channels),
            format!("--range {}", p.range),
            format!("--float-range {}", p.float_range),
            format!("--mean {}", list(&p.mean)),
            format!("--std {}", list(&p.std)),
        ]
    };
    let (a, b) = (words(a), words(b));
    let apart = |own: &[String], other: &[String]| {
        let words = own.iter().zip(other).filter(|(x, y)| x != y).map(|(x, _)| x.as_str());
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    (apart(&a, &b), apart(&b, &a))
}
