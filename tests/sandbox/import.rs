//! `import` against the sandbox: an app on its password, the same app migrated, and a database that others have been at.

use crate::stand::Stand;

const APP: [&str; 5] = ["import", "-g", "rmhazure_rg", "--app", "rmhazuregeoapi"];
const ADMIN: [&str; 4] = ["--admin", "pg-deployers", "--admin-object-id", "33333333-3333-4333-8333-333333333333"];

/// What other tools and hands left: names with marks of TOML, SQL and variables, exceptions, options, single columns.
const OTHERS: &str = r#"
CREATE TABLE geo."odd.* ${x} ""q""" (id int);
CREATE TABLE geo."[two]
lines = 'x'" (id int);
GRANT SELECT ON geo."odd.* ${x} ""q""" TO "rmhazuregeoapi-identity" WITH GRANT OPTION;
REVOKE DELETE ON geo.tiles FROM "rmhazuregeoapi-identity";
REVOKE ALL ON geo."[two]
lines = 'x'" FROM "rmhazuregeoapi-identity";
GRANT SELECT (id) ON geo."[two]
lines = 'x'" TO "rmhazuregeoapi-identity";
GRANT TRUNCATE ON geo.collections TO "rmhazuregeoapi-identity";
ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE DELETE ON TABLES FROM "rmhazuregeoapi-identity";
"#;

fn import(stand: &Stand, more: &[&str]) -> crate::stand::Ran {
    let arguments: Vec<&str> = APP.iter().chain(more).copied().collect();
    stand.run(&arguments)
}

/// It is a plan file that nobody has to touch, and without a secret.
fn well_written(stand: &Stand, name: &str) -> String {
    stand.run(&["fmt", "--check", name]).ends(0);
    let valid = stand.run(&["validate", name]).ends(0);
    assert!(!valid.err.contains("warning"), "{}", valid.err);
    let text = std::fs::read_to_string(stand.here().join(name)).unwrap();
    for secret in ["GEOAPP_PASSWORD", "PGADMIN_PASSWORD", "AZURE_CLIENT_SECRET"] {
        assert!(!text.contains(&stand.vars[secret]), "{secret} is in {text}");
    }
    text
}

#[tokio::test]
async fn an_import_proposes_the_migration_and_then_says_what_is_there() {
    let stand = Stand::up().await;
    import(&stand, &["--out", "bare.toml"]).ends(3).says(&["no-connection"]);
    let given: Vec<&str> = ADMIN.into_iter().chain(["--out", "new.toml"]).collect();
    import(&stand, &given).ends(0).says(&["to add"]);
    import(&stand, &given).ends(1).says(&["exists and is not overwritten", "--force"]);
    let guessed = well_written(&stand, "new.toml");
    assert!(guessed.contains("Nobody could look into the database"), "{guessed}");
    let looked: Vec<&str> = ADMIN
        .into_iter()
        .chain(["--connect-as", "pgadmin", "--password-env", "PGADMIN_PASSWORD", "--out", "looked.toml"])
        .collect();
    import(&stand, &looked).ends(0).says(&["2 to add, 4 to change"]);
    let text = well_written(&stand, "looked.toml");
    assert!(text.contains("owns what is in these schemas") && text.contains("env = \"PGADMIN_PASSWORD\""), "{text}");
    assert!(stand.writes().await.is_empty(), "an import writes nothing");

    stand.apply("new.toml").ends(0);
    stand.keep("rule.toml", &format!("{guessed}\n[server.rmhpgflex.firewall.office]\nip = \"203.0.113.7\"\n"));
    stand.run(&["apply", "--auto-approve", "rule.toml", "--only", "firewall_rule.\"rmhpgflex/office\""]).ends(0);
    import(&stand, &["--out", "done.toml"]).ends(0).says(&["No changes."]);
    let text = well_written(&stand, "done.toml");
    assert!(
        text.contains("firewall.office]\nstart = \"203.0.113.7\"") && text.contains("rule AllowAll lets in"),
        "{text}"
    );
    assert!(text.contains("What code is deployed cannot be told"), "{text}");
    assert!(text.contains("schemas = [\"app\", \"geo\"]") && text.contains("future = true"), "{text}");
    stand.settled("done.toml");

    stand.owner(OTHERS);
    stand.admin("postgres", "CREATE DATABASE \"it's [odd] = ${x}\"");
    stand.admin("postgres", "GRANT TEMPORARY ON DATABASE \"it's [odd] = ${x}\" TO \"rmhazuregeoapi-identity\"");
    import(&stand, &["--out", "odd.toml"]).ends(0).says(&["No changes."]);
    let text = well_written(&stand, "odd.toml");
    assert!(text.contains("except = ") && text.contains("grant_option = true"), "{text}");
    stand.settled("odd.toml");
    // Exactly: what is named exclusive loses nothing either.
    let exclusive = text.replace("server = \"rmhpgflex\"", "server = \"rmhpgflex\"\nexclusive = true");
    stand.keep("exclusive.toml", &exclusive);
    stand.settled("exclusive.toml");
}
