//! The log of requests, with secrets masked.

use serde::Serialize;
use serde_json::{Map, Value};

use super::call::Call;
use crate::model::{looks_secret, secret_name};

/// How many requests are kept.
const KEPT: usize = 5000;

/// One request and how it was answered.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Number, from 1.
    pub number: u64,
    /// When.
    pub at: String,
    /// Method.
    pub method: String,
    /// Path.
    pub path: String,
    /// `api-version`.
    pub api_version: Option<String>,
    /// Query parameters.
    pub query: Value,
    /// Body with secrets masked.
    pub body: Value,
    /// Object id of the caller, for Resource Manager.
    pub caller: Option<String>,
    /// HTTP status; 0 when the connection was cut.
    pub status: u16,
    /// Whether a fault was in play.
    pub fault: bool,
}

/// The log.
#[derive(Default)]
pub struct Log {
    entries: Vec<Entry>,
    count: u64,
}

impl Log {
    /// Adds a request.
    pub fn add(&mut self, call: &Call, at: String, caller: Option<String>, status: u16, fault: bool) {
        self.count += 1;
        if self.entries.len() >= KEPT {
            self.entries.remove(0);
        }
        let pairs = call.query.iter().map(|(name, value)| (name.clone(), Value::String(value.clone())));
        self.entries.push(Entry {
            number: self.count,
            at,
            method: call.method.clone(),
            path: call.path.clone(),
            api_version: call.parameter("api-version").map(str::to_owned),
            query: Value::Object(pairs.collect()),
            body: masked_body(call),
            caller,
            status,
            fault,
        });
    }

    /// The entries after number `since`.
    pub fn since(&self, since: u64) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| entry.number > since).collect()
    }

    /// Forgets all entries; numbers go on.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

fn masked_body(call: &Call) -> Value {
    if call.body.is_empty() {
        return Value::Null;
    }
    if let Ok(mut value) = serde_json::from_slice::<Value>(&call.body) {
        // What is put into a vault is secret whatever it looks like.
        if call.lower.first().is_some_and(|first| first == "vaults") && value["value"].is_string() {
            value["value"] = Value::String("(masked)".to_owned());
        }
        return mask("", value);
    }
    let form = call.header("content-type").is_some_and(|media| media.contains("x-www-form-urlencoded"));
    if !form {
        return Value::String(format!("({} bytes)", call.body.len()));
    }
    let pairs = call.form().into_iter().map(|(name, value)| {
        let value = mask(&name, Value::String(value));
        (name, value)
    });
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn mask(name: &str, value: Value) -> Value {
    match value {
        Value::Object(members) => {
            // A connection string is `name: {value, type}`; it is the name outside that tells.
            let inner = |member: &str| if member == "value" { name.to_owned() } else { member.to_owned() };
            Value::Object(
                members
                    .into_iter()
                    .map(|(member, value)| {
                        let value = mask(&inner(&member), value);
                        (member, value)
                    })
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| mask(name, item)).collect()),
        Value::String(text) => {
            let harmless = ["Enabled", "Disabled", ""].contains(&text.as_str());
            let named = secret_name(name) || name == "client_assertion";
            let secret = !harmless && (named && name != "client_assertion_type" || looks_secret(&text));
            Value::String(if secret { "(masked)".to_owned() } else { text })
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::masked_body;
    use crate::sandbox::call::Call;

    #[test]
    fn secrets_are_masked() {
        let body = |media: &str, text: &str| {
            let headers = BTreeMap::from([("content-type".to_owned(), media.to_owned())]);
            masked_body(&Call::new("POST", "/", headers, text.as_bytes().to_vec())).to_string()
        };
        let json = body(
            "application/json",
            r#"{"properties":{"DB_PASSWORD":"hunter2","A":"b","U":"postgres://u:hunter2@h/d",
            "authConfig":{"passwordAuth":"Enabled"},"CONNECTIONSTRING":{"value":"hunter2","type":"Custom"}}}"#,
        );
        assert!(!json.contains("hunter2") && json.contains("\"A\":\"b\"") && json.contains("Enabled"), "{json}");
        let form =
            body("application/x-www-form-urlencoded", "client_id=a&client_secret=hunter2&client_assertion=hunter2");
        assert!(!form.contains("hunter2") && form.contains("\"client_id\":\"a\""), "{form}");
    }
}
