//! Application Insights and Log Analytics: the component and the workspace as resources, and their query APIs.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::directory::Role;
use super::kql::{self, Context};
use super::state::World;
use super::telemetry::{DIAGNOSTICS, Row, SERVER_LOGS, Telemetry, in_diagnostics};

/// The component of the sandbox, and its id for queries.
pub const COMPONENT: &str = "rmhazuregeoapi-insights";
/// Application id of the component.
pub const APP_ID: &str = "829adb94-5f5c-46ae-9f00-18e731529222";
/// The workspace behind it.
pub const WORKSPACE: &str = "rmhazure-logs";
/// Customer id of the workspace.
pub const WORKSPACE_ID: &str = "99999999-9999-4999-8999-999999999999";

/// Audiences of the query APIs.
pub const AUDIENCES: [&str; 3] =
    ["https://api.applicationinsights.io", "https://api.loganalytics.io", "https://api.loganalytics.azure.com"];

/// What a query asks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A component, with its classic tables.
    Component,
    /// A workspace.
    Workspace,
}

/// The source of a direct call: `/v1/apps/<id>/query` or `/v1/workspaces/<id>/query`.
pub fn direct(parts: &[&str]) -> Option<Result<Source, Reply>> {
    match parts {
        ["v1", "apps", APP_ID, "query"] => Some(Ok(Source::Component)),
        ["v1", "workspaces", WORKSPACE_ID, "query"] => Some(Ok(Source::Workspace)),
        ["v1", "apps" | "workspaces", _, "query"] => {
            Some(Err(fault(404, "ResourceNotFoundError", "The resource was not found", None)))
        }
        _ => None,
    }
}

/// Resource Manager's view below `Microsoft.Insights` and `Microsoft.OperationalInsights`; a query is answered by `ask`.
pub fn resource(world: &World, group: &str, rest: &[&str], ask: impl FnOnce(Source) -> Reply) -> Reply {
    match rest {
        ["microsoft.insights", "components"] => Reply::ok(json!({"value": [component(world, group)]})),
        ["microsoft.insights", "components", COMPONENT] => Reply::ok(component(world, group)),
        ["microsoft.insights", "components", COMPONENT, "query" | "providers", ..] => ask(Source::Component),
        ["microsoft.operationalinsights", "workspaces"] => Reply::ok(json!({"value": [workspace(world, group)]})),
        ["microsoft.operationalinsights", "workspaces", WORKSPACE] => Reply::ok(workspace(world, group)),
        ["microsoft.operationalinsights", "workspaces", WORKSPACE, "query" | "providers", ..] => ask(Source::Workspace),
        [_, "components" | "workspaces", name, ..] => super::arm::errors::not_found(name, group),
        [namespace, kind, ..] => super::arm::errors::no_type(&format!("{namespace}/{kind}")),
        _ => super::arm::errors::no_type("Microsoft.Insights"),
    }
}

fn component(world: &World, group: &str) -> Value {
    json!({"id": world.arm_id(group, &format!("Microsoft.Insights/components/{COMPONENT}")), "name": COMPONENT,
        "type": "Microsoft.Insights/components", "kind": "web", "location": world.location, "tags": {},
        "properties": {"AppId": APP_ID, "ApplicationId": COMPONENT, "Application_Type": "web", "IngestionMode": "LogAnalytics",
            "WorkspaceResourceId": world.arm_id(group, &format!("Microsoft.OperationalInsights/workspaces/{WORKSPACE}")),
            "provisioningState": "Succeeded", "RetentionInDays": 90, "SamplingPercentage": 100.0,
            "publicNetworkAccessForQuery": "Enabled"}})
}

fn workspace(world: &World, group: &str) -> Value {
    json!({"id": world.arm_id(group, &format!("Microsoft.OperationalInsights/workspaces/{WORKSPACE}")), "name": WORKSPACE,
        "type": "Microsoft.OperationalInsights/workspaces", "location": world.location,
        "properties": {"customerId": WORKSPACE_ID, "provisioningState": "Succeeded", "retentionInDays": 30}})
}

/// Answers a query of a caller that was let in, with the traps of the real services.
pub fn query(world: &World, telemetry: &Telemetry, source: Source, call: &Call, role: &Role, now: Timestamp) -> Reply {
    if *role == Role::None {
        return fault(403, "InsufficientAccessError", "The provided credentials have insufficient access", None);
    }
    let is_json = call.header("content-type").is_some_and(|media| media.contains("json"));
    if call.method == "POST" && (call.body.is_empty() || !is_json) {
        // As the real one does: no error, and nothing to read.
        return Reply::empty(200);
    }
    if world.knobs.query_empty {
        return Reply::empty(204);
    }
    let text = match call.method.as_str() {
        "GET" => call.parameter("query").unwrap_or_default().to_owned(),
        _ => call.json()["query"].as_str().unwrap_or_default().to_owned(),
    };
    let delay = SignedDuration::from_millis(i64::try_from(world.knobs.ingestion_ms).unwrap_or(i64::MAX));
    let blind = world.knobs.query_blind;
    let span = match call.json()["timespan"].as_str().map(|span| timespan(span, now)) {
        Some(None) => return fault(400, "BadArgumentError", "The timespan is not ISO 8601", None),
        Some(span) => span,
        None => None,
    };
    let rows = |name: &str| {
        let own = match (name, world.knobs.azure_diagnostics) {
            (DIAGNOSTICS, true) => SERVER_LOGS,
            (SERVER_LOGS | DIAGNOSTICS, _) if name == DIAGNOSTICS || world.knobs.azure_diagnostics => return None,
            _ => name,
        };
        let mut rows = telemetry.rows(own, source == Source::Workspace, now, delay)?;
        if name == DIAGNOSTICS {
            rows = rows.into_iter().map(in_diagnostics).collect();
        }
        rows.retain(|row| span.is_none_or(|span| happened(row).is_some_and(|at| span.0 <= at && at <= span.1)));
        // Tables that the caller may not read are left out, without a word.
        Some(if blind { Vec::new() } else { rows })
    };
    match kql::parse(&text).and_then(|query| kql::run(&query, &Context { rows: &rows, now })) {
        Ok(table) => {
            let columns: Vec<Value> =
                table.columns.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
            let mut body = json!({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": table.rows}]});
            if call.header("prefer").is_some_and(|prefer| prefer.contains("include-permissions")) {
                let denied = if blind { json!([{"resourceId": "hidden"}]) } else { json!([]) };
                body["permissions"] = json!({"dataSources": [], "resources": denied});
            }
            if world.knobs.query_partial {
                body["error"] = json!({"code": "PartialError", "message": "There were some errors when processing your query.",
                    "details": [{"code": "EngineError", "message": "Something went wrong processing your query on the server."}]});
            }
            Reply::ok(body)
        }
        Err(error) => fault(
            400,
            "BadArgumentError",
            "The request had some invalid properties",
            Some(json!({"code": error.code, "message": error.message})),
        ),
    }
}

/// The ends of a timespan: two moments with a slash between them, or a length up to now.
fn timespan(text: &str, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    if let Some((from, to)) = text.split_once('/') {
        return Some((from.parse().ok()?, to.parse().ok()?));
    }
    let length = crate::model::duration(text)?;
    Some((now.checked_sub(length).ok()?, now))
}

/// When the row's event happened.
fn happened(row: &Row) -> Option<Timestamp> {
    let at = row.get("timestamp").or_else(|| row.get("TimeGenerated"))?;
    at.as_str()?.parse().ok()
}

/// An error in the query services' envelope.
pub fn fault(status: u16, code: &str, message: &str, inner: Option<Value>) -> Reply {
    let mut error = json!({"code": code, "message": message});
    if let Some(inner) = inner {
        error["innererror"] = inner;
    }
    Reply::json(status, json!({"error": error}))
}
