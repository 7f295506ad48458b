//! The names of options: one voice over all commands, with the names of before as aliases.

use repsim::cli::declared;

/// Names of before, by command, with the names that stand for them now.
const OLD_NAMES: [(&str, &[&str], &str); 6] = [
    ("heatmap", &["cka", "compare", "platonic", "stitch"], "plot"),
    ("sheet", &["saliency", "maps", "patterns"], "plot"),
    ("sheet-rows", &["saliency"], "rows"),
    (
        "layer",
        &["platonic", "saliency", "maps", "sensitivity", "fid", "stats", "distance"],
        "layers",
    ),
    ("layer-b", &["maps", "patterns"], "layers-b"),
    ("bootstrap", &["compare", "platonic"], "subsamples"),
];

#[test]
fn old_names_stand_for_the_new_ones_unseen() {
    let whole = declared();
    for (old, commands, new) in OLD_NAMES {
        for command in commands {
            let command = whole.find_subcommand(command).expect("a command");
            let option = command.get_arguments().find(|a| a.get_long() == Some(new));
            let option = option.unwrap_or_else(|| panic!("{}: no --{new}", command.get_name()));
            assert!(option.get_all_aliases().unwrap_or_default().contains(&old), "--{old}");
            let help = command.clone().render_long_help().to_string();
            assert!(!help.contains(&format!("--{old} ")), "{help}");
        }
    }
}

/// Frequent options and their letters.
const SHORT: [(&str, char); 7] = [
    ("output", 'o'),
    ("data", 'd'),
    ("layers", 'l'),
    ("limit", 'n'),
    ("batch-size", 'b'),
    ("threads", 't'),
    ("plot", 'p'),
];

#[test]
fn frequent_options_have_one_letter_everywhere() {
    for command in declared().get_subcommands() {
        for option in command.get_arguments() {
            let wanted = SHORT.iter().find(|(long, _)| option.get_long() == Some(long));
            let wanted = wanted.map(|(_, short)| *short);
            if wanted.is_some() {
                assert_eq!(option.get_short(), wanted, "{}", command.get_name());
            }
        }
    }
}

/// The forms of results that every command has which writes some.
const FORMS: [&str; 5] = ["csv", "json", "md", "table", "tsv"];

#[test]
fn results_have_the_same_forms_everywhere() {
    let whole = declared();
    let writing = [
        "layers",
        "cka",
        "compare",
        "platonic",
        "probe",
        "track",
        "fid",
        "distance",
        "saliency",
        "maps",
        "patterns",
        "sensitivity",
        "stitch",
        "check",
        "diff",
    ];
    for name in writing {
        let command = whole.find_subcommand(name).expect("a command");
        let option = |long| command.get_arguments().find(|a| a.get_long() == Some(long));
        let format = option("format").unwrap_or_else(|| panic!("{name}: no --format"));
        let values = format.get_possible_values();
        let values: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
        assert!(FORMS.iter().all(|form| values.contains(form)), "{name}: {values:?}");
        assert_eq!(
            (format.get_short(), option("output").and_then(|o| o.get_short())),
            (Some('f'), Some('o'))
        );
    }
}

#[test]
fn one_seed_is_the_same_option_wherever_models_run() {
    let whole = declared();
    let runs =
        |command: &&clap::Command| command.get_arguments().any(|a| a.get_long() == Some("threads"));
    let commands: Vec<&clap::Command> = whole.get_subcommands().filter(runs).collect();
    assert_eq!(commands.len(), 15);
    let help = |command: &clap::Command| {
        let seed = command.get_arguments().find(|a| a.get_long() == Some("seed"));
        seed.and_then(|seed| seed.get_long_help().map(ToString::to_string))
    };
    assert!(help(commands[0]).is_some());
    assert!(commands.iter().all(|command| help(command) == help(commands[0])));
}

#[test]
fn short_help_is_a_line_an_option() {
    for command in declared().get_subcommands().filter(|c| c.get_name() != "help") {
        for option in command.get_arguments() {
            let text = option.get_help().map(ToString::to_string).unwrap_or_default();
            let name = option.get_id();
            assert!((1..=120).contains(&text.chars().count()), "{name}: {text}");
        }
    }
}
