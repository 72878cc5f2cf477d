//! What reports show of the ledger: each record of a validation and what came of it.

use std::collections::BTreeMap;

use crate::evidence::{Decision, Ledger, Observation, Record, Terms};
use crate::report::{Evidence, Mark, Moment};

/// The evidence for a validation, as pages show it.
pub fn view(terms: &Terms, ledger: &Ledger, decision: &Decision) -> Evidence {
    let window = &decision.window;
    let counted: BTreeMap<u64, jiff::Timestamp> = window.observations.iter().copied().collect();
    let restarts: BTreeMap<u64, &str> =
        window.restarts.iter().filter(|one| one.at.is_some()).map(|one| (one.seq, one.why.as_str())).collect();
    let began = window.began();
    let mut moments = Vec::new();
    for entry in &ledger.entries {
        let at = entry.record.at().dated();
        let (mark, detail) = match &entry.record {
            Record::Observation(one) if one.validation == terms.validation => {
                let live = summary(one);
                match (counted.get(&entry.seq), restarts.get(&entry.seq)) {
                    (Some(_), Some(why)) => (Mark::Counts, format!("{live}; the window started again: {why}")),
                    (Some(_), None) => (Mark::Counts, live),
                    (None, Some(why)) => (Mark::Restarts, (*why).to_owned()),
                    (None, None) if !one.failures().is_empty() => (Mark::Restarts, one.failures().join("; ")),
                    (None, None) => {
                        let blind = one.blind(&terms.sensors);
                        let unseeing = !blind.is_empty() || at.is_err() || one.scope.is_none();
                        let after = window.ended().zip(at.as_ref().ok()).is_none_or(|(ended, at)| ended < *at);
                        let why = if after { window.unseeing.clone() } else { None };
                        if unseeing || why.is_some() {
                            (Mark::Unseeing, why.unwrap_or_else(|| blind.join("; ")))
                        } else {
                            (Mark::Past, live)
                        }
                    }
                }
            }
            Record::Override(one) if one.validation == terms.validation => {
                (Mark::Override, format!("{}: {}", one.who, one.reason))
            }
            Record::Break(one) => (Mark::Restarts, format!("the ledger was damaged: {}", one.faults.join("; "))),
            _ => continue,
        };
        let length = counted.get(&entry.seq).zip(began).map(|(at, began)| at.duration_since(began));
        moments.push(Moment { seq: entry.seq, at, mark, length, detail });
    }
    Evidence {
        validation: terms.validation.clone(),
        period: terms.period,
        length: window.length(),
        open: decision.open,
        missing: decision.missing.clone(),
        earliest: decision.earliest,
        moments,
        overrides: overrides(decision),
    }
}

/// How many sensors saw something, and what they saw.
fn summary(observation: &Observation) -> String {
    let live: Vec<String> = observation
        .measurements
        .iter()
        .filter(|one| one.is_live())
        .map(|one| if one.value.is_empty() { one.sensor.clone() } else { format!("{}: {}", one.sensor, one.value) })
        .collect();
    live.join("; ")
}

/// Who opened the gate without the evidence.
pub fn overrides(decision: &Decision) -> Vec<String> {
    let line = |one: &crate::evidence::Override| {
        let at = one.at.dated().map_or_else(|why| why, |at| at.to_string());
        format!("{} at {at}: {}", one.who, one.reason)
    };
    decision.overrides.iter().map(line).collect()
}

/// Who vouched for which line of the checklist.
pub fn attested(ledger: &Ledger) -> Vec<String> {
    let line = |record: &Record| match record {
        Record::Attestation(one) => {
            let at = one.at.dated().unwrap_or(one.at.runner);
            let note = one.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
            Some(format!("{} (by {}, {at}{note})", one.line, one.by))
        }
        _ => None,
    };
    ledger.entries.iter().filter_map(|entry| line(&entry.record)).collect()
}
