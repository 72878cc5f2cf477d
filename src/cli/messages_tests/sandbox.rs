//! Messages that a user of the sandbox meets by bad input.

use serde_json::json;

use super::Desk;

/// What a sandbox of this process would have written of itself.
fn written(pid: Option<u32>) -> String {
    let path = "/nowhere";
    let info = json!({
        "pid": pid, "pid_started": pid.and_then(crate::sandbox::process_start), "address": "127.0.0.11",
        "resource_manager": "https://127.0.0.11", "identity_endpoint": "", "machine_identity_host": "",
        "postgres_host": "", "postgres_data": path, "app_url": "", "slot_url": "", "tenant": "", "subscription": "",
        "resource_group": "", "ca_bundle": path,
    });
    info.to_string()
}

#[tokio::test]
async fn sandboxes_that_are_not_as_they_should_be() {
    let desk = Desk::new("");
    let own = std::process::id();
    for (name, text) in [("stopped", written(None)), ("running", written(Some(own))), ("broken", "{".to_owned())] {
        std::fs::create_dir(desk.path(name)).unwrap();
        desk.put(&format!("{name}/sandbox.json"), &text);
    }
    let mut failures = Vec::new();
    for line in [
        &["sandbox", "--dir", "DIR/none", "env"][..],
        &["sandbox", "--dir", "DIR/none", "reset"],
        &["sandbox", "--dir", "DIR/stopped", "clock", "show"],
        &["sandbox", "--dir", "DIR/running", "up"],
        &["sandbox", "--dir", "DIR/broken", "down"],
        &["sandbox", "--dir", "DIR/fresh", "up", "--postgres", "DIR/none"],
        &["sandbox", "package", "--out", "DIR/none/app.zip"],
    ] {
        failures.push(desk.refusal(line).await);
    }
    insta::assert_snapshot!(desk.told(&failures).replace(&format!("process {own}"), "process PID"));
}
