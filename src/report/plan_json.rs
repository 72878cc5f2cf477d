//! A change set as data: `format_version` 1.0, in the words of Terraform's JSON plan.

use serde_json::{Map, Value as Json, json};

use super::json::{sensitive_mask, shown, unknown_mask};
use crate::diff::{Action, Change, ChangeSet, Reason, Summary};
use crate::model::{Class, Failure};

/// The version of the format: additions raise the second number, everything else the first.
pub(super) const FORMAT_VERSION: &str = "1.0";

/// The data of a plan page.
pub(super) fn data(changes: &ChangeSet, summary: &Summary) -> Json {
    json!({
        "format_version": FORMAT_VERSION,
        "complete": changes.changes.iter().all(|change| change.action != Action::Unknown && change.failure.is_none()),
        "resource_changes": changes.changes.iter().map(resource_change).collect::<Vec<_>>(),
        "diagnostics": changes.changes.iter().filter_map(diagnostic).collect::<Vec<_>>(),
        "summary": summary,
    })
}

/// What could not be looked at, in the words of Terraform's diagnostics.
fn diagnostic(change: &Change) -> Option<Json> {
    let (severity, why) = match (&change.reason, &change.failure) {
        (Reason::NotReadable(why), _) => ("warning", why.clone()),
        (_, Some(failure)) => ("error", failure.to_string()),
        _ => return None,
    };
    let summary = if severity == "warning" { "not readable" } else { "cannot be looked at" };
    let remedy = change.failure.as_ref().and_then(|failure| failure.remedy.as_ref());
    Some(json!({
        "severity": severity, "summary": summary, "detail": why, "address": change.address, "remedy": remedy,
    }))
}

/// One change as data.
pub(super) fn resource_change(change: &Change) -> Json {
    let (before, after) = (change.before.as_ref(), change.after.as_ref());
    let mut object = Map::new();
    let mut put = |name: &str, value: Json| object.insert(name.to_owned(), value);
    put("address", json!(change.address));
    put("kind", json!(change.address.kind));
    put("name", json!(change.address.name));
    put("key", shown(Some(&change.key)));
    put(
        "change",
        json!({
            "actions": [actions(change.action)],
            "before": shown(before),
            "after": shown(after),
            "after_unknown": unknown_mask(after),
            "before_sensitive": sensitive_mask(before),
            "after_sensitive": sensitive_mask(after),
        }),
    );
    put("reason", reason(&change.reason));
    put("undo", json!(change.undo));
    put("restarts", json!(change.restarts));
    put("leans_on", json!(change.leans_on));
    put("notes", json!(change.notes));
    put("held", json!(change.action == Action::Held));
    put("unknown", json!(change.action == Action::Unknown));
    put("not_readable", json!(change.not_readable()));
    if let Some(failure) = &change.failure {
        put("failure", failure_data(failure));
    }
    Json::Object(object)
}

/// Terraform's word. What is held or cannot be read yet is a no-op so far; its own flag says which.
fn actions(action: Action) -> &'static str {
    match action {
        Action::None | Action::Held | Action::Unknown => "no-op",
        Action::Create => "create",
        Action::Update => "update",
        Action::Delete => "delete",
        Action::Check => "read",
    }
}

fn reason(reason: &Reason) -> Json {
    match reason {
        Reason::AsWanted => json!({ "kind": "as_wanted" }),
        Reason::Missing => json!({ "kind": "missing" }),
        Reason::Differs(fields) => json!({ "kind": "differs", "fields": fields }),
        Reason::LeansOn(address) => json!({ "kind": "leans_on", "address": address }),
        Reason::Unreadable(why) => json!({ "kind": "unreadable", "why": why }),
        Reason::NotReadable(why) => json!({ "kind": "not_readable", "why": why }),
        Reason::Gate(why) => json!({ "kind": "gate", "why": why }),
    }
}

/// A failure as data.
pub(super) fn failure_data(failure: &Failure) -> Json {
    json!({
        "class": class(failure.class),
        "summary": failure.summary,
        "detail": failure.detail,
        "remedy": failure.remedy,
    })
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Other => "other",
        Class::NotSignedIn => "not_signed_in",
        Class::Forbidden => "forbidden",
        Class::NotFound => "not_found",
        Class::Conflict => "conflict",
        Class::Busy => "busy",
        Class::Unreachable => "unreachable",
        Class::CheckFailed => "check_failed",
        Class::Locked => "locked",
        Class::Unfit => "unfit",
        Class::Flawed => "flawed",
        Class::Input => "input",
        Class::Interrupted => "interrupted",
    }
}
