//! `doctor --can-i`: each Azure action and database right that plan and apply need, and which of them are missing.

use super::exit::Exit;
use super::output::Output;
use crate::model::{Class, Desired, Failure};
use crate::report::{RightLine, rights};
use crate::resources::{DatabaseRight, Live, database_rights, held, needs};

/// Runs `doctor --can-i`.
pub async fn run(world: &Live, desired: &[Desired], output: &Output) -> Result<Exit, Failure> {
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
                (None, failure.to_string())
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
    output.page(&rights(&lines))?;
    Ok(match unknown {
        _ if lines.iter().any(|line| line.held == Some(false)) => Exit::NotAllowed,
        Some(Class::Forbidden | Class::NotSignedIn) => Exit::NotAllowed,
        Some(_) => Exit::Error,
        None => Exit::Done,
    })
}

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
