//! Tries the database part of a plan for real: one transaction per database and connection, always rolled back.

use std::collections::{BTreeMap, BTreeSet};

use super::Live;
use super::live::{optional_text, text};
use super::verify::Proof;
use crate::model::{Attributes, Failure, Step, Value};
use crate::postgres::{TERMINATES, try_statements};

/// The database that roles are made in.
const ROLES: &str = "postgres";

/// Server, database and connection: one transaction.
type Place = (String, String, Option<String>);

/// One line per step that speaks SQL. Whatever a step needs that is made elsewhere, in Azure or in another database, is
/// not there yet; such a step is said to be not tried. Nothing stays: every transaction is rolled back.
pub async fn try_in_database(live: &Live, steps: &[Step]) -> Vec<Proof> {
    let mut found = Vec::new();
    let mut tried: BTreeMap<Place, Vec<(String, Vec<String>)>> = BTreeMap::new();
    let mut placed: BTreeMap<&str, Place> = BTreeMap::new();
    for step in steps {
        if let Some(why) = not_to_be_tried(step) {
            found.push(untried(step, why));
            continue;
        }
        let Some(place) = place(step) else { continue };
        let elsewhere = |on: &&String| placed.get(on.as_str()) != Some(&place);
        let open = [&step.before, &step.after].into_iter().flatten().flat_map(|end| end.values());
        if let Some(open) = open.flat_map(Value::open_refs).next() {
            found.push(untried(step, &format!("{} of {} is known after apply", open.output, open.address)));
            continue;
        }
        let acting: BTreeSet<&String> = step.leans_on.iter().collect();
        if let Some(first) = acting.into_iter().find(elsewhere) {
            found.push(untried(step, &format!("{first} comes first, and not in this transaction")));
            continue;
        }
        match live.statements(step).await {
            Ok(statements) if statements.is_empty() => {}
            Ok(statements) => {
                placed.insert(&step.id, place.clone());
                tried.entry(place).or_default().push((step.id.clone(), statements));
            }
            Err(failure) => found.push(Proof::failed(label(&step.id), &failure)),
        }
    }
    for (place, steps) in tried {
        found.extend(one_transaction(live, &place, &steps).await);
    }
    found
}

/// Why a step that speaks SQL cannot be tried in a transaction of its own.
fn not_to_be_tried(step: &Step) -> Option<&'static str> {
    let owner = |end: &Option<Attributes>| end.as_ref().and_then(|end| optional_text(end, "owner")).map(str::to_owned);
    match step.address.kind.as_str() {
        "role_password" => Some("a password is left alone until it is really cleared"),
        "database" if owner(&step.after).is_some() && owner(&step.before) != owner(&step.after) => {
            Some("who owns a database is settled in Azure and PostgreSQL together")
        }
        _ => None,
    }
}

fn place(step: &Step) -> Option<Place> {
    let speaks = ["database_role", "database_grants", "schema", "password_login"].contains(&step.address.kind.as_str());
    let server = text(&step.key, "server").ok().filter(|_| speaks)?;
    let database = optional_text(&step.key, "database").unwrap_or(ROLES);
    Some((server.to_owned(), database.to_owned(), step.via.clone()))
}

/// Each step on top of those before it. Once one is refused, those after it stand on nothing.
async fn one_transaction(live: &Live, (server, database, via): &Place, steps: &[(String, Vec<String>)]) -> Vec<Proof> {
    let mut found = Vec::new();
    let mut statements: Vec<String> = Vec::new();
    let mut refused: Option<&str> = None;
    for (id, more) in steps {
        if let Some(earlier) = refused {
            found.push(Proof { label: label(id), holds: true, detail: format!("not tried: {earlier} was refused") });
            continue;
        }
        statements.extend_from_slice(more);
        match attempt(live, server, database, via.as_deref(), &statements).await {
            Ok(user) => found.push(Proof { label: label(id), holds: true, detail: told(&user, database, more) }),
            Err(failure) => {
                refused = Some(id);
                found.push(Proof::failed(label(id), &failure));
            }
        }
    }
    found
}

async fn attempt(
    live: &Live,
    server: &str,
    database: &str,
    via: Option<&str>,
    statements: &[String],
) -> Result<String, Failure> {
    let mut lease = live.databases.lease(server, database, via).await?;
    try_statements(&mut lease, statements).await?;
    Ok(lease.user().to_owned())
}

fn told(user: &str, database: &str, statements: &[String]) -> String {
    let ends = statements.iter().any(|text| text.contains(TERMINATES));
    let but = if ends { "; ending sessions was not tried, as it cannot be rolled back" } else { "" };
    format!("tried as {user} in database {database} and rolled back{but}")
}

fn label(id: &str) -> String {
    format!("The database takes {id}")
}

fn untried(step: &Step, why: &str) -> Proof {
    Proof { label: label(&step.id), holds: true, detail: format!("not tried: {why}") }
}

#[cfg(test)]
mod tests {
    use super::try_in_database;
    use crate::model::{Attributes, Step, Value};
    use crate::postgres::testing::{SERVER, SUPERUSER, server};
    use crate::resources::database_grants::DatabaseGrants;
    use crate::resources::password_login::PasswordLogin;
    use crate::resources::schema::Schema;
    use crate::resources::testing::{Bench, attributes, list};

    const CATALOG: &str = "SELECT pg_catalog.md5(pg_catalog.string_agg(t, E'\\n' ORDER BY t)) AS sum FROM (
        SELECT c::text AS t FROM pg_catalog.pg_class c UNION ALL SELECT n::text FROM pg_catalog.pg_namespace n
        UNION ALL SELECT r::text FROM pg_catalog.pg_roles r WHERE rolname LIKE 'tryd%'
        UNION ALL SELECT d::text FROM pg_catalog.pg_default_acl d) x";

    fn grant(privilege: &str) -> Attributes {
        let rule =
            attributes([("role", Value::text("tryd_app")), ("schemas", list(&["s"])), ("tables", list(&[privilege]))]);
        attributes([("grants", Value::List(vec![Value::Map(rule)]))])
    }

    async fn told(bench: &Bench<'_>, steps: &[Step]) -> Vec<(bool, String)> {
        let proofs = try_in_database(&bench.live, steps).await;
        proofs.into_iter().map(|proof| (proof.holds, proof.detail)).collect()
    }

    #[tokio::test]
    async fn statements_are_tried_and_nothing_stays() {
        use sqlx::Row as _;
        let Some(server) = server() else { return };
        server.database("tryd").await;
        let sql = "CREATE ROLE tryd_owner LOGIN; CREATE ROLE tryd_app LOGIN; CREATE SCHEMA s AUTHORIZATION tryd_owner;
             SET ROLE tryd_owner; CREATE TABLE s.t (i int)";
        server.run("tryd", sql).await;
        let grants = |users: &[&str]| {
            let mut bench = Bench::new(&DatabaseGrants, server.databases(users), ("database", "tryd"));
            bench.key.insert("server".into(), Value::text(SERVER));
            bench
        };
        let sum = async || -> String { server.ask("tryd", CATALOG).await[0].get("sum") };
        let before = sum().await;
        let bench = grants(&[SUPERUSER]);
        let mut step = bench.step(&grant("SELECT")).await;
        let tried = told(&bench, std::slice::from_ref(&step)).await;
        assert_eq!(tried, [(true, format!("tried as {SUPERUSER} in database tryd and rolled back"))]);
        assert_eq!(sum().await, before, "nothing stays");

        // What the plan was made for has lost its right since: the refusal shows without a write.
        let weak = grants(&["tryd_app"]);
        let refused = told(&weak, std::slice::from_ref(&step)).await;
        assert!(!refused[0].0, "{refused:?}");
        assert_eq!(sum().await, before);

        step.leans_on.insert("app_identity.a".into());
        let waits = told(&bench, std::slice::from_ref(&step)).await;
        assert_eq!(waits, [(true, "not tried: app_identity.a comes first, and not in this transaction".to_owned())]);
    }

    #[tokio::test]
    async fn each_step_that_speaks_sql_has_its_line() {
        let Some(server) = server() else { return };
        server.database("tryd_lines").await;
        let mut bench = Bench::new(&Schema, server.databases(&[SUPERUSER]), ("name", "made"));
        bench.key.insert("database".into(), Value::text("tryd_lines"));
        let mut schema = bench.between(None, Some(Attributes::new()));
        schema.address = "schema.x".parse().unwrap();
        let cleared = Step { address: "role_password.x".parse().unwrap(), ..schema.clone() };
        let owner = Some(attributes([("owner", Value::text("somebody"))]));
        let database = Step { address: "database.x".parse().unwrap(), after: owner, ..schema.clone() };
        let app = Step { address: "app_settings.x".parse().unwrap(), ..schema.clone() };
        let told = told(&bench, &[schema, cleared, database, app]).await;
        let expected = [
            "not tried: a password is left alone until it is really cleared",
            "not tried: who owns a database is settled in Azure and PostgreSQL together",
            "tried as azuresu in database tryd_lines and rolled back",
        ];
        assert_eq!(
            told.iter().map(|(holds, detail)| (*holds, detail.as_str())).collect::<Vec<_>>(),
            expected.map(|text| (true, text))
        );
        let made = server.ask("tryd_lines", "SELECT 1 FROM pg_namespace WHERE nspname = 'made'").await;
        assert!(made.is_empty());
    }

    #[tokio::test]
    async fn sessions_are_not_ended_for_a_trial() {
        let Some(server) = server() else { return };
        server.run("postgres", "CREATE ROLE tryd_old LOGIN").await;
        let bench = Bench::new(&PasswordLogin, server.databases(&[SUPERUSER]), ("name", "tryd_old"));
        let mut off = attributes([("login", Value::Bool(false))]);
        off.insert("end_sessions_after".into(), Value::text("0s"));
        let step = bench.between(Some(attributes([("login", Value::Bool(true))])), Some(off));
        let mut step = step;
        step.address = "password_login.x".parse().unwrap();
        let tried = told(&bench, &[step]).await;
        assert!(
            tried[0].0 && tried[0].1.ends_with("ending sessions was not tried, as it cannot be rolled back"),
            "{tried:?}"
        );
        let rows = server.ask("postgres", "SELECT 1 FROM pg_roles WHERE rolname = 'tryd_old' AND rolcanlogin").await;
        assert_eq!(rows.len(), 1, "it may still log in");
    }
}
