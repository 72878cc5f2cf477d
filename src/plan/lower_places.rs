//! Lowers `[server.L.firewall.R]` and `[database.L]` with its schemas: what a new environment is made of.

use std::net::Ipv4Addr;

use super::draft::Draft;
use super::lower::{Lowering, Scope};
use super::names;
use super::node::{Entry, Node};
use crate::model::{Address, Finding, Type};

/// Every service in Azure, as a range.
const AZURE_SERVICES: &str = "0.0.0.0";

/// Whether a range of addresses, which does not end before it starts, lets in millions of addresses.
pub fn wide_open(first: Ipv4Addr, last: Ipv4Addr) -> bool {
    u32::from(last).saturating_sub(u32::from(first)) >= 1 << 24
}

impl<'a> Lowering<'a> {
    /// The firewall rules of a server, by label of server and rule.
    pub(super) fn firewall(&mut self, label: &str, name: &str, node: &'a Node, scope: &Scope<'_>) -> Vec<Draft> {
        let mut drafts = Vec::new();
        for (rule, entry) in node.entries("firewall") {
            let node = &entry.node;
            if node.table().is_none() {
                continue;
            }
            let mut draft = Draft::new("firewall_rule", format!("{label}/{rule}"), node.span.clone())
                .with_key("subscription", scope.subscription)
                .with_key("resource_group", scope.resource_group)
                .with_key("server", Some(name))
                .with_key("name", Some(rule));
            match range(node) {
                Some((start, end)) => {
                    self.range_makes_sense(&format!("server.{label}.firewall.{rule}"), node, (start, end));
                    draft.attributes.extend([("start".to_owned(), start.into()), ("end".to_owned(), end.into())]);
                    drafts.push(draft);
                }
                None => self.findings.push(
                    Finding::error(
                        "missing-key",
                        format!("`server.{label}.firewall.{rule}` has no range"),
                        node.place(),
                    )
                    .label("one range to a rule")
                    .remedy("write ip = \"203.0.113.7\", start with end, or azure_services = true"),
                ),
            }
        }
        drafts
    }

    fn range_makes_sense(&mut self, path: &str, node: &Node, (start, end): (&str, &str)) {
        let (Ok(first), Ok(last)) = (start.parse::<Ipv4Addr>(), end.parse::<Ipv4Addr>()) else { return };
        if last < first {
            self.findings.push(
                Finding::error("invalid-value", format!("`{path}` ends before it starts"), node.place())
                    .label(format!("{start} to {end}"))
                    .remedy("swap `start` and `end`"),
            );
        } else if wide_open(first, last) {
            self.findings.push(
                Finding::warning("wide-open", format!("`{path}` lets in millions of addresses"), node.place())
                    .label(format!("{start} to {end}"))
                    .remedy("name the addresses that need the server, or use a private network"),
            );
        }
    }

    /// Lowers all databases. Servers have to be lowered already.
    pub(super) fn databases(&mut self) {
        for (label, entry) in self.root.entries("database") {
            self.database(label, entry);
        }
    }

    fn database(&mut self, label: &str, entry: &'a Entry) {
        let node = &entry.node;
        if node.table().is_none() {
            return;
        }
        self.label_as_name(&format!("database.{label}"), label, entry, names::identifier);
        let name = node.get_text("name").unwrap_or(label);
        let server = self.server_name(node);
        let home = node.get_text("server").and_then(|label| self.root.get("server")?.get(label));
        let scope = match home {
            Some(home) => self.scope(&format!("database.{label}"), home, true),
            None => Scope { subscription: None, resource_group: None },
        };
        let mut database = Draft::new("database", label, node.span.clone())
            .with_key("subscription", scope.subscription)
            .with_key("resource_group", scope.resource_group)
            .with_key("server", server.as_deref())
            .with_key("name", Some(name));
        for field in ["owner", "charset", "collation"] {
            database.set(field, &Type::Text, node.get(field));
        }
        let mut drafts = vec![database];
        for (schema, entry) in node.entries("schema").filter(|(_, entry)| entry.node.table().is_some()) {
            self.label_as_name(&format!("database.{label}.schema.{schema}"), schema, entry, names::identifier);
            let node = &entry.node;
            let mut draft = Draft::new("schema", format!("{label}/{schema}"), node.span.clone())
                .with_key("server", server.as_deref())
                .with_key("database", Some(name))
                .with_key("name", Some(node.get_text("name").unwrap_or(schema)));
            draft.set("owner", &Type::Text, node.get("owner"));
            drafts.push(draft);
        }
        self.take(Address::new("database", label), node, drafts);
    }
}

/// The range that a rule says, in one of three ways.
fn range(node: &Node) -> Option<(&str, &str)> {
    let text = |name: &str| node.get_text(name);
    match (text("ip"), text("start"), text("end"), node.get_bool("azure_services")) {
        (Some(ip), None, None, None | Some(false)) => Some((ip, ip)),
        (None, Some(start), Some(end), None | Some(false)) => Some((start, end)),
        (None, None, None, Some(true)) => Some((AZURE_SERVICES, AZURE_SERVICES)),
        _ => None,
    }
}
