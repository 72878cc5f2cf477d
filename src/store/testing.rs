//! What the tests of stores share: Azurite, a store by its place, and competing processes that are told what to do.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
#[cfg(feature = "sandbox")]
use std::path::Path;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::{AzBlob, Directory, Held, LockNote, Postgres, Store};
use crate::azure::{AccessToken, TokenSource, Tokens, http_client};
use crate::journal::{Event, Record};
use crate::model::{Cloud, Failure, Secret, StoreUrl};

/// A store of a test: its place, the certificate its endpoint shows, and how long its lease is.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) place: String,
    pub(super) certificate: Option<PathBuf>,
    pub(super) lease: u64,
}

impl Spot {
    pub(super) fn new(place: impl Into<String>) -> Self {
        Self { place: place.into(), certificate: None, lease: 60 }
    }

    pub(super) fn open(&self) -> Box<dyn Store> {
        match self.place.parse().unwrap() {
            StoreUrl::Directory(path) => Box::new(Directory::new(path)),
            StoreUrl::Blobs(_) => Box::new(self.blobs()),
            StoreUrl::Postgres(place) => Box::new(Postgres::new(place, Some((tokens(), "a".to_owned())))),
        }
    }

    pub(super) fn blobs(&self) -> AzBlob {
        let StoreUrl::Blobs(place) = self.place.parse().unwrap() else { panic!("{} are no blobs", self.place) };
        let certificate = self.certificate.iter().map(|path| ("SSL_CERT_FILE".to_owned(), path.display().to_string()));
        let http = http_client(&certificate.collect::<BTreeMap<_, _>>()).unwrap();
        AzBlob::new(&place, &Cloud::Public, tokens(), http).unwrap().with_lease(Duration::from_secs(self.lease))
    }
}

/// What stands in tokens and must stand nowhere else.
pub(super) const TOKEN_MARK: &str = "bm8tb25lLXNpZ25zLXRoaXM";

/// Tokens that Azurite takes.
pub(super) fn tokens() -> Tokens {
    struct Unsigned;

    #[async_trait]
    impl TokenSource for Unsigned {
        /// Azurite looks at the claims of a token, not at its signature.
        async fn fetch(&self, audience: &str) -> Result<AccessToken, Failure> {
            let now = Timestamp::now().as_second();
            let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
            let head = part(serde_json::json!({ "alg": "RS256", "typ": "JWT" }));
            let claims = part(serde_json::json!({
                "aud": audience, "iss": "https://sts.windows.net/11111111-1111-4111-8111-111111111111/",
                "nbf": now - 60, "iat": now - 60, "exp": now + 3600,
            }));
            let expires_on = Timestamp::from_second(now + 3600).unwrap();
            Ok(AccessToken { secret: Secret::new(format!("{head}.{claims}.{TOKEN_MARK}")), expires_on })
        }
    }

    Tokens::new(Arc::new(Unsigned))
}

/// A running Azurite; it ends when the process does.
#[cfg(feature = "sandbox")]
pub(super) struct Azurite {
    dir: PathBuf,
    port: u16,
}

#[cfg(feature = "sandbox")]
impl Azurite {
    /// Started, or `None` (said on stderr) where it is not installed. In CI it has to be.
    #[allow(clippy::print_stderr)]
    pub(super) fn start() -> Option<Self> {
        let installed = std::env::var_os("PGENTRA_TEST_AZURITE").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/azurite/node_modules/azurite"),
            PathBuf::from,
        );
        let program = installed.join("dist/src/blob/main.js");
        if !program.exists() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "no Azurite in {}", installed.display());
            eprintln!("SKIPPED: no Azurite in {}; .ci/azurite installs it", installed.display());
            return None;
        }
        let dir = tempfile::Builder::new().prefix("pgentra-azurite-").tempdir().unwrap().keep();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The shell waits for the end of its standard input, which comes with the end of this process.
        let script = "cd \"$1\" && node \"$0\" --blobHost 127.0.0.1 --blobPort \"$2\" --inMemoryPersistence \
                      --skipApiVersionCheck --disableTelemetry --silent --oauth basic --cert cert.pem --key key.pem \
                      >log 2>&1 <&- & cat >/dev/null; kill $!; wait; rm -rf \"$1\"";
        let mut keeper = Command::new("/bin/sh");
        keeper.args(["-c", script]).arg(&program).arg(&dir).arg(port.to_string()).stdin(Stdio::piped());
        #[allow(clippy::zombie_processes)] // it outlives this process by a moment, on purpose
        let keeper = keeper.spawn().unwrap();
        std::mem::forget(keeper.stdin);
        let log = || std::fs::read_to_string(dir.join("log")).unwrap_or_default();
        for _ in 0..600 {
            if log().contains("successfully listens") {
                return Some(Self { dir, port });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("Azurite does not start: {}", log());
    }

    /// A store with a prefix of its own.
    pub(super) fn spot(&self, prefix: &str) -> Spot {
        let place = format!("azblob+https://127.0.0.1:{}/devstoreaccount1/state/{prefix}", self.port);
        Spot { certificate: Some(self.dir.join("cert.pem")), ..Spot::new(place) }
    }
}

/// A lock note of this process.
pub(super) fn note(operation: &str) -> LockNote {
    LockNote {
        who: "tester".to_owned(),
        host: "here".to_owned(),
        pid: std::process::id(),
        operation: operation.to_owned(),
        since: Timestamp::from_second(1_800_000_000).unwrap(),
    }
}

/// A record that can be told from others.
pub(super) fn record(seq: u64, step: &str) -> Record {
    let at = Timestamp::from_second(1_800_000_000).unwrap();
    Record { seq, at, event: Event::started(step) }
}

/// Another process that uses the same store.
pub(super) struct Competitor {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Competitor {
    /// Starts this test binary again, to run [`competitor`].
    pub(super) fn start(spot: &Spot) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "store::testing::competitor", "--ignored", "--nocapture"]);
        command.env("PGENTRA_TEST_STORE", &spot.place).env("PGENTRA_TEST_LEASE", spot.lease.to_string());
        if let Some(path) = &spot.certificate {
            command.env("SSL_CERT_FILE", path);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (orders, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, orders, answers }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Says an order and waits for its answer.
    pub(super) fn tell(&mut self, order: &str) -> String {
        self.say(order);
        self.answer()
    }

    pub(super) fn say(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
    }

    pub(super) fn answer(&mut self) -> String {
        let mut line = String::new();
        while self.answers.read_line(&mut line).unwrap() > 0 {
            if let Some(answer) = line.split_once(ANSWER).map(|(_, answer)| answer.trim().to_owned()) {
                return answer;
            }
            line.clear();
        }
        panic!("the competing process ended without an answer");
    }

    pub(super) fn signal(&mut self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
        if signal == nix::sys::signal::Signal::SIGKILL {
            self.child.wait().unwrap();
        }
    }
}

impl Drop for Competitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What answers begin with, among the lines of the test harness.
const ANSWER: &str = "ANSWER: ";

/// The other process: obeys the orders on its standard input until that ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by other tests"]
#[allow(clippy::print_stdout)]
async fn competitor() {
    let Ok(place) = std::env::var("PGENTRA_TEST_STORE") else { return };
    let certificate = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let lease = std::env::var("PGENTRA_TEST_LEASE").unwrap().parse().unwrap();
    let store = Spot { place, certificate, lease }.open();
    let mut held: Option<Box<dyn Held>> = None;
    for order in std::io::stdin().lines() {
        let order = order.unwrap();
        let words: Vec<&str> = order.split(' ').collect();
        let answer = match (words.as_slice(), held.as_mut()) {
            (["lock", millis], _) => {
                let patience = Duration::from_millis(millis.parse().unwrap());
                store.lock(note("compete"), patience).await.map(|lock| held = Some(lock))
            }
            (["append", run, seq], Some(held)) => held.append(run, &record(seq.parse().unwrap(), "theirs")).await,
            (["ledger", line], Some(held)) => held.append_ledger(line).await,
            (["owned", json], Some(held)) => held.put_owned(json).await,
            (["key"], Some(held)) => held.make_digest_key().await.map(drop),
            (["free"], Some(_)) => {
                held = None;
                Ok(())
            }
            _ => panic!("no such order: {order}"),
        };
        match answer {
            Ok(()) => println!("{ANSWER}ok"),
            Err(failure) => println!("{ANSWER}{:?} {}", failure.class, failure.to_string().replace('\n', " ")),
        }
    }
}
