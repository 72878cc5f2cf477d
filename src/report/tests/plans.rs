//! Change sets as terminal text.

use serde_json::json;

use super::{change, everything, text};
use crate::diff::{Action, ChangeSet, Reason};
use crate::model::{Address, Class, Failure, SecretSource, SecretValue, Value};
use crate::report::{PlanView, json, plan, terminal};

#[test]
fn a_plan_reads_like_terraform() {
    insta::assert_snapshot!(text(everything()), @r#"
    pgentra used the plan file to generate the following execution plan. Resource
    actions are indicated with the following symbols:
      + create
      ~ update in-place
      - destroy
     <= check during apply

    pgentra will perform the following actions:

      # app_identity.geoapi will be created
      # 1 restart
      # undo: kept: others may use it
      + resource "app_identity" "geoapi" {
          + system = true
        }

      # database_role.geoapi-identity will be updated in-place
      # because app_identity.geoapi changes
      # undo: faithful
      ~ resource "database_role" "geoapi-identity" {
          ~ object_id = "1" -> (known after apply: app_identity.geoapi.principal_id)
            # (2 unchanged attributes hidden)
        }

      # database_grants.geo will be updated in-place
      # note: owner of geo.t9 must grant
      # undo: faithful
      ~ resource "database_grants" "geo" {
          + app: SELECT, INSERT, UPDATE, DELETE on 5 tables in geo (t1, t2, t3, 2 more)
        }

      # app_settings.geoapi will be updated in-place
      # 1 restart
      # undo: never: the old value of PASSWORD cannot be read back
      ~ resource "app_settings" "geoapi" {
          ~ settings = {
              ~ "A"        = "1" -> "2"
              + "NEW"      = "y"
              - "OLD"      = "x" -> null
              ~ "PASSWORD" = (sensitive value)
                # (1 unchanged element hidden)
            }
        }

      # slot_settings.old will be destroyed
      # undo: faithful
      - resource "slot_settings" "old" {
          - app_settings = {
              - "A" = true -> null
            }
        }

      # check.health will be checked during apply
      # does not pass yet
      # note: HTTP 500 from /api/health

      # database_role.later (known after apply: server pg takes no Entra tokens yet)

    Held:
      validation.geoapi: evidence covers 2 of 7 days

    Plan: 1 to add, 3 to change, 1 to destroy.
    2 restarts, 1 irreversible step.
    1 check during apply.
    1 resource can only be read after earlier steps; apply shows them then.
    "#);
}

#[test]
fn tools_that_parse_terraform_understand() {
    let told = text(everything());
    let line = |test: &dyn Fn(&str) -> bool| told.lines().any(test);
    assert!(line(&|line| line == "Plan: 1 to add, 3 to change, 1 to destroy."), "{told}");
    assert!(line(&|line| line.starts_with("  # app_identity.geoapi will be created")));
    assert!(line(&|line| line.ends_with("will be destroyed")));
    assert!(line(&|line| line.ends_with("will be updated in-place")));
    assert!(text(vec![everything().remove(8)]).starts_with("No changes. "));
}

#[test]
fn the_legend_has_only_what_is_used() {
    let text = text(vec![everything().remove(0)]);
    assert!(text.contains("  + create\n") && !text.contains("update in-place") && !text.contains("<="), "{text}");
}

#[test]
fn no_changes_is_never_said_of_what_could_not_be_read() {
    let mut blind = everything().remove(8);
    blind.failure = Some(
        Failure::new(Class::Unreachable, "pg does not answer")
            .detail("DNS: no such host\nport 5432")
            .remedy("use a VPN"),
    );
    insta::assert_snapshot!(text(vec![blind.clone()]), @r#"
    Error: server_auth.pg: pg does not answer
      DNS: no such host
      port 5432
      help: use a VPN

    Not all of it could be read; what could be read is as wanted.
    "#);
    let mut later = everything().remove(6);
    later.reason = Reason::LeansOn(Address::new("server_auth", "pg"));
    assert!(text(vec![later]).contains("Plan: 0 to add, 0 to change, 0 to destroy.\n1 resource can only"));
}

#[test]
fn what_is_only_held_is_no_change() {
    assert!(text(vec![everything().remove(7)]).contains("No changes. All that may be done is done"));
}

#[test]
fn hostile_names_do_nothing() {
    let evil = "x\n::error::pwned\u{1b}[2J\u{202e}##vso[task.setvariable]";
    let mut changes = vec![change("app_settings", evil, Action::Update, json!({ evil: "a" }), json!({ evil: evil }))];
    changes[0].notes = vec![evil.into(), "::warning::y".into()];
    let page = plan(&ChangeSet { changes }, PlanView { full: true });
    let styled = terminal(&page).ansi();
    let unstyled = terminal(&page).plain();
    for text in [&unstyled, &json(&page)] {
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert!(!text.contains("##vso["), "{text}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{text}");
    }
    assert!(!styled.contains("\u{1b}[2J") && !styled.contains("##vso["));
    let data: serde_json::Value = serde_json::from_str(&json(&page)).unwrap();
    assert_eq!(data["resource_changes"][0]["name"], evil);
}

#[test]
fn planted_secrets_appear_nowhere() {
    let url = "postgres://u:hunter2@h/db";
    let source = Some(SecretSource::Env("PW".into()));
    let secret = Value::Secret(SecretValue { source, digest: Some("hunter2digest".into()) });
    let mut changes = vec![change(
        "app_settings",
        "a",
        Action::Update,
        json!({ "settings": { "DB_PASSWORD": "hunter2", "URL": url, "L": [url] } }),
        json!({ "settings": { "DB_PASSWORD": "hunter2b", "URL": "x", "T": "a\npassword=hunter2", "L": [] } }),
    )];
    changes[0].after.as_mut().unwrap().insert("s".into(), secret);
    changes[0].notes = vec![format!("cannot reach {url}")];
    changes[0].failure = Some(Failure::new(Class::Other, "no").detail(url));
    let page = plan(&ChangeSet { changes }, PlanView { full: true });
    for text in [terminal(&page).plain(), terminal(&page).ansi(), json(&page)] {
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("(sensitive value)"));
    }
}

#[test]
fn long_texts_and_lists_are_compared_inside() {
    let old = "one\ntwo\nthree\nfour\nfive\nsix\n";
    let change = change(
        "deployment",
        "x",
        Action::Update,
        json!({ "script": old, "names": ["a", "b", "c"] }),
        json!({ "script": old.replace("six", "SIX"), "names": ["a", "c", "d"] }),
    );
    insta::assert_snapshot!(text(vec![change]), @r#"
    pgentra used the plan file to generate the following execution plan. Resource
    actions are indicated with the following symbols:
      ~ update in-place

    pgentra will perform the following actions:

      # deployment.x will be updated in-place
      # undo: faithful
      ~ resource "deployment" "x" {
          ~ names  = [
              - "b",
              + "d",
                # (2 unchanged elements hidden)
            ]
          ~ script = <<-EOT
                three
                four
                five
              - six
              + SIX
            EOT
        }

    Plan: 0 to add, 1 to change, 0 to destroy.
    "#);
}
