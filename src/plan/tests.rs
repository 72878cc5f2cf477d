//! Good plan files, what they lower to, and texts at random.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::test_kinds::KINDS;
use super::{Given, Origin, PlanFile, load};
use crate::model::{Address, Auth, Value};

pub(super) const GUIDE: &str = include_str!("../../plans/rmhazuregeoapi.toml");

/// Every plan file in `plans/`, by name.
pub(super) fn plans() -> Vec<(String, String)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/plans");
    let mut plans: Vec<(String, String)> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    plans.sort();
    plans
}

pub(super) fn good(text: &str) -> PlanFile {
    let (plan, findings) = load(text, &BTreeMap::new(), &KINDS);
    assert_eq!(findings, [], "{text}");
    plan.unwrap()
}

fn given(name: &str, value: &str, origin: Origin) -> BTreeMap<String, Given> {
    BTreeMap::from([(name.to_owned(), Given { value: value.to_owned(), origin })])
}

#[test]
fn every_plan_loads_without_findings() {
    let plans = plans();
    assert!(plans.len() >= 9);
    for (name, text) in &plans {
        let (plan, findings) = load(text, &BTreeMap::new(), &KINDS);
        assert_eq!(findings, [], "{name}");
        assert!(!plan.unwrap().desired.is_empty(), "{name}");
    }
    for kind in KINDS {
        assert!(plans.iter().any(|(name, _)| name.ends_with(&format!("/{}.toml", kind.kind))), "{}", kind.kind);
    }
}

/// Rules that name their roles by reference are told apart by what they refer to.
#[test]
fn the_same_grant_to_two_referred_roles_is_no_duplicate() {
    let role = |name: &str| {
        format!(
            "[resource.database_role.{name}]\nserver = \"rmhpgflex\"\nname = \"{name}\"\n\
             object_id = \"44444444-4444-4444-8444-444444444444\"\n"
        )
    };
    let grant = |name: &str| {
        format!("{{ role = {{ ref = \"database_role.{name}.name\" }}, schemas = [\"geo\"], schema = [\"USAGE\"] }}")
    };
    let text = format!(
        "version = 1\nname = \"x\"\n[azure]\nsubscription = \"22222222-2222-4222-8222-222222222222\"\n\
         resource_group = \"rg\"\n[server.rmhpgflex]\nconnections = [{{ name = \"a\", user = \"a\", token = true }}]\n\
         {}{}[resource.database_grants.db]\nserver = \"rmhpgflex\"\ndatabase = \"db\"\ngrants = [{}, {}]\n",
        role("one"),
        role("two"),
        grant("one"),
        grant("two"),
    );
    assert_eq!(good(&text).desired.len(), 3);
}

#[test]
fn the_guide_lowers_in_the_built_in_order() {
    let plan = good(GUIDE);
    let lines: Vec<String> = plan
        .desired
        .iter()
        .map(|one| {
            let after: Vec<String> = one.after.iter().map(Address::to_string).collect();
            format!("{} <- ({})", one.address, after.join(", "))
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    app_identity.rmhazuregeoapi <- ()
    server_auth.rmhpgflex <- ()
    server_admin.rmhpgflex <- (server_auth.rmhpgflex)
    database_role.rmhazuregeoapi-identity <- (app_identity.rmhazuregeoapi, server_admin.rmhpgflex, server_auth.rmhpgflex)
    database_grants.geopgflex <- (database_role.rmhazuregeoapi-identity, server_admin.rmhpgflex, server_auth.rmhpgflex)
    check."rmhazuregeoapi-identity privileges" <- (database_grants.geopgflex, database_role.rmhazuregeoapi-identity, server_admin.rmhpgflex, server_auth.rmhpgflex)
    app_settings.rmhazuregeoapi <- (app_identity.rmhazuregeoapi, check."rmhazuregeoapi-identity privileges", database_grants.geopgflex, database_role.rmhazuregeoapi-identity)
    check."rmhazuregeoapi database statistics" <- (app_identity.rmhazuregeoapi, app_settings.rmhazuregeoapi)
    check."rmhazuregeoapi health" <- (app_identity.rmhazuregeoapi, app_settings.rmhazuregeoapi)
    check."rmhazuregeoapi hello_world job" <- (app_identity.rmhazuregeoapi, app_settings.rmhazuregeoapi)
    "#);
}

#[test]
fn the_guide_wants_what_it_says() {
    let plan = good(GUIDE);
    let json = |kind: &str, name: &str| {
        let one = plan.desired.iter().find(|one| one.address == Address::new(kind, name)).unwrap();
        serde_json::to_string(&(&one.key, &one.attributes)).unwrap()
    };
    insta::assert_snapshot!(json("server_admin", "rmhpgflex"), @r#"[{"object_id":"33333333-3333-4333-8333-333333333333","resource_group":"rmhazure_rg","server":"rmhpgflex","subscription":"22222222-2222-4222-8222-222222222222"},{"name":"pg-deployers","principal_type":"group","tenant":"11111111-1111-4111-8111-111111111111"}]"#);
    insta::assert_snapshot!(json("app_settings", "rmhazuregeoapi"), @r#"[{"app":"rmhazuregeoapi","resource_group":"rmhazure_rg","subscription":"22222222-2222-4222-8222-222222222222"},{"require":["POSTGIS_HOST","POSTGIS_PORT","POSTGIS_DATABASE","POSTGIS_SCHEMA","APP_SCHEMA"],"settings":{"MANAGED_IDENTITY_NAME":"rmhazuregeoapi-identity","USE_MANAGED_IDENTITY":"true"}}]"#);
    insta::assert_snapshot!(json("database_role", "rmhazuregeoapi-identity"), @r#"[{"name":"rmhazuregeoapi-identity","server":"rmhpgflex"},{"object_id":{"$after_apply":{"address":"app_identity.rmhazuregeoapi","output":"principal_id"}},"principal_type":"service"}]"#);
    insta::assert_snapshot!(json("database_grants", "geopgflex"), @r#"[{"database":"geopgflex","server":"rmhpgflex"},{"grants":[{"database_privileges":["CONNECT"],"functions":["EXECUTE"],"future":true,"managed":true,"role":"rmhazuregeoapi-identity","schema":["USAGE"],"schemas":["geo","app"],"sequences":["USAGE","SELECT"],"tables":["SELECT","INSERT","UPDATE","DELETE"]}]}]"#);
    insta::assert_snapshot!(json("check", "rmhazuregeoapi health"), @r#"[{},{"http":{"app":"rmhazuregeoapi","expect":{"database.auth_method":"managed_identity","status":"healthy"},"path":"/api/health","resource_group":"rmhazure_rg","subscription":"22222222-2222-4222-8222-222222222222"}}]"#);
    let server = &plan.target.servers["rmhpgflex"];
    assert_eq!((server.port, &server.connections[0].auth), (5432, &Auth::Token));
    assert_eq!(server.connections[0].user, "pg-deployers");
}

#[test]
fn variables_are_filled_in_and_change_the_digest() {
    let text = "version = 1\nname = \"a-${env}-$${env}-$5\"\n[variables]\nenv = { default = \"prod\" }\n";
    let plan = good(text);
    assert_eq!(plan.name, "a-prod-${env}-$5");
    let (other, findings) = load(text, &given("env", "test", Origin::Argument), &KINDS);
    assert_eq!(findings, []);
    let other = other.unwrap();
    assert_eq!(other.name, "a-test-${env}-$5");
    assert_ne!(plan.digest, other.digest);
    assert_eq!(plan.digest, good(text).digest);
}

#[test]
fn an_undeclared_variable_matters_by_its_origin() {
    let text = "version = 1\nname = \"a\"\n";
    let rules = |origin| {
        let (plan, findings) = load(text, &given("env", "x", origin), &KINDS);
        (plan.is_some(), findings.len())
    };
    assert_eq!(rules(Origin::Argument), (false, 1));
    assert_eq!(rules(Origin::File("f".to_owned())), (true, 1));
    assert_eq!(rules(Origin::Environment), (true, 0));
}

#[test]
fn odd_role_names_are_taken_as_they_are() {
    let names = [
        "my-app-identity",
        "Ünï\\\"code",
        "a.b",
        "app/slots/staging",
        "DROP TABLE x; --",
        "O'Brien",
        "a{b}c",
        "me@x.com",
    ];
    for name in names {
        let text = format!(
            "version = 1\nname = \"x\"\n[azure]\nresource_group = \"g\"\nsubscription = \
             \"22222222-2222-4222-8222-222222222222\"\n[server.srv]\nconnections = [{{ name = \"a\", user = \"a\" }}]\n\
             [app.web]\n[app.web.settings]\nPGUSER = {{ ref = '''role.\"{name}\".name''' }}\n[role.\"{name}\"]\nserver = \
             \"srv\"\nobject_id = \"33333333-3333-4333-8333-333333333333\"\n[[role.\"{name}\".grants]]\ndatabase = \
             \"d\"\nschemas = [\"{name}\"]\ntables = [\"SELECT\", \"MAINTAIN\"]\n"
        );
        let plan = good(&text);
        let name = name.replace('\\', "");
        let role = plan.desired.iter().find(|one| one.address.kind == "database_role").unwrap();
        assert_eq!(role.key["name"], Value::text(&*name));
        let settings = plan.desired.iter().find(|one| one.address.kind == "app_settings").unwrap();
        assert_eq!(settings.attributes["settings"].as_map().unwrap()["PGUSER"], Value::text(&*name));
        assert!(settings.after.contains(&Address::new("check", format!("{name} privileges"))));
    }
}

#[test]
fn one_database_on_two_servers_is_told_apart() {
    let server =
        |name: &str| format!("[server.{name}]\nhost = \"h\"\nconnections = [{{ name = \"a\", user = \"a\" }}]\n");
    let role = |label: &str, server: &str| {
        format!(
            "[role.{label}]\nserver = \"{server}\"\nobject_id = \"33333333-3333-4333-8333-333333333333\"\ngrants = [{{ \
             database = \"d\", database_privileges = [\"CONNECT\"] }}, {{ database = \"e\", database_privileges = \
             [\"CONNECT\"] }}]\n"
        )
    };
    let text = format!(
        "version = 1\nname = \"x\"\n{}{}{}{}",
        server("one"),
        server("two"),
        role("r", "one"),
        role("s", "two").replace("\"e\"", "\"f\"")
    );
    let plan = good(&text);
    let names: Vec<String> = plan.desired.iter().map(|one| one.address.to_string()).collect();
    for name in [
        "database_grants.\"one/d\"",
        "database_grants.\"two/d\"",
        "database_grants.e",
        "check.\"r privileges in d\"",
        "check.\"s privileges in f\"",
    ] {
        assert!(names.contains(&name.to_owned()), "{name} in {names:?}");
    }
}

#[test]
fn places_lead_to_settings_and_grants() {
    let plan = good(GUIDE);
    let settings = &plan.places[&Address::new("app_settings", "rmhazuregeoapi")];
    assert!(GUIDE[settings["settings.MANAGED_IDENTITY_NAME"].span.clone()].contains("ref = "));
    let grants = &plan.places[&Address::new("database_grants", "geopgflex")];
    assert!(GUIDE[grants["grants.0.tables"].span.clone()].starts_with("[\"SELECT\""));
}

/// Text that looks like a plan file at least in parts.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop_oneof![
        "[a-z_]{1,8} = (true|1|1\\.5|\"[a-z$\\{\\}]*\"|\\[1, \"a\"\\]|\\{ ref = \"[a-z.]*\" \\}|2026-01-01)\n",
        "\\[\\[?(server|app|role|resource|variables|azure|store)(\\.[a-z\"]{1,5}){0,3}\\]?\\]\n",
        prop::sample::select(GUIDE.lines().map(|line| format!("{line}\n")).collect::<Vec<_>>()),
        "(?s).{0,10}",
    ];
    prop::collection::vec(scrap, 0..40).prop_map(|scraps| scraps.concat())
}

fn sound(text: &str) {
    let (plan, findings) = load(text, &BTreeMap::new(), &KINDS);
    let errors = findings.iter().any(|finding| finding.severity == crate::model::Severity::Error);
    assert_eq!(plan.is_none(), errors);
    for finding in findings {
        assert!(finding.remedy.is_some() && finding.label.is_some() || finding.place.is_none(), "{finding:?}");
        if let Some(place) = finding.place {
            assert!(text.get(place.span.clone()).is_some(), "{:?} lies outside of the text", place.span);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_makes_it_panic(text in scraps()) {
        sound(&text);
    }

    #[test]
    fn no_mutation_of_a_good_file_makes_it_panic(
        which in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(), gone in 0_usize..30, put in "(?s).{0,5}"
    ) {
        let plans = plans();
        let (_, text) = which.get(&plans);
        let chars: Vec<char> = text.chars().collect();
        let from = from.index(chars.len());
        let rest = chars.iter().skip(from + gone);
        sound(&chars.iter().take(from).copied().chain(put.chars()).chain(rest.copied()).collect::<String>());
    }
}

/// What a whole document lacks is shown at its first character, whatever that is.
#[test]
fn no_first_character_is_cut_in_two() {
    for text in ["", "\u{feff}", "\u{feff}a = 1", "é", "\n"] {
        sound(text);
    }
}

#[test]
fn depth_does_not_matter() {
    let deep = |open: &str, close: &str| format!("a = {}{}", open.repeat(20_000), close.repeat(20_000));
    let dotted = format!("[{}a]\n", "a.".repeat(20_000));
    let keys = format!("{}a = 1\n", "a.".repeat(20_000));
    for text in [deep("[", "]"), deep("{a = ", "}"), dotted, keys] {
        sound(&text);
        let _ = super::format(&text);
    }
}

#[test]
fn a_fleet_loads_in_good_time() {
    let one = "[app.appN]\nidentity = \"system\"\nsettings = { PGUSER = { ref = \"role.rN.name\" } }\n[role.rN]\nserver = \
               \"rmhpgflex\"\nidentity = { ref = \"app.appN.principal_id\" }\ngrants = [{ database = \"geopgflex\", schemas = \
               [\"geo\"], tables = [\"SELECT\"] }]\n";
    let fleet: String = (0..1000).map(|n| one.replace('N', &n.to_string())).collect();
    let text = format!("{GUIDE}{fleet}");
    let started = std::time::Instant::now();
    assert_eq!(good(&text).desired.len(), 10 + 4 * 1000);
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

const RICH: &str = r#"version = 1
name = "rich"
[azure]
subscription = "22222222-2222-4222-8222-222222222222"
tenant = "11111111-1111-4111-8111-111111111111"
resource_group = "rg"
cloud = "https://management.example/"
[server.main]
name = "srv"
host = "localhost"
port = 5433
tls = "disable"
password_auth = true
admins = [
  { name = "a", object_id = "33333333-3333-4333-8333-333333333333", type = "group" },
  { name = "b@x", object_id = "44444444-4444-4444-8444-444444444444", type = "user" },
]
connections = [{ name = "owner", user = "o", password = { env = "OWNER_PASSWORD" } }, { name = "t", user = "a" }]
[app.web]
name = "web-app"
kind = "web"
slot = "staging"
slot_settings = ["PGUSER"]
sensitive = ["DB"]
after = ["server.main"]
[app.web.identity]
user_assigned = ["/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n"]
[app.web.settings]
PGUSER = { ref = "database_role.r.name" }
DB = { env = "DB_URL" }
[role.r]
server = "main"
object_id = "55555555-5555-4555-8555-555555555555"
type = "group"
adopt = true
member_of = ["reader"]
attributes = { connection_limit = 5, inherit = false }
"#;

#[test]
fn everything_that_a_friendly_table_says_arrives() {
    let plan = good(RICH);
    let json = |kind: &str, name: &str| {
        let one = plan.desired.iter().find(|one| one.address == Address::new(kind, name)).unwrap();
        serde_json::to_value(&one.attributes).unwrap()
    };
    assert_eq!(json("server_auth", "main"), serde_json::json!({ "password_auth": true }), "no Entra, no tenant");
    assert_eq!(json("server_admin", "main/b@x")["principal_type"], "user");
    let identity = json("app_identity", "web");
    assert_eq!(identity["user_assigned"].as_object().unwrap().len(), 1);
    assert_eq!(identity.get("system"), None);
    assert_eq!(
        json("app_settings", "web"),
        serde_json::json!({
            "settings": { "PGUSER": "r", "DB": { "$secret": { "source": { "env": "DB_URL" }, "digest": null } } },
            "sensitive": ["DB"],
        })
    );
    assert_eq!(json("slot_settings", "web"), serde_json::json!({ "app_settings": { "PGUSER": true } }));
    assert_eq!(
        json("database_role", "r"),
        serde_json::json!({
            "object_id": "55555555-5555-4555-8555-555555555555", "principal_type": "group", "adopt": true,
            "member_of": { "reader": true }, "connection_limit": 5, "inherit": false,
        })
    );
    let settings = plan.desired.iter().find(|one| one.address.kind == "app_settings").unwrap();
    assert_eq!(settings.key["slot"], Value::text("staging"));
    let after: Vec<String> = settings.after.iter().map(Address::to_string).collect();
    assert_eq!(
        after,
        [
            "app_identity.web",
            "database_role.r",
            "server_admin.\"main/a\"",
            "server_admin.\"main/b@x\"",
            "server_auth.main",
            "slot_settings.web"
        ]
    );
    let server = &plan.target.servers["srv"];
    assert_eq!((server.host.as_deref(), server.port, server.connections.len()), (Some("localhost"), 5433, 2));
    assert!(
        matches!(&server.connections[0].auth, Auth::Password(source) if source.to_string().ends_with("OWNER_PASSWORD"))
    );
    assert_eq!(plan.target.cloud, crate::model::Cloud::Custom("https://management.example".to_owned()));
}

#[test]
fn a_wrong_value_says_when_a_variable_made_it() {
    let text =
        "version = 1\nname = \"a$1\"\n[variables]\ng = { default = \"a b\" }\n[azure]\nresource_group = \"${g}\"\n";
    let label = |text: &str| load(text, &BTreeMap::new(), &KINDS).1[0].label.clone().unwrap();
    assert_eq!(label(text), "after its variables were filled in");
    assert_eq!(label(&text.replace("\"${g}\"", "\"$ \"\ntenant = \"${g}\"")), "not valid", "a lone $ is no variable");
}

#[test]
fn the_digest_tells_a_name_from_a_value() {
    let text =
        |a: &str, b: &str| format!("version = 1\nname = \"x${{{a}}}${{{b}}}\"\n[variables]\n{a} = {{}}\n{b} = {{}}\n");
    let digest = |values: [(&str, &str); 2]| {
        let given = |(name, value): (&str, &str)| {
            (name.to_owned(), Given { value: value.to_owned(), origin: Origin::Environment })
        };
        load(&text("a", "b"), &values.into_iter().map(given).collect(), &KINDS).0.unwrap().digest
    };
    assert_ne!(digest([("a", "1"), ("b", "2")]), digest([("a", "2"), ("b", "1")]));
    assert_eq!(digest([("a", "1"), ("b", "2")]).len(), 64);
}
