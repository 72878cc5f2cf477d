//! The rules on made-up facts: a healthy app has no symptom, and each symptom alone is found, and it alone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::facts::{
    Facts, FirewallRule, Gap, GapKind, OldRole, RoleFacts, Said, Seen, ServerFacts, SiteFacts, SlotFacts, Source,
};
use super::{Diagnosis, RULES, Severity, diagnose};
use crate::azure::{AuthConfig, Identity, ServerId, SiteId, UserAssigned};
use crate::evidence::Times;
use crate::model::{Class, Failure, Tls};
use crate::postgres::{RoleState, Session};
use crate::resources::SignIn;

const PRINCIPAL: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const OTHER: &str = "bbbbbbbb-0000-4000-8000-000000000002";
const AUDIENCE: &str = "https://ossrdbms-aad.database.windows.net";

fn now() -> Timestamp {
    Timestamp::from_second(1_793_491_200).unwrap()
}

fn times(runner_off: i64, server_off: i64) -> Times {
    let off = |seconds| now() + SignedDuration::from_secs(seconds);
    Times { server: Some(off(server_off)), azure: Some(now()), runner: off(runner_off) }
}

fn site() -> SiteFacts {
    let settings = [("USE_MANAGED_IDENTITY", "true"), ("MANAGED_IDENTITY_NAME", "geo"), ("PGSSLMODE", "verify-full")];
    SiteFacts {
        id: SiteId { subscription: "s".into(), resource_group: "rg".into(), app: "geo".into(), slot: None },
        function: true,
        state: "Running".into(),
        wants_identity: Some(("app_identity.geo".into(), true)),
        wants_assigned: Vec::new(),
        identity: Identity {
            kind: Some("SystemAssigned".into()),
            principal_id: Some(PRINCIPAL.into()),
            ..Identity::default()
        },
        settings: Some(settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
        sign_in: Some(SignIn::ManagedIdentity { fallback: true }),
        settings_address: Some("app_settings.geo".into()),
        role_settings: BTreeMap::from([("MANAGED_IDENTITY_NAME".to_owned(), "geo".to_owned())]),
        sticky: Some(BTreeSet::from(["MANAGED_IDENTITY_NAME".to_owned()])),
        slots: vec![SlotFacts { name: "staging".into(), principals: BTreeSet::from([OTHER.to_owned()]) }],
        busy: None,
        outbound: vec!["20.1.2.3".into()],
        auth_method: Some(("/api/health".into(), "managed_identity".into())),
        said: Vec::new(),
    }
}

fn server() -> ServerFacts {
    ServerFacts {
        id: ServerId { subscription: "s".into(), resource_group: "rg".into(), server: "pg".into() },
        auth_address: Some("server_auth.pg".into()),
        tls: Tls::VerifyFull,
        seen: true,
        state: "Ready".into(),
        auth: AuthConfig { active_directory_auth: Some("Enabled".into()), ..AuthConfig::default() },
        administrators: Some(Vec::new()),
        public: Some(true),
        firewall: Some(vec![FirewallRule { from: "20.0.0.0".into(), to: "20.255.255.255".into() }]),
        secure_transport: Some("ON".into()),
        refused: None,
        times: Some(times(0, 0)),
    }
}

fn role(object_id: &str) -> RoleFacts {
    let state =
        RoleState { mapped: true, object_id: Some(object_id.into()), login: Some(true), ..RoleState::default() };
    RoleFacts {
        address: "database_role.geo".into(),
        server: "pg".into(),
        name: "geo".into(),
        wanted: Some(PRINCIPAL.into()),
        app: Some(site().id),
        live: Seen::There(state),
        others: Vec::new(),
    }
}

fn healthy() -> Facts {
    Facts {
        plan: "my plan.toml".into(),
        audience: AUDIENCE.into(),
        sites: vec![site()],
        servers: vec![server()],
        roles: vec![role(PRINCIPAL)],
        ..Facts::default()
    }
}

/// What is found once something was changed.
fn found(change: impl FnOnce(&mut Facts)) -> Vec<Diagnosis> {
    let mut facts = healthy();
    change(&mut facts);
    diagnose(&facts)
}

/// The rule that finds it, when it is the only one, with the whole of what it says.
fn only(change: impl FnOnce(&mut Facts)) -> (&'static str, String) {
    let all = found(change);
    let [one] = all.as_slice() else { panic!("expected one diagnosis: {all:#?}") };
    assert!(!one.evidence.is_empty() && !one.fix.is_empty() && !one.cause.is_empty(), "{one:#?}");
    (one.rule, format!("{} | {} | {} | {}", one.subject, one.cause, one.evidence.join("; "), one.fix.join("; ")))
}

fn setting(facts: &mut Facts, name: &str, value: &str) {
    facts.sites[0].settings.as_mut().unwrap().insert(name.to_owned(), value.to_owned());
}

fn says(facts: &mut Facts, text: &str) {
    facts.sites[0].said.push(Said { source: Source::Probe("/api/health".into()), text: text.into(), times: 1 });
}

fn state(facts: &mut Facts) -> &mut RoleState {
    let Seen::There(state) = &mut facts.roles[0].live else { panic!("there is a role") };
    state
}

fn gap(kind: GapKind) -> Gap {
    let (address, text) = ("database_grants.g".to_owned(), "role \"geo\" lacks USAGE".to_owned());
    Gap { address, server: "pg".into(), database: "g".into(), kind, text }
}

#[test]
fn the_healthy_have_no_symptom() {
    assert_eq!(diagnose(&healthy()), []);
    assert_eq!(diagnose(&Facts::default()), []);
}

#[test]
fn names_of_rules_are_unique_and_said_in_full() {
    let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), RULES.len());
    for rule in RULES {
        for text in [rule.title, rule.seen_as, rule.looks_at, rule.remedy] {
            assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text}", rule.id);
        }
    }
}

#[test]
fn symptoms_of_an_app() {
    let (rule, text) = only(|facts| {
        facts.sites[0].identity = Identity::default();
        facts.roles.clear();
        facts.sites[0].slots.clear();
    });
    assert!(rule == "identity-off" && text.ends_with("pgentra apply 'my plan.toml' --only app_identity.geo"), "{text}");
    assert_eq!(only(|facts| setting(facts, "WEBSITE_DISABLE_MSI", "True")).0, "token-service-off");
    let (rule, text) = only(|facts| {
        let site = &mut facts.sites[0];
        let one = UserAssigned { principal_id: Some(PRINCIPAL.into()), client_id: Some("c".into()) };
        site.identity = Identity { kind: Some("UserAssigned".into()), ..Identity::default() };
        site.identity.user_assigned_identities.insert("/x".into(), one);
        site.wants_identity = Some(("app_identity.geo".into(), false));
        setting(facts, "AZURE_CLIENT_ID", "another");
    });
    assert!(rule == "wrong-identity" && text.contains("--settings AZURE_CLIENT_ID=c"), "{text}");
    let gov = "https://ossrdbms-aad.database.usgovcloudapi.net/.default";
    assert_eq!(only(|facts| setting(facts, "DB_SCOPE", gov)).0, "wrong-audience");
    assert_eq!(found(|facts| setting(facts, "DB_SCOPE", &format!("{AUDIENCE}/.default"))), []);
    assert_eq!(only(|facts| says(facts, "The access token does not have a valid audience claim.")).0, "wrong-audience");
    assert_eq!(only(|facts| facts.own.audience = Some("https://management.azure.com".into())).0, "wrong-audience");
    assert_eq!(only(|facts| says(facts, "The access token has expired. Please acquire a new token")).0, "stale-token");
    // Role and identity agree, so that it can only be the token.
    assert_eq!(only(|facts| says(facts, "Service principal oid mismatch for role \"geo\"")).0, "stale-token");
    let (rule, text) = only(|facts| setting(facts, "MANAGED_IDENTITY_NAME", "geo-identity"));
    assert!(rule == "wrong-role-name" && text.contains("is geo-identity, the plan file says geo"), "{text}");
    let (rule, text) = only(|facts| {
        facts.sites[0].sign_in = Some(SignIn::Password);
        setting(facts, "USE_MANAGED_IDENTITY", "false");
    });
    assert!(rule == "password-sign-in" && text.contains("USE_MANAGED_IDENTITY is false"), "{text}");
}

#[test]
fn a_fallback_is_seen_by_the_app_and_names_who_is_connected() {
    let (rule, text) = only(|facts| {
        facts.sites[0].auth_method = Some(("/api/health".into(), "password".into()));
        let session = Session { pid: 7, since: None, from: Some("10.0.0.9".into()), database: None, application: None };
        facts.old_roles.push(OldRole { server: "pg".into(), name: "old".into(), sessions: vec![session] });
    });
    assert!(
        rule == "password-fallback" && text.contains("connected as old on pg: 1, the oldest from 10.0.0.9"),
        "{text}"
    );
    let (rule, text) = only(|facts| {
        let text = "Falling back to password authentication: Failed to acquire managed identity token: 400".to_owned();
        facts.sites[0].said.push(Said { source: Source::Log(now()), text, times: 12 });
    });
    assert!(rule == "password-fallback" && text.contains("log, 12 times"), "{text}");
}

#[test]
fn swaps_have_happened_are_under_way_or_would_break_something() {
    let (rule, text) = only(|facts| {
        facts.roles.push(RoleFacts { name: "geo-staging".into(), app: None, wanted: None, ..role(OTHER) });
        facts.sites[0].role_settings.clear();
        facts.sites[0].role_settings.insert("MANAGED_IDENTITY_NAME".into(), "geo-staging".into());
        setting(facts, "MANAGED_IDENTITY_NAME", "geo-staging");
    });
    assert!(rule == "slot-swap" && text.contains("the identity of slot staging"), "{text}");
    let (rule, _) = only(|facts| facts.sites[0].busy = Some("a swap with slot staging is under way".into()));
    assert_eq!(rule, "slot-swap");
    let loose = found(|facts| facts.sites[0].sticky = Some(BTreeSet::new()));
    assert_eq!((loose.len(), loose[0].rule, loose[0].severity), (1, "slot-swap", Severity::Risk));
    let shared = found(|facts| {
        facts.sites[0].sticky = Some(BTreeSet::new());
        facts.sites[0].slots[0].principals.insert(PRINCIPAL.into());
    });
    assert_eq!(shared, [], "one user-assigned identity on both slots survives a swap");
}

#[test]
fn symptoms_of_a_role() {
    assert_eq!(only(|facts| facts.roles[0].live = Seen::Absent).0, "role-missing");
    assert_eq!(found(|facts| facts.roles[0].live = Seen::Unseen), [], "nobody looked");
    assert_eq!(only(|facts| (state(facts).mapped, state(facts).object_id) = (false, None)).0, "role-not-mapped");
    let (rule, text) = only(|facts| state(facts).object_id = Some("cccccccc-0000-4000-8000-000000000003".into()));
    assert!(rule == "role-old-object-id" && text.contains(&format!("app geo has now {PRINCIPAL}")), "{text}");
    assert!(text.ends_with("az functionapp restart -g rg -n geo"), "{text}");
    let (rule, text) = only(|facts| {
        state(facts).login = Some(false);
        facts.roles[0].name = "it's \"geo\"".into();
    });
    assert!(rule == "role-no-login" && text.ends_with(r#"-c 'ALTER ROLE "it'\''s ""geo""" LOGIN'"#), "{text}");
    assert_eq!(only(|facts| facts.gaps = vec![gap(GapKind::Now), gap(GapKind::Missing)]).0, "no-grant");
    assert_eq!(only(|facts| facts.gaps = vec![gap(GapKind::Tomorrow)]).0, "no-default-privileges");
    let other = found(|facts| {
        facts.roles[0].live = Seen::Absent;
        facts.roles[0].others = vec!["geo-old-name".into()];
    });
    let rules: Vec<&str> = other.iter().map(|one| one.rule).collect();
    assert_eq!(rules, ["wrong-role-name", "role-missing"]);
}

#[test]
fn symptoms_of_a_server() {
    let refused = |class, detail: &str| Some(Failure::new(class, "cannot sign in").detail(detail.to_owned()));
    let hba = "no pg_hba.conf entry for host \"9.9.9.9\", user \"u\", database \"d\", SSL encryption";
    for (class, detail) in [(Class::NotSignedIn, hba), (Class::Unreachable, "connection refused")] {
        assert_eq!(only(|facts| facts.servers[0].refused = refused(class, detail)).0, "firewall", "{detail}");
    }
    let (rule, text) = only(|facts| facts.servers[0].firewall = Some(Vec::new()));
    assert!(rule == "firewall" && text.contains("app geo comes from 20.1.2.3, which no rule covers"), "{text}");
    let azure = FirewallRule { from: "0.0.0.0".into(), to: "0.0.0.0".into() };
    assert_eq!(found(|facts| facts.servers[0].firewall = Some(vec![azure])), [], "Azure's own addresses are let in");
    let (rule, text) = only(|facts| {
        facts.servers[0].public = Some(false);
        facts.servers[0].refused = refused(Class::Unreachable, "no answer within 20 s");
    });
    assert!(rule == "firewall" && text.contains("its private network only"), "{text}");
    let (rule, text) = only(|facts| {
        facts.servers[0].state = "Stopped".into();
        facts.servers[0].refused = refused(Class::Unreachable, "connection refused");
    });
    assert!(rule == "server-not-ready" && text.contains("az postgres flexible-server start -g rg -n pg"), "{text}");
    let plain = hba.replace("SSL", "no");
    let untrusted = refused(Class::Unreachable, "TLS: invalid peer certificate");
    assert_eq!(only(|facts| facts.servers[0].refused = untrusted).0, "tls");
    assert_eq!(only(|facts| facts.servers[0].refused = refused(Class::NotSignedIn, &plain)).0, "tls");
    assert_eq!(only(|facts| setting(facts, "POSTGIS_SSL_MODE", "prefer")).0, "tls");
    let clear = found(|facts| facts.servers[0].secure_transport = Some("off".into()));
    assert_eq!((clear.len(), clear[0].rule, clear[0].severity), (1, "tls", Severity::Risk));
    assert_eq!(only(|facts| facts.servers[0].auth = AuthConfig::default()).0, "entra-off");
    let stranger = "password authentication failed for user \"dba\"";
    assert_eq!(only(|facts| facts.servers[0].refused = refused(Class::NotSignedIn, stranger)).0, "not-let-in");
    assert_eq!(only(|facts| facts.servers[0].times = Some(times(900, 0))).0, "clock");
    assert_eq!(only(|facts| facts.servers[0].times = Some(times(0, 900))).0, "clock");
    assert_eq!(found(|facts| facts.servers[0].times = Some(times(200, 200))), []);
}
