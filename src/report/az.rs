//! A plan as a bash script of Azure CLI and psql commands, for people who want to see or run each call by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::az_parts::{database, deployment, firewall_rule};
use super::clean::{clean, guard};
use super::shell::{Piece, document, quote, word};
use super::sql_text::sql_text;
use crate::diff::{Action, ChangeSet, Reason};
use crate::model::{Attributes, Auth, Ref, SecretSource, ServerTarget, Step, Target, Tls, Value};

/// A step with the SQL that it runs; none for steps that speak to Azure.
#[derive(Clone, Debug)]
pub struct AzStep {
    /// The step.
    pub step: Step,
    /// Its statements, the transaction around them included.
    pub statements: Vec<String>,
}

const HEAD: &str = r#"#!/usr/bin/env bash
set -euo pipefail

# Signs in to a server and runs the SQL of standard input as one psql session that stops at the first error.
run_sql() { # host port tls user database
  PGPASSWORD="${PASSWORD:?}" PGSSLMODE="$3" psql -X -v ON_ERROR_STOP=1 -h "$1" -p "$2" -U "$4" -d "$5" -f -
}

# Ids are filled into SQL texts, so nothing else may pass for one.
is_id() { [[ "$1" =~ ^[0-9A-Fa-f-]{36}$ ]] || { echo "not an id: $1" >&2; exit 1; }; }

# Waits until a resource is there: Azure may answer the call that makes one before it is.
wait_for() { # url
  for _ in {1..60}; do
    az rest --method get --url "$1" -o none 2>/dev/null && return
    sleep 5
  done
  echo "not there after five minutes: $1" >&2
  exit 1
}
"#;

/// The script. `changes` are told of where they cannot be written down yet.
pub fn az_script(plan: &str, steps: &[AzStep], changes: &ChangeSet, target: &Target) -> String {
    let mut text =
        HEAD.replacen('\n', &format!("\n{}", remark(&format!("What pgentra apply would do for the plan {plan}."))), 1);
    let open = open_values(steps);
    if steps.is_empty() {
        text.push('\n');
        text.push_str(&remark("Nothing to do."));
    }
    for step in steps {
        let _ = write!(text, "\n{}", remark(&format!("{} ({})", step.step.id, step.step.address.kind)));
        text.push_str(&commands(step, &open, target));
        text.push_str(&given(&step.step, &open));
    }
    for change in changes.changes.iter().filter(|change| change.action == Action::Unknown) {
        let why = if let Reason::Unreadable(why) = &change.reason { why } else { "" };
        let _ = write!(
            text,
            "\n{}",
            remark(&format!("{}: write this script again after the above; {why}", change.address))
        );
    }
    text
}

/// One line of comment, harmless whatever stands in it.
pub(super) fn remark(text: &str) -> String {
    let line = format!("# {}", clean(text));
    guard(&line).unwrap_or(line) + "\n"
}

/// The values that only steps give, each with the name of a shell variable.
type Open = BTreeMap<Ref, String>;

fn open_values(steps: &[AzStep]) -> Open {
    let ends = steps.iter().filter_map(|step| step.step.after.as_ref());
    let refs: BTreeSet<&Ref> = ends.flat_map(Attributes::values).flat_map(Value::open_refs).collect();
    refs.into_iter().enumerate().map(|(at, open)| (open.clone(), format!("known_{}", at + 1))).collect()
}

/// Reads what a step gives into its shell variables.
fn given(step: &Step, open: &Open) -> String {
    let mut text = String::new();
    for (reference, variable) in open.iter().filter(|(reference, _)| reference.address == step.address) {
        let own = step.after.as_ref().and_then(|after| after.get("user_assigned")?.as_map());
        let query = match (reference.output.as_str(), own) {
            ("tenant_id", _) => "tenantId".to_owned(),
            ("client_id", _) => "userAssignedIdentities.* | [0].clientId".to_owned(),
            (_, Some(_)) if step.after.as_ref().and_then(|after| after.get("system")?.as_bool()) != Some(true) => {
                "userAssignedIdentities.* | [0].principalId".to_owned()
            }
            _ => "principalId".to_owned(),
        };
        let show = command(&["webapp", "identity", "show"], &site(&step.key), &["--query", &query, "-o", "tsv"]);
        let _ = write!(text, "{variable}=$({})\nis_id \"${variable}\"\n", show.trim_end());
    }
    text
}

/// An `az` command of plain words.
pub(super) fn command(verb: &[&str], place: &[String], more: &[&str]) -> String {
    let words = verb.iter().copied().chain(place.iter().map(String::as_str)).chain(more.iter().copied());
    format!("az {}\n", words.map(quote).collect::<Vec<_>>().join(" "))
}

pub(super) fn text<'a>(key: &'a Attributes, name: &str) -> &'a str {
    key.get(name).and_then(Value::as_text).unwrap_or_default()
}

fn scope(key: &Attributes) -> Vec<String> {
    ["--subscription", text(key, "subscription"), "-g", text(key, "resource_group")].map(str::to_owned).to_vec()
}

pub(super) fn site(key: &Attributes) -> Vec<String> {
    let mut words = scope(key);
    words.extend(["-n", text(key, "app")].map(str::to_owned));
    if let Some(slot) = key.get("slot").and_then(Value::as_text) {
        words.extend(["--slot", slot].map(str::to_owned));
    }
    words
}

fn commands(step: &AzStep, open: &Open, target: &Target) -> String {
    let Step { address, key, before, after, .. } = &step.step;
    let field = |end: &Option<Attributes>, name: &str| {
        end.as_ref().and_then(|end| end.get(name)).cloned().unwrap_or(Value::Null)
    };
    let names = |value: &Value, on: bool| -> Vec<String> {
        let map = value.as_map().into_iter().flatten();
        map.filter(|(_, value)| (**value == Value::Bool(true)) == on).map(|(name, _)| name.clone()).collect()
    };
    match address.kind.as_str() {
        "server_auth" | "server_password_auth" => server_auth(key, after.as_ref()),
        "firewall_rule" => firewall_rule(key, after.as_ref()),
        "database" => {
            let made = database(key, before.as_ref(), after.as_ref());
            if step.statements.is_empty() { made } else { made + &sql(step, open, target) }
        }
        "deployment" => deployment(key, after.as_ref()),
        "server_admin" => server_admin(key, after.as_ref()),
        "app_identity" => {
            let mut go = if after.is_some() { Vec::new() } else { names(&field(before, "user_assigned"), true) };
            go.extend(names(&field(after, "user_assigned"), false));
            let mut stay = names(&field(after, "user_assigned"), true);
            match field(after, "system").as_bool() {
                Some(true) => stay.insert(0, "[system]".to_owned()),
                Some(false) => go.insert(0, "[system]".to_owned()),
                // A step that leads to nothing takes away what was not there before.
                None if after.is_none() && field(before, "system").as_bool() == Some(true) => {
                    go.insert(0, "[system]".to_owned());
                }
                None => {}
            }
            let call = |verb: &str, ids: &[String]| {
                let ids: Vec<&str> = ["--identities"].into_iter().chain(ids.iter().map(String::as_str)).collect();
                if ids.len() > 1 { command(&["webapp", "identity", verb], &site(key), &ids) } else { String::new() }
            };
            call("assign", &stay) + &call("remove", &go)
        }
        "app_settings" => settings(key, &field(after, "settings"), open),
        "slot_settings" => slot_settings(key, &field(after, "app_settings")),
        "password_setting" => {
            let list = if text(key, "list") == "settings" { "appsettings" } else { "connection-string" };
            let all = field(after, "names");
            let all = all.as_list().unwrap_or_default().iter().filter_map(Value::as_text);
            let more: Vec<&str> = ["--setting-names"].into_iter().chain(all).collect();
            command(&["webapp", "config", list, "delete"], &site(key), &more)
        }
        _ if !step.statements.is_empty() => sql(step, open, target),
        "check" => remark("Look whether it holds: pgentra verify"),
        "validation" | "soak" => remark("A gate: no script can open it. Stop here until it has opened: pgentra status"),
        _ => remark("The Azure CLI has no equal to this step: pgentra apply"),
    }
}

fn server_auth(key: &Attributes, after: Option<&Attributes>) -> String {
    let state = |on: bool| if on { "Enabled" } else { "Disabled" };
    let flag = |name: &str| after.and_then(|after| after.get(name)?.as_bool());
    let mut more = Vec::new();
    if let Some(on) = flag("entra_auth") {
        more.extend(["--microsoft-entra-auth", state(on)]);
    }
    let passwords = flag("password_auth").or_else(|| flag("enabled"));
    if let Some(on) = passwords {
        more.extend(["--password-auth", state(on)]);
    }
    let mut place = scope(key);
    place.extend(["-n", text(key, "server")].map(str::to_owned));
    let update = command(&["postgres", "flexible-server", "update"], &place, &more);
    // Azure wants the administrator's password with the change that takes passwords again.
    let admin = after.and_then(|after| after.get("admin_password")?.as_map()?.get("env")?.as_text());
    match admin.filter(|_| passwords == Some(true)) {
        Some(variable) => {
            format!("{} --admin-password {}\n", update.trim_end(), word(&[Piece::Variable(variable.to_owned())]))
        }
        None => update,
    }
}

fn server_admin(key: &Attributes, after: Option<&Attributes>) -> String {
    let mut place = scope(key);
    place.extend(["-s", text(key, "server"), "-i", text(key, "object_id")].map(str::to_owned));
    let verb = |verb| ["postgres", "flexible-server", "microsoft-entra-admin", verb];
    let Some(after) = after else { return command(&verb("delete"), &place, &["--yes"]) };
    let kind = match text(after, "principal_type") {
        "group" => "Group",
        "service_principal" => "ServicePrincipal",
        _ => "User",
    };
    command(&verb("create"), &place, &["-u", text(after, "name"), "-t", kind])
}

/// All that is set in one call, which is one restart; then what goes.
fn settings(key: &Attributes, wanted: &Value, open: &Open) -> String {
    let (mut set, mut gone, mut kept) = (Vec::new(), Vec::new(), String::new());
    for (name, value) in wanted.as_map().into_iter().flatten() {
        let start = Piece::Text(format!("{name}="));
        match value {
            Value::Null => gone.push(name.as_str()),
            Value::Text(text) => set.push(word(&[Piece::Text(format!("{name}={text}"))])),
            Value::Open(reference) => {
                set.extend(open.get(reference).map(|name| word(&[start, Piece::Variable(name.clone())])));
            }
            Value::Secret(secret) => match &secret.source {
                Some(SecretSource::Env(variable)) => set.push(word(&[start, Piece::Variable(variable.clone())])),
                _ => kept
                    .push_str(&remark(&format!("{name}: its value comes from a key vault, and is not written here"))),
            },
            _ => {}
        }
    }
    let mut text = kept;
    if !set.is_empty() {
        let place = command(&["webapp", "config", "appsettings", "set"], &site(key), &["-o", "none", "--settings"]);
        let _ = writeln!(text, "{} {}", place.trim_end(), set.join(" "));
    }
    if !gone.is_empty() {
        let more: Vec<&str> = ["-o", "none", "--setting-names"].into_iter().chain(gone).collect();
        text.push_str(&command(&["webapp", "config", "appsettings", "delete"], &site(key), &more));
    }
    text
}

/// The names that stay with a slot are one list for all slots: what else is in it is sent back.
fn slot_settings(key: &Attributes, wanted: &Value) -> String {
    let (scope, app) = (text(key, "subscription"), text(key, "app"));
    let path = format!(
        "/subscriptions/{scope}/resourceGroups/{}/providers/Microsoft.Web/sites/{app}/config/slotConfigNames?api-version=2024-11-01",
        text(key, "resource_group")
    );
    let json = |names: &[&String]| serde_json::to_string(names).unwrap_or_default().replace('`', "\\u0060");
    let map = || wanted.as_map().into_iter().flatten();
    let all: Vec<&String> = map().map(|(name, _)| name).collect();
    let on: Vec<&String> = map().filter(|(_, on)| **on == Value::Bool(true)).map(|(name, _)| name).collect();
    let query = format!(
        "{{properties: merge(properties, {{appSettingNames: [(properties.appSettingNames || `[]`)[?!contains(`{}`, @)], `{}`][]}})}}",
        json(&all),
        json(&on)
    );
    let get = command(&["rest", "--method", "get", "--url", &path, "--query", &query, "-o", "json"], &[], &[]);
    let put = command(&["rest", "--method", "put", "--url", &path, "--body"], &[], &[]);
    format!("names=$({})\n{} \"$names\"\n", get.trim_end(), put.trim_end())
}

/// The statements, run as the connection that the step uses.
fn sql(step: &AzStep, open: &Open, target: &Target) -> String {
    let key = &step.step.key;
    let Some(server) = target.servers.get(text(key, "server")) else { return remark("its server is unknown") };
    let via = step.step.via.as_deref();
    let connection = match via {
        Some(name) => server.connections.iter().find(|connection| connection.name == name),
        None => server.connections.first(),
    };
    let Some(connection) = connection else { return remark("its server has no connection") };
    let user = &connection.user;
    let password = if let Auth::Password(SecretSource::Env(variable)) = &connection.auth {
        word(&[Piece::Variable(variable.clone())])
    } else {
        let token =
            ["account", "get-access-token", "--resource-type", "oss-rdbms", "--query", "accessToken", "-o", "tsv"];
        format!("\"$({})\"", command(&token, &[], &[]).trim_end())
    };
    let database = key.get("database").and_then(Value::as_text).unwrap_or("postgres");
    let mut statements: String = step.statements.iter().fold(String::new(), |all, one| all + &sql_text(one) + ";\n");
    statements.pop();
    let (start, body) = document(&statements);
    let mut text = format!("{}PASSWORD={password}\nsql=$(cat {start}\n{body})\n", host(server));
    for (reference, variable) in open {
        let marker = format!("(known after apply: {reference})");
        if statements.contains(&marker) {
            let _ = writeln!(text, "sql=${{sql//{}/\"${{{variable}:?}}\"}}", pattern(&marker));
        }
    }
    let place = [server.port.to_string(), tls(server.tls).to_owned(), user.clone(), database.to_owned()];
    let place: Vec<String> = place.iter().map(|word| quote(word)).collect();
    let _ = writeln!(text, "run_sql \"$host\" {} <<<\"$sql\"", place.join(" "));
    text
}

/// A text as a pattern of bash that means only itself.
fn pattern(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn host(server: &ServerTarget) -> String {
    if let Some(host) = &server.host {
        return format!("host={}\n", quote(host));
    }
    let place =
        ["--subscription", &server.subscription, "-g", &server.resource_group, "-n", &server.name].map(str::to_owned);
    let more = ["--query", "fullyQualifiedDomainName", "-o", "tsv"];
    format!("host=$({})\n", command(&["postgres", "flexible-server", "show"], &place, &more).trim_end())
}

/// libpq's word.
fn tls(tls: Tls) -> &'static str {
    match tls {
        Tls::VerifyFull => "verify-full",
        Tls::VerifyCa => "verify-ca",
        Tls::Require => "require",
        Tls::Disable => "disable",
    }
}
