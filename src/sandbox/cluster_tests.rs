//! The sandbox's PostgreSQL behind its front, signed in to with sqlx as an application does it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::claims::{Claims, TokenCheck, TokenFault};
use super::database::{Database, PrincipalType};
use super::{AdminRights, Cluster, ClusterOptions, DirectoryEntry, LoginEvent, LoginMethod, serve};

const TENANT: &str = "99999999-9999-9999-9999-999999999999";
const BOSS: &str = "11111111-1111-1111-1111-111111111111";
const APP: &str = "22222222-2222-2222-2222-222222222222";
const APP_CLIENT: &str = "33333333-3333-3333-3333-333333333333";
const GROUP: &str = "44444444-4444-4444-4444-444444444444";
const PERSON: &str = "55555555-5555-5555-5555-555555555555";
const AUDIENCE: &str = "https://ossrdbms-aad.database.windows.net";

/// Tokens by their text; any other text has the wrong format.
struct Tokens(BTreeMap<String, Result<Claims, TokenFault>>);

impl TokenCheck for Tokens {
    fn check(&self, token: &str, audiences: &[&str]) -> Result<Claims, TokenFault> {
        let claims = self.0.get(token).cloned().unwrap_or(Err(TokenFault::Format))?;
        let same = |audience: &&str| audience.trim_end_matches('/') == claims.audience.trim_end_matches('/');
        if audiences.iter().any(same) { Ok(claims) } else { Err(TokenFault::Audience) }
    }
}

fn tokens() -> Tokens {
    let claims = |object_id: &str, is_app: bool| Claims {
        audience: format!("{AUDIENCE}/"),
        object_id: object_id.into(),
        app_id: is_app.then(|| APP_CLIENT.into()),
        tenant: TENANT.into(),
        is_app,
        groups: [GROUP.to_owned()].into(),
    };
    let other = Claims { groups: [].into(), app_id: Some(GROUP.into()), ..claims(PERSON, true) };
    let arm = Claims { audience: "https://management.azure.com".into(), ..claims(APP, true) };
    Tokens(BTreeMap::from([
        ("boss".to_owned(), Ok(claims(BOSS, true))),
        ("app".to_owned(), Ok(claims(APP, true))),
        ("person".to_owned(), Ok(claims(PERSON, false))),
        ("other app".to_owned(), Ok(other)),
        ("arm".to_owned(), Ok(arm)),
        ("old".to_owned(), Err(TokenFault::Expired)),
        ("t".repeat(60_000), Ok(claims(APP, true))),
    ]))
}

/// A cluster of the version under test.
fn options(directory: &TempDir) -> ClusterOptions {
    let mut options = ClusterOptions::new(directory.path(), TENANT);
    options.programs = std::env::var_os("PGENTRA_TEST_POSTGRES").map(PathBuf::from);
    options
}

struct Stand {
    cluster: Arc<Cluster>,
    events: Arc<Mutex<Vec<LoginEvent>>>,
    authority: String,
    port: u16,
    front: JoinHandle<()>,
}

impl Stand {
    async fn start(directory: &TempDir) -> Self {
        let cluster = Arc::new(Cluster::start(options(directory)).await.unwrap());
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&events);
        let log = Arc::new(move |event| seen.lock().unwrap().push(event));
        let front = tokio::spawn(serve(listener, Arc::new(tls), Arc::clone(&cluster), Arc::new(tokens()), log));
        Self { cluster, events, authority: made.cert.pem(), port, front }
    }

    fn options(&self, user: &str, password: &str, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert_from_pem(self.authority.clone().into_bytes())
            .username(user)
            .password(password)
            .database(database)
            .disable_statement_logging()
    }

    async fn login(&self, user: &str, password: &str, database: &str) -> PgConnection {
        PgConnection::connect_with(&self.options(user, password, database)).await.unwrap()
    }

    /// SQLSTATE and text of a refusal.
    async fn refused(&self, user: &str, password: &str) -> (String, String) {
        said(PgConnection::connect_with(&self.options(user, password, "geopgflex")).await.unwrap_err())
    }

    async fn boss(&self) -> PgConnection {
        self.cluster.set_auth(true, true, false).await.unwrap();
        self.cluster.add_admin("boss@example.com", BOSS, PrincipalType::Service).await.unwrap();
        self.login("boss@example.com", "boss", "postgres").await
    }

    fn admin_password(&self) -> String {
        self.cluster.secrets().admin_password.expose().to_owned()
    }

    fn app_password(&self) -> String {
        self.cluster.secrets().app_password.expose().to_owned()
    }

    async fn end(self) {
        self.front.abort();
        self.cluster.stop().await;
    }
}

fn said(error: sqlx::Error) -> (String, String) {
    let sqlx::Error::Database(error) = error else { panic!("not the server's: {error}") };
    (error.code().unwrap_or_default().into_owned(), error.message().to_owned())
}

async fn run(session: &mut PgConnection, statement: &str) -> Result<(), (String, String)> {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(session).await.map(drop).map_err(said)
}

async fn text(session: &mut PgConnection, query: &str) -> String {
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(session).await.unwrap()
}

fn create(role: &str, id: &str, kind: &str) -> String {
    format!("SELECT pgaadauth_create_principal_with_oid('{role}', '{id}', '{kind}', false, false)")
}

#[tokio::test]
async fn principals_are_mapped_listed_and_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let stand = Stand::start(&directory).await;
    let mut boss = stand.boss().await;
    assert_eq!(text(&mut boss, &create("mi/app", APP, "service")).await, "Created role for \"mi/app\"");
    let denied = |function: &str| Err(("42501".to_owned(), format!("permission denied for function {function}")));
    let exists = Err(("42710".to_owned(), "role \"mi/app\" already exists".to_owned()));
    assert_eq!(run(&mut boss, &create("mi/app", APP, "service")).await, exists);
    assert_eq!(run(&mut boss, &create("x", "no-guid", "service")).await.unwrap_err().0, "22023");
    assert_eq!(run(&mut boss, &create("x", APP, "robot")).await.unwrap_err().0, "22023");
    let mut admin = stand.login("pgadmin", &stand.admin_password(), "postgres").await;
    let wanted = denied("pgaadauth_create_principal_with_oid");
    assert_eq!(run(&mut admin, &create("x", APP, "service")).await, wanted);
    let mut app = stand.login("geoapp", &stand.app_password(), "postgres").await;
    assert_eq!(run(&mut app, &create("x", APP, "service")).await, wanted);
    let mut elsewhere = stand.login("boss@example.com", "boss", "geopgflex").await;
    assert_eq!(run(&mut elsewhere, &create("x", APP, "service")).await.unwrap_err().0, "42883");

    let by_name = "SELECT pgaadauth_create_principal('people', false, false)";
    let unknown = "Could not validate AAD user people because its name is not found in the tenant.";
    assert_eq!(run(&mut boss, by_name).await.unwrap_err().1, unknown);
    let entry =
        |id: &str| DirectoryEntry { object_id: id.into(), name: "people".into(), principal: PrincipalType::Group };
    stand.cluster.set_directory(&[entry(GROUP), entry(APP)]).await.unwrap();
    assert!(run(&mut boss, by_name).await.unwrap_err().1.contains("isn't unique"));
    stand.cluster.set_directory(&[entry(GROUP)]).await.unwrap();
    assert_eq!(text(&mut boss, by_name).await, "Created role for \"people\"");

    let list = "SELECT string_agg(concat_ws(' ', rolname, principaltype, objectid, tenantid, ismfa, isadmin), E'\\n') \
                FROM pgaadauth_list_principals(false)";
    let all = format!(
        "boss@example.com service {BOSS} {TENANT} 0 1\n\
         mi/app service {APP} {TENANT} 0 0\n\
         people group {GROUP} {TENANT} 0 0"
    );
    assert_eq!(text(&mut boss, list).await, all);
    assert_eq!(text(&mut boss, "SELECT count(*)::text FROM pgaadauth_list_principals(true)").await, "1");
    assert_eq!(run(&mut app, list).await, denied("pgaadauth_list_principals"));

    let labels = "SELECT coalesce(string_agg(provider || ': ' || label, '; ' ORDER BY provider), '') \
                  FROM pg_shseclabel l JOIN pg_roles r ON r.oid = objoid WHERE rolname = 'mi/app'";
    let stored =
        format!("pgaadauth: aadauth,oid={APP},type=service; pgaadauth-int: type=service,oid={APP},tenant_id={TENANT}");
    assert_eq!(text(&mut app, labels).await, stored);
    let rebind =
        |role: &str| format!("SELECT pgaadauth_update_principal_with_oid('{role}', '{PERSON}', 'user', false, false)");
    assert_eq!(text(&mut boss, &rebind("mi/app")).await, "Updated role for \"mi/app\"");
    assert!(text(&mut boss, labels).await.contains(PERSON));
    assert_eq!(run(&mut boss, &rebind("nobody")).await.unwrap_err().0, "42704");
    assert_eq!(run(&mut boss, &rebind("azuresu")).await.unwrap_err().0, "42501");
    run(&mut boss, "DROP ROLE \"mi/app\"").await.unwrap();
    assert_eq!(text(&mut boss, "SELECT count(*)::text FROM pg_shseclabel").await, "4");
    stand.end().await;
}

#[tokio::test]
async fn tokens_open_their_roles_and_refusals_are_azures() {
    let directory = tempfile::tempdir().unwrap();
    let stand = Stand::start(&directory).await;
    let mut boss = stand.boss().await;
    for (role, id, kind) in
        [("mi", APP, "service"), ("client", APP_CLIENT, "service"), ("people", GROUP, "group"), ("ann", PERSON, "user")]
    {
        run(&mut boss, &create(role, id, kind)).await.unwrap();
    }
    for (role, token) in [("mi", "app"), ("client", "app"), ("people", "person"), ("people", "app"), ("ann", "person")]
    {
        let mut session = stand.login(role, token, "geopgflex").await;
        assert_eq!(text(&mut session, "SELECT session_user::text").await, role);
    }
    stand.login("mi", &"t".repeat(60_000), "geopgflex").await;

    let no = |code: &str, text: &str| (code.to_owned(), text.to_owned());
    let format = "The access token has invalid format. Please ensure the token is passed exactly as returned by the \
                  authentication endpoint and retry.";
    let audience = "The access token does not have a valid audience claim. Please acquire a new token for the resource \
                    \"https://ossrdbms-aad.database.windows.net\".";
    let mismatch = format!(
        "Service principal oid mismatch for role \"The oid in the security label [{APP}] does not match the appid \
         [{GROUP}] or oid [{PERSON}] in the token.\""
    );
    let group = format!("Azure AD access token not valid for role people (does not contain group ID {GROUP})");
    let expired = "The access token has expired. Please acquire a new token and retry.";
    let person = "Service principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role \"mi\".";
    let service = "Microsoft Entra user token for role \"ann\" is neither an AAD_AUTH_TOKENTYPE_APP_USER or an \
                   AAD_AUTH_TOKENTYPE_APP_OBO token.";
    assert_eq!(stand.refused("mi", "hunter2").await, no("28000", format));
    assert_eq!(stand.refused("mi", "old").await, no("28000", expired));
    assert_eq!(stand.refused("mi", "arm").await, no("28000", audience));
    assert_eq!(stand.refused("mi", "other app").await, no("28000", &mismatch));
    assert_eq!(stand.refused("mi", "person").await, no("28000", person));
    assert_eq!(stand.refused("ann", "app").await, no("28000", service));
    assert_eq!(stand.refused("people", "other app").await, no("28000", &group));
    let password = |role: &str| no("28P01", &format!("password authentication failed for user \"{role}\""));
    assert_eq!(stand.refused("geoapp", "hunter2").await, password("geoapp"));
    assert_eq!(stand.refused("stranger", "app").await, password("stranger"));
    let plain = stand.options("mi", "app", "geopgflex").ssl_mode(PgSslMode::Disable);
    let text = "no pg_hba.conf entry for host \"127.0.0.1\", user \"mi\", database \"geopgflex\", no encryption";
    assert_eq!(said(PgConnection::connect_with(&plain).await.unwrap_err()), no("28000", text));

    run(&mut boss, "ALTER ROLE mi NOLOGIN").await.unwrap();
    assert_eq!(stand.refused("mi", "app").await, no("28000", "role \"mi\" is not permitted to log in"));
    let missing = said(PgConnection::connect_with(&stand.options("ann", "person", "nowhere")).await.unwrap_err());
    assert_eq!(missing, no("3D000", "database \"nowhere\" does not exist"));

    let events = stand.events.lock().unwrap().clone();
    let seen = |user: &str, method, code: Option<&str>| {
        events.iter().any(|event| {
            event.user == user && event.method == method && event.result.as_ref().err().map(|r| r.code.as_str()) == code
        })
    };
    assert!(seen("client", LoginMethod::Token, None) && seen("mi", LoginMethod::Token, Some("28000")));
    assert!(seen("geoapp", LoginMethod::Password, Some("28P01")) && seen("mi", LoginMethod::Refused, Some("28000")));
    assert!(!format!("{events:?}").contains("hunter2"));
    stand.end().await;
}

#[tokio::test]
async fn administrators_reach_other_roles_unless_rights_are_strict() {
    let directory = tempfile::tempdir().unwrap();
    let stand = Stand::start(&directory).await;
    let mut boss = stand.boss().await;
    run(&mut boss, &create("mi", APP, "service")).await.unwrap();
    run(&mut boss, "CREATE ROLE helper").await.unwrap();
    let mut data = stand.login("boss@example.com", "boss", "geopgflex").await;
    let grants = "GRANT SELECT ON geo.features TO mi; ALTER DEFAULT PRIVILEGES FOR ROLE geoapp IN SCHEMA geo GRANT \
                  SELECT ON TABLES TO mi; GRANT CONNECT ON DATABASE geopgflex TO mi; GRANT geoapp TO helper; \
                  ALTER ROLE geoapp CONNECTION LIMIT 9";
    run(&mut data, grants).await.unwrap();
    assert_eq!(text(&mut data, "SELECT has_table_privilege('mi', 'geo.features', 'SELECT')::text").await, "true");
    run(&mut data, "REVOKE SELECT ON geo.features FROM mi").await.unwrap();

    stand.cluster.set_rights(AdminRights::Strict).await.unwrap();
    let mut data = stand.login("boss@example.com", "boss", "geopgflex").await;
    for refused in [
        "GRANT SELECT ON geo.features TO mi",
        "ALTER DEFAULT PRIVILEGES FOR ROLE geoapp IN SCHEMA geo GRANT SELECT ON TABLES TO mi",
    ] {
        assert_eq!(run(&mut data, refused).await.unwrap_err().0, "42501", "{refused}");
    }
    run(&mut boss, &create("second", PERSON, "user")).await.unwrap();
    let members = "SELECT count(*)::text FROM pg_auth_members WHERE member = 'azure_pg_admin'::regrole";
    assert_eq!(text(&mut data, members).await, "0");

    stand.cluster.set_rights(AdminRights::Documented).await.unwrap();
    run(&mut data, grants).await.unwrap();
    // A role of the application's that becomes an administrator stops being shared.
    stand.cluster.add_admin("geoapp", APP_CLIENT, PrincipalType::Service).await.unwrap();
    let mut app = stand.login("geoapp", "app", "geopgflex").await;
    assert_eq!(text(&mut app, "SELECT pg_has_role('azure_pg_admin', 'USAGE')::text").await, "true");
    stand.cluster.remove_admin(APP_CLIENT).await.unwrap();
    stand.login("geoapp", &stand.app_password(), "geopgflex").await;
    stand.end().await;
}

#[tokio::test]
async fn ways_of_signing_in_are_switched_and_a_restart_ends_sessions() {
    let directory = tempfile::tempdir().unwrap();
    let stand = Stand::start(&directory).await;
    let mut boss = stand.boss().await;
    let password = |role: &str| ("28P01".to_owned(), format!("password authentication failed for user \"{role}\""));
    stand.cluster.set_auth(true, false, false).await.unwrap();
    assert_eq!(stand.refused("geoapp", &stand.app_password()).await, password("geoapp"));
    stand.cluster.set_auth(false, true, false).await.unwrap();
    assert_eq!(stand.refused("boss@example.com", "boss").await, password("boss@example.com"));

    let begin = Instant::now();
    let cluster = Arc::clone(&stand.cluster);
    let restart = tokio::spawn(async move { cluster.set_auth(true, true, true).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let starting = ("57P03".to_owned(), "the database system is starting up".to_owned());
    assert_eq!(stand.refused("boss@example.com", "boss").await, starting);
    restart.await.unwrap().unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(500));
    let ended = run(&mut boss, "SELECT 1").await.unwrap_err();
    assert_eq!(ended, ("57P01".to_owned(), "terminating connection due to administrator command".to_owned()));
    let mut boss = stand.login("boss@example.com", "boss", "geopgflex").await;
    run(&mut boss, "DELETE FROM app.tasks; ALTER ROLE geoapp PASSWORD NULL").await.unwrap();
    assert_eq!(stand.cluster.databases().await.unwrap(), ["geopgflex", "postgres"]);
    let secret = stand.admin_password();
    stand.end().await;

    let again = Stand::start(&directory).await;
    assert_eq!(again.admin_password(), secret);
    let mut boss = again.login("boss@example.com", "boss", "geopgflex").await;
    assert_eq!(text(&mut boss, "SELECT count(*)::text FROM app.tasks").await, "0");
    assert_eq!(again.refused("geoapp", &again.app_password()).await, password("geoapp"));
    let log = std::fs::read_to_string(again.cluster.log_file()).unwrap();
    assert!(!log.contains(&secret), "{log}");
    again.end().await;
}
