//! Messages about stores, keys and the live system.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::azure::double::{arm, reply};
use crate::cli::args::Global;
use crate::cli::live::AzureAccess;
use crate::cli::told::told;
use crate::cli::{doctor_local, evidence_keys, explain, place, plan};
use crate::diff::{Action, Change, Reason};
use crate::model::{Address, Attributes, Desired, Failure, Target, Tls, Undo, Value};
use crate::plan::PlanFile;
use crate::postgres::Access as _;

fn file(key: &serde_json::Value) -> PlanFile {
    let Ok(Value::Map(attributes)) = Value::try_from(json!({ "key": key })) else { panic!() };
    let validation = Desired {
        address: Address::new("validation", "web"),
        key: Attributes::new(),
        attributes,
        after: BTreeSet::new(),
        place: None,
    };
    PlanFile {
        name: "geo".into(),
        digest: "d".into(),
        target: Target::default(),
        store: None,
        ignore: Vec::new(),
        desired: vec![validation],
        graph: crate::model::Graph::new(&BTreeMap::new()),
        places: BTreeMap::new(),
    }
}

fn change(address: Address, reason: Reason) -> Change {
    Change {
        address,
        key: Attributes::new(),
        before: None,
        after: None,
        action: Action::Unknown,
        reason,
        undo: Undo::Faithful,
        outputs: Attributes::new(),
        restarts: 0,
        leans_on: BTreeSet::new(),
        routes: BTreeMap::new(),
        notes: Vec::new(),
        failure: None,
        place: None,
    }
}

#[tokio::test]
async fn stores_and_keys_that_cannot_be_used() {
    let keys = |key: serde_json::Value| async move {
        evidence_keys::keys(&file(&key), &Global::default(), true).await.err().unwrap()
    };
    let opened = |place: &'static str| async move {
        place::open(place, &Target::default(), &Global::default()).await.err().unwrap()
    };
    let failures = [
        opened("s3://bucket").await,
        opened("azblob://account").await,
        opened("azblob+https://u@host/container").await,
        place::refuse_forgetful(&file(&json!(null)), true).unwrap_err(),
        // Cargo sets this one for every test; it is too short for a key.
        keys(json!({ "env": "CARGO_PKG_NAME" })).await,
        keys(json!({ "env": "PGENTRA_TEST_ABSENT" })).await,
        keys(json!({ "key_vault": "kv", "secret": "evidence" })).await,
    ];
    insta::assert_snapshot!(told(&failures));
}

#[tokio::test]
async fn what_a_plan_or_azure_does_not_say() {
    let (arm, _) = arm(|_| reply(200, json!({ "properties": { "state": "Ready" } })));
    let (tokens, audience) = (arm.tokens().clone(), "a".to_owned());
    let server = crate::model::ServerTarget {
        subscription: "s".into(),
        resource_group: "rg".into(),
        name: "srv".into(),
        host: None,
        port: 5432,
        tls: Tls::VerifyFull,
        connections: Vec::new(),
    };
    let address = Address::new("app_settings", "web");
    let known = change(Address::new("app_settings", "web"), Reason::Missing);
    let hidden = change(address, Reason::NotReadable("Microsoft.Web/sites/config/list/action is missing".into()));
    let failures: [Failure; 5] = [
        AzureAccess { arm, tokens, audience }.host(&server).await.unwrap_err(),
        explain::unknown(&Address::new("app_settings", "wbe"), &[known]),
        explain::unknown(&Address::new("check", "health"), &[]),
        plan::not_readable(&hidden).unwrap(),
        doctor_local::no_role("srv"),
    ];
    insta::assert_snapshot!(told(&failures));
}
