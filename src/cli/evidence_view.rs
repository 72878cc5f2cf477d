//! What reports show of the ledger: each record of a validation and what came of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::evidence::{Decision, Entry, Ledger, Observation, Override, Record, Terms, Verdict};
use crate::model::moment;
use crate::report::{Evidence, Mark, Moment};

/// What the window says of the records that are in it or started it again.
struct Sorted<'a> {
    terms: &'a Terms,
    counted: BTreeMap<u64, Timestamp>,
    restarts: BTreeMap<u64, &'a str>,
    decision: &'a Decision,
}

/// The evidence for a validation, as pages show it.
pub fn view(terms: &Terms, ledger: &Ledger, decision: &Decision) -> Evidence {
    let window = &decision.window;
    let restarts = window.restarts.iter().filter(|one| one.at.is_some());
    let sorted = Sorted {
        terms,
        counted: window.observations.iter().copied().collect(),
        restarts: restarts.map(|one| (one.seq, one.why.as_str())).collect(),
        decision,
    };
    let newest = ledger.entries.iter().rev().find_map(|entry| match &entry.record {
        Record::Observation(one) if one.validation == terms.validation => Some(one),
        _ => None,
    });
    Evidence {
        validation: terms.validation.clone(),
        period: terms.period,
        length: window.length(),
        open: decision.open,
        missing: decision.missing.clone(),
        earliest: decision.earliest,
        moments: ledger.entries.iter().filter_map(|entry| sorted.moment(entry)).collect(),
        overrides: ledger.entries.iter().filter_map(|entry| override_of(terms, &entry.record)).collect(),
        sensors: newest.map(sensors).unwrap_or_default(),
    }
}

impl Sorted<'_> {
    fn moment(&self, entry: &Entry) -> Option<Moment> {
        let (mark, detail) = match &entry.record {
            Record::Observation(one) if one.validation == self.terms.validation => self.observation(entry, one),
            Record::Override(one) if one.validation == self.terms.validation => {
                (Mark::Override, format!("{}{}: {}", brown_out(one), one.who, one.reason))
            }
            Record::Break(one) => (Mark::Failed, format!("the ledger was damaged: {}", one.faults.join("; "))),
            _ => return None,
        };
        let began = self.decision.window.began();
        let length = self.counted.get(&entry.seq).zip(began).map(|(at, began)| at.duration_since(began));
        Some(Moment { seq: entry.seq, at: entry.record.at().dated(), mark, length, detail })
    }

    fn observation(&self, entry: &Entry, one: &Observation) -> (Mark, String) {
        let failures = one.failures();
        if !failures.is_empty() {
            return (Mark::Failed, failures.join("; "));
        }
        let live = one.measurements.iter().filter(|one| one.is_live()).count();
        let summary = format!("{live} of {} sensors", one.measurements.len());
        let again = self.restarts.get(&entry.seq).map(|why| format!("; the window starts again: {why}"));
        let detail = format!("{summary}{}", again.unwrap_or_default());
        if self.counted.contains_key(&entry.seq) {
            return (Mark::Counts, detail);
        }
        match self.unseeing(entry, one) {
            Some(why) => (Mark::Unseeing, why),
            None => (Mark::Past, detail),
        }
    }

    /// Why an observation outside the window is no evidence by itself.
    fn unseeing(&self, entry: &Entry, one: &Observation) -> Option<String> {
        let blind = one.blind(&self.terms.sensors);
        if !blind.is_empty() {
            return Some(blind.join("; "));
        }
        if let Err(why) = one.at.dated() {
            return Some(why);
        }
        if one.scope.is_none() {
            return Some(one.scope_missing.clone().unwrap_or_default());
        }
        let newest = self.decision.window.observations.last().is_none_or(|(seq, _)| *seq < entry.seq);
        self.decision.window.unseeing.clone().filter(|_| newest)
    }
}

/// What each sensor saw.
fn sensors(observation: &Observation) -> Vec<(String, Option<bool>, String)> {
    let one = |one: &crate::evidence::Measurement| match &one.verdict {
        Verdict::Passed => (one.sensor.clone(), Some(true), one.value.clone()),
        Verdict::Failed(why) => (one.sensor.clone(), Some(false), why.clone()),
        Verdict::Blind(why) => (one.sensor.clone(), None, why.clone()),
    };
    observation.measurements.iter().map(one).collect()
}

/// Who opened a gate that asks a validation without the evidence, when, and why.
fn override_of(terms: &Terms, record: &Record) -> Option<String> {
    let Record::Override(one) = record else { return None };
    let at = one.at.dated().map_or_else(|why| why, moment);
    (one.validation == terms.validation).then(|| format!("{}{} at {at}: {}", brown_out(one), one.who, one.reason))
}

/// Which gate it was, where it was not the validation itself.
fn brown_out(one: &Override) -> String {
    let gate = one.gate();
    if gate.kind == "validation" { String::new() } else { format!("{gate} by ") }
}

/// Who vouched for which line of the checklist.
pub fn attested(ledger: &Ledger) -> Vec<String> {
    let line = |record: &Record| match record {
        Record::Attestation(one) => {
            let at = moment(one.at.dated().unwrap_or(one.at.runner));
            let note = one.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
            Some(format!("{} (by {}, {at}{note})", one.line, one.by))
        }
        _ => None,
    };
    ledger.entries.iter().filter_map(|entry| line(&entry.record)).collect()
}
