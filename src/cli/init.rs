//! `init`: writes a commented plan file out of a few answers; never overwrites one.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use clap::Args;
use toml_edit::Value;

use super::exit::Exit;
use super::output::{Output, unwritten};
use super::prompt::{self, Prompt};
use crate::model::{Class, Failure};
use crate::report::{Line, Text};

/// Write a commented plan file; asks for what is not given
#[derive(Args, Clone, Debug, Default)]
pub struct InitArgs {
    /// Where to write it
    #[arg(value_name = "PLAN_FILE", default_value = "pgentra.toml")]
    pub file: PathBuf,
    /// The app's Azure name
    #[arg(long)]
    pub app: Option<String>,
    /// The flexible server's Azure name
    #[arg(long)]
    pub server: Option<String>,
    /// The database that the app uses
    #[arg(long)]
    pub database: Option<String>,
    /// The resource group of the app and the server
    #[arg(long)]
    pub resource_group: Option<String>,
    /// The subscription id
    #[arg(long)]
    pub subscription: Option<String>,
    /// The Entra tenant id
    #[arg(long)]
    pub tenant: Option<String>,
    /// The name of a group of Entra administrators of the server; without it the plan file has a line to fill in
    #[arg(long, requires = "admin_object_id")]
    pub admin: Option<String>,
    /// The object id of that group
    #[arg(long, requires = "admin")]
    pub admin_object_id: Option<String>,
}

/// Runs `init`.
pub fn run(args: &InitArgs, output: &Output) -> Result<Exit, Failure> {
    let exists = || {
        Failure::new(Class::Input, "the file exists and is not overwritten")
            .detail(args.file.display().to_string())
            .remedy("name another file as an argument")
    };
    if args.file.exists() {
        return Err(exists());
    }
    let answers = prompt::with_terminal(|prompt| answers(args, prompt))?;
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => exists(),
        _ => unwritten(&args.file, &error),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(&args.file).map_err(failed)?;
    file.write_all(plan_file(&answers).as_bytes()).map_err(failed)?;
    let path = args.file.display();
    let lines = [
        Line::plain(format!("Wrote {path}.")),
        Line::plain(format!("Next: run `pgentra validate {path}` and `pgentra plan {path}`.")),
    ];
    output.aside(&lines.into_iter().collect::<Text>());
    Ok(Exit::Done)
}

pub(super) struct Answers {
    app: String,
    server: String,
    database: String,
    resource_group: String,
    subscription: String,
    tenant: String,
    admin: Option<(String, String)>,
}

pub(super) fn answers(args: &InitArgs, prompt: &mut Prompt<'_>) -> Result<Answers, Failure> {
    let questions = [
        ("--app", &args.app),
        ("--server", &args.server),
        ("--database", &args.database),
        ("--resource-group", &args.resource_group),
        ("--subscription", &args.subscription),
        ("--tenant", &args.tenant),
    ];
    let missing: Vec<&str> = questions.iter().filter(|(_, given)| given.is_none()).map(|(flag, _)| *flag).collect();
    if !missing.is_empty() && !prompt.interactive {
        return Err(Failure::new(Class::Input, "cannot ask for what is missing: there is no terminal")
            .remedy(format!("give {}", missing.join(", "))));
    }
    let answer = |prompt: &mut Prompt<'_>, given: &Option<String>, what: &str| {
        given.clone().map_or_else(|| prompt.value(what), Ok)
    };
    Ok(Answers {
        app: answer(prompt, &args.app, "Azure name of the app")?,
        server: answer(prompt, &args.server, "Azure name of the PostgreSQL flexible server")?,
        database: answer(prompt, &args.database, "Database")?,
        resource_group: answer(prompt, &args.resource_group, "Resource group")?,
        subscription: answer(prompt, &args.subscription, "Subscription id")?,
        tenant: answer(prompt, &args.tenant, "Entra tenant id")?,
        admin: match args.admin.clone().zip(args.admin_object_id.clone()) {
            None if prompt.interactive => {
                let name = prompt.optional("Group of Entra administrators (empty: to be filled in later)")?;
                name.map(|name| Ok::<_, Failure>((name, prompt.value("Its object id")?))).transpose()?
            }
            given => given,
        },
    })
}

/// The template. Answers are quoted by the TOML library, so that any name stays a name.
fn plan_file(answers: &Answers) -> String {
    // Texts of a plan file have variables filled in; `$${` stands for `${` itself.
    let quoted = |text: &str| Value::from(text.replace("${", "$${")).to_string();
    let key = |text: &str| toml_edit::Key::new(text).to_string();
    let role = format!("{}-identity", answers.app);
    let admin = |name: &str, id: &str| {
        format!("admin = {{ name = {}, object_id = {}, type = \"group\" }}", quoted(name), quoted(id))
    };
    let admin = match &answers.admin {
        Some((name, id)) => admin(name, id),
        None => format!("# {}", admin("pg-deployers", "00000000-0000-0000-0000-000000000000")),
    };
    let replacements = [
        ("@admin@", admin),
        ("@app@", quoted(&answers.app)),
        ("@app-key@", key(&answers.app)),
        ("@server@", quoted(&answers.server)),
        ("@server-key@", key(&answers.server)),
        ("@database@", quoted(&answers.database)),
        ("@group@", quoted(&answers.resource_group)),
        ("@subscription@", quoted(&answers.subscription)),
        ("@tenant@", quoted(&answers.tenant)),
        ("@role-key@", key(&role)),
        ("@role-ref@", quoted(&format!("role.{}.name", key(&role)))),
        ("@identity-ref@", quoted(&format!("app.{}.principal_id", key(&answers.app)))),
    ];
    // One pass over the template: an answer that holds `@app@` stays as it is.
    let mut out = String::new();
    for piece in TEMPLATE.split_inclusive('\n') {
        let mut rest = piece;
        while let Some((at, mark, text)) = replacements
            .iter()
            .filter_map(|(mark, text)| rest.find(mark).map(|at| (at, *mark, text)))
            .min_by_key(|(at, ..)| *at)
        {
            out.push_str(&rest[..at]);
            out.push_str(text);
            rest = &rest[at + mark.len()..];
        }
        out.push_str(rest);
    }
    // As `fmt` would have it, whatever the answers are.
    crate::plan::format(&out).ok().flatten().unwrap_or(out)
}

const TEMPLATE: &str = include_str!("init.template.toml");

#[cfg(test)]
mod tests {
    use super::{Answers, InitArgs, answers, plan_file};
    use crate::cli::prompt::Prompt;
    use std::collections::BTreeMap;

    fn some(app: &str) -> Answers {
        let text = str::to_owned;
        Answers {
            app: text(app),
            server: text("geopg"),
            database: text("geo\"db"),
            resource_group: text("rg"),
            subscription: text("22222222-2222-4222-8222-222222222222"),
            tenant: text("11111111-1111-4111-8111-111111111111"),
            admin: Some((text("ops \"1\""), text("33333333-3333-4333-8333-333333333333"))),
        }
    }

    #[test]
    fn what_is_written_is_a_plan_file_without_errors() {
        for app in ["geoapi", "app.with@app@dots"] {
            let text = plan_file(&some(app));
            let table: toml::Table = text.parse().unwrap();
            assert!(table["app"].as_table().unwrap().contains_key(app), "{text}");
            let without = plan_file(&Answers { admin: None, ..some(app) });
            for text in [text, without] {
                assert_eq!(crate::plan::format(&text), Ok(Some(text)), "as `fmt` has it");
            }
        }
        assert_eq!(rules(&some("geoapi")), Vec::<&str>::new());
    }

    /// The rules that a written file breaks. No kinds are at hand here, so that none has an output.
    fn rules(answers: &Answers) -> Vec<&'static str> {
        let (_, findings) = crate::plan::load(&plan_file(answers), &BTreeMap::new(), &[]);
        findings.iter().map(|finding| finding.rule).filter(|rule| *rule != "unknown-output").collect()
    }

    #[test]
    fn without_an_administrator_validate_says_what_to_fill_in() {
        assert_eq!(rules(&Answers { admin: None, ..some("geoapi") }), ["no-connection"]);
    }

    #[test]
    fn what_is_missing_is_asked_or_named() {
        let args = InitArgs { app: Some("a".into()), ..InitArgs::default() };
        let ask = |typed: &str, interactive| {
            let (mut input, mut output) = (typed.as_bytes(), Vec::new());
            answers(&args, &mut Prompt { input: &mut input, output: &mut output, interactive })
        };
        let answers = ask("s\n\nd\ng\nu\nt\n\n", true).unwrap();
        assert_eq!(answers.admin, None);
        assert_eq!((answers.app.as_str(), answers.server.as_str(), answers.database.as_str()), ("a", "s", "d"));
        let admin = ask("s\nd\ng\nu\nt\nops\nid\n", true).unwrap().admin;
        assert_eq!(admin, Some(("ops".to_owned(), "id".to_owned())));
        let failure = ask("", false).err().unwrap();
        assert_eq!(
            failure.remedy.as_deref(),
            Some("give --server, --database, --resource-group, --subscription, --tenant")
        );
    }
}
