//! Every plan file is valid, formatted, and passes the JSON Schema, which refuses broken ones.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use pgentra::model::Severity;
use serde_json::Value;

use crate::files::{below, name, none, root, text};

/// The plan files; the folder beside them holds files of variables for one of them.
fn plan_files() -> Vec<PathBuf> {
    let mut files = below("plans", ".toml");
    files.retain(|path| !name(path).contains("environments"));
    files
}

fn pgentra() -> Command {
    Command::new(env!("CARGO_BIN_EXE_pgentra"))
}

/// The schema as the program prints it, ready to validate with.
fn validator() -> jsonschema::Validator {
    let printed = pgentra().arg("schema").output().unwrap();
    assert!(printed.status.success());
    let schema: Value = serde_json::from_slice(&printed.stdout).unwrap();
    jsonschema::draft7::meta::validate(&schema).unwrap();
    jsonschema::draft7::new(&schema).unwrap()
}

/// The first complaint of the schema about a plan file.
fn complaint(validator: &jsonschema::Validator, plan: &str) -> Option<String> {
    let json: Value = toml::from_str(plan).unwrap();
    validator.iter_errors(&json).next().map(|error| format!("{}: {error}", error.instance_path()))
}

#[test]
fn every_plan_is_valid() {
    let mut complaints = Vec::new();
    let plans = plan_files();
    assert!(plans.len() > pgentra::resources::schemas().len(), "one for each kind, and the guide's");
    for path in plans {
        let (plan, findings) = pgentra::plan::load(&text(&path), &BTreeMap::new(), &pgentra::resources::schemas());
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
        complaints.extend(errors.map(|finding| format!("{}: {}", name(&path), finding.title)));
        if plan.is_some_and(|plan| plan.desired.is_empty()) {
            complaints.push(format!("{}: wants nothing", name(&path)));
        }
    }
    none("plan files", &complaints);
}

#[test]
fn every_plan_is_formatted() {
    let mut complaints = Vec::new();
    for path in plan_files() {
        let checked = pgentra().args(["fmt", "--check"]).arg(&path).output().unwrap();
        if !checked.status.success() {
            complaints.push(format!("{}: {}", name(&path), String::from_utf8_lossy(&checked.stdout)));
        }
    }
    none("run pgentra fmt on", &complaints);
    let unformatted = tempfile::tempdir().unwrap();
    let path = unformatted.path().join("plan.toml");
    std::fs::write(&path, "version=1\nname   = \"x\"\n").unwrap();
    let checked = pgentra().args(["fmt", "--check"]).arg(&path).output().unwrap();
    assert_eq!(checked.status.code(), Some(2), "the check can fail");
}

#[test]
fn the_schema_passes_every_plan() {
    let validator = validator();
    let complain = |path: &std::path::PathBuf| Some(format!("{}: {}", name(path), complaint(&validator, &text(path))?));
    let complaints: Vec<String> = plan_files().iter().filter_map(complain).collect();
    none("the JSON Schema refuses", &complaints);
}

#[test]
fn the_schema_refuses_broken_plans() {
    let validator = validator();
    let breaks = [
        ("database_role", "principal_type = \"service\"", "principal_type = \"servant\""),
        ("database_role", "object_id = \"44444444", "object_id = \"4444"),
        ("database_role", "name = \"reporting-identity\"", "nmae = \"reporting-identity\""),
        ("database_grants", "\"SELECT\"", "\"SELCT\""),
        ("database_grants", "database = \"geopgflex\"", "database = 5"),
        ("database_grants", "[resource.database_grants.", "[resource.database_grant."),
        ("server_auth", "entra_auth = true", "entra_auth = \"yes\""),
        ("server_auth", "version = 1", "version = 2"),
        ("app_settings", "settings = { USE_MANAGED_IDENTITY = \"true\" }", "settings = { X = { reff = \"a.b.c\" } }"),
        ("app_identity", "app = \"rmhazuregeoapi\"", "apps = \"rmhazuregeoapi\""),
        ("slot_settings", "[\"MANAGED_IDENTITY_NAME\"]", "\"MANAGED_IDENTITY_NAME\""),
        ("server_admin", "principal_type = \"group\"", "principal_type = true"),
        ("escrow", "list = \"settings\"", "list = \"setting\""),
        ("password_login", "login = false", "login = \"no\""),
        ("password_setting", "names = [\"POSTGIS_PASSWORD\"]", "names = \"POSTGIS_PASSWORD\""),
        ("role_password", "password = false", "password = \"none\""),
        ("server_password_auth", "enabled = false", "enabled = 0"),
        ("deployment", "keep = true", "kept = true"),
        ("firewall_rule", "start = \"203.0.113.0\"", "start = 203"),
        ("database", "owner = \"geoapp\"", "owner = true"),
        ("schema", "database = \"geopgflex\"", "databases = \"geopgflex\""),
        ("check", "within = \"5m\"", "within = \"soon\""),
        ("validation", "period = \"7d\"", "period = \"soon\""),
        ("soak", "period = \"24h\"", "period = 24"),
    ];
    for kind in pgentra::resources::schemas() {
        assert!(breaks.iter().any(|(broken, ..)| *broken == kind.kind), "nothing breaks the plan of {}", kind.kind);
    }
    for (kind, from, to) in breaks {
        let plan = text(&root().join(format!("plans/{kind}.toml")));
        assert!(plan.contains(from), "plans/{kind}.toml holds no {from}");
        let broken = plan.replacen(from, to, 1);
        assert!(complaint(&validator, &broken).is_some(), "{kind}: {to} passes");
    }
}

#[test]
fn the_fleet_is_valid_in_every_environment() {
    let environments = below("plans/environments", ".toml");
    assert!(environments.len() > 1, "there are several");
    for environment in environments {
        let plan = root().join("plans/fleet.toml");
        let checked = pgentra().arg("validate").arg(plan).arg("--var-file").arg(&environment).output().unwrap();
        assert!(checked.status.success(), "{}: {}", name(&environment), String::from_utf8_lossy(&checked.stdout));
    }
}
