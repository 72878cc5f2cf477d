//! New code between the settings and the check: with the version of the app that knows passwords alone nothing is gained.

use crate::stand::Stand;

const HEAD: &str = r#"
version = 1
name = "deployed"

[azure]
subscription = "22222222-2222-4222-8222-222222222222"
tenant = "11111111-1111-4111-8111-111111111111"
resource_group = "rmhazure_rg"

[app.rmhazuregeoapi]
"#;

fn plan(deployment: &str) -> String {
    format!("{HEAD}\n[app.rmhazuregeoapi.deployment]\n{deployment}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_settings_deployment_check_matters() {
    let stand = Stand::up().await;
    for (version, out) in [("password-only", "old.zip"), ("both", "app.zip")] {
        stand.run(&["sandbox", "package", "--version", version, "--out", out]).ends(0);
    }
    // What others deployed cannot be given back, so that a plan for it has to say that the new code may stay.
    stand.keep("deploy.toml", &plan("zip = \"old.zip\""));
    stand.run(&["plan", "deploy.toml"]).ends(1).says(&["cannot be undone", "keep = true"]);
    stand.keep("deploy.toml", &plan("zip = \"old.zip\"\nkeep = true"));
    stand.apply("deploy.toml").ends(0);
    assert_eq!(stand.health().await["database"]["auth_method"], "password");

    // The old code does not understand the new setting.
    let told = "\n[app.rmhazuregeoapi.settings]\nUSE_MANAGED_IDENTITY = \"true\"\n";
    let probe = "\n[[app.rmhazuregeoapi.probe]]\nname = \"health\"\nget = \"/api/health\"\nwithin = \"3s\"\n\
                 expect = { \"database.auth_method\" = \"managed_identity\" }\n";
    stand.keep("told.toml", &format!("{HEAD}{told}{probe}"));
    stand.apply("told.toml").ends(5).says(&["managed_identity"]);
    assert_eq!(stand.health().await["database"]["auth_method"], "password");

    // What pgentra published is known, so that it can be given back.
    stand.keep("deploy.toml", &plan("zip = \"app.zip\"\nprevious = \"old.zip\""));
    stand.apply("deploy.toml").ends(0).says(&["undo: faithful"]);
    stand.run(&["plan", "deploy.toml", "--detailed-exitcode"]).ends(0);
    stand.run(&["rollback", "--file", "deploy.toml", "--auto-approve"]).ends(0);
    stand.run(&["plan", "deploy.toml", "--detailed-exitcode"]).ends(2).says(&["content"]);

    // A package that the sandbox cannot run fails in the end, with the site's own words.
    stand.keep("broken.zip", "PK but no package");
    stand.keep("broken.toml", &plan("zip = \"broken.zip\"\nkeep = true"));
    stand.run(&["apply", "broken.toml", "--auto-approve", "--on-failure", "stop"]).ends(6).says(&["demo-app.toml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_environment_is_built_and_what_holds_something_stays() {
    let stand = Stand::up().await;
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/plans/new_environment.toml")).unwrap();
    stand.keep("new.toml", &text);
    stand.apply("new.toml").ends(0);
    stand.run(&["plan", "new.toml", "--detailed-exitcode"]).ends(0);
    stand.admin("orders", "CREATE TABLE shop.invoices (id int)");
    let back = ["rollback", "--file", "new.toml", "--auto-approve"];
    stand.run(&back).ends(7).says(&["table shop.invoices"]);
    stand.admin("orders", "DROP TABLE shop.invoices");
    stand.run(&back).ends(0);
    let databases = stand.admin("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'orders'");
    assert_eq!(databases.trim(), "0");
}
