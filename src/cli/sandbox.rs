//! `sandbox`: runs a local Azure and PostgreSQL, in the foreground or behind the terminal.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{Args, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;
use super::output::{Output, unwritten};
use crate::model::{Class, Failure};
use crate::report::{Line, Text, json_line};
use crate::sandbox::{self, AdminRights, Down, Info, Options, Version};

/// Run a local Azure emulator, a PostgreSQL that takes tokens, and a demo app
#[derive(Args, Clone, Debug)]
pub struct SandboxArgs {
    /// Where the sandbox keeps its files
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = ".pgentra-sandbox",
        global = true,
        env = "PGENTRA_SANDBOX_DIR"
    )]
    pub dir: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub action: SandboxAction,
}

/// What to do with the sandbox.
#[derive(Clone, Debug, Subcommand)]
pub enum SandboxAction {
    /// Start it, and stay until interrupted
    Up {
        /// Go on in the background once it is ready
        #[arg(long)]
        detach: bool,
        /// The directory of PostgreSQL's server programs; searched for by default, newest version first
        #[arg(long, value_name = "DIRECTORY", env = "PGENTRA_PG_BIN")]
        postgres: Option<PathBuf>,
        /// What administrators of PostgreSQL may do with the roles of others: as Azure documents it, or as stock
        /// PostgreSQL has it
        #[arg(long, value_name = "RIGHTS", value_enum, default_value_t)]
        rights: Rights,
    },
    /// Stop it; its data stay
    Down,
    /// Stop it and forget its data; the next `up` begins anew
    Reset,
    /// Write the environment variables that point pgentra, az, curl and psql at it, for `eval "$(pgentra sandbox env)"`
    Env,
    /// Show every request that it served
    Log {
        /// Show what PostgreSQL and the demo app said instead
        #[arg(long)]
        processes: bool,
    },
    /// Show the sandbox's clock, or move it on
    Clock {
        /// What to do with it.
        #[command(subcommand)]
        action: ClockAction,
    },
    /// Have the demo app do something wrong, or no longer
    App {
        /// What the app does from now on; `recover` ends all but a lost identity, which the next apply gives it anew
        trouble: AppTrouble,
        /// The app, or `app/slots/slot`
        #[arg(long, value_name = "SITE", default_value = sandbox::names::APP)]
        site: String,
    },
    /// Make a zip that deploys the demo app, for a plan file with `zip = "app.zip"`
    #[command(disable_version_flag = true)]
    Package {
        /// What the app can do: sign in by password or with its identity, or by password only whatever its settings say
        #[arg(id = "app_version", long = "version", value_name = "VERSION", value_enum, default_value_t)]
        version: AppVersion,
        /// Where to write it
        #[arg(long, value_name = "FILE", default_value = "app.zip")]
        out: PathBuf,
    },
    /// The demo app itself; the sandbox runs it
    #[command(hide = true)]
    RunApp,
}

/// What to do with the clock.
#[derive(Clone, Debug, Subcommand)]
pub enum ClockAction {
    /// Say what time it is in the sandbox
    Show,
    /// Move the clock of the emulator, PostgreSQL and the demo app on; needs libfaketime
    Advance {
        /// How far, such as 90m, 36h or 8d
        span: String,
    },
}

/// What the demo app does.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum AppTrouble {
    /// Answer every request with 500
    Fail,
    /// Get no token, and fall back to the password while it has one
    FallBack,
    /// Keep a session open that it opened with its password
    Leak,
    /// Lose its system-assigned identity
    LoseIdentity,
    /// Do nothing wrong any more
    Recover,
}

/// What administrators of PostgreSQL may do.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Rights {
    /// They manage every role that is not restricted, and reach the objects it owns.
    #[default]
    Documented,
    /// As stock PostgreSQL has it.
    Strict,
}

/// The versions of the demo app.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum AppVersion {
    /// Signs in by password or with its identity.
    #[default]
    Both,
    /// Signs in by password.
    PasswordOnly,
}

/// Runs `sandbox`.
pub async fn run(args: &SandboxArgs, output: &Output) -> Result<Exit, Failure> {
    let dir = args.dir.as_path();
    match &args.action {
        SandboxAction::Up { detach: false, postgres, rights } => {
            let rights = match rights {
                Rights::Documented => AdminRights::Documented,
                Rights::Strict => AdminRights::Strict,
            };
            up(Options { postgres: postgres.clone(), rights, ..Options::new(dir) }, output).await?;
        }
        SandboxAction::Up { detach: true, postgres, rights } => detach(dir, postgres.as_deref(), *rights, output)?,
        SandboxAction::Down => {
            let said = match sandbox::down(dir).await? {
                Down::Stopped => "The sandbox is down.",
                Down::Swept => "The sandbox was not running; what it had left behind is down.",
                Down::Nothing => "The sandbox was not running.",
            };
            say(output, said);
        }
        SandboxAction::Reset => {
            sandbox::reset(dir).await?;
            say(output, "The sandbox is down and its data are gone.");
        }
        SandboxAction::Env => output.data(&sandbox::env(dir)?)?,
        SandboxAction::Log { processes: true } => {
            for (name, text) in sandbox::log(dir)? {
                let lines = text.lines().map(|line| Line::plain(format!("{name}: {line}")));
                output.text(&lines.collect::<Text>())?;
            }
        }
        SandboxAction::Log { processes: false } => {
            for request in sandbox::requests(dir).await? {
                output.data(&json_line(&request))?;
            }
        }
        SandboxAction::Clock { action } => clock(dir, action, output).await?,
        SandboxAction::App { trouble, site } => say(output, &trouble_app(dir, *trouble, site).await?),
        SandboxAction::Package { version, out } => {
            let version = match version {
                AppVersion::Both => Version::Both,
                AppVersion::PasswordOnly => Version::PasswordOnly,
            };
            std::fs::write(out, version.package()).map_err(|error| unwritten(out, &error))?;
        }
        SandboxAction::RunApp => sandbox::run_app().await?,
    }
    Ok(Exit::Done)
}

async fn clock(dir: &Path, action: &ClockAction, output: &Output) -> Result<(), Failure> {
    let span = match action {
        ClockAction::Show => None,
        ClockAction::Advance { span } => Some(span.as_str()),
    };
    let clock = sandbox::move_clock(dir, span).await?;
    let ahead = if clock.ahead.is_empty() { String::new() } else { format!(", {} ahead", clock.ahead) };
    output.text(&[Line::plain(format!("{}{ahead}", clock.now))].into_iter().collect::<Text>())
}

/// Has the app do one thing wrong and nothing else; what to say about it.
async fn trouble_app(dir: &Path, trouble: AppTrouble, site: &str) -> Result<String, Failure> {
    let mut wanted = sandbox::Trouble::default();
    let said = match trouble {
        AppTrouble::Fail => {
            wanted.fail = true;
            "answers every request with 500."
        }
        AppTrouble::FallBack => {
            wanted.fall_back = true;
            "gets no token and falls back to its password."
        }
        AppTrouble::Leak => {
            wanted.leak = true;
            "keeps a session open that it opened with its password."
        }
        AppTrouble::LoseIdentity => {
            sandbox::lose_identity(dir, site).await?;
            return Ok(format!("{site} has no identity any more; `pgentra apply` gives it another one."));
        }
        AppTrouble::Recover => "does nothing wrong any more.",
    };
    sandbox::trouble_app(dir, site, wanted).await?;
    Ok(format!("{site} {said}"))
}

fn say(output: &Output, text: &str) {
    output.aside(&[Line::plain(text)].into_iter().collect::<Text>());
}

async fn up(options: Options, output: &Output) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Class::Other, "cannot hear signals")
            .remedy("run it where processes may handle signals")
            .detail(error.to_string())
    };
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?);
    let shutdown = async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    };
    // A reader of standard output that went away is no reason to end.
    let dir = options.dir.clone();
    let ready = |info: &Info| drop(output.text(&greeting(&dir, info)));
    sandbox::up(options, ready, shutdown).await
}

fn greeting(dir: &Path, info: &Info) -> Text {
    let option = if dir == Path::new(".pgentra-sandbox") { String::new() } else { format!(" --dir {}", dir.display()) };
    [
        format!("The sandbox is up. Azure: {}", info.resource_manager),
        format!("  PostgreSQL: {}:5432, app: {}", info.postgres_host, info.app_url),
        "Point a shell at it, then try the migration:".to_owned(),
        format!("  eval \"$(pgentra sandbox env{option})\""),
        "  pgentra plan plans/rmhazuregeoapi.toml".to_owned(),
    ]
    .iter()
    .map(Line::plain)
    .collect()
}

/// Starts `sandbox up` as a process of its own and waits until it says that it is ready, or ends.
fn detach(dir: &Path, postgres: Option<&Path>, rights: Rights, output: &Output) -> Result<(), Failure> {
    let failed = |what: &'static str| {
        move |error: std::io::Error| {
            Failure::new(Class::Other, "the sandbox cannot be started in the background")
                .detail(format!("cannot {what}: {error}"))
                .remedy("name a directory that you may write to with --dir, or leave --detach out")
        }
    };
    std::fs::create_dir_all(dir).map_err(failed("make the sandbox's directory"))?;
    let log = dir.join("up.log");
    let errors = std::fs::File::create(&log).map_err(failed("write the sandbox's log"))?;
    let mut child = Command::new(std::env::current_exe().map_err(failed("find the program itself"))?)
        .args(["sandbox", "up", "--dir"])
        .arg(dir)
        .args(rights.to_possible_value().iter().flat_map(|rights| ["--rights", rights.get_name()]))
        .args(postgres.iter().flat_map(|programs| [Path::new("--postgres"), programs]))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(failed("start the sandbox"))?;
    let mut lines = Vec::new();
    if let Some(out) = child.stdout.take() {
        // The greeting has five lines; afterwards nobody reads, and the sandbox does not mind.
        lines.extend(BufReader::new(out).lines().take(5).map_while(Result::ok));
    }
    if lines.is_empty() {
        let _ = child.wait();
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        return Err(not_started(&said));
    }
    output.text(&lines.iter().map(Line::plain).collect::<Text>())
}

/// What the sandbox said before it ended.
pub(super) fn not_started(said: &str) -> Failure {
    Failure::new(Class::Other, "the sandbox did not start")
        .detail(said.trim().to_owned())
        .remedy("mend what it names; `pgentra sandbox log --processes` shows more")
}
