//! Queries of Application Insights and Log Analytics through the Resource Manager, and why an answer may be blind.

use serde_json::{Value, json};

use crate::azure::arm::{Arm, segment};
use crate::azure::refusal::{Refusal, answer_unclear};
use crate::model::{Class, Failure};

/// The API version of queries through the Resource Manager, by which one audience and one role serve every cloud.
const QUERY_VERSION: &str = "2018-03-01-preview";
/// The API version of Microsoft.Insights components.
const COMPONENT_VERSION: &str = "2020-02-02";

/// The API version of Log Analytics workspaces.
const WORKSPACE_VERSION: &str = "2022-10-01";

/// The rows of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Cells, typed JSON.
    pub rows: Vec<Vec<Value>>,
}

impl Rows {
    /// A cell by row and column name.
    pub fn cell(&self, row: usize, column: &str) -> Option<&Value> {
        let at = self.columns.iter().position(|name| name == column)?;
        self.rows.get(row)?.get(at)
    }

    /// A whole number of the first row.
    pub fn count(&self, column: &str) -> Option<i64> {
        let cell = self.cell(0, column)?;
        cell.as_i64().or_else(|| cell.as_str()?.parse().ok())
    }
}

/// What a query came to. Only [`Answer::Rows`] proves anything; "no rows" means nothing happened only there.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// All that was asked for.
    Rows(Rows),
    /// The service answered, but something of it is missing: why.
    Blind(String),
}

/// A component of Application Insights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Its ARM id.
    pub id: String,
    /// The share of events that it keeps, in percent.
    pub sampling: u32,
}

impl Arm {
    /// Reads a component.
    ///
    /// # Errors
    /// The refusal.
    pub async fn component(&self, subscription: &str, group: &str, name: &str) -> Result<Component, Refusal> {
        let (subscription, group, name) = (segment(subscription), segment(group), segment(name));
        let path = format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Insights/components/{name}"
        );
        let body = self.get(&path, COMPONENT_VERSION).await?;
        let none = || Refusal::ours(answer_unclear(format!("{path}: it has no id")));
        component(&body).ok_or_else(none)
    }

    /// Finds the component of a subscription that has an application id (`AppId`; the `ApplicationId` beside it is a name).
    ///
    /// # Errors
    /// `NotFound` when none that may be read has it, or the refusal.
    pub async fn component_with(&self, subscription: &str, app_id: &str) -> Result<Component, Failure> {
        let path = format!("/subscriptions/{}/providers/Microsoft.Insights/components", segment(subscription));
        let all = self.list(&path, COMPONENT_VERSION).await.map_err(|refusal| refusal.failure)?;
        let found = all.iter().find(|one| is(&one["properties"]["AppId"], app_id));
        found.and_then(component).ok_or_else(|| {
            let what = format!("no component of Application Insights in subscription {subscription} has id {app_id}");
            Failure::new(Class::NotFound, "there is no such component of Application Insights")
                .detail(what)
                .remedy(readable("the component"))
        })
    }

    /// Finds the ARM id of the workspace of a subscription that has a workspace id (`customerId`).
    ///
    /// # Errors
    /// `NotFound` when none that may be read has it, or the refusal.
    pub async fn workspace_with(&self, subscription: &str, customer_id: &str) -> Result<String, Failure> {
        let path =
            format!("/subscriptions/{}/providers/Microsoft.OperationalInsights/workspaces", segment(subscription));
        let all = self.list(&path, WORKSPACE_VERSION).await.map_err(|refusal| refusal.failure)?;
        let found = all.iter().find(|one| is(&one["properties"]["customerId"], customer_id));
        found.and_then(|one| one["id"].as_str()).map(str::to_owned).ok_or_else(|| {
            let what = format!("no workspace in subscription {subscription} has id {customer_id}");
            Failure::new(Class::NotFound, "there is no such workspace").detail(what).remedy(readable("the workspace"))
        })
    }

    /// Runs a query against a component (tables `traces`, `requests`, ...) or a workspace (`AppTraces`, ...), named by its
    /// ARM id. `timespan` is ISO 8601: `PT1H`, or two moments with a slash between them.
    ///
    /// # Errors
    /// `Input`: the query is wrong or its table does not exist; or the refusal.
    pub async fn query_logs(&self, resource: &str, query: &str, timespan: Option<&str>) -> Result<Answer, Failure> {
        let path = format!("{}/providers/microsoft.insights/logs", resource.trim_end_matches('/'));
        let mut body = json!({ "query": query });
        if let Some(timespan) = timespan {
            body["timespan"] = json!(timespan);
        }
        let answer = self.ask(&path, QUERY_VERSION, &body).await.map_err(|refusal| refused(refusal, resource))?;
        Ok(read(answer.status, &answer.body))
    }
}

/// A component from its resource.
fn component(body: &Value) -> Option<Component> {
    let sampling = body["properties"]["SamplingPercentage"].as_f64().unwrap_or(100.0).clamp(0.0, 100.0);
    // Rounded down: whoever keeps 99.6 % does not keep everything.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
    let sampling = sampling.floor() as u32;
    Some(Component { id: body["id"].as_str()?.to_owned(), sampling })
}

fn is(value: &Value, id: &str) -> bool {
    value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(id))
}

/// What would help where a log is not found: that may also mean that it may not be read.
fn readable(resource: &str) -> String {
    format!("check the id and the subscription, and give whoever runs pgentra the role Monitoring Reader on {resource}")
}

/// A text as a literal of KQL.
pub fn literal(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Reads an answer with its traps: nothing at all, a partial failure beside rows, tables left out for want of rights.
fn read(status: u16, body: &Value) -> Answer {
    if status == 204 || body.is_null() {
        return Answer::Blind(format!("the service answered HTTP {status} with nothing"));
    }
    if body["error"].is_object() {
        let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
        return Answer::Blind(format!("the service answered only in part: {} ({})", text("message"), text("code")));
    }
    let denied = body["permissions"]["resources"].as_array().is_some_and(|denied| !denied.is_empty());
    if denied {
        return Answer::Blind("some tables were left out, because they may not be read".to_owned());
    }
    let tables = body["tables"].as_array();
    let Some(table) = tables.and_then(|tables| tables.iter().find(|table| table["name"] == "PrimaryResult")) else {
        return Answer::Blind("the answer has no result".to_owned());
    };
    let names = table["columns"].as_array().into_iter().flatten();
    let rows = table["rows"].as_array().into_iter().flatten();
    Answer::Rows(Rows {
        columns: names.filter_map(|column| column["name"].as_str().map(str::to_owned)).collect(),
        rows: rows.filter_map(|row| row.as_array().cloned()).collect(),
    })
}

fn refused(refusal: Refusal, resource: &str) -> Failure {
    let failure = refusal.failure;
    match failure.class {
        // The services' word for a query that they cannot read, or whose table is not there.
        Class::Other if refusal.status == 400 => Failure { class: Class::Input, ..failure },
        Class::Forbidden => failure.remedy(format!(
            "give the role Monitoring Reader or Log Analytics Reader on {resource}; new roles may take an hour"
        )),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, read};
    use crate::azure::double::{arm, reply};
    use serde_json::{Value, json};

    fn table() -> Value {
        json!({ "tables": [{ "name": "PrimaryResult", "columns": [{ "name": "n", "type": "long" }], "rows": [[3]] }] })
    }

    #[test]
    fn what_is_no_proof_is_blind() {
        let with = |name: &str, value: Value| {
            let mut body = table();
            body[name] = value;
            body
        };
        for (status, body, why) in [
            (204, Value::Null, "HTTP 204"),
            (200, Value::Null, "HTTP 200"),
            (200, json!({ "tables": [] }), "no result"),
            (200, with("error", json!({ "code": "PartialError", "message": "m" })), "PartialError"),
            (200, with("permissions", json!({ "resources": [{ "resourceId": "x" }] })), "may not be read"),
        ] {
            let answer = read(status, &body);
            assert!(matches!(&answer, Answer::Blind(said) if said.contains(why)), "{answer:?}");
        }
        let Answer::Rows(rows) = read(200, &table()) else { panic!("these are rows") };
        assert_eq!((rows.count("n"), rows.count("x")), (Some(3), None));
    }

    #[tokio::test]
    async fn a_query_goes_through_the_resource_manager() {
        let (arm, double) = arm(|_| reply(200, table()));
        let answer = arm.query_logs("/subscriptions/s/x/", "traces | count", Some("PT1H")).await.unwrap();
        assert!(matches!(answer, Answer::Rows(_)));
        let seen = double.seen();
        assert_eq!(seen[0].call(), "POST /subscriptions/s/x/providers/microsoft.insights/logs");
        assert_eq!(seen[0].body, json!({ "query": "traces | count", "timespan": "PT1H" }));
    }
}
