//! Queries of Application Insights and Log Analytics through the Resource Manager, and why an answer may be blind.

use serde_json::{Value, json};

use crate::azure::arm::{Arm, segment};
use crate::azure::refusal::Refusal;
use crate::model::{Class, Failure};

/// The API version of queries through the Resource Manager, by which one audience and one role serve every cloud.
const QUERY_VERSION: &str = "2018-03-01-preview";
/// The API version of Microsoft.Insights components.
const COMPONENT_VERSION: &str = "2020-02-02";

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
        let sampling = body["properties"]["SamplingPercentage"].as_f64().unwrap_or(100.0).clamp(0.0, 100.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
        let sampling = sampling.round() as u32;
        Ok(Component { id: body["id"].as_str().unwrap_or(&path).to_owned(), sampling })
    }

    /// Runs a query against a component (tables `traces`, `requests`, ...) or a workspace (`AppTraces`, ...), named by its
    /// ARM id. `timespan` is ISO 8601: `PT1H`, or two moments with a slash between them.
    ///
    /// # Errors
    /// The query is wrong, or nobody may run it.
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
