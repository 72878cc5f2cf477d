//! What stands below a server or an app, as Azure CLI commands: firewall rules, databases, and the code of an app.

use super::az::{command, remark, site, text};
use super::shell::quote;
use crate::model::{Attributes, Value};

/// The ARM address of something below a server. Not the CLI's own commands: the options that they have for the names of
/// the server and of what is below it differ from one version of the CLI to the next.
fn below(key: &Attributes, part: &str) -> String {
    let (subscription, group, server) = (text(key, "subscription"), text(key, "resource_group"), text(key, "server"));
    format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DBforPostgreSQL/flexibleServers/{server}/{part}/{}?api-version=2025-08-01",
        text(key, "name")
    )
}

fn put(url: &str, properties: &serde_json::Value) -> String {
    let body = serde_json::json!({ "properties": properties }).to_string();
    let made = command(&["rest", "--method", "put", "--url", url, "--body", &body, "-o", "none"], &[], &[]);
    format!("{made}wait_for {}\n", quote(url))
}

fn delete(url: &str) -> String {
    command(&["rest", "--method", "delete", "--url", url], &[], &[])
}

pub(super) fn firewall_rule(key: &Attributes, after: Option<&Attributes>) -> String {
    let url = below(key, "firewallRules");
    let Some(after) = after else { return delete(&url) };
    let range = serde_json::json!({ "startIpAddress": text(after, "start"), "endIpAddress": text(after, "end") });
    put(&url, &range)
}

/// What Azure does of it; its owner is a matter of SQL.
pub(super) fn database(key: &Attributes, before: Option<&Attributes>, after: Option<&Attributes>) -> String {
    let url = below(key, "databases");
    match (before, after) {
        (None, Some(after)) => {
            let given = ["charset", "collation"].into_iter();
            let given = given.filter_map(|name| Some((name.to_owned(), after.get(name)?.as_text()?.into())));
            put(&url, &serde_json::Value::Object(given.collect()))
        }
        (Some(_), None) => {
            remark("This drops the database with all that it holds; pgentra drops an empty one only.") + &delete(&url)
        }
        _ => String::new(),
    }
}

/// The zip, through the site that deploys; or the words of the plan file's own command.
pub(super) fn deployment(key: &Attributes, after: Option<&Attributes>) -> String {
    let beside = remark("Run it beside the plan file.");
    let after_word = |name: &str| after.and_then(|after| after.get(name));
    if let Some(words) = after_word("command").and_then(Value::as_list) {
        let words: Vec<String> = words.iter().filter_map(Value::as_text).map(quote).collect();
        let told =
            [("APP", "app"), ("SLOT", "slot"), ("RESOURCE_GROUP", "resource_group"), ("SUBSCRIPTION", "subscription")];
        let told = told.map(|(name, field)| format!("PGENTRA_{name}={}", quote(text(key, field))));
        return format!("{beside}{} {}\n", told.join(" "), words.join(" "));
    }
    // A plan restates a zip as its content, and says which file has that.
    let content = after_word("content").and_then(Value::as_text);
    let zip = content.and_then(|content| after_word("zips")?.as_map()?.get(content)?.as_text());
    match zip {
        Some(zip) => beside + &command(&["webapp", "deploy"], &site(key), &["--type", "zip", "--src-path", zip]),
        None => remark("What was deployed before is not at hand: pgentra apply"),
    }
}
