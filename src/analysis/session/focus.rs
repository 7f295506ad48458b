//! Which input of a network is looked at, where the data are not pictures.

use crate::data::{Dataset, InputArray};
use crate::error::{Error, Result};
use crate::report::FedInput;
use crate::saliency::Focus;
use crate::torchscript::packing::{Lookup, is_float, kind_of};
use crate::torchscript::{Layer, Model};
use crate::view::names::few;

/// An array of the data that a network takes.
struct Candidate<'a> {
    /// The name of the input.
    name: String,
    array: &'a InputArray,
    /// Where in the row of a sample its values begin.
    start: usize,
    /// Whether it has a gradient.
    is_float: bool,
}

/// The input that is looked at: the one asked for, else the only one of floats that is not a mask, of several
/// the only one of images, and without any the token ids. `None` for pictures.
///
/// # Errors
/// There is no such input, none that can be distinguished from others, or its shape is not that of an image or a row.
pub fn find(
    data: &Dataset,
    fed: &[FedInput],
    model: &Model,
    asked: Option<&str>,
) -> Result<Option<Focus>> {
    let arrays = data.arrays();
    let all = candidates(&arrays, fed);
    let chosen = match asked {
        Some(name) => Some(named(&all, name)?),
        None if all.is_empty() => None,
        None => Some(default(&all, model)?),
    };
    chosen.map(|one| focus(one, model)).transpose()
}

/// The input whose proportions are those of maps of tokens; nothing is asked of it.
pub fn likely(data: &Dataset, fed: &[FedInput], model: &Model) -> Result<Option<Focus>> {
    let arrays = data.arrays();
    let all = candidates(&arrays, fed);
    let image = all.iter().find(|one| one.is_float && one.array.shape.len() == 3);
    match image.map_or_else(|| default(&all, model), Ok) {
        Ok(one) => focus(one, model).map(Some),
        Err(_) => all.first().map(|one| focus(one, model)).transpose(),
    }
}

/// The layer that looks up the ids of an input: the call of it that does.
///
/// # Errors
/// No embedding does, or several do, or it is not a layer.
pub fn embedding<'a>(model: &Model, all: &'a [Layer], input: &str) -> Result<&'a Layer> {
    let lookups = model.lookups(input);
    let found = match lookups.as_slice() {
        [] => Err(format!("no layer of it is the embedding of the ids {input}")),
        [one] => layer_of(one, all).ok_or_else(|| {
            format!("which call of {} looks up the ids {input} cannot be told", one.module)
        }),
        several => {
            let modules: Vec<&str> = several.iter().map(|lookup| lookup.module).collect();
            let modules = few("embedding", &modules);
            Err(format!(
                "its ids {input} are looked up in {modules}, and a gradient is that of one"
            ))
        }
    };
    found.map_err(|problem| {
        let remedy =
            "take a class activation map (--method gradcam), or export it with its modules";
        Error::file("differentiate", model.path(), problem, remedy)
    })
}

/// The layer of a call, where the module runs as often as its code has calls.
fn layer_of<'a>(lookup: &Lookup<'_>, all: &'a [Layer]) -> Option<&'a Layer> {
    let name = match lookup.call {
        1 => lookup.module.to_owned(),
        call => format!("{}:{call}", lookup.module),
    };
    all.iter().find(|layer| layer.name == name && layer.calls == lookup.calls)
}

fn candidates<'a>(arrays: &'a [InputArray], fed: &[FedInput]) -> Vec<Candidate<'a>> {
    let width = |array: &InputArray| array.shape.iter().product::<usize>();
    let candidate = |place: usize, name: &str, is_float: bool| Candidate {
        name: name.to_owned(),
        array: &arrays[place],
        start: arrays[..place].iter().map(width).sum(),
        is_float,
    };
    if fed.is_empty() {
        let plain = |array: &InputArray| candidate(0, &array.name, true);
        return arrays.first().map(plain).into_iter().collect();
    }
    let of = |input: &FedInput| {
        let place = arrays.iter().position(|array| array.name == input.array)?;
        let floats = kind_of(&input.dtype).is_some_and(is_float);
        Some(candidate(place, &input.name, floats))
    };
    fed.iter().filter_map(of).collect()
}

fn named<'c, 'a>(all: &'c [Candidate<'a>], name: &str) -> Result<&'c Candidate<'a>> {
    let is = |one: &&Candidate<'_>| one.name == name || one.array.name == name;
    all.iter().find(is).ok_or_else(|| match all {
        [] => {
            let problem = format!("--of {name} names an input, and the data are images");
            Error::usage(problem, "leave --of out")
        }
        all => {
            let problem = format!("--of {name} is none of the inputs that the data hold");
            Error::usage(problem, format!("name {}", few("input", &names(all))))
        }
    })
}

fn names<'c>(all: &'c [Candidate<'_>]) -> Vec<&'c str> {
    all.iter().map(|one| one.name.as_str()).collect()
}

fn default<'c, 'a>(all: &'c [Candidate<'a>], model: &Model) -> Result<&'c Candidate<'a>> {
    let is_mask = |one: &Candidate<'_>| one.name.contains("mask");
    let floats: Vec<&Candidate<'a>> =
        all.iter().filter(|one| one.is_float && !is_mask(one)).collect();
    let images = floats.iter().copied().filter(|one| one.array.shape.len() == 3);
    let ids = || all.iter().find(|one| !one.is_float && model.looks_up(&one.name).is_some());
    let found = match (floats.as_slice(), images.collect::<Vec<_>>().as_slice()) {
        ([one], _) | (_, [one]) => Some(*one),
        ([], _) => ids(),
        _ => None,
    };
    found.ok_or_else(|| {
        let problem = format!(
            "{} takes {}, and nothing says which of them is explained",
            model.path().display(),
            few("input", &names(all))
        );
        Error::usage(problem, "name one with --of NAME")
    })
}

fn focus(one: &Candidate<'_>, model: &Model) -> Result<Focus> {
    let shape: Vec<i64> = one.array.shape.iter().map(|&side| side as i64).collect();
    let remedy = "name another input with --of: images, rows of floats, or token ids";
    let shape = match shape.as_slice() {
        &[tokens] => [1, 1, tokens],
        &[rows, columns] if one.is_float => [1, rows, columns],
        &[channels, rows, columns] if one.is_float => [channels, rows, columns],
        shape => {
            let what = match shape {
                [] => "one number a sample".to_owned(),
                shape => format!("{} axes a sample", shape.len()),
            };
            let problem = format!("its input {} has {what}", one.name);
            return Err(Error::file("look into", model.path(), problem, remedy));
        }
    };
    let (name, start) = (one.name.clone(), one.start as i64);
    Ok(Focus { name, start, shape, is_tokens: !one.is_float, embedding: None })
}
