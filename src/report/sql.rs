//! The SQL of a plan as one script that a DBA can read: per step its statements, and its inverse as comments.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::clean::{clean, guard};
use super::sql_text::sql_text;
use crate::diff::{Action, ChangeSet, Reason};
use crate::model::{Step, Value};

/// The statements of one step.
#[derive(Clone, Debug)]
pub struct StepSql {
    /// The step.
    pub step: Step,
    /// What it runs, the transaction around it included.
    pub statements: Vec<String>,
    /// What its undo runs.
    pub inverse: Vec<String>,
}

/// The script, and the same as data.
pub fn sql(plan: &str, steps: &[StepSql], changes: &ChangeSet) -> (String, Json) {
    let mut text = remark(&format!("What pgentra apply would run in PostgreSQL for the plan {plan}."));
    if steps.is_empty() {
        text.push_str(&remark("Nothing."));
    }
    for step in steps {
        text.push_str(&block(step));
    }
    for change in changes.changes.iter().filter(|change| change.action == Action::Unknown) {
        let why = if let Reason::Unreadable(why) | Reason::NotReadable(why) = &change.reason { why } else { "" };
        text.push('\n');
        text.push_str(&remark(&format!("{}: known after apply: {why}", change.address)));
    }
    let step = |step: &StepSql| {
        json!({
            "step": step.step.id,
            "server": server(step),
            "database": database(step),
            "connection": step.step.via,
            "statements": step.statements,
            "inverse": step.inverse,
        })
    };
    (text, json!({ "format_version": "1.0", "plan": plan, "steps": steps.iter().map(step).collect::<Vec<_>>() }))
}

fn key<'a>(step: &'a StepSql, name: &str) -> Option<&'a str> {
    step.step.key.get(name).and_then(Value::as_text)
}

fn server(step: &StepSql) -> Option<&str> {
    key(step, "server")
}

/// Roles are the whole server's; Azure's functions for them exist only in the database `postgres`.
fn database(step: &StepSql) -> &str {
    key(step, "database").unwrap_or("postgres")
}

fn block(step: &StepSql) -> String {
    let place = format!("server {}, database {}", server(step).unwrap_or_default(), database(step));
    let via = step.step.via.as_deref().map(|via| format!(", connection {via}")).unwrap_or_default();
    let mut text = format!("\n{}", remark(&format!("{} ({place}{via})", step.step.id)));
    for statement in &step.statements {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{};", sql_text(statement));
    }
    if !step.inverse.is_empty() {
        text.push_str("-- undone by:\n");
        for statement in &step.inverse {
            let _ = writeln!(text, "--   {};", sql_text(statement));
        }
    }
    text
}

/// One line of comment, harmless whatever stands in it.
fn remark(text: &str) -> String {
    let line = format!("-- {}", clean(text));
    guard(&line).unwrap_or(line) + "\n"
}
