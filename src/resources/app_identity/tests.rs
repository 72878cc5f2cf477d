//! Tests of identities against a site that behaves like Azure's.

use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use super::SCHEMA;
use crate::azure::double::{Reply, Seen, error, reply};
use crate::model::{Attributes, Class, Undo};
use crate::resources::arm_testing::{attributes, live, look, read, write};

const A: &str = "/subscriptions/S/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/A";
const B: &str = "/subscriptions/S/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/B";

fn key() -> Attributes {
    attributes(json!({ "subscription": "s", "resource_group": "rg", "app": "app" }))
}

/// A site whose identities are replaced by a PATCH the way Azure documents it, and show up `late` reads later.
fn site(identity: Json, late: usize) -> (Arc<Mutex<Json>>, impl FnMut(&Seen) -> Reply + Send + 'static) {
    let kept = Arc::new(Mutex::new(identity));
    let shared = kept.clone();
    let mut hidden = 0;
    let handler = move |seen: &Seen| -> Reply {
        let mut identity = kept.lock().unwrap();
        if seen.method == "PATCH" {
            assert_eq!(seen.body.as_object().unwrap().keys().collect::<Vec<_>>(), ["identity"]);
            let kind = seen.body["identity"]["type"].as_str().unwrap();
            let users = seen.body["identity"]["userAssignedIdentities"].as_object().cloned().unwrap_or_default();
            let users: serde_json::Map<String, Json> = users
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(id, _)| (id.clone(), json!({ "principalId": format!("p-{id}"), "clientId": format!("c-{id}") })))
                .collect();
            *identity = json!({ "type": kind, "userAssignedIdentities": users });
            if kind.contains("SystemAssigned") {
                identity["principalId"] = json!("p-system");
                identity["tenantId"] = json!("t");
            }
            hidden = late;
        }
        let mut shown = identity.clone();
        if hidden > 0 {
            hidden -= 1;
            shown["principalId"] = Json::Null;
        }
        reply(200, json!({ "name": "app", "identity": shown, "properties": { "slotSwapStatus": { "x": 1 } } }))
    };
    (shared, handler)
}

#[tokio::test]
async fn others_identities_stay() {
    let there = json!({ "type": "UserAssigned", "userAssignedIdentities": { B: { "principalId": "p" } } });
    let (identity, handler) = site(there, 2);
    let before = attributes(json!({ "system": false, "user_assigned": { A: null } }));
    let after = attributes(json!({ "system": true, "user_assigned": { A: true } }));
    let (done, double) = write("app_identity", &key(), Some(before.clone()), Some(after.clone()), handler).await;
    done.unwrap();
    let now = identity.lock().unwrap().clone();
    assert_eq!(now["type"], "SystemAssigned, UserAssigned");
    assert_eq!(now["userAssignedIdentities"].as_object().unwrap().keys().collect::<Vec<_>>(), [A, B]);
    assert!(double.calls().len() > 3, "the principal was waited for");

    // The way back takes away what it brought, and nothing else.
    let (identity, handler) = site(now, 0);
    write("app_identity", &key(), Some(after), Some(before), handler).await.0.unwrap();
    let now = identity.lock().unwrap().clone();
    assert_eq!(now["type"], "UserAssigned");
    assert_eq!(now["userAssignedIdentities"].as_object().unwrap().keys().collect::<Vec<_>>(), [B]);
}

#[tokio::test]
async fn ids_in_another_spelling_are_the_same() {
    let lower = A.to_lowercase();
    let there = json!({ "type": "UserAssigned", "userAssignedIdentities": { lower: { "principalId": "p" } } });
    let after = attributes(json!({ "user_assigned": { A: true } }));
    let (_, handler) = site(there.clone(), 0);
    let (state, outputs) = read("app_identity", &key(), &after, handler).await;
    assert_eq!(state.unwrap(), after, "answers use the plan's spelling");
    assert_eq!(outputs, attributes(json!({ "principal_id": "p" })));
    let (_, handler) = site(there, 0);
    let (done, double) = write("app_identity", &key(), None, Some(after), handler).await;
    done.unwrap();
    assert!(double.seen().iter().all(|seen| seen.method == "GET"), "nothing to write");
}

#[tokio::test]
async fn the_last_identity_goes_with_type_none() {
    let there = json!({ "type": "UserAssigned", "userAssignedIdentities": { A: { "principalId": "p" } } });
    let (identity, handler) = site(there, 0);
    let before = attributes(json!({ "user_assigned": { A: true } }));
    write("app_identity", &key(), Some(before), None, handler).await.0.unwrap();
    assert_eq!(identity.lock().unwrap()["type"], "None");
}

#[tokio::test]
async fn a_site_without_identity_has_none() {
    let asked = attributes(json!({ "system": true, "user_assigned": { A: true } }));
    let (state, outputs) =
        read("app_identity", &key(), &asked, |_| reply(200, json!({ "identity": null, "properties": {} }))).await;
    assert_eq!(state.unwrap(), attributes(json!({ "system": false, "user_assigned": { A: null } })));
    assert!(outputs.is_empty());
}

#[tokio::test]
async fn outputs_are_those_of_the_identity_that_is_wanted() {
    let both = json!({
        "type": "SystemAssigned, UserAssigned", "principalId": "ps", "tenantId": "t",
        "userAssignedIdentities": { A: { "principalId": "pa", "clientId": "ca" } },
    });
    let ask = async |asked: Json| {
        let (_, handler) = site(both.clone(), 0);
        read("app_identity", &key(), &attributes(asked), handler).await.1
    };
    assert_eq!(ask(json!({ "system": true })).await, attributes(json!({ "principal_id": "ps", "tenant_id": "t" })));
    assert_eq!(
        ask(json!({ "user_assigned": { A: true } })).await,
        attributes(json!({ "principal_id": "pa", "client_id": "ca", "tenant_id": "t" }))
    );
    assert!(ask(json!({ "user_assigned": { A: true, B: true } })).await.is_empty());
}

#[tokio::test]
async fn a_busy_site_is_left_alone() {
    let handler = |_: &Seen| reply(200, json!({ "properties": { "inProgressOperationId": "7f0e" } }));
    let (done, double) =
        write("app_identity", &key(), None, Some(attributes(json!({ "system": true }))), handler).await;
    assert_eq!(done.unwrap_err().class, Class::Busy);
    assert_eq!(double.calls().len(), 1);
}

#[tokio::test]
async fn an_identity_that_does_not_show_up_is_told() {
    let (_, handler) = site(json!(null), usize::MAX);
    let (done, _) = write("app_identity", &key(), None, Some(attributes(json!({ "system": true }))), handler).await;
    assert_eq!(done.unwrap_err().class, Class::Busy);
}

#[tokio::test]
async fn a_missing_app_is_a_failure() {
    let (live, _) = live(|_| error(404, "ResourceNotFound"));
    let asked = attributes(json!({ "system": true }));
    let failure = look(&live, "app_identity", &key(), &asked, crate::model::Purpose::Plan).await.unwrap_err();
    assert_eq!(failure.class, Class::NotFound);
    assert!(failure.summary == "the app is not there" && failure.first_cause().contains("app app"), "{failure}");
}

#[test]
fn undo_is_kept_faithful_or_lossy() {
    let end = |system: bool| attributes(json!({ "system": system }));
    assert!(matches!((SCHEMA.undo)(Some(&end(false)), Some(&end(true))), Undo::Kept(_)));
    assert!(matches!((SCHEMA.undo)(Some(&end(true)), Some(&end(false))), Undo::Lossy(_)));
    let ids = |value: Json| attributes(json!({ "user_assigned": { A: value } }));
    assert_eq!((SCHEMA.undo)(Some(&ids(Json::Null)), Some(&ids(json!(true)))), Undo::Faithful);
}
