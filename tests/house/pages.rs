//! Pages that are made from the code: the reference of the plan file and that of the command line. They have to be
//! current; `make docs` writes them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::CommandFactory as _;

use crate::files::{root, text};

#[test]
fn reference_pages_are_current() {
    let plan_file = pgentra::plan::reference(&pgentra::resources::schemas());
    for (page, made) in [
        ("docs/plan-file.md", plan_file),
        ("docs/command-line.md", command_line()),
        ("docs/permissions.md", permissions()),
        ("docs/troubleshooting.md", troubleshooting()),
    ] {
        let path = root().join(page);
        if std::env::var_os("PGENTRA_WRITE_DOCS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == made, "{page} is not what the code says; run `make docs`");
    }
}

/// The page of permissions, with its table of kinds as the code has it.
fn permissions() -> String {
    let (start, end) = ("<!-- made from the code: kinds -->\n", "<!-- end -->");
    let page = text(&root().join("docs/permissions.md"));
    let (head, rest) = page.split_once(start).expect("the page has a place for the table");
    let (_, tail) = rest.split_once(end).expect("the table has an end");
    let mut table = "| kind | to plan | to apply besides | smallest built-in role |\n|---|---|---|---|\n".to_owned();
    for rights in pgentra::resources::RIGHTS {
        let of = |phase: pgentra::resources::Phase| {
            let ours = rights.rights.iter().copied().flatten().filter(|right| right.phase == phase);
            let word = |right: &pgentra::resources::Right| {
                let data = if right.data { " (data)" } else { "" };
                format!("`{}`{data}", right.action.replace("{slots}", ""))
            };
            ours.map(word).collect::<Vec<_>>().join(", ")
        };
        let (plan, apply) = (of(pgentra::resources::Phase::Plan), of(pgentra::resources::Phase::Apply));
        let _ = writeln!(table, "| `{}` | {plan} | {apply} | {} |", rights.kind, rights.role);
    }
    format!("{head}{start}{table}{end}{tail}")
}

/// The symptoms that the doctor knows.
fn troubleshooting() -> String {
    let mut page = "\
# Troubleshooting

This page is made from the rules of `pgentra doctor PLAN_FILE`, which goes through all of it against the live system and
says for each symptom the cause, the evidence and the command that fixes it. It exits with 0 when there is none, with 10
when there is one, and with 11 when it was not allowed to look. A *risk* works today and breaks with the next swap or new
table; it does not change the exit code.

What needs an app to answer is asked by `GET` alone: no job is submitted by looking. Logs are read where a validation of
the plan file names one. Development on one's own machine is `pgentra doctor --local`; missing rights are
`pgentra doctor --can-i` ([permissions](permissions.md)).
"
    .to_owned();
    for rule in pgentra::resources::RULES {
        let _ = writeln!(page, "\n## {}\n\nRule `{}`.\n", rule.title, rule.id);
        let _ = writeln!(page, "- Seen as: {}.", rule.seen_as);
        let _ = writeln!(page, "- Looked at: {}.", rule.looks_at);
        let _ = writeln!(page, "- Fixed by: {}.", rule.remedy);
    }
    page
}

/// The reference of the command line.
fn command_line() -> String {
    let mut root = pgentra::cli::Cli::command();
    root.build();
    let mut page = "\
# The command line

This page is made from the program's own arguments; `pgentra COMMAND --help` says the same, and `pgentra man` writes it
as manual pages.

Results go to standard output, progress and remarks to standard error. Text follows Terraform's conventions where there
is one: `+`, `~`, `-`, `(known after apply)`, `(sensitive value)`, `Plan: 2 to add, 1 to change, 0 to destroy.`,
`No changes.`.

## Exit codes

| exit | meaning |
|---|---|
"
    .to_owned();
    for (code, meaning) in exit_codes() {
        let _ = writeln!(page, "| {code} | {meaning} |");
    }
    page.push_str("\nThe numbers are a promise.\n\n## Options of every command\n\n");
    let of_every: BTreeSet<clap::Id> = root.get_arguments().map(|option| option.get_id().clone()).collect();
    options(&mut page, &root, &|_| true);
    for command in root.get_subcommands().filter(|command| command.get_name() != "help") {
        one(&mut page, command, 2, &of_every);
    }
    page
}

#[test]
fn the_reference_has_options_that_only_some_commands_share_and_their_variables() {
    let page = command_line();
    let (_, down) = page.split_once("## `pgentra sandbox down`").unwrap();
    let down = down.split("\n##").next().unwrap();
    assert!(down.contains("| `--dir <DIRECTORY>` |"), "{down}");
    assert_eq!(page.matches("`--var-file <FILE>`").count(), 1, "options of every command stand once");
    let (_, import) = page.split_once("## `pgentra import`").unwrap();
    assert!(import.split("\n##").next().unwrap().contains("`AZURE_SUBSCRIPTION_ID`"));
}

/// Number and meaning, as the program's own table has them.
fn exit_codes() -> Vec<(u8, String)> {
    let source = text(&root().join("src/cli/exit.rs"));
    let table = source.split("pub enum Exit {").nth(1).and_then(|rest| rest.split('}').next()).unwrap();
    let mut codes = Vec::new();
    let mut meaning = Vec::new();
    for line in table.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("/// ") {
            meaning.push(words);
        } else if let Some((_, code)) = line.trim_end_matches(',').split_once(" = ") {
            codes.push((code.parse().unwrap(), meaning.join(" ")));
            meaning.clear();
        }
    }
    assert!(codes.len() > 10, "the table of exit codes was not understood");
    codes
}

/// A command with its own options: those of every command stand once, at the top.
fn one(page: &mut String, command: &clap::Command, level: usize, of_every: &BTreeSet<clap::Id>) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let name = usage.split(" [").next().unwrap_or(usage).split(" <").next().unwrap_or(usage);
    let _ = writeln!(page, "{} `{name}`\n", "#".repeat(level));
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default();
    let dot = if about.ends_with('.') { "" } else { "." };
    let _ = writeln!(page, "{}{dot}\n\n```text\n{usage}\n```\n", markdown(&about));
    options(page, command, &|option| !of_every.contains(option.get_id()));
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()) {
        one(page, sub, level + 1, of_every);
    }
}

fn options(page: &mut String, command: &clap::Command, wanted: &dyn Fn(&clap::Arg) -> bool) {
    let shown = |option: &&clap::Arg| {
        wanted(option) && !option.is_hide_set() && !["help", "version"].contains(&option.get_id().as_str())
    };
    let options: Vec<&clap::Arg> = command.get_arguments().filter(shown).collect();
    if options.is_empty() {
        return;
    }
    page.push_str("| option | meaning |\n|---|---|\n");
    for option in options {
        let help = option.get_long_help().or_else(|| option.get_help()).map(ToString::to_string).unwrap_or_default();
        let mut meaning = markdown(&help.replace('\n', " "));
        let defaults: Vec<_> = option.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if takes_value(option) && !defaults.is_empty() {
            let _ = write!(meaning, ". Default: `{}`", defaults.join(" "));
        }
        if let Some(variable) = option.get_env() {
            let _ = write!(meaning, ". Or the environment variable `{}`", variable.to_string_lossy());
        }
        let words: Vec<String> =
            option.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
        if takes_value(option) && !words.is_empty() {
            let _ = write!(meaning, ". One of {}", words.join(", "));
        }
        let _ = writeln!(page, "| `{}` | {} |", written(option), meaning.replace('|', "\\|"));
    }
    page.push('\n');
}

fn takes_value(option: &clap::Arg) -> bool {
    option.get_action().takes_values()
}

/// How it is typed: `-d, --database <NAME>`.
fn written(option: &clap::Arg) -> String {
    let short = option.get_short().map(|short| format!("-{short}"));
    let long = option.get_long().map(|long| format!("--{long}"));
    let mut typed: Vec<String> = short.into_iter().chain(long).collect();
    let names = option.get_value_names().unwrap_or_default().join("> <");
    if typed.is_empty() {
        return format!("<{names}>");
    }
    if takes_value(option) && !names.is_empty() {
        let last = typed.len() - 1;
        typed[last] = format!("{} <{names}>", typed[last]);
    }
    typed.join(", ")
}

/// Help text with what Markdown would take for HTML set apart.
fn markdown(help: &str) -> String {
    let odd = help.split('`').enumerate();
    let parts =
        odd.map(|(at, part)| if at % 2 == 0 { part.replace('<', "\\<").replace('*', "\\*") } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("`")
}
