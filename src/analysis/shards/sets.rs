//! Sets of images in shards: what `fid`, `stats` and `distance` share.

use std::path::Path;

use serde::Serialize;

use super::{Body, Facts, Head, Job, State, in_steps, joined, ordered, undivided};
use crate::analysis::Running;
use crate::analysis::sets::{Divided, SetSums, Sets};
use crate::capture::part::Piece;
use crate::data::ArrayLayout;
use crate::error::{Error, Result};

/// A set that a run looks at.
pub struct Asked<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// The axes of its arrays of pictures, where they are others than those of the other sets.
    pub layout: Option<ArrayLayout>,
    /// Whether what the model says of its samples is kept.
    pub logits: bool,
}

/// The sets among those asked for that are divided, and what makes shards ones of the same run.
struct Opened<'a> {
    sets: Vec<(&'a Asked<'a>, Divided)>,
    facts: Facts,
}

impl<'a> Opened<'a> {
    fn new<S: Serialize>(
        sets: &mut Sets<'_>,
        asked: &'a [Asked<'a>],
        running: &Running,
        settings: &dyn Fn(&Sets<'_>) -> S,
    ) -> Result<Self> {
        if running.keep_state {
            return Err(undivided("a model that keeps its state runs over all samples in turn"));
        }
        let mut divided = vec![];
        for one in asked {
            let found = sets.with_layout(one.path, one.layout, |sets| sets.divided_at(one.path))?;
            divided.extend(found.map(|set| (one, set)));
        }
        if divided.is_empty() {
            return Err(undivided("all sets are arrays of features or statistics"));
        }
        let mut facts = Facts::of(&settings(sets), running)?;
        facts.add("--memory", sets.memory());
        for (_, set) in &divided {
            sets.describe(set, &mut facts)?;
            facts.add(format!("blocks of {}", set.shown()), sets.blocks(set)?);
        }
        if let Some(ready) = sets.features.ready() {
            facts.add_model(&ready.record);
        }
        Ok(Self { sets: divided, facts })
    }

    /// Makes sure that what states hold is of these sets.
    fn check(&self, sets: &mut Sets<'_>, states: &[State]) -> Result<()> {
        let mut asked = vec![];
        for (_, set) in &self.sets {
            asked.push((set.dataset(), sets.width(set)?));
        }
        states.iter().try_for_each(|state| state.check_sets(&asked))
    }
}

/// Gathers what a shard has of sets.
///
/// # Errors
/// The run cannot be divided, a set cannot be read, or the model does not run on it.
pub fn over_sets<S: Serialize>(
    (kind, running): (&str, &Running),
    sets: &mut Sets<'_>,
    asked: &[Asked<'_>],
    settings: &dyn Fn(&Sets<'_>) -> S,
    mut job: Job<'_>,
) -> Result<State> {
    let opened = Opened::new(sets, asked, running, settings)?;
    let head = Head::new(kind, job.shard, opened.facts.clone());
    let empty = Body::Sets(opened.sets.iter().map(|_| None).collect());
    let mut state = job.begun(head, empty)?;
    opened.check(sets, std::slice::from_ref(&state))?;
    if state.head.done {
        return Ok(state);
    }
    state.head.device = sets.device().unwrap_or_default();
    for (place, (one, set)) in opened.sets.iter().enumerate() {
        let target = job.shard.of(sets.blocks(set)?);
        let before = state.take_set(place);
        let run = &mut |blocks| sets.part(set, blocks, one.logits);
        let keep = &mut |piece| {
            state.put_set(place, Some(piece));
            (job.save)(&state)?;
            state.take_set(place).ok_or_else(|| undivided("what was kept is gone"))
        };
        let piece = in_steps(target, before, job.every, run, keep)?;
        state.put_set(place, piece);
    }
    state.head.done = true;
    Ok(state)
}

impl State {
    fn set(&mut self, place: usize) -> Option<&mut Option<Piece<SetSums>>> {
        match &mut self.body {
            Body::Sets(sets) => sets.get_mut(place),
            Body::Hsic(_) | Body::Features(_) => None,
        }
    }

    /// Takes out what was gathered of a set.
    fn take_set(&mut self, place: usize) -> Option<Piece<SetSums>> {
        self.set(place)?.take()
    }

    fn put_set(&mut self, place: usize, piece: Option<Piece<SetSums>>) {
        if let Some(set) = self.set(place) {
            *set = piece;
        }
    }
}

/// What all shards gathered of each set of images, after it was made sure that they are those of this run; and the
/// devices that they ran on.
///
/// # Errors
/// They are of another run, or not all.
pub fn merged_sets<S: Serialize>(
    (kind, running): (&str, &Running),
    sets: &mut Sets<'_>,
    asked: &[Asked<'_>],
    settings: &dyn Fn(&Sets<'_>) -> S,
    states: Vec<State>,
) -> Result<(Vec<Piece<SetSums>>, String)> {
    let opened = Opened::new(sets, asked, running, settings)?;
    let states = ordered(states)?;
    let device = check_run(&states, kind, opened.facts.clone())?;
    opened.check(sets, &states)?;
    let mut pieces: Vec<Vec<Piece<SetSums>>> = opened.sets.iter().map(|_| vec![]).collect();
    for state in states {
        let Body::Sets(found) = state.body else { continue };
        for (own, piece) in pieces.iter_mut().zip(found) {
            own.extend(piece);
        }
    }
    let mut whole = vec![];
    for (pieces, (_, set)) in pieces.into_iter().zip(&opened.sets) {
        if !pieces.windows(2).all(|two| two[0].sums.is_like(&two[1].sums)) {
            let problem = format!("shards gathered different things of {}", set.shown());
            return Err(Error::usage(problem, "run the shards again"));
        }
        whole.extend(joined(pieces.into_iter(), sets.blocks(set)?)?);
    }
    Ok((whole, device))
}

/// Makes sure that states are of a run; gives the devices that they ran on.
///
/// # Errors
/// In what the first that is not differs.
pub(in crate::analysis) fn check_run(states: &[State], kind: &str, run: Facts) -> Result<String> {
    let mut devices: Vec<&str> = vec![];
    for state in states {
        let own = Head::new(kind, state.head.shard, run.clone());
        if let Some(apart) = state.head.apart(&own) {
            let problem = format!("it is of another run than what is there now: {apart}");
            return Err(state.foreign(problem));
        }
        if !devices.contains(&state.head.device.as_str()) && !state.head.device.is_empty() {
            devices.push(&state.head.device);
        }
    }
    Ok(devices.join(", "))
}
