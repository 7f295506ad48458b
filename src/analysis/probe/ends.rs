//! Strengths of regularisation that were chosen at the end of what there was to choose from.

use crate::probe::{Grids, Kind};
use crate::report::Warning;
use crate::report::probe::{ProbeModel, ProbeScore};
use crate::view::names::{few, listed};

/// Warns of layers of which the strength lies at an end of its grid in most fits: a better one may lie beyond.
pub fn of_strengths(models: &[ProbeModel], grids: &Grids) -> Vec<Warning> {
    let of = [(Kind::Ridge, "--alpha", &grids.alphas), (Kind::Logistic, "--cost", &grids.costs)];
    let ends = |grid: &[f64]| match grid {
        [low, .., high] => vec![(*low, "smallest"), (*high, "largest")],
        _ => vec![],
    };
    let all = of.into_iter().flat_map(|(kind, option, grid)| {
        ends(grid).into_iter().filter_map(move |end| at_end(models, (kind, option), end))
    });
    all.collect()
}

fn at_end(
    models: &[ProbeModel],
    (kind, option): (Kind, &str),
    (strength, which): (f64, &str),
) -> Option<Warning> {
    let name = kind.to_string();
    let most = |probe: &ProbeScore| {
        let there = probe.chosen.iter().filter(|chosen| **chosen == strength).count();
        probe.probe == name && 2 * there > probe.chosen.len()
    };
    let several = models.len() > 1;
    let layers =
        models.iter().flat_map(|model| model.layers.iter().map(move |layer| (model, layer)));
    let places: Vec<String> = layers
        .filter(|(_, layer)| layer.probes.iter().any(most))
        .map(|(model, layer)| match several {
            true => format!("{} of {}", layer.name, model.name),
            false => layer.name.clone(),
        })
        .collect();
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let text = format!(
        "{name} chose the {which} of its strengths, {strength}, for {}: a better one may lie beyond; give a wider list with \
         {option}",
        few("layer", &places)
    );
    (!places.is_empty()).then(|| Warning::new("strength-at-end", listed(&places), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::probe::ProbeLayer;

    fn model(chosen: &[f64]) -> ProbeModel {
        let probe = ProbeScore {
            probe: "ridge".to_owned(),
            chosen: chosen.to_vec(),
            ..ProbeScore::default()
        };
        let layer =
            ProbeLayer { name: "layer1".to_owned(), width: 3, probes: vec![probe], cka: None };
        ProbeModel {
            name: "a.pt".to_owned(),
            accuracy: None.into(),
            control: None,
            without_control: None,
            layers: vec![layer],
        }
    }

    #[test]
    fn most_folds_decide() {
        let grids = |alphas: &[f64]| Grids { alphas: alphas.to_vec(), costs: vec![1.0, 2.0] };
        let of = |chosen: &[f64], alphas: &[f64]| of_strengths(&[model(chosen)], &grids(alphas));
        let found = of(&[10.0, 10.0, 1.0], &[0.1, 1.0, 10.0]);
        let text = &found[0].text;
        assert!(text.contains("largest of its strengths, 10, for layer layer1"), "{text}");
        assert!(text.contains("--alpha"), "{text}");
        assert!(of(&[10.0, 1.0, 1.0], &[0.1, 1.0, 10.0]).is_empty());
        assert!(of(&[1.0], &[1.0]).is_empty());
        assert!(of(&[1.0], &[1.0, 2.0])[0].text.contains("smallest"));
    }
}
