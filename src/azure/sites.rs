//! Function Apps, Web Apps and their slots: the site, its identities, its settings, its slot-sticky names.

use std::collections::BTreeMap;

use azure_core::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::azure::arm::{Arm, Note, segment};
use crate::azure::refusal::{Refusal, answer_unclear};
use crate::model::{Class, Failure};

/// The API version of Microsoft.Web. Older ones than 2023-12-01 are refused for Flex Consumption apps.
pub const WEB_VERSION: &str = "2024-11-01";

/// The lists of slot-sticky names: settings, connection strings, storage mounts.
pub const STICKY_LISTS: [&str; 3] = ["appSettingNames", "connectionStringNames", "azureStorageConfigNames"];

/// Where an app or a slot of it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteId {
    /// Azure subscription id.
    pub subscription: String,
    /// Azure resource group.
    pub resource_group: String,
    /// The app's Azure name.
    pub app: String,
    /// The slot; `None` is the app itself, which Azure also calls `production`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
}

impl SiteId {
    /// The app without its slot.
    pub fn whole_app(&self) -> Self {
        Self { slot: None, ..self.clone() }
    }

    /// Its ARM id.
    pub fn arm_id(&self) -> String {
        self.path("")
    }

    fn path(&self, rest: &str) -> String {
        let slot = self.slot.as_deref().filter(|slot| !slot.eq_ignore_ascii_case("production"));
        let slot = slot.map(|slot| format!("/slots/{}", segment(slot))).unwrap_or_default();
        let (subscription, group) = (segment(&self.subscription), segment(&self.resource_group));
        let app = segment(&self.app);
        format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Web/sites/{app}{slot}{rest}")
    }
}

impl std::fmt::Display for SiteId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.slot {
            Some(slot) => write!(f, "app {} slot {slot}", self.app),
            None => write!(f, "app {}", self.app),
        }
    }
}

/// A site as far as pgentra reads it. What it does not know is kept in `rest`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Site {
    /// `functionapp,linux` and the like.
    pub kind: Option<String>,
    /// Its managed identities.
    pub identity: Option<Identity>,
    /// Its properties.
    pub properties: SiteProperties,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The properties of a site.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SiteProperties {
    /// `Running`, `Stopped`, ...
    pub state: Option<String>,
    /// Its host name, in an emulator with a port.
    pub default_host_name: Option<String>,
    /// The operation that is under way.
    pub in_progress_operation_id: Option<String>,
    /// The slot that a swap with preview is about to swap into.
    pub target_swap_slot: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The managed identities of a site.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Identity {
    /// `SystemAssigned`, `UserAssigned`, both with a comma between, or `None`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The object id of the system-assigned one.
    pub principal_id: Option<String>,
    /// Its tenant.
    pub tenant_id: Option<String>,
    /// The user-assigned ones by ARM id, in Azure's spelling.
    #[serde(deserialize_with = "or_default")]
    pub user_assigned_identities: BTreeMap<String, UserAssigned>,
}

/// One user-assigned identity.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserAssigned {
    /// Its object id.
    pub principal_id: Option<String>,
    /// Its client id.
    pub client_id: Option<String>,
}

fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Identity {
    /// Whether it has a system-assigned identity.
    pub fn has_system(&self) -> bool {
        let words = self.kind.as_deref().unwrap_or_default().split(',');
        words.map(str::trim).any(|word| word.eq_ignore_ascii_case("SystemAssigned"))
    }

    /// The user-assigned identity of this ARM id, whatever its case.
    pub fn user_assigned(&self, id: &str) -> Option<&UserAssigned> {
        self.user_assigned_identities.iter().find(|(own, _)| own.eq_ignore_ascii_case(id)).map(|(_, found)| found)
    }

    /// The body that makes a site have these identities: every one that stays, and `null` for each that goes.
    pub fn body(system: bool, stay: &[String], go: &[String]) -> Value {
        let kind = match (system, stay.is_empty()) {
            (true, false) => "SystemAssigned, UserAssigned",
            (true, true) => "SystemAssigned",
            (false, false) => "UserAssigned",
            (false, true) => "None",
        };
        let mut identity = Map::from_iter([("type".to_owned(), json!(kind))]);
        if !stay.is_empty() {
            let stay = stay.iter().map(|id| (id.clone(), json!({})));
            let all: Map<String, Value> = stay.chain(go.iter().map(|id| (id.clone(), Value::Null))).collect();
            identity.insert("userAssignedIdentities".to_owned(), Value::Object(all));
        }
        json!({ "identity": identity })
    }
}

impl Site {
    /// Why a change would fall into another one that is under way, if so. The status of the last swap stays on a site
    /// for good and says nothing.
    pub fn busy(&self) -> Option<String> {
        let pending = |id: &&String| !id.is_empty() && id.chars().any(|c| c.is_ascii_alphanumeric() && c != '0');
        if let Some(id) = self.properties.in_progress_operation_id.as_ref().filter(pending) {
            return Some(format!("operation {id} is under way"));
        }
        let target = self.properties.target_swap_slot.as_ref().filter(|slot| !slot.is_empty());
        target.map(|slot| format!("a swap with slot {slot} is under way"))
    }

    /// Refuses when another change is under way.
    pub fn refuse_busy(&self, id: &SiteId) -> Result<(), Failure> {
        let Some(why) = self.busy() else { return Ok(()) };
        let failure = Failure::new(Class::Busy, "the app is busy").detail(format!("{id}: {why}"));
        Err(failure.remedy("wait until it is over, complete or cancel the swap, then run the same command again"))
    }

    /// The host name of its default address, in an emulator with a port.
    pub fn host(&self) -> Option<&str> {
        self.properties.default_host_name.as_deref().filter(|host| !host.is_empty())
    }
}

fn decode<T: serde::de::DeserializeOwned>(what: &str, body: Value) -> Result<T, Refusal> {
    serde_json::from_value(body).map_err(|error| Refusal::ours(answer_unclear(format!("{what}: {error}"))))
}

/// The `properties` object of an answer.
fn properties(what: &str, mut body: Value) -> Result<Map<String, Value>, Refusal> {
    match body["properties"].take() {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        _ => decode(what, Value::Null),
    }
}

impl Arm {
    /// Reads a site.
    pub async fn site(&self, id: &SiteId) -> Result<Site, Refusal> {
        decode("an app", self.get(&id.path(""), WEB_VERSION).await?)
    }

    /// All slots of an app but the app itself, by name.
    pub async fn slots(&self, id: &SiteId) -> Result<BTreeMap<String, Site>, Refusal> {
        let mut slots = BTreeMap::new();
        for body in self.list(&id.whole_app().path("/slots"), WEB_VERSION).await? {
            // A slot is called `app/slot`.
            let name = body["name"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default().to_owned();
            slots.insert(name, decode("a slot", body)?);
        }
        Ok(slots)
    }

    /// Sets a site's identities; see [`Identity::body`]. Nothing else of the site is sent. As all that replaces what others
    /// may write, too, it is sent once; see [`Arm::replace`].
    pub async fn patch_identity(&self, id: &SiteId, body: &Value, note: Note<'_>) -> Result<(), Refusal> {
        self.replace(Method::Patch, &id.path(""), WEB_VERSION, body, note).await
    }

    /// All app settings, values in clear. Needs `Microsoft.Web/sites/config/list/Action`.
    pub async fn settings(&self, id: &SiteId) -> Result<Map<String, Value>, Refusal> {
        let path = id.path("/config/appsettings/list");
        properties("app settings", self.list_by_post(&path, WEB_VERSION).await?)
    }

    /// All connection strings: name -> `{value, type}`, values in clear. Needs the same right as the settings.
    pub async fn connection_strings(&self, id: &SiteId) -> Result<Map<String, Value>, Refusal> {
        let path = id.path("/config/connectionstrings/list");
        properties("connection strings", self.list_by_post(&path, WEB_VERSION).await?)
    }

    /// Replaces all app settings; the app restarts.
    pub async fn put_settings(&self, id: &SiteId, all: Map<String, Value>, note: Note<'_>) -> Result<(), Refusal> {
        let body = json!({ "properties": all });
        let path = id.path("/config/appsettings");
        self.replace(Method::Put, &path, WEB_VERSION, &body, note).await
    }

    /// Replaces all connection strings; the app restarts.
    pub async fn put_connection_strings(
        &self,
        id: &SiteId,
        all: Map<String, Value>,
        note: Note<'_>,
    ) -> Result<(), Refusal> {
        let body = json!({ "properties": all });
        let path = id.path("/config/connectionstrings");
        self.replace(Method::Put, &path, WEB_VERSION, &body, note).await
    }

    /// The slot-sticky names of an app (one set for all its slots), as Azure keeps them: see [`STICKY_LISTS`].
    pub async fn sticky_names(&self, id: &SiteId) -> Result<Map<String, Value>, Refusal> {
        let path = id.whole_app().path("/config/slotConfigNames");
        properties("slot settings", self.get(&path, WEB_VERSION).await?)
    }

    /// Replaces the slot-sticky names of an app.
    pub async fn put_sticky_names(&self, id: &SiteId, all: Map<String, Value>, note: Note<'_>) -> Result<(), Refusal> {
        let body = json!({ "properties": all });
        let path = id.whole_app().path("/config/slotConfigNames");
        self.replace(Method::Put, &path, WEB_VERSION, &body, note).await
    }
}

#[cfg(test)]
mod tests {
    use super::{Identity, Site, SiteId};
    use serde_json::json;

    fn id(app: &str, slot: Option<&str>) -> SiteId {
        SiteId { subscription: "s".into(), resource_group: "rg".into(), app: app.into(), slot: slot.map(str::to_owned) }
    }

    #[test]
    fn a_name_cannot_become_another_path() {
        let base = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Web/sites";
        assert_eq!(id("a", None).path("/config/web"), format!("{base}/a/config/web"));
        assert_eq!(id("a", Some("staging")).path(""), format!("{base}/a/slots/staging"));
        assert_eq!(id("a", Some("Production")).path(""), format!("{base}/a"));
        assert_eq!(id("../x?y#z", None).path(""), format!("{base}/..%2Fx%3Fy%23z"));
        assert_eq!(id("..", None).path(""), format!("{base}/%2E%2E"));
    }

    #[test]
    fn the_last_swap_is_no_reason_to_wait() {
        let site = |properties| serde_json::from_value::<Site>(json!({ "properties": properties })).unwrap();
        assert_eq!(site(json!({ "slotSwapStatus": { "sourceSlotName": "staging" } })).busy(), None);
        let zero = "00000000-0000-0000-0000-000000000000";
        assert_eq!(site(json!({ "inProgressOperationId": zero, "targetSwapSlot": null })).busy(), None);
        assert!(site(json!({ "inProgressOperationId": "7f0e" })).busy().unwrap().contains("7f0e"));
        assert!(site(json!({ "targetSwapSlot": "staging" })).busy().unwrap().contains("staging"));
    }

    #[test]
    fn identity_bodies_name_all_that_stays() {
        let (a, b) = ("/a".to_owned(), "/b".to_owned());
        let body = Identity::body(true, &[a], std::slice::from_ref(&b));
        assert_eq!(body["identity"]["type"], "SystemAssigned, UserAssigned");
        assert_eq!(body["identity"]["userAssignedIdentities"], json!({ "/a": {}, "/b": null }));
        assert_eq!(Identity::body(false, &[], &[b]), json!({ "identity": { "type": "None" } }));
    }

    #[test]
    fn identities_are_found_in_any_spelling() {
        let identity: Identity = serde_json::from_value(json!({
            "type": "systemassigned,UserAssigned",
            "userAssignedIdentities": { "/Subscriptions/S/x": { "principalId": "p", "clientId": "c" } },
        }))
        .unwrap();
        assert!(identity.has_system());
        assert_eq!(identity.user_assigned("/subscriptions/s/X").unwrap().client_id.as_deref(), Some("c"));
        assert!(identity.user_assigned("/subscriptions/s/y").is_none());
        let none: Identity = serde_json::from_value(json!({ "type": "None", "userAssignedIdentities": null })).unwrap();
        assert!(!none.has_system());
    }
}
