//! Archives of TorchScript that try to reach beyond the model, that crash a parser, or that are damaged.

use repsim::torchscript::Model;
use tch::Tensor;

use crate::crafted::{Folder, HEAD, OWN_STATE, Record, STATE, forward, records, set_state, zipped};
use crate::support::repsim;

/// Archives that write a file, by name: while they are loaded, or when they run.
pub fn writers(save: &str) -> Vec<(&'static str, Vec<Record>)> {
    let plain = |code: String| records(&code, STATE);
    let loading = |statement: &str| {
        let code = [HEAD, &forward(""), &set_state(&statement.replace("SAVE", save))].concat();
        records(&code, OWN_STATE)
    };
    let running =
        |statement: &str| plain([HEAD, &forward(&statement.replace("SAVE", save))].concat());
    let closure = |call: &str| format!("def g():\n      SAVE\n      return 1\n    {call}");
    let awaited = closure("z = ops.prim.awaitable_wait(awaitable(g))");
    let forked = closure("z = torch.wait(fork(g))");
    let path = save.split_once(", ").unwrap().1;
    let default = |default: &str| {
        plain([HEAD, &forward("").replace("x: Tensor", &format!("x: Tensor, {default}"))].concat())
    };
    let object = format!(
        "class O:\n  n : int\n  def __getitem__(self: __torch__.O, i: int) -> int:\n    {save}\n    return 1\n"
    );
    let mut constant = records(
        &[&object, HEAD, &forward("").replace("x: Tensor", "x: Tensor, y: int=CONSTANTS.c0[0]")]
            .concat(),
        STATE,
    );
    constant[1].1 = b"\x80\x02c__torch__\nO\n)\x81}(X\x01\0\0\0nK\x01ub\x85.".to_vec();
    let mut other = running("y = __torch__.a.b.f(x)");
    let function = format!("def f(x: Tensor) -> Tensor:\n  {save}\n  return x\n");
    other.push(("code/__torch__/a/b.py".to_owned(), function.into_bytes()));
    let hook = |list: &str, taken: &str| {
        let hook = format!("  def h(self: __torch__.M, {taken}) -> NoneType:\n    {save}\n");
        plain([HEAD, &format!("  {list} = [\"h\"]\n"), &forward(""), &hook].concat())
    };
    let manager = format!(
        "class W:\n  def __init__(self: __torch__.W) -> NoneType:\n    pass\n  def __enter__(self: __torch__.W) \
         -> NoneType:\n    {save}\n  def __exit__(self: __torch__.W, a: Any, b: Any, c: Any) -> NoneType:\n    \
         pass\n"
    );
    let part = format!(
        "class I(ModuleInterface):\n  def go(self, x: Tensor) -> Tensor:\n    pass\nclass E(Module):\n  \
         __parameters__ = []\n  __buffers__ = []\n  training : bool\n  def go(self: __torch__.E, x: Tensor) -> \
         Tensor:\n    {save}\n    return x\n"
    );
    let inner = b"\x89X\x01\0\0\0ec__torch__\nE\n)\x81}(X\x08\0\0\0training\x89ubub.";
    let holder = [&STATE[..STATE.len() - 4], inner].concat();
    let through_interface = records(
        &[&part, HEAD, "  e : __torch__.I\n", &forward("y = (self.e).go(x)")].concat(),
        &holder,
    );
    vec![
        ("forward", running("SAVE")),
        ("forward, awaited", running(&awaited)),
        ("forward, forked", running(&forked)),
        ("forward, another record", other),
        (
            "forward, a context",
            plain([&manager, HEAD, &forward("with __torch__.W():\n      z = 1")].concat()),
        ),
        ("forward, an interface", through_interface),
        ("loading", loading("SAVE")),
        ("loading, an alias", loading(&format!("f = torch.save\n    f(torch.ones([2]), {path}"))),
        ("loading, getattr", loading(&format!("getattr(torch, \"save\")(torch.ones([2]), {path}"))),
        ("loading, parentheses", loading(&format!("(torch.save)(torch.ones([2]), {path}"))),
        ("loading, ops", loading(&format!("ops.aten.save(torch.ones([2]), {path}"))),
        ("loading, a continuation", loading(&format!("torch.save\\\n  (torch.ones([2]), {path}"))),
        ("loading, awaited", loading(&awaited)),
        ("loading, forked", loading(&forked)),
        ("compiling, a default", default(&format!("y: Tuple[()]={save}"))),
        (
            "compiling, a constant",
            plain([HEAD, &format!("  k : Final[Tuple[()]] = {save}\n"), &forward("")].concat()),
        ),
        ("compiling, an object", constant),
        ("a hook before", hook("__forward_pre_hooks__", "x: Tuple[Tensor]")),
        ("a hook behind", hook("__forward_hooks__", "x: Tuple[Tensor], y: Tensor")),
    ]
}

/// What is said of an archive that is refused.
#[track_caller]
fn refused(folder: &Folder, records: &[Record], case: &str) -> String {
    refused_file(folder, &zipped(records), case)
}

#[track_caller]
fn refused_file(folder: &Folder, bytes: &[u8], case: &str) -> String {
    let Err(error) = Model::load(folder.file(bytes), false) else { panic!("{case} was loaded") };
    let text = error.to_string();
    assert!(!folder.written().exists(), "{case} wrote");
    assert_eq!(text.lines().count(), 1, "{case}: {text}");
    text
}

/// Runs an archive that is trusted, as far as that goes.
fn run_trusted(folder: &Folder, records: &[Record]) {
    if let Ok(mut model) = Model::load(folder.archive(records), true) {
        drop(model.probe(&Tensor::ones([2, 4], tch::kind::FLOAT_CPU)));
    }
}

#[test]
fn archives_that_write_files_are_refused_before_anything_of_them_runs() {
    let folder = Folder::new();
    for (case, records) in writers(&folder.save()) {
        let text = refused(&folder, &records, case);
        assert!(text.contains("--trust-model"), "{case}: {text}");
        run_trusted(&folder, &records);
        // Hooks are compiled and do not run here; the others do what they were made for.
        assert_eq!(folder.written().exists(), !case.contains("hook"), "{case} is not an attack");
        drop(std::fs::remove_file(folder.written()));
    }
}

#[test]
fn archives_that_read_files_are_refused() {
    let folder = Folder::new();
    let read = folder.read();
    let of_forward = forward("").replace("mul(x, 2)", &format!("add(x, torch.sum({read}))"));
    let default = forward("").replace("x: Tensor", &format!("x: Tensor, y: Tensor={read}"));
    let statement = format!("if bool(torch.sum({read})):\n      self.training = False");
    let method = format!("  def g(self: __torch__.M) -> Tensor:\n    return {read}\n");
    let constant = format!("  k : Final[List[Tensor]] = [{read}]\n");
    let cases = [
        records(&[HEAD, &of_forward].concat(), STATE),
        records(&[HEAD, &default].concat(), STATE),
        records(&[HEAD, &forward(""), &set_state(&statement)].concat(), OWN_STATE),
        records(&[HEAD, &forward(""), &method].concat(), STATE),
        records(&[HEAD, &constant, &forward("")].concat(), STATE),
    ];
    for (case, records) in cases.iter().enumerate() {
        let text = refused(&folder, records, &format!("case {case}"));
        assert!(text.contains("--trust-model"), "case {case}: {text}");
    }
}

/// What was judged is what would run: no name stands for two records, none is read in another way.
#[test]
fn records_that_readers_could_mistake_are_refused() {
    let folder = Folder::new();
    let code = |statement: &str| [HEAD, &forward(""), &set_state(statement)].concat();
    let (good, evil) = (code(""), code(&folder.save()));
    let whole = records(&good, OWN_STATE);
    let with = |name: &str, code: &str| {
        let mut records = whole.clone();
        records.insert(2, (name.to_owned(), code.as_bytes().to_vec()));
        records
    };
    let named = |name: &str| {
        let mut records = records(&evil, OWN_STATE);
        records[2].0 = name.to_owned();
        records
    };
    let mut legacy = zipped(&whole);
    legacy[4..8].copy_from_slice(b"PTMF");
    let mut after = whole.clone();
    after.push(("code/__torch__.py".to_owned(), evil.clone().into_bytes()));
    let cases = [
        ("evil first", with("code/__torch__.py", &evil)),
        ("evil last", after),
        ("capitals", with("code/__TORCH__.py", &evil)),
        ("capitals alone", named("code/__TORCH__.py")),
        ("a folder in capitals", named("CODE/__torch__.py")),
        ("an ending in capitals", named("code/__torch__.PY")),
        ("a type for a name", with("code/Tuple[int, bool.py", &evil)),
        ("a path", with("code/__torch__/../a.py", &evil)),
        ("an old format", with("model.json", "{}")),
    ];
    for (case, records) in cases {
        refused(&folder, &records, case);
    }
    assert!(refused_file(&folder, &legacy, "a flatbuffer").contains("mobile model"));
    assert!(Model::load(folder.archive(&whole), false).is_ok());
}

#[test]
fn classes_and_operators_that_are_not_known_to_compute_are_refused() {
    let folder = Folder::new();
    let method = "  def g(self: __torch__.M, p: __torch__.torch.classes.c10d.ProcessGroup) -> int:\n    return 1\n";
    let group = records(&[HEAD, &forward(""), method].concat(), STATE);
    let running = |statement: &str| records(&[HEAD, &forward(statement)].concat(), STATE);
    let mut remote = running("");
    let reference = b"\x89X\x01\0\0\0rctorch.distributed.rpc\nrref\nK\x01\x85Rub.";
    remote[0].1 = [&STATE[..STATE.len() - 4], reference].concat();
    let cases = [
        ("c10d.ProcessGroup", group),
        ("profiler::", running("z = ops.profiler._record_function_enter(\"a\", None)")),
        ("repsim::tap", running("z = ops.repsim.tap(x, 0)")),
        ("torch.distributed.rpc.rref", remote),
    ];
    for (name, records) in cases {
        let text = refused(&folder, &records, name);
        assert!(text.contains(name) && text.contains("--trust-model"), "{text}");
    }
    let text = refused(&folder, &running("z = ops.torchvision.nms(x, x, 0.5)"), "nms");
    assert!(
        text.contains("custom operator torchvision::nms, which is not part of libtorch"),
        "{text}"
    );
}

/// So many of a text before another.
fn nested(open: &str, count: usize, middle: &str, close: &str) -> String {
    format!("{}{middle}{}", open.repeat(count), close.repeat(count))
}

fn blocks(head: &str, count: usize) -> String {
    let line = |depth: usize| format!("{}{head}:\n", " ".repeat(depth + 4));
    let lines: String = (0..count).map(line).collect();
    format!("{}{}pass", lines.trim_start(), " ".repeat(count + 4))
}

/// Statements that nest so deep, each in another way.
fn deep(count: usize, block: usize) -> Vec<String> {
    vec![
        format!("y = {}", nested("(", count, "1", ")")),
        format!("y = {}", nested("[", count, "1", "]")),
        format!("y = {}", nested("not ", count, "True", "")),
        format!("y = {}", nested("1+", count / 2, "1", "")),
        format!("y = {}", nested("-", count, "1", "")),
        format!("y = {}", nested("1 if True else ", count / 4, "1", "")),
        format!("y = x{}", nested(".a", count / 2, "", "")),
        format!("y = x{}", nested("[0]", count / 3, "", "")),
        blocks("if bool(x)", block),
        blocks("while bool(x)", block),
        blocks("for i in range(1)", block),
    ]
}

/// A run of a process of its own: a stack that overflows ends it by a signal.
fn code_of(folder: &Folder, records: &[Record]) -> (i32, String) {
    let path = folder.archive(records);
    let run = repsim(["layers", path.to_str().unwrap(), "--input-size", "4"]);
    (run.code, run.stderr)
}

#[test]
fn code_that_nests_without_end_is_told() {
    let folder = Folder::new();
    let classes: String =
        (0..5_000).map(|i| format!("class C{i}:\n  a : __torch__.C{}\n", i + 1)).collect();
    let last = "class C5000:\n  a : int\n";
    let chain = [&classes, last, HEAD, "  c : Optional[__torch__.C0]\n", &forward("")].concat();
    let statements = deep(100_000, 3_000).into_iter().map(|s| [HEAD, &forward(&s)].concat());
    for code in statements.chain([chain]) {
        let text = refused(&folder, &records(&code, STATE), &code[..120]);
        assert!(text.contains("nests too deeply"), "{text}");
    }
    let long = [HEAD, &forward(&format!("y = ops.{}", "a".repeat(400_000)))].concat();
    assert!(refused(&folder, &records(&long, STATE), "a long name").contains("400000 characters"));
}

/// 10 MB of the shortest statements would take gigabytes.
#[test]
fn code_of_too_many_words_is_told() {
    let folder = Folder::new();
    let long = [HEAD, &forward(&"y=1\n    ".repeat(1_500_000))].concat();
    assert!(
        refused(&folder, &records(&long, STATE), "long code")
            .contains("more words than any model's")
    );
}

/// 21 small functions that stand for two million operators.
#[test]
fn functions_that_call_each_other_without_end_are_told() {
    let folder = Folder::new();
    let function = |i: usize| {
        let below = i.wrapping_sub(1);
        match i {
            0 => "def f0(x: Tensor) -> Tensor:\n  return torch.add(x, x)\n".to_owned(),
            _ => format!(
                "def f{i}(x: Tensor) -> Tensor:\n  y = __torch__.f{below}(x)\n  return __torch__.f{below}(y)\n"
            ),
        }
    };
    let calling = |count: usize| {
        let functions: String = (0..=count).map(function).collect();
        let statement = format!("y = __torch__.f{count}(x)");
        records(&[&functions, HEAD, &forward(&statement)].concat(), STATE)
    };
    let text = refused(&folder, &calling(21), "two million calls");
    assert!(text.contains("call each other so often"), "{text}");
    assert!(Model::load(folder.archive(&calling(5)), false).is_ok());
}

/// As deep as is let through: libtorch's parser and compiler have stack for it.
#[test]
fn code_at_the_bound_does_not_overflow() {
    let folder = Folder::new();
    for statement in deep(4_900, 240) {
        let code = [HEAD, &forward(&statement)].concat();
        let (code, said) = code_of(&folder, &records(&code, STATE));
        assert!(code == 0 || code == 2, "{code} of {:.40}: {said:.300}", statement);
        assert!(!said.contains("nests too deeply"), "{:.40}", statement);
    }
}

#[test]
fn values_that_nest_without_end_are_told() {
    let folder = Folder::new();
    let of = |pickle: Vec<u8>| {
        let mut records = records(&[HEAD, &forward("")].concat(), STATE);
        records[1].1 = pickle;
        records
    };
    let lists = [b"\x80\x02".as_slice(), &[b']'; 100_000], &[b'a'; 99_999], b"\x85."].concat();
    let tuples = [b"\x80\x02)".as_slice(), &[0x85; 100_000], b"."].concat();
    for pickle in [lists, tuples] {
        let text = refused(&folder, &of(pickle), "a deep pickle");
        assert!(text.contains("constants.pkl holds values that nest too deeply"), "{text}");
    }
    let itself = of(b"\x80\x02]q\x00h\x00a\x85.".to_vec());
    assert!(refused(&folder, &itself, "a cycle").contains("hold themselves"));
}

/// A type of 2⁴⁰ parts, which libtorch's compiler goes through one by one.
#[test]
fn code_whose_types_have_no_end_is_given_up() {
    let folder = Folder::new();
    let doubled = |i: usize| format!("y{} = (y{i}, y{i})\n    ", i + 1);
    let statements: String = (0..40).map(doubled).collect();
    let code = [HEAD, &forward(&format!("y0 = (x, x)\n    {statements}pass"))].concat();
    let (code, said) = code_of(&folder, &records(&code, STATE));
    assert_eq!((code, said.lines().count()), (2, 1), "{said}");
    assert!(said.contains("is not compiled after") && said.contains("--trust-model"), "{said}");
}

/// As the operators of a model hang on each other, libtorch calls itself.
#[test]
fn long_chains_of_operators_run() {
    let folder = Folder::new();
    let statements = "x = torch.neg(x)\n    ".repeat(10_000);
    let code = [HEAD, &forward(&format!("{statements}pass"))].concat();
    let (code, said) = code_of(&folder, &records(&code, STATE));
    assert_eq!(code, 0, "{said}");
}

/// Texts that are filled up to any length.
#[test]
fn operators_that_fill_up_texts_are_refused() {
    let folder = Folder::new();
    for call in ["ljust", "rjust", "center", "zfill"] {
        let code = [
            HEAD,
            &forward(&format!(
                "y = torch.len(torch.{call}(str(torch.len(x)), 10))\n    x = torch.add(x, y)"
            )),
        ]
        .concat();
        let text = refused(&folder, &records(&code, STATE), call);
        assert!(text.contains(call) && text.contains("--trust-model"), "{text}");
    }
}

/// 700 MB of code in an archive of under 1 MB.
#[test]
fn code_that_swells_is_told() {
    use std::io::Write;
    let folder = Folder::new();
    let path = folder.path().join("swells.pt");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let packed = zip::write::SimpleFileOptions::default();
    for (name, bytes) in records(&[HEAD, &forward("")].concat(), STATE) {
        zip.start_file(format!("m/{name}"), packed).unwrap();
        zip.write_all(&bytes).unwrap();
        let lines = vec![b'\n'; 1 << 20];
        for _ in 0..if name.starts_with("code/") { 80 } else { 0 } {
            zip.write_all(&lines).unwrap();
        }
    }
    zip.finish().unwrap();
    let text = Model::load(&path, false).err().unwrap().to_string();
    assert!(text.contains("its code has 8388"), "{text}");
}

/// A byte changed anywhere in a record is found, that of a weight too.
#[test]
fn a_changed_byte_is_found() {
    let folder = Folder::new();
    let whole = std::fs::read(crate::support::path("mlp.pt")).unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&whole)).unwrap();
    for index in 0..archive.len() {
        let record = archive.by_index_raw(index).unwrap();
        let (name, start, size) = (record.name().to_owned(), record.data_start(), record.size());
        if size == 0 {
            continue;
        }
        let mut bent = whole.clone();
        bent[(start + size / 2) as usize] ^= 0x10;
        let text = refused_file(&folder, &bent, &name);
        assert!(
            text.contains("checksum") && text.contains(name.split_once('/').unwrap().1),
            "{text}"
        );
    }
}

/// A checksum of 0 is one like others.
#[test]
fn a_checksum_cannot_be_left_out() {
    let folder = Folder::new();
    let mut bytes = zipped(&records(&[HEAD, &forward("")].concat(), STATE));
    let name = b"m/code/__torch__.py";
    let place = bytes.windows(name.len()).rposition(|window| window == name).unwrap();
    bytes[place - 30..place - 26].fill(0);
    let text = refused_file(&folder, &bytes, "without a checksum");
    assert!(text.contains("checksum"), "{text}");
}

/// Text of a model stands beside what the program says, and not within its results.
#[test]
fn what_a_model_prints_goes_to_standard_error() {
    let folder = Folder::new();
    let statement = "print(\"hello\", 7)\n    print(\"\\033[31mred\\n::error::x\")";
    let code = [HEAD, &forward(statement)].concat();
    let path = folder.archive(&records(&code, STATE));
    let run = repsim(["layers", path.to_str().unwrap(), "--input-size", "4", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(report.is_object());
    for line in
        ["a model prints: hello 7", "a model prints: \\x1b[31mred", "a model prints: ::error::x"]
    {
        assert!(run.stderr.lines().any(|l| l == line), "{line} in {}", run.stderr);
    }
}
