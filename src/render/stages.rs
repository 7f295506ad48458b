//! Stages of a network: layers side by side whose names begin alike, `layer1.0.conv1`, `layer1.0.bn1`, ….

/// Parts of a name that a stage has in common, at most.
const DEPTH: usize = 5;

/// The share of all layers that one stage holds at most: with more it says little.
const MOST: f64 = 0.75;

/// Layers side by side, by their places: from the first to the one before `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What their names have in common: `layer1`, `layers.0`.
    pub name: String,
    /// The place of the first.
    pub start: usize,
    /// The place behind the last.
    pub end: usize,
}

/// The stages of layers in their order, two at least, of two layers or more each; none where the names show none.
///
/// Names are split at their dots. As many first parts count as it takes for no stage to hold most of the layers.
///
/// ```
/// # use repsim::render::stages::stages;
/// let layers = ["conv1", "layer1.0", "layer1.1", "layer2.0", "layer2.1", "fc"].map(str::to_owned);
/// let found: Vec<_> = stages(&layers).into_iter().map(|s| (s.name, s.start, s.end)).collect();
/// assert_eq!(found, [("layer1".to_owned(), 1, 3), ("layer2".to_owned(), 3, 5)]);
/// ```
pub fn stages(names: &[String]) -> Vec<Stage> {
    let fits = |found: &Vec<Stage>| {
        let largest = found.iter().map(|stage| stage.end - stage.start).max().unwrap_or(0);
        found.len() > 1 && largest as f64 <= MOST * names.len() as f64
    };
    (1..=DEPTH).map(|depth| by_parts(names, depth)).find(fits).unwrap_or_default()
}

/// Where stages begin or end within `count` layers, each place once.
pub fn borders(stages: &[Stage], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = stages.iter().flat_map(|stage| [stage.start, stage.end]).collect();
    places.dedup();
    places.retain(|place| (1..count).contains(place));
    places
}

/// Runs of names with the same first parts.
fn by_parts(names: &[String], depth: usize) -> Vec<Stage> {
    let mut end = 0;
    let runs = names.chunk_by(|a, b| first_parts(a, depth) == first_parts(b, depth));
    let stage = |run: &[String]| {
        end += run.len();
        let name = label(first_parts(&run[0], depth));
        (run.len() > 1).then_some(Stage { name, start: end - run.len(), end })
    };
    runs.filter_map(stage).collect()
}

fn first_parts(name: &str, depth: usize) -> &str {
    let dots = name.match_indices('.').map(|(place, _)| place);
    dots.take(depth)
        .last()
        .filter(|_| name.matches('.').count() >= depth)
        .map_or(name, |place| &name[..place])
}

/// The last part, with the one before where it is a number: `layers.0`.
fn label(parts: &str) -> String {
    let last = parts.rfind('.').map_or(0, |dot| dot + 1);
    let start = match parts[last..].parse::<usize>() {
        Ok(_) if last > 0 => parts[..last - 1].rfind('.').map_or(0, |dot| dot + 1),
        _ => last,
    };
    parts[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<(String, usize, usize)> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        stages(&names).into_iter().map(|stage| (stage.name, stage.start, stage.end)).collect()
    }

    #[test]
    fn a_stage_holds_its_layers_and_its_module() {
        let names = [
            "conv1",
            "bn1",
            "layer1.0.conv1",
            "layer1.0",
            "layer1",
            "layer2.0.conv1",
            "layer2",
            "fc",
        ];
        assert_eq!(found(&names), [("layer1".to_owned(), 2, 5), ("layer2".to_owned(), 5, 7)]);
    }

    #[test]
    fn what_all_names_share_is_no_stage() {
        let names = [
            "encoder.layers.0.mlp",
            "encoder.layers.0.out",
            "encoder.layers.1.mlp",
            "encoder.layers.1.out",
        ];
        assert_eq!(found(&names), [("layers.0".to_owned(), 0, 2), ("layers.1".to_owned(), 2, 4)]);
    }

    #[test]
    fn single_layers_and_files_have_no_stages() {
        assert_eq!(found(&["layer1", "layer2", "layer3", "layer4"]), []);
        assert_eq!(found(&["epoch.1.pt", "epoch.2.pt", "a.pt"]), []);
        assert_eq!(found(&["layer1.0", "layer1.1", "layer1.2"]), []);
        assert_eq!(found(&[]), []);
    }

    #[test]
    fn borders_lie_within() {
        let stage = |start, end| Stage { name: String::new(), start, end };
        assert_eq!(borders(&[stage(0, 2), stage(2, 4), stage(5, 7)], 7), [2, 4, 5]);
        assert_eq!(borders(&[], 3), [0; 0]);
    }
}
