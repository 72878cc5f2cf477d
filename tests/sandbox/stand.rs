//! A sandbox of a test's own, in a temporary directory, and ways to use it as its users do.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// The program under test.
pub const PGENTRA: &str = env!("CARGO_BIN_EXE_pgentra");
/// The guide's migration.
pub const MIGRATION: &str = include_str!("../../plans/rmhazuregeoapi.toml");
/// The site of the demo app, below the resource manager's address.
pub const SITE: &str = "/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/rmhazure_rg/providers/Microsoft.Web/sites/rmhazuregeoapi";

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Panics unless it ended with `code`.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.out, self.err);
        self
    }

    /// Panics unless it said all of this, on either output.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.out.contains(text) || self.err.contains(text), "no {text:?} in\n{}\n{}", self.out, self.err);
        }
        self
    }
}

/// What `sandbox env` exports for the sandbox in a directory.
pub fn exported(place: &Path) -> BTreeMap<String, String> {
    let script = format!("eval \"$('{PGENTRA}' sandbox env --dir '{}')\" && env -0", place.display());
    let env = Command::new("sh").arg("-c").arg(script).env_clear().output().unwrap();
    let env = Ran::of(&env).ends(0);
    env.out
        .split('\0')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| !["PWD", "OLDPWD", "_", "SHLVL"].contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// A sandbox that ends with the test.
pub struct Stand {
    dir: tempfile::TempDir,
    /// What `sandbox env` exports.
    pub vars: BTreeMap<String, String>,
    http: reqwest::Client,
}

impl Stand {
    /// Starts a sandbox, as a user does, with operations that take no time.
    pub async fn up() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("sandbox");
        let up = Command::new(PGENTRA).args(["sandbox", "up", "--detach", "--dir"]).arg(&place).output().unwrap();
        Ran::of(&up).ends(0).says(&["The sandbox is up."]);
        let vars = exported(&place);
        let pem = std::fs::read(&vars["SSL_CERT_FILE"]).unwrap();
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).unwrap();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only(certificates).build().unwrap();
        let stand = Self { dir, vars, http };
        stand.control("POST", "knobs", json!({"operation_ms": 20, "retry_after": 0})).await;
        stand.keep("plan.toml", MIGRATION);
        stand
    }

    /// The directory that commands run in.
    pub fn here(&self) -> &Path {
        self.dir.path()
    }

    /// The sandbox's own directory.
    pub fn place(&self) -> PathBuf {
        self.here().join("sandbox")
    }

    /// Writes a file that commands find.
    pub fn keep(&self, name: &str, text: &str) {
        std::fs::write(self.here().join(name), text).unwrap();
    }

    /// A program with the sandbox's variables and no others.
    pub fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.here()).env_clear().envs(&self.vars);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.here());
        command.stdin(Stdio::null());
        command
    }

    /// Runs pgentra.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.program(PGENTRA).args(arguments).output().unwrap())
    }

    /// `apply --auto-approve` of a plan file.
    pub fn apply(&self, plan: &str) -> Ran {
        self.run(&["apply", "--auto-approve", plan])
    }

    /// Panics unless `plan` finds nothing to change.
    #[track_caller]
    pub fn settled(&self, plan: &str) {
        self.run(&["plan", "--detailed-exitcode", plan]).ends(0).says(&["No changes."]);
    }

    /// Runs SQL by psql, signed in with a password or token; the answer's lines, or what was said against it.
    pub fn sql(&self, user: &str, password: &str, database: &str, sql: &str) -> Result<String, String> {
        let mut command = self.program("psql");
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", &self.vars["PGENTRA_SANDBOX_POSTGRES_HOST"]]);
        command.args(["-U", user, "-d", database]).env("PGPASSWORD", password);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        let ran = Ran::of(&child.wait_with_output().unwrap());
        if ran.code == 0 { Ok(ran.out.trim().to_owned()) } else { Err(ran.err) }
    }

    /// SQL of the administrator by password.
    #[track_caller]
    pub fn admin(&self, database: &str, sql: &str) -> String {
        self.sql("pgadmin", &self.vars["PGADMIN_PASSWORD"], database, sql).unwrap()
    }

    /// SQL of the role that owns the app's objects.
    #[track_caller]
    pub fn owner(&self, sql: &str) -> String {
        self.sql("geoapp", &self.vars["GEOAPP_PASSWORD"], "geopgflex", sql).unwrap()
    }

    /// A call of the control endpoint.
    pub async fn control(&self, method: &str, tail: &str, body: Value) -> Value {
        let url = format!("{}/_sandbox/{tail}", self.vars["PGENTRA_SANDBOX_URL"]);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, url).header("x-sandbox", "1").body(body.to_string());
        let answer = request.send().await.unwrap();
        let (status, body) = (answer.status(), answer.bytes().await.unwrap());
        assert!(status.is_success(), "{tail}: {status} {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap_or_default()
    }

    /// Plants a fault.
    pub async fn plant(&self, fault: Value) {
        self.control("POST", "faults", fault).await;
    }

    /// A token of any principal for PostgreSQL.
    pub async fn token_of(&self, object_id: &str) -> String {
        let got = self.control("POST", "token", json!({"object_id": object_id})).await;
        got["access_token"].as_str().unwrap().to_owned()
    }

    /// A call of the resource manager by the deployer, below the demo app's site.
    pub async fn arm(&self, method: &str, tail: &str, body: Value) -> Value {
        let base = &self.vars["PGENTRA_SANDBOX_URL"];
        let deployer = json!({"object_id": "55555555-5555-4555-8555-555555555555", "audience": base});
        let token = self.control("POST", "token", deployer).await;
        let url = format!("{base}{SITE}{tail}?api-version=2025-05-01");
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, url).bearer_auth(token["access_token"].as_str().unwrap());
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{method_tail}: {}", answer.status(), method_tail = tail);
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default()
    }

    /// Makes a function app with these settings, beside the demo app.
    pub async fn make_app(&self, name: &str, settings: &BTreeMap<String, String>) {
        let pairs: Vec<Value> = settings.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        let body = json!({"kind": "functionapp,linux", "location": "eastus", "properties": {"siteConfig": {"appSettings": pairs}}});
        self.arm("PUT", &format!("/../{name}"), body).await;
    }

    /// A call of the Key Vault `kv-ops` by the deployer.
    pub async fn vault(&self, method: &str, tail: &str, body: Value) -> Value {
        let deployer =
            json!({"object_id": "55555555-5555-4555-8555-555555555555", "audience": "https://vault.azure.net"});
        let token = self.control("POST", "token", deployer).await;
        let url = format!("{}/vaults/kv-ops/{tail}?api-version=7.5", self.vars["PGENTRA_SANDBOX_URL"]);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, url).bearer_auth(token["access_token"].as_str().unwrap());
        let answer = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{tail}: {}", answer.status());
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default()
    }

    /// The app's settings.
    pub async fn settings(&self) -> Value {
        self.arm("POST", "/config/appsettings/list", Value::Null).await["properties"].clone()
    }

    /// What the demo app says of its health, once it runs.
    pub async fn health(&self) -> Value {
        let url = format!("{}/api/health", self.vars["PGENTRA_SANDBOX_APP_URL"]);
        for _ in 0..400 {
            let answer = self.http.get(&url).send().await.unwrap();
            if let Ok(health) = serde_json::from_slice(&answer.bytes().await.unwrap()) {
                return health;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("the app does not answer");
    }

    /// A call of the app: status and body.
    pub async fn app(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}{path}", self.vars["PGENTRA_SANDBOX_APP_URL"]);
        let answer = self.http.request(method, url).header("x-sandbox", "1").body(body.to_string()).send().await;
        let answer = answer.unwrap();
        (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    /// The `Date` of an answer of the resource manager.
    pub async fn date(&self) -> String {
        let url = format!("{}/metadata/endpoints", self.vars["PGENTRA_SANDBOX_URL"]);
        let answer = self.http.get(url).send().await.unwrap();
        answer.headers()["date"].to_str().unwrap().to_owned()
    }

    /// A query of the Log Analytics workspace.
    pub async fn workspace(&self, token: &str, query: &str) -> Value {
        let workspace = "99999999-9999-4999-8999-999999999999";
        let url = format!("{}/v1/workspaces/{workspace}/query", self.vars["PGENTRA_SANDBOX_URL"]);
        let request = self.http.post(url).bearer_auth(token).header("content-type", "application/json");
        let answer = request.body(json!({"query": query}).to_string()).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// The writes that the control plane was asked for, as `METHOD path`.
    pub async fn writes(&self) -> Vec<String> {
        let requests = self.control("GET", "requests", Value::Null).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = requests["value"].as_array().unwrap().iter();
        let all = all.map(|one| format!("{} {}", text(&one["method"]), text(&one["path"])));
        let reads = |one: &String| one.starts_with("GET ") || one.ends_with("/list") || one.ends_with("/token");
        all.filter(|one| !reads(one)).collect()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let mut down = Command::new(PGENTRA);
        let down = down.args(["sandbox", "down", "--dir"]).arg(self.place()).output();
        drop(down);
    }
}
