//! `status`: the checklist with its evidence, which run is open, who holds the lock, what is held and what has drifted.

use clap::Args;

use super::args::{Global, LiveArgs, PlanFileArg};
use super::exit::{Ended, Exit};
use super::load::{narrowed, usable};
use super::observe::validations;
use super::output::Output;
use super::{evidence_keys, live, place};
use crate::diff::Change;
use crate::evidence::{Decision, Ledger, Now, SigningKey, decide};
use crate::journal::Record;
use crate::model::Failure;
use crate::pipeline::{self, Item, Sight, State, checklist};
use crate::plan::PlanFile;
use crate::report::{self, GateLine, LineMark, ListLine, Run, Status, complete};
use crate::resources::{Live, Vantage as _, proofs};
use jiff::Timestamp;

/// Show where a migration stands: its checklist with the evidence, its gates, its open run, what has drifted
///
/// Each line of the migration checklist and of the success criteria is done, not yet, held by a gate, attested, or cannot
/// be seen, with what was seen and when: by a look at the live system just now, in the ledger of observations, or by
/// `pgentra evidence attest`. Changes nothing. docs/status.md describes the fields of `--format json`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// How the live system is looked at.
    #[command(flatten)]
    pub live: LiveArgs,
    /// Exit with 10 unless every line of the checklist is done or attested, and with 4 when only a gate holds the rest
    #[arg(long)]
    pub expect_complete: bool,
}

/// Runs `status`.
pub async fn run(args: &StatusArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    let (source, mut file) = usable(&args.file, global, output)?;
    file.desired = narrowed(file.desired, &args.live.only)?;
    let store = place::store(&source, &file, global).await?;
    let world = live::world_of(&file, global, store.as_ref(), store.digest_key().await?).await?;
    let history = pipeline::history(&world, store.as_ref()).await?.of_plan(&file.name);
    let open = history.open().map(|dated| dated.id.clone());
    let last = history.runs().last().map(|dated| dated.id.clone());
    let mut journals: Vec<Option<(String, Vec<Record>)>> = Vec::new();
    for id in [open, last] {
        journals.push(match id {
            Some(id) => Some((id.clone(), store.journal(&id).await?)),
            None => None,
        });
    }
    let keys: Vec<SigningKey> = evidence_keys::keys(&file, global, false).await?.into_values().collect();
    let ledger = pipeline::ledger(store.as_ref(), &keys).await?;
    let decisions = decisions(&world, &file, &ledger).await?;
    let verified = pipeline::verify(&world, &file.desired, args.live.parallelism).await;
    let proofs = proofs(&world, &file.desired, false).await;
    let sight = Sight {
        desired: &file.desired,
        verified: &verified,
        proofs: &proofs,
        ledger: &ledger,
        decisions: &decisions,
        looked: Timestamp::now(),
    };
    let lines: Vec<ListLine> = checklist(&sight).into_iter().map(list_line).collect();
    let gates: Vec<GateLine> = decisions.iter().map(gate_line).collect();
    let looks: Vec<(Change, bool)> = verified.into_iter().map(|seen| (seen.change, seen.holds)).collect();
    let run = |at: usize| journals[at].as_ref().map(|(id, records)| Run { id, records });
    let (place, holder) = (store.place(), store.holder().await?.map(|note| note.to_string()));
    let state = Status {
        store: &place,
        holder: holder.as_deref(),
        open: run(0),
        last: run(1),
        looks: &looks,
        checklist: &lines,
        gates: &gates,
    };
    output.page(&report::status(&state))?;
    Ok(if args.expect_complete { exit(&lines) } else { Exit::Done })
}

/// What each gate says now, by the name of its validation.
async fn decisions(world: &Live, file: &PlanFile, ledger: &Ledger) -> Result<Vec<(String, Decision)>, Failure> {
    let mut all = Vec::new();
    for want in validations(file) {
        let scope = world.scope(&want.attributes).await.map_err(|failure| failure.in_a_line());
        let now = Now::new(world.times(&want.attributes).await, scope);
        all.push((want.address.name.clone(), decide(&pipeline::terms(want)?, ledger, &now)));
    }
    Ok(all)
}

fn list_line(item: Item) -> ListLine {
    let mark = match item.state {
        State::Done => LineMark::Done,
        State::NotYet => LineMark::NotYet,
        State::Held => LineMark::Held,
        State::Attested => LineMark::Attested,
        State::Unseen => LineMark::Unseen,
    };
    let (section, line) = (item.section.to_owned(), item.line.to_owned());
    ListLine { section, line, optional: item.optional, mark, seen: item.seen, at: item.at }
}

fn gate_line((name, decision): &(String, Decision)) -> GateLine {
    GateLine {
        name: name.clone(),
        open: decision.open,
        overridden: decision.overridden,
        missing: decision.missing.clone(),
        earliest: decision.earliest,
        began: decision.window.began(),
        observations: decision.window.observations.len(),
    }
}

/// A line that waits for nothing but time is held; any other is a failed check.
fn exit(lines: &[ListLine]) -> Exit {
    let left = lines.iter().filter(|line| !line.optional && !line.mark.settled());
    match complete(lines) {
        true => Exit::Done,
        false if left.into_iter().all(|line| line.mark == LineMark::Held) => Exit::Held,
        false => Exit::CheckFailed,
    }
}
