//! What the engine promises, in a world in memory.

use std::collections::BTreeMap;

use pgentra::journal::{Event, Outcome};
use pgentra::model::{Attributes, Class, Letters, Step, Value};
use pgentra::pipeline::{RollbackOptions, SavedPlan};
use pgentra::resources::{Call, Fault, Id, MemoryWorld, State, World};

use super::rig::{apply, apply_saved, around, migration, parse, plan, plans, rollback, steps};
use super::store::MemoryStore;

#[tokio::test(start_paused = true)]
async fn every_plan_file_runs_twice_and_the_second_time_does_nothing() {
    for (name, file) in plans() {
        let (world, store) = (around(&file), MemoryStore::default());
        let first = apply(&world, &store, &file, true).await.unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        assert_eq!(first.outcome, first.run.is_some().then_some(Outcome::Applied), "{name}: {:?}", first.failed);
        let once = world.state();
        assert!(!plan(&world, &file).await.unwrap().changes.has_changes(), "{name}");
        apply(&world, &store, &file, true).await.unwrap();
        assert_eq!(world.state(), once, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_writes_nothing() {
    for (name, file) in plans() {
        let world = around(&file);
        world.set_read_only(true);
        let before = world.state();
        plan(&world, &file).await.unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        assert_eq!(world.state(), before);
        assert!(world.calls().iter().all(|call| matches!(call, Call::Read(_))), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_turned_away_leaves_nothing_to_undo() {
    let (file, store) = (migration(), MemoryStore::default());
    let world = around(&file);
    world.set_read_only(true);
    let applied = apply(&world, &store, &file, false).await.unwrap();
    let told = applied.records.iter().filter_map(|record| match &record.event {
        Event::Failed { refused, .. } => Some(*refused),
        _ => None,
    });
    let told: Vec<bool> = told.collect();
    assert!(!told.is_empty() && told.iter().all(|refused| *refused), "{told:?}");
    assert_eq!(rollback(&world, &store, RollbackOptions::default()).await.unwrap().run, None);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_of_everything_leads_back() {
    for (name, file) in plans() {
        let (world, store) = (around(&file), MemoryStore::default());
        let before = world.state();
        apply(&world, &store, &file, true).await.unwrap();
        let how = RollbackOptions { remove_kept: true, ..RollbackOptions::default() };
        let back = rollback(&world, &store, how).await.unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        assert_eq!(back.outcome, Some(Outcome::Applied), "{name}: {:?} {:?}", back.failed, back.stuck);
        let now = world.state();
        assert!(now.differences(&before).is_empty(), "{name}: {:#?}", now.differences(&before));
    }
}

/// The grants are found only after the server lets somebody in, in a later phase; undoing them needs that administrator.
#[tokio::test(start_paused = true)]
async fn the_way_back_crosses_phases_in_order() {
    let (file, store) = (migration(), MemoryStore::default());
    let world = around(&file);
    let applied = apply(&world, &store, &file, true).await.unwrap();
    let phases = applied.records.iter().filter(|record| matches!(record.event, Event::Planned { .. })).count();
    assert_eq!(phases, 2, "what a server without Entra does not show is planned later");
    let grants = steps(&applied.records).into_iter().find(|step| step.address.kind == "database_grants").unwrap();
    assert!(grants.leans_on.iter().any(|on| on.starts_with("server_admin.")), "{:?}", grants.leans_on);
    let begun = world.calls().len();
    rollback(&world, &store, RollbackOptions { remove_kept: true, ..RollbackOptions::default() }).await.unwrap();
    let calls = world.calls();
    let at = |kind: &str| {
        calls[begun..].iter().position(|call| matches!(call, Call::Begun(id) if id.starts_with(kind))).unwrap()
    };
    assert!(at("app_settings") < at("database_grants") && at("database_grants") < at("database_role"));
    assert!(at("database_role") < at("server_admin") && at("server_admin") < at("server_auth"));
    assert!(at("database_role") < at("app_identity"));
}

#[tokio::test(start_paused = true)]
async fn dependants_wait_and_one_server_does_one_thing_at_a_time() {
    let file = migration();
    let (world, store) = (around(&file), MemoryStore::default());
    let applied = apply(&world, &store, &file, true).await.unwrap();
    let planned: BTreeMap<String, Step> =
        steps(&applied.records).into_iter().map(|step| (step.id.clone(), step)).collect();
    let (mut running, mut ended): (Vec<&Step>, Vec<&str>) = (Vec::new(), Vec::new());
    let calls = world.calls();
    let mut together = 0;
    for call in &calls {
        match call {
            Call::Begun(id) => {
                let step = &planned[id];
                for on in &step.leans_on {
                    assert!(ended.contains(&on.as_str()), "{id} began before {on} had ended");
                }
                let same = |other: &&Step| other.serial_key.is_some() && other.serial_key == step.serial_key;
                assert!(!running.iter().any(same), "{id} overlaps another of its serial key");
                running.push(step);
                together = together.max(running.len());
            }
            Call::Ended(id) => {
                running.retain(|step| step.id != *id);
                ended.push(id);
            }
            Call::Read(_) => {}
        }
    }
    assert!(together > 1, "what may run together does");
}

fn key_of(world: &MemoryWorld, kind: &str) -> Attributes {
    world.state().all().find(|(id, _)| id.kind == kind).map(|(id, _)| id.key.clone()).unwrap()
}

fn set(world: &MemoryWorld, kind: &str, path: [&str; 2], value: Value) {
    let key = key_of(world, kind);
    world.change(|state| {
        let mut live = state.get(kind, &key).unwrap().clone();
        match live.entry(path[0].to_owned()).or_insert_with(|| Value::Map(Attributes::new())) {
            Value::Map(map) => _ = map.insert(path[1].to_owned(), value),
            _ => unreachable!("a map"),
        }
        state.put(kind, &key, live);
    });
}

fn setting(world: &MemoryWorld, name: &str) -> Option<Value> {
    let state = world.state();
    let live = state.get("app_settings", &key_of(world, "app_settings"))?;
    live.get("settings")?.as_map()?.get(name).cloned()
}

/// Somebody changes a setting between the plan and the write; their value stays, and what we did besides is undone.
#[tokio::test(start_paused = true)]
async fn somebody_elses_value_is_never_overwritten() {
    let file = migration();
    for undo in [false, true] {
        let (world, store) = (around(&file), MemoryStore::default());
        let stranger = Stranger { world: &world, at: "database_grants", done: std::sync::Mutex::new(false) };
        let applied = apply(&stranger, &store, &file, undo).await.unwrap();
        let conflicts = applied.failed.iter().filter(|(_, failure)| failure.class == Class::Conflict);
        assert_eq!(conflicts.map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["app_settings.rmhazuregeoapi"]);
        assert_eq!(applied.outcome, Some(if undo { Outcome::RolledBack } else { Outcome::Stopped }));
        assert_eq!(setting(&world, "USE_MANAGED_IDENTITY"), Some("theirs".into()), "undo: {undo}");
        rollback(&world, &store, RollbackOptions::default()).await.unwrap();
        assert_eq!(setting(&world, "USE_MANAGED_IDENTITY"), Some("theirs".into()));
    }
}

/// Changes a setting right after the write of another kind.
struct Stranger<'a> {
    world: &'a MemoryWorld,
    at: &'static str,
    done: std::sync::Mutex<bool>,
}

#[async_trait::async_trait]
impl World for Stranger<'_> {
    fn schema(&self, kind: &str) -> Option<&'static pgentra::model::Schema> {
        self.world.schema(kind)
    }

    async fn read(&self, look: pgentra::model::Look<'_>) -> Result<pgentra::model::Reading, pgentra::model::Failure> {
        self.world.read(look).await
    }

    async fn write(
        &self,
        step: &Step,
        watch: &dyn pgentra::resources::Watch,
    ) -> Result<pgentra::resources::Written, pgentra::model::Failure> {
        let written = self.world.write(step, watch).await;
        if step.address.kind == self.at && !std::mem::replace(&mut *self.done.lock().unwrap(), true) {
            set(self.world, "app_settings", ["settings", "USE_MANAGED_IDENTITY"], "theirs".into());
        }
        written
    }
}

/// Somebody changed what a run had written: the rollback leaves it and says so, and undoes what it may.
#[tokio::test(start_paused = true)]
async fn a_rollback_never_overwrites_a_later_change() {
    let file = migration();
    let (world, store) = (around(&file), MemoryStore::default());
    apply(&world, &store, &file, true).await.unwrap();
    set(&world, "app_settings", ["settings", "USE_MANAGED_IDENTITY"], "theirs".into());
    let back = rollback(&world, &store, RollbackOptions::default()).await.unwrap();
    assert_eq!(back.outcome, Some(Outcome::Stuck));
    assert_eq!(setting(&world, "USE_MANAGED_IDENTITY"), Some("theirs".into()));
    let (_, failure) = back.failed.iter().find(|(_, failure)| failure.class == Class::Conflict).unwrap();
    assert!(failure.detail.as_ref().unwrap().contains("theirs"), "it shows what is there now: {failure:?}");
    assert!(world.state().all().any(|(id, _)| id.kind == "database_role"), "what it leans on stays");
}

/// A value that stands between the two ends is ours only if our journal says that we began.
#[tokio::test(start_paused = true)]
async fn half_of_a_change_by_somebody_else_is_a_conflict() {
    let file = migration();
    let (world, store) = (around(&file), MemoryStore::default());
    let planned = saved(&world, &store, &file).await;
    set(&world, "app_settings", ["settings", "USE_MANAGED_IDENTITY"], "true".into());
    let before = world.state();
    let failure = apply_saved(&world, &store, &planned).await.unwrap_err();
    assert_eq!(failure.class, Class::Unfit, "{failure:?}");
    assert_eq!(world.state(), before, "nothing was written");
}

/// A saved plan of everything: the server lets people in already.
async fn saved(world: &MemoryWorld, store: &MemoryStore, file: &pgentra::plan::PlanFile) -> SavedPlan {
    let servers = pgentra::plan::PlanFile {
        desired: file.desired.iter().filter(|want| want.address.kind.starts_with("server_")).cloned().collect(),
        ..file.clone()
    };
    apply(world, store, &servers, true).await.unwrap();
    let planned = plan(world, file).await.unwrap();
    assert!(!planned.frontier);
    SavedPlan::new(file, &planned, true, "/nowhere").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_saved_plan_does_what_was_planned_and_nothing_else() {
    let file = migration();
    let (world, store) = (around(&file), MemoryStore::default());
    let plan_text = saved(&world, &store, &file).await.text().unwrap();
    let planned = SavedPlan::parse(&plan_text).unwrap();
    let applied = apply_saved(&world, &store, &planned).await.unwrap();
    assert_eq!(applied.outcome, Some(Outcome::Applied));
    assert_eq!(steps(&applied.records), planned.steps);
    assert!(!plan(&world, &file).await.unwrap().changes.has_changes());
}

/// A look that finds our value before we wrote it: it was there before, so that undoing the run leaves it.
#[tokio::test(start_paused = true)]
async fn what_was_there_before_is_never_undone() {
    let file = migration();
    let (world, store) = (around(&file), MemoryStore::default());
    let planned = saved(&world, &store, &file).await;
    // Somebody makes the same grants by hand before the saved plan is applied.
    let grants = planned.steps.iter().find(|step| step.address.kind == "database_grants").unwrap();
    let (entry, letters) = first_entry(grants);
    let key = key_of(&world, "database_grants");
    world.change(|state| {
        let mut live = state.get("database_grants", &key).unwrap().clone();
        live.extend(all_of(grants, &live));
        state.put("database_grants", &key, live);
    });
    let applied = apply_saved(&world, &store, &planned).await.unwrap();
    let there = |record: &pgentra::journal::Record| matches!(&record.event, Event::AlreadyThere { step, .. } if *step == grants.id);
    assert!(applied.records.iter().any(there), "{:?}", applied.failed);
    rollback(&world, &store, RollbackOptions::default()).await.unwrap();
    let state = world.state();
    let live = state.get("database_grants", &key).unwrap()["privileges"].as_map().unwrap()[&entry].as_map().unwrap();
    assert_eq!(live.get("rmhazuregeoapi-identity"), Some(&letters));
}

/// Of the grants of one step somebody made one by hand: a rollback takes the others away, and leaves theirs.
#[tokio::test(start_paused = true)]
async fn a_grant_that_was_there_before_is_not_undone_with_the_others() {
    let file = migration();
    let (world, store) = (around(&file), MemoryStore::default());
    let planned = saved(&world, &store, &file).await;
    let grants = planned.steps.iter().find(|step| step.address.kind == "database_grants").unwrap();
    let (entry, letters) = first_entry(grants);
    let key = key_of(&world, "database_grants");
    let theirs = Value::Map(Attributes::from([("rmhazuregeoapi-identity".to_owned(), letters.clone())]));
    world.change(|state| {
        let mut live = state.get("database_grants", &key).unwrap().clone();
        let Some(Value::Map(entries)) = live.get_mut("privileges") else { panic!("privileges") };
        match entries.entry(entry.clone()).or_insert_with(|| Value::Map(Attributes::new())) {
            Value::Map(roles) => roles.extend(theirs.as_map().unwrap().clone()),
            other => panic!("{other:?}"),
        }
        state.put("database_grants", &key, live);
    });
    let before = world.state();
    let applied = apply_saved(&world, &store, &planned).await.unwrap();
    assert_eq!(applied.outcome, Some(Outcome::Applied), "{:?}", applied.failed);
    let made = pgentra::pipeline::owned(&world, &store, &file.name).await.unwrap();
    let made = made.find("database_grants", &key).unwrap().made["privileges"].as_map().unwrap().clone();
    assert!(!made.is_empty() && !made.contains_key(&entry), "it is not ours: {made:?}");
    rollback(&world, &store, RollbackOptions::default()).await.unwrap();
    let grants = |state: &State| state.get("database_grants", &key).cloned();
    assert_eq!(grants(&world.state()), grants(&before));
}

fn first_entry(step: &Step) -> (String, Value) {
    let entries = step.after.as_ref().unwrap()["privileges"].as_map().unwrap();
    let (entry, roles) = entries.iter().next().unwrap();
    (entry.clone(), roles.as_map().unwrap()["rmhazuregeoapi-identity"].clone())
}

/// What a step grants, beside what is there.
fn all_of(step: &Step, live: &Attributes) -> Attributes {
    let mut all = live.clone();
    for (field, entries) in step.after.as_ref().unwrap() {
        let Value::Map(into) = all.entry(field.clone()).or_insert_with(|| Value::Map(Attributes::new())) else {
            continue;
        };
        for (entry, roles) in entries.as_map().unwrap() {
            let Value::Map(there) = into.entry(entry.clone()).or_insert_with(|| Value::Map(Attributes::new())) else {
                continue;
            };
            there.extend(roles.as_map().unwrap().clone());
        }
    }
    all
}

/// The identity is made anew while the plan runs: the role has to be mapped to what the new one gives, not to what an
/// open reference once was.
#[tokio::test(start_paused = true)]
async fn what_leans_on_an_open_value_counts_as_changing() {
    let file = migration();
    let (world, store) = (around(&file), MemoryStore::default());
    apply(&world, &store, &file, true).await.unwrap();
    let site = key_of(&world, "app_identity");
    let id = |world: &MemoryWorld| world.state().get("app_identity", &site).unwrap().get("principal_id").cloned();
    let old = id(&world).unwrap();
    world.change(|state| {
        let mut live = state.get("app_identity", &site).unwrap().clone();
        live.insert("system".to_owned(), false.into());
        live.remove("principal_id");
        state.put("app_identity", &site, live);
    });
    let planned = plan(&world, &file).await.unwrap();
    let role = planned.changes.changes.iter().find(|change| change.address.kind == "database_role").unwrap();
    assert!(role.changes(), "the role leans on an identity that will be another one");
    apply(&world, &store, &file, true).await.unwrap();
    let new = id(&world).unwrap();
    assert_ne!(old, new);
    let state = world.state();
    let mapped = state.all().find(|(id, _)| *id == &Id::new("database_role", &role.key)).unwrap().1;
    assert_eq!(mapped["object_id"], new);
}

/// A write that is said to be done and is not fails the run, whatever the service answered.
#[tokio::test(start_paused = true)]
async fn a_lie_is_found_by_the_second_look() {
    let file = migration();
    let (world, store) = (around(&file), MemoryStore::default());
    world.plant("app_settings.rmhazuregeoapi", Fault::Lie);
    let applied = apply(&world, &store, &file, false).await.unwrap();
    assert_eq!(applied.outcome, Some(Outcome::Stopped));
    assert!(applied.failed[0].1.summary.contains("did not hold"), "{:?}", applied.failed);
}

#[tokio::test(start_paused = true)]
async fn a_vanished_object_is_skipped() {
    let file =
        parse(&std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/plans/database_grants.toml")).unwrap());
    let (world, store) = (around(&file), MemoryStore::default());
    let planned = plan(&world, &file).await.unwrap();
    let saved = SavedPlan::new(&file, &planned, true, "/nowhere").unwrap();
    let key = key_of(&world, "database");
    world.change(|state| {
        let mut live = state.get("database", &key).unwrap().clone();
        let Some(Value::Map(objects)) = live.get_mut("objects") else { panic!("objects") };
        objects.retain(|entry, _| !entry.starts_with("table geo.features"));
        state.put("database", &key, live);
    });
    let applied = apply_saved(&world, &store, &saved).await.unwrap();
    assert_eq!(applied.outcome, Some(Outcome::Applied), "{:?}", applied.failed);
    let grants = world.state().get("database_grants", &key_of(&world, "database_grants")).unwrap().clone();
    let on = |entry: &str| {
        let (_, roles) =
            grants["privileges"].as_map().unwrap().iter().find(|(name, _)| name.starts_with(entry)).unwrap();
        roles.as_map().unwrap().get("reporting-identity").cloned()
    };
    assert_eq!(on("table geo.features"), None);
    assert_eq!(on("table geo.layers"), Some(Value::Letters(Letters::new(['r']))));
}
