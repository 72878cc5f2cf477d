//! SCRAM-SHA-256 verifiers, made here so that a password never travels to the server or into its log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::model::{Class, Failure, Secret};

/// How often the password is hashed; PostgreSQL's own number (`SCRAM_DEFAULT_ITERATIONS`).
const ITERATIONS: u32 = 4096;
/// Bytes of salt; PostgreSQL's own number (`SCRAM_DEFAULT_SALT_LEN`).
const SALT: usize = 16;

/// What PostgreSQL stores of a password: it lets the password sign in and does not tell it. With a new random salt.
///
/// # Errors
/// `Other`: the machine gives no random numbers.
pub fn verifier(password: &Secret) -> Result<Secret, Failure> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|error| {
        Failure::new(Class::Other, "the system gives no random numbers")
            .remedy("make the system's random numbers available (getrandom)")
            .detail(error.to_string())
    })?;
    salted(password, &salt)
}

/// RFC 5802, section 3, in PostgreSQL's spelling: `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
fn salted(password: &Secret, salt: &[u8]) -> Result<Secret, Failure> {
    // A text that SASLprep refuses is used as it is, as PostgreSQL and libpq do.
    let prepared = stringprep::saslprep(password.expose()).unwrap_or_else(|_| password.expose().into());
    let prepared = Zeroizing::new(prepared.into_owned());
    let key = hashed(prepared.as_bytes(), salt)?;
    let stored = Sha256::digest(keyed(&*key, &[b"Client Key"])?);
    let server = keyed(&*key, &[b"Server Key"])?;
    let (salt, stored, server) = (STANDARD.encode(salt), STANDARD.encode(stored), STANDARD.encode(server));
    Ok(Secret::new(format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{server}")))
}

/// `Hi` of RFC 5802: PBKDF2 with one block of output.
fn hashed(password: &[u8], salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let mut last = keyed(password, &[salt, &1_u32.to_be_bytes()])?;
    let mut all = Zeroizing::new(last);
    for _ in 1..ITERATIONS {
        last = keyed(password, &[&last])?;
        all.iter_mut().zip(last).for_each(|(all, last)| *all ^= last);
    }
    Ok(all)
}

fn keyed(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], Failure> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| {
        Failure::new(Class::Other, "the password cannot be used as a key")
            .remedy("keep a password of ordinary length in the escrow")
    })?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::{salted, verifier};
    use crate::model::Secret;

    /// The example of RFC 7677, section 3; its keys were computed with Python's hashlib.
    #[test]
    fn the_example_of_the_standard() {
        let salt = [91, 109, 153, 104, 157, 18, 53, 142, 236, 160, 75, 20, 18, 54, 250, 129];
        let verifier = salted(&Secret::new("pencil"), &salt).unwrap();
        assert_eq!(
            verifier.expose(),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==\
             $WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }

    #[test]
    fn the_salt_is_never_the_same() {
        let once = || verifier(&Secret::new("x")).unwrap();
        assert_ne!(once().expose(), once().expose());
    }
}
