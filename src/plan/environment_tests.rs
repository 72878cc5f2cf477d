//! Tests of deployments, databases, schemas and firewall rules: what they lower to, in which order, and what is refused.

use std::collections::{BTreeMap, BTreeSet};

use super::test_kinds::KINDS;
use super::{PlanFile, load};
use crate::model::{Address, Finding, Severity, Value};

pub(crate) const BASE: &str = r#"version = 1
name = "base"
[azure]
subscription = "22222222-2222-4222-8222-222222222222"
tenant = "11111111-1111-4111-8111-111111111111"
resource_group = "rg"
[server.srv]
entra_auth = true
admin = { name = "dba", object_id = "33333333-3333-4333-8333-333333333333", type = "group" }
[server.srv.firewall.agents]
ip = "203.0.113.7"
[server.srv.firewall.azure]
azure_services = true
[database.orders]
server = "srv"
owner = "dba"
[database.orders.schema.shop]
owner = { ref = "role.web-id.name" }
[app.web]
identity = "system"
[app.web.settings]
A = "1"
[app.web.deployment]
zip = "app.zip"
keep = true
[[app.web.probe]]
name = "health"
get = "/health"
[role.web-id]
server = "srv"
identity = { ref = "app.web.principal_id" }
[[role.web-id.grants]]
database = "orders"
schemas = ["shop"]
tables = ["SELECT"]
"#;

fn plan(text: &str) -> PlanFile {
    let (plan, findings) = load(text, &BTreeMap::new(), &KINDS);
    plan.unwrap_or_else(|| panic!("{findings:#?}"))
}

/// The findings of the base with one text in place of another.
fn changed(from: &str, to: &str) -> Vec<Finding> {
    assert!(BASE.contains(from), "{from}");
    load(&BASE.replacen(from, to, 1), &BTreeMap::new(), &KINDS).1
}

#[test]
fn each_leans_on_what_it_needs() {
    let plan = plan(BASE);
    let before = |address: &str| -> BTreeSet<String> {
        let address: Address = address.parse().unwrap();
        plan.graph.leans_on_all(&address).iter().map(Address::to_string).collect()
    };
    for (later, earlier) in [
        ("firewall_rule.\"srv/agents\"", &["server_auth.srv", "server_admin.srv"][..]),
        ("database.orders", &["firewall_rule.\"srv/agents\"", "firewall_rule.\"srv/azure\""]),
        ("database_role.web-id", &["firewall_rule.\"srv/agents\""]),
        ("schema.\"orders/shop\"", &["database.orders", "database_role.web-id"]),
        ("database_grants.orders", &["database.orders", "schema.\"orders/shop\"", "database_role.web-id"]),
        ("deployment.web", &["app_settings.web", "check.\"web-id privileges\""]),
        ("check.\"web health\"", &["deployment.web"]),
    ] {
        let before = before(later);
        for earlier in earlier {
            assert!(before.contains(*earlier), "{later} comes after {earlier}: {before:?}");
        }
    }
}

#[test]
fn ranges_are_said_in_three_ways() {
    let plan = plan(BASE);
    let range = |name: &str| {
        let rule = plan.desired.iter().find(|want| want.address == Address::new("firewall_rule", name)).unwrap();
        ["start", "end"].map(|end| rule.attributes.get(end).and_then(Value::as_text).unwrap_or_default().to_owned())
    };
    assert_eq!(range("srv/agents"), ["203.0.113.7", "203.0.113.7"]);
    assert_eq!(range("srv/azure"), ["0.0.0.0", "0.0.0.0"]);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_remedy() {
    let rule = "ip = \"203.0.113.7\"";
    let zip = "zip = \"app.zip\"\nkeep = true";
    for (from, to, found) in [
        (rule, "start = \"203.0.113.7\"", "missing-key"),
        (rule, "ip = \"203.0.113.7\"\nazure_services = true", "missing-key"),
        (rule, "start = \"203.0.113.9\"\nend = \"203.0.113.7\"", "invalid-value"),
        (rule, "ip = \"203.0.113\"", "invalid-value"),
        (rule, "start = \"0.0.0.0\"\nend = \"255.255.255.255\"", "wide-open"),
        ("server = \"srv\"\nowner", "server = \"svr\"\nowner", "dangling-reference"),
        (zip, "keep = true", "missing-key"),
        (zip, "zip = \"a.zip\"\ncommand = [\"x\"]\ncheck = [\"y\"]", "conflicting-keys"),
        (zip, "zip = \"a.zip\"\nundo = [\"x\"]", "conflicting-keys"),
        (zip, "command = [\"x\"]", "missing-key"),
        (zip, "command = [\"x\"]\ncheck = [\"y\"]\nprevious = \"b.zip\"", "conflicting-keys"),
        (zip, "command = []\ncheck = [\"y\"]", "invalid-value"),
        (zip, "command = [\"x\", \"postgres://u:hunter2@h/db\"]\ncheck = [\"y\"]", "secret-literal"),
    ] {
        let findings = changed(from, to);
        assert!(findings.iter().any(|finding| finding.rule == found), "{to}: {findings:#?}");
        assert!(findings.iter().all(|finding| finding.remedy.is_some()), "{to}: {findings:#?}");
        assert!(!format!("{findings:?}").contains("hunter2"), "{to}");
    }
    let wide = changed(rule, "start = \"0.0.0.0\"\nend = \"255.255.255.255\"");
    assert!(wide.iter().all(|finding| finding.severity == Severity::Warning), "a choice, not an error");
}
