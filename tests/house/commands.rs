//! The commands in the pages are commands that the program takes.

use clap::CommandFactory as _;

use crate::files::{below, name, none, text};

/// Pages that show usages (`[OPTIONS]`) in the place of commands.
const USAGES: [&str; 1] = ["docs/command-line.md"];

#[test]
fn commands_in_pages_are_taken() {
    let mut complaints = Vec::new();
    let mut seen = 0;
    for page in below("", ".md") {
        let file = name(&page);
        if USAGES.contains(&file.as_str()) {
            continue;
        }
        for command in commands(&text(&page)) {
            seen += 1;
            // What the environment gives is not what a page says.
            let program = pgentra::cli::Cli::command().mut_subcommands(without_variables);
            if let Err(error) = program.try_get_matches_from(words(&command)) {
                let why = error.to_string();
                complaints.push(format!("{file}: {command}: {}", why.lines().next().unwrap_or_default()));
            }
        }
    }
    none("commands that the program does not take", &complaints);
    assert!(seen > 40, "only {seen} commands were found");
}

fn without_variables(command: clap::Command) -> clap::Command {
    command.mut_args(|option| option.env(None::<&str>))
}

/// The commands in a page's blocks, each up to where the shell takes over.
fn commands(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block = false;
    for line in page.replace("\\\n", " ").lines() {
        if line.starts_with("```") {
            block = !block;
        }
        let indented = line.starts_with("    pgentra ");
        if !block && !indented {
            continue;
        }
        let line = line.trim().trim_start_matches("- ").trim_start_matches("run: ");
        // A comment ends the line, and the shell's own signs end a command.
        let line = line.split(" #").next().unwrap_or_default();
        let parts = line.split([';', '|', '>', '(', ')']).flat_map(|part| part.split(" && ")).map(str::trim);
        found.extend(parts.filter(|part| part.starts_with("pgentra ")).map(str::to_owned));
    }
    found
}

/// The words of a command, as a shell sees them.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            None if c == '"' || c == '\'' => (quote, word) = (Some(c), Some(word.unwrap_or_default())),
            None if c == ' ' => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn commands_are_found_as_a_shell_finds_them() {
    let page =
        "pgentra no\n```sh\npgentra a 'b c' \\\n  d > e\neval \"$(pgentra f)\"\n# pgentra no\n```\n    pgentra g # h\n";
    let found = commands(page);
    assert_eq!(found, ["pgentra a 'b c'    d", "pgentra f", "pgentra g"]);
    assert_eq!(words(&found[0]), ["pgentra", "a", "b c", "d"]);
}
