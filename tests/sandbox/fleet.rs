//! The plan file of a fleet, as its users run it: apps of one table, in an environment that a file of variables names.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::stand::Stand;

const FLEET: &str = include_str!("../../plans/fleet.toml");
const STAGING: &str = include_str!("../../plans/environments/staging.toml");
/// Where the sandbox differs from the environment.
const HERE: [&str; 4] = ["--var", "server=rmhpgflex", "--var", "group=rmhazure_rg"];

fn arguments<'a>(command: &[&'a str]) -> Vec<&'a str> {
    let environment = ["fleet.toml", "--var-file", "staging.toml"];
    command.iter().copied().chain(environment).chain(HERE).collect()
}

#[tokio::test]
async fn a_fleet_moves_in_the_environment_that_its_variables_name() {
    let stand = Stand::up().await;
    stand.keep("fleet.toml", FLEET);
    stand.keep("staging.toml", STAGING);
    stand.admin("postgres", "CREATE DATABASE geo");
    stand.admin("geo", "CREATE SCHEMA catalog; CREATE SCHEMA tiles");
    stand.admin("geo", "CREATE TABLE catalog.collections (id int); CREATE TABLE tiles.collections (id int)");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let settings = stand.settings().await;
    let settings: BTreeMap<String, String> =
        settings.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect();
    for schema in ["catalog", "tiles"] {
        let mut own = settings.clone();
        own.insert("POSTGIS_DATABASE".into(), "geo".into());
        own.insert("POSTGIS_SCHEMA".into(), schema.into());
        own.insert("APP_SCHEMA".into(), schema.into());
        stand.make_app(&format!("{schema}-staging"), &own).await;
    }
    stand.run(&arguments(&["plan"])).ends(0).says(&["catalog", "tiles", "restarts"]);
    stand.run(&arguments(&["apply", "--auto-approve"])).ends(0);
    stand.run(&arguments(&["plan", "--detailed-exitcode"])).ends(0).says(&["No changes."]);
    let roles =
        "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE '%-staging-identity'";
    assert_eq!(stand.admin("postgres", roles), "catalog-staging-identity tiles-staging-identity");
    let mine = "SELECT has_table_privilege('catalog-staging-identity', 'catalog.collections', 'INSERT') \
                AND NOT has_table_privilege('catalog-staging-identity', 'tiles.collections', 'SELECT')";
    assert_eq!(stand.admin("geo", mine), "t");
    // Another environment is another fleet: nothing of this one is taken for its own.
    let missing = stand.run(&[
        "plan",
        "fleet.toml",
        "--var",
        "env=dev",
        "--var",
        "server=rmhpgflex",
        "--var",
        "group=rmhazure_rg",
    ]);
    missing.says(&["catalog-dev"]);
}
