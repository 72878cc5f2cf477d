//! Lowers `[server.L]`: the authentication of a server, its administrators, its firewall, and how to connect to it.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::lower::{Lowering, Scope};
use super::names;
use super::node::{Data, Entry, Node};
use crate::model::{Address, Auth, ConnectionTarget, Finding, SecretSource, ServerTarget, Tls, Type, Value};

impl<'a> Lowering<'a> {
    pub(super) fn server(&mut self, label: &str, entry: &'a Entry) {
        let node = &entry.node;
        let path = format!("server.{label}");
        self.label_as_name(&path, label, entry, names::server);
        let name = node.get_text("name").unwrap_or(label).to_owned();
        let admins = self.admins(&path, node);
        let auth = node.get("entra_auth").is_some() || node.get("password_auth").is_some();
        let needed = auth || !admins.is_empty() || node.get("firewall").is_some() || node.get("host").is_none();
        let scope = self.scope(&path, node, needed);
        let mut drafts = Vec::new();
        let keyed = |draft: Draft| {
            draft
                .with_key("subscription", scope.subscription)
                .with_key("resource_group", scope.resource_group)
                .with_key("server", Some(&name))
        };
        let tenant = self.azure("tenant");
        if auth {
            let mut draft = keyed(Draft::new("server_auth", label, node.span.clone()));
            draft.set("entra_auth", &Type::Bool, node.get("entra_auth"));
            draft.set("password_auth", &Type::Bool, node.get("password_auth"));
            let takes_tokens = node.get_bool("entra_auth") == Some(true);
            draft.attributes.extend(tenant.filter(|_| takes_tokens).map(|tenant| ("tenant".to_owned(), tenant.into())));
            drafts.push(draft);
        }
        for admin in &admins {
            let own = admin.get_text("name").unwrap_or_default();
            let label = if admins.len() == 1 { label.to_owned() } else { format!("{label}/{own}") };
            let mut draft = keyed(Draft::new("server_admin", label, admin.span.clone()))
                .with_key("object_id", admin.get_text("object_id"));
            draft.set("name", &Type::Text, admin.get("name"));
            draft.set("principal_type", &Type::Text, admin.get("type"));
            draft.attributes.extend(tenant.map(|tenant| ("tenant".to_owned(), tenant.into())));
            drafts.push(draft);
        }
        drafts.extend(self.firewall(label, &name, node, &scope));
        let connections = self.connections(node, &admins);
        self.add_target(&name, node, &scope, connections);
        self.servers.insert(label.to_owned(), name);
        self.take(Address::new("server", label), node, drafts);
    }

    fn admins(&mut self, path: &str, node: &'a Node) -> Vec<&'a Node> {
        let one = node.get("admin").filter(|admin| admin.table().is_some());
        let several = node.get_list("admins").iter().filter(|admin| admin.table().is_some());
        if let (Some(_), Some(list)) = (one, node.get("admins")) {
            self.findings.push(
                Finding::error("conflicting-keys", format!("`{path}` has both `admin` and `admins`"), list.place())
                    .label("one of them is enough")
                    .remedy("keep `admin` for one administrator or `admins` for a list"),
            );
        }
        one.into_iter().chain(several).collect()
    }

    fn connections(&mut self, node: &Node, admins: &[&Node]) -> Vec<ConnectionTarget> {
        let mut seen = BTreeSet::new();
        let mut connections = Vec::new();
        for item in node.get_list("connections") {
            let Some(name) = item.get("name").filter(|name| name.text().is_some()) else { continue };
            let text = name.text().unwrap_or_default();
            if !seen.insert(text) {
                self.findings.push(
                    Finding::error("duplicate-connection", format!("two connections are named `{text}`"), name.place())
                        .label("the second one")
                        .remedy("give each connection of a server its own name"),
                );
            }
            let auth = self.auth(item, text);
            let user = item.get_text("user").unwrap_or_default().to_owned();
            connections.push(ConnectionTarget { name: text.to_owned(), user, auth });
        }
        if connections.is_empty()
            && let Some(user) = admins.first().and_then(|admin| admin.get_text("name"))
        {
            connections.push(ConnectionTarget { name: "admin".to_owned(), user: user.to_owned(), auth: Auth::Token });
        }
        connections
    }

    fn auth(&mut self, item: &Node, name: &str) -> Auth {
        let password = item.get("password");
        let token = item.get_bool("token");
        if token.unwrap_or(password.is_none()) == password.is_some() {
            self.findings.push(
                Finding::error(
                    "conflicting-keys",
                    format!("the connection `{name}` signs in either by token or by password"),
                    item.place(),
                )
                .label(if password.is_some() { "both are given" } else { "neither is given" })
                .remedy("write token = true, or password = { env = \"NAME\" }"),
            );
        }
        password
            .and_then(|password| password.get_text("env"))
            .map_or(Auth::Token, |env| Auth::Password(SecretSource::Env(env.to_owned())))
    }

    fn add_target(&mut self, name: &str, node: &Node, scope: &Scope<'_>, connections: Vec<ConnectionTarget>) {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let port = match node.get("port").map(|port| &port.data) {
            Some(Data::Int(port)) => u16::try_from(*port).unwrap_or(5432),
            _ => 5432,
        };
        let tls = match node.get_text("tls") {
            Some("verify-ca") => Tls::VerifyCa,
            Some("require") => Tls::Require,
            Some("disable") => Tls::Disable,
            _ => Tls::VerifyFull,
        };
        let server = ServerTarget {
            subscription: text(scope.subscription),
            resource_group: text(scope.resource_group),
            name: name.to_owned(),
            host: node.get_text("host").map(str::to_owned),
            port,
            tls,
            connections,
        };
        if self.out.target.servers.insert(name.to_owned(), server).is_some() {
            self.twice(&format!("server {name}"), node);
        }
    }

    /// Says that one thing is declared in two tables.
    pub(super) fn twice(&mut self, what: &str, node: &Node) {
        self.findings.push(
            Finding::error("declared-twice", format!("{what} is declared twice"), node.place())
                .label("declared here again")
                .remedy("put everything about it into one table"),
        );
    }
}

/// The Azure name of the server in a key or table.
pub(super) fn server_of(map: &crate::model::Attributes) -> Option<&str> {
    map.get("server").and_then(Value::as_text)
}
