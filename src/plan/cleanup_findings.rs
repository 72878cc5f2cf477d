//! What is wrong with a cleanup besides its shape: values lost without a word, contradictions with other tables.

use super::node::Node;
use crate::model::{Attributes, Finding};

/// Everything that is wrong with one cleanup. `about` is what its validation is about.
pub(super) fn all(label: &str, node: &Node, about: &Attributes, root: &Node, findings: &mut Vec<Finding>) {
    let path = format!("cleanup.{label}");
    let asked = |name: &str| node.get(name).is_some_and(|value| value.bool() != Some(false));
    let removes = ["remove_settings", "remove_connection_strings"].iter().any(|name| !node.get_list(name).is_empty());
    let parts = ["password_login", "role_password", "server_password_auth"];
    if !removes && !parts.iter().any(|part| asked(part)) {
        findings.push(
            Finding::error("empty-cleanup", format!("`{path}` removes nothing"), node.place())
                .label("nothing to do")
                .remedy("add remove_settings = [\"...\"], password_login = true or another part, or remove the table"),
        );
    }
    kept_or_given_up(&path, node, removes, asked("role_password"), findings);
    for part in parts.iter().filter(|part| asked(part) && !about.contains_key("old_role")) {
        let place = node.get(part).unwrap_or(node).place();
        findings.push(
            Finding::error("missing-key", format!("which old role `{part}` is about is not said"), place)
                .label("needs the old role")
                .remedy("add old_role = \"...\" to the validation"),
        );
    }
    if removes && !about.contains_key("app") {
        findings.push(
            Finding::error("missing-key", format!("which app `{path}` is about is not said"), node.place())
                .label("needs an app")
                .remedy("add app = \"...\" to the validation"),
        );
    }
    if let Some(soak) = node.get("soak").filter(|_| !asked("password_login")) {
        findings.push(
            Finding::error("conflicting-keys", "there is nothing to soak", soak.place())
                .label("goes with `password_login`")
                .remedy("add password_login = true, or remove `soak`"),
        );
    }
    contradictions(node, about, root, findings);
}

/// A value that is removed is either kept or given up, in so many words.
fn kept_or_given_up(path: &str, node: &Node, removes: bool, role: bool, findings: &mut Vec<Finding>) {
    let (escrow, lost) = (node.get("escrow"), node.get_bool("irreversible") == Some(true));
    let remedy = "write escrow = { key_vault = \"...\" } to keep the values, or irreversible = true to give them up";
    match escrow {
        Some(escrow) if lost => findings.push(
            Finding::error("conflicting-keys", "the values are both kept and given up", escrow.place())
                .label("kept")
                .remedy(remedy),
        ),
        Some(escrow) if !removes => findings.push(
            Finding::error("conflicting-keys", "nothing that is removed can be kept", escrow.place())
                .label("a role's password cannot be read, only the setting that holds it")
                .remedy("add remove_settings = [\"...\"]; or, for `role_password` alone, write irreversible = true"),
        ),
        None if !lost && (removes || role) => findings.push(
            Finding::error("missing-key", format!("`{path}` would lose a password for good"), node.place())
                .label("neither `escrow` nor `irreversible` is given")
                .remedy(remedy),
        ),
        _ => {}
    }
}

/// Other tables that want what the cleanup removes.
fn contradictions(node: &Node, about: &Attributes, root: &Node, findings: &mut Vec<Finding>) {
    let text = |table: &str, name: &str| about.get(table)?.as_map()?.get(name)?.as_text();
    for (label, entry) in root.entries("app") {
        let same = |part: &str, own: Option<&str>| match (text("app", part), own) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a.is_none() && b.is_none(),
        };
        let app = &entry.node;
        if !same("app", Some(app.get_text("name").unwrap_or(label))) || !same("slot", app.get_text("slot")) {
            continue;
        }
        for item in node.get_list("remove_settings") {
            let Some(name) = item.text() else { continue };
            let owned = app.entries("settings").any(|(own, _)| own.eq_ignore_ascii_case(name));
            let required = app.get_list("require_settings").iter().filter_map(Node::text);
            if owned || required.into_iter().any(|own| own.eq_ignore_ascii_case(name)) {
                findings.push(
                    Finding::error("contradiction", format!("`app.{label}` wants `{name}` to be there"), item.place())
                        .label("removed here")
                        .remedy(format!("take {name} out of the app's settings and require_settings, or keep it")),
                );
            }
        }
    }
    let Some(off) = node.get("server_password_auth").filter(|value| value.bool() != Some(false)) else { return };
    for (label, entry) in root.entries("server") {
        let name = entry.node.get_text("name").unwrap_or(label);
        let ours = text("old_role", "server").is_some_and(|server| server.eq_ignore_ascii_case(name));
        if ours && entry.node.get("password_auth").is_some() {
            findings.push(
                Finding::error("contradiction", format!("`server.{label}` says what `password_auth` is"), off.place())
                    .label("turned off here")
                    .remedy(format!("take password_auth out of [server.{label}]")),
            );
        }
    }
}
