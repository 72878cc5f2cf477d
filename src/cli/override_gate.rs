//! `apply --override-gate`: a person opens gates without the evidence; never silently, and never forgotten.

use super::evidence_keys;
use super::live;
use super::observe::{author, validations};
use super::prompt::{self, Prompt};
use crate::cli::args::Global;
use crate::evidence::{Now, Override, Record, SigningKey, decide};
use crate::model::{Address, Class, Desired, Failure, Value};
use crate::pipeline;
use crate::plan::PlanFile;
use crate::resources::Vantage as _;
use crate::store::{Held, Store};

const REMEDY: &str = "run it at a terminal; a gate is not opened by a script";

/// Opens each held gate of the plan file after its app's name was typed, and records who did it and why.
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
    let world = live::world(&file.target, global, store.digest_key().await?).await?;
    let author = author(file);
    for want in validations(file) {
        let terms = pipeline::terms(want)?;
        let at = world.times(&want.attributes).await;
        let scope = world.scope(&want.attributes).await.map_err(|failure| failure.to_string());
        let now = Now { at, scope: scope.clone() };
        let decision = decide(&terms, &pipeline::ledger(store, &keys).await?, &now);
        if decision.open {
            continue;
        }
        let (gate, missing) = (want.clone(), decision.reason());
        prompt::on_thread(move |prompt| confirm(prompt, &gate, &missing)).await?;
        let record = Record::Override(Override {
            validation: want.address.name.clone(),
            at,
            who: author.who.clone(),
            reason: reason.to_owned(),
            scope: scope.ok(),
            missing: decision.missing,
        });
        let key = signing.get(&want.address.name);
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

/// Asks for the name of the app that a gate is about.
pub(super) fn confirm(prompt: &mut Prompt<'_>, want: &Desired, missing: &str) -> Result<(), Failure> {
    let app =
        want.attributes.get("app").and_then(Value::as_map).and_then(|app| app.get("app")).and_then(Value::as_text);
    let name = app.unwrap_or(&want.address.name);
    let gate = &want.address;
    if !prompt.interactive {
        return Err(Failure::new(Class::Input, "a gate is opened by a person: there is no terminal")
            .detail(gate.to_string())
            .remedy(REMEDY));
    }
    let typed =
        prompt.value(&format!("{gate} is held: {missing}\nType the name of the app to open it all the same"))?;
    if typed == name {
        return Ok(());
    }
    Err(Failure::new(Class::Input, "that is not the name of the app; nothing was opened")
        .detail(format!("{gate}: {typed:?} was typed"))
        .remedy("run it again and type the name that stands in the question"))
}
