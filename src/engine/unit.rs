//! The unit of rollback: an app and what only it leans on. A failure in one app leaves the others alone. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Step, Value};

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The apps that need the failed step, and what only they lean on.
    #[default]
    App,
    /// The whole run.
    Run,
    /// Only what leans on the failed step; the way of a rollback, which goes on wherever it can.
    Branch,
}

/// The ids of the steps that go down with the failed ones.
pub fn unit(steps: &[&Step], failed: &BTreeSet<String>, scope: Scope) -> BTreeSet<String> {
    let all = || steps.iter().map(|step| step.id.clone()).collect();
    match scope {
        _ if failed.is_empty() => BTreeSet::new(),
        Scope::Run => all(),
        Scope::Branch => {
            let needs = needs(steps);
            steps.iter().map(|step| step.id.clone()).filter(|id| !needs[id.as_str()].is_disjoint(failed)).collect()
        }
        Scope::App => {
            let apps = apps(steps);
            let own =
                |id: &String| [apps.of.get(id.as_str()), apps.joint.get(id.as_str())].into_iter().flatten().flatten();
            let down: BTreeSet<&str> = failed.iter().flat_map(own).copied().collect();
            // What leans on several apps cannot stand on the others alone.
            let joint = apps.joint.iter().filter(|(_, of)| !of.is_disjoint(&down)).map(|(end, _)| *end);
            let down: BTreeSet<&str> = joint.chain(down.iter().copied()).collect();
            let only_theirs = |id: &String| apps.of.get(id.as_str()).is_some_and(|apps| apps.is_subset(&down));
            steps.iter().map(|step| step.id.clone()).filter(only_theirs).collect()
        }
    }
}

/// What each step leans on, directly or through others, itself included. Steps come after what they lean on.
fn needs<'a>(steps: &[&'a Step]) -> BTreeMap<&'a str, BTreeSet<String>> {
    let mut needs: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for step in steps {
        let mut all = BTreeSet::from([step.id.clone()]);
        for on in &step.leans_on {
            all.extend(needs.get(on.as_str()).cloned().unwrap_or_else(|| BTreeSet::from([on.clone()])));
        }
        needs.insert(&step.id, all);
    }
    needs
}

/// Which apps need which steps. An app is named by one of its steps; what serves no app stands for itself.
struct Apps<'a> {
    /// The apps that need each step.
    of: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// The apps behind an end that several have in common: it stands for itself, but when it fails, it is for all of them.
    joint: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

fn apps<'a>(steps: &[&'a Step]) -> Apps<'a> {
    let needs = needs(steps);
    let leaned_on: BTreeSet<&String> = steps.iter().flat_map(|step| &step.leans_on).collect();
    let (mut names, mut keyed): (BTreeMap<Vec<&Value>, &str>, BTreeMap<&str, &str>) = Default::default();
    for step in steps {
        if let Some(key) = app_key(step) {
            keyed.insert(&step.id, names.entry(key).or_insert(&step.id));
        }
    }
    let mut apps = Apps { of: BTreeMap::new(), joint: BTreeMap::new() };
    for step in steps {
        let name = match keyed.get(step.id.as_str()) {
            Some(name) => *name,
            // Ground for the steps of apps goes by their names.
            None if keyed.keys().any(|of| needs[of].contains(&step.id)) => continue,
            // Several ends of one app (its probe, its slot settings) go by one name.
            None => {
                let last = last_keyed(&needs[step.id.as_str()], &keyed, &needs);
                match (last.first(), last.len()) {
                    (Some(app), 1) => app,
                    (None, _) if leaned_on.contains(&step.id) => continue,
                    (None, _) => step.id.as_str(),
                    (Some(_), _) => {
                        apps.joint.insert(&step.id, last);
                        step.id.as_str()
                    }
                }
            }
        };
        for needed in steps.iter().filter(|other| needs[step.id.as_str()].contains(&other.id)) {
            apps.of.entry(&needed.id).or_default().insert(name);
        }
    }
    apps
}

/// The apps of the steps among `needed` that no later step of an app needs: those that an end is about. What these lean on
/// in turn, such as a grant for several apps, is ground that they share.
fn last_keyed<'a>(
    needed: &BTreeSet<String>,
    keyed: &BTreeMap<&'a str, &'a str>,
    needs: &BTreeMap<&'a str, BTreeSet<String>>,
) -> BTreeSet<&'a str> {
    let keyed: Vec<(&str, &str)> =
        keyed.iter().filter(|(id, _)| needed.contains(**id)).map(|(id, app)| (*id, *app)).collect();
    let last = |(id, _): &&(&str, &str)| !keyed.iter().any(|(other, _)| other != id && needs[other].contains(*id));
    keyed.iter().filter(last).map(|(_, app)| *app).collect()
}

/// What makes an app the same: its name and where it lives; a slot belongs to its app.
fn app_key(step: &Step) -> Option<Vec<&Value>> {
    let app = step.key.get("app")?;
    Some(["subscription", "resource_group"].iter().filter_map(|part| step.key.get(*part)).chain([app]).collect())
}

#[cfg(test)]
mod tests {
    use super::{Scope, unit};
    use crate::model::{Address, Attributes, Step, Undo, Value};
    use std::collections::BTreeSet;

    fn step(id: &str, app: Option<&str>, on: &[&str]) -> Step {
        Step {
            id: id.into(),
            address: Address::new("k", id),
            key: app.map(|app| ("app".to_owned(), Value::text(app))).into_iter().collect::<Attributes>(),
            before: None,
            after: None,
            via: None,
            undo: Undo::Faithful,
            leans_on: on.iter().map(|on| (*on).to_owned()).collect(),
            serial_key: None,
            restarts: 0,
        }
    }

    fn two_apps() -> Vec<Step> {
        vec![
            step("server", None, &[]),
            step("id1", Some("a1"), &[]),
            step("id2", Some("a2"), &[]),
            step("role1", None, &["server", "id1"]),
            step("role2", None, &["server", "id2"]),
            step("grants", None, &["role1", "role2"]),
            step("set1", Some("a1"), &["grants"]),
            step("set2", Some("a2"), &["grants"]),
            step("probe1", None, &["set1"]),
            step("sticky1", Some("a1"), &[]),
        ]
    }

    fn down(failed: &[&str], scope: Scope) -> Vec<String> {
        let steps = two_apps();
        let failed: BTreeSet<String> = failed.iter().map(|id| (*id).to_owned()).collect();
        unit(&steps.iter().collect::<Vec<_>>(), &failed, scope).into_iter().collect()
    }

    #[test]
    fn an_app_goes_down_alone() {
        assert_eq!(down(&["probe1"], Scope::App), ["probe1", "set1", "sticky1"]);
        assert_eq!(down(&["set2"], Scope::App), ["set2"]);
        assert_eq!(down(&["sticky1"], Scope::App), ["probe1", "set1", "sticky1"], "one app, two ends");
    }

    #[test]
    fn what_all_lean_on_takes_all_down() {
        assert_eq!(down(&["server"], Scope::App).len(), two_apps().len());
        assert_eq!(down(&["set1", "set2"], Scope::App).len(), two_apps().len());
        assert_eq!(down(&["set2"], Scope::Run).len(), two_apps().len());
        assert!(down(&[], Scope::Run).is_empty());
    }

    #[test]
    fn an_end_that_several_apps_share_joins_none_of_them() {
        let mut steps = two_apps();
        steps.push(step("all", None, &["probe1", "set2"]));
        let down = |failed: &str| {
            let failed = BTreeSet::from([failed.to_owned()]);
            unit(&steps.iter().collect::<Vec<_>>(), &failed, Scope::App).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(down("set1"), ["all", "probe1", "set1", "sticky1"], "the other app stays");
        assert_eq!(down("sticky1"), ["all", "probe1", "set1", "sticky1"]);
        assert_eq!(down("set2"), ["all", "set2"]);
        assert_eq!(down("all").len(), steps.len(), "nobody knows which of them it failed for");
    }

    #[test]
    fn a_branch_is_what_leans_on_it() {
        assert_eq!(down(&["set1"], Scope::Branch), ["probe1", "set1"]);
    }
}
