//! Names of what a program returns, from the tree that `torch.utils._pytree` wrote.

use serde::Deserialize;
use serde_json::Value;

/// A tree of containers; a leaf has no type.
#[derive(Deserialize)]
struct Tree {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    context: Value,
    #[serde(default)]
    children_spec: Vec<Tree>,
}

/// The dotted name of each leaf: `logits`, `state.0`; empty where the leaf is all there is. `None` where
/// the text is not a tree.
///
/// The output classes of transformers are dictionaries whose context holds their keys.
pub fn leaves(text: &str) -> Option<Vec<String>> {
    let (_, tree): (Value, Tree) = serde_json::from_str(text).ok()?;
    let mut names = vec![];
    walk(&tree, "", &mut names);
    Some(names)
}

fn walk(tree: &Tree, path: &str, names: &mut Vec<String>) {
    if tree.kind.is_none() {
        names.push(path.to_owned());
        return;
    }
    let keys = keys(&tree.context);
    for (place, child) in tree.children_spec.iter().enumerate() {
        let key = keys.get(place).cloned().unwrap_or_else(|| place.to_string());
        let path = if path.is_empty() { key } else { format!("{path}.{key}") };
        walk(child, &path, names);
    }
}

/// The keys in a context: a list of texts, itself written as a text once or twice.
fn keys(context: &Value) -> Vec<String> {
    match context {
        Value::String(text) => match serde_json::from_str(text) {
            Ok(inner) => keys(&inner),
            Err(_) => vec![],
        },
        Value::Array(items) => {
            let texts = items.iter().map(|item| Some(item.as_str()?.to_owned()));
            texts.collect::<Option<Vec<String>>>().unwrap_or_else(|| {
                items.iter().map(keys).find(|keys| !keys.is_empty()).unwrap_or_default()
            })
        }
        _ => vec![],
    }
}
