//! Gates of a run: what was open when it was planned is asked again before what it lets through is written.

use pgentra::diff::Action;
use pgentra::journal::Outcome;
use pgentra::model::{Class, Value};
use pgentra::pipeline::SavedPlan;
use pgentra::plan::PlanFile;
use pgentra::resources::{Fault, MemoryWorld};

use super::rig::{apply, apply_saved, around, parse, plan, resume};
use super::store::MemoryStore;

const PLAN: &str = r#"
version = 1
name = "gates"

[server.pg-srv]
subscription = "22222222-2222-4222-8222-222222222222"
resource_group = "rg"
connections = [{ name = "ops", user = "ops" }]

[resource.validation.week]
name = "week"
old_role = { server = "pg-srv", name = "old" }
allow_unsigned = true

[resource.password_login.old]
server = "pg-srv"
name = "old"
login = false
after = ["validation.week"]
"#;

/// The world of the plan file, with its gate open or shut.
fn world(open: bool) -> (PlanFile, MemoryWorld) {
    let file = parse(PLAN);
    let world = around(&file);
    set(&file, &world, open);
    (file, world)
}

fn set(file: &PlanFile, world: &MemoryWorld, open: bool) {
    let gate = file.desired.iter().find(|want| want.address.kind == "validation").unwrap();
    world.change(|state| state.put("validation", &gate.key, [("open".to_owned(), Value::Bool(open))].into()));
}

/// Whether the old role's login was taken.
async fn taken(file: &PlanFile, world: &MemoryWorld) -> bool {
    let planned = plan(world, file).await.unwrap();
    planned.changes.changes.iter().all(|change| change.address.kind != "password_login" || !change.acts())
}

#[tokio::test(start_paused = true)]
async fn an_open_gate_is_a_step_and_no_change() {
    let (file, world) = world(true);
    let planned = plan(&world, &file).await.unwrap();
    let ids: Vec<&str> = planned.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["validation.week", "password_login.old"]);
    assert!(planned.steps[1].leans_on.contains("validation.week"));
    assert_eq!(
        planned.steps[0].after.as_ref().unwrap()["allow_unsigned"],
        Value::Bool(true),
        "it is asked by its terms"
    );
    let gate = &planned.changes.changes[0];
    assert_eq!((gate.action, planned.changes.summary().change, planned.changes.summary().held), (Action::None, 1, 0));
    assert!(gate.notes.iter().any(|note| note.contains("asked again")), "{:?}", gate.notes);
    let applied = apply(&world, &MemoryStore::default(), &file, true).await.unwrap();
    assert_eq!(applied.outcome, Some(Outcome::Applied));
    let done = plan(&world, &file).await.unwrap();
    assert!(done.steps.is_empty() && !done.changes.acts(), "{:?}", done.steps);
}

#[tokio::test(start_paused = true)]
async fn a_saved_plan_stops_at_a_gate_that_was_shut_since() {
    let (file, world) = world(true);
    let store = MemoryStore::default();
    let text = SavedPlan::new(&file, &plan(&world, &file).await.unwrap(), true, "/nowhere").unwrap().text().unwrap();
    let saved = SavedPlan::parse(&text).unwrap();
    assert_eq!(saved.changes(&pgentra::resources::schemas()).summary().change, 1);
    set(&file, &world, false);
    let held = apply_saved(&world, &store, &saved).await.unwrap();
    assert_eq!((held.outcome, held.held), (Some(Outcome::Held), true));
    set(&file, &world, true);
    assert!(!taken(&file, &world).await);
    assert_eq!(apply_saved(&world, &store, &saved).await.unwrap().outcome, Some(Outcome::Applied));
    assert!(taken(&file, &world).await);
}

#[tokio::test(start_paused = true)]
async fn a_saved_plan_without_its_gates_is_refused() {
    let (file, world) = world(true);
    let mut saved = SavedPlan::new(&file, &plan(&world, &file).await.unwrap(), true, "/nowhere").unwrap();
    saved.steps.remove(0);
    let failure = apply_saved(&world, &MemoryStore::default(), &saved).await.unwrap_err();
    assert_eq!(failure.class, Class::Unfit);
    assert!(failure.detail.unwrap().contains("password_login.old is behind validation.week"));
    assert!(!taken(&file, &world).await);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_taken_up_asks_its_gates_again() {
    let (file, world) = world(true);
    let store = MemoryStore::default();
    world.plant("password_login.old", Fault::ErrorBefore);
    let stopped = apply(&world, &store, &file, false).await.unwrap();
    assert_eq!(stopped.outcome, Some(Outcome::Stopped));
    set(&file, &world, false);
    let resumed = resume(&world, &store, &file).await.unwrap();
    assert_eq!((resumed.outcome, resumed.held), (Some(Outcome::Held), true), "{:?}", resumed.failed);
    set(&file, &world, true);
    assert!(!taken(&file, &world).await);
    let applied = resume(&world, &store, &file).await.unwrap();
    assert_eq!(applied.outcome, Some(Outcome::Applied));
    assert!(taken(&file, &world).await);
}
