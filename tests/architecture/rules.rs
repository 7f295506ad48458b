//! Which module may see which, and what it may use from outside.

/// What a top-level module may use.
pub struct Rule {
    /// The module.
    pub module: &'static str,
    /// Modules of the crate that it may name besides itself.
    pub sees: &'static [&'static str],
    /// Whether it may use libtorch, clap, files or printing.
    pub pure: bool,
}

const fn rule(module: &'static str, sees: &'static [&'static str]) -> Rule {
    Rule { module, sees, pure: false }
}

const fn pure(module: &'static str, sees: &'static [&'static str]) -> Rule {
    Rule { module, sees, pure: true }
}

/// Imports go downwards only.
pub const RULES: &[Rule] = &[
    pure("error", &[]),
    rule("files", &["error"]),
    rule("confine", &[]),
    pure("linalg", &[]),
    pure("stats", &["linalg"]),
    pure("similarity", &["error", "linalg", "stats"]),
    pure("frechet", &["error", "linalg", "stats"]),
    pure("classifier", &[]),
    pure("novelty", &["error", "linalg", "classifier"]),
    pure("probe", &["linalg", "stats"]),
    pure("patterns", &[]),
    rule("torchscript", &["error", "files", "linalg", "checkpoint"]),
    rule("checkpoint", &["error", "files"]),
    rule("data", &["error", "files"]),
    rule("render", &["error"]),
    rule("saliency", &["error", "torchscript", "classifier"]),
    rule(
        "functional",
        &["error", "linalg", "stats", "torchscript", "data", "classifier", "saliency"],
    ),
    rule(
        "capture",
        &[
            "error",
            "linalg",
            "stats",
            "similarity",
            "patterns",
            "torchscript",
            "data",
            "classifier",
        ],
    ),
    rule(
        "report",
        &[
            "error",
            "files",
            "similarity",
            "frechet",
            "novelty",
            "classifier",
            "saliency",
            "functional",
            "linalg",
            "data",
            "capture",
        ],
    ),
    pure("check", &["error", "similarity", "report"]),
    rule(
        "view",
        &[
            "error",
            "files",
            "similarity",
            "frechet",
            "patterns",
            "saliency",
            "functional",
            "capture",
            "torchscript",
            "render",
            "report",
            "check",
        ],
    ),
    rule(
        "analysis",
        &[
            "error",
            "files",
            "stats",
            "similarity",
            "frechet",
            "novelty",
            "patterns",
            "classifier",
            "saliency",
            "functional",
            "probe",
            "torchscript",
            "checkpoint",
            "data",
            "render",
            "capture",
            "report",
            "view",
        ],
    ),
    rule("demo", &["error", "frechet", "data", "render", "report", "view", "analysis"]),
    rule(
        "cli",
        &[
            "error",
            "files",
            "similarity",
            "frechet",
            "saliency",
            "functional",
            "probe",
            "torchscript",
            "data",
            "render",
            "capture",
            "report",
            "check",
            "view",
            "analysis",
            "confine",
            "demo",
        ],
    ),
];

/// What a pure module names nowhere.
pub const IMPURE: &[&str] = &[
    "tch::",
    "torch_sys",
    "clap::",
    "fs_err",
    "std::fs",
    "std::env",
    "std::process",
    "println!",
    "print!",
    "eprintln!",
    "eprint!",
    "indicatif",
];
