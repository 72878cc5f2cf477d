//! Findings of the parts of a migration: deployments, places, repetition, evidence and cleanup.

use std::collections::BTreeMap;

use super::findings::{told, told_mistakes};
use crate::plan::environment_tests::BASE as PLACES;
use crate::plan::evidence_tests::BASE as EVIDENCE;

const EVIDENCE_MISTAKES: &[(&str, &str)] = &[
    ("post = \"/api/jobs\"", "method = \"PUT\""),
    ("{job_id}", "{job_id"),
    ("old_role = \"geoapp\"", ""),
    ("old_role = \"geoapp\"", "old_role = { name = \"geoapp\" }\nroles = []"),
    ("period = \"7d\"", "period = \"1h\""),
    ("key = { env = \"EVIDENCE_KEY\" }", ""),
    ("env = \"EVIDENCE_KEY\"", "env = \"A\", secret = \"b\""),
    ("env = \"EVIDENCE_KEY\"", "key_vault = \"kv-ops\""),
    ("period = \"7d\"", "app = \"wob\""),
    ("period = \"7d\"", "roles = [\"wob\"]"),
    ("period = \"7d\"", "restart = true"),
    ("period = \"7d\"", "period = \"7d\"\nevery = \"30m\""),
    ("name = \"logins\"", "name = \"census\""),
    (
        "[[validation.web.sensor]]",
        "[[validation.web.sensor]]\nname = \"logins\"\nkind = \"server_logs\"\nworkspace = \
         \"55555555-5555-4555-8555-555555555555\"\n[[validation.web.sensor]]",
    ),
    ("workspace =", "app_insights ="),
    ("kind = \"server_logs\"", "kind = \"query\""),
    ("kind = \"server_logs\"", "kind = \"query\"\nquery = \"T\"\ncontrol = \"U\""),
    ("kind = \"server_logs\"", "kind = \"server_logs\"\nproves = \"restart\""),
    ("kind = \"server_logs\"", "kind = \"server_logs\"\napp_insights = \"55555555-5555-4555-8555-555555555555\""),
    ("[cleanup.web]", "[cleanup.wob]"),
    ("remove_settings = [\"PGPASSWORD\"]", ""),
    ("escrow = { key_vault = \"kv-ops\", purge_after = \"30d\" }", ""),
    ("role_password = true", "irreversible = true"),
    ("[\"PGPASSWORD\"]", "[\"USER\"]"),
    ("[\"PGPASSWORD\"]", "[\"pghost\"]"),
    ("[server.srv]\n", "[server.srv]\npassword_auth = true\n"),
    ("password_login = { end_sessions_after = \"1h\" }", "soak = \"1h\""),
    ("kv-ops", "kv_ops"),
    (
        "[validation.web]",
        "[server.two]\n[validation.old]\nperiod = \"7d\"\nold_role = \"geoapp\"\nkey = { env = \"K\" }\n[validation.web]",
    ),
    (
        "[validation.web]",
        "[validation.none]\nperiod = \"7d\"\nkey = { env = \"K\" }\n[cleanup.none]\nremove_settings = [\"X\"]\n\
         role_password = true\nirreversible = true\n[validation.web]",
    ),
    (
        "[cleanup.web]\npassword_login = { end_sessions_after = \"1h\" }\nremove_settings = [\"PGPASSWORD\"]\nescrow = { \
         key_vault = \"kv-ops\", purge_after = \"30d\" }\nrole_password = true\nserver_password_auth = { admin_password = { \
         env = \"ADMIN\" } }\n",
        "[cleanup.web]\n",
    ),
];

#[test]
fn findings_of_evidence_and_cleanup() {
    insta::assert_snapshot!(told_mistakes(EVIDENCE, EVIDENCE_MISTAKES));
}

const PLACES_MISTAKES: &[(&str, &str)] = &[
    ("ip = \"203.0.113.7\"", ""),
    ("ip = \"203.0.113.7\"", "start = \"203.0.113.9\"\nend = \"203.0.113.7\""),
    ("zip = \"app.zip\"", "zip = \"app.zip\"\ncommand = [\"./deploy.sh\"]"),
    ("zip = \"app.zip\"\n", ""),
    ("zip = \"app.zip\"", "zip = \"app.zip\"\ncheck = [\"./check.sh\"]"),
    ("zip = \"app.zip\"\nkeep = true", "command = [\"./deploy.sh\"]"),
    ("zip = \"app.zip\"\nkeep = true", "command = []\ncheck = [\"./check.sh\"]"),
    (
        "zip = \"app.zip\"\nkeep = true",
        "command = [\"./deploy.sh\", \"postgres://u:hunter2@h/db\"]\ncheck = [\"./check.sh\"]",
    ),
    ("[database.orders]\nserver = \"srv\"", "[database.orders]\nserver = \"svr\""),
    ("[database.orders]", "[resource.firewall_rule.agents]\n[database.orders]"),
];

#[test]
fn findings_of_deployments_and_places() {
    insta::assert_snapshot!(told_mistakes(PLACES, PLACES_MISTAKES));
}

#[test]
fn findings_of_repetition() {
    let app = |more: &str| format!("[app.web]\nidentity = \"system\"\n{more}\n");
    let each = |more: &str| format!("[app.\"${{each.key}}\"]\n{more}\n");
    let texts = [
        app("for_each = [\"one\", \"two\"]"),
        app("settings = { A = \"${each.key}\" }"),
        app("extends = \"nothing\""),
        app("extends = 1"),
        app("extends = \"a\"\n[template.a]\nextends = \"b\"\n[template.b]\nextends = \"a\""),
        app("extends = \"a\"\n[template]\na = 1"),
        app("[template.spare]\nidentity = \"system\""),
        each("for_each = { one = { b = \"1\" } }\nsettings = { A = \"${each.value.c}\" }"),
        each("for_each = 3"),
        each("for_each = [[1]]"),
        each("for_each = \"x\""),
        each("for_each = [\"one\", \"one\"]\nidentity = \"system\""),
        each("for_each = [\"one\"]\nprobe = [{ for_each = [\"b\"], name = \"p\", get = \"/\" }]"),
        format!("[variables]\na = {{ default = \"x\" }}\n{}", each("for_each = \"${a}\"")),
        format!("[variables]\na = {{ default = [\"x\"] }}\n{}", app("settings = { A = \"${a}\" }")),
    ];
    let head = "version = 1\nname = \"fleet\"\n[azure]\nsubscription = \"22222222-2222-4222-8222-222222222222\"\n\
                resource_group = \"rg\"\n";
    insta::assert_snapshot!(told_each(texts.iter().map(|text| format!("{head}{text}"))));
}

/// The findings of each text, one after the other.
fn told_each(texts: impl Iterator<Item = String>) -> String {
    texts.map(|text| told(&text, &BTreeMap::new()) + "\n").collect()
}
