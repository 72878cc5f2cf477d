//! `psql`: runs PostgreSQL's own client on a server of the plan file, with a token as its password.

use std::ffi::OsString;
use std::process::Command;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::{Global, PlanFileArg};
use super::exit::{Ended, Exit};
use super::live;
use super::load::usable;
use super::output::Output;
use crate::model::{Auth, Class, ConnectionTarget, Failure, ServerTarget, Target, Tls};
use crate::postgres::Access as _;
use crate::resources::fetch;

/// Run psql on a server of the plan file, signed in with a token
#[derive(Args, Clone, Debug)]
pub struct PsqlArgs {
    /// The plan file [default: the `*.toml` here that has a `version`]
    #[arg(long = "plan", value_name = "PLAN_FILE")]
    pub file: Option<std::path::PathBuf>,
    /// The server, by its Azure name; may be left out when the plan file has one
    #[arg(long)]
    pub server: Option<String>,
    /// The database
    #[arg(long, short, default_value = "postgres")]
    pub database: String,
    /// The role to sign in as, with a token; by default the server's first connection
    #[arg(long, short = 'U')]
    pub user: Option<String>,
    /// What psql gets, after `--`: for example `-- -c "SELECT 1"`
    #[arg(last = true)]
    pub psql: Vec<OsString>,
}

/// Runs `psql` and ends as it does: well, or not.
pub async fn run(args: &PsqlArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    let file = PlanFileArg { file: args.file.clone() };
    let (_, file) = usable(&file, global, output)?;
    let server = server(&file.target, args.server.as_deref())?;
    let connection = connection(server, args.user.as_deref())?;
    let access = live::access(&file.target, global).await?;
    let password = match &connection.auth {
        Auth::Token => access.token().await?,
        Auth::Password(source) => fetch(source)?,
    };
    let host = match &server.host {
        Some(host) => host.clone(),
        None => access.host(server).await?,
    };
    let mut psql = Command::new("psql");
    psql.args(&args.psql)
        .env("PGHOST", host)
        .env("PGPORT", server.port.to_string())
        .env("PGDATABASE", &args.database)
        .env("PGUSER", &connection.user)
        .env("PGPASSWORD", password.expose())
        .env("PGSSLMODE", tls(server.tls));
    // libpq has no authorities of its own, and without a file it refuses to verify anything.
    if let Some(file) = authorities() {
        psql.env("PGSSLROOTCERT", file);
    }
    let _left = leave_keys_to_psql()?;
    let ended = psql.status().map_err(|error| not_run(&error))?;
    Ok(if ended.success() { Exit::Done } else { Exit::Error })
}

/// What Ctrl-C and Ctrl-\ send goes to both; psql cancels a query by it, and pgentra must not end before psql does. A
/// handler, unlike a signal that is ignored, is not passed on to the child.
fn leave_keys_to_psql() -> Result<[Signal; 2], Failure> {
    let hear = |kind| {
        signal(kind).map_err(|error| {
            Failure::new(Class::Other, "cannot hear signals")
                .remedy("run it where processes may handle signals")
                .detail(error.to_string())
        })
    };
    Ok([hear(SignalKind::interrupt())?, hear(SignalKind::quit())?])
}

pub(super) fn server<'a>(target: &'a Target, named: Option<&str>) -> Result<&'a ServerTarget, Failure> {
    let known = || target.servers.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    match (named, target.servers.values().collect::<Vec<_>>().as_slice()) {
        (_, []) => Err(Failure::new(Class::Input, "the plan file has no server")
            .remedy("add [server.<label>] with its name and an admin, or name another plan file")),
        (Some(name), _) => target.servers.get(name).ok_or_else(|| {
            Failure::new(Class::Input, "the plan file has no such server")
                .detail(format!("{name:?}; servers it has: {}", known()))
                .remedy("choose one of these with --server")
        }),
        (None, [only]) => Ok(*only),
        (None, _) => Err(Failure::new(Class::Input, "the plan file has several servers")
            .detail(known())
            .remedy("choose one of these with --server")),
    }
}

/// The connection of the plan file, or the given role with a token.
pub(super) fn connection(server: &ServerTarget, user: Option<&str>) -> Result<ConnectionTarget, Failure> {
    match (user, server.connections.first()) {
        (Some(user), _) => match server.connections.iter().find(|connection| connection.user == user) {
            Some(connection) => Ok(connection.clone()),
            None => Ok(ConnectionTarget { name: user.to_owned(), user: user.to_owned(), auth: Auth::Token }),
        },
        (None, Some(first)) => Ok(first.clone()),
        (None, None) => Err(Failure::new(Class::Input, "the server has no connection in the plan file")
            .detail(format!("server {}", server.name))
            .remedy("name a role with --user")),
    }
}

/// Where distributions keep the authorities that they trust.
const AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The system's authorities, unless the user has named some: by `PGSSLROOTCERT` or in libpq's own place.
fn authorities() -> Option<&'static str> {
    let named = std::env::var_os("PGSSLROOTCERT").is_some();
    let own = std::env::home_dir().is_some_and(|home| home.join(".postgresql/root.crt").exists());
    if named || own { None } else { AUTHORITIES.into_iter().find(|path| std::path::Path::new(path).exists()) }
}

pub(super) fn not_run(error: &std::io::Error) -> Failure {
    Failure::new(Class::Input, "cannot run psql")
        .detail(error.to_string())
        .remedy("install PostgreSQL's client: on Debian the package postgresql-client")
}

/// libpq's word.
fn tls(tls: Tls) -> &'static str {
    match tls {
        Tls::VerifyFull => "verify-full",
        Tls::VerifyCa => "verify-ca",
        Tls::Require => "require",
        Tls::Disable => "disable",
    }
}

#[cfg(test)]
mod tests {
    use super::leave_keys_to_psql;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    #[tokio::test]
    async fn the_parent_outlives_a_key_that_ends_the_child() {
        let _left = leave_keys_to_psql().unwrap();
        let child = "kill -INT $PPID; kill -QUIT $PPID; kill -INT $$; exit 0";
        let ended = Command::new("sh").args(["-c", child]).status().unwrap();
        assert_eq!(ended.signal(), Some(nix::sys::signal::Signal::SIGINT as i32), "{ended:?}");
    }
}
