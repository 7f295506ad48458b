//! The state dicts in what was pickled.

use std::collections::{HashMap, HashSet, VecDeque};

use super::pickle::{Arena, Id, Value, View};
use super::source::Place;
use super::{StateDict, Stored};

/// How deep state dicts are looked for.
const DEEPEST: usize = 5;

/// How many values are looked at.
const MOST_VALUES: usize = 1 << 20;

/// How many elements of a list are looked at.
const MOST_ELEMENTS: usize = 64;

/// Where the elements of a tensor begin, or why they do not.
pub(super) type Placing<'a> = &'a dyn Fn(&View) -> Result<Place, String>;

/// What was found: dictionaries that hold tensors themselves, those nearer to the top first, and values of
/// classes that are not known, each with its key.
#[derive(Default)]
pub(super) struct Holdings {
    pub dicts: Vec<StateDict>,
    pub classes: Vec<(String, String)>,
}

/// Looks for state dicts under keys of text and in lists, each dictionary once.
pub(super) fn holdings(arena: &Arena, root: Id, placing: Placing<'_>) -> Holdings {
    let mut found = Holdings::default();
    let (mut seen, mut looked) = (HashSet::from([root]), 0);
    let mut waiting = VecDeque::from([(root, String::new(), 0)]);
    while let Some((id, key, depth)) = waiting.pop_front() {
        let children = children(arena, id);
        looked += children.len();
        if looked > MOST_VALUES {
            break;
        }
        if let Value::Opaque(class) = arena.get(id) {
            found.classes.push((key.clone(), class.to_string()));
        }
        if let Some(dict) = state_dict(arena, &children, &key, placing) {
            found.dicts.push(dict);
        }
        for (name, child) in children {
            if depth < DEEPEST && seen.insert(child) {
                let below = if key.is_empty() { name } else { format!("{key}.{name}") };
                waiting.push_back((child, below, depth + 1));
            }
        }
    }
    found
}

/// The values of a dictionary or list by name; of a name that stands twice the last, as in Python.
fn children(arena: &Arena, id: Id) -> Vec<(String, Id)> {
    match arena.get(id) {
        Value::Dict(pairs) => {
            let named = pairs.iter().filter_map(|&(key, value)| Some((arena.text(key)?, value)));
            let mut places = HashMap::new();
            let mut all: Vec<(String, Id)> = vec![];
            for (name, value) in named {
                match places.get(name) {
                    Some(&place) => all[place] = (name.to_owned(), value),
                    None => {
                        places.insert(name, all.len());
                        all.push((name.to_owned(), value));
                    }
                }
            }
            all
        }
        Value::List(items) | Value::Tuple(items) => {
            let first = items.iter().take(MOST_ELEMENTS).enumerate();
            first.map(|(i, &item)| (i.to_string(), item)).collect()
        }
        _ => vec![],
    }
}

/// A dictionary with tensors.
fn state_dict(
    arena: &Arena,
    children: &[(String, Id)],
    key: &str,
    placing: Placing<'_>,
) -> Option<StateDict> {
    let mut dict = StateDict { key: key.to_owned(), ..StateDict::default() };
    for (name, child) in children {
        match arena.get(*child) {
            Value::Tensor(view) => match placing(view) {
                Ok(place) => dict.tensors.push((name.clone(), stored(view, place))),
                Err(why) => dict.others.push((name.clone(), why)),
            },
            Value::Opaque(class) => dict.others.push((name.clone(), format!("a {class}"))),
            _ => {}
        }
    }
    let has_tensors = children.iter().any(|(_, id)| matches!(arena.get(*id), Value::Tensor(_)));
    has_tensors.then_some(dict)
}

fn stored(view: &View, place: Place) -> Stored {
    let View { dtype, shape, strides, extent, .. } = view.clone();
    Stored { dtype, shape, strides, extent, place }
}
