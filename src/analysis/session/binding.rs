//! Which arrays of the data go into which inputs of a model.

use std::path::Path;

use tch::Kind;

use crate::data::{Dataset, InputArray, Tokenized};
use crate::error::{Error, Result};
use crate::report::{FedInput, Warning};
use crate::torchscript::packing::{Argument, Part, Values, is_float, kind_name, kind_of};
use crate::torchscript::{Model, shape_text};
use crate::view::names::{counted, few};

/// What to do about arrays that do not fit the inputs.
const REMEDY: &str =
    "save an array for each input under its name (numpy.savez), labels as \"labels\"";

/// What goes into a model, and what there is to say of it.
#[derive(Default)]
pub struct Bound {
    /// The inputs, where they are more than one tensor of float32.
    pub inputs: Vec<FedInput>,
    /// Arrays that are left out, or taken by their order.
    pub warnings: Vec<Warning>,
}

/// Finds which array goes into which input, by name or else by order, and readies the model for it.
/// Pictures go into the first input.
///
/// # Errors
/// The number, names, types or shapes of the arrays are not those of the inputs.
pub fn bind(model: &mut Model, data: &Dataset) -> Result<Bound> {
    let (mut bound, parts) = found(model, data)?;
    if !parts.is_empty() {
        model.take(parts)?;
    }
    if let (Some(made), Some(ids)) = (data.tokenized(), bound.inputs.first()) {
        bound.warnings.extend(misfit(made, model, &ids.name));
    }
    Ok(bound)
}

/// The same for further data of a model that was readied for other data.
///
/// # Errors
/// As [`bind`]; the arrays do not go into the same inputs, or are of other types.
pub fn bind_again(model: &mut Model, data: &Dataset) -> Result<Bound> {
    let (bound, parts) = found(model, data)?;
    if parts.is_empty() || model.take_again(parts) {
        return Ok(bound);
    }
    let problem = format!("{} has other arrays than the data before it", data.path().display());
    let remedy = "give all sets the same arrays, of the same types";
    Err(Error::file("run", model.path(), problem, remedy))
}

/// What goes into a model, and how; nothing for pictures.
fn found(model: &Model, data: &Dataset) -> Result<(Bound, Vec<Part>)> {
    let arrays = data.arrays();
    let arguments = model.arguments()?;
    if arrays.is_empty() {
        return refuse_pictures(model, data, &arguments).map(|()| (Bound::default(), vec![]));
    }
    let ends = Ends { arrays: &arrays, arguments: &arguments, model: model.path(), data };
    let pairs = ends.pairs()?;
    let mut warnings = ends.warnings(&pairs);
    warnings.extend(ends.rounded(&pairs)?);
    let mut parts = vec![];
    for &(array, argument) in &pairs {
        parts.push(ends.part(array, argument)?);
    }
    let is_plain = matches!(parts.as_slice(), [Part { values: Values::Batch, kind: None, .. }]);
    let inputs = pairs.iter().zip(&parts).map(|(&(array, _), part)| fed(&arrays[array], part));
    let inputs = if is_plain { vec![] } else { inputs.collect() };
    Ok((Bound { inputs, warnings }, parts))
}

/// Refuses pictures where the input they would go into takes whole numbers.
fn refuse_pictures(model: &Model, data: &Dataset, arguments: &[Argument]) -> Result<()> {
    let first = arguments.iter().find(|argument| argument.takes_tensor());
    let whole = |a: &&Argument| a.dtype.and_then(kind_of).is_some_and(|kind| !is_float(kind));
    match first.filter(whole) {
        None => Ok(()),
        Some(argument) => {
            let problem =
                format!("it takes {argument}, and {} holds images", data.path().display());
            Err(Error::file("run", model.path(), problem, "give its ids as --data ids.npy, N×L"))
        }
    }
}

fn fed(array: &InputArray, part: &Part) -> FedInput {
    FedInput {
        name: part.name.clone(),
        array: array.name.clone(),
        dtype: kind_name(part.kind.unwrap_or(Kind::Float)).to_owned(),
        shape: array.shape.clone(),
    }
}

/// What is there, and what is wanted.
struct Ends<'a> {
    arrays: &'a [InputArray],
    arguments: &'a [Argument],
    model: &'a Path,
    data: &'a Dataset,
}

impl Ends<'_> {
    /// Places of arrays and of the arguments they go into, in the order of the arguments.
    fn pairs(&self) -> Result<Vec<(usize, usize)>> {
        let named = self.arrays.iter().enumerate().filter_map(|(i, array)| {
            let is = |argument: &Argument| argument.name == array.name && argument.takes_tensor();
            Some((i, self.arguments.iter().position(is)?))
        });
        let mut pairs: Vec<(usize, usize)> = named.collect();
        if pairs.is_empty() && self.data.tokenized().is_some() {
            pairs = self
                .arguments
                .iter()
                .position(Argument::takes_tensor)
                .map(|i| (0, i))
                .into_iter()
                .collect();
        }
        if pairs.is_empty() {
            pairs = self.by_order()?;
        }
        pairs.sort_by_key(|&(_, argument)| argument);
        let missing = |(i, argument): &(usize, &Argument)| {
            let is_given = pairs.iter().any(|(_, place)| place == i);
            argument.takes_tensor() && !argument.has_default && !is_given
        };
        match self.arguments.iter().enumerate().find(missing) {
            None => Ok(pairs),
            Some((_, argument)) => {
                let problem = format!("its forward also takes {argument}, and {}", self.holds());
                Err(self.error(problem, "add an array of that name"))
            }
        }
    }

    fn by_order(&self) -> Result<Vec<(usize, usize)>> {
        let free = self.arguments.iter().enumerate();
        let free: Vec<usize> = free.filter(|(_, a)| a.takes_tensor()).map(|(i, _)| i).collect();
        if self.arrays.len() > free.len() {
            let all: Vec<String> = self.arguments.iter().map(Argument::to_string).collect();
            let problem = format!("its forward takes {}, and {}", all.join(", "), self.holds());
            return Err(self.error(problem, REMEDY));
        }
        Ok((0..self.arrays.len()).zip(free).collect())
    }

    /// What the data hold, in words.
    fn holds(&self) -> String {
        let path = self.data.path().display();
        let names: Vec<&str> = self.arrays.iter().map(|array| array.name.as_str()).collect();
        match names.as_slice() {
            [""] => format!("{path} is one array"),
            names => format!("{path} holds {}", few("array", names)),
        }
    }

    /// Arrays that are left out, or taken by their order.
    fn warnings(&self, pairs: &[(usize, usize)]) -> Vec<Warning> {
        let (path, model) = (self.data.path().display(), self.model.display());
        let taken = |i: usize| pairs.iter().any(|&(array, _)| array == i);
        if let Some(made) = self.data.tokenized() {
            return if taken(1) {
                vec![]
            } else {
                unmasked(made, self.model).into_iter().collect()
            };
        }
        let left: Vec<&str> = (0..self.arrays.len())
            .filter(|&i| !taken(i))
            .map(|i| self.arrays[i].name.as_str())
            .collect();
        let mut warnings = vec![];
        if !left.is_empty() {
            let text =
                format!("{} of {path} is not an input of {model}: left out", few("array", &left));
            warnings.push(Warning::new("array-left-out", left.join(", "), text));
        }
        let differs = |&(a, b): &(usize, usize)| self.arrays[a].name != self.arguments[b].name;
        if pairs.len() > 1 && pairs.iter().all(differs) {
            let both = |&(a, b): &(usize, usize)| {
                format!("{} into {}", self.arrays[a].name, self.arguments[b].name)
            };
            let both: Vec<String> = pairs.iter().map(both).collect();
            let text = format!(
                "no array of {path} has the name of an input of {model}, so they are taken in their order: {}",
                both.join(", ")
            );
            warnings.push(Warning::new("inputs-by-order", model.to_string(), text));
        }
        warnings
    }

    /// A warning of float64 that are read as float32.
    fn rounded(&self, pairs: &[(usize, usize)]) -> Result<Option<Warning>> {
        let rounded = self.data.rounded()?;
        let taken = pairs.iter().map(|&(array, _)| &self.arrays[array]);
        let all: Vec<&InputArray> = taken.filter(|array| rounded.contains(&array.name)).collect();
        let Some(first) = all.first() else { return Ok(None) };
        let names: Vec<&str> = all.iter().map(|array| array.name.as_str()).collect();
        let called = match names.as_slice() {
            [_] => self.called(first),
            names => format!("{} of {}", few("array", names), self.data.path().display()),
        };
        let text = format!(
            "{called} is float64, and samples are read as float32: values are rounded to 7 digits on their way into {}",
            self.model.display()
        );
        Ok(Some(Warning::new("inputs-rounded", names.join(", "), text)))
    }

    fn part(&self, array: usize, argument: usize) -> Result<Part> {
        let (own, wanted) = (&self.arrays[array], &self.arguments[argument]);
        self.check_shape(own, wanted)?;
        let (kind, other) = self.kind(own, wanted)?;
        let width = |array: &InputArray| array.shape.iter().product::<usize>() as i64;
        let values = match self.arrays.len() {
            1 => Values::Batch,
            _ => Values::Columns {
                start: self.arrays[..array].iter().map(width).sum(),
                shape: own.shape.iter().map(|&size| size as i64).collect(),
            },
        };
        let name = wanted.name.clone();
        Ok(Part { argument: argument + 1, name, kind, other, values })
    }

    /// The type that an input is cast to, and another one to try where no archive says which.
    fn kind(&self, array: &InputArray, wanted: &Argument) -> Result<(Option<Kind>, Option<Kind>)> {
        let own = kind_of(&array.dtype);
        match (wanted.dtype.and_then(kind_of), own) {
            (Some(kind), _) if array.is_float && !is_float(kind) => {
                let dtype = kind_name(kind);
                let problem = format!(
                    "its input {} is {dtype}, and {} has {}",
                    wanted.name,
                    self.called(array),
                    array.dtype
                );
                Err(self.error(problem, &format!("save it as {dtype} (x.astype(numpy.{dtype}))")))
            }
            (Some(kind), _) => Ok((Some(kind), None)),
            (None, Some(Kind::Float)) => Ok((None, None)),
            (None, kind) if array.is_float => Ok((Some(Kind::Float), kind)),
            (None, Some(kind @ (Kind::Int | Kind::Bool))) => Ok((Some(kind), Some(Kind::Float))),
            (None, _) => Ok((Some(Kind::Int64), Some(Kind::Float))),
        }
    }

    /// Holds the shape of a sample against the one that the archive states.
    fn check_shape(&self, array: &InputArray, wanted: &Argument) -> Result<()> {
        let Some([_, sizes @ ..]) = wanted.shape.as_deref() else { return Ok(()) };
        let fits =
            |(own, size): (&usize, &Option<i64>)| size.is_none_or(|size| size == *own as i64);
        if sizes.len() == array.shape.len() && array.shape.iter().zip(sizes).all(fits) {
            return Ok(());
        }
        let own: Vec<i64> = array.shape.iter().map(|&size| size as i64).collect();
        let own = if own.is_empty() { "one number".to_owned() } else { shape_text(&own) };
        let problem = format!("it takes {wanted}, and {} has {own} a sample", self.called(array));
        Err(self.error(problem, "give it the sizes it was exported with, or export it with others"))
    }

    /// An array in a message.
    fn called(&self, array: &InputArray) -> String {
        match array.name.as_str() {
            "" => self.data.path().display().to_string(),
            name => format!("array {name} of {}", self.data.path().display()),
        }
    }

    fn error(&self, problem: String, remedy: &str) -> Error {
        Error::file("run", self.model, problem, remedy)
    }
}

/// A warning of a tokenizer with more tokens than the embedding that looks them up has rows.
fn misfit(made: &Tokenized, model: &Model, input: &str) -> Option<Warning> {
    let (module, rows) = model.looks_up(input)?;
    let (tokenizer, path) = (made.tokenizer.display(), model.path().display());
    let text = format!(
        "{tokenizer} has {} tokens, and the embedding {module} of {path} has rows for {rows}: is it the tokenizer \
         that the model was trained with?",
        made.ids
    );
    (made.ids as i64 > rows).then(|| Warning::new("tokenizer-larger", path, text))
}

/// A warning of padding that a model takes for tokens; the mask is the second of the arrays.
fn unmasked(made: &Tokenized, model: &Path) -> Option<Warning> {
    let model = model.display().to_string();
    let text = format!(
        "{} are padded to {} tokens, and {model} takes no attention_mask: to it padding are tokens too",
        counted(made.padded, "text"),
        made.length
    );
    (made.padded > 0).then(|| Warning::new("padding-unmasked", model, text))
}
