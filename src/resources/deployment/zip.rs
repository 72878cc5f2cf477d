//! A deployment by zip: which zip is deployed is told by the name that pgentra publishes it under.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::with_content;
use crate::azure::Deployment;
use crate::model::{Attributes, Class, Failure, Look, Purpose, Reading, Value, hex};
use crate::resources::live::{optional_text, site_id, text};
use crate::resources::{Live, Watch};

/// What the name of a zip's deployer begins with; its SHA-256 follows.
const DEPLOYER: &str = "pgentra-sha256-";
/// What the content of a zip begins with.
const CONTENT: &str = "sha256:";

pub(super) async fn read(live: &Live, look: &Look<'_>) -> Result<Reading, Failure> {
    let (content, note) = deployed(live, look.key).await?;
    if look.purpose == Purpose::Settle {
        return Ok(Reading::present(with_content(look.attributes, content), Attributes::new()));
    }
    let mut restated = look.attributes.clone();
    let mut zips = Attributes::new();
    // The zip that is wanted wins where both are the same.
    for name in ["previous", "zip"] {
        if let Some(Value::Text(path)) = restated.remove(name) {
            let (_, content) = load(live, &path).await?;
            zips.insert(content, Value::Text(path));
        }
    }
    let (_, wanted) = load(live, text(look.attributes, "zip")?).await?;
    restated.insert("zips".to_owned(), Value::Map(zips));
    let mut reading = Reading::present(with_content(&restated, content), Attributes::new());
    reading.desired = Some(with_content(&restated, Value::Text(wanted)));
    reading.notes.extend(note);
    Ok(reading)
}

/// Publishes the zip whose content `after` has.
pub(super) async fn write(live: &Live, key: &Attributes, after: &Attributes, watch: &dyn Watch) -> Result<(), Failure> {
    let id = site_id(key)?;
    let content = text(after, "content")?;
    let path = after.get("zips").and_then(Value::as_map).and_then(|zips| optional_text(zips, content));
    let path = path.ok_or_else(|| {
        Failure::new(Class::Input, "nobody has what was deployed before")
            .detail(format!("{id}: {content}"))
            .remedy("deploy it by the way that it came from")
    })?;
    let (bytes, found) = load(live, path).await?;
    if found != content {
        return Err(Failure::new(Class::Conflict, "this is not the zip that was planned")
            .detail(format!("{path}\nplanned: {content}\nfound: {found}"))
            .remedy("put the zip that was planned back, or plan again"));
    }
    let deployer = format!("{DEPLOYER}{}", content.trim_start_matches(CONTENT));
    let build = after.get("build").and_then(Value::as_bool) == Some(true);
    live.arm.scm(&id).await?.publish(bytes, &deployer, build, &|text| watch.note(text)).await
}

/// The content of what is deployed, and what a person should know of it.
pub(in crate::resources) async fn deployed(live: &Live, key: &Attributes) -> Result<(Value, Option<String>), Failure> {
    let id = site_id(key)?;
    Ok(match live.arm.scm(&id).await?.running().await? {
        None => (Value::Null, None),
        Some(Ok(running)) => {
            if let Some(content) = ours(&running) {
                return Ok((Value::Text(content), None));
            }
            let who = running.deployer.as_deref().filter(|who| !who.is_empty()).unwrap_or("somebody");
            let note = format!("{who} deployed what runs on {id}: its content is not known");
            (Value::Text(format!("deployment {} by {who}", running.id)), Some(note))
        }
        Some(Err(failed)) => {
            let note = format!("the last deployment of {id} failed: which code runs is not known");
            (Value::Text(format!("unknown, after deployment {} failed", failed.id)), Some(note))
        }
    })
}

/// The content of a zip that pgentra published.
fn ours(deployment: &Deployment) -> Option<String> {
    let digest = deployment.deployer.as_deref()?.strip_prefix(DEPLOYER)?;
    let whole = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| format!("{CONTENT}{}", digest.to_ascii_lowercase()))
}

/// A zip with its content.
async fn load(live: &Live, path: &str) -> Result<(Vec<u8>, String), Failure> {
    let bytes = live.file(Path::new(path)).await?;
    if !bytes.starts_with(b"PK") {
        return Err(Failure::new(Class::Input, "this is no zip").detail(path).remedy("name a zip with the app's code"));
    }
    let content = format!("{CONTENT}{}", hex(&Sha256::digest(&bytes)));
    Ok((bytes, content))
}
