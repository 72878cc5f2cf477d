//! `doctor --can-i`: each Azure action and database right that plan and apply need, and which of them are missing.

use super::exit::Exit;
use super::output::Output;
use crate::model::{Class, Desired, Failure};
use crate::report::{RightLine, rights};
use crate::resources::{BLOB_STORE, DatabaseRight, Live, Phase, database_rights, held, needs};
use crate::store::{AzBlob, Store as _, StoreRights};

/// Runs `doctor --can-i`.
pub async fn run(world: &Live, desired: &[Desired], blobs: Option<&AzBlob>, output: &Output) -> Result<Exit, Failure> {
    // Nobody who is not signed in has any right.
    world.arm.tokens().claims(&world.arm.endpoints().resource_manager_audience).await?;
    let needs = needs(desired, world);
    let answers = held(world, &needs).await;
    let mut lines = Vec::new();
    let mut unknown = None;
    for (need, why) in &needs {
        let (held, detail) = match answers.get(need) {
            Some(Ok(held)) => (Some(*held), String::new()),
            Some(Err(failure)) => {
                unknown = unknown.or(Some(failure.class));
                (None, failure.in_a_line())
            }
            None => (None, String::new()),
        };
        let data = if need.data { " (data)" } else { "" };
        lines.push(RightLine {
            right: format!("{}{data}", need.action),
            scope: need.scope.clone(),
            plan: why.plan,
            kinds: why.kinds.iter().cloned().collect(),
            held,
            detail,
        });
    }
    lines.extend(database_rights(world, desired).await.into_iter().map(database));
    if let Some(blobs) = blobs {
        let rights = blobs.rights().await;
        let errors = [&rights.read, &rights.write].into_iter().filter_map(|answer| answer.as_ref().err());
        unknown = unknown.or(errors.map(|failure| failure.class).next());
        lines.extend(store(&rights, &blobs.place()));
    }
    output.page(&rights(&lines))?;
    Ok(match unknown {
        _ if lines.iter().any(|line| line.held == Some(false)) => Exit::NotAllowed,
        Some(Class::Forbidden | Class::NotSignedIn) => Exit::NotAllowed,
        Some(_) => Exit::Error,
        None => Exit::Done,
    })
}

/// The rights in the container of the store, by what it answered itself: the address of a container does not say in which
/// resource group its account is, so that Azure cannot be asked for role assignments.
fn store(rights: &StoreRights, place: &str) -> Vec<RightLine> {
    let line = |(action, data, phase): &(&str, bool, Phase)| {
        // Only a container that is missing has to be made.
        if !data && rights.container {
            return None;
        }
        let answer = if *phase == Phase::Plan { &rights.read } else { &rights.write };
        let (held, detail) = match answer {
            _ if !data => (None, NO_CONTAINER.to_owned()),
            Ok(true) => (Some(true), String::new()),
            Ok(false) => (Some(false), rights.refusal.clone().unwrap_or_default()),
            Err(failure) => (None, failure.in_a_line()),
        };
        Some(RightLine {
            right: format!("{action}{}", if *data { " (data)" } else { "" }),
            scope: place.to_owned(),
            plan: *phase == Phase::Plan,
            kinds: vec!["the store".to_owned()],
            held,
            detail,
        })
    };
    BLOB_STORE.iter().filter_map(line).collect()
}

/// What is said of the right that only its use would tell.
const NO_CONTAINER: &str = "the container is not there; the first run makes it, and only that tells";

fn database(one: DatabaseRight) -> RightLine {
    let held = (!one.later).then_some(one.held_by.is_some());
    let detail = match (one.held_by, one.help) {
        (Some(way), _) => format!("through connection {way}"),
        (None, Some(why)) if one.later => format!("known after apply: {why}"),
        (None, Some(remedy)) => remedy,
        (None, None) => String::new(),
    };
    let kinds = vec![one.kind.to_owned()];
    RightLine { right: one.right, scope: one.place, plan: one.plan, kinds, held, detail }
}

#[cfg(test)]
mod tests {
    use super::{NO_CONTAINER, store};
    use crate::model::{Class, Failure};
    use crate::store::StoreRights;

    #[test]
    fn the_rights_in_a_container_are_those_that_it_told() {
        let told = |read, write, container| {
            let rights = StoreRights { read, write, container, refusal: Some("HTTP 403".into()) };
            let lines = store(&rights, "azblob://account/state");
            assert!(lines.iter().all(|line| line.scope == "azblob://account/state" && line.kinds == ["the store"]));
            lines.into_iter().map(|line| (line.plan, line.held, line.detail)).collect::<Vec<_>>()
        };
        assert_eq!(
            told(Ok(true), Ok(false), true),
            [(true, Some(true), String::new()), (false, Some(false), "HTTP 403".into())]
        );
        let away = Failure::new(Class::Unreachable, "away");
        let lines = told(Err(away), Ok(true), false);
        assert_eq!((lines[0].1, lines[1].1, lines[2].1), (None, Some(true), None));
        assert!(lines[0].2.contains("away") && lines[2].2 == NO_CONTAINER);
    }
}
