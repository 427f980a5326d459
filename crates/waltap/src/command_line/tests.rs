//! The help, word for word, as it stands in `tests/help/`. After a wanted change: `UPDATE_HELP=1 cargo test -p waltap help`.

use std::path::Path;

use clap::CommandFactory;

use super::CommandLine;

/// The width for which the recorded pages are laid out.
const WIDTH: usize = 110;

fn help(path: &[&str]) -> String {
    let mut command = CommandLine::command().term_width(WIDTH);
    command.build();
    let mut found = &mut command;
    for name in path {
        found = found.find_subcommand_mut(name).unwrap();
    }
    let help = found.clone().term_width(WIDTH).render_long_help().to_string();
    help.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn the_help_is_as_recorded() {
    let update = std::env::var_os("UPDATE_HELP").is_some();
    let pages: [&[&str]; 16] = [
        &[],
        &["capture"],
        &["check"],
        &["slots", "list"],
        &["slots", "drop"],
        &["publications", "accept"],
        &["snapshot"],
        &["pause"],
        &["resume"],
        &["drop"],
        &["dead-letters", "list"],
        &["dead-letters", "replay"],
        &["topics", "list"],
        &["topics", "tail"],
        &["status"],
        &["explain"],
    ];
    for path in pages {
        let name = if path.is_empty() { "waltap".to_owned() } else { path.join("-") };
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/help/{name}.txt"));
        if update {
            std::fs::write(&file, help(path)).unwrap();
        }
        let recorded = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(recorded == help(path), "the help of {name} differs from {}:\n{}", file.display(), help(path));
    }
}

#[test]
fn the_definition_holds_together() {
    CommandLine::command().debug_assert();
}

#[test]
fn a_malformed_property_is_refused_without_showing_it() {
    let arguments = ["waltap", "capture", "--kafka-property", "sasl.password hunter2"];
    let error = <CommandLine as clap::Parser>::try_parse_from(arguments).err().unwrap();
    assert_eq!(error.exit_code(), 2);
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
