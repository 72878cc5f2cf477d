//! What stands below a flexible server: firewall rules and databases.

use std::collections::BTreeMap;

use azure_core::http::Method;
use serde_json::{Value, json};

use crate::azure::arm::{Arm, Note, segment};
use crate::azure::refusal::Refusal;
use crate::azure::servers::{POSTGRES_VERSION, ServerId};

/// A range of addresses that a server lets in, as Azure writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirewallRule {
    /// The first address.
    pub start: String,
    /// The last address.
    pub end: String,
}

/// A database as Azure tells of it; its owner is PostgreSQL's alone to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseProperties {
    /// Character set, such as `UTF8`.
    pub charset: Option<String>,
    /// Collation, such as `en_US.utf8`.
    pub collation: Option<String>,
}

fn rule_path(id: &ServerId, name: &str) -> String {
    id.path(&format!("/firewallRules/{}", segment(name)))
}

fn database_path(id: &ServerId, name: &str) -> String {
    id.path(&format!("/databases/{}", segment(name)))
}

fn text(body: &Value, name: &str) -> Option<String> {
    body["properties"][name].as_str().map(str::to_owned)
}

impl Arm {
    /// Reads a firewall rule.
    pub async fn firewall_rule(&self, id: &ServerId, name: &str) -> Result<FirewallRule, Refusal> {
        let body = self.get(&rule_path(id, name), POSTGRES_VERSION).await?;
        let address = |name: &str| text(&body, name).unwrap_or_default();
        Ok(FirewallRule { start: address("startIpAddress"), end: address("endIpAddress") })
    }

    /// Reads all firewall rules, by name.
    pub async fn firewall_rules(&self, id: &ServerId) -> Result<BTreeMap<String, FirewallRule>, Refusal> {
        let all = self.list(&id.path("/firewallRules"), POSTGRES_VERSION).await?;
        let one = |body: &Value| {
            let name = body["name"].as_str()?.to_owned();
            Some((name, FirewallRule { start: text(body, "startIpAddress")?, end: text(body, "endIpAddress")? }))
        };
        Ok(all.iter().filter_map(one).collect())
    }

    /// Makes or replaces a firewall rule.
    pub async fn put_firewall_rule(
        &self,
        id: &ServerId,
        name: &str,
        rule: &FirewallRule,
        note: Note<'_>,
    ) -> Result<(), Refusal> {
        let body = json!({ "properties": { "startIpAddress": rule.start, "endIpAddress": rule.end } });
        self.change(Method::Put, &rule_path(id, name), POSTGRES_VERSION, Some(&body), note).await.map(drop)
    }

    /// Takes a firewall rule away; one that is not there is as good.
    pub async fn delete_firewall_rule(&self, id: &ServerId, name: &str, note: Note<'_>) -> Result<(), Refusal> {
        gone(self.change(Method::Delete, &rule_path(id, name), POSTGRES_VERSION, None, note).await)
    }

    /// Reads a database.
    pub async fn database(&self, id: &ServerId, name: &str) -> Result<DatabaseProperties, Refusal> {
        let body = self.get(&database_path(id, name), POSTGRES_VERSION).await?;
        Ok(DatabaseProperties { charset: text(&body, "charset"), collation: text(&body, "collation") })
    }

    /// Makes a database. What is not given is as the server has it.
    pub async fn put_database(
        &self,
        id: &ServerId,
        name: &str,
        wanted: &DatabaseProperties,
        note: Note<'_>,
    ) -> Result<(), Refusal> {
        let mut properties = json!({});
        for (name, value) in [("charset", &wanted.charset), ("collation", &wanted.collation)] {
            if let Some(value) = value {
                properties[name] = json!(value);
            }
        }
        let body = json!({ "properties": properties });
        self.change(Method::Put, &database_path(id, name), POSTGRES_VERSION, Some(&body), note).await.map(drop)
    }

    /// Drops a database with all that it holds; one that is not there is as good.
    pub async fn delete_database(&self, id: &ServerId, name: &str, note: Note<'_>) -> Result<(), Refusal> {
        gone(self.change(Method::Delete, &database_path(id, name), POSTGRES_VERSION, None, note).await)
    }
}

fn gone(answer: Result<Value, Refusal>) -> Result<(), Refusal> {
    match answer {
        Err(refusal) if refusal.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}
