//! The examples are compiled and run, and say what they promise.

use std::process::Command;

/// Runs an example as a reader would, without any sign-in in its environment.
fn run(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--frozen", "--example", name, "--"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("PGHOST")
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn plan_only_plans_and_changes_nothing() {
    let said = run("plan_only", &["plans/rmhazuregeoapi.toml", "--in-memory"]);
    assert!(said.contains("Update server_auth.rmhpgflex (stays when undone: "), "{said}");
    assert!(said.contains("Unknown database_role.rmhazuregeoapi-identity"), "{said}");
    assert!(said.ends_with("The rest can be seen once these steps are done.\n"), "{said}");
}

#[test]
fn own_kind_is_journaled_and_rolled_back() {
    let said = run("own_kind", &[]);
    let events: Vec<&str> = said.lines().filter(|line| line.starts_with("  ")).map(str::trim).collect();
    assert_eq!(events, ["opened", "leans", "planned", "started lines.hosts", "done lines.hosts", "closed"]);
    assert!(said.contains("\"127.0.0.1 localhost\\n10.0.0.4 database\\n\""), "{said}");
    assert!(said.ends_with("Some(Applied): \"127.0.0.1 localhost\\n\"\n"), "{said}");
}

#[test]
fn token_pool_says_how_to_try_it() {
    assert!(run("token_pool", &[]).contains("set PGHOST"));
}
