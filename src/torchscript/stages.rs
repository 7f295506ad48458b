//! The parts of a network whose parameters are re-initialised one after the other.

/// Parameters that are re-initialised together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The module, or `own parameters` for those that no module of the network holds
    /// (`module: own parameters` below a wrapper).
    pub name: String,
    /// Names of its parameters.
    pub parameters: Vec<String>,
}

/// The stages of a network, in the order in which they run; `ran` holds the paths of the modules in that
/// order. They are the children of the deepest module that alone holds all parameters, so that a wrapper
/// is looked into. Parameters which that module holds itself come first.
pub fn stages(parameters: &[String], ran: &[&str]) -> Vec<Stage> {
    let stem = stem(parameters);
    let mut own = vec![];
    let mut stages: Vec<Stage> = vec![];
    for name in parameters {
        let below = &name[stem.len()..];
        let Some((child, _)) = below.split_once('.') else {
            own.push(name.clone());
            continue;
        };
        let path = format!("{stem}{child}");
        match stages.iter_mut().find(|stage| stage.name == path) {
            Some(stage) => stage.parameters.push(name.clone()),
            None => stages.push(Stage { name: path, parameters: vec![name.clone()] }),
        }
    }
    let place = |name: &str| ran.iter().position(|path| is_within(path, name));
    stages.sort_by_key(|stage| place(&stage.name).unwrap_or(ran.len()));
    if !own.is_empty() {
        let wrapper = stem.trim_end_matches('.');
        let of = if wrapper.is_empty() { String::new() } else { format!("{wrapper}: ") };
        stages.insert(0, Stage { name: format!("{of}own parameters"), parameters: own });
    }
    stages
}

/// The path, with its last dot, of the deepest module that holds all parameters and has several parts;
/// empty for the root.
fn stem(parameters: &[String]) -> String {
    let mut stem = String::new();
    let Some(first) = parameters.first() else { return stem };
    while let Some((child, _)) = first[stem.len()..].split_once('.') {
        let deeper = format!("{stem}{child}.");
        let inner: Option<Vec<&str>> =
            parameters.iter().map(|name| name.strip_prefix(&deeper)).collect();
        if !inner.is_some_and(|inner| inner.iter().any(|name| name.contains('.'))) {
            break;
        }
        stem = deeper;
    }
    stem
}

fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parameters: &[&str], ran: &[&str]) -> Vec<String> {
        let parameters: Vec<String> = parameters.iter().map(|&p| p.to_owned()).collect();
        stages(&parameters, ran).into_iter().map(|stage| stage.name).collect()
    }

    #[test]
    fn modules_stand_in_the_order_in_which_they_run() {
        let parameters = ["fc.weight", "fc.bias", "conv.weight", "spare.weight"];
        assert_eq!(names(&parameters, &["conv", "conv.0", "fc"]), ["conv", "fc", "spare"]);
    }

    #[test]
    fn wrappers_are_looked_into() {
        let parameters = ["module.net.fc.weight", "module.net.conv.weight"];
        let ran = ["module.net.conv", "module.net.fc", "module.net", "module"];
        assert_eq!(names(&parameters, &ran), ["module.net.conv", "module.net.fc"]);
        assert_eq!(names(&["fc.weight", "fc.bias"], &["fc"]), ["fc"]);
        assert_eq!(names(&["a.fc.weight", "a.fc.bias"], &["a.fc"]), ["a.fc"]);
    }

    #[test]
    fn parameters_of_no_module_are_a_stage_of_their_own() {
        assert_eq!(names(&["w", "fc.weight"], &["fc"]), ["own parameters", "fc"]);
        let wrapped = ["m.w", "m.fc.weight"];
        assert_eq!(names(&wrapped, &["m.fc"]), ["m: own parameters", "m.fc"]);
        assert!(names(&[], &[]).is_empty());
    }
}
