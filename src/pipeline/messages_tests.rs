//! Messages of whole runs, each provoked in the small world, to be read as a terminal shows them.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::testing::{Bench, Fault, Small, file, id_of, want};
use super::{Applied, RollbackOptions, SavedPlan, apply, apply_saved, plan, resume, steps_digest, terms};
use crate::cli::told::told;
use crate::engine::{Stop, unless_stopped};
use crate::journal::Record;
use crate::model::{Failure, Look, Observed, Reading, Schema, Step, Unreadable};
use crate::plan::PlanFile;
use crate::resources::{Watch, World, Written};
use crate::store::{Held, LockNote, Store as _};

const JUST_IT: RollbackOptions<'static> = RollbackOptions { plan: None, remove_kept: false, through: false };

/// The failures with `RUN-1` and so on for the ids of these runs.
fn told_of(failures: &[Failure], runs: &[String]) -> String {
    let named = |text: String, (at, run): (usize, &String)| text.replace(run, &format!("RUN-{}", at + 1));
    runs.iter().enumerate().fold(told(failures), named)
}

/// Two things, one of which refers to the other.
fn pair() -> PlanFile {
    file(vec![
        want("thing.a", json!({ "x": "1" }), &[]),
        want("thing.b", json!({ "x": id_of("thing.a") }), &["thing.a"]),
    ])
}

/// What a run met, forwards and backwards.
fn met(applied: Applied) -> Vec<Failure> {
    applied.failed.into_iter().chain(applied.stuck).map(|(_, failure)| failure).collect()
}

#[tokio::test]
async fn steps_that_fail() {
    let mut failures = Vec::new();
    let bench = Bench::new();
    bench.world.fault("b", Fault::Lie);
    failures.extend(met(bench.apply(&pair()).await.unwrap()));
    let bench = Bench::new();
    bench.apply(&pair()).await.unwrap();
    bench.world.put("b", json!({ "x": "foreign" }));
    failures.extend(met(bench.rollback(None, JUST_IT).await.unwrap()));
    let bench = Bench::new();
    let gated = file(vec![want("gate.g", json!({}), &[]), want("never.n", json!({ "x": "1" }), &["gate.g"])]);
    bench.apply(&gated).await.unwrap();
    failures.extend(met(bench.rollback(None, JUST_IT).await.unwrap()));
    let bench = Bench::new();
    let nothing = json!({ "$after_apply": { "address": "thing.a", "output": "principal_id" } });
    let open =
        file(vec![want("thing.a", json!({ "x": "1" }), &[]), want("thing.b", json!({ "x": nothing }), &["thing.a"])]);
    failures.extend(met(bench.apply(&open).await.unwrap()));
    insta::assert_snapshot!(told(&failures));
}

/// The world, where nobody can look at what is called `hidden` or `shut`.
struct Blind(Small);

#[async_trait]
impl World for Blind {
    fn schema(&self, kind: &str) -> Option<&'static Schema> {
        self.0.schema(kind)
    }

    async fn read(&self, look: Look<'_>) -> Result<Reading, Failure> {
        let unreadable = |reason: &str, refused: bool| {
            let reason = reason.to_owned();
            Ok(Reading::of(Observed::Unreadable(Unreadable { reason, not_yet: false, refused })))
        };
        match look.address.name.as_str() {
            "hidden" => unreadable("server srv: the address srv.example:5432 does not answer", false),
            "behind" => unreadable("server two: the address two.example:5432 does not answer", false),
            "shut" => unreadable("server srv lets nobody of connections in: password authentication failed", true),
            _ => self.0.read(look).await,
        }
    }

    async fn write(&self, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        self.0.write(step, watch).await
    }
}

#[tokio::test]
async fn plans_that_cannot_be_made() {
    let world = Blind(Small::default());
    world.0.put("a", json!({ "x": "1" }));
    let nothing = json!({ "$after_apply": { "address": "thing.a", "output": "principal_id" } });
    let refused = |wanted: Vec<crate::model::Desired>| {
        let world = &world;
        async move { plan(world, &wanted, 4).await.unwrap_err() }
    };
    let failures = [
        refused(vec![want("thing.hidden", json!({ "x": "1" }), &[])]).await,
        refused(vec![want("thing.shut", json!({ "x": "1" }), &[])]).await,
        refused(vec![want("thing.hidden", json!({ "x": "1" }), &[]), want("thing.behind", json!({ "x": "1" }), &[])])
            .await,
        refused(vec![
            want("thing.a", json!({ "x": "1" }), &[]),
            want("thing.b", json!({ "x": nothing }), &["thing.a"]),
        ])
        .await,
        refused(vec![want("never.n", json!({ "x": "1" }), &[])]).await,
        terms(&want("validation.web", json!({ "period": "soon" }), &[])).unwrap_err(),
        unless_stopped(&Stop::new(true), std::future::pending::<Result<(), Failure>>()).await.unwrap_err(),
    ];
    insta::assert_snapshot!(told(&failures));
}

#[tokio::test]
async fn saved_plans_that_are_refused() {
    let mut bench = Bench::new();
    let planned = plan(&bench.world, &pair().desired, 4).await.unwrap();
    let saved = SavedPlan::new(&pair(), &planned, true, "/s").unwrap();
    let refused = async |bench: &Bench, saved: &SavedPlan| {
        apply_saved(&bench.context(), saved, bench.held().await.as_mut()).await.unwrap_err()
    };
    let mut strange = saved.clone();
    strange.steps[0].address.kind = "shape".to_owned();
    let unknown = refused(&bench, &strange).await;
    let mut ungated = saved.clone();
    let gate = "gate.g".parse().unwrap();
    ungated.leans.entry(ungated.steps[0].address.clone()).or_default().insert(gate);
    let ungated = refused(&bench, &ungated).await;
    bench.world.put("a", json!({ "x": "foreign" }));
    bench.world.put("b", json!({ "x": "foreign" }));
    let misfit = refused(&bench, &saved).await;
    bench.options.expect = Some("0".repeat(64));
    let unexpected = refused(&bench, &saved).await;
    let secret = json!({ "x": { "$secret": { "source": { "env": "NAME" }, "digest": "d1" } } });
    let secret = file(vec![want("thing.s", secret, &[])]);
    let planned = plan(&bench.world, &secret.desired, 4).await.unwrap();
    let unkeyed = SavedPlan::new(&secret, &planned, false, "/s").unwrap_err();
    let failures = [unknown, ungated, misfit, unexpected, unkeyed];
    let digest = steps_digest(&saved.steps).unwrap();
    insta::assert_snapshot!(told(&failures).replace(&digest, "DIGEST"));
}

#[tokio::test]
async fn runs_that_cannot_be_resumed_or_undone() {
    let bench = Bench::new();
    let nothing = bench.rollback(None, JUST_IT).await.unwrap_err();
    let only = file(pair().desired[..1].to_vec());
    let one = bench.apply(&only).await.unwrap().run.unwrap();
    let two = file(vec![only.desired[0].clone(), want("thing.c", json!({ "x": "2" }), &["thing.a"])]);
    let two = bench.apply(&two).await.unwrap().run.unwrap();
    let leaning = bench.rollback(Some(&one), JUST_IT).await.unwrap_err();
    let ended = resume(&bench.context(), &one, bench.held().await.as_mut()).await.unwrap_err();
    let back = bench.rollback(Some(&two), JUST_IT).await.unwrap().run.unwrap();
    let undone = bench.rollback(Some(&two), JUST_IT).await.unwrap_err();
    let absent = bench.rollback(Some("0199-zz"), JUST_IT).await.unwrap_err();
    insta::assert_snapshot!(told_of(&[nothing, leaning, ended, undone, absent], &[one, two, back]));
}

/// A holder whose lock lasts for a moment only.
struct Short(Box<dyn Held>);

#[async_trait]
impl Held for Short {
    async fn append(&mut self, run: &str, record: &Record) -> Result<(), Failure> {
        self.0.append(run, record).await
    }

    async fn append_ledger(&mut self, line: &str) -> Result<(), Failure> {
        self.0.append_ledger(line).await
    }

    async fn put_owned(&mut self, json: &str) -> Result<(), Failure> {
        self.0.put_owned(json).await
    }

    async fn make_digest_key(&mut self) -> Result<[u8; 32], Failure> {
        self.0.make_digest_key().await
    }

    fn time_left(&self) -> Option<Duration> {
        Some(Duration::from_secs(10))
    }

    fn died_before(&self) -> Option<&LockNote> {
        None
    }
}

#[tokio::test]
async fn locks_that_run_out_and_journals_that_are_none() {
    let bench = Bench::new();
    let mut short = Short(bench.held().await);
    let short = apply(&bench.context(), &pair(), &mut short, &bench.yes).await.unwrap_err();
    let run = bench.store.runs().await.unwrap()[0].clone();
    let records = bench.store.journal(&run).await.unwrap();
    let corrupt = super::end::fold_run(&records[1..], &run).unwrap_err();
    insta::assert_snapshot!(told_of(&[short, corrupt], &[run]));
}
