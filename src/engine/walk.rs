//! One step: look, settle, write, look again. The same walk does, repeats, resumes and undoes.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::task::{Stay, Task};
use crate::diff::{Clash, Settled, Verdict, settle};
use crate::model::{
    Attributes, Class, Failure, Look, Nature, Observed, Purpose, Reading, Schema, State, Step, Value, privilege_words,
};
use crate::resources::{Watch, World, Written, pause};

/// What a walk came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Walked {
    /// It was there before we came.
    AlreadyThere(Attributes),
    /// Written, and seen to hold.
    Done(Attributes),
    /// Nothing was written: somebody else changed it, or the service turned the write away.
    Refused(Failure),
    /// A gate holds it.
    Held { reason: String, earliest: Option<Timestamp> },
    /// It stays, by its undo class.
    Kept(String),
}

/// What the look before a write says.
pub(super) enum Looked {
    /// Nothing is to be written.
    Over(Walked),
    /// This may be written.
    Write(Box<Intent>),
}

/// A write that the look before it allows.
pub(super) struct Intent {
    /// The step, without the entries that are gone or clash.
    step: Step,
    /// The failure that the entries left out make of it, once the others are written.
    clash: Option<Failure>,
    /// What had moved before us; see [`Settled::found`].
    pub(super) found: Attributes,
}

/// How long to wait between two looks while a service may still show an old state.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Looks whether a step may be written. Changes nothing. The step's open values are filled.
pub(super) async fn before_write(world: &dyn World, task: &Task, watch: &dyn Watch) -> Result<Looked, Failure> {
    let step = &task.step;
    let schema = schema(world, step)?;
    if schema.nature != Nature::Resource {
        return Ok(Looked::Write(Box::new(Intent { step: step.clone(), clash: None, found: Attributes::new() })));
    }
    if let Some(operation) = &task.operation {
        watch.note("waiting for what an earlier run began");
        world.follow(operation, watch).await?;
    }
    if let Some(stay) = &task.stay {
        return staying(world, task, schema, stay, watch).await.map(Looked::Over);
    }
    let end = Instant::now() + doubt(task, schema);
    loop {
        let reading = unless_stopped(watch, look(world, step)).await?;
        let settled = settled(step, schema, &reading, task.began);
        match settled.verdict {
            // A service that lags behind may show what was there before a write that it took.
            Verdict::AlreadyThere if Instant::now() < end => {
                watch.note("making sure that nothing is left to do");
                pause(watch, LOOK_AGAIN).await?;
            }
            Verdict::AlreadyThere => return Ok(Looked::Over(Walked::AlreadyThere(outputs(reading)))),
            Verdict::Conflict => {
                return Ok(Looked::Over(Walked::Refused(conflict(step, &settled.clashes, task.began))));
            }
            Verdict::Write => {
                let clash = (!settled.clashes.is_empty()).then(|| conflict(step, &settled.clashes, task.began));
                let step = without(&step.as_found(&settled.found), &settled);
                return Ok(Looked::Write(Box::new(Intent { step, clash, found: settled.found })));
            }
        }
    }
}

fn doubt(task: &Task, schema: &Schema) -> Duration {
    task.doubt.map_or(Duration::ZERO, |doubt| doubt.left(schema.consistent_within, Timestamp::now()))
}

/// A step that stays is looked at once: nothing will be written, so a look that lags behind does no harm.
async fn staying(
    world: &dyn World,
    task: &Task,
    schema: &Schema,
    stay: &Stay,
    watch: &dyn Watch,
) -> Result<Walked, Failure> {
    let gone = match unless_stopped(watch, look(world, &task.step)).await {
        Ok(reading) if settled(&task.step, schema, &reading, true).verdict == Verdict::AlreadyThere => Some(reading),
        _ => None,
    };
    match (gone, stay) {
        (Some(reading), _) => Ok(Walked::AlreadyThere(outputs(reading))),
        (None, Stay::Kept(why)) => Ok(Walked::Kept(why.clone())),
        (None, Stay::Never(why)) => Err(Failure::new(Class::Other, "the step cannot be undone")
            .detail(why.clone())
            .remedy("it needs a person: bring it back by hand, or let it stay")),
    }
}

/// Writes what the look allowed, and looks again.
pub(super) async fn write(world: &dyn World, intent: &Intent, watch: &dyn Watch) -> Result<Walked, Failure> {
    let step = &intent.step;
    let schema = schema(world, step)?;
    match world.write(step, watch).await {
        Ok(Written::Held { reason, earliest }) => return Ok(Walked::Held { reason, earliest }),
        Ok(Written::Done) => {}
        Err(failure) if turned_away(world, intent, schema, &failure).await => {
            return Ok(Walked::Refused(failure));
        }
        Err(failure) => return Err(failure),
    }
    if schema.nature != Nature::Resource {
        return Ok(Walked::Done(Attributes::new()));
    }
    let outputs = look_again(world, step, schema, watch).await?;
    intent.clash.clone().map_or(Ok(Walked::Done(outputs)), Err)
}

/// Whether a write was turned away before anything was written: the service said no, and a look still finds exactly what
/// was there before. Then there is nothing to finish and nothing to undo.
async fn turned_away(world: &dyn World, intent: &Intent, schema: &Schema, failure: &Failure) -> bool {
    const NO: [Class; 5] = [Class::Forbidden, Class::NotSignedIn, Class::Input, Class::Conflict, Class::Unfit];
    if schema.nature != Nature::Resource || intent.clash.is_some() || !NO.contains(&failure.class) {
        return false;
    }
    match look(world, &intent.step).await {
        Ok(reading) => settled(&intent.step, schema, &reading, false).verdict == Verdict::Write,
        Err(_) => false,
    }
}

/// How a step fits the live system.
#[derive(Clone, Debug, PartialEq)]
pub enum Fit {
    /// There is nothing to do.
    AlreadyThere,
    /// It can be written.
    Fits,
    /// Somebody else changed it.
    Misfit(Failure),
}

/// How a step fits the live system now; `began` says that an earlier try may have written. Changes nothing.
///
/// # Errors
/// Those of the look.
pub async fn fit(world: &dyn World, step: &Step, began: bool) -> Result<Fit, Failure> {
    let schema = schema(world, step)?;
    if schema.nature != Nature::Resource {
        return Ok(Fit::Fits);
    }
    let settled = settled(step, schema, &look(world, step).await?, began);
    Ok(match settled.verdict {
        Verdict::AlreadyThere => Fit::AlreadyThere,
        Verdict::Write if settled.clashes.is_empty() => Fit::Fits,
        Verdict::Write | Verdict::Conflict => Fit::Misfit(conflict(step, &settled.clashes, began)),
    })
}

fn schema(world: &dyn World, step: &Step) -> Result<&'static Schema, Failure> {
    let unknown = || {
        Failure::new(Class::Input, "this version does not know the kind")
            .detail(step.address.kind.clone())
            .remedy("use the version that made the plan, or plan again")
    };
    world.schema(&step.address.kind).ok_or_else(unknown)
}

/// A look before a write may be left in the middle: it changes nothing. The one after a write belongs to the step in hand.
async fn unless_stopped<T>(watch: &dyn Watch, look: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        looked = look => looked,
        Err(stopped) = pause(watch, Duration::from_hours(24)) => Err(stopped),
    }
}

async fn look(world: &dyn World, step: &Step) -> Result<Reading, Failure> {
    let none = Attributes::new();
    // Both ends name the same attributes, but an entry that one end lacks is still asked for.
    let attributes = merged(step.before.as_ref().unwrap_or(&none), step.after.as_ref().unwrap_or(&none));
    let via = step.via.as_deref();
    let look = Look { address: &step.address, key: &step.key, attributes: &attributes, purpose: Purpose::Settle, via };
    let reading = world.read(look).await?;
    if let Observed::Unreadable(unreadable) = &reading.observed {
        return Err(Failure::new(Class::Other, "the resource cannot be read")
            .detail(&unreadable.reason)
            .remedy("mend what is named here, then run the same command again"));
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
            return Err(Failure::new(Class::Other, "it was written, but the change did not hold")
                .detail(format!("{}: a look after the write still finds another state", step.address))
                .remedy("look at what else changes it, then run the same command again"));
        }
        watch.note("waiting until the change is visible");
        pause(watch, LOOK_AGAIN).await?;
    }
}

/// A value in words: no digest of a secret, no letters of an ACL.
fn show(value: &Value) -> String {
    match value {
        Value::Secret(_) => "(sensitive value)".to_owned(),
        Value::Null => "(nothing)".to_owned(),
        Value::Open(reference) => format!("(known after apply: {reference})"),
        Value::Letters(letters) if letters.is_empty() => "(nothing)".to_owned(),
        Value::Letters(letters) => privilege_words(letters),
        Value::List(list) => format!("[{}]", list.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let entries = map.iter().map(|(name, value)| format!("{name} = {}", show(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Text(_) | Value::Bool(_) | Value::Int(_) => serde_json::Value::from(value).to_string(),
    }
}

/// The failure of a step that somebody else stands in the way of. `ours`: the end that the step starts from is one that
/// we once wrote.
fn conflict(step: &Step, clashes: &[Clash], ours: bool) -> Failure {
    let line = |clash: &Clash| {
        let path = if clash.path.is_empty() { step.address.to_string() } else { clash.path.clone() };
        let (before, after, now) = (show(&clash.before), show(&clash.after), show(&clash.now));
        if ours {
            format!("{path}: was {after}, became {before} by this run, is now {now}")
        } else {
            format!("{path}: planned from {before}, planned to {after}, is now {now}")
        }
    };
    Failure::new(Class::Conflict, "somebody else changed it; nothing of theirs was overwritten")
        .detail(clashes.iter().map(line).collect::<Vec<_>>().join("\n"))
        .remedy(if ours {
            "look at their change: keep it, or put back what this run wrote and run the same command again"
        } else {
            "look at their change, then plan again"
        })
}

#[cfg(test)]
mod tests {
    use super::show;
    use crate::model::Value;
    use serde_json::json;

    #[test]
    fn a_conflict_is_told_in_words() {
        let secret = json!({ "$secret": { "source": null, "digest": "f00d" } });
        let end =
            json!({ "a": "x", "n": null, "p": secret, "t": { "r": { "$letters": "ra" }, "s": { "$letters": "" } } });
        let shown = show(&Value::try_from(end).unwrap());
        let words = r#"{ a = "x", n = (nothing), p = (sensitive value), t = { r = SELECT, INSERT, s = (nothing) } }"#;
        assert_eq!(shown, words);
    }
}
