//! `plan --explain`: gathers what there is to say about one resource of a plan.

use std::collections::BTreeSet;

use super::locate::Source;
use crate::diff::Change;
use crate::model::{Address, Class, Desired, Failure, Graph, Nature, Place, Value, closest};
use crate::pipeline::Planned;
use crate::plan::{PlanFile, line_column};
use crate::report::{Explained, Page, RoleView, explain};
use crate::resources::{GrantsExplained, Live, World as _, explain_grants};

/// What an explanation is made from.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The plan file's text.
    pub source: &'a Source,
    /// What it says.
    pub file: &'a PlanFile,
    /// What it comes to.
    pub planned: &'a Planned,
    /// The live system.
    pub world: &'a Live,
}

/// The page that explains one resource. Grants are set beside the roles in `replaces`, or else beside those whose password
/// login the plan file turns off.
///
/// # Errors
/// `Input`: there is no such resource.
pub async fn page(known: Known<'_>, address: &Address, replaces: &[String]) -> Result<Page, Failure> {
    let changes = &known.planned.changes;
    let change = changes.get(address).ok_or_else(|| unknown(address, &changes.changes))?;
    let leans = changes.changes.iter().map(|change| (change.address.clone(), change.leans_on.clone())).collect();
    let graph = Graph::new(&leans);
    let is_gate = |on: &Address| known.world.schema(&on.kind).is_some_and(|schema| schema.nature == Nature::Gate);
    let mut told = Explained {
        steps: known.planned.steps.iter().filter(|step| step.address == *address).collect(),
        serial_key: known.world.schema(&address.kind).and_then(|schema| (schema.serial_key)(&change.key)),
        gates: graph.leans_on_all(address).into_iter().filter(is_gate).collect(),
        dependants: graph.dependants(address),
        place: change.place.as_ref().map(|place| at(known.source, place)),
        ..Explained::default()
    };
    let want = known.file.desired.iter().find(|want| want.address == *address);
    if let Some(want) = want.filter(|want| want.address.kind == "database_grants") {
        match explain_grants(known.world, want, &old_roles(known.file, want, replaces)).await {
            Ok(found) => grants(&mut told, known, want, found),
            Err(failure) => told.notes.push(format!("the database could not be asked: {}", failure.in_a_line())),
        }
    }
    Ok(explain(change, changes, &told))
}

/// The failure of an address that the plan does not have.
pub fn unknown(address: &Address, changes: &[Change]) -> Failure {
    let known: Vec<String> = changes.iter().map(|change| change.address.to_string()).collect();
    let remedy = match closest(&address.to_string(), known.iter().map(String::as_str)) {
        Some(other) => format!("did you mean {other}? `pgentra graph` lists the addresses"),
        None => "`pgentra graph` lists the addresses".to_owned(),
    };
    Failure::new(Class::Input, "the plan has no such resource").detail(address.to_string()).remedy(remedy)
}

/// `plan.toml:12`.
fn at(source: &Source, place: &Place) -> String {
    format!("{}:{}", source.path.display(), line_column(&source.text, place.span.start).0)
}

fn old_roles(file: &PlanFile, grants: &Desired, replaces: &[String]) -> BTreeSet<String> {
    if !replaces.is_empty() {
        return replaces.iter().cloned().collect();
    }
    let logins = file.desired.iter().filter(|want| want.address.kind == "password_login");
    let same = logins.filter(|want| want.key.get("server") == grants.key.get("server"));
    same.filter_map(|want| want.key.get("name").and_then(Value::as_text)).map(str::to_owned).collect()
}

fn grants(told: &mut Explained<'_>, known: Known<'_>, want: &Desired, found: GrantsExplained) {
    let places = known.file.places.get(&want.address);
    // The rule itself where the plan file says so, or else what is around it.
    let place = |path: &str| {
        let around = std::iter::successors(Some(path), |path| path.rsplit_once('.').map(|(path, _)| path));
        let place = around.into_iter().find_map(|path| places?.get(path)).or(want.place.as_ref());
        place.map_or_else(|| path.to_owned(), |place| at(known.source, place))
    };
    told.rules = found.ruled.into_iter().map(|rule| (place(&rule.path), rule.role, rule.leads_to)).collect();
    if found.compared.is_empty() {
        told.notes.push("name the old role with --replaces ROLE to see what the new one gains and lacks".to_owned());
    }
    let view =
        |one: crate::resources::Compared| RoleView { role: one.role, old: one.old, gains: one.gains, lacks: one.lacks };
    told.roles = found.compared.into_iter().map(view).collect();
}

#[cfg(test)]
mod tests {
    use super::unknown;
    use crate::model::Failure;

    #[test]
    fn an_unknown_address_is_an_error_with_a_suggestion() {
        let address = "check.healt".parse().unwrap();
        let Failure { summary, detail, remedy, .. } = unknown(&address, &[]);
        assert_eq!(summary, "the plan has no such resource");
        assert_eq!(detail.as_deref(), Some("check.healt"));
        assert_eq!(remedy.as_deref(), Some("`pgentra graph` lists the addresses"));
    }
}
