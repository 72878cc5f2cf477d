//! The commands that fix a symptom, with every name from outside quoted for a POSIX shell.

use super::facts::{Facts, SiteFacts};
use crate::azure::ServerId;

/// One word of a command line.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A command of pgentra's about the plan file.
pub(super) fn pgentra(facts: &Facts, command: &str, more: &[&str]) -> String {
    let plan = (!facts.plan.is_empty()).then(|| word(&facts.plan));
    let more = more.iter().map(|one| word(one));
    ["pgentra".to_owned(), command.to_owned()].into_iter().chain(plan).chain(more).collect::<Vec<_>>().join(" ")
}

/// `pgentra apply --only ADDRESS`.
pub(super) fn apply(facts: &Facts, address: &str) -> String {
    pgentra(facts, "apply", &["--only", address])
}

/// A command of the Azure CLI about an app: `az functionapp <words> -g ... -n ... [--slot ...]`.
pub(super) fn az_site(site: &SiteFacts, words: &str, more: &str) -> String {
    let kind = if site.function { "functionapp" } else { "webapp" };
    let (group, name) = (word(&site.id.resource_group), word(&site.id.app));
    let slot = site.id.slot.as_deref().map(|slot| format!(" --slot {}", word(slot))).unwrap_or_default();
    format!("az {kind} {words} -g {group} -n {name}{slot}{more}")
}

/// A command of the Azure CLI about a flexible server; `name` is the option that takes its name there.
pub(super) fn az_server(id: &ServerId, words: &str, name: &str, more: &str) -> String {
    format!("az postgres flexible-server {words} -g {} {name} {}{more}", word(&id.resource_group), word(&id.server))
}

/// A statement for psql, through pgentra's own way in.
pub(super) fn psql(facts: &Facts, server: &str, database: &str, statement: &str) -> String {
    let plan = if facts.plan.is_empty() { String::new() } else { format!(" --plan {}", word(&facts.plan)) };
    format!("pgentra psql{plan} --server {} -d {} -- -c {}", word(server), word(database), word(statement))
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn a_word_stays_one_word() {
        assert_eq!(word("app_identity.geo"), "app_identity.geo");
        assert_eq!(word(""), "''");
        assert_eq!(word("a b; $(rm)"), "'a b; $(rm)'");
        assert_eq!(word("it's"), r"'it'\''s'");
    }
}
