//! Tests of probes, validations and cleanups: what they lower to, in which order, and what is refused.

use std::collections::BTreeMap;

use super::test_kinds::KINDS;
use super::{PlanFile, line_column, load};
use crate::model::{Address, Finding, Schema, Severity};

/// Line 1 is `version = 1`.
pub(crate) const BASE: &str = r#"version = 1
name = "base"
[azure]
subscription = "22222222-2222-4222-8222-222222222222"
resource_group = "rg"
[server.srv]
admin = { name = "dba", object_id = "33333333-3333-4333-8333-333333333333", type = "group" }
[app.web]
identity = "system"
require_settings = ["PGHOST"]
[app.web.settings]
USER = { ref = "role.web-id.name" }
[[app.web.probe]]
name = "job"
post = "/api/jobs"
body = "{}"
expect_status = 202
follow = { path = "/api/jobs/{job_id}", until = { "status" = "completed" } }
[role.web-id]
server = "srv"
identity = { ref = "app.web.principal_id" }
[[role.web-id.grants]]
database = "db"
schemas = ["s"]
tables = ["SELECT"]
[validation.web]
period = "7d"
old_role = "geoapp"
key = { env = "EVIDENCE_KEY" }
[[validation.web.sensor]]
name = "logins"
kind = "server_logs"
workspace = "55555555-5555-4555-8555-555555555555"
[cleanup.web]
password_login = { end_sessions_after = "1h" }
remove_settings = ["PGPASSWORD"]
escrow = { key_vault = "kv-ops", purge_after = "30d" }
role_password = true
server_password_auth = { admin_password = { env = "ADMIN" } }
"#;

fn kinds() -> Vec<&'static Schema> {
    KINDS.to_vec()
}

fn findings(text: &str) -> Vec<Finding> {
    load(text, &BTreeMap::new(), &kinds()).1
}

fn good(text: &str) -> PlanFile {
    let (plan, findings) = load(text, &BTreeMap::new(), &kinds());
    assert_eq!(findings, [], "{text}");
    plan.unwrap()
}

fn swap(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "{from}");
    BASE.replacen(from, to, 1)
}

fn json(plan: &PlanFile, kind: &str, name: &str) -> String {
    let one = plan.desired.iter().find(|one| one.address == Address::new(kind, name)).unwrap();
    serde_json::to_string(&(&one.key, &one.attributes)).unwrap()
}

/// The addresses from the validation on, in order.
fn order(plan: &PlanFile) -> Vec<String> {
    let gate = plan.desired.iter().position(|one| one.address.kind == "validation").unwrap();
    plan.desired[gate..].iter().map(|one| one.address.to_string()).collect()
}

#[test]
fn a_cleanup_lowers_in_the_built_in_order() {
    let plan = good(BASE);
    assert_eq!(
        order(&plan),
        [
            "validation.web",
            "escrow.\"web PGPASSWORD\"",
            "password_login.web",
            "soak.web",
            "password_setting.web",
            "role_password.web",
            "server_password_auth.web",
        ]
    );
    let after = |kind: &str| {
        let one = plan.desired.iter().find(|one| one.address.kind == kind).unwrap();
        one.after.iter().map(Address::to_string).collect::<Vec<_>>()
    };
    let check = "check.\"web job\"".to_owned();
    assert!(after("validation").contains(&check), "{:?}", after("validation"));
    assert!(after("validation").contains(&"check.\"web-id privileges\"".to_owned()));
    assert_eq!(
        after("password_setting"),
        ["escrow.\"web PGPASSWORD\"", "password_login.web", "soak.web", "validation.web"]
    );
}

#[test]
fn without_escrow_what_can_be_undone_comes_first() {
    let plan = good(&swap("escrow = { key_vault = \"kv-ops\", purge_after = \"30d\" }", "irreversible = true"));
    assert_eq!(
        order(&plan)[1..],
        ["password_login.web", "soak.web", "server_password_auth.web", "role_password.web", "password_setting.web"]
    );
    insta::assert_snapshot!(json(&plan, "role_password", "web"), @r#"[{"name":"geoapp","server":"srv"},{"irreversible":true,"password":false}]"#);
}

#[test]
fn each_part_says_all_that_it_needs() {
    let plan = good(BASE);
    insta::assert_snapshot!(json(&plan, "validation", "web"), @r#"[{"name":"web"},{"app":{"app":"web","resource_group":"rg","subscription":"22222222-2222-4222-8222-222222222222"},"key":{"env":"EVIDENCE_KEY"},"old_role":{"name":"geoapp","server":"srv"},"period":"7d","privileges":[{"database":"db","grants":[{"role":"web-id","schemas":["s"],"tables":["SELECT"]}],"role":"web-id","server":"srv"}],"probes":[{"http":{"app":"web","body":"{}","expect_status":202,"follow":{"path":"/api/jobs/{job_id}","until":{"status":"completed"}},"method":"POST","path":"/api/jobs","resource_group":"rg","subscription":"22222222-2222-4222-8222-222222222222"},"name":"job"}],"roles":[{"name":"web-id","server":"srv"}],"sensors":[{"kind":"server_logs","name":"logins","subscription":"22222222-2222-4222-8222-222222222222","workspace":"55555555-5555-4555-8555-555555555555"}],"settings":["PGHOST","USER"]}]"#);
    insta::assert_snapshot!(json(&plan, "check", "web job"), @r#"[{},{"http":{"app":"web","body":"{}","expect_status":202,"follow":{"path":"/api/jobs/{job_id}","until":{"status":"completed"}},"method":"POST","path":"/api/jobs","resource_group":"rg","subscription":"22222222-2222-4222-8222-222222222222"}}]"#);
    insta::assert_snapshot!(json(&plan, "escrow", "web PGPASSWORD"), @r#"[{"app":"web","list":"settings","name":"PGPASSWORD","resource_group":"rg","subscription":"22222222-2222-4222-8222-222222222222"},{"key_vault":"kv-ops","purge_after":"30d","secret":"web-pgpassword"}]"#);
    insta::assert_snapshot!(json(&plan, "password_login", "web"), @r#"[{"name":"geoapp","server":"srv"},{"end_sessions_after":"1h","login":false}]"#);
    insta::assert_snapshot!(json(&plan, "password_setting", "web"), @r#"[{"app":"web","list":"settings","resource_group":"rg","subscription":"22222222-2222-4222-8222-222222222222"},{"escrow":{"PGPASSWORD":{"key_vault":"kv-ops","secret":"web-pgpassword"}},"names":["PGPASSWORD"]}]"#);
    insta::assert_snapshot!(json(&plan, "role_password", "web"), @r#"[{"name":"geoapp","server":"srv"},{"escrow":{"key_vault":"kv-ops","resource_group":"rg","secret":"web-pgpassword","subscription":"22222222-2222-4222-8222-222222222222"},"password":false}]"#);
    insta::assert_snapshot!(json(&plan, "server_password_auth", "web"), @r#"[{"resource_group":"rg","server":"srv","subscription":"22222222-2222-4222-8222-222222222222"},{"admin_password":{"env":"ADMIN"},"enabled":false,"seen_within":"7d","sensors":[{"kind":"server_logs","name":"logins","subscription":"22222222-2222-4222-8222-222222222222","workspace":"55555555-5555-4555-8555-555555555555"}]}]"#);
    assert!(json(&plan, "soak", "web").contains(r#""period":"24h""#));
    assert!(json(&plan, "soak", "web").contains(r#""validation":"web""#));
}

#[test]
fn a_setting_that_goes_is_not_what_the_validation_is_about() {
    let removed = "remove_settings = [\"PGPASSWORD\", \"B\"]";
    let plan = good(&swap("remove_settings = [\"PGPASSWORD\"]", removed));
    assert!(json(&plan, "validation", "web").contains(r#""settings":["PGHOST","USER"]"#));
    assert!(json(&plan, "escrow", "web B").contains(r#""secret":"web-b""#));
}

#[test]
fn a_kind_that_this_version_lacks_is_not_passed_over() {
    let lacks = ["role_password", "server_password_auth"];
    let kinds: Vec<_> = KINDS.iter().copied().filter(|schema| !lacks.contains(&schema.kind)).collect();
    let (plan, found) = load(BASE, &BTreeMap::new(), &kinds);
    assert!(plan.is_none());
    let unknown: Vec<&str> =
        found.iter().filter(|finding| finding.rule == "unknown-kind").map(|one| one.title.as_str()).collect();
    let about = |what: &str| format!("this version cannot do what `{what}` is about");
    assert_eq!(unknown, [about("role_password.web"), about("server_password_auth.web")], "{found:?}");
}

#[test]
fn a_validation_without_a_sensor_that_misses_nothing_is_warned_of() {
    let text = swap("kind = \"server_logs\"", "kind = \"query\"\nquery = \"T\"\ncontrol = \"U\"");
    let found = findings(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].rule, found[0].severity), ("no-continuous-sensor", Severity::Warning));
}

/// What is replaced, by what, then rule, line and a part of the remedy of the finding that has to come.
type Case = (&'static str, &'static str, &'static str, usize, &'static str);

const NONSENSE: &[Case] = &[
    ("post = \"/api/jobs\"", "", "missing-key", 13, "get ="),
    ("post = \"/api/jobs\"", "post = \"/a\"\nget = \"/a\"", "conflicting-keys", 13, "get ="),
    ("post = \"/api/jobs\"", "method = \"PUT\"", "missing-key", 13, "path ="),
    ("body = \"{}\"", "headers = { Authorization = \"x\" }", "secret-literal", 16, "function_key"),
    ("{job_id}", "{job_id", "invalid-value", 18, "{job_id}"),
    ("old_role = \"geoapp\"", "", "missing-key", 30, "old_role"),
    ("period = \"7d\"", "period = \"1h\"", "invalid-value", 27, "longer"),
    ("key = { env = \"EVIDENCE_KEY\" }", "", "missing-key", 26, "allow_unsigned"),
    ("env = \"EVIDENCE_KEY\"", "env = \"A\", secret = \"b\"", "conflicting-keys", 29, "key_vault"),
    ("env = \"EVIDENCE_KEY\"", "key_vault = \"kv-ops\"", "conflicting-keys", 29, "secret"),
    ("period = \"7d\"", "app = \"wob\"", "dangling-reference", 27, "web"),
    ("period = \"7d\"", "roles = [\"wob\"]", "dangling-reference", 27, "web-id"),
    ("period = \"7d\"", "restart = true", "missing-key", 27, "proves"),
    ("name = \"logins\"", "name = \"census\"", "duplicate-sensor", 30, "another name"),
    ("name = \"logins\"", "name = \"probe job\"", "duplicate-sensor", 30, "another name"),
    ("workspace =", "app_insights =", "conflicting-keys", 30, "workspace"),
    ("kind = \"server_logs\"", "kind = \"query\"", "missing-key", 30, "query"),
    ("[cleanup.web]", "[cleanup.wob]", "dangling-reference", 34, "web"),
    ("remove_settings = [\"PGPASSWORD\"]", "", "conflicting-keys", 37, "remove_settings"),
    ("escrow = { key_vault = \"kv-ops\", purge_after = \"30d\" }", "", "missing-key", 34, "irreversible"),
    ("role_password = true", "irreversible = true", "conflicting-keys", 37, "give them up"),
    ("[\"PGPASSWORD\"]", "[\"USER\"]", "contradiction", 36, "settings"),
    ("[\"PGPASSWORD\"]", "[\"pghost\"]", "contradiction", 36, "require_settings"),
    ("[server.srv]\n", "[server.srv]\npassword_auth = true\n", "contradiction", 40, "password_auth"),
    ("password_login = { end_sessions_after = \"1h\" }", "soak = \"1h\"", "conflicting-keys", 35, "password_login"),
    ("kv-ops", "kv_ops", "invalid-value", 37, "3 to 24"),
];

#[test]
fn nonsense_is_found() {
    for (from, to, rule, line, remedy) in NONSENSE {
        let text = swap(from, to);
        let found = findings(&text);
        let at = |finding: &Finding| finding.place.as_ref().map_or(0, |place| line_column(&text, place.span.start).0);
        let hit = found.iter().any(|finding| {
            let help = finding.remedy.as_deref().unwrap_or_default();
            finding.rule == *rule && at(finding) == *line && help.contains(remedy)
        });
        let seen: Vec<_> = found.iter().map(|one| (one.rule, at(one), &one.title, &one.remedy)).collect();
        assert!(hit, "{from} -> {to}: {rule} at {line} not among {seen:#?}");
    }
}

#[test]
fn a_cleanup_that_does_nothing_is_refused() {
    let start = BASE.find("password_login =").unwrap();
    let found = findings(&BASE[..start]);
    assert_eq!(found.iter().map(|one| one.rule).collect::<Vec<_>>(), ["empty-cleanup"]);
}

#[test]
fn a_log_that_is_too_slow_for_the_grace_is_refused() {
    let every = |every: &str| BASE.replace("period = \"7d\"\n", &format!("period = \"7d\"\nevery = \"{every}\"\n"));
    let late = |text: &str| findings(text).iter().filter(|one| one.title.contains("may come")).count();
    assert_eq!((late(&every("24h")), late(&every("31m")), late(&every("30m"))), (0, 0, 1));
    let lag =
        |lag: &str| every("30m").replace("kind = \"server_logs\"", &format!("kind = \"server_logs\"\nlag = \"{lag}\""));
    assert_eq!((late(&lag("14m")), late(&lag("15m"))), (0, 1));
}

#[test]
fn one_name_in_both_lists_is_kept_twice() {
    let text = swap("[\"PGPASSWORD\"]\n", "[\"PGPASSWORD\"]\nremove_connection_strings = [\"pgpassword\", \"Db\"]\n");
    let plan = good(&text);
    let escrows: Vec<String> = order(&plan).into_iter().filter(|address| address.starts_with("escrow.")).collect();
    assert_eq!(
        escrows,
        ["escrow.\"web Db\"", "escrow.\"web PGPASSWORD\"", "escrow.\"web pgpassword connection strings\""]
    );
    assert!(json(&plan, "escrow", "web PGPASSWORD").contains(r#""secret":"web-pgpassword""#));
    for (kind, name) in
        [("escrow", "web pgpassword connection strings"), ("password_setting", "web connection strings")]
    {
        assert!(json(&plan, kind, name).contains(r#""secret":"web-pgpassword-connection-strings""#), "{kind}");
    }
}

#[test]
fn names_of_postgresql_differ_by_case() {
    let more = "[resource.password_login.one]\nserver = \"srv\"\nname = \"old\"\nlogin = false\n\
                [resource.password_login.two]\nserver = \"SRV\"\nname = \"OLD\"\nlogin = false\n";
    let same = |text: &str| findings(text).iter().any(|one| one.rule == "declared-twice");
    assert!(!same(&format!("{BASE}{more}")));
    assert!(same(&format!("{BASE}{}", more.replace("OLD", "old"))));
}

#[test]
fn a_role_comes_after_the_roles_it_is_a_member_of_and_grants_after_creators() {
    let role = |name: &str, more: &str| {
        format!("[role.{name}]\nserver = \"srv\"\nobject_id = \"11111111-1111-4111-8111-111111111111\"\n{more}")
    };
    let grants = "[[role.aa.grants]]\ndatabase = \"db\"\nschemas = [\"t\"]\ntables = [\"SELECT\"]\nfuture = [\"zz\"]\n";
    let plan = good(&format!("{BASE}{}{}", role("aa", &format!("member_of = [\"zz\"]\n{grants}")), role("zz", "")));
    let at = |address: &str| plan.desired.iter().position(|one| one.address.to_string() == address).unwrap();
    assert!(at("database_role.zz") < at("database_role.aa"));
    let after = |address: &str| &plan.desired[at(address)].after;
    assert!(after("database_role.aa").contains(&Address::new("database_role", "zz")));
    assert!(after("database_grants.db").contains(&Address::new("database_role", "zz")));
    let circle = format!("{BASE}{}{}", role("aa", "member_of = [\"zz\"]\n"), role("zz", "member_of = [\"aa\"]\n"));
    assert!(findings(&circle).iter().any(|one| one.rule == "cycle"));
}
