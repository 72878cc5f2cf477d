//! The linter for plans: refuses an order in which an app would switch before its role may do its work or be deployed
//! before its settings, and a step without a way back that no gate stands before.

use std::collections::BTreeSet;

use super::{Change, ChangeSet};
use crate::model::{Address, Attributes, Class, Desired, Failure, Graph, Nature, Schema, Undo, Value};

/// Checks the wanted resources and their change set.
///
/// # Errors
/// Every rule that is broken, in one failure.
pub fn lint(
    desired: &[Desired],
    set: &ChangeSet,
    schemas: &dyn Fn(&str) -> Option<&'static Schema>,
) -> Result<(), Failure> {
    let graph = Graph::new(&desired.iter().map(|want| (want.address.clone(), want.after.clone())).collect());
    let mut faults = Vec::new();
    for settings in desired.iter().filter(|want| want.address.kind == "app_settings") {
        let before = graph.leans_on_all(&settings.address);
        for needed in rights_of(settings, desired) {
            if !before.contains(&needed) {
                faults.push(format!(
                    "{} has to come after {needed}: the app would switch before its role may work",
                    settings.address
                ));
            }
        }
    }
    for deployment in desired.iter().filter(|want| want.address.kind == "deployment") {
        faults.extend(deployed_in_between(deployment, desired, &graph));
    }
    for change in set.changes.iter().filter(|change| change.changes() && matches!(change.undo, Undo::Never(_))) {
        faults.extend(irreversible(change, set, &graph, schemas));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(Class::Input, "the order of the steps is not safe")
            .detail(faults.join("\n"))
            .remedy("add `after = [\"ADDRESS\"]` to what has to come later; a gate is a validation or a soak"))
    }
}

fn irreversible(
    change: &Change,
    set: &ChangeSet,
    graph: &Graph<Address>,
    schemas: &dyn Fn(&str) -> Option<&'static Schema>,
) -> Vec<String> {
    let gated = graph
        .leans_on_all(&change.address)
        .iter()
        .any(|on| schemas(&on.kind).is_some_and(|schema| schema.nature == Nature::Gate));
    let after = graph.dependants(&change.address);
    let reversible =
        set.changes.iter().find(|c| after.contains(&c.address) && c.changes() && !matches!(c.undo, Undo::Never(_)));
    let why = if let Undo::Never(why) = &change.undo { why } else { "" };
    let mut faults = Vec::new();
    if !gated {
        faults.push(format!("{} cannot be undone ({why}), and no gate stands before it", change.address));
    }
    if let Some(later) = reversible {
        faults.push(format!("{} cannot be undone ({why}), but {} after it can", change.address, later.address));
    }
    faults
}

/// New code finds its settings in place, and what checks the app sees the new code.
fn deployed_in_between(deployment: &Desired, desired: &[Desired], graph: &Graph<Address>) -> Vec<String> {
    let same_site =
        |other: &Attributes| ["app", "slot"].iter().all(|part| other.get(*part) == deployment.key.get(*part));
    let before = graph.leans_on_all(&deployment.address);
    let after = graph.dependants(&deployment.address);
    let mut faults = Vec::new();
    for want in desired {
        let probes = want.attributes.get("http").and_then(Value::as_map).is_some_and(same_site);
        match want.address.kind.as_str() {
            "app_settings" if same_site(&want.key) && !before.contains(&want.address) => faults.push(format!(
                "{} has to come after {}: new code would start with old settings",
                deployment.address, want.address
            )),
            "check" if probes && !after.contains(&want.address) => faults
                .push(format!("{} has to come after {}: it would see the old code", want.address, deployment.address)),
            _ => {}
        }
    }
    faults
}

/// The grants of every role that stands for the identity of this app, or that its settings refer to.
fn rights_of(settings: &Desired, desired: &[Desired]) -> BTreeSet<Address> {
    let same_site = |want: &Desired| ["app", "slot"].iter().all(|part| want.key.get(*part) == settings.key.get(*part));
    let identities: BTreeSet<&Address> = desired
        .iter()
        .filter(|want| want.address.kind == "app_identity" && same_site(want))
        .map(|want| &want.address)
        .collect();
    let roles = desired.iter().filter(|want| want.address.kind == "database_role").filter(|role| {
        role.attributes.values().flat_map(Value::open_refs).any(|reference| identities.contains(&reference.address))
    });
    roles.flat_map(|role| grants_of(role, desired)).collect()
}

fn grants_of(role: &Desired, desired: &[Desired]) -> BTreeSet<Address> {
    let names = |attributes: &Attributes| {
        let rules = attributes.get("grants").and_then(Value::as_list).unwrap_or_default();
        rules.iter().filter_map(Value::as_map).any(|rule| rule.get("role") == role.key.get("name"))
    };
    desired
        .iter()
        .filter(|want| want.address.kind == "database_grants" && want.key.get("server") == role.key.get("server"))
        .filter(|want| names(&want.attributes))
        .map(|want| want.address.clone())
        .collect()
}
