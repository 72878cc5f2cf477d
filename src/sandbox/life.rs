//! `sandbox down`, `reset` and `log`: ends a sandbox whether it still runs or was killed, and forgets it.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::files;
use super::info::{Info, missing, process_start};
use crate::model::{Class, Failure};

/// How long a sandbox gets to end by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// What `down` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// It ran and was stopped.
    Stopped,
    /// It did not run, but a PostgreSQL that it had left behind did.
    Swept,
    /// Nothing ran.
    Nothing,
}

/// Stops the sandbox in `dir` and waits until all of its processes are gone.
pub async fn down(dir: &Path) -> Result<Down, Failure> {
    let Some(mut info) = Info::read(dir)? else { return Ok(Down::Nothing) };
    let ran = info.alive();
    if let Some(pid) = ran {
        end(pid, &[Signal::SIGTERM, Signal::SIGKILL]).await?;
    }
    let left = postmaster(&info.postgres_data);
    if let Some(pid) = left {
        end(pid, &[Signal::SIGINT, Signal::SIGQUIT, Signal::SIGKILL]).await?;
    }
    if info.pid.is_some() {
        (info.pid, info.pid_started) = (None, None);
        info.write(dir)?;
    }
    Ok(match (ran, left) {
        (Some(_), _) => Down::Stopped,
        (None, Some(_)) => Down::Swept,
        (None, None) => Down::Nothing,
    })
}

/// Stops the sandbox and deletes its data; the next `up` begins anew.
pub async fn reset(dir: &Path) -> Result<(), Failure> {
    down(dir).await?;
    let Some(info) = Info::read(dir)? else { return Err(missing(dir)) };
    let failed = |error: std::io::Error| {
        Failure::new(Class::Other, "cannot empty the sandbox's directory").detail(format!("{}: {error}", dir.display()))
    };
    // Below the temporary directory when PostgreSQL runs as another user, see the cluster's files.
    let base = info.postgres_data.parent().filter(|base| *base != dir && base.exists());
    for directory in base.into_iter().chain([dir]) {
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_type().map_err(failed)?.is_dir() {
                std::fs::remove_dir_all(entry.path()).map_err(failed)?;
            } else {
                files::remove(&entry.path())?;
            }
        }
    }
    Ok(())
}

/// What the processes of a sandbox said: PostgreSQL's log and the apps'.
pub fn log(dir: &Path) -> Result<Vec<(String, String)>, Failure> {
    let info = Info::read(dir)?.ok_or_else(|| missing(dir))?;
    let base = info.postgres_data.parent().unwrap_or(dir).to_path_buf();
    let mut paths: Vec<_> = [dir.to_path_buf(), base]
        .iter()
        .filter_map(|directory| std::fs::read_dir(directory).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    paths.sort();
    paths.dedup();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = files::read(path)?;
        Ok((name, String::from_utf8_lossy(&text).into_owned()))
    };
    paths.iter().map(read).collect()
}

/// The PostgreSQL that works in `data`, if one does.
fn postmaster(data: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid: u32 = text.lines().next()?.trim().parse().ok()?;
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let path = data.to_string_lossy();
    let ours = String::from_utf8_lossy(&command).split('\0').any(|word| word.ends_with(path.as_ref()));
    (ours && process_start(pid).is_some()).then_some(pid)
}

/// Sends one signal after the other until the process is gone.
async fn end(pid: u32, signals: &[Signal]) -> Result<(), Failure> {
    let Some(started) = process_start(pid) else { return Ok(()) };
    let failed = |detail: String| {
        Failure::new(Class::Other, "cannot stop the sandbox").detail(format!("process {pid}: {detail}"))
    };
    let target = Pid::from_raw(i32::try_from(pid).map_err(|error| failed(error.to_string()))?);
    for signal in signals {
        if let Err(error) = kill(target, *signal)
            && error != nix::errno::Errno::ESRCH
        {
            return Err(failed(error.to_string()));
        }
        let limit = Instant::now() + PATIENCE;
        while Instant::now() < limit {
            if process_start(pid) != Some(started) {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    Err(failed("it is still there".to_owned()))
}
