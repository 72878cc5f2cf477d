//! Bad plan files: each has to be refused by its rule, at its place, with its remedy.

use std::collections::BTreeMap;

use super::test_kinds::KINDS;
use super::{line_column, load};
use crate::model::{Finding, Severity};

/// Line 1 is `version = 1`.
pub(crate) const BASE: &str = r#"version = 1
name = "base"
[variables]
env = { default = "prod" }
[azure]
subscription = "22222222-2222-4222-8222-222222222222"
resource_group = "rg-${env}"
[server.srv]
admin = { name = "dba", object_id = "33333333-3333-4333-8333-333333333333", type = "group" }
[app.web]
identity = "system"
[app.web.settings]
A = "1"
USER = { ref = "role.web-id.name" }
[[app.web.probe]]
name = "health"
get = "/health"
[role.web-id]
server = "srv"
identity = { ref = "app.web.principal_id" }
[[role.web-id.grants]]
database = "db"
schemas = ["s"]
tables = ["SELECT", "INSERT"]
"#;

fn findings(text: &str) -> Vec<Finding> {
    load(text, &BTreeMap::new(), &KINDS).1
}

fn swap(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "{from}");
    BASE.replacen(from, to, 1)
}

/// What is replaced, by what, then rule, line, column and a part of the remedy of the finding that has to come.
type Case = (&'static str, &'static str, &'static str, usize, usize, &'static str);

fn try_all(cases: &[Case]) {
    assert_eq!(findings(BASE), []);
    for (from, to, rule, line, column, remedy) in cases {
        let text = swap(from, to);
        let found = findings(&text);
        let seen: Vec<(&str, (usize, usize), String)> = found
            .iter()
            .map(|finding| {
                let at = finding.place.as_ref().map_or((0, 0), |place| line_column(&text, place.span.start));
                (finding.rule, at, finding.remedy.clone().unwrap_or_default())
            })
            .collect();
        let hit = seen.iter().any(|(r, at, help)| r == rule && *at == (*line, *column) && help.contains(remedy));
        let bare = |finding: &&Finding| finding.severity == Severity::Error && finding.remedy.is_none();
        assert_eq!(found.iter().find(bare), None, "{to:?}: every error says what to do");
        assert!(
            found.iter().all(|finding| !finding.title.contains('\n') && !finding.title.ends_with('.')),
            "{found:#?}"
        );
        assert!(hit, "{to:?}: expected {rule} at {line}:{column} ({remedy}), found {seen:#?}");
        assert!(seen.len() <= 2, "{to:?}: more findings than mistakes: {seen:#?}");
    }
}

#[test]
fn shapes() {
    try_all(&[
        ("version = 1", "", "missing-key", 1, 1, "version = 1"),
        ("version = 1", "version = 2", "unsupported-version", 1, 11, "version = 1"),
        ("version = 1", "version = \"1\"", "wrong-type", 1, 11, "write it as 1"),
        ("name = \"base\"", "nmae = \"base\"", "unknown-key", 2, 1, "did you mean `name`?"),
        ("[server.srv]", "[sever.srv]", "unknown-key", 8, 2, "did you mean `server`?"),
        ("identity = \"system\"", "identty = \"system\"", "unknown-key", 11, 1, "did you mean `identity`?"),
        ("identity = \"system\"", "identity = \"sytem\"", "invalid-word", 11, 12, "did you mean `system`?"),
        ("identity = \"system\"", "identity = 1", "wrong-type", 11, 12, "write it as"),
        ("identity = \"system\"", "identity = [\"x\"]", "invalid-value", 11, 13, "userAssignedIdentities"),
        ("A = \"1\"", "A = 1", "wrong-type", 13, 5, "write it as"),
        ("A = \"1\"", "A = 2026-01-01", "wrong-type", 13, 5, "write it as"),
        ("get = \"/health\"", "", "missing-key", 15, 1, "write get = "),
        ("get = \"/health\"", "get = \"health\"", "invalid-value", 17, 7, "begin it with one /"),
        ("get = \"/health\"", "get = \"/h\"\nwithin = \"5 minutes\"", "invalid-duration", 18, 10, "5m"),
        ("get = \"/health\"", "get = \"/h\"\nexpect_status = 20", "invalid-value", 18, 17, "from 100 to 599"),
        ("get = \"/health\"", "get = \"/h\"\nexpect = { a.b = \"c\" }", "wrong-type", 18, 12, "in quotes"),
        ("database = \"db\"", "", "missing-key", 21, 1, "add database = "),
        ("object_id = \"3333", "object_id = \"x333", "invalid-guid", 9, 37, "00000000-"),
        ("type = \"group\"", "type = \"gruop\"", "invalid-word", 9, 84, "did you mean `group`?"),
        ("name = \"base\"", "name = \"base", "syntax", 2, 13, "text in quotes"),
        ("name = \"base\"", "name = \"base\"\nname = \"again\"", "duplicate-key", 3, 1, "once"),
        ("[role.web-id]", "[resource.database_rol.x]\n[role.web-id]", "unknown-kind", 18, 11, "`database_role`?"),
        ("[role.web-id]", "[resource]\napp_settings = 1\n[role.web-id]", "wrong-type", 19, 16, "{ ... }"),
    ]);
}

#[test]
fn names() {
    try_all(&[
        ("[server.srv]", "[server.srv]\nname = \"s\"", "invalid-value", 9, 8, "3 to 63"),
        ("[app.web]", "[app.web]\nname = \"my_app\"", "invalid-value", 11, 8, "2 to 60"),
        ("[app.web]", "[app.web]\nslot = \"production\"", "invalid-value", 11, 8, "leave `slot` out"),
        ("rg-${env}", "rg ${env}", "invalid-value", 7, 18, "1 to 90"),
        ("rg-${env}", "rg${env}.", "invalid-value", 7, 18, "no full stop"),
        ("[role.web-id]", "[role.web-id]\nname = \"pg_web\"", "invalid-value", 19, 8, "choose another name"),
        ("[role.web-id]", "[role.web-id]\nname = \"public\"", "invalid-value", 19, 8, "choose another name"),
        ("[role.web-id]", "[role.web-id]\nname = \"none\"", "invalid-value", 19, 8, "choose another name"),
        ("[role.web-id]", "[role.web-id]\nname = \"\"", "invalid-value", 19, 8, "at least one"),
        ("[role.web-id]", "[role.web-id]\nname = \"a\\u0000b\"", "invalid-value", 19, 8, "leave it out"),
        ("[role.web-id]", "[role.web-id]\nmember_of = [\"\"]", "invalid-value", 19, 14, "at least one"),
        ("A = \"1\"", "\"A B\" = \"1\"", "invalid-value", 13, 1, "letters, digits"),
        ("A = \"1\"", "A = \"1\"\na = \"2\"", "same-setting", 14, 1, "keep one"),
        (
            "identity = \"system\"",
            "identity = \"system\"\nslot_settings = [\"A/B\"]",
            "invalid-value",
            12,
            18,
            "letters",
        ),
        ("[azure]", "[azure]\ncloud = \"azure\"", "invalid-value", 6, 9, "usgov"),
        ("[azure]", "[store]\nurl = \"ftp://x\"\n[azure]", "invalid-value", 6, 7, "azblob"),
    ]);
    let long = format!("[role.web-id]\nname = \"{}\"", "ü".repeat(32));
    assert_eq!(findings(&swap("[role.web-id]", &long))[0].rule, "invalid-value");
    let label = BASE.replace("web-id", "public");
    let found = findings(&label);
    assert_eq!(found.len(), 1);
    assert_eq!(line_column(&label, found[0].place.as_ref().unwrap().span.start), (18, 7));
    let value = swap("A = \"1\"", &format!("A = \"{}\"", "x".repeat(10_001)));
    assert_eq!(findings(&value)[0].rule, "long-setting");
}

#[test]
fn grants() {
    let privilege = "tables = [\"SELECT\", \"INSERT\"]";
    try_all(&[
        (privilege, "tables = [\"SELCT\"]", "invalid-privilege", 24, 11, "did you mean `SELECT`?"),
        (privilege, "tables = [\"select\"]", "invalid-privilege", 24, 11, "did you mean `SELECT`?"),
        (
            privilege,
            "schema = [\"SELECT\"]",
            "invalid-privilege",
            24,
            11,
            "privilege of a table: write it under `tables`",
        ),
        (privilege, "functions = [\"USAGE\"]", "invalid-privilege", 24, 14, "`EXECUTE`"),
        (privilege, "views = [\"EXECUTE\"]", "invalid-privilege", 24, 10, "privilege of a function"),
        (
            privilege,
            "columns = { \"s.t\" = { SELCT = [\"a\"] } }",
            "invalid-privilege",
            24,
            23,
            "did you mean `SELECT`?",
        ),
        (privilege, "columns = { \"s.t.u\" = { SELECT = [\"a\"] } }", "invalid-value", 24, 13, "write schema.name"),
        (privilege, "tables = [\"SELECT\"]\nonly = [\"a.b.c\"]", "invalid-value", 25, 9, "write schema.name"),
        (
            privilege,
            "tables = [\"SELECT\"]\nonly = [\"a\"]\nfuture = true",
            "conflicting-keys",
            25,
            8,
            "rule of its own",
        ),
        (privilege, "tables = [\"SELECT\"]\nfuture = \"yes\"", "wrong-type", 25, 10, "true"),
        (privilege, "tabels = [\"SELECT\"]\ntypes = [\"USAGE\"]", "unknown-key", 24, 1, "did you mean `tables`?"),
        (privilege, "tables = [\"SELECT\", \"SELECT\"]", "duplicate-grant", 24, 21, "remove one"),
        (privilege, "", "empty-grant", 21, 1, "list privileges"),
        ("schemas = [\"s\"]", "", "missing-key", 21, 1, "schemas"),
        ("schemas = [\"s\"]", "schemas = \"s\"", "invalid-word", 23, 11, "`*`"),
        (privilege, "database_privileges = [\"CONNECT\"]\nfuture = true", "empty-grant", 21, 1, "remove `future`"),
        (
            privilege,
            "tables = [\"SELECT\"]\n[[role.web-id.grants]]\ndatabase = \"db\"\nschemas = [\"t\", \"s\"]\ntables = [\"SELECT\"]",
            "duplicate-grant",
            28,
            11,
            "remove one",
        ),
    ]);
    assert_eq!(findings(&swap(privilege, "tables = [\"MAINTAIN\"]")), []);
    let star = swap("schemas = [\"s\"]", "schemas = \"*\"");
    assert_eq!(findings(&star), []);
}

#[test]
fn references() {
    let user = "USER = { ref = \"role.web-id.name\" }";
    try_all(&[
        (
            user,
            "USER = { ref = \"role.web-di.name\" }",
            "dangling-reference",
            14,
            8,
            "did you mean `role.web-id.name`?",
        ),
        (user, "USER = { ref = \"role.web-id.nme\" }", "unknown-output", 14, 8, "did you mean `name`?"),
        (user, "USER = { ref = \"role\" }", "invalid-reference", 14, 8, "kind.name.output"),
        (user, "USER = { ref = 1 }", "wrong-type", 14, 16, "write it as"),
        (user, "USER = { ref = \"role.web-id.name\", x = 1 }", "unknown-key", 14, 36, "stands alone"),
        (user, "USER = { env = \"a b\" }", "invalid-value", 14, 16, "letters, digits and _"),
        ("server = \"srv\"", "server = \"sv\"", "dangling-reference", 19, 10, "did you mean `srv`?"),
        ("server = \"srv\"", "server = { ref = \"role.web-id.name\" }", "not-literal", 19, 10, "the value itself"),
        ("identity = \"system\"\n", "\n", "dangling-reference", 20, 12, "add identity = \"system\""),
        (
            "identity = \"system\"",
            "identity = \"system\"\nafter = [\"role.x\"]",
            "dangling-reference",
            12,
            10,
            "`role.web-id`",
        ),
        ("identity = \"system\"", "identity = \"system\"\nafter = [\"x\"]", "invalid-value", 12, 10, "kind.name"),
        (
            "server = \"srv\"",
            "server = \"srv\"\nobject_id = \"33333333-3333-4333-8333-333333333333\"",
            "conflicting-keys",
            18,
            1,
            "object_id",
        ),
        ("identity = { ref = \"app.web.principal_id\" }", "", "missing-key", 18, 1, "database_grants"),
    ]);
}

#[test]
fn cycles_print_their_path_and_point_at_what_closes_them() {
    let text = swap("identity = \"system\"", "identity = \"system\"\nafter = [\"database_grants.db\"]");
    let found = findings(&text);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].rule, "cycle");
    assert!(
        found[0].title.contains("app_identity.web -> database_grants.db -> database_role.web-id -> app_identity.web")
    );
    assert_eq!(line_column(&text, found[0].place.as_ref().unwrap().span.start), (12, 10));
}

#[test]
fn variables() {
    try_all(&[
        ("rg-${env}", "rg-${evn}", "undefined-variable", 7, 18, "did you mean `env`?"),
        ("rg-${env}", "rg-${env", "malformed-variable", 7, 18, "$${"),
        ("rg-${env}", "rg", "unused-variable", 4, 1, "remove it"),
        ("env = { default = \"prod\" }", "env = {}", "missing-variable", 4, 1, "--var env="),
        ("env = { default = \"prod\" }", "env = { default = 1 }", "wrong-type", 4, 19, "write it as"),
        ("prod", "no good", "invalid-value", 7, 18, "1 to 90"),
    ]);
    let unused = load(&swap("rg-${env}", "rg"), &BTreeMap::new(), &KINDS);
    assert!(unused.0.is_some());
    assert_eq!(unused.1[0].severity, Severity::Warning);
}

#[test]
fn secrets() {
    try_all(&[
        ("A = \"1\"", "POSTGIS_PASSWORD = \"hunter2\"", "secret-literal", 13, 20, "{ env = \"NAME\" }"),
        ("A = \"1\"", "A = \"postgres://u:p@h/db\"", "secret-literal", 13, 5, "KeyVault"),
        ("A = \"1\"", "A = \"AccountKey=abc==\"", "secret-literal", 13, 5, "KeyVault"),
        ("A = \"1\"", "A = \"1\"\nB_SECRET = \"${env}\"", "secret-literal", 14, 12, "KeyVault"),
        ("[app.web.settings]", "sensitive = [\"A\"]\n[app.web.settings]", "secret-literal", 14, 5, "KeyVault"),
    ]);
    for good in ["{ env = \"PGPASS\" }", "\"@Microsoft.KeyVault(SecretUri=https://v/secrets/p)\"", "\"\"", "\"true\""] {
        assert_eq!(findings(&swap("A = \"1\"", &format!("A_PASSWORD = {good}"))), [], "{good}");
    }
}

#[test]
fn twice() {
    let server = "admin = { name = \"dba\"";
    try_all(&[
        (
            "[role.web-id]",
            "[app.other]\nname = \"WEB\"\nidentity = \"system\"\n[role.web-id]",
            "declared-twice",
            18,
            1,
            "one table",
        ),
        ("[role.web-id]", "[server.two]\nname = \"srv\"\n[role.web-id]", "declared-twice", 18, 1, "one table"),
        (
            "[role.web-id]",
            "[role.b]\nname = \"web-id\"\nserver = \"srv\"\nidentity = { ref = \"app.web.principal_id\" }\n[role.web-id]",
            "declared-twice",
            22,
            1,
            "one table",
        ),
        (
            "[role.web-id]",
            "[resource.app_identity.web]\napp = \"other\"\nsystem = true\n[role.web-id]",
            "declared-twice",
            18,
            1,
            "another name",
        ),
        (
            server,
            "connections = [{ name = \"a\", user = \"u\" }, { name = \"a\", user = \"v\" }]\nadmin = { name = \"dba\"",
            "duplicate-connection",
            9,
            53,
            "its own name",
        ),
        (
            server,
            "connections = [{ name = \"a\", user = \"u\", token = true, password = { env = \"P\" } }]\nadmin = { name = \"dba\"",
            "conflicting-keys",
            9,
            16,
            "token = true",
        ),
        (
            "[[app.web.probe]]",
            "[[app.web.probe]]\nname = \"health\"\nget = \"/\"\n[[app.web.probe]]",
            "declared-twice",
            18,
            1,
            "another name",
        ),
    ]);
}

#[test]
fn servers_and_stores() {
    let admin = "admin = { name = \"dba\", object_id = \"33333333-3333-4333-8333-333333333333\", type = \"group\" }";
    try_all(&[
        (admin, "", "no-connection", 18, 1, "add `admin`"),
        ("[azure]\nsubscription = \"22222222-2222-4222-8222-222222222222\"", "[azure]", "missing-key", 7, 1, "[azure]"),
        (
            "[role.web-id]",
            "[resource.database_role.x]\nserver = \"svr\"\nname = \"x\"\nobject_id = \
             \"33333333-3333-4333-8333-333333333333\"\n[role.web-id]",
            "dangling-reference",
            19,
            10,
            "did you mean `srv`?",
        ),
        (
            admin,
            "entra_auth = true\nadmin = { name = \"dba\", object_id = \"33333333-3333-4333-8333-333333333333\", type = \
             \"group\" }\n[store]\nurl = \"postgres://u@srv.postgres.database.azure.com/db\"",
            "store-on-server",
            12,
            7,
            "another server",
        ),
    ]);
}

#[test]
fn everything_is_said_at_once_in_the_order_of_the_text() {
    let text = BASE
        .replace("name = \"base\"", "nmae = \"base\"")
        .replace("type = \"group\"", "type = \"gruop\"")
        .replace("A = \"1\"", "A_PASSWORD = \"x\"")
        .replace("\"SELECT\"", "\"SELCT\"")
        .replace("server = \"srv\"", "server = \"sv\"");
    let rules: Vec<&str> = findings(&text).iter().map(|finding| finding.rule).collect();
    assert_eq!(
        rules,
        ["missing-key", "unknown-key", "invalid-word", "secret-literal", "dangling-reference", "invalid-privilege"]
    );
}

#[test]
fn syntax_errors_come_together_and_with_the_rest() {
    let text = "version = 1\nname = \"a\nnmae = 3\n[azure]\ncloud = \nresource_group = \"a b\"\n";
    let rules: Vec<(&str, usize)> = findings(text)
        .iter()
        .map(|finding| (finding.rule, finding.place.as_ref().map_or(0, |place| line_column(text, place.span.start).0)))
        .collect();
    assert_eq!(rules, [("syntax", 2), ("unknown-key", 3), ("syntax", 5), ("invalid-value", 6)]);
}
