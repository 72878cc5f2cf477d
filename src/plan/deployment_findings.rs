//! What is wrong with a deployment besides its shape: two ways at once, half of one, secrets among arguments.

use super::draft::Draft;
use crate::model::{Finding, Place, Value, looks_secret};

/// What goes with a command alone.
const OF_COMMANDS: [&str; 5] = ["undo", "check", "version", "env", "timeout"];

/// Everything that is wrong with the deployments of a plan file.
pub(super) fn all(drafts: &[Draft], findings: &mut Vec<Finding>) {
    for draft in drafts.iter().filter(|draft| draft.address.kind == "deployment") {
        one(draft, findings);
    }
}

fn one(draft: &Draft, findings: &mut Vec<Finding>) {
    let whole = || Place::from(draft.span.clone());
    let place = |name: &str| draft.places.get(name).cloned().unwrap_or_else(whole);
    let has = |name: &str| draft.attributes.contains_key(name);
    let (zip, command) = (has("zip"), has("command"));
    if zip == command {
        let both = if zip { "both are given" } else { "neither is given" };
        let rule = if zip { "conflicting-keys" } else { "missing-key" };
        let title = format!("`{}` needs either a zip or a command", draft.address);
        findings.push(
            Finding::error(rule, title, if zip { place("command") } else { whole() })
                .label(both)
                .remedy("write zip = \"app.zip\", or command = [\"./deploy.sh\"] with check = [\"./check.sh\"]"),
        );
        return;
    }
    let strangers: &[&str] = if zip { &OF_COMMANDS } else { &["previous", "build"] };
    let (own, other) = if zip { ("zip", "command") } else { ("command", "zip") };
    for name in strangers.iter().filter(|name| has(name)) {
        findings.push(
            Finding::error("conflicting-keys", format!("`{name}` says nothing about a {own}"), place(name))
                .label(format!("goes with `{other}`"))
                .remedy(format!("remove `{name}`, or deploy with `{other}`")),
        );
    }
    if command && !has("check") {
        findings.push(
            Finding::error(
                "missing-key",
                format!("nothing sees what `{}` has deployed", draft.address),
                place("command"),
            )
            .label("needs a check")
            .remedy("add check = [\"./check.sh\"], which exits with 0 where this code is deployed"),
        );
    }
    for name in ["command", "undo", "check"] {
        words(name, draft.attributes.get(name), &place(name), findings);
    }
}

fn words(name: &str, words: Option<&Value>, place: &Place, findings: &mut Vec<Finding>) {
    let Some(words) = words.and_then(Value::as_list) else { return };
    if words.first().and_then(Value::as_text).is_none_or(str::is_empty) {
        findings.push(
            Finding::error("invalid-value", format!("`{name}` names no program"), place.clone())
                .label("empty")
                .remedy(format!("write {name} = [\"./program\", \"argument\"]")),
        );
    }
    if words.iter().filter_map(Value::as_text).any(looks_secret) {
        findings.push(
            Finding::error("secret-literal", format!("an argument of `{name}` seems to hold a secret"), place.clone())
                .label("a plan file is no place for secrets")
                .remedy("put it into an environment variable and name that: env = [\"NAME\"]"),
        );
    }
}
