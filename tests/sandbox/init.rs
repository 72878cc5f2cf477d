//! `init` on a terminal: it asks, and what it writes is valid and plans the migration of the sandbox's app.

use std::io::Write as _;
use std::process::Stdio;

use crate::stand::{PGENTRA, Ran, Stand};

const ANSWERS: &str = "rmhazuregeoapi\nrmhpgflex\ngeopgflex\nrmhazure_rg\n22222222-2222-4222-8222-222222222222\n\
                       11111111-1111-4111-8111-111111111111\npg-deployers\n33333333-3333-4333-8333-333333333333\n";

/// Runs pgentra on a terminal of its own, which `script` makes, and types.
fn on_a_terminal(stand: &Stand, arguments: &str, typed: &str) -> Ran {
    let mut script = stand.program("script");
    script.args(["-qec", &format!("'{PGENTRA}' {arguments}"), "/dev/null"]);
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    Ran::of(&child.wait_with_output().unwrap())
}

#[tokio::test]
async fn what_is_asked_on_a_terminal_becomes_a_plan_file_that_plans() {
    let stand = Stand::up().await;
    let asked = on_a_terminal(&stand, "init asked.toml", ANSWERS).ends(0);
    asked.says(&["Azure name of the app: ", "Database: ", "Its object id: ", "Wrote asked.toml."]);
    stand.run(&["fmt", "--check", "asked.toml"]).ends(0);
    stand.run(&["validate", "asked.toml"]).ends(0);
    stand.run(&["plan", "asked.toml"]).ends(0).says(&["to add", "app_identity.rmhazuregeoapi will be updated"]);
    // Flags say the same without a terminal; a file that is there stays.
    let flags = [
        "init",
        "flags.toml",
        "--app",
        "rmhazuregeoapi",
        "--server",
        "rmhpgflex",
        "--database",
        "geopgflex",
        "--resource-group",
        "rmhazure_rg",
        "--subscription",
        "22222222-2222-4222-8222-222222222222",
        "--tenant",
        "11111111-1111-4111-8111-111111111111",
        "--admin",
        "pg-deployers",
        "--admin-object-id",
        "33333333-3333-4333-8333-333333333333",
    ];
    stand.run(&flags).ends(0);
    let text = |name: &str| std::fs::read_to_string(stand.here().join(name)).unwrap();
    assert_eq!(text("asked.toml"), text("flags.toml"));
    stand.run(&flags).ends(1).says(&["is not overwritten"]);
    stand.run(&flags[..4]).ends(1).says(&["is not overwritten"]);
}
