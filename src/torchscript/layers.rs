//! Layers of a model: their names and kinds, and choosing them by glob patterns.

use std::path::Path;

use globset::{Glob, GlobBuilder, GlobMatcher};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::axes::Axes;
use super::defaults::depth;
use super::dependence::Dependence;
use crate::error::{Error, Result, check_glob};

/// What a layer is, by its class or operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A convolution, transposed ones included.
    Convolution,
    /// A batch, layer, group or instance norm.
    Normalization,
    /// A nonlinearity.
    Activation,
    /// A pooling layer.
    Pooling,
    /// A linear layer.
    Linear,
    /// An attention layer.
    Attention,
    /// An embedding.
    Embedding,
    /// Dropout or stochastic depth: the identity in evaluation.
    Dropout,
    /// A module made of others.
    Block,
    /// Any other operator of a frozen archive.
    Operator,
}

/// Words in a class's or operator's name, in the order they are looked for.
const WORDS: &[(&str, Kind)] = &[
    ("dropout", Kind::Dropout),
    ("stochasticdepth", Kind::Dropout),
    ("attention", Kind::Attention),
    ("embedding", Kind::Embedding),
    ("norm", Kind::Normalization),
    ("pool", Kind::Pooling),
    ("relu", Kind::Activation),
    ("elu", Kind::Activation),
    ("silu", Kind::Activation),
    ("swish", Kind::Activation),
    ("sigmoid", Kind::Activation),
    ("tanh", Kind::Activation),
    ("mish", Kind::Activation),
    ("softmax", Kind::Activation),
    ("softplus", Kind::Activation),
    ("linear", Kind::Linear),
    ("addmm", Kind::Linear),
    ("conv", Kind::Convolution),
];

impl Kind {
    /// The kind of a class (`torch.nn` names, also inside longer ones) or operator.
    pub(super) fn of(type_name: &str, operator: bool, has_children: bool) -> Self {
        let known = WORDS.iter().find(|(word, _)| holds(type_name, word)).map(|(_, kind)| *kind);
        match known {
            Some(kind) if !has_children || kind == Self::Attention => kind,
            _ if operator => Self::Operator,
            _ => Self::Block,
        }
    }

    /// The word for it in tables and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Convolution => "convolution",
            Self::Normalization => "normalization",
            Self::Activation => "activation",
            Self::Pooling => "pooling",
            Self::Linear => "linear",
            Self::Attention => "attention",
            Self::Embedding => "embedding",
            Self::Dropout => "dropout",
            Self::Block => "block",
            Self::Operator => "operator",
        }
    }
}

/// Whether a name holds a word, whatever its case; `elu` only where no small letter follows, which
/// leaves out `PixelUnshuffle`. Upsampling is not a linear layer, bilinear or not.
fn holds(type_name: &str, word: &str) -> bool {
    let name = type_name.to_lowercase();
    let follows = |end: usize| type_name.as_bytes().get(end).is_some_and(u8::is_ascii_lowercase);
    let mut places = name.match_indices(word).map(|(start, _)| start + word.len());
    match word {
        "elu" => places.any(|end| !follows(end)),
        "linear" => !name.contains("upsampl") && places.next().is_some(),
        _ => places.next().is_some(),
    }
}

/// One output of a module in a forward pass. A module called twice is two layers, `relu` and
/// `relu:2`, as forward hooks would have seen it; the tensors of the tuple that one gives are `rnn:0`,
/// `rnn:1`, in its second call `rnn:0:2`; `rnn:made0`, `rnn:made1` in the order in which they are computed
/// where that in the tuple is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Dotted name, with `:2` and so on for later calls.
    pub name: String,
    /// Class of the module, or the operator.
    pub type_name: String,
    /// What it is.
    pub kind: Kind,
    /// Shape of its output for the input it was probed with, the samples included.
    pub shape: Vec<i64>,
    /// Which axis of the output holds the samples and which the channels.
    pub axes: Axes,
    /// Number of parameters, its children's included.
    pub parameters: u64,
    /// Which call of the module this is, from 1.
    pub call: usize,
    /// How often the module runs in a forward pass.
    pub calls: usize,
    /// Other layers that give this very tensor, with the same values: a container that returns what
    /// its last child gave, an identity, a dropout that is off.
    pub aliases: Vec<String>,
    /// Whether it is looked at where no layers are named.
    pub by_default: bool,
    /// Whether its output is complex.
    pub complex: bool,
    /// The type of its values as the model computes them.
    pub(crate) dtype: tch::Kind,
    /// What its values depend on beside the sample.
    pub dependence: Dependence,
    /// Whether its number among the outputs of its module, if it has one, is known to be that in the tuple:
    /// elsewhere the number is that in what a trace returns of it.
    pub(crate) is_placed: bool,
    /// The module's place in the graph.
    pub(super) tap: usize,
}

impl Layer {
    /// Whether the output holds one row a sample.
    pub fn has_samples(&self, samples: usize) -> bool {
        self.shape.get(self.axes.samples) == Some(&(samples as i64))
    }

    /// The module that it is one of several outputs of, whatever tells their order.
    pub fn one_of_several(&self) -> Option<&str> {
        let (module, rest) = match self.call {
            1 => element(&self.name),
            _ => element(self.name.rsplit_once(':').map_or(&self.name, |(name, _)| name)),
        };
        rest.map(|_| module)
    }

    /// The module that it is an output of, where its place in the tuple that the module gives is not known:
    /// `block` of `block:made0`.
    pub fn without_order(&self) -> Option<&str> {
        without_order(&self.name)
    }

    /// The shape of one sample's output, its axes in the layer's order.
    pub fn sample_shape(&self) -> Vec<i64> {
        self.without_samples(&self.shape)
    }

    /// A shape of the layer's output without the axis of the samples.
    pub fn without_samples(&self, shape: &[i64]) -> Vec<i64> {
        let axes = shape.iter().enumerate().filter(|(axis, _)| *axis != self.axes.samples);
        axes.map(|(_, size)| *size).collect()
    }

    /// The shape of its output as [`Axes::canonical`] gives it: N×C×positions.
    pub fn canonical_shape(&self) -> Vec<i64> {
        self.axes.canonical_shape(&self.shape)
    }
}

/// The classes of `torch.nn` that give tuples: operators tell the places of their outputs.
pub const ORDERED: [&str; 5] = ["LSTM", "GRU", "RNN", "LSTMCell", "MultiheadAttention"];

/// Stands before the number of a module's output in the order in which they are computed, where that in
/// the tuple is not known: `block:made0`.
pub(super) const MADE: &str = "made";

/// The module that a layer is an output of, where its place in what the module gives is not known.
fn without_order(name: &str) -> Option<&str> {
    let (module, rest) = name.split_once(&format!(":{MADE}"))?;
    rest.starts_with(|letter: char| letter.is_ascii_digit()).then_some(module)
}

/// Dotted path of a module, and which tensor it is of the tuple that the module gives.
pub(super) fn element(path: &str) -> (&str, Option<usize>) {
    match path.rsplit_once(':') {
        Some((module, number)) => match number.trim_start_matches(MADE).parse() {
            Ok(number) => (module, Some(number)),
            Err(_) => (path, None),
        },
        None => (path, None),
    }
}

/// Which layers are wanted: glob patterns over dotted names.
///
/// `?` and `*` stay within one part of the name, `**` crosses the dots; `!pattern` takes layers
/// away. Without any positive pattern it begins with the default: all modules down to depth two, and
/// deeper ones down to the blocks that repeat ([`Layer::by_default`]).
#[derive(Debug, Clone, Default)]
pub struct Selection {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    negative: bool,
    matcher: GlobMatcher,
}

/// Depth of the dotted names chosen by default where there are only names.
const DEFAULT_DEPTH: usize = 2;

impl Selection {
    /// Reads patterns; a leading `!` excludes.
    ///
    /// # Errors
    /// A pattern that is not a valid glob.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self> {
        let patterns = patterns.iter().map(|p| Pattern::new(p.as_ref())).collect::<Result<_>>()?;
        Ok(Self { patterns })
    }

    /// The patterns as they were written; empty for the default.
    pub fn patterns(&self) -> Vec<&str> {
        self.patterns.iter().map(|p| p.text.as_str()).collect()
    }

    /// The layers wanted, in the order of `layers`.
    ///
    /// # Errors
    /// A pattern that matches no layer (the message names the closest), or nothing left over.
    pub fn choose(&self, layers: &[Layer], model: &Path) -> Result<Vec<Layer>> {
        let names: Vec<&str> = layers.iter().map(|l| l.name.as_str()).collect();
        let places = self.chosen(&names, model, |i| layers[i].by_default)?;
        Ok(places.into_iter().map(|i| layers[i].clone()).collect())
    }

    /// The places of the names wanted among those of `file`.
    ///
    /// # Errors
    /// As [`Selection::choose`].
    pub fn choose_names(&self, names: &[&str], file: &Path) -> Result<Vec<usize>> {
        self.chosen(names, file, |i| is_shallow(names[i]))
    }

    /// The same, with another default.
    ///
    /// # Errors
    /// As [`Selection::choose`].
    pub fn choose_names_or(
        &self,
        names: &[&str],
        file: &Path,
        by_default: impl Fn(&str) -> bool,
    ) -> Result<Vec<usize>> {
        self.chosen(names, file, |i| by_default(names[i]))
    }

    fn chosen(
        &self,
        names: &[&str],
        file: &Path,
        by_default: impl Fn(usize) -> bool,
    ) -> Result<Vec<usize>> {
        self.check_each_matches(names, file)?;
        let wanted = |&i: &usize| self.takes(names[i], by_default(i));
        let chosen: Vec<usize> = (0..names.len()).filter(wanted).collect();
        if chosen.is_empty() {
            let problem = format!("no layer of {} is left to look at", file.display());
            return Err(Error::usage(problem, "exclude less, or name layers with --layers"));
        }
        Ok(chosen)
    }

    /// Whether no layer is named, so that it begins with the default.
    pub fn is_default(&self) -> bool {
        self.patterns.iter().all(|p| p.negative)
    }

    /// Whether a layer is named itself, and not matched by a glob alone.
    pub fn names(&self, name: &str) -> bool {
        let named = |text: &str| text == name || name.strip_suffix(":0") == Some(text);
        self.patterns.iter().any(|pattern| !pattern.negative && named(&pattern.text))
    }

    /// Whether a layer of this name is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.takes(name, is_shallow(name))
    }

    fn takes(&self, name: &str, by_default: bool) -> bool {
        let mut wanted = self.is_default() && by_default;
        for pattern in &self.patterns {
            if pattern.matches(name) {
                wanted = !pattern.negative;
            }
        }
        wanted
    }

    fn check_each_matches(&self, names: &[&str], file: &Path) -> Result<()> {
        for pattern in &self.patterns {
            if !names.iter().any(|name| pattern.matches(name)) {
                let problem = format!("'{}' matches no layer of {}", pattern.text, file.display());
                return Err(Error::usage(problem, closest(&pattern.text, names)));
            }
        }
        Ok(())
    }
}

fn is_shallow(name: &str) -> bool {
    depth(name) <= DEFAULT_DEPTH && without_order(name).is_none()
}

impl Pattern {
    fn new(text: &str) -> Result<Self> {
        let (negative, glob) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let wrong = |why: String| {
            let shown: String = text.chars().take(SHOWN).collect();
            let problem = format!("'{shown}' is not a layer pattern: {why}");
            Error::usage(problem, "use names with ?, *, ** and [a-z], such as 'layer4.*.bn*'")
        };
        check_glob(glob).map_err(wrong)?;
        let matcher = compile(glob).map_err(|e| wrong(e.kind().to_string()))?;
        Ok(Self { text: text.to_owned(), negative, matcher: matcher.compile_matcher() })
    }

    /// A module that gives a tuple is named for its first tensor.
    fn matches(&self, name: &str) -> bool {
        let is_match = |name: &str| self.matcher.is_match(name.replace('.', "/"));
        is_match(name) || name.strip_suffix(":0").is_some_and(is_match)
    }
}

/// Letters of a pattern that a message shows.
const SHOWN: usize = 200;

fn compile(glob: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(&glob.replace('.', "/")).literal_separator(true).build()
}

/// A hint that names the layers whose names are most like `text`.
fn closest(text: &str, names: &[&str]) -> String {
    if names.is_empty() {
        return "it has none: no module of it computes anything".to_owned();
    }
    let wanted = text.trim_start_matches('!');
    if let Some(name) = names.iter().find(|name| without_order(name) == Some(wanted)) {
        return format!(
            "which of its outputs comes first is not known: name one ({name}; `repsim layers`), or export \
             with preserve_module_call_signature=('{wanted}',)"
        );
    }
    let mut scored: Vec<(f64, &str)> =
        names.iter().map(|name| (strsim::jaro_winkler(wanted, name), *name)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best: Vec<&str> = scored.iter().take(3).map(|(_, name)| *name).collect();
    format!("the closest are {}; there are {} (`repsim layers`)", best.join(", "), names.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(names: &[&str]) -> Vec<Layer> {
        let layer = |(tap, name): (usize, &&str)| Layer {
            name: (*name).to_owned(),
            type_name: String::new(),
            kind: Kind::Block,
            shape: vec![2, 3],
            axes: Axes::guessed(2),
            parameters: 0,
            call: 1,
            calls: 1,
            aliases: vec![],
            by_default: is_shallow(name),
            complex: false,
            dtype: tch::Kind::Float,
            dependence: Dependence::default(),
            is_placed: true,
            tap,
        };
        names.iter().enumerate().map(layer).collect()
    }

    fn chosen(patterns: &[&str]) -> Result<Vec<String>> {
        let all = layers(&[
            "conv1",
            "layer1.0.bn1",
            "layer1.0.relu",
            "layer1.0.relu:2",
            "layer1.0",
            "layer1",
            "layer4.1.bn2",
            "layer4",
            "fc",
        ]);
        let picked = Selection::new(patterns)?.choose(&all, Path::new("m.pt"))?;
        Ok(picked.into_iter().map(|l| l.name).collect())
    }

    #[test]
    fn default_is_depth_two() -> Result<()> {
        assert_eq!(chosen(&[])?, ["conv1", "layer1.0", "layer1", "layer4", "fc"]);
        Ok(())
    }

    #[test]
    fn stars_stay_within_a_part() -> Result<()> {
        assert_eq!(chosen(&["layer?"])?, ["layer1", "layer4"]);
        assert_eq!(chosen(&["layer*.*.bn*"])?, ["layer1.0.bn1", "layer4.1.bn2"]);
        assert_eq!(chosen(&["**"])?.len(), 9);
        assert_eq!(chosen(&["layer1.**"])?.len(), 4);
        assert_eq!(chosen(&["**.relu"])?, ["layer1.0.relu"]);
        Ok(())
    }

    #[test]
    fn exclusion_takes_away() -> Result<()> {
        assert_eq!(chosen(&["!layer*"])?, ["conv1", "layer1.0", "fc"]);
        assert_eq!(chosen(&["**", "!layer*.**", "!fc"])?, ["conv1", "layer1", "layer4"]);
        Ok(())
    }

    #[test]
    fn a_miss_names_the_closest() {
        let text = chosen(&["layer1.0.bn3"]).map_err(|e| e.to_string());
        let Err(text) = text else { panic!("matched {text:?}") };
        assert!(text.contains("'layer1.0.bn3' matches no layer of m.pt"), "{text}");
        assert!(text.contains("the closest are layer1.0.bn1"), "{text}");
    }

    #[test]
    fn kinds_come_from_names() {
        assert_eq!(Kind::of("BatchNorm2d", false, false), Kind::Normalization);
        assert_eq!(Kind::of("Conv2dNormActivation", false, true), Kind::Block);
        assert_eq!(Kind::of("AdaptiveAvgPool2d", false, false), Kind::Pooling);
        assert_eq!(Kind::of("aten::conv2d", true, false), Kind::Convolution);
        assert_eq!(Kind::of("aten::add", true, false), Kind::Operator);
        assert_eq!(Kind::of("PixelUnshuffle", false, false), Kind::Block);
        assert_eq!(Kind::of("aten::upsample_bilinear2d", true, false), Kind::Operator);
        for name in ["ELU", "CELU", "aten::gelu_", "GeluActivation", "LeakyReLU"] {
            assert_eq!(Kind::of(name, false, false), Kind::Activation, "{name}");
        }
    }
}
