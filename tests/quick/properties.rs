//! Properties over random plan files in random worlds: what was there, what goes wrong, and when the machine dies.

use std::fmt::Write as _;

use pgentra::journal::Outcome;
use pgentra::model::{Attributes, Value};
use pgentra::pipeline::RollbackOptions;
use pgentra::resources::{Fault, MemoryWorld};
use proptest::prelude::*;
use proptest::sample::Index;

use super::faults::{Course, back, course, finish, is_before};
use super::rig::{apply, around, parse, plan, rollback};
use super::store::{MemoryStore, Moment};

/// What a random plan file wants of one app, and what is there already.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
struct App {
    wants_identity: bool,
    has_identity: bool,
    wants_role: bool,
    wants_sticky: bool,
    /// Setting by setting: what is wanted and what is there.
    settings: Vec<(Option<u8>, Option<u8>)>,
}

#[derive(Clone, Debug)]
struct Case {
    apps: Vec<App>,
    wants_auth: bool,
    has_admin: bool,
}

fn app() -> impl Strategy<Value = App> {
    let setting = (proptest::option::of(0..3_u8), proptest::option::of(0..3_u8));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (flags, proptest::collection::vec(setting, 0..4)).prop_map(|(flags, settings)| App {
        wants_identity: flags.0 || flags.2,
        has_identity: flags.1,
        wants_role: flags.2,
        wants_sticky: flags.3,
        settings,
    })
}

fn case() -> impl Strategy<Value = Case> {
    (proptest::collection::vec(app(), 1..3), any::<bool>(), any::<bool>())
        .prop_map(|(apps, wants_auth, has_admin)| Case { apps, wants_auth, has_admin })
}

impl Case {
    fn text(&self) -> String {
        let mut text = String::from(
            "version = 1\nname = \"random\"\n[azure]\nsubscription = \"22222222-2222-4222-8222-222222222222\"\n\
             resource_group = \"rg\"\n[server.pgflex]\nconnections = [{ name = \"admin\", user = \"dba\", token = true }]\n",
        );
        if self.wants_auth {
            text += "[resource.server_auth.pgflex]\nserver = \"pgflex\"\nentra_auth = true\n\
                     [resource.server_admin.dba]\nserver = \"pgflex\"\nobject_id = \"33333333-3333-4333-8333-333333333333\"\n\
                     name = \"dba\"\nprincipal_type = \"group\"\n";
        }
        let mut rules = Vec::new();
        for (at, app) in self.apps.iter().enumerate() {
            if app.wants_identity {
                let _ = write!(text, "[resource.app_identity.app{at}]\napp = \"app{at}\"\nsystem = true\n");
            }
            if app.wants_role {
                let _ = write!(
                    text,
                    "[resource.database_role.app{at}]\nserver = \"pgflex\"\nname = \"app{at}\"\n\
                     object_id = {{ ref = \"app_identity.app{at}.principal_id\" }}\n"
                );
                rules.push(format!(
                    "{{ role = {{ ref = \"database_role.app{at}.name\" }}, schemas = [\"geo\"], schema = [\"USAGE\"], \
                     tables = [\"SELECT\", \"INSERT\"], future = {} }}",
                    app.wants_sticky
                ));
            }
            if app.wants_sticky {
                let _ = write!(text, "[resource.slot_settings.app{at}]\napp = \"app{at}\"\napp_settings = [\"S0\"]\n");
            }
            let wanted = app.settings.iter().enumerate().filter_map(|(name, (wanted, _))| Some((name, (*wanted)?)));
            let wanted: Vec<String> = wanted.map(|(name, value)| format!("S{name} = \"{value}\"")).collect();
            if !wanted.is_empty() {
                let settings = wanted.join(", ");
                let _ =
                    write!(text, "[resource.app_settings.app{at}]\napp = \"app{at}\"\nsettings = {{ {settings} }}\n");
            }
        }
        if !rules.is_empty() {
            let rules = rules.join(", ");
            let _ = write!(
                text,
                "[resource.database_grants.db]\nserver = \"pgflex\"\ndatabase = \"db\"\ngrants = [{rules}]\n"
            );
        }
        text
    }

    /// A world around the plan file in which something of it is there already.
    fn world(&self, around: MemoryWorld) -> MemoryWorld {
        around.change(|state| {
            let sites: Vec<Attributes> =
                state.all().filter(|(id, _)| id.kind == "site").map(|(id, _)| id.key.clone()).collect();
            for key in sites {
                let name = key["app"].as_text().unwrap().trim_start_matches("app").to_owned();
                let app = &self.apps[name.parse::<usize>().unwrap()];
                let mut live = state.get("app_settings", &key).cloned().unwrap_or_default();
                if let Value::Map(settings) = live.entry("settings".to_owned()).or_insert(Value::Map(Attributes::new()))
                {
                    for (name, (_, there)) in app.settings.iter().enumerate() {
                        settings.extend(there.map(|value| (format!("S{name}"), Value::text(value.to_string()))));
                    }
                }
                state.put("app_settings", &key, live);
                if app.has_identity {
                    let id = Value::text(format!("55555555-5555-4555-8555-{name:0>12}"));
                    let mut live = state.get("app_identity", &key).cloned().unwrap_or_default();
                    live.extend([("system".to_owned(), true.into()), ("principal_id".to_owned(), id)]);
                    state.put("app_identity", &key, live);
                }
            }
            let server = state.all().find(|(id, _)| id.kind == "server").map(|(id, _)| id.key.clone());
            if let Some(key) = server.filter(|_| self.wants_auth && self.has_admin) {
                let mut admin = key.clone();
                admin.insert("object_id".to_owned(), Value::text("33333333-3333-4333-8333-333333333333"));
                state.put(
                    "server_auth",
                    &key,
                    Attributes::from([
                        ("entra_auth".to_owned(), true.into()),
                        ("password_auth".to_owned(), true.into()),
                    ]),
                );
                let end = [("name".to_owned(), "dba".into()), ("principal_type".to_owned(), "group".into())];
                state.put("server_admin", &admin, Attributes::from(end));
            }
        });
        around
    }
}

/// Runs on a clock that stands still.
fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(future);
}

async fn start(case: &Case) -> Course {
    let file = parse(&case.text());
    let world = case.world(around(&file));
    course("random".to_owned(), file, world).await
}

/// The steps and all else that a random run does; what is found is a property of every run, so that each has to hold.
async fn there_and_back(course: &Course) {
    let (world, store) = (course.start.fork(), MemoryStore::default());
    assert!(!plan(&course.start, &course.file).await.is_err_and(|failure| panic!("{failure:?}")));
    let first = apply(&world, &store, &course.file, true).await.unwrap();
    assert!(matches!(first.outcome, None | Some(Outcome::Applied)), "{:?}", first.failed);
    assert!(!plan(&world, &course.file).await.unwrap().changes.has_changes(), "apply, then plan is empty");
    apply(&world, &store, &course.file, true).await.unwrap();
    assert!(world.state() == course.after, "twice is once");
    rollback(&world, &store, RollbackOptions { remove_kept: true, ..RollbackOptions::default() }).await.unwrap();
    let now = world.state();
    assert!(now == course.before, "rollback(apply(w)) = w: {:#?}", now.differences(&course.before));
}

async fn faulty(course: &Course, fault: Fault, at: Index, undo: bool) {
    if course.steps.is_empty() {
        return;
    }
    let (world, store) = (course.start.fork(), MemoryStore::default());
    let step = at.get(&course.steps);
    world.plant(&step.id, fault);
    let told = format!("{} at {}", fault.name(), step.id);
    let applied = apply(&world, &store, &course.file, undo).await.unwrap();
    if undo && applied.outcome == Some(Outcome::RolledBack) {
        is_before(course, &world.state(), &told);
        return;
    }
    let other = (world.fork(), store.revived());
    finish(course, &world, &store, &told).await;
    back(course, &other.0, &other.1, &told).await;
}

async fn deadly(course: &Course, fault: Fault, at: Index, record: Index, after: bool) {
    if course.steps.is_empty() {
        return;
    }
    let moment = if after { Moment::After } else { Moment::Before };
    let (world, store) = (course.start.fork(), MemoryStore::dying(record.index(course.records), moment));
    world.plant(&at.get(&course.steps).id, fault);
    let told = format!(
        "death {moment:?} record {} and {} at {}",
        record.index(course.records),
        fault.name(),
        at.get(&course.steps).id
    );
    let _ = apply(&world, &store, &course.file, true).await;
    // A fault that was still to come does not come any more: the second try meets a service in order.
    let (one, other) = (world.fork(), world.fork());
    finish_or_undone(course, &one, &store, &told).await;
    back(course, &other, &store.revived(), &told).await;
}

/// A run that died while it was being undone is not finished but undone.
async fn finish_or_undone(course: &Course, world: &MemoryWorld, store: &MemoryStore, told: &str) {
    let store = store.revived();
    let resumed = super::rig::resume(world, &store, &course.file).await.unwrap();
    pgentra::pipeline::history(world, &store).await.unwrap_or_else(|failure| panic!("{told}: {failure:?}"));
    match resumed.outcome {
        Some(Outcome::RolledBack) => _ = is_before(course, &world.state(), told),
        Some(Outcome::Applied) => assert!(world.state() == course.after, "{told}"),
        other => panic!("{told}: {other:?} {:?} {:?}", resumed.failed, resumed.stuck),
    }
}

proptest! {
    // A failure prints its smallest case and the seed to run it again with.
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn apply_then_plan_is_empty_and_rollback_leads_back(case in case()) {
        run(async { there_and_back(&start(&case).await).await });
    }

    #[test]
    fn any_fault_is_finished_or_undone(case in case(), fault in proptest::sample::select(&Fault::ALL[..]), at in any::<Index>(), undo in any::<bool>()) {
        run(async { faulty(&start(&case).await, fault, at, undo).await });
    }

    #[test]
    fn any_death_after_any_fault_is_finished_or_undone(
        case in case(),
        fault in proptest::sample::select(&Fault::ALL[..]),
        at in any::<Index>(),
        record in any::<Index>(),
        after in any::<bool>(),
    ) {
        run(async { deadly(&start(&case).await, fault, at, record, after).await });
    }
}
