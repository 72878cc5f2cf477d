//! The front of the sandbox's PostgreSQL: ends TLS, takes tokens as passwords for mapped roles, relays all the rest.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::claims::TokenCheck;
use super::cluster::Cluster;
use super::pgaadauth::{AUDIENCE, Label, fault};
use super::wire::{ASK_PASSWORD, Follower, Opening, Startup, Verdict, fatal, opening, password};

pub use super::pgaadauth::Refusal;

/// PostgreSQL's authentication_timeout.
const SIGN_IN_LIMIT: Duration = Duration::from_mins(1);

/// How a session signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMethod {
    /// With an Entra token.
    Token,
    /// With the role's own password.
    Password,
    /// Refused before it came to that.
    Refused,
}

/// One attempt to sign in. Holds no secret.
#[derive(Clone, Debug)]
pub struct LoginEvent {
    /// The role, as the client spelt it.
    pub user: String,
    /// The database, as the client spelt it.
    pub database: String,
    /// How.
    pub method: LoginMethod,
    /// What the client was told.
    pub result: Result<(), Refusal>,
}

/// Takes the attempts, for the sandbox's log.
pub type LoginLog = Arc<dyn Fn(LoginEvent) + Send + Sync>;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Serves connections until it is dropped, which ends them all.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    cluster: Arc<Cluster>,
    tokens: Arc<dyn TokenCheck>,
    log: LoginLog,
) {
    let front = Arc::new(Front { tls: TlsAcceptor::from(tls), cluster, tokens, log });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let front = Arc::clone(&front);
                    // An error is a client that hung up or does not speak the protocol: nobody is left to tell.
                    connections.spawn(async move { drop(front.connection(stream, peer).await) });
                }
                // Too many open files, most likely: leave time to close some.
                Err(_) => sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

struct Front {
    tls: TlsAcceptor,
    cluster: Arc<Cluster>,
    tokens: Arc<dyn TokenCheck>,
    log: LoginLog,
}

impl Front {
    async fn connection(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut client, first, encrypted) = timeout(SIGN_IN_LIMIT, self.open(stream)).await??;
        match first {
            Opening::Startup(startup) => self.session(client, startup, peer, encrypted).await,
            Opening::Cancel(packet) => self.cancel(&packet).await,
            Opening::Unsupported(code) => {
                let (major, minor) = (code >> 16, code & 0xffff);
                let text = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0");
                send(&mut client, &fatal(&Refusal::new("0A000", text))).await
            }
            // Encryption within encryption.
            Opening::Tls | Opening::Gss => Ok(()),
        }
    }

    /// Settles the encryption and reads the first packet within.
    async fn open(&self, mut stream: TcpStream) -> io::Result<(Box<dyn Stream>, Opening, bool)> {
        loop {
            match opening(&mut stream).await? {
                Opening::Gss => stream.write_all(b"N").await?,
                Opening::Tls => {
                    stream.write_all(b"S").await?;
                    let mut stream = self.tls.accept(stream).await?;
                    let first = opening(&mut stream).await?;
                    return Ok((Box::new(stream), first, true));
                }
                first => return Ok((Box::new(stream), first, false)),
            }
        }
    }

    async fn cancel(&self, packet: &[u8]) -> io::Result<()> {
        let Some(port) = self.cluster.door().port else { return Ok(()) };
        let mut server = UnixStream::connect(self.cluster.socket(port)).await?;
        server.write_all(packet).await?;
        // The server answers nothing; it hangs up when the signal is sent, and so does the front.
        server.read(&mut [0]).await.map(drop)
    }

    async fn session(
        &self,
        mut client: Box<dyn Stream>,
        startup: Startup,
        peer: SocketAddr,
        encrypted: bool,
    ) -> io::Result<()> {
        let mut method = LoginMethod::Refused;
        let admitted =
            timeout(SIGN_IN_LIMIT, self.admit(&mut client, &startup, peer, encrypted, &mut method)).await??;
        let mut server = match admitted {
            Ok(server) => server,
            Err(refusal) => {
                send(&mut client, &fatal(&refusal)).await?;
                self.record(&startup, method, Err(refusal));
                return Ok(());
            }
        };
        let verdict = timeout(SIGN_IN_LIMIT, sign_in(&mut client, &mut server)).await??;
        let result = match verdict {
            Verdict::Ready => Ok(()),
            Verdict::Refused(refusal) => Err(refusal),
        };
        self.record(&startup, method, result);
        splice(client, server).await;
        Ok(())
    }

    /// Decides who may go on to the server, and opens the way there.
    async fn admit(
        &self,
        client: &mut Box<dyn Stream>,
        startup: &Startup,
        peer: SocketAddr,
        encrypted: bool,
        method: &mut LoginMethod,
    ) -> io::Result<Result<Box<dyn Stream>, Refusal>> {
        let Startup { user, database, .. } = startup;
        if !encrypted {
            let host = peer.ip();
            let text = format!(
                "no pg_hba.conf entry for host \"{host}\", user \"{user}\", database \"{database}\", no encryption"
            );
            return Ok(Err(Refusal::new("28000", text)));
        }
        let door = self.cluster.door();
        let Some(port) = door.port else { return Ok(Err(starting_up())) };
        let label = match self.cluster.label(user).await {
            Ok(label) => label,
            Err(failure) => {
                tracing::warn!("a role could not be looked up: {failure}");
                return Ok(Err(starting_up()));
            }
        };
        let connected = if let Some(label) = label {
            if !door.entra {
                return Ok(Err(Refusal::password(user)));
            }
            *method = LoginMethod::Token;
            send(client, &ASK_PASSWORD).await?;
            let token = password(client).await?;
            if let Err(refusal) = self.judge(&label, user, &token) {
                return Ok(Err(refusal));
            }
            UnixStream::connect(self.cluster.socket(port)).await.map(|server| Box::new(server) as Box<dyn Stream>)
        } else {
            if !door.password {
                return Ok(Err(Refusal::password(user)));
            }
            *method = LoginMethod::Password;
            let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
            server.and_then(|server| server.set_nodelay(true).map(|()| Box::new(server) as Box<dyn Stream>))
        };
        // A server that does not take connections is on its way up or down.
        let Ok(mut server) = connected else { return Ok(Err(starting_up())) };
        send(&mut server, &startup.packet).await?;
        Ok(Ok(server))
    }

    fn judge(&self, label: &Label, user: &str, token: &str) -> Result<(), Refusal> {
        let claims = self.tokens.check(token, &[AUDIENCE]).map_err(|refused| fault(&refused))?;
        label.admit(user, &claims)
    }

    fn record(&self, startup: &Startup, method: LoginMethod, result: Result<(), Refusal>) {
        let (user, database) = (startup.user.clone(), startup.database.clone());
        (self.log)(LoginEvent { user, database, method, result });
    }
}

fn starting_up() -> Refusal {
    Refusal::new("57P03", "the database system is starting up")
}

async fn send(stream: &mut Box<dyn Stream>, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Relays until the server has decided. Both reads lose nothing when the other one wins.
async fn sign_in(client: &mut Box<dyn Stream>, server: &mut Box<dyn Stream>) -> io::Result<Verdict> {
    let mut follower = Follower::default();
    let (mut asked, mut said) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            count = client.read(&mut asked) => match count? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => send(server, &asked[..count]).await?,
            },
            count = server.read(&mut said) => match count? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => {
                    send(client, &said[..count]).await?;
                    if let Some(verdict) = follower.take(&said[..count]) {
                        return Ok(verdict);
                    }
                }
            },
        }
    }
}

/// Relays until the server hangs up, which it does soon after the client has.
async fn splice(client: Box<dyn Stream>, server: Box<dyn Stream>) {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = split(server);
    let upwards = async {
        let _ = copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
        pending::<()>().await;
    };
    tokio::select! {
        _ = copy(&mut from_server, &mut to_client) => {}
        () = upwards => {}
    }
    let _ = to_client.shutdown().await;
}
