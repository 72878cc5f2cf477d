//! The SQL of a plan as a script that a DBA reviews.

use std::collections::BTreeSet;

use serde_json::json;

use super::{attributes, change};
use crate::diff::{Action, ChangeSet, Reason};
use crate::model::{Address, Step, Undo};
use crate::report::{StepSql, sql};

fn step(id: &str, key: serde_json::Value, via: Option<&str>) -> Step {
    let (kind, name) = id.split_once('.').unwrap();
    Step {
        id: id.to_owned(),
        address: Address::new(kind, name),
        key: attributes(key),
        before: None,
        after: None,
        via: via.map(str::to_owned),
        undo: Undo::Faithful,
        leans_on: BTreeSet::new(),
        serial_key: None,
        restarts: 0,
    }
}

fn statements(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn each_step_has_its_statements_and_its_inverse() {
    let role = StepSql {
        step: step("database_role.app", json!({ "server": "pg", "name": "app" }), None),
        statements: statements(&["BEGIN READ WRITE", "SELECT f('app')", "COMMIT"]),
        inverse: statements(&["BEGIN READ WRITE", "DROP ROLE \"app\"", "COMMIT"]),
    };
    let grants = StepSql {
        step: step("database_grants.geo", json!({ "server": "pg", "database": "geo" }), Some("owner")),
        statements: statements(&["GRANT USAGE ON SCHEMA \"s\" TO \"app\""]),
        inverse: Vec::new(),
    };
    let mut later = change("database_grants", "later", Action::Unknown, json!(null), json!({}));
    later.reason = Reason::Unreadable("server pg takes no Entra tokens yet".into());
    let (text, data) = sql("p", &[role, grants], &ChangeSet { changes: vec![later] });
    insta::assert_snapshot!(text, @r#"
    -- What pgentra apply would run in PostgreSQL for the plan p.

    -- database_role.app (server pg, database postgres)
    BEGIN READ WRITE;
    SELECT f('app');
    COMMIT;
    -- undone by:
    --   BEGIN READ WRITE;
    --   DROP ROLE "app";
    --   COMMIT;

    -- database_grants.geo (server pg, database geo, connection owner)
    GRANT USAGE ON SCHEMA "s" TO "app";

    -- database_grants.later: known after apply: server pg takes no Entra tokens yet
    "#);
    assert_eq!(
        data["steps"][1],
        json!({
            "step": "database_grants.geo", "server": "pg", "database": "geo", "connection": "owner",
            "statements": ["GRANT USAGE ON SCHEMA \"s\" TO \"app\""], "inverse": [],
        })
    );
}

#[test]
fn a_plan_without_sql_says_so() {
    let (text, data) = sql("p", &[], &ChangeSet { changes: Vec::new() });
    assert_eq!(text, "-- What pgentra apply would run in PostgreSQL for the plan p.\n-- Nothing.\n");
    assert_eq!(data["steps"], json!([]));
}

/// Names that would end a comment, a line or a statement, or that a terminal or a CI system would obey.
const HOSTILE: [&str; 7] = [
    "x\nDROP TABLE t; --",
    "x\rDROP TABLE t; --",
    "x\r\nDROP TABLE t",
    "x\u{2028}DROP TABLE t",
    "\u{1b}]0;owned\u{7}",
    "\u{202e}evil",
    "::error::##vso[task.complete]",
];

#[test]
fn no_name_breaks_out_of_its_line() {
    for name in HOSTILE {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let drop = format!("DROP ROLE {quoted}");
        let one = StepSql {
            step: Step {
                id: format!("database_role.{name}"),
                ..step("database_role.x", json!({ "server": name, "database": name }), Some(name))
            },
            statements: vec![format!("GRANT USAGE ON SCHEMA {quoted} TO {quoted}")],
            inverse: vec![drop],
        };
        let mut later = change("database_grants", name, Action::Unknown, json!(null), json!({}));
        later.reason = Reason::Unreadable(name.into());
        let (text, _) = sql(name, &[one], &ChangeSet { changes: vec![later] });
        let plain = |c: char| c == '\n' || !(c.is_control() || matches!(c, '\u{2028}' | '\u{202e}'));
        assert!(text.chars().all(plain), "{name:?}: {text:?}");
        assert!(!text.contains("##"), "{name:?}: {text}");
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with("-- ")).collect();
        assert_eq!(lines.len(), 1, "{name:?}: {text}");
        assert!(lines[0].starts_with("GRANT USAGE ON SCHEMA ") && lines[0].ends_with(';'), "{name:?}: {text}");
    }
}
