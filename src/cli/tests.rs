//! Command lines as they are typed, and the arguments of every command.

use std::ffi::OsString;

use clap::{Args, CommandFactory as _, FromArgMatches};

use super::args::{Format, Global, Log, PlanFileArg};
use super::exit::Exit;
use super::output::Output;
use super::{Cli, apply, fmt, graph, history, plan, psql, render, run, sandbox, schema, show, token, validate, verify};

fn typed(line: &str) -> Vec<OsString> {
    line.split(' ').map(OsString::from).collect()
}

/// Reads a line with the arguments of one command.
pub(super) fn parse<T: Args + FromArgMatches>(line: &str) -> Result<T, clap::Error> {
    let command = T::augment_args(clap::Command::new("test"));
    command.clone().debug_assert();
    T::from_arg_matches(&command.try_get_matches_from(typed(line))?)
}

#[test]
fn the_commands_fit_together() {
    Cli::command().debug_assert();
}

#[test]
fn wrong_usage_is_an_error_and_help_is_not() {
    for line in ["pgentra", "pgentra nonsense", "pgentra man --nonsense", "pgentra man --format xml"] {
        assert_eq!(run(typed(line)), Exit::Error, "{line}");
    }
    for line in ["pgentra --help", "pgentra --version", "pgentra init --help"] {
        assert_eq!(run(typed(line)), Exit::Done, "{line}");
    }
}

#[test]
fn global_options_may_stand_anywhere() {
    use clap::Parser as _;
    for line in ["pgentra --format json --log debug man --var a=b", "pgentra man --var a=b --log debug --format json"] {
        let Global { format, log, var, .. } = Cli::try_parse_from(typed(line)).unwrap().global;
        assert_eq!((format, log, var), (Format::Json, Log::Debug, vec!["a=b".to_owned()]));
    }
}

#[test]
fn every_command_reads_its_arguments() {
    let args: plan::PlanArgs = parse("plan p.toml --only role.a --only role.b --out x --detailed-exitcode").unwrap();
    assert_eq!((args.live.parallelism, args.live.only.len(), args.detailed_exitcode), (10, 2, true));
    let args: apply::ApplyArgs = parse("apply p.toml --on-failure stop --lock-timeout 5m --auto-approve").unwrap();
    assert_eq!((args.on_failure, args.lock_timeout.as_secs()), (apply::OnFailure::Stop, 300));
    assert_eq!(parse::<apply::ApplyArgs>("apply").unwrap().on_failure, apply::OnFailure::Rollback);
    assert!(parse::<plan::PlanArgs>("plan --parallelism 0").is_err());
    assert!(parse::<plan::PlanArgs>("plan --only nonsense").is_err());
    assert!(parse::<fmt::FmtArgs>("fmt --check").unwrap().check);
    assert_eq!(parse::<graph::GraphArgs>("graph --as dot").unwrap().notation, graph::Notation::Dot);
    assert_eq!(parse::<show::ShowArgs>("show r1 p.toml").unwrap().run, "r1");
    assert_eq!(parse::<token::TokenArgs>("token --for arm").unwrap().audience, token::Audience::Arm);
    assert_eq!(parse::<psql::PsqlArgs>("psql -d geo -- -c \\dt").unwrap().psql, ["-c", "\\dt"]);
    assert!(matches!(
        parse::<render::RenderArgs>("render kql p.toml --schema workspace").unwrap().form,
        render::Form::Kql(_)
    ));
    assert!(matches!(parse::<render::RenderArgs>("render sql p.toml").unwrap().form, render::Form::Sql(_)));
    let args: sandbox::SandboxArgs = parse("sandbox up --dir x").unwrap();
    assert!(matches!(args.action, sandbox::SandboxAction::Up { detach: false, .. }) && args.dir.ends_with("x"));
    assert!(parse::<validate::ValidateArgs>("validate").is_ok() && parse::<schema::SchemaArgs>("schema").is_ok());
    assert!(parse::<history::HistoryArgs>("history").is_ok() && parse::<verify::VerifyArgs>("verify").is_ok());
}

#[test]
fn validate_tells_people_and_programs() {
    let directory = tempfile::tempdir().unwrap();
    let plan = directory.path().join("p.toml");
    let into = directory.path().join("out.json");
    std::fs::write(&plan, "version = 1\nnaem = \"x\"\nurl = \"postgres://u:hunter2@h/d\"\n").unwrap();
    let args = validate::ValidateArgs { file: PlanFileArg { file: Some(plan.clone()) }, sarif_into: None };
    let global = Global { json_into: Some(into.clone()), ..Global::default() };
    let output = Output::new(&global, "validate");
    assert_eq!(validate::run(&args, &global, &[], &output), Ok(Exit::Findings));
    let data: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&into).unwrap()).unwrap();
    assert_eq!(data["valid"], false);
    assert_eq!(data["diagnostics"][1]["range"]["start"]["line"], 2);
    assert!(!data.to_string().contains("hunter2"));
    std::fs::write(&plan, "version = 1\nname = \"x\"\n").unwrap();
    assert_eq!(validate::run(&args, &global, &[], &output), Ok(Exit::Done));
}

#[test]
fn an_error_goes_into_the_json_file_too() {
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().join("out.json");
    let file = directory.path().join("none.toml");
    let line = format!("pgentra fmt {} --json-into {}", file.display(), into.display());
    assert_eq!(run(typed(&line)), Exit::Error);
    let data: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&into).unwrap()).unwrap();
    assert_eq!(data["error"]["class"], "input");
}
