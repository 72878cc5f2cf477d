//! The few messages of PostgreSQL's protocol 3 that a front must read and write by itself.

use std::io::{self, Error, ErrorKind};

use tokio::io::{AsyncRead, AsyncReadExt};

use super::pgaadauth::Refusal;

/// AuthenticationCleartextPassword.
pub const ASK_PASSWORD: [u8; 9] = [b'R', 0, 0, 0, 8, 0, 0, 0, 3];
/// The longest startup packet that PostgreSQL takes.
const STARTUP_LIMIT: usize = 10_000;
/// The longest password message that PostgreSQL takes.
const PASSWORD_LIMIT: usize = 65_535;

const PROTOCOL_3: u32 = 3;
const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// The first packet of a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Opening {
    /// Asks for TLS.
    Tls,
    /// Asks for GSSAPI encryption.
    Gss,
    /// Asks to cancel a query: the packet, to be passed on.
    Cancel(Vec<u8>),
    /// Starts a session.
    Startup(Startup),
    /// Another version of the protocol.
    Unsupported(u32),
}

/// A startup message.
#[derive(Debug, PartialEq, Eq)]
pub struct Startup {
    /// The whole packet, to be passed on.
    pub packet: Vec<u8>,
    /// The role.
    pub user: String,
    /// The database; the role's name where none is given.
    pub database: String,
}

/// Reads the first packet.
pub async fn opening(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Opening> {
    let length = stream.read_u32().await?;
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    if !(8..=STARTUP_LIMIT).contains(&size) {
        return Err(Error::new(ErrorKind::InvalidData, "invalid length of startup packet"));
    }
    let mut packet = length.to_be_bytes().to_vec();
    packet.resize(size, 0);
    stream.read_exact(&mut packet[4..]).await?;
    let code = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
    Ok(match code {
        SSL => Opening::Tls,
        GSS => Opening::Gss,
        CANCEL => Opening::Cancel(packet),
        code if code >> 16 == PROTOCOL_3 => Opening::Startup(startup(packet)?),
        code => Opening::Unsupported(code),
    })
}

fn startup(packet: Vec<u8>) -> io::Result<Startup> {
    let (mut user, mut database) = (None, None);
    let mut texts = packet[8..].split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
    while let Some(name) = texts.next().filter(|name| !name.is_empty()) {
        let value = texts.next().ok_or_else(|| Error::new(ErrorKind::InvalidData, "invalid startup packet layout"))?;
        match name.as_str() {
            "user" => user = Some(value),
            "database" => database = Some(value).filter(|value| !value.is_empty()),
            _ => {}
        }
    }
    let user = user.unwrap_or_default();
    let database = database.unwrap_or_else(|| user.clone());
    Ok(Startup { packet, user, database })
}

/// Reads the answer to [`ASK_PASSWORD`].
pub async fn password(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let kind = stream.read_u8().await?;
    let size = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if kind != b'p' || !(5..=PASSWORD_LIMIT).contains(&size) {
        return Err(Error::new(ErrorKind::InvalidData, "expected a password"));
    }
    let mut text = vec![0; size - 4];
    stream.read_exact(&mut text).await?;
    if text.pop() != Some(0) {
        return Err(Error::new(ErrorKind::InvalidData, "invalid password packet"));
    }
    String::from_utf8(text).map_err(|_| Error::new(ErrorKind::InvalidData, "the password is not UTF-8"))
}

/// An ErrorResponse of severity FATAL.
pub fn fatal(refusal: &Refusal) -> Vec<u8> {
    let mut body = Vec::new();
    let mut field = |kind: u8, text: &str| {
        body.push(kind);
        body.extend(text.bytes().filter(|byte| *byte != 0));
        body.push(0);
    };
    field(b'S', "FATAL");
    field(b'V', "FATAL");
    field(b'C', &refusal.code);
    field(b'M', &refusal.message);
    if let Some(hint) = &refusal.hint {
        field(b'H', hint);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    let mut message = vec![b'E'];
    message.extend(length.to_be_bytes());
    message.extend(body);
    message
}

/// Follows what a server sends while it signs a session in, whatever way the bytes are cut.
#[derive(Debug, Default)]
pub struct Follower {
    rest: Vec<u8>,
}

/// How the sign-in ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// ReadyForQuery: the session stands.
    Ready,
    /// ErrorResponse.
    Refused(Refusal),
}

impl Follower {
    /// Takes the next bytes; says how the sign-in ended as soon as it has.
    pub fn take(&mut self, bytes: &[u8]) -> Option<Verdict> {
        self.rest.extend_from_slice(bytes);
        while let [kind, a, b, c, d, ..] = self.rest[..] {
            let size = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            let end = size.saturating_add(1).max(5);
            if self.rest.len() < end {
                return None;
            }
            match kind {
                b'Z' => return Some(Verdict::Ready),
                b'E' => return Some(Verdict::Refused(read_error(&self.rest[5..end]))),
                _ => self.rest.drain(..end),
            };
        }
        None
    }
}

fn read_error(body: &[u8]) -> Refusal {
    let mut refusal = Refusal::new("", "");
    for field in body.split(|byte| *byte == 0) {
        let Some((kind, text)) = field.split_first() else { continue };
        let text = String::from_utf8_lossy(text).into_owned();
        match kind {
            b'C' => refusal.code = text,
            b'M' => refusal.message = text,
            b'H' => refusal.hint = Some(text),
            _ => {}
        }
    }
    refusal
}

#[cfg(test)]
mod tests {
    use super::{Follower, Opening, Refusal, Verdict, fatal, opening, password};

    fn packet(body: &[u8]) -> Vec<u8> {
        let mut packet = u32::try_from(body.len() + 4).unwrap().to_be_bytes().to_vec();
        packet.extend(body);
        packet
    }

    #[tokio::test]
    async fn openings_are_told_apart() {
        let open = async |body: &[u8]| opening(&mut packet(body).as_slice()).await;
        assert_eq!(open(&80_877_103_u32.to_be_bytes()).await.unwrap(), Opening::Tls);
        assert_eq!(open(&80_877_104_u32.to_be_bytes()).await.unwrap(), Opening::Gss);
        assert_eq!(open(&[0, 2, 0, 0]).await.unwrap(), Opening::Unsupported(0x2_0000));
        let Opening::Startup(startup) = open(b"\0\x03\0\0user\0mi/app\0options\0\0\0").await.unwrap() else { panic!() };
        assert_eq!((startup.user.as_str(), startup.database.as_str()), ("mi/app", "mi/app"));
        let Opening::Startup(startup) = open(b"\0\x03\0\0database\0db\0user\0u\0\0").await.unwrap() else { panic!() };
        assert_eq!((startup.user.as_str(), startup.database.as_str()), ("u", "db"));
        assert!(open(&[0; 10_000]).await.is_err());
        assert!(open(&[]).await.is_err());
    }

    #[tokio::test]
    async fn a_password_is_read_up_to_the_limit() {
        let message = |size: usize| {
            let mut message = vec![b'p'];
            message.extend(packet(&[vec![b'x'; size], vec![0]].concat()));
            message
        };
        assert_eq!(password(&mut message(64_000).as_slice()).await.unwrap().len(), 64_000);
        assert!(password(&mut message(70_000).as_slice()).await.is_err());
        assert!(password(&mut b"Q\0\0\0\x05\0".as_slice()).await.is_err());
    }

    #[test]
    fn a_verdict_is_found_however_the_bytes_are_cut() {
        let refusal = Refusal { hint: Some("h".into()), ..Refusal::new("28000", "no") };
        let mut bytes = vec![b'R', 0, 0, 0, 8, 0, 0, 0, 0];
        bytes.extend(fatal(&refusal));
        let mut follower = Follower::default();
        let verdicts: Vec<Verdict> = bytes.chunks(1).filter_map(|byte| follower.take(byte)).collect();
        assert_eq!(verdicts, [Verdict::Refused(refusal)]);
        assert_eq!(Follower::default().take(b"Z\0\0\0\x05I"), Some(Verdict::Ready));
    }
}
