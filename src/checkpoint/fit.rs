//! Which tensor of a checkpoint belongs to which name of a model.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

use super::source::Flaw;
use super::{Checkpoint, StateDict, Stored, error};
use crate::error::Result;

/// A parameter or buffer of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its dotted name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Whether it is a buffer and no parameter.
    pub is_buffer: bool,
    /// Slots with the same number are one tensor under several names.
    pub tensor: usize,
}

/// How the names of a checkpoint become those of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Rename {
    /// They are the same.
    #[default]
    Same,
    /// Without a prefix, where they have it.
    Without(String),
    /// With a prefix.
    With(String),
    /// Without the names of modules that wrap others, wherever they stand: `features.module.0`.
    Unwrapped,
}

/// Prefixes of wrappers: of parallel, of compiled and of Lightning modules.
const PREFIXES: [&str; 3] = ["module.", "model.", "_orig_mod."];

/// How many of them may follow on each other.
const MOST_PREFIXES: usize = 4;

/// Names of modules that only wrap another.
const WRAPPERS: [&str; 4] =
    ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// How many names a message lists.
const LISTED: usize = 5;

impl Rename {
    fn apply(&self, name: &str) -> String {
        match self {
            Self::Same => name.to_owned(),
            Self::Without(prefix) => name.strip_prefix(prefix.as_str()).unwrap_or(name).to_owned(),
            Self::With(prefix) => format!("{prefix}{name}"),
            Self::Unwrapped => {
                let parts = name.split('.').filter(|part| !WRAPPERS.contains(part));
                parts.collect::<Vec<_>>().join(".")
            }
        }
    }

    /// All that may make a checkpoint fit, the plainest first.
    fn all(slots: &[Slot], dict: &StateDict) -> Vec<Self> {
        let keys: Vec<&str> = dict.tensors.iter().map(|(name, _)| name.as_str()).collect();
        let names: Vec<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
        let mut prefixes = wrapping(&keys);
        prefixes.extend(
            shared(&keys).into_iter().filter(|p| !prefixes.contains(p)).collect::<Vec<_>>(),
        );
        let without = prefixes.into_iter().map(Self::Without);
        let with = shared(&names).into_iter().map(Self::With);
        let wrapped = |key: &&str| key.split('.').any(|part| WRAPPERS.contains(&part));
        let unwrapped = keys.iter().any(wrapped).then_some(Self::Unwrapped);
        std::iter::once(Self::Same).chain(without).chain(with).chain(unwrapped).collect()
    }
}

/// What was done to the names, in words: `without 'module.'`.
impl fmt::Display for Rename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => write!(f, "unchanged"),
            Self::Without(prefix) => write!(f, "without '{prefix}'"),
            Self::With(prefix) => write!(f, "with '{prefix}' in front"),
            Self::Unwrapped => write!(f, "without the names of wrappers"),
        }
    }
}

/// Prefixes made of [`PREFIXES`] that a key has.
fn wrapping(keys: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = vec![];
    let mut last = vec![String::new()];
    for _ in 0..MOST_PREFIXES {
        let longer = last.iter().flat_map(|p| PREFIXES.map(|next| format!("{p}{next}")));
        last = longer.filter(|p| keys.iter().any(|key| key.starts_with(p.as_str()))).collect();
        found.extend(last.iter().cloned());
    }
    found
}

/// Prefixes that end in a dot and that all names have.
fn shared(names: &[&str]) -> Vec<String> {
    let Some(first) = names.first() else { return vec![] };
    let ends = first.match_indices('.').map(|(at, _)| &first[..=at]);
    let all = |prefix: &&str| names.iter().all(|name| name.starts_with(*prefix));
    ends.take_while(all).map(str::to_owned).collect()
}

/// How a state dict fits a model.
#[derive(Debug, Clone, Default)]
pub struct Fit {
    /// What was done to the names.
    pub rename: Rename,
    /// Slots and the tensors for them, by their places.
    pub pairs: Vec<(usize, usize)>,
    /// Slots without a tensor.
    pub missing: Vec<String>,
    /// Slots whose tensor has another shape, with both.
    pub misshapen: Vec<String>,
    /// Tensors without a slot.
    pub unexpected: Vec<String>,
    /// Buffers that stay as the model has them, because state dicts leave such buffers out.
    pub kept: Vec<String>,
}

impl Fit {
    /// The best of all ways to name the tensors of a state dict.
    pub fn best(slots: &[Slot], dict: &StateDict) -> Self {
        let mut best = Self::default();
        for (i, rename) in Rename::all(slots, dict).into_iter().enumerate() {
            let Some(fit) = Self::of(slots, dict, rename) else { continue };
            if i == 0 || fit.rank() > best.rank() {
                best = fit;
            }
        }
        best
    }

    /// What makes a fit better: that it is whole, has more pairs, has less besides.
    fn rank(&self) -> (bool, usize, std::cmp::Reverse<usize>) {
        (self.is_whole(), self.pairs.len(), std::cmp::Reverse(self.unexpected.len()))
    }

    /// `None` where two tensors would have one name.
    fn of(slots: &[Slot], dict: &StateDict, rename: Rename) -> Option<Self> {
        let mut by_name = HashMap::new();
        for (i, (name, _)) in dict.tensors.iter().enumerate() {
            if by_name.insert(rename.apply(name), i).is_some() {
                return None;
            }
        }
        let others: HashMap<String, &str> =
            dict.others.iter().map(|(name, what)| (rename.apply(name), what.as_str())).collect();
        let mut fit = Self { rename, ..Self::default() };
        let mut absent = vec![];
        for (s, slot) in slots.iter().enumerate() {
            match by_name.get(&slot.name) {
                None => absent.push(slot),
                Some(&t) if dict.tensors[t].1.shape == slot.shape => fit.pairs.push((s, t)),
                Some(&t) => fit.misshapen.push(shapes(slot, &dict.tensors[t].1)),
            }
        }
        fit.sort_out(slots, &absent, &others);
        fit.unexpected = fit.not_in_model(slots, dict);
        Some(fit)
    }

    /// What of the absent is missed: not counters that evaluation does not use, other names of a tensor that
    /// is there, and buffers that are not saved.
    fn sort_out(&mut self, slots: &[Slot], absent: &[&Slot], others: &HashMap<String, &str>) {
        let set: HashSet<usize> = self.pairs.iter().map(|&(s, _)| slots[s].tensor).collect();
        for slot in absent.iter().filter(|slot| !set.contains(&slot.tensor)) {
            let last = slot.name.rsplit('.').next().unwrap_or_default();
            match (last, others.get(&slot.name)) {
                ("num_batches_tracked", _) => {}
                (_, Some(what)) => self.missing.push(format!("{}, there: {what}", slot.name)),
                ("running_mean" | "running_var", None) => self.missing.push(slot.name.clone()),
                // A constant that torch.export took out of the code.
                (last, None) if last.starts_with("lifted_tensor_") => {}
                (_, None) if slot.is_buffer => self.kept.push(slot.name.clone()),
                _ => self.missing.push(slot.name.clone()),
            }
        }
    }

    fn not_in_model(&self, slots: &[Slot], dict: &StateDict) -> Vec<String> {
        let names: HashSet<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
        let used: Vec<&Stored> = self.pairs.iter().map(|&(_, t)| &dict.tensors[t].1).collect();
        let counts = |name: &str| {
            name == "n_averaged"
                || name.ends_with("num_batches_tracked")
                || name.ends_with("_extra_state")
        };
        let mut found = vec![];
        for (name, tensor) in &dict.tensors {
            let renamed = self.rename.apply(name);
            let known = names.contains(renamed.as_str()) || counts(name);
            // A second name of a tensor that has a place.
            if !known && (tensor.extent == 0 || !used.contains(&tensor)) {
                found.push(name.clone());
            }
        }
        found
    }

    /// Whether nothing is missing, misshapen or left over.
    pub fn is_whole(&self) -> bool {
        let none = self.missing.is_empty() && self.misshapen.is_empty();
        none && self.unexpected.is_empty() && !self.pairs.is_empty()
    }

    /// What does not fit, in words.
    pub fn mismatch(&self) -> String {
        let parts = [
            (&self.missing, "missing", "missing"),
            (&self.misshapen, "of another shape", "of another shape"),
            (&self.unexpected, "not in the model", "not in the model"),
        ];
        let told =
            parts.iter().filter(|(names, ..)| !names.is_empty()).map(|(names, one, many)| {
                let (count, are) = match names.len() {
                    1 => ("1 is".to_owned(), one),
                    count => (format!("{count} are"), many),
                };
                format!("{count} {are} ({})", listed(names))
            });
        told.collect::<Vec<_>>().join(", ")
    }
}

/// The first names of a list.
pub fn listed(names: &[String]) -> String {
    let first = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join("; ");
    if names.len() > LISTED { format!("{first}; …") } else { first }
}

fn shapes(slot: &Slot, tensor: &Stored) -> String {
    let text = |shape: &[i64]| match shape {
        [] => "scalar".to_owned(),
        _ => shape.iter().map(i64::to_string).collect::<Vec<_>>().join("×"),
    };
    format!("{} is {}, in the model {}", slot.name, text(&tensor.shape), text(&slot.shape))
}

/// What is wanted of a checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Where the state dict is, `.` for the top; `None` to find it.
    pub key: Option<&'a str>,
    /// Whether what does not fit is left out.
    pub partial: bool,
    /// What the model is called in messages.
    pub model: &'a str,
}

impl Checkpoint {
    /// The state dict that fits a model, by its place among [`Checkpoint::dicts`], and how it fits.
    ///
    /// # Errors
    /// None fits wholly (in part, where that is allowed), several do, or none is at the key given.
    pub fn fit(&mut self, slots: &[Slot], wanted: Wanted<'_>) -> Result<(usize, Fit)> {
        if let Some(part) = wanted.key.and_then(|key| self.part(key)) {
            self.dicts.push(part);
        }
        let chosen = self.chosen(slots, wanted);
        chosen.map_err(|flaw| error(self.path(), flaw))
    }

    /// The tensors whose names begin with what of the key is left behind that of a state dict, without it;
    /// `None` where the key is that of a state dict, or of no tensor.
    fn part(&self, key: &str) -> Option<StateDict> {
        if self.dicts().iter().any(|dict| dict.shown_key() == key) {
            return None;
        }
        let of_dict = |dict: &StateDict| {
            let prefix = match dict.key.as_str() {
                "" => format!("{key}."),
                own => format!("{}.", key.strip_prefix(own)?.strip_prefix('.')?),
            };
            let tensors: Vec<_> = below(&dict.tensors, &prefix);
            let others = below(&dict.others, &prefix);
            (!tensors.is_empty()).then(|| StateDict { key: key.to_owned(), tensors, others })
        };
        self.dicts().iter().find_map(of_dict)
    }

    fn chosen(&self, slots: &[Slot], wanted: Wanted<'_>) -> Result<(usize, Fit), Flaw> {
        let dicts = self.dicts();
        let at_key = |dict: &StateDict| wanted.key.is_none_or(|key| key == dict.shown_key());
        let candidates = dicts.iter().enumerate().filter(|(_, dict)| at_key(dict));
        let mut fits: Vec<(usize, Fit)> =
            candidates.map(|(i, dict)| (i, Fit::best(slots, dict))).collect();
        let best =
            fits.iter().map(|(_, fit)| fit.rank()).max().ok_or_else(|| self.no_such(wanted))?;
        let (others, mut alike): (Vec<_>, Vec<_>) =
            fits.drain(..).partition(|(_, fit)| (fit.rank().0, fit.rank().1) != (best.0, best.1));
        let names: BTreeSet<&str> = others.iter().map(|(i, _)| dicts[*i].shown_key()).collect();
        let (place, fit) = alike.swap_remove(0);
        match fit.is_whole() || wanted.partial && !fit.pairs.is_empty() {
            true => match alike.iter().any(|(i, _)| dicts[*i].tensors != dicts[place].tensors) {
                false => Ok((place, fit)),
                true => {
                    let rest = alike.iter().map(|(i, _)| dicts[*i].shown_key());
                    Err(ambiguous(
                        &std::iter::once(dicts[place].shown_key()).chain(rest).collect::<Vec<_>>(),
                    ))
                }
            },
            false => {
                let mut flaw = unfit(&fit, dicts[place].shown_key(), names, wanted);
                if self.is_of_hugging_face() {
                    flaw.remedy += "; transformers may save weights under other names than the module has: \
                                    then save model.state_dict() yourself";
                }
                Err(flaw)
            }
        }
    }

    /// Whether it lies beside a configuration, as transformers saves it.
    fn is_of_hugging_face(&self) -> bool {
        let folder = self.files().first().and_then(|file| file.parent());
        folder.is_some_and(|folder| folder.join("config.json").is_file())
    }

    fn no_such(&self, wanted: Wanted<'_>) -> Flaw {
        let keys: Vec<String> = self.dicts().iter().map(|d| d.shown_key().to_owned()).collect();
        let problem = format!("it has no tensors at '{}'", wanted.key.unwrap_or("."));
        Flaw::new(problem, format!("give --weights-key one of: {}", listed(&keys)))
    }
}

/// What has a name with a prefix, by the rest of its name.
fn below<T: Clone>(named: &[(String, T)], prefix: &str) -> Vec<(String, T)> {
    let inner =
        |(name, what): &(String, T)| Some((name.strip_prefix(prefix)?.to_owned(), what.clone()));
    named.iter().filter_map(inner).collect()
}

fn ambiguous(keys: &[&str]) -> Flaw {
    let named: Vec<String> = keys.iter().take(LISTED).map(|key| format!("'{key}'")).collect();
    Flaw::new(
        format!("its state dicts {} fit alike", named.join(", ")),
        format!("say which with --weights-key {}", keys[0]),
    )
}

fn unfit(fit: &Fit, key: &str, others: BTreeSet<&str>, wanted: Wanted<'_>) -> Flaw {
    let at = if key == "." { String::new() } else { format!("'{key}' of ") };
    let problem = match (fit.pairs.is_empty(), wanted.partial) {
        (true, true) => format!("no tensor {at}it fits {}: {}", wanted.model, fit.mismatch()),
        _ => format!("{at}it does not fit {}: {}", wanted.model, fit.mismatch()),
    };
    let mut remedy = "give weights of this very architecture".to_owned();
    if !wanted.partial && !fit.pairs.is_empty() {
        remedy += ", or --partial-weights to set the others alone";
    }
    let few: Vec<String> = others.into_iter().take(LISTED + 1).map(str::to_owned).collect();
    if !few.is_empty() {
        remedy += &format!(", or another --weights-key ({})", listed(&few));
    }
    Flaw::new(problem, remedy)
}

#[cfg(test)]
mod tests {
    use super::super::dtype::Dtype;
    use super::super::source::Place;
    use super::*;

    fn slots(names: &[&str]) -> Vec<Slot> {
        let slot = |(tensor, name): (usize, &&str)| Slot {
            name: (*name).to_owned(),
            shape: vec![2],
            is_buffer: name.contains("running")
                || name.contains("tracked")
                || name.contains("mask"),
            tensor,
        };
        names.iter().enumerate().map(slot).collect()
    }

    fn dict(names: &[&str]) -> StateDict {
        let stored = |start| Stored {
            dtype: Dtype::F32,
            shape: vec![2],
            strides: vec![1],
            extent: 2,
            place: Place { source: 0, record: 0, start },
        };
        let tensors = names.iter().enumerate();
        let tensors = tensors.map(|(i, name)| ((*name).to_owned(), stored(8 * i as u64))).collect();
        StateDict { tensors, ..StateDict::default() }
    }

    #[test]
    fn prefixes_go_where_that_makes_all_fit() {
        let cases: [(&[&str], &[&str], Rename); 7] = [
            (&["a.w", "b.w"], &["a.w", "b.w"], Rename::Same),
            (&["a.w", "b.w"], &["module.a.w", "module.b.w"], Rename::Without("module.".into())),
            (
                &["a.w", "b.w"],
                &["_orig_mod.module.a.w", "_orig_mod.module.b.w"],
                Rename::Without("_orig_mod.module.".into()),
            ),
            (&["a.w", "b.w"], &["net.a.w", "net.b.w"], Rename::Without("net.".into())),
            (&["net.a.w", "net.b.w"], &["a.w", "b.w"], Rename::With("net.".into())),
            (&["a.0.w", "b.w"], &["a.module.0.w", "b.w"], Rename::Unwrapped),
            (&["model.a.w", "model.b.w"], &["model.a.w", "model.b.w"], Rename::Same),
        ];
        for (model, file, rename) in cases {
            let fit = Fit::best(&slots(model), &dict(file));
            assert!(fit.is_whole(), "{file:?}: {}", fit.mismatch());
            assert_eq!((fit.rename, fit.pairs.len()), (rename, 2));
        }
    }

    #[test]
    fn names_that_fall_together_are_not_stripped() {
        let fit = Fit::best(&slots(&["a.w"]), &dict(&["a.w", "module.a.w"]));
        assert!(!fit.is_whole());
        assert_eq!((fit.rename, fit.unexpected), (Rename::Same, vec!["module.a.w".to_owned()]));
    }

    #[test]
    fn what_state_dicts_leave_out_is_not_missed() {
        let model = slots(&["w", "running_mean", "num_batches_tracked", "mask"]);
        let fit = Fit::best(&model, &dict(&["w", "running_mean", "x.num_batches_tracked"]));
        assert!(fit.is_whole(), "{}", fit.mismatch());
        assert_eq!(fit.kept, ["mask"]);
        let fit = Fit::best(&model, &dict(&["w"]));
        assert_eq!(fit.missing, ["running_mean"]);
    }

    #[test]
    fn two_names_of_one_tensor_need_one() {
        let mut model = slots(&["a", "b"]);
        model[1].tensor = 0;
        let fit = Fit::best(&model, &dict(&["a"]));
        assert!(fit.is_whole() && fit.pairs == [(0, 0)]);
        let mut twice = dict(&["a", "b"]);
        twice.tensors[1].1 = twice.tensors[0].1.clone();
        let fit = Fit::best(&slots(&["a"]), &twice);
        assert!(fit.is_whole(), "{}", fit.mismatch());
    }
}
