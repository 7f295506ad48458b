//! The section of probes, their tables and their picture.

mod page;
mod pictures;

use super::table::{self, Cell};
use super::{Content, PictureFormat, Place, Plot, Screen, Tables, View, subjects};
use crate::render::RenderError;
use crate::report::Number;
use crate::report::probe::{ProbeLayer, ProbeModel, ProbeReport, ProbeResults, ProbeScore, Task};
use crate::view::names::counted;

impl View for ProbeReport {
    /// The scores over depth, every value, the best layer class by class, and structure beside what is read out.
    fn content(&self, place: Place<'_>) -> Content {
        Content {
            kind: "Probes",
            title: subjects(self),
            lead: lead(self),
            body: page::body(self, place),
        }
    }

    fn main_picture(&self, format: PictureFormat) -> Option<Result<Vec<u8>, RenderError>> {
        Some(self.plot(format))
    }
}

impl Tables for ProbeReport {
    /// Every probe on every layer; then the best layers class by class, or target by target, and where structure and
    /// what is read out disagree.
    fn tables(&self) -> Vec<table::Table> {
        let against = self.results.against.as_ref().filter(|found| !found.disagreements.is_empty());
        let against = against.map(|_| disagreements(self));
        [scores(self), parts(self)].into_iter().chain(against).collect()
    }

    fn text(&self, screen: &Screen) -> String {
        let against =
            self.results.against.as_ref().map(|found| match found.disagreements.is_empty() {
                true => format!("\n{}\n", together(found)),
                false => format!("\n{}\n{}", together(found), screen.table(&disagreements(self))),
            });
        format!("{}\n{}{}", lead(self), screen.table(&scores(self)), against.unwrap_or_default())
    }
}

/// What was found, in a few sentences.
fn lead(report: &ProbeReport) -> String {
    let (results, settings) = (&report.results, &report.settings);
    let what = match (results.task, &results.targets) {
        (Task::Classes, _) => counted(results.classes.len(), "class").replace("classs", "classes"),
        (Task::Numbers, Some(told)) => counted(told.names.len(), "target"),
        (Task::Numbers, None) => "targets".to_owned(),
    };
    let how = match (settings.folds, settings.fit_fraction) {
        (Some(folds), _) => format!("{} samples in {folds} folds", results.n_measured),
        (None, share) => format!(
            "{} samples, fitted on {} others ({} %)",
            results.n_measured,
            results.n_fit,
            100.0 * share.unwrap_or_default()
        ),
    };
    let chance = match results.task {
        Task::Classes => format!("the most frequent class has {:.1} %", 100.0 * results.chance),
        Task::Numbers => "the mean of each target has an R² of 0".to_owned(),
    };
    let best = best(results).map_or(String::new(), |(model, layer, probe)| {
        let of =
            if results.models.len() > 1 { format!(" of {}", model.name) } else { String::new() };
        format!(" Best: {} by {}{of}, {}.", layer.name, probe.probe, shown(results, probe.score))
    });
    format!("{what} read out of {how}; {chance}.{best}")
}

/// A score as people read it.
fn shown(results: &ProbeResults, score: Number) -> String {
    let score = score.get();
    match results.task {
        Task::Classes => score.map_or("-".to_owned(), |s| format!("{:.1} %", 100.0 * s)),
        Task::Numbers => score.map_or("-".to_owned(), |s| format!("{s:.3}")),
    }
}

/// The layer and probe with the largest score, the first of equals.
fn best(results: &ProbeResults) -> Option<(&ProbeModel, &ProbeLayer, &ProbeScore)> {
    let all = results.models.iter().flat_map(|model| {
        let layers = model.layers.iter();
        layers.flat_map(move |layer| layer.probes.iter().map(move |probe| (model, layer, probe)))
    });
    let mut found: Option<(&ProbeModel, &ProbeLayer, &ProbeScore)> = None;
    for one in all.filter(|one| one.2.score.get().is_some()) {
        if found.is_none_or(|best| one.2.score.get() > best.2.score.get()) {
            found = Some(one);
        }
    }
    found
}

/// The best layer of each probe of a model.
fn best_of<'a>(model: &'a ProbeModel, probe: usize) -> Option<(&'a ProbeLayer, &'a ProbeScore)> {
    let all = model.layers.iter().filter_map(|layer| Some((layer, layer.probes.get(probe)?)));
    let mut found: Option<(&'a ProbeLayer, &'a ProbeScore)> = None;
    for one in all.filter(|one| one.1.score.get().is_some()) {
        if found.is_none_or(|best| one.1.score.get() > best.1.score.get()) {
            found = Some(one);
        }
    }
    found
}

fn score(results: &ProbeResults, value: Number) -> Cell {
    match results.task {
        Task::Classes => Cell::share(value.get(), 1),
        Task::Numbers => Cell::number(value.get(), 3),
    }
}

/// The strengths that were chosen, each once.
fn chosen(probe: &ProbeScore) -> String {
    let mut all = probe.chosen.clone();
    all.sort_unstable_by(f64::total_cmp);
    all.dedup();
    all.iter().map(|value| format!("{value}")).collect::<Vec<_>>().join(" ")
}

/// Every probe on every layer.
fn scores(report: &ProbeReport) -> table::Table {
    let results = &report.results;
    let several = results.models.len() > 1;
    let name = results.score_name();
    let classes = results.task == Task::Classes;
    let mut header = if several { vec!["model"] } else { vec![] };
    header.extend(["layer", "D", "probe", name]);
    header.extend(classes.then_some("95 %"));
    let times = report.settings.shuffles > 1;
    header.push("shuffled");
    header.extend(times.then_some("sd"));
    header.extend(["selectivity", "control"]);
    header.extend(several.then_some("CKA"));
    header.push("strength");
    let mut table = table::new(&header);
    let of_models = results
        .models
        .iter()
        .flat_map(|model| model.layers.iter().map(move |layer| (model.name.as_str(), layer)));
    for (model, layer) in of_models.chain(results.pixels.iter().map(|layer| ("", layer))) {
        for probe in &layer.probes {
            let mut row: Vec<Cell> = if several { vec![model.into()] } else { vec![] };
            row.extend([layer.name.clone().into(), layer.width.into(), probe.probe.clone().into()]);
            row.push(score(results, probe.score));
            let ends = |(low, high)| format!("{:.1}…{:.1}", 100.0 * low, 100.0 * high);
            row.extend(classes.then(|| Cell::interval(probe.interval, ends)));
            row.push(score(results, probe.shuffled));
            row.extend(times.then(|| score(results, probe.shuffled_sd)));
            row.extend([probe.selectivity, probe.control].map(|v| score(results, v)));
            row.extend(several.then(|| Cell::number(layer.cka.and_then(Number::get), 3)));
            let strength = chosen(probe);
            row.push(if strength.is_empty() { "-".into() } else { strength.into() });
            table.add_row(row);
        }
    }
    let first = if several { 2 } else { 1 };
    let numbers = (first..header.len() - 1).filter(|i| header[*i] != "probe");
    table.align_right(&numbers.collect::<Vec<_>>());
    let important = ["model", "layer", name, "control", "selectivity", "probe"];
    let place = |title: &&str| header.iter().position(|known| known == title);
    table.keep_first(&important.iter().filter_map(place).collect::<Vec<_>>());
    table
}

/// Class by class, or target by target, at the best layer of each probe of each model.
fn parts(report: &ProbeReport) -> table::Table {
    let results = &report.results;
    let (what, value) = match results.task {
        Task::Classes => ("class", "accuracy"),
        Task::Numbers => ("target", "R²"),
    };
    let mut table =
        table::new(&["model", "probe", "best layer", what, value, "taken most often for"]);
    for model in &results.models {
        let count = model.layers.first().map_or(0, |layer| layer.probes.len());
        for (layer, probe) in (0..count).filter_map(|i| best_of(model, i)) {
            for (i, name) in names(results).iter().enumerate() {
                let found = probe.per_class.get(i).or(probe.r2.get(i)).copied().unwrap_or_default();
                let other = confused(results, probe, i).unwrap_or_else(|| "-".to_owned());
                table.add_row([
                    Cell::from(model.name.clone()),
                    probe.probe.clone().into(),
                    layer.name.clone().into(),
                    name.clone().into(),
                    score(results, found),
                    other.into(),
                ]);
            }
        }
    }
    table.align_right(&[4]);
    table
}

/// The other class that samples of a class are taken for most often, and how often.
fn confused(results: &ProbeResults, probe: &ProbeScore, class: usize) -> Option<String> {
    let row = probe.confusion.get(class)?;
    let others = row.iter().enumerate().filter(|(other, count)| *other != class && **count > 0);
    let (other, count) = others.max_by_key(|(other, count)| (**count, usize::MAX - other))?;
    Some(format!("{} ({count})", results.classes.get(other)?.name))
}

/// Names of the classes, or of the targets.
fn names(results: &ProbeResults) -> Vec<String> {
    match &results.targets {
        Some(told) => told.names.clone(),
        None => results.classes.iter().map(|class| class.name.clone()).collect(),
    }
}

/// How structure and what is read out go together, in a sentence.
fn together(found: &crate::report::probe::ProbeAgainst) -> String {
    let rank = found.spearman.get().map_or("not defined".to_owned(), |r| format!("{r:.2}"));
    format!(
        "rank correlation of CKA with {} with how near the scores of {} are: {rank} over {}",
        found.reference,
        found.probe,
        counted(found.layers, "layer")
    )
}

/// Layers of which structure and what is read out say different things.
fn disagreements(report: &ProbeReport) -> table::Table {
    let results = &report.results;
    let mut table =
        table::new(&["model", "layer", "CKA", "rank", "difference", "rank of the nearest"]);
    for one in results.against.iter().flat_map(|found| &found.disagreements) {
        let difference = match results.task {
            Task::Classes => Cell::of(Some(one.difference), |v| format!("{:+.1}", 100.0 * v)),
            Task::Numbers => Cell::of(Some(one.difference), |v| format!("{v:+.3}")),
        };
        table.add_row([
            Cell::from(one.model.clone()),
            one.layer.clone().into(),
            Cell::number(Some(one.cka), 3),
            one.rank_cka.to_string().into(),
            difference,
            one.rank_difference.to_string().into(),
        ]);
    }
    table.align_right(&[2, 3, 4, 5]);
    table
}
