//! When our runs changed whether roles may log in, as their journals tell it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::journal::{Event, Operation, Record};
use crate::model::{Attributes, Failure, Step, Value};
use crate::resources::Moves;
use crate::store::Store;

/// A role of a server.
type Role = (String, String);

/// The last changes of logins in all journals of a store, each by how many records the ledger had then. A step that was
/// begun counts, whatever became of it, and so does an undo.
///
/// # Errors
/// Those of the store.
pub async fn moves(store: &dyn Store) -> Result<Moves, Failure> {
    let (mut counts, mut moved) = (Vec::new(), BTreeMap::new());
    for run in store.runs().await? {
        let records = store.journal(&run).await?;
        match records.first() {
            Some(Record { at, event: Event::Opened { operation: Operation::Evidence { count, .. }, .. }, .. }) => {
                counts.push((*at, *count));
            }
            _ => of_run(&records, &mut moved),
        }
    }
    let records = |at: Timestamp| counts.iter().filter(|(then, _)| *then <= at).map(|(_, count)| *count).max();
    Ok(Moves::new(moved.into_iter().map(|(role, at)| (role, records(at).unwrap_or_default())).collect()))
}

/// The newest change of each login in one run.
fn of_run(records: &[Record], moved: &mut BTreeMap<Role, Timestamp>) {
    let mut roles: BTreeMap<&str, Role> = BTreeMap::new();
    for record in records {
        match &record.event {
            Event::Planned { steps } => {
                roles.extend(steps.iter().filter_map(|step| Some((step.id.as_str(), role(step)?))));
            }
            Event::Started { step, .. }
            | Event::Done { step, .. }
            | Event::Failed { step, refused: false, .. }
            | Event::UndoStarted { step }
            | Event::Undone { step }
            | Event::UndoFailed { step, .. } => {
                if let Some(role) = roles.get(step.as_str()) {
                    let last = moved.entry(role.clone()).or_insert(record.at);
                    *last = (*last).max(record.at);
                }
            }
            _ => {}
        }
    }
}

/// The role whose login a step changes.
fn role(step: &Step) -> Option<Role> {
    let text = |key: &Attributes, name: &str| key.get(name).and_then(Value::as_text).map(str::to_owned);
    let ours = step.address.kind == "password_login";
    ours.then(|| Some((text(&step.key, "server")?, text(&step.key, "name")?))).flatten()
}

#[cfg(test)]
mod tests {
    use super::of_run;
    use crate::journal::{Event, Record};
    use crate::model::{Address, Attributes, Step, Undo};
    use jiff::Timestamp;
    use std::collections::{BTreeMap, BTreeSet};

    fn at(second: u64) -> Timestamp {
        Timestamp::from_second(i64::try_from(second).unwrap()).unwrap()
    }

    fn moved(events: Vec<Event>) -> Option<Timestamp> {
        let key = Attributes::from([("server".to_owned(), "pg".into()), ("name".to_owned(), "old".into())]);
        let step = Step {
            id: "login".into(),
            address: Address::new("password_login", "l"),
            key,
            before: None,
            after: None,
            via: None,
            undo: Undo::Faithful,
            leans_on: BTreeSet::new(),
            serial_key: None,
            restarts: 0,
        };
        let other = Step { id: "other".into(), address: Address::new("role_password", "l"), ..step.clone() };
        let events = [Event::Planned { steps: vec![step, other] }].into_iter().chain(events);
        let records: Vec<Record> = (0..).zip(events).map(|(seq, event)| Record { seq, at: at(seq), event }).collect();
        let mut all = BTreeMap::new();
        of_run(&records, &mut all);
        assert!(all.len() < 2);
        all.remove(&("pg".to_owned(), "old".to_owned()))
    }

    #[test]
    fn doing_and_undoing_count_and_what_was_there_already_does_not() {
        let (step, outputs) = ("login".to_owned(), Attributes::new());
        assert_eq!(moved(vec![Event::AlreadyThere { step: step.clone(), outputs: outputs.clone() }]), None);
        assert_eq!(moved(vec![Event::started("other")]), None);
        let done = vec![Event::started(step.clone()), Event::Done { step: step.clone(), outputs }];
        assert_eq!(moved(done.clone()), Some(at(2)));
        let undone = [Event::UndoStarted { step: step.clone() }, Event::Undone { step }];
        assert_eq!(moved(done.into_iter().chain(undone).collect()), Some(at(4)));
    }
}
