//! Change sets as data.

use serde_json::Value as Json;

use super::everything;
use crate::diff::{ChangeSet, Reason};
use crate::model::{Class, Failure};
use crate::report::{PlanView, json, plan, reviewed};

#[test]
#[expect(clippy::too_many_lines, reason = "a snapshot")]
fn a_plan_as_data() {
    let mut changes = everything();
    changes.retain(|change| ["database_role", "app_settings"].contains(&change.address.kind.as_str()));
    let page = plan(&ChangeSet { changes }, PlanView::default());
    insta::assert_snapshot!(json(&page), @r#"
    {
      "complete": false,
      "diagnostics": [],
      "format_version": "1.0",
      "resource_changes": [
        {
          "address": "database_role.geoapi-identity",
          "change": {
            "actions": [
              "update"
            ],
            "after": {
              "create_db": false,
              "object_id": null,
              "principal_type": "service"
            },
            "after_sensitive": {},
            "after_unknown": {
              "object_id": true
            },
            "before": {
              "create_db": false,
              "object_id": "1",
              "principal_type": "service"
            },
            "before_sensitive": {}
          },
          "held": false,
          "key": {
            "app": "geoapi-identity"
          },
          "kind": "database_role",
          "leans_on": [
            "app_identity.geoapi"
          ],
          "name": "geoapi-identity",
          "not_readable": false,
          "notes": [],
          "reason": {
            "address": "app_identity.geoapi",
            "kind": "leans_on"
          },
          "restarts": 0,
          "undo": {
            "class": "faithful"
          },
          "unknown": false
        },
        {
          "address": "app_settings.geoapi",
          "change": {
            "actions": [
              "update"
            ],
            "after": {
              "settings": {
                "A": "2",
                "KEEP": "same",
                "NEW": "y",
                "PASSWORD": "(sensitive value)"
              }
            },
            "after_sensitive": {
              "settings": {
                "PASSWORD": true
              }
            },
            "after_unknown": {},
            "before": {
              "settings": {
                "A": "1",
                "KEEP": "same",
                "OLD": "x",
                "PASSWORD": "(sensitive value)"
              }
            },
            "before_sensitive": {
              "settings": {
                "PASSWORD": true
              }
            }
          },
          "held": false,
          "key": {
            "app": "geoapi"
          },
          "kind": "app_settings",
          "leans_on": [],
          "name": "geoapi",
          "not_readable": false,
          "notes": [],
          "reason": {
            "kind": "as_wanted"
          },
          "restarts": 1,
          "undo": {
            "class": "never",
            "why": "the old value of PASSWORD cannot be read back"
          },
          "unknown": false
        },
        {
          "address": "database_role.later",
          "change": {
            "actions": [
              "no-op"
            ],
            "after": {},
            "after_sensitive": {},
            "after_unknown": {},
            "before": null,
            "before_sensitive": {}
          },
          "held": false,
          "key": {
            "app": "later"
          },
          "kind": "database_role",
          "leans_on": [],
          "name": "later",
          "not_readable": false,
          "notes": [],
          "reason": {
            "kind": "unreadable",
            "why": "server pg takes no Entra tokens yet"
          },
          "restarts": 0,
          "undo": {
            "class": "faithful"
          },
          "unknown": true
        }
      ],
      "summary": {
        "add": 0,
        "change": 2,
        "check": 0,
        "destroy": 0,
        "held": 0,
        "irreversible": 1,
        "not_readable": 0,
        "restarts": 1,
        "unknown": 1
      }
    }
    "#);
    assert_eq!(json(&page), json(&page.clone()));
}

/// Every member of a real output that the schema does not describe, by its path.
fn undescribed(output: &Json, schema: &Json, root: &Json, path: &str, found: &mut Vec<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => root.pointer(&reference[1..]).unwrap(),
        None => schema,
    };
    if let Json::Array(list) = output {
        for one in list {
            undescribed(one, &schema["items"], root, &format!("{path}[]"), found);
        }
    }
    let (Json::Object(output), Some(known)) = (output, schema["properties"].as_object()) else { return };
    for (name, value) in output {
        let path = format!("{path}.{name}");
        match known.get(name) {
            Some(schema) => undescribed(value, schema, root, &path, found),
            None => found.push(path),
        }
    }
}

#[test]
fn plans_are_as_their_schema_says() {
    let schema: Json = serde_json::from_str(include_str!("../../../docs/schemas/plan.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut changes = everything();
    changes[0].reason = Reason::NotReadable("x/read on /s".into());
    changes[1].failure = Some(Failure::new(Class::Forbidden, "not allowed").detail("x/read on /s").remedy("grant it"));
    let stays = [("thing.x".to_owned(), "somebody else has changed it".to_owned())];
    for changes in [changes, Vec::new()] {
        let page = reviewed(plan(&ChangeSet { changes }, PlanView::default()), &stays, Some("ab"));
        let output: Json = serde_json::from_str(&json(&page)).unwrap();
        let wrong: Vec<String> = validator.iter_errors(&output).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        let mut found = Vec::new();
        undescribed(&output, &schema, &schema, "", &mut found);
        assert!(found.is_empty(), "the schema does not describe {found:?}");
    }
    let old = serde_json::json!({ "format_version": "2.0" });
    assert!(!validator.is_valid(&old));
}
