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
