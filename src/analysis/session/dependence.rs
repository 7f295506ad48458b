//! What is said of values that depend on random numbers or on the batch.

use crate::report::Warning;
use crate::torchscript::{Cause, Dependence, Layer, Model};
use crate::view::names::{few, listed};

/// One way to depend on something beside the sample.
struct Way {
    code: &'static str,
    holds: fn(Dependence) -> bool,
    /// What the model does.
    does: &'static str,
    /// The same where no operator says so.
    seen: &'static str,
    /// What values depend on.
    on: &'static str,
    /// What changes them.
    changed_by: &'static str,
    /// Words of operators that can be stilled, and how.
    stilled: &'static [(&'static [&'static str], &'static str)],
    /// What stills all others.
    otherwise: &'static str,
}

const WAYS: [Way; 2] = [
    Way {
        code: "depends-on-draw",
        holds: |dependence| dependence.draw,
        does: "draws random numbers in evaluation mode",
        seen: "gives other values in another run",
        on: "the draw",
        changed_by: "another one: --draw-seed N",
        stilled: &[(
            &["dropout", "rrelu", "fractional_max_pool"],
            "call model.eval() before exporting; functional.dropout needs training=self.training",
        )],
        otherwise: "its forward draws them itself, which model.eval() does not change: export a forward \
                    without them",
    },
    Way {
        code: "depends-on-batch",
        holds: |dependence| dependence.batch,
        does: "uses statistics of the batch in evaluation mode",
        seen: "gives a sample other values in another batch or at another place of it",
        on: "which samples share a batch",
        changed_by: "--batch-size changes them",
        stilled: &[
            (&["batch_norm"], "model.eval() before exporting and running statistics avoid that"),
            (
                &["dynamic", "quantized_", "choose_qparams"],
                "dynamic quantisation scales a layer's input by its range over the batch: --batch-size 1 gives each \
                 sample its own scale, static quantisation all of them one",
            ),
        ],
        otherwise: "its forward mixes samples itself, as x - x.mean(0) does, or goes by their place or number, \
                    which model.eval() does not change: export a forward that keeps them apart",
    },
];

/// Warns where the values of layers, or what the model returns, depend on more than the sample, and
/// tells how a model is run that cannot be run on any batch, or that changes itself.
pub fn warnings(model: &Model, layers: &[Layer]) -> Vec<Warning> {
    let said = |way: &Way| {
        let (causes, output) = (model.causes(), (way.holds)(model.output_dependence()));
        let text = way.text(causes, layers, output)?;
        let path = model.path().display().to_string();
        Some(Warning::new(way.code, &path, format!("{path} {text}")))
    };
    let mut warnings: Vec<Warning> = WAYS.iter().filter_map(said).collect();
    let mixes = model.output_dependence().batch || layers.iter().any(|l| l.dependence.batch);
    warnings.extend(fixed_batch(model, mixes));
    warnings.extend(state(model));
    warnings
}

/// Says of a model that takes batches of one size how it is given the data, and where it mixes samples what
/// that does to the last ones.
fn fixed_batch(model: &Model, mixes: bool) -> Option<Warning> {
    let path = model.path().display().to_string();
    let how = match model.fixed_batch()? {
        1 => "one sample at a time; it is run on one after the other".to_owned(),
        size if mixes => format!(
            "batches of {size} only; it is given such, and where the samples are no multiple of {size}, copies \
             of the last one fill the last batch up and change what the others there give"
        ),
        size => format!("batches of {size} only; it is given such, the last one filled up"),
    };
    let text = format!("{path} takes {how} (faster: export it for any number of samples)");
    Some(Warning::new("fixed-batch", &path, text))
}

/// Says of a model that changes itself as it runs what each run begins with.
fn state(model: &Model) -> Option<Warning> {
    let written = model.written();
    if written.is_empty() {
        return None;
    }
    let path = model.path().display().to_string();
    let names: Vec<&str> = written.iter().map(String::as_str).collect();
    let names = few("attribute", &names);
    let text = format!(
        "{path} changes its {names} as it runs: each run begins with what the file holds (--keep-state \
         leaves what the run before it left)"
    );
    Some(Warning::new("state", &path, text))
}

impl Way {
    fn text(&self, causes: &[Cause], layers: &[Layer], output: bool) -> Option<String> {
        let own: Vec<&Cause> = causes.iter().filter(|c| (self.holds)(c.dependence)).collect();
        let causes: Vec<String> = own.iter().map(|cause| place(cause)).collect();
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
        let does = if own.is_empty() { self.seen } else { self.does };
        let Self { on, changed_by, .. } = self;
        Some(format!("{does} ({causes}): {what} on {on} ({changed_by}; {})", self.advice(&own)))
    }

    /// What stills the operators found; where none was, the forward does it some other way.
    fn advice(&self, causes: &[&Cause]) -> String {
        let stills =
            |words: &[&str], cause: &Cause| words.iter().any(|w| cause.operator.contains(w));
        let hows = self.stilled.iter().filter(|(words, _)| causes.iter().any(|c| stills(words, c)));
        let hows: Vec<&str> = hows.map(|(_, how)| *how).collect();
        let other = |cause: &&Cause| !self.stilled.iter().any(|(words, _)| stills(words, cause));
        match (hows.is_empty(), causes.iter().any(other)) {
            (true, _) => self.otherwise.to_owned(),
            (false, false) => hows.join("; "),
            (false, true) => format!("{}; beside that {}", hows.join("; "), self.otherwise),
        }
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

    #[test]
    fn advice_is_for_what_was_found() {
        let (dropout, noise) = (cause("aten::dropout", "drop"), cause("aten::randn_like", ""));
        let (of_dropout, of_noise) = (WAYS[0].advice(&[&dropout]), WAYS[0].advice(&[&noise]));
        assert!(of_dropout.contains("call model.eval()") && !of_dropout.contains("forward draws"));
        assert!(of_noise.contains("without them") && !of_noise.contains("call model.eval()"));
        let both = WAYS[0].advice(&[&dropout, &noise]);
        assert!(both.contains("call model.eval()") && both.contains("without them"), "{both}");
        assert!(WAYS[1].advice(&[]).contains("x - x.mean(0)"));
        let dynamic = WAYS[1].advice(&[&cause("quantized::linear_dynamic", "fc")]);
        assert!(dynamic.contains("--batch-size 1") && !dynamic.contains("eval()"), "{dynamic}");
    }
}
