//! `apply --override-gate`: a person opens gates without the evidence; never silently, and never forgotten.

use super::evidence_keys;
use super::live;
use super::observe::{author, validations};
use super::prompt::{self, Prompt};
use crate::cli::args::Global;
use crate::evidence::{Override, Record, SigningKey, decide};
use crate::model::{Address, Class, Desired, Failure, Value};
use crate::pipeline;
use crate::plan::PlanFile;
use crate::resources::{now, soak_terms};
use crate::store::{Held, Store};

const REMEDY: &str = "run it at a terminal; a gate is not opened by a script";

/// Opens each held gate of the plan file after its app's name was typed, and records who did it and why. A brown-out is
/// asked for by itself, once it has begun: that the evidence of a week is not waited for says nothing about it.
///
/// # Errors
/// `Input`: nobody is there to type, another name was typed, or the record cannot be signed.
pub async fn open(
    reason: &str,
    file: &PlanFile,
    global: &Global,
    store: &dyn Store,
    held: &mut dyn Held,
) -> Result<(), Failure> {
    if reason.trim().is_empty() {
        return Err(Failure::new(Class::Input, "a gate is not opened without a reason")
            .remedy("say why: --override-gate \"reason\""));
    }
    let signing = evidence_keys::keys(file, global, true).await?;
    let keys: Vec<SigningKey> = signing.values().cloned().collect();
    let world = live::world_of(file, global, store, store.digest_key().await?).await?;
    let author = author(file);
    for want in validations(file).into_iter().chain(soaks(file)) {
        let soak = want.address.kind == "soak";
        let asked = &want.attributes;
        let terms = if soak { soak_terms(&world, &want.address, asked)? } else { pipeline::terms(want)? };
        let now = now(&world, &terms, asked).await;
        let decision = decide(&terms, &pipeline::ledger(store, &keys).await?, &now);
        let begun = terms.noted.iter().all(|(name, wanted)| now.noted.get(name) == Some(wanted));
        if decision.open || !begun {
            continue;
        }
        let (gate, missing) = (want.clone(), decision.reason());
        if !prompt::on_thread(move |prompt| confirm(prompt, &gate, &missing)).await? {
            continue;
        }
        let record = Record::Override(Override {
            validation: terms.validation.clone(),
            gate: Some(want.address.clone()),
            at: now.at,
            who: author.who.clone(),
            reason: reason.to_owned(),
            scope: now.scope.clone().ok(),
            missing: decision.missing,
        });
        let key = signing.get(&terms.validation);
        let ledger = pipeline::write_evidence(store, held, &author, &record, (&keys, key)).await?;
        let decision = decide(&terms, &ledger, &now);
        if !decision.open {
            return Err(closed(&want.address, &decision.reason()));
        }
    }
    Ok(())
}

/// The record is written, and the gate is not open all the same.
pub(super) fn closed(gate: &Address, why: &str) -> Failure {
    Failure::new(Class::Input, "the gate stays closed")
        .detail(format!("{gate}: {why}"))
        .remedy("`pgentra status` says what is missing")
}

/// The brown-outs of a plan file.
fn soaks(file: &PlanFile) -> impl Iterator<Item = &Desired> {
    file.desired.iter().filter(|want| want.address.kind == "soak")
}

/// Asks for the name of the app that a gate is about. A brown-out goes on when nothing is typed.
pub(super) fn confirm(prompt: &mut Prompt<'_>, want: &Desired, missing: &str) -> Result<bool, Failure> {
    let app =
        want.attributes.get("app").and_then(Value::as_map).and_then(|app| app.get("app")).and_then(Value::as_text);
    let (name, gate, soak) = (app.unwrap_or(&want.address.name), &want.address, want.address.kind == "soak");
    if !prompt.interactive {
        return Err(Failure::new(Class::Input, "a gate is opened by a person: there is no terminal")
            .detail(gate.to_string())
            .remedy(REMEDY));
    }
    let what = if soak { "to end the brown-out early, or nothing to let it go on" } else { "to open it all the same" };
    match prompt.optional(&format!("{gate} is held: {missing}\nType the name of the app {what}"))? {
        Some(typed) if typed == name => Ok(true),
        None if soak => Ok(false),
        typed => Err(Failure::new(Class::Input, "that is not the name of the app; this gate was not opened")
            .detail(format!("{gate}: {:?} was typed", typed.unwrap_or_default()))
            .remedy("run it again and type the name that stands in the question")),
    }
}
