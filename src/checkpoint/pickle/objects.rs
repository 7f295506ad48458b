//! The few calls of a pickle that are known: those that make tensors and containers. Every other call
//! gives an opaque value; nothing is ever run.

use std::sync::Arc;

use super::super::dtype::Dtype;
use super::value::{Arena, Id, Storage, Value, View};

/// The most axes a tensor may have.
const MOST_AXES: usize = 16;

/// What a call of a class or function gives.
///
/// # Errors
/// A tensor that does not lie within its storage, or is not made as PyTorch makes one.
pub(super) fn call(arena: &mut Arena, class: &Arc<str>, arguments: &[Id]) -> Result<Value, String> {
    match &**class {
        "collections.OrderedDict" | "collections.defaultdict" | "collections.Counter" => {
            Ok(Value::Dict(pairs(arena, arguments)))
        }
        "torch.Size" => {
            let sizes = arguments.first().and_then(|&id| arena.elements(id)).unwrap_or_default();
            Ok(Value::Tuple(sizes.iter().take(MOST_AXES + 1).copied().collect()))
        }
        "copyreg._reconstructor" | "copy_reg._reconstructor" => {
            let made = arguments.first().map(|&id| arena.name_of(id));
            Ok(Value::Opaque(made.unwrap_or_else(|| "object".into())))
        }
        "torch._tensor._rebuild_from_type_v2" => of_type(arena, arguments),
        _ => match class.strip_prefix("torch._utils.") {
            Some(function) => rebuilt(arena, function, arguments),
            None => Ok(Value::Opaque(class.clone())),
        },
    }
}

/// A tensor of a subclass: a function, the class, and the function's arguments.
fn of_type(arena: &Arena, arguments: &[Id]) -> Result<Value, String> {
    let [function, class, inner, ..] = arguments else { return Err(unusual("a tensor's class")) };
    let class = arena.name_of(*class);
    let plain = matches!(&*class, "torch.Tensor" | "torch.nn.parameter.Parameter");
    let function = arena.class_of(*function).strip_prefix("torch._utils.");
    match (plain, function, arena.elements(*inner)) {
        (true, Some(function), Some(inner)) => rebuilt(arena, function, inner),
        _ => Ok(Value::Opaque(class)),
    }
}

fn rebuilt(arena: &Arena, function: &str, arguments: &[Id]) -> Result<Value, String> {
    let opaque = || Ok(Value::Opaque(format!("torch._utils.{function}").into()));
    match function {
        "_rebuild_parameter" | "_rebuild_parameter_with_state" => match arguments.first() {
            Some(&data) => Ok(arena.get(data).clone()),
            None => Err(unusual(function)),
        },
        "_rebuild_tensor" => tensor(arena, arguments, None),
        "_rebuild_tensor_v2" | "_rebuild_tensor_v3" => {
            let is_third = function.ends_with('3');
            let metadata = arguments.get(if is_third { 7 } else { 6 });
            let changed = metadata.is_some_and(|&id| !is_empty(arena, id));
            let dtype = arguments.get(6).map(|&id| arena.class_of(id)).filter(|_| is_third);
            match (changed, dtype.map(Dtype::of_class)) {
                // Conjugated or negated by a flag.
                (true, _) | (_, Some(None)) => opaque(),
                (false, dtype) => tensor(arena, arguments, dtype.flatten()),
            }
        }
        _ => opaque(),
    }
}

/// Whether it says nothing: `None`, or no key of it is true.
fn is_empty(arena: &Arena, id: Id) -> bool {
    match arena.get(id) {
        Value::None => true,
        Value::Dict(pairs) => pairs.iter().all(|&(_, v)| *arena.get(v) == Value::Bool(false)),
        _ => false,
    }
}

/// A tensor of storage, offset, shape and strides.
fn tensor(arena: &Arena, arguments: &[Id], dtype: Option<Dtype>) -> Result<Value, String> {
    let [storage, offset, shape, strides, ..] = arguments else {
        return Err(unusual("a tensor"));
    };
    let storage = match arena.get(*storage) {
        Value::Storage(storage) => storage.clone(),
        // Of elements that are not known: quantised ones.
        _ => return Ok(Value::Opaque(arena.name_of(*storage))),
    };
    let offset = arena.int(*offset).and_then(|n| u64::try_from(n).ok());
    let offset = offset.ok_or_else(|| unusual("the offset of a tensor"))?;
    let (shape, strides) = (sizes(arena, *shape)?, sizes(arena, *strides)?);
    let dtype = dtype.unwrap_or(storage.dtype);
    let extent = extent(&shape, &strides).ok_or_else(|| unusual("the shape of a tensor"))?;
    let view = View { storage, dtype, offset, shape, strides, extent };
    match is_within(&view) {
        true => Ok(Value::Tensor(Arc::new(view))),
        false => Err(format!(
            "a tensor of shape {:?} reaches beyond its storage '{}' of {} elements",
            view.shape, view.storage.key, view.storage.count
        )),
    }
}

fn sizes(arena: &Arena, id: Id) -> Result<Vec<i64>, String> {
    let elements = arena.elements(id).filter(|e| e.len() <= MOST_AXES);
    let size = |&id: &Id| arena.int(id).and_then(|n| i64::try_from(n).ok()).filter(|n| *n >= 0);
    let sizes = elements.and_then(|elements| elements.iter().map(size).collect());
    sizes.ok_or_else(|| unusual("the shape of a tensor"))
}

/// Elements from the first to behind the last; `None` where that is not a number of 64 bits or the axes
/// differ.
pub(in crate::checkpoint) fn extent(shape: &[i64], strides: &[i64]) -> Option<u64> {
    if shape.len() != strides.len() {
        return None;
    }
    if shape.contains(&0) {
        return Some(0);
    }
    let steps = shape.iter().zip(strides).map(|(n, step)| (n - 1).checked_mul(*step));
    let last = steps.into_iter().try_fold(0_i64, |sum, step| sum.checked_add(step?))?;
    u64::try_from(last.checked_add(1)?).ok()
}

fn is_within(view: &View) -> bool {
    let size = view.dtype.size();
    let end = view.offset.checked_add(view.extent).and_then(|n| n.checked_mul(size));
    let stored = view.storage.count.checked_mul(view.storage.dtype.size());
    matches!((end, stored), (Some(end), Some(stored)) if end <= stored)
}

/// What stands for a tensor's elements: `('storage', class, key, device, elements)`, with the part of
/// it in old files; a class where a file keeps its source.
///
/// # Errors
/// It is made in no way that PyTorch makes it.
pub(super) fn persistent(arena: &Arena, id: Id) -> Result<Value, String> {
    let parts = arena.elements(id).unwrap_or_default();
    match (parts.first().and_then(|&kind| arena.text(kind)), parts) {
        (Some("module"), [_, class, ..]) => Ok(arena.get(*class).clone()),
        (Some("storage"), [_, class, key, _, count, rest @ ..]) => {
            let Some(dtype) = Dtype::of_storage(arena.class_of(*class)) else {
                return Ok(Value::Opaque(arena.name_of(*class)));
            };
            let key = key_text(arena, *key).ok_or_else(|| unusual("the name of a storage"))?;
            let count = arena.int(*count).and_then(|n| u64::try_from(n).ok());
            let count = count.ok_or_else(|| unusual("the size of a storage"))?;
            part(arena, Storage { key, dtype, count, base: 0 }, rest.first().copied())
        }
        _ => Err(unusual("a reference to something outside of the pickle")),
    }
}

/// A storage, or the part of it that `(key, offset, elements)` tells.
fn part(arena: &Arena, whole: Storage, view: Option<Id>) -> Result<Value, String> {
    let view = view.and_then(|id| arena.elements(id));
    let Some([_, offset, count]) = view else { return Ok(Value::Storage(Arc::new(whole))) };
    let number = |id: &Id| arena.int(*id).and_then(|n| u64::try_from(n).ok());
    match (number(offset), number(count)) {
        (Some(base), Some(count)) if base.checked_add(count).is_some_and(|n| n <= whole.count) => {
            Ok(Value::Storage(Arc::new(Storage { base, count, ..whole })))
        }
        _ => Err(format!("a part of storage '{}' reaches beyond it", whole.key)),
    }
}

fn key_text(arena: &Arena, id: Id) -> Option<Arc<str>> {
    match arena.get(id) {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string().into()),
        _ => None,
    }
}

/// The pairs that a dictionary is made of: none, or a list of pairs, which is used up.
fn pairs(arena: &mut Arena, arguments: &[Id]) -> Vec<(Id, Id)> {
    let list = match arguments.first().map(|&id| arena.get_mut(id)) {
        Some(Value::Dict(pairs)) => return std::mem::take(pairs),
        Some(Value::List(items) | Value::Tuple(items)) => std::mem::take(items),
        _ => vec![],
    };
    let pair = |&id: &Id| match arena.elements(id) {
        Some([key, value]) => Some((*key, *value)),
        _ => None,
    };
    list.iter().filter_map(pair).collect()
}

fn unusual(what: &str) -> String {
    format!("{what} is not written as PyTorch writes it")
}
