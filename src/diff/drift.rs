//! Drift: what differs from the plan file, less what is known to differ and allowed to.

use super::change::{Action, Change, ChangeSet, Reason};
use crate::model::{Attributes, Value, agrees};

/// One pattern of what is allowed to differ: an address, perhaps with a path inside it, where `*` stands for any
/// characters: `app_settings.web.settings.BUILD`, `database_grants.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed(String);

impl Allowed {
    /// A pattern as it is written.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Whether it is about this path, or about something that the path is inside of.
    fn covers(&self, path: &str) -> bool {
        glob(&self.0, path) || glob(&format!("{}.*", self.0), path)
    }
}

/// Whether `text` is what `pattern` says; `*` stands for any characters, also none.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The drift in a change set: what was made, changed or removed behind our back. What is allowed to differ counts as
/// being as it is, and is named beside it. Checks and gates are no drift.
pub fn drift(mut changes: ChangeSet, allowed: &[Allowed]) -> (ChangeSet, Vec<String>) {
    let mut passed_over = Vec::new();
    changes.changes.retain(|change| !matches!(change.action, Action::Check | Action::Held));
    for change in &mut changes.changes {
        if change.changes() {
            pass_over(change, allowed, &mut passed_over);
        }
    }
    (changes, passed_over)
}

fn pass_over(change: &mut Change, allowed: &[Allowed], passed_over: &mut Vec<String>) {
    let address = change.address.to_string();
    let covered = |path: &str| allowed.iter().any(|pattern| pattern.covers(path));
    let whole = covered(&address);
    if let (false, Action::Update, Some(before), Some(after)) =
        (whole, change.action, &change.before, &mut change.after)
    {
        let differed = keep(&address, before, after, &covered, passed_over);
        if !differed {
            change.action = Action::None;
        } else if let Reason::Differs(fields) = &mut change.reason {
            let value = |map: &Attributes, name: &String| map.get(name).cloned().unwrap_or(Value::Null);
            fields.retain(|name| !agrees(&value(before, name), &value(after, name)));
        }
    } else if whole {
        passed_over.push(address);
        change.action = Action::None;
        change.after.clone_from(&change.before);
    }
    if change.action == Action::None {
        change.reason = Reason::AsWanted;
        change.restarts = 0;
    }
}

/// Puts what is there in the place of what is wanted wherever that is allowed to differ. Answers whether anything else
/// differs.
fn keep(
    path: &str,
    before: &Attributes,
    after: &mut Attributes,
    covered: &dyn Fn(&str) -> bool,
    passed_over: &mut Vec<String>,
) -> bool {
    let names: std::collections::BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
    let mut differed = false;
    for name in names {
        let inner = format!("{path}.{name}");
        let is = before.get(&name).cloned().unwrap_or(Value::Null);
        let wanted = after.get(&name).cloned().unwrap_or(Value::Null);
        if agrees(&is, &wanted) {
            continue;
        }
        if covered(&inner) {
            passed_over.push(inner);
            after.insert(name, is);
            continue;
        }
        match (&is, wanted) {
            (Value::Map(is), Value::Map(mut wanted)) => {
                differed |= keep(&inner, is, &mut wanted, covered, passed_over);
                after.insert(name, Value::Map(wanted));
            }
            _ => differed = true,
        }
    }
    differed
}

#[cfg(test)]
mod tests {
    use super::{Allowed, drift, glob};
    use crate::diff::{Action, Change, ChangeSet, Reason};
    use crate::model::{Address, Attributes, Undo, Value};

    fn update(before: Attributes, after: Attributes) -> Change {
        Change {
            address: Address::new("app_settings", "web"),
            key: Attributes::new(),
            before: Some(before),
            after: Some(after),
            action: Action::Update,
            reason: Reason::Differs(vec!["settings".to_owned()]),
            undo: Undo::Faithful,
            outputs: Attributes::new(),
            restarts: 1,
            leans_on: [].into(),
            routes: [].into(),
            notes: Vec::new(),
            failure: None,
            place: None,
        }
    }

    fn settings(pairs: &[(&str, &str)]) -> Attributes {
        let map = pairs.iter().map(|(name, value)| ((*name).to_owned(), Value::text(*value))).collect();
        Attributes::from([("settings".to_owned(), Value::Map(map))])
    }

    #[test]
    fn what_is_allowed_to_differ_is_passed_over_by_name() {
        let (before, after) = (settings(&[("A", "1"), ("B", "1")]), settings(&[("A", "2"), ("B", "2"), ("C", "2")]));
        let set = || ChangeSet { changes: vec![update(before.clone(), after.clone())] };
        let told = |patterns: &[&str]| {
            let allowed: Vec<Allowed> = patterns.iter().map(|pattern| Allowed::new(*pattern)).collect();
            let (set, passed_over) = drift(set(), &allowed);
            (set.changes[0].action, set.changes[0].after.clone().unwrap(), passed_over)
        };
        let (action, after_b, passed_over) = told(&["app_settings.web.settings.B"]);
        assert_eq!(action, Action::Update);
        assert_eq!(after_b, settings(&[("A", "2"), ("B", "1"), ("C", "2")]));
        assert_eq!(passed_over, ["app_settings.web.settings.B"]);
        for all in [
            vec!["app_settings.web"],
            vec!["app_settings.*"],
            vec!["*.settings"],
            vec!["app_settings.web.settings.A", "*.B", "*.C"],
        ] {
            assert_eq!(told(&all).0, Action::None, "{all:?}");
        }
        for none in ["app_settings.we", "app_settings.web.settings.A.x", "settings.A", ""] {
            let (action, same, passed_over) = told(&[none]);
            assert_eq!((action, same, passed_over.len()), (Action::Update, after.clone(), 0), "{none:?}");
        }
    }

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, text) in [("*", ""), ("a*c", "abc"), ("a*c", "ac"), ("*b*", "abc"), ("a**c", "axc"), ("ab", "ab")]
        {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("ab*b", "ab"), ("*a", "ab"), ("", "a"), ("a*b*a", "aba b")] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }
}
