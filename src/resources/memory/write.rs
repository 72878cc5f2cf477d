//! The write of a world in memory: laws first, then the fault that was planted, then the effect.

use super::fault::half;
use super::state::{canonical, changed};
use super::{Fault, Id, Inner, Operation, State, is_open, live};
use crate::model::{Attributes, Class, Failure, Nature, Schema, Step, Value};
use crate::resources::Written;
use crate::resources::behaviour::Behaviour;

impl Inner {
    /// The state as a stale look at a thing still shows it, if it does. Counts the look.
    pub(super) fn past(&mut self, id: &Id) -> Option<State> {
        let (left, then) = self.stale.get_mut(id)?;
        let mut past = self.state.clone();
        match then {
            Some(then) => past.put(&id.kind, &id.key, then.clone()),
            None => past.remove(&id.kind, &id.key),
        }
        *left -= 1;
        if *left == 0 {
            self.stale.remove(id);
        }
        Some(past)
    }

    /// Lets an operation that nobody waits for go on; it ends after so many looks, or `at_once`.
    pub(super) fn go_on(&mut self, id: &Id, at_once: bool) {
        let Some(operation) = self.operations.get_mut(id) else { return };
        operation.looks = if at_once { 0 } else { operation.looks.saturating_sub(1) };
        if operation.looks == 0
            && let Some(Operation { step, schema, behaviour, .. }) = self.operations.remove(id)
        {
            // Whoever began it may be gone, so nobody hears how it ended.
            let _ = self.write(&step, schema, behaviour, None);
        }
    }

    /// One write, with the fault that hits it.
    pub(super) fn write(
        &mut self,
        step: &Step,
        schema: &Schema,
        behaviour: Behaviour,
        fault: Option<Fault>,
    ) -> Result<Written, Failure> {
        match fault {
            Some(Fault::ErrorBefore) => return Err(Failure::new(Class::Other, "the service failed before it began")),
            Some(Fault::Throttled) => return Err(Failure::new(Class::Busy, "there were too many calls")),
            Some(Fault::Lie) => return Ok(Written::Done),
            _ => {}
        }
        if schema.nature != Nature::Resource {
            return self.ask(step, schema, behaviour, fault);
        }
        let open = step.after.iter().flat_map(Attributes::values).flat_map(Value::open_refs).next();
        if let Some(open) = open {
            return Err(Failure::new(Class::Other, "a reference reached the world unfilled").detail(open.to_string()));
        }
        if let Some(refusal) = behaviour.laws.iter().find_map(|law| law.refusal(&self.state, step)) {
            return Err(refusal);
        }
        let id = Id::new(schema.kind, &step.key);
        let then = self.state.get(&id.kind, &id.key).cloned();
        match fault {
            Some(Fault::FailsLate) => return Err(Failure::new(Class::Other, "the operation was accepted and failed")),
            Some(Fault::HalfWay) => {
                if let Some(end) = half_way(step, schema, behaviour, &self.state) {
                    self.reach(step, Some(&end), schema, behaviour);
                }
                return Err(Failure::new(Class::Other, "the service failed half-way"));
            }
            // A kind that promises consistent reads keeps that promise.
            Some(Fault::StaleRead(looks) | Fault::LostAndStale(looks))
                if looks > 0 && !schema.consistent_within.is_zero() =>
            {
                self.stale.insert(id, (looks, then));
            }
            _ => {}
        }
        self.reach(step, step.after.as_ref(), schema, behaviour);
        match fault {
            Some(Fault::ErrorAfter) => Err(Failure::new(Class::Other, "the service failed after it was done")),
            Some(Fault::LostReply | Fault::LostAndStale(_)) => {
                Err(Failure::new(Class::Unreachable, "the answer was lost"))
            }
            _ => Ok(Written::Done),
        }
    }

    /// A check or gate: nothing changes, whatever the fault is.
    fn ask(
        &self,
        step: &Step,
        schema: &Schema,
        behaviour: Behaviour,
        fault: Option<Fault>,
    ) -> Result<Written, Failure> {
        if fault.is_some_and(|fault| !matches!(fault, Fault::StaleRead(_))) {
            return Err(Failure::new(Class::Other, "the service failed while it was asked"));
        }
        if schema.nature == Nature::Gate {
            let open = is_open(&self.state, schema, &step.key);
            let held = || Written::Held { reason: "it is not open".to_owned(), earliest: None };
            return Ok(if open { Written::Done } else { held() });
        }
        let none = Attributes::new();
        let complaints = (behaviour.complaints)(&self.state, step.after.as_ref().unwrap_or(&none));
        if complaints.is_empty() {
            return Ok(Written::Done);
        }
        Err(Failure::new(Class::CheckFailed, "the check did not pass").detail(complaints.join("\n")))
    }

    /// Leads a thing to an end; `None` takes it away, or gives a part of something bigger back.
    fn reach(&mut self, step: &Step, end: Option<&Attributes>, schema: &Schema, behaviour: Behaviour) {
        if end.is_none() && behaviour.part.is_none() {
            self.state.remove(schema.kind, &step.key);
            return;
        }
        let none = Attributes::new();
        let (before, after) = (step.before.as_ref().unwrap_or(&none), end.unwrap_or(&none));
        let was = live(&self.state, schema, behaviour, &step.key).unwrap_or_default();
        let unwritten = behaviour.part.map(|unwritten| unwritten()).unwrap_or_default();
        let mut all = was.clone();
        let told = |name: &&String| behaviour.told.contains(&name.as_str());
        for name in before.keys().chain(after.keys()).filter(|name| !told(name)) {
            let end = |end: &Attributes| end.get(name).cloned().unwrap_or(Value::Null);
            let value = changed(was.get(name), &end(before), &end(after));
            match unwritten.get(name) {
                Some(unwritten) if value == Value::Null => all.insert(name.clone(), unwritten.clone()),
                _ => all.insert(name.clone(), value),
            };
        }
        self.complete(&was, &mut all, &Id::new(schema.kind, &step.key), behaviour);
        // A part that is as if nobody had written it is the same as one that nobody has written.
        if behaviour.part.is_some() && canonical(all.clone()) == canonical(unwritten) {
            self.state.remove(schema.kind, &step.key);
        } else {
            self.state.put(schema.kind, &step.key, all);
        }
    }

    /// Adds what the service adds by itself. The same history of one thing gives the same ids in every world.
    fn complete(&mut self, was: &Attributes, all: &mut Attributes, id: &Id, behaviour: Behaviour) {
        let count = self.made.get(id).copied().unwrap_or(0);
        let wanted = all.clone();
        (behaviour.made)(was, all, number(id) + count);
        if *all != wanted {
            self.made.insert(id.clone(), count + 1);
        }
    }
}

/// A number that a thing keeps in every world (FNV-1a over its key).
fn number(id: &Id) -> u64 {
    let text = format!("{id:?}");
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)) >> 1
}

/// The end that a write reaches when it fails half-way; `None` when nothing can be half removed.
fn half_way(step: &Step, schema: &Schema, behaviour: Behaviour, state: &State) -> Option<Attributes> {
    match &step.after {
        Some(after) => Some(half(step.before.as_ref(), after)),
        None if behaviour.part.is_none() => None,
        None => Some(half(live(state, schema, behaviour, &step.key).as_ref(), step.before.as_ref()?)),
    }
}
