//! Fills the open values of a step with what earlier steps gave.

use std::collections::BTreeMap;

use crate::model::{Address, Attributes, Class, Failure, Ref, Step, Value};

/// The step with every open value replaced by what earlier steps gave.
///
/// # Errors
/// When a giver did not give it.
pub fn filled(step: &Step, given: &BTreeMap<Address, Attributes>) -> Result<Step, Failure> {
    let lookup = |reference: &Ref| given.get(&reference.address)?.get(&reference.output).cloned();
    let fill = |end: &Option<Attributes>| {
        end.as_ref().map(|end| end.iter().map(|(name, value)| (name.clone(), value.filled(&lookup))).collect())
    };
    let step = Step { before: fill(&step.before), after: fill(&step.after), ..step.clone() };
    let ends = step.before.iter().chain(&step.after);
    match ends.flat_map(Attributes::values).flat_map(Value::open_refs).next() {
        Some(reference) => Err(Failure::new(Class::Other, "what it refers to is not known after all")
            .detail(format!("{} gave no {}", reference.address, reference.output))
            .remedy("look whether the service already shows it, then run apply again")),
        None => Ok(step),
    }
}
