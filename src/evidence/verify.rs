//! Writes and checks the lines of the ledger: a hash chain, each line signed when a key is at hand.

use serde::Deserialize as _;
use serde_json::{Value as Json, json};

use super::canonical::{canonical, digest};
use super::ledger::{Entry, Fault, Head, Ledger, Standing};
use super::record::Record;
use super::sign::SigningKey;

/// The format that each line carries.
const FORMAT: u64 = 1;

/// The line that appends `record` to a ledger, and the head after it.
///
/// # Errors
/// None that a user can cause.
pub fn append(ledger: &Ledger, record: &Record, key: Option<&SigningKey>) -> Result<(String, Head), String> {
    let Head { count: seq, hash: previous } = ledger.head.clone().unwrap_or(Head { count: 0, hash: String::new() });
    let record = serde_json::to_value(record).map_err(|error| error.to_string())?;
    let id = key.map(SigningKey::id);
    let hash = hash(seq, &previous, id, &record);
    let signature = key.map(|key| key.sign(&hash));
    let line = json!({
        "format": FORMAT, "seq": seq, "previous": previous, "record": record, "key": id, "hash": hash,
        "signature": signature,
    });
    Ok((line.to_string(), Head { count: seq + 1, hash }))
}

fn hash(seq: u64, previous: &str, key: Option<&str>, record: &Json) -> String {
    digest(&["pgentra ledger", &FORMAT.to_string(), &seq.to_string(), previous, key.unwrap_or(""), &canonical(record)])
}

/// Goes through a ledger. `keys` are those at hand; `journaled` is the head that the newest journal entry about the
/// ledger names: the ledger has to hold it, and may go on after it.
pub fn verify(lines: &[String], keys: &[SigningKey], journaled: Option<&Head>) -> Ledger {
    let mut ledger = Ledger { lines: lines.len(), ..Ledger::default() };
    let mut readable = true;
    for (at, text) in lines.iter().enumerate() {
        match read(text) {
            Err(why) => {
                ledger.faults.push(Fault { resume: at + 1, what: format!("line {}: {why}", at + 1) });
                // What is written on has to be chained to something.
                let count = ledger.head.as_ref().map_or(0, |head| head.count).saturating_add(1);
                ledger.head = Some(Head { count, hash: digest(&["unreadable", text]) });
                readable = false;
            }
            Ok(line) => {
                if readable {
                    ledger.faults.extend(chain(&line, ledger.head.as_ref(), at));
                }
                readable = true;
                let head = Head { count: line.seq.saturating_add(1), hash: line.hash.clone() };
                match line.standing(keys) {
                    Ok((standing, record)) => {
                        ledger.entries.push(Entry { seq: line.seq, line: at, record, standing, hash: line.hash });
                    }
                    Err(why) => ledger.faults.push(Fault { resume: at + 1, what: format!("line {}: {why}", at + 1) }),
                }
                ledger.head = Some(head);
            }
        }
    }
    ledger.faults.extend(journaled.and_then(|head| truncated(lines, head)));
    ledger
}

/// A line as it stands.
struct Line {
    seq: u64,
    previous: String,
    record: Json,
    key: Option<String>,
    hash: String,
    signature: Option<String>,
}

fn read(text: &str) -> Result<Line, String> {
    let json: Json = serde_json::from_str(text).map_err(|_| "it is no JSON".to_owned())?;
    match json["format"].as_u64() {
        Some(FORMAT) => {}
        Some(other) => return Err(format!("it has format {other}; this version reads {FORMAT}")),
        None => return Err("it is no ledger record".to_owned()),
    }
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    let line = || {
        let (seq, record) = (json["seq"].as_u64()?, json.get("record")?.clone());
        let (previous, hash) = (text("previous")?, text("hash")?);
        Some(Line { seq, previous, record, key: text("key"), hash, signature: text("signature") })
    };
    line().ok_or_else(|| "it is no ledger record".to_owned())
}

/// What is wrong between a line and the one before it.
fn chain(line: &Line, before: Option<&Head>, at: usize) -> Option<Fault> {
    let number = at + 1;
    let fault = |what: String| Some(Fault { resume: at, what });
    match before {
        None if line.seq > 0 => fault(format!("line {number}: {} before it are missing", records(line.seq))),
        None if !line.previous.is_empty() => fault(format!("line {number}: it is not the beginning of a ledger")),
        Some(before) if line.seq > before.count => {
            fault(format!("line {number}: {} before it are missing", records(line.seq - before.count)))
        }
        Some(before) if line.seq < before.count => {
            fault(format!("line {number}: it is number {}, after number {}", line.seq, before.count - 1))
        }
        Some(before) if line.previous != before.hash => {
            fault(format!("line {number}: the record before it is not the one that it was chained to"))
        }
        _ => None,
    }
}

fn records(count: u64) -> String {
    if count == 1 { "1 record".to_owned() } else { format!("{count} records") }
}

impl Line {
    /// How the line is vouched for, and what it says.
    fn standing(&self, keys: &[SigningKey]) -> Result<(Standing, Record), String> {
        if hash(self.seq, &self.previous, self.key.as_deref(), &self.record) != self.hash {
            return Err("it was edited: its content is not what its hash was made of".to_owned());
        }
        let standing = match (&self.key, &self.signature) {
            (None, None) => Standing::Unsigned,
            (Some(id), Some(signature)) => match keys.iter().find(|key| key.id() == id) {
                None => Standing::Unchecked,
                Some(key) if key.signed(&self.hash, signature) => Standing::Signed,
                Some(_) => return Err("it is forged: its signature was not made with the key it names".to_owned()),
            },
            _ => return Err("it has half a signature".to_owned()),
        };
        let record = Record::deserialize(&self.record).map_err(|error| format!("it cannot be read: {error}"))?;
        Ok((standing, record))
    }
}

/// What is missing at the end, by the head that the journal names.
fn truncated(lines: &[String], head: &Head) -> Option<Fault> {
    let fault = |what: String| Some(Fault { resume: lines.len(), what });
    // By the number that lines carry: lines may be missing at the beginning too.
    let numbered = |text: &String| read(text).ok().filter(|line| line.seq.saturating_add(1) == head.count);
    match lines.iter().rev().find_map(numbered) {
        _ if head.count == 0 => None,
        Some(line) if line.hash == head.hash => None,
        Some(_) => fault(format!("record {} is not the one that the journal knows", head.count)),
        None => fault(format!("the journal knows {}; the ledger does not reach that far", records(head.count))),
    }
}
