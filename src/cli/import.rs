//! `import`: writes a plan file that says what is there; changes nothing live and overwrites no file unasked.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::args::Global;
use super::exit::Exit;
use super::locate::Source;
use super::output::{Output, unwritten};
use super::{findings, live};
use crate::azure::{Administrator, SiteId};
use crate::diff::Summary;
use crate::model::{Auth, Class, ConnectionTarget, Failure, SecretSource, Target};
use crate::pipeline::{self, Wanted};
use crate::plan::{self, PlanFile};
use crate::report::{Line, Text};
use crate::resources::schemas;

/// Write a plan file from an app, its server and its role as they are; changes nothing
///
/// Right afterwards `pgentra plan` says `No changes.` for an app that uses its identity, and shows the migration for one
/// that still uses a password. No value that may be a secret is written.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The subscription id
    #[arg(long, env = "AZURE_SUBSCRIPTION_ID")]
    pub subscription: String,
    /// The resource group of the app
    #[arg(long, short = 'g')]
    pub resource_group: String,
    /// The app's Azure name
    #[arg(long)]
    pub app: String,
    /// A deployment slot of the app
    #[arg(long)]
    pub slot: Option<String>,
    /// The flexible server's Azure name [default: the one that the app's settings name]
    #[arg(long)]
    pub server: Option<String>,
    /// A database; may be given again [default: those of the settings, and those where the role has anything]
    #[arg(long)]
    pub database: Vec<String>,
    /// The role [default: the one that stands for the app's identity]
    #[arg(long)]
    pub role: Option<String>,
    /// The role to sign in to the server as [default: each of its Entra administrators, until one is let in]
    #[arg(long, value_name = "ROLE")]
    pub connect_as: Option<String>,
    /// The environment variable with that role's password; without it a token is used
    #[arg(long, value_name = "VARIABLE", requires = "connect_as")]
    pub password_env: Option<String>,
    /// The name of an Entra administrator to propose where the server has none
    #[arg(long, value_name = "NAME", requires = "admin_object_id")]
    pub admin: Option<String>,
    /// Its object id
    #[arg(long, value_name = "ID", requires = "admin")]
    pub admin_object_id: Option<String>,
    /// What it is
    #[arg(long, value_enum, value_name = "KIND", default_value = "group")]
    pub admin_type: AdminType,
    /// Where to write the plan file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Overwrite that file
    #[arg(long, requires = "out")]
    pub force: bool,
}

/// What an administrator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AdminType {
    /// A person.
    User,
    /// A group.
    Group,
    /// An application or a managed identity.
    ServicePrincipal,
}

/// Runs `import`.
pub async fn run(args: &ImportArgs, global: &Global, output: &Output) -> Result<Exit, Failure> {
    if let Some(path) = args.out.as_deref().filter(|path| path.exists() && !args.force) {
        return Err(exists(path));
    }
    let wanted = wanted(args);
    let target = Target { cloud: wanted.cloud.clone(), ..Target::default() };
    let access = Arc::new(live::access(&target, global).await?);
    let seen = pipeline::import(&live::world(&target, global, None).await?, access, &wanted).await?;
    let text = plan::write(&pipeline::sections(&seen));
    match &args.out {
        Some(path) => write(path, &text, args.force)?,
        None => output.data(&text)?,
    }
    let (file, found) = plan::load(&text, &BTreeMap::new(), &schemas());
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from("imported.toml"));
    let source = Source { path, text };
    let exit = findings::report(output, &source, &found);
    if let Some(file) = file.filter(|_| exit == Exit::Done) {
        tell(args, &file, global, output).await?;
    }
    Ok(exit)
}

fn wanted(args: &ImportArgs) -> Wanted {
    let kind = match args.admin_type {
        AdminType::User => "User",
        AdminType::Group => "Group",
        AdminType::ServicePrincipal => "ServicePrincipal",
    };
    let admin = args.admin.as_ref().map(|name| Administrator {
        principal_name: Some(name.clone()),
        object_id: args.admin_object_id.clone(),
        principal_type: Some(kind.to_owned()),
        tenant_id: None,
    });
    let connection = args.connect_as.as_ref().map(|user| ConnectionTarget {
        name: "import".to_owned(),
        user: user.clone(),
        auth: args.password_env.as_ref().map_or(Auth::Token, |name| Auth::Password(SecretSource::Env(name.clone()))),
    });
    Wanted {
        // A cloud that the environment names is not the file's: it is asked for again by whoever plans.
        cloud: Target::default().cloud,
        site: SiteId {
            subscription: args.subscription.clone(),
            resource_group: args.resource_group.clone(),
            app: args.app.clone(),
            slot: args.slot.clone().filter(|slot| !slot.eq_ignore_ascii_case("production")),
        },
        server: args.server.clone(),
        databases: args.database.clone(),
        role: args.role.clone(),
        admin,
        connection,
    }
}

pub(super) fn exists(path: &Path) -> Failure {
    Failure::new(Class::Input, "the file exists and is not overwritten")
        .detail(path.display().to_string())
        .remedy("name another file, or say --force")
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => unwritten(path, &error),
    };
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(!force).create(force).truncate(force);
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
}

/// Plans with what was written, and says what that comes to.
async fn tell(args: &ImportArgs, file: &PlanFile, global: &Global, output: &Output) -> Result<(), Failure> {
    let mut lines: Vec<String> = args.out.iter().map(|path| format!("Wrote {}.", path.display())).collect();
    let world = live::world(&file.target, global, None).await?;
    let planned = pipeline::plan(&world, &file.desired, 10).await?;
    let Summary { add, change, .. } = planned.changes.summary();
    lines.push(if planned.steps.is_empty() && !planned.frontier {
        "Planning with it: No changes.".to_owned()
    } else {
        let more = if planned.frontier { ", and more once the server can be looked into" } else { "" };
        format!("Planning with it: {add} to add, {change} to change{more}.")
    });
    output.aside(&lines.into_iter().map(Line::plain).collect::<Text>());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn a_file_is_overwritten_only_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan.toml");
        write(&path, "a long first text", false).unwrap();
        let failure = write(&path, "x", false).unwrap_err();
        assert!(failure.summary.contains("not overwritten") && failure.remedy.unwrap().contains("--force"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a long first text");
        write(&path, "x", true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "x");
    }
}
