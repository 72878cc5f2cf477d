//! The explanation of one resource.

use std::collections::BTreeSet;

use serde_json::json;

use super::{change, everything};
use crate::diff::{Action, ChangeSet, Reason};
use crate::model::{Address, Attributes, Step, Undo};
use crate::report::{Explained, MarkdownView, Page, RoleView, explain, html, json, markdown, terminal};

fn step(address: &Address) -> Step {
    Step {
        id: format!("{address}@owner"),
        address: address.clone(),
        key: Attributes::new(),
        before: None,
        after: None,
        via: Some("owner".into()),
        undo: Undo::Faithful,
        leans_on: BTreeSet::from(["app_identity.geoapi".to_owned()]),
        serial_key: Some("site:geoapi".into()),
        restarts: 1,
    }
}

#[test]
fn a_change_is_explained() {
    let changes = ChangeSet { changes: everything() };
    let settings = changes.get(&Address::new("app_settings", "geoapi")).unwrap();
    let step = step(&settings.address);
    let told = Explained {
        steps: vec![&step],
        serial_key: Some("site:geoapi".into()),
        gates: BTreeSet::from([Address::new("validation", "geoapi")]),
        dependants: BTreeSet::from([Address::new("check", "health")]),
        place: Some("plan.toml:12".into()),
        rules: vec![("plan.toml:40".into(), "app".into(), vec!["SELECT on 2 tables: geo.a, geo.b".into()])],
        roles: vec![
            RoleView {
                role: "app".into(),
                old: "pw".into(),
                lacks: vec!["CREATE on schema: geo".into()],
                ..RoleView::default()
            },
            RoleView { role: "app".into(), old: "other".into(), ..RoleView::default() },
        ],
        notes: vec!["something".into()],
    };
    let page = explain(settings, &changes, &told);
    let text = terminal(&page).plain();
    let (_, text) = text.split_once("Why:").unwrap();
    insta::assert_snapshot!(text, @r"

      it is as the plan file says
      it stands at plan.toml:12

    What leans on it:

      check.health will be checked

    Gates:

      validation.geoapi is held: evidence covers 2 of 7 days

    Undo:

      never: the old value of PASSWORD cannot be read back

    Written by:

      step app_settings.geoapi@owner through connection owner
        1 restart
        after app_identity.geoapi
      never while another step of site:geoapi runs

    Rules:

      plan.toml:40 gives app
        SELECT on 2 tables: geo.a, geo.b

    What app may do, beside pw:

      lacks CREATE on schema: geo

    What app may do, beside other:

      the same

    Remarks:

      something
    ");
    let data: serde_json::Value = serde_json::from_str(&json(&page)).unwrap();
    assert_eq!(data["effective"][0]["lacks"], json!(["CREATE on schema: geo"]));
    assert_eq!(data["resource_change"]["change"]["after"]["settings"]["PASSWORD"], "(sensitive value)");
}

const EVIL: &str = "x\n```\n</details><script>a</script>\n::error::b\n##vso[task.c]\u{1b}[31m\u{202e}|`@all";

fn hostile() -> Page {
    let mut changes = everything();
    let mut evil = change("database_grants", EVIL, Action::Update, json!({ EVIL: "1" }), json!({ EVIL: "2" }));
    evil.reason = Reason::Differs(vec![EVIL.into()]);
    evil.leans_on = BTreeSet::from([Address::new("database_role", EVIL)]);
    evil.undo = Undo::Lossy(EVIL.into());
    changes.push(evil);
    let changes = ChangeSet { changes };
    let evil = changes.changes.last().unwrap();
    let step = Step { id: EVIL.into(), via: Some(EVIL.into()), serial_key: Some(EVIL.into()), ..step(&evil.address) };
    let view = RoleView { role: EVIL.into(), old: EVIL.into(), gains: vec![EVIL.into()], lacks: vec![EVIL.into()] };
    let told = Explained {
        steps: vec![&step],
        serial_key: Some(EVIL.into()),
        gates: BTreeSet::from([Address::new("validation", EVIL)]),
        dependants: BTreeSet::from([Address::new("check", EVIL)]),
        place: Some(EVIL.into()),
        rules: vec![(EVIL.into(), EVIL.into(), vec![EVIL.into()])],
        roles: vec![view],
        notes: vec![EVIL.into()],
    };
    explain(evil, &changes, &told)
}

#[test]
fn hostile_names_stay_names_in_an_explanation() {
    let page = hostile();
    let comment = markdown(&page, MarkdownView { subject: "plan x", budget: 65_536 });
    for text in [terminal(&page).plain(), json(&page), comment.clone(), html(&page, "x")] {
        assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}') && !text.contains("##vso["), "{text}");
        assert!(text.lines().all(|line| !line.trim_start().starts_with("::")), "{text}");
    }
    assert!(!html(&page, "x").contains("<script>a"));
    let fences = comment.lines().filter(|line| line.starts_with("```")).count();
    assert_eq!(fences % 2, 0, "every fence is closed:\n{comment}");
    assert_eq!(comment.lines().filter(|line| *line == "</details>").count(), 1, "{comment}");
}
