//! Tests of templates and repetition: what they come to, and what is said when they cannot be.

use std::collections::BTreeMap;

use crate::model::Finding;
use crate::plan::test_kinds::KINDS;
use crate::plan::{Given, Origin, PlanFile, load};

const HEAD: &str = "version = 1\nname = \"fleet\"\n[azure]\nsubscription = \"22222222-2222-4222-8222-222222222222\"\n\
                    resource_group = \"rg\"\n[server.pgflex]\nconnections = [{ name = \"admin\", user = \"admin\" }]\n";

fn read(text: &str, given: &[(&str, &str)]) -> (Option<PlanFile>, Vec<Finding>) {
    let given = given.iter().map(|(name, value)| {
        let given = Given { value: (*value).to_owned(), origin: Origin::Argument };
        ((*name).to_owned(), given)
    });
    load(&format!("{HEAD}{text}"), &given.collect::<BTreeMap<_, _>>(), &KINDS)
}

fn addresses(text: &str, given: &[(&str, &str)]) -> Vec<String> {
    let (plan, findings) = read(text, given);
    let plan = plan.unwrap_or_else(|| panic!("{findings:#?}"));
    plan.desired.iter().map(|desired| desired.address.to_string()).collect()
}

fn titles(text: &str) -> Vec<String> {
    let (plan, findings) = read(text, &[]);
    assert!(plan.is_none(), "it is refused");
    findings.iter().map(|finding| format!("{}: {}", finding.rule, finding.title)).collect()
}

const FLEET: &str = r#"
[variables]
apps = { default = ["one", "two"] }
[app."${each.key}"]
for_each = "${apps}"
identity = "system"
settings = { WHO = "${each.value}", ROLE = { ref = "role.${each.key}-identity.name" } }
[role."${each.key}-identity"]
for_each = "${apps}"
server = "pgflex"
identity = { ref = "app.${each.key}.principal_id" }
"#;

#[test]
fn a_table_is_there_once_for_each_item() {
    assert_eq!(
        addresses(FLEET, &[]),
        [
            "app_identity.one",
            "app_identity.two",
            "database_role.one-identity",
            "app_settings.one",
            "database_role.two-identity",
            "app_settings.two",
        ]
    );
    assert_eq!(
        addresses(FLEET, &[("apps", "[\"three\"]")]),
        ["app_identity.three", "database_role.three-identity", "app_settings.three"]
    );
    assert_eq!(addresses(FLEET, &[("apps", "[]")]), [""; 0]);
    let (one, two) = (read(FLEET, &[]).0.unwrap(), read(FLEET, &[("apps", "[\"one\"]")]).0.unwrap());
    assert_ne!(one.digest, two.digest, "what is given is part of what is approved");
}

#[test]
fn a_table_of_tables_gives_each_its_values() {
    let text = r#"
[app."web-${each.key}"]
for_each = { eu = { group = "rg-eu", who = "europe" }, us = { group = "rg-us", who = "america" } }
resource_group = "${each.value.group}"
identity = "system"
settings = { WHO = "${each.value.who}" }
"#;
    let plan = read(text, &[]).0.unwrap();
    let told: Vec<String> = plan
        .desired
        .iter()
        .filter(|desired| desired.address.kind == "app_settings")
        .map(|desired| {
            format!("{} {:?} {:?}", desired.address, desired.key["resource_group"], desired.attributes["settings"])
        })
        .collect();
    assert_eq!(told.len(), 2);
    assert!(told[0].contains("web-eu") && told[0].contains("rg-eu") && told[0].contains("europe"), "{told:?}");
    assert!(told[1].contains("web-us") && told[1].contains("rg-us") && told[1].contains("america"), "{told:?}");
}

#[test]
fn items_of_a_list_are_repeated_too() {
    let text = r#"
[role.reader]
server = "pgflex"
object_id = "11111111-1111-4111-8111-111111111111"
[[role.reader.grants]]
for_each = ["geo", "app"]
database = "${each.key}db"
schemas = ["${each.value}"]
tables = ["SELECT"]
"#;
    let addresses = addresses(text, &[]);
    for database in ["geodb", "appdb"] {
        assert!(addresses.contains(&format!("database_grants.{database}")), "{addresses:?}");
    }
}

#[test]
fn a_template_lies_under_what_extends_it() {
    let text = r#"
[template.base]
identity = "system"
[template.base.settings]
A = "base"
B = "base ${each.key}"
[template.tuned]
extends = "base"
settings = { B = "tuned ${each.key}" }
[app."${each.key}"]
for_each = ["one"]
extends = "tuned"
settings = { C = "own" }
[app.plain]
extends = "base"
settings = { B = "b" }
"#;
    let plan = read(text, &[]).0.unwrap();
    let settings = |name: &str| {
        let desired =
            plan.desired.iter().find(|one| one.address.to_string() == format!("app_settings.{name}")).unwrap();
        format!("{:?}", desired.attributes["settings"])
    };
    let one = settings("one");
    for part in ["base", "tuned one", "own"] {
        assert!(one.contains(part), "{one}");
    }
    assert!(!one.contains("base one") && !settings("plain").contains("tuned"), "the nearest counts");
}

#[test]
fn what_cannot_be_is_said_with_its_place() {
    let app = |more: &str| format!("[app.x]\nidentity = \"system\"\n{more}\n");
    for (text, said) in [
        (app("for_each = [\"a\", \"b\"]"), "same-label: each repetition of `x` has the same label"),
        (app("settings = { A = \"${each.key}\" }"), "undefined-variable: `each.key` is nothing here"),
        (app("extends = \"nothing\""), "dangling-reference: there is no [template.nothing]"),
        (app("extends = 1"), "wrong-type: `extends` has to be text"),
        (
            app("extends = \"a\"\n[template.a]\nextends = \"b\"\n[template.b]\nextends = \"a\""),
            "cycle: a template extends itself",
        ),
        (app("extends = \"a\"\n[template]\na = 1"), "wrong-type: `template.a` has to be a table, not a whole number"),
        (
            "[app.\"${each.key}\"]\nfor_each = { a = { b = \"1\" } }\nsettings = { A = \"${each.value.c}\" }\n"
                .to_owned(),
            "undefined-variable: `each.value.c` is nothing here",
        ),
        (
            "[app.\"${each.key}\"]\nfor_each = 3\n".to_owned(),
            "wrong-type: `for_each` has to be a list of text, or a table",
        ),
        (
            "[app.\"${each.key}\"]\nfor_each = [[1]]\n".to_owned(),
            "wrong-type: `for_each` has to be a list of text, or a table",
        ),
        ("[app.\"${each.key}\"]\nfor_each = \"x\"\n".to_owned(), "wrong-type: `for_each` has to be a list or a table"),
        (
            "[variables]\na = { default = \"x\" }\n[app.\"${each.key}\"]\nfor_each = \"${a}\"\n".to_owned(),
            "wrong-type: the variable `a` is no list or table",
        ),
        (
            format!("[variables]\na = {{ default = [\"x\"] }}\n{}", app("settings = { A = \"${a}\" }")),
            "wrong-type: the variable `a` is no text",
        ),
        (
            "[app.\"${each.key}\"]\nfor_each = [\"a\", \"a\"]\nidentity = \"system\"\n".to_owned(),
            "duplicate-key: `a` is there twice",
        ),
        (
            "[app.\"${each.key}\"]\nfor_each = [\"a\"]\nprobe = [{ for_each = [\"b\"], name = \"p\", get = \"/\" }]\n"
                .to_owned(),
            "nested-for-each: a repetition inside a repetition",
        ),
    ] {
        let titles = titles(&text);
        assert!(titles.iter().any(|title| title == said), "{said} is not in {titles:#?}\n{text}");
    }
}

#[test]
fn what_is_given_for_a_list_has_to_be_one_and_is_not_shown() {
    for wrong in ["hunter2", "\"hunter2\"", "[]\nother = 1", "[hunter2"] {
        let (plan, findings) = read(FLEET, &[("apps", wrong)]);
        assert!(plan.is_none());
        let titles: Vec<&str> = findings.iter().map(|finding| finding.title.as_str()).collect();
        assert_eq!(titles, ["--var gives the variable `apps` no list or table"]);
        assert!(!format!("{findings:?}").contains("hunter2"));
    }
}

#[test]
fn what_is_said_about_repetition_where_nothing_is_repeated_is_an_unknown_key() {
    let role = "[role.x]\nserver = \"pgflex\"\nobject_id = \"11111111-1111-4111-8111-111111111111\"\n";
    let app = "[app.x]\nidentity = \"system\"\n";
    for (text, key) in [
        (
            format!(
                "{role}[[role.x.grants]]\nextends = \"rw\"\ndatabase = \"db\"\nschemas = [\"s\"]\ntables = [\"SELECT\"]\n"
            ),
            "extends",
        ),
        (format!("{app}[[app.x.probe]]\nextends = \"p\"\nname = \"p\"\nget = \"/\"\n"), "extends"),
        ("[drift]\nextends = \"a\"\n".to_owned(), "extends"),
        (
            "[database.geo]\nserver = \"pgflex\"\n[database.geo.schema.\"${each.key}\"]\nfor_each = [\"a\"]\n"
                .to_owned(),
            "for_each",
        ),
    ] {
        let titles = titles(&text);
        let said = titles.iter().any(|title| title.starts_with(&format!("unknown-key: `{key}` is not a key of")));
        assert!(said, "{titles:#?}\n{text}");
    }
}

#[test]
fn variables_stand_in_labels_keys_and_inline_lists() {
    let text = r#"
[variables]
env = { default = "prod" }
[app."web-${env}"]
identity = "system"
settings = { "NAME_${env}" = "1", "A$${b}" = "$${c}" }
[role."${each.key}"]
for_each = ["${env}-a", "$${env}"]
server = "pgflex"
object_id = "11111111-1111-4111-8111-111111111111"
"#;
    let (plan, findings) = read(text, &[("env", "dev")]);
    let names: Vec<&str> = findings.iter().map(|finding| finding.rule).collect();
    assert!(!names.contains(&"unused-variable"), "{findings:#?}");
    let told = format!("{:?} {findings:?}", plan.map(|plan| plan.desired));
    assert!(!told.contains("$${"), "{told}");
    let labels = text
        .replace("[\"${env}-a\", \"$${env}\"]", "[\"${env}-a\"]")
        .replace("\"A$${b}\" = \"$${c}\"", "B = \"$${c}\"");
    let plan = read(&labels, &[("env", "dev")]).0.unwrap();
    let told = format!("{:?}", plan.desired);
    for part in ["web-dev", "NAME_dev", "dev-a", "\"${c}\""] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn of_two_values_that_stand_for_others_the_nearest_counts() {
    let text = r#"
[template.base.settings]
A = { env = "A" }
env = "base"
B = { ref = "role.web-id.name" }
[app.web]
extends = "base"
identity = "system"
settings = { A = { ref = "role.web-id.name" }, B = { env = "B" }, C = "c" }
[role.web-id]
server = "pgflex"
identity = { ref = "app.web.principal_id" }
"#;
    let (plan, findings) = read(text, &[]);
    let plan = plan.unwrap_or_else(|| panic!("{findings:#?}"));
    let settings = plan.desired.iter().find(|one| one.address.kind == "app_settings").unwrap();
    let told = format!("{:?}", settings.attributes["settings"]);
    assert!(told.contains("base") && told.contains("\"C\""), "{told}");
    assert!(!told.contains("\"A\")") && told.matches("env").count() <= 2, "{told}");
}

#[test]
fn a_default_is_what_its_type_says() {
    let declared = |variable: &str| {
        let text = format!(
            "[variables]\nx = {variable}\n[app.\"a${{each.key}}\"]\nfor_each = \"${{x}}\"\nidentity = \"system\"\n"
        );
        let (plan, findings) = read(&text, &[]);
        assert_eq!(plan.is_some(), findings.is_empty());
        findings.iter().map(|one| format!("{}: {}", one.rule, one.title)).collect::<Vec<_>>()
    };
    for (variable, said) in [
        ("{ type = \"text\", default = [\"a\"] }", "a list, not text"),
        ("{ type = \"table\", default = [\"a\"] }", "a list, not a table"),
        ("{ type = \"list\", default = { a = \"b\" } }", "a table, not a list"),
        ("{ type = \"list\", default = \"a\" }", "text, not a list"),
    ] {
        assert_eq!(declared(variable), [format!("wrong-type: the default of the variable `x` is {said}")]);
    }
    assert_eq!(declared("{ type = \"list\", default = [\"a\"] }"), [""; 0]);
    assert_eq!(declared("{ default = { api = { env = \"prod\", ref = \"r\" } } }"), [""; 0]);
    let list =
        "[variables]\nx = { type = \"list\" }\n[app.\"a${each.key}\"]\nfor_each = \"${x}\"\nidentity = \"system\"\n";
    assert!(read(list, &[("x", "{ a = \"b\" }")]).0.is_none());
}

#[test]
fn very_many_mistakes_are_told_in_good_time() {
    let role = |n: usize| {
        format!("[app.app-{n:04}]\nidentity = \"system\"\nsettings = {{ A = {{ ref = \"role.rol-{n:04}.name\" }} }}\n")
    };
    let text: String = (0..3_000).map(role).collect();
    let (plan, findings) = read(&text, &[]);
    assert!(plan.is_none() && findings.len() >= 3_000, "{}", findings.len());
}
