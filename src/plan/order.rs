//! The built-in order: server_auth, server_admin, firewall_rule, role, database, schema, grants, privilege check,
//! app_settings, deployment, app check, validation, soak. The order inside a cleanup is made where it is lowered.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::lower_server::server_of;
use super::refs::Edges;
use crate::model::{Address, Attributes, Finding, Graph, Place, Value};

type Index<K> = BTreeMap<K, BTreeSet<Address>>;

/// An app or a slot of it, folded for comparison.
type Site = (String, Option<String>);

/// Who stands where, so that the order can be looked up.
#[derive(Default)]
struct Indexes {
    /// Server -> its server_auth and server_admin.
    control: Index<String>,
    /// Server -> its server_auth.
    auth: Index<String>,
    /// Server -> firewall_rule.
    doors: Index<String>,
    /// Server and database -> database.
    databases: Index<(String, String)>,
    /// Server and database -> schemas of it.
    schemas: Index<(String, String)>,
    /// Server and role name -> database_role.
    roles: Index<(String, String)>,
    /// Server and role name -> grants and privilege checks about it.
    rights: Index<(String, String)>,
    /// Server, database and role name -> database_grants.
    grants: Index<(String, String, String)>,
    /// Site -> app_identity.
    identities: Index<Site>,
    /// Site -> app_settings.
    settings: Index<Site>,
    /// Site -> deployment.
    deployments: Index<Site>,
    /// App -> slot_settings.
    slots: Index<String>,
    /// Site -> HTTP checks of it.
    probes: Index<Site>,
    /// Name -> validation.
    validations: Index<String>,
    /// Server and role name -> password_login.
    logins: Index<(String, String)>,
    /// app_identity -> the server and name of each role that stands for it.
    stands_for: BTreeMap<Address, BTreeSet<(String, String)>>,
}

/// Adds the built-in order to the drafts.
pub(super) fn built_in(drafts: &mut [Draft]) {
    let indexes = Indexes::new(drafts);
    let more: Vec<BTreeSet<Address>> = drafts.iter().map(|draft| indexes.before(draft)).collect();
    for (draft, more) in drafts.iter_mut().zip(more) {
        draft.after.extend(more);
    }
}

/// Lays out the graph and says where it runs in circles.
pub(super) fn graph(drafts: &[Draft], edges: &Edges, findings: &mut Vec<Finding>) -> Graph<Address> {
    let leans = drafts.iter().map(|draft| (draft.address.clone(), draft.after.clone())).collect();
    let graph = Graph::new(&leans);
    for cycle in graph.cycles() {
        let path: Vec<String> = cycle.0.iter().map(Address::to_string).collect();
        let written = cycle.0.windows(2).find_map(|pair| match pair {
            [from, to] => edges.get(&(from.clone(), to.clone())).cloned(),
            _ => None,
        });
        let first =
            || drafts.iter().find(|draft| cycle.0.first() == Some(&draft.address)).map(|draft| draft.span.clone());
        findings.push(
            Finding::error(
                "cycle",
                format!("these lean on each other: {}", path.join(" -> ")),
                written.or_else(first).map(Place::from),
            )
            .label("this closes the circle")
            .remedy("remove one of the references or one `after` on the way"),
        );
    }
    graph
}

impl Indexes {
    fn new(drafts: &[Draft]) -> Self {
        let mut all = Self::default();
        for draft in drafts {
            let address = || draft.address.clone();
            let server = server_of(&draft.key).map(fold);
            match (draft.address.kind.as_str(), server) {
                (kind @ ("server_auth" | "server_admin"), Some(server)) => {
                    if kind == "server_auth" {
                        all.auth.entry(server.clone()).or_default().insert(address());
                    }
                    all.control.entry(server).or_default().insert(address());
                }
                ("firewall_rule", Some(server)) => _ = all.doors.entry(server).or_default().insert(address()),
                ("database", Some(server)) => {
                    let database = (server, text(&draft.key, "name"));
                    all.databases.entry(database).or_default().insert(address());
                }
                ("schema", Some(server)) => {
                    let database = (server, text(&draft.key, "database"));
                    all.schemas.entry(database).or_default().insert(address());
                }
                ("database_role", Some(server)) => all.add_role(draft, server),
                ("database_grants", Some(server)) => {
                    let database = text(&draft.key, "database");
                    for role in roles_of(&draft.attributes) {
                        all.rights.entry((server.clone(), role.clone())).or_default().insert(address());
                        all.grants.entry((server.clone(), database.clone(), role)).or_default().insert(address());
                    }
                }
                ("check", _) => {
                    if let Some(of) = draft.attributes.get("privileges").and_then(Value::as_map) {
                        let role = (fold(&text(of, "server")), text(of, "role"));
                        all.rights.entry(role).or_default().insert(address());
                    }
                    if let Some(of) = draft.attributes.get("http").and_then(Value::as_map) {
                        all.probes.entry(site(of)).or_default().insert(address());
                    }
                }
                ("validation", _) => {
                    _ = all.validations.entry(text(&draft.key, "name")).or_default().insert(address());
                }
                ("password_login", Some(server)) => {
                    let role = (server, text(&draft.key, "name"));
                    all.logins.entry(role).or_default().insert(address());
                }
                ("app_identity", _) => _ = all.identities.entry(site(&draft.key)).or_default().insert(address()),
                ("app_settings", _) => _ = all.settings.entry(site(&draft.key)).or_default().insert(address()),
                ("deployment", _) => _ = all.deployments.entry(site(&draft.key)).or_default().insert(address()),
                ("slot_settings", _) => _ = all.slots.entry(site(&draft.key).0).or_default().insert(address()),
                _ => {}
            }
        }
        all
    }

    fn add_role(&mut self, draft: &Draft, server: String) {
        let role = (server, text(&draft.key, "name"));
        self.roles.entry(role.clone()).or_default().insert(draft.address.clone());
        if let Some(Value::Open(reference)) = draft.attributes.get("object_id") {
            self.stands_for.entry(reference.address.clone()).or_default().insert(role);
        }
    }

    /// Everything that has to be done before this draft.
    fn before(&self, draft: &Draft) -> BTreeSet<Address> {
        let server = server_of(&draft.key).map(fold).unwrap_or_default();
        let mut before = BTreeSet::new();
        match draft.address.kind.as_str() {
            "server_admin" => before.extend(found(&self.auth, &server)),
            "firewall_rule" => before.extend(found(&self.control, &server)),
            "database" => self.before_place(&server, &draft.attributes, &mut before),
            "schema" => {
                before.extend(found(&self.databases, &(server.clone(), text(&draft.key, "database"))));
                self.before_place(&server, &draft.attributes, &mut before);
            }
            "database_role" => {
                before.extend(self.ways_in(&server));
                let member_of = draft.attributes.get("member_of").and_then(Value::as_map);
                for role in member_of.into_iter().flat_map(Attributes::keys) {
                    before.extend(found(&self.roles, &(server.clone(), role.clone())));
                }
            }
            "password_login" | "role_password" | "server_password_auth" => before.extend(self.ways_in(&server)),
            "database_grants" => {
                before.extend(self.ways_in(&server));
                let database = (server.clone(), text(&draft.key, "database"));
                before.extend(found(&self.databases, &database).chain(found(&self.schemas, &database)));
                for role in roles_of(&draft.attributes).into_iter().chain(creators_of(&draft.attributes)) {
                    before.extend(found(&self.roles, &(server.clone(), role)));
                }
            }
            "app_settings" => self.before_settings(draft, &mut before),
            "deployment" => {
                // The new code may use the identity even where no settings are managed.
                self.before_settings(draft, &mut before);
                before.extend(found(&self.settings, &site(&draft.key)));
            }
            "check" => self.before_check(&draft.attributes, &mut before),
            "validation" => self.before_validation(&draft.attributes, &mut before),
            "soak" => {
                before.extend(found(&self.validations, &text(&draft.attributes, "validation")));
                if let Some(old) = draft.attributes.get("old_role").and_then(Value::as_map) {
                    before.extend(found(&self.logins, &(fold(&text(old, "server")), text(old, "name"))));
                }
            }
            _ => {}
        }
        before.remove(&draft.address);
        before
    }

    /// All that lets anybody into the databases of a server.
    fn ways_in(&self, server: &String) -> impl Iterator<Item = Address> + '_ {
        found(&self.control, server).chain(found(&self.doors, server))
    }

    /// A database or schema is made when one gets in, and handed to an owner who is there.
    fn before_place(&self, server: &String, attributes: &Attributes, before: &mut BTreeSet<Address>) {
        before.extend(self.ways_in(server));
        before.extend(found(&self.roles, &(server.clone(), text(attributes, "owner"))));
    }

    fn before_settings(&self, draft: &Draft, before: &mut BTreeSet<Address>) {
        let site = site(&draft.key);
        before.extend(found(&self.slots, &site.0));
        let identities: BTreeSet<Address> = found(&self.identities, &site).collect();
        let named =
            self.roles.iter().filter(|(_, addresses)| !addresses.is_disjoint(&draft.after)).map(|(role, _)| role);
        let meant = identities.iter().filter_map(|identity| self.stands_for.get(identity)).flatten();
        for role in named.chain(meant) {
            before.extend(found(&self.roles, role).chain(found(&self.rights, role)));
        }
        before.extend(identities);
    }

    /// All that makes the app and its roles what observations are about.
    fn before_validation(&self, attributes: &Attributes, before: &mut BTreeSet<Address>) {
        if let Some(of) = attributes.get("app").and_then(Value::as_map) {
            let site = site(of);
            before.extend(found(&self.identities, &site).chain(found(&self.settings, &site)));
            before.extend(found(&self.probes, &site).chain(found(&self.slots, &site.0)));
            before.extend(found(&self.deployments, &site));
        }
        for (list, name) in [("roles", "name"), ("privileges", "role")] {
            let tables = attributes.get(list).and_then(Value::as_list).unwrap_or_default();
            for of in tables.iter().filter_map(Value::as_map) {
                let role = (fold(&text(of, "server")), text(of, name));
                before.extend(self.ways_in(&role.0));
                before.extend(found(&self.roles, &role).chain(found(&self.rights, &role)));
            }
        }
    }

    fn before_check(&self, attributes: &Attributes, before: &mut BTreeSet<Address>) {
        let part = |name: &str| attributes.get(name).and_then(Value::as_map);
        if let Some(of) = part("http").filter(|http| http.contains_key("app")) {
            let site = site(of);
            before.extend(found(&self.identities, &site).chain(found(&self.settings, &site)));
            before.extend(found(&self.deployments, &site));
        }
        for of in part("privileges").into_iter().chain(part("login")) {
            let (server, role) = (fold(&text(of, "server")), text(of, "role"));
            before.extend(self.ways_in(&server));
            before.extend(found(&self.roles, &(server.clone(), role.clone())));
            before.extend(found(&self.grants, &(server, text(of, "database"), role)));
        }
    }
}

fn found<'a, K: Ord>(index: &'a Index<K>, key: &K) -> impl Iterator<Item = Address> + 'a + use<'a, K> {
    index.get(key).into_iter().flatten().cloned()
}

fn fold(text: &str) -> String {
    text.to_ascii_lowercase()
}

fn text(map: &Attributes, name: &str) -> String {
    map.get(name).and_then(Value::as_text).unwrap_or_default().to_owned()
}

fn site(map: &Attributes) -> Site {
    (fold(&text(map, "app")), map.get("slot").and_then(Value::as_text).map(fold))
}

/// The roles whose future objects grants are about.
fn creators_of(attributes: &Attributes) -> BTreeSet<String> {
    let rules = attributes.get("grants").and_then(Value::as_list).unwrap_or_default();
    let future = rules.iter().filter_map(|rule| rule.as_map()?.get("future")?.as_list());
    future.flatten().filter_map(Value::as_text).map(str::to_owned).collect()
}

fn roles_of(attributes: &Attributes) -> BTreeSet<String> {
    let rules = attributes.get("grants").and_then(Value::as_list).unwrap_or_default();
    rules.iter().filter_map(Value::as_map).map(|rule| text(rule, "role")).collect()
}
