//! `evidence`: shows, verifies and exports the ledger, and attests what no machine can check.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use super::args::{Global, PlanFileArg};
use super::evidence_view::{attested, view};
use super::exit::{Ended, Exit};
use super::load::usable;
use super::observe::{author, validations};
use super::output::{self, Output};
use super::{evidence_keys, live, place};
use crate::evidence::{Attestation, Ledger, Now, Record, SigningKey, Standing, decide};
use crate::model::{Desired, Failure, Value};
use crate::pipeline;
use crate::plan::PlanFile;
use crate::report::{self, Check, Evidence, checklist, clean, evidence_markdown, json_text};
use crate::resources::Vantage as _;
use crate::store::Store;

/// Show, verify and export what was observed
#[derive(Args, Clone, Debug)]
pub struct EvidenceArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub what: What,
}

/// What can be done with the evidence.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// Show the observations as a timeline, and what the gates say
    Show(ShowArgs),
    /// Check that no record was edited, removed, reordered or forged; exits with 10 otherwise
    ///
    /// A record without a signature, or with one of a key that is not at hand, may be forged, unless every validation of
    /// the plan file has `allow_unsigned = true`.
    Verify(ShowArgs),
    /// Write everything into a JSON and a Markdown file that an auditor can keep
    Export(ExportArgs),
    /// Vouch for a line of the checklist that no machine can check
    Attest(AttestArgs),
}

/// Whose evidence.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
}

/// Arguments of `export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// The directory that `<plan>-evidence.json` and `<plan>-evidence.md` are written into
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub into: PathBuf,
}

/// Arguments of `attest`.
#[derive(Args, Clone, Debug)]
pub struct AttestArgs {
    /// The line, in the words of the checklist
    #[arg(value_name = "LINE")]
    pub line: String,
    /// Who vouches for it
    #[arg(long, value_name = "NAME")]
    pub by: String,
    /// What there is to say about it
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// The plan file [default: the `*.toml` here that has a `version`]
    #[arg(long = "plan", value_name = "PLAN_FILE")]
    pub file: Option<PathBuf>,
}

/// Everything that the commands look at.
struct Found {
    file: PlanFile,
    store: Box<dyn Store>,
    keys: Vec<SigningKey>,
    ledger: Ledger,
}

/// Runs `evidence`.
pub async fn run(args: &EvidenceArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    let (file, needed) = match &args.what {
        What::Show(args) | What::Verify(args) => (args.file.clone(), false),
        What::Export(args) => (args.file.clone(), false),
        What::Attest(args) => (PlanFileArg { file: args.file.clone() }, true),
    };
    let (source, file) = usable(&file, global, output)?;
    let store = place::store(&source, &file, global).await?;
    let keys: Vec<SigningKey> = evidence_keys::keys(&file, global, needed).await?.into_values().collect();
    let ledger = pipeline::ledger(store.as_ref(), &keys).await?;
    let found = Found { file, store, keys, ledger };
    match &args.what {
        What::Show(_) => {
            let views = views(&found, global).await?;
            output.page(&report::evidence(&views, &faults(&found.ledger), &attested(&found.ledger)))?;
            Ok(Exit::Done)
        }
        What::Verify(_) => {
            let lax = |want: &&Desired| want.attributes.get("allow_unsigned").and_then(Value::as_bool) == Some(true);
            Ok(verify(&found.ledger, validations(&found.file).iter().all(lax), output)?)
        }
        What::Export(args) => Ok(export(&found, &args.into, global, output).await?),
        What::Attest(args) => Ok(attest(&found, args, global, output).await?),
    }
}

fn faults(ledger: &Ledger) -> Vec<String> {
    ledger.faults.iter().map(|fault| fault.what.clone()).collect()
}

/// The evidence of all validations, as it stands now.
async fn views(found: &Found, global: &Global) -> Result<Vec<Evidence>, Failure> {
    let key = found.store.digest_key().await?;
    let world = live::world(&found.file.target, global, key).await?;
    let mut views = Vec::new();
    for want in validations(&found.file) {
        let terms = pipeline::terms(want)?;
        let scope = world.scope(&want.attributes).await.map_err(|failure| failure.in_a_line());
        let now = Now::new(world.times(&want.attributes).await, scope);
        views.push(view(&terms, &found.ledger, &decide(&terms, &found.ledger, &now)));
    }
    Ok(views)
}

/// `lax`: the plan file believes records without a signature.
fn verify(ledger: &Ledger, lax: bool, output: &Output) -> Result<Exit, Failure> {
    let count = |standing| ledger.entries.iter().filter(|entry| entry.standing == standing).count();
    let (signed, unchecked) = (count(Standing::Signed), count(Standing::Unchecked));
    let chain = Check {
        label: "The chain is whole".to_owned(),
        holds: ledger.faults.is_empty(),
        detail: match ledger.faults.as_slice() {
            [] => format!("{} records", ledger.lines),
            _ => faults(ledger).join("; "),
        },
    };
    let signatures = Check {
        label: if lax {
            "The plan file asks for no signatures"
        } else {
            "Every record is signed with a key that is at hand"
        }
        .to_owned(),
        holds: lax || signed == ledger.entries.len(),
        detail: format!("{signed} signed, {unchecked} with another key, {} unsigned", count(Standing::Unsigned)),
    };
    let holds = chain.holds && signatures.holds;
    output.page(&checklist("Verification of the ledger", &[chain, signatures]))?;
    Ok(if holds { Exit::Done } else { Exit::CheckFailed })
}

async fn export(found: &Found, into: &Path, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let views = views(found, global).await?;
    let (faults, attested) = (faults(&found.ledger), attested(&found.ledger));
    let lines = found.store.ledger().await?;
    let raw = |line: &String| serde_json::from_str(line).unwrap_or_else(|_| json!({ "unreadable": line }));
    let data = json!({
        "format_version": "1.0",
        "plan": found.file.name,
        "plan_digest": found.file.digest,
        "exported_at": Timestamp::now().to_string(),
        "exported_by": author(&found.file).who,
        "pgentra": env!("CARGO_PKG_VERSION"),
        "how_to_verify": "hash = SHA-256 over, each preceded by its length as 8 bytes big-endian: \"pgentra ledger\", \
                          format, seq, previous, key or nothing, record as JSON with sorted keys and no spaces. \
                          signature = HMAC-SHA-256 of the hash in hex. previous is the hash of the record before.",
        "summary": *report::evidence(&views, &faults, &attested).data,
        "ledger": lines.iter().map(raw).collect::<Vec<serde_json::Value>>(),
    });
    let name: String =
        found.file.name.chars().map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect();
    for (ending, text) in
        [("json", json_text(&data)), ("md", evidence_markdown(&found.file.name, &views, &faults, &attested))]
    {
        let path = into.join(format!("{name}-evidence.{ending}"));
        output::write(&path, &text)?;
        output.data(&format!("{}\n", clean(&path.display().to_string())))?;
    }
    Ok(Exit::Done)
}

async fn attest(found: &Found, args: &AttestArgs, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let mut held = found.store.lock(place::lock_note("attest"), std::time::Duration::from_mins(1)).await?;
    let world = live::world(&found.file.target, global, found.store.digest_key().await?).await?;
    let about = validations(&found.file).first().map(|want| want.attributes.clone()).unwrap_or_default();
    let author = author(&found.file);
    let record = Record::Attestation(Attestation {
        line: args.line.clone(),
        at: world.times(&about).await,
        who: author.who.clone(),
        by: args.by.clone(),
        note: args.note.clone(),
    });
    let keys = (found.keys.as_slice(), found.keys.first());
    let ledger = pipeline::write_evidence(found.store.as_ref(), held.as_mut(), &author, &record, keys).await?;
    output.page(&report::evidence(&[], &faults(&ledger), &attested(&ledger)))?;
    Ok(Exit::Done)
}
