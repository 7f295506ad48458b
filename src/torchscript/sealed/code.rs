//! How deeply the code of an archive nests: found in one pass over its characters, before libtorch's
//! parser and compiler see it, which call themselves for everything that nests.
//!
//! Tokens, comments, strings and lines are distinguished as `torch/csrc/jit/frontend/lexer.h` does.

use std::collections::HashMap;

use super::depth;
use super::scan::Scan;

/// The most that expressions, blocks and definitions nest along one path of definitions that use each other;
/// the loading thread has stack for this.
const MOST_DEPTH: u64 = 5_000;

/// The most words, numbers and marks in all: the compiler takes some 250 bytes for each.
const MOST_TOKENS: usize = 1 << 22;

/// What a block or a definition takes of the stack, in levels of an expression.
const LEVELS_OF_A_BLOCK: u64 = 20;

/// A class or function of the code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Definition {
    /// Its qualified name in small letters: records are found without regard to capitals.
    pub name: String,
    /// The deepest expression in it.
    pub depth: u64,
    /// The deepest block in it.
    pub blocks: u64,
    /// Qualified names that stand in it.
    pub uses: Vec<String>,
}

/// Looks at all code of an archive, a record's qualified name with its text each.
///
/// # Errors
/// It nests too deeply, is cut short, or names what is not in it.
pub fn check(records: &[(String, &[u8])]) -> Result<(), String> {
    let mut all: Vec<Definition> = vec![];
    let mut left = MOST_TOKENS;
    for (qualifier, text) in records {
        let found = Scan::new(qualifier, text, &mut left).run();
        all.extend(found.map_err(|problem| format!("its code in {qualifier} {problem}"))?);
    }
    let all = merged(all);
    let edges = edges(&all)?;
    let depth = |d: &Definition| d.depth + LEVELS_OF_A_BLOCK * (d.blocks + 1);
    let depths: Vec<u64> = all.iter().map(depth).collect();
    match depth::longest(&depths, &edges) > MOST_DEPTH {
        true => Err("its code nests too deeply to be compiled".to_owned()),
        false => Ok(()),
    }
}

/// Definitions of one name in one.
fn merged(all: Vec<Definition>) -> Vec<Definition> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Definition> = vec![];
    for definition in all {
        match places.get(&definition.name) {
            Some(&place) => {
                let first = &mut kept[place];
                first.depth = first.depth.max(definition.depth);
                first.blocks = first.blocks.max(definition.blocks);
                first.uses.extend(definition.uses);
            }
            None => {
                places.insert(definition.name.clone(), kept.len());
                kept.push(definition);
            }
        }
    }
    kept
}

/// Which definition uses which others, by their places.
fn edges(all: &[Definition]) -> Result<Vec<(u32, u32)>, String> {
    let places: HashMap<&str, u32> =
        all.iter().zip(0..).map(|(d, place)| (d.name.as_str(), place)).collect();
    let mut edges = vec![];
    for (definition, from) in all.iter().zip(0..) {
        for name in &definition.uses {
            let before = edges.len();
            let to = prefixes(name).filter_map(|prefix| places.get(prefix));
            edges.extend(to.filter(|&&to| to != from).map(|&to| (from, to)));
            let is_known = edges.len() > before
                || prefixes(name).any(|prefix| prefix == definition.name)
                || prefixes(name).any(|prefix| prefix == "__torch__.torch.classes");
            if !is_known {
                return Err(format!("its code names {name}, which is not in it"));
            }
        }
    }
    edges.sort_unstable();
    edges.dedup();
    Ok(edges)
}

/// `a.b.c`, `a.b`, `a`.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| Some(name.rsplit_once('.')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: &str) -> Result<(), String> {
        check(&[("__torch__".to_owned(), code.as_bytes())])
    }

    fn function(body: &str) -> String {
        format!("def f(x: Tensor) -> Tensor:\n  {body}\n  return x\n")
    }

    /// Every way to nest, as deep as wanted.
    fn nested(n: usize) -> Vec<String> {
        let blocks = |head: &str| {
            let line = |i: usize| format!("{}{head}:\n", " ".repeat(i + 2));
            let lines: String = (0..n / 10).map(line).collect();
            function(&format!("{}\n{}pass", lines.trim_start(), " ".repeat(n / 10 + 2)))
        };
        let class = |i: usize| format!("class C{i}(Module):\n  a : __torch__.C{}\n", i + 1);
        let classes: String = (0..n).map(class).collect();
        vec![
            function(&format!("y = {}1{}", "(".repeat(n), ")".repeat(n))),
            function(&format!("y = {}1{}", "[".repeat(n), "]".repeat(n))),
            function(&format!("y = {}True", "not ".repeat(n))),
            function(&format!("y = {}1", "1+".repeat(n))),
            function(&format!("y = {}1", "-".repeat(n))),
            function(&format!("y = {}1", "1 if x else ".repeat(n))),
            function(&format!("y = x{}", ".a".repeat(n))),
            function(&format!("y = x{}", "[0]".repeat(n))),
            function(&format!("y = {}1", "lambda a, b: ".repeat(n))),
            function(&format!("y = (#)))\n{}1)", "1+\\\n".repeat(n))),
            function(&format!("y = {}1{}", "(')', ".repeat(n), ")".repeat(n))),
            blocks("if x"),
            blocks("for i in x"),
            blocks("while x"),
            function(&format!("if x:\n    pass\n{}", "  elif x:\n    pass\n".repeat(n))),
            format!("{classes}class C{n}(Module):\n  pass\n"),
        ]
    }

    #[test]
    fn every_way_to_nest_is_counted() {
        for code in nested(6_000) {
            let start: String = code.chars().take(60).collect();
            let said = told(&code).expect_err(&start);
            assert_eq!(said, "its code nests too deeply to be compiled", "{start}");
        }
        for code in nested(100) {
            assert_eq!(told(&code), Ok(()), "{code}");
        }
    }

    #[test]
    fn wide_code_is_not_deep() {
        let wide = function(&format!("y = [{}1]", "1, ".repeat(100_000)));
        let long = function(&"y = torch.add(x, x)\n  ".repeat(100_000));
        for code in [wide, long] {
            assert_eq!(told(&code), Ok(()));
        }
    }

    #[test]
    fn names_reach_other_definitions_however_they_are_written() {
        let deep = |n: usize| function(&format!("y = {}1", "1+".repeat(n / 2)));
        for name in
            ["__torch__.f", "(__torch__\n # .x\n . f)", "\"__to\" 'rch__.f'", "'\\x5f_torch__.f'"]
        {
            let code = format!("{}def g(x: {name}):\n  y = {}1\n", deep(4_000), "1+".repeat(1_900));
            assert!(told(&code).is_err(), "{name}");
        }
        let apart = format!("{}def g(x: int):\n  y = {}1\n", deep(4_000), "1+".repeat(1_900));
        assert_eq!(told(&apart), Ok(()));
        assert_eq!(
            told(&function("y = __torch__.a")),
            Err("its code names __torch__.a, which is not in it".to_owned())
        );
        assert_eq!(told(&function("y = __torch__.torch.classes.quantized.X")), Ok(()));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for body in ["y = (", "y = )", "y = 'x", "y = (]", "y = \"\"\"x"] {
            assert!(told(&function(body)).is_err(), "{body}");
        }
        assert!(told(&"\n".repeat(50_000)).is_err());
        assert!(told(&function(&format!("y = {}", "a".repeat(5_000)))).is_err());
    }
}
