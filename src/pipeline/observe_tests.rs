//! Tests of observing: what is written, in which order, and how damage is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Author, Observed, ledger, observe};
use crate::evidence::{Measurement, Record, Scope, SigningKey, Standpoint, Times, Verdict};
use crate::journal::{Event, Operation};
use crate::model::{Address, Attributes, Class, Desired, Failure, Secret, Value};
use crate::resources::{Sensor, Vantage};
use crate::store::{Directory, LockNote, Store};

/// A place from which everything is as the test says.
struct Scripted {
    now: Mutex<Timestamp>,
    dated: bool,
    scope: Result<Scope, Failure>,
    asked: Mutex<Vec<Standpoint>>,
}

struct Census<'a>(&'a Scripted);

#[async_trait]
impl Sensor for Census<'_> {
    fn name(&self) -> &'static str {
        "census"
    }

    async fn measure(&self, standpoint: Standpoint) -> Measurement {
        self.0.asked.lock().unwrap().push(standpoint);
        Measurement::passed("census", "nobody").covering(standpoint.interval(jiff::SignedDuration::ZERO))
    }
}

#[async_trait]
impl Vantage for Scripted {
    async fn times(&self, _: &Attributes) -> Times {
        let now = *self.now.lock().unwrap();
        Times { server: Some(now).filter(|_| self.dated), azure: Some(now), runner: Timestamp::UNIX_EPOCH }
    }

    async fn scope(&self, _: &Attributes) -> Result<Scope, Failure> {
        self.scope.clone()
    }

    async fn noted(&self, _: &Attributes) -> BTreeMap<String, String> {
        BTreeMap::from([("version".to_owned(), "1".to_owned())])
    }

    fn sensors<'a>(&'a self, _: &'a Attributes) -> Result<Vec<Box<dyn Sensor + 'a>>, Failure> {
        Ok(vec![Box::new(Census(self))])
    }
}

fn scripted() -> Scripted {
    let scope = Scope([("identity".to_owned(), "a".to_owned())].into());
    let now = Mutex::new(Timestamp::from_second(1_793_491_200).unwrap());
    Scripted { now, dated: true, scope: Ok(scope), asked: Mutex::default() }
}

fn validation() -> Desired {
    let old = Attributes::from([("server".to_owned(), "s".into()), ("name".to_owned(), "old".into())]);
    Desired {
        address: Address::new("validation", "app"),
        key: Attributes::from([("name".to_owned(), "app".into())]),
        attributes: Attributes::from([
            ("period".to_owned(), "2h".into()),
            ("every".to_owned(), "1h".into()),
            ("old_role".to_owned(), Value::Map(old)),
        ]),
        after: BTreeSet::new(),
        place: None,
    }
}

fn key() -> SigningKey {
    SigningKey::new(Secret::new("a key that is long enough")).unwrap()
}

async fn once(vantage: &Scripted, store: &Directory) -> Observed {
    let note = LockNote {
        who: "ci".into(),
        host: "host".into(),
        pid: 1,
        operation: "observe".into(),
        since: Timestamp::UNIX_EPOCH,
    };
    let mut held = store.lock(note, Duration::ZERO).await.unwrap();
    let author = Author { plan: "plan".into(), digest: "0".into(), who: "ci@host".into() };
    let signing = BTreeMap::from([("app".to_owned(), key())]);
    observe(vantage, store, held.as_mut(), &author, &[&validation()], &signing).await.unwrap().remove(0)
}

fn later(vantage: &Scripted, hours: i64) {
    let mut now = vantage.now.lock().unwrap();
    *now += jiff::SignedDuration::from_hours(hours);
}

#[tokio::test]
async fn observations_follow_each_other_until_the_gate_opens() {
    let directory = tempfile::tempdir().unwrap();
    let (store, vantage) = (Directory::new(directory.path().join("store")), scripted());
    let mut open = Vec::new();
    for _ in 0..3 {
        let Observed { observation, decision } = once(&vantage, &store).await;
        assert_eq!((observation.who.as_str(), observation.noted["version"].as_str()), ("ci@host", "1"));
        open.push(decision.open);
        later(&vantage, 1);
    }
    assert_eq!(open, [false, false, true]);
    let asked = vantage.asked.lock().unwrap().clone();
    assert_eq!(asked[0].watermark, None);
    assert_eq!(asked[1].watermark, Some(asked[0].now), "each goes on where the last one ended");
    let found = ledger(&store, &[key()]).await.unwrap();
    assert_eq!((found.entries.len(), found.faults.len()), (3, 0));
    let newest = store.runs().await.unwrap().pop().unwrap();
    let records = store.journal(&newest).await.unwrap();
    let Event::Opened { operation: Operation::Evidence { count, head, .. }, .. } = &records[0].event else { panic!() };
    assert_eq!((*count, Some(head)), (3, found.head.as_ref().map(|head| &head.hash)));
}

#[tokio::test]
async fn damage_is_recorded_before_anything_else() {
    let directory = tempfile::tempdir().unwrap();
    let (store, vantage) = (Directory::new(directory.path().join("store")), scripted());
    for _ in 0..3 {
        once(&vantage, &store).await;
        later(&vantage, 1);
    }
    let file = directory.path().join("store/evidence.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let cut: Vec<&str> = text.lines().take(2).collect();
    std::fs::write(&file, cut.join("\n") + "\n").unwrap();
    let Observed { decision, .. } = once(&vantage, &store).await;
    assert!(!decision.open);
    let found = ledger(&store, &[key()]).await.unwrap();
    let names: Vec<&str> = found.entries.iter().map(|entry| entry.record.name()).collect();
    assert_eq!(names, ["observation", "observation", "break", "observation"]);
    let Record::Break(damage) = &found.entries[2].record else { panic!() };
    assert_eq!(damage.faults, ["the journal knows 3 records; the ledger does not reach that far"]);
}

#[tokio::test]
async fn what_cannot_be_dated_or_read_is_recorded_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let store = Directory::new(directory.path().join("store"));
    let undated = Scripted { dated: false, ..scripted() };
    let Observed { observation, decision } = once(&undated, &store).await;
    assert_eq!(observation.measurements[0].covers, None, "nobody knows which time it covers");
    assert_eq!(observation.measurements[0].verdict, Verdict::Passed);
    assert!(!decision.open);
    let unread = Scripted { scope: Err(Failure::new(Class::Forbidden, "HTTP 403")), ..scripted() };
    let Observed { observation, decision } = once(&unread, &store).await;
    assert_eq!((observation.scope, observation.scope_missing.as_deref()), (None, Some("HTTP 403")));
    assert!(decision.window.observations.is_empty());
}
