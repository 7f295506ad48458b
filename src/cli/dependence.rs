//! What is said of values that depend on random numbers or on the batch.

use super::names::{counted, few, listed};
use crate::report::Warning;
use crate::torchscript::{Cause, Dependence, Layer, Model};

/// One way to depend on something beside the sample.
struct Way {
    code: &'static str,
    holds: fn(Dependence) -> bool,
    /// What the model does.
    does: &'static str,
    /// What values depend on, and what to do.
    on: &'static str,
}

const WAYS: [Way; 2] = [
    Way {
        code: "depends-on-draw",
        holds: |dependence| dependence.draw,
        does: "draws random numbers in evaluation mode",
        on: "on the draw (another one: --draw-seed N; none: call model.eval() before exporting)",
    },
    Way {
        code: "depends-on-batch",
        holds: |dependence| dependence.batch,
        does: "uses statistics of the batch in evaluation mode",
        on: "on which samples share a batch (--batch-size changes them; model.eval() before exporting and \
             running statistics avoid that)",
    },
];

/// Warns where the values of layers, or what the model returns, depend on more than the sample.
pub fn warnings(model: &Model, layers: &[Layer]) -> Vec<Warning> {
    let said = |way: &Way| {
        let (causes, output) = (model.causes(), (way.holds)(model.output_dependence()));
        let text = way.text(causes, layers, output)?;
        let path = model.path().display().to_string();
        Some(Warning::new(way.code, &path, format!("{path} {text}")))
    };
    WAYS.iter().filter_map(said).collect()
}

impl Way {
    fn text(&self, causes: &[Cause], layers: &[Layer], output: bool) -> Option<String> {
        let causes: Vec<String> =
            causes.iter().filter(|cause| (self.holds)(cause.dependence)).map(place).collect();
        let layers = layers.iter().filter(|layer| (self.holds)(layer.dependence));
        let layers: Vec<&str> = layers.map(|layer| layer.name.as_str()).collect();
        if layers.is_empty() && causes.is_empty() && !output {
            return None;
        }
        let causes: Vec<&str> = causes.iter().map(String::as_str).collect();
        let causes = match causes.is_empty() {
            true => "seen in a trial run".to_owned(),
            false => listed(&causes),
        };
        let what = match (layers.is_empty(), output) {
            (false, _) => format!("the values of {} depend", few("layer", &layers)),
            (true, true) => "its output depends".to_owned(),
            (true, false) => "layers that are not looked at depend".to_owned(),
        };
        Some(format!("{} ({causes}): {what} {}", self.does, self.on))
    }
}

/// `aten::dropout in drop`.
fn place(cause: &Cause) -> String {
    match cause.module.as_str() {
        "" => format!("{} in its own forward", cause.operator),
        module => format!("{} in {module}", cause.operator),
    }
}

/// Why modules did not run, where an operator stands for them: the first parts of sentences that end
/// in what to do.
pub fn fused(model: &Model, not_run: &[&str]) -> Vec<(String, Vec<String>)> {
    let nothing = Dependence::default();
    let fused = model.causes().iter().filter(|cause| cause.dependence == nothing);
    let within = |cause: &Cause| {
        let prefix = match cause.module.as_str() {
            "" => String::new(),
            module => format!("{module}."),
        };
        let below = not_run.iter().filter(|path| path.starts_with(&prefix));
        (place(cause), below.map(|path| (*path).to_owned()).collect())
    };
    fused.map(within).filter(|(_, below): &(String, Vec<String>)| !below.is_empty()).collect()
}

/// Says why modules that an operator stands for did not run, and how they can be had.
pub fn fast_path(operator: &str, modules: usize) -> String {
    format!(
        "{} did not run: {operator} computes them in one piece (PyTorch's fast path of transformers); \
         export with torch.backends.mha.set_fastpath_enabled(False) and torch.jit.trace to have them",
        counted(modules, "module")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(operator: &str, module: &str) -> Cause {
        let dependence = Dependence { draw: true, batch: false };
        Cause { dependence, operator: operator.to_owned(), module: module.to_owned() }
    }

    #[test]
    fn causes_and_what_follows_are_named() {
        let causes = [cause("aten::dropout", "drop"), cause("aten::randn_like", "")];
        let text = WAYS[0].text(&causes, &[], true).unwrap_or_default();
        let begin = "draws random numbers in evaluation mode (aten::dropout in drop, aten::randn_like in its \
                     own forward): its output depends on the draw";
        assert!(text.starts_with(begin), "{text}");
        assert_eq!(WAYS[1].text(&causes, &[], false), None);
    }
}
