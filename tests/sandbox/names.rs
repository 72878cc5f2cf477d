//! Names from outside are data: roles, schemas and tables whose names would break or become SQL.

use crate::stand::Stand;

const NAMES: [&str; 9] = [
    "my-app-identity",
    "Ünï\"code",
    "a.b",
    "app/slots/staging",
    "DROP TABLE x; --",
    "it's $$ \\ ${x} E'\\n'",
    "\u{1b}[31m\n::error::x\u{202e}y",
    "##vso[task.x]`</details><script>",
    "|\u{200b}\t::add-mask::x\n```",
];

const HEAD: &str = r#"
version = 1
name = "names"

[azure]
subscription = "22222222-2222-4222-8222-222222222222"
tenant = "11111111-1111-4111-8111-111111111111"
resource_group = "rmhazure_rg"

[server.rmhpgflex]
entra_auth = true
admin = { name = "pg-deployers", object_id = "33333333-3333-4333-8333-333333333333", type = "group" }
"#;

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(name: &str) -> String {
    format!("E'{}'", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A TOML string; `$${` is how a plan file writes `${` that is no variable.
fn toml(name: &str) -> String {
    let escaped = |c: char| {
        if c.is_control() || "\"\\\u{200b}\u{202e}".contains(c) {
            format!("\\u{:04x}", u32::from(c))
        } else {
            c.to_string()
        }
    };
    format!("\"{}\"", name.replace("${", "$${").chars().map(escaped).collect::<String>())
}

/// Nothing in a text moves a cursor, turns it around, or is a command to a CI system.
fn tame(text: &str) {
    let unsafe_one = |c: char| c.is_control() && c != '\n' || "\u{200b}\u{202e}".contains(c);
    assert!(!text.contains(unsafe_one) && !text.contains("##vso["), "{text}");
    assert!(text.lines().all(|line| !line.trim_start().starts_with("::")), "{text}");
}

/// What is shown of the plan and of its parts, in every format.
fn shown(stand: &Stand) {
    for words in
        ["plan --full", "plan --explain database_grants.geopgflex", "render sql", "render az", "graph", "doctor"]
    {
        for format in ["text", "json", "markdown", "html"] {
            let mut arguments: Vec<&str> = words.split(' ').collect();
            arguments.extend(["names.toml", "--format", format, "--annotations", "none"]);
            let ran = stand.run(&arguments);
            assert!(ran.code != 1, "{words}: {}", ran.err);
            tame(&ran.out);
            tame(&ran.err);
        }
    }
}

/// An import of each role says its name and what it holds, and is a plan file.
fn imported(stand: &Stand) {
    let app = ["import", "-g", "rmhazure_rg", "--app", "rmhazuregeoapi", "--database", "geopgflex"];
    let way = ["--connect-as", "pgadmin", "--password-env", "PGADMIN_PASSWORD", "--role"];
    for name in NAMES {
        let arguments: Vec<&str> = app.into_iter().chain(way).chain([name]).collect();
        let ran = stand.run(&arguments).ends(0);
        tame(&ran.out);
        tame(&ran.err);
        let table: toml::Table = ran.out.parse().unwrap();
        // Variables are filled into keys, too.
        let grants = table["role"][name.replace("${", "$${")]["grants"].as_array().unwrap();
        assert!(ran.out.contains("schemas") && !grants.is_empty(), "{}", ran.out);
    }
}

/// The plan: for each name a role of that name that may read the table of that name in the schema of that name.
fn plan() -> String {
    let role = |(at, name): (usize, &&str)| {
        let name = toml(name);
        format!(
            r#"
[resource.database_role.r{at}]
server = "rmhpgflex"
name = {name}
object_id = "aaaaaaaa-0000-4000-8000-00000000000{at}"

[[resource.database_grants.geopgflex.grants]]
role = {name}
schemas = [{name}]
schema = ["USAGE"]
tables = ["SELECT", "INSERT"]
sequences = ["USAGE"]
functions = ["EXECUTE"]
types = ["USAGE"]
future = true
"#
        )
    };
    let roles: String = NAMES.iter().enumerate().map(role).collect();
    format!("{HEAD}{roles}\n[resource.database_grants.geopgflex]\nserver = \"rmhpgflex\"\ndatabase = \"geopgflex\"\n")
}

#[tokio::test]
async fn hostile_names_stay_names() {
    let stand = Stand::up().await;
    stand.owner("CREATE TABLE geo.x (id int)");
    for name in NAMES {
        let own = identifier(name);
        stand.admin("geopgflex", &format!("GRANT geoapp TO pgadmin; CREATE SCHEMA {own} AUTHORIZATION geoapp"));
        stand.owner(&format!(
            "CREATE TABLE {own}.{own} ({own} serial); CREATE TYPE {own}.kind AS ENUM ('a'); \
             CREATE FUNCTION {own}.{own}({own} int) RETURNS int LANGUAGE sql AS 'SELECT 1'"
        ));
    }
    stand.keep("names.toml", &plan());
    shown(&stand);
    stand.apply("names.toml").ends(0);
    imported(&stand);
    stand.settled("names.toml");
    for name in NAMES {
        let (role, own) = (literal(name), identifier(name));
        let can = format!(
            "SELECT has_schema_privilege({role}, n.oid, 'USAGE'), has_table_privilege({role}, c.oid, 'SELECT,INSERT'), \
             has_table_privilege({role}, c.oid, 'UPDATE') FROM pg_namespace n \
             JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = n.nspname WHERE n.nspname = {role}"
        );
        assert_eq!(stand.owner(&can), "t|t|f", "{name}");
        stand.owner(&format!("CREATE TABLE {own}.later (id int)"));
        let later = format!(
            "SELECT has_table_privilege({role}, c.oid, 'SELECT') FROM pg_class c \
             WHERE relname = 'later' AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = {role})"
        );
        assert_eq!(stand.owner(&later), "t", "{name}: what came later");
    }
    assert_eq!(stand.owner("SELECT count(*) FROM geo.x"), "0", "nothing was dropped");
    let principals = stand.admin("postgres", "SELECT count(*) FROM pg_shseclabel WHERE label LIKE '%aaaaaaaa-0000%'");
    assert!(principals.parse::<usize>().unwrap() >= NAMES.len(), "{principals}");
}
