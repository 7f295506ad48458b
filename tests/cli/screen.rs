//! Tables and messages on narrow terminals and in locales without UTF-8.

use std::process::Command;

use crate::check_support::Files;
use crate::support::words;

const CKA: &str = "cka {tiny_resnet_scripted.pt} --data {tiny_resnet.npy} --preprocess raw --layers layer? -f table";

/// Standard output and standard error of a run in an environment.
fn shown(line: &[String], environment: &[(&str, &str)]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repsim"));
    command.args(line).env_remove("COLUMNS").env("LC_ALL", "C.UTF-8");
    let run = command.envs(environment.iter().copied()).output().unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stderr));
    (String::from_utf8(run.stdout).unwrap(), String::from_utf8(run.stderr).unwrap())
}

#[test]
fn tables_fit_and_say_what_they_leave_out() {
    let line = words("layers {tiny_resnet_scripted.pt} --input-size 3x32x32");
    let whole = shown(&line, &[]).0;
    assert!(whole.contains("channel axis") && whole.contains('×'), "{whole}");
    for (columns, widest) in [("60", 60), ("10", 20), ("40", 40)] {
        let (text, _) = shown(&line, &[("COLUMNS", columns)]);
        let table = text.lines().filter(|line| line.starts_with(' '));
        assert!(table.map(|line| line.trim_end().chars().count()).max() <= Some(widest), "{text}");
        assert!(text.contains("-f md") || text.contains("-f\nmd"), "{text}");
    }
    for columns in ["200", "0", "garbage", ""] {
        assert_eq!(shown(&line, &[("COLUMNS", columns), ("TERM", "dumb")]).0, whole, "{columns}");
    }
}

#[test]
fn locales_without_utf_8_see_ascii_and_names_as_they_are() {
    let files = Files::new();
    let name = files.folder().join("a×é.json").display().to_string();
    let line: Vec<String> = words(CKA).into_iter().chain(["-o".to_owned(), name.clone()]).collect();
    for locale in ["C", "xx"] {
        let (text, said) = shown(&line, &[("LC_ALL", locale)]);
        assert!(text.is_ascii() && text.contains("n = "), "{text}");
        assert!(said.contains(&name) && said.replace(&name, "").is_ascii(), "{said}");
    }
    for command in ["cka", "fid", "layers", "compare", "saliency"] {
        let help = [command.to_owned(), "--help".to_owned()];
        let text = shown(&help, &[("LC_ALL", "C"), ("COLUMNS", "60")]).0;
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 60), "{command}: {text}");
    }
}

#[test]
fn schemas_are_listed_and_named() {
    let list = shown(&words("schema"), &[]).0;
    assert!(list.lines().any(|line| line.starts_with("cka ") && line.contains("CKA")), "{list}");
    let schema = shown(&words("schema fid"), &[]).0;
    assert!(schema.contains("\"$id\": \"urn:repsim:schema:fid:1\""), "{schema}");
}
