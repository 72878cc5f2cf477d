//! Kind `firewall_rule`: a flexible server lets in a range of addresses.

use std::net::Ipv4Addr;
use std::time::Duration;

use async_trait::async_trait;

use super::live::{optional_text, server_id, text};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::azure::FirewallRule as Range;
use crate::model::{Attributes, Failure, Field, Look, Nature, Reading, Schema, Step, Type, Undo, Value};

/// The kind `firewall_rule`.
pub struct FirewallRule;

static SCHEMA: Schema = Schema {
    kind: "firewall_rule",
    doc: "A flexible server with public access lets in a range of IPv4 addresses. From 0.0.0.0 to 0.0.0.0 means every \
          service in Azure, whoever runs it.",
    nature: Nature::Resource,
    fields: &[
        Field::new("subscription", Type::Guid, "Azure subscription id of the server.").key(),
        Field::new("resource_group", Type::Text, "Azure resource group of the server.").key(),
        Field::new("server", Type::Text, "The flexible server, by its Azure name.").key(),
        Field::new("name", Type::Text, "The rule's name: letters, digits, `-`, `_` and `.`.").key().checked(name),
        Field::new("start", Type::Text, "The first address.").required().checked(address),
        Field::new("end", Type::Text, "The last address.").required().checked(address),
    ],
    outputs: &[],
    undo: |_, _| Undo::Faithful,
    serial_key: |key| optional_text(key, "server").map(|server| format!("server:{server}")),
    restarts: |_, _| 0,
    consistent_within: Duration::from_mins(1),
};

/// The resource provider's pattern.
fn name(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.len() <= 128 && text.chars().all(plain) {
        return Ok(());
    }
    Err(format!("{text:?} cannot be the name of a firewall rule; use letters, digits, - _ and ."))
}

fn address(text: &str) -> Result<(), String> {
    let parsed: Result<Ipv4Addr, _> = text.parse();
    parsed.map(drop).map_err(|_| format!("{text:?} is no IPv4 address; write four numbers, such as 203.0.113.7"))
}

#[async_trait]
impl Kind for FirewallRule {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::FIREWALL_RULE
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let id = server_id(look.key)?;
        let rule = match live.arm.firewall_rule(&id, text(look.key, "name")?).await {
            Ok(rule) => rule,
            Err(refusal) if refusal.is_not_found() => {
                // A server that is not there has no rules either, which is no answer.
                live.arm.server(&id).await?;
                return Ok(Reading::absent());
            }
            Err(refusal) => return Err(refusal.into()),
        };
        let ends = [("start", rule.start), ("end", rule.end)];
        let ends = ends.map(|(name, address)| (name.to_owned(), Value::Text(address)));
        Ok(Reading::present(Attributes::from(ends), Attributes::new()))
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let (id, name) = (server_id(&step.key)?, text(&step.key, "name")?);
        let note = |text: &str| watch.note(text);
        live.arm.ready_server(&id, &note).await?;
        match &step.after {
            Some(after) => {
                let rule = Range { start: text(after, "start")?.to_owned(), end: text(after, "end")?.to_owned() };
                live.arm.put_firewall_rule(&id, name, &rule, &note).await?;
            }
            None => live.arm.delete_firewall_rule(&id, name, &note).await?,
        }
        live.arm.ready_server(&id, &note).await?;
        Ok(Written::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::{address, name};
    use crate::azure::double::{error, reply};
    use crate::model::Attributes;
    use crate::resources::arm_testing::{attributes, read, write};
    use serde_json::json;

    fn key() -> Attributes {
        attributes(json!({ "subscription": "s", "resource_group": "rg", "server": "pg", "name": "runner" }))
    }

    fn range() -> Attributes {
        attributes(json!({ "start": "203.0.113.7", "end": "203.0.113.9" }))
    }

    #[tokio::test]
    async fn it_is_read_by_name_and_absent_where_the_server_has_none() {
        let (state, _) = read("firewall_rule", &key(), &range(), |seen| {
            assert!(seen.path.ends_with("/flexibleServers/pg/firewallRules/runner"), "{}", seen.path);
            let properties = json!({ "startIpAddress": "203.0.113.7", "endIpAddress": "203.0.113.9" });
            reply(200, json!({ "name": "runner", "properties": properties }))
        })
        .await;
        assert_eq!(state.unwrap(), range());
        let (state, _) = read("firewall_rule", &key(), &range(), |seen| {
            if seen.path.ends_with("/flexibleServers/pg") {
                reply(200, json!({}))
            } else {
                error(404, "ResourceNotFound")
            }
        })
        .await;
        assert_eq!(state, None);
    }

    #[tokio::test]
    async fn it_is_made_and_taken_away() {
        let ready = |_: &crate::azure::double::Seen| reply(200, json!({ "properties": { "state": "Ready" } }));
        let (done, double) = write("firewall_rule", &key(), None, Some(range()), ready).await;
        done.unwrap();
        let sent = double.seen().into_iter().find(|seen| seen.method == "PUT").unwrap();
        assert_eq!(
            sent.body,
            json!({ "properties": { "startIpAddress": "203.0.113.7", "endIpAddress": "203.0.113.9" } })
        );
        let (done, double) = write("firewall_rule", &key(), Some(range()), None, ready).await;
        done.unwrap();
        assert!(
            double.calls().iter().any(|call| call.starts_with("DELETE ") && call.ends_with("/firewallRules/runner"))
        );
    }

    #[test]
    fn names_and_addresses_are_checked() {
        assert!(name("build.agents_1-a").is_ok() && name("").is_err() && name("a b").is_err() && name("../x").is_err());
        assert!(address("0.0.0.0").is_ok() && address("::1").is_err() && address("1.2.3").is_err());
    }
}
