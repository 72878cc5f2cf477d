//! Checks of an app's settings: their names, their lengths, and that no secret stands in the plan file.

use std::collections::BTreeMap;

use super::names;
use super::node::{Entry, Node, Table};
use crate::model::{Finding, Place, looks_secret, secret_name};

/// The longest value that App Service is known to take, in characters.
const LONGEST: usize = 10_000;

/// Checks one table of settings.
pub(super) fn check(path: &str, settings: &Table, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (name, entry) in settings {
        let place = Place::from(entry.key.clone());
        if let Err(why) = names::setting(name) {
            let (why, remedy) = why.split_once("; ").unwrap_or((why.as_str(), ""));
            findings.push(
                Finding::error("invalid-value", format!("`{path}`: {why}"), place.clone())
                    .label("not valid")
                    .remedy(remedy),
            );
        }
        if let Some(other) = seen.insert(name.to_ascii_uppercase(), name) {
            findings.push(
                Finding::error("same-setting", format!("`{name}` and `{other}` are the same setting"), place)
                    .label("differs only by case")
                    .remedy("Azure does not tell them apart; keep one of them"),
            );
        }
        value(name, entry, findings);
    }
}

fn value(name: &str, entry: &Entry, findings: &mut Vec<Finding>) {
    let Some(text) = entry.node.text() else { return };
    let length = text.chars().count();
    if length > LONGEST {
        findings.push(
            Finding::error(
                "long-setting",
                format!("the value of `{name}` has {length} characters"),
                entry.node.place(),
            )
            .label("too long")
            .remedy("App Service takes at most 10,000 characters; keep the text elsewhere and refer to it"),
        );
    }
    if is_secret(name, text) {
        findings.push(secret(name, &entry.node));
    }
}

/// Settings that the table itself calls sensitive: their values cannot stand in the text either.
pub(super) fn sensitive(table: &Node, findings: &mut Vec<Finding>) {
    for name in table.get_list("sensitive").iter().filter_map(Node::text) {
        if let Some(node) = table.get("settings").and_then(|settings| settings.get(name))
            && let Some(text) = node.text()
            && !text.starts_with("@Microsoft.KeyVault(")
            && !is_secret(name, text)
        {
            findings.push(secret(name, node));
        }
    }
}

/// A Key Vault reference, an empty text and a switch are no secrets, whatever the setting is called.
fn is_secret(name: &str, text: &str) -> bool {
    let switch = ["", "0", "1"].contains(&text) || ["true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word));
    if switch || text.starts_with("@Microsoft.KeyVault(") {
        return false;
    }
    secret_name(name) || looks_secret(text)
}

/// A finding about a secret that stands in the plan file.
fn secret(name: &str, node: &Node) -> Finding {
    Finding::error("secret-literal", format!("`{name}` seems to hold a secret"), node.place())
        .label("a plan file is no place for secrets")
        .remedy(
            "take it from the environment, { env = \"NAME\" }, or refer to it: \"@Microsoft.KeyVault(SecretUri=...)\"",
        )
}
