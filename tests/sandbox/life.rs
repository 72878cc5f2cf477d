//! The life of a sandbox: two side by side, what `down` and `reset` leave, and the end of one that was killed.

use std::path::Path;
use std::process::Command;

use crate::stand::{PGENTRA, Ran, Stand, exported};

fn sandbox(action: &[&str], place: &Path) -> Ran {
    let mut command = Command::new(PGENTRA);
    Ran::of(&command.arg("sandbox").args(action).arg("--dir").arg(place).env_clear().output().unwrap())
}

/// Processes whose command line, directory or environment names the place.
fn processes(place: &Path) -> Vec<String> {
    let place = place.display().to_string();
    let ours = std::process::id().to_string();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().into_string().ok());
    pids.filter(|pid| *pid != ours && pid.bytes().all(|byte| byte.is_ascii_digit()))
        .filter_map(|pid| {
            let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let (line, environment) = (read("cmdline"), read("environ"));
            let at = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            let names = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(&place);
            let line_text = String::from_utf8_lossy(&line).replace('\0', " ");
            (names(&line) || names(&environment) || at.starts_with(&place)).then(|| format!("{pid}: {line_text}"))
        })
        .collect()
}

#[tokio::test]
async fn two_run_side_by_side_and_down_leaves_nothing_running() {
    let (mut first, second) = (Stand::up().await, Stand::up().await);
    for name in ["PGENTRA_SANDBOX_URL", "PGENTRA_SANDBOX_POSTGRES_HOST", "GEOAPP_PASSWORD", "AZURE_CLIENT_SECRET"] {
        assert_ne!(first.vars[name], second.vars[name], "{name}");
    }
    first.keep("settings.toml", include_str!("../../plans/app_settings.toml"));
    first.apply("settings.toml").ends(0);
    assert_eq!(first.settings().await["USE_MANAGED_IDENTITY"], "true");
    assert_eq!(second.settings().await.get("USE_MANAGED_IDENTITY"), None);
    sandbox(&["up", "--detach"], &first.place()).ends(1).says(&["is running"]);
    first.run(&["sandbox", "log"]).ends(0).says(&["/config/appsettings"]);

    let running = processes(&first.place());
    assert!(running.len() >= 3, "the sandbox, PostgreSQL, two apps: {running:?}");
    sandbox(&["down"], &first.place()).ends(0).says(&["The sandbox is down."]);
    assert_eq!(processes(&first.place()), [""; 0]);
    // A sandbox of another test must not take its address before it is back, or it would answer in its place.
    let held = std::net::TcpListener::bind((first.vars["PGENTRA_SANDBOX_POSTGRES_HOST"].as_str(), 5432)).ok();
    assert_eq!(second.health().await["status"], "healthy", "the other one goes on");
    sandbox(&["down"], &first.place()).ends(0).says(&["was not running"]);
    first.run(&["sandbox", "log"]).ends(1).says(&["does not run", "pgentra sandbox up"]);
    if held.is_some() {
        first.run(&["plan", "settings.toml"]).ends(1).says(&["Connection refused"]);
    }

    // Its data stay until a reset.
    drop(held);
    sandbox(&["up", "--detach"], &first.place()).ends(0);
    // Another test may have been faster than it to take its address.
    first.vars = exported(&first.place());
    first.run(&["plan", "--detailed-exitcode", "settings.toml"]).ends(0);
    sandbox(&["reset"], &first.place()).ends(0);
    sandbox(&["up", "--detach"], &first.place()).ends(0);
    let secret = Ran::of(&Command::new(PGENTRA).args(["sandbox", "env", "--dir"]).arg(first.place()).output().unwrap());
    assert!(!secret.ends(0).out.contains(&first.vars["GEOAPP_PASSWORD"]), "a new one, with new secrets");
}

#[tokio::test]
async fn what_a_killed_sandbox_leaves_is_swept() {
    let stand = Stand::up().await;
    let info: serde_json::Value =
        serde_json::from_slice(&std::fs::read(stand.place().join("sandbox.json")).unwrap()).unwrap();
    let killed = Command::new("kill").args(["-9", &info["pid"].to_string()]).status().unwrap();
    assert!(killed.success());
    sandbox(&["down"], &stand.place()).ends(0);
    // The apps notice by themselves that their platform is gone.
    for _ in 0..200 {
        if processes(&stand.place()).is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(processes(&stand.place()), [""; 0]);
    sandbox(&["up", "--detach"], &stand.place()).ends(0);
    assert_eq!(sandbox(&["env"], &stand.place()).ends(0).out.lines().count(), stand.vars.len());
}

#[test]
fn where_there_is_none_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    for action in [&["env"][..], &["log"]] {
        sandbox(action, dir.path()).ends(1).says(&["there is no sandbox here", "pgentra sandbox up"]);
    }
    sandbox(&["down"], dir.path()).ends(0).says(&["was not running"]);
}
