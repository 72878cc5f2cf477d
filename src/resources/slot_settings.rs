//! Kind `slot_settings`: names of settings and connection strings that stay with their slot when slots are swapped.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use super::live::{entries, entry, optional_text, site_id};
use super::rewrite::rewrite;
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::azure::STICKY_LISTS;
use crate::model::{Attributes, Failure, Field, Look, Nature, Reading, Schema, Step, Type, Undo, Value};

/// The kind `slot_settings`.
pub struct SlotSettings;

static SCHEMA: Schema = Schema {
    kind: "slot_settings",
    doc: "Settings and connection strings of an app that stay with their slot when slots are swapped. There is one set of \
          names for all slots; names that the plan file does not list stay as they are.",
    nature: Nature::Resource,
    fields: &[
        Field::new("subscription", Type::Guid, "Azure subscription id of the app.").key(),
        Field::new("resource_group", Type::Text, "Azure resource group of the app.").key(),
        Field::new("app", Type::Text, "The app, by its Azure name.").key(),
        Field::new("app_settings", Type::Map(&Type::Bool), "Names of app settings."),
        Field::new("connection_strings", Type::Map(&Type::Bool), "Names of connection strings."),
    ],
    outputs: &[],
    undo: |_, _| Undo::Faithful,
    serial_key: |key| optional_text(key, "app").map(|app| format!("site:{app}")),
    restarts: |_, _| 0,
    consistent_within: Duration::from_secs(30),
};

/// Our fields and Azure's lists.
const FIELDS: [(&str, &str); 2] = [("app_settings", STICKY_LISTS[0]), ("connection_strings", STICKY_LISTS[1])];

fn names<'a>(all: &'a Map<String, Json>, list: &str) -> Vec<&'a str> {
    all.get(list).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect()
}

#[async_trait]
impl Kind for SlotSettings {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::SLOT_SETTINGS
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let all = live.arm.sticky_names(&site_id(look.key)?).await?;
        let mut attributes = Attributes::new();
        for (field, list) in FIELDS.iter().filter(|(field, _)| look.attributes.contains_key(*field)) {
            let there = names(&all, list);
            let one = |(name, _): (&String, &Value)| {
                let sticky = there.contains(&name.as_str());
                (name.clone(), if sticky { Value::Bool(true) } else { Value::Null })
            };
            attributes
                .insert((*field).to_owned(), Value::Map(entries(Some(look.attributes), field).map(one).collect()));
        }
        Ok(Reading::present(attributes, Attributes::new()))
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let id = site_id(&step.key)?;
        let (before, after) = (step.before.as_ref(), step.after.as_ref());
        let merged = async || {
            let mut all = live.arm.sticky_names(&id).await?;
            Ok(merge(&mut all, before, after).then_some(all))
        };
        let put = async |all| {
            watch.note(&format!("changing the slot settings of {}", id.whole_app()));
            live.arm.put_sticky_names(&id, all, &|text| watch.note(text)).await
        };
        rewrite(live, watch, merged, put).await.map(|()| Written::Done)
    }
}

/// Sets the names that a step is about in the live lists; answers whether that changed anything.
fn merge(all: &mut Map<String, Json>, before: Option<&Attributes>, after: Option<&Attributes>) -> bool {
    let mut changes = false;
    for (field, list) in FIELDS {
        let there = names(all, list);
        let ours: BTreeSet<&String> =
            entries(before, field).chain(entries(after, field)).map(|(name, _)| name).collect();
        let wanted = |name: &str| *entry(after, field, name) == Value::Bool(true);
        let is_ours = |name: &str| ours.iter().any(|own| *own == name);
        let mut new: Vec<&str> = there.iter().copied().filter(|name| !is_ours(name) || wanted(name)).collect();
        new.extend(ours.iter().map(|name| name.as_str()).filter(|name| wanted(name) && !there.contains(name)));
        if new != there {
            changes = true;
            let new = Json::from(new.into_iter().map(str::to_owned).collect::<Vec<_>>());
            all.insert(list.to_owned(), new);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use crate::azure::double::{Seen, reply};
    use crate::model::Attributes;
    use crate::resources::arm_testing::{attributes, read, write};
    use serde_json::{Value as Json, json};

    fn key() -> Attributes {
        attributes(json!({ "subscription": "s", "resource_group": "rg", "app": "app" }))
    }

    fn answer(seen: &Seen) -> crate::azure::double::Reply {
        assert!(seen.path.ends_with("/sites/app/config/slotConfigNames"), "{}", seen.path);
        let names = json!({
            "appSettingNames": ["THEIRS", "OLD"], "connectionStringNames": null, "azureStorageConfigNames": ["mount"],
        });
        reply(200, json!({ "name": "app", "properties": names }))
    }

    #[tokio::test]
    async fn only_the_names_asked_for_are_answered() {
        let asked =
            attributes(json!({ "app_settings": { "OLD": true, "NEW": true }, "connection_strings": { "C": true } }));
        let (state, _) = read("slot_settings", &key(), &asked, answer).await;
        let found = json!({ "app_settings": { "OLD": true, "NEW": null }, "connection_strings": { "C": null } });
        assert_eq!(state.unwrap(), attributes(found));
    }

    #[tokio::test]
    async fn others_names_and_lists_stay() {
        let before = attributes(json!({ "app_settings": { "OLD": true, "NEW": null } }));
        let after = attributes(json!({ "app_settings": { "NEW": true } }));
        let (done, double) = write("slot_settings", &key(), Some(before), Some(after), answer).await;
        done.unwrap();
        let sent = json!({ "properties": {
            "appSettingNames": ["THEIRS", "NEW"], "connectionStringNames": null, "azureStorageConfigNames": ["mount"],
        } });
        assert_eq!(double.seen()[1].body, sent);
    }

    #[tokio::test]
    async fn what_is_already_so_is_not_written() {
        let after = attributes(json!({ "app_settings": { "OLD": true, "GONE": Json::Null } }));
        let (done, double) = write("slot_settings", &key(), None, Some(after), answer).await;
        done.unwrap();
        assert_eq!(double.calls().len(), 1);
    }
}
