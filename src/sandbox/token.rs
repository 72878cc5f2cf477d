//! The token issuer: one RSA key, JSON Web Tokens as Entra makes them, the key set, and the check of a token.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::claims::{Claims, TokenCheck, TokenFault};
use super::files;
use crate::model::{Class, Failure};

/// The key id in token headers and in the key set.
const KEY_ID: &str = "pgentra-sandbox";

/// Who a token is about.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// Object id.
    pub object_id: String,
    /// Client id, for applications and managed identities.
    pub app_id: Option<String>,
    /// User principal name, for people.
    pub user_name: Option<String>,
    /// Groups it is in.
    pub groups: Vec<String>,
    /// ARM id of the managed identity, in `xms_mirid`.
    pub resource_id: Option<String>,
}

/// Signs and checks tokens.
pub struct Issuer {
    key: KeyPair,
    tenant: String,
    shift: AtomicI64,
}

impl Issuer {
    /// The issuer of a sandbox: its key is read from `path`, and made there when missing.
    pub fn open(path: &Path, tenant: &str) -> Result<Self, Failure> {
        let broken = |what: &str| {
            Failure::new(Class::Other, "the sandbox's token key cannot be used").detail(format!("cannot {what} it"))
        };
        let key = if path.exists() {
            KeyPair::from_pkcs8(&files::read(path)?).map_err(|_| broken("read"))?
        } else {
            let key = KeyPair::generate(KeySize::Rsa2048).map_err(|_| broken("make"))?;
            let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = key.as_der().map_err(|_| broken("encode"))?;
            files::write_secret(path, der.as_ref())?;
            key
        };
        Ok(Self { key, tenant: tenant.to_owned(), shift: AtomicI64::new(0) })
    }

    /// Seconds since 1970 on the emulator's clock, which may be shifted.
    pub fn now(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        i64::try_from(now).unwrap_or(i64::MAX) + self.shift.load(Ordering::Relaxed)
    }

    /// Shifts the clock by `seconds` against the real one.
    pub fn set_shift(&self, seconds: i64) {
        self.shift.store(seconds, Ordering::Relaxed);
    }

    /// A token for `audience` that lasts `lifetime` seconds.
    pub fn issue(&self, subject: &Subject, audience: &str, lifetime: i64) -> Result<String, Failure> {
        let now = self.now();
        let mut claims = json!({
            "aud": audience,
            "iss": format!("https://sts.windows.net/{}/", self.tenant),
            "iat": now, "nbf": now, "exp": now + lifetime,
            "oid": subject.object_id, "sub": subject.object_id, "tid": self.tenant,
            "uti": uuid::Uuid::now_v7().simple().to_string(),
            "ver": "1.0",
        });
        let Some(object) = claims.as_object_mut() else { unreachable!("json! made an object") };
        if let Some(app_id) = &subject.app_id {
            object.insert("appid".into(), json!(app_id));
            object.insert("appidacr".into(), json!(if subject.resource_id.is_some() { "2" } else { "1" }));
            object.insert("idtyp".into(), json!("app"));
        }
        if let Some(name) = &subject.user_name {
            object.insert("upn".into(), json!(name));
            object.insert("idtyp".into(), json!("user"));
            object.insert("scp".into(), json!("user_impersonation"));
        }
        if !subject.groups.is_empty() {
            object.insert("groups".into(), json!(subject.groups));
        }
        if let Some(id) = &subject.resource_id {
            object.insert("xms_mirid".into(), json!(id));
        }
        self.sign(&claims)
    }

    /// Signs any claims.
    pub fn sign(&self, claims: &Value) -> Result<String, Failure> {
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": KEY_ID, "x5t": KEY_ID});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_| Failure::new(Class::Other, "cannot sign a token"))?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The key set, as under `discovery/v2.0/keys`.
    pub fn key_set(&self) -> Value {
        let (modulus, exponent) = self.public();
        json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "x5t": KEY_ID,
            "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent)}]})
    }

    /// The claims of a token with our signature, whatever its times and audience.
    pub fn verified(&self, token: &str) -> Option<Value> {
        let (modulus, exponent) = self.public();
        let key = jsonwebtoken::DecodingKey::from_rsa_raw_components(&modulus, &exponent);
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        jsonwebtoken::decode::<Value>(token, &key, &validation).ok().map(|token| token.claims)
    }

    fn public(&self) -> (Vec<u8>, Vec<u8>) {
        let public = self.key.public_key();
        let modulus = public.modulus().big_endian_without_leading_zero().to_vec();
        (modulus, public.exponent().big_endian_without_leading_zero().to_vec())
    }
}

impl TokenCheck for Issuer {
    fn check(&self, token: &str, audiences: &[&str]) -> Result<Claims, TokenFault> {
        let claims = self.verified(token).ok_or(TokenFault::Format)?;
        let text = |name: &str| claims[name].as_str().map(str::to_owned);
        let (Some(audience), Some(object_id), Some(tenant), Some(expires)) =
            (text("aud"), text("oid"), text("tid"), claims["exp"].as_i64())
        else {
            return Err(TokenFault::Format);
        };
        if expires <= self.now() {
            return Err(TokenFault::Expired);
        }
        let bare = |audience: &str| audience.trim_end_matches('/').to_ascii_lowercase();
        if !audiences.iter().any(|wanted| bare(wanted) == bare(&audience)) {
            return Err(TokenFault::Audience);
        }
        let groups = claims["groups"].as_array().into_iter().flatten();
        let groups = groups.filter_map(|group| group.as_str().map(str::to_owned)).collect();
        let is_app = claims["idtyp"] == "app";
        Ok(Claims { audience, object_id, app_id: text("appid"), tenant, is_app, groups })
    }
}

#[cfg(test)]
mod tests {
    use super::{Issuer, Subject};
    use crate::sandbox::claims::{TokenCheck, TokenFault};

    #[test]
    fn tokens_are_judged_by_format_then_expiry_then_audience() {
        let dir = tempfile::tempdir().unwrap();
        let issuer = Issuer::open(&dir.path().join("key"), "t").unwrap();
        let subject =
            Subject { object_id: "o".into(), app_id: Some("a".into()), groups: vec!["g".into()], ..Subject::default() };
        let token = issuer.issue(&subject, "https://x", 60).unwrap();
        let claims = issuer.check(&token, &["https://x/"]).unwrap();
        assert_eq!((claims.object_id.as_str(), claims.is_app, claims.groups.len()), ("o", true, 1));
        assert_eq!(issuer.check(&token, &["https://y"]), Err(TokenFault::Audience));
        issuer.set_shift(61);
        assert_eq!(issuer.check(&token, &["https://y"]), Err(TokenFault::Expired));
        let mut forged = token.clone();
        forged.replace_range(token.len() - 8..token.len() - 4, "AAAA");
        assert_eq!(issuer.check(&forged, &["https://x"]), Err(TokenFault::Format));
        assert_eq!(issuer.check("hunter2", &["https://x"]), Err(TokenFault::Format));

        let again = Issuer::open(&dir.path().join("key"), "t").unwrap();
        assert!(again.check(&token, &["https://x"]).is_ok(), "the key is kept");
        let foreign = Issuer::open(&dir.path().join("other"), "t").unwrap();
        assert_eq!(foreign.check(&token, &["https://x"]), Err(TokenFault::Format));
    }
}
