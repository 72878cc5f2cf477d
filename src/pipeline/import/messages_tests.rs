//! Messages of an import that does not find its server or is not let in, to be read as a terminal shows them.

use serde_json::{Map, json};

use super::{Seen, Wanted, find_server, shut_out};
use crate::azure::double::reply;
use crate::azure::{Identity, Server, ServerId, SiteId};
use crate::cli::told::told;
use crate::model::Cloud;
use crate::resources::arm_testing::live;
use crate::resources::{Said, SignIn};

fn wanted(server: Option<&str>) -> Wanted {
    Wanted {
        cloud: Cloud::Public,
        site: SiteId { subscription: "s".into(), resource_group: "rg".into(), app: "web".into(), slot: None },
        server: server.map(str::to_owned),
        databases: Vec::new(),
        role: None,
        admin: None,
        connection: None,
    }
}

#[tokio::test]
async fn servers_that_are_not_found() {
    let server = |name: &str| {
        let id =
            format!("/subscriptions/s/resourceGroups/rg/providers/Microsoft.DBforPostgreSQL/flexibleServers/{name}");
        json!({ "id": id, "name": name, "properties": { "fullyQualifiedDomainName": format!("{name}.example") } })
    };
    let all = json!({ "value": [server("one"), server("two")] });
    let (live, _) = live(move |_| reply(200, all.clone()));
    let hosts =
        |hosts: &[&str]| Said { hosts: hosts.iter().map(|host| (*host).to_owned()).collect(), ..Said::default() };
    let server_id = ServerId { subscription: "s".into(), resource_group: "rg".into(), server: "one".into() };
    let mut seen = Seen {
        wanted: wanted(None),
        tenant: None,
        function: true,
        identity: Identity::default(),
        settings: Map::new(),
        sticky: std::collections::BTreeSet::new(),
        sign_in: SignIn::ManagedIdentity { fallback: false },
        said: Said::default(),
        server_id,
        server: Server::default(),
        admins: Vec::new(),
        firewall: Err(String::new()),
        shut: None,
        role: "web-identity".into(),
        state: None,
        databases: Vec::new(),
    };
    let shut = "nobody administers the server by Entra yet, and no other way to sign in was given".to_owned();
    let failures = [
        find_server(&live, &wanted(Some("three")), &Said::default()).await.unwrap_err(),
        find_server(&live, &wanted(None), &hosts(&["three.example"])).await.unwrap_err(),
        find_server(&live, &wanted(None), &hosts(&["one.example", "two.example"])).await.unwrap_err(),
        shut_out(&mut seen, shut, None).unwrap_err(),
    ];
    insta::assert_snapshot!(told(&failures));
}
