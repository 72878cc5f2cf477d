//! The README's commands do what it says: every block under the mark `run` is run, in order, against a sandbox.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::files::{below, name, none, root, text};

/// The invisible line before a block that is run.
const MARK: &str = "<!-- run -->";

/// The texts of the marked blocks, each with the number of its first line.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = page.lines().collect();
    let marked = lines.iter().enumerate().filter(|(_, line)| **line == MARK);
    let block = |(at, _): (usize, &&str)| {
        assert!(lines[at + 1].starts_with("```"), "line {}: the mark stands before a block", at + 1);
        let body = lines[at + 2..].iter().take_while(|line| **line != "```");
        (at + 3, body.copied().collect::<Vec<_>>().join("\n"))
    };
    marked.map(block).collect()
}

/// A sandbox that is taken down whatever happens.
struct Sandbox {
    dir: tempfile::TempDir,
}

impl Sandbox {
    fn dir(&self) -> PathBuf {
        self.dir.path().join(".pgentra-sandbox")
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let down = Command::new(program()).args(["sandbox", "down", "--dir"]).arg(self.dir()).output();
        // A test that has failed already must not panic once more.
        assert!(std::thread::panicking() || down.is_ok_and(|down| down.status.success()), "the sandbox stays up");
    }
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_pgentra"))
}

fn shell(script: &str, directory: &Path) -> Output {
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(directory)
        .env("PATH", format!("{}:{path}", program().parent().unwrap().display()))
        // A throw-away store beside the plan file is what the README's reader has.
        .env_remove("CI")
        .env_remove("TF_BUILD")
        .env("NO_PROXY", "*")
        .output()
        .unwrap()
}

#[test]
fn the_readme_does_what_it_says() {
    let page = text(&root().join("README.md"));
    let blocks = blocks(&page);
    assert!(blocks.len() >= 4, "the README runs only {} blocks", blocks.len());
    if !sandbox_can_run() {
        return;
    }
    let dir = tempfile::Builder::new().prefix("pgentra-readme-").tempdir().unwrap();
    let sandbox = Sandbox { dir };
    let here = sandbox.dir.path();
    std::fs::create_dir(here.join("plans")).unwrap();
    std::fs::copy(root().join("plans/rmhazuregeoapi.toml"), here.join("plans/rmhazuregeoapi.toml")).unwrap();
    // One shell for all blocks, as a reader has; each says its line first, so that a failure can be placed.
    let told = blocks.iter().map(|(line, block)| format!("echo '# README.md:{line}'\n{block}"));
    let script = told.collect::<Vec<_>>().join("\n");
    let ran = shell(&script, here);
    let said = format!("{}\n{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}");
    for promised in ["No changes.", "Verification passed", "\"auth_method\":\"managed_identity\""] {
        assert!(said.contains(promised), "{promised} is missing in:\n{said}");
    }
    // The tour ends where it began.
    let signed_in = said.rsplit("\"auth_method\":").next().unwrap_or_default();
    assert!(signed_in.starts_with("\"password\""), "the last health is not that of the password:\n{said}");
}

/// Whether there is a PostgreSQL server to start; where everything has to run, its absence is a failure.
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn sandbox_can_run() -> bool {
    let named = std::env::var_os("PGENTRA_PG_BIN").is_some();
    let debian = std::fs::read_dir("/usr/lib/postgresql").is_ok_and(|mut entries| entries.next().is_some());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).any(|place| place.join("initdb").is_file());
    let found = named || debian || on_path;
    assert!(found || std::env::var("CI").as_deref() != Ok("true"), "no PostgreSQL server, and CI=true demands one");
    if !found {
        eprintln!("SKIPPED: no PostgreSQL server");
    }
    found
}

#[test]
fn the_plan_file_of_the_readme_is_valid() {
    let page = text(&root().join("README.md"));
    let blocks: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    // The later ones go on where the first ends.
    let mut plan = String::new();
    for block in &blocks {
        plan = format!("{}\n\n{block}", plan.trim_end()).trim_start().to_owned();
        let (loaded, findings) = pgentra::plan::load(&plan, &BTreeMap::new(), &pgentra::resources::schemas());
        assert!(loaded.is_some_and(|plan| plan.desired.len() >= 5) && findings.is_empty(), "{findings:?}");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("geoapi.toml"), &plan).unwrap();
        let ran = shell("pgentra fmt --check geoapi.toml", dir.path());
        assert!(ran.status.success(), "not in the one layout:\n{}", String::from_utf8_lossy(&ran.stdout));
    }
    assert!(blocks.len() >= 2, "the README has only {} blocks of a plan file", blocks.len());
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut complaints = Vec::new();
    let mut seen = 0;
    for page in below("", ".md") {
        let text = text(&page);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            seen += 1;
            let file = link.split('#').next().unwrap_or_default();
            if !page.parent().unwrap().join(file).exists() {
                complaints.push(format!("{}: {link}", name(&page)));
            }
        }
    }
    none("links to nothing", &complaints);
    assert!(seen > 10, "only {seen} links were found");
}

#[test]
fn only_marked_blocks_are_run() {
    let page = "a\n```sh\nno\n```\n<!-- run -->\n```sh\nyes\n```\n";
    assert_eq!(blocks(page), [(7, "yes".to_owned())]);
}
