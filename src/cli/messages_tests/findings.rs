//! Findings of plan files: mistakes by the dozen, each as it is shown with its place.

use std::collections::BTreeMap;

use crate::cli::findings;
use crate::cli::locate::Source;
use crate::plan::bad::BASE as PLAN;
use crate::plan::{Given, Origin, load};
use crate::resources::schemas;

/// Mistakes: what is replaced in the plan file, and by what.
const MISTAKES: &[(&str, &str)] = &[
    ("version = 1", ""),
    ("version = 1", "version = 2"),
    ("version = 1", "version = \"1\""),
    ("name = \"base\"", "name = \"base"),
    ("name = \"base\"", "nmae = \"base\""),
    ("name = \"base\"", "name = \"base\"\nname = \"twice\""),
    ("identity = \"system\"", "identity = \"sytem\""),
    ("identity = \"system\"", "identity = [\"x\"]"),
    ("subscription = \"22222222-2222-4222-8222-222222222222\"", "subscription = \"mine\""),
    ("get = \"/health\"", "get = \"health\""),
    ("get = \"/health\"", "get = \"/h\"\nwithin = \"5 minutes\""),
    ("get = \"/health\"", "get = \"/h\"\npost = \"/h\""),
    ("get = \"/health\"", "get = \"/h\"\n[[app.web.probe]]\nname = \"health\"\nget = \"/h\""),
    ("[role.web-id]", "[role.web-id]\nname = \"pg_web\""),
    ("A = \"1\"", "A = \"1\"\na = \"2\""),
    ("A = \"1\"", "POSTGIS_PASSWORD = \"hunter2\""),
    ("A = \"1\"", "A = \"postgres://u:hunter2@h/db\""),
    ("rg-${env}", "rg-${evn}"),
    ("rg-${env}", "rg-${env"),
    ("rg-${env}", "rg"),
    ("env = { default = \"prod\" }", "env = {}"),
    ("\"SELECT\"", "\"SELCT\""),
    ("tables = [\"SELECT\", \"INSERT\"]", ""),
    ("tables = [\"SELECT\", \"INSERT\"]", "tables = [\"SELECT\", \"SELECT\"]"),
    ("role.web-id.name", "role.web-di.name"),
    ("role.web-id.name", "role.web-id.nmae"),
    ("role.web-id.name", "web-id"),
    ("app.web.principal_id", "app.wbe.principal_id"),
    ("server = \"srv\"", "server = \"svr\""),
    ("admin = { name = \"dba\", object_id = \"33333333-3333-4333-8333-333333333333\", type = \"group\" }", ""),
    ("[app.web]", "[resource.databse_role.x]\nserver = \"srv\"\nname = \"x\"\n[app.web]"),
    ("[app.web]", "[server.srv.firewall.all]\nstart = \"0.0.0.0\"\nend = \"255.255.255.255\"\n[app.web]"),
    ("[app.web]", "[cleanup.web]\n[app.web]"),
    ("[app.web]", "[validation.web]\nperiod = \"7d\"\n[app.web]"),
    ("[azure]", "[store]\nurl = \"ftp://x\"\n[azure]"),
    ("[azure]", "[azure]\ncloud = \"azure\""),
    ("name = \"base\"", "nmae = \"base\"\ntype = 1"),
    ("identity = \"system\"", "identity = 1"),
    ("A = \"1\"", "A = 2026-01-01"),
    ("get = \"/health\"", ""),
    ("get = \"/health\"", "get = \"/h\"\nexpect_status = 20"),
    ("get = \"/health\"", "get = \"/h\"\nexpect = { a.b = \"c\" }"),
    ("get = \"/health\"", "get = \"/h\"\nheaders = { Authorization = \"hunter2\" }"),
    ("[app.web]", "[app.web]\nname = \"my_app\""),
    ("A = \"1\"", "\"A B\" = \"1\""),
    ("\"SELECT\", \"INSERT\"", "\"EXECUTE\""),
    ("tables = [\"SELECT\", \"INSERT\"]", "columns = { \"s.t\" = { SELCT = [\"a\"] } }"),
    ("tables = [\"SELECT\", \"INSERT\"]", "columns = { \"s.t.u\" = { SELECT = [\"a\"] } }"),
    ("tables = [\"SELECT\", \"INSERT\"]", "tables = [\"SELECT\"]\nonly = [\"a\"]\nfuture = true"),
    ("tables = [\"SELECT\", \"INSERT\"]", "database_privileges = [\"CONNECT\"]\nfuture = true"),
    ("schemas = [\"s\"]", ""),
    ("schemas = [\"s\"]", "schemas = \"s\""),
    ("server = \"srv\"", "server = { ref = \"role.web-id.name\" }"),
    ("USER = { ref = \"role.web-id.name\" }", "USER = { ref = \"role.web-id.name\", x = 1 }"),
    ("identity = \"system\"", "identity = \"system\"\nafter = [\"role.x\"]"),
    ("identity = \"system\"", "identity = \"system\"\nafter = [\"database_grants.db\"]"),
    ("server = \"srv\"", "server = \"srv\"\nobject_id = \"33333333-3333-4333-8333-333333333333\""),
    ("identity = { ref = \"app.web.principal_id\" }", ""),
    ("env = { default", "\"e-n\" = { default = \"x\" }\nenv = { default"),
    ("[role.web-id]", "[app.other]\nname = \"WEB\"\nidentity = \"system\"\n[role.web-id]"),
    (
        "admin = { name",
        "connections = [{ name = \"a\", user = \"u\" }, { name = \"a\", user = \"v\" }]\nadmin = { name",
    ),
    (
        "admin = { name",
        "connections = [{ name = \"a\", user = \"u\", token = true, password = { env = \"P\" } }]\nadmin = { name",
    ),
    ("admin = { name", "admins = [{ name = \"b\", object_id = \"3\", type = \"user\" }]\nadmin = { name"),
    ("[role.web-id]", "[server.two]\nname = \"srv\"\n[role.web-id]"),
    ("subscription = \"22222222-2222-4222-8222-222222222222\"", ""),
    (
        "[role.web-id]",
        "[resource.database_role.x]\nserver = \"svr\"\nname = \"x\"\nobject_id = \"33333333-3333-4333-8333-333333333333\"\n\
         [role.web-id]",
    ),
    ("[role.web-id]", "[resource.app_identity.x]\napp = \"web\"\nsystem = true\n[role.web-id]"),
    (
        "[server.srv]",
        "[store]\nurl = \"postgres://u@srv.postgres.database.azure.com/db\"\n[server.srv]\nentra_auth = true",
    ),
];

/// The findings of a text, as they are shown.
pub(super) fn told(text: &str, given: &BTreeMap<String, Given>) -> String {
    let plan = Source { path: "plan.toml".into(), text: text.to_owned() };
    let (_, found) = load(&plan.text, given, &schemas());
    findings::text(&plan, &found, false)
}

/// The findings of each mistake, one after the other.
pub(super) fn told_mistakes(base: &str, mistakes: &[(&str, &str)]) -> String {
    let mut shown = String::new();
    for (from, to) in mistakes {
        assert!(base.contains(from), "{from}");
        let told = told(&base.replacen(from, to, 1), &BTreeMap::new());
        assert!(!told.is_empty(), "{to:?} is taken");
        shown.push_str(&told);
        shown.push('\n');
    }
    assert!(!shown.contains("hunter2"));
    shown
}

#[test]
fn findings_of_apps_servers_and_roles() {
    insta::assert_snapshot!(told_mistakes(PLAN, MISTAKES));
}

#[test]
fn findings_of_settings_that_are_too_long() {
    let long = format!("A = \"{}\"", "x".repeat(10_001));
    let shown = told(&PLAN.replacen("A = \"1\"", &long, 1), &BTreeMap::new());
    insta::assert_snapshot!(told_together(&[shown.replace(&"x".repeat(100), "")]));
}

#[test]
fn findings_of_variables_that_are_given() {
    let given = |origin: Origin, value: &str| Given { value: value.to_owned(), origin };
    let list = "[variables]\napps = { default = [\"a\"] }\n";
    let told = |text: &str, name: &str, given: Given| told(text, &BTreeMap::from([(name.to_owned(), given)]));
    let shown = [
        told(PLAN, "evn", given(Origin::Argument, "prod")),
        told(PLAN, "evn", given(Origin::File("prod.toml".to_owned()), "prod")),
        told(&PLAN.replacen("[variables]\n", list, 1), "apps", given(Origin::Argument, "hunter2")),
    ];
    assert!(!shown.concat().contains("hunter2"));
    insta::assert_snapshot!(told_together(&shown));
}

/// Texts that [`told`] gave, one after the other.
fn told_together(shown: &[String]) -> String {
    shown.join("\n")
}
