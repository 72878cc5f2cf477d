//! Tests of the table of rights: every kind has a line, and scopes are those of the resources.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Need, TABLE, needs};
use crate::model::{Address, Desired};
use crate::resources::arm_testing::{attributes, live};
use crate::resources::register;

fn desired(kind: &str, key: serde_json::Value, more: serde_json::Value) -> Desired {
    Desired {
        address: Address::new(kind, "x"),
        key: attributes(key),
        attributes: attributes(more),
        after: BTreeSet::new(),
        place: None,
    }
}

#[test]
fn every_kind_says_what_it_needs() {
    let known: BTreeSet<&str> = TABLE.iter().map(|rights| rights.kind).collect();
    assert_eq!(known.len(), TABLE.len());
    for kind in register() {
        assert!(known.contains(kind.schema().kind), "{} has no line in the table of rights", kind.schema().kind);
    }
}

#[tokio::test]
async fn slots_have_actions_of_their_own_and_operations_belong_to_the_group() {
    let (live, _) = live(|seen| panic!("{seen:?}"));
    let site = json!({ "subscription": "s", "resource_group": "g", "app": "a", "slot": "blue" });
    let server = json!({ "subscription": "s", "resource_group": "g", "server": "pg" });
    let identity = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    let all = [
        desired("app_identity", site, json!({ "user_assigned": { identity: true } })),
        desired("server_auth", server, json!({})),
    ];
    let needs = needs(&all, &live);
    let has = |scope: &str, action: &str| {
        needs.get(&Need { scope: scope.to_owned(), action: action.to_owned(), data: false })
    };
    let group = "/subscriptions/s/resourceGroups/g";
    let slot = format!("{group}/providers/Microsoft.Web/sites/a/slots/blue");
    assert!(has(&slot, "Microsoft.Web/sites/slots/read").is_some_and(|why| why.plan));
    assert!(has(&slot, "Microsoft.Web/sites/slots/write").is_some_and(|why| !why.plan));
    assert!(has(identity, "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action").is_some());
    assert!(has(group, "Microsoft.DBforPostgreSQL/locations/azureAsyncOperation/read").is_some());
    assert!(!needs.keys().any(|need| need.action.contains('{') || need.data));
}
