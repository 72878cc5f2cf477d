//! One step: look, settle, write, look again. The same walk does, repeats, resumes and undoes.

use std::time::{Duration, Instant};

use crate::diff::{Clash, Settled, Verdict, settle, swapped};
use crate::model::{Attributes, Class, Failure, Look, Nature, Observed, Purpose, Reading, Schema, State, Step, Value};
use crate::resources::{Watch, World, Written};

/// What a walk came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Walked {
    /// It was there before we came.
    AlreadyThere(Attributes),
    /// Written, and seen to hold.
    Done(Attributes),
    /// Somebody else changed it; nothing was written.
    Refused(Failure),
    /// A gate holds it.
    Held { reason: String, earliest: Option<jiff::Timestamp> },
}

/// How long to wait between two looks while a service still shows the old state.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Walks one step from its before to its after end. `began`: the journal says it was begun earlier.
pub(super) async fn walk(world: &dyn World, step: &Step, began: bool, watch: &dyn Watch) -> Result<Walked, Failure> {
    let schema = schema(world, step)?;
    if schema.nature != Nature::Resource {
        return Ok(match world.write(step, watch).await? {
            Written::Done => Walked::Done(Attributes::new()),
            Written::Held { reason, earliest } => Walked::Held { reason, earliest },
        });
    }
    let reading = look(world, step).await?;
    let settled = settled(step, schema, &reading, began);
    match settled.verdict {
        Verdict::AlreadyThere => return Ok(Walked::AlreadyThere(outputs(reading))),
        Verdict::Conflict => return Ok(Walked::Refused(conflict(step, &settled.clashes))),
        Verdict::Write => {}
    }
    let step = &without(step, &settled);
    if let Written::Held { reason, earliest } = world.write(step, watch).await? {
        return Ok(Walked::Held { reason, earliest });
    }
    let outputs = look_again(world, step, schema, watch).await?;
    if settled.clashes.is_empty() { Ok(Walked::Done(outputs)) } else { Err(conflict(step, &settled.clashes)) }
}

/// Walks a step back: the same walk with the ends swapped, begun by us.
///
/// # Errors
/// Those of the kind; class `Conflict` when somebody else changed it since.
pub async fn walk_back(world: &dyn World, step: &Step, watch: &dyn Watch) -> Result<(), Failure> {
    match walk(world, &swapped(step), true, watch).await? {
        Walked::Refused(failure) => Err(failure),
        _ => Ok(()),
    }
}

/// Whether a step stands at its before end, so that there is nothing to undo.
///
/// # Errors
/// Those of the look.
pub async fn is_before(world: &dyn World, step: &Step) -> Result<bool, Failure> {
    let back = swapped(step);
    let schema = schema(world, &back)?;
    Ok(settled(&back, schema, &look(world, &back).await?, true).verdict == Verdict::AlreadyThere)
}

/// Why a step of a saved plan no longer fits, if it does not.
///
/// # Errors
/// Those of the look.
pub async fn misfit(world: &dyn World, step: &Step) -> Result<Option<Failure>, Failure> {
    let schema = schema(world, step)?;
    if schema.nature != Nature::Resource {
        return Ok(None);
    }
    let settled = settled(step, schema, &look(world, step).await?, false);
    Ok((settled.verdict == Verdict::Conflict).then(|| conflict(step, &settled.clashes)))
}

fn schema(world: &dyn World, step: &Step) -> Result<&'static Schema, Failure> {
    let unknown =
        || Failure::new(Class::Input, format!("{} is of a kind that this version does not know", step.address));
    world.schema(&step.address.kind).ok_or_else(unknown)
}

async fn look(world: &dyn World, step: &Step) -> Result<Reading, Failure> {
    let none = Attributes::new();
    // Both ends name the same attributes, but an entry that one end lacks is still asked for.
    let attributes = merged(step.before.as_ref().unwrap_or(&none), step.after.as_ref().unwrap_or(&none));
    let look = Look {
        address: &step.address,
        key: &step.key,
        attributes: &attributes,
        purpose: Purpose::Settle,
        via: step.via.as_deref(),
    };
    let reading = world.read(look).await?;
    if let Observed::Unreadable(unreadable) = &reading.observed {
        return Err(Failure::new(Class::Other, format!("{} cannot be read", step.address)).detail(&unreadable.reason));
    }
    Ok(reading)
}

/// The after end, with every entry that only the before end has.
fn merged(before: &Attributes, after: &Attributes) -> Attributes {
    let mut all = after.clone();
    for (name, value) in before {
        match (all.get_mut(name), value) {
            (Some(Value::Map(into)), Value::Map(from)) => *into = merged(from, into),
            (Some(_), _) => {}
            (None, value) => {
                all.insert(name.clone(), value.clone());
            }
        }
    }
    all
}

fn settled(step: &Step, schema: &Schema, reading: &Reading, began: bool) -> Settled {
    let actual = if let Observed::Present(state) = &reading.observed { Some(&state.attributes) } else { None };
    settle(step, schema, actual, began, &reading.gone, &reading.replaced)
}

fn outputs(reading: Reading) -> Attributes {
    if let Observed::Present(State { outputs, .. }) = reading.observed { outputs } else { Attributes::new() }
}

/// The step without the entries that are gone or clash.
fn without(step: &Step, settled: &Settled) -> Step {
    if settled.clashes.is_empty() && settled.gone.is_empty() {
        return step.clone();
    }
    let clashes = |field: &str, entry: &str| {
        let path = format!("{field}.{entry}");
        settled.clashes.iter().any(|clash| clash.path == path || clash.path.starts_with(&format!("{path}.")))
    };
    let keep = |end: &Option<Attributes>| {
        let field = |(name, value): (&String, &Value)| match value {
            Value::Map(map) => {
                let kept = map.iter().filter(|(entry, _)| !settled.gone.contains(*entry) && !clashes(name, entry));
                (name.clone(), Value::Map(kept.map(|(entry, value)| (entry.clone(), value.clone())).collect()))
            }
            _ => (name.clone(), value.clone()),
        };
        end.as_ref().map(|end| end.iter().map(field).collect())
    };
    Step { before: keep(&step.before), after: keep(&step.after), ..step.clone() }
}

/// The second look, repeated while the service may still show the old state. A write that did not hold is a failure,
/// whatever the service answered.
async fn look_again(world: &dyn World, step: &Step, schema: &Schema, watch: &dyn Watch) -> Result<Attributes, Failure> {
    let start = Instant::now();
    loop {
        let reading = look(world, step).await?;
        let settled = settled(step, schema, &reading, false);
        if settled.verdict == Verdict::AlreadyThere {
            return Ok(outputs(reading));
        }
        if start.elapsed() >= schema.consistent_within {
            return Err(Failure::new(
                Class::Other,
                format!("{} was written, but the change did not hold", step.address),
            )
            .detail("a look after the write still finds another state")
            .remedy("look who else changes it; then run apply again"));
        }
        watch.note("waiting until the change is visible");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn conflict(step: &Step, clashes: &[Clash]) -> Failure {
    let show = |value: &Value| match value {
        Value::Secret(_) => "(sensitive value)".to_owned(),
        Value::Null => "(nothing)".to_owned(),
        value => serde_json::Value::from(value).to_string(),
    };
    let line = |clash: &Clash| {
        let path = if clash.path.is_empty() { step.address.to_string() } else { clash.path.clone() };
        format!(
            "{path}: planned from {}, planned to {}, is now {}",
            show(&clash.before),
            show(&clash.after),
            show(&clash.now)
        )
    };
    Failure::new(
        Class::Conflict,
        format!("{} was changed by somebody else; nothing of theirs was overwritten", step.address),
    )
    .detail(clashes.iter().map(line).collect::<Vec<_>>().join("\n"))
    .remedy("look at their change, then plan again")
}
